/* holders.c - the referrer rows, in text and JSON (see objects.h, words.h). */
#include "words/malloc_graph.h"
#include "render/value.h"
#include "render/holders.h"
#include "heap/objects.h"
#include "render/output.h"
#include "program/symbols.h"
#include "words/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_words[] = {
    "field",   "undeclared", "root",   "register", "stack", "global", "thread_local",
    "foreign", "unknown",    "kernel", "immortal", "dying", "runtime"};
_Static_assert(sizeof kind_words / sizeof *kind_words == RHI_HOLDER_KINDS, "a word for each kind");

const char *rhi__holder_word(const rhi_holder *holder)
{
    return holder->variable && holder->variable->is_local ? "local" : kind_words[holder->kind];
}

const char *rhi__field_strength(const rhi_field *field)
{
    return field->is_guess                    ? "conservative"
           : field->kind == RHI_KIND_STRONG   ? "strong"
           : field->kind == RHI_KIND_BORROWED ? "borrowed"
                                              : "weak";
}

const char *rhi__strength_word(const rhi_holder *holder)
{
    return holder->field && holder->field->is_guess ? "conservative"
           : holder->strong                         ? "strong"
           : !holder->weak                          ? "conservative"
           : holder->field->is_weak_target          ? "weak"
                                                    : "borrowed";
}

bool rhi__holder_from(rhi_reader *reader, const rhi_holder *holder, rhi_object *object, char *id,
                      size_t size)
{
    enum rhi_place place;
    if (!holder->from || !rhi__place_of(reader, holder->from, &place, object) ||
        !rhi__place_is_slot(place))
        return false;
    rhi__object_id(reader, object, id, size);
    return true;
}

/* What else than this reference that object holds; false: nothing. */
static bool from_value(rhi_reader *reader, const rhi_holder *holder, const rhi_object *from,
                       char value[RHI_VALUE_SIZE])
{
    rhi__value_but(reader, from, holder->field, value);
    return value[0];
}

int64_t rhi__holder_offset(const rhi_holder *holder)
{
    enum { PREFIX_MAX = 1 << 16 };
    uint64_t before = holder->target - holder->value, behind = holder->value - holder->target;
    return before && before < PREFIX_MAX ? -(int64_t)before
           : behind > INT64_MAX          ? INT64_MAX
                                         : (int64_t)behind;
}

const rhi_json_type rhi__holder_type = {
    .name = "holder",
    .doc = "Who refers to an object: a slot of another one, or a word of memory.",
    .members = (const rhi_json_member[]){
        {"kind", .is = RHI_JSON_TEXT,
         "where the reference lies; of who holds a cycle also immortal, dying, runtime: a member "
         "that stays by itself",
         .words = "field|undeclared|root|register|stack|local|global|thread_local|foreign|unknown|"
                  "kernel|immortal|dying|runtime"},
        {"strength", .is = RHI_JSON_TEXT,
         "strong: it owns a count; weak, borrowed: it owns none; conservative: a word that may be "
         "a leftover",
         .words = "strong|weak|borrowed|conservative"},
        {"address", .is = RHI_JSON_ADDRESS | RHI_JSON_NULL,
         "of the slot or word; null: a register"},
        {"from", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "the name of the object that it lies in, if any"},
        {"from_value", .is = RHI_JSON_TEXT | RHI_JSON_NULL | RHI_JSON_OPTIONAL,
         "what else that object holds, short; null: nothing to say"},
        {"name", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "of the field, root, register or variable, as next, main::cache, registry.slots[3]"},
        {"offset", .is = RHI_JSON_INTEGER,
         "how many bytes behind the object's address it points; below 0: in front of it"},
        {"type", .is = RHI_JSON_TEXT | RHI_JSON_OPTIONAL, "the variable's type, by debug info"},
        {"function", .is = RHI_JSON_TEXT | RHI_JSON_OPTIONAL, "that a local or static is in"},
        {"frame", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL, "of a local: 0 is the innermost"},
        {"thread", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "the system's number of the thread whose stack, register or thread-local it is"},
        {"reachable", .is = RHI_JSON_BOOLEAN | RHI_JSON_NULL | RHI_JSON_OPTIONAL,
         "of a word in a block of malloc: a root reaches the block; null: not everything could be "
         "searched"},
        {0}}};

