"""check_untouched.py - holders.c in a debugger: what refheap asks and checks maps no memory into the live process, and
writes none; nor do operands of the kind that refheap prints.

Invariant: the memory map is read inside of the debugger's session, where it stands before the first question and
behind the last.
"""

import argparse
import sys
import tempfile

import expect
from launch import Question, Subject, door_of, report, require, without_traceback


def map_of(door, pid):
    """A question of the debugger itself: the map, on its standard output."""
    tell = {"gdb": "gdb.write(%s)", "lldb": "say(lldb.debugger.GetOutputFile(), %s)"}[door.name]
    return Question({"gdb": "python", "lldb": "script"}[door.name], tell % ("open('/proc/%d/maps').read()" % pid))


def rows_of(answer):
    rows = {line for line in answer.out.splitlines() if "-" in line.split(" ")[0] and "[stack]" not in line}
    require(len(rows) > 10, "no map: %s", answer)
    return rows


def ask(door, subject, questions):
    asked = [map_of(door, subject.process.pid), *questions, map_of(door, subject.process.pid)]
    before, *answers, after = door.ask(subject.live(), asked)
    for question, answer in zip(questions, answers, strict=True):
        without_traceback(answer.error)
        require(answer.status == 0, "%s: %s", question, answer)
    new = rows_of(after) - rows_of(before)
    require(not new, "%s: mapped into the process: %s", door.name, sorted(new))
    return answers


def check(door, subject):
    objects = [address for address, _ in subject.truth["paths"]] + [row["object"] for row in subject.truth["rows"]]
    paths = [Question("refs", "--path --json " + address) for address in objects]
    documents = [expect.document_of(*each) for each in zip(paths, ask(door, subject, paths), strict=True)]
    documents = [document for document in documents if "frame" not in document and "thread" not in document]
    printed = [document["expression"] for document in documents]
    require(any(text.startswith("((") for text in printed), "no expression has a cast: %s", printed)
    typed = printed + ["*&server->sessions.items[3]", "::registry.slots[3]", "(struct node *)(server->sessions.items[3])->any",
                       "*(void **)&server", "&registry.slots[3]", "server->sessions", "*server"]
    operands = [Question("objat", "--json " + text) for text in typed]
    answers = [expect.document_of(*each) for each in zip(operands, ask(door, subject, operands), strict=True)]
    wanted = [document["object"]["address"] for document in documents]
    found = [each["address"] for each in answers[:len(wanted)]]
    require(found == wanted, "%s are %s, not %s", printed, found, wanted)
    print("%-6s %d paths, %d operands" % (door.name, len(paths), len(typed)))


def main():
    parser = argparse.ArgumentParser(description="Nothing of refheap's maps memory into a process.")
    parser.add_argument("--door", choices=("gdb", "lldb"), required=True)
    parser.add_argument("program", help="holders.c, built with -O0 -g")
    arguments = parser.parse_args()
    door = door_of(arguments.door, None)

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 1, folder) as subject:
            check(door, subject)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
