"""check_forgotten.py - forgotten.cpp: gcleaks names as many blocks as Valgrind calls definitely lost, and all objects that
went with them. (Of blocks that lead to each other Valgrind counts one, too.)
"""

import argparse
import re
import sys
import tempfile

import expect
from launch import Question, Subject, Target, door_of, report, require, run_tool


def blocks_by_valgrind(valgrind, program):
    _out, said, _status = run_tool([valgrind, "--leak-check=full", program, "end"])
    found = re.search(r"definitely lost: [\d,]+ bytes in ([\d,]+) blocks", said)
    require(found, "valgrind says nothing:\n%s", said)
    return int(found[1].replace(",", ""))


def check(door, target, truth, blocks, where):
    question = Question("gcleaks", "--json --check --limit=0")
    answer, = door.ask(target, [question])
    document = expect.document_of(question, answer)
    lost = [leak for leak in document["leaks"] if leak["cause"] == "lost_block"]
    require(document["complete"] is True and document["objects"] == truth["objects"], "%s: %s", where, document)
    require({leak["cause"] for leak in document["leaks"]} == {"lost_block", "dependent"}, "%s: %s", where, document)
    require(len({leak["block"]["address"] for leak in lost}) == len(lost) == blocks, "%s: valgrind has %d: %s", where, blocks, lost)
    require(answer.status == 1, "%s: status %d", where, answer.status)
    graph, = door.ask(target, [Question("gcgraph", lost[0]["representative"])])
    require("* %s rc=1 lost_block at " % lost[0]["representative"] in graph.out, "%s: gcgraph says: %s", where, graph.out)
    check_places(door, target, {leak["block"]["address"]: leak for leak in lost}, where)
    print("%s: %d blocks" % (where, blocks), flush=True)


def check_places(door, target, lost, where):
    """What objat says of each lost block: the objects that its words lead to, and what to ask next."""
    texts, documents = ([Question("objat", option + address) for address in lost] for option in ("", "--json "))
    answers = door.ask(target, texts + documents)
    found = 0
    for leak, said, question, told in zip(lost.values(), answers, documents, answers[len(texts):]):
        held = expect.document_of(question, told)["block"]["objects"]
        found += leak["representative"] in [row["object"]["id"] for row in held]
        rows = "".join(r"    \+%-6d %s.*\n" % (row["offset"], row["object"]["id"]) for row in held)
        wanted = r"  objects that its words lead to:\n%s  next: objat %s\n" % (rows, held[0]["object"]["id"]) if held else "  next: gcleaks"
        require(re.search(r"nothing reaches it: it is lost\n(.*\n)*" + wanted, said.out), "%s: objat says: %s", where, said.out)
    require(found > 0, "%s: no block leads to its object", where)


def main():
    parser = argparse.ArgumentParser(description="As many lost blocks as Valgrind finds.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--valgrind", required=True)
    parser.add_argument("--door", default="shell")
    parser.add_argument("program")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        blocks = blocks_by_valgrind(arguments.valgrind, arguments.program)
        with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 0, folder) as subject:
            check(door, subject.live(), subject.truth, blocks, "live")
            core = subject.core()
            check(door, core, subject.truth, blocks, "core")
            check(door, Target(core=core.core), subject.truth, blocks, "core alone")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
