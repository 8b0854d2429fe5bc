/* random_heap.c [--unsound] SEED SIZE - builds heaps at random, says what is true of them, and
 * waits.
 *
 * About SIZE objects in two heaps, in four fates: held; lost (a count whose pointer is nowhere)
 * and what only such objects hold; garbage cycles with their tails. Words of every class hold
 * objects, point into them, or remember dead ones. With --unsound some counts are wrong, in ways
 * that a heap survives. The truth is one line of JSON: {"checkpoint": 1, "seed", "sound",
 * OBJECTS, FREED, WORDS (see shadow.c)}.
 *
 * Invariant: addresses are known to one thread alone, whose stack is unmapped before the line
 * ends: an object is remembered by the words that the truth lists, and by no other. References go
 * from a fate only to fates that this leaves as they are. */
#define _GNU_SOURCE
#include "places.h"
#include "random_objects.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACK_BYTES = 1 << 20 };

/* ---- fates ---------------------------------------------------------------------------------- */

static void add_held(region *r)
{
    if (chance(2)) { /* dies, and comes back */
        give(r, SHADOW_HELD, new_phoenix(r));
        return;
    }
    shadow_id id = new_object(r);
    give(r, SHADOW_HELD, id);
    if (chance(2)) {
        rh_make_immortal(real(id));
        shadow_at(id)->immortal = true;
    }
}

/* Its count stays, its address goes. */
static void add_lost(region *r)
{
    shadow_id id = new_object(r);
    set_fate(id, SHADOW_LOST);
    if (chance(20)) {
        shadow_retain(id);
        rh_retain(real(id));
    }
    keep(&r->of_fate[SHADOW_LOST], id);
}

/* Held by a lost object or by another dependent; where none has room, lost itself. */
static void add_dependent(region *r)
{
    shadow_id id = new_object(r);
    shadow_fate holder = chance(50) ? SHADOW_LOST : SHADOW_DEPENDENT;
    shadow_id from = any_of(&r->of_fate[holder]);
    bool is_held = from && hold(r, from, id);
    set_fate(id, is_held ? SHADOW_DEPENDENT : SHADOW_LOST);
    keep(&r->of_fate[shadow_at(id)->fate], id);
    if (is_held)
        drop(id);
}

/* A ring of objects that the builder holds too. */
static void make_ring(region *r, shadow_id *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        members[i] = new_holder(r);
        while (shadow_at(members[i])->slot_capacity == 0) {
            drop(members[i]);
            members[i] = new_holder(r);
        }
    }
    for (size_t i = 0; i < count; i++)
        require(hold(r, members[i], members[(i + 1) % count]));
}

static void add_cycle(region *r)
{
    shadow_id members[6] = {0};
    size_t count = 1 + below(6);
    make_ring(r, members, count);
    for (size_t i = 0; i < count; i++) {
        set_fate(members[i], SHADOW_CYCLE);
        keep(&r->of_fate[SHADOW_CYCLE], members[i]);
    }
    for (size_t i = 0; i < count; i++)
        drop(members[i]);
    for (size_t tails = below(4); tails; tails--) {
        shadow_id tail = new_object(r);
        if (!give(r, SHADOW_CYCLE, tail))
            drop(tail);
    }
}

/* Will die, and be remembered. */
static void add_victim(region *r)
{
    shadow_id id = new_object(r);
    if (!is_of(id, "leaf") && chance(50) && r->of_fate[SHADOW_HELD].count)
        hold(r, id, any_of(&r->of_fate[SHADOW_HELD]));
    keep(&r->victims, id);
}

/* Objects that come and go leave graves, which later ones may get. */
static void churn(region *r)
{
    shadow_id temporary[4];
    for (int i = 0; i < 4; i++)
        temporary[i] = new_object(r);
    if (hold(r, temporary[0], temporary[1]))
        hold(r, temporary[1], temporary[2]);
    for (int i = 0; i < 4; i++)
        drop(temporary[i]);
}

/* An object with two counts that nobody owns, for a root that owns a third. It is born before any
 * grave that something remembers. */
