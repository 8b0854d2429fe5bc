"""check_program.py - one door on a core and a file that is not its program: named by --exe or loaded by the debugger, or
built anew at the program's own path. Every answer says so once. What has no build-id cannot be told from another build of
it: each answer with names of it has a note.

Invariant: the programs are one source, built in two ways, each with a build-id, and once more without.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

import expect
from launch import Question, Subject, door_of, report, require


def build_id(program):
    said = subprocess.run(["readelf", "-n", program], stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    found = re.search(r"Build ID: ([0-9a-f]{12})", said)
    return found.group(1) if found else None


def notices(door, target, dead):
    """What each of the answers says of the program."""
    asked = [Question("objat", "--history " + dead), Question("objat", "--history --json " + dead), Question("gcstat", "")]
    answers = door.ask(target, asked)
    document = expect.document_of(asked[1], answers[1])
    said = [[line for line in answer.out.splitlines() if line.startswith("notice: ")] for answer in (answers[0], answers[2])]
    return said, document.get("wrong_executable")


def check_wrong(door, target, dead, wanted, names_from):
    """wanted: path and build-id of the file that is not the program, and the program's build-id."""
    path, is_one, is_other = wanted
    said, key = notices(door, target, dead)
    line = "notice: %s is not the program of this core: its build-id is %s…, the program's %s…; names %s" % (
        path, is_one, is_other, "come from " + names_from if names_from else "are missing")
    require(said[0] == [line], "%s is said, not %s", said[0], line)
    require(said[1] == ([line] if target.exe == path else []), "gcstat says %s", said[1])
    require(key == {"path": path, "build_id": is_one, "program_build_id": is_other, "names_from": names_from}, "JSON says %s", key)


def check_rebuilt(door, program, other, folder):
    """What runs is not what lies at its path by now: names come from what runs."""
    program = shutil.copy2(program, os.path.join(folder, "rebuilt"))
    with Subject(program, 1, folder) as subject:
        os.unlink(program)
        shutil.copy2(other, program)
        asked = Question("objat", "--history --json " + subject.truth["dead"])
        document = expect.document_of(asked, door.ask(subject.live(), [asked])[0])
    stack = next(event["stack"] for event in document["history"] if event["kind"] == "free")
    require(stack[0]["line"] == subject.truth["lines"]["drop"], "no names of what runs: %s", stack)
    key = document.get("wrong_executable")
    require(key is None if door.name == "shell" else re.fullmatch(r"/proc/\d+/exe", key["names_from"]), "JSON says %s", key)


def check_unsure(door, program, folder):
    """No build-id tells that the file is what ran. Of a process the kernel does; not of a file that took its place."""
    program = shutil.copy2(program, os.path.join(folder, "unsure"))
    subprocess.run(["objcopy", "--remove-section=.note.gnu.build-id", program], check=True)
    require(build_id(program) is None, "there is a build-id")
    with Subject(program, 1, folder) as subject:
        dead, line = subject.truth["dead"], subject.truth["lines"]["drop"]

        def check(target, path):
            note = "names come from %s: without a build-id nothing tells whether this file ran, or another build of it" % path
            asked = [Question("objat", "--history --json " + dead), Question("objat", dead), Question("objat", "--json " + dead)]
            # that no local variable, which a debugger names, is of another type: kept for the second one
            asked += 2 * [Question("gcstale", "--json")] if door.has_expressions else []
            answers = door.ask(target, asked)
            for i in [0, 2, *range(3, len(asked))]:
                document = expect.document_of(asked[i], answers[i])
                require(document.get("notes") == ([note] if path else None), "%s has %s", asked[i], document.get("notes"))
                if i == 0:
                    stack = next(event["stack"] for event in document["history"] if event["kind"] == "free")
                    require(stack[0]["line"] == line, "no names: %s", stack)
            said = [text for text in answers[1].out.splitlines() if text.startswith("note: ")]
            require(said == (["note: " + note] if path else []), "%s is said", said)

        check(subject.live(), None)
        again = shutil.copy2(program, program + ".again")
        os.replace(again, program)
        check(subject.live(), None if door.name == "shell" else program)
        check(subject.core(), program)


def check_no_program(door, core, dead):
    """A debugger refuses to load such a file."""
    for path in (os.path.realpath(__file__), "/dev/null"):
        note = "no names come from %s: it is no ELF file of 64 bits that can be read" % path
        asked = [Question("gcstat", ""), Question("objat", "--json " + dead)]
        answers = door.ask(core._replace(exe=path), asked)
        said = [line for line in answers[0].out.splitlines() if line.startswith("note: ")]
        require(said == ["note: " + note], "gcstat says %s", said)
        require(expect.document_of(asked[1], answers[1])["notes"] == [note], "JSON: %s", answers[1].out)


def main():
    parser = argparse.ArgumentParser(description="Checks files that are not the core's program in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="stacks.c")
    parser.add_argument("other", help="the same, built in another way")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            program, other, without = (os.path.join(folder, name) for name in ("program", "other", "without"))
            shutil.copy2(arguments.program, program)
            shutil.copy2(arguments.other, other)
            subprocess.run(["objcopy", "--remove-section=.note.gnu.build-id", other, without], check=True)
            ids = build_id(program), build_id(other)
            require(None not in ids and ids[0] != ids[1] and build_id(without) is None, "build-ids: %s", ids)
            os.mkdir(os.path.join(folder, "run"))
            with Subject(program, 1, os.path.join(folder, "run")) as subject:
                dead = subject.truth["dead"]
                require(notices(door, subject.live(), dead) == ([[], []], None), "a notice about a process")
                core = subject.core()
            require(notices(door, core, dead) == ([[], []], None), "a notice about the right program")
            check_wrong(door, core._replace(exe=other), dead, (other, *reversed(ids)), program)
            require(notices(door, core._replace(exe=without), dead) == ([[], []], None), "a notice about a file without build-id")
            os.unlink(program)
            check_wrong(door, core._replace(exe=other), dead, (other, *reversed(ids)), None)
            shutil.copy2(other, program)
            check_wrong(door, core, dead, (program, *reversed(ids)), None)
            if door.name == "shell":  # by itself, and where what was named is no program
                check_no_program(door, core, dead)
                for exe in (None, os.path.realpath(__file__), without):
                    check_wrong(door, core._replace(exe=exe), dead, (program, *reversed(ids)), None)
            check_rebuilt(door, arguments.program, other, folder)
            os.mkdir(os.path.join(folder, "unsure.d"))
            check_unsure(door, arguments.program, os.path.join(folder, "unsure.d"))
            print("%-6s the wrong program is named" % door.name)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
