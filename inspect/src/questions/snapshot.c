/* snapshot.c - takes a snapshot of a target's heaps (see snapshot.h).
 *
 * One pass over all objects in address order. Most objects are of the class that their type had
 * last, so that a search in the table of classes is rare; then the rows are put in order of their
 * keys, which are numbers from a narrow range: by digits. */
#include "questions/snapshot.h"
#include "base/array.h"
#include "base/map.h"
#include "heap/objects.h"
#include "target/modules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct taker {
    rhi_session *session;
    rhi_reader *reader;
    rhi_snapshot *snapshot;
    uint32_t *type_of;    /* by type of the reader: of the snapshot; RHI_NOT_THERE */
    uint32_t *last_class; /* by type of the reader: of its last object; RHI_NOT_THERE */
    /* of the snapshot's spaces */
    struct taken_space {
        rhi_map site_of; /* from the number of a site */
        uint32_t last_number, last_site;
    } * spaces;
    uint64_t *fixed; /* a bit for each object: it lies in the data of a file; NULL: none does */
    uint32_t *table; /* classes by their hash: a class + 1, or 0 */
    uint64_t table_size;
    uint64_t damaged; /* objects whose headers say nothing */
} taker;

/* ---- classes -------------------------------------------------------------------------------- */

static uint64_t class_hash(const rhi_snapshot_class *c)
{
    uint64_t hash = ((uint64_t)c->heap << 32 | c->type) * 0x9E3779B97F4A7C15ull;
    hash = (hash ^ hash >> 32 ^ c->site) * 0xBF58476D1CE4E5B9ull;
    hash = (hash ^ hash >> 32 ^ c->size) * 0x94D049BB133111EBull;
    return hash ^ hash >> 29;
}

static bool same_class(const rhi_snapshot_class *a, const rhi_snapshot_class *b)
{
    return a->size == b->size && a->type == b->type && a->site == b->site && a->heap == b->heap;
}

static uint32_t *class_place(const taker *t, const rhi_snapshot_class *c)
{
    const rhi_snapshot_class *classes = t->snapshot->classes.items;
    uint64_t place = class_hash(c) & (t->table_size - 1);
    while (t->table[place] && !same_class(&classes[t->table[place] - 1], c))
        place = (place + 1) & (t->table_size - 1);
    return &t->table[place];
}

static bool grow_table(taker *t)
{
    uint64_t size = t->table_size ? 4 * t->table_size : 1024;
    uint32_t *table = calloc(size, sizeof *table);
    if (!table)
        return false;
    free(t->table);
    t->table = table;
    t->table_size = size;
    for (uint64_t i = 0; i < t->snapshot->classes.count; i++)
        *class_place(t, &t->snapshot->classes.items[i]) = (uint32_t)i + 1;
    return true;
}

/* The number of the class, which is added if there is none; RHI_NOT_THERE: memory is short. */
static uint32_t find_class(taker *t, const rhi_snapshot_class *wanted)
{
    if (2 * t->snapshot->classes.count >= t->table_size && !grow_table(t))
        return RHI_NOT_THERE;
    uint32_t *place = class_place(t, wanted);
    if (*place)
        return *place - 1;
    if (!rhi__array_reserve(&t->snapshot->classes, 1))
        return RHI_NOT_THERE;
    t->snapshot->classes.items[t->snapshot->classes.count++] = *wanted;
    *place = (uint32_t)t->snapshot->classes.count;
    return *place - 1;
}

static rhi_error *take_type(taker *t, uint32_t type, uint32_t space)
{
    const rhi_type *from = &t->reader->types.items[type];
    rhi_snapshot_type taken = {.space = space};
    if (!rhi__array_reserve(&t->snapshot->types, 1))
        return rhi__error_memory();
    memcpy(taken.name, from->name, sizeof taken.name);
    memcpy(taken.qualified, from->qualified, sizeof taken.qualified);
    t->type_of[type] = (uint32_t)t->snapshot->types.count;
    t->snapshot->types.items[t->snapshot->types.count++] = taken;
    return NULL;
}

