"""paths_python.py - objects that a Python program reaches by all kinds of ways; it evaluates what it is given.

Writes {"markers": {ADDRESS: the expression that leads there, "" where it may be any}, "unreachable": [ADDRESS, to which no
name leads]}, then reads expressions, one a line, and writes the address of what each gives, or the error.
Invariant: each Marker is held by one slot, the one that its expression names; nothing that evaluates makes another holder.
"""

import _csv
import asyncio
import atexit
import builtins
import collections
import contextvars
import functools
import gc
import itertools
import json
import sys
import threading
import types
import weakref

told = {}


class Marker:
    __slots__ = ("__weakref__",)

    def __init__(self, expression=""):
        told[id(self)] = expression


def in_module(rest):
    return Marker("sys.modules['__main__']" + rest)


class Session:
    in_class = in_module(".Session.in_class")
    of_many = {"deep": [(0, in_module(".Session.of_many['deep'][0][1]"))]}

    def __init__(self):
        self.attribute = in_module(".session.attribute")
        self.items = [in_module(".session.items[0]"), None, in_module(".session.items[2]")]

    @property
    def shadowed(self):
        return None

    @staticmethod
    def static(default=Marker()):
        return default

    def method(self, default=in_module(".Session.method.__defaults__[0]")):
        return default


class Slotted:
    __slots__ = ("first", "_Slotted__hidden")

    def __init__(self):
        self.first = in_module(".slotted.first")
        self.__hidden = in_module(".slotted._Slotted__hidden")


class Watcher:
    def __init__(self):
        self.kept = in_module(".reference.__callback__.kept")

    def __call__(self, dead):
        return self


class Counted(dict):
    """A dict with attributes."""


class Silent:
    """Tells no one what it holds; nor do the next two."""

    def __getattribute__(self, name):
        return None


class SilentDict(dict):
    def __getitem__(self, key):
        return None


class SilentList(list):
    def __getitem__(self, index):
        return None


class Pair(tuple):
    """A tuple with attributes."""


plain = in_module(".plain")
globals()["not an identifier"] = in_module(".__dict__['not an identifier']")
session = Session()
session.__dict__["shadowed"] = in_module(".session.__dict__['shadowed']")
slotted = Slotted()
cache = {"user": in_module(".cache['user']"), 5: in_module(".cache[5]"), -7: in_module(".cache[-7]"),
         b"\x00k": in_module(".cache[b'\\x00k']"), "it's \n": in_module(".cache[\"it's \\n\"]"), None: in_module(".cache[None]"),
         (1, 2): Marker(), "long" * 100: Marker(), Marker(): 1, True: in_module(".cache[True]"), 1 << 70: Marker(), 2.5: in_module(".cache[2.5]")}
counted = Counted(key=in_module(".counted['key']"))
counted.attribute = in_module(".counted.attribute")
pair = Pair([in_module(".pair[0]")])
pair.attribute = in_module(".pair.attribute")
setattr(counted, "class", in_module(".counted.__dict__['class']"))
silent, silent_dict, silent_list = Silent(), SilentDict(key=Marker()), SilentList([Marker()])
silent.attribute = Marker()
builtins.marker_of_builtins = Marker("__import__('builtins').__dict__['marker_of_builtins']")
told[id(gc.get_referents(Session.__dict__)[0])] = "__import__('gc').get_referents(sys.modules['__main__'].Session.__dict__)[0]"
some = {Marker(), Marker()}
frozen = frozenset([Marker()])
ordered = collections.OrderedDict(key=in_module(".ordered['key']"))
queue = collections.deque([0, in_module(".queue[1]")])
at_exit = [in_module(".at_exit[0]")]
atexit.register(len, at_exit)  # is nearer to the object, and has no name
_csv._dialects["kept"] = Marker("sys.modules['_csv']._dialects['kept']")  # the module's C code has that dict, too, by a nearer way
error = ValueError(in_module(".error.args[0]"))
error.attribute = in_module(".error.attribute")
watched = Counted()
reference = weakref.ref(watched, Watcher())


def failing():
    kept = in_module(".failed.__traceback__.tb_next.tb_frame.f_locals['kept']")
    raise RuntimeError(kept is None)


def enclosing():
    captured = in_module(".closed.__closure__[0].cell_contents")
    return lambda: captured


def function(*, keyword=in_module(".function.__kwdefaults__['keyword']")):
    return keyword


def annotated(argument: (annotation := Marker())):
    return argument


def generator():
    kept = in_module(".generator_.gi_frame.f_locals['kept']")
    yield 1
    del kept


def generator_of_cell():
    captured = in_module(".generator_of_cell_.gi_frame.f_locals['captured']")
    yield 1
    return lambda: captured


@functools.lru_cache(maxsize=None)
def remembered(_):
    return Marker()


async def coroutine():
    kept = in_module(".coroutine_.cr_frame.f_locals['kept']")
    await asyncio.sleep(0)
    del kept


class Chore(asyncio.Task):
    """A task that has attributes, and one of another's name."""

    _result = None


async def working():
    kept = Marker()
    await deeper()
    del kept


