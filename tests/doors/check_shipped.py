"""check_shipped.py - each question that gcquery ships, on heaps that have what it asks about: it must give rows there.

The heaps are those of the sample json, of random_heap.c, and of random_python.py. Invariant: GIVES names every question that
--list has, so that a new one is looked for on some heap.
"""

import argparse
import collections
import json
import os
import re
import shutil
import sys
import tempfile

from launch import Question, Subject, door_of, report, require
from python_target import HERE, PipedShell, Target

# The heaps that have it; on the others there is none.
GIVES = {
    "bytes-by-site": ("json", "random"),
    "deaths-by-place": ("json", "random"),
    "duplicate-values": ("json", "random", "python"),
    "garbage-by-type": ("random", "python"),
    "holders-of": ("json", "random", "python"),
    "large-cycles": ("random", "python"),
    "largest-objects": ("json", "random", "python"),
    "largest-types": ("json", "random", "python"),
    "leaks-by-site": ("random", "python"),
    "most-referrers": ("json", "random", "python"),
    "parent-types-of": ("json", "random", "python"),
    "parents-of": ("json", "random", "python"),
    "small-dicts": ("json", "random", "python"),
    "stale-by-death": ("random",),
    "within-three": ("json", "random", "python"),
}
BY_TYPE = ("parent-types-of", "parents-of")


def parsed(question, answer):
    require(answer.status == 0, "%s: %s%s", question, answer.error, answer.out[:1000])
    return json.loads(answer.out)


def ask(door, target, lines):
    questions = [Question("gcquery", "--json " + line) for line in lines]
    return [parsed(question, answer) for question, answer in zip(questions, door.ask(target, questions), strict=True)]


def check_duplicates(door, target):
    """Each text, and each bytes of Python's, that ends with its own quote is shown in full: it is counted here once more."""
    found, all_values = ask(door, target, ["--limit=0 --file=duplicate-values", "--limit=0 select value, type, size from objects "
                                                                               "where value is not null"])
    texts = [(row["value"], row["type"], row["size"]) for row in all_values["rows"]]
    counts = collections.Counter(text for text in texts if re.fullmatch(r"""b?(["']).*\1""", text[0], re.DOTALL))
    expected = {text: (n, (n - 1) * text[2]) for text, n in counts.items() if n > 1}
    rows = {(row["value"], row["type"], row["size"]): (row["objects"], row["wasted"]) for row in found["rows"]}
    require(rows == expected, "duplicates: %s", list(set(rows.items()) ^ set(expected.items()))[:5])


def check_heap(door, target, heap):
    """Asked about are two objects of which a dictionary, where there is one, holds the other."""
    listed, some = ask(door, target, ["--list", "select o.id, o.type, r.source from refs r join objects o on o.id = r.target "
                                                "where r.source != r.target and r.strength = 'strong' order by r.source like 'dict%' desc limit 1"])
    names = [each["name"] for each in listed["queries"]]
    require(sorted(names) == sorted(GIVES), "the questions are %s", names)
    held = some["rows"][0]
    words = {"holders-of": held["id"], "within-three": held["source"], **dict.fromkeys(BY_TYPE, held["type"]), "small-dicts": "3"}
    answers = dict(zip(names, ask(door, target, ["--file=%s %s" % (name, words.get(name, "")) for name in names])))
    for name, heaps in GIVES.items():
        rows = answers[name]["rows"]
        require(bool(rows) == (heap in heaps), "%s on the heap of %s: %s", name, heap, rows[:3])
        require(all(set(row) == set(answers[name]["columns"]) for row in rows), "%s: rows without columns", name)
    require(held["source"] in [row["source"] for row in answers["holders-of"]["rows"]], "%s does not hold %s", held["source"], held["id"])
    steps = {row["id"]: row["steps"] for row in answers["within-three"]["rows"]}
    require((steps[held["source"]], steps[held["id"]]) == (0, 1), "%s is not next to %s", held["id"], held["source"])
    check_duplicates(door, target)
    for row in answers["small-dicts"]["rows"]:
        require(row["holds"] <= 3 and row["id"].startswith("dict"), "a small dictionary: %s", row)
    print("%s, %s: %s" % (door.name, heap, {name: len(answer["rows"]) for name, answer in answers.items()}), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Asks each shipped question on heaps that have what it asks about.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--doors", default="shell,gdb,lldb")
    parser.add_argument("json", help="the sample")
    parser.add_argument("random", help="random_heap")
    arguments = parser.parse_args()

    def check_all(target, heap):
        for name in arguments.doors.split(","):
            door = PipedShell(arguments.shell) if name == "shell" else door_of(name, arguments.shell)
            check_heap(door, target, heap)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            with Subject(arguments.json, 1, folder) as subject:
                check_all(subject.core(), "json")
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy2(arguments.random, folder)
            with Subject(copy, 1, folder, ["1", "300"]) as subject:
                check_all(subject.core(), "random")
        with tempfile.TemporaryDirectory() as folder:
            target = Target(os.path.realpath(folder), 1, HERE + "/random_python.py", 1, 3000)
            with target.start() as subject:
                check_all(subject.core(), "python")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
