"""check_files.py - the files that a command writes: whole or not at all, regular ones alone, in every door.

Invariant: after each failure the folder holds what it held before, byte by byte; no device is used whose loss
would hurt.
"""

import argparse
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import time

from launch import TIMEOUT_SECONDS, Question, Shell, Subject, door_of, report, require, tool_environment, without_traceback

OLD = b"an old picture\n"
SLOW_DOT = "#!/bin/sh\ncat >/dev/null\necho $$ >'%s'\nexec sleep 1000\n"


def content(folder):
    """What lies in a folder, without following anything."""
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        status = os.lstat(path)
        data = open(path, "rb").read() if stat.S_ISREG(status.st_mode) else os.readlink(path) if stat.S_ISLNK(status.st_mode) else None
        found[name] = (stat.S_IFMT(status.st_mode), status.st_ino, data)
    return found


def prepare(folder):
    paths = {name: os.path.join(folder, name) for name in ("old.svg", "link.svg", "gone.svg", "fifo", "device", "folder")}
    with open(paths["old.svg"], "wb") as file:
        file.write(OLD)
    os.chmod(paths["old.svg"], 0o640)
    os.symlink("old.svg", paths["link.svg"])
    os.symlink("nowhere", paths["gone.svg"])
    os.mkfifo(paths["fifo"])
    os.mkdir(paths["folder"])
    if os.geteuid() == 0:
        os.mknod(paths["device"], 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    else:
        del paths["device"]
    return paths


def check_refused(door, target, folder):
    """What is no regular file, or is a link, stays as it is."""
    paths = prepare(folder)
    before = content(folder)
    wrong = [path for name, path in paths.items() if name != "old.svg"] + [os.path.join(folder, "none", "x.svg")]
    lines = [option + path + json_option for path in wrong for option in ("--svg=", "--dot=") for json_option in ("", " --json")]
    for question, answer in zip(lines, door.ask(target, [Question("gcgraph", line) for line in lines]), strict=True):
        without_traceback(answer.out + answer.error)
        require(answer.status == 2, "%s: %s", question, answer)
        path = question.split("=")[1].split()[0]
        said = json.loads(answer.out)["error"] if question.endswith("--json") else answer.error
        require(path in said and (question.endswith("--json") or not answer.out), "%s: %s", question, answer)
    require(content(folder) == before, "something was touched: %s, not %s", content(folder), before)


def check_written(door, target, folder):
    old, dot = os.path.join(folder, "old.svg"), os.path.join(folder, "new.dot")
    (answer,) = door.ask(target, [Question("gcgraph", "--svg=%s --dot=%s" % (old, dot))])
    require(answer.status == 0 and "wrote " + dot in answer.out and "drew " + old in answer.out, "pictures: %s", answer)
    with open(old, "rb") as picture, open(dot, "rb") as graph:
        require(picture.read().rstrip().endswith(b"</svg>") and graph.read().endswith(b"}\n"), "%s: no whole pictures", door.name)
    require(stat.S_IMODE(os.stat(old).st_mode) == 0o640, "the mode of a file that was replaced: %o", os.stat(old).st_mode)
    require(not [name for name in os.listdir(folder) if "refheap" in name], "left behind: %s", os.listdir(folder))


# ---- the shell alone ---------------------------------------------------------------------------------------------


def run(argv, folder, environment=None, limit=None):
    def prepare_child():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write fails, as on a full disk
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    done = subprocess.run(argv, cwd=folder, env=tool_environment(TMPDIR=folder, **(environment or {})), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8",
                          preexec_fn=prepare_child)
    return done.stdout, done.stderr, done.returncode


def fails(argv, folder, *words, **more):
    before = content(folder)
    out, error, status = run(argv, folder, **more)
    require(status == 2 and not out and len(error.splitlines()) == 1, "%s: %s %s%s", argv, status, out, error)
    require(all(word in error for word in words), "%s: %s", argv, error)
    require(content(folder) == before, "%s: the folder has changed: %s", argv, content(folder))


def check_keeps_the_old(argv, folder):
    """Without dot, with one that fails or lies, and without room."""
    for name, text in (("fails", "exit 1"), ("lies", "echo '<svg>'"), ("dies", "kill -9 $$"), ("none", None)):
        tools = os.path.join(folder, name)
        os.mkdir(tools)
        if text is not None:
            with open(os.path.join(tools, "dot"), "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o755)) as script:
                script.write("#!/bin/sh\n%s\n" % text)
        fails(argv + ["--svg=old.svg"], folder, "dot", environment={"PATH": tools})
    for option, limit in (("--svg=old.svg", 2000), ("--dot=old.svg", 100), ("--svg=new.svg", 2000), ("--dot=new.svg", 100)):
        fails(argv + [option], folder, option[6:], "File too large", limit=limit)


def check_names(argv, folder):
    """A file's name is never an option of dot, nor a format string."""
    for name in ("-Tps", "%s%n", "a b"):
        out, error, status = run(argv + ["--dot=" + name, "--svg=" + name + ".svg"], folder)
        require(status == 0 and not error, "%s: %s %s%s", name, status, out, error)
        for path, end in ((name, "}"), (name + ".svg", "</svg>")):
            with open(os.path.join(folder, path), encoding="utf-8") as file:
                require(file.read().rstrip().endswith(end), "%s: not whole", path)


def check_ended(argv, folder):
    """Killed or interrupted while dot is at work: nothing is left, and dot does not go on."""
    tools, began = os.path.join(folder, "slow"), os.path.join(folder, "slow", "began")
    os.mkdir(tools)
    with open(os.path.join(tools, "dot"), "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o755)) as script:
        script.write(SLOW_DOT % began)
    for end in (signal.SIGINT, signal.SIGKILL):
        before = content(folder)
        process = subprocess.Popen(argv + ["--svg=old.svg"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                                   env=tool_environment(TMPDIR=folder, PATH=tools + ":" + os.environ["PATH"]))
        try:
            until = time.monotonic() + TIMEOUT_SECONDS
            while not (os.path.exists(began) and os.path.getsize(began)):
                require(time.monotonic() < until, "dot was never started")
                time.sleep(0.02)
            with open(began, encoding="ascii") as file:
                dot = int(file.read())
            process.send_signal(end)
            out, error = process.communicate(timeout=TIMEOUT_SECONDS)
            if end == signal.SIGINT:
                require(process.returncode == 2 and "cancelled" in error and not out, "interrupted: %s %s%s", process.returncode, out, error)
                require(not os.path.exists("/proc/%d" % dot), "dot goes on")
            else:
                os.kill(dot, signal.SIGKILL)
        finally:
            process.kill()
            process.wait()
        os.remove(began)
        require(content(folder) == before, "left behind: %s", content(folder))


def main():
    parser = argparse.ArgumentParser(description="Checks the files that one door writes.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="the sample cycle")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            files = os.path.join(folder, "files")
            for name in (files, os.path.join(folder, "run")):
                os.mkdir(name)
            with Subject(arguments.program, 3, os.path.join(folder, "run")) as subject:
                target = subject.core()
                check_refused(door, target, files)
                check_written(door, target, files)
                if isinstance(door, Shell):
                    argv = door.start(target) + ["gcgraph"]
                    check_keeps_the_old(argv, files)
                    check_names(argv, files)
                    check_ended(argv, files)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
