/* refs.c - `refs`: who holds an object, what it holds, and whether that explains its count. */
#include "base/array.h"
#include "graph/harm.h"
#include "commands/all.h"
#include "render/objects.h"
#include "render/output.h"
#include "words/owners.h"
#include "questions/path.h"
#include "questions/tree.h"
#include "words/words.h"
#include "render/value.h"
#include "render/holders.h"
#include "questions/expression.h"
#include "questions/ledger.h"
#include "render/ledger.h"
#include "render/path.h"
#include "session/resolve.h"
#include "heap/objects.h"
#include "words/naming.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A slot of the object. What it leads to is looked up when it is shown: an object may have
 * millions. */
typedef struct referent {
    uint64_t value, element;
    const rhi_field *field;
} referent;
enum { REFERENTS_MAX = 1 << 22 };

typedef struct answer {
    rhi_session *session;
    rhi_reader *reader;
    const rhi_args *args;
    rhi_object object;
    rhi_holders holders;
    uint64_t depth;
    rhi_tree tree; /* with --depth: roots are the rows that are printed */
    json_t **rows; /* in JSON: these, with those above them */
    /* the first of them, in order */
    struct {
        referent *items;
        uint64_t count, capacity, total;
    } referents;
    rhi_path path;
    bool has_path, out_of_memory;
    rhi_ledger ledger;
} answer;

/* ---- gathering ------------------------------------------------------------------------------ */

static bool add_referent(void *context, const rhi_slot *slot)
{
    answer *a = context;
    if (slot->field->kind != RHI_KIND_STRONG && !rhi__option(a->args, "--weak"))
        return true;
    if (a->referents.total++ >= a->args->limit || a->referents.count == REFERENTS_MAX)
        return true;
    a->out_of_memory = !rhi__array_reserve(&a->referents, 1);
    if (!a->out_of_memory)
        a->referents.items[a->referents.count++] =
            (referent){.value = slot->value, .element = slot->element, .field = slot->field};
    return !a->out_of_memory;
}

static rhi_error *gather_referents(answer *a)
{
    rhi_scratch scratch = {0};
    const uint8_t *bytes = rhi__object_bytes(a->reader, &a->object, &scratch);
    if (!bytes)
        rhi__question_problem(a->reader, "the object at 0x%" PRIx64 " cannot be read in full",
                              a->object.address);
    else
        rhi__each_slot(a->reader, &a->object, bytes, add_referent, a);
    rhi__scratch_free(&scratch);
    if (a->referents.count == REFERENTS_MAX && a->referents.total < a->args->limit)
        rhi__note(&a->session->notes, "the object holds more than is shown");
    return a->out_of_memory ? rhi__error_memory() : NULL;
}

/* Weak rows are printed with --weak only; they never count. */
static rhi_error *add_referrer(void *context, const rhi_holder *holder)
{
    answer *a = context;
    rhi_holder row = *holder;
    row.target = a->object.address;
    return row.weak && !rhi__option(a->args, "--weak") ? NULL
                                                       : rhi__collect_holder(&a->holders, &row);
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
                         .depth = a->depth - 1,
                         .limit = a->args->limit};
    if (!rhi__map_set(&a->tree.seen, rhi__object_index(a->reader, a->object.address), 0))
        return rhi__error_memory();
    for (uint64_t i = 0; i < a->holders.count && i < a->args->limit; i++) {
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
    uint64_t low = a->object.address, high = rhi__object_end(&a->object);
    RHI_TRY(rhi__each_referrer(a->session, a->reader, &a->object, rhi__option(a->args, "--weak"),
                               add_referrer, a));
    RHI_TRY(rhi__each_word(a->session, a->reader, low, high, add_referrer, a));
    rhi__sort_holders(&a->holders);
    rhi__say_left_out(a->session, &a->holders, a->args->limit);
    RHI_TRY(rhi__judge_holders(a->session, a->reader, &a->holders));
    rhi__name_holders(a->session, a->reader, &a->holders, a->args->limit);
    if (a->depth > 1)
        RHI_TRY(gather_above(a));
    return NULL;
}

