/* leaks.c - finds what is leaked and groups it (see leaks.h).
 *
 * Who owns counts is known from owners.h, what was lost with blocks of malloc from orphans.h.
 * Garbage, lost references and dependents are told apart by count arithmetic and breadth-first
 * search. */
#include "questions/leaks.h"
#include "graph/harm.h"
#include "graph/spread.h"
#include "heap/fields.h"
#include "heap/objects.h"

#include <string.h>

enum { STEP = 65536 }; /* objects between two looks at the user */

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    rhi_leaks *leaks;
    rhi_owners *owners;
} search;

const char *rhi__cause_word(enum rhi_cause cause)
{
    static const char *const words[] = {"none", "cycle", "lost_reference", "dependent",
                                        "lost_block"};
    return words[cause];
}

void rhi__leaks_free(void *value)
{
    rhi_leaks *leaks = value;
    if (!leaks)
        return;
    rhi__notes_free(&leaks->because);
    rhi__orphans_free(&leaks->orphans);
    free(leaks->causes);
    free(leaks->groups);
    free(leaks->members);
    free(leaks);
}

/* ---- causes --------------------------------------------------------------------------------- */

/* Of what the lost objects reach (`below`), what something else holds: has an owner itself, or is
 * referred to by held objects that they do not reach. Adds it to `held`, and to the queue. */
static rhi_error *find_held_below(search *s, const uint64_t *below, uint64_t *held, uint32_t *count)
{
    const rhi_graph *g = s->graph;
    for (uint32_t i = 0; i < g->count; i++) {
        bool is_below = rhi__bit(below, i);
        if (i % (1 << 20) == 0)
            RHI_TRY(rhi__progress(&s->session->work, "looking for lost objects", i, g->count));
        if (is_below && rhi__is_held_itself(g, s->owners, i) && !rhi__bit(held, i)) {
            rhi__bit_set(held, i);
            g->queue[(*count)++] = i;
        }
        if (is_below || !(g->flags[i] & RHI_GRAPH_REACHED))
            continue;
        for (uint32_t e = g->edge_start[i]; e < g->edge_start[i + 1]; e++)
            if (rhi__bit(below, g->edge_to[e]) && !rhi__bit(held, g->edge_to[e])) {
                rhi__bit_set(held, g->edge_to[e]);
                g->queue[(*count)++] = g->edge_to[e];
            }
    }
    return NULL;
}

/* What has a count without an owner is lost; of what it reaches, what nothing else holds depends on
 * it. Everything else that is no garbage is held: it is reached from objects with owners. */
static rhi_error *find_lost(search *s)
{
    const rhi_graph *g = s->graph;
    uint64_t words = (uint64_t)g->count / 64 + 1;
    uint64_t *below = calloc(words, sizeof *below), *held = calloc(words, sizeof *held);
    uint32_t count = 0;
    rhi_error *error = below && held ? NULL : rhi__error_memory();
    for (uint32_t i = 0; i < g->count && !error; i++)
        if (rhi__lacks_owner(s->owners, i)) {
            rhi__bit_set(below, i);
            g->queue[count++] = i;
        }
    if (!error)
        error = rhi__graph_reach(&s->session->work, g, false, below, NULL, g->queue, count);
    count = 0;
    if (!error)
        error = find_held_below(s, below, held, &count);
    if (!error)
        error = rhi__graph_reach(&s->session->work, g, false, held, below, g->queue, count);
    for (uint32_t i = 0; i < g->count && !error; i++)
        if (rhi__lacks_owner(s->owners, i))
            s->leaks->causes[i] =
                (uint8_t)(RHI_CAUSE_LOST | (rhi__bit(held, i) ? RHI_LEAK_IN_USE : 0));
        else if (rhi__bit(below, i) && !rhi__bit(held, i) && g->flags[i] & RHI_GRAPH_REACHED)
            s->leaks->causes[i] = RHI_CAUSE_DEPENDENT;
    free(below);
    free(held);
    return error;
}

