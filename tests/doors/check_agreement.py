"""check_agreement.py - all doors on the very same process, then on the very same core: their JSON
documents are equal, but for the names that only debug info knows.

Invariant: nothing runs between two doors' questions, so that every difference is a door's.
"""

import argparse
import sys
import tempfile

import expect
from launch import IndirectGdb, IndirectLldb, Question, Subject, door_of, report, require, truth_lines


def check_target(doors, target, truth, where):
    asked = expect.questions(truth, False)
    asked += [Question("refs", "%s --json %s" % (options, known["address"])) for known in truth["objects"][:1]
              for options in ("--out", "--limit=0")]
    asked.append(Question("gcgraph", "--json --limit=50"))
    asked.append(Question("objat", "--json 0x10"))
    base, answers = doors[0], doors[0].ask(target, asked)
    for other in doors[1:]:
        expect.check_agreement(asked, base.name, answers, other.name, other.ask(target, asked))
    print("checkpoint %d, %s: %d documents agree in %s" % (truth["checkpoint"], where, len(asked),
                                                           ", ".join(door.name for door in doors)))


def main():
    parser = argparse.ArgumentParser(description="Compares the doors on one sample.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program")
    arguments = parser.parse_args()
    doors = [door_of(name, arguments.shell) for name in ("shell", "gdb", "lldb")] + [IndirectGdb(), IndirectLldb()]

    def body():
        numbers = [line["checkpoint"] for line in truth_lines(arguments.program)]
        require(numbers, "the sample has no checkpoint")
        for number in numbers[-2:]:
            with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, number, folder) as subject:
                check_target(doors, subject.live(), subject.truth, "live")
                core = subject.core()
                check_target(doors, core, subject.truth, "core")
                check_target(doors, core._replace(exe=None), subject.truth, "core without naming the executable")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
