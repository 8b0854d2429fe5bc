"""check_remote.py - targets that the engine cannot read directly, or only seems to: processes behind gdbserver
and lldb-server, recorded executions, several inferiors in one debugger, a wrong executable, another sysroot.

The answers are held against the sample's truth, and against those of the same debugger attached directly.
Invariant: before an answer behind a server counts, the door has said that it lends neither a pid nor a core, so
that the engine has nothing but the door's own reads.
"""

import argparse
import ast
import contextlib
import json
import os
import re
import sys
import tempfile

import expect
from launch import (HOSTS, Gdb, Lldb, Question, RemoteLldb, Subject, Target, door_of, lldb_server, report, require,
                    without_traceback)

WHOLE_HEAP = [Question(command, line + " --json") for command, line in (
    ("gcgraph", ""), ("gcstat", ""), ("gcstat", "--no-retained"), ("gcfind", ""), ("gcfind", "--unreachable"),
    ("gcleaks", ""), ("gcstale", ""), ("gcverify", ""))]


# ---- behind a server -----------------------------------------------------------------------------

# What the door lends the engine, as one line of Python.
SAY_LENT = {
    "gdb": Question("python", "h = " + HOSTS["gdb"] + "(gdb._refheap.epoch); print((h.pid(), h.core_path(), h.regions()))"),
    "lldb": Question("script", 'h = ' + HOSTS["lldb"] + '(lldb.debugger, None, None, lldb._refheaps[lldb.debugger.GetID()].session.epoch); '
                               'say(lldb.debugger.GetOutputFile(), repr((h.pid(), h.core_path(), h.regions())))'),
}
WAYS = {"gdb": ("gdb-remote", "gdb-extended"), "lldb": ("lldb-remote", "lldb-platform")}


def check_behind_server(door, subject):
    """Everything that can be asked, directly and behind each server."""
    truth = subject.truth
    known = expect.questions(truth, True)
    live = [each["address"] for each in truth["objects"] if each["status"] == "live"]
    asked = known + [Question("refs", "--json --path " + address) for address in live[:4]] + WHOLE_HEAP
    direct = door.ask(subject.live(), asked)
    for way in (door_of(name, None) for name in WAYS[door.name]):
        lent, *answers = way.ask(subject.live(), [SAY_LENT[door.name], *asked])
        check_lent(way, lent, subject.process.pid)
        for answer in answers:
            without_traceback(answer.error)
        for question, answer in zip(asked[len(known):], answers[len(known):], strict=True):
            document(question, answer)
        facts = expect.check(truth, known, answers[:len(known)], True)
        expect.check_agreement(asked, door.name, direct, way.name, answers)
        print("%s, checkpoint %d of %s: %d facts, %d documents as directly" % (
            way.name, truth["checkpoint"], subject.program, facts, len(asked)))


def check_lent(way, answer, pid):
    """No target that could be read directly; and the memory map that the kernel shows, but that lldb-server does
    not tell a page without permissions from none."""
    lent = re.search(r"^\(.*\)$", answer.out, re.MULTILINE)
    require(lent, "%s: %s", way.name, answer)
    lent_pid, core, regions = ast.literal_eval(lent.group())
    require((lent_pid, core) == (0, None), "%s lends the engine a target: %s %s", way.name, lent_pid, core)
    with open("/proc/%d/maps" % pid, encoding="utf-8") as maps:
        rows = [line.split() for line in maps]
    expected = [(*(int(part, 16) for part in row[0].split("-")), row[1][:3], row[5] if len(row) > 5 else "") for row in rows]
    found = [(start, end, "".join(letter if flags & flag else "-" for letter, flag in (("r", 4), ("w", 2), ("x", 1))), path)
             for start, end, flags, _offset, path in regions]
    if isinstance(way, Lldb):
        expected = [row for row in expected if row[2] != "---"]
    require(found == expected, "%s shows the map\n%s\ninstead of\n%s", way.name, found, expected)


