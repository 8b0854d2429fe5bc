/* sink.c - takes what a target reports (see sink.h). */
#include "target/sink.h"
#include "base/array.h"
#include "base/bytes.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

void rhi_sink_region(rhi_sink *sink, uint64_t start, uint64_t end, uint32_t flags,
                     uint64_t file_offset, const char *path)
{
    if (start >= end)
        return;
    char *copy = strdup(path ? path : "");
    if (!copy || !rhi__array_reserve(&sink->regions, 1)) {
        free(copy);
        sink->out_of_memory = true;
        return;
    }
    sink->regions.items[sink->regions.count++] = (rhi_region){
        .start = start, .end = end, .file_offset = file_offset, .flags = flags, .path = copy};
}

void rhi_sink_thread(rhi_sink *sink, uint64_t lwp, uint64_t stack_pointer)
{
    if (!rhi__array_reserve(&sink->threads, 1)) {
        sink->out_of_memory = true;
        return;
    }
    sink->threads.items[sink->threads.count++] =
        (rhi_thread){.lwp = lwp,
                     .stack_pointer = stack_pointer,
                     .first_register = (uint32_t)sink->registers.count};
}

void rhi_sink_register(rhi_sink *sink, const char *name, uint64_t value)
{
    if (sink->threads.count == 0 || sink->registers.count >= UINT32_MAX ||
        !rhi__array_reserve(&sink->registers, 1)) {
        sink->out_of_memory |= sink->threads.count != 0;
        return;
    }
    rhi_register *added = &sink->registers.items[sink->registers.count++];
    snprintf(added->name, sizeof added->name, "%s", name ? name : "?");
    added->value = value;
    sink->threads.items[sink->threads.count - 1].register_count++;
}

void rhi__sink_clear(struct rhi_sink *sink)
{
    for (uint64_t i = 0; i < sink->regions.count; i++)
        free(sink->regions.items[i].path);
    free(sink->regions.items);
    free(sink->threads.items);
    free(sink->registers.items);
    memset(sink, 0, sizeof *sink);
}

static int region_order(const void *left, const void *right)
{
    const rhi_region *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

void rhi__sink_sort_regions(struct rhi_sink *sink)
{
    if (sink->regions.count)
        qsort(sink->regions.items, sink->regions.count, sizeof *sink->regions.items, region_order);
}

static void cut_overlaps(struct rhi_sink *sink)
{
    uint64_t kept = 0, end = 0;
    for (uint64_t i = 0; i < sink->regions.count; i++) {
        rhi_region region = sink->regions.items[i];
        if (region.start < end) {
            region.file_offset += end - region.start;
            region.start = end;
        }
        if (region.start >= region.end) {
            free(region.path);
            continue;
        }
        end = region.end;
        sink->regions.items[kept++] = region;
    }
    sink->regions.count = kept;
}

static int register_order(const void *left, const void *right)
{
    return strcmp(((const rhi_register *)left)->name, ((const rhi_register *)right)->name);
}

static void sort_registers(struct rhi_sink *sink)
{
    for (uint64_t i = 0; i < sink->threads.count; i++)
        if (sink->threads.items[i].register_count)
            qsort(sink->registers.items + sink->threads.items[i].first_register,
                  sink->threads.items[i].register_count, sizeof *sink->registers.items,
                  register_order);
}

void rhi__sink_sort(struct rhi_sink *sink)
{
    rhi__sink_sort_regions(sink);
    cut_overlaps(sink);
    sort_registers(sink);
}

uint64_t rhi__random_address(const uint8_t *vector, uint64_t size)
{
    for (uint64_t at = 0; at + 16 <= size && rhi__load64(vector + at) != AT_NULL; at += 16)
        if (rhi__load64(vector + at) == AT_RANDOM)
            return rhi__load64(vector + at + 8);
    return 0;
}
