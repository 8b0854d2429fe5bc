"""expect_query_python.py - what the tables of gcquery must answer about the objects of random_python.py.

Many objects are asked about in one question: so the test grows by few questions for each target.
Invariant: an expectation comes from what Python said and from the bytes of the target; no answer of another command is taken
for the truth.
"""

import collections

from expect import same
from launch import require

MANY = 32  # objects in one question
REFERENCES = ("strong", "weak", "borrowed", "conservative")
SOME = 12  # for whom memory is searched
COLUMNS = "id, address, type, serial, refcount, state, format"


def number(text):
    return int(text, 16)


def any_of(column, addresses):
    return "%s in (%s)" % (column, ", ".join("'0x%x'" % each for each in addresses))


class PythonQueries:
    """Questions in SQL about one truth. checks: those of check_random_python.py, whose rows these have."""

    def __init__(self, checks):
        self.checks, self.truth = checks, checks.truth
        self.headers, self.bytes, self.leaked = {}, {}, {}  # rows by address, bytes by type, causes by address

    def all(self, samples):
        truth = self.truth
        many, some = min(samples, MANY), min(samples, SOME)
        yield self.asked("select %s from objects" % COLUMNS, self.check_objects)
        yield self.asked("select type, count(*) as objects, sum(size) as bytes from objects group by type", self.check_groups)
        yield self.asked("select type, count, bytes from types", self.check_types)
        yield self.asked("select address from objects where garbage", self.check_garbage)
        yield self.asked("select address, leaked, reachable from objects where leaked is not null or reachable = 0", self.check_leaked)
        yield self.asked("select cause, sum(count) as objects, sum(bytes) as bytes from leaks group by cause", self.check_leaks)
        yield self.asked("select m.object, m.cycle, c.verdict from cycles c join cycle_members m on m.cycle = c.cycle", self.check_cycles)
        for sql, column, sampled, check in (
                ("select source_address, name, target_address, strength from refs", "source_address", self.of_each_type(truth.named, many), self.check_refs),
                ("select source_address, target_address from refs", "target_address", truth.sample(truth.made, many), self.check_targets),
                ("select object_address, name, kind, value from fields", "object_address", self.of_each_type(truth.named, many), self.check_fields),
                ("select address, type, value from objects", "address", truth.sample(truth.values, many), self.check_values),
                ("select target_address, kind, strength, source from holders", "target_address", truth.sample(truth.made, some), self.check_holders)):
            yield self.asked("%s where %s" % (sql, any_of(column, sampled)),
                             lambda document, check=check, sampled=sampled: check(self.rows_of(document), sampled))

    def asked(self, sql, check):
        return "gcquery", "--json --limit=0 " + sql, check

    def of_each_type(self, addresses, count):
        """A sample that has as many types in it as there are; some of them, two of a type."""
        taken, seen = [], collections.Counter()
        for address in self.truth.sample(addresses, len(addresses)):
            kind = self.truth.objects[address][0]
            if seen[kind] < 2 and len(taken) < count:
                taken.append(address)
                seen[kind] += 1
        return taken

    @staticmethod
    def rows_of(document):
        require(not document["rows_cut"], "rows are cut")
        return document["rows"]

    # the heap

    def check_objects(self, document):
        checks = self.checks
        for row in self.rows_of(document):
            address = checks.check_header({**row, "immortal": row["refcount"] is None})
            require(address not in self.headers, "%s is there twice", row["id"])
            same("state and format of %s" % row["id"], (row["state"], row["format"]), ("live", "python"))
            self.headers[address] = row
        checks.check_all_are_there(self.headers)

    def check_groups(self, document):
        expected = collections.Counter(row["type"] for row in self.headers.values())
        same("types and their objects", {row["type"]: row["objects"] for row in self.rows_of(document)}, expected)
        self.bytes = {row["type"]: row["bytes"] for row in document["rows"]}

    def check_types(self, document):
        expected = collections.Counter(row["type"] for row in self.headers.values())
        found, sizes = collections.Counter(), collections.Counter()
        for row in self.rows_of(document):
            found[row["type"]] += row["count"]
            sizes[row["type"]] += row["bytes"]
        same("types, and how many objects each has", +found, expected)
        same("their bytes", +sizes, +collections.Counter(self.bytes))

    # verdicts

    def check_garbage(self, document):
        self.check_dead({number(row["address"]) for row in self.rows_of(document)})

    def check_dead(self, found):
        self.checks.check_garbage(found, {each for each in found if each in self.truth.objects and self.truth.objects[each][2]})

    def check_leaked(self, document):
        rows = self.rows_of(document)
        same("causes", {row["leaked"] for row in rows} - {"cycle", "dependent"}, set())
        same("leaked, and reachable", {row["reachable"] for row in rows}, {0})
        self.leaked = {number(row["address"]): row["leaked"] for row in rows}
        self.check_dead(set(self.leaked))

    def check_leaks(self, document):
        same("leaked objects by cause", {row["cause"]: row["objects"] for row in self.rows_of(document)}, collections.Counter(self.leaked.values()))

    def check_cycles(self, document):
        """Whoever leads to itself is in one, and nobody else; with the verdict that Python's collector has."""
        truth, cycles, verdicts = self.truth, {}, {}
        for row in self.rows_of(document):
            address = number(row["object"].rsplit("@", 1)[1])
            require(address not in cycles, "%s is in two cycles", row["object"])
            cycles[address], verdicts[address] = row["cycle"], row["verdict"]
        for address in truth.garbage:  # whose cycles nothing that lives is in
            same("whether %s is in a cycle" % self.checks.say(address), address in cycles, address in self.after(address, truth.dying))
        for address in self.of_each_type(truth.made, MANY):
            around = truth.reach(set(truth.holds[address]))
            same("whether %s is in a cycle" % self.checks.say(address), address in cycles, address in around)
        for address, verdict in verdicts.items():
            is_made = address in truth.made
            require(verdict != "garbage" or address in truth.dying, "%s lives, in a cycle of garbage", self.checks.say(address))
            require(verdict == "garbage" or not is_made or address not in truth.garbage, "%s is garbage, in a cycle that is %s",
                    self.checks.say(address), verdict)

    def after(self, address, among):
        """What this one leads to, by way of some alone."""
        found, todo = set(), [address]
        while todo:
            new = among.intersection(self.truth.holds.get(todo.pop(), ())) - found
            found |= new
            todo += new
        return found

    # single objects

    def check_refs(self, rows, asked):
        self.check_slots(asked, [(number(row["source_address"]), row["name"], number(row["target_address"]), row["strength"])
                                 for row in rows if row["target_address"]])

    def check_fields(self, rows, asked):
        self.check_slots(asked, [(number(row["object_address"]), row["name"], number(row["value"]), row["kind"])
                                 for row in rows if row["kind"] in REFERENCES and row["value"]])

    def check_slots(self, asked, rows):
        checks, slots = self.checks, collections.defaultdict(list)
        for source, *slot in rows:
            slots[source].append(tuple(slot))
        same("objects that nobody asked for", set(slots) - set(asked), set())
        for address in asked:
            checks.check_all_slots(address, slots[address])

    def check_targets(self, rows, asked):
        """Who was made and holds one of these, as often as the answer says who does."""
        truth, held = self.truth, collections.defaultdict(set)
        for row in rows:
            held[number(row["target_address"])].add(number(row["source_address"]))
        same("targets that nobody asked for", set(held) - set(asked), set())
        for address in asked:
            self.checks.check_sources(address, held[address])
        require(len(rows) >= len(asked), "%d objects are held by %d slots", len(asked), len(rows))
        require(set(truth.made) & {each for sources in held.values() for each in sources}, "nothing that was made holds another")

    def check_holders(self, rows, asked):
        held = collections.defaultdict(set)
        for row in rows:
            if row["kind"] == "field" and row["strength"] in ("strong", "conservative"):
                held[number(row["target_address"])].add(number(row["source"].rsplit("@", 1)[1]))
        same("targets that nobody asked for", {number(row["target_address"]) for row in rows} - set(asked), set())
        for address in asked:
            self.checks.check_sources(address, held[address])

    def check_values(self, rows, asked):
        same("the objects", {number(row["address"]) for row in rows}, set(asked))
        for row in rows:
            self.checks.check_text_of(row["value"] or "", number(row["address"]))
