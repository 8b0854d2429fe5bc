/* fake_heap.c - builds heaps byte by byte (see fake_heap.h). */
#include "fake_heap.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPACE_BYTES = 0x8000,
    TYPES_BYTES = 0x20000,
    SLABS_PER_CHUNK = 4,
    FIELDS_AT = 0x4000,
    FIELDS_BYTES = 0x400,
    TEXT_AT = 0x14000,
    NAME_BYTES = 32,
    STACKS_AT = 0x400, /* in a heap's control block */
    SLABS_AT = 0x1000, /* in a chunk */
    ALLOCS = 2,
    ALLOC_BYTES = 40
};
#define LIVE_RW (RHI_REGION_READ | RHI_REGION_WRITE)

/* ---- layouts -------------------------------------------------------------------------------- */

typedef struct member {
    unsigned id, width;
} member;
enum { BITMAP_BYTES = 32, SLOTS_MAX = BITMAP_BYTES * 8 };

static const member object_members[] = {{RH_MC_object_serial, 8},
                                        {RH_MC_object_flags, 2},
                                        {RH_MC_object_type, 2},
                                        {RH_MC_object_count, 4}};
static const member type_members[] = {
    {RH_MC_type_finalize, 8},      {RH_MC_type_object_size, 8},  {RH_MC_type_name, 8},
    {RH_MC_type_flags, 4},         {RH_MC_type_field_count, 4},  {RH_MC_type_fields, 8},
    {RH_MC_type_length_offset, 4}, {RH_MC_type_element_size, 4}, {RH_MC_type_source, 8}};
static const member field_members[] = {
    {RH_MC_field_stride, 4},        {RH_MC_field_offset, 4},       {RH_MC_field_name, 8},
    {RH_MC_field_width, 1},         {RH_MC_field_form, 1},         {RH_MC_field_kind, 1},
    {RH_MC_field_count_width, 1},   {RH_MC_field_count_offset, 4}, {RH_MC_field_count, 4},
    {RH_MC_field_element_offset, 4}};
static const member mapping_members[] = {{RH_MC_mapping_heap, 8},
                                         {RH_MC_mapping_kind, 4},
                                         {RH_MC_mapping_bytes, 8},
                                         {RH_MC_mapping_next, 8}};
static const member heap_members[] = {{RH_MC_heap_roots_capacity, 8},
                                      {RH_MC_heap_name, NAME_BYTES},
                                      {RH_MC_heap_phase, 4},
                                      {RH_MC_heap_history, 8},
                                      {RH_MC_heap_gc_enabled, 4},
                                      {RH_MC_heap_next, 8},
                                      {RH_MC_heap_reclaimed, 8},
                                      {RH_MC_heap_history_count, 8},
                                      {RH_MC_heap_number, 8},
                                      {RH_MC_heap_fresh, 8},
                                      {RH_MC_heap_spared, 8},
                                      {RH_MC_heap_roots, 8},
                                      {RH_MC_heap_history_capacity, 8},
                                      {RH_MC_heap_keeps_all, 4},
                                      {RH_MC_heap_ring_next, 8},
                                      {RH_MC_heap_ring, 8},
                                      {RH_MC_heap_poisons, 4},
                                      {RH_MC_heap_poisoning, 8},
                                      {RH_MC_heap_stack_checks, 8},
                                      {RH_MC_heap_trace_quietly, 4},
                                      {RH_MC_heap_freed, 8},
                                      {RH_MC_heap_serial_next, 8},
                                      {RH_MC_heap_trace, 8},
                                      {RH_MC_heap_tracing, 8},
                                      {RH_MC_heap_trace_lost, 8},
                                      {RH_MC_heap_trace_next, 8},
                                      {RH_MC_heap_collections, 8},
                                      {RH_MC_heap_weak_capacity, 8},
                                      {RH_MC_heap_weak, 8},
                                      {RH_MC_heap_weak_changing, 4},
                                      {RH_MC_heap_alloc, ALLOCS *ALLOC_BYTES}};
static const member alloc_members[] = {
    {RH_MC_alloc_available, 8}, {RH_MC_alloc_slot_size, 4}, {RH_MC_alloc_base, 8}};
static const member weak_members[] = {{RH_MC_weak_reference, 8}, {RH_MC_weak_target, 8}};
static const member root_members[] = {{RH_MC_root_name, 40}, {RH_MC_root_slot, 8}};
static const member event_members[] = {{RH_MC_event_thread, 4},  {RH_MC_event_death, 1},
                                       {RH_MC_event_kind, 1},    {RH_MC_event_type, 2},
                                       {RH_MC_event_time, 8},    {RH_MC_event_serial, 8},
                                       {RH_MC_event_address, 8}, {RH_MC_event_sequence, 8}};
static const member ring_members[] = {{RH_MC_ring_filled, 8}, {RH_MC_ring_capacity, 8}};
static const member slot_members[] = {
    {RH_MC_slot_where, 8}, {RH_MC_slot_what, 8}, {RH_MC_slot_origin, 8}};
