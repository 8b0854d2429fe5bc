"""runtime.py - the benchmark of the runtime as data: peers, figures, targets.

A peer is a program of bench/CMakeLists.txt, a figure is a word that programs report. The targets and the
figures "there" are those of the machine on which the targets were set, a Zen 5.

Invariant: a peer that is asked for a figure either has it, or a note in `missing` says why not; nothing is
left out in silence but variants (`only`) that differ from their peer in other figures alone.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    package: str = ""
    only: frozenset = frozenset()  # programs in which this variant takes part; empty: all


@dataclass(frozen=True)
class Ratio:
    """refheap's min <= factor x the least min of these peers."""

    factor: float
    peers: tuple


@dataclass(frozen=True)
class Absolute:
    """refheap's min <= limit, on the machine there; comparable elsewhere as a ratio to `peer`."""

    limit: float
    peer: str
    there: float


@dataclass(frozen=True)
class Over:
    """refheap's min <= the min of its own variant + extra, in the figure's unit: what something costs."""

    extra: float
    peer: str


@dataclass(frozen=True)
class AtMost:
    """The min of refheap's own variant <= factor x refheap's min: what something costs at most."""

    factor: float
    peer: str


@dataclass(frozen=True)
class Share:
    """refheap's min <= the min of its own variant + `limit`, and + a share of it: what something takes."""

    limit: float
    divisor: int
    peer: str


@dataclass(frozen=True)
class Bytes:
    """refheap's bytes per object <= the peer's + extra."""

    extra: float
    peer: str


@dataclass(frozen=True)
class Figure:
    name: str
    program: str
    title: str
    unit: str = "ns"
    targets: tuple = ()
    bytes_program: str = ""
    missing: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    partial: frozenset = frozenset()  # peers that leave part of the work undone: never "the best peer"


CYCLES = ("pairs", "churn", "ring", "young", "young_into")
HISTORY = ("history", "history_small")
MIMALLOC = ("mimalloc", "mimalloc-zero", "mimalloc-loop")

PEERS = (
    Peer("refheap", "refheap, shared library, automatic collection on"),
    Peer("refheap-static", "the same, linked as an archive (not judged: all peers are shared libraries)"),
    Peer("refheap-forgetful", "the same as refheap, history=0", only=frozenset({"alloc_free", *HISTORY})),
    Peer("refheap-births", "the same as refheap, history=all", only=frozenset({"alloc_free"})),
    Peer("refheap-all", "the same as refheap, history=all,stacks=8", only=frozenset({"alloc_free"})),
    Peer("refheap-nosite", "the same as refheap, objects without the line that made them",
         only=frozenset({"alloc_free"})),
    Peer("glibc", "malloc, inline count", "libc6-dev"),
    Peer("glibc-zero", "malloc, inline count, payload cleared", "libc6-dev",
         frozenset({"alloc_free", "window"})),
    Peer("mimalloc", "mimalloc, inline count", "libmimalloc-dev"),
    Peer("mimalloc-zero", "mimalloc, inline count, payload cleared", "libmimalloc-dev",
         frozenset({"alloc_free", "window"})),
    Peer("mimalloc-loop", "mimalloc, inline count, teardown written by hand as a loop", "libmimalloc-dev",
         frozenset({"trees", "list"})),
    Peer("trial", "mimalloc, hand-coded trial deletion", "libmimalloc-dev", frozenset(CYCLES)),
    Peer("boehm", "Boehm GC", "libgc-dev"),
    Peer("rcbox", "GLib g_rc_box", "libglib2.0-dev"),
    Peer("gobject", "GObject", "libglib2.0-dev"),
    Peer("shared_ptr", "C++ std::shared_ptr, make_shared", "g++"),
    Peer("cpython", "CPython, C types, gc on (young: generation 0)", "python3-dev"),
    Peer("cpython-nogc", "CPython, C types, gc off until asked", "python3-dev",
         frozenset({"alloc_free", "window", "trees", "pairs", "churn"})),
    Peer("cpython-full", "CPython, C types, a full collection", "python3-dev",
         frozenset({"young", "young_into"})),
    Peer("nim", "Nim ORC", "nim"),
)

NO_HISTORY = {peer.name: "remembers nothing" for peer in PEERS if not peer.name.startswith("refheap")}
NO_COUNT = {"boehm": "has no counts"}
NO_CYCLES = dict.fromkeys(("glibc", "mimalloc", "rcbox", "gobject", "shared_ptr"), "has no cycle collector")
SWEEPS = {"boehm": "only marks what is alive and sweeps later, when memory is needed: not compared"}
WIDE = {"shared_ptr": "a reference is two words: 32 bytes of payload"}

