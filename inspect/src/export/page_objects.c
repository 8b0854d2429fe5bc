/* page_objects.c - the objects of a page, row by row: what each is, what its slots hold, which
 * words outside lead to it, what was recorded of it (see page.h).
 *
 * Invariant: of the objects' own references each one between objects on the page is there, up to
 * REFERENCES_MAX of all; of other slots the first few of an object, and the others are counted. */
#include "export/page.h"
#include "questions/held.h"
#include "render/gcleaks.h"
#include "render/holders.h"
#include "render/objat.h"
#include "render/objects.h"
#include "render/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { REFERENCES_MAX = 2000000, SLOTS_SHOWN = 64, WORDS_SHOWN = 8, EVENTS_MAX = 1 << 15 };
/* of keepers: objects on the page have numbers below this */
#define NOT_YET (RHI_NO_OBJECT - 1)
/* of a slot, as heap.js has them */
enum { STRONG, WEAK, BORROWED, GUESS, PLAIN };

typedef struct rows {
    rhi_page *page;
    rhi_packed *out;
    rhi_objat *at;      /* for slots that are no reference to an object on the page */
    uint64_t in_object; /* slots of this one that were put */
} rows;

/* ---- slots ---------------------------------------------------------------------------------- */

static unsigned kind_of(const rhi_field *field)
{
    return field->is_guess                    ? GUESS
           : field->kind == RHI_KIND_STRONG   ? STRONG
           : field->kind == RHI_KIND_BORROWED ? BORROWED
                                              : WEAK;
}

static void put_slot(rows *r, const char *name, unsigned kind)
{
    rhi__packed_put(r->out, r->in_object++ ? "," : "");
    rhi__packed_text(r->out, name);
    rhi__packed_put(r->out, ",");
    rhi__packed_number(r->out, kind);
    rhi__packed_put(r->out, ",");
}

static bool put_reference(void *context, const rhi_exported_edge *edge)
{
    rows *r = context;
    rhi_export *e = r->page->export;
    char name[RHI_NAME_SIZE + 32];
    if (e->references >= REFERENCES_MAX) {
        e->references_left_out++;
        return true;
    }
    e->references++;
    rhi__exported_edge_name(edge, name, sizeof name);
    put_slot(r, name, kind_of(edge->field));
    rhi__packed_number(r->out, edge->to);
    return true;
}

/* What a reference holds that leads to no object on the page. */
static void reference_text(const rows *r, const rhi_objat_row *row, char *text, size_t size)
{
    const rhi_referent *referent = &row->referent;
    char id[RHI_ID_SIZE];
    if (!row->value)
        snprintf(text, size, "NULL");
    else if (!rhi__referent_id(r->at->reader, referent, id))
        snprintf(text, size, "0x%" PRIx64 ", %s", row->value, rhi__referent_word(referent));
    else if (rhi__referent_is_live(referent))
        snprintf(text, size, "%s", id);
    else
        snprintf(text, size, "%s, %s", id, rhi__referent_word(referent));
}

static void put_plain(rows *r, const rhi_objat_row *row)
{
    json_t *json = rhi__field_json(r->at, row), *value = json_object_get(json, "value");
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    put_slot(r, json_string_value(json_object_get(json, "name")), PLAIN);
    rhi__packed_text(r->out, text ? text : json_string_value(value));
    free(text);
    json_decref(json);
}

static void put_other(void *context, const rhi_objat_row *row)
{
    rows *r = context;
    const rhi_export *e = r->page->export;
    char text[RHI_ID_SIZE + 64], name[RHI_NAME_SIZE + 32];
    if (!rhi__is_reference(row->field)) {
        put_plain(r, row);
        return;
    }
    uint32_t index = row->value ? rhi__query_object_of(&e->query, row->value) : RHI_NO_OBJECT;
    if (index != RHI_NO_OBJECT && e->numbers[index] != RHI_NO_OBJECT)
        return;
    reference_text(r, row, text, sizeof text);
    rhi__slot_name(row->field, row->element, name, sizeof name);
    put_slot(r, name, kind_of(row->field));
    rhi__packed_text(r->out, text);
}

