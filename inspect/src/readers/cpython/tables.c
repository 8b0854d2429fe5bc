/* tables.c - the tables of dicts, lists and sets, and the values of instances (see views.h).
 *
 * Most objects with references are here. Each table is read in a few pieces; what it claims to have
 * is believed as far as memory has it, and no further than rhi__take_room allows. */
#include "readers/cpython/views.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    DICT_KEYS = 32,
    DICT_VALUES = 40,
    LIST_ITEMS = 24,
    LIST_ALLOCATED = 32,
    SET_MASK = 32,
    SET_TABLE = 40,
    SET_SMALL = 64,
    SET_SMALL_BYTES = 128,
    SET_ENTRY = 16,
    KEYS_HEADER = 40, /* the longest of all versions */
    WIDE_ENTRY = 24,  /* {hash, key, value} */
    NARROW_ENTRY = 16 /* {key, value} */
};

/* What a table claims and memory does not have. */
static void say_unreadable(const py_visit *v, uint64_t at)
{
    rhi__reader_problem(v->reader,
                        "%s@0x%" PRIx64 ": its table cannot be read at 0x%" PRIx64
                        ": what is there is left out",
                        rhi__type_name(v->reader, v->object->type), v->object->address, at);
}

/* ---- tables of dicts ------------------------------------------------------------------------ */

/* 3.9, 3.10: {dk_refcnt, dk_size, dk_lookup, dk_usable, dk_nentries, indices} */
static bool open_old(const uint8_t *header, uint64_t keys, py_table *table)
{
    uint64_t size = rhi__load64(header + 8), count = rhi__load64(header + 32);
    uint64_t width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffff ? 4 : 8;
    if (size == 0 || size >> PY_TABLE_MAX_LOG2 || count > size)
        return false;
    *table = (py_table){.keys = keys,
                        .entries = keys + 40 + size * width,
                        .count = count,
                        .bytes = 40 + size * width + (size * 2 / 3) * WIDE_ENTRY,
                        .stride = WIDE_ENTRY,
                        .key_at = 8,
                        .value_at = 16};
    return true;
}

/* From 3.11 on: {dk_refcnt, u8 log2_size, u8 log2_index_bytes, u8 kind, usable, nentries, indices};
 * entries of tables with keys of any kind have the hash, too. */
static bool open_new(const uint8_t *header, uint64_t keys, py_table *table)
{
    unsigned log2_size = header[8], log2_index = header[9], kind = header[10];
    uint64_t usable = rhi__load64(header + 16), count = rhi__load64(header + 24);
    if (log2_size > PY_TABLE_MAX_LOG2 || log2_index > PY_TABLE_MAX_LOG2 + 3 || kind > 2 ||
        count > 1ull << log2_size || usable > 1ull << log2_size)
        return false;
    uint32_t stride = kind == 0 ? WIDE_ENTRY : NARROW_ENTRY;
    *table = (py_table){.keys = keys,
                        .entries = keys + 32 + (1ull << log2_index),
                        .count = count,
                        .bytes = 32 + (1ull << log2_index) + (usable + count) * stride,
                        .stride = stride,
                        .key_at = kind == 0 ? 8 : 0,
                        .value_at = kind == 0 ? 16 : 8};
    return true;
}

static bool read_table(py_runtime *py, uint64_t keys, py_table *table)
{
    uint8_t header[KEYS_HEADER];
    return keys && keys % 8 == 0 &&
           rhi__py_read(py, keys, header, sizeof header) == sizeof header &&
           (py->minor < 11 ? open_old : open_new)(header, keys, table) &&
           rhi__range_ok(keys, table->bytes);
}

bool rhi__py_table_open(py_runtime *py, uint64_t keys, uint64_t values, py_table *table)
{
    if (py->views)
        rhi__py_forget_read(py);
    if (py->views && keys && py->views->table.keys == keys)
        *table = py->views->table;
    else if (!read_table(py, keys, table))
        return false;
    else if (py->views)
        py->views->table = *table;
    /* 3.13: {u8 capacity, size, embedded, valid} in front of the values */
    table->values = values && py->minor >= 13 ? values + 8 : values;
    return true;
}

bool rhi__py_is_smallest_table(const py_runtime *py, const uint8_t *bytes, uint64_t size)
{
    enum { SMALLEST = 8, USABLE = 5 };
    py_table table;
    if (size < KEYS_HEADER || !(py->minor < 11 ? open_old : open_new)(bytes, 0, &table) ||
        table.bytes > size)
        return false;
    bool is_smallest = py->minor < 11 ? rhi__load64(bytes + 8) == SMALLEST
                                      : 1u << bytes[8] == SMALLEST && bytes[9] == bytes[8];
    return is_smallest && rhi__load64(bytes + (py->minor < 11 ? 24 : 16)) + table.count == USABLE;
}

