/* v8_roots.c - finds groups of roots, and what they hold (see v8_roots.h).
 *
 * Invariant: what a word in a group holds has not that kind's bit in `roots` any more: each object
 * is held by words of a kind, or by the kind. */
#include "export/v8_roots.h"
#include "export/roots.h"
#include "base/array.h"
#include "words/naming.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED_MAX = 10000 /* words that debug info is asked about */ };

void rhi__root_groups_free(rhi_root_groups *groups)
{
    rhi__holders_free(&groups->words);
    free(groups->groups.items);
}

/* ---- words ---------------------------------------------------------------------------------- */

/* Those that hold an object as its roots say. */
static rhi_error *take_word(void *context, const rhi_holder *word)
{
    rhi_root_groups *g = context;
    const rhi_export *export = g->export;
    uint32_t index = rhi__object_index(export->query.reader, word->value);
    if (index == RHI_NO_OBJECT || export->numbers[index] == RHI_NO_OBJECT ||
        !(export->roots[index] & rhi__export_root_of(word->kind)))
        return NULL;
    rhi_holder row = *word;
    row.target = index;
    return rhi__collect_holder(&g->words, &row);
}

static unsigned bit_of(const rhi_holder *word)
{
    return (unsigned)__builtin_ctz(rhi__export_root_of(word->kind));
}

static uint64_t lwp_of(const rhi_holder *word)
{
    return rhi__export_root_of(word->kind) == RHI_ROOT_THREAD ? word->lwp : 0;
}

static int word_order(const void *left, const void *right)
{
    const rhi_holder *a = left, *b = right;
    if (bit_of(a) != bit_of(b))
        return bit_of(a) < bit_of(b) ? -1 : 1;
    if (lwp_of(a) != lwp_of(b))
        return lwp_of(a) < lwp_of(b) ? -1 : 1;
    if (a->target != b->target)
        return a->target < b->target ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* ---- groups --------------------------------------------------------------------------------- */

static rhi_error *add_group(rhi_root_groups *g, unsigned bit, uint64_t lwp, uint64_t first)
{
    if (!rhi__array_reserve(&g->groups, 1))
        return rhi__error_memory();
    rhi_root_group *group = &g->groups.items[g->groups.count++];
    *group = (rhi_root_group){.bit = bit, .lwp = lwp, .first = first};
    if (lwp)
        rhi__text(group->name, sizeof group->name, "(thread %lu)", lwp);
    else
        rhi__text(group->name, sizeof group->name, "(%s)", rhi__export_root_word(bit));
    return NULL;
}

static bool is_of(const rhi_root_group *group, const rhi_holder *word)
{
    return group->bit == bit_of(word) && group->lwp == lwp_of(word);
}

/* Called in loops over words or objects. */
static rhi_error *go_on(const rhi_export *export, uint64_t done, uint64_t total)
{
    return done % 65536 == 65535
               ? rhi__progress(&export->query.session->work, "writing roots", done, total)
               : NULL;
}

static rhi_error *group_words(rhi_root_groups *g, unsigned bit, uint64_t *at)
{
    uint64_t groups = g->groups.count;
    for (; *at < g->words.count && bit_of(&g->words.items[*at]) == bit; ++*at) {
        const rhi_holder *word = &g->words.items[*at];
        RHI_TRY(go_on(g->export, *at, g->words.count));
        if (groups == g->groups.count || !is_of(&g->groups.items[g->groups.count - 1], word))
            RHI_TRY(add_group(g, bit, lwp_of(word), *at));
        g->groups.items[g->groups.count - 1].words++;
        g->export->roots[word->target] &= (uint16_t) ~(1u << bit);
    }
    return NULL;
}

/* The group of the kind, and not of one thread, at the end: it is made where it is not there. */
static rhi_error *last_group(rhi_root_groups *g, unsigned bit, rhi_root_group **group)
{
    const rhi_root_group *last = g->groups.count ? &g->groups.items[g->groups.count - 1] : NULL;
    if (!last || last->bit != bit || last->lwp)
        RHI_TRY(add_group(g, bit, 0, 0));
    *group = &g->groups.items[g->groups.count - 1];
    return NULL;
}

/* There is a group of registered roots in any case: objects have a distance from groups that are
 * no leaks only where there is such a group. */
static rhi_error *make_groups(rhi_root_groups *g)
{
    const rhi_export *export = g->export;
    uint64_t at = 0;
    rhi_root_group *group;
    for (unsigned bit = 0; bit < RHI_EXPORT_ROOTS; bit++) {
        uint64_t unnamed = 0;
        RHI_TRY(group_words(g, bit, &at));
        for (uint32_t i = 0; i < export->query.count; i++) {
            RHI_TRY(go_on(export, i, export->query.count));
            unnamed += export->numbers[i] != RHI_NO_OBJECT && export->roots[i] >> bit & 1;
        }
        if (unnamed == 0 && bit > 0)
            continue;
        RHI_TRY(last_group(g, bit, &group));
        group->unnamed = unnamed;
    }
    return NULL;
}

rhi_error *rhi__root_groups_find(rhi_export *export, rhi_root_groups *groups)
{
    rhi_query *query = &export->query;
    groups->export = export;
    RHI_TRY(rhi__each_word(query->session, query->reader, query->reader->lowest,
                           query->reader->highest, take_word, groups));
    if (groups->words.count) /* qsort takes no NULL */
        qsort(groups->words.items, groups->words.count, sizeof *groups->words.items, word_order);
    rhi__name_holders(query->session, query->reader, &groups->words, NAMED_MAX);
    return make_groups(groups);
}

/* ---- references ----------------------------------------------------------------------------- */

rhi_error *rhi__each_root_of(const rhi_root_groups *groups, const rhi_root_group *group,
                             rhi_root_visitor visit, void *context)
{
    const rhi_export *export = groups->export;
    for (uint64_t i = 0; i < group->words; i++) {
        const rhi_holder *word = &groups->words.items[group->first + i];
        RHI_TRY(go_on(export, i, group->words));
        RHI_TRY(visit(context, export->numbers[word->target], word->name));
    }
    for (uint32_t i = 0; group->unnamed && i < export->query.count; i++) {
        RHI_TRY(go_on(export, i, export->query.count));
        if (export->numbers[i] == RHI_NO_OBJECT || !(export->roots[i] >> group->bit & 1))
            continue;
        enum rhi_cause cause = rhi__cause(export->query.leaks, i);
        RHI_TRY(visit(context, export->numbers[i],
                      cause == RHI_CAUSE_NONE ? NULL : rhi__cause_word(cause)));
    }
    return NULL;
}
