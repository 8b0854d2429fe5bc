/* slot_place.c - finds the slot at an address outside of objects (see slot_place.h).
 *
 * Nothing leads from a table back to its object. Most have a word of their own that leads into the
 * table's memory, which is found at the speed of memory; those that reach it through others (the
 * blocks of a list of blocks) are asked one by one, if there is no other. */
#include "questions/slot_place.h"
#include "graph/graph.h"

#include <string.h>

typedef struct search {
    rhi_reader *reader;
    uint64_t word, start, end;
    bool is_piece;
    bool all; /* also objects without a word into that memory */
    rhi_slot_place *place;
    bool found;
    const rhi_object *object;
} search;

/* ---- roots ---------------------------------------------------------------------------------- */

static bool find_root(search *s)
{
    const rhi_root *roots = s->reader->roots.items;
    uint64_t count = s->reader->roots.count,
             i = rhi__first(0, count, at, roots[at].slot >= s->word);
    if (i == count || roots[i].slot != s->word)
        return false;
    *s->place = (rhi_slot_place){.is_slot = true};
    const rhi_format *format = rhi__format_of(s->reader, roots[i].heap);
    if (format->names_roots)
        rhi__text(s->place->name, sizeof s->place->name, "%s", roots[i].name);
    else
        rhi__text(s->place->name, sizeof s->place->name, "the %s %s", format->root_word,
                  roots[i].name);
    rhi__memory_u64(s->reader->memory, s->word, &s->place->value);
    return true;
}

/* ---- tables --------------------------------------------------------------------------------- */

static bool may_have_it(void *context, uint32_t index, const rhi_block *block,
                        const rhi_header *header, const uint8_t *bytes)
{
    const search *s = context;
    (void)index;
    if (!rhi__is_object(header->state) || header->type >= s->reader->types.count ||
        !s->reader->types.items[header->type].has_code ||
        !s->reader->types.items[header->type].has_vectors)
        return false;
    bool any = s->all;
    for (uint64_t i = 0; i + 8 <= block->slot_size && !any; i += 8)
        any = rhi__load64(bytes + i) - s->start < s->end - s->start;
    return any;
}

static bool visit_slot(void *context, const rhi_slot *slot)
{
    search *s = context;
    if (slot->field->form != RHI_FORM_VECTOR || slot->address - s->start >= s->end - s->start)
        return true;
    bool is_slot = slot->address == s->word;
    /* what else lies in the same mapping as a slot is no part of the object's */
    if (!is_slot && (s->found || !s->is_piece))
        return true;
    *s->place = (rhi_slot_place){
        .is_slot = is_slot, .has_owner = true, .owner = *s->object, .value = slot->value};
    if (is_slot)
        rhi__slot_name(slot->field, slot->element, s->place->name, sizeof s->place->name);
    s->found = true;
    return !is_slot;
}

static rhi_error *look_at(void *context, uint32_t index, const rhi_object *object,
                          const uint8_t *bytes)
{
    search *s = context;
    (void)index;
    s->object = object;
    rhi__each_slot(s->reader, object, bytes, visit_slot, s);
    /* enough, if it is a slot: of memory that several share the first owner is told */
    return s->found && s->place->is_slot ? rhi__error_cancelled() : NULL;
}

static rhi_error *find_table(rhi_session *session, search *s)
{
    for (int pass = 0; pass <= s->is_piece && !s->found; pass++) {
        s->all = pass;
        rhi_error *error = rhi__each_chosen(&session->work, s->reader, "looking for the slot",
                                            may_have_it, look_at, s);
        if (error && !(s->found && s->place->is_slot))
            return error;
        rhi__error_free(error);
    }
    return NULL;
}

static bool has_tables(const rhi_reader *reader)
{
    for (uint64_t i = 0; i < reader->types.count; i++)
        if (reader->types.items[i].has_code && reader->types.items[i].has_vectors)
            return true;
    return false;
}

rhi_error *rhi__slot_place(rhi_session *session, rhi_reader *reader, uint64_t address,
                           uint64_t start, uint64_t end, bool is_piece, rhi_slot_place *place,
                           bool *found)
{
    search s = {.reader = reader,
                .word = address & ~7ull,
                .start = start,
                .end = end,
                .is_piece = is_piece,
                .place = place};
    *place = (rhi_slot_place){.is_slot = false};
    *found = false;
    if (!has_tables(reader))
        return NULL;
    s.found = find_root(&s);
    if (!s.found && start < end) {
        RHI_TRY(rhi__reader_load(reader));
        RHI_TRY(find_table(session, &s));
    }
    *found = s.found;
    return NULL;
}

void rhi__slot_place_text(const rhi_reader *reader, const rhi_slot_place *place,
                          char text[RHI_SLOT_PLACE_SIZE])
{
    char id[RHI_ID_SIZE] = "";
    size_t length = strlen(place->name);
    if (place->has_owner)
        rhi__object_id(reader, &place->owner, id, sizeof id);
    if (!place->has_owner)
        rhi__text(text, RHI_SLOT_PLACE_SIZE, "%s", place->name);
    else if (!place->is_slot)
        rhi__text(text, RHI_SLOT_PLACE_SIZE, "memory of %s", id);
    else if (place->name[0] == '[' && place->name[length - 1] == ']')
        rhi__text(text, RHI_SLOT_PLACE_SIZE, "entry %.*s of %s", (int)length - 2, place->name + 1,
                  id);
    else
        rhi__text(text, RHI_SLOT_PLACE_SIZE, "%s of %s", place->name, id);
}
