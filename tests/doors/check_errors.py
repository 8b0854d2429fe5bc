"""check_errors.py - bad input in one door: each mistake gets one clear line and the right status, never
a traceback, and with --json one document that says the same.

Invariant: no check looks for a whole sentence; it looks for one line, its beginning, the status, and
the word without which the line would not help.
"""

import argparse
import gzip
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

from launch import (ROOT, SCRIPTS, TIMEOUT_SECONDS, Gdb, Question, Shell, Subject, Target, door_of, report, require, run_tool,
                    tool_environment, without_traceback)

MAGIC = b"refheap-metadata"
SHADOW_BYTES = 1 << 26  # larger areas are a sanitizer's
VERSION_OFFSET = 24  # in the descriptor, see <refheap/metadata.h>
# What debuggers say on their own account while they read files.
NOISE = re.compile(r"^(warning: .*|error: \S+ 0x[0-9a-f]+: DW_.*|\[.*|)$")


def lines_of(answer):
    return [line for line in answer.error.splitlines() if not NOISE.match(line)]


def one_line(question, answer, *words):
    """A failure in text: nothing on stdout, one line on stderr."""
    without_traceback(answer.out + answer.error)
    lines = lines_of(answer)
    require(answer.status == 2, "%s: status %d: %s", question, answer.status, answer)
    require(answer.out == "" and len(lines) == 1, "%s: not one line on stderr: %s", question, answer)
    require(re.match(r"(error: )?(%s|refheap): \S" % question.command, lines[0]), "%s: begins strangely: %s", question, lines[0])
    for word in words:
        require(word in lines[0], "%s: %r is not in: %s", question, word, lines[0])


def one_document(question, answer, *words):
    without_traceback(answer.error)
    require(answer.status == 2, "%s: status %d: %s", question, answer.status, answer)
    try:
        document = json.loads(answer.out)
    except ValueError as error:
        require(False, "%s: no JSON document (%s): %s", question, error, answer)
    require(document["command"] == question.command and document["complete"] is False, "%s: %s", question, document)
    for word in words:
        require(word in document["error"], "%s: %r is not in: %s", question, word, document)


class Batch:
    """Questions to one target, each with its check, put in one process of the debugger."""

    def __init__(self, door, target, prelude=()):
        self.door, self.target, self.prelude = door, target, prelude
        self.checks = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_exception):
        if kind is None:
            answers = self.door.ask(self.target, [question for question, _check in self.checks], self.prelude)
            for (question, check), answer in zip(self.checks, answers, strict=True):
                check(question, answer)
        return False

    def expect(self, command, line, check):
        self.checks.append((Question(command, line), check))

    def fails(self, line, *words, command="refs"):
        """The same mistake in text and in JSON."""
        self.expect(command, line, lambda question, answer: one_line(question, answer, *words))
        self.expect(command, ("--json " + line).strip(), lambda question, answer: one_document(question, answer, *words))

    def finds(self, address, status):
        """objat answers on any number."""
        def check_document(question, answer):
            require(answer.status == 0 and json.loads(answer.out)["status"] == status, "%s: %s", question, answer)

        def check_text(question, answer):
            require(answer.status == 0 and answer.out.strip() and not lines_of(answer), "%s: %s", question, answer)
        self.expect("objat", "--json " + address, check_document)
        self.expect("objat", address, check_text)


def check_operands(batch, truth):
    first = truth["objects"][0]["address"]
    for line, *words in (["no_such_name", "no_such_name"], ["1 +"], ["12x"], ["A#999"], ["nosuchtype#1"], ["'"], ["1,"]):
        batch.fails(line, *words)
        batch.fails(line, *words, command="objat")
    for line in ("--nonsense 0x10", "--nonsense=1 " + first, "--limit=many " + first, "--limit=-1 " + first):
        batch.fails(line, re.match(r"--\w+", line).group(), command="objat")
    batch.fails("%s --nonsense" % first, "--nonsense", command="objat")
    batch.fails("%s, A#1, 0x10" % first, "one operand, got 3", "A#1, 0x10")
    batch.fails("A#1 B#2", "one operand, got 2")
    for line in ("A#1 --limit=1", "--limit 1 A#1", "A#1 --limit=1k --limit 1"):
        batch.expect("refs", line + " --json", lambda question, answer: require(
            answer.status == 0 and len(json.loads(answer.out)["referents"]) <= 1, "%s: %s", question, answer))
    batch.fails("", command="objat")
    batch.fails("--", command="refs")
    batch.fails("--nonsense", "--nonsense", command="gcgraph")


