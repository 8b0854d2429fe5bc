/* owners.c - finds the owners of open counts (see owners.h).
 *
 * Each step is taken only if the one before left an open count without an owner: words outside of
 * blocks, the blocks that hold words, words in objects that no field declares, words at places that
 * are no multiple of 8 or with marks, objects that lead to blocks, and vector registers. */
#include "words/owners.h"
#include "base/search.h"
#include "base/array.h"
#include "graph/spread.h"
#include "target/vectors.h"

#include <string.h>

enum { PROGRESS_OBJECTS = 1 << 20 };

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    rhi_owners *owners;
    rhi_malloc_graph *blocks; /* NULL: not asked yet */
    uint64_t *in_block;       /* objects that a word in a block leads to */
    uint64_t *rooted;         /* those that a root holds for certain; NULL: not asked yet */
    bool has_own;             /* a word of an object that leads to itself was met */
} search;

/* ---- links ---------------------------------------------------------------------------------- */

static rhi_error *add_link(rhi_links *links, uint32_t from, uint32_t to)
{
    if (links->count && links->items[links->count - 1].from == from &&
        links->items[links->count - 1].to == to) {
        links->items[links->count - 1].words++;
        return NULL;
    }
    if (!rhi__array_reserve(links, 1))
        return rhi__error_memory();
    links->items[links->count++] = (rhi_link){from, to, 1};
    return NULL;
}

static int link_order(const void *left, const void *right)
{
    const rhi_link *a = left, *b = right;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return a->to < b->to ? -1 : a->to > b->to;
}

static rhi_error *finish_links(rhi_links *links, uint64_t count)
{
    if (links->count)
        qsort(links->items, links->count, sizeof *links->items, link_order);
    links->has = calloc(count / 64 + 1, sizeof *links->has);
    if (!links->has)
        return rhi__error_memory();
    for (uint64_t i = 0; i < links->count; i++)
        rhi__bit_set(links->has, links->items[i].from);
    return NULL;
}

uint64_t rhi__links_from(const rhi_links *links, uint32_t from, uint64_t *first)
{
    *first = 0;
    if (!links->has || !rhi__bit(links->has, from))
        return 0;
    uint64_t end = *first = rhi__first(0, links->count, at, links->items[at].from >= from);
    while (end < links->count && links->items[end].from == from)
        end++;
    return end;
}

/* ---- walking -------------------------------------------------------------------------------- */

/* The blocks that the first `count` objects of the graph's queue lead to. */
static rhi_error *enter_blocks(rhi_walk *w, uint32_t count)
{
    uint64_t first;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t end = rhi__links_from(&w->owners->refs, w->graph->queue[i], &first);
        for (; first < end; first++) {
            uint32_t to = w->owners->refs.items[first].to;
            if (rhi__bit(w->met, to) || (w->within && !rhi__bit(w->within, to)))
                continue;
            rhi__bit_set(w->met, to);
            if (!rhi__number_add(&w->queue, to))
                return rhi__error_memory();
        }
    }
    return NULL;
}

/* The objects that the blocks of the queue own, from `head` on: they are the graph's queue then. */
static uint32_t leave_blocks(rhi_walk *w, uint64_t head)
{
    uint32_t count = 0;
    uint64_t first;
    for (; head < w->queue.count; head++) {
        uint64_t end = rhi__links_from(&w->owners->words, w->queue.items[head], &first);
        for (; first < end; first++) {
            uint32_t to = w->owners->words.items[first].to;
            if (rhi__bit(w->objects, to) || (w->objects_within && !rhi__bit(w->objects_within, to)))
                continue;
            rhi__bit_set(w->objects, to);
            w->graph->queue[count++] = to;
        }
    }
    return count;
}

static rhi_error *spread_objects(rhi_walk *w, uint32_t count)
{
    rhi_work *work = &w->session->work;
    if (!w->met) /* no block plays a part */
        return rhi__graph_reach(work, w->graph, false, w->objects, w->objects_within,
                                w->graph->queue, count);
    RHI_TRY(rhi__graph_spread(work, w->graph, false, w->objects, w->objects_within, w->graph->queue,
                              &count));
    return enter_blocks(w, count);
}

rhi_error *rhi__walk(rhi_walk *w, uint32_t count, uint64_t head)
{
    while (count || head < w->queue.count) {
        RHI_TRY(spread_objects(w, count));
        RHI_TRY(
            rhi__malloc_spread(&w->session->work, w->blocks, w->met, w->within, &w->queue, head));
        count = leave_blocks(w, head);
        head = w->queue.count;
    }
    return NULL;
}

