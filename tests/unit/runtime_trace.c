/* runtime_trace.c - traced objects: each change of their count is recorded, whatever makes it, and
 * nothing else about them is another. */
#include "runtime_ring.h"
#include "runtime_test.h"

#include <sys/mman.h>

#define EVENTS_MAX 131072

static ring_event events[EVENTS_MAX];
static uint64_t event_count;

static void read_events(const rh_heap *heap)
{
    event_count = events_of_ring(heap, "heap.trace", "heap.trace_next", events);
}

/* The kinds of what is recorded of an object, oldest first: A F f S L + - B E; behind B and E the
 * count. */
static const char *kinds_of(const rh_heap *heap, const void *object)
{
    static char text[256];
    size_t length = 0;
    read_events(heap);
    text[0] = '\0';
    for (uint64_t i = 0; i < event_count && length + 16 < sizeof text; i++) {
        if (events[i].address != (uintptr_t)object || events[i].origin >> 16 != rh_serial(object))
            continue;
        text[length++] = "?AFfSL+-?BE"[events[i].kind];
        text[length] = '\0';
        if (events[i].kind == RH_EVENT_BEGIN || events[i].kind == RH_EVENT_END)
            length += (size_t)sprintf(text + length, "%u", (unsigned)events[i].place);
    }
    return text;
}

static const char *wrong(rh_heap *heap)
{
    static char report[4096];
    return rh_heap_check(heap, report, sizeof report) ? report : "";
}

static void store_header(const void *object, uint32_t word, uint32_t flags)
{
    memcpy((char *)(uintptr_t)object + constant("object.count"), &word, 4);
    memcpy((char *)(uintptr_t)object + constant("object.flags"), &flags, 2);
}

static uint32_t word_of(const void *object)
{
    return (uint32_t)load((uintptr_t)object + constant("object.count"), 4);
}

static uint32_t flags_of(const void *object)
{
    return (uint32_t)load((uintptr_t)object + constant("object.flags"), 2);
}

START_TEST(retains_and_releases_are_recorded)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1), *b = new_node(heap, &node_type, 2);
    rh_retain(a);
    ck_assert(rh_trace(a));
    ck_assert_uint_eq(rh_refcount(a), 2);
    rh_retain(a);
    rh_set(&b->next, a);
    ck_assert_uint_eq(rh_refcount(a), 4);
    ck_assert_str_eq(kinds_of(heap, a), "B2++");
    rh_release(a);
    rh_release(b);
    ck_assert_str_eq(kinds_of(heap, a), "B2++--");
    ck_assert_uint_eq(rh_refcount(a), 2);
    ck_assert_str_eq(wrong(heap), "");
    rh_release(a);
    ck_assert(rh_is_object(heap, a));
    rh_release(a);
    ck_assert(!rh_is_object(heap, a));
    ck_assert_str_eq(kinds_of(heap, a), "B2++----F");
    for (uint64_t i = 0; i < event_count; i++)
        ck_assert(events[i].has_stack == (events[i].kind != RH_EVENT_BEGIN));
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(who_is_not_traced_is_not_recorded)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1), *b = new_node(heap, &node_type, 2);
    rh_trace(a);
    rh_retain(a);
    ck_assert(!(a->base.rh_flags & RH_FLAG_GAP));
    rh_untrace(a);
    ck_assert(a->base.rh_flags & RH_FLAG_GAP);
    rh_retain(a);
    rh_release(a);
    rh_untrace(b);
    ck_assert(!(b->base.rh_flags & RH_FLAG_GAP));
    rh_retain(b);
    rh_release(b);
    ck_assert_uint_eq(rh_refcount(a), 2);
    ck_assert_str_eq(kinds_of(heap, a), "B1+E2");
    ck_assert_str_eq(kinds_of(heap, b), "");
    ck_assert_str_eq(wrong(heap), "");
    rh_release(a);
    rh_release(a);
    rh_release(b);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_record_says_where_it_begins_and_ends)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    rh_trace(a);
    rh_trace(a); /* it is already */
    rh_retain(a);
    rh_untrace(a);
    rh_untrace(a);
    rh_retain(a);
    rh_trace(a);
    ck_assert(!(a->base.rh_flags & RH_FLAG_GAP));
    rh_release(a);
    rh_make_immortal(a);
    ck_assert_str_eq(kinds_of(heap, a), "B1+E2B3-E2");
    ck_assert(!rh_trace(a));
    ck_assert_uint_eq(load((uintptr_t)heap + constant("heap.tracing"), 8), 0);
    rh_heap_destroy(heap);
}
END_TEST

