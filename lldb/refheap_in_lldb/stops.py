"""stops.py - stopping at instructions that the engine named, and which frame is selected then."""

import lldb
import refheap_door as door

from .host import Host
from .loaded import loaded_in


class Screen:
    """Takes whole lines to be shown, where no command is run that could have a result."""

    def __init__(self, debugger):
        self.file = debugger.GetOutputFile()

    def PutCString(self, text):
        self.file.Write(text.encode("utf-8", "replace"))
        self.file.Flush()


class Stops:
    """The instructions where processes stop. LLDB keeps breakpoints when a process ends, and they may be those of the
    next one: what belongs to none that is known is switched off where it is reached."""

    def __init__(self, script):
        self.callback = script + ".reached"
        self.of = {}  # by the unique numbers of processes: [(target, breakpoint)]

    def set(self, target, process, instructions):
        for number in list(self.of):
            if number == process.GetUniqueID() or any(each == target for each, _point in self.of[number]):
                self.drop(number)
        for address in instructions:
            point = target.BreakpointCreateByAddress(address)
            point.AddName("refheap")
            point.SetScriptCallbackFunction(self.callback)
            self.of.setdefault(process.GetUniqueID(), []).append((target, point))

    def drop(self, number):
        for target, point in self.of.pop(number):
            if target.IsValid() and point.IsValid():
                target.BreakpointDelete(point.GetID())

    def close(self):
        for number in list(self.of):
            self.drop(number)


def reached(frame, location, _dictionary):
    """LLDB's callback: does the process stop here? The frame is selected that the engine says."""
    process = frame.GetThread().GetProcess()
    debugger = process.GetTarget().GetDebugger()
    own = loaded_in(debugger)
    if own is None or process.GetUniqueID() not in own.stops.of:
        location.GetBreakpoint().SetEnabled(False)
        return False
    try:
        session = own.session
        level = session.reached(Host(debugger, lldb.SBExecutionContext(frame), Screen(debugger), session.epoch))
    except Exception as error:  # it is told, and the process stops
        tell(debugger, door.one_line(str(error)) or type(error).__name__)
        level = 0
    if level != door.GO_ON:
        frame.GetThread().SetSelectedFrame(level)
    return level != door.GO_ON


def tell(debugger, text):
    errors = debugger.GetErrorFile()
    errors.Write(("error: %s\n" % text).encode())
    errors.Flush()
