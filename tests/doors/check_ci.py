"""check_ci.py - the recipes of docs/ci.md, run as they stand there, and what gcverify finds in programs that do what
programs do wrong.

Invariant: each recipe is seen to exit with 0, with 1 and with 2; a page without recipes is a failure.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

from launch import ROOT, TIMEOUT_SECONDS, Subject, document_in, report, require, sample_environment, tool_environment, with_cores

KINDS = {"over_release": "over_release", "root_without_count": "root_without_count", "bad_link": "bad_link", "other_heap": "bad_link",
         "bad_type": "bad_type", "bad_bitmap": "bad_bitmap", "duplicate_serial": "duplicate_serial", "bad_weak": "bad_weak", "bad_root": "bad_root"}


def recipes():
    with open(os.path.join(ROOT, "docs", "ci.md"), encoding="utf-8") as page:
        return dict(re.findall(r"^```sh (\w+)\n(.*?)^```", page.read(), re.M | re.S))


def run(script, shell, **variables):
    path = os.path.dirname(shell) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(["bash", "-c", script], env=tool_environment(PATH=path, REFHEAP_SCRIPTS=ROOT, **variables), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8", errors="replace")
    return done.returncode, done.stdout


class Waiting:
    """The damaged program, waiting."""

    def __init__(self, program, what, folder):
        self.process = subprocess.Popen([program, what], cwd=folder, env=sample_environment(REFHEAP_WAIT="1"), stdout=subprocess.PIPE,
                                        preexec_fn=with_cores)
        require(self.process.stdout.readline() == b"waiting\n", "%s %s does not wait", program, what)

    __enter__ = Subject.__enter__
    __exit__ = Subject.__exit__


def core_of(program, what, folder):
    with Waiting(program, what, folder) as waiting:
        waiting.folder = folder
        waiting.program = program
        return Subject.core(waiting).core


def expect(name, wanted, found, said):
    require(found == wanted, "the recipe %s exits with %s instead of %s:\n%s", name, found, wanted, said)


def check_cores(options, recipe, folder):
    cores = {}
    for what in ("sound", "over_release"):
        os.mkdir(os.path.join(folder, what))
        cores[what] = core_of(options.program, what, os.path.join(folder, what))
    cores["part"] = os.path.join(folder, "part")
    shutil.copy(cores["sound"], cores["part"])
    os.truncate(cores["part"], os.path.getsize(cores["part"]) - 8192)
    for name in options.recipes.split(","):
        if name in ("shell", "gdb", "lldb"):
            for what, wanted in (("sound", 0), ("over_release", 1), ("part", 2)):
                found, said = run(recipe[name], options.shell, CORE=cores[what], PROGRAM=options.program)
                expect("%s on a core of %s" % (name, what), wanted, found, said)
                require("objects checked" in said, "the recipe %s prints no answer: %s", name, said)
            found, said = run(recipe[name], options.shell, CORE="/nonexistent", PROGRAM=options.program)
            expect("%s without a core" % name, 1 if name == "lldb" else 2, found, said)


def check_processes(options, recipe, folder):
    for name in ("pid", "gcore"):
        for what, wanted in (("sound", 0), ("over_release", 1)):
            inner = os.path.join(folder, name + what)
            os.mkdir(inner)
            with Waiting(options.program, what, inner) as waiting:
                found, said = run(recipe[name], options.shell, PID=str(waiting.process.pid), FOLDER=inner)
                expect("%s on %s" % (name, what), wanted, found, said)
                require(waiting.process.poll() is None, "the recipe %s ended the process", name)
        expect(name + " on no process", 2, *run(recipe[name], options.shell, PID="999999999", FOLDER=folder))


def check_core_recipe(options, recipe, folder):
    inner = os.path.join(folder, "core_recipe")
    os.mkdir(inner)
    script = os.path.join(inner, "program")
    with open(script, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexec %s sound\n" % options.program)
    os.chmod(script, 0o755)
    found, said = run("cd '%s'\n%s" % (inner, recipe["core"]), options.shell, PROGRAM=script)
    require(found != 0 and any(name.startswith("core") for name in os.listdir(inner)), "no core after: %s", said)


def check_sample_job(options, folder):
    job = os.path.join(ROOT, "samples", "ci", "check.sh")
    programs = {"sound": "exec %s sound" % options.program, "over_release": "exec %s over_release" % options.program, "other": "echo what it wrote; kill -ABRT $$"}
    for what, wanted in (("sound", 0), ("over_release", 1), ("other", 2)):
        script = os.path.join(folder, "job_" + what)
        with open(script, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n%s\n" % programs[what])
        os.chmod(script, 0o755)
        found, said = run("%s +%s" % (job, script), options.shell)
        expect("check.sh on " + what, wanted, found, said)
        require(what != "other" or "what it wrote" in said, "check.sh keeps to itself what a program wrote: %s", said)
    found, said = run("%s %s" % (job, os.path.join(folder, "job_sound")), options.shell)
    expect("check.sh on a crash", 1, found, said)
    expect("check.sh on a program that ends well", 0, *run("%s %s +%s" % (job, shutil.which("true"), os.path.join(folder, "job_sound")), options.shell))
    beside = "cd '%s' && ln -sf '%s' . && %s" % (folder, shutil.which("true"), job)  # programs by relative names
    expect("check.sh on ./true", 0, *run(beside + " ./true", options.shell))
    expect("check.sh on +./true", 2, *run(beside + " +./true", options.shell))
    expect("check.sh on ./job_sound", 1, *run(beside + " ./job_sound", options.shell))
    expect("check.sh on +./job_sound", 0, *run(beside + " +./job_sound", options.shell))
    expect("check.sh on a core that never came", 2, *run("%s +%s" % (job, shutil.which("true")), options.shell))
    with open(os.path.join(ROOT, "samples", "ci", "github-actions.yml"), encoding="utf-8") as file:
        text = file.read()
    require("samples/ci/check.sh" in text and "kernel.core_pattern=core" in text, "the sample job does not run check.sh")
    require("build/inspect" not in text and "cmake --install" in text, "the sample job asks another refheap than the one that it installs")
    needed = set(build_depends()) - NOT_FOR_A_JOB
    missing = sorted(needed - set(re.search(r"apt-get install --yes (.*)", text).group(1).split()))
    require(len(needed) > 8 and not missing, "the sample job installs no %s, which the engine is built with", " ".join(missing))


NOT_FOR_A_JOB = {"debhelper-compat", "python3:any", "scdoc", "valgrind"}  # for packages, pages for man, and programs under valgrind


def build_depends():
    """What Debian's package is built with."""
    with open(os.path.join(ROOT, "debian", "control"), encoding="utf-8") as file:
        field = re.search(r"^Build-Depends: (.*(?:\n .*)*)", file.read(), re.M).group(1)
    return [part.split()[0] for part in field.split(",")]


