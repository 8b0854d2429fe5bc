"""expect_page.py - what the page of gcexport must have in it about a heap of random_heap.c.

Invariant: as in expect_query.py, whose checks look at the parts that both have: an expectation comes from the program's line
and from twin.py; of what these do not know (names of variables, values, stacks), from the other commands' JSON about the same
heap, which other checks hold against the program. Each member of the document is looked at. What people see of it is for
tests/web.
"""

import base64
import collections
import gzip
import json
import os
import re
import time

from expect import same
from expect_export import said_of
from expect_query import COLUMNS, Queries, question, rows_of
from launch import Question, require
from twin import type_of

KINDS = ("strong", "weak", "borrowed", "conservative")
OBJECT = ("id", "address", "type", "size", "refcount", "retained", "dominator", "site", "state", "cause", "referrers", "value", "heap",
          "slots", "more", "in_use", "kept_left_out")
CAPTIONS = {"thread_local": "thread-local", "stack": "stack", "foreign": "foreign", "unknown": "unknown", "kernel": "kernel"}
IN_USE = "it is in use all the same: a %s holds it, too"
MEMBERS_MAX = 50  # of a cycle that are named, and of who holds it
SLOTS_MAX = 64  # of an object, of those that lead to no object on the page
COMM_MAX = 15  # characters of a program's name that the kernel keeps
SMALL = 3000  # objects: as in expect_random.py
IS_BUILT = "REFHEAP_TEST_PAGE" in os.environ  # refheap was built with the page


