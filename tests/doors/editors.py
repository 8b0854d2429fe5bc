"""editors.py - what an editor does with samples/vscode/launch.json, without the editor: GDB driven through its machine
interface as VS Code's cppdbg does it, and lldb-dap by the Debug Adapter Protocol.

Both give a Session: variables(names) and watched(expressions) of a frame, each with its text and a way to open it.
Invariant: commands and arguments come from launch.json; only what VS Code asks its user for is put in here.
"""

import contextlib
import json
import os
import re
import select
import subprocess

import launch
from launch import require

CONFIGURATIONS = os.path.join(launch.ROOT, "samples", "vscode", "launch.json")
CHILDREN_MAX = 1000  # that cppdbg asks for


def configuration(name, target):
    """A configuration of launch.json for this program, and its core or process. VS Code puts texts in place of variables."""
    with open(CONFIGURATIONS, encoding="utf-8") as file:
        found = [each for each in json.load(file)["configurations"] if each["name"] == name]
    require(len(found) == 1, "launch.json has %d configurations '%s'", len(found), name)
    text = json.dumps(found[0])
    for variable, value in (("workspaceFolder", launch.ROOT), ("input:core", target.core), ("input:process", target.pid),
                            ("command:pickProcess", target.pid)):
        text = text.replace("${%s}" % variable, str(value))
    require("${" not in text, "launch.json has another variable: %s", text)
    return {**json.loads(text), "program": target.exe}


def how(target):
    return "core" if target.core else "attach" if target.pid else "run"


