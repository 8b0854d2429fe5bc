/* type.c - the registry of types: one table for the whole process, so that a type index means the
 * same in every heap, and a core alone can name every object.
 *
 * Invariant: an entry is complete before descriptor.type_count covers it, and covered before the
 * type's own index is published; entries never change or move afterwards. Names and field tables
 * are copies in mappings of the runtime, because the program's originals may lie in .rodata,
 * which is in no core.
 */
#include "internal.h"

#include <stdio.h>

#define ARENA_BYTES ((size_t)64 << 10)

rh__type_entry *rh__types;
uint64_t rh__type_slots[RH__TYPES_MAX];

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static char *arena_next;
static size_t arena_left;

void rh__type_lock(void)
{
    pthread_mutex_lock(&registry_lock);
}

void rh__type_unlock(void)
{
    pthread_mutex_unlock(&registry_lock);
}

const char *rh__type_name(uint32_t index)
{
    if (index == 0 || index >= rh__type_count())
        return "?";
    return rh__types[index].name;
}

/* Memory for copies, zeroed and aligned to 8; never given back. */
static void *arena_alloc(size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if (bytes > arena_left) {
        size_t want = bytes > ARENA_BYTES / 4 ? bytes : ARENA_BYTES - RH__MAPPING_DATA;
        rh__mapping *mapping = rh__map(NULL, RH_MAPPING_TYPES, RH__MAPPING_DATA + want, 0, true);
        if (!mapping)
            return NULL;
        char *data = (char *)mapping + RH__MAPPING_DATA;
        if (want == bytes)
            return data;
        arena_next = data;
        arena_left = want;
    }
    void *result = arena_next;
    arena_next += bytes;
    arena_left -= bytes;
    return result;
}

const char *rh__copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = arena_alloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

static bool holds_references(const rh_field *field)
{
    return field->kind == RH_KIND_STRONG || field->kind == RH_KIND_WEAK;
}

static bool width_is_valid(uint32_t width)
{
    return width == 1 || width == 2 || width == 4 || width == 8;
}

/* What is wrong with a field, or NULL. The visitor trusts a registered type. */
static const char *field_fault(const rh_type *type, const rh_field *field)
{
    if (field->kind > RH_KIND_BORROWED)
        return "has an unknown kind";
    if (field->form > RH_FORM_VECTOR)
        return "has an unknown form";
    if (field->count_width &&
        (!width_is_valid(field->count_width) || field->count_offset < sizeof(rh_object) ||
         (uint64_t)field->count_offset + field->count_width > type->size))
        return "takes its count from outside the struct";
    if (holds_references(field) && field->width != sizeof(void *))
        return "is not a pointer";
    if (field->form != RH_FORM_ONE && field->stride == 0)
        return "has elements without a stride";
    if (holds_references(field) && field->form != RH_FORM_ONE &&
        (uint64_t)field->element_offset + sizeof(void *) > field->stride)
        return "has references that go beyond its elements";
    uint64_t bytes = field->form == RH_FORM_VECTOR ? sizeof(void *)
                     : field->form == RH_FORM_ONE  ? field->width
                     : field->count_width          ? 0
                                                   : (uint64_t)field->count * field->stride;
    if (field->offset < sizeof(rh_object))
        return "lies in the object header (the struct must begin with its rh_object)";
    if (field->offset + bytes > type->size)
        return "lies outside the struct";
    return NULL;
}

/* The references of a field inside the struct: `count` slots from `first` on; what has a number
 * of elements of its own is at the struct's end. */
typedef struct slot_row {
    uint64_t first, stride, count;
} slot_row;

static slot_row inner_slots(const rh_field *field)
{
    if (!holds_references(field) || field->form == RH_FORM_VECTOR || field->count_width)
        return (slot_row){0};
    if (field->form == RH_FORM_ONE)
        return (slot_row){field->offset, sizeof(void *), 1};
    return (slot_row){(uint64_t)field->offset + field->element_offset, field->stride, field->count};
}

