/* inspect_heapsnapshot.c - `gcexport x.heapsnapshot`: valid JSON whatever things are called, ids
 * that nothing has twice, and what a snapshot says of what is weak, leaked, or not known.
 *
 * Invariant: jansson reads the file, and every number in it is looked up as V8's readers do. */
#include "inspect_test.h"
#include "export/v8_ids.h"
#include "export/v8_names.h"
#include "own_folder.h"
#include "questions/caveats.h"

#include <jansson.h>
#include <unistd.h>

enum { NODE_FIELDS = 7, EDGE_FIELDS = 3, ROOT_ID = 1 };

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *document = json_load_file(path, 0, &error);
    ck_assert_msg(document != NULL, "%s: %s at %d", path, error.text, error.line);
    return document;
}

static json_int_t number_at(const json_t *document, const char *array, size_t at)
{
    const json_t *number = json_array_get(json_object_get(document, array), at);
    ck_assert_msg(json_is_integer(number), "%s[%zu]", array, at);
    return json_integer_value(number);
}

static const char *text_at(const json_t *document, json_int_t at)
{
    const json_t *text = json_array_get(json_object_get(document, "strings"), (size_t)at);
    ck_assert_msg(json_is_string(text), "strings[%d]", (int)at);
    return json_string_value(text);
}

static const char *node_name(const json_t *document, size_t node)
{
    return text_at(document, number_at(document, "nodes", node * NODE_FIELDS + 1));
}

/* The first node of that name. */
static size_t find_node(const json_t *document, const char *name)
{
    size_t count = json_array_size(json_object_get(document, "nodes")) / NODE_FIELDS, node = 0;
    while (node < count && strcmp(node_name(document, node), name) != 0)
        node++;
    ck_assert_msg(node < count, "no node is called %s", name);
    return node;
}

/* "property next node": the references of a node, one after the other, in a buffer that the next
 * call uses again. */
static const char *edges_of(const json_t *document, size_t node)
{
    static const char *const types[] = {"context", "element",  "property", "internal",
                                        "hidden",  "shortcut", "weak"};
    static char text[1024];
    size_t at = 0;
    for (size_t i = 0; i < node; i++)
        at += (size_t)number_at(document, "nodes", i * NODE_FIELDS + 4);
    size_t end = at + (size_t)number_at(document, "nodes", node * NODE_FIELDS + 4);
    for (text[0] = '\0'; at < end; at++) {
        json_int_t type = number_at(document, "edges", at * EDGE_FIELDS),
                   name = number_at(document, "edges", at * EDGE_FIELDS + 1),
                   to = number_at(document, "edges", at * EDGE_FIELDS + 2);
        ck_assert_int_eq(to % NODE_FIELDS, 0);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s %s %s; ", types[type],
                 type == 1 ? "" : text_at(document, name),
                 node_name(document, (size_t)(to / NODE_FIELDS)));
    }
    return text;
}

static json_t *export_as(world *w, const char *options)
{
    char line[128];
    snprintf(line, sizeof line, "%sx.heapsnapshot", options);
    w->t->state++;
    ck_assert_int_eq(fake_run(w->t, "gcexport", line), RHI_ANSWERED);
    json_t *document = load("x.heapsnapshot");
    ck_assert_int_eq(unlink("x.heapsnapshot"), 0);
    return document;
}

static json_t *export_of(world *w)
{
    return export_as(w, "");
}

/* A heap in a process whose only thread holds nothing. */
static world with_thread(int layout)
{
    world w = world_new(layout);
    fake_map(w.t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, 0x7ffe00001000);
    return w;
}

/* ---- names ---------------------------------------------------------------------------------- */

static json_t *written(rhi_names *names)
{
    FILE *file = fopen("names", "w");
    ck_assert_ptr_nonnull(file);
    fputc('[', file);
    ck_assert_ptr_null(rhi__names_write(names, &(rhi_work){0}, file));
    fputc(']', file);
    fclose(file);
    json_t *document = load("names");
    unlink("names");
    return document;
}

static uint32_t number_of(rhi_names *names, const char *text, size_t size)
{
    uint32_t number;
    ck_assert_ptr_null(rhi__name_number(names, text, size, &number));
    return number;
}

