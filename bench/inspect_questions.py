"""inspect_questions.py - the benchmark of the engine as data: the questions, their targets, and what their answers
must say about a heap whose program said what it built.

Targets are for 10M objects and for the first answer, but for those that hold at any size. A question's `check`
gets that truth and the JSON answer, and returns None or what is wrong in words.

Invariant: every question has a check; no time of a wrong answer is a figure.
"""

from dataclasses import dataclass
from typing import Callable

JUDGED_SIZE = 10_000_000
AGAIN_SECONDS = 0.05  # any second question while stopped, without output
GROWTH_FROM, GROWTH_TO, GROWTH = 1_000_000, JUDGED_SIZE, 13.0
BYTES = 48.0  # of the engine's own memory, per object
BYTES_WITH_DOMINATORS = 100.0
SHOWN_ROWS = 20  # as many as the text shows
SHOWN = f"--json --limit={SHOWN_ROWS}"


@dataclass(frozen=True)
class Question:
    name: str
    title: str
    command: str  # {live} {other} {freed} are addresses
    core_seconds: float | None  # None: no target
    check: Callable
    live_seconds: float = 0.0  # 0: the same
    any_size: bool = False
    bytes: float = BYTES
    before: tuple = ()  # asked first, not timed: the question is then a second one

    def target_seconds(self, source, size):
        """The limit of the first answer; None if it is not judged at this size."""
        if not self.any_size and size != JUDGED_SIZE:
            return None
        return self.live_seconds if source == "live" and self.live_seconds else self.core_seconds

    @property
    def verb(self):
        return self.command.split()[0]


# ---- checks -------------------------------------------------------------------------------------------------------


def differs(what, says, must):
    return None if says == must else f"{what}: the answer says {says}, the program built {must}"


def first_wrong(*complaints):
    return next((complaint for complaint in complaints if complaint), None)


def at(answer, *path):
    """A value inside the answer; None where it lacks something on the way."""
    for key in path:
        try:
            answer = answer[key]
        except (KeyError, IndexError, TypeError):
            return None
    return answer


def leaked(truth):
    return 2 * truth["pairs"] + truth["lost"] + truth["dependent"]


def check_live(truth, answer):
    return first_wrong(differs("status", at(answer, "status"), "live"),
                       differs("refcount", at(answer, "object", "refcount"), truth["live_references"]))


def check_freed(truth, answer):
    return first_wrong(differs("address", at(answer, "address"), truth["freed"]),
                       differs("status", at(answer, "status"), "freed"),
                       differs("how it ended", at(answer, "previous", 0, "reason"), "release"))


def references(key):
    def check(truth, answer):
        fields = [row for row in at(answer, "referrers") or [] if row.get("kind") == "field"]
        return first_wrong(differs("address", at(answer, "object", "address"), truth[key]),
                           differs("counts from fields", at(answer, "ledger", "fields"), truth[key + "_references"]),
                           differs("stored count", at(answer, "ledger", "stored"), truth[key + "_references"]),
                           differs("referrers", len(fields), truth[key + "_references"]))
    return check


def check_totals(truth, answer):
    rows = [row for heap in at(answer, "heaps") or [] for row in heap.get("types", []) if row.get("type") == "node"]
    return first_wrong(differs("objects", sum(heap.get("objects", 0) for heap in at(answer, "heaps") or []),
                               truth["objects"]),
                       differs("objects of type node", sum(row.get("count", 0) for row in rows), truth["objects"]))


def check_retained(truth, answer):
    """There is one type: without its objects nothing would be left."""
    rows = [row for heap in at(answer, "heaps") or [] for row in heap.get("types", []) if row.get("type") == "node"]
    return first_wrong(check_totals(truth, answer),
                       differs("retained bytes", sum(row.get("retained") or 0 for row in rows),
                               sum(row.get("bytes") or 0 for row in rows)))


def check_found(truth, answer):
    return first_wrong(differs("total", at(answer, "total"), truth["objects"]),
                       differs("rows", len(at(answer, "objects") or []), 5))