static rhi_error *put_slots(rows *r, rhi_exported *o)
{
    rhi_objat_rows counts = {0};
    const uint8_t *bytes = o->object.slot_size ? rhi__scan_bytes(&o->scan) : NULL;
    r->in_object = 0;
    rhi__packed_put(r->out, ",[");
    if (bytes) {
        rhi__exported_edges(o, put_reference, r);
        r->at->object = o->object;
        r->at->bytes = bytes;
        RHI_TRY(rhi__objat_fields(r->at, false, put_other, r, &counts));
    }
    rhi__packed_put(r->out, bytes ? "]," : "],null");
    if (bytes)
        rhi__packed_number(r->out, counts.total > r->in_object ? counts.total - r->in_object : 0);
    return NULL;
}

/* ---- objects -------------------------------------------------------------------------------- */

static void put_number(rows *r, bool is_known, uint64_t number)
{
    if (is_known)
        rhi__packed_number(r->out, number);
    else
        rhi__packed_put(r->out, "null");
    rhi__packed_put(r->out, ",");
}

static void put_text(rows *r, const char *text)
{
    rhi__packed_text(r->out, text);
    rhi__packed_put(r->out, ",");
}

/* Its row among the lines. */
static void put_site(rows *r, rhi_exported *o)
{
    rhi_site site;
    uint32_t row = rhi__exported_site(o, &site)
                       ? rhi__map_get(&r->page->site_rows[o->object.heap], site.number)
                       : RHI_NOT_THERE;
    put_number(r, row != RHI_NOT_THERE, row);
}

/* Where the way up from an object ends, or passes one on the page: what is found is kept for all
 * on the way, so that no way is gone twice. */
static uint32_t find_keeper(rhi_page *page, uint32_t index)
{
    const rhi_export *e = page->export;
    const uint32_t *dominator = e->query.graph->dominator;
    uint32_t at = dominator[index], found;
    while (at != RHI_NO_OBJECT && e->numbers[at] == RHI_NO_OBJECT && page->keepers[at] == NOT_YET)
        at = dominator[at];
    found = at == RHI_NO_OBJECT               ? RHI_NO_OBJECT
            : e->numbers[at] != RHI_NO_OBJECT ? e->numbers[at]
                                              : page->keepers[at];
    for (uint32_t i = dominator[index]; i != at; i = dominator[i])
        page->keepers[i] = found;
    return found;
}

static rhi_error *put_object(void *context, rhi_exported *o)
{
    rows *r = context;
    const rhi_export *e = r->page->export;
    const rhi_graph *g = e->query.graph;
    char text[RHI_ID_SIZE + RHI_VALUE_SIZE], address[24];
    uint32_t type = rhi__map_get(&r->page->type_rows[o->object.heap], o->type);
    uint32_t keeper = find_keeper(r->page, o->index);
    rhi__packed_put(r->out, o->number ? ",\n[" : "[");
    rhi__exported_id(o, text);
    put_text(r, text);
    snprintf(address, sizeof address, "0x%" PRIx64, o->address);
    put_text(r, address);
    put_number(r, type != RHI_NOT_THERE, type);
    put_number(r, true, rhi__exported_size(o));
    put_number(r, !o->object.immortal, (uint64_t)o->object.count);
    put_number(r, true, rhi__exported_retained(o));
    put_number(r, keeper != RHI_NO_OBJECT, keeper);
    put_site(r, o);
    put_text(r, rhi__state_word(&o->object));
    put_text(r, rhi__exported_leaked(o));
    put_number(r, true, rhi__found(g, o->index));
    rhi__exported_value(o, text);
    put_text(r, text[0] ? text : NULL);
    rhi__packed_number(r->out, e->query.reader->heaps.items[o->object.heap].number);
    RHI_TRY(put_slots(r, o));
    rhi__packed_put(r->out, ",");
    rhi__packed_text(r->out, rhi__in_use_text(&r->page->leaks, o->index));
    rhi__packed_put(r->out, ",");
    rhi__packed_number(r->out, r->page->kept_left_out[o->number]);
    rhi__packed_put(r->out, "]");
    return NULL;
}

/* ---- words outside -------------------------------------------------------------------------- */

static bool needs_words(const rhi_graph *g, uint32_t index)
{
    return rhi__ext(g, index) > 0 || g->flags[index] & RHI_GRAPH_IMMORTAL;
}

static void put_words(rows *r, const rhi_held *group, bool is_first)
{
    char text[RHI_PAGE_HOLDER_SIZE];
    rhi__packed_put(r->out, is_first ? "[" : ",\n[");
    rhi__packed_number(r->out, r->page->export->numbers[group->index]);
    for (uint64_t i = 0; i < group->rows.count; i++) {
        const rhi_holder *row = &group->rows.items[i];
        rhi__page_holder(r->page, row, text);
        rhi__packed_put(r->out, i ? ",[" : ",[[");
        put_text(r, text);
        put_text(r, rhi__holder_word(row));
        rhi__packed_text(r->out, rhi__strength_word(row));
        rhi__packed_put(r->out, "]");
    }
    rhi__packed_put(r->out, group->rows.count ? "]," : ",[],");
    rhi__packed_number(r->out, group->total);
    rhi__packed_put(r->out, "]");
}

