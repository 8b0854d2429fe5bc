"""check_python_states.py - a healthy Python whose threads are in the midst of what C code does: nothing is lost or wrong there.

states_python.py has one piece of garbage. gcleaks must find that and no more (3.9 has lost a count of its own), gcverify and gcstale
nothing, live and on a core.
Invariant: what is called certain is all that is looked at; what a door cannot decide, it may leave open, and say so.
"""

import argparse
import sys
import tempfile

from check_python_samples import Asker
from expect import same
from launch import report, require
from python_target import HERE, PYTHON, PipedShell, Target, minor_version


def check_leaks(truth, document):
    leaked = {name: leak["cause"] for leak in document["leaks"] for name in leak["objects"]}
    same("leaked", {int(name.rsplit("@", 1)[1], 16): cause for name, cause in leaked.items()},
         {**{each: "cycle" for each in truth["garbage"]}, **{int(each): "lost_reference" for each in truth["lost"]}})
    require(document["complete"], "not all is known: %s", document)
    same("what gc.collect() would find at least", document["collectable_least"], truth["collected"])
    require(document["collectable_most"] in (None, truth["collected"]), "it would find at most %s", document["collectable_most"])


def main():
    parser = argparse.ArgumentParser(description="Checks a Python in all kinds of states.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    arguments = parser.parse_args()

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        with tempfile.TemporaryDirectory() as folder:
            with Target(folder, 1, HERE + "/states_python.py").start() as subject:
                require(len(subject.truth["states"]) > 25, "only %d states", len(subject.truth["states"]))
                for where in ("live", "core"):
                    asker = Asker(PipedShell(arguments.shell), subject.live() if where == "live" else subject.core(), where)
                    asker.ask("gcleaks", "", lambda document: check_leaks(subject.truth, document))
                    asker.ask("gcverify", "", lambda document: same("problems", document["problems"], []))
                    asker.ask("gcstale", "", lambda document: same("stale", document["stale"], []))
                    asker.run()
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
