"""check_costs.py - small cores that claim to hold much, in a door: each command answers, says what it left out, takes no more
memory than it may, and hears Ctrl-C.

How long each took is printed. Invariant: nothing here depends on speed; SECONDS only catches what would go on for hours, as it
does for whoever believes what is claimed.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

from check_terminal import INSIDE, Session, Terminal
from launch import SCRIPTS, Question, Target, document_in, door_of, report, require, run_tool, tool_environment

SECONDS = 60
MEMORY_KIB = 512 << 10
DEBUGGER_KIB = 512 << 10  # what a debugger takes for itself
# gcverify first: what a later question finds missing stays said.
QUESTIONS = ("gcverify", "gcstat", "gcfind", "gcleaks", "gcstale", "gcgraph", "objat #1", "objat --ledger #1", "refs #1", "refs --path #1",
             "gcquery select count(*), sum(size), sum(garbage), count(leaked), max(retained) from objects",
             "gcquery select count(*) from stale")
# All work is the engine's, and no door's: little is read.
SAME_IN_ALL_DOORS = ("vectors", "stale", "fields", "edges", "roots")
# Met at work with each command: the lists that are read first are long.
AT_WORK = "mappings"
BYTES_AT_WORK = 4 << 20
TRIES = 20


def is_sanitized():
    return "REFHEAP_TEST_SANITIZED" in os.environ


# ---- answers ------------------------------------------------------------------------------------------


def in_json(question):
    """(What follows a question in SQL is a part of it.)"""
    command, _, line = question.partition(" ")
    return "%s --json %s" % (command, line)


def ask_shell(shell, core, question):
    """The answer of the command alone; its memory is its own."""
    with tempfile.TemporaryFile() as out:
        began = time.monotonic()
        process = subprocess.Popen([shell, "--core", core, *in_json(question).split()], env=tool_environment(), stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT)
        usage = wait(process, began)
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
    what = "%s %s" % (os.path.basename(core), question)
    print("%-28s %6.2f s %7d KiB" % (what[:60], time.monotonic() - began, usage.ru_maxrss))
    require(process.returncode == 0, "%s: status %d: %s", what, process.returncode, text[-500:])
    require(is_sanitized() or usage.ru_maxrss < MEMORY_KIB, "%s took %d KiB of memory", what, usage.ru_maxrss)
    return document_in(text)


def wait(process, began):
    while time.monotonic() - began < SECONDS:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        time.sleep(0.01)
    process.kill()
    process.wait()
    require(False, "no answer within %d seconds: %s", SECONDS, process.args)
    return None


def ask_debugger(door, core):
    """All answers of one debugger, in the order of QUESTIONS."""
    began = time.monotonic()
    answers = door_of(door, None).ask(Target(core=core), [Question(in_json(question), "") for question in QUESTIONS])
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print("%-10s all questions in %s: %6.2f s, %7d KiB so far" % (os.path.basename(core), door, time.monotonic() - began, most))
    for question, answer in zip(QUESTIONS, answers):
        require(answer.status == 0, "%s %s: %s", core, question, answer)
    require(is_sanitized() or most < MEMORY_KIB + DEBUGGER_KIB, "%s: %d KiB of memory", core, most)
    return [json.loads(answer.out) for answer in answers]


def check(core, said, question, document):
    reasons = document.get("incomplete_because", [])
    if question == "gcverify":
        require(document["complete"] == (not said), "%s: gcverify is incomplete for %s, wanted: '%s'", core, reasons, said)
        require(not said or any(said in reason for reason in reasons), "%s: gcverify is not incomplete for '%s': %s", core, said, reasons)
    for leak in document.get("leaks", []):
        require(not said or leak["cause"] != "lost_reference", "%s: a certain loss where something was left out: %s", core, leak)


def check_answers(door, shell, folder, said):
    require(set(SAME_IN_ALL_DOORS) < set(said), "there are %s", list(said))
    for name, reason in said.items():
        if door != "shell" and name in SAME_IN_ALL_DOORS:
            continue
        core = os.path.join(folder, name)
        documents = [ask_shell(shell, core, question) for question in QUESTIONS] if door == "shell" else ask_debugger(door, core)
        for question, document in zip(QUESTIONS, documents):
            check(name, reason, question, document)


# ---- Ctrl-C -------------------------------------------------------------------------------------------


def bytes_read(pid):
    with open("/proc/%d/io" % pid, encoding="utf-8") as file:
        return int(file.readline().split()[1])


def is_at_work(pid, before):
    """Waits until the process has read some of the core; false: it ended or waits before that."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if bytes_read(pid) - before > BYTES_AT_WORK:
                return True
            with open("/proc/%d/stat" % pid, encoding="utf-8") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return False
        except OSError:
            return False
    return False


