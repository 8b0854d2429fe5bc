/* values_dict.c - the dictionary: a dense vector of entries in the order of insertion, and a plain
 * table of entry numbers in which keys are found (open addressing, linear probing).
 *
 * Invariant, at every instruction: an entry below `entry_count` has key and value NULL (deleted) or
 * owned, and a grown vector is complete before it is published. Between operations: each entry that is
 * not deleted is named by exactly one cell of the index, on the probe path of its hash; at least one
 * cell is CELL_FREE, which ends every search; entries from entry_count to entry_capacity are zero. */
#include "values_internal.h"

#include <stdlib.h>

enum { CELL_FREE = 0, CELL_DELETED = 1, CELL_FIRST = 2 }; /* CELL_FIRST + n names entry n */

#define INDEX_SIZE_MIN 8
#define LENGTH_MAX ((size_t)1 << 30) /* keeps entry numbers within 32 bits, deleted entries included */
#define NOT_FOUND SIZE_MAX

static const rh_field dict_fields[] = {
    RH_STRONG_VECTOR_OF(rh_dict, entries, entry_count, rh_dict_entry, key),
    RH_STRONG_VECTOR_OF(rh_dict, entries, entry_count, rh_dict_entry, value),
    RH_UINT(rh_dict, length),
    RH_FIELDS_END
};

static void dispose(void *object)
{
    rh_dict *dict = object;
    rh_dict_entry *entries = dict->entries;
    uint32_t *index = dict->index;
    dict->entry_count = 0;
    dict->entries = NULL;
    dict->index = NULL;
    RH__ORDER();
    free(entries);
    free(index);
}

static rh_type dict_type = {
    .name = "dict", .size = sizeof(rh_dict), .fields = dict_fields, .dispose = dispose
};

rh_dict *rh_dict_new(rh_heap *heap)
{
    return rh_new(heap, &dict_type);
}

bool rh_is_dict(const void *object)
{
    return rh__has_type(object, &dict_type);
}

size_t rh_dict_length(const rh_dict *dict)
{
    return dict->length;
}

/* ---- the index ------------------------------------------------------------------------------------ */

/* What is searched: an object, or text that need not be in an object. */
typedef struct wanted {
    uint64_t hash;
    const void *object; /* NULL: bytes */
    const char *bytes;
    size_t length;
} wanted;

static bool matches(const rh_dict_entry *entry, const wanted *key)
{
    if (entry->hash != key->hash)
        return false;
    return key->object ? rh_equal(entry->key, key->object)
                       : rh__string_is(entry->key, key->bytes, key->length);
}

/* The cell that names the entry of this key, or NOT_FOUND. */
static size_t find_cell(const rh_dict *dict, const wanted *key)
{
    if (!dict->index_size)
        return NOT_FOUND;
    size_t mask = dict->index_size - 1;
    for (size_t cell = key->hash & mask;; cell = (cell + 1) & mask) {
        uint32_t content = dict->index[cell];
        if (content == CELL_FREE)
            return NOT_FOUND;
        if (content >= CELL_FIRST && matches(&dict->entries[content - CELL_FIRST], key))
            return cell;
    }
}

/* Makes the first free cell of the hash's probe path name entry n, which must not be in the index. */
static void index_add(uint32_t *index, size_t index_size, uint64_t hash, size_t n)
{
    size_t mask = index_size - 1;
    size_t cell = hash & mask;
    while (index[cell] >= CELL_FIRST)
        cell = (cell + 1) & mask;
    index[cell] = (uint32_t)(CELL_FIRST + n);
}

/* Entries that an index serves: two thirds, so that searches stay short and a free cell is left. */
static size_t entries_of(size_t index_size)
{
    return index_size / 3 * 2;
}

static size_t index_size_for(size_t length)
{
    size_t size = INDEX_SIZE_MIN;
    while (entries_of(size) < length + length / 2 + 1)
        size *= 2;
    return size;
}

