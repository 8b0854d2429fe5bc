/* roots.c - what holds objects from outside, in kinds (see export.h).
 *
 * Invariant: every object is reached from one that has a root, by references or through blocks of
 * malloc: what no word was found for, and nothing else reaches, is undecided or leaked. */
#include "export/roots.h"
#include "base/map.h"
#include "words/owners.h"

#include <stdlib.h>

static const char *const words[RHI_EXPORT_ROOTS] = {
    "registered roots", "global variables",
    "threads",          "blocks of malloc",
    "other memory",     "immortal objects",
    "the runtime",      "undecided: what holds it was not found",
    "leaked",           "other heaps, which are left out"};

const char *rhi__export_root_word(unsigned bit)
{
    return words[bit];
}

typedef struct search {
    const rhi_graph *graph;
    const rhi_owners *owners;
    rhi_export *export;
    rhi_map exact; /* how many registered roots hold an object, of those that some do */
} search;

uint16_t rhi__export_root_of(uint8_t kind)
{
    static const uint16_t groups[RHI_HOLDER_KINDS] = {
        [RHI_HOLDER_ROOT] = RHI_ROOT_REGISTERED,     [RHI_HOLDER_REGISTER] = RHI_ROOT_THREAD,
        [RHI_HOLDER_STACK] = RHI_ROOT_THREAD,        [RHI_HOLDER_GLOBAL] = RHI_ROOT_GLOBAL,
        [RHI_HOLDER_THREAD_LOCAL] = RHI_ROOT_THREAD, [RHI_HOLDER_FOREIGN] = RHI_ROOT_MALLOC,
        [RHI_HOLDER_UNKNOWN] = RHI_ROOT_OTHER,       [RHI_HOLDER_KERNEL] = RHI_ROOT_OTHER};
    return groups[kind];
}

static rhi_error *count_exact(void *context, const rhi_holder *word)
{
    search *s = context;
    const rhi_reader *reader = s->export->query.reader;
    if (word->kind != RHI_HOLDER_ROOT || reader->roots.items[word->index].is_guess)
        return NULL;
    uint32_t index = rhi__object_index(reader, word->value), known;
    if (index == RHI_NO_OBJECT)
        return NULL;
    known = rhi__map_get(&s->exact, index);
    return rhi__map_set(&s->exact, index, known == RHI_NOT_THERE ? 1 : known + 1)
               ? NULL
               : rhi__error_memory();
}

/* Has it no count that a word owns, other than those of registered roots? */
static bool owes_words_nothing(const search *s, uint32_t index)
{
    uint32_t exact = rhi__map_get(&s->exact, index);
    return s->graph->flags[index] & RHI_GRAPH_IMMORTAL ||
           (exact != RHI_NOT_THERE && exact >= rhi__ext(s->graph, index));
}

/* Words of an object that has a count from outside, and an owner for it. */
static rhi_error *take_word(void *context, const rhi_holder *word)
{
    search *s = context;
    uint32_t index = rhi__object_index(s->export->query.reader, word->value);
    if (index != RHI_NO_OBJECT && rhi__is_held_itself(s->graph, s->owners, index) &&
        (word->kind == RHI_HOLDER_ROOT || !owes_words_nothing(s, index)))
        s->export->roots[index] |= rhi__export_root_of(word->kind);
    return NULL;
}

static uint16_t own_roots(uint8_t flags)
{
    return (uint16_t)((flags & RHI_GRAPH_IMMORTAL ? RHI_ROOT_IMMORTAL : 0) |
                      (flags & (RHI_GRAPH_DYING | RHI_GRAPH_HELD) ? RHI_ROOT_RUNTIME : 0));
}

/* What has an owner, but no word of its own, has one that leads into a block of malloc or is
 * packed. */
static void finish(search *s)
{
    const rhi_graph *g = s->graph;
    const rhi_leaks *leaks = s->export->query.leaks;
    uint16_t *roots = s->export->roots;
    for (uint32_t i = 0; i < g->count; i++) {
        if (rhi__cause(leaks, i) != RHI_CAUSE_NONE) {
            /* of what is in use all the same, one count is leaked, and others have owners */
            roots[i] = leaks->causes[i] & RHI_LEAK_IN_USE ? roots[i] : 0;
            roots[i] |= g->dominator[i] == RHI_NO_OBJECT ? RHI_ROOT_LEAKED : 0;
            continue;
        }
        bool is_held = rhi__is_held_itself(g, s->owners, i);
        roots[i] |= own_roots(g->flags[i]);
        if (!roots[i] && is_held)
            roots[i] = g->flags[i] & (RHI_GRAPH_DAMAGED | RHI_GRAPH_CORRUPT) ? RHI_ROOT_UNDECIDED
                                                                             : RHI_ROOT_OTHER;
        /* the graph has it right below its root, but for guesses alone */
        if (!roots[i] && g->dominator[i] == RHI_NO_OBJECT &&
            (rhi__is_held_outside(g, i) || !(g->flags[i] & RHI_GRAPH_REACHED)))
            roots[i] = RHI_ROOT_UNDECIDED;
    }
}

/* What an object of a heap that is left out holds hangs on that heap; of leaked ones, on what is
 * leaked. */
static void hold_from_left_out(const search *s, uint32_t holder)
{
    const rhi_export *e = s->export;
    const rhi_graph *g = s->graph;
    const rhi_leaks *leaks = e->query.leaks;
    bool is_leaked = rhi__cause(leaks, holder) != RHI_CAUSE_NONE;
    for (uint32_t i = g->edge_start[holder]; i < g->edge_start[holder + 1]; i++) {
        uint32_t to = g->edge_to[i];
        if (e->numbers[to] == RHI_NO_OBJECT)
            continue;
        bool leaks_too = rhi__cause(leaks, to) != RHI_CAUSE_NONE,
             is_in_use = leaks_too && leaks->causes[to] & RHI_LEAK_IN_USE;
        if (leaks_too && (is_leaked || !is_in_use))
            e->roots[to] |= RHI_ROOT_LEAKED;
        if (!is_leaked && (!leaks_too || is_in_use))
            e->roots[to] |= RHI_ROOT_OTHER_HEAP;
    }
}

static rhi_error *find_left_out(const search *s)
{
    rhi_query *query = &s->export->query;
    for (uint64_t b = 0; query->session->has_heap && b < query->reader->blocks.count; b++) {
        const rhi_block *block = &query->reader->blocks.items[b];
        RHI_TRY(rhi__progress(&query->session->work, "looking at other heaps", b,
                              query->reader->blocks.count));
        if (rhi__heap_wanted(query->session, query->reader, block->heap))
            continue;
        for (uint32_t i = 0; i < block->object_count; i++)
            hold_from_left_out(s, block->first_object + i);
    }
    return NULL;
}

rhi_error *rhi__export_find_roots(rhi_export *export)
{
    rhi_query *query = &export->query;
    rhi_owners *owners;
    search s = {.graph = query->graph, .export = export};
    export->roots = calloc((uint64_t)query->graph->count + 1, sizeof *export->roots);
    if (!export->roots)
        return rhi__error_memory();
    RHI_TRY(rhi__session_owners(query->session, query->reader, false, &owners));
    s.owners = owners;
    rhi_error *error = rhi__each_word(query->session, query->reader, query->reader->lowest,
                                      query->reader->highest, count_exact, &s);
    if (!error)
        error = rhi__each_word(query->session, query->reader, query->reader->lowest,
                               query->reader->highest, take_word, &s);
    rhi__map_free(&s.exact);
    if (error)
        return error;
    finish(&s);
    return find_left_out(&s);
}