START_TEST(any_bytes_are_a_name_in_valid_json)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *text;
    } names[] = {{"", 0, ""},
                 {"plain", 5, "plain"},
                 {"a\"b\\c", 5, "a\"b\\c"},
                 {"\001\n\033[31m\177", 8, "\001\n\033[31m\177"},
                 {"</script>", 9, "</script>"},
                 {"\303\244\342\202\254", 5, "\303\244\342\202\254"},
                 {"\377\303", 2, "\357\277\275\357\277\275"},
                 {"\355\240\200", 3, "\357\277\275\357\277\275\357\277\275"} /* a surrogate */,
                 {"\300\257x", 3, "\357\277\275\357\277\275x"} /* an overlong one */};
    enum { NAMES = sizeof names / sizeof *names };
    rhi_names *table;
    ck_assert_ptr_null(rhi__names_new("x.heapsnapshot", &table));
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < NAMES; i++)
            ck_assert_uint_eq(number_of(table, names[i].bytes, names[i].size), i);
    json_t *strings = written(table);
    ck_assert_uint_eq(json_array_size(strings), NAMES);
    for (size_t i = 0; i < NAMES; i++)
        ck_assert_str_eq(json_string_value(json_array_get(strings, i)), names[i].text);
    json_decref(strings);
    rhi__names_free(table);
    ck_assert_int_ne(access("x.heapsnapshot", F_OK), 0);
}
END_TEST

START_TEST(many_names_have_a_number_each)
{
    enum { MANY = 100000 };
    rhi_names *table;
    ck_assert_ptr_null(rhi__names_new("x.heapsnapshot", &table));
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < MANY; i++) {
            char name[16];
            int size = snprintf(name, sizeof name, "name %u", i);
            MUST(number_of(table, name, (size_t)size) == i || round == 1);
        }
    json_t *strings = written(table);
    ck_assert_uint_ge(json_array_size(strings), MANY);
    ck_assert_uint_le(json_array_size(strings), MANY + MANY / 100); /* some may be there twice */
    for (uint32_t i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "name %u", i);
        MUST(strcmp(json_string_value(json_array_get(strings, i)), name) == 0);
    }
    json_decref(strings);
    rhi__names_free(table);
}
END_TEST

/* ---- ids ------------------------------------------------------------------------------------ */

static uint32_t id_of_object(rhi_v8_ids *known, uint64_t serial, uint64_t address, uint32_t copy)
{
    const rhi_object object = {.serial = serial, .address = address};
    uint32_t id;
    MUST(rhi__v8_id(known, &object, copy, &id));
    MUST(id > ROOT_ID);
    return id;
}

static rhi_v8_ids *new_ids(void)
{
    rhi_v8_ids *known = calloc(1, sizeof *known);
    ck_assert_ptr_nonnull(known);
    return known;
}

static void free_ids(rhi_v8_ids *known)
{
    rhi__v8_ids_free(known);
    free(known);
}

