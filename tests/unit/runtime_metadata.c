/* runtime_metadata.c - the metadata contract seen from outside: reads the heap by named constants
 * alone and compares with what the program knows.
 *
 * Nothing here includes a private header: a reader that has only <refheap/metadata.h> gets this
 * far. */
#include "runtime_ring.h"
#include "runtime_constants.h"
#include "runtime_test.h"

#include <pthread.h>
#include <refheap/metadata.h>
#include <time.h>

static uint64_t member(uint64_t address, const char *name, unsigned width)
{
    return load(address + constant(name), width);
}

static uint64_t heap_address(uint64_t number)
{
    for (uint64_t heap = rh_debug_descriptor.heaps; heap; heap = member(heap, "heap.next", 8))
        if (member(heap, "heap.number", 8) == number)
            return heap;
    return 0;
}

static uint64_t serial_of(uint64_t object)
{
    return member(object, "object.serial", 8) >> constant("object.serial_shift");
}

/* What the constants say about an object's count. */
static uint64_t stored_count(uint64_t object)
{
    uint64_t word = member(object, "object.count", 4);
    if ((word & constant("count.special_bit")) && word < constant("count.trial_zero")) {
        ck_assert(member(object, "object.flags", 2) & RH_FLAG_DYING);
        return ((word & constant("count.dying_mask")) >> constant("count.shift")) +
               constant("count.bias");
    }
    return (uint64_t)(int64_t)((int32_t)word >> constant("count.shift")) + constant("count.bias");
}

static uint64_t chunk_mapping(uint64_t address)
{
    uint64_t chunk = address & ~(constant("chunk.size") - 1);
    for (uint64_t m = rh_debug_descriptor.mappings; m; m = member(m, "mapping.next", 8))
        if (m == chunk && member(m, "mapping.kind", 4) == RH_MAPPING_CHUNK)
            return m;
    return 0;
}

/* address -> chunk -> slab -> slot, in the words of the contract: is the slot in use, where does it
 * begin? */
static int locate(uint64_t address, uint64_t *start)
{
    uint64_t chunk = chunk_mapping(address);
    for (uint64_t i = 0; chunk && i < constant("chunk.slabs"); i++) {
        uint64_t slab = chunk + constant("chunk.slab_table") + i * constant("slab.size");
        uint64_t slot_size = member(slab, "slab.slot_size", 8), base = member(slab, "slab.base", 8);
        uint64_t capacity = member(slab, "slab.capacity", 4);
        if (!slot_size || address < base || address >= base + capacity * slot_size)
            continue;
        uint64_t slot = (address - base) / slot_size;
        *start = base + slot * slot_size;
        if (!member(*start, "object.type", 2) || member(*start, "object.flags", 2) & RH_FLAG_FREED)
            return 0;
        return (int)(load(slab + constant("slab.live") + slot / 64 * 8, 8) >> slot % 64 & 1);
    }
    return -1;
}

