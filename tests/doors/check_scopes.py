"""check_scopes.py - scopes.cpp in every door: a variable is called by its name with its namespaces and classes, in rows, in
paths, in their expressions, and as an operand.
"""

import argparse
import sys
import tempfile

import expect
from launch import Question, Subject, door_of, report, require, without_traceback


def operands(door, name):
    """What each door's own expressions know: GDB, stopped in a function of C, scopes in quotes; LLDB no unnamed ones, and of a
    core no static members."""
    quoted = "'%s'" % name if ":" in name else name
    rest = [] if "store" in name else [name.replace("(anonymous namespace)::", "")]
    return {"gdb": [quoted], "lldb": rest, "shell": sorted({name, quoted, "::" + name})}[door.name]


def check(door, target, held, where):
    asked = []
    for name, identity in held.items():
        asked.append(Question("refs", "--json --path " + identity))
        for operand in operands(door, name):
            asked.append(Question("objat", "--json " + operand))
    answers = dict(zip(asked, door.ask(target, asked), strict=True))
    for question, answer in answers.items():
        without_traceback(answer.error)
        document = expect.document_of(question, answer)
        if question.command == "objat":
            identity = next(held[name] for name in held if question.line.removeprefix("--json ") in operands(door, name))
            require(document.get("object") and document["object"]["id"] == identity, "%s: %s is %s", where, question.line, document)
            continue
        name = next(name for name, identity in held.items() if question.line.endswith(identity))
        globals_ = [row["name"] for row in document["referrers"] if row["kind"] == "global"]
        require(globals_ == [name], "%s: %s is held by %s", where, name, globals_)
        require(document["path"][0]["name"] == name, "%s: the path begins with %s", where, document["path"][0])
        is_named = any(operand.strip("':") in document["expression"] for operand in operands(door, name))
        require(is_named or not operands(door, name), "%s: the expression of %s is %s", where, name, document["expression"])
    print("%s: %d answers" % (where, len(answers)), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Names of variables carry their scopes.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--door", default="shell")
    parser.add_argument("program")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 0, folder) as subject:
            check(door, subject.live(), subject.truth["held"], "live")
            check(door, subject.core(), subject.truth["held"], "core")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