/* ---- rendering ------------------------------------------------------------------------------ */

/* "    D#4.items[0] …": a row of the tree above, the deeper the further in. */
static void print_above(void *context, const rhi_tree_row *row)
{
    enum { INDENT_MAX = 80 };
    const answer *a = context;
    char indent[INDENT_MAX + 5];
    int width = row->level < INDENT_MAX / 2 ? (int)row->level * 2 + 4 : INDENT_MAX;
    snprintf(indent, sizeof indent, "%*s", width, "");
    if (!row->branch) {
        rhi__print(a->session, "%s… %" PRIu64 " more\n", indent, row->left_out);
        return;
    }
    rhi__holder_print(a->session, a->reader, &row->branch->row, indent);
    if (row->branch->is_repeated)
        rhi__print(a->session, "%s  [seen above]\n", indent);
}

static void print_referrer(const answer *a, uint64_t i)
{
    rhi__holder_print(a->session, a->reader, &a->holders.items[i], "  ");
    if (i >= a->tree.branches.count)
        return;
    if (a->tree.branches.items[i].is_repeated)
        rhi__print(a->session, "    [seen above]\n");
    rhi_error *error = rhi__tree_walk(&a->tree, (uint32_t)i, print_above, (void *)a);
    a->reader->memory->is_short |= error != NULL; /* said in the answer */
    rhi__error_free(error);
}

/* Nothing leads on from what nobody holds, but what it is, and where it was made, tells who forgot
 * it. */
static void print_next(const answer *a)
{
    const rhi_heap_info *heap = &a->reader->heaps.items[a->object.heap];
    char id[RHI_ID_SIZE], option[40] = "";
    rhi__object_id(a->reader, &a->object, id, sizeof id);
    if (a->reader->copies > 1) /* another copy of the runtime may have such an object, too */
        snprintf(option, sizeof option, "--heap=%" PRIu64 " ", heap->number);
    rhi__print(a->session, "next: objat %s%s%s: what it holds%s\n", option,
               heap->history_count ? "--history " : "", id,
               heap->history_count ? ", and who made it" : "");
    if (!heap->stack_depth)
        rhi__print(a->session,
                   "where it was made is not recorded: REFHEAP_OPTIONS=history=1M,stacks=8 in the "
                   "program's environment does that\n");
}

static void print_referrers(answer *a)
{
    if (a->holders.count == 0)
        rhi__print(a->session, "nothing was found that holds it\n");
    else
        rhi__print(a->session, "held by:\n");
    for (uint64_t i = 0; i < a->holders.count && i < a->args->limit; i++)
        print_referrer(a, i);
    if (a->holders.count > a->args->limit)
        rhi__print(a->session, "  … %" PRIu64 " more (--limit=0 shows all)\n",
                   a->holders.count + a->holders.left_out.rows - a->args->limit);
    if (a->tree.cut)
        rhi__print(a->session,
                   "  … who holds %" PRIu64 " of these is left out (--limit=0 shows all)\n",
                   a->tree.cut);
    rhi__ledger_print(a->session, &a->ledger);
    if (a->holders.count == 0 && !a->ledger.immortal && a->ledger.unexplained > 0)
        print_next(a);
}

/* Where a referent leads: what stands there, the id of the object, and what that holds (*object is
 * it then). */
static const char *look_at(const answer *a, const referent *r, char id[RHI_ID_SIZE],
                           rhi_object *object, bool *is_live)
{
    enum rhi_place place;
    id[0] = '\0';
    *is_live = false;
    if (!rhi__place_of(a->reader, r->value, &place, object))
        return "unreadable";
    if (place <= RHI_PLACE_UNUSED && object->address != r->value)
        return "interior"; /* a reference holds nothing unless it points to an object's start */
    if (place <= RHI_PLACE_FREED)
        rhi__object_id(a->reader, object, id, RHI_ID_SIZE);
    *is_live = id[0] && place == RHI_PLACE_LIVE;
    return rhi__place_word(place);
}

