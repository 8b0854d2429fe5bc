"""refheap_gdb.py - the door of GDB: `source` this file (GDB 13 or later) to get refheap's commands.

Lends the engine GDB's memory, threads, expressions, names and terminal; every answer and every word
of it is made by the engine. Commands come from the engine's table: none is named here.

Invariant: the selected thread and frame are the same after a command as before it, and a command
that fails raises gdb.GdbError with one line (GDB shows a traceback for anything else).

In batch mode GDB exits with the status of its last command alone. $refheap_status holds the status
of refheap's last command: gdb -batch prog core -x refheap_gdb.py -ex 'COMMAND' -ex 'quit $refheap_status'
"""

import contextlib
import json
import os
import re
import types

import gdb
import gdb.printing


def load_shared():
    """refheap_door.py beside this file (installed) or in the source tree; None if it is in neither place.
    Compiled here and not imported, so that no bytecode is written and each loading of this script has its own."""
    here = os.path.dirname(os.path.realpath(load_shared.__code__.co_filename))
    for path in shared_places(here):
        if os.path.exists(path):
            module = types.ModuleType("refheap_door")
            module.__file__ = os.path.realpath(path)
            with open(path, encoding="utf-8") as source:
                exec(compile(source.read(), module.__file__, "exec"), module.__dict__)
            return module
    return None


def shared_places(here):
    return [os.path.join(here, "refheap_door.py"), os.path.join(os.path.dirname(here), "inspect", "python", "refheap_door.py")]


def shared_is_missing():
    here = os.path.dirname(os.path.realpath(load_shared.__code__.co_filename))
    return "refheap: this script needs refheap_door.py, copied along with it: it is neither %s nor %s" % tuple(shared_places(here))


