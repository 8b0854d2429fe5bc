/* runtime_failure.c - memory that fails at every point where the runtime asks for it.
 *
 * Linked with -Wl,--wrap=mmap,--wrap=malloc,--wrap=calloc,--wrap=realloc: the heap's memory comes
 * from mmap alone, the vectors of the values from malloc. Each scenario runs with the first, then
 * with the second, then with the third … request failing, and then all behind it, too, until one
 * run needs no more than that. After a failure NULL was returned, nothing has changed, and
 * releasing and collecting go on without memory. A scenario runs in a child process of its own
 * each time: types are registered once per process. */
#include "runtime_test.h"

#include <errno.h>
#include <refheap/metadata.h>
#include <refheap/values.h>
#include <sys/mman.h>

/* ---- requests that fail --------------------------------------------------------------------- */

void *__real_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);

static long requests_left = -1; /* until one fails; -1: none does */
static bool fails_for_ever;     /* that one and all behind it */
static int failures, failures_before_exhaustion;
static bool is_exhausted, is_destroying;

static bool must_fail(void)
{
    if (requests_left < 0)
        return false;
    if (requests_left > 0) {
        requests_left--;
        return false;
    }
    failures++;
    if (!fails_for_ever)
        requests_left = -1;
    errno = ENOMEM;
    return true;
}

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset)
{
    return must_fail() ? MAP_FAILED : __real_mmap(address, bytes, protection, flags, file, offset);
}

void *__wrap_malloc(size_t bytes)
{
    return must_fail() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return must_fail() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    return must_fail() ? NULL : __real_realloc(memory, bytes);
}

/* ---- a scenario at work --------------------------------------------------------------------- */

/* In a child, which libcheck does not hear. */
#define NEEDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static rh_heap *heap;

/* What an allocation that fails must leave as it was. */
typedef struct state {
    rh_gc_counts counts;
    size_t sum; /* of all counts */
} state;

static bool add_count(void *object, void *context)
{
    size_t count = rh_refcount(object);
    *(size_t *)context += count == RH_IMMORTAL ? 1 : count;
    return true;
}

static state state_now(void)
{
    state result = {.counts = rh_gc_get_counts(heap)};
    rh_gc_each_object(heap, add_count, &result.sum);
    return result;
}

/* The same, if the next allocation may fail: none needs so many requests. A stress build will
 * collect, whether that allocation succeeds or not: it does so first. */
static state state_before(void)
{
    if (requests_left < 0 || requests_left >= 10)
        return (state){0};
#ifdef REFHEAP_GC_STRESS
    rh_gc_collect(heap);
    while (rh_gc_collect(heap))
        continue;
#endif
    return state_now();
}

static void check_heap(void)
{
    char report[1000];
    if (rh_heap_check(heap, report, sizeof report) != 0) {
        fprintf(stderr, "%s", report);
        _exit(1);
    }
}

/* With memory: it counts references then. And without, where there is none anyway. */
static void needs_valid_heap(void)
{
    long left = requests_left;
    int failed = failures;
    if (left == 0 && fails_for_ever)
        check_heap();
    requests_left = -1;
    check_heap();
    requests_left = left;
    failures = failed;
}

static void needs_same_state(const state *before)
{
    state now = state_now();
    NEEDS(now.counts.young_candidates == before->counts.young_candidates);
    NEEDS(now.counts.spared_candidates == before->counts.spared_candidates);
    NEEDS(now.counts.objects == before->counts.objects);
    NEEDS(now.sum == before->sum);
    needs_valid_heap();
}

/* Evaluates an expression that allocates; if it is NULL or false, a request failed and nothing
 * changed. */
#define TRY(expression)                                                                            \
    __extension__({                                                                                \
        state before_ = state_before();                                                            \
        int failed_ = failures;                                                                    \
        __auto_type made_ = (expression);                                                          \
        if (!made_) {                                                                              \
            NEEDS(failures > failed_);                                                             \
            needs_same_state(&before_);                                                            \
        }                                                                                          \
        made_;                                                                                     \
    })

/* From now on nothing can be had, and nothing is asked for. */
static void exhaust(void)
{
    is_exhausted = true;
    failures_before_exhaustion = failures;
    requests_left = 0;
    fails_for_ever = true;
}

extern struct rh_metadata_descriptor rh_debug_descriptor;

static uint64_t constant(const char *name)
{
    const struct rh_metadata_constant *table =
        (const void *)(uintptr_t)rh_debug_descriptor.constants;
    for (uint32_t i = 0; i < rh_debug_descriptor.constant_count; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].value;
    NEEDS(false && "a constant with this name");
    return 0;
}

