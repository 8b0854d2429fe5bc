/* layout.c - the named constants of a runtime, and whether they make sense.
 *
 * Every offset that the reader uses comes from here. Invariant: a space is used only after
 * check_layout found that its constants fit each other: a wrong one would make a wrong answer,
 * not none. */
#include "readers/refheap/reader.h"

#include <inttypes.h>
#include <string.h>

enum { ALLOCS_MAX = 256, ALLOC_BYTES_MAX = 256 };

static const char *const constant_names[] = {
#define ROW(id, text) [RH_MC_##id] = text,
    RH_METADATA_CONSTANTS(ROW) RH_METADATA_WEAK_CONSTANTS(ROW) RH_METADATA_SLOT_CONSTANTS(ROW)
        RH_METADATA_SITE_CONSTANTS(ROW) RH_METADATA_EVENT_CONSTANTS(ROW)
            RH_METADATA_RING_CONSTANTS(ROW) RH_METADATA_POISON_CONSTANTS(ROW)
                RH_METADATA_TRACE_CONSTANTS(ROW) RH_METADATA_RANGE_CONSTANTS(ROW)
                    RH_METADATA_CHECK_CONSTANTS(ROW) RH_METADATA_QUIET_CONSTANTS(ROW)
                        RH_METADATA_COUNTER_CONSTANTS(ROW)
#undef ROW
};

