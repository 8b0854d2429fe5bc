"""refheap_door.py - what the doors of all debuggers share: the engine, wrapped for Python.

Finds librefheap-inspect, checks its ABI, and turns a `host` (an object of a door that lends memory,
names and a terminal) into the callbacks of struct rhi_target. The only file of refheap with ctypes;
it knows no debugger.

Invariant: no exception ever passes through the engine. ctypes drops an exception that leaves a
callback and returns garbage to C, so every callback catches everything, keeps the first exception,
returns a failure, and reports itself interrupted from then on; run() raises it again afterwards.
"""

import codecs
import ctypes
import glob
import json
import os
import re
import signal
import threading

ABI = 2
LIBRARY = "librefheap-inspect.so"
CHUNK_BYTES = 1 << 20  # debuggers read slower in larger pieces
MASK = (1 << 64) - 1
WORD = 8  # bytes
PATH_DEPTH_MAX = 32
RED_ZONE_BYTES = 128  # below the stack pointer a leaf function may keep variables

ANSWERED, FOUND, NO_ANSWER = 0, 1, 2
OUT, ERROR = 1, 2
LOCAL, GLOBAL = 1, 2
READ, WRITE, EXECUTE, SHARED = 4, 2, 1, 8
TERMINAL, COLOR = 1, 4
QUIET_ERRORS, LIMIT = 1, 3
GO_ON = -1
EXPECTS_NOTHING, EXPECTS_EXPRESSION, EXPECTS_FILE = 0, 1, 2
NOTHING = {"text": None, "children": (), "children_total": 0, "is_live": False, "functions": {}, "undecided": None}
NESTED_MAX = 32  # structs that begin with structs
PAGE = 200  # children that are asked for at once, at first


class DoorError(Exception):
    """What went wrong, in one line for the user."""


class Word(ctypes.Structure):
    _fields_ = [
        ("address", ctypes.c_uint64),
        ("is_stack", ctypes.c_uint32),
        ("kind", ctypes.c_uint32),
        ("lwp", ctypes.c_uint64),
        ("name", ctypes.c_char * 192),
        ("function", ctypes.c_char * 96),
        ("type", ctypes.c_char * 96),
        ("frame", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    ]


_READ = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64)
_REPORT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_EVALUATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint64),
                             ctypes.c_void_p, ctypes.c_uint64)
_EVALUATE_IN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_char_p,
                                ctypes.POINTER(ctypes.c_uint64), ctypes.c_void_p, ctypes.c_uint64)
_NAME = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Word), ctypes.c_uint64)
_STATE_ID = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)
_INTERRUPTED = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_WRITE = _READ
_STOP_AT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64), ctypes.c_uint64)
_FRAMES = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64), ctypes.c_uint64)
_EMIT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64)