def check_kinds(options, folder):
    for what, kind in KINDS.items():
        inner = os.path.join(folder, "kind_" + what)
        os.mkdir(inner)
        with Waiting(options.program, what, inner) as waiting:
            found, said = run("refheap --pid $PID gcverify --json --check", options.shell, PID=str(waiting.process.pid))
        require(found == 1, "%s: status %s: %s", what, found, said)
        document = document_in(said)
        require(kind in document["by_kind"], "%s: not found: %s", what, said)
        require(document["objects_checked"] >= 4, "%s: objects: %s", what, said)
        print("%-18s %s" % (what, document["by_kind"]))


def main():
    parser = argparse.ArgumentParser(description="Runs the recipes of docs/ci.md.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--recipes", required=True, help="of shell, gdb, lldb")
    parser.add_argument("program", help="damaged")
    options = parser.parse_args()

    def body():
        recipe = recipes()
        require(set(recipe) == {"core", "shell", "pid", "gcore", "gdb", "lldb"}, "docs/ci.md has the recipes %s", sorted(recipe))
        with tempfile.TemporaryDirectory() as folder:
            check_cores(options, recipe, folder)
            if "shell" in options.recipes:
                check_kinds(options, folder)
                check_processes(options, recipe, folder)
                with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as pattern:
                    if "/" not in pattern.read():
                        check_core_recipe(options, recipe, folder)
                        check_sample_job(options, folder)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
