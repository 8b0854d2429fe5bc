"""host.py - what GDB lends the engine: memory, threads, expressions, names, its terminal."""

import contextlib
import os
import re

import gdb
import refheap_door as door

from .names import frames_of, name_data_word, name_in_frame, value_number
from .regions import core_regions, core_segments, mapping_regions
from .state import Place, with_paths, without_calls
from .threads import integer, mmx, stopped_threads, unlisted, vector_names, vector_bytes


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
                values += unlisted(frame)
                values = [row for row in values if row[1] is not None]
                values += mmx()
                values += door.vector_words((name, data) for name in vector_names(frame) for data in vector_bytes(frame, name))
                yield lwp, integer(frame.read_register("sp")) or 0, values

    def evaluate(self, text):
        try:
            return value_number(gdb.parse_and_eval(text), "'%s'" % text)
        except gdb.error as error:
                raise door.DoorError(str(error)) from None

    def evaluate_in(self, lwp, level, text):
        with Place():
            if not lwp:
                return self.evaluate_quietly(text)
            frame = next((each for _lwp, each in stopped_threads([lwp])), None)
            while frame is not None and level > 0:
                frame, level = frame.older(), level - 1
            if frame is None:
                raise door.DoorError("that frame is gone")
            frame.select()
            return self.evaluate_quietly(text)

    def evaluate_quietly(self, text):
        with without_calls():
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
