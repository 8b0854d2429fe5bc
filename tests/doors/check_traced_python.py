"""check_traced_python.py - birth sites by tracemalloc, facts of collector and allocator, and what became of freed
memory, in every door, against what Python itself says (traced_python.py).

Which blocks of a pool are free is read here from the bytes of the target. By hand:
check_traced_python.py --door shell --shell build/inspect/refheap; PYTHON=FILE for another Python.
"""

import argparse
import functools
import os
import random
import re
import sys
import tempfile

import expect
from expect import same
from launch import Question, Shell, door_of, report, require, without_traceback
from python_target import HERE, PYTHON, PipedShell, Target, bytes_of, minor_version

SITES_ASKED = 40
PLACES_ASKED = 12
MINOR = minor_version()
POOL_BYTES = 4096 if MINOR < 10 else 16384
PREFIX = 16 if MINOR < 11 else 32  # in front of an instance with attributes


def about(what, found, expected, spare):
    require(abs(found - expected) <= spare, "%s: %s, expected about %s", what, found, expected)


def free_blocks(memory, address):
    """Beginnings of the free blocks of the pool that the address lies in."""
    pool, found = address & -POOL_BYTES, set()
    at = memory.word(pool + 8)
    while at and at not in found:
        found.add(at)
        at = memory.word(at)
    return found


def some(items, count):
    return random.Random(1).sample(items, min(count, len(items)))


