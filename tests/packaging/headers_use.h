/* headers_use.h - every macro and every inlined function of refheap.h, used as a program does, in C
 * and C++. */
#include <refheap/refheap.h>

typedef struct entry {
    rh_object *key, *value;
} entry;

typedef struct everything {
    rh_object base;
    struct everything *next, *parent;
    rh_weak *weak;
    struct everything *children[4];
    struct everything **items;
    size_t item_count;
    entry *entries;
    char *text;
    double weight;
    int number;
    unsigned char is_set;
    unsigned short text_length;
#ifndef __cplusplus /* which has no flexible array members */
    uint32_t count;
    rh_object *tail[];
#endif
} everything;

typedef struct blob {
    rh_object base;
    size_t length;
    char bytes[8];
} blob;

static const rh_field everything_fields[] = {
    RH_STRONG(everything, next),
    RH_BORROWED(everything, parent),
    RH_WEAK(everything, weak),
    RH_STRONG_ARRAY(everything, children),
    RH_STRONG_VECTOR(everything, items, item_count),
    RH_STRONG_VECTOR_OF(everything, entries, item_count, entry, key),
    RH_BYTES_VECTOR(everything, text, text_length),
    RH_FLOAT(everything, weight),
    RH_INT(everything, number),
    RH_UINT(everything, is_set),
#ifndef __cplusplus
    RH_STRONG_TAIL(everything, tail, count),
#endif
    RH_FIELDS_END};
static const rh_field blob_fields[] = {RH_BYTES(blob, bytes, length), RH_FIELDS_END};

const rh_field *headers_use(everything *one, everything *other);

const rh_field *headers_use(everything *one, everything *other)
{
    rh_set(&one->next, other);
    rh_release(rh_retain(one));
    return one ? everything_fields : blob_fields;
}

/* ---- functions that are macros, wherever they may stand ------------------------------------- */

static rh_type blob_type = {
    "blob", sizeof(blob), blob_fields,      NULL, NULL, 0, 1, offsetof(blob, length),
    0,      {0, 0, 0, 0}, {0, 0, 0, {0, 0}}};

static inline void *blob_new_at(rh_heap *heap, size_t length, rh_site *site)
{
    return rh_new_array_at(heap, &blob_type, length, site);
}
#define blob_new(heap, length) blob_new_at((heap), (length), RH_HERE)

static inline void *in_static_inline(rh_heap *heap)
{
    return blob_new(heap, 3);
}

rh_type *headers_type(void);

/* In C a function like this one has no sites (RH_HERE says why). */
inline void *in_inline(rh_heap *heap);
inline void *in_inline(rh_heap *heap)
{
#ifdef __cplusplus
    return rh_new(heap, headers_type());
#else
    return (rh_new)(heap, headers_type());
#endif
}

void *headers_make(rh_heap *heap, const rh_list *list, bool is_short);

void *headers_make(rh_heap *heap, const rh_list *list, bool is_short)
{
    void *(*pointer)(rh_heap *, rh_type *) = rh_new;
    rh_string *text = is_short ? rh_string_new(heap, "text")
                               : rh_string_concat(heap, rh_string_format(heap, "%d", 1),
                                                  rh_string_new_bytes(heap, "text", 2));
    for (rh_int *number = rh_int_new(heap, 1); number; number = NULL)
        rh_release(number);
    if (!is_short)
        rh_release(rh_weak_new(in_inline(heap)));
    else
        rh_release((rh_new)(heap, &blob_type));
    rh_release(pointer(heap, &blob_type));
    rh_release(rh_repr(heap, rh_float_new(heap, 1)));
    rh_release(rh_list_slice(heap, rh_string_split(heap, text, text), 0, 1));
    rh_release(rh_string_slice(heap, rh_string_join(heap, text, list), 0, 1));
    rh_dict *dict = rh_dict_new(heap);
    if (!rh_dict_set_text(dict, "key", text))
        return rh_dict_keys(heap, dict);
    return is_short ? rh_dict_values(heap, dict) : in_static_inline(heap);
}

#ifdef __cplusplus
template <typename T> T *headers_of_template(rh_heap *heap)
{
    return static_cast<T *>(rh_new_array(heap, &blob_type, 1));
}

struct headers_holder {
    void *first;
    void *second = rh_list_new(nullptr);
    explicit headers_holder(rh_heap *heap) : first(rh_new(heap, &blob_type))
    {
    }
    blob *of_lambda(rh_heap *heap) const
    {
        auto make = [heap]() { return headers_of_template<blob>(heap); };
        return make();
    }
};

void headers_default(rh_heap *heap, void *object = rh_dict_new(nullptr));
extern void *headers_global;
void *headers_global = rh_new(nullptr, &blob_type); /* never run: it is only compiled */

void headers_default(rh_heap *heap, void *object)
{
    headers_holder holder(heap);
    rh_release(object);
    rh_release(holder.of_lambda(heap));
}
#endif
