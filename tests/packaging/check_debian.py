"""check_debian.py - Debian's packages: built, looked through by lintian, installed, used and removed in a fresh root.

The tree without its builds is copied and built by dpkg-buildpackage; meanwhile mmdebstrap makes a root of the machine's
own release with gcc and GDB in it. There apt installs the packages as the README says, debian/tests/explain compiles a
program, crashes it and asks why (with --lldb in LLDB, too), and after the purge nothing may be left that was not there before.
Invariant: all of it lies in the folder that is named, which is emptied first; a root needs root's rights.
"""

import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import time

from readme import install_lines

PACKAGES = ("librefheap0", "librefheap-dev", "refheap")
IN_THE_ROOT = ("gcc", "libc6-dev", "gdb")
LLDB = ("lldb-19", "python3-lldb-19")
# What apt, dpkg, ldconfig and Python's own modules write whatever is installed.
NOT_OURS = ("var/log/", "var/cache/", "var/lib/apt/", "var/lib/dpkg/", "usr/lib/python3", "usr/share/gdb/python/", "tmp/")
PLAIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}


def require(condition, text):
    if not condition:
        sys.exit("check_debian: " + text)


def run(*words, folder=None, environment=None):
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
                          check=False, env=environment)
    require(done.returncode == 0, "%s ends with %d:\n%s" % (" ".join(words), done.returncode, done.stdout[-6000:]))
    return done.stdout


def built_in(source):
    """What of the tree is no part of it, as .gitignore has it."""
    def ignored(folder, names):
        return [name for name in names if name in (".git", "__pycache__") or (folder == source and name.startswith("build"))]
    return ignored


def build(source, folder, commands):
    """Copies the tree and builds the packages beside the copy."""
    with open(os.path.join(source, "debian", "changelog"), encoding="utf-8") as file:
        version = re.match(r"refheap \(([^)]+)\)", file.read()).group(1)
    with open(os.path.join(source, "CMakeLists.txt"), encoding="utf-8") as file:
        require("project(refheap VERSION %s " % version in file.read(), "debian/changelog has another version: " + version)
    tree = os.path.join(folder, "refheap-" + version)
    shutil.copytree(source, tree, symlinks=True, ignore=built_in(source))
    run("apt-get", "build-dep", "--simulate", ".", folder=tree)
    said = run("sh", "-c", commands[0], folder=tree, environment={**os.environ, "DEB_BUILD_OPTIONS": "parallel=2"})
    warned = [line for line in said.splitlines() if "warning: " in line]
    require(not warned, "dpkg-buildpackage warns:\n%s" % "\n".join(warned))
    return tree


def make_root(folder, packages):
    """A bare root with a compiler and a debugger, from the machine's own release and sources."""
    root = os.path.join(folder, "root")
    with open("/etc/os-release", encoding="utf-8") as file:
        release = re.search(r"^VERSION_CODENAME=(\w+)", file.read(), re.M).group(1)
    run("mmdebstrap", "--variant=apt", "--include=" + ",".join(packages), "--skip=cleanup/apt", "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/locale/*", "--aptopt=APT::Install-Recommends false", release, root)
    return root


def in_root(root, *words):
    """Runs in the root; with /proc where the kernel lets us."""
    mounted = 'mount -t proc proc "$0/proc" 2>/dev/null; exec chroot "$0" "$@"'
    return run("unshare", "--mount", "sh", "-c", mounted, root, *words, environment=PLAIN)


def files_below(root):
    found = set()
    for where, folders, names in os.walk(root):
        place = os.path.relpath(where, root)
        if place in ("proc", "sys", "dev"):
            folders[:] = []
            continue
        found.update(os.path.normpath(os.path.join(place, name)) for name in folders + names)
    return {path for path in found if not path.startswith(NOT_OURS)}


def check_root(root, tree, files, commands, with_lldb):
    before = files_below(root)
    for name in ("samples", os.path.join("debian", "tests")):
        shutil.copytree(os.path.join(tree, name), os.path.join(root, "tmp", "tree", name))
    for path in files:
        shutil.copy(path, os.path.join(root, "tmp"))
    in_root(root, "sh", "-c", "cd /tmp/tree && %s --yes --no-install-recommends" % commands[1])
    said = in_root(root, "sh", "-c", "cd /tmp/tree && debian/tests/explain")
    require(not with_lldb or "also in " + LLDB[0] in said, "nothing was asked in LLDB: " + said)
    print(said.strip())
    in_root(root, "apt-get", "purge", "-y", "--autoremove", *PACKAGES)
    left = files_below(root) - before
    require(not left, "left after the purge: %s" % sorted(left))
    lost = before - files_below(root)
    require(not lost, "lost by the purge: %s" % sorted(lost))
    known = in_root(root, "dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n")
    require("refheap" not in known and "gcc" in known, "dpkg still knows of them:\n%s" % known)


def main():
    parser = argparse.ArgumentParser(description="Builds Debian's packages, and uses them in a fresh root.")
    parser.add_argument("--lldb", action="store_true", help="with LLDB in the root, which makes it large")
    parser.add_argument("source", help="the tree")
    parser.add_argument("folder", help="where all of it goes; what is there is removed")
    options = parser.parse_args()
    options.source = os.path.abspath(options.source)
    require(os.geteuid() == 0, "a root needs root's rights")
    shutil.rmtree(options.folder, ignore_errors=True)
    os.makedirs(options.folder)
    commands = install_lines(options.source)[0]
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        root = pool.submit(make_root, options.folder, IN_THE_ROOT + (LLDB if options.lldb else ()))
        tree = build(options.source, options.folder, commands)
        files = [path for name in PACKAGES for path in glob.glob(os.path.join(options.folder, name + "_*.deb"))]
        require(len(files) == len(PACKAGES), "built: %s" % files)
        run("lintian", "--allow-root", "--fail-on=error,warning,info", "--display-info",
            *glob.glob(os.path.join(options.folder, "*.changes")))
        print("built and looked through: %.0f s" % (time.monotonic() - started))
        root = root.result()
    check_root(root, tree, files, commands, options.lldb)
    shutil.rmtree(root)
    print("%s: installed, used, purged: %.0f s" % (", ".join(map(os.path.basename, files)), time.monotonic() - started))


if __name__ == "__main__":
    main()
