"""check_unsearched.py - unsearched.c in one door: what holds the only reference is found wherever its bytes are; where
they are not, nothing is called lost, unless one says that they hold nothing; and what is lost is lost.

Invariant: the program says where the reference is; what must be answered follows from the kind of place alone.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile
import time

import expect
from launch import Question, Shell, Subject, Target, TIMEOUT_SECONDS, door_of, report, require

# kind of place: (kind of row, name or None), None: there is no such row
PLACES = {
    "sealed": ("unknown", None), "no_access": ("unknown", None), "private_memfd": ("unknown", None),
    "shared_anonymous": ("unknown", None), "shared_memfd": ("unknown", None), "shared_shm": ("unknown", None),
    "file_sealed": ("unknown", None), "file_text": None,
    "dontdump": ("unknown", None), "xmm": ("register", "xmm7[1]"),
    "gs_base": ("register", "gs_base"), "mm3": ("register", "mm3"), "epoll": ("kernel", "epoll fd 3, watching fd 4"),
    "epoll_waits": ("kernel", "epoll fd 3, watching fd 4"), "timer": ("kernel", "sigev_value of timer 0"), "nowhere": None,
    "written_over": None,  # words of which a part was an address
    "xmm_in_libc": None,  # a leftover: no caller of libc keeps anything there
}
# Whose answers hang on what a debugger tells of a core: of its registers, of its threads, of what is no part of it.
FROM_DEBUGGERS = ("xmm", "gs_base", "mm3", "xmm_in_libc", "nowhere", "dontdump")
ASKED = ("gcleaks --check --json", "gcleaks --check --json --missing=empty", "gcleaks", "gcfind --unreachable --json", "refs --in --json OBJECT",
         "objat --ledger --json OBJECT")


def verdict(answer, question):
    """held, undecided or lost."""
    document = expect.document_of(question, answer)
    causes = [leak["cause"] for leak in document["leaks"]]
    found = "lost" if causes == ["lost_reference"] else "undecided" if document["undecided"] == 1 else "held"
    status = {"lost": 1, "undecided": 2, "held": 0}[found]
    require(answer.status == status and document["complete"] == (found != "undecided"), "status %d of %s", answer.status, document)
    return found, document


def check(door, target, truth, place, expected, where):
    asked = [Question(*(text.replace("OBJECT", truth["object"]).split(" ", 1) if " " in text else (text, ""))) for text in ASKED]
    answers = door.ask(target, asked)
    found, document = verdict(answers[0], asked[0])
    require(found == expected, "%s %s is %s, not %s: %s", place, where, found, expected, document)
    insisted, insisted_document = verdict(answers[1], asked[1])
    require(insisted == ("lost" if expected == "undecided" else expected), "%s %s with --missing=empty: %s", place, where, insisted_document)
    text = answers[2].out
    possible = [(row["object"], row["register"]) for row in document["possible"]]
    require(possible == ([("thing#1", PLACES[place][1])] if place == "xmm" else []), "%s %s: possible %s", place, where, document)
    reminder = "is in epoll_wait, and what the kernel keeps" in text
    require(reminder == (place == "epoll_waits" and expected == "lost"), "%s %s: the reminder: %s", place, where, text)
    require(("--missing=empty" in text) == (expected == "undecided"), "the hint %s %s: %s", place, where, text)
    unreachable = expect.document_of(asked[3], answers[3])
    require((unreachable["total"], unreachable["undecided"]) == (expected == "lost", expected == "undecided"), "%s", unreachable)
    rows = expect.document_of(asked[4], answers[4])
    require(rows["complete"] == (expected != "undecided"), "%s %s: refs %s", place, where, rows)
    require(rows["ledger"]["unexplained"] == (expected != "held"), "%s %s: refs %s", place, where, rows)
    if expected == "held":
        kind, name = PLACES[place]
        require(len(rows["referrers"]) == 1, "%s %s: not one row: %s", place, where, rows["referrers"])
        row = rows["referrers"][0]
        address = truth["address"] if kind == "unknown" else None
        require((row["kind"], row["address"]) == (kind, address) and (name is None or row["name"] == name), "%s %s: %s", place, where, row)
    ledger = expect.document_of(asked[5], answers[5])
    require(ledger["complete"] == rows["complete"] and ledger["ledger"] == rows["ledger"], "%s %s: objat %s", place, where, ledger)


def expected_in(place, where):
    if PLACES[place] is None:
        return "lost"
    if where != "live" and PLACES[place][0] == "kernel":
        return "lost"  # no core has that: the manual says so
    if (where != "live" and place in ("dontdump", "file_sealed")) or (where == "core 0x1" and place.startswith("shared")):
        return "undecided"
    return "held"


def wait_until_it_sleeps(subject):
    """It says that it is there before it has loaded the register and sleeps."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        with open("/proc/%d/stat" % subject.process.pid, encoding="ascii", errors="replace") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "S":
                return
        time.sleep(0.01)
    require(False, "the program does not sleep")


def gdb_core(subject, folder):
    path = os.path.join(folder, "by_gdb")
    subprocess.run(["gcore", "-o", path, str(subject.process.pid)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS)
    (found,) = glob.glob(path + "*")
    return Target(core=found, exe=subject.program)


def check_place(door, program, place, folder):
    """In the shell on every core. A debugger hands the memory of cores to the engine as they are: there GDB's core and the core alone
    are looked at for the places that it has a part in."""
    os.mkdir(folder)
    on_every_core = isinstance(door, Shell) or place in FROM_DEBUGGERS
    filters = (0x33, 0x1, 0x7f) if place in ("nowhere", "shared_anonymous") else (0x33,)
    for dump_filter in filters:
        run = os.path.join(folder, "%x" % dump_filter)
        os.mkdir(run)
        with Subject(program, 0, run, [place]) as subject:
            wait_until_it_sleeps(subject)
            if dump_filter == 0x33:
                check(door, subject.live(), subject.truth, place, expected_in(place, "live"), "live")
            if dump_filter == 0x33 and on_every_core:
                os.mkdir(os.path.join(folder, "gcore"))
                check(door, gdb_core(subject, os.path.join(folder, "gcore")), subject.truth, place, expected_in(place, "gcore"), "gcore")
            core = subject.core(dump_filter)
            where = "core 0x1" if dump_filter == 1 else "core"
            check(door, core, subject.truth, place, expected_in(place, where), "core %#x" % dump_filter)
            if on_every_core:
                check(door, core._replace(exe=None), subject.truth, place, expected_in(place, where), "core %#x alone" % dump_filter)
            if place.startswith("file_"):
                os.unlink(os.path.join(run, "unsearched.data"))
                check(door, core, subject.truth, place, "undecided", "core %#x without the file" % dump_filter)
    print("%-6s %s" % (door.name, place))


def main():
    parser = argparse.ArgumentParser(description="Checks what is searched in one door.")
    parser.add_argument("--door", required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--places", default=",".join(PLACES))
    parser.add_argument("program", help="unsearched.c")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            for place in arguments.places.split(","):
                check_place(door, arguments.program, place, os.path.join(folder, place))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
