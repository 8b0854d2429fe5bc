/* order.c - holds what two moments have counted against each other (see order.h).
 *
 * Counters of a heap and the clock of a copy of a runtime only grow. Where all of them are the same
 * in both, objects may have died all the same. Then serials may tell it, which are given once: but
 * where the newest objects died and none was born, the same is there as where nothing died and the
 * moments are given in the wrong order. */
#include "questions/order.h"

#include <stdlib.h>

/* ---- serials -------------------------------------------------------------------------------- */

/* The highest serial of each heap that has some. */
static void find_highest(const rhi_snapshot *s, uint64_t *highest)
{
    for (uint64_t i = 0; i < s->row_count; i++) {
        uint32_t heap = s->classes.items[s->rows[i].kind].heap;
        if (rhi__snapshot_space(s, heap)->has_serials && s->rows[i].key > highest[heap])
            highest[heap] = s->rows[i].key;
    }
}

/* The same heap in another moment; NULL: it has none. */
static const rhi_snapshot_heap *same_heap(const rhi_snapshot *other, const rhi_snapshot *snapshot,
                                          uint32_t heap)
{
    const rhi_snapshot_space *space =
        rhi__same_space(other, snapshot, rhi__snapshot_space(snapshot, heap));
    for (uint32_t i = 0; space && i < other->heaps.count; i++)
        if (other->heaps.items[i].number == snapshot->heaps.items[heap].number &&
            rhi__snapshot_space(other, i) == space)
            return &other->heaps.items[i];
    return NULL;
}

rhi_error *rhi__serials_find(const rhi_snapshot *before, const rhi_snapshot *after,
                             rhi_serials *serials)
{
    uint64_t *known = calloc(before->heaps.count + 1, sizeof *known);
    serials->highest = calloc(after->heaps.count + 1, sizeof *serials->highest);
    serials->passed = calloc(after->heaps.count + 1, sizeof *serials->passed);
    bool has_room = known && serials->highest && serials->passed;
    if (has_room) {
        find_highest(before, known);
        find_highest(after, serials->highest);
    }
    for (uint32_t i = 0; has_room && i < after->heaps.count; i++) {
        const rhi_snapshot_heap *same = same_heap(before, after, i);
        serials->passed[i] = same ? known[same - before->heaps.items] : 0;
    }
    free(known);
    return has_room ? NULL : rhi__error_memory();
}

void rhi__serials_free(rhi_serials *serials)
{
    free(serials->highest);
    free(serials->passed);
}

/* ---- counters ------------------------------------------------------------------------------- */

typedef struct evidence {
    bool as_given, turned;
} evidence;

static void weigh(evidence *e, uint64_t before, uint64_t after)
{
    e->as_given |= before < after;
    e->turned |= before > after;
}

/* Does `other` lack a heap of this copy, or, NULL, of any copy? */
static bool has_lone_heap(const rhi_snapshot *snapshot, const rhi_snapshot *other,
                          const rhi_snapshot_space *space)
{
    for (uint32_t i = 0; i < snapshot->heaps.count; i++)
        if ((!space || rhi__snapshot_space(snapshot, i) == space) && !same_heap(other, snapshot, i))
            return true;
    return false;
}

/* Does `other` lack a heap although as many were destroyed in both? Then it was not made yet. One
 * that is just being destroyed may be counted already. */
static bool has_unborn_heap(const rhi_snapshot *snapshot, const rhi_snapshot *other,
                            const rhi_snapshot_space *space)
{
    return !snapshot->provisional && !other->notes.is_incomplete &&
           has_lone_heap(snapshot, other, space);
}

/* What copies of a runtime say that are the same for certain, and are begun once. */
static evidence of_counters(const rhi_snapshot *a, const rhi_snapshot *b)
{
    evidence e = {0};
    for (uint32_t i = 0; i < a->heaps.count; i++) {
        const rhi_snapshot_heap *before = &a->heaps.items[i],
                                *after = before->has_counters ? same_heap(b, a, i) : NULL;
        if (!after || !after->has_counters)
            continue;
        weigh(&e, before->next_serial, after->next_serial);
        weigh(&e, before->freed, after->freed);
    }
    for (uint64_t i = 0; i < a->spaces.count; i++) {
        const rhi_snapshot_space *before = &a->spaces.items[i],
                                 *after = before->nonce ? rhi__same_space(b, a, before) : NULL;
        if (!after || !before->has_clock || !after->has_clock)
            continue;
        weigh(&e, before->clock, after->clock);
        e.turned |= before->clock == after->clock && has_unborn_heap(a, b, before);
        e.as_given |= before->clock == after->clock && has_unborn_heap(b, a, after);
    }
    return e;
}

