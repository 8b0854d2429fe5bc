/* inspect_formats.c - two heap formats in one target: refheap's, and a made-up one that differs
 * from it in all that the seam allows (made_up_format.h). Every command answers about both. */
#include "inspect_test.h"
#include "made_up_format.h"

static const uint64_t descriptor = 0x700000000000, crate = 0x700000100000, lone = 0x700000200000,
                      table = 0x700000300000, rooted = 0x700000400000, text = 0x656c707061,
                      stack = 0x7ffe00000000;

/* root → bag → leaf, pair, twice; pair → leaf; twice → leaf, twice over; n ⇄ q, which nobody holds;
 * lost has a count of nobody. */
typedef struct both {
    world w;
    uint64_t leaf, pair, bag, twice, freed, lost, q, n;
} both;

static both both_new(unsigned layout)
{
    both b = {.w = world_new(layout)};
    fake_target *t = b.w.t;
    b.n = new_node(&b.w, 1);
    made_up_new(t, descriptor);
    made_up_crate(t, descriptor, crate, 64, 8);
    b.leaf = made_up_object(t, crate, 0, MADE_UP_LEAF, 4);
    b.pair = made_up_object(t, crate, 1, MADE_UP_PAIR, 1);
    b.bag = made_up_object(t, crate, 2, MADE_UP_BAG, 1);
    b.twice = made_up_object(t, crate, 3, MADE_UP_TWICE, 1);
    b.freed = made_up_object(t, crate, 4, MADE_UP_PAIR, 0);
    b.lost = made_up_object(t, crate, 5, MADE_UP_LEAF, 1);
    made_up_free(t, crate, 4);
    b.q = made_up_lone(t, descriptor, lone, MADE_UP_PAIR, 1);
    made_up_put(t, b.leaf, 0, text);
    made_up_put(t, b.pair, 0, b.leaf);
    made_up_put(t, b.pair, 1, b.bag);
    made_up_put(t, b.twice, 0, b.leaf);
    made_up_put(t, b.q, 0, b.n);
    fake_link(b.w.heap, b.n, NEXT, b.q);
    uint64_t held[] = {b.leaf, b.pair, b.twice};
    made_up_table(t, b.bag, table, held, 3);
    fake_map(t, rooted, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(t, rooted, b.bag, 8);
    made_up_root(t, descriptor, rooted);
    fake_map(t, stack, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(t, 321, stack + 0x1000);
    return b;
}

/* "leaf@0x…"; up to eight at a time. */
static const char *at(const char *type, uint64_t address)
{
    static char ids[8][48];
    static unsigned next;
    char *id = ids[next++ % 8];
    snprintf(id, sizeof ids[0], "%s@0x%" PRIx64, type, address);
    return id;
}

static const char *say(const both *b, const char *command, const char *line)
{
    ck_assert_int_eq(fake_run(b->w.t, command, line), 0);
    return b->w.t->out.bytes;
}

static void must_have(const char *said, const char *wanted)
{
    ck_assert_msg(strstr(said, wanted) != NULL, "no '%s' in: %s", wanted, said);
}

START_TEST(objects_have_addresses_for_names)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "objat", at("pair", b.pair));
    ck_assert_str_eq(fake_string(json, "status"), "live");
    ck_assert_str_eq(fake_string(json, "object.id"), at("pair", b.pair));
    ck_assert_str_eq(fake_string(json, "object.format"), "crates");
    ck_assert_str_eq(fake_string(json, "object.address"), text_of(b.pair));
    ck_assert(json_is_null(fake_at(json, "object.serial")));
    ck_assert_int_eq(fake_integer(json, "object.heap"), 1001);
    ck_assert_int_eq(fake_integer(json, "object.size"), 48); /* with its prefix */
    ck_assert_int_eq(fake_size(json, "fields"), 2);
    ck_assert_str_eq(fake_string(json, "fields.0.name"), "left");
    ck_assert_str_eq(fake_string(json, "fields.0.kind"), "strong");
    ck_assert_str_eq(fake_string(json, "fields.0.value"), text_of(b.leaf));
    ck_assert_str_eq(fake_string(json, "fields.0.target"), at("leaf", b.leaf));
    ck_assert_str_eq(fake_string(json, "fields.0.target_value"), "<apple>");
    ck_assert_str_eq(fake_string(json, "fields.1.name"), "right");
    ck_assert_str_eq(fake_string(json, "fields.1.kind"), "borrowed");
    json_decref(json);
    json = fake_json(b.w.t, "objat", text_of(b.bag)); /* its slots lie elsewhere */
    ck_assert_int_eq(fake_size(json, "fields"), 3);
    ck_assert_str_eq(fake_string(json, "fields.2.name"), "{3}");
    ck_assert_str_eq(fake_string(json, "fields.2.target"), at("twice", b.twice));
    json_decref(json);
    json = fake_json(b.w.t, "objat", text_of(b.freed));
    ck_assert_str_eq(fake_string(json, "status"), "freed");
    json_decref(json);
    must_have(say(&b, "objat", text_of(b.leaf)), "<apple>");
    must_have(say(&b, "objat", text_of(b.bag)), "{2}");
    world_free(&b.w);
}
END_TEST

