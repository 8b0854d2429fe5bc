"""moving_python.py - makes and drops objects for ever, with the collector on: to be stopped at any moment.

    {"held": [ADDRESS…], what `held` keeps for ever}

The first time it stops itself (SIGSTOP) inside a collection, so that whoever watches can tell such a moment.
Invariant: what is in `held` is never dropped; nothing else is leaked for longer than until the next collection.
"""

import gc
import os
import random
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint  # noqa: E402 (of the folder above)

class Thing:
    def __init__(self, number):
        self.number, self.itself, self.items = number, self, {number: [str(number)] * 3}


class Finalized(Thing):
    def __del__(self):
        self.items = sorted([3, 2, 1])


def stop_inside():
    gc.callbacks.append(lambda phase, info: os.kill(os.getpid(), signal.SIGSTOP) if phase == "start" else None)
    gc.collect()
    gc.callbacks.clear()


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
    held = [Thing(number) for number in range(1000)]
    addresses = [id(each) for each in held] + [id(each.items) for each in held]
    os.environ.pop("REFHEAP_WAIT_AT", None)  # it does not wait
    checkpoint("begun", lambda: {"held": addresses})
    stop_inside()
    gc.set_threshold(500, 5, 5)
    while True:
        churn(held)


main()
