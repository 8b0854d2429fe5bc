/* inspect_pairs.c - which retain a release gave back, by stacks: as pairs.h defines it, and bounded
 * whatever a record holds. */
#include "questions/pairs.h"
#include "unit_main.h"

#include <check.h>
#include <limits.h>
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

/* ---- all admissible pairings, one after the other ------------------------------------------- */

enum { FEW = 14 };

typedef struct truth {
    const rhi_pairs *pairs;
    unsigned open[FEW], least[FEW], most[FEW]; /* by the first event that has the stack */
} truth;

static bool is_same_stack(const rhi_event *a, const rhi_event *b)
{
    return a->depth == b->depth && memcmp(a->stack, b->stack, a->depth * sizeof *a->stack) == 0;
}

static uint64_t first_of_stack(const rhi_pairs *pairs, uint64_t event)
{
    for (uint64_t i = 0; i < event; i++)
        if (is_same_stack(&pairs->events[i], &pairs->events[event]))
            return i;
    return event;
}

static unsigned shared_outer(const rhi_event *a, const rhi_event *b)
{
    unsigned count = 0;
    while (count < a->depth && count < b->depth &&
           a->stack[a->depth - 1 - count] == b->stack[b->depth - 1 - count])
        count++;
    return count;
}

/* Of two retains, the one that a release prefers has more. */
static int preference(const rhi_pairs *pairs, const rhi_event *release, const rhi_event *retain)
{
    unsigned best = 0;
    for (uint64_t i = 0; i < pairs->event_count; i++)
        if (pairs->events[i].kind == RHI_EVENT_RELEASE &&
            shared_outer(&pairs->events[i], retain) > best)
            best = shared_outer(&pairs->events[i], retain);
    return (int)(shared_outer(release, retain) * 64) - (int)best;
}

/* Goes on with the events before `left`, the newest of them at last. */
static void try_all(truth *t, uint64_t left)
{
    if (left == 0) {
        for (int i = 0; i < FEW; i++) {
            t->least[i] = t->open[i] < t->least[i] ? t->open[i] : t->least[i];
            t->most[i] = t->open[i] > t->most[i] ? t->open[i] : t->most[i];
        }
        return;
    }
    const rhi_event *event = &t->pairs->events[left - 1];
    if (event->kind != RHI_EVENT_RELEASE) {
        uint64_t its = first_of_stack(t->pairs, left - 1);
        t->open[its]++;
        try_all(t, left - 1);
        t->open[its]--;
        return;
    }
    int most = INT_MIN;
    for (uint64_t i = 0; i < t->pairs->event_count; i++)
        if (t->open[i] && preference(t->pairs, event, &t->pairs->events[i]) > most)
            most = preference(t->pairs, event, &t->pairs->events[i]);
    for (uint64_t i = 0; i < t->pairs->event_count; i++) {
        if (!t->open[i] || preference(t->pairs, event, &t->pairs->events[i]) != most)
            continue;
        t->open[i]--;
        try_all(t, left - 1);
        t->open[i]++;
    }
    if (most == INT_MIN)
        try_all(t, left - 1);
}

/* 1: each range is what the pairings say; 0: some is wider, but excludes none of them. */
static int compare_ranges(const rhi_pairs *pairs)
{
    truth t = {.pairs = pairs};
    memset(t.least, 255, sizeof t.least);
    try_all(&t, pairs->event_count);
    bool is_exact = true;
    unsigned listed = 0, open = 0;
    for (uint64_t i = 0; i < pairs->groups.count; i++) {
        const rhi_pair_group *g = &pairs->groups.items[i];
        uint64_t its = first_of_stack(pairs, (uint64_t)(g->event - pairs->events));
        ck_assert_uint_le(g->at_least, t.least[its]);
        ck_assert_uint_ge(g->at_most, t.most[its]);
        is_exact &= g->at_least == t.least[its] && g->at_most == t.most[its];
        listed += t.most[its] > 0;
    }
    for (int i = 0; i < FEW; i++)
        open += t.most[i] > 0;
    ck_assert_uint_eq(listed, open); /* no stack is left out */
    return is_exact;
}

START_TEST(no_range_excludes_an_admissible_pairing)
{
    enum { ROUNDS = 20000 };
    int exact = 0, unsure = 0;
    srand(2);
    for (int round = 0; round < ROUNDS; round++) {
        rhi_work work = {0};
        rhi_pairs pairs = {.events = events, .event_count = 1 + (uint64_t)rand() % FEW};
        int calls = 2 + rand() % 2, depth = 1 + rand() % 4;
        memset(events, 0, FEW * sizeof *events);
        for (uint64_t i = 0; i < pairs.event_count; i++) {
            events[i].kind = rand() % 5 < 2 ? RHI_EVENT_RELEASE : RHI_EVENT_RETAIN;
            events[i].depth = (uint8_t)(1 + rand() % depth);
            for (unsigned k = 0; k < events[i].depth; k++)
                events[i].stack[k] = (uint64_t)(1 + rand() % calls);
        }
        ck_assert_ptr_null(rhi__pair_events(&work, DEPTH, &pairs));
        exact += compare_ranges(&pairs);
        for (uint64_t i = 0; i < pairs.groups.count; i++)
            unsure += pairs.groups.items[i].at_least != pairs.groups.items[i].at_most;
        free(pairs.groups.items);
    }
    ck_assert_int_gt(unsure, ROUNDS / 10);
    ck_assert_int_gt(exact, ROUNDS / 100 * 99); /* and few are wider than need be */
}
END_TEST