/* Nothing of the destroyed heap is mapped still. */
static void needs_no_mapping_of(uint64_t gone)
{
    uint64_t next = constant("mapping.next"), owner = constant("mapping.heap");
    uint64_t mapping = rh_debug_descriptor.mappings;
    while (mapping) {
        NEEDS(*(const uint64_t *)(uintptr_t)(mapping + owner) != gone);
        mapping = *(const uint64_t *)(uintptr_t)(mapping + next);
    }
}

static void finish(void)
{
    int failed = failures;
#ifdef REFHEAP_GC_STRESS /* which asked for memory, to validate the heap */
    if (is_exhausted)
        failed = failures_before_exhaustion;
#endif
    NEEDS(rh_gc_get_counts(heap).objects == 0 || !HAS_COLLECTOR);
    needs_valid_heap();
    uint64_t gone = (uint64_t)(uintptr_t)heap;
    is_destroying = true;
    rh_heap_destroy(heap);
    needs_no_mapping_of(gone);
    _exit(failed ? 2 : 0);
}

typedef void scenario(void);
static scenario *running;
static long running_after;
static bool running_for_ever;

static void run_scenario(void)
{
    requests_left = running_after;
    fails_for_ever = running_for_ever;
    running();
    _exit(3);
}

/* The scenario with the request behind `after` others failing: true if that many were never made.
 */
static bool passes_without_failure(scenario *body, long after, bool for_ever)
{
    static char text[100000]; /* roots that cannot be recorded are named */
    running = body;
    running_after = after;
    running_for_ever = for_ever;
    int status = run_child(run_scenario, text, sizeof text);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 2))
        ck_abort_msg("request %ld fails%s: status %#x\n%s", after + 1,
                     for_ever ? ", and all behind it" : "", (unsigned)status, text);
    return WEXITSTATUS(status) == 0;
}

static void run_with_every_failure(scenario *body, long least)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        long after = 0;
        while (!passes_without_failure(body, after, for_ever)) {
#if defined(REFHEAP_GC_STRESS) /* asks for memory after every operation, to validate the heap */
            after += 1 + 2 * after;
#elif defined(TEST_ASAN) /* slow; the other build knows every point */
            after += 1 + after / 16;
#else
            MUST(++after < 500);
#endif
        }
        ck_assert_int_ge(after, least); /* the points that were reached */
    }
}

/* A heap, or the end: what could not be created leaves nothing behind. */
static void begin(const rh_heap_options *options)
{
    heap = rh_heap_create(options);
    if (heap)
        return;
    /* one more try: without room for a history that grows */
    NEEDS(failures <= 2 && rh_debug_descriptor.heaps == 0 && rh_debug_descriptor.mappings == 0);
    requests_left = -1;
    heap = rh_heap_create(options);
    NEEDS(heap);
    NEEDS(rh_new(heap, &node_type));
    needs_valid_heap();
    rh_heap_destroy(heap);
    _exit(2);
}

static rh_type bytes_type = {.name = "bytes",
                             .size = sizeof(rh_object) + sizeof(size_t),
                             .element_size = 1,
                             .length_offset = sizeof(rh_object)};

/* ---- heaps and types ------------------------------------------------------------------------ */

static void heap_with_history(void)
{
    begin(&(rh_heap_options){.name = "history", .history_events = 4096});
    node *a = TRY((node *)rh_new(heap, &node_type));
    rh_release(a);
    finish();
}

START_TEST(creating_a_heap_with_history)
{
    run_with_every_failure(heap_with_history, 4); /* heap, history, types, chunk and its table */
}
END_TEST

/* Counts stay right; what cannot be recorded is counted. */
static void traced_object(void)
{
    begin(NULL);
    node *a = TRY((node *)rh_new(heap, &node_type));
    if (!a)
        finish();
    NEEDS(rh_trace(a));
    for (int i = 0; i < 5; i++)
        rh_retain(a);
    for (int i = 0; i < 5; i++)
        rh_release(a);
    NEEDS(rh_refcount(a) == 1);
    const char *at = (const char *)heap;
    uint64_t lost = *(const uint64_t *)(const void *)(at + constant("heap.trace_lost")),
             ring = *(const uint64_t *)(const void *)(at + constant("heap.trace"));
    NEEDS(ring ? lost < 10 : lost == 10);
    NEEDS(failures || (ring && !lost));
    rh_release(a);
    finish();
}

START_TEST(tracing_an_object)
{
    run_with_every_failure(traced_object, 6); /* heap, types, chunk, table; ring, stacks */
}
END_TEST

