"""expect_heapsnapshot.py - what the .heapsnapshot file of gcexport must say of a heap of random_heap.c.

Invariant: the file is read by heapsnapshot.py, which works out from it alone what reaches and retains what; that is held
against the program's line and twin.py, and against what the engine says is retained.
"""

import collections
import os

from expect import same
from heapsnapshot import Snapshot, id_of
from launch import Question, require
from twin import type_of

GROUP_OF = {"root": "(registered roots)", "global": "(global variables)", "local": "(thread ", "register": "(thread ", "stack": "(thread ",
            "thread_local": "(thread ", "foreign": "(blocks of malloc)", "unknown": "(other memory)"}


def keys_of(truth, file):
    """{node: id of the object}: by the serial, or its address where that is too large; #1 has another, which the root has."""
    by_id = {}
    for key in truth.objects:
        serial = int(key.split("#")[1])
        by_id.setdefault(serial if serial < 2**31 else id_of(int(truth.address_of(key), 16)), []).append(key)
    require(max(map(len, by_id.values())) == 1, "objects of one id: %s", [each for each in by_id.values() if len(each) > 1])
    keys, strange = {}, []
    for number in range(file.first, len(file.nodes)):
        known = by_id.pop(file.nodes[number].id, None)
        if known:
            keys[number], = known
        else:
            strange.append(number)
    require(len(strange) == len(by_id) and set(by_id) <= {1}, "ids of no object: %s; objects without: %s", strange, by_id)
    keys.update(zip(strange, (key for key, in by_id.values()), strict=True))
    return keys


class Snapshots:
    """asked: makes a question with its check; is_complete: as in expect_random.py; path: without an ending."""

    def __init__(self, expectations, asked, is_complete, path):
        self.truth, self.causes, self.rows = expectations.truth, expectations.causes, expectations.rows
        self.sample, self.asked, self.is_complete = expectations.sample, asked, is_complete
        self.path = path + ".heapsnapshot"
        self.engine = {}

    def all(self, samples):
        yield self.asked(Question("gcquery", "--json --limit=0 select id, retained from objects"), self.take_retained)
        yield self.asked(Question("gcexport", "--json --force " + self.path), lambda document: self.check(document, samples))

    def take_retained(self, document):
        self.engine = {row["id"]: row["retained"] for row in document["rows"]}

    def check(self, document, samples):
        truth, file = self.truth, Snapshot(self.path)
        size = os.path.getsize(self.path)
        os.unlink(self.path)
        same("the file", (document["file"], document["format"], document["file_bytes"]), (self.path, ".heapsnapshot", size))
        same("objects", (document["objects"], len(file.nodes) - file.first), (len(truth.objects), len(truth.objects)))
        keys = keys_of(truth, file)
        numbers = {key: number for number, key in keys.items()}
        same("caveats", any("incomplete" in name for name in file.groups), not self.is_complete(document))
        self.check_nodes(file, keys)
        same("references", document["references"], sum(len(node.edges) for node in file.nodes[file.first:]))
        self.check_groups(file, keys, document["complete"])
        self.check_words(file, numbers, document["complete"])
        hanging = {keys[number] for number in file.held_by("(")}
        retained = file.all_retained()
        same("what each object retains", {key: retained[number] for key, number in numbers.items()}, self.engine)
        for key in self.sample(truth.objects, samples):
            lost = truth.reachable(hanging) - truth.reachable(hanging, without=key)
            bytes_of_twin = sum(truth.sizes[each] for each in lost)
            same("what %s retains" % key, (file.retained(numbers[key]), retained[numbers[key]]), (bytes_of_twin, bytes_of_twin))

    def check_nodes(self, file, keys):
        for number, key in keys.items():
            node = file.nodes[number]
            same("the size of %s" % key, node.size, self.truth.sizes[key])
            if node.type != "string":
                same("the name of %s" % key, (node.type, node.name), ("object", type_of(key)))
            found = collections.Counter(("[%d]" % edge.name if edge.type == "element" else edge.name, keys[edge.to], edge.type == "weak")
                                        for edge in node.edges)
            expected = collections.Counter((name, target, strength == "borrowed")
                                           for _source, name, target, strength in self.truth.slots_of[key])
            same("the references of %s" % key, found, expected)

    def check_groups(self, file, keys, complete):
        truth = self.truth
        leaked = {keys[number] for number in file.held_by("(leaked)")}
        undecided = {keys[number] for number in file.held_by("(undecided")}
        held = {keys[number] for name in file.groups if name != "(leaked)" for number in file.held_by(name)}
        require(leaked <= set(self.causes), "called leaked, and held: %s", leaked - set(self.causes))
        require(set(truth.anchors) <= leaked | held, "hang on nothing: %s", set(truth.anchors) - leaked - held)
        require(held <= set(truth.anchors) | undecided, "hang on something that does not hold them: %s", held - set(truth.anchors))
        reached = {keys[number] for number in file.distances([number for name, number in file.groups.items() if name != "(leaked)"])
                   if number >= file.first}
        if complete:
            in_use = truth.reachable([key for key in truth.anchors if self.causes.get(key) != "lost_reference" or truth.words[key]])
            require(reached == in_use, "held, and not said to be: %s; not held, and said to be: %s", in_use - reached, reached - in_use)
        same("what hangs on the root at all", len(file.distances([0])), len(file.nodes))

    def check_words(self, file, numbers, complete):
        """Words that hold an object are there by name, in their group; where registered roots own all of its counts, these alone."""
        for key, words in self.truth.words.items():
            if key in self.causes or key not in self.truth.anchors or not complete:
                continue
            exact = [word for word in words if word["kind"] == "root"]
            for word in words if len(exact) < self.truth.ext.get(key, 0) else exact:
                kinds = {word["kind"]} | self.rows.more_kinds.get(word["kind"], set())
                groups = tuple(GROUP_OF[kind] for kind in kinds if kind in GROUP_OF)
                has_name = word["kind"] in ("root", "register") or (self.rows.has_names and word["name"])
                names = [edge.name for name, number in file.groups.items() if name.startswith(groups)
                         for edge in file.nodes[number].edges if edge.to == numbers[key]]
                require(not groups or names, "nothing in %s holds %s: %s", groups, key, word)
                require(not groups or not has_name or word["name"] in names, "%s is no %s of %s: %s", word["name"], word["kind"], key, names)
