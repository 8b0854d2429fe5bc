/* collectable.c - how much of the garbage a format's collector would find (see collectable.h).
 *
 * What it keeps for certain is found by slots that are no guesses; what it perhaps keeps, by all.
 * Whether something else may be garbage for it, which is held by all that was found here, depends
 * on opaque objects alone: is one of them not held for certain? */
#include "questions/collectable.h"
#include "base/array.h"
#include "graph/spread.h"
#include "heap/fields.h"
#include "heap/objects.h"
#include "session/session.h"

#include <stdlib.h>

/* ---- what is known of each object ----------------------------------------------------------- */

/* Until an object is noted, `part` says whether it is frozen. */
static void note_frozen(void *context, uint64_t address)
{
    rhi_knowledge *k = context;
    uint32_t index = rhi__object_of(k->reader, address);
    if (index != RHI_NO_OBJECT)
        rhi__bit_set(k->part, index);
}

static uint64_t *bits(const rhi_knowledge *k)
{
    return calloc((uint64_t)k->graph->count / 64 + 1, sizeof(uint64_t));
}

rhi_error *rhi__knowledge_begin(rhi_knowledge *k, rhi_session *session, rhi_reader *reader,
                                rhi_graph *graph, uint64_t *garbage)
{
    *k = (rhi_knowledge){
        .session = session, .reader = reader, .graph = graph, .garbage = garbage, .is_whole = true};
    k->tracked = bits(k);
    k->part = bits(k);
    k->opaque = bits(k);
    k->apart = bits(k);
    k->unseen = bits(k);
    k->unsure = bits(k);
    k->final = bits(k);
    if (!k->garbage || !k->tracked || !k->part || !k->opaque || !k->apart || !k->unseen ||
        !k->unsure || !k->final)
        return rhi__error_memory();
    for (uint64_t i = 0; i < reader->formats.count; i++)
        if (reader->formats.items[i].format->each_frozen)
            k->is_whole &= reader->formats.items[i].format->each_frozen(reader, note_frozen, k);
    return NULL;
}

void rhi__knowledge_free(rhi_knowledge *k)
{
    free(k->garbage);
    free(k->tracked);
    free(k->part);
    free(k->opaque);
    free(k->apart);
    free(k->unseen);
    free(k->unsure);
    free(k->final);
    free(k->slots.items);
    free(k->weak.items);
}

static void add_pair(rhi_knowledge *k, rhi_told_pairs *pairs, uint32_t to)
{
    if (rhi__array_reserve(pairs, 1))
        pairs->items[pairs->count++] = (struct rhi_told_pair){k->object, to};
    else
        k->is_short = true;
}

/* What a silent object holds, the collector is not told; what an opaque one holds by a guess, need
 * be no reference. */
static bool note_slot(void *context, const rhi_slot *slot)
{
    rhi_knowledge *k = context;
    const rhi_field *field = slot->field;
    uint32_t to = rhi__owns(field) ? rhi__object_of(k->reader, slot->value) : RHI_NO_OBJECT;
    if (to == RHI_NO_OBJECT)
        return true;
    bool is_guess = field->is_guess && k->is_opaque;
    if (rhi__bit(k->apart, k->object) && !is_guess)
        add_pair(k, &k->slots, to);
    if (rhi__bit(k->garbage, k->object) && rhi__bit(k->garbage, to)) {
        if (is_guess || field->is_unsure)
            rhi__bit_set(k->unsure, to);
        else if (field->is_unseen || k->is_silent)
            rhi__bit_set(k->unseen, to);
    }
    return !k->is_short;
}

typedef struct caller {
    rhi_knowledge *knowledge;
    uint32_t target;
    bool calls_back;
} caller;

static bool note_caller(void *context, const rhi_slot *slot)
{
    caller *c = context;
    c->calls_back |= slot->field->is_callback;
    if (slot->field->kind == RHI_KIND_BORROWED)
        c->target = rhi__object_of(c->knowledge->reader, slot->value);
    return true;
}

static void note_weak(rhi_knowledge *k, const rhi_object *object, const uint8_t *bytes)
{
    caller c = {.knowledge = k, .target = RHI_NO_OBJECT};
    rhi__each_slot(k->reader, object, bytes, note_caller, &c);
    if (c.calls_back && c.target != RHI_NO_OBJECT && rhi__bit(k->garbage, c.target))
        add_pair(k, &k->weak, c.target);
}

static bool hides(const rhi_knowledge *k, const rhi_object *object, const uint8_t *bytes)
{
    const rhi_format *format = rhi__format_of(k->reader, object->heap);
    return !format->hides || format->hides(k->reader, object, bytes);
}

