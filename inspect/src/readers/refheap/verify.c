/* verify.c - holds the parts of refheap's own format against each other: headers,
 * bitmaps, candidates, weak references (see heap/format.h).
 *
 * Invariant: nothing is said that a sound runtime can show at any instruction outside an
 * announced phase, nor of weak references while they are announced to be joined or parted. A set
 * live bit promises no object: the allocator's and the quarantine's slots have it too. */
#include "readers/refheap/poison.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WEAK_CAPACITY_MAX = 1 << 28,
    WEAK_STEP_BYTES = 1 << 20,
    SLOTS_MAX = 1 << 20,
    LARGE_SLOT_BYTES = 1024,
    HEAD_BYTES = 128
};

typedef struct checker {
    rhi_reader *reader;
    rhi_check *check;
    const space *s; /* of the block's heap */
    const rhi_block *block;
    bool is_judged, judges_weak, has_candidates;
    bool is_poisoned; /* freed slots of the block are filled */
    uint64_t room;    /* bytes of each slot that were read */
    uint64_t fresh[SLOTS_MAX / 64], spared[SLOTS_MAX / 64]; /* of the block */
    /* candidates counted by the bitmaps */
    struct {
        uint64_t fresh, spared;
        bool is_whole;
    } * heaps;
    /* A bit per object: it is marked as having a weak reference; a live one refers to it; a dying
     * one does; the table has an entry for it. */
    uint64_t *flagged, *named, *named_dying, *tabled;
    bool all_read; /* every object's header was seen */
} checker;

static bool is_own(const checker *c, uint32_t heap)
{
    return c->reader->heaps.items[heap].format == c->check->format;
}

static bool judges_weak(const checker *c, uint32_t heap)
{
    return is_own(c, heap) && rhi__is_at_rest(c->reader, heap) &&
           !c->reader->heaps.items[heap].weak_in_motion;
}

/* ---- one slot ------------------------------------------------------------------------------- */

typedef struct head {
    uint64_t number, address;
    uint32_t word, type, flags, index; /* index: the object's, if the live bit is set */
    bool special, is_live;
} head; /* a slot and its header's words */

static inline bool is_blank(const head *slot)
{
    return slot->word == 0 && slot->type == 0 && slot->flags == 0;
}

static void decode(const checker *c, const head *slot, const uint8_t *bytes, rhi_object *object)
{
    rhi__decode(c->reader, c->block, slot->address, bytes, slot->is_live, object);
}

#define FIND(c, kind, object, ...)                                                                 \
    (c)->check->found((c)->check, kind, (c)->block->heap, (object)->address, object, __VA_ARGS__)

static void check_word(const checker *c, const head *slot, const rhi_object *object)
{
    uint32_t state = slot->flags & (RH_FLAG_IMMORTAL | RH_FLAG_DYING | RH_FLAG_FREED);
    const char *name = state & RH_FLAG_FREED   ? "freed"
                       : state & RH_FLAG_DYING ? "dying"
                                               : "immortal";
    if (state && !slot->special)
        FIND(c, RHI_FOUND_BAD_COUNT, object,
             "its flags (0x%x) say %s, but its count word (0x%x) is that of a live object with "
             "count %" PRId64,
             slot->flags, name, slot->word, object->count);
    else if (!state && slot->special && (!object->traced || object->untold)) /* no mark */
        FIND(c, RHI_FOUND_BAD_COUNT, object,
             "its count word (0x%x) is special, but no flag says why: immortal, dying or freed",
             slot->word);
    else if (!state && object->count <= 0 && c->is_judged)
        FIND(c, RHI_FOUND_BAD_COUNT, object, "its count is %" PRId64 " although no collection runs",
             object->count);
}

