/* gcdiff.c - compares moments (see gcdiff.h).
 *
 * Rows of the first and the last moment are walked side by side, in the order of their keys, and
 * counted by class; what is shown by type and by line is added up from classes. In between, only
 * classes are looked at. A serial that both have is one object. Where a format has none, the same
 * address with the same type is perhaps one: born and died are then the least that there were. */
#include "questions/gcdiff.h"
#include "base/array.h"
#include "questions/order.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct comparison {
    rhi_gcdiff *answer;
    const rhi_diff_moment *first, *last;
    /* by class, of the first and of the last moment */
    uint64_t *died_of, *born_of, *survived_of;
    rhi_serials serials; /* of these two */
    uint64_t limit;
    uint64_t early;   /* objects that were born with lower ones than that */
    uint64_t changed; /* serials whose objects are of other types than before */
    uint64_t steps;
} comparison;

static rhi_diff_moment *last_of(const rhi_gcdiff *answer)
{
    return &answer->moments[answer->moment_count - 1];
}

static bool is_wanted(const rhi_session *session, const rhi_snapshot *s,
                      const rhi_snapshot_class *c)
{
    return !session->has_heap || s->heaps.items[c->heap].number == session->heap;
}

/* ---- names ---------------------------------------------------------------------------------- */

/* A type or a site of one of the snapshots. */
typedef struct name {
    const rhi_snapshot_type *type;
    const rhi_snapshot_site *site;
    const char *format;
    uint32_t *row; /* where its row is to be noted */
} name;

static int text_order(const char *a, const char *b)
{
    return !a || !b ? (a != NULL) - (b != NULL) : strcmp(a, b);
}

static int type_order(const void *left, const void *right)
{
    const name *a = left, *b = right;
    int order = strcmp(a->format, b->format);
    order = order ? order : strcmp(a->type->name, b->type->name);
    return order ? order : strcmp(a->type->qualified, b->type->qualified);
}

static int site_order(const void *left, const void *right)
{
    const name *a = left, *b = right;
    if (!a->site || !b->site)
        return (a->site != NULL) - (b->site != NULL);
    if (a->site->line != b->site->line)
        return a->site->line < b->site->line ? -1 : 1;
    int order = text_order(a->site->file, b->site->file);
    return order ? order : text_order(a->site->function, b->site->function);
}

/* A row for each name, once. */
static rhi_error *make_rows(name *names, uint64_t count, int (*order)(const void *, const void *),
                            rhi_diff_rows *rows)
{
    if (count)
        qsort(names, count, sizeof *names, order);
    for (uint64_t i = 0; i < count; i++) {
        if (i == 0 || order(&names[i - 1], &names[i]) != 0) {
            if (!rhi__array_reserve(rows, 1))
                return rhi__error_memory();
            rows->items[rows->count++] = (rhi_diff_row){.type = names[i].type,
                                                        .site = names[i].site,
                                                        .format = names[i].format,
                                                        .is_exact = true};
        }
        *names[i].row = (uint32_t)rows->count - 1;
    }
    return NULL;
}

static rhi_error *name_types(rhi_gcdiff *answer)
{
    uint64_t count = 0, filled = 0;
    for (uint64_t m = 0; m < answer->moment_count; m++)
        count += answer->moments[m].moment.snapshot->types.count;
    name *names = calloc(count + 1, sizeof *names);
    for (uint64_t m = 0; names && m < answer->moment_count; m++) {
        const rhi_snapshot *s = answer->moments[m].moment.snapshot;
        for (uint64_t i = 0; i < s->types.count; i++)
            names[filled++] = (name){.type = &s->types.items[i],
                                     .format = s->spaces.items[s->types.items[i].space].format,
                                     .row = &answer->moments[m].type_row[i]};
    }
    rhi_error *error =
        names ? make_rows(names, count, type_order, &answer->types) : rhi__error_memory();
    free(names);
    return error;
}

static rhi_error *name_sites(rhi_gcdiff *answer)
{
    uint64_t count = 0, filled = 0;
    for (uint64_t m = 0; m < answer->moment_count; m++)
        count += answer->moments[m].moment.snapshot->sites.count + 1;
    name *names = calloc(count + 1, sizeof *names);
    for (uint64_t m = 0; names && m < answer->moment_count; m++) {
        const rhi_snapshot *s = answer->moments[m].moment.snapshot;
        answer->has_sites |= s->sites.count > 0;
        for (uint64_t i = 0; i <= s->sites.count; i++)
            names[filled++] = (name){.site = i < s->sites.count ? &s->sites.items[i] : NULL,
                                     .row = &answer->moments[m].site_row[i]};
    }
    rhi_error *error =
        names ? make_rows(names, count, site_order, &answer->sites) : rhi__error_memory();
    free(names);
    return error;
}

