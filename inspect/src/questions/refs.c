/* refs.c - gathers who holds an object, what it holds, and whether that explains its count (see
 * refs.h). */
#include "questions/refs.h"
#include "base/array.h"
#include "graph/harm.h"
#include "questions/expression.h"
#include "questions/objects.h"
#include "session/resolve.h"
#include "words/asked.h"
#include "words/naming.h"
#include "words/owners.h"

typedef struct rhi_refs answer;

enum { REFERENTS_MAX = 1 << 22 };

static bool add_referent(void *context, const rhi_slot *slot)
{
    answer *a = context;
    if (slot->field->kind != RHI_KIND_STRONG && !a->asked.weak)
        return true;
    if (a->referents.total++ >= a->asked.limit || a->referents.count == REFERENTS_MAX)
        return true;
    a->out_of_memory = !rhi__array_reserve(&a->referents, 1);
    if (!a->out_of_memory)
        a->referents.items[a->referents.count++] =
            (rhi_refs_slot){.value = slot->value, .element = slot->element, .field = slot->field};
    return !a->out_of_memory;
}

static rhi_error *gather_referents(answer *a)
{
    rhi_scratch scratch = {0};
    const uint8_t *bytes = rhi__whole_object(a->reader, &a->object, &scratch);
    if (bytes)
        rhi__each_slot(a->reader, &a->object, bytes, add_referent, a);
    rhi__scratch_free(&scratch);
    if (a->referents.count == REFERENTS_MAX && a->referents.total < a->asked.limit)
        rhi__note(&a->session->notes, "the object holds more than is shown");
    return a->out_of_memory ? rhi__error_memory() : NULL;
}

/* Who holds the holders: the rows that are printed are the roots of a tree. */
static rhi_error *gather_above(answer *a)
{
    rhi_graph *graph;
    RHI_TRY(rhi__session_graph(a->session, &graph));
    RHI_TRY(rhi__graph_referrers(&a->session->work, graph));
    a->tree = (rhi_tree){.session = a->session,
                         .reader = a->reader,
                         .graph = graph,
                         .upwards = true,
                         .depth = a->asked.depth - 1,
                         .limit = a->asked.limit};
    if (!rhi__map_set(&a->tree.seen, rhi__object_index(a->reader, a->object.address), 0))
        return rhi__error_memory();
    for (uint64_t i = 0; i < a->holders.count && i < a->asked.limit; i++) {
        const rhi_holder *row = &a->holders.items[i];
        uint32_t from = row->kind == RHI_HOLDER_FIELD && row->strong
                            ? rhi__object_index(a->reader, row->from)
                            : RHI_NO_OBJECT;
        RHI_TRY(rhi__tree_add_root(&a->tree, from, row));
    }
    return rhi__tree_grow(&a->tree);
}

static rhi_error *gather_referrers(answer *a)
{
    rhi_graph *graph;
    unsigned wanted = a->asked.weak ? RHI_HOLDERS_WEAK : 0;
    /* it is needed anyhow: then it tells which holders are garbage, too. What a session happens to
     * know changes no order: the same question has the same answer everywhere. */
    if (a->asked.path || a->asked.depth > 1) {
        RHI_TRY(rhi__session_graph(a->session, &graph));
        wanted |= RHI_HOLDERS_GARBAGE_LAST;
    }
    RHI_TRY(rhi__who_holds(a->session, a->reader, &a->object, wanted, &a->holders));
    rhi__say_left_out(a->session, &a->holders, a->asked.limit);
    RHI_TRY(rhi__add_packed_holders(a->session, a->reader, &a->object, &a->holders));
    rhi__name_holders(a->session, a->reader, &a->holders, a->asked.limit);
    if (a->asked.depth > 1)
        RHI_TRY(gather_above(a));
    return NULL;
}

static rhi_error *gather_path(answer *a)
{
    RHI_TRY(rhi__path_find(a->session, a->reader, a->object.address, &a->path));
    rhi__path_express(a->session, a->reader, &a->path);
    return NULL;
}

/* What the variables are by which code reaches it, and what that code does with them. */
static rhi_error *gather_uses(answer *a)
{
    if (a->asked.path)
        RHI_TRY(rhi__uses_of_path(a->session, a->reader, &a->path, &a->uses));
    if (a->asked.in)
        RHI_TRY(rhi__uses_of_holders(a->reader, &a->holders, a->asked.limit, &a->uses));
    return rhi__uses_find(a->session, a->reader, &a->uses);
}

rhi_error *rhi__refs(rhi_session *session, const rhi_refs_asked *asked, answer *a)
{
    *a = (answer){.session = session, .asked = *asked};
    RHI_TRY(rhi__session_reader(session, &a->reader));
    RHI_TRY(rhi__resolve_object(session, a->reader, asked->operand, &a->object));
    if (asked->in)
        RHI_TRY(gather_referrers(a));
    if (asked->out)
        RHI_TRY(gather_referents(a));
    if (asked->path)
        RHI_TRY(gather_path(a));
    RHI_TRY(gather_uses(a));
    if (asked->pairs)
        RHI_TRY(rhi__pairs(session, a->reader, &a->object, &a->pairs));
    if (asked->in && asked->weak)
        RHI_TRY(rhi__tell_harm(&session->work, &session->notes, a->reader, true));
    /* with a verdict if there is a graph by now */
    RHI_TRY(rhi__ledger(session, a->reader, &a->object, &a->holders, &a->ledger));
    return asked->in && !a->ledger.immortal && a->ledger.unexplained > 0
               ? rhi__owner_not_found(session, a->reader)
               : NULL;
}

void rhi__refs_free(answer *a)
{
    rhi__tree_free(&a->tree);
    rhi__holders_free(&a->holders);
    free(a->referents.items);
    rhi__pairs_free(&a->pairs);
    rhi__path_free(&a->path);
    rhi__uses_free(&a->uses);
}
