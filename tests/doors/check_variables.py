"""check_variables.py - variables that hold objects, as each debugger shows them by its own means: GDB's `print` and
variable objects of its machine interface, LLDB's `frame variable`, and lldb-dap as an editor asks it.

variables.c says what each variable of its `main` holds, and which children are to be seen. Every way of looking is held
to that one list, live and on a core. Invariant: a way that shows a variable of the list not at all has failed.
"""

import argparse
import json
import os
import re
import select
import subprocess
import sys
import tempfile

import launch
from launch import Failure, require

SHOWN_ALONE = re.compile(r'(\([\w ]+\*+\) )?(0x[0-9a-f]+|NULL)(?: <[^>]*>)?$')  # a pointer's own value
TEXT = r'"((?:[^"\\]|\\.)*)"'

# What was shown of a variable: its text, and (name, text) of its children.


# ---- GDB -----------------------------------------------------------------------------------------


def gdb_start(target, *options):
    return launch.Gdb().start(target) + list(options)


def by_print(target, names):
    """`print NAME`, and of its children `print *NAME`, each on a line of its own."""
    argv = gdb_start(target, "-ex", "source " + launch.SCRIPTS["gdb"], "-ex", "frame function main", "-ex", "set print pretty on")
    for name in names:
        for expression in (name, "*" + name):
            argv += ["-ex", "echo @@%s\\n" % expression, "-ex", "print " + expression]
    out, error, _status = launch.run_tool(argv + ["-ex", "echo @@\\n"])
    launch.without_traceback(out + error)
    answers = dict(re.findall(r"^@@(\S+)\n(.*?)(?=^@@)", out, re.MULTILINE | re.DOTALL))
    shown = {}
    for name in names:
        text = re.sub(r"^\$\d+ = ", "", answers[name]).strip()
        shown[name] = text, [tuple(row) for row in re.findall(r"^  (\S+) = (.*?),?$", answers["*" + name], re.MULTILINE)]
    return shown


