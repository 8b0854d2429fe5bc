/* inspect_holders.c - lists of rows that are longer than is kept: the first in the order of answers
 * stay, whatever order they come in, and the others are counted. */
#include "words/holders.h"
#include "unit_main.h"

#include <check.h>

enum { KEPT = RHI_HOLDERS_MAX, RUNS = 3 };

static void collect(rhi_holders *holders, rhi_holder row)
{
    ck_assert_ptr_null(rhi__collect_holder(holders, &row));
    ck_assert_uint_le(holders->count, 2 * KEPT);
}

/* Row i of the list has the address `first + i / times`. */
static void must_be(const rhi_holders *holders, uint64_t first, uint64_t times, uint64_t left_out)
{
    ck_assert_uint_eq(holders->count, KEPT);
    ck_assert_uint_eq(holders->left_out.rows, left_out);
    for (uint64_t i = 0; i < KEPT; i++)
        ck_assert_msg(holders->items[i].address == first + i / times, "row %d", (int)i);
}

static void must_keep_the_first(uint64_t factor)
{
    enum { ROWS = 4 * KEPT }; /* a power of 2: each odd factor makes another order of all */
    rhi_holders holders = {0};
    for (uint64_t i = 0; i < ROWS; i++)
        collect(&holders,
                (rhi_holder){.kind = RHI_HOLDER_STACK, .address = 100 + i * factor % ROWS});
    rhi__sort_holders(&holders);
    must_be(&holders, 100, 1, ROWS - KEPT);
    ck_assert_uint_eq(holders.left_out.others, ROWS - KEPT);
    rhi__holders_free(&holders);
}

START_TEST(the_first_rows_stay_in_whatever_order_they_come)
{
    must_keep_the_first(1);
    must_keep_the_first(UINT32_MAX); /* downwards */
    must_keep_the_first(0x9E3779B1);
}
END_TEST

/* As many objects that have the same vector: each word of it comes once for each of them. */
START_TEST(the_first_rows_of_many_runs_stay)
{
    rhi_holders holders = {0};
    for (uint32_t run = 0; run < RUNS; run++)
        for (uint64_t i = 0; i < KEPT; i++)
            collect(&holders, (rhi_holder){.kind = RHI_HOLDER_FIELD,
                                           .strong = true,
                                           .in_live = run % 2,
                                           .address = 8 + i,
                                           .index = (RUNS - run)});
    rhi__sort_holders(&holders);
    must_be(&holders, 8, RUNS, (RUNS - 1) * KEPT);
    ck_assert_uint_eq(holders.items[0].index, 1);
    uint64_t kept_live = 0;
    for (uint64_t i = 0; i < KEPT; i++)
        kept_live += holders.items[i].in_live;
    ck_assert_uint_eq(holders.left_out.fields, RUNS / 2 * (uint64_t)KEPT - kept_live);
    rhi__holders_free(&holders);
}
END_TEST

/* Garbage comes behind all else, and a list that was emptied begins anew. */
START_TEST(what_is_garbage_gives_way)
{
    rhi_holders holders = {0};
    for (uint64_t i = 0; i < 2 * KEPT; i++)
        collect(&holders, (rhi_holder){.kind = RHI_HOLDER_FIELD, .address = i, .in_garbage = true});
    for (uint64_t i = 0; i < KEPT; i++)
        collect(&holders, (rhi_holder){.kind = RHI_HOLDER_UNKNOWN, .address = 5 * KEPT + i});
    rhi__sort_holders(&holders);
    must_be(&holders, 5 * KEPT, 1, 2 * KEPT);
    holders.count = 0;
    for (uint64_t i = 2 * KEPT; i-- > 0;)
        collect(&holders, (rhi_holder){.kind = RHI_HOLDER_UNKNOWN, .address = 9 * KEPT + i});
    rhi__sort_holders(&holders);
    must_be(&holders, 9 * KEPT, 1, 3 * KEPT);
    rhi__holders_free(&holders);
}
END_TEST

UNIT_MAIN("inspect_holders", NULL, NULL, the_first_rows_stay_in_whatever_order_they_come,
          the_first_rows_of_many_runs_stay, what_is_garbage_gives_way)