/* ---- pauses --------------------------------------------------------------------------------- */

/* What happened to an object, and what is recorded of it: it is traced now and then. */
typedef struct life {
    rhi_pairs pairs;
    int64_t count, began_with, ended_with;
    uint64_t kept, left; /* changes in the last record, and in those before it */
    bool is_traced;
} life;

static void record(life *l, unsigned kind)
{
    rhi_event *events_ = l->pairs.events;
    memmove(events_ + 1, events_, l->pairs.event_count++ * sizeof *events_);
    events_[0] = (rhi_event){.kind = (uint8_t)kind,
                             .traced = true,
                             .depth = (uint8_t)(kind >= RHI_EVENT_BEGIN ? 0 : 1 + rand() % 3),
                             .count = kind >= RHI_EVENT_BEGIN ? l->count : 0};
    for (unsigned k = 0; k < events_[0].depth; k++)
        events_[0].stack[k] = (uint64_t)(1 + rand() % 2);
}

static void begin(life *l)
{
    record(l, RHI_EVENT_BEGIN);
    l->began_with = l->count;
    l->left += l->kept;
    l->kept = 0;
    l->is_traced = true;
}

static void step(life *l)
{
    bool takes = l->count == 1 || rand() % 5 < 3;
    if (rand() % 6) {
        l->count += takes ? 1 : -1;
        if (l->is_traced) {
            record(l, takes ? RHI_EVENT_RETAIN : RHI_EVENT_RELEASE);
            l->kept++;
        }
    } else if (!l->is_traced) {
        begin(l);
    } else {
        if (rand() % 2) /* else it was taken off from outside */
            record(l, RHI_EVENT_END);
        l->ended_with = l->count;
        l->is_traced = false;
    }
}

START_TEST(a_record_begins_behind_the_last_pause)
{
    int ended = 0, paused = 0;
    srand(3);
    for (int round = 0; round < 5000; round++) {
        rhi_work work = {0};
        memset(events, 0, 2 * FEW * sizeof *events);
        life l = {.pairs = {.events = events}, .count = 1 + rand() % 3};
        for (int n = rand() % 3; n > 0; n--)
            l.count++;
        begin(&l);
        for (int n = 0; n < FEW; n++)
            step(&l);
        l.pairs.stored = l.count;
        l.pairs.is_traced = l.is_traced;
        l.pairs.is_ended = !l.is_traced;
        ck_assert_ptr_null(rhi__pair_events(&work, DEPTH, &l.pairs));
        ck_assert(rhi__pairs_fit(&l.pairs) && rhi__pairs_decided(&l.pairs) == l.is_traced);
        ck_assert_int_eq(l.pairs.early, l.began_with);
        ck_assert_int_eq(l.pairs.stored, l.is_traced ? l.count : l.ended_with);
        ck_assert_uint_eq(l.pairs.retains + l.pairs.releases, l.kept);
        ck_assert_uint_eq(l.pairs.earlier, l.left);
        check_sums(&l.pairs);
        compare_ranges(&l.pairs);
        ended += !l.is_traced;
        paused += l.left > 0 && l.is_traced;
        free(l.pairs.groups.items);
    }
    ck_assert_int_gt(ended, 500);
    ck_assert_int_gt(paused, 500);
}
END_TEST

START_TEST(a_record_whose_numbers_contradict_each_other_is_undecided)
{
    rhi_work work = {0};
    life l = {.pairs = {.events = events, .is_traced = true}, .count = 2};
    begin(&l);
    record(&l, RHI_EVENT_RETAIN);
    l.pairs.stored = 4; /* 3 */
    ck_assert_ptr_null(rhi__pair_events(&work, DEPTH, &l.pairs));
    ck_assert(!rhi__pairs_decided(&l.pairs));
    free(l.pairs.groups.items);
    /* an end that no beginning follows */
    l = (life){.pairs = {.events = events, .is_traced = true, .stored = 3}, .count = 2};
    begin(&l);
    record(&l, RHI_EVENT_END);
    record(&l, RHI_EVENT_RETAIN);
    ck_assert_ptr_null(rhi__pair_events(&work, DEPTH, &l.pairs));
    ck_assert(!rhi__pairs_decided(&l.pairs));
    free(l.pairs.groups.items);
}
END_TEST

START_TEST(an_unsure_choice_makes_later_ones_unsure)
{
    /* -Q gave back what was taken in y or in x; so the release in p that of x, or that of z */
    PAIR(2, "yqQm 1/2(0-1), am 1/1, zpQm 0/2(0-1)", "*am", "+yqQm", "-qQm", "+zpQm", "-zpQm",
         "+zpQm", "+yqQm", "+xpQm", "-Qm", "-pQm");
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
          a_record_begins_behind_the_last_pause,
          a_record_whose_numbers_contradict_each_other_is_undecided,
          an_unsure_choice_makes_later_ones_unsure, no_range_excludes_an_admissible_pairing,
          what_is_older_than_the_record_is_counted, sums_hold_whatever_a_record_holds,
          too_many_stacks_are_not_paired_and_that_is_said)
