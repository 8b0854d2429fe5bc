/* open.c - opens a target's memory: the way in which it is read, the map, the threads (see open.h).
 */
#include "target/open.h"
#include "target/ops.h"
#include "target/process.h"
#include "target/vectors.h"

#include <stdio.h>
#include <string.h>

static const char *why_truncated(const rhi_target *target)
{
    const struct rhi_target_ops *ops = rhi__target_ops(target);
    return ops->truncated ? ops->truncated(target->context) : NULL;
}

static uint64_t count_bytes(const rhi_target *target)
{
    const struct rhi_target_ops *ops = rhi__target_ops(target);
    return ops->bytes ? ops->bytes(target->context) : UINT64_MAX;
}

static rhi_error *read_map(rhi_memory *memory)
{
    rhi__sink_clear(&memory->map);
    const rhi_target *target = rhi__memory_source(memory);
    if (target->regions(target->context, &memory->map) != 0 || memory->map.regions.count == 0)
        return why_truncated(target)
                   ? rhi__error("%s", why_truncated(target))
                   : rhi__error("no process and no core to read: run the program, attach to it, or "
                                "load its core");
    const rhi_target *threads = target->threads ? target : memory->door;
    memory->has_threads = threads->threads &&
                          threads->threads(threads->context, &memory->map) == 0 &&
                          memory->map.threads.count > 0;
    if (memory->map.out_of_memory)
        return rhi__error_memory();
    rhi__sink_sort(&memory->map);
    rhi__forget_dead_vectors(memory);
    return NULL;
}

rhi_error *rhi__memory_open(rhi_memory *memory, const rhi_target *door)
{
    memset(memory, 0, sizeof *memory);
    memory->door = door;
    /* A door whose reads are the engine's own needs no second way. */
    if (rhi__target_ops(door)->state)
        memory->is_direct = false;
    else if (door->core_path)
        memory->is_direct = rhi_target_open_core(door->core_path, door->exe_path, &memory->direct,
                                                 memory->refused, sizeof memory->refused) == 0;
    else if (door->pid > 0)
        memory->is_direct = rhi__process_open_stopped(door->pid, &memory->direct, memory->refused,
                                                      sizeof memory->refused) == 0;
    /* before the map: what is cut off from here on has another state */
    memory->core_state = rhi__memory_core_state(memory);
    /* also for a debugger's reads of it, if they are preferred */
    memory->core_bytes = count_bytes(rhi__memory_source(memory));
    rhi_error *error = read_map(memory);
    const char *truncated = why_truncated(rhi__memory_source(memory));
    if (truncated)
        snprintf(memory->truncated, sizeof memory->truncated, "%s", truncated);
    if (error && memory->is_direct) {
        rhi__error_free(error);
        error = rhi__memory_use_door(memory);
    }
    if (error)
        rhi__memory_close(memory);
    return error;
}

rhi_error *rhi__memory_use_door(rhi_memory *memory)
{
    if (memory->is_direct) {
        rhi_target_close(&memory->direct);
        memory->is_direct = false;
    }
    return read_map(memory);
}

bool rhi__memory_reads_agree(rhi_memory *memory, uint64_t address, uint64_t size)
{
    if (!memory->is_direct)
        return true;
    uint8_t direct[256], door[256];
    if (size > sizeof direct)
        size = sizeof direct;
    uint64_t direct_got = memory->direct.read(memory->direct.context, address, direct, size);
    /* its state is asked first: that is when a file that was cut off is seen */
    if (direct_got < size && rhi__memory_core_state(memory) && why_truncated(&memory->direct))
        /* a debugger that has mapped the file would die of reading what was cut off, perhaps
         * just now */
        return true;
    uint64_t door_got = memory->door->read(memory->door->context, address, door, size);
    return direct_got == size && door_got == size && memcmp(direct, door, size) == 0;
}
