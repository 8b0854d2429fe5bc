/* metadata.c - the table of named constants: every number a reader needs, by name.
 *
 * Invariant: the table lies in writable data (a core holds no .rodata) and has a value for each
 * name of RH_METADATA_CONSTANTS, in its order; a name without a value below does not compile.
 */
#include "internal.h"

#define MEMBER_SIZE(type, member) sizeof(((type *)0)->member)

/* The promised widths. */
_Static_assert(MEMBER_SIZE(rh_heap, phase) == 4 && MEMBER_SIZE(rh_heap, gc_enabled) == 4,
               "32 bits");
_Static_assert(MEMBER_SIZE(rh_heap, weak_changing) == 4, "32 bits");
_Static_assert(MEMBER_SIZE(rh__slab, capacity) == 4 && MEMBER_SIZE(rh__mapping, kind) == 4,
               "32 bits");
_Static_assert(MEMBER_SIZE(rh__slab, reciprocal) == 4 && MEMBER_SIZE(rh__alloc, slot_size) == 4,
               "32 bits");
_Static_assert(MEMBER_SIZE(rh_heap, keeps_all) == 4 && MEMBER_SIZE(rh_heap, poisons) == 4,
               "32 bits");
_Static_assert(MEMBER_SIZE(rh_heap, serial_next) == 8 && MEMBER_SIZE(rh_heap, freed) == 8,
               "64 bits");
_Static_assert(sizeof(void *) == 8, "addresses are stored as 64-bit words");
_Static_assert(sizeof(uint64_t[RH__BITMAP_WORDS]) * 8 == RH__SLOTS_MAX, "a bit per slot");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the metadata is little-endian");