START_TEST(no_id_is_given_twice)
{
    static const uint64_t serials[] = {1, 2, 2, 7, UINT32_MAX, UINT32_MAX, 0, 0, 5ull << 32};
    enum { SERIALS = sizeof serials / sizeof *serials };
    uint32_t ids[SERIALS + 1];
    rhi_v8_ids *known = new_ids();
    MUST(rhi__v8_id(known, NULL, 0, &ids[SERIALS]));
    for (size_t i = 0; i < SERIALS; i++)
        ids[i] = id_of_object(known, serials[i], 0x7f0000001000, 0);
    for (size_t i = 0; i <= SERIALS; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(ids[i], ids[j]);
    ck_assert_uint_eq(ids[1], 2);
    ck_assert_uint_eq(ids[3], 7);
    free_ids(known);
}
END_TEST

typedef struct known_object {
    uint64_t serial, address;
    uint32_t copy;
} known_object;

/* The ids of these, each asked for alone, must be those that they have among all, in this order and
 * in the other one, whatever is asked for beside them that is no object. */
static void must_be_of_each_alone(const known_object *objects, unsigned count)
{
    uint32_t none;
    for (unsigned round = 0; round < 2; round++) {
        rhi_v8_ids *among = new_ids();
        for (unsigned i = 0; i < 3 + 100 * round; i++)
            MUST(rhi__v8_id(among, NULL, 0, &none));
        for (unsigned i = 0; i < count; i++) {
            const known_object *o = &objects[round ? count - 1 - i : i];
            rhi_v8_ids *alone = new_ids();
            ck_assert_msg(id_of_object(alone, o->serial, o->address, o->copy) ==
                              id_of_object(among, o->serial, o->address, o->copy),
                          "#%" PRIu64 " at 0x%" PRIx64, o->serial, o->address);
            free_ids(alone);
        }
        free_ids(among);
    }
}

START_TEST(an_object_has_the_same_id_whatever_else_is_there)
{
    static const known_object objects[] = {{1, 0x1000, 0},
                                           {2, 0x2000, 0},
                                           {2, 0x2000, 1}, /* of another copy of the runtime */
                                           {1, 0x2000, 1},
                                           {1u << 31, 0x3000, 0},
                                           {UINT32_MAX, 0x3010, 0},
                                           {UINT32_MAX - 3, 0x4000, 0},
                                           {(5ull << 32) + 12, 0x5000, 0},
                                           {0, 16, 0},
                                           {0, 0x7f0000001008, 0} /* lies in a struct of C */};
    must_be_of_each_alone(objects, sizeof objects / sizeof *objects);
    rhi_v8_ids *known = new_ids();
    ck_assert_uint_eq(id_of_object(known, 1, 0x1000, 0), UINT32_MAX);
    free_ids(known);
}
END_TEST

/* As the kernel lays out processes of x86-64 and of ARM: 8 GiB behind the program and 16 GiB of
 * mapped memory, which end anywhere. */
START_TEST(addresses_of_one_process_have_ids_of_their_own)
{
    static const uint64_t gib = 1ull << 30, places[][2] = {{0x555555554000, 0x7ffff7ffe000},
                                                           {0x560bfffff000, 0x7f2800000000},
                                                           {0x400000, 0x7ffe12345000},
                                                           {0xaaaaaaaaa000, 0xfffff7ffe000}};
    enum { OBJECTS = 64 };
    known_object objects[2 * OBJECTS] = {0};
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        for (unsigned k = 0; k < OBJECTS; k++) { /* many of them 8 GiB less something apart */
            objects[2 * k].address = places[i][0] + k * (8 * gib / OBJECTS);
            objects[2 * k + 1].address = places[i][1] - (k + 1) * (16 * gib / OBJECTS);
        }
        must_be_of_each_alone(objects, 2 * OBJECTS);
    }
}
END_TEST

START_TEST(addresses_far_apart_share_no_id)
{
    static const uint64_t first = 0x7f0000001000, far[] = {1ull << 34, 1ull << 35, 3ull << 34};
    rhi_v8_ids *known = new_ids(), *alone = new_ids();
    uint32_t id = id_of_object(known, 0, first, 0), ids[3];
    ck_assert_uint_eq(id_of_object(alone, 0, first + far[0], 0), id); /* which is as it must be */
    for (unsigned i = 0; i < 3; i++) {
        ids[i] = id_of_object(known, 0, first + far[i], 0);
        ck_assert_uint_ne(ids[i], id);
        for (unsigned k = 0; k < i; k++)
            ck_assert_uint_ne(ids[i], ids[k]);
    }
    /* what lies beside them is not disturbed by that */
    for (unsigned i = 1; i < 1000; i++)
        MUST(id_of_object(known, 0, first + 16 * i, 0) == id + i);
    free_ids(known);
    free_ids(alone);
}
END_TEST

/* ---- heaps ---------------------------------------------------------------------------------- */

