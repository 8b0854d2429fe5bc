"""check_lost.py - answers of the shell that cannot be written: a full disk, a closed stream, a pipe that nobody reads.

Invariant: each question is asked with room first, so that its status there and here are told apart; answers are longer
than any buffer, and shorter than the smallest.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

from launch import TIMEOUT_SECONDS, Subject, report, require, tool_environment

LOST = "refheap: the answer could not be written in full\n"
LONG = 1 << 23  # more than is held back


def ask(argv, stdout, line=None):
    """(status, what was said on stderr); stdout None: closed."""
    done = subprocess.run(argv, env=tool_environment(), input=line, stdin=None if line else subprocess.DEVNULL, stdout=stdout,
                          stderr=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8",
                          preexec_fn=(lambda: os.close(1)) if stdout is None else None)
    return done.returncode, done.stderr


def check_lost(argv, line=None, wanted=0, size=0):
    with tempfile.TemporaryFile() as room:
        status, said = ask(argv, room, line)
        require((status, said) == (wanted, ""), "%s ends with %d and says %r", argv, status, said)
        require(os.fstat(room.fileno()).st_size > size, "%s is too short to tell anything", argv)
    with open("/dev/full", "w", encoding="utf-8") as full:
        status, said = ask(argv, full, line)
        require((status, said) == (2, LOST), "on a full disk %s ends with %d and says %r", argv, status, said)
    status, said = ask(argv, None, line)
    require((status, said) == (2, LOST), "without a standard output %s ends with %d and says %r", argv, status, said)


def check_pipe(argv):
    """`| head -c 1`: quiet, as of every command."""
    with subprocess.Popen(argv, env=tool_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          restore_signals=True) as process:
        process.stdout.read(1)
        process.stdout.close()
        said = process.stderr.read()
        require(process.wait(TIMEOUT_SECONDS) == -signal.SIGPIPE and said == b"", "behind head: %d, %s", process.returncode, said)


def goes_on(pid):
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with open("/proc/%d/stat" % pid, encoding="utf-8") as file:
            if file.read().rsplit(")", 1)[1].split()[0] not in ("t", "T"):
                return True
        time.sleep(0.02)
    return False


def main():
    parser = argparse.ArgumentParser(description="Checks answers that cannot be written.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="large.c")
    arguments = parser.parse_args()

    def body():
        for words in (["--help"], ["--version"], ["--manual"], ["objat", "--help"], ["gcfind", "--json", "--help"]):
            check_lost([arguments.shell, *words])
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 1, folder, ["200000"]) as subject:
            live = [arguments.shell, "--pid", str(subject.process.pid)]
            check_pipe([*live, "gcfind", "--limit=0"])
            require(goes_on(subject.process.pid), "the process stays stopped behind head")
            core = [arguments.shell, "--core", subject.core().core]
            check_lost([*core, "gcfind", "--limit=0"], size=LONG)
            check_lost([*core, "gcfind", "--json", "--limit=0"], size=LONG)
            check_lost([*core, "gcstat"])
            check_lost([*core, "gcleaks", "--check"], wanted=1)
            check_lost(core, line="gcfind --limit=0\ngcstat\n", size=LONG)
            check_pipe([*core, "gcfind", "--limit=0", "--json"])
            print("shell: answers that cannot be written")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