def check_launched(door, program):
    """A program that the server starts."""
    questions = [Question("objat", "--json a"), Question("refs", "--json b"), Question("gcgraph", "--cycles --json")]
    if isinstance(door, Gdb):
        connect = ["target remote | gdbserver --once - " + program, "break checkpoint", "continue", "up"]
        answers = door.ask(Target(exe=program), questions, connect)
    else:
        way = RemoteLldb()
        with lldb_server(["gdbserver", "--named-pipe"], ["127.0.0.1:0", "--", program]) as port:
            prelude = ["breakpoint set -n checkpoint", "continue", "frame select 1"]
            answers = way.ask_at(port, Target(exe=program), questions, prelude)
    first, second, cycles = map(document, questions, answers)
    require(first["object"]["id"] == "A#1", "objat a: %s", first)
    require("main::b" in [row["name"] for row in second["referrers"]], "refs b: %s", second)
    require(cycles["cycles"] == [], "cycles: %s", cycles)


def document(question, answer):
    require(answer.status == 0, "%s: %s", question, answer)
    return expect.document_of(question, answer)


# ---- recorded executions -------------------------------------------------------------------------


def check_recorded(program, folder):
    """In a recording GDB shows a moment that neither the process nor the core is at."""
    log = os.path.join(folder, "recorded")
    steps = []

    def at(count, *way):
        """After these commands of GDB, that object's count is `count`: a variable, and fields (in the graph, which
        the engine keeps)."""
        steps.extend((Question(command, line), None) for command, line in way)
        steps.append((Question("objat", "--json B#2"), lambda found: found["object"]["refcount"] == count))
        steps.append((Question("gcgraph", "--json A#1"), lambda found: len(found["edges"]) == count - 1))

    at(1)
    at(2, ("next", ""))  # over assign(&a->next, b)
    at(1, ("record", "goto begin"))
    at(2, ("record", "goto end"))
    at(1, ("reverse-next", ""))
    at(2, ("record", "goto end"))
    # No further than this, because it does not know all instructions of a large memset.
    recording = ["break checkpoint", "run", "finish", "record full"]
    check_steps(Target(exe=program), [*steps, (Question("record", "save " + log), None)], recording)
    steps = []
    at(1)
    at(2, ("record", "goto end"))
    at(1, ("record", "goto begin"))
    check_steps(Target(exe=program), steps, ["record full restore " + log])


def check_steps(target, steps, prelude):
    answers = Gdb().ask(target, [question for question, _check in steps], prelude)
    for index, ((question, check), answer) in enumerate(zip(steps, answers, strict=True)):
        if check:
            found = document(question, answer)
            require(check(found), "step %d of a recording: %s, after %s", index, found, answers[:index])


# ---- several processes in one debugger -----------------------------------------------------------


def check_several(door, first, second, core, folder):
    """Each inferior, or target, gives its own answers, however often the user goes from one to the other.
    Subjects: two live ones, and one whose core is used. Two more are behind servers: the engine is told nothing
    that would tell these apart."""
    with contextlib.ExitStack() as stack:
        def remote(name, like):
            os.mkdir(os.path.join(folder, name))
            return stack.enter_context(Subject(like.program, 1, os.path.join(folder, name)))
        subjects = [first, second, core, remote("one", first), remote("two", core)]
        if isinstance(door, Gdb):
            prelude, select, epilogue = inferiors(subjects), Question("inferior", ""), ()
        else:
            prelude, select = targets(subjects, stack), Question("target", "")
            epilogue = (["process detach", "target select 3", "process detach"],)
        visits, asked = [], []
        for index in [0, 1, 2, 3, 4] * 2 + [3, 1, 0, 4]:
            questions = expect.questions(subjects[index].truth, False)
            visits.append((subjects[index], len(asked) + 1, questions))
            asked += [select._replace(line="%d" % (index + 1) if isinstance(door, Gdb) else "select %d" % index), *questions]
        answers = door.ask(first.live(), asked, prelude, *epilogue)
        for subject, at, questions in visits:
            expect.check(subject.truth, questions, answers[at:at + len(questions)], False)
    print("%s: %d visits to %d processes" % (door.name, len(visits), len(subjects)))


