"""states_python.py - threads that are in the midst of all that C code does for Python, each in another state.

    {"states": [NAME…], "garbage": [ADDRESS…], what gc calls collectable: one cycle that nobody holds, "collected": how many that were,
     "lost": {ADDRESS: NAME}, what this Python itself has lost a count of, "short": arrays and the like}

Each function below calls `here` where C code has called back: while a sequence is unpacked, a dict looked into, something
pickled, traced, formatted, closed. What it has made until then C holds, in its own variables, or half done.
Invariant: nothing is leaked but that one cycle; the threads wait for ever.
"""

import array
import asyncio
import contextlib
import contextvars
import functools
import gc
import io
import itertools
import json
import os
import pickle
import re
import select
import sqlite3
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from random_python import checkpoint, collected, in_a_copy  # noqa: E402 (of this folder)


class Thing:
    def __init__(self, *held):
        self.held = held


ready, never = threading.Semaphore(0), threading.Event()


def here(*_):
    ready.release()
    never.wait()
    return 0


class Waits:
    """Whatever it is asked for, it waits."""

    __eq__ = __format__ = __radd__ = __getattr__ = __exit__ = __reduce__ = here
    __hash__ = None

    def __enter__(self):
        return Thing(self)


class WaitsAtItsEnd:
    def __del__(self):
        here(Thing(self))


class Third:
    """An iterator whose third value never comes."""

    left = 2

    def __iter__(self):
        return self

    def __next__(self):
        self.left -= 1
        return Thing(self) if self.left >= 0 else here()


class Endless:
    def __iter__(self):
        return self

    def __next__(self):
        return 1


class EndlessAndWaits(Endless, WaitsAtItsEnd):
    """And waits where it ends after all."""


class Equal:
    armed = False

    def __hash__(self):
        return 5

    def __eq__(self, other):
        return self.armed and bool(here())


class Encoder(json.JSONEncoder):
    default = here


class Meta(type):
    def __call__(cls, *some, **named):
        return super().__call__(*some, **named)


class Made(dict, metaclass=Meta):
    def __init__(self, *_, **__):
        here(Thing())


def unpacks_to_names():
    one, two, three = Third()
    return one, two, three


def unpacks_with_star():
    one, *two, three = Third()
    return one, two, three


def unpacks_to_call():
    return Thing(Thing(), *Third(), Thing())


def sorts():
    return sorted([Thing(), Thing()], key=lambda each: here(each))


def maps():
    return list(map(lambda each, other=Thing(): here(), filter(None, [Thing()])))


def looks_into_dict():
    table = {Equal(): Thing(number) for number in range(5)}
    Equal.armed = True
    table[Equal()] = Thing()


def compares():
    return [Thing()] == [Waits()], Waits() == [Thing()]


def formats():
    return f"{Thing()!r:>20} {Waits():>{5}} {Thing()}"


def adds():
    return Thing(), [1 + Waits()]


def finds_attribute():
    return [Thing(), Waits().missing]


def leaves_with():
    with contextlib.ExitStack() as stack, Waits() as thing:
        stack.callback(Thing().held)
        raise KeyError(thing)


def dies():
    dying = WaitsAtItsEnd()
    dying.held = Thing()
    del dying


def is_made():
    return Made([(1, Thing())], key=Thing())


def makes_class():
    class Inner:
        thing = Thing()
        here(thing)
    return Inner


def comprehends():
    return {key: [each for each in (Thing(), here())] for key in (1, 2) for _ in (Thing(),)}


def raises():
    try:
        try:
            raise ValueError(Thing())
        except ValueError as error:
            raise TypeError(Thing()) from error
    except TypeError:
        here(Thing())


def generates():
    def generated(thing):
        try:
            yield from (Thing(each) for each in itertools.chain([thing], [Thing()]))
            raise KeyError(thing)
        except KeyError:
            yield here()
    return list(generated(Thing()))


def goes_deep(depth=200, *more, **named):
    return goes_deep(depth - 1, Thing(), *more[:3], **{**named, "a%d" % (depth % 5): [depth]}) if depth else here()


