"""check_python_places.py - `objat` of addresses in the midst of things, in one door.

Each place of places_python.py is asked about, live, on a core, and on a core alone: in tables, frames, texts, buffers,
behind the collector's links. The answer names the slot or the owner, as Python calls them; and so do texts for people.
"""

import argparse
import sys
import tempfile

from check_python_samples import Asker
from expect import same
from launch import Question, door_of, report, require
from python_target import HERE, PYTHON, PipedShell, Target, minor_version


def check_place(what, place, document):
    same("the status of " + what, document["status"], place["status"])
    if "id" in place:
        same(what, [document["object"]["id"], document["offset"]], [place["id"], place["offset"]])
    if "value" in place:
        same("the value of " + what, document["object"]["value"], place["value"])
    if "slot" in place:
        found, (name, owner, target) = document.get("slot"), place["slot"]
        require(found, "%s: no slot: %s", what, document)
        is_begun = name is not None and name.endswith(":")
        told = found["name"][:len(name) - 1] + ":" if is_begun else found["name"]
        same(what, [told, found["of"], found["target"]], [name, owner, target])
    else:
        require("slot" not in document, "%s: %s", what, document)
    if "owner" in place:
        holders = {row["from"] for row in document["block"]["referrers"]}
        require(place["owner"] in holders, "%s: held by %s, not by %s", what, holders, place["owner"])


def ask_places(asker, truth):
    require(len(truth["places"]) == 25, "a truth of %d places", len(truth["places"]))
    for what, place in sorted(truth["places"].items()):
        asker.ask("objat", "%#x" % place["at"], lambda document, what=what, place=place: check_place(what, place, document))


def ask_texts(door, target, truth):
    asked = [Question(command, operand) for command, operand, _ in truth["texts"]]
    for (command, operand, wanted), answer in zip(truth["texts"], door.ask(target, asked), strict=True):
        for text in wanted:
            require(text in answer.out, "%s %s: no %r in %s", command, operand, text, answer.out[:2000])


def main():
    parser = argparse.ArgumentParser(description="Checks what is said of addresses in the midst of Python's objects, in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    arguments = parser.parse_args()
    door = PipedShell(arguments.shell) if arguments.door == "shell" else door_of(arguments.door, arguments.shell)

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        with tempfile.TemporaryDirectory() as folder:
            target = Target(folder, 1, HERE + "/places_python.py")
            with target.start() as subject:
                for where in ("live", "core", "alone"):
                    debugged = subject.live() if where == "live" else subject.core() if where == "core" else debugged._replace(exe=None)
                    if where == "alone":
                        target.take_away()
                    asker = Asker(door, debugged, where)
                    ask_places(asker, subject.truth)
                    asker.run()
                    ask_texts(door_of(arguments.door, arguments.shell), debugged, subject.truth)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
