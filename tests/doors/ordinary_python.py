"""ordinary_python.py - a Python program with nothing wrong in it, which imports as little as can be.

Imports make classes and throw them away (operator's and signal's have the same names in C), and memory leads to these for long,
whose words need not fit together any more. Whatever else is imported may take that memory: so the line of truth is written
without samples/python/checkpoint.py.
"""

import operator
import signal
import time


class Thing:
    def __init__(self, number):
        self.number = number


things = [Thing(number) for number in range(100000)]
used = operator.attrgetter, signal.SIGINT
print('{"checkpoint": 1, "name": "ordinary", "things": %d}' % len(things), flush=True)
time.sleep(3600)
