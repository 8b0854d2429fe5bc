"""refheap_lldb.py - the door of LLDB: `command script import` this file to get refheap's commands.

Lends the engine LLDB's memory, threads, expressions, names and terminal; every answer and every word
of it is made by the engine. Commands come from the engine's table: none is named here.

Invariant: nothing selects a thread or frame, and every way out of a command that fails goes through
result.SetError: LLDB takes a command whose Python raised for one that succeeded.

lldb -b stops at the first command that fails and exits with 1. For the status itself (1: --check found
something, 2: no answer), which lldb.refheap_status keeps:
  lldb -b prog -c core -o 'command script import refheap_lldb.py' -o 'script lldb.debugger.HandleCommand("COMMAND")'
       -o 'script lldb.debugger.HandleCommand("quit %d" % lldb.refheap_status)'
"""

import mmap
import os
import re
import types

import lldb


def load_shared():
    """refheap_door.py beside this file (installed) or in the source tree; None if it is in neither place.
    Compiled here and not imported, so that each loading of this script has its own (LLDB writes no bytecode)."""
    here = os.path.dirname(os.path.realpath(load_shared.__code__.co_filename))
    for path in shared_places(here):
        if os.path.exists(path):
            module = types.ModuleType("refheap_door")
            module.__file__ = os.path.realpath(path)
            with open(path, encoding="utf-8") as source:
                exec(compile(source.read(), module.__file__, "exec"), module.__dict__)
            return module
    return None


def shared_places(here):
    return [os.path.join(here, "refheap_door.py"), os.path.join(os.path.dirname(here), "inspect", "python", "refheap_door.py")]


def shared_is_missing():
    here = os.path.dirname(os.path.realpath(load_shared.__code__.co_filename))
    return "refheap: this script needs refheap_door.py, copied along with it: it is neither %s nor %s" % tuple(shared_places(here))


door = load_shared()
AGGREGATES = (lldb.eTypeClassArray | lldb.eTypeClassStruct | lldb.eTypeClassClass | lldb.eTypeClassUnion)
NUMBERS = (lldb.eTypeClassPointer | lldb.eTypeClassBuiltin | lldb.eTypeClassEnumeration)
FLOATS = (lldb.eBasicTypeHalf, lldb.eBasicTypeFloat, lldb.eBasicTypeDouble, lldb.eBasicTypeLongDouble)
ARM_NAMES = {"fp": "x29", "lr": "x30"}  # as everybody else calls them
TAGS = {lldb.eTypeClassStruct: "struct ", lldb.eTypeClassUnion: "union ", lldb.eTypeClassEnumeration: "enum "}
CHILDREN_MAX = (1 << 31) - 1  # of a variable, in LLDB
WALK_DEPTH_MAX = 256  # more than any expression of the engine's has
VARIABLE = re.compile(r"([A-Za-z_]\w*)((?:(?:\.|->)[A-Za-z_]\w*|\[\d+\])*)$")


# ---- expressions ---------------------------------------------------------------------------------


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


# ---- naming words --------------------------------------------------------------------------------


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


# ---- the host ------------------------------------------------------------------------------------


