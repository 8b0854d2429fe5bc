"""interpreters_python.py - three interpreters in one process, each with a cycle that nobody holds.

    {"interpreters": 3, "garbage": {NAME of the interpreter: [ADDRESS, ADDRESS]}, "kept": {NAME: ADDRESS}, "words": {NAME: ADDRESS},
     "line": {NAME: LINE}, "hidden": {NAME: ADDRESS}}

Each also keeps an object, by a variable, and that one a dict, which line LINE of its own code fills. All but the main one import
_datetime, but in 3.12: `hidden` is in an attribute's place, which a descriptor of a class from there hides. Invariant: the
collector is off in each.
"""

import importlib
import json
import os
import time

SCRIPT = """
import gc, os, sys
if %d and sys.version_info[:2] != (3, 12):  # which breaks down then
    import _datetime
gc.collect()
gc.disable()
class Inner: pass
class Other: pass
def keep(method): return lambda self, key: method(self, key)
class Kept:
    def __init__(self): self.words = {}
    @keep
    def put(self, key): self.words[key] = self
def stranger(thing): thing.words[0] = thing
if "_datetime" in globals():
    class Day(_datetime.date): pass
    day = Day(2020, 1, 1)
    day.__dict__["year"] = []
one, other, kept = Inner(), Other(), Kept()
one.other, other.one = other, one
os.write(%d, b"%%d %%d %%d %%d %%d %%d\\n" %% (
    id(one), id(other), id(kept), id(kept.words), stranger.__code__.co_firstlineno - 1,
    id(day.__dict__["year"]) if "day" in globals() else 0))
del one, other
"""


def main():
    try:
        interpreters = importlib.import_module("_interpreters")
        run = interpreters.exec
    except ImportError:  # before 3.13
        interpreters = importlib.import_module("_xxsubinterpreters")
        run = interpreters.run_string
    reader, writer = os.pipe()
    made, garbage, kept, words, line, hidden = [interpreters.create() for _ in range(2)], {}, {}, {}, {}, {}
    for each in [*made, 0]:
        name, script = str(int(each)), "\n" * int(each) + SCRIPT % (each != 0, writer)
        if each:
            run(each, script)
        else:
            exec(script, globals())  # noqa: S102 (the constant above)
        *garbage[name], kept[name], words[name], line[name], hidden[name] = [int(word) for word in os.read(reader, 200).split()]
    document = {"checkpoint": 1, "name": "made", "interpreters": 1 + len(made), "garbage": garbage, "kept": kept, "words": words, "line": line,
                "hidden": {name: address for name, address in hidden.items() if address}}
    os.write(1, json.dumps(document).encode() + b"\n")
    while "REFHEAP_WAIT_AT" in os.environ:  # not by checkpoint.py: a copy of such a process does not live
        time.sleep(1000)
    os._exit(0)


main()
