/* runtime_stepping.c - the runtime's memory is true at every instruction.
 *
 * A child creates, sets, releases, finalizes and collects; its parent single-steps it and, like a
 * debugger, reads a whole slab after each instruction by the published constants: every slot is
 * blank, a tombstone or an object, and blank only where it is free or the allocator has it
 * available; every reference of an object leads to an object; and outside an announced phase no
 * object is found in more slots than it has counts. The child is a fork, so addresses and
 * constants are the parent's own. */
#define _GNU_SOURCE
#include "runtime_test.h"

#include <refheap/metadata.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

extern struct rh_metadata_descriptor rh_debug_descriptor;

enum { SLOTS = 192, STEPS_MIN = 20000 };

static rh_heap *heap;
static char *slab_base; /* of the nodes */
static uint64_t slab;   /* its descriptor */
static uint64_t slot_size;
static uint64_t phases_seen; /* bit p: phase p */
static uint64_t dying_seen;

static uint64_t constant(enum rh_metadata_constant_id id)
{
    const struct rh_metadata_constant *table =
        (const void *)(uintptr_t)rh_debug_descriptor.constants;
    return table[id].value;
}

/* Of those that the table has besides. */
static uint64_t constant_named(const char *name)
{
    const struct rh_metadata_constant *table =
        (const void *)(uintptr_t)rh_debug_descriptor.constants;
    for (uint32_t i = 0; i < rh_debug_descriptor.constant_count; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].value;
    ck_abort_msg("no constant %s", name);
}

/* ---- the parent: a reader of the stopped child ---------------------------------------------- */

static void read_child(pid_t child, uint64_t address, void *buffer, size_t size)
{
    struct iovec to = {buffer, size}, from = {(void *)(uintptr_t)address, size};
    MUST(process_vm_readv(child, &to, 1, &from, 1, 0) == (ssize_t)size);
}

static void find_slab(const node *object)
{
    uint64_t chunk = (uintptr_t)object & ~(constant(RH_MC_chunk_size) - 1);
    for (uint64_t i = 0; i < constant(RH_MC_chunk_slabs); i++) {
        slab = chunk + constant(RH_MC_chunk_slab_table) + i * constant(RH_MC_slab_size);
        memcpy(&slab_base, (char *)(uintptr_t)slab + constant(RH_MC_slab_base), sizeof slab_base);
        memcpy(&slot_size, (char *)(uintptr_t)slab + constant(RH_MC_slab_slot_size),
               sizeof slot_size);
        if (slot_size && (const char *)object >= slab_base &&
            (const char *)object < slab_base + (64 << 10))
            return;
    }
    ck_abort_msg("no slab has the object");
}

typedef struct picture {
    char bytes[SLOTS][64];
    bool in_use[SLOTS];
    size_t found[SLOTS];
} picture;

static const node *node_at(const picture *p, int slot)
{
    return (const node *)(const void *)p->bytes[slot];
}

static int slot_of(const void *address)
{
    int64_t offset = (const char *)address - slab_base;
    MUST(offset >= 0 && (uint64_t)offset < SLOTS * slot_size && (uint64_t)offset % slot_size == 0);
    return (int)((uint64_t)offset / slot_size);
}

static void follow(picture *p, const void *target)
{
    if (!target)
        return;
    int slot = slot_of(target);
    MUST(p->in_use[slot]); /* no object holds a dead one */
    p->found[slot]++;
}

static uint64_t blank_seen; /* slots that an allocator has available */

/* Has an allocator of the heap the slot available? */
static bool is_available(pid_t child, const char *slot)
{
    static char allocs[1 << 16];
    uint64_t size = constant_named("alloc.size"), count = constant_named("heap.allocs");
    MUST(size * count <= sizeof allocs);
    read_child(child, (uintptr_t)heap + constant_named("heap.alloc"), allocs, size * count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t base, available;
        uint32_t bytes;
        const char *row = allocs + i * size;
        memcpy(&base, row + constant_named("alloc.base"), sizeof base);
        memcpy(&bytes, row + constant_named("alloc.slot_size"), sizeof bytes);
        memcpy(&available, row + constant_named("alloc.available"), sizeof available);
        for (uint64_t bit = 0; available && bit < 64; bit++)
            if (available >> bit & 1 && base + bit * bytes == (uintptr_t)slot)
                return true;
    }
    return false;
}

