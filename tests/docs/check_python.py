"""check_python.py - the transcripts about Python say what is printed: those of docs/python.md, and of the README that are asked of 4711.

Each is asked of the sample that it is about, which waits at its checkpoint; addresses and numbers differ from run to run, but for
the lines of the samples' code, and a line with … alone leaves something out, as does the end of a line with … there.
Invariant: each transcript is asked, and each of its lines is found, in order.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SAMPLES = os.path.join(ROOT, "samples", "python")
SERVICE = ("service.py", "grown", "500")
GROWTH = ("growth.py",)  # one process, which goes on between the two
# What each transcript of the page is asked of, in order.
PAGE = [SERVICE] * 3 + [GROWTH] * 2 + [("lesson.py", "asked for the count")] + [("lesson.py", "the name dropped")] * 2 + [
    ("lesson.py", "collected"), ("lesson.py", "something else lives there")] + [("uses_forgot.py", "used", "wrong")] * 2
README = [SERVICE] * 2


class Sample:
    """A sample that waits, and what it said at its checkpoint."""

    def __init__(self, python, name, checkpoint, *words):
        environment = {**os.environ, "REFHEAP_WAIT_AT": checkpoint, "PYTHONDONTWRITEBYTECODE": "1"}
        if name == "service.py":
            environment["PYTHONTRACEMALLOC"] = "1"
        self.process = subprocess.Popen([python, os.path.join(SAMPLES, name), *words], stdout=subprocess.PIPE, encoding="utf-8",
                                        env=environment)
        for line in self.process.stdout:
            self.truth = json.loads(line)
            if self.truth["name"] == checkpoint:
                return
        sys.exit("check_python: %s does not come to '%s'" % (name, checkpoint))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Growth:
    """growth.py: a line on its input makes it go on from one moment to the next."""

    def __init__(self, python, folder):
        self.folder = folder
        self.process = subprocess.Popen([python, os.path.join(SAMPLES, "growth.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**os.environ, "PYTHONTRACEMALLOC": "1", "PYTHONDONTWRITEBYTECODE": "1"})

    def ask(self, shell, words):
        """What is printed at this moment; the next one begins."""
        self.process.stdout.readline()
        done = subprocess.run([shell, "--pid", str(self.process.pid), *words], cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, encoding="utf-8")
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return done.stdout


def transcripts(text):
    for block in re.findall(r"^```\n(\$ .*?)^```$", text, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, answer = part.partition("\n")
            if re.match(r"refheap .*4711 ", command):
                yield command, answer.splitlines()


def scrub(line):
    line = re.sub(r"0x[0-9a-f]+", "0x…", line)
    line = re.sub(r"/\S+/(service|growth)\.py", r"\1.py", line)
    return re.sub(r"\s+", " ", re.sub(r"(?<!\.py:)(?<![0-9])[0-9][0-9,.]*", "N", line)).strip()


def is_said(wanted, said):
    wanted = scrub(wanted)
    return said.startswith(wanted[:-1].strip()) if wanted.endswith("…") else said == wanted


def operand_of(shell, sample, operand):
    """What the page asks about: a Session of the service, else the object that the sample says it is about."""
    if not re.search("0x", operand):
        return operand
    if operand.startswith("Session@"):
        found = subprocess.run([shell, "--pid", str(sample.process.pid), "gcfind", "--type=Session", "--limit=1", "--json"],
                               stdout=subprocess.PIPE, check=True, encoding="utf-8")
        return json.loads(found.stdout)["objects"][0]["id"]
    address = sample.truth["objects"][0]["address"]
    return re.sub(r"0x[0-9a-f]+", address, operand)


def words_of(command):
    """What stands behind the process or core."""
    words = command.split()
    return words[next(i for i, word in enumerate(words) if "4711" in word) + 1:]


def ask(shell, python, command, place):
    with Sample(python, *place) as sample:
        words = [operand_of(shell, sample, word) for word in words_of(command)]
        return subprocess.run([shell, "--pid", str(sample.process.pid), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False, encoding="utf-8").stdout


def must_say(command, wanted, said):
    lines = iter([scrub(line) for line in said.splitlines()])
    for line in wanted:
        if line != "…" and not any(is_said(line, each) for each in lines):
            sys.exit("check_python: `%s` does not print, or not there:\n%s\nbut:\n%s" % (command, line, said[:4000]))


def check(shell, python, text, places):
    asked = list(transcripts(text))
    if len(asked) != len(places):
        sys.exit("check_python: there are %d transcripts, and %d places to ask" % (len(asked), len(places)))
    for (command, wanted), place in zip(asked, places):
        if place != GROWTH:
            must_say(command, wanted, ask(shell, python, command, place))


def check_growth(shell, python, text):
    """The numbers of its own objects, too."""
    with tempfile.TemporaryDirectory() as folder:
        growth = Growth(python, folder)
        for (command, wanted), place in zip(transcripts(text), PAGE):
            if place == GROWTH:
                said = growth.ask(shell, words_of(command))
                must_say(command, wanted, said)
        growth.process.wait()
    if not re.search(r"^ +≥ 1000 +0 +\+\d+  200 → 1200 +Session$", said, re.M):
        sys.exit("check_python: not 1000 sessions more:\n%s" % said[:4000])


def main(shell, python):
    with open(os.path.join(ROOT, "docs", "python.md"), encoding="utf-8") as page:
        text = page.read()
    check(shell, python, text, PAGE)
    check_growth(shell, python, text)
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as page:
        check(shell, python, page.read(), README)


main(*sys.argv[1:])
