/* gcstat.c - what each heap holds, for people and in JSON (see gcstat.h). */
#include "render/gcstat.h"
#include "base/text.h"
#include "heap/objects.h"
#include "readers/refheap/words.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The sample's id, and what it holds. */
static void sample_id(rhi_reader *reader, uint32_t index, char *id, size_t size,
                      char value[RHI_VALUE_SIZE])
{
    enum rhi_place place;
    rhi_object object;
    value[0] = '\0';
    if (rhi__place_of(reader, rhi__object_address(reader, index), &place, &object) &&
        place == RHI_PLACE_LIVE) {
        rhi__object_id(reader, &object, id, size);
        rhi__value(reader, &object, value);
    } else {
        snprintf(id, size, "?");
    }
}

static void print_types(rhi_session *session, const rhi_gcstat *answer, const rhi_heap_tally *heap,
                        uint64_t limit)
{
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE];
    if (heap->rows.count)
        rhi__print(session,
                   answer->has_retained ? "  %12s %14s %14s  %-24s %s\n"
                                        : "  %12s %14s%.0s  %-24s %s\n",
                   "count", "bytes", "retained", "type", "sample");
    for (uint64_t i = 0; i < heap->rows.count && i < limit; i++) {
        const rhi_tally *t = &heap->rows.items[i];
        sample_id(answer->reader, rhi__tally_sample(answer, t), id, sizeof id, value);
        rhi__print(session, "  %12" PRIu64 " %14" PRIu64, t->count, t->bytes);
        if (answer->has_retained)
            rhi__print(session, " %14" PRIu64, t->retained);
        rhi__print(session, "  %-24s %s%s\n", rhi__type_name(answer->reader, t->type), id, value);
    }
    if (heap->rows.count > limit)
        rhi__print_more(session, "  ", heap->rows.count - limit, "type");
}

static void print_sites(rhi_session *session, const rhi_gcstat *answer, uint32_t heap,
                        uint64_t limit)
{
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE], text[RHI_SITE_SIZE];
    const rhi_format *format = rhi__format_of(answer->reader, heap);
    uint64_t first, end = rhi__sites_of(&answer->sites, heap, &first);
    if (!format->site)
        rhi__print(session,
                   "  which lines made its objects is not known: %s keeps no such record\n",
                   format->name);
    else if (first == end && format->siteless && answer->sites.unknown[heap])
        rhi__print(session, "  of none of its objects a line is known: %s\n", format->siteless);
    else if (first == end && !format->siteless && format->recording)
        rhi__print(session, "  where its objects were made is not recorded: %s does that\n",
                   format->recording);
    else if (first < end)
        rhi__print(session,
                   answer->has_retained ? "  %12s %14s %14s  %-32s %s\n"
                                        : "  %12s %14s%.0s  %-32s %s\n",
                   "count", "bytes", "retained", "line", "sample");
    for (uint64_t i = first; i < end && i - first < limit; i++) {
        const rhi_site_tally *t = &answer->sites.items[i];
        sample_id(answer->reader, t->sample, id, sizeof id, value);
        rhi__site_text(&t->site, text);
        rhi__print(session, "  %12" PRIu64 " %14" PRIu64, t->objects, t->bytes);
        if (answer->has_retained)
            rhi__print(session, " %14" PRIu64, t->retained);
        rhi__print(session, "  %-32s %s%s\n", text, id, value);
    }
    if (end - first > limit)
        rhi__print_more(session, "  ", end - first - limit, "line");
    uint64_t unknown = answer->sites.unknown[heap],
             refused = answer->reader->heaps.items[heap].sites_refused;
    if (end > first && unknown)
        rhi__print(session, "  of %" PRIu64 " more object%s no line is known", unknown,
                   rhi__plural(unknown));
    if (end > first && unknown && refused)
        rhi__print(session, ": %" PRIu64 " line%s beyond the first 65535 ha%s no number", refused,
                   rhi__plural(refused), refused == 1 ? "s" : "ve");
    if (end > first && unknown)
        rhi__print(session, "\n");
}

static void print_fact(rhi_session *session, const rhi_fact *fact)
{
    if (fact->kind == RHI_FACT_TEXT)
        rhi__print(session, "%s %s", fact->words, fact->text);
    else if (fact->kind == RHI_FACT_YES_NO)
        rhi__print(session, "%s%s", fact->number ? "" : "not ", fact->words);
    else
        rhi__print(session, "%" PRIu64 " %s", fact->number, fact->words);
}