/* Do two fields own the same word? Arrays of different strides are not compared. */
static bool is_shared(slot_row a, slot_row b)
{
    if (!a.count || !b.count || a.first >= b.first + (b.count - 1) * b.stride + sizeof(void *) ||
        b.first >= a.first + (a.count - 1) * a.stride + sizeof(void *))
        return false;
    if (a.count > 1 && b.count > 1 && a.stride != b.stride)
        return false;
    uint64_t stride = a.count > 1 ? a.stride : b.stride;
    uint64_t distance = (a.first > b.first ? a.first - b.first : b.first - a.first) % stride;
    return distance < sizeof(void *) || stride - distance < sizeof(void *);
}

static bool shares_a_slot(const rh_type *type, const rh_field *field)
{
    slot_row own = inner_slots(field);
    for (const rh_field *other = type->fields; own.count && other < field; other++)
        if (is_shared(own, inner_slots(other)))
            return true;
    return false;
}

static bool type_is_valid(const rh_type *type, uint32_t *field_count, uint32_t *ref_count)
{
    const char *fault = NULL;
    const char *field_name = "";
    *field_count = *ref_count = 0;
    if (type->size < sizeof(rh_object))
        fault = "is smaller than an object header";
    else if (type->length_offset && (type->length_offset < sizeof(rh_object) ||
                                     (uint64_t)type->length_offset + sizeof(size_t) > type->size))
        fault = "keeps its length outside the struct";
    for (const rh_field *field = type->fields; !fault && field && field->kind != RH_KIND_END;
         field++) {
        fault = *field_count == RH_METADATA_FIELDS_MAX ? "is one field too many: 4096 are possible"
                                                       : field_fault(type, field);
        if (!fault && shares_a_slot(type, field))
            fault = "owns a slot that an earlier field owns, too";
        field_name = field->name ? field->name : "";
        ++*field_count;
        *ref_count += holds_references(field);
    }
    if (fault)
        fprintf(stderr, "refheap: type %s %s%s%s, it cannot be used\n",
                type->name ? type->name : "?", field_name, *field_name ? " " : "", fault);
    return !fault;
}

/* The words of a reference field as bits, if they all lie in the first 512 bytes; else 0. */
static uint64_t slots_of(const rh_field *field)
{
    uint64_t slots = 0;
    uint64_t count = field->form == RH_FORM_ONE ? 1 : field->count;
    if (field->form == RH_FORM_VECTOR || field->count_width || count > 64)
        return 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t offset = field->offset + i * field->stride + field->element_offset;
        if (offset % 8 || offset >= 64 * 8)
            return 0;
        slots |= (uint64_t)1 << (offset / 8);
    }
    return slots;
}

static rh__ref ref_of(const rh_field *field)
{
    return (rh__ref){.offset = field->offset,
                     .form = field->form,
                     .count_width = field->count_width,
                     .kind = field->kind,
                     .count = field->count,
                     .count_offset = field->count_offset,
                     .stride = field->stride,
                     .element_offset = field->element_offset};
}

static bool fill_fields(rh__type_entry *entry, const rh_type *type, uint32_t field_count,
                        uint32_t ref_count)
{
    rh_field *fields = arena_alloc(field_count * sizeof *fields);
    rh__ref *refs = arena_alloc(ref_count * sizeof *refs);
    if ((field_count && !fields) || (ref_count && !refs))
        return false;
    uint32_t first = 0, last = ref_count; /* those that bits cannot say from the front */
    rh__type_slots[entry - rh__types] = 0;
    for (uint32_t i = 0; i < field_count; i++) {
        const rh_field *from = &type->fields[i];
        fields[i] = *from;
        fields[i].name = rh__copy_text(from->name ? from->name : "");
        if (!fields[i].name)
            return false;
        if (!holds_references(from))
            continue;
        uint64_t slots = slots_of(from);
        rh__type_slots[entry - rh__types] |= slots;
        refs[slots ? --last : first++] = ref_of(from);
    }
    entry->fields = fields;
    entry->field_count = field_count;
    entry->refs = refs;
    entry->ref_count = ref_count;
    entry->more_refs = first;
    return true;
}

static bool table_is_mapped(void)
{
    if (rh__types)
        return true;
    rh__mapping *mapping =
        rh__map(NULL, RH_MAPPING_TYPES,
                RH__MAPPING_DATA + (size_t)RH__TYPES_MAX * sizeof(rh__type_entry), 0, true);
    if (!mapping)
        return false;
    rh__types = (rh__type_entry *)(void *)((char *)mapping + RH__MAPPING_DATA);
    rh_debug_descriptor.type_count = 1;
    RH__ORDER();
    rh_debug_descriptor.types = (uint64_t)(uintptr_t)rh__types;
    return true;
}

