"""architecture.py - the rules between the parts of refheap, each as a function that greps.

Run: architecture.py ROOT, with $REFHEAP_INSPECT naming the built engine, whose command table no door
may repeat; prints each violation and exits 1 if there is any.
Invariant: before a rule is believed, it must find a violation planted for it in a copy of the tree
(SABOTAGE), so that no rule passes because it looks at nothing.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types

PARTS = ("runtime", "inspect", "gdb", "lldb", "samples", "tests", "bench")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
SHARED_HEADERS = {"refheap/metadata.h", "refheap/inspect.h"}
OF_THE_ENGINE = re.compile(r"\brhi_|refheap[-_/]inspect|\binspect/|\binspect\.h")
CONTRACT = "runtime/include/refheap/metadata.h"  # may say who shares it
HOSTS = {"gdb": "gdb/refheap_gdb.py", "lldb": "lldb/refheap_lldb.py", "ctypes": "inspect/python/refheap_door.py"}
DOORS = ("gdb/refheap_gdb.py", "lldb/refheap_lldb.py", "inspect/python/refheap_door.py")


def files(root, part, endings):
    for folder, _folders, names in os.walk(os.path.join(root, part)):
        for name in sorted(names):
            if name.endswith(endings):
                yield os.path.relpath(os.path.join(folder, name), root)


def text_of(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as source:
        return source.read()


def engine_includes_only_the_shared_header(root, _commands):
    """inspect/ includes its own headers and <refheap/metadata.h>, nothing else of runtime/."""
    for path in files(root, "inspect", (".c", ".h")):
        for bracket, name in INCLUDE.findall(text_of(root, path)):
            if bracket == "<":
                if name.startswith("refheap/") and name not in SHARED_HEADERS:
                    yield "%s includes <%s>" % (path, name)
            elif not any(os.path.exists(os.path.join(root, base, name)) and ".." not in name
                         for base in (os.path.dirname(path), "inspect/src", "inspect/include")):
                yield '%s includes "%s", which is not in inspect/' % (path, name)
    for path in files(root, "inspect", ("CMakeLists.txt",)):
        if "runtime/src" in text_of(root, path):
            yield "%s names runtime/src" % path


def runtime_knows_no_engine(root, _commands):
    for path in files(root, "runtime", (".c", ".h", ".txt", ".in")):
        for match in OF_THE_ENGINE.finditer(text_of(root, path)):
            if path == CONTRACT and match.group() == "inspect/":
                continue
            yield "%s mentions %s" % (path, match.group())


def imported(tree):
    """The top-level modules a Python file imports, in whatever way."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("__import__", "import_module"):
                yield str(node.args[0].value).split(".")[0]


def one_file_for_each_host(root, _commands):
    """gdb, lldb and ctypes are imported by one file each."""
    for part in PARTS:
        for path in files(root, part, (".py",)):
            for name in set(imported(ast.parse(text_of(root, path), path))):
                if name in HOSTS and path != HOSTS[name]:
                    yield "%s imports %s" % (path, name)
    for name, path in HOSTS.items():
        if name not in imported(ast.parse(text_of(root, path), path)):
            yield "%s no longer imports %s" % (path, name)


def doors_are_no_packages(root, _commands):
    for part in ("gdb", "lldb"):
        for path in files(root, part, ("__init__.py",)):
            yield "%s makes a package" % path


def doors_name_no_command(root, commands):
    if not commands:
        yield "the command table is empty"
    for path in DOORS:
        text = text_of(root, path)
        for name in commands:
            if re.search(r"\b%s\b" % re.escape(name), text):
                yield "%s names the command %s" % (path, name)


STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".clang-format")
COLUMNS = 100


def sources_are_formatted(root, _commands):
    """As clang-format 14 writes them with the tree's file, and no line has more than 100 columns."""
    paths = [path for part in PARTS for path in files(root, part, (".c", ".h", ".cpp"))]
    for path in paths:
        for number, line in enumerate(text_of(root, path).split("\n"), 1):
            if len(line) > COLUMNS:
                yield "%s:%d has %d columns" % (path, number, len(line))
    done = subprocess.run(["clang-format-14", "--style=file:" + STYLE, "-n", *paths], cwd=root, check=True,
                          stderr=subprocess.PIPE, encoding="utf-8")
    for path in sorted(set(re.findall(r"^([^:\n]+):\d+:\d+: warning", done.stderr, re.MULTILINE))):
        yield "%s is not as clang-format 14 writes it" % path


def append(path, text):
    def spoil(root, commands):
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "a", encoding="utf-8") as target:
            target.write(text.replace("COMMAND", commands[0]))
    return spoil


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
    one_file_for_each_host: [
        append("tests/doors/spoiled.py", "import gdb\n"),
        append("gdb/spoiled.py", "from lldb import SBTarget\n"),
        append("lldb/refheap_lldb.py", "\n__import__('ctypes')\n"),
        append("inspect/python/refheap_door.py", "\ndef late():\n    import gdb.printing\n"),
    ],
    doors_are_no_packages: [append("gdb/__init__.py", ""), append("lldb/deep/__init__.py", "")],
    sources_are_formatted: [
        append("runtime/src/heap.c", "int  spoiled;\n"),
        append("tests/unit/spoiled.c", "/* %s */\n" % ("x" * 95)),
        append("samples/spoiled.c", 'const char *spoiled = "%s";\n' % ("x" * 80)),
    ],
    doors_name_no_command: [append(path, '\nX = "COMMAND"\n') for path in DOORS],
}


def command_names(root):
    """The engine's command table, through the doors' own way to it."""
    module = types.ModuleType("refheap_door")
    module.__file__ = os.path.join(root, HOSTS["ctypes"])
    exec(compile(text_of(root, HOSTS["ctypes"]), module.__file__, "exec"), module.__dict__)
    return [row["name"] for row in module.Engine().commands]


def copied(root, folder):
    for part in PARTS:
        if os.path.isdir(os.path.join(root, part)):
            shutil.copytree(os.path.join(root, part), os.path.join(folder, part))


def prove(root, rule, spoil, commands):
    """A planted violation that the rule does not see is itself a violation."""
    with tempfile.TemporaryDirectory() as folder:
        copied(root, folder)
        before = set(rule(folder, commands))
        spoil(folder, commands)
        if set(rule(folder, commands)) <= before:
            yield "%s does not see what was planted for it" % rule.__name__


def main():
    parser = argparse.ArgumentParser(description="Checks the rules between the parts of refheap.")
    parser.add_argument("root")
    arguments = parser.parse_args()
    commands = command_names(arguments.root)
    failed = False
    for rule, spoils in SABOTAGE.items():
        problems = list(rule(arguments.root, commands))
        for spoil in spoils:
            problems += prove(arguments.root, rule, spoil, commands)
        for problem in problems:
            print("%s: %s" % (rule.__name__, problem))
        print("%-45s %s" % (rule.__name__, "FAILED" if problems else "ok"))
        failed = failed or bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
