"""check_debuggers.py - several debuggers in one LLDB, as an editor has them: what one of them was told stands when another one
loads the script, and when that is gone.

Each debugger runs a watched.c of its own. Invariant: where it has to stop comes from the log of that program alone, as in
check_watch.py.
"""

import argparse
import json
import os
import re
import sys
import tempfile

import launch
from check_variables import REFUSE
from check_watch import ROUNDS, STOP, changes_of, log_of
from launch import require

# Each line for a debugger gives a row: what the command says, and what it prints elsewhere.
INSIDE = r"""
import json, os
class Debugger:
    def __init__(self, folder):
        os.mkdir(folder)
        self.folder, self.debugger = folder, lldb.SBDebugger.Create(False)
        self.debugger.SetAsync(False)
        self.debugger.GetCommandInterpreter().HandleCommand("settings set symbols.enable-external-lookup false", lldb.SBCommandReturnObject())
        self.shown = open(os.path.join(folder, "shown"), "w+b", buffering=0)
        self.debugger.SetOutputFile(lldb.SBFile(self.shown.fileno(), "w", False))
        self.debugger.SetErrorFile(lldb.SBFile(self.shown.fileno(), "w", False))
    def say(self, line):
        result = lldb.SBCommandReturnObject()
        self.debugger.GetCommandInterpreter().HandleCommand(line, result)
        with open(os.path.join(self.folder, "shown"), encoding="utf-8") as file:
            shown = file.read()
        os.truncate(self.shown.fileno(), 0)
        os.lseek(self.shown.fileno(), 0, os.SEEK_SET)
        return [result.Succeeded(), (result.GetOutput() or "") + shown, result.GetError() or ""]
debuggers, numbers, answers = {}, [], []
for name, line in questions:
    if name not in debuggers:
        debuggers[name] = Debugger(os.path.join(folder, name))
        numbers.append(debuggers[name].debugger.GetID())
    each = debuggers[name]
    if line == "DESTROY":
        lldb.SBDebugger.Destroy(each.debugger)
        answers.append([True, "", ""])
    elif line == "KNOWN":
        answers.append([True, str([number in getattr(lldb, "_refheaps", ()) for number in numbers]), ""])
    else:
        answers.append(each.say(line.replace("FOLDER", each.folder)))
with open(os.path.join(folder, "answers.json"), "w", encoding="utf-8") as file:
    json.dump(answers, file)
"""


