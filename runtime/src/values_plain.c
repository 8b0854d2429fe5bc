/* values_plain.c - the functions that make values, without a site: for function pointers, for other
 * languages, for debuggers. In C and C++ they are macros over those whose names end in `_at`
 * (refheap/values.h).
 */
#include "values_internal.h"

rh_int *rh_int_new(rh_heap *heap, int64_t value)
{
    if (heap) /* small ones need none */
        RH__ENTER(heap);
    return rh_int_new_at(heap, value, NULL);
}

rh_float *rh_float_new(rh_heap *heap, double value)
{
    RH__ENTER(heap);
    return rh_float_new_at(heap, value, NULL);
}

rh_string *rh_string_new(rh_heap *heap, const char *text)
{
    RH__ENTER(heap);
    return rh_string_new_at(heap, text, NULL);
}

rh_string *rh_string_new_bytes(rh_heap *heap, const void *bytes, size_t length)
{
    RH__ENTER(heap);
    return rh_string_new_bytes_at(heap, bytes, length, NULL);
}

rh_string *rh_string_concat(rh_heap *heap, const rh_string *one, const rh_string *other)
{
    RH__ENTER(heap);
    return rh_string_concat_at(heap, one, other, NULL);
}

rh_string *rh_string_slice(rh_heap *heap, const rh_string *string, size_t start, size_t end)
{
    RH__ENTER(heap);
    return rh_string_slice_at(heap, string, start, end, NULL);
}

rh_string *rh_string_join(rh_heap *heap, const rh_string *separator, const rh_list *list)
{
    RH__ENTER(heap);
    return rh_string_join_at(heap, separator, list, NULL);
}

rh_list *rh_string_split(rh_heap *heap, const rh_string *string, const rh_string *separator)
{
    RH__ENTER(heap);
    return rh_string_split_at(heap, string, separator, NULL);
}

rh_list *rh_list_new(rh_heap *heap)
{
    RH__ENTER(heap);
    return rh_list_new_at(heap, NULL);
}

rh_list *rh_list_slice(rh_heap *heap, const rh_list *list, size_t start, size_t end)
{
    RH__ENTER(heap);
    return rh_list_slice_at(heap, list, start, end, NULL);
}

rh_dict *rh_dict_new(rh_heap *heap)
{
    RH__ENTER(heap);
    return rh_dict_new_at(heap, NULL);
}

bool rh_dict_set_text(rh_dict *dict, const char *text, void *value)
{
    RH__ENTER(rh__heap_of(dict));
    return rh_dict_set_text_at(dict, text, value, NULL);
}

rh_list *rh_dict_keys(rh_heap *heap, const rh_dict *dict)
{
    RH__ENTER(heap);
    return rh_dict_keys_at(heap, dict, NULL);
}

rh_list *rh_dict_values(rh_heap *heap, const rh_dict *dict)
{
    RH__ENTER(heap);
    return rh_dict_values_at(heap, dict, NULL);
}

rh_string *rh_repr(rh_heap *heap, const void *object)
{
    RH__ENTER(heap);
    return rh_repr_at(heap, object, NULL);
}