static shadow_id new_half(region *r)
{
    shadow_id half = new_string(r); /* with the builder's count, which is one of them */
    shadow_retain(half);
    rh_retain(real(half));
    shadow_at(half)->fate = SHADOW_LOST;
    return half;
}

static void build_region(region *r)
{
    size_t size = build.size / HEAPS;
    r->spine = new_table(r, (unsigned)(size + 64));
    keep(&r->of_fate[SHADOW_HELD], r->spine);
    r->half = new_half(r);
    for (size_t i = 0; i < size; i++) {
        size_t kind = below(20);
        if (kind < 11)
            add_held(r);
        else if (kind < 13)
            add_lost(r);
        else if (kind < 16)
            add_dependent(r);
        else if (kind < 17)
            add_cycle(r);
        else if (kind < 18)
            churn(r);
        else if (kind < 19 && r->victims.count < 100)
            add_victim(r);
        add_edge(r);
        add_edge(r);
        if (chance(5))
            add_peer(r, SHADOW_HELD,
                     chance(50) && r->victims.count ? any_of(&r->victims)
                                                    : any_of(&r->of_fate[SHADOW_HELD]));
        if (chance(3) && r->of_fate[SHADOW_CYCLE].count)
            add_peer(r, SHADOW_CYCLE, any_of(&r->of_fate[SHADOW_CYCLE]));
        shadow_fate fate = (shadow_fate)below(FATES);
        if (chance(10) && r->of_fate[fate].count)
            set_parent(any_of(&r->of_fate[SHADOW_HELD]), chance(40) && r->victims.count
                                                             ? any_of(&r->victims)
                                                             : any_of(&r->of_fate[fate]));
    }
}

/* Every other victim from `first` on. The first half's graves get new tenants; those of the
 * second, killed when all is born, stay empty. */
static void kill_victims(region *r, size_t first)
{
    for (size_t i = first; i < r->victims.count; i += 2)
        drop(r->victims.items[i]);
}

/* ---- words ---------------------------------------------------------------------------------- */

static void put(const place *where, shadow_id to, size_t offset, bool owns)
{
    place_fill(where, (const char *)real(to) + offset);
    bool is_register = strcmp(where->kind, "register") == 0;
    if (strcmp(where->kind, "freed") != 0) /* which will hold nothing */
        shadow_add_word((shadow_word){.kind = where->kind,
                                      .name = where->name,
                                      .lwp = where->lwp,
                                      .to = to,
                                      .offset = offset,
                                      .owns = owns,
                                      .inverted = is_register ? 0 : ~(uintptr_t)where->slot});
}

static void put_owned(const place *where, shadow_id to, size_t offset)
{
    shadow_retain(to);
    rh_retain(real(to));
    put(where, to, offset, true);
}

/* A ring that the place alone holds. */
static void put_ring(region *r, const place *where)
{
    shadow_id members[3] = {0};
    size_t count = 1 + below(3);
    make_ring(r, members, count);
    put_owned(where, members[0], 0);
    for (size_t i = 0; i < count; i++) {
        if (chance(50)) {
            shadow_id tail = new_atom(r);
            if (hold(r, members[i], tail))
                keep(&r->of_fate[SHADOW_HELD], tail);
            drop(tail);
        }
        keep(&r->of_fate[SHADOW_HELD], members[i]);
        drop(members[i]);
    }
}

/* A word that owns nothing changes no verdict; but a lost object must not be remembered at all. */
static void put_raw(region *r, const place *where)
{
    static const shadow_fate fates[] = {SHADOW_HELD, SHADOW_HELD, SHADOW_DEPENDENT, SHADOW_CYCLE};
    shadow_id to = any_of(&r->of_fate[fates[below(4)]]);
    if (to)
        put(where, to, chance(30) ? 8 * below(shadow_at(to)->size / 8) : 0, false);
}

static void fill_place(region *r, const place *where)
{
    size_t choice = below(100);
    shadow_id victim = any_of(&r->victims), held = any_of(&r->of_fate[SHADOW_HELD]);
    if (strcmp(where->kind, "freed") == 0) {
        shadow_id to = any_of(&r->of_fate[below(FATES)]);
        if (to)
            put(where, to, 0, false);
    } else if (choice < 25) {
        put_owned(where, held, 0);
    } else if (choice < 45) {
        put_ring(r, where);
    } else if (choice < 50) {
        shadow_id alone = new_node(r);
        keep(&r->of_fate[SHADOW_HELD], alone);
        put_owned(where, alone, 16);
        drop(alone);
    } else if (choice < 70) {
        put_raw(r, where);
    } else if (choice < 95 && victim) {
        put(where, victim, chance(20) ? 8 : 0, false);
    }
}