static rhi_error *find_orphans(search *s)
{
    uint64_t *leaked = calloc((uint64_t)s->graph->count / 64 + 1, sizeof *leaked);
    if (!leaked)
        return rhi__error_memory();
    for (uint32_t i = 0; i < s->graph->count; i++)
        if (rhi__cause(s->leaks, i) == RHI_CAUSE_CYCLE || rhi__cause(s->leaks, i) == RHI_CAUSE_LOST)
            rhi__bit_set(leaked, i);
    rhi_error *error = rhi__orphans_find(s->session, s->graph, rhi__malloc_graph_known(s->session),
                                         s->owners, leaked, &s->leaks->orphans);
    free(leaked);
    return error;
}

/* Of the lost, those that words in blocks lead to were lost with the blocks, or depend on what else
 * is leaked. */
static rhi_error *find_lost_blocks(search *s)
{
    const rhi_owners *o = s->owners;
    uint8_t *causes = s->leaks->causes;
    rhi_orphans *orphans = &s->leaks->orphans;
    for (uint64_t i = 0; i < o->words.count; i++)
        if (rhi__is_lost_with_block(o, o->words.items[i].to))
            causes[o->words.items[i].to] =
                (uint8_t)(RHI_CAUSE_LOST_BLOCK | (causes[o->words.items[i].to] & RHI_LEAK_IN_USE));
    if (o->words.count)
        RHI_TRY(find_orphans(s));
    for (uint64_t i = 0; i < orphans->dependents.count; i++) {
        uint8_t *cause = &causes[orphans->dependents.items[i]];
        *cause = (uint8_t)(RHI_CAUSE_DEPENDENT | (*cause & RHI_LEAK_IN_USE));
    }
    return NULL;
}

/* Garbage by guesses is so for certain where nothing leads to it: if a guess owns no count, that
 * count is lost. Marks the rest. */
static rhi_error *mark_guessed(search *s)
{
    const rhi_graph *g = s->graph;
    uint64_t *doubted = calloc((uint64_t)g->count / 64 + 1, sizeof *doubted);
    bool is_complete = rhi__complete_so_far(s->session);
    uint32_t count = 0;
    if (!doubted)
        return rhi__error_memory();
    for (uint32_t i = 0; i < g->count; i++)
        if (!(g->flags[i] & RHI_GRAPH_REACHED) && rhi__open_at_most(g, i) > 0 &&
            (!is_complete || rhi__bit(s->owners->owned, i))) {
            rhi__bit_set(doubted, i);
            g->queue[count++] = i;
        }
    rhi_error *error =
        rhi__graph_reach(&s->session->work, g, false, doubted, NULL, g->queue, count);
    for (uint32_t i = 0; i < g->count && !error; i++)
        if (rhi__bit(doubted, i) && rhi__cause(s->leaks, i) == RHI_CAUSE_CYCLE)
            s->leaks->causes[i] |= RHI_LEAK_GUESSED;
    free(doubted);
    return error;
}

static rhi_error *find_causes(search *s)
{
    const rhi_graph *g = s->graph;
    s->leaks->causes = calloc((uint64_t)g->count + 1, 1);
    if (!s->leaks->causes)
        return rhi__error_memory();
    for (uint32_t i = 0; i < g->count; i++)
        if (!(g->flags[i] & (RHI_GRAPH_REACHED | RHI_GRAPH_CORRUPT)))
            s->leaks->causes[i] = RHI_CAUSE_CYCLE;
    RHI_TRY(rhi__session_owners(s->session, s->reader, false, &s->owners));
    RHI_TRY(rhi__tell_harm(&s->session->work, &s->session->notes, s->reader, true));
    s->leaks->has_open = s->owners->open > 0;
    if (s->leaks->has_open)
        RHI_TRY(rhi__owner_not_found(s->session, s->reader));
    s->leaks->is_decided = rhi__complete_so_far(s->session) || s->owners->open == 0;
    if (!s->leaks->is_decided)
        s->leaks->undecided = s->owners->open;
    else if (s->owners->open) {
        RHI_TRY(find_lost(s));
        RHI_TRY(find_lost_blocks(s));
    }
    if (g->has_guessed)
        RHI_TRY(mark_guessed(s));
    rhi__notes_add(&s->leaks->because, &s->session->notes);
    return s->leaks->because.is_short ? rhi__error_memory() : NULL;
}

