/* facts.c - what is to be said of an interpreter besides its objects: its version, the collector's
 * numbers, and how well the allocator's memory is used.
 *
 * Interpreters that share an allocator are one heap: of each is told what its collector says, and
 * of the memory once. Invariant: what cannot be read is not told. */
#include "readers/cpython/python.h"
#include "target/window.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CLASS_BYTES = 16,
    CLASSES = 512 / CLASS_BYTES,
    POOL_HEADER = 48, /* begins with the number of blocks in use */
    CLASSES_TOLD = 3,
    /* of a generation, behind its list's head */
    THRESHOLD = 16,
    COUNT = 20,
    /* of its statistics */
    STATS_BYTES = 24,
    FROZEN_MAX = 1 << 24,
    LISTED_MAX = 1 << 30 /* objects that a list may have */
};

typedef struct teller {
    py_runtime *py;
    uint32_t heap;
    rhi_fact_visitor visit;
    void *context;
    const char *groups[PY_GROUPS]; /* of the interpreter that is told of */
} teller;

static void tell_number(const teller *t, const char *group, const char *key, const char *words,
                        uint64_t number)
{
    rhi_fact fact = {
        .group = group, .key = key, .words = words, .kind = RHI_FACT_NUMBER, .number = number};
    t->visit(t->context, &fact);
}

static void tell_text(const teller *t, const char *group, const char *key, const char *words,
                      const char *text)
{
    rhi_fact fact = {.group = group, .key = key, .words = words, .kind = RHI_FACT_TEXT};
    snprintf(fact.text, sizeof fact.text, "%s", text);
    t->visit(t->context, &fact);
}

static bool read32(const py_runtime *py, uint64_t address, uint32_t *value)
{
    uint8_t bytes[4];
    if (rhi__memory_read(py->memory, address, bytes, sizeof bytes) != sizeof bytes)
        return false;
    *value = rhi__load32(bytes);
    return true;
}

/* ---- interpreter and collector -------------------------------------------------------------- */

static void tell_interpreter(const teller *t)
{
    const py_runtime *py = t->py;
    char version[16];
    snprintf(version, sizeof version, py->micro_is_known ? "3.%u.%u" : "3.%u", py->minor,
             py->micro);
    tell_text(t, t->groups[PY_GROUP_SELF], "version", "version", version);
    if (py->module[0])
        tell_text(t, t->groups[PY_GROUP_SELF], "file", "in", py->module);
}

static void count_tracked(void *context, const py_links *links)
{
    uint64_t *counts = context;
    counts[links->block->heap]++;
}

/* Where several interpreters keep their objects in one heap their lists tell them apart. */
static bool listed_objects(const teller *t, const py_interpreter *interpreter, uint64_t *count)
{
    *count = 0;
    for (unsigned list = 0; list < PY_GC_LISTS; list++) {
        uint64_t length;
        if (!rhi__py_list_length(t->py, rhi__py_list_head(interpreter, list), LISTED_MAX, &length))
            return false;
        *count += length;
    }
    return true;
}

static bool tracked_objects(const teller *t, const py_interpreter *interpreter, uint64_t *count)
{
    if (t->py->interpreters.count > 1)
        return listed_objects(t, interpreter, count);
    uint64_t heaps = t->py->reader->heaps.count;
    uint64_t *counts = calloc(heaps + 1, sizeof *counts);
    bool is_whole = counts && rhi__py_each_tracked(t->py, NULL, count_tracked, counts);
    *count = is_whole ? counts[t->heap] : 0;
    free(counts);
    return is_whole;
}

static void tell_collector(const teller *t, const py_interpreter *interpreter)
{
    py_runtime *py = t->py;
    const char *group = t->groups[PY_GROUP_COLLECTOR];
    uint32_t enabled;
    uint64_t count, frozen, garbage;
    if (read32(py, interpreter->gc + PY_GC_ENABLED, &enabled)) {
        rhi_fact fact = {.group = group,
                         .key = "enabled",
                         .words = "enabled",
                         .kind = RHI_FACT_YES_NO,
                         .number = enabled != 0};
        t->visit(t->context, &fact);
    }
    if (tracked_objects(t, interpreter, &count))
        tell_number(t, group, "tracked", count == 1 ? "tracked object" : "tracked objects", count);
    if (rhi__py_list_length(py, rhi__py_list_head(interpreter, PY_GC_LISTS - 1), FROZEN_MAX,
                            &frozen))
        tell_number(t, group, "frozen", "of them frozen", frozen);
    if (rhi__memory_u64(py->memory, interpreter->gc + PY_GC_GARBAGE, &garbage) &&
        (garbage == 0 || rhi__memory_u64(py->memory, garbage + PY_OB_SIZE, &count)))
        tell_number(t, group, "garbage", "in gc.garbage", garbage ? count : 0);
}

