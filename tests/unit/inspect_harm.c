/* inspect_harm.c - a heap that something has written over: what that could change is not certain,
 * and the rest is. */
#include "inspect_test.h"

/* A variable holds `keeper`, whose field alone holds `kept`; a cycle is garbage; `wide` is a type
 * of larger objects. */
typedef struct harmed {
    world w;
    uint64_t keeper, kept, cycle;
    uint32_t wide;
} harmed;

enum { STACK = 0x7ffe0000, LIST = 0, LIST_LENGTH = 8 };
static const fake_field bag_fields[] = {FAKE_STRONG("one", 16),
                                        FAKE_VECTOR("items", LIST, LIST_LENGTH)};

static harmed harmed_in(world w, bool has_cycle)
{
    harmed h = {.w = w};
    h.wide = fake_type(h.w.space, "wide", 512, node_fields, 1);
    h.keeper = new_node(&h.w, 1);
    h.kept = new_node(&h.w, 1);
    new_node(&h.w, 1); /* so that the slab goes on behind them */
    fake_map(h.w.t, STACK, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(h.w.t, 1, STACK + 0x100);
    fake_put(h.w.t, STACK + 0x200, h.keeper, 8);
    /* the third */
    fake_put(h.w.t, STACK + 0x208, h.kept + (h.w.space->c[RH_MC_object_size] + NODE_BODY), 8);
    fake_link(h.w.heap, h.keeper, NEXT, h.kept);
    if (has_cycle) {
        h.cycle = new_node(&h.w, 1);
        fake_link(h.w.heap, h.cycle, NEXT, h.cycle);
    }
    return h;
}

static harmed harmed_new(int layout, bool has_cycle)
{
    return harmed_in(world_new(layout), has_cycle);
}

static void third_is_held(harmed *h)
{
    fake_put(h->w.t, STACK + 0x208, h->kept + (h->kept - h->keeper), 8);
}

static uint64_t member(const harmed *h, enum rh_metadata_constant_id id)
{
    return h->keeper + h->w.space->c[id];
}

/* ---- kinds of damage ------------------------------------------------------------------------ */

static void type_is_none(harmed *h)
{
    fake_put(h->w.t, member(h, RH_MC_object_type), 0x6161, 2);
}

static void type_is_larger_than_the_slot(harmed *h)
{
    fake_put(h->w.t, member(h, RH_MC_object_type), h->wide, 2);
}

static void flags_say_freed(harmed *h)
{
    fake_flags(h->w.heap, h->keeper, RH_FLAG_FREED);
}

static void flags_say_dying(harmed *h)
{
    fake_flags(h->w.heap, h->keeper, RH_FLAG_DYING);
}

static void word_is_special_for_no_reason(harmed *h)
{
    fake_word(h->w.heap, h->keeper, 0x80000010u);
}

static void count_is_below_1(harmed *h)
{
    fake_word(h->w.heap, h->keeper, fake_count_word(h->w.space, 0));
}

static void bitmap_has_lost_it(harmed *h)
{
    uint64_t bit, word = fake_bitmap_word(h->w.heap, RH_MC_slab_live, h->keeper, &bit);
    fake_put(h->w.t, word, fake_get(h->w.t, word, 8) & ~bit, 8);
}

static void slot_is_full_of_text(harmed *h)
{
    memset(fake_bytes(h->w.t, h->keeper, h->kept - h->keeper), 'a', h->kept - h->keeper);
}

static void header_is_zero(harmed *h)
{
    memset(fake_bytes(h->w.t, h->keeper, 16), 0, h->w.space->c[RH_MC_object_size]);
}

static void first_half_of_the_header_is_zero(harmed *h)
{
    fake_put(h->w.t, member(h, RH_MC_object_count), 0, 4);
    fake_put(h->w.t, member(h, RH_MC_object_type), 0, 2);
    fake_put(h->w.t, member(h, RH_MC_object_flags), 0, 2);
}

static void serial_is_zero(harmed *h)
{
    fake_put(h->w.t, member(h, RH_MC_object_serial), 0, 8);
}

static void field_is_text(harmed *h)
{
    fake_put(h->w.t, fake_slot(h->w.space, h->keeper, NEXT), 0x6161616161616161, 8);
}

static void field_points_into_an_object(harmed *h)
{
    fake_put(h->w.t, fake_slot(h->w.space, h->keeper, NEXT), h->keeper + 8, 8);
}

static void vector_is_without_end(harmed *h)
{
    uint32_t bag = fake_type(h->w.space, "bag", NODE_BODY, bag_fields, 2);
    fake_put(h->w.t, member(h, RH_MC_object_type), bag, 2);
    fake_put(h->w.t, fake_slot(h->w.space, h->keeper, LIST), 0x1234567890, 8);
    fake_put(h->w.t, fake_slot(h->w.space, h->keeper, LIST_LENGTH), 1ull << 61, 8);
}

static void slab_has_no_size(harmed *h)
{
    fake_put(h->w.t, h->w.heap->slabs[0].descriptor + h->w.space->c[RH_MC_slab_slot_size], 0, 8);
}

static void slab_has_no_slots(harmed *h)
{
    fake_put(h->w.t, h->w.heap->slabs[0].descriptor + h->w.space->c[RH_MC_slab_capacity], 0, 4);
}

/* A slot that no object ever had. */
static void bitmap_has_one_more(harmed *h)
{
    uint64_t bit, unused = fake_unused_slot(h->w.heap, h->keeper),
                  word = fake_bitmap_word(h->w.heap, RH_MC_slab_live, unused, &bit);
    fake_put(h->w.t, word, fake_get(h->w.t, word, 8) | bit, 8);
}

static void object_is_available(harmed *h)
{
    fake_available(h->w.heap, h->keeper);
}

static void add_to_slab(harmed *h, enum rh_metadata_constant_id id, uint64_t added, unsigned width)
{
    uint64_t at = h->w.heap->slabs[0].descriptor + h->w.space->c[id];
    fake_put(h->w.t, at, fake_get(h->w.t, at, width) + added, width);
}

/* Each of these three leaves slots that lie inside the chunk. */
static void slab_has_another_size(harmed *h)
{
    add_to_slab(h, RH_MC_slab_slot_size, -16ull, 8);
}

static void slab_has_fewer_slots(harmed *h)
{
    add_to_slab(h, RH_MC_slab_capacity, -100ull, 4);
}

static void slab_begins_behind(harmed *h)
{
    add_to_slab(h, RH_MC_slab_base, h->kept - h->keeper, 8);
}

static void slab_makes_no_sense(harmed *h)
{
    uint64_t slab = h->w.heap->slabs[0].descriptor;
    fake_put(h->w.t, slab + h->w.space->c[RH_MC_slab_slot_size], 1ull << 40, 8);
}

/* in_header: also what needs no references is concerned. loses: the object or its fields are gone
 * from the answer. */
static const struct {
    const char *name;
    void (*damage)(harmed *h);
    bool in_header, spares_cycle;
} kinds[] = {{"type is none", type_is_none, true, true},
             {"type is too large", type_is_larger_than_the_slot, true, true},
             {"flags: freed", flags_say_freed, true, true},
             {"flags: dying", flags_say_dying, true, true},
             {"special", word_is_special_for_no_reason, true, true},
             {"count of 0", count_is_below_1, true, true},
             {"bitmap", bitmap_has_lost_it, true, true},
             {"text", slot_is_full_of_text, true, true},
             {"serial", serial_is_zero, true, true},
             {"size 0", slab_has_no_size, true, false},
             {"no slots", slab_has_no_slots, true, false},
             {"zero", header_is_zero, true, true},
             {"half zero", first_half_of_the_header_is_zero, true, true},
             {"taken", bitmap_has_one_more, true, true},
             {"available", object_is_available, true, true},
             {"another size", slab_has_another_size, true, false},
             {"fewer slots", slab_has_fewer_slots, true, false},
             {"another base", slab_begins_behind, true, false},
             {"field", field_is_text, false, true},
             {"interior", field_points_into_an_object, false, true},
             {"vector", vector_is_without_end, false, true},
             {"slab", slab_makes_no_sense, true, false}};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- what is said of it --------------------------------------------------------------------- */

static void check_complete(harmed *h, const char *command, const char *line, bool complete,
                           const char *name)
{
    json_t *json = fake_json(h->w.t, command, line);
    ck_assert_msg(json_is_true(fake_at(json, "complete")) == complete, "%s %s, %s: %s", command,
                  line, name, h->w.t->out.bytes);
    json_decref(json);
}

START_TEST(what_damage_could_change_is_not_certain)
{
    for (unsigned i = 0; i < KINDS; i++) {
        harmed h = harmed_new(_i, false);
        third_is_held(&h);
        ck_assert_msg(fake_run(h.w.t, "gcleaks", "--check") == RHI_ANSWERED, "%s",
                      h.w.t->out.bytes);
        kinds[i].damage(&h);
        h.w.t->state++;
        ck_assert_msg(fake_run(h.w.t, "gcleaks", "--check") == RHI_NO_ANSWER, "%s: %s",
                      kinds[i].name, h.w.t->out.bytes);
        ck_assert_has_not(h.w.t->out.bytes, "lost_reference");
        ck_assert_has(h.w.t->out.bytes, "incomplete: ");
        check_complete(&h, "gcleaks", "", false, kinds[i].name);
        check_complete(&h, "gcgraph", "", false, kinds[i].name);
        check_complete(&h, "gcfind", "--unreachable", false, kinds[i].name);
        json_t *json = fake_json(h.w.t, "gcleaks", "");
        ck_assert_msg(fake_size(json, "leaks") == 0, "%s", kinds[i].name);
        json_decref(json);
        /* with the graph, and without */
        for (unsigned k = 0; k < 2 && kinds[i].spares_cycle; k++) {
            char operand[40];
            snprintf(operand, sizeof operand, "%s", text_of(h.kept));
            json = fake_json(h.w.t, "refs", operand);
            ck_assert_msg(fake_integer(json, "ledger.unexplained") == 0 ||
                              json_is_false(fake_at(json, "complete")) || !kinds[i].in_header,
                          "refs, %s: %s", kinds[i].name, h.w.t->out.bytes);
            json_decref(json);
            h.w.t->state++;
        }
        if (kinds[i].in_header) {
            check_complete(&h, "gcstat", "", false, kinds[i].name);
            h.w.t->state++;
            check_complete(&h, "gcstale", "", false, kinds[i].name);
            h.w.t->state++;
            check_complete(&h, "gcfind", "", false, kinds[i].name);
        }
        world_free(&h.w);
    }
}
END_TEST

START_TEST(garbage_that_damage_cannot_hold_stays_certain)
{
    for (unsigned i = 0; i < KINDS; i++) {
        if (!kinds[i].spares_cycle)
            continue;
        harmed h = harmed_new(_i, true);
        third_is_held(&h);
        kinds[i].damage(&h);
        ck_assert_msg(fake_run(h.w.t, "gcleaks", "--check") == RHI_FOUND, "%s: %s", kinds[i].name,
                      h.w.t->out.bytes);
        json_t *json = fake_json(h.w.t, "gcleaks", "");
        ck_assert_uint_eq(fake_size(json, "leaks"), 1);
        ck_assert_str_eq(fake_string(json, "leaks.0.cause"), "cycle");
        ck_assert_str_eq(fake_string(json, "leaks.0.representative"), id_of(&h.w, h.cycle));
        json_decref(json);
        world_free(&h.w);
    }
}
END_TEST

START_TEST(what_is_damaged_is_neither_garbage_nor_lost)
{
    /* In a cycle whose counts are all explained, were it not for the header. */
    void (*const damages[])(harmed * h) = {type_is_larger_than_the_slot, flags_say_dying,
                                           word_is_special_for_no_reason, count_is_below_1};
    for (unsigned i = 0; i < 4; i++) {
        harmed h = harmed_new(_i, false);
        third_is_held(&h);
        fake_put(h.w.t, STACK + 0x200, 0, 8);
        fake_link(h.w.heap, h.kept, NEXT, h.keeper);
        ck_assert_int_eq(fake_run(h.w.t, "gcleaks", "--check"), RHI_FOUND);
        damages[i](&h);
        h.w.t->state++;
        ck_assert_int_eq(fake_run(h.w.t, "gcleaks", "--check"), RHI_NO_ANSWER);
        world_free(&h.w);
    }
}
END_TEST

START_TEST(a_word_in_a_damaged_object_is_a_word)
{
    harmed h = harmed_new(_i, false);
    type_is_none(&h);
    json_t *json = ask(&h.w, "refs", "", h.kept);
    ck_assert_str_eq(fake_string(json, "referrers.0.kind"), "undeclared");
    ck_assert_str_eq(fake_string(json, "referrers.0.address"),
                     text_of(fake_slot(h.w.space, h.keeper, NEXT)));
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0);
    json_decref(json);
    world_free(&h.w);
}
END_TEST

