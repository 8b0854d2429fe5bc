"""registers.py - the registers of a frame."""

import re

import lldb
import refheap_door as door

ARM_NAMES = {"fp": "x29", "lr": "x30"}  # as everybody else calls them
LONE = re.compile(r"(mm|k)([0-7])$")


def general_registers(frame):
    for register_set in frame.GetRegisters():
        if "general" in (register_set.GetName() or "").lower():
            for register in register_set:
                if register.GetByteSize() == 8:
                    name = register.GetName()
                    yield ARM_NAMES.get(name, name), register.GetValueAsUnsigned()


def lone_registers(frame):
    """Those of MMX, and the masks of AVX-512, that hold something. LLDB numbers those of MMX as x87's stack, whose top is in
    its status word."""
    top = frame.FindRegister("fstat").GetValueAsUnsigned() >> 11 & 7
    for register_set in frame.GetRegisters():
        for register in register_set:
            match = LONE.match(register.GetName() or "")
            if match and register.GetByteSize() == 8 and register.GetValueAsUnsigned():
                kind, number = match.group(1), int(match.group(2))
                yield "%s%d" % (kind, (number + top) % 8 if kind == "mm" else number), register.GetValueAsUnsigned()


def vector_registers(frame):
    for register_set in frame.GetRegisters():
        for register in register_set:
            if door.VECTOR.match(register.GetName() or "") and register.GetByteSize() >= 16:
                data, error = register.GetData(), lldb.SBError()
                content = data.ReadRawData(error, 0, data.GetByteSize()) if data.GetByteSize() else None
                if content and error.Success():
                    yield register.GetName(), content if isinstance(content, bytes) else content.encode("latin-1")