static rhi_error *name_rows(rhi_gcdiff *answer)
{
    for (uint64_t m = 0; m < answer->moment_count; m++) {
        rhi_diff_moment *each = &answer->moments[m];
        each->type_row = malloc((each->moment.snapshot->types.count + 1) * sizeof(uint32_t));
        each->site_row = malloc((each->moment.snapshot->sites.count + 1) * sizeof(uint32_t));
        if (!each->type_row || !each->site_row)
            return rhi__error_memory();
    }
    RHI_TRY(name_types(answer));
    RHI_TRY(name_sites(answer));
    uint64_t rows = answer->types.count + answer->sites.count, *next;
    answer->numbers = next = calloc(rows * answer->moment_count * 2 + 1, sizeof *next);
    if (!next)
        return rhi__error_memory();
    for (uint64_t i = 0; i < rows; i++, next += 2 * answer->moment_count) {
        rhi_diff_row *row = i < answer->types.count ? &answer->types.items[i]
                                                    : &answer->sites.items[i - answer->types.count];
        row->objects = next;
        row->bytes = next + answer->moment_count;
    }
    return NULL;
}

static rhi_diff_row *type_row(const rhi_gcdiff *answer, const rhi_diff_moment *m,
                              const rhi_snapshot_class *c)
{
    return &answer->types.items[m->type_row[c->type]];
}

static rhi_diff_row *site_row(const rhi_gcdiff *answer, const rhi_diff_moment *m,
                              const rhi_snapshot_class *c)
{
    uint64_t sites = m->moment.snapshot->sites.count;
    return &answer->sites.items[m->site_row[c->site == RHI_NO_SITE ? sites : c->site]];
}

/* ---- objects -------------------------------------------------------------------------------- */

static rhi_error *list(struct rhi_diff_list *list, const rhi_snapshot_row *row, uint64_t limit)
{
    if (list->total++ >= limit)
        return NULL;
    if (!rhi__array_reserve(list, 1))
        return rhi__error_memory();
    list->items[list->count++] = row;
    return NULL;
}

static rhi_error *is_born(comparison *c, const rhi_snapshot_row *row)
{
    const rhi_snapshot *s = c->last->moment.snapshot;
    if (!is_wanted(c->answer->session, s, &s->classes.items[row->kind]))
        return NULL;
    c->born_of[row->kind]++;
    c->early += row->key < c->serials.passed[s->classes.items[row->kind].heap];
    return list(&c->answer->born, row, c->limit);
}

static rhi_error *has_died(comparison *c, const rhi_snapshot_row *row)
{
    const rhi_snapshot *s = c->first->moment.snapshot;
    if (!is_wanted(c->answer->session, s, &s->classes.items[row->kind]))
        return NULL;
    c->died_of[row->kind]++;
    return list(&c->answer->died, row, c->limit);
}

static rhi_error *is_in_both(comparison *c, const rhi_snapshot_row *a, const rhi_snapshot_row *b)
{
    const rhi_snapshot *s = c->last->moment.snapshot;
    const rhi_snapshot_class *before = &c->first->moment.snapshot->classes.items[a->kind],
                             *after = &s->classes.items[b->kind];
    if (c->first->type_row[before->type] == c->last->type_row[after->type]) {
        bool counts = is_wanted(c->answer->session, s, after);
        c->survived_of[b->kind] += counts;
        c->answer->survived += counts;
        return NULL;
    }
    c->changed += rhi__snapshot_space(s, after->heap)->has_serials;
    RHI_TRY(has_died(c, a));
    return is_born(c, b);
}

/* NULL: the space is not there. */
static rhi_error *walk(comparison *c, const rhi_snapshot_space *before,
                       const rhi_snapshot_space *after)
{
    const rhi_snapshot_row *a = NULL, *a_end = NULL, *b = NULL, *b_end = NULL;
    if (before)
        a_end = (a = c->first->moment.snapshot->rows + before->first) + before->count;
    if (after)
        b_end = (b = c->last->moment.snapshot->rows + after->first) + after->count;
    while (a < a_end || b < b_end) {
        if (c->steps++ % 65536 == 0)
            RHI_TRY(rhi__progress(&c->answer->session->work, "comparing objects", c->steps,
                                  c->first->moment.snapshot->row_count +
                                      c->last->moment.snapshot->row_count));
        if (b == b_end || (a < a_end && a->key < b->key)) {
            RHI_TRY(has_died(c, a++));
        } else if (a == a_end || b->key < a->key) {
            RHI_TRY(is_born(c, b++));
        } else {
            RHI_TRY(is_in_both(c, a++, b++));
        }
    }
    return NULL;
}