enum {
    VALUE_object_size = sizeof(rh_object),
    VALUE_object_count = offsetof(rh_object, rh_count),
    VALUE_object_type = offsetof(rh_object, rh_type_index),
    VALUE_object_flags = offsetof(rh_object, rh_flags),
    VALUE_object_serial = offsetof(rh_object, rh_origin),
    VALUE_object_serial_shift = RH__SITE_BITS,
    VALUE_site_size = sizeof(rh__site_entry),
    VALUE_site_file = offsetof(rh__site_entry, file),
    VALUE_site_function = offsetof(rh__site_entry, function),
    VALUE_site_line = offsetof(rh__site_entry, line),
    VALUE_count_shift = 1,
    VALUE_count_bias = 1,
    VALUE_count_dying_mask = RH__WORD_DYING_MASK,
    VALUE_type_size = sizeof(rh__type_entry),
    VALUE_type_name = offsetof(rh__type_entry, name),
    VALUE_type_object_size = offsetof(rh__type_entry, object_size),
    VALUE_type_fields = offsetof(rh__type_entry, fields),
    VALUE_type_field_count = offsetof(rh__type_entry, field_count),
    VALUE_type_flags = offsetof(rh__type_entry, flags),
    VALUE_type_element_size = offsetof(rh__type_entry, element_size),
    VALUE_type_length_offset = offsetof(rh__type_entry, length_offset),
    VALUE_type_finalize = offsetof(rh__type_entry, finalize),
    VALUE_field_size = sizeof(rh_field),
    VALUE_field_name = offsetof(rh_field, name),
    VALUE_field_offset = offsetof(rh_field, offset),
    VALUE_field_kind = offsetof(rh_field, kind),
    VALUE_field_form = offsetof(rh_field, form),
    VALUE_field_width = offsetof(rh_field, width),
    VALUE_field_count_width = offsetof(rh_field, count_width),
    VALUE_field_count = offsetof(rh_field, count),
    VALUE_field_count_offset = offsetof(rh_field, count_offset),
    VALUE_field_stride = offsetof(rh_field, stride),
    VALUE_field_element_offset = offsetof(rh_field, element_offset),
    VALUE_mapping_next = offsetof(rh__mapping, next),
    VALUE_mapping_bytes = offsetof(rh__mapping, bytes),
    VALUE_mapping_kind = offsetof(rh__mapping, kind),
    VALUE_mapping_heap = offsetof(rh__mapping, heap),
    VALUE_heap_next = offsetof(rh_heap, next),
    VALUE_heap_number = offsetof(rh_heap, number),
    VALUE_heap_name = offsetof(rh_heap, name),
    VALUE_heap_name_size = MEMBER_SIZE(rh_heap, name),
    VALUE_heap_phase = offsetof(rh_heap, phase),
    VALUE_heap_fresh = offsetof(rh_heap, fresh),
    VALUE_heap_spared = offsetof(rh_heap, spared),
    VALUE_heap_collections = offsetof(rh_heap, collections),
    VALUE_heap_reclaimed = offsetof(rh_heap, reclaimed),
    VALUE_heap_gc_enabled = offsetof(rh_heap, gc_enabled),
    VALUE_heap_roots = offsetof(rh_heap, roots),
    VALUE_heap_roots_capacity = offsetof(rh_heap, roots_capacity),
    VALUE_root_size = sizeof(rh__root),
    VALUE_root_slot = offsetof(rh__root, slot),
    VALUE_root_name = offsetof(rh__root, name),
    VALUE_root_name_size = MEMBER_SIZE(rh__root, name),
    VALUE_heap_ring = offsetof(rh_heap, ring),
    VALUE_heap_ring_next = offsetof(rh_heap, event_next),
    VALUE_heap_keeps_all = offsetof(rh_heap, keeps_all),
    VALUE_ring_capacity = offsetof(rh__ring, capacity),
    VALUE_ring_filled = offsetof(rh__ring, filled),
    VALUE_ring_slots = sizeof(rh__ring),
    VALUE_ring_slot_size = sizeof(rh__event),
    VALUE_ring_block = RH__RING_BLOCK,
    VALUE_ring_clock_ns = 10000000, /* the longest that kernels let their ticks be apart */
    VALUE_slot_what = offsetof(rh__event, what),
    VALUE_slot_origin = offsetof(rh__event, origin),
    VALUE_slot_where = offsetof(rh__event, where),
    VALUE_heap_stacks = offsetof(rh_heap, stacks),
    VALUE_heap_stack_depth = offsetof(rh_heap, stack_depth),
    VALUE_heap_weak = offsetof(rh_heap, weak_table.pairs),
    VALUE_heap_weak_capacity = offsetof(rh_heap, weak_table.capacity),
    VALUE_heap_weak_changing = offsetof(rh_heap, weak_changing),
    VALUE_heap_alloc = offsetof(rh_heap, alloc),
    VALUE_heap_allocs = RH__CLASSES,
    VALUE_alloc_size = sizeof(rh__alloc),
    VALUE_alloc_base = offsetof(rh__alloc, base),
    VALUE_alloc_slot_size = offsetof(rh__alloc, slot_size),
    VALUE_alloc_available = offsetof(rh__alloc, available),
    VALUE_chunk_data = RH__CHUNK_DATA,
    VALUE_slab_bytes = RH__SLAB_BYTES,
    VALUE_slab_reciprocal = offsetof(rh__slab, reciprocal),
    VALUE_weak_size = sizeof(rh__pair),
    VALUE_weak_target = offsetof(rh__pair, key),
    VALUE_weak_reference = offsetof(rh__pair, value),
    VALUE_heap_poisons = offsetof(rh_heap, poisons),
    VALUE_heap_poisoning = offsetof(rh_heap, poisoning),
    VALUE_poison_byte = RH__POISON,
    VALUE_poison_slot_max = RH__SLOT_MAX,
    VALUE_object_traced = RH_FLAG_TRACED,
    VALUE_type_traced = RH_TYPE_TRACED,
    VALUE_type_source = offsetof(rh__type_entry, source),
    VALUE_source_index = offsetof(rh_type, rh_private.index),
    VALUE_source_slot_class = offsetof(rh_type, rh_private.slot_class),
    VALUE_heap_trace = offsetof(rh_heap, trace),
    VALUE_heap_trace_next = offsetof(rh_heap, trace_next),
    VALUE_heap_trace_lost = offsetof(rh_heap, trace_lost),
    VALUE_heap_tracing = offsetof(rh_heap, tracing),
    VALUE_event_begin = RH_EVENT_BEGIN,
    VALUE_event_end = RH_EVENT_END,
    VALUE_heap_trace_quietly = offsetof(rh_heap, trace_quietly),
    VALUE_heap_serial_next = offsetof(rh_heap, serial_next),
    VALUE_heap_freed = offsetof(rh_heap, freed),
    VALUE_slot_check = RH_METADATA_SLOT_CHECK,
    VALUE_site_check = offsetof(rh__site_entry, check),
    VALUE_heap_stack_checks = offsetof(rh_heap, stack_checks),
    VALUE_chunk_size = RH__CHUNK_SIZE,
    VALUE_chunk_slabs = RH__CHUNK_SLABS,
    VALUE_chunk_slab_table = RH__SLAB_TABLE,
    VALUE_slab_size = sizeof(rh__slab),
    VALUE_slab_base = offsetof(rh__slab, base),
    VALUE_slab_slot_size = offsetof(rh__slab, slot_size),
    VALUE_slab_capacity = offsetof(rh__slab, capacity),
    VALUE_slab_live = offsetof(rh__slab, live),
    VALUE_slab_fresh = offsetof(rh__slab, fresh),
    VALUE_slab_spared = offsetof(rh__slab, spared),
    VALUE_slab_slots_max = RH__SLOTS_MAX,
    VALUE_destroyed_size = sizeof(rh__destroyed),
    VALUE_destroyed_capacity = RH__DESTROYED_CAPACITY,
    VALUE_destroyed_heap = offsetof(rh__destroyed, heap),
    VALUE_destroyed_objects = offsetof(rh__destroyed, objects),
    VALUE_destroyed_first = offsetof(rh__destroyed, first_serial),
    VALUE_destroyed_last = offsetof(rh__destroyed, last_serial),
};
/* Too wide for an enum constant of C11. */
#define VALUE_count_special_bit 0x80000000u
#define VALUE_count_traced RH__WORD_TRACED
#define VALUE_count_trial_zero RH__WORD_TRIAL_ZERO

