"""check_modules.py - the shell on files of modules that are hostile: cut while they are read, with holes for gigabytes, packed
bombs, pipes in place of files. Names may be missing; every question is answered, in bounded time and memory.

Invariant: each case is one core and one question whose answer without names is the same.
"""

import argparse
import contextlib
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time

import expect
from launch import Answer, Question, Shell, Subject, report, require, tool_environment

TIMEOUT_SECONDS, MEMORY_KIB = 240, 400 << 10  # on a machine that is busy; hardly a second else
GIGABYTES, GIGABYTE, CUTS_OF_SPLIT = 3 << 30, 1 << 30, 2000  # more than a number with a sign has; more than may be taken


def ask(door, target, question):
    """The answer, and the memory that the shell took at most (KiB)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        process = subprocess.Popen(door.start(target) + [question.command] + question.line.split(), env=tool_environment(),
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=error)
        killer = threading.Timer(TIMEOUT_SECONDS, process.kill)
        killer.start()
        _, status, usage = os.wait4(process.pid, 0)
        killer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, error):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return Answer(texts[0], texts[1], process.returncode), usage.ru_maxrss


def functions(document):
    return [row["function"] for event in document["history"] for row in event["stack"]]


class Case:
    def __init__(self, door, target, question, program, split):
        self.door, self.target, self.question, self.program, self.split = door, target, question, program, split
        self.images = {}
        for path in (program, split):
            with open(path, "rb") as file:
                self.images[path] = file.read()

    def restore(self):
        for path, image in self.images.items():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            with open(path, "wb") as file:
                file.write(image)

    def check(self, what, wanted):
        """wanted: does the answer have names?"""
        answer, memory = ask(self.door, self.target, self.question)
        require(answer.status == 0, "%s: %s", what, answer)
        require(memory < MEMORY_KIB, "%s: %d KiB of memory", what, memory)
        document = expect.document_of(self.question, answer)
        found = "drop_twice" in functions(document)
        require(wanted is None or found == wanted, "%s: %s", what, functions(document)[:8])
        self.restore()
        print("%s: %d KiB" % (what, memory))


def sections(image):
    """name -> (offset of its header, offset, size)."""
    table, count, names = struct.unpack_from("<Q", image, 40)[0], *struct.unpack_from("<HH", image, 60)
    rows = [struct.unpack_from("<IIQQQQ", image, table + 64 * i) for i in range(count)]
    strings = rows[names][4]
    return {image[strings + row[0]:image.index(b"\0", strings + row[0])].decode(): (table + 64 * i, row[4], row[5]) for i, row in enumerate(rows)}


def write(path, image, size=None):
    with open(path, "wb") as file:
        file.write(image)
        if size:
            file.truncate(size)


def with_section(image, name, flags=None, size=None, offset=None, begin=b""):
    """The image with another header of a section, and other first bytes in it."""
    copy, (header, at, _) = bytearray(image), sections(image)[name]
    for value, place in ((flags, 8), (offset, 24), (size, 32)):
        if value is not None:
            struct.pack_into("<Q", copy, header + place, value)
    copy[at:at + len(begin)] = begin
    return copy


def check_cut(case):
    """While the files get short and whole again."""
    done = threading.Event()

    def cut_and_restore():
        rounds = 0
        while not done.is_set():
            rounds += 1
            for path in (case.split, case.program)[:1 + (rounds > CUTS_OF_SPLIT)]:
                with open(path, "r+b") as file:
                    file.truncate(4096)
                    time.sleep(0.0002)
                    file.write(case.images[path])
                time.sleep(0.0005)

    thread = threading.Thread(target=cut_and_restore)
    thread.start()
    try:
        for _ in range(60):
            answer, _memory = ask(case.door, case.target, case.question)
            require(answer.status == 0, "cut while it is read: %s", answer)
    finally:
        done.set()
        thread.join()
    case.restore()
    print("cut while it is read")


def check_all(case):
    program, split = case.images[case.program], case.images[case.split]
    case.check("whole", True)
    os.unlink(case.split)
    os.mkfifo(case.split)
    case.check("a pipe for the split file", False)
    os.unlink(case.program)
    os.mkfifo(case.program)
    case.check("a pipe for the program", False)
    os.unlink(case.split)
    os.symlink("/dev/zero", case.split)
    case.check("a device for the split file", False)
    write(case.split, with_section(split, ".debug_info.dwo", size=GIGABYTES), GIGABYTES * 2)
    case.check("a split file of holes", False)
    write(case.split, with_section(split, ".debug_info.dwo", flags=1 << 11, begin=struct.pack("<IIQQ", 1, 0, 1 << 32, 1)))
    case.check("a split file that unpacks to 4 GiB", False)
    write(case.program, with_section(program, ".note.gnu.property", size=GIGABYTE, offset=len(program)), GIGABYTE * 2)
    case.check("a note of holes", None)
    write(case.program, with_section(program, ".debug_str", size=GIGABYTE, offset=len(program)), GIGABYTE * 2)
    case.check("strings of holes", None)
    write(case.program, with_section(program, ".debug_line", flags=1 << 11, begin=struct.pack("<IIQQ", 1, 0, 1 << 34, 1)))
    case.check("lines that unpack to 16 GiB", None)
    check_cut(case)


def main():
    parser = argparse.ArgumentParser(description="Checks hostile files of modules in the shell.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("compile", nargs="+", help="what compiles stacks.c: compiler, source, options, library")
    arguments = parser.parse_args()
    door = Shell(arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "program")
            subprocess.run([*arguments.compile, "-o", program], check=True, cwd=folder)
            found = [name for name in os.listdir(folder) if name.endswith(".dwo")]
            require(len(found) == 1, "no split file: %s", os.listdir(folder))
            os.mkdir(os.path.join(folder, "run"))
            with Subject(program, 1, os.path.join(folder, "run")) as subject:
                question = Question("objat", "--history --json " + subject.truth["dead"])
                core = subject.core()
            check_all(Case(door, core, question, program, os.path.join(folder, found[0])))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
