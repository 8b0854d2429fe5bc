"""check_headers.py - every public header compiles alone and twice, and all that refheap.h offers can be used, without
a warning: by gcc and clang, in each standard of C and C++ that it may meet. And a type whose struct does not
begin with its rh_object is refused by each.

Invariant: a compiler that is named must be there and know the standards; at least one of C and one of C++ are named.
"""

import argparse
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-fsyntax-only"]
STANDARDS = {"c": ("c11", "c17", "c2x", "gnu11", "gnu17", "gnu2x"),
             "cpp": ("c++11", "c++14", "c++17", "c++20", "gnu++11", "gnu++17", "gnu++20")}


def sources(folders):
    """Name and text of each translation unit."""
    for folder in folders:
        for name in sorted(os.listdir(os.path.join(folder, "refheap"))):
            yield name, ("#include <refheap/%s>\n" % name) * 2 + "typedef int not_empty;\n"
    yield "headers_use.h", '#include "headers_use.h"\n'


TYPE = """#include <refheap/refheap.h>
struct other { long before; rh_object base; long behind; };
struct node { rh_object base; long behind; };
struct leaf { struct node node; };
extern size_t size;
size_t size = RH_SIZE(struct %s);
"""
MISTAKES = ("other, base", "other, before", "node, behind")
RIGHT = ("node, base", "leaf, node")


def check_types(path, command):
    """What RH_SIZE takes and what it refuses, by one compiler; lines about what is wrong."""
    for members in RIGHT + MISTAKES:
        with open(path, "w", encoding="utf-8") as file:
            file.write(TYPE % members)
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if (done.returncode == 0) != (members in RIGHT) or (members in MISTAKES and "negative" not in done.stderr):
            yield "RH_SIZE(struct %s), %s: status %d:\n%s" % (members, " ".join(command), done.returncode, done.stderr[:1500])


def main():
    parser = argparse.ArgumentParser(description="Compiles the public headers.")
    parser.add_argument("--include", action="append", required=True, help="a folder with refheap/*.h")
    parser.add_argument("--cc", action="append", required=True)
    parser.add_argument("--cxx", action="append", required=True)
    arguments = parser.parse_args()
    folders = ["-I" + folder for folder in arguments.include] + ["-I" + HERE]
    failures, compiled = [], 0
    with tempfile.TemporaryDirectory() as temporary:
        for ending, compilers in (("c", arguments.cc), ("cpp", arguments.cxx)):
            for name, text in sources(arguments.include):
                path = os.path.join(temporary, "header." + ending)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                for compiler in compilers:
                    for standard in STANDARDS[ending]:
                        command = [compiler, "-std=" + standard, *WARNINGS, *folders, path]
                        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
                        compiled += 1
                        if done.returncode != 0:
                            failures.append("%s, %s, %s:\n%s" % (name, compiler, standard, done.stderr[:1500]))
            for compiler in compilers:
                for standard in STANDARDS[ending]:
                    failures += check_types(path, [compiler, "-std=" + standard, *WARNINGS, *folders, path])
    for failure in failures:
        print(failure)
    print("%d of %d translation units without a warning" % (compiled - len(failures), compiled))
    return 1 if failures or compiled < 2 * 5 * 6 else 0


if __name__ == "__main__":
    sys.exit(main())
