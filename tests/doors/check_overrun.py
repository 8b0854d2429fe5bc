"""check_overrun.py - overrun.c: gcverify names each header that was written over, shows the text that did it from where
it begins, and the object below, which it came from.
"""

import argparse
import sys
import tempfile

import expect
from launch import Question, Subject, Target, door_of, report, require


def check(door, target, truth, where):
    question, text = Question("gcverify", "--json --check"), Question("gcverify", "")
    answer, shown = door.ask(target, [question, text])
    document = expect.document_of(question, answer)
    problems = {problem["address"]: problem for problem in document["problems"] if "bytes" in problem}
    require(set(problems) == {truth["header"], truth["filled"]}, "%s: %s", where, document)
    header, filled = problems[truth["header"]], problems[truth["filled"]]
    require(header["bytes"] == '"%s\\x00"' % truth["text"], "%s: %s", where, header)
    require(header["bytes_address"] == truth["text_address"], "%s: %s", where, header)
    require(header["below"]["id"] == truth["below"], "%s: %s", where, header)
    require(filled["below"]["id"] == truth["filled_below"], "%s: %s", where, filled)
    require(answer.status == 1, "%s: status %d", where, answer.status)
    for wanted in ('bytes from %s: "%s\\x00"' % (truth["text_address"], truth["text"]),
                   'below it lies %s' % truth["below"], truth["name"], 'below it lies %s' % truth["filled_below"]):
        require(wanted in shown.out, "%s: no %s in\n%s", where, wanted, shown.out)
    print("%s: %d headers" % (where, len(problems)), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Headers that were written over.")
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
