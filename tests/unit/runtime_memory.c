/* runtime_memory.c - tests of slots, slabs and chunks: sizes, reuse, is_object, memory that runs
 * out. */
#include "runtime_test.h"

#include <sys/resource.h>

static rh_type bytes_type = {.name = "bytes",
                             .size = sizeof(rh_object) + sizeof(size_t),
                             .element_size = 1,
                             .length_offset = sizeof(rh_object)};

static unsigned char *payload(void *object)
{
    return (unsigned char *)object + sizeof(rh_object) + sizeof(size_t);
}

START_TEST(objects_of_every_size_are_zeroed_and_apart)
{
    rh_heap *heap = rh_heap_create(NULL);
    enum { COUNT = MANY(700) };
    static unsigned char *objects[COUNT];
    static size_t sizes[COUNT];
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            sizes[i] = i < 40 ? i : i * i % 20000;
            objects[i] = rh_new_array(heap, &bytes_type, sizes[i]);
            ck_assert_ptr_nonnull(objects[i]);
            ck_assert_uint_eq((uintptr_t)objects[i] % 16, 0);
            ck_assert_uint_eq(*(size_t *)(void *)(objects[i] + sizeof(rh_object)), sizes[i]);
            for (size_t k = 0; k < sizes[i]; k++)
                MUST(payload(objects[i])[k] == 0);
            memset(payload(objects[i]), (int)(i % 255) + 1, sizes[i]);
        }
        for (size_t i = 0; i < COUNT; i++)
            for (size_t k = 0; k < sizes[i]; k++)
                MUST(payload(objects[i])[k] == i % 255 + 1);
        assert_valid(heap);
        for (size_t i = 0; i < COUNT; i++)
            rh_release(objects[(i * 37) % COUNT]);
        assert_valid(heap);
    }
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused)
{
    rh_heap *heap = rh_heap_create(NULL);
    ck_assert_ptr_null(rh_new_array(heap, &bytes_type, SIZE_MAX));
    ck_assert_ptr_null(rh_new_array(heap, &bytes_type, SIZE_MAX - 24));
    ck_assert_ptr_null(rh_new_array(heap, &bytes_type, SIZE_MAX / 2));
    ck_assert_ptr_null(rh_new_array(heap, &bytes_type, (size_t)1 << 50));
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(is_object_answers_for_any_number)
{
    rh_heap *heap = rh_heap_create(NULL), *other = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type), *b = rh_new(heap, &node_type),
         *foreign = rh_new(other, &node_type);
    char *large = rh_new_array(heap, &bytes_type, 9 << 20);
    int local = 0;
    ck_assert(rh_is_object(heap, a));
    ck_assert(rh_is_object(heap, large));
    ck_assert(!rh_is_object(heap, foreign));
    for (int i = 1; i < 48; i++)
        ck_assert(!rh_is_object(heap, (char *)a + i) || (char *)a + i == (char *)b);
    for (size_t offset = 8; offset < 9 << 20; offset += 4096 * 3 + 8)
        MUST(!rh_is_object(heap, large + offset));
    for (size_t offset = 0; offset < 128 << 10; offset += 8)
        MUST(!rh_is_object(heap, (char *)((uintptr_t)a & ~(uintptr_t)0x3fffff) + offset));
    ck_assert(!rh_is_object(heap, NULL));
    ck_assert(!rh_is_object(heap, &local));
    ck_assert(!rh_is_object(heap, heap));
    for (unsigned bit = 0; bit < 64; bit++) {
        ck_assert(!rh_is_object(heap, (void *)((uintptr_t)1 << bit)));
        ck_assert(!rh_is_object(heap, (void *)((uintptr_t)a ^ (uintptr_t)1 << bit)) ||
                  ((uintptr_t)a ^ (uintptr_t)1 << bit) == (uintptr_t)b);
    }
    ck_assert(!rh_is_object(heap, (void *)UINTPTR_MAX));
    rh_release(a);
    ck_assert(!rh_is_object(heap, a));
    rh_release(b);
    rh_release(large);
    ck_assert(!rh_is_object(heap, large));
    rh_release(foreign);
    rh_heap_destroy(other);
    rh_heap_destroy(heap);
}
END_TEST

/* Hot first: the ten slots that were freed last. Then in the order of addresses, whatever the
 * order of their deaths was. */
