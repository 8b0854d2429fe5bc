"""printers.py - variables as GDB prints them: pretty-printers, and convenience functions for conditions."""

import contextlib
import types

import gdb
import refheap_door as door

from .host import Host
from .names import value_number
from .state import showable

SCALARS = (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_FLT)

NUMBERS = {"int": int, "uint": int, "float": float}


class Describer:
    """Asks the engine about the addresses that variables hold. The heaps of a core or of a process of this machine are opened
    before anybody asks: at the first stop, or before the prompt."""

    EVENTS = ("stop", "before_prompt")
    WRITES = ("memory_changed", "register_changed")

    def __init__(self, session, epoch):
        self.session, self.epoch = session, epoch
        self.structs, self.foreign = session.engine.describes["structs"], session.engine.describes.get("foreign", {})
        self.host = self.key = self.prepared = None
        for name in self.EVENTS:
            getattr(gdb.events, name).connect(self.prepare)
        for name in self.WRITES:
            getattr(gdb.events, name).connect(Turn.write)
        self.prepare()

    def close(self):
        for name in self.WRITES:
            getattr(gdb.events, name).disconnect(Turn.write)
        for name in self.EVENTS:
            getattr(gdb.events, name).disconnect(self.prepare)
        self.session.close()

    def prepare(self, _event=None):
        with contextlib.suppress(door.DoorError, gdb.error, KeyboardInterrupt):
            self.look_at_target()
            if self.key != self.prepared and (self.host.pid() or self.host.core_path()):
                self.session.describe(self.host, 0)
            self.prepared = self.key

    def look_at_target(self):
        """Takes the host anew if it is another one."""
        inferior = gdb.selected_inferior()
        connection = getattr(inferior, "connection", None)
        key = inferior.num, inferior.pid, connection.num if connection is not None else 0, gdb.current_recording() is not None
        if key != self.key:
            self.host, self.key = Host(self.epoch), key

    def ask(self, address, children=0):
        self.look_at_target()
        try:
            return self.session.describe(self.host, address, children, elements_shown())
        except (door.DoorError, gdb.error):
            return door.NOTHING

    def header(self, kind):
        """The objects' header with which this struct begins, at once or with a struct that does; None: it is no object's."""
        with contextlib.suppress(gdb.error, TypeError):  # a type without fields
            for _ in range(door.NESTED_MAX):
                kind = kind.strip_typedefs().unqualified()
                if kind.code != gdb.TYPE_CODE_STRUCT:
                    return None
                if kind.tag in self.structs:
                    return kind
                first = next(iter(kind.fields()), None)
                if first is None or getattr(first, "bitpos", 1) != 0:
                    return None
                kind = first.type
        return None


class Turn:
    """GDB's turn in its event loop: one command of its machine interface, or of a user's."""

    number, is_watched = 0, False
    written = None  # the last one in which a user's command wrote something: -var-assign, say

    @classmethod
    def write(cls, _event):
        cls.written = cls.now()

    @classmethod
    def now(cls):
        if not cls.is_watched:
            cls.is_watched = True
            gdb.post_event(cls.end)
        return cls.number

    @classmethod
    def end(cls):
        cls.number, cls.is_watched = cls.number + 1, False


