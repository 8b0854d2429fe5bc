"""tree.py - the tree of refheap as its rules see it: files, text, and what was built from them.

Invariant: a rule learns everything from a Tree, so that it looks at a copy with a planted violation
in the same way as at the real one.
"""

import contextlib
import os
import re
import shutil
import subprocess

PARTS = ("runtime", "inspect", "gdb", "lldb", "samples", "tests", "bench")
C_FILES = (".c", ".h", ".cpp")
ENGINE = "inspect/src/"


class Tree:
    """`objects` has the object file of each source of the engine, by "room/name"."""

    def __init__(self, root, commands, objects, library, tools):
        self.root, self.commands, self.objects, self.library, self.tools = root, commands, objects, library, tools

    def path(self, name):
        return os.path.join(self.root, name)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as source:
            return source.read()

    def files(self, part, endings):
        for folder, _folders, names in sorted(os.walk(self.path(part))):
            for name in sorted(names):
                if name.endswith(endings):
                    yield os.path.relpath(os.path.join(folder, name), self.root)

    def run(self, tool, *words):
        done = subprocess.run([*self.tools[tool], *words], stdout=subprocess.PIPE, encoding="utf-8", check=True)
        return done.stdout

    def copy(self, folder):
        for part in (*PARTS, "docs"):
            if os.path.isdir(self.path(part)):
                shutil.copytree(self.path(part), os.path.join(folder, part))
        return Tree(folder, self.commands, self.objects, self.library, self.tools)

    @contextlib.contextmanager
    def planted(self, spoil):
        """Only of a copy: what `spoil` did to it is undone afterwards."""
        objects, library, self.before = dict(self.objects), self.library, {}
        spoil(self)
        yield
        self.objects, self.library = objects, library
        for path, content in self.before.items():
            if content is None:
                os.remove(path)
            else:
                with open(path, "wb") as file:
                    file.write(content)

    def append(self, name, text):
        path, content = self.path(name), None
        if os.path.exists(path):
            with open(path, "rb") as file:
                content = file.read()
        self.before.setdefault(path, content)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)


def unit_of(object_file):
    """"room/name" of an object file of the engine."""
    return re.sub(r"(\.c)?\.o(bj)?$", "", object_file.replace(os.sep, "/").rsplit("/src/", 1)[1])


def append(name, text):
    """Plants text at the end of a file, a new one if need be."""
    return lambda tree: tree.append(name, text.replace("COMMAND", tree.commands[0]))


def add_source(unit, text):
    """Plants a source of the engine, and the object file that a compiler makes of it."""
    def spoil(tree):
        source, made = ENGINE + unit + ".c", tree.path("spoiled-%d.o" % len(tree.objects))
        tree.append(source, text)
        tree.run("cc", "-c", tree.path(source), "-o", made)
        tree.objects[unit] = made
    return spoil


def all_of(*spoils):
    def spoil(tree):
        for one in spoils:
            one(tree)
    return spoil
