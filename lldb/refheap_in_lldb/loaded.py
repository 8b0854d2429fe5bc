"""loaded.py - what is loaded for each debugger of this LLDB.

An editor has several debuggers in one LLDB. Python's modules are the same for all of them, and so are the categories of
types; commands, breakpoints, hooks, and what the engine knows of a target are each debugger's own.

Invariant: no debugger that is gone is among them after another one has loaded.
"""

import lldb


def loaded():
    """By the ids of debuggers. LLDB gives none of those twice. It outlives a script that is loaded again."""
    if not hasattr(lldb, "_refheaps"):
        lldb._refheaps = {}
    return lldb._refheaps


def loaded_in(debugger):
    """None: nothing is."""
    return loaded().get(debugger.GetID())


def any_loaded():
    """Where LLDB does not say who asks. It asks nothing before something is loaded."""
    return next(iter(loaded().values()))


def drop_gone():
    for key in list(loaded()):
        if not lldb.SBDebugger.FindDebuggerWithID(key).IsValid():
            loaded().pop(key).close()
