"""check_sites.py - one door on the lines that made objects, in a program of sites.c: live, from its core, and from the core
alone.

Invariant: the program itself says which line made each object; what no line made must be told as such.
"""

import argparse
import collections
import os
import re
import sys
import tempfile

import expect
from launch import Question, Subject, Target, door_of, report, require, without_traceback

MODES = ("live", "core", "alone")


def site_of(row):
    """A site as the program says it. Clang names an instance of a template by its arguments, too."""
    return row and [row["line"], row["function"].split("<")[0]]


def answers_of(door, target, questions):
    answers = door.ask(target, questions)
    for answer in answers:
        without_traceback(answer.error)
    return answers


def check_objects(door, target, truth, file):
    """Each object by itself: what is said of it, in JSON and in text."""
    questions = [Question("objat", form + row["address"]) for row in truth["objects"] for form in ("--json ", "")]
    answers = answers_of(door, target, questions)
    for index, row in enumerate(truth["objects"]):
        document, said = expect.document_of(questions[2 * index], answers[2 * index]), answers[2 * index + 1].out
        if row["freed"]:
            require(document["status"] == "freed", "%s is %s", row["id"], document["status"])
            before = document["previous"][0]
            found, name = before["site"], before["id"]
        else:
            found, name = document["object"]["site"], document["object"]["id"]
        require(name == row["id"], "%s is called %s", row["id"], name)
        require(site_of(found) == row["site"], "%s was born at %s, and is said to be of %s", name, row["site"], found)
        require(found is None or os.path.basename(found["file"]) == file, "%s is of the file %s", name, found)
        born = row["site"] and "born in %s() at %s:%d" % (row["site"][1], file, row["site"][0])
        lines = [re.sub("<.*>", "", line) for line in said.splitlines() if "born" in line and "earlier here" not in line]
        found = [re.sub("^.* was [^ ]+: |^  |, freed by .*$", "", line) for line in lines]
        require(found == ([born] if born else []), "of %s text says %s, not %s", name, lines, born)


def check_found(door, target, truth, file):
    """gcfind by line, by function and by no line; gcstat's totals."""
    live = [row for row in truth["objects"] if not row["freed"]]
    by_line, by_function = collections.defaultdict(set), collections.defaultdict(set)
    for row in live:
        place, function = ("%s:%d" % (file, row["site"][0]), row["site"][1] + "()") if row["site"] else ("unknown", "unknown")
        by_line[place].add(row["id"])
        by_function[function if function != "of_template()" else "of_template*"].add(row["id"])
    wanted = {**by_line, **by_function}
    questions = [Question("gcfind", "--json --limit=0 --heap=1 --site=" + place) for place in wanted]
    questions += [Question("gcstat", "--json --limit=0 --heap=1 --sites")]
    *found, totals = [expect.document_of(*pair) for pair in zip(questions, answers_of(door, target, questions), strict=True)]
    for (place, ids), document in zip(wanted.items(), found):
        got = {row["id"] for row in document["objects"]}
        # constructors of values make more than the object that they return
        require(ids <= got and len(got - ids) <= 3 and (place != "unknown" or got == ids), "--site=%s finds %s, not %s", place, got, ids)
    heap = totals["heaps"][0]
    counts = {"%s:%d" % (os.path.basename(row["file"]), row["line"]): row["objects"] for row in heap["sites"]}
    for place, ids in by_line.items():
        count = heap["without_site"] if place == "unknown" else counts.get(place, 0)
        require(len(ids) <= count <= len(ids) + 3, "gcstat counts %d objects of %s, not %d", count, place, len(ids))
    require(heap["sites_refused"] >= truth["refused"], "%d lines have no number, not %d", heap["sites_refused"], truth["refused"])
    require(sum(counts.values()) + heap["without_site"] == heap["objects"], "gcstat's lines do not add up: %s", heap)


def main():
    parser = argparse.ArgumentParser(description="Checks birth sites in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--file", required=True, help="what the program's source is called")
    parser.add_argument("program", help="sites.c")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 1, folder) as subject:
            truth = subject.truth
            for mode in MODES:
                target = subject.live() if mode == "live" else subject.core() if mode == "core" else Target(core=target.core)
                check_objects(door, target, truth, arguments.file)
                check_found(door, target, truth, arguments.file)
                print("%-6s %-6s %d objects" % (door.name, mode, len(truth["objects"])))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
