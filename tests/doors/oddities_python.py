"""oddities_python.py - uses the extension oddities.c. Checkpoint 1, "made", says where everything is:

    {"objects": {NAME: ADDRESS}, "static": [NAME…], "nothing": [ADDRESS…]}

"static": whose counts say nothing; "nothing": where no object is. Invariant: nothing of this program is wrong.
"""

import gc
import os
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


def make_in_other_forms():
    marked, held = Held(), Held()
    oddities.mark(marked)
    kept.extend([oddities.in_bytes(held), oddities.itself()])
    return {"marked": id(marked), "in bytes": id(held), "itself": id(kept[-1])}


def leave_remains():
    """What is left of a code object leads to some of what that holds, and is counted by nobody."""
    code = leave_remains.__code__
    oddities.remains(code, sys.getsizeof(code), code.co_name)


kept = []
objects = {**make(), **make_in_other_forms()}
nothing = [oddities.lookalike(Slots) for _ in range(4)] + [oddities.lookalike(tuple) for _ in range(4)]
static = {"definition": oddities.definition(), "static_one": oddities.static_one(), "static_type": oddities.static_type()}
one = static["static_one"]  # so that something leads there
objects.update({name: id(each) for name, each in static.items()})
leave_remains()
gc.collect()
gc.disable()
checkpoint("made", lambda: {"objects": {name: hex(each) for name, each in objects.items()}, "static": list(static),
                            "nothing": [hex(each) for each in nothing]})
