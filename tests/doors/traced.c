/* traced.c - takes and gives back counts of traced objects at random, logs each itself, says at its
 * checkpoint what it did to which object, and waits. Also compiled as C++.
 *
 * Invariant: the log comes from this file's own books: how often each function took a count of an
 * object, and how many of these it or its partner has not given back. A taker and its partner are
 * called by one call, so that no stack leaves a choice which of them belong together. Each line
 * that takes or gives stands alone in its function: compilers may join equal calls. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <refheap/refheap.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APART __attribute__((noinline))
#define KEEP() __asm__ volatile("" : : : "memory")

enum { OBJECTS = 24, TAKERS = 5, NOISE = 40 };

typedef struct node {
    rh_object base;
    struct node *next;
    struct node *other;
} node;

typedef struct book {
    const char *birth; /* the function of it; NULL: it was traced later */
    uint64_t retains, releases, early;
    uint64_t taken[TAKERS], open[TAKERS];
    uint64_t begins, ends, before_retains, before_releases; /* before its last pause */
    bool was_born;                                          /* the same of its birth */
} book;

static rh_heap *heap;
static node *objects[OBJECTS];
static book books[OBJECTS];
static rh_field fields[] = {RH_STRONG(node, next), RH_STRONG(node, other), RH_FIELDS_END};
static rh_type traced_type, later_type;

static void took(int i, int taker)
{
    books[i].retains++;
    books[i].taken[taker]++;
    books[i].open[taker]++;
}

static void gave(int i, int taker)
{
    books[i].releases++;
    books[i].open[taker]--;
}

/* ---- takers --------------------------------------------------------------------------------- */

/* Takes and gives back in one function, or forgets to. */
static APART void take_shortly(int i, bool forgets)
{
    rh_retain(objects[i]);
    took(i, 0);
    KEEP();
    if (forgets)
        return;
    rh_release(objects[i]);
    gave(i, 0);
    KEEP();
}

/* Through helpers of its own. */
static APART void ref(int i)
{
    rh_retain(objects[i]);
    KEEP();
}

static APART void unref(int i)
{
    rh_release(objects[i]);
    KEEP();
}

static APART void take_by_helpers(int i, bool forgets)
{
    ref(i);
    took(i, 1);
    if (forgets)
        return;
    unref(i);
    gave(i, 1);
}

/* By a slot of another object, which dies. */
static APART void take_by_field(int i, bool forgets)
{
    node *holder = (node *)rh_new(heap, &later_type);
    rh_set(&holder->next, objects[i]);
    took(i, 2);
    KEEP();
    if (forgets)
        return; /* with the holder, which keeps its own count */
    rh_release(holder);
    gave(i, 2);
    KEEP();
}

/* By what dies with another object. */
static APART void take_by_cascade(int i, bool forgets)
{
    node *holder = (node *)rh_new(heap, &later_type);
    node *last = (node *)rh_new(heap, &later_type);
    rh_set(&holder->next, last);
    rh_release(last);
    rh_set(&last->next, objects[i]);
    took(i, 3);
    KEEP();
    if (forgets)
        return;
    rh_release(holder);
    gave(i, 3);
    KEEP();
}

/* By a garbage cycle, which is collected. */
static APART void take_by_cycle(int i, bool forgets)
{
    node *holder = (node *)rh_new(heap, &later_type);
    rh_set(&holder->next, holder);
    rh_set(&holder->other, objects[i]);
    took(i, 4);
    KEEP();
    if (forgets)
        return;
    rh_release(holder);
    rh_gc_collect(heap);
    gave(i, 4);
    KEEP();
}

static APART void born_traced(int i)
{
    objects[i] = (node *)rh_new(heap, &traced_type);
    books[i].birth = "born_traced";
    KEEP();
}

static APART void born_untraced(int i)
{
    objects[i] = (node *)rh_new(heap, &later_type);
    books[i].early = 1;
    for (int n = rand() % 3; n > 0; n--) {
        rh_retain(objects[i]);
        books[i].early++;
    }
    if (!rh_trace(objects[i]))
        abort();
    books[i].begins = 1;
}