START_TEST(the_descriptor_describes_itself)
{
    ck_assert_mem_eq(rh_debug_descriptor.magic, RH_METADATA_MAGIC, 16);
    ck_assert_uint_eq(rh_debug_descriptor.self, (uintptr_t)&rh_debug_descriptor);
    ck_assert_uint_eq(rh_debug_descriptor.version, RH_METADATA_VERSION);
    ck_assert_uint_eq(rh_debug_descriptor.size, sizeof rh_debug_descriptor);
    ck_assert_uint_eq(rh_debug_descriptor.pid, 0); /* nothing used it yet */
    /* the stacks', the weak references', those of slots, … of traced objects */
    ck_assert_uint_eq(rh_debug_descriptor.constant_count, RH_MC_COUNT + 56);
    rh_heap *heap = rh_heap_create(NULL);
    ck_assert_uint_eq(rh_debug_descriptor.pid, (uint64_t)getpid());
    ck_assert_uint_ne(rh_debug_descriptor.nonce, 0);
    ck_assert_uint_eq(rh_debug_descriptor.heaps, (uintptr_t)heap);
    const struct rh_metadata_constant *table =
        (const void *)(uintptr_t)rh_debug_descriptor.constants;
    for (uint32_t i = 0; i < rh_debug_descriptor.constant_count; i++)
        for (uint32_t k = 0; k < i; k++)
            MUST(strcmp(table[i].name, table[k].name) != 0);
    uint64_t check = 0;
    for (uint32_t i = 0; i < rh_debug_descriptor.constant_count; i++)
        check = rh_metadata_check(check, &table[i]);
    ck_assert_uint_eq(rh_debug_descriptor.check, check);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(objects_are_found_and_read_by_constants_alone)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.name = "read me"});
    uint64_t h = heap_address(1);
    ck_assert_uint_eq(h, (uintptr_t)heap);
    ck_assert_str_eq((const char *)(uintptr_t)(h + constant("heap.name")), "read me");
    enum { COUNT = 100 };
    node *nodes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        nodes[i] = new_node(heap, &node_type, i);
        for (int k = 0; k < i % 4; k++)
            rh_retain(nodes[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        uint64_t start, address = (uintptr_t)nodes[i];
        ck_assert_int_eq(locate(address + 17, &start), 1); /* from an interior pointer */
        ck_assert_uint_eq(start, address);
        ck_assert_uint_eq(stored_count(address), rh_refcount(nodes[i]));
        ck_assert_uint_eq(serial_of(address), rh_serial(nodes[i]));
    }
    ck_assert_uint_eq(member(h, "heap.serial_next", 8), rh_serial(nodes[COUNT - 1]) + 1);
    ck_assert_uint_eq(member(h, "heap.freed", 8), 0);
    rh_release(nodes[0]);
    ck_assert_uint_eq(member(h, "heap.freed", 8), 1);
    uint64_t start;
    ck_assert_int_eq(locate((uintptr_t)nodes[0], &start), 0);
    uint64_t flags = member(start, "object.flags", 2); /* the tombstone */
    ck_assert(flags & RH_FLAG_FREED);
    ck_assert_uint_eq((flags & RH_FLAG_DEATH_MASK) >> RH_FLAG_DEATH_SHIFT, RH_DEATH_RELEASE);
    ck_assert_uint_eq(serial_of(start), 1);
    rh_retain(nodes[1]);
    rh_release(nodes[1]);
#ifdef REFHEAP_GC_STRESS
    /* it has seen a collection at every birth after its own */
    const char *candidates = "heap.spared";
#else
    const char *candidates = "heap.fresh";
#endif
    ck_assert_uint_eq(member(h, "heap.fresh", 8) + member(h, "heap.spared", 8), HAS_COLLECTOR);
    ck_assert_uint_eq(member(h, candidates, 8), HAS_COLLECTOR);
    rh_gc_collect(heap);
    ck_assert_uint_eq(member(h, "heap.fresh", 8) + member(h, "heap.spared", 8), 0);
    if (HAS_COLLECTOR)
        ck_assert_uint_ge(member(h, "heap.collections", 8), 1);
    else
        ck_assert_uint_eq(member(h, "heap.collections", 8), 0);
    ck_assert_uint_eq(member(h, "heap.phase", 4), RH_PHASE_IDLE);
    ck_assert_uint_eq(member(h, "heap.gc_enabled", 4), HAS_COLLECTOR);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(types_and_fields_are_copies_that_say_the_same)
{
    rh_heap *heap = rh_heap_create(NULL);
    static char type_name[] = "fleeting", field_name[] = "value";
    rh_field fields[] = {RH_INT(node, value), RH_STRONG(node, next), RH_FIELDS_END};
    fields[0].name = field_name;
    static rh_type type = {
        .name = type_name, .size = sizeof(node), .element_size = 4, .finalize = log_value};
    type.fields = fields;
    node *a = rh_new(heap, &type);
    memset(fields, 0xff, sizeof fields); /* nobody may look at the originals any more */
    type_name[0] = field_name[0] = 'X';
    uint64_t index = member((uintptr_t)a, "object.type", 2);
    ck_assert_uint_lt(index, rh_debug_descriptor.type_count);
    uint64_t entry = rh_debug_descriptor.types + index * constant("type.size");
    ck_assert_str_eq((const char *)(uintptr_t)member(entry, "type.name", 8), "fleeting");
    ck_assert_uint_eq(member(entry, "type.object_size", 8), sizeof(node));
    ck_assert_uint_eq(member(entry, "type.element_size", 4), 4);
    ck_assert_uint_eq(member(entry, "type.finalize", 8), (uintptr_t)log_value);
    ck_assert_uint_eq(member(entry, "type.field_count", 4), 2);
    uint64_t field = member(entry, "type.fields", 8);
    ck_assert_str_eq((const char *)(uintptr_t)member(field, "field.name", 8), "value");
    ck_assert_uint_eq(member(field, "field.kind", 1), RH_KIND_INT);
    ck_assert_uint_eq(member(field, "field.offset", 4), offsetof(node, value));
    ck_assert_uint_eq(member(field, "field.width", 1), sizeof(int));
    field += constant("field.size");
    ck_assert_uint_eq(member(field, "field.kind", 1), RH_KIND_STRONG);
    ck_assert_uint_eq(member(field, "field.form", 1), RH_FORM_ONE);
    rh_release(a);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_large_object_has_a_chunk_of_its_own)
{
    static rh_type big = {.name = "big", .size = 6 << 20};
    rh_heap *heap = rh_heap_create(NULL);
    rh_object *object = rh_new(heap, &big);
    uint64_t start;
    ck_assert_int_eq(locate((uintptr_t)object, &start), 1);
    ck_assert_uint_eq(start, (uintptr_t)object);
    uint64_t mapping = chunk_mapping(start);
    ck_assert_uint_gt(member(mapping, "mapping.bytes", 8), constant("chunk.size"));
    ck_assert_uint_eq(member(mapping, "mapping.heap", 8), (uintptr_t)heap);
    ck_assert_uint_ge(mapping + member(mapping, "mapping.bytes", 8), start + (6 << 20));
    rh_release(object);
    rh_heap_destroy(heap);
}
END_TEST

static const char *root_name(uint64_t heap, const void *slot)
{
    uint64_t entry = member(heap, "heap.roots", 8),
             capacity = member(heap, "heap.roots_capacity", 8);
    uint64_t size = constant("root.size"), slot_offset = constant("root.slot");
    for (uint64_t i = 0; i < capacity; i++, entry += size)
        if (load(entry + slot_offset, 8) == (uintptr_t)slot)
            return (const char *)(uintptr_t)(entry + constant("root.name"));
    return NULL;
}

START_TEST(roots_are_recorded_renamed_and_removed)
{
    rh_heap *heap = rh_heap_create(NULL);
    uint64_t h = (uintptr_t)heap;
    enum { COUNT = 1000 };
    static void *slots[COUNT];
    char name[100];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            snprintf(name, sizeof name, "slot %d of round %d", i, round);
            rh_root_add(heap, &slots[i], name);
        }
        for (int i = 0; i < COUNT; i += 2)
            rh_root_remove(heap, &slots[i]);
        rh_root_remove(heap, &slots[0]); /* again, and one that never was */
        rh_root_remove(heap, name);
        for (int i = 0; i < COUNT; i++) {
            snprintf(name, sizeof name, "slot %d of round %d", i, round);
            if (i % 2)
                ck_assert_str_eq(root_name(h, &slots[i]), name);
            else
                ck_assert_ptr_null(root_name(h, &slots[i]));
        }
    }
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    rh_root_add(heap, &slots[0], name);
    ck_assert_uint_eq(strlen(root_name(h, &slots[0])), constant("root.name_size") - 1);
    rh_root_add(heap, &slots[0], "short");
    ck_assert_str_eq(root_name(h, &slots[0]), "short");
    rh_root_add(heap, &slots[2], NULL);
    ck_assert_str_eq(root_name(h, &slots[2]), "");
    uint64_t in_use = 0, entry = member(h, "heap.roots", 8);
    for (uint64_t i = 0; i < member(h, "heap.roots_capacity", 8);
         i++, entry += constant("root.size"))
        in_use += member(entry, "root.slot", 8) > 1;
    ck_assert_uint_eq(in_use, COUNT / 2 + 2);
    rh_heap_destroy(heap);
}
END_TEST

