"""traced_python.py - a Python program that traces its allocations, and says which line made each of its objects.

The line of truth has "sites": file and line by address, null where Python itself does not know it; "collector" and
"allocator": what gc and sys._debugmallocstats say, the latter only without tracing; "dead": addresses at which objects of a class were that are gone;
"kept": the same of dicts; "lists": lists with items elsewhere. Run with "plain" it does not trace.
"""

import gc
import os
import re
import sys
import tempfile
import tracemalloc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))
from checkpoint import checkpoint  # noqa: E402

MANY = 400


class Thing:
    def __init__(self, number):
        self.number = number


class Slim:
    __slots__ = ("number", "__weakref__")


def make(number):
    slim = Slim()
    slim.number = 2.5 * number
    return [Thing(number), {"number": number}, (number, slim), "text %d" % number, slim, slim.number, bytes(600 + number),
            {number, -number}, lambda: number, [number] * 3]


def site_of(thing):
    trace = tracemalloc.get_object_traceback(thing)
    return [trace[-1].filename, trace[-1].lineno] if trace else None


def allocator_stats():
    """Numbers that sys._debugmallocstats writes to stderr."""
    with tempfile.TemporaryFile("w+") as file:
        os.dup2(file.fileno(), 2)
        sys._debugmallocstats()
        file.seek(0)
        text = file.read().replace(",", "")
    found = {"arenas": r"# arenas allocated current +=\s+(\d+)", "used": r"# bytes in allocated blocks +=\s+(\d+)",
             "free": r"# bytes in available blocks +=\s+(\d+)", "pools": r"(\d+) unused pools"}
    return {name: int(re.search(pattern, text).group(1)) for name, pattern in found.items()}


def describe():
    stats = is_plain and allocator_stats()  # first: the rest needs memory
    facts = {"threshold": gc.get_threshold(), "stats": gc.get_stats(), "frozen": gc.get_freeze_count(),
             "enabled": gc.isenabled(), "garbage": len(gc.garbage), "tracked": len(gc.get_objects())}
    return {"sites": {id(thing): site_of(thing) for thing in things}, "collector": facts,
            "allocator": stats, "dead": dead, "kept": kept, "lists": [id(each) for each in lists]}


def drop():
    """What is freed last has the best chance to be used by nobody when the process stops."""
    dead.extend(id(thing) for thing in brief)
    kept.extend(id(each) for each in dicts)
    dicts.clear()  # first: instances may have dicts, too
    brief.clear()


is_plain = "plain" in sys.argv
if not is_plain:
    tracemalloc.start(3)
things = [thing for number in range(MANY) for thing in make(number)]
lists = [list(range(length)) for length in range(8, 40)]
dead, kept = [], []
spare = [Thing(number) for number in range(MANY)]
held = [{} for _ in range(MANY)]  # takes what Python kept, so that it has room to keep
brief, dicts = spare[::2], [{} for _ in range(60)]
del spare[::2]
gc.disable()
while gc.get_stats()[2]["collections"] < 1:  # what is counted once is told without a plural
    gc.collect()
gc.freeze()
gc.unfreeze()
gc.garbage.append(Thing(0))
drop()
checkpoint("traced", describe)
