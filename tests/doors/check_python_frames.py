"""check_python_frames.py - who holds the local variables of threads, generators and coroutines, in one door.

Each Marker of frames_python.py is asked for, live, on a core, and on a core alone: one local variable holds it, whose
function, file, line and thread are those that Python itself says. Invariant: nothing else may be called its exact holder.
"""

import argparse
import re
import sys
import tempfile

from check_python_samples import Asker
from expect import same
from launch import door_of, report, require
from python_target import HERE, PYTHON, PipedShell, Target, minor_version

LOCAL = re.compile(r"(?:local|cell of) '(\w+)' in ([\w<>.]+)\(\) at ([\w.]+):(\d+)(?:, thread (\d+))?\Z")
STACKED = re.compile(r"value stack of ([\w<>.]+)\(\) at ([\w.]+):(\d+)(?:, thread (\d+))?\Z")
ON_STACK = "on the stack"


def check_marker(truth, address, told, document):
    local, function, native = told
    ledger = document["ledger"]
    same("the ledger of %s" % told, [ledger["stored"], ledger["fields"] + ledger["exact"], ledger["unexplained"]], [1, 1, 0])
    rows = [row for row in document["referrers"] if row["strength"] == "strong"]
    require(len(rows) == 1, "%s is held by %s", told, rows)
    found = (STACKED if local == ON_STACK else LOCAL).match(rows[0]["name"])
    require(found, "%s is held by %s", told, rows[0]["name"])
    if local != ON_STACK:
        same("the variable", found.group(1), local)
    *_, called, file, line, thread = found.groups()
    same("the function that holds %s" % told, called.split(".")[-1], function)
    if rows[0]["from"]:
        place = truth["suspended"].get(str(int(rows[0]["from"].rsplit("@", 1)[1], 16)))
        places = [place] if place else truth["threads"][str(native)]  # a coroutine that runs stands on its thread's stack
    else:
        same("the thread of %s" % told, thread, str(native))
        places = truth["threads"][thread]
    require([function, file, int(line)] in places, "%s stands at %s, not at %s:%s", told, [each for each in places if each[0] == function], file, line)


def ask_frames(asker, truth, stride):
    require(len(truth["markers"]) > 90 and len(truth["threads"]) == 7, "a truth of %d markers", len(truth["markers"]))
    for number, (address, told) in enumerate(sorted(truth["markers"].items())):
        if number % stride == 0 or told[1] not in ("work",):
            asker.ask("refs", "%#x" % int(address), lambda document, address=address, told=told: check_marker(truth, address, told, document))


def main():
    parser = argparse.ArgumentParser(description="Checks the frames of Python in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--stride", type=int, default=1, help="of the many frames of one function, ask about each so manyth")
    arguments = parser.parse_args()
    door = PipedShell(arguments.shell) if arguments.door == "shell" else door_of(arguments.door, arguments.shell)

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        with tempfile.TemporaryDirectory() as folder:
            target = Target(folder, 1, HERE + "/frames_python.py")
            with target.start() as subject:
                for where in ("live", "core", "alone"):
                    debugged = subject.live() if where == "live" else subject.core() if where == "core" else debugged._replace(exe=None)
                    if where == "alone":
                        target.take_away()
                    asker = Asker(door, debugged, where)
                    ask_frames(asker, subject.truth, arguments.stride)
                    asker.run()
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
