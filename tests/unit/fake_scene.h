/* fake_scene.h - a heap of everything, as the start for hostile input: two copies of the runtime,
 * three heaps, cycles, vectors, a tombstone, roots, history, a stack and module data. Included by
 * one .c file per program. */
#ifndef REFHEAP_TESTS_FAKE_SCENE_H
#define REFHEAP_TESTS_FAKE_SCENE_H

#include "inspect_test.h"

typedef struct scene {
    world w, other;
    fake_heap *second;
    uint64_t random;
    uint64_t addresses[24]; /* worth asking for */
    unsigned address_count;
    uint64_t fields[2]; /* tables of fields */
} scene;

static const fake_field rich_fields[] = {FAKE_STRONG("one", 0),
                                         FAKE_VECTOR("items", 8, 16),
                                         {.name = "text",
                                          .kind = RH_KIND_BYTES,
                                          .form = RH_FORM_VECTOR,
                                          .width = 1,
                                          .count_width = 4,
                                          .offset = 24,
                                          .count_offset = 32,
                                          .stride = 1},
                                         {.name = "tail",
                                          .kind = RH_KIND_STRONG,
                                          .form = RH_FORM_ARRAY,
                                          .width = 8,
                                          .count_width = 4,
                                          .offset = 40,
                                          .count_offset = 36,
                                          .stride = 8}};

static inline void add_address(scene *s, uint64_t address)
{
    s->addresses[s->address_count++] = address;
}

/* A thread whose stack and register hold some of the nodes, a root that holds the bag. */
static inline void scene_roots(scene *s, const uint64_t *n, uint64_t bag)
{
    fake_target *t = s->w.t;
    fake_map(t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(t, 321, 0x7ffe00001000);
    fake_register(t, "rbx", n[0]);
    fake_put(t, 0x7ffe00001800, n[3], 8);
    fake_root(s->w.heap, 0x7ffe00001808, "root");
    fake_put(t, 0x7ffe00001808, bag, 8);
    fake_put(t, 0x400000004F00, n[2], 8);
}

static inline scene *scene_new(int layout)
{
    scene *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    s->random = 0x9E3779B97F4A7C15ull + (unsigned)layout;
    s->w = world_new(layout);
    fake_target *t = s->w.t;
    fake_module(t, 0x400000000000, "/usr/bin/program", 0x4000, 0x1000,
                0x400000000000 + FAKE_MODULE_DATA + 0x100);
    s->other = (world){
        .t = t,
        .space = fake_space_new(t, 0x400000000000 + FAKE_MODULE_DATA + 0x100, !layout, NULL)};
    s->other.node = fake_type(s->other.space, "twig", NODE_BODY, node_fields, 5);
    s->other.space->next_address = 0x460000000000;
    s->other.heap = fake_heap_new(s->other.space, 7, "other");
    s->second = fake_heap_new(s->w.space, 2, "second");
    uint32_t rich = fake_type(s->w.space, "rich", 72, rich_fields, 4);
    fake_type_elements(s->w.space, rich, 8, 32);
    uint64_t n[8], twig = new_node(&s->other, 1), bag = fake_new(s->w.heap, rich, 1, 0),
                   far = fake_new(s->second, s->w.node, 2, 0);
    for (unsigned i = 0; i < 8; i++)
        n[i] = new_node(&s->w, 2);
    for (unsigned i = 0; i < 7; i++)
        fake_link(s->w.heap, n[i], NEXT, n[(i + 1) % 5]);
    for (unsigned i = 0; i < 4; i++)
        fake_born(s->w.heap, n[i], fake_site(s->w.space, "/src/scene.c", i ? "f" : NULL, i));
    fake_link(s->w.heap, n[2], BACK, bag);
    fake_link(s->second, far, OTHER, far);
    fake_link(s->other.heap, twig, NEXT, twig);
    fake_free_object(s->w.heap, n[7], RH_DEATH_COLLECT);
    fake_immortal(s->w.heap, n[6]);
    uint64_t items = fake_vector(s->w.heap, bag, 8, 16, n, 8);
    fake_put(t, fake_slot(s->w.space, bag, 24), items, 8);
    fake_put(t, fake_slot(s->w.space, bag, 32), 12 | 2ull << 32, 8);
    fake_put(t, fake_slot(s->w.space, bag, 40), n[1], 8);
    scene_roots(s, n, bag);
    fake_event(s->w.heap, RH_EVENT_FREE, n[7], 9, s->w.node, RH_DEATH_COLLECT);
    fake_event(s->w.heap, RH_EVENT_ALLOC, n[1], 2, s->w.node, RH_DEATH_NONE);
    s->fields[0] = fake_field_row(s->w.space, s->w.node, 0);
    s->fields[1] = fake_field_row(s->w.space, rich, 0);
    for (unsigned i = 0; i < 8; i++)
        add_address(s, n[i]);
    const uint64_t more[] = {bag,
                             bag + 9,
                             far,
                             twig,
                             items,
                             fake_unused_slot(s->w.heap, n[0]),
                             s->w.heap->address,
                             s->w.heap->chunk,
                             s->w.space->descriptor,
                             s->w.space->types,
                             0x7ffe00001800};
    for (unsigned i = 0; i < sizeof more / sizeof *more; i++)
        add_address(s, more[i]);
    return s;
}

static inline void scene_free(scene *s)
{
    fake_heap_free(s->second);
    fake_heap_free(s->other.heap);
    fake_space_free(s->other.space);
    world_free(&s->w);
    free(s);
}

#endif