/* What it takes and gives now is in no record; the one that begins then is another one. */
static APART void pause_trace(int i)
{
    book *b = &books[i];
    rh_untrace(objects[i]);
    rh_retain(objects[i]);
    KEEP();
    if (rand() % 2 && rh_refcount(objects[i]) > 2)
        rh_release(objects[i]);
    KEEP();
    *b = (book){.early = rh_refcount(objects[i]),
                .begins = b->begins + 1,
                .ends = b->ends + 1,
                .before_retains = b->before_retains + b->retains,
                .before_releases = b->before_releases + b->releases,
                .was_born = b->was_born || b->birth};
    if (!rh_trace(objects[i]))
        abort();
}

static void step(void)
{
    int i = rand() % OBJECTS, taker = rand() % TAKERS;
    bool forgets = rand() % 6 == 0;
    if (taker == 0) {
        take_shortly(i, forgets);
        KEEP();
    } else if (taker == 1) {
        take_by_helpers(i, forgets);
        KEEP();
    } else if (taker == 2) {
        take_by_field(i, forgets);
        KEEP();
    } else if (taker == 3) {
        take_by_cascade(i, forgets);
        KEEP();
    } else {
        take_by_cycle(i, forgets);
        KEEP();
    }
}

/* Deaths that would push older events out of a small heap's memory. */
static void make_noise(void)
{
    for (int n = 0; n < NOISE; n++)
        rh_release(rh_new(heap, &later_type));
}

/* ---- the truth ------------------------------------------------------------------------------ */

static void print_object(int i)
{
    static const char *const names[TAKERS] = {"take_shortly", "ref", "take_by_field",
                                              "take_by_cascade", "take_by_cycle"};
    const book *b = &books[i];
    printf("%s{\"id\": \"%s#%llu\", \"count\": %llu, \"retains\": %llu, \"releases\": %llu, "
           "\"early\": %llu, \"birth\": ",
           i ? ", " : "", b->birth || b->was_born ? traced_type.name : later_type.name,
           (unsigned long long)rh_serial(objects[i]), (unsigned long long)rh_refcount(objects[i]),
           (unsigned long long)b->retains, (unsigned long long)b->releases,
           (unsigned long long)b->early);
    printf(b->birth ? "\"%s\"" : "null", b->birth);
    printf(", \"before\": {\"retain\": %llu, \"release\": %llu, \"alloc\": %d}, \"begin\": %llu, "
           "\"end\": %llu",
           (unsigned long long)b->before_retains, (unsigned long long)b->before_releases,
           b->was_born, (unsigned long long)b->begins, (unsigned long long)b->ends);
    printf(", \"groups\": {");
    for (int n = 0, shown = 0; n < TAKERS; n++)
        if (b->taken[n])
            printf("%s\"%s\": [%llu, %llu]", shown++ ? ", " : "", names[n],
                   (unsigned long long)b->open[n], (unsigned long long)b->taken[n]);
    printf("}}");
}

int main(int argc, char **argv)
{
    int steps = argc > 2 ? atoi(argv[2]) : 500;
    srand((unsigned)(argc > 1 ? atoi(argv[1]) : 1));
    traced_type.name = "traced";
    later_type.name = "later";
    traced_type.size = later_type.size = sizeof(node);
    traced_type.fields = later_type.fields = fields;
    traced_type.flags = RH_TYPE_TRACED;
    heap = rh_heap_create(NULL);
    for (int i = 0; i < OBJECTS; i++) {
        if (i % 3)
            born_traced(i);
        else
            born_untraced(i);
    }
    for (int n = 0; n < steps; n++) {
        step();
        make_noise();
        if (n < steps / 2 && rand() % 30 == 0)
            pause_trace(rand() % OBJECTS);
    }
    printf("{\"checkpoint\": 1, \"objects\": [");
    for (int i = 0; i < OBJECTS; i++)
        print_object(i);
    printf("]}\n");
    fflush(stdout);
    for (;;)
        pause();
}