json_t *rhi__holder_json(rhi_reader *reader, const rhi_holder *holder)
{
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE];
    rhi_object from;
    const rhi_variable *variable = holder->variable;
    json_t *json = json_object();
    json_object_set_new(json, "kind", json_string(rhi__holder_word(holder)));
    json_object_set_new(json, "strength", json_string(rhi__strength_word(holder)));
    json_object_set_new(json, "address",
                        holder->address ? rhi__json_address(holder->address) : json_null());
    bool is_in_object = rhi__holder_from(reader, holder, &from, id, sizeof id);
    json_object_set_new(json, "from", is_in_object ? json_string(id) : json_null());
    if (is_in_object)
        json_object_set_new(json, "from_value",
                            from_value(reader, holder, &from, value) ? rhi__json_text(value + 1)
                                                                     : json_null());
    json_object_set_new(json, "name", holder->name ? rhi__json_text(holder->name) : json_null());
    json_object_set_new(json, "offset", json_integer(rhi__holder_offset(holder)));
    if (variable && variable->type[0])
        json_object_set_new(json, "type", rhi__json_text(variable->type));
    if (variable && variable->function[0])
        json_object_set_new(json, "function", rhi__json_text(variable->function));
    if (variable && variable->is_local)
        json_object_set_new(json, "frame", json_integer(variable->frame));
    if (holder->lwp)
        json_object_set_new(json, "thread", rhi__json_u64(holder->lwp));
    if (holder->reach)
        json_object_set_new(json, "reachable",
                            holder->reach == RHI_REACH_UNDECIDED
                                ? json_null()
                                : json_boolean(holder->reach == RHI_REACH_YES));
    return json;
}

const rhi_json_type rhi__block_type = {
    .name = "block",
    .doc = "A block of malloc.",
    .members = (const rhi_json_member[]){{"address", .is = RHI_JSON_ADDRESS, "its first byte"},
                                         {"size", .is = RHI_JSON_COUNT, "its bytes"},
                                         {0}}};

json_t *rhi__block_json(rhi_session *session, uint32_t number)
{
    uint64_t start, end;
    rhi__malloc_range(rhi__malloc_graph_known(session), number, &start, &end);
    return json_pack("{s:o, s:o}", "address", rhi__json_address(start), "size",
                     rhi__json_u64(end - start));
}

enum { WHAT_SIZE = RHI_HOLDER_TEXT_SIZE - 32 };

/* local 'conn.table[3]' (node *) in serve() frame 0 */
static void variable_text(const rhi_holder *holder, char *text, size_t size)
{
    const rhi_variable *v = holder->variable;
    char type[RHI_OWNER_SIZE + 8] = "", frame[32] = "";
    if (v->type[0])
        snprintf(type, sizeof type, " (%s)", v->type);
    if (v->is_local)
        snprintf(frame, sizeof frame, " frame %" PRIu32, v->frame);
    if (v->function[0] || v->is_local)
        snprintf(text, size, "%s '%s'%s in %s()%s",
                 v->is_local                               ? "local"
                 : holder->kind == RHI_HOLDER_THREAD_LOCAL ? "thread-local"
                                                           : "static",
                 v->text, type, v->function[0] ? v->function : "??", frame);
    else if (holder->kind == RHI_HOLDER_THREAD_LOCAL)
        snprintf(text, size, "thread-local '%s'%s", v->text, type);
    else
        snprintf(text, size, "global %s%s", v->text, type);
}

/* Says the name of a root by itself what the root is? */
static bool names_root(const rhi_reader *reader, const rhi_holder *holder)
{
    return rhi__format_of(reader, reader->roots.items[holder->index].heap)->names_roots;
}

/* "node#3.next", "key 'user' (dict@0x…)", "globals['cache'] of app (dict@0x…)" */
static void field_text(rhi_reader *reader, const rhi_object *from, const char *id, const char *name,
                       char *text, size_t size)
{
    char what[RHI_NAME_SIZE], of[RHI_NAME_SIZE];
    const rhi_format *format = rhi__format_of(reader, from->heap);
    if (format->scope && format->scope(reader, from, what, of))
        snprintf(text, size, "%s%s%s of %s (%s)", what, rhi__dot_before(name), name, of, id);
    else if (rhi__is_phrase(name))
        snprintf(text, size, "%s (%s)", name, id);
    else
        snprintf(text, size, "%s%s%s", id, rhi__dot_before(name), name);
}