static void keep_once(void *object)
{
    static int kept;
    if (!kept++)
        rh_retain(object);
}

START_TEST(a_history_of_everything_has_births_finalizers_and_deaths)
{
    static rh_type type = {
        .name = "watched", .size = sizeof(node), .fields = node_fields, .finalize = keep_once};
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.history_events = 5});
    uint64_t before = (uint64_t)time(NULL);
    node *a = new_node(heap, &type, 1);
    rh_release(a); /* finalize, resurrect */
    rh_set(&a->next, a);
    rh_release(a);
    assert_collects(heap, 1); /* free */
    if (!HAS_COLLECTOR)
        rh_set(&a->next, NULL);
    const uint64_t death = HAS_COLLECTOR ? RH_DEATH_COLLECT : RH_DEATH_RELEASE;
    static const uint8_t kinds[] = {RH_EVENT_ALLOC, RH_EVENT_FINALIZE, RH_EVENT_RESURRECT,
                                    RH_EVENT_FREE};
    ring_event events[256];
    ck_assert_uint_eq(ring_events(heap, events), 4);
    for (uint64_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(events[i].number, i);
        ck_assert_uint_eq(events[i].kind, kinds[i]);
        ck_assert_uint_eq(events[i].death, i == 3 ? death : RH_DEATH_NONE);
        ck_assert_uint_eq(events[i].address, (uintptr_t)a);
        ck_assert_uint_eq(events[i].origin >> 16, 1);
        ck_assert_uint_eq(events[i].thread, (uint64_t)getpid());
        ck_assert_uint_ge(events[i].time / 1000000000u + 1, before);
        ck_assert(!events[i].has_stack);
        uint64_t entry = rh_debug_descriptor.types + events[i].type * constant("type.size");
        ck_assert_str_eq((const char *)(uintptr_t)member(entry, "type.name", 8), "watched");
    }
    for (int i = 0; i < 1000; i++)
        rh_release(rh_new(heap, &node_type));
    uint64_t count = ring_events(heap, events);
    ck_assert_uint_eq(events[count - 1].number, 2003); /* wrapped around */
    rh_heap_destroy(heap);
}
END_TEST

