"""names.py - names of words: which variable lies at an address."""

import re

import lldb
import refheap_door as door

TAGS = {lldb.eTypeClassStruct: "struct ", lldb.eTypeClassUnion: "union ", lldb.eTypeClassEnumeration: "enum "}


class TypeView:
    """lldb.SBType as member_path wants it."""

    @staticmethod
    def element(kind):
        if kind.GetCanonicalType().GetTypeClass() != lldb.eTypeClassArray:
            return None
        return kind.GetArrayElementType(), kind.GetArrayElementType().GetByteSize()

    @staticmethod
    def members(kind):
        kind = kind.GetCanonicalType()
        if not kind.GetTypeClass() & (lldb.eTypeClassStruct | lldb.eTypeClassClass | lldb.eTypeClassUnion):
            return None
        bases = [("", base.GetOffsetInBytes(), base.GetType().GetByteSize(), base.GetType())
                 for base in kind.get_bases_array()]
        return bases + [(field.GetName() or "", field.GetOffsetInBytes(), field.GetType().GetByteSize(),
                         field.GetType()) for field in kind.get_fields_array()]

    @staticmethod
    def is_pointer(kind):
        return kind.GetCanonicalType().GetTypeClass() == lldb.eTypeClassPointer

    @staticmethod
    def text(kind):
        """LLDB leaves out C's `struct`."""
        named = kind
        while named.IsPointerType() or named.IsArrayType():
            named = named.GetPointeeType() if named.IsPointerType() else named.GetArrayElementType()
        word = TAGS.get(named.GetUnqualifiedType().GetTypeClass(), "")
        name = kind.GetDisplayTypeName() or ""
        return re.sub(r"^((?:const |volatile )*)", r"\g<1>" + word, name)


def namer(is_stopped):
    def name_in_frame(words, level, frame):
        """The rows of the words that lie in the variables of a frame, innermost scope first."""
        for value in frame.GetVariables(True, True, False, True, lldb.eNoDynamicValues) if words else ():
            start = value.GetLoadAddress()
            if is_stopped():
                return
            if start != lldb.LLDB_INVALID_ADDRESS:  # else in a register, or optimized out
                yield from door.name_extent(words, start, value.GetType().GetByteSize(), TypeView, value.GetType(),
                                            value.GetName(), (frame.GetFunctionName() or "", level))
    return name_in_frame


def frames_of(thread, is_stopped):
    """(level, frame, stack pointer) from the newest frame on."""
    level = 0
    while not is_stopped():
        frame = thread.GetFrameAtIndex(level)  # asking for one does not unwind the whole stack
        if not frame.IsValid():
            return
        yield level, frame, frame.GetSP()
        level += 1


def name_data_word(target, word):
    """The row of a word in a module's data, from symbol table and debug info, if any."""
    symbol = target.ResolveLoadAddress(word.address).GetSymbol()
    if not symbol.IsValid():
        return
    name, offset = symbol.GetName(), word.address - symbol.GetStartAddress().GetLoadAddress(target)
    for value in target.FindGlobalVariables(name, 64):
        start, kind = value.GetLoadAddress(), value.GetType()
        if start <= word.address < start + kind.GetByteSize():
            yield from door.name_extent([word], start, kind.GetByteSize(), TypeView, kind, name)
            return
    yield word, door.GLOBAL, "%s+%d" % (name, offset) if offset else name, "", "", 0