class Check:
    def __init__(self, door, target, truth, where):
        self.door, self.target, self.truth, self.where = door, target, truth, where
        self.memory, self.told = bytes_of(target), 0

    def ask(self, questions):
        answers = self.door.ask(self.target, questions)
        for question, answer in zip(questions, answers, strict=True):
            without_traceback(answer.out + answer.error)
            document = expect.document_of(question, answer)
            require(answer.status == 0, "%s: status %d: %s", question, answer.status, answer.out + answer.error)
            yield document

    def places(self, addresses):
        return self.ask([Question("objat", "--json 0x%x" % address) for address in addresses])

    def check_sites(self):
        sites = {int(address): site for address, site in self.truth["sites"].items()}
        asked = some(list(sites), SITES_ASKED)
        for address, document in zip(asked, self.places(asked), strict=True):
            site = document["object"]["site"]
            found, expected = site and [site["file"], site["line"]], sites[address]
            if expected is None and found and MINOR == 11:  # 3.11 does not find those of instances with attributes itself
                require(document["object"]["type"] == "Thing" and found[0].endswith("traced_python.py"),
                        "%s has a site that Python does not know: %s", document["object"], found)
                continue
            same("the site of 0x%x" % address, found, expected)
            self.told += found is not None

    def check_facts(self):
        document, = self.ask([Question("gcstat", "--json")])
        heap = document["heaps"][0]
        facts, collector, allocator = heap["facts"], self.truth["collector"], self.truth["allocator"]
        same("version", facts["interpreter"]["version"].split(".")[:2], ["3", str(MINOR)])
        for name in ("enabled", "frozen", "garbage"):
            same(name, facts["collector"][name], collector[name])
        about("tracked", facts["collector"]["tracked"] - facts["collector"]["frozen"], collector["tracked"], 100)
        for number, (threshold, stats) in enumerate(zip(collector["threshold"], collector["stats"], strict=True)):
            told = facts["generation_%d" % number]
            same("generation %d" % number, {name: told[name] for name in ("threshold", *stats)},
                 {"threshold": threshold, **stats})
        told = facts["allocator"]
        same("arenas", told["arenas"], allocator["arenas"])
        about("free pools", told["pools_free"], allocator["pools"], 4)
        about("bytes in use", told["object_bytes"] + told["raw_bytes"] + told["kept_bytes"], allocator["used"], 1 << 16)
        about("free bytes", told["free_bytes"], allocator["free"], 1 << 16)
        ask = functools.partial(Shell.ask, self.door) if isinstance(self.door, Shell) else self.door.ask  # the piped one wants JSON
        answer, = ask(self.target, [Question("gcstat", "--limit=1")])
        counted = re.findall(r"\b(\d+) (pool|arena|block|collection|tracked object|object)(s?)\b", answer.out)
        require(len(counted) > 5, "gcstat counts nothing: %s", answer.out)
        for number, noun, plural in counted:
            require((number == "1") == (plural == ""), "gcstat says '%s %s%s'", number, noun, plural)

    def check_dead(self):
        """Of instances: their blocks are free, or used again, by an object that may begin elsewhere, and may be gone, too: then
        Python may keep the block."""
        asked = some(self.truth["dead"], PLACES_ASKED)
        for address, document in zip(asked, self.places(asked), strict=True):
            block = address - PREFIX
            is_free = block in free_blocks(self.memory, block)
            is_kept = "keeps it for the next object" in (document["remark"] or "")
            same("0x%x is free" % address, document["status"] in ("freed", "unused") and not is_kept, is_free)
            if is_free and document["status"] == "freed":
                same("who was at 0x%x" % address, document["previous"][0]["id"], "Thing@0x%x" % address)
                self.told += 1
            elif document["status"] == "live" and document["offset"]:
                require("it is gone" in document["remark"], "0x%x: %s", address, document["remark"])

    def check_kept(self):
        asked = some(self.truth["kept"], PLACES_ASKED)
        for address, document in zip(asked, self.places(asked), strict=True):
            if document["status"] != "freed":
                continue
            block = address - 16
            is_kept = block not in free_blocks(self.memory, block)
            same("what is said of 0x%x" % address, "keeps it for the next object" in (document["remark"] or ""), is_kept)
            self.told += is_kept

    def check_lists(self):
        asked = some(self.truth["lists"], PLACES_ASKED)
        items = [self.memory.word(address + 24) for address in asked]
        for address, table, document in zip(asked, items, self.places(items), strict=True):
            same("status of 0x%x" % table, document["status"], "internal")
            require("it is gone" in document["remark"], "0x%x: %s", table, document["remark"])
            same("the owner of 0x%x" % table, document["slot"]["of"], "list@0x%x" % address)
        for address, document in zip(asked, self.places(asked), strict=True):
            same("status of 0x%x" % address, document["status"], "live")
            require("cannot be told" in document["remark"], "0x%x: %s", address, document["remark"])
        for address, document in zip(asked, self.places([each + 16 for each in asked]), strict=True):
            same("offset", document["offset"], 16)
            require("list@0x%x begins 16 bytes behind" % address in document["remark"], "%s", document["remark"])


def check(door, target, truth, where, parts):
    for part in parts:
        each = Check(door, target, truth, where)
        getattr(each, "check_" + part)()
        require(each.told or part in ("facts", "lists"), "%s: nothing was there to be told of %s", where, part)
    print("%s, %s: %s" % (door.name, where, ", ".join(parts)))


def run(door, *options):
    parts = ["facts", "dead", "kept", "lists"] if options else ["sites"]
    with tempfile.TemporaryDirectory() as folder:
        target = Target(folder, 1, os.path.join(HERE, "traced_python.py"), *options)
        with target.start() as subject:
            check(door, subject.live(), subject.truth, "live", parts)
            core = subject.core()
            check(door, core, subject.truth, "core", parts)
            target.take_away()
            check(door, core._replace(exe=None), subject.truth, "core alone", parts)


def main():
    parser = argparse.ArgumentParser(description="Checks sites, facts and freed memory of Python in all doors.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    arguments = parser.parse_args()
    door = PipedShell(arguments.shell) if arguments.door == "shell" else door_of(arguments.door, arguments.shell)

    def body():
        print("%s, 3.%d" % (PYTHON, MINOR))
        run(door)
        run(door, "plain")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
