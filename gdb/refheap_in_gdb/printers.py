"""printers.py - variables as GDB prints them: pretty-printers, and convenience functions for conditions."""

import contextlib
import types

import gdb
import refheap_door as door

from .host import Host
from .names import value_number
from .state import showable

SCALARS = (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_FLT)


class Describer:
    """Asks the engine about the addresses that variables hold."""

    def __init__(self, session, epoch):
        self.session, self.epoch = session, epoch
        self.structs = session.engine.describes["structs"]
        self.header = self.structs[0]
        self.host = self.key = None

    def ask(self, address, children=0):
        inferior = gdb.selected_inferior()
        connection = getattr(inferior, "connection", None)
        key = inferior.num, inferior.pid, connection.num if connection is not None else 0, gdb.current_recording() is not None
        if key != self.key:
            self.host, self.key = Host(self.epoch), key
        try:
            return self.session.describe(self.host, address, children, elements_shown())
        except (door.DoorError, gdb.error):
            return door.NOTHING

    def is_managed(self, kind):
        """Is this the struct of an object? It begins with the objects' header, or with a struct that does."""
        for _ in range(door.NESTED_MAX):
            kind = kind.strip_typedefs().unqualified()
            if kind.code != gdb.TYPE_CODE_STRUCT:
                return False
            if kind.tag in self.structs:
                return True
            first = next(iter(kind.fields()), None)
            if first is None or getattr(first, "bitpos", 1) != 0:
                return False
            kind = first.type
        return False


class PrintedPointer:
    """The pretty-printer of a pointer. It has no children: to GDB's variable objects a value with children has no text."""

    def __init__(self, value, said):
        self.value, self.said = value, said

    def to_string(self):
        return showable("(%s) %s" % (self.value.type, self.said["pointer"]))


class PrintedObject:
    """The pretty-printer of an object; its children are its declared fields."""

    def __init__(self, describer, value, address, said):
        self.describer, self.value, self.address, self.said = describer, value, address, said

    def to_string(self):
        return showable(self.said["text"])

    def children(self):
        for row in door.pages_of(lambda limit: self.describer.ask(self.address, limit), elements_shown() + 1):
            yield showable(row["name"]), self.field(row)

    def field(self, row):
        """The member of C's struct if that is the same, so that formats apply to it; else what the engine says."""
        if row["kind"] == "bytes":
            return showable(row.get("text", "?"))
        try:
            value = self.value
            for step in door.steps_to(row["name"]):
                value = value[step]
            code = value.type.strip_typedefs().code
            if code in SCALARS if "value" not in row else code == gdb.TYPE_CODE_PTR and int(value) == int(row["value"], 16):
                return value
        except (gdb.error, KeyError, TypeError, ValueError):
            pass
        with contextlib.suppress(gdb.error):
            if "value" in row:
                return gdb.Value(int(row["value"], 16)).cast(gdb.lookup_type("struct " + self.describer.header).pointer())
        return showable(row.get("text") or row["value"])


def elements_shown():
    """How many elements of an aggregate, and characters of a text."""
    return gdb.parameter("print elements") or door.MASK >> 2  # None: all


class Printers:
    """What GDB asks for a printer; `info pretty-printer` lists it."""

    def __init__(self, describer):
        self.name, self.enabled, self.describer = "refheap", True, describer
        self.pointers = types.SimpleNamespace(name="pointer", enabled=True)
        self.objects = types.SimpleNamespace(name="object", enabled=True)
        self.subprinters = [self.objects, self.pointers]

    def __call__(self, value):
        try:
            return self.printer(value)
        except (gdb.error, door.DoorError, TypeError, ValueError, OverflowError):
            return None  # GDB's own way

    def printer(self, value):
        kind = value.type.strip_typedefs()
        is_pointer = kind.code == gdb.TYPE_CODE_PTR
        if not (self.pointers if is_pointer else self.objects).enabled or value.is_optimized_out:
            return None
        if not self.describer.is_managed(kind.target() if is_pointer else kind):
            return None
        address = int(value) if is_pointer else int(value.address) if value.address is not None else 0
        said = self.describer.ask(address) if address else door.NOTHING
        if not said["text"]:
            return None
        return PrintedPointer(value, said) if is_pointer else PrintedObject(self.describer, value, address, said)


def c_string(text):
    """As C has it, also where it is empty: of a str GDB would make an array without an end."""
    data = showable(text).encode(gdb.host_charset()) + b"\0"
    return gdb.Value(data, gdb.lookup_type("char").array(len(data) - 1))


def function_of(describer, row):
    """A convenience function: `$refcount(p)`."""
    def invoke(_function, value):
        try:
            said = describer.ask(value_number(value, row["name"]))["functions"][row["name"]]
        except (door.DoorError, gdb.error) as error:
            raise gdb.GdbError("$%s: %s" % (row["name"], door.one_line(str(error)))) from None
        return c_string(said) if isinstance(said, str) else said

    text = "$%s(ADDRESS): %s." % (row["name"], row["summary"])
    return type("RefheapFunction", (gdb.Function,), {"__doc__": showable(text), "invoke": invoke})(row["name"])