/* Are there objects with serials, or without? */
static bool has_objects(const rhi_snapshot *snapshot, bool with_serials)
{
    for (uint64_t i = 0; i < snapshot->spaces.count; i++)
        if (snapshot->spaces.items[i].has_serials == with_serials &&
            snapshot->spaces.items[i].count)
            return true;
    return false;
}

enum rhi_order rhi__order(const rhi_moment *before, const rhi_moment *after)
{
    const rhi_snapshot *a = before->snapshot, *b = after->snapshot;
    evidence e = of_counters(a, b);
    if (e.turned)
        return e.as_given ? RHI_ORDER_DAMAGED : RHI_ORDER_TURNED;
    if (e.as_given || (after->session && rhi__memory_process(&after->session->memory)))
        return RHI_ORDER_AS_GIVEN; /* what runs is later than what was saved of it */
    if (a->saved_at && b->saved_at && !has_objects(b, true))
        weigh(&e, a->saved_at, b->saved_at);
    return e.as_given ? RHI_ORDER_AS_GIVEN : e.turned ? RHI_ORDER_TURNED : RHI_ORDER_OPEN;
}

/* ---- what is said --------------------------------------------------------------------------- */

rhi_error *rhi__order_refused(const rhi_moment *before, const rhi_moment *after)
{
    return rhi__error("%.200s is not later than %.200s: give the earlier one first", after->name,
                      before->name);
}

static rhi_error *newest_are_gone(const rhi_snapshot *before, const rhi_snapshot *after, bool *gone)
{
    rhi_serials serials;
    rhi_error *error = rhi__serials_find(before, after, &serials);
    *gone = false;
    for (uint64_t i = 0; i < after->heaps.count && !error; i++)
        *gone |= serials.highest[i] < serials.passed[i];
    rhi__serials_free(&serials);
    return error;
}

/* Of a copy that may have been begun anew, with a clock that begins at 0. */
static evidence of_clocks(const rhi_snapshot *a, const rhi_snapshot *b)
{
    evidence e = {0};
    for (uint64_t i = 0; i < a->spaces.count; i++) {
        const rhi_snapshot_space *before = &a->spaces.items[i],
                                 *after = before->nonce ? NULL : rhi__same_space(b, a, before);
        if (after && before->has_clock && after->has_clock)
            weigh(&e, before->clock, after->clock);
    }
    return e;
}

/* Are there objects of which serials tell nothing: they have none, or are of heaps that only one of
 * the moments has? A copy of a runtime without heaps is in no snapshot, and so is its clock. */
static bool is_beyond_serials(const rhi_snapshot *a, const rhi_snapshot *b)
{
    return !has_objects(b, true) || has_objects(a, false) || has_objects(b, false) ||
           has_lone_heap(a, b, NULL) || has_lone_heap(b, a, NULL);
}

/* Of such objects. */
static void say_if_unknown(rhi_session *session, const rhi_moment *before, const rhi_moment *after)
{
    evidence e = of_clocks(before->snapshot, after->snapshot);
    char text[900];
    if (e.turned)
        rhi__text(
            text, sizeof text,
            "the collector had run more often at %.200s than at %.200s: %.200s is the earlier "
            "one of the two, unless the program began the collector's runtime anew in between",
            before->name, after->name, after->name);
    else if (!e.as_given)
        rhi__text(text, sizeof text,
                  "nothing tells which one of %.200s and %.200s is the earlier one: if it is "
                  "%.200s, what is said to be born has died, and the other way round",
                  before->name, after->name, after->name);
    if (e.turned || !e.as_given)
        rhi__note(&session->remarks, text);
}

rhi_error *rhi__order_check(rhi_session *session, const rhi_moment *before, const rhi_moment *after,
                            bool is_other)
{
    char text[640];
    bool is_open = false;
    enum rhi_order order = rhi__order(before, after);
    if (order == RHI_ORDER_TURNED)
        return rhi__order_refused(before, after);
    if (order == RHI_ORDER_DAMAGED) {
        rhi__text(text, sizeof text,
                  "counters of heaps contradict each other about which one of %.200s and %.200s is "
                  "the earlier one: they are damaged",
                  before->name, after->name);
        rhi__note(&session->notes, text);
    }
    if (order != RHI_ORDER_OPEN)
        return NULL;
    if (!after->snapshot->notes.is_incomplete)
        RHI_TRY(newest_are_gone(before->snapshot, after->snapshot, &is_open));
    if (is_open) {
        rhi__text(text, sizeof text,
                  "the newest objects of %.200s are not there at %.200s, and no newer ones: they "
                  "died, or %.200s is the earlier one of the two, and they were not born yet",
                  before->name, after->name, after->name);
        rhi__note(&session->remarks, text);
    } else if (is_other && is_beyond_serials(before->snapshot, after->snapshot))
        say_if_unknown(session, before, after);
    return NULL;
}