class Target(ctypes.Structure):
    _fields_ = [
        ("abi", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("core_path", ctypes.c_char_p),
        ("exe_path", ctypes.c_char_p),
        ("pid", ctypes.c_int64),
        ("read", _READ),
        ("regions", _REPORT),
        ("threads", _REPORT),
        ("evaluate", _EVALUATE),
        ("name", _NAME),
        ("state_id", _STATE_ID),
        ("interrupted", _INTERRUPTED),
        ("emit", _EMIT),
        ("evaluate_in", _EVALUATE_IN),
        ("ops", ctypes.c_void_p),
        ("write", _WRITE),
        ("stop_at", _STOP_AT),
        ("frames", _FRAMES),
        ("reserved", ctypes.c_void_p * 3),
    ]


# ---- the engine ----------------------------------------------------------------------------------


def engine_candidates(here):
    """Where the engine may be, best first, seen from the folder of this file."""
    yield os.path.join(here, LIBRARY)  # `cmake --install` leaves a link
    yield os.path.join(here, "..", "..", "build", "inspect", LIBRARY)


def load_engine(here):
    """The engine's library, its ABI checked. DoorError says what was tried."""
    chosen = os.environ.get("REFHEAP_INSPECT")
    if chosen:
        return check_engine(chosen, "$REFHEAP_INSPECT")
    for path in engine_candidates(here):
        if os.path.exists(path):
            return check_engine(os.path.realpath(path), "found near " + here)
    try:
        return check_engine("%s.%d" % (LIBRARY, ABI), "by the dynamic loader")
    except DoorError as error:
        raise DoorError("refheap: no %s: build the project, or set REFHEAP_INSPECT to its path (%s)"
                        % (LIBRARY, error)) from None


def check_engine(path, origin):
    try:
        library = ctypes.CDLL(path)
        found = library.rhi_abi()
    except (OSError, AttributeError) as error:
        raise DoorError("refheap: cannot load the engine (%s): %s" % (origin, error)) from None
    if found != ABI:
        raise DoorError("refheap: %s speaks ABI %d, this script ABI %d: install both from one release"
                        % (path, found, ABI))
    return library


class Engine:
    """The loaded library with its functions typed, and its table of commands."""

    def __init__(self, here=None):
        lib = load_engine(here or os.path.dirname(os.path.realpath(__file__)))
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64
        target = ctypes.POINTER(Target)
        signatures = {
            "rhi_sink_region": (None, [pointer, number, number, ctypes.c_uint32, number, text]),
            "rhi_sink_thread": (None, [pointer, number, number]),
            "rhi_sink_register": (None, [pointer, text, number]),
            "rhi_session_new": (pointer, []),
            "rhi_session_free": (None, [pointer]),
            "rhi_session_run": (ctypes.c_int, [pointer, target, text, text]),
            "rhi_session_reached": (ctypes.c_int, [pointer, target]),
            "rhi_session_error": (text, [pointer]),
            "rhi_session_set": (None, [pointer, ctypes.c_int, ctypes.c_int]),
            "rhi_commands": (text, []),
            "rhi_session_describe": (text, [pointer, target, number, number, number]),
            "rhi_describes": (text, []),
            "rhi_complete": (ctypes.c_size_t, [pointer, target, text, text, ctypes.c_char_p, ctypes.c_size_t]),
            "rhi_expects": (ctypes.c_int, [text, text]),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(lib, name, None)
            if function is None:
                raise DoorError("refheap: %s is older than this script, it has no %s: install both from one release"
                                % (lib._name, name))
            function.restype, function.argtypes = result, arguments
        self.lib = lib
        self.commands = json.loads(lib.rhi_commands().decode())
        self.describes = json.loads(lib.rhi_describes().decode())


# ---- a host as struct rhi_target -----------------------------------------------------------------


class SignalGuard:
    """While the engine runs, Ctrl-C sets a flag instead of raising KeyboardInterrupt.

    Python delivers a pending SIGINT at the first instruction of the next callback, in front of any
    `try` in it, where ctypes would drop it. signal.signal() alone would also take the process's own
    handler away from the debugger, so that one is put back with sigaction: the debugger keeps seeing
    the signal, forwards it to Python as always, and only Python's reaction differs.
    """

    def __init__(self, react):
        self.react = react
        self.before = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT)):
            self.before = self.exchange(lambda _signal, _frame: self.react())
        return self

    def __exit__(self, *_exception):
        if self.before is not None:
            self.exchange(self.before)
            self.before = None
        return False

    @staticmethod
    def exchange(handler):
        libc = ctypes.CDLL(None)
        action = ctypes.create_string_buffer(512)  # struct sigaction is smaller everywhere
        libc.sigaction(ctypes.c_int(signal.SIGINT), None, action)
        before = signal.signal(signal.SIGINT, handler)
        libc.sigaction(ctypes.c_int(signal.SIGINT), action, None)
        return before


def read_prefix(read, address, size, deliver):
    """Reads [address, address + size) in pieces, halving them where one fails; returns how many
    bytes could be read from the start on. read(address, size) gives bytes, fewer or none at a hole."""
    done, step = 0, min(size, CHUNK_BYTES)
    while done < size and step > 0:
        want = min(step, size - done)
        data = read(address + done, want)
        got = min(len(data), want)
        if got:
            deliver(done, data, got)
            done += got
        if got < want:
            step = (want - got) // 2
    return done


