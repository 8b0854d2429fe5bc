/* runtime_young.c - tests of young and full collections: what they free, what they spare, and
 * that what is spared only because its holders are old is found later, by automatic collections
 * alone, too.
 *
 * A stress build runs a full collection at every birth, so that there nothing is young after a
 * birth. */
#include "runtime_test.h"

static rh_heap *heap;

static void setup_heap(void)
{
    heap = rh_heap_create(NULL);
    rh_gc_disable(heap);
    death_count = 0;
}

__attribute__((unused)) static uint64_t visited(rh_gc_generation generation)
{
    return rh_gc_get_stats(heap, generation).visited;
}

static size_t object_count(void)
{
    return rh_gc_get_counts(heap).objects;
}

/* A ring of two, held by us once. */
static node *new_ring(void)
{
    node *a = new_node(heap, &node_type, 1), *b = new_node(heap, &node_type, 2);
    rh_set(&a->next, b);
    rh_set(&b->next, a);
    rh_release(b);
    return a;
}

START_TEST(a_young_collection_frees_young_garbage_only)
{
    setup_heap();
    node *old = new_ring(), *kept = new_ring();
    rh_gc_collect_young(heap);
    node *young = new_ring();
    rh_set(&young->other, kept); /* pointing into what is old and alive */
    rh_release(old);
    rh_release(young);
#ifndef REFHEAP_GC_STRESS
    uint64_t before = visited(RH_GC_YOUNG);
    ck_assert_uint_eq(rh_gc_collect_young(heap), 2);
    ck_assert_uint_eq(visited(RH_GC_YOUNG), before + 2);
    ck_assert_uint_eq(rh_refcount(kept), 2);
    ck_assert(rh_is_object(heap, old));
    ck_assert_uint_eq(rh_gc_collect_young(heap), 0);
    ck_assert_uint_eq(visited(RH_GC_YOUNG), before + 2); /* there is nothing young any more */
    ck_assert_uint_eq(rh_gc_collect(heap), 2);
#else
    ck_assert_uint_eq(rh_gc_collect_young(heap) + rh_gc_collect(heap), 4);
#endif
    assert_valid(heap);
    rh_release(kept);
    ck_assert_uint_eq(rh_gc_collect(heap), 2);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_young_ring_held_by_old_garbage_waits_for_a_full_collection)
{
    setup_heap();
    node *old = new_ring();
    rh_gc_collect_young(heap);
    node *young = new_ring();
    rh_set(&old->other, young);
    rh_release(young);
    rh_release(old); /* garbage from here on */
    ck_assert_uint_eq(rh_gc_collect_young(heap), 0);
    ck_assert_uint_eq(rh_gc_collect_young(heap), 0);
    rh_gc_counts counts = rh_gc_get_counts(heap);
    ck_assert_uint_eq(counts.young_candidates, 0);
    ck_assert_uint_ge(counts.spared_candidates, 1); /* not forgotten */
    assert_valid(heap);
    ck_assert_uint_eq(rh_gc_collect(heap), 4);
    ck_assert_uint_eq(object_count(), 0);
    rh_heap_destroy(heap);
}
END_TEST

/* What a young collection spared by age alone is a candidate still; when its old holder dies by
 * release, nothing but the candidate's own record tells of the ring. */