static rhi_error *walk_all(comparison *c)
{
    const rhi_snapshot *a = c->first->moment.snapshot, *b = c->last->moment.snapshot;
    for (uint64_t i = 0; i < a->spaces.count; i++) {
        const rhi_snapshot_space *before = &a->spaces.items[i];
        RHI_TRY(walk(c, before, rhi__same_space(b, a, before)));
    }
    for (uint64_t i = 0; i < b->spaces.count; i++)
        if (!rhi__same_space(a, b, &b->spaces.items[i]))
            RHI_TRY(walk(c, NULL, &b->spaces.items[i]));
    return NULL;
}

/* Are the first and the last one in the order of time? What a heap bears later has a higher serial.
 * Where counters tell that they are, and where both cannot be, headers are damaged. */
static rhi_error *check_serials(const comparison *c)
{
    const rhi_moment *first = &c->first->moment, *last = &c->last->moment;
    bool is_turned = false;
    for (uint64_t i = 0; i < last->snapshot->heaps.count && c->early; i++)
        is_turned |= c->serials.highest[i] && c->serials.passed[i] > c->serials.highest[i];
    if (is_turned && c->first->is_complete && rhi__order(first, last) == RHI_ORDER_OPEN)
        return rhi__order_refused(first, last);
    if (c->changed || (c->early && c->first->is_complete)) {
        char text[160];
        snprintf(text, sizeof text,
                 "%" PRIu64 " serial%s out of order, or of another type than before: headers "
                 "are damaged (see gcverify)",
                 c->changed + c->early, c->changed + c->early == 1 ? " is" : "s are");
        rhi__note(&c->answer->session->notes, text);
    }
    return NULL;
}

/* Of each moment and the one behind it. */
static rhi_error *check_order(rhi_gcdiff *answer)
{
    for (uint64_t i = 1; i < answer->moment_count; i++)
        RHI_TRY(rhi__order_check(answer->session, &answer->moments[i - 1].moment,
                                 &answer->moments[i].moment, answer->types.count > 0));
    return NULL;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static void add_up(rhi_gcdiff *answer, const comparison *c)
{
    for (uint64_t m = 0; m < answer->moment_count; m++) {
        rhi_diff_moment *each = &answer->moments[m];
        const rhi_snapshot *s = each->moment.snapshot;
        for (uint64_t i = 0; i < s->classes.count; i++) {
            const rhi_snapshot_class *kind = &s->classes.items[i];
            rhi_diff_row *rows[] = {type_row(answer, each, kind), site_row(answer, each, kind)};
            bool has_serials = rhi__snapshot_space(s, kind->heap)->has_serials;
            if (!is_wanted(answer->session, s, kind) || kind->objects == 0)
                continue;
            each->objects += kind->objects;
            each->bytes += kind->objects * kind->size;
            answer->is_exact &= has_serials;
            for (unsigned r = 0; r < 2; r++) {
                rows[r]->objects[m] += kind->objects;
                rows[r]->bytes[m] += kind->objects * kind->size;
                rows[r]->is_exact &= has_serials;
                rows[r]->died += m == 0 ? c->died_of[i] : 0;
                rows[r]->born += each == c->last ? c->born_of[i] : 0;
                rows[r]->survived += each == c->last ? c->survived_of[i] : 0;
            }
        }
    }
}

static bool grew_each_time(const rhi_gcdiff *answer, const rhi_diff_row *row)
{
    for (uint64_t m = 1; m < answer->moment_count; m++)
        if (row->objects[m] < row->objects[m - 1] || row->bytes[m] < row->bytes[m - 1] ||
            (row->objects[m] == row->objects[m - 1] && row->bytes[m] == row->bytes[m - 1]))
            return false;
    return true;
}

static bool has_changed(const rhi_gcdiff *answer, const rhi_diff_row *row)
{
    bool changed = row->born || row->died;
    for (uint64_t m = 1; m < answer->moment_count; m++)
        changed = changed || row->objects[m] != row->objects[0] || row->bytes[m] != row->bytes[0];
    return changed;
}

static int growth_order(const void *left, const void *right, void *context)
{
    const rhi_diff_row *a = left, *b = right;
    const rhi_gcdiff *answer = context;
    if (a->grew_each_time != b->grew_each_time)
        return a->grew_each_time ? -1 : 1;
    int64_t bytes = rhi__growth(answer, a->bytes), other_bytes = rhi__growth(answer, b->bytes);
    if (bytes != other_bytes)
        return bytes > other_bytes ? -1 : 1;
    int64_t objects = rhi__growth(answer, a->objects), others = rhi__growth(answer, b->objects);
    if (objects != others)
        return objects > others ? -1 : 1;
    if (a->born != b->born)
        return a->born > b->born ? -1 : 1;
    return a->objects < b->objects ? -1 : a->objects > b->objects; /* the order of their names */
}

static void order_rows(rhi_gcdiff *answer, rhi_diff_rows *rows)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < rows->count; i++) {
        rows->items[i].grew_each_time = grew_each_time(answer, &rows->items[i]);
        if (has_changed(answer, &rows->items[i]))
            rows->items[kept++] = rows->items[i];
    }
    rows->count = kept;
    if (kept)
        qsort_r(rows->items, kept, sizeof *rows->items, growth_order, answer);
}

