"""check_python_moving.py - a Python program that never rests, stopped at random moments: nothing false is certain.

The process is stopped (SIGSTOP), and asked. Whether its collector was at work, its own word `collecting` tells, which is read
here: an answer about counts must be provisional then, and only then, and gc.collect() finds nothing for certain. What is held
for ever is never leaked, and no answer fails; --strict: gcverify and gcstale find nothing, and nothing is lost, either.

Answers of gcquery are held to the same as those of the other commands, and so are the files of gcexport: each says in itself
that it is provisional, where it is, and none that an object is leaked which is held.

Invariant: the address of `collecting` comes from the offsets of a table, and was tried: the program first stops
itself inside a collection.
"""

import argparse
import os
import random
import re
import signal
import sqlite3
import sys
import tempfile
import time

import expect
from launch import TIMEOUT_SECONDS, Question, report, require, without_traceback
from python_target import COLLECTING, HERE, OFFSETS, PYTHON, PipedShell, Target, bytes_of, minor_version, runtime_address

FILES_EACH = 3  # moments: files take a second each


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


def leaked_in(document):
    return {int(name.rsplit("@", 1)[1], 16) for leak in document["leaks"] for name in leak["objects"]}


SQL = {"counts": "select count(*), sum(refcount) from objects where type = 'list'",
       "leaked": "select address, leaked, reachable from objects where leaked is not null or not reachable",
       "tables": "select (select count(*) from refs), (select count(*) from cycles where verdict = 'garbage')"}


def check_rows(moving, documents, is_collecting):
    """What gcquery says is what gcleaks says."""
    rows = documents["leaked"]["rows"]
    if is_collecting or not documents["gcleaks"]["complete"]:
        return
    leaked = {address_of(row) for row in rows if row["leaked"] is not None}
    require(leaked == leaked_in(documents["gcleaks"]), "gcquery: leaked %s, gcleaks: %s", leaked, documents["gcleaks"]["leaks"])
    require(not {address_of(row) for row in rows} & moving.held, "held for ever, and leaked or out of reach in gcquery")


def check_files(moving, door, target, folder, is_collecting):
    """A file of each kind that can be read here says that it is provisional, as the answer does."""
    paths = {ending: os.path.join(folder, "moment" + ending) for ending in (".sqlite", ".heapsnapshot", ".dot")}
    questions = [Question("gcexport", "--json --force " + path) for path in paths.values()]
    for question, answer in zip(questions, door.ask(target, questions), strict=True):
        document = expect.document_of(question, answer)
        require(document.get("provisional") == is_collecting, "%s, and collecting %s: %s", question, is_collecting, document)
    for ending in (".heapsnapshot", ".dot"):
        with open(paths[ending], encoding="utf-8") as file:
            says = re.search(r"provisional: heap \d+ is collecting", file.read()) is not None
        require(says == is_collecting, "%s says provisional: %s, and collecting %s", ending, says, is_collecting)
    database = sqlite3.connect(paths[".sqlite"])
    about = dict(database.execute("select name, value from about"))
    kinds = {kind for kind, in database.execute("select kind from caveats")}
    require((about["provisional"] == 1) == is_collecting == ("provisional" in kinds), "%s %s, and collecting %s", about, kinds, is_collecting)
    leaked = {int(address, 16) for address, in database.execute("select address from objects where leaked is not null or not reachable")}
    require(is_collecting or not about["complete"] or not leaked & moving.held, "held for ever, and leaked in the file")
    database.close()


def check_moment(moving, door, target, strict):
    """One stop; whether it was inside a collection, and whether the answers were complete."""
    is_collecting = moving.is_collecting()
    questions = {command: Question(command, "--json --limit=0" + more) for command, more in
                 (("gcleaks", ""), ("gcfind", " --unreachable"), ("gcverify", ""), ("gcstale", ""), ("gcstat", " --no-retained"))}
    questions.update((name, Question("gcquery", "--json --limit=0 " + sql)) for name, sql in SQL.items())
    answers = door.ask(target, list(questions.values()))
    documents = {}
    for (name, question), answer in zip(questions.items(), answers, strict=True):
        without_traceback(answer.error)
        documents[name] = document = expect.document_of(question, answer)
        require("error" not in document, "%s: %s", question.command, document.get("error"))
        if "provisional" in document:
            require(document["provisional"] == is_collecting, "%s: provisional is %s, and collecting %s", question.command,
                    document["provisional"], is_collecting)
    require(moving.is_collecting() == is_collecting, "the process went on")
    if not is_collecting and documents["gcleaks"]["complete"]:
        leaked = leaked_in(documents["gcleaks"])
        require(not leaked & moving.held, "held for ever, and leaked: %s", [hex(each) for each in leaked & moving.held][:20])
        require(not {address_of(row) for row in documents["gcfind"]["objects"]} & moving.held, "held for ever, and unreachable")
    # a collector at work finds nothing when it is called
    require(not is_collecting or documents["gcleaks"]["collectable_least"] == 0, "gc.collect() would find %s", documents["gcleaks"]["collectable_least"])
    check_rows(moving, documents, is_collecting)
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
                check_files(moving, door, target, folder, True)
                for number in range(arguments.count):
                    moving.go_on(dice.random() * 0.05)
                    moving.stop()
                    was_inside, was_complete = check_moment(moving, door, target, arguments.strict)
                    inside, complete = inside + was_inside, complete + was_complete
                    if number % FILES_EACH == FILES_EACH - 1:
                        check_files(moving, door, target, folder, was_inside)
        print("%d moments, %d inside a collection, %d complete answers of gcleaks" % (arguments.count, inside, complete))
        require(complete * 4 > arguments.count - inside, "hardly an answer is complete: %d of %d", complete, arguments.count)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
