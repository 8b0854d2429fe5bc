/* words.c - finds and names the words that refer to objects (see words.h).
 * Invariant: a word is reported in one class only; `skipped` (registered roots and the runtime's own
 * memory) is asked before any conservative class. */
#include "words.h"
#include "array.h"
#include "modules.h"
#include "objects.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RED_ZONE_BYTES = 128, SCAN_STEP_BYTES = 1 << 20, RANGES_MAX = 4096 };

typedef struct scan {
    rhi_session *session;
    rhi_reader *reader;
    rhi_holders *holders;
    uint64_t low, high;
    struct { rhi_segment *items; uint64_t count, capacity; } data; /* writable segments of modules */
    bool out_of_memory;
} scan;

static rhi_holder *add(scan *s, uint8_t kind, uint64_t address, uint64_t value)
{
    if (!rhi__array_reserve(s->holders, 1)) {
        s->out_of_memory = true;
        return NULL;
    }
    rhi_holder *holder = &s->holders->items[s->holders->count++];
    *holder = (rhi_holder){.kind = kind, .address = address, .value = value};
    return holder;
}

static bool is_registered(const rhi_reader *reader, uint64_t address)
{
    uint64_t low = 0, high = reader->roots.count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (reader->roots.items[middle].slot < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < reader->roots.count && reader->roots.items[low].slot == address;
}

static void scan_roots(scan *s)
{
    for (uint64_t i = 0; i < s->reader->roots.count && !s->out_of_memory; i++) {
        const rhi_root *root = &s->reader->roots.items[i];
        uint64_t value;
        char text[RHI_NAME_SIZE + 64];
        if (!rhi__memory_u64(s->reader->memory, root->slot, &value)) {
            snprintf(text, sizeof text, "the registered root %s at 0x%" PRIx64 " cannot be read", root->name, root->slot);
            rhi__incomplete(s->session, text);
            continue;
        }
        if (value < s->low || value >= s->high)
            continue;
        rhi_holder *holder = add(s, RHI_HOLDER_ROOT, root->slot, value);
        if (holder) {
            holder->strong = true;
            snprintf(holder->name, sizeof holder->name, "%s", root->name);
        }
    }
}

/* ---- registers and stacks ---------------------------------------------------------------------------- */

static void scan_registers(scan *s, const rhi_thread *thread)
{
    const struct rhi_sink *map = &s->reader->memory->map;
    for (uint32_t i = 0; i < thread->register_count; i++) {
        const rhi_register *r = &map->registers.items[thread->first_register + i];
        if (r->value < s->low || r->value >= s->high)
            continue;
        rhi_holder *holder = add(s, RHI_HOLDER_REGISTER, 0, r->value);
        if (!holder)
            return;
        holder->lwp = thread->lwp;
        snprintf(holder->name, sizeof holder->name, "%s", r->name);
    }
}

static rhi_error *scan_range(scan *s, uint64_t start, uint64_t end, uint8_t kind, uint64_t lwp)
{
    rhi_scratch scratch = {0};
    rhi_error *error = NULL;
    uint64_t unread = 0;
    if (start > UINT64_MAX - 7)
        return NULL;
    for (uint64_t at = (start + 7) & ~7ull; at < end && !error && !s->out_of_memory;) {
        uint64_t size = end - at < SCAN_STEP_BYTES ? end - at : SCAN_STEP_BYTES, got;
        const uint8_t *bytes = rhi__memory_view(s->reader->memory, at, size, &scratch, &got);
        for (uint64_t i = 0; bytes && i + 8 <= got; i += 8) {
            uint64_t value = rhi__load64(bytes + i);
            if (value < s->low || value >= s->high || is_registered(s->reader, at + i) || rhi__own_at(s->reader, at + i))
                continue;
            rhi_holder *holder = add(s, kind, at + i, value);
            if (holder)
                holder->lwp = lwp;
        }
        uint64_t next = got == size ? at + size : rhi__memory_hole_end(s->reader->memory, at + got, end);
        unread += next - (at + got);
        at = next > UINT64_MAX - 7 ? end : (next + 7) & ~7ull;
        error = rhi__progress(s->session, "reading memory", at - start, end - start);
    }
    rhi__scratch_free(&scratch);
    if (unread) {
        char text[128];
        snprintf(text, sizeof text, "%" PRIu64 " bytes of %s at 0x%" PRIx64 " cannot be read", unread,
                 kind == RHI_HOLDER_STACK ? "a stack" : "module data", start);
        rhi__incomplete(s->session, text);
    }
    return error;
}

static rhi_error *scan_threads(scan *s)
{
    const rhi_memory *memory = s->reader->memory;
    if (!memory->has_threads)
        rhi__incomplete(s->session, "registers and stacks were not searched: the threads cannot be had");
    for (uint64_t i = 0; i < memory->map.threads.count; i++) {
        const rhi_thread *thread = &memory->map.threads.items[i];
        const rhi_region *stack = rhi__memory_region(memory, thread->stack_pointer);
        scan_registers(s, thread);
        if (!stack) {
            rhi__incomplete(s->session, "the stack of a thread was not searched: its stack pointer points nowhere");
            continue;
        }
        uint64_t start = thread->stack_pointer > RED_ZONE_BYTES ? thread->stack_pointer - RED_ZONE_BYTES : 0;
        RHI_TRY(scan_range(s, start > stack->start ? start : stack->start, stack->end, RHI_HOLDER_STACK, thread->lwp));
    }
    return NULL;
}

/* ---- module data ---------------------------------------------------------------------------------------- */

static bool add_data_segment(void *context, const rhi_segment *segment)
{
    scan *s = context;
    if (segment->type != PT_LOAD || !(segment->flags & PF_W))
        return true;
    if (s->data.count >= RANGES_MAX) {
        rhi__incomplete(s->session, "there are more modules than are searched");
        return false;
    }
    if (!rhi__array_reserve(&s->data, 1))
        s->out_of_memory = true;
    else
        s->data.items[s->data.count++] = *segment;
    return true;
}

static bool in_data(const scan *s, const rhi_region *region)
{
    for (uint64_t i = 0; i < s->data.count; i++)
        if (region->start < s->data.items[i].end && region->end > s->data.items[i].start)
            return true;
    return false;
}

/* The mapped parts of a segment: its length is what an ELF header claims. */
static rhi_error *scan_segment(scan *s, const rhi_segment *segment)
{
    const struct rhi_sink *map = &s->reader->memory->map;
    for (uint64_t i = 0; i < map->regions.count && map->regions.items[i].start < segment->end; i++) {
        const rhi_region *region = &map->regions.items[i];
        uint64_t start = region->start > segment->start ? region->start : segment->start;
        uint64_t end = region->end < segment->end ? region->end : segment->end;
        if (start < end)
            RHI_TRY(scan_range(s, start, end, RHI_HOLDER_GLOBAL, 0));
    }
    return NULL;
}

static rhi_error *scan_modules(scan *s)
{
    rhi_memory *memory = s->reader->memory;
    for (uint64_t i = 0; i < memory->map.regions.count; i++)
        if (memory->map.regions.items[i].file_offset == 0 && rhi__region_is_file(&memory->map.regions.items[i]))
            rhi__each_segment(memory, memory->map.regions.items[i].start, add_data_segment, s);
    for (uint64_t i = 0; i < s->data.count; i++)
        RHI_TRY(scan_segment(s, &s->data.items[i]));
    /* Writable file mappings of modules whose headers are not there: without their .bss. */
    for (uint64_t i = 0; i < memory->map.regions.count; i++) {
        const rhi_region *region = &memory->map.regions.items[i];
        if (!(region->flags & RHI_REGION_WRITE) || region->flags & RHI_REGION_SHARED || !rhi__region_is_file(region) ||
            in_data(s, region))
            continue;
        RHI_TRY(scan_range(s, region->start, region->end, RHI_HOLDER_GLOBAL, 0));
        rhi__incomplete(s->session, "zero-initialized data of a module whose ELF header is missing was not searched");
    }
    return NULL;
}

rhi_error *rhi__scan_words(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high, rhi_holders *holders)
{
    scan s = {.session = session, .reader = reader, .holders = holders, .low = low, .high = high};
    scan_roots(&s);
    rhi_error *error = scan_threads(&s);
    if (!error)
        error = scan_modules(&s);
    free(s.data.items);
    rhi__incomplete(session, "malloc blocks, thread-local variables and other memory outside stacks and module data were not searched");
    return error ? error : s.out_of_memory ? rhi__error_memory() : NULL;
}

/* ---- slots of objects ------------------------------------------------------------------------------------- */

typedef struct object_scan {
    scan s;
    const rhi_object *object;
} object_scan;

static void add_field(object_scan *o, const rhi_field *field, uint64_t element, uint64_t address, uint64_t value)
{
    rhi_holder *holder = add(&o->s, RHI_HOLDER_FIELD, address, value);
    if (!holder)
        return;
    holder->from = o->object->address;
    holder->in_live = o->object->state == RHI_LIVE;
    holder->strong = field->kind != RHI_KIND_BORROWED;
    holder->weak = !holder->strong;
    rhi__slot_name(field, element, holder->name, sizeof holder->name);
}

static bool visit_vector_slot(void *context, const rhi_slot *slot)
{
    object_scan *o = context;
    if (slot->field->form == RHI_FORM_VECTOR && slot->value == o->s.low)
        add_field(o, slot->field, slot->element, slot->address, slot->value);
    return !o->s.out_of_memory;
}

/* The field inside the object that declares the word at `offset`: a reference slot exactly there, or
 * plain data around it; NULL: none. By arithmetic: an object may hold a million references. */
static const rhi_field *declared_at(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes, uint64_t offset,
                                    uint64_t *element)
{
    const rhi_type *type = &reader->types.items[object->type];
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *field = &type->fields[i];
        uint64_t first, count;
        if (field->form == RHI_FORM_VECTOR || offset < field->offset ||
            !rhi__field_span(reader, object, bytes, field, &first, &count) || (offset - field->offset) / field->stride >= count)
            continue;
        uint64_t inside = (offset - field->offset) % field->stride;
        *element = (offset - field->offset) / field->stride;
        if (field->kind <= RHI_KIND_BORROWED ? inside == field->element_offset
                                             : inside >= field->element_offset && inside < (uint64_t)field->element_offset + field->width)
            return field;
    }
    return NULL;
}

