/* runtime_twin.h - a trivially correct model of a heap, for random programs (runtime_random.c).
 *
 * The twin is a table of things: who holds whom in which slot, and how often the program itself
 * holds each. Everything follows from it by searching the table again and again: counts, what
 * dies by a release, what is reachable, which objects are candidate roots, what a full or a young
 * collection looks at and frees.
 *
 * Invariant: between two calls of the runtime the twin is settled: a thing exists in it iff its
 * object is alive. While a call runs, only finalizers and the collector's callbacks bring it up
 * to date. */
#ifndef RUNTIME_TWIN_H
#define RUNTIME_TWIN_H

#include "runtime_test.h"

enum { THINGS = 40, SLOTS = 4 };

/* What kinds of objects there are. */
enum kind { PLAIN, TAIL, VECTOR, LARGE, CLOSER, CLOSER_VECTOR, LEAF, CLOSER_LEAF, HOLDER, KINDS };

typedef struct kind_traits {
    int slots;
    bool has_finalizer;
    bool is_acyclic;
    bool has_vector;
} kind_traits;

static const kind_traits traits[KINDS] = {
    [PLAIN] = {SLOTS, false, false, false}, [TAIL] = {SLOTS, false, false, false},
    [VECTOR] = {SLOTS, false, false, true}, [LARGE] = {SLOTS, false, false, false},
    [CLOSER] = {SLOTS, true, false, false}, [CLOSER_VECTOR] = {SLOTS, true, false, true},
    [LEAF] = {0, false, true, false},       [CLOSER_LEAF] = {0, true, true, false},
    [HOLDER] = {SLOTS, false, true, false}, /* declared acyclic: no cycle goes through it */
};

typedef struct thing {
    bool exists;
    bool is_immortal, is_finalized, is_disposed, is_frozen, is_listed;
    bool is_candidate, is_fresh;
    bool may_be_candidate; /* its count fell in a full collection that proved it live */
    /* the weak reference to it reads it: not any more once it was dying or condemned */
    bool has_weak;
    enum kind kind;
    unsigned epoch; /* collections before its birth */
    void *object;
    uint64_t serial;
    int held;         /* counts of the program, globals included */
    int slots[SLOTS]; /* id + 1, 0: NULL */
} thing;

static thing things[THINGS];
static unsigned epoch;
static bool has_old_rule;
static unsigned long long twin_seed;
static int twin_step;

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("seed %llu, step %d, line %d: %s", twin_seed, twin_step, __LINE__,        \
                         #condition);                                                              \
    } while (0)

/* The running collection. */
static struct {
    bool is_running;
    bool is_full;
    bool is_decided;      /* the condemned set was tried again behind the finalizers */
    int finalized;        /* finalizers that ran in it */
    int visits;           /* things it looks at */
    int found;            /* newly listed */
    bool rescued[THINGS]; /* looked at, and held from outside */
    bool condemned[THINGS];
    bool stays[THINGS]; /* by the old rule, with a finalizer of its own to run */
} collection;

/* ---- counts --------------------------------------------------------------------------------- */

static int twin_count(int id)
{
    int count = things[id].held;
    for (int i = 0; i < THINGS; i++)
        for (int n = 0; things[i].exists && n < SLOTS; n++)
            count += things[i].slots[n] == id + 1;
    return count;
}

static bool is_tracked(int id)
{
    return !traits[things[id].kind].is_acyclic && !things[id].is_immortal;
}

/* It gave a count up, and lives on for all that is known now. */
static void lost(int id)
{
    thing *self = &things[id];
    if (!self->exists || !is_tracked(id) || self->is_frozen || self->is_candidate)
        return;
    self->is_candidate = true;
    self->is_fresh = self->epoch == epoch;
}

static void forget_candidate(int id)
{
    things[id].is_candidate = things[id].is_fresh = things[id].may_be_candidate = false;
}

static void twin_die(int id)
{
    thing *self = &things[id];
    HOLDS(!traits[self->kind].has_finalizer || self->is_finalized);
    self->exists = self->is_listed = false;
    forget_candidate(id);
    for (int n = 0; n < SLOTS; n++) {
        int child = self->slots[n];
        self->slots[n] = 0;
        if (child && collection.is_running && collection.is_full && collection.rescued[child - 1])
            things[child - 1].may_be_candidate = true;
        else if (child)
            lost(child - 1);
    }
}

/* Whoever is held by nothing is dead, again and again; but not the pinned. */
static void settle(const bool *pinned)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < THINGS; i++)
            if (things[i].exists && !things[i].is_immortal && !(pinned && pinned[i]) &&
                twin_count(i) == 0) {
                twin_die(i);
                changed = true;
            }
    }
}

/* ---- reachability --------------------------------------------------------------------------- */

