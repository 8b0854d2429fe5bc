/* tree.c - grows and walks trees of references (see tree.h), breadth-first and without recursion.
 */
#include "questions/tree.h"
#include "questions/held.h"
#include "words/naming.h"

#include <string.h>

enum { LISTS_MAX = 10 /* the whole tree has at most so many times the rows of one list */ };

static rhi_branch *add_branch(rhi_tree *tree, const rhi_branch *branch)
{
    if (!rhi__array_reserve(&tree->branches, 1))
        return NULL;
    tree->branches.items[tree->branches.count] = *branch;
    return &tree->branches.items[tree->branches.count++];
}

rhi_error *rhi__tree_add_root(rhi_tree *tree, uint32_t index, const rhi_holder *row)
{
    rhi_branch root = {.index = index};
    if (row && !rhi__holder_copy(row, &root.row))
        return rhi__error_memory();
    root.is_repeated = index != RHI_NO_OBJECT && rhi__map_get(&tree->seen, index) != RHI_NOT_THERE;
    if (!add_branch(tree, &root)) {
        rhi__holder_clear(&root.row);
        return rhi__error_memory();
    }
    if (index != RHI_NO_OBJECT && !root.is_repeated &&
        !rhi__map_set(&tree->seen, index, (uint32_t)tree->branches.count - 1))
        return rhi__error_memory();
    return NULL;
}

/* ---- downwards ------------------------------------------------------------------------------ */

typedef struct below {
    rhi_tree *tree;
    uint64_t parent, met;
    bool out_of_memory;
} below;

/* Keeps the first half of a limit and, going round, the last. */
static bool add_below(void *context, const rhi_edge *edge)
{
    below *b = context;
    rhi_tree *tree = b->tree;
    rhi_branch branch = {.row = rhi__edge_holder(tree->reader, edge),
                         .index = edge->to,
                         .depth = tree->branches.items[b->parent].depth + 1};
    uint64_t n = b->met++, tail = tree->limit / 2;
    if (n < tree->limit) {
        b->out_of_memory = !add_branch(tree, &branch);
        tree->branches.items[b->parent].count += !b->out_of_memory;
    } else if (tail) {
        tree->branches.items[tree->branches.items[b->parent].first + (tree->limit - tail) +
                             (n - tree->limit) % tail] = branch;
    }
    return !b->out_of_memory;
}

/* The tail's oldest row lies where the next one would have gone. */
static bool straighten(rhi_tree *tree, rhi_branch *parent, uint64_t met)
{
    if (met <= tree->limit)
        return true;
    uint64_t tail = tree->limit / 2, head = tree->limit - tail,
             turn = tail ? (met - tree->limit) % tail : 0;
    rhi_branch *items = tree->branches.items + parent->first + head,
               *copy = malloc((tail + 1) * sizeof *copy);
    parent->gap = (uint32_t)head;
    parent->left_out = met - tree->limit;
    if (!copy)
        return false;
    memcpy(copy, items, tail * sizeof *copy);
    for (uint64_t i = 0; i < tail; i++)
        items[i] = copy[(turn + i) % tail];
    free(copy);
    return true;
}

static rhi_error *grow_down(rhi_tree *tree, uint64_t parent)
{
    below b = {.tree = tree, .parent = parent};
    tree->branches.items[parent].first = (uint32_t)tree->branches.count;
    rhi__each_edge(tree->session, tree->reader, tree->branches.items[parent].index, add_below, &b);
    return b.out_of_memory || !straighten(tree, &tree->branches.items[parent], b.met)
               ? rhi__error_memory()
               : NULL;
}

/* ---- upwards -------------------------------------------------------------------------------- */

typedef struct above {
    rhi_tree *tree;
    uint32_t target;
    uint64_t left; /* references of this source that are still to be met */
    uint64_t parent;
    bool out_of_memory;
} above;

