/* inspect_malloc.c - words in blocks of malloc: which blocks are in use, what reaches them, and
 * that what is damaged costs a name, never a word (fake_arena.h). */
#include "fake_arena.h"

/* Another arena, the last of the list, in two heaps. */
static void second_arena(arena *a)
{
    uint64_t info_size = a->form->safe_links ? 48 : 32, main_state = a->state;
    fake_map(a->w.t, heap_one, 0x30000, RW, "");
    fake_map(a->w.t, heap_two, 0x30000, RW, "");
    arena_at(a, heap_one + info_size);
    fake_put(a->w.t, main_state + (a->next_at - a->state), a->state, 8);
    fake_put(a->w.t, a->next_at, main_state, 8);
    const uint64_t infos[2][3] = {{a->state, 0, 0x20000}, {a->state, heap_one, 0x30000}};
    fake_copy(a->w.t, heap_one, infos[0], sizeof infos[0]);
    fake_copy(a->w.t, heap_two, infos[1], sizeof infos[1]);
    a->is_main = a->last_is_free = false;
    a->at = (a->next_at + 40 + 15) & ~15ull;
    mixed_chunks(a);
    chunk(a, heap_one + 0x20000 - 0x20 - a->at, USED);
    fake_put(a->w.t, a->at + 8, 0x11, 8); /* fenceposts */
    fake_put(a->w.t, a->at + 24, 1, 8);
    a->at = heap_two + info_size;
    mixed_chunks(a);
    top(a, heap_two + 0x30000);
}

START_TEST(blocks_in_use_hold_and_free_ones_do_not)
{
    for (unsigned f = 0; f < FORMS; f++) {
        arena *a = arena_new(_i, &forms[f]);
        check(a);
        second_arena(a);
        check(a);
        arena_free(a);
    }
}
END_TEST

START_TEST(a_block_with_a_mapping_of_its_own)
{
    arena *a = arena_new(_i, &forms[0]);
    fake_map(a->w.t, big_block, 0x9000, RW, "");
    fake_put(a->w.t, big_block + 0x1000 + 8, 0x3000 | 2, 8); /* behind a page of something else */
    fake_put(a->w.t, big_block + 0x4000 + 8, 0x2000 | 2, 8); /* and right behind it another */
    fake_put(a->w.t, big_block + 0x7000 + 8, 0x5000 | 2, 8); /* longer than the mapping: none */
    for (unsigned page = 0; page < 9; page++)
        put(a, big_block + page * 0x1000 + 0x800, page >= 1 && page <= 5 ? "foreign" : "unknown");
    check(a);
    arena_free(a);
}
END_TEST

START_TEST(a_damaged_arena_loses_no_word)
{
    for (unsigned f = (unsigned)_i; f < FORMS; f += 2) {
        arena *a = arena_new(_i, &forms[f]);
        second_arena(a);
        uint64_t main_bins = module + FAKE_MODULE_DATA + 0x120 + forms[f].before_fastbins + 96,
                 tops[] = {main_bins - 16, a->top_at};
        /* clang-format off */
        uint64_t places[] = {
            first_chunk + 8, first_chunk + 0x400 + 8, a->at + 8, main_bins - 16, main_bins + 16,
            main_bins + BINS * 16 - 8, main_bins + BINS * 16 + 16, a->next_at, heap_one,
            heap_one + 8, heap_one + 16, heap_two, heap_two + 8, heap_two + 16, a->bins + 8,
            a->top_at, tops[0] - 96, tops[1] - 96, a->tcache, a->tcache + 128, a->tcache + 64,
            main_bins, main_bins + 8};
        const uint64_t values[] = {
            0, 1, 8, 16, 17, 33, 0x21000, ~0ull, ~15ull, 1ull << 63, (1ull << 63) + 1,
            first_chunk, first_chunk + 1, a->at, a->at + 16, heap_two, heap_one, a->state,
            main_bins - 16, main_bins, stack + 0x1800, a->object, brk_start, module,
            0x7ffffffff000};
        /* clang-format on */
        for (unsigned p = 0; p < sizeof places / sizeof *places; p++)
            for (unsigned v = 0; v < sizeof values / sizeof *values; v++) {
                char what[64];
                uint64_t old = fake_get(a->w.t, places[p], 8);
                fake_put(a->w.t, places[p], values[v], 8);
                snprintf(what, sizeof what, "place %u, value %u", p, v);
                check_nothing_is_lost(a, what);
                fake_put(a->w.t, places[p], old, 8);
            }
        check(a);
        uint64_t behind = first_chunk + (forms[f].count_width == 2 ? 0x290 : 0x250) + 64 + 8;
        fake_put(a->w.t, behind, 32, 8); /* as if the block before it were free */
        check_nothing_is_lost(a, "a chunk that says of the one before it what is not true");
        arena_free(a);
    }
}
END_TEST

