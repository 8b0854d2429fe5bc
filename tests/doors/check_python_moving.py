"""check_python_moving.py - a Python program that never rests, stopped at random moments: nothing false is certain.

The process is stopped (SIGSTOP), and asked. Whether its collector was at work, its own word `collecting` tells, which is read
here: an answer about counts must be provisional then, and only then. What is held for ever is never leaked, and no
answer fails; --strict: gcverify and gcstale find nothing, and nothing is lost, either.

Invariant: the address of `collecting` comes from the offsets of a table, and was tried: the program first stops
itself inside a collection.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time

import expect
from launch import TIMEOUT_SECONDS, Question, report, require, without_traceback
from python_target import COLLECTING, HERE, OFFSETS, PYTHON, PipedShell, Target, bytes_of, minor_version, runtime_address

class Moving:
    def __init__(self, subject, target, minor):
        self.pid = subject.process.pid
        self.memory, self.held = bytes_of(subject.live()), set(subject.truth["held"])
        self.await_state("T")
        interpreter = self.memory.word(runtime_address(self.pid, target.copy) + OFFSETS[minor]["head"])
        self.collecting = interpreter + OFFSETS[minor]["gc"] + COLLECTING
        require(self.is_collecting(), "a process that stopped in its collection does not say so at 0x%x", self.collecting)

    def is_collecting(self):
        return self.memory.word(self.collecting) & 0xffffffff != 0

    def await_state(self, wanted):
        until = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < until:
            with open("/proc/%d/stat" % self.pid, encoding="ascii", errors="replace") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == wanted:
                    return
            time.sleep(0.001)
        require(False, "process %d does not come to state %s", self.pid, wanted)

    def go_on(self, seconds):
        os.kill(self.pid, signal.SIGCONT)
        time.sleep(seconds)

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)
        self.await_state("T")


def address_of(row):
    return int(row["address"], 16)


def check_moment(moving, door, target, strict):
    """One stop; whether it was inside a collection, and whether the answers were complete."""
    is_collecting = moving.is_collecting()
    questions = [Question(command, "--json --limit=0" + more) for command, more in
                 (("gcleaks", ""), ("gcfind", " --unreachable"), ("gcverify", ""), ("gcstale", ""), ("gcstat", " --no-retained"))]
    answers = door.ask(target, questions)
    documents = {}
    for question, answer in zip(questions, answers, strict=True):
        without_traceback(answer.error)
        documents[question.command] = document = expect.document_of(question, answer)
        require("error" not in document, "%s: %s", question.command, document.get("error"))
        if "provisional" in document:
            require(document["provisional"] == is_collecting, "%s: provisional is %s, and collecting %s", question.command,
                    document["provisional"], is_collecting)
    require(moving.is_collecting() == is_collecting, "the process went on")
    if not is_collecting and documents["gcleaks"]["complete"]:
        leaked = {int(name.rsplit("@", 1)[1], 16) for leak in documents["gcleaks"]["leaks"] for name in leak["objects"]}
        require(not leaked & moving.held, "held for ever, and leaked: %s", [hex(each) for each in leaked & moving.held][:20])
        require(not {address_of(row) for row in documents["gcfind"]["objects"]} & moving.held, "held for ever, and unreachable")
    if strict and not is_collecting and documents["gcleaks"]["complete"]:
        lost = [leak for leak in documents["gcleaks"]["leaks"] if leak["cause"] != "cycle"]
        require(not lost, "what is in use is lost: %s", lost[:5])
        require(not documents["gcstale"]["stale"], "stale: %s", documents["gcstale"]["stale"][:5])
    problems = documents["gcverify"]["problems"]
    require(is_collecting or not strict or not problems, "problems of a healthy process: %s", problems[:5])
    return is_collecting, documents["gcleaks"]["complete"]


def main():
    parser = argparse.ArgumentParser(description="Stops a Python program at random moments.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--work", default="OBJECTS", help="of moving_python.py: OBJECTS or THREADS")
    parser.add_argument("--strict", action="store_true", help="gcverify finds nothing at all outside of collections")
    arguments = parser.parse_args()

    def body():
        minor = minor_version()
        seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
        dice, inside, complete = random.Random(seed), 0, 0
        print("%s, 3.%d, seed %d" % (PYTHON, minor, seed), flush=True)
        with tempfile.TemporaryDirectory() as folder:
            program = Target(folder, 1, HERE + "/moving_python.py", arguments.work)
            with program.start() as subject:
                target, door = subject.live(), PipedShell(arguments.shell)
                moving = Moving(subject, program, minor)
                require(check_moment(moving, door, target, arguments.strict)[0], "it left its collection")
                for _ in range(arguments.count):
                    moving.go_on(dice.random() * 0.05)
                    moving.stop()
                    was_inside, was_complete = check_moment(moving, door, target, arguments.strict)
                    inside, complete = inside + was_inside, complete + was_complete
        print("%d moments, %d inside a collection, %d complete answers of gcleaks" % (arguments.count, inside, complete))
        require(complete * 4 > arguments.count - inside, "hardly an answer is complete: %d of %d", complete, arguments.count)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
