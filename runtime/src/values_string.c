/* values_string.c - strings.
 *
 * Invariant: a string's bytes never change after the function that made it has returned it, and
 * bytes[length] is zero. What goes into a new string is read before the string is allocated, or
 * is part of strings that the caller owns: the allocation may run finalizers, which may change a
 * list. */
#include "values_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const rh_field string_fields[] = {RH_UINT(rh_string, length),
                                         RH_BYTES(rh_string, bytes, length), RH_FIELDS_END};
/* The terminating zero is part of the fixed size, so that the array's length is the string's length
 * for rh_new_array and for every reader of the type. */
static rh_type string_type = {
    .name = "string",
    .size = offsetof(rh_string, bytes) + 1,
    .fields = string_fields,
    .flags = RH_TYPE_ACYCLIC,
    .element_size = 1,
    .length_offset = offsetof(rh_string, length),
};

rh_string *rh_string_new_bytes_at(rh_heap *heap, const void *bytes, size_t length, rh_site *site)
{
    RH__ENTER(heap);
    rh_string *string = rh_new_array_at(heap, &string_type, length, site);
    if (string && length)
        memcpy(string->bytes, bytes, length);
    return string;
}

rh_string *rh_string_new_at(rh_heap *heap, const char *text, rh_site *site)
{
    RH__ENTER(heap);
    return rh_string_new_bytes_at(heap, text, strlen(text), site);
}

static rh_string *format_long(rh_heap *heap, rh_site *site, size_t length, const char *format,
                              va_list arguments)
{
    char *text = malloc(length + 1);
    if (!text)
        return NULL;
    int printed = vsnprintf(text, length + 1, format, arguments);
    rh_string *string =
        printed == (int)length ? rh_string_new_bytes_at(heap, text, length, site) : NULL;
    free(text);
    return string;
}

static rh_string *format_text(rh_heap *heap, rh_site *site, const char *format, va_list arguments)
{
    /* Not into the new string: what the arguments point to may be gone after the allocation. */
    char text[200];
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(text, sizeof text, format, arguments);
    rh_string *string = NULL;
    if (length >= 0 && (size_t)length < sizeof text)
        string = rh_string_new_bytes_at(heap, text, (size_t)length, site);
    else if (length >= 0)
        string = format_long(heap, site, (size_t)length, format, again);
    va_end(again);
    return string;
}

rh_string *rh_string_format_at(rh_heap *heap, rh_site *site, const char *format, ...)
{
    RH__ENTER(heap);
    va_list arguments;
    va_start(arguments, format);
    rh_string *string = format_text(heap, site, format, arguments);
    va_end(arguments);
    return string;
}

rh_string *rh_string_format(rh_heap *heap, const char *format, ...)
{
    RH__ENTER(heap);
    va_list arguments;
    va_start(arguments, format);
    rh_string *string = format_text(heap, NULL, format, arguments);
    va_end(arguments);
    return string;
}

size_t rh_string_length(const rh_string *string)
{
    return string->length;
}

const char *rh_string_text(const rh_string *string)
{
    return (const char *)string->bytes;
}

bool rh_is_string(const void *object)
{
    return rh__has_type(object, &string_type);
}

bool rh__string_is(const void *object, const void *bytes, size_t length)
{
    const rh_string *string = object;
    return rh_is_string(object) && string->length == length &&
           memcmp(string->bytes, bytes, length) == 0;
}

/* ---- strings from strings ------------------------------------------------------------------- */

rh_string *rh_string_concat_at(rh_heap *heap, const rh_string *one, const rh_string *other,
                               rh_site *site)
{
    RH__ENTER(heap);
    size_t length;
    if (__builtin_add_overflow(one->length, other->length, &length))
        return NULL;
    rh_string *string = rh_new_array_at(heap, &string_type, length, site);
    if (string) {
        memcpy(string->bytes, one->bytes, one->length);
        memcpy(string->bytes + one->length, other->bytes, other->length);
    }
    return string;
}

rh_string *rh_string_slice_at(rh_heap *heap, const rh_string *string, size_t start, size_t end,
                              rh_site *site)
{
    RH__ENTER(heap);
    if (end > string->length)
        end = string->length;
    if (start > end)
        start = end;
    return rh_string_new_bytes_at(heap, string->bytes + start, end - start, site);
}

size_t rh_string_find(const rh_string *string, const rh_string *part, size_t start)
{
    if (start > string->length)
        return RH_NOT_FOUND;
    const unsigned char *from = string->bytes + start;
    const unsigned char *at = memmem(from, string->length - start, part->bytes, part->length);
    return at ? (size_t)(at - string->bytes) : RH_NOT_FOUND;
}

/* The length of the joined strings; false if an item is no string, or the length has no number. */
static bool joined_length(const rh_string *separator, const rh_list *list, size_t *length)
{
    size_t sum = 0;
    for (size_t i = 0; i < list->length; i++) {
        if (!rh_is_string(list->items[i]) ||
            __builtin_add_overflow(sum, ((const rh_string *)list->items[i])->length, &sum) ||
            (i && __builtin_add_overflow(sum, separator->length, &sum)))
            return false;
    }
    *length = sum;
    return true;
}

rh_string *rh_string_join_at(rh_heap *heap, const rh_string *separator, const rh_list *list,
                             rh_site *site)
{
    RH__ENTER(heap);
    size_t length;
    if (!joined_length(separator, list, &length))
        return NULL;
    /* Not into the new string, see the invariant. */
    unsigned char *bytes = malloc(length ? length : 1), *at = bytes;
    if (!bytes)
        return NULL;
    for (size_t i = 0; i < list->length; i++) {
        const rh_string *item = (const rh_string *)list->items[i];
        if (i) {
            memcpy(at, separator->bytes, separator->length);
            at += separator->length;
        }
        memcpy(at, item->bytes, item->length);
        at += item->length;
    }
    rh_string *string = rh_string_new_bytes_at(heap, bytes, length, site);
    free(bytes);
    return string;
}

rh_list *rh_string_split_at(rh_heap *heap, const rh_string *string, const rh_string *separator,
                            rh_site *site)
{
    RH__ENTER(heap);
    rh_list *list = separator->length ? rh_list_new_at(heap, site) : NULL;
    bool is_whole = list != NULL;
    for (size_t start = 0; is_whole && start != RH_NOT_FOUND;) {
        size_t end = rh_string_find(string, separator, start);
        rh_string *part = rh_string_slice_at(heap, string, start, end, site);
        is_whole = rh_list_append(list, part);
        rh_release(part);
        start = end == RH_NOT_FOUND ? end : end + separator->length;
    }
    if (is_whole)
        return list;
    rh_release(list);
    return NULL;
}
