"""check_mutants.py - nothing that an undamaged root, global or block holds is ever said to be leaked for certain, and no
record of a traced object to be another than it is, whatever else of a core is damaged.

Takes a kernel core of mutant_seed.c, finds the places in it that mean something (ELF headers and notes, the runtime's
metadata, the structures of malloc), and has mutants.c damage them, one mutant for each number. A mutant can be had
again, from the core and the places that are left in the working directory: addresses differ from run to run.

Invariant: no word that holds an object, no object's header and no field of it is a place. Stacks and registers hold
what is marked so, and so do the records of fields; the object is then not judged for damage there, see needs_of.
"""

import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

from launch import Subject, report, require

HEADER, PROGRAM_HEADER, CONSTANT, PT_NOTE, PT_LOAD, WRITABLE = 64, 56, 48, 4, 1, 2
NT_PRSTATUS, NT_FILE, REGISTERS = 1, 0x46494c45, 112
RSP, FS_BASE = REGISTERS + 19 * 8, REGISTERS + 21 * 8
DESCRIPTOR = (("self", 16, 8), ("version", 24, 4), ("size", 28, 4), ("nonce", 32, 8), ("pid", 40, 8), ("constants", 48, 8), ("constant_count", 56, 4),
              ("constant_size", 60, 4), ("types", 64, 8), ("type_count", 72, 8), ("heaps", 80, 8), ("mappings", 88, 8),
              ("destroyed", 96, 8), ("destroyed_count", 104, 8), ("check", 112, 8), ("sites", 120, 8), ("site_count", 128, 8), ("sites_refused", 136, 8))
MAPPING_CHUNK, MAPPINGS_MAX, MARK, HAS_STACK = 1, 1000, 8, 1 << 50
ADDRESS, ALL = 0xfffffffffff0, (1 << 64) - 1
ARENA_TOP, ARENA_BINS, BINS, ARENA_NEXT, ARENA_BYTES = 96, 112, 127, 2160, 2200
TCACHE = 0x290
ARENA_HEAP = 64 << 20
DATA_MAX = 1 << 16  # bytes of a library's data