/* A row without its address and strength; *has_address: the text says where the word lies. value:
 * of the object that the row is in. */
static void what_text(rhi_reader *reader, const rhi_holder *holder, char *text, size_t size,
                      bool *has_address, char value[RHI_VALUE_SIZE])
{
    char id[RHI_ID_SIZE] = "(unreadable)";
    rhi_object from = {0};
    const char *name = holder->name ? holder->name : "";
    *has_address = false;
    value[0] = '\0';
    if (rhi__holder_from(reader, holder, &from, id, sizeof id))
        from_value(reader, holder, &from, value);
    if (holder->variable) {
        variable_text(holder, text, size);
        return;
    }
    switch (holder->kind) {
    case RHI_HOLDER_FIELD:
        field_text(reader, &from, id, name, text, size);
        break;
    case RHI_HOLDER_UNDECLARED:
        snprintf(text, size, "%s%s (no declared field)", id, name);
        break;
    case RHI_HOLDER_ROOT:
        snprintf(text, size, names_root(reader, holder) ? "%s" : "root '%s'", name);
        break;
    case RHI_HOLDER_REGISTER:
        snprintf(text, size, "register %s", name);
        break;
    case RHI_HOLDER_IMMORTAL:
    case RHI_HOLDER_DYING:
        snprintf(text, size, "%s is %s", id, kind_words[holder->kind]);
        break;
    case RHI_HOLDER_RUNTIME:
        snprintf(text, size, "%s is held by the runtime", id);
        break;
    default:
        *has_address = holder->kind == RHI_HOLDER_STACK || !*name;
        if (*has_address)
            snprintf(text, size, "%s word at 0x%" PRIx64 "%s%s%s",
                     holder->kind == RHI_HOLDER_THREAD_LOCAL ? "thread-local"
                                                             : kind_words[holder->kind],
                     holder->address, *name ? " (" : "", name, *name ? ")" : "");
        else
            snprintf(text, size, "%s", name); /* libfoo.so+0x4040, malloc block 0x…+16 */
    }
}

/* With the thread. */
static void row_text(rhi_reader *reader, const rhi_holder *holder, char text[RHI_HOLDER_TEXT_SIZE],
                     bool *has_address, char value[RHI_VALUE_SIZE])
{
    char what[WHAT_SIZE];
    what_text(reader, holder, what, sizeof what, has_address, value);
    if (holder->lwp)
        snprintf(text, RHI_HOLDER_TEXT_SIZE, "%s thread %" PRIu64, what, holder->lwp);
    else
        snprintf(text, RHI_HOLDER_TEXT_SIZE, "%s", what);
}

void rhi__holder_text(rhi_reader *reader, const rhi_holder *holder, char text[RHI_HOLDER_TEXT_SIZE])
{
    bool has_address;
    char value[RHI_VALUE_SIZE];
    row_text(reader, holder, text, &has_address, value);
}

const char *rhi__reach_text(const rhi_holder *holder)
{
    return holder->reach <= RHI_REACH_YES ? ""
           : holder->reach == RHI_REACH_UNDECIDED
               ? " (in a malloc block that nothing reaches in what could be read)"
               : " (in a malloc block that nothing reaches)";
}

void rhi__holder_print(rhi_session *session, rhi_reader *reader, const rhi_holder *holder,
                       const char *indent)
{
    char row[RHI_HOLDER_TEXT_SIZE], value[RHI_VALUE_SIZE];
    bool has_address, is_member = holder->kind >= RHI_HOLDER_IMMORTAL,
                      is_exact = holder->strong && !(holder->field && holder->field->is_guess);
    row_text(reader, holder, row, &has_address, value);
    rhi__print(session, "%s%-44s", indent, row);
    if (!is_member)
        rhi__print(session, " %s", is_exact ? "exact" : rhi__strength_word(holder));
    if (holder->address && !has_address)
        rhi__print(session, " at 0x%" PRIx64, holder->address);
    if (holder->value > holder->target)
        rhi__print(session, " (points %" PRIu64 " bytes into it)", holder->value - holder->target);
    else if (holder->value != holder->target)
        rhi__print(session, " (points %" PRIu64 " bytes in front of it)",
                   holder->target - holder->value);
    rhi__print(session, "%s%s%s\n", rhi__reach_text(holder), value[0] ? "  in" : "", value);
}