static void check_candidate(const checker *c, const head *slot, const rhi_object *object,
                            bool is_object)
{
    if (!is_object)
        FIND(c, RHI_FOUND_BAD_CANDIDATE, object,
             "slot %" PRIu64 " is registered as a candidate of the collector, but holds no object",
             slot->number);
    else if (slot->flags & RH_FLAG_ACYCLIC)
        FIND(c, RHI_FOUND_BAD_CANDIDATE, object,
             "it is registered as a candidate of the collector, but its type cannot be part of a "
             "cycle");
    else if (slot->special && slot->flags & RH_FLAG_DYING)
        FIND(c, RHI_FOUND_BAD_CANDIDATE, object,
             "it is registered as a candidate of the collector, but is dying");
}

static void tell_no_type(const checker *c, const head *slot, const rhi_object *object)
{
    FIND(c, RHI_FOUND_BAD_TYPE, object,
         "type index %" PRIu32 " is none of the %" PRIu32 " types there are", slot->type,
         c->reader->heaps.items[c->block->heap].type_count);
}

static void tell_no_serial(const checker *c, const rhi_object *object)
{
    FIND(c, RHI_FOUND_BAD_SERIAL, object, "its serial is 0, which no object is given");
}

/* Who does this weak reference refer to? */
static void check_weak(checker *c, const head *slot, const rhi_object *object, const uint8_t *bytes)
{
    const rhi_field *field = &c->reader->types.items[object->type].fields[0];
    if (field->offset + 8ull > c->room)
        return;
    rhi__bit_set(c->check->weak_objects, slot->index);
    uint64_t target = rhi__load64(bytes + field->offset);
    const rhi_block *block = target ? rhi__block_at(c->reader, target) : NULL;
    if (target == 0)
        return;
    uint32_t index = block && (target - block->base) % block->slot_size == 0
                         ? rhi__object_index(c->reader, target)
                         : RHI_NO_OBJECT;
    if (index == RHI_NO_OBJECT || rhi__bit(c->check->no_objects, index))
        FIND(c, RHI_FOUND_BAD_WEAK, object, "its target 0x%" PRIx64 " is no object", target);
    else if (block->heap != object->heap)
        FIND(c, RHI_FOUND_BAD_WEAK, object, "its target 0x%" PRIx64 " is an object of another heap",
             target);
    else if (object->state == RHI_LIVE && rhi__bit(c->named, index))
        FIND(c, RHI_FOUND_BAD_WEAK, object,
             "its target 0x%" PRIx64 " has another weak reference already: there is to be one",
             target);
    else
        rhi__bit_set(object->state == RHI_LIVE ? c->named : c->named_dying, index);
}

static void check_object(checker *c, const head *slot, const uint8_t *bytes)
{
    rhi_object object;
    decode(c, slot, bytes, &object);
    /* the rest of such a header means nothing either: one damage is told once */
    if (is_blank(slot)) {
        FIND(c, RHI_FOUND_BAD_TYPE, &object,
             "its slot is taken, but the first 8 bytes of its header are 0: it is neither an "
             "object nor a tombstone");
        return;
    }
    if (object.type == UINT32_MAX) {
        tell_no_type(c, slot, &object);
        return;
    }
    if (object.serial == 0)
        tell_no_serial(c, &object);
    check_word(c, slot, &object);
    if (c->judges_weak && slot->flags & RH_FLAG_HAS_WEAK)
        rhi__bit_set(c->flagged, slot->index);
    if (c->judges_weak && rhi__is_object(object.state) &&
        c->reader->types.items[object.type].is_weak)
        check_weak(c, slot, &object, bytes);
}

/* A slot without an object: what is left of its last one? */
static void check_free(const checker *c, const head *slot, const uint8_t *bytes)
{
    rhi_object object;
    decode(c, slot, bytes, &object);
    if (!object.damaged)
        return;
    if (object.type == UINT32_MAX)
        tell_no_type(c, slot, &object);
    else if (object.serial == 0)
        tell_no_serial(c, &object);
    else
        FIND(c, RHI_FOUND_BAD_BITMAP, &object,
             "its slot is free by the bitmap, but holds the header of a live object (count word "
             "0x%x, flags 0x%x)",
             slot->word, slot->flags);
}

