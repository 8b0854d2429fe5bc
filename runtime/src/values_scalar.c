/* values_scalar.c - nil, booleans, integers and floats, and the process's shared immortal ones.
 *
 * Invariant: `shared` is either all zero or complete. Once it is published nobody writes to its
 * objects again, not even their counts, which is why threads and heaps may share them. */
#include "values_internal.h"

#include <pthread.h>
#include <stdatomic.h>

#define SHARED_INT_COUNT (RH_INT_SHARED_MAX - RH_INT_SHARED_MIN + 1)

typedef struct nil_object {
    rh_object base;
} nil_object;

static const rh_field bool_fields[] = {RH_UINT(rh_boolean, value), RH_FIELDS_END};
static const rh_field int_fields[] = {RH_INT(rh_int, value), RH_FIELDS_END};
static const rh_field float_fields[] = {RH_FLOAT(rh_float, value), RH_FIELDS_END};

static rh_type nil_type = {.name = "nil", .size = sizeof(nil_object), .flags = RH_TYPE_ACYCLIC};
static rh_type bool_type = {
    .name = "bool", .size = sizeof(rh_boolean), .fields = bool_fields, .flags = RH_TYPE_ACYCLIC};
static rh_type int_type = {
    .name = "int", .size = sizeof(rh_int), .fields = int_fields, .flags = RH_TYPE_ACYCLIC};
static rh_type float_type = {
    .name = "float", .size = sizeof(rh_float), .fields = float_fields, .flags = RH_TYPE_ACYCLIC};

/* The shared objects. `is_ready` is set last, with release order. */
static struct {
    atomic_bool is_ready;
    pthread_mutex_t lock;
    rh_object *nil;
    rh_boolean *booleans[2];
    rh_int *integers[SHARED_INT_COUNT];
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool rh__has_type(const void *object, const rh_type *type)
{
    /* A type that was never registered has index 0, which no object has. Another thread may be
     * registering it for a heap of its own at this moment. */
    uint32_t index = __atomic_load_n(&type->rh_private.index, __ATOMIC_RELAXED);
    return object && ((const rh_object *)object)->rh_type_index == index;
}

/* Makes what is missing. Each object is kept as soon as it exists, so that a call that ran out of
 * memory is simply continued by the next one. */
static bool make_shared(void)
{
    if (!shared.nil)
        shared.nil = rh__new_immortal(&nil_type, NULL);
    if (!shared.nil)
        return false;
    for (int i = 0; i < 2; i++) {
        if (shared.booleans[i])
            continue;
        shared.booleans[i] = rh__new_immortal(&bool_type, NULL);
        if (!shared.booleans[i])
            return false;
        shared.booleans[i]->value = i == 1;
    }
    for (int i = 0; i < SHARED_INT_COUNT; i++) {
        if (shared.integers[i])
            continue;
        shared.integers[i] = rh__new_immortal(&int_type, NULL);
        if (!shared.integers[i])
            return false;
        shared.integers[i]->value = i + RH_INT_SHARED_MIN;
    }
    return true;
}

void rh__shared_values_lock(void)
{
    pthread_mutex_lock(&shared.lock);
}

void rh__shared_values_unlock(void)
{
    pthread_mutex_unlock(&shared.lock);
}

static bool shared_is_ready(void)
{
    if (atomic_load_explicit(&shared.is_ready, memory_order_acquire))
        return true;
    rh__shared_values_lock();
    bool is_ready = atomic_load_explicit(&shared.is_ready, memory_order_relaxed);
    if (!is_ready) {
        is_ready = make_shared();
        atomic_store_explicit(&shared.is_ready, is_ready, memory_order_release);
    }
    rh__shared_values_unlock();
    return is_ready;
}

rh_object *rh_nil(void)
{
    return shared_is_ready() ? shared.nil : NULL;
}

rh_boolean *rh_bool(bool value)
{
    return shared_is_ready() ? shared.booleans[value] : NULL;
}

rh_int *rh_int_new_at(rh_heap *heap, int64_t value, rh_site *site)
{
    if (value >= RH_INT_SHARED_MIN && value <= RH_INT_SHARED_MAX)
        return shared_is_ready() ? shared.integers[value - RH_INT_SHARED_MIN] : NULL;
    RH__ENTER(heap);
    rh_int *integer = rh_new_at(heap, &int_type, site);
    if (integer)
        integer->value = value;
    return integer;
}

rh_float *rh_float_new_at(rh_heap *heap, double value, rh_site *site)
{
    RH__ENTER(heap);
    rh_float *number = rh_new_at(heap, &float_type, site);
    if (number)
        number->value = value;
    return number;
}

bool rh_bool_value(const rh_boolean *boolean)
{
    return boolean->value;
}

int64_t rh_int_value(const rh_int *integer)
{
    return integer->value;
}

double rh_float_value(const rh_float *number)
{
    return number->value;
}

bool rh_is_nil(const void *object)
{
    return rh__has_type(object, &nil_type);
}

bool rh_is_bool(const void *object)
{
    return rh__has_type(object, &bool_type);
}

bool rh_is_int(const void *object)
{
    return rh__has_type(object, &int_type);
}

bool rh_is_float(const void *object)
{
    return rh__has_type(object, &float_type);
}