def inferiors(subjects):
    """GDB's commands that add all but the first: a live one, a core, and two behind servers."""
    _first, second, core, *remote = subjects
    ways = ["attach %d" % second.process.pid, "core-file " + core.core().core]
    ways += ["target remote | gdbserver --once --attach - %d" % each.process.pid for each in remote]
    lines = []
    for number, (subject, way) in enumerate(zip(subjects[1:], ways, strict=True), 2):
        lines += ["add-inferior -no-connection -exec " + subject.program, "inferior %d" % number, way]
    return lines


def targets(subjects, stack):
    """The same for LLDB."""
    _first, second, core, *remote = subjects
    lines = ["target create " + second.program, "process attach -p %d" % second.process.pid,
             "target create --core %s %s" % (core.core().core, core.program)]
    for subject in remote:
        before = ["gdbserver", "--attach", str(subject.process.pid), "--named-pipe"]
        port = stack.enter_context(lldb_server(before, ["127.0.0.1:0"]))
        lines += ["target create " + subject.program, "gdb-remote 127.0.0.1:" + port]
    return lines


# ---- files that are not what they should be ------------------------------------------------------


def without_notice(asked, answers, must_say):
    """The answers without what each of them must say, or may (LLDB takes a process's own program): that this is not the
    program."""
    rest = []
    for question, answer in zip(asked, answers, strict=True):
        document = expect.document_of(question, answer)
        notice = document.pop("wrong_executable", None)
        require(notice or "error" in document or not must_say, "%s does not say that the executable is wrong: %s", question, document)
        rest.append(answer._replace(out=json.dumps(document)))
    return rest


def check_wrong_files(door, subject, wrong, folder):
    """With the executable of another program, or with no libraries to be found, only names differ."""
    asked = expect.questions(subject.truth, False) + WHOLE_HEAP[:1]
    live, empty = subject.live(), os.path.join(folder, "empty")
    os.mkdir(empty)
    right = door.ask(live, asked)
    if isinstance(door, Gdb):
        attach = ["set exec-file-mismatch off", "attach %d" % live.pid]
    else:
        attach = ["process attach -p %d" % live.pid]
    expect.check_agreement(asked, door.name, right, "with a wrong executable",
                           without_notice(asked, door.ask(Target(exe=wrong), asked, attach), False))
    core = subject.core()
    right = door.ask(core, asked)
    expect.check(subject.truth, asked[:-1], right[:-1], False)
    expect.check_agreement(asked, door.name, right, "on a core with a wrong executable",
                           without_notice(asked, door.ask(core._replace(exe=wrong), asked), True))
    if isinstance(door, Gdb):
        elsewhere = door.ask(Target(exe=core.exe), asked, ["set sysroot " + empty, "core-file " + core.core])
    else:
        elsewhere = door.ask(Target(exe=core.exe), asked, ["platform select --sysroot %s remote-linux" % empty,
                                                           "target create --core %s %s" % (core.core, core.exe)])
    expect.check_agreement(asked, door.name, right, "on a core with another sysroot", elsewhere)


# ---- main ----------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description="Checks targets that a debugger must read for the engine.")
    parser.add_argument("--door", choices=sorted(WAYS), required=True)
    parser.add_argument("cycle", help="the sample of this name")
    parser.add_argument("threads", help="the sample of this name")
    parser.add_argument("finalizer_cycle", help="the sample of this name")
    parser.add_argument("stale", help="the sample of this name")
    arguments = parser.parse_args()
    door = door_of(arguments.door, None)

    def body():
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            def waiting(name, program, checkpoint):
                os.mkdir(os.path.join(folder, name))
                return stack.enter_context(Subject(program, checkpoint, os.path.join(folder, name)))
            cycle = waiting("cycle", arguments.cycle, 3)
            threads = waiting("threads", arguments.threads, 1)
            rescued = waiting("rescued", arguments.finalizer_cycle, 3)
            stale = waiting("stale", arguments.stale, 2)
            for subject in (cycle, threads, rescued, stale):
                check_behind_server(door, subject)
            check_launched(door, arguments.cycle)
            if isinstance(door, Gdb):
                check_recorded(arguments.cycle, folder)
            check_several(door, cycle, threads, stale, folder)
            check_wrong_files(door, cycle, arguments.stale, folder)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
