/* values_dict.c - the dictionary: a dense vector of entries in the order of insertion, and a
 * plain table of entry numbers in which keys are found (open addressing, linear probing).
 *
 * Invariant, at every instruction: an entry below `entry_count` has key and value NULL (deleted)
 * or owned, and a grown vector is complete before it is published. Between operations: each entry
 * that is not deleted is named by exactly one cell of the index, on the probe path of its hash;
 * at least one cell is CELL_FREE, which ends every search; entries from entry_count to
 * entry_capacity are zero. */
#include "values_internal.h"

#include <stdlib.h>

enum { CELL_FREE = 0, CELL_DELETED = 1, CELL_FIRST = 2 }; /* CELL_FIRST + n names entry n */

#define INDEX_SIZE_MIN 8
/* keeps entry numbers within 32 bits, deleted entries included */
#define LENGTH_MAX ((size_t)1 << 30)
#define NOT_FOUND SIZE_MAX

static const rh_field dict_fields[] = {
    RH_STRONG_VECTOR_OF(rh_dict, entries, entry_count, rh_dict_entry, key),
    RH_STRONG_VECTOR_OF(rh_dict, entries, entry_count, rh_dict_entry, value),
    RH_UINT(rh_dict, length), RH_FIELDS_END};

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
    .name = "dict", .size = sizeof(rh_dict), .fields = dict_fields, .dispose = dispose};

rh_dict *rh_dict_new_at(rh_heap *heap, rh_site *site)
{
    RH__ENTER(heap);
    return rh_new_at(heap, &dict_type, site);
}

bool rh_is_dict(const void *object)
{
    return rh__has_type(object, &dict_type);
}

size_t rh_dict_length(const rh_dict *dict)
{
    return dict->length;
}

/* ---- the index ------------------------------------------------------------------------------ */

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
    return key->object ? rh__equal_keys(entry->key, key->object)
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

/* Makes the first free cell of the hash's probe path name entry n, which must not be in the index.
 */
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

/* For the entries that there are and so many more, or half as many again. */
static size_t index_size_for(size_t length, size_t extra)
{
    size_t size = INDEX_SIZE_MIN, half = length / 2 + 1;
    while (entries_of(size) < length + (extra > half ? extra : half))
        size *= 2;
    return size;
}