/* What a reader can do without: it then answers less, not wrongly. */
static bool is_optional(unsigned id)
{
    static const char *const prefixes[] = {"heap.poison",
                                           "poison.",
                                           "heap.ring",
                                           "heap.keeps_all",
                                           "ring.",
                                           "slot.",
                                           "event.",
                                           "heap.history",
                                           "destroyed.",
                                           "heap.name",
                                           "heap.fresh",
                                           "heap.spared",
                                           "heap.collections",
                                           "heap.reclaimed",
                                           "slab.fresh",
                                           "slab.spared",
                                           "type.finalize",
                                           "heap.weak",
                                           "weak.",
                                           "chunk.data",
                                           "slab.bytes",
                                           "slab.reciprocal",
                                           "heap.alloc",
                                           "alloc.",
                                           "object.traced",
                                           "count.traced",
                                           "type.traced",
                                           "type.source",
                                           "source.",
                                           "heap.trac",
                                           "heap.stack_checks",
                                           "heap.serial_next",
                                           "heap.freed",
                                           "object.serial_shift",
                                           "site."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(constant_names[id], prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* ---- constants ------------------------------------------------------------------------------ */

/* Histories, weak references, sites and what is told of slots are each read with all of their
 * constants or not at all. Where serials lie is read in any case. */
static void take_whole_groups(space *s)
{
    static const unsigned of_slots[] = {
#define ID(id, text) RH_MC_##id,
        RH_METADATA_SLOT_CONSTANTS(ID)};
    static const unsigned of_events[] = {RH_METADATA_EVENT_CONSTANTS(ID)},
                          of_rings[] = {RH_METADATA_RING_CONSTANTS(ID)},
                          of_poison[] = {RH_METADATA_POISON_CONSTANTS(ID)},
                          of_traces[] = {RH_METADATA_TRACE_CONSTANTS(ID)};
#undef ID
    for (size_t i = 0; i < sizeof of_events / sizeof *of_events; i++)
        if (s->constant[of_events[i]] == ABSENT)
            C(s, heap_history) = ABSENT;
    for (size_t i = 0; i < sizeof of_rings / sizeof *of_rings; i++)
        if (s->constant[of_rings[i]] == ABSENT)
            C(s, heap_ring) = ABSENT;
    for (size_t i = 0; i < sizeof of_poison / sizeof *of_poison; i++)
        if (s->constant[of_poison[i]] == ABSENT)
            C(s, heap_poisons) = ABSENT;
    for (size_t i = 0; i < sizeof of_traces / sizeof *of_traces; i++)
        if (s->constant[of_traces[i]] == ABSENT || C(s, heap_ring) == ABSENT)
            C(s, object_traced) = C(s, heap_trace) = ABSENT;
    if (C(s, slot_check) != RH_METADATA_SLOT_CHECK || C(s, site_check) == ABSENT ||
        C(s, heap_stack_checks) == ABSENT)
        C(s, slot_check) = C(s, site_check) = C(s, heap_stack_checks) = ABSENT;
    if (C(s, heap_serial_next) == ABSENT)
        C(s, heap_freed) = ABSENT;
    if (C(s, heap_weak_capacity) == ABSENT || C(s, weak_size) == ABSENT ||
        C(s, weak_target) == ABSENT || C(s, weak_reference) == ABSENT)
        s->constant[RH_MC_heap_weak] = ABSENT;
    s->serial_shift = C(s, object_serial_shift) == ABSENT ? 0 : (uint32_t)C(s, object_serial_shift);
    if (C(s, site_file) == ABSENT || C(s, site_function) == ABSENT || C(s, site_line) == ABSENT)
        C(s, site_size) = ABSENT;
    for (size_t i = 0; i < sizeof of_slots / sizeof *of_slots; i++)
        if (s->constant[of_slots[i]] == ABSENT)
            C(s, slab_bytes) = C(s, heap_alloc) = ABSENT;
}

/* *sound: no row is another than the runtime wrote, as far as it says. */
static rhi_error *load_constants(rhi_memory *memory, space *s, bool *sound)
{
    struct rh_metadata_constant row;
    uint64_t check = 0;
    uint64_t at = s->descriptor.constants, size = s->descriptor.constant_size,
             count = s->descriptor.constant_count;
    for (unsigned i = 0; i < CONSTANTS; i++)
        s->constant[i] = ABSENT;
    s->stacks = s->stack_depth = ABSENT;
    if (size < sizeof row || size > 4096 || count > 65536)
        return rhi__error("the heap's metadata is damaged (its table of constants has %" PRIu64
                          " rows of %" PRIu64 " bytes)",
                          count, size);
    for (uint64_t i = 0; i < count; i++) {
        if (rhi__memory_read(memory, at + i * size, &row, sizeof row) != sizeof row)
            return rhi__error(
                "the heap's metadata cannot be read (its table of constants at 0x%" PRIx64 ")", at);
        check = rh_metadata_check(check, &row);
        row.name[sizeof row.name - 1] = '\0';
        for (unsigned id = 0; id < CONSTANTS; id++)
            if (strcmp(row.name, constant_names[id]) == 0)
                s->constant[id] = row.value;
        if (strcmp(row.name, "heap.stacks") == 0)
            s->stacks = row.value;
        else if (strcmp(row.name, "heap.stack_depth") == 0)
            s->stack_depth = row.value;
    }
    *sound = s->descriptor.check == 0 || s->descriptor.check == check;
    for (unsigned id = 0; id < CONSTANTS; id++)
        if (s->constant[id] == ABSENT &&
            (!is_optional(id) || (id == RH_MC_object_serial_shift &&
                                  s->descriptor.version > RH_METADATA_VERSION_FIRST)))
            return rhi__error("the heap's metadata has no constant %s: written by a runtime this "
                              "engine does not know",
                              constant_names[id]);
    take_whole_groups(s);
    return NULL;
}

/* A member of `width` bytes must lie inside its struct, whose size is another constant (or
 * RHI_OFFSET_MAX). */
static const struct {
    unsigned member, width, container;
} member_table[] = {
#define IN(container, id, width)                                                                   \
    {                                                                                              \
        RH_MC_##id, width, container                                                               \
    }
    IN(RH_MC_object_size, object_count, 4),
    IN(RH_MC_object_size, object_type, 2),
    IN(RH_MC_object_size, object_flags, 2),
    IN(RH_MC_object_size, object_serial, 8),
    IN(RH_MC_type_size, type_name, 8),
    IN(RH_MC_type_size, type_object_size, 8),
    IN(RH_MC_type_size, type_fields, 8),
    IN(RH_MC_type_size, type_field_count, 4),
    IN(RH_MC_type_size, type_flags, 4),
    IN(RH_MC_type_size, type_element_size, 4),
    IN(RH_MC_type_size, type_length_offset, 4),
    IN(RH_MC_type_size, type_finalize, 8),
    IN(RH_MC_field_size, field_name, 8),
    IN(RH_MC_field_size, field_offset, 4),
    IN(RH_MC_field_size, field_kind, 1),
    IN(RH_MC_field_size, field_form, 1),
    IN(RH_MC_field_size, field_width, 1),
    IN(RH_MC_field_size, field_count_width, 1),
    IN(RH_MC_field_size, field_count, 4),
    IN(RH_MC_field_size, field_count_offset, 4),
    IN(RH_MC_field_size, field_stride, 4),
    IN(RH_MC_field_size, field_element_offset, 4),
    IN(RH_MC_root_size, root_slot, 8),
    IN(RH_MC_root_size, root_name, 1),
    IN(RH_MC_event_size, event_sequence, 8),
    IN(RH_MC_event_size, event_address, 8),
    IN(RH_MC_event_size, event_serial, 8),
    IN(RH_MC_event_size, event_time, 8),
    IN(RH_MC_event_size, event_type, 2),
    IN(RH_MC_event_size, event_kind, 1),
    IN(RH_MC_event_size, event_death, 1),
    IN(RH_MC_event_size, event_thread, 4),
    IN(RH_MC_slab_size, slab_base, 8),
    IN(RH_MC_slab_size, slab_slot_size, 8),
    IN(RH_MC_slab_size, slab_capacity, 4),
    IN(RH_MC_slab_size, slab_live, 8),
    IN(RH_MC_slab_size, slab_fresh, 8),
    IN(RH_MC_slab_size, slab_spared, 8),
    IN(RH_MC_slab_size, slab_reciprocal, 4),
    IN(RH_MC_site_size, site_file, 8),
    IN(RH_MC_site_size, site_function, 8),
    IN(RH_MC_site_size, site_line, 4),
    IN(RH_MC_site_size, site_check, 8),
    IN(RH_MC_alloc_size, alloc_base, 8),
    IN(RH_MC_alloc_size, alloc_slot_size, 4),
    IN(RH_MC_alloc_size, alloc_available, 8),
    IN(RH_MC_COUNT, heap_alloc, 8),
    IN(RH_MC_weak_size, weak_target, 8),
    IN(RH_MC_weak_size, weak_reference, 8),
    IN(RH_MC_COUNT, heap_weak, 8),
    IN(RH_MC_COUNT, heap_weak_capacity, 8),
    IN(RH_MC_COUNT, heap_weak_changing, 4),
    IN(RH_MC_COUNT, mapping_next, 8),
    IN(RH_MC_COUNT, mapping_bytes, 8),
    IN(RH_MC_COUNT, mapping_kind, 4),
    IN(RH_MC_COUNT, mapping_heap, 8),
    IN(RH_MC_COUNT, heap_next, 8),
    IN(RH_MC_COUNT, heap_number, 8),
    IN(RH_MC_COUNT, heap_name, 1),
    IN(RH_MC_COUNT, heap_phase, 4),
    IN(RH_MC_COUNT, heap_fresh, 8),
    IN(RH_MC_COUNT, heap_spared, 8),
    IN(RH_MC_COUNT, heap_collections, 8),
    IN(RH_MC_COUNT, heap_reclaimed, 8),
    IN(RH_MC_COUNT, heap_gc_enabled, 4),
    IN(RH_MC_COUNT, heap_roots, 8),
    IN(RH_MC_COUNT, heap_roots_capacity, 8),
    IN(RH_MC_COUNT, heap_ring, 8),
    IN(RH_MC_COUNT, heap_ring_next, 8),
    IN(RH_MC_COUNT, heap_keeps_all, 4),
    IN(RH_MC_COUNT, heap_poisons, 4),
    IN(RH_MC_COUNT, heap_poisoning, 8),
    IN(RH_MC_COUNT, heap_stack_checks, 8),
    IN(RH_MC_COUNT, heap_trace_quietly, 4),
    IN(RH_MC_COUNT, heap_serial_next, 8),
    IN(RH_MC_COUNT, heap_freed, 8),
    IN(RH_MC_COUNT, heap_trace, 8),
    IN(RH_MC_COUNT, heap_trace_next, 8),
    IN(RH_MC_COUNT, heap_trace_lost, 8),
    IN(RH_MC_COUNT, heap_tracing, 8),
    IN(RH_MC_type_size, type_source, 8),
    IN(RH_MC_COUNT, source_index, 4),
    IN(RH_MC_COUNT, source_slot_class, 4),
    IN(RH_MC_COUNT, ring_capacity, 8),
    IN(RH_MC_COUNT, ring_filled, 8),
    IN(RH_MC_ring_slot_size, slot_what, 8),
    IN(RH_MC_ring_slot_size, slot_origin, 8),
    IN(RH_MC_ring_slot_size, slot_where, 8),
    IN(RH_MC_COUNT, heap_history, 8),
    IN(RH_MC_COUNT, heap_history_capacity, 8),
    IN(RH_MC_COUNT, heap_history_count, 8)
#undef IN
};

/* Up to the dot: members of one struct share it. */
static bool same_struct(unsigned a, unsigned b)
{
    size_t length = strcspn(constant_names[a], ".");
    return strncmp(constant_names[a], constant_names[b], length + 1) == 0;
}

/* Texts and bitmaps are as long as another constant says. */
static uint64_t width_of(const space *s, size_t i)
{
    switch (member_table[i].member) {
    case RH_MC_slab_live:
    case RH_MC_slab_fresh:
    case RH_MC_slab_spared:
        return C(s, slab_slots_max) / 8;
    case RH_MC_heap_alloc:
        return C(s, heap_allocs) * C(s, alloc_size);
    case RH_MC_root_name:
        return C(s, root_name_size);
    case RH_MC_heap_name:
        return C(s, heap_name_size) == ABSENT ? 1 : C(s, heap_name_size);
    default:
        return member_table[i].width;
    }
}

/* Each member lies inside of its struct, where a compiler puts it, and on no other one. */
static bool members_fit(const space *s)
{
    enum { MEMBERS = sizeof member_table / sizeof *member_table };
    for (size_t i = 0; i < MEMBERS; i++) {
        uint64_t offset = s->constant[member_table[i].member], width = width_of(s, i),
                 alignment = width < 8 ? member_table[i].width : 8;
        uint64_t size = member_table[i].container == RH_MC_COUNT
                            ? RHI_OFFSET_MAX
                            : s->constant[member_table[i].container];
        bool is_text =
            member_table[i].member == RH_MC_root_name || member_table[i].member == RH_MC_heap_name;
        if (offset == ABSENT || size == ABSENT)
            continue;
        if (offset >= size || width == 0 || width > size - offset ||
            (!is_text && offset % alignment))
            return false;
        for (size_t k = 0; k < i; k++) {
            uint64_t other = s->constant[member_table[k].member];
            if (other != ABSENT && same_struct(member_table[i].member, member_table[k].member) &&
                offset < other + width_of(s, k) && other < offset + width)
                return false;
        }
    }
    return true;
}

/* The encoding of counts: words from trial_zero on are counts of 0, all others below are special,
 * so that bias and shift follow from it. */
static bool counts_fit(const space *s)
{
    uint64_t shift = C(s, count_shift), mask = C(s, count_dying_mask);
    return shift < 16 && C(s, count_bias) == 1 && C(s, count_special_bit) == 1ull << 31 &&
           C(s, count_trial_zero) == (1ull << 32) - (1ull << shift) && mask >= 0xffff &&
           mask < 1ull << 31 && (mask & (mask + 1)) == 0;
}

/* A mark that keeps words special, and leaves room for a count below it; a flag that is no other.
 */
static bool traces_fit(const space *s)
{
    enum { OTHER_FLAGS = 0xfff };
    uint64_t flag = C(s, object_traced), mark = C(s, count_traced);
    return flag == ABSENT || (flag < RH_FLAG_GAP && flag > OTHER_FLAGS &&
                              (flag & (flag - 1)) == 0 && mark >= C(s, count_special_bit) &&
                              mark < 1ull << 32 && mark % (C(s, count_dying_mask) + 1) == 0);
}

/* Slabs lie one behind the other at the end of a chunk; the allocators are few. */
static bool slots_fit(const space *s)
{
    uint64_t table_end = C(s, chunk_slab_table) + C(s, chunk_slabs) * C(s, slab_size),
             chunk = C(s, chunk_size), data = C(s, chunk_data), bytes = C(s, slab_bytes);
    return bytes == ABSENT ||
           (data >= table_end && data < chunk && bytes >= C(s, object_size) &&
            bytes <= (chunk - data) / C(s, chunk_slabs) && C(s, heap_allocs) > 0 &&
            C(s, heap_allocs) <= ALLOCS_MAX && C(s, alloc_size) <= ALLOC_BYTES_MAX);
}

/* Sizes and offsets that later arithmetic relies on. */
static rhi_error *check_layout(const space *s)
{
    uint64_t chunk = C(s, chunk_size), slots = C(s, slab_slots_max), slab = C(s, slab_size);
    bool sane = slots > 0 && slots <= 1 << 20 && slots % 64 == 0 && C(s, object_size) >= 16 &&
                C(s, object_size) <= 64 && counts_fit(s);
    sane = sane && chunk >= 4096 && chunk <= 1ull << 40 && (chunk & (chunk - 1)) == 0;
    sane = sane && slab <= RHI_OFFSET_MAX && C(s, chunk_slabs) > 0 &&
           C(s, chunk_slabs) <= 1 << 16 && C(s, chunk_slab_table) <= chunk &&
           C(s, chunk_slabs) * slab <= chunk - C(s, chunk_slab_table);
    sane = sane && slots_fit(s) && members_fit(s) && traces_fit(s);
    sane = sane && C(s, type_size) <= 4096 && C(s, field_size) <= 4096 && C(s, root_size) <= 4096;
    /* a serial without bits would be 0, and one of few not be one */
    sane = sane && (C(s, object_serial_shift) == ABSENT || C(s, object_serial_shift) <= 32);
    if (C(s, site_size) != ABSENT)
        sane = sane && C(s, site_size) <= 4096;
    if (C(s, heap_history) != ABSENT)
        sane = sane && C(s, event_size) <= 4096;
    if (C(s, heap_ring) != ABSENT)
        sane = sane && C(s, ring_slot_size) <= 4096 && C(s, ring_slots) <= RHI_OFFSET_MAX &&
               C(s, ring_block) >= 2 && C(s, ring_block) <= RHI_RING_BLOCK_MAX;
    if (C(s, heap_weak) != ABSENT)
        sane = sane && C(s, weak_size) <= 4096;
    return sane
               ? NULL
               : rhi__error("the heap's metadata is damaged (its constants contradict each other)");
}

rhi_error *rhi__refheap_layout(rhi_memory *memory, space *s, bool *sound)
{
    RHI_TRY(load_constants(memory, s, sound));
    return check_layout(s);
}

uint64_t rhi__refheap_member(rhi_reader *reader, const space *s, uint64_t heap, unsigned id,
                             unsigned width)
{
    uint8_t bytes[8] = {0};
    if (s->constant[id] == ABSENT ||
        rhi__memory_read(reader->memory, heap + s->constant[id], bytes, width) != width)
        return 0;
    return rhi__load(bytes, width);
}
