/* tables_check.c - are the tables of lists, dicts and sets as they must be (see checks.h)?
 *
 * Sizes, numbers of entries and indices of one table are held against each other, and the table
 * against the block that it lies in. What cannot be read is no fault.
 *
 * Invariant: an object in a thread's hands is not judged; of every other one all numbers agree in a
 * sound interpreter. */
#include "readers/cpython/checks.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    /* lists */
    LIST_ITEMS = 24,
    LIST_ALLOCATED = 32,
    /* dicts */
    DICT_USED = 16,
    DICT_KEYS = 32,
    DICT_VALUES = 40,
    /* their keys, from 3.11 on */
    KEYS_LOG2 = 8,
    KEYS_LOG2_BYTES = 9,
    KEYS_KIND = 10,
    KEYS_USABLE = 16,
    KEYS_ENTRIES = 24,
    KEYS_BYTES = 32,
    KIND_GENERAL = 0,
    KIND_MAX = 2,
    /* and before */
    OLD_KEYS_SIZE = 8,
    OLD_KEYS_USABLE = 24,
    OLD_KEYS_ENTRIES = 32,
    OLD_KEYS_BYTES = 40,
    PLACES_LOG2_MAX = 40,
    GENERAL_BYTES = 24, /* of an entry: hash, key, value */
    UNICODE_BYTES = 16, /* key, value */
    /* sets */
    SET_FILL = 16,
    SET_USED = 24,
    SET_MASK = 32,
    SET_TABLE = 40,
    SET_SMALL = 64, /* the table inside of the object */
    SET_ENTRY = 16,
    SET_SMALL_PLACES = 8
};

typedef struct judged {
    py_checker *c;
    const rhi_object *object;
} judged;

#define FIND(j, kind, ...)                                                                         \
    (j)->c->check->found((j)->c->check, kind, (j)->object->heap, (j)->object->address,             \
                         (j)->object, __VA_ARGS__)

/* ---- memory of a table ---------------------------------------------------------------------- */

/* At most PY_PIECE_BYTES; NULL: they cannot be read. Most tables are small: see pages.c. */
static const uint8_t *read_piece(py_checker *c, uint64_t address, uint64_t size)
{
    return rhi__py_read(c->py, address, c->piece, size) == size ? c->piece : NULL;
}

