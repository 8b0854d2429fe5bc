/* dominators.c - immediate dominators of all objects, and what each retains (see graph.h).
 *
 * Semi-NCA: L. Georgiadis, R. E. Tarjan, R. F. Werneck, "Finding dominators in practice" (2006),
 * with the balanced forest of T. Lengauer, R. E. Tarjan, "A fast algorithm for finding dominators
 * in a flowgraph" (1979): on the long paths of a heap the plain one climbs ten times as far. The
 * search begins at a root above everything that is held from outside and above the topmost
 * garbage. Objects are renumbered in the order of a depth-first search; number 0 is the root.
 * What a loop needs of objects that lie anywhere is fetched some steps ahead.
 *
 * Invariant: a number's parent, semidominator and dominator are smaller than it. */
#include "graph/spread.h"
#include "base/array.h"
#include "base/work.h"

#include <string.h>

typedef struct frame {
    uint32_t object, edge, end;
} frame;

/* A reference that the search has yet to follow: to an object, from a number. */
typedef struct way {
    uint32_t object, from;
} way;

/* A node of the forest, as Lengauer and Tarjan call its parts; by number. label: the smallest
 * semidominator known on the way up to the ancestor. size 0: `up` is its ancestor; else it is a
 * root of so many nodes, and `up` is its child. The number behind the last stands for "none": label
 * and size are 0. */
typedef struct link {
    uint32_t label, size, up;
} link;

typedef struct domination {
    rhi_work *work;
    rhi_reader *reader;
    rhi_graph *graph;
    uint64_t *tops;   /* bitmap: objects right below the root; later numbers */
    uint32_t *number; /* of an object */
    uint32_t *object; /* of a number */
    link *links;      /* by number, as all that follows */
    /* numbers of those that refer to a number, but for its parent: referrers[ends[w - 1] ..
     * ends[w]); where w is done, ends[w] is its semidominator */
    uint32_t *referrers, *ends;
    uint32_t *dominator;
    uint32_t count; /* numbers given, the root's included */
    /* of the search through the garbage */
    struct {
        frame *items;
        uint64_t count, capacity;
    } frames;
    struct {
        way *items;
        uint64_t count, capacity;
    } ways;
} domination;

enum { UNSEEN = 0 }; /* no object has the root's number */

/* ---- the topmost garbage -------------------------------------------------------------------- */

/* Depth-first over the garbage; lists it in the order in which it is left. */
static rhi_error *list_garbage(domination *d, uint32_t *order, uint32_t *count)
{
    const rhi_graph *g = d->graph;
    for (uint32_t start = 0; start < g->count; start++) {
        if (g->flags[start] & RHI_GRAPH_REACHED || d->number[start] != UNSEEN)
            continue;
        uint32_t next = start;
        for (uint32_t steps = 1; next != RHI_NO_OBJECT || d->frames.count; steps++) {
            if (steps % (1 << 18) == 0)
                RHI_TRY(rhi__progress(d->work, "ordering garbage", *count, g->count));
            if (next != RHI_NO_OBJECT) {
                if (!rhi__array_reserve(&d->frames, 1))
                    return rhi__error_memory();
                d->number[next] = 1;
                d->frames.items[d->frames.count++] =
                    (frame){next, g->edge_start[next], g->edge_start[next + 1]};
                next = RHI_NO_OBJECT;
            }
            frame *f = &d->frames.items[d->frames.count - 1];
            while (f->edge < f->end && d->number[g->edge_to[f->edge]] != UNSEEN)
                f->edge++;
            if (f->edge < f->end && !(g->flags[g->edge_to[f->edge]] & RHI_GRAPH_REACHED))
                next = g->edge_to[f->edge];
            else if (f->edge < f->end)
                f->edge++;
            else
                order[(*count)++] = d->frames.items[--d->frames.count].object;
        }
    }
    return NULL;
}

/* What is left last by a depth-first search lies in a topmost component; so does, again and
 * again, what is left last of what those do not reach (S. R. Kosaraju, 1978). Nothing else refers
 * to such a component, so the search began in it with its first object. */
