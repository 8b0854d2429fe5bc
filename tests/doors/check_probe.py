"""check_probe.py - what a door lends, callback by callback, seen through the probe engine.

The same expectations for GDB and LLDB, on a live process and on its core. Invariant: every name and
value expected here follows from named.c; frame numbers differ between debuggers and are not compared.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile

from launch import (ROOT, SCRIPTS, Gdb, Question, Subject, Target, door_of, report, require, run_tool,
                    without_traceback)

CHUNK = 3 << 20  # what `probe read` asks for

# Expression at a place -> how the word is named, and its type. "main", "leaf", "worker": a word on that stack.
NAMES = [
    ("main", "&connection.session", "connection.session", "struct node *"),
    ("main", "&connection.either", "connection.either", "struct node *"),
    ("main", "&table[3]", "table[3]", "struct node *"),
    ("main", "&large[16]", "large[16]", "char"),
    ("inlined", "&within", "within", "struct node *"),
    ("inlined", "&connection.session", "connection.session", "struct node *"),
    ("leaf", "&held", "held", "struct node *"),
    ("leaf", "&by_value.session", "by_value.session", "struct node *"),
    ("worker", "&mine", "mine", "struct node *"),
    ("worker", "&kept[2]", "kept[2]", "struct node *"),
]
# The engine names data by itself; a door is asked where the files are not at hand.
GLOBALS = [
    ("main", "&registry.slots[3]", "registry.slots[3]", "struct node *"),
    ("main", "&registry", "registry.count", "int"),
    ("main", "&registry.pairs[2].left", "registry.pairs[2].left", "void *"),
    ("main", "&file_static[2]", "file_static[2]", "struct node *"),
    ("main", "&nodes[1].next", "nodes[1].next", "struct node *"),
]
# Expression -> another one of the same value.
SAME = [
    ("main", "table[3]", "&nodes[1]"),
    ("main", "connection", "&connection"),
    ("main", "table", "&table[0]"),
    ("main", "connection.session->number", "nodes[1].number"),
    ("main", "*table[3]", "&nodes[1]"),
    ("main", "registry.count", "7"),
    ("main", "color", "5"),
    ("main", "negative", "0xfffffffffffffffe"),
    ("main", "registry", "&registry"),
    ("main", "leaf", "&leaf"),
    ("main", "(void *)&nodes[1]", "table[0]"),
    ("main", "table[1 + 2]", "table[0]"),
]
BAD = [("main", "no_such_name"), ("main", "1 +"), ("main", "ratio"), ("main", "no such thing"), ("main", "*(int *)16")]


def value(answer, question):
    match = re.fullmatch(r"value (0x[0-9a-f]+)\n", answer.out)
    require(answer.status == 0 and match, "%s: %s", question, answer)
    return match.group(1)


class Probed:
    """named.c at its checkpoint, live or as a core, and the door to it."""

    def __init__(self, door, target):
        self.door, self.target = door, target

    def ask(self, *asked):
        questions = [Question("probe", line, frame, "worker-1" if frame == "worker" else None) for frame, line in asked]
        answers = self.door.ask(self.target, questions)
        for answer in answers:
            without_traceback(answer.error)
        return answers


def lwps(probed):
    (answer,) = probed.ask(("main", "threads"))
    threads = re.findall(r"^thread (\d+) (0x[0-9a-f]+)$", answer.out, re.MULTILINE)
    require(len(threads) == 2 and answer.out.endswith("status 0\n"), "threads: %s", answer)
    require(len(re.findall(r"^register rip 0x[0-9a-f]+$", answer.out, re.MULTILINE)) == 2, "registers: %s", answer)
    stacks = re.findall(r"^register rsp (0x[0-9a-f]+)$", answer.out, re.MULTILINE)
    require(stacks == [pointer for _lwp, pointer in threads], "stack pointers: %s", answer)
    numbers = [int(lwp) for lwp, _pointer in threads]
    require(numbers == sorted(numbers), "threads not by LWP: %s", numbers)
    return numbers


def check_names(probed):
    main_lwp, worker_lwp = lwps(probed)
    asked = [(frame, "name %d %s" % (worker_lwp if frame == "worker" else main_lwp, text)) for frame, text, *_ in NAMES]
    asked += [(frame, "name 0 " + text) for frame, text, *_ in GLOBALS]
    answers = probed.ask(*asked)
    for row, answer in zip(NAMES + GLOBALS, answers, strict=True):
        frame, text, name, kind = row
        expected = "name 0 %d [%s] [%s] [%s] " % ((1, name, frame, kind) if row in NAMES else (2, name, "", kind))
        require(answer.out.startswith(expected), "%s in %s: %s, expected %s", text, frame, answer, expected)
        level = int(answer.out[len(expected):])
        require((level > 0) == (row in NAMES), "%s in %s is in frame %d", text, frame, level)
    nowhere = probed.ask(("main", "name %d 16" % main_lwp), ("main", "name 0 16"))
    require({answer.out for answer in nowhere} == {"name 0 0 [] [] [] 0\n"}, "names for address 16: %s", nowhere)


def check_values(probed):
    asked = [(frame, text) for frame, *both in SAME for text in both]
    answers = probed.ask(*asked)
    values = [value(answer, question) for question, answer in zip(asked, answers, strict=True)]
    for (_frame, one, other), first, second in zip(SAME, values[::2], values[1::2], strict=True):
        require(first == second, "%s is %s, %s is %s", one, first, other, second)
    for (_frame, text), answer in zip(BAD, probed.ask(*BAD), strict=True):
        require(answer.status == 2 and not answer.out, "%s: %s", text, answer)
        require(len(re.findall(r"probe: .+", answer.error)) == 1, "%s: not one line: %s", text, answer)


def check_reads(probed):
    """A long read stops where memory ends, and gives all that comes before."""
    (mapped,) = probed.ask(("main", "regions"))
    regions = [(int(start, 16), int(end, 16), path) for start, end, path in
               re.findall(r"^region (0x\w+) (0x\w+) \d+ 0x\w+ (.*)$", mapped.out, re.MULTILINE)]
    require(any(path.endswith("/named") for *_, path in regions), "no region of the program: %s", mapped)
    start = int(value(probed.ask(("main", "&registry"))[0], "registry"), 16)
    end = start
    for low, high, _path in sorted(regions):
        if low <= end < high:
            end = high
    (answer,) = probed.ask(("main", "read &registry"))
    size = int(answer.out.split()[1])
    require(end > start and size == min(end - start, CHUNK), "read %d of %d bytes", size, end - start)
    require(probed.ask(("main", "read 16"))[0].out.split()[1] == "0", "address 16 can be read")
    (large,) = probed.ask(("main", "read &large"))
    require(int(large.out.split()[1]) > 100000, "the stack ends early: %s", large)
    return answer.out.split()[2]


def check_writes(probed):
    """A process takes what is written, where it has memory; a core cannot."""
    there, nowhere, again = probed.ask(("main", "write &registry"), ("main", "write 16"), ("main", "write &registry"))
    expected = ["write none\n"] * 3 if probed.target.core else ["write 8 taken\n", "write 0 lost\n", "write 8 taken\n"]
    require([each.out for each in (there, nowhere, again)] == expected, "writing: %s", (there, nowhere, again))


def check_words(probed):
    """Text passes unchanged in both directions; statuses become failures."""
    raw, split, notice, found = probed.ask((None, "raw a,  \"b\" --x 'c' -- d[1]"), (None, "split"), (None, "notice"), (None, "found"))
    require(raw.out == "raw [a,  \"b\" --x 'c' -- d[1]]\n", "the operand is not raw: %s", raw)
    require(split.out == "\u00e9 \ufffd\n", "UTF-8 in pieces: %s", split)
    require((notice.out, notice.status) == ("", 0) and "a notice\n" in notice.error, "notice: %s", notice)
    require(found.status == 1 and "probe: --check found something" in found.error, "found: %s", found)


def check_selection(probed):
    """A command that visits all threads and frames leaves the selected ones alone."""
    main_lwp, worker_lwp = lwps(probed)
    before, _threads, _name, after = probed.ask(
        ("leaf", "&held"), (None, "threads"), (None, "name %d 16" % worker_lwp), (None, "&held"))
    require(before.out == after.out and before.status == 0, "another frame is selected: %s, then %s", before, after)


def check_lent(probed):
    is_core = bool(probed.target.core)
    first, second = (dict(re.findall(r"^(\w+) \[?([^\]\n]*)\]?$", answer.out, re.MULTILINE))
                     for answer in probed.ask((None, "lent"), (None, "lent")))
    require(first["exe"] == probed.target.exe, "exe_path: %s", first)
    require(first["core"] == (probed.target.core if is_core else ""), "core_path: %s", first)
    require((first["pid"] == "0") == is_core, "pid: %s", first)
    if is_core and not isinstance(probed.door, Gdb):  # as one before 18
        older = "script hasattr(lldb.SBProcess, 'GetCoreFile') and delattr(lldb.SBProcess, 'GetCoreFile')"
        (answer,) = probed.door.ask(probed.target, [Question("probe", "lent")], [older])
        require("core [%s]" % probed.target.core in answer.out, "core_path of an LLDB that does not tell it: %s", answer)
    require(first["state"] == second["state"], "the state of a stopped target changes: %s", first)
    if not is_core:  # (LLDB does not tell of memory that is written without running anything)
        change = Question("set", "var registry.count = 7") if isinstance(probed.door, Gdb) else Question("expression", "(int)getpid()")
        questions = [Question("probe", "lent"), change, Question("probe", "lent")]
        states = [re.search(r"state (\d+)", answer.out) for answer in probed.door.ask(probed.target, questions)]
        require(states[0].group() != states[2].group(), "writing memory leaves the state as it was: %s", states[0].group())


def package_of(door):
    """The folder of a door's modules."""
    return os.path.join(os.path.dirname(SCRIPTS[door.name]), "refheap_in_" + door.name)