START_TEST(what_was_spared_by_age_is_found_after_its_holder_died)
{
    setup_heap();
    node *holder = new_node(heap, &node_type, 1);
    rh_gc_collect_young(heap);
    node *ring = new_ring();
    rh_set(&holder->next, ring);
    rh_release(ring);
    ck_assert_uint_eq(rh_gc_collect_young(heap), 0);
    rh_release(holder);
    ck_assert_uint_eq(object_count(), 2);
    ck_assert_uint_ge(rh_gc_get_counts(heap).spared_candidates, 1);
    ck_assert_uint_eq(rh_gc_collect(heap), 2);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_chain_of_old_garbage_over_many_young_collections_goes_at_once)
{
    enum { LINKS = MANY(2000) };
    setup_heap();
    node *tail = new_ring();
    for (int i = 0; i < LINKS; i++) {
        node *young = new_ring();
        rh_set(&tail->other, young); /* the old ring holds the young one, which we hold */
        MUST(rh_gc_collect_young(heap) == 0);
        rh_release(tail); /* now only its own garbage holders are left */
        tail = young;
    }
#ifndef REFHEAP_GC_STRESS /* whose births freed them, link by link */
    ck_assert_uint_eq(object_count(), (LINKS + 1) * 2);
    assert_valid(heap);
    ck_assert_uint_eq(rh_gc_collect(heap), LINKS * 2);
#else
    rh_gc_collect(heap);
#endif
    ck_assert_uint_eq(object_count(), 2);
    rh_release(tail);
    ck_assert_uint_eq(rh_gc_collect(heap), 2);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_ring_of_old_and_young_waits_for_a_full_collection)
{
    setup_heap();
    node *old = new_node(heap, &node_type, 1);
    rh_gc_collect_young(heap);
    node *ring = new_ring();
    rh_set(&old->next, ring);
    rh_set(&ring->other, old); /* one ring of old and young */
    rh_release(ring);
    rh_release(old);
    for (int i = 0; i < 10; i++)
        ck_assert_uint_eq(rh_gc_collect_young(heap), 0);
    ck_assert_uint_eq(rh_gc_collect(heap), 3);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_ring_closed_without_a_release_needs_a_full_collection)
{
    setup_heap();
    node *a = new_node(heap, &node_type, 1), *b = new_node(heap, &node_type, 2);
    a->next = b;
    b->next = a;
    ck_assert_uint_eq(rh_gc_collect_young(heap), 0); /* no candidate: no release ever was */
    ck_assert_uint_eq(rh_gc_collect(heap), 2);
    rh_heap_destroy(heap);
}
END_TEST

/* ---- full collections ----------------------------------------------------------------------- */

START_TEST(garbage_behind_an_acyclic_object_goes_with_the_same_collection)
{
    static rh_type acyclic = {
        .name = "acyclic", .size = sizeof(node), .fields = node_fields, .flags = RH_TYPE_ACYCLIC};
    setup_heap();
    node *outer = new_ring(), *between = new_node(heap, &acyclic, 1), *inner = new_ring();
    outer->other = between;
    between->next = inner;
    rh_release(outer);
    ck_assert_uint_eq(rh_gc_collect(heap), 5);
    ck_assert_uint_eq(object_count(), 0);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(garbage_that_holds_live_objects_takes_one_collection)
{
    setup_heap();
    node *live = new_ring(), *ring = new_ring();
    rh_set(&ring->other, live);
    rh_release(ring);
    uint64_t before = rh_gc_get_stats(heap, RH_GC_FULL).collections;
    ck_assert_uint_eq(rh_gc_collect(heap), 2);
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_FULL).collections, before + 1);
    ck_assert_uint_eq(rh_refcount(live), 2);
    rh_release(live);
    ck_assert_uint_eq(rh_gc_collect(heap), 2);
    rh_heap_destroy(heap);
}
END_TEST

static rh_weak *taken;

static void take_weak(void *object)
{
    log_value(object);
    taken = rh_weak_new(object);
}

