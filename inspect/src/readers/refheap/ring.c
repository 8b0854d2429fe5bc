/* ring.c - recorded events in rings of blocks (RH_METADATA_RING_CONSTANTS says how they lie there).
 *
 * Invariant: an event is answered only from a block that begins with a mark, behind which all of it
 * was written before the target stopped. What its mark and the next one say bounds number, time and
 * thread. A slot that is another than its check says is damaged, and nothing of it is told. */
#include "readers/refheap/ring.h"
#include "readers/refheap/merge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_BYTES = 1 << 16 }; /* read in one piece */
#define CAPACITY_MAX (1ull << 32)
#define ADDRESS_BITS 0x0000FFFFFFFFFFF0ull
#define DEATH_SHIFT 48
#define HAS_STACK (1ull << 50)
enum { NO_MARK = UINT16_MAX };

typedef struct ring {
    rhi_reader *reader;
    const rhi_heap_info *heap;
    const space *s;
    rhi_history_query *query;
    bool is_traced; /* the one of traced objects */
    uint64_t slots, slot_size, block_slots, blocks;
    uint64_t current, used; /* the block that is written to, and how much of it is whole */
    uint64_t later;         /* the clock of the mark behind what is looked at, in ns; 0: none */
    rhi_scratch scratch;
    const uint8_t *bytes;               /* of blocks from first_read on */
    uint64_t first_read, read;          /* blocks */
    uint16_t marks[RHI_RING_BLOCK_MAX]; /* by slot of a block: the mark that it stands behind */
} ring;

#define WORD(r, slot, id) rhi__load64((slot) + C((r)->s, slot_##id))

static unsigned kind_of(const ring *r, const uint8_t *slot)
{
    return WORD(r, slot, what) & 15;
}

/* Is it what the runtime wrote there, as far as that can be seen? */
static bool is_sound(const ring *r, const uint8_t *slot)
{
    uint64_t what = WORD(r, slot, what), bits = what & RH_METADATA_SLOT_CHECK_MASK;
    return C(r->s, slot_check) == ABSENT ||
           bits == rh_metadata_slot_check(what ^ bits, WORD(r, slot, origin), WORD(r, slot, where));
}

/* ---- where it is ---------------------------------------------------------------------------- */

static bool damaged(const ring *r)
{
    r->reader->is_history_short = true;
    rhi__question_problem(r->reader, "heap %" PRIu64 ": its history is damaged", r->heap->number);
    return false;
}

/* False: there is none. */
static bool find_ring(ring *r)
{
    const space *s = r->s;
    unsigned first_id = r->is_traced ? RH_MC_heap_trace : RH_MC_heap_ring,
             next_id = r->is_traced ? RH_MC_heap_trace_next : RH_MC_heap_ring_next;
    if (s->constant[first_id] == ABSENT)
        return false;
    uint64_t address = rhi__refheap_member(r->reader, s, r->heap->address, first_id, 8),
             next = rhi__refheap_member(r->reader, s, r->heap->address, next_id, 8);
    if (!address)
        return false;
    uint64_t capacity = rhi__refheap_member(r->reader, s, address, RH_MC_ring_capacity, 8),
             filled = rhi__refheap_member(r->reader, s, address, RH_MC_ring_filled, 8);
    r->slot_size = C(s, ring_slot_size);
    r->block_slots = C(s, ring_block);
    r->blocks = capacity / r->block_slots;
    r->slots = address + C(s, ring_slots);
    if (capacity == 0 || capacity > CAPACITY_MAX || capacity % r->block_slots ||
        !rhi__range_ok(r->slots, capacity * r->slot_size))
        return damaged(r);
    /* Just made to replace another: it has what it was filled with. That of traced objects replaces
     * none. */
    if (next < r->slots || next > r->slots + capacity * r->slot_size) {
        if (r->is_traced)
            return damaged(r);
        next = r->slots + filled * r->slot_size;
    }
    uint64_t index = (next - r->slots) / r->slot_size;
    if ((next - r->slots) % r->slot_size || index > capacity)
        return damaged(r);
    r->current = index / r->block_slots % r->blocks;
    r->used = index % r->block_slots;
    return true;
}

