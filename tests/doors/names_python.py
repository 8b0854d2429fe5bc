"""names_python.py - objects of types that C made and that no module has under their names.

    {"types": {NAME of the type: ADDRESS of an object}, "builtin": ADDRESS of len}

Invariant: each object is held by a list.
"""

import functools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint

cached = functools.lru_cache(lambda number: [number])
cached(1000)
kept = [iter("ü"), iter([]), reversed([]), iter(int, 0), iter(b""), iter(bytearray()), iter(range(3)), iter({}.items()), sys.flags, sys.float_info]
checkpoint("made", lambda: {"types": {type(each).__name__: hex(id(each)) for each in kept}, "builtin": hex(id(len))})
