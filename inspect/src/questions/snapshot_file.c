/* snapshot_file.c - snapshots as the bytes of a file, and back (see snapshot.h).
 *
 * A header of 40 bytes: magic (16), version (4), checksum of what follows it (4: zlib's crc32), the
 * bytes of the body (8), when it was written (8: seconds). The body is numbers of 7 bits a byte,
 * low ones first, and texts, each behind its length: notes, spaces, heaps, types, sites, classes;
 * then, for each space, its rows: what the key has more than the one before, and the class. So an
 * object takes two or three bytes, and it would not pay to pack that: a file is as large as the
 * snapshot that it makes is, but for a factor, whoever wrote it.
 * Invariant: a file is believed in nothing. Each number is held against what is left of the file,
 * or against the array that it leads into, before it is used. */
#include "questions/snapshot.h"
#include "base/array.h"
#include "base/bytes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

static const char magic[16] = "refheap-snapshot";
enum {
    VERSION = 2,
    AT_VERSION = 16,
    AT_CHECKSUM = 20,
    AT_SIZE = 24,
    AT_TIME = 32,
    HEADER_BYTES = 40,
    NUMBER_BYTES = 10, /* at most */
    ROWS_AT_ONCE = 4096,
    TEXT_MAX = 4096
};

/* zlib counts in 32 bits. */
static uint32_t checksum(const uint8_t *bytes, uint64_t size)
{
    uLong sum = crc32(0, NULL, 0);
    for (uint64_t done = 0, step; done < size; done += step) {
        step = size - done < 1u << 30 ? size - done : 1u << 30;
        sum = crc32(sum, bytes + done, (uInt)step);
    }
    return (uint32_t)sum;
}

/* ---- writing -------------------------------------------------------------------------------- */

typedef struct writer {
    uint8_t *items;
    uint64_t count, capacity;
    bool is_short; /* of memory: nothing more is written */
} writer;

static bool has_room(writer *w, uint64_t bytes)
{
    w->is_short = w->is_short || !rhi__array_reserve(w, bytes);
    return !w->is_short;
}

/* There is room for it. */
static inline void put_quickly(writer *w, uint64_t number)
{
    uint8_t *to = w->items + w->count;
    for (; number > 0x7f; number >>= 7)
        *to++ = (uint8_t)(number | 0x80);
    *to++ = (uint8_t)number;
    w->count = (uint64_t)(to - w->items);
}

static void put(writer *w, uint64_t number)
{
    if (has_room(w, NUMBER_BYTES))
        put_quickly(w, number);
}

static void put_text(writer *w, const char *text)
{
    size_t length = rhi__whole_characters(text, strnlen(text, TEXT_MAX));
    put(w, length);
    if (has_room(w, length)) {
        memcpy(w->items + w->count, text, length);
        w->count += length;
    }
}

static void put_heads(writer *w, const rhi_snapshot *s)
{
    put(w, s->process.random[0]);
    put(w, s->process.random[1]);
    put(w, s->process.pid);
    put(w, s->provisional);
    put(w, s->notes.is_incomplete);
    put(w, s->notes.count);
    for (uint64_t i = 0; i < s->notes.count; i++)
        put_text(w, s->notes.items[i]);
    put(w, s->spaces.count);
    for (uint64_t i = 0; i < s->spaces.count; i++) {
        put_text(w, s->spaces.items[i].format);
        put(w, s->spaces.items[i].nonce);
        put(w, s->spaces.items[i].pid);
        put(w, s->spaces.items[i].has_serials);
        put(w, s->spaces.items[i].has_clock);
        put(w, s->spaces.items[i].clock);
    }
    put(w, s->heaps.count);
    for (uint64_t i = 0; i < s->heaps.count; i++) {
        put(w, s->heaps.items[i].number);
        put(w, s->heaps.items[i].space);
        put(w, s->heaps.items[i].has_counters);
        put(w, s->heaps.items[i].next_serial);
        put(w, s->heaps.items[i].freed);
    }
}