/* Marked from outside it cannot say so; what changes its count next does, first. */
START_TEST(a_record_from_outside_begins_with_the_first_change)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1), *b = new_node(heap, &node_type, 2);
    uint32_t mark = (uint32_t)constant("count.traced"), bit = (uint32_t)constant("object.traced");
    ck_assert_uint_eq(constant("event.begin"), RH_EVENT_BEGIN);
    ck_assert_uint_eq(constant("event.end"), RH_EVENT_END);
    rh_retain(a);
    store_header(a, word_of(a) + mark, flags_of(a) | bit | RH_FLAG_GAP);
    store_header(b, word_of(b) + mark, flags_of(b) | bit | RH_FLAG_GAP);
    rh_release(b);
    ck_assert_str_eq(kinds_of(heap, b), "B1-F");
    rh_release(a);
    ck_assert_str_eq(kinds_of(heap, a), "B2-");
    ck_assert(!(flags_of(a) & RH_FLAG_GAP));
    rh_retain(a);
    ck_assert_str_eq(kinds_of(heap, a), "B2-+");
    /* a change that was under way takes the mark off: what came before the next one is not known */
    store_header(a, word_of(a) - mark + 2, flags_of(a));
    rh_retain(a);
    ck_assert_uint_eq(rh_refcount(a), 4);
    ck_assert(rh_trace(a));
    rh_release(a);
    ck_assert_str_eq(kinds_of(heap, a), "B2-+B4-");
    ck_assert_uint_eq(rh_refcount(a), 3);
    ck_assert_str_eq(wrong(heap), "");
    rh_heap_destroy(heap);
}
END_TEST

/* A cycle that only a traced object is outside of, and one with a traced object in it. */
START_TEST(collections_are_recorded_and_find_the_same)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *kept = new_node(heap, &node_type, 1), *a = new_node(heap, &node_type, 2),
         *b = new_node(heap, &node_type, 3);
    rh_set(&a->next, b);
    rh_set(&b->next, a);
    rh_set(&a->other, kept);
    rh_trace(kept);
    rh_trace(b);
    rh_release(a);
    rh_release(b);
    ck_assert_uint_eq(rh_refcount(kept), 2);
    ck_assert_uint_eq(rh_gc_collect(heap), HAS_COLLECTOR ? 2 : 0);
    ck_assert_uint_eq(rh_refcount(kept), HAS_COLLECTOR ? 1 : 2);
    ck_assert_str_eq(wrong(heap), "");
    ck_assert_str_eq(kinds_of(heap, kept), HAS_COLLECTOR ? "B2-" : "B2");
    ck_assert_str_eq(kinds_of(heap, b), HAS_COLLECTOR ? "B2-F" : "B2-");
    rh_release(kept);
    rh_heap_destroy(heap);
}
END_TEST

static node *saved;

static void save(void *object)
{
    saved = rh_retain(object);
}

START_TEST(who_is_resurrected_stays_traced)
{
    static rh_type phoenix = {
        .name = "phoenix", .size = sizeof(node), .fields = node_fields, .finalize = save};
    rh_heap *heap = rh_heap_create(NULL);
    node *a = (rh_new)(heap, &phoenix);
    rh_trace(a);
    rh_release(a);
    ck_assert_ptr_eq(saved, a);
    ck_assert_uint_eq(rh_refcount(a), 1);
    ck_assert_str_eq(kinds_of(heap, a), "B1-f+S");
    ck_assert_str_eq(wrong(heap), "");
    rh_retain(a);
    rh_release(a);
    rh_release(a);
    ck_assert_str_eq(kinds_of(heap, a), "B1-f+S+--F");
    /* and in a collection */
    node *b = (rh_new)(heap, &phoenix);
    rh_trace(b);
    rh_set(&b->next, b);
    rh_release(b);
    if (HAS_COLLECTOR) {
        rh_gc_collect(heap);
        ck_assert_ptr_eq(saved, b);
        ck_assert_uint_eq(rh_refcount(b), 2);
        ck_assert_str_eq(kinds_of(heap, b), "B1+-f+S");
        ck_assert_str_eq(wrong(heap), "");
    }
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(immortal_objects_are_not_traced)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    rh_trace(a);
    rh_make_immortal(a);
    rh_retain(a);
    ck_assert_uint_eq(rh_refcount(a), RH_IMMORTAL);
    ck_assert_str_eq(kinds_of(heap, a), "B1E1");
    ck_assert(!rh_trace(a));
    ck_assert(!rh_trace(NULL));
    ck_assert_str_eq(wrong(heap), "");
    rh_heap_destroy(heap);
}
END_TEST

