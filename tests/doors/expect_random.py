"""expect_random.py - what each command must answer about a heap of random_heap.c.

Invariant: an expectation comes from the program's line and from twin.py alone. A complete answer is exact: a
row too many fails as a row too few does. An incomplete one may lack rows, and may have none that is wrong.
"""

import collections
import fnmatch
import os
import random
import tempfile

from expect import same
from expect_export import Exports
from expect_heapsnapshot import Snapshots
from expect_page import Pages
from expect_query import Queries
from launch import Question, require
from twin import type_of

OBJECT_KEYS = ("id", "address", "size", "refcount", "immortal", "heap", "state")
# What else a word may be called where no debug info names the variables of a stack, and where nothing of a
# module's file is there: then the kind of its data is unknown.
WITHOUT_NAMES = {"local": {"stack"}}
WITHOUT_MODULES = {"thread_local": {"stack", "unknown", "foreign", "global"}, "global": {"unknown"}, "local": {"stack"}}
SCRATCH = tempfile.TemporaryDirectory()  # Python removes it when it ends
SNAPSHOT, EXPORTED = os.path.join(SCRATCH.name, "snapshot"), os.path.join(SCRATCH.name, "exported")
SMALL = 3000  # objects: what takes a search for each of them is asked of no larger heap
# `rows`: the list whose rows --check looks for; None: not asked with it.
Asked = collections.namedtuple("Asked", "question check rows", defaults=(None,))


def same_rows(what, found, expected, complete):
    """As lists of hashable rows, each as often as expected."""
    found, expected = collections.Counter(found), collections.Counter(expected)
    extra, missing = found - expected, expected - found
    require(not extra, "%s: wrong rows %s (expected %s)", what, sorted(map(str, extra)), sorted(map(str, expected)))
    require(not missing or not complete, "%s: missing rows %s (found %s)", what, sorted(map(str, missing)),
            sorted(map(str, found)))


def site_of(found):
    """A site of JSON as the program writes it."""
    return found and [found["file"], found["line"], found["function"]]


def check_object(truth, found):
    require(found and found["id"] in truth.objects, "an object that there is not: %s", found)
    known = truth.objects[found["id"]]
    for key in OBJECT_KEYS:
        same("%s.%s" % (known["id"], key), found[key], known[key])
    same("the site of %s" % known["id"], site_of(found["site"]), known["site"])
    same("type and serial", "%s#%s" % (found["type"], found["serial"]), known["id"])
    return known["id"]


def is_complete(document):
    reasons = document.get("incomplete_because", [])
    require(document["complete"] or reasons, "incomplete, and it does not say why: %s", document["command"])
    require(not document["complete"] or not reasons, "complete, but %s", reasons)
    return document["complete"]


# ---- rows that name a holder -----------------------------------------------------------------------


class Rows:
    """Rows of holders as found and as expected, in one spelling. has_names: the door tells variables by
    debug info. has_modules: the headers of ELF files can be read."""

    def __init__(self, truth, has_names, has_modules):
        self.truth, self.has_names = truth, has_names
        self.more_kinds = {} if has_names else WITHOUT_NAMES if has_modules else WITHOUT_MODULES
        self.word_at = {word["address"] or (word["thread"], word["name"]): word for word in truth.line["words"]}

    @staticmethod
    def field(source, name, strength):
        return ("field", source, name, strength)

    @staticmethod
    def strength(source, declared):
        """A weak field owns its weak reference, whose own slot is weak."""
        return "strong" if declared != "borrowed" else "weak" if source.startswith("weak#") else "borrowed"

    @staticmethod
    def word(word):
        name = word["name"] if word["kind"] in ("root", "register") else None
        return (word["kind"], word["address"], word["thread"], name, word["offset"])

    def found(self, row):
        """A row in the spelling of the two functions above. Its kind and name must be what the word at that
        address may be called; what lies at no known address stays as it is, and is expected nowhere."""
        if row["kind"] == "field":
            return self.field(row["from"], row["name"], row["strength"])
        known = self.word_at.get(row["address"] or (row.get("thread"), row["name"]))
        if not known:
            return tuple(sorted((key, str(value)) for key, value in row.items()))
        kinds = {known["kind"]} | self.more_kinds.get(known["kind"], set())
        require(row["kind"] in kinds, "a word of kind %s is called %s: %s", known["kind"], row["kind"], row)
        if known["kind"] == "undeclared":
            inside = int(row["address"], 16) - int(self.truth.address_of(known["from"]), 16)
            same("the object of %s" % row, (row["from"], row["name"]), (known["from"], "+%d" % inside))
        if self.has_names and known["name"] and known["kind"] in ("local", "global"):
            same("the name of %s" % row, row["name"], known["name"])
        same("the strength of %s" % row, row["strength"], "strong" if known["kind"] == "root" else "conservative")
        is_stack = known["kind"] in ("local", "register")
        return (known["kind"], row["address"], row["thread"] if is_stack else 0,
                row["name"] if known["kind"] in ("root", "register") else None, row["offset"])

    def holders_of(self, key, weak=False):
        rows = [self.field(source, name, self.strength(source, strength))
                for source, name, _target, strength in self.truth.slots_to[key] if weak or strength != "borrowed"]
        return rows + [self.word(word) for word in self.truth.words[key]]