def check_loading(door, program, folder, older):
    """Loaded twice, by two paths, a door works once; what it cannot load it says in one line."""
    copies = os.path.join(folder, "installed")
    os.mkdir(copies)
    for path in (SCRIPTS[door.name], os.path.join(ROOT, "inspect", "python", "refheap_door.py")):
        shutil.copy2(path, copies)
    shutil.copytree(package_of(door), os.path.join(copies, os.path.basename(package_of(door))))
    again = "%s %s" % ("source" if door.name == "gdb" else "command script import",
                       os.path.join(copies, os.path.basename(SCRIPTS[door.name])))
    target = Target(exe=program)
    for prelude in ([again], [again, again]):
        (answer,) = door.ask(target, [Question("probe", "raw twice")], prelude)
        require(answer.out == "raw [twice]\n", "loaded again: %s", answer)
    engine, alone = os.environ["REFHEAP_INSPECT"], os.path.join(folder, "alone")
    half = os.path.join(folder, "half")
    os.mkdir(alone)
    shutil.copytree(package_of(door), os.path.join(half, os.path.basename(package_of(door))))
    for name, value_, text in (("PROBE_ABI", "77", "ABI 77"), ("REFHEAP_INSPECT", "/nonexistent.so", "/nonexistent.so"),
                               ("REFHEAP_INSPECT", program, "cannot load the engine"), ("REFHEAP_INSPECT", older, "older than this script"),
                               ("SCRIPT", alone, "/refheap_in_" + door.name), ("SCRIPT", half, half + "/refheap_door.py")):
        script = shutil.copy2(SCRIPTS[door.name], value_) if name == "SCRIPT" else SCRIPTS[door.name]
        load = ["-ex", "source " + script] if door.name == "gdb" else ["-o", "command script import " + script]
        out, error, _status = run_tool(door.start(target) + load, env={"REFHEAP_INSPECT": engine, name: value_})
        lines = [line for line in error.splitlines() if "refheap: " in line]
        require(len(lines) == 1 and text in lines[0], "%s=%s: not one line: %s %s", name, value_, out, error)
        without_traceback(out + error)
    for place in (os.path.dirname(SCRIPTS[door.name]), package_of(door), os.path.join(ROOT, "inspect", "python"), copies):
        require(not [each for each in os.listdir(place) if each.startswith("__pycache__")], "bytecode in %s", place)