static void tell_generations(const teller *t, const py_interpreter *interpreter)
{
    const char *const *groups = t->groups + PY_GROUP_GENERATIONS;
    for (unsigned i = 0; i < PY_GC_LISTS - 1; i++) {
        uint64_t head = rhi__py_list_head(interpreter, i),
                 stats = interpreter->gc + PY_GC_STATS + i * STATS_BYTES;
        uint32_t threshold, count;
        uint8_t bytes[STATS_BYTES];
        if (!read32(t->py, head + THRESHOLD, &threshold) || !read32(t->py, head + COUNT, &count) ||
            rhi__memory_read(t->py->memory, stats, bytes, sizeof bytes) != sizeof bytes)
            continue;
        /* more may have been freed than made since */
        tell_number(t, groups[i], "count", "counted", (int32_t)count > 0 ? count : 0);
        tell_number(t, groups[i], "threshold", "is the threshold", threshold);
        uint64_t collections = rhi__load64(bytes);
        tell_number(t, groups[i], "collections", collections == 1 ? "collection" : "collections",
                    collections);
        tell_number(t, groups[i], "collected", "collected", rhi__load64(bytes + 8));
        tell_number(t, groups[i], "uncollectable", "uncollectable", rhi__load64(bytes + 16));
    }
}

/* ---- the allocator -------------------------------------------------------------------------- */

typedef struct memory_use {
    uint64_t arenas, arena_bytes, pools, pools_room; /* pools_room: that arenas have room for */
    uint64_t object_bytes, raw_bytes, kept_bytes, free_bytes; /* in pools with something in them */
    uint64_t lone, lone_bytes;
    struct use_of_class {
        uint64_t pools, used, room; /* blocks */
    } classes[CLASSES + 1];
} memory_use;

static uint64_t population(const uint64_t *bits, uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; bits && i < (count + 63) / 64; i++)
        sum += rhi__population(bits[i]);
    return sum;
}

/* Blocks in use, as the pool's header says: also those of dead objects that are kept for reuse. */
static uint64_t pool_count(const py_runtime *py, const rhi_block *block, uint64_t least)
{
    uint32_t count;
    return read32(py, block->base - POOL_HEADER, &count) && count >= least &&
                   count <= block->capacity
               ? count
               : least;
}

static void add_pool(const teller *t, memory_use *use, const rhi_block *block)
{
    uint64_t objects = block->object_count, raw = population(block->raw, block->capacity),
             used = pool_count(t->py, block, objects + raw),
             number = block->slot_size / CLASS_BYTES;
    if (used == 0 || number > CLASSES)
        return;
    use->pools++;
    use->object_bytes += objects * block->slot_size;
    use->raw_bytes += raw * block->slot_size;
    use->kept_bytes += (used - objects - raw) * block->slot_size;
    use->free_bytes += (block->capacity - used) * block->slot_size;
    use->classes[number].pools++;
    use->classes[number].used += used;
    use->classes[number].room += block->capacity;
}

static void add_up(const teller *t, memory_use *use)
{
    const rhi_reader *reader = t->py->reader;
    uint64_t pool = t->py->at->pool_bytes;
    for (uint64_t i = 0; i < reader->own.count; i++) {
        const rhi_own_range *range = &reader->own.items[i];
        if (!range->has_blocks || range->heap != t->heap)
            continue;
        uint64_t first = (range->start + pool - 1) & ~(pool - 1);
        use->arenas++;
        use->arena_bytes += range->end - range->start;
        use->pools_room += range->end > first ? (range->end - first) / pool : 0;
    }
    for (uint64_t i = 0; i < reader->blocks.count; i++) {
        const rhi_block *block = &reader->blocks.items[i];
        const rhi_own_range *range =
            block->heap == t->heap ? rhi__own_at(reader, block->base) : NULL;
        if (range && range->has_blocks) {
            add_pool(t, use, block);
        } else if (block->heap == t->heap) {
            use->lone += block->object_count;
            use->lone_bytes += block->object_count * block->slot_size;
        }
    }
}

