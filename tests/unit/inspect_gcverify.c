/* inspect_gcverify.c - gcverify: each kind of problem provoked once in a heap that has none.
 *
 * Every test starts from the same sound heap, asks that nothing is found in it, breaks one thing,
 * and asks that this, and nothing else, is found. */
#include "inspect_test.h"

#define FAR UINT64_C(0x610000000000)
enum { ROOTS_AT = 0x7ffe0000, LIST_BODY = 24, TAIL_BODY = 8 };

typedef struct sound {
    world w;
    fake_heap *shared, *second;
    uint32_t list, tail, leaf, weak;
    uint64_t a, b, c;   /* nodes: a.next = b, b.next = c, c.next = a; b.other = c; a.back = c */
    uint64_t bag;       /* a list of a, b, c */
    uint64_t row;       /* three elements behind the struct: b, nothing, nil */
    uint64_t word;      /* of an acyclic type */
    uint64_t reference; /* the weak reference to c, in a.weak */
    uint64_t dying, freed, never; /* never: a slot that was never used */
    uint64_t nil;                 /* immortal, of heap 0 */
    uint64_t far;                 /* alone in heap 2 */
    uint64_t objects;
} sound;

static const fake_field list_fields[] = {FAKE_VECTOR("items", 0, 8)};
static const fake_field tail_fields[] = {{.name = "elements",
                                          .kind = RH_KIND_STRONG,
                                          .form = RH_FORM_ARRAY,
                                          .width = 8,
                                          .count_width = 8,
                                          .offset = TAIL_BODY,
                                          .count_offset = 0,
                                          .stride = 8}};

static void set_bit(sound *s, fake_heap *heap, enum rh_metadata_constant_id bitmap, uint64_t object)
{
    uint64_t bit, word = fake_bitmap_word(heap, bitmap, object, &bit);
    fake_put(s->w.t, word, fake_get(s->w.t, word, 8) | bit, 8);
}

static void set_candidates(sound *s, uint64_t fresh, uint64_t spared)
{
    fake_put(s->w.t, s->w.heap->address + s->w.space->c[RH_MC_heap_fresh], fresh, 8);
    fake_put(s->w.t, s->w.heap->address + s->w.space->c[RH_MC_heap_spared], spared, 8);
}

static void set_root(sound *s, unsigned number, uint64_t value)
{
    fake_put(s->w.t, ROOTS_AT + number * 8, value, 8);
}

static void link_all(sound *s)
{
    fake_heap *heap = s->w.heap;
    fake_link(heap, s->a, NEXT, s->b);
    fake_link(heap, s->b, NEXT, s->c);
    fake_link(heap, s->c, NEXT, s->a);
    fake_link(heap, s->b, OTHER, s->c);
    fake_link(heap, s->a, BACK, s->c);
    fake_link(heap, s->a, WEAK, s->reference);
    fake_weak(heap, s->reference, s->c);
    const uint64_t items[] = {s->a, s->b, s->c};
    fake_vector(heap, s->bag, 0, 8, items, 3);
    fake_put(s->w.t, fake_slot(s->w.space, s->row, 0), 3, 8);
    fake_link(heap, s->row, TAIL_BODY, s->b);
    fake_link(heap, s->row, TAIL_BODY + 16, s->nil);
    fake_link(heap, s->word, 0, s->nil);
    fake_link(heap, s->dying, NEXT, 0x1234); /* half dead on purpose */
}