START_TEST(what_only_one_format_knows_is_said)
{
    both b = both_new(_i);
    made_up_site(b.w.t, descriptor, b.pair, 12);
    made_up_site(b.w.t, descriptor, b.leaf, 13);
    json_t *json = fake_json(b.w.t, "objat", at("pair", b.pair));
    ck_assert(json_is_true(fake_at(json, "object.tracked")));
    ck_assert_str_eq(fake_string(json, "object.qualified"), "shop.pair");
    ck_assert_str_eq(fake_string(json, "object.site.file"), "shelf.c");
    ck_assert_int_eq(fake_integer(json, "object.site.line"), 12);
    ck_assert(json_is_null(fake_at(json, "object.site.function")));
    json_decref(json);
    json = fake_json(b.w.t, "objat", text_of(b.twice));
    ck_assert(json_is_false(fake_at(json, "object.tracked")));
    ck_assert(json_is_null(fake_at(json, "object.site")));
    json_decref(json);
    json = fake_json(b.w.t, "objat", id_of(&b.w, b.n)); /* refheap's */
    ck_assert(json_is_null(fake_at(json, "object.tracked")));
    ck_assert(json_is_null(fake_at(json, "object.site")));
    ck_assert(json_is_null(fake_at(json, "object.qualified")));
    json_decref(json);
    must_have(say(&b, "objat", text_of(b.pair)), "tracked by the collector");
    must_have(say(&b, "objat", text_of(b.pair)), "  born at shelf.c:12\n");
    must_have(say(&b, "objat", text_of(b.leaf)), ", untracked");
    must_have(say(&b, "objat", text_of(b.leaf)), "  born at shelf.c:13 in stack_up()\n");
    ck_assert(!strstr(say(&b, "objat", id_of(&b.w, b.n)), "tracked"));
    json = fake_json(b.w.t, "gcstat", "");
    ck_assert(!json_object_get(fake_at(json, "heaps.0"), "facts"));
    ck_assert_int_eq(fake_integer(json, "heaps.1.facts.crates.listed"), 1);
    ck_assert_str_eq(fake_string(json, "heaps.1.facts.crates.wood"), "oak");
    ck_assert(json_is_true(fake_at(json, "heaps.1.facts.shop_door.is_open")));
    json_decref(json);
    must_have(say(&b, "gcstat", ""), "\n  crates: 1 listed, of oak\n  shop door: open\n");
    world_free(&b.w);
}
END_TEST

