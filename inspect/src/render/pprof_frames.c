/* pprof_frames.c - names the calls of stacks for pprof (see pprof_frames.h).
 *
 * Invariant: while the rows are gathered, a frame is what is told apart, and has no texts; then
 * frames are sorted, each is left once, and gets them, clean. */
#include "render/pprof_frames.h"
#include "base/array.h"
#include "program/symbols.h"
#include "render/stacks.h"
#include "target/modules.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE = 1024 };

static int by_call(const void *left, const void *right)
{
    const rhi_pprof_frame *a = left, *b = right;
    if (a->call != b->call)
        return (uintptr_t)a->call < (uintptr_t)b->call ? -1 : 1;
    return a->address < b->address ? -1 : a->address > b->address;
}

typedef struct rows {
    rhi_pprof_frame *items;
    uint64_t count, capacity;
} rows;

static rhi_error *gather(rhi_session *session, const rhi_birth_stacks *stacks, rows *all,
                         uint64_t *first)
{
    rhi_reader *reader;
    RHI_TRY(rhi__session_reader(session, &reader));
    for (uint64_t i = 0; i < stacks->groups.count; i++) {
        rhi_stack_rows s = rhi__stack_rows(session, reader, stacks->groups.items[i].birth);
        first[i] = all->count;
        if (!s.rows || !rhi__array_reserve(all, s.end - s.first)) {
            free(s.rows);
            return rhi__error_memory();
        }
        for (uint64_t k = s.first; k < s.end; k++)
            all->items[all->count++] = (rhi_pprof_frame){
                .call = s.rows[k].call, .address = s.rows[k].call ? 0 : s.rows[k].address};
        free(s.rows);
        RHI_TRY(rhi__progress(&session->work, "calls", i, stacks->groups.count));
    }
    first[stacks->groups.count] = all->count;
    return NULL;
}

static rhi_error *name_frame(const rhi_reader *reader, rhi_pprof_frame *frame)
{
    const rhi_call *call = frame->call;
    char text[TEXT_SIZE], where[256] = "?";
    if (!call)
        rhi__module_text(reader->memory, frame->address, where, sizeof where);
    rhi__text(text, sizeof text, "%s", call && call->name ? call->name : call ? "?" : where);
    frame->function = strdup(text);
    if (!frame->function)
        return rhi__error_memory();
    if (!call || !call->file)
        return NULL;
    rhi__text(text, sizeof text, "%s", call->file);
    frame->file = strdup(text);
    frame->line = call->line;
    return frame->file ? NULL : rhi__error_memory();
}

/* Each call once, with its names. */
static rhi_error *name_frames(rhi_session *session, const rows *all, rhi_pprof_frames *ret)
{
    rhi_reader *reader;
    RHI_TRY(rhi__session_reader(session, &reader));
    if (!rhi__array_reserve(&ret->frames, all->count + 1) ||
        !rhi__array_reserve(&ret->rows, all->count + 1))
        return rhi__error_memory();
    memcpy(ret->frames.items, all->items, all->count * sizeof *all->items);
    qsort(ret->frames.items, all->count, sizeof *all->items, by_call);
    for (uint64_t i = 0; i < all->count; i++)
        if (i == 0 || by_call(&ret->frames.items[i], &ret->frames.items[ret->frames.count - 1]))
            ret->frames.items[ret->frames.count++] = ret->frames.items[i];
    for (uint64_t i = 0; i < all->count; i++) {
        const rhi_pprof_frame *found = bsearch(&all->items[i], ret->frames.items, ret->frames.count,
                                               sizeof *all->items, by_call);
        ret->rows.items[ret->rows.count++] = (uint64_t)(found - ret->frames.items);
    }
    for (uint64_t i = 0; i < ret->frames.count; i++)
        RHI_TRY(name_frame(reader, &ret->frames.items[i]));
    return NULL;
}

rhi_error *rhi__pprof_frames_make(rhi_session *session, const rhi_birth_stacks *stacks,
                                  rhi_pprof_frames *ret)
{
    rows all = {0};
    ret->first = calloc(stacks->groups.count + 1, sizeof *ret->first);
    rhi_error *error = ret->first ? gather(session, stacks, &all, ret->first) : rhi__error_memory();
    if (!error && all.count)
        error = name_frames(session, &all, ret);
    free(all.items);
    return error;
}

void rhi__pprof_frames_free(rhi_pprof_frames *self)
{
    for (uint64_t i = 0; i < self->frames.count; i++) {
        free(self->frames.items[i].function);
        free(self->frames.items[i].file);
    }
    free(self->frames.items);
    free(self->rows.items);
    free(self->first);
}