START_TEST(slots_that_are_in_no_use_are_no_damage)
{
    harmed h = harmed_new(_i, false);
    third_is_held(&h);
    uint64_t dead = new_node(&h.w, 1), cached = new_node(&h.w, 1), fresh = new_node(&h.w, 1),
             born = new_node(&h.w, 1);
    fake_free_object(h.w.heap, dead, RH_DEATH_RELEASE);
    fake_link(h.w.heap, h.keeper, OTHER, dead); /* stale, which loses nobody's counts */
    /* a tombstone that the allocator keeps for itself */
    fake_word(h.w.heap, cached, 0x80000000u);
    fake_flags(h.w.heap, cached, RH_FLAG_FREED);
    memset(fake_bytes(h.w.t, fresh, 16), 0, h.w.space->c[RH_MC_object_size]); /* not born yet */
    fake_available(h.w.heap, fresh);
    /* being born: of no type */
    fake_put(h.w.t, born + h.w.space->c[RH_MC_object_type], 0, 2);
    fake_word(h.w.heap, born, 0x90000000u);
    fake_flags(h.w.heap, born, RH_FLAG_FREED);
    ck_assert_msg(fake_run(h.w.t, "gcleaks", "--check") == RHI_ANSWERED, "%s", h.w.t->out.bytes);
    check_complete(&h, "gcstat", "", true, "sound");
    check_complete(&h, "gcgraph", "", true, "sound");
    fake_link(h.w.heap, h.keeper, OTHER, 0);
    h.w.t->state++;
    ck_assert_msg(fake_run(h.w.t, "gcverify", "--check") == RHI_ANSWERED, "%s", h.w.t->out.bytes);
    world_free(&h.w);
}
END_TEST