START_TEST(names_are_held_against_what_is_there)
{
    both b = both_new(_i);
    must_have(fake_json_failure(b.w.t, "refs", at("bag", b.leaf)), at("leaf", b.leaf));
    must_have(fake_json_failure(b.w.t, "refs", at("shop.bag", b.leaf)), at("leaf", b.leaf));
    must_have(fake_json_failure(b.w.t, "refs", at("shop.pair", b.freed)), ", freed (objat");
    json_t *json = fake_json(b.w.t, "objat", at("shop.pair", b.pair));
    ck_assert_str_eq(fake_string(json, "object.id"), at("pair", b.pair));
    json_decref(json);
    must_have(say(&b, "objat", at("shop.pair", b.freed)), ": freed; its slot");
    must_have(say(&b, "objat", text_of(table)), "is not of a known heap");
    char line[64];
    snprintf(line, sizeof line, "--history %s", text_of(b.pair));
    must_have(say(&b, "objat", line), "heaps of the format crates keep no history");
    must_have(fake_json_failure(b.w.t, "refs", at("leaf", table)), "unmanaged");
    must_have(fake_json_failure(b.w.t, "refs", at("pair", b.freed)), "no object any more");
    must_have(fake_json_failure(b.w.t, "refs", "leaf#1"), "no object leaf#1");
    world_free(&b.w);
}
END_TEST

static void check_referrers_of_leaf(const both *b)
{
    json_t *json = fake_json(b->w.t, "refs", text_of(b->leaf));
    ck_assert_int_eq(fake_size(json, "referrers"), 4);
    unsigned seen = 0;
    for (unsigned i = 0; i < 4; i++) {
        const json_t *row = json_array_get(fake_at(json, "referrers"), i);
        const char *from = fake_string(row, "from"), *name = fake_string(row, "name");
        ck_assert_str_eq(fake_string(row, "strength"), "strong");
        seen += !strcmp(from, at("bag", b->bag)) && !strcmp(name, "{1}") ? 1 : 0;
        seen += !strcmp(from, at("pair", b->pair)) && !strcmp(name, "left") ? 10 : 0;
        seen += !strcmp(from, at("twice", b->twice)) && !strcmp(name, "both") ? 100 : 0;
    }
    ck_assert_uint_eq(seen, 211);
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), 4);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0);
    json_decref(json);
}

START_TEST(referrers_are_found_with_a_graph_and_without)
{
    both b = both_new(_i);
    check_referrers_of_leaf(&b);
    json_decref(fake_json(b.w.t, "gcgraph", "")); /* from now on there is one */
    check_referrers_of_leaf(&b);
    json_t *json = fake_json(b.w.t, "refs", text_of(b.q)); /* held by the other format */
    ck_assert_int_eq(fake_size(json, "referrers"), 1);
    ck_assert_str_eq(fake_string(json, "referrers.0.from"), id_of(&b.w, b.n));
    ck_assert_str_eq(fake_string(json, "referents.0.target"), id_of(&b.w, b.n));
    json_decref(json);
    json = fake_json(b.w.t, "refs", text_of(b.n));
    ck_assert_str_eq(fake_string(json, "referrers.0.from"), at("pair", b.q));
    json_decref(json);
    json = fake_json(b.w.t, "refs", text_of(b.bag)); /* a registered root, and a borrowed slot */
    ck_assert_int_eq(fake_integer(json, "ledger.exact"), 1);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0);
    json_decref(json);
    must_have(say(&b, "refs", text_of(b.leaf)), at("bag", b.bag));
    char line[64];
    snprintf(line, sizeof line, "--path %s", text_of(b.leaf));
    json = fake_json(b.w.t, "refs", line);
    ck_assert_int_eq(fake_size(json, "path"), 3); /* the root, the bag, the leaf */
    ck_assert_str_eq(fake_string(json, "path.1.object"), at("bag", b.bag));
    ck_assert_str_eq(fake_string(json, "path.1.name"), "{1}");
    json_decref(json);
    must_have(say(&b, "refs", line), "{1}");
    world_free(&b.w);
}
END_TEST

/* Whoever holds the lost leaf: rows, of them in the ledger fields and words, and unexplained ones.
 */
static void check_lost(const both *b, unsigned fields, unsigned words, int64_t unexplained)
{
    json_t *json = fake_json(b->w.t, "refs", text_of(b->lost));
    ck_assert_int_eq(fake_size(json, "referrers"), fields + words);
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), fields);
    ck_assert_int_eq(fake_integer(json, "ledger.words"), words);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), unexplained);
    json_decref(json);
}

