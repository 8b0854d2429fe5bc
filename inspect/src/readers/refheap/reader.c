/* reader.c - reads heaps of refheap's own runtime through <refheap/metadata.h>.
 *
 * Every offset comes from the named constants that the target publishes, so that older and newer
 * runtimes can be read. Invariant: a constant is used only after check_layout found it sane, and a
 * list of the target is walked with a bound and against going round in circles. */
#include "base/array.h"
#include "base/search.h"
#include "base/cycle_guard.h"
#include "readers/refheap/discovery.h"
#include "readers/refheap/reader.h"
#include "readers/refheap/format.h"
#include "readers/refheap/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    /* each takes mappings, of which the kernel allows 2^16 where nobody changed it */
    HEAPS_MAX = 1 << 17,
    MAPPINGS_MAX = 1 << 20,
    MAPPING_KIND_MAX = 255, /* newer runtimes may have more kinds than are known here */
    ROOTS_MAX = 1 << 24,
    ROOTS_IN_ALL_MAX = 1 << 20,
    ROOTS_STEP_BYTES = 1 << 20,
    ALLOCS_IN_ALL_MAX = 1 << 21
};

static format *own_state(const rhi_reader *reader)
{
    return rhi__format_state(reader, &rhi__format_refheap);
}

static bool is_own(const rhi_reader *reader, uint64_t heap)
{
    return reader->heaps.items[heap].format == &rhi__format_refheap;
}

/* ---- heaps, mappings, blocks, roots --------------------------------------------------------- */

static rhi_error *add_root(rhi_reader *reader, const space *s, uint32_t heap_index,
                           const uint8_t *row)
{
    rhi_root root = {.slot = rhi__load64(row + C(s, root_slot)), .heap = heap_index};
    if (root.slot <= 1)
        return NULL;
    if (reader->roots.count == ROOTS_IN_ALL_MAX) {
        own_state(reader)->has_cut_roots = true;
        rhi__reader_damage(
            reader, root.slot, RHI_FOUND_BAD_METADATA,
            "the heaps claim more than %d registered roots: the rest is not looked at",
            ROOTS_IN_ALL_MAX);
        return NULL;
    }
    if (!rhi__array_reserve(&reader->roots, 1))
        return rhi__error_memory();
    uint64_t room =
        C(s, root_name_size) < sizeof root.name ? C(s, root_name_size) : sizeof root.name - 1;
    size_t length = strnlen((const char *)row + C(s, root_name), room);
    memcpy(root.name, row + C(s, root_name), length);
    root.name[rhi__clean(root.name, rhi__whole_characters(root.name, length))] = '\0';
    reader->roots.items[reader->roots.count++] = root;
    return NULL;
}

#define HEAP(id, width) rhi__refheap_member(reader, s, address, RH_MC_heap_##id, width)

/* What is counted while the heap lives. */
static void read_counters(rhi_reader *reader, const space *s, rhi_heap_info *heap)
{
    heap->has_clock = true;
    heap->clock = s->descriptor.destroyed_count;
    heap->has_counters =
        C(s, heap_freed) != ABSENT &&
        rhi__memory_u64(reader->memory, heap->address + C(s, heap_serial_next),
                        &heap->next_serial) &&
        rhi__memory_u64(reader->memory, heap->address + C(s, heap_freed), &heap->freed);
}

