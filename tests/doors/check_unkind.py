"""check_unkind.py - one door against unkind.c: no name, text or path brings a control character, a mark that turns
text round, or half a character into an answer, in text or JSON; names in other scripts are shown as they are and can
be typed; live and in the core. The program lies in a folder whose name is no UTF-8. And where the user's locale shows
ASCII alone, or is not installed, answers are ASCII or the same, and none is missing.
"""

import argparse
import contextlib
import os
import re
import shutil
import sqlite3
import sys
import tempfile

import expect
import launch
from check_exported import endings
from launch import Question, Subject, door_of, report, require, without_traceback

# The replacement character: launch.py reads the output as UTF-8 and shows so what is none.
UNKIND = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c\ufffd]")
OPERAND = "x\x1b[31m\u202e\x7f"


def questions(truth):
    asked = []
    for command, line in (("objat", truth["object"]), ("objat", truth["id"]), ("objat", truth["mapping"]), ("objat", "#2"),
                          ("refs", truth["object"]), ("refs", "--path --depth=3 " + truth["object"]), ("refs", "#2"), ("refs", "--path " + truth["local"]),
                          ("gcfind", ""), ("gcleaks", ""), ("gcstale", ""), ("gcstat", ""), ("gcverify", ""), ("gcgraph", truth["object"]),
                          ("gcgraph", ""), ("objat", OPERAND), ("gcfind", "--type=" + OPERAND), ("refs", "--" + OPERAND)):
        asked += [Question(command, line), Question(command, ("--json " + line).strip())]
    return asked


def check(door, target, truth, where):
    asked = questions(truth)
    answers = door.ask(target, asked)
    said = {}
    for question, answer in zip(asked, answers, strict=True):
        without_traceback(answer.error)
        text = answer.out + answer.error
        require(text, "%s says nothing", question)
        found = UNKIND.search(text)
        require(not found, "%s of %s shows %r: %r", question, where, found and found.group(), text[:3000])
        said[question] = answer
    of_object = expect.document_of(Question("objat", "--json " + truth["id"]), said[Question("objat", "--json " + truth["id"])])
    require(of_object["object"]["id"] == truth["id"] and of_object["address"] == truth["object"], "not found by its name: %s", of_object)
    require(of_object["fields"][0]["name"] == "nächster", "the field is called %s", of_object["fields"])
    holders = said[Question("refs", truth["object"])].out
    for name in ("größe", "s?[31m????", "t?[31m", "library?[31m") + (("local 'örtlich.schlüssel[1]'",) if door.has_expressions else ()):
        require(name in holders, "%s: nothing is called %s:\n%s", where, name, holders)
    print("%-6s %s: %d answers" % (door.name, where, len(answers)))


def check_locale(door, target, truth, locale):
    """Other locales than UTF-8. Operands are ASCII here: GDB refuses what its terminal's character set has not."""
    asked = [question for question in questions({**truth, "id": "#1"}) if question.line.isascii()]
    launch.locale = locale
    answers = door.ask(target, asked)
    launch.locale = "C.UTF-8"
    for question, answer in zip(asked, answers, strict=True):
        without_traceback(answer.out + answer.error)
        is_json = "--json" in question.line
        require(answer.status == 0 and answer.out, "%s in %s: %s", question, locale, answer)
        require(is_json or locale != "C" or answer.out.isascii(), "%s in %s: %s", question, locale, answer.out)
        of_debugger = question == Question("refs", truth["object"]) and door.has_expressions
        require(not of_debugger or ("local '?rtlich.schl?ssel[1]'" if locale == "C" else "local 'örtlich.schlüssel[1]'") in answer.out, "%s", answer.out)
        require(not is_json or "Kn?tchen" not in answer.out, "%s in %s: %s", question, locale, answer.out)
    if door.name == "gdb" and locale == "C":
        launch.locale = locale
        known, refused = door.ask(target, [Question("gcstat", ""), Question("objat", "Kn\u00f6tchen#1")])
        launch.locale = "C.UTF-8"
        require((known.status, refused.status) == (0, 2), "GDB hands it over: %s", refused)
    print("%-6s in the locale %s: %d answers" % (door.name, locale, len(answers)))


def texts_of(path):
    """All that a file of gcexport shows to whoever opens it."""
    if not path.endswith(".sqlite"):
        with open(path, encoding="utf-8", errors="replace") as file:
            return [file.read().replace("\t", " ")]
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.text_factory = lambda data: data.decode("utf-8", "replace")
        tables = [name for name, in database.execute("select name from sqlite_master where type = 'table'")]
        return [each for name in tables for row in database.execute('select * from "%s"' % name) for each in row if isinstance(each, str)]


def check_exported(door, target, truth, endings, folder):
    for ending in endings:
        path = os.path.join(folder, "heap" + ending)
        (answer,) = door.ask(target, [Question("gcexport", path)])
        require(answer.status == 0, "%s: %s", ending, answer)
        texts = texts_of(path)
        is_packed = ending == ".html"  # what its page shows is seen in a browser (tests/web)
        require(is_packed or any(truth["id"].split("#")[0] in text for text in texts), "%s does not name %s", ending, truth["id"])
        for text in texts:
            found = UNKIND.search(text)
            require(not found, "%s has %r: %r", ending, found and found.group(), found and text[max(found.start() - 200, 0):][:400])
        os.unlink(path)
    print("%-6s exported: %s" % (door.name, " ".join(endings)))


def main():
    parser = argparse.ArgumentParser(description="Checks unkind names in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="unkind.c")
    parser.add_argument("library", help="unkind_library.c")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            home = os.path.join(folder, os.fsdecode(b"t\xfcr"))
            os.mkdir(home)
            program = shutil.copy(arguments.program, home)
            with Subject(program, 1, folder, [arguments.library]) as subject:
                check(door, subject.live(), subject.truth, "live")
                core = subject.core()
                check(door, core, subject.truth, "core")
                check_exported(door, core, subject.truth, endings(arguments.shell), folder)
                for locale in ("C", "xx_YY.UTF-8"):
                    check_locale(door, core, subject.truth, locale)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
