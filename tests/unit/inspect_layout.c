/* inspect_layout.c - finding descriptors, constants that are missing, unknown or absurd, several
 * heaps and copies. */
#include "inspect_test.h"

static const uint64_t program = 0x400000000000;

START_TEST(a_descriptor_is_found_by_note_by_module_data_and_in_anonymous_memory)
{
    for (unsigned way = 0; way < 4; way++) {
        fake_target *t = fake_target_new();
        uint64_t at = program + FAKE_MODULE_DATA + 0x48;
        /* a stray copy of the page lies first */
        fake_map(t, 0x100000, 0x3000, RHI_REGION_READ | RHI_REGION_WRITE, "");
        if (way < 2)
            fake_module(t, program, "/usr/bin/program", 0x8000, 0, way == 0 ? at : 0);
        else if (way == 3)
            /* across two reads */
            fake_map(t, at & ~0xfffull, 0x300000, RHI_REGION_READ | RHI_REGION_WRITE, ""),
                at += 0x100000 - 0x50;
        fake_space *space = fake_space_new(t, at, _i, NULL);
        fake_copy(t, 0x100000 + at % 4096, fake_bytes(t, at, 0x100), 0x100);
        uint32_t type = fake_type(space, "node", NODE_BODY, node_fields, 5);
        fake_heap *heap = fake_heap_new(space, 1, "main");
        fake_new(heap, type, 1, 0);
        json_t *json = fake_json(t, "objat", "#1");
        ck_assert_str_eq(fake_string(json, "object.id"), "node#1");
        ck_assert(json_is_true(fake_at(json, "complete")));
        json_decref(json);
        fake_heap_free(heap);
        fake_space_free(space);
        fake_target_free(t);
    }
}
END_TEST