static void fill_places(void)
{
    for (size_t i = 0; i < place_count(); i++)
        fill_place(&build.regions[below(HEAPS)], place_at(i));
}

/* Words of leaves that no field declares. */
static void fill_leaves(region *r)
{
    for (size_t i = 0; i < r->leaves.count && i < 12; i++) {
        shadow_id from = r->leaves.items[i],
                  to = chance(60) ? any_of(&r->of_fate[SHADOW_HELD]) : any_of(&r->victims);
        leaf *object = real(from);
        if (!to)
            continue;
        bool owns = shadow_at(to)->live && chance(50);
        object->raw = real(to);
        if (owns) {
            shadow_retain(to);
            rh_retain(object->raw);
        }
        shadow_add_word((shadow_word){.kind = "undeclared",
                                      .inverted = ~(uintptr_t)&object->raw,
                                      .from = from,
                                      .to = to,
                                      .owns = owns});
    }
}

static void add_roots(region *r)
{
    static const char *const names[HEAPS][5] = {
        {"first root", "second_root", "root[2]", "root.3", "half"},
        {"other root", "a_root", "roots->b", "*c", "a half"}};
    static void *volatile cells[HEAPS][5];
    void *volatile *malloced = calloc(4, sizeof *malloced);
    require(malloced);
    for (int i = 0; i < 5; i++) {
        void *volatile *cell = i != 3 ? &cells[r->number - 1][i] : &malloced[1];
        rh_root_add(r->heap, (void *)cell, names[r->number - 1][i]);
        const place here = {.kind = "root", .name = names[r->number - 1][i], .slot = cell};
        if (i == 0)
            put_owned(&here, r->spine, 0);
        else if (i == 1)
            put_owned(&here, any_of(&r->of_fate[SHADOW_HELD]), 0);
        else if (i == 4)
            put_owned(&here, r->half, 0);
        else
            put_ring(r, &here);
    }
    drop(r->spine);
}

/* A count beyond those that are held, of an object that only fields hold, which nothing can ever
 * free. */
static void lose_counts(region *r)
{
    shadow_id alone = new_string(r);
    shadow_retain(alone);
    rh_retain(real(alone));
    hold_by_spine(r, alone);
    drop(alone);
    shadow_at(alone)->fate = SHADOW_LOST;
}

/* ---- unsound heaps -------------------------------------------------------------------------- */

static void release_once_more(shadow_id id)
{
    void *object = real(id);
    shadow_over_release(id);
    rh_release(object);
}

static shadow_id held_leaf(region *r, int holders)
{
    shadow_id id = new_leaf(r);
    for (int i = 0; i < holders; i++)
        hold_by_spine(r, id);
    drop(id);
    return id;
}

