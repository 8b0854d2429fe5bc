"""check_ahead.py - what a debugger reads of a program with a gigabyte of zeroed data, when it shows the first variable that
holds an object: little of the data, and nothing but the object where the heap was opened before, as it is when the script is
loaded.

Read memory is counted, not timed: of a core the bytes that the debugger read from files, of a process the page tables that it
got for pages which only a reader has touched. Invariant: the debugger has shown another variable before, so what it reads for
its own sake is read already, but for little.
"""

import argparse
import re
import sys
import tempfile

import launch
from launch import require

OPENING_BYTES = 24 << 20  # two searches with at most 8 MiB each, and the rest
PRINT_BYTES = 64 << 10  # the object: the table of its chunk was read, as that of another one that was looked at ahead
FILES = """
import os
def bytes_read():
    with open("/proc/self/io", encoding="ascii") as file:
        return int(file.readline().split()[1])
def is_open():
    links = ["/proc/self/fd/" + each for each in os.listdir("/proc/self/fd")]
    return sum(os.path.islink(each) and os.readlink(each) == %r for each in links)
"""
TABLES = """
def bytes_read():  # a page table is for 2 MiB
    with open("/proc/%d/status", encoding="ascii") as file:
        return next(int(line.split()[1]) // 4 << 21 for line in file if line.startswith("VmPTE:"))
def is_open():
    return 0
"""
SAY = """print("@@%s %%d %%d@@" %% (bytes_read(), is_open()))"""
SHOW = {"gdb": "print ", "lldb": "target variable "}


def counts(door, target):
    """Bytes read when the script was loaded, for the first object, for the next; how often the core was opened when the script
    was loaded."""
    python = {"gdb": "python ", "lldb": "script "}[door]
    load = {"gdb": "source ", "lldb": "command script import "}[door] + launch.SCRIPTS[door]
    show = SHOW[door]
    count = python + "exec(%r)" % (TABLES % target.pid if target.pid else FILES % target.core)
    lines = [show + "ordinary", show + "&second", count, python + SAY % "before", load, python + SAY % "loaded", show + "first",
             python + SAY % "shown", show + "second", python + SAY % "again"]
    option = {"gdb": "-ex", "lldb": "-o"}[door]
    argv = launch.door_of(door, None).start(target) + [part for line in lines for part in (option, line)]
    out, error, _status = launch.run_tool(argv)
    launch.without_traceback(out + error)
    require(len(re.findall(r"thing#[12] rc=1", out)) == 2, "it does not show the objects: %s%s", out, error)
    rows = re.findall(r"^@@(?:before|loaded|shown|again) (\d+) (\d+)@@", out, re.M)
    require(len(rows) == 4, "no counts: %s%s", out, error)
    (before, closed), (loaded, opened), (shown, _), (again, _) = (map(int, row) for row in rows)
    return loaded - before, shown - loaded, again - shown, opened - closed


def check(door, target, what):
    opening, first, again, opened = counts(door, target)
    print("%s %s: %d bytes as the script is loaded, %d at the first object, %d at the next" % (door, what, opening, first, again))
    require(opening > 0 if target.pid else opened == 1, "%s, %s: the heap was not opened when the script was loaded", door, what)
    require(opening <= OPENING_BYTES, "%s, %s: %d bytes were read when the script was loaded", door, what, opening)
    require(first <= PRINT_BYTES, "%s, %s: %d bytes were read for the first object", door, what, first)
    require(again <= PRINT_BYTES, "%s, %s: %d bytes were read for the next object", door, what, again)


def run(door, program):
    with tempfile.TemporaryDirectory() as folder, launch.Subject(program, 1, folder) as subject:
        check(door, subject.live(), "live")
        check(door, subject.core(), "core")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--door", choices=SHOW, required=True)
    parser.add_argument("program")
    arguments = parser.parse_args()
    return launch.report(lambda: run(arguments.door, arguments.program))


if __name__ == "__main__":
    sys.exit(main())
