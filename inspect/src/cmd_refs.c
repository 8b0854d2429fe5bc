/* cmd_refs.c - `refs`: who holds an object, what it holds, and whether that explains its count. */
#include "array.h"
#include "harm.h"
#include "command.h"
#include "objects.h"
#include "output.h"
#include "owners.h"
#include "path.h"
#include "tree.h"
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct referent {
    char name[RHI_NAME_SIZE + 32];
    uint64_t value;
    uint8_t kind; /* enum rhi_field_kind */
    char target[RHI_ID_SIZE];
    bool has_object;
    rhi_object object; /* to which it points */
    const char *status;
} referent;

typedef struct answer {
    rhi_session *session;
    rhi_reader *reader;
    const rhi_args *args;
    rhi_object object;
    rhi_holders holders;
    uint64_t depth;
    rhi_tree tree; /* with --depth: roots are the rows that are printed */
    json_t **rows; /* in JSON: these, with those above them */
    struct { referent *items; uint64_t count, capacity; } referents;
    rhi_path path;
    bool has_path, out_of_memory;
    rhi_ledger ledger;
} answer;

/* ---- gathering ------------------------------------------------------------------------------------------- */

static bool add_referent(void *context, const rhi_slot *slot)
{
    answer *a = context;
    enum rhi_place place;
    rhi_object object;
    if (slot->field->kind != RHI_KIND_STRONG && !rhi__option(a->args, "--weak"))
        return true;
    if (!rhi__array_reserve(&a->referents, 1)) {
        a->out_of_memory = true;
        return false;
    }
    referent *r = &a->referents.items[a->referents.count++];
    *r = (referent){.value = slot->value, .kind = slot->field->kind, .status = "unreadable"};
    rhi__slot_name(slot->field, slot->element, r->name, sizeof r->name);
    if (rhi__place_of(a->reader, slot->value, &place, &object)) {
        r->status = rhi__place_word(place);
        if (place <= RHI_PLACE_UNUSED && object.address != slot->value)
            r->status = "interior"; /* a reference holds nothing unless it points to an object's start */
        else if (place <= RHI_PLACE_FREED)
            rhi__object_id(a->reader, &object, r->target, sizeof r->target);
        r->has_object = r->target[0] && place == RHI_PLACE_LIVE;
        r->object = object;
    }
    return true;
}

static rhi_error *gather_referents(answer *a)
{
    rhi_scratch scratch = {0};
    const uint8_t *bytes = rhi__object_bytes(a->reader, &a->object, &scratch);
    if (!bytes)
        rhi__reader_problem(a->reader, "the object at 0x%" PRIx64 " cannot be read in full", a->object.address);
    else
        rhi__each_slot(a->reader, &a->object, bytes, add_referent, a);
    rhi__scratch_free(&scratch);
    return a->out_of_memory ? rhi__error_memory() : NULL;
}

/* Weak rows are printed with --weak only; they never count. */
static void drop_weak(answer *a)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < a->holders.count; i++)
        if (!a->holders.items[i].weak || rhi__option(a->args, "--weak"))
            a->holders.items[kept++] = a->holders.items[i];
    a->holders.count = kept;
}

/* Who holds the holders: the rows that are printed are the roots of a tree. */
static rhi_error *gather_above(answer *a)
{
    rhi_graph *graph;
    RHI_TRY(rhi__session_graph(a->session, &graph));
    RHI_TRY(rhi__graph_referrers(&a->session->work, graph));
    a->tree = (rhi_tree){.session = a->session, .reader = a->reader, .graph = graph, .upwards = true, .depth = a->depth - 1,
                         .limit = a->args->limit};
    if (!rhi__map_set(&a->tree.seen, rhi__object_index(a->reader, a->object.address), 0))
        return rhi__error_memory();
    for (uint64_t i = 0; i < a->holders.count && i < a->args->limit; i++) {
        const rhi_holder *row = &a->holders.items[i];
        uint32_t from = row->kind == RHI_HOLDER_FIELD && row->strong ? rhi__object_index(a->reader, row->from) : RHI_NO_OBJECT;
        RHI_TRY(rhi__tree_add_root(&a->tree, from, row));
    }
    return rhi__tree_grow(&a->tree);
}

static rhi_error *gather_referrers(answer *a)
{
    uint64_t low = a->object.address, high = low + a->object.slot_size;
    RHI_TRY(rhi__each_referrer(a->session, a->reader, &a->object, rhi__option(a->args, "--weak"), rhi__collect_holder, &a->holders));
    RHI_TRY(rhi__each_word(a->session, a->reader, low, high, rhi__collect_holder, &a->holders));
    RHI_TRY(rhi__judge_holders(a->session, a->reader, &a->holders));
    for (uint64_t i = 0; i < a->holders.count; i++)
        a->holders.items[i].target = a->object.address;
    drop_weak(a);
    rhi__sort_holders(&a->holders);
    rhi__name_holders(a->session, a->reader, &a->holders, a->args->limit);
    if (a->depth > 1)
        RHI_TRY(gather_above(a));
    return NULL;
}

/* ---- rendering ----------------------------------------------------------------------------------------------- */

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