static __attribute__((noinline)) void release_here(void *object)
{
    rh_release(object);
    __asm__ volatile("");
}

static bool is_in(uint64_t address, const void *function)
{
    return address > (uint64_t)(uintptr_t)function &&
           address < (uint64_t)(uintptr_t)function + 2048;
}

#ifdef REFHEAP_GC_STRESS
enum { FEWER = 100, GROWN = 1 }; /* the whole heap is checked behind each operation */
#else
enum { FEWER = 1, GROWN = 3 };
#endif

/* What is born and dies in a fresh heap, and what it remembers then. */
START_TEST(deaths_are_remembered_with_their_place_by_default)
{
    enum { COUNT = 300000 / FEWER };
    rh_heap *heap = rh_heap_create(NULL);
    static uint64_t origins[COUNT];
    static node *nodes[COUNT];
    static ring_event events[1 << 17];
    for (uint64_t i = 0; i < COUNT; i++) {
        nodes[i] = new_node(heap, &node_type, (int)i);
        origins[i] = nodes[i]->base.rh_origin;
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        release_here(nodes[i]);
        if (i % 10007 && i > 200)
            continue;
        uint64_t count = ring_events(heap, events);
        ck_assert_uint_ge(count, i < 30 ? i + 1 : 31);
        for (uint64_t k = 0; k < count; k++) {
            uint64_t n = events[k].number;
            ck_assert_uint_eq(n, i + 1 - count + k);
            ck_assert_uint_eq(events[k].address, (uintptr_t)nodes[n]);
            ck_assert_uint_eq(events[k].origin, origins[n]);
            ck_assert_uint_eq(events[k].kind, RH_EVENT_FREE);
            ck_assert(is_in(events[k].place, (void *)(uintptr_t)release_here));
        }
    }
    uint64_t bytes = ring_capacity(heap) * constant("ring.slot_size");
    ck_assert_uint_lt(bytes, 3 << 20);
    ck_assert_uint_gt(bytes, 1000000 / FEWER); /* it grew with the heap, to an eighth of it */
    ck_assert_uint_le(bytes * 8, COUNT * sizeof(node) * 5 / 4 + (64 << 10));
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_small_heap_has_a_small_history)
{
    rh_heap *heap = rh_heap_create(NULL);
    ring_event events[256];
    for (int i = 0; i < 100000 / FEWER; i++)
        rh_release(rh_new(heap, &node_type));
    ck_assert_uint_le(ring_capacity(heap) * constant("ring.slot_size"), 4096);
    uint64_t count = ring_events(heap, events);
    ck_assert_uint_eq(events[count - 1].number, 100000 / FEWER - 1);
    ck_assert_uint_ge(count, 31);
    rh_heap_destroy(heap);
}
END_TEST

