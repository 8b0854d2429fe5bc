/* inspect_objat.c - `objat`: every status that an address can have, earlier tenants, events, the
 * ledger. */
#include "inspect_test.h"

static void check_status(const world *w, uint64_t address, const char *status, long long offset)
{
    json_t *json = ask(w, "objat", "", address);
    ck_assert_str_eq(fake_string(json, "address"), text_of(address));
    ck_assert_str_eq(fake_string(json, "status"), status);
    ck_assert_int_eq(fake_integer(json, "offset"), offset);
    ck_assert_msg(json_is_object(fake_at(json, "object")) == (strcmp(status, "live") == 0),
                  "object of %s", status);
    ck_assert_msg(json_is_true(fake_at(json, "complete")), "not complete");
    ck_assert(json_is_null(fake_at(json, "ledger")));
    json_decref(json);
}

START_TEST(every_address_has_a_status)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1), chunk = w.heap->chunk;
    fake_map(w.t, 0x7f0000000000, 0x1000, RHI_REGION_READ, "/usr/share/data");
    fake_free_object(w.heap, b, RH_DEATH_RELEASE);
    uint64_t unused = fake_unused_slot(w.heap, b),
             end = w.heap->slabs[0].base + w.heap->slabs[0].slot_size * w.heap->slabs[0].capacity;
    check_status(&w, a, "live", 0);
    check_status(&w, a + 7, "live", 7);
    check_status(&w, b - 1, "live", (long long)(b - 1 - a));
    check_status(&w, b, "freed", 0);
    check_status(&w, b + 9, "freed", 9);
    check_status(&w, unused, "unused", 0);
    check_status(&w, end - 1, "unused", (long long)w.heap->slabs[0].slot_size - 1);
    check_status(&w, end, "internal", 0);
    check_status(&w, w.heap->slabs[0].base - 1, "internal", 0);
    check_status(&w, chunk, "internal", 0);
    check_status(&w, chunk - 1, "unmapped", 0);
    check_status(&w, w.heap->address, "internal", 0);
    check_status(&w, w.space->types, "internal", 0);
    check_status(&w, 0x7f0000000010, "unmanaged", 0);
    check_status(&w, 0x7f0000001000, "unmapped", 0);
    check_status(&w, 0, "unmapped", 0);
    check_status(&w, UINT64_MAX, "unmapped", 0);
    world_free(&w);
}
END_TEST

START_TEST(an_object_is_described)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 7);
    (void)a;
    json_t *json = ask(&w, "objat", "", b);
    ck_assert_str_eq(fake_string(json, "object.id"), "node#2");
    ck_assert_str_eq(fake_string(json, "object.type"), "node");
    ck_assert_int_eq(fake_integer(json, "object.serial"), 2);
    ck_assert_str_eq(fake_string(json, "object.address"), text_of(b));
    ck_assert_int_eq(fake_integer(json, "object.size"),
                     (long long)w.space->c[RH_MC_object_size] + NODE_BODY);
    ck_assert_int_eq(fake_integer(json, "object.refcount"), 7);
    ck_assert(json_is_false(fake_at(json, "object.immortal")));
    ck_assert_int_eq(fake_integer(json, "object.heap"), 1);
    ck_assert_str_eq(fake_string(json, "object.state"), "live");
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", "#2"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, " is node#2: live, refcount 7, ");
    ck_assert_has(w.t->out.bytes, "heap 1 \"main\"\n");
    world_free(&w);
}
END_TEST

/* The site of the object that objat tells about: "file:line function", or "-". */
static const char *site_text(const world *w, uint64_t object)
{
    static char text[2048];
    json_t *json = ask(w, "objat", "", object), *site = fake_at(json, "object.site");
    if (json_is_null(site))
        snprintf(text, sizeof text, "-");
    else
        snprintf(text, sizeof text, "%s:%lld %s", fake_string(site, "file"),
                 fake_integer(site, "line"),
                 json_is_null(fake_at(site, "function")) ? "?" : fake_string(site, "function"));
    json_decref(json);
    return text;
}

