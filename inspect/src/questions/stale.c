/* stale.c - finds stale pointers (see stale.h).
 *
 * A word is looked at closely only where its target has no live bit or is suspect: that header
 * alone is then decoded. Invariant: `suspect` has every live bit behind which a tombstone may
 * lie, and every object with more references than counts. */
#include "questions/stale.h"
#include "program/symbols.h"
#include "base/array.h"
#include "graph/graph.h"
#include "graph/harm.h"
#include "heap/objects.h"
#include "words/naming.h"

#include <stdio.h>
#include <string.h>

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    rhi_stale *stale;
    uint64_t *suspect;
    bool has_suspects;
    rhi_holders stack; /* stack words, until they are named */
    rhi_holders roots; /* registered roots that hold an object's address */
    /* words that may be variables and hold a live object's address, until they are named */
    rhi_holders typed;
} search;

static void free_stale(void *value)
{
    rhi_stale *stale = value;
    if (!stale)
        return;
    rhi__holders_free(&stale->certain);
    rhi__holders_free(&stale->possible);
    rhi__notes_free(&stale->because);
    rhi__notes_free(&stale->remarks);
    free(stale);
}

/* ---- objects that need no closer look ------------------------------------------------------- */

/* Most objects have as many words with addresses of the heap as edges: each leads to an object that
 * is there. */
static bool needs_a_look(void *context, uint32_t index, const rhi_block *block,
                         const rhi_header *header, const uint8_t *bytes)
{
    search *s = context;
    const rhi_graph *g = s->graph;
    uint64_t low = s->reader->lowest, span = s->reader->highest - low;
    uint32_t words = 0, first = g->edge_start[index], end = g->edge_start[index + 1];
    if (!s->reader->plans[header->type].has_own_words)
        return true;
    for (uint64_t i = s->reader->heaps.items[block->heap].first_word; i + 8 <= block->slot_size;
         i += 8)
        words += rhi__load64(bytes + i) - low < span;
    bool any = words != end - first;
    for (uint32_t e = first; e < end && s->has_suspects && !any; e++)
        any = rhi__bit(s->suspect, g->edge_to[e]);
    return any;
}

/* ---- what a pointer points to --------------------------------------------------------------- */

/* The object whose count can be held against its references: live, at rest and counted. */
static bool is_counted(const search *s, const rhi_object *object)
{
    return object->state == RHI_LIVE && !object->immortal &&
           rhi__is_at_rest(s->reader, object->heap);
}

static bool is_suspect(void *context, uint64_t value)
{
    const search *s = context;
    const rhi_block *block = rhi__block_at(s->reader, value);
    if (!block)
        return false;
    uint64_t slot = rhi__slot_number(block, value);
    uint32_t index = rhi__slot_index(block, slot);
    return index == RHI_NO_OBJECT || rhi__bit(s->suspect, index) ||
           (s->reader->has_prefixes && rhi__slot_address(block, slot) != value);
}

/* Is memory of that format used again for anything, so that a slot which holds no object's address
 * led to one that is gone? */
static bool is_used_for_anything(const search *s, const rhi_holder *holder,
                                 const rhi_object *object)
{
    return holder->strong && !rhi__format_of(s->reader, object->heap)->has_serials &&
           (!rhi__is_object(object->state) || holder->value != object->address);
}

static bool target_of(const search *s, uint64_t value, rhi_object *object)
{
    const rhi_block *block = rhi__block_at(s->reader, value);
    return block && rhi__slot_at(s->reader, block, value, object);
}

static rhi_error *add(rhi_holders *rows, const rhi_holder *holder, uint64_t target)
{
    rhi_holder row = *holder;
    row.target = target;
    return rhi__collect_holder(rows, &row);
}

/* Lies the undeclared word behind what the object says is its end? It may be a leftover of an
 * earlier tenant of the slot, or an element of a tail whose length nothing tells. */
