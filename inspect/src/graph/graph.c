/* graph.c - visits objects, links referrers (see graph.h). */
#include "graph/graph.h"
#include "graph/harm.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A pass over all objects: those that `choose` picks are decoded and visited; NULL: all. */
typedef struct pass {
    rhi_header_chooser choose;
    rhi_object_visitor visit;
    void *context;
    rhi_block_room room;
    rhi_headers headers;
} pass;

static rhi_error *each_in_block(rhi_reader *reader, const rhi_block *block, pass *p)
{
    uint64_t size = reader->harm.is_known ? rhi__block_used_bytes(block) : block->size, got = 0,
             lost = 0;
    const uint8_t *bytes = rhi__block_bytes(reader, block, size, &p->room, &got);
    rhi__look_for_harm(reader, block, bytes, got);
    const rhi_header *header = NULL;
    if (p->choose && !(header = rhi__headers(reader, block, bytes,
                                             bytes ? got / block->slot_size : 0, &p->headers)))
        return rhi__error_memory();
    uint32_t index = block->first_object;
    const rhi_format *format = rhi__format_of(reader, block->heap);
    for (uint64_t word = 0; word < (block->capacity + 63u) / 64; word++) {
        for (uint64_t bits = block->live[word]; bits; bits &= bits - 1, index++) {
            uint64_t offset = (word * 64 + (uint64_t)__builtin_ctzll(bits)) * block->slot_size;
            if (!bytes || offset + block->slot_size > got) {
                lost++;
                continue;
            }
            rhi_object object;
            if (p->choose) {
                rhi__harm_of(reader, block->base + offset, header->damaged);
                if (!p->choose(p->context, index, block, header++, bytes + offset))
                    continue;
            }
            format->decode(reader, block, block->base + offset, bytes + offset, true, &object);
            if (!p->choose)
                rhi__harm_of(reader, block->base + offset, object.damaged);
            RHI_TRY(p->visit(p->context, index, &object, bytes + offset));
        }
    }
    rhi__tell_lost(reader, block, lost);
    return NULL;
}

rhi_error *rhi__each_chosen(rhi_work *work, rhi_reader *reader, const char *what,
                            rhi_header_chooser choose, rhi_object_visitor visit, void *context)
{
    pass p = {.choose = choose, .visit = visit, .context = context};
    rhi_error *error = NULL;
    rhi__begin_harm(reader);
    uint64_t room = rhi__begin_pass(reader);
    for (uint64_t i = 0; i < reader->blocks.count && !error; i++) {
        error = rhi__progress(work, what, i, reader->blocks.count);
        if (!error && (reader->blocks.items[i].object_count || !reader->harm.is_known))
            error = each_in_block(reader, &reader->blocks.items[i], &p);
    }
    reader->slot_room = room;
    rhi__block_room_free(&p.room);
    free(p.headers.items);
    if (!error)
        rhi__harm_is_known(reader);
    return error;
}

rhi_error *rhi__each_object(rhi_work *work, rhi_reader *reader, const char *what,
                            rhi_object_visitor visit, void *context)
{
    return rhi__each_chosen(work, reader, what, NULL, visit, context);
}

/* ---- reverse edges -------------------------------------------------------------------------- */

/* Fills rows whose beginnings are known: next[i] walks from that of row i to the next row's. Both
 * the row and its place in `from` lie anywhere: each is fetched some edges ahead. */
static rhi_error *link_referrers(rhi_work *work, const rhi_graph *graph, uint32_t *next,
                                 uint32_t *from)
{
    enum { ROW_AHEAD = 48, PLACE_AHEAD = 24 };
    const uint32_t *to = graph->edge_to;
    for (uint32_t i = 0; i < graph->count; i++) {
        if (i % 65536 == 0)
            RHI_TRY(rhi__progress(work, "linking referrers", i, graph->count));
        for (uint64_t e = graph->edge_start[i]; e < graph->edge_start[i + 1]; e++) {
            if (e + ROW_AHEAD < graph->edge_count) {
                __builtin_prefetch(&next[to[e + ROW_AHEAD]], 1);
                __builtin_prefetch(&from[next[to[e + PLACE_AHEAD]]], 1);
            }
            from[next[to[e]]++] = i;
        }
    }
    return NULL;
}

/* Makes row beginnings of the counts, which tell how long rows are. */
static void begin_rows(const rhi_graph *graph, uint32_t *next)
{
    for (uint32_t i = 0, sum = 0; i < graph->count; i++) {
        uint32_t length = next[i];
        next[i] = sum;
        sum += length;
    }
}

static void count_rows(const rhi_graph *graph, uint32_t *next)
{
    memset(next, 0, ((uint64_t)graph->count + 1) * sizeof *next);
    for (uint64_t e = 0; e < graph->edge_count; e++)
        next[graph->edge_to[e]]++;
}

/* As long as all references are found ones, `found` has the length of each row: its room becomes
 * that of the beginnings. */
rhi_error *rhi__graph_referrers(rhi_work *work, rhi_graph *graph)
{
    if (graph->referrer_from)
        return NULL;
    bool is_found = graph->dying_edges == 0;
    uint32_t *start =
        is_found ? graph->found_room : rhi__big_array((uint64_t)graph->count + 2, sizeof *start);
    uint32_t *from = rhi__big_array(graph->edge_count + 1, sizeof *from);
    rhi_error *error = start && from ? NULL : rhi__error_memory();
    if (!error) {
        uint32_t *next = start + 1; /* where row i begins, and at last where row i + 1 does */
        start[0] = 0;
        if (!is_found)
            count_rows(graph, next);
        begin_rows(graph, next);
        error = link_referrers(work, graph, next, from);
        if (error && is_found)
            count_rows(graph, next); /* as it was */
    }
    if (error) {
        free(is_found ? NULL : start);
        free(from);
        return error;
    }
    graph->referrer_start = start;
    graph->referrer_from = from;
    if (is_found)
        graph->found = graph->found_room = NULL;
    return NULL;
}

/* ---- memory ------------------------------------------------------------------------------- */

void *rhi__big_array(uint64_t count, size_t size)
{
    enum { HUGE_BYTES = 2 << 20 };
    void *array;
    if (count * size < HUGE_BYTES)
        return malloc(count * size);
    if (posix_memalign(&array, HUGE_BYTES, count * size) != 0)
        return NULL;
    /* a page fault in 2 MiB, and read at random half of the misses; only a wish */
    madvise(array, count * size, MADV_HUGEPAGE);
    return array;
}

void rhi__graph_free(rhi_graph *graph)
{
    if (!graph)
        return;
    free(graph->stored);
    free(graph->found_room);
    free(graph->guessed);
    rhi__map_free(&graph->guessed_more);
    free(graph->doubted);
    free(graph->flags);
    free(graph->edge_start);
    free(graph->edge_to);
    free(graph->queue);
    free(graph->referrer_start);
    free(graph->referrer_from);
    free(graph->cycle_of);
    free(graph->cycle_start);
    free(graph->cycle_member);
    free(graph->cycle_facts);
    free(graph->large_cycles);
    free(graph->dominator);
    free(graph->retained);
    rhi__declared_close(&graph->declared);
    free(graph);
}