/* Is the memory that the object has for its table the table's? Else tells why not. */
static bool has_memory(const judged *j, const char *what, uint64_t address, uint64_t size)
{
    py_piece piece;
    rhi__py_piece_at(j->c, address, &piece);
    if (piece.use == PY_USE_FREE)
        FIND(j, RHI_FOUND_BAD_TABLE, "its %s at 0x%" PRIx64 " lie in a freed block", what, address);
    else if (piece.use == PY_USE_OBJECT && address != j->object->address + SET_SMALL)
        FIND(j, RHI_FOUND_BAD_TABLE, "its %s at 0x%" PRIx64 " lie where another object is", what,
             address);
    else if (piece.use == PY_USE_RAW && address != piece.start)
        FIND(j, RHI_FOUND_BAD_TABLE,
             "its %s at 0x%" PRIx64 " begin %" PRIu64 " bytes behind the beginning of a block",
             what, address, address - piece.start);
    else if (piece.use == PY_USE_RAW && size > piece.size)
        FIND(j, RHI_FOUND_BAD_SIZE,
             "its %s at 0x%" PRIx64 " take %" PRIu64
             " bytes by its numbers, their block has %" PRIu64,
             what, address, size, piece.size);
    else if (piece.use == PY_USE_ELSEWHERE && j->c->py->memory->map.regions.count &&
             (!rhi__memory_region(j->c->py->memory, address) || !rhi__range_ok(address, size) ||
              (size && !rhi__memory_region(j->c->py->memory, address + size - 1))))
        FIND(j, RHI_FOUND_BAD_TABLE,
             "its %s take %" PRIu64 " bytes at 0x%" PRIx64 ": not all of that memory is mapped",
             what, size, address);
    else
        return true;
    return false;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static void check_list(const judged *j, const uint8_t *body)
{
    int64_t count = (int64_t)rhi__load64(body + PY_OB_SIZE),
            allocated = (int64_t)rhi__load64(body + LIST_ALLOCATED);
    uint64_t items = rhi__load64(body + LIST_ITEMS);
    bool is_sorted_now = allocated == -1 && count == 0;
    if (is_sorted_now || (count == 0 && items == 0))
        return;
    if (count < 0 || count > allocated || allocated > INT64_MAX / 8)
        FIND(j, RHI_FOUND_BAD_SIZE, "it claims %" PRId64 " items, and room for %" PRId64, count,
             allocated);
    else if (items == 0)
        FIND(j, RHI_FOUND_BAD_TABLE, "it claims %" PRId64 " items, and has no memory for them",
             count);
    else
        has_memory(j, "items", items, (uint64_t)allocated * 8);
}

/* ---- dicts ---------------------------------------------------------------------------------- */

typedef struct keys {
    uint64_t address, indices, entries, count, usable;
    unsigned log2, index_bytes, entry_bytes;
} keys;

static unsigned index_bytes_for(unsigned log2)
{
    return log2 < 8 ? 1 : log2 < 16 ? 2 : log2 < 32 ? 4 : 8;
}

/* Two thirds of the places. */
static uint64_t most_entries(const keys *k)
{
    return (2ull << k->log2) / 3;
}

/* What is wrong with the head of the keys; NULL: nothing. */
static const char *new_head(const uint8_t *bytes, keys *k)
{
    uint8_t log2_bytes = bytes[KEYS_LOG2_BYTES], kind = bytes[KEYS_KIND];
    k->log2 = bytes[KEYS_LOG2];
    if (k->log2 > PLACES_LOG2_MAX)
        return "it claims more places than there can be";
    k->index_bytes = index_bytes_for(k->log2);
    if (k->log2 && 1ull << log2_bytes % 64 != (uint64_t)k->index_bytes << k->log2)
        return "the size of its indices does not fit the number of its places";
    if (kind > KIND_MAX)
        return "it is of no kind that there is";
    k->entry_bytes = kind == KIND_GENERAL ? GENERAL_BYTES : UNICODE_BYTES;
    k->usable = rhi__load64(bytes + KEYS_USABLE);
    k->count = rhi__load64(bytes + KEYS_ENTRIES);
    k->indices = k->address + KEYS_BYTES;
    return NULL;
}

static const char *old_head(const uint8_t *bytes, keys *k)
{
    uint64_t places = rhi__load64(bytes + OLD_KEYS_SIZE);
    if (places == 0 || (places & (places - 1)) || places >> PLACES_LOG2_MAX)
        return "the number of its places is no power of two that there can be";
    k->log2 = (unsigned)__builtin_ctzll(places);
    k->index_bytes = index_bytes_for(k->log2);
    k->entry_bytes = GENERAL_BYTES;
    k->usable = rhi__load64(bytes + OLD_KEYS_USABLE);
    k->count = rhi__load64(bytes + OLD_KEYS_ENTRIES);
    k->indices = k->address + OLD_KEYS_BYTES;
    return NULL;
}

/* False: it cannot be read, or was told. */
static bool read_head(const judged *j, keys *k)
{
    py_runtime *py = j->c->py;
    uint8_t bytes[OLD_KEYS_BYTES];
    if (rhi__py_read(py, k->address, bytes, sizeof bytes) != sizeof bytes) {
        has_memory(j, "entries", k->address, sizeof bytes);
        return false;
    }
    const char *wrong = py->minor >= 11 ? new_head(bytes, k) : old_head(bytes, k);
    if (!wrong && k->log2 && (k->count > most_entries(k) || k->usable > most_entries(k) - k->count))
        wrong = "it claims more entries than it has room for";
    if (wrong)
        FIND(j, RHI_FOUND_BAD_TABLE, "its table at 0x%" PRIx64 " makes no sense: %s", k->address,
             wrong);
    k->entries = k->indices + ((uint64_t)k->index_bytes << k->log2);
    return !wrong;
}

/* Entries with a value; UINT64_MAX: they cannot all be read. */
static uint64_t count_values(py_checker *c, const keys *k)
{
    uint64_t values = 0, step = PY_PIECE_BYTES / k->entry_bytes;
    for (uint64_t first = 0; first < k->count; first += step) {
        uint64_t count = k->count - first < step ? k->count - first : step;
        const uint8_t *bytes =
            read_piece(c, k->entries + first * k->entry_bytes, count * k->entry_bytes);
        if (!bytes)
            return UINT64_MAX;
        for (uint64_t i = 0; i < count; i++)
            values += rhi__load64(bytes + (i + 1) * k->entry_bytes - 8) != 0;
    }
    return values;
}

/* Places that lead to entries; UINT64_MAX: not all can be read, or one leads to no entry, which is
 * told. */
static uint64_t count_indices(const judged *j, const keys *k)
{
    uint64_t used = 0, places = 1ull << k->log2, step = PY_PIECE_BYTES / k->index_bytes;
    for (uint64_t first = 0; first < places; first += step) {
        uint64_t count = places - first < step ? places - first : step;
        const uint8_t *bytes =
            read_piece(j->c, k->indices + first * k->index_bytes, count * k->index_bytes);
        if (!bytes)
            return UINT64_MAX;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t index = rhi__load(bytes + i * k->index_bytes, k->index_bytes),
                     free_from = UINT64_MAX >> (64 - 8 * k->index_bytes);
            if (index >= free_from - 1) /* empty, or deleted */
                continue;
            if (index >= k->count) {
                FIND(j, RHI_FOUND_BAD_TABLE,
                     "place %" PRIu64 " of its table at 0x%" PRIx64 " leads to entry %" PRIu64
                     ", and it has %" PRIu64,
                     first + i, k->address, index, k->count);
                return UINT64_MAX;
            }
            used++;
        }
    }
    return used;
}