static void read_heap(rhi_reader *reader, const space *s, uint32_t space_index, uint64_t address,
                      rhi_heap_info *heap)
{
    static const char *const phases[] = {"idle", "destroying", "marking", "restoring", "freeing"};
    uint64_t phase = HEAP(phase, 4), name_size = C(s, heap_name_size);
    *heap = (rhi_heap_info){
        .format = &rhi__format_refheap,
        .state = own_state(reader),
        .header_size = (uint32_t)C(s, object_size),
        .first_word = (uint32_t)C(s, object_size),
        .serial_at = (uint32_t)C(s, object_serial),
        .serial_shift = s->serial_shift,
        .address = address,
        .number = HEAP(number, 8),
        .candidates = HEAP(fresh, 8) + HEAP(spared, 8),
        .collections = HEAP(collections, 8),
        .reclaimed = HEAP(reclaimed, 8),
        .gc_enabled = HEAP(gc_enabled, 4) != 0,
        .keeps_deaths = HEAP(history_count, 8) || HEAP(ring, 8),
        .keeps_births = HEAP(history_count, 8) || HEAP(keeps_all, 4),
        .first_type = s->first_type,
        .type_count = s->type_count,
        .space = space_index,
        .nonce = s->descriptor.nonce,
        .pid = s->descriptor.pid,
        .sites_refused = C(s, site_size) == ABSENT ? 0 : s->descriptor.sites_refused,
        .weak_in_motion = HEAP(weak_changing, 4) != 0,
        .provisional = phase != RH_PHASE_IDLE,
        .phase = phase < sizeof phases / sizeof *phases ? phases[phase] : "unknown"};
    if (s->stacks <= RHI_OFFSET_MAX && s->stack_depth <= RHI_OFFSET_MAX) {
        uint8_t bytes[12] = {0};
        if (rhi__memory_read(reader->memory, address + s->stacks, bytes, 8) == 8 &&
            rhi__memory_read(reader->memory, address + s->stack_depth, bytes + 8, 4) == 4) {
            heap->stacks = rhi__load64(bytes);
            heap->stack_depth = rhi__load32(bytes + 8);
        }
    }
    if (C(s, heap_name) != ABSENT && name_size != ABSENT && name_size > 1)
        rhi__memory_text(reader->memory, address + C(s, heap_name), heap->name,
                         name_size < sizeof heap->name ? name_size : sizeof heap->name);
    read_counters(reader, s, heap);
}

/* In steps: a table may claim any length. */
static rhi_error *read_roots(rhi_reader *reader, const space *s, uint32_t heap_index)
{
    uint64_t address = reader->heaps.items[heap_index].address;
    uint64_t table = HEAP(roots, 8), capacity = HEAP(roots_capacity, 8), size = C(s, root_size),
             step = ROOTS_STEP_BYTES / size;
    rhi_scratch scratch = {0};
    const format *f = own_state(reader);
    rhi_error *error = NULL;
    if (table == 0 || capacity == 0)
        return NULL;
    if (capacity > ROOTS_MAX || !rhi__range_ok(table, capacity * size)) {
        rhi__reader_damage(reader, table, RHI_FOUND_BAD_METADATA,
                           "heap %" PRIu64 ": its table of roots claims %" PRIu64
                           " entries: not read",
                           reader->heaps.items[heap_index].number, capacity);
        return NULL;
    }
    bool is_whole = true;
    for (uint64_t first = 0; first < capacity && is_whole && !error && !f->has_cut_roots;
         first += step) {
        uint64_t count = capacity - first < step ? capacity - first : step, got;
        const uint8_t *bytes =
            rhi__memory_view(reader->memory, table + first * size, count * size, &scratch, &got);
        is_whole = bytes && got == count * size;
        for (uint64_t i = 0; bytes && (i + 1) * size <= got && !error && !f->has_cut_roots; i++)
            error = add_root(reader, s, heap_index, bytes + i * size);
        if (!error)
            error = poll(reader, 4095); /* each step */
    }
    if (!is_whole)
        rhi__reader_problem(reader, "heap %" PRIu64 ": its table of roots cannot be read in full",
                            reader->heaps.items[heap_index].number);
    rhi__scratch_free(&scratch);
    return error;
}

static void note_cut_list(rhi_reader *reader, uint64_t address)
{
    format *f = own_state(reader);
    f->has_cut_lists |= rhi__memory_region(reader->memory, address) != NULL;
}

