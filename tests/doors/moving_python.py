"""moving_python.py - makes and drops objects for ever, with the collector on: to be stopped at any moment.

    {"collecting": ADDRESS of the interpreter's own word that says so, "held": [ADDRESS…], what `held` keeps for ever}

The address is found by offsets, and then tried: in callbacks of the collector the word is 1, else 0.
Invariant: what is in `held` is never dropped; nothing else is leaked for longer than until the next collection.
"""

import gc
import importlib
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint, expect  # noqa: E402 (of the folder above)

# Of the runtime, or of its first interpreter: where the collector's state begins.
HEAD, IN_INTERPRETER, COLLECTING = {9: 32, 10: 32, 11: 40, 12: 40, 13: 632}, {9: 616, 10: 616, 11: 648, 12: 112, 13: 7400}, 200


class Thing:
    def __init__(self, number):
        self.number, self.itself, self.items = number, self, {number: [str(number)] * 3}


class Finalized(Thing):
    def __del__(self):
        self.items = sorted([3, 2, 1])


def address_of_collecting():
    ctypes = importlib.import_module("ctypes")
    minor = sys.version_info[1]
    runtime = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    interpreter = ctypes.c_uint64.from_address(runtime + HEAD[minor]).value
    address = interpreter + IN_INTERPRETER[minor] + COLLECTING
    seen = []
    gc.callbacks.append(lambda phase, info: seen.append(ctypes.c_int.from_address(address).value))
    gc.collect()
    gc.callbacks.clear()
    expect(seen == [1, 1] and ctypes.c_int.from_address(address).value == 0)
    return address


def churn(held):
    """One round of work: cycles, long chains that die at once, tables that grow and shrink."""
    things = [(Finalized if number % 5 == 0 else Thing)(number) for number in range(random.randrange(300))]
    chain = None
    for number in range(random.randrange(2000)):
        chain = [chain, number]
    del chain
    table = {"key %d" % number: each for number, each in enumerate(things)}
    for key in list(table)[::2]:
        del table[key]
    things[0:0] = [object() for _ in range(10)]
    del things[3:7]
    if random.random() < 0.1:
        gc.collect()
    return len(held) + len(table)


def main():
    address = address_of_collecting()
    held = [Thing(number) for number in range(1000)]
    addresses = [id(each) for each in held] + [id(each.items) for each in held]
    checkpoint("begun", lambda: {"collecting": address, "held": addresses})
    gc.set_threshold(500, 5, 5)
    while True:
        churn(held)


main()