static void print_referent(const answer *a, const referent *r)
{
    static const char *const words[] = {"", "weak ", "borrowed "};
    char name[RHI_NAME_SIZE + 32], id[RHI_ID_SIZE], value[RHI_VALUE_SIZE] = "";
    rhi_object object;
    bool is_live;
    const char *status = look_at(a, r, id, &object, &is_live);
    if (is_live)
        rhi__value(a->reader, &object, value);
    rhi__slot_name(r->field, r->element, name, sizeof name);
    rhi__print(a->session, "  %-28s -> %s", name, words[r->field->kind]);
    if (id[0])
        rhi__print(a->session, "%s%s%s\n", rhi__styled(a->session, RHI_STYLE_ID, id), value,
                   strcmp(status, "freed") == 0
                       ? rhi__styled(a->session, RHI_STYLE_STALE, " (freed: stale)")
                       : "");
    else
        rhi__print(a->session, "0x%" PRIx64 " (%s)\n", r->value, status);
}

static void print_referents(answer *a)
{
    rhi__print(a->session, a->referents.count ? "holds:\n" : "holds nothing\n");
    for (uint64_t i = 0; i < a->referents.count; i++)
        print_referent(a, &a->referents.items[i]);
    if (a->referents.total > a->referents.count)
        rhi__print(a->session, "  … %" PRIu64 " more (--limit=0 shows all)\n",
                   a->referents.total - a->referents.count);
}

static void print_text(answer *a, bool in, bool out)
{
    char id[RHI_ID_SIZE], count[32], value[RHI_VALUE_SIZE];
    rhi__object_id(a->reader, &a->object, id, sizeof id);
    rhi__count_text(&a->object, count, sizeof count);
    rhi__value(a->reader, &a->object, value);
    rhi__print(a->session, "%s at 0x%" PRIx64 ": %s, %s%s%s%s\n",
               rhi__styled(a->session, RHI_STYLE_ASKED, id), a->object.address,
               rhi__state_word(&a->object), a->object.immortal ? "" : "refcount ", count,
               value[0] ? "," : "", value);
    if (in)
        print_referrers(a);
    if (out)
        print_referents(a);
    if (a->has_path)
        rhi__path_print(a->session, a->reader, &a->path, a->args->limit);
    rhi__print_incomplete(a->session);
}

/* A row with who holds the object that it is in, to the depth of the tree. Children lie behind
 * their parents, so that they are made from the end on and nothing recurses. */
static rhi_error *make_json_rows(answer *a)
{
    uint64_t count = a->tree.branches.count;
    json_t **rows = calloc(count + 1, sizeof *rows);
    for (uint64_t i = count; rows && i-- > 0;) {
        const rhi_branch *branch = &a->tree.branches.items[i];
        rows[i] = rhi__holder_json(a->reader, &branch->row);
        if (branch->index == RHI_NO_OBJECT)
            continue;
        json_t *above = json_array();
        for (uint32_t k = 0; k < branch->count; k++) {
            json_array_append_new(above, rows[branch->first + k]);
            rows[branch->first + k] = NULL;
        }
        json_object_set_new(rows[i], "referrers", above);
        if (branch->left_out)
            json_object_set_new(rows[i], "referrers_total",
                                rhi__json_u64(branch->count + branch->left_out));
        if (branch->is_repeated)
            json_object_set_new(rows[i], "seen_above", json_true());
        if (branch->is_cut)
            json_object_set_new(rows[i], "referrers_left_out", json_true());
    }
    a->rows = rows;
    return rows ? NULL : rhi__error_memory();
}