/* ---- the answer ----------------------------------------------------------------------------- */

static rhi_error *compare_all(rhi_gcdiff *answer, comparison *c)
{
    const rhi_snapshot *a = c->first->moment.snapshot, *b = c->last->moment.snapshot;
    c->died_of = calloc(a->classes.count + 1, sizeof *c->died_of);
    c->born_of = calloc(b->classes.count + 1, sizeof *c->born_of);
    c->survived_of = calloc(b->classes.count + 1, sizeof *c->survived_of);
    if (!c->died_of || !c->born_of || !c->survived_of)
        return rhi__error_memory();
    RHI_TRY(rhi__serials_find(a, b, &c->serials));
    RHI_TRY(walk_all(c));
    RHI_TRY(check_serials(c));
    add_up(answer, c);
    order_rows(answer, &answer->types);
    order_rows(answer, &answer->sites);
    return check_order(answer);
}

static rhi_error *compare(rhi_gcdiff *answer, uint64_t limit)
{
    comparison c = {
        .answer = answer, .first = &answer->moments[0], .last = last_of(answer), .limit = limit};
    rhi_error *error = compare_all(answer, &c);
    free(c.died_of);
    free(c.born_of);
    free(c.survived_of);
    rhi__serials_free(&c.serials);
    return error;
}

static rhi_error *open_moments(rhi_gcdiff *answer, char *const *files, unsigned count)
{
    answer->moments = calloc(count + 1, sizeof *answer->moments);
    if (!answer->moments)
        return rhi__error_memory();
    for (unsigned i = 0; i < count; i++) {
        answer->moment_count++;
        RHI_TRY(rhi__moment_open(answer->session, files[i], &answer->moments[i].moment));
    }
    if (count == 1) {
        answer->moment_count++;
        RHI_TRY(rhi__moment_now(answer->session, &answer->moments[1].moment));
    }
    for (uint64_t i = 0; i < answer->moment_count; i++)
        answer->moments[i].is_complete = !answer->moments[i].moment.snapshot->notes.is_incomplete;
    for (uint64_t i = 1; i < answer->moment_count; i++)
        RHI_TRY(rhi__moments_fit(answer->session, &answer->moments[i - 1].moment,
                                 &answer->moments[i].moment));
    return NULL;
}

/* --heap: some moment must have it. */
static rhi_error *check_heap(const rhi_gcdiff *answer)
{
    const rhi_session *session = answer->session;
    for (uint64_t m = 0; m < answer->moment_count && session->has_heap; m++) {
        const rhi_snapshot *s = answer->moments[m].moment.snapshot;
        for (uint64_t i = 0; i < s->heaps.count; i++)
            if (s->heaps.items[i].number == session->heap)
                return NULL;
    }
    return session->has_heap
               ? rhi__error("there is no heap %" PRIu64 " in any of them", session->heap)
               : NULL;
}

rhi_error *rhi__gcdiff(rhi_session *session, char *const *files, unsigned count, uint64_t limit,
                       rhi_gcdiff *answer)
{
    *answer = (rhi_gcdiff){.session = session, .is_exact = true};
    RHI_TRY(open_moments(answer, files, count));
    RHI_TRY(check_heap(answer));
    RHI_TRY(name_rows(answer));
    RHI_TRY(compare(answer, limit));
    answer->died_is_known = last_of(answer)->is_complete;
    answer->born_is_known = answer->moments[0].is_complete;
    return NULL;
}

void rhi__gcdiff_free(rhi_gcdiff *answer)
{
    for (uint64_t i = 0; i < answer->moment_count; i++) {
        rhi__moment_free(answer->session, &answer->moments[i].moment);
        free(answer->moments[i].type_row);
        free(answer->moments[i].site_row);
    }
    free(answer->moments);
    free(answer->types.items);
    free(answer->sites.items);
    free(answer->numbers);
    free(answer->born.items);
    free(answer->died.items);
}