static void put_classes(writer *w, const rhi_snapshot *s)
{
    put(w, s->types.count);
    for (uint64_t i = 0; i < s->types.count; i++) {
        put(w, s->types.items[i].space);
        put_text(w, s->types.items[i].name);
        put_text(w, s->types.items[i].qualified);
    }
    put(w, s->sites.count);
    for (uint64_t i = 0; i < s->sites.count; i++) {
        put(w, s->sites.items[i].line);
        put(w, strlen(s->sites.items[i].file) > TEXT_MAX ? 0 : s->sites.items[i].name_at);
        put_text(w, s->sites.items[i].file);
        put_text(w, s->sites.items[i].function ? s->sites.items[i].function : "");
    }
    put(w, s->classes.count);
    for (uint64_t i = 0; i < s->classes.count; i++) {
        const rhi_snapshot_class *c = &s->classes.items[i];
        put(w, c->heap);
        put(w, c->type);
        put(w, c->site == RHI_NO_SITE ? 0 : (uint64_t)c->site + 1);
        put(w, c->size);
    }
}

static void put_rows(writer *w, const rhi_snapshot *s, const rhi_snapshot_space *space)
{
    uint64_t key = 0;
    put(w, space->count);
    for (uint64_t i = 0; i < space->count; i++) {
        const rhi_snapshot_row *row = &s->rows[space->first + i];
        if (i % ROWS_AT_ONCE == 0 && !has_room(w, (uint64_t)2 * NUMBER_BYTES * ROWS_AT_ONCE))
            return;
        put_quickly(w, row->key - key);
        put_quickly(w, row->kind);
        key = row->key;
    }
}

static void store(uint8_t *bytes, uint64_t number, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(number >> 8 * i);
}

rhi_error *rhi__snapshot_encode(const rhi_snapshot *snapshot, char **bytes, size_t *size)
{
    writer w = {0};
    if (has_room(&w, HEADER_BYTES)) {
        memset(w.items, 0, HEADER_BYTES);
        w.count = HEADER_BYTES;
    }
    put_heads(&w, snapshot);
    put_classes(&w, snapshot);
    for (uint64_t i = 0; i < snapshot->spaces.count; i++)
        put_rows(&w, snapshot, &snapshot->spaces.items[i]);
    if (w.is_short) {
        free(w.items);
        return rhi__error_memory();
    }
    memcpy(w.items, magic, sizeof magic);
    store(w.items + AT_VERSION, VERSION, 4);
    store(w.items + AT_SIZE, w.count - HEADER_BYTES, 8);
    store(w.items + AT_TIME, (uint64_t)time(NULL), 8);
    store(w.items + AT_CHECKSUM, checksum(w.items + AT_SIZE, w.count - AT_SIZE), 4);
    *bytes = (char *)w.items;
    *size = w.count;
    return NULL;
}

/* ---- reading -------------------------------------------------------------------------------- */

typedef struct source {
    const uint8_t *at, *end;
    bool is_wrong; /* something made no sense: all that follows is 0 */
    bool is_short; /* of memory */
} source;

static uint64_t left(const source *s)
{
    return (uint64_t)(s->end - s->at);
}

static bool is_good(const source *s)
{
    return !s->is_wrong && !s->is_short;
}