/* All that follows the header of a freed slot is as it was filled. */
static void check_poison(const checker *c, const head *slot, const uint8_t *bytes)
{
    enum { SHOWN = 16 };
    rhi_written written;
    rhi_object object;
    char where[80], text[3 * SHOWN + 1] = "";
    if (!rhi__poison_written(c->s, bytes, c->room, &written) ||
        !rhi__poison_fills(c->reader, c->block, slot->address))
        return;
    uint64_t length = written.last - written.first;
    for (uint64_t i = 0; i < length && i < SHOWN; i++)
        snprintf(text + 3 * i, sizeof text - 3 * i, " %02x", bytes[written.first + i]);
    rhi__written_text(&written, where, sizeof where);
    decode(c, slot, bytes, &object);
    FIND(c, RHI_FOUND_WRITTEN_FREED, &object,
         "it was filled with 0x%02x when it was freed, but %s %s written since:%s%s",
         (unsigned)(uint8_t)C(c->s, poison_byte), where, written.count == 1 ? "was" : "were", text,
         length > SHOWN ? " …" : "");
}

/* Is a header as nearly all are: nothing can be found there? */
static inline bool is_usual(const checker *c, const head *slot, const uint8_t *bytes)
{
    const rhi_heap_info *heap = &c->reader->heaps.items[c->block->heap];
    return slot->type && slot->type < heap->type_count && !slot->special &&
           !(slot->flags & (RH_FLAG_IMMORTAL | RH_FLAG_DYING | RH_FLAG_FREED)) &&
           rhi__load64(bytes + C(c->s, object_serial)) >> c->s->serial_shift &&
           ((int64_t)(int32_t)slot->word >> C(c->s, count_shift)) + (int64_t)C(c->s, count_bias) >
               0 &&
           !(c->judges_weak && (slot->flags & RH_FLAG_HAS_WEAK ||
                                c->reader->types.items[heap->first_type + slot->type].is_weak));
}

static inline void check_slot(checker *c, head *slot, const uint8_t *bytes)
{
    const space *s = c->s;
    slot->word = rhi__load32(bytes + C(s, object_count));
    slot->type = rhi__load16(bytes + C(s, object_type));
    slot->flags = rhi__load16(bytes + C(s, object_flags));
    bool is_marked;
    slot->word = rhi__refheap_unmarked(s, slot->word, slot->flags, &is_marked);
    slot->special = slot->word & (uint32_t)C(s, count_special_bit) &&
                    slot->word < (uint32_t)C(s, count_trial_zero);
    bool is_freed = slot->special && slot->flags & RH_FLAG_FREED,
         is_object = slot->is_live && !is_freed && (s->blank_is_damage || !is_blank(slot));
    bool is_candidate = c->has_candidates &&
                        (rhi__bit(c->fresh, slot->number) || rhi__bit(c->spared, slot->number));
    rhi_object object;
    if (is_freed && slot->type && c->is_poisoned)
        check_poison(c, slot, bytes);
    if (is_object && !is_usual(c, slot, bytes))
        check_object(c, slot, bytes);
    else if (is_freed || (!slot->is_live && !is_blank(slot)))
        check_free(c, slot, bytes);
    if (is_candidate) {
        decode(c, slot, bytes, &object);
        check_candidate(c, slot, &object, is_object);
    }
}

/* ---- blocks --------------------------------------------------------------------------------- */

static bool read_bitmap(const checker *c, unsigned id, uint64_t *bits)
{
    uint64_t offset = c->s->constant[id], words = (c->block->capacity + 63u) / 64;
    if (offset == ABSENT || words * 8 > C(c->s, slab_size) - offset ||
        rhi__memory_read(c->reader->memory, c->block->origin + offset, bits, words * 8) !=
            words * 8)
        return false;
    if (c->block->capacity % 64) /* bits behind the last slot say nothing */
        bits[words - 1] &= (1ull << (c->block->capacity % 64)) - 1;
    return true;
}