def check_queries(batch):
    """What is no question, and what a wrong one may have meant."""
    for line, *words in (["", "what is asked"], ["--", "what is asked"], ["--nonsense", "--nonsense"], ["--limit=many select 1", "--limit"],
                         ["select sise from objects", "no such column: sise", "objects has id", "referrers"],
                         ["select sise from objects o join refs r join holders h join history on 1", "no such column: sise", "objects has id", "referrers",
                          "refs has source", "holders has target", "history has id", "site_function"],
                         ["select 1 from object", "no such table: object", "objects, refs, holders"],
                         ["selec 1", "syntax error"], ["select 'a", "unrecognized token"], ["select 1; select 2", "one question at a time"],
                         ["delete from objects", "only reads"], ["attach '/tmp/a' as b", "only reads", "ATTACH"],
                         ["pragma writable_schema=1", "only reads", "PRAGMA"], ["select load_extension('a')", "only reads"],
                         ["--file=small-dicts", "?1"], ["--file=garbage-by-type more", "'more'"], ["--file=/nonexistent/a.sql", "/nonexistent/a.sql", "--list"],
                         ["--file=/", "/"], ["--csv --list 1", "ask nothing"]):
        batch.fails(line, *words, command="gcquery")


def check_places(batch, truth, stack):
    """objat on any number is an answer; refs on what is no object is none."""
    for address, status in (("0x10", "unmapped"), ("0xffffffffffffffff", "unmapped"), ("0", "unmapped"), (stack, "unmanaged")):
        batch.finds(address, status)
        batch.fails(address, address)
    inside = hex(int(truth["objects"][0]["address"], 16) + 8)
    batch.expect("objat", "--json " + inside, lambda question, answer: require(
        json.loads(answer.out)["offset"] == 8, "%s: %s", question, answer))


def check_no_heap(door, folder, program):
    """No process at all; a process without refheap; a file that is no core."""
    if not isinstance(door, Shell):
        for target in (Target(), Target(exe=program)):
            with Batch(door, target) as batch:
                batch.fails("0x10", command="objat")
                batch.fails("", command="gcgraph")
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        try:
            with Batch(door, Target(pid=sleeper.pid, exe=os.path.realpath("/bin/sleep"))) as batch:
                batch.fails("", "refheap", command="gcgraph")
                batch.fails("0x10", "refheap")
                batch.fails("select 1", "refheap", command="gcquery")
        finally:
            sleeper.kill()
    no_core = os.path.join(folder, "no_core")
    for content in (b"this is no core\n" * 300, b"", b"\x7fELF", b"\x7fELF" + bytes(5000)):
        with open(no_core, "wb") as file:
            file.write(content)
        check_no_core(door, no_core, program)


def check_compressed(door, target, folder):
    """The line says by what a core is compressed, and its command unpacks it."""
    if not isinstance(door, Shell):
        return  # debuggers open cores themselves
    packed = os.path.join(folder, "the user's core.gz")
    with open(target.core, "rb") as core, gzip.open(packed, "wb", compresslevel=1) as file:
        shutil.copyfileobj(core, file)
    out, error, status = run_tool([door.program, "--core", packed, "objat", "A#1"])
    require(status == 2 and not out and len(error.splitlines()) == 1 and "compressed" in error, "a compressed core: %s %s%s", status, out, error)
    subprocess.run(error.partition("first: ")[2], shell=True, cwd=folder, check=True)
    (answer,) = door.ask(target._replace(core=os.path.join(folder, "the user's core")), [Question("objat", "A#1")])
    require(answer.status == 0 and "A#1: live" in answer.out, "the unpacked core: %s", answer)


def check_no_core(door, no_core, program):
    if isinstance(door, Shell):
        with Batch(door, Target(core=no_core)) as batch:
            batch.fails("0x10", no_core)
        return
    # LLDB ends a batch when its own command line fails.
    load = ["core-file " + no_core] if door.name == "gdb" else [
        'script lldb.debugger.HandleCommand("target create --core %s")' % no_core]
    with Batch(door, Target(exe=program), load) as batch:
        batch.fails("0x10")