static sound *sound_new(int layout)
{
    sound *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    s->w = world_new(layout);
    fake_heap *heap = s->w.heap;
    static const fake_field leaf_fields[] = {FAKE_STRONG("of", 0)};
    s->list = fake_type(s->w.space, "list", LIST_BODY, list_fields, 1);
    s->tail = fake_type(s->w.space, "tail", TAIL_BODY, tail_fields, 1);
    fake_type_elements(s->w.space, s->tail, 8, 0);
    s->leaf = fake_type(s->w.space, "leaf", 8, leaf_fields, 1);
    s->weak = fake_weak_type(s->w.space);
    s->shared = fake_heap_new(s->w.space, 0, "shared");
    s->second = fake_heap_new(s->w.space, 2, "second");
    s->nil = fake_new(s->shared, s->leaf, 1, 0);
    fake_immortal(s->shared, s->nil);
    s->far = fake_new(s->second, s->w.node, 1, 0);
    s->a = new_node(&s->w, 2);
    s->b = new_node(&s->w, 3);
    s->c = new_node(&s->w, 4);
    s->dying = new_node(&s->w, 1);
    s->freed = new_node(&s->w, 1);
    s->bag = fake_new(heap, s->list, 1, 0);
    s->row = fake_new(heap, s->tail, 1, 24);
    s->word = fake_new(heap, s->leaf, 1, 0);
    fake_flags(heap, s->word, RH_FLAG_ACYCLIC);
    s->reference = fake_new(heap, s->weak, 1, 0);
    s->never = fake_unused_slot(heap, s->a);
    link_all(s);
    fake_dying(heap, s->dying, 1);
    fake_free_object(heap, s->freed, RH_DEATH_RELEASE);
    set_bit(s, heap, RH_MC_slab_live, s->freed); /* in the allocator's hands, as the next one */
    fake_available(heap, s->never);
    set_bit(s, heap, RH_MC_slab_fresh, s->a);
    set_bit(s, heap, RH_MC_slab_spared, s->b);
    set_candidates(s, 1, 1);
    fake_map(s->w.t, ROOTS_AT, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_map(s->w.t, FAR, 0x1000, RHI_REGION_READ, "");
    fake_root(heap, ROOTS_AT, "bag");
    fake_root(heap, ROOTS_AT + 8, "empty");
    fake_root(heap, ROOTS_AT + 16, "shared");
    fake_root(s->second, ROOTS_AT + 24, "far");
    set_root(s, 0, s->bag);
    set_root(s, 2, s->nil);
    set_root(s, 3, s->far);
    s->objects = 10;
    return s;
}

static void sound_free(sound *s)
{
    fake_heap_free(s->second);
    fake_heap_free(s->shared);
    world_free(&s->w);
    free(s);
}

static size_t kinds_of(const json_t *json)
{
    ck_assert(json_is_object(fake_at(json, "by_kind")));
    return json_object_size(fake_at(json, "by_kind"));
}

static json_t *verified(sound *s, const char *options)
{
    s->w.t->state++;
    return fake_json(s->w.t, "gcverify", options);
}

static void must_be_sound(sound *s)
{
    json_t *json = verified(s, "");
    ck_assert_msg(fake_size(json, "problems") == 0 && kinds_of(json) == 0, "not sound: %.2000s",
                  s->w.t->out.bytes);
    ck_assert(json_is_true(fake_at(json, "complete")));
    ck_assert(json_is_false(fake_at(json, "provisional")));
    ck_assert_int_eq(fake_integer(json, "objects_checked"), (long long)s->objects);
    ck_assert_ptr_null(fake_at(json, "problems_total"));
    json_decref(json);
}

static sound *start(int layout)
{
    sound *s = sound_new(layout);
    must_be_sound(s);
    return s;
}

/* Exactly `count` problems, all of this kind; the first one of them is at the address, and says so.
 */
static void must_find_some(sound *s, const char *kind, long long count, uint64_t address,
                           const char *object, const char *part)
{
    json_t *json = verified(s, "");
    ck_assert_msg(kinds_of(json) == 1 && fake_at(json, "by_kind") &&
                      json_object_get(fake_at(json, "by_kind"), kind),
                  "not just %s: %.3000s", kind, s->w.t->out.bytes);
    ck_assert_int_eq(json_integer_value(json_object_get(fake_at(json, "by_kind"), kind)), count);
    ck_assert_int_eq((long long)fake_size(json, "problems"), count);
    ck_assert_str_eq(fake_string(json, "problems.0.kind"), kind);
    ck_assert_str_eq(fake_string(json, "problems.0.address"), text_of(address));
    if (object)
        ck_assert_str_eq(fake_string(json, "problems.0.object"), object);
    else
        ck_assert_msg(json_is_null(fake_at(json, "problems.0.object")),
                      "it names an object: %.2000s", s->w.t->out.bytes);
    ck_assert_has(fake_string(json, "problems.0.detail"), part);
    json_decref(json);
    int status = fake_run(s->w.t, "gcverify", "--check");
    ck_assert_int_eq(status, RHI_FOUND);
    ck_assert_has(s->w.t->out.bytes, kind);
    ck_assert_has(s->w.t->out.bytes, part);
}

static void must_find(sound *s, const char *kind, uint64_t address, const char *object,
                      const char *part)
{
    must_find_some(s, kind, 1, address, object, part);
    sound_free(s);
}

static uint64_t member(const sound *s, uint64_t object, enum rh_metadata_constant_id id)
{
    return object + s->w.space->c[id];
}

/* ---- counts and roots ----------------------------------------------------------------------- */

START_TEST(a_sound_heap_has_no_problem)
{
    sound *s = start(_i);
    ck_assert_int_eq(fake_run(s->w.t, "gcverify", "--check"), RHI_ANSWERED);
    ck_assert_str_eq(s->w.t->out.bytes, "10 objects checked: sound\n");
    set_root(s, 0, 0); /* what holds nothing is no problem either; nor is a count too many */
    must_be_sound(s);
    sound_free(s);
}
END_TEST

START_TEST(over_release)
{
    sound *s = start(_i);
    fake_count(s->w.heap, s->c, 2); /* b.next, b.other and an item of the bag hold it */
    must_find(s, "over_release", s->c, "node#5",
              "3 fields of live objects hold it, but its count is 2");
}
END_TEST

START_TEST(root_without_count)
{
    sound *s = start(_i);
    set_root(s, 1, s->c);
    must_be_sound(s); /* it has one count more than fields */
    fake_count(s->w.heap, s->c, 3);
    must_find(s, "root_without_count", s->c, "node#5",
              "1 registered root (empty) and 3 fields hold it, but its count is 3");
}
END_TEST

START_TEST(one_slot_registered_with_two_heaps_is_one_root)
{
    sound *s = start(_i);
    fake_root(s->second, ROOTS_AT, "again");
    must_be_sound(s);
    fake_root(s->w.heap, fake_slot(s->w.space, s->a, NEXT), "a field"); /* counted as what it is */
    must_be_sound(s);
    sound_free(s);
}
END_TEST

START_TEST(bad_roots)
{
    static const struct {
        int64_t root;
        const char *part;
    } cases[] = {{-1, "no memory is mapped there"},
                 {-2, "a freed slot: node#7 was there, freed by release"},
                 {-3, "a slot that was never used"},
                 {-4, "8 bytes into node#3"},
                 {-5, "memory outside every heap"},
                 {-6, "the runtime's own memory (heap control block)"}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        sound *s = start(_i);
        const uint64_t values[] = {0x1000, s->freed, s->never, s->a + 8, FAR, s->w.heap->address};
        set_root(s, 1, values[i]);
        must_find(s, "bad_root", ROOTS_AT + 8, NULL, cases[i].part);
    }
    sound *s = start(_i);
    fake_root(s->w.heap, 0x99000, "nowhere");
    must_find(s, "bad_root", 0x99000, NULL,
              "the registered root nowhere at 0x99000 lies where no memory is mapped");
}
END_TEST

START_TEST(a_root_that_is_missing_from_the_core_is_no_problem_but_missing)
{
    sound *s = start(_i);
    s->w.t->hole_start = ROOTS_AT;
    s->w.t->hole_end = ROOTS_AT + 0x1000;
    json_t *json = verified(s, "");
    ck_assert_uint_eq(fake_size(json, "problems"), 0);
    ck_assert(json_is_false(fake_at(json, "complete")));
    json_decref(json);
    ck_assert_int_eq(fake_run(s->w.t, "gcverify", "--check"), RHI_NO_ANSWER);
    ck_assert_has(s->w.t->out.bytes,
                  "10 objects checked: no problem found\nincomplete: the registered root bag");
    sound_free(s);
}
END_TEST

/* ---- references ----------------------------------------------------------------------------- */

START_TEST(bad_links)
{
    static const char *const parts[] = {"no memory is mapped there",
                                        "a freed slot: node#7 was there, freed by release",
                                        "a slot that was never used",
                                        "8 bytes into node#3",
                                        "memory outside every heap",
                                        "the runtime's own memory",
                                        "node#2 is of heap 2, and not immortal"};
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (unsigned place = 0; place < 4; place++) {
            sound *s = start(_i);
            const uint64_t values[] = {0x1000, s->freed,           s->never, s->a + 8,
                                       FAR,    s->w.heap->address, s->far};
            uint64_t item = fake_get(s->w.t, fake_slot(s->w.space, s->bag, 0), 8) + 8;
            const uint64_t slots[] = {fake_slot(s->w.space, s->a, OTHER),
                                      fake_slot(s->w.space, s->a, BACK), item,
                                      fake_slot(s->w.space, s->row, TAIL_BODY + 8)};
            static const char *const names[] = {"other", "back", "items[1]", "elements[1]"};
            char wanted[200];
            if (values[i] == s->far)
                fake_count(s->second, s->far, 5);
            fake_put(s->w.t, slots[place], values[i], 8);
            /* a borrowed field may outlive what it points to */
            if (place == 1 && values[i] == s->freed) {
                must_be_sound(s);
                sound_free(s);
                continue;
            }
            snprintf(wanted, sizeof wanted, "its field %s holds 0x%" PRIx64 ": ", names[place],
                     values[i]);
            const char *id = place < 2 ? "node#3" : place == 2 ? "list#8" : "tail#9";
            must_find_some(s, "bad_link", 1, slots[place], id, wanted);
            must_find(s, "bad_link", slots[place], id, parts[i]);
        }
    }
}
END_TEST