HEAP_OF_OBJECTS = "a heap of %s objects of 32-byte payload, random ones replaced four times as often: resident memory"
THREE_MB = 3 * 1024

FIGURES = (
    Figure("alloc_free", "alloc_free", "allocate and free, 32-byte payload, one object at a time",
           targets=(Ratio(0.7, MIMALLOC), Over(0.2, "refheap-nosite"), Over(1.5, "refheap-forgetful"),
                    AtMost(5, "refheap-births"), AtMost(5, "refheap-all")),
           bytes_program="alloc_free_bytes",
           notes={"boehm": "freed by the collections that allocating starts"}),
    Figure("window", "window", "10,000 live objects of 16 to 256 bytes, a random one replaced by a new one",
           targets=(Ratio(0.9, MIMALLOC), Bytes(16, "glibc")), bytes_program="window_bytes",
           missing={"gobject": "all objects of a type have one size"},
           notes={"boehm": "freed by the collections that allocating starts"}),
    Figure("history", "history", HEAP_OF_OBJECTS % "1,000,000", unit="KiB", targets=(Share(THREE_MB, 8, "refheap-forgetful"),),
           missing=NO_HISTORY),
    Figure("history_small", "history_small", HEAP_OF_OBJECTS % "100,000", unit="KiB",
           targets=(Share(THREE_MB, 8, "refheap-forgetful"),), missing=NO_HISTORY),
    Figure("retain_hot", "retain_hot", "retain and release one object",
           targets=(Ratio(1.1, ("glibc", "mimalloc")),), missing=NO_COUNT),
    Figure("retain_random", "retain_random",
           "retain and release 1,000,000 objects in random order, again and again",
           targets=(Ratio(1.1, ("mimalloc",)),), missing=NO_COUNT),
    Figure("retain_first", "retain_random", "the same, the first time for each object", missing=NO_COUNT),
    Figure("trees", "trees", "binary tree of depth 20 built and dropped, per node",
           targets=(Ratio(1.0, MIMALLOC),), bytes_program="trees_bytes",
           notes={**WIDE, "boehm": "freed by the collections that allocating starts"}),
    Figure("trees_cold", "trees", "the same, the first tree of a process",
           targets=(Ratio(1.0, MIMALLOC),), notes=WIDE,
           missing={"boehm": "what the first drop leaves is not collected within it"}),
    Figure("pairs", "pairs", "1,000,000 two-object cycles: one collection of all, per object",
           targets=(Absolute(9, "trial", 5.1), Ratio(0.5, ("nim",))), bytes_program="pairs_bytes",
           missing=NO_CYCLES, notes=SWEEPS, partial=frozenset(SWEEPS)),
    Figure("pairs_build", "pairs", "the same cycles: build, drop and collect, per object",
           targets=(Absolute(12, "trial", 6.4), Ratio(0.5, ("nim",))), missing=NO_CYCLES,
           notes={"boehm": "each round sweeps what the round before left"}),
    Figure("pairs_cold", "pairs", "the same, the first time in a process", missing=NO_CYCLES, notes=SWEEPS,
           partial=frozenset(SWEEPS)),
    Figure("churn", "churn",
           "1,000,000 two-object cycles, each dropped at once, collected when the peer likes, per object",
           missing=NO_CYCLES, notes={"trial": "collects once, at the end"}),
    Figure("ring", "ring", "one ring of 1,000,000 objects: one collection, per object",
           targets=(Ratio(0.5, ("nim",)),), missing=NO_CYCLES, notes=SWEEPS, partial=frozenset(SWEEPS)),
    Figure("young", "young",
           "1,000,000 live objects and 20,000 of garbage in two-object cycles: one young collection",
           unit="ms", targets=(Absolute(0.2, "nim", 0.25), Absolute(0.2, "cpython", 0.52)),
           missing=NO_CYCLES, notes={"boehm": "a full collection, and only its marking: not compared"},
           partial=frozenset(SWEEPS)),
    Figure("young_into", "young_into", "the same, each piece of garbage also refers to a random live object",
           unit="ms", targets=(Absolute(0.5, "cpython", 0.56),), missing=NO_CYCLES,
           notes={"boehm": "a full collection, and only its marking: not compared"},
           partial=frozenset(SWEEPS)),
    Figure("list", "list", "teardown of a list of 5,000,000, on a stack of 64 KiB, per node",
           targets=(Absolute(4, "mimalloc-loop", 1.7),), notes=WIDE,
           missing={"boehm": "nothing is torn down: see ring"}),
)

# What kills a peer that is known to recurse: shown as a result, in this program alone.
OVERFLOWS = {"list": "overflows the stack (it recurses)"}