static void print_referrers(answer *a)
{
    if (a->holders.count == 0)
        rhi__print(a->session, "nothing was found that holds it\n");
    else
        rhi__print(a->session, "held by:\n");
    for (uint64_t i = 0; i < a->holders.count && i < a->args->limit; i++)
        print_referrer(a, i);
    if (a->holders.count > a->args->limit)
        rhi__print(a->session, "  … %" PRIu64 " more (--limit=0 shows all)\n", a->holders.count - a->args->limit);
    if (a->tree.cut)
        rhi__print(a->session, "  … who holds %" PRIu64 " of these is left out (--limit=0 shows all)\n", a->tree.cut);
    rhi__ledger_print(a->session, &a->ledger);
}

static void print_referents(answer *a)
{
    static const char *const words[] = {"", "weak ", "borrowed "};
    rhi__print(a->session, a->referents.count ? "holds:\n" : "holds nothing\n");
    for (uint64_t i = 0; i < a->referents.count && i < a->args->limit; i++) {
        const referent *r = &a->referents.items[i];
        char value[RHI_VALUE_SIZE] = "";
        if (r->has_object)
            rhi__value(a->reader, &r->object, value);
        rhi__print(a->session, "  %-28s -> %s", r->name, words[r->kind]);
        if (r->target[0])
            rhi__print(a->session, "%s%s%s\n", rhi__styled(a->session, RHI_STYLE_ID, r->target), value,
                       strcmp(r->status, "freed") == 0 ? rhi__styled(a->session, RHI_STYLE_STALE, " (freed: stale)") : "");
        else
            rhi__print(a->session, "0x%" PRIx64 " (%s)\n", r->value, r->status);
    }
    if (a->referents.count > a->args->limit)
        rhi__print(a->session, "  … %" PRIu64 " more (--limit=0 shows all)\n", a->referents.count - a->args->limit);
}

static void print_text(answer *a, bool in, bool out)
{
    char id[RHI_ID_SIZE], count[32], value[RHI_VALUE_SIZE];
    rhi__object_id(a->reader, &a->object, id, sizeof id);
    rhi__count_text(&a->object, count, sizeof count);
    rhi__value(a->reader, &a->object, value);
    rhi__print(a->session, "%s at 0x%" PRIx64 ": %s, %s%s%s%s\n", rhi__styled(a->session, RHI_STYLE_ASKED, id), a->object.address, rhi__state_word(&a->object),
               a->object.immortal ? "" : "refcount ", count, value[0] ? "," : "", value);
    if (in)
        print_referrers(a);
    if (out)
        print_referents(a);
    if (a->has_path)
        rhi__path_print(a->session, a->reader, &a->path);
    rhi__print_incomplete(a->session);
}

/* A row with who holds the object that it is in, to the depth of the tree. Children lie behind their
 * parents, so that they are made from the end on and nothing recurses. */
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
            json_object_set_new(rows[i], "referrers_total", rhi__json_u64(branch->count + branch->left_out));
        if (branch->is_repeated)
            json_object_set_new(rows[i], "seen_above", json_true());
        if (branch->is_cut)
            json_object_set_new(rows[i], "referrers_left_out", json_true());
    }
    a->rows = rows;
    return rows ? NULL : rhi__error_memory();
}

static void print_json(answer *a)
{
    static const char *const words[] = {"strong", "weak", "borrowed"};
    rhi_session *s = a->session;
    rhi__json_begin(s);
    rhi__json_key(s, "object", rhi__object_json(a->reader, &a->object));
    rhi__json_array(s, "referrers");
    for (uint64_t i = 0; i < a->holders.count && i < a->args->limit; i++)
        rhi__json_item(s, a->rows ? a->rows[i] : rhi__holder_json(a->reader, &a->holders.items[i]));
    rhi__json_array_end(s);
    if (a->holders.count > a->args->limit)
        rhi__json_key(s, "referrers_total", rhi__json_u64(a->holders.count));
    rhi__json_array(s, "referents");
    for (uint64_t i = 0; i < a->referents.count && i < a->args->limit; i++) {
        const referent *r = &a->referents.items[i];
        rhi__json_item(s, json_pack("{s:s, s:s, s:s?, s:s, s:o, s:o}", "name", r->name, "strength", words[r->kind], "target",
                                    r->target[0] ? r->target : NULL, "target_status", r->status, "value", rhi__json_address(r->value),
                                    "target_value", r->has_object ? rhi__value_json(a->reader, &r->object) : json_null()));
    }
    rhi__json_array_end(s);
    if (a->referents.count > a->args->limit)
        rhi__json_key(s, "referents_total", rhi__json_u64(a->referents.count));
    if (a->has_path)
        rhi__path_json(s, a->reader, &a->path);
    rhi__json_key(s, "ledger", rhi__option(a->args, "--out") && !rhi__option(a->args, "--in") ? json_null() : rhi__ledger_json(&a->ledger));
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
        a->has_path = true;
    }
    if (in && rhi__option(a->args, "--weak"))
        RHI_TRY(rhi__tell_harm(a->session, a->reader, true));
    return rhi__ledger(a->session, a->reader, &a->object, &a->holders, &a->ledger); /* with a verdict if there is a graph by now */
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
