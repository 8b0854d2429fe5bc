"""inspection.py - the benchmark of the engine: bench/run inspect asks every question about heaps of 1M and 10M
objects, in GDB, in LLDB and in the shell, from cores and from living processes, and prints times and memory beside
their targets, beside the bare minimum that this machine takes, and beside other tools.

Invariant: a printed figure comes from an answer that says what the program built; a wrong answer is a failure.
"""

import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import inspect_exports as exports
import inspect_heaps as heaps
import inspect_peers as peers
import inspect_python as python
import inspect_questions as questions
import machine as host
from inspect_doors import DOORS, Target, Trouble
from inspect_heaps import Heap, size_text
from inspect_questions import QUESTIONS
from machine import HERE, Failure, Progress

SOURCES = ("core", "live")
SHAPES = ("random", "local", "python")
SIZES = "1M,10M"
PROGRAMS = ("inspect_heap", "inspect_malloc", "inspect_floor")
ENGINE_TARGETS = ("refheap_command", "refheap_inspect")
MS, MB = 1e3, 1e6
SLOW_SECONDS = 10  # what takes longer is asked in one session
NO_COMMAND = "no such command"


# ---- measuring ----------------------------------------------------------------------------------------------------


class Row:
    """One question, in one door, of one heap, from one source."""

    def __init__(self, heap, source, door, question):
        self.heap, self.source, self.door, self.question = heap, source, door, question
        self.first, self.again, self.bytes = [], [], []
        self.complete = True  # what the answers say of themselves
        self.trouble = None
        self.is_done = False

    @property
    def target(self):
        return self.question.target_seconds(self.source, self.heap.size)

    def add(self, answer, truth):
        """Keeps what was measured if the answer is right."""
        try:
            said = json.loads(answer.output)
        except ValueError:
            raise Trouble("the answer is not JSON") from None
        wrong = self.question.check(truth, said)
        if wrong:
            excuse = "" if said.get("complete") is True else " (it calls itself incomplete)"
            raise Trouble(f"wrong answer: {wrong}{excuse}")
        self.complete = self.complete and said.get("complete") is True
        self.first.append(answer.first)
        self.again += [answer.again] if answer.again is not None else []
        self.bytes += [answer.bytes] if answer.bytes is not None else []

    def bytes_per_object(self, objects):
        return max(self.bytes) / objects if self.bytes else None

    def misses(self, objects):
        """What is over its target, in words."""
        found = []
        if self.first and self.target and min(self.first) > self.target:
            found.append(f"first {min(self.first) / self.target:.2f} x")
        if self.again and min(self.again) > questions.AGAIN_SECONDS:
            found.append(f"again {min(self.again) / questions.AGAIN_SECONDS:.2f} x")
        size = self.bytes_per_object(objects)
        if size is not None and self.heap.size == questions.JUDGED_SIZE and size > self.question.bytes:
            found.append(f"bytes {size / self.question.bytes:.2f} x")
        return found


class Runner:
    def __init__(self, options, doors, verbs, build, folder):
        self.options, self.doors, self.verbs, self.build, self.folder = options, doors, verbs, build, folder
        self.progress = Progress()
        self.failures = []

    def rows(self, heap, source):
        """Rows of questions that can be asked; NO_COMMAND is the trouble of those that the engine does not know."""
        for question in python.QUESTIONS if heap.is_python else QUESTIONS:
            if self.options.only and question.name not in self.options.only:
                continue
            for door in self.doors:
                if question.before and not door.has_sessions:
                    continue
                row = Row(heap, source, door, question)
                if question.verb not in self.verbs:
                    row.trouble = NO_COMMAND
                yield row

    def ask(self, row, target, truth, run):
        before = [text.format(**truth) for text in row.question.before]
        text = row.question.command.format(**truth)
        try:
            row.add(row.door.ask(target, before, text), truth)
            row.is_done = run == self.options.runs or row.first[0] > SLOW_SECONDS
            if row.is_done:
                size = row.door.memory(target, text)
                row.bytes += [size] if size is not None else []
        except Trouble as trouble:
            row.trouble = str(trouble)
            self.failures.append(f"{row.heap.title} {row.source}, {row.door.name}, {row.question.name}: {trouble}")

    def measure(self, heap, source, target, truth):
        """Round robin over questions and doors."""
        rows = list(self.rows(heap, source))
        host.touch_memory(heaps.memory_for_engine(heap))
        for run in range(1, self.options.runs + 1):
            for row in rows:
                if not row.trouble and not row.is_done:
                    self.progress.show(f"{heap.title} {source}: {run} of {self.options.runs}, {row.door.name} "
                                       f"{row.question.name}")
                    self.ask(row, target, truth, run)
        self.progress.show("")
        return rows


