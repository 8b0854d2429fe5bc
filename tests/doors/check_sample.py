"""check_sample.py - one door against one sample: the truth of its checkpoints, live, in its core, and
in the core alone without the executable.

Invariant: the sample is run from a copy in a temporary folder, so that a core alone is truly alone.
"""

import argparse
import os
import shutil
import sys
import tempfile

import expect
from launch import Subject, door_of, report, require, truth_lines, without_traceback


def ask_and_check(door, target, truth, has_names, where):
    asked = expect.questions(truth, has_names)
    answers = door.ask(target, asked)
    for answer in answers:
        without_traceback(answer.error)
    facts = expect.check(truth, asked, answers, has_names)
    print("%-6s checkpoint %d (%s), %s: %d facts" % (door.name, truth["checkpoint"], truth["name"], where, facts))


def check_checkpoint(door, program, suffix, number, modes):
    has_names = door.has_expressions and suffix in expect.WITH_DEBUG_INFO
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, os.path.basename(program))
        shutil.copy2(program, copy)
        os.mkdir(os.path.join(folder, "run"))
        with Subject(copy, number, os.path.join(folder, "run")) as subject:
            if "live" in modes:
                ask_and_check(door, subject.live(), subject.truth, has_names, "live")
            if "core" not in modes and "alone" not in modes:
                return
            target = subject.core()
            if "core" in modes:
                ask_and_check(door, target, subject.truth, has_names, "core")
            if "alone" in modes:
                os.unlink(copy)
                ask_and_check(door, target._replace(exe=None), subject.truth, False, "core alone")


def main():
    parser = argparse.ArgumentParser(description="Checks one door against one sample.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--suffix", default="", help="the variant: how the program's name ends")
    parser.add_argument("--modes", default="live,core", help="of live, core, alone")
    parser.add_argument("--last", action="store_true", help="only the last checkpoint but one and the last")
    parser.add_argument("program")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        numbers = [line["checkpoint"] for line in truth_lines(arguments.program)]
        require(numbers, "the sample has no checkpoint")
        for number in numbers[-2:] if arguments.last else numbers:
            check_checkpoint(door, arguments.program, arguments.suffix, number, arguments.modes.split(","))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