static void heap_with_quarantine(void)
{
    begin(&(rh_heap_options){.history_events = 64, .stack_frames = 4, .quarantine_bytes = 1 << 20});
    for (int i = 0; i < 20; i++) {
        node *a = TRY((node *)rh_new(heap, &node_type));
        void *large = TRY(rh_new_array(heap, &bytes_type, 10000));
        rh_release(a);
        rh_release(large);
    }
    finish();
}

START_TEST(creating_a_heap_with_quarantine)
{
    run_with_every_failure(heap_with_quarantine, 5);
}
END_TEST

enum { TYPES = 60, LONG_NAME = 20000 };

static void many_types(void)
{
    static rh_type types[TYPES];
    static char names[TYPES][LONG_NAME];
    static rh_field fields[TYPES][3];
    begin(NULL);
    for (int i = 0; i < TYPES; i++) {
        /* Short names fill the shared mapping, long ones have their own. */
        memset(names[i], 'x', i % 4 ? 900 : LONG_NAME - 1);
        fields[i][0] = (rh_field)RH_STRONG(node, next);
        fields[i][0].name = names[i];
        fields[i][1] = (rh_field)RH_STRONG(node, other);
        fields[i][2] = (rh_field)RH_FIELDS_END;
        types[i] = (rh_type){
            .name = names[i], .size = sizeof(node), .fields = fields[i], .finalize = log_value};
        node *a = TRY((node *)rh_new(heap, &types[i]));
        if (!a && !fails_for_ever)
            NEEDS((a = rh_new(heap, &types[i]))); /* the second try registers it */
        if (!a)
            continue;
        rh_set(&a->next, a); /* its fields are known: a ring */
        rh_set(&a->other, a);
        rh_release(a);
        NEEDS(rh_gc_collect(heap) == HAS_COLLECTOR);
    }
    NEEDS(death_count == TYPES || fails_for_ever || !HAS_COLLECTOR);
    finish();
}

START_TEST(registering_types)
{
    run_with_every_failure(many_types, 20);
}
END_TEST

/* ---- objects -------------------------------------------------------------------------------- */

static rh_type array_type = {
    .name = "node", .size = sizeof(node), .fields = node_fields, .element_size = 1};

/* A chain through objects of all sizes, then all of it let go without any memory. */
static void objects_of_all_sizes(void)
{
    begin(NULL);
    node *chain = NULL, *first = NULL;
    size_t made = 0;
    for (int i = 0; i < 90; i++) {
        /* 32 bytes to 8192 in steps of the size classes, and large ones */
        size_t size = i < 60 ? (size_t)(i * i * 2) : (size_t)(8000 + i * i * 40);
        node *a = TRY((node *)rh_new_array(heap, &array_type, size));
        if (!a)
            continue;
        made++;
        rh_set(&a->next, chain);
        rh_set(&chain, a);
        if (!first)
            rh_set(&first, a);
        if (i % 3 == 0)
            rh_set(&a->other, first);
        rh_release(a);
    }
    exhaust();
    rh_set(&first, NULL);
    state before = state_now();
    NEEDS(rh_gc_collect(heap) == 0);
    NEEDS(rh_gc_get_counts(heap).objects == before.counts.objects);
    needs_valid_heap();
    node *head = chain; /* a ring now, which holds all the others */
    chain = NULL;
    if (head)
        rh_set(&head->other, head);
    rh_release(head);
    NEEDS(rh_gc_collect(heap) == (HAS_COLLECTOR ? made : 0));
    finish();
}

START_TEST(objects_of_all_sizes_and_large_ones)
{
    run_with_every_failure(objects_of_all_sizes, 30);
}
END_TEST

/* A chunk has 62 slabs of 8 objects of this size: the class is full when there is no second chunk.
 */
static void more_than_a_chunk(void)
{
    enum { COUNT = MANY(1000000) == 1000000 ? 600 : 510 };
    static void *objects[COUNT];
    begin(NULL);
    for (int i = 0; i < COUNT; i++) {
        objects[i] =
            TRY(rh_new_array(heap, &bytes_type, 8192 - sizeof(rh_object) - sizeof(size_t)));
        if (!objects[i] && !fails_for_ever)
            NEEDS((objects[i] = rh_new_array(heap, &bytes_type, 8000)));
    }
    exhaust();
    rh_release(objects[0]);
    objects[0] = NULL;
    /* its slot */
    NEEDS(failures_before_exhaustion || (objects[0] = rh_new_array(heap, &bytes_type, 8000)));
    for (int i = 0; i < COUNT; i++)
        rh_release(objects[i]);
    finish();
}

