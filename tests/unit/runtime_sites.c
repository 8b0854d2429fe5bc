/* runtime_sites.c - the line that made an object: in its header, in the table of sites.
 *
 * Read by the named constants alone, as a reader outside does it. */
#include "runtime_constants.h"
#include "runtime_test.h"

#include <errno.h>
#include <refheap/metadata.h>
#include <refheap/values.h>
#include <sys/mman.h>

extern uint64_t rh__next_serial;

static bool mmap_fails;
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset)
{
    if (mmap_fails) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return __real_mmap(address, bytes, protection, flags, file, offset);
}

static uint32_t site_of(const void *object)
{
    uint64_t word = load((uintptr_t)object + constant("object.serial"), 8),
             shift = constant("object.serial_shift");
    MUST(word >> shift == rh_serial(object));
    return (uint32_t)(word & ((1ull << shift) - 1));
}

static uint64_t row_of(const void *object)
{
    uint32_t number = site_of(object);
    MUST(number > 0 && number < rh_debug_descriptor.site_count);
    return rh_debug_descriptor.sites + number * constant("site.size");
}

static const char *file_of(const void *object)
{
    return (const char *)(uintptr_t)load(row_of(object) + constant("site.file"), 8);
}

static const char *function_of(const void *object)
{
    return (const char *)(uintptr_t)load(row_of(object) + constant("site.function"), 8);
}

static uint32_t line_of(const void *object)
{
    return (uint32_t)load(row_of(object) + constant("site.line"), 4);
}

#define BORN_HERE(object)                                                                          \
    do {                                                                                           \
        const void *born = (object);                                                               \
        ck_assert_ptr_nonnull(born);                                                               \
        ck_assert_str_eq(file_of(born), __FILE__);                                                 \
        ck_assert_str_eq(function_of(born), __func__);                                             \
        ck_assert_uint_eq(line_of(born), __LINE__);                                                \
    } while (0)

typedef struct bytes {
    rh_object base;
    size_t length;
} bytes;
static rh_type bytes_type = {.name = "bytes",
                             .size = sizeof(bytes),
                             .element_size = 1,
                             .length_offset = offsetof(bytes, length)};
static rh_type item_type = {.name = "item", .size = sizeof(rh_object)};

