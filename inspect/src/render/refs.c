/* refs.c - who holds an object, and what it holds, for people and in JSON (see refs.h). */
#include "render/refs.h"
#include "heap/objects.h"
#include "questions/objects.h"
#include "render/holders.h"
#include "render/ledger.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/pairs.h"
#include "render/path.h"
#include "render/sentences.h"
#include "render/uses.h"
#include "render/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct rhi_refs answer;

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
    char id[RHI_ID_SIZE], option[RHI_HEAP_OPTION_SIZE];
    rhi_site site;
    rhi__object_id(a->reader, &a->object, id, sizeof id);
    rhi__heap_option(a->reader, a->object.heap, option);
    if (a->object.traced && !a->asked.pairs)
        rhi__print(a->session, "next: refs --ledger %s%s: who took its counts\n", option, id);
    rhi__print(a->session, "next: objat %s%s%s: what it holds%s\n", option,
               heap->keeps_births ? "--history " : "", id,
               heap->keeps_births ? ", and who made it" : "");
    if (!(heap->keeps_births && heap->stack_depth) && !rhi__site(a->reader, &a->object, &site))
        rhi__print_not_recorded(a->session, heap->format, "it was made");
}

static void print_referrers(const answer *a)
{
    if (a->holders.count == 0)
        rhi__print(a->session, "nothing was found that holds it\n");
    else
        rhi__print(a->session, "held by:\n");
    for (uint64_t i = 0; i < a->holders.count && i < a->asked.limit; i++)
        print_referrer(a, i);
    if (a->holders.count > a->asked.limit)
        rhi__print_more(a->session, "  ",
                        a->holders.count + a->holders.left_out.rows - a->asked.limit, NULL);
    if (a->tree.cut)
        rhi__print(a->session,
                   "  … who holds %" PRIu64 " of these is left out (--limit=0 shows all)\n",
                   a->tree.cut);
    rhi__ledger_print(a->session, &a->ledger);
    if (a->holders.count == 0 && !a->ledger.immortal && a->ledger.unexplained > 0)
        print_next(a);
}

/* A reference holds nothing unless it points to an object's start. */
static const char *word_of(const rhi_referent *target)
{
    return target->is_readable && rhi__place_is_slot(target->place) && !target->is_start
               ? "interior"
               : rhi__referent_word(target);
}

static void print_referent(const answer *a, const rhi_refs_slot *r)
{
    const char *strength = rhi__field_strength(r->field);
    bool is_strong = strcmp(strength, "strong") == 0;
    char name[RHI_NAME_SIZE + 32], id[RHI_ID_SIZE], value[RHI_VALUE_SIZE] = "";
    rhi_referent target;
    rhi__look_up(a->reader, r->value, &target);
    bool is_live = rhi__referent_is_live(&target);
    if (is_live)
        rhi__value(a->reader, &target.object, value);
    rhi__slot_name(r->field, r->element, name, sizeof name);
    rhi__print(a->session, "  %-28s -> %s%s", name, is_strong ? "" : strength,
               is_strong ? "" : " ");
    if (rhi__referent_id(a->reader, &target, id))
        rhi__print(a->session, "%s%s%s\n", rhi__styled(a->session, RHI_STYLE_ID, id), value,
                   is_live ? "" : rhi__styled(a->session, RHI_STYLE_STALE, " (freed: stale)"));
    else
        rhi__print(a->session, "0x%" PRIx64 " (%s)\n", r->value, word_of(&target));
}

static void print_referents(const answer *a)
{
    rhi__print(a->session, a->referents.count ? "holds:\n" : "holds nothing\n");
    for (uint64_t i = 0; i < a->referents.count; i++)
        print_referent(a, &a->referents.items[i]);
    rhi__print_more(a->session, "  ", a->referents.total - a->referents.count, NULL);
}

void rhi__refs_print(const rhi_refs *a)
{
    char id[RHI_ID_SIZE], count[32], value[RHI_VALUE_SIZE];
    rhi__object_id(a->reader, &a->object, id, sizeof id);
    rhi__count_text(&a->object, count, sizeof count);
    rhi__value(a->reader, &a->object, value);
    rhi__print(a->session, "%s at 0x%" PRIx64 ": %s, %s%s%s%s\n",
               rhi__styled(a->session, RHI_STYLE_ASKED, id), a->object.address,
               rhi__state_word(&a->object), a->object.immortal ? "" : "refcount ", count,
               value[0] ? "," : "", value);
    rhi__print_born(a->session, a->reader, &a->object);
    if (a->asked.in)
        print_referrers(a);
    if (a->asked.pairs)
        rhi__pairs_print(a->session, a->reader, &a->object, &a->pairs,
                         a->asked.in ? &a->ledger : NULL, a->asked.limit);
    if (a->asked.out)
        print_referents(a);
    if (a->asked.path)
        rhi__path_print(a->session, a->reader, &a->path, a->asked.limit);
    rhi__uses_print(a->session, &a->uses, a->asked.limit);
    rhi__print_incomplete(a->session);
}

/* A row with who holds the object that it is in, to the depth of the tree. Children lie behind
 * their parents, so that they are made from the end on and nothing recurses. */
