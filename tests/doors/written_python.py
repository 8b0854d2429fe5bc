"""written_python.py - a Python program that rests, with a float and a list that a debugger writes over.

    {"float": ADDRESS, "holder": ADDRESS, "list": NAME, "items": [ADDRESS, ADDRESS], "table": ADDRESS}

The holder's attribute `value` is the float; `table` is the memory of the list, whose items are two others.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint  # noqa: E402 (of the folder above)


class Holder:
    pass


TABLE = 24  # in a list: where its items are
holder = Holder()
holder.value, items = float("4.5"), [Holder(), Holder()]


def word(address):
    memory = os.open("/proc/self/mem", os.O_RDONLY)  # the copy that describes reads its own
    return int.from_bytes(os.pread(memory, 8, address), "little")


def describe():
    return {"float": "%#x" % id(holder.value), "holder": "%#x" % id(holder), "list": "list@%#x" % id(items),
            "items": ["%#x" % id(each) for each in items], "table": word(id(items) + TABLE)}


checkpoint("written", describe)