START_TEST(a_descriptor_behind_a_hole_is_found)
{
    /* The hole begins where one read of the scan ends: behind it, the scan goes on at its first
     * byte. */
    fake_target *t = fake_target_new();
    uint64_t base = 0x500000000000, at = base + 0x101000;
    fake_map(t, base, 0x200000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    t->hole_start = base + 0x100000;
    t->hole_end = at;
    fake_space *space = fake_space_new(t, at, _i, NULL);
    fake_heap *heap = fake_heap_new(space, 1, "main");
    json_t *json = fake_json(t, "objat", "1");
    ck_assert_str_eq(fake_string(json, "status"), "unmapped");
    json_decref(json);
    fake_heap_free(heap);
    fake_space_free(space);
    fake_target_free(t);
}
END_TEST

START_TEST(two_copies_of_the_runtime_are_both_read)
{
    world w = world_new(_i);
    fake_module(w.t, program, "/usr/lib/plugin.so", 0x8000, 0, program + FAKE_MODULE_DATA);
    fake_space *space = fake_space_new(w.t, program + FAKE_MODULE_DATA, _i, NULL);
    uint32_t type = fake_type(space, "twig", NODE_BODY, node_fields, 5);
    fake_heap *heap = fake_heap_new(space, 9, "plugin");
    uint64_t a = new_node(&w, 1);
    space->serial = 500;
    uint64_t b = fake_new(heap, type, 2, 0);
    json_t *json = fake_json(w.t, "objat", "twig#501");
    ck_assert_int_eq(fake_integer(json, "object.heap"), 9);
    ck_assert_int_eq(fake_integer(json, "object.refcount"), 2);
    json_decref(json);
    (void)a, (void)b;
    fake_heap_free(heap);
    fake_space_free(space);
    world_free(&w);
}
END_TEST

START_TEST(what_a_heap_does_not_publish_is_not_answered_and_the_rest_is)
{
    fake_target *t = fake_target_new();
    fake_space *space = fake_space_new(t, 0x500000000040, _i,
                                       "heap.history heap.history_capacity heap.history_count "
                                       "event.size event.kind heap.name heap.name_size "
                                       "heap.fresh heap.spared heap.collections heap.reclaimed "
                                       "type.finalize slab.fresh slab.spared destroyed.size");
    uint32_t type = fake_type(space, "node", NODE_BODY, node_fields, 5);
    fake_heap *heap = fake_heap_new(space, 1, "main");
    uint64_t a = fake_new(heap, type, 1, 0);
    fake_event(heap, RH_EVENT_FREE, a, 9, type, RH_DEATH_RELEASE);
    json_t *json = fake_json(t, "objat", "--history #1");
    ck_assert_str_eq(fake_string(json, "object.id"), "node#1");
    ck_assert_uint_eq(fake_size(json, "previous"), 0);
    ck_assert_uint_eq(fake_size(json, "history"), 0);
    json_decref(json);
    ck_assert_int_eq(fake_run(t, "objat", "#1"), RHI_ANSWERED);
    ck_assert_has(t->out.bytes, "heap 1\n");
    fake_heap_free(heap);
    fake_space_free(space);
    fake_target_free(t);
}
END_TEST

/* An engine that overlooked it would take site and serial for one number. */
START_TEST(a_runtime_with_sites_says_where_serials_begin)
{
    fake_target *t = fake_target_new();
    fake_space *space = fake_space_new(t, 0x500000000040, _i, "object.serial_shift");
    fake_heap *heap = fake_heap_new(space, 1, "main");
    fake_put(t, FAKE_DESCRIPTOR(space, version), 2, 4);
    ck_assert_has(fake_json_failure(t, "gcgraph", ""), "has no constant object.serial_shift");
    fake_heap_free(heap);
    fake_space_free(space);
    fake_target_free(t);
}
END_TEST

START_TEST(a_missing_necessary_constant_is_named)
{
    static const char *const names[] = {"object.serial", "count.bias",   "slab.live",
                                        "mapping.next",  "field.stride", "heap.phase"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fake_target *t = fake_target_new();
        fake_space *space = fake_space_new(t, 0x500000000040, _i, names[i]);
        fake_heap *heap = fake_heap_new(space, 1, "main");
        const char *error = fake_json_failure(t, "gcgraph", "");
        ck_assert_has(error, "the heap's metadata has no constant ");
        ck_assert_has(error, names[i]);
        fake_heap_free(heap);
        fake_space_free(space);
        fake_target_free(t);
    }
}
END_TEST

START_TEST(constants_that_contradict_each_other_are_refused)
{
    static const struct {
        unsigned id;
        uint64_t value;
    } rows[] = {{RH_MC_object_size, 8},
                {RH_MC_object_size, 4096},
                {RH_MC_object_serial, 60},
                {RH_MC_count_shift, 32},
                {RH_MC_count_bias, INT64_MAX},
                {RH_MC_chunk_size, 0},
                {RH_MC_chunk_size, 12345},
                {RH_MC_chunk_size, 1ull << 60},
                {RH_MC_chunk_slabs, 1ull << 40},
                {RH_MC_chunk_slab_table, UINT64_MAX - 8},
                {RH_MC_slab_slots_max, 1ull << 50},
                {RH_MC_slab_slots_max, 0},
                {RH_MC_slab_live, 1ull << 30},
                {RH_MC_field_size, 4},
                {RH_MC_type_size, 1ull << 40},
                {RH_MC_heap_next, 1ull << 40},
                {RH_MC_root_name_size, UINT64_MAX - 1},
                {RH_MC_event_size, 3},
                {RH_MC_mapping_bytes, UINT64_MAX - 1},
                {RH_MC_heap_history_count, 1ull << 63},
                {RH_MC_chunk_data, 0},
                {RH_MC_slab_bytes, 1ull << 40},
                {RH_MC_heap_allocs, 1ull << 40},
                {RH_MC_alloc_size, 1ull << 62},
                {RH_MC_alloc_available, 1ull << 20}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world w = world_new(_i);
        new_node(&w, 1);
        fake_constant(w.space, rows[i].id, rows[i].value);
        ck_assert_has(fake_json_failure(w.t, "gcgraph", ""), "contradict each other");
        world_free(&w);
    }
}
END_TEST

START_TEST(another_version_is_refused_by_number)
{
    world w = world_new(_i);
    fake_put(w.t, FAKE_DESCRIPTOR(w.space, version), 7, 4);
    ck_assert_has(fake_json_failure(w.t, "gcgraph", ""),
                  "has version 7; this engine reads versions 1 to 2");
    world_free(&w);
}
END_TEST

/* Damages one thing; the objects that are not concerned are still there, and the answer says what
 * is wrong. */
static void check_damage_in(world w, void (*harm)(world *w), const char *reason)
{
    uint64_t a = new_node(&w, 1);
    fake_link(w.heap, a, NEXT, a);
    fake_map(w.t, 0x7f0000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_root(w.heap, 0x7f0000000000, "root");
    harm(&w);
    json_t *json = fake_json(w.t, "gcgraph", "");
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    ck_assert(json_is_false(fake_at(json, "complete")));
    char *reasons = json_dumps(fake_at(json, "incomplete_because"), 0);
    ck_assert_has(reasons, reason);
    free(reasons);
    json_decref(json);
    world_free(&w);
}

static void check_damage(int layout, void (*harm)(world *w), const char *reason)
{
    check_damage_in(world_new(layout), harm, reason);
    check_damage_in(world_without(layout, FAKE_OLDER), harm, reason);
}

static void circle_of_heaps(world *w)
{
    fake_put(w->t, w->heap->address + w->space->c[RH_MC_heap_next], w->heap->address, 8);
}

static void circle_of_mappings(world *w)
{
    uint64_t oldest = w->space->types - 0x100; /* the first one made is the last of the list */
    fake_put(w->t, oldest + w->space->c[RH_MC_mapping_next],
             fake_get(w->t, FAKE_DESCRIPTOR(w->space, mappings), 8), 8);
}

static void heap_next_is_wild(world *w)
{
    fake_put(w->t, w->heap->address + w->space->c[RH_MC_heap_next], 0xdead0000, 8);
}

static void roots_without_end(world *w)
{
    fake_put(w->t, w->heap->address + w->space->c[RH_MC_heap_roots_capacity], 1ull << 60, 8);
}

static void unaligned_chunk(world *w)
{
    uint64_t at = fake_mapping(w->space, 0x2000, 0x1000, RH_MAPPING_CHUNK, w->heap->address);
    if (at % w->space->c[RH_MC_chunk_size] == 0)
        fake_mapping(w->space, 0x2000, 0x1000, RH_MAPPING_CHUNK, w->heap->address);
}

static void slab_outside_its_chunk(world *w)
{
    uint64_t slab =
        w->heap->chunk + w->space->c[RH_MC_chunk_slab_table] + w->space->c[RH_MC_slab_size];
    fake_put(w->t, slab + w->space->c[RH_MC_slab_base], w->heap->chunk + 0x2000, 8);
    fake_put(w->t, slab + w->space->c[RH_MC_slab_slot_size], 1ull << 40, 8);
    fake_put(w->t, slab + w->space->c[RH_MC_slab_capacity], 64, 4);
}

static void overlapping_slab(world *w)
{
    uint64_t slab =
        w->heap->chunk + w->space->c[RH_MC_chunk_slab_table] + w->space->c[RH_MC_slab_size];
    fake_put(w->t, slab + w->space->c[RH_MC_slab_base], w->heap->slabs[0].base + 64, 8);
    fake_put(w->t, slab + w->space->c[RH_MC_slab_slot_size], 64, 8);
    fake_put(w->t, slab + w->space->c[RH_MC_slab_capacity], 64, 4);
}

static void mapping_of_kind_0(world *w)
{
    fake_mapping(w->space, 0x1000, 0x1000, 0, w->heap->address);
}

static void mapping_of_no_kind(world *w)
{
    fake_mapping(w->space, 0x1000, 0x1000, UINT32_MAX, w->heap->address);
}

static void types_without_end(world *w)
{
    fake_put(w->t, FAKE_DESCRIPTOR(w->space, type_count), 1ull << 60, 8);
}

static void field_outside_the_struct(world *w)
{
    fake_put(w->t, fake_field_row(w->space, w->node, 1) + w->space->c[RH_MC_field_offset], 4000, 4);
}

static void fields_without_end(world *w)
{
    uint32_t more = fake_type(w->space, "more", 16, node_fields, 1);
    fake_put(w->t, fake_type_row(w->space, more) + w->space->c[RH_MC_type_field_count], UINT32_MAX,
             4);
}

START_TEST(damage_is_named_and_the_rest_is_answered)
{
    check_damage(_i, circle_of_heaps, "the list of heaps goes round in a circle");
    check_damage(_i, circle_of_mappings, "the list of mappings goes round in a circle");
    check_damage(_i, heap_next_is_wild, "the heap at 0xdead0000 cannot be read");
    check_damage(_i, roots_without_end, "its table of roots claims");
    check_damage(_i, unaligned_chunk, "is not aligned");
    check_damage(_i, mapping_of_kind_0, "is of no kind: objects may be missing");
    check_damage(_i, mapping_of_no_kind, "is of no kind: objects may be missing");
    check_damage(_i, slab_outside_its_chunk, "makes no sense: its objects are missing");
    check_damage_in(world_new(_i), overlapping_slab, "makes no sense: its objects are missing");
    check_damage_in(world_without(_i, FAKE_OLDER), overlapping_slab, "overlaps the one before it");
    check_damage(_i, types_without_end, "the type table claims");
    check_damage(_i, field_outside_the_struct, "its field 1 makes no sense");
    check_damage(_i, fields_without_end, "type more claims 4294967295 fields");
}
END_TEST

START_TEST(a_table_of_fields_that_all_types_claim_is_not_multiplied)
{
    /* 60000 types of 4096 fields each would be 40 GB in this process. */
    world w = world_new(_i);
    new_node(&w, 1);
    uint64_t rows = 0x510000000000, fields = 0x520000000000, size = w.space->c[RH_MC_type_size];
    fake_map(w.t, rows, 60000 * size, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_map(w.t, fields, 4096 * w.space->c[RH_MC_field_size], RHI_REGION_READ | RHI_REGION_WRITE,
             "");
    for (uint64_t i = 0; i < 60000; i++) {
        memcpy(fake_bytes(w.t, rows + i * size, size),
               fake_bytes(w.t, fake_type_row(w.space, w.node), size), size);
        if (i > w.node) {
            fake_put(w.t, rows + i * size + w.space->c[RH_MC_type_fields], fields, 8);
            fake_put(w.t, rows + i * size + w.space->c[RH_MC_type_field_count], 4096, 4);
        }
    }
    fake_put(w.t, FAKE_DESCRIPTOR(w.space, types), rows, 8);
    fake_put(w.t, FAKE_DESCRIPTOR(w.space, type_count), 60000, 8);
    json_t *json = fake_json(w.t, "objat", "#1");
    ck_assert_uint_eq(fake_size(json, "fields"), 5);
    ck_assert(json_is_false(fake_at(json, "complete")));
    char *reasons = json_dumps(fake_at(json, "incomplete_because"), 0);
    ck_assert_has(reasons, "fields in all");
    free(reasons);
    json_decref(json);
    world_free(&w);
}
END_TEST

/* ---- each constant, changed ----------------------------------------------------------------- */

/* A held ring, a held object and a garbage one. */
static void populate(world *w)
{
    uint64_t a = new_node(w, 2), b = new_node(w, 1), c = new_node(w, 1), d = new_node(w, 1);
    fake_link(w->heap, a, NEXT, b);
    fake_link(w->heap, b, NEXT, a);
    fake_link(w->heap, c, NEXT, c);
    fake_map(w->t, 0x7f0000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_root(w->heap, 0x7f0000000000, "root");
    fake_put(w->t, 0x7f0000000000, a, 8);
    fake_map(w->t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w->t, 321, 0x7ffe00001000);
    fake_put(w->t, 0x7ffe00001800, d, 8);
}

static uint64_t check_of(const world *w)
{
    uint64_t check = 0;
    for (uint64_t i = 0; i < fake_get(w->t, FAKE_DESCRIPTOR(w->space, constant_count), 4); i++)
        check = rh_metadata_check(
            check, (const void *)fake_bytes(w->t, w->space->constants + i * w->space->constant_size,
                                            sizeof(struct rh_metadata_constant)));
    return check;
}

static void check_change(int layout, unsigned id, uint64_t value, bool has_check)
{
    static const char *const asked[] = {"gcleaks", "gcverify", "gcstat", "gcgraph", "gcstale"};
    world w = world_new(layout);
    populate(&w);
    fake_put(w.t, FAKE_DESCRIPTOR(w.space, check), has_check ? check_of(&w) : 0, 8);
    bool is_same = value == w.space->c[id];
    fake_constant(w.space, id, value);
    for (unsigned k = 0; k < sizeof asked / sizeof *asked; k++) {
        int status = fake_run(w.t, asked[k], "--json");
        json_t *json = json_loads(w.t->out.bytes, 0, NULL);
        ck_assert_ptr_nonnull(json);
        bool is_complete = json_is_true(fake_at(json, "complete"));
        ck_assert_msg(is_complete == is_same || !has_check, "%s, with constant %u as %llu: %s",
                      asked[k], id, (unsigned long long)value, w.t->out.bytes);
        if (status == RHI_NO_ANSWER)
            ck_assert_ptr_null(strchr(fake_string(json, "error"), '\n'));
        if (k == 0 && is_same)
            ck_assert_uint_eq(fake_size(json, "leaks"), 1);
        json_decref(json);
    }
    world_free(&w);
}

/* Each constant in turn is made another one. No answer is certain then; in a runtime without a
 * check, where another constant may only be another runtime's, there is an answer or one line. */
START_TEST(no_constant_is_another_one_unnoticed)
{
    static const uint64_t added[] = {0,     1,     4,      8,          16,         64,        -1ull,
                                     -4ull, -8ull, -16ull, 1ull << 20, 1ull << 31, 1ull << 63};
    world w = world_new(_i);
    for (unsigned id = 0; id < FAKE_CONSTANTS; id++)
        for (unsigned i = 0; i < sizeof added / sizeof *added; i++)
            for (unsigned has_check = 0; has_check < 2; has_check++)
                check_change(_i, id, w.space->c[id] + added[i], has_check);
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_layout", a_descriptor_is_found_by_note_by_module_data_and_in_anonymous_memory,
          a_descriptor_behind_a_hole_is_found, two_copies_of_the_runtime_are_both_read,
          what_a_heap_does_not_publish_is_not_answered_and_the_rest_is,
          a_runtime_with_sites_says_where_serials_begin, a_missing_necessary_constant_is_named,
          constants_that_contradict_each_other_are_refused, another_version_is_refused_by_number,
          damage_is_named_and_the_rest_is_answered,
          a_table_of_fields_that_all_types_claim_is_not_multiplied,
          no_constant_is_another_one_unnoticed)
