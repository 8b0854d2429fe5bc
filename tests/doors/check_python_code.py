"""check_python_code.py - which code fills and uses a variable of Python, in one door, against what dis and ast say of it.

code_python.py tells the truth of its own variables, and of those of the modules that it is given. `refs` of what each holds has
to name the same lines and functions, and to say the same of what is done there. What it could not look at is said.
"""

import argparse
import json
import subprocess
import sys

from check_python_samples import Asker
from expect import same
from launch import Question, Target, door_of, report, require, sample_environment
from python_target import HERE, PYTHON, PipedShell, minor_version

WORDS = {"passes": "uses", "reads": "uses"}


def rows_of(known, document):
    """The rows of the variable that is asked about: others may hold the same object."""
    found = [each for each in document.get("variables", []) if each["name"] == known["name"]]
    require(len(found) == 1, "%s: variables %s", known["name"], document.get("variables"))
    same("code that cannot be read", found[0]["unread"], 0)
    return found[0]["code"]


def check_variable(known, document):
    rows = rows_of(known, document)
    named = {(row["file"], row["line"], row["function"], row["does"] if row["does"] in ("sets", "unsets") else "load") for row in rows}
    same("what names %s" % known["name"], sorted(named), sorted(map(tuple, known["named"])))
    done = {(row["line"], WORDS.get(row["does"], row["does"])) for row in rows
            if row["does"] not in ("sets", "unsets") and row["file"] == known["file"]}
    same("what is done with %s" % known["name"], sorted(done), sorted(map(tuple, known["done"])))
    same("guesses", [row for row in rows if row["possible"]], [])


def check_attribute(known, document):
    rows = [[row["does"], row["function"], row["line"], row["text"], row["possible"]] for row in rows_of(known, document)]
    wanted = {each["file"] for each in document["variables"][0]["code"]}
    same("the files of %s" % known["name"], wanted, {HERE + "/code_python.py"})
    rows = [row for row in rows if not row[1].startswith(("attributes", "<module>", "main"))]
    same("code of %s" % known["name"], sorted(rows), sorted(known["code"]))


def check_unsaid(program, door, target):
    """Code may name it that cannot be read, or more often than is told of."""
    program.stdin.write("\n")
    program.stdin.flush()
    truth = json.loads(program.stdout.readline())
    document = json.loads(door.ask(target, [Question("refs", "--json --limit=0 --in " + truth["crowd"])])[0].out)
    used = [each for each in document["variables"] if each["name"] == "__main__.crowd"][0]
    same("code that cannot be read", used["unread"], truth["hidden"])
    why = "the code that names __main__.crowd is too much: some is left out"
    require(not document["complete"] and why in str(document.get("incomplete_because")), "%s", document.get("incomplete_because"))
    require(100 < len(used["code"]) < truth["times"], "%d places", len(used["code"]))


def main():
    parser = argparse.ArgumentParser(description="Checks what is said of the code that uses variables of Python, in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("modules", nargs="*", help="whose variables are asked about, too")
    arguments = parser.parse_args()
    door = PipedShell(arguments.shell) if arguments.door == "shell" else door_of(arguments.door, arguments.shell)

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        with subprocess.Popen([PYTHON, "-I", HERE + "/code_python.py", *arguments.modules], env=sample_environment(), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, encoding="utf-8") as program:
            try:
                truth = json.loads(program.stdout.readline())
                asker = Asker(door, Target(pid=program.pid, exe=PYTHON), "live")
                for known in truth["variables"]:
                    asker.ask("refs", "--in " + known["address"], lambda document, known=known: check_variable(known, document))
                for known in truth["attributes"]:
                    asker.ask("refs", "--path " + known["address"], lambda document, known=known: check_attribute(known, document))
                asker.run()
                check_unsaid(program, door, Target(pid=program.pid, exe=PYTHON))
                uses = sum(len(known["named"]) for known in truth["variables"])
                print("%d variables, %d places" % (len(truth["variables"]), uses))
                require(uses > 70, "only %d places", uses)
            finally:
                program.kill()
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
