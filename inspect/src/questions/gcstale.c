/* gcstale.c - chooses the stale pointers that are shown, and judges each (see gcstale.h). */
#include "questions/gcstale.h"
#include "base/array.h"
#include "heap/objects.h"
#include "program/symbols.h"
#include "words/naming.h"

#include <stdlib.h>

/* ---- what is said of a row ------------------------------------------------------------------ */

/* Who died in the slot last, but for who lives there now, if history or tombstone tell. */
static void find_tenant(rhi_reader *reader, rhi_stale_verdict *v)
{
    bool is_freed = v->object.state == RHI_FREED;
    v->is_recorded =
        rhi__find_death(reader, v->object.address, v->object.serial, is_freed, &v->event);
    v->tenant = is_freed || !v->is_recorded ? v->object : rhi__event_object(&v->event);
    v->has_tenant = is_freed || v->is_recorded;
}

static void judge(const rhi_gcstale *a, const rhi_holder *row, rhi_stale_verdict *v)
{
    const rhi_block *block = rhi__block_at(a->reader, row->target);
    *v = (rhi_stale_verdict){.evidence = RHI_STALE_UNREADABLE};
    if (!block || !rhi__slot_at(a->reader, block, row->target, &v->object))
        return;
    if (v->object.state == RHI_FREED) {
        find_tenant(a->reader, v);
        v->evidence = row->value == row->target ? RHI_STALE_FREED : RHI_STALE_INSIDE_FREED;
        return;
    }
    rhi__remark(a->reader, row->value, &v->object, v->remark);
    if (!rhi__is_object(v->object.state)) {
        v->evidence = RHI_STALE_NO_OBJECT;
        return;
    }
    v->has_object = true;
    if (v->object.address != row->target) {
        v->evidence = RHI_STALE_INSIDE_ANOTHER;
        return;
    }
    v->evidence = row->variable && rhi__is_of_another_type(a->session, a->reader, row->variable,
                                                           v->object.type)
                      ? RHI_STALE_OF_ANOTHER_TYPE
                      : RHI_STALE_TOO_MANY;
    find_tenant(a->reader, v);
}

/* ---- which rows there are ------------------------------------------------------------------- */

static rhi_error *choose(const rhi_gcstale *a, const rhi_holders *all, uint64_t limit,
                         rhi_stale_rows *rows)
{
    rhi_holders *chosen = &rows->holders;
    for (uint64_t i = 0; i < all->count; i++) {
        const rhi_holder *row = &all->items[i];
        const rhi_block *block = rhi__block_at(a->reader, row->target);
        if ((block && !rhi__heap_wanted(a->session, a->reader, block->heap)) ||
            rows->total++ >= limit)
            continue;
        if (!rhi__array_reserve(chosen, 1) || !rhi__holder_copy(row, &chosen->items[chosen->count]))
            return rhi__error_memory();
        chosen->count++;
    }
    rhi__name_holders(a->session, a->reader, chosen, chosen->count);
    rows->verdicts = calloc(chosen->count + 1, sizeof *rows->verdicts);
    if (!rows->verdicts)
        return rhi__error_memory();
    for (uint64_t i = 0; i < chosen->count; i++)
        judge(a, &chosen->items[i], &rows->verdicts[i]);
    return NULL;
}

rhi_error *rhi__gcstale(rhi_session *session, uint64_t limit, rhi_gcstale *answer)
{
    rhi_stale *stale;
    *answer = (rhi_gcstale){.session = session};
    RHI_TRY(rhi__session_reader(session, &answer->reader));
    RHI_TRY(rhi__session_stale(session, &stale));
    answer->stale = stale;
    RHI_TRY(choose(answer, &stale->certain, limit, &answer->certain));
    return choose(answer, &stale->possible, limit, &answer->possible);
}

void rhi__gcstale_free(rhi_gcstale *answer)
{
    rhi__holders_free(&answer->certain.holders);
    rhi__holders_free(&answer->possible.holders);
    free(answer->certain.verdicts);
    free(answer->possible.verdicts);
}
