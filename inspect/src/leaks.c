/* leaks.c - finds what is leaked and groups it (see leaks.h).
 *
 * The words outside the heap are read only if an object has a count that no field owns. Garbage, lost
 * references and dependents are then told apart by count arithmetic and breadth-first search. */
#include "leaks.h"
#include "output.h"
#include "words.h"

#include <string.h>

enum { STEP = 65536 }; /* objects between two looks at the user */

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    rhi_leaks *leaks;
    uint64_t *owned; /* objects that a word or a registered root refers to */
} search;

const char *rhi__cause_word(enum rhi_cause cause)
{
    static const char *const words[] = {"none", "cycle", "lost_reference", "dependent"};
    return words[cause];
}

void rhi__leaks_free(rhi_leaks *leaks)
{
    if (!leaks)
        return;
    json_decref(leaks->because);
    free(leaks->causes);
    free(leaks->groups);
    free(leaks->members);
    free(leaks);
}

/* ---- causes ---------------------------------------------------------------------------------------------- */

static rhi_error *mark_owned(void *context, const rhi_holder *holder)
{
    search *s = context;
    uint32_t index = rhi__object_index(s->reader, holder->value);
    bool inside_itself = holder->kind == RHI_HOLDER_UNDECLARED && rhi__object_index(s->reader, holder->from) == index;
    if (index != RHI_NO_OBJECT && !inside_itself)
        rhi__bit_set(s->owned, index);
    return NULL;
}

/* Has a count that something outside the fields owns, or nothing any more. */
static bool has_open_count(const rhi_graph *graph, uint32_t i)
{
    return !(graph->flags[i] & (RHI_GRAPH_DYING | RHI_GRAPH_IMMORTAL | RHI_GRAPH_CORRUPT)) && rhi__open(graph, i) > 0;
}

/* How many objects have open counts, but no owner so far; [*low, *high): where they lie. */
static uint64_t count_open(const search *s, uint64_t *low, uint64_t *high)
{
    uint64_t open = 0;
    uint32_t first = 0, last = 0;
    for (uint32_t i = 0; i < s->graph->count; i++)
        if (has_open_count(s->graph, i) && !rhi__bit(s->owned, i)) {
            first = open++ ? first : i;
            last = i;
        }
    if (open == 0)
        return 0;
    *low = rhi__object_address(s->reader, first);
    *high = rhi__object_address(s->reader, last);
    *high += rhi__block_at(s->reader, *high)->slot_size;
    return open;
}

/* What a dying object's fields hold is open by count arithmetic, but it is theirs until they are released. */
static void mark_owned_by_dying(search *s)
{
    const rhi_graph *g = s->graph;
    for (uint32_t i = 0; i < g->count; i++)
        for (uint32_t e = g->edge_start[i]; g->flags[i] & RHI_GRAPH_DYING && e < g->edge_start[i + 1]; e++)
            rhi__bit_set(s->owned, g->edge_to[e]);
}

/* Looks for owners of open counts; *open: objects that are left. */
static rhi_error *find_owners(search *s, uint64_t *open)
{
    uint64_t low, high;
    mark_owned_by_dying(s);
    *open = count_open(s, &low, &high);
    if (*open)
        RHI_TRY(rhi__each_word(s->session, s->reader, s->reader->lowest, s->reader->highest, mark_owned, s));
    *open = count_open(s, &low, &high);
    if (*open)
        RHI_TRY(rhi__each_undeclared(s->session, s->reader, low, high, mark_owned, s));
    *open = count_open(s, &low, &high);
    return NULL;
}

/* Does nothing need to hold it, or has it an owner? */
static bool is_held_itself(const search *s, uint32_t i)
{
    return s->graph->flags[i] & (RHI_GRAPH_STAYS | RHI_GRAPH_CORRUPT) ||
           (rhi__ext(s->graph, i) > 0 && rhi__bit(s->owned, i));
}

/* Of what the lost objects reach (`below`), what something else holds: has an owner itself, or is referred to
 * by held objects that they do not reach. Adds it to `held`, and to the queue. */