static void check_blank(pid_t child, int slot)
{
    MUST(is_available(child, slab_base + (uint64_t)slot * slot_size));
    blank_seen++;
}

static void take_picture(pid_t child, picture *p)
{
    static char raw[SLOTS * 64];
    uint64_t live[SLOTS / 64];
    read_child(child, slab + constant(RH_MC_slab_live), live, sizeof live);
    read_child(child, (uintptr_t)slab_base, raw, SLOTS * slot_size);
    bool seen_blank = false;
    memset(p->found, 0, sizeof p->found);
    for (int i = 0; i < SLOTS; i++) {
        memcpy(p->bytes[i], raw + (size_t)i * slot_size, slot_size);
        const rh_object *header = &node_at(p, i)->base;
        bool is_live = live[i / 64] >> i % 64 & 1;
        /* without a type: of a slot whose object is being born */
        bool is_tombstone = header->rh_flags & RH_FLAG_FREED && header->rh_type_index;
        uint64_t first;
        memcpy(&first, header, sizeof first);
        p->in_use[i] = header->rh_type_index && !is_tombstone && is_live;
        /* the first is enough: slots are taken in their order */
        if (is_live && first == 0 && !seen_blank) {
            check_blank(child, i);
            seen_blank = true;
        }
        /* A freed slot keeps the name of who died there. */
        if (is_tombstone)
            MUST(rh_serial(header) && (header->rh_flags & RH_FLAG_DEATH_MASK));
        if (p->in_use[i])
            MUST(rh_serial(header) && header->rh_type_index < rh_debug_descriptor.type_count);
    }
}

static size_t stored_count(const rh_object *header)
{
    if (header->rh_flags & RH_FLAG_IMMORTAL)
        return SIZE_MAX;
    if (header->rh_flags & RH_FLAG_DYING)
        return ((header->rh_count & constant(RH_MC_count_dying_mask)) >> 1) + 1;
    return (header->rh_count >> 1) + 1;
}

static void check_child(pid_t child)
{
    static picture p;
    uint32_t phase;
    read_child(child, (uintptr_t)heap + constant(RH_MC_heap_phase), &phase, sizeof phase);
    phases_seen |= (uint64_t)1 << phase;
    take_picture(child, &p);
    if (phase == RH_PHASE_FREEING) /* of the garbage some is gone, some still there */
        return;
    for (int i = 0; i < SLOTS; i++) {
        if (!p.in_use[i])
            continue;
        follow(&p, node_at(&p, i)->next);
        follow(&p, node_at(&p, i)->other);
        dying_seen += (node_at(&p, i)->base.rh_flags & RH_FLAG_DYING) != 0;
    }
    for (int i = 0; phase == RH_PHASE_IDLE && i < SLOTS; i++)
        if (p.in_use[i] && p.found[i] > stored_count(&node_at(&p, i)->base))
            ck_abort_msg("node#%llu: %zu slots, count word %#x",
                         (unsigned long long)rh_serial(node_at(&p, i)), p.found[i],
                         node_at(&p, i)->base.rh_count);
}

static void step_through(void (*operations)(void))
{
    phases_seen = dying_seen = blank_seen = 0;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        operations();
        _exit(42);
    }
    int status;
    size_t steps = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_EXITKILL);
    for (; WIFSTOPPED(status); steps++) {
        MUST(steps == 0 || WSTOPSIG(status) == SIGTRAP);
        check_child(child);
        MUST(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
        MUST(waitpid(child, &status, 0) == child);
    }
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    ck_assert_uint_ge(steps, STEPS_MIN);
}

/* ---- the child's work: small structures, all in the first slots of one slab ----------------- */

