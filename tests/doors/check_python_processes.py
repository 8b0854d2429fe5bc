"""check_python_processes.py - what else a Python process can be: several interpreters, Python inside a C program, other allocators.

Each process has a cycle that nobody holds in each of its heaps; gcleaks must find just these, live and on a core. A C
program with a heap of refheap's that embeds Python answers for both formats; before Python begins and after it has ended
there is no Python to be asked about, and refheap's heap is still answered for. Where malloc's heap adjoins the program's
data, nothing is missing. Of a program that just imports modules nothing is left open.
Of classes that nobody holds as many are collected as Python says. With PYTHONMALLOC and -X dev the random graphs are what they are without. Names that only the
program's file has are read from there, if it is the file of the core.

Invariant: what must be found comes from the programs' lines.
"""

import argparse
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile

import check_random_python
from check_python_samples import Asker, plain
from expect import same
import launch
from launch import Question, Subject, report, require
from python_target import HERE, PYTHON, PipedShell, Target, ask_python, gcore_of, minor_version

VARIANTS = (((), {"PYTHONMALLOC": "debug"}), ((), {"PYTHONMALLOC": "malloc"}), (("-X", "dev"), {}))


def leaked_by(document):
    """The members of the groups of cycles: names of types, addresses."""
    return [{(plain(name), int(name.rsplit("@", 1)[1], 16) if "@" in name else name) for name in leak["objects"]} for leak in document["leaks"]
            if leak["cause"] == "cycle"]


def check_cycles(garbage, node, document):
    """Each pair is a group; nothing else is leaked but the dicts of their attributes, before 3.11."""
    groups = leaked_by(document)
    for pair in garbage:
        mine = [group for group in groups if set(pair) & {address for _, address in group}]
        same("groups with the cycle of %s" % [hex(each) for each in pair], len(mine), 1)
        require(set(pair) <= {address for _, address in mine[0]}, "the group of %s is %s", pair, mine)
    if node:
        require([group for group in groups if any(name == node for _, name in group)], "%s is not leaked: %s", node, groups)
    known = {each for pair in garbage for each in pair}
    extra = [name for group in groups for name in group if name[1] not in known and name[0] != "dict" and not str(name[1]).startswith("node#")]
    same("what else is leaked", extra, [])
    same("other causes", {leak["cause"] for leak in document["leaks"]} - {"cycle", "dependent"}, set())


def check_heaps(names, document):
    """names: what the names of the heaps begin with."""
    found = sorted(heap["name"] or "" for heap in document["heaps"] if heap["heap"])
    require(len(found) == len(names) and all(one.startswith(other) for one, other in zip(found, sorted(names))), "heaps %s, expected %s", found, names)


def note_tracked(interpreters, tracked, document):
    """What the collector of each interpreter knows, also where several have one heap."""
    tracked.update({(heap["heap"], group): facts["tracked"] for heap in document["heaps"] for group, facts in (heap.get("facts") or {}).items()
                    if group.endswith("collector")})
    require(len(tracked) == interpreters and all(count > 100 for count in tracked.values()), "tracked objects of each interpreter: %s", tracked)


def check_shared(arguments, subject):
    """Before 3.12 interpreters share their memory: that is one heap, which belongs to all of them. What each of them has, is
    found there, and who holds it."""
    door, target = PipedShell(arguments.shell), subject.live()
    none, leaks = [subprocess.run([arguments.shell, "--pid", str(target.pid), *words], capture_output=True, text=True, check=False)
                   for words in (("gcfind", "--heap=2"), ("gcleaks",))]
    same("gcfind --heap=2", (none.returncode, none.stderr.strip()), (2, "gcfind: there is no heap 2: numbers in use: 1"))
    facts, *held = door.ask(target, [Question("gcstat", "--json --no-retained")] + [
        Question("refs", "--json --path 0x%x" % address) for address in subject.truth["kept"].values()])
    names = [heap["name"] for heap in json.loads(facts.out)["heaps"] if heap["heap"]]
    others = ", ".join(name for name in subject.truth["kept"] if name != "0")
    require(len(names) == 1 and names[0].endswith(" main and interpreters " + others), "the heap is %s", names)
    require("gc.collect() would find" in leaks.stdout and ", each of %d collectors its own" % subject.truth["interpreters"] in leaks.stdout, "%s", leaks.stdout)
    for name, answer in zip(subject.truth["kept"], held, strict=True):
        document = json.loads(answer.out)
        require(document["complete"] and document["ledger"]["unexplained"] == 0, "what interpreter %s keeps: %s", name, document["ledger"])
        require([row for row in document["referrers"] if row["name"] == "['kept']"], "%s", document["referrers"])
        same("how Python reaches it", document["language_expression"]["text"],
             "sys.modules['__main__'].kept" + ("  # in interpreter " + name if name != "0" else ""))


def check_code(line, document):
    """Code of its own interpreter fills it: others have modules, classes and methods of the same names."""
    rows = [row for used in document["variables"] if used["name"] == "Kept.words" for row in used["code"]]
    same("code that fills Kept.words", sorted((row["line"], row["function"], row["possible"]) for row in rows if row["does"] == "fills"),
         [(line, "Kept.put()", False), (line + 1, "stranger()", True)])


