"""expect_export.py - what the file of gcexport must say of a heap of random_heap.c.

Invariant: the tables of the file are held against the program's truth by the very checks that gcquery's are held
against (expect_query.py), and SQLite, not the engine, reads them.
"""

import contextlib
import os
import sqlite3

from expect import same
from expect_query import Queries
from launch import Question, require

PREFIX = "--json --limit=0 "
# what is looked up by each must be found by an index
LOOKUPS = ("select * from objects where id = 'x'", "select * from objects where address = 'x'", "select * from objects where type = 'x'",
           "select * from refs where source = 'x'", "select * from refs where target = 'x'", "select * from holders where target = 'x'",
           "select * from fields where object = 'x'", "select * from cycle_members where object = 'x'", "select * from history where id = 'x'")


def ask_file(database, sql, document):
    """The answer of the file as a document of gcquery's, which is as complete as what it was written from."""
    cursor = database.execute(sql)
    columns = [column[0] for column in cursor.description]
    return {"columns": columns, "rows": [dict(zip(columns, row)) for row in cursor], "rows_cut": False,
            "command": "gcquery", "complete": document["complete"], "incomplete_because": document.get("incomplete_because", [])}


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

    def all(self, samples):
        yield self.asked(Question("gcexport", "--json --force " + self.path), lambda document: self.check(document, samples))

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
                require("USING INDEX" in plan, "%s: %s", sql, plan)
            questions = [each for each in self.queries.all(samples) if "--file=" not in each.question.line]
            require(len(questions) > 20, "%d questions for the file", len(questions))
            for each in questions:
                require(each.question.line.startswith(PREFIX), "no question: %s", each.question)
                each.check(ask_file(database, each.question.line[len(PREFIX):], document))
        os.unlink(self.path)
