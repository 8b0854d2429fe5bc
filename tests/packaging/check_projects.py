"""check_projects.py - refheap's tree as a part of another CMake project: by add_subdirectory, and by FetchContent of a
folder, declared or named from outside, also where find_package asks for it; static and shared.

parent/CMakeLists.txt holds the part to what it may do while CMake runs; here it is built, run, tested and installed.
The runtime is built alone as well, for a folder of libraries like Debian's, and what is configured needs no Python.
Invariant: nothing is written but to a temporary folder whose name has a space.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from readme import install_lines

HERE = os.path.dirname(os.path.abspath(__file__))
WARNINGS = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
PROGRAM = os.path.join(HERE, "program.c")
LIBRARY = re.compile(r"librefheap.*\.(so|a)\b")


def require(condition, text):
    if not condition:
        sys.exit("check_projects: " + text)


def run(*words, **environment):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False,
                          env={**os.environ, **environment})
    require(done.returncode == 0, "%s ends with %d:\n%s" % (" ".join(words), done.returncode, done.stdout))
    return done.stdout


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(where, name), folder) for where, _, names in os.walk(folder) for name in names)


def is_shared(program):
    return "librefheap.so" in run("readelf", "-d", program)


def configure(options, source, build, *words):
    run(options.cmake, "-G", "Ninja", "-S", source, "-B", build, "-DCMAKE_C_COMPILER=" + options.cc, *words)


def check_part(options, folder, way, shared):
    """A program of a project that has the tree as its part."""
    build = os.path.join(folder, "%s %s" % (way, "shared" if shared else "static"))
    places = [] if way in ("subdirectory", "declared") else ["-DFETCHCONTENT_SOURCE_DIR_REFHEAP=" + options.source]
    configure(options, os.path.join(HERE, "parent"), build, "-DWAY=" + way, "-DREFHEAP_TREE=" + options.source, "-DPROGRAM=" + PROGRAM,
              "-DCMAKE_C_FLAGS=" + WARNINGS, "-DBUILD_SHARED_LIBS=%d" % shared, *places)
    run(options.cmake, "--build", build)
    program = os.path.join(build, "program")
    require(is_shared(program) == shared, "%s is %sshared" % (build, "not " if shared else ""))
    require(run(program) == "packaged\n", "%s does not say what it should" % program)
    built = [name for name in files_below(build) if LIBRARY.search(name)]
    require(built and all((".so" in name) == shared for name in built), "built beside what was asked for: %s" % built)
    require(not [name for name in files_below(build) if "inspect" in name and name.endswith(".o")], "%s has parts of the engine" % build)
    said = run("ctest", "--test-dir", build)
    require("1 tests passed" in said or "out of 1\n" in said, "the part brings tests:\n%s" % said)
    prefix = os.path.join(build, "to")
    run(options.cmake, "--install", build, "--prefix", prefix)
    require(files_below(prefix) == ["bin/program"], "installed: %s" % files_below(prefix))
    return build


def check_parents_wishes(options, folder):
    """What a project sets for its own sources does not break the part."""
    build = os.path.join(folder, "wishes")
    configure(options, os.path.join(HERE, "parent"), build, "-DWAY=subdirectory", "-DREFHEAP_TREE=" + options.source, "-DPROGRAM=" + PROGRAM,
              "-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON", "-DCMAKE_BUILD_TYPE=Release",
              "-DCMAKE_C_FLAGS=" + WARNINGS)
    run(options.cmake, "--build", build, "--target", "program")
    require(run(os.path.join(build, "program")) == "packaged\n", "with a parent's settings it says something else")


def check_both(options, build):
    """A project may have one of each, whatever it prefers."""
    run(options.cmake, "--build", build, "--target", "program_static", "program_shared")
    for name, shared in (("program_static", False), ("program_shared", True)):
        program = os.path.join(build, name)
        require(is_shared(program) == shared and run(program) == "packaged\n", "%s is linked otherwise" % name)


def check_multiarch(options, folder):
    """The runtime alone, installed below DESTDIR, twice, with libraries where Debian has them."""
    build, stage = os.path.join(folder, "multiarch"), os.path.join(folder, "stage")
    libdir = "lib/x86_64-linux-gnu"
    configure(options, options.source, build, "-DREFHEAP_ENGINE=OFF", "-DCMAKE_INSTALL_PREFIX=/usr", "-DCMAKE_INSTALL_LIBDIR=" + libdir)
    run(options.cmake, "--build", build)
    run(options.cmake, "--install", build, DESTDIR=stage)
    once = files_below(stage)
    run(options.cmake, "--install", build, DESTDIR=stage)
    require(files_below(stage) == once, "installed twice: %s, %s" % (once, files_below(stage)))
    where = os.path.join("usr", libdir)
    for name in ("librefheap.a", "librefheap.so.0", "pkgconfig/refheap.pc", "cmake/refheap/refheap-config.cmake"):
        require(os.path.join(where, name) in once, "no %s in %s" % (name, once))
    # A program as the README has it compiled, whose words may have no spaces.
    plain = os.path.join(os.path.dirname(folder), "plain")
    os.symlink(stage, plain)
    shutil.copy(PROGRAM, folder)
    found = os.path.join(plain, where)
    run("sh", "-c", 'cd "$0" && ' + install_lines(options.source)[2][0], folder, PKG_CONFIG_PATH=os.path.join(found, "pkgconfig"))
    require(run(os.path.join(folder, "a.out"), LD_LIBRARY_PATH=found) == "packaged\n", "with pkg-config it says something else")


def check_configured(options, folder):
    """As the README says; what is not needed is not looked for."""
    words = shlex.split(install_lines(options.source)[1][0])
    require(words[:3] == ["cmake", "-B", "build"], "the README says %s" % words)
    words[:3] = [options.cmake, "-S", options.source, "-B", os.path.join(folder, "configured")]
    words += ["-DREFHEAP_PAGE=OFF", "-DCMAKE_DISABLE_FIND_PACKAGE_Python3=ON"]
    run(*words, CMAKE_GENERATOR="Ninja")


def main():
    parser = argparse.ArgumentParser(description="Uses the tree as a part of other projects.")
    for name in ("cmake", "source", "cc"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.path.join(temporary, "with space")
        os.mkdir(folder)
        for way in ("subdirectory", "declared", "named", "found"):
            for shared in (False, True):
                build = check_part(options, folder, way, shared)
        check_both(options, build)
        check_parents_wishes(options, folder)
        check_multiarch(options, folder)
        check_configured(options, folder)
    print("8 projects with the tree as their part")


if __name__ == "__main__":
    main()
