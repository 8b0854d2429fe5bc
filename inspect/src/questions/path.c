/* path.c - finds the path from a root to an object (see path.h).
 *
 * Breadth-first from the object towards its referrers. Only an object with counts that no field
 * explains, an immortal or a dying one can begin a path: a word that merely remembers an address
 * holds nothing. */
#include "questions/path.h"
#include "base/array.h"
#include "words/owners.h"
#include "questions/selection.h"
#include "heap/objects.h"
#include "words/naming.h"

#include <string.h>

/* How good a word is as a beginning; the smaller the better. By its class alone, which every door
 * tells alike: what debug info knows of it changes nothing, so a word of a stack is as good as a
 * local. */
static const uint8_t ranks[] = {
    [RHI_HOLDER_ROOT] = 0,       [RHI_HOLDER_GLOBAL] = 1,   [RHI_HOLDER_THREAD_LOCAL] = 2,
    [RHI_HOLDER_STACK] = 3,      [RHI_HOLDER_REGISTER] = 4, [RHI_HOLDER_FOREIGN] = 5,
    [RHI_HOLDER_UNDECLARED] = 6, [RHI_HOLDER_UNKNOWN] = 7,  [RHI_HOLDER_KERNEL] = 7};
_Static_assert(sizeof ranks == RHI_HOLDER_IMMORTAL, "a rank for each kind of word");
/* How good an object is as a beginning, by its best word: what lasts as long as the program or
 * its thread before a word of a stack, which may be a leftover. */
enum {
    BY_NAME /* the program's own language leads there */,
    LASTING,
    IN_CALL /* a root in a frame: it is no leftover */,
    STACK,
    REGISTER,
    SOME_WORD,
    UNREACHED /* in a block that nothing reaches */,
    NO_WORD,
    BEGINNINGS
};
enum { BLOCKS_SHOWN = 10 /* at each end of a long chain of malloc's blocks */ };

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    uint8_t *held;                  /* by object: 1 << VARIABLE and so on */
    uint32_t *next;                 /* towards the asked-for object; RHI_NO_OBJECT: not met */
    uint32_t *queue, met;           /* objects in the order they were met */
    uint32_t beginning[BEGINNINGS]; /* the first met of each kind */
    int best;                       /* the search ends with the first beginning of this kind */
} search;

static int beginning_of(const rhi_reader *reader, const rhi_holder *holder)
{
    if (holder->kind == RHI_HOLDER_ROOT) {
        uint8_t reach = reader->roots.items[holder->index].reach;
        return reach == RHI_ROOT_BY_NAME   ? BY_NAME
               : reach == RHI_ROOT_LASTS   ? LASTING
               : reach == RHI_ROOT_IN_CALL ? IN_CALL
                                           : STACK;
    }
    return holder->kind == RHI_HOLDER_REGISTER              ? REGISTER
           : ranks[holder->kind] < ranks[RHI_HOLDER_STACK]  ? LASTING
           : ranks[holder->kind] == ranks[RHI_HOLDER_STACK] ? STACK
                                                            : SOME_WORD;
}

static rhi_error *note_word(void *context, const rhi_holder *holder)
{
    search *s = context;
    uint32_t index = rhi__object_index(s->reader, holder->value);
    if (index >= s->graph->count)
        return NULL;
    int beginning = beginning_of(s->reader, holder);
    if (holder->kind == RHI_HOLDER_FOREIGN) {
        rhi_malloc_graph *blocks;
        RHI_TRY(rhi__session_malloc_graph(s->session, s->reader, &blocks));
        beginning = rhi__malloc_is_reached(blocks, rhi__malloc_number(blocks, holder->address))
                        ? SOME_WORD
                        : UNREACHED;
    }
    s->held[index] |= (uint8_t)(1 << beginning);
    return NULL;
}

static void note_beginning(search *s, uint32_t i)
{
    int best = BY_NAME;
    if (!rhi__is_held_outside(s->graph, i))
        return;
    while (best < NO_WORD && !(s->held[i] & 1 << best))
        best++;
    if (s->beginning[best] == RHI_NO_OBJECT)
        s->beginning[best] = i;
}

/* Ends at the first beginning of the best kind that there is, or when all that leads to the object
 * has been met. */
static rhi_error *walk(search *s, uint32_t start)
{
    const rhi_graph *graph = s->graph;
    uint32_t head = 0;
    s->next[start] = start;
    s->queue[s->met++] = start;
    while (head < s->met && s->beginning[s->best] == RHI_NO_OBJECT) {
        uint32_t i = s->queue[head++];
        note_beginning(s, i);
        if (head % 65536 == 0)
            RHI_TRY(rhi__progress(&s->session->work, "looking for a path", head, graph->count));
        for (uint32_t e = graph->referrer_start[i]; e < graph->referrer_start[i + 1]; e++)
            if (s->next[graph->referrer_from[e]] == RHI_NO_OBJECT) {
                s->next[graph->referrer_from[e]] = i;
                s->queue[s->met++] = graph->referrer_from[e];
            }
    }
    return NULL;
}

