/* v8_ids.c - gives ids (see v8_ids.h). Pages are made where ids are: those of objects
 * that lie near each other are near each other. */
#include "export/v8_ids.h"
#include "base/bits.h"

#include <stdlib.h>

/* Of addresses: where a program and its heap lie, and where libraries and mapped memory lie. The
 * kernel puts them into different quarters of the addresses. */
enum { PAGE_IDS = 1 << 16, ADDRESS_UNIT = 16, TRIES = 64 };
typedef struct window {
    uint32_t first, count;
} window;
static const window serials = {0, 1u << 31}, low = {1u << 31, 1u << 29},
                    high = {(1u << 31) + (1u << 29), 1u << 30},
                    /* so many pages at most are made for ids that are scattered */
    scattered = {7u << 29, 1u << 28};
/* What the root takes from the object with serial 1. */
static const uint32_t first_serial = UINT32_MAX;
/* Between the ids of one copy of the runtime and of the next: each counts serials from 1. */
static const uint32_t copy_step = 0x9e3779b1;

/* *is_new: it was not taken. False if memory is short. */
static bool take(rhi_v8_ids *ids, uint32_t id, bool *is_new)
{
    uint64_t **page = &ids->pages[id / PAGE_IDS];
    if (!*page && !(*page = calloc(PAGE_IDS / 64, sizeof **page)))
        return false;
    *is_new = !rhi__bit(*page, id % PAGE_IDS);
    rhi__bit_set(*page, id % PAGE_IDS);
    return true;
}

static uint32_t in_window(window w, uint64_t number)
{
    return w.first + (uint32_t)(number % w.count);
}

/* Of what the kernel lets programs have, 2^47 bytes or 2^48, is it in the last quarter? */
static bool is_high(uint64_t address)
{
    return address >> 45 == 3 || address >> 46 == 3;
}

static bool has_serial(const rhi_object *object)
{
    return object->serial && object->serial < serials.count;
}

/* 0: none. */
static uint32_t wanted_id(const rhi_object *object, uint32_t copy)
{
    if (object->serial == RHI_V8_ROOT_ID && copy == 0)
        return first_serial;
    if (has_serial(object)) {
        uint32_t id = in_window(serials, object->serial + (uint64_t)copy * copy_step);
        return id > RHI_V8_ROOT_ID ? id : 0;
    }
    return object->address % ADDRESS_UNIT
               ? 0
               : in_window(is_high(object->address) ? high : low, object->address / ADDRESS_UNIT);
}

static uint32_t scattered_id(const rhi_object *object, uint32_t copy, uint32_t try)
{
    uint64_t bits = (has_serial(object) ? object->serial : object->address) ^ (uint64_t)copy << 32 ^
                    (uint64_t)try << 48;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
    return in_window(scattered, bits ^ bits >> 31);
}

bool rhi__v8_id(rhi_v8_ids *ids, const rhi_object *object, uint32_t copy, uint32_t *id)
{
    bool is_new = false;
    *id = object ? wanted_id(object, copy) : 0;
    if (*id && !take(ids, *id, &is_new))
        return false;
    for (uint32_t try = 0; object && !is_new && try < TRIES; try++)
        if (!take(ids, *id = scattered_id(object, copy, try), &is_new))
            return false;
    while (!is_new) {
        /* each is tried once */
        *id = ids->given = ids->given ? ids->given - 1 : first_serial - 1;
        if (!take(ids, *id, &is_new))
            return false;
    }
    return true;
}

void rhi__v8_ids_free(rhi_v8_ids *ids)
{
    for (unsigned i = 0; i < RHI_V8_ID_PAGES; i++)
        free(ids->pages[i]);
}
