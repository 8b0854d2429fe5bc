/* inspect_formats_guesses.c - which count has which owner where slots and roots are guesses or
 * objects are in motion, in two heap formats at once (two_formats.h): nothing certain rests on a
 * guess. */
#include "two_formats.h"

/* ---- slots that are guesses ----------------------------------------------------------------- */

/* A word of the stack that holds an address. */
static void remember(const both *b, unsigned place, uint64_t value)
{
    fake_put(b->w.t, stack + 0x1100 + 8ull * place, value, 8);
    b->w.t->state++;
}

START_TEST(a_guess_counts_and_is_called_conservative)
{
    both b = both_new(_i);
    uint64_t opaque = made_up_object(b.w.t, crate, 6, MADE_UP_OPAQUE, 1),
             only = made_up_object(b.w.t, crate, 7, MADE_UP_LEAF, 1);
    made_up_put(b.w.t, opaque, 0, only);
    made_up_put(b.w.t, b.pair, 1, 0);
    uint64_t held[] = {b.leaf, b.pair, b.twice, opaque};
    made_up_table(b.w.t, b.bag, spare, held, 4);
    for (int pass = 0; pass < 2; pass++) { /* without a graph, and with one */
        json_t *json = fake_json(b.w.t, "refs", text_of(only));
        ck_assert_uint_eq(fake_size(json, "referrers"), 1);
        ck_assert_str_eq(fake_string(json, "referrers.0.kind"), "field");
        ck_assert_str_eq(fake_string(json, "referrers.0.strength"), "conservative");
        ck_assert_str_eq(fake_string(json, "referrers.0.name"), "word");
        ck_assert_int_eq(fake_integer(json, "ledger.fields"), 1);
        ck_assert_int_eq(fake_integer(json, "ledger.guessed"), 1);
        ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0);
        json_decref(json);
        json_decref(fake_json(b.w.t, "gcgraph", ""));
    }
    json_t *json = fake_json(b.w.t, "objat", text_of(opaque));
    ck_assert_str_eq(fake_string(json, "fields.0.kind"), "conservative");
    ck_assert_str_eq(fake_string(json, "fields.0.target"), at("leaf", only));
    json_decref(json);
    json = fake_json(b.w.t, "refs", text_of(opaque));
    ck_assert_str_eq(fake_string(json, "referents.0.strength"), "conservative");
    json_decref(json);
    json = fake_json(b.w.t, "gcgraph", text_of(only));
    unsigned guesses = 0;
    for (size_t i = 0; i < fake_size(json, "edges"); i++) {
        const json_t *edge = json_array_get(fake_at(json, "edges"), i);
        bool is_guess = !strcmp(fake_string(edge, "strength"), "conservative");
        ck_assert_int_eq(is_guess, !strcmp(fake_string(edge, "from"), at("opaque", opaque)));
        guesses += is_guess;
    }
    ck_assert_uint_eq(guesses, 1);
    json_decref(json);
    must_have(say(&b, "refs", text_of(only)), "ledger: 1 count: 1 field (1 of them a word that "
                                              "nothing declares); nothing unexplained");
    must_have(say(&b, "refs", text_of(opaque)),
              "word                         -> conservative leaf");
    must_have(say(&b, "objat", text_of(opaque)), "conservative 0x");
    must_have(say(&b, "gcgraph", text_of(opaque)), "conservative <");
    ck_assert_int_eq(total_of(&b, "gcleaks", "objects"), 3); /* as without it */
    world_free(&b.w);
}
END_TEST

START_TEST(nothing_certain_rests_on_a_guess)
{
    both b = both_new(_i);
    uint64_t opaque = made_up_object(b.w.t, crate, 6, MADE_UP_OPAQUE, 1);
    made_up_put(b.w.t, b.pair, 1, 0);
    uint64_t held[] = {b.leaf, b.pair, b.twice, opaque};
    made_up_table(b.w.t, b.bag, spare, held, 4);
    made_up_put(b.w.t, opaque, 0, b.leaf);  /* one more than its four counts */
    made_up_put(b.w.t, opaque, 1, b.freed); /* where an object was */
    b.w.t->state++;
    ck_assert_int_eq(total_of(&b, "gcverify", "problems"), 0);
    ck_assert_int_eq(total_of(&b, "gcstale", "stale"), 0);
    ck_assert_int_eq(total_of(&b, "gcstale", "possible"), 1);
    json_t *json = fake_json(b.w.t, "refs", text_of(b.leaf));
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), 5);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), -1);
    ck_assert(json_is_true(fake_at(json, "complete")));
    json_decref(json);
    must_have(say(&b, "refs", text_of(b.leaf)), "need not own one");
    ck_assert(!strstr(say(&b, "refs", text_of(b.leaf)), "over-released"));
    fake_put(b.w.t, b.leaf, 3, 8); /* now the declared ones alone are more */
    b.w.t->state++;
    json = fake_json(b.w.t, "gcverify", "");
    ck_assert_int_eq(fake_integer(json, "by_kind.over_release"), 1);
    must_have(fake_string(json, "problems.0.detail"), "4 fields of live objects hold it");
    json_decref(json);
    ck_assert_int_eq(total_of(&b, "gcstale", "stale"), 4);
    must_have(say(&b, "refs", text_of(b.leaf)), "over-released: 1 more reference than counts");
    world_free(&b.w);
}
END_TEST

