"""launch.py - asks the same questions through GDB, LLDB or the shell, as a user's script would.

A Subject is a sample that waits at one checkpoint, then the core it leaves. A Door puts a list of
questions to it in one process of the debugger and returns what came out of each: the text on stdout,
the text on stderr, the exit status.

Invariant: answers are cut apart by marks that the debugger itself prints between the questions; a
debugger that ends early or prints no mark is an error, never an empty answer.
"""

import collections
import contextlib
import glob
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import schema

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SCRIPTS = {"gdb": os.path.join(ROOT, "gdb", "refheap_gdb.py"), "lldb": os.path.join(ROOT, "lldb", "refheap_lldb.py")}
HOSTS = {name: "__import__('sys').modules['refheap_in_%s.host'].Host" % name for name in SCRIPTS}  # inside of the debugger
TIMEOUT_SECONDS = 120
NOT_RUN = -1

# `frame` and `thread` select where an expression is meant, None: wherever the debugger stands.
Question = collections.namedtuple("Question", "command line frame thread", defaults=(None, None))
# What a debugger is started on. A live process has pid; a core alone has no exe.
Target = collections.namedtuple("Target", "pid core exe", defaults=(None, None, None))


class Failure(Exception):
    """A check that did not hold."""


def require(condition, text, *details):
    if not condition:
        raise Failure(text % details if details else text)


class Answer(collections.namedtuple("Answer", "out error status")):
    """What a door said. If that is an answer in JSON, it is valid by its command's schema; is_json: it has to be one."""

    def __new__(cls, out, error, status, is_json=False):
        wrong = schema.errors_in(out, is_json)
        require(wrong is None, "no answer by its schema: %s\n%s", wrong, out[:2000])
        return super().__new__(cls, out, error, status)


def wants_json(question):
    return "--json" in question.line.split()


def document_in(text):
    """An answer in JSON that came another way than through a door of these."""
    return json.loads(Answer(text, "", 0, True).out)


# ---- a sample, stopped ---------------------------------------------------------------------------


def with_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def sample_environment(**more):
    # Sanitizers shall neither turn the abort into an exit nor look for leaks under ptrace.
    return {**os.environ, "ASAN_OPTIONS": "handle_abort=0:disable_coredump=0:detect_leaks=0", **more}


