/* path.c - finds and prints the path from a root to an object (see path.h).
 *
 * Breadth-first from the object towards its referrers. Only an object with counts that no field explains,
 * an immortal or a dying one can begin a path: a word that merely remembers an address holds nothing. */
#include "path.h"
#include "array.h"
#include "output.h"
#include "selection.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* How good a word is as a beginning; the smaller the better. By its class alone, which every door tells
 * alike: what debug info knows of it changes nothing, so a word of a stack is as good as a local. */
static const uint8_t ranks[] = {[RHI_HOLDER_ROOT] = 0,    [RHI_HOLDER_GLOBAL] = 1,  [RHI_HOLDER_THREAD_LOCAL] = 2,
                                [RHI_HOLDER_STACK] = 3,   [RHI_HOLDER_REGISTER] = 4, [RHI_HOLDER_FOREIGN] = 5,
                                [RHI_HOLDER_UNDECLARED] = 6, [RHI_HOLDER_UNKNOWN] = 7};
/* How good an object is as a beginning, by its best word. */
enum { VARIABLE, REGISTER, SOME_WORD, NO_WORD, BEGINNINGS };

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    uint8_t *held;       /* by object: 1 << VARIABLE and so on */
    uint32_t *next;      /* towards the asked-for object; RHI_NO_OBJECT: not met */
    uint32_t *queue, met; /* objects in the order they were met */
    uint32_t beginning[BEGINNINGS]; /* the first met of each kind */
} search;

static int beginning_of(const rhi_holder *holder)
{
    return holder->kind == RHI_HOLDER_REGISTER ? REGISTER : ranks[holder->kind] <= ranks[RHI_HOLDER_STACK] ? VARIABLE : SOME_WORD;
}

static rhi_error *note_word(void *context, const rhi_holder *holder)
{
    search *s = context;
    uint32_t index = rhi__object_index(s->reader, holder->value);
    if (index < s->graph->count)
        s->held[index] |= (uint8_t)(1 << beginning_of(holder));
    return NULL;
}

static void note_beginning(search *s, uint32_t i)
{
    int best = VARIABLE;
    if (!(s->graph->flags[i] & RHI_GRAPH_STAYS) && rhi__ext(s->graph, i) <= 0)
        return;
    while (best < NO_WORD && !(s->held[i] & 1 << best))
        best++;
    if (s->beginning[best] == RHI_NO_OBJECT)
        s->beginning[best] = i;
}

/* Ends at the first beginning that a variable may hold, or when all that leads to the object has been met. */
static rhi_error *walk(search *s, uint32_t start)
{
    const rhi_graph *graph = s->graph;
    uint32_t head = 0;
    s->next[start] = start;
    s->queue[s->met++] = start;
    while (head < s->met && s->beginning[VARIABLE] == RHI_NO_OBJECT) {
        uint32_t i = s->queue[head++];
        note_beginning(s, i);
        if (head % 65536 == 0)
            RHI_TRY(rhi__progress(s->session, "looking for a path", head, graph->count));
        for (uint32_t e = graph->referrer_start[i]; e < graph->referrer_start[i + 1]; e++)
            if (s->next[graph->referrer_from[e]] == RHI_NO_OBJECT) {
                s->next[graph->referrer_from[e]] = i;
                s->queue[s->met++] = graph->referrer_from[e];
            }
    }
    return NULL;
}

/* What is held neither by a variable nor by a register: perhaps by a word that no field declares? Everything
 * that leads to the object has been met by then. */
static rhi_error *note_undeclared(search *s)
{
    RHI_TRY(rhi__each_kept_undeclared(s->session, s->reader, s->reader->lowest, s->reader->highest, note_word, s));
    memset(s->beginning, 0xff, sizeof s->beginning);
    for (uint32_t i = 0; i < s->met; i++)
        note_beginning(s, s->queue[i]);
    return NULL;
}