START_TEST(the_line_that_made_an_object_is_named)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1), c = new_node(&w, 1), d = new_node(&w, 1),
             far = 0x7f0000000ff0;
    uint32_t login = fake_site(w.space, "/src/app/mistakes.c", "log_in", 30),
             named = fake_site(w.space, "tool", NULL, 4);
    fake_born(w.heap, a, login);
    fake_born(w.heap, b, named);
    fake_born(w.heap, d, w.space->site_count + 5); /* no such site */
    ck_assert_str_eq(site_text(&w, a), "/src/app/mistakes.c:30 log_in");
    ck_assert_str_eq(site_text(&w, b), "tool:4 ?");
    ck_assert_str_eq(site_text(&w, c), "-");
    ck_assert_str_eq(site_text(&w, d), "-");
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, " is node#1: live");
    ck_assert_has(w.t->out.bytes, "\n  born in log_in() at mistakes.c:30\n");
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(b)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "\n  born at tool:4\n");
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(c)), RHI_ANSWERED);
    ck_assert_has_not(w.t->out.bytes, "born");
    /* texts that cannot be read, or have no end */
    uint64_t row = w.space->sites + login * w.space->c[RH_MC_site_size];
    fake_put(w.t, row + w.space->c[RH_MC_site_function], 0x123450000, 8);
    fake_site_sound(w.space, login, "/src/app/mistakes.c", "");
    w.t->state++;
    ck_assert_str_eq(site_text(&w, a), "/src/app/mistakes.c:30 ?");
    fake_map(w.t, far & ~0xfffull, 0x1000, RHI_REGION_READ, "");
    fake_put_text(w.t, far, "0123456789abcdef", 16);
    fake_put(w.t, row + w.space->c[RH_MC_site_file], far, 8);
    fake_site_sound(w.space, login, "0123456789abcdef", "");
    w.t->state++;
    ck_assert_str_eq(site_text(&w, a), "0123456789abcdef:30 ?");
    fake_put(w.t, row + w.space->c[RH_MC_site_file], 0x123450000, 8);
    w.t->state++;
    ck_assert_str_eq(site_text(&w, a), "-");
    fake_put(w.t, FAKE_DESCRIPTOR(w.space, sites), UINT64_MAX - 20, 8);
    w.t->state++;
    ck_assert_str_eq(site_text(&w, b), "-");
    world_free(&w);
}
END_TEST

START_TEST(a_runtime_without_sites_is_read_as_before)
{
    world w = world_without(_i, FAKE_OLDER);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1);
    fake_serial_put(w.space, b, 1ull << 60); /* all 64 bits are the serial's */
    ck_assert_str_eq(site_text(&w, a), "-");
    ck_assert_str_eq(site_text(&w, b), "-");
    json_t *json = ask(&w, "objat", "", b);
    ck_assert_str_eq(fake_string(json, "object.id"), "node#1152921504606846976");
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", "node#1152921504606846976"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, text_of(b));
    world_free(&w);
}
END_TEST

START_TEST(a_pointer_to_a_field_names_the_field)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1), field = fake_slot(w.space, a, OTHER);
    fake_link(w.heap, a, OTHER, b);
    json_t *json = ask(&w, "objat", "", field);
    ck_assert_str_eq(fake_string(json, "slot.name"), "other");
    ck_assert_str_eq(fake_string(json, "slot.of"), "node#1");
    ck_assert_str_eq(fake_string(json, "slot.target"), "node#2");
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(field + 3)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "\n  other of node#1: node#2");
    json = ask(&w, "objat", "", a);
    ck_assert_ptr_null(json_object_get(json, "slot"));
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(special_states_are_told)
{
    world w = world_new(_i);
    uint64_t immortal = new_node(&w, 1), dying = new_node(&w, 1), finalized = new_node(&w, 3);
    fake_immortal(w.heap, immortal);
    fake_dying(w.heap, dying, 5);
    fake_flags(w.heap, finalized, RH_FLAG_FINALIZED);
    json_t *json = ask(&w, "objat", "", immortal);
    ck_assert(json_is_true(fake_at(json, "object.immortal")));
    ck_assert(json_is_null(fake_at(json, "object.refcount")));
    json_decref(json);
    json = ask(&w, "objat", "", dying);
    ck_assert_str_eq(fake_string(json, "status"), "live");
    ck_assert_str_eq(fake_string(json, "object.state"), "dying");
    ck_assert_int_eq(fake_integer(json, "object.refcount"), 5);
    json_decref(json);
    json = ask(&w, "objat", "", finalized);
    ck_assert_str_eq(fake_string(json, "object.state"), "finalized");
    ck_assert_int_eq(fake_integer(json, "object.refcount"), 3);
    json_decref(json);
    fake_flags(w.heap, finalized, RH_FLAG_UNCOLLECTABLE);
    w.t->state++;
    json = ask(&w, "objat", "", finalized);
    ck_assert_str_eq(fake_string(json, "object.state"), "uncollectable");
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(immortal)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, ": live, immortal, ");
    world_free(&w);
}
END_TEST