/* A line for each group: "  generation 0: 12 objects, 700 at most". */
static void print_facts(rhi_session *session, const rhi_facts *facts)
{
    for (uint64_t i = 0; i < facts->count; i++) {
        const rhi_fact *fact = &facts->items[i];
        bool is_first = i == 0 || strcmp(facts->items[i - 1].group, fact->group) != 0;
        if (is_first)
            rhi__print(session, i ? "\n  " : "  ");
        for (const char *c = fact->group; is_first && *c; c++)
            rhi__print(session, "%c", *c == '_' ? ' ' : *c);
        rhi__print(session, is_first ? ": " : ", ");
        print_fact(session, fact);
    }
    if (facts->count)
        rhi__print(session, "\n");
}

static void print_heap(rhi_session *session, const rhi_gcstat *answer, uint64_t place,
                       uint64_t limit)
{
    uint32_t number = answer->heaps[place];
    const rhi_heap_info *info = &answer->reader->heaps.items[number];
    const rhi_heap_tally *heap = &answer->statistics->heaps[number];
    rhi__print(session, "heap %" PRIu64 "%s%s%s: %" PRIu64 " object%s, %" PRIu64 " bytes; ",
               info->number, info->name[0] ? " \"" : "", info->name, info->name[0] ? "\"" : "",
               heap->objects, rhi__plural(heap->objects), heap->bytes);
    rhi__print(session, "%" PRIu64 " %s%s of %" PRIu64 " bytes%s, %u%% of them unused",
               heap->blocks, info->format->block_word, rhi__plural(heap->blocks), heap->block_bytes,
               heap->blocks == 1 ? "" : " in all", rhi__fragmentation_percent(heap));
    if (info->format->read_lone)
        rhi__print(session, "; %" PRIu64 " object%s outside of them", heap->lone,
                   rhi__plural(heap->lone));
    rhi__print(session, "\n");
    if (info->format->has_collector)
        rhi__print(session,
                   "  collector %s: %" PRIu64 " collection%s, %" PRIu64
                   " object%s reclaimed, %" PRIu64 " candidate root%s\n",
                   info->gc_enabled ? "on" : "off", info->collections,
                   rhi__plural(info->collections), info->reclaimed, rhi__plural(info->reclaimed),
                   info->candidates, rhi__plural(info->candidates));
    print_facts(session, &answer->facts[place]);
    if (info->provisional)
        rhi__print(session, "  provisional: the heap is %s\n", info->phase);
    if (heap->damaged)
        rhi__print(session, "  %" PRIu64 " object%s a damaged header: gcverify tells more\n",
                   heap->damaged, heap->damaged == 1 ? " has" : "s have");
    if (answer->has_sites)
        print_sites(session, answer, number, limit);
    else
        print_types(session, answer, heap, limit);
}

json_t *rhi__type_row_json(const rhi_gcstat *answer, const rhi_tally *t)
{
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE];
    sample_id(answer->reader, rhi__tally_sample(answer, t), id, sizeof id, value);
    json_t *row = json_object();
    json_object_set_new(row, "type", rhi__json_text(rhi__type_name(answer->reader, t->type)));
    json_object_set_new(row, "count", rhi__json_u64(t->count));
    json_object_set_new(row, "bytes", rhi__json_u64(t->bytes));
    json_object_set_new(row, "retained",
                        answer->has_retained ? rhi__json_u64(t->retained) : json_null());
    json_object_set_new(row, "sample", rhi__json_text(id));
    json_object_set_new(row, "sample_value", value[0] ? rhi__json_text(value + 1) : json_null());
    return row;
}

static json_t *types_json(const rhi_gcstat *answer, const rhi_heap_tally *heap, uint64_t limit)
{
    json_t *types = json_array();
    for (uint64_t i = 0; i < heap->rows.count && i < limit; i++)
        json_array_append_new(types, rhi__type_row_json(answer, &heap->rows.items[i]));
    return types;
}

static json_t *collector_json(const rhi_heap_info *info)
{
    json_t *json = json_object();
    json_object_set_new(json, "enabled", json_boolean(info->gc_enabled));
    json_object_set_new(json, "collections", rhi__json_u64(info->collections));
    json_object_set_new(json, "reclaimed", rhi__json_u64(info->reclaimed));
    json_object_set_new(json, "candidates", rhi__json_u64(info->candidates));
    return json;
}

