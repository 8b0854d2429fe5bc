"""variables.py - what it costs to show a variable that holds an object: bench/run variables prints a pointer and an object of
a heap of 10M objects, from a process and from its core, in GDB and LLDB, beside what the debugger takes without refheap;
and stops both at a breakpoint that asks for a count.

Invariant: a figure comes from an answer that names the object; the first one is told apart: the debugger reads debug
information for it, also without refheap.
"""

import json
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import inspect_heaps as heaps
import machine as host
from inspect_doors import DOORS, ROOT, Target
from machine import HERE, Failure

PRINTED = 200  # times
FIRST_RUNS = 7  # of the debugger, with and without refheap
TARGET_SECONDS = 0.001
ENGINE_TARGETS = ("refheap_inspect",)
ROWS = {"gdb": (("pointer", "print root"), ("object", "print *root")),
        "lldb": (("pointer", "target variable root"), ("object", "target variable *root"))}
SCRIPTS = {name: str(ROOT / name / f"refheap_{name}.py") for name in ROWS}
# What stands at the breakpoint; it is never true. In LLDB a condition has C alone, so its count is asked for in Python.
CONDITIONS = {"gdb": (("plain", "break visit if object->value == -1"), ("$refcount", "break visit if $refcount(object) > 1")),
              "lldb": (("plain", "breakpoint set -n visit -c 'object->value == -1'"), ("refcount()", "breakpoint set -n visit",
                       "breakpoint command add -s python -o 'return refheap_lldb.refcount(frame.FindVariable(\"object\")) > 1'"))}


def add_options(parser):
    parser.add_argument("--size", default="10M", metavar="N", help="objects (default 10M)")
    parser.add_argument("--stops", type=int, default=100000, metavar="N", help="of the breakpoint (default 100000)")
    parser.add_argument("--cores", default=None, metavar="FOLDER", help="where the core is written (default: a temporary one)")
    parser.add_argument("--build", metavar="FOLDER", default=str(HERE.parent / "build" / "bench"),
                        help="where to build (default build/bench)")


def check_options(parser, options):
    if options.stops < 1:
        parser.error("--stops: at least 1")
    options.size = heaps.parse_size(options.size)


def ask(door, target, command, *scripts):
    """(first seconds, median of the next ones) of a command; it must name an object. scripts: none, for no refheap."""
    door.results.unlink(missing_ok=True)
    door.plan.write_text(json.dumps({"commands": [command] * (PRINTED + 1), "results": str(door.results)}), encoding="utf-8")
    done = subprocess.run(door.command(target, *scripts), env=door.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if not door.results.exists():
        raise Failure(f"{door.name}: no results of `{command}`: {done.stderr[-300:]}")
    rows = json.loads(door.results.read_text(encoding="utf-8"))
    wrong = [row for row in rows if row["error"] or (not scripts and not re.search(r"node#\d+ rc=", row["output"]))]
    if wrong:
        raise Failure(f"{door.name}: `{command}` prints {wrong[0]['output']!r} {wrong[0]['error']}")
    seconds = [row["end"] - row["begin"] for row in rows]
    return seconds[0], statistics.median(seconds[1:])


def verdict(seconds):
    return "met" if seconds <= TARGET_SECONDS else f"{seconds / TARGET_SECONDS:.2f} x"


def print_row(door, source, kind, command, target):
    """Beside what the debugger takes without refheap; the least and the median of the runs. Of the first print refheap's part is
    judged, by medians: what it has cost more than without."""
    pairs = [(ask(door, target, command, ()), ask(door, target, command)) for _ in range(FIRST_RUNS)]
    (plain, first), (plain_again, again) = ([[run[i][j] for run in pairs] for i in (0, 1)] for j in (0, 1))
    median = statistics.median
    print(f"{door.name:<6}{source:<6}{kind:<9}{min(first) * 1e3:7.2f}{median(first) * 1e3:8.2f}{min(plain) * 1e3:9.2f}"
          f"{median(plain) * 1e3:8.2f}  {verdict(median(first) - median(plain)):<8}{min(again) * 1e3:9.3f}{median(again) * 1e3:8.3f}"
          f"{median(plain_again) * 1e3:8.3f}  {verdict(median(again))}", flush=True)


def stops_command(door, program, stops, lines):
    if door.name == "gdb":
        argv = [door.program, "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set startup-with-shell off",
                "-x", SCRIPTS["gdb"], program]
        return argv + [part for line in (*lines, f"run {stops}") for part in ("-ex", line)]
    argv = [door.program, "-x", "-b", program]
    return argv + [part for line in (f"command script import {SCRIPTS['lldb']}", *lines, f"run {stops}") for part in ("-o", line)]


def time_stops(door, program, stops, lines):
    begin = time.perf_counter()
    done = subprocess.run(stops_command(door, program, stops, lines), env=door.environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    if f"\n{stops}\n" not in done.stdout or re.search("Error|error:", done.stdout + done.stderr):
        raise Failure(f"the program did not run through {stops} stops: {(done.stdout + done.stderr)[-300:]}")
    return time.perf_counter() - begin


def run(options):
    build, engine = pathlib.Path(options.build), pathlib.Path(options.build) / "engine"
    host.build(build)
    host.build(engine, source=HERE.parent, targets=ENGINE_TARGETS, settings=("-DCMAKE_BUILD_TYPE=RelWithDebInfo",))
    print(host.machine_line(host.describe_machine()))
    heap = heaps.Heap("inspect_heap", "random", options.size)
    with tempfile.TemporaryDirectory(prefix="refheap-bench-", dir=options.cores) as name:
        folder = pathlib.Path(name)
        doors = [door for door in (DOORS[name](engine, folder) for name in ROWS) if not door.missing()]
        print(f"\nshowing a variable, {heap.title}\n"
              "                     first ms            plain                  ms each           plain\n"
              "door  from  what       min  median      min  median  +<= 1 ms      min  median  median  <= 1 ms")
        with heaps.living(heap, build, folder) as (pid, _truth):
            for door in doors:
                for row in ROWS[door.name]:
                    print_row(door, "live", *row, Target(heap.exe(build), pid=pid))
        core = heaps.make_core(heap, build, folder)
        for door in doors:
            for row in ROWS[door.name]:
                print_row(door, "core", *row, Target(heap.exe(build), core=str(core.path)))
        print(f"\na breakpoint's condition at {options.stops} stops")
        for door in doors:
            for title, *lines in CONDITIONS[door.name]:
                seconds = time_stops(door, str(build / "inspect_stops"), options.stops, lines)
                print(f"{door.name:<6}{title:<12}{seconds:8.1f} s {seconds / options.stops * 1e6:8.0f} us each", flush=True)
    return 0
