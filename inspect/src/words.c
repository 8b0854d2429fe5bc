/* words.c - finds the words outside the heap that refer to objects (see words.h).
 * Invariant: a word is reported in one class only; `skipped` (registered roots and the runtime's own
 * memory) is asked before any conservative class. */
#include "words.h"
#include "array.h"
#include "modules.h"
#include "objects.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RED_ZONE_BYTES = 128, SCAN_STEP_BYTES = 1 << 20, RANGES_MAX = 4096 };

typedef struct scan {
    rhi_session *session;
    rhi_reader *reader;
    uint64_t low, high;
    rhi_holder_visitor visit;
    void *context;
    struct { rhi_segment *items; uint64_t count, capacity; } data; /* writable segments of modules */
    bool out_of_memory;
} scan;

static bool is_registered(const rhi_reader *reader, uint64_t address)
{
    uint64_t low = 0, high = reader->roots.count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (reader->roots.items[middle].slot < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < reader->roots.count && reader->roots.items[low].slot == address;
}

static rhi_error *scan_roots(scan *s)
{
    for (uint64_t i = 0; i < s->reader->roots.count; i++) {
        const rhi_root *root = &s->reader->roots.items[i];
        uint64_t value;
        char text[RHI_NAME_SIZE + 64];
        if (!rhi__memory_u64(s->reader->memory, root->slot, &value)) {
            snprintf(text, sizeof text, "the registered root %s at 0x%" PRIx64 " cannot be read", root->name, root->slot);
            rhi__incomplete(s->session, text);
            continue;
        }
        if (value < s->low || value >= s->high)
            continue;
        rhi_holder holder = {.kind = RHI_HOLDER_ROOT, .strong = true, .index = (uint32_t)i, .address = root->slot, .value = value};
        RHI_TRY(s->visit(s->context, &holder));
    }
    return NULL;
}

/* ---- registers and stacks ---------------------------------------------------------------------------- */

static rhi_error *scan_registers(scan *s, const rhi_thread *thread)
{
    const struct rhi_sink *map = &s->reader->memory->map;
    for (uint32_t i = 0; i < thread->register_count; i++) {
        const rhi_register *r = &map->registers.items[thread->first_register + i];
        if (r->value < s->low || r->value >= s->high)
            continue;
        rhi_holder holder = {.kind = RHI_HOLDER_REGISTER, .value = r->value, .lwp = thread->lwp, .index = thread->first_register + i};
        RHI_TRY(s->visit(s->context, &holder));
    }
    return NULL;
}

static rhi_error *scan_range(scan *s, uint64_t start, uint64_t end, uint8_t kind, uint64_t lwp)
{
    rhi_scratch scratch = {0};
    rhi_error *error = NULL;
    uint64_t unread = 0;
    if (start > UINT64_MAX - 7)
        return NULL;
    for (uint64_t at = (start + 7) & ~7ull; at < end && !error;) {
        uint64_t size = end - at < SCAN_STEP_BYTES ? end - at : SCAN_STEP_BYTES, got;
        const uint8_t *bytes = rhi__memory_view(s->reader->memory, at, size, &scratch, &got);
        for (uint64_t i = 0; bytes && i + 8 <= got && !error; i += 8) {
            uint64_t value = rhi__load64(bytes + i);
            if (value < s->low || value >= s->high || is_registered(s->reader, at + i) || rhi__own_at(s->reader, at + i))
                continue;
            rhi_holder holder = {.kind = kind, .address = at + i, .value = value, .lwp = lwp};
            error = s->visit(s->context, &holder);
        }
        uint64_t next = got == size ? at + size : rhi__memory_hole_end(s->reader->memory, at + got, end);
        unread += next - (at + got);
        at = next > UINT64_MAX - 7 ? end : (next + 7) & ~7ull;
        if (!error)
            error = rhi__progress(s->session, "reading memory", at - start, end - start);
    }
    rhi__scratch_free(&scratch);
    if (unread) {
        char text[128];
        snprintf(text, sizeof text, "%" PRIu64 " bytes of %s at 0x%" PRIx64 " cannot be read", unread,
                 kind == RHI_HOLDER_STACK ? "a stack" : "module data", start);
        rhi__incomplete(s->session, text);
    }
    return error;
}

static rhi_error *scan_threads(scan *s)
{
    const rhi_memory *memory = s->reader->memory;
    if (!memory->has_threads)
        rhi__incomplete(s->session, "registers and stacks were not searched: the threads cannot be had");
    for (uint64_t i = 0; i < memory->map.threads.count; i++) {
        const rhi_thread *thread = &memory->map.threads.items[i];
        const rhi_region *stack = rhi__memory_region(memory, thread->stack_pointer);
        RHI_TRY(scan_registers(s, thread));
        if (!stack) {
            rhi__incomplete(s->session, "the stack of a thread was not searched: its stack pointer points nowhere");
            continue;
        }
        uint64_t start = thread->stack_pointer > RED_ZONE_BYTES ? thread->stack_pointer - RED_ZONE_BYTES : 0;
        RHI_TRY(scan_range(s, start > stack->start ? start : stack->start, stack->end, RHI_HOLDER_STACK, thread->lwp));
    }
    return NULL;
}

/* ---- module data ---------------------------------------------------------------------------------------- */

static bool add_data_segment(void *context, const rhi_segment *segment)
{
    scan *s = context;
    if (segment->type != PT_LOAD || !(segment->flags & PF_W))
        return true;
    if (s->data.count >= RANGES_MAX) {
        rhi__incomplete(s->session, "there are more modules than are searched");
        return false;
    }
    if (!rhi__array_reserve(&s->data, 1))
        s->out_of_memory = true;
    else
        s->data.items[s->data.count++] = *segment;
    return true;
}

static bool in_data(const scan *s, const rhi_region *region)
{
    for (uint64_t i = 0; i < s->data.count; i++)
        if (region->start < s->data.items[i].end && region->end > s->data.items[i].start)
            return true;
    return false;
}

/* The mapped parts of a segment: its length is what an ELF header claims. */
static rhi_error *scan_segment(scan *s, const rhi_segment *segment)
{
    const struct rhi_sink *map = &s->reader->memory->map;
    for (uint64_t i = 0; i < map->regions.count && map->regions.items[i].start < segment->end; i++) {
        const rhi_region *region = &map->regions.items[i];
        uint64_t start = region->start > segment->start ? region->start : segment->start;
        uint64_t end = region->end < segment->end ? region->end : segment->end;
        if (start < end)
            RHI_TRY(scan_range(s, start, end, RHI_HOLDER_GLOBAL, 0));
    }
    return NULL;
}

static rhi_error *scan_modules(scan *s)
{
    rhi_memory *memory = s->reader->memory;
    for (uint64_t i = 0; i < memory->map.regions.count; i++)
        if (memory->map.regions.items[i].file_offset == 0 && rhi__region_is_file(&memory->map.regions.items[i]))
            rhi__each_segment(memory, memory->map.regions.items[i].start, add_data_segment, s);
    for (uint64_t i = 0; i < s->data.count; i++)
        RHI_TRY(scan_segment(s, &s->data.items[i]));
    /* Writable file mappings of modules whose headers are not there: without their .bss. */
    for (uint64_t i = 0; i < memory->map.regions.count; i++) {
        const rhi_region *region = &memory->map.regions.items[i];
        if (!(region->flags & RHI_REGION_WRITE) || region->flags & RHI_REGION_SHARED || !rhi__region_is_file(region) ||
            in_data(s, region))
            continue;
        RHI_TRY(scan_range(s, region->start, region->end, RHI_HOLDER_GLOBAL, 0));
        rhi__incomplete(s->session, "zero-initialized data of a module whose ELF header is missing was not searched");
    }
    return NULL;
}

rhi_error *rhi__each_word(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high, rhi_holder_visitor visit, void *context)
{
    scan s = {.session = session, .reader = reader, .low = low, .high = high, .visit = visit, .context = context};
    rhi_error *error = scan_roots(&s);
    if (!error)
        error = scan_threads(&s);
    if (!error)
        error = scan_modules(&s);
    free(s.data.items);
    rhi__incomplete(session, "malloc blocks, thread-local variables and other memory outside stacks and module data were not searched");
    return error ? error : s.out_of_memory ? rhi__error_memory() : NULL;
}