/* Makes room for one more entry: a new vector without the deleted entries, and a new index. */
static bool rebuild(rh_dict *dict)
{
    size_t index_size = index_size_for(dict->length);
    size_t capacity = entries_of(index_size);
    /* The published count shrinks only after the new vector is published, so all entries below the
     * old count have to be there, if only as zeros. */
    if (capacity < dict->entry_count)
        capacity = dict->entry_count;
    rh_dict_entry *entries = calloc(capacity, sizeof *entries);
    uint32_t *index = calloc(index_size, sizeof *index);
    if (!entries || !index) {
        free(entries);
        free(index);
        return false;
    }
    size_t count = 0;
    for (size_t i = 0; i < dict->entry_count; i++) {
        if (!dict->entries[i].key)
            continue;
        entries[count] = dict->entries[i];
        index_add(index, index_size, entries[count].hash, count);
        count++;
    }
    rh_dict_entry *old_entries = dict->entries;
    uint32_t *old_index = dict->index;
    RH__ORDER();
    dict->entries = entries;
    RH__ORDER();
    dict->entry_count = count;
    dict->entry_capacity = entries_of(index_size);
    dict->index = index;
    dict->index_size = index_size;
    RH__ORDER();
    free(old_entries);
    free(old_index);
    return true;
}

/* ---- operations ------------------------------------------------------------------------------------ */

static wanted wanted_object(const void *key)
{
    return (wanted){ .hash = rh__value_hash(key), .object = key };
}

static void *get(const rh_dict *dict, const wanted *key)
{
    size_t cell = find_cell(dict, key);
    return cell == NOT_FOUND ? NULL : dict->entries[dict->index[cell] - CELL_FIRST].value;
}

void *rh_dict_get(const rh_dict *dict, const void *key)
{
    if (!key)
        return NULL;
    wanted object = wanted_object(key);
    return get(dict, &object);
}

void *rh_dict_get_text(const rh_dict *dict, const char *text)
{
    size_t length = strlen(text);
    wanted bytes = { .hash = rh__bytes_hash(text, length), .bytes = text, .length = length };
    return get(dict, &bytes);
}

bool rh_dict_set(rh_dict *dict, void *key, void *value)
{
    if (!key || !value)
        return false;
    wanted object = wanted_object(key);
    size_t cell = find_cell(dict, &object);
    if (cell != NOT_FOUND) {
        /* Nothing behind this: releasing the old value may run a finalizer that comes back here. */
        rh_set(&dict->entries[dict->index[cell] - CELL_FIRST].value, value);
        return true;
    }
    if (dict->length >= LENGTH_MAX || (dict->entry_count == dict->entry_capacity && !rebuild(dict)))
        return false;
    size_t n = dict->entry_count;
    rh_dict_entry *entry = &dict->entries[n];
    rh_retain(key);
    rh_retain(value);
    RH__ORDER();
    entry->hash = object.hash;
    entry->key = key;
    entry->value = value;
    RH__ORDER();
    dict->entry_count = n + 1;
    dict->length++;
    index_add(dict->index, dict->index_size, object.hash, n);
    RH__ORDER();
    return true;
}

bool rh_dict_delete(rh_dict *dict, const void *key)
{
    if (!key)
        return false;
    wanted object = wanted_object(key);
    size_t cell = find_cell(dict, &object);
    if (cell == NOT_FOUND)
        return false;
    rh_dict_entry *entry = &dict->entries[dict->index[cell] - CELL_FIRST];
    rh_object *old_key = entry->key;
    rh_object *old_value = entry->value;
    dict->index[cell] = CELL_DELETED;
    dict->length--;
    entry->hash = 0;
    entry->key = NULL;
    entry->value = NULL;
    RH__ORDER();
    /* Last: finalizers may come back to this dictionary. */
    rh_release(old_key);
    rh_release(old_value);
    return true;
}

bool rh_dict_next(const rh_dict *dict, size_t *position, void **key, void **value)
{
    for (size_t i = *position; i < dict->entry_count; i++) {
        const rh_dict_entry *entry = &dict->entries[i];
        if (!entry->key)
            continue;
        *position = i + 1;
        if (key)
            *key = entry->key;
        if (value)
            *value = entry->value;
        return true;
    }
    return false;
}
