"""check_big_python.py - a large Python program, the Python inside of a debugger, and extensions: nothing false, little unexplained.

--program runs big_python.py, whose garbage is known; --inside LLDB|GDB attaches to a debugger that runs Python itself, of
which nothing is known but that it is healthy; --module numpy|greenlet|… runs a program that uses one that is installed. Of all
objects whose counts are kept, at least 99 in 100 have exactly as many counts as fields that hold them; hardly one is called
lost; none is called over-released. In 3.9 the cache of types' attributes is a variable of C, which holds more than 1 in 200: the
big program has as many counts as fields and that cache, and as many as fields alone once it has let Python forget the cache.

Such modules do lose references: the tuples and code objects of Cython that no variable keeps, say. So each that is called lost
there is looked for in all bytes of the core: its address stands in fewer places than it has counts, but for a few in memory that
is no longer used.

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

from check_python_samples import Asker
from expect import same
from launch import TIMEOUT_SECONDS, Target, report, require
from python_target import HERE, PYTHON, SAMPLES, PipedShell, Target as PythonTarget, bytes_of, minor_version

ENOUGH, EQUAL, EXPLAINED, FALSE_ROWS = 200000, 0.99, 0.999, 10
EQUAL_OF_FEW = 0.95  # in a small program the interpreter's own words hold a larger part
EQUAL_OF_WORDS, BY_WORDS = 0.9, ("greenlet", "lxml")  # and stacks switched out, the variables of Cython an even larger one
BEGIN = """
import gc, sys
sys.path.insert(0, %r)
from checkpoint import checkpoint
kept = []
"""
END = """
gc.collect()
gc.disable()
sys._clear_type_cache()  # which has addresses, and owns nothing
checkpoint('filled')
"""
# What programs do with modules that Debian has: C by hand, Cython, frames and stacks that are switched in C.
MODULES = {"numpy": """
import numpy, numpy.linalg, numpy.random
kept.append([numpy.arange(number, dtype=object) for number in range(100)] + [numpy.zeros((number, 3)) for number in range(100)])
kept.append(numpy.array([(number, 'text', [number]) for number in range(50)], dtype=[('one', int), ('two', 'U9'), ('three', object)]))
""", "greenlet": """
import greenlet
class Local:
    pass
def deeper(depth, above):
    own = Local()
    own.above = above
    if depth:
        return deeper(depth - 1, [own])
    while True:
        greenlet.getcurrent().parent.switch(own)
def work(number):
    if number % 3 == 0:  # from inside of a function of C
        return sorted([3, 1, 2], key=lambda each: deeper(3, number) if each == 2 else each)
    return deeper(5, [number])
for number in range(50):
    kept.append(greenlet.greenlet(work))
    kept[-1].switch(number)
for each in kept[:20]:
    each.switch()
kept.append(greenlet.greenlet(work))
""", "cffi": """
import cffi
ffi = cffi.FFI()
ffi.cdef('struct pair { char tag; long value; }; int puts(const char *);')
kept.append([[ffi.new('struct pair *'), ffi.new('int[]', number), ffi.new('char[]', b'x' * number), ffi.gc(ffi.new('int *'), id),
              ffi.buffer(ffi.new('int[7]')), ffi.callback('int(int)', int)] for number in range(1, 50)])
kept.append(ffi.dlopen(None).puts)
""", "lxml": """
import lxml.etree
root = lxml.etree.fromstring('<a>' + ''.join('<b i="%%d">t<c/></b>' %% each for each in range(500)) + '</a>')
kept.extend([root, list(root), [each.attrib for each in root], lxml.etree.XPath('//b[@i]')])
""", "gi": """
from gi.repository import GLib, GObject, Gio
class Thing(GObject.Object):
    number = GObject.Property(type=int)
for number in range(30):
    kept.append(Thing())
    kept[-1].connect('notify', lambda *all: None, ['data', number])
kept.append([GLib.MainLoop(), GLib.Variant('a{sv}', {'one': GLib.Variant('i', 3)})])
"""}


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


def check_ledger(ledger, target, at_least, equal, is_proven=False, with_cache=False):
    done = subprocess.run([ledger, target], stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8")
    require(done.returncode == 0, "the ledger: status %d, %s", done.returncode, done.stdout[-1000:])
    found = json.loads(done.stdout)
    require(found["complete"], "the ledger of %s is not complete", target)
    require(found["mortal"] >= at_least, "only %d mortal objects", found["mortal"])
    print("  %d mortal, %d equal (%.2f %%), %d by the cache of attributes (%.2f %%), %d more, %d over, %d lost" % (
        found["mortal"], found["equal"], 100 * found["equal"] / found["mortal"], found["cached"], 100 * found["cached"] / found["mortal"],
        found["more"], len(found["over"]), len(found["lost"])), flush=True)
    explained = found["equal"] + (found["cached"] if with_cache else 0)
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


def check_cleared(arguments, folder):
    """What fields do not explain is what the cache holds: the program itself takes that away."""
    with PythonTarget(folder, 2, HERE + "/big_python.py", arguments.fill).start() as subject:
        check_ledger(arguments.ledger, str(subject.live().pid), ENOUGH if arguments.fill >= 100000 else 0, EQUAL)


def check_program(arguments, folder):
    target = PythonTarget(folder, 1, HERE + "/big_python.py", arguments.fill)
    with target.start() as subject:
        truth = subject.truth
        core = subject.core()
    target.take_away()
    check_ledger(arguments.ledger, core.core, ENOUGH if arguments.fill >= 100000 else 0, EQUAL,
                 with_cache=minor_version() == 9)
    asker = Asker(PipedShell(arguments.shell), core._replace(exe=None), "core alone")
    asker.ask("gcfind", "--unreachable", lambda document: check_garbage(truth, document))
    asker.ask("gcfind", "", lambda document: check_number(truth, document))
    asker.ask("gcverify", "", check_over)
    asker.run()


def check_module(arguments, name, folder):
    script = os.path.join(folder, "uses_%s.py" % name)
    with open(script, "w", encoding="utf-8") as file:
        file.write(BEGIN % SAMPLES + MODULES[name].replace("%%", "%") + END)
    target = PythonTarget(folder, 1, script)
    with target.start() as subject:
        core = subject.core()
    check_ledger(arguments.ledger, core.core, 15000, EQUAL_OF_WORDS if name in BY_WORDS else EQUAL_OF_FEW, is_proven=True)
    asker = Asker(PipedShell(arguments.shell), core, name)
    asker.ask("gcverify", "", lambda document: same("problems", document["problems"], []))
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
    parser.add_argument("--module", action="append", default=[], choices=MODULES)
    parser.add_argument("--inside", action="append", default=[], choices=("gdb", "lldb"))
    arguments = parser.parse_args()

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        if arguments.program:
            with tempfile.TemporaryDirectory() as folder:
                check_program(arguments, folder)
            if minor_version() == 9:
                with tempfile.TemporaryDirectory() as folder:
                    check_cleared(arguments, folder)
        for name in arguments.module:
            with tempfile.TemporaryDirectory() as folder:
                print(name)
                check_module(arguments, name, folder)
        for name in arguments.inside:
            with tempfile.TemporaryDirectory() as folder:
                print("inside %s" % name)
                check_inside(arguments, name, folder)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