rhi_error *rhi__session_leaks(rhi_session *session, rhi_leaks **leaks)
{
    *leaks = rhi__kept(&session->kept, rhi__leaks_free);
    if (!*leaks) {
        search s = {.session = session, .leaks = calloc(1, sizeof(rhi_leaks))};
        rhi_notes others = rhi__notes_set_aside(&session->notes);
        rhi_error *error = s.leaks ? rhi__session_reader(session, &s.reader) : rhi__error_memory();
        if (!error)
            error = rhi__session_graph(session, &s.graph);
        if (!error)
            error = find_causes(&s);
        rhi__notes_put_back(&session->notes, &others);
        if (error) {
            rhi__leaks_free(s.leaks);
            return error;
        }
        RHI_TRY(rhi__keep(&session->kept, s.leaks, rhi__leaks_free));
        *leaks = s.leaks;
    }
    rhi__notes_add(&session->notes, &(*leaks)->because);
    if ((*leaks)->has_open)
        RHI_TRY(rhi__owner_not_found(session, session->reader));
    return rhi__word_limits(session, session->reader);
}

/* ---- groups --------------------------------------------------------------------------------- */

typedef struct grouping {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    rhi_leaks *leaks;
    rhi_owners *owners;
    uint32_t *group_of;
    uint32_t *block_group; /* of blocks that nothing reaches; NULL: no block is involved */
    uint64_t *unreached;   /* blocks, likewise */
    /* first objects of the components of the garbage that no other garbage refers to */
    uint64_t *topmost;
    uint64_t *shared; /* another group, or something held, reaches it */
    rhi_knowledge knowledge;
    uint64_t capacity; /* of leaks->groups */
    uint32_t leaked;
} grouping;

/* Breadth-first through the garbage from `start` over what is not in `met`. The members' array
 * serves as queue. */
static rhi_error *spread_garbage(grouping *g, uint32_t start, uint64_t *met)
{
    const rhi_graph *graph = g->graph;
    uint32_t *queue = g->leaks->members, tail = 1;
    rhi__bit_set(met, start);
    queue[0] = start;
    for (uint32_t head = 0; head < tail; head++) {
        if (head % STEP == STEP - 1)
            RHI_TRY(rhi__progress(&g->session->work, "grouping garbage", head, g->leaked));
        for (uint32_t e = graph->edge_start[queue[head]]; e < graph->edge_start[queue[head] + 1];
             e++) {
            uint32_t to = graph->edge_to[e];
            if (rhi__cause(g->leaks, to) != RHI_CAUSE_CYCLE || rhi__bit(met, to))
                continue;
            rhi__bit_set(met, to);
            queue[tail++] = to;
        }
    }
    return NULL;
}

/* Finds the first object of each component that no other garbage refers to, without finding the
 * others. First in address order, from each object that was not met before: what is begun with
 * reaches none that is begun with later, and a topmost component is met from its own first object
 * alone. Then from the last beginning to the first: one that is met now is reached from a later
 * one, so it is not topmost; every other is. */
static rhi_error *find_topmost(grouping *g, uint64_t *met)
{
    uint32_t count = g->graph->count;
    for (uint32_t i = 0; i < count; i++)
        if (rhi__cause(g->leaks, i) == RHI_CAUSE_CYCLE && !rhi__bit(met, i)) {
            rhi__bit_set(g->topmost, i);
            RHI_TRY(spread_garbage(g, i, met));
        }
    memset(met, 0, ((uint64_t)count / 64 + 1) * sizeof *met);
    for (uint32_t i = count; i-- > 0;) {
        if (!rhi__bit(g->topmost, i))
            continue;
        if (rhi__bit(met, i))
            g->topmost[i / 64] &= ~(1ull << (i % 64));
        else
            RHI_TRY(spread_garbage(g, i, met));
    }
    return NULL;
}

