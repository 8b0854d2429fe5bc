"""mutant_python.py - a small Python program, whose core check_python_mutants.py damages.

    {"held": [ADDRESS…], objects that `held` and their attributes hold for ever, "types": [ADDRESS…], of a few types,
     "containers": [ADDRESS…], what holds them}

Invariant: nothing is leaked.
"""

import collections
import gc
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint  # noqa: E402 (of the folder above)


class Node:
    def __init__(self, number):
        self.number, self.text = number + 1000, "text %d" % number
        self.items = [(number + 0.5, {"key": b"%d" % number})]
        self.queue = collections.deque([self.text, self.items])
        self.itself = self


class Small:
    __slots__ = ("one", "__weakref__")

    def __init__(self, one):
        self.one = one


def described():
    held = [*nodes, *[each.items for each in nodes], *[each.queue for each in nodes], *smalls]
    return {"held": [id(each) for each in held], "types": [id(each) for each in (Node, Small, list, tuple, dict, str, collections.deque, float)],
            "containers": [id(nodes), id(smalls), id(globals()), *[id(each.items) for each in nodes]]}


gc.collect()
gc.disable()
nodes = [Node(number) for number in range(100)]
smalls = [Small(each) for each in nodes]
checkpoint("made", described)