static rhi_error *find_held_below(search *s, const uint64_t *below, uint64_t *held, uint32_t *count)
{
    const rhi_graph *g = s->graph;
    for (uint32_t i = 0; i < g->count; i++) {
        bool is_below = rhi__bit(below, i);
        if (i % (1 << 20) == 0)
            RHI_TRY(rhi__progress(s->session, "looking for lost objects", i, g->count));
        if (is_below && is_held_itself(s, i) && !rhi__bit(held, i)) {
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

/* What has no owner is lost; of what it reaches, what nothing else holds depends on it. Everything else that is
 * no garbage is held: it is reached from objects with owners. */
static rhi_error *find_lost(search *s)
{
    const rhi_graph *g = s->graph;
    uint64_t words = (uint64_t)g->count / 64 + 1;
    uint64_t *below = calloc(words, sizeof *below), *held = calloc(words, sizeof *held);
    uint32_t count = 0;
    rhi_error *error = below && held ? NULL : rhi__error_memory();
    for (uint32_t i = 0; i < g->count && !error; i++)
        if (has_open_count(g, i) && !rhi__bit(s->owned, i)) {
            rhi__bit_set(below, i);
            g->queue[count++] = i;
        }
    if (!error)
        error = rhi__graph_spread(s->session, g, false, below, NULL, g->queue, &count);
    count = 0;
    if (!error)
        error = find_held_below(s, below, held, &count);
    if (!error)
        error = rhi__graph_spread(s->session, g, false, held, below, g->queue, &count);
    for (uint32_t i = 0; i < g->count && !error; i++)
        if (has_open_count(g, i) && !rhi__bit(s->owned, i))
            s->leaks->causes[i] = (uint8_t)(RHI_CAUSE_LOST | (rhi__bit(held, i) ? RHI_LEAK_IN_USE : 0));
        else if (rhi__bit(below, i) && !rhi__bit(held, i) && g->flags[i] & RHI_GRAPH_REACHED)
            s->leaks->causes[i] = RHI_CAUSE_DEPENDENT;
    free(below);
    free(held);
    return error;
}

static rhi_error *find_causes(search *s)
{
    const rhi_graph *g = s->graph;
    uint64_t open;
    s->leaks->causes = calloc((uint64_t)g->count + 1, 1);
    s->owned = calloc((uint64_t)g->count / 64 + 1, sizeof *s->owned);
    if (!s->leaks->causes || !s->owned)
        return rhi__error_memory();
    for (uint32_t i = 0; i < g->count; i++)
        if (!(g->flags[i] & (RHI_GRAPH_REACHED | RHI_GRAPH_CORRUPT)))
            s->leaks->causes[i] = RHI_CAUSE_CYCLE;
    RHI_TRY(find_owners(s, &open));
    s->leaks->is_decided = rhi__settle(s->session) || open == 0;
    if (!s->leaks->is_decided)
        s->leaks->undecided = open;
    else if (open)
        RHI_TRY(find_lost(s));
    s->leaks->because = rhi__incomplete_because(s->session);
    return s->leaks->because ? NULL : rhi__error_memory();
}

rhi_error *rhi__session_leaks(rhi_session *session, rhi_leaks **leaks)
{
    if (!session->leaks) {
        search s = {.session = session, .leaks = calloc(1, sizeof(rhi_leaks))};
        rhi_error *error = s.leaks ? rhi__session_reader(session, &s.reader) : rhi__error_memory();
        if (!error)
            error = rhi__session_graph(session, &s.graph);
        if (!error)
            error = find_causes(&s);
        free(s.owned);
        if (error) {
            rhi__leaks_free(s.leaks);
            return error;
        }
        session->leaks = s.leaks;
    }
    rhi__incomplete_again(session, session->leaks->because);
    *leaks = session->leaks;
    return rhi__word_limits(session, session->reader);
}

/* ---- groups ---------------------------------------------------------------------------------------------- */

typedef struct grouping {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    rhi_leaks *leaks;
    uint32_t *group_of; /* a lost object's dependents have its group, until they get their own */
    uint64_t *topmost;  /* first objects of the components of the garbage that no other garbage refers to */
    uint64_t *shared;   /* another group, or something held, reaches it */
    uint64_t capacity;  /* of leaks->groups */
    uint32_t leaked;
} grouping;

/* Breadth-first through the garbage from `start` over what is not in `met`. The members' array serves as queue. */
static rhi_error *spread_garbage(grouping *g, uint32_t start, uint64_t *met)
{
    const rhi_graph *graph = g->graph;
    uint32_t *queue = g->leaks->members, tail = 1;
    rhi__bit_set(met, start);
    queue[0] = start;
    for (uint32_t head = 0; head < tail; head++) {
        if (head % STEP == STEP - 1)
            RHI_TRY(rhi__progress(g->session, "grouping garbage", head, g->leaked));
        for (uint32_t e = graph->edge_start[queue[head]]; e < graph->edge_start[queue[head] + 1]; e++) {
            uint32_t to = graph->edge_to[e];
            if (rhi__cause(g->leaks, to) != RHI_CAUSE_CYCLE || rhi__bit(met, to))
                continue;
            rhi__bit_set(met, to);
            queue[tail++] = to;
        }
    }
    return NULL;
}

/* Finds the first object of each component that no other garbage refers to, without finding the others. First
 * in address order, from each object that was not met before: what is begun with reaches none that is begun
 * with later, and a topmost component is met from its own first object alone. Then from the last beginning to
 * the first: one that is met now is reached from a later one, so it is not topmost; every other is. */
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
    leaks->groups[leaks->group_count++] = (rhi_leak){.first = first, .type = UINT32_MAX, .cause = (uint8_t)cause};
    return NULL;
}

/* A new group of `start` and what it reaches of this cause and is in no group yet. */
static rhi_error *gather_group(grouping *g, uint32_t start, enum rhi_cause reached)
{
    const rhi_graph *graph = g->graph;
    rhi_leaks *leaks = g->leaks;
    uint32_t head = leaks->member_count, group = leaks->group_count;
    RHI_TRY(add_group(g, rhi__cause(leaks, start), head));
    leaks->members[leaks->member_count++] = start;
    g->group_of[start] = group;
    for (; head < leaks->member_count; head++) {
        if (head % STEP == 0)
            RHI_TRY(rhi__progress(g->session, "grouping", head, g->leaked));
        uint32_t i = leaks->members[head];
        for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1]; e++) {
            uint32_t to = graph->edge_to[e];
            if (rhi__cause(leaks, to) != reached || g->group_of[to] != RHI_NO_OBJECT)
                continue;
            g->group_of[to] = group;
            leaks->members[leaks->member_count++] = to;
        }
    }
    uint32_t first = leaks->groups[group].first, count = leaks->member_count - first;
    leaks->groups[group].count = count;
    if (leaks->groups[group].cause != RHI_CAUSE_LOST || count == 1)
        return NULL;
    leaks->groups[group].count = 1;
    RHI_TRY(add_group(g, RHI_CAUSE_DEPENDENT, first + 1));
    leaks->groups[group + 1].count = count - 1;
    return NULL;
}

