"""interpreters_python.py - three interpreters in one process, each with a cycle that nobody holds.

    {"interpreters": 3, "garbage": {NAME of the interpreter: [ADDRESS, ADDRESS]}, "kept": {NAME: ADDRESS}}

Each also keeps an object, by a variable. Invariant: the collector is off in each.
"""

import importlib
import json
import os
import time

SCRIPT = """
import gc, os
gc.collect()
gc.disable()
class Inner: pass
class Other: pass
class Kept: pass
one, other, kept = Inner(), Other(), Kept()
one.other, other.one = other, one
os.write(%d, b"%%d %%d %%d\\n" %% (id(one), id(other), id(kept)))
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
    made, garbage, kept = [interpreters.create() for _ in range(2)], {}, {}
    for each in [*made, 0]:
        if each:
            run(each, SCRIPT % writer)
        else:
            exec(SCRIPT % writer, globals())  # noqa: S102 (the constant above)
        *garbage[str(int(each))], kept[str(int(each))] = [int(word) for word in os.read(reader, 100).split()]
    line = {"checkpoint": 1, "name": "made", "interpreters": 1 + len(made), "garbage": garbage, "kept": kept}
    os.write(1, json.dumps(line).encode() + b"\n")
    while "REFHEAP_WAIT_AT" in os.environ:  # not by checkpoint.py: a copy of such a process does not live
        time.sleep(1000)
    os._exit(0)


main()