static bool add_above(void *context, const rhi_edge *edge)
{
    above *a = context;
    if (edge->to != a->target || edge->field->kind == RHI_KIND_BORROWED)
        return true;
    rhi_branch branch = {.row = rhi__edge_holder(a->tree->reader, edge),
                         .index = edge->from,
                         .depth = a->tree->branches.items[a->parent].depth + 1};
    if (a->tree->branches.items[a->parent].count >= a->tree->limit)
        return false;
    a->out_of_memory = !add_branch(a->tree, &branch);
    a->tree->branches.items[a->parent].count += !a->out_of_memory;
    return --a->left > 0 && !a->out_of_memory;
}

static rhi_error *grow_up(rhi_tree *tree, uint64_t parent, const rhi_held *words)
{
    const rhi_graph *g = tree->graph;
    rhi_branch *p = &tree->branches.items[parent];
    above a = {.tree = tree, .target = p->index, .parent = parent};
    uint32_t e = g->referrer_start[a.target], end = g->referrer_start[a.target + 1];
    uint64_t total = end - e;
    p->first = (uint32_t)tree->branches.count;
    while (e < end && tree->branches.items[parent].count < tree->limit && !a.out_of_memory) {
        uint32_t from = g->referrer_from[e];
        for (a.left = 0; e < end && g->referrer_from[e] == from; e++)
            a.left++;
        rhi__each_edge(tree->session, tree->reader, from, add_above, &a);
    }
    for (uint64_t i = 0; words && i < words->rows.count && !a.out_of_memory; i++) {
        rhi_branch branch = {.row = words->rows.items[i],
                             .index = RHI_NO_OBJECT,
                             .depth = tree->branches.items[parent].depth + 1};
        if (branch.row.kind == RHI_HOLDER_FIELD)
            continue; /* the graph's are there already */
        total++;
        if (tree->branches.items[parent].count >= tree->limit)
            continue;
        a.out_of_memory = !add_branch(tree, &branch);
        tree->branches.items[parent].count += !a.out_of_memory;
    }
    p = &tree->branches.items[parent];
    p->gap = p->count;
    p->left_out = total - p->count;
    return a.out_of_memory ? rhi__error_memory() : NULL;
}

/* ---- level by level ------------------------------------------------------------------------- */

static bool may_grow(const rhi_tree *tree, const rhi_branch *branch)
{
    return branch->index != RHI_NO_OBJECT && !branch->is_repeated && !branch->row.weak &&
           branch->depth < tree->depth;
}

/* Marks the new children: which of their objects have branches elsewhere already? */
static bool mark_repeated(rhi_tree *tree, uint64_t from)
{
    for (uint64_t i = from; i < tree->branches.count; i++) {
        rhi_branch *branch = &tree->branches.items[i];
        if (branch->index == RHI_NO_OBJECT)
            continue;
        branch->is_repeated = rhi__map_get(&tree->seen, branch->index) != RHI_NOT_THERE;
        if (!branch->is_repeated && !branch->row.weak &&
            !rhi__map_set(&tree->seen, branch->index, (uint32_t)i))
            return false;
    }
    return true;
}

/* The words that hold objects of a level, for all of them in one scan. *held has a group per
 * branch. */
static rhi_error *find_words(rhi_tree *tree, uint64_t start, uint64_t end, rhi_held **held)
{
    rhi_selection selection = {
        .session = tree->session, .reader = tree->reader, .graph = tree->graph};
    uint64_t count = 0;
    *held = calloc(end - start + 1, sizeof **held);
    if (!*held)
        return rhi__error_memory();
    for (uint64_t i = start; i < end; i++)
        if (may_grow(tree, &tree->branches.items[i]))
            (*held)[count++] =
                (rhi_held){.cycle = RHI_NO_OBJECT, .index = tree->branches.items[i].index};
    return rhi__find_word_holders(&selection, *held, count, tree->limit);
}