/* Some entries of a table, copied. */
typedef struct py_piece {
    uint64_t first, count;
    union {
        uint8_t entries[PY_CHUNK_BYTES];
        struct {
            uint8_t keys[PY_CHUNK_BYTES / 3 * 2], values[PY_CHUNK_BYTES / 3];
        } split;
    };
} py_piece;

/* Reads the entries from `first` on; their number, 0 at the end, or if they cannot be read. */
static uint64_t read_piece(py_runtime *py, const py_table *table, uint64_t first, py_piece *piece)
{
    uint64_t room =
        (table->values ? sizeof piece->split.keys : sizeof piece->entries) / table->stride;
    if (table->values && room > sizeof piece->split.values / 8)
        room = sizeof piece->split.values / 8;
    uint64_t count = table->count - first < room ? table->count - first : room;
    uint64_t got = rhi__py_read(py, table->entries + first * table->stride, piece->entries,
                                count * table->stride) /
                   table->stride;
    piece->first = first;
    piece->count = got;
    if (table->values && got) {
        uint64_t values = rhi__py_read(py, table->values + first * 8, piece->split.values, got * 8);
        piece->count = values / 8;
    }
    return piece->count;
}

static py_entry entry_of(const py_table *table, const py_piece *piece, uint64_t i)
{
    const uint8_t *entry = piece->entries + i * table->stride;
    uint64_t at = table->entries + (piece->first + i) * table->stride;
    bool is_split = table->values != 0;
    return (py_entry){.key = rhi__load64(entry + table->key_at),
                      .value = is_split ? rhi__load64(piece->split.values + i * 8)
                                        : rhi__load64(entry + table->value_at),
                      .key_slot = at + table->key_at,
                      .value_slot =
                          is_split ? table->values + (piece->first + i) * 8 : at + table->value_at,
                      .owns_key = !is_split,
                      .owns_value = true};
}

/* ---- who owns keys -------------------------------------------------------------------------- */

static struct py_owner *owner_of(const py_views *views, uint64_t keys)
{
    uint64_t mask = views->owners.capacity - 1, i = (keys * 0x9E3779B97F4A7C15ull) >> 32 & mask;
    while (views->owners.items[i].keys && views->owners.items[i].keys != keys)
        i = (i + 1) & mask;
    return &views->owners.items[i];
}

/* Room for one more; false if memory is short. */
static bool reserve_owner(py_views *views)
{
    if (views->owners.capacity && views->owners.count < views->owners.capacity / 2)
        return true;
    struct py_owner *old = views->owners.items;
    uint64_t capacity = views->owners.capacity, grown = capacity ? capacity * 2 : 1024;
    struct py_owner *items = calloc(grown, sizeof *items);
    if (!items)
        return false;
    views->owners.items = items;
    views->owners.capacity = grown;
    for (uint64_t i = 0; i < capacity; i++)
        if (old[i].keys)
            *owner_of(views, old[i].keys) = old[i];
    free(old);
    return true;
}

/* replaces: whoever was said to own it before. */
static uint64_t set_owner(py_views *views, uint64_t keys, uint64_t owner, bool replaces)
{
    if (!reserve_owner(views))
        return 0;
    struct py_owner *place = owner_of(views, keys);
    views->owners.count += place->keys == 0;
    if (place->keys == 0 || replaces)
        *place = (struct py_owner){keys, owner};
    return place->owner;
}

bool rhi__py_owns_keys(const py_visit *v, uint64_t keys)
{
    py_views *views = v->views;
    for (; views->types_seen < v->py->types.count; views->types_seen++) {
        const py_type *type = &v->py->types.items[views->types_seen];
        if (type->cached_keys)
            set_owner(views, type->cached_keys, type->address, true);
    }
    return set_owner(views, keys, v->object->address, false) == v->object->address;
}

/* ---- dicts ---------------------------------------------------------------------------------- */

/* Does the dict own what it shows? One that shows the values that lie in an object does not. */
static bool owns_nothing(py_runtime *py, uint64_t values)
{
    uint8_t head[4];
    return values && py->minor >= 13 &&
           rhi__py_read(py, values, head, sizeof head) == sizeof head && head[2] != 0;
}

static bool take_piece(const py_visit *v, const py_table *table, const py_piece *piece)
{
    return rhi__take_room(v->reader, piece->count * table->stride + 32);
}

