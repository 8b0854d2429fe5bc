"""refheap_gdb.py - the door of GDB: `source` this file (GDB 13 or later) to get refheap's commands.

Lends the engine GDB's memory, threads, expressions, names and terminal; every answer and every word
of it is made by the engine. Commands come from the engine's table: none is named here. The modules
of the door are in refheap_in_gdb/, beside this file.

Invariant: the selected thread and frame are the same after a command as before it, and a command
that fails raises gdb.GdbError with one line (GDB shows a traceback for anything else). GDB's Python has
one space of names for all scripts that are sourced: no name of this one stays in it.

In batch mode GDB exits with the status of its last command alone. $refheap_status holds the status
of refheap's last command: gdb -batch prog core -x refheap_gdb.py -ex 'COMMAND' -ex 'quit $refheap_status'
"""


def _refheap_load():
    """The modules of the door, and refheap_door.py, which is beside this file (installed) or in the source tree. Each
    loading has its own, and writes no bytecode."""
    import importlib
    import os
    import sys

    import gdb

    package = "refheap_in_gdb"
    here = os.path.dirname(os.path.realpath(_refheap_load.__code__.co_filename))
    shared = [os.path.join(here, "refheap_door.py"),
              os.path.join(os.path.dirname(here), "inspect", "python", "refheap_door.py")]
    places = [[os.path.join(here, package, "__init__.py")], shared]
    for needed in places:
        if not any(map(os.path.exists, needed)):
            gdb.write("refheap: this script needs %s, copied along with it: there is no %s\n"
                      % (" and ".join((package + "/", "refheap_door.py")), " and no ".join(needed)), gdb.STDERR)
            return
    for name in [each for each in sys.modules if each.partition(".")[0] in (package, "refheap_door")]:
        del sys.modules[name]
    before = sys.path[:], sys.dont_write_bytecode
    sys.path[:0], sys.dont_write_bytecode = [here, os.path.dirname(next(filter(os.path.exists, shared)))], True
    try:
        importlib.invalidate_caches()
        importlib.import_module(package + ".commands").load()
    finally:
        sys.path[:], sys.dont_write_bytecode = before


_refheap_load()
del _refheap_load