/* The slots that the heap's allocators have available. */
static rhi_error *read_allocators(rhi_reader *reader, space *s, uint64_t heap)
{
    format *f = own_state(reader);
    rhi_scratch scratch = {0};
    uint64_t size = C(s, alloc_size), count = C(s, heap_allocs), got = 0;
    rhi_error *error = NULL;
    if (!s->blank_is_damage)
        return NULL;
    const uint8_t *bytes =
        rhi__memory_view(reader->memory, heap + C(s, heap_alloc), count * size, &scratch, &got);
    s->blank_is_damage =
        bytes && got == count * size && reader->heaps.count * count <= ALLOCS_IN_ALL_MAX;
    for (uint64_t i = 0; s->blank_is_damage && i < count && !error; i++) {
        const uint8_t *row = bytes + i * size;
        available_word word = {rhi__load64(row + C(s, alloc_base)),
                               rhi__load32(row + C(s, alloc_slot_size)),
                               rhi__load64(row + C(s, alloc_available))};
        if (word.bits == 0)
            continue;
        if (!rhi__array_reserve(&f->available, 1))
            error = rhi__error_memory();
        else
            f->available.items[f->available.count++] = word;
    }
    rhi__scratch_free(&scratch);
    return error;
}

static int available_order(const void *left, const void *right)
{
    const available_word *a = left, *b = right;
    return a->base < b->base ? -1 : a->base > b->base;
}

static void sort_available(format *f)
{
    if (f->available.count)
        qsort(f->available.items, f->available.count, sizeof *f->available.items, available_order);
}

static rhi_error *read_heaps(rhi_reader *reader, space *s, uint32_t space_index)
{
    rhi_cycle_guard guard = {0};
    uint64_t address = s->descriptor.heaps;
    for (unsigned n = 0; address; n++) {
        uint64_t next;
        RHI_TRY(poll(reader, n));
        if (rhi__is_repeated(&guard, address) || n == HEAPS_MAX) {
            rhi__reader_damage(reader, address, RHI_FOUND_BAD_METADATA,
                               n == HEAPS_MAX
                                   ? "the list of heaps has no end: what follows 0x%" PRIx64
                                     " is missing"
                                   : "the list of heaps goes round in a circle at 0x%" PRIx64,
                               address);
            break;
        }
        if (!rhi__memory_u64(reader->memory, address + C(s, heap_next), &next)) {
            rhi__reader_problem(reader, "the heap at 0x%" PRIx64 " cannot be read", address);
            note_cut_list(reader, address);
            break;
        }
        if (!rhi__array_reserve(&reader->heaps, 1))
            return rhi__error_memory();
        read_heap(reader, s, space_index, address, &reader->heaps.items[reader->heaps.count++]);
        RHI_TRY(read_roots(reader, s, (uint32_t)reader->heaps.count - 1));
        RHI_TRY(read_allocators(reader, s, address));
        address = next;
    }
    return NULL;
}

/* Is a slot taken, by the bitmap of a slab that may be in no use? */
static bool has_taken_slots(const space *s, const uint8_t *slab, const rhi_block *block)
{
    bool any = false;
    for (uint64_t slot = 0; slot < block->capacity && slot < C(s, slab_slots_max) && !any;
         slot += 64) {
        uint64_t bits = rhi__load64(slab + C(s, slab_live) + slot / 8);
        any = (block->capacity - slot < 64 ? bits & ((1ull << (block->capacity - slot)) - 1)
                                           : bits) != 0;
    }
    return any;
}

/* Do place, size and number of the slots of slab `index` fit each other? */
static bool slots_fit(const space *s, uint64_t index, const uint8_t *slab, const rhi_block *block,
                      const rhi_own_range *chunk)
{
    uint64_t bytes = C(s, slab_bytes), size = block->slot_size, most = C(s, slab_slots_max);
    uint32_t reciprocal = 0;
    if (bytes == ABSENT)
        return true;
    bool is_large = index == 0 && block->capacity == 1 && size == chunk->end - block->base;
    if (!is_large && block->capacity != 1)
        reciprocal = (uint32_t)(((1ull << 32) + size - 1) / size);
    return block->base == chunk->start + C(s, chunk_data) + index * bytes &&
           (is_large || block->capacity == (bytes / size < most ? bytes / size : most)) &&
           rhi__load32(slab + C(s, slab_reciprocal)) == reciprocal;
}