/* Long gone round when the heap grows, and read each time that it has become larger. */
START_TEST(a_ring_that_grows_keeps_its_events)
{
    enum { DEATHS = GROWN == 3 ? 20000 : 2000 };
    static uint64_t dead[DEATHS];
    static ring_event events[1 << 16];
    rh_heap *heap = rh_heap_create(NULL);
    uint64_t capacity = ring_capacity(heap), grown = 0;
    for (uint64_t n = 0; n < DEATHS; n++) {
        node *made = rh_new(heap, &node_type);
        dead[n] = (uintptr_t)made;
        rh_release(made);
        if (n < 100)
            continue;
        rh_new(heap, &node_type); /* takes the place: each death has its own */
        if (ring_capacity(heap) == capacity)
            continue;
        uint64_t count = ring_events(heap, events);
        ck_assert_uint_ge(count, capacity / 64 * 31);
        for (uint64_t k = 0; k < count; k++) {
            ck_assert_uint_eq(events[count - 1 - k].number, n - k);
            ck_assert_uint_eq(events[count - 1 - k].address, dead[n - k]);
        }
        capacity = ring_capacity(heap);
        grown++;
    }
    ck_assert_uint_ge(grown, GROWN);
    rh_heap_destroy(heap);
}
END_TEST

static rh_heap *of_threads; /* the heap of the object that goes from thread to thread */

static void *release_in_thread(void *object)
{
    rh_heap_attach(of_threads);
    release_here(object);
    return NULL;
}

START_TEST(deaths_know_their_thread)
{
    rh_heap *heap = of_threads = rh_heap_create(NULL);
    ring_event events[256];
    for (int i = 0; i < 70; i++) { /* each place of a block */
        pthread_t thread;
        release_here(rh_new(heap, &node_type));
        node *other = rh_new(heap, &node_type);
        pthread_create(&thread, NULL, release_in_thread, other);
        pthread_join(thread, NULL);
        rh_heap_attach(heap);
        release_here(rh_new(heap, &node_type));
        uint64_t count = ring_events(heap, events);
        ck_assert_uint_eq(events[count - 1].number, (uint64_t)i * 3 + 2);
        ck_assert_uint_eq(events[count - 1].thread, (uint64_t)getpid());
        ck_assert_uint_ne(events[count - 2].thread, (uint64_t)getpid());
        ck_assert_uint_eq(events[count - 2].address, (uintptr_t)other);
        ck_assert_uint_eq(events[count - 3].thread, (uint64_t)getpid());
    }
    rh_heap_destroy(heap);
}
END_TEST

static __attribute__((noinline)) void let_go(void *object)
{
    rh_set(&((node *)object)->next, NULL);
    __asm__ volatile("");
}

/* What a finalizer lets go of dies behind it: an event of its own says that the finalizer did it.
 */
