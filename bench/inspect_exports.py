"""inspect_exports.py - the benchmark of gcexport and of gcdiff --save: what each kind of file takes to write from a core, how
large it gets, and how long the page keeps a person waiting in Chromium.

The shell writes the files: the debuggers' doors call the same code, and none of them has more to do. A file is removed when it
is measured. Invariant: a figure comes from a file that says it holds what the program built; a wrong one is a failure.
"""

import json
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass, field

import inspect_questions as questions
from inspect_doors import Trouble, last_line, watch
from inspect_questions import at, differs, first_wrong
from machine import HERE

TIMEOUT_SECONDS = 3600
SLOW_SECONDS = 10  # what takes longer is written once
CLICK_SECONDS = 0.1  # the longest that the page may keep somebody waiting
PAGE_OBJECTS, PICTURE_OBJECTS = 100_000, 100  # more are left out, and it is said how many


@dataclass(frozen=True)
class Kind:
    ending: str
    objects_most: int | None = None  # None: all are in the file
    disk: int = 100  # bytes of an object, rounded up
    bytes: float = questions.BYTES_WITH_DOMINATORS  # of the engine's own memory, per object
    by_name: bool = False  # takes so long that it is asked of the largest heap by --only alone
    command: str = "gcexport --json --force {}"
    seconds: float | None = None  # targets of the largest heap
    file_bytes: int | None = None

    @property
    def verb(self):
        return self.command.split()[0]

    @property
    def name(self):
        return self.verb + self.ending

    def check(self, heap, truth, answer):
        objects, left_out = at(answer, "objects") or 0, at(answer, "left_out") or 0
        all_said = objects + left_out
        is_known = all_said >= truth["objects"] if heap.is_python else all_said == truth["objects"]
        is_whole = self.verb == "gcexport" and self.objects_most is None and not heap.is_python
        return first_wrong(None if is_known else differs("objects", all_said, truth["objects"]),
                           differs("objects in the file", objects, min(all_said, self.objects_most or all_said)),
                           differs("references", at(answer, "references"), truth["edges"]) if is_whole else None)


KINDS = (Kind(".heapsnapshot"), Kind(".sqlite", disk=400, by_name=True), Kind(".html", PAGE_OBJECTS), Kind(".dot", PICTURE_OBJECTS),
         Kind(".saved", bytes=questions.BYTES, command="gcdiff --json --save={}", seconds=1, file_bytes=100_000_000))
NAMES = tuple(kind.name for kind in KINDS) + ("page",)


@dataclass
class Row:
    kind: Kind
    seconds: list = field(default_factory=list)
    bytes: int = 0
    file_bytes: int = 0
    complete: bool = True
    trouble: str | None = None


def is_wanted(name, options, heap, by_name=False):
    return name in options.only if options.only else not (by_name and heap.size >= questions.JUDGED_SIZE)


def write(row, shell, target, heap, truth, path):
    """Once; the file stays."""
    room = shutil.disk_usage(path.parent).free
    if room < row.kind.disk * heap.size:
        raise Trouble(f"{row.kind.disk * heap.size / 1e9:.0f} GB of disk are needed, and {room / 1e9:.0f} GB are free")
    begin = time.perf_counter()
    status, out, errors, samples = watch(shell.command(target, row.kind.command.format(path)), shell.environment, shell.folder,
                                         TIMEOUT_SECONDS)
    seconds = time.perf_counter() - begin
    if status:
        raise Trouble(f"exit status {status}: {last_line(out, errors)}")
    said = json.loads(out)
    wrong = first_wrong(row.kind.check(heap, truth, said), differs("the file's bytes", said["file_bytes"], path.stat().st_size))
    if wrong:
        raise Trouble(f"wrong answer: {wrong}")
    row.seconds.append(seconds)
    row.bytes = max(row.bytes, max((size for _, size in samples), default=0))
    row.file_bytes, row.complete = said["file_bytes"], row.complete and said["complete"]


def write_all(runner, heap, core, target, shell):
    """The rows, and what the page takes in a browser."""
    rows, page, wants_page = [], None, is_wanted("page", runner.options, heap)
    for kind in KINDS:
        is_asked = is_wanted(kind.name, runner.options, heap, kind.by_name)
        is_page = kind.ending == ".html" and wants_page
        if not is_asked and not is_page:
            continue
        row, path = Row(kind), core.path.parent / f"refheap-bench{kind.ending}"
        try:
            for run in range(runner.options.runs if is_asked else 1):
                runner.progress.show(f"{heap.title}: {kind.name}, {run + 1} of {runner.options.runs}")
                write(row, shell, target, heap, core.truth, path)
                if row.seconds[-1] > SLOW_SECONDS:
                    break
            page = open_page(runner, heap, path, core.truth) if is_page else page
        except (Trouble, ValueError) as trouble:
            row.trouble = str(trouble)
            runner.failures.append(f"{heap.title} core, shell, {kind.name}: {trouble}")
        finally:
            path.unlink(missing_ok=True)
            runner.progress.show("")
        rows += [row] if is_asked else []
    return rows, page


