"""check_big_python.py - a large Python program, the Python inside of a debugger, and numpy: nothing false, little unexplained.

--program runs big_python.py, whose garbage is known; --inside LLDB|GDB attaches to a debugger that runs Python itself, of
which nothing is known but that it is healthy; --numpy, where it is installed. Of all objects whose counts are kept, at least
99 in 100 have exactly as many counts as fields that hold them (in 3.9, whose cache of types' attributes alone holds more than
1 in 200, as many as fields and that cache); hardly one is called lost; none is called over-released.

numpy and Cython do lose references: the tuples and code objects that a module makes as it begins, and that no variable
keeps. So each that is called lost there is looked for in all bytes of the core: its address stands in fewer places than it has
counts, but for a few in memory that is no longer used.

Invariant: the numbers come from ledger_of_all.c, which counts over the whole graph what `refs` says of one object.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

from check_python_samples import Asker, same
from launch import TIMEOUT_SECONDS, Target, report, require
from python_target import HERE, PYTHON, SAMPLES, PipedShell, Target as PythonTarget, bytes_of, minor_version

ENOUGH, EQUAL, EXPLAINED, FALSE_ROWS = 200000, 0.99, 0.999, 10
EQUAL_OF_FEW = 0.95  # in a small program the interpreter's own words hold a larger part
NUMPY = """
import gc, sys
sys.path.insert(0, %r)
from checkpoint import checkpoint
import numpy, numpy.linalg, numpy.random
gc.collect()
gc.disable()
arrays = [numpy.arange(number, dtype=object) for number in range(100)] + [numpy.zeros((number, 3)) for number in range(100)]
table = numpy.array([(number, 'text', [number]) for number in range(50)], dtype=[('one', int), ('two', 'U9'), ('three', object)])
checkpoint('filled')
"""


def places_of(memory, addresses):
    """How often each address stands in memory, at any byte."""
    words = {address.to_bytes(8, "little"): 0 for address in addresses}
    for start, size, _ in memory.loads:
        text = memory.read(start, size)
        for word in words:
            words[word] += text.count(word)
    return {address: words[address.to_bytes(8, "little")] for address in addresses}


def check_lost(lost, core):
    memory = bytes_of(Target(core=core))
    counts = {address: memory.word(address) for address in lost}
    found = places_of(memory, lost)
    print("  lost, and for certain: %d, of which %d stand nowhere" % (len(lost), sum(not each for each in found.values())))
    doubtful = [hex(address) for address in lost if found[address] >= counts[address]]  # a place may be stale
    require(len(doubtful) < FALSE_ROWS, "%d are called lost whose addresses stand in as many places as they have counts: %s",
            len(doubtful), doubtful)


def check_ledger(ledger, target, at_least, equal, is_proven=False):
    done = subprocess.run([ledger, target], stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8")
    require(done.returncode == 0, "the ledger: status %d, %s", done.returncode, done.stdout[-1000:])
    found = json.loads(done.stdout)
    require(found["complete"], "the ledger of %s is not complete", target)
    require(found["mortal"] >= at_least, "only %d mortal objects", found["mortal"])
    print("  %d mortal, %d equal (%.2f %%), %d by the cache of attributes (%.2f %%), %d more, %d over, %d lost" % (
        found["mortal"], found["equal"], 100 * found["equal"] / found["mortal"], found["cached"], 100 * found["cached"] / found["mortal"],
        found["more"], len(found["over"]), len(found["lost"])), flush=True)
    explained = found["equal"] + (found["cached"] if minor_version() == 9 else 0)
    require(explained >= equal * found["mortal"], "%d of %d have as many counts as fields", explained, found["mortal"])
    unexplained = len(found["over"]) + len(found["lost"])
    require(unexplained <= (1 - EXPLAINED) * found["mortal"], "%d of %d are not explained: over %s, lost %s", unexplained, found["mortal"],
            found["over"][:20], found["lost"][:20])
    if is_proven:
        check_lost([int(address, 16) for address in found["lost"]], target)
    else:
        require(len(found["lost"]) < FALSE_ROWS, "%d are called lost: %s", len(found["lost"]), found["lost"][:20])


def check_garbage(truth, document):
    """All that the collector would find; and little else, which dies with it: what hangs on code and types."""
    found = {int(row["address"], 16): row for row in document["objects"]}
    garbage = set(truth["garbage"])
    same("garbage that is missed", [hex(each) for each in garbage - set(found)], [])
    tracked = [row["id"] for each, row in found.items() if row["tracked"] and each not in garbage]
    require(len(tracked) <= 2 * len(garbage), "%d tracked objects die with %d: %s", len(tracked), len(garbage), tracked[:20])


def check_over(document):
    """gcverify says of nothing that it was released once too often."""
    same("over-released", [row for row in document["problems"] if row["kind"] == "over_release"], [])


def check_number(truth, document):
    require(document["total"] >= truth["objects"] - 100, "%d objects, Python can name %d", document["total"], truth["objects"])


def check_program(arguments, folder):
    target = PythonTarget(folder, 1, HERE + "/big_python.py", arguments.fill)
    with target.start() as subject:
        truth = subject.truth
        core = subject.core()
    target.take_away()
    check_ledger(arguments.ledger, core.core, ENOUGH if arguments.fill >= 100000 else 0, EQUAL)
    asker = Asker(PipedShell(arguments.shell), core._replace(exe=None), "core alone")
    asker.ask("gcfind", "--unreachable", lambda document: check_garbage(truth, document))
    asker.ask("gcfind", "", lambda document: check_number(truth, document))
    asker.ask("gcverify", "", check_over)
    asker.run()


def check_numpy(arguments, folder):
    script = os.path.join(folder, "uses_numpy.py")
    with open(script, "w", encoding="utf-8") as file:
        file.write(NUMPY % SAMPLES)
    target = PythonTarget(folder, 1, script)
    with target.start() as subject:
        core = subject.core()
    check_ledger(arguments.ledger, core.core, 50000, EQUAL_OF_FEW, is_proven=True)
    asker = Asker(PipedShell(arguments.shell), core, "numpy")
    asker.ask("gcverify", "", check_over)
    asker.run()


@contextlib.contextmanager
def debugger(argv, said, folder):
    """A debugger whose own Python has run, waiting for its next command."""
    with subprocess.Popen(argv, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            for line in process.stdout:
                if said in line:
                    break
            else:
                require(False, "%s ended", argv)
            time.sleep(0.5)  # until it waits; what it does meanwhile would only move counts
            yield process
        finally:
            process.kill()


def check_inside(arguments, name, folder):
    said, script = b"ready-%d" % 42, "print('ready-%d' % 42, flush=True)"
    if name == "lldb":
        argv = ["lldb-19", "-x", "-o", "script import json, ast, subprocess", "-o", "script " + script]
    else:
        argv = ["gdb", "-nx", "-q", "-ex", "python import json, ast, subprocess", "-ex", "python " + script]
    with debugger(argv, said, folder) as process:
        check_ledger(arguments.ledger, str(process.pid), 20000, EQUAL_OF_FEW)
        asker = Asker(PipedShell(arguments.shell), Target(pid=process.pid), "inside " + name)
        asker.ask("gcverify", "", check_over)
        asker.run()


def main():
    parser = argparse.ArgumentParser(description="Checks large Python programs.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--ledger", required=True, help="ledger_of_all.c, built")
    parser.add_argument("--program", action="store_true")
    parser.add_argument("--fill", type=int, default=100000)
    parser.add_argument("--numpy", action="store_true")
    parser.add_argument("--inside", action="append", default=[], choices=("gdb", "lldb"))
    arguments = parser.parse_args()

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        for check in ([check_program] if arguments.program else []) + ([check_numpy] if arguments.numpy else []):
            with tempfile.TemporaryDirectory() as folder:
                check(arguments, folder)
        for name in arguments.inside:
            with tempfile.TemporaryDirectory() as folder:
                print("inside %s" % name)
                check_inside(arguments, name, folder)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