class Piped:
    """A program that is talked to by two pipes."""

    def __init__(self, *argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env=launch.tool_environment())
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def write(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def read_more(self):
        ready, _, _ = select.select([self.process.stdout], [], [], launch.TIMEOUT_SECONDS)
        data = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
        require(data, "%s says nothing more", self.process.args[0])
        self.unread += data


# ---- GDB -----------------------------------------------------------------------------------------


def machine_values(text):
    """What stands behind `^done,`: names with values, which are texts, lists and such groups of names."""
    place = 0

    def value():
        nonlocal place
        if text[place] == '"':
            match = re.compile(r'"((?:[^"\\]|\\.)*)"').match(text, place)
            place = match.end()
            return re.sub(r"\\(.)", lambda each: {"n": "\n", "t": "\t"}.get(each[1], each[1]), match.group(1))
        closing = {"{": "}", "[": "]"}[text[place]]
        place += 1
        found = pairs(closing)
        place += 1
        return dict(found) if closing == "}" else [each for _name, each in found]

    def pairs(closing):
        nonlocal place
        found = []
        while place < len(text) and text[place] != closing:
            name = re.compile(r"([\w-]+)=").match(text, place)
            place = name.end() if name else place
            found.append((name and name.group(1), value()))
            place += text[place:place + 1] == ","
        return found

    return dict(pairs(None))


class Cppdbg(Piped):
    """VS Code's debug adapter for GDB, as far as it speaks with GDB."""

    def __init__(self, target):
        super().__init__("gdb", "-nx", "-iex", "set debuginfod enabled off", "--interpreter=mi")
        settings = configuration("GDB: " + how(target), target)
        require(settings["type"] == "cppdbg", "not for cppdbg: %s", settings)
        self.stops, self.said = 0, ""
        self.ask("-gdb-set mi-async on")
        for command in settings["setupCommands"]:
            is_for_machines = command["text"].startswith("-")
            self.ask(command["text"] if is_for_machines else '-interpreter-exec console "%s"' % quoted(command["text"]))
        self.ask('-interpreter-exec console "set pagination off"')
        self.ask("-file-exec-and-symbols " + settings["program"])
        if "cwd" in settings:
            self.ask("-environment-cd " + settings["cwd"])
        if "coreDumpPath" in settings:
            self.ask("-target-select core " + settings["coreDumpPath"])
        else:
            self.ask("-target-attach " + settings["processId"] if settings["request"] == "attach" else "-exec-run")
            while not self.stops:
                self.line()
        self.thread = self.ask("-thread-info")["current-thread-id"]

    def ask(self, command):
        self.write(command.encode() + b"\n")
        while True:
            line = self.line()
            if line.startswith(("^done", "^running", "^connected")):
                return machine_values(line.partition(",")[2])
            require(not line.startswith("^"), "%s: %s\n%s", command, line, self.said[-2000:])

    def line(self):
        while b"\n" not in self.unread:
            self.read_more()
        line, _, self.unread = self.unread.partition(b"\n")
        line = line.decode("utf-8", "replace").rstrip("\r")
        self.stops += line.startswith("*stopped")
        self.said += line + "\n"
        launch.without_traceback(line)
        return line

    def frame(self, function):
        """Selected is whatever is asked for from now on."""
        rows = self.ask("-stack-list-frames --thread %s 0 1000" % self.thread)["stack"]
        self.level = next(row["level"] for row in rows if row.get("func") == function)

    def arguments(self, function):
        """What the pane of the call stack shows of them."""
        rows = self.ask("-stack-list-frames --thread %s 0 1000" % self.thread)["stack"]
        levels = [row["level"] for row in rows if row.get("func") == function]
        if not levels:
            return {}
        (frame,) = self.ask("-stack-list-arguments --thread %s 2 %s %s" % (self.thread, levels[0], levels[0]))["stack-args"]
        return {row["name"]: row["value"] for row in frame["args"]}

    def variables(self):
        rows = self.ask("-stack-list-variables --thread %s --frame %s 0" % (self.thread, self.level))["variables"]
        return [row["name"] for row in rows]

    def watched(self, expression):
        """(text, what opens it)"""
        made = self.ask('-var-create --thread %s --frame %s - * "%s"' % (self.thread, self.level, quoted(expression)))
        return self.shown(made)

    def shown(self, row):
        has_children = int(row.get("has_more", "1") if "dynamic" in row else row["numchild"])
        return row.get("value", ""), row["name"] if has_children else None

    def opened(self, name):
        """[(name, text, what opens it)]"""
        rows = self.ask('-var-list-children --simple-values "%s" 0 %d' % (name, CHILDREN_MAX)).get("children", []) if name else []
        return [(row["exp"], *self.shown(row)) for row in rows]


def quoted(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')


# ---- LLDB ----------------------------------------------------------------------------------------


class Adapter(Piped):
    """lldb-dap."""

    def __init__(self, target):
        super().__init__("lldb-dap-19")
        self.number = 0
        settings = configuration("LLDB: " + how(target), target)
        require(settings["type"] == "lldb-dap", "not for lldb-dap: %s", settings)
        self.is_own = settings["request"] == "launch"
        self.ask("initialize", adapterID="lldb-dap", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
        self.send(settings["request"], **settings)
        self.wait_for(lambda each: each.get("event") == "initialized")
        self.ask("configurationDone")
        if settings["request"] == "launch":
            self.wait_for(lambda each: each.get("event") == "stopped")

    def __exit__(self, *_exception):
        with contextlib.suppress(BrokenPipeError):  # else LLDB lets the program go, which then crashes
            self.send("disconnect", terminateDebuggee=self.is_own)
            self.process.wait(launch.TIMEOUT_SECONDS)
        super().__exit__()

    def send(self, command, **arguments):
        self.number += 1
        body = json.dumps({"seq": self.number, "type": "request", "command": command, "arguments": arguments}).encode()
        self.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        return self.number

    def message(self):
        while True:
            head = re.match(rb"Content-Length: (\d+)\r\n(?:[^\r]+\r\n)*\r\n", self.unread)
            if head and len(self.unread) >= head.end() + int(head.group(1)):
                body = self.unread[head.end():head.end() + int(head.group(1))]
                self.unread = self.unread[head.end() + len(body):]
                return json.loads(body)
            self.read_more()

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

    def frame(self, function):
        require(self.is_found(function), "lldb-dap has no frame of %s", function)

    def is_found(self, function):
        for thread in self.ask("threads")["threads"]:
            frames = self.ask("stackTrace", threadId=thread["id"], levels=20)["stackFrames"]
            found = [each["id"] for each in frames if each["name"].split("(")[0] == function]
            if found:
                self.frame_id = found[0]
                scopes = self.ask("scopes", frameId=self.frame_id)["scopes"]
                self.found = {row[0]: row[1:] for row in self.opened(scopes[0]["variablesReference"])}
                return True
        return False

    def arguments(self, function):
        """Its frames have no arguments: they are variables there."""
        return {name: row[0] for name, row in self.found.items()} if self.is_found(function) else {}

    def variables(self):
        return list(self.found)

    def watched(self, expression):
        if expression in self.found:
            return self.found[expression]
        answer = self.ask("evaluate", expression=expression, frameId=self.frame_id, context="watch")
        return answer["result"], answer["variablesReference"]

    def opened(self, reference):
        rows = self.ask("variables", variablesReference=reference)["variables"] if reference else []
        return [(row["name"], row["value"], row["variablesReference"]) for row in rows if row["name"] != "[raw]"]


EDITORS = {"cppdbg": Cppdbg, "lldb-dap": Adapter}
