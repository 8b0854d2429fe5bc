"""check_warnings.py - gcc and clang have nothing to say of the tree's C, by more warnings than a build asks for.

Each file is read as the build compiles it, by compile_commands.json, but with WARNINGS; what no target of CMake is made of
(a fuzzer, a program that a test compiles itself, bench/, which is a project of its own) as APART says.
Invariant: every C file is read by each compiler, but those of bench/'s PEERS, whose headers need not be here; and each compiler
refuses a file that deserves it.
"""

import argparse
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes",
            "-Wpointer-arith", "-Wvla"]
APART = ["-std=gnu11", "-D_GNU_SOURCE", "-Iruntime/include", "-Iinspect/include", "-Iinspect/src", "-Itests/unit", "-Itests/doors", "-Ibench"]
PEERS = ["boehm.c", "cpython.c", "gobject.c", "rcbox.c", "trial.c"]
OWN_WAYS = {"tests/unit/runtime_asan.c": ["-fsanitize=address"]}
PLANTED = {"conversion": "int f(long a); int f(long a) { return a; }\n",
           "sign": "unsigned f(int a); unsigned f(int a) { return a; }\n",
           "extension": "int f(int a); int f(int a) { return ({ a; }); }\n",
           "prototype": "int f() { return 1; }\n"}


def own_files(root):
    for part in ("runtime", "inspect", "samples", "tests", "bench"):
        for folder, folders, names in os.walk(os.path.join(root, part)):
            folders[:] = [name for name in folders if not name.startswith("build")]
            yield from (os.path.relpath(os.path.join(folder, name), root) for name in names
                        if name.endswith(".c") and not (part == "bench" and name in PEERS))


def ways_of(commands, root):
    """Of each file the build compiles: the options that change what it means, and the folder they are meant in."""
    with open(commands, encoding="utf-8") as file:
        entries = json.load(file)
    ways = {}
    for entry in entries:
        words, kept = iter(shlex.split(entry["command"])[1:]), []
        for word in words:
            if word in ("-o", "-c", "-isystem"):
                following = next(words)
                kept += [word, following] if word == "-isystem" else []
            elif word.startswith(("-D", "-U", "-I", "-std", "-f", "-m")):
                kept.append(word)
        ways.setdefault(os.path.relpath(entry["file"], root), (kept, entry["directory"]))
    return ways


def said_of(compiler, path, options, folder):
    done = subprocess.run([compiler, *options, *WARNINGS, "-Werror", "-fsyntax-only", path], cwd=folder, capture_output=True,
                          encoding="utf-8", check=False)
    return "" if done.returncode == 0 else "%s of %s:\n%s" % (os.path.basename(compiler), path, done.stderr[:3000])


def refused(compiler):
    """Which of the planted mistakes the compiler does not see."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in PLANTED.items():
            path = os.path.join(folder, name + ".c")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            if not said_of(compiler, path, ["-std=gnu11"], folder):
                yield "%s says nothing of a planted %s" % (compiler, name)


def main():
    parser = argparse.ArgumentParser(description="Reads the tree's C with many warnings.")
    parser.add_argument("root")
    parser.add_argument("--commands", required=True, help="compile_commands.json of a build with all tests")
    parser.add_argument("--cc", action="append", required=True)
    options = parser.parse_args()
    ways, failures, jobs = ways_of(options.commands, options.root), [], []
    files = sorted(own_files(options.root))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for compiler in options.cc:
            failures += refused(compiler)
            for name in files:
                words, folder = ways.get(name) or (APART + OWN_WAYS.get(name, []), options.root)
                jobs.append(pool.submit(said_of, compiler, os.path.join(options.root, name), words, folder))
        failures += [job.result() for job in jobs if job.result()]
    for failure in failures:
        print(failure)
    print("%d files by %d compilers: %d warnings" % (len(files), len(options.cc), len(failures)))
    return 1 if failures or len(files) < 300 or len(set(options.cc)) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
