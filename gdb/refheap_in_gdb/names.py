"""names.py - numbers of expressions, and names of words: which variable lies at an address."""

import re

import gdb
import refheap_door as door

BY_VALUE = (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_ENUM)
BY_ADDRESS = (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
REFERENCES = (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF)
FRAMES_AT_ONCE, FRAMES_INLINED = 64, 16


def value_number(value, what):
    """What an expression stands for: pointers and integers by value, the rest by its address. `what` begins a complaint."""
    kind = value.type.strip_typedefs()
    if kind.code in REFERENCES:
        return value_number(value.referenced_value(), what)
    if kind.code in BY_VALUE:
        return int(value)
    if kind.code == gdb.TYPE_CODE_FUNC or kind.code in BY_ADDRESS:
        address = address_of(value)
        if address is None:
            raise door.DoorError("%s has no address (it is not in memory)" % what)
        return int(address)
    raise door.DoorError("%s is of type %s: neither a number nor an address" % (what, value.type))


def address_of(value):
    """None: it is not in memory. An array that is not there would be copied to memory that GDB has the program allocate. So
    its first element is asked for, which is not there either."""
    kind = value.type.strip_typedefs()
    while kind.code == gdb.TYPE_CODE_ARRAY:
        value = value[kind.range()[0]]
        kind = value.type.strip_typedefs()
    return value.address


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
        address = None if value.is_optimized_out else address_of(value)
        return None if address is None else (int(address), value.type)
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
