"""check_python_samples.py - the Python samples, in one door: the truth of their checkpoints, live, on cores, on cores alone.

lesson: each cell. service: what it holds, what leaked, who holds it and where requests wait. uses_forgot: lost counts and
a lost list, one certain over-release, a dangling slot, and nothing at all where the extension is used in the right way.

Invariant: what is expected stands in the samples' lines; addresses and counts come from Python.
"""

import argparse
import os
import sys
import tempfile

import expect
from expect import same
from launch import Failure, Question, door_of, report, require, without_traceback
from python_target import PYTHON, SAMPLES, PipedShell, Target, minor_version

HAS_INLINE_ATTRIBUTES = minor_version() >= 11


def plain(name):
    """A type's name, or an object's, without the module or address that tells it from others of that name."""
    return name.split("@")[0].split("(")[0].replace("__main__.", "")


class Asker:
    """Collects questions with their checks, and puts all of them at once."""

    def __init__(self, door, target, where):
        self.door, self.target, self.where, self.asked = door, target, where, []

    def ask(self, command, line, check):
        self.asked.append((Question(command, "--json --limit=0 " + line), check))

    def run(self):
        answers = self.door.ask(self.target, [question for question, _ in self.asked])
        for (question, check), answer in zip(self.asked, answers, strict=True):
            try:
                without_traceback(answer.error)
                document = expect.document_of(question, answer)
                require("error" not in document and document["complete"], "%s %s", document.get("error"), document.get("incomplete_because"))
                check(document)
            except Failure as failure:
                raise Failure("%s, %s: %s %s: %s" % (self.door.name, self.where, question.command, question.line, str(failure)[:3000])) from None
        print("%-6s %s: %d answers" % (self.door.name, self.where, len(answers)), flush=True)


# ---- the lesson ------------------------------------------------------------------------------------


def ask_lesson(asker, truth):
    for known in truth["objects"]:
        asker.ask("objat", known["address"], lambda document, known=known: check_at(known, document))
        if known["status"] == "live":
            asker.ask("refs", known["id"], lambda document, known=known: check_refs(known, document))
    if "shared" in truth:
        asker.ask("objat", truth["shared"], check_shared)
    if truth.get("cycles"):
        asker.ask("gcgraph", "--cycles", lambda document: check_cycles(truth["cycles"], document))
    leaked = {known["id"] for known in truth["objects"]} if truth["name"] == "the name dropped" else set()
    if truth["name"] in CHECKPOINTS["lesson"][4:]:  # before, there may be what importing left
        asker.ask("gcleaks", "", lambda document: check_leaked(leaked, document))
    asker.ask("gcverify", "", lambda document: same("problems", document["problems"], []))
    asker.ask("gcstale", "", lambda document: same("stale pointers", document["stale"], []))


def check_header(known, found):
    require(found, "%s: no object", known["id"])
    same(known["id"], {key: found[key] for key in ("id", "type", "address", "refcount", "tracked", "serial", "immortal")},
         {**{key: known[key] for key in ("id", "type", "address", "refcount", "tracked")}, "serial": None, "immortal": False})


def check_at(known, document):
    if known["status"] == "freed" and minor_version() == 12 and document["status"] == "unused":
        return  # its collector makes a str when it has ended, where the last object was
    same("the status of %s" % known, document["status"], known["status"])
    if known["status"] == "freed":
        same("who was at " + known["address"], [each["id"] for each in document["previous"]], ["%s@%s" % (known["was"], known["address"])])
        return
    check_header(known, document["object"])
    fields = {row["name"]: row["target"] for row in document["fields"]}
    if not HAS_INLINE_ATTRIBUTES and known["referents"]:  # a dict has them
        require(fields["__dict__"].startswith("dict@"), "the attributes of %s: %s", known["id"], fields)
        return
    for name, target in known["referents"].items():
        same("%s.%s" % (known["id"], name), fields.get(name), target)


def holders_of(known):
    """By name: entries of dicts, and others."""
    entries, others = sorted(known["globals"]), sorted(known["referrers"])
    if not HAS_INLINE_ATTRIBUTES:
        entries += [each.rsplit(".", 1)[1] for each in others if "." in each]
        others = [each for each in others if "." not in each]
    return sorted(entries), others


def check_refs(known, document):
    check_header(known, document["object"])
    rows = [row for row in document["referrers"] if row["kind"] == "field"]
    found = sorted(row["from"] + ("" if row["name"].startswith("[") else ".") + row["name"] for row in rows)
    named = [each for each in found if each.startswith("dict@") and each.endswith("']")]
    entries, others = holders_of(known)
    same("names of " + known["id"], sorted(each.split("['")[1][:-2] for each in named), entries)
    same("other holders of " + known["id"], [each for each in found if each not in named], others)
    ledger = document["ledger"]
    same("the ledger of " + known["id"], [ledger[key] for key in ("stored", "fields", "unexplained", "provisional")],
         [known["refcount"], known["refcount"], 0, False])


