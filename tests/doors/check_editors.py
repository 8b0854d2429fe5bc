"""check_editors.py - the panes of docs/editors.md are what VS Code's debug adapters show of samples/over_release.

Invariant: a page without a pane for each debugger is a failure.
"""

import argparse
import os
import re
import sys

import launch
from editors import EDITORS
from launch import Target, require

DEPTH_MAX = 3


def panes():
    with open(os.path.join(launch.ROOT, "docs", "editors.md"), encoding="utf-8") as page:
        return dict(re.findall(r"^```text\n(GDB|LLDB): run\n(.*?)^```$", page.read(), re.M | re.S))


def lines(editor, name, text, inner, depth=0):
    yield "%s%s: %s" % ("  " * depth, name, re.sub(r"0x[0-9a-f]+", "0x…", text))
    if depth < DEPTH_MAX:
        for row in editor.opened(inner):
            yield from lines(editor, *row, depth + 1)


def run(program):
    wanted = panes()
    for pane, name in (("GDB", "cppdbg"), ("LLDB", "lldb-dap")):
        require(pane in wanted, "docs/editors.md has no pane of %s", pane)
        asked = re.findall(r"^(\w+):", wanted[pane], re.M)
        with EDITORS[name](Target(exe=program)) as editor:
            editor.frame("main")
            require("home" in editor.variables(), "no variable home: %s", editor.variables())
            shown = "".join(line + "\n" for each in asked for line in lines(editor, each, *editor.watched(each)))
        require(shown == wanted[pane], "docs/editors.md has of %s:\n%s\nIt shows:\n%s", name, wanted[pane], shown)


def check_variable_object(program):
    """GDB's has a text whenever it is asked for one, also when it has been opened, and was updated."""
    with EDITORS["cppdbg"](Target(exe=program)) as gdb:
        gdb.frame("main")
        gdb.ask("-stack-select-frame " + gdb.level)
        texts = [gdb.ask("-var-create v * left")["value"], gdb.ask("-var-evaluate-expression v")["value"]]
        before = gdb.opened("v")
        texts.append(gdb.ask("-var-evaluate-expression v")["value"])
        require(not gdb.ask("-var-update --all-values v")["changelist"], "a variable changes by itself")
        texts += [gdb.ask("-var-evaluate-expression v")["value"], gdb.ask("-var-set-format v hexadecimal")["value"],
                  gdb.ask("-var-set-format v natural")["value"]]
        require(set(texts) == {texts[0]} and texts[0].endswith("tab#2 rc=1"), "the texts of one variable: %s", texts)
        require([name for name, _text, inner in before if inner] == ["shown"] and gdb.opened("v") == before, "what it holds: %s, %s",
                before, gdb.opened("v"))
        for address, text, names in (("0", "0x0", []), ("right", "tab#3 rc=1", ["shown"]), ("8", "0x8", []), ("&home", "", []),
                                     ("right", "tab#3 rc=1", ["shown"])):  # (GDB ends where a printer comes and goes)
            gdb.ask('-interpreter-exec console "set var left = (void *) %s"' % address)
            changed = gdb.ask("-var-update --all-values v")["changelist"]
            said = gdb.ask("-var-evaluate-expression v")["value"]
            require("v" in [each["name"] for each in changed] and said.endswith(text) and "..." not in said, "%s: %s, %s", address, said, changed)
            require([row[0] for row in gdb.opened("v")] == names, "%s: %s", address, gdb.opened("v"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", help="over_release")
    arguments = parser.parse_args()

    def body():
        run(arguments.program)
        check_variable_object(arguments.program)
    return launch.report(body)


if __name__ == "__main__":
    sys.exit(main())
