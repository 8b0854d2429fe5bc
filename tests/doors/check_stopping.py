"""check_stopping.py - `refheap --pid` stops all threads of a process, says so where it cannot, and lets all go again.

What runs is seen in the process itself: its threads count, and the kernel tells each one's state.
Invariant: nothing here depends on speed; what never comes is a failure after TIMEOUT_SECONDS.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

from launch import TIMEOUT_SECONDS, Subject, report, require, run_tool, tool_environment

ROUNDS = 12


def states(pid):
    """The state letter of each thread that there is."""
    found = {}
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/stat" % (pid, task), encoding="utf-8") as file:
                found[task] = file.read().rpartition(")")[2].split()[0]
        except OSError:
            pass  # it has just ended
    return found


def counters(subject):
    """Read through a thread that is there: the first one may have ended, and any other ends when it likes."""
    size = 8 * subject.truth["count"]
    for task in [task for task, state in states(subject.process.pid).items() if state not in "ZX"]:
        try:
            with open("/proc/%s/mem" % task, "rb", buffering=0) as memory:
                memory.seek(subject.truth["counters"])
                read = memory.read(size)
        except (ProcessLookupError, FileNotFoundError):
            continue
        if len(read) == size:
            return read
    require(False, "no thread lives long enough to be read through")


def wait_until(what, condition):
    end = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        require(time.monotonic() < end, "it never came: %s", what)
        time.sleep(0.01)


def goes_on(subject):
    seen = counters(subject)
    wait_until("the threads go on", lambda: counters(subject) != seen)
    wait_until("no thread is traced", lambda: "t" not in states(subject.process.pid).values())


class Held:
    """refheap at its prompt, with the process stopped."""

    def __init__(self, shell, pid):
        self.tool = subprocess.Popen([shell, "--pid", str(pid)], env=tool_environment(), stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ask(self):
        """A question with an answer of one line; from here on the process is stopped."""
        self.tool.stdin.write(b"objat 16\n")
        self.tool.stdin.flush()
        if not self.tool.stdout.readline():
            require(False, "no answer: %s", self.tool.stderr.read().decode())

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.tool.kill()
        self.tool.wait()
        for pipe in (self.tool.stdin, self.tool.stdout, self.tool.stderr):
            pipe.close()


def check_all_are_stopped(shell, program, folder, how):
    with Subject(program, 1, folder, [how]) as subject:
        pid = subject.process.pid
        for number in range(ROUNDS):
            goes_on(subject)
            with Held(shell, pid) as held:
                held.ask()
                before, running = counters(subject), {t: s for t, s in states(pid).items() if s not in "tZX"}
                require(not running, "%s: not stopped: %s", how, running)
                held.ask()
                require(counters(subject) == before, "%s: something ran on", how)
                if number % 2:  # else it is killed
                    held.tool.stdin.close()
                    held.tool.wait(TIMEOUT_SECONDS)
        goes_on(subject)
        out, error, status = run_tool([shell, "--pid", str(pid), "gcverify", "--check"])
        require(status == 0, "%s: a sound process is called damaged: %s%s", how, out, error)
        goes_on(subject)


def check_thread_number(shell, program, folder):
    """The number of any of its threads stands for the process."""
    with Subject(program, 1, folder, ["leaderless"]) as subject:
        wait_until("the first thread has ended", lambda: states(subject.process.pid)[str(subject.process.pid)] == "Z")
        other = next(task for task in states(subject.process.pid) if task != str(subject.process.pid))
        _, error, status = run_tool([shell, "--pid", other, "gcstat"])
        require(status == 0, "--pid with a thread's number: %s", error)
        goes_on(subject)


def check_stays_stopped(shell, program, folder):
    """A process that was stopped by a signal stays so, and goes on when it is told to."""
    with Subject(program, 1, folder, ["churn"]) as subject:
        pid = subject.process.pid
        subject.process.send_signal(signal.SIGSTOP)
        wait_until("it is stopped", lambda: set(states(pid).values()) <= set("TZX"))
        _, error, status = run_tool([shell, "--pid", str(pid), "gcstat"])
        require(status == 0, "a process that is stopped already: %s", error)
        wait_until("it is stopped as before", lambda: set(states(pid).values()) <= set("TZX"))
        before = counters(subject)
        require(counters(subject) == before, "it went on by itself")
        subject.process.send_signal(signal.SIGCONT)
        goes_on(subject)


def check_killed_meanwhile(shell, program, folder):
    """What was read of a process that has ended since is no answer, whatever the question."""
    for question in ("gcleaks --check", "gcverify --check", "gcstat", "objat 16"):
        with Subject(program, 1, folder, ["churn"]) as subject, Held(shell, subject.process.pid) as held:
            held.ask()
            subject.process.kill()
            wait_until("it has ended", lambda: set(states(subject.process.pid).values()) <= set("ZX"))
            out, error = held.tool.communicate(question.encode() + b"\n", TIMEOUT_SECONDS)
            require(held.tool.returncode == 2 and not out, "%s: status %d: %s", question, held.tool.returncode, out)
            require(b"the process ended while it was read" in error and error.count(b"\n") == 1, "%s: %s", question, error)


def refused(shell, pid, *words):
    _, error, status = run_tool([shell, "--pid", str(pid), "gcstat"])
    require(status == 2 and len(error.splitlines()) == 1, "status %d: %s", status, error)
    for word in words:
        require(word in error, "%r is not in: %s", word, error)


def check_refusals(shell, program, folder):
    with Subject(program, 1, folder, ["vfork"]) as subject:
        pid = subject.process.pid
        wait_until("it waits in vfork", lambda: "D" in states(pid).values())
        refused(shell, pid, "does not stop", "vfork", "--no-stop")
        wait_until("it is not traced any more", lambda: "D" in states(pid).values())
    with Subject(program, 1, folder, ["churn"]) as subject, Held(shell, subject.process.pid) as held:
        held.ask()
        refused(shell, subject.process.pid, "process %d traces it" % held.tool.pid)
    dead = subprocess.Popen(["true"])
    wait_until("it is a zombie", lambda: set(states(dead.pid).values()) == {"Z"})
    refused(shell, dead.pid, "has ended")
    dead.wait()
    refused(shell, dead.pid, "there is no process")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shell", required=True)
    parser.add_argument("program")
    options = parser.parse_args()

    def body():
        with tempfile.TemporaryDirectory() as folder:
            check_all_are_stopped(options.shell, options.program, folder, "churn")
            check_all_are_stopped(options.shell, options.program, folder, "leaderless")
            check_thread_number(options.shell, options.program, folder)
            check_stays_stopped(options.shell, options.program, folder)
            check_killed_meanwhile(options.shell, options.program, folder)
            check_refusals(options.shell, options.program, folder)

    return report(body)


if __name__ == "__main__":
    sys.exit(main())
