/* find.c - the objects that an id or an address names (see query.h).
 *
 * Invariant: an object is found by an id if and only if that is what it is called. An index leads
 * to few candidates, and each is asked for its name. Where something has written over headers, what
 * is not found may be among them: that is told, as a search of all objects tells it. */
#include "query/table.h"
#include "base/array.h"
#include "graph/graph.h"
#include "graph/harm.h"
#include "session/resolve.h"
#include "words/edges.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- addresses ------------------------------------------------------------------------------ */

/* As cells have it: a search of all rows would find no other spelling. */
bool rhi__query_address(const rhi_cell *value, uint64_t *address)
{
    char text[32], told[32];
    if (value->kind != RHI_CELL_TEXT || value->size == 0 || value->size >= sizeof text)
        return false;
    memcpy(text, value->text, value->size);
    text[value->size] = '\0';
    *address = strtoull(text, NULL, 16);
    int size = snprintf(told, sizeof told, "0x%" PRIx64, *address);
    return value->size == (size_t)size && strcmp(text, told) == 0;
}

static rhi_error *add(uint32_t index, rhi_found *found)
{
    if (!rhi__array_reserve(found, 1))
        return rhi__error_memory();
    found->items[found->count++] = index;
    return NULL;
}

static rhi_error *tell_harm(rhi_query *query)
{
    return rhi__tell_harm(&query->session->work, &query->session->notes, query->reader, false);
}

/* Tells of damaged headers if one of what was found is, or cannot be read. */
static rhi_error *tell_of_found(rhi_query *query, const rhi_found *found)
{
    const rhi_harm *harm = &query->reader->harm;
    rhi_object object;
    if (harm->is_known && !harm->headers)
        return NULL;
    for (uint64_t i = 0; i < found->count; i++)
        if (!rhi__object_at_index(query->session, query->reader, found->items[i], &object) ||
            object.damaged)
            return tell_harm(query);
    return NULL;
}

rhi_error *rhi__query_by_address(rhi_query *query, const rhi_cell *value, rhi_found *found)
{
    uint64_t address;
    if (!rhi__query_address(value, &address))
        return NULL;
    uint32_t index = rhi__query_object_of(query, address);
    if (index == RHI_NO_OBJECT)
        return rhi__block_at(query->reader, address) ? tell_harm(query) : NULL;
    RHI_TRY(add(index, found));
    return tell_of_found(query, found);
}

/* ---- serials -------------------------------------------------------------------------------- */

/* Objects by the lower bits of their serials: order[start[bits] .. start[bits + 1]). */
typedef struct serials {
    uint32_t *start, *order;
    uint64_t mask;
} serials;

static void free_serials(void *value)
{
    serials *s = value;
    if (!s)
        return;
    free(s->start);
    free(s->order);
    free(s);
}

/* *low by object: the lower half of its serial. */
static rhi_error *read_serial(void *low, uint32_t index, const rhi_object *object,
                              const uint8_t *bytes)
{
    (void)bytes;
    ((uint32_t *)low)[index] = (uint32_t)object->serial;
    return NULL;
}

/* The second time start[bits] runs on to where the next ones begin. */
static void sort_by_serial(const rhi_reader *reader, const uint32_t *low, serials *s)
{
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t b = 0; b < reader->blocks.count; b++) {
            const rhi_block *block = &reader->blocks.items[b];
            uint32_t end = block->first_object + block->object_count;
            bool has_serials = rhi__format_of(reader, block->heap)->has_serials;
            for (uint32_t i = block->first_object; has_serials && i < end; i++)
                if (pass)
                    s->order[s->start[(low[i] & s->mask) + 1]++] = i;
                else
                    s->start[(low[i] & s->mask) + 2]++;
        }
        for (uint64_t bits = 2; !pass && bits < s->mask + 3; bits++)
            s->start[bits] += s->start[bits - 1];
    }
}