class Lent:
    """struct rhi_target over a host. Keep it alive during the engine's call.

    A host offers: core_path(), exe_path(), pid(), is_terminal(), shows_colors(),
    read(address, size), regions(), threads(), evaluate(text), evaluate_in(lwp, level, text), name(words, is_stopped), state_id(),
    interrupted(), write(stream, text), flush(), can_write(), write_memory(address, data), stop_at(instructions), frames(max).
    """

    def __init__(self, engine, host):
        self.engine, self.host = engine, host
        self.failure = None      # the first exception of a callback
        self.is_stopped = False  # set by Ctrl-C and by failures: work no more
        self.decoders = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in (OUT, ERROR)}
        target = Target()
        target.abi = ABI
        target.flags = (TERMINAL if host.is_terminal() else 0) | (COLOR if host.shows_colors() else 0)
        target.core_path = encoded(host.core_path())
        target.exe_path = encoded(host.exe_path())
        target.pid = host.pid() or 0
        target.read = _READ(self.guarded(self.on_read, 0))
        target.regions = _REPORT(self.guarded(self.on_regions, -1))
        target.threads = _REPORT(self.guarded(self.on_threads, -1))
        target.evaluate = _EVALUATE(self.guarded(self.on_evaluate, -1))
        target.evaluate_in = _EVALUATE_IN(self.guarded(self.on_evaluate_in, -1))
        target.name = _NAME(self.guarded(self.on_name, -1))
        target.state_id = _STATE_ID(self.guarded(self.on_state_id, 0))
        target.interrupted = _INTERRUPTED(self.guarded(self.on_interrupted, 1))
        target.emit = _EMIT(self.guarded(self.on_emit, None))
        if host.can_write():
            target.write = _WRITE(self.guarded(self.on_write, 0))
            target.stop_at = _STOP_AT(self.guarded(self.on_stop_at, -1))
            target.frames = _FRAMES(self.guarded(self.on_frames, 0))
        self.target = target

    def guarded(self, function, failed):
        def callback(_context, *arguments):
            try:
                return function(*arguments)
            except BaseException as error:  # nothing may reach ctypes, see the top
                if isinstance(error, Exception) and is_gone(self.target.pid):
                    return failed  # the engine says so, with whatever it was asked
                self.is_stopped = True
                if self.failure is None:
                    self.failure = error
                return failed
        return callback

    def stop(self):
        self.is_stopped = True

    def on_read(self, address, buffer, size):
        if self.is_stopped:
            return 0

        def deliver(offset, data, count):
            ctypes.memmove(buffer + offset, addressable(data), count)
        return read_prefix(self.host.read, address, size, deliver)

    def on_regions(self, sink):
        for start, end, flags, offset, path in self.host.regions():
            self.engine.lib.rhi_sink_region(sink, start, end, flags, offset, encoded(path or ""))
        return 0

    def on_threads(self, sink):
        for lwp, stack_pointer, registers in self.host.threads():
            self.engine.lib.rhi_sink_thread(sink, lwp, stack_pointer & MASK)
            for name, value in registers:
                self.engine.lib.rhi_sink_register(sink, encoded(name), value & MASK)
        return 0

    def on_evaluate(self, text, value, error, error_size):
        return self.answer(lambda: self.host.evaluate(text.decode("utf-8", "surrogateescape")), value, error, error_size)

    def on_evaluate_in(self, lwp, level, text, value, error, error_size):
        return self.answer(lambda: self.host.evaluate_in(lwp, level, text.decode("utf-8", "surrogateescape")),
                           value, error, error_size)

    @staticmethod
    def answer(evaluate, value, error, error_size):
        try:
            value[0] = evaluate() & MASK
            return 0
        except DoorError as reason:
            line = encoded(one_line(str(reason)))[:max(error_size - 1, 0)]
            if error_size:
                ctypes.memmove(error, line + b"\0", len(line) + 1)
            return -1

    def on_name(self, words, count):
        asked = [words[i] for i in range(count)]
        for word, kind, name, function, type_name, level in self.host.name(asked, lambda: self.is_stopped):
            word.kind, word.frame = kind, level
            word.name, word.function, word.type = encoded(name)[:191], encoded(function)[:95], encoded(type_name)[:95]
        return 0

    def on_state_id(self):
        return self.host.state_id() & MASK

    def on_interrupted(self):
        return 1 if self.is_stopped or self.host.interrupted() else 0

    def on_write(self, address, data, size):
        return size if self.host.write_memory(address, ctypes.string_at(data, size)) else 0

    def on_stop_at(self, instructions, count):
        self.host.stop_at([instructions[i] for i in range(count)])
        return 0

    def on_frames(self, instructions, most):
        found = self.host.frames(most)
        for i, address in enumerate(found):
            instructions[i] = address & MASK
        return len(found)

    def on_emit(self, stream, text, size):
        # After a failed write (the user left the pager) there is nobody to write for.
        if size and not isinstance(self.failure, KeyboardInterrupt):
            self.host.write(stream, self.decoders[stream].decode(ctypes.string_at(text, size)))


