"""check_terminal.py - a door at a terminal: Ctrl-C in a long command, leaving the pager, completion.

The probe engine works for ever until it is told to stop, so that Ctrl-C always meets a command at work.
Invariant: nothing here depends on speed; what never comes is a failure after TIMEOUT_SECONDS.
"""

import argparse
import os
import pty
import re
import select
import signal
import sys
import tempfile
import time

from launch import SCRIPTS, TIMEOUT_SECONDS, Failure, Subject, report, require, tool_environment

PROMPT = {"gdb": "(gdb) ", "lldb": "(lldb) "}


class Terminal:
    """A debugger on a pseudo-terminal. read_until keeps what follows its match for the next one."""

    def __init__(self, argv):
        self.unread = ""
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, tool_environment())

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        os.kill(self.pid, signal.SIGKILL)  # one that is deep in a command does not hear a hang-up
        os.waitpid(self.pid, 0)
        os.close(self.file)

    def write(self, text):
        os.write(self.file, text.encode())

    def read_until(self, pattern):
        end = time.monotonic() + TIMEOUT_SECONDS
        while not (match := re.search(pattern, self.unread)):
            ready, _, _ = select.select([self.file], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise Failure("%r never came, but %r" % (pattern, self.unread[-2000:]))
            self.unread += os.read(self.file, 1 << 16).decode("utf-8", "replace")
        seen, self.unread = self.unread[:match.end()], self.unread[match.end():]
        return seen


class Session:
    def __init__(self, terminal, name):
        self.terminal, self.prompt = terminal, re.escape(PROMPT[name])

    def command(self, line):
        self.terminal.write(line + "\n")
        seen = self.terminal.read_until(re.escape(line) + r"[\s\S]*?\n" + self.prompt)
        require("Traceback" not in seen, "a traceback: %s", seen)
        return seen

    def interrupt(self, line, started):
        """Ctrl-C once the command is at work; it answers, and the next command works."""
        self.terminal.write(line + "\n")
        self.terminal.read_until(re.escape(line) + started)
        time.sleep(0.3)  # so that the engine is at work in most runs; it need not be in all
        self.terminal.write("\x03")
        seen = self.terminal.read_until(r"cancelled[\s\S]*?" + self.prompt)
        require("Traceback" not in seen and "ignored" not in seen, "after Ctrl-C: %s", seen)
        require("raw [still here]" in self.command("probe raw still here"), "no answer after Ctrl-C in %s", line)


def check_interrupts(session):
    for _ in range(3):
        session.interrupt("probe spin &registry", r"\r?\n")
    # The debugger's own Python must still be interrupted by exceptions.
    require("value 0x7" in session.command("probe registry.count"), "no values after Ctrl-C")


def check_gdb_terminal(session):
    check_interrupts(session)
    session.interrupt("probe flood", r"\r?\n[\s\S]*line 3")  # (LLDB prints when a command has ended)
    session.terminal.write("python import time; time.sleep(1000)\n")
    session.terminal.read_until(r"sleep\(1000\)\r?\n")
    time.sleep(0.3)
    session.terminal.write("\x03")
    session.terminal.read_until(r"KeyboardInterrupt[\s\S]*" + session.prompt)
    session.command("set height 10")
    session.terminal.write("probe flood\n")
    session.terminal.read_until(r"--Type <RET>[^\n]*--")
    session.terminal.write("q\n")
    seen = session.terminal.read_until(session.prompt)
    require("Traceback" not in seen, "after leaving the pager: %s", seen)
    session.command("set height 0")
    require("raw [still here]" in session.command("probe raw still here"), "no answer after leaving the pager")
    for line, expected in (("probe --j", ["--json"]), ("probe --", ["--json", "--limit"]), ("probe node#", ["node#1", "node#12"]),
                           ("probe --json regis", ["registry", "registry"])):
        found = re.findall(r"^probe .*?(\S+)\r?$", session.command("complete " + line), re.MULTILINE)
        require(set(expected) <= set(found), "completions of %r: %s", line, found)


def check_lldb_terminal(session):
    check_interrupts(session)


def main():
    parser = argparse.ArgumentParser(description="Checks a door at a terminal.")
    parser.add_argument("--door", choices=("gdb", "lldb"), required=True)
    parser.add_argument("program", help="named.c, built with -O0 -g")
    arguments = parser.parse_args()
    name = arguments.door

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 1, folder) as subject:
            core = subject.core()
            argv = {"gdb": ["gdb", "-nx", "-q", core.exe, core.core, "-iex", "set debuginfod enabled off",
                            "-iex", "set width 0"],
                    "lldb": ["lldb-19", "-x", "--no-use-colors", "-c", core.core, core.exe]}[name]
            load = {"gdb": "source ", "lldb": "command script import "}[name] + SCRIPTS[name]
            with Terminal(argv) as terminal:
                session = Session(terminal, name)
                terminal.read_until(session.prompt if name == "gdb" else r"was loaded\.[\s\S]*" + session.prompt)
                session.command(load)
                {"gdb": check_gdb_terminal, "lldb": check_lldb_terminal}[name](session)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
