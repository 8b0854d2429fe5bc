/* settle.c - slots become edges (see settle.h).
 *
 * Each step of that waits for memory, so that a step is taken for many slots before the next one,
 * and all of it beside the thread that reads them. Invariant: edge_start is set for all objects
 * before `started`; the job reads of the reader what does not change any more once blocks are
 * numbered, and asks the reading thread where the target's memory is to be read. */
#include "graph/settle.h"
#include "base/array.h"
#include "heap/objects.h"

#include <stdlib.h>
#include <string.h>

/* STEP: slots of which each step is taken together; a batch has a multiple of them. From so many
 * objects on a second thread is worth its beginning. */
enum { STEP = 256, BATCH = 16384, MANY_OBJECTS = 16384 };

typedef struct rhi_located {
    uint64_t slot;
    const rhi_block *block; /* that contains the value; NULL: none does */
    uint32_t to;
    bool is_reference, is_doubtful; /* is_doubtful: only the target's memory says whether it is */
} located;

/* Room for `extra` more edges. No two come from one word. What is large is not grown by realloc:
 * that gives pages of the small size. */
static bool reserve_edges(rhi_settler *s, uint64_t extra)
{
    enum { EDGES_MIN = 1 << 23 };
    rhi_graph *graph = s->graph;
    if (graph->edge_count + extra <= graph->edge_capacity)
        return true;
    uint64_t words = s->reader->memory->core_bytes / 8;
    if (graph->edge_count > words && graph->edge_count - words > EDGES_MIN) {
        s->is_cut = true;
        return false;
    }
    uint64_t wanted = graph->edge_capacity + graph->edge_capacity / 2 + extra;
    uint32_t *grown = wanted <= UINT32_MAX ? rhi__big_array(wanted, sizeof *grown) : NULL;
    s->out_of_memory |= !grown;
    if (!grown)
        return false;
    memcpy(grown, graph->edge_to, graph->edge_count * sizeof *grown);
    free(graph->edge_to);
    graph->edge_to = grown;
    graph->edge_capacity = wanted;
    return true;
}

bool rhi__note_guess(rhi_graph *graph, uint32_t to)
{
    if (!graph->guessed && !(graph->guessed = calloc((uint64_t)graph->count + 1, 1)))
        return false;
    uint32_t count = rhi__guessed(graph, to) + 1;
    graph->guessed[to] = (uint8_t)(count < RHI_GUESSED_MORE ? count : RHI_GUESSED_MORE);
    return count < RHI_GUESSED_MORE || rhi__map_set(&graph->guessed_more, to, count);
}

static inline void locate(const rhi_reader *reader, const rhi_loose *p, located *l)
{
    const rhi_block *block = l->block = rhi__block_at(reader, p->value);
    if (!block)
        return;
    l->slot = rhi__slot_number(block, p->value);
    __builtin_prefetch(&block->live[l->slot / 64]);
    __builtin_prefetch(&block->rank[l->slot / 64]);
    if (block->prefixes)
        __builtin_prefetch(&block->prefixes[l->slot]);
}

/* What does not lead to the start of a slot is no reference, unless its format has prefixes: the
 * block does not say what prefix the object of a free slot had. Who leads there is stale. Returns
 * whether that is to be looked up. */
static inline bool judge(const rhi_reader *reader, const rhi_loose *p, located *l)
{
    l->is_reference = l->block && rhi__is_slot_address(reader, l->block, l->slot, p->value);
    l->is_doubtful = l->block && !l->is_reference && l->block->prefixes;
    return l->is_doubtful;
}

/* By the reading thread. */
static void look_up(void *context)
{
    rhi_settler *s = context;
    const rhi_loose *slots = s->asked;
    for (uint32_t i = 0; i < s->located_count; i++) {
        located *l = &s->located[i];
        rhi_object gone;
        l->is_reference |= l->is_doubtful &&
                           rhi__slot_at(s->reader, l->block, slots[i].value, &gone) &&
                           gone.state == RHI_FREED && gone.address == slots[i].value;
    }
}

static void add_stray(rhi_settler *s, const rhi_loose *p)
{
    if (s->strays++ >= RHI_STRAYS_KEPT)
        return;
    if (rhi__array_reserve(&s->kept, 1))
        s->kept.items[s->kept.count++] = (rhi_stray){p->value, p->from};
    else
        s->out_of_memory = true;
}