static rhi_error *gather_groups(grouping *g)
{
    for (uint32_t i = 0; i < g->graph->count; i++) {
        enum rhi_cause cause = rhi__cause(g->leaks, i);
        if (rhi__bit(g->topmost, i))
            RHI_TRY(gather_group(g, i, RHI_CAUSE_CYCLE));
        else if (cause == RHI_CAUSE_LOST)
            RHI_TRY(gather_group(g, i, RHI_CAUSE_DEPENDENT));
    }
    return NULL;
}

/* What an edge of another group leads to, and all that is reached from there. */
static rhi_error *find_shared(grouping *g)
{
    const rhi_graph *graph = g->graph;
    uint64_t *leaked = calloc((uint64_t)graph->count / 64 + 1, sizeof *leaked);
    uint32_t *queue = malloc(((uint64_t)g->leaked + 1) * sizeof *queue), count = 0;
    rhi_error *error = leaked && queue ? NULL : rhi__error_memory();
    for (uint32_t m = 0; m < g->leaks->member_count && !error; m++) {
        uint32_t i = g->leaks->members[m];
        rhi__bit_set(leaked, i);
        if (g->leaks->causes[i] & RHI_LEAK_IN_USE && !rhi__bit(g->shared, i)) {
            rhi__bit_set(g->shared, i);
            queue[count++] = i;
        }
        for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1]; e++) {
            uint32_t to = graph->edge_to[e];
            if (g->group_of[to] == RHI_NO_OBJECT || g->group_of[to] == g->group_of[i] || rhi__bit(g->shared, to))
                continue;
            rhi__bit_set(g->shared, to);
            queue[count++] = to;
        }
    }
    if (!error)
        error = rhi__graph_spread(g->session, graph, false, g->shared, leaked, queue, &count);
    free(leaked);
    free(queue);
    return error;
}

static rhi_error *add_size(void *context, uint32_t index, const rhi_object *object, const uint8_t *bytes)
{
    grouping *g = context;
    uint32_t group = g->group_of[index];
    if (group == RHI_NO_OBJECT)
        return NULL;
    rhi_leak *leak = &g->leaks->groups[group], *lost = NULL;
    uint64_t size = rhi__object_size(g->reader, object, bytes);
    if (leak->cause == RHI_CAUSE_LOST && g->leaks->members[leak->first] != index)
        lost = leak++; /* a dependent */
    if (g->leaks->members[leak->first] == index) {
        leak->type = object->type;
        leak->heap = object->heap & 0xffffffu;
    }
    leak->bytes += size;
    if (rhi__bit(g->shared, index))
        return NULL;
    leak->retained += size;
    if (lost)
        lost->retained += size;
    return NULL;
}

static int leak_order(const void *left, const void *right)
{
    const rhi_leak *a = left, *b = right;
    if (a->retained != b->retained)
        return a->retained > b->retained ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first; /* groups were gathered in address order */
}

static rhi_error *make_groups(grouping *g)
{
    uint64_t n = (uint64_t)g->graph->count + 1;
    for (uint32_t i = 0; i < g->graph->count; i++)
        g->leaked += rhi__cause(g->leaks, i) != RHI_CAUSE_NONE;
    if (g->leaked == 0)
        return NULL;
    g->group_of = malloc(n * sizeof *g->group_of);
    g->topmost = calloc(n / 64 + 1, sizeof *g->topmost);
    g->shared = calloc(n / 64 + 1, sizeof *g->shared);
    g->leaks->members = malloc(((uint64_t)g->leaked + 1) * sizeof *g->leaks->members);
    if (!g->group_of || !g->topmost || !g->shared || !g->leaks->members)
        return rhi__error_memory();
    RHI_TRY(find_topmost(g, g->shared)); /* which serves twice */
    memset(g->shared, 0, (n / 64 + 1) * sizeof *g->shared);
    memset(g->group_of, 0xff, n * sizeof *g->group_of);
    RHI_TRY(gather_groups(g));
    RHI_TRY(find_shared(g));
    RHI_TRY(rhi__each_object(g->session, g->reader, "measuring", add_size, g));
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