rhi_error *rhi__note_collectable(rhi_knowledge *k, uint32_t index, const rhi_object *object,
                                 const uint8_t *bytes)
{
    if (object->type >= k->reader->types.count || !rhi__is_object(object->state))
        return NULL;
    const rhi_type *type = &k->reader->types.items[object->type];
    bool is_garbage = rhi__bit(k->garbage, index), is_frozen = rhi__bit(k->part, index);
    k->object = index;
    k->is_opaque = type->is_opaque && hides(k, object, bytes);
    k->is_silent = (!object->tracked && !type->is_part) || is_frozen;
    if (is_frozen)
        k->part[index / 64] &= ~(1ull << index % 64);
    else if (object->tracked)
        rhi__bit_set(k->tracked, index);
    else if (type->is_part)
        rhi__bit_set(k->part, index);
    if (k->is_opaque)
        rhi__bit_set(k->opaque, index);
    if (k->is_opaque || type->has_parts)
        rhi__bit_set(k->apart, index);
    if (is_garbage && type->has_finalizer && !object->finalized)
        rhi__bit_set(k->final, index);
    if (k->is_opaque || type->has_parts || (is_garbage && (type->has_unseen || k->is_silent)))
        rhi__each_slot(k->reader, object, bytes, note_slot, k);
    if (type->has_callback)
        note_weak(k, object, bytes);
    return k->is_short ? rhi__error_memory() : NULL;
}

/* ---- what is kept --------------------------------------------------------------------------- */

/* Objects apart that plain ones in `kept` hold. */
static void keep_apart(const rhi_knowledge *k, uint64_t *kept)
{
    const rhi_graph *g = k->graph;
    for (uint32_t i = 0; i < g->count; i++)
        if (rhi__bit(kept, i) && !rhi__bit(k->apart, i))
            for (uint32_t e = g->edge_start[i]; e < g->edge_start[i + 1]; e++)
                if (rhi__bit(k->apart, g->edge_to[e]))
                    rhi__bit_set(kept, g->edge_to[e]);
}

/* What objects apart that are kept hold, by slots that are no guesses. False: nothing new. */
static bool keep_slots(const rhi_knowledge *k, uint64_t *kept, const uint64_t *within,
                       uint32_t *count)
{
    bool any = false;
    for (uint64_t i = 0; i < k->slots.count; i++) {
        uint32_t to = k->slots.items[i].to;
        if (!rhi__bit(kept, k->slots.items[i].from) || rhi__bit(kept, to) ||
            (within && !rhi__bit(within, to)))
            continue;
        rhi__bit_set(kept, to);
        any = true;
        if (!rhi__bit(k->apart, to))
            k->graph->queue[(*count)++] = to;
    }
    return any;
}

/* Adds to `kept` what it leads to for certain, and lies `within`: in rounds, through plain objects
 * and then from those apart. What is part of another is reached from that alone. */
static rhi_error *spread(const rhi_knowledge *k, uint64_t *kept, const uint64_t *within)
{
    const rhi_graph *g = k->graph;
    uint64_t words = (uint64_t)g->count / 64 + 1, *plain = malloc(words * sizeof *plain);
    rhi_error *error = plain ? NULL : rhi__error_memory();
    uint32_t count = 0;
    for (uint64_t i = 0; i < words && !error; i++)
        plain[i] = ~(k->apart[i] | k->part[i]) & (within ? within[i] : UINT64_MAX);
    for (uint32_t i = 0; i < g->count && !error; i++)
        if (rhi__bit(kept, i) && !rhi__bit(k->apart, i))
            g->queue[count++] = i;
    for (bool more = true; more && !error;) {
        error = rhi__graph_reach(&k->session->work, g, false, kept, plain, g->queue, count);
        keep_apart(k, kept);
        count = 0;
        more = !error && keep_slots(k, kept, within, &count);
    }
    free(plain);
    return error;
}

/* Garbage that the collector keeps for certain: what others hold of which it is not told. */
static rhi_error *find_kept(const rhi_knowledge *k, uint64_t *kept)
{
    for (uint64_t i = 0; i < (uint64_t)k->graph->count / 64 + 1; i++)
        kept[i] = k->unseen[i] & ~k->part[i];
    return spread(k, kept, k->garbage);
}

/* And what it keeps perhaps: also what an unsure slot holds, or a finalizer may free or revive. */
static rhi_error *find_perhaps_kept(const rhi_knowledge *k, const uint64_t *kept, uint64_t *perhaps)
{
    const rhi_graph *g = k->graph;
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        bool is_final = rhi__bit(k->final, i) && rhi__bit(k->tracked, i);
        if (!rhi__bit(kept, i) && !rhi__bit(k->unsure, i) && !is_final)
            continue;
        rhi__bit_set(perhaps, i);
        g->queue[count++] = i;
    }
    return rhi__graph_reach(&k->session->work, g, false, perhaps, k->garbage, g->queue, count);
}