def segments(core):
    """(file offset, address, bytes) of the segments of an ELF64 core."""
    with open(core, "rb") as file:
        head = file.read(64)
        offset, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
    for i in range(count):
        kind, _flags, start, address, _physical, stored = struct.unpack_from("<IIQQQQ", table, i * size)
        if kind == 1 and stored:
            yield start, address, stored


def check_cut_core(door, target, truth, stack, folder):
    """Cut before the stack, a core still tells what the heap knows, and says that it is not all."""
    known = truth["objects"][0]
    with open(target.core, "rb") as file:
        whole = file.read()
    cut = os.path.join(folder, "cut")
    at_stack = next(start for start, address, size in segments(target.core) if address <= int(stack, 16) < address + size)
    with open(cut, "wb") as file:
        file.write(whole[:at_stack])
    questions = [Question("objat", "--json " + known["address"]), Question("refs", "--json " + known["address"])]
    objat, refs = door.ask(target._replace(core=cut), questions)
    require(objat.status == 0 and json.loads(objat.out)["object"]["id"] == known["id"], "objat in a cut core: %s", objat)
    require(refs.status == 0, "refs in a cut core: %s", refs)
    document = json.loads(refs.out)
    require(document["object"]["id"] == known["id"] and document["complete"] is False, "refs in a cut core: %s", refs)
    for share in (0.02, 0.2, 0.4, 0.6, 0.8):
        with open(cut, "wb") as file:
            file.write(whole[:int(at_stack * share)])
        for question, answer in zip(questions, door.ask(target._replace(core=cut), questions), strict=True):
            without_traceback(answer.error)
            document = json.loads(answer.out)
            require(answer.status in (0, 2) and (answer.status == 0 or document["error"]), "%s in %d%% of a core: %s",
                    question, share * 100, answer)


def descriptors(read, areas):
    """Addresses of the metadata descriptors in (address, size) areas: the magic, and then the
    descriptor's own address."""
    for address, size in areas:
        content = read(address, size)
        place = content.find(MAGIC)
        while place >= 0:
            if content[place + 16:place + 24] == struct.pack("<Q", address + place):
                yield address + place
            place = content.find(MAGIC, place + 1)


def check_version(door, subject):
    """A heap of an unknown metadata version, in a live process and in its core."""
    with open("/proc/%d/maps" % subject.process.pid, encoding="utf-8") as maps:
        areas = [tuple(int(part, 16) for part in line.split()[0].split("-")) for line in maps if " rw-p " in line]
    with open("/proc/%d/mem" % subject.process.pid, "r+b", buffering=0) as memory:
        def read(address, size):
            memory.seek(address)
            return memory.read(size)
        found = list(descriptors(read, [(start, end - start) for start, end in areas
                                        if end - start < SHADOW_BYTES]))
        require(len(found) == 1, "descriptors: %s", found)
        memory.seek(found[0] + VERSION_OFFSET)
        memory.write(struct.pack("<I", 4711))
    known = subject.truth["objects"][0]["address"]
    for target in (subject.live, subject.core):
        with Batch(door, target()) as batch:
            batch.fails(known, "version", "4711")


