"""check_docs.py - the documents say what the programs do.

- docs/commands.md is what `refheap --manual` prints;
- every key of a JSON answer is in the manual, and every command in the README;
- every transcript of the README, of the shell, GDB and LLDB, but for those about Python (check_python.py), is what is printed of the core of samples/mistakes.c, but for
  addresses, times and what a line with … alone leaves out; what it shows of that program is in it;
- so are the manual's of variables in GDB and LLDB, and those of samples/growth.c, at its moments;
- so are those of the pages that run samples themselves (LESSONS), and the pictures that they show are what is drawn;
- the README's first ten lines say for whom it is and what to type; it leads to every page of docs/, and no link of these pages leads nowhere;
- the README's own program compiles without a warning, runs, prints nothing and leaves no object behind;
- so does every program (a ```c block) of a page in docs/, but prints what the ```text block below it says.

Invariant: a document without a transcript or program, or an answer without keys, is a failure, not a pass.
"""

import argparse
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doors"))
from launch import ROOT, Failure, Gdb, Lldb, Question, Subject, Target, document_in, require, with_cores  # noqa: E402


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


def run(*words, folder=None):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False, cwd=folder,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})
    return done.stdout, done.returncode


def check_commands(shell):
    said, status = run(shell, "--manual")
    require(status == 0 and len(said) > 1000, "refheap --manual fails: %s", said)
    require(said == read("docs", "commands.md"), "docs/commands.md is not what `refheap --manual` prints: write it again")
    names = re.findall(r"^## (\w+)$", said, re.M)
    require(len(names) >= 8, "the manual has the commands %s", names)
    for name in names:
        require(re.search(r"^\|.*`%s\b.*\|$" % name, read("README.md"), re.M), "the README's table lacks %s", name)