static const member slab_members[] = {{RH_MC_slab_fresh, BITMAP_BYTES},
                                      {RH_MC_slab_spared, BITMAP_BYTES},
                                      {RH_MC_slab_capacity, 4},
                                      {RH_MC_slab_reciprocal, 4},
                                      {RH_MC_slab_live, BITMAP_BYTES},
                                      {RH_MC_slab_slot_size, 8},
                                      {RH_MC_slab_base, 8}};
static const member site_members[] = {
    {RH_MC_site_line, 4}, {RH_MC_site_check, 8}, {RH_MC_site_function, 8}, {RH_MC_site_file, 8}};
static const member destroyed_members[] = {{RH_MC_destroyed_last, 8},
                                           {RH_MC_destroyed_first, 8},
                                           {RH_MC_destroyed_objects, 8},
                                           {RH_MC_destroyed_heap, 8}};

/* Places the members one behind the other, in layout 1 from the last to the first and behind a pad.
 */
static uint64_t place(fake_space *space, const member *members, unsigned count)
{
    uint64_t at = space->layout ? 8 : 0;
    for (unsigned i = 0; i < count; i++) {
        const member *m = &members[space->layout ? count - 1 - i : i];
        unsigned alignment = m->width > 8 ? 8 : m->width;
        at = (at + alignment - 1) / alignment * alignment;
        space->c[m->id] = at;
        at += m->width;
    }
    return (at + 7) / 8 * 8;
}
#define PLACE(space, members) place(space, members, sizeof(members) / sizeof *(members))

static void lay_out(fake_space *space)
{
    uint64_t *c = space->c;
    c[RH_MC_object_size] = PLACE(space, object_members);
    c[RH_MC_type_size] = PLACE(space, type_members);
    c[RH_MC_field_size] = PLACE(space, field_members);
    c[RH_MC_root_size] = PLACE(space, root_members);
    c[RH_MC_weak_size] = PLACE(space, weak_members);
    c[RH_MC_event_size] = PLACE(space, event_members);
    c[RH_MC_ring_slots] = PLACE(space, ring_members);
    c[RH_MC_ring_slot_size] = PLACE(space, slot_members);
    c[RH_MC_ring_block] = FAKE_BLOCK;
    c[RH_MC_poison_byte] = 0xdd;
    c[RH_MC_poison_slot_max] = 4096;
    c[RH_MC_ring_clock_ns] = 10000000;
    c[RH_MC_slab_size] = PLACE(space, slab_members);
    c[RH_MC_site_size] = PLACE(space, site_members);
    c[RH_MC_object_serial_shift] = space->layout ? 20 : 16;
    c[RH_MC_slot_check] = RH_METADATA_SLOT_CHECK;
    c[RH_MC_destroyed_size] = PLACE(space, destroyed_members);
    PLACE(space, mapping_members);
    PLACE(space, heap_members);
    PLACE(space, alloc_members);
    c[RH_MC_alloc_size] = ALLOC_BYTES;
    c[RH_MC_heap_allocs] = ALLOCS;
    c[RH_MC_heap_name_size] = NAME_BYTES;
    c[RH_MC_root_name_size] = 40;
    c[RH_MC_slab_slots_max] = SLOTS_MAX;
    c[RH_MC_chunk_size] = space->layout ? 1 << 17 : 1 << 16;
    c[RH_MC_chunk_slabs] = SLABS_PER_CHUNK;
    c[RH_MC_chunk_data] = SLABS_AT;
    c[RH_MC_slab_bytes] = (c[RH_MC_chunk_size] - SLABS_AT) / SLABS_PER_CHUNK / 64 * 64;
    c[RH_MC_chunk_slab_table] = space->layout ? 0x180 : 0x80;
    c[RH_MC_destroyed_capacity] = 4;
    c[RH_MC_count_special_bit] = 0x80000000u;
    c[RH_MC_count_shift] = space->layout ? 3 : 1;
    c[RH_MC_count_bias] = 1;
    c[RH_MC_count_trial_zero] = space->layout ? 0xFFFFFFF8u : 0xFFFFFFFEu; /* -1 << shift */
    c[RH_MC_count_dying_mask] = 0x0FFFFFFFu;
    c[RH_MC_count_traced] = space->layout ? 0xA0000000u : 0xC0000000u;
    c[RH_MC_object_traced] = space->layout ? 1u << 13 : 1u << 14;
    c[RH_MC_event_begin] = RH_EVENT_BEGIN;
    c[RH_MC_event_end] = RH_EVENT_END;
    c[RH_MC_type_traced] = space->layout ? 1u << 6 : 1u << 8;
    c[RH_MC_source_index] = space->layout ? 24 : 8;
    c[RH_MC_source_slot_class] = space->layout ? 12 : 32;
}

/* ---- descriptor and constants --------------------------------------------------------------- */

