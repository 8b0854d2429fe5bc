/* named.c - the object of a name: `type#serial`, or `#serial` (see resolve.h).
 *
 * Each copy of the runtime in a process counts its own serials, so that a name may fit an object
 * of each. Invariant: no candidate is preferred to another one; what fits several is told with
 * all of them. */
#include "session/resolve.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CANDIDATES_MAX = 64, SHOWN_MAX = 8, EVENTS_MAX = 256 };

typedef struct candidate {
    uint64_t address;
    uint32_t type, heap; /* heap UINT32_MAX: not known, its memory is gone */
    bool is_wanted;      /* in the heap of --heap */
} candidate;

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    const char *type; /* empty: any */
    uint64_t serial;
    /* of this serial, whatever their type, by the numbers of their heaps */
    candidate found[CANDIDATES_MAX];
    unsigned count;
} search;

static uint64_t number_of(const search *s, uint32_t heap)
{
    return heap == UINT32_MAX ? UINT64_MAX : s->reader->heaps.items[heap].number;
}

static void add(search *s, uint64_t address, uint32_t type, uint32_t heap)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->found[i].address == address && s->found[i].type == type)
            return;
    if (s->count == CANDIDATES_MAX)
        return;
    unsigned at = s->count++;
    for (; at && number_of(s, s->found[at - 1].heap) > number_of(s, heap); at--)
        s->found[at] = s->found[at - 1];
    s->found[at] = (candidate){.address = address,
                               .type = type,
                               .heap = heap,
                               .is_wanted = heap == UINT32_MAX ||
                                            rhi__heap_wanted(s->session, s->reader, heap)};
}

static bool fits(const search *s, const candidate *c)
{
    return !s->type[0] ||
           rhi__is_typed_name(s->type, strlen(s->type), rhi__type_name(s->reader, c->type));
}

/* One copy of the runtime gives a serial once; a copied header is gcverify's business. */
static bool is_enough(const search *s)
{
    return s->count >= s->reader->copies || s->count == CANDIDATES_MAX;
}

static void search_block(search *s, const rhi_block *block, rhi_scratch *scratch)
{
    const rhi_heap_info *heap = &s->reader->heaps.items[block->heap];
    uint64_t got, serial_at = heap->serial_at, shift = heap->serial_shift;
    const uint8_t *bytes = rhi__memory_view(s->reader->memory, block->base,
                                            block->slot_size * block->capacity, scratch, &got);
    uint64_t readable = bytes ? got / block->slot_size : 0;
    for (uint64_t slot = 0; slot < readable && !is_enough(s); slot++) {
        rhi_object object;
        const uint8_t *header = bytes + slot * block->slot_size;
        if (rhi__load64(header + serial_at) >> shift != s->serial) /* nearly all */
            continue;
        rhi__decode(s->reader, block, block->base + slot * block->slot_size, header,
                    rhi__slot_is_live(block, slot), &object);
        if (object.state != RHI_UNUSED && object.serial == s->serial)
            add(s, object.address, object.type, block->heap);
    }
}

/* Slots whose headers, of live objects or tombstones, have the serial. */
static rhi_error *search_slots(search *s)
{
    rhi_scratch scratch = {0};
    rhi_error *error = rhi__reader_load(s->reader);
    for (uint64_t i = 0; i < s->reader->blocks.count && !error && !is_enough(s); i++) {
        if (rhi__format_of(s->reader, s->reader->blocks.items[i].heap)->has_serials)
            search_block(s, &s->reader->blocks.items[i], &scratch);
        error =
            rhi__progress(&s->session->work, "looking for the object", i, s->reader->blocks.count);
    }
    rhi__scratch_free(&scratch);
    return error;
}