/* ---- what else it may find ------------------------------------------------------------------ */

/* What a root holds that is one for certain. */
static void hold_rooted(const rhi_knowledge *k, uint64_t *held)
{
    const rhi_reader *reader = k->reader;
    uint64_t value;
    for (uint64_t i = 0; i < reader->roots.count; i++) {
        const rhi_root *root = &reader->roots.items[i];
        uint32_t index = !root->is_guess && root->reach != RHI_ROOT_IN_PASSING &&
                                 rhi__memory_u64(reader->memory, root->slot, &value)
                             ? rhi__object_of(reader, value)
                             : RHI_NO_OBJECT;
        if (index != RHI_NO_OBJECT)
            rhi__bit_set(held, index);
    }
}

/* Looks for an opaque object that is tracked, and not held for certain. What the collector does not
 * track, it leaves alone, and all that that holds: that need not be held itself. */
static rhi_error *find_open(const rhi_knowledge *k, const uint64_t *kept, rhi_collectable *result)
{
    const rhi_graph *g = k->graph;
    uint32_t open = RHI_NO_OBJECT;
    bool any = false;
    rhi_object object;
    for (uint64_t i = 0; i < (uint64_t)g->count / 64 + 1 && !any; i++)
        any = (k->opaque[i] & k->tracked[i]) != 0;
    if (!any)
        return NULL;
    uint64_t *held = bits(k);
    if (!held)
        return rhi__error_memory();
    hold_rooted(k, held);
    for (uint32_t i = 0; i < g->count; i++)
        if (rhi__bit(kept, i) || g->flags[i] & RHI_GRAPH_STAYS_ITSELF ||
            !(rhi__bit(k->tracked, i) || rhi__bit(k->part, i)))
            rhi__bit_set(held, i);
    rhi_error *error = spread(k, held, NULL);
    for (uint32_t i = 0; i < g->count && open == RHI_NO_OBJECT && !error; i++)
        if (rhi__bit(k->opaque, i) && rhi__bit(k->tracked, i) && !rhi__bit(held, i))
            open = i;
    free(held);
    if (open == RHI_NO_OBJECT || error)
        return error;
    result->is_open = true;
    uint64_t address = rhi__object_address(k->reader, open);
    const rhi_block *block = rhi__block_at(k->reader, address);
    if (block && rhi__slot_at(k->reader, block, address, &object))
        result->opaque = object.type;
    return NULL;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void count(const rhi_knowledge *k, const uint64_t *kept, const uint64_t *perhaps,
                  rhi_collectable *result)
{
    for (uint64_t i = 0; i < (uint64_t)k->graph->count / 64 + 1; i++) {
        uint64_t mine = k->garbage[i] & k->tracked[i];
        result->most += (uint64_t)__builtin_popcountll(mine & ~kept[i]);
        result->least += (uint64_t)__builtin_popcountll(mine & ~kept[i] & ~perhaps[i]);
    }
    for (uint64_t i = 0; i < k->weak.count; i++) {
        uint32_t from = k->weak.items[i].from, to = k->weak.items[i].to;
        result->weak +=
            rhi__bit(k->tracked, to) && !rhi__bit(kept, to) &&
            !(rhi__bit(k->garbage, from) && rhi__bit(k->tracked, from) && !rhi__bit(perhaps, from));
    }
}

/* A collector at work finds nothing when it is called, and takes what there is itself; and where
 * Python ends, things go by themselves. */
static bool is_at_work(const rhi_reader *reader)
{
    bool any = false;
    for (uint64_t i = 0; i < reader->heaps.count; i++)
        any |= reader->heaps.items[i].provisional && reader->heaps.items[i].format->collect_word;
    return any;
}

rhi_error *rhi__count_collectable(rhi_knowledge *k, rhi_collectable *result)
{
    uint64_t *kept = bits(k), *perhaps = bits(k);
    rhi_error *error = kept && perhaps ? find_kept(k, kept) : rhi__error_memory();
    *result = (rhi_collectable){.opaque = UINT32_MAX, .is_open = !rhi__complete_so_far(k->session)};
    if (!error)
        error = find_perhaps_kept(k, kept, perhaps);
    if (!error)
        error = find_open(k, kept, result);
    if (!error)
        count(k, kept, perhaps, result);
    if (!k->is_whole || is_at_work(k->reader))
        result->least = 0;
    free(kept);
    free(perhaps);
    return error;
}