def check_statuses(door, target):
    """What a script sees: the status of the debugger itself."""
    good, bad = "objat 0x10", "refs 0x10"
    if isinstance(door, Shell):
        start = door.start(target)
        for line, expected in ((good.split(), 0), (bad.split(), 2), (["nosuchcommand"], 2), ([], 2), (["objat", "--help"], 0)):
            out, error, status = run_tool(start + line)
            require(status == expected, "%s: status %d: %s%s", line, status, out, error)
            require(bool(error) == (expected == 2), "%s: stderr %s", line, error)
        for argv in (["--core"], ["--pid", "x", "objat", "1"], ["--pid", "999999999", "objat", "1"], ["--nonsense"],
                     ["--core", "/nonexistent", "objat", "1"], ["objat", "1"], ["--core="], ["--pid", "0", "objat", "1"],
                     ["--json", "objat", "1"], ["--exe", door.program, "objat", "1"], ["--pid", "1", "--core", "x", "objat", "1"],
                     ["--core", target.core, "--no-stop", "objat", "1"], ["--core", target.core, "-x"], ["--core", "/tmp", "objat", "1"],
                     ["--core", target.core, target.core, "objat"], ["--core", target.core, "--exe", "/nonexistent", "objat", "1"],
                     ["objat", "1", "--core"], ["--core", target.core]):
            out, error, status = run_tool([door.program] + argv)
            require(status == 2 and not out and len(error.splitlines()) == 1, "%s: %d %s%s", argv, status, out, error)
        for argv in (["objat", "A#1", "--core", target.core], ["objat", "--core=" + target.core, "--limit=1", "A#1"], ["--core", target.core, "--help"]):
            out, error, status = run_tool([door.program] + argv)
            require(status == 0 and not error and ("A#1: live" in out or "usage:" in out), "%s: %d %s%s", argv, status, out, error)
        return
    if isinstance(door, Gdb):
        start = door.start(target) + ["-x", SCRIPTS["gdb"]]
        runs = ((["-ex", good], 0), (["-ex", bad], 1), (["-ex", good, "-ex", "quit $refheap_status"], 0),
                (["-ex", bad, "-ex", "quit $refheap_status"], 2), (["-ex", bad, "-ex", good, "-ex", "quit $refheap_status"], 0))
    else:
        start = door.start(target) + ["-o", "command script import " + SCRIPTS["lldb"]]
        through = 'script lldb.debugger.HandleCommand("%s")'
        leave = 'script lldb.debugger.HandleCommand("quit %d" % lldb.refheap_status)'
        runs = ((["-o", good], 0), (["-o", bad], 1), (["-o", bad, "-o", good], 1),
                (["-o", through % good, "-o", leave], 0), (["-o", through % bad, "-o", leave], 2))
    for arguments, expected in runs:
        out, error, status = run_tool(start + arguments)
        require(status == expected, "%s: status %d instead of %d: %s%s", arguments, status, expected, out, error)
        without_traceback(out + error)