def check_shared(document):
    """A small integer: many hold it, and from 3.12 on nobody counts."""
    same("type and value", (document["object"]["type"], document["object"]["value"]), ("int", "10"))


def check_cycles(expected, document):
    for cycle in expected:
        found = [each for each in document["cycles"] if set(cycle["objects"]) & set(each["objects"])]
        same("cycles with %s" % cycle["objects"], len(found), 1)
        same("the verdict on it", found[0]["verdict"], cycle["verdict"])
        if cycle["verdict"] == "garbage":
            same("its members", {each for each in found[0]["objects"] if not each.startswith("dict@")}, set(cycle["objects"]))
    garbage = sum(cycle["verdict"] == "garbage" for cycle in expected)
    same("garbage cycles in all", sum(each["verdict"] == "garbage" for each in document["cycles"]), garbage)


def check_leaked(expected, document):
    """Exactly these are leaked, and before 3.11 the dicts of their attributes."""
    found = {name for leak in document["leaks"] for name in leak["objects"]}
    same("leaked", {name for name in found if not name.startswith("dict@")}, expected)
    require(expected or not found, "leaked: %s", found)


# ---- the service -----------------------------------------------------------------------------------


def ask_service(asker, truth):
    asker.ask("gcstat", "--no-retained", lambda document: check_types(truth["types"], document))
    asker.ask("gcleaks", "", lambda document: check_garbage(truth, document))
    asker.ask("gcfind", "--unreachable --type=Connection", lambda document: same("connections", document["total"], truth["garbage"]["Connection"]))
    asker.ask("gcfind", "--unreachable --type=*Session", lambda document: same("lost sessions", document["total"], 0))
    asker.ask("objat", truth["cache"], lambda document: check_cache(truth, document))
    asker.ask("objat", "%#x" % (int(truth["cache"], 16) + 8), lambda document: same("inside", (document["status"], document["offset"]), ("live", 8)))


def check_types(types, document):
    found = {plain(row["type"]): row["count"] for heap in document["heaps"] for row in heap["types"]}
    same("objects by type", {name: found.get(name) for name in types}, types)


def check_garbage(truth, document):
    """By the groups that are alike: one for each connection. (3.9 itself loses a count of the type of select.poll().)"""
    lost = [leak for leak in document["leaks"] if leak["cause"] != "cycle"]
    own = [leak for leak in lost if minor_version() == 9 and leak["cause"] == "lost_reference" and leak["value"] == "<class 'select.poll'>"]
    same("other causes", [leak for leak in lost if leak not in own], [])
    count = truth["garbage"]["Connection"]
    first = {"Connection", "Handler"} | (set() if HAS_INLINE_ATTRIBUTES else {"dict"})  # by address: of their attributes
    groups = [group for group in document["groups"] if plain(group["type"]) in first]
    same("groups of connections", sum(group["count"] for group in groups), count)
    members = [plain(name) for leak in document["leaks"] for name in leak["objects"]]
    same("connections and handlers", (members.count("Connection"), members.count("Handler")), (count, truth["garbage"]["Handler"]))
    same("sessions and requests", (members.count("Session"), members.count("Request")), (0, 0))


def check_cache(truth, document):
    values = [row for row in document["fields"] if row["name"].startswith("['/user/")]
    same("entries of the cache", len(values), truth["entries"])
    same("what they are", {plain(row["target"]) for row in values}, {"Session"})


# ---- the extension ---------------------------------------------------------------------------------


def ask_extension(asker, truth):
    """A slot that leads to a freed block is stale; it makes nothing undecided."""
    (kept, lost), = truth["lost_counts"].items()
    if not lost:
        asker.ask("gcleaks", "", lambda document: same("leaks", document["leaks"], []))
        asker.ask("gcverify", "", lambda document: same("problems", document["problems"], []))
        asker.ask("gcstale", "", lambda document: same("stale", document["stale"], []))
        return
    (victim, counts), = truth["over_released"].items()
    (name, members), = truth["lost_lists"].items()
    dangling = truth["dangling"]
    asker.ask("refs", kept, lambda document: check_kept(kept, lost, document))
    asker.ask("gcleaks", "", lambda document: check_lost({name, kept}, members, document))
    asker.ask("gcverify", "", lambda document: check_over_released(victim, dangling, document))
    asker.ask("refs", victim, lambda document: same("the ledger of " + victim, {key: document["ledger"][key] for key in counts}, counts))
    asker.ask("gcstale", "", lambda document: check_dangling(dangling, victim, document))
    if dangling:
        asker.ask("objat", dangling["address"], lambda document: check_ghost(dangling, document))