static int64_t leaked_objects(const both *b)
{
    int status;
    json_t *json = fake_json_status(b->w.t, "gcleaks", "", &status);
    int64_t objects = fake_integer(json, "objects");
    json_decref(json);
    return objects;
}

START_TEST(what_the_program_took_from_a_crate_is_its_memory)
{
    both b = both_new(_i);
    char name[64];
    uint64_t raw = made_up_raw(b.w.t, crate, 6), unused = crate + 64 + 7 * 64;
    check_lost(&b, 0, 0, 1);
    fake_put(b.w.t, raw + 8, b.lost + 20, 8); /* anywhere in it */
    fake_put(b.w.t, unused + 40, b.lost, 8);
    fake_put(b.w.t, crate + 64 + 4 * 64 + 40, b.lost, 8); /* where an object was */
    fake_put(b.w.t, b.leaf + 40, b.lost, 8);              /* behind what an object has */
    b.w.t->state++;
    check_lost(&b, 0, 1, 0);
    json_t *json = fake_json(b.w.t, "refs", text_of(b.lost));
    snprintf(name, sizeof name, "crate slot 0x%" PRIx64 "+8", raw);
    ck_assert_str_eq(fake_string(json, "referrers.0.kind"), "unknown");
    ck_assert_str_eq(fake_string(json, "referrers.0.name"), name);
    json_decref(json);
    ck_assert_int_eq(leaked_objects(&b), 2); /* but the cycle */
    check_lost(&b, 0, 1, 0);                 /* from what is kept */
    world_free(&b.w);
}
END_TEST

/* Objat on an address: its status, offset, and whether the format remarks something. */
static void check_place(const both *b, uint64_t address, const char *status, long long offset,
                        bool is_remarked)
{
    json_t *json = fake_json(b->w.t, "objat", text_of(address));
    ck_assert_str_eq(fake_string(json, "status"), status);
    ck_assert_int_eq(fake_integer(json, "offset"), offset);
    if (is_remarked)
        ck_assert_str_eq(fake_string(json, "remark"), "crates are used again");
    else
        ck_assert(json_is_null(fake_at(json, "remark")));
    json_decref(json);
    ck_assert_int_eq(strstr(say(b, "objat", text_of(address)), "  crates are used again\n") != NULL,
                     is_remarked);
}

START_TEST(a_format_says_what_became_of_memory)
{
    both b = both_new(_i);
    uint64_t raw = made_up_raw(b.w.t, crate, 6), unused = crate + 64 + 7 * 64;
    check_place(&b, b.pair, "live", 0, false);
    check_place(&b, b.pair - 16, "live", -16, true);
    must_have(b.w.t->out.bytes, " - 16 bytes (the object begins at ");
    check_place(&b, b.freed, "freed", 0, true);
    check_place(&b, raw + 8, "internal", 0, true);
    check_place(&b, unused, "unused", 0, true);
    must_have(b.w.t->out.bytes, " is a free block of heap 1001\n");
    check_place(&b, b.n, "live", 0, false); /* refheap's */
    made_up_put(b.w.t, b.pair, 0, raw);
    made_up_put(b.w.t, b.twice, 0, unused);
    b.w.t->state++;
    const char *said = say(&b, "gcverify", "");
    must_have(said, ": memory in use that holds no object\n");
    must_have(said, ": a free block\n");
    made_up_put(b.w.t, b.pair, 0, b.pair - 16);
    b.w.t->state++;
    must_have(say(&b, "gcverify", ""), ": it points 16 bytes in front of pair@");
    world_free(&b.w);
}
END_TEST

START_TEST(a_table_in_a_crate_is_its_owners_alone)
{
    both b = both_new(_i);
    uint64_t raw = made_up_raw(b.w.t, crate, 6),
             bag = made_up_object(b.w.t, crate, 7, MADE_UP_BAG, 1);
    made_up_table(b.w.t, bag, raw, &b.lost, 1);
    fake_put(b.w.t, raw + 40, b.lost, 8); /* a leftover */
    fake_link(b.w.heap, b.n, OTHER, bag);
    check_lost(&b, 1, 0, 0);
    json_decref(fake_json(b.w.t, "gcgraph", ""));
    check_lost(&b, 1, 0, 0);
    world_free(&b.w);
}
END_TEST

