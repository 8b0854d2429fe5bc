"""check_asked_again.py - `refs` finds the same holders by a search and from the graph, of many objects of a Python program.

The programs are random_python.py and at_hand_python.py, live and on cores. In one session each object of a
sample is asked about with --weak, which always searches the heap, and again once there is a graph. A few are asked about in
a session of their own, which knows nothing. Rows of `holders`, which asks with a graph from the second object on, are the
same in both orders. In each of these a word is one row, of one class: a dict that a thread has at hand has its entries for
itself, and what else is in its table is a word like others.
"""

import argparse
import json
import random
import sys
import tempfile

from expect import document_of, same
from launch import Question, report, require
from python_target import HERE, PYTHON, PipedShell, Target, minor_version

PROGRAMS = (("at_hand_python.py",), ("random_python.py", 1, 300))
SAMPLE, FRESH, SEED = 250, 4, 7
GRAPH = Question("gcleaks", "--json --limit=1")
TWICE = ("--json --limit=0 select target, address, group_concat(kind, ' and ') from holders where address is not null "
         "group by target, address having count(distinct kind) > 1")
HOLDERS = "--json --limit=0 select target, kind, address, name from holders where target in (%s)"


def once(what, document):
    """Each word is one row: of a field, or of one class of other words."""
    words = {}
    for row in document["referrers"]:
        words.setdefault(row["address"], set()).add(row["kind"])
    same("words of two classes, " + what, {word: sorted(kinds) for word, kinds in words.items() if word and len(kinds) > 1}, {})


def refs(address, options=""):
    return Question("refs", "--in --json --limit=0 %s %s" % (options, address))


def rows_of(document):
    """Without references that own nothing: they are searched for alone."""
    require("referrers" in document, "%s", document)
    return sorted(json.dumps(row, sort_keys=True) for row in document["referrers"] if row["strength"] not in ("weak", "borrowed"))


def ask(door, target, questions):
    return [document_of(question, answer) for question, answer in zip(questions, door.ask(target, questions), strict=True)]


def check_all(door, target, where):
    listed, = ask(door, target, [Question("gcquery", "--json --limit=0 select id, address from objects")])
    chosen = random.Random(SEED).sample(sorted((row["address"], row["id"]) for row in listed["rows"]), SAMPLE)
    searched = [refs(address, "--weak") for address, _ in chosen]
    known = [refs(address) for address, _ in chosen]
    answers = ask(door, target, searched + [GRAPH] + known)
    found = 0
    for (_, name), before, after in zip(chosen, answers[:SAMPLE], answers[SAMPLE + 1:], strict=True):
        same("holders of %s, by a search and from the graph (%s)" % (name, where), rows_of(before), rows_of(after))
        once("by a search for %s (%s)" % (name, where), before)
        once("of %s, from the graph (%s)" % (name, where), after)
        found += len(after["referrers"])
    require(found > SAMPLE, "%d rows", found)
    for address, name in chosen[:FRESH]:
        before, _, after = ask(door, target, [refs(address), GRAPH, refs(address)])
        same("holders of %s, first and again (%s)" % (name, where), rows_of(before), rows_of(after))
        once("by the first search for %s (%s)" % (name, where), before)
    same("words of two classes (%s)" % where, ask(door, target, [Question("gcquery", TWICE)])[0]["rows"], [])
    check_table(door, target, where, [name for _, name in chosen[:FRESH]])


def check_table(door, target, where, names):
    """The first object of such a question is searched for, and which one that is changes nothing."""
    question = Question("gcquery", HOLDERS % ", ".join("'%s'" % name for name in names if "'" not in name))
    first, again = ask(door, target, [question, question])
    same("rows of holders, first and again (%s)" % where, first["rows"], again["rows"])


def main():
    parser = argparse.ArgumentParser(description="Asks who holds objects, with and without a graph.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    door = PipedShell(parser.parse_args().shell)

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        for program, *words in PROGRAMS:
            with tempfile.TemporaryDirectory() as folder:
                with Target(folder, 1, "%s/%s" % (HERE, program), *words).start() as subject:
                    check_all(door, subject.live(), program + ", live")
                    check_all(door, subject.core(), program + ", core")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