static rhi_error *add_site(taker *t, const rhi_site *site, rhi_map *site_of)
{
    rhi_snapshot_site taken = {.line = site->line,
                               .file = strdup(site->file),
                               .function = site->function ? strdup(site->function) : NULL};
    size_t length = strlen(site->file), shown = site->name ? strlen(site->name) : length;
    taken.name_at = shown <= length ? (uint32_t)(length - shown) : 0;
    if (taken.file && (taken.function || !site->function) &&
        rhi__array_reserve(&t->snapshot->sites, 1) &&
        rhi__map_set(site_of, site->number, (uint32_t)t->snapshot->sites.count)) {
        t->snapshot->sites.items[t->snapshot->sites.count++] = taken;
        return NULL;
    }
    free(taken.file);
    free(taken.function);
    return rhi__error_memory();
}

static rhi_error *site_of(taker *t, const rhi_object *object, uint32_t *number)
{
    rhi_site site;
    struct taken_space *space = &t->spaces[t->snapshot->heaps.items[object->heap].space];
    *number = RHI_NO_SITE;
    if (!rhi__site(t->reader, object, &site))
        return NULL;
    if (space->last_site == RHI_NO_SITE || space->last_number != site.number) {
        if (rhi__map_get(&space->site_of, site.number) == RHI_NOT_THERE)
            RHI_TRY(add_site(t, &site, &space->site_of));
        space->last_number = site.number;
        space->last_site = rhi__map_get(&space->site_of, site.number);
    }
    *number = space->last_site;
    return NULL;
}

/* ---- the pass ------------------------------------------------------------------------------- */

static rhi_error *take_object(void *context, uint32_t index, const rhi_object *object,
                              const uint8_t *bytes)
{
    taker *t = context;
    if (t->fixed && rhi__bit(t->fixed, index))
        return NULL;
    if (object->damaged ||
        (rhi__is_object(object->state) && object->type >= t->reader->types.count))
        t->damaged++;
    if (object->damaged || !rhi__is_object(object->state) || object->type >= t->reader->types.count)
        return NULL;
    rhi_snapshot_heap *heap = &t->snapshot->heaps.items[object->heap];
    rhi_snapshot_space *space = &t->snapshot->spaces.items[heap->space];
    if (t->type_of[object->type] == RHI_NOT_THERE)
        RHI_TRY(take_type(t, object->type, heap->space));
    /* the counter or the header is damaged, or it is just being born: nothing rests on counters */
    heap->has_counters = heap->has_counters && object->serial < heap->next_serial;
    rhi_snapshot_class wanted = {.heap = object->heap,
                                 .type = t->type_of[object->type],
                                 .size = rhi__object_size(t->reader, object, bytes)};
    RHI_TRY(site_of(t, object, &wanted.site));
    uint32_t *last = &t->last_class[object->type];
    if (*last == RHI_NOT_THERE || !same_class(&t->snapshot->classes.items[*last], &wanted))
        *last = find_class(t, &wanted);
    if (*last == RHI_NOT_THERE)
        return rhi__error_memory();
    t->snapshot->rows[space->first + space->count++] =
        (rhi_snapshot_row){.key = space->has_serials ? object->serial : object->address,
                           .kind = *last,
                           .index = index};
    return NULL;
}

/* Objects that the program's files are born with, like Python's static types, are left out: none of
 * them is born or dies, and of pages that were never written to some cores have nothing. */
static rhi_error *find_fixed(taker *t)
{
    const rhi_reader *reader = t->reader;
    uint64_t objects = 0;
    for (uint64_t i = 0; i < reader->blocks.count; i++)
        objects += reader->blocks.items[i].object_count;
    for (uint64_t i = 0; i < reader->blocks.count; i++) {
        const rhi_block *block = &reader->blocks.items[i];
        const rhi_region *region =
            block->is_lone ? rhi__memory_region(reader->memory, block->base) : NULL;
        if (!region || !rhi__region_is_file(region) || block->object_count == 0)
            continue;
        if (!t->fixed && !(t->fixed = calloc(objects / 64 + 1, sizeof *t->fixed)))
            return rhi__error_memory();
        rhi__bit_set(t->fixed, block->first_object);
    }
    return NULL;
}

