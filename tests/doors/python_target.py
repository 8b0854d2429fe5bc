"""python_target.py - Python programs as targets: which interpreter, a copy of it that can be taken away, their bytes.

PYTHON in the environment names the interpreter whose heaps are read; else it is Debian's /usr/bin/python3.11.
Invariant: what is compared with the engine's answers is read here without the engine: from /proc/PID/mem, or from the
segments of a core.
"""

import json
import os
import re
import shutil
import struct
import subprocess

import launch
from launch import ROOT, Answer, Shell, Subject, require

PYTHON = os.environ.get("PYTHON") or "/usr/bin/python3.11"
SAMPLES = os.path.join(ROOT, "samples", "python")
HERE = os.path.join(ROOT, "tests", "doors")
PT_LOAD, PROGRAM_HEADER = 1, 56
# Of the runtime: `head`, its first interpreter; of that the rest. `gc` is the collector's state, which the checks damage or read.
OFFSETS = {
    9: {"head": 32, "next": 0, "id": 24, "threads": 8, "gc": 616, "modules": 856, "sysdict": 872, "builtins": 880},
    10: {"head": 32, "next": 0, "id": 24, "threads": 8, "gc": 616, "modules": 856, "sysdict": 872, "builtins": 880},
    11: {"head": 40, "next": 0, "id": 48, "threads": 16, "gc": 648, "modules": 888, "sysdict": 904, "builtins": 912},
    12: {"head": 40, "next": 0, "id": 8, "threads": 72, "gc": 112, "modules": 944, "sysdict": 352, "builtins": 360},
    13: {"head": 632, "next": 7264, "id": 7272, "threads": 7344, "gc": 7400, "modules": 7656, "sysdict": 7640, "builtins": 7648},
}
COLLECTING = 200  # of the collector's state: not 0 while it works
IMMORTAL = 500_000_000  # a count from here on is not kept


def ask_python(expression):
    done = subprocess.run([PYTHON, "-I", "-c", "import sys, sysconfig; print(%s)" % expression], stdout=subprocess.PIPE,
                          check=True, encoding="utf-8")
    return done.stdout.strip()


def minor_version():
    return int(ask_python("sys.version_info[1]"))


class Target:
    """A script that waits at a checkpoint, run by a copy of the interpreter: without it a core is alone."""

    def __init__(self, folder, checkpoint, script, *arguments, options=(), environment=None):
        self.copy = os.path.join(folder, os.path.basename(os.path.realpath(PYTHON)))
        shutil.copy2(os.path.realpath(PYTHON), self.copy)
        self.home, self.checkpoint = ask_python("sys.base_prefix"), checkpoint
        self.run_folder = os.path.join(folder, "run")
        os.mkdir(self.run_folder)
        self.argv = [*options, script, *map(str, arguments)]
        self.environment = {"PYTHONHOME": self.home, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}

    def start(self):
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            return Subject(self.copy, self.checkpoint, self.run_folder, self.argv)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})

    def take_away(self):
        os.unlink(self.copy)


def runtime_address(pid, program):
    """Of _PyRuntime, by the symbols that even a stripped file has: the program's, or those of its libpython."""
    with open("/proc/%d/maps" % pid, encoding="utf-8") as maps:
        mapped = [line.split(maxsplit=5) for line in maps]
    first = {}
    for words in mapped:
        if len(words) > 5:
            first.setdefault(words[5].strip(), int(words[0].split("-")[0], 16))
    for path in [os.path.realpath(program), *(each for each in first if "/libpython" in each)]:
        done = subprocess.run(["nm", "-D", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, encoding="ascii",
                              timeout=launch.TIMEOUT_SECONDS)
        for line in done.stdout.splitlines():
            if line.endswith(" _PyRuntime") and " U " not in line:
                value = int(line.split()[0], 16)
                return value if value >= first[path] else first[path] + value
    require(False, "%s has no _PyRuntime", program)
    return None


class PipedShell(Shell):
    """The shell, with all questions from one pipe: what was learned for one helps the next. Each is asked with --json."""

    name = "shell, from a pipe"

    def ask(self, target, questions, prelude=()):
        text = "".join("%s %s\n" % (question.command, question.line) for question in questions)
        done = subprocess.run(self.start(target), input=text, env=launch.tool_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=launch.TIMEOUT_SECONDS, check=False, encoding="utf-8", errors="replace")
        answers, at = [], 0
        for question in questions:
            try:
                document, end = json.JSONDecoder().raw_decode(done.stdout, at)
            except ValueError:
                raise launch.Failure("no answer to %s: status %d, %s" % (question, done.returncode, done.stderr[-1000:])) from None
            answers.append(Answer(done.stdout[at:end], done.stderr, 2 if "error" in document else 0))
            at = re.compile(r"\s*").match(done.stdout, end).end()
        return answers


def gcore_of(target, folder):
    """A core of a process that goes on, by GDB."""
    subprocess.run(["gcore", "-o", os.path.join(folder, "gcore"), str(target.pid)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=launch.TIMEOUT_SECONDS)
    return launch.Target(core=os.path.join(folder, "gcore.%d" % target.pid))


class ProcessBytes:
    """The memory of a process."""

    def __init__(self, pid):
        self.file = open("/proc/%d/mem" % pid, "rb", 0)

    def read(self, address, size):
        try:
            self.file.seek(address)
            return self.file.read(size)
        except (OSError, ValueError, OverflowError):
            return b""

    def word(self, address):
        bytes_ = self.read(address, 8)
        return int.from_bytes(bytes_, "little") if len(bytes_) == 8 else None


class CoreBytes(ProcessBytes):
    """The memory that a core holds."""

    def __init__(self, path):
        self.file = open(path, "rb")
        header = self.file.read(64)
        start, = struct.unpack_from("<Q", header, 32)
        count, = struct.unpack_from("<H", header, 56)
        self.loads = []
        for number in range(count):
            self.file.seek(start + number * PROGRAM_HEADER)
            kind, _, offset, address, _, size, _, _ = struct.unpack("<IIQQQQQQ", self.file.read(PROGRAM_HEADER))
            if kind == PT_LOAD:
                self.loads.append((address, size, offset))
        require(self.loads, "%s has no memory", path)

    def read(self, address, size):
        for start, length, offset in self.loads:
            if start <= address < start + length:
                self.file.seek(offset + address - start)
                return self.file.read(min(size, start + length - address))
        return b""


def bytes_of(target):
    return ProcessBytes(target.pid) if target.pid else CoreBytes(target.core)


def statics_of(pid):
    """Ranges of the mappings of files, and of what follows them without a name: their variables."""
    ranges, was_file = [], False
    with open("/proc/%d/maps" % pid, encoding="utf-8") as maps:
        for line in maps:
            words = line.split(maxsplit=5)
            start, end = (int(each, 16) for each in words[0].split("-"))
            is_file = len(words) > 5 and words[5].startswith("/")
            if is_file or (len(words) < 6 and was_file and ranges[-1][1] == start):
                ranges.append((start, end))
            was_file = is_file
    return ranges


def stored_count(word):
    """What an object's first word says; None: the count is not kept. (From 3.12 on its lower half is the count.)"""
    if word is None or word & 1 << 31 or IMMORTAL <= word:
        return None
    return word
