"""check_page.py - what people see who open a page that gcexport wrote, in Chromium: a service in Python, a heap of C whose names
want to be markup and scripts, and one of more objects than a page takes (page.mjs clicks).

Invariant: what is expected is what refheap's other commands say of the same process or core; what a page must look like where
it differs (control characters, cut lists) is worked out here.
"""

import argparse
import base64
import gzip
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doors"))

from expect_page import read  # noqa: E402
from launch import ROOT, TIMEOUT_SECONDS, Subject, report, require  # noqa: E402

PAGE_OBJECTS, CYCLE_MEMBERS = 100000, 50  # as page.h has it


class Heap:
    """A process that waits, or a core, asked by the shell."""

    def __init__(self, shell, target):
        self.words = [shell, *(["--pid", str(target.pid)] if target.pid else ["--core", target.core, "--exe", target.exe])]

    def ask(self, *words):
        done = subprocess.run([*self.words, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              encoding="utf-8", timeout=TIMEOUT_SECONDS)
        require(done.returncode == 0, "%s: %s", words, done.stderr or done.stdout[-500:])
        return done.stdout

    def json(self, *words):
        return json.loads(self.ask(*words, "--json", "--limit=0"))

    def rows(self, sql):
        return self.json("gcquery", sql)["rows"]


def row_of(row):
    """A reference, as the page has it in two columns."""
    return "%s %s" % (row["from"], row["name"])


def word_of(row):
    """Of a holder that is no field: what the page's text has to have in it, and its strength."""
    name = row["name"] or row["address"]
    function = row.get("function")
    return [name[len(function) + 2:] if function and name.startswith(function + "::") else name, row["strength"]]


def asked(heap, sql, root):
    found = []
    for row in heap.rows(sql):
        refs = heap.json("refs", "--weak", row["address"])
        site, ledger = refs["object"]["site"], refs["ledger"]
        # where fields own all counts there is none for a word to own, and the page names none
        owns = ledger["stored"] is None or ledger["stored"] > ledger["fields"]
        held = [holder for holder in refs["referrers"] if holder["kind"] != "field" and owns]
        cycles = [cycle for cycle in heap.json("gcgraph", "--depth=0", row["address"])["cycles"]
                  if row["id"] in cycle["objects"][:CYCLE_MEMBERS]]
        found.append({**row, "type": refs["object"]["qualified"] or refs["object"]["type"], "value": refs["object"]["value"],
                      "made_at": site and "%s:%d%s" % (site["file"].rsplit("/", 1)[-1], site["line"], " in %s()" % site["function"] if site["function"] else ""),
                      "cycle": "of %d object%s, %s" % (len(cycles[0]["objects"]), "s"[:len(cycles[0]["objects"]) != 1], cycles[0]["verdict"]) if cycles else None,
                      "words": len(held), "word_names": [word_of(holder) for holder in held],
                      "strengths": {row_of(holder): holder["strength"] for holder in refs["referrers"] if holder["kind"] == "field"},
                      "slot_strengths": {slot["name"]: slot["strength"] for slot in refs["referents"] if slot["target"]},
                      "shown": row["id"], "root": None if row["leaked"] else root,
                      "referrers": [row_of(holder) for holder in refs["referrers"] if holder["kind"] == "field"],
                      "owners": [row_of(holder) for holder in refs["referrers"]
                                 if holder["kind"] == "field" and holder["strength"] in ("strong", "conservative")],
                      "referents": ["%s %s" % (slot["name"], slot["target"]) for slot in refs["referents"] if slot["target"]]})
    return found


def crowds(heap, objects):
    """Of the crowd, and of the member whose leaf has the highest address: what it alone keeps, and how much of that has no room."""
    found = [{**row, "keeps": len(heap.rows("select 1 from objects where type = 'member'")), "left_out": 0}
             for row in heap.rows("select id, address from objects where type = 'crowd'")]
    last = max((int(row["address"], 16) for row in heap.rows("select address from objects where type = 'leaf'")), default=None)
    rows = heap.rows("select source as id, source_address as address from refs where target_address = '0x%x' and name = 'leaf'" % last) if last else []
    return found + [{**row, "keeps": 1, "left_out": int(objects > PAGE_OBJECTS)} for row in rows]


def expectation(heap, pid, asked_about, root, type_name, searches):
    leaks, cycles, stat = heap.json("gcleaks"), heap.json("gcgraph", "--cycles"), heap.json("gcstat")
    objects = sum(one["objects"] for one in stat["heaps"])
    verdicts = [cycle["verdict"] for cycle in cycles["cycles"]]
    return {
        "pid": pid, "objects": objects, "leaked": leaks["objects"], "garbage_cycles": verdicts.count("garbage"), "cycles": len(verdicts),
        "leaks": [{**group, "shown": group["largest"]} for group in leaks["groups"]],
        "crowds": crowds(heap, objects),
        "leaked_bytes": leaks["bytes"], "bytes": sum(one["bytes"] for one in stat["heaps"]),
        "all_cycles": [{"size": len(cycle["objects"]), "first": cycle["objects"][0], "verdict": cycle["verdict"],
                        "held_by": len([row for row in cycle["held_by"] if row["kind"] != "lost"]),
                        "holders": [row["name"] or row.get("from") or row["address"] for row in cycle["held_by"] if row["kind"] != "lost"]}
                       for cycle in cycles["cycles"]],
        "types": [kind for one in stat["heaps"] for kind in one["types"]], "type": type_name,
        "asked": asked(heap, asked_about, root), "searches": [{"typed": typed, "objects": len(heap.rows(sql))} for typed, sql in searches],
        "left_out": max(0, objects - PAGE_OBJECTS), "caveats": [],
        "most": [row["retained"] for row in heap.rows("select retained from objects order by retained desc limit 1 offset %d" % PAGE_OBJECTS)],
    }


def case(arguments, folder, name, target, pid, *details):
    heap = Heap(arguments.shell, target)
    path = os.path.join(folder, name + ".html")
    said = heap.ask("gcexport", path)
    expected = expectation(heap, pid, *details)
    if expected["left_out"]:
        require("left out: %d objects" % expected["left_out"] in said, "it does not say what is left out: %s", said)
    with open(path, "rb") as file:
        page = file.read()
    require(page.count(b"<script") == page.count(b"</script") == 2, "%s has other elements than its own", name)
    require(b"onerror" not in page and b"attacked" not in page, "%s has names of the heap as they are", name)
    return {"name": name, "file": path, "expected": expected}


def forge(genuine, path):
    """A page of the same parts, whose heap nobody checked: what the engine cleans is not clean, and numbers lead nowhere."""
    document, rest = read(genuine)
    bad = "\u202e\u0007\u200b\u2066</script><img src=x onerror='window.attacked=1'>"

    def spoiled(value):
        return value + bad if isinstance(value, str) and not value.startswith("0x") else value
    for row in document["types"] + document["sites"]:
        row[:3] = map(spoiled, row[:3])
    for number, row in enumerate(document["objects"]):
        row[:] = [spoiled(value) for value in row]
        row[6] = (None, 10 ** 9, -1, number, "0")[number % 5]
        row[13] = [spoiled(value) if place % 3 != 2 else (value, 10 ** 9, -1, {})[number % 4] for place, value in enumerate(row[13])]
    document["caveats"] = [[bad, bad]]
    document["words"] = [[at, [[spoiled(text), kind, strength] for text, kind, strength in rows], total] for at, rows, total in document["words"]]
    document["cycles"]["rows"][0]["objects"].append(10 ** 9)
    document["program"]["name"] = bad
    packed = base64.b64encode(gzip.compress(json.dumps(document).encode())).decode()
    with open(path, "w", encoding="utf-8") as file:
        file.write(rest.replace('id="heap">', 'id="heap">' + packed))
    return {"name": "forged", "file": path, "expected": {"addresses": [row[1] for row in document["objects"][:8]]}}


def main():
    parser = argparse.ArgumentParser()
    for option in ("shell", "node", "chromium", "packages", "pictures"):
        parser.add_argument("--" + option, required=True)
    parser.add_argument("--python", help="one whose heap refheap reads")
    parser.add_argument("injecting", help="a program")
    arguments = parser.parse_args()

    def body():
        with tempfile.TemporaryDirectory() as folder:
            cases = []
            columns = "select id, address, size, refcount, retained, leaked from objects where "
            crowd = (columns + "type = 'member' and serial < 12 or leaked = 'cycle' or type = 'leaf' and serial = 4", "crowd", "member", [
                ("member#3", "select 1 from objects where id like 'member#3%' or value like '%member#3%'"),
                (".c:7", "select 1 from objects where site_line = 7 and site_file like '%.c'"),
                ("</SCRIPT>", "select 1 from objects where type like '%</script>%' or site_function like '%</script>%'")])
            for name, count in (("injecting", 300), ("crowd", 150000)):
                with Subject(arguments.injecting, 1, folder, [str(count)]) as subject:
                    cases.append(case(arguments, folder, name, subject.live(), subject.process.pid, *crowd))
            cases.append(forge(cases[0]["file"], os.path.join(folder, "forged.html")))
            if arguments.python:
                words = [os.path.join(ROOT, "samples", "python", "service.py"), "300"]
                with Subject(arguments.python, 1, folder, words) as subject:
                    cases.append(case(arguments, folder, "service", subject.core(), subject.process.pid, columns + (
                        "id in (select min(id) from objects where type in ('Session', 'Connection', 'list') group by type)"),
                        "", "Session", [("'user 17", "select 1 from objects where value like '%''user 17%'")]))
            path = os.path.join(folder, "cases.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(cases, file)
            done = subprocess.run([arguments.node, os.path.join(HERE, "page.mjs"), arguments.chromium, arguments.packages,
                                   arguments.pictures, path], check=False, timeout=2 * TIMEOUT_SECONDS, env={**os.environ, "TMPDIR": folder})
            require(done.returncode == 0, "the browser says otherwise")
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
