"""commands.py - refheap's commands as LLDB's, from the engine's table: none is named here."""

import re

import lldb
import refheap_door as door

from .host import Host
from .loaded import any_loaded, drop_gone, loaded, loaded_in
from .state import Session
from .stops import Stops, reached, tell
from .variables import CATEGORY, Children, Describer, function_of, is_managed, show_first, summary

HOOKS_OF_USERS = 1000  # in a target, at least
SUMMARY = "Questions about heaps of objects with reference counts: of refheap, and of Python."


class Command:
    """One command of the engine's table; LLDB makes an object of a subclass for each debugger."""

    row = None

    def __init__(self, _debugger, _dictionary):
        pass

    def __call__(self, debugger, line, context, result):
        lldb.refheap_status = door.NO_ANSWER
        try:
            own = loaded_in(debugger)
            own.hook(context.GetTarget())
            own.name_types(context.GetTarget())
            session = own.session
            host = Host(debugger, context, result, session.epoch)
            status, message = session.run(host, self.row["name"], line)
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
    """The loaded engine, and what it knows of one debugger's targets. LLDB calls what is in `callbacks` by the name of
    `script`, and so may its users: there are the engine's functions, too."""

    def __init__(self, debugger, script, callbacks):
        self.debugger, self.script, self.callbacks = debugger, script, callbacks
        callbacks.update(reached=reached, summary=summary, Children=Children, is_managed=is_managed, NameTypes=NameTypes)
        self.has_names, self.named = False, set()
        self.hooked, self.hooks_all = [], False  # targets where NameTypes is called; is it in all that there will be?
        self.engine = door.Engine()
        self.structs, self.foreign = self.engine.describes["structs"], self.engine.describes.get("foreign", {})
        callbacks.update({row["name"]: function_of(row) for row in self.engine.describes["functions"]})
        self.session, self.describer = Session(self.engine), Describer(self.engine, debugger)
        self.stops = Stops(script)

    def close(self):
        self.stops.close()
        self.session.close()
        self.describer.session.close()

    def register(self, row):
        name = "Refheap_" + re.sub(r"\W", "_", row["name"])
        self.callbacks[name] = type(name, (Command,), {"row": row})
        completion = "-C variable-path " if row.get("operand") == "expression" else ""
        for place in (CATEGORY + " ", ""):  # older LLDBs have no container
            for options in ("-o " + completion, "-o ", ""):  # older LLDBs lack -C or -o
                result = handle(self.debugger, "command script add %s-c %s.%s %s%s" % (options, self.script, name, place, row["name"]))
                if result.Succeeded():
                    break
        if not result.Succeeded():
            raise RuntimeError("refheap: LLDB refuses the command %s: %s" % (row["name"], result.GetError().strip()))

    def register_types(self):
        """Summaries and children for the structs of objects and pointers to them: by a function that knows them where LLDB
        asks one, else by their names."""
        handle(self.debugger, "type category delete " + CATEGORY)  # of a script that was loaded before
        self.has_names = not self.show("--recognizer-function %s.is_managed" % self.script)
        self.hook(self.debugger.GetSelectedTarget())
        self.name_types(self.debugger.GetSelectedTarget())
        for other in [each for each in loaded().values() if each is not self]:  # it was their category, too
            other.named.clear()
            for target in other.debugger:
                other.name_types(target)
        handle(self.debugger, "type category enable " + CATEGORY)

    def show(self, types):
        return all(handle(self.debugger, line + types).Succeeded() for line in (
            "type summary add -e -w %s -F %s.summary " % (CATEGORY, self.script),
            "type synthetic add -w %s -l %s.Children " % (CATEGORY, self.script)))

    def hook(self, target):
        """Has NameTypes called where the selected target stops; while there is none, in all that there will be. Those inherit
        the hooks, and count their own ones from 1 on all the same: the first that the user adds would take the place of ours."""
        if not self.has_names or self.hooks_all or any(each == target for each in self.hooked):
            return
        add, number = "target stop-hook add ", re.compile(r"#(\d+)")
        if target.IsValid():
            if target == self.debugger.GetSelectedTarget() and handle(self.debugger, add + self.hook_class()).Succeeded():
                self.hooked.append(target)
            return
        added = [handle(self.debugger, add + "-o version").GetOutput() or "" for _ in range(HOOKS_OF_USERS)]
        self.hooks_all = handle(self.debugger, add + self.hook_class()).Succeeded()
        for each in filter(None, map(number.search, added)):
            handle(self.debugger, "target stop-hook delete " + each.group(1))

    def hook_class(self):
        return "-P %s.NameTypes" % self.script

    def name_types(self, target):
        """LLDB has to be told the names of the types that a target has, for all targets: once for each module."""
        if not self.has_names or not target.IsValid():
            return
        for module in target.module_iter():
            known = module.GetFileSpec().fullpath, module.GetUUIDString()
            if known not in self.named:
                self.named.add(known)
                for name in managed_names(module):
                    self.show('"%s" "%s *"' % (name, name))


class NameTypes:
    """LLDB makes one for each target, and calls it wherever that stops."""

    def __init__(self, _target, _arguments, _dictionary):
        pass

    def handle_stop(self, context, _stream):
        target = context.GetTarget()
        own = loaded_in(target.GetDebugger())
        if own is not None:
            own.name_types(target)
            own.describer.prepare(target.GetProcess())
        return True


def handle(debugger, line):
    result = lldb.SBCommandReturnObject()
    debugger.GetCommandInterpreter().HandleCommand(line, result)
    return result


def managed_names(module):
    """How C's variables call the structs of objects, also by typedefs; in a module that knows the objects' header: LLDB tells
    its user all that it finds strange in what it reads."""
    if not any(module.FindFirstType(header).IsValid() for header in any_loaded().structs):
        return []
    kinds = module.GetTypes(lldb.eTypeClassStruct | lldb.eTypeClassClass | lldb.eTypeClassTypedef)
    return sorted({kind.GetName() for kind in kinds if not kind.GetCanonicalType().IsPointerType() and is_managed(kind)})


def load(debugger, script, callbacks):
    """For the module `script`, whose names are in `callbacks`. LLDB shows a traceback for whatever is raised here, so a
    failure is told and not raised."""
    try:
        own = Refheap(debugger, script, callbacks)
    except door.DoorError as error:
        tell(debugger, error)
        return
    earlier = loaded_in(debugger)
    if earlier is not None:
        own.hooked, own.hooks_all = earlier.hooked, earlier.hooks_all
        earlier.close()
    loaded()[debugger.GetID()] = own
    drop_gone()
    handle(debugger, "command container add -o -h '%s' %s" % (SUMMARY, CATEGORY))
    for row in own.engine.commands:
        own.register(row)
    own.register_types()
    show_first(debugger)
    own.describer.prepare(debugger.GetSelectedTarget().GetProcess())