static rhi_error *scan_object(void *context, uint32_t index, const rhi_object *object, const uint8_t *bytes)
{
    object_scan *o = context;
    rhi_reader *reader = o->s.reader;
    (void)index;
    if (object->state > RHI_DYING || object->type >= reader->types.count)
        return NULL;
    const rhi_type *type = &reader->types.items[object->type];
    o->object = object;
    /* The whole slot: a flexible tail whose length the type does not tell lies behind the struct. */
    for (uint64_t i = reader->header_size; i + 8 <= object->slot_size; i += 8) {
        uint64_t value = rhi__load64(bytes + i);
        if (value < o->s.low || value >= o->s.high)
            continue;
        uint64_t element;
        const rhi_field *declared = declared_at(reader, object, bytes, i, &element);
        if (declared && declared->kind <= RHI_KIND_BORROWED && value == o->s.low) {
            add_field(o, declared, element, object->address + i, value);
        } else if (!declared) {
            rhi_holder *holder = add(&o->s, RHI_HOLDER_UNDECLARED, object->address + i, value);
            if (holder) {
                holder->from = object->address;
                snprintf(holder->name, sizeof holder->name, "+%" PRIu64, i);
            }
        }
    }
    if (type->has_vectors)
        rhi__each_slot(reader, object, bytes, visit_vector_slot, o);
    return o->s.out_of_memory ? rhi__error_memory() : NULL;
}

