/* inspect_heapsnapshot.c - `gcexport x.heapsnapshot`: valid JSON whatever things are called, ids
 * that nothing has twice, and what a snapshot says of what is weak, leaked, or not known.
 *
 * Invariant: jansson reads the file, and every number in it is looked up as V8's readers do. */
#include "inspect_test.h"
#include "export/v8_ids.h"
#include "export/v8_names.h"

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
    char path[] = "/tmp/refheap-heapsnapshot-XXXXXX", line[128];
    ck_assert_ptr_nonnull(mkdtemp(path));
    snprintf(line, sizeof line, "%s%s/x.heapsnapshot", options, path);
    w->t->state++;
    ck_assert_int_eq(fake_run(w->t, "gcexport", line), RHI_ANSWERED);
    json_t *document = load(line + strlen(options));
    unlink(line + strlen(options));
    ck_assert_int_eq(rmdir(path), 0);
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
    char path[] = "/tmp/refheap-names-XXXXXX";
    int descriptor = mkstemp(path);
    FILE *file = fdopen(descriptor, "w");
    ck_assert_ptr_nonnull(file);
    fputc('[', file);
    ck_assert_ptr_null(rhi__names_write(names, &(rhi_work){0}, file));
    fputc(']', file);
    fclose(file);
    json_t *document = load(path);
    unlink(path);
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
    ck_assert_ptr_null(rhi__names_new("/tmp/x.heapsnapshot", &table));
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < NAMES; i++)
            ck_assert_uint_eq(number_of(table, names[i].bytes, names[i].size), i);
    json_t *strings = written(table);
    ck_assert_uint_eq(json_array_size(strings), NAMES);
    for (size_t i = 0; i < NAMES; i++)
        ck_assert_str_eq(json_string_value(json_array_get(strings, i)), names[i].text);
    json_decref(strings);
    rhi__names_free(table);
    ck_assert_int_ne(access("/tmp/x.heapsnapshot", F_OK), 0);
}
END_TEST

START_TEST(many_names_have_a_number_each)
{
    enum { MANY = 100000 };
    rhi_names *table;
    ck_assert_ptr_null(rhi__names_new("/tmp/x.heapsnapshot", &table));
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

START_TEST(no_id_is_given_twice)
{
    static const uint64_t serials[] = {1, 2, 2, 7, UINT32_MAX, UINT32_MAX, 0, 0, 5ull << 32};
    enum { SERIALS = sizeof serials / sizeof *serials };
    uint32_t ids[SERIALS + 1];
    rhi_v8_ids *known = calloc(1, sizeof *known);
    ck_assert_ptr_nonnull(known);
    MUST(rhi__v8_id(known, NULL, 0, &ids[SERIALS]));
    for (size_t i = 0; i < SERIALS; i++) {
        const rhi_object object = {.serial = serials[i], .address = 0x7f0000001000};
        MUST(rhi__v8_id(known, &object, 0, &ids[i]));
    }
    for (size_t i = 0; i <= SERIALS; i++) {
        ck_assert_uint_gt(ids[i], ROOT_ID);
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(ids[i], ids[j]);
    }
    ck_assert_uint_eq(ids[1], 2);
    ck_assert_uint_eq(ids[3], 7);
    ck_assert_uint_eq(ids[6], 0x7f0000001000 / 8 % (1ull << 32));
    rhi__v8_ids_free(known);
    free(known);
}
END_TEST

/* The order in which objects come, and what else has ids, changes none. */
START_TEST(an_object_has_the_same_id_whatever_else_is_there)
{
    static const rhi_object objects[] = {{.serial = 1, .address = 0x1000},
                                         {.serial = 2, .address = 0x2000},
                                         {.serial = UINT32_MAX, .address = 0x3000},
                                         {.serial = UINT32_MAX - 3, .address = 0x4000},
                                         {.serial = 0, .address = 8}};
    enum { OBJECTS = sizeof objects / sizeof *objects };
    uint32_t ids[2][OBJECTS], id;
    for (unsigned round = 0; round < 2; round++) {
        rhi_v8_ids *known = calloc(1, sizeof *known);
        for (unsigned i = 0; i < 3 + 100 * round; i++)
            MUST(rhi__v8_id(known, NULL, 0, &id));
        for (unsigned i = 0; i < OBJECTS; i++) {
            unsigned at = round ? OBJECTS - 1 - i : i;
            MUST(rhi__v8_id(known, &objects[at], 0, &ids[round][at]));
        }
        MUST(rhi__v8_id(known, &objects[1], 1, &id)); /* of another copy of the runtime */
        ck_assert_uint_ne(id, ids[round][1]);
        rhi__v8_ids_free(known);
        free(known);
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        ck_assert_uint_eq(ids[0][i], ids[1][i]);
    ck_assert_uint_eq(ids[0][0], UINT32_MAX);
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

START_TEST(what_a_heap_that_is_left_out_holds_hangs_on_it)
{
    world w = with_thread(_i);
    fake_heap *second = fake_heap_new(w.space, 2, "second");
    uint64_t holder = new_node(&w, 1), held = fake_new(second, w.node, 1, 0);
    uint64_t lost = new_node(&w, 1), below = fake_new(second, w.node, 1, 0);
    fake_link(w.heap, holder, NEXT, held);
    fake_link(w.heap, lost, NEXT, below);
    fake_map(w.t, 0x630000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(w.t, 0x630000000100, holder, 8);
    fake_root(w.heap, 0x630000000100, "the root");
    json_t *document = export_as(&w, "--heap=2 ");
    ck_assert_uint_eq(json_array_size(json_object_get(document, "nodes")) / NODE_FIELDS, 4 + 1 + 2);
    ck_assert_has(edges_of(document, 0), "left out: only heap 2 was asked for");
    ck_assert_str_eq(edges_of(document, find_node(document, "(other heaps, which are left out)")),
                     "internal holds node; ");
    ck_assert_has(edges_of(document, find_node(document, "(leaked)")), " node; ");
    json_decref(document);
    fake_heap_free(second);
    world_free(&w);
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
          what_owns_no_count_is_weak_and_what_nothing_holds_is_leaked,
          what_is_not_known_is_said_in_the_file, what_a_heap_that_is_left_out_holds_hangs_on_it,
          an_empty_heap_is_a_snapshot_too)