START_TEST(objects_beyond_the_first_chunk)
{
    run_with_every_failure(more_than_a_chunk, 4);
}
END_TEST

/* The table of chunks grows with the 65th. */
static void table_of_chunks(void)
{
    enum { LARGE = 70 };
    void *large[LARGE];
    begin(NULL);
    for (int i = 0; i < LARGE; i++) {
        large[i] = TRY(rh_new_array(heap, &bytes_type, 10000));
        NEEDS(!large[i] || rh_is_object(heap, large[i]));
    }
    exhaust();
    for (int i = 0; i < LARGE; i++) {
        NEEDS(!large[i] || rh_is_object(heap, large[i]));
        rh_release(large[i]);
        NEEDS(!large[i] || !rh_is_object(heap, large[i]));
    }
    finish();
}

START_TEST(growing_the_table_of_chunks)
{
    run_with_every_failure(table_of_chunks, 70);
}
END_TEST

/* ---- weak references and roots -------------------------------------------------------------- */

static void table_of_weak_references(void)
{
    enum { TARGETS = MANY(1000000) == 1000000 ? 300 : 150 };
    static node *targets[TARGETS];
    static rh_weak *weaks[TARGETS];
    begin(NULL);
    for (int i = 0; i < TARGETS; i++) {
        targets[i] = TRY((node *)rh_new(heap, &node_type));
        if (!targets[i])
            continue;
        weaks[i] = TRY(rh_weak_new(targets[i]));
        if (!weaks[i] && !fails_for_ever)
            NEEDS((weaks[i] = rh_weak_new(targets[i])));
        /* the one there is needs no memory */
        NEEDS(!weaks[i] || rh_weak_new(targets[i]) == weaks[i]);
        rh_release(weaks[i]);
        rh_set(&targets[i]->next, targets[i]);
    }
    exhaust();
    for (int i = 0; i < TARGETS; i++) {
        node *target = rh_weak_get(weaks[i]);
        NEEDS(!weaks[i] || target == targets[i]);
        rh_release(target);
        rh_release(targets[i]);
    }
    rh_gc_collect(heap); /* clears all of them */
    for (int i = 0; i < TARGETS; i++) {
        NEEDS(!HAS_COLLECTOR || !rh_weak_get(weaks[i]));
        rh_release(weaks[i]);
    }
    finish();
}

START_TEST(growing_the_table_of_weak_references)
{
    run_with_every_failure(table_of_weak_references, 7);
}
END_TEST

static void table_of_roots(void)
{
    enum { ROOTS = 200 };
    static node *roots[ROOTS];
    begin(NULL);
    for (int i = 0; i < ROOTS; i++) {
        roots[i] = TRY((node *)rh_new(heap, &node_type));
        rh_root_add(heap, &roots[i], "root");
        rh_root_add(heap, &roots[i], "renamed");
        needs_valid_heap();
    }
    exhaust();
    for (int i = 0; i < ROOTS; i++) {
        rh_root_remove(heap, &roots[i]); /* one that was not recorded, too */
        rh_set(&roots[i], NULL);
    }
    finish();
}

START_TEST(growing_the_table_of_roots)
{
    run_with_every_failure(table_of_roots, 6);
}
END_TEST

/* ---- collections ---------------------------------------------------------------------------- */

static void rise_and_allocate(void *object)
{
    node *self = object;
    log_value(object);
    if (is_destroying) /* nothing is born any more */
        return;
    node *made = TRY((node *)rh_new_array(heap, &array_type, 9000)); /* a request each time */
    if (made && self->value % 2) {
        rh_set(&made->other, self);
        rh_set(&self->next, made);
    }
    rh_release(made);
}

/* Finalizers that allocate within collections, young and full, and within cascades. */
static void finalizers_that_allocate(void)
{
    static rh_type type = {.name = "rises",
                           .size = sizeof(node),
                           .fields = node_fields,
                           .finalize = rise_and_allocate};
    begin(NULL);
    rh_gc_disable(heap);
    int made = 0;
    for (int i = 0; i < 40; i++) {
        node *a = TRY((node *)rh_new(heap, &type));
        if (!a)
            continue;
        made++;
        a->value = i;
        if (i % 4)
            rh_set(&a->other, a);
        rh_release(a);
        if (i % 10 == 9)
            rh_gc_collect_young(heap);
        needs_valid_heap();
    }
    rh_gc_collect(heap);
    NEEDS(death_count == made || !HAS_COLLECTOR);
    exhaust();
    rh_gc_collect(heap); /* the risen */
    rh_gc_collect(heap);
    finish();
}