static inline uint64_t get(source *s)
{
    uint64_t number = 0;
    for (unsigned shift = 0; s->at < s->end && shift < 64; shift += 7) {
        uint8_t byte = *s->at++;
        if (shift == 63 && byte > 1)
            break;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
    s->is_wrong = true;
    s->at = s->end;
    return 0;
}

/* A number of at most `most`. */
static uint64_t get_bounded(source *s, uint64_t most)
{
    uint64_t number = get(s);
    s->is_wrong |= number > most;
    return number > most ? 0 : number;
}

/* How many of what has at least `bytes` each. */
static uint64_t get_count(source *s, unsigned bytes)
{
    return get_bounded(s, left(s) / bytes < UINT32_MAX / 2 ? left(s) / bytes : UINT32_MAX / 2);
}

/* Allocated, clean; NULL if the source is no longer good. */
static char *get_text(source *s)
{
    uint64_t length = get_bounded(s, TEXT_MAX);
    s->is_wrong |= length > left(s); /* behind the length itself */
    char *text = is_good(s) ? malloc(length + 1) : NULL;
    s->is_short |= is_good(s) && !text;
    if (!text)
        return NULL;
    memcpy(text, s->at, length);
    s->at += length;
    s->is_wrong |= memchr(text, '\0', length) != NULL;
    text[rhi__clean(text, length)] = '\0';
    return text;
}

static void get_name(source *s, char name[RHI_NAME_SIZE])
{
    char *text = get_text(s);
    name[0] = '\0';
    s->is_wrong |= text && strlen(text) >= RHI_NAME_SIZE;
    if (text && strlen(text) < RHI_NAME_SIZE)
        memcpy(name, text, strlen(text) + 1);
    free(text);
}

/* Makes room for one more item, and counts it: NULL if the source is no longer good. */
#define more(source_, array)                                                                       \
    (!is_good(source_) ? NULL                                                                      \
     : !rhi__array_reserve(array, 1)                                                               \
         ? ((source_)->is_short = true, NULL)                                                      \
         : memset(&(array)->items[(array)->count++], 0, sizeof *(array)->items))

static void get_heads(source *from, rhi_snapshot *s)
{
    s->process.random[0] = get(from);
    s->process.random[1] = get(from);
    s->process.pid = get(from);
    s->provisional = get_bounded(from, 1);
    s->notes.is_incomplete = get_bounded(from, 1);
    for (uint64_t n = get_count(from, 1); n > 0 && is_good(from); n--) {
        char *text = get_text(from);
        if (text)
            rhi__note(&s->notes, text);
        free(text);
    }
    rhi_snapshot_space *space;
    for (uint64_t n = get_count(from, 6); n > 0 && (space = more(from, &s->spaces)); n--) {
        get_name(from, space->format);
        space->nonce = get(from);
        space->pid = get(from);
        space->has_serials = get_bounded(from, 1);
        space->has_clock = get_bounded(from, 1);
        space->clock = get(from);
    }
    rhi_snapshot_heap *heap;
    for (uint64_t n = get_count(from, 5); n > 0 && (heap = more(from, &s->heaps)); n--) {
        heap->number = get(from);
        heap->space = (uint32_t)get_bounded(from, s->spaces.count - 1);
        heap->has_counters = get_bounded(from, 1);
        heap->next_serial = get(from);
        heap->freed = get(from);
        from->is_wrong |= s->spaces.count == 0;
    }
}

static void get_classes(source *from, rhi_snapshot *s)
{
    rhi_snapshot_type *type;
    for (uint64_t n = get_count(from, 3); n > 0 && (type = more(from, &s->types)); n--) {
        type->space = (uint32_t)get_bounded(from, s->spaces.count - 1);
        from->is_wrong |= s->spaces.count == 0;
        get_name(from, type->name);
        get_name(from, type->qualified);
    }
    rhi_snapshot_site *site;
    for (uint64_t n = get_count(from, 4); n > 0 && (site = more(from, &s->sites)); n--) {
        site->line = (uint32_t)get_bounded(from, UINT32_MAX);
        site->name_at = (uint32_t)get_bounded(from, TEXT_MAX);
        site->file = get_text(from);
        site->function = get_text(from);
        from->is_wrong |= site->file && site->name_at > strlen(site->file);
        if (site->function && !site->function[0]) {
            free(site->function);
            site->function = NULL;
        }
    }
    rhi_snapshot_class *c;
    for (uint64_t n = get_count(from, 4); n > 0 && (c = more(from, &s->classes)); n--) {
        c->heap = (uint32_t)get_bounded(from, s->heaps.count - 1);
        c->type = (uint32_t)get_bounded(from, s->types.count - 1);
        c->site = (uint32_t)get_bounded(from, s->sites.count) - 1; /* 0: RHI_NO_SITE */
        c->size = get(from);
        from->is_wrong |= s->heaps.count == 0 || s->types.count == 0;
        from->is_wrong |=
            is_good(from) && s->types.items[c->type].space != s->heaps.items[c->heap].space;
    }
}

/* Keys rise, and classes are of heaps of this space. */
static void get_rows(source *from, rhi_snapshot *s, uint32_t number)
{
    rhi_snapshot_space *space = &s->spaces.items[number];
    uint64_t key = 0;
    space->first = s->row_count;
    space->count = get_bounded(from, left(from) / 2);
    for (uint64_t i = 0; i < space->count && !from->is_wrong; i++) {
        uint64_t step = get(from), kind = get(from);
        if ((step == 0 && i > 0) || step > UINT64_MAX - key || kind >= s->classes.count ||
            s->heaps.items[s->classes.items[kind].heap].space != number) {
            from->is_wrong = true;
            return;
        }
        key += step;
        const rhi_snapshot_heap *heap = &s->heaps.items[s->classes.items[kind].heap];
        from->is_wrong |= heap->has_counters && key >= heap->next_serial;
        s->classes.items[kind].objects++;
        s->rows[s->row_count++] = (rhi_snapshot_row){.key = key, .kind = (uint32_t)kind};
    }
}

static rhi_error *wrong(const char *name)
{
    return rhi__error("%.300s makes no sense: it was changed since it was saved", name);
}

static rhi_error *check_header(const char *name, const uint8_t *bytes, uint64_t size)
{
    if (size >= AT_CHECKSUM && rhi__load32(bytes + AT_VERSION) != VERSION)
        return rhi__error("%.300s was saved by another version of refheap (its format is %" PRIu32
                          ", this one reads %d): save it again",
                          name, rhi__load32(bytes + AT_VERSION), VERSION);
    uint64_t there = size < HEADER_BYTES ? 0 : size - HEADER_BYTES;
    if (size < HEADER_BYTES || there < rhi__load64(bytes + AT_SIZE))
        return rhi__error("%.300s is cut off: not all that was saved is there", name);
    if (there > rhi__load64(bytes + AT_SIZE) ||
        checksum(bytes + AT_SIZE, size - AT_SIZE) != rhi__load32(bytes + AT_CHECKSUM))
        return rhi__error("%.300s was changed or damaged since it was saved: its checksum is "
                          "another",
                          name);
    return NULL;
}

bool rhi__is_snapshot(const void *head, size_t size)
{
    return size > 0 && memcmp(head, magic, size < sizeof magic ? size : sizeof magic) == 0;
}

rhi_error *rhi__snapshot_decode(const char *name, const uint8_t *bytes, uint64_t size,
                                rhi_snapshot **snapshot)
{
    RHI_TRY(check_header(name, bytes, size));
    source from = {.at = bytes + HEADER_BYTES, .end = bytes + size};
    rhi_snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return rhi__error_memory();
    s->saved_at = rhi__load64(bytes + AT_TIME);
    get_heads(&from, s);
    get_classes(&from, s);
    /* two bytes a row, at least */
    s->rows = is_good(&from) ? rhi__big_array(left(&from) / 2 + 1, sizeof *s->rows) : NULL;
    from.is_short |= is_good(&from) && !s->rows;
    for (uint32_t i = 0; i < s->spaces.count && is_good(&from); i++)
        get_rows(&from, s, i);
    from.is_wrong |= left(&from) > 0;
    if (!is_good(&from)) {
        rhi__snapshot_free(s);
        return from.is_short ? rhi__error_memory() : wrong(name);
    }
    *snapshot = s;
    return NULL;
}