START_TEST(a_finalizer_that_gives_the_last_count_away_is_remembered)
{
    static rh_type type = {
        .name = "owner", .size = sizeof(node), .fields = node_fields, .finalize = let_go};
    rh_heap *heap = rh_heap_create(NULL);
    node *owner = rh_new(heap, &type), *owned = rh_new(heap, &node_type);
    owner->next = owned;
    release_here(owner);
    ring_event events[256];
    uint64_t count = ring_events(heap, events);
    ck_assert_uint_eq(count, 3);
    for (uint64_t i = 0; i < count; i++) {
        bool is_last = events[i].kind == RH_EVENT_LAST;
        if (events[i].kind == RH_EVENT_FREE && events[i].address == (uintptr_t)owned)
            ck_assert_uint_eq(events[i].place,
                              0); /* else it were wrong once the other is forgotten */
        else
            ck_assert(is_in(events[i].place,
                            is_last ? (void *)(uintptr_t)let_go : (void *)(uintptr_t)release_here));
    }
    ck_assert_uint_eq(events[0].kind, RH_EVENT_LAST);
    ck_assert_uint_eq(events[0].address, (uintptr_t)owned);
    rh_heap_destroy(heap);
}
END_TEST

static uint64_t mapping_count(void)
{
    uint64_t count = 0;
    for (uint64_t m = rh_debug_descriptor.mappings; m; m = member(m, "mapping.next", 8)) {
        ck_assert_uint_eq(m % (uint64_t)sysconf(_SC_PAGESIZE), 0);
        ck_assert_uint_eq(member(m, "mapping.bytes", 8) % (uint64_t)sysconf(_SC_PAGESIZE), 0);
        ck_assert_uint_ge(member(m, "mapping.kind", 4), RH_MAPPING_CHUNK);
        ck_assert_uint_le(member(m, "mapping.kind", 4), RH_MAPPING_SITES);
        count++;
    }
    return count;
}

START_TEST(a_destroyed_heap_leaves_a_record_and_no_mapping)
{
    rh_heap *first = rh_heap_create(NULL);
    rh_release(rh_new(first, &node_type)); /* the type table stays */
    rh_release(rh_weak_new(new_node(first, &node_type, 0)));
    uint64_t before = mapping_count();
    for (uint64_t i = 0; i < constant("destroyed.capacity") + 3; i++) {
        rh_heap *heap = rh_heap_create(&(rh_heap_options){.history_events = 100});
        uint64_t number = member((uintptr_t)heap, "heap.number", 8);
        ck_assert_uint_eq(number, i + 2);
        node *a = new_node(heap, &node_type, 1);
        new_node(heap, &node_type, 2);
        rh_weak_new(a);
        rh_root_add(heap, &a, "a");
        uint64_t serial = rh_serial(a);
        rh_heap_destroy(heap);
        ck_assert_uint_eq(heap_address(number), 0);
        ck_assert_uint_eq(rh_debug_descriptor.destroyed_count, i + 1);
        uint64_t record = rh_debug_descriptor.destroyed +
                          i % constant("destroyed.capacity") * constant("destroyed.size");
        ck_assert_uint_eq(member(record, "destroyed.heap", 8), number);
        ck_assert_uint_eq(member(record, "destroyed.objects", 8), 3);
        ck_assert_uint_eq(member(record, "destroyed.first_serial", 8), serial);
        ck_assert_uint_eq(member(record, "destroyed.last_serial", 8), serial + 2);
        ck_assert_uint_eq(mapping_count(), before);
    }
    ck_assert_uint_eq(rh_debug_descriptor.heaps, (uintptr_t)first);
    rh_heap_destroy(first);
}
END_TEST

START_TEST(heaps_leave_the_list_in_any_order)
{
    rh_heap *heaps[4];
    for (int i = 0; i < 4; i++)
        heaps[i] = rh_heap_create(NULL);
    static const int order[] = {1, 3, 0, 2};
    for (int k = 0; k < 4; k++) {
        rh_heap_destroy(heaps[order[k]]);
        heaps[order[k]] = NULL;
        for (uint64_t i = 0; i < 4; i++)
            ck_assert_uint_eq(heap_address(i + 1), (uintptr_t)heaps[i]);
    }
    ck_assert_uint_eq(rh_debug_descriptor.heaps, 0);
}
END_TEST

