"""check_random_python.py - random graphs of Python objects, in every door, against what Python itself says of them.

For each seed: all doors on the live process, on its core, and on the core without the interpreter's file. All objects
that Python can name are held against the engine's list, all that were made also with their counts, slots and values;
garbage is what gc.collect calls so. Counts and types are also read from the bytes of the target here.

By hand: check_random_python.py --shell build/inspect/refheap --seeds 1-100 [--size N]; PYTHON=FILE for another Python.

Invariant: what the engine lists and Python does not know has the type word of a known type, and a count.
"""

import collections
import random
import sys
import tempfile

import expect
from check_random import attempt, random_parser
from expect import same
from expect_heapsnapshot_python import PythonSnapshots
from expect_query_python import REFERENCES, PythonQueries
from launch import Failure, Question, door_of, report, require, without_traceback
from python_target import HERE, PYTHON, PipedShell, Target, bytes_of, gcore_of, minor_version, statics_of, stored_count

LEFT_AT_STOP = 40  # objects that the program made or dropped after the copy that told the truth: text of the line, …
OURS = ("Node", "Anchor", "Slots", "SlotsAndDict", "Registry", "Number", "Trouble", "Point", "Maker")
OPERANDS_MAX = 64  # of gcgraph
COMMANDS = ("objat", "refs", "gcgraph", "gcstat", "gcfind", "gcleaks", "gcstale", "gcverify", "gcquery", "gcexport")
UNDECLARED = ("partial",)  # types whose layout nothing tells: each word that is the address of an object counts
RENAMED_MAX = 30  # objects that have another name than in the truth
SHORT = 40  # characters that a value is shown with at least


def number(text):
    return int(text, 16)


class Truth:
    """What the program said, by address."""

    def __init__(self, line, statics=()):
        self.line, self.statics = line, statics
        for key in ("objects", "made", "holds", "keys", "named", "values", "types", "aliases"):
            setattr(self, key, {int(address): value for address, value in line[key].items()})
        self.garbage = set(line["garbage"])
        self.held = {each for held in self.holds.values() for each in held}
        self.all_keys = {key for keys in self.keys.values() for key in keys}
        self.version = tuple(line["version"])
        self.random = random.Random(line["seed"])
        self.reached = self.reach(set(self.objects) & self.roots())
        self.dying = self.reach(self.garbage) - self.reached  # garbage, and what it alone holds
        require(len(self.made) >= 3000 or self.line.get("small"), "only %d objects", len(self.made))
        require(len(self.garbage & set(self.made)) * 3 > len(self.made), "too little garbage")

    def is_static(self, address):
        """In the data of a file: nobody frees it."""
        return any(start <= address < end for start, end in self.statics)

    def roots(self):
        return {address for address, each in self.objects.items() if each[2]} - self.garbage

    def reach(self, start):
        reached, todo = set(start), list(start)
        while todo:
            holder = todo.pop()
            for each in self.holds.get(holder, []) + self.keys.get(holder, []):
                if each not in reached:
                    reached.add(each)
                    todo.append(each)
        return reached

    def sample(self, addresses, count):
        addresses = sorted(addresses)
        return self.random.sample(addresses, min(count, len(addresses)))


