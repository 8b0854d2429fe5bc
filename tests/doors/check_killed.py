"""check_killed.py - a process that is killed while a debugger's refheap reads it: each question gets one line that says
so, status 2 and no traceback, and the session goes on.

Invariant: the process ends inside of the first question, when the engine asks for its threads, and each of its
threads is gone before the engine goes on.
"""

import argparse
import json
import sys
import tempfile

from launch import HOSTS, Question, Subject, door_of, report, require, without_traceback

KILL = """
import os, time
def has_ended(path):
    try:
        return open(path + "/stat").read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
def killed(threads, pid):
    tasks = "/proc/%d/task" % pid
    def ask(self):
        os.kill(pid, 9)
        until = time.monotonic() + 20
        while time.monotonic() < until and os.path.exists(tasks) and not all(has_ended(tasks + "/" + each) for each in os.listdir(tasks)):
            time.sleep(0.01)
        return list(threads(self))
    return ask
"""
ENDED = "the process ended while it was read"
NONE = "no process and no core to read"


def is_reason(text):
    """Debuggers notice the end when they like; until then they have a process."""
    return ENDED in text or NONE in text


def said(answer):
    """The door's own lines: debuggers report the end of the process, too."""
    return [line for line in answer.error.splitlines() if line.removeprefix("error: ").startswith(("gc", "objat", "refs"))]


def check(door, subject, folder):
    path = folder + "/kill.py"
    with open(path, "w", encoding="utf-8") as file:
        file.write(KILL)
    host = HOSTS[door.name]
    script = "%s exec(open(%r).read()); %s.threads = killed(%s.threads, %d)" % (
        {"gdb": "python", "lldb": "script"}[door.name], path, host, host, subject.process.pid)
    questions = [Question("gcleaks", ""), Question("gcleaks", ""), Question("objat", "0x10"), Question("gcstat", "--json")]
    answers = door.ask(subject.live(), questions, [script])
    for question, answer in zip(questions, answers, strict=True):
        without_traceback(answer.out + answer.error)
        require(answer.status == 2, "%s: status %d: %s", question, answer.status, answer)
        if "--json" in question.line:
            document = json.loads(answer.out)
            require(document["complete"] is False and is_reason(document["error"]), "%s: %s", question, document)
        else:
            require(answer.out == "" and len(said(answer)) == 1, "%s: not one line: %s", question, answer)
    require(ENDED in said(answers[0])[0], "the first says: %s", answers[0])
    require(all(is_reason(said(answer)[0]) for answer in answers[1:3]), "then: %s", answers)
    print("%-6s %s" % (door.name, said(answers[0])[0]))


def main():
    parser = argparse.ArgumentParser(description="A process that is killed while it is read.")
    parser.add_argument("--door", choices=("gdb", "lldb"), required=True)
    parser.add_argument("program", help="a sample")
    arguments = parser.parse_args()
    door = door_of(arguments.door, None)

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 1, folder) as subject:
            check(door, subject, folder)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