def truth_lines(program):
    """What is true at each checkpoint of a sample (but addresses, which differ from run to run)."""
    done = subprocess.run([program], env=sample_environment(), stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Subject:
    """A sample that waits at a checkpoint; `truth` is what it said of itself there."""

    def __init__(self, program, checkpoint, folder, arguments=()):
        self.program, self.folder = program, folder
        self.process = subprocess.Popen([program, *arguments], cwd=folder,
                                        env=sample_environment(REFHEAP_WAIT_AT=str(checkpoint)),
                                        stdout=subprocess.PIPE, preexec_fn=with_cores)
        self.truth = None
        for line in self.process.stdout:
            self.truth = json.loads(line)
            if self.truth["checkpoint"] == checkpoint:
                break
        require(self.truth and self.truth["checkpoint"] == checkpoint, "%s never came to checkpoint %s", program, checkpoint)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def live(self):
        return Target(pid=self.process.pid, exe=self.program)

    def core(self, dump_filter=None):
        """Ends the process with a core: the kernel's, or GDB's where the kernel gives it to a program. dump_filter:
        which mappings go into it, see core(5)."""
        if dump_filter is not None:
            with open("/proc/%d/coredump_filter" % self.process.pid, "w", encoding="utf-8") as file:
                file.write("0x%x" % dump_filter)
        with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as pattern:
            is_plain = "/" not in pattern.read() and resource.getrlimit(resource.RLIMIT_CORE)[1] != 0
        if not is_plain:
            subprocess.run(["gcore", "-o", os.path.join(self.folder, "core"), str(self.process.pid)], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS)
        self.process.send_signal(signal.SIGABRT)
        self.process.wait()
        found = glob.glob(os.path.join(self.folder, "core*"))
        require(len(found) == 1, "%s left cores %s", self.program, found)
        return Target(core=found[0], exe=self.program)


def targets(subject, modes):
    """The subject in each of these modes: live, as a core (it is over then), as that core alone."""
    target = None
    for mode in modes:
        if mode == "live":
            target = subject.live()
        elif target is None or target.pid:
            target = subject.core()
        yield mode, Target(core=target.core) if mode == "alone" else target


def indirect(name):
    """The Python that leaves the engine nothing but the door's callbacks."""
    return "host = %s; host.pid = host.core_path = lambda self: None" % HOSTS[name]


# ---- doors ---------------------------------------------------------------------------------------


locale = "C.UTF-8"  # of whoever asks


def tool_environment(**more):
    """Plain text, nothing from the network. Bytecode may be written: that it is not is a check."""
    environment = {**os.environ, "TERM": "dumb", "LC_ALL": locale, "DEBUGINFOD_URLS": "", **more}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def run_tool(argv, env=None):
    """Runs a debugger; (stdout, stderr, exit status)."""
    done = subprocess.run(argv, env=tool_environment(**(env or {})), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8", errors="replace")
    return done.stdout, done.stderr, done.returncode


def mark(number):
    return "@@refheap-answer-%d@@" % number


def between(texts, which, number, place):
    """What was printed between the marks of question `number` and of the next one; from `place` on, and where that one is."""
    start = mark(number) + "\n"
    begin = texts[which].find(start, place)
    end = texts[which].find(mark(number + 1), begin)
    if begin < 0 or end < 0:  # texts are long, and there are many questions: they are joined for this alone
        raise Failure("the debugger did not come to question %d:\n%s" % (number, "".join(texts)[-3000:]))
    return texts[which][begin + len(start):end], end


def cut(questions, out, error):
    """Answers from the two streams of a debugger that printed mark n, the answer of question n, and
    @@status S@@ on stdout."""
    answers, texts, places = [], (out, error), [0, 0]
    for number in range(len(questions)):
        said, places[0] = between(texts, 0, number, places[0])
        told, places[1] = between(texts, 1, number, places[1])
        status = re.search(r"@@status (-?\d+)@@\n(?:\(lldb\) script .*\n?)*\Z", said)  # LLDB echoes its input
        require(status, "no status after %s: %s", questions[number], said)
        answers.append(Answer(said[:status.start()], told, int(status.group(1)), wants_json(questions[number])))
    return answers


class Gdb:
    name = "gdb"
    has_expressions = True

    def __init__(self, program="gdb"):
        self.program = program

    def start(self, target):
        argv = [self.program, "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set width 0",
                "-iex", "set startup-with-shell off"]
        argv += [target.exe] if target.exe else []
        argv += ["-p", str(target.pid)] if target.pid else ["-core", target.core] if target.core else []
        return argv

    def ask(self, target, questions, prelude=()):
        argv = self.start(target) + ["-x", SCRIPTS["gdb"], "-x", os.path.join(HERE, "inside_gdb.py")]
        argv += [part for line in prelude for part in ("-ex", line)]
        for number, question in enumerate(questions):
            if question.frame:
                argv += ["-ex", "python select_frame(%r, %r)" % (question.frame, question.thread)]
            argv += ["-ex", "python say_mark(%r)" % mark(number), "-ex", "set $refheap_status = %d" % NOT_RUN,
                     "-ex", ("%s %s" % (question.command, question.line)).rstrip(),
                     "-ex", 'printf "@@status %d@@\\n", $refheap_status']
        argv += ["-ex", "python say_mark(%r)" % mark(len(questions))]
        out, error, _status = run_tool(argv)
        return cut(questions, out, error)


class IndirectGdb(Gdb):
    """GDB as it is on a remote target: the engine has nothing but the door's callbacks."""

    name = "gdb by its callbacks alone"

    def ask(self, target, questions, prelude=()):
        return super().ask(target, questions, ["python " + indirect("gdb"), *prelude])


class Lldb:
    name = "lldb"
    has_expressions = True

    def __init__(self, program=None):
        self.program = program or os.environ.get("REFHEAP_TEST_LLDB", "lldb-19")

    def start(self, target):
        argv = [self.program, "-x", "-b", "-O", "settings set symbols.enable-external-lookup false"]
        argv += ["-p", str(target.pid)] if target.pid else ["-c", target.core] if target.core else []
        return argv + ([target.exe] if target.exe and not target.pid else [])

    def ask(self, target, questions, prelude=(), epilogue=()):
        lines = ["command script import " + SCRIPTS["lldb"],
                 "script exec(open(%r).read())" % os.path.join(HERE, "inside_lldb.py"), *prelude]
        for number, question in enumerate(questions):
            if question.frame:  # a line of its own: a script keeps the selection that it began with
                lines.append("script select_frame(%r, %r)" % (question.frame, question.thread))
            lines.append("script ask(%r, %r)" % (mark(number), "%s %s" % (question.command, question.line)))
        lines.append("script say_mark(%r)" % mark(len(questions)))
        argv = self.start(target) + [part for line in [*lines, *epilogue] for part in ("-o", line)]
        out, error, _status = run_tool(argv)
        return cut(questions, out, error)


class IndirectLldb(Lldb):
    """LLDB as it is on a remote target: the engine has nothing but the door's callbacks."""

    name = "lldb by its callbacks alone"

    def ask(self, target, questions, prelude=()):
        return super().ask(target, questions, ["script " + indirect("lldb"), *prelude])


class RemoteGdb(Gdb):
    """GDB with gdbserver at the other end of a pipe, where the target is a process."""

    def __init__(self, name, *connect):
        super().__init__()
        self.name, self.connect = name, connect

    def ask(self, target, questions, prelude=()):
        connect = [line.replace("PID", str(target.pid)) for line in self.connect] if target.pid else []
        return super().ask(target._replace(pid=None), questions, [*connect, *prelude])


class RemoteLldb(Lldb):
    """LLDB with lldb-server at the other end of a local port, where the target is a process."""

    name = "lldb-remote"

    def ask(self, target, questions, prelude=()):
        if not target.pid:
            return super().ask(target, questions, prelude)
        with lldb_server(["gdbserver", "--attach", str(target.pid), "--named-pipe"], ["127.0.0.1:0"]) as port:
            return self.ask_at(port, target._replace(pid=None), questions, prelude)

    def ask_at(self, port, target, questions, prelude):
        return self.ask_and_detach(target, questions, ["gdb-remote 127.0.0.1:" + port, *prelude])

    def ask_and_detach(self, target, questions, prelude):
        # Left alone, LLDB ends what it did not start itself.
        return Lldb.ask(self, target, questions, prelude, ["process detach"])


class PlatformLldb(RemoteLldb):
    """LLDB that has an lldb-server attach, as on another machine."""

    name = "lldb-platform"

    def ask(self, target, questions, prelude=()):
        if not target.pid:
            return Lldb.ask(self, target, questions, prelude)
        with lldb_server(["platform", "--server", "--listen", "127.0.0.1:0", "--socket-file"]) as port:
            connect = ["platform select remote-linux", "platform connect connect://127.0.0.1:" + port,
                       "process attach -p %d" % target.pid]
            return self.ask_and_detach(Target(), questions, [*connect, *prelude])


@contextlib.contextmanager
def lldb_server(before, after=()):
    """Runs lldb-server with the name of a file between its arguments; gives the port that it writes there."""
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as file:
        argv = ["lldb-server-19", *before, file.name, *after]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield port_in(file.name, process)
            finally:
                process.kill()


def port_in(path, process):
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with open(path, encoding="ascii") as file:  # opened again: it may be another file of that name
            port = file.read().strip("\0\n ")
        if port:
            return port
        time.sleep(0.02)
    raise Failure("%s gives no port: status %s" % (process.args, process.poll()))


class Shell:
    name = "shell"
    has_expressions = False

    def __init__(self, program):
        self.program = program

    def start(self, target):
        if target.pid:
            return [self.program, "--pid", str(target.pid)]
        return [self.program] + (["--core", target.core] if target.core else []) + (["--exe", target.exe] if target.exe else [])

    def ask(self, target, questions, prelude=()):
        require(not prelude, "the shell has no prelude")
        answers = []
        for question in questions:
            argv = self.start(target) + [question.command] + question.line.split()
            answers.append(Answer(*run_tool(argv), wants_json(question)))
        return answers


def door_of(name, shell):
    doors = {
        "shell": lambda: Shell(shell), "gdb": Gdb, "lldb": Lldb, "lldb-remote": RemoteLldb, "lldb-platform": PlatformLldb,
        "gdb-remote": lambda: RemoteGdb(name, "target remote | gdbserver --once --attach - PID"),
        "gdb-extended": lambda: RemoteGdb(name, "target extended-remote | gdbserver --multi --once -", "set sysroot /",
                                          "attach PID"),
    }
    return doors[name]()


def without_traceback(text):
    """Of a door. What a program holds may speak of tracebacks, too, but an answer has each value in one line."""
    require("Traceback (most recent call last):\n" not in text and "Error while executing Python" not in text, "a traceback:\n%s", text)


def report(body):
    """Runs a test program's body: status 1 and one message where a check did not hold."""
    try:
        body()
    except Failure as failure:
        print("FAILED: %s" % failure)
        return 1
    except subprocess.TimeoutExpired as timeout:
        print("FAILED: no end after %d seconds: %s" % (timeout.timeout, " ".join(timeout.cmd)[:2000]))
        return 1
    sys.stdout.flush()
    return 0