/* What an allocator has available is taken by the bitmap, and by nobody. */
static void leave_out_available(const format *f, rhi_block *block)
{
    uint64_t word_bytes = block->slot_size * 64, end = block->slot_size * block->capacity;
    uint64_t first =
        rhi__first(0, f->available.count, at, f->available.items[at].base >= block->base);
    for (uint64_t i = first; i < f->available.count; i++) {
        const available_word *word = &f->available.items[i];
        if (word->base - block->base >= end)
            break;
        if (word->slot_size == block->slot_size && (word->base - block->base) % word_bytes == 0)
            block->live[(word->base - block->base) / word_bytes] &= ~word->bits;
    }
}

/* Adds slab `index` of the chunk as a block if it makes sense there. */
static rhi_error *add_slab(rhi_reader *reader, const space *s, uint64_t index, const uint8_t *slab,
                           const rhi_own_range *chunk, rhi_blocks *blocks)
{
    uint64_t address = chunk->start + C(s, chunk_slab_table) + index * C(s, slab_size);
    rhi_block block = {.base = rhi__load64(slab + C(s, slab_base)),
                       .slot_size = rhi__load64(slab + C(s, slab_slot_size)),
                       .capacity = rhi__load32(slab + C(s, slab_capacity)),
                       .heap = chunk->heap,
                       .is_exact = s->blank_is_damage,
                       .origin = address};
    if (block.slot_size == 0 || block.capacity == 0) {
        static const char text[] = "the slab at 0x%" PRIx64 " has taken slots and no size or "
                                   "number of them: its objects are missing";
        bool has_lost = block.slot_size || has_taken_slots(s, slab, &block);
        if (has_lost && C(s, slab_bytes) != ABSENT)
            rhi__reader_damage(reader, address, RHI_FOUND_BAD_BLOCK, text, address);
        else if (has_lost) /* in older runtimes also where it is laid out anew */
            rhi__reader_problem(reader, text, address);
        return NULL;
    }
    if (block.slot_size < C(s, object_size) || block.slot_size % 8 || block.base % 8 ||
        block.base < chunk->start || block.base >= chunk->end ||
        block.slot_size > (chunk->end - block.base) / block.capacity ||
        block.capacity > C(s, slab_slots_max) || !slots_fit(s, index, slab, &block, chunk)) {
        rhi__reader_damage(reader, address, RHI_FOUND_BAD_BLOCK,
                           "the slab at 0x%" PRIx64 " makes no sense: its objects are missing",
                           address);
        return NULL;
    }
    uint64_t words = (block.capacity + 63u) / 64;
    block.live = malloc(words * 8);
    if (!block.live || !rhi__array_reserve(blocks, 1)) {
        free(block.live);
        return rhi__error_memory();
    }
    memcpy(block.live, slab + C(s, slab_live), words * 8);
    leave_out_available(own_state(reader), &block);
    blocks->items[blocks->count++] = block;
    return NULL;
}

static rhi_error *refheap_read_blocks(rhi_reader *reader, const rhi_own_range *chunk,
                                      rhi_blocks *blocks)
{
    const space *s = &own_state(reader)->spaces.items[reader->heaps.items[chunk->heap].space];
    rhi_scratch scratch = {0};
    uint64_t size = C(s, slab_size), got = 0, table = chunk->start + C(s, chunk_slab_table);
    const uint8_t *bytes =
        rhi__memory_view(reader->memory, table, C(s, chunk_slabs) * size, &scratch, &got);
    uint64_t readable = bytes ? got / size : 0;
    rhi_error *error = NULL;
    if (readable < C(s, chunk_slabs)) {
        rhi__reader_unread(reader, chunk->start);
        rhi__reader_problem(
            reader, "the chunk at 0x%" PRIx64 " cannot be read in full: objects are missing",
            chunk->start);
    }
    for (uint64_t i = 0; i < readable && !error; i++)
        error = add_slab(reader, s, i, bytes + i * size, chunk, blocks);
    rhi__scratch_free(&scratch);
    return error;
}