/* ---- types ---------------------------------------------------------------------------------- */

static void options_trace_types(void)
{
    static rh_type first = {.name = "session", .size = sizeof(node), .fields = node_fields},
                   second = {.name = "server", .size = sizeof(node), .fields = node_fields};
    setenv("REFHEAP_OPTIONS", "trace=sess*,trace=server", 1);
    rh_heap *heap = rh_heap_create(NULL);
    node *a = (rh_new)(heap, &first), *b = (rh_new)(heap, &second),
         *c = new_node(heap, &node_type, 1);
    rh_retain(a);
    rh_release(a);
    MUST(strcmp(kinds_of(heap, a), "A+-") == 0);
    MUST(strcmp(kinds_of(heap, b), "A") == 0);
    MUST(strcmp(kinds_of(heap, c), "") == 0);
    MUST(rh_refcount(a) == 1 && strcmp(wrong(heap), "") == 0);
    rh_release(a);
    MUST(strcmp(kinds_of(heap, a), "A+--F") == 0);
    node *again = (rh_new_array)(heap, &first, 0);
    MUST(strcmp(kinds_of(heap, again), "A") == 0);
}

static void options_without_history(void)
{
    setenv("REFHEAP_OPTIONS", "history=0,trace=node", 1);
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    rh_retain(a);
    MUST(!rh_trace(a));
    MUST(rh_refcount(a) == 2 && load((uintptr_t)heap + constant("heap.trace"), 8) == 0);
}

START_TEST(types_are_traced_by_option)
{
    char text[1024];
    ck_assert_int_eq(run_child(options_trace_types, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(run_child(options_without_history, text, sizeof text), 0);
    ck_assert_str_eq(text, "refheap: trace=TYPE is not possible in heap 1: its history is off "
                           "(history=0)\n");
}
END_TEST

/* A plugin's type, whose memory is not there any more, and one that is. */
static void options_of_types_that_were(void)
{
    static rh_type stays = {.name = "plug_b", .size = sizeof(node), .fields = node_fields};
    rh_heap *before = rh_heap_create(NULL);
    rh_type *goes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *goes = (rh_type){.name = "plug_a", .size = sizeof(node), .fields = node_fields};
    rh_release((rh_new)(before, goes));
    node *old = (rh_new)(before, &stays);
    munmap(goes, 4096);
    setenv("REFHEAP_OPTIONS", "trace=plug*", 1);
    rh_heap *heap = rh_heap_create(NULL);
    for (int i = 0; i < 10; i++)
        MUST(strcmp(kinds_of(heap, new_node(heap, &node_type, 1)), "") == 0);
    MUST(strcmp(kinds_of(heap, (rh_new)(heap, &stays)), "A") == 0);
    MUST(strcmp(kinds_of(heap, (rh_new)(heap, &stays)), "A") == 0);
    MUST(strcmp(kinds_of(before, (rh_new)(before, &stays)), "A") == 0);
    MUST(strcmp(kinds_of(before, old), "") == 0);
}

/* A history of all has a way of its own for births. */
static void options_of_types_in_a_history_of_all(void)
{
    static rh_type type = {.name = "plug", .size = sizeof(node), .fields = node_fields};
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.history_events = RH_HISTORY_ALL});
    for (int i = 0; i < 100; i++)
        MUST((rh_new)(heap, &type) != NULL);
    setenv("REFHEAP_OPTIONS", "trace=plug", 1);
    MUST(rh_heap_create(NULL) != NULL);
    MUST(strcmp(kinds_of(heap, (rh_new)(heap, &type)), "A") == 0);
}