static rhi_error *add_group(grouping *g, enum rhi_cause cause, uint32_t first)
{
    rhi_leaks *leaks = g->leaks;
    if (leaks->group_count == g->capacity) {
        uint64_t wanted = g->capacity * 2 + 64;
        rhi_leak *grown = realloc(leaks->groups, wanted * sizeof *grown);
        if (!grown)
            return rhi__error_memory();
        leaks->groups = grown;
        g->capacity = wanted;
    }
    leaks->groups[leaks->group_count++] = (rhi_leak){.first = first,
                                                     .type = UINT32_MAX,
                                                     .cause = (uint8_t)cause,
                                                     .of = RHI_NO_OBJECT,
                                                     .block = RHI_NO_BLOCK};
    return NULL;
}

/* The last group gets one more member, if it is of this cause and in no group yet. */
static void add_member(grouping *g, uint32_t index, enum rhi_cause cause)
{
    rhi_leaks *leaks = g->leaks;
    if (rhi__cause(leaks, index) != cause || g->group_of[index] != RHI_NO_OBJECT)
        return;
    g->group_of[index] = leaks->group_count - 1;
    leaks->members[leaks->member_count++] = index;
    leaks->groups[leaks->group_count - 1].count++;
}

static void add_targets(grouping *g, uint32_t index, enum rhi_cause cause)
{
    for (uint32_t e = g->graph->edge_start[index]; e < g->graph->edge_start[index + 1]; e++)
        add_member(g, g->graph->edge_to[e], cause);
}

/* What the blocks own that these and no earlier group lead to. `queue`: their beginnings. */
static rhi_error *add_owned_by_blocks(grouping *g, rhi_numbers *queue, enum rhi_cause cause,
                                      uint32_t main)
{
    const rhi_malloc_graph *b = rhi__malloc_graph_known(g->session);
    uint64_t first;
    for (uint64_t head = 0; head < queue->count; head++) {
        uint32_t block = queue->items[head];
        if (g->block_group[block] != RHI_NO_BLOCK || !rhi__bit(g->unreached, block))
            continue;
        g->block_group[block] = main;
        for (uint64_t end = rhi__links_from(&g->owners->words, block, &first); first < end; first++)
            add_member(g, g->owners->words.items[first].to, cause);
        for (uint32_t e = b->edge_start[block]; e < b->edge_start[block + 1]; e++)
            if (g->block_group[b->edges.items[e]] == RHI_NO_BLOCK &&
                !rhi__number_add(queue, b->edges.items[e]))
                return rhi__error_memory();
    }
    return NULL;
}

/* The same from the blocks that an object leads to. */
static rhi_error *add_through_blocks(grouping *g, uint32_t index, uint32_t main)
{
    rhi_numbers queue = {0};
    uint64_t first, end = g->block_group ? rhi__links_from(&g->owners->refs, index, &first) : 0;
    rhi_error *error = NULL;
    if (end == 0)
        return NULL;
    for (; first < end && !error; first++)
        error =
            rhi__number_add(&queue, g->owners->refs.items[first].to) ? NULL : rhi__error_memory();
    if (!error)
        error = add_owned_by_blocks(g, &queue, RHI_CAUSE_DEPENDENT, main);
    free(queue.items);
    return error;
}

/* What depends on the members of a group: a group of its own, if there is any. */
static rhi_error *gather_dependents(grouping *g, uint32_t main, bool fields)
{
    rhi_leaks *leaks = g->leaks;
    uint32_t head = leaks->member_count, first = leaks->groups[main].first,
             count = leaks->groups[main].count;
    RHI_TRY(add_group(g, RHI_CAUSE_DEPENDENT, head));
    leaks->groups[leaks->group_count - 1].of = leaks->members[first];
    for (uint32_t i = first; i < first + count; i++) {
        if (fields)
            add_targets(g, leaks->members[i], RHI_CAUSE_DEPENDENT);
        RHI_TRY(add_through_blocks(g, leaks->members[i], main));
    }
    for (; head < leaks->member_count; head++) {
        if (head % STEP == 0)
            RHI_TRY(rhi__progress(&g->session->work, "grouping", head, g->leaked));
        add_targets(g, leaks->members[head], RHI_CAUSE_DEPENDENT);
        RHI_TRY(add_through_blocks(g, leaks->members[head], main));
    }
    if (leaks->groups[leaks->group_count - 1].count == 0)
        leaks->group_count--;
    return NULL;
}

