"""check_damaged_python.py - what gcverify says of a sound Python process, and of one whose memory was written over.

damaged_python.py tells where its victims are. They are damaged here, one after the other in one process, through
/proc/PID/mem. Each fault must be named with the object that has it, live, on a core, and on a core alone; and nothing
else: a sound process has no fault at all, with each of Python's allocators, nor has a sound one's core that lacks memory.

By hand: check_damaged_python.py --door shell --shell build/inspect/refheap; PYTHON=FILE for another Python.
"""

import argparse
import json
import os
import struct
import sys
import tempfile

import expect
from launch import Question, door_of, report, require, without_traceback
from python_target import HERE, PROGRAM_HEADER, PT_LOAD, PYTHON, Target, minor_version

MINOR = minor_version()
KEYS, LIST_SIZE, ITEMS, DICT_USED, DICT_KEYS, SET_USED, SET_MASK = 40 if MINOR < 11 else 32, 16, 24, 16, 32, 24, 32
ARBITRARY = 0x4141414141414140
ALLOCATORS = {"pymalloc": {}, "pymalloc with guards": {"PYTHONMALLOC": "debug"}, "malloc": {"PYTHONMALLOC": "malloc"}}


class Memory:
    def __init__(self, pid):
        self.file = open("/proc/%d/mem" % pid, "r+b", buffering=0)

    def read(self, address):
        self.file.seek(address)
        return int.from_bytes(self.file.read(8), "little")

    def write(self, address, value):
        self.write_bytes(address, struct.pack("<Q", value))

    def write_bytes(self, address, value):
        self.file.seek(address)
        self.file.write(bytes(value))

    def freed_block(self, address):
        """The second free block of the pool that the address lies in: the first may never have been used."""
        first = self.read((address & -(4096 if MINOR < 10 else 16384)) + 8)
        require(first and self.read(first), "a pool with less than two free blocks")
        return self.read(first)


def damage(memory, victims):
    """Writes over the victims; which problems must be found: kind, victim, part of what is said."""
    memory.write(victims["list"] + LIST_SIZE, 5000)
    memory.write(victims["dict"] + DICT_USED, 7)
    table = memory.read(victims["numbers"] + DICT_KEYS)
    memory.write_bytes(table + KEYS + 3, [77])
    table = memory.read(victims["wiped"] + DICT_KEYS)
    memory.write_bytes(table + KEYS, [255] * 32)
    memory.write(victims["set"] + SET_USED, 3)
    memory.write(victims["other set"] + SET_MASK, 30)
    memory.write(victims["previous"] - 8, 0x1234560)
    memory.write(victims["untracked"] - 16, 0)
    memory.write(victims["no type"] + 8, victims["list"])
    memory.write(victims["no count"], ARBITRARY)
    memory.write(memory.read(victims["holder"] + ITEMS), ARBITRARY)
    free = memory.freed_block(victims["sparse"])  # of many blocks of that size every other one was freed
    memory.write(memory.read(victims["holder of free"] + ITEMS), free)
    return {("bad_size", "list", "it claims 5000 items"), ("bad_table", "dict", "it says that it has 7 entries"),
            ("bad_table", "numbers", "leads to entry 77, and it has 20"),
            ("bad_table", "wiped", "it has 21 entries, but 0 places"),
            ("bad_table", "set", "it says that it has 3 elements in 20 places"),
            ("bad_table", "other set", "it claims to have 0x1e places"),
            ("bad_link", "holder", "holds 0x4141414141414140: no memory is mapped there"),
            ("bad_type", "no type", "0x%x, whose type is 0x%x: no type is there" % (victims["no type"], victims["list"])),
            ("bad_count", "no count", "whose count is 0x4141414141414140"),
            ("bad_tracking", None, "leads back to 0x1234560 and not to it"),
            ("bad_tracking", "untracked", "whose link to the next object is 0x0: nothing there leads back"),
            ("bad_link", "things", "memory in use that holds no object"),
            ("bad_link", "holder of free", "a free")}


def damage_links(memory, victims):
    memory.write(victims["chained"] - 16, ARBITRARY)
    return {("bad_tracking", "chained", "whose link to the next object is 0x4141414141414140: nothing there leads back")}


def damage_guards(memory, victims):
    memory.write_bytes(victims["overrun"] + 40, [65] * 4)
    free = memory.freed_block(victims["sparse"])  # of many blocks of that size every other one was freed
    memory.write_bytes(free + 9, [65])
    return {("bad_guard", "overrun", "the guard behind it is written over"),
            ("bad_guard", "free", "the freed block at 0x%x was written to at 0x%x" % (free, free + 9))}