/* ---- the steps ------------------------------------------------------------------------------ */

/* Something that leads to it owns so many of its counts. */
static void own(search *s, uint32_t index, uint32_t counts)
{
    uint32_t *lacking = &s->owners->lacking[index];
    rhi__bit_set(s->owners->owned, index);
    *lacking -= counts < *lacking ? counts : *lacking;
}

/* How many counts of it a word of this kind may own: a compiler keeps several variables with one
 * value in one register or word of a stack. */
static uint32_t owned_by(const search *s, uint8_t kind, uint64_t value)
{
    const rhi_block *block = rhi__block_at(s->reader, value);
    bool is_variable = kind == RHI_HOLDER_REGISTER || kind == RHI_HOLDER_STACK;
    return is_variable && block && rhi__format_of(s->reader, block->heap)->has_variables
               ? UINT32_MAX
               : 1;
}

static bool is_in_block(const rhi_holder *holder)
{
    return holder->kind == RHI_HOLDER_FOREIGN && holder->base;
}

/* What only its own words hold is lost all the same: these come last. */
static bool is_own_word(const search *s, const rhi_holder *holder, uint32_t index)
{
    return holder->kind == RHI_HOLDER_UNDECLARED && index != RHI_NO_OBJECT &&
           rhi__object_index(s->reader, holder->from) == index && rhi__found(s->graph, index) == 0;
}

static rhi_error *mark_owned(void *context, const rhi_holder *holder)
{
    search *s = context;
    uint32_t index = rhi__object_index(s->reader, holder->value);
    bool is_own = is_own_word(s, holder, index);
    bool is_weak = holder->kind == RHI_HOLDER_REGISTER &&
                   rhi__is_vector(&s->reader->memory->map.registers.items[holder->index]);
    s->has_own |= is_own;
    if (index == RHI_NO_OBJECT || is_own || is_weak)
        return NULL;
    if (is_in_block(holder))
        rhi__bit_set(s->in_block, index);
    else
        own(s, index, owned_by(s, holder->kind, holder->value));
    return NULL;
}

/* Its own words own counts of what something else holds, too. */
static rhi_error *mark_own(void *context, const rhi_holder *holder)
{
    search *s = context;
    uint32_t index = rhi__object_index(s->reader, holder->value);
    if (is_own_word(s, holder, index) && rhi__bit(s->owners->owned, index))
        own(s, index, 1);
    return NULL;
}

/* Words in blocks own what they lead to, if a root reaches the block. Else it is kept for later. */
static rhi_error *judge_word(void *context, const rhi_holder *holder)
{
    search *s = context;
    uint32_t index =
        is_in_block(holder) ? rhi__object_index(s->reader, holder->value) : RHI_NO_OBJECT;
    if (index == RHI_NO_OBJECT || s->owners->lacking[index] == 0)
        return NULL;
    /* also of the word right behind a chunk */
    uint32_t number = rhi__malloc_number(s->blocks, holder->address);
    if (!rhi__malloc_is_reached(s->blocks, number))
        return add_link(&s->owners->words, number, index);
    own(s, index, 1);
    return NULL;
}

/* How many objects have an open count without an owner so far; [*low, *high): where they lie. With
 * `in_block`: that a word in a block leads to. */
static uint64_t count_open(const search *s, bool in_block, uint64_t *low, uint64_t *high)
{
    uint64_t open = 0;
    uint32_t first = 0, last = 0;
    for (uint32_t i = 0; i < s->graph->count; i++)
        if (s->owners->lacking[i] && (!in_block || rhi__bit(s->in_block, i))) {
            first = open++ ? first : i;
            last = i;
        }
    if (open == 0)
        return 0;
    *low = rhi__object_address(s->reader, first);
    *high = rhi__object_address(s->reader, last);
    *high = rhi__slot_end(s->reader, *high);
    return open;
}

/* What a dying object's fields hold is open by count arithmetic, but it is theirs until they are
 * released. */
static void own_what_is_dying_holds(search *s)
{
    const rhi_graph *g = s->graph;
    for (uint32_t i = 0; i < g->count; i++)
        for (uint32_t e = g->edge_start[i];
             g->flags[i] & RHI_GRAPH_DYING && e < g->edge_start[i + 1]; e++)
            own(s, g->edge_to[e], 1);
}