static json_t **make_json_rows(const answer *a)
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
    return rows;
}

static json_t *referent_json(const answer *a, const rhi_refs_slot *r)
{
    char name[RHI_NAME_SIZE + 32], id[RHI_ID_SIZE];
    rhi_referent target;
    rhi__look_up(a->reader, r->value, &target);
    bool has_id = rhi__referent_id(a->reader, &target, id);
    rhi__slot_name(r->field, r->element, name, sizeof name);
    return json_pack("{s:s, s:s, s:s?, s:s, s:o, s:o}", "name", name, "strength",
                     rhi__field_strength(r->field), "target", has_id ? id : NULL, "target_status",
                     word_of(&target), "value", rhi__json_address(r->value), "target_value",
                     rhi__referent_is_live(&target) ? rhi__value_json(a->reader, &target.object)
                                                    : json_null());
}

static const rhi_json_type branch_type; /* of which it consists itself */
static const rhi_json_type branch_type = {
    .name = "referrer",
    .doc = "Who holds an object. With --depth above 1 those of kind field say who holds them.",
    .base = {&rhi__holder_type},
    .members = (const rhi_json_member[]){
        {"referrers", .is = RHI_JSON_ROWS | RHI_JSON_OPTIONAL,
         "who holds the object that the reference lies in", .of = {&branch_type}},
        {"seen_above", .is = RHI_JSON_BOOLEAN | RHI_JSON_OPTIONAL,
         "true: its referrers stand elsewhere in this answer"},
        {"referrers_left_out", .is = RHI_JSON_BOOLEAN | RHI_JSON_OPTIONAL,
         "true: they are too many for one answer"},
        {0}}};

static const rhi_json_type referent_type = {
    .name = "referent",
    .doc = "What an object holds.",
    .members = (const rhi_json_member[]){
        {"name", .is = RHI_JSON_TEXT, "of the field, as next, items[3]"},
        {"strength", .is = RHI_JSON_TEXT, "as of a holder",
         .words = "strong|weak|borrowed|conservative"},
        {"target", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the name of the object that it leads to"},
        {"target_status", .is = RHI_JSON_TEXT,
         "what is where it leads; interior: the inside of an object, or of a slot",
         .words = RHI_STATUS_WORDS "|interior|unreadable"},
        {"value", .is = RHI_JSON_ADDRESS, "the address that it holds"},
        {"target_value", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "what that object holds, short"},
        {0}}};

const rhi_json_type rhi__refs_type = {
    .name = "refs",
    .doc = "Who holds an object, and what it holds.",
    .base = {&rhi__common_type, &rhi__path_type},
    .members = (const rhi_json_member[]){
        {"object", .is = 0, "that was asked about", .of = {&rhi__object_type}},
        {"referrers", .is = RHI_JSON_ROWS, "who holds it", .of = {&branch_type}},
        {"referents", .is = RHI_JSON_ROWS, "what it holds", .of = {&referent_type}},
        {"ledger", .is = RHI_JSON_NULL, "its count against who holds it; null: with --out",
         .of = {&rhi__ledger_type}},
        {"pairs", .is = RHI_JSON_OPTIONAL, "with --ledger", .of = {&rhi__pairs_type}},
        {"variables", .is = RHI_JSON_ROWS | RHI_JSON_OPTIONAL,
         "variables that hold it, or, with --path, what it lies in, and that code of the program "
         "names",
         .of = {&rhi__used_type}},
        {0}}};

rhi_error *rhi__refs_json(const rhi_refs *a)
{
    rhi_session *s = a->session;
    json_t **rows = a->asked.depth > 1 ? make_json_rows(a) : NULL;
    if (a->asked.depth > 1 && !rows)
        return rhi__error_memory();
    rhi__json_begin(s);
    rhi__json_key(s, "object", rhi__object_json(a->reader, &a->object));
    rhi__json_array(s, "referrers");
    for (uint64_t i = 0; i < a->holders.count && i < a->asked.limit; i++)
        rhi__json_item(s, rows ? rows[i] : rhi__holder_json(a->reader, &a->holders.items[i]));
    rhi__json_array_end(s);
    if (a->holders.count > a->asked.limit)
        rhi__json_key(s, "referrers_total",
                      rhi__json_u64(a->holders.count + a->holders.left_out.rows));
    rhi__json_array(s, "referents");
    for (uint64_t i = 0; i < a->referents.count; i++)
        rhi__json_item(s, referent_json(a, &a->referents.items[i]));
    rhi__json_array_end(s);
    if (a->referents.total > a->referents.count)
        rhi__json_key(s, "referents_total", rhi__json_u64(a->referents.total));
    if (a->asked.path)
        rhi__path_json(s, a->reader, &a->path, a->asked.limit);
    rhi__uses_json(s, a->reader, &a->uses, a->asked.limit);
    rhi__json_key(s, "ledger", a->asked.in ? rhi__ledger_json(&a->ledger) : json_null());
    if (a->asked.pairs)
        rhi__json_key(s, "pairs", rhi__pairs_json(s, a->reader, &a->pairs, a->asked.limit));
    rhi__json_end(s);
    free(rows);
    return NULL;
}
