"""check_python_extensions.py - what extensions of Python do (oddities.c), and no count is lost nor a struct of C an object.

Live and on a core, in each door: gcleaks and gcverify find nothing; each object is found, each with its count explained.

Invariant: the program says where everything is.
"""

import argparse
import sys
import tempfile

from check_python_samples import Asker, same
from launch import Target, door_of, report, require
from python_target import HERE, Target as PythonTarget


def check_object(name, truth, document):
    require(document["object"] and document["object"]["address"] == truth["objects"][name], "%s: %s", name, document)
    same("%s is immortal" % name, document["object"]["immortal"], name in truth["static"])
    if name not in truth["static"]:
        same("%s: unexplained" % name, document["ledger"]["unexplained"], 0)


def check_leaks(document):
    same("leaks", [(leak["cause"], leak["representative"]) for leak in document["leaks"]], [])
    require(document["complete"], "not all is known: %s", document)


def ask(asker, truth):
    asker.ask("gcleaks", "", check_leaks)
    asker.ask("gcverify", "", lambda document: same("problems", document["problems"], []))
    for name in truth["objects"]:
        asker.ask("objat", "--ledger " + truth["objects"][name], lambda document, name=name: check_object(name, truth, document))
    for address in truth["nothing"]:
        asker.ask("objat", address, lambda document, address=address: same("an object at %s" % address, document["object"], None))
    listed = set(truth["objects"].values())
    asker.ask("gcfind", "--limit=0", lambda document: same("not listed", listed - {row["address"] for row in document["objects"]}, set()))
    asker.run()


def main():
    parser = argparse.ArgumentParser(description="Checks what extensions of Python do.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--door", default="shell")
    parser.add_argument("--extensions", required=True, help="the folder with oddities.so")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            target = PythonTarget(folder, 1, HERE + "/oddities_python.py", environment={"PYTHONPATH": arguments.extensions})
            with target.start() as subject:
                ask(Asker(door, subject.live(), "live"), subject.truth)
                core = Target(core=subject.core().core)
                target.take_away()
                ask(Asker(door, core, "core alone"), subject.truth)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