static bool give_entries(const py_visit *v, const py_table *table, const py_piece *piece,
                         bool owns_keys, bool is_interned)
{
    for (uint64_t i = 0; i < piece->count; i++) {
        py_entry entry = entry_of(table, piece, i);
        if (entry.value && !py_label(v, is_interned ? PY_LABEL_INTERNED : PY_LABEL_VALUE,
                                     entry.value_slot, entry.value, entry.key))
            return false;
        if (owns_keys && (entry.value || table->values) &&
            !py_label(v,
                      is_interned   ? PY_LABEL_INTERNED
                      : entry.value ? PY_LABEL_KEY
                                    : PY_LABEL_SHARED_KEY,
                      entry.key_slot, entry.key, entry.key))
            return false;
    }
    return true;
}

bool rhi__py_dict_slots(const py_visit *v, bool is_interned)
{
    py_table table;
    py_piece piece;
    uint64_t keys = py_word(v, DICT_KEYS), values = py_word(v, DICT_VALUES);
    if (owns_nothing(v->py, values))
        return true;
    if (!rhi__py_table_open(v->py, keys, values, &table)) {
        if (keys)
            say_unreadable(v, keys);
        return true;
    }
    bool owns_keys = !values || rhi__py_owns_keys(v, keys);
    for (uint64_t done = 0; done < table.count; done += piece.count) {
        if (read_piece(v->py, &table, done, &piece) == 0) {
            say_unreadable(v, table.entries + done * table.stride);
            break;
        }
        if (!take_piece(v, &table, &piece))
            break;
        if (!give_entries(v, &table, &piece, owns_keys, is_interned))
            return false;
    }
    return true;
}

bool rhi__py_shared_key_slots(const py_visit *v, uint64_t keys)
{
    py_table table;
    py_piece piece;
    if (keys == 0 || !rhi__py_owns_keys(v, keys) || !rhi__py_table_open(v->py, keys, 0, &table))
        return true;
    for (uint64_t done = 0; done < table.count; done += piece.count) {
        if (read_piece(v->py, &table, done, &piece) == 0 || !take_piece(v, &table, &piece))
            break;
        for (uint64_t i = 0; i < piece.count; i++) {
            py_entry entry = entry_of(&table, &piece, i);
            if (!py_label(v, PY_LABEL_SHARED_KEY, entry.key_slot, entry.key, entry.key))
                return false;
        }
    }
    return true;
}

bool rhi__py_value_slots(const py_visit *v, uint64_t values, uint64_t most, bool is_inside)
{
    py_table table;
    py_piece piece;
    if (values % 8 || !rhi__py_table_open(v->py, v->type->cached_keys, 0, &table))
        return true;
    table.values = values;
    table.count = table.count < most ? table.count : most;
    enum py_label label = is_inside ? PY_LABEL_INNER_ATTRIBUTE : PY_LABEL_ATTRIBUTE;
    for (uint64_t done = 0; done < table.count; done += piece.count) {
        if (read_piece(v->py, &table, done, &piece) == 0) {
            say_unreadable(v, values + done * 8);
            break;
        }
        if (!take_piece(v, &table, &piece))
            break;
        for (uint64_t i = 0; i < piece.count; i++) {
            py_entry entry = entry_of(&table, &piece, i);
            if (!py_label(v, label, entry.value_slot, entry.value, entry.key))
                return false;
        }
    }
    return true;
}

bool rhi__py_each_entry(py_runtime *py, uint64_t dict, py_entry_visitor visit, void *context)
{
    uint8_t body[DICT_VALUES + 8];
    py_table table;
    py_piece piece;
    if (rhi__py_read(py, dict, body, sizeof body) != sizeof body)
        return true;
    uint64_t values = rhi__load64(body + DICT_VALUES);
    bool is_shown = owns_nothing(py, values);
    if (!rhi__py_table_open(py, rhi__load64(body + DICT_KEYS), values, &table))
        return true;
    for (uint64_t done = 0; done < table.count && read_piece(py, &table, done, &piece);
         done += piece.count)
        for (uint64_t i = 0; i < piece.count; i++) {
            py_entry entry = entry_of(&table, &piece, i);
            entry.owns_value = !is_shown;
            if (entry.key && entry.value && !visit(context, &entry))
                return false;
        }
    return true;
}

/* ---- lists and sets ------------------------------------------------------------------------- */

