"""check_runtimes.py - one door against runtimes.c: two copies of the runtime in one process. Heaps have numbers of their
own, names are matched by type and serial over both, what is ambiguous is told with all that it may be, and what gcleaks
tells the user to type is answered, and each object has the birth of its own.

Invariant: what is expected comes from the program's source and from the addresses that it says.
"""

import argparse
import json
import re
import sys
import tempfile

import expect
from launch import Question, Subject, door_of, report, require, without_traceback

HEAPS = (1, 1001)


def documents(door, target, lines):
    asked = [Question(command, "--json " + line) for command, line in lines]
    answers = door.ask(target, asked)
    for answer in answers:
        without_traceback(answer.error)
    return [json.loads(answer.out) for answer in answers]


def check_names(door, target, truth):
    lines = [("objat", name) for name in ("own#2", "their#2", "--heap=1 node#1", "--heap=1001 node#1", "--heap=1 own#2")]
    found = [(answer["object"]["id"], answer["object"]["heap"]) for answer in documents(door, target, lines)]
    require(found == [("own#2", 1), ("their#2", 1001), ("node#1", 1), ("node#1", 1001), ("own#2", 1)], "%s are %s", lines, found)
    lines = [(command, name) for command in ("objat", "refs", "gcgraph") for name in ("node#1", "#2", "absent#1", "--heap=1 their#2")]
    for (command, name), answer in zip(lines, documents(door, target, lines)):
        both = {"node#1": (truth["node"] + " in heap 1,", truth["plugin_node"] + " in heap 1001"), "#2": ("own#2 at", "their#2 at"),
                "absent#1": ("there is no object absent#1: there are node#1, node#1",),
                "--heap=1 their#2": ("there is no object their#2 in heap 1: there are", "their#2 in heap 1001")}[name]
        require(all(part in answer.get("error", "") for part in both), "%s %s: %s", command, name, answer)
        require(("--heap=N" in answer["error"]) == (name in ("node#1", "#2")), "%s %s: %s", command, name, answer)


def check_births(leaks):
    """The same serial was born in each copy: each is shown the stack of its own."""
    born = {leak["representative"]: [row["function"] for row in leak["allocated"]["stack"]] for leak in leaks["leaks"]}
    own, other = {"own#3": "leak_one", "node#3": "leak_there"}, {"own#3": "leak_there", "node#3": "leak_one"}
    require(all(own[name] in stack and other[name] not in stack for name, stack in born.items()), "born in: %s", born)


def check_leaks(door, target):
    (leaks, heap_1, heap_1001), (stat, gcverify, found) = (documents(door, target, lines) for lines in (
        [("gcleaks", ""), ("gcleaks", "--heap=1"), ("gcleaks", "--heap=1001")], [("gcstat", ""), ("gcverify", ""), ("gcfind", "--type=node")]))
    groups = {(leak["representative"], leak["cause"]) for leak in leaks["leaks"]}
    require(groups == {("own#3", "cycle"), ("node#3", "cycle")} and leaks["complete"], "leaked: %s", leaks)
    for answer in (leaks, heap_1, heap_1001):
        check_births(answer)
    for heap, expected in ((heap_1, "own#3"), (heap_1001, "node#3")):
        require([leak["representative"] for leak in heap["leaks"]] == [expected], "leaked: %s", heap)
    require([(heap["heap"], heap["name"]) for heap in stat["heaps"]] == list(zip(HEAPS, ("of the program", "of the plugin"))), "heaps: %s", stat)
    require(gcverify["problems"] == [] and gcverify["complete"], "damage: %s", gcverify)
    require(sorted(row["heap"] for row in found["objects"]) == [1, 1001, 1001], "found: %s", found)
    (said,) = door.ask(target, [Question("gcleaks", "")])
    typed = re.findall(r"next: (\w+) (.*)", said.out)
    require(len(typed) == 2, "nothing to type in %s", said.out)
    for (command, line), answer in zip(typed, documents(door, target, typed)):
        require(answer["object"]["id"] in line and answer["object"]["refcount"] == 1, "%s %s: %s", command, line, answer)


def check(door, target, truth, where):
    check_names(door, target, truth)
    check_leaks(door, target)
    for address, heap in ((truth["node"], 1), (truth["plugin_node"], 1001)):
        asked = [Question("refs", "--path --json " + address), Question("gcgraph", "--json " + address), Question("gcstale", "--json")]
        refs, graph, stale = (expect.document_of(*pair) for pair in zip(asked, door.ask(target, asked)))
        require((refs["object"]["heap"], refs["ledger"]["unexplained"]) == (heap, 0), "%s", refs)
        require([node["heap"] for node in graph["nodes"]] == [heap] * 2, "%s", graph)
        require(stale["stale"] == [], "%s", stale)
    print("%-6s %s" % (door.name, where))


def main():
    parser = argparse.ArgumentParser(description="Checks two copies of the runtime in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="runtimes.c")
    parser.add_argument("plugin", help="runtimes_plugin.c")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 1, folder, [arguments.plugin]) as subject:
            check(door, subject.live(), subject.truth, "live")
            check(door, subject.core(), subject.truth, "core")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