/* Was nothing met that a variable or a register may hold? */
static bool has_words_only(const search *s)
{
    for (int kind = BY_NAME; kind <= REGISTER; kind++)
        if (s->beginning[kind] != RHI_NO_OBJECT)
            return false;
    return true;
}

/* Once more words were noted. Everything that leads to the object has been met by then. */
static void note_beginnings(search *s)
{
    memset(s->beginning, 0xff, sizeof s->beginning);
    for (uint32_t i = 0; i < s->met; i++)
        note_beginning(s, s->queue[i]);
}

/* What is held neither by a variable nor by a register: perhaps by a word that no field declares?
 */
static rhi_error *note_undeclared(search *s)
{
    RHI_TRY(rhi__each_kept_undeclared(s->session, s->reader, s->reader->lowest, s->reader->highest,
                                      note_word, s));
    note_beginnings(s);
    return NULL;
}

/* Nor by that: perhaps by a word of a packed struct? */
static rhi_error *note_packed(search *s)
{
    RHI_TRY(rhi__each_packed_word(s->session, s->reader, s->reader->lowest, s->reader->highest,
                                  note_word, s));
    note_beginnings(s);
    return NULL;
}

/* Where only blocks are left that no root reaches through blocks alone: perhaps objects reach them?
 */
static rhi_error *note_reached_by_objects(search *s)
{
    rhi_owners *owners;
    RHI_TRY(rhi__session_owners(s->session, s->reader, true, &owners));
    RHI_TRY(
        rhi__each_word(s->session, s->reader, s->reader->lowest, s->reader->highest, note_word, s));
    return note_packed(s);
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
    s->best = LASTING;
    for (uint64_t i = 0; i < s->reader->roots.count && s->best == LASTING; i++)
        if (s->reader->roots.items[i].reach == RHI_ROOT_BY_NAME)
            s->best = BY_NAME;
    RHI_TRY(
        rhi__each_word(s->session, s->reader, s->reader->lowest, s->reader->highest, note_word, s));
    RHI_TRY(walk(s, start));
    if (has_words_only(s))
        RHI_TRY(note_undeclared(s));
    if (has_words_only(s) && s->beginning[SOME_WORD] == RHI_NO_OBJECT &&
        s->beginning[UNREACHED] == RHI_NO_OBJECT)
        RHI_TRY(note_packed(s));
    if (s->beginning[UNREACHED] != RHI_NO_OBJECT && has_words_only(s) &&
        s->beginning[SOME_WORD] == RHI_NO_OBJECT)
        RHI_TRY(note_reached_by_objects(s));
    uint32_t found = RHI_NO_OBJECT;
    for (int kind = BY_NAME; kind < BEGINNINGS && found == RHI_NO_OBJECT; kind++)
        found = s->beginning[kind];
    for (uint32_t i = found; i != RHI_NO_OBJECT; i = i == start ? RHI_NO_OBJECT : s->next[i]) {
        if (!rhi__array_reserve(&path->objects, 1))
            return rhi__error_memory();
        path->objects.items[path->objects.count++] = i;
    }
    if (found != RHI_NO_OBJECT && s->beginning[NO_WORD] == found &&
        !(s->graph->flags[found] & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_DYING)))
        RHI_TRY(rhi__owner_not_found(s->session, s->reader));
    if (found != RHI_NO_OBJECT)
        path->why = s->graph->flags[found] & RHI_GRAPH_IMMORTAL  ? "immortal"
                    : s->graph->flags[found] & RHI_GRAPH_DYING   ? "dying"
                    : s->graph->flags[found] & RHI_GRAPH_HELD    ? "held by the runtime"
                    : s->graph->flags[found] & RHI_GRAPH_DAMAGED ? "damaged"
                                                                 : "unknown holder";
    return NULL;
}

/* ---- the root ------------------------------------------------------------------------------- */

/* Roots by what they are. */
static int rank_of(const rhi_reader *reader, const rhi_holder *word)
{
    enum { EACH = 4 };
    int rank = ranks[word->kind] * EACH;
    if (word->kind == RHI_HOLDER_ROOT)
        switch (reader->roots.items[word->index].reach) {
        case RHI_ROOT_BY_NAME:
            return -1;
        case RHI_ROOT_IN_CALL:
            return ranks[RHI_HOLDER_STACK] * EACH - 2;
        case RHI_ROOT_IN_PASSING:
            return ranks[RHI_HOLDER_STACK] * EACH - 1;
        default:
            break;
        }
    return rank;
}