START_TEST(a_count_in_motion_is_provisional)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    fake_word(w.heap, a, (uint32_t)w.space->c[RH_MC_count_trial_zero]);
    fake_phase(w.heap, RH_PHASE_MARKING);
    json_t *json = ask(&w, "objat", "--ledger", a);
    ck_assert_str_eq(fake_string(json, "object.state"), "live");
    ck_assert_int_eq(fake_integer(json, "object.refcount"), 0);
    ck_assert(json_is_true(fake_at(json, "ledger.provisional")));
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "provisional: the heap is marking");
    w.t->state++;
    fake_phase(w.heap, RH_PHASE_IDLE);
    json = ask(&w, "objat", "--ledger", a);
    ck_assert(json_is_false(fake_at(json, "ledger.provisional")));
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_tombstone_and_events_name_earlier_tenants)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1);
    fake_event(w.heap, RH_EVENT_ALLOC, a, 90, w.node, RH_DEATH_NONE);
    fake_event(w.heap, RH_EVENT_FREE, a, 90, w.node, RH_DEATH_COLLECT);
    fake_event(w.heap, RH_EVENT_ALLOC, a, 1, w.node, RH_DEATH_NONE);
    fake_event(w.heap, RH_EVENT_FINALIZE, a, 1, w.node, RH_DEATH_NONE);
    fake_event(w.heap, RH_EVENT_FREE, a, 1, w.node, RH_DEATH_RELEASE);
    fake_event(w.heap, RH_EVENT_FREE, b, 91, w.node, RH_DEATH_DESTROY);
    fake_free_object(w.heap, a, RH_DEATH_RELEASE);
    json_t *json = ask(&w, "objat", "--history", a);
    ck_assert_str_eq(fake_string(json, "status"), "freed");
    ck_assert_uint_eq(fake_size(json, "previous"), 2);
    ck_assert_str_eq(fake_string(json, "previous.0.id"), "node#1");
    ck_assert_str_eq(fake_string(json, "previous.0.reason"), "release");
    ck_assert_str_eq(fake_string(json, "previous.0.time"), "2023-11-14T22:13:24.000000Z");
    ck_assert_int_eq(fake_integer(json, "previous.0.thread"), 77);
    ck_assert_str_eq(fake_string(json, "previous.1.id"), "node#90");
    ck_assert_str_eq(fake_string(json, "previous.1.reason"), "collect");
    ck_assert_uint_eq(fake_size(json, "history"), 5);
    ck_assert_str_eq(fake_string(json, "history.0.kind"), "free");
    ck_assert_str_eq(fake_string(json, "history.0.reason"), "release");
    ck_assert_str_eq(fake_string(json, "history.1.kind"), "finalize");
    ck_assert_str_eq(fake_string(json, "history.4.kind"), "alloc");
    ck_assert_int_eq(fake_integer(json, "history.4.event"), 0);
    json_decref(json);
    json = ask(&w, "objat", "", b);
    ck_assert_str_eq(fake_string(json, "status"), "live");
    ck_assert_uint_eq(fake_size(json, "previous"), 1);
    ck_assert_str_eq(fake_string(json, "previous.0.id"), "node#91");
    ck_assert_uint_eq(fake_size(json, "history"), 0);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes,
                  " was node#1: freed by release at 2023-11-14T22:13:24.000000Z; its slot");
    ck_assert_has(w.t->out.bytes, "earlier here: node#90, freed by collect at 2023-");
    world_free(&w);
}
END_TEST

#define SECOND 1000000000ull
#define NOON (1700000000ull * SECOND) /* 2023-11-14T22:13:20Z */

/* The death of node `serial` at the address. */
static void die(world *w, uint64_t address, uint64_t serial, uint64_t place)
{
    fake_ring_event(w->heap, RH_EVENT_FREE, address, serial, 0, w->node, RH_DEATH_RELEASE, place);
}

/* One word of the row after the other is another one. */
START_TEST(a_site_that_was_written_over_is_not_believed)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    uint32_t login = fake_site(w.space, "/src/app/mistakes.c", "log_in", 30);
    fake_site(w.space, "/src/app/other.c", "other", 31);
    fake_born(w.heap, a, login);
    const uint64_t *c = w.space->c;
    uint64_t row = w.space->sites + login * c[RH_MC_site_size],
             texts[] = {fake_get(w.t, row + c[RH_MC_site_file], 8),
                        fake_get(w.t, row + c[RH_MC_site_function], 8)};
    const struct {
        uint64_t at, change;
        unsigned width;
    } words[] = {{row + c[RH_MC_site_line], 1, 4},
                 {row + c[RH_MC_site_file], texts[0] ^ texts[1], 8},
                 {row + c[RH_MC_site_function], texts[0] ^ texts[1], 8},
                 {row + c[RH_MC_site_function], texts[1], 8},
                 {row + c[RH_MC_site_check], 1, 8},
                 {texts[0] + 5, 1, 1},
                 {texts[1], 2, 1}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        uint64_t before = fake_get(w.t, words[i].at, words[i].width);
        fake_put(w.t, words[i].at, before ^ words[i].change, words[i].width);
        w.t->state++;
        ck_assert_str_eq(site_text(&w, a), "-");
        json_t *json = ask(&w, "objat", "", a);
        ck_assert(json_is_false(fake_at(json, "complete")));
        ck_assert_has(fake_string(json, "incomplete_because.0"), "site 1 ");
        json_decref(json);
        fake_put(w.t, words[i].at, before, words[i].width);
        w.t->state++;
        ck_assert_str_eq(site_text(&w, a), "/src/app/mistakes.c:30 log_in");
    }
    world_free(&w);
}
END_TEST