START_TEST(what_owns_no_count_is_weak_and_what_nothing_holds_is_leaked)
{
    world w = with_thread(_i);
    uint64_t held = new_node(&w, 1), below = new_node(&w, 1), lost = new_node(&w, 1);
    fake_link(w.heap, held, NEXT, below);
    fake_link(w.heap, held, BACK, lost);
    fake_link(w.heap, lost, NEXT, lost);
    fake_map(w.t, 0x630000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(w.t, 0x630000000100, held, 8);
    fake_root(w.heap, 0x630000000100, "the root");
    json_t *document = export_of(&w);
    ck_assert_str_eq(edges_of(document, 0), "element  (registered roots); element  (leaked); ");
    ck_assert_str_eq(edges_of(document, find_node(document, "(registered roots)")),
                     "internal the root node; ");
    ck_assert_str_eq(edges_of(document, find_node(document, "(leaked)")), "internal cycle node; ");
    ck_assert_str_eq(edges_of(document, find_node(document, "node")),
                     "property next node; weak back node; ");
    json_decref(document);
    world_free(&w);
}
END_TEST

START_TEST(what_is_not_known_is_said_in_the_file)
{
    world w = with_thread(_i);
    new_node(&w, 1);
    json_t *document = export_of(&w);
    ck_assert_str_eq(edges_of(document, find_node(document, "(leaked)")),
                     "internal lost_reference node; ");
    json_decref(document);
    w.t->hole_start = 0x7ffe00001800;
    w.t->hole_end = 0x7ffe00001808;
    document = export_of(&w);
    const char *hanging = edges_of(document, 0);
    ck_assert_has(hanging, "incomplete: ");
    ck_assert_has(hanging, "(undecided: ");
    ck_assert_has_not(hanging, "(leaked)");
    json_decref(document);
    world_free(&w);
}
END_TEST

/* In a heap of its own: what something else holds of a heap that is left out; what is lost with
 * something there; what is both: one of its counts is lost, and others have owners. */
START_TEST(what_a_heap_that_is_left_out_holds_hangs_on_it)
{
    world w = with_thread(_i);
    fake_heap *second = fake_heap_new(w.space, 2, "second");
    uint64_t holder = new_node(&w, 1), held = fake_new(second, w.node, 1, 0);
    uint64_t lost = new_node(&w, 1), below = fake_new(second, w.node, 1, 0);
    uint32_t names[2] = {fake_type(w.space, "of both", NODE_BODY, node_fields, 5),
                         fake_type(w.space, "lost and held", NODE_BODY, node_fields, 5)};
    uint64_t of_both = fake_new(second, names[0], 2, 0),
             lost_and_held = fake_new(second, names[1], 2, 0);
    fake_link(w.heap, holder, NEXT, held);
    fake_link(w.heap, holder, OTHER, lost_and_held);
    fake_link(second, held, NEXT, of_both);
    fake_link(w.heap, lost, NEXT, below);
    fake_link(w.heap, lost, OTHER, of_both);
    fake_map(w.t, 0x630000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(w.t, 0x630000000100, holder, 8);
    fake_root(w.heap, 0x630000000100, "the root");
    json_t *document = export_as(&w, "--heap=2 ");
    ck_assert_uint_eq(json_array_size(json_object_get(document, "nodes")) / NODE_FIELDS, 4 + 1 + 4);
    ck_assert_has(edges_of(document, 0), "left out: only heap 2 was asked for");
    ck_assert_str_eq(edges_of(document, find_node(document, "(other heaps, which are left out)")),
                     "internal holds node; internal lost_reference lost and held; ");
    ck_assert_str_eq(edges_of(document, find_node(document, "(leaked)")),
                     "internal dependent node; internal lost_reference lost and held; ");
    json_decref(document);
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

START_TEST(caveats_are_the_same_if_each_says_the_same)
{
    char some[] = "heap 1 is freeing", other[] = "heap 2 is freeing", again[] = "heap 1 is freeing";
    rhi_caveat first = {"provisional", some}, second = {"provisional", other},
               third = {"note", again}, fourth = {"provisional", again};
    const rhi_caveats one = {&first, 1, 1}, two = {&second, 1, 1}, three = {&third, 1, 1},
                      four = {&fourth, 1, 1}, none = {0};
    ck_assert(rhi__caveats_are_same(&one, &four));
    ck_assert(rhi__caveats_are_same(&none, &none));
    ck_assert(!rhi__caveats_are_same(&one, &two));
    ck_assert(!rhi__caveats_are_same(&one, &three));
    ck_assert(!rhi__caveats_are_same(&one, &none));
}
END_TEST

START_TEST(an_empty_heap_is_a_snapshot_too)
{
    world w = with_thread(_i);
    json_t *document = export_of(&w);
    ck_assert_str_eq(edges_of(document, 0), "element  (registered roots); ");
    ck_assert_uint_eq(json_array_size(json_object_get(document, "nodes")), 2 * NODE_FIELDS);
    json_decref(document);
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_heapsnapshot", any_bytes_are_a_name_in_valid_json, many_names_have_a_number_each,
          no_id_is_given_twice, an_object_has_the_same_id_whatever_else_is_there,
          addresses_of_one_process_have_ids_of_their_own, addresses_far_apart_share_no_id,
          what_owns_no_count_is_weak_and_what_nothing_holds_is_leaked,
          what_is_not_known_is_said_in_the_file, what_a_heap_that_is_left_out_holds_hangs_on_it,
          caveats_are_the_same_if_each_says_the_same, an_empty_heap_is_a_snapshot_too)
