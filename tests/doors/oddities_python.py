"""oddities_python.py - uses the extension oddities.c. Checkpoint 1, "made", says where everything is:

    {"objects": {NAME: ADDRESS}, "static": [NAME…], "nothing": [ADDRESS…]}

"static": whose counts say nothing; "nothing": where no object is. Invariant: nothing of this program is wrong.
"""

import ctypes
import gc
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "samples", "python"))
import oddities
from checkpoint import checkpoint


class Slots:
    __slots__ = ("one", "two", "three")


class Held:
    pass


def make():
    """What C holds has no other name."""
    places = {}
    for number in range(10):
        held, packed = Held(), Held()
        kept.append(oddities.larger(held))
        oddities.pack(packed)
        places.update({"held %d" % number: id(held), "packed %d" % number: id(packed), "larger %d" % number: id(kept[-1])})
    return places


def make_in_ctypes():
    """Held by a number alone, with marks, or by bytes; and a function, which holds itself."""
    take = ctypes.pythonapi.Py_IncRef
    take.argtypes, take.restype = [ctypes.py_object], None
    places = {"function": id(take)}
    for name, box in (("boxed", lambda number: ctypes.c_uint64(number | 0xFFFC << 48)), ("bytes", lambda number: struct.pack("<3xQ", number))):
        held = Held()
        take(held)
        kept.append(box(id(held)))
        places[name] = id(held)
    return places


kept = []
objects = {**make(), **make_in_ctypes()}
nothing = [oddities.lookalike(Slots) for _ in range(4)] + [oddities.lookalike(tuple) for _ in range(4)]
static = {"definition": oddities.definition(), "static_one": oddities.static_one(), "static_type": oddities.static_type()}
one = static["static_one"]  # so that something leads there
objects.update({name: id(each) for name, each in static.items()})
gc.collect()
gc.disable()
checkpoint("made", lambda: {"objects": {name: hex(each) for name, each in objects.items()}, "static": list(static),
                            "nothing": [hex(each) for each in nothing]})
