"""check_diff.py - one door against changing.c: what was born, died and survived between its moments, by type and by
object, as saved files, live, and as cores; and files of other processes.

The program writes down what is alive at each moment. Invariant: what is expected comes from those lines alone.
"""

import argparse
import glob
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile

import expect
from launch import TIMEOUT_SECONDS, Question, Target, door_of, report, require, sample_environment, with_cores, without_traceback


class Changing:
    """changing.c, which stands at a moment."""

    def __init__(self, program, seed, objects, moments, folder, words=()):
        self.program, self.folder, self.truths = program, folder, []
        self.process = subprocess.Popen([program, *words, str(seed), str(objects), str(moments)], cwd=folder, env=sample_environment(),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=with_cores)
        self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def read(self):
        line = self.process.stdout.readline()
        require(line, "%s ended", self.program)
        self.take(json.loads(line))

    def take(self, document):
        self.truths.append(document["live"])

    def go_on(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.read()

    def live(self):
        return Target(pid=self.process.pid, exe=self.program)

    def core(self, name):
        prefix = os.path.join(self.folder, name)
        subprocess.run(["gcore", "-o", prefix, str(self.process.pid)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS)
        return glob.glob(prefix + ".*")[0]


    def last_core(self):
        """Ends the process with the kernel's core, which has other parts of memory than GDB's; with GDB's where the kernel gives
        its own to a program."""
        with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as pattern:
            name = pattern.read().strip()
        if "/" in name or "|" in name or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
            return self.core("last")
        before = set(os.listdir(self.folder))
        self.process.send_signal(signal.SIGABRT)
        self.process.wait()
        made = sorted(set(os.listdir(self.folder)) - before)
        require(len(made) == 1, "%s left %s", self.program, made)
        return os.path.join(self.folder, made[0])


def name_of(key):
    return key.split("/")[1]


def type_of(key):
    return name_of(key).split("#")[0]


def rows_of(truths):
    """What by_type must say, of the first moment and the last one and those in between; without what did not change."""
    first, last = truths[0], truths[-1]
    born, died, both = set(last) - set(first), set(first) - set(last), set(first) & set(last)
    rows = {}
    for kind in {type_of(key) for truth in truths for key in truth}:
        of_kind = [[key for key in truth if type_of(key) == kind] for truth in truths]
        sizes = [sum(truth[key] for key in keys) for truth, keys in zip(truths, of_kind)]
        counts = [len(keys) for keys in of_kind]
        grew = all(a <= b and c <= d and (a, c) != (b, d)
                   for a, b, c, d in zip(counts, counts[1:], sizes, sizes[1:]))
        rows[kind] = {"born": sum(type_of(key) == kind for key in born), "died": sum(type_of(key) == kind for key in died),
                      "survived": sum(type_of(key) == kind for key in both), "bytes": sizes[-1] - sizes[0],
                      "objects": counts, "grew_each_time": grew, "exact": True}
        if rows[kind]["born"] == rows[kind]["died"] == 0 and len(set(counts)) == len(set(sizes)) == 1:
            del rows[kind]
    return rows


def of_heap(truth, heap):
    return {key: size for key, size in truth.items() if heap is None or key.startswith("%d/" % heap)}


def check_answer(document, truths, is_last_at_hand, heap, where):
    truths = [of_heap(truth, heap) for truth in truths]
    first, last = truths[0], truths[-1]
    require(document["complete"] and document["exact"] and not document["provisional"], "%s: %s", where, document)
    require([(row["objects"], row["bytes"]) for row in document["moments"]] == [(len(truth), sum(truth.values())) for truth in truths],
            "%s: the moments are %s", where, document["moments"])
    born = {"%d/%s" % (row["heap"], row["id"]): row["size"] for row in document["born"]}
    require(born == {key: last[key] for key in set(last) - set(first)}, "%s: born are %s", where, born)
    require(sorted(document["died"]) == sorted(name_of(key) for key in set(first) - set(last)), "%s: died are %s", where, document["died"])
    require(document["survived"] == len(set(first) & set(last)), "%s: %s survived", where, document["survived"])
    require((document["born_total"], document["died_total"]) == (len(born), len(document["died"])), "%s: other totals", where)
    for row in document["born"]:
        require((row["address"] is not None) == is_last_at_hand, "%s: an address of what is not at hand: %s", where, row)
    wanted, rows = rows_of(truths), {}
    for row in document["by_type"]:
        rows[row["type"]] = {key: row[key] for key in ("born", "died", "survived", "bytes", "objects", "grew_each_time", "exact")}
    require(rows == wanted and len(document["by_type"]) == len(wanted), "%s: by type: %s, not %s", where, rows, wanted)
    order = [(not row["grew_each_time"], -row["bytes"]) for row in document["by_type"]]
    require(order == sorted(order), "%s: not what grew most first: %s", where, document["by_type"])


def ask(door, target, lines):
    asked = [Question("gcdiff", line) for line in lines]
    answers = door.ask(target, asked)
    for answer in answers:
        without_traceback(answer.error)
    return asked, answers


def ask_documents(door, target, lines):
    asked, answers = ask(door, target, ["--json --limit=0 " + line for line in lines])
    return [expect.document_of(question, answer) for question, answer in zip(asked, answers)]


def check_refused(door, target, line, words):
    _asked, (answer,) = ask(door, target, [line])
    require(answer.status == 2 and answer.out == "" and words in answer.error and answer.error.count("\n") == 1,
            "%s: gcdiff %s ends with %d and says: %s%s", door.name, line, answer.status, answer.out, answer.error)


def check_live(door, subject, files, moment):
    """Saves this moment, and compares it with each earlier one."""
    questions = ["--save=" + files[moment]] + files[:moment]
    saved, *documents = ask_documents(door, subject.live(), questions)
    truth = subject.truths[moment]
    require((saved["objects"], saved["bytes"], saved["complete"]) == (len(truth), sum(truth.values()), True), "saved: %s", saved)
    require(saved["file_bytes"] == os.path.getsize(files[moment]), "another size: %s", saved)
    for earlier, document in enumerate(documents):
        check_answer(document, [subject.truths[earlier], truth], True, None, "%s, live, %d and %d" % (door.name, earlier, moment))


def check_seed(door, arguments, seed, folder):
    moments = 4
    files = [os.path.join(folder, "moment%d" % i) for i in range(moments)]
    with Changing(arguments.program, seed, arguments.objects, moments, folder) as subject:
        cores = []
        for moment in range(moments):
            if moment:
                subject.go_on()
            check_live(door, subject, files, moment)
            if moment in (0, moments - 1):
                cores.append(subject.core("core%d" % moment))
        truths, nothing = subject.truths, Target()
        documents = ask_documents(door, nothing, [" ".join(files), "--heap=2 %s %s" % (files[0], files[3]), " ".join(cores),
                                                  "%s %s" % (files[1], cores[1])])
        check_answer(documents[0], truths, False, None, "%s, files" % door.name)
        check_answer(documents[1], [truths[0], truths[3]], False, 2, "%s, one heap" % door.name)
        check_answer(documents[2], [truths[0], truths[3]], True, None, "%s, cores" % door.name)
        check_answer(documents[3], [truths[1], truths[3]], True, None, "%s, a file and a core" % door.name)
        (document,) = ask_documents(door, Target(core=cores[1], exe=arguments.program), [files[2]])
        check_answer(document, truths[2:], True, None, "%s, in a core" % door.name)
        for turned in ((cores[1], files[0]), (cores[1], cores[0]), (files[0], files[2], files[1])):
            check_refused(door, nothing, " ".join(turned), "give the earlier one first")
    with Changing(arguments.program, seed, arguments.objects, moments, folder) as other:
        check_refused(door, other.live(), files[0], "different processes")
        check_cores_of_one_moment(door, other)
    print("%-6s seed %d: %s objects at %d moments" % (door.name, seed, [len(truth) for truth in truths], moments))


def check_cores_of_one_moment(door, subject):
    """Whoever made them."""
    (document,) = ask_documents(door, Target(), ["%s %s" % (subject.core("one"), subject.last_core())])
    found = [document[key] for key in ("complete", "born", "died", "by_type", "by_site")]
    require(found == [True, [], [], [], []], "%s: nothing happened between two cores, but %s", door.name, document)
    require(document["survived"] == document["moments"][0]["objects"] > 0, "%s: not all survived: %s", door.name, document)


def main():
    parser = argparse.ArgumentParser(description="Checks what gcdiff says of a changing heap in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--seeds", type=int, default=2, help="how many")
    parser.add_argument("--objects", type=int, default=400)
    parser.add_argument("program")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        for seed in range(1, arguments.seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                check_seed(door, arguments, seed, folder)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
