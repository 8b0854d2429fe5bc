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
    """Where LLDB does not say who asks: of a debugger that is there, if something is loaded in one. LLDB asks nothing before
    something is loaded anywhere, but also where all who loaded something are gone."""
    return next((each for key, each in loaded().items() if not is_gone(key)), None) or next(iter(loaded().values()))


def is_gone(key):
    return not lldb.SBDebugger.FindDebuggerWithID(key).IsValid()


def drop_gone():
    for key in filter(is_gone, list(loaded())):
        loaded().pop(key).close()
