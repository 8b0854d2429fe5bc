"""check_cut.py - a core that is cut off while a door reads it, and between two questions.

The moment is a number of reads: cutting.c, preloaded, cuts the file before one of them. How many there are is counted
first. Invariant: every cut comes before a read of the same command, so that no answer may be as it was; what a cut
answer still says for certain is part of what the whole core says.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

from launch import TIMEOUT_SECONDS, Answer, Question, Shell, Subject, Target, door_of, report, require, tool_environment, without_traceback

OBJECTS = 20000  # so that not all of a list is held back until it is whole
QUESTIONS = (("gcleaks", "--check --json"), ("gcverify", "--check --json"), ("gcfind", "--limit=0 --json"), ("refs", "--json #1"), ("gcstat", ""))


class Cutter:
    """A copy of a core, and a library that cuts it."""

    def __init__(self, library, folder, whole, program):
        self.library, self.whole, self.size, self.program = library, whole, os.path.getsize(whole), program
        self.core, self.begun, self.counted = (os.path.join(folder, name) for name in ("cut.core", "begun", "counted"))

    def ask(self, door, questions, number, size):
        """The answers with the core cut to a size before a read of it, and how often it was read."""
        shutil.copyfile(self.whole, self.core)
        for path in (self.begun, self.counted):
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
        prelude = ["%s open(%r, 'w').close()" % ("python" if door.name == "gdb" else "script", self.begun)]
        if isinstance(door, Shell):
            open(self.begun, "w", encoding="ascii").close()
            prelude = []
        more = {"LD_PRELOAD": self.library, "CUT_CORE": self.core, "CUT_FROM": self.begun, "CUT_AT": str(number), "CUT_TO": str(size),
                "CUT_COUNT": self.counted}
        os.environ.update(more)
        try:
            answers = door.ask(Target(core=self.core, exe=self.program), questions, prelude)
        finally:
            for name in more:
                del os.environ[name]
        return answers, os.path.getsize(self.counted) if os.path.exists(self.counted) else 0


def leaks_in(answer):
    document = json.loads(answer.out) if answer.out.startswith("{") else {}
    return {(leak["cause"], *leak["objects"]) for leak in document.get("leaks", ())}


def judge(answer, question, known, how):
    """Nothing certain, but what was certain with the whole core; and it is said why."""
    without_traceback(answer.out + answer.error)
    is_json, is_check = "--json" in question.line, "--check" in question.line
    require(answer.status in (0, 1, 2), "%s: status %s", how, answer)
    if not is_json:
        said = answer.out + answer.error
        require("core" in said and (answer.status == 2 or "incomplete: " in said), "%s: nothing is said: %s", how, said[-500:])
        return
    document = json.loads(answer.out)
    require(document["complete"] is False, "%s: complete: %s", how, answer.out[-500:])
    because = [document["error"]] if "error" in document else document["incomplete_because"]
    require(any(word in line for line in because for word in ("core file", "cut off")), "%s: it is not said why: %s", how, because)
    require(answer.status == 2 or ("error" not in document and "ask again" not in answer.error), "%s: no answer, with status %d", how, answer.status)
    require(leaks_in(answer) <= known, "%s: leaked for certain: %s", how, leaks_in(answer) - known)
    require(not document.get("problems"), "%s: damaged: %s", how, document.get("problems"))
    wanted = (1, 2) if document.get("leaks") else (2,)
    require(not is_check or answer.status in wanted, "%s: status %d", how, answer.status)


def moments_of(door, row, reads, size):
    """Before which reads the core is cut, and to how much. The engine is the same in a debugger: there the first question is cut at
    all of these moments, the others in their midst and at their end."""
    if not isinstance(door, Shell) and row != QUESTIONS[0]:
        return {reads // 2: 4096, reads: 0}
    return {1: 0, 2: size // 3, reads // 3: size // 2, reads // 2: 4096, reads * 2 // 3: size - 8192, reads: 0}


def check_during(door, cutter):
    for row in QUESTIONS:
        question = Question(*row)
        (whole,), reads = cutter.ask(door, [question], 0, 0)
        require(reads > 3 and whole.status in (0, 1), "%s of a whole core: %d reads, %s", row, reads, whole)
        for number, size in moments_of(door, row, reads, cutter.size).items():
            how = "%s: %s cut to %d before read %d of %d" % (door.name, " ".join(row), size, number, reads)
            answers, seen = cutter.ask(door, [question, Question("gcverify", "--check --json")], number, size)
            require(seen >= number, "%s: it was not read so often: %d", how, seen)
            judge(answers[0], question, leaks_in(whole), how)
            judge(answers[1], Question("gcverify", "--check --json"), set(), how + ", then gcverify")


def check_between(door, cutter):
    """One session in a debugger: the core is cut between two of its commands."""
    python = "python" if door.name == "gdb" else "script"
    for size in (0, 4096, cutter.size // 2, cutter.size - 8192):
        shutil.copyfile(cutter.whole, cutter.core)
        cut = Question(python, "import os; os.truncate(%r, %d)" % (cutter.core, size))
        questions = [Question(*row) for row in QUESTIONS]
        answers = door.ask(Target(core=cutter.core, exe=cutter.program), [*questions, cut, *questions])
        whole, after = answers[:len(questions)], answers[len(questions) + 1:]
        for question, first, second in zip(questions, whole, after, strict=True):
            require(first.status in (0, 1), "%s of a whole core: %s", question, first)
            judge(second, question, leaks_in(first), "%s: %s after a cut to %d" % (door.name, question.command, size))


class Prompt:
    """refheap with its questions from a pipe: each one is asked when the answer before it is here."""

    def __init__(self, argv):
        self.tool = subprocess.Popen(argv, env=tool_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.tool.kill()
        self.tool.wait()
        for pipe in (self.tool.stdin, self.tool.stdout, self.tool.stderr):
            pipe.close()

    def ask(self, command, line):
        self.tool.stdin.write("%s %s\n" % (command, line))
        self.tool.stdin.flush()
        text = ""
        while more := self.tool.stdout.readline():
            text += more
            if more.endswith("}\n"):
                with contextlib.suppress(json.JSONDecodeError):
                    json.loads(text)
                    return text
        raise AssertionError("no answer to %s: %s%s" % (command, text[-500:], self.tool.stderr.read()))


def check_prompt(door, cutter):
    for size in (0, 4096, cutter.size // 2, cutter.size - 8192):
        shutil.copyfile(cutter.whole, cutter.core)
        rows = [row for row in QUESTIONS if "--json" in row[1]]
        with Prompt(door.start(Target(core=cutter.core, exe=cutter.program))) as prompt:
            whole = [prompt.ask(*row) for row in rows]
            os.truncate(cutter.core, size)
            after = [prompt.ask(*row) for row in rows]
            prompt.tool.stdin.close()
            require(prompt.tool.wait(TIMEOUT_SECONDS) == 2, "the prompt ends with %d", prompt.tool.returncode)
        for row, first, second in zip(rows, whole, after, strict=True):
            require(json.loads(first)["complete"], "%s of a whole core: %s", row, first[-500:])
            judge(Answer(second, "", 2), Question(*row), leaks_in(Answer(first, "", 0)), "%s after a cut to %d" % (row, size))


def main():
    parser = argparse.ArgumentParser(description="Cuts a core while one door reads it.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--library", required=True, help="cutting.c, built")
    parser.add_argument("program", help="large.c")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as beside:
            with Subject(arguments.program, 1, folder, [str(OBJECTS)]) as subject:
                cutter = Cutter(arguments.library, beside, subject.core().core, arguments.program)
            check_during(door, cutter)
            (check_prompt if isinstance(door, Shell) else check_between)(door, cutter)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