/* Marks what the marked things hold, within `set` (NULL: everything that exists). */
static void mark_from(bool *marks, const bool *set)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < THINGS; i++)
            for (int n = 0; marks[i] && n < SLOTS; n++) {
                int child = things[i].slots[n] - 1;
                if (child >= 0 && !marks[child] && (!set || set[child]))
                    marks[child] = changed = true;
            }
    }
}

/* What the program reaches; frozen and immortal things count as held. */
static void mark_reachable(bool *marks)
{
    for (int i = 0; i < THINGS; i++)
        marks[i] = things[i].exists &&
                   (things[i].held > 0 || things[i].is_immortal || things[i].is_frozen);
    mark_from(marks, NULL);
}

/* Marks members of `set` that the program or something outside of the set holds, and what those
 * reach. */
static void mark_held_from_outside(const bool *set, bool *marks)
{
    for (int i = 0; i < THINGS; i++) {
        marks[i] = set[i] && (things[i].held > 0 || things[i].is_immortal);
        for (int k = 0; set[i] && k < THINGS; k++)
            for (int n = 0; things[k].exists && !set[k] && n < SLOTS; n++)
                marks[i] |= things[k].slots[n] == i + 1;
    }
    mark_from(marks, set);
}

static bool reaches(int from, int to)
{
    bool marks[THINGS] = {false};
    marks[from] = true;
    mark_from(marks, NULL);
    return marks[to];
}

/* Would `from` holding `to` close a cycle through something that is declared acyclic? */
static bool is_forbidden(int from, int to)
{
    if (!reaches(to, from))
        return false;
    for (int i = 0; i < THINGS; i++)
        if (things[i].exists && traits[things[i].kind].is_acyclic && reaches(to, i) &&
            reaches(i, from))
            return true;
    return false;
}

/* ---- collections ---------------------------------------------------------------------------- */

/* The members that a collection looks at: all, or what the fresh candidates reach. */
static void mark_trial(bool is_full, bool *trial)
{
    bool members[THINGS];
    for (int i = 0; i < THINGS; i++) {
        members[i] = things[i].exists && is_tracked(i) && !things[i].is_frozen &&
                     (is_full || things[i].epoch == epoch);
        trial[i] =
            is_full ? members[i] : members[i] && things[i].is_candidate && things[i].is_fresh;
    }
    mark_from(trial, members);
}

static bool has_finalizer_to_run(int id)
{
    return traits[things[id].kind].has_finalizer && !things[id].is_finalized;
}

static void twin_collection_starts(bool is_full)
{
    bool trial[THINGS], held[THINGS], kept[THINGS];
    memset(&collection, 0, sizeof collection);
    collection.is_running = true;
    collection.is_full = is_full;
    mark_trial(is_full, trial);
    mark_held_from_outside(trial, held);
    epoch++;
    for (int i = 0; i < THINGS; i++) {
        collection.visits += trial[i];
        collection.rescued[i] = trial[i] && held[i];
        collection.condemned[i] = trial[i] && !held[i];
        things[i].is_fresh = false;
        if (is_full && trial[i] && held[i])
            forget_candidate(i); /* proved live */
        if (trial[i] && held[i])
            things[i].is_listed = false;
        kept[i] = collection.stays[i] =
            has_old_rule && collection.condemned[i] && has_finalizer_to_run(i);
    }
    mark_from(kept, trial);
    for (int i = 0; i < THINGS; i++)
        if ((collection.condemned[i] &= !kept[i]))
            things[i].has_weak = false;
}

/* The finalizers of the condemned have run: who is held from outside now survives, the others are
 * dead. */
static void twin_decide(void)
{
    bool *condemned = collection.condemned, survivors[THINGS];
    collection.is_decided = true;
    bool pinned[THINGS];
    for (int i = 0; i < THINGS; i++)
        pinned[i] = condemned[i] || collection.stays[i];
    settle(pinned);
    mark_held_from_outside(condemned, survivors);
    for (int i = 0; i < THINGS; i++)
        if (condemned[i] && survivors[i])
            lost(i);
    for (int i = 0; i < THINGS; i++)
        if (condemned[i] && !survivors[i])
            twin_die(i);
}

static void twin_collection_stops(void)
{
    if (!collection.is_decided)
        twin_decide();
    for (int i = 0; i < THINGS; i++)
        if (collection.stays[i] && twin_count(i) > 0)
            lost(i); /* the collector held it, too */
    settle(NULL);
    for (int i = 0; i < THINGS; i++)
        if (collection.stays[i] && things[i].exists && !things[i].is_immortal) {
            collection.found += !things[i].is_listed;
            things[i].is_listed = true;
        }
    collection.is_running = false;
}

#endif
