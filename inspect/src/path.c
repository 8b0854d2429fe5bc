/* path.c - finds and prints the path from a root to an object (see path.h).
 *
 * Breadth-first from the object towards its referrers. Only an object with counts that no field explains,
 * an immortal or a dying one can begin a path: a word that merely remembers an address holds nothing. */
#include "path.h"
#include "array.h"
#include "objects.h"
#include "output.h"
#include "symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What kinds of words hold an object: bits of a byte per object. */
enum { BY_NAME = 1, BY_STACK = 2, BY_REGISTER = 4 };
/* How good a beginning is; the smaller the better. */
enum { NAMED, REGISTER, SOME_WORD, NO_WORD, BEGINNINGS };
enum { STACK_WORDS_MAX = 1 << 20, NAMED_MAX = 256 };

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    uint8_t *held;       /* by object */
    rhi_holders stack;   /* words of stacks, by what they hold */
    uint64_t asked;      /* words of stacks that were to be named so far */
    uint32_t *next;      /* towards the asked-for object; RHI_NO_OBJECT: not met */
    uint32_t *queue;
    uint32_t beginning[BEGINNINGS]; /* the first met of each kind */
} search;

static rhi_error *note_word(void *context, const rhi_holder *holder)
{
    search *s = context;
    uint32_t index = rhi__object_index(s->reader, holder->value);
    if (index == RHI_NO_OBJECT || index >= s->graph->count || rhi__object_address(s->reader, index) != holder->value)
        return NULL;
    if (holder->kind == RHI_HOLDER_ROOT || holder->kind == RHI_HOLDER_GLOBAL || holder->kind == RHI_HOLDER_THREAD_LOCAL)
        s->held[index] |= BY_NAME;
    if (holder->kind == RHI_HOLDER_REGISTER)
        s->held[index] |= BY_REGISTER;
    if (holder->kind != RHI_HOLDER_STACK || s->stack.count >= STACK_WORDS_MAX)
        return NULL;
    s->held[index] |= BY_STACK;
    return rhi__collect_holder(&s->stack, holder);
}

static int value_order(const void *left, const void *right)
{
    const rhi_holder *a = left, *b = right;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* Does a variable on a stack hold this object? */
static bool held_by_local(search *s, uint32_t index)
{
    uint64_t address = rhi__object_address(s->reader, index), low = 0, high = s->stack.count, end;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (s->stack.items[middle].value < address)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < s->stack.count && s->stack.items[end].value == address && s->asked < NAMED_MAX; end++)
        s->asked++;
    rhi_holders words = {.items = s->stack.items + low, .count = end - low};
    rhi__name_holders(s->session, s->reader, &words, words.count);
    for (uint64_t i = low; i < end; i++)
        if (s->stack.items[i].variable)
            return true;
    return false;
}

static void note_beginning(search *s, uint32_t i)
{
    int best = NO_WORD;
    if (!(s->graph->flags[i] & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_DYING)) && rhi__ext(s->graph, i) <= 0)
        return;
    if (s->held[i] & BY_NAME || (s->held[i] & BY_STACK && held_by_local(s, i)))
        best = NAMED;
    else if (s->held[i])
        best = s->held[i] & BY_REGISTER ? REGISTER : SOME_WORD;
    if (s->beginning[best] == RHI_NO_OBJECT)
        s->beginning[best] = i;
}

/* Ends at the first named beginning, or when all that leads to the object has been met. */
static rhi_error *walk(search *s, uint32_t start)
{
    const rhi_graph *graph = s->graph;
    uint32_t head = 0, tail = 0;
    s->next[start] = start;
    s->queue[tail++] = start;
    while (head < tail && s->beginning[NAMED] == RHI_NO_OBJECT) {
        uint32_t i = s->queue[head++];
        note_beginning(s, i);
        if (head % 65536 == 0)
            RHI_TRY(rhi__progress(s->session, "looking for a path", head, graph->count));
        for (uint32_t e = graph->referrer_start[i]; e < graph->referrer_start[i + 1]; e++)
            if (s->next[graph->referrer_from[e]] == RHI_NO_OBJECT) {
                s->next[graph->referrer_from[e]] = i;
                s->queue[tail++] = graph->referrer_from[e];
            }
    }
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
    if (s->stack.count)
        qsort(s->stack.items, s->stack.count, sizeof *s->stack.items, value_order);
    RHI_TRY(walk(s, start));
    uint32_t found = RHI_NO_OBJECT;
    for (int kind = NAMED; kind < BEGINNINGS && found == RHI_NO_OBJECT; kind++)
        found = s->beginning[kind];
    for (uint32_t i = found; i != RHI_NO_OBJECT; i = i == start ? RHI_NO_OBJECT : s->next[i]) {
        if (!rhi__array_reserve(&path->objects, 1))
            return rhi__error_memory();
        path->objects.items[path->objects.count++] = i;
    }
    if (found != RHI_NO_OBJECT)
        path->why = s->graph->flags[found] & RHI_GRAPH_IMMORTAL ? "immortal"
                    : s->graph->flags[found] & RHI_GRAPH_DYING ? "dying" : "unknown holder";
    return NULL;
}

/* ---- the root ------------------------------------------------------------------------------------------------- */

static int rank_of(const rhi_holder *holder)
{
    switch (holder->kind) {
    case RHI_HOLDER_ROOT:
        return 0;
    case RHI_HOLDER_GLOBAL:
        return holder->variable ? 1 : 4;
    case RHI_HOLDER_THREAD_LOCAL:
        return holder->variable ? 2 : 5;
    case RHI_HOLDER_STACK:
        return holder->variable ? 3 : 7;
    case RHI_HOLDER_REGISTER:
        return 6;
    default:
        return 8;
    }
}

/* Which word outside the heap holds the first object of the path? */
static rhi_error *find_root(rhi_session *session, rhi_reader *reader, rhi_path *path)
{
    uint64_t low = rhi__object_address(reader, path->objects.items[0]);
    rhi_error *error = rhi__each_word(session, reader, low, low + 1, rhi__collect_holder, &path->words);
    if (error)
        return error;
    rhi__sort_holders(&path->words);
    rhi__name_holders(session, reader, &path->words, NAMED_MAX);
    for (uint64_t i = 0; i < path->words.count; i++) {
        if (path->has_root && rank_of(&path->words.items[i]) >= rank_of(&path->root))
            continue;
        path->root = path->words.items[i];
        path->root.target = low;
        path->has_root = true;
    }
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
    rhi__holders_free(&s.stack);
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
    char id[RHI_ID_SIZE];
    if (path->objects.count == 0) {
        rhi__print(session, "path: none: nothing outside holds it, directly or not\n");
        return;
    }
    if (!path->has_root)
        rhi__print(session, "path: (%s) -> ", path->why);
    else
        rhi__print(session, "path: %s -> ", path->root.name ? path->root.name : "(unnamed word)");
    for (uint64_t i = 0; i < path->objects.count; i++) {
        if (!rhi__path_step(reader, path, i, &step))
            continue;
        rhi__object_id(reader, &step.object, id, sizeof id);
        rhi__print(session, "%s%s%s%s", id, step.name[0] ? " ." : "", step.name, i + 1 < path->objects.count ? " -> " : "\n");
    }
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