/* A free slot is all zero in its header or has a tombstone, whatever the slab was used for before.
 */
static void assert_tombstones(uint64_t heap)
{
    uint64_t slab_size = constant("slab.size"), slabs = constant("chunk.slabs");
    uint64_t live = constant("slab.live"), freed = 0;
    for (uint64_t m = rh_debug_descriptor.mappings; m; m = member(m, "mapping.next", 8)) {
        if (member(m, "mapping.kind", 4) != RH_MAPPING_CHUNK ||
            member(m, "mapping.heap", 8) != heap)
            continue;
        uint64_t slab = m + constant("chunk.slab_table");
        for (uint64_t i = 0; i < slabs; i++, slab += slab_size) {
            uint64_t slot_size = member(slab, "slab.slot_size", 8),
                     base = member(slab, "slab.base", 8);
            uint64_t capacity = slot_size ? member(slab, "slab.capacity", 4) : 0;
            for (uint64_t slot = 0; slot < capacity; slot++) {
                bool is_taken = load(slab + live + slot / 64 * 8, 8) >> slot % 64 & 1;
                const rh_object *header = (const void *)(uintptr_t)(base + slot * slot_size);
                bool is_zero = !header->rh_count && !header->rh_type_index && !header->rh_flags &&
                               !rh_serial(header);
                if (is_taken && !(header->rh_flags & RH_FLAG_FREED))
                    continue; /* an object, or the allocator's */
                MUST(is_zero || ((header->rh_flags & RH_FLAG_FREED) && rh_serial(header) &&
                                 header->rh_type_index &&
                                 header->rh_type_index < rh_debug_descriptor.type_count));
                freed += !is_zero;
            }
        }
    }
    ck_assert_uint_gt(freed, 0);
}

START_TEST(free_slots_are_blank_or_have_tombstones)
{
    static rh_type bytes = {.name = "bytes", .size = 24, .element_size = 1, .length_offset = 16};
    static const size_t sizes[] = {1, 30, 900, 8, 4000, 60};
    enum { COUNT = MANY(20000) };
    static void *objects[COUNT];
    rh_heap *heap = rh_heap_create(NULL);
    for (size_t round = 0; round < sizeof sizes / sizeof *sizes; round++) {
        for (int i = 0; i < COUNT; i++) {
            objects[i] = rh_new_array(heap, &bytes, sizes[round]);
            memset((char *)objects[i] + 24, 0x5a, sizes[round]);
        }
        for (int i = 0; i < COUNT; i++)
            rh_release(objects[i]);
        assert_tombstones((uintptr_t)heap);
    }
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(heap_zero_is_listed_with_number_zero)
{
    ck_assert_uint_eq(heap_address(0), 0);
    rh_object *nil = rh_nil();
    uint64_t h = heap_address(0);
    ck_assert_uint_ne(h, 0);
    uint64_t start;
    ck_assert_int_eq(locate((uintptr_t)nil, &start), 1);
    ck_assert_uint_eq(member(chunk_mapping(start), "mapping.heap", 8), h);
    ck_assert(member(start, "object.flags", 2) & RH_FLAG_IMMORTAL);
}
END_TEST

RUN_TESTS("runtime_metadata", the_descriptor_describes_itself,
          objects_are_found_and_read_by_constants_alone,
          types_and_fields_are_copies_that_say_the_same, a_large_object_has_a_chunk_of_its_own,
          roots_are_recorded_renamed_and_removed,
          a_history_of_everything_has_births_finalizers_and_deaths,
          deaths_are_remembered_with_their_place_by_default, a_small_heap_has_a_small_history,
          a_ring_that_grows_keeps_its_events, deaths_know_their_thread,
          a_finalizer_that_gives_the_last_count_away_is_remembered,
          a_destroyed_heap_leaves_a_record_and_no_mapping, heaps_leave_the_list_in_any_order,
          free_slots_are_blank_or_have_tombstones, heap_zero_is_listed_with_number_zero)