START_TEST(finalizers_that_find_no_memory)
{
    run_with_every_failure(finalizers_that_allocate, HAS_COLLECTOR ? 20 : 5);
}
END_TEST

/* ---- values --------------------------------------------------------------------------------- */

/* One entry of everything; each step fails or is done, and the lengths tell which. */
static void use_values(rh_list *list, rh_dict *dict, int i, size_t *length, size_t *entries)
{
    char text[32];
    snprintf(text, sizeof text, "the key of entry %d", i);
    rh_string *key = TRY(rh_string_new(heap, text));
    rh_int *shared = TRY(rh_int_new(heap, i)), *large = TRY(rh_int_new(heap, 1000 + i));
    rh_float *number = TRY(rh_float_new(heap, i));
    NEEDS(!key || strcmp(rh_string_text(key), text) == 0);
    NEEDS((!shared || rh_int_value(shared) == i) && (!large || rh_int_value(large) == 1000 + i));
    if (key)
        *length += TRY(rh_list_append(list, key));
    if (large)
        *length += TRY(rh_list_insert(list, 0, large));
    if (shared)
        *length += TRY(rh_list_append(list, shared));
    if (key && number && TRY(rh_dict_set(dict, key, number))) {
        ++*entries;
        NEEDS(rh_dict_get_text(dict, text) == number);
        if (i % 3 == 0) /* needs no memory, but leaves an entry to be swept */
            *entries -= rh_dict_delete(dict, key);
    } else if (key) {
        NEEDS(!rh_dict_get(dict, key));
    }
    NEEDS(rh_list_length(list) == *length && rh_dict_length(dict) == *entries);
    rh_release(key);
    rh_release(shared);
    rh_release(large);
    rh_release(number);
}

static void values_at_work(void)
{
    begin(NULL);
    rh_list *list = TRY(rh_list_new(heap));
    rh_dict *dict = TRY(rh_dict_new(heap));
    size_t length = 0, entries = 0;
    if (list && dict) {
        for (int i = 0; i < 50; i++)
            use_values(list, dict, i, &length, &entries);
        rh_object *nil = TRY(rh_nil());
        rh_weak *weak = nil ? TRY(rh_weak_new(nil)) : NULL;
        NEEDS(!weak || rh_weak_get(weak) == nil);
        rh_boolean *yes = TRY(rh_bool(true));
        if (yes && TRY(rh_dict_set(dict, yes, list))) /* a ring */
            length += TRY(rh_list_append(list, dict));
    }
    exhaust();
    while (list && rh_list_length(list) > length / 2)
        rh_release(rh_list_pop(list));
    rh_release(list);
    rh_release(dict);
    rh_gc_collect(heap);
    finish();
}

START_TEST(values_of_every_kind)
{
    run_with_every_failure(values_at_work, 20);
}
END_TEST

static uint64_t word_of_heap(const char *name)
{
    return *(const uint64_t *)(const void *)((const char *)heap + constant(name));
}

/* Who takes counts finds the errno that was there, and the system is not asked each time;
 * but it is asked again. */
static void counts_without_a_ring(void)
{
    heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    requests_left = 0;
    fails_for_ever = true;
    NEEDS(rh_trace(a));
    NEEDS(failures == 1);
    errno = EDOM;
    for (int i = 0; i < 2000; i++)
        rh_retain(a); /* a release may have the heap validated, which needs memory */
    NEEDS(errno == EDOM);
    NEEDS(failures > 1 && failures < 20);
    NEEDS(rh_refcount(a) == 2001 && !word_of_heap("heap.trace"));
    requests_left = -1;
    for (int i = 0; i < 3000; i++)
        rh_retain(a);
    NEEDS(word_of_heap("heap.trace") && rh_refcount(a) == 5001);
    NEEDS(word_of_heap("heap.trace_lost") >= 2000);
}

START_TEST(tracing_without_memory_for_its_ring)
{
    char text[1024];
    ck_assert_int_eq(run_child(counts_without_a_ring, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

RUN_TESTS("runtime_failure", creating_a_heap_with_history, tracing_an_object,
          creating_a_heap_with_quarantine, registering_types, objects_of_all_sizes_and_large_ones,
          objects_beyond_the_first_chunk, growing_the_table_of_chunks,
          growing_the_table_of_weak_references, growing_the_table_of_roots,
          finalizers_that_find_no_memory, values_of_every_kind, tracing_without_memory_for_its_ring)
