"""check_python_paths.py - the expressions that `refs --path` writes in Python, pasted back into the program.

Each Marker of paths_python.py is asked for in one door; what the program itself makes of the expression has to be that
object. Invariant: where the program says how it reaches an object by a name, the text is that.
"""

import argparse
import json
import subprocess
import sys

from check_python_samples import Asker
from expect import same
from launch import Target, door_of, report, require, sample_environment
from python_target import HERE, PYTHON, PipedShell, minor_version


def take(expressions, address, wanted, is_unreachable, document):
    found = (document.get("language_expression") or {}).get("text")
    require(document["path"], "nothing leads to %s (%s)", address, wanted)
    if is_unreachable:
        return same("the expression for %s" % address, found, None)
    require(found, "no expression leads to %s (%s), by %s", address, wanted, document["path"])
    same("the language", document["language_expression"]["language"], "Python")
    if wanted:
        same("the expression for %s" % address, found, wanted)
    expressions.append((address, found))


def main():
    parser = argparse.ArgumentParser(description="Checks the expressions of Python in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    arguments = parser.parse_args()
    door = PipedShell(arguments.shell) if arguments.door == "shell" else door_of(arguments.door, arguments.shell)

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        with subprocess.Popen([PYTHON, "-I", HERE + "/paths_python.py"], env=sample_environment(), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, encoding="utf-8") as program:
            try:
                truth = json.loads(program.stdout.readline())
                expressions, asker = [], Asker(door, Target(pid=program.pid, exe=PYTHON), "live")
                for address, wanted in truth["markers"].items():
                    asker.ask("refs", "--path %#x" % int(address), lambda document, address=address, wanted=wanted: take(
                        expressions, address, wanted, int(address) in truth["unreachable"], document))
                asker.run()
                require(len(expressions) > 40, "only %d expressions", len(expressions))
                for address, expression in expressions:
                    program.stdin.write(expression + "\n")
                    program.stdin.flush()
                    same("what %s gives" % expression, program.stdout.readline().strip(), address)
            finally:
                program.kill()
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