def clock(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def read(path):
    """The document in a page, and the page without it."""
    with open(path, encoding="utf-8") as file:
        page = file.read()
    found = re.findall(r'<script type="application/octet-stream" id="heap">([A-Za-z0-9+/]+=*)</script>', page)
    require(len(found) == 1, "the page has %d heaps", len(found))
    return json.loads(gzip.decompress(base64.b64decode(found[0], validate=True))), page.replace(found[0], "")


class Pages:
    """As Exports of expect_export.py."""

    def __init__(self, expectations, asked, same_rows, is_complete, path):
        self.queries = Queries(expectations, asked, same_rows, is_complete)
        self.truth, self.causes = expectations.truth, expectations.causes
        self.asked, self.same_rows, self.is_complete, self.path = asked, same_rows, is_complete, path + ".html"
        self.target, self.others = expectations.target, {}

    def all(self, _samples):
        if not IS_BUILT:
            return
        for name, each in (("objects", question("select id, value, retained, leaked from objects")),
                           ("fields", question("select object, name, kind, value, target, target_status from fields")),
                           ("holders", question("select * from holders where kind <> 'field'")), ("history", question("select * from history")),
                           ("leaks", Question("gcleaks", "--json --limit=0")), ("cycles", Question("gcgraph", "--cycles --json --limit=0")),
                           ("types", Question("gcstat", "--json --limit=0")), ("sites", Question("gcstat", "--sites --json --limit=0"))):
            yield self.asked(each, lambda document, name=name: self.others.update({name: document}))
        yield self.asked(Question("gcexport", "--json --force " + self.path), self.check)

    def check(self, document):
        page, rest = read(self.path)
        same("the file", (document["file"], document["file_bytes"]), (self.path, os.path.getsize(self.path)))
        os.unlink(self.path)
        require("default-src 'none'" in rest and rest.count("<script") == 2, "the page may load something: %s", rest[:400])
        objects = [dict(zip(OBJECT, row, strict=True)) for row in page["objects"]]
        same("complete", page["complete"], self.is_complete(document))
        same("what it rests on", sorted((kind, text) for kind, text in page["caveats"] if kind not in ("provisional", "undecided", "wrong executable")),
             sorted(said_of(document)))
        same("provisional", page["provisional"], document["provisional"])
        same("what is shown", page["shown"], {"objects": len(self.truth.objects), "left_out": 0, "left_out_retain_at_most": 0,
                                              "top_left_out": 0, "references_left_out": 0,
                                              "events": len(self.others["history"]["rows"]), "events_cut": False})
        self.check_program(page)
        self.check_figures(page)
        self.check_objects(page, objects)
        self.check_references(document, page, objects)
        self.check_others(objects)
        self.check_slots(objects)
        self.check_kept(objects)
        self.check_verdicts(page, objects)
        self.check_cycles(page, objects)
        self.check_history(page, objects)
        self.check_words(page, objects)
        figures = {"rows_cut": False, "columns": ["type", "heap", "count", "bytes"],
                   "rows": [{"type": row[0], "heap": row[2], "count": row[3], "bytes": row[4]} for row in page["types"]]}
        self.queries.check_types(figures)
        self.queries.check_sites(self.table("file, line, function, heap, objects, bytes", [row[:6] for row in page["sites"]]))
        self.queries.check_heaps(self.table("heap, objects, bytes", [[one["heap"], one["objects"], one["bytes"]] for one in page["heaps"]]))

    @staticmethod
    def table(columns, rows):
        names = columns.split(", ")
        return {"columns": names, "rows_cut": False, "rows": [dict(zip(names, row, strict=True)) for row in rows]}

    @staticmethod
    def site(page, number):
        """(file, line, function)."""
        return (None, None, None) if number is None else tuple(page["sites"][number][:3])

    def check_objects(self, page, objects):
        rows = [(each["id"], each["address"], page["types"][each["type"]][0], int(each["id"].split("#")[1]), each["size"], each["refcount"],
                 each["state"], each["heap"], *self.site(page, each["site"])) for each in objects]
        self.queries.check_objects(self.table(COLUMNS, rows), self.truth.objects)
        for each in objects:
            same("referrers of %s" % each["id"], each["referrers"], len(self.truth.held_by[each["id"]]))
            same("the type of %s" % each["id"], page["types"][each["type"]][0], type_of(each["id"]))
            if each["dominator"] is not None:
                keeper = objects[each["dominator"]]
                require(keeper["retained"] >= keeper["size"] + each["retained"], "%s keeps %s, and retains too little", keeper, each["id"])

    def check_references(self, document, page, objects):
        found = [(each["id"], name, objects[to]["id"], "live", objects[to]["address"], KINDS[kind]) for each in objects
                 for name, kind, to in zip(*[iter(each["slots"])] * 3, strict=True) if kind < len(KINDS) and isinstance(to, int)]
        expected = [row for row in self.queries.slots(self.truth.objects) if row[3] == "live"]
        self.same_rows("the references", found, expected, True)
        same("how many references", document["references"], len(found))
        same("references left out", page["shown"]["references_left_out"], 0)

    def check_verdicts(self, page, objects):
        for each in objects:
            require(each["cause"] in (self.causes.get(each["id"]), None), "%s is said to be leaked by %s", each["id"], each["cause"])
            require(each["cause"] or not page["complete"] or each["id"] not in self.causes, "%s is not said to be leaked", each["id"])
        asked = self.others["leaks"]
        same("the leaks", {key: page["leaks"][key] for key in ("objects", "bytes", "undecided", "decided", "possible", "groups_total", "groups")},
             {"objects": asked["objects"], "bytes": asked["bytes"], "undecided": asked["undecided"], "decided": asked["complete"] or not asked["undecided"],
              "possible": len(asked["possible"]), "groups_total": len(asked["groups"]), "groups": asked["groups"]})
        same("leaked bytes", page["leaks"]["bytes"], sum(each["size"] for each in objects if each["cause"]))
        same("leaked objects", page["leaks"]["objects"], sum(each["cause"] is not None for each in objects))
        same("leaked objects of the groups", sum(group["objects"] for group in page["leaks"]["groups"]), page["leaks"]["objects"])
        expected = sorted((len(ring), "held" if ring & self.truth.reached else "garbage") for ring in self.truth.components())
        same("the cycles", sorted((cycle["total"], cycle["verdict"]) for cycle in page["cycles"]["rows"]), expected)
        same("how many cycles", (page["cycles"]["total"], page["cycles"]["garbage"]),
             (len(expected), sum(verdict == "garbage" for _size, verdict in expected)))
        rings = {key: ring for ring in self.truth.components() for key in ring}
        for cycle in page["cycles"]["rows"]:
            ids = {objects[at]["id"] for at in cycle["objects"]}
            require(ids and all(ids <= rings.get(key, set()) for key in ids), "%s are no cycle", ids)

    def check_program(self, page):
        same("the format", page["format"], 1)
        target, name = self.target, os.path.basename(self.truth.line["program"])[:COMM_MAX]
        core = os.path.basename(target.core) if target.core else None
        same("of whom it is", page["program"], {"name": name, "pid": self.truth.line["pid"], "core": core, "is_core": bool(core),
                                                "time": core and clock(os.path.getmtime(target.core))})
        now = time.time()
        require(page["written"] in {clock(now - back) for back in range(600)}, "written at %s, and it is %s", page["written"], clock(now))

    def check_figures(self, page):
        """What gcstat says, besides what the program knows."""
        sizes = self.truth.sizes.values()
        same("the totals", page["totals"], {"objects": len(sizes), "bytes": sum(sizes)})
        heaps, sites = self.others["types"]["heaps"], self.others["sites"]["heaps"]
        same("the heaps", page["heaps"], [
            {"format": "refheap", **{key: heap[key] for key in ("heap", "name", "objects", "bytes")}} for heap in heaps])
        self.same_rows("what types retain", [(row[2], row[0], row[1], row[5]) for row in page["types"]],
                       [(heap["heap"], row["type"], row.get("qualified"), row["retained"]) for heap in heaps for row in heap["types"]], True)
        self.same_rows("what lines retain", [(row[3], *row[:3], row[6]) for row in page["sites"]],
                       [(heap["heap"], row["file"], row["line"], row["function"], row["retained"]) for heap in sites for row in heap["sites"]], True)

    def check_others(self, objects):
        """What gcquery says of each object."""
        expected = rows_of(self.others["objects"], "id", "value", "retained", "leaked")
        self.same_rows("values and verdicts", [(each["id"], each["value"], each["retained"], each["cause"]) for each in objects], expected, True)
        is_complete = self.others["objects"]["complete"]
        for each in objects:
            lost = self.truth.ext.get(each["id"], 0) - self.truth.owners(each["id"])
            expected = IN_USE % ("field" if self.truth.held_by[each["id"]] else "root or word") if self.is_in_use(each["id"]) and lost > 0 else None
            require(each["in_use"] == expected or (not is_complete and each["in_use"] is None), "%s: %s, expected %s", each["id"], each["in_use"], expected)
            same("kept by %s, and left out" % each["id"], each["kept_left_out"], 0)

    def is_in_use(self, key):
        """Has lost a count, and something holds it that did not."""
        if self.causes.get(key) != "lost_reference":
            return False
        lost = {each for each, cause in self.causes.items() if cause == "lost_reference"}
        anchors = [each for each in self.truth.anchors if each not in lost or self.truth.words[each]]
        return key in self.truth.reachable(anchors)

    def check_slots(self, objects):
        """What the slots hold that lead to no object: as gcquery's table of fields."""
        expected = collections.defaultdict(list)
        for key, name, kind, value, target, status in rows_of(self.others["fields"], "object", "name", "kind", "value", "target", "target_status"):
            if kind not in KINDS:
                expected[key].append((name, len(KINDS), value if isinstance(value, str) else json.dumps(value)))
            elif value is None:
                expected[key].append((name, KINDS.index(kind), "NULL"))
            elif status != "live":
                expected[key].append((name, KINDS.index(kind), "%s, %s" % (target or value, status)))
        for each in objects:
            slots = list(zip(*[iter(each["slots"])] * 3, strict=True))
            found = [row for row in slots if not isinstance(row[2], int)]
            extra = collections.Counter(found) - collections.Counter(expected[each["id"]])
            require(not extra, "the slots of %s: %s, expected %s", each["id"], extra, expected[each["id"]])
            links = len(slots) - len(found)
            same("how many slots of %s are left out" % each["id"], each["more"], len(expected[each["id"]]) + links - len(slots))
            require(not each["more"] or len(slots) >= SLOTS_MAX, "slots of %s are left out: %s", each["id"], slots)

    def check_kept(self, objects):
        """Retained bytes and dominators by the program's references; in a garbage cycle any choice of who stands for it is right."""
        if len(objects) > SMALL:
            return
        found = {each["id"]: (each["retained"], None if each["dominator"] is None else objects[each["dominator"]]["id"]) for each in objects}
        fixed, choices = self.truth.keepers()
        for key, right in fixed.items():
            same("what %s retains, and what alone keeps it" % key, found[key], right)
        for options in choices:
            require(any(all(found[key] == right for key, right in option.items()) for option in options),
                    "who keeps %s: %s", sorted(options[0]), [found[key] for key in options[0]])

    @staticmethod
    def text_of(row):
        """A holder of JSON in the words of `refs`; \0 stands for a frame's number, which not every row has."""
        name, thread = row["name"] or "", " thread %d" % row["thread"] if row.get("thread") else ""
        source, kind = row.get("from") or row.get("source"), row["kind"]
        type_name, function = " (%s)" % row["type"] if row.get("type") else "", row.get("function")
        if kind not in ("root", "field") and function and name.startswith(function + "::"):
            name = name[len(function) + 2:]
        if kind == "local":
            text = "local '%s'%s in %s() frame \0" % (name, type_name, function or "??")
        elif kind in ("global", "thread_local") and type_name:
            text = ("static '%s'%s in %s()" % (name, type_name, function) if function else
                    "thread-local '%s'%s" % (name, type_name) if kind == "thread_local" else "global %s%s" % (name, type_name))
        elif kind == "field":
            text = source + ("" if name.startswith("[") else ".") + name
        elif kind == "undeclared":
            text = source + name + " (no declared field)"
        elif kind in ("root", "register"):
            text = "root '%s'" % name if kind == "root" else "register " + name
        elif kind in ("immortal", "dying"):
            text = "%s is %s" % (source, kind)
        elif kind == "stack" or not name:
            text = "%s word at %s%s" % (CAPTIONS.get(kind, kind), row["address"], " (%s)" % name if name else "")
        else:
            text = name
        reach = row.get("reachable", True)
        is_block = reach is not None and not reach
        return text + thread + (" (in a malloc block that nothing reaches)" if is_block else "")

    @staticmethod
    def without_frames(text):
        return re.sub(r" frame \d+", " frame \0", text)

    def check_cycles(self, page, objects):
        """Members, and who holds them, as gcgraph has them."""
        asked = self.others["cycles"]
        same("how many cycles gcgraph has", len(page["cycles"]["rows"]), len(asked["cycles"]))
        for found, cycle in zip(page["cycles"]["rows"], asked["cycles"], strict=True):
            what = "the cycle of %s" % cycle["objects"]
            rows = [row for row in cycle["held_by"] if row["kind"] != "lost"]
            is_lost = len(rows) < len(cycle["held_by"])
            same(what, [objects[at]["id"] for at in found["objects"]], cycle["objects"][:MEMBERS_MAX])
            same(what, (found["total"], found["verdict"], found["guessed"], found["held_by_total"], found["held_by_is_at_least"]),
                 (len(cycle["objects"]), cycle["verdict"], cycle.get("guessed", False), cycle.get("held_by_total", len(rows)),
                  cycle.get("held_by_is_at_least", False)))
            same("who holds " + what, [self.without_frames(text) for text in found["held_by"]], [self.text_of(row) for row in rows[:MEMBERS_MAX]])
            how = (None if cycle["verdict"] == "garbage" else "held from outside, by counts whose owner is not reached" if is_lost and rows
                   else "held from outside by" if rows else "held from outside, by counts whose owner is lost" if page["complete"]
                   else "held from outside, by counts whose owner was not found: lost, or in memory that was not searched")
            same("how %s is held" % what, found["held"], how)

    def check_history(self, page, objects):
        """What gcquery's table has of those that live: the newest first."""
        names = ("event", "kind", "time", "time_to", "thread")
        expected = [(row["id"], bool(row["traced"]), *(row[name] for name in names), row["function"], row["file"], row["line"])
                    for row in self.others["history"]["rows"] if row["id"] in self.truth.objects]
        found = []
        for at, event in page["history"]:
            same("whom an event is of", event["id"], objects[at]["id"])
            place = event["place"] or {}
            found.append((event["id"], event["traced"], *(event[name] for name in names), place.get("function"), place.get("file"), place.get("line")))
        require(found, "no history")
        self.same_rows("the history", found, expected, True)
        numbers = [row[2] for row in found]
        same("the newest first", numbers, sorted(numbers, reverse=True))

    def check_words(self, page, objects):
        """Of each object with counts of its own, or that is immortal: the words that gcquery's holders have, of which the first
        eight are named. Each registered root that the program knows is said as such a one."""
        names = [objects[at]["id"] for at, _rows, _total in page["words"]]
        expected = [each["id"] for each in objects if self.truth.objects[each["id"]]["immortal"] or self.truth.ext[each["id"]] > 0]
        same("whose words there are", names, expected)
        holders = collections.defaultdict(list)
        for row in self.others["holders"]["rows"]:
            holders[row["target"]].append((self.text_of({**row, "reachable": True if row["reachable"] is None else row["reachable"]}),
                                           row["kind"], row["strength"]))
        for key, (_at, rows, total) in zip(names, page["words"], strict=True):
            same("how many words hold %s" % key, total, len(holders[key]))
            found = [(self.without_frames(text), kind, strength) for text, kind, strength in rows]
            same("how many of them are named", len(found), min(total, 8))
            extra = collections.Counter(found) - collections.Counter(holders[key])
            require(not extra, "the words that hold %s: %s, expected %s", key, extra, holders[key])
        said = dict(zip(names, (rows for _at, rows, _total in page["words"])))
        for key, words in self.truth.words.items():
            for word in words if self.truth.ext.get(key, 0) > 0 else ():
                require(word["kind"] != "root" or any(kind == "root" and word["name"] in text for text, kind, _strength in said[key]),
                        "the root %s of %s is not on the page: %s", word["name"], key, said.get(key))