# ---- tables -------------------------------------------------------------------------------------------------------


def number(value, width, digits):
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{digits}f}"


def print_rows(rows, objects):
    print(f"  {'question':<14}{'door':<7}{'first ms':>10}{'median':>10}{'again ms':>10}{'target ms':>11}{'x target':>10}"
          f"{'bytes/object':>14}{'target':>8}  verdict")
    for row in rows:
        line = f"  {row.question.name:<14}{row.door.name:<7}"
        if row.trouble:
            print(line + (NO_COMMAND if row.trouble == NO_COMMAND else "failed, see below"))
            continue
        first, judged = min(row.first), row.heap.size == questions.JUDGED_SIZE
        line += number(first * MS, 10, 2) + number(statistics.median(row.first) * MS, 10, 2)
        line += number(min(row.again) * MS if row.again else None, 10, 2)
        line += number(row.target * MS if row.target else None, 11, 0)
        line += number(first / row.target if row.target else None, 10, 2)
        line += number(row.bytes_per_object(objects), 14, 1) + number(row.question.bytes if judged else None, 8, 0)
        missed = row.misses(objects)
        verdict = f"NOT MET: {', '.join(missed)}" if missed else "met" if row.target or row.again else ""
        print(f"{line}  {verdict}" + ("" if row.complete else f"{', but ' if verdict else ''}incomplete"))
    sys.stdout.flush()


def heap_line(heap, source, truth, core=None):
    made = f"; core {core.path.stat().st_size / MB:.0f} MB, written by {core.writer}" if core else ""
    return (f"\n{heap.title}, {source}: {truth['objects']:,} objects, {truth['edges']:,} references, "
            f"{python.leaked(truth) if heap.is_python else questions.leaked(truth):,} leaked{made}")


def print_floor(times):
    names = {"words": "all words equal to one address", "edges": "scan and forward edges"}
    for name, (first, again) in times.items():
        print(f"  {'floor':<14}{'C':<7}{number(min(first) * MS, 10, 2)}{number(statistics.median(first) * MS, 10, 2)}"
              f"{number(min(again) * MS, 10, 2)}  {names[name]}")
    sys.stdout.flush()


def growth_rows(rows):
    """(question, door, source, shape, ratio) where both sizes were measured."""
    found = {(row.question.name, row.door.name, row.source, row.heap.shape, row.heap.size): row for row in rows
             if row.first and not row.trouble}
    for (name, door, source, shape, size), row in found.items():
        larger = found.get((name, door, source, shape, questions.GROWTH_TO))
        if size == questions.GROWTH_FROM and larger:
            yield name, door, source, shape, min(larger.first) / min(row.first)


def print_growth(rows):
    growths = list(growth_rows(rows))
    if not growths:
        return growths
    columns = list(dict.fromkeys((door, source, shape) for _, door, source, shape, _ in growths))
    print(f"\n{size_text(questions.GROWTH_FROM)} -> {size_text(questions.GROWTH_TO)}: the first answer takes so many "
          f"times as long (target <= {questions.GROWTH:g})")
    print(f"  {'question':<14}" + "".join(f"{' '.join(column):>20}" for column in columns))
    for name in dict.fromkeys(growth[0] for growth in growths):
        ratios = {growth[1:4]: growth[4] for growth in growths if growth[0] == name}
        print(f"  {name:<14}" + "".join(number(ratios.get(column), 20, 1) for column in columns))
    return growths