static void setup(void)
{
    heap = rh_heap_create(NULL);
    rh_gc_disable(heap);
    node *probe = new_node(heap, &node_type, 0);
    find_slab(probe);
    ck_assert_uint_le(slot_size, 64);
    rh_release(probe);
    rh_release(new_node(heap, &logged_type, 0)); /* registered before the fork */
}

static node *tree(rh_type *type, int depth)
{
    node *root = rh_new(heap, type);
    if (depth) {
        root->next = tree(type, depth - 1);
        root->other = tree(type, depth - 1);
    }
    return root;
}

static void births_sets_and_releases(void)
{
    for (int round = 0; round < 3; round++) {
        rh_release(tree(&node_type, 5));
        node *a = rh_new(heap, &node_type), *b = rh_new(heap, &node_type);
        for (int i = 0; i < 3; i++) {
            rh_set(&a->next, b);
            rh_set(&b->other, i % 2 ? a : NULL);
            rh_set(&a->other, a);
            rh_set(&a->next, NULL);
            rh_set(&a->other, NULL);
        }
        rh_weak *weak = rh_weak_new(a);
        rh_set(&a->weak, weak);
        rh_release(weak);
        rh_set(&b->other, NULL);
        rh_release(a);
        rh_release(b);
    }
}

static node *kept;

static void keep_next(void *object)
{
    node *self = object;
    kept = rh_retain(self->next ? self->next : self);
}

static rh_type keeper_type = {
    .name = "keeper", .size = sizeof(node), .fields = node_fields, .finalize = keep_next};

static void deaths_with_finalizers(void)
{
    for (int round = 0; round < 3; round++) {
        node *root = tree(&logged_type, 4);
        rh_set(&root->next->next->next, root->other);
        rh_release(root);
        node *keeper = rh_new(heap, &keeper_type);
        keeper->next = tree(&node_type, 2);
        rh_release(keeper);
        rh_release(kept);
        rh_release(rh_new(heap, &keeper_type)); /* keeps itself */
        rh_release(kept);
    }
}

static void make_rings(rh_type *type)
{
    for (int i = 0; i < 6; i++) {
        node *a = rh_new(heap, type), *b = rh_new(heap, type);
        rh_set(&a->next, b);
        rh_set(&b->next, a);
        a->other = tree(&node_type, 1);
        rh_set(&b->other, b);
        rh_release(a);
        rh_release(b);
    }
}

static void collections(void)
{
    node *live = tree(&node_type, 4);
    make_rings(&node_type);
    rh_gc_collect_young(heap);
    make_rings(&logged_type);
    rh_set(&live->next->next, live);
    rh_gc_collect(heap);
    make_rings(&keeper_type);
    rh_gc_collect(heap);
    rh_release(live);
    rh_gc_collect(heap);
}

START_TEST(births_and_deaths_are_true_at_every_instruction)
{
    setup();
    step_through(births_sets_and_releases);
    ck_assert_uint_gt(blank_seen, 0);
}
END_TEST

START_TEST(finalizers_see_and_leave_true_memory)
{
    setup();
    rh_release(rh_new(heap, &keeper_type));
    rh_release(kept);
    step_through(deaths_with_finalizers);
    ck_assert_uint_gt(dying_seen, 0);
    ck_assert_uint_eq(phases_seen, 1u << RH_PHASE_IDLE);
}
END_TEST

START_TEST(collections_announce_what_they_do)
{
    setup();
    rh_release(rh_new(heap, &keeper_type));
    rh_release(kept);
    step_through(collections);
    ck_assert_uint_eq(phases_seen, 1u << RH_PHASE_IDLE | 1u << RH_PHASE_MARKING |
                                       1u << RH_PHASE_RESTORING | 1u << RH_PHASE_FREEING);
}
END_TEST

RUN_TESTS("runtime_stepping", births_and_deaths_are_true_at_every_instruction,
          finalizers_see_and_leave_true_memory, collections_announce_what_they_do)
