/* thread_locals.c - finds glibc's thread control blocks (see thread_locals.h).
 *
 * On x86-64 one is known by its shape: it holds its own address at +0 and +16 and the thread's
 * LWP (the `tid` of struct pthread, at 0x2d0 in glibc 2.26 to 2.41) in its first KiB. Static
 * thread-local variables lie right below it; on AArch64 right behind it. struct pthread counts as
 * thread-local too: the values of pthread_setspecific are in it. */
#include "program/thread_locals.h"
#include "base/array.h"

#include <string.h>

enum {
    TID_AT = 0x2d0,
    TID_WITHIN = 0x400,
    STACK_FROM = 0x600,
    PTHREAD_BYTES = 0x900, /* `stackblock` and its size are in the last third */
    ABOVE_MAX = 0x2000,    /* from the control block to the end of its stack */
    DTV_ENTRIES_MAX = 4096,
    BLOCKS_MAX = 1 << 16,
    STATIC_BYTES_MAX = 1 << 20, /* where program headers are missing */
    OTHER_PLACES_MAX = 64,      /* threads that are looked for with their LWP at another place */
    ENDS_BYTES = 1 << 20        /* of a mapping, where control blocks are looked for */
};

typedef struct finder {
    rhi_memory *memory;
    rhi_thread_locals *locals;
    uint64_t size, missing; /* missing: threads whose control block is not found yet */
    bool out_of_memory;
} finder;

static void add_block(finder *f, uint64_t start, uint64_t end, const rhi_thread *thread,
                      uint64_t pointer)
{
    if (f->locals->blocks.count >= BLOCKS_MAX)
        return;
    if (!rhi__array_reserve(&f->locals->blocks, 1))
        f->out_of_memory = true;
    else
        f->locals->blocks.items[f->locals->blocks.count++] = (rhi_tls_block){
            .start = start, .end = end, .lwp = thread->lwp, .thread_pointer = pointer};
}

/* ---- one thread ----------------------------------------------------------------------------- */

/* Reads the table of the thread's blocks: the static ones lie within `size` bytes of the thread
 * pointer, *low is where they begin; the others are added. */
static void read_dtv(finder *f, const rhi_thread *thread, uint64_t pointer, uint64_t dtv,
                     uint64_t size, uint64_t *low)
{
    uint64_t entries[2 * 64], capacity;
    if (dtv % 8 || !rhi__memory_u64(f->memory, dtv - 16, &capacity) || capacity == 0 ||
        capacity > 1 << 20)
        return;
    if (capacity > DTV_ENTRIES_MAX)
        capacity = DTV_ENTRIES_MAX;
    for (uint64_t i = 1; i <= capacity; i += 64) {
        uint64_t count = capacity - i + 1 < 64 ? capacity - i + 1 : 64;
        uint64_t got = rhi__memory_read(f->memory, dtv + i * 16, entries, count * 16) / 16;
        for (uint64_t k = 0; k < got; k++) {
            uint64_t block = entries[k * 2], owned = entries[k * 2 + 1];
            if (block == UINT64_MAX || block == 0)
                continue;
            if (block < pointer && pointer - block <= size && block < *low)
                *low = block;
            else if (owned && owned <= block && block - owned < 1 << 16)
                add_block(f, block, 0, thread, pointer);
        }
        if (got < count)
            return;
    }
}

static bool contains(uint64_t start, uint64_t size, uint64_t address)
{
    return address >= start && address - start < size;
}

#if defined(__x86_64__)
static const char *const pointer_registers[] = {"fs_base"};

static bool is_control_block(finder *f, uint64_t at)
{
    uint64_t head[3];
    return at % 16 == 0 && rhi__memory_read(f->memory, at, head, sizeof head) == sizeof head &&
           head[0] == at && head[2] == at;
}

/* The thread without a known control block whose LWP is in the one at `at`; UINT64_MAX: none. */
static uint64_t thread_of(finder *f, uint64_t at)
{
    const struct rhi_sink *map = &f->memory->map;
    uint8_t bytes[TID_WITHIN];
    uint64_t got = rhi__memory_read(f->memory, at, bytes, sizeof bytes);
    for (uint64_t t = 0; got >= TID_AT + 4 && t < map->threads.count; t++)
        if (!f->locals->threads[t].thread_pointer &&
            rhi__load32(bytes + TID_AT) == map->threads.items[t].lwp)
            return t;
    /* of another glibc */
    for (uint64_t t = 0; map->threads.count <= OTHER_PLACES_MAX && t < map->threads.count; t++)
        for (uint64_t i = 24; !f->locals->threads[t].thread_pointer && i + 4 <= got; i += 4)
            if (rhi__load32(bytes + i) == map->threads.items[t].lwp)
                return t;
    return UINT64_MAX;
}

