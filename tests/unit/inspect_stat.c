/* inspect_stat.c - `gcstat`: counts, bytes and retained bytes by heap and type. Random heaps:
 * inspect_random.c. */
#include "inspect_test.h"

enum { BODY = 16 };

static json_t *type_row(const json_t *json, const char *heap, const char *type)
{
    char path[64];
    size_t index;
    json_t *row;
    snprintf(path, sizeof path, "%s.types", heap);
    json_array_foreach(fake_at(json, path), index,
                       row) if (strcmp(fake_string(row, "type"), type) == 0) return row;
    return NULL;
}

static uint64_t bytes_of(const world *w, uint32_t type)
{
    return w->space->type_bytes[type];
}

START_TEST(a_chain_is_retained_once)
{
    world w = world_new(_i);
    uint32_t leaf = fake_type(w.space, "leaf", BODY, NULL, 0);
    uint64_t head = new_node(&w, 1), middle = new_node(&w, 1), end = fake_new(w.heap, leaf, 1, 0),
             lone = fake_new(w.heap, leaf, 1, 0);
    fake_link(w.heap, head, NEXT, middle);
    fake_link(w.heap, middle, NEXT, end);
    json_t *json = fake_json(w.t, "gcstat", "");
    uint64_t node_bytes = bytes_of(&w, w.node), leaf_bytes = bytes_of(&w, leaf);
    json_t *node_row = type_row(json, "heaps.0", "node"),
           *leaf_row = type_row(json, "heaps.0", "leaf");
    ck_assert_int_eq(fake_integer(json, "heaps.0.objects"), 4);
    ck_assert_int_eq(fake_integer(json, "heaps.0.bytes"),
                     (long long)(2 * node_bytes + 2 * leaf_bytes));
    ck_assert_int_eq(fake_integer(node_row, "count"), 2);
    ck_assert_int_eq(fake_integer(node_row, "retained"), (long long)(2 * node_bytes + leaf_bytes));
    ck_assert_str_eq(fake_string(node_row, "sample"), id_of(&w, head)); /* retains most */
    ck_assert_int_eq(fake_integer(leaf_row, "retained"), (long long)(2 * leaf_bytes));
    json_decref(json);
    fake_count(w.heap, middle, 2); /* held from outside too: nobody's alone */
    w.t->state++;
    json = fake_json(w.t, "gcstat", "");
    ck_assert_int_eq(fake_integer(type_row(json, "heaps.0", "node"), "retained"),
                     (long long)(2 * node_bytes + leaf_bytes));
    ck_assert_str_eq(fake_string(type_row(json, "heaps.0", "node"), "sample"), id_of(&w, middle));
    json_decref(json);
    (void)lone;
    world_free(&w);
}
END_TEST

