"""check_packaging.py - what `cmake --install` leaves, used by programs outside the tree.

The build is installed into a temporary prefix with a space in its name, twice, which is then moved: everything is
checked at the second place, so that nothing installed may remember the first one.
- the files name neither the first prefix nor the tree;
- every header compiles alone, as C11 with -pedantic and as C++;
- each library exports exactly the functions that its headers declare, copies of inline functions included; Debian's
  list of symbols has the same;
- program.c builds with pkg-config, shared and static, and as a CMake project with both targets; it runs;
- GDB loads the script with a program that has the library, by its name; it stands where a package wants it;
- a C++ program includes the header and runs; the shell command starts.

Invariant: a program that is said to be linked statically needs no librefheap.so, the others do need it.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
# One library each: its headers, how its functions' names begin, what it exports besides functions, and inlined
# functions, of which it has a copy.
LIBRARIES = {"refheap": (("refheap.h", "metadata.h", "values.h"), "rh_", {"rh_debug_descriptor"},
                         ("rh_retain", "rh_release", "rh_set")),
             "refheap-inspect": (("inspect.h",), "rhi_", set(), ())}


def require(condition, text):
    if not condition:
        sys.exit("check_packaging: " + text)


def run(*words, environment=None):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False,
                          env={**os.environ, **(environment or {})})
    require(done.returncode == 0, "%s ends with %d:\n%s" % (" ".join(words), done.returncode, done.stdout))
    return done.stdout


def files_below(folder):
    for where, _, names in os.walk(folder):
        yield from (os.path.join(where, name) for name in names)


class Package:
    """The installed tree and the tools to use it."""

    def __init__(self, options, prefix, folder):
        self.options = options
        self.prefix = prefix
        self.folder = folder
        self.include = os.path.join(prefix, "include")
        self.libdir = os.path.join(prefix, options.libdir)
        self.flags = options.flags.split()

    def pkg_config(self, *words):
        found = {"PKG_CONFIG_PATH": os.path.join(self.libdir, "pkgconfig")}
        return shlex.split(run("pkg-config", *words, "refheap", environment=found))

    def expect_packaged(self, program, is_shared):
        needed = "librefheap.so" in run("readelf", "-d", program)
        require(needed == is_shared, "%s: librefheap.so is%s needed" % (program, "" if needed else " not"))
        said = run(program, environment={"LD_LIBRARY_PATH": self.libdir if is_shared else ""})
        require(said == "packaged\n", "%s says %r" % (program, said))


def check_paths(package, first):
    """What was installed as text says nothing of where it came from."""
    seen = 0
    for path in files_below(package.prefix):
        if not path.endswith((".pc", ".cmake", ".h", ".py")):
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for foreign in (first, package.options.source, package.options.build):
            require(foreign not in text, "%s names %s" % (path, foreign))
        seen += 1
    require(seen >= 10, "only %d installed text files" % seen)


def check_headers(package):
    headers = [name for names, *_ in LIBRARIES.values() for name in names]
    installed = os.listdir(os.path.join(package.include, "refheap"))
    require(sorted(installed) == sorted(headers), "installed headers: %s" % sorted(installed))
    for compiler, ending, standard in ((package.options.cc, "c", ["-std=c11", "-pedantic"]),
                                       (package.options.cxx, "cpp", ["-std=c++11"])):
        for name in headers:
            source = os.path.join(package.folder, "header." + ending)
            with open(source, "w", encoding="utf-8") as file:
                file.write("#include <refheap/%s>\n" % name * 2 + "typedef int not_empty;\n")
            run(compiler, *standard, *WARNINGS, "-I", package.include, "-fsyntax-only", source)


def declared_functions(package, headers, beginning):
    """The names of the functions that the headers declare or define, but for those of which each file has its own."""
    source = os.path.join(package.folder, "declared.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write("".join("#include <refheap/%s>\n" % name for name in headers))
    text = run(package.options.cc, "-std=c11", "-E", "-P", "-I", package.include, source)
    text = re.sub(r'"(\\.|[^"\\])*"', '""', text)
    text = re.sub(r"__attribute__\s*\(\((.|\n)*?\)\)", "", text)
    previous = None
    while previous != text: # blocks, the innermost first
        previous, text = text, re.sub(r"\{[^{}]*\}", ";", text)
    names = set()
    for statement in text.split(";"):
        name = re.match(r"[^()=]*?\b(\w+)\s*\(", statement)
        if name and name.group(1).startswith(beginning) and statement.split()[0] not in ("typedef", "static"):
            names.add(name.group(1))
    return names


def symbols(*words):
    rows = [line.split() for line in run("nm", "--defined-only", *words).splitlines()]
    return {row[2] for row in rows if len(row) == 3}


def exported_by(library):
    return {name for name in symbols("-D", library) if not name.startswith("__odr_asan.")}


def check_exports(package):
    for library, (headers, beginning, data, inlined) in LIBRARIES.items():
        declared = declared_functions(package, headers, beginning)
        require(len(declared) >= 10, "only %s declared" % sorted(declared))
        path = os.path.join(package.libdir, "lib" + library)
        exported = exported_by(path + ".so")
        missing = (declared | data) - exported
        require(missing == set(), "%s.so does not export %s" % (path, sorted(missing)))
        extra = exported - declared - data
        require(extra == set(), "%s.so exports what no header declares: %s" % (path, sorted(extra)))
        own = symbols("-g", path + ".a")
        require(declared <= own, "%s.a does not define %s" % (path, sorted(declared - own)))
        stray = {name for name in own if not name.startswith((beginning, "__odr_asan."))}
        require(stray == set(), "%s.a defines names of others: %s" % (path, sorted(stray)))
        require(set(inlined) <= declared, "of %s not all were seen as declared" % (inlined,))


def check_symbols(package):
    """Debian's list of symbols is that of the library: its package is not built otherwise."""
    with open(os.path.join(package.options.source, "debian", "librefheap0.symbols"), encoding="utf-8") as file:
        listed = set(re.findall(r"^ (\w+)@Base ", file.read(), re.M))
    exported = exported_by(os.path.join(package.libdir, "librefheap.so"))
    require(listed == exported, "debian/librefheap0.symbols: too many %s, missing %s"
            % (sorted(listed - exported), sorted(exported - listed)))


