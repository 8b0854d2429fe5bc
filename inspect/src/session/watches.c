/* watches.c - at whose changes the user wants the process to stop (see watches.h). */
#include "session/watches.h"
#include "base/array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOOKS_MAX = 64 }; /* of copies of the runtime in one process */

static bool is_of_heap(const rhi_watch *watch, const rhi_heap_info *heap)
{
    return watch->nonce == heap->nonce && watch->pid == heap->pid;
}

/* The heap whose runtime has this type; NULL: none. */
static const rhi_heap_info *heap_of_type(const rhi_reader *reader, uint32_t type)
{
    for (uint64_t i = 0; i < reader->heaps.count; i++)
        if (type - reader->heaps.items[i].first_type < reader->heaps.items[i].type_count)
            return &reader->heaps.items[i];
    return NULL;
}

static rhi_watch of_object(const rhi_reader *reader, const rhi_object *object)
{
    const rhi_heap_info *heap = &reader->heaps.items[object->heap];
    return (rhi_watch){.nonce = heap->nonce,
                       .pid = heap->pid,
                       .address = object->address,
                       .serial = object->serial};
}

static rhi_watch of_type(const rhi_reader *reader, uint32_t type)
{
    const rhi_heap_info *heap = heap_of_type(reader, type);
    rhi_watch watch = {.nonce = heap ? heap->nonce : 0, .pid = heap ? heap->pid : 0};
    snprintf(watch.type, sizeof watch.type, "%s", rhi__type_name(reader, type));
    return watch;
}

static bool is_same(const rhi_watch *a, const rhi_watch *b)
{
    return a->nonce == b->nonce && a->pid == b->pid && a->address == b->address &&
           a->serial == b->serial && strcmp(a->type, b->type) == 0;
}

/* Its place in the list; count: it is not there. */
static uint64_t find(const rhi_watches *watches, rhi_watch watch)
{
    uint64_t i = 0;
    while (i < watches->count && !is_same(&watches->items[i], &watch))
        i++;
    return i;
}

static rhi_error *set(rhi_watches *watches, rhi_watch watch, bool on)
{
    uint64_t at = find(watches, watch);
    if (!on && at < watches->count)
        watches->items[at] = watches->items[--watches->count];
    if (!on || at < watches->count)
        return NULL;
    if (!rhi__array_reserve(watches, 1))
        return rhi__error_memory();
    watches->items[watches->count++] = watch;
    return NULL;
}

bool rhi__may_stop_at(const rhi_watches *watches, uint64_t address)
{
    for (uint64_t i = 0; i < watches->count; i++)
        if (watches->items[i].address == address || watches->items[i].address == 0)
            return true;
    return false;
}

bool rhi__stops_at_type(const rhi_watches *watches, const rhi_reader *reader, uint32_t type)
{
    return type < reader->types.count && find(watches, of_type(reader, type)) < watches->count;
}

bool rhi__stops_at(const rhi_watches *watches, const rhi_reader *reader, const rhi_object *object)
{
    return find(watches, of_object(reader, object)) < watches->count ||
           rhi__stops_at_type(watches, reader, object->type);
}

rhi_error *rhi__watch_object(rhi_watches *watches, const rhi_reader *reader,
                             const rhi_object *object, bool on)
{
    return set(watches, of_object(reader, object), on);
}

rhi_error *rhi__watch_type(rhi_watches *watches, const rhi_reader *reader, uint32_t type, bool on)
{
    return set(watches, of_type(reader, type), on);
}

/* Of this process, which stops in the hook of each runtime that has a watch. */
static uint64_t find_hooks(const rhi_watches *watches, rhi_reader *reader, uint64_t *hooks)
{
    uint64_t count = 0;
    for (uint32_t h = 0; h < reader->heaps.count && count < HOOKS_MAX; h++) {
        const rhi_heap_info *heap = &reader->heaps.items[h];
        uint64_t hook = heap->format->hook ? heap->format->hook(reader, h) : 0, k = 0, i = 0;
        while (i < watches->count && !is_of_heap(&watches->items[i], heap))
            i++;
        while (k < count && hooks[k] != hook)
            k++;
        if (hook && i < watches->count && k == count)
            hooks[count++] = hook;
    }
    return count;
}

bool rhi__tell_stops(rhi_watches *watches, rhi_reader *reader)
{
    const rhi_target *door = reader->memory->door;
    uint64_t hooks[HOOKS_MAX], count = find_hooks(watches, reader, hooks);
    return door->stop_at && door->stop_at(door->context, hooks, count) == 0;
}
