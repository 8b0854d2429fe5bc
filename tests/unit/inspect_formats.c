/* inspect_formats.c - two heap formats in one target (two_formats.h): every command answers about
 * both: what objects are called, who holds them, lists, cycles, lines, paths. */
#include "two_formats.h"

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
    ck_assert_uint_eq(fake_size(json, "fields"), 2);
    ck_assert_str_eq(fake_string(json, "fields.0.name"), "left");
    ck_assert_str_eq(fake_string(json, "fields.0.kind"), "strong");
    ck_assert_str_eq(fake_string(json, "fields.0.value"), text_of(b.leaf));
    ck_assert_str_eq(fake_string(json, "fields.0.target"), at("leaf", b.leaf));
    ck_assert_str_eq(fake_string(json, "fields.0.target_value"), "<apple>");
    ck_assert_str_eq(fake_string(json, "fields.1.name"), "right");
    ck_assert_str_eq(fake_string(json, "fields.1.kind"), "borrowed");
    json_decref(json);
    json = fake_json(b.w.t, "objat", text_of(b.bag)); /* its slots lie elsewhere */
    ck_assert_uint_eq(fake_size(json, "fields"), 3);
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
    must_have(say(&b, "objat", text_of(b.leaf)), "  born in stack_up() at shelf.c:13\n");
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

/* What cannot be an operand is told with what can, in the forms of the formats that are there. */
START_TEST(errors_show_names_that_work_here)
{
    static const char hint[] =
        "; variables of Crate are no operands: gcfind finds their objects (leaf@0x70…)";
    static const char taken[] = "\n  'x' was taken for a name in C; variables of Crate are no";
    both b = both_new(_i);
    must_have(fake_json_failure(b.w.t, "refs", "nobody"), "'nobody'");
    must_have(fake_json_failure(b.w.t, "refs", "nobody"), hint);
    fake_value(b.w.t, "x", rooted - 0x10000);
    must_have(say(&b, "objat", "x"), taken);
    ck_assert_ptr_null(strstr(say(&b, "objat", text_of(rooted - 0x10000)), "taken for a name"));
    b.w.t->target.evaluate = NULL; /* the shell */
    must_have(fake_json_failure(b.w.t, "refs", "nobody"), "objects (node#12 or leaf@0x70…), ");
    must_have(fake_json_failure(b.w.t, "refs", "nobody"), hint);
    must_have(fake_json_failure(b.w.t, "refs", "7fa"), "hexadecimal numbers begin with 0x");
    fake_root(b.w.heap, rooted, "twice");
    fake_root(b.w.heap, rooted + 8, "twice");
    b.w.t->state++;
    must_have(fake_json_failure(b.w.t, "refs", "twice"), "several variables are called so: at 0x");
    must_have(fake_json_failure(b.w.t, "refs", "twice"), hint);
    char spoken[80];
    snprintf(spoken, sizeof spoken, "<%s>", at("pair", b.pair));
    must_have(say(&b, "objat", spoken), at("pair", b.pair));
    snprintf(spoken, sizeof spoken, "<shop.pair object at 0x%" PRIx64 ">", b.pair);
    must_have(say(&b, "objat", spoken), at("pair", b.pair));
    snprintf(spoken, sizeof spoken, "<shop.bag object at 0x%" PRIx64 ">", b.pair);
    must_have(fake_json_failure(b.w.t, "objat", spoken), at("pair", b.pair));
    must_have(fake_json_failure(b.w.t, "objat", "<shop.pair object at 0x>"), "cannot evaluate");
    snprintf(spoken, sizeof spoken, "'<shop.pair object at 0x%" PRIx64 ">'", b.pair);
    must_have(say(&b, "objat", spoken), " is pair@");
    *strrchr(spoken, '\'') = '"'; /* not that with which it began */
    must_have(fake_json_failure(b.w.t, "objat", spoken), "cannot evaluate");
    must_have(fake_json_failure(b.w.t, "objat", "<"), "cannot evaluate");
    world_free(&b.w);
}
END_TEST

static void check_referrers_of_leaf(const both *b)
{
    json_t *json = fake_json(b->w.t, "refs", text_of(b->leaf));
    ck_assert_uint_eq(fake_size(json, "referrers"), 4);
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
    ck_assert_uint_eq(fake_size(json, "referrers"), 1);
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
    ck_assert_uint_eq(fake_size(json, "path"), 3); /* the root, the bag, the leaf */
    ck_assert_str_eq(fake_string(json, "path.1.object"), at("bag", b.bag));
    ck_assert_str_eq(fake_string(json, "path.1.name"), "{1}");
    json_decref(json);
    must_have(say(&b, "refs", line), " {1} -> leaf@");
    must_have(say(&b, "refs", text_of(b.leaf)), "{1} "); /* no dot before it */
    ck_assert(!strstr(b.w.t->out.bytes, ".{1}"));
    world_free(&b.w);
}
END_TEST