def check_pkg_config(package):
    source = os.path.join(HERE, "program.c")
    compile_it = [package.options.cc, "-std=c11", "-pedantic", "-O2", *WARNINGS, *package.flags, source]
    shared, static = (os.path.join(package.folder, name) for name in ("with_shared", "with_static"))
    run(*compile_it, *package.pkg_config("--cflags", "--libs"), "-o", shared)
    package.expect_packaged(shared, True)
    words = package.pkg_config("--cflags", "--libs", "--static")
    if package.flags: # which cannot be linked -static: the archive alone is
        archive = os.path.join(package.libdir, "librefheap.a")
        words = [archive if word == "-lrefheap" else word for word in words]
        run(*compile_it, *words, "-o", static)
    else:
        run(*compile_it, *words, "-static", "-o", static)
    package.expect_packaged(static, False)


def check_cpp(package):
    program = os.path.join(package.folder, "with_cpp")
    # In C++ -Wextra asks for every member of a struct, designated initializers or not.
    run(package.options.cxx, "-std=c++20", *WARNINGS, "-Wno-missing-field-initializers", *package.flags,
        os.path.join(HERE, "program.cpp"), *package.pkg_config("--cflags", "--libs"), "-o", program)
    package.expect_packaged(program, True)


def check_cmake(package):
    build = os.path.join(package.folder, "outside")
    flags = " ".join([*WARNINGS, *package.flags])
    run(package.options.cmake, "-G", "Ninja", "-S", os.path.join(HERE, "project"), "-B", build,
        "-DCMAKE_C_COMPILER=" + package.options.cc, "-DCMAKE_C_FLAGS=" + flags,
        "-DCMAKE_PREFIX_PATH=" + package.prefix, "-DPROGRAM=" + os.path.join(HERE, "program.c"))
    run(package.options.cmake, "--build", build)
    package.expect_packaged(os.path.join(build, "with_refheap"), True)
    package.expect_packaged(os.path.join(build, "with_refheap_shared"), True)
    package.expect_packaged(os.path.join(build, "with_refheap_static"), False)
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        found = re.search(r"^refheap_DIR:PATH=(.*)$", file.read(), re.M).group(1)
    require(found.startswith(package.prefix + "/"), "CMake found %s" % found)


