/* inspect_stale.c - `gcstale`: every kind of holder, freed and reused slots, what is possible only,
 * --check. */
#include "inspect_test.h"

#include <fcntl.h>
#include <unistd.h>

enum { STACK = 0x40000 };
static const uint64_t stack_base = 0x7ffe00000000, data = 0x400000000000 + FAKE_MODULE_DATA,
                      other = 0x610000000000, own_module = 0x410000000000;

static world with_places(int layout)
{
    world w = world_new(layout);
    fake_map(w.t, stack_base, STACK, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, stack_base + 0x100);
    fake_module(w.t, 0x400000000000, "/usr/bin/program", 0x1000, 0x1000, 0);
    fake_map(w.t, other, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    return w;
}

/* What debug info has of the types below: this program's. */
struct header {
    long words[2];
};
struct node {
    struct header header;
    struct node *next;
};
__attribute__((used)) static struct node *volatile node_of_debug_info;

/* This program is a module of the target, too, as far as names of types need it. */
static void add_own_module(fake_target *t)
{
    static const char self[] = "/proc/self/exe";
    uint8_t head[0x1000];
    int file = open(self, O_RDONLY);
    ck_assert_int_eq(read(file, head, sizeof head), (ssize_t)sizeof head);
    close(file);
    fake_map(t, own_module, sizeof head, RHI_REGION_READ | RHI_REGION_EXECUTE, self);
    fake_copy(t, own_module, head, sizeof head);
}

/* "field node#1.next node#9; …": holders and who was there, of a list. */
static const char *rows(const json_t *list)
{
    static char text[8192];
    size_t index;
    json_t *row;
    text[0] = '\0';
    json_array_foreach(list, index, row)
    {
        const char *from = json_string_value(fake_at(row, "holder.from")),
                   *name = json_string_value(fake_at(row, "holder.name"));
        const char *was = json_string_value(fake_at(row, "was")),
                   *now = json_string_value(fake_at(row, "now"));
        sprintf(text + strlen(text), "%s%s %s%s%s was %s%s%s", index ? "; " : "",
                fake_string(row, "holder.kind"), from ? from : "", from ? "." : "",
                name ? name : "-", was ? was : "?", now ? " now " : "", now ? now : "");
    }
    return text;
}

static const char *stale(const world *w, const char *line)
{
    json_t *json = fake_json(w->t, "gcstale", line);
    const char *text = rows(fake_at(json, "stale"));
    ck_assert_ptr_null(fake_at(json, "stale_total"));
    json_decref(json);
    return text;
}

START_TEST(every_holder_of_a_freed_slot)
{
    world w = with_places(_i);
    uint64_t a = new_node(&w, 2), b = new_node(&w, 1), dead = new_node(&w, 1);
    fake_link(w.heap, a, NEXT, dead);
    fake_link(w.heap, a, BACK, dead);
    fake_link(w.heap, b, WEAK, dead);
    fake_link(w.heap, b, BLIND, dead + 8);
    fake_put(w.t, other, dead, 8);
    fake_root(w.heap, other, "main::root");
    fake_register(w.t, "rbx", dead);
    fake_put(w.t, stack_base + 0x800, dead, 8);
    fake_put(w.t, stack_base + 0x808, dead, 8);
    fake_put(w.t, stack_base + 0x810, a, 8); /* alive */
    fake_name(w.t, stack_base + 0x800, RHI_WORD_LOCAL, "main::gone", "frame 0");
    fake_put(w.t, data + 64, dead, 8);
    fake_name(w.t, data + 64, RHI_WORD_GLOBAL, "last", "");
    fake_free_object(w.heap, dead, RH_DEATH_COLLECT);
    json_t *json = fake_json(w.t, "gcstale", "");
    char expected[512];
    snprintf(expected, sizeof expected,
             "field node#1.next was node#3; field node#1.back was node#3; field node#2.weak was "
             "node#3; undeclared node#2.+%" PRIu64 " was node#3; root main::root was node#3; local "
             "main::gone was node#3; global last was node#3",
             w.space->c[RH_MC_object_size] + BLIND);
    ck_assert_str_eq(rows(fake_at(json, "stale")), expected);
    ck_assert_str_eq(rows(fake_at(json, "possible")),
                     "register rbx was node#3; stack sp+0x708 was node#3");
    ck_assert_str_eq(fake_string(json, "stale.0.evidence"), "freed slot");
    ck_assert_str_eq(fake_string(json, "stale.0.reason"), "collect");
    ck_assert_str_eq(fake_string(json, "stale.0.address"), text_of(dead));
    ck_assert_str_eq(fake_string(json, "stale.0.holder.strength"), "strong");
    ck_assert_str_eq(fake_string(json, "stale.1.holder.strength"), "borrowed");
    ck_assert_str_eq(fake_string(json, "stale.3.evidence"), "inside a freed slot");
    ck_assert_int_eq(fake_integer(json, "stale.3.holder.offset"), 8);
    ck_assert_int_eq(fake_integer(json, "not_named"), 0);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcstale", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "7 stale pointers:\n");
    ck_assert_has(w.t->out.bytes, "was node#3, freed by collect\n");
    ck_assert_has(w.t->out.bytes, "2 possible, which may be leftovers");
    ck_assert_has(w.t->out.bytes, "(points 8 bytes into it)");
    ck_assert_has(w.t->out.bytes, "borrowed at 0x");
    ck_assert_has_not(w.t->out.bytes, "weak at 0x");
    unsigned told = 0; /* what was there: once for all that lead there */
    for (const char *at = w.t->out.bytes; (at = strstr(at, "  -> 0x")) != NULL; at++)
        told++;
    ck_assert_uint_eq(told, 2);
    world_free(&w);
}
END_TEST

START_TEST(interior_of_declared_slots_vectors_and_what_is_none)
{
    static const fake_field bag_fields[] = {FAKE_VECTOR("items", 0, 8),
                                            FAKE_ONE("number", RH_KIND_UINT, 16, 8)};
    world w = with_places(_i);
    uint32_t bag = fake_type(w.space, "bag", 24, bag_fields, 2);
    uint64_t a = new_node(&w, 1), dead = new_node(&w, 1), holder = fake_new(w.heap, bag, 1, 0);
    uint64_t items[] = {a, dead, 0, dead + 24};
    fake_vector(w.heap, holder, 0, 8, items, 4);
    /* a number that looks like an address */
    fake_put(w.t, fake_slot(w.space, holder, 16), dead, 8);
    fake_link(w.heap, a, OTHER, dead + 16);
    fake_put(w.t, stack_base + 0x800, fake_unused_slot(w.heap, a), 8);
    fake_put(w.t, stack_base + 0x808, w.heap->chunk, 8);
    fake_put(w.t, data, fake_unused_slot(w.heap, a) + 4, 8);
    uint64_t dying = new_node(&w, 1), gone = new_node(&w, 1);
    fake_dying(w.heap, dying, 1);
    fake_link(w.heap, dying, NEXT, dead);
    fake_link(w.heap, gone, NEXT, dead); /* a dead object's fields say nothing */
    fake_free_object(w.heap, gone, RH_DEATH_RELEASE);
    fake_free_object(w.heap, dead, RH_DEATH_RELEASE);
    json_t *json = fake_json(w.t, "gcstale", "");
    const char *found = rows(fake_at(json, "stale"));
    ck_assert_has(found, "field node#1.other was node#2");
    ck_assert_has(found, "field bag#3.items[1] was node#2");
    ck_assert_has(found, "field bag#3.items[3] was node#2");
    ck_assert_has(found, "field node#4.next was node#2");
    ck_assert_uint_eq(fake_size(json, "stale"), 4);
    ck_assert_uint_eq(fake_size(json, "possible"), 0);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_slot_in_quarantine_is_freed_though_its_live_bit_is_set)
{
    world w = with_places(_i);
    uint64_t a = new_node(&w, 1), dead = new_node(&w, 1);
    fake_link(w.heap, a, NEXT, dead);
    fake_word(w.heap, dead, 0x90000000u);
    fake_flags(w.heap, dead, RH_FLAG_FREED | RH_DEATH_RELEASE << RH_FLAG_DEATH_SHIFT);
    ck_assert_str_eq(stale(&w, ""), "field node#1.next was node#2");
    world_free(&w);
}
END_TEST

START_TEST(a_used_slot_is_stale_by_evidence_alone)
{
    world w = with_places(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1), now = new_node(&w, 1);
    fake_link(w.heap, a, NEXT, now);
    fake_link(w.heap, b, BACK, now); /* owns nothing: no evidence against it */
    fake_put(w.t, stack_base + 0x800, now, 8);
    fake_put(w.t, data, now, 8);
    ck_assert_str_eq(stale(&w, ""), "");
    fake_link(w.heap, b, NEXT, now); /* two fields, one count */
    w.t->state++;
    ck_assert_str_eq(stale(&w, ""),
                     "field node#1.next was ? now node#3; field node#2.next was ? now node#3");
    fake_event(w.heap, RH_EVENT_FREE, now, 99, w.node, RH_DEATH_RELEASE);
    fake_event(w.heap, RH_EVENT_ALLOC, now, fake_serial(w.heap, now), w.node, RH_DEATH_NONE);
    w.t->state++;
    ck_assert_str_eq(
        stale(&w, ""),
        "field node#1.next was node#99 now node#3; field node#2.next was node#99 now node#3");
    json_t *json = fake_json(w.t, "gcstale", "");
    ck_assert_str_eq(fake_string(json, "stale.0.evidence"), "more references than counts");
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcstale", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes,
                  "is node#3 {value: 0}, which has more references than counts: one of them at "
                  "least is stale; before, it was node#99, freed by release\n");
    fake_immortal(w.heap, now);
    w.t->state++;
    ck_assert_str_eq(stale(&w, ""), "");
    fake_flags(w.heap, now, 0);
    fake_count(w.heap, now, 1);
    fake_phase(w.heap, RH_PHASE_MARKING); /* counts are in motion */
    w.t->state++;
    ck_assert_str_eq(stale(&w, ""), "");
    world_free(&w);
}
END_TEST

