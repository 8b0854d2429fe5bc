"""variables.py - variables as LLDB shows them: summaries and children."""

import contextlib

import lldb
import refheap_door as door

from .host import Host
from .loaded import any_loaded, loaded_in
from .state import Session, number_data

CATEGORY = "refheap"
COPY = "a copy, v shows the object"
CHILDREN_MAX = (1 << 31) - 1  # of a variable, in LLDB


class Describer:
    """Asks the engine about the addresses that variables of a debugger hold. The heaps are opened before anybody asks where
    LLDB says in time that there are any: as the script is loaded, and in an LLDB with the hook for types at the first stop."""

    def __init__(self, engine, debugger):
        self.session, self.debugger = Session(engine), debugger
        self.host = self.key = self.prepared = None

    def prepare(self, process):
        """Opens the heaps of a core or of a process of this machine, once, before anybody asks."""
        if process.IsValid() and process.GetState() == lldb.eStateStopped and process.GetUniqueID() != self.prepared:
            self.prepared = process.GetUniqueID()
            with contextlib.suppress(door.DoorError, KeyboardInterrupt):
                host = self.host_of(process)
                if host.pid() or host.core_path():
                    self.session.describe(host, 0)

    def host_of(self, process):
        if process.GetUniqueID() != self.key:
            context = lldb.SBExecutionContext(process)
            self.host, self.key = Host(self.debugger, context, None, self.session.epoch), process.GetUniqueID()
        return self.host

    def ask(self, process, address, children=0):
        return self.session.describe(self.host_of(process), address, children)


def show_first(debugger):
    """LLDB makes its formats for the first value that it shows, which takes 9 ms: shows it one before a user asks for any."""
    target = debugger.GetDummyTarget()
    kind = target.GetBasicType(lldb.eBasicTypeUnsignedLong)
    target.CreateValueFromData("refheap", number_data(target, 0), kind).GetSummary()


def describe(value, children=0):
    """What the engine says of a pointer or struct; nothing of what is no object."""
    process, is_pointer = value.GetProcess(), value.GetType().IsPointerType()
    address = value.GetValueAsUnsigned() if is_pointer else value.GetLoadAddress()
    own = loaded_in(value.GetTarget().GetDebugger())
    if own is None or address in (0, lldb.LLDB_INVALID_ADDRESS) or not process.IsValid():
        return door.NOTHING
    try:
        return own.describer.ask(process, address, children)
    except door.DoorError:
        return door.NOTHING


def function_of(row):
    """For Python in LLDB, such as a breakpoint's command: what the engine says of the object that a value leads to, or is.
    LLDB shows what is raised, and the process stays where it is."""
    def asked(value):
        value = shown_of(value)
        is_struct = value.GetType().GetCanonicalType().GetTypeClass() & (lldb.eTypeClassStruct | lldb.eTypeClassClass)
        own, error = loaded_in(value.GetTarget().GetDebugger()), lldb.SBError()
        address = value.GetLoadAddress() if is_struct else value.GetValueAsUnsigned(error)
        if own is None or error.Fail() or address == lldb.LLDB_INVALID_ADDRESS:
            raise ValueError("%s: %s" % (row["name"], error.GetCString() or "the value has no address"))
        described = own.describer.ask(value.GetProcess(), address)
        if described["undecided"]:
            raise LookupError("%s: not known: %s" % (row["name"], described["undecided"]))
        return described["functions"].get(row["name"], row["nothing"])

    asked.__name__, asked.__doc__ = row["name"], row["summary"]
    return asked


def is_managed(kind, _dictionary=None):
    """Is it the struct of an object, or a pointer to one? A foreign one that another script shows is that script's."""
    header = header_of(kind)
    if header is None:
        return False
    other_name = any_loaded().foreign.get(header.GetName())
    return other_name is None or not is_shown_by_others(kind, header, other_name)


def is_shown_by_others(kind, header, other_name):
    """Of a pointer, LLDB asks for the type by its name, behind its typedefs, and for what it leads to; all of that in the
    category first that was enabled last."""
    kind = kind.GetPointeeType() if kind.GetCanonicalType().IsPointerType() else kind
    names = {kind.GetName() or "", kind.GetCanonicalType().GetName() or ""}
    names |= {other_name} if header.GetName() in names else set()
    names |= {name + " *" for name in names}
    debugger = any_loaded().debugger  # LLDB has the same categories for all
    categories = [debugger.GetCategoryAtIndex(i) for i in range(debugger.GetNumCategories())]
    return any(each.GetSummaryForType(lldb.SBTypeNameSpecifier(name)).IsValid() for each in categories
               if each.GetEnabled() and each.GetName() != CATEGORY for name in names)