static void read_candidates(checker *c)
{
    c->has_candidates = c->is_judged && read_bitmap(c, RH_MC_slab_fresh, c->fresh) &&
                        read_bitmap(c, RH_MC_slab_spared, c->spared);
    if (!c->has_candidates)
        c->heaps[c->block->heap].is_whole = false;
    for (uint64_t i = 0; c->has_candidates && i < (c->block->capacity + 63u) / 64; i++) {
        c->heaps[c->block->heap].fresh += (uint64_t)__builtin_popcountll(c->fresh[i]);
        c->heaps[c->block->heap].spared += (uint64_t)__builtin_popcountll(c->spared[i]);
        if (c->fresh[i] & c->spared[i])
            c->check->found(
                c->check, RHI_FOUND_BAD_CANDIDATE, c->block->heap, c->block->origin, NULL,
                "the slab has %d candidates that are both fresh and spared, from slot %" PRIu64
                " on",
                __builtin_popcountll(c->fresh[i] & c->spared[i]),
                i * 64 + (uint64_t)__builtin_ctzll(c->fresh[i] & c->spared[i]));
    }
}

static void check_block(checker *c, const rhi_block *block, rhi_scratch *scratch)
{
    uint64_t got = 0;
    c->block = block;
    c->s = space_of(&c->reader->heaps.items[block->heap]);
    c->is_judged = rhi__is_at_rest(c->reader, block->heap);
    c->judges_weak = judges_weak(c, block->heap);
    read_candidates(c);
    c->is_poisoned = c->is_judged && rhi__poison_fills(c->reader, block, 0);
    /* of these the head is enough */
    bool is_large = block->slot_size >= LARGE_SLOT_BYTES && !c->is_poisoned;
    c->room = is_large ? HEAD_BYTES : block->slot_size;
    const uint8_t *bytes =
        is_large ? NULL
                 : rhi__memory_view(c->reader->memory, block->base,
                                    block->slot_size * block->capacity, scratch, &got);
    head slot = {.index = block->first_object, .address = block->base};
    for (; slot.number < block->capacity; slot.number++, slot.address += block->slot_size) {
        uint64_t offset = is_large ? 0 : slot.number * block->slot_size;
        slot.is_live = rhi__slot_is_live(block, slot.number);
        if (is_large)
            bytes = rhi__memory_view(c->reader->memory, slot.address, HEAD_BYTES, scratch, &got);
        if (bytes && offset + c->room <= got)
            check_slot(c, &slot, bytes + offset);
        else if (slot.is_live) /* free slots at the end may never have been touched */
            c->all_read = false;
        slot.index += slot.is_live;
    }
}

/* Counted ones and the heap's own numbers: a release that is under way has changed one of the two.
 */
static bool differ(uint64_t counted, uint64_t said)
{
    return counted > said ? counted - said > 1 : said - counted > 1;
}

static void check_totals(const checker *c, uint32_t heap)
{
    const space *s = space_of(&c->reader->heaps.items[heap]);
    const rhi_heap_info *info = &c->reader->heaps.items[heap];
    if (!c->heaps[heap].is_whole || info->provisional || c->reader->problems.count ||
        C(s, heap_fresh) == ABSENT || C(s, heap_spared) == ABSENT)
        return;
    uint64_t fresh = rhi__refheap_member(c->reader, s, info->address, RH_MC_heap_fresh, 8);
    uint64_t spared = rhi__refheap_member(c->reader, s, info->address, RH_MC_heap_spared, 8);
    if (differ(c->heaps[heap].fresh, fresh) || differ(c->heaps[heap].spared, spared))
        c->check->found(c->check, RHI_FOUND_BAD_CANDIDATE, heap, info->address, NULL,
                        "heap %" PRIu64 " says it has %" PRIu64 " fresh and %" PRIu64
                        " spared candidates, its bitmaps have %" PRIu64 " and %" PRIu64,
                        info->number, fresh, spared, c->heaps[heap].fresh, c->heaps[heap].spared);
}