def check_sql_types(truth, answer):
    rows = [row for row in at(answer, "rows") or [] if row.get("type") == "node"]
    return differs("objects of type node", sum(row.get("count", 0) for row in rows), truth["objects"])


def check_sql_object(truth, answer):
    return first_wrong(differs("objects", len(at(answer, "rows") or []), 1),
                       differs("count", at(answer, "rows", 0, "refcount"), truth["other_references"]),
                       differs("garbage", at(answer, "rows", 0, "garbage"), 0))


def check_sql_refs(truth, answer):
    return differs("referrers", len(at(answer, "rows") or []), truth["other_references"])


def check_leaks(truth, answer):
    return differs("leaked objects", at(answer, "objects"), leaked(truth))


def check_stale(truth, answer):
    rows = at(answer, "stale") or []
    total = at(answer, "stale_total") or len(rows)
    return first_wrong(differs("stale pointers", total, 1),
                       differs("where it points", at(rows, 0, "address"), truth["freed"]))


def check_verified(truth, answer):
    return first_wrong(differs("objects checked", at(answer, "objects_checked"), truth["objects"]),
                       differs("problems", len(at(answer, "problems") or []), 0))


def check_cycles(truth, answer):
    """Garbage comes first, so the one that is held is among the rows only where there are few pairs."""
    sizes_shown = [2] if truth["pairs"] >= SHOWN_ROWS else [2, truth["held"]]
    rows = at(answer, "cycles") or []
    sizes = sorted({at(row, "objects_total") or len(row.get("objects", [])) for row in rows})
    return first_wrong(differs("cycles", at(answer, "cycles_total") or len(rows), truth["pairs"] + 1),
                       differs("sizes of cycles", sizes, sizes_shown))


# ---- questions ----------------------------------------------------------------------------------------------------

QUESTIONS = (
    Question("objat", "what is at the address of a live object", f"objat {SHOWN} {{live}}", 0.005, check_live,
             any_size=True),
    Question("objat-freed", "what is at the address of a freed one", f"objat {SHOWN} {{freed}}", 0.005, check_freed,
             any_size=True),
    Question("refs", "who holds an object", f"refs {SHOWN} {{live}}", 0.3, references("live"), live_seconds=0.6),
    Question("refs-other", "who holds another one, asked after refs", f"refs {SHOWN} {{other}}", AGAIN_SECONDS,
             references("other"), any_size=True, before=(f"refs {SHOWN} {{live}}",)),
    Question("gcstat-plain", "gcstat --no-retained: objects and bytes by type", f"gcstat --no-retained {SHOWN}", 0.4,
             check_totals),
    Question("gcfind", "objects of a type", "gcfind --type=node --limit=5 --json", 0.4, check_found),
    Question("gcleaks", "what is leaked", f"gcleaks {SHOWN}", 1.3, check_leaks),
    Question("gcstale", "what points at freed objects", f"gcstale {SHOWN}", 1.3, check_stale),
    Question("gcverify", "whether counts and metadata agree", f"gcverify {SHOWN}", 1.3, check_verified),
    Question("gcgraph", "gcgraph --cycles: all cycles with their verdicts", f"gcgraph --cycles {SHOWN}", 2.0, check_cycles),
    Question("gcstat", "by type, with retained bytes (dominators)", f"gcstat {SHOWN}", 5.0, check_retained,
             bytes=BYTES_WITH_DOMINATORS),
    Question("gcquery-types", "gcquery: count and bytes by type, in SQL",
             "gcquery --json select type, count(*) as count, sum(size) as bytes from objects group by type", 4.0, check_sql_types),
    Question("gcquery-object", "gcquery: one object by its address, once the graph stands",
             "gcquery --json select id, size, refcount, garbage from objects where address = '{other}'", AGAIN_SECONDS, check_sql_object,
             any_size=True, before=("gcgraph --cycles --json --limit=20",)),
    Question("gcquery-refs", "gcquery: who refers to an object, once the graph stands",
             "gcquery --json select source from refs where target_address = '{other}'", AGAIN_SECONDS, check_sql_refs,
             any_size=True, before=("gcgraph --cycles --json --limit=20",
                                    "gcquery --json select source from refs where target_address = '{live}'")),
)
