"""changing_python.py - a Python program whose objects change between moments, and who says which there are.

At each moment it writes {"checkpoint": n, "live": {"Thing": [addresses…], …}, "lines": {"Thing": line…}} and goes on when it reads
a line. At the end it forks, and the child says the same of itself. Each line has "pid". Invariant: what is said comes from id() and from the program's own list; no object of these classes lives outside of it.
"""

import gc
import json
import os
import random
import sys

KINDS = 3


class Thing:
    def __init__(self, number):
        self.number = number


class Slim:
    __slots__ = ("number", "next")


class Pair(tuple):
    __slots__ = ()


def make(kind):
    if kind == 0:
        return Thing(1)
    if kind == 1:
        return Slim()
    return Pair((1, 2))


def lines():
    """Where make() makes each of them."""
    with open(__file__, encoding="utf-8") as file:
        text = file.read().splitlines()
    return {name: next(number for number, line in enumerate(text, 1) if "return %s(" % name in line) for name in ("Thing", "Slim", "Pair")}


def tell(moment, things):
    live = {"Thing": [], "Slim": [], "Pair": []}
    for thing in things:
        live[type(thing).__name__].append(id(thing))
    os.write(1, (json.dumps({"checkpoint": moment, "live": live, "lines": lines(), "pid": os.getpid()}) + "\n").encode())
    if not os.read(0, 1):
        sys.exit(0)


def main(seed, objects, moments):
    chosen, things = random.Random(seed), []
    gc.disable()
    for moment in range(1, moments + 1):
        for _ in range(chosen.randrange(objects) + 1):
            things.append(make(chosen.randrange(KINDS)))
        for _ in range(chosen.randrange(len(things)) if moment > 1 else 0):
            things.pop(chosen.randrange(len(things)))
        if moment == 2:
            gc.collect()
        tell(moment, things)
    if os.fork() == 0:
        tell(moments + 1, things)
    else:
        os.wait()


main(*map(int, sys.argv[1:]))