class Core:
    """A core, and the places in it. A place is (offset, width, kind)."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        self.places = set()
        self.loads = []
        start, = struct.unpack_from("<Q", self.bytes, 32)
        count, = struct.unpack_from("<H", self.bytes, 56)
        self.add("elf.phoff", 32, 8)
        self.add("elf.phnum", 56, 2)
        for at in range(start, start + count * PROGRAM_HEADER, PROGRAM_HEADER):
            kind, flags, offset, address, _, in_file, in_memory = struct.unpack_from("<IIQQQQQ", self.bytes, at)
            for name, inside, width in (("type", 0, 4), ("flags", 4, 4), ("offset", 8, 8), ("vaddr", 16, 8), ("filesz", 32, 8), ("memsz", 40, 8)):
                self.add("elf.%s.%s" % ("note" if kind == PT_NOTE else "load", name), at + inside, width)
            if kind == PT_LOAD:
                self.loads.append((address, in_file, offset, in_memory, flags))
            elif kind == PT_NOTE:
                self.add_notes(offset, offset + in_file)

    def add(self, kind, offset, width):
        self.places.add((offset, width, kind))

    def add_notes(self, at, end):
        while at + 12 <= end:
            name, size, kind = struct.unpack_from("<III", self.bytes, at)
            for inside in (0, 4, 8):
                self.add("note.header", at + inside, 4)
            inside = at + 12 + (name + 3) // 4 * 4
            if kind == NT_PRSTATUS:
                self.add("thread.pid", inside + 32, 4)
                self.add("thread.rsp", inside + RSP, 8)
                self.add("thread.fs", inside + FS_BASE, 8)
            elif kind == NT_FILE:
                count, = struct.unpack_from("<Q", self.bytes, inside)
                for word in range(2 + 3 * count):
                    self.add("note.file", inside + word * 8, 8)
            at = inside + (size + 3) // 4 * 4

    def offset_of(self, address):
        """Where an address of the process lies in the file, or None."""
        for start, size, offset, _, _ in self.loads:
            if start <= address < start + size:
                return offset + address - start
        return None

    def word(self, address, width=8):
        offset = self.offset_of(address)
        require(offset is not None, "0x%x is not in the core", address)
        return int.from_bytes(self.bytes[offset:offset + width], "little")

    def at(self, kind, address, width=8):
        offset = self.offset_of(address)
        require(offset is not None, "0x%x (%s) is not in the core", address, kind)
        self.add(kind, offset, width)

    # ---- the runtime's metadata -----------------------------------------------------------------

    def add_metadata(self):
        """The descriptor and all that it leads to, by the names of its constants."""
        found = [address for address in self.occurrences(b"refheap-metadata") if self.word(address + 16) == address]
        require(len(found) == 1, "%d descriptors", len(found))
        descriptor = found[0]
        for name, inside, width in DESCRIPTOR:
            self.at("metadata." + name, descriptor + inside, width)
        constants, count = self.word(descriptor + 48), self.word(descriptor + 56, 4)
        self.constants = {}
        for row in range(constants, constants + count * CONSTANT, CONSTANT):
            offset = self.offset_of(row)
            name = self.bytes[offset:offset + 40].split(b"\0")[0].decode()
            self.constants[name] = self.word(row + 40)
            self.at("constant." + name, row + 40)
        self.add_types(self.word(descriptor + 64), self.word(descriptor + 72))
        self.add_sites(self.word(descriptor + 120), self.word(descriptor + 128))
        self.add_heap(self.word(descriptor + 80))
        self.add_mappings(self.word(descriptor + 88))

    def occurrences(self, text):
        for start, size, offset, _, flags in self.loads:
            if flags & WRITABLE:
                for match in re.finditer(re.escape(text), self.bytes[offset:offset + size]):
                    yield start + match.start()

    def record(self, kind, address, members):
        for name, width in members:
            self.at("%s.%s" % (kind, name.split(".")[1]), address + self.constants[name], width)

    def add_types(self, types, count):
        constants = self.constants
        for number in range(1, count):
            row = types + number * constants["type.size"]
            self.record("field.type", row, (("type.object_size", 8), ("type.fields", 8), ("type.field_count", 4), ("type.flags", 4)))
            self.record("field.type", row, (("type.name", 8), ("type.element_size", 4), ("type.length_offset", 4)))
            fields, length = self.word(row + constants["type.fields"]), self.word(row + constants["type.field_count"], 4)
            for field in range(fields, fields + length * constants["field.size"], constants["field.size"]):
                self.record("field", field, (("field.name", 8), ("field.offset", 4), ("field.kind", 1), ("field.form", 1), ("field.width", 1),
                                             ("field.count_width", 1), ("field.count", 4), ("field.count_offset", 4), ("field.stride", 4),
                                             ("field.element_offset", 4)))

    def add_heap(self, heap):
        self.record("heap", heap, (("heap.next", 8), ("heap.number", 8), ("heap.phase", 4), ("heap.fresh", 8), ("heap.spared", 8),
                                   ("heap.roots", 8), ("heap.roots_capacity", 8), ("heap.ring", 8), ("heap.ring_next", 8),
                                   ("heap.keeps_all", 4), ("heap.poisons", 4), ("heap.poisoning", 8), ("heap.weak", 8),
                                   ("heap.weak_capacity", 8)))
        constants = self.constants
        ring = self.word(heap + constants["heap.ring"])
        self.record("ring", ring, (("ring.capacity", 8), ("ring.filled", 8)))
        self.add_events(heap, "death", ring, self.word(heap + constants["heap.ring_next"]))
        self.record("stacks", heap, (("heap.stacks", 8), ("heap.stack_depth", 4)))
        self.record("trace", heap, (("heap.trace", 8), ("heap.trace_next", 8), ("heap.trace_lost", 8), ("heap.tracing", 8)))
        ring = self.word(heap + constants["heap.trace"])
        self.record("trace", ring, (("ring.capacity", 8), ("ring.filled", 8)))
        self.add_events(heap, "event", ring, self.word(heap + constants["heap.trace_next"]))
        first = heap + constants["heap.alloc"]
        for entry in range(first, first + constants["heap.allocs"] * constants["alloc.size"], constants["alloc.size"]):
            if self.word(entry + constants["alloc.available"]):
                self.record("alloc", entry, (("alloc.base", 8), ("alloc.slot_size", 4), ("alloc.available", 8)))

    def add_events(self, heap, kind, ring, end):
        """Each word of each event and mark, and the stacks that they name."""
        constants = self.constants
        slots = range(ring + constants["ring.slots"], end, constants["ring.slot_size"])
        require(len(slots) > (80 if kind == "event" else 3), "%d slots of %ss", len(slots), kind)
        if kind == "death":
            self.deaths = slots
        for slot in slots:
            is_mark = self.word(slot + constants["slot.what"]) & 15 == MARK
            name = kind + ".mark" if is_mark else kind
            self.record(name, slot, (("slot.what", 8), ("slot.origin", 8), ("slot.where", 8)))
            what, where = (self.word(slot + constants[word]) for word in ("slot.what", "slot.where"))
            if not is_mark and what & HAS_STACK:
                self.add_stack(heap, where >> 16)

    def add_stack(self, heap, number):
        depth = self.word(heap + self.constants["heap.stack_depth"], 4)
        for frame in range(depth):
            self.at("stack.frame", self.word(heap + self.constants["heap.stacks"]) + (number * depth + frame) * 8)
        self.at("stack.check", self.word(heap + self.constants["heap.stack_checks"]) + number * 8)

    def add_sites(self, sites, count):
        constants = self.constants
        for row in range(sites + constants["site.size"], sites + count * constants["site.size"], constants["site.size"]):
            self.record("site", row, (("site.file", 8), ("site.function", 8), ("site.line", 4), ("site.check", 8)))
            for text in ("site.file", "site.function"):
                self.at("site.text", self.word(row + constants[text]))

    def add_mappings(self, mapping):
        constants = self.constants
        for _ in range(MAPPINGS_MAX):
            if not mapping:
                return
            self.record("mapping", mapping, (("mapping.next", 8), ("mapping.bytes", 8), ("mapping.kind", 4), ("mapping.heap", 8)))
            if self.word(mapping + constants["mapping.kind"], 4) == MAPPING_CHUNK:
                table = mapping + constants["chunk.slab_table"]
                for slab in range(table, table + constants["chunk.slabs"] * constants["slab.size"], constants["slab.size"]):
                    if self.word(slab + constants["slab.slot_size"]):
                        self.record("slab", slab, (("slab.base", 8), ("slab.slot_size", 8), ("slab.capacity", 4), ("slab.live", 8),
                                                   ("slab.fresh", 8), ("slab.spared", 8)))
            mapping = self.word(mapping + constants["mapping.next"])

    # ---- malloc ----------------------------------------------------------------------------------

    def add_malloc(self, blocks):
        """The main arena, the arena of the other thread, all chunks of both, and the tcaches."""
        main, start = self.main_arena(blocks[0])
        arenas, arena = [], main
        while arena not in arenas:
            arenas.append(arena)
            arena = self.word(arena + ARENA_NEXT)
        require(len(arenas) == 2, "arenas: %s", arenas)
        for arena in arenas:
            self.add_arena(arena)
        self.add_chunks(start, self.word(main + ARENA_TOP))
        heap = arenas[1] & -ARENA_HEAP
        for word in range(heap, heap + 40, 8):
            self.at("malloc.heap", word)
        self.add_chunks((arenas[1] + ARENA_BYTES + 15) & -16, self.word(arenas[1] + ARENA_TOP))
        for block in blocks:
            if block % 4096 == 16:
                self.at("malloc.mapped", block - 8)

    def main_arena(self, block):
        """The one whose top chunk follows in the mapping of this block: its last bin is always empty."""
        region = next((start, start + size) for start, size, _, _, _ in self.loads if start <= block < start + size)
        for start, size, offset, _, flags in self.loads:
            words = struct.unpack_from("<%dQ" % (size // 8), self.bytes, offset) if flags & WRITABLE and size <= DATA_MAX else ()
            for i, word in enumerate(words):
                arena = word - ARENA_TOP - (BINS - 1) * 16
                if arena + ARENA_BINS + (BINS - 1) * 16 == start + i * 8 and words[i + 1] == word and region[0] < self.word(arena + ARENA_TOP) < region[1]:
                    return arena, region[0]
        require(False, "no main arena")
        return None

    def add_arena(self, arena):
        for word in range(arena, arena + ARENA_BYTES, 8):
            inside = word - arena
            name = "top" if inside == ARENA_TOP else "fastbins" if 16 <= inside < ARENA_TOP else "bins" if ARENA_BINS <= inside < ARENA_BINS + BINS * 16 else "arena"
            self.at("malloc." + name, word)

    def add_chunks(self, chunk, top):
        while True:
            self.at("malloc.chunk", chunk + 8)
            size = self.word(chunk + 8) & ~7
            require(size >= 32 and chunk <= top, "a chunk at 0x%x has %d bytes", chunk, size)
            if chunk == top:
                return
            if size == TCACHE and any(self.bytes[self.offset_of(chunk) + 16:][:128]):
                for word in range(chunk + 16, chunk + TCACHE, 8):
                    self.at("malloc.tcache", word)
            if not self.word(chunk + size + 8) & 1:
                for word in (16, 24):
                    self.at("malloc.free", chunk + word)
                self.at("malloc.prev_size", chunk + size)
            chunk += size


def check_places(core, truth, shell, folder):
    """A place of death that fits the check, but has no call before it, or is in no code, is told as recorded, and no line."""
    constants = core.constants
    for slot in core.deaths:
        what, origin, where = (core.word(slot + constants[word]) for word in ("slot.what", "slot.origin", "slot.where"))
        if what & ADDRESS == int(truth["died"][0], 16):
            break
    sound = ask_place(core.bytes, truth, shell, folder)
    require(sound["line"] == truth["lines"]["dropped"] and "doubt" not in sound, "of the sound core: %s", sound)
    for place, doubt in ((where >> 16) + 1, "which is not behind a call"), (int(truth["died"][0], 16), "which is not in code"):
        other = place << 16 | where & 0xffff
        plain = what & (1 << constants["slot.check"]) - 1
        check = (plain ^ origin ^ other) * 0x9e3779b97f4a7c15 & ALL << constants["slot.check"] & ALL
        changed = bytearray(core.bytes)
        for name, word in ("slot.what", plain | check), ("slot.where", other):
            struct.pack_into("<Q", changed, core.offset_of(slot + constants[name]), word)
        told = ask_place(changed, truth, shell, folder)
        require(told["doubt"] == doubt and told["line"] is told["function"] is None and told["address"] == hex(place), "%s: %s", doubt, told)


def ask_place(core, truth, shell, folder):
    path = os.path.join(folder, "places_core")
    with open(path, "wb") as file:
        file.write(core)
    done = subprocess.run([shell, "--core", path, "objat", "--json", truth["died"][0]], stdout=subprocess.PIPE, check=True, encoding="utf-8")
    os.remove(path)
    answer = json.loads(done.stdout)
    require(answer["complete"], "not complete: %s", answer)
    return answer["previous"][0]["place"]


def needs_of(how):
    """What may lose an object that is held in this way: a kind of place, or "-"."""
    return {"link": ["field"], "stack": ["thread", "note", "elf"], "thread": ["thread", "note", "elf"]}.get(how, ["-"])


def write_places(core, truth, path):
    with open(path, "w", encoding="utf-8") as file:
        for offset, width, kind in sorted(core.places):
            file.write("place %d %d %s\n" % (offset, width, kind))
        for each in truth["held"]:
            file.write("held %s %s\n" % (each["object"], needs_of(each["how"])[0]))
        for each in truth["traced"]:
            file.write("traced %s %d %d %d %d\n" % tuple(each[key] for key in ("object", "count", "early", "retains", "releases")))
        for each in truth["died"]:
            file.write("died %s\n" % each)
        for what, line in truth["lines"].items():
            file.write("line %s %d\n" % (what, line))


def main():
    parser = argparse.ArgumentParser(description="Damages a core in many ways, and judges what is certainly leaked.")
    parser.add_argument("--mutants", required=True, help="mutants.c, built")
    parser.add_argument("--shell", help="the refheap command: places of death are asked about")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=1 << 20)
    parser.add_argument("--keep", help="write the core and the places there")
    parser.add_argument("program", help="mutant_seed.c, built")
    arguments = parser.parse_args()

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 0, folder) as subject:
            target, truth = subject.core(), subject.truth
            core = Core(target.core)
            core.add_metadata()
            core.add_malloc([int(block, 16) for block in truth["blocks"]])
            if arguments.shell:
                check_places(core, truth, arguments.shell, folder)
            places = os.path.join(folder, "places")
            write_places(core, truth, places)
            if arguments.keep:
                subprocess.run(["cp", "--sparse=always", target.core, places, arguments.keep], check=True)
                with open(os.path.join(arguments.keep, "truth.json"), "w", encoding="utf-8") as file:
                    json.dump(truth, file)
            done = subprocess.run([arguments.mutants, target.core, places, str(arguments.first), str(arguments.count), str(arguments.seconds)],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, encoding="utf-8", errors="replace")
            if done.returncode != 0:
                subprocess.run(["cp", "--sparse=always", target.core, "mutants_core"], check=True)
                subprocess.run(["cp", places, "mutants_places"], check=True)
                print("to see it again: %s mutants_core mutants_places NUMBER 1" % arguments.mutants)
            lines = done.stdout.splitlines()
            told = [pair for pair in zip(lines, lines[1:]) if pair[1].startswith("  the object at")]
            require(done.returncode == 0, "status %d: %s\nlast: %s", done.returncode, "\n".join("%s\n%s" % pair for pair in told), "\n".join(lines[-2:]))
            certain = int(re.search(r"(\d+) certain", lines[-1]).group(1))
            require(certain > (arguments.count // 4 if arguments.count > 100 and arguments.seconds > 1000 else 0), "hardly an answer is certain: %s", lines[-1])
            print("%d places; %s" % (len(core.places), lines[-1]))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