/* `count` words at `first`, each a slot with its number. */
static bool give_words(const py_visit *v, enum py_label label, uint64_t first, uint64_t count)
{
    uint8_t words[PY_CHUNK_BYTES];
    for (uint64_t done = 0; done < count;) {
        uint64_t step = count - done < sizeof words / 8 ? count - done : sizeof words / 8;
        uint64_t got = rhi__py_read(v->py, first + done * 8, words, step * 8) / 8;
        if (!rhi__take_room(v->reader, got * 8 + 32))
            return true;
        for (uint64_t i = 0; i < got; i++)
            if (!py_label(v, label, first + (done + i) * 8, rhi__load64(words + i * 8), done + i))
                return false;
        done += got;
        if (got < step) {
            say_unreadable(v, first + done * 8);
            return true;
        }
    }
    return true;
}

bool rhi__py_list_slots(const py_visit *v)
{
    uint64_t count = py_word(v, PY_OB_SIZE), items = py_word(v, LIST_ITEMS),
             room = py_word(v, LIST_ALLOCATED);
    count = count < room ? count : room; /* while it grows, or it is damaged */
    if (count == 0 || items == 0)
        return true;
    if (items % 8 || count >> PY_TABLE_MAX_LOG2 || !rhi__range_ok(items, count * 8)) {
        say_unreadable(v, items);
        return true;
    }
    return give_words(v, PY_LABEL_ITEM, items, count);
}

/* Where a set's table is; false: it makes no sense. */
static bool set_table(const py_visit *v, uint64_t *table, uint64_t *count, bool *is_inside)
{
    uint64_t mask = py_word(v, SET_MASK);
    *table = py_word(v, SET_TABLE);
    *count = mask + 1;
    *is_inside = *table == v->object->address + SET_SMALL;
    return *table % 8 == 0 && mask >> PY_TABLE_MAX_LOG2 == 0 && (mask & (mask + 1)) == 0 &&
           rhi__range_ok(*table, *count * SET_ENTRY) &&
           (!*is_inside || *count * SET_ENTRY <= SET_SMALL_BYTES);
}

bool rhi__py_set_slots(const py_visit *v)
{
    uint8_t entries[PY_CHUNK_BYTES];
    uint64_t table, count;
    bool is_inside;
    if (!set_table(v, &table, &count, &is_inside)) {
        say_unreadable(v, table);
        return true;
    }
    enum py_label label = is_inside ? PY_LABEL_INNER_ELEMENT : PY_LABEL_ELEMENT;
    for (uint64_t done = 0, step, got; done < count && table; done += got) {
        step =
            count - done < sizeof entries / SET_ENTRY ? count - done : sizeof entries / SET_ENTRY;
        got = rhi__py_read(v->py, table + done * SET_ENTRY, entries, step * SET_ENTRY) / SET_ENTRY;
        if (got == 0)
            say_unreadable(v, table + done * SET_ENTRY);
        if (got == 0 || !rhi__take_room(v->reader, got * SET_ENTRY + 32))
            break;
        for (uint64_t i = 0; i < got; i++) {
            uint64_t key = rhi__load64(entries + i * SET_ENTRY);
            bool is_deleted = rhi__load64(entries + i * SET_ENTRY + 8) == UINT64_MAX;
            if (!is_deleted && !py_label(v, label, table + (done + i) * SET_ENTRY, key, key))
                return false;
        }
    }
    return true;
}

/* ---- their memory --------------------------------------------------------------------------- */

static rhi_error *dict_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    py_table table;
    uint64_t keys = py_word(v, DICT_KEYS), values = py_word(v, DICT_VALUES);
    if (owns_nothing(v->py, values) || !rhi__py_table_open(v->py, keys, values, &table))
        return NULL;
    if (table.values && table.count)
        RHI_TRY(visit(context, table.values, table.count, 8));
    return table.values && !rhi__py_owns_keys(v, keys) ? NULL
                                                       : visit(context, keys, table.bytes / 8, 8);
}

rhi_error *rhi__py_table_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    uint64_t first = py_word(v, LIST_ITEMS), count = py_word(v, LIST_ALLOCATED);
    bool is_inside = false;
    switch (v->type->layout) {
    case PY_LIST:
        break;
    case PY_SET:
        if (!set_table(v, &first, &count, &is_inside))
            return NULL;
        count *= SET_ENTRY / 8;
        break;
    default:
        return dict_spans(v, visit, context);
    }
    return is_inside || first == 0 || count == 0 || first % 8 || count >> PY_TABLE_MAX_LOG2 ||
                   !rhi__range_ok(first, count * 8)
               ? NULL
               : visit(context, first, count, 8);
}
