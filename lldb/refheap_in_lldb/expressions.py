"""expressions.py - expressions of the user's: followed by LLDB's values where that can be done, else evaluated.

Invariant: None is for what is of another kind, or names something that is not known; an error is a DoorError.
"""

import re

import lldb
import refheap_door as door

AGGREGATES = (lldb.eTypeClassArray | lldb.eTypeClassStruct | lldb.eTypeClassClass | lldb.eTypeClassUnion)
NUMBERS = (lldb.eTypeClassPointer | lldb.eTypeClassBuiltin | lldb.eTypeClassEnumeration)
FLOATS = (lldb.eBasicTypeHalf, lldb.eBasicTypeFloat, lldb.eBasicTypeDouble, lldb.eBasicTypeLongDouble)
WALK_DEPTH_MAX = 256  # more than any expression of the engine's has
VARIABLE = re.compile(r"([A-Za-z_]\w*)((?:(?:\.|->)[A-Za-z_]\w*|\[\d+\])*)$")


def variable_value(text, target, frame):
    """A plain name or path like conn->table[3], found without evaluating anything; None for others."""
    match = VARIABLE.match(text)
    if not match:
        return None
    for path in (text, "this->" + text) if frame.IsValid() else ():
        value = frame.GetValueForVariablePath(path, lldb.eNoDynamicValues)
        if value.IsValid() and value.GetError().Success():
            return value
    value = target.FindFirstGlobalVariable(match.group(1))
    if value.IsValid() and match.group(2):
        value = value.GetValueForExpressionPath(match.group(2))
    return value if value.IsValid() and value.GetError().Success() else None


class Walk:
    """An expression of names, members, indices, *, &, parentheses and casts to pointers, followed by LLDB's values
    alone: its own evaluation maps memory into a live process, also where nothing has to run there.
    Invariant: None is for what is of another kind, or names something that is not known."""

    def __init__(self, text, target, frame):
        self.rest, self.target, self.frame, self.depth = text, target, frame, 0

    def value(self):
        value = self.unary()
        return value if value is not None and not self.rest.strip() and value.IsValid() else None

    def take(self, pattern):
        match = re.compile(r"\s*" + pattern).match(self.rest)
        if match:
            self.rest = self.rest[match.end():]
        return match

    def unary(self):
        self.depth += 1
        if self.depth > WALK_DEPTH_MAX:
            return None
        if self.take(r"\*"):
            return self.element(self.unary(), 0)
        if self.take(r"&(?!&)"):
            value = self.unary()
            return value.AddressOf() if value is not None else None
        cast = self.take(r"\(\s*(?:(?:struct|union|class)\s+)?([A-Za-z_]\w*)\s*(\*[\s*]*)\)")
        return self.cast(cast.group(1), cast.group(2).count("*")) if cast else self.postfix()

    def cast(self, name, stars):
        number = self.take(r"(0[xX][0-9a-fA-F]+|\d+)(?!\w)")
        value = None if number else self.unary()
        kind = self.type_named(name)
        if kind is None or (value is None and not number):
            return None
        for _ in range(stars):
            kind = kind.GetPointerType()
        address = int(number.group(1), 0) if number else value_number(value, name, self.target, self.frame)
        data = lldb.SBData.CreateDataFromUInt64Array(self.target.GetByteOrder(), 8, [address & door.MASK])
        return self.target.CreateValueFromData(name, data, kind)

    def type_named(self, name):
        """The one type of this name in the first module that has any: so LLDB chooses, too."""
        if name == "void":
            return self.target.GetBasicType(lldb.eBasicTypeVoid)
        for module in self.target.module_iter():
            found = [each for each in module.FindTypes(name) if each.GetName() == name and each.GetByteSize()]
            if found:
                return found[0] if len({each.GetByteSize() for each in found}) == 1 else None
        return None

    def postfix(self):
        value = self.primary()
        while value is not None:
            step = self.take(r"(->|\.)\s*([A-Za-z_]\w*)|\[\s*(\d+|0[xX][0-9a-fA-F]+)\s*\]")
            if not step:
                break
            value = self.member(value, *step.group(1, 2)) if step.group(2) else self.element(value, int(step.group(3), 0))
        return value

    def primary(self):
        if self.take(r"\("):
            value = self.unary()
            return value if self.take(r"\)") else None
        register = self.take(r"\$(\w+)")
        if register:
            value = self.frame.FindRegister(register.group(1))
            return value if value.IsValid() else None
        name = self.take(r"((?:::)?(?:[A-Za-z_]\w*::)*[A-Za-z_]\w*)")
        if not name:
            return None
        return self.scoped(name.group(1)) if "::" in name.group(1) else variable_value(name.group(1), self.target, self.frame)

    def scoped(self, name):
        """a::x, ::x: LLDB knows what is in an unnamed namespace by the rest of its name."""
        wanted = name.removeprefix("::")
        found = [each for each in self.target.FindGlobalVariables(wanted.rpartition("::")[2], 64)
                 if (each.GetName() or "").replace("(anonymous namespace)::", "").removeprefix("::") == wanted]
        return found[0] if len(found) == 1 else None

    def member(self, value, sign, name):
        kind = referred(value.GetType())
        if kind.IsPointerType() != (sign == "->"):
            return None  # an operator of C++
        found = value.GetNonSyntheticValue().GetChildMemberWithName(name, lldb.eNoDynamicValues)
        return found if found.IsValid() else None

    def element(self, value, index):
        """value[index]; *value is the first."""
        kind = referred(value.GetType()) if value is not None else lldb.SBType()
        inner = kind.GetPointeeType() if kind.IsPointerType() else kind.GetArrayElementType() if kind.IsArrayType() else lldb.SBType()
        if not inner.IsValid() or not inner.GetByteSize():
            return None
        address = value_number(value, "it", self.target, self.frame) + index * inner.GetByteSize()
        return self.target.CreateValueFromAddress("it", lldb.SBAddress(address & door.MASK, self.target), inner)