/* One word of a slot after the other is another one: nothing of it is told, and that is said. */
START_TEST(an_event_that_was_written_over_is_not_believed)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    fake_ring_mark(w.heap, 7, NOON, 77);
    die(&w, a, 90, 0x401234);
    die(&w, a, 91, 0x405678);
    const uint64_t *c = w.space->c;
    uint64_t slots = fake_get(w.t, w.heap->address + c[RH_MC_heap_ring], 8) + c[RH_MC_ring_slots];
    for (unsigned word = 0; word < 6; word++) {
        const unsigned ids[] = {RH_MC_slot_what, RH_MC_slot_origin, RH_MC_slot_where};
        bool is_mark = word >= 3;
        uint64_t at = slots + (is_mark ? 0 : c[RH_MC_ring_slot_size]) + c[ids[word % 3]],
                 before = fake_get(w.t, at, 8);
        for (unsigned bit = 0; bit < 64; bit++) {
            fake_put(w.t, at, before ^ 1ull << bit, 8);
            w.t->state++;
            json_t *json = ask(&w, "objat", "", a);
            ck_assert_uint_eq(fake_size(json, "previous"), is_mark ? 0 : 1);
            ck_assert(json_is_false(fake_at(json, "complete")));
            ck_assert_has(fake_string(json, "incomplete_because.0"), "its history is damaged");
            json_decref(json);
        }
        fake_put(w.t, at, before, 8);
    }
    w.t->state++;
    json_t *json = ask(&w, "objat", "", a);
    ck_assert_uint_eq(fake_size(json, "previous"), 2);
    ck_assert(json_is_true(fake_at(json, "complete")));
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_ring_bounds_time_and_thread_of_its_events)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    uint32_t site = fake_site(w.space, "/src/app.c", "make", 21);
    fake_ring_mark(w.heap, 7, NOON, 77);
    die(&w, a, 90, 0x401234);
    fake_ring_mark(w.heap, 8, NOON + SECOND, 78);
    fake_ring_event(w.heap, RH_EVENT_FREE, a, 91, site, w.node, RH_DEATH_COLLECT, 0);
    fake_ring_mark(w.heap, 9, NOON + 2 * SECOND, 77);
    die(&w, a, 92, 0);
    die(&w, a, 1, 0x401234); /* it is there still: its death was just recorded */
    json_t *json = ask(&w, "objat", "--history", a);
    ck_assert_str_eq(fake_string(json, "status"), "live");
    ck_assert_uint_eq(fake_size(json, "previous"), 3);
    ck_assert_str_eq(fake_string(json, "previous.0.id"), "node#92");
    ck_assert_int_eq(fake_integer(json, "previous.0.event"), 9);
    ck_assert_str_eq(fake_string(json, "previous.0.time"), "2023-11-14T22:13:22.000000Z");
    ck_assert(json_is_null(fake_at(json, "previous.0.time_to")));
    ck_assert_int_eq(fake_integer(json, "previous.0.thread"), 77);
    ck_assert(json_is_null(fake_at(json, "previous.0.place")));
    ck_assert_str_eq(fake_string(json, "previous.1.reason"), "collect");
    ck_assert_str_eq(fake_string(json, "previous.1.time"), "2023-11-14T22:13:21.000000Z");
    ck_assert_str_eq(fake_string(json, "previous.1.time_to"), "2023-11-14T22:13:22.010000Z");
    ck_assert_int_eq(fake_integer(json, "previous.1.thread"), 78);
    ck_assert_str_eq(fake_string(json, "previous.1.site.file"), "/src/app.c");
    ck_assert_int_eq(fake_integer(json, "previous.1.site.line"), 21);
    ck_assert_str_eq(fake_string(json, "previous.2.id"), "node#90");
    ck_assert_int_eq(fake_integer(json, "previous.2.event"), 7);
    ck_assert_str_eq(fake_string(json, "previous.2.place.address"), "0x401234");
    ck_assert_int_eq(fake_integer(json, "history_begins"), 7);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "earlier here: node#91, born in make() at app.c:21, freed by "
                                  "collect between 2023-11-14T22:13:21.00Z and 22:13:22.01Z");
    ck_assert_has(w.t->out.bytes, "node#92, freed by release after 2023-11-14T22:13:22.00Z");
    ck_assert_has(w.t->out.bytes, "tenants may be forgotten: the history begins at event 7\n");
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(new_node(&w, 1))), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "tenants may be forgotten"); /* of whom nothing is left */
    ck_assert_has_not(w.t->out.bytes, "earlier here");
    world_free(&w);
}
END_TEST