def ask(door, target):
    answer, = door.ask(target, [Question("gcverify", "--json --limit=0")])
    without_traceback(answer.out + answer.error)
    question = Question("gcverify", "--json")
    document = expect.document_of(question, answer)
    require(answer.status == 0, "gcverify: status %d: %s", answer.status, answer.out + answer.error)
    return document


def check_sound(door, target, where):
    document = ask(door, target)
    require(document["problems"] == [] and document["complete"], "%s: a sound process has %s, %s", where,
            document["problems"][:5], document.get("incomplete_because"))
    require(document["objects_checked"] > 10000, "%s: %d objects", where, document["objects_checked"])
    print("%s, %s: %d objects are sound" % (door.name, where, document["objects_checked"]))


def check_lacking(door, target, modules, folder):
    """What a core lacks behind an address of an arena is no fault, and nothing that is known."""
    lacking = os.path.join(folder, "lacking")
    for behind in (0x4a10, 0xc000):
        with open(target.core, "rb") as core:
            bytes_ = bytearray(core.read())
        leave_out_behind(bytes_, modules + behind)
        with open(lacking, "wb") as file:
            file.write(bytes_)
        document = ask(door, target._replace(core=lacking))
        require(document["problems"] == [] and not document["complete"] and document["objects_checked"] > 1000, "a core that lacks memory has %s",
                document["problems"][:5])
        answer, = door.ask(target._replace(core=lacking), [Question("objat", "--json 0x%x" % ((modules + behind + 32) & -16))])
        require("its memory cannot be read" in json.loads(answer.out).get("error", ""), "in what is lacking: %s", answer)
    print("%s: what lacks in a core is no fault" % door.name)


def leave_out_behind(core, address):
    """The segment with the address ends there, as far as the core has it."""
    start, count = struct.unpack_from("<Q", core, 32)[0], struct.unpack_from("<H", core, 56)[0]
    for at in range(start, start + count * PROGRAM_HEADER, PROGRAM_HEADER):
        kind, first, size = struct.unpack_from("<I", core, at)[0], struct.unpack_from("<Q", core, at + 16)[0], struct.unpack_from("<Q", core, at + 32)[0]
        if kind == PT_LOAD and first <= address < first + size:
            struct.pack_into("<Q", core, at + 32, address - first)
            return
    require(False, "no segment has 0x%x", address)


def check_faults(door, target, victims, expected, where):
    problems = [(each["kind"], each["object"], int(each["address"], 16), each["detail"]) for each in ask(door, target)["problems"]]
    left = list(problems)
    for kind, name, text in sorted(expected, key=str):
        found = [each for each in left if each[0] == kind and text in each[3]]
        victim = victims.get(name)
        if victim:
            found = [each for each in found if each[2] == victim or (each[1] or "").endswith("@0x%x" % victim)]
        require(found, "%s: no %s of %s with '%s' in %s", where, kind, name, text, problems)
        left = [each for each in left if each not in found]
    lost = ["holds 0x%x: memory in use that holds no object" % victims[name] for name in ("no type", "no count")]
    left = [each for each in left if not any(text in each[3] for text in lost)]  # also held by the names of the victims
    require(not left, "%s: also found: %s", where, left)
    print("%s, %s: %d faults are found" % (door.name, where, len(expected)))


def check_in_all(door, folder, environment, hurt, where):
    target = Target(folder, 1, HERE + "/damaged_python.py", environment=environment)
    with target.start() as subject:
        if not hurt:
            check_sound(door, subject.live(), where)
            core = subject.core()
            check_sound(door, core, where + ", core")
            if not environment:
                check_lacking(door, core, subject.truth["modules"], folder)
            return
        victims = subject.truth["victims"]
        expected = hurt(Memory(subject.process.pid), victims)
        check_faults(door, subject.live(), victims, expected, where)
        core = subject.core()
        check_faults(door, core, victims, expected, where + ", core")
        target.take_away()
        check_faults(door, core._replace(exe=None), victims, expected, where + ", core alone")


def main():
    parser = argparse.ArgumentParser(description="Checks gcverify on sound and damaged Python processes.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        print("%s, 3.%d" % (PYTHON, MINOR))
        cases = [(name, environment, None) for name, environment in ALLOCATORS.items()]
        cases += [("damaged", {}, damage), ("a link", {}, damage_links)]
        cases += [("guards", ALLOCATORS["pymalloc with guards"], damage_guards)]
        for where, environment, hurt in cases:
            with tempfile.TemporaryDirectory() as folder:
                check_in_all(door, folder, environment, hurt, where)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