def referred(kind):
    """The type itself, without typedefs; of a reference, what it refers to."""
    kind = kind.GetCanonicalType()
    return kind.GetDereferencedType().GetCanonicalType() if kind.IsReferenceType() else kind


def looked_up(text, target, frame):
    """The value of an expression that needs no evaluation; None for others."""
    return variable_value(text, target, frame) or Walk(text, target, frame).value()


def expression_value(text, target, frame):
    options = lldb.SBExpressionOptions()
    options.SetAutoApplyFixIts(False)
    options.SetSuppressPersistentResult(True)
    options.SetIgnoreBreakpoints(True)
    options.SetUnwindOnError(True)
    options.SetFetchDynamicValue(lldb.eNoDynamicValues)
    value = frame.EvaluateExpression(text, options) if frame.IsValid() else target.EvaluateExpression(text, options)
    error = value.GetError()
    if error.Fail():
        raise door.DoorError(expression_error(error.GetCString() or "'%s' cannot be evaluated" % text))
    return value


def expression_error(text):
    """The compiler's first complaint, without its own prefixes, source line and caret."""
    line = next((each for each in text.splitlines() if each.strip()), text)
    line = re.sub(r"^error: ", "", line.strip())
    return re.sub(r"^<user expression \d+>:\d+:\d+: ", "", line)


def value_number(value, text, target, frame):
    """What an expression stands for: pointers and integers by value, the rest by its address."""
    kind = value.GetType().GetCanonicalType()
    kind_class = kind.GetTypeClass()
    if kind_class == lldb.eTypeClassReference:
        pointed = value.Dereference()
        return value_number(pointed, text, target, frame) if pointed.IsValid() else value.GetValueAsUnsigned()
    if kind_class & NUMBERS and kind.GetBasicType() not in FLOATS + (lldb.eBasicTypeVoid,):
        error = lldb.SBError()
        number = value.GetValueAsUnsigned(error)
        if value.GetError().Fail() or error.Fail():
            raise door.DoorError(door.one_line(value.GetError().GetCString() or error.GetCString() or "no value"))
        return sign_extended(value, kind, number)
    if kind_class & (AGGREGATES | lldb.eTypeClassFunction):
        address = value.GetLoadAddress()
        if address == lldb.LLDB_INVALID_ADDRESS:
            address = address_of(text, target, frame)
        return address
    raise door.DoorError("'%s' is of type %s: neither a number nor an address" % (text, value.GetTypeName()))


def address_of(text, target, frame):
    """Where LLDB computes an expression by itself, the struct that it gives is a copy without an
    address; asked for the address, it knows it."""
    try:
        return expression_value("&(%s)" % text, target, frame).GetValueAsUnsigned()
    except door.DoorError:
        raise door.DoorError("'%s' has no address (it is not in memory)" % text) from None


def sign_extended(value, kind, number):
    """GetValueAsUnsigned keeps only the type's own width of a negative integer."""
    return value.GetValueAsSigned() if kind.GetTypeFlags() & lldb.eTypeIsSigned else number
