"""check_stacks.py - one door on recorded stacks: inlined functions, what is left out at both ends, the same rows in text
and JSON; and, in the shell, very many addresses of the program against addr2line.

Invariant: the recorded addresses in the core are replaced in place, so that any instruction of the program can be asked
for; the truth of its functions and lines is what binutils says.
"""

import argparse
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

import expect
from launch import TIMEOUT_SECONDS, Question, Subject, Target, door_of, report, require, without_traceback

DEPTH, EVENTS = 16, 64
START = re.compile(r"_start|__libc_start|generic_start|start_thread|_?_?clone3?$")


def history(door, target, truth):
    asked = [Question("objat", "--history --limit=0 --json " + truth["dead"]), Question("objat", "--history --limit=0 " + truth["dead"])]
    answers = door.ask(target, asked)
    for answer in answers:
        without_traceback(answer.error)
    return expect.document_of(asked[0], answers[0])["history"], answers[1].out


def gdb_core(subject):
    """It has no region for code, which is found in the file alone."""
    prefix = os.path.join(subject.folder, "gdb")
    subprocess.run(["gcore", "-o", prefix, str(subject.process.pid)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS)
    return Target(core="%s.%d" % (prefix, subject.process.pid), exe=subject.program)


def text_rows(event):
    """The lines that a stack of JSON has in text."""
    for number, row in enumerate(event["stack"]):
        place = "%s:%d" % (os.path.basename(row["file"]), row["line"]) if row["file"] else None
        if row["function"] is None and place is None:
            yield "    #%-2d %s%s" % (number, row["address"], " " + row["module"] if row["module"] else "")
        else:
            function = (row["function"] or "?") + "()"
            yield "    #%-2d %s %s" % (number, row["address"], function + (" " + place if place else "(\\+0x[0-9a-f]+)?")) + (
                " (inlined)" if row.get("inlined") else "")


def check_same(events, said):
    """What text says is what JSON says, row by row."""
    printed = [line for line in said.splitlines() if line.startswith("    #")]
    rows = [row for event in events for row in text_rows(event)]
    require(len(rows) == len(printed), "%d rows in JSON, %d lines of text", len(rows), len(printed))
    for row, line in zip(rows, printed):
        pattern = re.escape(row).replace(re.escape("(\\+0x[0-9a-f]+)?"), r"(\+0x[0-9a-f]+)?")
        require(re.fullmatch(pattern, line), "%r in text is %r", row, line)


def check_death(events, truth, has_lines):
    """The user's line first, each function with its own line, no libc at the end."""
    stack = next(event["stack"] for event in events if event["kind"] == "free")
    found = [(row["function"], row["line"], bool(row.get("inlined"))) for row in stack]
    wanted = [(name, truth["lines"][name] if has_lines else None, name != "work") for name in ("drop", "drop_twice", "work")]
    wanted = wanted if has_lines else wanted[2:]
    require(found[:len(wanted)] == wanted, "died in %s, not in %s", found, wanted)
    require(found[-1][0] == "main" and len(found) == len(wanted) + 1, "the stack does not end in main: %s", found)


def check_nameless_death(events, program):
    """Without symbols: the two calls of the program, and nothing of what started it."""
    stack = next(event["stack"] for event in events if event["kind"] == "free")
    rows = [(row["function"], (row["module"] or "?").split("+")[0]) for row in stack]
    require(rows == [(None, os.path.basename(program))] * 2, "a stripped program's stack is not work and main: %s", rows)


# ---- very many addresses -----------------------------------------------------------------------------


def functions_of(program):
    """(start, size) -> names of the functions with code."""
    said = subprocess.run(["nm", "-S", "--defined-only", program], stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    rows = [line.split() for line in said.splitlines()]
    found = {}
    for row in rows:
        if len(row) == 4 and row[2] in "tTwWiI" and not START.match(row[3]) and int(row[1], 16) > 1:
            found.setdefault((int(row[0], 16), int(row[1], 16)), []).append(row[3])
    return found


def frames_of(program, addresses):
    """[[(function, file, line)]], innermost first, by addr2line; None where it does not know."""
    said = subprocess.run(["addr2line", "-aifC", "-e", program], input="\n".join("0x%x" % each for each in addresses),
                          stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout.splitlines()
    found = []
    for line in said:
        if line.startswith("0x") and re.fullmatch("0x[0-9a-f]{16}", line):
            found.append([])
        else:
            found[-1].append(line)
    frames = []
    for lines in found:
        rows = []
        for function, place in zip(lines[::2], lines[1::2], strict=True):
            path, _, number = re.sub(r" \(discriminator \d+\)$", "", place).rpartition(":")
            number = int(number) if number.isdigit() and number != "0" else None
            rows.append((None if function == "??" else function, os.path.basename(path) if number else None, number))
        frames.append(rows)
    return frames


def plain(name):
    """A function's name without what compilers, demanglers and libraries spell each in their own way: its last part, no
    arguments, no parameters of templates, no version."""
    if name is None or "operator" in name or "lambda" in name:
        return "operator"
    name = name.replace("(anonymous namespace)", "").split("@")[0].split(" [clone")[0]
    while True:
        shorter = re.sub(r"<[^<>]*>|\([^()]*\)", "", name)
        if shorter == name:
            break
        name = shorter
    name = re.sub(r"\[abi:[^]]*\]", "", name).removesuffix(" const").split(" ")[-1].split("::")[-1]
    return re.sub(r"\.(part|constprop|isra|cold|lto_priv)(\.\d+)*|\.\d+$", "", name)


def addresses_of(event):
    return list(dict.fromkeys(int(row["address"], 16) for row in event["stack"]))


def replaced(core, folder, events, wanted):
    """The core with other recorded addresses: the recorded ones begin with what is shown of them."""
    with open(core, "rb") as file:
        image = bytearray(file.read())
    before = {struct.pack("<%dQ" % len(row), *row) for row in map(addresses_of, events)}
    seen = {at.start() for row in before for at in re.finditer(re.escape(row), image)}
    places = sorted(at for at in seen if {at - 8 * DEPTH, at + 8 * DEPTH} & seen)  # not what backtrace() left on its stack
    require(len(places) == EVENTS, "%d recorded stacks in the core, not %d", len(places), EVENTS)
    for at, row in zip(places, wanted, strict=True):
        image[at:at + 8 * DEPTH] = struct.pack("<%dQ" % DEPTH, *row)
    path = os.path.join(folder, "replaced")
    with open(path, "wb") as file:
        file.write(image)
    return path


def same_call(mine, truth):
    """Both are (function, file, line). A line that is not told is not wrong. Binutils 2.40 takes a header's first lines for
    those of the file that includes it."""
    is_header = (mine[1] or "").endswith(".h") and mine[2] == truth[2]
    return plain(mine[0]) == plain(truth[0]) and (mine[1:] in (truth[1:], (None, None)) or is_header)


def same_symbol(mine, address, functions):
    """Without debug info each of the symbols there will do."""
    return mine[2] is None and any(start <= address < start + size and plain(mine[0]) in map(plain, names)
                                   for (start, size), names in functions.items())


def check_many(door, core, truth, events, folder, seed):
    """1024 addresses; returns how many lines and inlined calls were told, and how many lines were not."""
    dice, bias = random.Random(seed), bias_of(core.exe, events)
    functions = functions_of(core.exe)
    chosen = dice.choices(list(functions), [size for _, size in functions], k=EVENTS * DEPTH)
    addresses = [start + dice.randrange(size) for start, size in chosen]
    addresses[::DEPTH] = [int(events[0]["stack"][-1]["address"], 16) - bias - 1] * EVENTS  # main: nothing is left out in front
    wanted = [[bias + address + 1 for address in addresses[at:at + DEPTH]] for at in range(0, len(addresses), DEPTH)]
    found, said = history(door, Target(core=replaced(core.core, folder, events, wanted), exe=core.exe), truth)
    check_same(found, said)
    rows = {}
    for event in found:
        for row in event["stack"]:
            call = (row["function"], os.path.basename(row["file"]) if row["file"] else None, row["line"])
            rows.setdefault((event["event"], int(row["address"], 16)), []).append(call)
    truths = dict(zip(addresses, frames_of(core.exe, addresses)))
    told = inlined = untold = deeper = 0
    for (_, address), got in rows.items():
        in_file = address - bias - 1
        frames = truths[in_file]
        is_same = len(got) % len(frames) == 0 and all(map(same_call, got, frames))
        is_same = is_same or same_symbol(got[0], in_file, functions)
        # Of code in several pieces Binutils 2.40 loses levels, or names the outer function instead of the inner one.
        is_deeper = len(got) >= len(frames) and got[0][2] == frames[0][2] and plain(got[-1][0]) == plain(frames[-1][0])
        deeper += not is_same and is_deeper
        require(is_same or is_deeper, "0x%x is %s, addr2line says %s", in_file, got, frames)
        inlined += len(got) > 1
        told += sum(row[2] is not None for row in got)
        untold += sum(row[2] is not None and mine[2] is None for mine, row in zip(got, frames))
    require(len(rows) > EVENTS * (DEPTH - 2) * 0.8, "only %d of the addresses are shown", len(rows))
    require(deeper < len(rows) * 0.02 and untold == 0, "of %d addresses %d differ, and %d lines are not told", len(rows), deeper, untold)
    return len(rows), told, inlined


def bias_of(program, events):
    """What the loader added to the program's addresses, from the call in main that all stacks end with."""
    said = subprocess.run(["readelf", "-hlW", program], stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    is_fixed = re.search(r"Type: +EXEC", said)
    row = events[0]["stack"][-1]
    return 0 if is_fixed else int(row["address"], 16) - int(row["module"].split("+")[1], 16)


def main():
    parser = argparse.ArgumentParser(description="Checks recorded stacks in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--no-lines", action="store_true", help="the program has no debug info")
    parser.add_argument("--no-names", action="store_true", help="the program has no symbols either")
    parser.add_argument("--many", type=int, default=0, help="so often 1024 addresses against addr2line")
    parser.add_argument("program", help="stacks.c")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "run"))
            with Subject(arguments.program, 1, os.path.join(folder, "run")) as subject:
                truth = subject.truth
                alive = None
                for make in (subject.live, lambda: gdb_core(subject), subject.core):  # which ends it
                    target = make()
                    events, said = history(door, target, truth)
                    check_same(events, said)
                    alive = alive or events
                    require(events == alive, "of a core the stacks are %s, of the process %s", events, alive)
                    if arguments.no_names:
                        check_nameless_death(events, arguments.program)
                    else:
                        check_death(events, truth, not arguments.no_lines)
                print("%-6s %d events" % (door.name, len(events)))
            for seed in range(arguments.many):
                print("%d addresses: %d lines told, %d with inlined calls" %
                      check_many(door, target, truth, events, folder, seed))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