/* Of the block that is written to, what is behind the newest event is left from an older one. */
START_TEST(a_ring_that_went_round_has_no_event_twice_or_torn)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), number = 0;
    for (unsigned slots = 1; slots < 5 * FAKE_RING_SLOTS; slots++) {
        if (slots % FAKE_BLOCK == 1)
            fake_ring_mark(w.heap, number, NOON, 77);
        else
            die(&w, a, 100 + number++, 0);
        uint64_t used = slots % FAKE_BLOCK, whole = slots / FAKE_BLOCK;
        if (whole > FAKE_RING_SLOTS / FAKE_BLOCK - 1)
            whole = FAKE_RING_SLOTS / FAKE_BLOCK - 1;
        uint64_t count = whole * (FAKE_BLOCK - 1) + (used ? used - 1 : 0);
        w.t->state++;
        json_t *json = ask(&w, "objat", "--history", a);
        ck_assert_uint_eq(fake_size(json, "previous"), count);
        for (uint64_t i = 0; i < count; i++) {
            char path[32], id[32];
            snprintf(path, sizeof path, "previous.%u.id", (unsigned)i);
            snprintf(id, sizeof id, "node#%u", (unsigned)(99 + number - i));
            ck_assert_str_eq(fake_string(json, path), id);
        }
        json_decref(json);
    }
    world_free(&w);
}
END_TEST

START_TEST(who_gave_the_last_count_away_inside_of_a_finalizer_is_the_place_of_the_death)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    fake_ring_mark(w.heap, 0, NOON, 77);
    fake_ring_event(w.heap, RH_EVENT_LAST, a, 90, 0, w.node, RH_DEATH_RELEASE, 0x401111);
    die(&w, a, 90, 0);
    /* this one was resurrected before it died for good */
    fake_ring_event(w.heap, RH_EVENT_LAST, a, 91, 0, w.node, RH_DEATH_RELEASE, 0x401111);
    fake_ring_mark(w.heap, 3, NOON, 77);
    die(&w, a, 91, 0x402222);
    json_t *json = ask(&w, "objat", "--history", a);
    ck_assert_str_eq(fake_string(json, "previous.0.place.address"), "0x402222");
    ck_assert_str_eq(fake_string(json, "previous.1.place.address"), "0x401111");
    ck_assert_uint_eq(fake_size(json, "history"), 3);
    json_decref(json);
    world_free(&w);
}
END_TEST

/* Code of 8 bytes, the last one highest: it ends with a call, with none, with a breakpoint. */
#if defined(__aarch64__)
#define A_CALL 0x94000001d503201full
#define NO_CALL 0xd503201fd503201full
#define A_BREAKPOINT 0xd4200000d503201full
#else
#define A_CALL 0x00000001e8909090ull
#define NO_CALL 0x9090909090909090ull
#define A_BREAKPOINT 0x90cc909090909090ull
#endif

/* Code is there, and no file: memory alone tells. */
START_TEST(a_place_that_no_call_leads_to_is_doubted)
{
    static const uint64_t code = 0x401000, in_code = 0x401010;
    static const struct {
        uint64_t place, bytes; /* bytes: before it */
        const char *doubt;
    } cases[] = {
        {in_code, A_CALL, NULL},
        {in_code, NO_CALL, "which is not behind a call"},
        {in_code, A_BREAKPOINT, NULL}, /* a debugger's may hide it */
        {in_code, 0, NULL},            /* perhaps a hole of a core */
        {0x7f0000000100, NO_CALL, "which is not in code"},
        {0x7f0000002000, NO_CALL, "which is not in code"}, /* nothing is there */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        world w = world_new(_i);
        uint64_t a = new_node(&w, 1);
        fake_map(w.t, code, 0x1000, RHI_REGION_READ | RHI_REGION_EXECUTE, "");
        fake_map(w.t, 0x7f0000000000, 0x1000, RHI_REGION_READ, "");
        fake_put(w.t, in_code - 8, cases[i].bytes, 8);
        fake_ring_mark(w.heap, 0, NOON, 77);
        die(&w, a, 90, cases[i].place);
        json_t *json = ask(&w, "objat", "", a);
        const json_t *doubt = json_object_get(fake_at(json, "previous.0.place"), "doubt");
        ck_assert_str_eq(fake_string(json, "previous.0.place.address"), text_of(cases[i].place));
        ck_assert_msg(!doubt == !cases[i].doubt, "case %u", i);
        if (doubt)
            ck_assert_str_eq(json_string_value(doubt), cases[i].doubt);
        json_decref(json);
        world_free(&w);
    }
}
END_TEST

