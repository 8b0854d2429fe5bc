/* values_compare.c - kinds of values, and what makes two values equal, less or greater.
 *
 * Invariant: the walk goes through both values in step, and the first difference is the answer.
 * Each pair of containers that it enters is taken for equal until then, and from the
 * UNRECORDED-th on this is noted in classes; a pair of one class is not entered again, so the
 * walk ends although values share parts and hold themselves. (J. E. Hopcroft, R. M. Karp, "A
 * linear algorithm for testing equivalence of finite automata", 1971.) */
#include "values_internal.h"

#include <math.h>

/* Most values are small and no cycles: they need no table. */
#define UNRECORDED 64

rh_value_kind rh_value_kind_of(const void *object)
{
    return rh_is_string(object)  ? RH_VALUE_STRING
           : rh_is_int(object)   ? RH_VALUE_INT
           : rh_is_list(object)  ? RH_VALUE_LIST
           : rh_is_dict(object)  ? RH_VALUE_DICT
           : rh_is_float(object) ? RH_VALUE_FLOAT
           : rh_is_bool(object)  ? RH_VALUE_BOOL
           : rh_is_nil(object)   ? RH_VALUE_NIL
                                 : RH_VALUE_OTHER;
}

/* ---- values that hold no others ------------------------------------------------------------- */

static rh_order order_sizes(size_t a, size_t b)
{
    return a < b ? RH_LESS : a > b ? RH_GREATER : RH_EQUAL;
}

static rh_order order_floats(double a, double b)
{
    return a < b ? RH_LESS : a > b ? RH_GREATER : a == b ? RH_EQUAL : RH_UNORDERED;
}

/* Exact: converting the int to double could make different numbers equal. */
static rh_order order_int_float(int64_t a, double b)
{
    if (!(b >= -0x1p63 && b < 0x1p63))
        return order_floats(0, b); /* beyond every int, or a NaN */
    int64_t whole = (int64_t)b;    /* towards zero */
    if (a != whole)
        return a < whole ? RH_LESS : RH_GREATER;
    return order_floats((double)whole, b);
}

static rh_order reversed(rh_order order)
{
    return order == RH_LESS ? RH_GREATER : order == RH_GREATER ? RH_LESS : order;
}

static rh_order order_numbers(const void *a, bool a_is_int, const void *b, bool b_is_int)
{
    if (a_is_int && b_is_int) {
        int64_t left = rh_int_value(a), right = rh_int_value(b);
        return left < right ? RH_LESS : left > right ? RH_GREATER : RH_EQUAL;
    }
    if (a_is_int)
        return order_int_float(rh_int_value(a), rh_float_value(b));
    if (b_is_int)
        return reversed(order_int_float(rh_int_value(b), rh_float_value(a)));
    return order_floats(rh_float_value(a), rh_float_value(b));
}

static rh_order order_strings(const rh_string *a, const rh_string *b)
{
    int difference = memcmp(a->bytes, b->bytes, a->length < b->length ? a->length : b->length);
    return difference < 0   ? RH_LESS
           : difference > 0 ? RH_GREATER
                            : order_sizes(a->length, b->length);
}

/* Different objects, not both lists nor both dicts. */
static rh_order order_plain(const void *a, rh_value_kind a_kind, const void *b,
                            rh_value_kind b_kind)
{
    bool a_is_int = a_kind == RH_VALUE_INT, b_is_int = b_kind == RH_VALUE_INT;
    if ((a_is_int || a_kind == RH_VALUE_FLOAT) && (b_is_int || b_kind == RH_VALUE_FLOAT))
        return order_numbers(a, a_is_int, b, b_is_int);
    if (a_kind == RH_VALUE_STRING && b_kind == RH_VALUE_STRING)
        return order_strings(a, b);
    if (a_kind == RH_VALUE_BOOL && b_kind == RH_VALUE_BOOL)
        return rh_bool_value(b) ? RH_LESS : RH_GREATER;
    return RH_UNORDERED;
}

/* ---- values that hold others ---------------------------------------------------------------- */

typedef struct comparison {
    rh__walk walk; /* the pairs of containers that the present one lies in */
    /* classes of containers that must be equal: each cell leads to its class's root */
    rh__seen seen;
    size_t entered;
    size_t dicts; /* on the walk: within one, less and greater have no meaning */
    bool only_equality;
} comparison;

