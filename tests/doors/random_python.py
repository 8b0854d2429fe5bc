"""random_python.py SEED N - a random graph of N Python objects of 20 kinds, half of it garbage, and what is true of it.

The program makes the objects, drops its names for half of them with the collector off, and has forked copies of itself
find out the truth: what gc, sys.getrefcount and the objects themselves say. One line of JSON, then it waits or aborts
(samples/python/checkpoint.py):

    {"objects": {ADDRESS: [TYPE, QUALIFIED, TRACKED]}, all that Python can name,
     "made": {ADDRESS: COUNT}, the N objects and what they brought along, with sys.getrefcount,
     "holds": {ADDRESS: [ADDRESS…]}, gc.get_referents of all, as often as each is held,
     "keys": {ADDRESS: [ADDRESS…]}, of dicts the keys, which gc does not look at if they are str,
     "named": {ADDRESS: [[NAME, ADDRESS, STRENGTH]…]}, of those made: attributes, keys and values, items, cells,
     "values": {ADDRESS: TEXT}, repr of the leaves,
     "types": {ADDRESS: NAME}, of types that have objects,
     "aliases": {ADDRESS of a type: [NAME…]}, what modules call it: all that a core without files may know,
     "garbage": [ADDRESS…], what gc.collect() calls collectable, "collected": what it returned}

Invariant: garbage hangs on anchors that hold themselves, and nothing that is kept leads to it.
"""

import collections
import functools
import gc
import os
import random
import re
import sys
import tempfile
import types
import weakref

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint, in_a_copy  # noqa: E402 (of the folder above)

KEYS_MAX = 6


class Node:
    pass


class Anchor:
    def __init__(self):
        self.itself = self
        self.members = []


class Slots:
    __slots__ = ("left", "right", "other", "__weakref__")


class SlotsAndDict:
    __slots__ = ("left", "right", "__dict__")


class Registry(dict):
    pass


class Number(int):
    pass


class Trouble(Exception):
    pass


Point = collections.namedtuple("Point", "x y label")


def make_closure(one, other, default):
    def closure(argument=default):
        return one, other, argument
    return closure


def make_generator(first, second):
    held = second
    yield first
    yield held


@types.coroutine
def pause():
    yield


async def make_coroutine(first, second):
    await pause()
    return first, second