static int heap_order(const void *left, const void *right, void *heaps)
{
    const rhi_heap_info *items = heaps, *a = &items[*(const uint32_t *)left],
                        *b = &items[*(const uint32_t *)right];
    return a->address < b->address ? -1 : a->address > b->address;
}

/* Where memory that is mapped as the runtime maps its own goes on to from `start`, at most `end`.
 */
static uint64_t end_of_own(rhi_memory *memory, uint64_t start, uint64_t end)
{
    uint64_t at = start;
    while (at < end) {
        const rhi_region *region = rhi__memory_region(memory, at);
        if (!region || !(region->flags & RHI_REGION_WRITE) || region->path[0] == '/')
            break;
        at = region->end < end ? region->end : end;
    }
    return at;
}

/* The heaps of one copy of the runtime by address, from `first` on. NULL: memory is short. */
static uint32_t *sort_heaps(const rhi_reader *reader, uint32_t first, uint32_t *count)
{
    *count = (uint32_t)reader->heaps.count - first;
    uint32_t *order = malloc(((uint64_t)*count + 1) * sizeof *order);
    for (uint32_t i = 0; order && i < *count; i++)
        order[i] = first + i;
    if (order && *count)
        qsort_r(order, *count, sizeof *order, heap_order, reader->heaps.items);
    return order;
}

static uint32_t heap_index_of(const rhi_reader *reader, uint64_t address, const uint32_t *order,
                              uint32_t count)
{
    const rhi_heap_info *heaps = reader->heaps.items;
    uint32_t i = rhi__first(0, count, at, heaps[order[at]].address >= address);
    return i < count && heaps[order[i]].address == address ? order[i] : UINT32_MAX;
}

/* May the chunk's objects be read? If not, that is said. */
static bool is_good_chunk(rhi_reader *reader, const space *s, const rhi_own_range *chunk)
{
    if (chunk->heap == UINT32_MAX && own_state(reader)->has_cut_lists)
        rhi__reader_problem(reader,
                            "the heap of the chunk at 0x%" PRIx64
                            " cannot be read: its objects are missing",
                            chunk->start);
    else if (chunk->heap == UINT32_MAX)
        rhi__reader_damage(reader, chunk->start, RHI_FOUND_BAD_BLOCK,
                           "the chunk at 0x%" PRIx64 " belongs to no heap: its objects are missing",
                           chunk->start);
    else if (chunk->start % C(s, chunk_size)) /* chunks could overlap without end */
        rhi__reader_damage(reader, chunk->start, RHI_FOUND_BAD_BLOCK,
                           "the chunk at 0x%" PRIx64 " is not aligned: its objects are missing",
                           chunk->start);
    else
        return true;
    return false;
}