/* [object, [[text, kind, strength]…], how many there are] */
static rhi_error *put_all_words(rows *r)
{
    const rhi_page *page = r->page;
    const rhi_selection *selection = &page->cycles.s;
    uint64_t count = 0;
    rhi_held *groups = calloc((uint64_t)page->chosen_count + 1, sizeof *groups);
    if (!groups)
        return rhi__error_memory();
    for (uint32_t i = 0; i < page->chosen_count; i++)
        if (needs_words(page->export->query.graph, page->chosen[i]))
            groups[count++] = (rhi_held){.cycle = RHI_NO_OBJECT, .index = page->chosen[i]};
    rhi_error *error = rhi__find_word_holders(selection, groups, count, WORDS_SHOWN);
    if (!error)
        rhi__name_held(selection, groups, count);
    rhi__packed_put(r->out, "],\n\"words\":[");
    for (uint64_t i = 0; i < count; i++) {
        if (!error)
            put_words(r, &groups[i], i == 0);
        rhi__holders_free(&groups[i].rows);
    }
    free(groups);
    return error;
}

/* ---- history -------------------------------------------------------------------------------- */

/* The place on the page of the object that it happened to, if it is alive. */
static uint32_t object_of(const rhi_export *e, const rhi_event *event)
{
    uint32_t index = rhi__query_object_of(&e->query, event->address);
    rhi_object object;
    bool is_it = index != RHI_NO_OBJECT && e->numbers[index] != RHI_NO_OBJECT &&
                 rhi__object_at_index(e->query.session, e->query.reader, index, &object) &&
                 object.serial == event->serial;
    return is_it ? e->numbers[index] : RHI_NO_OBJECT;
}

/* [object, what was recorded, as objat --history has it] */
static rhi_error *put_history(rows *r)
{
    rhi_query *query = &r->page->export->query;
    rhi_event *events = malloc((EVENTS_MAX + 1) * sizeof *events); /* one more: are there more? */
    rhi_error *error = NULL;
    bool is_first = true;
    if (!events)
        return rhi__error_memory();
    uint64_t count = rhi__history(query->reader, 0, 0, true, events, EVENTS_MAX + 1);
    r->page->events_are_cut = count > EVENTS_MAX;
    r->page->events = count = count > EVENTS_MAX ? EVENTS_MAX : count;
    rhi__packed_put(r->out, "],\n\"history\":[");
    for (uint64_t i = 0; i < count && !error; i++) {
        error = rhi__progress(&query->session->work, "writing history", i, count);
        uint32_t number = object_of(r->page->export, &events[i]);
        if (number == RHI_NO_OBJECT)
            continue;
        rhi__packed_put(r->out, is_first ? "[" : ",\n[");
        rhi__packed_number(r->out, number);
        rhi__packed_put(r->out, ",");
        rhi__packed_value(r->out, rhi__event_json(query->session, query->reader, &events[i]));
        rhi__packed_put(r->out, "]");
        is_first = false;
    }
    free(events);
    rhi__packed_put(r->out, "]");
    return error;
}

rhi_error *rhi__page_objects(rhi_page *page)
{
    rhi_export *e = page->export;
    rows r = {.page = page, .out = &page->out, .at = calloc(1, sizeof *r.at)};
    if (!r.at)
        return rhi__error_memory();
    uint64_t all = e->query.graph->count;
    page->keepers = rhi__big_array(all + 1, sizeof *page->keepers);
    for (uint64_t i = 0; page->keepers && i < all; i++)
        page->keepers[i] = NOT_YET;
    r.at->session = e->query.session;
    r.at->reader = e->query.reader;
    r.at->asked.limit = SLOTS_SHOWN;
    e->objects = page->chosen_count;
    rhi__packed_put(r.out, ",\n\"objects\":[");
    rhi_error *error = page->keepers ? rhi__export_each(e, "writing objects", put_object, &r)
                                     : rhi__error_memory();
    free(r.at);
    if (!error)
        error = put_all_words(&r);
    return error ? error : put_history(&r);
}
