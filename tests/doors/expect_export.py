"""expect_export.py - what the file of gcexport must say of a heap of random_heap.c.

Invariant: the tables of the file are held against the program's truth by the very checks that gcquery's are held
against (expect_query.py), and SQLite, not the engine, reads them. What these do not look at is held against gcquery's
own rows: all columns of all tables.
"""

import collections
import contextlib
import os
import sqlite3

from expect import same
from expect_query import Queries
from launch import Question, require

PREFIX = "--json --limit=0 "
# what is looked up by each must be found by an index
LOOKUPS = ["select * from %s where %s = 'x'" % (table, column) for table, columns in (
    ("objects", "id address type"), ("refs", "source target source_address target_address"), ("holders", "target target_address"),
    ("fields", "object object_address"), ("cycles", "cycle"), ("cycle_members", "cycle object address"), ("history", "id address"))
    for column in columns.split()]
LOOKUPS += ["select source from refs where target in (select id from objects where type = 'x')",
            "select h.* from objects o join holders h on h.target = o.id where o.type = 'x'",
            "select s.type from objects o join refs r on r.target = o.id join objects s on s.id = r.source where o.type = 'x'"]
# the tables, with the columns that cost, which are no part of * (not threads: how many registers there are is the door's)
TABLES = {"objects": "retained reachable garbage leaked referrers", "refs": "", "holders": "", "fields": "", "heaps": "", "leaks": "",
          "cycles": "", "cycle_members": "", "stale": "", "history": "", "types": "retained sample sample_value", "sites": "retained sample sample_value"}


def ask_file(database, sql, document):
    """The answer of the file as a document of gcquery's, which is as complete as what it was written from."""
    cursor = database.execute(sql)
    columns = [column[0] for column in cursor.description]
    return {"columns": columns, "rows": [dict(zip(columns, row)) for row in cursor], "rows_cut": False,
            "command": "gcquery", "complete": document["complete"], "incomplete_because": document.get("incomplete_because", [])}


def everything(table):
    return "select %s from %s" % (", ".join(["*", *TABLES[table].split()]), table)


def tables_of(path):
    """All columns of each table, and how often there is which row."""
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % path, uri=True)) as database:
        found = {}
        for table in TABLES:
            cursor = database.execute("select * from " + table)
            found[table] = [column[0] for column in cursor.description], collections.Counter(cursor)
        return found


def check_table(document, table, tables):
    columns, rows = tables[table]
    same("the columns of %s in the file" % table, sorted(columns), sorted(document["columns"]))
    asked = collections.Counter(tuple(row[column] for column in columns) for row in document["rows"])
    require(asked == rows, "%s: gcquery has %s, the file %s", table, list((asked - rows).items())[:3], list((rows - asked).items())[:3])


def said_of(document):
    """(kind, text) of all that the answer to gcexport rests on, as its file has it; of what is provisional or undecided the
    document has no text.
    """
    rows = [("incomplete", text) for text in document.get("incomplete_because", [])]
    rows += [("note", text) for text in document.get("notes", [])]
    rows += [("not read", "memory at %s, %d bytes (%s): %s" % (row["start"], int(row["end"], 16) - int(row["start"], 16),
                                                                        row["path"] or "without a name", row["why"]))
             for row in document.get("not_read", [])]
    return rows


class Exports:
    """asked, same_rows, is_complete: those of expect_random.py; path: without an ending, where files may be written."""

    def __init__(self, expectations, asked, same_rows, is_complete, path):
        self.queries = Queries(expectations, asked, same_rows, is_complete)
        self.truth, self.asked, self.is_complete = expectations.truth, asked, is_complete
        self.path = path + ".sqlite"
        self.tables = {}

    def all(self, samples):
        yield self.asked(Question("gcexport", "--json --force " + self.path), lambda document: self.check(document, samples))
        for table in TABLES:
            yield self.asked(Question("gcquery", PREFIX + everything(table)), lambda document, table=table: check_table(document, table, self.tables))

    def check(self, document, samples):
        same("the file", (document["file"], document["format"], document["file_bytes"]), (self.path, ".sqlite", os.path.getsize(self.path)))
        same("objects and what was left out", (document["objects"], document["left_out"]), (len(self.truth.objects), 0))
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % self.path, uri=True)) as database:
            same("what SQLite says of it", database.execute("pragma integrity_check").fetchall(), [("ok",)])
            about = dict(database.execute("select name, value from about"))
            same("what it says of itself", (about["objects"], about["complete"], about["provisional"]),
                 (len(self.truth.objects), document["complete"], document["provisional"]))
            caveats = database.execute("select kind, text from caveats").fetchall()
            same("what it rests on", sorted(row for row in caveats if row[0] not in ("provisional", "undecided", "wrong executable")),
                 sorted(said_of(document)))
            same("provisional, undecided, another executable", {kind for kind, _text in caveats} - {"incomplete", "note", "not read"},
                 {kind for kind, is_so in (("provisional", document["provisional"]), ("undecided", not about["decided"]),
                                           ("wrong executable", "wrong_executable" in document)) if is_so})
            same("in one line", about["caveats"], "; ".join("%s: %s" % row for row in caveats))
            same("references", document["references"], database.execute("select count(*) from refs").fetchone()[0])
            for sql in LOOKUPS:
                plan = " ".join(row[3] for row in database.execute("explain query plan " + sql))
                require("USING" in plan and "SCAN" not in plan and "AUTOMATIC" not in plan, "%s: %s", sql, plan)
            questions = [each for each in self.queries.all(samples) if "--file=" not in each.question.line]
            require(len(questions) > 20, "%d questions for the file", len(questions))
            for each in questions:
                require(each.question.line.startswith(PREFIX), "no question: %s", each.question)
                each.check(ask_file(database, each.question.line[len(PREFIX):], document))
        self.tables = tables_of(self.path)
        os.unlink(self.path)