START_TEST(a_weak_field_holds_weak_references_alone)
{
    sound *s = start(_i);
    fake_link(s->w.heap, s->b, WEAK, s->c);
    must_find(s, "bad_link", fake_slot(s->w.space, s->b, WEAK), "node#4",
              "node#5 is no weak reference");
}
END_TEST

START_TEST(shared_objects_may_be_held_from_any_heap)
{
    sound *s = start(_i);
    fake_link(s->second, s->far, NEXT, s->nil);
    must_be_sound(s);
    /* were it mortal: three hold it */
    fake_word(s->shared, s->nil, fake_count_word(s->w.space, 9));
    fake_flags(s->shared, s->nil, 0);
    must_find_some(s, "bad_link", 3, fake_slot(s->w.space, s->far, NEXT), "node#2",
                   "leaf#1 is of heap 0");
    sound_free(s);
}
END_TEST

/* ---- headers -------------------------------------------------------------------------------- */

START_TEST(bad_type)
{
    sound *s = start(_i);
    fake_put(s->w.t, member(s, s->far, RH_MC_object_type), 999, 2);
    must_find(s, "bad_type", s->far, "?#2", "type index 999 is none of the");
    s = start(_i);
    memset(fake_bytes(s->w.t, s->far, 16), 0, s->w.space->c[RH_MC_object_size]);
    must_find(s, "bad_type", s->far, "?#0", "the first 8 bytes of its header are 0");
    s = start(_i); /* no allocator has it */
    set_bit(s, s->w.heap, RH_MC_slab_live, fake_unused_slot(s->w.heap, s->word));
    must_find(s, "bad_type", fake_unused_slot(s->w.heap, s->word), "?#0", "its slot is taken");
}
END_TEST