/* A new group of `start` and, in garbage, what it reaches that is in no group yet. */
static rhi_error *gather_group(grouping *g, uint32_t start)
{
    rhi_leaks *leaks = g->leaks;
    enum rhi_cause cause = rhi__cause(leaks, start);
    uint32_t head = leaks->member_count;
    RHI_TRY(add_group(g, cause, head));
    add_member(g, start, cause);
    for (; cause == RHI_CAUSE_CYCLE && head < leaks->member_count; head++) {
        if (head % STEP == 0)
            RHI_TRY(rhi__progress(&g->session->work, "grouping", head, g->leaked));
        add_targets(g, leaks->members[head], cause);
    }
    return cause == RHI_CAUSE_LOST ? gather_dependents(g, leaks->group_count - 1, true) : NULL;
}

/* What was lost with a topmost block. */
static rhi_error *gather_block_group(grouping *g, const rhi_orphan *top)
{
    rhi_leaks *leaks = g->leaks;
    uint32_t main = leaks->group_count;
    rhi_numbers queue = {0};
    RHI_TRY(add_group(g, RHI_CAUSE_LOST_BLOCK, leaks->member_count));
    leaks->groups[main].block = top->block;
    for (uint32_t i = top->first; i < top->first + top->count; i++)
        add_member(g, leaks->orphans.objects.items[i], RHI_CAUSE_LOST_BLOCK);
    rhi_error *error = rhi__number_add(&queue, top->block) ? NULL : rhi__error_memory();
    if (!error)
        error = add_owned_by_blocks(g, &queue, RHI_CAUSE_LOST_BLOCK, main);
    free(queue.items);
    return error ? error : gather_dependents(g, main, true);
}

static rhi_error *gather_groups(grouping *g)
{
    for (uint32_t i = 0; i < g->graph->count; i++)
        if (rhi__bit(g->topmost, i) || rhi__cause(g->leaks, i) == RHI_CAUSE_LOST)
            RHI_TRY(gather_group(g, i));
    for (uint64_t i = 0; i < g->leaks->orphans.tops.count; i++)
        RHI_TRY(gather_block_group(g, &g->leaks->orphans.tops.items[i]));
    /* garbage that leads to blocks */
    for (uint32_t i = 0, groups = g->leaks->group_count; i < groups && g->block_group; i++)
        if (g->leaks->groups[i].cause == RHI_CAUSE_CYCLE)
            RHI_TRY(gather_dependents(g, i, false));
    return NULL;
}

/* The group, or of dependents the one that they depend on. */
static uint32_t main_of(const grouping *g, uint32_t group)
{
    const rhi_leak *leak = &g->leaks->groups[group];
    return leak->cause == RHI_CAUSE_DEPENDENT ? g->group_of[leak->of] : group;
}

static uint32_t main_group(const grouping *g, uint32_t object)
{
    return g->group_of[object] == RHI_NO_OBJECT ? RHI_NO_OBJECT : main_of(g, g->group_of[object]);
}

static void share_object(grouping *g, uint32_t object, uint32_t by, uint32_t *queue,
                         uint32_t *count)
{
    uint32_t group = main_group(g, object);
    if (group == RHI_NO_OBJECT || group == by || rhi__bit(g->shared, object))
        return;
    rhi__bit_set(g->shared, object);
    queue[(*count)++] = object;
}

static rhi_error *share_block(grouping *g, uint32_t block, uint32_t by, rhi_walk *walk)
{
    uint32_t group = g->block_group[block];
    if (group == RHI_NO_BLOCK || group == by || rhi__bit(walk->met, block))
        return NULL;
    rhi__bit_set(walk->met, block);
    return rhi__number_add(&walk->queue, block) ? NULL : rhi__error_memory();
}