/* ---- weak references ------------------------------------------------------------------------ */

static uint32_t object_at(const checker *c, uint64_t address)
{
    uint32_t index = rhi__object_of(c->reader, address);
    return index != RHI_NO_OBJECT && !(rhi__bit(c->check->no_objects, index)) ? index
                                                                              : RHI_NO_OBJECT;
}

static void check_entry(checker *c, uint32_t heap, uint64_t at, uint64_t target, uint64_t reference)
{
    uint32_t index = object_at(c, target), weak = object_at(c, reference);
    uint64_t word = 0;
    rhi_object object;
    const rhi_block *block = weak != RHI_NO_OBJECT ? rhi__block_at(c->reader, reference) : NULL;
    bool is_weak = block && rhi__slot_at(c->reader, block, reference, &object) &&
                   object.type < c->reader->types.count &&
                   c->reader->types.items[object.type].is_weak;
    if (index == RHI_NO_OBJECT)
        c->check->found(c->check, RHI_FOUND_BAD_WEAK, heap, at, NULL,
                        "the table of weak references has an entry for 0x%" PRIx64
                        ", which is no object",
                        target);
    else if (!is_weak)
        c->check->found(c->check, RHI_FOUND_BAD_WEAK, heap, at, NULL,
                        "the table of weak references says that 0x%" PRIx64
                        " is the weak reference to 0x%" PRIx64 ", which it is not",
                        reference, target);
    else if (rhi__memory_u64(c->reader->memory,
                             reference + c->reader->types.items[object.type].fields[0].offset,
                             &word) &&
             word != target)
        FIND(c, RHI_FOUND_BAD_WEAK, &object,
             "by the table of weak references its target is 0x%" PRIx64 ", but it holds 0x%" PRIx64,
             target, word);
    if (index != RHI_NO_OBJECT)
        rhi__bit_set(c->tabled, index);
}

/* False if the heap has no table that can be read. */
static bool check_table(checker *c, uint32_t heap)
{
    const space *s = space_of(&c->reader->heaps.items[heap]);
    uint64_t address = c->reader->heaps.items[heap].address, size = C(s, weak_size), got;
    if (C(s, heap_weak) == ABSENT)
        return false;
    uint64_t table = rhi__refheap_member(c->reader, s, address, RH_MC_heap_weak, 8);
    uint64_t capacity =
        table ? rhi__refheap_member(c->reader, s, address, RH_MC_heap_weak_capacity, 8) : 0;
    if (capacity > WEAK_CAPACITY_MAX || !rhi__range_ok(table, capacity * size)) {
        c->check->found(c->check, RHI_FOUND_BAD_WEAK, heap, table, NULL,
                        "the table of weak references claims %" PRIu64 " entries", capacity);
        return false;
    }
    rhi_scratch scratch = {0};
    uint64_t step = WEAK_STEP_BYTES / size;
    bool is_whole = true;
    for (uint64_t first = 0; first < capacity && is_whole; first += step) {
        uint64_t count = capacity - first < step ? capacity - first : step,
                 at = table + first * size;
        const uint8_t *bytes =
            rhi__memory_view(c->reader->memory, at, count * size, &scratch, &got);
        is_whole = bytes && got == count * size;
        for (uint64_t i = 0; bytes && (i + 1) * size <= got; i++) {
            uint64_t target = rhi__load64(bytes + i * size + C(s, weak_target));
            if (target)
                check_entry(c, heap, at + i * size, target,
                            rhi__load64(bytes + i * size + C(s, weak_reference)));
        }
    }
    rhi__scratch_free(&scratch);
    if (!is_whole)
        rhi__reader_problem(c->reader,
                            "heap %" PRIu64 ": its table of weak references cannot be read in full",
                            c->reader->heaps.items[heap].number);
    return is_whole;
}

