/* check.c - the validator of a whole heap: the oracle of the tests and of stress builds.
 *
 * It reads only, and believes nothing: it follows a pointer after it has found it in the heap's
 * tables.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct checker {
    rh_heap *heap;
    char *report;
    size_t size;
    size_t length;
    size_t problems;
    /* counts found in declared slots, by slab->check_base + slot; NULL: not counted */
    uint32_t *found;
    rh__mapping *found_mapping;
    uint64_t slots;
    uint64_t objects;
} checker;

static __attribute__((format(printf, 2, 3))) void problem(checker *check, const char *format, ...)
{
    check->problems++;
    if (!check->report || check->length + 1 >= check->size)
        return;
    va_list arguments;
    va_start(arguments, format);
    size_t left = check->size - check->length;
    int wrote = vsnprintf(check->report + check->length, left, format, arguments);
    va_end(arguments);
    if (wrote > 0)
        check->length += (size_t)wrote < left ? (size_t)wrote : left - 1;
    if (check->length + 1 < check->size) {
        check->report[check->length++] = '\n';
        check->report[check->length] = '\0';
    }
}

typedef void slab_visit(checker *check, rh__slab *slab);
typedef void object_visit(checker *check, rh__slab *slab, uint32_t slot, rh_object *object);

static void for_each_slab(checker *check, slab_visit *visit)
{
    for (rh__chunk *chunk = check->heap->chunks; chunk; chunk = chunk->next)
        for (uint32_t i = 0; i < RH__CHUNK_SLABS; i++)
            if (chunk->slabs[i].slot_size)
                visit(check, &chunk->slabs[i]);
}

static void for_each_object(checker *check, object_visit *visit)
{
    rh__cursor cursor = {0};
    for (rh_object *object; (object = rh__next_object(check->heap, &cursor));) {
        rh__slab *slab = rh__slab_of(object);
        visit(check, slab, rh__slot_of(slab, object), object);
    }
}

static unsigned long long number(const rh_object *object)
{
    return (unsigned long long)rh__serial(object);
}

/* ---- slabs ---------------------------------------------------------------------------------- */

static void check_bitmaps(checker *check, rh__slab *slab)
{
    for (uint32_t word = 0; word < RH__BITMAP_WORDS; word++) {
        uint64_t mask = word < slab->words ? rh__word_mask(slab, word) : 0;
        if (~mask & ~slab->live[word])
            problem(check, "slab %p: live bits behind its capacity are not set", (void *)slab);
        if ((slab->fresh[word] | slab->spared[word]) & ~(slab->live[word] & mask))
            problem(check, "slab %p: candidate bit of a free slot", (void *)slab);
        if (slab->fresh[word] & slab->spared[word])
            problem(check, "slab %p: a candidate is fresh and spared", (void *)slab);
        if (!rh__is_busy(check->heap) &&
            (slab->work[word] | slab->trial[word] | slab->rescued[word]))
            problem(check, "slab %p: marks left behind", (void *)slab);
        if (word >= slab->touched_words && (slab->live[word] & mask))
            problem(check, "slab %p: a live slot that was never used", (void *)slab);
    }
}

/* Slots that are taken. */
static uint32_t count_live(const rh__slab *slab)
{
    uint32_t live = 0;
    for (uint32_t word = 0; word < slab->words; word++)
        live += (uint32_t)__builtin_popcountll(slab->live[word] & rh__word_mask(slab, word));
    return live;
}

/* What the allocator has in hand: taken slots without an object. */
static void check_available(checker *check, const rh__alloc *alloc, uint32_t size_class)
{
    if (alloc->slab &&
        (alloc->slab->state != RH__SLAB_CURRENT || alloc->slab->size_class != size_class))
        problem(check, "class %u: its slab %p is another's", size_class, (const void *)alloc->slab);
    for (uint32_t i = 0; i < alloc->cached; i++) {
        const rh__slab *slab = rh__slab_of(alloc->cache[i]);
        if (slab->size_class != size_class ||
            !rh__bit(slab->live, rh__slot_of(slab, alloc->cache[i])) ||
            rh__is_in_use(alloc->cache[i]))
            problem(check, "class %u: %p is cached, but not a freed slot of it", size_class,
                    (const void *)alloc->cache[i]);
    }
    if (!alloc->available)
        return;
    const rh__slab *slab = rh__slab_of(alloc->base);
    uint32_t first = rh__slot_of(slab, alloc->base);
    if (slab->size_class != size_class || slab->slot_size != alloc->slot_size || first % 64 ||
        (alloc->available & ~slab->live[first / 64])) {
        problem(check, "class %u: allocates from slab %p, which is not its own", size_class,
                (const void *)slab);
        return;
    }
    for (uint64_t bits = alloc->available; bits;)
        if (rh__is_in_use(rh__slot_object(slab, first + rh__take_bit(&bits))))
            problem(check, "class %u: an object's slot is available", size_class);
}

static bool is_listed(const rh__slab *head, const rh__slab *slab)
{
    for (; head; head = head->next)
        if (head == slab)
            return true;
    return false;
}