def ends_never_when_full(lldb):
    """LLDB 14 tries again and again to write what it says itself: nothing of refheap's can be seen there."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        try:
            subprocess.run([lldb, "-x", "-b", "-o", "version"], env=tool_environment(), stdin=subprocess.DEVNULL, stdout=full,
                           stderr=subprocess.DEVNULL, timeout=20, check=False)
        except subprocess.TimeoutExpired:
            return True
    return False


def check_full(door, target):
    """An answer that is lost is an error. (LLDB prints it when the command has ended: the next one knows.)"""
    if isinstance(door, Shell):
        return
    argv = door.start(target)
    if door.name == "lldb" and ends_never_when_full(argv[0]):
        return
    argv += (["-x", SCRIPTS["gdb"], "-ex", "gcgraph", "-ex", "quit $refheap_status"] if isinstance(door, Gdb)
             else ["-o", "command script import " + SCRIPTS["lldb"], "-o", "gcgraph", "-o", "gcgraph"])
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(argv, env=tool_environment(), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                              timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8", errors="replace")
    require(done.returncode == (2 if isinstance(door, Gdb) else 1), "on a full disk: status %d: %s", done.returncode, done.stderr)
    require(done.stderr.count("gcgraph: the answer could not be written in full") == 1, "on a full disk: %s", done.stderr)


def check_help(door, target):
    """A debugger's own help of each command is wrapped once, at its terminal's width."""
    if isinstance(door, Shell):
        return
    names = re.findall(r"^## (\w+)$", open(os.path.join(ROOT, "docs", "commands.md"), encoding="utf-8").read(), re.MULTILINE)
    answers = door.ask(target, [Question("help", name) for name in names])
    for name, answer in zip(names, answers, strict=True):
        lines = answer.out.splitlines()
        require("example: " + name in lines[-1], "help %s: %s", name, answer)
        for line, after in zip(lines, lines[1:]):
            require(len(line) <= 80, "help %s: a long line: %s", name, line)
            is_one = line and after and not re.match(r"\s*(-|example:)", after) and not re.match(r"\s*--[\w-]+(=\w+)?$|Syntax:", line)
            require(not is_one or len(line) + 1 + len(after.split()[0]) > 78, "help %s: wrapped twice: %s|%s", name, line, after)


def check_run(door, program):
    """A program started by the debugger itself, stopped at its checkpoint by a breakpoint."""
    if isinstance(door, Shell):
        return
    if isinstance(door, Gdb):
        prelude = ["set environment REFHEAP_WAIT_AT", "break checkpoint", "run", "up"]
    else:
        prelude = ["breakpoint set -n checkpoint", "process launch -o /dev/null", "frame select 1"]
    questions = [Question("objat", "--json a"), Question("refs", "b --json"), Question("gcgraph", "--cycles --json"),
                 Question("objat", "*&a --limit=1 --json"), Question("gcgraph", "a, b --json --depth 0")]
    first, second, cycles, third, both = door.ask(Target(exe=program), questions, prelude)
    require(json.loads(first.out)["object"]["id"] == "A#1", "objat a: %s", first)
    require("main::b" in [row["name"] for row in json.loads(second.out)["referrers"]], "refs b: %s", second)
    require(json.loads(cycles.out)["cycles"] == [], "cycles: %s", cycles)
    require(json.loads(third.out)["object"]["id"] == "A#1", "objat *&a: %s", third)
    require(len(json.loads(both.out)["nodes"]) == 2, "gcgraph a, b: %s", both)


def check_written(door, subject):
    """Memory written by hand between two questions: the second is not answered from what is cached."""
    if isinstance(door, Shell):
        return
    write = ("set", "var %s") if isinstance(door, Gdb) else ("expression", "%s")
    questions = [Question("gcgraph", "--json", "main"), Question(write[0], write[1] % "a->next = 0", "main"),
                 Question("gcgraph", "--json", "main"), Question("refs", "--json b", "main"),
                 Question("refs", "--json --depth=2 a", "main"), Question(write[0], write[1] % "b->next = 0", "main"),
                 Question("gcgraph", "a", "main"), Question("refs", "--json --depth=2 a", "main"),
                 Question("refs", "--json b", "main"), Question(write[0], write[1] % "b_id = (unsigned long)b", "main"),
                 Question("refs", "--json b", "main")]
    cycle, _, none, refs, above, _, tree, last, fewer, _, more = door.ask(subject.live(), questions)
    require(len(json.loads(cycle.out)["cycles"]) == 1, "before: %s", cycle)
    require(json.loads(none.out)["cycles"] == [], "a cycle that was cut by hand is still there: %s", none)
    require(not [row for row in json.loads(refs.out)["referrers"] if row["kind"] == "field"], "a reference that is gone: %s", refs)
    require([row["from"] for row in json.loads(above.out)["referrers"] if row["kind"] == "field"] == ["B#2"], "refs a: %s", above)
    require("B#2" not in tree.out, "a reference that is gone is drawn: %s", tree)
    require(not [row for row in json.loads(last.out)["referrers"] if row["kind"] == "field"], "refs a, afterwards: %s", last)
    fewer, more = ([row["name"] for row in json.loads(each.out)["referrers"]] for each in (fewer, more))
    require("main::b_id" not in fewer and "main::b_id" in more, "a word that was written by hand: %s, then %s", fewer, more)


def main():
    parser = argparse.ArgumentParser(description="Checks one door's answers to mistakes.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="the sample cycle")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def checkpoint(folder):
        os.mkdir(folder)
        return Subject(arguments.program, 3, folder)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            with checkpoint(os.path.join(folder, "one")) as subject:
                with open("/proc/%d/maps" % subject.process.pid, encoding="utf-8") as maps:
                    (end,) = [line.split()[0].split("-")[1] for line in maps if line.rstrip().endswith("[stack]")]
                stack = hex(int(end, 16) - 64)
                for target in (subject.live, subject.core):
                    target = target()
                    with Batch(door, target) as batch:
                        check_operands(batch, subject.truth)
                        check_places(batch, subject.truth, stack)
                        check_queries(batch)
                check_statuses(door, target)
                check_full(door, target)
                check_help(door, target)
                check_compressed(door, target, folder)
                check_cut_core(door, target, subject.truth, stack, folder)
            check_no_heap(door, folder, arguments.program)
            with checkpoint(os.path.join(folder, "two")) as subject:
                check_version(door, subject)
            check_run(door, arguments.program)
            os.mkdir(os.path.join(folder, "three"))
            with Subject(arguments.program, 2, os.path.join(folder, "three")) as subject:
                check_written(door, subject)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