START_TEST(a_ring_just_made_has_what_it_was_filled_with)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    fake_ring_mark(w.heap, 0, NOON, 77);
    for (unsigned i = 1; i < FAKE_BLOCK; i++)
        die(&w, a, 90 + i, 0);
    const uint64_t *c = w.space->c;
    uint64_t ring = fake_get(w.t, w.heap->address + c[RH_MC_heap_ring], 8);
    fake_put(w.t, ring + c[RH_MC_ring_filled], FAKE_BLOCK, 8);
    fake_put(w.t, w.heap->address + c[RH_MC_heap_ring_next], 0x1000, 8); /* of the old one */
    json_t *json = ask(&w, "objat", "", a);
    ck_assert_uint_eq(fake_size(json, "previous"), FAKE_BLOCK - 1);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_damaged_ring_is_said_to_be_damaged)
{
    static const struct {
        uint64_t capacity, what;
        int64_t next;
    } damages[] = {{0, 0, 0},
                   {UINT64_MAX, 0, 0},
                   {FAKE_RING_SLOTS + 1, 0, 0},
                   {1ull << 60, 0, 0},
                   {FAKE_RING_SLOTS, 0, 1},
                   {FAKE_RING_SLOTS, RH_EVENT_FREE, 0},
                   {FAKE_RING_SLOTS, 77 << 4, 0}}; /* the kind of nothing, but not never written */
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        world w = world_new(_i);
        uint64_t a = new_node(&w, 1);
        fake_ring_mark(w.heap, 0, NOON, 77);
        die(&w, a, 90, 0);
        const uint64_t *c = w.space->c;
        uint64_t ring = fake_get(w.t, w.heap->address + c[RH_MC_heap_ring], 8),
                 next = w.heap->address + c[RH_MC_heap_ring_next];
        fake_put(w.t, ring + c[RH_MC_ring_capacity], damages[i].capacity, 8);
        fake_put(w.t, next, fake_get(w.t, next, 8) + (uint64_t)damages[i].next, 8);
        if (damages[i].what)
            fake_put(w.t, ring + c[RH_MC_ring_slots] + c[RH_MC_slot_what], damages[i].what, 8);
        json_t *json = ask(&w, "objat", "", a);
        ck_assert_uint_eq(fake_size(json, "previous"), 0);
        ck_assert(json_is_false(fake_at(json, "complete")));
        ck_assert_has(fake_string(json, "incomplete_because.0"), "its history is damaged");
        json_decref(json);
        world_free(&w);
    }
}
END_TEST

START_TEST(what_one_question_could_not_read_is_not_told_with_the_next)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    fake_event(w.heap, RH_EVENT_ALLOC, a, 1, w.node, RH_DEATH_NONE);
    w.t->hole_start = fake_get(w.t, w.heap->address + w.space->c[RH_MC_heap_history], 8);
    w.t->hole_end = w.t->hole_start + 8;
    for (int i = 0; i < 2; i++) { /* and again with the same question */
        json_t *json = ask(&w, "objat", "--history", a);
        ck_assert(json_is_false(fake_at(json, "complete")));
        ck_assert_uint_eq(fake_size(json, "incomplete_because"), 1);
        ck_assert_has(fake_string(json, "incomplete_because.0"),
                      "its history cannot be read in full");
        json_decref(json);
        json = fake_json(w.t, "gcstat", "");
        ck_assert(json_is_true(fake_at(json, "complete")));
        json_decref(json);
    }
    world_free(&w);
}
END_TEST

/* As a birth leaves the header between two instructions: freed for no reason, and of no type. */
START_TEST(a_slot_in_the_midst_of_a_birth_is_neither_freed_nor_never_used)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    fake_word(w.heap, a, 0x90000000u);
    fake_flags(w.heap, a, RH_FLAG_FREED);
    fake_put(w.t, a + w.space->c[RH_MC_object_type], 0, 2);
    json_t *json = ask(&w, "objat", "", a);
    ck_assert_str_eq(fake_string(json, "status"), "unused");
    ck_assert_uint_eq(fake_size(json, "previous"), 0);
    ck_assert(json_is_false(fake_at(json, "complete")));
    ck_assert_has(w.t->out.bytes, "an object is just being born there");
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, " is a slot of heap 1 without an object");
    world_free(&w);
}
END_TEST

START_TEST(a_tombstone_without_history_still_names_its_object)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    fake_free_object(w.heap, a, RH_DEATH_COLLECT);
    json_t *json = ask(&w, "objat", "", a + 3);
    ck_assert_uint_eq(fake_size(json, "previous"), 1);
    ck_assert_str_eq(fake_string(json, "previous.0.id"), "node#1");
    ck_assert_str_eq(fake_string(json, "previous.0.reason"), "collect");
    ck_assert(json_is_null(fake_at(json, "previous.0.time")));
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "  earlier tenants are not known: the history of heap 1 is off");
    world_free(&w);
}
END_TEST

