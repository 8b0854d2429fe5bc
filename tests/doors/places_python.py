"""places_python.py - addresses that are no object's own: in tables, frames, texts, buffers; and what lies there.

    {"places": {WHAT: {"at": ADDRESS, "status", "id", "offset", "slot": [NAME, OF, TARGET], "value", "owner"}},
     "texts": [[COMMAND, OPERAND, [TEXT…]]], what is said to people}

`slot` is the name of the slot there (null: it is in the memory of that object), whose it is, what it holds; a name that
ends in ":" goes on. `owner` alone leads to memory that nothing declares. What is not told is not asked. The addresses are
read from the objects' own words; what is there is what Python calls it.
Invariant: whatever the places are of is alive until the end.
"""

import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint  # noqa: E402 (of the folder above)

VERSION = sys.version_info[:2]
PLACES = {}
MARKS, COROUTINES = [], []
WORD = 8
MEMORY = os.open("/proc/self/mem", os.O_RDONLY)  # the copy that describes reads this process, too


class Thing:
    pass


class Slotted:
    __slots__ = ("first", "second")


def name_of(value):
    return "%s@0x%x" % (type(value).__name__, id(value))


def word(address):
    return int.from_bytes(os.pread(MEMORY, WORD, address), "little")


def tell(what, at, status, **known):
    PLACES[what] = {"at": at, "status": status, **known}


def tell_inside(what, whole, offset, **known):
    tell(what, id(whole) + offset, "live", id=name_of(whole), offset=offset, **known)


def word_with(start, size, value):
    """The place of the word that holds the address of the object."""
    return next(at for at in range(start, start + size, WORD) if word(at) == id(value))


def tell_dict(what, table, status):
    """Its header, and the place of its first key and value."""
    keys, (key, value) = word(id(table) + 32), next(iter(table.items()))
    at = word_with(keys, 4096, key)
    slots = {"key": ["key %r" % key, name_of(table), name_of(key)], "value": ["[%r]" % key, name_of(table), name_of(value)]}
    tell(what + ": its header", keys, status, slot=[None, name_of(table), None])
    tell(what + ": a key", at, status, slot=slots["key"])
    tell(what + ": a value", at + WORD, status, slot=slots["value"])
    tell(what + ": within a value", at + WORD + 3, status, slot=slots["value"])


def tell_tables(small, large, listed, many, buffer, wide):
    tell_dict("a small dict", small, "internal")
    tell_dict("a large dict", large, "unmanaged")
    tell("an item of a list", word(id(listed) + 24) + 3 * WORD, "unmanaged", slot=["[3]", name_of(listed), name_of(listed[3])])
    element = next(iter(many))
    tell("an element of a set", word_with(word(id(many) + 40), 1 << 14, element), "unmanaged",
         slot=["{%r}" % element, name_of(many), name_of(element)])
    tell("a small buffer", word(id(buffer) + 40) + 5, "internal", owner=name_of(buffer))
    tell("a large buffer", word(id(wide) + 40) + 2000, "unmanaged", owner=name_of(wide))


def tell_objects(slotted, pair, text):
    tell_inside("a slot", slotted, 16, slot=["first", name_of(slotted), name_of(slotted.first)])
    tell_inside("an item of a tuple", pair, 32, slot=["[1]", name_of(pair), name_of(pair[1])])
    tell_inside("within a text", text, 89, value=repr(text[:64]) + "…")
    tell_inside("the collector's link", pair, -16)
    tell_inside("within the collector's link", pair, -5)
    tell("the header of a pool", id(slotted) & -(1 << (14 if VERSION >= (3, 10) else 12)), "internal")  # nobody's table
    for what, value, shown in (("None", None, "None"), ("a type", Thing, "<class '__main__.Thing'>"), ("a module", os, "<module os>"),
                               ("an int", 7, "7"), ("a type of C", int, "<class 'int'>")):
        tell_inside(what, value, 0, value=shown)


def tell_frame(what, frame, size, name, value):
    """A local variable of a frame that has an object: there it is before 3.11, or in the generator; else on a stack."""
    owner, function = frame, frame.f_code.co_name
    if VERSION >= (3, 11):
        owner = next((each for each in COROUTINES if each.cr_frame is frame), None)
    start = id(owner) if owner else word(id(frame) + 24)
    at = word_with(start + 16, size, value)
    slot = ["local '%s' in %s() at %s:%d:" % (name, function, os.path.basename(__file__), frame.f_lineno), owner and name_of(owner), name_of(value)]
    known = {"slot": slot}
    if owner:
        known.update(id=name_of(owner), offset=at - id(owner), value="<%s %s at %s:%d>" % (
            type(owner).__name__, frame.f_code.co_name if VERSION < (3, 11) else owner.__qualname__, os.path.basename(__file__), frame.f_lineno))
    tell(what, at, "live" if owner else "internal", **known)


async def waiting():
    mark = Thing()
    MARKS.append(mark)
    await asyncio.sleep(1000)


def texts_of(mark, coroutine):
    here, frame = os.path.basename(__file__), coroutine.cr_frame
    holder = name_of(coroutine if VERSION >= (3, 11) else frame)
    local = "  local 'mark' in waiting() at %s:%d (%s)" % (here, frame.f_lineno, holder)
    header, table = PLACES["a small dict: its header"]["at"], PLACES["a small dict: its header"]["slot"][1]
    return [
        ["refs", name_of(MARKS), ["globals['MARKS'] of __main__ (%s)" % name_of(globals())]],
        ["refs", "--path %s" % name_of(mark), [local]],
        ["refs", "<__main__.Thing object at 0x%x>" % id(mark), [local]],
        ["objat", "0x%x" % header, ["  memory of %s\n  next: refs %s\n" % (table, table)]]]


class Describe:
    """What is said at the checkpoint, of a frame that it is called from."""

    def __init__(self, frame, value):
        self.frame, self.value = frame, value

    def __call__(self):
        mark, coroutine = MARKS[0], COROUTINES[0]
        tell_frame("a local variable of a frame", self.frame, 400, "mine", self.value)
        tell_frame("a local variable of a coroutine", coroutine.cr_frame, 600 if VERSION < (3, 11) else 160, "mark", mark)
        return {"places": PLACES, "texts": texts_of(mark, coroutine)}


def main():
    mine, small, large = Thing(), {"user": Thing(), "other": 5}, {"user%d" % number: Thing() for number in range(200)}
    listed, many = [Thing() for _ in range(100)], {"word%d" % number for number in range(100)}
    buffer, wide = bytearray(b"hello" * 20), bytearray(b"h" * 5000)
    slotted, pair, text = Slotted(), (Thing(), Thing()), "x" * 40 + "needle" + "y" * 40
    slotted.first = Thing()
    tell_tables(small, large, listed, many, buffer, wide)
    tell_objects(slotted, pair, text)
    loop = asyncio.new_event_loop()
    COROUTINES.append(waiting())
    task = loop.create_task(COROUTINES[0])
    loop.run_until_complete(asyncio.sleep(0))
    checkpoint("placed", Describe(sys._getframe(), mine))
    return task


main()
