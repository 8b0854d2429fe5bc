/* injecting.c - a heap whose names want to be markup, scripts, or other text than they are, and
 * that has as many objects as it is told: it waits at its only checkpoint.
 *
 *     injecting OBJECTS
 *
 * Invariant: what holds the crowd is the global `crowd`, and each of its members holds a leaf that
 * retains less than the member; `pair` is garbage, and one `lost` has a count that nobody owns. */
#include <refheap/refheap.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTACK "<img src=x onerror=\"window.attacked=1\">"
#define SCRIPT "</script><script>window.attacked=1</script>"

typedef struct member {
    rh_object base;
    struct leaf *watched; /* borrowed, and before the one that owns */
    struct leaf *leaf;
    uint32_t number;
} member;
typedef struct leaf {
    rh_object base;
} leaf;
typedef struct crowd {
    rh_object base;
    size_t count;
    member *members[];
} crowd;
typedef struct pair {
    rh_object base;
    struct pair *other;
    uint8_t length;
    char text[63];
} pair;
typedef struct lost {
    rh_object base;
    uint64_t words[3];
} lost;

static const rh_field member_fields[] = {RH_BORROWED(member, watched), RH_STRONG(member, leaf),
                                         RH_UINT(member, number), RH_FIELDS_END};
static const rh_field crowd_fields[] = {RH_STRONG_TAIL(crowd, members, count), RH_FIELDS_END};
static rh_field pair_fields[] = {RH_STRONG(pair, other), RH_BYTES(pair, text, length),
                                 RH_FIELDS_END};
static rh_type member_type = {
    .name = "member", .size = RH_SIZE(member, base), .fields = member_fields};
static rh_type leaf_type = {.name = "leaf", .size = RH_SIZE(leaf, base)};
static rh_type crowd_type = {.name = "crowd",
                             .size = RH_SIZE(crowd, base),
                             .element_size = sizeof(member *),
                             .length_offset = offsetof(crowd, count),

                             .fields = crowd_fields};
static rh_type pair_type = {
    .name = SCRIPT ATTACK, .size = RH_SIZE(pair, base), .fields = pair_fields};
static rh_type lost_type = {.name = "\"'>" ATTACK "\x01\x1b]0;x\x07\xe2\x80\xae"
                                    "gnp",
                            .size = RH_SIZE(lost, base)};

static crowd *all;
static rh_site site = {.file = "/src/--><!--" ATTACK ".c", .function = SCRIPT, .line = 7};

/* Two objects that hold each other, and nothing else holds. */
static void make_pair(rh_heap *heap)
{
    pair *a = rh_new_at(heap, &pair_type, &site), *b = rh_new_at(heap, &pair_type, &site);
    const char text[] = SCRIPT "\xe2\x80\xae\x01";
    memcpy(a->text, text, sizeof text - 1);
    a->length = sizeof text - 1;
    rh_set(&a->other, b);
    b->other = a; /* our count is its now */
    rh_release(b);
}

static __attribute__((noinline)) void lose(rh_heap *heap)
{
    lost *object = rh_new_at(heap, &lost_type, &site);
    rh_retain(object);
    rh_release(object);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.name = "<h1>" ATTACK, .gc_disabled = true});
    pair_fields[1].name = "text</td>" ATTACK;
    lose(heap); /* what follows overwrites the words that led to it */
    all = rh_new_array(heap, &crowd_type, count / 2);
    rh_root_add(heap, &all, "crowd\"><script>window.attacked=1</script>");
    for (size_t i = 0; i < all->count; i++) {
        all->members[i] = rh_new(heap, &member_type);
        all->members[i]->leaf = rh_new(heap, &leaf_type);
        all->members[i]->watched = all->members[i]->leaf;
        all->members[i]->number = (uint32_t)i;
    }
    make_pair(heap);
    puts("{\"checkpoint\": 1}");
    fflush(stdout);
    for (;;)
        pause();
}
