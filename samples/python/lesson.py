"""lesson.py - the lesson that refheap comes from, cell by cell: names are references, and objects are counted.

Each cell of the notebook is a few lines, and a checkpoint behind it. A debugger sees there what the cell wants to show,
and sees it without touching it: sys.getrefcount holds a reference of its own while it counts, `objat` does not.

    REFHEAP_WAIT_AT=5 python3 lesson.py &        then: refheap --pid $! refs A@0x…

Invariant: from "they hold each other" on, a_id and b_id are numbers that keep nothing alive; the collector is off.
"""

import gc
import sys

from checkpoint import checkpoint, expect


class A:
    def __init__(self):
        self.b = B(self)


class B:
    def __init__(self, a):
        self.a = a


class C:
    """As large as an A."""

    def __init__(self):
        self.value = 42


def name_of(value):
    return "%s@0x%x" % (type(value).__name__, id(value))


def seen(value, count, *names, referrers=(), referents=None):
    """What is true of a live object: count, and the module's variables that hold it."""
    return {"address": hex(id(value)), "status": "live", "type": type(value).__name__, "id": name_of(value), "refcount": count,
            "tracked": gc.is_tracked(value), "globals": names, "referrers": referrers, "referents": referents or {}}


def pair(a, b, count, *names):
    """A and B, which hold each other; count: how often A is held."""
    return [seen(a, count, *names, referrers=[name_of(b) + ".a"], referents={"b": name_of(b)}),
            seen(b, 1, referrers=[name_of(a) + ".b"], referents={"a": name_of(a)})]


def graves():
    return [{"address": hex(address), "status": "freed", "was": name} for address, name in ((a_id, "A"), (b_id, "B"))]


# Cell 1: a name is a reference. Three names, one list.
my_var = [1, 2, 3]
second = my_var
third = second
checkpoint("three names", lambda: {"objects": [seen(my_var, 3, "my_var", "second", "third")]})

# Cell 2: asking for the count makes it one more: the argument is a reference, too.
said = sys.getrefcount(my_var)
expect(said == 4)
checkpoint("asked for the count", lambda: {"objects": [seen(my_var, 3, "my_var", "second", "third")]})

# Cell 3: names go, the count goes down.
second = third = None
expect(sys.getrefcount(my_var) == 2)
checkpoint("one name", lambda: {"objects": [seen(my_var, 1, "my_var")]})

# Cell 4: small integers are shared, large ones are not.
small, same = 10, int("10")
large, other = 10 ** 6, int("1000000")
expect(small is same and large is not other)
checkpoint("integers", lambda: {"shared": hex(id(small)), "objects": [seen(other, 1, "other")]})

# Cell 5: A and B hold each other.
gc.collect()
gc.disable()
my_var = A()
a_id, b_id = id(my_var), id(my_var.b)
expect(sys.getrefcount(my_var) == 3 and sys.getrefcount(my_var.b) == 2)
checkpoint("they hold each other", lambda: {
    "objects": pair(my_var, my_var.b, 2, "my_var"),
    "cycles": [{"objects": [name_of(my_var), name_of(my_var.b)], "verdict": "held"}]})


# Cell 6: the only name goes. Both counts are 1: nobody can reach them, and they are not freed.
def garbage():
    a, b = (next(each for each in gc.get_objects() if id(each) == address) for address in (a_id, b_id))
    return {"objects": pair(a, b, 1), "cycles": [{"objects": [name_of(a), name_of(b)], "verdict": "garbage"}]}


my_var = None
checkpoint("the name dropped", garbage)

# Cell 7: the collector finds them. (It runs behind the line, last of all: else the next thing made would lie there.)
checkpoint("collected", lambda: {"objects": graves(), "found": gc.collect()}, last=gc.collect)

# Cell 8: once more, and then the address is used again. A number is no reference: whoever trusts it, reads something else.
def reused():
    """Objects that were made where A or B had been, and which of them."""
    for _ in range(1000):
        pair = A()
        where = (id(pair), id(pair.b))
        del pair
        gc.collect()
        made = [C() for _ in range(100)]  # what else was freed just now may be used first
        for number, each in enumerate(made):
            if id(each) in where:
                return made, number
    return expect(False)


others, number = reused()
place = "list@0x%x[%d]" % (id(others), number)
checkpoint("something else lives there", lambda: {"objects": [seen(others[number], 1, referrers=[place])]})