# ---- the commands ----------------------------------------------------------------------------------


class Expectations:
    """Questions about one truth, each with its check of a document. memory: the process's, as a file, while
    it is there."""

    def __init__(self, truth, has_names, has_modules, memory=None, target=None):
        self.truth, self.rows, self.memory = truth, Rows(truth, has_names, has_modules), memory
        self.target = target
        self.random = random.Random(truth.line["seed"])
        self.causes = truth.causes()

    def asked(self, commands, samples):
        makers = {"objat": self.ask_objat, "refs": self.ask_refs, "gcgraph": self.ask_gcgraph, "gcfind": self.ask_gcfind,
                  "gcstat": self.ask_gcstat, "gcleaks": self.ask_gcleaks, "gcstale": self.ask_gcstale,
                  "gcverify": self.ask_gcverify, "gcdiff": self.ask_gcdiff, "refwatch": self.ask_refwatch,
                  "gcquery": Queries(self, Asked, same_rows, is_complete).all,
                  "gcexport": self.ask_gcexport}
        return [each for command in commands for each in makers[command](samples)]

    def ask_gcexport(self, samples):
        yield from Exports(self, Asked, same_rows, is_complete, EXPORTED).all(samples)
        yield from Pages(self, Asked, same_rows, is_complete, EXPORTED).all(samples)
        yield from Snapshots(self, Asked, is_complete, EXPORTED).all(samples)

    def sample(self, keys, count):
        keys = sorted(keys)
        return self.random.sample(keys, min(count, len(keys)))

    # objat

    def ask_objat(self, samples):
        truth = self.truth
        for key in self.sample(truth.objects, samples):
            offset = self.random.choice((0, 0, 0, 1, 8, truth.sizes[key] - 1))
            yield Asked(Question("objat", "--json --limit=0 0x%x" % (int(truth.address_of(key), 16) + offset)),
                        lambda document, key=key, offset=offset: self.check_live(document, key, offset))
        graves = [key for key, each in truth.freed.items() if each["last"] and not each["now"]]
        for key in self.sample(graves, samples // 3):
            yield Asked(Question("objat", "--json --limit=0 " + truth.address_of(key)),
                        lambda document, key=key: self.check_grave(document, key))
        outside = [each for each in truth.line["words"] if each["address"] and not each["from"]]
        for word in self.random.sample(outside, 2):
            yield Asked(Question("objat", "--json " + word["address"]),
                        lambda document: same("status", (document["status"], document["object"]), ("unmanaged", None)))

    def check_live(self, document, key, offset):
        truth = self.truth
        same("status of %s" % key, (document["status"], document["offset"]), ("live", offset))
        same("object", check_object(truth, document["object"]), key)
        same("the address asked for", int(document["address"], 16), int(truth.address_of(key), 16) + offset)
        found = [(each["name"], each["target"], each["target_status"], each["value"], each["kind"])
                 for each in document["fields"] if each["kind"] in ("strong", "weak", "borrowed") and each["value"]]
        same_rows("fields of %s" % key, found, self.held_through(key), True)
        if truth.objects[key]["heap"] == 1:  # which has a history
            before = truth.objects[key]["before"]
            same("the tenant before %s" % key, document["previous"][0]["id"] if document["previous"] else None, before)

    def held_through(self, key):
        """(field, target, status, value, strength) of the slots of an object that are not empty."""
        truth = self.truth
        rows = [(name, now, "live", truth.address_of(now), strength) for _source, name, now, strength in truth.slots_of[key]]
        return rows + [(name, self.last_of(dead), "freed", truth.address_of(dead), strength)
                       for _source, name, dead, strength in truth.stale_slots_of[key]]

    def last_of(self, key):
        """Who died last where this one died."""
        address = self.truth.address_of(key)
        return self.truth.graves[address]

    def check_grave(self, document, key):
        same("status of the grave of %s" % key, (document["status"], document["object"]), ("freed", None))
        before = document["previous"][0]
        same("who died there", (before["id"], before["reason"], site_of(before["site"])), (key, "release", self.truth.freed[key]["site"]))

    # refs

    def ask_refs(self, samples):
        by_kind = {}
        for key, words in self.truth.words.items():
            for word in words:
                by_kind.setdefault(word["kind"], []).append(key)
        keys = {key for kind in sorted(by_kind) for key in self.sample(by_kind[kind], samples // 6)}
        for cause in ("cycle", "dependent", "lost_reference"):
            keys.update(self.sample([key for key, each in self.causes.items() if each == cause], samples // 6))
        keys.update(self.sample(self.truth.objects, samples // 3))
        keys.update(self.sample({row[0] for row in self.truth.slots if row[3] != "strong"}, samples // 3))
        keys.update(self.sample({row[0] for row in self.truth.stale_slots}, samples // 6))
        keys.update(self.truth.over_released)
        for key in sorted(keys):
            options = self.random.choice(("", "", "--weak ", "--path ", "--in ", "--out "))
            operand = self.random.choice((key, self.truth.address_of(key)))
            yield Asked(Question("refs", "--json --limit=0 %s%s" % (options, operand)),
                        lambda document, key=key, options=options: self.check_refs(document, key, options))

    def check_refs(self, document, key, options):
        truth, complete = self.truth, is_complete(document)
        same("object", check_object(truth, document["object"]), key)
        if "--out" not in options:
            is_ours = truth.objects[key]["heap"] > 0  # what holds the shared ones, the runtime itself knows
            rows = [row for row in document["referrers"] if is_ours or row["kind"] == "field"]
            for row in rows:
                self.check_slot(row, int(truth.address_of(key), 16) + row["offset"])
            expected = [row for row in self.rows.holders_of(key, "--weak" in options) if is_ours or row[0] == "field"]
            same_rows("what holds %s" % key, [self.rows.found(row) for row in rows], expected, complete)
            self.check_ledger(document, key)
        if "--in" not in options:
            found = [(row["name"], row["target"], row["target_status"], row["value"], row["strength"])
                     for row in document["referents"]]
            expected = [row for row in self.held_through(key) if row[4] == "strong" or "--weak" in options]
            same_rows("what %s holds" % key, found, expected, True)
        if "--path" in options:
            self.check_path(document, key)

    def check_slot(self, row, value):
        """The row's address is that of a word with this value, as long as the process can be asked."""
        if self.memory and row["address"]:
            self.memory.seek(int(row["address"], 16))
            same("the word of %s" % row, "0x%x" % int.from_bytes(self.memory.read(8), "little"), "0x%x" % value)

    def check_ledger(self, document, key):
        truth, ledger = self.truth, document["ledger"]
        fields = len(truth.held_by[key])
        words = [row for row in document["referrers"] if row["kind"] not in ("field", "root")]
        exact = len([word for word in truth.words[key] if word["kind"] == "root" and word["offset"] == 0])
        stored = truth.objects[key]["refcount"]
        expected = {"stored": stored, "fields": fields, "exact": exact, "words": len(words), "provisional": False,
                    "roots": exact, "unexplained": None}
        if stored is not None:
            expected["roots"] = exact + min(len(words), max(0, stored - fields - exact))
            expected["unexplained"] = stored - fields - expected["roots"]
        same("the ledger of %s" % key, {name: ledger[name] for name in expected}, expected)

    def check_path(self, document, key):
        """A shortest way from something that is held from outside, step by step a slot of the truth."""
        truth = self.truth
        steps = [each for each in document["path"] if "object" in each]
        roots = [each for each in document["path"] if "object" not in each]
        if key not in truth.reached:
            same("the path to %s" % key, document["path"], [])
            return
        same("the end of the path", (steps[-1]["object"], steps[-1].get("name")), (key, None))
        for one, other in zip(steps, steps[1:]):
            known = {row[1:3] for row in truth.slots_of[one["object"]]}
            require((one["name"], other["object"]) in known, "no such step: %s to %s", one, other)
        require(steps[0]["object"] in truth.anchors, "the path to %s begins at %s, which nothing outside holds", key, steps[0])
        words = truth.words[steps[0]["object"]]
        blocks = roots[1:]  # behind a root, a chain of malloc blocks may lead to the first object
        require(all(row["kind"] == "foreign" for row in blocks) and (roots or not words or not document["complete"]),
                "the path to %s begins with %s, held by %s", key, roots, words)
        for row in roots[-1:] if truth.objects[steps[0]["object"]]["heap"] else ():
            require(self.rows.found(row) in self.rows.holders_of(steps[0]["object"]), "the path to %s begins with %s", key, row)

    # gcgraph

    def ask_gcgraph(self, _samples):
        rings = self.truth.components()
        for options in ("--cycles", "--garbage"):
            yield Asked(Question("gcgraph", "%s --json --limit=0" % options),
                        lambda document, options=options: self.check_cycles(document, rings, options == "--garbage"))
        key = self.random.choice(sorted(self.truth.objects))
        depth = self.random.choice((0, 1, 2, 3))
        yield Asked(Question("gcgraph", "--depth=%d --json --limit=0 %s" % (depth, key)),
                    lambda document: self.check_around(document, key, depth, rings))

    def check_cycles(self, document, rings, only_garbage):
        rings = [ring for ring in rings if not only_garbage or not ring & self.truth.reached]
        self.check_rings(document, rings)
        self.check_nodes(document, {key for ring in rings for key in ring})

    def check_rings(self, document, rings):
        truth, complete = self.truth, is_complete(document)
        verdicts = {tuple(sorted(ring)): "held" if ring & truth.reached else "garbage" for ring in rings}
        found = {tuple(sorted(cycle["objects"])): cycle["verdict"] for cycle in document["cycles"]}
        same("the number of cycles", len(document["cycles"]), len(rings))
        same("the cycles", found, verdicts)
        order = [cycle["verdict"] for cycle in document["cycles"]]
        same("the order of the cycles, garbage first", order, sorted(order))
        for cycle in document["cycles"]:
            self.check_held_by(cycle, complete)

    def check_held_by(self, cycle, complete):
        truth, ring = self.truth, set(cycle["objects"])
        expected = [self.rows.field(source, name, "strong")
                    for key in ring for source, name, _target, strength in truth.slots_to[key]
                    if strength != "borrowed" and source not in ring]
        for key in ring:
            if truth.objects[key]["immortal"]:
                expected.append(("immortal", key))
            if truth.objects[key]["immortal"] or truth.ext[key] > 0:
                expected += [self.rows.word(word) for word in truth.words[key]]
        if cycle["verdict"] == "garbage":
            same("the holders of a garbage cycle", cycle["held_by"], [])
            return
        if not expected:
            same("the holders of a cycle that lost counts hold", cycle["held_by"], [{"kind": "lost"}])
            return
        found = [(row["kind"], row.get("from")) if row["kind"] == "immortal" else self.rows.found(row)
                 for row in cycle["held_by"] if row["kind"] != "lost" or complete]
        same_rows("what holds the cycle %s" % cycle["objects"], found, expected, complete)

    def check_nodes(self, document, keys):
        same_rows("the nodes", [check_object(self.truth, each) for each in document["nodes"]], keys, True)
        found = [(row["from"], row["name"], row["to"], row["strength"]) for row in document["edges"]]
        expected = [(source, name, target, "weak" if strength == "weak" else self.rows.strength(source, strength))
                    for key in keys for source, name, target, strength in self.truth.slots_of[key] if target in keys]
        same_rows("the edges", found, expected, True)

    def check_around(self, document, key, depth, rings):
        near, last = {key}, {key}
        for _step in range(depth):
            last = {each for one in last for each in self.truth.to[one] + self.truth.held_by[one]} - near
            near |= last
        self.check_nodes(document, near)
        self.check_rings(document, [ring for ring in rings if ring & near])

    # gcfind

    def ask_gcfind(self, _samples):
        truth = self.truth
        leaked = set(self.causes)
        tests = [("", lambda each: True), ("--type=node", lambda each: each["id"].startswith("node#")),
                 ("--type=*t*", lambda each: fnmatch.fnmatchcase(type_of(each["id"]), "*t*")),
                 ("--min-size=49", lambda each: each["size"] >= 49),
                 ("--finalized", lambda each: each["state"] == "finalized"),
                 ("--heap=2", lambda each: each["heap"] == 2),
                 ("--site=unknown", lambda each: not each["site"]),
                 ("--site=random_objects.c:*", lambda each: each["site"] and each["site"][0].endswith("/random_objects.c")),
                 ("--site=*.x:11? --type=quad", lambda each: each["site"] and 110 <= each["site"][1] < 120 and each["site"][0].endswith(".x")),
                 ("--site=start()", lambda each: each["site"] and each["site"][2] == "start"),
                 ("--type=node --min-size=1 --heap=1", lambda each: each["id"].startswith("node#") and each["heap"] == 1)]
        for options, test in tests:
            expected = [key for key, each in truth.objects.items() if test(each)]
            yield Asked(Question("gcfind", "%s --json --limit=0" % options),
                        lambda document, expected=expected: self.check_found(document, expected))
        yield Asked(Question("gcfind", "--min-refs=3 --json --limit=0"), self.check_min_refs)
        yield Asked(Question("gcfind", "--unreachable --json --limit=0"), lambda document: self.check_found(document, leaked))
        yield Asked(Question("gcfind", "--json --limit=5"), self.check_cut)

    def check_found(self, document, expected):
        found = [check_object(self.truth, each) for each in document["objects"]]
        same_rows("the objects", found, expected, is_complete(document))
        same("total", document["total"], len(found))

    def check_min_refs(self, document):
        """An immortal's count is not kept: whether it is enough is not asked here."""
        found = [check_object(self.truth, each) for each in document["objects"]]
        expected = [key for key, each in self.truth.objects.items() if not each["immortal"] and each["refcount"] >= 3]
        same_rows("the objects", [key for key in found if not self.truth.objects[key]["immortal"]], expected, True)

    def check_cut(self, document):
        found = [check_object(self.truth, each) for each in document["objects"]]
        count = len(self.truth.objects)
        same("a cut list", (len(found), len(set(found)), document["objects_total"], document["total"]), (5, 5, count, count))

    # gcstat

    def ask_gcstat(self, _samples):
        yield Asked(Question("gcstat", "--json --limit=0"), lambda document: self.check_stat(document, True))
        yield Asked(Question("gcstat", "--no-retained --json --limit=0"), lambda document: self.check_stat(document, False))
        yield Asked(Question("gcstat", "--no-retained --sites --json --limit=0"), self.check_sites)

    def check_stat(self, document, has_retained):
        truth = self.truth
        retained = truth.retained_by_type() if has_retained and len(truth.objects) <= SMALL else {}
        expected, objects = collections.defaultdict(lambda: [0, 0]), collections.defaultdict(lambda: [0, 0])
        for key, each in truth.objects.items():
            for total in (expected[each["heap"], type_of(key)], objects[each["heap"]]):
                total[0] += 1
                total[1] += each["size"]
        same("the number of heaps", len(document["heaps"]), len(objects))
        same("the heaps", {heap["heap"]: [heap["objects"], heap["bytes"]] for heap in document["heaps"]}, dict(objects))
        for heap in document["heaps"]:
            same("the number of its types", len({row["type"] for row in heap["types"]}), len(heap["types"]))
            types = {row["type"]: [row["count"], row["bytes"]] for row in heap["types"]}
            right = {name: total for (number, name), total in expected.items() if number == heap["heap"]}
            same("the types of heap %d" % heap["heap"], types, right)
            for row in heap["types"]:
                sample = truth.objects[row["sample"]]
                same("the sample's type and heap", (type_of(sample["id"]), sample["heap"]), (row["type"], heap["heap"]))
                if has_retained:
                    right = retained.get((heap["heap"], row["type"]), [row["retained"]])
                    require(row["retained"] in right, "%s of heap %d retain %s, expected %s", row["type"], heap["heap"],
                            row["retained"], right)
                else:
                    require(row.get("retained") is None, "retained bytes were not asked for: %s", row)
            if heap["heap"]:
                same("the collector", (heap["collector"]["enabled"], heap["collector"]["collections"]), (False, 0))

    def check_sites(self, document):
        expected = collections.defaultdict(lambda: [0, 0])
        for each in self.truth.objects.values():
            total = expected[each["heap"], str(each["site"])]
            total[0] += 1
            total[1] += each["size"] if each["site"] else 0
        found = {(heap["heap"], str(site_of(row))): [row["objects"], row["bytes"]] for heap in document["heaps"] for row in heap["sites"]}
        found.update({(heap["heap"], "None"): [heap["without_site"], 0] for heap in document["heaps"] if heap["without_site"]})
        same("the objects of each line", found, dict(expected))
        for heap in document["heaps"]:
            sizes = [row["bytes"] for row in heap["sites"]]
            same("the largest first", sizes, sorted(sizes, reverse=True))

    # gcdiff: nothing changes between these two questions (check_diff.py is about what does)

    def ask_gcdiff(self, _samples):
        yield Asked(Question("gcdiff", "--json --save=" + SNAPSHOT), self.check_saved)
        yield Asked(Question("gcdiff", "--json --limit=0 " + SNAPSHOT), self.check_diff)

    def check_saved(self, document):
        sizes = [each["size"] for each in self.truth.objects.values()]
        same("what was saved", (document["objects"], document["bytes"]), (len(sizes), sum(sizes)))
        same("the file", document["file_bytes"], os.path.getsize(SNAPSHOT))

    def check_diff(self, document):
        same("what changed", [document[key] for key in ("born", "died", "by_type", "by_site", "exact")], [[], [], [], [], True])
        same("what survived", document["survived"], len(self.truth.objects))

    # refwatch: the program marks nothing, and nobody else does (check_watch.py is about what is marked)

    def ask_refwatch(self, _samples):
        yield Asked(Question("refwatch", "--json"), lambda document: same("marked", (document["watched"], document["types"]), ([], [])))

    # gcleaks, gcstale, gcverify

    def ask_gcleaks(self, _samples):
        yield Asked(Question("gcleaks", "--json --limit=0"), self.check_leaks)
        yield Asked(Question("gcleaks", "--check --json --limit=0"), self.check_leaks, "leaks")

    def check_leaks(self, document):
        truth, complete = self.truth, is_complete(document)
        for cause in ("cycle", "lost_reference", "dependent"):
            found = [key for leak in document["leaks"] if leak["cause"] == cause for key in leak["objects"]]
            same_rows("leaked by %s" % cause, found, [key for key, each in self.causes.items() if each == cause], complete)
        for cause in ("cycle", "lost_reference", "dependent"):
            retained = [leak["retained"] for leak in document["leaks"] if leak["cause"] == cause]
            same("largest retained first", retained, sorted(retained, reverse=True))
        for leak in document["leaks"]:
            require(leak["representative"] in leak["objects"], "represented by %s: %s", leak["representative"], leak["objects"])
            same("the bytes of %s" % leak, leak["bytes"], sum(truth.sizes[key] for key in leak["objects"]))
            same("the site of %s" % leak["representative"], site_of(leak["site"]), truth.objects[leak["representative"]]["site"])
        kinds = collections.defaultdict(lambda: [0, 0])
        for leak in document["leaks"]:
            kind = kinds[leak["cause"], type_of(leak["representative"]), str(site_of(leak["site"]))]
            kind[0] += leak["count"]
            kind[1] += leak["bytes"]
        groups = collections.defaultdict(lambda: [0, 0])
        for row in document["groups"]:  # those of objects in use stand apart
            group = groups[row["cause"], row["type"], str(site_of(row["site"]))]
            group[0] += row["objects"]
            group[1] += row["bytes"]
        same("groups by cause, type and line", dict(groups), dict(kinds))
        order = [(row["cause"] == "dependent", -max(row["retained"], row["bytes"])) for row in document["groups"]]
        same("the row to look at first", order, sorted(order))
        same("what is retained", sum(row["retained"] for row in document["groups"]), sum(leak["retained"] for leak in document["leaks"]))
        if complete:
            size = sum(truth.sizes[key] for key in self.causes)
            same("the totals", (document["objects"], document["bytes"]), (len(self.causes), size))

    def ask_gcstale(self, _samples):
        yield Asked(Question("gcstale", "--json --limit=0"), self.check_stale)
        yield Asked(Question("gcstale", "--check --json --limit=0"), self.check_stale, "stale")

    def check_stale(self, document):
        """Certain rows, and possible ones. A word without a name may be called possible only where no debug
        info is; an undeclared word may be either."""
        truth, complete = self.truth, is_complete(document)
        certain = [(self.rows.field(source, name, self.rows.strength(source, strength)), self.last_of(target))
                   for source, name, target, strength in truth.stale_slots]
        reused = [(self.rows.field(source, name, "strong"), key)
                  for source, name, key, _strength in truth.owned if key in truth.over_released]
        for key, ext in truth.ext.items():  # a registered root owns one count as a field does
            roots = [word for word in truth.words[key] if word["kind"] == "root" and word["offset"] == 0]
            reused += [(self.rows.word(word), key) for word in roots if ext < len(roots)]
        possible = []
        for word in truth.stale_words:
            row = (self.rows.word(word), self.last_of(word["to"]))
            unsure = word["kind"] in ("register", "unknown", "undeclared") or (word["kind"] in self.rows.more_kinds)
            (possible if unsure else certain).append(row)
        for row in document["stale"] + document["possible"]:
            self.check_slot(row["holder"], int(row["address"], 16) + row["holder"]["offset"])
        for row in document["stale"] + document["possible"]:
            if not row["now"] and row["was"] in truth.freed:
                same("the site of %s" % row["was"], site_of(row["was_site"]), truth.freed[row["was"]]["site"])
        found = [(self.rows.found(row["holder"]), row["was"]) for row in document["stale"] if not row["now"]]
        maybe = [(self.rows.found(row["holder"]), row["was"]) for row in document["possible"] if not row["now"]]
        same_rows("stale and possibly stale", found + maybe, certain + possible, complete)
        same_rows("stale for certain", found, [row for row in found if row in possible] + certain, complete)
        found = [(self.rows.found(row["holder"]), row["now"]) for row in document["stale"] if row["now"]]
        same_rows("stale, reused", found, reused, complete)

    def ask_gcverify(self, _samples):
        yield Asked(Question("gcverify", "--json --limit=0"), self.check_verify)
        yield Asked(Question("gcverify", "--check --json --limit=0"), self.check_verify, "problems")

    def check_verify(self, document):
        truth = self.truth
        same("objects checked", document["objects_checked"], len(truth.objects))
        expected = [("over_release", key, "") for key in truth.over_released]
        expected += [("bad_link", source, name)
                     for source, name, _target, strength in truth.stale_slots if strength != "borrowed"]
        for key, ext in truth.ext.items():
            roots = [word["name"] for word in truth.words[key] if word["kind"] == "root" and word["offset"] == 0]
            if 0 <= ext < len(roots):
                expected.append(("root_without_count", key, roots[0]))
        expected += [("bad_root", None, word["name"]) for word in truth.stale_words if word["kind"] == "root"]
        require(not expected or not truth.line["sound"], "the truth is no truth: a sound heap has %s", expected)
        found = []
        for row in document["problems"]:
            place = (row["kind"], row["object"])
            names = [name for kind, key, name in expected if (kind, key) == place and name in row["detail"]]
            found.append((row["kind"], row["object"], names[0] if names else row["detail"]))
        same_rows("the problems", found, expected, is_complete(document))