def check_auto_load(options, prefix, folder):
    """GDB has refheap's commands once the program that has the library is started, and goes on waiting for its stop."""
    libdir, program = os.path.join(prefix, options.libdir), os.path.join(folder, "auto_loaded")
    run(options.cc, "-g", *options.flags.split(), "-I", os.path.join(prefix, "include"), os.path.join(HERE, "program.c"), "-L", libdir,
        "-lrefheap", "-Wl,-rpath," + libdir, "-o", program)
    lines = ["break rh_heap_destroy", "run", "refheap gcstat", "bt", "info auto-load python-scripts", "run", "refheap gcstat"]
    said = run("gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set startup-with-shell off",
               "-iex", "add-auto-load-scripts-directory %s/share/gdb/auto-load" % prefix, "-iex", "add-auto-load-safe-path " + prefix,
               "-ex", "set breakpoint pending on", *(word for line in lines for word in ("-ex", line)), program,
               environment={"REFHEAP_INSPECT": "", "TERM": "dumb", "DEBUGINFOD_URLS": ""})
    require(said.count("heap 1") == 2 and "main ()" in said, "not loaded with the library:\n%s" % said)
    require(re.search(r"^Yes +%s/share/gdb/auto-load%s/librefheap\.so\..*-gdb\.py" % (re.escape(prefix), re.escape(libdir)), said, re.M),
            "not loaded by the library's name:\n%s" % said)


def check_doors(package):
    """The doors' scripts find the engine that was installed with them."""
    doors = os.path.join(package.prefix, "share", "refheap")
    said = run(sys.executable, "-c", "import refheap_door; print(refheap_door.load_engine(%r)._name)" % doors,
               environment={"PYTHONPATH": doors, "REFHEAP_INSPECT": ""}).strip()
    wanted = os.path.realpath(os.path.join(package.libdir, "librefheap-inspect.so"))
    require(said == wanted, "the doors load %s, not %s" % (said, wanted))


def check_staged(options, folder):
    """For a package: below DESTDIR, and where GDB will look for it under the prefix."""
    stage = os.path.join(folder, "stage")
    run(options.cmake, "--install", options.build, "--prefix", "/usr", environment={"DESTDIR": stage})
    found = [path for path in files_below(os.path.join(stage, "usr", "share", "gdb")) if path.endswith("-gdb.py")]
    require(len(found) == 1 and "/auto-load/usr/%s/librefheap.so." % options.libdir in found[0], "below DESTDIR there is %s" % found)
    require(os.path.realpath(found[0]) == os.path.realpath(os.path.join(stage, "usr", "share", "refheap", "refheap_gdb.py")),
            "%s leads to %s" % (found[0], os.path.realpath(found[0])))
    for place in ("bash-completion/completions/refheap", "zsh/site-functions/_refheap", "fish/vendor_completions.d/refheap.fish",
                  "refheap/schemas/gcleaks.schema.json", "man/man1/refheap-gcleaks.1"):
        with open(os.path.join(stage, "usr", "share", place), encoding="utf-8") as file:
            require("gcleaks" in file.read(), "%s does not know gcleaks" % place)
    for page in ("man1/refheap.1", "man3/refheap.3", "man3/rh_retain.3", "man7/refheap-json.7"):
        require(os.path.exists(os.path.join(stage, "usr", "share", "man", page)), "no page %s" % page)


def main():
    parser = argparse.ArgumentParser()
    for name in ("cmake", "build", "source", "cc", "cxx", "libdir"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--flags", default="", help="of the sanitizers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        first, second = os.path.join(folder, "first place"), os.path.join(folder, "second place")
        run(options.cmake, "--install", options.build, "--prefix", first)
        once = sorted(files_below(first))
        run(options.cmake, "--install", options.build, "--prefix", first)
        require(sorted(files_below(first)) == once, "installed again, there are other files")
        if not options.flags:  # GDB hangs with a sanitizer's library
            check_auto_load(options, first, folder)
        check_staged(options, folder)
        os.rename(first, second)
        package = Package(options, second, folder)
        check_paths(package, first)
        check_headers(package)
        if not options.flags:  # plain Python does not load a sanitizer's library
            check_doors(package)
        check_exports(package)
        check_symbols(package)
        check_pkg_config(package)
        check_cpp(package)
        check_cmake(package)
        said = run(os.path.join(second, "bin", "refheap"), "--help")
        require("objat" in said, "the installed command does not know objat")
    print("packaging: %s" % second)


if __name__ == "__main__":
    main()