def print_summary(tables, growths):
    """One line per question and source: its worst case."""
    print("\ntargets")
    judged = [(row, objects) for rows, objects in tables for row in rows if not row.trouble and row.first]
    for name in dict.fromkeys(row.question.name for row, _ in judged):
        for source in SOURCES:
            mine = [(row, row.misses(objects)) for row, objects in judged
                    if row.question.name == name and row.source == source and (row.target or row.again)]
            missed = [f"{row.heap.title} {row.door.name} {', '.join(misses)}" for row, misses in mine if misses]
            if mine:
                incomplete = "" if all(row.complete for row, _ in mine) else ", but answers are incomplete"
                text = "; ".join(missed) or f"{len(mine)} of {len(mine)}"
                print(f"  {'NOT MET' if missed else 'met':<9}{name:<14}{source:<6}{text}{incomplete}")
    for name, door, source, shape, ratio in growths:
        if ratio > questions.GROWTH:
            print(f"  {'NOT MET':<9}{name:<14}{source:<6}grows {ratio:.1f} x from 1M to 10M, {shape}, {door}")
    absent = dict.fromkeys(row.question.verb for rows, _ in tables for row in rows if row.trouble == NO_COMMAND)
    for verb in absent:
        print(f"  {'unknown':<9}{verb}: {NO_COMMAND}")


# ---- peers --------------------------------------------------------------------------------------------------------


def measure_peers(runner, heap, core, exe):
    """Prints one table; returns rows for the JSON document."""
    found = []
    print(heap_line(heap, "core of glibc blocks", core.truth, core))
    print(f"  {'tool':<15}{'question':<15}{'min s':>9}{'median':>9}{'bytes/object':>14}")
    for name, program in peers.programs().items():
        if not program or name not in runner.options.peers:
            continue
        tool = peers.Tool(name, program, core, exe, runner.folder)
        start_up = tool.start_up(runner.options.runs)
        for title, question, check in tool.questions:
            runner.progress.show(f"{heap.title}: {name}, {title}")
            try:
                times, peak = tool.ask(question, check, runner.options.runs)
            except Trouble as trouble:
                runner.failures.append(f"{heap.title}, {name}, {title}: {trouble}")
                continue
            finally:
                runner.progress.show("")
            times = [seconds - start_up for seconds in times]
            print(f"  {name:<15}{title:<15}{number(min(times), 9, 2)}{number(statistics.median(times), 9, 2)}"
                  f"{number(peak / core.truth['objects'], 14, 1)}" + ("  (one run)" if len(times) == 1 else ""))
            sys.stdout.flush()
            found.append({"heap": heap.title, "tool": name, "question": title, "seconds": times, "bytes": peak})
    return found


def print_absent_peers(options):
    for name, program in peers.programs().items():
        if name in options.peers and not program:
            print(f"  {name}: not installed; {peers.ELSEWHERE[name]}")


# ---- the command --------------------------------------------------------------------------------------------------