START_TEST(roots_own_a_count_each)
{
    world w = with_places(_i);
    uint64_t a = new_node(&w, 1), target = new_node(&w, 2);
    fake_put(w.t, other, target, 8);
    fake_root(w.heap, other, "one");
    fake_put(w.t, other + 8, target, 8);
    fake_root(w.heap, other + 8, "two");
    fake_put(w.t, other + 16, a, 8);
    fake_root(w.heap, other + 16, "fine");
    ck_assert_str_eq(stale(&w, ""), "");
    /* three owners, two counts; the field alone would be fine */
    fake_link(w.heap, a, NEXT, target);
    w.t->state++;
    ck_assert_str_eq(stale(&w, ""), "root one was ? now node#2; root two was ? now node#2");
    fake_put(w.t, other + 8, target + 8, 8); /* points to no object: owns none */
    w.t->state++;
    ck_assert_str_eq(stale(&w, ""), "");
    world_free(&w);
}
END_TEST

START_TEST(words_behind_an_object_s_end_may_be_leftovers)
{
    world w = with_places(_i);
    uint64_t header = w.space->c[RH_MC_object_size];
    uint64_t dead = new_node(&w, 1), roomy = fake_new(w.heap, w.node, 1, 64);
    fake_put(w.t, roomy + header + NODE_BODY + 16, dead, 8);
    fake_free_object(w.heap, dead, RH_DEATH_RELEASE);
    json_t *json = fake_json(w.t, "gcstale", "");
    ck_assert_uint_eq(fake_size(json, "stale"), 0);
    ck_assert_uint_eq(fake_size(json, "possible"), 1);
    ck_assert_str_eq(fake_string(json, "possible.0.holder.kind"), "undeclared");
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(check_heaps_limits_and_the_cache)
{
    world w = with_places(_i);
    int status;
    uint64_t a = new_node(&w, 1), dead = new_node(&w, 1);
    fake_heap *second = fake_heap_new(w.space, 2, "second");
    uint64_t far = fake_new(second, w.node, 1, 0);
    fake_free_object(second, far, RH_DEATH_DESTROY);
    fake_free_object(w.heap, dead, RH_DEATH_RELEASE);
    fake_put(w.t, stack_base + 0x800, dead, 8); /* possible alone */
    json_t *json = fake_json_status(w.t, "gcstale", "--check", &status);
    ck_assert_int_eq(status, RHI_ANSWERED);
    ck_assert_uint_eq(fake_size(json, "possible"), 1);
    json_decref(json);
    fake_link(w.heap, a, NEXT, dead);
    fake_link(w.heap, a, OTHER, dead);
    fake_put(w.t, data, far, 8);
    w.t->state++;
    json = fake_json_status(w.t, "gcstale", "--check --limit=1", &status);
    ck_assert_int_eq(status, RHI_FOUND);
    ck_assert_uint_eq(fake_size(json, "stale"), 1);
    ck_assert_int_eq(fake_integer(json, "stale_total"), 3);
    json_decref(json);
    ck_assert_str_eq(stale(&w, "--heap=2"), "global program+0x1000 was node#3");
    ck_assert_str_eq(stale(&w, "--heap=1"),
                     "field node#1.next was node#2; field node#1.other was node#2");
    ck_assert_int_eq(fake_run(w.t, "gcstale", "--limit=1 --check"), RHI_FOUND);
    ck_assert_has(w.t->out.bytes, "3 stale pointers:\n");
    ck_assert_has(w.t->out.bytes, "  … 2 more (--limit=0 shows all)\n");
    fake_link(w.heap, a, NEXT, 0);
    fake_link(w.heap, a, OTHER, 0);
    fake_put(w.t, data, 0, 8);
    w.t->state++;
    w.t->hole_start = stack_base + 0x4000;
    w.t->hole_end = stack_base + 0x5000;
    for (int again = 0; again < 2; again++) {
        json = fake_json_status(w.t, "gcstale", "--check", &status);
        ck_assert_int_eq(status, RHI_NO_ANSWER); /* nothing found, but not everything was read */
        ck_assert(json_is_false(fake_at(json, "complete")));
        json_decref(json);
    }
    ck_assert_has(fake_json_failure(w.t, "gcstale", "node#1"), "takes no operand");
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

/* More stack words than debug info is asked about: the rest is possible, and that is said. */
START_TEST(stack_words_beyond_the_first_ten_thousand)
{
    world w = with_places(_i);
    uint64_t dead = new_node(&w, 1);
    new_node(&w, 1);
    fake_free_object(w.heap, dead, RH_DEATH_RELEASE);
    for (unsigned i = 0; i < 10500; i++)
        fake_put(w.t, stack_base + 0x800 + i * 8, dead, 8);
    fake_name(w.t, stack_base + 0x800 + 9999 * 8, RHI_WORD_LOCAL, "main::last", "");
    fake_name(w.t, stack_base + 0x800 + 10000 * 8, RHI_WORD_LOCAL, "main::beyond", "");
    json_t *json = fake_json(w.t, "gcstale", "");
    ck_assert_str_eq(rows(fake_at(json, "stale")), "local main::last was node#1");
    ck_assert_int_eq(fake_integer(json, "possible_total"), 10499);
    ck_assert_int_eq(fake_integer(json, "not_named"), 500);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcstale", ""), RHI_ANSWERED);
    ck_assert_has(
        w.t->out.bytes,
        "500 stack words beyond the first 10000 were not named: they count as possible\n");
    world_free(&w);
}
END_TEST

START_TEST(a_variable_of_another_managed_type)
{
    static const struct {
        const char *type;
        bool is_stale;
    } rows_of[] = {{"leaf *", true},
                   {"struct leaf *", true},
                   {"const struct leaf *", true},
                   {"leaf *const", true},
                   {"volatile leaf*", true},
                   {"node *", false},
                   {"struct node *", false},
                   {"void *", false},
                   {"char *", false},
                   {"rh_object *", false},
                   {"leaf **", false},
                   {"leaf", false},
                   {"", false},
                   {"leaf *(*)", false},
                   {"* leaf", false},
                   {"leaf leaf *", false}};
    world w = with_places(_i);
    add_own_module(w.t);
    fake_type(w.space, "leaf", 24, NULL, 0);
    uint64_t now = new_node(&w, 1);
    for (size_t i = 0; i < sizeof rows_of / sizeof *rows_of; i++) {
        char detail[64];
        snprintf(detail, sizeof detail, "type %s", rows_of[i].type);
        fake_put(w.t, data + 64, now, 8);
        w.t->name_count = 0;
        fake_name(w.t, data + 64, RHI_WORD_GLOBAL, "last", detail);
        w.t->state++;
        ck_assert_str_eq(stale(&w, ""), rows_of[i].is_stale ? "global last was ? now node#1" : "");
    }
    w.t->name_count = 0;
    /* into it: nothing says that this is what the variable is for */
    fake_put(w.t, data + 64, now + 8, 8);
    fake_name(w.t, data + 64, RHI_WORD_GLOBAL, "last", "type leaf *");
    fake_put(w.t, stack_base + 0x800, now, 8);
    fake_name(w.t, stack_base + 0x800, RHI_WORD_LOCAL, "main::mine", "frame 2 type leaf *");
    fake_put(w.t, stack_base + 0x808, now, 8);
    fake_put(w.t, other, now, 8);
    fake_name(w.t, other, RHI_WORD_GLOBAL, "never asked", "type leaf *");
    fake_event(w.heap, RH_EVENT_FREE, now, 99, w.node, RH_DEATH_RELEASE);
    w.t->state++;
    json_t *json = fake_json(w.t, "gcstale", "");
    ck_assert_str_eq(rows(fake_at(json, "stale")), "local main::mine was node#99 now node#1");
    ck_assert_uint_eq(fake_size(json, "possible"), 0);
    ck_assert_str_eq(fake_string(json, "stale.0.evidence"), "variable of another type");
    ck_assert_int_eq(fake_integer(json, "types_not_compared"), 0);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcstale", "--check"), RHI_FOUND);
    ck_assert_has(w.t->out.bytes, "is node#1 {value: 0}, but the variable is of another type; "
                                  "before, it was node#99, freed by release\n");
    world_free(&w);
}
END_TEST

/* The first ten thousand in the order of rows, whatever order they are found in. */
START_TEST(words_to_live_objects_beyond_the_first_ten_thousand)
{
    world w = with_places(_i);
    add_own_module(w.t);
    fake_type(w.space, "leaf", 24, NULL, 0);
    uint64_t now = new_node(&w, 1), first = stack_base + 0x800;
    for (unsigned i = 0; i < 30500; i++)
        fake_put(w.t, first + i * 8, now, 8);
    fake_name(w.t, first + 9999 * 8, RHI_WORD_LOCAL, "main::last", "type leaf *");
    fake_name(w.t, first + 10000 * 8, RHI_WORD_LOCAL, "main::beyond", "type leaf *");
    json_t *json = fake_json(w.t, "gcstale", "");
    ck_assert_str_eq(rows(fake_at(json, "stale")), "local main::last was ? now node#1");
    ck_assert_int_eq(fake_integer(json, "types_not_compared"), 20500);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcstale", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "20500 words to live objects, beyond the first 10000, were not "
                                  "held against the types of variables\n");
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_stale", a_variable_of_another_managed_type,
          words_to_live_objects_beyond_the_first_ten_thousand, every_holder_of_a_freed_slot,
          interior_of_declared_slots_vectors_and_what_is_none,
          a_slot_in_quarantine_is_freed_though_its_live_bit_is_set,
          a_used_slot_is_stale_by_evidence_alone, roots_own_a_count_each,
          words_behind_an_object_s_end_may_be_leftovers, check_heaps_limits_and_the_cache,
          stack_words_beyond_the_first_ten_thousand)
