"""check_variables.py - variables that hold objects, as each debugger shows them by its own means: GDB's `print`, LLDB's
`frame variable`, and both as an editor drives them (editors.py).

variables.c, and references.cpp, say what each variable of their `main` holds, and which children are to be seen; and what a backtrace
says of the arguments of `stay`. Every way of looking is held to that one list, live and on a core. Invariant: a way that shows a
variable of the list not at all has failed.
"""

import argparse
import os
import re
import sys
import tempfile

import launch
from editors import EDITORS
from launch import require

SHOWN_ALONE = re.compile(r'(\([\w ]+\*+\) )?(0x[0-9a-f]+|NULL)(?: <[^>]*>)?$')  # a pointer's own value

# What was shown of a variable: its text, and (name, text) of its children. And of each argument in a backtrace: its text.


# ---- GDB -----------------------------------------------------------------------------------------


def gdb_start(target, *options):
    return launch.Gdb().start(target) + list(options)


def by_print(target, names):
    """`print NAME`, and of its children `print *NAME`, each on a line of its own."""
    argv = gdb_start(target, "-ex", "source " + launch.SCRIPTS["gdb"], "-ex", "frame function main", "-ex", "set print pretty on")
    for name in names:
        for expression in (name, "*" + name):
            argv += ["-ex", "echo @@%s\\n" % expression, "-ex", "print " + expression]
    argv += ["-ex", "echo @@locals\\n", "-ex", "info locals", "-ex", "echo @@backtrace\\n", "-ex", "backtrace"]
    out, error, _status = launch.run_tool(argv + ["-ex", "echo @@\\n"])
    launch.without_traceback(out + error)
    answers = dict(re.findall(r"^@@(\S+)\n(.*?)(?=^@@)", out, re.MULTILINE | re.DOTALL))
    shown = {}
    for name in names:
        text = re.sub(r"^\$\d+ = ", "", answers[name]).strip()
        inner = text if " &) @" in text else answers["*" + name]  # a reference shows its object
        shown[name] = without_children(text), [tuple(row) for row in re.findall(r"^  (\S+) = (.*?),?$", inner, re.MULTILINE)]
        local = re.search(r"^%s = (.*?)(?: = \{|: \{)?$" % name, answers["locals"], re.MULTILINE)
        require(local and shown[name][0].endswith(local.group(1)), "%s is '%s', and among the locals: %s", name, shown[name][0], local)
    return shown, arguments_in(answers["backtrace"])


def arguments_in(backtrace):
    """The texts of the arguments of `stay`, where a program has that, by their names."""
    line = re.search(r"\bstay ?\((.*)\) at ", backtrace)
    require("main" in backtrace, "a backtrace without `main`:\n%s", backtrace)
    return dict(re.findall(r"(\w+)=(.*?)(?=, \w+=|$)", line.group(1))) if line else {}


def without_children(text):
    """Of a reference, which its children follow."""
    return re.sub(r"(?: =|:) \{(\n.*)?$", "", text, flags=re.DOTALL)


# ---- LLDB ----------------------------------------------------------------------------------------


# Makes this LLDB one that asks no function which types to show.
REFUSE = """
import sys
commands = sys.modules["refheap_in_lldb.commands"]
handle = commands.handle
commands.handle = lambda debugger, line: handle(debugger, "zork" if "--recognizer-function" in line else line)
lldb._refheaps[lldb.debugger.GetID()].register_types()
"""


def by_names(target, names):
    return by_frame_variable(target, names, ["script exec(%r)" % REFUSE])


def by_frame_variable(target, names, before=()):
    lines = ["command script import " + launch.SCRIPTS["lldb"], *before,
             "script lldb.thread.SetSelectedFrame(next(f.idx for f in lldb.thread if f.name == 'main'))"]
    for name in names:
        for options in (name, "-P 1 " + name):
            lines += ["script print('@@%s')" % options, "frame variable " + options]
    lines += ["script print('@@backtrace')", "thread backtrace"]
    argv = launch.Lldb().start(target) + [part for line in [*lines, "script print('@@')"] for part in ("-o", line)]
    out, error, _status = launch.run_tool(argv)
    launch.without_traceback(out + error)
    out = re.sub(r"^\(lldb\).*\n", "", out, flags=re.MULTILINE)
    answers = dict(re.findall(r"^@@([^\n]+)\n(.*?)(?=^@@)", out, re.MULTILINE | re.DOTALL))
    shown = {}
    for name in names:
        require(name in answers, "%s is not shown:\n%s%s", name, out[:3000], error)
        text = re.match(r"\(.*?\) %s = (.*)" % name, answers[name]).group(1)
        shown[name] = without_children(text), [tuple(row) for row in re.findall(r"^  (\S+) = (.*)$", answers["-P 1 " + name], re.MULTILINE)]
    return shown, arguments_in(answers["backtrace"])


# ---- editors -------------------------------------------------------------------------------------


def by_editor(make):
    def by(target, names):
        with make(target) as editor:
            editor.frame("main")
            found = editor.variables()
            shown = {}
            for name in names:
                require(name in found, "%s is not among the variables %s", name, found)
                text, inner = editor.watched(name)
                shown[name] = text, [row[:2] for row in editor.opened(inner)]
                require(editor.watched(name)[0] == text, "%s is shown otherwise the second time: %s", name, editor.watched(name))
            return shown, editor.arguments("stay")
    return by


WAYS = {"print": by_print, "frame-variable": by_frame_variable, "names": by_names, **{name: by_editor(make) for name, make in EDITORS.items()}}


# ---- the list ------------------------------------------------------------------------------------


def check_text(what, variable, text):
    if variable["text"] is None:
        require(SHOWN_ALONE.match(text), "%s'%s' says more than the debugger's own", what, text)
    else:
        require((" " + text).endswith(" " + variable["text"]), "%s'%s' does not end in '%s'", what, text, variable["text"])


def check(way, mode, variable, text, children):
    what = "%s, %s: %s: " % (way, mode, variable["name"])
    check_text(what, variable, text)
    if variable["children"] is None:
        return
    names = [name for name, _part in variable["children"]]
    require([name for name, _text in children] == names, "%schildren %s, not %s", what, children, names)
    for (name, part), (_name, shown) in zip(variable["children"], children):
        is_array = way == "cppdbg" and name == "bytes"  # of which GDB's machine interface shows characters, one by one
        require(part in shown or (is_array and shown == ""), "%s%s is '%s', without '%s'", what, name, shown, part)


def run(way, program, options):
    """Beside a second process of the same program, which is not the one that is asked about."""
    os.environ["REFHEAP_OPTIONS"] = options
    with tempfile.TemporaryDirectory() as folder, launch.Subject(program, 1, folder) as subject, launch.Subject(program, 1, folder):
        variables = subject.truth["variables"]
        for mode, make in (("live", subject.live), ("core", subject.core)):
            shown, arguments = WAYS[way](make(), [each["name"] for each in variables])
            for variable in variables:
                check(way, mode, variable, *shown[variable["name"]])
            for argument in subject.truth.get("arguments", []):
                require(argument["name"] in arguments, "%s, %s: no %s in %s", way, mode, argument["name"], arguments)
                check_text("%s, %s: argument %s: " % (way, mode, argument["name"]), argument, arguments[argument["name"]])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", required=True, choices=WAYS)
    parser.add_argument("--options", action="append", default=[""], help="run it once more with these REFHEAP_OPTIONS")
    parser.add_argument("program")
    arguments = parser.parse_args()
    return launch.report(lambda: [run(arguments.way, arguments.program, options) for options in arguments.options])


if __name__ == "__main__":
    sys.exit(main())
