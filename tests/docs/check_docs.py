"""check_docs.py - the documents say what the programs do.

- docs/commands.md is what `refheap --manual` prints;
- every key of a JSON answer is in the manual;
- every `$ refheap …` transcript of the README prints that, on the sample it is from, but for addresses and times;
- the README's program compiles without a warning, runs, prints nothing and leaves no object behind;
- so does every program (a ```c block) of a page in docs/, but prints what the ```text block below it says.

Invariant: a document without a transcript or program, or an answer without keys, is a failure, not a pass.
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
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})
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
                 "gcgraph --dot=/dev/null A#1", "gcfind --unreachable", "gcleaks", "gcstale", "refs 1", "gcverify"):
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


TUTORIALS = ("runtime.md", "values.md")  # pages that consist of programs

# Linked to each program: says on stdout what is left in a heap when it is destroyed.
CENSUS = """
#include <refheap/refheap.h>
#include <stdio.h>
void __real_rh_heap_destroy(rh_heap *heap);
void __wrap_rh_heap_destroy(rh_heap *heap);
void __wrap_rh_heap_destroy(rh_heap *heap)
{
    if (rh_gc_get_counts(heap).objects)
        printf("%zu objects left\\n", rh_gc_get_counts(heap).objects);
    __real_rh_heap_destroy(heap);
}
"""


def programs(text):
    """Each ```c block, with the ```text block right behind it, or "" if there is none."""
    return re.findall(r"^```c\n(.*?)^```\n(?:\n^```text\n(.*?)^```\n)?", text, re.M | re.S)


def check_program(options, name, source, wanted, path):
    require("rh_heap_destroy(" in source, "%s destroys no heap", name)
    for file_name, text in (("program.c", source), ("census.c", CENSUS)):
        with open(os.path.join(path, file_name), "w", encoding="utf-8") as file:
            file.write(text)
    said, status = run(options.compiler, "-Wall", "-Wextra", "-Werror", "-g", *options.flags.split(), "-Wl,--wrap=rh_heap_destroy",
                       "-I", os.path.join(ROOT, "runtime", "include"), os.path.join(path, "program.c"), os.path.join(path, "census.c"),
                       options.library, "-pthread", "-o", os.path.join(path, "program"))
    require(status == 0, "%s does not compile: %s", name, said)
    said, status = run(os.path.join(path, "program"))
    require(status == 0 and said == wanted, "%s ends with %d and prints:\n%s\nIt should print:\n%s", name, status, said, wanted)


def check_programs(options, folder):
    path = os.path.join(folder, "program")
    os.mkdir(path)
    check_program(options, "the README's program", *programs(read("README.md"))[0], path)
    counts = {}
    for page in sorted(page for page in os.listdir(os.path.join(ROOT, "docs")) if page.endswith(".md")):
        found = programs(read("docs", page))
        counts[page] = len(found)
        for number, (source, wanted) in enumerate(found, 1):
            name = "program %d of docs/%s" % (number, page)
            require(wanted != "", "%s has no ```text block right behind it", name)
            check_program(options, name, source, wanted, path)
    for page in TUTORIALS:
        require(counts.get(page, 0) >= 8, "docs/%s has %d programs", page, counts.get(page, 0))


def main():
    parser = argparse.ArgumentParser()
    for name in ("shell", "sample", "compiler", "library"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--flags", default="")
    options = parser.parse_args()
    check_commands(options.shell)
    with tempfile.TemporaryDirectory() as folder:
        check_programs(options, folder)
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
