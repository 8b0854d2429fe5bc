"""check_traced.py - one door on who took counts of traced objects and gave them back, in a program of traced.c: live, from
its core, and from the core alone.

Invariant: the program itself logged who took which count, and who gave it back. Sums, pairs and recorded events must say
the same. Of a stripped program the stacks are addresses: an unstripped twin says their functions.
"""

import argparse
import collections
import os
import sys
import tempfile

import expect
from check_deaths import MODES, lines_of_twin, plain
from launch import Question, Subject, door_of, report, require, targets, without_traceback


def functions_of(documents, program, twin):
    """Of the innermost calls: a function that says which function of the program a row is in."""
    rows = [group["stack"][0] for document in documents for group in document["pairs"]["groups"]]
    offsets = sorted({int(row["module"].rpartition("+")[2], 16) for row in rows})
    require(all(row["module"].rpartition("+")[0] == os.path.basename(program) for row in rows), "stacks elsewhere: %s", rows)
    lines = lines_of_twin(twin, offsets) if twin else {}

    def function(row):
        if not twin:
            return plain(row["function"])
        require(row["function"] is None, "a stripped program's call is %s", row)
        return lines[int(row["module"].rpartition("+")[2], 16)][1]
    return function


def check_pairs(known, pairs, function):
    name = known["id"]
    require(pairs["traced"] and pairs["decided"] and pairs["reason"] is None, "%s: %s", name, pairs)
    require(pairs["earlier_changes"] == sum(known["before"].values()), "%s: before: %s", name, pairs)
    for key, said in (("counts", "count"), ("retains", "retains"), ("releases", "releases"), ("early", "early"),
                      ("early_open", "early")):
        require(pairs[key] == known[said], "%s: %s is %s, not %s", name, key, pairs[key], known[said])
    require(pairs["from_birth"] == (known["birth"] is not None), "%s: from birth: %s", name, pairs["from_birth"])
    expected = {taker: tuple(counts) for taker, counts in known["groups"].items() if counts[0]}
    if known["birth"]:
        expected[known["birth"]] = (1, 1)
    found = {function(group["stack"][0]): (group["open"], group["taken"]) for group in pairs["groups"]}
    require(found == expected and len(found) == len(pairs["groups"]), "%s: open are %s, not %s", name, found, expected)
    for group in pairs["groups"]:
        require(group["at_least"] == group["open"] == group["at_most"], "%s: a choice in %s", name, group)
        require(group["has_birth"] == (function(group["stack"][0]) == known["birth"]), "%s: birth: %s", name, group)
    opened = [group["open"] for group in pairs["groups"]]
    require(opened == sorted(opened, reverse=True), "%s: not the most first: %s", name, opened)


def check_events(known, document):
    """Each change is an event, its stack with it."""
    kinds = collections.Counter(event["kind"] for event in document["history"] if event["id"] == known["id"])
    expected = {"retain": known["retains"], "release": known["releases"], "alloc": int(known["birth"] is not None),
                "begin": known["begin"], "end": known["end"]}
    for kind, count in known["before"].items():
        expected[kind] += count
    require(document["traced"] is True and not document["history_cut"], "%s: %s", known["id"], document["history_cut"])
    require(kinds == {kind: count for kind, count in expected.items() if count}, "%s: %s, not %s", known["id"], kinds, expected)
    numbers = [event["event"] for event in document["history"] if event["traced"]]
    require(numbers == sorted(numbers, reverse=True) and all(event["stack"] or event["kind"] in ("begin", "end") for event in document["history"] if event["traced"]),
            "%s: %s", known["id"], numbers)


def check(door, target, truth, arguments):
    objects = truth["objects"]
    questions = [Question("refs", "--ledger --in --limit=0 --json " + known["id"]) for known in objects]
    questions += [Question("objat", "--history --limit=0 --json " + known["id"]) for known in objects]
    questions.append(Question("gcverify", "--json"))
    answers = door.ask(target, questions)
    for answer in answers:
        without_traceback(answer.error)
    documents = [expect.document_of(*pair) for pair in zip(questions, answers, strict=True)]
    require(documents.pop()["problems"] == [], "the heap is said to be damaged")
    function = functions_of(documents[:len(objects)], arguments.program, arguments.twin)
    for known, pairs, past in zip(objects, documents[:len(objects)], documents[len(objects):], strict=True):
        check_pairs(known, pairs["pairs"], function)
        check_events(known, past)
    require(sum(known["end"] for known in objects) > 3, "too few were traced, and not, and again")
    return sum(known["retains"] for known in objects), sum(len(document["pairs"]["groups"]) for document in documents[:len(objects)])


def main():
    parser = argparse.ArgumentParser(description="Checks pairs of retains and releases in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--twin", help="the program before it was stripped")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("program", help="traced.c")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, \
                Subject(arguments.program, 1, folder, [str(arguments.seed), str(arguments.steps)]) as subject:
            for mode, target in targets(subject, arguments.modes.split(",")):
                retains, groups = check(door, target, subject.truth, arguments)
                print("%-6s %-6s %d retains, %d stacks with open ones" % (door.name, mode, retains, groups))
                require(groups > 30, "too few are open: %d", groups)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
