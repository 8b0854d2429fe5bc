"""check_planted.py - one door on a use after free that was planted in the JSON program (planted.c): with poison and
quarantine gcverify and objat say who was written to after its death, and which line freed it.

Invariant: the line is the program's own word. Without these options the same mistake is not said to be found.
"""

import argparse
import json
import os
import sys
import tempfile

import expect
from launch import Question, Subject, door_of, report, require, without_traceback

ROWS = [{"id": 1000000 + i, "name": "row %d" % i, "tags": ["tag %d" % i]} for i in range(40)]


def ask(door, target, *questions):
    answers = door.ask(target, questions)
    for answer in answers:
        without_traceback(answer.error)
    return [expect.document_of(question, answer) if "--json" in question.line else answer.out
            for question, answer in zip(questions, answers, strict=True)]


def check_found(door, target, dead):
    """What is said of the row that is dead."""
    document, text, place = ask(door, target, Question("gcverify", "--json"), Question("gcverify", ""),
                                Question("objat", "--json " + dead["address"]))
    require(document["by_kind"].get("written_after_free") == 1 and len(document["problems"]) == 1, "problems are %s", document)
    found = document["problems"][0]
    require((found["object"], found["address"]) == (dead["id"], dead["address"]), "%s was written to, said is %s", dead["id"], found)
    require(found["reason"] == "release" and found["site"]["function"] == "new_value", "%s is said of %s", found, dead)
    for said in (found["place"], place["previous"][0]["place"]):
        require(said and (said["function"], said["line"]) == (dead["freed_in"], dead["freed"]), "freed at %s, said is %s", dead, said)
    require("something has written to it since" in place["remark"], "objat remarks %s", place["remark"])
    for part in (dead["id"], "born in new_value() at json.c:", "freed by release in %s() at planted.c:%d" % (dead["freed_in"], dead["freed"])):
        require(part in text, "%r is not in %s", part, text)


def check_not_found(door, target):
    """Without poison: another one had the memory, and nothing shows the write."""
    document, = ask(door, target, Question("gcverify", "--json"))
    require(document["problems"] == [], "problems are %s", document)


def check(door, program, options):
    os.environ["REFHEAP_OPTIONS"] = options
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"rows": ROWS}, file)
        with Subject(program, 1, folder, [path]) as subject:
            dead = next(row for row in subject.truth["objects"] if row["status"] == "freed")
            for mode in ("live", "core"):
                target = subject.live() if mode == "live" else subject.core()
                if options:
                    check_found(door, target, dead)
                else:
                    check_not_found(door, target)
                print("%-6s %-5s %s" % (door.name, mode, options))


def main():
    parser = argparse.ArgumentParser(description="Checks that a use after free is found in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="planted.c")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        for options in ("poison=on,quarantine=1M", ""):
            check(door, arguments.program, options)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
