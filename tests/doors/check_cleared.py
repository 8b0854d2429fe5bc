"""check_cleared.py - cleared.c: an object whose header something has written zeros over, a slot that the bitmap has
forgotten or made up, a slab of another slot size: gcverify names it, and no other answer is called complete.

Invariant: the undamaged program is sound, and every answer about it complete.
"""

import argparse
import sys
import tempfile

import expect
from launch import Question, Subject, Target, door_of, report, require

# Kind of damage -> what gcverify calls it, and which word of the program's truth it is at.
KINDS = {
    "half": ("bad_type", "harmed"),
    "header": ("bad_type", "harmed"),
    "serial": ("bad_serial", "harmed"),
    "free": ("bad_bitmap", "harmed"),
    "taken": ("bad_type", "unused"),
    "far": ("bad_type", "unused"),
    "size": ("bad_slab", "slab"),
    "nothing": None,
}
ABOUT_ALL = [Question("gcleaks", "--json --check"), Question("gcstale", "--json --check"), Question("gcgraph", "--json --cycles"),
             Question("gcfind", "--json --unreachable"), Question("gcstat", "--json")]


def check_sound(answers, where):
    for question, answer in answers:
        document = expect.document_of(question, answer)
        require(document["complete"] and answer.status == 0, "%s: %s: status %d, %s", where, question, answer.status, document)


def check_found(document, kind, address, status, where):
    found = [(problem["kind"], problem["address"]) for problem in document["problems"]]
    require((kind, address) in found and status == 1, "%s: status %d, %s", where, status, document)


def check_damaged(answers, truth, kind, where):
    (verify, verified), *others = answers
    document = expect.document_of(verify, verified)
    name, place = KINDS[kind]
    if kind == "far" and not where.endswith("live"):  # where a core may lack a page
        require(not document["complete"] and verified.status == 2, "%s: status %d, %s", where, verified.status, document)
    else:
        check_found(document, name, truth[place], verified.status, where)
    for question, answer in others:
        document = expect.document_of(question, answer)
        if question.command == "refs" and "error" in document:
            require(kind in ("free", "size") and answer.status == 2, "%s: %s: %s", where, question, document)
            continue
        # the damage that another object has says nothing of this one
        is_about_it = question in ABOUT_ALL or kind not in ("taken", "far")
        require(not document["complete"] or not is_about_it, "%s: %s: %s", where, question, document)
        require(answer.status == (2 if "--check" in question.line else 0), "%s: %s: status %d, %s", where, question, answer.status, document)


def check(door, target, truth, kind, where):
    asked = [Question("gcverify", "--json --check"), *ABOUT_ALL,
             Question("objat", "--json " + truth["harmed"]), Question("refs", "--json " + truth["harmed"])]
    answers = list(zip(asked, door.ask(target, asked), strict=True))
    if KINDS[kind]:
        check_damaged(answers, truth, kind, where)
    else:
        check_sound(answers, where)
    print("%s: %d answers" % (where, len(answers)), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Headers, slots and slabs that were written over.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--door", default="shell")
    parser.add_argument("program")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 0, folder, [kind]) as subject:
                check(door, subject.live(), subject.truth, kind, "%s, live" % kind)
                core = subject.core()
                check(door, core, subject.truth, kind, "%s, core" % kind)
                check(door, Target(core=core.core), subject.truth, kind, "%s, core alone" % kind)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
