/* page_answers.c - what a page says of the whole heap: the answers of gcstat, gcleaks and gcgraph
 * (see page.h). */
#include "export/page.h"
#include "render/gcgraph.h"
#include "render/gcleaks.h"
#include "render/gcstat.h"
#include "render/holders.h"
#include "render/output.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

rhi_error *rhi__page_gather(rhi_page *page)
{
    rhi_query *query = &page->export->query;
    const rhi_gcgraph_asked all_cycles = {.limit = RHI_PAGE_ROWS, .as_list = true};
    page->type_rows = calloc(query->reader->heaps.count + 1, sizeof *page->type_rows);
    page->site_rows = calloc(query->reader->heaps.count + 1, sizeof *page->site_rows);
    if (!page->type_rows || !page->site_rows)
        return rhi__error_memory();
    RHI_TRY(rhi__gcstat(query->session, true, false, UINT64_MAX, &page->types));
    RHI_TRY(rhi__gcstat(query->session, true, true, UINT64_MAX, &page->sites));
    RHI_TRY(rhi__gcleaks(query->session, false, RHI_PAGE_ROWS, &page->leaks));
    return rhi__gcgraph(query->session, &all_cycles, &page->cycles);
}

void rhi__page_free(rhi_page *page)
{
    uint64_t heaps = page->export->query.reader->heaps.count;
    for (uint64_t i = 0; page->type_rows && i < heaps; i++)
        rhi__map_free(&page->type_rows[i]);
    for (uint64_t i = 0; page->site_rows && i < heaps; i++)
        rhi__map_free(&page->site_rows[i]);
    free(page->type_rows);
    free(page->site_rows);
    free(page->keepers);
    free(page->chosen);
    free(page->kept_left_out);
    rhi__gcgraph_free(&page->cycles);
    rhi__gcleaks_free(&page->leaks);
    rhi__gcstat_free(&page->sites);
    rhi__gcstat_free(&page->types);
}

/* ---- types and lines ------------------------------------------------------------------------ */

static json_t *number_or_null(bool is_known, uint64_t number)
{
    return is_known ? rhi__json_u64(number) : json_null();
}

/* [name, qualified, heap, count, bytes, retained] */
static void put_types(rhi_page *page)
{
    const rhi_gcstat *a = &page->types;
    const rhi_reader *reader = a->reader;
    uint32_t row = 0;
    rhi__packed_put(&page->out, "\"types\":[");
    for (uint64_t i = 0; i < a->count; i++) {
        const rhi_heap_tally *heap = &a->statistics->heaps[a->heaps[i]];
        for (uint64_t k = 0; k < heap->rows.count; k++) {
            const rhi_tally *t = &heap->rows.items[k];
            const rhi_type *type = &reader->types.items[t->type];
            page->out.is_short |= !rhi__map_set(&page->type_rows[a->heaps[i]], t->type, row);
            rhi__packed_put(&page->out, row++ ? ",\n" : "");
            rhi__packed_value(
                &page->out,
                json_pack("[o, o, o, o, o, o]", rhi__json_text(type->name),
                          type->qualified[0] ? rhi__json_text(type->qualified) : json_null(),
                          rhi__json_u64(reader->heaps.items[a->heaps[i]].number),
                          rhi__json_u64(t->count), rhi__json_u64(t->bytes),
                          number_or_null(a->has_retained, t->retained)));
        }
    }
    rhi__packed_put(&page->out, "]");
}

/* [file, line, function, heap, objects, bytes, retained] */
static void put_sites(rhi_page *page)
{
    const rhi_gcstat *a = &page->sites;
    rhi__packed_put(&page->out, ",\n\"sites\":[");
    for (uint64_t i = 0; i < a->sites.count; i++) {
        const rhi_site_tally *t = &a->sites.items[i];
        page->out.is_short |= !rhi__map_set(&page->site_rows[t->heap], t->site.number, (uint32_t)i);
        rhi__packed_put(&page->out, i ? ",\n" : "");
        rhi__packed_value(
            &page->out,
            json_pack(
                "[o, o, o, o, o, o, o]", rhi__json_text(t->site.file), rhi__json_u64(t->site.line),
                t->site.function && t->site.function[0] ? rhi__json_text(t->site.function)
                                                        : json_null(),
                rhi__json_u64(a->reader->heaps.items[t->heap].number), rhi__json_u64(t->objects),
                rhi__json_u64(t->bytes), number_or_null(a->has_retained, t->retained)));
    }
    rhi__packed_put(&page->out, "]");
}

