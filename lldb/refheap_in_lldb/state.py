"""state.py - when LLDB's target changed.

Invariant: the number of a state is given again only where nothing ran and nobody wrote memory or general registers.
"""

import lldb
import refheap_door as door

from .registers import general_registers


class Epoch:
    """Counts what may change the target; the engine's caches live as long as its number. LLDB counts stops and calls. It
    sends no event for a write, but a part of a value is read again after any write to the process. So a value is held
    that differs from the part that was read of it: the part changes when somebody has written, and not before."""

    def __init__(self):
        self.number, self.state = 0, None
        self.value = self.part = self.registers = None

    def state_id(self, target, process, core):
        state = process.GetUniqueID(), process.GetStopID(True), core, door.file_stamp(core)
        if state != self.state or core is None and (self.was_written() or self.has_other_registers(process)):
            self.number, self.state, self.registers = self.number + 1, state, None
            if core is None:
                self.hold(target)
        return self.number

    def was_written(self):
        return self.part is None or self.part.GetValueDidChange()

    def has_other_registers(self, process):
        return self.registers is not None and self.registers != all_registers(process)

    def hold(self, target):
        kind = target.GetBasicType(lldb.eBasicTypeUnsignedLong).GetArrayType(1)
        self.value = target.CreateValueFromData("refheap", number_data(target, 0), kind)
        self.part = self.value.GetChildAtIndex(0)
        self.part.GetValueDidChange()  # it is read
        if not self.part.IsValid() or not self.value.SetData(number_data(target, 1), lldb.SBError()):
            self.part = None

    def tell_registers(self, process):
        """The engine is told of them."""
        if self.part is not None:
            self.registers = all_registers(process)


class Session(door.Session):
    """A session of the engine, and what it knows of its target's state."""

    def __init__(self, engine):
        super().__init__(engine)
        self.epoch = Epoch()


def number_data(target, number):
    return lldb.SBData.CreateDataFromUInt64Array(target.GetByteOrder(), target.GetAddressByteSize(), [number])


def all_registers(process):
    """Not those of vectors: to ask for them takes four times as long."""
    return [list(general_registers(thread.GetFrameAtIndex(0))) for thread in process]
