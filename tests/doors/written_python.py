"""written_python.py - a Python program that rests, with a float that a debugger writes over.

    {"float": ADDRESS, "holder": ADDRESS}, the holder's attribute `value` is the float
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint  # noqa: E402 (of the folder above)


class Holder:
    pass


holder = Holder()
holder.value = float("4.5")
checkpoint("written", lambda: {"float": "%#x" % id(holder.value), "holder": "%#x" % id(holder)})
