"""check_python_diff.py - one door against changing_python.py: what grew by type and by line, exactly, and which objects are perhaps
the same, live, of files and of two cores; and a process's child, which is another process.

Python's objects have no serials: those of one type at one address are perhaps one. Invariant: what is expected comes from the
program's own lines.
"""

import argparse
import os
import struct
import sys
import tempfile

from check_diff import Changing, ask, ask_documents, check_cores_of_one_moment, check_refused
from launch import Target, door_of, report, require
from python_target import HERE, PYTHON

SCRIPT = os.path.join(HERE, "changing_python.py")


class ChangingPython(Changing):
    """changing_python.py, whose lines of birth are recorded."""

    def __init__(self, seed, objects, moments, folder):
        self.lines, self.pid = {}, None
        before = os.environ.get("PYTHONTRACEMALLOC")
        os.environ["PYTHONTRACEMALLOC"] = "1"
        try:
            super().__init__(PYTHON, seed, objects, moments, folder, [SCRIPT])
        finally:
            os.environ.pop("PYTHONTRACEMALLOC")
            if before is not None:
                os.environ["PYTHONTRACEMALLOC"] = before

    def take(self, document):
        self.lines, self.pid = document["lines"], document["pid"]
        super().take(document)

    def live(self):
        return Target(pid=self.pid)


def check_answer(document, truths, lines, where):
    require(document["complete"] and document["exact"] is False, "%s: not complete, or said to be exact: %s", where,
            document.get("incomplete_because"))
    rows = {row["type"]: row for row in document["by_type"]}
    for name in truths[0]:
        first, last = set(truths[0][name]), set(truths[-1][name])
        counts = [len(truth[name]) for truth in truths]
        if first == last and len(set(counts)) == 1:
            require(name not in rows, "%s: %s did not change: %s", where, name, rows.get(name))
            continue
        row = rows[name]
        found = [row[key] for key in ("born", "died", "survived", "objects", "exact")]
        wanted = [len(last - first), len(first - last), len(first & last), counts, False]
        require(found == wanted, "%s: %s: %s, not %s", where, name, found, wanted)
        at = [site for site in document["by_site"] if site["file"] and site["file"].endswith("changing_python.py") and
              site["line"] == lines[name]]
        require(len(at) == 1 and all(site >= count for site, count in zip(at[0]["objects"], counts)),
                "%s: of the line of %s: %s, not %s", where, name, at, counts)
        born = {int(each["address"], 16) for each in document["born"] if each["type"] == name}
        require(born == last - first, "%s: born are other %ss: %s", where, name, born)
        died = {int(each.split("@")[1], 16) for each in document["died"] if each.startswith(name + "@")}
        require(died == first - last, "%s: dead are other %ss: %s", where, name, died)


def check_seed(door, arguments, seed, folder):
    moments = 3
    files = [os.path.join(folder, "moment%d" % i) for i in range(moments)]
    with ChangingPython(seed, arguments.objects, moments, folder) as subject:
        cores = []
        for moment in range(moments):
            if moment:
                subject.go_on()
            _saved, *documents = ask_documents(door, subject.live(), ["--save=" + files[moment]] + files[:moment])
            for earlier, document in enumerate(documents):
                check_answer(document, [subject.truths[earlier], subject.truths[moment]], subject.lines, "%s, live" % door.name)
            if moment != 1:
                cores.append(subject.core("core%d" % moment))
        documents = ask_documents(door, Target(), [" ".join(files), " ".join(cores), "%s %s" % (files[0], cores[1])])
        for document, truths in zip(documents, (subject.truths, subject.truths[::2], subject.truths[::2])):
            check_answer(document, truths, subject.lines, "%s, files and cores" % door.name)
        _asked, (answer,) = ask(door, Target(), ["%s %s" % (files[0], files[2])])
        require("perhaps the same" in answer.out and "at least" in answer.out and "at most" in answer.out, "it is not said: %s", answer.out)
        check_order_of_cores(door, files, cores)
        if is_later(files[0], files[2]):
            check_refused(door, Target(), "%s %s" % (files[2], files[0]), "give the earlier one first")
        subject.go_on()
        check_refused(door, subject.live(), files[2], "a child of fork is another process")
    with ChangingPython(seed, arguments.objects, moments, folder) as other:
        check_refused(door, other.live(), files[0], "different processes")
        check_cores_of_one_moment(door, other)
    print("%-6s seed %d: %s" % (door.name, seed, [sum(map(len, truth.values())) for truth in subject.truths[:moments]]))


def check_order_of_cores(door, files, cores):
    """Between the first moment and the second the program collects, and not between the second and the third."""
    right, turned, unknown = (document.get("notes", []) for document in ask_documents(
        door, Target(), ["%s %s" % pair for pair in ((cores[0], cores[1]), (cores[1], cores[0]), (files[1], cores[1]))]))
    require(right == [], "%s: cores in the right order: %s", door.name, right)
    require(len(turned) == 1 and "%s is the earlier one of the two, unless" % cores[0] in turned[0], "%s: turned: %s", door.name, turned)
    require(len(unknown) == 1 and "nothing tells which one" in unknown[0], "%s: unknown: %s", door.name, unknown)


def is_later(before, after):
    """By when they were saved, in seconds: as the files say."""
    times = []
    for path in (before, after):
        with open(path, "rb") as file:
            times.append(struct.unpack_from("<Q", file.read(40), 32)[0])
    return times[0] < times[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--objects", type=int, default=300)
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        for seed in range(1, arguments.seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                check_seed(door, arguments, seed, folder)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
