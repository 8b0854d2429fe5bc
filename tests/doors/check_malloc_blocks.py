"""check_malloc_blocks.py - malloc_blocks.c in every door: what is lost with which block of malloc, what depends on what is leaked,
and what roots reach.

Invariant: the expectation is worked out here from the program's own list of pointers, by closures over sets.
"""

import argparse
import random
import sys
import tempfile

import expect
from launch import Question, Subject, Target, door_of, report, require, without_traceback


class Truth:
    """Nodes are ("block", i) and ("object", i)."""

    def __init__(self, said):
        self.blocks, self.objects = said["blocks"], said["objects"]
        self.targets = {("block", i): {("block", to) for to in block["leads_to"]} for i, block in enumerate(self.blocks)}
        self.targets.update({("object", i): set() for i in range(len(self.objects))})
        for i, each in enumerate(self.objects):
            if each["owner"] in ("block", "object"):
                self.targets[each["owner"], each["from"]].add(("object", i))
            if each["leads_to"] >= 0:
                self.targets["object", i].add(("block", each["leads_to"]))
        roots = {("block", i) for i, block in enumerate(self.blocks) if block["is_root"]}
        roots |= {("object", i) for i, each in enumerate(self.objects) if each["owner"] == "root"}
        self.held = self.closure(roots, lambda node: True)
        self.expected = {}
        self.judge()

    def closure(self, nodes, is_wanted):
        met, waiting = set(nodes), list(nodes)
        while waiting:
            for to in self.targets[waiting.pop()]:
                if to not in met and is_wanted(to):
                    met.add(to)
                    waiting.append(to)
        return met

    def address(self, node):
        return int(self.blocks[node[1]]["address"], 16)

    def judge(self):
        """expected: index of an object -> (cause, index of the block or None)."""
        lost = {("object", i) for i, each in enumerate(self.objects) if each["owner"] == "nobody"}
        below = self.closure(lost, lambda node: node not in self.held)
        for _, i in lost:
            self.expected[i] = ("lost_reference", None)
        orphans = {node for node in self.targets if node not in self.held and node not in below}
        above = {node: {other for other in orphans if node in self.closure({other}, orphans.__contains__)} for node in orphans}
        tops = [node for node in orphans if node[0] == "block" and
                all(other in self.closure({node}, orphans.__contains__) and (other[0] == "object" or self.address(other) >= self.address(node))
                    for other in above[node])]
        for top in sorted(tops, key=self.address):
            for kind, i in self.closure({top}, lambda node: node in orphans and node[0] == "block"):
                for to in self.targets[kind, i] if kind == "block" else ():
                    if to[0] == "object" and to in orphans:
                        self.expected.setdefault(to[1], ("lost_block", top[1]))
        for kind, i in below | orphans:
            if kind == "object":
                self.expected.setdefault(i, ("dependent", None))

    def chain_begins(self, block):
        return ("block", block) in self.closure({("block", i) for i, each in enumerate(self.blocks) if each["is_root"]},
                                                lambda node: node[0] == "block")


def check_leaks(truth, document):
    require(document["complete"] is True, "not complete: %s", document.get("incomplete_because"))
    found, retained = {}, 0
    number = {each["id"]: i for i, each in enumerate(truth.objects)}
    for leak in document["leaks"]:
        block = leak.get("block")
        index = None
        if block:
            index = next((i for i, each in enumerate(truth.blocks) if each["address"] == block["address"]), None)
            require(index is not None and truth.blocks[index]["size"] == block["size"], "no such block: %s", leak)
        require((leak["cause"] == "lost_block") == bool(block), "a block is named or not: %s", leak)
        require((leak["cause"] == "dependent") == ("of" in leak), "of whom: %s", leak)
        retained += leak["retained"] if leak["cause"] != "dependent" else 0
        for name in leak["objects"]:
            require(number[name] not in found, "%s is in two groups", name)
            found[number[name]] = (leak["cause"], index)
    wrong = {truth.objects[i]["id"]: (found.get(i), truth.expected.get(i)) for i in set(found) | set(truth.expected)
             if found.get(i) != truth.expected.get(i)}
    require(not wrong, "found and expected: %s", wrong)
    require(retained <= document["bytes"], "%d bytes retained of %d", retained, document["bytes"])


