"""architecture.py - the rules of refheap's tree, each as a function that looks and yields what breaks it.

Run: architecture.py ROOT --objects FILE… --library FILE --nm PROGRAM --cc PROGRAM, with $REFHEAP_INSPECT naming
an engine that plain Python can load, whose command table no door may repeat. Prints each violation and exits 1
if there is any. Here are the rules between the parts and those of every file; those of the doors are in
doors.py, those of the engine's rooms in rooms.py.
Invariant: before a rule is believed, it must find each violation planted for it in a copy of the tree
(SABOTAGE), so that no rule passes because it looks at nothing.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import types

from doors import SABOTAGE as SABOTAGE_OF_DOORS
from rooms import SABOTAGE as SABOTAGE_OF_ROOMS
from tree import C_FILES, PARTS, Tree, append, unit_of

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
SHARED_HEADERS = {"refheap/metadata.h", "refheap/inspect.h"}
OF_THE_ENGINE = re.compile(r"\brhi_|refheap[-_/]inspect|\binspect/|\binspect\.h")
DOOR = "inspect/python/refheap_door.py"
CONTRACT = "runtime/include/refheap/metadata.h"  # may say who shares it


def engine_includes_only_the_shared_header(tree):
    """inspect/ includes its own headers and <refheap/metadata.h>, nothing else of runtime/."""
    for path in tree.files("inspect", (".c", ".h")):
        for bracket, name in INCLUDE.findall(tree.text(path)):
            if bracket == "<":
                if name.startswith("refheap/") and name not in SHARED_HEADERS:
                    yield "%s includes <%s>" % (path, name)
            elif not any(os.path.exists(os.path.join(tree.root, base, name)) and ".." not in name
                         for base in (os.path.dirname(path), "inspect/src", "inspect/include")):
                yield '%s includes "%s", which is not in inspect/' % (path, name)
    for path in tree.files("inspect", ("CMakeLists.txt",)):
        if "runtime/src" in tree.text(path):
            yield "%s names runtime/src" % path


def runtime_knows_no_engine(tree):
    for path in tree.files("runtime", (".c", ".h", ".txt", ".in")):
        for match in OF_THE_ENGINE.finditer(tree.text(path)):
            if path == CONTRACT and match.group() == "inspect/":
                continue
            yield "%s mentions %s" % (path, match.group())


STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".clang-format")
COLUMNS = 100


def sources_are_formatted(tree):
    """As clang-format 14 writes them with the tree's file, and no line has more than 100 columns."""
    paths = [path for part in PARTS for path in tree.files(part, C_FILES)]
    for path in paths:
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if len(line) > COLUMNS:
                yield "%s:%d has %d columns" % (path, number, len(line))
    done = subprocess.run(["clang-format-14", "--style=file:" + STYLE, "-n", *paths], cwd=tree.root, check=True,
                          stderr=subprocess.PIPE, encoding="utf-8")
    for path in sorted(set(re.findall(r"^([^:\n]+):\d+:\d+: warning", done.stderr, re.MULTILINE))):
        yield "%s is not as clang-format 14 writes it" % path


FUNCTION_LINES = 60


def functions_are_short(tree):
    """Fewer than 60 lines between the braces, which stand alone in the first column."""
    for part in PARTS:
        for path in tree.files(part, C_FILES):
            for match in re.finditer(r"^([^\n]*)\n\{\n(.*?)^\}", tree.text(path), re.MULTILINE | re.DOTALL):
                if match[2].count("\n") >= FUNCTION_LINES:
                    yield "%s: a function of %d lines behind `%s`" % (path, match[2].count("\n"), match[1].strip())


def files_open_with_their_role(tree):
    """The first line of a file is its name, or how it is called, and behind a dash what it is for."""
    for part in PARTS:
        for path in tree.files(part, (*C_FILES, ".py")):
            if not re.match(r'(/\* |// |""")%s( [^\n]*)? - \S' % re.escape(os.path.basename(path)), tree.text(path)):
                yield "%s does not open with its role" % path


SABOTAGE = {
    engine_includes_only_the_shared_header: [
        append("inspect/src/spoiled.c", "#include <refheap/refheap.h>\n"),
        append("inspect/src/spoiled.c", '  #  include "heap.h"\n'),
        append("inspect/src/spoiled.c", '#include "../../runtime/include/refheap/metadata.h"\n'),
        append("inspect/CMakeLists.txt", "\ninclude_directories(${PROJECT_SOURCE_DIR}/runtime/src)\n"),
    ],
    runtime_knows_no_engine: [
        append("runtime/src/spoiled.c", "int rhi_spoiled;\n"),
        append("runtime/include/refheap/spoiled.h", "#include <refheap/inspect.h>\n"),
        append(CONTRACT, "/* see inspect.h */\n"),
        append("runtime/src/spoiled.c", "/* as inspect/src/reader.c wants it */\n"),
    ],
    sources_are_formatted: [
        append("runtime/src/heap.c", "int  spoiled;\n"),
        append("tests/unit/spoiled.c", "/* %s */\n" % ("x" * 95)),
        append("samples/spoiled.c", 'const char *spoiled = "%s";\n' % ("x" * 80)),
    ],
    functions_are_short: [
        append("inspect/src/base/text.c", "\nvoid spoiled(void)\n{\n%s}\n" % ("    spoil();\n" * 60)),
    ],
    files_open_with_their_role: [
        append("runtime/src/spoiled.h", "int spoiled;\n"),
        append("bench/spoiled.cpp", "// something else.cpp - spoils\n"),
        append("gdb/spoiled.py", '"""spoiled.py."""\n'),
    ],
}


def command_names(root):
    """The engine's command table, through the doors' own way to it."""
    path = os.path.join(root, DOOR)
    module = types.ModuleType("refheap_door")
    module.__file__ = path
    with open(path, encoding="utf-8") as source:
        exec(compile(source.read(), path, "exec"), module.__dict__)
    return [row["name"] for row in module.Engine().commands]


def broken(tree, copy, rule, spoils):
    yield from rule(tree)
    before = set(rule(copy))
    for number, spoil in enumerate(spoils, 1):
        with copy.planted(spoil):
            if set(rule(copy)) <= before:
                yield "the rule does not see plant %d" % number
    if not spoils:
        yield "nothing is planted for the rule"


def main():
    parser = argparse.ArgumentParser(description="Checks the rules of refheap's tree.")
    parser.add_argument("root")
    parser.add_argument("--objects", nargs="+", required=True)
    for name in ("library", "nm", "cc"):
        parser.add_argument("--" + name, required=True)
    given = parser.parse_args()
    tree = Tree(given.root, command_names(given.root), {unit_of(path): path for path in given.objects}, given.library,
                {"nm": shlex.split(given.nm), "cc": shlex.split(given.cc)})
    rules = {**SABOTAGE, **SABOTAGE_OF_DOORS, **SABOTAGE_OF_ROOMS}
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        copy = tree.copy(folder)
        for rule, spoils in rules.items():
            problems = list(broken(tree, copy, rule, spoils))
            for problem in problems:
                print("%s: %s" % (rule.__name__, problem))
            print("%-40s %s" % (rule.__name__, "FAILED" if problems else "ok"))
            failed = failed or bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
