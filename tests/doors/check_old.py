"""check_old.py - a heap that a runtime of the first version of the metadata wrote reads as today's does, in one door.

Takes a kernel core of mutant_seed.c, built without sites, and writes another one, as such a runtime would have left it:
the descriptor says version 1, the constants are those that it had, and the word with an object's serial is the serial.

Invariant: nothing else is another. So each answer is the same, but for what only later runtimes tell.
"""

import argparse
import os
import struct
import sys
import tempfile

import expect
from check_mutants import CONSTANT, MAPPING_CHUNK, Core
from launch import Question, Subject, Target, door_of, report, require, without_traceback

# Constants of groups that came later.
LATER = ("object.serial_shift", "site.", "heap.ring", "heap.keeps_all", "ring.", "slot.", "heap.poison", "poison.",
         "object.traced", "count.traced", "type.traced", "type.source", "source.", "heap.trace", "heap.tracing", "event.", "heap.stack_checks",
         "heap.serial_next", "heap.freed")
VERSION, CHECK, DESCRIPTOR_END = 24, 112, 152  # in the descriptor; from `check` on, words that were 0
# What only later runtimes tell: what died, and what may be traced.
NEWS = {"history_begins", "traced_begins", "keeps_history", "history", "reason"}


class OldCore(Core):
    """The bytes of the core, and of what it becomes."""

    def __init__(self, path):
        super().__init__(path)
        self.old = bytearray(self.bytes)

    def put(self, address, bytes_):
        offset = self.offset_of(address)
        self.old[offset:offset + len(bytes_)] = bytes_

    def convert(self):
        descriptor, = (address for address in self.occurrences(b"refheap-metadata") if self.word(address + 16) == address)
        self.put(descriptor + VERSION, struct.pack("<I", 1))
        self.put(descriptor + CHECK, bytes(DESCRIPTOR_END - CHECK))
        self.constants = {}
        rows = self.word(descriptor + 48)
        for row in range(rows, rows + self.word(descriptor + 56, 4) * CONSTANT, CONSTANT):
            offset = self.offset_of(row)
            name = self.bytes[offset:offset + 40].split(b"\0")[0].decode()
            self.constants[name] = self.word(row + 40)
            if name.startswith(LATER):
                self.put(row, b"unknown".ljust(CONSTANT, b"\0"))
        return self.convert_serials(self.word(descriptor + 88))

    def convert_serials(self, mapping):
        of, count = self.constants, 0
        while mapping:
            slabs = of["chunk.slabs"] if self.word(mapping + of["mapping.kind"], 4) == MAPPING_CHUNK else 0
            for slab in range(slabs):
                at = mapping + of["chunk.slab_table"] + slab * of["slab.size"]
                size = self.word(at + of["slab.slot_size"])
                for slot in range(self.word(at + of["slab.capacity"], 4) if size else 0):
                    place = self.word(at + of["slab.base"]) + slot * size + of["object.serial"]
                    word = self.word(place)
                    require(word & 0xffff == 0, "an object of a site at 0x%x", place)
                    self.put(place, struct.pack("<Q", word >> 16))
                    count += word != 0
            mapping = self.word(mapping + of["mapping.next"])
        return count


def comparable(value):
    if isinstance(value, dict):
        return {key: comparable(each) for key, each in value.items() if key not in NEWS}
    return [comparable(each) for each in value] if isinstance(value, list) else value


def questions_of(truth):
    asked = [Question(command, line) for command, line in
             (("gcstat", "--json"), ("gcleaks", "--json --limit=0"), ("gcfind", "--json --limit=0"), ("gcfind", "--json --unreachable --limit=0"),
              ("gcgraph", "--json"), ("gcverify", "--json"), ("gcstale", "--json"))]
    some = [each["object"] for each in truth["held"]][::7] + truth["lost"]
    return asked + [Question(command, "%s --json %s" % (options, address)) for address in some
                    for command, options in (("objat", ""), ("refs", "--ledger --path"))]


def check(door, today, before, truth):
    questions = questions_of(truth)
    answers = [door.ask(Target(core=core, exe=target_exe), questions) for core, target_exe in (today, before)]
    found = 0
    for question, new, old in zip(questions, *answers, strict=True):
        without_traceback(old.error)
        documents = [comparable(expect.document_of(question, each)) for each in (new, old)]
        require(documents[0] == documents[1], "%s %s:\n%s\n%s", question.command, question.line, *documents)
        require(documents[1]["complete"], "%s %s is not complete: %s", question.command, question.line, documents[1])
        found += "problems" in documents[1] and documents[1]["problems"] == []
    require(found == 1, "gcverify did not find the heap sound")
    text, = door.ask(Target(core=before[0], exe=before[1]), [Question("objat", truth["held"][0]["object"])])
    require("#" in text.out and "born" not in text.out, "%s", text.out)
    return len(questions)


def main():
    parser = argparse.ArgumentParser(description="Compares a heap of today's with one as older runtimes wrote it, in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="mutant_seed.c, built with RH_NO_SITES")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 0, folder, ["untraced"]) as subject:
            target = subject.core()
            core = OldCore(target.core)
            objects = core.convert()
            require(objects > 100, "%d objects", objects)
            before = os.path.join(folder, "old")
            with open(before, "wb") as file:
                file.write(core.old)
            asked = check(door, (target.core, target.exe), (before, target.exe), subject.truth)
            print("%s: %d answers about %d objects are the same" % (door.name, asked, objects))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
