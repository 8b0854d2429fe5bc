/* gcgraph_text.c - the answer of `gcgraph` for people: trees around objects, cycles with a way
 * round each. */
#include "render/gcgraph.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/objects.h"
#include "render/value.h"
#include "render/holders.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <string.h>

typedef struct rhi_gcgraph answer;

/* ---- cycles --------------------------------------------------------------------------------- */

static void print_id(const answer *a, uint32_t index)
{
    char id[RHI_ID_SIZE];
    rhi__index_id(a->session, a->s.reader, index, id, sizeof id);
    rhi__print(a->session, "%s", rhi__styled(a->session, RHI_STYLE_ID, id));
}

/* "A#1 .other → B#2 .other → A#1": a way round from the cycle's first object. */
static void print_cycle_path(const answer *a, uint32_t cycle, const rhi_cycle_path *path)
{
    char name[RHI_NAME_SIZE + 32];
    for (uint64_t i = 0; i < path->count; i++) {
        const rhi_cycle_step *step = &path->steps[i];
        print_id(a, step->from);
        if (step->field)
            rhi__slot_name(step->field, step->element, name, sizeof name);
        rhi__print(a->session, "%s%s%s → ", step->field ? " " : "",
                   step->field ? rhi__dot_before(name) : "", step->field ? name : "");
    }
    if (path->left_out)
        rhi__print(a->session, "… %s%" PRIu64 " more … → ", path->is_at_least ? "at least " : "",
                   path->left_out);
    print_id(a, a->s.graph->cycle_member[a->s.graph->cycle_start[cycle]]);
}

const char *rhi__held_text(rhi_session *session, const rhi_held *held)
{
    return rhi__held_by_nobody(held) && held->rows.count ? ", by counts whose owner is not reached"
           : held->rows.count                            ? " by"
           : held->is_at_least                           ? ": too large to look for whom"
           : rhi__complete_so_far(session)
               ? ", by counts whose owner is lost"
               : ", by counts whose owner was not found: lost, or in memory that was not searched";
}

static void print_held(const answer *a, const rhi_held *held)
{
    rhi__print(a->session, "\n  %s from outside%s%s\n",
               rhi__styled(a->session, RHI_STYLE_HELD, "held"), rhi__held_text(a->session, held),
               held->rows.count ? ":" : "");
    for (uint64_t k = 0; k < held->rows.count; k++)
        rhi__holder_print(a->session, a->s.reader, &held->rows.items[k], "    ");
    if (held->total > held->rows.count)
        rhi__print(a->session, "    … %s%" PRIu64 " more (--limit=0 shows all)\n",
                   held->is_at_least ? "at least " : "", held->total - held->rows.count);
    else if (held->is_at_least)
        rhi__print(a->session, "    … and maybe more: not all of its members were looked at\n");
    if (rhi__held_by_nobody(held))
        rhi__print(a->session, "  next: gcleaks: %s\n",
                   rhi__complete_so_far(a->session) ? "what is lost with it"
                                                    : "what was not searched");
}

static void print_cycles(const answer *a)
{
    rhi__print(a->session, "%" PRIu64 " cycle%s, ", a->cycles_total, rhi__plural(a->cycles_total));
    if (a->cycles_total == 1)
        rhi__print(a->session, "%s\n", a->garbage_total ? "garbage" : "held");
    else
        rhi__print(a->session, "%" PRIu64 " of them garbage\n", a->garbage_total);
    for (uint64_t i = 0; i < a->cycles.count; i++) {
        uint32_t c = a->cycles.items[i], size = rhi__cycle_size(a->s.graph, c);
        rhi__print(a->session, "cycle of %" PRIu32 " object%s: ", size, size == 1 ? "" : "s");
        print_cycle_path(a, c, &a->cycle_paths[i]);
        if (rhi__cycle_is_garbage(a->s.graph, c))
            rhi__print(a->session, "\n  %s: every count comes from inside%s\n",
                       rhi__styled(a->session, RHI_STYLE_GARBAGE, "garbage"),
                       rhi__cycle_is_guessed(a->s.graph, c)
                           ? ", if words that nothing declares own what they hold"
                           : "");
        else
            print_held(a, &a->held[i]);
    }
    if (a->cycles_total > a->cycles.count)
        rhi__print(a->session, "… %" PRIu64 " more cycle%s (--limit=0 shows all)\n",
                   a->cycles_total - a->cycles.count,
                   rhi__plural(a->cycles_total - a->cycles.count));
}

/* ---- trees ---------------------------------------------------------------------------------- */

/* "A#1 rc=2", and in words what is unusual about it. */
static void print_object(const answer *a, uint32_t index)
{
    rhi_object object;
    char id[RHI_ID_SIZE], count[32];
    if (!rhi__object_at_index(a->session, a->s.reader, index, &object)) {
        rhi__print(a->session, "(unreadable)");
        return;
    }
    rhi__object_id(a->s.reader, &object, id, sizeof id);
    rhi__count_text(&object, count, sizeof count);
    rhi__print(a->session, "%s",
               rhi__styled(a->session,
                           rhi__is_asked_for(&a->s, index) ? RHI_STYLE_ASKED : RHI_STYLE_ID, id));
    if (object.immortal)
        rhi__print(a->session, " %s", rhi__styled(a->session, RHI_STYLE_IMMORTAL, "immortal"));
    else
        rhi__print(a->session, " rc=%s", count);
    if (strcmp(rhi__state_word(&object), "live") != 0)
        rhi__print(a->session, " %s", rhi__state_word(&object));
    enum rhi_cause cause = rhi__mark(&a->s, index);
    if (cause != RHI_CAUSE_NONE)
        rhi__print(a->session, " %s",
                   rhi__styled(a->session, RHI_STYLE_GARBAGE,
                               rhi__is_unreachable(a->s.graph, index) ? "garbage"
                                                                      : rhi__cause_word(cause)));
}

