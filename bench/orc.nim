## orc.nim - Nim's ORC (counts and a cycle collector) in the runtime benchmark.
##
## The same workloads as in workloads.h, in the same order, written as Nim is. Invariant: every type here can
## be part of a cycle as far as the compiler knows, so ORC records candidates for all of them.

import std/[monotimes, os, strutils]

const
  Live = 1_000_000
  Window = 10_000
  Batch = 100_000
  LeastNs = 80_000_000
  TreeDepth = 20
  TreeNodes = (2 shl TreeDepth) - 1
  List = 5_000_000
  Young = 20_000
  Chains = 1000

type
  Cell = ref object
    value: uint64
    a, b: Cell
    more: uint64
  Blob = ref object
    word: uint64
    link: Blob
    bytes: UncheckedArray[byte]
  Node = ref object
    a, b: Node
  Bare = ptr object # a node's address, without a count

# ---- clock, random numbers, memory, report ----------------------------------------------------------

template touch(p: pointer) =
  ## The compiler must assume that the object is read and written here.
  let address {.inject.} = p
  {.emit: ["__asm__ volatile(\"\" : : \"r\"(", address, ") : \"memory\");"].}

proc now(): int64 {.inline.} = getMonoTime().ticks

type Random = object
  state: uint64

proc next(random: var Random): uint64 {.inline.} =
  random.state += 0x9e3779b97f4a7c15'u64
  result = random.state
  result = (result xor (result shr 30)) * 0xbf58476d1ce4e5b9'u64
  result = (result xor (result shr 27)) * 0x94d049bb133111eb'u64
  result = result xor (result shr 31)

