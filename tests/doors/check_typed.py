"""check_typed.py - one door against typed.c: variables of another managed type are stale, a struct that begins
with the variable's type is none, and recorded stacks name functions and lines; live and in the core.
"""

import argparse
import re
import sys
import tempfile

import expect
from launch import Question, Subject, door_of, report, require, without_traceback


def check_stale(target_answer, said, truth, has_locals):
    rows = {row["holder"]["name"]: row for row in target_answer["stale"] if row["now"] and row["holder"]["kind"] != "local"}
    require(set(rows) == set(truth["words"]), "stale by type are %s, not %s", sorted(rows), sorted(truth["words"]))
    for name, row in rows.items():
        require((row["was"], row["now"], row["address"], row["evidence"]) ==
                (truth["was"], truth["now"], truth["address"], "variable of another type"), "%s: %s", name, row)
        require(row["holder"]["address"] == truth["words"][name], "%s lies elsewhere: %s", name, row)
    require(has_locals or len(target_answer["stale"]) == len(rows), "more is stale: %s", target_answer["stale"])
    wanted = "-> %s is %s, but the variable is of another type; before, it was %s, born in made() at typed.c:%d, freed by release in main()" % (
        truth["address"], truth["now"], truth["was"], truth["line"])
    require(said.count(wanted) == 1, "%r is not said once for all:\n%s", wanted, said)
    told = said[said.index(wanted):].splitlines()[1:]
    for name, address in truth["words"].items():
        require(any(line.startswith("     ") and address in line for line in told), "%s is not told: %s", name, told)


def check_stack(stack, said, truth):
    call = stack[0]
    require(call["function"] == "made" and call["line"] == truth["line"] and call["file"].endswith("typed.c"), "not made(): %s", call)
    require(re.fullmatch(r"typed\+0x[0-9a-f]+", call["module"]), "another module: %s", call)
    require(stack[1]["function"] == "main", "not called by main: %s", stack)
    require(re.search(r"#0  %s made\(\) typed\.c:%d$" % (call["address"], truth["line"]), said, re.MULTILINE), "not said:\n%s", said)


def check(door, target, truth, where):
    asked = [Question("gcstale", "--json"), Question("gcstale", ""), Question("gcleaks", "--json"), Question("gcleaks", ""),
             Question("objat", "--history --json " + truth["lost"]), Question("objat", "--history " + truth["lost"])]
    answers = door.ask(target, asked)
    for answer in answers:
        without_traceback(answer.error)
    stale, leaks, history = (expect.document_of(asked[i], answers[i]) for i in (0, 2, 4))
    check_stale(stale, answers[1].out, truth, door.has_expressions)
    lost = [leak for leak in leaks["leaks"] if leak["objects"] == [truth["lost"]]]
    require(len(lost) == 1, "%s is not leaked: %s", truth["lost"], leaks)
    check_stack(lost[0]["allocated"]["stack"], answers[3].out, truth)
    check_stack(history["history"][0]["stack"], answers[5].out, truth)
    print("%-6s %s: %d stale by type" % (door.name, where, len(truth["words"])))


def main():
    parser = argparse.ArgumentParser(description="Checks types and lines in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="typed.c, built with -O0 -g")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 1, folder) as subject:
            check(door, subject.live(), subject.truth, "live")
            check(door, subject.core(), subject.truth, "core")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