# ---- the page -----------------------------------------------------------------------------------------------------


def open_page(runner, heap, path, truth):
    """What inspect_page.mjs says; None if the browser or what drives it is not there."""
    node, chromium = shutil.which("node") or shutil.which("nodejs"), shutil.which("chromium")
    packages = runner.build / "engine" / "tests" / "web" / "node_modules"
    if not node or not chromium or not packages.is_dir():
        print("bench: page is left out: it needs Chromium, Node.js, and what npm fetched for tests/web")
        return None
    runner.progress.show(f"{heap.title}: the page in Chromium")
    done = subprocess.run([node, str(HERE / "inspect_page.mjs"), chromium, str(packages), str(path), str(runner.options.runs)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    if done.returncode:
        raise Trouble(f"the page: {last_line(done.stdout, done.stderr)}")
    said = json.loads(done.stdout)
    if not heap.is_python and said["objects"] != truth["objects"]:
        raise Trouble(f"the page: {differs('objects', said['objects'], truth['objects'])}")
    return said


def print_page(page):
    opened = [run["opened"] for run in page["runs"]]
    print(f"  page opened   Chromium{min(opened):9.0f}{statistics.median(opened):10.0f}  ms")
    longest = [max(run["clicks"], key=lambda click: click[1]) for run in page["runs"]]
    times = [milliseconds for _, milliseconds in longest]
    what, least = min(longest, key=lambda click: click[1])
    ratio = least / 1e3 / CLICK_SECONDS
    print(f"  longest click Chromium{least:9.0f}{statistics.median(times):10.0f}  ms until it is painted ({what}); target "
          f"{CLICK_SECONDS * 1e3:.0f}, {ratio:.2f} x: {'met' if ratio <= 1 else 'NOT MET'}")


# ---- the table ----------------------------------------------------------------------------------------------------


def verdict_of(row, heap, objects):
    """With the ratios to the targets, where there are more than that of memory."""
    if heap.size != questions.JUDGED_SIZE:
        return ""
    kind = row.kind
    ratios = {what: value / target for what, value, target in (("bytes", row.bytes / objects, kind.bytes), ("first", min(row.seconds), kind.seconds),
                                                               ("file", row.file_bytes, kind.file_bytes)) if target}
    said = ", ".join(f"{what} {ratio:.2f} x" for what, ratio in ratios.items() if ratio > 1 or len(ratios) > 1)
    return f"NOT MET: {said}" if max(ratios.values()) > 1 else f"met: {said}" if said else "met"


def print_rows(rows, heap, objects, graph_seconds):
    if not rows:
        return
    print(f"  {'file':<24}{'first ms':>10}{'median':>10}{'x gcstat':>10}{'bytes/object':>14}{'target':>8}{'file bytes':>16}{'/object':>9}  verdict")
    for row in rows:
        if row.trouble:
            print(f"  {row.kind.name:<24}failed, see below")
            continue
        ratio = f"{min(row.seconds) / graph_seconds:10.1f}" if graph_seconds else f"{'-':>10}"
        target = f"{row.kind.bytes:8.0f}" if heap.size == questions.JUDGED_SIZE else f"{'-':>8}"
        verdict = verdict_of(row, heap, objects)
        print(f"  {row.kind.name:<24}{min(row.seconds) * 1e3:10.1f}{statistics.median(row.seconds) * 1e3:10.1f}{ratio}"
              f"{row.bytes / objects:14.1f}{target}{row.file_bytes:16,}{row.file_bytes / objects:9.1f}  {verdict}"
              + ("" if row.complete else f"{', but ' if verdict else ''}incomplete"))


def measure(runner, heap, core, target, shell, graph_seconds):
    """Prints the table; returns it for the JSON document. graph_seconds: of gcstat, which makes the same graph; None: not asked."""
    rows, page = write_all(runner, heap, core, target, shell)
    objects = core.truth["objects"]
    print_rows(rows, heap, objects, graph_seconds)
    if page:
        print_page(page)
    return {"heap": heap.title, "objects": objects, "page": page, "rows": [
        {"file": row.kind.ending, "seconds": row.seconds, "bytes_per_object": row.bytes / objects, "file_bytes": row.file_bytes,
         "complete": row.complete, "trouble": row.trouble} for row in rows]}