/* An opaque one and a pair that hold each other, and nobody else does. */
static uint64_t guessed_cycle(const both *b)
{
    uint64_t opaque = made_up_object(b->w.t, crate, 6, MADE_UP_OPAQUE, 1),
             pair = made_up_object(b->w.t, crate, 7, MADE_UP_PAIR, 1);
    made_up_put(b->w.t, opaque, 0, pair);
    made_up_put(b->w.t, pair, 0, opaque);
    b->w.t->state++;
    return pair;
}

START_TEST(garbage_by_guesses_is_certain_where_no_word_leads_to_it)
{
    both b = both_new(_i);
    int status;
    fake_put(b.w.t, b.lost, 1ull << 63, 8); /* immortal: nothing else is leaked but n and q */
    uint64_t pair = guessed_cycle(&b);
    json_t *json = fake_json_status(b.w.t, "gcleaks", "--check", &status);
    ck_assert_int_eq(status, 1);
    ck_assert_int_eq(fake_integer(json, "objects"), 4);
    for (size_t i = 0; i < fake_size(json, "leaks"); i++)
        ck_assert(!json_object_get(json_array_get(fake_at(json, "leaks"), i), "guessed"));
    json_decref(json);
    json = fake_json(b.w.t, "gcgraph", ""); /* which looks for no words */
    ck_assert_uint_eq(fake_size(json, "cycles"), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *cycle = json_array_get(fake_at(json, "cycles"), i);
        bool is_ours = !strncmp(fake_string(cycle, "objects.0"), "opaque", 6);
        ck_assert_str_eq(fake_string(cycle, "verdict"), "garbage");
        ck_assert_int_eq(json_is_true(json_object_get(cycle, "guessed")), is_ours);
    }
    json_decref(json);
    must_have(say(&b, "gcgraph", ""), "inside, if words that nothing declares own what they hold");
    fake_put(b.w.t, b.n, 1ull << 32, 8); /* and these no more */
    remember(&b, 0, pair);
    json = fake_json_status(b.w.t, "gcleaks", "", &status);
    unsigned guessed = 0;
    for (size_t i = 0; i < fake_size(json, "leaks"); i++)
        guessed +=
            json_is_true(json_object_get(json_array_get(fake_at(json, "leaks"), i), "guessed"));
    ck_assert_uint_eq(guessed, 1);
    json_decref(json);
    must_have(say(&b, "gcleaks", ""), "garbage only if words that nothing declares own");
    must_have(say(&b, "refs", text_of(pair)), "if words that nothing declares own what they hold");
    world_free(&b.w);
}
END_TEST

START_TEST(what_an_exact_root_holds_is_no_garbage_by_guesses)
{
    both b = both_new(_i);
    uint64_t pair = guessed_cycle(&b);
    fake_put(b.w.t, b.bag, 1ull << 63, 8);
    fake_put(b.w.t, rooted, pair, 8);
    json_t *json = fake_json(b.w.t, "gcgraph", text_of(pair));
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    ck_assert_str_eq(fake_string(json, "cycles.0.verdict"), "held");
    json_decref(json);
    ck_assert_int_eq(total_of(&b, "gcleaks", "objects"), 3);
    ck_assert_int_eq(total_of(&b, "gcverify", "problems"), 0);
    world_free(&b.w);
}
END_TEST

/* ---- counts without an owner ---------------------------------------------------------------- */

static const json_t *leak_of(const json_t *json, const char *id)
{
    for (size_t i = 0; i < fake_size(json, "leaks"); i++) {
        const json_t *leak = json_array_get(fake_at(json, "leaks"), i);
        if (!strcmp(fake_string(leak, "representative"), id))
            return leak;
    }
    return NULL;
}

