"""check_exported.py - the files of gcexport in one door: whole or not at all, one line where none is written, and
nothing of what may lie under that name is touched without --force.

Invariant: after each failure the folder holds what it held before, byte by byte. The limit of a file's size stands for
a full disk: the kernel sends SIGXFSZ then, which would end a debugger that knows nothing of it.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import sqlite3
import stat
import subprocess
import sys
import tempfile

from check_files import content, prepare
from expect_page import IS_BUILT
from launch import Question, Subject, door_of, report, require, run_tool, tool_environment, without_traceback


def endings(shell):
    """What --help says can be written."""
    text, _error, status = run_tool([shell, "gcexport", "--help"])
    found = re.findall(r"^  - (\.\w+): ", text, re.M)
    require(status == 0 and ".sqlite" in found and ".html" in found, "gcexport --help: %s", text)
    return [ending for ending in found if IS_BUILT or ending != ".html"]


def refused(door, target, folder, lines):
    """Each line with words of its error: nothing is written, and one line says why."""
    before = content(folder)
    asked = [Question("gcexport", line + option) for line, _words in lines for option in ("", " --json")]
    words = [each for _line, each in lines for _ in range(2)]
    for question, answer, wanted in zip(asked, door.ask(target, asked), words, strict=True):
        without_traceback(answer.out + answer.error)
        is_json = question.line.endswith("--json")
        said = json.loads(answer.out)["error"] if is_json else answer.error
        require(answer.status == 2 and (is_json or not answer.out), "%s: %s", question, answer)
        require(len(said.strip().splitlines()) == 1 and all(word in said for word in wanted), "%s: no %s in %r", question, wanted, said)
    require(content(folder) == before, "something was touched: %s, not %s", content(folder), before)


def check_refused(door, target, folder, known):
    for path in prepare(folder).values():
        os.rename(path, path.replace(".svg", "") + ".sqlite")
    at = {name: os.path.join(folder, name + ".sqlite") for name in ("old", "link", "gone", "fifo", "folder", "device")}
    lines = [(os.path.join(folder, "heap.nonsense"), ["heap.nonsense", *known]), (os.path.join(folder, ".sqlite"), ["is an ending alone", "heap.sqlite"]),
             (os.path.join(folder, "none", "heap.sqlite"), ["none/heap.sqlite", "No such file"]), ("", ["usage: gcexport"]),
             (at["old"] + " " + at["gone"], ["one file", "usage: gcexport"]), (at["old"], [at["old"], "exists", "--force"])]
    for name, path in at.items():
        if name != "old" and os.path.lexists(path):
            lines += [(path, [path]), ("--force " + path, [path, "link" if os.path.islink(path) else "no regular file"])]
    refused(door, target, folder, lines)


def check_about(path, core, pid, program):
    """Of which heap the file is: it may be read on another machine."""
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % path, uri=True)) as database:
        about = dict(database.execute("select name, value from about"))
    wanted = {"core": os.path.realpath(core), "process": pid, "program": os.path.basename(program)}
    require({name: about.get(name) for name in wanted} == wanted, "the file says %s, and not %s", about, wanted)


def check_written(door, target, pid, folder, known):
    for ending in known:
        path = os.path.join(folder, "heap" + ending)
        new, there = door.ask(target, [Question("gcexport", path), Question("gcexport", path)])
        require(new.status == 0 and new.out.startswith(path + ": ") and "\nnext: " in new.out, "%s: %s", ending, new)
        require(there.status == 2 and "--force" in there.error, "%s, once more: %s", ending, there)
        os.chmod(path, 0o640)
        (again,) = door.ask(target, [Question("gcexport", "--json --force " + path)])
        document = json.loads(again.out)
        require(again.status == 0 and document["complete"] and document["file_bytes"] == os.path.getsize(path), "%s replaced: %s", ending, again)
        if ending == ".sqlite":
            check_about(path, target.core, pid, target.exe)
        require(document["objects"] > 0 and document["references"] > 0, "%s has nothing in it: %s", ending, document)
        require(stat.S_IMODE(os.stat(path).st_mode) == 0o640, "the mode of a file that was replaced: %o", os.stat(path).st_mode)
        os.unlink(path)
    require(not [name for name in os.listdir(folder) if "refheap" in name], "left behind: %s", os.listdir(folder))


@contextlib.contextmanager
def no_room(bytes_max):
    """For this process and those that it starts. (Python itself ignores the signal, and lets others have it.)"""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def check_full(door, target, folder, known):
    lines = [(option + os.path.join(folder, name + ending), ["File too large"] + ([] if ending == ".svg" else [name + ending]))  # (dot is told first)
             for ending in known for option, name in (("", "new"), ("--force ", "old")) if ending == ".sqlite" or name == "new"]
    with no_room(1000):
        refused(door, target, folder, lines)
    (answer,) = door.ask(target, [Question("gcexport", os.path.join(folder, "after.sqlite"))])
    require(answer.status == 0, "with room again: %s", answer)
    os.unlink(os.path.join(folder, "after.sqlite"))


def check_disk(argv, folder):
    """A full disk that is one, where this user may mount it."""
    script = "mount -t tmpfs -o size=64k none '%s' && cd '%s' && '%s' heap.sqlite; status=$?; ls -A; exit $status"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script % (folder, folder, "' '".join(argv))], env=tool_environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, encoding="utf-8")
    if os.geteuid() != 0 or "mount:" in done.stderr or "unshare:" in done.stderr:
        print("no disk of its own: %s" % done.stderr.strip())
        return
    require(done.returncode == 2 and not done.stdout and "No space left on device" in done.stderr, "a full disk: %s", done)


def main():
    parser = argparse.ArgumentParser(description="Checks the files that gcexport writes in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="the sample cycle")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        known = endings(arguments.shell)
        with tempfile.TemporaryDirectory() as folder:
            files = os.path.join(folder, "files")
            for name in (files, os.path.join(folder, "run")):
                os.mkdir(name)
            with Subject(arguments.program, 3, os.path.join(folder, "run")) as subject:
                target = subject.core()
                check_refused(door, target, files, known)
                check_written(door, target, subject.process.pid, files, known)
                check_full(door, target, files, known)
                if arguments.door == "shell":
                    check_disk(door.start(target) + ["gcexport"], files)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