class Host:
    """What LLDB lends. Made for one command."""

    def __init__(self, debugger, context, result):
        self.debugger, self.result = debugger, result
        self.rest = ""  # of a line of output
        self.target = context.GetTarget() if context else debugger.GetSelectedTarget()
        self.process = context.GetProcess() if context else self.target.GetProcess()
        self.is_core = self.process.IsValid() and "core" in (self.process.GetPluginName() or "")
        self.mapped = mapped_end(self.core_path())
        self.frame = lldb.SBFrame()
        if not self.is_cut():
            self.frame = context.GetFrame() if context else self.process.GetSelectedThread().GetSelectedFrame()

    def core_path(self):
        if not self.is_core or not hasattr(self.process, "GetCoreFile"):
            return None  # LLDB before 18 does not tell
        return file_path(self.process.GetCoreFile())

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
        for thread in sorted(self.process, key=lambda each: each.GetThreadID()):
            frame = thread.GetFrameAtIndex(0)
            if frame.IsValid():
                values = list(general_registers(frame)) + list(door.vector_words(vector_registers(frame)))
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
        lldb._refheap.stops.set(self.target, self.process, instructions)

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
        """Writing memory by hand moves nothing that LLDB would show: the engine itself notices what it
        reads again and finds changed."""
        core = self.core_path()
        return hash((self.process.GetUniqueID(), self.process.GetStopID(True), core, door.file_stamp(core)))

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

    def __init__(self):
        self.of = {}  # by the unique numbers of processes: [(target, breakpoint)]

    def set(self, target, process, instructions):
        for number in list(self.of):
            if number == process.GetUniqueID() or any(each == target for each, _point in self.of[number]):
                self.drop(number)
        for address in instructions:
            point = target.BreakpointCreateByAddress(address)
            point.AddName("refheap")
            point.SetScriptCallbackFunction(__name__ + ".reached")
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
    if process.GetUniqueID() not in lldb._refheap.stops.of:
        location.GetBreakpoint().SetEnabled(False)
        return False
    debugger = process.GetTarget().GetDebugger()
    try:
        host = Host(debugger, lldb.SBExecutionContext(frame), Screen(debugger))
        level = lldb._refheap.session(debugger).reached(host)
    except Exception as error:  # it is told, and the process stops
        tell(debugger, door.one_line(str(error)) or type(error).__name__)
        level = 0
    if level != door.GO_ON:
        frame.GetThread().SetSelectedFrame(level)
    return level != door.GO_ON