door = load_shared()
BY_VALUE = (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_ENUM)
BY_ADDRESS = (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
FRAMES_AT_ONCE, FRAMES_INLINED = 64, 16
THREAD_POINTERS = ("fs_base", "tpidr")  # by which Python before 3.11 knows its threads
LIMIT = 20  # `show refheap limit` until it is set
COMPLETED_MAX = 10000  # names that are looked up for one word
SYSTEM_FOLDERS = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/libexec/")
SCALARS = (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_FLT)
REFERENCES = (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF)


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
    """Sets a parameter of GDB's, and on the way out what it was before."""

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
    return Setting("host-charset", "UTF-8")


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


def thread_pointer(frame):
    """(name, number), which no list of registers has; nothing where there is none."""
    for name in THREAD_POINTERS:
        with contextlib.suppress(ValueError, gdb.error):
            yield name, integer(frame.read_register(name))


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


def value_number(value, text):
    """What an expression stands for: pointers and integers by value, the rest by its address."""
    kind = value.type.strip_typedefs()
    if kind.code in REFERENCES:
        return value_number(value.referenced_value(), text)
    if kind.code in BY_VALUE:
        return int(value)
    if kind.code == gdb.TYPE_CODE_FUNC or kind.code in BY_ADDRESS:
        if value.address is None:
            raise door.DoorError("'%s' has no address (it is not in memory)" % text)
        return int(value.address)
    raise door.DoorError("'%s' is of type %s: neither a number nor an address" % (text, value.type))


# ---- naming words --------------------------------------------------------------------------------


class TypeView:
    """gdb.Type as member_path wants it."""

    @staticmethod
    def element(kind):
        kind = kind.strip_typedefs()
        return (kind.target(), kind.target().sizeof) if kind.code == gdb.TYPE_CODE_ARRAY else None

    @staticmethod
    def members(kind):
        kind = kind.strip_typedefs()
        if kind.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
            return None
        return [("" if field.is_base_class else field.name or "", field.bitpos // 8, field.type.sizeof, field.type)
                for field in kind.fields() if hasattr(field, "bitpos")]

    @staticmethod
    def is_pointer(kind):
        return kind.strip_typedefs().code == gdb.TYPE_CODE_PTR

    text = staticmethod(str)


def variables_of(frame):
    """The variables on the stack that are in scope in a frame, innermost scope first."""
    try:
        block = frame.block()
    except RuntimeError:
        return  # no debug info here
    while block is not None and not block.is_global and not block.is_static:
        for symbol in block:
            if (symbol.is_variable or symbol.is_argument) and symbol.addr_class != gdb.SYMBOL_LOC_STATIC:
                yield symbol
        if block.function is not None:
            return
        block = block.superblock


def variable_extent(symbol, frame):
    """(address, type) of a variable in memory, else None."""
    try:
        value = symbol.value() if frame is None else symbol.value(frame)
        if value.is_optimized_out or value.address is None:
            return None
        return int(value.address), value.type
    except (gdb.error, RuntimeError, TypeError):
        return None


def stack_pointer(frame):
    return int(frame.read_register("sp")) & door.MASK


def frames_of(newest, addresses, is_stopped):
    """(level, frame, stack pointer) from the newest frame on. Of a long row of frames in which none of the
    addresses lies, the last one is enough."""
    frame, level = newest, 0
    while frame is not None and not is_stopped():
        row = []
        try:
            while frame is not None and len(row) < FRAMES_AT_ONCE:
                row.append((level, frame))
                frame, level = frame.older(), level + 1
        except gdb.error:
            frame = None  # a broken stack: the frames so far are good
        try:
            first, last = stack_pointer(row[0][1]), stack_pointer(row[-1][1])
            if row[0][0] and frame is not None and not any(first <= each < last for each in addresses):
                row = [each for each in row[-FRAMES_INLINED:] if stack_pointer(each[1]) == last]
            pointers = [(*each, stack_pointer(each[1])) for each in row]
        except gdb.error:
            return
        yield from pointers


def name_in_frame(words, level, frame):
    """The rows of the words that lie in the variables of a frame."""
    function = frame.function()
    owner = (function.name if function is not None else "", level)
    for symbol in variables_of(frame):
        extent = variable_extent(symbol, frame)
        if extent is not None:
            yield from door.name_extent(words, extent[0], extent[1].sizeof, TypeView, extent[1], symbol.name, owner)


def name_data_word(word):
    """The row of a word in a module's data, from symbol table and debug info, if any."""
    text = gdb.execute("info symbol 0x%x" % word.address, to_string=True)
    match = re.match(r"(.+?)(?: \+ (\d+))? in section ", text)
    if not match:
        return
    name, offset = match.group(1), int(match.group(2) or 0)
    for symbol in [gdb.lookup_global_symbol(name)] + list(gdb.lookup_static_symbols(name)):
        extent = variable_extent(symbol, None) if symbol is not None and symbol.is_variable else None
        if extent and extent[0] <= word.address < extent[0] + extent[1].sizeof:
            yield from door.name_extent([word], extent[0], extent[1].sizeof, TypeView, extent[1], name)
            return
    yield word, door.GLOBAL, "%s+%d" % (name, offset) if offset else name, "", "", 0


# ---- stopping at instructions --------------------------------------------------------------------


class Stop(gdb.Breakpoint):
    """At an instruction that the engine named. The user's lists do not show it."""

    def __init__(self, address, reached):
        super().__init__("*0x%x" % address, gdb.BP_BREAKPOINT, internal=True)
        self.silent = True  # the frame that GDB would show is not the one to be selected
        self.reached = reached

    def stop(self):
        return self.reached()


class Stops:
    """The instructions where each inferior stops; none is left when it has ended, or was let go: GDB could not
    start the program again."""

    def __init__(self, reached):
        self.reached = reached  # gives the frame to be selected, or GO_ON
        self.of = {}            # by the numbers of inferiors
        self.level = None       # of the frame to be selected once GDB has stopped
        gdb.events.exited.connect(self.forget)
        gdb.events.stop.connect(self.select)

    def close(self):
        gdb.events.exited.disconnect(self.forget)
        gdb.events.stop.disconnect(self.select)
        for number in list(self.of):
            self.set(number, [])

    def set(self, number, instructions):
        known = {each.address: each for each in self.of.pop(number, []) if each.is_valid()}
        for address in set(known) - set(instructions):
            known.pop(address).delete()
        for address in set(instructions) - set(known):
            known[address] = Stop(address, self.decide)
            known[address].address = address
        if known:
            self.of[number] = list(known.values())

    def decide(self):
        level = self.reached()
        self.level = level if level != door.GO_ON else self.level
        return level != door.GO_ON

    def forget(self, event):
        self.set(event.inferior.num, [])

    def select(self, event):
        level, self.level = self.level, None
        if level is None or not any(isinstance(each, Stop) for each in getattr(event, "breakpoints", ())):
            return
        with contextlib.suppress(gdb.error):
            frame = gdb.newest_frame()
            while level > 0 and frame.older() is not None:
                frame, level = frame.older(), level - 1
            frame.select()
            gdb.execute("frame")


# ---- the host ------------------------------------------------------------------------------------


class Host:
    """What GDB lends. Made for one command."""

    def __init__(self, epoch, stops=None):
        self.epoch, self.stops = epoch, stops
        self.inferior = gdb.selected_inferior()
        connection = getattr(self.inferior, "connection", None)
        self.connection = connection.type if connection is not None else ""
        self.core = self.find_core()
        self.is_recorded = gdb.current_recording() is not None  # what GDB shows may lie in the past
        self.holes = None

    def find_core(self):
        """The core file of the selected inferior: GDB 13 tells it in words only."""
        if self.connection != "core":
            return None
        match = re.search(r"Local core dump file:\s*`(.*)', file type", with_paths(lambda: gdb.execute("info files", to_string=True)))
        return os.path.abspath(match.group(1)) if match else None

    def core_path(self):
        return None if self.is_recorded else self.core

    def exe_path(self):
        return with_paths(lambda: gdb.current_progspace().filename)

    def pid(self):
        return self.inferior.pid if self.connection == "native" and not self.is_recorded else 0

    def is_terminal(self):
        return is_on("progress", os.isatty(2))

    def shows_colors(self):
        return is_on("color", door.terminal_has_colors() and gdb.parameter("style enabled"))

    def read(self, address, size):
        if self.connection == "core":
            size = self.backed(address, size)
        try:
            return self.inferior.read_memory(address, size)
        except (gdb.error, OverflowError):
            return b""

    def backed(self, address, size):
        """How much of a range the core really holds: GDB shows zeros where it holds nothing."""
        if self.holes is None:
            self.holes = [(row[0], row[1]) for row in core_segments() if row[2] & door.WRITE and not row[3]]
        for start, end in self.holes:
            if start < address + size and address < end:
                size = max(start - address, 0)
        return size

    def regions(self):
        if self.pid():
            return door.process_regions(self.pid())
        return core_regions() if self.connection == "core" else mapping_regions()

    def threads(self):
        with Place():
            for lwp, frame in stopped_threads():
                names = [each.name for each in frame.architecture().registers("general")]
                values = [(name, integer(frame.read_register(name))) for name in names]
                values += thread_pointer(frame)
                values = [row for row in values if row[1] is not None]
                values += door.vector_words((name, data) for name in vector_names(frame) for data in vector_bytes(frame, name))
                yield lwp, integer(frame.read_register("sp")) or 0, values

    def evaluate(self, text):
        try:
            return value_number(gdb.parse_and_eval(text), text)
        except gdb.error as error:
                raise door.DoorError(str(error)) from None

    def evaluate_in(self, lwp, level, text):
        with Place(), Setting("may-call-functions", "off"):
            if not lwp:
                return self.evaluate(text)
            frame = next((each for _lwp, each in stopped_threads([lwp])), None)
            while frame is not None and level > 0:
                frame, level = frame.older(), level - 1
            if frame is None:
                raise door.DoorError("that frame is gone")
            frame.select()
            return self.evaluate(text)

    def name(self, words, is_stopped):
        with Place():
            on_stack = {}
            for word in words:
                if word.is_stack:
                    on_stack.setdefault(word.lwp, []).append(word)
            for lwp, frame in stopped_threads(on_stack):
                addresses = [word.address for word in on_stack[lwp]]
                yield from door.name_stack_words(on_stack[lwp], frames_of(frame, addresses, is_stopped), name_in_frame)
            for word in words:
                if not word.is_stack and not is_stopped():
                    yield from name_data_word(word)

    def can_write(self):
        return self.inferior.pid != 0 and self.connection != "core" and not self.is_recorded

    def write_memory(self, address, data):
        try:
            self.inferior.write_memory(address, data)
        except gdb.error:
            return False
        return True

    def stop_at(self, instructions):
        self.stops.set(self.inferior.num, instructions)

    def frames(self, most):
        found = []
        with contextlib.suppress(gdb.error):  # a broken stack: the frames so far are good
            frame = gdb.newest_frame()
            while frame is not None and len(found) < most:
                found.append(frame.pc())
                frame = frame.older()
        return found

    def state_id(self):
        return self.epoch.state_id(self.core)

    def interrupted(self):
        return False  # Ctrl-C reaches the signal guard of the session

    def write(self, stream, text):
        gdb.write(text, gdb.STDOUT if stream == door.OUT else gdb.STDERR)

    def flush(self):
        gdb.flush(gdb.STDOUT)


def is_on(setting, automatic):
    """`set refheap SETTING on|off|auto`"""
    return {"on": True, "off": False}.get(gdb.parameter("refheap " + setting), automatic)


class Collected(Host):
    """What GDB lends to a command whose answer is no text for its terminal."""

    def __init__(self, epoch):
        super().__init__(epoch)
        self.text = ""

    def is_terminal(self):
        return False

    def shows_colors(self):
        return False

    def write(self, stream, text):
        self.text += text if stream == door.OUT else ""


def mapping_regions():
    """`info proc mappings` of a process that is not on this machine."""
    rows = []
    try:
        text = with_paths(lambda: gdb.execute("info proc mappings", to_string=True))
    except gdb.error:
        return rows
    for line in text.splitlines():
        match = re.match(r"\s*0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(?:([rwxps-]{4})\s*)?(.*)$", line)
        if match:
            start, end, offset = (int(match.group(i), 16) for i in (1, 2, 3))
            rows.append((start, end, door.mode_flags(match.group(4) or "rw"), offset, match.group(5).strip()))
    return rows


def core_segments():
    """(start, end, flags, is held) of a core's segments as GDB shows them."""
    for line in with_paths(lambda: gdb.execute("maintenance info sections", to_string=True)).splitlines():
        match = re.search(r"0x([0-9a-f]+)->0x([0-9a-f]+) at 0x[0-9a-f]+: load\S* (.*)$", line)
        if match:
            words = match.group(3).split()
            flags = door.READ | (0 if "READONLY" in words else door.WRITE) | (door.EXECUTE if "CODE" in words else 0)
            yield int(match.group(1), 16), int(match.group(2), 16), flags, "HAS_CONTENTS" in words


def core_regions():
    """A core's segments, with the files that its note names."""
    files = [row for row in mapping_regions() if row[4]]
    rows = []
    for start, end, flags, _is_held in core_segments():
        file = next((row for row in files if row[0] <= start < row[1]), None)
        rows.append((start, end, flags, file[3] + start - file[0] if file else 0, file[4] if file else ""))
    return rows


# ---- variables -----------------------------------------------------------------------------------


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


# ---- commands ------------------------------------------------------------------------------------


class Refheap:
    """The loaded engine and its session. One in a process: loading again replaces it."""

    def __init__(self):
        engine = door.Engine()
        self.session = door.Session(engine)
        self.epoch = Epoch()
        self.names = []  # of the commands and $functions that were nobody else's
        register_settings(self.session)
        self.stops = Stops(self.reached)
        for row in engine.commands:
            self.register(row)
        describer = Describer(door.Session(engine), self.epoch)
        gdb.printing.register_pretty_printer(None, Printers(describer), replace=True)
        for row in engine.describes["functions"]:
            if "$" + row["name"] in own_commands() or not is_function(row["name"]):
                function_of(describer, row)
                self.names.append("$" + row["name"])

    def register(self, row):
        """NAME, if that is nobody else's command, and `refheap NAME`; -refheap-NAME for editors."""
        # GDB's lists of commands show the first line.
        text = "%s.\n\nAlso: refheap %s\n\n%s" % (row["summary"][0].upper() + row["summary"][1:], row["name"], row["help"])
        body = {"__doc__": showable(text), "invoke": lambda _command, line, _from_tty: self.invoke(row["name"], line),
                "complete": lambda _command, text, word: self.complete(row, text, word)}
        kind = type("RefheapCommand", (gdb.Command,), body)
        kind("refheap " + row["name"], gdb.COMMAND_DATA)
        if row["name"] in own_commands() or not is_command(row["name"]):
            kind(row["name"], gdb.COMMAND_DATA)
            # GDB may refuse to hand the operand over, and then tells nobody but the user: no answer until there is one.
            gdb.execute("define hook-%s\nset $refheap_status = %d\nend" % (row["name"], door.NO_ANSWER))
            self.names.append(row["name"])
        else:
            gdb.write("refheap: '%s' is another script's command: type 'refheap %s'\n" % (row["name"], row["name"]), gdb.STDERR)
        if hasattr(gdb, "MICommand"):
            body = {"invoke": lambda _command, words: self.invoke_for_machine(row["name"], words)}
            type("RefheapMachineCommand", (gdb.MICommand,), body)("-refheap-" + row["name"])

    def invoke_for_machine(self, name, words):
        """The answer's JSON as values of GDB's machine interface, which knows no null."""
        host = Collected(self.epoch)
        try:
            with utf8():
                status, message = self.session.run(host, name, " ".join(["--json", *words]))
        except (door.DoorError, gdb.error) as error:
            raise gdb.GdbError(showable("%s: %s" % (name, door.one_line(str(error))))) from None
        gdb.set_convenience_variable("refheap_status", status)
        answer = json.loads(host.text) if host.text else {"error": message}
        if "error" in answer:
            raise gdb.GdbError(showable(message))
        return machine_value(answer)

    def close(self):
        self.stops.close()
        self.epoch.close()
        self.session.close()

    def host(self):
        return Host(self.epoch, self.stops)

    def reached(self):
        """The process stands at an instruction of `stops`. Whatever fails here is told: it stops then."""
        try:
            with utf8():
                return self.session.reached(self.host())
        except (door.DoorError, gdb.error) as error:
            gdb.write("%s\n" % showable(door.one_line(str(error))), gdb.STDERR)
            return 0

    def invoke(self, name, line):
        try:
            with utf8():
                status, message = self.session.run(self.host(), name, line)
        except (door.DoorError, gdb.error) as error:
            raise gdb.GdbError(showable("%s: %s" % (name, door.one_line(str(error))))) from None
        gdb.set_convenience_variable("refheap_status", status)
        if status != door.ANSWERED:
            raise gdb.GdbError(showable(message))

    def complete(self, row, text, word):
        """GDB asks twice, first without a word; its word is only the end of the user's last one."""
        last = re.split("[ ,]", text)[-1]
        try:
            whole, expected = self.session.complete(self.host(), row["name"], text)
            if expected == door.EXPECTS_EXPRESSION and last and "#" not in last and word is not None:
                whole += completed_expressions(last)
        except (door.DoorError, gdb.error):
            return gdb.COMPLETE_NONE
        if word is not None and last.endswith(word):
            whole = [each[len(last) - len(word):] for each in whole]
        if whole or expected != door.EXPECTS_EXPRESSION or "#" in last:
            return whole
        return gdb.COMPLETE_EXPRESSION


def machine_value(value):
    """A value of JSON as GDB's machine interface takes it."""
    if isinstance(value, dict):
        return {key: machine_value(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [machine_value(each) for each in value]
    if isinstance(value, (bool, float)) or value is None:
        return json.dumps(value)
    return showable(value) if isinstance(value, str) else value


def own_commands():
    """The names of commands and functions of a script that was loaded before."""
    return getattr(getattr(gdb, "_refheap", None), "names", ())


def is_command(name):
    """Asked so that nothing fails: a program that is just being started would be left running."""
    return name in gdb.execute("complete " + name, to_string=True).splitlines()


def is_function(name):
    value = gdb.convenience_variable(name)
    return value is not None and value.type.code == gdb.TYPE_CODE_INTERNAL_FUNCTION


class RefheapPrefix(gdb.Command):
    """Questions about heaps of objects with reference counts: refheap's, and Python's.

Each is a command of its own, too, where no other script has one of its name."""

    def __init__(self):
        super().__init__("refheap", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)

    def invoke(self, _line, _from_tty):
        gdb.execute("help refheap")


def set_before(name, otherwise):
    """What a setting was in a script that was loaded before."""
    try:
        return gdb.parameter("refheap " + name)
    except RuntimeError:
        return otherwise


def register_settings(session):
    """set/show refheap limit|color|progress"""
    color, progress, limit = set_before("color", "auto"), set_before("progress", "auto"), set_before("limit", LIMIT)
    RefheapPrefix()
    for verb, text in (("set", "Settings of refheap's commands."), ("show", "What refheap's commands are set to.")):
        type("RefheapSettings", (gdb.Command,), {"__doc__": text})(verb + " refheap", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)
    add_setting("color", color, "refheap's answers are coloured (auto: on a terminal)", gdb.PARAM_ENUM, ["auto", "on", "off"])
    add_setting("progress", progress, "refheap shows how far long work is (auto: on a terminal)", gdb.PARAM_ENUM, ["auto", "on", "off"])

    def hand_over(setting):
        session.set_limit(setting.value or 0)
        return ""
    setting = add_setting("limit", limit, "rows of each list of refheap's answers, where --limit says nothing", gdb.PARAM_UINTEGER,
                          get_set_string=hand_over)
    hand_over(setting)


def add_setting(name, value, text, *kind, get_set_string=lambda _setting: ""):
    body = {"__doc__": text[0].upper() + text[1:] + ".", "get_set_string": get_set_string,
            "get_show_string": lambda _setting, shown: "%s: %s" % (text, shown)}
    body["set_doc"] = body["show_doc"] = body["__doc__"]
    setting = type("RefheapSetting", (gdb.Parameter,), body)("refheap " + name, gdb.COMMAND_DATA, *kind)
    setting.value = value
    return setting


def completed_expressions(word):
    """GDB's own completions of a word of an expression, members too: of its commands, `print` completes expressions.
    Of names, the program's own variables; where none begins so, those of its libraries and whatever else GDB knows."""
    with Setting("max-completions", COMPLETED_MAX):
        lines = gdb.execute("complete print " + word, to_string=True).splitlines()
    found = [line.partition(" ")[2] for line in lines if "***" not in line]
    own = set(found) if not re.fullmatch(r"\w+", word) else own_names(found)
    own = [name for name in found if name in own]
    return own or found[:gdb.parameter("max-completions") or COMPLETED_MAX]


def own_names(names):
    """Of these, the variables of the selected frame, and of files that are not of the system's libraries."""
    space, own = gdb.current_progspace(), set()
    files = [file for file in space.objfiles() if file.filename
             and (file.filename == space.filename or not file.filename.startswith(SYSTEM_FOLDERS))]
    try:
        own.update(symbol.name for symbol in variables_of(gdb.selected_frame())
                   if symbol.symtab is not None and symbol.symtab.objfile in files)
    except gdb.error:
        pass  # no frame is selected
    for file in files:
        symbols = [file.lookup_global_symbol(name) or file.lookup_static_symbol(name) for name in names]
        own.update(symbol.name for symbol in symbols if symbol is not None and symbol.is_variable)
    return own


def load():
    """GDB shows a traceback for whatever a sourced script raises, so a failure is told and not raised."""
    if door is None:
        gdb.write(shared_is_missing() + "\n", gdb.STDERR)
        return
    try:
        loaded = Refheap()
    except door.DoorError as error:
        gdb.write("%s\n" % error, gdb.STDERR)
        return
    earlier = getattr(gdb, "_refheap", None)
    if earlier is not None:
        earlier.close()
    gdb._refheap = loaded


load()