/* The space of a heap, which is added if it is the first of it. */
static rhi_error *space_of(rhi_snapshot *snapshot, const rhi_reader *reader, uint32_t heap,
                           uint32_t *number)
{
    const rhi_heap_info *info = &reader->heaps.items[heap];
    for (uint32_t i = 0; i < heap; i++)
        if (reader->heaps.items[i].format == info->format &&
            reader->heaps.items[i].space == info->space) {
            *number = snapshot->heaps.items[i].space;
            return NULL;
        }
    if (!rhi__array_reserve(&snapshot->spaces, 1))
        return rhi__error_memory();
    rhi_snapshot_space space = {.nonce = info->nonce,
                                .pid = info->pid,
                                .has_serials = info->format->has_serials,
                                .has_clock = info->has_clock,
                                .clock = info->clock};
    rhi__text(space.format, sizeof space.format, "%s", info->format->name);
    *number = (uint32_t)snapshot->spaces.count;
    snapshot->spaces.items[snapshot->spaces.count++] = space;
    return NULL;
}

/* The heaps, their spaces, and room for the rows of each space. */
static rhi_error *make_room(taker *t)
{
    rhi_snapshot *s = t->snapshot;
    uint64_t types = t->reader->types.count, objects = 0;
    for (uint32_t i = 0; i < t->reader->heaps.count; i++) {
        const rhi_heap_info *info = &t->reader->heaps.items[i];
        rhi_snapshot_heap heap = {.number = info->number,
                                  .next_serial = info->next_serial,
                                  .freed = info->freed,
                                  .has_counters = info->has_counters};
        RHI_TRY(space_of(s, t->reader, i, &heap.space));
        if (!rhi__array_reserve(&s->heaps, 1))
            return rhi__error_memory();
        s->heaps.items[s->heaps.count++] = heap;
        s->provisional |= !rhi__is_at_rest(t->reader, i);
    }
    for (uint64_t i = 0; i < t->reader->blocks.count; i++) {
        const rhi_block *block = &t->reader->blocks.items[i];
        s->spaces.items[s->heaps.items[block->heap].space].count += block->object_count;
    }
    for (uint64_t i = 0; i < s->spaces.count; i++) {
        s->spaces.items[i].first = objects;
        objects += s->spaces.items[i].count;
        s->spaces.items[i].count = 0;
    }
    s->rows = rhi__big_array(objects + 1, sizeof *s->rows);
    t->type_of = malloc((types + 1) * sizeof *t->type_of);
    t->last_class = malloc((types + 1) * sizeof *t->last_class);
    t->spaces = calloc(s->spaces.count + 1, sizeof *t->spaces);
    if (!s->rows || !t->type_of || !t->last_class || !t->spaces)
        return rhi__error_memory();
    memset(t->type_of, 0xff, (types + 1) * sizeof *t->type_of);
    memset(t->last_class, 0xff, (types + 1) * sizeof *t->last_class);
    for (uint64_t i = 0; i < s->spaces.count; i++)
        t->spaces[i].last_site = RHI_NO_SITE;
    return NULL;
}

/* ---- order ---------------------------------------------------------------------------------- */

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static void sort_by_digit(const rhi_snapshot_row *from, rhi_snapshot_row *to, uint64_t count,
                          uint64_t least, unsigned shift)
{
    uint64_t place[DIGITS] = {0};
    for (uint64_t i = 0; i < count; i++)
        place[(from[i].key - least) >> shift & (DIGITS - 1)]++;
    for (uint64_t digit = 0, sum = 0; digit < DIGITS; digit++) {
        uint64_t here = place[digit];
        place[digit] = sum;
        sum += here;
    }
    for (uint64_t i = 0; i < count; i++)
        to[place[(from[i].key - least) >> shift & (DIGITS - 1)]++] = from[i];
}

static rhi_error *sort_rows(rhi_work *work, rhi_snapshot_row *rows, uint64_t count)
{
    uint64_t least = UINT64_MAX, bits = 0;
    bool is_sorted = true;
    for (uint64_t i = 0; i < count; i++) {
        least = rows[i].key < least ? rows[i].key : least;
        is_sorted = is_sorted && (i == 0 || rows[i - 1].key <= rows[i].key);
    }
    if (is_sorted)
        return NULL;
    for (uint64_t i = 0; i < count; i++)
        bits |= rows[i].key - least;
    rhi_snapshot_row *other = rhi__big_array(count, sizeof *other), *from = rows, *to = other;
    if (!other)
        return rhi__error_memory();
    rhi_error *error = NULL;
    for (unsigned shift = 0; shift < 64 && bits >> shift && !error; shift += DIGIT_BITS) {
        rhi_snapshot_row *sorted = to;
        sort_by_digit(from, to, count, least, shift);
        to = from;
        from = sorted;
        error = rhi__progress(work, "sorting objects", shift, 64);
    }
    if (from != rows)
        memcpy(rows, from, count * sizeof *rows);
    free(other);
    return error;
}

