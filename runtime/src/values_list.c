/* values_list.c - the list: a vector of references that the list owns.
 *
 * Invariant, at every instruction: the slots below `length` are NULL or owned, and no object
 * stands in two of them for one count. So a grown vector is complete before it is published, and
 * items are shifted only while they lie above `length`, where the heap's readers do not look.
 * Slots from `length` to `capacity` are NULL except within such a shift: a stale word there would
 * look to a debugger as if malloc memory remembered an object. */
#include "values_internal.h"

#include <stdlib.h>

#define CAPACITY_MIN 4

static const rh_field list_fields[] = {RH_STRONG_VECTOR(rh_list, items, length),
                                       RH_UINT(rh_list, length), RH_FIELDS_END};

static void dispose(void *object)
{
    rh_list *list = object;
    rh_object **items = list->items;
    list->length = 0;
    list->items = NULL;
    RH__ORDER();
    free(items);
}

static rh_type list_type = {
    .name = "list", .size = sizeof(rh_list), .fields = list_fields, .dispose = dispose};

rh_list *rh_list_new_at(rh_heap *heap, rh_site *site)
{
    RH__ENTER(heap);
    return rh_new_at(heap, &list_type, site);
}

bool rh_is_list(const void *object)
{
    return rh__has_type(object, &list_type);
}

size_t rh_list_length(const rh_list *list)
{
    return list->length;
}

void *rh_list_get(const rh_list *list, size_t index)
{
    return index < list->length ? list->items[index] : NULL;
}

bool rh_list_set(rh_list *list, size_t index, void *object)
{
    if (!object || index >= list->length)
        return false;
    RH__ENTER(rh__heap_of(list));
    rh_set(&list->items[index], object);
    return true;
}

/* Moves the items to a vector of another size. Not realloc: it frees the old vector before `items`
 * points to the new one, and in between the list would lead into freed memory. */
static bool set_capacity(rh_list *list, size_t capacity)
{
    if (capacity > SIZE_MAX / 2 / sizeof(rh_object *))
        return false;
    /* cleared to the end of malloc's block, which has a word or more behind the last item */
    rh_object **items = calloc(capacity, sizeof *items);
    if (!items)
        return false;
    if (list->length)
        memcpy(items, list->items, list->length * sizeof *items);
    rh_object **old = list->items;
    RH__ORDER();
    list->items = items;
    list->capacity = capacity;
    RH__ORDER();
    free(old);
    return true;
}

bool rh__list_reserve(rh_list *list, size_t extra)
{
    if (list->capacity - list->length >= extra)
        return true;
    size_t needed, capacity = list->capacity ? list->capacity * 2 : CAPACITY_MIN;
    if (__builtin_add_overflow(list->length, extra, &needed))
        return false;
    return set_capacity(list, capacity < needed ? needed : capacity);
}

bool rh_list_append(rh_list *list, void *object)
{
    return rh_list_insert(list, list->length, object);
}

bool rh_list_insert(rh_list *list, size_t index, void *object)
{
    size_t length = list->length;
    if (!object || index > length || !rh__list_reserve(list, 1))
        return false;
    rh_retain(object);
    RH__ORDER();
    rh_object **slot = &list->items[index];
    if (index < length) {
        list->length = index;
        RH__ORDER();
        memmove(slot + 1, slot, (length - index) * sizeof *slot);
    }
    *slot = object;
    RH__ORDER();
    list->length = length + 1;
    RH__ORDER();
    return true;
}

/* Takes an item out without releasing it. */
static rh_object *take(rh_list *list, size_t index)
{
    size_t last = list->length - 1;
    rh_object **slot = &list->items[index];
    rh_object *object = *slot;
    list->length = index;
    RH__ORDER();
    memmove(slot, slot + 1, (last - index) * sizeof *slot);
    list->items[last] = NULL;
    RH__ORDER();
    list->length = last;
    RH__ORDER();
    /* A quarter and a half, so that a list that pops and appends in turn does not move each time.
     * No memory for the smaller vector: the larger one stays. */
    if (last < list->capacity / 4 && list->capacity > CAPACITY_MIN)
        (void)set_capacity(list, list->capacity / 2);
    return object;
}

bool rh_list_remove(rh_list *list, size_t index)
{
    if (index >= list->length)
        return false;
    RH__ENTER(rh__heap_of(list));
    rh_object *object = take(list, index);
    /* Last: a finalizer may come back to this list. */
    rh_release(object);
    return true;
}

void *rh_list_pop(rh_list *list)
{
    return list->length ? take(list, list->length - 1) : NULL;
}

void rh_list_clear(rh_list *list)
{
    RH__ENTER(rh__heap_of(list));
    rh_object **items = list->items;
    size_t length = list->length;
    /* The list is empty, and whole, before the first finalizer can see it. */
    list->length = 0;
    RH__ORDER();
    list->items = NULL;
    list->capacity = 0;
    RH__ORDER();
    for (size_t i = 0; i < length; i++) {
        rh_object *object = items[i];
        items[i] = NULL;
        rh_release(object);
    }
    free(items);
}

/* Appends count items of `other` (which may be the same list). pre: they exist, and room is
 * reserved. */
static void append_range(rh_list *list, const rh_list *other, size_t start, size_t count)
{
    rh_object **slots = list->items + list->length;
    for (size_t i = 0; i < count; i++) {
        rh_retain(other->items[start + i]);
        slots[i] = other->items[start + i];
    }
    RH__ORDER();
    list->length += count;
    RH__ORDER();
}

bool rh_list_extend(rh_list *list, const rh_list *other)
{
    size_t count = other->length;
    if (!rh__list_reserve(list, count))
        return false;
    append_range(list, other, 0, count);
    return true;
}

rh_list *rh_list_slice_at(rh_heap *heap, const rh_list *list, size_t start, size_t end,
                          rh_site *site)
{
    RH__ENTER(heap);
    rh_list *slice = rh_list_new_at(heap, site);
    if (!slice)
        return NULL;
    /* Not before: the allocation may have run finalizers that changed the list. */
    if (end > list->length)
        end = list->length;
    if (start > end)
        start = end;
    if (!rh__list_reserve(slice, end - start)) {
        rh_release(slice);
        return NULL;
    }
    append_range(slice, list, start, end - start);
    return slice;
}

size_t rh_list_index(const rh_list *list, const void *object, size_t start)
{
    for (size_t i = start; i < list->length; i++)
        if (rh_equal(list->items[i], object))
            return i;
    return RH_NOT_FOUND;
}

bool rh_list_contains(const rh_list *list, const void *object)
{
    return rh_list_index(list, object, 0) != RH_NOT_FOUND;
}

void rh_list_reverse(rh_list *list)
{
    size_t length = list->length;
    /* Out of sight, since each exchange shows one item twice. */
    list->length = 0;
    RH__ORDER();
    for (size_t i = 0; i < length / 2; i++) {
        rh_object *object = list->items[i];
        list->items[i] = list->items[length - 1 - i];
        list->items[length - 1 - i] = object;
    }
    RH__ORDER();
    list->length = length;
    RH__ORDER();
}
