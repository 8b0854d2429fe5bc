"""state.py - what is true of GDB for the length of a question: its target's state, settings, selection.

Invariant: whatever is set or selected here is put back.
"""

import contextlib

import gdb
import refheap_door as door


class Epoch:
    """Counts what may change the target; the engine's caches live as long as its number."""

    EVENTS = ("cont", "stop", "exited", "memory_changed", "register_changed", "inferior_call", "new_objfile",
              "clear_objfiles", "free_objfile", "inferior_deleted")

    def __init__(self):
        self.count = 0
        self.last = None
        self.number = 0
        for name in self.EVENTS:
            registry = getattr(gdb.events, name, None)
            if registry is not None:
                registry.connect(self.advance)

    def advance(self, _event=None):
        self.count += 1

    def close(self):
        for name in self.EVENTS:
            registry = getattr(gdb.events, name, None)
            if registry is not None:
                registry.disconnect(self.advance)

    def state_id(self, core_path):
        inferior = gdb.selected_inferior()
        if gdb.current_recording() is not None or (core_path is None and any(thread.is_running() for thread in inferior.threads())):
            self.advance()  # `record goto` fires no event
        state = (self.count, inferior.num, inferior.pid, core_path, door.file_stamp(core_path))
        if state != self.last:
            self.last = state
            self.number += 1
        return self.number


class Setting:
    """Sets a parameter of GDB's, and on the way out what it was before. GDB tells front ends of that, as if the user had done
    it: only for what cannot be had otherwise."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def __enter__(self):
        before = gdb.parameter(self.name)
        self.before = ("on" if before else "off") if isinstance(before, bool) else before
        gdb.execute("set %s %s" % (self.name, self.value), to_string=True)

    def __exit__(self, *_exception):
        gdb.execute("set %s %s" % (self.name, self.before), to_string=True)
        return False


def utf8():
    """GDB gives names to Python by its terminal's character set, and raises where they are not of it."""
    return contextlib.nullcontext() if gdb.host_charset().upper() == "UTF-8" else Setting("host-charset", "UTF-8")


def without_calls():
    """Expressions call no function of the program. In C no operator does."""
    if not gdb.parameter("may-call-functions") or getattr(gdb, "current_language", str)() in ("c", "asm", "minimal"):
        return contextlib.nullcontext()
    return Setting("may-call-functions", "off")


def with_paths(ask):
    """What GDB says, where paths may be no UTF-8: it raises then, with the bytes."""
    try:
        return ask()
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "surrogateescape")


def showable(text):
    """What GDB takes of a text in its terminal's character set."""
    return text.encode(gdb.host_charset(), "replace").decode(gdb.host_charset())


class Place:
    """Selects threads, and on the way out what was selected before."""

    def __enter__(self):
        self.thread = gdb.selected_thread()
        try:
            self.frame = gdb.selected_frame()
        except gdb.error:
            self.frame = None
        return self

    def __exit__(self, *_exception):
        try:
            if self.thread is not None and self.thread.is_valid():
                self.thread.switch()
            if self.frame is not None and self.frame.is_valid():
                self.frame.select()
        except gdb.error:
            pass  # the target is gone: there is nothing to select
        return False
