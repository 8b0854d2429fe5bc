"""check_words.py - words.c against `refs`: each word that the program put somewhere is found, in its class;
none in memory that is free; and no other.

Words at addresses that are no multiple of 8, as packed structs have them, own counts that nothing else explains.

Invariant: on stacks and in registers there may be more copies; anywhere else every row must be one of the
program's own.
"""

import argparse
import collections
import json
import sys
import tempfile

from launch import Question, Subject, Target, door_of, report, require

STRAY = ("stack", "local", "register")
# The values of pthread_setspecific are thread-local by what they are for; the program does not know where
# they lie.
SPECIFIC = 1


def rows_of(door, target, truth):
    answer, = door.ask(target, [Question("refs", "--in --json --limit=0 " + truth["object"])])
    require(answer.status == 0, "refs: %s%s", answer.error, answer.out)
    document = json.loads(answer.out)
    require(document["complete"] is True, "not complete: %s", document.get("incomplete_because"))
    return document


def check_word(word, row, is_glibc):
    kinds = {"stack": ("stack", "local"), "none": (None,)}.get(word["kind"], (word["kind"],))
    if not is_glibc:  # nothing may be lost; what is free is not known, nor what the blocks of another allocator are
        kinds += {"foreign": ("unknown",), "none": ("unknown", "foreign")}.get(word["kind"], ())
    kind = row["kind"] if row else None
    require(kind in kinds, "%s at %s is %s, not %s", word["what"], word["address"], kind, " or ".join(map(str, kinds)))


def check(truth, document, is_glibc, where):
    rows = {row["address"]: row for row in document["referrers"] if row["kind"] != "register"}
    for word in truth["words"]:
        check_word(word, rows.get(word["address"]), is_glibc)
    known = {word["address"] for word in truth["words"]}
    others = [row for row in rows.values() if row["address"] not in known and row["kind"] not in STRAY]
    if is_glibc:
        require(truth["stale"] > 50, "only %d freed words are still there: this proves nothing", truth["stale"])
        require(len(others) == SPECIFIC and others[0]["kind"] == "thread_local", "words that nobody put there: %s", others[:20])
    require(document["not_read"] == [], "not read: %s", document["not_read"])
    print("%s: %s" % (where, dict(collections.Counter(row["kind"] for row in rows.values()))))


def check_packed(truth, document, is_glibc):
    rows = {row["address"]: row for row in document["referrers"]}
    for word in truth["words"]:
        check_word(word, rows.get(word["address"]), is_glibc)
    others = [row for row in rows.values() if int(row["address"], 16) % 8 and row["address"] not in {word["address"] for word in truth["words"]}]
    require(not others, "words that nobody put there: %s", others)
    require(document["ledger"]["unexplained"] == 0, "the ledger: %s", document["ledger"])


def main():
    parser = argparse.ArgumentParser(description="Compares the words found with the words put.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--door", default="shell")
    parser.add_argument("--other-malloc", action="store_true", help="the program's malloc is not glibc's")
    parser.add_argument("program")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 0, folder) as subject:
            is_glibc = not arguments.other_malloc
            check(subject.truth, rows_of(door, subject.live(), subject.truth), is_glibc, "live")
            check_packed(subject.truth["packed"], rows_of(door, subject.live(), subject.truth["packed"]), is_glibc)
            alone = Target(core=subject.core().core)
            check(subject.truth, rows_of(door, alone, subject.truth), is_glibc, "core alone")
            check_packed(subject.truth["packed"], rows_of(door, alone, subject.truth["packed"]), is_glibc)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
