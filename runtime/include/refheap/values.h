/* values.h - the value types that come with refheap: strings, lists, dictionaries, numbers, booleans
 * and nil. Included by refheap.h; they are ordinary managed types, declared as data like any other,
 * so that a debugger shows a string's text and a list's items without running anything.
 *
 * Ownership, in one sentence each:
 *   - Functions named *_new return a reference that the caller owns (release it, or store it).
 *   - Functions documented "borrowed" return a reference that the container keeps owning: it is valid
 *     until the container changes; retain it to keep it longer.
 *   - A container retains what is put into it; the caller keeps its own reference. So:
 *
 *         rh_int *item = rh_int_new(heap, 1000);   // count 1, ours
 *         rh_list_append(list, item);              // count 2, one of them the list's
 *         rh_release(item);                        // count 1, the list's
 *
 *   - A container gives up the reference of what is taken out of it; rh_list_pop alone hands it to
 *     the caller.
 *
 * No container holds NULL; "nothing" is rh_nil(). Storing NULL is refused with false, so that a failed
 * allocation cannot slip into a container: rh_list_append(list, rh_string_new(heap, text)) is false
 * when either memory ran out.
 *
 * Errors. A function that returns bool returns false, and has changed nothing, when memory is short
 * or an argument is out of range (the comment says which can happen).
 *
 * True at every instruction: whenever the program is stopped inside these functions, every slot that
 * the declared fields lead to is NULL or owned, and no reference is shown twice.
 */
#ifndef REFHEAP_VALUES_H
#define REFHEAP_VALUES_H

#include <refheap/refheap.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the objects -------------------------------------------------------------------------------- */
/* Public so that a debugger with debug info shows their members; programs use the functions below. */

/* "string": immutable. Any bytes, zeros included; bytes[length] is always a terminating zero. */
typedef struct rh_string {
    rh_object base;
    size_t length;
    uint64_t hash;         /* of the bytes, 0 until first asked for */
    unsigned char bytes[]; /* length + 1 */
} rh_string;

/* "list": a growing array of references. The vector belongs to the list. */
typedef struct rh_list {
    rh_object base;
    rh_object **items;
    size_t length;
    size_t capacity;
} rh_list;

/* One entry of a dictionary; of a deleted one, key and value are NULL until the vector is rebuilt. */
typedef struct rh_dict_entry {
    uint64_t hash;
    rh_object *key;
    rh_object *value;
} rh_dict_entry;

/* "dict": entries in the order of their insertion, found through a plain index table that holds no
 * references (so what a debugger has to read is one dense vector). */
typedef struct rh_dict {
    rh_object base;
    rh_dict_entry *entries;
    size_t entry_count;    /* entries in use, deleted ones included */
    size_t entry_capacity;
    size_t length;         /* entries that are not deleted */
    uint32_t *index;       /* entry number + 2; 0: never used, 1: of a deleted entry */
    size_t index_size;     /* a power of two, or 0 */
} rh_dict;

/* "int", "float", "bool", "nil" */
typedef struct rh_int {
    rh_object base;
    int64_t value;
} rh_int;

typedef struct rh_float {
    rh_object base;
    double value;
} rh_float;

typedef struct rh_boolean {
    rh_object base;
    bool value;
} rh_boolean;

/* ---- nil, booleans, numbers ---------------------------------------------------------------------- */

/* Shared objects: nil, the booleans and the integers from RH_INT_SHARED_MIN to RH_INT_SHARED_MAX exist
 * once in the process, in its heap 0. They are immortal: their count is not kept, retaining and
 * releasing them does nothing, objects of every heap may hold them and any thread may use them. They
 * are made together at the first use of one of them; only then can these functions return NULL
 * (memory is short). */
#define RH_INT_SHARED_MIN (-5)
#define RH_INT_SHARED_MAX 256

/* Nothing. Borrowed, for ever. */
rh_object *rh_nil(void);
/* The boolean. Borrowed, for ever. */
rh_boolean *rh_bool(bool value);
/* An integer: the shared one if the value is small, else a new object. Owned either way (releasing a
 * shared one does nothing). Equal large integers are different objects. */
