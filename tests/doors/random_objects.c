/* random_objects.c - types, births and references of random heaps (see random_objects.h). */
#define _GNU_SOURCE
#include "random_objects.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct node {
    rh_object base;
    struct node *next;
    rh_object *other;
    rh_weak *peer;
    rh_object *parent; /* owns nothing, may dangle */
    uint64_t value;
} node;

typedef struct quad {
    rh_object base;
    rh_object *child[4];
} quad;

typedef struct block {
    rh_object base;
    size_t length;
    rh_object *item[];
} block;

typedef struct pair {
    rh_object *key, *value;
} pair;

typedef struct table {
    rh_object base;
    rh_object **items;
    size_t length;
    pair *pairs;
    uint32_t pair_count;
} table;

typedef struct phoenix {
    rh_object base;
    rh_object *child;
} phoenix;

static void *rescued; /* inverted */

static void table_dispose(void *object)
{
    table *dead = object;
    free(dead->items);
    free(dead->pairs);
}

static void phoenix_rise(void *object)
{
    rescued = (void *)~(uintptr_t)rh_retain(object);
}

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_STRONG(node, other),
                                       RH_WEAK(node, peer),   RH_BORROWED(node, parent),
                                       RH_UINT(node, value),  RH_FIELDS_END};
static const rh_field quad_fields[] = {RH_STRONG_ARRAY(quad, child), RH_FIELDS_END};
static const rh_field block_fields[] = {RH_STRONG_TAIL(block, item, length), RH_FIELDS_END};
static const rh_field table_fields[] = {RH_STRONG_VECTOR(table, items, length),
                                        RH_STRONG_VECTOR_OF(table, pairs, pair_count, pair, key),
                                        RH_STRONG_VECTOR_OF(table, pairs, pair_count, pair, value),
                                        RH_FIELDS_END};
static const rh_field leaf_fields[] = {RH_INT(leaf, number), RH_FIELDS_END};
static const rh_field phoenix_fields[] = {RH_STRONG(phoenix, child), RH_FIELDS_END};

static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};
static rh_type quad_type = {.name = "quad", .size = sizeof(quad), .fields = quad_fields};
static rh_type block_type = {.name = "block",
                             .size = sizeof(block),
                             .fields = block_fields,
                             .element_size = sizeof(void *),
                             .length_offset = offsetof(block, length)};
static rh_type table_type = {
    .name = "table", .size = sizeof(table), .fields = table_fields, .dispose = table_dispose};
static rh_type leaf_type = {
    .name = "leaf", .size = sizeof(leaf), .fields = leaf_fields, .flags = RH_TYPE_ACYCLIC};
static rh_type phoenix_type = {
    .name = "phoenix", .size = sizeof(phoenix), .fields = phoenix_fields, .finalize = phoenix_rise};

random_build build = {.is_sound = true};

/* ---- chance --------------------------------------------------------------------------------- */

/* splitmix64: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators"
 * (2014). */