/* Makes room for more entries: a new vector without the deleted entries, and a new index. */
static bool rebuild(rh_dict *dict, size_t extra)
{
    size_t index_size = index_size_for(dict->length, extra);
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

/* ---- operations ----------------------------------------------------------------------------- */

/* False: the object cannot be a key. */
static bool wanted_object(const void *key, wanted *result)
{
    *result = (wanted){.object = key};
    return rh_hash(key, &result->hash);
}

static wanted wanted_text(const char *text)
{
    size_t length = strlen(text);
    return (wanted){.hash = rh__bytes_hash(text, length), .bytes = text, .length = length};
}

/* The entry of this key, or NULL. */
static rh_dict_entry *find(const rh_dict *dict, const wanted *key)
{
    size_t cell = find_cell(dict, key);
    return cell == NOT_FOUND ? NULL : &dict->entries[dict->index[cell] - CELL_FIRST];
}

void *rh_dict_get(const rh_dict *dict, const void *key)
{
    wanted object;
    rh_dict_entry *entry = wanted_object(key, &object) ? find(dict, &object) : NULL;
    return entry ? entry->value : NULL;
}

void *rh_dict_get_text(const rh_dict *dict, const char *text)
{
    wanted bytes = wanted_text(text);
    rh_dict_entry *entry = find(dict, &bytes);
    return entry ? entry->value : NULL;
}

bool rh_dict_contains(const rh_dict *dict, const void *key)
{
    return rh_dict_get(dict, key) != NULL;
}

/* Room for so many new entries. False: memory is short, or they are too many. */
static bool reserve(rh_dict *dict, size_t extra)
{
    if (extra > LENGTH_MAX - dict->length)
        return false;
    return dict->entry_capacity - dict->entry_count >= extra || rebuild(dict, extra);
}

/* Adds a new entry. pre: the key is not in the dictionary, and room is reserved. */
static void add_entry(rh_dict *dict, uint64_t hash, void *key, void *value)
{
    size_t n = dict->entry_count;
    rh_dict_entry *entry = &dict->entries[n];
    rh_retain(key);
    rh_retain(value);
    RH__ORDER();
    entry->hash = hash;
    entry->key = key;
    entry->value = value;
    RH__ORDER();
    dict->entry_count = n + 1;
    dict->length++;
    index_add(dict->index, dict->index_size, hash, n);
    RH__ORDER();
}

bool rh_dict_set(rh_dict *dict, void *key, void *value)
{
    RH__ENTER(rh__heap_of(dict));
    wanted object;
    if (!value || !wanted_object(key, &object))
        return false;
    rh_dict_entry *entry = find(dict, &object);
    if (entry) {
        /* Nothing behind this: releasing the old value may run a finalizer that comes back here. */
        rh_set(&entry->value, value);
        return true;
    }
    if (!reserve(dict, 1))
        return false;
    add_entry(dict, object.hash, key, value);
    return true;
}

bool rh_dict_set_text_at(rh_dict *dict, const char *text, void *value, rh_site *site)
{
    RH__ENTER(rh__heap_of(dict));
    wanted bytes = wanted_text(text);
    rh_dict_entry *entry = value ? find(dict, &bytes) : NULL;
    if (entry) {
        rh_set(&entry->value, value);
        return true;
    }
    rh_string *key = value ? rh_string_new_at(rh__heap_of(dict), text, site) : NULL;
    bool is_set = rh_dict_set(dict, key, value);
    rh_release(key);
    return is_set;
}

static bool delete (rh_dict *dict, const wanted *key)
{
    size_t cell = find_cell(dict, key);
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

bool rh_dict_delete(rh_dict *dict, const void *key)
{
    RH__ENTER(rh__heap_of(dict));
    wanted object;
    return wanted_object(key, &object) && delete (dict, &object);
}

bool rh_dict_delete_text(rh_dict *dict, const char *text)
{
    RH__ENTER(rh__heap_of(dict));
    wanted bytes = wanted_text(text);
    return delete (dict, &bytes);
}

void rh_dict_clear(rh_dict *dict)
{
    RH__ENTER(rh__heap_of(dict));
    rh_dict_entry *entries = dict->entries;
    uint32_t *index = dict->index;
    size_t count = dict->entry_count;
    /* The dictionary is empty, and whole, before the first finalizer can see it. */
    dict->entry_count = 0;
    RH__ORDER();
    dict->entries = NULL;
    dict->entry_capacity = dict->length = 0;
    dict->index = NULL;
    dict->index_size = 0;
    RH__ORDER();
    free(index);
    for (size_t i = 0; i < count; i++) {
        rh_dict_entry entry = entries[i];
        entries[i] = (rh_dict_entry){0};
        rh_release(entry.key);
        rh_release(entry.value);
    }
    free(entries);
}

bool rh_dict_update(rh_dict *dict, const rh_dict *other)
{
    RH__ENTER(rh__heap_of(dict));
    size_t count = other->length, replaced_count = 0;
    if (dict == other || !count)
        return true;
    /* Released at the end: until then no finalizer can change either dictionary. */
    rh_object **replaced = malloc(count * sizeof *replaced);
    if (!replaced || !reserve(dict, count)) {
        free(replaced);
        return false;
    }
    for (size_t i = 0; i < other->entry_count; i++) {
        const rh_dict_entry *from = &other->entries[i];
        if (!from->key)
            continue;
        wanted key = {.hash = from->hash, .object = from->key};
        rh_dict_entry *entry = find(dict, &key);
        if (!entry) {
            add_entry(dict, from->hash, from->key, from->value);
            continue;
        }
        replaced[replaced_count++] = entry->value;
        rh_retain(from->value);
        RH__ORDER();
        entry->value = from->value;
    }
    RH__ORDER();
    for (size_t i = 0; i < replaced_count; i++)
        rh_release(replaced[i]);
    free(replaced);
    return true;
}

/* A list of one member of each entry. */
static rh_list *list_of(rh_heap *heap, const rh_dict *dict, bool are_keys, rh_site *site)
{
    rh_list *list = rh_list_new_at(heap, site);
    if (!list || !rh__list_reserve(list, dict->length)) {
        rh_release(list);
        return NULL;
    }
    size_t position = 0;
    void *key, *value;
    while (rh_dict_next(dict, &position, &key, &value))
        rh_list_append(list, are_keys ? key : value);
    return list;
}

rh_list *rh_dict_keys_at(rh_heap *heap, const rh_dict *dict, rh_site *site)
{
    RH__ENTER(heap);
    return list_of(heap, dict, true, site);
}

rh_list *rh_dict_values_at(rh_heap *heap, const rh_dict *dict, rh_site *site)
{
    RH__ENTER(heap);
    return list_of(heap, dict, false, site);
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
