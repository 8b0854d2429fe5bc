"""check_deaths.py - one door on what died where, in a program of deaths.c: live, from its core, and from the core alone.

Invariant: the program itself logged who died by which line, in which order. What the history does not tell of it must be
older than all that it tells, and the answer must say where the history begins. Of a stripped program the places are
addresses: an unstripped twin says their lines.
"""

import argparse
import calendar
import collections
import os
import random
import re
import subprocess
import sys
import tempfile
import time

import expect
from launch import Question, Subject, door_of, report, require, targets, without_traceback

MODES = ("live", "core", "alone")
TENANTS_MAX = 64  # told of one address


def plain(function):
    """C++ with its arguments, classes and namespaces: the name alone."""
    return function and function.split("(")[0].split("::")[-1]


def nanoseconds(text):
    whole, _, digits = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(digits.ljust(9, "0"))


def lines_of_twin(twin, offsets):
    """offset of a return address -> [line, function] of the call before it, without what refheap.h inlines there."""
    said = subprocess.run(["addr2line", "-aifC", "-e", twin], input="\n".join("0x%x" % (each - 1) for each in offsets),
                          stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    found = {}
    for offset, block in zip(offsets, re.split(r"(?m)^0x[0-9a-f]{16}\n", said)[1:], strict=True):
        rows = block.splitlines()
        for function, place in zip(rows[::2], rows[1::2], strict=True):
            file, _, line = re.sub(r" \(discriminator \d+\)$", "", place).rpartition(":")
            if not file.endswith("refheap.h"):
                found[offset] = [int(line), plain(function)]
                break
    return found


class Places:
    """What the answers say of places as [line, function], the same for stripped programs."""

    def __init__(self, program, twin, documents):
        self.twin, self.module = twin, os.path.basename(program)
        rows = [row["place"] for document in documents for row in document["previous"] if row["place"]]
        self.lines = lines_of_twin(twin, sorted({self.offset(row) for row in rows})) if twin else {}

    def offset(self, place):
        name, _, offset = (place["module"] or "?").rpartition("+")
        require(name == self.module, "a place in %s, not in %s", place, self.module)
        return int(offset, 16)

    def line(self, place):
        if not self.twin:
            return [place["line"], plain(place["function"])]
        require(place["line"] is None and place["function"] is None, "a stripped program's place is %s", place)
        return self.lines.get(self.offset(place))


def check_place(told, death, places, begins):
    """That a finalizer let go of it is an event of its own, a little before the death: it may be forgotten already."""
    if told["place"] is None:
        require(death["place"][1].endswith("_finalize") and told["event"] - begins < 12, "%s died nowhere: %s", death["id"], told)
        return
    place = places.line(told["place"])
    require(place == death["place"], "%s died at %s, and is said to at %s", death["id"], death["place"], place)


def check_death(told, death, places, begins):
    """One earlier tenant; of a tombstone whose event is forgotten what the tombstone knows."""
    name = death["id"]
    require(told["reason"] == death["reason"], "%s died by %s, and is said to by %s", name, death["reason"], told["reason"])
    site = told["site"] and [told["site"]["line"], told["site"]["function"]]
    require(site == death["site"], "%s was born at %s, and is said to be of %s", name, death["site"], site)
    if told["event"] is None:
        require(told["place"] is None and told["time"] is None, "%s has no event, but %s", name, told)
        return
    check_place(told, death, places, begins)
    require(told["thread"] == death["thread"], "%s died in thread %d, not %s", name, death["thread"], told["thread"])
    require(nanoseconds(told["time"]) <= death["to"], "%s died at %d, not after %s", name, death["to"], told["time"])
    require(told["time_to"] is None or nanoseconds(told["time_to"]) + 999 >= death["from"], "%s died at %d, not before %s", name,
            death["from"], told["time_to"])


def check_address(document, died, lives, places):
    """`died`: at this address, newest first. Returns [(event, death)], and the deaths that are not told."""
    address = document["address"]
    require(document["status"] == ("live" if lives else "freed"), "%s is %s", address, document["status"])
    require(not lives or document["object"]["id"] == lives["id"], "%s is %s", address, document["object"])
    told, names = document["previous"], [death["id"] for death in died]
    if document["previous_cut"]:
        require(len(told) == TENANTS_MAX < len(died), "at %s died %d, told are %d, and more are said to be", address, len(died), len(told))
        died = died[:TENANTS_MAX]
    ids = [row["id"] for row in told]
    require(ids == names[:len(ids)] and (ids or lives), "at %s died %s, told are %s", address, names, ids)
    for row, death in zip(told, died):
        check_death(row, death, places, document["history_begins"])
    known = [(row["event"], death) for row, death in zip(told, died) if row["event"] is not None]
    require(len(told) - len(known) in (0, 1) and (len(told) == len(known) or told[0]["event"] is None), "no event: %s", told)
    return known, [death for row, death in zip(told, died) if row["event"] is None] + died[len(told):]


def check_forgotten(heap, known, missing, begins):
    """The heap's memory has one end, and no hole."""
    known.sort(key=lambda row: row[0])
    events, operations = [row[0] for row in known], [row[1]["operation"] for row in known]
    require(len(set(events)) == len(events) and operations == sorted(operations), "heap %d: events are not in order", heap)
    require(len(begins) == 1 and known and min(begins) <= events[0], "heap %d begins at %s, has %s", heap, begins, events[:1])
    late = [death for death in missing if death["operation"] > operations[0]]
    require(not late, "heap %d knows of operation %d, but not of %s", heap, operations[0], late[:3])
    require(bool(missing) <= (min(begins) > 0), "heap %d has forgotten nothing, but lacks %s", heap, missing[:3])
    return len(known), len(missing)


def chosen(truth, count, seed):
    """Addresses: of each heap the most used ones, the newest deaths, and some at random."""
    died = collections.defaultdict(list)
    for death in reversed(truth["deaths"]):
        died[death["address"]].append(death)
    picked = []
    for heap in sorted({death["heap"] for death in truth["deaths"]}):
        mine = [address for address, deaths in died.items() if deaths[0]["heap"] == heap]  # the newest first
        busy = sorted(mine, key=lambda address: -len(died[address]))
        some = random.Random(seed).sample(mine, len(mine))
        picked += list(dict.fromkeys([row for three in zip(busy, mine, some) for row in three]))[:count]
    return {address: died[address] for address in picked}


def check(door, target, program, truth, arguments):
    died = chosen(truth, arguments.count, arguments.seed)
    lives = {row["address"]: row for row in truth["objects"]}
    questions = [Question("objat", "--history --limit=0 --json " + address) for address in died]
    answers = door.ask(target, questions)
    for answer in answers:
        without_traceback(answer.error)
    documents = [expect.document_of(*pair) for pair in zip(questions, answers, strict=True)]
    places = Places(program, arguments.twin, documents)
    known, missing, begins = (collections.defaultdict(kind) for kind in (list, list, set))
    for (address, deaths), document in zip(died.items(), documents, strict=True):
        heap = deaths[0]["heap"]
        told, untold = check_address(document, deaths, lives.get(address), places)
        known[heap] += told
        missing[heap] += untold
        begins[heap].add(document["history_begins"])
    sums = [check_forgotten(heap, known[heap], missing[heap], begins[heap]) for heap in sorted(begins)]
    # the first heap is large, the second one's ring as small as can be, the third one's as large as was asked for
    require(len(sums) == 3 and sums[0][0] > 20 and sums[1][1] > 5 and sums[2][1] == 0, "known and forgotten are %s", sums)
    require(0 not in begins[1] and begins[2] == {0}, "histories begin at %s", dict(begins))
    require(any(document["previous_cut"] for document in documents), "no address had too many tenants")
    reasons = {(death["reason"], death["place"][1]) for rows in known.values() for _event, death in rows}
    return sums, reasons


def run(description, program, steps, judge, *more):
    """Has a program that logs what it does judged in each mode; `judge` returns what is to be said of it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--twin", help="the program before it was stripped")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--modes", default=",".join(MODES))
    for option, default, meaning in more:
        parser.add_argument(option, type=int, default=default, help=meaning)
    parser.add_argument("program", help=program)
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, \
                Subject(arguments.program, 1, folder, [str(arguments.seed), str(arguments.steps)]) as subject:
            for mode, target in targets(subject, arguments.modes.split(",")):
                print("%-6s %-6s %s" % (door.name, mode, judge(door, target, subject.truth, arguments)))
    return report(body)


def judge_deaths(door, target, truth, arguments):
    sums, reasons = check(door, target, arguments.program, truth, arguments)
    require(len(reasons) > 12, "too few ways to die: %s", reasons)
    return "known and forgotten %s, %d ways to die" % (sums, len(reasons))


if __name__ == "__main__":
    sys.exit(run("Checks the history of deaths in one door.", "deaths.c", 3000, judge_deaths, ("--count", 25, "addresses of each heap")))