/* As a program, its heap and its mappings do. */
START_TEST(crates_may_lie_far_apart)
{
    static const uint64_t places[] = {0x900000, 0x555500000000, 0x7ffd00000000};
    both b = both_new(_i);
    uint64_t held[3], low = 0x2000000;
    for (unsigned i = 0; i < 3; i++) {
        made_up_crate(b.w.t, descriptor, places[i], 64, 8);
        held[i] = made_up_object(b.w.t, places[i], 7, MADE_UP_LEAF, 1);
    }
    uint64_t bag = made_up_object(b.w.t, places[2], 0, MADE_UP_BAG, 1);
    made_up_table(b.w.t, bag, low, held, 3);
    json_t *json = fake_json(b.w.t, "gcfind", "");
    ck_assert_int_eq(fake_integer(json, "total"), 11);
    json_decref(json);
    json = fake_json(b.w.t, "gcgraph", text_of(bag));
    ck_assert_int_eq(fake_size(json, "nodes"), 4);
    json_decref(json);
    for (unsigned i = 0; i < 3; i++) {
        json = fake_json(b.w.t, "refs", text_of(held[i]));
        ck_assert_str_eq(fake_string(json, "referrers.0.from"), at("bag", bag));
        json_decref(json);
        json = fake_json(b.w.t, "objat", text_of(places[i] + 0x5000));
        ck_assert_str_eq(fake_string(json, "status"), "unmapped");
        json_decref(json);
    }
    world_free(&b.w);
}
END_TEST

START_TEST(a_cycle_may_lead_through_both_formats)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "gcgraph", "");
    ck_assert_int_eq(fake_size(json, "cycles"), 1);
    ck_assert_str_eq(fake_string(json, "cycles.0.verdict"), "garbage");
    ck_assert_int_eq(fake_size(json, "cycles.0.objects"), 2);
    json_decref(json);
    must_have(say(&b, "gcgraph", ""), at("pair", b.q));
    json = fake_json(b.w.t, "gcgraph", text_of(b.bag));
    ck_assert_int_eq(fake_size(json, "nodes"), 4);
    ck_assert_int_eq(fake_size(json, "edges"), 7); /* one of them borrowed */
    json_decref(json);
    must_have(say(&b, "gcgraph", text_of(b.bag)), "both");
    int status;
    json = fake_json_status(b.w.t, "gcleaks", "", &status);
    ck_assert_int_eq(fake_integer(json, "objects"), 3);
    unsigned causes = 0;
    for (unsigned i = 0; i < fake_size(json, "leaks"); i++) {
        const json_t *leak = json_array_get(fake_at(json, "leaks"), i);
        causes += !strcmp(fake_string(leak, "cause"), "cycle") ? 1 : 0;
        causes += !strcmp(fake_string(leak, "cause"), "lost_reference") &&
                          !strcmp(fake_string(leak, "representative"), at("leaf", b.lost))
                      ? 10
                      : 0;
    }
    ck_assert_uint_eq(causes, 11);
    json_decref(json);
    must_have(say(&b, "gcleaks", ""), at("leaf", b.lost));
    world_free(&b.w);
}
END_TEST

