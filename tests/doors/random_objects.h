/* random_objects.h - objects of random types and the references between them, in a heap and in
 * its model (see shadow.h) at once.
 *
 * Invariant: a function that changes the heap has changed the model in the same way when it
 * returns. */
#ifndef REFHEAP_TESTS_RANDOM_OBJECTS_H
#define REFHEAP_TESTS_RANDOM_OBJECTS_H

#include "shadow.h"

enum { HEAPS = 2, LIST_MAX = 10, VECTOR_LENGTH = 5, FATES = 4 };

typedef struct leaf {
    rh_object base;
    int64_t number;
    void *raw; /* no field declares it */
} leaf;

typedef struct ids {
    shadow_id *items;
    size_t count;
} ids;

typedef struct region { /* a heap, and what was built in it */
    rh_heap *heap;
    uint32_t number;
    ids of_fate[FATES], leaves, victims;
    shadow_id spine; /* holds whatever found no other place */
    shadow_id half;  /* has counts that nobody owns, and a root */
    unsigned spine_used;
    size_t dict_keys;
} region;

typedef struct random_build {
    unsigned long seed, size;
    bool is_sound;
    uint64_t random;
    region regions[HEAPS];
    shadow_id shared_first, shared_count;
} random_build;

extern random_build build;

size_t below(size_t limit);
bool chance(unsigned percent);
shadow_id any_of(const ids *list);
void keep(ids *list, shadow_id id);
void *real(shadow_id id);
bool is_of(shadow_id id, const char *type);
/* The builder's count goes. */
void drop(shadow_id id);
/* Every object is born with one count, the builder's. */
shadow_id born(region *r, const char *type, const void *object, size_t size, unsigned slots);
shadow_id new_node(region *r);
shadow_id new_table(region *r, unsigned length);
shadow_id new_leaf(region *r);
shadow_id new_string(region *r);
shadow_id new_atom(region *r);
shadow_id new_holder(region *r);
shadow_id new_phoenix(region *r); /* one that died once, and came back */
shadow_id new_object(region *r);

/* Of the object, and of what it alone holds by its making. */
void set_fate(shadow_id id, shadow_fate fate);
/* Lets `from` hold `to`, if there is room. */
bool hold(region *r, shadow_id from, shadow_id to);
void hold_by_spine(region *r, shadow_id to);
/* Some member of the fate holds it from now on, in place of the builder; false: none has room. */
bool give(region *r, shadow_fate fate, shadow_id id);
/* One more reference between objects whose fates that leaves as they are. */
void add_edge(region *r);
/* Some node of the fate gets a weak reference to the target. */
void add_peer(region *r, shadow_fate fate, shadow_id target);
/* The node remembers `to` in a field that owns nothing. */
void set_parent(shadow_id from, shadow_id to);

#endif