static bool is_behind_the_end(const search *s, const rhi_holder *holder)
{
    rhi_object object;
    return holder->kind == RHI_HOLDER_UNDECLARED && target_of(s, holder->from, &object) &&
           holder->address - holder->from >= rhi__object_size_at(s->reader, &object);
}

/* May a thread be changing that slot just now? */
static bool is_in_motion(const search *s, const rhi_holder *holder)
{
    rhi_object object;
    return holder->strong && target_of(s, holder->from, &object) &&
           rhi__may_hold(s->reader, &object, holder->value);
}

/* A slot or word of a managed object whose value is_suspect. A freed slot that is damaged may be
 * none. */
static rhi_error *judge_slot(void *context, const rhi_holder *holder)
{
    search *s = context;
    rhi_object object;
    uint32_t from = rhi__object_index(s->reader, holder->from);
    bool is_guess = (holder->field && holder->field->is_guess) ||
                    (from != RHI_NO_OBJECT && rhi__is_doubted(s->graph, from));
    if (!target_of(s, holder->value, &object))
        return NULL;
    if (object.state == RHI_FREED)
        return add(object.damaged || is_guess || is_behind_the_end(s, holder) ||
                           is_in_motion(s, holder)
                       ? &s->stale->possible
                       : &s->stale->certain,
                   holder, object.address);
    if (!is_guess && holder->in_live && is_used_for_anything(s, holder, &object))
        return add(is_in_motion(s, holder) ? &s->stale->possible : &s->stale->certain, holder,
                   holder->value);
    bool owns_one = holder->strong && !is_guess && holder->value == object.address;
    uint32_t index = rhi__object_index(s->reader, object.address);
    if (owns_one && is_counted(s, &object) && index != RHI_NO_OBJECT &&
        rhi__open_at_most(s->graph, index) < 0)
        return add(&s->stale->certain, holder, object.address);
    return NULL;
}

/* Does it hold a count in any case? */
static bool is_lasting_root(const search *s, const rhi_holder *word)
{
    return word->kind == RHI_HOLDER_ROOT && word->strong &&
           s->reader->roots.items[word->index].reach != RHI_ROOT_IN_PASSING;
}

/* In C a variable that holds no object any more should be NULL. What else holds objects leaves
 * addresses behind in tables and caches. */
static rhi_holders *rows_for(search *s, const rhi_holder *word, const rhi_object *object)
{
    bool is_root = word->kind == RHI_HOLDER_ROOT;
    if (is_root ? !is_lasting_root(s, word)
                : !rhi__format_of(s->reader, object->heap)->has_variables)
        return &s->stale->possible;
    switch (word->kind) {
    case RHI_HOLDER_STACK:
        return &s->stack;
    case RHI_HOLDER_REGISTER:
    case RHI_HOLDER_UNKNOWN:
        return &s->stale->possible;
    default:
        return &s->stale->certain;
    }
}

/* Keeps the first rows in the order of answers: which they are does not depend on the order of the
 * search. */
static void keep_first(search *s)
{
    rhi__sort_holders(&s->typed);
    if (s->typed.count > RHI_STALE_NAMED_MAX) {
        s->stale->types_not_asked += s->typed.count - RHI_STALE_NAMED_MAX;
        s->typed.count = RHI_STALE_NAMED_MAX; /* the others have no names to free yet */
    }
}

/* A word whose type debug info may tell, if it points to the start of a live object. */
static rhi_error *judge_type_later(search *s, const rhi_holder *holder)
{
    bool may_be_variable = holder->kind == RHI_HOLDER_STACK || holder->kind == RHI_HOLDER_GLOBAL ||
                           holder->kind == RHI_HOLDER_THREAD_LOCAL;
    uint32_t index = may_be_variable ? rhi__object_index(s->reader, holder->value) : RHI_NO_OBJECT;
    if (index == RHI_NO_OBJECT || rhi__object_address(s->reader, index) != holder->value)
        return NULL;
    if (s->typed.count >= 2 * RHI_STALE_NAMED_MAX)
        keep_first(s);
    return add(&s->typed, holder, holder->value);
}

