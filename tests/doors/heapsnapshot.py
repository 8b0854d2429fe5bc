"""heapsnapshot.py - reads a heap snapshot of V8's format, and works out from it alone what its readers do.

Everything in the simplest way that is certain: an object retains what nothing reaches from the root without it.
Invariant: nothing here comes from the engine; what breaks the format is a Failure.
"""

import collections
import json

from launch import require

Node = collections.namedtuple("Node", "type name id size edges")
Edge = collections.namedtuple("Edge", "type name to")  # name: a number where the type says so; to: the number of a node
NUMBERED = ("element", "hidden")


def id_of(address):
    """Of an object that is known by its address, as v8_ids.h says."""
    if address % 16:  # lies in a struct of C
        mixed, mask = address, 2**64 - 1
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & mask
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & mask
        return (7 << 29) + (mixed ^ mixed >> 31) % 2**28
    is_high = address >> 45 == 3 or address >> 46 == 3
    return 2**31 + (2**29 + address // 16 % 2**30 if is_high else address // 16 % 2**29)


class Snapshot:
    """nodes[0] is the root; groups: {name: number} of what hangs on it; `first`: the first object."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        head, strings = document["snapshot"], document["strings"]
        meta, rows, edges = head["meta"], document["nodes"], document["edges"]
        width, edge_width = len(meta["node_fields"]), len(meta["edge_fields"])
        require(meta["node_fields"][:5] == ["type", "name", "id", "self_size", "edge_count"], "%s", meta)
        require(meta["edge_fields"] == ["type", "name_or_index", "to_node"], "%s", meta)
        require(len(rows) == width * head["node_count"] and len(edges) == edge_width * head["edge_count"], "not as many as the head says: %s", head)
        require(all(isinstance(each, int) and 0 <= each < 2**32 for each in rows + edges), "no 32-bit numbers")
        self.strings, self.nodes, at = strings, [], 0
        types, edge_types = meta["node_types"][0], meta["edge_types"][0]
        for begin in range(0, len(rows), width):
            kind, name, number, size, count = rows[begin:begin + 5]
            own = []
            for _ in range(count):
                edge_kind, edge_name, to = edges[at:at + edge_width]
                require(to % width == 0 and to < len(rows), "a reference to nowhere: %d", to)
                word = edge_types[edge_kind]
                own.append(Edge(word, edge_name if word in NUMBERED else strings[edge_name], to // width))
                at += edge_width
            self.nodes.append(Node(types[kind], strings[name], number, size, own))
        require(at == len(edges), "references of no node: %d of %d", at, len(edges))
        ids = collections.Counter(node.id for node in self.nodes)
        require(max(ids.values()) == 1, "ids are there twice: %s", ids.most_common(3))
        require(not any(edge.to == 0 for node in self.nodes for edge in node.edges), "something leads to the root")
        self.groups = {self.nodes[edge.to].name: edge.to for edge in self.nodes[0].edges}
        self.first = 1 + len(self.groups)
        require(sorted(self.groups.values()) == list(range(1, self.first)), "groups are not in front: %s", self.groups)
        require(all(node.size == 0 for node in self.nodes[:self.first]), "groups have sizes")

    def strong(self, number):
        return [edge.to for edge in self.nodes[number].edges if edge.type != "weak"]

    def distances(self, starts, without=None):
        """{node: steps} of all that is reached."""
        found = {number: 0 for number in starts if number != without}
        todo = collections.deque(found)
        while todo:
            number = todo.popleft()
            for target in self.strong(number):
                if target not in found and target != without:
                    found[target] = found[number] + 1
                    todo.append(target)
        return found

    def retained(self, number):
        """Bytes that go if it goes."""
        lost = set(self.distances([0])) - set(self.distances([0], without=number))
        return sum(self.nodes[each].size for each in lost)

    def all_retained(self):
        """The same of all nodes, by dominators, in the plainest way to find these (K. D. Cooper, T. J. Harvey, K. Kennedy, "A simple,
        fast dominance algorithm", 2001)."""
        order, above = self.in_postorder()
        place = {number: at for at, number in enumerate(order)}
        dominator, changed = {0: 0}, True
        while changed:
            changed = False
            for number in reversed(order[:-1]):
                found = None
                for one in above[number]:
                    if one in dominator:
                        found = one if found is None else self.meet(found, one, dominator, place)
                if dominator.get(number) != found:
                    dominator[number], changed = found, True
        sums = {number: self.nodes[number].size for number in order}
        for number in order[:-1]:
            sums[dominator[number]] += sums[number]
        return sums

    @staticmethod
    def meet(one, other, dominator, place):
        while one != other:
            while place[one] < place[other]:
                one = dominator[one]
            while place[other] < place[one]:
                other = dominator[other]
        return one

    def in_postorder(self):
        """The nodes that are reached, the root last; and what leads to each."""
        order, above, todo, seen = [], collections.defaultdict(list), [(0, iter(self.strong(0)))], {0}
        while todo:
            number, targets = todo[-1]
            target = next(targets, None)
            if target is None:
                order.append(number)
                todo.pop()
                continue
            above[target].append(number)
            if target not in seen:
                seen.add(target)
                todo.append((target, iter(self.strong(target))))
        return order, above

    def held_by(self, *words):
        """The objects that hang on groups whose names contain one of the words, themselves."""
        return {edge.to for name, number in self.groups.items() if any(word in name for word in words)
                for edge in self.nodes[number].edges}
