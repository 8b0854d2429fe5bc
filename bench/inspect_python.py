"""inspect_python.py - the questions of the engine's benchmark about a heap of Python (python_heap.py), their targets,
and the same asked of the process itself: gc.collect() and gc.get_referrers(), in a process that is built alike.

Invariant: every question has a check against what Python said of itself; no time of a wrong answer is a figure.
"""

import json
import statistics
import subprocess

from inspect_doors import Trouble, last_line
from inspect_heaps import size_text
from inspect_questions import SHOWN, Question, at, differs, first_wrong, references

SMALL_SIZE = 100_000
BYTES = 60.0        # of the engine's own memory, per object
SAME_AT_ANY_SIZE = 1.5  # objat at the largest size, in times of the smallest
BUILD_SECONDS = 600
ITSELF = (("gc.collect()", "collect_again", "gcleaks"), ("get_referrers", "get_referrers", "refs"))


def leaked(truth):
    return truth["leaked"]


# ---- checks -------------------------------------------------------------------------------------------------------


def check_live(truth, answer):
    return first_wrong(differs("status", at(answer, "status"), "live"),
                       differs("type", at(answer, "object", "type"), "Node"),
                       differs("refcount", at(answer, "object", "refcount"), truth["live_references"]))


def check_found(truth, answer):
    return first_wrong(differs("total", at(answer, "total"), truth["nodes"]),
                       differs("rows", len(at(answer, "objects") or []), 5))


def check_graph(truth, answer):
    """What is around a Node: what it holds, and who holds it. Their type does not lead to all the others."""
    total = at(answer, "nodes_total") or len(at(answer, "nodes") or [])
    left_out = max((hub["referrers"] for hub in at(answer, "not_followed") or []), default=0)
    return first_wrong(differs("provisional", at(answer, "provisional"), False),
                       None if 6 <= total <= 1000 else f"nodes: the answer says {total}",
                       None if left_out >= truth["nodes"] - total else f"not followed: the answer says {left_out}")


def check_leaks(truth, answer):
    return differs("leaked objects", at(answer, "objects"), truth["leaked"])


def check_verified(truth, answer):
    checked = at(answer, "objects_checked") or 0
    return first_wrong(None if checked >= truth["objects"] else f"objects checked: the answer says {checked}",
                       differs("problems", len(at(answer, "problems") or []), 0))


def check_totals(truth, answer):
    rows = [row for heap in at(answer, "heaps") or [] for row in heap.get("types", []) if row.get("type") == "Node"]
    return differs("objects of type Node", sum(row.get("count", 0) for row in rows), truth["nodes"])


QUESTIONS = tuple(
    Question(name, title, command, seconds, check, any_size=name == "refs-other", bytes=BYTES, before=before)
    for name, title, command, seconds, check, before in (
        ("objat", "what is at the address of an object", f"objat {SHOWN} {{live}}", None, check_live, ()),
        ("refs", "who holds an object", f"refs {SHOWN} {{live}}", 1.0, references("live"), ()),
        ("refs-other", "who holds another one, asked after refs", f"refs {SHOWN} {{other}}", None, references("other"),
         (f"refs {SHOWN} {{live}}",)),
        ("gcfind", "objects of a type", "gcfind --type=Node --limit=5 --json", None, check_found, ()),
        ("gcgraph", "the graph around an object, with the ledger", f"gcgraph {SHOWN} {{live}}", 3.0, check_graph, ()),
        ("gcleaks", "what is leaked", f"gcleaks {SHOWN}", 5.0, check_leaks, ()),
        ("gcverify", "whether pools, lists and counts agree", f"gcverify {SHOWN}", None, check_verified, ()),
        ("gcstat-plain", "gcstat --no-retained: objects and bytes by type", f"gcstat --no-retained {SHOWN}", None,
         check_totals, ()),
        ("gcstat", "by type, with retained bytes (dominators)", f"gcstat {SHOWN}", None, check_totals, ()),
    ))


# ---- the process itself -------------------------------------------------------------------------------------------


def ask_itself(heap, build, truth):
    done = subprocess.run(heap.command(build, "own", ""), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=BUILD_SECONDS)
    if done.returncode:
        raise Trouble(f"exit status {done.returncode}: {last_line(done.stderr)}")
    said = json.loads(done.stdout)["own"]
    wrong = first_wrong(differs("referrers", said["referrers"], truth["live_references"]),
                        differs("what the second collection found", said["again"], 0))
    if wrong or not 0 < said["collected"] <= truth["leaked"]:
        raise Trouble(wrong or f"gc.collect() found {said['collected']}")
    return said


def print_itself(said, rows):
    """Below the answers: what the process takes, and the answers' times as ratios to that."""
    collected = said["collect_first"] * 1e3
    print(f"  {'gc.collect()':<14}{'itself':<7}{collected:10.2f}{'':10}  the first, which frees the garbage "
          f"({said['collected']:,} found)")
    for title, key, question in ITSELF:
        least = min(said[key])
        ratios = [f"{row.question.name} {row.door.name} {min(row.first) / least:.2f} x" for row in rows
                  if row.question.name == question and row.first and not row.trouble]
        print(f"  {title:<14}{'itself':<7}{least * 1e3:10.2f}{statistics.median(said[key]) * 1e3:10.2f}  "
              f"{'; '.join(ratios)}")


def print_sizes(rows):
    """Whether objat takes the same at any size."""
    for source, door in dict.fromkeys((row.source, row.door.name) for row in rows):
        mine = sorted((row.heap.size, min(row.first)) for row in rows if row.heap.is_python and row.first
                      and not row.trouble and (row.question.name, row.source, row.door.name) == ("objat", source, door))
        if len(mine) > 1:
            growth = mine[-1][1] / mine[0][1]
            verdict = "met" if growth <= SAME_AT_ANY_SIZE else "NOT MET"
            sizes = ", ".join(f"{size_text(size)} {seconds * 1e3:.2f} ms" for size, seconds in mine)
            print(f"\npython objat, {door} {source}: {sizes}: {growth:.2f} x (target <= {SAME_AT_ANY_SIZE:g}) {verdict}")
