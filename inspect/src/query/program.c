/* program.c - the tables `threads` and `history`: the threads of the process, and recorded events,
 * as `objat --history` has them (see tables.h). */
#include "query/listed.h"
#include "query/tables.h"
#include "render/objat.h"
#include "render/objects.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- threads -------------------------------------------------------------------------------- */

static const rhi_column thread_columns[] = {
    {"thread", RHI_COLUMN_INTEGER, 0, 0, "its number, as in holders", 0},
    {"stack_pointer", RHI_COLUMN_TEXT, 0, 0, "where its stack is in use from", 0},
    {"registers", RHI_COLUMN_INTEGER, 0, 0, "how many could be read", 0}};

static rhi_error *gather_threads(rhi_listed *l, const rhi_lookup *lookup)
{
    const rhi_memory *memory = l->rows.query->reader->memory;
    (void)lookup;
    l->count = memory->map.threads.count;
    if (!memory->has_threads)
        rhi__note(&l->rows.query->session->notes, "the threads could not be had");
    return NULL;
}

static json_t *thread_row(rhi_listed *l, uint64_t number)
{
    const rhi_thread *thread = &l->rows.query->reader->memory->map.threads.items[number];
    return json_pack("{s:o, s:o, s:o}", "thread", rhi__json_u64(thread->lwp), "stack_pointer",
                     rhi__json_address(thread->stack_pointer), "registers",
                     rhi__json_u64(thread->register_count));
}

static const rhi_list threads = {.gather = gather_threads, .row = thread_row};
const rhi_table rhi__threads_table = {.name = "threads",
                                      .doc = "the threads of the process",
                                      .rows = 10,
                                      RHI_LISTED(&threads, thread_columns)};

/* ---- history -------------------------------------------------------------------------------- */

enum { ID, ADDRESS, EVENTS_MAX = 1 << 15 };

static const rhi_column history_columns[] = {
    {"id", RHI_COLUMN_TEXT, 0, 4, "the object that it happened to", 0},
    {"address", RHI_COLUMN_TEXT, 0, 4, "where that was", 0},
    {"event", RHI_COLUMN_INTEGER, 0, 0,
     "its number, among those of the heap that are traced or not", 0},
    {"traced", RHI_COLUMN_INTEGER, 0, 0, "1: it is of a traced object", 0},
    {"kind", RHI_COLUMN_TEXT, 0, 0,
     "alloc, free, finalize, resurrect, last release; of a traced object retain, release, too", 0},
    {"type", RHI_COLUMN_TEXT, 0, 0, "of the object", 0},
    {"reason", RHI_COLUMN_TEXT, 0, 0, "of a death: release, collect, destroy, unknown", 0},
    {"time", RHI_COLUMN_TEXT, 0, 0, "from when on it happened", 0},
    {"time_to", RHI_COLUMN_TEXT, 0, 0, "until when", 0},
    {"thread", RHI_COLUMN_INTEGER, 0, 0, "the thread", 0},
    {"heap", RHI_COLUMN_INTEGER, 0, 0, "the heap", 0},
    {"function", RHI_COLUMN_TEXT, 0, 0, "where it happened, if that was recorded",
     "place.function"},
    {"file", RHI_COLUMN_TEXT, 0, 0, "in which file", "place.file"},
    {"line", RHI_COLUMN_INTEGER, 0, 0, "at which line", "place.line"},
    {"site_file", RHI_COLUMN_TEXT, 0, 0, "the file whose line made the object; null: not known",
     "site.file"},
    {"site_line", RHI_COLUMN_INTEGER, 0, 0, "that line", "site.line"},
    {"site_function", RHI_COLUMN_TEXT, 0, 0, "and its function", "site.function"}};

typedef struct events {
    rhi_event *items;
    uint64_t count;
} events;

static void free_events(void *value)
{
    events *e = value;
    if (e)
        free(e->items);
    free(e);
}

/* The serial that an id ends with; 0: none. */
static uint64_t serial_of(const rhi_cell *id)
{
    char digits[24];
    const char *hash = id->kind == RHI_CELL_TEXT ? memrchr(id->text, '#', id->size) : NULL;
    size_t size = hash ? (size_t)(id->text + id->size - hash - 1) : sizeof digits;
    if (size >= sizeof digits)
        return 0;
    memcpy(digits, hash + 1, size);
    digits[size] = '\0';
    return strtoull(digits, NULL, 10);
}

/* Leaves the events of wanted heaps, and, of those of a serial, the ones whose object is called so.
 */