/* A tombstone that was written over: what is wrong with it is told, once. */
START_TEST(bad_tombstones)
{
    sound *s = start(_i);
    fake_free_object(s->second, s->far, RH_DEATH_RELEASE);
    set_root(s, 3, 0);
    s->objects--;
    must_be_sound(s);
    fake_put(s->w.t, member(s, s->far, RH_MC_object_type), 999, 2);
    must_find_some(s, "bad_type", 1, s->far, "?#2", "type index 999 is none of the");
    fake_put(s->w.t, member(s, s->far, RH_MC_object_type), s->w.node, 2);
    must_be_sound(s);
    fake_serial_put(s->w.space, s->far, 0);
    must_find(s, "bad_serial", s->far, "node#0", "its serial is 0");
}
END_TEST

START_TEST(bad_counts)
{
    sound *s = start(_i);
    fake_flags(s->second, s->far, RH_FLAG_IMMORTAL);
    must_find(s, "bad_count", s->far, "node#2", "say immortal, but its count word");
    s = start(_i);
    fake_flags(s->second, s->far, RH_FLAG_FREED);
    must_find(s, "bad_count", s->far, "node#2", "say freed, but its count word");
    s = start(_i);
    fake_word(s->second, s->far, 0xC0000000u);
    must_find(s, "bad_count", s->far, "node#2", "is special, but no flag says why");
    s = start(_i);
    set_root(s, 3, 0);
    fake_word(s->second, s->far, (uint32_t)s->w.space->c[RH_MC_count_trial_zero]);
    must_find(s, "bad_count", s->far, "node#2", "its count is 0 although no collection runs");
}
END_TEST

START_TEST(bad_bitmap)
{
    sound *s = start(_i);
    uint64_t bit, word = fake_bitmap_word(s->second, RH_MC_slab_live, s->far, &bit);
    fake_put(s->w.t, word, fake_get(s->w.t, word, 8) & ~bit, 8);
    set_root(s, 3, 0);
    must_find(s, "bad_bitmap", s->far, "node#2",
              "is free by the bitmap, but holds the header of a live object");
}
END_TEST

/* Heap 2 fills what is freed, and its node was freed. */
static sound *start_filled(int layout)
{
    sound *s = start(layout);
    const uint64_t *c = s->w.space->c;
    uint64_t slot = fake_unused_slot(s->second, s->far) - s->far;
    fake_put(s->w.t, s->second->address + c[RH_MC_heap_poisons], 1, 4);
    fake_free_object(s->second, s->far, RH_DEATH_RELEASE);
    for (uint64_t i = c[RH_MC_object_size]; i < slot; i++)
        fake_put(s->w.t, s->far + i, 0xdd, 1);
    set_root(s, 3, 0);
    s->objects--;
    return s;
}

START_TEST(written_after_free)
{
    sound *s = start_filled(_i);
    must_be_sound(s);
    sound_free(s);
    s = start_filled(_i);
    fake_ring_mark(s->second, 0, 1700000000000000000, 77);
    fake_ring_event(s->second, RH_EVENT_FREE, s->far, 2, 0, s->w.node, RH_DEATH_RELEASE, 0x401234);
    fake_put(s->w.t, s->far + s->w.space->c[RH_MC_object_size] + 9, 0x2a2b, 2);
    char text[64];
    snprintf(text, sizeof text, "2 bytes at +%u were written since: 2b 2a",
             (unsigned)s->w.space->c[RH_MC_object_size] + 9);
    must_find(s, "written_after_free", s->far, "node#2", text);
    s = start_filled(_i); /* what lies between was not written to */
    unsigned at = (unsigned)s->w.space->c[RH_MC_object_size] + 9;
    fake_put(s->w.t, s->far + at, 0x2b, 1);
    json_t *json = ask(&s->w, "objat", "", s->far);
    snprintf(text, sizeof text, "1 byte at +%u is another", at);
    ck_assert_has(fake_string(json, "remark"), text);
    json_decref(json);
    fake_put(s->w.t, s->far + at + 3, 0x2a, 1);
    snprintf(text, sizeof text, "2 bytes from +%u to +%u were written since: 2b dd dd 2a", at,
             at + 3);
    must_find(s, "written_after_free", s->far, "node#2", text);
    s = start_filled(_i); /* it may not be filled yet */
    fake_put(s->w.t, s->far + s->w.space->c[RH_MC_object_size] + 9, 0x2a, 1);
    fake_put(s->w.t, s->second->address + s->w.space->c[RH_MC_heap_poisoning], s->far, 8);
    must_be_sound(s);
    sound_free(s);
}
END_TEST