static rhi_error *walk_mappings(rhi_reader *reader, const space *s, const uint32_t *order,
                                uint32_t heap_count)
{
    static const char *const kinds[] = {"memory",     "chunk",          "heap control block",
                                        "type table", "table of roots", "table of weak references",
                                        "history",    "chunk table",    "table of sites"};
    rhi_cycle_guard guard = {0};
    uint64_t address = s->descriptor.mappings;
    for (unsigned n = 0; address; n++) {
        uint64_t next, bytes, heap;
        uint8_t kind_bytes[4];
        RHI_TRY(poll(reader, n));
        if (rhi__is_repeated(&guard, address) || n == MAPPINGS_MAX) {
            rhi__reader_damage(reader, address, RHI_FOUND_BAD_METADATA,
                               n == MAPPINGS_MAX
                                   ? "the list of mappings has no end: what follows 0x%" PRIx64
                                     " is missing"
                                   : "the list of mappings goes round in a circle at 0x%" PRIx64,
                               address);
            break;
        }
        if (!rhi__memory_u64(reader->memory, address + C(s, mapping_next), &next) ||
            !rhi__memory_u64(reader->memory, address + C(s, mapping_bytes), &bytes) ||
            rhi__memory_read(reader->memory, address + C(s, mapping_kind), kind_bytes, 4) != 4 ||
            !rhi__memory_u64(reader->memory, address + C(s, mapping_heap), &heap) ||
            !rhi__range_ok(address, bytes)) {
            rhi__reader_problem(
                reader, "the mapping at 0x%" PRIx64 " cannot be read: what follows it is missing",
                address);
            note_cut_list(reader, address);
            break;
        }
        uint32_t kind = rhi__load32(kind_bytes);
        if (kind == 0 || kind > MAPPING_KIND_MAX)
            rhi__reader_damage(reader, address, RHI_FOUND_BAD_METADATA,
                               "the mapping at 0x%" PRIx64 " is of no kind: objects may be missing",
                               address);
        uint64_t end = end_of_own(reader->memory, address, address + bytes);
        if (end < address + bytes) /* it would hide what lies behind: words there may own counts */
            rhi__reader_damage(reader, address, RHI_FOUND_BAD_METADATA,
                               "the mapping at 0x%" PRIx64 " claims %" PRIu64
                               " bytes, and memory of its kind ends after %" PRIu64,
                               address, bytes, end - address);
        rhi_own_range range = {.start = address,
                               .end = end,
                               .heap = heap_index_of(reader, heap, order, heap_count),
                               .what = kinds[kind < sizeof kinds / sizeof *kinds ? kind : 0]};
        range.has_blocks = kind == RH_MAPPING_CHUNK && is_good_chunk(reader, s, &range);
        if (!rhi__array_reserve(&reader->own, 1))
            return rhi__error_memory();
        reader->own.items[reader->own.count++] = range;
        address = next;
    }
    return NULL;
}

/* What the lists lead to must be in one of the runtime's own mappings: else the list of them ends
 * too early. */
static void check_own(rhi_reader *reader)
{
    const format *f = own_state(reader);
    uint64_t lost = 0, address = 0;
    rhi__sort_own(reader);
    for (uint64_t i = 0; i < reader->heaps.count; i++)
        if (is_own(reader, i) && !rhi__own_at(reader, reader->heaps.items[i].address) &&
            lost++ == 0)
            address = reader->heaps.items[i].address;
    for (uint64_t i = 0; i < f->spaces.count; i++)
        if (f->spaces.items[i].type_count > 1 &&
            !rhi__own_at(reader, f->spaces.items[i].descriptor.types) && lost++ == 0)
            address = f->spaces.items[i].descriptor.types;
    if (lost && !f->has_cut_lists)
        rhi__reader_damage(
            reader, address, RHI_FOUND_BAD_METADATA,
            "the list of mappings does not lead to 0x%" PRIx64 ": objects may be missing", address);
}

static rhi_error *read_mappings(rhi_reader *reader, const space *s, uint32_t first_heap)
{
    uint32_t count, *order = sort_heaps(reader, first_heap, &count);
    rhi_error *error = order ? walk_mappings(reader, s, order, count) : rhi__error_memory();
    free(order);
    return error;
}

/* ---- the interface -------------------------------------------------------------------------- */

static void refheap_close(rhi_reader *reader)
{
    format *f = own_state(reader);
    if (f) {
        for (uint64_t i = 0; i < f->spaces.count; i++)
            rhi__refheap_sites_free(&f->spaces.items[i]);
        free(f->spaces.items);
        free(f->available.items);
    }
    free(f);
}