def check_kept(kept, lost, document):
    """All lost counts have no owner. But 3.9 keeps a frame of each function for reuse, with all that was on its stack: where
    malloc has it, nothing tells its words from those of others, and each may own a count."""
    words = [row for row in document["referrers"] if row["strength"] == "conservative"] if minor_version() == 9 else []
    require(len(words) < lost and all(row["kind"] == "foreign" for row in words), "words: %s", words)
    same("the ledger of " + kept, [document["ledger"][key] for key in ("stored", "fields", "unexplained")], [1 + lost, 1, lost - len(words)])


def check_lost(lost, members, document):
    found = {name: leak for leak in document["leaks"] for name in leak["objects"] if leak["cause"] == "lost_reference"}
    same("what lost a reference", set(found), lost)
    dependents = {name for leak in document["leaks"] for name in leak["objects"] if leak["cause"] == "dependent"}
    require(set(members) <= dependents, "the dicts of the lost list: %s, expected %s", dependents, members)
    same("garbage", [leak for leak in document["leaks"] if leak["cause"] == "cycle"], [])


def check_over_released(victim, dangling, document):
    over = [row for row in document["problems"] if row["kind"] == "over_release"]
    same("over-released", [row["object"] for row in over], [victim])
    require("4 fields" in over[0]["detail"] and "2" in over[0]["detail"], "its numbers: %s", over[0]["detail"])
    others = [row for row in document["problems"] if row["kind"] != "over_release"]
    same("other problems", len(others), 1 if dangling else 0)
    require(all(dangling["address"] in row["detail"] for row in others), "other problems: %s", others)


def check_dangling(dangling, victim, document):
    freed = [row for row in document["stale"] if not row["now"]]
    expected = [(dangling["address"], "['%s']" % dangling["name"], "%s@%s" % (dangling["was"], dangling["address"]))] if dangling else []
    same("dangling slots", [(row["address"], row["holder"]["name"], row["was"]) for row in freed], expected)
    same("what has more holders than counts", {row["now"] for row in document["stale"] if row["now"]}, {victim})


def check_ghost(dangling, document):
    same("the status of the ghost", document["status"], "freed")
    same("who it was", [each["id"] for each in document["previous"]], ["%s@%s" % (dangling["was"], dangling["address"])])


def check_advice(door, target):
    """What people are told to do next is of use for Python's objects, which have no history and no retain."""
    answers = door.ask(target, [Question(command, "") for command in ("gcverify", "gcleaks", "gcstale")])
    said = "".join(answer.out for answer in answers)
    require("(Py_DECREF)" in answers[0].out, "gcverify: %s", answers[0].out)
    require(not any(word in said for word in ("--history", "retain:", "rh_", "REFHEAP_OPTIONS")), "%s", said)


# ---- all of them -----------------------------------------------------------------------------------


SAMPLES_OF = {"lesson": ("lesson.py", (), ask_lesson), "service": ("service.py", (), ask_service),
              "right": ("uses_forgot.py", ("right",), ask_extension), "lost": ("uses_forgot.py", ("lost",), ask_extension),
              "wrong": ("uses_forgot.py", ("wrong",), ask_extension)}
CHECKPOINTS = {"lesson": ("three names", "asked for the count", "one name", "integers", "they hold each other", "the name dropped", "collected",
                          "something else lives there"),
               "service": ("grown",), "right": ("used",), "lost": ("used",), "wrong": ("used",)}


def check_checkpoint(door, sample, number, arguments):
    script, words, ask = SAMPLES_OF[sample]
    environment = {"PYTHONPATH": os.path.abspath(arguments.extensions), **dict(each.split("=", 1) for each in arguments.environment)}
    with tempfile.TemporaryDirectory() as folder:
        target = Target(folder, number, "%s/%s" % (SAMPLES, script), *words, environment=environment)
        with target.start() as subject:
            def ask_all(where, debugged):
                if where in arguments.modes.split(","):
                    asker = Asker(door, debugged, "%s %r, %s" % (sample, subject.truth["name"], where))
                    ask(asker, subject.truth)
                    asker.run()
                    if sample == "wrong" and where == "core":
                        check_advice(door_of(arguments.door, arguments.shell), debugged)
            ask_all("live", subject.live())
            core = subject.core()
            ask_all("core", core)
            target.take_away()
            ask_all("alone", core._replace(exe=None))


def main():
    parser = argparse.ArgumentParser(description="Checks one door against the Python samples.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--extensions", required=True, help="the folder with the built extension")
    parser.add_argument("--modes", default="live,core,alone")
    parser.add_argument("--last", action="store_true", help="of each sample the last three checkpoints")
    parser.add_argument("--environment", action="append", default=[], help="NAME=VALUE for Python")
    parser.add_argument("samples", nargs="+", choices=SAMPLES_OF)
    arguments = parser.parse_args()
    door = PipedShell(arguments.shell) if arguments.door == "shell" else door_of(arguments.door, arguments.shell)

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        for sample in arguments.samples:
            numbers = range(1, len(CHECKPOINTS[sample]) + 1)
            for number in numbers[-3:] if arguments.last else numbers:
                check_checkpoint(door, sample, number, arguments)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