def by_variable_objects(target, names):
    """-var-create NAME, and -var-list-children of *NAME."""
    lines = ["-enable-pretty-printing", '-interpreter-exec console "source %s"' % launch.SCRIPTS["gdb"],
             '-interpreter-exec console "frame function main"']
    for name in names:
        lines += ["-var-create %s * %s" % (name, name), "-var-create in_%s * *%s" % (name, name),
                  "-var-list-children --all-values in_%s" % name]
    argv = [word for word in gdb_start(target) if word != "-batch"] + ["-i=mi"]
    done = subprocess.run(argv, input="\n".join([*lines, "-gdb-exit", ""]), env=launch.tool_environment(), check=False,
                          timeout=launch.TIMEOUT_SECONDS, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    launch.without_traceback(done.stdout + done.stderr)
    shown = {}
    for name in names:
        made = re.search(r'^\^done,name="%s",.*?,value=%s' % (name, TEXT), done.stdout, re.MULTILINE)
        require(made, "no variable object %s:\n%s", name, done.stdout[-3000:])
        children = re.findall(r'child={name="in_%s\.[^{}]*?exp=%s[^{}]*?value=%s' % (name, TEXT, TEXT), done.stdout)
        shown[name] = plain(made.group(1)), [(plain(child), plain(text)) for child, text in children]
    return shown


def plain(text):
    """A text of the machine interface."""
    return re.sub(r"\\(.)", r"\1", text)


# ---- LLDB ----------------------------------------------------------------------------------------


def by_frame_variable(target, names):
    lines = ["command script import " + launch.SCRIPTS["lldb"],
             "script lldb.thread.SetSelectedFrame(next(f.idx for f in lldb.thread if f.name == 'main'))"]
    for name in names:
        for options in (name, "-P 1 " + name):
            lines += ["script print('@@%s')" % options, "frame variable " + options]
    argv = launch.Lldb().start(target) + [part for line in [*lines, "script print('@@')"] for part in ("-o", line)]
    out, error, _status = launch.run_tool(argv)
    launch.without_traceback(out + error)
    out = re.sub(r"^\(lldb\).*\n", "", out, flags=re.MULTILINE)
    answers = dict(re.findall(r"^@@([^\n]+)\n(.*?)(?=^@@)", out, re.MULTILINE | re.DOTALL))
    shown = {}
    for name in names:
        require(name in answers, "%s is not shown:\n%s%s", name, out[:3000], error)
        text = re.match(r"\(.*?\) %s = (.*)" % name, answers[name]).group(1)
        shown[name] = text, [tuple(row) for row in re.findall(r"^  (\S+) = (.*)$", answers["-P 1 " + name], re.MULTILINE)]
    return shown


class Adapter:
    """lldb-dap, by the Debug Adapter Protocol."""

    def __init__(self, program="lldb-dap-19"):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env=launch.tool_environment())
        self.number, self.rest = 0, b""

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def send(self, command, **arguments):
        self.number += 1
        body = json.dumps({"seq": self.number, "type": "request", "command": command, "arguments": arguments}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()
        return self.number

    def message(self):
        while True:
            head = re.match(rb"Content-Length: (\d+)\r\n(?:[^\r]+\r\n)*\r\n", self.rest)
            if head and len(self.rest) >= head.end() + int(head.group(1)):
                body = self.rest[head.end():head.end() + int(head.group(1))]
                self.rest = self.rest[head.end() + len(body):]
                return json.loads(body)
            ready, _, _ = select.select([self.process.stdout], [], [], launch.TIMEOUT_SECONDS)
            data = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            require(data, "lldb-dap says nothing more")
            self.rest += data

    def wait_for(self, is_it):
        while True:
            message = self.message()
            if is_it(message):
                return message

    def ask(self, command, **arguments):
        number = self.send(command, **arguments)
        answer = self.wait_for(lambda message: message["type"] == "response" and message["request_seq"] == number)
        require(answer["success"], "lldb-dap: %s: %s", command, answer.get("message"))
        return answer.get("body", {})


def by_adapter(target, names):
    with Adapter() as adapter:
        adapter.ask("initialize", adapterID="lldb-dap", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
        where = {"coreFile": target.core} if target.core else {"pid": target.pid}
        adapter.send("attach", program=target.exe, initCommands=["command script import " + launch.SCRIPTS["lldb"]],
                     stopOnEntry=True, **where)
        adapter.wait_for(lambda each: each.get("event") == "initialized")
        adapter.ask("configurationDone")
        thread = adapter.ask("threads")["threads"][0]["id"]
        frame = next(each["id"] for each in adapter.ask("stackTrace", threadId=thread, levels=20)["stackFrames"]
                     if each["name"].startswith("main"))
        scopes = adapter.ask("scopes", frameId=frame)["scopes"]
        found = {each["name"]: each for each in
                 adapter.ask("variables", variablesReference=scopes[0]["variablesReference"])["variables"]}
        shown = {}
        for name in names:
            require(name in found, "lldb-dap shows no %s", name)
            inner = found[name]["variablesReference"]
            children = adapter.ask("variables", variablesReference=inner)["variables"] if inner else []
            shown[name] = found[name]["value"], [(each["name"], each["value"]) for each in children
                                                 if each["name"] != "[raw]"]
        return shown


WAYS = {"print": by_print, "variable-objects": by_variable_objects, "frame-variable": by_frame_variable, "adapter": by_adapter}


# ---- the list ------------------------------------------------------------------------------------


def check(way, mode, variable, text, children):
    what = "%s, %s: %s: " % (way, mode, variable["name"])
    if variable["text"] is None:
        require(SHOWN_ALONE.match(text), "%s'%s' says more than the debugger's own", what, text)
    else:
        require(text.endswith(" " + variable["text"]), "%s'%s' does not end in '%s'", what, text, variable["text"])
    if variable["children"] is None:
        return
    names = [name for name, _part in variable["children"]]
    require([name for name, _text in children] == names, "%schildren %s, not %s", what, children, names)
    for (name, part), (_name, shown) in zip(variable["children"], children):
        is_array = way == "variable-objects" and name == "bytes"  # of which GDB's machine interface shows the size
        require(part in shown or (is_array and shown.startswith("[")), "%s%s is '%s', without '%s'", what, name, shown, part)


def run(way, program):
    with tempfile.TemporaryDirectory() as folder, launch.Subject(program, 1, folder) as subject:
        variables = subject.truth["variables"]
        for mode, make in (("live", subject.live), ("core", subject.core)):
            shown = WAYS[way](make(), [each["name"] for each in variables])
            for variable in variables:
                check(way, mode, variable, *shown[variable["name"]])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", required=True, choices=WAYS)
    parser.add_argument("program")
    arguments = parser.parse_args()
    return launch.report(lambda: run(arguments.way, arguments.program))


if __name__ == "__main__":
    sys.exit(main())