static void check_slab(checker *check, rh__slab *slab)
{
    const rh__chunk *chunk = rh__chunk_of(slab);
    const rh_heap *heap = check->heap;
    check_bitmaps(check, slab);
    uint32_t live = count_live(slab);
    bool is_free = (chunk->free_slabs >> (slab - chunk->slabs)) & 1;
    bool as_stated;
    switch (slab->state) {
    case RH__SLAB_FREE:
        as_stated = is_free && live == 0;
        break;
    case RH__SLAB_CURRENT:
        as_stated = heap->alloc[slab->size_class].slab == slab;
        break;
    case RH__SLAB_PARTIAL:
        as_stated = live > 0 && live < slab->capacity &&
                    is_listed(heap->partial_first[slab->size_class], slab);
        break;
    case RH__SLAB_FULL:
        as_stated = live == slab->capacity;
        break;
    case RH__SLAB_EMPTY:
        as_stated = live == 0 && heap->empty[slab->size_class] == slab;
        break;
    case RH__SLAB_LARGE:
        as_stated = slab->capacity == 1 && slab == chunk->slabs;
        break;
    default:
        as_stated = false;
    }
    if (!as_stated || (is_free && slab->state != RH__SLAB_FREE))
        problem(check, "slab %p: is not in state %u", (void *)slab, slab->state);
    if (chunk->mapping.heap != heap ||
        !rh__table_find(&heap->chunk_table, (uint64_t)(uintptr_t)chunk))
        problem(check, "chunk %p: is not in the heap's table", (const void *)chunk);
    slab->check_base = check->slots;
    check->slots += slab->capacity;
}

/* ---- objects -------------------------------------------------------------------------------- */

static void check_header(checker *check, rh__slab *slab, uint32_t slot, rh_object *object)
{
    const rh_heap *heap = check->heap;
    uint32_t flags = object->rh_flags, word = object->rh_count;
    check->objects++;
    if (object->rh_type_index == 0 || object->rh_type_index >= rh__type_count()) {
        problem(check, "object %p: type index %u", (void *)object, object->rh_type_index);
        return;
    }
    const char *name = rh__type_name(object->rh_type_index);
    if (rh__type_of(object)->object_size > slab->slot_size)
        problem(check, "%s#%llu: larger than its slot", name, number(object));
    if (rh__serial(object) == 0 || rh__serial(object) >= heap->serial_next)
        problem(check, "%s#%llu: serial was not given out", name, number(object));
    bool is_candidate = rh__bit(slab->fresh, slot) || rh__bit(slab->spared, slot);
    if (flags & RH_FLAG_FREED)
        problem(check, "%s#%llu: freed, but its slot is in use", name, number(object));
    else if (flags & RH_FLAG_DYING) {
        if ((word & ~RH__WORD_DYING_MASK) != RH__WORD_DYING || !rh__is_busy(heap))
            problem(check, "%s#%llu: dying with count word %#x", name, number(object), word);
    } else if (flags & RH_FLAG_IMMORTAL) {
        if (word != RH__WORD_IMMORTAL || is_candidate)
            problem(check, "%s#%llu: immortal with count word %#x", name, number(object), word);
    } else if ((int32_t)word < 0 && !((flags & RH_FLAG_TRACED) && rh__is_marked(object)))
        problem(check, "%s#%llu: count word %#x", name, number(object), word);
    else if (!!(word & RH__WORD_ARMED) == (is_candidate || (flags & RH_FLAG_ACYCLIC)))
        problem(check, "%s#%llu: armed and candidate do not fit together", name, number(object));
    if (!(flags & RH_FLAG_HAS_WEAK) !=
            !rh__table_find(&heap->weak_table, (uint64_t)(uintptr_t)object) &&
        heap->number != 0)
        problem(check, "%s#%llu: weak flag and weak table differ", name, number(object));
}

static void check_edge(checker *check, const rh_object *owner, const rh__ref *ref,
                       const void *target)
{
    const char *name = rh__type_name(owner->rh_type_index);
    rh_object *child = rh__slot_at(check->heap, target);
    if (!child) {
        if (!rh__is_shared_object(target))
            problem(check, "%s#%llu: field at %u holds %p, which is no object of this heap", name,
                    number(owner), ref->offset, target);
        return;
    }
    const rh__slab *slab = rh__slab_of(child);
    if (check->found)
        check->found[slab->check_base + rh__slot_of(slab, child)]++;
}

/* Where the elements of a field begin and how many they are; false: outside the object. */
static bool elements(const rh__slab *slab, const rh_object *object, const rh__ref *ref,
                     const char **first, uint64_t *count)
{
    *first = (const char *)object + ref->offset;
    *count = 1;
    if (ref->form == RH_FORM_ONE)
        return true;
    *count = ref->count_width
                 ? rh__read_uint((const char *)object + ref->count_offset, ref->count_width)
                 : ref->count;
    if (ref->form == RH_FORM_ARRAY)
        return *count <= slab->slot_size / ref->stride &&
               ref->offset + *count * ref->stride <= slab->slot_size;
    *first = *(const char *const *)(const void *)*first;
    if (!*first)
        *count = 0;
    return true;
}

