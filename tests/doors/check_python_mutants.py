"""check_python_mutants.py - what else of a Python core is damaged: nothing that is held is leaked for certain, no answer hangs.

Takes a core of mutant_python.py, finds the places in it that mean something (ELF headers and notes, the interpreter, pools,
the collector's lists, types, lengths of containers), and has mutants.c damage them, one mutant for each number.

Invariant: a place whose kind begins with "hold" may lose objects, since what it says is who holds them; no other may.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

from check_mutants import Core, WRITABLE
from launch import report, require
from python_target import HERE, OFFSETS, PYTHON, Target, minor_version, runtime_address

POOL_HEADER, CLASSES, GENERATIONS = 48, 32, 3
POOL = (("count", 0, 4), ("freeblock", 8, 8), ("next", 16, 8), ("previous", 24, 8), ("arena", 32, 4), ("class", 36, 4), ("carved", 40, 4), ("last", 44, 4))
TYPE = (("name", 24, 8), ("basicsize", 32, 8), ("itemsize", 40, 8), ("flags", 168, 8), ("weaklist", 208, 8), ("members", 240, 8), ("base", 256, 8),
        ("dict", 264, 8), ("dictoffset", 288, 8), ("subclasses", 360, 8))
TYPE_HOLDS = ("dict", "subclasses")
LINKS_MAX = 100000


class PythonCore(Core):
    """A core, the places in it, and the structures of CPython."""

    def __init__(self, path, minor):
        super().__init__(path)
        self.minor, self.at_version = minor, OFFSETS[minor]

    def add_runtime(self, runtime):
        """The runtime, its interpreter, the thread; and the collector's lists."""
        self.at("runtime.head", runtime + self.at_version["head"])
        self.at("runtime.main", runtime + self.at_version["head"] + 8)
        interpreter = self.word(runtime + self.at_version["head"])
        for name in ("next", "id", "threads"):
            self.at(("hold." if name == "threads" else "interpreter.") + name, interpreter + self.at_version[name])
        for name in ("modules", "sysdict", "builtins"):
            self.at("hold." + name, interpreter + self.at_version[name])
        state = interpreter + self.at_version["gc"]
        for word in range(state, state + 224, 8):
            self.at("gc.state", word)
        for number in range(GENERATIONS):
            self.add_list(state + 24 + number * 24)
        thread = self.word(interpreter + self.at_version["threads"])
        for word in range(thread, thread + 200, 8):
            self.at("hold.thread", word)

    def add_list(self, head):
        link = self.word(head)
        for _ in range(LINKS_MAX):
            if link & ~3 == head:
                return
            self.at("gc.next", link & ~3)
            self.at("gc.previous", (link & ~3) + 8)
            link = self.word(link & ~3)

    def add_pools(self):
        """By their looks: a header at an aligned address, all of whose numbers fit."""
        size, found = (16384 if self.minor >= 10 else 4096), 0
        for start, length, _, _, flags in self.loads:
            for pool in range((start + size - 1) & -size, start + length - size + 1, size) if flags & WRITABLE else ():
                count, number, carved = self.word(pool, 4), self.word(pool + 36, 4), self.word(pool + 40, 4)
                block = (number + 1) * 16
                if number < CLASSES and self.word(pool + 44, 4) == size - block and (carved - POOL_HEADER) % block == 0 and 0 < count <= size // block:
                    found += 1
                    self.add_pool(pool, size)
        require(found > 50, "only %d pools", found)

    def add_pool(self, pool, size):
        for name, inside, width in POOL:
            self.at("pool." + name, pool + inside, width)
        block = self.word(pool + 8)
        while pool <= block < pool + size:
            self.at("pool.free", block)
            block = self.word(block)

    def add_types(self, types):
        for address in types:
            for name, inside, width in TYPE:
                self.at(("hold.type_" if name in TYPE_HOLDS else "type.") + name, address + inside, width)

    def add_containers(self, containers):
        for address in containers:
            self.at("hold.count", address)
            self.at("hold.length", address + 16)
            table = self.word(address + 24)
            if self.offset_of(table):
                self.at("hold.table", address + 24)


def main():
    parser = argparse.ArgumentParser(description="Damages a core of Python in many ways, and judges what is certainly leaked.")
    parser.add_argument("--mutants", required=True, help="mutants.c, built")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=1 << 20)
    parser.add_argument("--answer-seconds", type=int, default=2, help="of the processor: what a mutant's questions may take")
    parser.add_argument("--leave-out", action="append", default=[], help="a kind of place that is not damaged")
    arguments = parser.parse_args()

    def body():
        minor = minor_version()
        print("%s, 3.%d" % (PYTHON, minor))
        with tempfile.TemporaryDirectory() as folder:
            target = Target(folder, 1, HERE + "/mutant_python.py", options=("-S",))
            with target.start() as subject:
                truth, runtime = subject.truth, runtime_address(subject.process.pid, target.copy)
                path = subject.core().core
            core = PythonCore(path, minor)
            core.add_runtime(runtime)
            core.add_pools()
            core.add_types(truth["types"])
            core.add_containers(truth["containers"])
            judge(arguments, core, truth, path, folder)
    return report(body)


def judge(arguments, core, truth, path, folder):
    places = os.path.join(folder, "places")
    with open(places, "w", encoding="utf-8") as file:
        for offset, width, kind in sorted(each for each in core.places if each[2] not in arguments.leave_out):
            file.write("place %d %d %s\n" % (offset, width, kind))
        file.writelines("held 0x%x hold\n" % each for each in truth["held"])
    done = subprocess.run([arguments.mutants, path, places, str(arguments.first), str(arguments.count), str(arguments.seconds), str(arguments.answer_seconds)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, encoding="utf-8", errors="replace")
    lines = done.stdout.splitlines()
    if done.returncode != 0:
        kept = os.path.join(os.path.dirname(os.path.abspath(arguments.mutants)), "python_mutants_")
        subprocess.run(["cp", "--sparse=always", path, kept + "core"], check=True)
        subprocess.run(["cp", places, kept + "places"], check=True)
        print("to see it again: %s %score %splaces NUMBER 1" % (arguments.mutants, kept, kept))
    told = [pair for pair in zip(lines, lines[1:]) if pair[1].startswith("  the object at")]
    require(done.returncode == 0, "status %d: %s\nlast: %s", done.returncode, "\n".join("%s\n%s" % pair for pair in told), "\n".join(lines[-2:]))
    certain, *others = [int(number) for number in re.search(r"(\d+) certain, (\d+) not certain, (\d+) refused", lines[-1]).groups()]
    judged = certain + sum(others)  # the time may have been up
    require(certain > (judged // 8 if judged >= 100 else 0), "hardly an answer is certain: %s", lines[-1])
    print("%d places; %s" % (len(core.places), lines[-1]))


if __name__ == "__main__":
    sys.exit(main())
