"""check_fleet.py - docs/fleet.md: heaps of three machines in one question, by SQLite and by DuckDB.

The samples leave the three cores that the page speaks of; each of its commands is run in a shell and must print what the page
says. DuckDB comes from npm, by the lock file of tests/fleet: CMake fetches it. Its reader of SQLite's files is in no package: that
takes the text of a view for DuckDB's own SQL. So the views of a file are made in DuckDB, over tables like those of the file.
"""

import argparse
import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile

from check_docs import crash_core, is_true, read, transcripts
from launch import report, require, tool_environment  # noqa: E402 (check_docs knows where)

CORES = {"web1": ("mistakes", {}), "web2": ("mistakes", {}), "web3": ("cycle", {"REFHEAP_STOP_AT": "names dropped"})}


RUN_EACH = """import { DuckDBInstance } from "@duckdb/node-api";
const database = await (await DuckDBInstance.create(":memory:")).connect();
for (const sql of JSON.parse(process.argv[2])) await database.run(sql);
"""


def check_views(folder, path):
    """DuckDB understands the views, and finds their columns."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        statements, views = [], [row[0] for row in database.execute("select name from sqlite_master where type = 'view'")]
        for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
            columns = ['"%s" %s' % (row[1], row[2] or "text") for row in database.execute("pragma table_info('%s')" % table)]
            statements.append("create table %s (%s)" % (table, ", ".join(columns)))
        statements += [row[0] for row in database.execute("select sql from sqlite_master where type = 'view'")]
        for view in views:
            columns = ['"%s"' % row[1] for row in database.execute("pragma table_info('%s')" % view)]
            statements.append("select %s from %s" % (", ".join(columns), view))
    require("objects" in views and "holders" in views, "the views are %s", views)
    script = os.path.join(folder, "views.mjs")
    with open(script, "w", encoding="utf-8") as file:
        file.write(RUN_EACH)
    done = subprocess.run(["node", script, json.dumps(statements)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          encoding="utf-8", check=False)
    require(done.returncode == 0, "DuckDB and the views: %s", done.stderr)


def main():
    parser = argparse.ArgumentParser(description="Runs the recipe of docs/fleet.md.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--packages", required=True, help="the folder node_modules")
    parser.add_argument("samples", help="the folder of the samples")
    arguments = parser.parse_args()
    page = read("docs", "fleet.md")

    def body():
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(os.path.abspath(arguments.packages), os.path.join(folder, "node_modules"))
            for name, (sample, environment) in CORES.items():
                core = crash_core(os.path.join(arguments.samples, sample), os.path.join(folder, name), **environment)
                os.rename(core, os.path.join(folder, name, "core"))
            with open(os.path.join(folder, "fleet.mjs"), "w", encoding="utf-8") as script:
                script.write(re.search(r"```js\n(.*?)```", page, re.S).group(1))
            path = os.path.dirname(os.path.abspath(arguments.shell)) + ":" + os.environ["PATH"]
            asked = list(transcripts(page))
            require(len(asked) >= 8, "docs/fleet.md has %d transcripts", len(asked))
            for _prompt, command, wanted in asked:
                done = subprocess.run(command, shell=True, cwd=folder, env=tool_environment(PATH=path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, encoding="utf-8", check=False)
                is_as_said = is_true(wanted, done.stdout) if wanted.strip() else not done.stdout
                require(done.returncode == 0 and is_as_said, "docs/fleet.md says of `$ %s`:\n%s\nIt ends with %d and prints:\n%s%s",
                        command, wanted, done.returncode, done.stdout, done.stderr)
            check_views(folder, os.path.join(folder, "web1.sqlite"))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