static rhi_error *run_search(search *s, uint32_t start, rhi_path *path)
{
    uint64_t count = (uint64_t)s->graph->count + 1;
    s->held = calloc(count, 1);
    s->next = malloc(count * sizeof *s->next);
    s->queue = malloc(count * sizeof *s->queue);
    if (!s->held || !s->next || !s->queue)
        return rhi__error_memory();
    memset(s->next, 0xff, count * sizeof *s->next);
    memset(s->beginning, 0xff, sizeof s->beginning);
    RHI_TRY(rhi__each_word(s->session, s->reader, s->reader->lowest, s->reader->highest, note_word, s));
    RHI_TRY(walk(s, start));
    if (s->beginning[VARIABLE] == RHI_NO_OBJECT && s->beginning[REGISTER] == RHI_NO_OBJECT)
        RHI_TRY(note_undeclared(s));
    uint32_t found = RHI_NO_OBJECT;
    for (int kind = VARIABLE; kind < BEGINNINGS && found == RHI_NO_OBJECT; kind++)
        found = s->beginning[kind];
    for (uint32_t i = found; i != RHI_NO_OBJECT; i = i == start ? RHI_NO_OBJECT : s->next[i]) {
        if (!rhi__array_reserve(&path->objects, 1))
            return rhi__error_memory();
        path->objects.items[path->objects.count++] = i;
    }
    if (found != RHI_NO_OBJECT)
        path->why = s->graph->flags[found] & RHI_GRAPH_IMMORTAL ? "immortal"
                    : s->graph->flags[found] & RHI_GRAPH_DYING ? "dying"
                    : s->graph->flags[found] & RHI_GRAPH_HELD ? "held by the runtime" : "unknown holder";
    return NULL;
}

/* ---- the root ------------------------------------------------------------------------------------------------- */

/* By class; then one that points to the object's start, which an expression can use; then by address, on a
 * stack the last: what an outer frame has, inner ones have in passing, in words that nothing names. */
static bool is_better(const rhi_holder *one, const rhi_holder *other)
{
    bool starts = one->value == one->target, other_starts = other->value == other->target;
    if (ranks[one->kind] != ranks[other->kind])
        return ranks[one->kind] < ranks[other->kind];
    if (starts != other_starts)
        return starts;
    return one->kind == RHI_HOLDER_STACK ? one->address > other->address : one->address < other->address;
}

/* Which word holds the first object of the path? It is the only one that is kept and named. */
static rhi_error *find_root(rhi_session *session, rhi_reader *reader, rhi_path *path)
{
    uint64_t low = rhi__object_address(reader, path->objects.items[0]), best = 0;
    const rhi_block *block = rhi__block_at(reader, low);
    rhi_holders *words = &path->words;
    if (!block)
        return rhi__error("the heap changed while it was read: ask again");
    RHI_TRY(rhi__each_word(session, reader, low, low + block->slot_size, rhi__collect_holder, words));
    bool is_settled = false;
    for (uint64_t i = 0; i < words->count; i++)
        is_settled |= ranks[words->items[i].kind] < ranks[RHI_HOLDER_UNDECLARED];
    if (!is_settled)
        RHI_TRY(rhi__each_kept_undeclared(session, reader, low, low + block->slot_size, rhi__collect_holder, words));
    rhi__sort_holders(words);
    for (uint64_t i = 0; i < words->count; i++) {
        words->items[i].target = low;
        if (is_better(&words->items[i], &words->items[best]))
            best = i;
    }
    path->has_root = words->count > 0;
    if (!path->has_root)
        return NULL;
    words->items[0] = words->items[best];
    words->count = 1;
    if (words->items[0].kind == RHI_HOLDER_UNDECLARED)
        rhi__check_undeclared(session, reader, &words->items[0]);
    rhi__name_holders(session, reader, words, 1);
    path->root = words->items[0];
    return NULL;
}

rhi_error *rhi__path_find(rhi_session *session, rhi_reader *reader, uint64_t address, rhi_path *path)
{
    search s = {.session = session, .reader = reader};
    RHI_TRY(rhi__session_graph(session, &s.graph));
    RHI_TRY(rhi__graph_referrers(session, s.graph));
    uint32_t start = rhi__object_index(reader, address);
    rhi_error *error = start < s.graph->count ? run_search(&s, start, path)
                                              : rhi__error("the heap changed while it was read: ask again");
    free(s.held);
    free(s.next);
    free(s.queue);
    if (!error && path->objects.count)
        error = find_root(session, reader, path);
    if (!error && path->objects.count)
        rhi__path_express(session, reader, path);
    return error;
}