static void put_heaps(rhi_page *page)
{
    const rhi_gcstat *a = &page->types;
    uint64_t objects = 0, bytes = 0;
    rhi__packed_put(&page->out, ",\n\"heaps\":[");
    for (uint64_t i = 0; i < a->count; i++) {
        const rhi_heap_info *info = &a->reader->heaps.items[a->heaps[i]];
        const rhi_heap_tally *heap = &a->statistics->heaps[a->heaps[i]];
        objects += heap->objects;
        bytes += heap->bytes;
        rhi__packed_put(&page->out, i ? ",\n" : "");
        rhi__packed_value(
            &page->out,
            json_pack("{s:o, s:o, s:s, s:o, s:o}", "heap", rhi__json_u64(info->number), "name",
                      rhi__json_text(info->name), "format", info->format->name, "objects",
                      rhi__json_u64(heap->objects), "bytes", rhi__json_u64(heap->bytes)));
    }
    rhi__packed_put(&page->out, "],\n\"totals\":{\"objects\":");
    rhi__packed_number(&page->out, objects);
    rhi__packed_put(&page->out, ",\"bytes\":");
    rhi__packed_number(&page->out, bytes);
    rhi__packed_put(&page->out, "}");
}

/* ---- leaks and cycles ----------------------------------------------------------------------- */

static void put_leaks(rhi_page *page)
{
    const rhi_gcleaks *a = &page->leaks;
    rhi__packed_put(&page->out, ",\n\"leaks\":{\"objects\":");
    rhi__packed_number(&page->out, a->all.objects);
    rhi__packed_put(&page->out, ",\"bytes\":");
    rhi__packed_number(&page->out, a->all.bytes);
    rhi__packed_put(&page->out, ",\"undecided\":");
    rhi__packed_number(&page->out, a->leaks->is_decided ? 0 : a->leaks->undecided);
    rhi__packed_put(&page->out, a->leaks->is_decided ? ",\"decided\":true" : ",\"decided\":false");
    rhi__packed_put(&page->out, ",\"possible\":");
    rhi__packed_number(&page->out, a->owners->possible.count);
    rhi__packed_put(&page->out, ",\"groups_total\":");
    rhi__packed_number(&page->out, a->alike.count);
    rhi__packed_put(&page->out, ",\"groups\":[");
    for (uint64_t i = 0; i < a->largest.count; i++) {
        rhi__packed_put(&page->out, i ? ",\n" : "");
        rhi__packed_value(&page->out, rhi__alike_json(a, i));
    }
    rhi__packed_put(&page->out, "]}");
}

void rhi__page_holder(const rhi_page *page, const rhi_holder *holder,
                      char text[RHI_PAGE_HOLDER_SIZE])
{
    rhi__holder_text(page->export->query.reader, holder, text);
    size_t used = strlen(text);
    rhi__text(text + used, RHI_PAGE_HOLDER_SIZE - used, "%s", rhi__reach_text(holder));
}

static json_t *cycle_row(const rhi_page *page, uint64_t place)
{
    const rhi_gcgraph *a = &page->cycles;
    const rhi_graph *g = a->s.graph;
    const rhi_held *held = &a->held[place];
    uint32_t c = a->cycles.items[place], size = rhi__cycle_size(g, c);
    bool is_garbage = rhi__cycle_is_garbage(g, c);
    json_t *objects = json_array(), *holders = json_array();
    char text[RHI_PAGE_HOLDER_SIZE];
    for (uint32_t m = 0; m < size && m < RHI_PAGE_MEMBERS; m++) {
        uint32_t at = page->export->numbers[g->cycle_member[g->cycle_start[c] + m]];
        if (at != RHI_NO_OBJECT)
            json_array_append_new(objects, json_integer(at));
    }
    for (uint64_t i = 0; i < held->rows.count && i < RHI_PAGE_MEMBERS; i++) {
        rhi__page_holder(page, &held->rows.items[i], text);
        json_array_append_new(holders, rhi__json_text(text));
    }
    json_t *how = is_garbage ? json_null()
                             : json_sprintf("held from outside%s",
                                            rhi__held_text(page->export->query.session, held));
    return json_pack("{s:s, s:b, s:o, s:i, s:o, s:o, s:o, s:b}", "verdict",
                     is_garbage ? "garbage" : "held", "guessed", rhi__cycle_is_guessed(g, c),
                     "objects", objects, "total", size, "held", how, "held_by", holders,
                     "held_by_total", rhi__json_u64(held->total), "held_by_is_at_least",
                     held->is_at_least);
}

void rhi__page_cycles(rhi_page *page)
{
    const rhi_gcgraph *a = &page->cycles;
    rhi__packed_put(&page->out, ",\n\"cycles\":{\"total\":");
    rhi__packed_number(&page->out, a->cycles_total);
    rhi__packed_put(&page->out, ",\"garbage\":");
    rhi__packed_number(&page->out, a->garbage_total);
    rhi__packed_put(&page->out, ",\"rows\":[");
    for (uint64_t i = 0; i < a->cycles.count; i++) {
        rhi__packed_put(&page->out, i ? ",\n" : "");
        rhi__packed_value(&page->out, cycle_row(page, i));
    }
    rhi__packed_put(&page->out, "]}");
}

void rhi__page_answers(rhi_page *page)
{
    put_types(page);
    put_sites(page);
    put_heaps(page);
    put_leaks(page);
}
