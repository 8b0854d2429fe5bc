"""python_heap.py - a heap of N Python objects that the engine is asked about; run by the Python that is measured.

    python_heap.py core|wait|own SIZE

Six objects make a unit: a Node with attributes, and a str, an int, a list, a tuple and a dict that only it holds.
The Node's `peer` and the items of list, tuple and dict are Nodes at random, so each is held from anywhere, and all
by the list `nodes`. 1 % of the units are garbage: pairs that hold each other alone, made while collection is off.

`core` says what it built and aborts, `wait` says it and waits until its parent is gone, `own` asks the process
itself what the engine is asked from outside: gc.collect() and gc.get_referrers().

Invariant: what it says comes from Python itself (sys.getrefcount, id), and no local variable holds a Node then.
"""

import gc
import json
import os
import random
import resource
import sys
import time

UNIT = 6        # objects
GARBAGE = 200   # every so many units there is one pair
ROUNDS = 3
FEW = 12        # references to the objects that are asked about: all of them are rows of the answer

nodes = []


class Node:
    def __init__(self, number):
        self.number = 1_000_000 + number
        self.name = f"node {number}"
        self.peer = self.items = self.pair = self.table = None

    def hold(self, peer, in_list, in_tuple, in_dict):
        self.peer = peer
        self.items = [in_list]
        self.pair = (in_tuple, None)
        self.table = {"node": in_dict}


def build(size):
    """Returns the number of garbage pairs, and of the objects that are garbage."""
    gc.disable()
    units = size // UNIT
    pairs = units // GARBAGE
    held = units - 2 * pairs
    nodes.extend(map(Node, range(held)))
    pick = random.Random(1).random
    for node in nodes:
        node.hold(nodes[int(pick() * held)], nodes[int(pick() * held)], nodes[int(pick() * held)],
                  nodes[int(pick() * held)])
    garbage = 0
    for number in range(held, held + 2 * pairs, 2):
        one, two = Node(number), Node(number + 1)
        one.hold(two, two, two, two)
        two.hold(one, one, one, one)
        garbage += 2 * UNIT + has_dict(one) + has_dict(two)
    return pairs, garbage


def has_dict(node):
    """Whether its attributes are in a dict of their own (always before 3.11)."""
    return any(type(held) is dict and "table" in held for held in gc.get_referents(node))


def references(index):
    """The count of a Node without that of this question."""
    return sys.getrefcount(nodes[index]) - 1


def truth(pairs, garbage):
    some = (index for index in range(len(nodes) // 2, len(nodes)) if references(index) <= FEW)
    live, other = next(some), next(some)
    count = len(nodes) + 2 * pairs
    return {"objects": UNIT * count, "nodes": count, "edges": len(nodes) + 9 * count, "leaked": garbage,
            "live": hex(id(nodes[live])), "live_references": references(live),
            "other": hex(id(nodes[other])), "other_references": references(other),
            "live_index": live, "python": sys.version.split()[0]}


def timed(question):
    begin = time.perf_counter()
    answer = question()
    return time.perf_counter() - begin, answer


def own_answers(live):
    """Seconds of the process's own questions, and what they found."""
    holders = [timed(lambda: len(gc.get_referrers(nodes[live]))) for _ in range(ROUNDS)]
    collected = [timed(gc.collect) for _ in range(1 + ROUNDS)]
    return {"get_referrers": [seconds for seconds, _ in holders], "referrers": holders[0][1],
            "collect_first": collected[0][0], "collected": collected[0][1],
            "collect_again": [seconds for seconds, _ in collected[1:]], "again": max(found for _, found in collected[1:])}


def main(mode, size):
    parent = os.getppid()
    said = truth(*build(size))
    if mode == "own":
        said["own"] = own_answers(said["live_index"])
    print(json.dumps(said), flush=True)
    if mode == "core":
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        os.abort()
    while mode == "wait" and os.getppid() == parent:
        time.sleep(0.2)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("core", "wait", "own") or not sys.argv[2].isdigit():
        sys.exit("usage: python_heap.py core|wait|own SIZE")
    main(sys.argv[1], int(sys.argv[2]))