/* The bytes of a block; NULL: they cannot be read. `lowest`: what else may be read before it. */
static const uint8_t *block_bytes(ring *r, uint64_t block, uint64_t lowest)
{
    uint64_t block_bytes = r->block_slots * r->slot_size, got;
    if (!r->bytes || block < r->first_read || block >= r->first_read + r->read) {
        uint64_t count = GROUP_BYTES / block_bytes + 1;
        if (count > block - lowest + 1)
            count = block - lowest + 1;
        r->first_read = block + 1 - count;
        r->read = count;
        r->bytes = rhi__memory_view(r->reader->memory, r->slots + r->first_read * block_bytes,
                                    count * block_bytes, &r->scratch, &got);
        if (got < count * block_bytes)
            r->bytes = NULL;
    }
    return r->bytes ? r->bytes + (block - r->first_read) * block_bytes : NULL;
}

/* ---- events --------------------------------------------------------------------------------- */

/* A finalizer gave away the last count of what is freed behind it without a place: that is the
 * place. Its events were found the other way round. A death that has its own was another one: the
 * object had been resurrected. */
static bool joins_free(const ring *r, const rhi_event *last)
{
    for (uint64_t i = r->query->found; i-- > 0;) {
        rhi_event *event = &r->query->events[i];
        if (event->kind != RHI_EVENT_FREE || event->address != last->address ||
            event->serial != last->serial)
            continue;
        if (event->depth)
            return false;
        event->depth = last->depth;
        memcpy(event->stack, last->stack, sizeof event->stack);
        return true;
    }
    return false;
}

static void read_place(const ring *r, const uint8_t *slot, rhi_event *event)
{
    uint64_t place = WORD(r, slot, where) >> 16;
    if (event->kind == RHI_EVENT_BEGIN || event->kind == RHI_EVENT_END) {
        event->count = (int64_t)place;
        return;
    }
    if (WORD(r, slot, what) & HAS_STACK) {
        rhi__history_checked_stack(r->reader, r->heap, place, event);
    } else if (place) {
        event->stack[0] = place;
        event->depth = 1;
    }
}

/* pre: the slot and its mark are sound. */
static void match_slot(ring *r, const uint8_t *block, uint64_t index)
{
    const uint8_t *slot = block + index * r->slot_size,
                  *mark = block + r->marks[index] * r->slot_size;
    uint64_t what = WORD(r, slot, what), origin = WORD(r, slot, origin);
    rhi_event *event = r->query->found == r->query->limit
                           ? NULL
                           : rhi__history_wants(r->query, what & ADDRESS_BITS,
                                                origin >> r->s->serial_shift, what & 15);
    if (!event)
        return;
    const rhi_heap_info *heap = r->heap;
    uint32_t type = (uint16_t)WORD(r, slot, where);
    *event = (rhi_event){.sequence = WORD(r, mark, where) + (index - r->marks[index]) - 1,
                         .address = what & ADDRESS_BITS,
                         .serial = origin >> r->s->serial_shift,
                         .site = (uint32_t)(origin & ((1ull << r->s->serial_shift) - 1)),
                         .time = WORD(r, mark, origin),
                         .until = r->is_traced ? WORD(r, mark, origin) + C(r->s, ring_clock_ns)
                                               : r->later,
                         .heap = (uint32_t)(heap - r->reader->heaps.items),
                         .type = type < heap->type_count ? heap->first_type + type : UINT32_MAX,
                         .thread = (uint32_t)(WORD(r, mark, what) >> 4),
                         .kind = what & 15,
                         .death = what >> DEATH_SHIFT & 3,
                         .traced = r->is_traced};
    read_place(r, slot, event);
    if (event->kind != RHI_EVENT_LAST || !joins_free(r, event))
        r->query->found++;
    else
        *event = (rhi_event){0};
}

/* Behind a mark that is damaged nothing is known of number, time and thread. */
static void find_marks(ring *r, const uint8_t *block, uint64_t used)
{
    uint16_t mark = NO_MARK;
    for (uint64_t i = 0; i < used; i++) {
        const uint8_t *slot = block + i * r->slot_size;
        if (kind_of(r, slot) == RH_EVENT_MARK)
            mark = is_sound(r, slot) ? (uint16_t)i : NO_MARK;
        r->marks[i] = mark;
    }
}

/* Newest first; `used` slots of it are whole. False: so much for older blocks. */
static bool search_block(ring *r, const uint8_t *block, uint64_t used)
{
    if (!WORD(r, block, what) && !WORD(r, block, origin) && !WORD(r, block, where))
        return false; /* never written, nor is an older one */
    if (kind_of(r, block) != RH_EVENT_MARK)
        return damaged(r);
    find_marks(r, block, used);
    for (uint64_t i = used; i-- > 0;) {
        const uint8_t *slot = block + i * r->slot_size;
        bool is_right = is_sound(r, slot);
        if (!is_right)
            damaged(r);
        if (kind_of(r, slot) == RH_EVENT_MARK)
            r->later = is_right ? WORD(r, slot, origin) + C(r->s, ring_clock_ns) : 0;
        else if (is_right && r->marks[i] != NO_MARK)
            match_slot(r, block, i);
    }
    return true;
}