/* Adds the edge, if the slot leads to an object. */
static inline void settle(rhi_settler *s, const rhi_loose *p, located *l)
{
    l->to = RHI_NO_OBJECT;
    if (__builtin_expect(!l->is_reference, 0)) {
        /* what a dying one holds is being let go of; a guess that leads to no object is none */
        if (p->value && p->is_live && !p->is_guess &&
            !rhi__may_lie_alone(s->reader, p->heap, p->value))
            add_stray(s, p);
        return;
    }
    l->to = rhi__slot_index(l->block, l->slot);
    if (l->to == RHI_NO_OBJECT)
        return;
    s->graph->edge_to[s->graph->edge_count++] = l->to;
    __builtin_prefetch(&s->graph->found[l->to], 1);
}

static inline void count_found(rhi_settler *s, const rhi_loose *p, const located *l)
{
    if (l->to == RHI_NO_OBJECT)
        return;
    if (!p->is_live) /* what dying objects hold owns no count any more */
        s->graph->dying_edges++;
    else
        s->graph->found[l->to]++;
    if (p->is_guess && p->is_live && !rhi__note_guess(s->graph, l->to))
        s->out_of_memory = true;
}

/* The edges of all objects up to this one begin here, if they have not begun yet. */
static inline void start_edges(rhi_settler *s, uint32_t index)
{
    while (s->started <= index)
        s->graph->edge_start[s->started++] = (uint32_t)s->graph->edge_count;
}

static void settle_step(rhi_settler *s, const rhi_loose *slots, uint32_t count)
{
    bool any_doubt = false;
    if (s->is_cut || !reserve_edges(s, count))
        return;
    for (uint32_t i = 0; i < count; i++)
        locate(s->reader, &slots[i], &s->located[i]);
    for (uint32_t i = 0; i < count; i++)
        any_doubt |= judge(s->reader, &slots[i], &s->located[i]);
    if (any_doubt) {
        s->asked = slots;
        s->located_count = count;
        rhi__beside_ask(&s->beside, look_up);
    }
    for (uint32_t i = 0; i < count; i++) {
        start_edges(s, slots[i].from);
        settle(s, &slots[i], &s->located[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        count_found(s, &slots[i], &s->located[i]);
}

static void settle_place(void *context, unsigned place)
{
    rhi_settler *s = context;
    uint32_t count = s->counts[place];
    for (uint32_t first = 0; first < count; first += STEP)
        settle_step(s, s->places[place] + first, count - first < STEP ? count - first : STEP);
    if (s->is_cut || s->out_of_memory)
        atomic_store_explicit(&s->is_over, true, memory_order_relaxed);
}

/* The place that is filled is handed over, and the next one is filled. */
void rhi__settle_batch(rhi_settler *s)
{
    s->counts[s->place] = s->count;
    rhi__beside_hand(&s->beside);
    s->place = rhi__beside_place(&s->beside);
    s->items = s->places[s->place];
    s->count = 0;
}

rhi_error *rhi__settle_begin(rhi_settler *s, rhi_reader *reader, rhi_graph *graph)
{
    bool is_large = graph->count >= MANY_OBJECTS;
    *s = (rhi_settler){.reader = reader, .graph = graph, .batch = is_large ? BATCH : STEP};
    s->beside =
        (rhi_beside){.job = settle_place, .context = s, .places = is_large ? RHI_LOOSE_PLACES : 1};
    s->located = malloc(STEP * sizeof *s->located);
    bool ok = s->located != NULL;
    for (unsigned i = 0; i < s->beside.places && ok; i++)
        ok = (s->places[i] = malloc(s->batch * sizeof *s->places[i])) != NULL;
    s->items = s->places[0];
    if (ok)
        rhi__beside_begin(&s->beside);
    return ok ? NULL : rhi__error_memory();
}

rhi_error *rhi__settle_end(rhi_settler *s)
{
    if (s->items) {
        rhi__settle_batch(s);
        rhi__beside_end(&s->beside);
        start_edges(s, s->graph->count);
    }
    for (unsigned i = 0; i < RHI_LOOSE_PLACES; i++)
        free(s->places[i]);
    free(s->located);
    return s->out_of_memory ? rhi__error_memory() : NULL;
}