START_TEST(bad_serial)
{
    sound *s = start(_i);
    fake_serial_put(s->w.space, s->far, 0);
    must_find(s, "bad_serial", s->far, "node#0", "its serial is 0");
}
END_TEST

START_TEST(duplicate_serial)
{
    sound *s = start(_i);
    fake_serial_put(s->w.space, s->c, fake_serial(s->w.heap, s->b));
    must_find(s, "duplicate_serial", s->c, "node#4", "another object has the serial 4, too");
    s = start(_i); /* so far apart that it is not looked for */
    fake_serial_put(s->w.space, s->a, 1ull << 40);
    must_be_sound(s);
    sound_free(s);
}
END_TEST

/* ---- candidates ----------------------------------------------------------------------------- */

START_TEST(bad_candidates)
{
    sound *s = start(_i);
    set_bit(s, s->w.heap, RH_MC_slab_fresh, s->freed);
    must_find(s, "bad_candidate", s->freed, "node#7", "but holds no object");
    s = start(_i);
    set_bit(s, s->w.heap, RH_MC_slab_fresh, s->never);
    must_find(s, "bad_candidate", s->never, NULL, "but holds no object");
    s = start(_i);
    set_bit(s, s->w.heap, RH_MC_slab_spared, s->word);
    must_find(s, "bad_candidate", s->word, "leaf#10", "cannot be part of a cycle");
    s = start(_i);
    set_bit(s, s->w.heap, RH_MC_slab_spared, s->dying);
    must_find(s, "bad_candidate", s->dying, "node#6", "but is dying");
    s = start(_i);
    set_bit(s, s->w.heap, RH_MC_slab_spared, s->a);
    uint64_t bit, origin = fake_bitmap_word(s->w.heap, RH_MC_slab_live, s->a, &bit) -
                           s->w.space->c[RH_MC_slab_live];
    must_find(s, "bad_candidate", origin, NULL,
              "1 candidates that are both fresh and spared, from slot 0 on");
    s = start(_i);
    set_candidates(s, 1, 3);
    must_find(s, "bad_candidate", s->w.heap->address, NULL,
              "heap 1 says it has 1 fresh and 3 spared candidates, its bitmaps have 1 and 1");
}
END_TEST

START_TEST(a_release_under_way_may_have_counted_one_candidate)
{
    sound *s = start(_i);
    set_candidates(s, 0, 2);
    must_be_sound(s);
    uint32_t slots = s->w.heap->slabs[0].capacity; /* what lies behind the last slot says nothing */
    for (uint64_t i = (slots + 7) / 8; i < 32; i++)
        fake_put(s->w.t, s->w.heap->slabs[0].descriptor + s->w.space->c[RH_MC_slab_fresh] + i, 0xff,
                 1);
    must_be_sound(s);
    sound_free(s);
}
END_TEST

/* ---- weak references ------------------------------------------------------------------------ */

/* The number'th entry of the table of weak references, from 1 on. */
static uint64_t entry(const sound *s, unsigned number)
{
    const uint64_t *c = s->w.space->c;
    return fake_get(s->w.t, s->w.heap->address + c[RH_MC_heap_weak], 8) +
           number * c[RH_MC_weak_size];
}

static uint64_t entry_target(const sound *s)
{
    return entry(s, 1) + s->w.space->c[RH_MC_weak_target];
}

static uint64_t entry_reference(const sound *s)
{
    return entry(s, 1) + s->w.space->c[RH_MC_weak_reference];
}

