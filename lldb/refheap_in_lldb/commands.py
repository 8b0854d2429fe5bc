"""commands.py - refheap's commands as LLDB's, from the engine's table: none is named here."""

import re

import lldb
import refheap_door as door

from .host import Host
from .stops import Stops, reached, tell
from .variables import CATEGORY, Children, Describer, is_managed, summary


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
    """The loaded engine and a session for each debugger. LLDB calls what is in `callbacks` by the name of `script`."""

    def __init__(self, debugger, script, callbacks):
        self.debugger, self.script, self.callbacks = debugger, script, callbacks
        callbacks.update(reached=reached, summary=summary, Children=Children, is_managed=is_managed)
        self.engine = door.Engine()
        self.structs, self.foreign = self.engine.describes["structs"], self.engine.describes.get("foreign", {})
        self.sessions, self.describers = {}, {}
        self.stops = Stops(script)

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

    def register(self, debugger, row):
        name = "Refheap_" + re.sub(r"\W", "_", row["name"])
        self.callbacks[name] = type(name, (Command,), {"row": row})
        completion = "-C variable-path " if row.get("operand") == "expression" else ""
        for options in ("-o " + completion, "-o ", ""):  # older LLDBs lack -C or -o
            result = handle(debugger, "command script add %s-c %s.%s %s" % (options, self.script, name, row["name"]))
            if result.Succeeded():
                return
        raise RuntimeError("refheap: LLDB refuses the command %s: %s" % (row["name"], result.GetError().strip()))

    def register_types(self, debugger):
        """Summaries and children for the structs of objects and pointers to them: by a function that knows them where LLDB
        asks one, else by the names of those that there are now."""
        summaries = "type summary add -e -w %s -F %s.summary " % (CATEGORY, self.script)
        children = "type synthetic add -w %s -l %s.Children " % (CATEGORY, self.script)
        handle(debugger, "type category delete " + CATEGORY)  # of a script that was loaded before
        known = "--recognizer-function %s.is_managed" % self.script
        if handle(debugger, summaries + known).Succeeded():
            handle(debugger, children + known)
        else:
            for name in managed_names(debugger.GetSelectedTarget()):
                handle(debugger, summaries + '"%s" "%s *"' % (name, name))
                handle(debugger, children + '"%s" "%s *"' % (name, name))
        handle(debugger, "type category enable " + CATEGORY)


def handle(debugger, line):
    result = lldb.SBCommandReturnObject()
    debugger.GetCommandInterpreter().HandleCommand(line, result)
    return result


def managed_names(target):
    """How C's variables call the structs of objects, also by typedefs."""
    names = set()
    for module in target.module_iter() if target.IsValid() else ():
        for kind in module.GetTypes(lldb.eTypeClassStruct | lldb.eTypeClassClass | lldb.eTypeClassTypedef):
            if not kind.GetCanonicalType().IsPointerType() and is_managed(kind):
                names.add(kind.GetName())
    return sorted(names)


def load(debugger, script, callbacks):
    """For the module `script`, whose names are in `callbacks`. LLDB shows a traceback for whatever is raised here, so a
    failure is told and not raised."""
    try:
        loaded = Refheap(debugger, script, callbacks)
    except door.DoorError as error:
        tell(debugger, error)
        return
    earlier = getattr(lldb, "_refheap", None)
    if earlier is not None:
        earlier.close()
    lldb._refheap = loaded
    for row in loaded.engine.commands:
        loaded.register(debugger, row)
    loaded.register_types(debugger)
