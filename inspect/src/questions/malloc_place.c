/* malloc_place.c - what `objat` says of an address in memory of malloc's: its block, and who leads
 * there (see objects.h). */
#include "render/holders.h"
#include "questions/malloc_place.h"
#include "render/output.h"
#include "words/owners.h"

#include <inttypes.h>

/* Which block is it? False in *is_malloc: none that is known for certain. */
static void find_block(const rhi_malloc_graph *blocks, uint64_t address, rhi_malloc_place *place)
{
    rhi_malloc *m = &blocks->map->malloc;
    const rhi_chunk_span *span = rhi__malloc_span(m, address - 16);
    if (span) {
        place->in_use = rhi__malloc_block(m, span, address, &place->start, &place->end);
        place->is_malloc = place->start < place->end;
        return;
    }
    for (uint64_t i = 0; i < m->spans.count && !place->is_malloc; i++)
        /* the top chunk */
        if (address - m->spans.items[i].end < m->spans.items[i].top_end - m->spans.items[i].end)
            *place = (rhi_malloc_place){.is_malloc = true,
                                        .start = m->spans.items[i].end + 16,
                                        .end = m->spans.items[i].top_end};
    uint32_t number = rhi__malloc_number(blocks, address);
    if (place->is_malloc || number == RHI_NO_BLOCK)
        return;
    place->is_malloc = place->in_use = true;
    rhi__malloc_range(blocks, number, &place->start, &place->end);
}

/* Leaves out what the block itself holds, and malloc's own. */
static void drop_inner(const rhi_malloc *malloc, rhi_holders *rows, uint64_t start, uint64_t end)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < rows->count; i++) {
        rows->items[i].target = start;
        rows->items[i].value &= RHI_POINTER_MASK;
        if (rows->items[i].address - start >= end - start &&
            !rhi__malloc_is_arena(malloc, rows->items[i].address))
            rows->items[kept++] = rows->items[i];
    }
    rows->count = kept;
}

rhi_error *rhi__malloc_place(rhi_session *session, rhi_reader *reader, uint64_t address,
                             uint64_t limit, rhi_malloc_place *place)
{
    rhi_malloc_graph *blocks;
    RHI_TRY(rhi__reader_load(reader));
    RHI_TRY(rhi__session_malloc_graph(session, reader, &blocks));
    find_block(blocks, address, place);
    if (!place->is_malloc || !place->in_use)
        return NULL;
    rhi_holders *rows = place->referrers = calloc(1, sizeof *rows);
    if (!rows)
        return rhi__error_memory();
    RHI_TRY(rhi__each_word_masked(session, reader, place->start, place->end, RHI_POINTER_MASK,
                                  rhi__collect_holder, rows));
    RHI_TRY(rhi__each_word_of_objects(session, reader, place->start, place->end, RHI_POINTER_MASK,
                                      rhi__collect_holder, rows));
    RHI_TRY(rhi__judge_block(session, reader, place->start, &place->reach));
    drop_inner(&blocks->map->malloc, rows, place->start, place->end);
    rhi__sort_holders(rows);
    rhi__say_left_out(session, rows, limit);
    RHI_TRY(rhi__judge_holders(session, reader, rows));
    rhi__name_holders(session, reader, rows, limit);
    return NULL;
}

void rhi__malloc_place_free(rhi_malloc_place *place)
{
    if (place->referrers)
        rhi__holders_free(place->referrers);
    free(place->referrers);
}

void rhi__malloc_place_print(rhi_session *session, rhi_reader *reader,
                             const rhi_malloc_place *place, uint64_t address, uint64_t limit)
{
    static const char *const reach[] = {
        [RHI_REACH_UNASKED] = "",
        [RHI_REACH_YES] = "a root reaches it",
        [RHI_REACH_NO] = "nothing reaches it: it is lost",
        [RHI_REACH_UNDECIDED] =
            "nothing was found that reaches it, but not everything could be searched"};
    if (!place->is_malloc)
        return;
    if (!place->in_use) {
        rhi__print(session, "  free memory of malloc\n");
        return;
    }
    rhi__print(session, "  the malloc block 0x%" PRIx64 " of %" PRIu64 " bytes + %" PRIu64 ": %s\n",
               place->start, place->end - place->start, address - place->start,
               reach[place->reach]);
    if (place->referrers->count)
        rhi__print(session, "  words that lead to it:\n");
    for (uint64_t i = 0; i < place->referrers->count && i < limit; i++)
        rhi__holder_print(session, reader, &place->referrers->items[i], "    ");
    if (place->referrers->count > limit)
        rhi__print(session, "    … %" PRIu64 " more (--limit=0 shows all)\n",
                   place->referrers->count + place->referrers->left_out.rows - limit);
}

json_t *rhi__malloc_place_json(rhi_reader *reader, const rhi_malloc_place *place, uint64_t address,
                               uint64_t limit)
{
    json_t *json = json_object(), *rows = json_array();
    json_object_set_new(json, "address", rhi__json_address(place->start));
    json_object_set_new(json, "size", rhi__json_u64(place->end - place->start));
    json_object_set_new(json, "offset", json_integer((json_int_t)(address - place->start)));
    json_object_set_new(json, "in_use", json_boolean(place->in_use));
    json_object_set_new(json, "reachable",
                        place->reach == RHI_REACH_YES  ? json_true()
                        : place->reach == RHI_REACH_NO ? json_false()
                                                       : json_null());
    for (uint64_t i = 0; place->referrers && i < place->referrers->count && i < limit; i++)
        json_array_append_new(rows, rhi__holder_json(reader, &place->referrers->items[i]));
    json_object_set_new(json, "referrers", rows);
    if (place->referrers && place->referrers->count > limit)
        json_object_set_new(
            json, "referrers_total",
            rhi__json_u64(place->referrers->count + place->referrers->left_out.rows));
    return json;
}