void rhi__path_free(rhi_path *path)
{
    free(path->objects.items);
    rhi__holders_free(&path->words);
    free(path->expression);
    *path = (rhi_path){0};
}

/* ---- steps and rendering ---------------------------------------------------------------------------------------- */

static bool match_step(void *context, const rhi_slot *slot)
{
    rhi_path_step *s = context;
    if (slot->value != s->wanted || slot->field->kind == RHI_KIND_BORROWED)
        return true;
    rhi__slot_name(slot->field, slot->element, s->name, sizeof s->name);
    s->slot = slot->address;
    s->field = slot->field;
    s->element = slot->element;
    return false;
}

bool rhi__path_step(rhi_reader *reader, const rhi_path *path, uint64_t i, rhi_path_step *step)
{
    enum rhi_place place;
    rhi_scratch scratch = {0};
    *step = (rhi_path_step){.wanted = 0};
    if (!rhi__place_of(reader, rhi__object_address(reader, path->objects.items[i]), &place, &step->object))
        return false;
    if (i + 1 < path->objects.count) {
        step->wanted = rhi__object_address(reader, path->objects.items[i + 1]);
        const uint8_t *bytes = rhi__object_bytes(reader, &step->object, &scratch);
        if (bytes)
            rhi__each_slot(reader, &step->object, bytes, match_step, step);
    }
    rhi__scratch_free(&scratch);
    return true;
}

void rhi__path_print(rhi_session *session, rhi_reader *reader, const rhi_path *path)
{
    rhi_path_step step;
    char id[RHI_ID_SIZE] = "";
    if (path->objects.count == 0) {
        rhi__print(session, "path: none: nothing outside holds it, directly or not\n");
        return;
    }
    if (path->has_root && path->root.kind == RHI_HOLDER_UNDECLARED)
        rhi__index_id(session, reader, rhi__object_index(reader, path->root.from), id, sizeof id);
    if (!path->has_root)
        rhi__print(session, "path: (%s) -> ", path->why);
    else
        rhi__print(session, "path: %s%s -> ", id, path->root.name ? path->root.name : "(unnamed word)");
    for (uint64_t i = 0; i < path->objects.count; i++) {
        if (!rhi__path_step(reader, path, i, &step))
            continue;
        rhi__object_id(reader, &step.object, id, sizeof id);
        rhi__print(session, "%s%s%s%s", id, step.name[0] ? " ." : "", step.name, i + 1 < path->objects.count ? " -> " : "");
    }
    rhi__print(session, "\n");
    if (!path->expression)
        return;
    rhi__print(session, "expression: %s", path->expression);
    if (path->in_frame)
        rhi__print(session, "  (in frame %" PRIu32 " of thread %" PRIu64 ")", path->frame, path->lwp);
    else if (path->in_thread)
        rhi__print(session, "  (in thread %" PRIu64 ")", path->lwp);
    rhi__print(session, "%s\n", path->is_unverified ? "  (not verified: no debugger evaluated it)" : "");
}

void rhi__path_json(rhi_session *session, rhi_reader *reader, const rhi_path *path)
{
    rhi_path_step step;
    char id[RHI_ID_SIZE];
    rhi__json_array(session, "path");
    if (path->has_root)
        rhi__json_item(session, rhi__holder_json(reader, &path->root));
    for (uint64_t i = 0; i < path->objects.count; i++) {
        if (!rhi__path_step(reader, path, i, &step))
            continue;
        rhi__object_id(reader, &step.object, id, sizeof id);
        rhi__json_item(session, json_pack("{s:s, s:s?}", "object", id, "name", step.name[0] ? step.name : NULL));
    }
    rhi__json_array_end(session);
    rhi__json_key(session, "expression", path->expression ? rhi__json_text(path->expression) : json_null());
    if (path->expression && path->in_frame)
        rhi__json_key(session, "frame", json_integer(path->frame));
    if (path->expression && path->in_thread)
        rhi__json_key(session, "thread", rhi__json_u64(path->lwp));
    if (path->expression && path->is_unverified)
        rhi__json_key(session, "unverified", json_true());
}