START_TEST(bad_weak_references)
{
    sound *s = start(_i);
    fake_flags(s->w.heap, s->b, RH_FLAG_HAS_WEAK);
    must_find(s, "bad_weak", s->b, "node#4",
              "it is marked as having a weak reference, but none refers to it");
    s = start(_i);
    fake_flags(s->w.heap, s->c, 0);
    must_find(s, "bad_weak", s->c, "node#5", "a weak reference refers to it, but it is not marked");
    s = start(_i);
    fake_new(s->w.heap, s->weak, 1, 0);
    uint64_t second = fake_new(s->w.heap, s->weak, 1, 0);
    s->objects += 2;
    must_be_sound(s); /* that of a dead target reads NULL */
    fake_link(s->w.heap, second, 0, s->c);
    must_find(s, "bad_weak", second, "weak#13", "has another weak reference already");
    s = start(_i);
    second = fake_new(s->w.heap, s->weak, 1, 0);
    fake_link(s->w.heap, second, 0, s->freed);
    must_find(s, "bad_weak", second, "weak#12", "is no object");
    s = start(_i);
    second = fake_new(s->w.heap, s->weak, 1, 0);
    fake_link(s->w.heap, second, 0, s->far);
    must_find(s, "bad_weak", second, "weak#12", "is an object of another heap");
}
END_TEST

START_TEST(weak_references_in_motion_are_not_judged)
{
    sound *s = start(_i);
    fake_flags(s->w.heap, s->b, RH_FLAG_HAS_WEAK); /* which none refers to */
    fake_put(s->w.t, s->w.heap->address + s->w.space->c[RH_MC_heap_weak_changing], 1, 4);
    json_t *json = verified(s, "");
    ck_assert_uint_eq(fake_size(json, "problems"), 0);
    ck_assert_has(fake_string(json, "incomplete_because.0"), "its weak references were not judged");
    ck_assert(json_is_false(fake_at(json, "provisional")));
    json_decref(json);
    fake_put(s->w.t, s->w.heap->address + s->w.space->c[RH_MC_heap_weak_changing], 0, 4);
    must_find(s, "bad_weak", s->b, "node#4", "none refers to it");
}
END_TEST

START_TEST(a_count_of_the_runtime_covers_no_field)
{
    sound *s = start(_i);
    fake_flags(s->second, s->far, RH_FLAG_HELD); /* its one count is that of the root */
    must_find(s, "root_without_count", s->far, "node#2",
              "its count is 1, of which one is the runtime's");
}
END_TEST

START_TEST(a_bad_table_of_weak_references)
{
    sound *s = start(_i);
    fake_put(s->w.t, entry_target(s), 0, 8);
    must_find(s, "bad_weak", s->c, "node#5", "the table of weak references has no entry for it");
    s = start(_i);
    fake_weak(s->w.heap, fake_new(s->w.heap, s->weak, 1, 0), s->b);
    s->objects++;
    must_be_sound(s);
    fake_flags(s->w.heap, s->b, 0);
    must_find(s, "bad_weak", s->b, "node#4", "a weak reference refers to it, but it is not marked");
    s = start(_i);
    uint64_t other = fake_new(s->w.heap, s->weak, 1, 0);
    fake_weak(s->w.heap, other, s->freed);
    fake_link(s->w.heap, other, 0, 0);
    fake_flags(s->w.heap, s->freed, RH_FLAG_FREED | RH_DEATH_RELEASE << RH_FLAG_DEATH_SHIFT);
    must_find(s, "bad_weak", entry(s, 2), NULL, "which is no object");
}
END_TEST

START_TEST(a_table_entry_names_the_reference)
{
    sound *s = start(_i);
    fake_put(s->w.t, entry_reference(s), s->b, 8);
    uint64_t row = entry(s, 1);
    must_find(s, "bad_weak", row, NULL, "which it is not");
    s = start(_i);
    uint64_t other = fake_new(s->w.heap, s->weak, 1, 0);
    fake_put(s->w.t, entry_reference(s), other, 8);
    must_find(s, "bad_weak", other, "weak#12", "but it holds 0x0");
    s = start(_i);
    fake_put(s->w.t, s->w.heap->address + s->w.space->c[RH_MC_heap_weak_capacity], 1ull << 40, 8);
    must_find(s, "bad_weak", entry(s, 0), NULL, "claims 1099511627776 entries");
}
END_TEST

START_TEST(a_heap_without_a_published_table_is_checked_by_its_objects)
{
    sound *s = start(_i);
    uint64_t rows = fake_get(s->w.t, FAKE_DESCRIPTOR(s->w.space, constant_count), 4);
    for (uint64_t i = 0; i < rows; i++) {
        uint64_t row = s->w.space->constants + i * s->w.space->constant_size;
        if (strcmp((const char *)fake_bytes(s->w.t, row, 40), "weak.size") == 0)
            fake_put_text(s->w.t, row, "another", 40);
    }
    fake_put(s->w.t, entry_target(s), s->freed, 8); /* nobody looks */
    must_be_sound(s);
    fake_flags(s->w.heap, s->c, 0);
    must_find(s, "bad_weak", s->c, "node#5", "it is not marked");
}
END_TEST

/* ---- sizes, slabs, metadata ----------------------------------------------------------------- */

