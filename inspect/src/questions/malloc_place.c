/* malloc_place.c - the block of malloc in which an address lies, and who leads there (see
 * malloc_place.h). */
#include "questions/malloc_place.h"
#include "heap/objects.h"
#include "words/owners.h"
#include "words/naming.h"

/* Which block is it? False in *is_malloc: none that is known for certain. */
static void find_block(const rhi_malloc_graph *blocks, uint64_t address, rhi_malloc_place *place)
{
    rhi_malloc *m = blocks->map->malloc;
    const rhi_chunk_span *span = rhi__malloc_span(m, address - 16);
    if (span) {
        place->in_use = rhi__malloc_block(m, span, address, &place->start, &place->end);
        place->is_known = place->start < place->end;
        return;
    }
    for (uint64_t i = 0; i < m->spans.count && !place->is_known; i++)
        /* the top chunk */
        if (address - m->spans.items[i].end < m->spans.items[i].top_end - m->spans.items[i].end)
            *place = (rhi_malloc_place){.is_known = true,
                                        .start = m->spans.items[i].end + 16,
                                        .end = m->spans.items[i].top_end};
    uint32_t number = rhi__malloc_number(blocks, address);
    if (place->is_known || number == RHI_NO_BLOCK)
        return;
    place->is_known = place->in_use = true;
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

static bool is_listed(const rhi_malloc_place *place, uint64_t address)
{
    for (uint64_t i = 0; i < place->object_count; i++)
        if (place->objects[i].object.address == address)
            return true;
    return false;
}

/* What the block's words lead to, of those that can be read. */
static void list_objects(rhi_reader *reader, rhi_malloc_place *place)
{
    uint64_t size = place->end - place->start, got;
    rhi_scratch scratch = {0};
    rhi_object object;
    enum rhi_place where;
    place->has_more = size > RHI_BLOCK_SEARCHED;
    size = place->has_more ? RHI_BLOCK_SEARCHED : size;
    const uint8_t *bytes = rhi__memory_view(reader->memory, place->start, size, &scratch, &got);
    got = bytes ? got : 0;
    place->has_more = place->has_more || got < size;
    for (uint64_t at = 0; at + 8 <= got && at + 8 <= size; at += 8) {
        uint64_t word = rhi__load64(bytes + at) & RHI_POINTER_MASK;
        if (word < reader->lowest || word >= reader->highest ||
            !rhi__place_of(reader, word, &where, &object) || where != RHI_PLACE_LIVE ||
            is_listed(place, object.address))
            continue;
        if (place->object_count == RHI_BLOCK_OBJECTS) {
            place->has_more = true;
            break;
        }
        place->objects[place->object_count++] = (rhi_block_object){at, object};
    }
    rhi__scratch_free(&scratch);
}

/* The words that lead into the block, and the objects that it leads to. */
static rhi_error *find_words(rhi_session *session, rhi_reader *reader,
                             const rhi_malloc_graph *blocks, uint64_t limit,
                             rhi_malloc_place *place)
{
    rhi_holders *rows = place->referrers = calloc(1, sizeof *rows);
    if (!rows)
        return rhi__error_memory();
    RHI_TRY(rhi__each_word_masked(session, reader, place->start, place->end, RHI_POINTER_MASK,
                                  rhi__collect_holder, rows));
    RHI_TRY(rhi__each_word_of_objects(session, reader, place->start, place->end, RHI_POINTER_MASK,
                                      rhi__collect_holder, rows));
    if (!place->is_raw)
        RHI_TRY(rhi__judge_block(session, reader, place->start, &place->reach));
    list_objects(reader, place);
    drop_inner(blocks->map->malloc, rows, place->start, place->end);
    rhi__sort_holders(rows);
    rhi__say_left_out(session, rows, limit);
    RHI_TRY(rhi__judge_holders(session, reader, rows));
    rhi__name_holders(session, reader, rows, limit);
    return NULL;
}

rhi_error *rhi__malloc_place(rhi_session *session, rhi_reader *reader, uint64_t address,
                             uint64_t limit, rhi_malloc_place *place)
{
    rhi_malloc_graph *blocks;
    RHI_TRY(rhi__reader_load(reader));
    RHI_TRY(rhi__session_malloc_graph(session, reader, &blocks));
    find_block(blocks, address, place);
    return place->is_known && place->in_use ? find_words(session, reader, blocks, limit, place)
                                            : NULL;
}

rhi_error *rhi__raw_place(rhi_session *session, rhi_reader *reader, const rhi_object *slot,
                          uint64_t limit, rhi_malloc_place *place)
{
    rhi_malloc_graph *blocks;
    *place = (rhi_malloc_place){.is_known = true,
                                .in_use = true,
                                .is_raw = true,
                                .start = slot->start,
                                .end = rhi__object_end(slot)};
    RHI_TRY(rhi__reader_load(reader));
    RHI_TRY(rhi__session_malloc_graph(session, reader, &blocks));
    return find_words(session, reader, blocks, limit, place);
}

void rhi__malloc_place_free(rhi_malloc_place *place)
{
    if (place->referrers)
        rhi__holders_free(place->referrers);
    free(place->referrers);
}