/* What died, and whose slot was used again. */
static void search_history(search *s)
{
    rhi_event events[EVENTS_MAX];
    if (s->serial == 0) /* no object has it */
        return;
    uint64_t count =
        rhi__history(s->reader, 0, s->serial, true, events, s->reader->copies > 1 ? EVENTS_MAX : 1);
    for (uint64_t i = 0; i < count; i++) {
        const rhi_block *block = rhi__block_at(s->reader, events[i].address);
        add(s, events[i].address, events[i].type, block ? block->heap : UINT32_MAX);
    }
}

/* "node#2 at 0x… in heap 1, node#2 at 0x… in heap 1001" of those that fit. */
static void list(const search *s, bool all, bool addresses, char *text, size_t size)
{
    size_t used = 0;
    unsigned shown = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < s->count; i++) {
        const candidate *c = &s->found[i];
        if (!all && !(c->is_wanted && fits(s, c)))
            continue;
        if (shown++ == SHOWN_MAX)
            snprintf(text + used, size - used, ", …");
        if (shown > SHOWN_MAX)
            return;
        used +=
            (size_t)snprintf(text + used, size - used, "%s%.60s#%" PRIu64, shown > 1 ? ", " : "",
                             rhi__type_name(s->reader, c->type), s->serial);
        if (addresses)
            used += (size_t)snprintf(text + used, size - used, " at 0x%" PRIx64, c->address);
        if (c->heap != UINT32_MAX && (addresses || s->session->has_heap))
            used += (size_t)snprintf(text + used, size - used, " in heap %" PRIu64,
                                     s->reader->heaps.items[c->heap].number);
    }
}

static rhi_error *is_missing(const search *s)
{
    char text[SHOWN_MAX * 160 + 8], where[40] = "", examples[RHI_NAME_SIZE];
    const rhi_reader *reader = s->reader;
    const char *missing = reader->memory->truncated[0] ? reader->memory->truncated
                          : reader->problems.count     ? reader->problems.items[0]
                          : reader->asked.count        ? reader->asked.items[0]
                                                       : NULL;
    if (s->session->has_heap)
        snprintf(where, sizeof where, " in heap %" PRIu64, s->session->heap);
    if (s->count) {
        list(s, true, false, text, sizeof text);
        return rhi__error("there is no object %s#%" PRIu64 "%s: %s %.300s", s->type, s->serial,
                          where, s->count == 1 ? "it is" : "there are", text);
    }
    if (!reader->copies) {
        rhi__examples(reader, examples);
        return rhi__error("there is no object %s#%" PRIu64
                          ": objects of a %s heap have no serials, "
                          "they are called %s",
                          s->type, s->serial, rhi__formats_word(reader), examples);
    }
    if (missing)
        return rhi__error("there is no object %s#%" PRIu64 " in what can be read: %s", s->type,
                          s->serial, missing);
    return rhi__error("there is no object %s#%" PRIu64
                      "%s: it was never born, or it died and its slot was used again, or its "
                      "header was written over",
                      s->type, s->serial, where);
}

rhi_error *rhi__find_named(rhi_session *session, rhi_reader *reader, const char *type,
                           uint64_t serial, uint64_t *address)
{
    search s = {.session = session, .reader = reader, .type = type, .serial = serial};
    const candidate *found = NULL;
    unsigned fitting = 0;
    RHI_TRY(search_slots(&s));
    for (int pass = 0; pass < 2 && !fitting; pass++) {
        if (pass)
            search_history(&s);
        for (unsigned i = 0; i < s.count; i++)
            if (s.found[i].is_wanted && fits(&s, &s.found[i])) {
                found = &s.found[i];
                fitting++;
            }
    }
    if (!found)
        return is_missing(&s);
    if (fitting > 1) {
        char text[SHOWN_MAX * 160 + 8];
        list(&s, false, true, text, sizeof text);
        return rhi__error("%s#%" PRIu64
                          " is ambiguous: %.350s: say which with --heap=N, or give its address",
                          type, serial, text);
    }
    *address = found->address;
    return NULL;
}
