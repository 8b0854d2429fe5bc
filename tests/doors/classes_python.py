"""classes_python.py - classes that nobody holds, with slots, subclasses and objects; and what gc.collect() makes of them.

    {"garbage": [ADDRESS…], what gc.collect() calls collectable, "collected": what it returned}

A class does not tell the collector of its tuple of slots, nor of the dict of its subclasses. Invariant: the collector is off.
"""

import gc
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from random_python import checkpoint, collected, in_a_copy


def make():
    class Slots:
        __slots__ = ("one", "two")

        def method(self):
            return self.one

    class Below(Slots):
        __slots__ = ("three",)

    class Plain:
        pass

    class Above(Plain):
        pass

    each = Below()
    each.one, each.two, each.three = each, [Plain()], {"above": Above()}


def main():
    gc.collect()
    gc.disable()
    for _ in range(20):
        make()
    found = in_a_copy(collected)
    checkpoint("made", lambda: eval(found, {}))  # noqa: S307 (two lists of numbers)
    os._exit(0)


main()
