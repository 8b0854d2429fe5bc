"""doors.py - the rules of the doors: where each host is known, and how a door is cut into modules.

A door began as one file. It grew by whatever a debugger has of its own, so now it is a folder of modules, and what was
asked of that file is asked of the folder.
Invariant: SABOTAGE has the plants of each rule here, as in architecture.py.
"""

import ast
import os
import re

from rooms import on_circles
from tree import PARTS, append

HOSTS = {"gdb": "gdb/", "lldb": "lldb/", "ctypes": ("inspect/python/refheap_door.py", "tests/doors/classes_python.py")}
PACKAGES = {"gdb": "gdb/refheap_in_gdb/", "lldb": "lldb/refheap_in_lldb/"}
SCRIPTS = ("gdb/refheap_gdb.py", "lldb/refheap_lldb.py", "inspect/python/refheap_door.py")
MODULE_LINES = 300


def imported(text):
    """The top-level modules a Python file imports, in whatever way; not those beside it (`from .x import y`)."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("__import__", "import_module"):
                yield str(node.args[0].value).split(".")[0]


def hosts_stay_in_their_doors(tree):
    """gdb and lldb are imported below the folder of their door alone, ctypes by one file,
    and by a program whose heap is read."""
    found = set()
    for part in PARTS:
        for path in tree.files(part, (".py",)):
            for name in set(imported(tree.text(path))) & set(HOSTS):
                found.add(name)
                if not path.startswith(HOSTS[name]):
                    yield "%s imports %s" % (path, name)
    for name in set(HOSTS) - found:
        yield "nothing imports %s" % name


def doors_hide_no_debugger(tree):
    """A folder gdb or lldb that is a package would be imported in place of the debugger's module."""
    for part in PACKAGES:
        for path in tree.files(part, ("__init__.py",)):
            if path != PACKAGES[part] + "__init__.py":
                yield "%s makes a package" % path


def modules(tree, package):
    return [path for path in tree.files(package, (".py",)) if not path.endswith("__init__.py")]


def modules_form_no_circle(tree):
    """Neither do they import one another later, inside of a function."""
    for package in PACKAGES.values():
        edges = set()
        for path in modules(tree, package):
            edges |= {(path, package + node.module + ".py") for node in ast.walk(ast.parse(tree.text(path)))
                      if isinstance(node, ast.ImportFrom) and node.level and node.module}
        for path, other in on_circles(edges):
            yield "%s imports %s, which leads back" % (path, other)


def modules_are_small(tree):
    """A door's module has one thing to say. A longer one holds two."""
    for path in [each for package in PACKAGES.values() for each in modules(tree, package)] + list(SCRIPTS[:2]):
        count = tree.text(path).count("\n")
        if count > MODULE_LINES:
            yield "%s has %d lines" % (path, count)


def modules_are_in_the_guide(tree):
    """docs/contributing.md has each module of a door in its table, and no other."""
    text, there, named = tree.text("docs/contributing.md"), set(), set()
    for package in PACKAGES.values():
        there |= {path[:-len(".py")] for path in modules(tree, package)}
    for package, table in re.findall(r"^### [^\n]*`((?:gdb|lldb)/\w+/)`\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL):
        for cell in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE):
            named |= {package + name for name in re.findall(r"`(\w+)`", cell)}
    for module in sorted(there ^ named):
        yield "docs/contributing.md %s %s" % ("lacks" if module in there else "names, without its being there,", module)


def doors_name_no_command(tree):
    if not tree.commands:
        yield "the command table is empty"
    for path in [*SCRIPTS, *(each for package in PACKAGES.values() for each in modules(tree, package))]:
        text = tree.text(path)
        for name in tree.commands:
            if re.search(r"\b%s\b" % re.escape(name), text):
                yield "%s names the command %s" % (path, name)


SABOTAGE = {
    hosts_stay_in_their_doors: [
        append("tests/doors/spoiled.py", "import gdb\n"),
        append("gdb/spoiled.py", "from lldb import SBTarget\n"),
        append("lldb/refheap_lldb.py", "\n__import__('ctypes')\n"),
        append("gdb/refheap_in_gdb/host.py", "\nimport ctypes\n"),
        append("inspect/python/refheap_door.py", "\ndef late():\n    import gdb.printing\n"),
    ],
    doors_hide_no_debugger: [append("gdb/__init__.py", ""), append("lldb/deep/__init__.py", "")],
    modules_form_no_circle: [
        append("gdb/refheap_in_gdb/state.py", "\nfrom .commands import load\n"),
        append("lldb/refheap_in_lldb/files.py", "\ndef late():\n    from .host import Host\n"),
    ],
    modules_are_small: [append(path, "\n" * MODULE_LINES) for path in ("gdb/refheap_in_gdb/host.py", "lldb/refheap_lldb.py")],
    modules_are_in_the_guide: [
        append("lldb/refheap_in_lldb/spoiled.py", ""),
        append("docs/contributing.md", "\n### In GDB: `gdb/refheap_in_gdb/`\n\n| `spoiled` | does nothing |\n"),
    ],
    doors_name_no_command: [append(path, '\nX = "COMMAND"\n') for path in (*SCRIPTS, *(package + "host.py" for package in
                                                                                      PACKAGES.values()))],
}
