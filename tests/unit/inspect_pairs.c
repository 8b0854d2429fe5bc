/* inspect_pairs.c - which retain a release gave back, by stacks: as pairs.h defines it, and bounded
 * whatever a record holds. */
#include "questions/pairs.h"
#include "unit_main.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 4096, DEPTH = 8 };

/* Events oldest first, as they are written down here: "kind stack", a call a letter, innermost
 * first. */
static rhi_event events[MANY];

static void add(rhi_pairs *pairs, const char *text)
{
    rhi_event event = {.kind = *text == '*'   ? RHI_EVENT_ALLOC
                               : *text == '+' ? RHI_EVENT_RETAIN
                               : *text == '-' ? RHI_EVENT_RELEASE
                                              : RHI_EVENT_FINALIZE,
                       .traced = true};
    for (const char *call = text + 1; *call; call++)
        event.stack[event.depth++] = (uint64_t)*call;
    memmove(events + 1, events, pairs->event_count++ * sizeof *events);
    events[0] = event;
}

static rhi_pairs pair(int64_t stored, const char *const *texts)
{
    rhi_work work = {0};
    rhi_pairs pairs = {.events = events, .stored = stored};
    for (; *texts; texts++)
        add(&pairs, *texts);
    ck_assert_ptr_null(rhi__pair_events(&work, DEPTH, &pairs));
    return pairs;
}

/* "ab 1/2, cd 0-1/1": what is open of what was taken, of each group. */
static const char *text_of(const rhi_pairs *pairs)
{
    static char text[1024];
    size_t length = 0;
    text[0] = '\0';
    for (uint64_t i = 0; i < pairs->groups.count; i++) {
        const rhi_pair_group *g = &pairs->groups.items[i];
        length += (size_t)snprintf(text + length, sizeof text - length, "%s", i ? ", " : "");
        for (unsigned k = 0; k < g->event->depth; k++)
            text[length++] = (char)g->event->stack[k];
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   g->at_least == g->at_most ? " %d/%d" : " %d/%d(%d-%d)",
                                   (int)g->open, (int)g->taken, (int)g->at_least, (int)g->at_most);
    }
    return text;
}

#define PAIR(stored, expected, ...)                                                                \
    do {                                                                                           \
        rhi_pairs pairs = pair(stored, (const char *const[]){__VA_ARGS__, NULL});                  \
        ck_assert_str_eq(text_of(&pairs), expected);                                               \
        free(pairs.groups.items);                                                                  \
    } while (0)

START_TEST(a_release_gives_back_what_shares_the_most_outer_calls)
{
    PAIR(1, "am 1/1", "*am");
    PAIR(1, "am 1/1", "*am", "+bxm", "-cxm");
    /* the one that came between is of another call */
    PAIR(2, "dym 1/1, am 1/1", "*am", "+bxm", "+dym", "-cxm");
    /* of several of one stack one is left */
    PAIR(2, "bxm 1/3, am 1/1", "*am", "+bxm", "-cxm", "+bxm", "+bxm", "-cxm");
}
END_TEST

START_TEST(who_has_a_better_partner_elsewhere_waits_for_it)
{
    /* `z` shares only main with both; those taken in x are given back in x */
    PAIR(1, "bxm 1/2", "*am", "+bxm", "-cxm", "+bxm", "-zm");
}
END_TEST

START_TEST(where_stacks_leave_a_choice_there_is_a_range)
{
    PAIR(1, "am 1/1(0-1), bm 0/1(0-1)", "*am", "+bm", "-zm");
}
END_TEST

START_TEST(stacks_that_are_cut_off_go_on_in_each_other)
{
    /* both are of DEPTH calls; the outer ones of the deeper one are missing */
    PAIR(2, "xyCDEfgh 1/1, qrstuvwx 1/1", "*qrstuvwx", "+yzabcdef", "+xyCDEfgh", "-wabcdefg");
}
END_TEST

START_TEST(what_is_older_than_the_record_is_counted)
{
    rhi_pairs pairs = pair(3, (const char *const[]){"+bxm", "-cxm", "-zm", NULL});
    ck_assert_int_eq(pairs.early, 4);
    ck_assert_uint_eq(pairs.early_open, 3);
    ck_assert(!pairs.from_birth && rhi__pairs_fit(&pairs));
    pairs = pair(5, (const char *const[]){"*am", "+bxm", NULL});
    ck_assert_int_eq(pairs.early, 3);
    ck_assert(!rhi__pairs_fit(&pairs)); /* changes were not recorded */
    free(pairs.groups.items);
    pairs = pair(1, (const char *const[]){"*am", "+bxm", NULL});
    ck_assert_int_eq(pairs.early, -1);
    ck_assert(!rhi__pairs_fit(&pairs));
    free(pairs.groups.items);
    pairs = pair(0, (const char *const[]){"-am", "+am", "-am", NULL});
    ck_assert_int_eq(pairs.early, 1);
    ck_assert_uint_eq(pairs.early_open + pairs.groups.count + pairs.unmatched, 0);
}
END_TEST

static void check_sums(const rhi_pairs *pairs)
{
    int64_t open = (int64_t)pairs->early_open;
    for (uint64_t i = 0; i < pairs->groups.count; i++) {
        const rhi_pair_group *g = &pairs->groups.items[i];
        open += (int64_t)g->open;
        ck_assert(g->at_least <= g->open && g->open <= g->at_most && g->open <= g->taken);
        ck_assert(i == 0 || g[-1].open >= g->open);
    }
    if (pairs->early >= 0)
        ck_assert_int_eq(open - (int64_t)pairs->unmatched, pairs->stored);
}

START_TEST(sums_hold_whatever_a_record_holds)
{
    srand(1);
    for (int round = 0; round < 300; round++) {
        rhi_work work = {0};
        rhi_pairs pairs = {.events = events, .event_count = (uint64_t)(rand() % 200)};
        memset(events, 0, sizeof events);
        for (uint64_t i = 0; i < pairs.event_count; i++) {
            events[i].kind = (uint8_t)(rand() % (round % 2 ? 16 : 2) + (round % 2 ? 0 : 6));
            events[i].depth = (uint8_t)(rand() % (RHI_STACK_MAX + 1));
            for (unsigned k = 0; k < events[i].depth; k++)
                events[i].stack[k] = (uint64_t)(rand() % 3);
        }
        pairs.stored = rand() % 60 - 5;
        ck_assert_ptr_null(rhi__pair_events(&work, (uint64_t)(rand() % 40), &pairs));
        check_sums(&pairs);
        free(pairs.groups.items);
    }
}
END_TEST

START_TEST(too_many_stacks_are_not_paired_and_that_is_said)
{
    rhi_work work = {0};
    rhi_pairs pairs = {.events = events, .event_count = MANY, .stored = MANY};
    for (int i = 0; i < MANY; i++)
        events[i] = (rhi_event){.kind = RHI_EVENT_RETAIN, .depth = 1, .stack = {(uint64_t)i}};
    ck_assert_ptr_null(rhi__pair_events(&work, DEPTH, &pairs));
    ck_assert(pairs.has_many && pairs.groups.count == 0);
}
END_TEST

UNIT_MAIN("inspect_pairs", NULL, NULL, a_release_gives_back_what_shares_the_most_outer_calls,
          who_has_a_better_partner_elsewhere_waits_for_it,
          where_stacks_leave_a_choice_there_is_a_range, stacks_that_are_cut_off_go_on_in_each_other,
          what_is_older_than_the_record_is_counted, sums_hold_whatever_a_record_holds,
          too_many_stacks_are_not_paired_and_that_is_said)
