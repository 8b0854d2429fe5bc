"""check_keepers.py - keepers.cpp in every door: what libc, the C++ runtime and usual containers keep in blocks of malloc is
never called lost, and each object has its owner.
"""

import argparse
import sys
import tempfile

import expect
from launch import Question, Subject, Target, door_of, report, require, without_traceback


def check(door, target, truth, where):
    asked = [Question("gcleaks", "--json --check --limit=0"), Question("gcfind", "--json"), Question("refs", "--json --path thing#1")]
    answers = door.ask(target, asked)
    for answer in answers:
        without_traceback(answer.error)
    leaks, found, refs = (expect.document_of(question, answer) for question, answer in zip(asked, answers, strict=True))
    require(found["total"] == truth["objects"] > 100, "%s: %s objects, and not %s", where, found["total"], truth)
    require((leaks["leaks"], leaks["undecided"], leaks["complete"]) == ([], 0, True), "%s: %s", where, leaks)
    require(answers[0].status == 0, "%s: status %d", where, answers[0].status)
    require(refs["referrers"][0]["reachable"] is True and len(refs["path"]) >= 4, "%s: a map, a node, a keeper: %s", where, refs)
    print(where, flush=True)


def main():
    parser = argparse.ArgumentParser(description="Blocks of malloc in unusual places are not lost.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--door", default="shell")
    parser.add_argument("program")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 0, folder) as subject:
            check(door, subject.live(), subject.truth, "live")
            core = subject.core()
            check(door, core, subject.truth, "core")
            check(door, Target(core=core.core), subject.truth, "core alone")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
