/* made_up_format.c - makes heaps of the made-up format, and reads them (see made_up_format.h).
 *
 * Its list of formats stands in for the engine's own: refheap's and this one. */
#include "made_up_format.h"
#include "base/array.h"
#include "heap/reader.h"
#include "readers/all.h"
#include "readers/refheap/format.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CRATES = 16,
    LONES = 24,
    ROOT = 32,
    CRATE_LIST = 64,
    LONE_LIST = 128,
    SITES = 192,
    SITE_LIST = 256,
    SITES_MAX = 16,
    DESCRIPTOR_SIZE = 0x1000,
    LISTED_MAX = 4,
    SLOTS = 64,
    SLOTS_MAX = 64,
    PREFIX = 16,
    BODY = 16,
    HEADER_SIZE = PREFIX + BODY,
    LONE_SIZE = 64
};
#define MAGIC 0x3130534554415243ull   /* CRATES01 */
#define TRACKED 0x6b63617274736920ull /* the first word of a prefix */
#define IMMORTAL (1ull << 63)

/* ---- making --------------------------------------------------------------------------------- */

void made_up_new(fake_target *target, uint64_t address)
{
    fake_map(target, address, DESCRIPTOR_SIZE, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(target, address, MAGIC, 8);
    fake_put(target, address + 8, address, 8);
}

void made_up_crate(fake_target *target, uint64_t descriptor, uint64_t address, uint64_t slot_size,
                   uint64_t capacity)
{
    uint64_t count = fake_get(target, descriptor + CRATES, 8);
    ck_assert(count < LISTED_MAX && capacity <= SLOTS_MAX);
    fake_map(target, address, (SLOTS + slot_size * capacity + 0xfff) & ~0xfffull,
             RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(target, address, slot_size, 8);
    fake_put(target, address + 8, capacity, 8);
    fake_put(target, descriptor + CRATE_LIST + count * 8, address, 8);
    fake_put(target, descriptor + CRATES, count + 1, 8);
}

void made_up_site(fake_target *target, uint64_t descriptor, uint64_t object, uint64_t line)
{
    uint64_t number = fake_get(target, descriptor + SITES, 8);
    ck_assert(number < SITES_MAX);
    fake_put(target, descriptor + SITE_LIST + 16 * number, object, 8);
    fake_put(target, descriptor + SITE_LIST + 16 * number + 8, line, 8);
    fake_put(target, descriptor + SITES, number + 1, 8);
}

static bool has_prefix(uint64_t kind)
{
    return kind == MADE_UP_PAIR || kind == MADE_UP_BAG;
}

static uint64_t write_object(fake_target *target, uint64_t start, enum made_up_kind kind,
                             uint64_t count)
{
    uint64_t address = start + (has_prefix(kind) ? PREFIX : 0);
    if (has_prefix(kind))
        fake_put(target, start, TRACKED, 8);
    fake_put(target, address, count, 8);
    fake_put(target, address + 8, kind, 8);
    return address;
}

uint64_t made_up_object(fake_target *target, uint64_t crate, uint64_t slot, enum made_up_kind kind,
                        uint64_t count)
{
    uint64_t size = fake_get(target, crate, 8);
    fake_put(target, crate + 16, fake_get(target, crate + 16, 8) | 1ull << slot, 8);
    return write_object(target, crate + SLOTS + slot * size, kind, count);
}

uint64_t made_up_lone(fake_target *target, uint64_t descriptor, uint64_t address,
                      enum made_up_kind kind, uint64_t count)
{
    uint64_t number = fake_get(target, descriptor + LONES, 8);
    ck_assert(number < LISTED_MAX);
    fake_map(target, address, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(target, descriptor + LONE_LIST + number * 8, address, 8);
    fake_put(target, descriptor + LONES, number + 1, 8);
    return write_object(target, address, kind, count);
}

uint64_t made_up_raw(fake_target *target, uint64_t crate, uint64_t slot)
{
    uint64_t size = fake_get(target, crate, 8);
    fake_put(target, crate + 24, fake_get(target, crate + 24, 8) | 1ull << slot, 8);
    return crate + SLOTS + slot * size;
}

void made_up_free(fake_target *target, uint64_t crate, uint64_t slot)
{
    fake_put(target, crate + 16, fake_get(target, crate + 16, 8) & ~(1ull << slot), 8);
}

void made_up_put(fake_target *target, uint64_t object, unsigned word, uint64_t value)
{
    fake_put(target, object + BODY + 8ull * word, value, 8);
}

void made_up_table(fake_target *target, uint64_t bag, uint64_t address, const uint64_t *values,
                   uint64_t count)
{
    if (!fake_is_mapped(target, address))
        fake_map(target, address, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    for (uint64_t i = 0; i < count; i++) {
        fake_put(target, address + 16 * i, i + 1, 8);
        fake_put(target, address + 16 * i + 8, values[i], 8);
    }
    made_up_put(target, bag, 0, address);
    made_up_put(target, bag, 1, count);
}

void made_up_root(fake_target *target, uint64_t descriptor, uint64_t slot)
{
    fake_put(target, descriptor + ROOT, slot, 8);
}

/* ---- opening -------------------------------------------------------------------------------- */

typedef struct state {
    uint64_t descriptor;
    uint32_t first_type;
    rhi_field left, right, item, both, guess; /* of slots */
} state;

static const rhi_format made_up;

static const state *state_of(const rhi_reader *reader)
{
    return rhi__format_state(reader, &made_up);
}

static void call_item(void *context, uint64_t element, char *name, size_t size)
{
    (void)context;
    snprintf(name, size, "{%" PRIu64 "}", element);
}

static bool add_types(rhi_reader *reader, state *s)
{
    static const char *const names[] = {"leaf", "pair", "bag", "twice", "opaque", "speck"};
    s->first_type = (uint32_t)reader->types.count;
    s->left = (rhi_field){.name = "left", .kind = RHI_KIND_STRONG};
    s->right = (rhi_field){.name = "right", .kind = RHI_KIND_BORROWED};
    s->both = (rhi_field){.name = "both", .kind = RHI_KIND_STRONG};
    s->guess = (rhi_field){.name = "word", .kind = RHI_KIND_STRONG, .is_guess = true};
    s->item = (rhi_field){
        .name = "{}", .kind = RHI_KIND_STRONG, .form = RHI_FORM_VECTOR, .call = call_item};
    if (!rhi__array_reserve(&reader->types, MADE_UP_KINDS))
        return false;
    for (unsigned kind = MADE_UP_LEAF; kind < MADE_UP_KINDS; kind++) {
        rhi_type *type = &reader->types.items[reader->types.count++];
        *type = (rhi_type){.size = BODY + (kind == MADE_UP_LEAF || kind == MADE_UP_TWICE ? 8 : 16),
                           .has_code = true,
                           .has_references = kind != MADE_UP_LEAF && kind != MADE_UP_SPECK,
                           .has_vectors = kind == MADE_UP_BAG,
                           .has_raw_words = kind == MADE_UP_OPAQUE,
                           .lends_bytes = kind == MADE_UP_LEAF,
                           .is_thin = kind == MADE_UP_SPECK,
                           .acyclic = kind == MADE_UP_LEAF};
        snprintf(type->name, sizeof type->name, "%s", names[kind - MADE_UP_LEAF]);
        snprintf(type->qualified, sizeof type->qualified, "shop.%s", names[kind - MADE_UP_LEAF]);
    }
    return true;
}

static bool add_range(rhi_reader *reader, uint64_t start, uint64_t size, const char *what,
                      uint32_t heap, bool has_blocks)
{
    if (!rhi__array_reserve(&reader->own, 1))
        return false;
    reader->own.items[reader->own.count++] = (rhi_own_range){
        .start = start, .end = start + size, .what = what, .heap = heap, .has_blocks = has_blocks};
    return true;
}

static bool add_root(rhi_reader *reader, uint64_t slot, uint32_t heap)
{
    bool is_guess = slot & MADE_UP_GUESS;
    slot &= ~(uint64_t)MADE_UP_GUESS;
    if (slot == 0)
        return true;
    if (!rhi__array_reserve(&reader->roots, 1))
        return false;
    reader->roots.items[reader->roots.count++] =
        (rhi_root){.slot = slot, .heap = heap, .is_guess = is_guess, .name = "crate"};
    return true;
}

static bool add_ranges(rhi_reader *reader, uint64_t at, uint32_t heap)
{
    rhi_memory *m = reader->memory;
    uint64_t crates = 0, root = 0, address, size, capacity;
    bool ok = rhi__memory_u64(m, at + CRATES, &crates) && rhi__memory_u64(m, at + ROOT, &root) &&
              add_range(reader, at, DESCRIPTOR_SIZE, "descriptor", heap, false) &&
              add_root(reader, root, heap);
    for (uint64_t i = 0; ok && i < crates && i < LISTED_MAX; i++)
        ok = rhi__memory_u64(m, at + CRATE_LIST + 8 * i, &address) &&
             rhi__memory_u64(m, address, &size) && rhi__memory_u64(m, address + 8, &capacity) &&
             capacity <= SLOTS_MAX && size <= 4096 &&
             add_range(reader, address, SLOTS + size * capacity, "crate", heap, true);
    return ok;
}

static rhi_error *made_up_open(rhi_reader *reader, bool *found)
{
    uint64_t word, self, at = 0;
    *found = false;
    /* it lies in no module, nor does the heap of refheap that the tests have beside it */
    uint64_t count = reader->search == RHI_SEARCH_ALL ? reader->memory->map.regions.count : 0;
    for (uint64_t i = 0; i < count && !at; i++) {
        uint64_t start = reader->memory->map.regions.items[i].start;
        if (rhi__memory_u64(reader->memory, start, &word) && word == MAGIC &&
            rhi__memory_u64(reader->memory, start + 8, &self) && self == start)
            at = start;
    }
    if (!at)
        return NULL;
    state *s = calloc(1, sizeof *s);
    if (!s || !rhi__format_opened(reader, &made_up, s)) {
        free(s);
        return rhi__error_memory();
    }
    *found = true;
    if (!add_types(reader, s) || !rhi__array_reserve(&reader->heaps, 1))
        return rhi__error_memory();
    reader->heaps.items[reader->heaps.count++] =
        (rhi_heap_info){.format = &made_up,
                        .state = s,
                        .header_size = HEADER_SIZE,
                        .address = at,
                        .number = 1,
                        .name = "crates",
                        .phase = "idle",
                        .first_type = s->first_type,
                        .type_count = MADE_UP_KINDS - MADE_UP_LEAF};
    s->descriptor = at;
    return add_ranges(reader, at, (uint32_t)reader->heaps.count - 1) ? NULL : rhi__error_memory();
}

static void made_up_close(rhi_reader *reader)
{
    free(rhi__format_state(reader, &made_up));
}

/* ---- blocks and headers --------------------------------------------------------------------- */

static uint8_t prefix_at(rhi_reader *reader, uint64_t start)
{
    uint64_t word;
    return rhi__memory_u64(reader->memory, start, &word) && word == TRACKED ? PREFIX : 0;
}

static rhi_error *made_up_blocks(rhi_reader *reader, const rhi_own_range *range, rhi_blocks *blocks)
{
    uint64_t size, capacity, live, raw;
    if (!rhi__memory_u64(reader->memory, range->start, &size) ||
        !rhi__memory_u64(reader->memory, range->start + 8, &capacity) ||
        !rhi__memory_u64(reader->memory, range->start + 16, &live) ||
        !rhi__memory_u64(reader->memory, range->start + 24, &raw))
        return NULL;
    if (!rhi__array_reserve(blocks, 1))
        return rhi__error_memory();
    rhi_block block = {.base = range->start + SLOTS,
                       .slot_size = size,
                       .capacity = (uint32_t)capacity,
                       .heap = range->heap,
                       .live = calloc(1, 8),
                       .raw = raw ? calloc(1, 8) : NULL,
                       .prefixes = calloc(capacity, 1)};
    if (!block.live || !block.prefixes || (raw && !block.raw)) {
        free(block.live);
        free(block.raw);
        free(block.prefixes);
        return rhi__error_memory();
    }
    block.live[0] = live;
    if (raw)
        block.raw[0] = raw;
    for (uint64_t slot = 0; slot < capacity; slot++)
        block.prefixes[slot] = prefix_at(reader, block.base + slot * size);
    blocks->items[blocks->count++] = block;
    return NULL;
}

/* Appends the lone objects, or that at the address alone; 0: all. */
static rhi_error *add_lones(rhi_reader *reader, uint64_t wanted, rhi_blocks *blocks)
{
    const rhi_heap_info *info = reader->heaps.items;
    while (info->format != &made_up)
        info++;
    uint64_t count = 0, address;
    rhi__memory_u64(reader->memory, info->address + LONES, &count);
    for (uint64_t i = 0; i < count && i < LISTED_MAX; i++)
        if (rhi__memory_u64(reader->memory, info->address + LONE_LIST + 8 * i, &address) &&
            (!wanted || wanted - address < LONE_SIZE)) {
            rhi_error *error = rhi__add_lone(blocks, address, LONE_SIZE, prefix_at(reader, address),
                                             (uint32_t)(info - reader->heaps.items));
            if (error)
                return error;
        }
    return NULL;
}

static rhi_error *made_up_lones(rhi_reader *reader, rhi_blocks *blocks)
{
    return add_lones(reader, 0, blocks);
}

static rhi_error *made_up_near(rhi_reader *reader, const rhi_own_range *range, uint64_t address,
                               rhi_blocks *blocks)
{
    return range ? made_up_blocks(reader, range, blocks) : add_lones(reader, address, blocks);
}

static void made_up_decode(const rhi_reader *reader, const rhi_block *block, uint64_t start,
                           const uint8_t *bytes, bool live, rhi_object *object)
{
    uint8_t prefix = (uint8_t)(rhi__slot_address(block, rhi__slot_number(block, start)) - start);
    uint64_t count = rhi__load64(bytes + prefix), kind = rhi__load64(bytes + prefix + 8);
    bool is_known = kind >= MADE_UP_LEAF && kind < MADE_UP_KINDS;
    *object = (rhi_object){.address = start + prefix,
                           .start = start,
                           .slot_size = block->slot_size,
                           .heap = block->heap,
                           .count = (int64_t)(count & ~IMMORTAL),
                           .tracked = prefix != 0,
                           .immortal = (count & IMMORTAL) != 0,
                           .type = is_known ? state_of(reader)->first_type + (uint32_t)kind - 1
                                            : UINT32_MAX,
                           .state = live       ? RHI_LIVE
                                    : is_known ? RHI_FREED
                                               : RHI_UNUSED};
}

static void made_up_headers(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                            uint64_t slot_count, rhi_header *headers)
{
    for (uint64_t slot = 0; slot < slot_count; slot++) {
        rhi_object object;
        if (!rhi__slot_is_live(block, slot))
            continue;
        made_up_decode(reader, block, block->base + slot * block->slot_size,
                       bytes + slot * block->slot_size, true, &object);
        *headers++ = (rhi_header){.count = object.immortal ? 0 : (uint32_t)object.count,
                                  .type = object.type,
                                  .state = object.state,
                                  .immortal = object.immortal};
    }
}

/* ---- code ----------------------------------------------------------------------------------- */

static uint64_t kind_of(const rhi_reader *reader, const rhi_object *object)
{
    return object->type - state_of(reader)->first_type + 1;
}

static bool visit_one(const rhi_object *object, const uint8_t *body, unsigned word,
                      const rhi_field *field, rhi_slot_visitor visit, void *context)
{
    rhi_slot slot = {.address = object->address + BODY + 8ull * word,
                     .value = rhi__load64(body + 8ull * word),
                     .field = field};
    return slot.value == 0 || visit(context, &slot);
}

static bool visit_table(rhi_reader *reader, const uint8_t *body, rhi_slot_visitor visit,
                        void *context)
{
    uint64_t table = rhi__load64(body), count = rhi__load64(body + 8);
    for (uint64_t i = 0; i < count && i < 256; i++) {
        rhi_slot slot = {.address = table + 16 * i + 8, .field = &state_of(reader)->item};
        if (!rhi__memory_u64(reader->memory, table + 16 * i, &slot.element) ||
            !rhi__memory_u64(reader->memory, slot.address, &slot.value))
            return true;
        if (slot.value && !visit(context, &slot))
            return false;
    }
    return true;
}

static bool made_up_slots(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                          rhi_slot_visitor visit, void *context)
{
    const state *s = state_of(reader);
    const uint8_t *body = bytes + (object->address - object->start) + BODY;
    switch (kind_of(reader, object)) {
    case MADE_UP_PAIR:
        return visit_one(object, body, 0, &s->left, visit, context) &&
               visit_one(object, body, 1, &s->right, visit, context);
    case MADE_UP_BAG:
        return visit_table(reader, body, visit, context);
    case MADE_UP_OPAQUE:
        return visit_one(object, body, 0, &s->guess, visit, context) &&
               visit_one(object, body, 1, &s->guess, visit, context);
    case MADE_UP_TWICE:
        return visit_one(object, body, 0, &s->both, visit, context) &&
               visit_one(object, body, 0, &s->both, visit, context);
    default:
        return true;
    }
}

static uint64_t made_up_size(const rhi_reader *reader, const rhi_object *object,
                             const uint8_t *bytes)
{
    (void)bytes;
    return object->address - object->start + reader->types.items[object->type].size;
}

static void made_up_value(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                          char *text, size_t size)
{
    const char *body = (const char *)bytes + (object->address - object->start) + BODY;
    text[0] = '\0';
    if (kind_of(reader, object) == MADE_UP_LEAF)
        snprintf(text, size, "<%.8s>", body);
}

static bool made_up_knows_site(rhi_reader *reader, const rhi_object *object, rhi_site *site)
{
    uint64_t at = state_of(reader)->descriptor, count = 0, address, line = 0;
    rhi__memory_u64(reader->memory, at + SITES, &count);
    for (uint64_t i = 0; i < count && i < SITES_MAX; i++)
        if (rhi__memory_u64(reader->memory, at + SITE_LIST + 16 * i, &address) &&
            address == object->address)
            rhi__memory_u64(reader->memory, at + SITE_LIST + 16 * i + 8, &line);
    *site = (rhi_site){.number = (uint32_t)line,
                       .line = (uint32_t)line,
                       .file = "shelf.c",
                       .function = line % 2 ? "stack_up" : NULL};
    return line != 0;
}

static void made_up_facts(rhi_reader *reader, uint32_t heap, rhi_fact_visitor visit, void *context)
{
    uint64_t crates = 0;
    rhi__memory_u64(reader->memory, reader->heaps.items[heap].address + CRATES, &crates);
    rhi_fact fact = {.group = "crates", .key = "listed", .words = "listed", .number = crates};
    visit(context, &fact);
    fact = (rhi_fact){
        .group = "crates", .key = "wood", .words = "of", .kind = RHI_FACT_TEXT, .text = "oak"};
    visit(context, &fact);
    fact = (rhi_fact){.group = "shop_door",
                      .key = "is_open",
                      .words = "open",
                      .kind = RHI_FACT_YES_NO,
                      .number = 1};
    visit(context, &fact);
}

/* Of all that is no object's own address. */
static void made_up_remark(rhi_reader *reader, uint64_t address, const rhi_object *object,
                           char *text, size_t size)
{
    (void)reader;
    text[0] = '\0';
    if (!rhi__is_object(object->state) || address != object->address)
        snprintf(text, size, "crates are used again");
}

/* "crate left {3}": what leads on, if all of it is named. */
static bool made_up_express(rhi_reader *reader, const rhi_way *way, char *text, size_t size)
{
    char name[RHI_NAME_SIZE];
    size_t used = (size_t)snprintf(text, size, "%s", way->root->name);
    (void)reader;
    for (uint64_t i = 0; i + 1 < way->count && used < size; i++) {
        const rhi_way_step *step = &way->steps[i];
        snprintf(name, sizeof name, "%s", step->field->name);
        if (step->field->call)
            step->field->call(step->field->context, step->element, name, sizeof name);
        used += (size_t)snprintf(text + used, size - used, " %s", name);
    }
    return used < size && !way->root->is_guess;
}

/* The second word of a prefix says it. */
static bool made_up_in_motion(rhi_reader *reader, const rhi_object *object)
{
    uint64_t word = 0;
    return object->address != object->start &&
           rhi__memory_u64(reader->memory, object->start + 8, &word) && word;
}

static const rhi_format made_up = {.name = "crates",
                                   .example = "leaf@0x70…",
                                   .block_word = "crate",
                                   .root_word = "hook",
                                   .recording = "SHELF_NOTES=1",
                                   .collect_word = "sweep()",
                                   .raw_word = "crate slot",
                                   .language = "Crate",
                                   .has_tracking = true,
                                   .open = made_up_open,
                                   .close = made_up_close,
                                   .read_blocks = made_up_blocks,
                                   .read_lone = made_up_lones,
                                   .read_near = made_up_near,
                                   .decode = made_up_decode,
                                   .headers = made_up_headers,
                                   .slots = made_up_slots,
                                   .size = made_up_size,
                                   .value = made_up_value,
                                   .site = made_up_knows_site,
                                   .remark = made_up_remark,
                                   .facts = made_up_facts,
                                   .express = made_up_express,
                                   .in_motion = made_up_in_motion};

const rhi_format *const rhi__formats[] = {&rhi__format_refheap, &made_up, NULL};