static void make_unsound(region *r)
{
    static void *volatile dangling, *volatile countless;
    release_once_more(held_leaf(r, 3)); /* over-released, and alive */
    release_once_more(held_leaf(r, 1)); /* a field into a grave */
    if (r->number == 1) {
        /* A field into a grave that has a new tenant: two fields and its own are more than its
         * counts. */
        shadow_id dead = held_leaf(r, 2), tenant = 0;
        const void *grave = real(dead);
        release_once_more(dead);
        release_once_more(dead);
        for (int i = 0; i < 10000 && (!tenant || real(tenant) != grave); i++) {
            tenant = new_leaf(r);
            give(r, SHADOW_HELD, tenant);
        }
        require(real(tenant) == grave);
        /* a registered root into a grave, and one that owns nothing */
        shadow_id last = held_leaf(r, 1);
        const place lost_root = {.kind = "root", .name = "dangling", .slot = &dangling},
                    free_root = {.kind = "root", .name = "countless", .slot = &countless};
        rh_root_add(r->heap, (void *)&dangling, "dangling");
        rh_root_add(r->heap, (void *)&countless, "countless");
        put(&free_root, held_leaf(r, 1), 0, false);
        put(&lost_root, last, 0, false);
        release_once_more(last);
    }
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void open_shared(void)
{
    build.shared_first = shadow_count() + 1;
    for (int64_t value = RH_INT_SHARED_MIN; value <= RH_INT_SHARED_MAX; value++)
        shadow_birth(NULL, 0, "int", rh_int_new(NULL, value), sizeof(rh_int), 0);
    shadow_birth(NULL, 0, "bool", rh_bool(false), sizeof(rh_boolean), 0);
    shadow_birth(NULL, 0, "bool", rh_bool(true), sizeof(rh_boolean), 0);
    shadow_birth(NULL, 0, "nil", rh_nil(), sizeof(rh_object), 0);
    build.shared_count = shadow_count() + 1 - build.shared_first;
    for (shadow_id id = build.shared_first; id < build.shared_first + build.shared_count; id++)
        shadow_at(id)->immortal = true;
}

static void open_region(region *r, uint32_t number)
{
    static const char *const names[HEAPS] = {"with history", "without"};
    size_t most = build.size * 8 + 4096;
    r->number = number;
    r->heap = rh_heap_create(
        &(rh_heap_options){.name = names[number - 1],
                           .gc_disabled = true,
                           .history_events = number == 1 ? 16 * build.size + 4096 : 0});
    require(r->heap);
    ids *lists[] = {&r->of_fate[0], &r->of_fate[1], &r->of_fate[2],
                    &r->of_fate[3], &r->leaves,     &r->victims};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        require((lists[i]->items = calloc(most, sizeof *lists[i]->items)));
}

/* The builder: the one thread that knows addresses. */
static void *build_all(void *nothing)
{
    (void)nothing;
    build.random = build.seed * 0x9e3779b97f4a7c15u;
    shadow_open(build.size * 8 + 65536);
    open_shared();
    for (uint32_t i = 0; i < HEAPS; i++) {
        open_region(&build.regions[i], i + 1);
        build_region(&build.regions[i]);
        lose_counts(&build.regions[i]);
        kill_victims(&build.regions[i], 0);
        add_roots(&build.regions[i]);
        fill_leaves(&build.regions[i]);
    }
    fill_places();
    for (uint32_t i = 0; i < HEAPS && !build.is_sound; i++)
        make_unsound(&build.regions[i]);
    for (uint32_t i = 0; i < HEAPS; i++)
        kill_victims(&build.regions[i], 1);
    shadow_compare(build.is_sound);
    printf("{\"checkpoint\": 1, \"name\": \"random\", \"seed\": %lu, \"sound\": %s, ", build.seed,
           build.is_sound ? "true" : "false");
    shadow_tell();
    printf("}");
    return NULL;
}

/* On a stack that is gone afterwards, with all it knew. */
static void build_elsewhere(void)
{
    pthread_t builder;
    pthread_attr_t attributes;
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    require(stack != MAP_FAILED && pthread_attr_init(&attributes) == 0);
    require(pthread_attr_setstack(&attributes, stack, STACK_BYTES) == 0);
    require(pthread_create(&builder, &attributes, build_all, NULL) == 0);
    require(pthread_join(builder, NULL) == 0);
    require(munmap(stack, STACK_BYTES) == 0);
}

int main(int argc, char **argv)
{
    void *volatile mine[2] = {NULL, NULL};
    int first = argc > 1 && strcmp(argv[1], "--unsound") == 0 ? 2 : 1;
    if (argc != first + 2) {
        fprintf(stderr, "usage: random_heap [--unsound] SEED SIZE\n");
        return 2;
    }
    build.is_sound = first == 1;
    build.seed = strtoul(argv[first], NULL, 10);
    build.size = strtoul(argv[first + 1], NULL, 10);
    place_add("local", "main::mine[0]", &mine[0], getpid());
    place_add("local", "main::mine[1]", &mine[1], getpid());
    places_open();
    build_elsewhere();
    places_settle();
    printf("\n");
    fflush(stdout);
    while (build.size)
        pause();
    return mine[0] != NULL;
}
