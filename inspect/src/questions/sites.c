/* sites.c - counts objects by the line that made them (see sites.h). */
#include "questions/sites.h"
#include "base/array.h"
#include "base/map.h"
#include "base/search.h"
#include "heap/objects.h"
#include "questions/retained.h"

#include <stdlib.h>
#include <string.h>

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    rhi_sites *sites;
    rhi_map *rows;      /* by heap: from the number of a site to its tally */
    uint32_t *tally_of; /* by object */
} search;

static rhi_error *count_object(void *context, uint32_t index, const rhi_object *object,
                               const uint8_t *bytes)
{
    search *s = context;
    rhi_site site;
    if (!rhi__is_object(object->state) || object->type >= s->reader->types.count ||
        !rhi__heap_wanted(s->session, s->reader, object->heap))
        return NULL;
    if (!rhi__site(s->reader, object, &site)) {
        s->sites->unknown[object->heap]++;
        return NULL;
    }
    uint32_t row = rhi__map_get(&s->rows[object->heap], site.number);
    if (row == RHI_NOT_THERE) {
        row = (uint32_t)s->sites->count;
        if (!rhi__array_reserve(s->sites, 1) ||
            !rhi__map_set(&s->rows[object->heap], site.number, row))
            return rhi__error_memory();
        s->sites->items[s->sites->count++] =
            (rhi_site_tally){.site = site, .heap = object->heap, .sample = index};
    }
    s->tally_of[index] = row;
    s->sites->items[row].objects++;
    s->sites->items[row].bytes += rhi__object_size(s->reader, object, bytes);
    return NULL;
}

static rhi_error *find_retained(search *s)
{
    rhi_graph *graph;
    uint32_t count = (uint32_t)s->sites->count;
    RHI_TRY(rhi__session_graph(s->session, &graph));
    RHI_TRY(rhi__graph_dominators(&s->session->work, s->reader, graph));
    rhi_retained *sums = calloc((uint64_t)count + 1, sizeof *sums);
    uint32_t *itself = malloc(((uint64_t)count + 1) * sizeof *itself);
    rhi_error *error = sums && itself ? NULL : rhi__error_memory();
    for (uint32_t i = 0; i < count && !error; i++)
        itself[i] = i;
    if (!error)
        error = rhi__retained_by_class(s->session, graph, s->tally_of, itself, count, count, sums);
    for (uint32_t i = 0; i < count && !error; i++) {
        s->sites->items[i].retained = sums[i].bytes;
        s->sites->items[i].sample = sums[i].largest;
    }
    free(sums);
    free(itself);
    return error;
}

static int tally_order(const void *left, const void *right)
{
    const rhi_site_tally *a = left, *b = right;
    if (a->heap != b->heap)
        return a->heap < b->heap ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return a->site.number < b->site.number ? -1 : a->site.number > b->site.number;
}

static rhi_error *count_all(search *s, bool retained)
{
    const rhi_reader *reader = s->reader;
    uint64_t objects = 1;
    for (uint64_t i = 0; i < reader->blocks.count; i++)
        objects += reader->blocks.items[i].object_count;
    s->sites->unknown = calloc(reader->heaps.count + 1, sizeof *s->sites->unknown);
    s->rows = calloc(reader->heaps.count + 1, sizeof *s->rows);
    s->tally_of = rhi__big_array(objects, sizeof *s->tally_of);
    if (!s->sites->unknown || !s->rows || !s->tally_of)
        return rhi__error_memory();
    memset(s->tally_of, 0xff, objects * sizeof *s->tally_of);
    RHI_TRY(rhi__each_object(&s->session->work, s->reader, "looking up lines", count_object, s));
    if (retained && s->sites->count)
        RHI_TRY(find_retained(s));
    if (s->sites->count)
        qsort(s->sites->items, s->sites->count, sizeof *s->sites->items, tally_order);
    return NULL;
}

rhi_error *rhi__sites(rhi_session *session, rhi_reader *reader, bool retained, rhi_sites *sites)
{
    search s = {.session = session, .reader = reader, .sites = sites};
    *sites = (rhi_sites){.count = 0};
    rhi_error *error = count_all(&s, retained);
    for (uint64_t i = 0; s.rows && i < reader->heaps.count; i++)
        rhi__map_free(&s.rows[i]);
    free(s.rows);
    free(s.tally_of);
    return error;
}

void rhi__sites_free(rhi_sites *sites)
{
    free(sites->items);
    free(sites->unknown);
}

uint64_t rhi__sites_of(const rhi_sites *sites, uint32_t heap, uint64_t *first)
{
    *first = rhi__first(0, sites->count, at, sites->items[at].heap >= heap);
    return rhi__first(*first, sites->count, at, sites->items[at].heap > heap);
}
