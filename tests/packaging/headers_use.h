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