/* What leads from the group of a block to another. */
static rhi_error *share_beyond_blocks(grouping *g, rhi_walk *walk, uint32_t *count)
{
    const rhi_malloc_graph *b = rhi__malloc_graph_known(g->session);
    uint64_t first;
    for (uint32_t i = 0; g->block_group && i < b->count; i++) {
        uint32_t group = g->block_group[i];
        if (group == RHI_NO_BLOCK)
            continue;
        for (uint32_t e = b->edge_start[i]; e < b->edge_start[i + 1]; e++)
            RHI_TRY(share_block(g, b->edges.items[e], group, walk));
        for (uint64_t end = rhi__links_from(&g->owners->words, i, &first); first < end; first++)
            share_object(g, g->owners->words.items[first].to, group, g->graph->queue, count);
    }
    return NULL;
}

/* What an edge of another group leads to, and all that is reached from there. */
static rhi_error *find_shared(grouping *g)
{
    const rhi_graph *graph = g->graph;
    rhi_walk walk = {.session = g->session,
                     .graph = graph,
                     .blocks = rhi__malloc_graph_known(g->session),
                     .owners = g->owners,
                     .objects = g->shared,
                     .within = g->unreached,
                     .met = g->block_group ? rhi__malloc_bits(rhi__malloc_graph_known(g->session))
                                           : NULL};
    uint64_t *leaked = calloc((uint64_t)graph->count / 64 + 1, sizeof *leaked), first;
    uint32_t count = 0;
    rhi_error *error = leaked && (walk.met || !g->block_group) ? NULL : rhi__error_memory();
    walk.objects_within = leaked;
    for (uint32_t m = 0; m < g->leaks->member_count && !error; m++) {
        uint32_t i = g->leaks->members[m], group = main_group(g, i);
        rhi__bit_set(leaked, i);
        if (g->leaks->causes[i] & RHI_LEAK_IN_USE && !rhi__bit(g->shared, i)) {
            rhi__bit_set(g->shared, i);
            graph->queue[count++] = i;
        }
        for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1]; e++)
            share_object(g, graph->edge_to[e], group, graph->queue, &count);
        uint64_t end = g->block_group ? rhi__links_from(&g->owners->refs, i, &first) : 0;
        for (; end && first < end && !error; first++)
            error = share_block(g, g->owners->refs.items[first].to, group, &walk);
    }
    if (!error)
        error = share_beyond_blocks(g, &walk, &count);
    if (!error)
        error = rhi__walk(&walk, count, 0);
    free(leaked);
    free(walk.met);
    free(walk.queue.items);
    return error;
}

static rhi_error *add_size(void *context, uint32_t index, const rhi_object *object,
                           const uint8_t *bytes)
{
    grouping *g = context;
    uint32_t group = g->group_of[index];
    RHI_TRY(rhi__note_collectable(&g->knowledge, index, object, bytes));
    if (group == RHI_NO_OBJECT)
        return NULL;
    rhi_leak *leak = &g->leaks->groups[group], *main = &g->leaks->groups[main_of(g, group)];
    uint64_t size = rhi__object_size(g->reader, object, bytes);
    if (g->leaks->members[leak->first] == index) {
        leak->type = object->type;
        leak->heap = object->heap & 0xffffffu;
    }
    leak->bytes += size;
    leak->is_guessed |= (g->leaks->causes[index] & RHI_LEAK_GUESSED) != 0;
    leak->lost += (uint64_t)g->owners->lacking[index] + rhi__counts_with_blocks(g->owners, index);
    if (rhi__bit(g->shared, index))
        return NULL;
    leak->retained += size;
    if (main != leak)
        main->retained += size;
    return NULL;
}

static int leak_order(const void *left, const void *right)
{
    const rhi_leak *a = left, *b = right;
    if (a->retained != b->retained)
        return a->retained > b->retained ? -1 : 1;
    /* groups were gathered in address order */
    return a->first < b->first ? -1 : a->first > b->first;
}

/* Blocks play a part only where something was lost with one, or depends on what leads to one. */
static rhi_error *begin_blocks(grouping *g)
{
    const rhi_malloc_graph *b = rhi__malloc_graph_known(g->session);
    RHI_TRY(rhi__session_owners(g->session, g->reader, false, &g->owners));
    if (g->leaks->orphans.objects.count + g->leaks->orphans.dependents.count == 0)
        return NULL;
    uint64_t words = (uint64_t)b->count / 64 + 1;
    g->unreached = malloc(words * sizeof *g->unreached);
    g->block_group = malloc(((uint64_t)b->count + 1) * sizeof *g->block_group);
    if (!g->unreached || !g->block_group)
        return rhi__error_memory();
    for (uint64_t i = 0; i < words; i++)
        g->unreached[i] = ~b->reached[i];
    memset(g->block_group, 0xff, ((uint64_t)b->count + 1) * sizeof *g->block_group);
    return NULL;
}