json_t *rhi__site_row_json(const rhi_gcstat *answer, const rhi_site_tally *t)
{
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE];
    sample_id(answer->reader, t->sample, id, sizeof id, value);
    json_t *row = rhi__site_row(&t->site);
    json_object_set_new(row, "objects", rhi__json_u64(t->objects));
    json_object_set_new(row, "bytes", rhi__json_u64(t->bytes));
    json_object_set_new(row, "retained",
                        answer->has_retained ? rhi__json_u64(t->retained) : json_null());
    json_object_set_new(row, "sample", rhi__json_text(id));
    json_object_set_new(row, "sample_value", value[0] ? rhi__json_text(value + 1) : json_null());
    return row;
}

static json_t *sites_json(const rhi_gcstat *answer, uint64_t first, uint64_t end)
{
    json_t *sites = json_array();
    for (uint64_t i = first; i < end; i++)
        json_array_append_new(sites, rhi__site_row_json(answer, &answer->sites.items[i]));
    return sites;
}

static void add_sites(json_t *json, const rhi_gcstat *answer, uint32_t heap, uint64_t limit)
{
    uint64_t first, end = rhi__sites_of(&answer->sites, heap, &first), shown = end - first;
    shown = shown < limit ? shown : limit;
    json_object_set_new(json, "sites", sites_json(answer, first, first + shown));
    if (shown < end - first)
        json_object_set_new(json, "sites_total", rhi__json_u64(end - first));
    json_object_set_new(json, "without_site", rhi__json_u64(answer->sites.unknown[heap]));
    if (answer->reader->heaps.items[heap].sites_refused)
        json_object_set_new(json, "sites_refused",
                            rhi__json_u64(answer->reader->heaps.items[heap].sites_refused));
}

/* By group and key. */
static json_t *facts_json(const rhi_facts *facts)
{
    json_t *json = json_object();
    for (uint64_t i = 0; i < facts->count; i++) {
        const rhi_fact *fact = &facts->items[i];
        json_t *group = json_object_get(json, fact->group);
        if (!group)
            json_object_set_new(json, fact->group, group = json_object());
        json_object_set_new(group, fact->key,
                            fact->kind == RHI_FACT_TEXT     ? rhi__json_text(fact->text)
                            : fact->kind == RHI_FACT_YES_NO ? json_boolean(fact->number)
                                                            : rhi__json_u64(fact->number));
    }
    return json;
}

json_t *rhi__heap_json(const rhi_gcstat *answer, uint64_t place, uint64_t limit)
{
    uint32_t number = answer->heaps[place];
    const rhi_heap_info *info = &answer->reader->heaps.items[number];
    const rhi_heap_tally *heap = &answer->statistics->heaps[number];
    char key[32];
    json_t *json = json_object();
    json_object_set_new(json, "heap", rhi__json_u64(info->number));
    json_object_set_new(json, "name", info->name[0] ? rhi__json_text(info->name) : json_null());
    json_object_set_new(json, "objects", rhi__json_u64(heap->objects));
    json_object_set_new(json, "bytes", rhi__json_u64(heap->bytes));
    snprintf(key, sizeof key, "%ss", info->format->block_word);
    json_object_set_new(json, key, rhi__json_u64(heap->blocks));
    snprintf(key, sizeof key, "%s_bytes", info->format->block_word);
    json_object_set_new(json, key, rhi__json_u64(heap->block_bytes));
    json_object_set_new(json, "fragmentation_percent",
                        json_integer(rhi__fragmentation_percent(heap)));
    if (info->format->read_lone)
        json_object_set_new(json, "lone", rhi__json_u64(heap->lone));
    json_object_set_new(json, "damaged", rhi__json_u64(heap->damaged));
    json_object_set_new(json, "phase", json_string(info->phase));
    json_object_set_new(json, "collector",
                        info->format->has_collector ? collector_json(info) : json_null());
    if (info->format->facts)
        json_object_set_new(json, "facts", facts_json(&answer->facts[place]));
    if (answer->has_sites)
        add_sites(json, answer, number, limit);
    json_object_set_new(json, "types", types_json(answer, heap, limit));
    if (heap->rows.count > limit)
        json_object_set_new(json, "types_total", rhi__json_u64(heap->rows.count));
    return json;
}

void rhi__gcstat_print(rhi_session *session, const rhi_gcstat *answer, uint64_t limit)
{
    for (uint64_t i = 0; i < answer->count; i++)
        print_heap(session, answer, i, limit);
    rhi__print_more(session, "", answer->total - answer->count, "heap");
    if (answer->profile)
        rhi__print(session, "%s: written for pprof\n", answer->profile);
    rhi__print_incomplete(session);
}

