"""moving_python.py - makes and drops objects for ever, with the collector on: to be stopped at any moment.

    moving_python.py [OBJECTS|THREADS]: in one thread, cycles and long chains; or in several, memory of every size
    {"held": [ADDRESS…], what `held` keeps for ever}

The first time it stops itself (SIGSTOP) inside a collection, so that whoever watches can tell such a moment.
Invariant: what is in `held` is never dropped; nothing else is leaked for longer than until the next collection.
"""

import collections
import gc
import os
import random
import signal
import sys
import threading
import weakref

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint  # noqa: E402 (of the folder above)

THREADS, DEPTH_MAX = 3, 3000


class Thing:
    def __init__(self, number):
        self.number, self.itself, self.items = number, self, {number: [str(number)] * 3}


class Finalized(Thing):
    def __del__(self):
        self.items = sorted([3, 2, 1])


class Slotted:
    __slots__ = ("inner", "other", "__weakref__")

    def __init__(self, inner):
        self.inner, self.other = inner, (inner, inner)


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


# ---- memory of every size, and all kinds of tables -------------------------------------------------------------------


def sizes(held):
    """Blocks of each class of obmalloc, and of malloc."""
    kept = [bytes(random.randrange(1200)) for _ in range(300)] + ["x" * random.randrange(5000) for _ in range(50)]
    grown, text = bytearray(), ""
    for number in range(200):
        grown += b"%d" % number
        text += str(number)
    del kept[random.randrange(len(kept)):]
    return len(kept) + len(held) + (3 ** random.randrange(2000)) % 7


def lists(held):
    some = [*held[:50], *(object() for _ in range(random.randrange(100)))]
    random.shuffle(some)
    for _ in range(50):
        some.insert(random.randrange(len(some)), [])
        some.append(some.pop(random.randrange(len(some))))
    some.sort(key=id)
    some[10:20], some[5:5] = [], tuple(some[:7])
    some.reverse()
    some.extend(each for each in held[:20])
    some += some
    return some.count(held[0]) + len(some * 2)


def tables(held):
    table, some, ordered = {}, set(), collections.OrderedDict()
    for number in range(random.randrange(400)):
        table[number, str(number)] = ordered[number] = held[number]
        some.add(str(number))
    for key in list(table)[::3]:
        del table[key]
    while len(some) > 10:
        some.discard(some.pop())
    while len(ordered) > 10:
        ordered.popitem(last=False)
    some |= {frozenset({each}) for each in some}
    other = {**table, "more": table.copy()}
    table.clear()
    return len(other)


def deep(held):
    """What dies with the last of its references, level by level."""
    inner = held[0]
    for level in range(random.randrange(DEPTH_MAX)):
        inner = ((inner,), [inner], {"inner": inner}, Slotted(inner), collections.deque([inner]))[level % 5]
    return inner is None


def numbers(limit):
    for number in range(limit):
        yield [number, (number, str(number))]


async def asleep(limit):
    return [each async for each in also_asleep(limit)]


async def also_asleep(limit):
    for each in numbers(limit):
        yield each


def generators(held):
    some = [numbers(random.randrange(1, 20)) for _ in range(50)]
    for each in some:
        next(each)
    cycle = [each for each in some if next(each, None)]
    cycle.append(cycle)
    try:
        asleep(random.randrange(20)).send(None)
    except StopIteration as stopped:
        held = [*stopped.value, held]
    for each in some[::2]:
        each.close()
    return len(held)


def classes(held):
    made = type("Made", (Thing,), {"__slots__": ("more",), "method": lambda self: self.more})
    some = [made(number) for number in range(20)]
    alive = weakref.WeakValueDictionary(enumerate(Slotted(each) for each in some))
    for each in some:
        each.more, each.late = held, weakref.ref(each, lambda _: None)
    try:
        some[0].missing  # noqa: B018 (it raises)
    except AttributeError as error:
        held = [error, held]
    return len(alive) + len(held)


def work(held):
    kinds = (sizes, lists, tables, deep, generators, classes, churn)
    while True:
        random.choice(kinds)(held)


def main():
    held = [Thing(number) for number in range(1000)]
    addresses = [id(each) for each in held] + [id(each.items) for each in held]
    os.environ.pop("REFHEAP_WAIT_AT", None)  # it does not wait
    checkpoint("begun", lambda: {"held": addresses})
    stop_inside()
    if sys.argv[1:] == ["THREADS"]:
        gc.set_threshold(3000, 10, 10)
        sys.setswitchinterval(0.0005)
        for _ in range(THREADS):
            threading.Thread(target=work, args=(held,), daemon=True).start()
        work(held)
    gc.set_threshold(500, 5, 5)
    while True:
        churn(held)


main()
