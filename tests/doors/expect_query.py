"""expect_query.py - what each table of gcquery must answer about a heap of random_heap.c.

Invariant: as in expect_random.py, an expectation comes from the program's line and from twin.py alone; a row
that is looked up must be the row that a search of all rows gives.
"""

import collections

from expect import same
from launch import Question, require
from twin import type_of

SITE = ("site_file", "site_line", "site_function")
COLUMNS = "id, address, type, serial, size, refcount, state, heap, site_file, site_line, site_function"


def question(sql):
    return Question("gcquery", "--json --limit=0 " + sql)


def rows_of(document, *columns):
    same("the columns", document["columns"], list(columns))
    require(not document["rows_cut"], "rows are cut")
    return [tuple(row[column] for column in columns) for row in document["rows"]]


class Queries:
    """Questions in SQL about one truth. asked: makes a question with its check; same_rows: compares lists of
    rows; both are those of expect_random.py."""

    def __init__(self, expectations, asked, same_rows, is_complete):
        self.expectations = expectations
        self.truth, self.rows, self.causes = expectations.truth, expectations.rows, expectations.causes
        self.held_through, self.sample = expectations.held_through, expectations.sample
        self.asked, self.same_rows, self.is_complete = asked, same_rows, is_complete

    def all(self, samples):
        yield self.asked(question("select %s from objects" % COLUMNS), lambda document: self.check_objects(document, self.truth.objects))
        yield self.asked(question("select id, garbage, leaked, reachable, referrers from objects"), self.check_verdicts)
        yield self.asked(question("select source, name, target, target_status, value, strength from refs"),
                         lambda document: self.check_refs(document, self.slots(self.truth.objects)))
        yield self.asked(question("select source, name, target, target_status, value, strength from refs where target in (select id from objects)"),
                         lambda document: self.check_refs(document, [slot for key in self.truth.objects for slot in self.slots_to(key)]))
        yield self.asked(question("select type, heap, count, bytes from types"), self.check_types)
        yield self.asked(question("select type, heap, count(*), sum(size) from objects group by type, heap"), self.check_counts)
        yield self.asked(question("select type, count(*), sum(size) from objects group by type order by type"), self.check_groups)
        yield self.asked(question("select m.cycle, c.verdict, c.objects, m.object from cycle_members m join cycles c on c.cycle = m.cycle"),
                         self.check_cycles)
        yield self.asked(question("select cause, representative, count, bytes from leaks"), self.check_leaks)
        yield self.asked(question("select heap, objects, bytes from heaps"), self.check_heaps)
        yield self.asked(question("select file, line, function, heap, objects, bytes from sites"), self.check_sites)
        yield self.asked(question("select * from stale"), self.check_stale)
        yield self.asked(question("select thread, stack_pointer, registers > 0 as registers from threads"), self.check_threads)
        yield from self.about_each(samples)

    def about_each(self, samples):
        truth = self.truth
        for key in self.sample(truth.objects, samples // 2):
            yield self.asked(question("select %s from objects where id = '%s'" % (COLUMNS, key)),
                             lambda document, key=key: self.check_objects(document, [key]))
            yield self.asked(question("select %s from objects where address = '%s' or address = 0" % (COLUMNS, truth.address_of(key))),
                             lambda document, key=key: self.check_objects(document, [key]))
            yield self.asked(question("select source, name, target, target_status, value, strength from refs where target = '%s'" % key),
                             lambda document, key=key: self.check_refs(document, self.slots_to(key)))
            yield self.asked(question("select source, name, target, target_status, value, strength from refs where source = '%s'" % key),
                             lambda document, key=key: self.check_refs(document, self.slots([key])))
            yield self.asked(question("select * from holders where target = '%s'" % key), lambda document, key=key: self.check_holders(document, key))
            yield self.asked(question("select name, target, target_status, value, kind from fields where object = '%s'" % key),
                             lambda document, key=key: self.check_fields(document, key))
            yield self.asked(question("--file=within-three " + key), lambda document, key=key: self.check_near(document, key))
        for name in sorted({type_of(key) for key in truth.objects})[:3]:
            yield self.asked(question("select %s from objects where type = '%s'" % (COLUMNS, name)),
                             lambda document, name=name: self.check_objects(document, [key for key in truth.objects if type_of(key) == name]))
            yield self.asked(question("--file=parents-of " + name), lambda document, name=name: self.check_parents(document, name))
        dead = [key for key, each in truth.freed.items() if each["last"] and not each["now"]]
        for key in self.sample(dead, 2):
            yield self.asked(question("select id from objects where id = '%s' union all select source from refs where target = '%s'" % (key, key)),
                             lambda document: same("what a dead object is", rows_of(document, "id"), []))
        yield self.asked(question("select id, address, kind, reason from history"), self.check_history)

    # objects

    def check_objects(self, document, keys):
        truth, expected = self.truth, []
        for key in keys:
            each = truth.objects[key]
            expected.append((key, each["address"], type_of(key), int(key.split("#")[1]), each["size"], each["refcount"], each["state"],
                             each["heap"], *(each["site"] or (None, None, None))))
        self.same_rows("the objects", rows_of(document, *COLUMNS.split(", ")), expected, True)

    def check_verdicts(self, document):
        truth, complete = self.truth, self.is_complete(document)
        found = {row[0]: row[1:] for row in rows_of(document, "id", "garbage", "leaked", "reachable", "referrers")}
        same("the ids", sorted(found), sorted(truth.objects))
        for key, (garbage, leaked, reachable, referrers) in found.items():
            cause = self.causes.get(key)
            same("garbage of %s" % key, garbage, int(cause == "cycle"))
            same("referrers of %s" % key, referrers, len(truth.held_by[key]))
            if complete:
                same("leaked of %s" % key, leaked, cause)
                same("reachable of %s" % key, reachable, int(cause is None))
            require(leaked in (cause, None), "%s is said to be leaked by %s, and is by %s", key, leaked, cause)
            require(reachable != 1 or cause is None, "%s is said to be reachable, and is leaked by %s", key, cause)
            require(reachable != 0 or cause, "%s is said to be leaked, and is held", key)

    # references

    def slots(self, keys):
        """What the table says of these objects' slots: no target where none lives."""
        return [(key, name, target if status == "live" else None, status, address, strength)
                for key in keys for name, target, status, address, strength in self.held_through(key)]

    def slots_to(self, key):
        return [(source, name, key, "live", self.truth.address_of(key), strength)
                for source, name, _target, strength in self.truth.slots_to[key]]

    def check_refs(self, document, expected):
        found = rows_of(document, "source", "name", "target", "target_status", "value", "strength")
        self.same_rows("the references", found, expected, True)

    def check_holders(self, document, key):
        truth, complete = self.truth, self.is_complete(document)
        is_ours = truth.objects[key]["heap"] > 0  # what holds the shared ones, the runtime itself knows
        found = [{**row, "from": row["source"]} for row in document["rows"] if is_ours or row["kind"] == "field"]
        require(all(row["target"] == key for row in found), "holders of %s hold another: %s", key, found)
        expected = [row for row in self.rows.holders_of(key) if is_ours or row[0] == "field"]
        self.same_rows("what holds %s" % key, [self.rows.found(row) for row in found], expected, complete)

    def check_fields(self, document, key):
        found = [row for row in rows_of(document, "name", "target", "target_status", "value", "kind")
                 if row[4] in ("strong", "weak", "borrowed") and row[3]]
        self.same_rows("the fields of %s" % key, found, self.held_through(key), True)

    def check_near(self, document, key):
        steps, last = {key: 0}, {key}
        for step in (1, 2, 3):
            last = {target for one in last for _source, _name, target, strength in self.truth.slots_of[one] if strength == "strong"} - set(steps)
            steps.update(dict.fromkeys(last, step))
        self.same_rows("what is three steps from %s" % key, rows_of(document, "id", "steps"), list(steps.items()), True)

    def check_parents(self, document, name):
        expected = [(source, slot, target) for source, slot, target, _strength in self.truth.slots if type_of(target) == name]
        self.same_rows("parents of %s" % name, rows_of(document, "source", "name", "target"), expected, True)

    # figures

    def figures(self, key_of):
        figures = collections.defaultdict(lambda: [0, 0])
        for key, each in self.truth.objects.items():
            figures[key_of(key, each)][0] += 1
            figures[key_of(key, each)][1] += each["size"]
        return [(*key, *values) if isinstance(key, tuple) else (key, *values) for key, values in figures.items()]

    def check_types(self, document):
        self.same_rows("the types", rows_of(document, "type", "heap", "count", "bytes"),
                       self.figures(lambda key, each: (type_of(key), each["heap"])), True)

    def check_counts(self, document):
        self.same_rows("counts by type and heap", rows_of(document, "type", "heap", "count(*)", "sum(size)"),
                       self.figures(lambda key, each: (type_of(key), each["heap"])), True)

    def check_groups(self, document):
        found = rows_of(document, "type", "count(*)", "sum(size)")
        same("counts by type, in order", found, sorted(self.figures(lambda key, each: type_of(key))))

    def check_heaps(self, document):
        found = [row for row in rows_of(document, "heap", "objects", "bytes") if row[1]]
        self.same_rows("the heaps", found, self.figures(lambda key, each: each["heap"]), True)

    def check_sites(self, document):
        expected = [row for row in self.figures(lambda key, each: (*(each["site"] or [None] * 3), each["heap"])) if row[0]]
        self.same_rows("the lines", rows_of(document, "file", "line", "function", "heap", "objects", "bytes"), expected, True)

    # verdicts

    def check_cycles(self, document):
        found = collections.defaultdict(set)
        for cycle, verdict, objects, key in rows_of(document, "cycle", "verdict", "objects", "object"):
            found[cycle, verdict, objects].add(key)
        expected = [(tuple(sorted(ring)), "held" if ring & self.truth.reached else "garbage", len(ring)) for ring in self.truth.components()]
        self.same_rows("the cycles", [(tuple(sorted(keys)), verdict, objects) for (_, verdict, objects), keys in found.items()], expected, True)

    def check_leaks(self, document):
        complete, counts = self.is_complete(document), collections.Counter()
        for cause, representative, count, _bytes in rows_of(document, "cause", "representative", "count", "bytes"):
            same("the cause of %s" % representative, cause, self.causes.get(representative))
            counts[cause] += count
        if complete:
            same("leaked objects by cause", counts, collections.Counter(self.causes.values()))
            same("leaked bytes", sum(row["bytes"] for row in document["rows"]), sum(self.truth.sizes[key] for key in self.causes))

    # words

    def check_stale(self, document):
        """As gcstale's. (What the table does not have, the offset and whether a slot owns a count, is not looked at: it is put in.)"""
        strengths = {row[:2]: row[3] for row in (*self.truth.slots, *self.truth.stale_slots)}
        lists = {"stale": [], "possible": []}
        for row in document["rows"]:
            known = self.rows.word_at.get(row["holder_address"] or (row["thread"], row["name"]), {"offset": 0})
            declared = strengths.get((row["holder"], row["name"]))
            strength = self.rows.strength(row["holder"], declared) if declared else "strong" if row["kind"] == "root" else "conservative"
            holder = {"kind": row["kind"], "from": row["holder"], "name": row["name"], "address": row["holder_address"], "thread": row["thread"],
                      "offset": known["offset"], "strength": strength}
            site = self.truth.freed.get(row["was"], {}).get("site")
            if not row["now"] and site:
                same("the line that made %s" % row["was"], (row["was_file"], row["was_line"]), tuple(site[:2]))
            site = site and dict(zip(("file", "line", "function"), site))
            lists[row["certainty"]].append({**row, "holder": holder, "was_site": site})
        self.expectations.check_stale({**document, **lists})

    def check_threads(self, document):
        """There is each thread that has words of the program's on its stack or in registers."""
        found = {row["thread"]: row for row in document["rows"]}
        same("the number of threads, each once", len(found), len(document["rows"]))
        wanted = {word["thread"] for word in self.truth.line["words"] if word["kind"] in ("local", "register")}
        require(wanted and wanted <= set(found), "threads %s, found %s", wanted, document["rows"])
        require(all(row["registers"] and int(row["stack_pointer"], 16) for row in found.values()), "a thread without registers: %s", found)

    def check_history(self, document):
        """Heap 1 has a history of deaths; it may forget old ones."""
        found = [row for row in rows_of(document, "id", "address", "kind", "reason") if row[2] == "free"]
        require(found, "no death is recorded")
        for key, address, _kind, reason in found:
            require(key in self.truth.freed, "%s is said to have died", key)
            same("where and how %s died" % key, (address, reason), (self.truth.address_of(key), "release"))