class Maker:
    """Makes one object after the other. What is mutable may later be given more; pool: what the others may hold."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.pool, self.made, self.number = [], [], 0
        self.makers = [getattr(self, name) for name in sorted(dir(type(self))) if name.startswith("make_")]

    def any(self):
        return self.random.choice(self.pool)

    def some(self):
        return [self.any() for _ in range(self.random.randrange(KEYS_MAX))]

    def hashable(self):
        for _ in range(20):
            each = self.any()
            if isinstance(each, (Node, Slots, SlotsAndDict, str, float, Number, types.FunctionType, types.GeneratorType)):
                return each
        return self.make_str()

    def make(self):
        self.number += 1
        each = self.random.choice(self.makers)()
        self.pool.append(each)
        self.made.append(each)

    def make_node(self):
        each = Node()
        for number in range(self.random.randrange(1, KEYS_MAX)):
            setattr(each, "attribute_%d" % number, self.any())
        if self.random.random() < 0.2:
            each.__dict__["%d in a dict" % self.number] = self.any()
        return each

    def make_slots(self):
        each = Slots()
        each.left, each.other = self.any(), self.any()
        return each

    def make_slots_and_dict(self):
        each = SlotsAndDict()
        each.left, each.extra = self.any(), self.any()
        return each

    def make_registry(self):
        each = Registry((self.hashable(), value) for value in self.some())
        each.attribute = self.any()
        return each

    def make_list(self):
        return self.some()

    def make_tuple(self):
        return tuple([self.any(), *self.some()])

    def make_set(self):
        return {self.hashable() for _ in range(self.random.choice((1, 3, 9, 40)))}

    def make_frozenset(self):
        return frozenset(self.hashable() for _ in range(self.random.choice((1, 3, 9))))

    def make_dict(self):
        each = {self.hashable(): self.any() for _ in range(self.random.choice((1, 3, 9, 300)))}
        for key in list(each)[::3]:
            del each[key]
        each["a name %d" % self.number] = self.any()
        return each

    def make_str_dict(self):
        return {"key %d" % number: value for number, value in enumerate([self.any(), *self.some()])}

    def make_deque(self):
        each = collections.deque(self.any() for _ in range(self.random.choice((1, 5, 70, 200))))
        each.rotate(self.random.randrange(9))
        return each

    def make_ordered(self):
        each = collections.OrderedDict((self.hashable(), self.any()) for _ in range(self.random.randrange(1, 12)))
        each.move_to_end(next(iter(each)))
        return each

    def make_closure(self):
        each = make_closure(self.any(), self.any(), self.any())
        if self.random.random() < 0.3:
            each.attribute = self.any()
        return each

    def make_generator(self):
        each = make_generator(self.any(), self.any())
        if self.random.random() < 0.7:
            next(each)
        return each

    def make_coroutine(self):
        each = make_coroutine(self.any(), self.any())
        each.send(None)
        return each

    def make_method(self):
        return types.MethodType(make_closure, self.any())

    def make_weakref(self):
        nodes = [each for each in (self.any() for _ in range(30)) if isinstance(each, (Node, Slots, collections.deque, types.FunctionType))]
        return weakref.ref(nodes[0], *([self.make_closure()] if self.random.random() < 0.5 else [])) if nodes else self.make_node()

    def make_exception(self):
        each = Trouble(self.any(), "trouble %d" % self.number)
        each.attribute = self.any()
        if self.random.random() < 0.3:
            each.__cause__ = Trouble(self.any())
        return each

    def make_partial(self):
        return functools.partial(make_closure, self.any(), default=self.any())

    def make_point(self):
        return Point(self.any(), self.any(), "point %d" % self.number)

    def make_str(self):
        wide = self.random.choice(("", "", "ä", "→", "\U0001f40d"))
        return wide + "text %d " % self.number + "x" * self.random.choice((0, 5, 50, 600))

    def make_number(self):
        kind = self.random.randrange(4)
        if kind == 0:
            return 10 ** 9 + self.number
        if kind == 1:
            return -(1 << 70) - self.number
        return self.number + 0.5 if kind == 2 else Number(self.number)

    def make_bytes(self):
        return b"bytes %d" % self.number + bytes(self.random.choice((0, 20, 700)))

    def tie(self):
        """More references among what is there: cycles."""
        for each in self.made:
            if self.random.random() < 0.3:
                if type(each) is list:
                    each.append(self.any())
                elif type(each) is Node:
                    each.tie = self.any()
                elif type(each) is dict:
                    each["tie"] = self.any()
                elif type(each) is Slots:
                    each.right = self.any()
                elif type(each) is collections.deque:
                    each.appendleft(self.any())


def build(seed, count):
    """(what is kept, addresses of all that was made): half of it hangs on anchors that nobody holds."""
    maker = Maker(seed)
    kept, addresses = [], []
    for is_kept in (True, False):
        if not is_kept:  # garbage may hold what is kept; what is kept is made, and does not change any more
            maker.made = []
        while len(maker.pool) < 10:
            maker.pool.append(maker.make_str())
        while len(maker.made) < count // 2:
            maker.make()
        made = maker.made
        if is_kept:
            maker.tie()
        else:
            shared, maker.pool = maker.pool, made + maker.pool[:50]
            maker.tie()
            maker.pool = shared
        addresses += [id(each) for each in made]
        if is_kept:
            kept.extend(made)
            continue
        anchor = Anchor()
        addresses.append(id(anchor))
        for number, each in enumerate(made):
            if number % 100 == 0:
                anchor = Anchor()
                addresses.append(id(anchor))
            anchor.members.append(each)
    return kept, addresses


# ---- the truth: what copies of the process find out ------------------------------------------------


def collected():
    """What gc calls collectable, and how many that were."""
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        gc.set_debug(gc.DEBUG_COLLECTABLE)
        number = gc.collect()
        file.seek(0)
        text = file.read().decode("utf-8", "replace")
    found = re.findall(r"^gc: collectable <.* 0x([0-9a-f]+)>$", text, re.MULTILINE)
    return {"garbage": [int(each, 16) for each in found], "collected": number}


def everything():
    """All objects that Python can name, from those that gc knows on."""
    found = gc.get_objects()
    own = {id(found), id(sys._getframe())}
    seen = {id(each) for each in found} | own
    seen.add(id(seen))
    for each in found:  # grows
        more = [type(each), *gc.get_referents(each)]
        if isinstance(each, dict):
            more += list(each)
        elif isinstance(each, types.CodeType):
            more += [each.co_consts, each.co_names, each.co_filename, each.co_name]
        elif isinstance(each, type):
            more += [each.__mro__, each.__bases__, *gc.get_referents(each.__dict__)]
        for other in more:
            if id(other) not in seen:
                seen.add(id(other))
                found.append(other)
    return [each for each in found if id(each) not in own]


def members_of(each):
    """Pairs (name, value) of __slots__."""
    rows = []
    for base in type(each).__mro__:
        for name, member in vars(base).items():
            if isinstance(member, types.MemberDescriptorType) and base in (Slots, SlotsAndDict) and hasattr(each, name):
                rows.append((name, member.__get__(each, type(each))))
    return rows


def attributes_of(each, held):
    """Pairs (name, value): the attributes, or, if the object holds a dict of them, that. (To ask for it makes it.)"""
    if not isinstance(each, (Node, Anchor, SlotsAndDict, Registry, Trouble, types.FunctionType)) or not vars(each):
        return []
    return [("__dict__", vars(each))] if id(vars(each)) in held else list(vars(each).items())


def named(each, held):
    """[NAME, ADDRESS, STRENGTH] of what an object holds; of a dict's entries the key as it is written, and ''."""
    rows = members_of(each) + attributes_of(each, held)
    if isinstance(each, dict):
        for key, value in dict.items(each):
            rows += [(key_name(key), value), (None, key)]
    elif isinstance(each, (list, tuple, collections.deque)):
        rows += [("[%d]" % number, value) for number, value in enumerate(each)]
    elif isinstance(each, (set, frozenset)):
        rows += [(None, value) for value in each]
    elif isinstance(each, types.FunctionType):
        rows += [("__closure__", each.__closure__), ("__defaults__", each.__defaults__), ("__code__", each.__code__)]
    elif isinstance(each, (types.GeneratorType, types.CoroutineType)):
        frame = frame_of(each)
        rows += [("gi_frame", frame)] if sys.version_info < (3, 11) else locals_of(frame)
    elif isinstance(each, types.MethodType):
        rows += [("__self__", each.__self__), ("__func__", each.__func__)]
    elif isinstance(each, functools.partial):
        rows += [(None, each.func), (None, each.args), (None, each.keywords)]
    if isinstance(each, BaseException):
        rows += [("args", each.args)] + ([("__cause__", each.__cause__)] if each.__cause__ else [])
    rows = [[name, id(value), "strong"] for name, value in rows]
    if isinstance(each, weakref.ref) and each() is not None:
        rows.append([None, id(each()), "weak"])
    return rows