def ask(questions):
    """questions: (name of the debugger, line). A debugger is made where its name is new."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "questions.py")
        with open(path, "w", encoding="utf-8") as script:
            script.write("folder, questions = %r, %r\n%s" % (folder, questions, INSIDE))
        argv = [launch.Lldb().program, "-x", "-b", "-o", "script exec(open(%r).read())" % path]
        out, error, _status = launch.run_tool(argv)
        launch.without_traceback(out + error)
        answers = os.path.join(folder, "answers.json")
        require(os.path.exists(answers), "no answers: %s%s", out, error)
        with open(answers, encoding="utf-8") as file:
            answers = json.load(file)
    for question, (succeeded, text, told) in zip(questions, answers, strict=True):
        launch.without_traceback(text + told)
        require(succeeded, "%s of the %s debugger: %s%s", question[1], question[0], text, told)
    return [text for _succeeded, text, _told in answers]


LOAD = "command script import " + launch.SCRIPTS["lldb"]


def started(program):
    """Stands where its objects are made, and is let go on to its end."""
    touches = " ".join("FOLDER/go.%d" % number for number in range(1, ROUNDS + 2))
    return ["target create " + program, "breakpoint set -n stand", "process launch -w FOLDER -o FOLDER/log", "platform shell touch " + touches]


class Asked:
    """Lines for debuggers, and what has to be said to them."""

    def __init__(self):
        self.questions, self.checks = [], []

    def add(self, name, *lines, check=None):
        for line in lines:
            self.questions.append((name, line))
            self.checks.append(check)

    def stop(self, name, change):
        def check(text):
            found = [(match.group(1), int(match.group(3)), int(match.group(6) or 0)) for match in STOP.finditer(text)]
            wanted = [(change["id"], change["count"], change["line"])]
            require(found == wanted, "the %s debugger stops with %s, not %s:\n%s", name, found, wanted, text)
        self.add(name, "continue", check=check)

    def object(self, name, variable, shown):
        def check(text):
            require(re.search(r" %s = .*\b%s\b" % (variable, shown), text), "the %s debugger shows %s as: %s", name, variable, text)
        self.add(name, "target variable " + variable, check=check)

    def run(self):
        for text, check in zip(ask(self.questions), self.checks, strict=True):
            if check is not None:
                check(text)


def check_stops(program):
    """Of the first, with others that load the script, stop, and are gone."""
    log = log_of(program)
    first, second = ([change for truth in log[1:] for change in changes_of(truth, name)] for name in ("leaf#1", "leaf#4"))
    require(len(first) >= 6 and len(second) >= 3, "too few changes: %s %s", first, second)
    asked = Asked()
    asked.add("first", LOAD, *started(program), "refwatch --stop leaf#1")
    asked.stop("first", first[0])
    asked.add("second", LOAD)
    asked.stop("first", first[1])
    asked.add("second", *started(program), "refwatch --stop leaf#4")
    for name in ("first", "second"):
        asked.object(name, "keeper", "holder#6")
    asked.stop("second", second[0])
    asked.stop("first", first[2])
    asked.stop("second", second[1])
    asked.add("second", "DESTROY")
    asked.stop("first", first[3])
    asked.add("third", LOAD, *started(program), "refwatch --stop leaf#4")
    asked.object("third", "keeper", "holder#6")
    asked.stop("third", second[0])
    for change in first[4:]:
        asked.stop("first", change)
    asked.add("first", "continue", check=lambda text: require("exited with status = 0" in text, "the first ends: %s", text))

    def check_known(text):
        require(text == "[True, False, True]", "known are of three debuggers, the second of which is gone: %s", text)
    asked.add("third", "KNOWN", check=check_known)
    asked.run()
    print("%d stops of the first debugger" % len(first))


def check_names(program):
    """Where LLDB has to be told the names of types: at each stop, by a hook of each debugger."""
    refuse = "script exec(%r)" % REFUSE
    asked = Asked()
    asked.add("first", LOAD, refuse)
    asked.add("second", LOAD, refuse)
    asked.add("second", *started(program))
    asked.object("second", "keeper", "holder#6")
    asked.add("first", *started(program))
    asked.object("first", "keeper", "holder#6")
    asked.add("third", LOAD, refuse)
    for name in ("first", "second"):
        asked.object(name, "keeper", "holder#6")
    asked.run()
    print("hooks of two debuggers")


def check_hooks(program):
    """Hooks of the user's own: added where a target inherited one of refheap's, to a target that was there before it, and before
    any target. LLDB numbers those of a target and the inherited ones alike."""
    refuse, own = "script exec(%r)" % REFUSE, "target stop-hook add -o version"
    create, *rest = started(program)

    def check_list(text):
        require("NameTypes" in text and "version" in text, "hooks of the target: %s", text)
    asked = Asked()
    asked.add("first", LOAD, refuse, create, own)
    asked.add("second", create, LOAD, refuse, own)
    asked.add("third", own, LOAD, refuse, create, own)
    for name in ("first", "second", "third"):
        asked.add(name, "target stop-hook list", check=check_list)
        asked.add(name, *rest)
        asked.object(name, "keeper", "holder#6")
    asked.run()
    print("hooks of refheap's beside the user's")


def main():
    parser = argparse.ArgumentParser(description="Checks several debuggers in one LLDB.")
    parser.add_argument("program", help="watched.c")
    program = os.path.abspath(parser.parse_args().program)

    def body():
        check_stops(program)
        check_names(program)
        check_hooks(program)
    return launch.report(body)


if __name__ == "__main__":
    sys.exit(main())