/* Flag, table and weak reference say the same of an object. Shared objects (heap 0) are not
 * written, so they have no flag. */
static void compare_weak(checker *c, const rhi_block *block, bool has_table)
{
    bool is_shared = c->reader->heaps.items[block->heap].is_shared;
    c->block = block;
    for (uint64_t i = block->first_object; i < (uint64_t)block->first_object + block->object_count;
         i++) {
        bool flagged = rhi__bit(c->flagged, i), named = rhi__bit(c->named, i),
             tabled = rhi__bit(c->tabled, i);
        if ((!flagged && !named && !tabled) || rhi__bit(c->check->no_objects, i))
            continue;
        bool has_reference = named || rhi__bit(c->named_dying, i);
        const char *detail =
            is_shared ? NULL
            : flagged && !has_reference && c->all_read
                ? "it is marked as having a weak reference, but none refers to it"
            : named && !flagged
                ? "a weak reference refers to it, but it is not marked as having one"
            : tabled && !flagged ? "the table of weak references has an entry for it, but it is "
                                   "not marked as having one"
                                 : NULL;
        if (!detail && has_table && (flagged || named) && !tabled)
            detail =
                "it has a weak reference, but the table of weak references has no entry for it";
        uint64_t address = detail ? rhi__object_address(c->reader, (uint32_t)i) : 0;
        rhi_object object;
        if (detail && rhi__slot_at(c->reader, block, address, &object))
            FIND(c, RHI_FOUND_BAD_WEAK, &object, "%s", detail);
    }
}

static rhi_error *check_heaps(checker *c)
{
    rhi_reader *reader = c->reader;
    bool *has_table = calloc(reader->heaps.count + 1, sizeof *has_table);
    rhi_error *error = has_table ? NULL : rhi__error_memory();
    for (uint32_t heap = 0; heap < reader->heaps.count && !error; heap++) {
        if (is_own(c, heap))
            check_totals(c, heap);
        if (judges_weak(c, heap))
            has_table[heap] = check_table(c, heap);
        error =
            rhi__progress(c->check->work, "checking weak references", heap, reader->heaps.count);
    }
    for (uint64_t i = 0; i < reader->blocks.count && !error; i++) {
        const rhi_block *block = &reader->blocks.items[i];
        if (judges_weak(c, block->heap))
            compare_weak(c, block, has_table[block->heap]);
        if (i % 1024 == 0)
            error =
                rhi__progress(c->check->work, "checking weak references", i, reader->blocks.count);
    }
    free(has_table);
    return error;
}

rhi_error *rhi__refheap_check(rhi_reader *reader, rhi_check *check)
{
    uint64_t words = (uint64_t)check->object_count / 64 + 1;
    checker *c = calloc(1, sizeof *c);
    uint64_t *bits = calloc(words * 4, sizeof *bits);
    rhi_scratch scratch = {0};
    rhi_error *error = NULL;
    if (c && bits && (c->heaps = calloc(reader->heaps.count + 1, sizeof *c->heaps))) {
        c->reader = reader;
        c->check = check;
        c->flagged = bits;
        c->named = bits + words;
        c->named_dying = bits + 2 * words;
        c->tabled = bits + 3 * words;
        c->all_read = true;
        for (uint64_t i = 0; i < reader->heaps.count; i++)
            c->heaps[i].is_whole = true;
    } else {
        error = rhi__error_memory();
    }
    for (uint64_t i = 0; i < reader->blocks.count && !error; i++) {
        error = rhi__progress(check->work, "checking slots", i, reader->blocks.count);
        if (!error && is_own(c, reader->blocks.items[i].heap))
            check_block(c, &reader->blocks.items[i], &scratch);
    }
    if (!error)
        error = check_heaps(c);
    rhi__scratch_free(&scratch);
    if (c)
        free(c->heaps);
    free(bits);
    free(c);
    return error;
}
