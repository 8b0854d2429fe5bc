"""host.py - what LLDB lends the engine: memory, threads, expressions, names, its terminal."""

import mmap
import os

import lldb
import refheap_door as door

from .expressions import expression_value, looked_up, value_number
from .files import file_path, mapped_core, mapped_end, size_of, status_number
from .loaded import loaded_in
from .names import frames_of, name_data_word, namer
from .regions import listed_regions
from .registers import general_registers, lone_registers, vector_registers


class Host:
    """What LLDB lends. Made for one command."""

    def __init__(self, debugger, context, result, epoch):
        self.debugger, self.result, self.epoch = debugger, result, epoch
        self.rest = ""  # of a line of output
        self.target = context.GetTarget() if context else debugger.GetSelectedTarget()
        self.process = context.GetProcess() if context else self.target.GetProcess()
        self.is_core = self.process.IsValid() and "core" in (self.process.GetPluginName() or "")
        self.mapped = mapped_end(self.core_path())
        self.frame = lldb.SBFrame()
        if not self.is_cut():
            self.frame = context.GetFrame() if context else self.process.GetSelectedThread().GetSelectedFrame()

    def core_path(self):
        if not self.is_core:
            return None
        if hasattr(self.process, "GetCoreFile"):
            return file_path(self.process.GetCoreFile())
        cores = [each for each in self.debugger if "core" in (each.GetProcess().GetPluginName() or "")]
        return mapped_core(self.process.GetUniqueID()) if len(cores) == 1 else None

    def is_cut(self):
        """Was the core cut off since LLDB has mapped it? To touch what is missing would end LLDB."""
        return self.mapped > 0 and size_of(self.core_path()) + mmap.PAGESIZE <= self.mapped  # whole pages are mapped

    def exe_path(self):
        return file_path(self.target.GetExecutable()) if self.target.IsValid() else None

    def pid(self):
        return self.process.GetProcessID() if self.is_native() else 0

    def is_native(self):
        """Is the process one of this machine? LLDB drives a local one through a server that it starts
        itself, and calls it remote all the same: so ask the kernel who traces it."""
        if self.is_core or not self.process.IsValid():
            return False
        tracer = status_number(self.process.GetProcessID(), "TracerPid")
        return bool(tracer) and os.getpid() in (tracer, status_number(tracer, "PPid"))

    def is_terminal(self):
        return os.isatty(2)

    def shows_colors(self):
        return door.terminal_has_colors() and self.debugger.GetUseColor()

    def read(self, address, size):
        if self.is_cut():
            return b""
        error = lldb.SBError()  # a fresh one: a used one stays failed
        data = self.process.ReadMemory(address, size, error) if self.process.IsValid() else None
        return data or b""

    def regions(self):
        if self.pid():
            return door.process_regions(self.pid())
        return listed_regions(self.target, self.process) if self.process.IsValid() else []

    def threads(self):
        if self.is_cut():
            return
        self.epoch.tell_registers(self.process)
        for thread in sorted(self.process, key=lambda each: each.GetThreadID()):
            frame = thread.GetFrameAtIndex(0)
            if frame.IsValid():
                values = list(general_registers(frame)) + list(lone_registers(frame)) + list(door.vector_words(vector_registers(frame)))
                yield thread.GetThreadID(), frame.GetSP(), values

    def evaluate(self, text):
        self.refuse_cut()
        target = self.target if self.target.IsValid() else self.debugger.GetDummyTarget()
        value = looked_up(text, target, self.frame) or expression_value(text, target, self.frame)
        return value_number(value, text, target, self.frame)

    def evaluate_in(self, lwp, level, text):
        self.refuse_cut()
        frame = self.process.GetThreadByID(lwp).GetFrameAtIndex(level) if lwp else self.frame
        if lwp and not frame.IsValid():
            raise door.DoorError("that frame is gone")
        value = looked_up(text, self.target, frame)
        if value is None:
            raise door.DoorError("it would have to be evaluated")
        return value_number(value, text, self.target, frame)

    def refuse_cut(self):
        if self.is_cut():
            raise door.DoorError("the core file was cut off: LLDB cannot evaluate anything")

    def name(self, words, is_stopped):
        if self.is_cut():
            return
        on_stack = {}
        for word in words:
            if word.is_stack:
                on_stack.setdefault(word.lwp, []).append(word)
        for lwp, each in on_stack.items():
            thread = self.process.GetThreadByID(lwp)
            if thread.IsValid():
                yield from door.name_stack_words(each, frames_of(thread, is_stopped), namer(is_stopped))
        for word in words:
            if not word.is_stack and not is_stopped():
                yield from name_data_word(self.target, word)

    def can_write(self):
        return self.process.IsValid() and not self.is_core and self.process.GetState() == lldb.eStateStopped

    def write_memory(self, address, data):
        error = lldb.SBError()
        return self.process.WriteMemory(address, data, error) == len(data) and error.Success()

    def stop_at(self, instructions):
        loaded_in(self.debugger).stops.set(self.target, self.process, instructions)

    def frames(self, most):
        """LLDB shows a function into which another one was inlined at the line of that call, not at its instruction."""
        found, is_inlined = [], False
        while len(found) < most:
            frame = self.frame.GetThread().GetFrameAtIndex(len(found))
            if not frame.IsValid():
                break
            found.append(found[-1] if is_inlined else frame.GetPC())
            is_inlined = frame.IsInlined()
        return found

    def state_id(self):
        return self.epoch.state_id(self.target, self.process, self.core_path())

    def interrupted(self):
        if hasattr(self.debugger, "InterruptRequested"):
            return self.debugger.InterruptRequested()
        return self.debugger.GetCommandInterpreter().WasInterrupted()

    def write(self, stream, text):
        if stream == door.OUT:
            # PutCString ends what it gets with a newline, wherever the engine cut its output.
            whole, newline, self.rest = (self.rest + text).rpartition("\n")
            if newline:
                self.result.PutCString(whole + newline)
        else:
            errors = self.debugger.GetErrorFile()  # sys.stderr may be redirected to the output
            errors.Write(text.encode("utf-8", "replace"))
            errors.Flush()

    def flush(self):
        """LLDB prints an answer when its command has ended: one that is lost is known to the next command."""