static rhi_error *add_space(rhi_reader *reader, const struct rh_metadata_descriptor *descriptor)
{
    format *f = own_state(reader);
    if (!rhi__array_reserve(&f->spaces, 1))
        return rhi__error_memory();
    space *s = &f->spaces.items[f->spaces.count];
    *s = (space){.descriptor = *descriptor};
    bool sound = true;
    RHI_TRY(rhi__refheap_layout(reader->memory, s, &sound));
    /* what is told of slots is another moment's than the headers if the process runs on */
    if (!sound || reader->memory->door->flags & RHI_TARGET_NO_STOP)
        C(s, slab_bytes) = C(s, heap_alloc) = ABSENT;
    s->blank_is_damage = C(s, heap_alloc) != ABSENT;
    if (!sound) {                  /* each may be sane alone, and all counts wrong */
        C(s, heap_freed) = ABSENT; /* counters from elsewhere would tell another order */
        rhi__reader_damage(
            reader, s->descriptor.constants, RHI_FOUND_BAD_METADATA,
            "the heap's metadata is damaged: its constants are not those that the runtime wrote");
    }
    uint32_t index = (uint32_t)f->spaces.count++;
    reader->copies++;
    reader->destroyed += s->descriptor.destroyed_count;
    RHI_TRY(rhi__refheap_types(reader, s, &f->field_count));
    uint32_t first_heap = (uint32_t)reader->heaps.count;
    RHI_TRY(read_heaps(reader, s, index));
    return read_mappings(reader, s, first_heap);
}

/* Each copy of the runtime counts its heaps from 1. Those of the first keep their numbers; to
 * those of the next one a thousand is added, and so on: a number stays what it was when a heap or
 * a copy is added. Where one has counted so far, a million; numbers that are still not all
 * different, in damaged metadata, are given anew. */
static void number_heaps(rhi_reader *reader)
{
    uint64_t step = 1000, most = 0;
    for (uint64_t i = 0; i < reader->heaps.count; i++) {
        if (!is_own(reader, i))
            continue;
        reader->heaps.items[i].is_shared = reader->heaps.items[i].number == 0;
        most = reader->heaps.items[i].number > most ? reader->heaps.items[i].number : most;
    }
    while (step <= most && step < 1ull << 48)
        step *= 1000;
    for (uint64_t i = 0; i < reader->heaps.count && own_state(reader)->spaces.count > 1; i++)
        if (is_own(reader, i))
            reader->heaps.items[i].number =
                step > most ? reader->heaps.items[i].number + step * reader->heaps.items[i].space
                            : i + 1;
}

/* Adds what of the copies of the runtime can be read; an error only if that is nothing. */
static rhi_error *add_spaces(rhi_reader *reader, const rhi_descriptors *found)
{
    rhi_error *first = NULL;
    unsigned usable = 0;
    for (unsigned i = 0; i < found->count; i++) {
        rhi_error *error = add_space(reader, &found->items[i]);
        if (!error)
            usable++;
        else if (error == rhi__error_cancelled()) {
            rhi__error_free(first);
            return error;
        } else if (first || usable)
            rhi__error_free(error);
        else
            first = error;
        if (error && usable)
            rhi__reader_problem(reader,
                                "one of the process's copies of the runtime cannot be read");
    }
    if (usable) {
        rhi__error_free(first);
        return NULL;
    }
    return first;
}

/* Lists grow at their heads, and their heads are in the descriptor, with the numbers of types,
 * sites and destroyed heaps. */
static bool is_same_space(rhi_reader *reader, const space *s)
{
    struct rh_metadata_descriptor now;
    return rhi__memory_read(reader->memory, s->descriptor.self, &now, sizeof now) == sizeof now &&
           memcmp(&now, &s->descriptor, sizeof now) == 0;
}

