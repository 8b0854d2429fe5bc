"""interpreters_python.py - three interpreters in one process, each with a cycle that nobody holds.

    {"interpreters": 3, "garbage": {NAME of the interpreter: [ADDRESS, ADDRESS]}}

Invariant: the collector is off in each.
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
one, other = Inner(), Other()
one.other, other.one = other, one
os.write(%d, b"%%d %%d\\n" %% (id(one), id(other)))
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
    made, garbage = [interpreters.create() for _ in range(2)], {}
    for each in made:
        run(each, SCRIPT % writer)
        garbage[str(int(each))] = [int(word) for word in os.read(reader, 100).split()]
    exec(SCRIPT % writer, globals())  # noqa: S102 (the constant above)
    garbage["0"] = [int(word) for word in os.read(reader, 100).split()]
    line = {"checkpoint": 1, "name": "made", "interpreters": 1 + len(made), "garbage": garbage}
    os.write(1, json.dumps(line).encode() + b"\n")
    while "REFHEAP_WAIT_AT" in os.environ:  # not by checkpoint.py: a copy of such a process does not live
        time.sleep(1000)
    os._exit(0)


main()
