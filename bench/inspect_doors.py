"""inspect_doors.py - asks one question of a core or a process through GDB, LLDB or the shell command, and reports
how long the answers took and how much memory that needed.

Each session is a process of its own, so its first answer has nothing cached. In the debuggers a second answer to
the same question follows, and times are taken inside (inspect_session.py); of the shell command the whole process
counts, and memory comes from a run of its own, which is not timed.

Memory is anonymous memory (RssAnon) at its peak, looked at every few milliseconds: of the shell command all of it,
of a debugger its growth since just before the question. The pages of a mapped core are not in it.
"""

import json
import os
import pathlib
import shutil
import subprocess
import time
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAMPLE_SECONDS = 0.002
TIMEOUT_SECONDS = 300


class Trouble(Exception):
    """Why a question has no figure, in one line."""


@dataclass
class Answer:
    output: str
    first: float             # seconds
    again: float | None = None
    bytes: float | None = None  # the engine's own memory at its peak


@dataclass
class Target:
    """What is asked about: a core, or a process."""

    exe: str
    core: str = ""
    pid: int = 0


def last_line(*texts):
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def anonymous_bytes(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:")), None)
    except OSError:
        return None


def watch(command, environment, folder, timeout=TIMEOUT_SECONDS):
    """Runs a command to its end: exit status, its output and errors, and samples (when, anonymous bytes)."""
    samples = []
    with open(folder / "out", "w+", encoding="utf-8") as out, open(folder / "err", "w+", encoding="utf-8") as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
        deadline = time.perf_counter() + timeout
        try:
            while process.poll() is None:
                size = anonymous_bytes(process.pid)
                if size is not None:
                    samples.append((time.perf_counter(), size))
                if time.perf_counter() > deadline:
                    raise Trouble(f"still running after {timeout} s")
                time.sleep(SAMPLE_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        err.seek(0)
        return process.returncode, out.read(), err.read(), samples


class Shell:
    name = "shell"
    has_sessions = False

    def __init__(self, engine, folder):
        self.program = str(engine / "inspect" / "refheap")
        self.folder = folder
        self.environment = dict(os.environ, LC_ALL="C.UTF-8")

    def missing(self):
        return None

    def verbs(self):
        """The commands that this engine has."""
        text = subprocess.run([self.program, "--help"], capture_output=True, text=True).stdout
        _, _, rows = text.partition("commands:\n")
        return {line.split()[0] for line in rows.partition("\n\n")[0].splitlines() if line.strip()}

    def command(self, target, question):
        where = ["--core", target.core, "--exe", target.exe] if target.core else ["--pid", str(target.pid)]
        return [self.program, *where, *question.split()]

    def ask(self, target, _before, question):
        command = self.command(target, question)
        begin = time.perf_counter()
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=TIMEOUT_SECONDS, env=self.environment)
        except subprocess.TimeoutExpired:
            raise Trouble(f"still running after {TIMEOUT_SECONDS} s") from None
        seconds = time.perf_counter() - begin
        if done.returncode:
            raise Trouble(f"exit status {done.returncode}: {last_line(done.stdout, done.stderr)}")
        return Answer(done.stdout, seconds)

    def memory(self, target, question):
        status, _, errors, samples = watch(self.command(target, question), self.environment, self.folder)
        if status:
            raise Trouble(f"exit status {status}: {last_line(errors)}")
        return max((size for _, size in samples), default=None)


class Debugger:
    has_sessions = True

    def __init__(self, engine, folder):
        self.folder = folder
        self.plan, self.results = folder / "plan.json", folder / "results.json"
        self.environment = dict(os.environ, LC_ALL="C.UTF-8", REFHEAP_BENCH_PLAN=str(self.plan),
                                REFHEAP_INSPECT=str(engine / "inspect" / "librefheap-inspect.so"))

    def missing(self):
        return None if shutil.which(self.program) else f"{self.program} is not installed"

    def ask(self, target, before, question):
        """The question twice; `before` is asked first and not timed."""
        self.results.unlink(missing_ok=True)
        self.plan.write_text(json.dumps({"commands": [*before, question, question], "results": str(self.results)}),
                             encoding="utf-8")
        status, out, errors, samples = watch(self.command(target), self.environment, self.folder)
        if not self.results.exists():
            raise Trouble(f"{self.program} ended with {status} and no results: {last_line(out, errors)}")
        rows = json.loads(self.results.read_text(encoding="utf-8"))
        for row in rows:
            if row["error"]:
                raise Trouble(last_line(row["error"]))
        first, again = rows[-2:]
        peak = max([size for when, size in samples if rows[0]["begin"] <= when <= first["end"]] + [first["after"]])
        return Answer(first["output"], first["end"] - first["begin"], again["end"] - again["begin"],
                      max(0, peak - rows[0]["before"]))

    def memory(self, _target, _question):
        return None  # every session says it


class Gdb(Debugger):
    name = "gdb"
    program = os.environ.get("GDB", "gdb")

    def command(self, target, scripts=(ROOT / "gdb" / "refheap_gdb.py",)):
        where = [target.exe, target.core] if target.core else ["-p", str(target.pid), target.exe]
        loads = [word for script in (*scripts, ROOT / "bench" / "inspect_session.py") for word in ("-x", str(script))]
        return [self.program, "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", *where, *loads]


class Lldb(Debugger):
    name = "lldb"
    program = os.environ.get("LLDB", "lldb-19")

    def command(self, target, scripts=(ROOT / "lldb" / "refheap_lldb.py",)):
        where = ["-c", target.core, target.exe] if target.core else ["-p", str(target.pid)]
        words = [self.program, "--no-lldbinit", "-b", *where]
        for script in (*scripts, ROOT / "bench" / "inspect_session.py"):
            words += ["-o", f'command script import "{script}"']
        return words if target.core else [*words, "-o", "process detach"]


DOORS = {door.name: door for door in (Gdb, Lldb, Shell)}