/* The one object of its class that stands for it. pre: the object has a cell. */
static const void *class_of(const rh__seen *seen, const void *object)
{
    for (;;) {
        rh__seen_cell *cell = rh__seen_find(seen, object);
        const void *parent = (const void *)cell->value;
        if (parent == object)
            return object;
        cell->value = rh__seen_find(seen, parent)->value; /* shortens the way for the next one */
        object = (const void *)cell->value;
    }
}

/* Notes that the walk takes the two for equal. *is_known: it did so before. False: memory is short.
 */
static bool record(comparison *c, const void *a, const void *b, bool *is_known)
{
    if (!rh__seen_add(&c->seen, a, (uintptr_t)a) || !rh__seen_add(&c->seen, b, (uintptr_t)b))
        return false;
    const void *a_class = class_of(&c->seen, a), *b_class = class_of(&c->seen, b);
    *is_known = a_class == b_class;
    rh__seen_find(&c->seen, a_class)->value = (uintptr_t)b_class;
    return true;
}

/* Both lists, or both dicts: what is in them is compared next. */
static rh_order enter_containers(comparison *c, const void *a, const void *b, bool are_dicts)
{
    if (are_dicts && rh_dict_length(a) != rh_dict_length(b))
        return RH_UNORDERED;
    if (!are_dicts && c->only_equality && rh_list_length(a) != rh_list_length(b))
        return RH_UNORDERED;
    bool is_known = false;
    if (++c->entered > UNRECORDED && !record(c, a, b, &is_known))
        return RH_NO_MEMORY;
    if (is_known)
        return RH_EQUAL;
    if (!rh__walk_push(&c->walk, a, b))
        return RH_NO_MEMORY;
    c->dicts += are_dicts;
    return RH_EQUAL;
}

static rh_order enter(comparison *c, const void *a, const void *b)
{
    if (a == b)
        return RH_EQUAL;
    rh_value_kind a_kind = rh_value_kind_of(a), b_kind = rh_value_kind_of(b);
    if (a_kind == b_kind && (a_kind == RH_VALUE_LIST || a_kind == RH_VALUE_DICT))
        return enter_containers(c, a, b, a_kind == RH_VALUE_DICT);
    return order_plain(a, a_kind, b, b_kind);
}

static rh_order step_lists(comparison *c, const rh_list *a, const rh_list *b)
{
    size_t i = rh__walk_top(&c->walk)->position++;
    if (i < a->length && i < b->length)
        return enter(c, a->items[i], b->items[i]);
    c->walk.depth--;
    return order_sizes(a->length, b->length);
}

static rh_order step_dicts(comparison *c, const rh_dict *a, const rh_dict *b)
{
    void *key, *value;
    if (rh_dict_next(a, &rh__walk_top(&c->walk)->position, &key, &value)) {
        const void *other = rh_dict_get(b, key);
        return other ? enter(c, value, other) : RH_UNORDERED;
    }
    c->walk.depth--;
    c->dicts--;
    return RH_EQUAL; /* as many entries, and each was found */
}

static rh_order compare(const void *a, const void *b, bool only_equality)
{
    comparison c;
    RH__WALK_EMPTY(&c.walk);
    c.seen = (rh__seen){0};
    c.entered = c.dicts = 0;
    c.only_equality = only_equality;
    rh_order order = enter(&c, a, b);
    while (order == RH_EQUAL && c.walk.depth) {
        const rh__walk_frame *top = rh__walk_top(&c.walk);
        order = rh_is_list(top->object) ? step_lists(&c, top->object, top->other)
                                        : step_dicts(&c, top->object, top->other);
    }
    if (c.dicts && order != RH_EQUAL && order != RH_NO_MEMORY)
        order = RH_UNORDERED;
    rh__walk_free(&c.walk);
    rh__seen_free(&c.seen);
    return order;
}

bool rh__equal_keys(const void *a, const void *b)
{
    return a == b || order_plain(a, rh_value_kind_of(a), b, rh_value_kind_of(b)) == RH_EQUAL;
}

bool rh_equal(const void *a, const void *b)
{
    return compare(a, b, true) == RH_EQUAL;
}

rh_order rh_compare(const void *a, const void *b)
{
    return compare(a, b, false);
}
