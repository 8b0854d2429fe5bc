"""check_inside.py - one door against inside.c: where the program stands in a finalizer, a dispose function or a
callback, live and in the core, nothing is called lost that the runtime holds, what is lost elsewhere is, and nothing is
called damaged.

Invariant: what is expected comes from the program's own truth; answers are certain unless it says that counts are in
motion, and those about another heap are certain even then.
"""

import argparse
import sys
import tempfile

import expect
from launch import Question, Subject, door_of, report, require, truth_lines, without_traceback


def heaps_apart(door, target, truth):
    """What --heap selects is provisional by its own heap alone: 1 is at rest, 2 is under work."""
    commands = [(name, options, heap) for heap in (1, 2) for name, options in
                (("gcleaks", ""), ("gcstale", ""), ("gcverify", ""), ("gcgraph", ""), ("gcfind", "--unreachable "))]
    asked = [Question(name, "--json %s--heap=%d" % (options, heap)) for name, options, heap in commands]
    asked.append(Question("gcstat", "--json --heap=1"))
    asked.append(Question("refs", "--json " + truth["lost"]))
    asked.append(Question("objat", "--json --ledger " + truth["lost"]))
    answers = door.ask(target, asked)
    documents = [expect.document_of(question, answer) for question, answer in zip(asked, answers)]
    for (name, _options, heap), document in zip(commands, documents):
        require(document["provisional"] == (heap == 2 and truth["provisional"]), "%s --heap=%d: %s: %s", name, heap, truth, document)
    require([heap["phase"] for heap in documents[-3]["heaps"]] == ["idle"], "gcstat: %s: %s", truth, documents[-3])
    for document in documents[-2:]:
        require(document["ledger"]["provisional"] is False, "%s: %s", truth, document)


def check(door, target, truth, where):
    asked = [Question("gcleaks", "--json"), Question("gcleaks", "--json --heap=1"), Question("gcverify", "--json"),
             Question("refs", "--json " + truth["object"]), Question("refs", truth["object"])]
    answers = door.ask(target, asked)
    for answer in answers:
        without_traceback(answer.error)
    leaks, elsewhere, damage = (expect.document_of(asked[i], answers[i]) for i in range(3))
    found = [(leak["cause"], leak["objects"]) for leak in leaks["leaks"]]
    expected = [("lost_reference", [truth["lost"]])]
    require(leaks["provisional"] == truth["provisional"], "%s: provisional: %s", truth, leaks)
    if not truth["provisional"]:
        require(leaks["complete"] and found == expected, "%s: leaked: %s", truth, leaks)
    require(elsewhere["complete"] and not elsewhere["provisional"], "%s: %s", truth, elsewhere)
    require([(leak["cause"], leak["objects"]) for leak in elsewhere["leaks"]] == expected, "%s: leaked: %s", truth, elsewhere)
    require(damage["problems"] == [], "%s: damage: %s", truth, damage)
    heaps_apart(door, target, truth)
    if truth["runtime"]:
        ledger = expect.document_of(asked[3], answers[3])["ledger"]
        require((ledger["runtime"], ledger["unexplained"], ledger["provisional"]) == (1, 0, False), "%s: %s", truth, ledger)
        require("1 of the runtime" in answers[4].out, "%s: not said: %s", truth, answers[4].out)
    print("%-6s %s: %s" % (door.name, where, truth["name"]))


def main():
    parser = argparse.ArgumentParser(description="Checks what is said of a program inside the runtime's calls, in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="inside.c")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        lines = truth_lines(arguments.program)
        first = {line["name"]: line["checkpoint"] for line in reversed(lines)}
        last = {line["name"]: line["checkpoint"] for line in lines}
        require(len(first) == 7, "other checkpoints: %s", first)
        for number in sorted({*first.values(), *last.values()}):
            with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, number, folder) as subject:
                if arguments.door == "shell":
                    check(door, subject.live(), subject.truth, "live")
                check(door, subject.core(), subject.truth, "core")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
