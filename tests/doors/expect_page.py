"""expect_page.py - what the page of gcexport must have in it about a heap of random_heap.c.

Invariant: as in expect_query.py, whose checks look at the parts that both have: an expectation comes from the program's line
and from twin.py alone. What people see of it is for tests/web.
"""

import base64
import gzip
import json
import os
import re

from expect import same
from expect_export import said_of
from expect_query import COLUMNS, Queries
from launch import Question, require
from twin import type_of

KINDS = ("strong", "weak", "borrowed", "conservative")
OBJECT = ("id", "address", "type", "size", "refcount", "retained", "dominator", "site", "state", "cause", "referrers", "value", "heap",
          "slots", "more")
IS_BUILT = "REFHEAP_TEST_PAGE" in os.environ  # refheap was built with the page


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

    def all(self, _samples):
        if IS_BUILT:
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
        same("what is left out", page["shown"]["left_out"], 0)
        self.check_objects(page, objects)
        self.check_references(document, page, objects)
        self.check_verdicts(page, objects)
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

    def check_words(self, page, objects):
        """Each registered root that holds an object with counts of its own is said, as such a one."""
        said = {objects[at]["id"]: rows for at, rows, _total in page["words"]}
        for key, words in self.truth.words.items():
            for word in words if self.truth.ext.get(key, 0) > 0 else ():
                require(word["kind"] != "root" or any(kind == "root" and word["name"] in text for text, kind, _strength in said.get(key, [])),
                        "the root %s of %s is not on the page: %s", word["name"], key, said.get(key))