static rhi_error *judge_word(void *context, const rhi_holder *holder)
{
    search *s = context;
    rhi_object object;
    bool is_root = is_lasting_root(s, holder);
    RHI_TRY(judge_type_later(s, holder));
    if ((!is_root && !is_suspect(s, holder->value)) || !target_of(s, holder->value, &object))
        return NULL;
    if (object.state == RHI_FREED)
        return add(object.damaged ? &s->stale->possible : rows_for(s, holder, &object), holder,
                   object.address);
    if (is_root && holder->value == object.address && is_counted(s, &object))
        return add(&s->roots, holder, object.address);
    return NULL;
}

/* ---- the search ----------------------------------------------------------------------------- */

static int target_order(const void *left, const void *right)
{
    const rhi_holder *a = left, *b = right;
    return a->target < b->target ? -1 : a->target > b->target;
}

/* Roots own a count each: of an object that has fewer left than roots, one root at least is stale.
 */
static rhi_error *judge_roots(search *s)
{
    rhi_holders *roots = &s->roots;
    if (roots->count)
        qsort(roots->items, roots->count, sizeof *roots->items, target_order);
    for (uint64_t first = 0, end; first < roots->count; first = end) {
        for (end = first;
             end < roots->count && roots->items[end].target == roots->items[first].target;)
            end++;
        uint32_t index = rhi__object_index(s->reader, roots->items[first].target);
        if (index == RHI_NO_OBJECT || rhi__open_at_most(s->graph, index) >= (int64_t)(end - first))
            continue;
        for (uint64_t i = first; i < end; i++)
            RHI_TRY(add(&s->stale->certain, &roots->items[i], roots->items[i].target));
    }
    return NULL;
}

/* Debug info tells variables from leftovers. */
static rhi_error *judge_stack_words(search *s)
{
    rhi__sort_holders(&s->stack);
    rhi__name_holders(s->session, s->reader, &s->stack, RHI_STALE_NAMED_MAX);
    s->stale->not_asked =
        s->stack.count > RHI_STALE_NAMED_MAX ? s->stack.count - RHI_STALE_NAMED_MAX : 0;
    for (uint64_t i = 0; i < s->stack.count; i++) {
        rhi_holder *row = &s->stack.items[i];
        RHI_TRY(
            add(row->variable && row->variable->is_local ? &s->stale->certain : &s->stale->possible,
                row, row->target));
        row->name = NULL; /* they have a new owner */
        row->variable = NULL;
    }
    return NULL;
}

/* "const struct node *" -> "node"; false if it is no pointer to a type with a name. */
static bool pointed_type(const char *text, char *name, size_t size)
{
    static const char *const left_out[] = {"const", "volatile", "restrict", "struct"};
    unsigned stars = 0, names = 0;
    while (*(text += strspn(text, " "))) {
        size_t length = strcspn(text, " *");
        if (length == 0) {
            stars++;
            text++;
            continue;
        }
        bool is_name = true;
        for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
            is_name = is_name &&
                      (strlen(left_out[i]) != length || memcmp(left_out[i], text, length) != 0);
        if (is_name && (names++ || stars || length >= size))
            return false;
        if (is_name)
            snprintf(name, size, "%.*s", (int)length, text);
        text += length;
    }
    return stars == 1 && names == 1;
}

bool rhi__is_of_another_type(rhi_session *session, const rhi_reader *reader,
                             const rhi_variable *variable, uint32_t type)
{
    char name[RHI_OWNER_SIZE];
    const char *found = rhi__type_name(reader, type);
    bool is_managed = false;
    if (type >= reader->types.count || !pointed_type(variable->type, name, sizeof name) ||
        strcmp(name, found) == 0)
        return false;
    for (uint64_t i = 0; i < reader->types.count && !is_managed; i++)
        is_managed = strcmp(reader->types.items[i].name, name) == 0;
    /* a struct that begins with it may be meant; and it is called as its type or in another way */
    return is_managed &&
           rhi__symbols_beginning(session->symbols, found, name) == RHI_BEGINS_OTHERWISE;
}