START_TEST(lists_and_totals_are_of_both)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "gcfind", "");
    ck_assert_int_eq(fake_integer(json, "total"), 7);
    json_decref(json);
    json = fake_json(b.w.t, "gcfind", "--heap=1001");
    ck_assert_int_eq(fake_integer(json, "total"), 6);
    json_decref(json);
    json = fake_json(b.w.t, "gcfind", "--type=leaf --min-refs=2");
    ck_assert_int_eq(fake_integer(json, "total"), 1);
    ck_assert_str_eq(fake_string(json, "objects.0.id"), at("leaf", b.leaf));
    ck_assert_str_eq(fake_string(json, "objects.0.value"), "<apple>");
    json_decref(json);
    json = fake_json(b.w.t, "gcfind", "--type=shop.?a*"); /* pair, bag, q */
    ck_assert_int_eq(fake_integer(json, "total"), 3);
    json_decref(json);
    json = fake_json(b.w.t, "gcfind", "--unreachable");
    ck_assert_int_eq(fake_integer(json, "total"), 3);
    json_decref(json);
    json = fake_json(b.w.t, "gcfind", "--min-size=48");
    ck_assert_int_eq(fake_integer(json, "total"), 4); /* pair, bag, q, node */
    json_decref(json);
    json = fake_json(b.w.t, "gcstat", "");
    ck_assert_int_eq(fake_size(json, "heaps"), 2);
    ck_assert_int_eq(fake_integer(json, "heaps.0.slabs"), 1);
    ck_assert_int_eq(fake_integer(json, "heaps.1.crates"), 2);
    ck_assert_int_eq(fake_integer(json, "heaps.1.objects"), 6);
    ck_assert(json_is_null(fake_at(json, "heaps.1.collector")));
    json_decref(json);
    const char *said = say(&b, "gcstat", "");
    must_have(said, "heap 1001");
    must_have(said, "2 crates of"); /* the lone one is its own */
    must_have(said, "leaf");
    must_have(say(&b, "gcfind", "--type=pair"), at("pair", b.q));
    world_free(&b.w);
}
END_TEST

START_TEST(what_does_not_fit_is_told_of_both)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "gcverify", "");
    ck_assert_int_eq(fake_size(json, "problems"), 0);
    ck_assert_int_eq(fake_integer(json, "objects_checked"), 7);
    ck_assert(json_is_true(fake_at(json, "complete")));
    json_decref(json);
    json = fake_json(b.w.t, "gcstale", "");
    ck_assert_int_eq(fake_size(json, "stale"), 0);
    json_decref(json);
    fake_put(b.w.t, b.leaf, 3, 8);              /* its count: four slots hold it */
    made_up_put(b.w.t, b.pair, 1, b.freed);     /* dangles, and owns nothing */
    made_up_put(b.w.t, b.twice, 0, b.leaf + 8); /* the middle of it */
    fake_put(b.w.t, crate + 64 + 64, 0, 8);     /* the pair's prefix says nothing any more */
    fake_put(b.w.t, crate + 64 + 64, 0x6b63617274736920ull, 8);
    b.w.t->state++;
    json = fake_json(b.w.t, "gcverify", "");
    ck_assert_int_eq(fake_integer(json, "by_kind.bad_link"), 2); /* both slots of the one word */
    ck_assert_int_eq(fake_size(json, "problems"), 2);
    json_decref(json);
    json = fake_json(b.w.t, "gcstale", "");
    ck_assert_int_eq(fake_size(json, "stale"), 1);
    ck_assert_str_eq(fake_string(json, "stale.0.was"), at("pair", b.freed));
    json_decref(json);
    must_have(say(&b, "gcstale", ""), at("pair", b.freed));
    made_up_put(b.w.t, b.twice, 0, b.leaf);
    b.w.t->state++;
    json = fake_json(b.w.t, "gcverify", "");
    ck_assert_int_eq(fake_integer(json, "by_kind.over_release"), 1);
    ck_assert_str_eq(fake_string(json, "problems.0.object"), at("leaf", b.leaf));
    json_decref(json);
    must_have(say(&b, "gcverify", ""), at("leaf", b.leaf));
    world_free(&b.w);
}
END_TEST

RUN_TESTS("inspect_formats", objects_have_addresses_for_names, what_only_one_format_knows_is_said,
          names_are_held_against_what_is_there, referrers_are_found_with_a_graph_and_without,
          what_the_program_took_from_a_crate_is_its_memory, a_format_says_what_became_of_memory,
          a_table_in_a_crate_is_its_owners_alone, crates_may_lie_far_apart,
          a_cycle_may_lead_through_both_formats, lists_and_totals_are_of_both,
          what_does_not_fit_is_told_of_both)
