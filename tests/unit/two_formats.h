/* two_formats.h - two heap formats in one target: refheap's, and a made-up one that differs from it
 * in all that the seam allows (made_up_format.h). */
#ifndef TWO_FORMATS_H
#define TWO_FORMATS_H

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

static inline both both_new(int layout)
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

static inline void must_have(const char *said, const char *wanted)
{
    ck_assert_msg(strstr(said, wanted) != NULL, "no '%s' in: %s", wanted, said);
}

static const uint64_t spare = 0x700000500000, words_at = 0x700000600000;

static inline long long total_of(const both *b, const char *command, const char *key)
{
    int status;
    json_t *json = fake_json_status(b->w.t, command, "", &status);
    long long total = json_is_integer(fake_at(json, key)) ? fake_integer(json, key)
                                                          : (long long)fake_size(json, key);
    json_decref(json);
    return total;
}

#endif