START_TEST(bad_sizes)
{
    sound *s = start(_i);
    fake_put(s->w.t, fake_slot(s->w.space, s->bag, 0), 0x1000, 8);
    json_t *json = verified(s, "");
    ck_assert_int_eq(fake_integer(json, "by_kind.bad_size"), 1);
    ck_assert_uint_eq(kinds_of(json), 1);
    ck_assert_has(
        fake_string(json, "problems.0.detail"),
        "its field items has 3 elements at 0x1000, where not all of that memory is mapped");
    ck_assert_str_eq(fake_string(json, "problems.0.address"), text_of(s->bag));
    json_decref(json);
    sound_free(s);
    s = start(_i);
    fake_put(s->w.t, fake_slot(s->w.space, s->row, 0), 1000, 8);
    json = verified(s, "");
    ck_assert_int_eq(fake_integer(json, "by_kind.bad_size"), 2); /* by its type and by its field */
    ck_assert_uint_eq(kinds_of(json), 1);
    ck_assert_has(s->w.t->out.bytes,
                  "its field elements claims 1000 elements, more than there is room for");
    ck_assert_has(s->w.t->out.bytes, "it claims 1000 elements, its slot has room for ");
    json_decref(json);
    sound_free(s);
    s = start(_i);
    fake_put(s->w.t, fake_slot(s->w.space, s->bag, 8), UINT64_MAX / 4, 8);
    json = verified(s, "");
    ck_assert_int_eq(fake_integer(json, "by_kind.bad_size"), 1);
    json_decref(json);
    sound_free(s);
}
END_TEST

START_TEST(a_vector_that_is_missing_from_the_core_is_no_problem_but_missing)
{
    sound *s = start(_i);
    s->w.t->hole_start = fake_get(s->w.t, fake_slot(s->w.space, s->bag, 0), 8);
    s->w.t->hole_end = s->w.t->hole_start + 0x1000;
    json_t *json = verified(s, "");
    ck_assert_uint_eq(fake_size(json, "problems"), 0);
    ck_assert(json_is_false(fake_at(json, "complete")));
    json_decref(json);
    sound_free(s);
}
END_TEST

static void must_have(sound *s, const char *kind, uint64_t address, const char *part)
{
    size_t i;
    json_t *json = verified(s, ""), *row, *found = NULL;
    json_array_foreach(fake_at(json, "problems"), i,
                       row) if (strcmp(json_string_value(json_object_get(row, "kind")), kind) == 0)
        found = row;
    ck_assert_msg(found != NULL, "no %s: %.2000s", kind, s->w.t->out.bytes);
    ck_assert_str_eq(json_string_value(json_object_get(found, "address")), text_of(address));
    ck_assert_has(json_string_value(json_object_get(found, "detail")), part);
    ck_assert(json_is_false(fake_at(json, "complete")));
    json_decref(json);
    sound_free(s);
}

START_TEST(damaged_metadata)
{
    sound *s = start(_i);
    uint64_t slab = s->second->slabs[0].descriptor;
    fake_put(s->w.t, slab + s->w.space->c[RH_MC_slab_capacity], 1 << 30, 4);
    must_have(s, "bad_slab", slab, "makes no sense");
    s = start(_i);
    fake_put(s->w.t, s->shared->address + s->w.space->c[RH_MC_heap_next], s->second->address, 8);
    must_have(s, "bad_metadata", s->second->address, "the list of heaps goes round in a circle");
    s = start(_i);
    fake_put(s->w.t, fake_field_row(s->w.space, s->leaf, 0) + s->w.space->c[RH_MC_field_kind], 77,
             1);
    must_have(s, "bad_metadata", fake_field_row(s->w.space, s->leaf, 0),
              "type leaf: its field 0 makes no sense");
}
END_TEST

START_TEST(a_heap_inside_a_collection_is_not_judged)
{
    sound *s = start(_i);
    fake_count(s->w.heap, s->c, 1);
    fake_link(s->w.heap, s->a, OTHER, s->freed);
    set_candidates(s, 9, 9);
    fake_phase(s->w.heap, RH_PHASE_FREEING);
    json_t *json = verified(s, "");
    ck_assert_msg(fake_size(json, "problems") == 0, "judged: %.2000s", s->w.t->out.bytes);
    ck_assert(json_is_true(fake_at(json, "provisional")));
    ck_assert(json_is_false(fake_at(json, "complete")));
    json_decref(json);
    ck_assert_int_eq(fake_run(s->w.t, "gcverify", "--check"), RHI_NO_ANSWER);
    ck_assert_has(s->w.t->out.bytes, "heap 1 is freeing: its counts, references and candidates are "
                                     "in motion and were not judged");
    /* that one is at rest */
    ck_assert_int_eq(fake_run(s->w.t, "gcverify", "--check --heap=2"), RHI_ANSWERED);
    fake_put(s->w.t, member(s, s->a, RH_MC_object_type), 999, 2);
    s->w.t->state++;
    /* headers are judged all the same */
    ck_assert_int_eq(fake_run(s->w.t, "gcverify", "--check"), RHI_FOUND);
    ck_assert_has(s->w.t->out.bytes, "bad_type: 1 object is of no type\n");
    sound_free(s);
}
END_TEST