static void choose(const rhi_query *query, const rhi_lookup *lookup, events *e)
{
    uint64_t kept = 0;
    char id[RHI_ID_SIZE];
    for (uint64_t i = 0; i < e->count; i++) {
        rhi__make_id(query->reader, e->items[i].type, e->items[i].serial, id, sizeof id);
        bool is_called = lookup->column != ID || (strlen(id) == lookup->value.size &&
                                                  memcmp(id, lookup->value.text, strlen(id)) == 0);
        if (is_called && rhi__heap_wanted(query->session, query->reader, e->items[i].heap))
            e->items[kept++] = e->items[i];
    }
    e->count = kept;
}

/* Says how far the histories of wanted heaps go back: rows say nothing of what was before. */
static void tell_begin(const rhi_query *query, uint32_t heap)
{
    rhi_notes *remarks = &query->session->remarks;
    uint64_t number = query->reader->heaps.items[heap].number, begin = 0;
    rhi_trace trace = {0};
    char text[160];
    rhi__trace(query->reader, heap, &trace);
    if (rhi__history_begin(query->reader, heap, &begin) && begin) {
        snprintf(text, sizeof text,
                 "heap %" PRIu64 ": its history begins at event %" PRIu64
                 ": what was before is forgotten",
                 number, begin);
        rhi__note(remarks, text);
    }
    if (trace.begin) {
        snprintf(text, sizeof text,
                 "heap %" PRIu64 ": that of traced objects begins at traced event %" PRIu64
                 ": what was before is forgotten",
                 number, trace.begin);
        rhi__note(remarks, text);
    }
    if (trace.lost) {
        snprintf(text, sizeof text,
                 "heap %" PRIu64 ": of traced objects %" PRIu64 " event%s not recorded", number,
                 trace.lost, trace.lost == 1 ? " was" : "s were");
        rhi__note(remarks, text);
    }
}

static rhi_error *gather_history(rhi_listed *l, const rhi_lookup *lookup)
{
    rhi_query *query = l->rows.query;
    uint64_t address = 0, serial = 0;
    if (lookup->column == ADDRESS && !rhi__query_address(&lookup->value, &address))
        return NULL;
    if (lookup->column == ID)
        serial = serial_of(&lookup->value);
    if (lookup->column != RHI_NO_KEY && !address && !serial)
        return NULL;
    events *e = l->answer = calloc(1, sizeof *e);
    if (!e || !(e->items = malloc((EVENTS_MAX + 1) * sizeof *e->items))) /* mostly few: no zeros */
        return rhi__error_memory();
    e->count = rhi__history(query->reader, address, serial, true, e->items, EVENTS_MAX + 1);
    if (e->count > EVENTS_MAX) {
        rhi__note(&query->session->notes, "of the history the newest 32768 events were looked at");
        e->count = EVENTS_MAX;
    }
    choose(query, lookup, e);
    for (uint32_t heap = 0; heap < query->reader->heaps.count; heap++)
        if (rhi__heap_wanted(query->session, query->reader, heap))
            tell_begin(query, heap);
    l->count = e->count;
    return NULL;
}

static json_t *history_row(rhi_listed *l, uint64_t number)
{
    const rhi_query *query = l->rows.query;
    const rhi_event *event = &((const events *)l->answer)->items[number];
    const rhi_object object = rhi__event_object(event);
    json_t *row = rhi__event_json(query->session, query->reader, event);
    json_object_set_new(row, "address", rhi__json_address(event->address));
    json_object_set_new(row, "type", rhi__json_text(rhi__type_name(query->reader, event->type)));
    json_object_set_new(row, "heap", rhi__json_u64(query->reader->heaps.items[event->heap].number));
    json_object_set_new(row, "site", rhi__site_json(query->reader, &object));
    return row;
}

/* Made of what no two events have alike: a lookup has fewer of them before it. */
static uint64_t event_number(const rhi_listed *l, uint64_t at)
{
    const rhi_event *event = &((const events *)l->answer)->items[at];
    const uint64_t parts[] = {event->heap, event->traced, event->sequence, event->address,
                              event->kind};
    uint64_t number = 0;
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        number = (number ^ parts[i]) * 0x9e3779b97f4a7c15u;
        number ^= number >> 29;
    }
    return number;
}

static const rhi_list history = {
    .gather = gather_history, .row = history_row, .number = event_number, .drop = free_events};
const rhi_table rhi__history_table = {.name = "history",
                                      .doc = "recorded events, the newest first, as objat "
                                             "--history has them",
                                      .rows = 10000,
                                      RHI_LISTED(&history, history_columns)};