/* Types whose flag RH_TYPE_TRACED came when they had an index: their births may still go the short
 * way. Such a type is written to when a birth shows that it is there, and not before: nobody says
 * when a plugin takes its types away. */
static bool lags[RH__TYPES_MAX]; /* under the lock */
uint32_t rh__types_lagging;

/* pre: the lock is held and the entry is complete. What the short way of a birth looks at comes
 * last. A debugger may set the flag between any two instructions, and then it writes the class. */
static void choose_way(rh_type *type, const rh__type_entry *entry)
{
    uint32_t flags;
    do {
        flags = __atomic_load_n(&entry->flags, __ATOMIC_RELAXED);
        uint32_t size_class =
            flags & RH_TYPE_TRACED ? RH__CLASS_NONE : rh__size_class((size_t)entry->object_size);
        __atomic_store_n(&type->rh_private.slot_class, size_class, __ATOMIC_RELEASE);
        RH__ORDER();
    } while (flags != __atomic_load_n(&entry->flags, __ATOMIC_RELAXED));
}

void rh__type_choose_way(rh_type *type)
{
    uint32_t index = type->rh_private.index;
    rh__type_lock();
    choose_way(type, &rh__types[index]);
    if (lags[index])
        __atomic_fetch_sub(&rh__types_lagging, 1, __ATOMIC_RELAXED);
    lags[index] = false;
    rh__type_unlock();
}

void rh__type_trace(uint32_t index)
{
    if (__atomic_fetch_or(&rh__types[index].flags, RH_TYPE_TRACED, __ATOMIC_RELAXED) &
        RH_TYPE_TRACED)
        return;
    if (!lags[index])
        __atomic_fetch_add(&rh__types_lagging, 1, __ATOMIC_RELAXED);
    lags[index] = true;
}

/* pre: the lock is held and the type has no index. */
static bool register_locked(rh_type *type)
{
    uint32_t field_count, ref_count;
    if (!type_is_valid(type, &field_count, &ref_count) || !table_is_mapped())
        return false;
    uint32_t index = (uint32_t)rh_debug_descriptor.type_count;
    if (index >= RH__TYPES_MAX)
        return false;
    rh__type_entry *entry = &rh__types[index];
    entry->name = rh__copy_text(type->name ? type->name : "?");
    if (!entry->name || !fill_fields(entry, type, field_count, ref_count))
        return false;
    entry->object_size = type->size;
    entry->flags = type->flags;
    entry->element_size = type->element_size;
    entry->length_offset = type->length_offset;
    entry->finalize = type->finalize;
    entry->dispose = type->dispose;
    entry->source = type;
    if (rh__trace_wants(entry->name))
        entry->flags |= RH_TYPE_TRACED;

    /* Without references of its own an object is in no cycle, whatever the flags say. */
    bool strong = false;
    for (uint32_t i = 0; i < ref_count; i++)
        strong |= entry->refs[i].kind == RH_KIND_STRONG;
    bool acyclic = !strong || (type->flags & RH_TYPE_ACYCLIC);
#ifdef REFHEAP_NO_COLLECTOR
    acyclic = true; /* nobody looks for cycles */
#endif
    bool involved = type->finalize || type->dispose || entry->more_refs;
    type->rh_private.birth =
        (uint64_t)(acyclic ? 0 : RH__WORD_ARMED) | (uint64_t)index << 32 |
        (uint64_t)((acyclic ? RH_FLAG_ACYCLIC : 0) | (involved ? RH__FLAG_INVOLVED : 0)) << 48;
    RH__ORDER();
    __atomic_store_n(&rh_debug_descriptor.type_count, index + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&type->rh_private.index, index, __ATOMIC_RELEASE);
    choose_way(type, entry);
    return true;
}

bool rh__type_register(rh_type *type)
{
    rh__type_lock();
    bool done = type->rh_private.index != 0 || register_locked(type);
    rh__type_unlock();
    return done;
}