static rhi_error *make_serials(void *context, void *value)
{
    const rhi_query *query = context;
    serials *s = value;
    s->mask = 1;
    while (s->mask < query->count && s->mask < UINT32_MAX)
        s->mask = s->mask << 1 | 1;
    uint32_t *low = calloc((uint64_t)query->count + 1, sizeof *low);
    s->start = calloc(s->mask + 4, sizeof *s->start);
    s->order = malloc(((uint64_t)query->count + 1) * sizeof *s->order);
    rhi_error *error = low && s->start && s->order
                           ? rhi__each_object(&query->session->work, query->reader,
                                              "reading serials", read_serial, low)
                           : rhi__error_memory();
    if (!error)
        sort_by_serial(query->reader, low, s);
    free(low);
    return error;
}

/* Kept with what is known of the target: questions about single objects come one after the other.
 */
static rhi_error *serials_of(rhi_query *query, const serials **result)
{
    void *value;
    RHI_TRY(rhi__kept_or_made(&query->session->kept, sizeof **result, make_serials, query,
                              free_serials, &value));
    *result = value;
    return NULL;
}

/* ---- ids ------------------------------------------------------------------------------------ */

/* Adds the object if that is its name. */
static rhi_error *add_if_called(rhi_query *query, uint32_t index, const char *id, rhi_found *found)
{
    rhi_object object;
    char name[RHI_ID_SIZE];
    if (!rhi__object_at_index(query->session, query->reader, index, &object) ||
        !rhi__is_object(object.state))
        return NULL;
    rhi__object_id(query->reader, &object, name, sizeof name);
    return strcmp(name, id) == 0 ? add(index, found) : NULL;
}

/* As other commands find it, by a search that ends there: for the first of a question, an index
 * would take longer. */
static rhi_error *by_search(rhi_query *query, const char *id, const char *digits, rhi_found *found)
{
    char type[RHI_NAME_SIZE];
    uint64_t address;
    rhi__cut_name(id, (size_t)(digits - 1 - id), type);
    rhi_error *error =
        rhi__find_named(query->session, query->reader, type, strtoull(digits, NULL, 10), &address);
    if (error == rhi__error_cancelled() || error == rhi__error_memory())
        return error;
    bool is_none = error != NULL; /* or gone */
    rhi__error_free(error);
    uint32_t index = is_none ? RHI_NO_OBJECT : rhi__query_object_of(query, address);
    return index == RHI_NO_OBJECT ? NULL : add_if_called(query, index, id, found);
}

static rhi_error *by_serial(rhi_query *query, const char *id, const char *digits, rhi_found *found)
{
    const serials *s;
    char *end;
    errno = 0;
    uint64_t serial = strtoull(digits, &end, 10);
    if (*end || errno || !isdigit((unsigned char)*digits))
        return NULL;
    bool is_kept = rhi__kept(&query->session->kept, free_serials) != NULL,
         is_alone = query->reader->copies == 1 && !query->session->has_heap;
    if (query->names++ == 0 && is_alone && !is_kept)
        return by_search(query, id, digits, found);
    RHI_TRY(serials_of(query, &s));
    uint64_t bits = (uint32_t)serial & s->mask;
    for (uint32_t at = s->start[bits]; at < s->start[bits + 1]; at++)
        RHI_TRY(add_if_called(query, s->order[at], id, found));
    return NULL;
}

static rhi_error *by_name(rhi_query *query, const char *id, rhi_found *found)
{
    const char *at = strrchr(id, '@'), *hash = strrchr(id, '#');
    if (hash && (!at || hash > at))
        return by_serial(query, id, hash + 1, found);
    rhi_cell place = at ? rhi__text_cell(at + 1, false) : rhi__null_cell();
    uint64_t address;
    uint32_t index = at && rhi__query_address(&place, &address)
                         ? rhi__query_object_of(query, address)
                         : RHI_NO_OBJECT;
    return index == RHI_NO_OBJECT ? NULL : add_if_called(query, index, id, found);
}

rhi_error *rhi__query_by_id(rhi_query *query, const rhi_cell *value, rhi_found *found)
{
    char id[RHI_ID_SIZE];
    if (value->kind != RHI_CELL_TEXT || value->size >= sizeof id ||
        memchr(value->text, '\0', value->size))
        return NULL; /* nothing is called so */
    memcpy(id, value->text, value->size);
    id[value->size] = '\0';
    RHI_TRY(by_name(query, id, found));
    return found->count ? tell_of_found(query, found) : tell_harm(query);
}