static uint64_t next_random(void)
{
    uint64_t z = build.random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

size_t below(size_t limit)
{
    return next_random() % limit;
}

bool chance(unsigned percent)
{
    return below(100) < percent;
}

shadow_id any_of(const ids *list)
{
    return list->count ? list->items[below(list->count)] : 0;
}

void keep(ids *list, shadow_id id)
{
    list->items[list->count++] = id;
}

/* ---- objects: the heap's own and the model's, in step --------------------------------------- */

void *real(shadow_id id)
{
    return shadow_address(id);
}

bool is_of(shadow_id id, const char *type)
{
    return strcmp(shadow_at(id)->type, type) == 0;
}

void drop(shadow_id id)
{
    void *object = real(id);
    shadow_release(id);
    rh_release(object);
}

/* The line of the birth that born() writes down next. */
static shadow_site made;
#define MADE(call) (made = (shadow_site){__FILE__, __func__, __LINE__}, (call))

/* Many more sites than this file has lines that make objects, as those of a language's interpreter.
 */
enum { SCRIPT_LINES = 40 };
static rh_site script[SCRIPT_LINES];

static rh_site *any_line(void)
{
    rh_site *line = &script[below(SCRIPT_LINES)];
    line->file = "/scripts/a script.x";
    line->function = line - script < SCRIPT_LINES / 2 ? "start" : NULL;
    line->line = 100 + (uint32_t)(line - script);
    made = (shadow_site){line->file, line->function, line->line};
    return line;
}

shadow_id born(region *r, const char *type, const void *object, size_t size, unsigned slots)
{
    shadow_id id = shadow_birth(r->heap, r->number, type, object, size, slots);
    shadow_at(id)->site = made;
    made = (shadow_site){0};
    return id;
}

static void add_slots(shadow_id id, const char *head, long count, const char *tail)
{
    for (long i = 0; i < count; i++)
        shadow_slot(id, (shadow_name){head, i, tail}, "strong");
}

shadow_id new_node(region *r)
{
    node *object = MADE(rh_new(r->heap, &node_type));
    shadow_id id = born(r, "node", object, sizeof *object, 4);
    object->value = next_random();
    object->value |= 1ull << 63; /* nobody's address */
    shadow_slot(id, (shadow_name){"next", -1, NULL}, "strong");
    shadow_slot(id, (shadow_name){"other", -1, NULL}, "strong");
    shadow_slot(id, (shadow_name){"peer", -1, NULL}, "weak");
    shadow_slot(id, (shadow_name){"parent", -1, NULL}, "borrowed");
    return id;
}

shadow_id new_table(region *r, unsigned length)
{
    table *object = MADE(rh_new(r->heap, &table_type));
    shadow_id id = born(r, "table", object, sizeof *object, length + 2 * VECTOR_LENGTH);
    object->items = calloc(length, sizeof *object->items);
    object->pairs = calloc(VECTOR_LENGTH, sizeof *object->pairs);
    require(object->items && object->pairs);
    memset(object->items, 0, malloc_usable_size(object->items));
    memset(object->pairs, 0, malloc_usable_size(object->pairs));
    object->length = length;
    object->pair_count = VECTOR_LENGTH;
    add_slots(id, "items", length, NULL);
    add_slots(id, "pairs", VECTOR_LENGTH, ".key");
    add_slots(id, "pairs", VECTOR_LENGTH, ".value");
    return id;
}

static shadow_id new_block(region *r)
{
    size_t length = below(40) == 0 ? 300 : below(7);
    block *object = MADE(rh_new_array(r->heap, &block_type, length));
    shadow_id id =
        born(r, "block", object, sizeof *object + length * sizeof(void *), (unsigned)length);
    add_slots(id, "item", (long)length, NULL);
    return id;
}

shadow_id new_phoenix(region *r)
{
    shadow_id id = born(r, "phoenix", MADE(rh_new(r->heap, &phoenix_type)), sizeof(phoenix), 0);
    rh_release(real(id));
    require(rescued == (void *)~(uintptr_t)real(id));
    rescued = NULL;
    shadow_at(id)->finalized = true;
    return id;
}

static shadow_id new_quad(region *r)
{
    quad *object = rh_new_at(r->heap, &quad_type, any_line());
    shadow_id id = born(r, "quad", object, sizeof(quad), 4);
    add_slots(id, "child", 4, NULL);
    return id;
}

shadow_id new_leaf(region *r)
{
    leaf *object = chance(20) ? (rh_new)(r->heap, &leaf_type) : MADE(rh_new(r->heap, &leaf_type));
    shadow_id id = born(r, "leaf", object, sizeof *object, 0);
    object->number = -(int64_t)below(1000);
    return id;
}

shadow_id new_string(region *r)
{
    char text[80];
    int length =
        snprintf(text, sizeof text, "%.*s%zu", (int)below(60),
                 "the quick brown fox jumps over the lazy dog, and over again", r->dict_keys++);
    return born(r, "string", MADE(rh_string_new(r->heap, text)),
                offsetof(rh_string, bytes) + 1 + (size_t)length, 0);
}

shadow_id new_atom(region *r)
{
    switch (below(3)) {
    case 0:
        return new_leaf(r);
    case 1:
        return new_string(r);
    default:
        return born(r, "int", MADE(rh_int_new(r->heap, 1000 + (int64_t)below(1000))),
                    sizeof(rh_int), 0);
    }
}

/* Of a type that may hold others. */
shadow_id new_holder(region *r)
{
    switch (below(8)) {
    case 0:
        return new_quad(r);
    case 1:
        return new_block(r);
    case 2:
        return new_table(r, VECTOR_LENGTH);
    case 3:
        return born(r, "list", MADE(rh_list_new(r->heap)), sizeof(rh_list), LIST_MAX);
    case 4:
        return born(r, "dict", MADE(rh_dict_new(r->heap)), sizeof(rh_dict), 2 * LIST_MAX);
    default:
        return new_node(r);
    }
}

shadow_id new_object(region *r)
{
    return chance(30) ? new_atom(r) : new_holder(r);
}

/* ---- references ----------------------------------------------------------------------------- */

static void **slot_address(shadow_id from, unsigned slot)
{
    void *object = real(from);
    if (is_of(from, "node"))
        return (void **)&((node *)object)->next + slot;
    if (is_of(from, "quad"))
        return (void **)&((quad *)object)->child[slot];
    if (is_of(from, "block"))
        return (void **)&((block *)object)->item[slot];
    table *one = object;
    if (slot < one->length)
        return (void **)&one->items[slot];
    slot -= (unsigned)one->length;
    return slot < VECTOR_LENGTH ? (void **)&one->pairs[slot].key
                                : (void **)&one->pairs[slot - VECTOR_LENGTH].value;
}

static void link_slot(shadow_id from, unsigned slot, shadow_id to)
{
    void *object = real(to);
    void **address = slot_address(from, slot);
    shadow_set(from, slot, to);
    rh_set(address, object);
}

/* A dictionary alone holds its keys. */
static shadow_fate fate_of_key(shadow_fate fate)
{
    return fate == SHADOW_LOST ? SHADOW_DEPENDENT : fate;
}

void set_fate(shadow_id id, shadow_fate fate)
{
    shadow_at(id)->fate = fate;
    for (unsigned i = 0; is_of(id, "dict") && i < shadow_at(id)->slot_count; i += 2)
        shadow_at(shadow_held_by(id, i))->fate = fate_of_key(fate);
}

static bool append(region *r, shadow_id from, shadow_id to)
{
    shadow_object *object = shadow_at(from);
    if (object->slot_count + 1 >= object->slot_capacity)
        return false;
    if (is_of(from, "list")) {
        require(rh_list_append(real(from), real(to)));
        shadow_set(from,
                   shadow_slot(from, (shadow_name){"items", object->slot_count, NULL}, "strong"),
                   to);
        return true;
    }
    shadow_id key = new_string(r);
    shadow_at(key)->fate = fate_of_key(object->fate);
    long entry = object->slot_count / 2;
    require(rh_dict_set(real(from), real(key), real(to)));
    shadow_set(from, shadow_slot(from, (shadow_name){"entries", entry, ".key"}, "strong"), key);
    shadow_set(from, shadow_slot(from, (shadow_name){"entries", entry, ".value"}, "strong"), to);
    drop(key);
    return true;
}

/* Lets `from` hold `to`, if there is room. */
bool hold(region *r, shadow_id from, shadow_id to)
{
    const shadow_object *object = shadow_at(from);
    if (is_of(from, "list") || is_of(from, "dict"))
        return append(r, from, to);
    unsigned usable = is_of(from, "node") ? 2 : object->slot_count,
             first = usable ? (unsigned)below(usable) : 0;
    bool to_node = is_of(to, "node");
    for (unsigned i = 0; i < usable && i < 16; i++) {
        unsigned slot = (first + i) % usable;
        if (shadow_held_by(from, slot) || (slot == 0 && is_of(from, "node") && !to_node))
            continue;
        link_slot(from, slot, to);
        return true;
    }
    return false;
}

void hold_by_spine(region *r, shadow_id to)
{
    while (shadow_held_by(r->spine, r->spine_used))
        r->spine_used++;
    link_slot(r->spine, r->spine_used++, to);
}

/* Some member of the fate holds it from now on, in place of the builder. */
bool give(region *r, shadow_fate fate, shadow_id id)
{
    bool is_given = false;
    set_fate(id, fate);
    for (int i = 0; i < 8 && !is_given && r->of_fate[fate].count; i++)
        is_given = hold(r, any_of(&r->of_fate[fate]), id);
    if (!is_given && fate == SHADOW_HELD)
        hold_by_spine(r, id);
    else if (!is_given)
        return false;
    drop(id);
    keep(&r->of_fate[fate], id);
    if (is_of(id, "leaf") && fate == SHADOW_HELD)
        keep(&r->leaves, id);
    return true;
}

static shadow_id shared_object(void)
{
    return build.shared_first + (shadow_id)below(build.shared_count);
}

/* One more reference between objects whose fates that leaves as they are. */
void add_edge(region *r)
{
    shadow_fate from = (shadow_fate)below(FATES), to = chance(70) ? from : SHADOW_HELD;
    if (from == SHADOW_CYCLE && chance(20))
        to = chance(50) ? SHADOW_LOST : SHADOW_DEPENDENT;
    else if ((from == SHADOW_LOST || from == SHADOW_DEPENDENT) && chance(40))
        to = chance(30) ? SHADOW_LOST : SHADOW_DEPENDENT;
    shadow_id holder = any_of(&r->of_fate[from]),
              target = chance(5) ? shared_object() : any_of(&r->of_fate[to]);
    if (holder && target)
        hold(r, holder, target);
}

/* The objects weak references and borrowed fields point to; the rh_weak shares the fate of its
 * holders. */
void add_peer(region *r, shadow_fate fate, shadow_id target)
{
    static shadow_id weak_of_target[1 << 20];
    shadow_id from = any_of(&r->of_fate[fate]);
    if (!from || !is_of(from, "node") || target >= sizeof weak_of_target / sizeof *weak_of_target)
        return;
    link_slot(from, 2, 0);
    shadow_id *weak = &weak_of_target[target];
    if (*weak && !shadow_at(*weak)->live)
        *weak = 0;
    void *reference = MADE(rh_weak_new(real(target)));
    if (*weak) {
        shadow_retain(*weak);
    } else {
        *weak = born(r, "weak", reference, sizeof(rh_object) + sizeof(void *), 1);
        shadow_at(*weak)->fate = fate;
        shadow_set(*weak, shadow_slot(*weak, (shadow_name){"target", -1, NULL}, "borrowed"),
                   target);
    }
    link_slot(from, 2, *weak);
    drop(*weak);
}

void set_parent(shadow_id from, shadow_id to)
{
    if (!from || !is_of(from, "node"))
        return;
    ((node *)real(from))->parent = real(to);
    shadow_set(from, 3, to);
}
