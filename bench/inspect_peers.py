"""inspect_peers.py - beside the engine, in the same run: the floor (inspect_floor.c), and tools that read the same
shape of heap in glibc's blocks, where they are installed: chap ($CHAP, or in $PATH) and core_analyzer
($CORE_ANALYZER_GDB, its own gdb).

Invariant: a figure from another machine is only ever shown as that.
"""

import json
import os
import re
import shutil
import subprocess
import time

import inspect_doors
from inspect_doors import Trouble, last_line

PEERS = ("floor", "chap", "core_analyzer")
SLOW_SECONDS = 10  # what takes longer is run once
FLOOR_ROUNDS = 3

# Measured with 2 references per object, on a Zen 5; seconds at 1M and 10M, memory at 10M.
ELSEWHERE = {
    "chap": "on another machine (a Zen 5): any question 2.1 s at 1M, 41 s at 10M; 1.3 GB",
    "core_analyzer": "on another machine (a Zen 5): one address 0.30 s at 1M, 0.41 s at 10M; its referrers 0.23 s, "
                     "0.61 s; leaks 1.3 s, 19 s (live at 1M: 20 s); 1.6 GB",
}


# ---- the floor ----------------------------------------------------------------------------------------------------


def floor(build, core, runs):
    """Rows (name, seconds...) of the bare minimum: the first round of each process, and the best of all rounds."""
    times = {"words": ([], []), "edges": ([], [])}
    truth = core.truth
    for _ in range(runs):
        done = subprocess.run([str(build / "inspect_floor"), str(core.path), str(core.runs), str(truth["stride"]),
                               truth["live"], str(FLOOR_ROUNDS)], capture_output=True, text=True)
        if done.returncode:
            raise Trouble(last_line(done.stderr))
        said = json.loads(done.stdout)
        for name, must in (("words", truth["live_references"]), ("edges", truth["edges"])):
            found = said[name]["found"]
            # A register or a stack word may hold the address, too; an edge is an edge.
            if found < must or (name == "edges" and found != must):
                raise Trouble(f"floor found {found} {name}, the program built {must}")
            times[name][0].append(said[name]["seconds"][0])
            times[name][1].extend(said[name]["seconds"][1:])
    return times


# ---- tools --------------------------------------------------------------------------------------------------------


def chap_program():
    return shutil.which(os.environ.get("CHAP", "chap"))


def core_analyzer_program():
    name = os.environ.get("CORE_ANALYZER_GDB")
    return shutil.which(name) if name else None


def expect(pattern, least, most=None):
    """A check of a tool's output: the number in it."""
    def check(text):
        match = re.search(pattern, text)
        number = int(match.group(1)) if match else None
        if number is None or number < least or (most is not None and number > most):
            return f"says {number}, the program built {least}"
        return None
    return check


def chap_questions(truth):
    """(name, input, check): the program has a few blocks beside its objects, leaked or not."""
    leaked = 2 * truth["pairs"] + truth["lost"] + truth["dependent"]
    address = truth["live"].removeprefix("0x")
    return (("one address", f"describe {address}\n", expect(r"an anchored allocation .*of size (\d+)", 0)),
            ("its referrers", f"list exactincoming {address}\n",
             expect(r"(?m)^(\d+) allocations use", truth["live_references"], truth["live_references"])),
            ("leaks", "count leaked\n", expect(r"(?m)^(\d+) allocations use", leaked, leaked + 20)))


def core_analyzer_questions(truth):
    leaked = 2 * truth["pairs"] + truth["lost"] + truth["dependent"]
    return (("one address", f"heap /block {truth['live']}", expect(r"(?i)size[ =:]*(\d+)", 1)),
            ("its referrers", f"ref {truth['live']}", expect(r"(?s)(\d+).*0x", 1)),
            ("leaks", "heap /leak", expect(r"Total (\d+) ", leaked, leaked + 20)))


class Tool:
    """Asks a tool about one core: whole commands, wall clock."""

    def __init__(self, name, program, core, exe, folder):
        self.name, self.program, self.core, self.exe, self.folder = name, program, core, exe, folder
        self.questions = (chap_questions if name == "chap" else core_analyzer_questions)(core.truth)
        if core.heap.is_python:  # these tools know blocks, not what is garbage among Python's objects
            self.questions = self.questions[:2]

    def command(self, question):
        """chap reads questions from its input; a shell line gives them to it."""
        if self.name == "chap":
            file = self.folder / "question"
            file.write_text(question, encoding="utf-8")
            return ["sh", "-c", 'exec "$0" "$1" <"$2"', self.program, str(self.core.path), str(file)]
        words = [self.program, "-nx", "-q", "-batch", self.exe, str(self.core.path)]
        return [*words, "-ex", question] if question else words

    def run_once(self, question):
        begin = time.perf_counter()
        status, out, errors, samples = inspect_doors.watch(self.command(question), dict(os.environ, LC_ALL="C.UTF-8"),
                                                           self.folder)
        seconds = time.perf_counter() - begin
        if status:
            raise Trouble(f"exit status {status}: {last_line(out, errors)}")
        return seconds, out, max((size for _, size in samples), default=None)

    def start_up(self, runs):
        """A debugger's start is not counted; chap has none but reading the core."""
        return 0.0 if self.name == "chap" else min(self.run_once("")[0] for _ in range(runs))

    def ask(self, question, check, runs):
        """Seconds per run and the peak of anonymous memory."""
        times, peak = [], 0
        for _ in range(runs):
            seconds, out, size = self.run_once(question)
            wrong = check(out)
            if wrong:
                raise Trouble(wrong)
            times.append(seconds)
            peak = max(peak, size or 0)
            if seconds > SLOW_SECONDS:
                break
        return times, peak


def programs():
    return {"chap": chap_program(), "core_analyzer": core_analyzer_program()}