static void check_fields(checker *check, rh__slab *slab, uint32_t slot, rh_object *object)
{
    (void)slot;
    if (object->rh_type_index == 0 || object->rh_type_index >= rh__type_count())
        return;
    const rh__type_entry *type = rh__type_of(object);
    for (uint32_t i = 0; i < type->ref_count; i++) {
        const rh__ref *ref = &type->refs[i];
        const char *first;
        uint64_t count;
        if (!elements(slab, object, ref, &first, &count)) {
            problem(check, "%s#%llu: field at %u has %llu elements", type->name, number(object),
                    ref->offset, (unsigned long long)count);
            continue;
        }
        for (uint64_t n = 0; n < count; n++) {
            void *target;
            memcpy(&target, first + n * ref->stride + ref->element_offset, sizeof target);
            if (target)
                check_edge(check, object, ref, target);
        }
    }
}

static void check_count(checker *check, rh__slab *slab, uint32_t slot, rh_object *object)
{
    size_t stored = rh_refcount(object);
    uint32_t found = check->found[slab->check_base + slot];
    if (stored < found)
        problem(check, "%s#%llu: count %zu, but %u declared slots hold it",
                rh__type_name(object->rh_type_index), number(object), stored, found);
}

static void check_totals(checker *check)
{
    const rh_heap *heap = check->heap;
    uint64_t spared = 0, fresh = 0;
    for (rh__chunk *chunk = heap->chunks; chunk; chunk = chunk->next)
        for (uint32_t i = 0; i < RH__CHUNK_SLABS; i++) {
            const rh__slab *slab = &chunk->slabs[i];
            uint64_t in_slab = 0;
            for (uint32_t word = 0; word < RH__BITMAP_WORDS; word++) {
                spared += (uint64_t)__builtin_popcountll(slab->spared[word]);
                in_slab += (uint64_t)__builtin_popcountll(slab->fresh[word]);
            }
            if (in_slab && !((chunk->fresh_slabs >> i) & 1))
                problem(check, "slab %p: fresh candidates that its chunk does not know",
                        (const void *)slab);
            fresh += in_slab;
        }
    if (check->objects != rh__object_count(heap))
        problem(check, "heap: %llu objects, says %llu", (unsigned long long)check->objects,
                (unsigned long long)rh__object_count(heap));
    if (spared != heap->spared || fresh != heap->fresh)
        problem(check, "heap: %llu candidates spared, %llu fresh; says %llu, %llu",
                (unsigned long long)spared, (unsigned long long)fresh,
                (unsigned long long)heap->spared, (unsigned long long)heap->fresh);
    if (heap->phase != RH_PHASE_IDLE)
        problem(check, "heap: phase %u", heap->phase);
}

static void check_weak_table(checker *check)
{
    const rh__table *table = &check->heap->weak_table;
    for (uint64_t i = 0; i < table->capacity; i++) {
        const rh__pair *pair = &table->pairs[i];
        if (!pair->key)
            continue;
        const rh_object *weak = rh__slot_at(check->heap, (void *)(uintptr_t)pair->value);
        if (!weak ||
            (uint64_t)(uintptr_t)((const rh_weak *)(const void *)weak)->target != pair->key ||
            !rh__slot_at(check->heap, (void *)(uintptr_t)pair->key))
            problem(check, "weak table: entry for %#llx", (unsigned long long)pair->key);
    }
}

size_t rh_heap_check(rh_heap *heap, char *report, size_t size)
{
    checker check = {.heap = heap, .report = report, .size = size};
    if (report && size)
        *report = '\0';
    for_each_slab(&check, check_slab);
    for (uint32_t size_class = 0; size_class < RH__CLASSES; size_class++)
        check_available(&check, &heap->alloc[size_class], size_class);
    for_each_object(&check, check_header);
    check_totals(&check);
    check_weak_table(&check);
    if (check.slots) {
        check.found_mapping = rh__map(heap, RH_MAPPING_HEAP,
                                      RH__MAPPING_DATA + check.slots * sizeof(uint32_t), 0, false);
        if (check.found_mapping)
            check.found = (uint32_t *)(void *)((char *)check.found_mapping + RH__MAPPING_DATA);
    }
    for_each_object(&check, check_fields);
    if (check.found_mapping) {
        for_each_object(&check, check_count);
        rh__unmap(check.found_mapping);
    }
    return check.problems;
}

#ifdef REFHEAP_GC_STRESS
void rh__stress_validate(rh_heap *heap, const char *operation)
{
    char report[2048];
    /* In a finalizer or dispose function objects are half dead on purpose; heap 0 may be at work
     * in another thread. */
    if (rh__is_busy(heap) || heap->number == 0 || rh_heap_check(heap, report, sizeof report) == 0)
        return;
    fprintf(stderr, "refheap: heap %llu is damaged after %s:\n%s", (unsigned long long)heap->number,
            operation, report);
    abort();
}
#endif