def pickles():
    return pickle.dumps([Thing(), [Thing(), {"key": [1, 2, Waits()]}]])


def encodes():
    return json.dumps([{"key": Thing()}], cls=Encoder)


def substitutes():
    return re.sub("(a)(b)?", lambda match, thing=Thing(): here(), "a" * 30)


def selects():
    database = sqlite3.connect(":memory:")
    database.create_function("here", 1, here)
    return database.execute("select here(?)", (b"abc",)).fetchall()


def caches():
    return functools.lru_cache(lambda thing: here())(Thing())


def writes():
    class Raw(io.RawIOBase):
        writable = staticmethod(lambda: True)
        write = here
    return print([Thing(), Waits.__name__], file=io.TextIOWrapper(io.BufferedWriter(Raw())), flush=True)


def runs_in_context():
    variable = contextvars.ContextVar("variable", default=Thing())
    return contextvars.copy_context().run(lambda: (variable.set(Thing()), here()))


def traces():
    def trace(_, event, __):
        own = Thing(event)
        return here(own) if event == "line" else trace
    sys.settrace(trace)
    Thing(Thing())


def profiles():
    sys.setprofile(lambda _, event, __: here(Thing()) if event == "c_call" else None)
    len([Thing()])


def awaits():
    async def inner(thing, queue):
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(thing.held)
            async for _ in things():
                await queue.get()

    async def things():
        while True:
            yield Thing()
            await asyncio.sleep(0)

    async def main():
        queue = asyncio.Queue()
        tasks = [asyncio.ensure_future(inner(Thing(), queue)) for _ in range(5)]
        tasks.append(asyncio.get_running_loop().run_in_executor(None, lambda thing=Thing(): never.wait()))
        await asyncio.sleep(0.01)
        here(tasks)
    asyncio.run(main())


def unwinds():
    """The exception has freed what lies above the first loop's iterator, on the stack of values."""
    for _ in EndlessAndWaits():
        for _ in Endless():
            for _ in Endless():
                for _ in Endless():
                    for _ in Endless():
                        for _ in Endless():
                            for _ in Endless():
                                raise KeyError(Thing().missing)


def generator(*before):
    first, waits, last = Thing(before), WaitsAtItsEnd(), Thing()
    for _ in Endless():
        yield first
        if not before:
            return first, waits, last


def ends_a_generator():
    """What its frame still holds, that says already that it was cleared."""
    return list(generator())


def closes_a_generator():
    begun = generator(1)
    next(begun)
    begun.close()


def frees_a_generator():
    next(generator(1))


def short_contents():
    """Where numbers were freed, arrays and texts whose contents fill less of their memory than the count of an object did."""
    numbers = [number + 0.5 for number in range(3000)] + list(range(10_000, 13_000))
    made = [None] * 1500
    del numbers[::2]
    for number in range(0, len(made), 3):
        made[number] = array.array("q")
        made[number].append(5)
        made[number + 1] = bytearray(b"\x03" + bytes(7))
        made[number + 1].append(0)
        made[number + 2] = io.StringIO("ab\0")
        made[number + 2].seek(3)
    return made


STATES = [each for name, each in list(globals().items()) if callable(each) and getattr(each, "__module__", "") == __name__ and
          not isinstance(each, type) and name not in ("here", "generator", "short_contents")]


def main():
    short = short_contents()
    gc.collect()
    gc.disable()
    for each in STATES:
        threading.Thread(target=each, name=each.__name__, daemon=True).start()
        if not ready.acquire(timeout=30):
            raise SystemExit("%s is not where it should be" % each.__name__)
    thing = Thing()
    thing.held = thing
    del thing
    garbage = in_a_copy(collected)
    lost = {id(type(select.poll())): "select.poll"} if sys.version_info < (3, 10) else {}  # as it imports the module
    checkpoint("all there", lambda: {"states": [each.__name__ for each in STATES], "lost": lost, "short": len(short), **eval(garbage, {})})  # noqa: S307 (a list of numbers)


main()