static bool is_omitted(const char *omit, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = omit; at && (at = strstr(at, name)); at += length)
        if ((at == omit || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static unsigned write_constants(fake_space *space, const char *omit)
{
    static const char *const names[] = {
#define NAME(id, text) text,
        RH_METADATA_CONSTANTS(NAME) RH_METADATA_WEAK_CONSTANTS(NAME)
            RH_METADATA_SLOT_CONSTANTS(NAME) RH_METADATA_SITE_CONSTANTS(NAME)
                RH_METADATA_EVENT_CONSTANTS(NAME) RH_METADATA_RING_CONSTANTS(NAME)
                    RH_METADATA_POISON_CONSTANTS(NAME) RH_METADATA_TRACE_CONSTANTS(NAME)
                        RH_METADATA_RANGE_CONSTANTS(NAME) RH_METADATA_CHECK_CONSTANTS(NAME)
                            RH_METADATA_QUIET_CONSTANTS(NAME) RH_METADATA_COUNTER_CONSTANTS(NAME)
#undef NAME
    };
    fake_target *t = space->target;
    unsigned rows = 0;
    for (unsigned i = 0; i < FAKE_CONSTANTS; i++) {
        /* Now and then one that no engine knows, and in layout 1 the rows are longer than today's.
         */
        if (i % 7 == 3) {
            uint64_t row = space->constants + rows++ * space->constant_size;
            char unknown[40];
            snprintf(unknown, sizeof unknown, "future.%u", i);
            fake_put_text(t, row, unknown, 40);
            fake_put(t, row + 40, UINT64_MAX, 8);
        }
        if (is_omitted(omit, names[i]))
            continue;
        uint64_t row = space->constants + rows++ * space->constant_size;
        fake_put_text(t, row, names[i], 40);
        fake_put(t, row + 40, space->c[i], 8);
    }
    const struct {
        const char *name;
        uint64_t value;
    } stack_rows[] = {{"heap.stacks", STACKS_AT + 16 * space->layout},
                      {"heap.stack_depth", STACKS_AT + 16 * space->layout + 8}};
    for (unsigned i = 0; i < 2; i++) {
        if (is_omitted(omit, stack_rows[i].name))
            continue;
        uint64_t row = space->constants + rows++ * space->constant_size;
        fake_put_text(t, row, stack_rows[i].name, 40);
        fake_put(t, row + 40, stack_rows[i].value, 8);
    }
    return rows;
}

void fake_constant(fake_space *space, unsigned id, uint64_t value)
{
    uint64_t count = fake_get(space->target, FAKE_DESCRIPTOR(space, constant_count), 4);
    static const char *const names[] = {
#define NAME(id_, text) text,
        RH_METADATA_CONSTANTS(NAME) RH_METADATA_WEAK_CONSTANTS(NAME)
            RH_METADATA_SLOT_CONSTANTS(NAME) RH_METADATA_SITE_CONSTANTS(NAME)
                RH_METADATA_EVENT_CONSTANTS(NAME) RH_METADATA_RING_CONSTANTS(NAME)
                    RH_METADATA_POISON_CONSTANTS(NAME) RH_METADATA_TRACE_CONSTANTS(NAME)
                        RH_METADATA_RANGE_CONSTANTS(NAME) RH_METADATA_CHECK_CONSTANTS(NAME)
                            RH_METADATA_QUIET_CONSTANTS(NAME) RH_METADATA_COUNTER_CONSTANTS(NAME)
#undef NAME
    };
    for (uint64_t i = 0; i < count; i++) {
        uint64_t row = space->constants + i * space->constant_size;
        if (strcmp((const char *)fake_bytes(space->target, row, 40), names[id]) == 0)
            fake_put(space->target, row + 40, value, 8);
    }
}

fake_space *fake_space_new(fake_target *target, uint64_t descriptor, int layout, const char *omit)
{
    fake_space *space = calloc(1, sizeof *space);
    ck_assert_ptr_nonnull(space);
    *space = (fake_space){.target = target,
                          .descriptor = descriptor,
                          .layout = (unsigned)layout,
                          .constants = descriptor + sizeof(struct rh_metadata_descriptor) + 16,
                          .constant_size = layout ? 72 : 48,
                          .next_address = (descriptor & ~0xfffffffull) + 0x10000000ull};
    lay_out(space);
    if (!fake_is_mapped(target, descriptor))
        fake_map(target, descriptor & ~0xfffull, SPACE_BYTES, LIVE_RW, "");
    struct rh_metadata_descriptor d = {.self = descriptor,
                                       .version = is_omitted(omit, "object.serial_shift")
                                                      ? RH_METADATA_VERSION_FIRST
                                                      : RH_METADATA_VERSION,
                                       .size = sizeof d,
                                       .nonce = 0x1234567890,
                                       .pid = 4711,
                                       .constants = space->constants,
                                       .constant_size = space->constant_size};
    memcpy(d.magic, RH_METADATA_MAGIC, sizeof d.magic);
    d.constant_count = write_constants(space, omit);
    if (is_omitted(omit, "object.serial_shift"))
        space->c[RH_MC_object_serial_shift] = 0;
    fake_copy(target, descriptor, &d, sizeof d);
    space->types = fake_mapping(space, TYPES_BYTES, 0x1000, RH_MAPPING_TYPES, 0) + 0x100;
    space->text = space->text_end = space->types + TEXT_AT;
    space->type_count = 1; /* entry 0 is no type */
    fake_put(target, FAKE_DESCRIPTOR(space, types), space->types, 8);
    fake_put(target, FAKE_DESCRIPTOR(space, type_count), 1, 8);
    return space;
}

void fake_space_free(fake_space *space)
{
    free(space);
}

/* ---- mappings, types ------------------------------------------------------------------------ */

uint64_t fake_mapping(fake_space *space, uint64_t size, uint64_t alignment, uint32_t kind,
                      uint64_t heap)
{
    fake_target *t = space->target;
    uint64_t address = (space->next_address + alignment - 1) / alignment * alignment;
    space->next_address = address + size + 0x1000; /* a hole between any two */
    fake_map(t, address, size, LIVE_RW, "");
    fake_put(t, address + space->c[RH_MC_mapping_next],
             fake_get(t, FAKE_DESCRIPTOR(space, mappings), 8), 8);
    fake_put(t, address + space->c[RH_MC_mapping_bytes], size, 8);
    fake_put(t, address + space->c[RH_MC_mapping_kind], kind, 4);
    fake_put(t, address + space->c[RH_MC_mapping_heap], heap, 8);
    fake_put(t, FAKE_DESCRIPTOR(space, mappings), address, 8);
    return address;
}

static uint64_t put_name(fake_space *space, const char *name)
{
    uint64_t at = space->text_end;
    fake_put_text(space->target, at, name, strlen(name) + 1);
    space->text_end += strlen(name) + 1;
    return at;
}

uint64_t fake_type_row(const fake_space *space, uint32_t type)
{
    return space->types + type * space->c[RH_MC_type_size];
}

uint64_t fake_field_row(const fake_space *space, uint32_t type, unsigned field)
{
    uint64_t fields =
        fake_get(space->target, fake_type_row(space, type) + space->c[RH_MC_type_fields], 8);
    return fields + field * space->c[RH_MC_field_size];
}

static void put_field(fake_space *space, uint64_t row, const fake_field *field)
{
    fake_target *t = space->target;
    uint64_t header = space->c[RH_MC_object_size];
    fake_put(t, row + space->c[RH_MC_field_name], put_name(space, field->name), 8);
    fake_put(t, row + space->c[RH_MC_field_offset], header + field->offset, 4);
    fake_put(t, row + space->c[RH_MC_field_kind], field->kind, 1);
    fake_put(t, row + space->c[RH_MC_field_form], field->form, 1);
    fake_put(t, row + space->c[RH_MC_field_width], field->width, 1);
    fake_put(t, row + space->c[RH_MC_field_count_width], field->count_width, 1);
    fake_put(t, row + space->c[RH_MC_field_count], field->count, 4);
    fake_put(t, row + space->c[RH_MC_field_count_offset], header + field->count_offset, 4);
    fake_put(t, row + space->c[RH_MC_field_stride], field->stride, 4);
    fake_put(t, row + space->c[RH_MC_field_element_offset], field->element_offset, 4);
}

uint32_t fake_type(fake_space *space, const char *name, uint64_t body, const fake_field *fields,
                   unsigned field_count)
{
    fake_target *t = space->target;
    ck_assert_uint_lt(space->type_count, FAKE_TYPES_MAX);
    uint32_t type = space->type_count++;
    uint64_t row = fake_type_row(space, type), rows = 0, size = space->c[RH_MC_object_size] + body;
    if (field_count) /* field tables stand between the type rows and the texts */
        rows = space->types + FIELDS_AT + (uint64_t)type * FIELDS_BYTES;
    ck_assert_uint_le(field_count * space->c[RH_MC_field_size], FIELDS_BYTES);
    for (unsigned i = 0; i < field_count; i++)
        put_field(space, rows + i * space->c[RH_MC_field_size], &fields[i]);
    fake_put(t, row + space->c[RH_MC_type_name], put_name(space, name), 8);
    fake_put(t, row + space->c[RH_MC_type_object_size], size, 8);
    fake_put(t, row + space->c[RH_MC_type_fields], rows, 8);
    fake_put(t, row + space->c[RH_MC_type_field_count], field_count, 4);
    fake_put(t, FAKE_DESCRIPTOR(space, type_count), space->type_count, 8);
    space->type_bytes[type] = size;
    return type;
}

void fake_type_elements(fake_space *space, uint32_t type, uint32_t element_size,
                        uint32_t length_offset)
{
    uint64_t row = fake_type_row(space, type);
    fake_put(space->target, row + space->c[RH_MC_type_element_size], element_size, 4);
    fake_put(space->target, row + space->c[RH_MC_type_length_offset],
             space->c[RH_MC_object_size] + length_offset, 4);
}

/* ---- heaps ---------------------------------------------------------------------------------- */

fake_heap *fake_heap_new(fake_space *space, uint64_t number, const char *name)
{
    fake_target *t = space->target;
    fake_heap *heap = calloc(1, sizeof *heap);
    ck_assert_ptr_nonnull(heap);
    uint64_t mapping = fake_mapping(space, 0x1000, 0x1000, RH_MAPPING_HEAP, 0),
             address = mapping + 0x100;
    fake_put(t, mapping + space->c[RH_MC_mapping_heap], address, 8);
    *heap = (fake_heap){.space = space, .target = t, .address = address, .number = number};
    fake_put(t, address + space->c[RH_MC_heap_next], fake_get(t, FAKE_DESCRIPTOR(space, heaps), 8),
             8);
    fake_put(t, address + space->c[RH_MC_heap_number], number, 8);
    fake_put(t, address + space->c[RH_MC_heap_gc_enabled], 1, 4);
    fake_put_text(t, address + space->c[RH_MC_heap_name], name, NAME_BYTES);
    fake_put(t, FAKE_DESCRIPTOR(space, heaps), address, 8);
    return heap;
}

void fake_heap_free(fake_heap *heap)
{
    free(heap);
}

void fake_phase(fake_heap *heap, enum rh_phase phase)
{
    fake_put(heap->target, heap->address + heap->space->c[RH_MC_heap_phase], phase, 4);
}

static unsigned slab_for(fake_heap *heap, uint64_t slot_size)
{
    fake_space *space = heap->space;
    const uint64_t *c = space->c;
    for (unsigned i = 0; i < heap->slab_count; i++)
        if (heap->slabs[i].slot_size == slot_size && heap->slabs[i].used < heap->slabs[i].capacity)
            return i;
    ck_assert_uint_lt(heap->slab_count, FAKE_SLABS_MAX);
    if (heap->chunk == 0 || heap->chunk_used == SLABS_PER_CHUNK) {
        heap->chunk = fake_mapping(space, c[RH_MC_chunk_size], c[RH_MC_chunk_size],
                                   RH_MAPPING_CHUNK, heap->address);
        heap->chunk_used = 0;
        heap->chunk_next = heap->chunk + SLABS_AT;
    }
    uint64_t area = c[RH_MC_slab_bytes];
    ck_assert_uint_le(slot_size, area);
    unsigned index = heap->slab_count++;
    uint64_t descriptor =
        heap->chunk + c[RH_MC_chunk_slab_table] + heap->chunk_used++ * c[RH_MC_slab_size];
    uint32_t capacity = (uint32_t)(area / slot_size < SLOTS_MAX ? area / slot_size : SLOTS_MAX);
    heap->slabs[index].descriptor = descriptor;
    heap->slabs[index].base = heap->chunk_next;
    heap->slabs[index].slot_size = slot_size;
    heap->slabs[index].capacity = capacity;
    heap->chunk_next += area;
    fake_put(heap->target, descriptor + c[RH_MC_slab_base], heap->slabs[index].base, 8);
    fake_put(heap->target, descriptor + c[RH_MC_slab_slot_size], slot_size, 8);
    fake_put(heap->target, descriptor + c[RH_MC_slab_capacity], capacity, 4);
    fake_put(heap->target, descriptor + c[RH_MC_slab_reciprocal],
             capacity == 1 ? 0 : ((1ull << 32) + slot_size - 1) / slot_size, 4);
    return index;
}

static unsigned slab_of(const fake_heap *heap, uint64_t object)
{
    for (unsigned i = 0; i < heap->slab_count; i++)
        if (object >= heap->slabs[i].base &&
            object < heap->slabs[i].base + heap->slabs[i].slot_size * heap->slabs[i].capacity)
            return i;
    ck_abort_msg("0x%llx is not in this heap", (unsigned long long)object);
    return 0;
}

uint64_t fake_bitmap_word(fake_heap *heap, enum rh_metadata_constant_id bitmap, uint64_t object,
                          uint64_t *bit)
{
    unsigned slab = slab_of(heap, object);
    uint64_t slot = (object - heap->slabs[slab].base) / heap->slabs[slab].slot_size;
    *bit = 1ull << (slot % 64);
    return heap->slabs[slab].descriptor + heap->space->c[bitmap] + slot / 64 * 8;
}

static void set_live(fake_heap *heap, uint64_t object, bool live)
{
    uint64_t bit, word = fake_bitmap_word(heap, RH_MC_slab_live, object, &bit),
                  bits = fake_get(heap->target, word, 8);
    fake_put(heap->target, word, live ? bits | bit : bits & ~bit, 8);
}

void fake_available(fake_heap *heap, uint64_t slot)
{
    fake_target *t = heap->target;
    const uint64_t *c = heap->space->c;
    unsigned slab = slab_of(heap, slot);
    uint64_t size = heap->slabs[slab].slot_size, number = (slot - heap->slabs[slab].base) / size,
             row = heap->address + c[RH_MC_heap_alloc] + (ALLOCS - 1) * c[RH_MC_alloc_size],
             bits = fake_get(t, row + c[RH_MC_alloc_available], 8);
    set_live(heap, slot, true);
    fake_put(t, row + c[RH_MC_alloc_base], slot - number % 64 * size, 8);
    fake_put(t, row + c[RH_MC_alloc_slot_size], size, 4);
    fake_put(t, row + c[RH_MC_alloc_available], bits | 1ull << number % 64, 8);
}

uint64_t fake_new(fake_heap *heap, uint32_t type, unsigned count, uint64_t extra)
{
    fake_space *space = heap->space;
    unsigned slab = slab_for(heap, (space->type_bytes[type] + extra + 15) / 16 * 16);
    uint64_t object =
        heap->slabs[slab].base + heap->slabs[slab].used++ * heap->slabs[slab].slot_size;
    fake_put(heap->target, object + space->c[RH_MC_object_type], type, 2);
    fake_serial_put(space, object, ++space->serial);
    fake_put(heap->target, heap->address + space->c[RH_MC_heap_serial_next], space->serial + 1, 8);
    fake_count(heap, object, count);
    set_live(heap, object, true);
    return object;
}

uint64_t fake_slot(const fake_space *space, uint64_t object, uint64_t offset)
{
    return object + space->c[RH_MC_object_size] + offset;
}

void fake_link(fake_heap *heap, uint64_t from, uint64_t offset, uint64_t to)
{
    fake_put(heap->target, fake_slot(heap->space, from, offset), to, 8);
}

uint64_t fake_vector(fake_heap *heap, uint64_t object, uint64_t offset, uint64_t count_offset,
                     const uint64_t *items, uint64_t count)
{
    fake_space *space = heap->space;
    uint64_t address = (space->next_address + 0xfff) & ~0xfffull;
    space->next_address = address + ((count * 8 + 0xfff) & ~0xfffull) + 0x1000;
    fake_map(heap->target, address, (count * 8 + 0xfff) & ~0xfffull, LIVE_RW, "");
    for (uint64_t i = 0; i < count; i++)
        fake_put(heap->target, address + i * 8, items[i], 8);
    fake_put(heap->target, fake_slot(space, object, offset), address, 8);
    fake_put(heap->target, fake_slot(space, object, count_offset), count, 8);
    return address;
}

uint32_t fake_count_word(const fake_space *space, int count)
{
    return (uint32_t)(count - (int)space->c[RH_MC_count_bias]) << space->c[RH_MC_count_shift];
}

void fake_word(fake_heap *heap, uint64_t object, uint32_t word)
{
    fake_put(heap->target, object + heap->space->c[RH_MC_object_count], word, 4);
}

void fake_count(fake_heap *heap, uint64_t object, unsigned count)
{
    /* The bits below the count mean nothing to a reader. */
    fake_word(heap, object, fake_count_word(heap->space, (int)count) | (count & 1u));
}

void fake_flags(fake_heap *heap, uint64_t object, uint32_t flags)
{
    fake_put(heap->target, object + heap->space->c[RH_MC_object_flags], flags, 2);
}

void fake_immortal(fake_heap *heap, uint64_t object)
{
    fake_word(heap, object, 0xC0000123u);
    fake_flags(heap, object, RH_FLAG_IMMORTAL);
}

void fake_dying(fake_heap *heap, uint64_t object, unsigned count)
{
    ck_assert_uint_ge(count, heap->space->c[RH_MC_count_bias]);
    fake_word(heap, object, 0xA0000000u | fake_count_word(heap->space, (int)count));
    fake_flags(heap, object, RH_FLAG_DYING | RH_FLAG_FINALIZED);
}

void fake_free_object(fake_heap *heap, uint64_t object, enum rh_death death)
{
    fake_word(heap, object, 0x90000000u);
    fake_flags(heap, object, RH_FLAG_FREED | (uint32_t)death << RH_FLAG_DEATH_SHIFT);
    set_live(heap, object, false);
    uint64_t freed = heap->address + heap->space->c[RH_MC_heap_freed];
    fake_put(heap->target, freed, fake_get(heap->target, freed, 8) + 1, 8);
}

uint64_t fake_serial(fake_heap *heap, uint64_t object)
{
    return fake_get(heap->target, object + heap->space->c[RH_MC_object_serial], 8) >>
           heap->space->c[RH_MC_object_serial_shift];
}

void fake_serial_put(fake_space *space, uint64_t object, uint64_t serial)
{
    fake_put(space->target, object + space->c[RH_MC_object_serial],
             serial << space->c[RH_MC_object_serial_shift], 8);
}

uint32_t fake_site(fake_space *space, const char *file, const char *function, uint32_t line)
{
    fake_target *t = space->target;
    if (!space->sites) {
        space->sites = fake_mapping(space, FAKE_SITES * 48, 0x1000, RH_MAPPING_SITES, 0) + 0x80;
        space->site_count = 1; /* entry 0 is no site */
        fake_put(t, FAKE_DESCRIPTOR(space, sites), space->sites, 8);
    }
    ck_assert_uint_lt(space->site_count, FAKE_SITES / 2);
    uint64_t row = space->sites + space->site_count * space->c[RH_MC_site_size];
    fake_put(t, row + space->c[RH_MC_site_file], put_name(space, file), 8);
    fake_put(t, row + space->c[RH_MC_site_function], function ? put_name(space, function) : 0, 8);
    fake_put(t, row + space->c[RH_MC_site_line], line, 4);
    fake_site_sound(space, space->site_count, file, function);
    fake_put(t, FAKE_DESCRIPTOR(space, site_count), space->site_count + 1, 8);
    return space->site_count++;
}

void fake_site_sound(fake_space *space, uint32_t number, const char *file, const char *function)
{
    const uint64_t *c = space->c;
    uint64_t row = space->sites + number * c[RH_MC_site_size];
    uint64_t check =
        rh_metadata_site_check(number, fake_get(space->target, row + c[RH_MC_site_file], 8),
                               fake_get(space->target, row + c[RH_MC_site_function], 8),
                               fake_get(space->target, row + c[RH_MC_site_line], 4));
    check = rh_metadata_text_check(rh_metadata_text_check(check, file), function);
    fake_put(space->target, row + c[RH_MC_site_check], check, 8);
}

void fake_born(fake_heap *heap, uint64_t object, uint32_t site)
{
    uint64_t word = object + heap->space->c[RH_MC_object_serial],
             below = (1ull << heap->space->c[RH_MC_object_serial_shift]) - 1;
    fake_put(heap->target, word, (fake_get(heap->target, word, 8) & ~below) | (site & below), 8);
}

uint64_t fake_unused_slot(fake_heap *heap, uint64_t object)
{
    unsigned slab = slab_of(heap, object);
    ck_assert_uint_lt(heap->slabs[slab].used, heap->slabs[slab].capacity);
    return heap->slabs[slab].base + heap->slabs[slab].used * heap->slabs[slab].slot_size;
}

/* ---- roots and history ---------------------------------------------------------------------- */

void fake_root(fake_heap *heap, uint64_t slot, const char *name)
{
    const uint64_t *c = heap->space->c;
    fake_target *t = heap->target;
    uint64_t table = fake_get(t, heap->address + c[RH_MC_heap_roots], 8);
    if (table == 0) {
        table = fake_mapping(heap->space, 0x1000, 0x1000, RH_MAPPING_ROOTS, heap->address) + 0x80;
        fake_put(t, heap->address + c[RH_MC_heap_roots], table, 8);
        fake_put(t, heap->address + c[RH_MC_heap_roots_capacity], FAKE_ROOTS, 8);
        fake_put(t, table + c[RH_MC_root_slot], 1, 8); /* once used: not in use */
    }
    for (unsigned i = 1; i < FAKE_ROOTS; i++) {
        uint64_t row = table + i * c[RH_MC_root_size];
        if (fake_get(t, row + c[RH_MC_root_slot], 8) > 1)
            continue;
        fake_put(t, row + c[RH_MC_root_slot], slot, 8);
        fake_put_text(t, row + c[RH_MC_root_name], name, 40);
        return;
    }
    ck_abort_msg("no room for the root %s", name);
}

void fake_event(fake_heap *heap, enum rh_event kind, uint64_t address, uint64_t serial,
                uint32_t type, enum rh_death death)
{
    const uint64_t *c = heap->space->c;
    fake_target *t = heap->target;
    uint64_t ring = fake_get(t, heap->address + c[RH_MC_heap_history], 8);
    if (ring == 0) {
        ring = fake_mapping(heap->space, 0x1000, 0x1000, RH_MAPPING_HISTORY, heap->address) + 0x80;
        fake_put(t, heap->address + c[RH_MC_heap_history], ring, 8);
        fake_put(t, heap->address + c[RH_MC_heap_history_capacity], FAKE_RING, 8);
    }
    uint64_t number = fake_get(t, heap->address + c[RH_MC_heap_history_count], 8);
    uint64_t row = ring + number % FAKE_RING * c[RH_MC_event_size];
    fake_put(t, row + c[RH_MC_event_sequence], number + 1, 8);
    fake_put(t, row + c[RH_MC_event_address], address, 8);
    fake_put(t, row + c[RH_MC_event_serial], serial, 8);
    fake_put(t, row + c[RH_MC_event_time], 1700000000000000000ull + number * 1000000000ull, 8);
    fake_put(t, row + c[RH_MC_event_type], type, 2);
    fake_put(t, row + c[RH_MC_event_kind], kind, 1);
    fake_put(t, row + c[RH_MC_event_death], death, 1);
    fake_put(t, row + c[RH_MC_event_thread], 77, 4);
    fake_put(t, heap->address + c[RH_MC_heap_history_count], number + 1, 8);
}

/* Of the one ring or of the other: where its address is, and that of its next slot. */
typedef struct ring_ids {
    unsigned ring, next;
} ring_ids;
static const ring_ids deaths = {RH_MC_heap_ring, RH_MC_heap_ring_next},
                      traced = {RH_MC_heap_trace, RH_MC_heap_trace_next};

void fake_slot_sound(fake_heap *heap, uint64_t slot)
{
    const uint64_t *c = heap->space->c;
    uint64_t what =
        fake_get(heap->target, slot + c[RH_MC_slot_what], 8) & ~RH_METADATA_SLOT_CHECK_MASK;
    what |= rh_metadata_slot_check(what, fake_get(heap->target, slot + c[RH_MC_slot_origin], 8),
                                   fake_get(heap->target, slot + c[RH_MC_slot_where], 8));
    fake_put(heap->target, slot + c[RH_MC_slot_what], what, 8);
}

/* Into the slot that is written next. */
static void ring_put(fake_heap *heap, ring_ids ids, uint64_t what, uint64_t origin, uint64_t where)
{
    const uint64_t *c = heap->space->c;
    fake_target *t = heap->target;
    uint64_t ring = fake_get(t, heap->address + c[ids.ring], 8),
             next = fake_get(t, heap->address + c[ids.next], 8);
    uint64_t slots = ring + c[RH_MC_ring_slots];
    if (next == slots + FAKE_RING_SLOTS * c[RH_MC_ring_slot_size])
        next = slots;
    fake_put(t, next + c[RH_MC_slot_what], what, 8);
    fake_put(t, next + c[RH_MC_slot_origin], origin, 8);
    fake_put(t, next + c[RH_MC_slot_where], where, 8);
    fake_slot_sound(heap, next);
    fake_put(t, heap->address + c[ids.next], next + c[RH_MC_ring_slot_size], 8);
}

static void mark(fake_heap *heap, ring_ids ids, uint64_t number, uint64_t time, uint32_t thread)
{
    const uint64_t *c = heap->space->c;
    fake_target *t = heap->target;
    if (!fake_get(t, heap->address + c[ids.ring], 8)) {
        uint64_t ring =
            fake_mapping(heap->space, 0x1000, 0x1000, RH_MAPPING_HISTORY, heap->address) + 0x80;
        fake_put(t, heap->address + c[ids.ring], ring, 8);
        fake_put(t, heap->address + c[ids.next], ring + c[RH_MC_ring_slots], 8);
        fake_put(t, ring + c[RH_MC_ring_capacity], FAKE_RING_SLOTS, 8);
    }
    ring_put(heap, ids, RH_EVENT_MARK | (uint64_t)thread << 4, time, number);
}

void fake_ring_mark(fake_heap *heap, uint64_t number, uint64_t time, uint32_t thread)
{
    mark(heap, deaths, number, time, thread);
}

void fake_ring_event(fake_heap *heap, enum rh_event kind, uint64_t address, uint64_t serial,
                     uint32_t site, uint32_t type, enum rh_death death, uint64_t place)
{
    ring_put(heap, deaths, kind | address | (uint64_t)death << 48,
             serial << heap->space->c[RH_MC_object_serial_shift] | site, place << 16 | type);
}

void fake_traced_event(fake_heap *heap, uint64_t number, uint64_t time, enum rh_event kind,
                       uint64_t address, uint64_t serial, uint32_t type)
{
    mark(heap, traced, number, time, 77);
    ring_put(heap, traced, kind | address, serial << heap->space->c[RH_MC_object_serial_shift],
             type);
}

/* ---- weak references ------------------------------------------------------------------------ */

uint32_t fake_weak_type(fake_space *space)
{
    static const fake_field fields[] = {FAKE_ONE("target", RH_KIND_BORROWED, 0, 8)};
    return fake_type(space, "weak", 8, fields, 1);
}

void fake_weak(fake_heap *heap, uint64_t reference, uint64_t target)
{
    const uint64_t *c = heap->space->c;
    fake_target *t = heap->target;
    uint64_t table = fake_get(t, heap->address + c[RH_MC_heap_weak], 8), row;
    if (table == 0) {
        table = fake_mapping(heap->space, 0x1000, 0x1000, RH_MAPPING_WEAK, heap->address) + 0x80;
        fake_put(t, heap->address + c[RH_MC_heap_weak], table, 8);
        fake_put(t, heap->address + c[RH_MC_heap_weak_capacity], FAKE_WEAK, 8);
    }
    for (row = table + c[RH_MC_weak_size]; fake_get(t, row + c[RH_MC_weak_target], 8);
         row += c[RH_MC_weak_size])
        ck_assert_uint_lt(row, table + FAKE_WEAK * c[RH_MC_weak_size]);
    fake_put(t, row + c[RH_MC_weak_target], target, 8);
    fake_put(t, row + c[RH_MC_weak_reference], reference, 8);
    fake_link(heap, reference, 0, target);
    uint64_t flags = target + c[RH_MC_object_flags];
    fake_put(t, flags, fake_get(t, flags, 2) | RH_FLAG_HAS_WEAK, 2);
}

void fake_stack(fake_heap *heap, uint64_t event, const uint64_t *addresses, unsigned count)
{
    fake_target *t = heap->target;
    uint64_t at_heap = heap->address + STACKS_AT + 16 * heap->space->layout,
             stacks = fake_get(t, at_heap, 8);
    ck_assert_uint_le(count, FAKE_STACK_DEPTH);
    if (stacks == 0) {
        stacks =
            fake_mapping(heap->space, 0x1000, 0x1000, RH_MAPPING_HISTORY, heap->address) + 0x80;
        fake_put(t, at_heap, stacks, 8);
        fake_put(t, at_heap + 8, FAKE_STACK_DEPTH, 4);
    }
    for (unsigned i = 0; i < FAKE_STACK_DEPTH; i++)
        fake_put(t, stacks + (event % FAKE_RING * FAKE_STACK_DEPTH + i) * 8,
                 i < count ? addresses[i] : 0, 8);
}