static rhi_error *begin_knowledge(grouping *g)
{
    uint64_t *garbage = calloc((uint64_t)g->graph->count / 64 + 1, sizeof *garbage);
    for (uint32_t i = 0; i < g->graph->count && garbage; i++)
        if (rhi__cause(g->leaks, i) == RHI_CAUSE_CYCLE)
            rhi__bit_set(garbage, i);
    return rhi__knowledge_begin(&g->knowledge, g->session, g->reader, g->graph, garbage);
}

static rhi_error *note_object(void *context, uint32_t index, const rhi_object *object,
                              const uint8_t *bytes)
{
    return rhi__note_collectable(context, index, object, bytes);
}

/* Where nothing is leaked a collector may find something all the same, which was not seen. */
static rhi_error *count_nothing(grouping *g)
{
    bool any = false;
    for (uint64_t i = 0; i < g->reader->formats.count; i++)
        any |= g->reader->formats.items[i].format->collect_word != NULL;
    if (!any)
        return NULL;
    RHI_TRY(begin_knowledge(g));
    RHI_TRY(
        rhi__each_object(&g->session->work, g->reader, "measuring", note_object, &g->knowledge));
    return rhi__count_collectable(&g->knowledge, &g->leaks->collectable);
}

static rhi_error *make_groups(grouping *g)
{
    uint64_t n = (uint64_t)g->graph->count + 1;
    for (uint32_t i = 0; i < g->graph->count; i++)
        g->leaked += rhi__cause(g->leaks, i) != RHI_CAUSE_NONE;
    if (g->leaked == 0)
        return count_nothing(g);
    g->group_of = malloc(n * sizeof *g->group_of);
    g->topmost = calloc(n / 64 + 1, sizeof *g->topmost);
    g->shared = calloc(n / 64 + 1, sizeof *g->shared);
    g->leaks->members = malloc(((uint64_t)g->leaked + 1) * sizeof *g->leaks->members);
    if (!g->group_of || !g->topmost || !g->shared || !g->leaks->members)
        return rhi__error_memory();
    RHI_TRY(find_topmost(g, g->shared)); /* which serves twice */
    memset(g->shared, 0, (n / 64 + 1) * sizeof *g->shared);
    memset(g->group_of, 0xff, n * sizeof *g->group_of);
    RHI_TRY(begin_blocks(g));
    RHI_TRY(gather_groups(g));
    RHI_TRY(find_shared(g));
    RHI_TRY(begin_knowledge(g));
    RHI_TRY(rhi__each_object(&g->session->work, g->reader, "measuring", add_size, g));
    RHI_TRY(rhi__count_collectable(&g->knowledge, &g->leaks->collectable));
    qsort(g->leaks->groups, g->leaks->group_count, sizeof *g->leaks->groups, leak_order);
    return NULL;
}

rhi_error *rhi__session_leak_groups(rhi_session *session, rhi_leaks **leaks)
{
    grouping g = {.session = session};
    RHI_TRY(rhi__session_leaks(session, &g.leaks));
    *leaks = g.leaks;
    if (g.leaks->has_groups)
        return NULL;
    RHI_TRY(rhi__session_reader(session, &g.reader));
    RHI_TRY(rhi__session_graph(session, &g.graph));
    rhi_error *error = make_groups(&g);
    free(g.group_of);
    free(g.topmost);
    free(g.shared);
    rhi__knowledge_free(&g.knowledge);
    free(g.block_group);
    free(g.unreached);
    if (error) { /* cancelled: begin again with nothing */
        free(g.leaks->groups);
        free(g.leaks->members);
        g.leaks->groups = NULL;
        g.leaks->members = NULL;
        g.leaks->group_count = g.leaks->member_count = 0;
    }
    g.leaks->has_groups = !error;
    return error;
}
