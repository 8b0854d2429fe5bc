"""refheap_lldb.py - the door of LLDB: `command script import` this file to get refheap's commands.

Lends the engine LLDB's memory, threads, expressions, names and terminal; every answer and every word
of it is made by the engine. Commands come from the engine's table: none is named here. The modules
of the door are in refheap_in_lldb/, beside this file; what LLDB calls by name is put into this one.

Invariant: nothing selects a thread or frame, and every way out of a command that fails goes through
result.SetError: LLDB takes a command whose Python raised for one that succeeded.

lldb -b stops at the first command that fails and exits with 1. For the status itself (1: --check found
something, 2: no answer), which lldb.refheap_status keeps:
  lldb -b prog -c core -o 'command script import refheap_lldb.py' -o 'script lldb.debugger.HandleCommand("COMMAND")'
       -o 'script lldb.debugger.HandleCommand("quit %d" % lldb.refheap_status)'
"""

import importlib
import os
import sys

PACKAGE = "refheap_in_lldb"


def lacking(places):
    """What to say of files of which there is none; places: where each may be."""
    for needed in places:
        if not any(map(os.path.exists, needed)):
            return ("refheap: this script needs %s/ and refheap_door.py, copied along with it: there is no %s"
                    % (PACKAGE, " and no ".join(needed)))
    return None


def __lldb_init_module(debugger, _dictionary):
    """The modules of the door, and refheap_door.py, which is beside this file (installed) or in the source tree. Each
    loading has its own, and writes no bytecode."""
    here = os.path.dirname(os.path.realpath(lacking.__code__.co_filename))
    shared = [os.path.join(here, "refheap_door.py"),
              os.path.join(os.path.dirname(here), "inspect", "python", "refheap_door.py")]
    error = lacking([[os.path.join(here, PACKAGE, "__init__.py")], shared])
    if error:
        debugger.GetErrorFile().Write(("error: %s\n" % error).encode())
        debugger.GetErrorFile().Flush()
        return
    for name in [each for each in sys.modules if each.partition(".")[0] in (PACKAGE, "refheap_door")]:
        del sys.modules[name]
    before = sys.path[:], sys.dont_write_bytecode
    sys.path[:0], sys.dont_write_bytecode = [here, os.path.dirname(next(filter(os.path.exists, shared)))], True
    try:
        importlib.invalidate_caches()
        importlib.import_module(PACKAGE + ".commands").load(debugger, __name__, globals())
    finally:
        sys.path[:], sys.dont_write_bytecode = before
