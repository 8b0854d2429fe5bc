"""twin.py - what must be true of a heap, computed from what its program says it built.

Everything is done in the simplest way that is certain: a search for every question, no clever algorithm
that could be wrong as the engine's could be.

Invariant: nothing here comes from the engine. Truth.check() holds the program's own account (the fate it
gave each object) against what follows from its counts and references.
"""

import collections
import math

from launch import require


def type_of(key):
    return key.split("#")[0]


class Truth:
    """One program's line, indexed. Objects are known by their ids."""

    def __init__(self, line):
        self.line = line
        self.objects = {each["id"]: each for each in line["objects"]}
        self.freed = {each["id"]: each for each in line["freed"]}
        self.at = {each["address"]: each["id"] for each in line["objects"]}
        self.graves = {each["address"]: each["id"] for each in line["freed"] if each["last"]}
        self.sizes = {key: each["size"] for key, each in self.objects.items()}
        self.slots, self.stale_slots = self.split_slots()
        self.slots_of, self.stale_slots_of, self.slots_to = (collections.defaultdict(list) for _ in range(3))
        for row in self.slots:
            self.slots_of[row[0]].append(row)
            self.slots_to[row[2]].append(row)
        for row in self.stale_slots:
            self.stale_slots_of[row[0]].append(row)
        self.owned = [each for each in self.slots if each[3] != "borrowed"]
        self.to = {key: [] for key in self.objects}
        self.held_by = {key: [] for key in self.objects}
        for source, _name, target, _strength in self.owned:
            self.to[source].append(target)
            self.held_by[target].append(source)
        self.words = {key: [] for key in self.objects}
        self.stale_words = []
        for word in line["words"]:
            self.sort_word(word)
        self.ext = {key: each["refcount"] - len(self.held_by[key]) for key, each in self.objects.items() if not each["immortal"]}
        self.anchors = [key for key, each in self.objects.items() if each["immortal"] or self.ext[key] > 0]
        self.reached = self.reachable(self.anchors)
        self.over_released = {key for key, ext in self.ext.items() if ext < 0}

    def address_of(self, key):
        return (self.objects.get(key) or self.freed[key])["address"]

    def split_slots(self):
        """(from, name, to, strength) of the slots that hold an object, and of those that hold a grave. A slot
        holds whoever lives at its address now."""
        live, stale = [], []
        for each in self.line["objects"]:
            for name, target, strength in each["slots"]:
                now = self.at.get(self.address_of(target))
                row = (each["id"], name, now or target, strength)
                (live if now else stale).append(row)
        return live, stale

    def sort_word(self, word):
        now = word["to"] if word["to"] in self.objects else self.at.get(self.freed[word["to"]]["address"])
        if now:
            self.words[now].append(word)
        else:
            self.stale_words.append(word)

    # ---- reachability, in the plainest way --------------------------------------------------------

    def reachable(self, starts, without=None, edges=None):
        edges = edges or self.to
        seen = {key for key in starts if key != without}
        todo = list(seen)
        while todo:
            for target in edges[todo.pop()]:
                if target not in seen and target != without:
                    seen.add(target)
                    todo.append(target)
        return seen

    def components(self):
        """Sets of objects that reach each other, two or more, or one that holds itself: what an object
        reaches and is reached by, object by object. Objects that nothing reaches or that reach
        nothing are no part of one, which saves most of the searches."""
        left = {key for key in self.objects if self.to[key] and self.held_by[key]}
        found = []
        while left:
            key = left.pop()
            ring = self.reachable(self.to[key]) & (self.reachable(self.held_by[key], edges=self.held_by) | {key})
            if key in ring:
                found.append(ring)
                left -= ring
        return found

    # ---- what is leaked --------------------------------------------------------------------------------

    def owners(self, key):
        """How many counts its words may own: one each, but a compiler may keep several variables, which own a
        count each, in one register or word of a stack."""
        is_variable = any(word["kind"] in ("local", "register") for word in self.words[key])
        return math.inf if is_variable else len(self.words[key])

    def causes(self):
        """{id: cause} of every leaked object."""
        leaked = {key: "cycle" for key in self.objects if key not in self.reached}
        lost = {key for key in self.anchors if self.ext.get(key, 0) > self.owners(key)}
        needed = self.reachable([key for key in self.anchors if key not in lost or self.words[key]])
        leaked.update({key: "dependent" for key in self.reached - needed})
        leaked.update({key: "lost_reference" for key in lost})
        return leaked

    # ---- what is retained ----------------------------------------------------------------------------------
    # Of a held object: the bytes that nothing reaches from outside without it. Garbage counts hold too, so
    # the topmost garbage cycles are beginnings like what is held from outside. Which member of such a cycle
    # stands for it is open: every choice is right.

    def topmost(self):
        """The garbage cycles that nothing else holds."""
        return [ring for ring in self.components() if not ring & self.reached
                and all(source in ring for key in ring for source in self.held_by[key])]

    def retained_among(self, starts, members):
        """{(heap, type): bytes}: what each of the members retains that no other object of its type dominates."""
        total, inner, below = collections.Counter(), set(), {}
        everything = self.reachable(starts) & members
        for key in everything:
            below[key] = {key} if not self.to[key] else everything - self.reachable(starts, without=key)
            inner |= {each for each in below[key] if each != key and type_of(each) == type_of(key)}
        for key in everything - inner:
            total[self.objects[key]["heap"], type_of(key)] += sum(self.sizes[each] for each in below[key])
        return total

    def retained_by_type(self):
        """{(heap, type): the sums that are right}."""
        tops = self.topmost()
        single = [key for ring in tops if len(ring) == 1 for key in ring]
        wide = [ring for ring in tops if len(ring) > 1]
        rest, choices = set(self.objects), []
        for ring in wide:
            others = [key for each in tops if each is not ring for key in each]
            zone = set(self.objects) - self.reachable(self.anchors + others)
            rest -= zone
            choices.append([self.retained_among([key], zone) for key in ring])
        fixed = self.retained_among(self.anchors + single + [key for ring in wide for key in ring], rest)
        sums = {}
        for place in {(each["heap"], type_of(key)) for key, each in self.objects.items()}:
            sums[place] = {fixed[place]}
            for options in choices:
                sums[place] = {one + option[place] for one in sums[place] for option in options}
        return sums

    def kept_among(self, starts, members):
        """{key: (bytes, keeper)} of the members: what it retains, and the nearest that alone keeps it; None: none does."""
        everything = self.reachable(starts) & members
        below = {key: {key} if not self.to[key] else everything - self.reachable(starts, without=key) for key in everything}
        keepers = dict.fromkeys(everything)
        for key in sorted(everything, key=lambda each: -len(below[each])):  # an inner one comes later, and is nearer
            for each in below[key] - {key}:
                keepers[each] = key
        return {key: (sum(self.sizes[each] for each in below[key]), keepers[key]) for key in everything}

    def keepers(self):
        """As kept_among: of those of which there is one truth, and for each garbage cycle that nothing holds what may be true."""
        tops = self.topmost()
        rest, choices = set(self.objects), []
        for ring in tops:
            others = [key for each in tops if each is not ring for key in each]
            zone = set(self.objects) - self.reachable(self.anchors + others)
            rest -= zone
            choices.append([self.kept_among([key], zone) for key in ring])
        return self.kept_among(self.anchors + [key for ring in tops for key in ring], rest), choices

    # ---- is the program right? -------------------------------------------------------------------------------

    def check(self):
        """The fates that the program gave its objects are those that follow from counts and references."""
        causes = self.causes()
        for key, each in self.objects.items():
            found = causes.get(key, "held")
            require(found == each["fate"], "the truth is no truth: the program calls %s %s, its counts say %s", key,
                    each["fate"], found)
        require(not self.line["sound"] or not self.over_released, "the truth is no truth: %s have more references than counts",
                self.over_released)
        return collections.Counter(causes.values())