START_TEST(free_lists_that_go_in_circles_end)
{
    arena *a = arena_new(_i, &forms[1]);
    uint64_t bin = 0; /* the smallest: of 32 bytes, in fastbins and in the thread's list */
    uint64_t fast = a->fast_heads[bin], cached = a->cache_heads[bin];
    ck_assert(fast && cached);
    fake_put(a->w.t, fast + 16, fast, 8);
    fake_put(a->w.t, cached, cached, 8);
    check_nothing_is_lost(a, "lists of one");
    fake_put(a->w.t, a->bins, a->bins - 32, 8); /* a bin in a bin */
    check_nothing_is_lost(a, "bins");
    arena_free(a);
}
END_TEST

START_TEST(arenas_that_claim_the_same_memory_are_not_believed)
{
    arena *a = arena_new(_i, &forms[0]);
    uint64_t first = a->state, end = a->at;
    arena_at(a, module + FAKE_MODULE_DATA + 0x1000); /* as of a second copy of libc */
    fake_put(a->w.t, a->top_at, end, 8);
    check_nothing_is_lost(a, "two main arenas");
    ck_assert_str_eq(kind_at(find(a), first_chunk + 0x290 + 32), "unknown");
    fake_put(a->w.t, first + 16 + 80, 0, 8);
    check(a); /* one is enough */
    arena_free(a);
}
END_TEST

START_TEST(a_block_that_nothing_reaches_owns_nothing)
{
    for (unsigned f = 0; f < FORMS; f++) {
        arena *a = arena_new(_i, &forms[f]);
        fake_target *t = a->w.t;
        uint64_t one = block_from_top(a, 0x60), two = block_from_top(a, 0x60),
                 lonely = new_node(&a->w, 1), block;
        const uint64_t root = module + FAKE_MODULE_DATA + 0x3008;
        const struct {
            uint64_t place, value;
            bool reaches;
        } ways[] = {{root, one, true},
                    {root, one + 0x58, true} /* its end */,
                    {root, one + 3, true},
                    {root, one | 0xfff9ull << 48, true},
                    {root, two, true},
                    {stack + 0x1810, two, true},
                    {stack + 0x810, two, false} /* below the stack pointer */,
                    {brk_start + 0x108, one, true} /* memory of nobody known */,
                    {two + 0x20, two, false},
                    {one + 0x18, two + 8, false}};
        fake_put(t, one + 0x10, lonely, 8);
        fake_put(t, two + 8, one + 0x20, 8);
        for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
            uint64_t old = fake_get(t, ways[i].place, 8);
            fake_put(t, ways[i].place, ways[i].value, 8);
            const char *cause = only_leak(a, &block);
            bool is_cycle = ways[i].place == one + 0x18;
            if (strcmp(cause, ways[i].reaches ? "none" : "lost_block") != 0)
                ck_abort_msg("form %u, way %u: %s", f, i, cause);
            ck_assert_uint_eq(block, ways[i].reaches ? 0 : is_cycle ? one : two);
            fake_put(t, ways[i].place, old, 8);
        }
        arena_free(a);
    }
}
END_TEST

START_TEST(a_long_way_through_blocks_is_shown_at_its_ends)
{
    enum { CHAIN = 40 };
    arena *a = arena_new(_i, &forms[0]);
    uint64_t chain[CHAIN], lonely = new_node(&a->w, 1);
    for (unsigned i = 0; i < CHAIN; i++)
        chain[i] = block_from_top(a, 0x30);
    for (unsigned i = 0; i < CHAIN; i++)
        fake_put(a->w.t, chain[i] + 8, i + 1 < CHAIN ? chain[i + 1] + 8 : lonely, 8);
    fake_put(a->w.t, module + FAKE_MODULE_DATA + 0x3008, chain[0], 8);
    a->w.t->state++;
    json_t *json = ask(&a->w, "refs", "--path", lonely);
    ck_assert_uint_eq(fake_size(json, "path"), 1 + 20 + 1 + 1);
    ck_assert_int_eq(fake_integer(json, "path_left_out"), CHAIN - 1 - 20);
    ck_assert_str_eq(fake_string(json, "path.0.kind"), "global");
    ck_assert_str_eq(fake_string(json, "path.1.address"), text_of(chain[0] + 8));
    ck_assert_str_eq(fake_string(json, "path.11.address"), text_of(chain[CHAIN - 11] + 8));
    ck_assert_str_eq(fake_string(json, "path.21.address"), text_of(chain[CHAIN - 1] + 8));
    json_decref(json);
    char line[64];
    snprintf(line, sizeof line, "--path 0x%" PRIx64, lonely);
    ck_assert_int_eq(fake_run(a->w.t, "refs", line), RHI_ANSWERED);
    ck_assert_has(a->w.t->out.bytes, "… 19 more malloc blocks … -> ");
    arena_free(a);
}
END_TEST

