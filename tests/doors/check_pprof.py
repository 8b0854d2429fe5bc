"""check_pprof.py - `go tool pprof` reads what one door's `gcstat --pprof` writes of changing.c, live and of a core: all that is
alive, by the line that made it, with its type, heap and size.

Invariant: what is expected comes from the program's own lines and its source; pprof is Go's.
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


def lines_of_births():
    """Which line of bear() makes the objects that have elements, and which the others."""
    with open(os.path.join(HERE, "changing.c"), encoding="utf-8") as file:
        lines = list(enumerate(file, 1))
    return {name: next(number for number, text in lines if re.search(name + r"\(heaps", text)) for name in ("rh_new_array", "rh_new")}


def expected(truth):
    births, samples = lines_of_births(), collections.Counter()
    for key, size in truth.items():
        heap, name = key.split("/")
        kind = name.split("#")[0]
        samples["bear", births["rh_new_array" if kind == "text" else "rh_new"], kind, int(heap), size] += 1
    return dict(samples)


def read_by_pprof(pprof, path):
    """Samples by function, line, type, heap and size: as many objects."""
    done = subprocess.run([pprof, "-raw", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", check=False,
                          timeout=TIMEOUT_SECONDS, env={**os.environ, "PPROF_TMPDIR": os.path.dirname(path)})
    require(done.returncode == 0, "pprof does not read it: %s", done.stderr)
    places = {number: (function, int(line)) for number, function, line
              in re.findall(r"^ +(\d+): 0x0 M=\d+ (\S+) \S*changing\.c:(\d+)", done.stdout, re.M)}
    samples = collections.Counter()
    for objects, total, place, labels in re.findall(r"^ +(\d+) +(\d+): (\d+) *\n((?: +\w+:\[.*\n)+)", done.stdout, re.M):
        label = dict(re.findall(r"(\w+):\[(\w+)", labels))
        require(int(total) == int(objects) * int(label["bytes"]), "bytes that are not those of the objects: %s", labels)
        samples[(*places[place], label["type"], int(label["heap"]), int(label["bytes"]))] += int(objects)
    return dict(samples)


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
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