def output_failed(flush):
    """Is standard output full, or closed? Debuggers do not say, but they write through the C library, which marks
    its stream then. The mark is taken away: the next answer may fit."""
    libc = ctypes.CDLL(None)
    stream = ctypes.c_void_p.in_dll(libc, "stdout")
    flush()
    failed = libc.fflush(stream) != 0 or libc.ferror(stream) != 0
    if failed:
        libc.clearerr(stream)
    return failed


def terminal_has_colors():
    return os.isatty(1) and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def addressable(data):
    if isinstance(data, bytes):
        return data
    try:
        return (ctypes.c_char * len(data)).from_buffer(data)
    except TypeError:
        return bytes(data)


def encoded(text):
    return None if text is None else text.encode("utf-8", "surrogateescape")


def one_line(text):
    return " ".join(text.split())


def quoted(word):
    """A word of a command, so that the engine reads it as one: of an option, its value."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if re.search(r"[\s'\"]", value):
        value = '"%s"' % re.sub(r'(["\\])', r"\\\1", value)
    return option + equals + value


class Session:
    """One session of the engine, for the life of a debugger."""

    def __init__(self, engine):
        self.engine = engine
        self.handle = engine.lib.rhi_session_new()
        if not self.handle:
            raise DoorError("refheap: memory is short")
        engine.lib.rhi_session_set(self.handle, QUIET_ERRORS, 1)
        self.lent = None  # of what is described

    def set_limit(self, limit):
        """Rows of each list where a command says nothing; None: the engine's own."""
        self.engine.lib.rhi_session_set(self.handle, LIMIT, -1 if limit is None else limit)

    def close(self):
        if self.handle:
            self.engine.lib.rhi_session_free(self.handle)
            self.handle = None

    def run(self, host, command, line):
        """Runs one command; returns (status, the line to fail with). Exceptions of the host's
        callbacks come out of here, but an interrupt that the engine answered is an answer."""
        lent = Lent(self.engine, host)
        with SignalGuard(lent.stop):
            status = self.engine.lib.rhi_session_run(self.handle, ctypes.byref(lent.target), encoded(command),
                                                     encoded(line))
        message = self.engine.lib.rhi_session_error(self.handle).decode("utf-8", "replace")
        if output_failed(host.flush):
            status, message = NO_ANSWER, "%s: the answer could not be written in full" % command
        if isinstance(lent.failure, KeyboardInterrupt):
            if status == ANSWERED or not message:
                raise lent.failure
        elif lent.failure is not None:
            raise lent.failure
        if status != ANSWERED and not message:
            message = "%s: %s" % (command, "--check found something" if status == FOUND
                                   else "--check found nothing, but not everything could be looked at")
        return status, message

    def describe(self, host, address, children=0, characters=PAGE):
        """What the engine says of the address that a variable holds, see rhi_session_describe; NOTHING if that is nothing.
        A host that is handed in again stands for the same target, whatever that did meanwhile."""
        if self.lent is None or self.lent.host is not host:
            self.lent = Lent(self.engine, host)
        self.lent.failure, self.lent.is_stopped = None, False
        text = self.engine.lib.rhi_session_describe(self.handle, ctypes.byref(self.lent.target), address & MASK, children,
                                                    characters)
        if isinstance(self.lent.failure, KeyboardInterrupt):
            raise self.lent.failure
        return json.loads(text) if text else NOTHING

    def reached(self, host):
        """The process stands at an instruction of stop_at: the frame to be selected, or GO_ON."""
        lent = Lent(self.engine, host)
        with SignalGuard(lent.stop):
            level = self.engine.lib.rhi_session_reached(self.handle, ctypes.byref(lent.target))
        message = self.engine.lib.rhi_session_error(self.handle).decode("utf-8", "replace")
        if lent.failure is not None or message:
            raise lent.failure or DoorError(message)
        return level

    def complete(self, host, command, line):
        """Whole words that may end `line`, and what else may (EXPECTS_…)."""
        lent = Lent(self.engine, host)
        buffer = ctypes.create_string_buffer(1 << 16)
        self.engine.lib.rhi_complete(self.handle, ctypes.byref(lent.target), encoded(command), encoded(line), buffer,
                                     len(buffer))
        words = [word for word in buffer.value.decode("utf-8", "replace").split("\n") if word]
        expected = self.engine.lib.rhi_expects(encoded(command), encoded(line))
        if expected == EXPECTS_FILE:
            words += files_like(re.split(r"[ \t,]", line)[-1])
        return words, expected