rhi_error *rhi__scan_objects(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high, rhi_holders *holders)
{
    object_scan o = {.s = {.session = session, .reader = reader, .holders = holders, .low = low, .high = high}};
    return rhi__each_object(session, reader, "reading objects", scan_object, &o);
}

/* ---- rows ---------------------------------------------------------------------------------------------------- */

static int holder_order(const void *left, const void *right)
{
    const rhi_holder *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (a->lwp != b->lwp)
        return a->lwp < b->lwp ? -1 : 1;
    return strcmp(a->name, b->name);
}

void rhi__sort_holders(rhi_holders *holders)
{
    if (holders->count)
        qsort(holders->items, holders->count, sizeof *holders->items, holder_order);
}

/* "libfoo.so+0x4040": where a word of module data is, if nothing names it. */
static void name_by_module(const rhi_reader *reader, rhi_holder *holder)
{
    const struct rhi_sink *map = &reader->memory->map;
    const rhi_region *best = NULL;
    for (uint64_t i = 0; i < map->regions.count && map->regions.items[i].start <= holder->address; i++)
        if (map->regions.items[i].file_offset == 0 && rhi__region_is_file(&map->regions.items[i]))
            best = &map->regions.items[i];
    if (!best)
        return;
    const char *base = strrchr(best->path, '/') + 1;
    snprintf(holder->name, sizeof holder->name, "%s+0x%" PRIx64, base, holder->address - best->start);
}

void rhi__name_holders(rhi_session *session, rhi_reader *reader, rhi_holders *holders, uint64_t count)
{
    const rhi_target *target = session->target;
    if (count > holders->count)
        count = holders->count;
    rhi_word *words = calloc(count + 1, sizeof *words);
    uint64_t *row = calloc(count + 1, sizeof *row), asked = 0;
    for (uint64_t i = 0; words && row && i < count; i++) {
        const rhi_holder *holder = &holders->items[i];
        if (holder->kind != RHI_HOLDER_STACK && holder->kind != RHI_HOLDER_GLOBAL)
            continue;
        row[asked] = i;
        words[asked++] = (rhi_word){.address = holder->address, .is_stack = holder->kind == RHI_HOLDER_STACK, .lwp = holder->lwp};
    }
    if (asked && target->name)
        target->name(target->context, words, asked);
    for (uint64_t i = 0; i < asked; i++) {
        rhi_holder *holder = &holders->items[row[i]];
        words[i].name[sizeof words[i].name - 1] = words[i].detail[sizeof words[i].detail - 1] = '\0';
        if (words[i].kind != RHI_WORD_UNNAMED && words[i].name[0]) {
            holder->is_local = holder->kind == RHI_HOLDER_STACK;
            snprintf(holder->name, sizeof holder->name, "%s", words[i].name);
            snprintf(holder->detail, sizeof holder->detail, "%s", words[i].detail);
        } else if (holder->kind == RHI_HOLDER_GLOBAL) {
            name_by_module(reader, holder);
        }
    }
    free(words);
    free(row);
}