START_TEST(a_cycle_may_lead_through_both_formats)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "gcgraph", "");
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    ck_assert_str_eq(fake_string(json, "cycles.0.verdict"), "garbage");
    ck_assert_uint_eq(fake_size(json, "cycles.0.objects"), 2);
    json_decref(json);
    must_have(say(&b, "gcgraph", ""), at("pair", b.q));
    json = fake_json(b.w.t, "gcgraph", text_of(b.bag));
    ck_assert_uint_eq(fake_size(json, "nodes"), 4);
    ck_assert_uint_eq(fake_size(json, "edges"), 7); /* one of them borrowed */
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
    ck_assert_uint_eq(fake_size(json, "heaps"), 2);
    ck_assert_int_eq(fake_integer(json, "heaps.0.slabs"), 1);
    ck_assert_int_eq(fake_integer(json, "heaps.1.crates"), 1);
    ck_assert_int_eq(fake_integer(json, "heaps.1.lone"), 1);
    ck_assert_int_eq(fake_integer(json, "heaps.1.objects"), 6);
    ck_assert(json_is_null(fake_at(json, "heaps.1.collector")));
    json_decref(json);
    const char *said = say(&b, "gcstat", "");
    must_have(said, "heap 1001");
    must_have(said, "1 crate of");
    must_have(said, "1 object outside of them");
    must_have(said, "leaf");
    must_have(say(&b, "gcfind", "--type=pair"), at("pair", b.q));
    world_free(&b.w);
}
END_TEST

START_TEST(what_does_not_fit_is_told_of_both)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "gcverify", "");
    ck_assert_uint_eq(fake_size(json, "problems"), 0);
    ck_assert_int_eq(fake_integer(json, "objects_checked"), 7);
    ck_assert(json_is_true(fake_at(json, "complete")));
    json_decref(json);
    json = fake_json(b.w.t, "gcstale", "");
    ck_assert_uint_eq(fake_size(json, "stale"), 0);
    json_decref(json);
    fake_put(b.w.t, b.leaf, 3, 8);              /* its count: four slots hold it */
    made_up_put(b.w.t, b.pair, 1, b.freed);     /* dangles, and owns nothing */
    made_up_put(b.w.t, b.twice, 0, b.leaf + 8); /* the middle of it */
    fake_put(b.w.t, crate + 64 + 64, 0, 8);     /* the pair's prefix says nothing any more */
    fake_put(b.w.t, crate + 64 + 64, 0x6b63617274736920ull, 8);
    b.w.t->state++;
    json = fake_json(b.w.t, "gcverify", "");
    ck_assert_int_eq(fake_integer(json, "by_kind.bad_link"), 2); /* both slots of the one word */
    ck_assert_uint_eq(fake_size(json, "problems"), 2);
    json_decref(json);
    json = fake_json(b.w.t, "gcstale", "");
    ck_assert_uint_eq(fake_size(json, "stale"), 3);
    ck_assert_str_eq(fake_string(json, "stale.0.was"), at("pair", b.freed));
    ck_assert_str_eq(fake_string(json, "stale.1.evidence"), "inside another object");
    ck_assert_str_eq(fake_string(json, "stale.1.now"), at("leaf", b.leaf));
    ck_assert_str_eq(fake_string(json, "stale.2.evidence"), "inside another object");
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

START_TEST(live_objects_are_told_by_the_line_that_made_them)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "gcstat", "--sites");
    ck_assert_uint_eq(fake_size(json, "heaps.1.sites"), 0);
    ck_assert_int_eq(fake_integer(json, "heaps.1.without_site"), 6);
    json_decref(json);
    must_have(say(&b, "gcstat", "--sites"), "  where its objects were made is not recorded: "
                                            "SHELF_NOTES=1 does that\n");
    must_have(say(&b, "gcstat", "--sites"),
              "  of none of its objects a line is known: an older runtime made "
              "them, or functions that were called without a line\n");
    made_up_site(b.w.t, descriptor, b.bag, 12);
    made_up_site(b.w.t, descriptor, b.pair, 14);
    made_up_site(b.w.t, descriptor, b.twice, 14);
    b.w.t->state++;
    json = fake_json(b.w.t, "gcstat", "--sites");
    ck_assert_uint_eq(fake_size(json, "heaps.1.sites"), 2);
    ck_assert_str_eq(fake_string(json, "heaps.1.sites.0.file"), "shelf.c");
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.0.line"), 14);
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.0.objects"), 2);
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.0.bytes"), 72);
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.0.retained"), 72); /* both hold the leaf */
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.1.line"), 12);
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.1.objects"), 1);
    /* the bag's own bytes, the pair's, the twice's and the leaf's */
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.1.retained"), 48 + 72 + 24);
    ck_assert_str_eq(fake_string(json, "heaps.1.sites.1.sample"), at("bag", b.bag));
    ck_assert_int_eq(fake_integer(json, "heaps.1.without_site"), 3);
    json_decref(json);
    json = fake_json(b.w.t, "gcstat", "--sites --limit=1 --heap=1001 --no-retained");
    ck_assert_int_eq(fake_integer(json, "heaps.0.sites_total"), 2);
    ck_assert(json_is_null(fake_at(json, "heaps.0.sites.0.retained")));
    json_decref(json);
    const char *said = say(&b, "gcstat", "--sites");
    must_have(said, "             2             72             72  shelf.c:14 ");
    must_have(said, "  of 3 more objects no line is known\n");
    world_free(&b.w);
}
END_TEST