/* By class; then one that points to the object's start, which an expression can use; then by
 * address, on a stack the last: what an outer frame has, inner ones have in passing, in words
 * that nothing names. */
static bool is_better(const rhi_reader *reader, const rhi_holder *one, const rhi_holder *other)
{
    bool starts = one->value == one->target, other_starts = other->value == other->target;
    if ((one->reach == RHI_REACH_NO) != (other->reach == RHI_REACH_NO))
        return other->reach == RHI_REACH_NO;
    if (rank_of(reader, one) != rank_of(reader, other))
        return rank_of(reader, one) < rank_of(reader, other);
    if (starts != other_starts)
        return starts;
    return one->kind == RHI_HOLDER_STACK ? one->address > other->address
                                         : one->address < other->address;
}

/* ---- blocks of malloc on the way ------------------------------------------------------------ */

/* The best word outside of blocks that leads to the block; false: there is none. */
static rhi_error *find_word_to(rhi_session *session, rhi_reader *reader, const rhi_malloc *malloc,
                               uint64_t start, uint64_t end, rhi_holder *word, bool *found)
{
    rhi_holders words = {0};
    rhi_error *error = rhi__each_word_masked(session, reader, start, end, RHI_POINTER_MASK,
                                             rhi__collect_holder, &words);
    *found = false;
    for (uint64_t i = 0; i < words.count && !error; i++) {
        words.items[i].target = words.items[i].value; /* where to in the block does not matter */
        if (words.items[i].kind == RHI_HOLDER_FOREIGN ||
            rhi__malloc_is_arena(malloc, words.items[i].address) ||
            (*found && !is_better(reader, &words.items[i], word)))
            continue;
        *word = words.items[i];
        *found = true;
    }
    free(words.items); /* they have no names yet */
    return error;
}

typedef struct leading {
    rhi_holder *word;
    bool found;
} leading;

static rhi_error *take_first(void *context, const rhi_holder *holder)
{
    leading *l = context;
    if (!l->found) {
        *l->word = *holder;
        l->word->target = holder->value;
    }
    l->found = true;
    return NULL;
}

/* The first word of the block that leads into [start, end). */
static bool word_in_block(rhi_window *window, uint64_t base, uint64_t end, uint64_t low,
                          uint64_t high, rhi_holder *word)
{
    for (uint64_t at = base; at + 8 <= end; at += 8) {
        uint64_t value;
        if (!rhi__window_u64(window, at, &value) || (value & RHI_POINTER_MASK) - low >= high - low)
            continue;
        *word = (rhi_holder){.kind = RHI_HOLDER_FOREIGN,
                             .address = at,
                             .value = value,
                             .target = value,
                             .base = base,
                             .reach = RHI_REACH_YES};
        return true;
    }
    return false;
}

/* The words that lead from each block of the chain to the next: of a long chain at its two ends. */
static rhi_error *add_steps(rhi_reader *reader, const rhi_malloc_graph *blocks,
                            const rhi_numbers *chain, rhi_path *path)
{
    rhi_window window = {.memory = reader->memory, .step = 4096};
    uint64_t start, end, low, high, steps = chain->count - 1;
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < steps && !error; i++) {
        rhi_holder word;
        if (steps > 2 * BLOCKS_SHOWN && i == BLOCKS_SHOWN) {
            path->gap = path->words.count;
            path->left_out = steps - 2 * BLOCKS_SHOWN;
            i = steps - BLOCKS_SHOWN;
        }
        rhi__malloc_range(blocks, chain->items[i], &start, &end);
        rhi__malloc_range(blocks, chain->items[i + 1], &low, &high);
        if (word_in_block(&window, start, end, low, high + 8, &word))
            error = rhi__collect_holder(&path->words, &word);
    }
    rhi__scratch_free(&window.scratch);
    return error;
}

/* Bits of the blocks that objects lead to which something holds. */
static rhi_error *blocks_of_objects(rhi_session *session, rhi_reader *reader,
                                    const rhi_malloc_graph *blocks, uint64_t **bits)
{
    rhi_owners *owners;
    RHI_TRY(rhi__session_owners(session, reader, true, &owners));
    *bits = rhi__malloc_bits(blocks);
    if (!*bits)
        return rhi__error_memory();
    for (uint64_t i = 0; i < owners->refs.count; i++)
        if (rhi__bit(owners->held, owners->refs.items[i].from))
            rhi__bit_set(*bits, owners->refs.items[i].to);
    return NULL;
}

/* Puts what leads to the first block, and from each block to the next, before the word that the
 * path has. */