def keys_of(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def check_keys(shell, cycle, mistakes, author):
    manual, seen = read("docs", "manual.md") + read("docs", "commands.md"), set()
    snapshot, exported = (os.path.join(os.path.dirname(cycle), name) for name in ("snapshot", "heap.sqlite"))
    for core, lines in ((cycle, ("objat --history --ledger A#1", "objat 16", "refs --path --weak --depth=2 --limit=1 A#1", "gcgraph --limit=1",
                                 "gcgraph --dot=%s A#1" % os.path.join(os.path.dirname(cycle), "graph.dot"), "gcfind --unreachable", "gcleaks", "gcstale", "gcstat", "refs 1", "gcverify",
                                 "gcdiff --save=" + snapshot, "gcdiff " + snapshot, "gcquery --list", "gcquery --tables",
                                 "gcquery select leaked from objects", "gcexport --force " + exported, "refwatch")),
                        (author, ("refs --ledger session#1",)),
                        (mistakes, ("gcleaks", "gcstale", "gcgraph", "gcstat --no-retained", "refs --path session#2"))):
        for line in lines:
            command, *rest = line.split()
            seen |= set(keys_of(document_in(run(shell, "--core", core, command, "--json", *rest)[0])))
    require(len(seen) > 60, "only these keys were seen: %s", sorted(seen))
    require({"allocated", "stack", "retained", "held_by", "expression"} <= seen, "these keys are missing: of %s", sorted(seen))
    for key in sorted(seen):
        require('"%s"' % key in manual or "`%s`" % key in manual, "the manual does not name the JSON key %s", key)


def crash_core(program, folder, **environment):
    """The core of a program that crashes: the kernel's, or GDB's where the kernel gives it to a program."""
    os.mkdir(folder)
    settings = {**os.environ, "ASAN_OPTIONS": "handle_sigill=0:handle_sigtrap=0:disable_coredump=0:detect_leaks=0", **environment}
    subprocess.run([program], cwd=folder, env=settings, preexec_fn=with_cores, stdout=subprocess.DEVNULL, check=False)
    if not glob.glob(os.path.join(folder, "core*")):
        subprocess.run(["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-ex", "run", "-ex", "gcore core", program],
                       cwd=folder, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    found = glob.glob(os.path.join(folder, "core*"))
    require(len(found) == 1, "%s left cores %s", program, found)
    return found[0]


def scrub(text):
    """Without what differs from run to run."""
    text = re.sub(r"thread \d+", "thread N", re.sub(r"0x[0-9a-f]+", "0x…", text))
    return re.sub(r"(\d{4}-\d\d-\d\dT|\b)\d\d:\d\d:[\d.]+Z", "TIME", text).strip()


def pattern_of(line):
    if line == "…":
        return r"(?:.*\n)+?"
    return re.escape(line[:-2]) + r".*\n" if line.endswith(" …") else re.escape(line) + r"\n"


def is_true(wanted, answer):
    """Is it the answer, but for what lines with … alone leave out (one line at least each), and the ends of lines with … there?"""
    return re.fullmatch("".join(map(pattern_of, scrub(wanted).splitlines())), scrub(answer) + "\n")


def transcripts(text):
    """(prompt, command, answer) of all blocks without a language that begin with a prompt."""
    for block in re.findall(r"^```[^\n]*\n.*?^```$", text, re.M | re.S):
        for part in re.split(r"^(?=\$ |\(gdb\) |\(lldb\) )", block.removesuffix("```"), flags=re.M)[1:]:
            command, _, answer = part.partition("\n")
            prompt, _, command = command.partition(" ")
            yield prompt, command, answer


def section(title):
    """The part of the manual under this heading."""
    return re.search(r"^(#+) %s\n(.*?)(?=^#{1,3} |\Z)" % re.escape(title), read("docs", "manual.md"), re.M | re.S).group(2)


def check_transcripts(shell, target):
    asked = [each for each in transcripts(read("README.md")) if "4711" not in each[1]]  # those: check_python.py
    for prompt, least in (("$", 2), ("(gdb)", 2), ("(lldb)", 1)):
        own = [(command, wanted) for where, command, wanted in asked if where == prompt]
        require(len(own) >= least, "the README has %d transcripts of %s", len(own), prompt)
        if prompt == "$":
            paths = {"refheap": shell, "core": target.core, "mistakes": target.exe}
            answers = [run(*(paths.get(word, word) for word in shlex.split(command))) for command, _ in own]
        else:
            questions = [Question(*(command + " ").split(" ", 1)) for command, _ in own]
            answers = [(answer.out, answer.status) for answer in (Gdb() if prompt == "(gdb)" else Lldb()).ask(target, questions)]
        for (command, wanted), (said, status) in zip(own, answers):
            require(status == 0 and is_true(wanted, said), "the README says of `%s %s`:\n%s\nIt ends with %s and prints:\n%s", prompt, command,
                    wanted, status, said)


def must_say(page, command, wanted, said, status):
    require(status == 0 and is_true(wanted, said), "docs/%s says of `%s`:\n%s\nIt ends with %s and prints:\n%s", page, command, wanted, status, said)


def check_growth(shell, growth, folder, page):
    """The page's transcripts of samples/growth.c, each asked at the next of its moments."""
    asked = [(command, wanted) for prompt, command, wanted in transcripts(read("docs", page)) if " gcdiff" in command]
    require(len(asked) == 2, "docs/%s has %d transcripts of gcdiff", page, len(asked))
    with subprocess.Popen([growth], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for command, wanted in asked:
            process.stdout.readline()
            words = {"refheap": shell, "4711": str(process.pid)}
            said, status = run(*(words.get(word, word) for word in shlex.split(command)), folder=folder)
            said, wanted = (re.sub(r"saved in \d+ bytes", "saved in N bytes", text) for text in (said, wanted))
            must_say(page, "$ " + command, wanted, said, status)
            process.stdin.write(b"\n")
            process.stdin.flush()
    require(process.returncode == 0, "growth ends with %s", process.returncode)


def check_watched(names):
    """The manual's transcript of samples/three_names.c in GDB."""
    asked = [(command, wanted) for prompt, command, wanted in transcripts(section("Tracing an object")) if prompt == "(gdb)"]
    require(len(asked) == 3, "the manual has %d transcripts of GDB", len(asked))
    prelude = ["set inferior-tty /dev/null", "tbreak checkpoint", "run", "up"]
    answers = Gdb().ask(Target(exe=names), [Question(*(command + " ").split(" ", 1)) for command, _ in asked], prelude)
    for (command, wanted), answer in zip(asked, answers, strict=True):
        require(is_true(wanted, answer.out), "the manual says of `(gdb) %s`:\n%s\nIt prints:\n%s%s", command, wanted, answer.out, answer.error)


TUTORIALS = ("runtime.md", "values.md")  # pages that consist of programs

# Linked to each program: says on stdout what is left in a heap when it is destroyed. (One shows how the heap says it.)
CENSUS = """
#include <refheap/refheap.h>
#include <stdio.h>
void __real_rh_heap_destroy(rh_heap *heap);
void __wrap_rh_heap_destroy(rh_heap *heap);
void __wrap_rh_heap_destroy(rh_heap *heap)
{
    if (rh_gc_get_counts(heap).objects && IS_SAID)
        printf("%zu objects left\\n", rh_gc_get_counts(heap).objects);
    __real_rh_heap_destroy(heap);
}
"""


def programs(text):
    """Each ```c block, with the ```text block right behind it, or "" if there is none."""
    return re.findall(r"^```c\n(.*?)^```\n(?:\n^```text\n(.*?)^```\n)?", text, re.M | re.S)


def check_program(options, name, source, wanted, path):
    require("rh_heap_destroy(" in source, "%s destroys no heap", name)
    for file_name, text in (("program.c", source), ("census.c", CENSUS.replace("IS_SAID", "0" if "report_leaks" in source else "1"))):
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
    shown = [source for source, _wanted in programs(read("README.md"))]
    require(len(shown) == 2 and shown[0] in read("samples", "mistakes.c"), "the README shows what is not in samples/mistakes.c:\n%s", shown[0])
    check_program(options, "the README's program", shown[1], "", path)
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


def check_queries(shell, core):
    """The manual's questions in SQL ask the core of samples/mistakes.c."""
    asked = [each for each in transcripts(read("docs", "manual.md")) if "--core service.core gcquery" in each[1]]
    require(len(asked) >= 5, "the manual has %d transcripts of gcquery", len(asked))
    for _, command, wanted in asked:
        said, status = run(*({"refheap": shell, "service.core": core}.get(word, word) for word in shlex.split(command)))
        require(status == 0 and is_true(wanted, said), "the manual says of `$ %s`:\n%s\nIt ends with %s and prints:\n%s", command, wanted, status, said)


def check_manual(shell, name, core):
    """The manual asks the core of a sample, which it calls by that name."""
    asked = [each for each in transcripts(read("docs", "manual.md")) if each[0] == "$" and "--core %s " % name in each[1]]
    require(asked, "the manual has no transcript of %s", name)
    for _, command, wanted in asked:
        said, status = run(*({"refheap": shell, name: core}.get(word, word) for word in shlex.split(command)))
        require(status == 0 and is_true(wanted, said), "the manual says of `$ %s`:\n%s\nIt ends with %s and prints:\n%s", command, wanted, status, said)


LESSONS = {"how-to.md": 13, "lesson.md": 38}  # pages that run samples, and how many questions they ask at least


def moments(text):
    """What such a page asks: `$ [NAME=VALUE…] build/samples/PROGRAM` leaves a core, of which the transcripts are that follow, up to the
    next such line. [(words of that line, [(prompt, command, wanted)])]"""
    found = []
    for prompt, command, wanted in transcripts(text):
        words = shlex.split(command)
        if prompt == "$" and words[-1].startswith("build/samples/"):
            found.append((words, []))
        elif "4711" not in words:  # that is of a process: check_growth
            found[-1][1].append((prompt, command, wanted))
    return found


def drawn(picture):
    """What a picture shows, but for the place of each thing: that differs with the fonts of a machine."""
    return re.sub(r'\s(?:width|height|viewBox|transform|points|x|y|d)="[^"]*"|<!-- Generated[^>]*-->', "", picture)


def check_pictures(page, folder, seen):
    for name in os.listdir(folder):
        if name.endswith(".svg"):
            seen.add(name)
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                require(drawn(file.read()) == drawn(read("docs", "pictures", name)), "docs/%s draws another picture than docs/pictures/%s", page, name)


def check_lesson(shell, samples, page, folder):
    asked, seen, text = 0, set(), read("docs", page)
    for number, (words, questions) in enumerate(moments(text)):
        inner = os.path.join(folder, "%s %d" % (page, number))
        exe = os.path.join(samples, os.path.basename(words[-1]))
        core = crash_core(exe, inner, **dict(word.split("=", 1) for word in words[:-1]))
        for prompt, command, wanted in questions:
            if prompt == "$":
                paths = {"refheap": shell, "core": core}
                must_say(page, "$ " + command, wanted, *run(*(paths.get(word, word) for word in shlex.split(command)), folder=inner))
        for prompt, door in (("(gdb)", Gdb()), ("(lldb)", Lldb())):
            own = [each[1:] for each in questions if each[0] == prompt]
            answers = door.ask(Target(core=core, exe=exe), [Question(*(command + " ").split(" ", 1)) for command, _ in own]) if own else []
            for (command, wanted), answer in zip(own, answers):
                must_say(page, prompt + " " + command, wanted, answer.out, 0)
        check_pictures(page, inner, seen)
        asked += len(questions)
    require(asked >= LESSONS[page], "docs/%s asks %d questions", page, asked)
    require(seen == set(re.findall(r"\(pictures/([^)]*)\)", text)), "docs/%s draws the pictures %s, and shows others", page, sorted(seen))


def headings(page):
    """As links name them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", read(page), re.M)}


def check_pages():
    """The README leads to each of them, and each link of theirs to a file and a heading."""
    pages = ["docs/" + name for name in sorted(os.listdir(os.path.join(ROOT, "docs"))) if name.endswith(".md")]
    for page in pages:
        require("](%s)" % page in read("README.md"), "the README does not lead to %s", page)
    first = "\n".join(read("README.md").splitlines()[:10])
    for word in ("**Python**", "**C**", "`refheap --core", "`./dev demo`"):
        require(word in first, "the README's first ten lines do not say %s", word)
    for page in ["README.md", *pages]:
        for link in re.findall(r"\]\(([^):]*)\)", read(page)):
            name, _, heading = link.partition("#")
            path = os.path.normpath(os.path.join(os.path.dirname(page), name)) if name else page
            require(os.path.exists(os.path.join(ROOT, path)) and (not heading or heading in headings(path)), "%s leads nowhere: %s", page, link)


def check_variables(target):
    """The manual's transcripts of debuggers that show variables, in the core of the sample `mistakes`."""
    for prompt, door in (("(gdb)", Gdb()), ("(lldb)", Lldb())):
        asked = [each[1:] for each in transcripts(section("Variables")) if each[0] == prompt]
        require(len(asked) >= 2, "the manual has %d transcripts of %s", len(asked), prompt)
        answers = door.ask(target, [Question(*(command + " ").split(" ", 1)) for command, _ in asked])
        for (command, wanted), answer in zip(asked, answers):
            require(is_true(wanted, answer.out), "the manual says of `%s %s`:\n%s\nIt prints:\n%s", prompt, command, wanted, answer)


def main():
    parser = argparse.ArgumentParser()
    for name in ("shell", "cycle", "mistakes", "growth", "stale", "author", "names", "compiler", "library"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--flags", default="")
    options = parser.parse_args()
    check_commands(options.shell)
    check_pages()
    with tempfile.TemporaryDirectory() as folder:
        check_watched(options.names)
        check_growth(options.shell, options.growth, folder, "manual.md")
        check_growth(options.shell, options.growth, folder, "how-to.md")
        for page in LESSONS:
            check_lesson(options.shell, os.path.dirname(options.cycle), page, folder)
        check_programs(options, folder)
        inner = os.path.join(folder, "cycle")
        os.mkdir(inner)
        with Subject(options.cycle, 3, inner) as subject:
            cycle = subject.core().core
        author = crash_core(options.author, os.path.join(folder, "author"))
        check_keys(options.shell, cycle, crash_core(options.mistakes, os.path.join(folder, "history"), REFHEAP_OPTIONS="history=1k,stacks=8"), author)
        core = crash_core(options.mistakes, os.path.join(folder, "plain"))
        check_queries(options.shell, core)
        check_transcripts(options.shell, Target(core=core, exe=options.mistakes))
        check_variables(Target(core=core, exe=options.mistakes))
        check_manual(options.shell, "core", crash_core(options.stale, os.path.join(folder, "stale"), REFHEAP_STOP_AT="reused"))
        check_manual(options.shell, "leak.core", author)


try:
    main()
except Failure as failure:
    sys.exit("check_docs: %s" % failure)
