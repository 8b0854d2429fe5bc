"""threads.py - the threads of the selected inferior, and their registers."""

import contextlib
import re

import gdb
import refheap_door as door

THREAD_POINTERS = ("fs_base", "tpidr")  # by which Python before 3.11 knows its threads
UNLISTED = THREAD_POINTERS + ("gs_base",) + tuple("k%d" % i for i in range(8))
FLOAT = re.compile(r"\bR([0-7]): .*?0x[0-9a-f]{4}([0-9a-f]{16})\b")  # of "info float"


def stopped_threads(asked=None):
    """The selected inferior's threads that can be looked at (or those `asked` for), by LWP, each selected
    in turn: going to another one makes GDB forget all frames that it has unwound."""
    try:
        threads = [(thread.ptid[1] or thread.ptid[2], thread) for thread in gdb.selected_inferior().threads()
                   if thread.is_valid() and not thread.is_running()]
    except gdb.error:  # it looks for new threads in memory, also where the core was cut off meanwhile
        return
    for lwp, thread in sorted(threads, key=lambda each: each[0]):
        if asked is None or lwp in asked:
            thread.switch()
            yield lwp, gdb.newest_frame()


def integer(value):
    """An integer register or scalar as a number; None for a vector, a float or what was not saved."""
    try:
        return int(value) & door.MASK
    except (gdb.error, TypeError, ValueError, OverflowError):
        return None


def unlisted(frame):
    """(name, number) of what the list of general registers does not have; nothing where there is none."""
    for name in UNLISTED:
        with contextlib.suppress(ValueError, gdb.error):
            yield name, integer(frame.read_register(name))


def mmx():
    """(name, number) of each register of MMX that is not 0, of the selected thread: these are parts of the x87 ones."""
    with contextlib.suppress(gdb.error):
        for match in FLOAT.finditer(gdb.execute("info float", to_string=True)):
            if int(match.group(2), 16):
                yield "mm" + match.group(1), int(match.group(2), 16)


def vector_names(frame):
    """The widest vector registers of the frame's architecture, as many as it has."""
    names = [each.name for each in frame.architecture().registers("vector") if door.VECTOR.match(each.name)]
    for kind in ("zmm", "ymm", "xmm", "v"):
        widest = [name for name in names if name.startswith(kind)]
        if widest:
            return widest
    return []


def vector_bytes(frame, name):
    """The bytes of a vector register, from its view as integers of 8 bytes; nothing if it was not saved."""
    try:
        value = frame.read_register(name)
        parts = value[next(field.name for field in value.type.fields() if field.name in ("v8_int64", "v4_int64", "v2_int64", "d"))]
        if parts.type.strip_typedefs().code == gdb.TYPE_CODE_UNION:
            parts = parts["u"]
        numbers = [int(parts[i]) & door.MASK for i in range(parts.type.range()[1] + 1)]
    except (gdb.error, StopIteration, TypeError, ValueError, OverflowError):
        return
    yield b"".join(number.to_bytes(8, "little") for number in numbers)
