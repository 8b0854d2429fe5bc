"""texts_python.py - texts and names that a file for other tools must carry: equal ones, long ones that begin alike, names
that are no harmless ones anywhere.

    {"text": a text, "equal": how many objects hold it, "beginning": how long texts begin, "long": how many do, "keys": how many odd keys}

Invariant: each is an object of its own, held by `kept`; the constants are two more.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint

EQUAL, COPIES, BEGINNING = "planted, and planted again", 7, "the same beginning of a text that is too long to be shown as a whole: "
KEYS = ["</script><script>alert(1)</script>", "\"double\" and 'single'", "back\\slash", "line\nfeed\x00\x1b[31m\x7f", "\u202eturned\u2066 round", "語 ü 🦆",
        "\ud800 alone"]


class Keeper:
    def __init__(self):
        self.equal = ["".join(list(EQUAL)) for _ in range(COPIES)]
        self.long = [BEGINNING + "%d" % number for number in range(COPIES)]
        self.by_key = {key: object() for key in KEYS}


kept = Keeper()
checkpoint("made", lambda: {"text": EQUAL, "equal": COPIES + 1, "beginning": BEGINNING, "long": COPIES + 1, "keys": len(KEYS)})