def ask(asker, truth, outer):
    version = "python " + ask_python("'%d.%d.%d' % sys.version_info[:3]")
    # those that Py_NewInterpreter makes, "two" of embedding.c, share the allocator in each version
    has_one = truth["name"] == "two" or (minor_version() < 12 and truth["name"] != "two libraries")
    heaps = min(1, truth["interpreters"]) if has_one else truth["interpreters"]
    names = [version] * heaps + (["outer"] if outer else [])
    garbage = truth["garbage"].values() if isinstance(truth["garbage"], dict) else truth["garbage"]
    asker.ask("gcleaks", "", lambda document: check_cycles(garbage, truth.get("node"), document))
    asker.ask("gcstat", "--no-retained", lambda document: check_heaps(names, document))
    asker.ask("gcverify", "", lambda document: same("problems", document["problems"], []))
    tracked = {}
    asker.ask("gcstat", "--no-retained", lambda document: note_tracked(truth["interpreters"], tracked, document))
    asker.ask("gcfind", "", lambda document: same("tracked objects of all interpreters", sum(tracked.values()),
                                                  len([row for row in document["objects"] if row.get("tracked")])))
    for number in range(1, heaps + 1):
        if not outer:
            asker.ask("gcfind", "--heap=%d" % number, lambda document: require(document["total"] > 0, "an empty heap"))
    for name, address in truth.get("words", {}).items():
        asker.ask("refs", "--path 0x%x" % address, functools.partial(check_code, truth["line"][name]))
    for name, address in truth.get("hidden", {}).items():
        asker.ask("refs", "--path 0x%x" % address, lambda document, name=name: same(
            "how Python reaches it", document["language_expression"]["text"], "sys.modules['__main__'].day.__dict__['year']  # in interpreter " + name))
    if outer:
        asker.ask("objat", truth["node"], lambda document: same("the node", document["object"]["id"], truth["node"]))


def check_interpreters(arguments):
    with tempfile.TemporaryDirectory() as folder:
        target = Target(folder, 1, HERE + "/interpreters_python.py")
        with target.start() as subject:
            if minor_version() < 12:
                check_shared(arguments, subject)
            ask_both(arguments, subject, False)


def check_adjoining(arguments):
    """As GDB starts a program: addresses are not chosen at random, so malloc's heap follows the program's data at once."""
    with tempfile.TemporaryDirectory() as folder:
        target = Target(folder, 1, HERE + "/interpreters_python.py")
        target.copy, target.argv = "/bin/sh", ["-c", "setarch -R true 2>/dev/null && exec setarch -R \"$@\"; exec \"$@\"", "sh", target.copy, *target.argv]
        with target.start() as subject:
            asker = Asker(PipedShell(arguments.shell), launch.Target(pid=subject.process.pid), "adjoining, live")
            ask(asker, subject.truth, False)
            asker.run()  # answers must be complete


def check_embedding(arguments):
    for where in ("inside", "two", "before", "core", "after"):
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.embedding, 1, folder, [where]) as subject:
            ask_both(arguments, subject, True)


def check_namespaces(arguments):
    """Two copies of CPython, each with a malloc of its own: both are read."""
    library, home = os.path.realpath(arguments.library), ask_python("sys.base_prefix")
    with tempfile.TemporaryDirectory() as folder, Subject("/usr/bin/env", 1, folder, ["PYTHONHOME=" + home, arguments.namespaces, library]) as subject:
        subject.program = None  # which /usr/bin/env is not, by now
        ask_both(arguments, subject, False)


def ask_both(arguments, subject, outer):
    for where in ("live", "core"):
        asker = Asker(PipedShell(arguments.shell), subject.live() if where == "live" else subject.core(), "%s %s, %s" % (
            "embedded" if outer else "interpreters", subject.truth["name"], where))
        ask(asker, subject.truth, outer)
        asker.run()


def check_variants(arguments):
    """A random graph each, live and on a core alone."""
    for options, environment in VARIANTS:
        print("%s %s" % (" ".join(options), environment), flush=True)
        check_random_python.check_seed(1, argparse.Namespace(
            doors=["shell"], shell=arguments.shell, modes=["live", "alone"], size=3000, samples=60, keep_going=False, failures=0,
            commands=check_random_python.COMMANDS, options=options, environment=environment))


def check_named(truth, is_known, document):
    """Each object has its type's name; or, where the file is none, some have no name, and no other one."""
    rows = {row["address"]: row for row in document["objects"]}
    found = {name: plain(rows[address]["type"]).rsplit(".", 1)[-1] for name, address in truth["types"].items()}
    if is_known:
        same("names of types", found, {name: name for name in found})
        return
    same("wrong names", {name: other for name, other in found.items() if other not in (name, "unnamed")}, {})
    require("unnamed" in found.values(), "all names are known without the file: %s", found)


