/* roots.c - what holds objects from outside, in kinds (see export.h).
 *
 * Invariant: every object is reached from one that has a root, by references or through blocks of
 * malloc: what no word was found for, and nothing else reaches, is undecided or leaked. */
#include "export/roots.h"
#include "words/owners.h"

#include <stdlib.h>

static const char *const words[RHI_EXPORT_ROOTS] = {"registered roots",
                                                    "global variables",
                                                    "threads",
                                                    "blocks of malloc",
                                                    "other memory",
                                                    "immortal objects",
                                                    "the runtime",
                                                    "undecided: what holds it was not found",
                                                    "leaked"};

const char *rhi__export_root_word(unsigned bit)
{
    return words[bit];
}

typedef struct search {
    const rhi_graph *graph;
    const rhi_owners *owners;
    rhi_export *export;
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

/* Words of an object that has a count from outside, and an owner for it. */
static rhi_error *take_word(void *context, const rhi_holder *word)
{
    search *s = context;
    uint32_t index = rhi__object_index(s->export->query.reader, word->value);
    if (index != RHI_NO_OBJECT && rhi__is_held_itself(s->graph, s->owners, index))
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
    RHI_TRY(rhi__each_word(query->session, query->reader, query->reader->lowest,
                           query->reader->highest, take_word, &s));
    finish(&s);
    return NULL;
}