def files_like(word):
    """Whole words for a file's name that stands alone, or behind an option's `=`."""
    option, equals, name = word.rpartition("=")
    found = sorted(glob.glob(glob.escape(os.path.expanduser(name)) + "*"))
    return [option + equals + path + ("/" if os.path.isdir(path) else "") for path in found]


# ---- what both doors need ------------------------------------------------------------------------


def is_gone(pid):
    """Was there a process of this machine, and is nothing left of its memory?"""
    try:
        with open("/proc/%d/maps" % pid, "rb") as maps:
            return not maps.read(1)
    except OSError:
        return pid > 0


def process_regions(pid):
    """The rows of /proc/PID/maps as regions."""
    rows = []
    with open("/proc/%d/maps" % pid, encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            span, mode, offset, _device, _inode, *path = line.rstrip("\n").split(None, 5)
            start, end = (int(part, 16) for part in span.split("-"))
            rows.append((start, end, mode_flags(mode), int(offset, 16), path[0] if path else ""))
    return rows


def mode_flags(mode):
    """Region flags of "rw-p"."""
    return sum(flag for letter, flag in (("r", READ), ("w", WRITE), ("x", EXECUTE), ("s", SHARED)) if letter in mode)


VECTOR = re.compile(r"([xyz]mm|v)(\d+)$")


def vector_words(registers):
    """The halves of 8 bytes of vector registers that are not 0: ("xmm3[1]", number), with the names that the engine
    gives them. registers: (name, bytes) of each, in any order; of several that overlap the widest is enough."""
    widest = {}
    for name, data in registers:
        match = VECTOR.match(name)
        if match and len(data) > len(widest.get(match.group(2), ("", b""))[1]):
            widest[match.group(2)] = (match.group(1), data)
    for number, (kind, data) in widest.items():
        for i in range(len(data) // 8):
            value = int.from_bytes(data[8 * i:8 * i + 8], "little")
            if value:
                name = kind if kind == "v" else "xyz"[(i >= 2) + (i >= 4)] + "mm"
                yield "%s%s[%d]" % (name, number, i), value


def file_stamp(path):
    """Changes when another file is found under this path."""
    try:
        status = os.stat(path)
    except (OSError, TypeError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def member_path(view, kind, offset, depth=0):
    """The text behind a variable's name that leads to the byte at `offset` of a value of type `kind`, the
    type of what lies there, and whether that is a pointer: (".slots[3]", type, True). One walk for all
    debuggers, so that they spell a place alike. view.element(kind) gives (type, bytes) of an array's
    elements or None, view.members(kind) a list of (name, offset, size, type) or None,
    view.is_pointer(kind) a truth, view.text(kind) its name."""
    if depth < PATH_DEPTH_MAX:
        element = view.element(kind)
        if element and element[1]:
            inner, *rest = member_path(view, element[0], offset % element[1], depth + 1)
            return "[%d]%s" % (offset // element[1], inner), *rest
        best = None
        for name, start, size, member in view.members(kind) or ():
            if start <= offset < start + size:
                inner, *rest = member_path(view, member, offset - start, depth + 1)
                found = ("." + name if name else "") + inner, *rest
                if found[2]:
                    return found  # of a union, the member that holds a pointer here
                best = best or found
        if best:
            return best
    return ("+%d" % offset if offset else ""), kind, offset == 0 and view.is_pointer(kind)


PLACE, STEP = re.compile(r"\w+(\.\w+|\[\d+\])*"), re.compile(r"([A-Za-z_]\w*)|\[(\d+)\]")


def steps_to(name):
    """The members and indices of "items[3]", "entries[3].key", as one takes them in turn; none of a phrase."""
    if not PLACE.fullmatch(name):
        return []
    return [word or int(number) for word, number in STEP.findall(name)]


def pages_of(describe, most):
    """The children of an object, asked for in pages, each larger than those before: describe(limit)."""
    done, limit = 0, min(most, PAGE)
    while True:
        said = describe(limit)
        yield from said["children"][done:]
        done = len(said["children"])
        if done >= min(said["children_total"], most) or done < limit:
            return
        limit = min(limit * 4, most)


def with_bounds(frames):
    """From (level, frame, stack pointer), newest first: (level, frame, low, high), so that the words of
    a frame lie in [low, high). Frames inlined into one share its bounds."""
    waiting, low = [], 0
    for level, frame, pointer in frames:
        if waiting and pointer > low:
            yield from ((*each, low, pointer) for each in waiting)
            waiting = []
        if not waiting:
            low = pointer - RED_ZONE_BYTES if level == 0 else pointer
        waiting.append((level, frame))
    yield from ((*each, low, MASK) for each in waiting)


def first_of_each(named):
    """Of several variables at one word, the first: that of the innermost scope."""
    seen = set()
    for row in named:
        if row[0].address not in seen:
            seen.add(row[0].address)
            yield row


def name_stack_words(words, frames, name_in_frame):
    """Names words in the stack of one thread by name_in_frame(words, level, frame), looking at no frame
    without words. Arguments passed in memory lie in the caller's part of the stack: a frame is asked
    for the words of the next older one too."""
    left, before = sorted(words, key=lambda word: word.address), None
    for level, frame, low, high in with_bounds(frames):
        inside = [word for word in left if low <= word.address < high]
        if inside:
            named = list(name_in_frame(inside, level, frame))
            found = {word.address for word, *_ in named}
            if before is not None:
                named += name_in_frame([word for word in inside if word.address not in found], *before)
                found = {word.address for word, *_ in named}
            yield from first_of_each(named)
            left = [word for word in left if word.address not in found]
        if not left or left[-1].address < low:
            return
        before = level, frame


def name_extent(words, start, size, view, kind, name, owner=None):
    """The rows of the words inside one variable; owner: (function, level) of a local. No word is that of a variable of one
    word that begins in the midst of it: such a place is of what a pointer leads to, where the pointer itself is nowhere."""
    if size <= WORD and start % WORD:
        return
    for word in words:
        if start <= word.address < start + size:
            path, inner, _is_pointer = member_path(view, kind, word.address - start)
            yield word, LOCAL if owner else GLOBAL, name + path, *((owner[0], view.text(inner), owner[1]) if owner
                                                                   else ("", view.text(inner), 0))