def check_refs(truth, i, document):
    each, wanted = truth.objects[i], truth.expected.get(i)
    rows = [row for row in document["referrers"] if row["kind"] == "foreign"]
    if each["owner"] != "block":
        require(not rows, "%s: %s", each, rows)
        return
    is_held = ("block", each["from"]) in truth.held
    require([row["reachable"] for row in rows] == [is_held], "%s is %s: %s", each, wanted, rows)
    ledger = document["ledger"]
    require((ledger["unreachable"], ledger["roots"], ledger["unexplained"]) == ((0, 1, 0) if is_held else (1, 0, 1)), "%s: %s", each, ledger)
    path, base = document["path"], int(truth.blocks[each["from"]]["address"], 16)
    words = [row for row in path if row.get("kind") == "foreign"]
    require(words and int(words[-1]["address"], 16) - base < truth.blocks[each["from"]]["size"], "%s: %s", each, path)
    if not is_held:
        require(path[0] == words[0] and len(words) == 1, "%s: %s", each, path)
        return
    require(path[0]["kind"] in (("global", "thread_local", "unknown") if truth.chain_begins(each["from"]) else ("undeclared",)), "%s: %s", each, path)
    for one, other in zip(words, words[1:]):  # each block leads to the next
        of = [next(k for k, block in enumerate(truth.blocks)
                   if 0 <= int(row["address"], 16) - int(block["address"], 16) < block["size"]) for row in (one, other)]
        require(of[1] in truth.blocks[of[0]]["leads_to"], "%s: %s does not lead to %s", path, one, other)


def check_place(truth, i, document):
    known, block = truth.blocks[i], document["block"]
    require((document["status"], block["address"], block["size"], block["offset"], block["in_use"]) ==
            ("unmanaged", known["address"], known["size"], 8, True), "%s: %s", known, document)
    require(block["reachable"] is (("block", i) in truth.held), "%s: %s", known, block)
    holders = {other["address"] for k, other in enumerate(truth.blocks) if k != i and i in other["leads_to"]}
    named = {row["name"].split()[2].split("+")[0] for row in block["referrers"] if row["kind"] == "foreign"}
    holding = {each["id"] for each in truth.objects if each["leads_to"] == i}
    require(named == holders and {row["from"] for row in block["referrers"] if row["from"]} == holding, "%s: %s", known, block)
    require(any(row["kind"] in ("global", "thread_local", "unknown") for row in block["referrers"]) == known["is_root"], "%s: %s", known, block)


def questions_of(truth, seed):
    chosen = random.Random(seed)
    objects = chosen.sample(range(len(truth.objects)), 12)
    places = chosen.sample(range(len(truth.blocks)), 6)
    asked = [(Question("gcleaks", "--json --limit=0"), lambda document: check_leaks(truth, document)),
             (Question("gcfind", "--unreachable --json --limit=0"),
              lambda document: require({each["id"] for each in document["objects"]} == {truth.objects[i]["id"] for i in truth.expected},
                                       "gcfind: %s", document))]
    for i in objects:
        asked.append((Question("refs", "--path --json --limit=0 " + truth.objects[i]["id"]),
                      lambda document, i=i: check_refs(truth, i, document)))
    for i in places:
        asked.append((Question("objat", "--json --limit=0 0x%x" % (int(truth.blocks[i]["address"], 16) + 8)),
                      lambda document, i=i: check_place(truth, i, document)))
    return asked


def check(door, target, truth, seed, where):
    asked = questions_of(truth, seed)
    for (question, judge), answer in zip(asked, door.ask(target, [question for question, _ in asked]), strict=True):
        without_traceback(answer.error)
        judge(expect.document_of(question, answer))
    print("%s: %s" % (where, {cause: sum(1 for each in truth.expected.values() if each[0] == cause)
                              for cause in ("lost_reference", "lost_block", "dependent")}), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Blocks of malloc that nothing reaches, in every door.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--door", default="shell")
    parser.add_argument("--seeds", default="1-3")
    parser.add_argument("program")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)
    first, last = (int(part) for part in arguments.seeds.split("-"))

    def body():
        kinds = set()
        for seed in range(first, last + 1):
            with tempfile.TemporaryDirectory() as folder, Subject(arguments.program, 0, folder, [str(seed)]) as subject:
                truth = Truth(subject.truth)
                kinds |= {cause for cause, _ in truth.expected.values()}
                check(door, subject.live(), truth, seed, "seed %d, live" % seed)
                core = subject.core()
                check(door, core, truth, seed, "seed %d, core" % seed)
                check(door, Target(core=core.core), truth, seed, "seed %d, core alone" % seed)
        require({"lost_reference", "lost_block", "dependent"} <= kinds, "only %s came up: this proves nothing", kinds)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