START_TEST(each_owner_explains_one_count)
{
    both b = both_new(_i);
    int status;
    json_t *json;
    fake_map(b.w.t, words_at, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    made_up_put(b.w.t, b.pair, 1, 0);
    fake_put(b.w.t, b.bag, 4, 8); /* one is the root's */
    for (unsigned words = 0; words < 4; words++) {
        if (words)
            fake_put(b.w.t, words_at + 8 * words, b.bag, 8);
        b.w.t->state++;
        json = fake_json(b.w.t, "refs", text_of(b.bag));
        ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 3 - words);
        json_decref(json);
        json = fake_json_status(b.w.t, "gcleaks", "", &status);
        const json_t *leak = leak_of(json, at("bag", b.bag));
        ck_assert_int_eq(leak != NULL, words < 3);
        if (leak) {
            ck_assert_str_eq(fake_string(leak, "cause"), "lost_reference");
            ck_assert_int_eq(fake_integer(leak, "counts_lost"), 3 - words);
            ck_assert_int_eq(fake_integer(leak, "retained"), 0); /* in use all the same */
        }
        ck_assert(!leak_of(json, at("leaf", b.leaf))); /* what it holds is not lost */
        json_decref(json);
        if (words == 0)
            must_have(say(&b, "gcleaks", ""),
                      "  4 counts: 1 owned by roots or words, 3 owned by nobody that was found (it "
                      "is in use all the same: a root or word holds it, too)\n");
    }
    /* of a program whose variables own counts, a stack's word may stand for several */
    fake_put(b.w.t, words_at + 8, 0, 8);
    remember(&b, 3, b.bag);
    json = fake_json_status(b.w.t, "gcleaks", "", &status);
    ck_assert(!leak_of(json, at("bag", b.bag)));
    json_decref(json);
    fake_put(b.w.t, words_at + 16, 0, 8);
    b.w.t->state++;
    json = fake_json_status(b.w.t, "gcleaks", "", &status);
    ck_assert(leak_of(json, at("bag", b.bag))); /* this format is none */
    json_decref(json);
    world_free(&b.w);
}
END_TEST

START_TEST(a_word_of_a_stack_may_stand_for_several_variables)
{
    both b = both_new(_i);
    int status;
    uint64_t twice = new_node(&b.w, 2), memory = new_node(&b.w, 2);
    fake_map(b.w.t, words_at, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(b.w.t, words_at, memory, 8);
    remember(&b, 0, twice);
    json_t *json = fake_json_status(b.w.t, "gcleaks", "", &status);
    ck_assert(!leak_of(json, id_of(&b.w, twice)));
    ck_assert_int_eq(fake_integer(leak_of(json, id_of(&b.w, memory)), "counts_lost"), 1);
    json_decref(json);
    world_free(&b.w);
}
END_TEST

START_TEST(lost_references_are_told_by_type_and_line)
{
    both b = both_new(_i);
    int status;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t leaf = made_up_lone(b.w.t, descriptor, spare + 0x10000 * i, MADE_UP_TWICE, 2);
        made_up_site(b.w.t, descriptor, leaf, i ? 7 : 9);
    }
    made_up_put(b.w.t, b.pair, 1, 0);
    uint64_t one = made_up_object(b.w.t, crate, 6, MADE_UP_PAIR, 1),
             other = made_up_object(b.w.t, crate, 7, MADE_UP_PAIR, 1);
    made_up_put(b.w.t, one, 0, other);
    made_up_put(b.w.t, other, 0, one);
    b.w.t->state++;
    json_t *json = fake_json_status(b.w.t, "gcleaks", "", &status);
    ck_assert_uint_eq(fake_size(json, "lost_by_type"), 2);
    ck_assert_str_eq(fake_string(json, "lost_by_type.0.type"), "twice");
    ck_assert_int_eq(fake_integer(json, "lost_by_type.0.objects"), 3);
    ck_assert_int_eq(fake_integer(json, "lost_by_type.0.counts_lost"), 6);
    ck_assert_str_eq(fake_string(json, "lost_by_type.1.type"), "leaf");
    unsigned lines = 0;
    for (size_t i = 0; i < fake_size(json, "groups"); i++) {
        const json_t *group = json_array_get(fake_at(json, "groups"), i);
        if (json_is_object(fake_at(group, "site")))
            lines += (unsigned)(fake_integer(group, "site.line") * fake_integer(group, "count"));
    }
    ck_assert_uint_eq(lines, 7 * 2 + 9);                    /* two of line 7 are alike */
    ck_assert_int_eq(fake_integer(json, "collectable"), 2); /* n is untracked, and holds q */
    json_decref(json);
    const char *said = say(&b, "gcleaks", "");
    must_have(said, "    lost references: 3 twice, 1 leaf\n");
    must_have(said, "    sweep() would find 2 of them\n");
    must_have(said, "  born in stack_up() at shelf.c:7\n");
    world_free(&b.w);
}
END_TEST