START_TEST(a_slot_may_lead_to_an_object_that_is_not_known)
{
    both b = both_new(_i);
    made_up_put(b.w.t, b.pair, 1, 0);
    const uint64_t values[] = {stack, rooted + 4, 0x123456780000, crate + 16};
    for (unsigned i = 0; i < 4; i++) { /* memory of others; and what no object's address is */
        made_up_put(b.w.t, b.twice, 0, values[i]);
        fake_put(b.w.t, b.leaf, 2, 8);
        b.w.t->state++;
        ck_assert_int_eq(total_of(&b, "gcverify", "problems"), i ? 2 : 0);
        int status;
        json_t *json = fake_json_status(b.w.t, "gcleaks", "", &status);
        ck_assert_int_eq(json_is_true(fake_at(json, "complete")), i == 0);
        json_decref(json);
    }
    world_free(&b.w);
}
END_TEST

START_TEST(names_of_objects_are_completed)
{
    both b = both_new(_i);
    char offered[256];
    ck_assert_uint_eq(
        rhi_complete(b.w.t->session, &b.w.t->target, "refs", "pa", offered, sizeof offered), 1);
    ck_assert_str_eq(offered, "pair@0x");
    ck_assert_uint_eq(
        rhi_complete(b.w.t->session, &b.w.t->target, "refs", "no", offered, sizeof offered), 1);
    ck_assert_str_eq(offered, "node#");
    world_free(&b.w);
}
END_TEST

/* Of objects that lie alone in memory of others some may not be found. */
START_TEST(a_root_may_hold_an_object_that_is_not_known)
{
    both b = both_new(_i);
    made_up_root(b.w.t, descriptor, rooted);
    for (unsigned is_mapped = 0; is_mapped < 2; is_mapped++) {
        fake_put(b.w.t, rooted, is_mapped ? rooted + 64 : 0x10, 8);
        b.w.t->state++;
        json_t *json = fake_json(b.w.t, "gcverify", "");
        json_t *found = fake_at(json, "by_kind.bad_root");
        ck_assert_int_eq(found ? json_integer_value(found) : 0, is_mapped ? 0 : 1);
        json_decref(json);
    }
    world_free(&b.w);
}
END_TEST

START_TEST(a_path_has_an_expression_in_the_language_of_its_objects)
{
    both b = both_new(_i);
    char line[64];
    snprintf(line, sizeof line, "--path 0x%" PRIx64, b.twice);
    json_t *json = fake_json(b.w.t, "refs", line);
    ck_assert_str_eq(fake_string(json, "language_expression.language"), "Crate");
    ck_assert_str_eq(fake_string(json, "language_expression.text"), "crate {3}");
    json_decref(json);
    must_have(say(&b, "refs", line), "in Crate: crate {3}\n");
    made_up_root(b.w.t, descriptor, rooted | MADE_UP_GUESS); /* now it has none */
    b.w.t->state++;
    json = fake_json(b.w.t, "refs", line);
    ck_assert_ptr_null(fake_at(json, "language_expression"));
    ck_assert_uint_eq(fake_size(json, "path"), 3);
    json_decref(json);
    snprintf(line, sizeof line, "--path 0x%" PRIx64, b.n); /* no root leads to it */
    json = fake_json(b.w.t, "refs", line);
    ck_assert_ptr_null(fake_at(json, "language_expression"));
    json_decref(json);
    world_free(&b.w);
}
END_TEST

RUN_TESTS("inspect_formats", objects_have_addresses_for_names, what_only_one_format_knows_is_said,
          names_are_held_against_what_is_there, errors_show_names_that_work_here,
          referrers_are_found_with_a_graph_and_without, a_cycle_may_lead_through_both_formats,
          lists_and_totals_are_of_both, what_does_not_fit_is_told_of_both,
          live_objects_are_told_by_the_line_that_made_them,
          a_slot_may_lead_to_an_object_that_is_not_known, names_of_objects_are_completed,
          a_root_may_hold_an_object_that_is_not_known,
          a_path_has_an_expression_in_the_language_of_its_objects)
