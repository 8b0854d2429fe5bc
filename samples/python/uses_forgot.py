"""uses_forgot.py right|lost|wrong - uses the extension forgot.c, in the right way or in the wrong ones.

    lost    3 counts of `box.items` are lost; a list with its 5 dicts is lost; `victim` has 2 counts less than names that
            hold it
    wrong   the same, and `ghost` is freed while a name still leads to it
    right   nothing of this

PYTHONPATH must lead to the built extension. Invariant: the list's 5 dicts are held by it alone; nothing else of this
program is wrong.
"""

import gc
import os
import sys

import forgot
from checkpoint import checkpoint, expect, tell_what_never_came


class Box:
    def __init__(self):
        self.items = [1, 2, 3]


class Victim:
    pass


class Ghost:
    pass


def name_of(value):
    return "%s@0x%x" % (type(value).__name__, id(value))


def make_mistakes():
    for _ in range(3):
        forgot.forgotten_length(box)
    forgot.lost_list(5)
    forgot.released(victim)
    forgot.released(victim)


def truth():
    """gc knows the lost list, too: that one whose items are five dicts that nobody has seen."""
    lost = [each for each in gc.get_objects() if type(each) is list and len(each) == 5 and
            all(type(item) is dict and item == {"number": 5} for item in each)]
    return {"lost_counts": {name_of(box.items): sys.getrefcount(box.items) - 2},
            "lost_lists": {name_of(each): [name_of(item) for item in each] for each in lost},
            "over_released": {name_of(victim): {"fields": 1 + len(holders), "stored": sys.getrefcount(victim) - 1}},
            "dangling": {"address": hex(id(ghost)), "name": "ghost", "was": "Ghost"} if has_ghost else None}


is_wrong, has_ghost = sys.argv[1:] != ["right"], sys.argv[1:] == ["wrong"]
box, victim, ghost = Box(), Victim(), Ghost()
holders = [victim, victim, victim]
if is_wrong:
    make_mistakes()
else:
    expect(forgot.length(box) == 3)
gc.collect()
gc.disable()
checkpoint("used", truth, last=(lambda: forgot.released(ghost)) if has_ghost else int)
tell_what_never_came()
os._exit(0)  # what was released too often must not be released once more