static rhi_error *find_tops(domination *d)
{
    const rhi_graph *g = d->graph;
    /* `object` is not yet used otherwise */
    uint32_t *order = d->object, *queue = d->graph->queue, count = 0;
    uint64_t *met = calloc((uint64_t)g->count / 64 + 1, 8);
    rhi_error *error = met ? list_garbage(d, order, &count) : rhi__error_memory();
    while (count && !error) {
        uint32_t top = order[--count], reached = 1;
        if (rhi__bit(met, top))
            continue;
        rhi__bit_set(met, top);
        rhi__bit_set(d->tops, top);
        queue[0] = top;
        error = rhi__graph_spread(d->work, g, false, met, NULL, queue, &reached);
    }
    free(met);
    for (uint32_t i = 0; i < g->count; i++)
        if (rhi__is_held_outside(g, i))
            rhi__bit_set(d->tops, i);
    return error;
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* Gives an object its number, and puts its references on the stack, the first on top. All of them
 * at once: the row is in the cache now, and would not be when the search comes back. False if
 * memory is short. */
static bool enter(domination *d, uint32_t object, uint32_t parent)
{
    const rhi_graph *g = d->graph;
    uint32_t number = d->count++, start = g->edge_start[object], end = g->edge_start[object + 1];
    d->number[object] = number;
    d->object[number] = object;
    d->dominator[number] = parent; /* until it is known */
    if (!rhi__array_reserve(&d->ways, end - start))
        return false;
    for (uint32_t e = start; e < end; e++) {
        __builtin_prefetch(&d->number[g->edge_to[e]]);
        __builtin_prefetch(&g->edge_start[g->edge_to[e]]);
    }
    for (uint32_t e = end; e-- > start;)
        if (d->number[g->edge_to[e]] == UNSEEN)
            d->ways.items[d->ways.count++] = (way){g->edge_to[e], number};
    return true;
}

static rhi_error *number_objects(domination *d)
{
    enum { AHEAD = 8 };
    const rhi_graph *g = d->graph;
    memset(d->number, 0, (uint64_t)g->count * sizeof *d->number);
    d->count = 1;
    for (uint32_t top = 0; top < g->count; top++) {
        if (!rhi__bit(d->tops, top) || d->number[top] != UNSEEN)
            continue;
        if (!enter(d, top, 0))
            return rhi__error_memory();
        while (d->ways.count) {
            way next = d->ways.items[--d->ways.count];
            if (d->ways.count > AHEAD)
                __builtin_prefetch(&d->number[d->ways.items[d->ways.count - AHEAD].object]);
            if (d->number[next.object] != UNSEEN)
                continue;
            if (!enter(d, next.object, next.from))
                return rhi__error_memory();
            if (d->count % 65536 == 0)
                RHI_TRY(rhi__progress(d->work, "numbering objects", d->count, g->count));
        }
    }
    return NULL;
}

/* ---- referrers by number -------------------------------------------------------------------- */

/* Does the reference between two numbers tell something of dominators? What lies right below the
 * root is dominated by nothing, and a parent is known. */
static inline bool tells(const domination *d, uint32_t from, uint32_t to)
{
    return d->dominator[to] != from && from != to && !rhi__bit(d->tops, to);
}

/* From now on the topmost are known by their numbers. */
static rhi_error *number_tops(domination *d)
{
    uint64_t *tops = calloc((uint64_t)d->count / 64 + 1, sizeof *tops);
    if (!tops)
        return rhi__error_memory();
    for (uint32_t i = 0; i < d->graph->count; i++)
        if (rhi__bit(d->tops, i))
            rhi__bit_set(tops, d->number[i]);
    free(d->tops);
    d->tops = tops;
    return NULL;
}

/* Visits the references of all objects: `referrers` NULL: counts those of each number in `ends`;
 * else fills its row, whose beginning is there, from then on its end. */
static rhi_error *each_reference(domination *d, uint32_t *referrers)
{
    enum { NUMBER_AHEAD = 48, ROW_AHEAD = 24 };
    const rhi_graph *g = d->graph;
    for (uint32_t i = 0; i < g->count; i++) {
        uint32_t from = d->number[i];
        if (i % 65536 == 0)
            RHI_TRY(rhi__progress(d->work, "linking referrers", i, g->count));
        for (uint32_t e = g->edge_start[i]; e < g->edge_start[i + 1]; e++) {
            if (e + NUMBER_AHEAD < g->edge_count) {
                __builtin_prefetch(&d->number[g->edge_to[e + NUMBER_AHEAD]]);
                uint32_t next = d->number[g->edge_to[e + ROW_AHEAD]];
                __builtin_prefetch(&d->dominator[next]);
                __builtin_prefetch(&d->ends[next], 1);
            }
            uint32_t to = d->number[g->edge_to[e]];
            if (!tells(d, from, to))
                continue;
            if (referrers)
                referrers[d->ends[to]] = from;
            d->ends[to]++;
        }
    }
    return NULL;
}

/* The search from the last number to the first then reads what lies one behind the other. */
static rhi_error *link_numbers(domination *d)
{
    uint32_t sum = 0;
    d->ends = rhi__big_array(d->count, sizeof *d->ends);
    if (!d->ends)
        return rhi__error_memory();
    memset(d->ends, 0, d->count * sizeof *d->ends);
    RHI_TRY(number_tops(d));
    RHI_TRY(each_reference(d, NULL));
    for (uint32_t w = 0; w < d->count; w++) {
        uint32_t count = d->ends[w];
        d->ends[w] = sum;
        sum += count;
    }
    d->referrers = rhi__big_array((uint64_t)sum + 1, sizeof *d->referrers);
    return d->referrers ? each_reference(d, d->referrers) : rhi__error_memory();
}

/* ---- dominators ----------------------------------------------------------------------------- */

static inline bool is_root(const link *links, uint32_t v)
{
    return links[v].size != 0;
}

/* The smallest semidominator on the way from `v` up, whose steps are shortened meanwhile.
 * climbed: room for the way, since there is no recursion. */
static uint32_t smallest_label(link *links, uint32_t v, uint32_t *climbed)
{
    uint32_t length = 0;
    if (is_root(links, v))
        return links[v].label;
    for (; !is_root(links, links[v].up); v = links[v].up)
        climbed[length++] = v;
    uint32_t top = links[v].up, label = links[v].label;
    while (length) {
        link *below = &links[climbed[--length]];
        label = below->label < label ? below->label : label;
        below->label = label;
        below->up = top;
    }
    return links[top].label < label ? links[top].label : label;
}

static inline void hang(link *links, uint32_t below, uint32_t ancestor)
{
    links[below].size = 0;
    links[below].up = ancestor;
}

/* Hangs w, a root of the forest, under its parent v. */
static void join(link *links, uint32_t none, uint32_t v, uint32_t w)
{
    uint32_t s = w, label = links[w].label, size = links[w].size;
    while (label < links[links[s].up].label) {
        uint32_t child = links[s].up, next = links[child].up;
        if ((uint64_t)links[s].size + links[next].size >= 2 * (uint64_t)links[child].size) {
            hang(links, child, s);
            links[s].up = next;
        } else {
            links[child].size = links[s].size;
            hang(links, s, child);
            s = child;
        }
    }
    links[s].label = label;
    links[v].size += size;
    if (links[v].size < 2 * (uint64_t)size) {
        uint32_t child = links[v].up;
        links[v].up = s;
        s = child;
    }
    while (s != none) {
        uint32_t child = links[s].up;
        hang(links, s, v);
        s = child;
    }
}

static inline void fetch_ahead(const domination *d, uint32_t e)
{
    enum { LINK = 16, NEXT_LINK = 8 };
    if (e < LINK)
        return;
    __builtin_prefetch(&d->links[d->referrers[e - LINK]]);
    __builtin_prefetch(&d->links[d->links[d->referrers[e - NEXT_LINK]].up]);
}

static rhi_error *find_semidominators(domination *d)
{
    uint32_t none = d->count;
    d->links = rhi__big_array((uint64_t)none + 1, sizeof *d->links);
    if (!d->links)
        return rhi__error_memory();
    for (uint32_t i = 0; i < none; i++)
        d->links[i] = (link){.label = i, .size = 1, .up = none};
    d->links[none] = (link){.up = none};
    for (uint32_t w = none - 1; w > 0; w--) {
        uint32_t parent = d->dominator[w], semi = rhi__bit(d->tops, w) ? 0 : parent;
        if (w % 65536 == 0)
            RHI_TRY(rhi__progress(d->work, "finding dominators", none - w, none));
        for (uint32_t e = d->ends[w]; e-- > d->ends[w - 1];) {
            uint32_t v = d->referrers[e];
            fetch_ahead(d, e);
            if (v > w)
                v = smallest_label(d->links, v, d->graph->queue);
            semi = v < semi ? v : semi;
        }
        d->ends[w] = d->links[w].label = semi;
        join(d->links, none, parent, w);
    }
    return NULL;
}

static void find_dominators(domination *d)
{
    d->dominator[0] = 0;
    for (uint32_t w = 1; w < d->count; w++) {
        uint32_t v = d->dominator[w]; /* the parent */
        while (v > d->ends[w])        /* its semidominator */
            v = d->dominator[v];
        d->dominator[w] = v;
    }
}

/* ---- retained bytes ------------------------------------------------------------------------- */

static rhi_error *add_size(void *context, uint32_t index, const rhi_object *object,
                           const uint8_t *bytes)
{
    domination *d = context;
    d->graph->retained[index] =
        rhi__is_object(object->state) ? rhi__object_size(d->reader, object, bytes) : 0;
    return NULL;
}

static rhi_error *sum_retained(domination *d)
{
    rhi_graph *g = d->graph;
    RHI_TRY(rhi__each_object(d->work, d->reader, "measuring objects", add_size, d));
    for (uint32_t w = d->count - 1; w > 0; w--) {
        if (w > 32) {
            __builtin_prefetch(&g->retained[d->object[w - 32]]);
            __builtin_prefetch(&d->object[d->dominator[w - 32]]);
        }
        if (w > 16)
            __builtin_prefetch(&g->retained[d->object[d->dominator[w - 16]]], 1);
        if (d->dominator[w])
            g->retained[d->object[d->dominator[w]]] += g->retained[d->object[w]];
    }
    for (uint32_t w = 1; w < d->count; w++)
        g->dominator[d->object[w]] = d->dominator[w] ? d->object[d->dominator[w]] : RHI_NO_OBJECT;
    return NULL;
}

/* What is no longer needed goes before the next is made: there may be ten million of each. */
static void drop(uint32_t **numbers)
{
    free(*numbers);
    *numbers = NULL;
}

static rhi_error *dominate(domination *d)
{
    uint64_t n = (uint64_t)d->graph->count + 1;
    d->tops = calloc(n / 64 + 1, 8);
    d->number = rhi__big_array(n, 4);
    d->object = rhi__big_array(n, 4);
    d->dominator = rhi__big_array(n, 4);
    if (!d->tops || !d->number || !d->object || !d->dominator)
        return rhi__error_memory();
    memset(d->number, 0, n * sizeof *d->number);
    RHI_TRY(find_tops(d));
    RHI_TRY(number_objects(d));
    free(d->ways.items);
    d->ways.items = NULL;
    RHI_TRY(link_numbers(d));
    drop(&d->number);
    RHI_TRY(find_semidominators(d));
    free(d->links);
    d->links = NULL;
    drop(&d->referrers);
    find_dominators(d);
    drop(&d->ends);
    d->graph->retained = rhi__big_array(n, sizeof *d->graph->retained);
    d->graph->dominator = rhi__big_array(n, sizeof *d->graph->dominator);
    if (!d->graph->retained || !d->graph->dominator)
        return rhi__error_memory();
    memset(d->graph->retained, 0, n * sizeof *d->graph->retained);
    return sum_retained(d);
}

rhi_error *rhi__graph_dominators(rhi_work *work, rhi_reader *reader, rhi_graph *graph)
{
    if (graph->dominator)
        return NULL;
    domination d = {.work = work, .reader = reader, .graph = graph};
    rhi__declared_close(&graph->declared); /* nothing else takes as much room as this */
    graph->has_declared = false;
    rhi_error *error = dominate(&d);
    free(d.tops);
    free(d.number);
    free(d.object);
    free(d.links);
    free(d.referrers);
    free(d.ends);
    free(d.dominator);
    free(d.frames.items);
    free(d.ways.items);
    if (error) {
        free(graph->dominator);
        free(graph->retained);
        graph->dominator = NULL;
        graph->retained = NULL;
    }
    return error;
}