START_TEST(a_weak_reference_taken_while_condemned_reads_null_afterwards)
{
    static rh_type type = {
        .name = "takes", .size = sizeof(node), .fields = node_fields, .finalize = take_weak};
    node *later[64];
    setup_heap();
    node *a = new_node(heap, &type, 1);
    rh_set(&a->next, a);
    rh_release(a);
    ck_assert_uint_eq(rh_gc_collect(heap), 1);
    ck_assert_int_eq(death_count, 1);
    assert_valid(heap);
    ck_assert_ptr_null(rh_weak_get(taken));
    for (int i = 0; i < 64; i++) /* one of them may lie where it lay */
        later[i] = new_node(heap, &node_type, i);
    ck_assert_ptr_null(rh_weak_get(taken));
    rh_release(taken);
    for (int i = 0; i < 64; i++)
        rh_release(later[i]);
    ck_assert_uint_eq(object_count(), 0);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

/* ---- long runs under automatic collections -------------------------------------------------- */

typedef struct session {
    rh_object base;
    struct session *self, *next;
    rh_object *leaves[8];
} session;

static const rh_field session_fields[] = {RH_STRONG(session, self), RH_STRONG(session, next),
                                          RH_STRONG_ARRAY(session, leaves), RH_FIELDS_END};
static rh_type session_type = {
    .name = "session", .size = sizeof(session), .fields = session_fields};
static rh_type leaf_type = {.name = "leaf", .size = 32};

/* A program that runs for long: it has `live` objects, and sessions, each of them a ring with
 * leaves, that live long enough to grow old and then are dropped; some hold the next one when
 * they go. */
typedef struct program {
    int live;
    int leaves;      /* of a session */
    int useless;     /* full collections that find nothing, before it begins: the share grows */
    bool is_chained; /* dropped sessions hold younger ones */
    bool is_touched; /* live objects become candidates, too */
} program;

enum { WINDOW = 500, YOUNG = 100, PERCENT = 25 };

/* Objects that the program reaches. */
static size_t reachable(const program *self)
{
    return (size_t)self->live + WINDOW * (size_t)(1 + self->leaves);
}

/* Garbage is at most what its candidates stand for: one candidate per session. The last full
 * collection left no more than what is reachable; four times the percentage of that is waited for
 * at most. */
static size_t bound(const program *self)
{
    size_t left = reachable(self);
    size_t spared = left * PERCENT * 4 / 100;
    if (spared < 10 * YOUNG)
        spared = 10 * YOUNG;
    return left + (spared + 2 * YOUNG + WINDOW) * (size_t)(1 + self->leaves);
}

static node **make_live(const program *self)
{
    node **live = calloc((size_t)self->live, sizeof *live);
    for (int i = 0; i < self->live; i++)
        live[i] = new_node(heap, &node_type, i);
    rh_gc_collect_young(heap);
    for (int round = 0; round < self->useless; round++) {
        for (int i = 0; i < self->live; i++) {
            rh_retain(live[i]);
            rh_release(live[i]);
        }
        rh_gc_collect(heap);
    }
    return live;
}

static session *new_session(int leaves)
{
    session *made = rh_new(heap, &session_type);
    for (int i = 0; i < leaves; i++)
        made->leaves[i] = rh_new(heap, &leaf_type);
    rh_set(&made->self, made);
    return made;
}

static void run_program(const program *self, int steps)
{
    static session *window[WINDOW];
    setup_heap();
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = YOUNG, .full_percent = PERCENT});
    memset(window, 0, sizeof window);
    node **live = make_live(self);
    rh_gc_enable(heap);
    size_t most = 0;
    for (int i = 0; i < steps; i++) {
        session *made = new_session(self->leaves), **place = &window[i % WINDOW];
        if (self->is_chained && *place)
            rh_set(&(*place)->next, made);
        rh_release(*place);
        *place = made;
        node *young = new_node(heap, &node_type, i); /* garbage at once */
        rh_set(&young->next, young);
        rh_release(young);
        if (self->is_touched) {
            rh_retain(live[i % self->live]);
            rh_release(live[i % self->live]);
        }
        if (object_count() > most)
            most = object_count();
    }
    if (most > bound(self))
        ck_abort_msg("live %d, leaves %d, useless %d, chained %d, touched %d: %zu objects, "
                     "at most %zu expected",
                     self->live, self->leaves, self->useless, self->is_chained, self->is_touched,
                     most, bound(self));
    assert_valid(heap);
    for (int i = 0; i < WINDOW; i++)
        rh_release(window[i]);
    for (int i = 0; i < self->live; i++)
        rh_release(live[i]);
    free(live);
    rh_gc_collect(heap);
    ck_assert_uint_eq(object_count(), 0);
    rh_heap_destroy(heap);
}

START_TEST(nothing_leaks_for_ever_under_automatic_collections)
{
    static const int lives[] = {MANY(200), MANY(3000)}, leaf_counts[] = {0, 1, 8};
    static const int useless[] = {0, 1, 4};
    for (int i = 0; i < 2 * 3 * 3 * 4; i++) {
        program one = {.live = lives[i % 2],
                       .leaves = leaf_counts[i / 2 % 3],
                       .useless = useless[i / 6 % 3],
                       .is_chained = i / 18 & 1,
                       .is_touched = i / 36 & 1};
        run_program(&one, MANY(30000));
    }
}
END_TEST

RUN_TESTS("runtime_young", a_young_collection_frees_young_garbage_only,
          a_young_ring_held_by_old_garbage_waits_for_a_full_collection,
          what_was_spared_by_age_is_found_after_its_holder_died,
          a_chain_of_old_garbage_over_many_young_collections_goes_at_once,
          a_ring_of_old_and_young_waits_for_a_full_collection,
          a_ring_closed_without_a_release_needs_a_full_collection,
          garbage_behind_an_acyclic_object_goes_with_the_same_collection,
          garbage_that_holds_live_objects_takes_one_collection,
          a_weak_reference_taken_while_condemned_reads_null_afterwards,
          nothing_leaks_for_ever_under_automatic_collections)
