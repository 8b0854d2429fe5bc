"""check_docs.py - the documents say what the programs do.

- docs/commands.md is what `refheap --manual` prints;
- every key of a JSON answer is in the manual;
- every `$ refheap …` transcript of the README prints that, on the sample it is from, but for addresses and times;
- the README's program compiles without a warning, runs and leaves nothing behind.

Invariant: a document without a transcript, or an answer without keys, is a failure, not a pass.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doors"))
from launch import ROOT, Failure, Subject, require  # noqa: E402


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    return done.stdout, done.returncode


def check_commands(shell):
    said, status = run(shell, "--manual")
    require(status == 0 and len(said) > 1000, "refheap --manual fails: %s", said)
    require(said == read("docs", "commands.md"), "docs/commands.md is not what `refheap --manual` prints: write it again")


def keys_of(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def check_keys(shell, core):
    manual, seen = read("docs", "manual.md") + read("docs", "commands.md"), set()
    for line in ("objat --history --ledger A#1", "objat 16", "refs --path --weak --limit=1 A#1", "gcgraph --limit=1",
                 "gcgraph --dot=/dev/null A#1", "refs 1"):
        command, *rest = line.split()
        seen |= set(keys_of(json.loads(run(shell, "--core", core, command, "--json", *rest)[0])))
    require(len(seen) > 30, "only these keys were seen: %s", sorted(seen))
    for key in sorted(seen):
        require('"%s"' % key in manual or "`%s`" % key in manual, "the manual does not name the JSON key %s", key)


def scrub(text):
    """Without what differs from run to run."""
    text = re.sub(r"thread \d+", "thread N", re.sub(r"0x[0-9a-f]+", "0x…", text))
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text).strip()


def transcripts(text):
    for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S):
        for part in re.split(r"^(?=\$ )", block, flags=re.M):
            if part.startswith("$ refheap "):
                command, _, answer = part.partition("\n")
                yield command[2:], answer


def check_transcripts(shell, cores):
    """Each transcript is true of one of the cores."""
    count = 0
    for command, wanted in transcripts(read("README.md")):
        words, answers = shlex.split(command)[1:], []
        for core, address in cores:
            line = [core if word == "core" else address if word.startswith("0x") else word for word in words]
            answers.append(run(shell, *line)[0])
        require(scrub(wanted) in map(scrub, answers), "the README says of `%s`:\n%s\nit prints:\n%s", command, wanted, "\n--\n".join(answers))
        count += 1
    require(count >= 3, "the README has %d transcripts", count)


def check_program(compiler, flags, library, folder):
    source = re.search(r"^```c\n(.*?)^```", read("README.md"), re.M | re.S).group(1)
    path = os.path.join(folder, "program")
    with open(path + ".c", "w", encoding="utf-8") as file:
        file.write(source)
    said, status = run(compiler, "-Wall", "-Wextra", "-Werror", "-g", *flags.split(), "-I", os.path.join(ROOT, "runtime", "include"), path + ".c",
                       library, "-pthread", "-o", path)
    require(status == 0, "the README's program does not compile: %s", said)
    said, status = run(path)
    require(status == 0 and said == "", "the README's program fails: %s", said)


def main():
    parser = argparse.ArgumentParser()
    for name in ("shell", "sample", "compiler", "library"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--flags", default="")
    options = parser.parse_args()
    check_commands(options.shell)
    with tempfile.TemporaryDirectory() as folder:
        check_program(options.compiler, options.flags, options.library, folder)
        cores = []
        for checkpoint in (3, 4):
            inner = os.path.join(folder, str(checkpoint))
            os.mkdir(inner)
            with Subject(options.sample, checkpoint, inner) as subject:
                cores.append((subject.core().core, subject.truth["objects"][0]["address"]))
        check_keys(options.shell, cores[0][0])
        check_transcripts(options.shell, cores)


try:
    main()
except Failure as failure:
    sys.exit("check_docs: %s" % failure)