static void take_thread(finder *f, uint64_t index, uint64_t pointer)
{
    const rhi_thread *thread = &f->memory->map.threads.items[index];
    rhi_thread_place *place = &f->locals->threads[index];
    const rhi_region *region = rhi__memory_region(f->memory, pointer);
    uint64_t dtv, low = pointer, size = f->size ? f->size : STATIC_BYTES_MAX,
                  words[(PTHREAD_BYTES - STACK_FROM) / 8];
    place->thread_pointer = pointer;
    f->missing--;
    if (!region)
        return;
    if (rhi__memory_u64(f->memory, pointer + 8, &dtv))
        read_dtv(f, thread, pointer, dtv, size, &low);
    if (low == pointer && f->size) /* no table: what the modules may need at most */
        low = pointer - region->start > f->size ? pointer - f->size : region->start;
    uint64_t end = region->end - pointer < PTHREAD_BYTES ? region->end : pointer + PTHREAD_BYTES;
    uint64_t got = rhi__memory_read(f->memory, pointer + STACK_FROM, words, sizeof words) / 8;
    for (uint64_t i = 0; i + 1 < got && !place->stack_end; i++)
        if (words[i] && rhi__range_ok(words[i], words[i + 1]) &&
            contains(words[i], words[i + 1], thread->stack_pointer) &&
            contains(words[i], words[i + 1], pointer) &&
            words[i] + words[i + 1] - pointer <= ABOVE_MAX) {
            place->stack_start = words[i];
            place->stack_end = words[i] + words[i + 1];
        }
    if (low < region->start)
        low = region->start;
    add_block(f, low, end, thread, pointer);
}

/* ---- the search ----------------------------------------------------------------------------- */

/* Looks for control blocks of threads that have none yet. */
static void search(finder *f, uint64_t start, uint64_t end)
{
    rhi_scratch scratch = {0};
    uint64_t got;
    start = (start + 15) & ~15ull;
    if (start >= end)
        return;
    const uint8_t *bytes = rhi__memory_view(f->memory, start, end - start, &scratch, &got);
    for (uint64_t i = 0; bytes && i + 24 <= got; i += 16) {
        if (rhi__load64(bytes + i) != start + i || rhi__load64(bytes + i + 16) != start + i)
            continue;
        uint64_t thread = thread_of(f, start + i);
        if (thread != UINT64_MAX)
            take_thread(f, thread, start + i);
    }
    rhi__scratch_free(&scratch);
}

static void search_ends(finder *f, const rhi_region *region, uint64_t from)
{
    uint64_t start = from > region->start ? from : region->start, size = region->end - start;
    if (!(region->flags & RHI_REGION_WRITE) || region->flags & RHI_REGION_SHARED ||
        !(region->flags & RHI_REGION_READ))
        return;
    search(f, region->end - (size < ENDS_BYTES ? size : ENDS_BYTES), region->end);
    if (size > ENDS_BYTES && f->missing)
        search(f, start, size < 2 * ENDS_BYTES ? region->end - ENDS_BYTES : start + ENDS_BYTES);
}

static void search_all(finder *f)
{
    const struct rhi_sink *map = &f->memory->map;
    /* made by pthread_create: at the upper end of its stack */
    for (uint64_t t = 0; t < map->threads.count; t++) {
        const rhi_region *region =
            rhi__memory_region(f->memory, map->threads.items[t].stack_pointer);
        if (region && !f->locals->threads[t].thread_pointer)
            search_ends(f, region, map->threads.items[t].stack_pointer);
    }
    /* made by ld.so, or by a static program's start */
    for (uint64_t i = 0; i < map->regions.count && f->missing; i++)
        if (map->regions.items[i].path[0] != '/')
            search_ends(f, &map->regions.items[i], 0);
}
#else
static const char *const pointer_registers[] = {"tpidr", "tpidr_el0"};

static bool is_control_block(finder *f, uint64_t at)
{
    return at % 16 == 0 && rhi__memory_region(f->memory, at);
}

static void take_thread(finder *f, uint64_t index, uint64_t pointer)
{
    const rhi_region *region = rhi__memory_region(f->memory, pointer);
    uint64_t dtv, low = pointer;
    f->locals->threads[index].thread_pointer = pointer;
    if (rhi__memory_u64(f->memory, pointer, &dtv))
        read_dtv(f, &f->memory->map.threads.items[index], pointer, dtv, 0, &low);
    uint64_t room = region->end - pointer;
    uint64_t below =
        pointer - region->start < PTHREAD_BYTES ? pointer - region->start : PTHREAD_BYTES;
    add_block(f, pointer - below, pointer + (room < f->size + 16 ? room : f->size + 16),
              &f->memory->map.threads.items[index], pointer);
}

static void search_all(finder *f)
{
    (void)f; /* the register alone tells */
    (void)contains;
}
#endif

static void ask_registers(finder *f)
{
    const struct rhi_sink *map = &f->memory->map;
    for (uint64_t t = 0; t < map->threads.count; t++)
        for (uint32_t i = 0; i < map->threads.items[t].register_count; i++) {
            const rhi_register *r = &map->registers.items[map->threads.items[t].first_register + i];
            for (size_t k = 0; k < sizeof pointer_registers / sizeof *pointer_registers; k++)
                if (strcmp(r->name, pointer_registers[k]) == 0 &&
                    !f->locals->threads[t].thread_pointer && is_control_block(f, r->value))
                    take_thread(f, t, r->value);
        }
}

rhi_error *rhi__thread_locals_open(rhi_memory *memory, uint64_t size, rhi_thread_locals *locals)
{
    finder f = {
        .memory = memory, .locals = locals, .size = size, .missing = memory->map.threads.count};
    *locals = (rhi_thread_locals){
        .threads = calloc(memory->map.threads.count + 1, sizeof *locals->threads)};
    if (!locals->threads)
        return rhi__error_memory();
    ask_registers(&f);
    search_all(&f);
    return f.out_of_memory ? rhi__error_memory() : NULL;
}

void rhi__thread_locals_close(rhi_thread_locals *locals)
{
    free(locals->blocks.items);
    free(locals->threads);
    memset(locals, 0, sizeof *locals);
}