/* Nothing tells the two from a slot that is not in use, but that somebody holds it. */
START_TEST(an_older_runtimes_blank_header_is_damage_where_an_object_holds_it)
{
    void (*const damages[])(harmed * h) = {header_is_zero, first_half_of_the_header_is_zero};
    for (unsigned i = 0; i < 4; i++) {
        harmed h = harmed_in(world_without(_i, FAKE_OLDER), false);
        third_is_held(&h);
        uint64_t third = fake_get(h.w.t, STACK + 0x208, 8);
        if (i % 2)
            fake_link(h.w.heap, third, NEXT, h.keeper);
        damages[i / 2](&h);
        check_complete(&h, "gcgraph", "", i % 2 == 0, "older");
        check_complete(&h, "gcstale", "", true, "older");
        world_free(&h.w);
    }
}
END_TEST

/* What is told of slots is another moment's than their headers. */
START_TEST(a_running_process_is_read_as_an_older_runtimes)
{
    harmed h = harmed_new(_i, false);
    third_is_held(&h);
    bitmap_has_one_more(&h);
    h.w.t->target.flags |= RHI_TARGET_NO_STOP;
    json_t *json = fake_json(h.w.t, "gcverify", "");
    ck_assert_uint_eq(fake_size(json, "problems"), 0);
    json_decref(json);
    world_free(&h.w);
}
END_TEST

RUN_TESTS("inspect_harm", what_damage_could_change_is_not_certain,
          garbage_that_damage_cannot_hold_stays_certain,
          what_is_damaged_is_neither_garbage_nor_lost, a_word_in_a_damaged_object_is_a_word,
          slots_that_are_in_no_use_are_no_damage,
          an_older_runtimes_blank_header_is_damage_where_an_object_holds_it,
          a_running_process_is_read_as_an_older_runtimes)