static void check_dict(const judged *j, const uint8_t *body)
{
    uint64_t used = rhi__load64(body + DICT_USED), values = rhi__load64(body + DICT_VALUES);
    keys k = {.address = rhi__load64(body + DICT_KEYS)};
    if (!k.address || !read_head(j, &k))
        return;
    if (k.log2 == 0 && used) /* the table that all empty dicts share */
        FIND(j, RHI_FOUND_BAD_TABLE,
             "it says that it has %" PRIu64 " entries, its table at 0x%" PRIx64
             " has room for none",
             used, k.address);
    if (k.log2 == 0 || !has_memory(j, "entries", k.address,
                                   k.entries + most_entries(&k) * k.entry_bytes - k.address))
        return;
    if (values) {
        if (used > k.count)
            FIND(j, RHI_FOUND_BAD_TABLE,
                 "it says that it has %" PRIu64 " attributes, its table has names for %" PRIu64,
                 used, k.count);
        return;
    }
    uint64_t found = count_values(j->c, &k);
    if (found != UINT64_MAX && found != used) {
        FIND(j, RHI_FOUND_BAD_TABLE,
             "it says that it has %" PRIu64 " entries, its table at 0x%" PRIx64 " has %" PRIu64,
             used, k.address, found);
        return;
    }
    found = count_indices(j, &k);
    if (found != UINT64_MAX && found != used)
        FIND(j, RHI_FOUND_BAD_TABLE,
             "it has %" PRIu64 " entries, but %" PRIu64 " places of its table at 0x%" PRIx64
             " lead to them",
             used, found, k.address);
}

/* ---- sets ----------------------------------------------------------------------------------- */

/* Places with something in them, and with an element. False: they cannot all be read. */
static bool count_places(py_checker *c, uint64_t table, uint64_t places, uint64_t *fill,
                         uint64_t *used)
{
    enum { STEP = PY_PIECE_BYTES / SET_ENTRY };
    *fill = *used = 0;
    for (uint64_t first = 0; first < places; first += STEP) {
        uint64_t count = places - first < STEP ? places - first : STEP;
        const uint8_t *bytes = read_piece(c, table + first * SET_ENTRY, count * SET_ENTRY);
        if (!bytes)
            return false;
        for (uint64_t i = 0; i < count; i++) {
            bool is_taken = rhi__load64(bytes + i * SET_ENTRY) != 0;
            *fill += is_taken;
            *used += is_taken && rhi__load64(bytes + i * SET_ENTRY + 8) != UINT64_MAX;
        }
    }
    return true;
}

static void check_set(const judged *j, const uint8_t *body)
{
    uint64_t fill = rhi__load64(body + SET_FILL), used = rhi__load64(body + SET_USED),
             mask = rhi__load64(body + SET_MASK), table = rhi__load64(body + SET_TABLE), in_fill,
             in_use;
    if (!table)
        return;
    if ((mask & (mask + 1)) || mask >> PLACES_LOG2_MAX || mask + 1 < SET_SMALL_PLACES) {
        FIND(j, RHI_FOUND_BAD_TABLE, "it claims to have 0x%" PRIx64 " places, less one", mask);
        return;
    }
    if (!has_memory(j, "elements", table, (mask + 1) * SET_ENTRY) ||
        !count_places(j->c, table, mask + 1, &in_fill, &in_use))
        return;
    if (in_fill != fill || in_use != used)
        FIND(j, RHI_FOUND_BAD_TABLE,
             "it says that it has %" PRIu64 " elements in %" PRIu64
             " places, its table at 0x%" PRIx64 " has %" PRIu64 " in %" PRIu64,
             used, fill, table, in_use, in_fill);
}

/* ---- all of them ---------------------------------------------------------------------------- */

void rhi__py_check_table(py_checker *c, const py_type *type, const rhi_object *object,
                         const uint8_t *body, uint64_t size)
{
    const judged j = {.c = c, .object = object};
    if (rhi__py_in_hand(c->py, object->address))
        return;
    if (type->layout == PY_LIST && size >= LIST_ALLOCATED + 8)
        check_list(&j, body);
    else if (type->layout == PY_SET && size >= SET_TABLE + 8)
        check_set(&j, body);
    else if (py_has_entries(type) && size >= DICT_VALUES + 8)
        check_dict(&j, body);
}