static rhi_error *begin(search *s)
{
    rhi_owners *o = s->owners;
    uint64_t words = (uint64_t)s->graph->count / 64 + 1, count = (uint64_t)s->graph->count + 1;
    o->owned = calloc(words, sizeof *o->owned);
    s->in_block = calloc(words, sizeof *s->in_block);
    o->lacking = calloc(count, sizeof *o->lacking);
    if (!o->owned || !s->in_block || !o->lacking)
        return rhi__error_memory();
    for (uint32_t i = 0; i < s->graph->count; i++)
        if (rhi__has_open_count(s->graph, i))
            o->lacking[i] = (uint32_t)rhi__open(s->graph, i);
    if (s->graph->dying_edges)
        own_what_is_dying_holds(s);
    return NULL;
}

/* What is left may be owned by words in other forms: of packed structs, of records in arrays, with
 * marks. */
static rhi_error *own_by_packed(search *s, uint64_t low, uint64_t high)
{
    uint64_t first = low, end = high;
    s->has_own = false;
    RHI_TRY(rhi__each_packed_word(s->session, s->reader, low, high, mark_owned, s));
    if (count_open(s, true, &low, &high)) {
        RHI_TRY(rhi__session_malloc_graph(s->session, s->reader, &s->blocks));
        RHI_TRY(rhi__each_packed_word(s->session, s->reader, low, high, judge_word, s));
    }
    return s->has_own ? rhi__each_packed_word(s->session, s->reader, first, end, mark_own, s)
                      : NULL;
}

/* ---- through objects ------------------------------------------------------------------------ */

/* The block that a word leads to, if no root reaches that; else RHI_NO_BLOCK. */
static uint32_t unreached_block(const search *s, uint64_t word)
{
    uint32_t number = word ? rhi__malloc_number(s->blocks, word) : RHI_NO_BLOCK;
    return number != RHI_NO_BLOCK && rhi__malloc_is_reached(s->blocks, number) ? RHI_NO_BLOCK
                                                                               : number;
}

static bool leads_to_block(void *context, uint32_t index, const rhi_block *block,
                           const rhi_header *header, const uint8_t *bytes)
{
    const search *s = context;
    (void)index, (void)header;
    for (uint64_t i = 0; i + 8 <= block->slot_size; i += 8)
        if (unreached_block(s, rhi__load64(bytes + i)) != RHI_NO_BLOCK)
            return true;
    return false;
}

static rhi_error *add_refs(void *context, uint32_t index, const rhi_object *object,
                           const uint8_t *bytes)
{
    search *s = context;
    for (uint64_t i = 0; i + 8 <= object->slot_size; i += 8) {
        uint32_t number = unreached_block(s, rhi__load64(bytes + i));
        if (number != RHI_NO_BLOCK)
            RHI_TRY(add_link(&s->owners->refs, index, number));
    }
    return NULL;
}

static void own_what_reached_blocks_hold(search *s)
{
    const rhi_owners *o = s->owners;
    for (uint64_t i = 0; i < o->words.count; i++) {
        rhi_link *link = &o->words.items[i];
        if (!rhi__malloc_is_reached(s->blocks, link->from) || link->words == 0)
            continue;
        own(s, link->to, link->words);
        link->words = 0;
    }
}

/* Of the counts without an owner, those that words in blocks would own were lost with these. */
static rhi_error *leave_to_lost_blocks(rhi_owners *o, uint32_t objects)
{
    if (o->words.count == 0)
        return NULL;
    o->with_blocks = calloc((uint64_t)objects + 1, sizeof *o->with_blocks);
    if (!o->with_blocks)
        return rhi__error_memory();
    for (uint64_t i = 0; i < o->words.count; i++) {
        const rhi_link *link = &o->words.items[i];
        uint32_t counts = link->words < o->lacking[link->to] ? link->words : o->lacking[link->to];
        o->lacking[link->to] -= counts;
        o->with_blocks[link->to] += counts;
    }
    return NULL;
}

/* What guesses may not own, but words in blocks may. */
static void own_what_is_guessed(search *s)
{
    for (uint32_t i = 0; s->graph->has_guessed && i < s->graph->count; i++)
        if (rhi__bit(s->in_block, i))
            rhi__bit_set(s->owners->owned, i);
}

/* The object or the block that a vector register leads to, if nothing else does. With `walk` they
 * begin a walk: objects in graph->queue, *count of them, and blocks in its queue. */