def check_builtin(is_known, document):
    require((document["object"]["value"] == "<built-in len>") == is_known, "len is %s", document["object"]["value"])


def check_names(arguments):
    """On a core of GDB, which has nothing of read-only data: with the program's file, with another one in its place, without
    any, and with the file named by --exe."""
    with tempfile.TemporaryDirectory() as folder:
        target = Target(folder, 1, HERE + "/names_python.py")
        with target.start() as subject:
            with open("/proc/%d/maps" % subject.process.pid, encoding="utf-8") as maps:
                is_program = "libpython" not in maps.read()
            core, truth = gcore_of(subject.live(), folder), subject.truth
        for where in ("its file", "another file", "no file", "--exe"):
            if where == "another file":
                target.take_away()
                shutil.copy2("/bin/true", target.copy)
            elif where == "no file":
                target.take_away()
            exe, is_known = PYTHON if where == "--exe" else None, where in ("its file", "--exe") or not is_program
            asker = Asker(PipedShell(arguments.shell), core._replace(exe=exe), "names, " + where)
            asker.ask("gcfind", "", functools.partial(check_named, truth, is_known))
            asker.ask("objat", truth["builtin"], functools.partial(check_builtin, is_known))
            asker.run()


def check_ordinary(arguments):
    """Where nothing is wrong, all is said: answers are complete, and there is no leak."""
    with tempfile.TemporaryDirectory() as folder:
        target = Target(folder, 1, HERE + "/ordinary_python.py")
        with target.start() as subject:
            places = {"live": subject.live, "gcore": lambda: gcore_of(subject.live(), folder), "core": subject.core}  # which ends it
            for where, place in places.items():
                asker = Asker(PipedShell(arguments.shell), place(), "ordinary, " + where)
                asker.ask("gcleaks", "", lambda document: same("leaks", document["leaks"], []))
                asker.ask("gcverify", "", lambda document: same("problems", document["problems"], []))
                asker.ask("gcfind", "--type=Thing", lambda document: same("things", document["total"], subject.truth["things"]))
                asker.run()


def check_collected(truth, document):
    """What gc.collect() calls collectable, before finalizers run, is what it may find at most."""
    least, most, weak = document["collectable_least"], document["collectable_most"], document["collectable_weak"]
    same("what gc.collect() would find at most", most, len(truth["garbage"]))
    require(least <= truth["collected"] <= most + weak, "%d are found, not %d to %d and %d", truth["collected"], least, most, weak)
    require(100 < least < most and 20 < weak < 200, "%d to %d and %d: some have finalizers", least, most, weak)
    require(document["collectable"] is None and document["objects"] > most, "%s", document["collectable"])


def check_bounds(truth, document):
    """Nothing is known of what may be found at most: not of all objects is it known what they hold. What is frozen is left alone."""
    require(20 <= document["collectable_least"] <= truth["collected"], "%s of %d", document["collectable_least"], truth["collected"])
    same("what is not known", (document["collectable"], document["collectable_most"]), (None, None))


def check_classes(arguments):
    """Garbage that the collector sees in part: the number is the collector's own, and what it calls collectable is leaked."""
    for extra in ((), ("bounds",)):
        with tempfile.TemporaryDirectory() as folder:
            with Target(folder, 1, HERE + "/classes_python.py", *extra).start() as subject:
                truth = subject.truth
                require(truth["died"] or extra, "nothing died")
                asker = Asker(PipedShell(arguments.shell), subject.live(), "classes %s" % "".join(extra))
                asker.ask("gcleaks", "", functools.partial(check_bounds if extra else check_collected, truth))
                if not extra:
                    asker.ask("gcfind", "--unreachable", lambda document: same(
                        "garbage that is missed", {*truth["garbage"], *truth["died"]} - {int(row["address"], 16) for row in document["objects"]}, set()))
                asker.run()


def check_ending(arguments):
    """Python ends, and does not collect: the ledger says so."""
    with tempfile.TemporaryDirectory() as folder:
        with Target(folder, 1, HERE + "/ending_python.py").start() as subject:
            done = subprocess.run([arguments.shell, "--pid", str(subject.process.pid), "refs", subject.truth["held"]], stdout=subprocess.PIPE,
                                  env=launch.tool_environment(), check=True, encoding="utf-8", timeout=launch.TIMEOUT_SECONDS)
            require("(provisional: the heap is finalizing)" in done.stdout, "%s", done.stdout)


CHECKS = {"classes": check_classes, "ending": check_ending, "ordinary": check_ordinary, "interpreters": check_interpreters, "adjoining": check_adjoining, "embedding": check_embedding, "namespaces": check_namespaces, "variants": check_variants, "names": check_names}


def main():
    parser = argparse.ArgumentParser(description="Checks Python processes of several kinds.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--embedding", help="embedding.c, built")
    parser.add_argument("--namespaces", help="namespaces.c, built")
    parser.add_argument("--library", help="the Python's libpython")
    parser.add_argument("checks", nargs="+", choices=CHECKS)
    arguments = parser.parse_args()

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        for name in arguments.checks:
            CHECKS[name](arguments)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
