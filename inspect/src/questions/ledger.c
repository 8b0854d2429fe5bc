/* ledger.c - what explains an object's count (see ledger.h). Invariant: stored = fields + roots +
 * unexplained, and the runtime's own count is one of the roots. Words that were found may be the
 * owners of counts that nothing exact explains, the likeliest first; the others only remember the
 * object. */
#include "questions/ledger.h"
#include "graph/graph.h"
#include "graph/harm.h"
#include "program/symbols.h"
#include "words/owners.h"
#include "words/words.h"

static enum rhi_ledger_class class_of(const rhi_holder *holder)
{
    switch (holder->kind) {
    case RHI_HOLDER_UNDECLARED:
        return RHI_LEDGER_UNDECLARED;
    case RHI_HOLDER_ROOT: /* one that is guessed */
        return RHI_LEDGER_LOCAL;
    case RHI_HOLDER_REGISTER:
        return RHI_LEDGER_REGISTER;
    case RHI_HOLDER_STACK:
        return (holder->variable && holder->variable->is_local) ? RHI_LEDGER_LOCAL
                                                                : RHI_LEDGER_STACK;
    case RHI_HOLDER_GLOBAL:
        return RHI_LEDGER_GLOBAL;
    case RHI_HOLDER_THREAD_LOCAL:
        return RHI_LEDGER_THREAD_LOCAL;
    case RHI_HOLDER_FOREIGN:
        return holder->reach > RHI_REACH_YES ? RHI_LEDGER_UNREACHED : RHI_LEDGER_FOREIGN;
    default:
        return RHI_LEDGER_OTHER;
    }
}

/* The likeliest words are the owners of counts, as many as there are open counts. */
static void choose_owners(rhi_ledger *ledger, uint64_t count)
{
    ledger->surplus = ledger->words - count;
    for (int i = 0; i < RHI_LEDGER_CLASSES; i++) {
        ledger->owners[i] = ledger->classes[i] < count ? ledger->classes[i] : count;
        ledger->others[i] = ledger->classes[i] - ledger->owners[i];
        count -= ledger->owners[i];
    }
}

/* Where more holds the object than it has counts: which of the fields lie in what need not be an
 * object? */
static rhi_error *doubt_fields(rhi_session *session, const rhi_reader *reader,
                               const rhi_holders *holders, rhi_ledger *ledger)
{
    rhi_graph *graph;
    RHI_TRY(rhi__session_graph(session, &graph));
    for (uint64_t i = 0; i < holders->count && graph->doubted; i++) {
        const rhi_holder *holder = &holders->items[i];
        uint32_t from = holder->kind == RHI_HOLDER_FIELD && holder->strong && holder->in_live &&
                                !holder->field->is_guess
                            ? rhi__object_index(reader, holder->from)
                            : RHI_NO_OBJECT;
        ledger->doubted += from != RHI_NO_OBJECT && rhi__is_doubted(graph, from);
    }
    return NULL;
}

rhi_error *rhi__ledger(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                       const rhi_holders *holders, rhi_ledger *ledger)
{
    *ledger = (rhi_ledger){.stored = object->count,
                           .immortal = object->immortal,
                           .runtime = object->held,
                           .root_word = rhi__format_of(reader, object->heap)->root_word,
                           .phase = reader->heaps.items[object->heap].phase,
                           .provisional = !rhi__is_at_rest(reader, object->heap)};
    for (uint64_t i = 0; i < holders->count; i++) {
        const rhi_holder *holder = &holders->items[i];
        if (holder->kind == RHI_HOLDER_FIELD) {
            ledger->fields += holder->strong && holder->in_live;
            ledger->guessed += holder->in_live && holder->field->is_guess;
        } else if (holder->kind == RHI_HOLDER_ROOT && holder->strong) {
            ledger->exact += holder->value == object->address;
        } else {
            ledger->words++;
            ledger->classes[class_of(holder)]++;
        }
    }
    ledger->fields += holders->left_out.fields;
    ledger->words += holders->left_out.others;
    ledger->classes[RHI_LEDGER_OTHER] += holders->left_out.others;
    int64_t ext = ledger->stored - (int64_t)ledger->fields;
    /* counts that words may explain */
    int64_t open = ext - (int64_t)(ledger->exact + ledger->runtime);
    ledger->unreached = ledger->classes[RHI_LEDGER_UNREACHED];
    uint64_t owners = ledger->words - ledger->unreached, used = open <= 0 ? 0
                                                                : (uint64_t)open < owners
                                                                    ? (uint64_t)open
                                                                    : owners;
    choose_owners(ledger, used);
    ledger->roots = ledger->exact + ledger->runtime + used;
    ledger->unexplained = ext - (int64_t)ledger->roots;
    if (ledger->unexplained < 0 && !ledger->immortal)
        RHI_TRY(doubt_fields(session, reader, holders, ledger));
    uint32_t index = session->graph ? rhi__object_index(reader, object->address) : RHI_NO_OBJECT;
    if (index != RHI_NO_OBJECT) {
        rhi__check_header(session, index, object);
        ledger->is_garbage = !(session->graph->flags[index] & RHI_GRAPH_REACHED);
        ledger->is_guessed = session->graph->flags[index] & RHI_GRAPH_GUESSED;
    }
    /* it may hold the owner */
    return open > 0 || object->damaged
               ? rhi__tell_harm(&session->work, &session->notes, reader, true)
               : NULL;
}

rhi_error *rhi__add_packed_holders(rhi_session *session, rhi_reader *reader,
                                   const rhi_object *object, rhi_holders *holders)
{
    rhi_ledger ledger;
    uint64_t first = holders->count;
    RHI_TRY(rhi__judge_holders(session, reader, holders));
    RHI_TRY(rhi__ledger(session, reader, object, holders, &ledger));
    if (ledger.immortal || ledger.unexplained <= 0)
        return NULL;
    RHI_TRY(rhi__each_packed_word(session, reader, object->address, object->address + 1,
                                  rhi__collect_holder, holders));
    for (uint64_t i = first; i < holders->count; i++)
        holders->items[i].target = object->address;
    rhi__sort_holders(holders);
    return rhi__judge_holders(session, reader, holders);
}
