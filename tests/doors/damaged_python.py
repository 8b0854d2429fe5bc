"""damaged_python.py - a Python program with a few objects for a test to damage, and the line that says where they are."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))
from checkpoint import checkpoint  # noqa: E402

MANY = 600


class Thing:
    pass


def some(make):
    """One of several: the last ones may still be on the stack, where what is in motion is looked for."""
    return [make() for _ in range(20)][7]


def describe():
    return {"modules": id(sys.modules), "victims": {name: id(victim) for name, victim in victims.items()}}


victims = {
    "list": some(lambda: list(range(20))), "other list": some(lambda: list(range(1000))),
    "dict": some(lambda: {"key %d" % number: number for number in range(20)}),
    "numbers": some(lambda: {number: number for number in range(20)}),
    "wiped": some(lambda: {number: -number for number in range(21)}), "set": some(lambda: set(range(20))),
    "other set": some(lambda: set(range(20, 45))), "holder": some(lambda: [Thing()]), "holder of free": some(lambda: [Thing()])}
things = [Thing() for _ in range(MANY)]
chains = [[number] for number in range(MANY)]
victims.update({"previous": things[150], "untracked": things[250], "no type": things[350], "no count": things[450],
                "chained": chains[300], "overrun": chains[400], "things": things})
sparse = [bytes(number % 7 + 300) for number in range(MANY)]
del sparse[::2]
victims["sparse"] = sparse[MANY // 4]
checkpoint("whole", describe)
