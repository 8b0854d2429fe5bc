/* dictionary.c - numbers rows (see dictionary.h).
 * Invariant: a row is known again by all of its bytes, and not by their hash alone. */
#include "export/dictionary.h"
#include "base/array.h"

#include <string.h>

enum {
    KEPT_BYTES = 32 << 20,
    PROBES_MAX = 32 /* so that rows that were made to collide cost no more */
};

/* number: 0: nothing is here. at, size: of its key */
typedef struct rhi_dictionary_entry {
    uint32_t hash, at, size, number;
} entry;

rhi_error *rhi__dictionary_open(rhi_database *database, const char *sql, rhi_dictionary *d)
{
    *d = (rhi_dictionary){.database = database};
    return rhi__database_prepare(database, sql, &d->put);
}

void rhi__dictionary_free(rhi_dictionary *d)
{
    sqlite3_finalize(d->put);
    free(d->keys.items);
    free(d->key.items);
    free(d->entries);
}

static bool add_bytes(struct rhi_dictionary_bytes *to, const void *bytes, size_t size)
{
    if (!rhi__array_reserve(to, size))
        return false;
    if (size)
        memcpy(to->items + to->count, bytes, size);
    to->count += size;
    return true;
}

/* Two rows have the same key if and only if they are the same. */
static bool make_key(rhi_dictionary *d, const rhi_cell *values, unsigned count)
{
    d->key.count = 0;
    for (unsigned i = 0; i < count; i++) {
        const rhi_cell *value = &values[i];
        uint64_t size = value->kind == RHI_CELL_TEXT ? value->size : (uint64_t)value->integer;
        if (value->kind == RHI_CELL_REAL)
            memcpy(&size, &value->real, sizeof size);
        if (!add_bytes(&d->key, &value->kind, sizeof value->kind) ||
            !add_bytes(&d->key, &size, sizeof size) ||
            (value->kind == RHI_CELL_TEXT && !add_bytes(&d->key, value->text, value->size)))
            return false;
    }
    return true;
}

static uint32_t hash_of(const struct rhi_dictionary_bytes *key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < key->count; i++)
        hash = (hash ^ (unsigned char)key->items[i]) * 0x100000001b3u;
    return (uint32_t)(hash ^ hash >> 32);
}

/* The one of the key, or where it would be; NULL: it has no place. */
static entry *entry_of(const rhi_dictionary *d, uint32_t hash)
{
    for (uint64_t probe = 0; d->capacity && probe < PROBES_MAX; probe++) {
        entry *e = &d->entries[(hash + probe) & (d->capacity - 1)];
        if (!e->number || (e->hash == hash && e->size == d->key.count &&
                           memcmp(d->keys.items + e->at, d->key.items, d->key.count) == 0))
            return e;
    }
    return NULL;
}

static bool grow(rhi_dictionary *d)
{
    uint64_t before = d->capacity;
    entry *old = d->entries, *grown = calloc(before ? before * 2 : 1024, sizeof *grown);
    if (!grown)
        return false;
    d->entries = grown;
    d->capacity = before ? before * 2 : 1024;
    for (uint64_t i = 0; i < before; i++)
        for (uint64_t probe = 0; old[i].number && probe < PROBES_MAX; probe++) {
            entry *e = &grown[(old[i].hash + probe) & (d->capacity - 1)];
            if (!e->number) {
                *e = old[i];
                break;
            }
        }
    free(old);
    return true;
}

static rhi_error *keep(rhi_dictionary *d, uint32_t hash)
{
    if (d->keys.count + d->key.count > KEPT_BYTES || d->count > UINT32_MAX)
        return NULL;
    if (2 * (d->kept + 1) > d->capacity && !grow(d))
        return rhi__error_memory();
    entry *e = entry_of(d, hash);
    if (!e)
        return NULL;
    *e = (entry){hash, (uint32_t)d->keys.count, (uint32_t)d->key.count, (uint32_t)d->count};
    d->kept++;
    return add_bytes(&d->keys, d->key.items, d->key.count) ? NULL : rhi__error_memory();
}

rhi_error *rhi__dictionary_number(rhi_dictionary *d, const rhi_cell *values, unsigned count,
                                  int64_t *number)
{
    if (!make_key(d, values, count))
        return rhi__error_memory();
    uint32_t hash = hash_of(&d->key);
    const entry *known = entry_of(d, hash);
    if (known && known->number) {
        *number = known->number;
        return NULL;
    }
    *number = ++d->count;
    if (sqlite3_bind_int64(d->put, 1, *number) != SQLITE_OK)
        return rhi__error_memory();
    for (unsigned i = 0; i < count; i++)
        RHI_TRY(rhi__database_bind(d->database, d->put, (int)i + 2, &values[i]));
    RHI_TRY(rhi__database_put(d->database, d->put));
    return keep(d, hash);
}
