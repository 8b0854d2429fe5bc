"""check_written.py - what a user writes into a process by hand, between two questions: the second one sees it, whatever was read
for the first. Each of a debugger's ways to write is tried, in typed.c or in written_python.py.

Invariant: the process does not run between two questions, so that no stop tells that memory is another one.
"""

import argparse
import os
import struct
import sys
import tempfile

import expect
import launch
from expect import same
from launch import Question, Subject, report, without_traceback
from python_target import HERE, Target

COUNT, NEXT, FLOAT = 0, 16, 16  # in an object's header, in a node of typed.c, in a float of Python's
WAYS = {
    "gdb": (("set", "var *(unsigned long *){at:#x} = {number}"), ("print", "{{unsigned long}}{at:#x} = {number}"),
            ("python", "gdb.selected_inferior().write_memory({at}, ({number}).to_bytes(8, 'little'))")),
    "lldb": (("memory", "write -s 8 {at:#x} {number:#x}"), ("expression", "*(unsigned long *){at:#x} = {number}"),
             ("script", "_ = lldb.debugger.GetSelectedTarget().GetProcess().WriteMemory({at}, ({number}).to_bytes(8, 'little'), lldb.SBError())")),
}
DOORS = {"gdb": (launch.Gdb, launch.IndirectGdb), "lldb": (launch.Lldb, launch.IndirectLldb)}


class Script:
    """Questions, what shall be answered to each, and what is written between them."""

    def __init__(self, ways):
        self.ways, self.questions, self.checks = ways, [], []

    def ask(self, command, line, check):
        self.questions.append(Question(command, "--json " + line))
        self.checks.append(check)

    def write(self, way, at, number):
        command, line = self.ways[way]
        self.questions.append(Question(command, line.format(at=at, number=number)))
        self.checks.append(None)

    def run(self, door, target):
        for question, check, answer in zip(self.questions, self.checks, door.ask(target, self.questions), strict=True):
            without_traceback(answer.error)
            if check:
                check(expect.document_of(question, answer))
        return len(self.checks)


def node_of(truth, script):
    """The node's field, and its count: each shall be what was last written."""
    node = int(truth["address"], 16)

    def holds(target, count):
        def check(document):
            same("the count", document["object"]["refcount"], count)
            same("the field", document["fields"][0]["target"], target)
        script.ask("objat", truth["address"], check)
        script.ask("refs", truth["address"], lambda document: same("its own field holds it", [
            row["name"] for row in document["referrers"] if row["from"] == truth["now"]], ["next"] if target else []))

    def word(at, number, bytes_):
        return number | int.from_bytes(bytes_[at + 4:at + 8], "little") << 32

    return node, holds, word


def check_refheap(door, subject, ways):
    script, truth = Script(ways), subject.truth
    node, holds, word = node_of(truth, script)
    with open("/proc/%d/mem" % subject.process.pid, "rb", 0) as memory:
        memory.seek(node)
        header = memory.read(8)
    holds(None, 1)
    for way in range(len(ways)):
        script.write(way, node + NEXT, node)
        holds(truth["now"], 1)
        script.write(way, node + COUNT, word(COUNT, 2, header))
        holds(truth["now"], 2)
        script.write(way, node + NEXT, 0)
        holds(None, 2)
        script.write(way, node + COUNT, word(COUNT, 1, header))
        holds(None, 1)
    return script.run(door, subject.live())


def check_python(door, subject, ways):
    script, truth = Script(ways), subject.truth

    def holds(number):
        script.ask("objat", truth["float"], lambda document: same("the float", document["object"]["value"], str(number)))
        script.ask("objat", truth["holder"], lambda document: same("its holder", document["object"]["value"], "{value: %s}" % number))

    def is_at(places):
        script.ask("refs", truth["items"][1], lambda document: same("where it is in the list", [
            row["name"] for row in document["referrers"] if row["from"] == truth["list"]], places))

    first, second = (int(each, 16) for each in truth["items"])
    holds(4.5)
    is_at(["[1]"])
    for way in range(len(ways)):
        script.write(way, truth["table"], second)
        is_at(["[0]", "[1]"])
        script.write(way, truth["table"], first)
        is_at(["[1]"])
        for number in (77.25, -0.125 - way, 4.5):
            script.write(way, int(truth["float"], 16) + FLOAT, struct.unpack("<Q", struct.pack("<d", number))[0])
            holds(number)
    return script.run(door, subject.live())


def main():
    parser = argparse.ArgumentParser(description="Checks that what is written by hand is seen, in one debugger.")
    parser.add_argument("--door", choices=("gdb", "lldb"), required=True)
    parser.add_argument("--python", action="store_true", help="in a process of the Python that PYTHON names")
    parser.add_argument("program", nargs="?", help="typed.c, built with -O0 -g")
    arguments = parser.parse_args()

    def body():
        for kind in DOORS[arguments.door]:
            with tempfile.TemporaryDirectory() as folder:
                target = Target(folder, 1, os.path.join(HERE, "written_python.py")) if arguments.python else None
                with target.start() if target else Subject(arguments.program, 1, folder) as subject:
                    asked = (check_python if target else check_refheap)(kind(), subject, WAYS[arguments.door])
                print("%s: %d questions" % (kind.name, asked))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