proc scale(bits: uint64, limit: int): int {.inline.} =
  int(((bits and 0xffffffff'u64) * uint64(limit)) shr 32)

proc below(random: var Random, limit: int): int {.inline.} =
  scale(random.next shr 32, limit)

proc rssBytes(): float =
  for line in lines("/proc/self/smaps_rollup"):
    if line.startsWith("Rss:"):
      return line.splitWhitespace[1].parseFloat * 1024
  quit "bench: no Rss in /proc/self/smaps_rollup"

proc report(figure, unit: string, value: float) =
  echo figure, " ", unit, " ", value.formatFloat(ffDecimal, 4)

template repeated(figure: string, batch: untyped) =
  var count = 0
  batch
  let start = now()
  var stop = start
  while stop - start < LeastNs:
    batch
    count += Batch
    stop = now()
  report(figure, "ns", float(stop - start) / float(count))

# ---- alloc_free, retain_hot, retain_random -----------------------------------------------------------

proc allocFreeBatch() =
  for i in 0 ..< Batch:
    let cell = Cell(value: uint64(i))
    touch cast[pointer](cell)

proc allocFree() =
  repeated("alloc_free"): allocFreeBatch()

proc allocFreeBytes() =
  var cells = newSeq[Cell](Live)
  zeroMem(addr cells[0], Live * sizeof(Cell))
  let before = rssBytes()
  for i in 0 ..< Live:
    cells[i] = Cell(value: uint64(i))
  report("alloc_free", "bytes", (rssBytes() - before) / Live)

var kept: Cell # a local variable would be lent the reference, and nothing be counted

proc retainRelease(cell: Cell) {.inline.} =
  kept = cell
  touch cast[pointer](kept)
  kept = nil

proc retainHot() =
  let cell = Cell(value: 1)
  repeated("retain_hot"):
    for i in 0 ..< Batch:
      retainRelease(cell)

proc retainRandom() =
  const passes = 4
  var cells = newSeq[Cell](Live)
  var random = Random(state: 1)
  for i in 0 ..< Live:
    cells[i] = Cell(value: uint64(i))
  for i in countdown(Live - 1, 1):
    swap(cells[i], cells[random.below(i + 1)])
  let start = now()
  for i in 0 ..< Live:
    retainRelease(cells[i])
  let first = now()
  for pass in 0 ..< passes:
    for i in 0 ..< Live:
      retainRelease(cells[i])
  report("retain_random", "ns", float(now() - first) / (passes * float(Live)))
  report("retain_first", "ns", float(first - start) / Live)

# ---- window ------------------------------------------------------------------------------------------

proc windowBlob(bits: uint64): Blob {.inline.} =
  unsafeNew(result, 16 + scale(bits, 241))
  result.word = bits
  touch cast[pointer](result)

proc windowBatch(live: var seq[Blob], random: var Random) =
  for i in 0 ..< Batch:
    let bits = random.next
    let slot = scale(bits shr 32, live.len)
    live[slot] = nil
    live[slot] = windowBlob(bits)

proc windowTime() =
  var live = newSeq[Blob](Window)
  var random = Random(state: 1)
  for i in 0 ..< Window:
    live[i] = windowBlob(random.next)
  repeated("window"): windowBatch(live, random)

proc windowBytes() =
  var live = newSeq[Blob](Live)
  zeroMem(addr live[0], Live * sizeof(Blob))
  var random = Random(state: 1)
  let before = rssBytes()
  for i in 0 ..< Live:
    live[i] = windowBlob(random.next)
  for i in 0 ..< Live div Batch:
    windowBatch(live, random)
  report("window", "bytes", (rssBytes() - before) / Live)

# ---- trees, list -------------------------------------------------------------------------------------

proc treeBuild(depth: int): Node =
  if depth == 0:
    return Node()
  let left = treeBuild(depth - 1)
  let right = treeBuild(depth - 1)
  Node(a: left, b: right)

proc treeBuildAndDrop() =
  let root = treeBuild(TreeDepth)
  touch cast[pointer](root)

proc trees() =
  let start = now()
  treeBuildAndDrop()
  let first = now()
  var stop = first
  var count = 0
  while stop - first < LeastNs:
    treeBuildAndDrop()
    inc count
    stop = now()
  report("trees", "ns", float(stop - first) / (float(count) * float(TreeNodes)))
  report("trees_cold", "ns", float(first - start) / float(TreeNodes))

proc treesBytes() =
  let before = rssBytes()
  let root = treeBuild(TreeDepth)
  report("trees", "bytes", (rssBytes() - before) / float(TreeNodes))
  touch cast[pointer](root)

var listHead: Node

proc list() =
  for i in 0 ..< List:
    listHead = Node(a: listHead)
  let start = now()
  listHead = nil
  report("list", "ns", float(now() - start) / List)

# ---- pairs, churn, ring, young ------------------------------------------------------------------------

proc pairNew(): Node {.inline.} =
  result = Node()
  result.a = Node()
  result.a.a = result

proc pairsRound(held: var seq[Node]): tuple[collect, whole: int64] =
  GC_enableOrc()
  let start = now()
  for i in 0 ..< Live:
    held[i] = pairNew()
  GC_disableOrc()
  for i in 0 ..< Live:
    held[i] = nil
  let dropped = now()
  GC_runOrc()
  let stop = now()
  (stop - dropped, stop - start)

proc pairs() =
  var held = newSeq[Node](Live)
  zeroMem(addr held[0], Live * sizeof(Node))
  let cold = pairsRound(held)
  let warm = pairsRound(held)
  report("pairs", "ns", float(warm.collect) / (2 * Live))
  report("pairs_build", "ns", float(warm.whole) / (2 * Live))
  report("pairs_cold", "ns", float(cold.whole) / (2 * Live))

proc pairsBytes() =
  var held = newSeq[Node](Live)
  zeroMem(addr held[0], Live * sizeof(Node))
  let before = rssBytes()
  for i in 0 ..< Live:
    held[i] = pairNew()
  report("pairs", "bytes", (rssBytes() - before) / (2 * Live))

proc churn() =
  var slot: Node
  let start = now()
  for i in 0 ..< Live:
    slot = pairNew()
    slot = nil
  GC_runOrc()
  report("churn", "ns", float(now() - start) / (2 * Live))

proc ringBuild(): Node =
  let last = Node()
  result = last
  for i in 1 ..< Live:
    result = Node(a: result)
  last.a = result

proc ring() =
  var first = ringBuild()
  GC_disableOrc()
  first = nil
  let occupied = getOccupiedMem()
  let start = now()
  GC_runOrc()
  report("ring", "ns", float(now() - start) / Live)
  if occupied - getOccupiedMem() < Live * sizeof(Node):
    quit "bench: the ring was not reclaimed"

proc liveGraph(roots: var seq[Node]): seq[Bare] =
  var random = Random(state: 1)
  result = newSeq[Bare](Live)
  for i in 0 ..< Live:
    let root = i div (Live div Chains)
    roots[root] = Node(a: move roots[root])
    result[i] = cast[Bare](roots[root])
  for i in 0 ..< Live:
    cast[Node](result[i]).b = cast[Node](result[random.below(Live)])

proc young(figure: string, into: bool) =
  const pairs = Young div 2
  var random = Random(state: 2)
  var roots = newSeq[Node](Chains)
  let live = liveGraph(roots)
  var held = newSeq[Node](pairs)
  GC_runOrc()
  GC_disableOrc()
  for i in 0 ..< pairs:
    held[i] = pairNew()
    if into:
      held[i].b = cast[Node](live[random.below(Live)])
      held[i].a.b = cast[Node](live[random.below(Live)])
  for i in 0 ..< pairs:
    held[i] = nil
  let occupied = getOccupiedMem()
  let start = now()
  GC_runOrc()
  report(figure, "ms", float(now() - start) / 1e6)
  if occupied - getOccupiedMem() < Young * sizeof(Node):
    quit "bench: the garbage was not reclaimed"

case (if paramCount() == 1: paramStr(1) else: "")
of "alloc_free": allocFree()
of "alloc_free_bytes": allocFreeBytes()
of "retain_hot": retainHot()
of "retain_random": retainRandom()
of "window": windowTime()
of "window_bytes": windowBytes()
of "trees": trees()
of "trees_bytes": treesBytes()
of "list": list()
of "pairs": pairs()
of "pairs_bytes": pairsBytes()
of "churn": churn()
of "ring": ring()
of "young": young("young", false)
of "young_into": young("young_into", true)
else:
  stderr.writeLine "usage: ", getAppFilename(), " WORKLOAD"
  quit 2
