"""classes_python.py - what nobody holds and the collector sees in part: classes, objects of C; and what gc.collect() makes of them.

    {"garbage": [ADDRESS…], what gc.collect() calls collectable, "collected": what it returned, "died": [ADDRESS…], whose weak
     references were called}

A class does not tell the collector of its tuple of slots, nor of the dict of its subclasses; a thread's local not of what it
calls when a thread ends; a BufferedRWPair, before 3.12, not of its ends; an SSL socket not of its context; a profiler, before
3.13, not of its timer; a StringIO, before 3.12, not of what it has yet to join; a coroutine not of its origin. Some C structs have what they hold
in arrays of their own. A dict that nobody tracks holds links of a cache; weak references that call back are counted, too.
With the argument "bounds" there is what cannot be known from outside: finalizers that free and revive, objects of C whose structs
hold more than is seen, and what is frozen. Invariant: the collector is off.
"""

import cProfile
import functools
import gc
import io
import multiprocessing.sharedctypes
import os
import pickle
import queue
import sqlite3
import ssl
import sys
import threading
import weakref
import xml.etree.ElementTree
import xml.parsers.expat

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from random_python import checkpoint, collected, in_a_copy


def make():
    class Slots:
        __slots__ = ("one", "two")

        def method(self):
            return self.one

    class Below(Slots):
        __slots__ = ("three",)

    class Plain:
        pass

    class Above(Plain):
        pass

    each = Below()
    each.one, each.two, each.three = each, [Plain()], {"above": Above()}


class Raw(io.RawIOBase):
    def readable(self):
        return True

    writable = readable


class Local(threading.local):
    pass


def make_of_c():
    for local in (threading.local(), Local()):
        local.itself = [local]
    ends = Raw(), Raw()
    ends[0].pair = io.BufferedRWPair(*ends)  # held by an end
    text = io.StringIO()
    text.write("begun")
    context, writes = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), io.StringIO().write
    secure = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="host")
    secure.itself, writes.__self__.writes = secure, writes
    timer = functools.lru_cache(lambda: [1])
    timer()  # what it has is not told either
    cycle = [text, cProfile.Profile(timer)]
    cycle += cycle, io.BufferedRWPair(Raw(), Raw())  # held by what is found


class Thing:
    pass


died, weak, revived = [], [], []


def make_thing():
    thing = Thing()
    weak.append(weakref.ref(thing, lambda _, address=id(thing): died.append(address)))
    return thing


def make_in_arrays():
    thing, parser = make_thing(), xml.parsers.expat.ParserCreate()
    thing.parser, parser.StartElementHandler, parser.SkippedEntityHandler = parser, lambda *_: thing, thing.__init__
    parser.Parse("<a><b/>", False)
    names = make_thing()
    names.names = {"name": names}
    names.parser = xml.parsers.expat.ParserCreate(intern=names.names)  # which the collector does not see

    above, below = make_thing(), xml.etree.ElementTree.fromstring("<a><b><c><d/></c></b><e/></a>")
    walk = above.walk = below.iter()
    for _ in range(3):
        inner = next(walk)
    below.remove(below[0])  # the walk's stack alone has it, and what is below
    inner.set("above", above)
    fresh = make_thing()
    fresh.walk = xml.etree.ElementTree.Element("a", fresh=fresh).iter()

    items = make_thing()
    items.queue = queue.SimpleQueue()
    for number in range(30):
        items.queue.put((number, items))
        if number % 3:
            items.queue.get()  # so that the ring of items begins somewhere
    full = make_thing()
    full.queue = queue.SimpleQueue()
    for _ in range(8):
        full.queue.put([full])


ctypes = multiprocessing.sharedctypes.ctypes  # whose objects are asked about


class Pair(ctypes.Structure):
    _fields_ = [("held", ctypes.py_object), ("number", ctypes.c_int)]


async def coroutine():
    pass


known = weakref.WeakSet()
library = ctypes.CDLL(None)


def make_of_ctypes():
    functions = ctypes.CDLL(None)
    functions.puts.argtypes, functions.puts.restype, functions.itself = [ctypes.c_char_p], ctypes.c_int, functions
    pair, array, pointed = Pair(number=1), (ctypes.c_int * 4)(), ctypes.c_int(5)
    pair.held = [pair, array, ctypes.pointer(pointed), ctypes.byref(pointed)]
    back = []
    back.append(ctypes.CFUNCTYPE(None)(lambda: back))
    library.abs  # noqa: B018 (it stays there)


def make_cached():
    @functools.lru_cache(maxsize=3)
    def cached(number):
        return [number]

    for number in range(5):
        cached(number)
    cached.itself = cached
    thing = make_thing()
    thing.lock, thing.itself = multiprocessing.Lock(), thing
    known.add(thing)


def make_begun():
    begun = [coroutine()]
    begun.append(begun)


class Ends:
    def __init__(self, how):
        self.how, self.itself, self.others = how, self, [Thing()]
        self.others.append(self.others)

    def __del__(self):
        if self.how == "revived":
            revived.append(self)
        elif self.how == "frees":
            self.others.clear()


def make_unknown():
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    database.set_trace_callback(lambda _: database)  # which a struct holds
    rows = [database.cursor(), database.execute("SELECT 1 AS a").fetchone()]
    rows.append(rows)
    pickler, pickled = pickle.Pickler(io.BytesIO()), [[1], [2]]
    pickler.dump(pickled)
    pickled.append(pickler)
    for how in ("revived", "frees", ""):
        Ends(how)
    thing = Thing()
    thing.attributes = thing.__dict__  # of which 3.13.0 does not tell


def find_out():
    return {**collected(), "died": died}


def make_frozen():
    for _ in range(2000):
        frozen = Thing()
        frozen.itself = frozen
    gc.freeze()


def make_all(is_bounds):
    if is_bounds:
        make_frozen()
    for _ in range(20):
        if is_bounds:
            make_unknown()
        else:
            make()
            make_of_c()
            make_in_arrays()
            make_of_ctypes()
            make_cached()
    if not is_bounds:
        sys.set_coroutine_origin_tracking_depth(2)
        make_begun()
        sys.set_coroutine_origin_tracking_depth(0)


def main():
    gc.collect()
    gc.disable()
    make_all(sys.argv[1:] == ["bounds"])
    found = in_a_copy(find_out)
    checkpoint("made", lambda: eval(found, {}))  # noqa: S307 (lists of numbers)
    os._exit(0)


main()