/* Sorts the rows of each space and moves them together; of two with one key, which is damage, the
 * first stays. *repeated: how many did not. */
static rhi_error *put_in_order(taker *t, uint64_t *repeated)
{
    rhi_snapshot *s = t->snapshot;
    *repeated = 0;
    for (uint64_t i = 0; i < s->spaces.count; i++) {
        rhi_snapshot_space *space = &s->spaces.items[i];
        uint64_t first = s->row_count;
        RHI_TRY(sort_rows(&t->session->work, s->rows + space->first, space->count));
        for (uint64_t k = space->first; k < space->first + space->count; k++) {
            if (s->row_count > first && s->rows[s->row_count - 1].key == s->rows[k].key) {
                ++*repeated;
                continue;
            }
            s->classes.items[s->rows[k].kind].objects++;
            s->rows[s->row_count++] = s->rows[k];
        }
        space->first = first;
        space->count = s->row_count - first;
    }
    return NULL;
}

/* ---- the snapshot --------------------------------------------------------------------------- */

static void note_left_out(taker *t, uint64_t repeated)
{
    char text[160];
    if (t->damaged || repeated) {
        snprintf(text, sizeof text, "%" PRIu64 " object%s left out: gcverify tells more",
                 t->damaged + repeated,
                 t->damaged + repeated == 1 ? " with a damaged header is"
                                            : "s with damaged headers are");
        rhi__note(&t->session->notes, text);
    }
}

static rhi_error *take(taker *t)
{
    uint64_t repeated;
    RHI_TRY(rhi__session_reader(t->session, &t->reader));
    RHI_TRY(make_room(t));
    RHI_TRY(find_fixed(t));
    t->snapshot->process = rhi__memory_identity(t->reader->memory);
    RHI_TRY(rhi__each_object(&t->session->work, t->reader, "reading objects", take_object, t));
    RHI_TRY(put_in_order(t, &repeated));
    note_left_out(t, repeated);
    if (!rhi__complete_so_far(t->session))
        rhi__notes_add(&t->snapshot->notes, &t->session->notes);
    return NULL;
}

rhi_error *rhi__snapshot_take(rhi_session *session, rhi_snapshot **snapshot)
{
    taker t = {.session = session, .snapshot = calloc(1, sizeof *t.snapshot)};
    rhi_notes others = rhi__notes_set_aside(&session->notes); /* of other moments */
    rhi_error *error = t.snapshot ? take(&t) : rhi__error_memory();
    rhi__notes_put_back(&session->notes, &others);
    for (uint64_t i = 0; t.spaces && i < t.snapshot->spaces.count; i++)
        rhi__map_free(&t.spaces[i].site_of);
    free(t.spaces);
    free(t.fixed);
    free(t.type_of);
    free(t.last_class);
    free(t.table);
    if (error)
        rhi__snapshot_free(t.snapshot);
    else
        *snapshot = t.snapshot;
    return error;
}

void rhi__snapshot_free(rhi_snapshot *snapshot)
{
    if (!snapshot)
        return;
    for (uint64_t i = 0; i < snapshot->sites.count; i++) {
        free(snapshot->sites.items[i].file);
        free(snapshot->sites.items[i].function);
    }
    rhi__notes_free(&snapshot->notes);
    free(snapshot->spaces.items);
    free(snapshot->heaps.items);
    free(snapshot->types.items);
    free(snapshot->sites.items);
    free(snapshot->classes.items);
    free(snapshot->rows);
    free(snapshot);
}

uint64_t rhi__snapshot_bytes(const rhi_snapshot *snapshot)
{
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < snapshot->classes.count; i++)
        bytes += snapshot->classes.items[i].objects * snapshot->classes.items[i].size;
    return bytes;
}

void rhi__snapshot_id(const rhi_snapshot *snapshot, const rhi_snapshot_row *row, char *id,
                      size_t size)
{
    const rhi_snapshot_class *c = &snapshot->classes.items[row->kind];
    snprintf(id, size,
             rhi__snapshot_space(snapshot, c->heap)->has_serials ? "%s#%" PRIu64 : "%s@0x%" PRIx64,
             snapshot->types.items[c->type].name, row->key);
}
