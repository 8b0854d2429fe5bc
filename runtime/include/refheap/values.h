/* values.h - the value types that come with refheap: strings, lists, dictionaries, numbers,
 * booleans and nil. Included by refheap.h; they are ordinary managed types, declared as data like
 * any other, so that a debugger shows a string's text and a list's items without running
 * anything. docs/values.md tells the same as a tutorial.
 *
 * Immutable: strings, integers, floats, booleans, nil. No function changes one, so two names for
 * one cannot be told from two equal ones but by identity. Mutable: lists and dictionaries; a
 * change made through one name is seen through all.
 *
 * Ownership, in one sentence each:
 *   - Functions that take a heap return a new object, or NULL if memory is short; the caller owns
 *     the one reference (release it, or store it).
 *   - Functions documented "borrowed" return a reference that the container keeps owning: it is
 *     valid until the container changes; retain it to keep it longer.
 *   - A container retains what is put into it; the caller keeps its own reference. So:
 *
 *         rh_int *item = rh_int_new(heap, 1000); // count 1, ours
 *         rh_list_append(list, item);            // count 2, one the list's
 *         rh_release(item);                      // count 1, the list's
 *
 *   - A container gives up the reference of what is taken out of it; rh_list_pop alone hands it
 *     to the caller.
 *
 * No container holds NULL; "nothing" is rh_nil(). Storing NULL is refused with false, so that a
 * failed allocation cannot slip into a container: rh_list_append(list, item) is false when there
 * was no memory for the item, or none for its place.
 *
 * Errors. A function that returns bool returns false, and has changed nothing, when memory is
 * short or an argument is out of range (the comment says which can happen; where it speaks of
 * neither, false is an answer). Objects passed in must be of the type that is asked for, alive,
 * and not NULL unless that is said to be refused.
 *
 * Time. Where nothing is said, a function takes constant time (amortized, and expected where a
 * dictionary is searched). n is the number of items, entries or bytes. Nothing recurses: values
 * may be nested to any depth, and may hold themselves.
 *
 * When your code runs. Functions that take a heap (and rh_dict_set_text) may start an automatic
 * collection before they allocate, and those that give up a reference may run a finalizer as the
 * last thing they do. Both may change the same containers; the functions are ready for it.
 *
 * True at every instruction: whenever the program is stopped inside these functions, every slot
 * that the declared fields lead to is NULL or owned, and no reference is shown twice.
 */
#ifndef REFHEAP_VALUES_H
#define REFHEAP_VALUES_H

#include <refheap/refheap.h>

#include <stdio.h> /* FILE */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the objects ---------------------------------------------------------------------------- */
/* Public so that a debugger with debug info shows their members; programs use the functions below.
 */

/* C++ has no flexible array members, its compilers have. */
#if defined(__clang__) && defined(__cplusplus)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc99-extensions"
#endif

/* "string": immutable. Any bytes, zeros included; bytes[length] is always a terminating zero. */
typedef struct rh_string {
    rh_object base;
    size_t length;
    uint64_t hash;                       /* of the bytes, 0 until first asked for */
    __extension__ unsigned char bytes[]; /* length + 1 */
} rh_string;

#if defined(__clang__) && defined(__cplusplus)
#pragma clang diagnostic pop
#endif

/* "list": a growing array of references. The vector belongs to the list. */
typedef struct rh_list {
    rh_object base;
    rh_object **items;
    size_t length;
    size_t capacity;
} rh_list;

/* One entry of a dictionary; of a deleted one, key and value are NULL until the vector is rebuilt.
 */
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
    size_t entry_count; /* entries in use, deleted ones included */
    size_t entry_capacity;
    size_t length;     /* entries that are not deleted */
    uint32_t *index;   /* entry number + 2; 0: never used, 1: of a deleted entry */
    size_t index_size; /* a power of two, or 0 */
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

/* ---- nil, booleans, numbers ----------------------------------------------------------------- */