def interrupt_shell(shell, core, question):
    """True: it was cancelled; false: it had answered before."""
    process = subprocess.Popen([shell, "--core", core, *question.split()], env=tool_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, encoding="utf-8")
    is_at_work(process.pid, 0)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=SECONDS)
    if process.returncode == 2 and "cancelled" in error:
        require(not out, "%s was cancelled, and answers: %s", question, out[:300])
        print("%-20s cancelled after %5.1f ms" % (question, (time.monotonic() - began) * 1000))
        return True
    require(process.returncode in (0, -signal.SIGINT), "%s: status %d: %s", question, process.returncode, error)
    return False


class Debugger:
    """A debugger on the core, at a terminal."""

    def __init__(self, terminal, door):
        self.terminal, self.session, self.inside, self.syncs = terminal, Session(terminal, door), INSIDE[door], 0

    def sync(self):
        self.syncs += 1
        self.terminal.write(self.inside["sync"] % self.syncs + "\n")
        return self.terminal.read_until(r"sync%d\r?\n[\s\S]*?%s" % (self.syncs, self.session.prompt))

    def interrupt(self, question):
        """True: it was cancelled; false: it had answered before."""
        self.session.command(self.inside["forget"])
        self.sync()
        before = bytes_read(self.terminal.pid)
        self.terminal.write(question + "\n")
        is_at_work(self.terminal.pid, before)
        began = time.monotonic()
        self.terminal.write("\x03")
        seen = self.sync()
        took = time.monotonic() - began
        require("Traceback" not in seen, "after Ctrl-C: %s", seen)
        if "cancelled" in seen:
            print("%-20s cancelled, and at the prompt after %5.1f ms" % (question, took * 1000))
        return "cancelled" in seen


def check_interrupts(door, shell, core):
    def all_of(interrupt):
        for question in QUESTIONS:
            require(any(interrupt(question) for _ in range(TRIES)), "%s was never met at work", question)

    if door == "shell":
        all_of(lambda question: interrupt_shell(shell, core, question))
        return
    argv = {"gdb": ["gdb", "-nx", "-q", "-iex", "set debuginfod enabled off", "-core", core, "-x", SCRIPTS["gdb"]],
            "lldb": ["lldb-19", "-x", "-O", "settings set symbols.enable-external-lookup false", "-c", core, "-o",
                     "command script import " + SCRIPTS["lldb"]]}[door]
    with Terminal(argv) as terminal:
        debugger = Debugger(terminal, door)
        debugger.sync()
        all_of(debugger.interrupt)


def main():
    parser = argparse.ArgumentParser(description="Checks what small hostile cores cost.")
    parser.add_argument("--door", required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("generator", help="hostile_cores")
    arguments = parser.parse_args()

    def body():
        with tempfile.TemporaryDirectory() as folder:
            rows, error, status = run_tool([arguments.generator, folder])
            require(status == 0, "no cores: %s", error)
            said = dict(row.split("\t") for row in rows.splitlines())
            require(AT_WORK in said, "there are %s", list(said))
            check_answers(arguments.door, arguments.shell, folder, said)
            check_interrupts(arguments.door, arguments.shell, os.path.join(folder, AT_WORK))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