START_TEST(types_are_traced_that_had_objects_before)
{
    char text[1024];
    ck_assert_int_eq(run_child(options_of_types_that_were, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(run_child(options_of_types_in_a_history_of_all, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

static void options_of_many_patterns(void)
{
    char text[400] = "";
    for (int i = 0; i < 17; i++)
        sprintf(text + strlen(text), "trace=t%d,", i);
    strcat(text, "trace=t3");
    setenv("REFHEAP_OPTIONS", text, 1);
    MUST(rh_heap_create(NULL) != NULL);
}

START_TEST(a_pattern_too_many_is_named)
{
    char text[1024];
    ck_assert_int_eq(run_child(options_of_many_patterns, text, sizeof text), 0);
    ck_assert_str_eq(text, "refheap: REFHEAP_OPTIONS: 'trace=t16' is not possible, trace wants a "
                           "type, or a pattern like node*; at most 16 of them\n");
}
END_TEST

/* ---- from outside --------------------------------------------------------------------------- */

START_TEST(an_object_is_traced_from_outside)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    uint32_t mark = (uint32_t)constant("count.traced"), bit = (uint32_t)constant("object.traced");
    store_header(a, word_of(a) + mark, flags_of(a) | bit);
    rh_retain(a);
    ck_assert_uint_eq(rh_refcount(a), 2);
    ck_assert_str_eq(kinds_of(heap, a), "+");
    ck_assert_str_eq(wrong(heap), "");
    /* an operation that was under way takes the mark off: the next long way sets it again */
    store_header(a, word_of(a) - mark, flags_of(a));
    ck_assert_uint_eq(rh_refcount(a), 2);
    rh_retain(a);
    ck_assert_str_eq(kinds_of(heap, a), "+");
    rh_release(a);
    ck_assert(rh_trace(a));
    size_t known = strlen(kinds_of(heap, a));
    rh_retain(a);
    ck_assert_uint_eq(strlen(kinds_of(heap, a)), known + 1);
    /* or the flag is lost: the count stays right, the mark goes */
    store_header(a, word_of(a), flags_of(a) & ~bit);
    rh_retain(a);
    ck_assert_uint_eq(rh_refcount(a), 4);
    ck_assert_uint_eq(strlen(kinds_of(heap, a)), known + 1);
    store_header(a, word_of(a) + mark, flags_of(a) | bit);
    store_header(a, word_of(a), flags_of(a) & ~bit);
    rh_release(a);
    ck_assert_uint_eq(rh_refcount(a), 3);
    ck_assert_str_eq(wrong(heap), "");
    for (int i = 0; i < 3; i++)
        rh_release(a);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_type_is_traced_from_outside)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    uint64_t index = load((uintptr_t)a + constant("object.type"), 2),
             entry = rh_debug_descriptor.types + index * constant("type.size"),
             source = load(entry + constant("type.source"), 8);
    ck_assert_uint_eq(load(source + constant("source.index"), 4), index);
    uint32_t flags = (uint32_t)load(entry + constant("type.flags"), 4), zero = 0;
    uint32_t traced = flags | (uint32_t)constant("type.traced");
    memcpy((void *)(entry + constant("type.flags")), &traced, 4);
    memcpy((void *)(source + constant("source.slot_class")), &zero, 4);
    node *b = new_node(heap, &node_type, 2);
    rh_retain(b);
    ck_assert_str_eq(kinds_of(heap, b), "A+");
    ck_assert_str_eq(kinds_of(heap, a), "");
    memcpy((void *)(entry + constant("type.flags")), &flags, 4);
    node *c = new_node(heap, &node_type, 3);
    rh_retain(c);
    ck_assert_str_eq(kinds_of(heap, c), "");
    ck_assert_uint_ne(load(source + constant("source.slot_class"), 4), 0);
    ck_assert_str_eq(wrong(heap), "");
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(the_breakpoint_is_published)
{
    ck_assert_uint_ne(rh_debug_descriptor.trace_hook, 0);
    /* it may be called */
    ((void (*)(const void *, int32_t, uint64_t))(uintptr_t)rh_debug_descriptor.trace_hook)(NULL, 1,
                                                                                           2);
}
END_TEST

/* ---- the ring ------------------------------------------------------------------------------- */

START_TEST(the_last_events_stay_whatever_else_dies)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    rh_trace(a);
    rh_retain(a);
    for (int i = 0; i < MANY(200000); i++)
        rh_release(new_node(heap, &node_type, i));
    ck_assert_str_eq(kinds_of(heap, a), "B1+");
    for (int i = 0; i < 70000; i++) {
        rh_retain(a);
        rh_release(a);
    }
    read_events(heap);
    ck_assert_uint_ge(event_count, 65536 - 16);
    ck_assert_uint_eq(events[event_count - 1].number, 140001);
    for (uint64_t i = 0; i < event_count; i++)
        MUST(events[i].kind == (events[i].number % 2 ? RH_EVENT_RELEASE : RH_EVENT_RETAIN) ||
             events[i].number < 2);
    rh_heap_destroy(heap);
}
END_TEST

/* ---- at random ------------------------------------------------------------------------------ */

enum { NODES = 60 };
static node *held[NODES];    /* one count each */
static int64_t began[NODES]; /* count when tracing began; -1: not traced */
static uint64_t serials[NODES], first_event[NODES];

static void check_sums(rh_heap *heap)
{
    read_events(heap);
    for (int i = 0; i < NODES; i++) {
        if (!held[i] || began[i] < 0)
            continue;
        int64_t sum = began[i], told = -1;
        for (uint64_t n = 0; n < event_count; n++) {
            if (events[n].address != (uintptr_t)held[i] || events[n].origin >> 16 != serials[i])
                continue;
            if (events[n].kind == RH_EVENT_BEGIN)
                told = (int64_t)events[n].place;
            if (events[n].number >= first_event[i])
                sum += (events[n].kind == RH_EVENT_RETAIN) - (events[n].kind == RH_EVENT_RELEASE);
        }
        MUST((size_t)sum == rh_refcount(held[i]));
        MUST(told == began[i]);
    }
}

static void forget(int i)
{
    rh_release(held[i]);
    held[i] = NULL;
    began[i] = -1;
}

static void do_something(rh_heap *heap, unsigned *seed)
{
    int i = rand_r(seed) % NODES, k = rand_r(seed) % NODES;
    if (!held[i]) {
        held[i] = new_node(heap, rand_r(seed) % 2 ? &node_type : &logged_type, i);
        began[i] = -1;
        serials[i] = rh_serial(held[i]);
        return;
    }
    switch (rand_r(seed) % 10) {
    case 0:
        forget(i);
        break;
    case 1:
        if (began[i] >= 0)
            break;
        began[i] = (int64_t)rh_refcount(held[i]);
        read_events(heap);
        first_event[i] = event_count ? events[event_count - 1].number + 1 : 0;
        MUST(rh_trace(held[i]));
        break;
    case 2:
        rh_untrace(held[i]);
        began[i] = -1;
        break;
    case 3:
        rh_gc_collect_young(heap);
        break;
    case 4:
        if (rand_r(seed) % 8 == 0)
            rh_gc_collect(heap);
        break;
    case 5:
        rh_retain(held[i]);
        rh_release(held[i]);
        break;
    case 6: {
        rh_weak *weak = (rh_weak_new)(held[i]);
        rh_set(&held[i]->weak, weak);
        rh_release(rh_weak_get(weak));
        rh_release(weak);
        break;
    }
    default:
        rh_set(rand_r(seed) % 2 ? &held[i]->next : &held[i]->other, held[k]);
    }
}

static void run_at_random(unsigned seed)
{
    rh_heap *heap = rh_heap_create(NULL);
    memset(held, 0, sizeof held);
    for (int step = 0; step < MANY(3000); step++) {
        do_something(heap, &seed);
        if (step % 50 == 0) {
            check_sums(heap);
            ck_assert_str_eq(wrong(heap), "");
        }
        if (step % 1000 == 500)
            rh_gc_freeze(heap);
        if (step % 1000 == 800)
            rh_gc_unfreeze(heap);
    }
    for (int i = 0; i < NODES; i++)
        if (held[i])
            forget(i);
    rh_gc_unfreeze(heap);
    rh_gc_collect(heap);
    if (HAS_COLLECTOR)
        ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    rh_heap_destroy(heap);
}

START_TEST(sums_of_random_histories_are_the_counts)
{
    for (unsigned seed = 1; seed <= 8; seed++)
        run_at_random(seed);
}
END_TEST

RUN_TESTS("runtime_trace", retains_and_releases_are_recorded, who_is_not_traced_is_not_recorded,
          a_record_says_where_it_begins_and_ends,
          a_record_from_outside_begins_with_the_first_change,
          collections_are_recorded_and_find_the_same, who_is_resurrected_stays_traced,
          immortal_objects_are_not_traced, types_are_traced_by_option,
          types_are_traced_that_had_objects_before, a_pattern_too_many_is_named,
          an_object_is_traced_from_outside, a_type_is_traced_from_outside,
          the_breakpoint_is_published, the_last_events_stay_whatever_else_dies,
          sums_of_random_histories_are_the_counts)