/* Shared objects: nil, the booleans and the integers from RH_INT_SHARED_MIN to RH_INT_SHARED_MAX
 * exist once in the process, in its heap 0. They are immortal: their count is not kept, retaining
 * and releasing them does nothing, objects of every heap may hold them and any thread may use
 * them. They are made together at the first use of one of them; only then can these functions
 * return NULL (memory is short). */
#define RH_INT_SHARED_MIN (-5)
#define RH_INT_SHARED_MAX 256

/* Nothing. Borrowed, for ever. */
rh_object *rh_nil(void);
/* The boolean. Borrowed, for ever. */
rh_boolean *rh_bool(bool value);
/* An integer: the shared one if the value is small, else a new object. Owned either way
 * (releasing a shared one does nothing). Equal large integers are different objects. */
rh_int *rh_int_new(rh_heap *heap, int64_t value);
rh_int *rh_int_new_at(rh_heap *heap, int64_t value, rh_site *site);
rh_float *rh_float_new(rh_heap *heap, double value);
rh_float *rh_float_new_at(rh_heap *heap, double value, rh_site *site);

bool rh_bool_value(const rh_boolean *boolean);
int64_t rh_int_value(const rh_int *integer);
double rh_float_value(const rh_float *number);

/* What functions that look for something return when it is not there. */
#define RH_NOT_FOUND SIZE_MAX

/* ---- strings -------------------------------------------------------------------------------- */
/* Positions and lengths are in bytes. All are O(n) but rh_string_length and rh_string_text. */