def size_of(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def mapped_end(path):
    """Up to which of its bytes a file is mapped here; 0: nowhere."""
    end = 0
    if path:
        try:
            inode = os.stat(path).st_ino
            with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
                rows = [line.split(maxsplit=5) for line in maps if line.rstrip().endswith(os.path.basename(path))]
        except OSError:
            return 0
        for addresses, _flags, offset, _device, number, *_path in rows:
            start, stop = (int(each, 16) for each in addresses.split("-"))
            if int(number) == inode:
                end = max(end, int(offset, 16) + stop - start)
    return end


def file_path(spec):
    return spec.fullpath if spec.IsValid() else None


def status_number(pid, key):
    """A number of /proc/PID/status; None if there is no such process here."""
    try:
        with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as status:
            found = re.search(r"^%s:\s*(\d+)" % key, status.read(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) if found else None


def general_registers(frame):
    for register_set in frame.GetRegisters():
        if "general" in (register_set.GetName() or "").lower():
            for register in register_set:
                if register.GetByteSize() == 8:
                    name = register.GetName()
                    yield ARM_NAMES.get(name, name), register.GetValueAsUnsigned()


def vector_registers(frame):
    for register_set in frame.GetRegisters():
        for register in register_set:
            if door.VECTOR.match(register.GetName() or "") and register.GetByteSize() >= 16:
                data, error = register.GetData(), lldb.SBError()
                content = data.ReadRawData(error, 0, data.GetByteSize()) if data.GetByteSize() else None
                if content and error.Success():
                    yield register.GetName(), content if isinstance(content, bytes) else content.encode("latin-1")


def regions_of(listed):
    for i in range(listed.GetSize()):
        region = lldb.SBMemoryRegionInfo()
        if listed.GetMemoryRegionAtIndex(i, region) and region.IsMapped():
            yield region


def listed_regions(target, process):
    """The regions as LLDB shows them; offsets in files from the modules' sections, and the files too where it
    names none, as in a core. What a section has no bytes of in its file (.bss) may be one region with what
    the program mapped behind it."""
    listed, rows, sections = process.GetMemoryRegions(), [], []
    is_named = any(region.GetName() for region in regions_of(listed))
    for module in target.module_iter():
        for section in module.section_iter():
            start = section.GetLoadAddress(target)
            if start != lldb.LLDB_INVALID_ADDRESS:
                sections.append((start, start + section.GetFileByteSize(), section.GetFileOffset(), module.file.fullpath))
    for region in regions_of(listed):
        start, end = region.GetRegionBase(), region.GetRegionEnd()
        flags = ((door.READ if region.IsReadable() else 0) | (door.WRITE if region.IsWritable() else 0)
                 | (door.EXECUTE if region.IsExecutable() else 0))
        file = next((each for each in sections if each[0] < end and start < each[1]), None)
        path = region.GetName() or (file[3] if file and not is_named else "")
        rows.append((start, end, flags, max(file[2] + start - file[0], 0) if file and path else 0, path))
    return rows


# ---- variables -----------------------------------------------------------------------------------


class Describer:
    """Asks the engine about the addresses that variables of a debugger hold."""

    def __init__(self, engine, debugger):
        self.session, self.debugger = door.Session(engine), debugger
        self.host = self.key = None

    def ask(self, process, address, children=0):
        if process.GetUniqueID() != self.key:
            self.host, self.key = Host(self.debugger, lldb.SBExecutionContext(process), None), process.GetUniqueID()
        return self.session.describe(self.host, address, children)


def describe(value, children=0):
    """What the engine says of a pointer or struct; nothing of what is no object."""
    process, is_pointer = value.GetProcess(), value.GetType().IsPointerType()
    address = value.GetValueAsUnsigned() if is_pointer else value.GetLoadAddress()
    if address in (0, lldb.LLDB_INVALID_ADDRESS) or not process.IsValid():
        return door.NOTHING
    try:
        return lldb._refheap.describer(value.GetTarget().GetDebugger()).ask(process, address, children)
    except door.DoorError:
        return door.NOTHING


def is_managed(kind, _dictionary=None):
    """Is it the struct of an object, or a pointer to one? It begins with the objects' header, or with a struct that does."""
    kind = kind.GetCanonicalType()
    kind = kind.GetPointeeType().GetCanonicalType() if kind.IsPointerType() else kind
    for _ in range(door.NESTED_MAX):
        if not kind.GetTypeClass() & (lldb.eTypeClassStruct | lldb.eTypeClassClass):
            return False
        if kind.GetUnqualifiedType().GetName() in lldb._refheap.structs:
            return True
        base = kind.GetDirectBaseClassAtIndex(0) if kind.GetNumberOfDirectBaseClasses() else kind.GetFieldAtIndex(0)
        if not base.IsValid() or base.GetOffsetInBytes() != 0:
            return False
        kind = base.GetType().GetCanonicalType()
    return False


def summary(value, _dictionary):
    return describe(value.GetNonSyntheticValue())["text"] or ""


class Children:
    """The children of an object, and of a pointer to it: its declared fields. Of all else, LLDB's own."""

    def __init__(self, value, _dictionary):
        self.value = value.GetNonSyntheticValue()
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
        text, data = (row.get("value") or "").encode("utf-8", "surrogateescape") + b"\0", lldb.SBData()
        data.SetData(lldb.SBError(), text, order, 8)
        return owner.CreateValueFromData(name, data, target.GetBasicType(lldb.eBasicTypeChar).GetArrayType(len(text)))
    if "value" in row:
        kind = target.FindFirstType(lldb._refheap.structs[0]).GetPointerType()
        return owner.CreateValueFromData(name, lldb.SBData.CreateDataFromUInt64Array(order, 8, [int(row["value"], 16)]), kind)
    if row["kind"] == "float":
        data, kind = lldb.SBData.CreateDataFromDoubleArray(order, 8, [float(row["text"])]), lldb.eBasicTypeDouble
    else:
        data, kind = lldb.SBData.CreateDataFromSInt64Array(order, 8, [int(row["text"])]), lldb.eBasicTypeLongLong
    return owner.CreateValueFromData(name, data, target.GetBasicType(kind))


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


# ---- commands ------------------------------------------------------------------------------------


class Command:
    """One command of the engine's table; LLDB makes an object of a subclass for each debugger."""

    row = None

    def __init__(self, _debugger, _dictionary):
        pass

    def __call__(self, debugger, line, context, result):
        lldb.refheap_status = door.NO_ANSWER
        try:
            host = Host(debugger, context, result)
            status, message = lldb._refheap.session(debugger).run(host, self.row["name"], line)
            if host.rest:
                result.PutCString(host.rest)
            lldb.refheap_status = status
        except KeyboardInterrupt:
            message = self.row["name"] + ": cancelled"
        except BaseException as error:  # see the top
            message = "%s: %s" % (self.row["name"], door.one_line(str(error)) or type(error).__name__)
        if message:
            result.SetError(message)
        else:
            result.SetStatus(lldb.eReturnStatusSuccessFinishResult)

    def get_short_help(self):
        return self.row["summary"]

    def get_long_help(self):
        return self.row["help_unfilled"]  # LLDB fills it to its terminal's width


class Refheap:
    """The loaded engine and a session for each debugger."""

    def __init__(self):
        self.engine = door.Engine()
        self.structs = self.engine.describes["structs"]
        self.sessions, self.describers = {}, {}
        self.stops = Stops()

    def session(self, debugger):
        key = debugger.GetID()
        if key not in self.sessions:
            self.sessions[key] = door.Session(self.engine)
        return self.sessions[key]

    def describer(self, debugger):
        key = debugger.GetID()
        if key not in self.describers:
            self.describers[key] = Describer(self.engine, debugger)
        return self.describers[key]

    def close(self):
        self.stops.close()
        for session in [*self.sessions.values(), *(each.session for each in self.describers.values())]:
            session.close()


def register(debugger, row):
    name = "Refheap_" + re.sub(r"\W", "_", row["name"])
    globals()[name] = type(name, (Command,), {"row": row})
    completion = "-C variable-path " if row.get("operand") == "expression" else ""
    for options in ("-o " + completion, "-o ", ""):  # older LLDBs lack -C or -o
        result = lldb.SBCommandReturnObject()
        debugger.GetCommandInterpreter().HandleCommand(
            "command script add %s-c %s.%s %s" % (options, __name__, name, row["name"]), result)
        if result.Succeeded():
            return
    raise RuntimeError("refheap: LLDB refuses the command %s: %s" % (row["name"], result.GetError().strip()))


def handle(debugger, line):
    result = lldb.SBCommandReturnObject()
    debugger.GetCommandInterpreter().HandleCommand(line, result)
    return result


def register_types(debugger):
    """Summaries and children for the structs of objects and pointers to them: by a function that knows them where LLDB
    asks one, else by the names of those that there are now."""
    summaries = "type summary add -e -w refheap -F %s.summary " % __name__
    children = "type synthetic add -w refheap -l %s.Children " % __name__
    handle(debugger, "type category delete refheap")  # of a script that was loaded before
    known = "--recognizer-function %s.is_managed" % __name__
    if handle(debugger, summaries + known).Succeeded():
        handle(debugger, children + known)
    else:
        for name in managed_names(debugger.GetSelectedTarget()):
            handle(debugger, summaries + '"%s" "%s *"' % (name, name))
            handle(debugger, children + '"%s" "%s *"' % (name, name))
    handle(debugger, "type category enable refheap")


def managed_names(target):
    """How C's variables call the structs of objects, also by typedefs."""
    names = set()
    for module in target.module_iter() if target.IsValid() else ():
        for kind in module.GetTypes(lldb.eTypeClassStruct | lldb.eTypeClassClass | lldb.eTypeClassTypedef):
            if not kind.GetCanonicalType().IsPointerType() and is_managed(kind):
                names.add(kind.GetName())
    return sorted(names)


def tell(debugger, text):
    errors = debugger.GetErrorFile()
    errors.Write(("error: %s\n" % text).encode())
    errors.Flush()


def __lldb_init_module(debugger, _dictionary):
    """LLDB shows a traceback for whatever is raised here, so a failure is told and not raised."""
    if door is None:
        tell(debugger, shared_is_missing())
        return
    try:
        loaded = Refheap()
    except door.DoorError as error:
        tell(debugger, error)
        return
    earlier = getattr(lldb, "_refheap", None)
    if earlier is not None:
        earlier.close()
    lldb._refheap = loaded
    for row in loaded.engine.commands:
        register(debugger, row)
    register_types(debugger)
