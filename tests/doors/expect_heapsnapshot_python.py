"""expect_heapsnapshot_python.py - what the .heapsnapshot file of gcexport must say of the objects of random_python.py.

Invariant: the file is read by heapsnapshot.py; an expectation comes from what Python said, and what an object retains is worked
out from the file alone.
"""

import os
import tempfile

from expect import same
from heapsnapshot import Snapshot, id_of
from launch import require

PATH = os.path.join(tempfile.gettempdir(), "refheap-python-%d.heapsnapshot" % os.getpid())
STRENGTHS = {"weak": "weak", "internal": "conservative", "property": "strong", "element": "strong"}


class PythonSnapshots:
    """checks: those of check_random_python.py."""

    retained_checked = False  # of one target: it takes seconds

    def __init__(self, checks):
        self.checks, self.truth, self.engine = checks, checks.truth, {}

    def all(self, samples):
        yield "gcquery", "--json --limit=0 select address, type, retained from objects", self.take_objects
        yield "gcexport", "--json --force " + PATH, lambda document: self.check(document, samples)

    def take_objects(self, document):
        self.engine = {int(row["address"], 16): row for row in document["rows"]}

    def check(self, document, samples):
        file = Snapshot(PATH)
        os.unlink(PATH)
        same("objects", (document["objects"], len(file.nodes) - file.first), (len(self.engine), len(self.engine)))
        by_id = {id_of(address): address for address in self.engine}
        same("addresses that have an id of their own", len(by_id), len(self.engine))
        addresses = {number: by_id.get(file.nodes[number].id) for number in range(file.first, len(file.nodes))}
        require(None not in addresses.values(), "ids of no object")
        for number, address in addresses.items():
            node = file.nodes[number]
            require(node.type == "string" or node.name == self.engine[address]["type"], "%s is called %s", self.checks.say(address), node.name)
        numbers = {address: number for number, address in addresses.items()}
        for address in self.truth.sample(self.truth.named, 10 * samples):
            found = [("[%d]" % edge.name if edge.type == "element" else edge.name, addresses[edge.to], STRENGTHS[edge.type])
                     for edge in file.nodes[numbers[address]].edges]
            self.checks.check_all_slots(address, found)
        held = file.distances([number for name, number in file.groups.items() if name != "(leaked)"])
        dead = {address for address, number in numbers.items() if number not in held}
        self.checks.check_garbage(dead, {each for each in dead if each in self.truth.objects and self.truth.objects[each][2]})
        if not PythonSnapshots.retained_checked:
            PythonSnapshots.retained_checked = True
            retained = file.all_retained()
            same("objects that retain something else", [self.checks.say(address) for address, row in self.engine.items()
                                                        if retained[numbers[address]] != row["retained"]], [])