/* There is one problem, until a thread changes what the object holds. */
static void check_that_motion_excuses(const both *b, uint64_t object)
{
    b->w.t->state++;
    ck_assert_int_eq(total_of(b, "gcverify", "problems"), 1);
    fake_put(b->w.t, object - 8, 1, 8);
    b->w.t->state++;
    ck_assert_int_eq(total_of(b, "gcverify", "problems"), 0);
    ck_assert_int_eq(total_of(b, "gcstale", "stale"), 0);
}

START_TEST(nothing_certain_rests_on_an_object_in_motion)
{
    both b = both_new(_i);
    made_up_put(b.w.t, b.pair, 1, 0);
    uint64_t held[] = {b.leaf, b.pair, b.twice, b.leaf}; /* once more than it has counts */
    made_up_table(b.w.t, b.bag, spare, held, 4);
    check_that_motion_excuses(&b, b.bag);
    world_free(&b.w);
}
END_TEST

/* A frame that is made of an old one holds what it has no count of yet, and a root owns the only
 * one. */
START_TEST(a_root_owns_its_count_before_an_object_in_motion_does)
{
    both b = both_new(_i);
    made_up_put(b.w.t, b.pair, 0, b.bag); /* which has the one count of the root */
    made_up_put(b.w.t, b.pair, 1, 0);
    fake_put(b.w.t, b.leaf, 3, 8);
    check_that_motion_excuses(&b, b.pair);
    world_free(&b.w);
}
END_TEST

START_TEST(no_certain_statement_rests_on_a_root_that_is_guessed)
{
    both b = both_new(_i);
    for (unsigned guess = 0; guess < 2; guess++) {
        made_up_root(b.w.t, descriptor, rooted | (guess ? MADE_UP_GUESS : 0));
        b.w.t->state++;
        json_t *json = fake_json(b.w.t, "refs", text_of(b.bag));
        ck_assert_str_eq(fake_string(json, "referrers.0.kind"), "root");
        ck_assert_str_eq(fake_string(json, "referrers.0.strength"),
                         guess ? "conservative" : "strong");
        ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0); /* it is the owner */
        ck_assert_int_eq(fake_integer(json, "ledger.exact"), guess ? 0 : 1);
        json_decref(json);
        json = fake_json(b.w.t, "gcleaks", "");
        ck_assert_uint_eq(fake_size(json, "leaks"), 2); /* n and q; the lost one */
        json_decref(json);
    }
    for (unsigned guess = 0; guess < 2; guess++) { /* all of the leaf's counts are in fields */
        made_up_root(b.w.t, descriptor, rooted | (guess ? MADE_UP_GUESS : 0));
        fake_put(b.w.t, rooted, b.leaf, 8);
        b.w.t->state++;
        json_t *json = fake_json(b.w.t, "gcverify", "");
        json_t *found = fake_at(json, "by_kind.root_without_count");
        ck_assert_int_eq(found ? json_integer_value(found) : 0, guess ? 0 : 1);
        json_decref(json);
        json = fake_json(b.w.t, "gcstale", "");
        ck_assert_uint_eq(fake_size(json, "stale"), guess ? 0 : 1);
        json_decref(json);
        fake_put(b.w.t, rooted, b.freed, 8);
        b.w.t->state++;
        json = fake_json(b.w.t, "gcstale", "");
        ck_assert_uint_eq(fake_size(json, "stale"), guess ? 0 : 1);
        ck_assert_uint_eq(fake_size(json, "possible"), guess ? 1 : 0);
        json_decref(json);
        json = fake_json(b.w.t, "gcverify", "");
        found = fake_at(json, "by_kind.bad_root");
        ck_assert_int_eq(found ? json_integer_value(found) : 0, guess ? 0 : 1);
        json_decref(json);
    }
    world_free(&b.w);
}
END_TEST

RUN_TESTS("inspect_formats_guesses", a_guess_counts_and_is_called_conservative,
          nothing_certain_rests_on_a_guess, garbage_by_guesses_is_certain_where_no_word_leads_to_it,
          what_an_exact_root_holds_is_no_garbage_by_guesses, each_owner_explains_one_count,
          a_word_of_a_stack_may_stand_for_several_variables,
          lost_references_are_told_by_type_and_line, nothing_certain_rests_on_an_object_in_motion,
          a_root_owns_its_count_before_an_object_in_motion_does,
          no_certain_statement_rests_on_a_root_that_is_guessed)