rh_int *rh_int_new(rh_heap *heap, int64_t value);
rh_float *rh_float_new(rh_heap *heap, double value);

bool rh_bool_value(const rh_boolean *boolean);
int64_t rh_int_value(const rh_int *integer);
double rh_float_value(const rh_float *number);

/* ---- strings -------------------------------------------------------------------------------------- */

/* A copy of the zero-terminated text. */
rh_string *rh_string_new(rh_heap *heap, const char *text);
/* A copy of `length` bytes, whatever they are. */
rh_string *rh_string_new_bytes(rh_heap *heap, const void *bytes, size_t length);
size_t rh_string_length(const rh_string *string);
/* The bytes, with a terminating zero. Valid as long as the string lives. */
const char *rh_string_text(const rh_string *string);

/* ---- lists ----------------------------------------------------------------------------------------- */

rh_list *rh_list_new(rh_heap *heap);
size_t rh_list_length(const rh_list *list);
/* The item, borrowed; NULL if the index is not below the length. */
void *rh_list_get(const rh_list *list, size_t index);
/* Replaces an item. False: NULL, or no such index. */
bool rh_list_set(rh_list *list, size_t index, void *object);
/* Adds at the end. False: NULL, or memory is short. */
bool rh_list_append(rh_list *list, void *object);
/* Adds before the item at `index` (the length: at the end). False: as above, or index > length. */
bool rh_list_insert(rh_list *list, size_t index, void *object);
/* Takes the item out and releases it. False: no such index. */
bool rh_list_remove(rh_list *list, size_t index);
/* Takes the last item out and returns it, owned by the caller; NULL if the list is empty. */
void *rh_list_pop(rh_list *list);

/* ---- dictionaries ----------------------------------------------------------------------------------- */

/* Keys are compared with rh_equal. At most 2^30 entries. */
rh_dict *rh_dict_new(rh_heap *heap);
size_t rh_dict_length(const rh_dict *dict);
/* Adds an entry at the end, or replaces the value of an equal key (which keeps its place and its key
 * object). False: key or value is NULL, memory is short, or the dictionary is full. */
bool rh_dict_set(rh_dict *dict, void *key, void *value);
/* The value, borrowed; NULL if there is no such key. */
void *rh_dict_get(const rh_dict *dict, const void *key);
/* The same for a string key given as zero-terminated text. */
void *rh_dict_get_text(const rh_dict *dict, const char *text);
/* Takes the entry out and releases its key and value. False: there is no such key. */
bool rh_dict_delete(rh_dict *dict, const void *key);
/* Visits the entries in the order of insertion. *position is 0 before the first call; key and value
 * (borrowed, either may be NULL) are written when the result is true. Values may be replaced and
 * entries deleted between the calls; after an insertion the rest of the visit is unspecified (but
 * harmless).
 *
 *     size_t position = 0; void *key, *value;
 *     while (rh_dict_next(dict, &position, &key, &value)) ...
 */
bool rh_dict_next(const rh_dict *dict, size_t *position, void **key, void **value);

/* ---- kinds and equality ------------------------------------------------------------------------------ */

/* Is the object one of that type? False for NULL. */
bool rh_is_nil(const void *object);
bool rh_is_bool(const void *object);
bool rh_is_int(const void *object);
bool rh_is_float(const void *object);
bool rh_is_string(const void *object);
bool rh_is_list(const void *object);
bool rh_is_dict(const void *object);

/* Identity is `a == b`: the same object. Equality is this: the same object, or two strings with the
 * same bytes, two ints with the same value, two floats with the same value (0.0 and -0.0 are equal, a
 * NaN equals only itself). Everything else, lists and dicts included, is equal only to itself, and
 * values of different types never are: 1 is not 1.0. */
bool rh_equal(const void *a, const void *b);

#ifdef __cplusplus
}
#endif

#endif