START_TEST(slots_are_reused_hot_first_and_then_in_address_order)
{
    enum { COUNT = 2000, FREED = 300 };
    rh_heap *heap = rh_heap_create(NULL);
    static node *objects[COUNT];
    for (int i = 0; i < COUNT; i++) {
        objects[i] = rh_new(heap, &node_type);
        /* a slab has 1024 slots of this size */
        ck_assert(i % 1000 == 0 || objects[i] > objects[i - 1]);
    }
    for (int i = 0; i < FREED; i++)
        rh_release(objects[i * 7 % FREED]); /* 7 and 300 have no factor in common */
    assert_valid(heap);
    for (int i = 0; i < 10; i++)
        ck_assert_ptr_eq(rh_new(heap, &node_type), objects[(9 - i) * 7]);
    /* Whatever is left of the current slab comes first. */
    node *a;
    while ((a = rh_new(heap, &node_type)) > objects[FREED] || a < objects[0])
        continue;
    for (int i = 0; i < FREED - 11; i++) {
        node *next = rh_new(heap, &node_type);
        ck_assert(next > a && next < objects[FREED]);
        a = next;
    }
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

/* Fills and empties several chunks in several orders and sizes: every list and state of slabs. */
START_TEST(slabs_move_between_their_lists)
{
    enum { COUNT = MANY(200000) };
    rh_heap *heap = rh_heap_create(NULL);
    rh_object **objects = calloc(COUNT, sizeof *objects);
    static const size_t sizes[] = {8, 200, 40, 5000, 8};
    for (size_t round = 0; round < sizeof sizes / sizeof *sizes; round++) {
        size_t count = sizes[round] > 1000 ? COUNT / 40 : COUNT;
        for (size_t i = 0; i < count; i++)
            MUST((objects[i] = rh_new_array(heap, &bytes_type, sizes[round])) != NULL);
        assert_valid(heap);
        for (size_t i = 0; i < count; i += 3)
            rh_release(objects[i]);
        assert_valid(heap);
        for (size_t i = 0; i < count; i += 3)
            objects[i] = rh_new_array(heap, &bytes_type, sizes[round]);
        assert_valid(heap);
        for (size_t i = 0; i < count; i++)
            rh_release(objects[count - 1 - i]);
        assert_valid(heap);
    }
    free(objects);
    rh_heap_destroy(heap);
}
END_TEST

/* `resident`: of these, those that are in memory. */
static size_t mapped_and_resident_kib(size_t *resident)
{
    size_t pages = 0, kib = (size_t)sysconf(_SC_PAGESIZE) / 1024;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%zu %zu", &pages, resident), 2);
    fclose(file);
    *resident *= kib;
    return pages * kib;
}

static size_t mapped_kib(void)
{
    size_t resident;
    return mapped_and_resident_kib(&resident);
}

/* The room for its history is not touched before there is one: of 3 MB AddressSanitizer alone
 * touches an eighth, its shadow. What is mapped is used again in the second turn. */
START_TEST(a_heap_without_objects_has_few_pages)
{
    enum { HEAPS = 16 };
    static rh_heap *heaps[HEAPS];
    for (int turn = 0; turn < 2; turn++) {
        size_t before, after, mapped = mapped_and_resident_kib(&before);
        for (int i = 0; i < HEAPS; i++)
            MUST((heaps[i] = rh_heap_create(NULL)) != NULL);
        size_t more = mapped_and_resident_kib(&after) - mapped;
        ck_assert_uint_lt(after, before + 640 * HEAPS);
        ck_assert(turn || more >= 3000 * HEAPS);
        for (int i = 0; i < HEAPS; i++)
            rh_heap_destroy(heaps[i]);
    }
}
END_TEST

START_TEST(empty_chunks_and_large_objects_go_back_to_the_system)
{
    rh_heap *heap = rh_heap_create(NULL);
    rh_release(rh_new(heap, &node_type));
    size_t before = mapped_kib();
    enum { COUNT = MANY(400000) };
    node *list = NULL;
    for (int i = 0; i < COUNT; i++) {
        node *a = rh_new(heap, &node_type);
        a->next = list;
        list = a;
    }
    rh_release(list);
    size_t trimmed = rh_heap_trim(heap);
    ck_assert_uint_eq(trimmed % ((size_t)4 << 20), 0);
#ifndef REFHEAP_GC_STRESS
    ck_assert_uint_ge(trimmed, (size_t)12 << 20);
#endif
    ck_assert_uint_eq(rh_heap_trim(heap), 0);
#ifndef TEST_ASAN
    ck_assert_uint_le(mapped_kib(), before + 4096 + 1024); /* cached slots may hold one chunk */
#endif
    assert_valid(heap);
    for (int i = 0; i < 100; i++) {
        void *large = rh_new_array(heap, &bytes_type, 1 << 20);
        memset(payload(large), 1, 1 << 20);
        rh_release(large);
    }
#ifdef TEST_ASAN /* the sanitizer's own memory grows with what it saw */
    before = SIZE_MAX / 2;
#endif
    ck_assert_uint_le(mapped_kib(), before + 2 * 4096 + 16 * 2048);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(large_objects_are_zeroed_when_their_mapping_is_reused)
{
    rh_heap *heap = rh_heap_create(NULL);
    unsigned char *large = rh_new_array(heap, &bytes_type, 100000);
    memset(payload(large), 0xaa, 100000);
    rh_release(large);
    unsigned char *again = rh_new_array(heap, &bytes_type, 90000);
    ck_assert_ptr_eq(again, large);
    for (size_t i = 0; i < 90000; i++)
        MUST(payload(again)[i] == 0);
    rh_release(again);
    void *many[40];
    for (int i = 0; i < 40; i++)
        many[i] = rh_new_array(heap, &bytes_type, 20000u << i % 5);
    for (int i = 0; i < 40; i++)
        rh_release(many[i]);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static void exhaust_memory(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *first = rh_new(heap, &node_type);
    rh_weak *weak = rh_weak_new(first);
    void *last = rh_new_array(heap, &bytes_type, 100);
    struct rlimit limit = {mapped_kib() * 1024 + (40 << 20), RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(10);
    node *list = NULL;
    size_t count = 0;
    for (;;) {
        node *a = rh_new(heap, &node_type);
        if (!a)
            break;
        a->next = list;
        list = a;
        count++;
    }
    char report[512];
    if (rh_new_array(heap, &bytes_type, 50 << 20))
        _exit(11);
    if (rh_heap_check(heap, report, sizeof report) != 0) {
        fputs(report, stderr);
        _exit(12);
    }
    if (rh_weak_get(weak) != first)
        _exit(13);
    rh_release(first);
    rh_set(&list->other, list); /* a collection needs no memory */
    rh_release(list);
    if (rh_gc_collect(heap) != (HAS_COLLECTOR ? count : 0))
        _exit(14);
    if (!HAS_COLLECTOR)
        rh_set(&list->other, NULL);
    if (!rh_new(heap, &node_type) || rh_heap_check(heap, report, sizeof report) != 0)
        _exit(15);
    rh_release(last);
    rh_heap_destroy(heap);
    _exit(count > 1000 ? 0 : 16);
}

START_TEST(memory_that_runs_out_changes_nothing)
{
#if defined(TEST_ASAN) || defined(REFHEAP_GC_STRESS)
    /* The sanitizer's shadow is far over any limit, and a stress build is too slow to fill 40 MiB:
     * there the mapping that cannot be had is simply a huge one. */
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type);
    ck_assert_ptr_null(rh_new_array(heap, &bytes_type, (size_t)1 << 46));
    ck_assert(rh_is_object(heap, a));
    assert_valid(heap);
    rh_release(a);
    rh_heap_destroy(heap);
    (void)exhaust_memory;
#else
    char text[1024];
    int status = run_child(exhaust_memory, text, sizeof text);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x %s", (unsigned)status,
                  text);
#endif
}
END_TEST

static void use_bad_types(void)
{
    static const rh_field outside[] = {
        {.name = "far", .kind = RH_KIND_STRONG, .offset = 100, .width = 8}, RH_FIELDS_END};
    static const rh_field narrow[] = {
        {.name = "half", .kind = RH_KIND_STRONG, .offset = 16, .width = 4}, RH_FIELDS_END};
    static const rh_field strange[] = {{.name = "odd", .kind = 99, .offset = 16, .width = 8},
                                       RH_FIELDS_END};
    static rh_type types[] = {{.name = "a", .size = 24, .fields = outside},
                              {.name = "b", .size = 24, .fields = narrow},
                              {.name = "c", .size = 24, .fields = strange},
                              {.name = "d", .size = 8}};
    rh_heap *heap = rh_heap_create(NULL);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (rh_new(heap, &types[i]))
            _exit(1);
    rh_heap_destroy(heap);
}

START_TEST(types_that_lie_are_refused_by_name)
{
    char text[1024];
    int status = run_child(use_bad_types, text, sizeof text);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(text, "refheap: type a far lies outside the struct, it cannot be used\n"
                           "refheap: type b half is not a pointer, it cannot be used\n"
                           "refheap: type c odd has an unknown kind, it cannot be used\n"
                           "refheap: type d is smaller than an object header, it cannot be used\n");
}
END_TEST

typedef struct headless {
    void *next; /* in front of the header */
    rh_object base;
} headless;

static void doubtful_types(void)
{
    static const rh_field in_header[] = {RH_STRONG(headless, next), RH_FIELDS_END};
    static const rh_field twice[] = {RH_STRONG(node, next), RH_WEAK(node, next), RH_FIELDS_END};
    static const rh_field half[] = {
        RH_STRONG(node, next),
        {.name = "half", .kind = RH_KIND_STRONG, .offset = 20, .width = 8},
        RH_FIELDS_END};
    static const rh_field array[] = {{.name = "all",
                                      .kind = RH_KIND_STRONG,
                                      .form = RH_FORM_ARRAY,
                                      .offset = 16,
                                      .width = 8,
                                      .count = 3,
                                      .stride = 8},
                                     RH_STRONG(node, other),
                                     RH_FIELDS_END};
    static const rh_field beyond[] = {{.name = "beyond",
                                       .kind = RH_KIND_STRONG,
                                       .form = RH_FORM_ARRAY,
                                       .offset = 16,
                                       .width = 8,
                                       .count = 1,
                                       .stride = 16,
                                       .element_offset = 12},
                                      RH_FIELDS_END};
    static rh_field many[RH_METADATA_FIELDS_MAX + 2];
    for (unsigned i = 0; i <= RH_METADATA_FIELDS_MAX; i++)
        many[i] = (rh_field)RH_INT(node, value);
    static rh_type types[] = {{.name = "a", .size = sizeof(headless), .fields = in_header},
                              {.name = "b", .size = sizeof(node), .fields = twice},
                              {.name = "c", .size = sizeof(node), .fields = half},
                              {.name = "d", .size = sizeof(node), .fields = array},
                              {.name = "e", .size = sizeof(node), .fields = beyond},
                              {.name = "f", .size = sizeof(node), .fields = many}};
    rh_heap *heap = rh_heap_create(NULL);
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
        if (rh_new(heap, &types[i]))
            _exit(1);
}

START_TEST(slots_have_one_owner_and_lie_behind_the_header)
{
    char text[2000];
    int status = run_child(doubtful_types, text, sizeof text);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(
        text,
        "refheap: type a next lies in the object header (the struct must begin with its "
        "rh_object), it cannot be used\n"
        "refheap: type b next owns a slot that an earlier field owns, too, it cannot be used\n"
        "refheap: type c half owns a slot that an earlier field owns, too, it cannot be used\n"
        "refheap: type d other owns a slot that an earlier field owns, too, it cannot be used\n"
        "refheap: type e beyond has references that go beyond its elements, it cannot be used\n"
        "refheap: type f value is one field too many: 4096 are possible, it cannot be used\n");
}
END_TEST

typedef struct crowd {
    rh_object base;
    struct {
        void *key, *value;
    } pairs[3];
    void *one, *two;
} crowd;

/* Arrays that lie between each other, and as many fields as there may be. */
START_TEST(slots_side_by_side_are_fine)
{
    static const rh_field fields[] = {{.name = "key",
                                       .kind = RH_KIND_STRONG,
                                       .form = RH_FORM_ARRAY,
                                       .offset = 16,
                                       .width = 8,
                                       .count = 3,
                                       .stride = 16},
                                      {.name = "value",
                                       .kind = RH_KIND_STRONG,
                                       .form = RH_FORM_ARRAY,
                                       .offset = 16,
                                       .width = 8,
                                       .count = 3,
                                       .stride = 16,
                                       .element_offset = 8},
                                      RH_STRONG(crowd, one),
                                      RH_STRONG(crowd, two),
                                      RH_FIELDS_END};
    static rh_field many[RH_METADATA_FIELDS_MAX + 1];
    for (unsigned i = 0; i < RH_METADATA_FIELDS_MAX; i++)
        many[i] = (rh_field)RH_INT(node, value);
    static rh_type types[] = {{.name = "crowd", .size = sizeof(crowd), .fields = fields},
                              {.name = "many", .size = sizeof(node), .fields = many}};
    rh_heap *heap = rh_heap_create(NULL);
    crowd *a = rh_new(heap, &types[0]);
    ck_assert_ptr_nonnull(a);
    a->pairs[2].value = rh_new(heap, &types[1]);
    ck_assert_ptr_nonnull(a->pairs[2].value);
    ck_assert_uint_eq(rh_gc_referents(a, NULL, NULL), 1);
    rh_release(a);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    rh_heap_destroy(heap);
}
END_TEST

RUN_TESTS("runtime_memory", objects_of_every_size_are_zeroed_and_apart,
          sizes_that_overflow_are_refused, is_object_answers_for_any_number,
          slots_are_reused_hot_first_and_then_in_address_order, slabs_move_between_their_lists,
          a_heap_without_objects_has_few_pages,
          empty_chunks_and_large_objects_go_back_to_the_system,
          large_objects_are_zeroed_when_their_mapping_is_reused,
          memory_that_runs_out_changes_nothing, types_that_lie_are_refused_by_name,
          slots_have_one_owner_and_lie_behind_the_header, slots_side_by_side_are_fine)