/* ---- the answer ----------------------------------------------------------------------------- */

START_TEST(rows_are_cut_and_totals_are_not)
{
    sound *s = start(_i);
    for (unsigned i = 0; i < 3; i++)
        fake_link(s->w.heap, i == 0 ? s->a : i == 1 ? s->b : s->c, BACK, s->never);
    fake_put(s->w.t, member(s, s->far, RH_MC_object_type), 999, 2);
    json_t *json = verified(s, "--limit=2");
    ck_assert_uint_eq(fake_size(json, "problems"), 2);
    ck_assert_int_eq(fake_integer(json, "problems_total"), 4);
    ck_assert_int_eq(fake_integer(json, "by_kind.bad_link"), 3);
    ck_assert_int_eq(fake_integer(json, "by_kind.bad_type"), 1);
    ck_assert_str_eq(fake_string(json, "problems.0.object"), "node#3"); /* by kind, then address */
    ck_assert_str_eq(fake_string(json, "problems.1.object"), "node#4");
    ck_assert_int_eq(fake_integer(json, "problems.0.heap"), 1);
    json_decref(json);
    fake_run(s->w.t, "gcverify", "--limit=1");
    ck_assert_has(s->w.t->out.bytes, "10 objects checked: 4 problems\nbad_link: 3 references point "
                                     "to no object that they may point to\n  node#3 at ");
    ck_assert_has(s->w.t->out.bytes, "\n  … 2 more (--limit=0 shows all)\n");
    ck_assert_has(s->w.t->out.bytes, "bad_type: 1 object is of no type\n  ?#2 at ");
    json = verified(s, "--limit=0");
    ck_assert_uint_eq(fake_size(json, "problems"), 4);
    json_decref(json);
    sound_free(s);
}
END_TEST

START_TEST(one_heap_alone)
{
    sound *s = start(_i);
    fake_put(s->w.t, member(s, s->far, RH_MC_object_type), 999, 2);
    json_t *json = verified(s, "--heap=2");
    ck_assert_int_eq(fake_integer(json, "objects_checked"), 1);
    ck_assert_int_eq(fake_integer(json, "by_kind.bad_type"), 1);
    json_decref(json);
    json = verified(s, "--heap=1");
    ck_assert_int_eq(fake_integer(json, "objects_checked"), 8);
    ck_assert_uint_eq(fake_size(json, "problems"), 0);
    json_decref(json);
    /* nothing has changed: what was found before may be told again */
    json = fake_json(s->w.t, "gcverify", "--heap=2");
    ck_assert_int_eq(fake_integer(json, "by_kind.bad_type"), 1);
    json_decref(json);
    fake_put(s->w.t, member(s, s->far, RH_MC_object_type), s->w.node, 2);
    must_be_sound(s);
    ck_assert_has(fake_json_failure(s->w.t, "gcverify", "--heap=5"), "there is no heap 5");
    ck_assert_has(fake_json_failure(s->w.t, "gcverify", "0x1000"), "takes no operand");
    sound_free(s);
}
END_TEST

START_TEST(an_interrupt_ends_it)
{
    sound *s = start(_i);
    for (unsigned long at = 1;; at++) {
        s->w.t->state++;
        s->w.t->polls = 0;
        s->w.t->interrupt_at = at;
        int status = fake_run(s->w.t, "gcverify", "");
        if (status == RHI_ANSWERED) {
            ck_assert_uint_gt(at, 5);
            break;
        }
        ck_assert_int_eq(status, RHI_NO_ANSWER);
        ck_assert_has(s->w.t->err.bytes, "cancelled");
        MUST(at < 1000);
    }
    s->w.t->interrupt_at = 0;
    must_be_sound(s);
    sound_free(s);
}
END_TEST

RUN_TESTS("inspect_gcverify", a_sound_heap_has_no_problem, over_release, root_without_count,
          one_slot_registered_with_two_heaps_is_one_root, bad_roots,
          a_root_that_is_missing_from_the_core_is_no_problem_but_missing, bad_links,
          a_weak_field_holds_weak_references_alone, shared_objects_may_be_held_from_any_heap,
          bad_type, bad_tombstones, bad_counts, bad_bitmap, written_after_free, bad_serial,
          duplicate_serial, bad_candidates, a_release_under_way_may_have_counted_one_candidate,
          bad_weak_references, weak_references_in_motion_are_not_judged,
          a_count_of_the_runtime_covers_no_field, a_bad_table_of_weak_references,
          a_table_entry_names_the_reference,
          a_heap_without_a_published_table_is_checked_by_its_objects, bad_sizes,
          a_vector_that_is_missing_from_the_core_is_no_problem_but_missing, damaged_metadata,
          a_heap_inside_a_collection_is_not_judged, rows_are_cut_and_totals_are_not, one_heap_alone,
          an_interrupt_ends_it)
