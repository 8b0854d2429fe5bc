"""check_pprof.py - `go tool pprof` reads what one door's `gcstat --pprof` writes of changing.c, live and of a core: all that is
alive, by the line that made it, with its type, heap and size; and by the calls that made it, where stacks of births are recorded.

Invariant: what is expected comes from the program's own lines and its source; pprof is Go's. A short history has the stacks
of some objects: with and without, the innermost call is the line that made the object.
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

from check_diff import Changing
from launch import HERE, TIMEOUT_SECONDS, Question, Target, door_of, report, require, without_traceback


def lines_of(*patterns):
    """The first lines of changing.c that they match."""
    with open(os.path.join(HERE, "changing.c"), encoding="utf-8") as file:
        lines = list(enumerate(file, 1))
    return [next(number for number, text in lines if re.search(pattern, text)) for pattern in patterns]


def expected(truth, outer=()):
    """By calls (those of `outer` called the one that made the object), type, heap and size: as many objects."""
    array, plain = lines_of(r"rh_new_array\(heaps", r"rh_new\(heaps")
    samples = collections.Counter()
    for key, size in truth.items():
        heap, name = key.split("/")
        kind = name.split("#")[0]
        samples[(("bear", array if kind == "text" else plain), *outer), kind, int(heap), size] += 1
    return dict(samples)


def ask_pprof(pprof, path, *options):
    done = subprocess.run([pprof, *options, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", check=False,
                          timeout=TIMEOUT_SECONDS, env={**os.environ, "PPROF_TMPDIR": os.path.dirname(path)})
    require(done.returncode == 0, "pprof does not read it: %s", done.stderr)
    return done.stdout


def read_by_pprof(pprof, path):
    """Samples as expected() has them."""
    raw = ask_pprof(pprof, path, "-raw")
    places = {number: (function, int(line)) for number, function, line
              in re.findall(r"^ +(\d+): 0x0 M=\d+ (\S+) \S*changing\.c:(\d+)", raw, re.M)}
    samples = collections.Counter()
    for objects, total, stack, labels in re.findall(r"^ +(\d+) +(\d+): ([\d ]+?) *\n((?: +\w+:\[.*\n)+)", raw, re.M):
        label = dict(re.findall(r"(\w+):\[(\w+)", labels))
        require(int(total) == int(objects) * int(label["bytes"]), "bytes that are not those of the objects: %s", labels)
        calls = tuple(places[place] for place in stack.split())
        samples[(calls, label["type"], int(label["heap"]), int(label["bytes"]))] += int(objects)
    return dict(samples)


def check_stacks(door, arguments, folder, history):
    """The program remembers all births, or the last ones."""
    path = os.path.join(folder, "stacks.gz")
    words = ("REFHEAP_OPTIONS=history=%s,stacks=8" % history, arguments.program)
    with Changing("/usr/bin/env", 9, 20000, 1, folder, words) as subject:
        target = Target(core=subject.core("core_" + history), exe=arguments.program)
        answer, = door.ask(target, [Question("gcstat", "--pprof=" + path)])
        without_traceback(answer.error)
        found = read_by_pprof(arguments.pprof, path)
        main_line, = lines_of(r"^ +bear\(\);")
        whole = expected(subject.truths[0], (("main", main_line),))
        lines = collections.Counter()
        for (calls, *rest), objects in found.items():
            require((calls, *rest) in whole or len(calls) == 1, "%s made an object", calls)
            lines[(calls[:1], *rest)] += objects
    require(dict(lines) == expected(subject.truths[0]), "history=%s: %s", history, lines)
    deep = sum(objects for (calls, *_rest), objects in found.items() if len(calls) > 1)
    require(found == whole if history != "all" else 0 < deep < len(subject.truths[0]), "history=%s: %s", history, found)
    tree = ask_pprof(arguments.pprof, path, "-peek", "^main$")
    require(re.search(r"\| +main$", tree, re.M) and re.search(r"\| +bear$", tree, re.M), "pprof sees no calls: %s", tree)
    print("%-6s history=%s: %d of %d objects have a stack" % (door.name, history, deep, len(subject.truths[0])))


def check(door, target, truth, path, pprof, where):
    lines = ["--json --no-retained --sites --pprof=" + path, "--heap=2 --pprof=%s.2" % path, "--pprof=/dev/null"]
    answers = door.ask(target, [Question("gcstat", line) for line in lines])
    for answer in answers:
        without_traceback(answer.error)
    require([answer.status for answer in answers] == [0, 0, 2], "%s: %s", where, answers)
    require('"pprof":' in answers[0].out and "written for pprof" in answers[1].out and "no regular file" in answers[2].error, "%s: %s",
            where, answers)
    found = read_by_pprof(pprof, path)
    require(found == expected(truth), "%s: %s, expected %s", where, found, expected(truth))
    has_time = re.search(r"^Time: 20", ask_pprof(pprof, path, "-raw"), re.M) is not None
    require(has_time == (where == "live"), "%s: the time of the collection is told: %s", where, has_time)
    second = {key: size for key, size in truth.items() if key.startswith("2/")}
    require(read_by_pprof(pprof, path + ".2") == expected(second), "%s: another heap 2", where)
    print("%-6s %s: %d samples of %d objects" % (door.name, where, len(found), len(truth)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--pprof", required=True, help="Go's")
    parser.add_argument("program")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, Changing(arguments.program, 9, 300, 2, folder) as subject:
            path = os.path.join(folder, "profile.gz")
            check(door, subject.live(), subject.truths[0], path, arguments.pprof, "live")
            subject.go_on()
            check(door, Target(core=subject.core("core"), exe=arguments.program), subject.truths[1], path, arguments.pprof, "core")
            for history in ("100000", "all"):
                check_stacks(door, arguments, folder, history)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