def frame_of(each):
    return each.gi_frame if isinstance(each, types.GeneratorType) else each.cr_frame


def locals_of(frame):
    where = "in %s() at %s:%d" % (frame.f_code.co_name, os.path.basename(frame.f_code.co_filename), frame.f_lineno)
    return [("local '%s' %s" % (name, where), value) for name, value in frame.f_locals.items()]


def key_name(key):
    return "[%r]" % key if type(key) is str and len(key) < 30 and key.isascii() else None


def described(made):
    """All objects; of those that were made their counts, and what they hold."""
    objects = everything()
    truth = {"objects": {}, "made": {}, "holds": {}, "keys": {}, "named": {}, "values": {}}
    wanted = set(made)
    for each in objects:
        kind = type(each)
        qualified = "%s.%s" % (kind.__module__, kind.__qualname__)
        truth["objects"][id(each)] = [kind.__name__, qualified, gc.is_tracked(each)]
        truth["holds"][id(each)] = [id(other) for other in gc.get_referents(each)]
        if isinstance(each, dict):
            truth["keys"][id(each)] = [id(key) for key in dict.keys(each)]
        if id(each) in wanted:
            truth["made"][id(each)] = sys.getrefcount(each) - 3  # of the list, this name, the argument
    for each in objects:
        if id(each) in wanted:
            held = truth["holds"][id(each)]
            truth["named"][id(each)] = named(each, held)
            if hasattr(each, "__dict__") and id(vars(each)) in held:
                truth["named"][id(vars(each))] = [row for row in named(vars(each), ()) if row[0]]  # its keys may be the class's
            if isinstance(each, (types.GeneratorType, types.CoroutineType)) and sys.version_info < (3, 11):
                truth["named"][id(frame_of(each))] = [[name, id(value), "strong"] for name, value in locals_of(frame_of(each))]
            if type(each) in (str, int, float, bytes):
                truth["values"][id(each)] = repr(each)
    truth["types"], truth["aliases"] = {id(type(each)): type(each).__name__ for each in objects}, {}
    for module in [each for each in objects if isinstance(each, types.ModuleType)]:
        for name, value in vars(module).items():
            if isinstance(value, type):
                truth["aliases"].setdefault(id(value), []).append(name)
    return truth


def main():
    gc.collect()
    gc.disable()
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    kept, made = build(seed, count)
    churn = [Node() for _ in range(count)]  # and holes
    for each in churn[::2]:
        each.itself = []
    del churn[::3], each
    garbage = in_a_copy(collected)
    checkpoint("built", lambda: {"seed": seed, "kept": len(kept), "version": list(sys.version_info[:3]),
                                 **described(made), **eval(garbage, {})})  # noqa: S307 (two lists of numbers)


if __name__ == "__main__":
    main()