#define CHECK_NAME(id, text)                                                                       \
    _Static_assert(sizeof(text) <= MEMBER_SIZE(struct rh_metadata_constant, name), text);
RH_METADATA_CONSTANTS(CHECK_NAME)
RH_METADATA_STACK_CONSTANTS(CHECK_NAME)
RH_METADATA_WEAK_CONSTANTS(CHECK_NAME)
RH_METADATA_SLOT_CONSTANTS(CHECK_NAME)
RH_METADATA_SITE_CONSTANTS(CHECK_NAME)
RH_METADATA_RING_CONSTANTS(CHECK_NAME)
RH_METADATA_POISON_CONSTANTS(CHECK_NAME)
RH_METADATA_TRACE_CONSTANTS(CHECK_NAME)
RH_METADATA_RANGE_CONSTANTS(CHECK_NAME)
RH_METADATA_QUIET_CONSTANTS(CHECK_NAME)
RH_METADATA_CHECK_CONSTANTS(CHECK_NAME)
RH_METADATA_COUNTER_CONSTANTS(CHECK_NAME)

#define CONSTANT(id, text) [RH_MC_##id] = {text, (uint64_t)VALUE_##id},
#define ROW(id, text) {text, (uint64_t)VALUE_##id},
struct rh_metadata_constant rh__metadata_constants[RH__METADATA_ROWS] = {
    RH_METADATA_CONSTANTS(CONSTANT) RH_METADATA_STACK_CONSTANTS(ROW) /* behind the last one */
    RH_METADATA_WEAK_CONSTANTS(ROW) RH_METADATA_SLOT_CONSTANTS(ROW) RH_METADATA_SITE_CONSTANTS(ROW)
        RH_METADATA_RING_CONSTANTS(ROW) RH_METADATA_POISON_CONSTANTS(ROW)
            RH_METADATA_TRACE_CONSTANTS(ROW) RH_METADATA_RANGE_CONSTANTS(ROW)
                RH_METADATA_QUIET_CONSTANTS(ROW) RH_METADATA_CHECK_CONSTANTS(ROW)
                    RH_METADATA_COUNTER_CONSTANTS(ROW)};

void rh__metadata_begin(void)
{
    uint64_t check = 0;
    for (unsigned i = 0; i < RH__METADATA_ROWS; i++)
        check = rh_metadata_check(check, &rh__metadata_constants[i]);
    rh_debug_descriptor.check = check;
}