def add_options(parser):
    names = ", ".join([*(question.name for question in QUESTIONS), *exports.NAMES])
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="sessions per figure (default 3)")
    parser.add_argument("--only", metavar="A,B", help=f"questions, of {names}")
    parser.add_argument("--sizes", metavar="A,B", help=f"held objects (default {SIZES}; of python 100k, too)")
    parser.add_argument("--shapes", default=",".join(SHAPES), metavar="A,B",
                        help=f"of {', '.join(SHAPES)} (default all); PYTHON= says which python")
    parser.add_argument("--doors", default=",".join(DOORS), metavar="A,B", help=f"of {', '.join(DOORS)} (default all)")
    parser.add_argument("--from", dest="sources", default=",".join(SOURCES), metavar="A,B",
                        help="of core, live (default both)")
    parser.add_argument("--peers", default=",".join(peers.PEERS), metavar="A,B",
                        help=f"of {', '.join(peers.PEERS)}, or none (default all)")
    parser.add_argument("--quick", action="store_true", help="1M random, in gdb and the shell, one session per figure")
    parser.add_argument("--cores", metavar="FOLDER", help="where cores go (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="leave the cores there, and use those that are there")
    parser.add_argument("--gcore", action="store_true", help="cores from gdb, even if the kernel would write them")
    parser.add_argument("--json", metavar="FILE", help="also write all values there")
    parser.add_argument("--build", metavar="FOLDER", default=str(HERE.parent / "build" / "bench"),
                        help="where to build (default build/bench)")


def chosen(parser, option, text, known):
    names = text.split(",")
    for name in names:
        if name not in known:
            parser.error(f"{option}: no '{name}'; of {', '.join(known)}")
    return names


def check_options(parser, options):
    if options.quick:
        options.sizes, options.shapes, options.doors, options.runs = "1M", "random", "gdb,shell", 1
    if options.runs < 1:
        parser.error("--runs: at least 1")
    if options.keep and not options.cores:
        parser.error("--keep: in which folder? give --cores, too")
    names = [*(question.name for question in QUESTIONS), *exports.NAMES]
    options.only = chosen(parser, "--only", options.only, names) if options.only else []
    options.shapes = chosen(parser, "--shapes", options.shapes, SHAPES)
    options.sources = chosen(parser, "--from", options.sources, SOURCES)
    options.doors = chosen(parser, "--doors", options.doors, DOORS)
    options.peers = [] if options.peers == "none" else chosen(parser, "--peers", options.peers, peers.PEERS)
    try:
        options.more_sizes = [] if options.sizes else [python.SMALL_SIZE]
        options.sizes = [heaps.parse_size(text) for text in (options.sizes or SIZES).split(",")]
    except ValueError as error:
        parser.error(f"--sizes: {error}")


def open_doors(options, engine, folder):
    """Those of the asked for that are installed, and the commands that the engine has."""
    doors = []
    for name in options.doors:
        door = DOORS[name](engine, folder)
        missing = door.missing()
        if missing:
            print(f"bench: {name} is left out: {missing}", file=sys.stderr)
        else:
            doors.append(door)
    if not doors:
        raise Failure("no door is left to ask through")
    return doors, DOORS["shell"](engine, folder).verbs()


def core_of(heap, runner, folder):
    options = runner.options
    core = heaps.kept_core(heap, runner.build, folder) if options.keep else None
    if core is None:
        runner.progress.show(f"{heap.title}: writing a core")
        core = heaps.make_core(heap, runner.build, folder, options.gcore)
        runner.progress.show("")
    heaps.into_page_cache(core.path)
    return core


def ask_of_core(runner, heap, folder, tables, document):
    core = core_of(heap, runner, folder)
    target = Target(heap.exe(runner.build), core=str(core.path))
    rows = runner.measure(heap, "core", target, core.truth)
    print(heap_line(heap, "core", core.truth, core))
    print_rows(rows, core.truth["objects"])
    if heap.is_python:
        ask_python(runner, heap, core, rows, document)
    elif "floor" in runner.options.peers:
        try:
            times = peers.floor(runner.build, core, runner.options.runs)
            print_floor(times)
            document["floor"].append({"heap": heap.title, **times})
        except Trouble as trouble:
            runner.failures.append(f"{heap.title}: floor: {trouble}")
    ask_files(runner, heap, core, target, rows, document)
    tables.append((rows, core.truth["objects"]))
    discard(runner.options, core)


def ask_files(runner, heap, core, target, rows, document):
    """Of gcexport and gcdiff, where the shell is asked."""
    shells = [door for door in runner.doors if door.name == "shell"]
    graphs = [min(row.first) for row in rows if (row.door.name, row.question.name) == ("shell", "gcstat") and row.first]
    if shells and "gcexport" in runner.verbs:
        document["files"].append(exports.measure(runner, heap, core, target, shells[0], graphs[0] if graphs else None))


def ask_of_process(runner, heap, tables):
    with heaps.living(heap, runner.build, runner.folder) as (pid, truth):
        rows = runner.measure(heap, "live", Target(heap.exe(runner.build), pid=pid), truth)
    print(heap_line(heap, "live", truth))
    print_rows(rows, truth["objects"])
    tables.append((rows, truth["objects"]))


def ask_python(runner, heap, core, rows, document):
    """The process itself, and the tools that can read the same core."""
    try:
        runner.progress.show(f"{heap.title}: the process itself")
        said = python.ask_itself(heap, runner.build, core.truth)
        runner.progress.show("")
        python.print_itself(said, rows)
        document["itself"].append({"heap": heap.title, **said})
    except Trouble as trouble:
        runner.failures.append(f"{heap.title}: the process itself: {trouble}")
    if any(program for name, program in peers.programs().items() if name in runner.options.peers):
        document["peers"] += measure_peers(runner, heap, core, heap.exe(runner.build))


def ask_peers(runner, heap, folder, document):
    core = core_of(heap, runner, folder)
    document["peers"] += measure_peers(runner, heap, core, heap.exe(runner.build))
    discard(runner.options, core)


def discard(options, core):
    if not options.keep:
        core.path.unlink()


def as_json(tables):
    return [{"question": row.question.name, "heap": row.heap.title, "source": row.source, "door": row.door.name,
             "objects": objects, "first_seconds": row.first, "again_seconds": row.again, "target_seconds": row.target,
             "bytes_per_object": row.bytes_per_object(objects), "missed": row.misses(objects), "complete": row.complete,
             "trouble": row.trouble} for rows, objects in tables for row in rows]


def print_head(options, machine, needs, warnings, versions):
    print(host.machine_line(machine))
    print("packages: " + ", ".join(f"{name} {version or 'not from a Debian package'}" for name, version in versions.items()))
    print(f"method: {options.runs} sessions per figure (one where it takes more than {SLOW_SECONDS} s), round robin over "
          "questions and doors; cores are in\n  the page cache. first, median: the first answer of a session; again: the "
          "same question once more, least. The debuggers' start-up is\n  not counted, the shell's whole process is. "
          "bytes/object: peak of anonymous memory (debuggers: its growth), per object of the heap.\n"
          "  The engine's memory was written to before: a virtual machine gets its own from the host at the first touch")
    print(needs)
    for warning in warnings:
        print(f"environment: {warning}")
    sys.stdout.flush()


def measure_all(options, runner, wanted, folder, document):
    tables = []
    for heap in wanted:
        if heap.program == "inspect_malloc":
            ask_peers(runner, heap, folder, document)
            continue
        if "core" in options.sources:
            ask_of_core(runner, heap, folder, tables, document)
        if "live" in options.sources:
            ask_of_process(runner, heap, tables)
    print_absent_peers(options)
    python.print_sizes([row for rows, _ in tables for row in rows])
    growths = print_growth([row for rows, _ in tables for row in rows])
    print_summary(tables, growths)
    document["rows"] = as_json(tables)
    document["growth"] = [dict(zip(("question", "door", "source", "shape", "ratio"), growth)) for growth in growths]


def wanted_heaps(options, tools):
    shapes = list(options.shapes)
    if "python" in shapes and not shutil.which(heaps.PYTHON):
        print(f"bench: python is left out: there is no {heaps.PYTHON} (PYTHON= names another)", file=sys.stderr)
        shapes.remove("python")
    if not shapes:
        raise Failure("no shape is left to build")
    small = [Heap("python_heap.py", "python", size) for size in options.more_sizes if "python" in shapes]
    programs = ("inspect_heap", "inspect_malloc") if tools else ("inspect_heap",)
    return small + [Heap(program, shape, size) for size in options.sizes for shape in shapes
                    for program in (("python_heap.py",) if shape == "python" else programs)]


def run(options):
    build, engine = pathlib.Path(options.build), pathlib.Path(options.build) / "engine"
    host.build(build, targets=PROGRAMS)
    host.build(engine, source=HERE.parent, targets=ENGINE_TARGETS, settings=("-DCMAKE_BUILD_TYPE=RelWithDebInfo",))
    tools = any(program for name, program in peers.programs().items() if name in options.peers)
    wanted = wanted_heaps(options, tools)
    with tempfile.TemporaryDirectory(prefix="refheap-bench-") as name:
        folder = pathlib.Path(name)
        cores = pathlib.Path(options.cores) if options.cores else folder
        if not cores.is_dir():
            raise Failure(f"--cores: {cores} is no folder")
        kept = [heap for heap in wanted if options.keep and heaps.kept_core(heap, build, cores)]
        needs = heaps.check_room(wanted, kept, cores, tools)
        doors, verbs = open_doors(options, engine, folder)
        machine = host.describe_machine()
        warnings = list(host.warnings_before(None, machine))
        versions = {package: host.version_of(package) for package in ("gcc", "gdb", "lldb-19", "libc6", "python3.11")}
        print_head(options, machine, needs, warnings, versions)
        runner = Runner(options, doors, verbs, build, folder)
        document = {"machine": machine, "packages": versions, "runs": options.runs, "floor": [], "itself": [], "peers": [], "files": []}
        times, ticks, began = host.cpu_times(None), host.own_ticks(), time.monotonic()
        measure_all(options, runner, wanted, cores, document)
        warnings += report_end(times, ticks, began)
    for failure in runner.failures:
        print(f"bench: {failure}", file=sys.stderr)
    if options.json:
        document.update(warnings=warnings, failures=runner.failures)
        pathlib.Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if runner.failures else 0


def report_end(times, ticks, began):
    warnings = list(host.warnings_after(None, times, ticks))
    for warning in warnings:
        print(f"environment: {warning}")
    print(f"all of it took {time.monotonic() - began:.0f} s")
    return warnings
