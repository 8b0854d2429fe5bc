/* collector.c - what the collector keeps of objects: its lists, and the two links in front of each
 * object that it knows.
 *
 * The links of all objects are looked at in one pass in the order of memory: walking the lists
 * would read everywhere. Invariant: a link is handed out without its flags. */
#include "base/cycle_guard.h"
#include "readers/cpython/python.h"
#include "target/window.h"

enum {
    LINKS = PY_LINKS_BYTES,
    HEAD_BYTES = 128 /* enough of a large object */
};

static uint64_t link_at(const uint8_t *bytes)
{
    return rhi__load64(bytes) & ~(uint64_t)PY_GC_LINK_FLAGS;
}

static bool visit_block(py_runtime *py, const rhi_block *block, rhi_block_room *room,
                        py_links_visitor visit, void *context)
{
    uint64_t got = 0, size = block->capacity == 1 && block->slot_size > HEAD_BYTES
                                 ? HEAD_BYTES
                                 : rhi__block_used_bytes(block);
    const uint8_t *bytes = rhi__block_bytes(py->reader, block, size, room, &got);
    for (uint64_t first = 0; first < block->capacity; first += 64)
        for (uint64_t bits = block->live[first / 64]; bits; bits &= bits - 1) {
            uint64_t slot = first + (uint64_t)__builtin_ctzll(bits),
                     at = slot * block->slot_size + block->prefixes[slot];
            if (block->prefixes[slot] < LINKS)
                continue;
            if (!bytes || at + LINKS > got)
                return false;
            const py_type *type = rhi__py_known_type(py, rhi__load64(bytes + at + PY_OB_TYPE));
            if (!type || !(type->flags & PY_FLAG_GC))
                continue;
            py_links links = {.block = block,
                              .head = block->base + at - LINKS,
                              .next = link_at(bytes + at - LINKS),
                              .previous = link_at(bytes + at - LINKS + 8)};
            if (links.next)
                visit(context, &links);
        }
    return true;
}

bool rhi__py_each_tracked(py_runtime *py, rhi_work *work, py_links_visitor visit, void *context)
{
    rhi_reader *reader = py->reader;
    rhi_block_room room = {.scratch = {0}};
    rhi_error *error = NULL;
    bool is_whole = true;
    for (uint64_t i = 0; i < reader->blocks.count && !error; i++) {
        const rhi_block *block = &reader->blocks.items[i];
        if (block->prefixes && reader->heaps.items[block->heap].state == py)
            is_whole &= visit_block(py, block, &room, visit, context);
        if (work && i % 1024 == 0)
            error =
                rhi__progress(work, "looking at the collector's links", i, reader->blocks.count);
    }
    rhi__block_room_free(&room);
    is_whole &= !error;
    rhi__error_free(error); /* the caller's own work says so again */
    return is_whole;
}

uint64_t rhi__py_list_head(const py_interpreter *interpreter, unsigned list)
{
    return interpreter->gc + (list < PY_GC_LISTS - 1
                                  ? PY_GC_GENERATIONS + list * PY_GC_GENERATION_BYTES
                                  : (unsigned)PY_GC_PERMANENT);
}

bool rhi__py_list_length(py_runtime *py, uint64_t head, uint64_t most, uint64_t *length)
{
    enum { STEP = 4096 };
    rhi_window window = {.memory = py->memory, .step = STEP};
    rhi_cycle_guard guard = {0};
    uint64_t at = head, next = 0;
    bool is_whole = true;
    for (*length = 0; is_whole; ++*length, at = next) {
        is_whole = rhi__window_u64(&window, at, &next);
        next &= ~(uint64_t)PY_GC_LINK_FLAGS;
        if (next == head || !is_whole)
            break;
        is_whole = next && *length < most && !rhi__is_repeated(&guard, next);
    }
    rhi__scratch_free(&window.scratch);
    return is_whole;
}
