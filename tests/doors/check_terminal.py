"""check_terminal.py - a door at a terminal: Ctrl-C in a long command, progress, colours, leaving the pager,
completion.

The probe engine works for ever until it is told to stop, so that Ctrl-C always meets a command at work. The
real engine is met at work by asking questions about a large heap again and again, and for certain where a
door's reads are made slow.
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

import python_target
from launch import HOSTS, SCRIPTS, TIMEOUT_SECONDS, Failure, Subject, indirect, report, require, tool_environment

PROMPT = {"gdb": "(gdb) ", "lldb": "(lldb) "}


class Terminal:
    """A debugger on a pseudo-terminal. read_until keeps what follows its match for the next one."""

    def __init__(self, argv, **environment):
        self.unread = ""
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, tool_environment(**environment))

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        if self.pid:
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
            self.unread += self.read().decode("utf-8", "replace")
        seen, self.unread = self.unread[:match.end()], self.unread[match.end():]
        return seen


    def read(self):
        try:
            return os.read(self.file, 1 << 16)
        except OSError:
            raise Failure("the terminal was closed after %r" % self.unread[-2000:]) from None

    def rest(self):
        """What comes until the program ends, and its exit status."""
        try:
            end = time.monotonic() + TIMEOUT_SECONDS
            while select.select([self.file], [], [], max(0, end - time.monotonic()))[0]:
                self.unread += os.read(self.file, 1 << 16).decode("utf-8", "replace")
            raise Failure("it does not end: %r" % self.unread[-2000:])
        except OSError:
            _, status = os.waitpid(self.pid, 0)
            self.pid = None
            return self.unread, os.waitstatus_to_exitcode(status)


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
                           ("probe --json regis", ["registry"]), ("probe registry.", ["registry.count"]),
                           ("probe --json registry.co", ["registry.count"]), ("probe node", ["node#1", "node#12", "nodes"]),
                           ("probe --file=/proc/self/cmdl", ["--file=/proc/self/cmdline"]), ("probe --file /proc/self/cmdl", ["/proc/self/cmdline"]),
                           ("probe --file /proc/self/tas", ["/proc/self/task/"])):
        found = completed(session, line)
        require(set(expected) <= set(found), "completions of %r: %s", line, found)
        require(line[-1] not in "#." or all(each.startswith(line.split()[-1]) and "__" not in each for each in found), "completions of %r: %s", line, found)
    # the program's own variables; libc's names where none begins so
    require({"file_static"} <= set(completed(session, "probe --json f")) <= {"file_static", "first", "found"}, "of 'f': %s",
            completed(session, "probe --json f"))
    require("malloc" in completed(session, "probe --json mall"), "of 'mall': %s", completed(session, "probe --json mall"))
    for line in ("probe --limit ", "probe --limit regis", "probe --nonsense", "probe --limit=regis"):
        require(not completed(session, line), "completions of %r: %s", line, completed(session, line))


def completed(session, line):
    return re.findall(r"^probe .*?(\S+)\r?$", session.command("complete " + line), re.MULTILINE)


def check_lldb_terminal(session):
    check_interrupts(session)


# ---- the real engine on a large heap ---------------------------------------------------------------

DELAYS = (0.1, 0.02, 0.3, 0.05, 0.2, 0.5)  # (just after the Enter, LLDB sometimes drops what is typed)
QUESTIONS = ("gcgraph --cycles", "refs --depth=2 #1", "refs #2", "gcgraph #3", "gcquery select count(leaked) from objects")
PYTHON_QUESTIONS = ("gcleaks", "gcgraph --cycles", "gcstat", "gcverify")
SLOW = "import time; host = %s; fast = host.read; host.read = lambda self, *at: time.sleep(0.005) or fast(self, *at)"
INSIDE = {
    "gdb": {
        "forget": "python gdb._refheap.epoch.advance()",
        "sync": 'printf "sync%%d\\n", %d',
        "indirect": "python " + indirect("gdb"),
        "slow": "python " + SLOW % HOSTS["gdb"],
        "no colors": "set style enabled off",
        "colors": "set style enabled on",
    },
    "lldb": {
        "forget": "script own = lldb._refheaps[lldb.debugger.GetID()]; own.session.close(); own.session = type(own.session)(own.engine)",
        "sync": 'script print("sync" + str(%d))',
        "indirect": "script " + indirect("lldb"),
        "slow": "script " + SLOW % HOSTS["lldb"],
        "no colors": "settings set use-color false",
        "colors": "settings set use-color true",
    },
}


class Large:
    """A debugger on the large heap."""

    def __init__(self, session, name):
        self.session, self.terminal, self.inside = session, session.terminal, INSIDE[name]
        self.syncs = 0

    def sync(self):
        """Back at one prompt, wherever Ctrl-C was heard; returns what came before."""
        self.syncs += 1
        self.terminal.write(self.inside["sync"] % self.syncs + "\n")
        return self.terminal.read_until(r"sync%d\r?\n[\s\S]*?%s" % (self.syncs, self.session.prompt))

    def works(self, line):
        seen = self.session.command("objat #1")
        require("node#1: live" in seen, "no answer after Ctrl-C in %s: %s", line, seen)

    def interrupt(self, line, delay):
        """Ctrl-C so long after the command has begun; was it cancelled? It may have been answered before."""
        self.session.command(self.inside["forget"])
        self.terminal.write(line + "\n")
        self.terminal.read_until(re.escape(line) + r"\r?\n")
        time.sleep(delay)
        self.terminal.write("\x03")
        seen = self.sync()
        require("Traceback" not in seen and "ignored" not in seen, "after Ctrl-C: %s", seen)
        self.works(line)
        return "cancelled" in seen

    def interrupt_slow(self, line):
        """Ctrl-C as soon as progress is shown."""
        self.session.command(self.inside["forget"])
        self.terminal.write(line + "\n")
        self.terminal.read_until(re.escape(line) + r"\r?\n[\s\S]*?: \d+%")
        self.terminal.write("\x03")
        seen = self.terminal.read_until(r"cancelled[\s\S]*?" + self.session.prompt)
        require("Traceback" not in seen and "ignored" not in seen, "after Ctrl-C: %s", seen)
        return seen + self.sync()


def check_large(session, name):
    large = Large(session, name)
    for line in QUESTIONS:
        caught = [large.interrupt(line, delay) for delay in DELAYS]
        require(any(caught) or line != QUESTIONS[0], "%s was never met at work", line)
    seen = session.command("gcgraph --limit=3")
    require("1001 cycles, 1000 of them garbage" in seen, "after all that: %s", seen)
    require("\x1b[36m" not in seen, "colours on a terminal that shows none: %s", seen)
    session.command({"gdb": "python ", "lldb": "script "}[name] + "import os; os.environ['TERM'] = 'xterm'")
    session.command(large.inside["no colors"])
    require("\x1b[36m" not in session.command("gcgraph --limit=3"), "colours though they are switched off")
    session.command(large.inside["colors"])
    require("\x1b[31mgarbage\x1b[0m" in session.command("gcgraph --limit=3"), "no colours where they are switched on")
    require("\x1b[36m" not in session.command("gcgraph --json --limit=1"), "colours in JSON")
    session.command(large.inside["indirect"])
    session.command(large.inside["slow"])
    for line in QUESTIONS:
        large.interrupt_slow(line)


def check_python_core(session):
    """A core of Python, of which LLDB lends every byte, slowly: progress is shown, and Ctrl-C ends each question by one line."""
    large = Large(session, "lldb")
    session.command(large.inside["indirect"])
    session.command(large.inside["slow"])
    for line in PYTHON_QUESTIONS:
        seen = large.interrupt_slow(line)
        require(seen.count("cancelled") == 1, "%s is cancelled by more than one line: %s", line, seen)


def check_large_shell(shell, pid):
    caught = False
    for line in (*QUESTIONS[:2], QUESTIONS[-1]):
        for delay in DELAYS:
            with Terminal([shell, "--pid", str(pid)] + line.split(" ")) as terminal:
                time.sleep(delay)
                terminal.write("\x03")
                seen, status = terminal.rest()
                if "cancelled" in seen:
                    require(status == 2 and seen.count("cancelled") == 1 and "cycle of" not in seen, "cancelled, with status %d: %s", status, seen)
                    caught = True
                else:  # before it could hear, or after its answer
                    require(status in (0, -signal.SIGINT), "status %d: %s", status, seen)
    require(caught, "the shell was never met at work")
    with open("/proc/%d/status" % pid, encoding="utf-8") as status:
        require("tracing stop" not in status.read(), "the process is left stopped")
    for environment, shown in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        with Terminal([shell, "--pid", str(pid), "gcgraph", "--limit=3"], **environment) as terminal:
            seen, status = terminal.rest()
            require(status == 0 and ("\x1b[31mgarbage" in seen) == shown, "colours with %s: %s", environment, seen)


def start_large(name, subject):
    pid = str(subject.process.pid)
    return {"gdb": ["gdb", "-nx", "-q", "-iex", "set debuginfod enabled off", "-iex", "set width 0", "-iex", "set pagination off", "-p", pid],
            "lldb": ["lldb-19", "-x", "--no-use-colors", "-p", pid]}[name]


def main():
    parser = argparse.ArgumentParser(description="Checks a door at a terminal.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", help="the refheap command: ask the real engine about large.c")
    parser.add_argument("--python", action="store_true", help="ask the real engine about a core of Python, in LLDB")
    parser.add_argument("program", nargs="?", help="named.c, built with -O0 -g, or large.c")
    arguments = parser.parse_args()
    name = arguments.door

    def large():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 1, folder) as subject:
            if name == "shell":
                check_large_shell(arguments.shell, subject.process.pid)
                return
            with Terminal(start_large(name, subject)) as terminal:
                session = Session(terminal, name)
                terminal.read_until(session.prompt if name == "gdb" else r"Architecture set to[\s\S]*" + session.prompt)
                session.command({"gdb": "source ", "lldb": "command script import "}[name] + SCRIPTS[name])
                check_large(session, name)

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

    def python():
        with tempfile.TemporaryDirectory() as folder:
            target = python_target.Target(folder, 1, os.path.join(python_target.SAMPLES, "service.py"), 2000)
            with target.start() as subject:
                core = subject.core()
            with Terminal(["lldb-19", "-x", "--no-use-colors", "-c", core.core, core.exe]) as terminal:
                session = Session(terminal, name)
                terminal.read_until(r"was loaded\.[\s\S]*" + session.prompt)
                session.command("command script import " + SCRIPTS[name])
                check_python_core(session)
    return report(python if arguments.python else large if arguments.shell else body)


if __name__ == "__main__":
    sys.exit(main())
