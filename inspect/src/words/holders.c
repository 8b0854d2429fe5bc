/* holders.c - order and ownership of rows (see holders.h). */
#include "words/holders.h"
#include "base/array.h"
#include "program/dwarf.h"

#include <string.h>

static int holder_order(const void *left, const void *right)
{
    const rhi_holder *a = left, *b = right;
    if (a->in_garbage != b->in_garbage)
        return a->in_garbage ? 1 : -1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (a->lwp != b->lwp)
        return a->lwp < b->lwp ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static void leave_out(rhi_holders *holders, const rhi_holder *holder)
{
    holders->left_out.rows++;
    holders->left_out.fields +=
        holder->kind == RHI_HOLDER_FIELD && holder->strong && holder->in_live;
    holders->left_out.others += holder->kind != RHI_HOLDER_FIELD;
}

void rhi__sort_holders(rhi_holders *holders)
{
    if (holders->count)
        qsort(holders->items, holders->count, sizeof *holders->items, holder_order);
    for (; holders->count > RHI_HOLDERS_MAX; holders->count--) {
        leave_out(holders, &holders->items[holders->count - 1]);
        rhi__holder_clear(&holders->items[holders->count - 1]);
    }
    holders->sorted = holders->count;
}

bool rhi__holder_copy(const rhi_holder *holder, rhi_holder *copy)
{
    char *name = holder->name ? strdup(holder->name) : NULL;
    rhi_variable *variable = holder->variable ? malloc(sizeof *variable) : NULL;
    if ((holder->name && !name) || (holder->variable && !variable)) {
        free(name);
        free(variable);
        return false;
    }
    *copy = *holder;
    copy->name = name;
    copy->variable = variable;
    if (variable)
        *variable = *holder->variable;
    return true;
}

void rhi__holder_clear(rhi_holder *holder)
{
    free(holder->name);
    free(holder->variable);
    holder->name = NULL;
    holder->variable = NULL;
}

void rhi__holders_free(rhi_holders *holders)
{
    for (uint64_t i = 0; i < holders->count; i++)
        rhi__holder_clear(&holders->items[i]);
    free(holders->items);
    *holders = (rhi_holders){0};
}

/* Are there as many as are kept, and none of them comes behind this one? */
static bool is_behind_all_kept(const rhi_holders *holders, const rhi_holder *holder)
{
    return holders->sorted >= RHI_HOLDERS_MAX &&
           holder_order(&holders->items[RHI_HOLDERS_MAX - 1], holder) <= 0;
}

rhi_error *rhi__collect_holder(void *context, const rhi_holder *holder)
{
    rhi_holders *holders = context;
    if (holders->count >= 2 * RHI_HOLDERS_MAX)
        rhi__sort_holders(holders);
    if (holders->sorted > holders->count)
        holders->sorted = holders->count;
    if (is_behind_all_kept(holders, holder) && !holder->name && !holder->variable) {
        leave_out(holders, holder);
        return NULL;
    }
    if (!rhi__array_reserve(holders, 1))
        return rhi__error_memory();
    uint64_t last = holders->count++;
    holders->items[last] = *holder;
    if (holders->sorted == last &&
        (last == 0 || holder_order(&holders->items[last - 1], holder) <= 0))
        holders->sorted++;
    return NULL;
}