static rhi_error *judge_types(search *s)
{
    keep_first(s);
    rhi__name_holders(s->session, s->reader, &s->typed, s->typed.count);
    for (uint64_t i = 0; i < s->typed.count; i++) {
        rhi_holder *row = &s->typed.items[i];
        rhi_object object;
        RHI_TRY(rhi__progress(&s->session->work, "comparing types", i, s->typed.count));
        if (!row->variable || !target_of(s, row->target, &object) ||
            !rhi__is_object(object.state) ||
            !rhi__is_of_another_type(s->session, s->reader, row->variable, object.type))
            continue;
        RHI_TRY(add(&s->stale->certain, row, row->target));
        row->name = NULL; /* they have a new owner */
        row->variable = NULL;
    }
    return NULL;
}

static rhi_error *find_stale(search *s)
{
    const rhi_graph *g = s->graph;
    s->suspect = calloc((uint64_t)g->count / 64 + 1, sizeof *s->suspect);
    if (!s->suspect)
        return rhi__error_memory();
    for (uint32_t i = 0; i < g->count; i++)
        if (g->flags[i] & RHI_GRAPH_CORRUPT ||
            (!(g->flags[i] & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_DYING)) &&
             rhi__open_at_most(g, i) < 0)) {
            rhi__bit_set(s->suspect, i);
            s->has_suspects = true;
        }
    const rhi_slot_choice choice = {
        .is_worth = needs_a_look, .wanted = is_suspect, .visit = judge_slot, .context = s};
    RHI_TRY(rhi__each_slot_where(s->session, s->reader, &choice));
    RHI_TRY(rhi__each_word(s->session, s->reader, s->reader->lowest, s->reader->highest, judge_word,
                           s));
    RHI_TRY(rhi__missing_matters(s->session, s->reader));
    RHI_TRY(judge_roots(s));
    RHI_TRY(judge_stack_words(s));
    RHI_TRY(judge_types(s));
    rhi__sort_holders(&s->stale->certain);
    rhi__sort_holders(&s->stale->possible);
    RHI_TRY(rhi__tell_harm(&s->session->work, &s->session->notes, s->reader, false));
    rhi__say_left_out(s->session, &s->roots, 0);
    rhi__say_left_out(s->session, &s->stack, 0);
    rhi__say_left_out(s->session, &s->stale->certain, UINT64_MAX);
    rhi__say_left_out(s->session, &s->stale->possible, UINT64_MAX);
    rhi__notes_add(&s->stale->because, &s->session->notes);
    return s->stale->because.is_short ? rhi__error_memory() : NULL;
}

rhi_error *rhi__session_stale(rhi_session *session, rhi_stale **stale)
{
    *stale = rhi__kept(&session->kept, free_stale);
    if (!*stale) {
        search s = {.session = session, .stale = calloc(1, sizeof(rhi_stale))};
        rhi_notes others = rhi__notes_set_aside(&session->notes),
                  remarks = rhi__notes_set_aside(&session->remarks);
        rhi_error *error = s.stale ? rhi__session_reader(session, &s.reader) : rhi__error_memory();
        if (!error)
            error = rhi__session_graph(session, &s.graph);
        if (!error)
            error = find_stale(&s);
        if (!error)
            rhi__notes_add(&s.stale->remarks, &session->remarks);
        rhi__notes_put_back(&session->notes, &others);
        rhi__notes_put_back(&session->remarks, &remarks);
        free(s.suspect);
        rhi__holders_free(&s.stack);
        rhi__holders_free(&s.roots);
        rhi__holders_free(&s.typed);
        if (error) {
            free_stale(s.stale);
            return error;
        }
        RHI_TRY(rhi__keep(&session->kept, s.stale, free_stale));
        *stale = s.stale;
    }
    rhi__notes_add(&session->notes, &(*stale)->because);
    rhi__notes_add(&session->remarks, &(*stale)->remarks);
    return rhi__word_limits(session, session->reader);
}