def check_help(door, program):
    (answer,) = door.ask(Target(exe=program), [Question("help", "probe")])
    for text in ("Shows what a door lends.", "The long help of probe."):
        require(answer.out.count(text) == 1, "help: %s", answer.out)


def check_no_process(door, program):
    for target in (Target(), Target(exe=program)):
        probed = Probed(door, target)
        lent, regions, threads, read = probed.ask((None, "lent"), (None, "regions"), (None, "threads"), (None, "read 16"))
        require("pid 0" in lent.out and "core []" in lent.out, "lent without a process: %s", lent)
        for answer in (regions, threads):
            require(re.fullmatch(r"status (0|-1)\n", answer.out), "regions or threads of nothing: %s", answer)
        require(read.out.startswith("read 0 "), "memory of nothing: %s", read)


def check_all(door, program, folder, older):
    os.mkdir(os.path.join(folder, "run"))
    sums = []
    with Subject(program, 1, os.path.join(folder, "run")) as subject:
        for target in (subject.live, subject.core):
            probed = Probed(door, target())
            for check in (check_names, check_values, check_reads, check_writes, check_words, check_selection, check_lent):
                sums.append(check(probed))
                print("%-5s %-5s %s" % (door.name, "core" if probed.target.core else "live", check.__name__))
    # The checks that know a sum of the bytes they saw: it is the same, live and in the core.
    require(len(set(filter(None, sums))) == 1, "other bytes in the core than in the process: %s", sums)
    check_help(door, program)
    check_no_process(door, program)
    check_loading(door, program, folder, older)


def main():
    parser = argparse.ArgumentParser(description="Checks what a door lends.")
    parser.add_argument("--door", choices=("gdb", "lldb"), required=True)
    parser.add_argument("--older", required=True, help="an engine that lacks a function")
    parser.add_argument("program", help="named.c, built with -O0 -g")
    arguments = parser.parse_args()

    def body():
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "named")
            shutil.copy2(arguments.program, copy)
            check_all(door_of(arguments.door, None), copy, folder, arguments.older)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