static rhi_error *add_possible(search *s, uint32_t in, rhi_walk *walk, uint32_t *count)
{
    const rhi_register *part = &s->reader->memory->map.registers.items[in];
    rhi_owners *o = s->owners;
    uint32_t object = rhi__object_index(s->reader, part->value & RHI_POINTER_MASK);
    uint32_t block =
        object == RHI_NO_OBJECT && walk ? rhi__malloc_number(s->blocks, part->value) : RHI_NO_BLOCK;
    bool is_new = object != RHI_NO_OBJECT && o->lacking[object] &&
                  o->lacking[object] <= owned_by(s, RHI_HOLDER_REGISTER, part->value);
    bool is_new_block = block != RHI_NO_BLOCK && !rhi__malloc_is_reached(s->blocks, block);
    if (!rhi__is_vector(part) || !(is_new || is_new_block))
        return NULL;
    if (!rhi__array_reserve(&o->possible, 1) ||
        (is_new_block && !rhi__number_add(&walk->queue, block)))
        return rhi__error_memory();
    o->possible.items[o->possible.count++] = (rhi_possible){object, block, in};
    if (is_new)
        own(s, object, UINT32_MAX);
    else
        rhi__malloc_reach(s->blocks, block);
    if (is_new && walk && !rhi__bit(o->held, object)) {
        rhi__bit_set(o->held, object);
        s->graph->queue[(*count)++] = object;
    }
    return NULL;
}

static rhi_error *follow_vectors(search *s, rhi_walk *walk)
{
    uint64_t head = walk ? walk->queue.count : 0;
    uint32_t count = 0;
    for (uint64_t i = 0; i < s->reader->memory->map.registers.count; i++)
        RHI_TRY(add_possible(s, (uint32_t)i, walk, &count));
    return walk ? rhi__walk(walk, count, head) : NULL;
}

/* ---- what may be no object ------------------------------------------------------------------ */

/* Does any word lead to it? */
static bool leads_there(const search *s, uint32_t index)
{
    return rhi__bit(s->owners->owned, index) || rhi__bit(s->in_block, index);
}

static bool is_doubtful(void *context, uint32_t index, const rhi_block *block,
                        const rhi_header *header, const uint8_t *bytes)
{
    const search *s = context;
    (void)block, (void)bytes;
    if (!s->owners->lacking[index] || rhi__found(s->graph, index) ||
        header->type >= s->reader->types.count)
        return false;
    const rhi_type *type = &s->reader->types.items[header->type];
    return leads_there(s, index) ? type->is_bare && !rhi__bit(s->rooted, index) : type->is_thin;
}

static rhi_error *doubt(void *context, uint32_t index, const rhi_object *object,
                        const uint8_t *bytes)
{
    search *s = context;
    rhi_owners *o = s->owners;
    (void)object, (void)bytes;
    if (!rhi__array_reserve(&o->possible, 1))
        return rhi__error_memory();
    o->possible.items[o->possible.count++] =
        (rhi_possible){index, RHI_NO_BLOCK, leads_there(s, index) ? RHI_IN_WORDS : RHI_IN_NOTHING};
    o->lacking[index] = 0;
    return NULL;
}

/* What a root holds is an object. */
static rhi_error *mark_rooted(search *s)
{
    const rhi_reader *reader = s->reader;
    s->rooted = calloc((uint64_t)s->graph->count / 64 + 1, sizeof *s->rooted);
    if (!s->rooted)
        return rhi__error_memory();
    for (uint64_t i = 0, value; i < reader->roots.count; i++) {
        uint32_t index =
            !reader->roots.items[i].is_guess &&
                    rhi__memory_u64(reader->memory, reader->roots.items[i].slot, &value)
                ? rhi__object_index(reader, value)
                : RHI_NO_OBJECT;
        if (index != RHI_NO_OBJECT)
            rhi__bit_set(s->rooted, index);
    }
    return NULL;
}

/* Of those that no field leads to, the thin ones need not be objects, if nothing leads to them; nor
 * need the bare ones, if C code has their addresses, and there are not as many of these as counts.
 */
static rhi_error *doubt_some(search *s)
{
    bool any = false;
    for (uint64_t i = 0; i < s->reader->types.count && !any; i++)
        any = s->reader->types.items[i].is_thin || s->reader->types.items[i].is_bare;
    uint64_t low, high;
    if (!any || !count_open(s, false, &low, &high))
        return NULL;
    RHI_TRY(mark_rooted(s));
    return rhi__each_chosen(&s->session->work, s->reader, "looking at what no field leads to",
                            is_doubtful, doubt, s);
}

/* ---- all steps ------------------------------------------------------------------------------ */