class Checks:
    """Questions, each with its check of the answer's document."""

    def __init__(self, truth, memory, samples, is_alone):
        self.truth, self.memory, self.samples = truth, memory, samples
        self.is_alone, self.listed, self.renamed = is_alone, {}, set()

    def asked(self):
        yield "gcfind", "--json --limit=0", self.check_list
        yield "gcfind", "--unreachable --json --limit=0", self.check_unreachable
        yield "gcleaks", "--json --limit=0", self.check_leaks
        few = self.truth.sample(self.truth.made, OPERANDS_MAX)
        yield "gcgraph", "--depth=0 --json --limit=0 " + ",".join(map(hex, few)), lambda document: self.check_graph(document, set(few))
        yield "gcstat", "--json --limit=0 --no-retained", self.check_stat
        yield "gcverify", "--json --limit=0", self.check_verify
        yield "gcstale", "--json --limit=0", self.check_stale
        for address in self.truth.sample(self.truth.named, self.samples):
            yield "objat", "--json --limit=0 0x%x" % address, lambda document, address=address: self.check_object(document, address)
        for address in self.truth.sample(self.truth.values, self.samples // 3):
            yield "objat", "--json 0x%x" % address, lambda document, address=address: self.check_value(document, address)
        for address in self.truth.sample(self.truth.made, self.samples // 2):
            yield "refs", "--json --limit=0 0x%x" % address, lambda document, address=address: self.check_refs(document, address)
        yield from PythonQueries(self).all(self.samples)
        yield from PythonSnapshots(self).all(self.samples)

    # one object

    def check_header(self, row):
        """Name, type, count of an object against the target's bytes."""
        require(row, "no object")
        address = number(row["address"])
        same("the id", row["id"], "%s@0x%x" % (row["type"], address))
        same("the serial of " + row["id"], row["serial"], None)
        count, kind = self.memory.word(address), self.memory.word(address + 8)
        require(kind in self.truth.types or self.memory.word(kind + 8) in self.truth.types, "%s: there is no type at 0x%x", row["id"], kind or 0)
        if row["immortal"]:
            require(stored_count(count) is None or self.truth.is_static(address), "%s is immortal, with a count of %s", row["id"], count)
            same("the count of " + row["id"], row["refcount"], None)
        else:
            same("the count of " + row["id"], row["refcount"], count)
        known = self.truth.objects.get(address)
        if known:
            if row["type"] not in known[:2]:
                self.check_other_name(row, address, kind)
                return address
            same("whether %s is tracked" % row["id"], row.get("tracked", known[2]), known[2])  # a table has no such column
        if address in self.truth.made:
            same("the count of %s, as Python says" % row["id"], row["refcount"], self.truth.made[address])
        return address

    def check_other_name(self, row, address, kind):
        """On a core without files a static type has a name that a module gave it, or none; and of what the program did not
        make some may have gone since the copy was, and something else be there."""
        last = row["type"].rsplit(".", 1)[-1]
        if self.is_alone and self.truth.is_static(kind) and last in self.truth.aliases.get(kind, ()):
            return
        self.renamed.add(row["id"])
        may_be = row["type"] == "unnamed(0x%x)" % kind and self.is_alone and self.truth.is_static(kind)
        require(address not in self.truth.made and (may_be or self.truth.types.get(kind) == last) and len(self.renamed) <= RENAMED_MAX,
                "%s is a %s", row["id"], self.truth.objects[address])

    def check_list(self, document):
        """Every object that Python can name, with its type and count; and nothing that is none."""
        found = {self.check_header(row): row for row in document["objects"]}
        self.listed.update((row["address"], row) for row in document["objects"])
        same("the number of objects, each once", len(found), len(document["objects"]))
        self.check_all_are_there(found)
        extra = [row["id"] for address, row in found.items() if address not in self.truth.objects and row["tracked"]]
        require(len(extra) <= LEFT_AT_STOP, "the collector does not know %d: %s", len(extra), extra[:20])

    def check_all_are_there(self, found):
        """Rows by address."""
        truth = self.truth
        same("those made that are missing", [self.say(each) for each in set(truth.made) - set(found)], [])
        missing = set(truth.objects) - set(found)
        require(len(missing) <= LEFT_AT_STOP, "%d objects are missing: %s", len(missing), [self.say(each) for each in list(missing)[:20]])
        same("missing ones that the garbage needs", [self.say(each) for each in missing & truth.dying], [])
        same("objects that were never made", [row["id"] for address, row in found.items()
                                              if address not in truth.objects and row["type"].split(".")[-1] in OURS], [])

    def say(self, address):
        return "%s@0x%x" % (self.truth.objects.get(address, ["?"])[0], address)

    # garbage

    def check_unreachable(self, document):
        rows = {self.check_header(row): row for row in document["objects"]}
        self.check_garbage(set(rows), {each for each, row in rows.items() if row["tracked"]})

    def check_garbage(self, found, tracked):
        """What the collector would find is all there; beyond that, what dies with it. (A dict of 3.13 that shares its values
        with an instance is not visited by the collector.)"""
        truth = self.truth
        same("garbage that is missed", [self.say(each) for each in truth.garbage - found], [])
        extra = tracked - truth.garbage
        if truth.version >= (3, 13):
            extra = {each for each in extra if truth.objects[each][0] != "dict" or each in truth.held}
        same("tracked objects that are no garbage", [self.say(each) for each in extra], [])
        same("what lives on", [self.say(each) for each in found - truth.dying], [])
        leaves = {each for each in truth.dying if each in truth.made}
        same("those made that die, too", [self.say(each) for each in leaves - found], [])

    def check_leaks(self, document):
        found = {number(name.rsplit("@", 1)[1]) for leak in document["leaks"] for name in leak["objects"]}
        same("causes", {leak["cause"] for leak in document["leaks"]} - {"cycle", "dependent"}, set())
        self.check_garbage(found, {each for each in found if each in self.truth.objects and self.truth.objects[each][2]})
        same("the number of leaked objects", document["objects"], len(found))

    # slots

    def check_graph(self, document, asked):
        """The references between some objects, by name and as often as each is held."""
        truth = self.truth
        same("the nodes", {self.check_header(row) for row in document["nodes"]}, asked)
        edges = collections.defaultdict(list)
        for row in document["edges"]:
            edges[number(row["from"].rsplit("@", 1)[1])].append((row["name"], number(row["to"].rsplit("@", 1)[1]), row["strength"]))
        for address in asked:
            inside = [row for row in truth.named[address] if row[1] in asked]
            self.check_slots(address, edges[address], inside, {each for each in truth.holds[address] if each in asked})

    def check_slots(self, address, found, named, held):
        """Each thing that Python sees is there by its name; nothing is there that it does not see."""
        left = collections.Counter((name, target) for name, target, _ in found)
        for name, target, strength in named:
            rows = [row for row in left if row[1] == target and left[row] and (name is None or row[0] == name)]
            require(rows, "%s holds %s as %s; found %s", self.say(address), self.say(target), name, found)
            strengths = {row[2] for row in found if row[1] == target}
            right = {"weak", "borrowed"} if strength == "weak" else {"conservative"} if self.truth.objects[address][0] in UNDECLARED else {"strong"}
            require(strengths & right, "%s holds %s, %s: %s", self.say(address),
                    self.say(target), strength, strengths)
            left[rows[0]] -= 1
        seen = {row[1] for row in named} | held | set(self.truth.keys.get(address, ()))
        # keys of a table that instances share, of which this one has not all, and no class owns the table any more
        seen |= {target for name, target, _ in found if name.startswith("shared key ") and target in self.truth.all_keys}
        if self.truth.version >= (3, 13):  # whose collector does not look at it
            seen |= {target for name, target, _ in found if name == "__dict__"}
        same("what %s holds unseen" % self.say(address), [(name, self.say(target)) for name, target, _ in found if target not in seen], [])
        same("what %s holds, and is missed" % self.say(address), [self.say(each) for each in held - {row[1] for row in found}], [])

    def check_object(self, document, address):
        same("the status of " + self.say(address), (document["status"], document["offset"]), ("live", 0))
        same("the object", self.check_header(document["object"]), address)
        found = [(row["name"], number(row["value"]), row["kind"]) for row in document["fields"]
                 if row["kind"] in REFERENCES and row["value"]]
        self.check_all_slots(address, found)

    def check_all_slots(self, address, found):
        """Of an object: (name, target, strength)."""
        truth = self.truth
        named = [row for row in truth.named[address] if row[1] in truth.objects]
        known = [row for row in found if row[1] in truth.objects]
        types = {self.memory.word(address + 8)}
        self.check_slots(address, [row for row in known if row[1] not in types or row[0] not in ("__class__",)], named,
                         {each for each in truth.holds[address] if each in truth.objects and each not in types})

    def check_value(self, document, address):
        """The beginning of repr, and all of what is short."""
        require(document["object"], "%s: no object, %s", self.say(address), document["status"])
        self.check_text_of(document["object"].get("value") or "", address)

    def check_text_of(self, value, address):
        expected = self.truth.values[address]
        if self.truth.objects[address][0] in ("int", "float", "Number") and len(expected) > SHORT // 2:
            return
        cut = value.rstrip("…. ").rstrip("'\"").rstrip("…. ")
        require(value == expected or (len(expected) > SHORT and len(cut) >= 8 and expected.startswith(cut)), "the value of %s: %r, expected %r",
                self.say(address), value, expected)

    # the ledger

    def check_refs(self, document, address):
        """Lists and anchors hold all that was made: its counts are fields."""
        ledger = document["ledger"]
        same("the object", self.check_header(document["object"]), address)
        found = {key: ledger[key] for key in ("stored", "fields", "unexplained", "provisional")}
        count = self.truth.made[address]
        same("the ledger of " + self.say(address), found, {"stored": count, "fields": count, "unexplained": 0, "provisional": False})
        holders = {number(row["from"].rsplit("@", 1)[1]) for row in document["referrers"] if row["kind"] == "field" and row["strength"] in ("strong", "conservative")}
        self.check_sources(address, holders)

    def check_sources(self, address, holders):
        known = {each for each in self.truth.made if address in self.truth.holds[each]}
        same("holders that are missed", [self.say(each) for each in known - holders], [])
        same("holders that there are not", [self.say(each) for each in holders & set(self.truth.made) - known
                                            if address not in {row[1] for row in self.truth.named[each]}], [])

    # the heap

    def check_stat(self, document):
        expected = collections.Counter(row["type"] for row in self.listed.values())
        found = collections.Counter({row["type"]: row["count"] for heap in document["heaps"] for row in heap["types"]})
        same("types and their objects", +found, expected)

    def check_verify(self, document):
        same("problems", document["problems"], [])
        same("objects checked", document["objects_checked"], len(self.listed))

    def check_stale(self, document):
        same("stale pointers", document["stale"], [])


def ask_and_check(arguments, door, target, truth, where):
    checks = Checks(truth, bytes_of(target), arguments.samples, not target.pid)
    asked = [each for each in checks.asked() if each[0] in arguments.commands]
    questions = [Question(command, line) for command, line, _ in asked]
    answers = door.ask(target, questions)
    for (_, _, check), question, answer in zip(asked, questions, answers, strict=True):
        attempt(arguments, check_answer, check, question, answer, "%s, %s: %s %s (%s)" %
                (door.name, where, question.command, question.line[:80], target))
    print("  %s, %s: %d answers" % (door.name, where, len(answers)), flush=True)


def check_answer(check, question, answer, where):
    try:
        without_traceback(answer.error)
        document = expect.document_of(question, answer)
        require("error" not in document, "%s", document.get("error"))
        require(document["complete"], "not complete: %s", document.get("incomplete_because"))
        check(document)
    except Failure as failure:
        raise Failure("%s: %s" % (where, str(failure)[:3000])) from None


def check_seed(seed, arguments):
    doors = [PipedShell(arguments.shell) if name == "shell" else door_of(name, arguments.shell) for name in arguments.doors]
    with tempfile.TemporaryDirectory() as folder:
        target = Target(folder, 1, HERE + "/random_python.py", seed, arguments.size, options=arguments.options, environment=arguments.environment)
        with target.start() as subject:
            truth = Truth({**subject.truth, "small": arguments.size < 3000}, statics_of(subject.process.pid))
            print("seed %d: %d objects made, %d garbage, of %d" % (seed, len(truth.made), len(truth.garbage), len(truth.objects)), flush=True)
            ask_all(arguments, doors, subject.live() if "live" in arguments.modes else None, truth, "live")
            if "gcore" in arguments.modes:
                ask_all(arguments, doors, gcore_of(subject.live(), folder), truth, "gcore")
            core = subject.core()
            ask_all(arguments, doors, core if "core" in arguments.modes else None, truth, "core")
            target.take_away()
            ask_all(arguments, doors, core._replace(exe=None) if "alone" in arguments.modes else None, truth, "core alone")


def ask_all(arguments, doors, target, truth, where):
    for door in doors if target else ():
        ask_and_check(arguments, door, target, truth, where)


def main():
    parser = random_parser("Checks all doors on random graphs of Python objects.", ("live", "gcore", "core", "alone"), COMMANDS, 3000, 60)
    parser.set_defaults(failures=0, options=(), environment={})
    arguments = parser.parse_args()

    def body():
        print("%s, 3.%d" % (PYTHON, minor_version()))
        for seed in arguments.seeds:
            check_seed(seed, arguments)
        require(not arguments.failures, "%d checks did not hold", arguments.failures)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