async def deeper():
    below = Marker("sys.modules['__main__'].task._coro.cr_await.cr_frame.f_locals['below']") if len(awaited) == 0 else Marker()
    awaited.append(id(below))
    for each in [[1]]:
        async with asyncio.Lock():
            await asyncio.sleep(1000, each)
    del below


awaited = []


async def begin_tasks():
    loop = asyncio.get_running_loop()
    loop.set_debug(False)
    names = globals()
    for name in ("done", "failed", "waited", "cancelled"):
        names["future_" + name] = loop.create_future()
    future_done.set_result(in_module(".future_done._result"))
    future_failed.set_exception(ValueError(in_module(".future_failed._exception.args[0]")))
    future_failed.exception()
    future_waited.add_done_callback(functools.partial(len, Marker()))
    future_waited.add_done_callback(functools.partial(len, Marker()))
    future_cancelled.cancel(in_module(".future_cancelled._cancel_message"))
    names["task"] = asyncio.create_task(working())
    task.set_name("a name, %d" % id(task))
    told[id(task.get_name())] = "sys.modules['__main__'].task.get_name()"
    names["chore"] = Chore(working(), loop=loop)
    chore.kept = in_module(".chore.kept")
    await asyncio.sleep(0)
    told[id(task._coro)] = "sys.modules['__main__'].task._coro"
    told[id(task._coro.cr_frame.f_locals["kept"])] = "sys.modules['__main__'].task._coro.cr_frame.f_locals['kept']"
    told[id(task._fut_waiter)] = "sys.modules['__main__'].task._fut_waiter"
    told[id(chore._coro.cr_frame.f_locals["kept"])] = "sys.modules['__main__'].chore._coro.cr_frame.f_locals['kept']"
    names["chore_done"] = Chore(finished(), loop=loop)
    await chore_done


async def finished():
    return Marker()  # Chore says something else of its result


async def asynchronous():
    kept = in_module(".asynchronous_.ag_frame.f_locals['kept']")
    yield 1
    del kept


of_argument = id(annotation)
del annotation
closed = enclosing()
remembered(1)
function.attribute = in_module(".function.attribute")
generator_, coroutine_, asynchronous_ = generator(), coroutine(), asynchronous()
next(generator_)
generator_of_cell_ = generator_of_cell()
next(generator_of_cell_)
loop = asyncio.new_event_loop()
loop.run_until_complete(begin_tasks())
coroutine_.send(None)
try:
    asynchronous_.__anext__().send(None)
except StopIteration:
    pass
try:
    failing()
except RuntimeError as failure_:
    failed = failure_
partial = functools.partial(int, Marker())
variable = contextvars.ContextVar(
    "variable", default=Marker("__import__('contextvars').Context().run(sys.modules['__main__'].variable.get)"))
proxy = types.MappingProxyType({"key": Marker()})
iterators = [iter([Marker()]), iter({"key": Marker()}.values()), enumerate([Marker()]), zip([Marker()]), map(id, [Marker()]),
             reversed([Marker()]), itertools.chain([Marker()]), itertools.cycle([Marker()]), itertools.repeat(Marker()), {"key": Marker()}.items(),
             filter(None, [Marker()]), property(Marker()), classmethod(Marker()), iter((Marker(),)), itertools.islice([Marker()], 3)]
unreachable = []
if sys.version_info < (3, 11):  # what a frame object has on its stack
    unreachable.extend(awaited)
if sys.version_info >= (3, 10):  # what a tuple of annotations has, which becomes a dict when asked for
    unreachable.append(of_argument)


def inner(first, ready, stop):
    second = Marker("sys._current_frames()[%d].f_back.f_locals['second']" % threading.get_ident())
    third = Marker("sys._current_frames()[%d].f_back.f_locals['third']" % threading.get_ident())
    a_name_that_has_more_characters_than_most_have = Marker()
    if sys.version_info >= (3, 11):  # it is cut there
        unreachable.append(id(a_name_that_has_more_characters_than_most_have))
    fourth = Marker("sys._current_frames()[%d].f_back.f_locals['fourth']" % threading.get_ident())
    closure = types.CellType(fourth)  # a local that is a cell is none of a captured variable
    ready.release()
    with stop:
        return first, second, a_name_that_has_more_characters_than_most_have, fourth, closure, lambda: third


def outer(ready, stop):
    middle = {"key": [Marker("sys._current_frames()[%d].f_back.f_back.f_locals['middle']['key'][0]" % threading.get_ident())]}
    inner(Marker(), ready, stop)
    return middle


def main():
    ready, stop = threading.Semaphore(0), threading.Condition()
    with stop:
        threading.Thread(target=outer, args=(ready, stop), daemon=True).start()
        ready.acquire()
        while True:
            with open("/proc/self/task/%d/stat" % threading.enumerate()[1].native_id, encoding="utf-8") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "S":
                    break
        print(json.dumps({"markers": told, "unreachable": unreachable}), flush=True)
        for line in sys.stdin:
            try:
                print(id(eval(line)), flush=True)
            except Exception as failure:  # pylint: disable=broad-except
                print(repr(failure), flush=True)


main()