START_TEST(each_function_that_makes_objects_records_the_line_that_called_it)
{
    rh_heap *heap = rh_heap_create(NULL);
    rh_string *text = rh_string_new(heap, "a,b");
    rh_dict *dict = rh_dict_new(heap);
    BORN_HERE(rh_new(heap, &item_type));
    BORN_HERE(rh_new_array(heap, &bytes_type, 20));
    BORN_HERE(rh_new_array(heap, &bytes_type, 100000)); /* in a chunk of its own */
    BORN_HERE(rh_weak_new(text));
    BORN_HERE(rh_int_new(heap, 1000));
    BORN_HERE(rh_float_new(heap, 1));
    BORN_HERE(rh_string_new(heap, "text"));
    BORN_HERE(rh_string_new_bytes(heap, "text", 2));
    BORN_HERE(rh_string_format(heap, "%d %s", 1, "two"));
    BORN_HERE(rh_string_format(heap, "%500d", 1));
    BORN_HERE(rh_string_concat(heap, text, text));
    BORN_HERE(rh_string_slice(heap, text, 0, 1));
    BORN_HERE(rh_list_new(heap));
    BORN_HERE(rh_list_slice(heap, rh_list_new(heap), 0, 0));
    BORN_HERE(rh_dict_new(heap));
    BORN_HERE(rh_repr(heap, text));
    BORN_HERE(rh_dict_keys(heap, dict));
    BORN_HERE(rh_dict_values(heap, dict));
    BORN_HERE((rh_dict_set_text(dict, "key", text), rh_list_get(rh_dict_keys(heap, dict), 0)));
    rh_list *parts;
    rh_string *comma = rh_string_new(heap, ",");
    BORN_HERE((parts = rh_string_split(heap, text, comma), rh_list_get(parts, 1)));
    BORN_HERE(parts = rh_string_split(heap, text, text));
    BORN_HERE(rh_string_join(heap, text, parts));
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(functions_without_a_line_make_objects_of_unknown_site)
{
    rh_heap *heap = rh_heap_create(NULL);
    void *(*pointer)(rh_heap *, rh_type *) = rh_new;
    ck_assert_uint_eq(site_of((rh_new)(heap, &item_type)), 0);
    ck_assert_uint_eq(site_of(pointer(heap, &item_type)), 0);
    ck_assert_uint_eq(site_of((rh_new_array)(heap, &bytes_type, 3)), 0);
    ck_assert_uint_eq(site_of((rh_list_new)(heap)), 0);
    ck_assert_uint_eq(site_of((rh_string_format)(heap, "%d", 1)), 0);
    ck_assert_uint_eq(site_of(rh_new_at(heap, &item_type, NULL)), 0);
    ck_assert_uint_eq(site_of(rh_nil()), 0);
    rh_heap_destroy(heap);
}
END_TEST

static void *made_at(rh_heap *heap, rh_site *site)
{
    return rh_new_at(heap, &item_type, site);
}
#define made(heap) made_at((heap), RH_HERE)

START_TEST(a_wrapper_hands_the_line_of_its_caller_on)
{
    rh_heap *heap = rh_heap_create(NULL);
    BORN_HERE(made(heap));
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_line_has_one_number_however_often_it_is_run_or_compiled)
{
    rh_heap *heap = rh_heap_create(NULL);
    uint32_t number = 0;
    for (int i = 0; i < 3; i++) {
        const void *object = rh_new(heap, &item_type);
        ck_assert(number == 0 || site_of(object) == number);
        number = site_of(object);
    }
    char file[] = "a.c", function[] = "f";
    rh_site one = {"a.c", "f", 7, 0}, same = {file, function, 7, 0}, other = {"a.c", NULL, 7, 0};
    number = site_of(made_at(heap, &one));
    ck_assert_uint_eq(site_of(made_at(heap, &same)), number);
    ck_assert_uint_ne(site_of(made_at(heap, &other)), number);
    memset(file, 'x', 3); /* the texts were copied */
    ck_assert_str_eq(file_of(made_at(heap, &same)), "a.c");
    ck_assert_ptr_null(function_of(made_at(heap, &other)));
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_tombstone_keeps_the_site)
{
    rh_heap *heap = rh_heap_create(NULL);
    rh_object *object = rh_new(heap, &item_type);
    uint32_t number = site_of(object);
    ck_assert_uint_ne(number, 0);
    rh_release(object);
    ck_assert(object->rh_flags & RH_FLAG_FREED);
    ck_assert_uint_eq(site_of(object), number);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(sites_beyond_the_numbers_are_unknown_and_counted)
{
    enum { SITES = 65540 };
    rh_heap *heap = rh_heap_create(NULL);
    rh_object *keep = rh_new(heap, &item_type);
    uint64_t before = rh_debug_descriptor.site_count;
    static rh_site sites[SITES];
    for (uint32_t i = 0; i < SITES; i++) {
        sites[i] = (rh_site){"many.c", "f", i + 1, 0};
        rh_object *object = made_at(heap, &sites[i]);
        MUST(object && site_of(object) == (before + i < 65536 ? before + i : 0));
        rh_release(object);
    }
    ck_assert_uint_eq(rh_debug_descriptor.site_count, 65536);
    ck_assert_uint_eq(rh_debug_descriptor.sites_refused, SITES - (65536 - before));
    rh_object *again = made_at(heap, &sites[SITES - 1]);
    ck_assert_uint_eq(site_of(again), 0); /* it is not registered again */
    ck_assert_uint_eq(rh_debug_descriptor.sites_refused, SITES - (65536 - before));
    ck_assert_uint_eq(line_of(made_at(heap, &sites[9])), 10);
    ck_assert_uint_eq(rh_heap_check(heap, NULL, 0), 0);
    rh_release(keep);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(without_memory_for_its_site_an_object_is_born_all_the_same)
{
    rh_heap *heap = rh_heap_create(NULL);
    rh_release((rh_new)(heap, &item_type)); /* the type, a chunk, a slab */
    rh_site site = {"a.c", "f", 7, 0};
    mmap_fails = true;
    rh_object *object = made_at(heap, &site);
    mmap_fails = false;
    ck_assert_ptr_nonnull(object);
    ck_assert_uint_eq(site_of(object), 0);
    ck_assert_uint_eq(line_of(made_at(heap, &site)), 7); /* tried again */
    ck_assert_uint_eq(rh_debug_descriptor.sites_refused, 0);
    rh_heap_destroy(heap);
}
END_TEST

static void release_twice(void)
{
    rh_object *object = rh_new(rh_heap_create(NULL), &item_type);
    rh_release(object);
    rh_release(object);
}

START_TEST(what_is_said_of_misuse_names_the_line)
{
    assert_aborts(release_twice, "refheap: release of freed object item#1, born in "
                                 "release_twice() at runtime_sites.c:N (freed by release)\n");
}
END_TEST

/* ---- leaks=on ------------------------------------------------------------------------------- */

static void *kept(rh_heap *heap)
{
    node *first = rh_new(heap, &node_type); /* nobody gives it back */
    first->next = rh_new(heap, &node_type); /* only that holds it */
    return first;
}

static void leave_objects(void)
{
    setenv("REFHEAP_OPTIONS", "leaks=on", 1);
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.name = "server", .gc_disabled = true});
    for (int i = 0; i < 3; i++)
        kept(heap);
    rh_release(rh_new(heap, &node_type));
    node *lasting = rh_new(heap, &node_type);
    lasting->next = rh_new(heap, &node_type);
    rh_make_immortal(lasting); /* meant to stay, and what it holds */
    rh_new_array(heap, &bytes_type, 100);
    rh_set(&lasting->other, (rh_new)(heap, &item_type)); /* one count of it is lost all the same */
    node *ring = rh_new(heap, &node_type);               /* last: a birth may collect */
    rh_set(&ring->next, ring);
    ring->other = (node *)(void *)rh_list_new(heap); /* the ring's alone */
    rh_release(ring);
    rh_heap_destroy(heap);
}

static void leave_nothing(void)
{
    setenv("REFHEAP_OPTIONS", "leaks=on", 1);
    rh_heap *heap = rh_heap_create(NULL);
    rh_release(rh_new(heap, &node_type));
    rh_make_immortal(rh_new(heap, &node_type));
    rh_heap_destroy(heap);
}

START_TEST(a_heap_tells_at_its_end_what_it_still_holds)
{
    char text[4096];
    ck_assert_int_eq(run_child(leave_objects, text, sizeof text), 0);
    hide_lines(text);
    ck_assert_str_eq(
        text, "refheap: heap 1 server is destroyed, and holds 10 objects of 516 bytes:\n"
              "refheap: direct leak of 144 bytes in 3 node born in kept() at runtime_sites.c:N: "
              "node#1, …\n"
              "refheap: direct leak of 124 bytes in 1 bytes born in leave_objects() at "
              "runtime_sites.c:N: bytes#10\n"
              "refheap: direct leak of 16 bytes in 1 item: item#11\n"
              "refheap: cyclic leak of 48 bytes in 1 node born in leave_objects() at "
              "runtime_sites.c:N: node#12\n"
              "refheap: cyclic leak of 40 bytes in 1 list born in leave_objects() at "
              "runtime_sites.c:N: list#13\n"
              "refheap: indirect leak of 144 bytes in 3 node born in kept() at "
              "runtime_sites.c:N: node#2, …\n");
    ck_assert_int_eq(run_child(leave_nothing, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

static void leave_many_lines(void)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.report_leaks = true});
    static rh_site sites[30];
    for (uint32_t i = 0; i < 30; i++) {
        sites[i] = (rh_site){"many.c", NULL, 100 + i, 0};
        for (uint32_t k = 0; k <= i; k++)
            made_at(heap, &sites[i]);
    }
    rh_heap_destroy(heap);
}

START_TEST(of_many_lines_the_largest_are_told)
{
    char text[8192];
    ck_assert_int_eq(run_child(leave_many_lines, text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "holds 465 objects of 7440 bytes:\n"
                                       "refheap: direct leak of 480 bytes in 30 item born at "
                                       "many.c:129: item#436, …\n"));
    ck_assert_ptr_nonnull(strstr(text, "born at many.c:110: item#56, …\n"
                                       "refheap: and 10 more rows\n"));
    ck_assert_ptr_null(strstr(text, "many.c:109"));
}
END_TEST

static void use_up_the_serials(void)
{
    rh_heap *heap = rh_heap_create(NULL), *other = rh_heap_create(NULL);
    rh__next_serial = (1ull << 48) - (1ull << 32) - 1024 * 2;
    uint64_t born = 0, last = 0;
    for (rh_object *object; (object = rh_new(heap, &item_type)); born++) {
        MUST(rh_serial(object) > last);
        last = rh_serial(object);
    }
    MUST(born == 1024 * 2 && last == (1ull << 48) - (1ull << 32) - 1);
    MUST(!rh_new(other, &item_type) && !rh_list_new(heap));
    MUST(rh_gc_get_counts(heap).objects == born && rh_heap_check(heap, NULL, 0) == 0);
    MUST(rh_serial(rh_nil()) > last); /* those of heap 0 are set aside */
    rh_heap_destroy(heap);
    rh_heap_destroy(other);
}

START_TEST(when_serials_are_used_up_births_fail_and_one_line_says_so)
{
    char text[1000];
    ck_assert_int_eq(run_child(use_up_the_serials, text, sizeof text), 0);
    ck_assert_str_eq(text, "refheap: all serials are used up: no object can be made any more\n");
}
END_TEST

RUN_TESTS("runtime_sites", each_function_that_makes_objects_records_the_line_that_called_it,
          functions_without_a_line_make_objects_of_unknown_site,
          a_wrapper_hands_the_line_of_its_caller_on,
          a_line_has_one_number_however_often_it_is_run_or_compiled, a_tombstone_keeps_the_site,
          sites_beyond_the_numbers_are_unknown_and_counted,
          without_memory_for_its_site_an_object_is_born_all_the_same,
          what_is_said_of_misuse_names_the_line, a_heap_tells_at_its_end_what_it_still_holds,
          of_many_lines_the_largest_are_told,
          when_serials_are_used_up_births_fail_and_one_line_says_so)
