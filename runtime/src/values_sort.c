/* values_sort.c - sorting a list: a merge sort from the bottom up, stable and without recursion.
 *
 * Invariant: the list is not touched until the end, so that a comparator and a debugger see it as
 * it was. What is sorted is a copy of its vector, which owns a count of each item (a comparator
 * may take items out of the list) and in the end changes places with the list's own. */
#include "values_internal.h"

#include <stdlib.h>

typedef struct sorting {
    rh_comparator *compare;
    void *context;
    rh_object **items;   /* sorted in runs */
    rh_object **scratch; /* where the next pass writes longer runs */
    size_t length;
} sorting;

static rh_order by_value(const void *a, const void *b, void *context)
{
    (void)context;
    return rh_compare(a, b);
}

/* Is item i less than item j? False: there is no answer, and nothing was written. */
static bool ask(const sorting *s, size_t i, size_t j, bool *is_less)
{
    rh_order order = s->compare(s->items[i], s->items[j], s->context);
    if (order == RH_UNORDERED || order == RH_NO_MEMORY)
        return false;
    *is_less = order < 0;
    return true;
}

/* Merges two runs that are neighbours, [start, middle) and [middle, end), into scratch. */
static bool merge(const sorting *s, size_t start, size_t middle, size_t end)
{
    size_t left = start, right = middle;
    bool is_less = false;
    /* In order already: one question instead of many. */
    if (middle < end && !ask(s, middle, middle - 1, &is_less))
        return false;
    if (!is_less) {
        memcpy(&s->scratch[start], &s->items[start], (end - start) * sizeof *s->items);
        return true;
    }
    for (size_t to = start; to < end; to++) {
        is_less = left == middle;
        if (left < middle && right < end && !ask(s, right, left, &is_less))
            return false;
        s->scratch[to] = s->items[is_less ? right++ : left++]; /* the left one of equals: stable */
    }
    return true;
}

static bool sort(sorting *s)
{
    for (size_t run = 1; run < s->length; run *= 2) {
        for (size_t start = 0; start < s->length; start += 2 * run) {
            size_t left = s->length - start, end = 2 * run < left ? 2 * run : left;
            if (!merge(s, start, start + (run < left ? run : left), start + end))
                return false;
        }
        rh_object **sorted = s->scratch;
        s->scratch = s->items;
        s->items = sorted;
    }
    return true;
}

/* Frees a vector that owns its items. */
static void free_items(rh_object **items, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        rh_object *object = items[i];
        items[i] = NULL;
        rh_release(object);
    }
    free(items);
}

bool rh_list_sort(rh_list *list, rh_comparator *compare, void *context)
{
    size_t length = list->length;
    if (length < 2)
        return true;
    sorting s = {.compare = compare ? compare : by_value, .context = context, .length = length};
    s.items = malloc(length * sizeof *s.items);
    s.scratch = malloc(length * sizeof *s.scratch);
    if (!s.items || !s.scratch) {
        free(s.items);
        free(s.scratch);
        return false;
    }
    for (size_t i = 0; i < length; i++)
        s.items[i] = rh_retain(list->items[i]);
    bool is_sorted = sort(&s);
    free(s.scratch);
    rh_object **old = s.items;
    if (is_sorted) {
        size_t sorted_length = length;
        old = list->items;
        length = list->length;
        RH__ORDER();
        if (list->length > sorted_length)
            list->length = sorted_length;
        RH__ORDER();
        list->items = s.items;
        RH__ORDER();
        list->length = list->capacity = sorted_length;
        RH__ORDER();
    }
    RH__ENTER(rh__heap_of(list)); /* not before: the comparator may have called functions */
    /* Last: finalizers may come back to this list. */
    free_items(old, length);
    return is_sorted;
}