START_TEST(without_retained_no_graph_is_built)
{
    world w = world_new(_i);
    new_node(&w, 1);
    json_t *json = fake_json(w.t, "gcstat", "--no-retained");
    ck_assert(json_is_null(fake_at(json, "heaps.0.types.0.retained")));
    ck_assert_int_eq(fake_integer(json, "heaps.0.types.0.count"), 1);
    json_decref(json);
    json = fake_json(w.t, "gcstat", ""); /* what the first answer left behind is not enough */
    ck_assert_int_eq(fake_integer(json, "heaps.0.types.0.retained"),
                     (long long)bytes_of(&w, w.node));
    json_decref(json);
    json = fake_json(w.t, "gcstat", "--no-retained");
    ck_assert(json_is_null(fake_at(json, "heaps.0.types.0.retained")));
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcstat", "--no-retained"), RHI_ANSWERED);
    ck_assert_has_not(w.t->out.bytes, "retained");
    ck_assert_int_eq(fake_run(w.t, "gcstat", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "retained");
    world_free(&w);
}
END_TEST

START_TEST(tombstones_and_unused_slots_are_not_counted_and_damaged_headers_apart)
{
    world w = world_new(_i);
    uint64_t dead = new_node(&w, 1), damaged = new_node(&w, 1), dying = new_node(&w, 1);
    new_node(&w, 1);
    fake_free_object(w.heap, dead, RH_DEATH_RELEASE);
    fake_put(w.t, damaged + w.space->c[RH_MC_object_type], 60000, 2);
    fake_dying(w.heap, dying, 1);
    json_t *json = fake_json(w.t, "gcstat", "");
    ck_assert_int_eq(fake_integer(json, "heaps.0.objects"), 2);
    ck_assert_int_eq(fake_integer(json, "heaps.0.damaged"), 1);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcstat", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "1 object has a damaged header");
    world_free(&w);
}
END_TEST

START_TEST(variable_objects_have_their_own_size)
{
    world w = world_new(_i);
    uint32_t text = fake_type(w.space, "text", BODY, NULL, 0);
    fake_type_elements(w.space, text, 1, 0);
    uint64_t small = fake_new(w.heap, text, 1, 100), large = fake_new(w.heap, text, 1, 1000);
    fake_put(w.t, fake_slot(w.space, small, 0), 90, 8);
    fake_put(w.t, fake_slot(w.space, large, 0), 900, 8);
    json_t *json = fake_json(w.t, "gcstat", "");
    ck_assert_int_eq(fake_integer(json, "heaps.0.bytes"),
                     (long long)(2 * bytes_of(&w, text) + 990));
    ck_assert_int_eq(fake_integer(json, "heaps.0.types.0.retained"),
                     (long long)(2 * bytes_of(&w, text) + 990));
    ck_assert_str_eq(fake_string(json, "heaps.0.types.0.sample"), "text#2");
    json_decref(json);
    world_free(&w);
}
END_TEST

/* More types than are added up at once; each object but the first is retained by the one before. */
START_TEST(many_types_each_retain_what_follows)
{
    static const fake_field link_fields[] = {FAKE_STRONG("next", 0)};
    world w = world_new(_i);
    uint32_t types[FAKE_TYPES_MAX], count = 0;
    uint64_t before = 0, size = 0;
    while (w.space->type_count < FAKE_TYPES_MAX) {
        char name[24];
        snprintf(name, sizeof name, "type%u", count);
        types[count++] = fake_type(w.space, name, BODY, link_fields, 1);
    }
    for (unsigned i = 0; i < 2 * count; i++) {
        uint64_t object = fake_new(w.heap, types[i % count], 1, 0);
        if (before)
            fake_link(w.heap, before, 0, object);
        before = object;
    }
    size = bytes_of(&w, types[0]);
    json_t *json = fake_json(w.t, "gcstat", "--limit=0"), *row;
    size_t index;
    ck_assert_uint_eq(fake_size(json, "heaps.0.types"), count);
    json_array_foreach(fake_at(json, "heaps.0.types"), index, row)
    {
        unsigned number = (unsigned)atoi(fake_string(row, "type") + 4);
        ck_assert_int_eq(fake_integer(row, "count"), 2);
        ck_assert_int_eq(fake_integer(row, "retained"), (long long)((2 * count - number) * size));
    }
    json_decref(json);
    json = fake_json(w.t, "gcstat", "--limit=3");
    ck_assert_uint_eq(fake_size(json, "heaps.0.types"), 3);
    ck_assert_int_eq(fake_integer(json, "heaps.0.types_total"), count);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcstat", "--limit=3"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "more types (--limit=0 shows all)");
    world_free(&w);
}
END_TEST

START_TEST(what_another_heap_dominates_is_retained_all_the_same)
{
    world w = world_new(_i);
    fake_heap *second = fake_heap_new(w.space, 7, "second");
    uint64_t above = new_node(&w, 1), below = fake_new(second, w.node, 1, 0);
    fake_link(w.heap, above, NEXT, below);
    json_t *json = fake_json(w.t, "gcstat", "");
    long long bytes = fake_integer(type_row(json, "heaps.1", "node"), "bytes");
    ck_assert_int_gt(bytes, 0);
    ck_assert_int_eq(fake_integer(type_row(json, "heaps.1", "node"), "retained"), bytes);
    ck_assert_int_eq(fake_integer(type_row(json, "heaps.0", "node"), "retained"), 2 * bytes);
    json_decref(json);
    json = fake_json(w.t, "gcstat", "--heap=7");
    ck_assert_int_eq(fake_integer(type_row(json, "heaps.0", "node"), "retained"), bytes);
    json_decref(json);
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

START_TEST(each_heap_has_its_own_figures)
{
    world w = world_new(_i);
    fake_heap *second = fake_heap_new(w.space, 7, "second");
    new_node(&w, 1);
    fake_new(second, w.node, 1, 0);
    fake_new(second, w.node, 1, 0);
    json_t *json = fake_json(w.t, "gcstat", ""), *row;
    size_t index;
    ck_assert_uint_eq(fake_size(json, "heaps"), 2);
    json_array_foreach(fake_at(json, "heaps"), index, row)
        ck_assert_int_eq(fake_integer(row, "objects"), fake_integer(row, "heap") == 7 ? 2 : 1);
    json_decref(json);
    json = fake_json(w.t, "gcstat", "--heap=7");
    ck_assert_uint_eq(fake_size(json, "heaps"), 1);
    ck_assert_int_eq(fake_integer(json, "heaps.0.heap"), 7);
    ck_assert_str_eq(fake_string(json, "heaps.0.name"), "second");
    json_decref(json);
    json = fake_json(w.t, "gcstat", "--limit=1");
    ck_assert_int_eq(fake_integer(json, "heaps_total"), 2);
    ck_assert_int_eq(fake_integer(json, "heaps.0.heap"), 1);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcstat", "--limit=1"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "heap 1 \"main\": 1 object, ");
    ck_assert_has(w.t->out.bytes, " bytes; 1 slab of ");
    ck_assert_has(w.t->out.bytes, "… 1 more heap (--limit=0 shows all)\n");
    ck_assert_has(fake_json_failure(w.t, "gcstat", "--heap=9"),
                  "there is no heap 9: numbers in use: 1, 7");
    ck_assert_has(fake_json_failure(w.t, "objat", "--heap=7 node#1"),
                  "there is no object node#1 in heap 7: it is node#1 in heap 1");
    fake_heap *third = fake_heap_new(w.space, 3, "third");
    w.t->state++;
    json = fake_json(w.t, "gcstat", "");
    long long before = -1;
    json_array_foreach(fake_at(json, "heaps"), index, row)
    {
        ck_assert_int_gt(fake_integer(row, "heap"), before);
        before = fake_integer(row, "heap");
    }
    ck_assert_int_eq(before, 7);
    json_decref(json);
    fake_phase(second, RH_PHASE_MARKING);
    w.t->state++;
    ck_assert_int_eq(fake_run(w.t, "gcstat", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "provisional: the heap is marking");
    fake_heap_free(third);
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

/* Large objects in mappings far from each other: found by their addresses, with what lies between
 * them. */
START_TEST(objects_far_apart_are_found)
{
    world w = world_new(_i);
    uint64_t object[6];
    for (unsigned i = 0; i < 6; i++) {
        w.space->next_address += (uint64_t)1 << (20 + 5 * i);
        w.heap->chunk = 0; /* a new chunk, there */
        w.heap->slab_count = 0;
        object[i] = new_node(&w, 1);
    }
    for (unsigned i = 0; i < 6; i++) {
        json_t *json = ask(&w, "objat", "", object[i] + 9);
        ck_assert_str_eq(fake_string(json, "status"), "live");
        ck_assert_str_eq(fake_string(json, "object.address"), text_of(object[i]));
        json_decref(json);
        json = ask(&w, "objat", "", object[i] - ((uint64_t)1 << 19));
        ck_assert_str_ne(fake_string(json, "status"), "live");
        json_decref(json);
    }
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_stat", a_chain_is_retained_once, without_retained_no_graph_is_built,
          tombstones_and_unused_slots_are_not_counted_and_damaged_headers_apart,
          variable_objects_have_their_own_size, many_types_each_retain_what_follows,
          what_another_heap_dominates_is_retained_all_the_same, each_heap_has_its_own_figures,
          objects_far_apart_are_found)