class Printed:
    """The pretty-printer of an object, and of a pointer to one: its text, and as children its declared fields. `print` asks for
    the text, then for children: a pointer shows none there.
    GDB's variable objects are different. They show no text of what has children, but `{...}`: before each text they look
    whether there are any. Once for each printer they look for the children's sake: in the turn in which the printer is
    made, and after the first text. So that is when it has some; but for a printer that -var-assign makes: that asks for
    the text once more, to tell it."""

    are_variable_objects = False  # has one asked?

    def __init__(self, describer, value, header, address, said):
        self.describer, self.value, self.header, self.address, self.said = describer, value, header, address, said
        self.is_pointer = value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR
        self.turn = None  # in which a variable object asked first
        self.has_told = self.has_begun = False

    def to_string(self):
        self.has_told = True
        text = self.said["pointer" if self.is_pointer and gdb.parameter("print address") else "text"]
        return showable("(%s) %s" % (self.value.type, text) if self.is_pointer else text)

    @property
    def children(self):
        if self.turn is None and not self.has_told:
            self.turn, Printed.are_variable_objects = Turn.now(), True
        elif self.turn is None and not self.is_pointer:
            return self.rows
        elif self.turn not in (None, Turn.written) and self.has_told and not self.has_begun and self.turn == Turn.now():
            return self.begin
        raise AttributeError("children")

    def begin(self):
        self.has_begun = True
        return self.rows()

    def rows(self):
        for row in door.pages_of(lambda limit: self.describer.ask(self.address, limit), elements_shown() + 1):
            yield showable(row["name"]), self.field(row)

    def field(self, row):
        """The member of C's struct if that is the same, so that formats apply to it; else what the engine says."""
        if row["kind"] == "bytes":
            return showable(row.get("text", "?"))
        try:
            value = self.value.dereference() if self.is_pointer else self.value
            for step in door.steps_to(row["name"]):
                value = value[step]
            code = value.type.strip_typedefs().code
            if code in SCALARS if "value" not in row else code == gdb.TYPE_CODE_PTR and int(value) == int(row["value"], 16):
                return value
        except (gdb.error, KeyError, TypeError, ValueError):
            pass
        if "value" in row:
            return gdb.Value(int(row["value"], 16)).cast(self.header.pointer())
        if row["kind"] in NUMBERS:
            return NUMBERS[row["kind"]](row["text"])  # GDB's machine interface shows no text among simple values
        return showable(row["text"])


class PrintedByGdb(Printed):
    """A pointer to no object, as GDB shows it, for variable objects: GDB ends with an internal error where one had a printer,
    has none, and gets one again. Nothing is below it. GDB would keep the names of what was below it when it led to an object.
    Elsewhere it has a text: where GDB prints, it leaves out the address of a pointer that a printer gives it."""

    def __init__(self, value):
        super().__init__(None, value, None, None, None)

    def to_string(self):
        self.has_told = True
        if self.turn is None or self.value.is_optimized_out:
            return self.value.format_string(raw=True)
        return self.value.cast(gdb.lookup_type("void").pointer())

    def rows(self):
        return iter(())


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
        kind = value.type.strip_typedefs()
        is_pointer = kind.code == gdb.TYPE_CODE_PTR
        header = self.describer.header(kind.target() if is_pointer else kind) if (self.pointers if is_pointer else self.objects).enabled else None
        if header is None or (header.tag in self.describer.foreign and self.is_shown_by_others(value)):
            return None
        said, address = door.NOTHING, 0
        with contextlib.suppress(gdb.error, door.DoorError, TypeError, ValueError, OverflowError):  # GDB's own way
            if not value.is_optimized_out:
                address = int(value) if is_pointer else int(value.address) if value.address is not None else 0
                said = self.describer.ask(address) if address else door.NOTHING
        if said["text"]:
            return Printed(self.describer, value, header, address, said)
        return PrintedByGdb(value) if is_pointer and Printed.are_variable_objects else None

    def is_shown_by_others(self, value):
        """GDB has asked those of files and of the program before; of the rest, the first in its list would win."""
        with contextlib.suppress(Exception):  # theirs, whatever it is
            return any(other is not self and getattr(other, "enabled", True) and other(value) is not None for other in gdb.pretty_printers)
        return False


def c_string(text):
    """As C has it, also where it is empty: of a str GDB would make an array without an end."""
    data = showable(text).encode(gdb.host_charset()) + b"\0"
    return gdb.Value(data, gdb.lookup_type("char").array(len(data) - 1))


def function_of(describer, row):
    """A convenience function: `$refcount(p)`."""
    def invoke(_function, *values):
        if len(values) != 1:
            raise gdb.GdbError("$%s: one address is wanted" % row["name"])
        try:
            described = describer.ask(value_number(values[0], "its argument"))
        except (door.DoorError, gdb.error) as error:
            raise gdb.GdbError("$%s: %s" % (row["name"], door.one_line(str(error)))) from None
        if described["undecided"]:
            raise gdb.GdbError("$%s: not known: %s" % (row["name"], described["undecided"]))
        said = described["functions"].get(row["name"], row["nothing"])
        return c_string(said) if isinstance(said, str) else said

    text = "$%s(ADDRESS): %s." % (row["name"], row["summary"])
    return type("RefheapFunction", (gdb.Function,), {"__doc__": showable(text), "invoke": invoke})(row["name"])