static rhi_error *follow_objects(search *s)
{
    rhi_owners *o = s->owners;
    rhi_walk walk = {.session = s->session,
                     .graph = s->graph,
                     .blocks = s->blocks,
                     .owners = o,
                     .met = s->blocks->reached};
    uint32_t count = 0;
    RHI_TRY(finish_links(&o->words, s->blocks->count));
    RHI_TRY(rhi__each_chosen(&s->session->work, s->reader, "looking into objects", leads_to_block,
                             add_refs, s));
    RHI_TRY(finish_links(&o->refs, s->graph->count));
    walk.objects = o->held = calloc((uint64_t)s->graph->count / 64 + 1, sizeof *o->held);
    if (!o->held)
        return rhi__error_memory();
    for (uint32_t i = 0; i < s->graph->count; i++)
        if (rhi__is_held_itself(s->graph, o, i)) {
            rhi__bit_set(o->held, i);
            s->graph->queue[count++] = i;
        }
    rhi_error *error = rhi__walk(&walk, count, 0);
    own_what_reached_blocks_hold(s);
    if (!error)
        error = follow_vectors(s, &walk);
    own_what_reached_blocks_hold(s);
    free(walk.queue.items);
    o->is_full = !error;
    return error;
}

static rhi_error *find_owners(search *s, bool full)
{
    const rhi_reader *r = s->reader;
    uint64_t low, high;
    RHI_TRY(begin(s));
    if (full || s->graph->has_guessed || count_open(s, false, &low, &high))
        RHI_TRY(rhi__each_word(s->session, s->reader, r->lowest, r->highest, mark_owned, s));
    if (full || count_open(s, true, &low, &high)) {
        RHI_TRY(rhi__session_malloc_graph(s->session, s->reader, &s->blocks));
        RHI_TRY(rhi__each_word(s->session, s->reader, r->lowest, r->highest, judge_word, s));
    }
    if (count_open(s, false, &low, &high))
        RHI_TRY(rhi__each_undeclared(s->session, s->reader, low, high, mark_owned, s));
    if (count_open(s, false, &low, &high))
        RHI_TRY(own_by_packed(s, low, high));
    if (s->blocks && (full || count_open(s, true, &low, &high)))
        RHI_TRY(follow_objects(s));
    else
        RHI_TRY(follow_vectors(s, NULL));
    RHI_TRY(doubt_some(s));
    s->owners->open = count_open(s, false, &low, &high);
    own_what_is_guessed(s);
    return leave_to_lost_blocks(s->owners, s->graph->count);
}

/* ---- the interface -------------------------------------------------------------------------- */

static void free_owners(void *value)
{
    rhi_owners *owners = value;
    if (!owners)
        return;
    free(owners->owned);
    free(owners->lacking);
    free(owners->with_blocks);
    free(owners->possible.items);
    free(owners->held);
    free(owners->words.items);
    free(owners->words.has);
    free(owners->refs.items);
    free(owners->refs.has);
    free(owners);
}

rhi_error *rhi__session_owners(rhi_session *session, rhi_reader *reader, bool full,
                               rhi_owners **owners)
{
    *owners = rhi__kept(&session->kept, free_owners);
    if (!*owners || (full && !(*owners)->is_full)) {
        search s = {.session = session, .reader = reader, .owners = calloc(1, sizeof *s.owners)};
        rhi_error *error = s.owners ? rhi__session_graph(session, &s.graph) : rhi__error_memory();
        if (!error)
            error = find_owners(&s, full);
        free(s.in_block);
        free(s.rooted);
        if (error) {
            free_owners(s.owners);
            return error;
        }
        RHI_TRY(rhi__keep(&session->kept, s.owners, free_owners));
        *owners = s.owners;
    }
    return NULL;
}

rhi_error *rhi__judge_block(rhi_session *session, rhi_reader *reader, uint64_t address,
                            uint8_t *reach)
{
    rhi_malloc_graph *blocks;
    rhi_owners *owners;
    RHI_TRY(rhi__session_malloc_graph(session, reader, &blocks));
    uint32_t number = rhi__malloc_number(blocks, address);
    if (!rhi__malloc_is_reached(blocks, number)) /* by objects, perhaps? */
        RHI_TRY(rhi__session_owners(session, reader, true, &owners));
    if (!rhi__malloc_is_reached(blocks, number))
        RHI_TRY(rhi__owner_not_found(session, reader));
    *reach = rhi__malloc_is_reached(blocks, number) ? RHI_REACH_YES
             : rhi__complete_so_far(session)        ? RHI_REACH_NO
                                                    : RHI_REACH_UNDECIDED;
    return NULL;
}

rhi_error *rhi__judge_holders(rhi_session *session, rhi_reader *reader, rhi_holders *holders)
{
    for (uint64_t i = 0; i < holders->count; i++)
        if (is_in_block(&holders->items[i]))
            RHI_TRY(rhi__judge_block(session, reader, holders->items[i].address,
                                     &holders->items[i].reach));
    return NULL;
}
