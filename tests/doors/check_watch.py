"""check_watch.py - one door on objects that are traced in a running process: what is marked, what is recorded of it, where the
program stops, and what is refused.

watched.c logs each change of a count with its line. Invariant: what is expected comes from that log alone; a debugger is told
to go on as often as the log has changes, so that one stop too few ends in a timeout, and one too many in a wrong line. Of a
stripped program an unstripped twin says the lines.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile

import expect
from check_deaths import lines_of_twin
from launch import TIMEOUT_SECONDS, Question, Target, door_of, report, require, sample_environment, without_traceback

STOP = re.compile(r"^(\S+): refcount (\d+) -> (\d+), (retained|released|born) (?:in (\w+)\(\)(?: at watched\.c:(\d+)|\+0x[0-9a-f]+)|at (\S+?)\+0x([0-9a-f]+))"
                  r"(: it dies now)?$", re.MULTILINE)
SELECTED = {
    "gdb": Question("python", "f = gdb.selected_frame(); print('frame', f.name(), f.find_sal().line, hex(f.pc()))"),
    "lldb": Question("script", "f = lldb.debugger.GetSelectedTarget().GetProcess().GetSelectedThread().GetSelectedFrame(); "
                     "say(lldb.debugger.GetOutputFile(), 'frame %s %d %s' % (f.GetFunctionName(), f.GetLineEntry().GetLine(), hex(f.GetPC())))"),
}
ROUNDS = 3


class Watched:
    """watched.c, which waits for the file of its next round."""

    def __init__(self, program, folder, options="", words=()):
        self.program, self.folder = program, folder
        self.process = subprocess.Popen([program, *words], cwd=folder, env=sample_environment(REFHEAP_OPTIONS=options), stdout=subprocess.PIPE)
        self.truths = []
        self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def read(self):
        line = self.process.stdout.readline()
        require(line, "%s ended", self.program)
        self.truths.append(json.loads(line))
        return self.truths[-1]

    def go(self, number):
        open(os.path.join(self.folder, "go.%d" % number), "w", encoding="ascii").close()

    def live(self):
        return Target(pid=self.process.pid, exe=self.program)

    def core(self):
        prefix = os.path.join(self.folder, "core")
        subprocess.run(["gcore", "-o", prefix, str(self.process.pid)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS)
        return Target(core="%s.%d" % (prefix, self.process.pid), exe=self.program)


@contextlib.contextmanager
def a_folder():
    with tempfile.TemporaryDirectory() as folder:
        yield folder


def log_of(program):
    """What the program says of all its rounds."""
    with a_folder() as folder:
        for number in range(1, ROUNDS + 2):
            open(os.path.join(folder, "go.%d" % number), "w", encoding="ascii").close()
        done = subprocess.run([program], cwd=folder, env=sample_environment(), stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_SECONDS)
    return [json.loads(line) for line in done.stdout.splitlines()]


def changes_of(truth, name):
    return [change for change in truth["changes"] if change["id"] == name]


def ask(door, target, *lines, command="refwatch"):
    answers = door.ask(target, [Question(command, line) for line in lines])
    for answer in answers:
        without_traceback(answer.error)
    return answers


def documents(door, target, *lines, command="refwatch"):
    questions = [Question(command, "--json " + line) for line in lines]
    return [expect.document_of(question, answer) for question, answer in zip(questions, door.ask(target, questions), strict=True)]


def refused(door, target, line, *words):
    (answer,) = ask(door, target, line)
    told = [each for each in answer.error.splitlines() if "refwatch: " in each]
    require(answer.status == 2 and answer.out == "" and len(told) == 1 and all(word in told[0] for word in words),
            "%s: refwatch %s ends with %d and says: %s%s", door.name, line, answer.status, answer.out, answer.error)


# ---- marks, and what is recorded -----------------------------------------------------------------


def check_marks(door, subject):
    """Marking is idempotent, and undone as if nothing had been."""
    none, first, again, one, off, off_again, last = documents(door, subject.live(), "", "leaf#1", "leaf#1", "", "--off leaf#1",
                                                              "--off leaf#1", "")
    require(none["watched"] == last["watched"] == [] and none["types"] == [], "marked without being asked: %s, %s", none, last)
    found = [[(row["object"]["id"], row["changed"], row["traced"], row["undone"], row["stops"]) for row in each["watched"]]
             for each in (first, again, one, off, off_again)]
    require(found == [[("leaf#1", True, True, False, False)], [("leaf#1", False, True, False, False)], [("leaf#1", False, True, False, False)],
                      [("leaf#1", True, False, False, False)], [("leaf#1", False, False, False, False)]], "%s: %s", door.name, found)


def check_recorded(door, subject, name, wanted):
    """The history has the changes that the program has logged, and no other ones."""
    (document,) = documents(door, subject.live(), "--history --limit=0 " + name, command="objat")
    found = [(row["kind"], row["place"]["line"], row["place"]["function"]) for row in reversed(document["history"])
             if row["kind"] in ("retain", "release")]
    wanted = [("retain" if each["change"] > 0 else "release", each["line"], each["function"]) for each in wanted if not each["birth"]]
    require(found == wanted, "%s: of %s is recorded %s, not %s", door.name, name, found, wanted)


def check_live(door, program):
    with a_folder() as folder, Watched(program, folder) as subject:
        check_marks(door, subject)
        check_refusals(door, subject)
        marked = documents(door, subject.live(), "leaf#1", "leaf#2")
        require(all(each["watched"][0]["changed"] for each in marked), "%s: not marked: %s", door.name, marked)
        subject.go(1)
        first = subject.read()
        (document,) = documents(door, subject.live(), "")
        require([(row["object"]["id"], row["undone"]) for row in document["watched"]] == [("leaf#1", False), ("leaf#2", False)],
                "%s: the marks do not stand: %s", door.name, document)
        for name in ("leaf#1", "leaf#2"):
            check_recorded(door, subject, name, changes_of(first, name))
        check_recorded(door, subject, "leaf#3", [])  # its count changed, too
        typed, again = documents(door, subject.live(), "--type=le?f", "--type=leaf")
        require([each["types"][0]["changed"] for each in (typed, again)] == [True, False], "%s: %s, %s", door.name, typed, again)
        subject.go(2)
        second = subject.read()
        born = second["changes"][0]["id"]
        check_recorded(door, subject, born, changes_of(second, born))
        check_recorded(door, subject, "leaf#1", changes_of(first, "leaf#1") + changes_of(second, "leaf#1"))
        check_recorded(door, subject, "leaf#4", [])
        check_living(door, subject, born)
        check_ended(door, subject, changes_of(first, "leaf#1") + changes_of(second, "leaf#1"))
        check_core(door, subject)
    print("%s: marks and records" % door.name)


def check_ended(door, subject, recorded):
    """What was recorded of an object that is traced no more is paired, and nothing is said of what is open today."""
    (past,) = documents(door, subject.live(), "--history --limit=0 leaf#1", command="objat")
    document, untraced = (each["pairs"] for each in documents(door, subject.live(), "--ledger --limit=0 leaf#1",
                                                              "--ledger --limit=0 leaf#4", command="refs"))
    retains = sum(change["change"] > 0 for change in recorded)
    numbers = [event["event"] for event in past["history"] if event["traced"]]
    require([document[key] for key in ("traced", "recorded_until", "retains", "releases", "decided", "counts", "early", "early_open")]
            == [False, max(numbers), retains, len(recorded) - retains, False, None, None, 1], "%s: leaf#1: %s", door.name, document)
    require((untraced["recorded_until"], untraced["retains"], untraced["groups"]) == (None, 0, []), "%s: leaf#4: %s", door.name, untraced)
    said = door.ask(subject.live(), [Question("refs", "--ledger leaf#1")])[0].out
    require("it is traced no more" in said and ", from a count of 1 on recorded until" in said and "when its count was 1" in said and " is open" not in said and "owner today" not in said,
            "%s: %s", door.name, said)


def check_living(door, subject, born):
    living, listed, off, rest = documents(door, subject.live(), "--type=leaf --living", "", "--type=leaf --living --off", "")
    require((living["living"], living["refused"]) == (5, 1), "%s: living: %s", door.name, living)
    require([row["object"]["id"] for row in listed["watched"]] == sorted(["leaf#1", "leaf#2", "leaf#3", "leaf#4", born],
            key=lambda name: next(row["object"]["address"] for row in listed["watched"] if row["object"]["id"] == name)),
            "%s: listed are %s", door.name, listed)
    require((off["living"], off["refused"], rest["watched"], rest["types"]) == (5, 0, [], []), "%s: not undone: %s, %s", door.name, off, rest)


# ---- what is refused -----------------------------------------------------------------------------


def check_refusals(door, subject):
    truth, target = subject.truths[0], subject.live()
    refused(door, target, truth["immortal"]["address"], "immortal")
    refused(door, target, truth["freed"], "holds no object any more: it was leaf#", "freed by release")
    refused(door, target, "0x10", "no object of a refheap heap")
    refused(door, target, "leaf#4711", "no object leaf#4711")
    refused(door, target, "--type=nothing", "there is no type 'nothing'")
    refused(door, target, "--off", "which object?")
    if door.name == "shell":
        refused(door, target, "--stop leaf#1", "needs a debugger")
        refused(door, target, "--stop --type=leaf", "needs a debugger")


def check_core(door, subject):
    """A core cannot be marked; what was marked in it can be read."""
    documents(door, subject.live(), "leaf#3")
    core = subject.core()
    refused(door, core, "leaf#1", "needs a process", "a core")
    refused(door, core, "--off leaf#3", "needs a process")
    refused(door, core, "--type=leaf", "needs a process")
    (document,) = documents(door, core, "")
    require([row["object"]["id"] for row in document["watched"]] == ["leaf#3"], "%s: in a core: %s", door.name, document)


def check_without_history(door, program):
    with a_folder() as folder, Watched(program, folder, "history=0") as subject:
        refused(door, subject.live(), "leaf#1", "keeps no history", "without history=0")
        refused(door, subject.live(), "--type=leaf", "keeps no history", "without history=0")
        (said,) = ask(door, subject.live(), "--ledger leaf#1", command="refs")
        require("; heap 1 keeps no history: run the program without history=0" in said.out, "%s: refs does not say how: %s", door.name, said)


# ---- a program that shut itself in ---------------------------------------------------------------


def check_sealed(door, program):
    """It goes on, and what it does is recorded; that there are no stacks is said, and not of one that is prepared, or not sealed."""
    note = ("the program runs under seccomp, so that nothing is asked of the system: changes are recorded without stacks, and the last "
            "5,000 of them; REFHEAP_OPTIONS=trace=leaf records more")
    lines = "", "leaf#1", "", "--type=leaf", "--off --type=leaf", "--off leaf#1", ""
    warned = [False, True, False, True, False, False, False]
    with a_folder() as folder, Watched(program, folder, words=["sealed"]) as subject:
        found = [each.get("notes") for each in documents(door, subject.live(), *lines)]
        require(found == [[note] if each else None for each in warned], "%s: sealed: %s", door.name, found)
        (answer,) = ask(door, subject.live(), "leaf#1")
        require(answer.status == 0 and answer.out.splitlines().count("note: " + note) == 1, "%s: sealed: %s", door.name, answer)
        subject.go(1)
        changes = [each for each in subject.read()["changes"] if each["id"] == "leaf#1" and not each["birth"]]
        (answer,) = ask(door, subject.live(), "--json --history --limit=0 leaf#1", command="objat")
        recorded = [each for each in json.loads(answer.out)["history"] if each["kind"] in ("retain", "release")]
        told = [(each["place"]["function"], each["place"]["line"], len(each["stack"])) for each in reversed(recorded)]
        require(changes and told == [(each["function"], each["line"], 1) for each in changes], "%s: sealed: %s, not %s", door.name, told, changes)
    for words, options in ((["sealed"], "trace=leaf"), ([], "")):
        with a_folder() as folder, Watched(program, folder, options, words) as subject:
            found = [each.get("notes") for each in documents(door, subject.live(), *lines[:-1], "leaf#1")]
            require(found == [None] * len(lines), "%s: %s %s: %s", door.name, words, options, found)
            subject.go(1)
            require(subject.read()["round"] == 1, "%s: %s %s did not go on", door.name, words, options)
    print("%s: a sealed program" % door.name)


# ---- where the program stops ---------------------------------------------------------------------


class Places:
    """[function, line] of what is told, the same for stripped programs."""

    def __init__(self, program, twin):
        self.module, self.twin = os.path.basename(program), twin

    def of_stop(self, match):
        if not self.twin:
            return [match.group(5), int(match.group(6) or 0)]
        require(match.group(7) == self.module, "a stripped program stops at %s", match.group())
        offset = int(match.group(8), 16)
        return lines_of_twin(self.twin, [offset])[offset][::-1]


def told(door, answer):
    without_traceback(answer.error)
    match = STOP.search(answer.out)
    require(match and len(STOP.findall(answer.out)) == 1, "%s: not one line: %s", door.name, answer)
    return match


def check_stop(door, places, answer, frame, change):
    match = told(door, answer)
    before, after = int(match.group(2)), int(match.group(3))
    said = [match.group(1), before, after, match.group(4)] + places.of_stop(match)
    wanted = [change["id"], change["count"] - change["change"], change["count"],
              "born" if change["birth"] else "retained" if change["change"] > 0 else "released", change["function"], change["line"]]
    require(said == wanted and bool(match.group(9)) == (after == 0), "%s stops with %s, not %s", door.name, match.group(), wanted)
    selected = re.search(r"^frame (\S+) (\d+) (0x[0-9a-f]+)$", frame.out, re.MULTILINE)
    require(selected, "%s: no frame: %s", door.name, frame)
    if places.twin:
        require(int(selected.group(3), 16) & 0xfff == int(match.group(8), 16) & 0xfff, "%s selects %s", door.name, frame.out)
    else:
        require([selected.group(1), int(selected.group(2))] == wanted[4:], "%s selects %s, not %s", door.name, frame.out, wanted[4:])


def touch(door, folder, number):
    path = os.path.join(folder, "go.%d" % number)
    return Question("shell", "touch " + path) if "gdb" in door.name else Question("platform", "shell touch " + path)


def selected(door):
    return SELECTED["gdb" if "gdb" in door.name else "lldb"]


def check_stops(door, program, twin):
    """Each change of two objects stops the program, those of others that are traced do not; after --off nothing does."""
    log, places = log_of(program), Places(program, twin)
    with a_folder() as folder, Watched(program, folder) as subject:
        questions = [Question("refwatch", "--json --stop leaf#1"), Question("refwatch", "--json leaf#2"), Question("refwatch", "--json"),
                     touch(door, folder, 1)]
        marks, expected = len(questions), changes_of(log[1], "leaf#1")
        for _change in expected:
            questions += [Question("continue", ""), selected(door)]
        second = log[2]["changes"][0]["id"]
        questions += [Question("refwatch", "--stop --type=leaf"), touch(door, folder, 2)]
        behind, expected_second = len(questions), [each for each in log[2]["changes"] if each["id"] != "leaf#4"]
        for _change in expected_second:
            questions += [Question("continue", ""), selected(door)]
        questions += [Question("refwatch", "--json --off leaf#1"), Question("refwatch", "--json --off --type=leaf"),
                      Question("refwatch", "--json --off " + second), Question("refwatch", "--json")]
        answers = door.ask(subject.live(), questions)
        documents_ = [expect.document_of(questions[i], answers[i]) for i in range(3)]
        require([[row["stops"] for row in each["watched"]] for each in documents_] == [[True], [False], [True, False]],
                "%s: %s", door.name, documents_)
        for i, change in enumerate(expected):
            check_stop(door, places, answers[marks + 2 * i], answers[marks + 2 * i + 1], change)
        for i, change in enumerate(expected_second):
            check_stop(door, places, answers[behind + 2 * i], answers[behind + 2 * i + 1], change)
        left = expect.document_of(questions[-1], answers[-1])
        require([(row["object"]["id"], row["stops"]) for row in left["watched"]] == [("leaf#2", False)] and left["types"] == [],
                "%s: what is left: %s", door.name, left)
        subject.read(), subject.read()  # let go, it runs on
        subject.go(3)
        require(subject.read()["round"] == 3, "%s did not let the program go on", door.name)
    print("%s: %d stops" % (door.name, len(expected) + len(expected_second)))


def check_again(door, program):
    """A program that is run once more stops nowhere that it was not told to; nor does one that has ended keep it from that."""
    with a_folder() as folder:
        go = [touch(door, folder, number) for number in range(1, ROUNDS + 2)]
        log = log_of(program)
        last = changes_of(log[1], "leaf#1") + changes_of(log[2], "leaf#1") + changes_of(log[3], "leaf#1")
        require(last[-1]["count"] == 0, "leaf#1 does not die: %s", last)
        if "gdb" in door.name:
            prelude, launch = ["cd " + folder, "break stand", "run"], [Question("run", "")]
        else:
            prelude, launch = ["breakpoint set -n stand", "process launch -w " + folder], [Question("process", "launch -w " + folder)]
        on = Question("continue", "")
        questions = [Question("refwatch", "--stop leaf#1"), *go, on, Question("kill" if "gdb" in door.name else "process", "" if "gdb" in door.name else "kill"),
                     *launch, on,  # to its end
                     *launch, Question("refwatch", "--stop leaf#1"), *[on for _change in last], on]
        answers = door.ask(Target(exe=program), questions, prelude)
        ended = re.compile(r"exited normally|exited with status = 0")
        first, second, rest = answers[1 + len(go)], answers[4 + len(go)], answers[7 + len(go):]
        told(door, first)
        require(ended.search(second.out) and not STOP.search(second.out), "%s: run once more: %s", door.name, second)
        require(told(door, rest[len(last) - 1]).group(9), "%s: it does not die: %s", door.name, rest)
        require(ended.search(rest[-1].out) and not STOP.search(rest[-1].out), "%s: after its death: %s", door.name, rest[-1])
    print("%s: run again" % door.name)


def main():
    parser = argparse.ArgumentParser(description="Checks refwatch in one door.")
    parser.add_argument("--door", required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--twin", help="the same program, not stripped: only the stops are checked")
    parser.add_argument("program", help="watched.c")
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)
    door = door_of(arguments.door, arguments.shell)

    def body():
        if not arguments.twin:
            check_live(door, program)
        if arguments.door in ("gdb", "lldb", "shell") and not arguments.twin:
            check_without_history(door, program)
            check_sealed(door, program)
        if arguments.door != "shell":
            check_stops(door, program, arguments.twin)
        if arguments.door in ("gdb", "lldb") and not arguments.twin:
            check_again(door, program)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