static rhi_error *add_chain(rhi_session *session, rhi_reader *reader,
                            const rhi_malloc_graph *blocks, const rhi_numbers *chain,
                            rhi_path *path)
{
    uint64_t start, end;
    rhi_holder last = path->words.items[0], word;
    bool found;
    rhi__malloc_range(blocks, chain->items[0], &start, &end);
    RHI_TRY(find_word_to(session, reader, blocks->map->malloc, start, end, &word, &found));
    if (!found) {
        leading l = {&word, false};
        RHI_TRY(rhi__each_word_of_objects(session, reader, start, end, RHI_POINTER_MASK, take_first,
                                          &l));
        found = l.found;
    }
    path->words.count = 0;
    if (found)
        RHI_TRY(rhi__collect_holder(&path->words, &word));
    RHI_TRY(add_steps(reader, blocks, chain, path));
    return rhi__collect_holder(&path->words, &last);
}

static rhi_error *find_way_through_blocks(rhi_session *session, rhi_reader *reader, rhi_path *path)
{
    rhi_malloc_graph *blocks;
    rhi_numbers chain = {0};
    uint64_t *others = NULL;
    RHI_TRY(rhi__session_malloc_graph(session, reader, &blocks));
    uint32_t number = rhi__malloc_number(blocks, path->words.items[0].address);
    rhi_error *error = rhi__malloc_chain(&session->work, blocks, number, NULL, &chain);
    if (!error && chain.count == 0 && number != RHI_NO_BLOCK)
        error = blocks_of_objects(session, reader, blocks, &others);
    if (!error && others)
        error = rhi__malloc_chain(&session->work, blocks, number, others, &chain);
    if (!error && chain.count)
        error = add_chain(session, reader, blocks, &chain, path);
    free(others);
    free(chain.items);
    return error;
}

/* Which word holds the first object of the path? It is the only one that is kept and named. */
static rhi_error *find_root(rhi_session *session, rhi_reader *reader, rhi_path *path)
{
    uint64_t low = rhi__object_address(reader, path->objects.items[0]),
             high = rhi__slot_end(reader, low), best = 0;
    rhi_holders *words = &path->words;
    if (!high)
        return rhi__error("the heap changed while it was read: ask again");
    RHI_TRY(rhi__each_word(session, reader, low, high, rhi__collect_holder, words));
    bool is_settled = false;
    for (uint64_t i = 0; i < words->count; i++)
        is_settled |= ranks[words->items[i].kind] < ranks[RHI_HOLDER_UNDECLARED];
    if (!is_settled)
        RHI_TRY(rhi__each_kept_undeclared(session, reader, low, high, rhi__collect_holder, words));
    if (!words->count)
        RHI_TRY(rhi__each_packed_word(session, reader, low, high, rhi__collect_holder, words));
    rhi__sort_holders(words);
    rhi__say_left_out(session, words, 0);
    RHI_TRY(rhi__judge_holders(session, reader, words));
    for (uint64_t i = 0; i < words->count; i++) {
        words->items[i].target = low;
        if (is_better(reader, &words->items[i], &words->items[best]))
            best = i;
    }
    path->has_root = words->count > 0;
    if (!path->has_root)
        return NULL;
    words->items[0] = words->items[best];
    words->count = 1;
    if (words->items[0].kind == RHI_HOLDER_UNDECLARED)
        rhi__check_undeclared(session, reader, &words->items[0]);
    if (words->items[0].reach == RHI_REACH_YES)
        RHI_TRY(find_way_through_blocks(session, reader, path));
    rhi__name_holders(session, reader, words, words->count);
    path->root = words->items[words->count - 1];
    return NULL;
}

rhi_error *rhi__path_find(rhi_session *session, rhi_reader *reader, uint64_t address,
                          rhi_path *path)
{
    search s = {.session = session, .reader = reader};
    RHI_TRY(rhi__session_graph(session, &s.graph));
    RHI_TRY(rhi__graph_referrers(&session->work, s.graph));
    uint32_t start = rhi__object_index(reader, address);
    rhi_error *error = start < s.graph->count
                           ? run_search(&s, start, path)
                           : rhi__error("the heap changed while it was read: ask again");
    free(s.held);
    free(s.next);
    free(s.queue);
    if (!error && path->objects.count)
        error = find_root(session, reader, path);
    return error;
}

void rhi__path_free(rhi_path *path)
{
    free(path->objects.items);
    rhi__holders_free(&path->words);
    free(path->expression);
    free(path->in_language);
    *path = (rhi_path){0};
}

/* ---- steps ---------------------------------------------------------------------------------- */

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
    if (!rhi__place_of(reader, rhi__object_address(reader, path->objects.items[i]), &place,
                       &step->object))
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