START_TEST(what_is_no_block_for_certain_is_not_lost)
{
    arena *a = arena_new(_i, &forms[0]);
    fake_target *t = a->w.t;
    const uint64_t private = 0x7f4500000000, objects[] = {new_node(&a->w, 1), new_node(&a->w, 1)};
    uint64_t one = block_from_top(a, 0x60), block, old = fake_get(t, one - 8, 8);
    fake_map(t, private, 0x4000, RW, "");
    fake_put(t, one + 0x10, objects[0], 8);
    /* in the midst of somebody's memory, as if a block were mapped there */
    fake_put(t, private + 0x1000 + 8, 0x1000 | 2, 8);
    fake_put(t, private + 0x1800, objects[1], 8);
    ck_assert_str_eq(only_leak(a, &block), "lost_block");
    ck_assert_uint_eq(block, one);
    fake_put(t, one - 8, 0x123450, 8); /* the arena cannot be walked */
    ck_assert_str_eq(only_leak(a, &block), "none");
    fake_put(t, one - 8, old, 8);
    t->hole_start = private + 0x2000;
    t->hole_end = private + 0x3000;
    ck_assert_str_eq(only_leak(a, &block), "undecided");
    json_t *json = ask(&a->w, "refs", "--in", objects[0]);
    ck_assert(json_is_null(fake_at(json, "referrers.0.reachable")));
    ck_assert_int_eq(fake_integer(json, "ledger.unreachable"), 1);
    json_decref(json);
    t->hole_end = t->hole_start;
    /* where the mapping begins: a block, and the next one is */
    fake_put(t, private + 8, 0x1000 | 2, 8);
    t->state++;
    json = fake_json(t, "gcleaks", "");
    ck_assert_msg(fake_size(json, "leaks") == 2, "%s", t->out.bytes);
    json_decref(json);
    arena_free(a);
}
END_TEST

START_TEST(whatever_is_written_into_an_arena_an_answer_comes)
{
    uint64_t random = 0x9E3779B97F4A7C15ull + (unsigned)_i;
    arena *a = arena_new(_i, &forms[_i]);
    second_arena(a);
    for (unsigned round = 0; round < 1500; round++) {
        uint64_t places[4], olds[4];
        for (unsigned i = 0; i < 4; i++) {
            const uint64_t starts[] = {module + FAKE_MODULE_DATA + 0x100, first_chunk - 16,
                                       heap_one, heap_two};
            const uint64_t values[] = {random,
                                       random & 0xffff,
                                       starts[random >> 7 & 3] + (random >> 20 & 0xfff8),
                                       a->puts[random >> 9 & 63].address,
                                       0,
                                       0x291};
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            places[i] = starts[random >> 33 & 3] + (random >> 40 & 0x1ff8) % 0x2000;
            olds[i] = fake_get(a->w.t, places[i], 8);
            fake_put(a->w.t, places[i], values[(random >> 50) % 6], 8);
        }
        a->w.t->state++;
        json_decref(ask(&a->w, "refs", "--in --limit=3", a->object));
        json_decref(ask(&a->w, "objat", "", a->puts[random >> 5 & 63].address));
        for (unsigned i = 4; i-- > 0;)
            fake_put(a->w.t, places[i], olds[i], 8);
    }
    check(a);
    arena_free(a);
}
END_TEST

/* What a block owns is not lost for certain, and the block is named. */
START_TEST(a_block_that_only_a_vector_register_leads_to_is_possible)
{
    arena *a = arena_new(_i, &forms[0]);
    uint64_t one = block_from_top(a, 0x60), two = block_from_top(a, 0x60),
             lonely = new_node(&a->w, 1), block;
    fake_put(a->w.t, two + 8, one + 0x20, 8);
    fake_put(a->w.t, one + 0x10, lonely, 8);
    ck_assert_str_eq(only_leak(a, &block), "lost_block");
    fake_register(a->w.t, "zmm20[7]", two);
    ck_assert_str_eq(only_leak(a, &block), "none");
    json_t *json = fake_json(a->w.t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "possible"), 1);
    ck_assert(json_is_null(fake_at(json, "possible.0.object")));
    ck_assert_str_eq(fake_string(json, "possible.0.block.address"), text_of(two));
    ck_assert_str_eq(fake_string(json, "possible.0.register"), "zmm20[7]");
    json_decref(json);
    json = ask(&a->w, "refs", "--path", lonely); /* does not make the possible certain */
    json_decref(json);
    json = fake_json(a->w.t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "possible"), 1);
    json_decref(json);
    fake_put(a->w.t, module + FAKE_MODULE_DATA + 0x3008, two, 8);
    ck_assert_str_eq(only_leak(a, &block), "none");
    json = fake_json(a->w.t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "possible"), 0);
    json_decref(json);
    arena_free(a);
}
END_TEST

RUN_TESTS("inspect_malloc", blocks_in_use_hold_and_free_ones_do_not,
          a_block_with_a_mapping_of_its_own, a_damaged_arena_loses_no_word,
          free_lists_that_go_in_circles_end, arenas_that_claim_the_same_memory_are_not_believed,
          a_block_that_nothing_reaches_owns_nothing, a_long_way_through_blocks_is_shown_at_its_ends,
          what_is_no_block_for_certain_is_not_lost,
          whatever_is_written_into_an_arena_an_answer_comes,
          a_block_that_only_a_vector_register_leads_to_is_possible)