START_TEST(the_ring_of_events_wraps_and_lists_are_cut_with_totals)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    for (unsigned i = 0; i < 3 * FAKE_RING + 3; i++)
        fake_event(w.heap, RH_EVENT_FREE, a, 100 + i, w.node, RH_DEATH_RELEASE);
    json_t *json = ask(&w, "objat", "--history", a);
    ck_assert_uint_eq(fake_size(json, "previous"), FAKE_RING);
    for (unsigned i = 0; i < FAKE_RING; i++) {
        char path[32], id[32];
        snprintf(path, sizeof path, "previous.%u.id", i);
        snprintf(id, sizeof id, "node#%u", 100 + 3 * FAKE_RING + 2 - i);
        ck_assert_str_eq(fake_string(json, path), id);
    }
    ck_assert_ptr_null(fake_at(json, "previous_total"));
    ck_assert_ptr_null(fake_at(json, "history_total"));
    json_decref(json);
    json = ask(&w, "objat", "--history --limit=3", a);
    ck_assert_uint_eq(fake_size(json, "previous"), 3);
    ck_assert_int_eq(fake_integer(json, "previous_total"), FAKE_RING);
    ck_assert_uint_eq(fake_size(json, "history"), 3);
    ck_assert_int_eq(fake_integer(json, "history_total"), FAKE_RING);
    json_decref(json);
    char line[64];
    snprintf(line, sizeof line, "--history --limit=3 0x%" PRIx64, a);
    ck_assert_int_eq(fake_run(w.t, "objat", line), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "… 5 more");
    world_free(&w);
}
END_TEST

START_TEST(objects_are_found_by_name)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1);
    uint32_t other = fake_type(w.space, "leaf", 16, NULL, 0);
    uint64_t leaf = fake_new(w.heap, other, 1, 0);
    fake_event(w.heap, RH_EVENT_FREE, a, 77, w.node, RH_DEATH_COLLECT);
    fake_free_object(w.heap, b, RH_DEATH_RELEASE);
    static const struct {
        const char *operand;
        int object;
    } rows[] = {{"node#1", 0}, {"#1", 0}, {"node#2", 1}, {"#2", 1},
                {"leaf#3", 2}, {"#3", 2}, {"node#77", 0}};
    const uint64_t addresses[] = {a, b, leaf};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *json = fake_json(w.t, "objat", rows[i].operand);
        ck_assert_str_eq(fake_string(json, "address"), text_of(addresses[rows[i].object]));
        json_decref(json);
    }
    static const char *const commands[] = {"refs", "gcgraph", "refwatch"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        /* its address would do for objat alone: another one lives there, who was not meant */
        ck_assert_has(fake_json_failure(w.t, commands[i], "node#77"),
                      "node#77 died, and its slot at ");
        ck_assert_has(fake_json_failure(w.t, commands[i], "#77"),
                      " was used again: node#1 is there now");
        ck_assert_has(fake_json_failure(w.t, commands[i], "node#2"),
                      "holds no object any more: it was node#2");
    }
    fake_event(w.heap, RH_EVENT_FREE, b, 78, w.node, RH_DEATH_COLLECT);
    w.t->state++;
    ck_assert_has(fake_json_failure(w.t, "refs", "node#78"), "node#2 was there last");
    ck_assert_uint_eq(w.t->writes, 0);
    ck_assert_has(fake_json_failure(w.t, "objat", "leaf#1"), "there is no object leaf#1: ");
    ck_assert_has(
        fake_json_failure(w.t, "objat", "#4"),
        "there is no object #4: it was never born, or it died and its slot was used again, "
        "or its header was written over");
    world_free(&w);
}
END_TEST

START_TEST(expressions_go_verbatim_to_the_target)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    fake_value(w.t, "(struct s){1, 2}.x[f(\"a,b\", ')')]", a);
    fake_value(w.t, "--x", a);
    json_t *json = fake_json(w.t, "objat", "  (struct s){1, 2}.x[f(\"a,b\", ')')]  ");
    ck_assert_str_eq(fake_string(json, "address"), text_of(a));
    json_decref(json);
    json = fake_json(w.t, "objat", "-- --x");
    ck_assert_str_eq(fake_string(json, "address"), text_of(a));
    json_decref(json);
    ck_assert_str_eq(fake_json_failure(w.t, "objat", "nothing"),
                     "cannot evaluate 'nothing': No symbol \"nothing\" in current context.");
    unsigned long calls = w.t->evaluate_calls;
    json = ask(&w, "objat", "", a); /* numbers and names are the engine's own */
    json_decref(json);
    json = fake_json(w.t, "objat", "node#1");
    json_decref(json);
    ck_assert_uint_eq(w.t->evaluate_calls, calls);
    w.t->target.evaluate = NULL;
    ck_assert_has(fake_json_failure(w.t, "objat", "x + 1"),
                  "cannot evaluate 'x + 1': no variable or registered root 'x'; operands here are "
                  "numbers, objects (node#12), registered roots");
    world_free(&w);
}
END_TEST