def header_of(kind):
    """The objects' header with which a struct begins, at once or with a struct that does, or that which a pointer to it leads
    to; None: it is no object's."""
    kind = kind.GetCanonicalType()
    kind = kind.GetPointeeType().GetCanonicalType() if kind.IsPointerType() else kind
    for _ in range(door.NESTED_MAX):
        if not kind.GetTypeClass() & (lldb.eTypeClassStruct | lldb.eTypeClassClass):
            return None
        kind = kind.GetUnqualifiedType()
        if kind.GetName() in any_loaded().structs:
            return kind
        base = kind.GetDirectBaseClassAtIndex(0) if kind.GetNumberOfDirectBaseClasses() else kind.GetFieldAtIndex(0)
        if not base.IsValid() or base.GetOffsetInBytes() != 0:
            return None
        kind = base.GetType().GetCanonicalType()
    return None


def shown_of(value):
    """What a variable's words are about: itself, as LLDB has it; of a reference in C++ to a struct, that struct."""
    value = value.GetNonSyntheticValue()
    kind = value.GetType().GetCanonicalType()
    is_to_struct = kind.IsReferenceType() and not kind.GetDereferencedType().GetCanonicalType().IsPointerType()
    return value.Dereference() if is_to_struct else value


def summary(value, _dictionary):
    value = shown_of(value)
    return describe(value)["text"] or (COPY if is_copy(value) else "")


def is_copy(value):
    """What an expression gave, of a struct that LLDB has copied without telling from where: that of `p *pointer` of a core. The
    count in its header is a raw word, and below it may be taken for the count."""
    return (value.GetValueType() == lldb.eValueTypeConstResult and not value.GetType().IsPointerType()
            and value.GetLoadAddress() == lldb.LLDB_INVALID_ADDRESS and value.GetProcess().IsValid())


class Children:
    """The children of an object, and of a pointer to it: its declared fields. Of all else, LLDB's own."""

    def __init__(self, value, _dictionary):
        self.value = shown_of(value)
        self.rows, self.total, self.is_own = [], 0, True

    def update(self):
        said = describe(self.value, door.PAGE)
        self.is_own = said["text"] is None
        self.rows, self.total = said["children"], said["children_total"]
        return False

    def has_children(self):
        return self.num_children() > 0

    def num_children(self, limit=CHILDREN_MAX):
        return min(self.value.GetNumChildren(limit) if self.is_own else self.total, limit)

    def get_child_index(self, name):
        if self.is_own:
            return self.value.GetIndexOfChildWithName(name)
        return next((index for index, row in enumerate(self.rows) if row["name"] == name), -1)

    def get_child_at_index(self, index):
        if self.is_own:
            return self.value.GetChildAtIndex(index)
        if index >= len(self.rows):
            self.rows = describe(self.value, max(2 * len(self.rows), index + 1))["children"]
        return child_value(self.value, self.rows[index]) if index < len(self.rows) else None


def child_value(owner, row):
    """The member of C's struct if that is the same, so that formats apply to it; else what the engine says."""
    target, name, is_text = owner.GetTarget(), row["name"], row["kind"] == "bytes"
    order = target.GetProcess().GetByteOrder()
    member = None if is_text else member_of(owner, door.steps_to(name))
    if member is not None and ("value" not in row or member.GetValueAsUnsigned() == int(row["value"], 16)):
        return owner.CreateValueFromAddress(name, member.GetLoadAddress(), member.GetType())
    if is_text:
        text = (row.get("value") or "").encode("utf-8", "surrogateescape") + b"\0"
        return value_of(owner, name, text, target.GetBasicType(lldb.eBasicTypeChar).GetArrayType(len(text)))
    if "value" in row:
        kind = header_of(owner.GetType()).GetPointerType()
        return value_of(owner, name, word_bytes(int(row["value"], 16), order), kind)
    if row["kind"] == "uint":
        return value_of(owner, name, word_bytes(int(row["text"]), order), target.GetBasicType(lldb.eBasicTypeUnsignedLongLong))
    if row["kind"] == "float":
        data, kind = lldb.SBData.CreateDataFromDoubleArray(order, 8, [float(row["text"])]), lldb.eBasicTypeDouble
    else:
        data, kind = lldb.SBData.CreateDataFromSInt64Array(order, 8, [int(row["text"])]), lldb.eBasicTypeLongLong
    return owner.CreateValueFromData(name, data, target.GetBasicType(kind))


def word_bytes(number, order):
    """An unsigned word. As a number, older LLDBs take no more than 63 bits of it."""
    return number.to_bytes(8, "big" if order == lldb.eByteOrderBig else "little")


def value_of(owner, name, content, kind):
    """LLDB reads the bytes from where they are, until the value is made."""
    data = lldb.SBData()
    data.SetData(lldb.SBError(), content, owner.GetProcess().GetByteOrder(), 8)
    return owner.CreateValueFromData(name, data, kind)


def member_of(value, steps):
    """By the steps of door.steps_to; None: C's struct has no such member."""
    for step in steps:
        if isinstance(step, int):
            value = value.GetChildAtIndex(step, lldb.eNoDynamicValues, True)
        else:
            value = value.GetChildMemberWithName(step, lldb.eNoDynamicValues)
        value = value.GetNonSyntheticValue()
        if not value.IsValid() or value.GetError().Fail():
            return None
    return value if steps and value.GetLoadAddress() != lldb.LLDB_INVALID_ADDRESS else None