static void search_ring(rhi_reader *reader, const rhi_heap_info *heap, bool of_traced,
                        rhi_history_query *query)
{
    ring r = {.reader = reader,
              .heap = heap,
              .s = space_of(heap),
              .query = query,
              .is_traced = of_traced};
    if (!find_ring(&r))
        return;
    for (uint64_t age = 0; age < r.blocks; age++) {
        uint64_t block = (r.current + r.blocks - age) % r.blocks;
        uint64_t used = age ? r.block_slots : r.used;
        if (used == 0)
            continue;
        if (!rhi__history_goes_on(reader, heap, query, (r.blocks - age) * r.block_slots))
            break;
        query->looked_at += used;
        const uint8_t *bytes = block_bytes(&r, block, block > r.current ? r.current + 1 : 0);
        if (!bytes)
            rhi__history_unread(reader, heap);
        if (!bytes || !search_block(&r, bytes, used))
            break;
    }
    rhi__scratch_free(&r.scratch);
}

/* ---- two rings ------------------------------------------------------------------------------ */

/* Did `a`, of what was traced, happen after `b`, of the other ring? Of one object it was born
 * first, it dies last, and the rest the clocks say as far as they can: it was traced late. */
static bool is_later(const rhi_event *a, const rhi_event *b)
{
    if (a->serial != b->serial)
        return a->serial > b->serial;
    if (a->kind == RHI_EVENT_FREE || b->kind == RHI_EVENT_ALLOC)
        return true;
    return b->kind != RHI_EVENT_FREE && a->kind != RHI_EVENT_ALLOC && a->until > b->time;
}

/* query->events from `first` on are those of the one ring, `traced` those of the other; both are
 * newest first. false: without memory those of the one alone are left. */
static bool join(rhi_history_query *query, uint64_t first, const rhi_event *traced, uint64_t count)
{
    uint64_t others = query->found - first, room = query->limit - first;
    rhi_event *events = query->events + first, *kept = malloc((others + 1) * sizeof *kept);
    if (!kept)
        return false;
    memcpy(kept, events, others * sizeof *kept);
    uint64_t i = 0, k = 0, n = 0;
    for (; n < room && (i < count || k < others); n++)
        events[n] =
            i < count && (k == others || is_later(&traced[i], &kept[k])) ? traced[i++] : kept[k++];
    query->found = first + n;
    free(kept);
    return true;
}

void rhi__history_ring(rhi_reader *reader, const rhi_heap_info *heap, rhi_history_query *query)
{
    uint64_t first = query->found;
    search_ring(reader, heap, false, query);
    if (!rhi__refheap_member(reader, space_of(heap), heap->address, RH_MC_heap_trace, 8))
        return;
    if (query->births) {
        search_ring(reader, heap, true, query);
        return;
    }
    rhi_history_query traced = *query;
    traced.found = 0;
    traced.limit = query->limit - first;
    traced.events = calloc(traced.limit + 1, sizeof *traced.events);
    bool has_room = traced.events != NULL;
    if (has_room) {
        search_ring(reader, heap, true, &traced);
        query->looked_at = traced.looked_at;
        if (rhi__asks_for_all(query))
            has_room = rhi__history_merge(query->events, &query->found, query->limit, traced.events,
                                          traced.found, true);
        else
            has_room = join(query, first, traced.events, traced.found);
    }
    reader->memory->is_short |= !has_room; /* said in the answer */
    reader->is_history_short |= !has_room;
    free(traced.events);
}

/* The oldest block that was written begins the history. */
bool rhi__history_ring_begin(rhi_reader *reader, const rhi_heap_info *heap, bool of_traced,
                             uint64_t *number)
{
    ring r = {.reader = reader, .heap = heap, .s = space_of(heap), .is_traced = of_traced};
    bool found = false;
    if (!find_ring(&r))
        return false;
    for (uint64_t age = r.blocks; age-- > 0 && !found;) {
        uint64_t block = (r.current + r.blocks - age) % r.blocks;
        uint8_t slot[4096];
        if ((age == 0 && r.used == 0) ||
            rhi__memory_read(reader->memory, r.slots + block * r.block_slots * r.slot_size, slot,
                             r.slot_size) != r.slot_size)
            continue;
        found = kind_of(&r, slot) == RH_EVENT_MARK && is_sound(&r, slot);
        *number = WORD(&r, slot, where);
    }
    return found;
}