static const rhi_json_type type_row_type = {
    .name = "type_row",
    .doc = "The objects of a type in a heap.",
    .members = (const rhi_json_member[]){
        {"type", .is = RHI_JSON_TEXT, "its name"},
        {"count", .is = RHI_JSON_COUNT, "how many objects"},
        {"bytes", .is = RHI_JSON_COUNT, "that they take"},
        {"retained", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "bytes that would go if they went; null: with --no-retained"},
        {"sample", .is = RHI_JSON_TEXT, "the name of the one that retains most, or of the first"},
        {"sample_value", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "what that holds, short"},
        {NULL}}};

static const rhi_json_type site_row_type = {
    .name = "site_row",
    .doc = "The objects that a line made in a heap.",
    .base = {&rhi__site_type},
    .members = (const rhi_json_member[]){
        {"objects", .is = RHI_JSON_COUNT, "how many"},
        {"bytes", .is = RHI_JSON_COUNT, "that they take"},
        {"retained", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "bytes that would go if they went; null: with --no-retained"},
        {"sample", .is = RHI_JSON_TEXT, "the name of one"},
        {"sample_value", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "what that holds, short"},
        {NULL}}};

static const rhi_json_member collector_members[] = {
    {"enabled", .is = RHI_JSON_BOOLEAN, "it collects by itself"},
    {"collections", .is = RHI_JSON_COUNT, "how often it did"},
    {"reclaimed", .is = RHI_JSON_COUNT, "objects that it freed in all"},
    {"candidates", .is = RHI_JSON_COUNT, "objects that it will look at next"},
    {NULL}};

static const rhi_json_type heap_type = {
    .name = "heap",
    .doc = "What a heap holds.",
    .members = (const rhi_json_member[]){
        {"heap", .is = RHI_JSON_COUNT, "its number"},
        {"name", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "its name"},
        {"objects", .is = RHI_JSON_COUNT, "how many objects live in it"},
        {"bytes", .is = RHI_JSON_COUNT, "that they take"},
        {RHI_REFHEAP_BLOCK "s", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "of refheap's: blocks of equal slots"},
        {RHI_REFHEAP_BLOCK "_bytes", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL, "that these take"},
        {"pools", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL, "of Python's: blocks of equal slots"},
        {"pool_bytes", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL, "that these take"},
        {"fragmentation_percent", .is = RHI_JSON_INTEGER, "how much of these holds no object"},
        {"lone", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "objects outside of the blocks, if the format has such"},
        {"damaged", .is = RHI_JSON_COUNT, "objects whose header makes no sense"},
        {"phase", .is = RHI_JSON_TEXT, "what the heap's runtime is doing, in words"},
        {"collector", .is = RHI_JSON_NULL, "null: the format tells nothing of one",
         .members = collector_members},
        {"facts", .is = RHI_JSON_OPTIONAL, "what else the format tells, by group and key",
         .members =
             (const rhi_json_member[]){
                 {"*", .is = 0, "a group",
                  .members =
                      (const rhi_json_member[]){
                          {"*", .is = RHI_JSON_COUNT | RHI_JSON_BOOLEAN | RHI_JSON_TEXT, "a fact"},
                          {NULL}}},
                 {NULL}}},
        {"sites", .is = RHI_JSON_ROWS | RHI_JSON_OPTIONAL, "with --sites: by line",
         .of = {&site_row_type}},
        {"without_site", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "with --sites: objects of which no line is known"},
        {"sites_refused", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "with --sites: lines that had no number any more, where the format counts them"},
        {"types", .is = RHI_JSON_ROWS, "by type", .of = {&type_row_type}},
        {NULL}}};

const rhi_json_type rhi__gcstat_type = {
    .name = "gcstat",
    .doc = "What each heap holds.",
    .base = {&rhi__common_type},
    .members =
        (const rhi_json_member[]){{"heaps", .is = RHI_JSON_ROWS, "the heaps", .of = {&heap_type}},
                                  {"pprof", .is = RHI_JSON_TEXT | RHI_JSON_OPTIONAL,
                                   "with --pprof: the file that was written"},
                                  {NULL}}};

void rhi__gcstat_json(rhi_session *session, const rhi_gcstat *answer, uint64_t limit)
{
    rhi__json_begin(session);
    rhi__json_array(session, "heaps");
    for (uint64_t i = 0; i < answer->count; i++)
        rhi__json_item(session, rhi__heap_json(answer, i, limit));
    rhi__json_array_end(session);
    if (answer->total > answer->count)
        rhi__json_key(session, "heaps_total", rhi__json_u64(answer->total));
    if (answer->profile)
        rhi__json_key(session, "pprof", rhi__json_text(answer->profile));
    rhi__json_end(session);
}
