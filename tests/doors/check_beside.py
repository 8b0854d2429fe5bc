"""check_beside.py - refheap beside the scripts of others, in GDB and LLDB: pwndbg and gef by the names that they register, and
Python's own printers. Nothing of theirs is shadowed, and refheap's works.

Invariant: each script is loaded before refheap's, and in another debugger after it.
"""

import argparse
import os
import re
import sys
import tempfile

import launch
from check_gdb_conventions import say
from launch import require

# Some of what pwndbg and gef register, and names that refheap has, too, as another script's.
COMMANDS = ("heap", "bins", "telescope", "vmmap", "xinfo", "search", "context", "checksec", "got", "canary", "gef", "pwndbg", "theme", "scan",
            "hexdump", "objat", "refs")
FUNCTIONS = ("_heap", "_base", "rebase", "base", "refcount")
PARAMETERS = ("context-sections", "telescope-lines", "gef-color")
OTHER_SCRIPT = """
import gdb
class Other(gdb.Command):
    def invoke(self, line, tty):
        gdb.write("another's\\n")
class OtherFunction(gdb.Function):
    def invoke(self, *values):
        return 4711
class OtherParameter(gdb.Parameter):
    def get_show_string(self, shown):
        return "another's " + shown
class Describer:
    name, enabled = "another's", True
    def __init__(self, value=None):
        self.value = value
    def __call__(self, value):
        return Describer(value) if str(value.type) == "rh_heap *" else None
    def to_string(self):
        return "another's heap"
for name in %r:
    Other(name, gdb.COMMAND_USER)
for name in %r:
    OtherFunction(name)
for name in %r:
    OtherParameter(name, gdb.COMMAND_DATA, gdb.PARAM_ZINTEGER).value = 7
gdb.pretty_printers.append(Describer())
gdb.prompt_hook = lambda prompt: "another's> "
Host, load, door, types, json = "a", "b", "c", "d", "e"
""" % (COMMANDS, FUNCTIONS, PARAMETERS)
NAMES = "python print([Host, load, door, types, json, Describer().name, gdb.prompt_hook('')])"
KEPT = "['a', 'b', 'c', 'd', 'e', \"another's\", \"another's> \"]"
OWN = {"refheap objat first": "person#1: live", "refheap refs first": "held by:", "gcstat": "person", "print first": "person#1 rc=2",
       "print $objid(first)": '"person#1"', "show refheap limit": ": 20"}
PYTHON_PRINTER = """
import gdb
class Theirs:
    def __init__(self, value):
        self.value = value
    def to_string(self):
        return "theirs"
gdb.pretty_printers.append(lambda value: Theirs(value) if str(value.type) == "PyObject *" else None)
"""
PYTHON_SUMMARY = """
def show(value, dictionary):
    return "theirs"
def __lldb_init_module(debugger, dictionary):
    debugger.HandleCommand('type summary add -w theirs -F theirs.show "PyObject *"')
    debugger.HandleCommand("type category enable theirs")
"""


def written(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def in_both_orders(target, script, *lines):
    """What GDB says where another script was sourced first, and where refheap was."""
    source = "source " + script
    yield "theirs first", say(target, *lines, before=["frame function main", source])
    yield "ours first", say(target, source, *lines, before=["frame function main"])[1:]


def check_names(target, folder):
    script = written(folder, "another.py", OTHER_SCRIPT)
    theirs = [*COMMANDS, *("print $%s(1)" % name for name in FUNCTIONS), *("show " + name for name in PARAMETERS), "print heap", NAMES]
    for order, answers in in_both_orders(target, script, *theirs, *OWN):
        for line, said in zip(theirs, answers):
            require(said == KEPT if line == NAMES else "another's" in said or said.endswith(" = 4711"), "%s: `%s` says %s", order, line, said)
        for (line, part), said in zip(OWN.items(), answers[len(theirs):], strict=True):
            require(part in said and "another's" not in said, "%s: `%s` says %s", order, line, said)


def check_python(target, folder):
    script = written(folder, "their_printer.py", PYTHON_PRINTER)
    for order, (session, items) in in_both_orders(target, script, "print session", "print as_list"):
        require(session.endswith("= theirs"), "%s: a pointer that their printer shows is %s", order, session)
        require("['anne', 'anne']" in items, "%s: one that it does not show is %s", order, items)
    imports = ["-o", "command script import " + written(folder, "theirs.py", PYTHON_SUMMARY),
               "-o", "command script import " + launch.SCRIPTS["lldb"]]
    select = "script lldb.thread.SetSelectedFrame(next(f.idx for f in lldb.thread if f.name == 'main'))"
    for order in (imports, imports[2:] + imports[:2]):
        out, error, _status = launch.run_tool(launch.Lldb().start(target) + order + ["-o", select, "-o", "frame variable session as_list"])
        launch.without_traceback(out + error)
        require(re.search(r"^\(PyObject \*\) session = 0x\w+ theirs$", out, re.M), "a pointer that their summary shows: %s", out)
        require(re.search(r"^\(PyListObject \*\) as_list = 0x\w+ list@.*\['anne', 'anne'\]$", out, re.M), "one that it does not show: %s", out)


def run(program, embedding):
    with tempfile.TemporaryDirectory() as folder, launch.Subject(program, 1, folder) as subject:
        check_names(subject.live(), folder)
    if embedding:
        with tempfile.TemporaryDirectory() as folder, launch.Subject(embedding, 1, folder) as subject:
            check_python(subject.live(), folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", help="variables")
    parser.add_argument("embedding", nargs="?", help="variables_python")
    arguments = parser.parse_args()
    return launch.report(lambda: run(arguments.program, arguments.embedding))


if __name__ == "__main__":
    sys.exit(main())