static json_t *referent_json(const answer *a, const referent *r)
{
    static const char *const words[] = {"strong", "weak", "borrowed"};
    char name[RHI_NAME_SIZE + 32], id[RHI_ID_SIZE];
    rhi_object object;
    bool is_live;
    const char *status = look_at(a, r, id, &object, &is_live);
    rhi__slot_name(r->field, r->element, name, sizeof name);
    return json_pack("{s:s, s:s, s:s?, s:s, s:o, s:o}", "name", name, "strength",
                     words[r->field->kind], "target", id[0] ? id : NULL, "target_status", status,
                     "value", rhi__json_address(r->value), "target_value",
                     is_live ? rhi__value_json(a->reader, &object) : json_null());
}

static void print_json(answer *a)
{
    rhi_session *s = a->session;
    rhi__json_begin(s);
    rhi__json_key(s, "object", rhi__object_json(a->reader, &a->object));
    rhi__json_array(s, "referrers");
    for (uint64_t i = 0; i < a->holders.count && i < a->args->limit; i++)
        rhi__json_item(s, a->rows ? a->rows[i] : rhi__holder_json(a->reader, &a->holders.items[i]));
    rhi__json_array_end(s);
    if (a->holders.count > a->args->limit)
        rhi__json_key(s, "referrers_total",
                      rhi__json_u64(a->holders.count + a->holders.left_out.rows));
    rhi__json_array(s, "referents");
    for (uint64_t i = 0; i < a->referents.count; i++)
        rhi__json_item(s, referent_json(a, &a->referents.items[i]));
    rhi__json_array_end(s);
    if (a->referents.total > a->referents.count)
        rhi__json_key(s, "referents_total", rhi__json_u64(a->referents.total));
    if (a->has_path)
        rhi__path_json(s, a->reader, &a->path, a->args->limit);
    rhi__json_key(s, "ledger",
                  rhi__option(a->args, "--out") && !rhi__option(a->args, "--in")
                      ? json_null()
                      : rhi__ledger_json(&a->ledger));
    rhi__json_end(s);
}

static rhi_error *gather(answer *a, bool in, bool out)
{
    RHI_TRY(rhi__session_reader(a->session, &a->reader));
    RHI_TRY(rhi__option_number(a->args, "--depth", 1, &a->depth));
    RHI_TRY(rhi__resolve_object(a->session, a->reader, a->args->operands[0], &a->object));
    if (in)
        RHI_TRY(gather_referrers(a));
    if (out)
        RHI_TRY(gather_referents(a));
    if (rhi__option(a->args, "--path")) {
        RHI_TRY(rhi__path_find(a->session, a->reader, a->object.address, &a->path));
        rhi__path_express(a->session, a->reader, &a->path);
        a->has_path = true;
    }
    if (in && rhi__option(a->args, "--weak"))
        RHI_TRY(rhi__tell_harm(&a->session->work, &a->session->notes, a->reader, true));
    /* with a verdict if there is a graph by now */
    RHI_TRY(rhi__ledger(a->session, a->reader, &a->object, &a->holders, &a->ledger));
    return in && !a->ledger.immortal && a->ledger.unexplained > 0
               ? rhi__owner_not_found(a->session, a->reader)
               : NULL;
}

rhi_error *rhi__run_refs(rhi_session *session, const rhi_args *args, int *status)
{
    bool only_in = rhi__option(args, "--in"), only_out = rhi__option(args, "--out");
    bool in = only_in || !only_out, out = only_out || !only_in;
    answer a = {.session = session, .args = args};
    (void)status;
    rhi_error *error = gather(&a, in, out);
    if (!error && args->json && a.depth > 1)
        error = make_json_rows(&a);
    if (!error && args->json)
        print_json(&a);
    else if (!error)
        print_text(&a, in, out);
    free(a.rows);
    rhi__tree_free(&a.tree);
    rhi__holders_free(&a.holders);
    free(a.referents.items);
    rhi__path_free(&a.path);
    return error;
}