START_TEST(a_ledger_is_counted_only_when_asked_for)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 3), b = new_node(&w, 1);
    fake_link(w.heap, b, NEXT, a);
    fake_map(w.t, 0x7f0000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(w.t, 0x7f0000000020, a, 8);
    fake_root(w.heap, 0x7f0000000020, "the root");
    json_t *json = ask(&w, "objat", "--ledger", a);
    ck_assert_int_eq(fake_integer(json, "ledger.stored"), 3);
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), 1);
    ck_assert_int_eq(fake_integer(json, "ledger.exact"), 1);
    ck_assert_int_eq(fake_integer(json, "ledger.words"), 0);
    ck_assert_int_eq(fake_integer(json, "ledger.roots"), 1);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 1);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_slab_that_cannot_be_read_is_an_error_and_the_rest_answers)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    w.t->hole_start = a & ~0xfffull;
    w.t->hole_end = w.t->hole_start + 0x1000;
    ck_assert_has(fake_json_failure(w.t, "objat", text_of(a)),
                  "lies in the heap, but its memory cannot be read");
    check_status(&w, w.heap->address, "internal", 0);
    /* The header can be read, the fields cannot. */
    w.t->hole_start = a + w.space->c[RH_MC_object_size];
    json_t *json = ask(&w, "objat", "", a);
    ck_assert_str_eq(fake_string(json, "object.id"), "node#1");
    ck_assert(json_is_false(fake_at(json, "complete")));
    ck_assert_uint_eq(fake_size(json, "fields"), 0);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_registered_root_is_an_operand_where_nothing_else_is_called_so)
{
    static const uint64_t slots = 0x610000000000;
    static const char *const operands[] = {"cache", "a label of words", "main::self"};
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1);
    fake_map(w.t, slots, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    for (int i = 0; i < 3; i++) {
        fake_put(w.t, slots + 8 * (uint64_t)i, a, 8);
        fake_root(w.heap, slots + 8 * (uint64_t)i, operands[i]);
    }
    fake_link(w.heap, a, NEXT, b);
    for (int door = 0; door < 2; door++) {
        for (int i = 0; i < 3; i++) {
            json_t *json = fake_json(w.t, "objat", operands[i]);
            ck_assert_str_eq(fake_string(json, "address"), text_of(a));
            json_decref(json);
        }
        w.t->target.evaluate = NULL;
    }
    /* by the heap's own types: there is no debug info */
    json_t *json = fake_json(w.t, "objat", "(cache->next)");
    ck_assert_str_eq(fake_string(json, "address"), text_of(b));
    json_decref(json);
    ck_assert_has(fake_json_failure(w.t, "objat", "cache->none"), "there is no member 'none'");
    ck_assert_has(fake_json_failure(w.t, "objat", "nobody"),
                  "no variable or registered root 'nobody'");
    ck_assert_has(fake_json_failure(w.t, "objat", "0xfffffffffffffffff"),
                  "'0xfffffffffffffffff' is no number of at most 64 bits");
    fake_put(w.t, slots + 24, b, 8);
    fake_root(w.heap, slots + 24, "cache");
    w.t->state++;
    ck_assert_has(fake_json_failure(w.t, "objat", "cache"),
                  "several variables are called so: at 0x610000000000, 0x610000000018");
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_objat", a_slot_in_the_midst_of_a_birth_is_neither_freed_nor_never_used,
          every_address_has_a_status, an_object_is_described, the_line_that_made_an_object_is_named,
          a_runtime_without_sites_is_read_as_before, a_pointer_to_a_field_names_the_field,
          special_states_are_told, a_count_in_motion_is_provisional,
          a_tombstone_and_events_name_earlier_tenants, a_site_that_was_written_over_is_not_believed,
          an_event_that_was_written_over_is_not_believed,
          a_ring_bounds_time_and_thread_of_its_events,
          a_ring_that_went_round_has_no_event_twice_or_torn,
          who_gave_the_last_count_away_inside_of_a_finalizer_is_the_place_of_the_death,
          a_place_that_no_call_leads_to_is_doubted, a_ring_just_made_has_what_it_was_filled_with,
          a_damaged_ring_is_said_to_be_damaged,
          what_one_question_could_not_read_is_not_told_with_the_next,
          a_tombstone_without_history_still_names_its_object,
          the_ring_of_events_wraps_and_lists_are_cut_with_totals, objects_are_found_by_name,
          expressions_go_verbatim_to_the_target, a_ledger_is_counted_only_when_asked_for,
          a_slab_that_cannot_be_read_is_an_error_and_the_rest_answers,
          a_registered_root_is_an_operand_where_nothing_else_is_called_so)