static bool refheap_renew(rhi_reader *reader)
{
    enum { HEAPS_RENEWED_MAX = 1024 }; /* with more, opening takes as long */
    format *f = own_state(reader);
    f->available.count = 0;
    for (uint64_t i = 0; i < f->spaces.count; i++)
        if (!is_same_space(reader, &f->spaces.items[i]))
            return false;
    if (reader->heaps.count > HEAPS_RENEWED_MAX)
        return false;
    for (uint64_t i = 0; i < reader->heaps.count; i++) {
        rhi_heap_info *heap = &reader->heaps.items[i];
        if (!is_own(reader, i))
            continue;
        space *s = &f->spaces.items[heap->space];
        heap->provisional =
            rhi__refheap_member(reader, s, heap->address, RH_MC_heap_phase, 4) != RH_PHASE_IDLE;
        read_counters(reader, s, heap);
        rhi_error *error = read_allocators(reader, s, heap->address);
        if (error) {
            rhi__error_free(error);
            return false;
        }
    }
    sort_available(f);
    return true;
}

/* A mapping says itself what it is, and is unmapped when it is gone. */
static bool refheap_is_range_same(rhi_reader *reader, const rhi_own_range *range)
{
    const rhi_heap_info *heap = &reader->heaps.items[range->heap];
    const space *s = space_of(heap);
    uint64_t bytes, owner;
    uint8_t kind[4];
    return rhi__memory_u64(reader->memory, range->start + C(s, mapping_bytes), &bytes) &&
           rhi__memory_u64(reader->memory, range->start + C(s, mapping_heap), &owner) &&
           rhi__memory_read(reader->memory, range->start + C(s, mapping_kind), kind, 4) == 4 &&
           bytes == range->end - range->start && owner == heap->address &&
           rhi__load32(kind) == RH_MAPPING_CHUNK;
}

static rhi_error *refheap_open(rhi_reader *reader, bool *found)
{
    rhi_descriptors descriptors = {0};
    *found = false;
    RHI_TRY(rhi__discover(reader->memory, reader->search, &descriptors));
    if (descriptors.count == 0)
        return NULL;
    format *f = calloc(1, sizeof *f);
    if (!f || !rhi__format_opened(reader, &rhi__format_refheap, f)) {
        free(f);
        return rhi__error_memory();
    }
    *found = true;
    RHI_TRY(add_spaces(reader, &descriptors));
    sort_available(f);
    number_heaps(reader);
    check_own(reader);
    return NULL;
}

const rhi_format rhi__format_refheap = {.name = "refheap",
                                        .example = "node#12",
                                        .block_word = RHI_REFHEAP_BLOCK,
                                        .root_word = "registered root",
                                        .recording = "REFHEAP_OPTIONS=history=all,stacks=8 in the "
                                                     "program's environment",
                                        .siteless = "an older runtime made them, or functions "
                                                    "that were called without a line",
                                        .has_collector = true,
                                        .has_serials = true,
                                        .has_variables = true,
                                        .open = refheap_open,
                                        .read_blocks = refheap_read_blocks,
                                        .close = refheap_close,
                                        .renew = refheap_renew,
                                        .is_range_same = refheap_is_range_same,
                                        .decode = rhi__refheap_decode,
                                        .headers = rhi__refheap_headers,
                                        .count_unmarked = rhi__refheap_count_unmarked,
                                        .remarks_words = true,
                                        .remark = rhi__refheap_remark,
                                        .history = rhi__refheap_history,
                                        .history_begin = rhi__refheap_history_begin,
                                        .births = rhi__refheap_births,
                                        .trace = rhi__refheap_trace,
                                        .site = rhi__refheap_site,
                                        .mark = rhi__refheap_mark,
                                        .mark_type = rhi__refheap_mark_type,
                                        .type_is_marked = rhi__refheap_type_is_marked,
                                        .quiet = rhi__refheap_quiet,
                                        .hook = rhi__refheap_hook,
                                        .check = rhi__refheap_check,
                                        .words = rhi__refheap_words};
