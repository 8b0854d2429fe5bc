"""check_random.py - heaps built at random, in every door, against what their program says of them.

For each seed and each program (the variants of random_heap): all doors on the live process, on its core, on
the core without the executable, and on a core with fewer mappings. Every answer is held against the
program's truth, and every door against the first. ("shell" is a process for each question, "piped" one for all.)

By hand, for hours: check_random.py --shell build/inspect/refheap --seeds 1-1000 PROGRAM...

Invariant: the program runs from a copy in a temporary folder, so that a core alone is truly alone.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile

import expect
import expect_random
from launch import Failure, Subject, door_of, report, require, without_traceback
from python_target import PipedShell
from twin import Truth

COMMANDS = ("objat", "refs", "gcgraph", "gcstat", "gcfind", "gcleaks", "gcstale", "gcverify", "gcdiff", "gcquery", "gcexport", "refwatch")
FEW_MAPPINGS = 0x1  # of a core: private anonymous memory, no page of an ELF file


def ask_and_check(doors, target, truth, arguments, has_names, where):
    first = None
    memory = open("/proc/%d/mem" % target.pid, "rb", 0) if target.pid else None
    for door in doors:
        expectations = expect_random.Expectations(truth, has_names and door.has_expressions, "few" not in where, memory, target)
        asked = list(expectations.asked(arguments.commands, arguments.samples))
        questions = [each.question for each in asked]
        answers = door.ask(target, questions)
        for each, answer in zip(asked, answers, strict=True):
            attempt(arguments, check_answer, each, answer, "%s, %s" % (door.name, where), target)
        for index, question in enumerate(questions if first else []):
            attempt(arguments, check_agreement, question, first[0].name, first[1][index], door.name, answers[index])
        first = first or (door, answers)
        print("  %s, %s: %d answers" % (door.name, where, len(answers)), flush=True)
    if memory:
        memory.close()


def attempt(arguments, check, *details):
    """With --keep-going a check that does not hold is printed, and the next one made."""
    try:
        check(*details)
    except Failure as failure:
        if not arguments.keep_going:
            raise
        arguments.failures += 1
        print("FAILED: %s" % failure, flush=True)


def in_one_list(question, answer):
    """Of gcstale, and of its table: which of the words on a stack are certain depends on the names that a door knows."""
    document = expect.document_of(question, answer)
    if "certainty" in document.get("columns", ()):
        rows = [{**row, "certainty": None} for row in document["rows"]]
        document["rows"] = sorted(rows, key=lambda row: (row["holder_address"] or "", row["address"], row["name"]))
        return answer._replace(out=json.dumps(document))
    if question.command == "gcexport" and "error" not in document:  # names are longer where more of them are known
        return answer._replace(out=json.dumps({**document, "file_bytes": None}))
    if question.command != "gcstale" or "error" in document:
        return answer
    rows = document["stale"] + document.pop("possible")
    document["stale"] = sorted(rows, key=lambda row: (row["holder"]["address"] or "", row["address"], row["holder"]["offset"]))
    return answer._replace(out=json.dumps(document))


def check_agreement(question, one_name, one, other_name, other):
    if "pipe" in one_name + other_name:  # its status is the last answer's
        one, other = one._replace(status=None), other._replace(status=None)
    expect.check_agreement([question], one_name, [in_one_list(question, one)], other_name, [in_one_list(question, other)])


def check_answer(asked, answer, where, target):
    try:
        without_traceback(answer.error)
        document = expect.document_of(asked.question, answer)
        require("error" not in document, "%s", document.get("error"))
        expected = 0 if not asked.rows else 1 if document[asked.rows] else 0 if document["complete"] else 2
        if "pipe" not in where:  # there it is the last answer's
            require(answer.status == expected, "status %d instead of %d", answer.status, expected)
        if "few" not in where:
            require(document["complete"], "not complete: %s", document.get("incomplete_because"))
        asked.check(document)
    except Failure as failure:
        raise Failure("%s: %s %s: %s (%s)" % (where, asked.question.command, asked.question.line, failure, target)) from None


def check_program(program, seed, arguments):
    has_debug_info = not program.endswith("stripped")
    doors = [PipedShell(arguments.shell) if name == "piped" else door_of(name, arguments.shell) for name in arguments.doors]
    words = (["--unsound"] if arguments.unsound else []) + [str(seed), str(arguments.size)]
    for dump_filter in (None, FEW_MAPPINGS):
        modes = [mode for mode in arguments.modes if (mode == "few") == (dump_filter is not None)]
        if not modes:
            continue
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, os.path.basename(program))
            shutil.copy2(program, copy)
            os.mkdir(os.path.join(folder, "run"))
            with Subject(copy, 1, os.path.join(folder, "run"), words) as subject:
                truth = Truth({**subject.truth, "program": copy, "pid": subject.process.pid})
                causes = truth.check()
                print("%s %s: %d objects, %s" % (os.path.basename(program), " ".join(words), len(truth.objects), dict(causes)),
                      flush=True)
                if "live" in modes:
                    ask_and_check(doors, subject.live(), truth, arguments, has_debug_info, "live")
                core = subject.core(dump_filter)
                if "core" in modes:
                    ask_and_check(doors, core, truth, arguments, has_debug_info, "core")
                if "few" in modes:
                    ask_and_check(doors, core, truth, arguments, False, "core of few mappings")
                if "alone" in modes:
                    os.unlink(copy)
                    ask_and_check(doors, core._replace(exe=None), truth, arguments, False, "core alone")


def seeds_of(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def words_of(allowed):
    def parse(text):
        words = text.split(",")
        if not set(words) <= set(allowed):
            raise argparse.ArgumentTypeError("%s: of %s" % (text, ",".join(allowed)))
        return words
    return parse


def random_parser(description, modes, commands, size, samples):
    """The arguments of all checks of what was built at random; with these numbers if nothing else is said."""
    doors = ("shell", "piped", "gdb", "lldb")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--seeds", type=seeds_of, default=range(1, 2), help="as 1-100")
    parser.add_argument("--size", type=int, default=size, help="about so many objects")
    parser.add_argument("--samples", type=int, default=samples, help="how many objects are asked for one by one")
    parser.add_argument("--doors", type=words_of(doors), default=("shell", "gdb", "lldb"))
    parser.add_argument("--modes", type=words_of(modes), default=modes)
    parser.add_argument("--commands", type=words_of(commands), default=commands)
    parser.add_argument("--keep-going", action="store_true", help="do not end at the first check that does not hold")
    return parser


def main():
    parser = random_parser("Checks all doors on random heaps.", ("live", "core", "alone", "few"), COMMANDS, 300, 12)
    parser.add_argument("--unsound", action="store_true", help="heaps with counts that are wrong")
    parser.add_argument("programs", nargs="+")
    parser.set_defaults(failures=0)
    arguments = parser.parse_args()

    def body():
        for seed in arguments.seeds:
            for program in arguments.programs:
                check_program(program, seed, arguments)
        require(not arguments.failures, "%d checks did not hold", arguments.failures)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