/* The classes with the most free bytes in pools that cannot be given back. */
static void tell_classes(const teller *t, memory_use *use)
{
    static const char *const groups[CLASSES + 1] = {
        "",          "class_16",  "class_32",  "class_48",  "class_64",  "class_80",  "class_96",
        "class_112", "class_128", "class_144", "class_160", "class_176", "class_192", "class_208",
        "class_224", "class_240", "class_256", "class_272", "class_288", "class_304", "class_320",
        "class_336", "class_352", "class_368", "class_384", "class_400", "class_416", "class_432",
        "class_448", "class_464", "class_480", "class_496", "class_512"};
    for (unsigned told = 0; told < CLASSES_TOLD; told++) {
        uint64_t most = 0, best = 0;
        for (unsigned i = 1; i <= CLASSES; i++) {
            uint64_t bytes = (use->classes[i].room - use->classes[i].used) * i * CLASS_BYTES;
            if (bytes > most) {
                most = bytes;
                best = i;
            }
        }
        if (most == 0)
            return;
        uint64_t pools = use->classes[best].pools;
        tell_number(t, groups[best], "pools", pools == 1 ? "pool" : "pools", pools);
        uint64_t used = use->classes[best].used;
        tell_number(t, groups[best], "blocks_used", used == 1 ? "block used" : "blocks used", used);
        tell_number(t, groups[best], "blocks_free", "free",
                    use->classes[best].room - use->classes[best].used);
        tell_number(t, groups[best], "bytes_free", "bytes free", most);
        use->classes[best] = (struct use_of_class){0};
    }
}

static void tell_memory(const teller *t)
{
    static const char *const names[] = {"pymalloc", "pymalloc with debug hooks", "malloc"};
    const char *group = "allocator";
    memory_use use = {0};
    add_up(t, &use);
    tell_text(t, group, "name", "is", names[t->py->allocator]);
    if (use.arenas) {
        tell_number(t, group, "arenas", use.arenas == 1 ? "arena" : "arenas", use.arenas);
        tell_number(t, group, "arena_bytes", "bytes in them", use.arena_bytes);
        tell_number(t, group, "pools_used", use.pools == 1 ? "pool in use" : "pools in use",
                    use.pools);
        tell_number(t, group, "pools_free", "free",
                    use.pools_room > use.pools ? use.pools_room - use.pools : 0);
        tell_number(t, group, "object_bytes", "bytes in objects", use.object_bytes);
        tell_number(t, group, "raw_bytes", "in tables and other memory", use.raw_bytes);
        tell_number(t, group, "kept_bytes", "in dead objects kept for reuse", use.kept_bytes);
        tell_number(t, group, "free_bytes", "free in pools in use", use.free_bytes);
    }
    tell_number(t, group, "objects_outside",
                use.lone == 1 ? "object outside of arenas" : "objects outside of arenas", use.lone);
    tell_number(t, group, "bytes_outside", "bytes in them", use.lone_bytes);
    tell_classes(t, &use);
}

/* The first interpreter of a heap is told of without its number. */
static void name_groups(teller *t, const py_interpreter *interpreter)
{
    static const char *const first[PY_GROUPS] = {"interpreter", "collector", "generation_0",
                                                 "generation_1", "generation_2"};
    for (unsigned i = 0; i < PY_GROUPS; i++)
        t->groups[i] = interpreter->groups[i][0] ? interpreter->groups[i] : first[i];
}

void rhi__py_facts(rhi_reader *reader, uint32_t heap, rhi_fact_visitor visit, void *context)
{
    py_runtime *py = py_of_heap(reader, heap);
    teller t = {.py = py, .heap = heap, .visit = visit, .context = context};
    for (uint64_t i = 0; i < py->interpreters.count; i++) {
        const py_interpreter *interpreter = &py->interpreters.items[i];
        if (interpreter->heap != heap)
            continue;
        name_groups(&t, interpreter);
        if (!interpreter->groups[0][0])
            tell_interpreter(&t);
        tell_collector(&t, interpreter);
        tell_generations(&t, interpreter);
    }
    tell_memory(&t);
}