/* A copy of the zero-terminated text. */
rh_string *rh_string_new(rh_heap *heap, const char *text);
rh_string *rh_string_new_at(rh_heap *heap, const char *text, rh_site *site);
/* A copy of `length` bytes, whatever they are. */
rh_string *rh_string_new_bytes(rh_heap *heap, const void *bytes, size_t length);
rh_string *rh_string_new_bytes_at(rh_heap *heap, const void *bytes, size_t length, rh_site *site);
/* What printf would print. NULL also if printf would fail. */
rh_string *rh_string_format(rh_heap *heap, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
rh_string *rh_string_format_at(rh_heap *heap, rh_site *site, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

size_t rh_string_length(const rh_string *string);

/* The bytes, with a terminating zero. Valid as long as the string lives. */
const char *rh_string_text(const rh_string *string);
/* A new string: one, then the other. */
rh_string *rh_string_concat(rh_heap *heap, const rh_string *one, const rh_string *other);
rh_string *rh_string_concat_at(rh_heap *heap, const rh_string *one, const rh_string *other,
                               rh_site *site);
/* A new string: the bytes from `start` up to but not including `end`, both cut to the length (so
 * SIZE_MAX means "to the end"); empty if nothing lies between them. */
rh_string *rh_string_slice(rh_heap *heap, const rh_string *string, size_t start, size_t end);
rh_string *rh_string_slice_at(rh_heap *heap, const rh_string *string, size_t start, size_t end,
                              rh_site *site);
/* Where `part` begins first at or after `start`, or RH_NOT_FOUND. An empty part is found at once.
 */
size_t rh_string_find(const rh_string *string, const rh_string *part, size_t start);
/* A new string: the strings of the list with the separator between them, as it is the way to
 * build a long string from many (rh_string_concat in a loop is O(n^2)). NULL also if an item is
 * no string. */
rh_string *rh_string_join(rh_heap *heap, const rh_string *separator, const rh_list *list);
rh_string *rh_string_join_at(rh_heap *heap, const rh_string *separator, const rh_list *list,
                             rh_site *site);
/* A new list of the strings between the separators: at least one, empty ones included. NULL also
 * if the separator is empty. */
rh_list *rh_string_split(rh_heap *heap, const rh_string *string, const rh_string *separator);
rh_list *rh_string_split_at(rh_heap *heap, const rh_string *string, const rh_string *separator,
                            rh_site *site);

/* ---- lists ---------------------------------------------------------------------------------- */

rh_list *rh_list_new(rh_heap *heap);
rh_list *rh_list_new_at(rh_heap *heap, rh_site *site);
size_t rh_list_length(const rh_list *list);
/* The item, borrowed; NULL if the index is not below the length. */
void *rh_list_get(const rh_list *list, size_t index);
/* Replaces an item. False: NULL, or no such index. */
bool rh_list_set(rh_list *list, size_t index, void *object);
/* Adds at the end. False: NULL, or memory is short. */
bool rh_list_append(rh_list *list, void *object);
/* Adds before the item at `index` (the length: at the end). O(items behind it). False: as above, or
 * index > length. */
bool rh_list_insert(rh_list *list, size_t index, void *object);
/* Takes the item out and releases it. O(items behind it). False: no such index. */
bool rh_list_remove(rh_list *list, size_t index);
/* Takes the last item out and returns it, owned by the caller; NULL if the list is empty. */
void *rh_list_pop(rh_list *list);
/* Takes all items out and releases them. O(n). */
void rh_list_clear(rh_list *list);
/* Adds the items of `other` (which may be the same list) at the end. O(items of other). False:
 * memory is short. */
bool rh_list_extend(rh_list *list, const rh_list *other);
/* A new list that holds the same items from `start` up to but not including `end`, both cut to the
 * length: rh_list_slice(heap, list, 0, SIZE_MAX) is a copy. O(items copied). */
rh_list *rh_list_slice(rh_heap *heap, const rh_list *list, size_t start, size_t end);
rh_list *rh_list_slice_at(rh_heap *heap, const rh_list *list, size_t start, size_t end,
                          rh_site *site);
/* The index of the first item at or after `start` that equals the object (rh_equal), or
 * RH_NOT_FOUND. O(n) comparisons. */
size_t rh_list_index(const rh_list *list, const void *object, size_t start);
/* Is an item equal to the object? */
bool rh_list_contains(const rh_list *list, const void *object);
/* Turns the order of the items around. O(n). */
void rh_list_reverse(rh_list *list);

/* ---- dictionaries --------------------------------------------------------------------------- */

/* Keys are compared with rh_equal and must have a hash (rh_hash): lists and dictionaries are
 * refused, since a key that changed could not be found again. At most 2^30 entries. */
rh_dict *rh_dict_new(rh_heap *heap);
rh_dict *rh_dict_new_at(rh_heap *heap, rh_site *site);
size_t rh_dict_length(const rh_dict *dict);
/* Adds an entry at the end, or replaces the value of an equal key (which keeps its place and its
 * key object). False: key or value is NULL, the key has no hash, memory is short, or the
 * dictionary is full. */
bool rh_dict_set(rh_dict *dict, void *key, void *value);
/* The value, borrowed; NULL if there is no such key. */
void *rh_dict_get(const rh_dict *dict, const void *key);
bool rh_dict_contains(const rh_dict *dict, const void *key);
/* Takes the entry out and releases its key and value. False: there is no such key. */
bool rh_dict_delete(rh_dict *dict, const void *key);
/* The same for a string key given as zero-terminated text; set_text makes a string for a new key,
 * in the dictionary's heap. */
bool rh_dict_set_text(rh_dict *dict, const char *text, void *value);
bool rh_dict_set_text_at(rh_dict *dict, const char *text, void *value, rh_site *site);
void *rh_dict_get_text(const rh_dict *dict, const char *text);
bool rh_dict_delete_text(rh_dict *dict, const char *text);
/* Takes all entries out and releases their keys and values. O(n). */
void rh_dict_clear(rh_dict *dict);
/* Sets every entry of `other`, in its order. A new dictionary updated with another is its copy.
 * O(entries of other). False: memory is short, or the dictionary would be too large. */
bool rh_dict_update(rh_dict *dict, const rh_dict *other);
/* A new list of the keys, or of the values, in the order of insertion. O(n). */
rh_list *rh_dict_keys(rh_heap *heap, const rh_dict *dict);
rh_list *rh_dict_keys_at(rh_heap *heap, const rh_dict *dict, rh_site *site);
rh_list *rh_dict_values(rh_heap *heap, const rh_dict *dict);
rh_list *rh_dict_values_at(rh_heap *heap, const rh_dict *dict, rh_site *site);
/* Visits the entries in the order of insertion. *position is 0 before the first call; key and value
 * (borrowed, either may be NULL) are written when the result is true. Values may be replaced and
 * entries deleted between the calls; after an insertion the rest of the visit is unspecified (but
 * harmless).
 *
 *     size_t position = 0; void *key, *value;
 *     while (rh_dict_next(dict, &position, &key, &value)) ...
 */
bool rh_dict_next(const rh_dict *dict, size_t *position, void **key, void **value);

/* ---- kinds ---------------------------------------------------------------------------------- */

/* Is the object one of that type? False for NULL. */
bool rh_is_nil(const void *object);
bool rh_is_bool(const void *object);
bool rh_is_int(const void *object);
bool rh_is_float(const void *object);
bool rh_is_string(const void *object);
bool rh_is_list(const void *object);
bool rh_is_dict(const void *object);

/* The same as one answer, for a switch. */
typedef enum rh_value_kind {
    RH_VALUE_OTHER, /* NULL, or an object of another type */
    RH_VALUE_NIL,
    RH_VALUE_BOOL,
    RH_VALUE_INT,
    RH_VALUE_FLOAT,
    RH_VALUE_STRING,
    RH_VALUE_LIST,
    RH_VALUE_DICT
} rh_value_kind;
rh_value_kind rh_value_kind_of(const void *object);

/* ---- equality, order, hash ------------------------------------------------------------------ */

/* Identity is `a == b`: two references to one object (rh_serial is its name for ever). Equality
 * asks for the value: an object equals itself; two numbers of the same exact value are equal, be
 * they ints or floats (1 is 1.0, 0.0 is -0.0, a NaN is nothing else's equal); so are two strings
 * of the same bytes, two lists of equal items, two dictionaries of equal keys with equal values,
 * in whatever order. Everything else is equal only to itself: true is not 1.
 *
 * Values that hold themselves are equal if no path from them tells them apart. O(n log n) at
 * most, however much they share. Compares without recursion; for values nested deeply or in large
 * numbers that needs memory, and without it the answer is false (rh_compare tells that apart). */
bool rh_equal(const void *a, const void *b);

/* How one value stands to another; a comparator's answer. */
typedef enum rh_order {
    RH_LESS = -1,
    RH_EQUAL = 0,
    RH_GREATER = 1,
    RH_UNORDERED = 0x7ffffffe, /* neither, and not equal */
    RH_NO_MEMORY = 0x7fffffff  /* not known: memory is short */
} rh_order;

/* RH_EQUAL if and only if they are equal, as above. Numbers are ordered by value (a NaN is
 * unordered), strings by their bytes, false before true, lists by their first items that differ,
 * then by length. Everything else is unordered: different kinds, dictionaries, nil, objects of
 * other types. */
rh_order rh_compare(const void *a, const void *b);

/* The order of two items; context is the caller's. Besides the two errors any negative or positive
 * number will do, as strcmp returns them. */
typedef rh_order rh_comparator(const void *a, const void *b, void *context);

/* Sorts the list; equal items keep their order. `compare` NULL: rh_compare. O(n log n)
 * comparisons, n if it is sorted already; two vectors of memory. False, and the list is as it
 * was: two items are unordered (any comparison said so), or memory is short. The comparator may
 * do what it likes, even change the list: afterwards the list holds what it held before, sorted. */
bool rh_list_sort(rh_list *list, rh_comparator *compare, void *context);

/* A number that is equal for equal objects, and most likely another for others; differs from
 * process to process. False, and *hash untouched, for NULL, lists and dictionaries: what may
 * change has none. Objects of other types are hashed by identity. O(n) for a string the first
 * time, then constant. */
bool rh_hash(const void *object, uint64_t *hash);

/* ---- text ----------------------------------------------------------------------------------- */

/* A new string that shows any value: nil, true, -5, 1.0 (the shortest digits that read back as
 * the same number), "text", [1, 2], {"key": [nil]}. A list or dictionary inside itself is [...]
 * or {...}; objects of other types are <type#serial>, as the debugger commands name them. In
 * strings \" \\ \b \f \n \r \t and \uXXXX stand for control characters, \xXX for a byte that is
 * no UTF-8. For people: a value that is held twice is shown twice. O(text). */
rh_string *rh_repr(rh_heap *heap, const void *object);
rh_string *rh_repr_at(rh_heap *heap, const void *object, rh_site *site);
/* Writes the same text to the stream, without a newline. False: memory is short (nothing was
 * written), or the stream's error. */
bool rh_print(FILE *stream, const void *object);

/* Not for callers: see rh__made_here. */
RH__BEHIND(rh__int_here, rh_int *)
RH__BEHIND(rh__float_here, rh_float *)
RH__BEHIND(rh__string_here, rh_string *)
RH__BEHIND(rh__list_here, rh_list *)
RH__BEHIND(rh__dict_here, rh_dict *)

#ifdef __cplusplus
}
#endif

/* ---- the line that calls them (RH_HERE and rh__made_here in refheap.h) ---------------------- */

#ifndef RH_NO_SITES
#define rh_int_new(...) rh__int_here(rh_int_new_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_float_new(...) rh__float_here(rh_float_new_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_string_new(...) rh__string_here(rh_string_new_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_string_new_bytes(...)                                                                   \
    rh__string_here(rh_string_new_bytes_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_string_concat(...) rh__string_here(rh_string_concat_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_string_slice(...) rh__string_here(rh_string_slice_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_string_join(...) rh__string_here(rh_string_join_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_string_split(...) rh__list_here(rh_string_split_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_list_new(...) rh__list_here(rh_list_new_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_list_slice(...) rh__list_here(rh_list_slice_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_dict_new(...) rh__dict_here(rh_dict_new_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_dict_set_text(...) rh__bool_here(rh_dict_set_text_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_dict_keys(...) rh__list_here(rh_dict_keys_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_dict_values(...) rh__list_here(rh_dict_values_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_repr(...) rh__string_here(rh_repr_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_string_format(heap, ...)                                                                \
    rh__string_here(rh_string_format_at((heap), RH_HERE, __VA_ARGS__), __LINE__)
#define rh_list_set(...) RH__AT(rh__bool_here, rh_list_set(__VA_ARGS__))
#define rh_list_append(...) RH__AT(rh__bool_here, rh_list_append(__VA_ARGS__))
#define rh_list_insert(...) RH__AT(rh__bool_here, rh_list_insert(__VA_ARGS__))
#define rh_list_remove(...) RH__AT(rh__bool_here, rh_list_remove(__VA_ARGS__))
#define rh_list_extend(...) RH__AT(rh__bool_here, rh_list_extend(__VA_ARGS__))
#define rh_dict_set(...) RH__AT(rh__bool_here, rh_dict_set(__VA_ARGS__))
#define rh_dict_delete(...) RH__AT(rh__bool_here, rh_dict_delete(__VA_ARGS__))
#define rh_dict_delete_text(...) RH__AT(rh__bool_here, rh_dict_delete_text(__VA_ARGS__))
#define rh_dict_update(...) RH__AT(rh__bool_here, rh_dict_update(__VA_ARGS__))
#define rh_list_pop(...) RH__AT(rh__made_here, rh_list_pop(__VA_ARGS__))
#define rh_list_clear(...) RH__AT_VOID(rh_list_clear(__VA_ARGS__))
#define rh_dict_clear(...) RH__AT_VOID(rh_dict_clear(__VA_ARGS__))
#endif

#endif