static rhi_error *grow_level(rhi_tree *tree, uint64_t start, uint64_t end)
{
    uint64_t most = tree->limit > UINT32_MAX / LISTS_MAX ? UINT32_MAX : tree->limit * LISTS_MAX,
             group = 0;
    rhi_held *held = NULL;
    rhi_error *error = tree->upwards ? find_words(tree, start, end, &held) : NULL;
    for (uint64_t i = start; i < end && !error; i++) {
        if (!may_grow(tree, &tree->branches.items[i]))
            continue;
        const rhi_held *words = held ? &held[group++] : NULL;
        error = rhi__progress(&tree->session->work, "following references", i - start, end - start);
        if (tree->branches.count >= most) {
            uint32_t index = tree->branches.items[i].index;
            bool has_more =
                tree->upwards
                    ? tree->graph->referrer_start[index] < tree->graph->referrer_start[index + 1]
                    : tree->graph->edge_start[index] < tree->graph->edge_start[index + 1];
            tree->branches.items[i].is_cut = has_more;
            tree->cut += has_more;
            continue;
        }
        uint64_t before = tree->branches.count;
        if (!error)
            error = tree->upwards ? grow_up(tree, i, words) : grow_down(tree, i);
        if (!error && !mark_repeated(tree, before))
            error = rhi__error_memory();
    }
    for (uint64_t i = 0; held && i < end - start; i++)
        rhi__holders_free(&held[i].rows);
    free(held);
    return error;
}

/* Names the rows of an upward tree. */
static void name_rows(rhi_tree *tree, uint64_t from)
{
    rhi_holders rows = {0};
    if (from == tree->branches.count)
        return;
    if (!rhi__array_reserve(&rows, tree->branches.count - from)) {
        tree->reader->memory->is_short = true; /* said in the answer */
        return;
    }
    for (uint64_t i = from; i < tree->branches.count; i++)
        rows.items[rows.count++] = tree->branches.items[i].row;
    rhi__name_holders(tree->session, tree->reader, &rows, rows.count);
    for (uint64_t i = from; i < tree->branches.count; i++)
        tree->branches.items[i].row = rows.items[i - from];
    free(rows.items);
}

rhi_error *rhi__tree_grow(rhi_tree *tree)
{
    uint64_t roots = tree->branches.count;
    for (uint64_t start = 0, end; start < tree->branches.count; start = end) {
        end = tree->branches.count;
        RHI_TRY(grow_level(tree, start, end));
    }
    if (tree->upwards)
        name_rows(tree, roots);
    return NULL;
}

/* ---- walking -------------------------------------------------------------------------------- */

rhi_error *rhi__tree_walk(const rhi_tree *tree, uint32_t root,
                          void (*visit)(void *context, const rhi_tree_row *row), void *context)
{
    struct {
        struct {
            uint32_t branch, next;
        } * items;
        uint64_t count, capacity;
    } path = {0};
    struct {
        bool *items;
        uint64_t count, capacity;
    } rails = {0};
    bool ok = rhi__array_reserve(&path, 1);
    if (ok) {
        path.items[0].branch = root;
        path.items[path.count++].next = 0;
    }
    while (ok && path.count) {
        const rhi_branch *parent = &tree->branches.items[path.items[path.count - 1].branch];
        uint32_t next = path.items[path.count - 1].next++;
        bool is_gap = parent->left_out && next == parent->gap;
        uint32_t child = next - (parent->left_out && next > parent->gap),
                 rows = parent->count + (parent->left_out > 0);
        rails.count = path.count - 1;
        if (next >= rows) {
            path.count--;
            continue;
        }
        rhi_tree_row row = {
            .rails = rails.items, .level = (uint32_t)path.count - 1, .is_last = next + 1 == rows};
        row.branch = is_gap ? NULL : &tree->branches.items[parent->first + child];
        row.left_out = is_gap ? parent->left_out : 0;
        visit(context, &row);
        if (is_gap || row.branch->count + row.branch->left_out == 0)
            continue;
        ok = rhi__array_reserve(&path, 1) && rhi__array_reserve(&rails, 1);
        if (ok) {
            rails.items[rails.count++] = !row.is_last;
            path.items[path.count].branch = parent->first + child;
            path.items[path.count++].next = 0;
        }
    }
    free(path.items);
    free(rails.items);
    return ok ? NULL : rhi__error_memory();
}

void rhi__tree_free(rhi_tree *tree)
{
    for (uint64_t i = 0; i < tree->branches.count; i++)
        rhi__holder_clear(&tree->branches.items[i].row);
    free(tree->branches.items);
    rhi__map_free(&tree->seen);
}