static void print_value(const answer *a, uint32_t index)
{
    rhi_object object;
    char value[RHI_VALUE_SIZE] = "";
    if (rhi__object_at_index(a->session, a->s.reader, index, &object))
        rhi__value(a->s.reader, &object, value);
    rhi__print(a->session, "%s", value);
}

static void print_below(void *context, const rhi_tree_row *row)
{
    enum { RAILS_MAX = 40 }; /* no deeper is it indented */
    const answer *a = context;
    char name[RHI_NAME_SIZE + 32], id[RHI_ID_SIZE];
    for (uint32_t i = row->level > RAILS_MAX ? row->level - RAILS_MAX : 0; i < row->level; i++)
        rhi__print(a->session, "%s", row->rails[i] ? "│  " : "   ");
    rhi__print(a->session, "%s", row->is_last ? "└─ " : "├─ ");
    if (!row->branch) {
        rhi__print(a->session, "… %" PRIu64 " more\n", row->left_out);
        return;
    }
    rhi__slot_name(row->branch->row.field, row->branch->row.element, name, sizeof name);
    rhi__print(a->session, "%s%s %s ", rhi__dot_before(name), name,
               row->branch->row.weak ? "⇢" : "→");
    if (row->branch->is_repeated) {
        rhi__index_id(a->session, a->s.reader, row->branch->index, id, sizeof id);
        rhi__print(a->session, "↺ %s\n",
                   rhi__styled(a->session,
                               rhi__is_asked_for(&a->s, row->branch->index) ? RHI_STYLE_ASKED
                                                                            : RHI_STYLE_ID,
                               id));
        return;
    }
    print_object(a, row->branch->index);
    bool is_strong = !row->branch->row.weak && !row->branch->row.field->is_guess;
    rhi__print(a->session, "%s%s", is_strong ? "" : " ",
               is_strong ? "" : rhi__strength_word(&row->branch->row));
    print_value(a, row->branch->index);
    rhi__print(a->session, "%s\n", row->branch->is_cut ? " …" : "");
}

static rhi_error *print_trees(const answer *a)
{
    for (uint32_t i = 0; i < a->roots; i++) {
        const rhi_branch *root = &a->above.branches.items[i];
        for (uint32_t k = 0; k < root->count; k++)
            rhi__holder_print(a->session, a->s.reader,
                              &a->above.branches.items[root->first + k].row, k ? "├─ " : "┌─ ");
        if (root->left_out)
            rhi__print(a->session, "├─ … %" PRIu64 " more hold it (--limit=0 shows all)\n",
                       root->left_out);
        if (root->is_cut)
            rhi__print(a->session, "┌─ … who holds it is left out: --limit=0 shows all\n");
        rhi__print(a->session, "* ");
        print_object(a, root->index);
        rhi__print(a->session, " at 0x%" PRIx64 "%s", rhi__object_address(a->s.reader, root->index),
                   rhi__is_unreachable(a->s.graph, root->index) ? ": not reachable from outside"
                                                                : "");
        print_value(a, root->index);
        rhi__print(a->session, "\n");
        RHI_TRY(rhi__tree_walk(&a->below, i, print_below, (void *)a));
    }
    if (a->below.cut)
        rhi__print(a->session,
                   "… what %" PRIu64 " of these hold is left out (--limit=0 shows all)\n",
                   a->below.cut);
    return NULL;
}

/* "  1666670 references to type@0x1c <class 'app.Node'>" */
static void print_left_out(const answer *a, uint32_t count, const char *where, uint32_t index)
{
    if (count == 0)
        return;
    rhi__print(a->session, "  %" PRIu32 " reference%s %s ", count, rhi__plural(count), where);
    print_id(a, index);
    print_value(a, index);
    rhi__print(a->session, "\n");
}

/* Which references were not followed. */
static void print_hubs(const answer *a)
{
    uint64_t shown = a->s.hubs.count < a->asked.limit ? a->s.hubs.count : a->asked.limit;
    if (a->s.hubs.count)
        rhi__print(a->session, "not followed (--limit=0 follows all):\n");
    for (uint64_t i = 0; i < shown; i++) {
        print_left_out(a, a->s.hubs.items[i].to, "to", a->s.hubs.items[i].index);
        print_left_out(a, a->s.hubs.items[i].from, "from", a->s.hubs.items[i].index);
    }
    rhi__print_more(a->session, "  ", a->s.hubs.count - shown, "object");
}

rhi_error *rhi__gcgraph_text(const rhi_gcgraph *a, const rhi_picture_files *drawn)
{
    RHI_TRY(print_trees(a));
    print_hubs(a);
    print_cycles(a);
    rhi__print_provisional(a->session);
    if (drawn->dot)
        rhi__print(a->session, "wrote %s\n", drawn->dot);
    if (drawn->svg)
        rhi__print(a->session, "drew %s\n", drawn->svg);
    if (a->picture.left_out)
        rhi__print(a->session,
                   "the picture leaves %" PRIu64 " object%s out: it shows the %d nearest\n",
                   a->picture.left_out, rhi__plural(a->picture.left_out), RHI_DRAWN_MAX);
    if (a->picture.edges_left_out)
        rhi__print(a->session,
                   "the picture leaves %" PRIu64 " reference%s between its objects out\n",
                   a->picture.edges_left_out, rhi__plural(a->picture.edges_left_out));
    rhi__print_incomplete(a->session);
    return NULL;
}
