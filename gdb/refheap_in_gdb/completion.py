"""completion.py - GDB's own completions of expressions, those of the user's program first."""

import re

import gdb

from .names import variables_of
from .state import Setting

COMPLETED_MAX = 1000  # names that are looked up for one word, in each file of the program
SYSTEM_FOLDERS = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/libexec/")


def completed_expressions(word):
    """GDB's own completions of a word of an expression, members too: of its commands, `print` completes expressions.
    Of names, the program's own variables; where none begins so, those of its libraries and whatever else GDB knows."""
    lines = gdb.execute("complete print " + word, to_string=True).splitlines()
    if any("***" in line for line in lines):  # not all of them
        with Setting("max-completions", COMPLETED_MAX):
            lines = gdb.execute("complete print " + word, to_string=True).splitlines()
    found = [line.partition(" ")[2] for line in lines if "***" not in line]
    name = re.fullmatch(r"([*&!~(]*)(\w+)", word)
    own = {name[1] + each for each in own_names([each[len(name[1]):] for each in found])} if name else set(found)
    own = [each for each in found if each in own]
    return own or found[:gdb.parameter("max-completions") or COMPLETED_MAX]


def own_names(names):
    """Of these, the variables of the selected frame, and of files that are not of the system's libraries."""
    space, own = gdb.current_progspace(), set()
    files = [file for file in space.objfiles() if file.filename
             and (file.filename == space.filename or not file.filename.startswith(SYSTEM_FOLDERS))]
    try:
        own.update(symbol.name for symbol in variables_of(gdb.selected_frame())
                   if symbol.symtab is not None and symbol.symtab.objfile in files)
    except gdb.error:
        pass  # no frame is selected
    for file in files:
        symbols = [file.lookup_global_symbol(name) or file.lookup_static_symbol(name) for name in names]
        own.update(symbol.name for symbol in symbols if symbol is not None and symbol.is_variable)
    return own
