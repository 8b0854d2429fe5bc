/* holders.c - the referrer rows, in text and JSON (see objects.h, words.h). */
#include "objects.h"
#include "output.h"
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_words[] = {"field", "undeclared", "root", "register", "stack", "global", "thread_local", "foreign", "unknown",
                                         "immortal", "dying"};

static const char *kind_word(const rhi_holder *holder)
{
    return holder->is_local ? "local" : kind_words[holder->kind];
}

static const char *strength_word(const rhi_holder *holder)
{
    return holder->strong ? "strong" : holder->weak ? "weak" : "conservative";
}

/* The id of the object that a field row is in. */
static bool from_id(rhi_reader *reader, const rhi_holder *holder, char *id, size_t size)
{
    enum rhi_place place;
    rhi_object object;
    if (!holder->from || !rhi__place_of(reader, holder->from, &place, &object) || place > RHI_PLACE_UNUSED)
        return false;
    rhi__object_id(reader, &object, id, size);
    return true;
}

json_t *rhi__holder_json(rhi_reader *reader, const rhi_holder *holder)
{
    char id[RHI_ID_SIZE];
    json_t *json = json_object();
    json_object_set_new(json, "kind", json_string(kind_word(holder)));
    json_object_set_new(json, "strength", json_string(strength_word(holder)));
    json_object_set_new(json, "address", holder->address ? rhi__json_address(holder->address) : json_null());
    json_object_set_new(json, "from", from_id(reader, holder, id, sizeof id) ? json_string(id) : json_null());
    json_object_set_new(json, "name", holder->name ? rhi__json_text(holder->name) : json_null());
    json_object_set_new(json, "offset", rhi__json_u64(holder->value - holder->target));
    if (holder->lwp)
        json_object_set_new(json, "thread", rhi__json_u64(holder->lwp));
    if (holder->detail)
        json_object_set_new(json, "detail", rhi__json_text(holder->detail));
    return json;
}

void rhi__holder_print(rhi_session *session, rhi_reader *reader, const rhi_holder *holder, const char *indent)
{
    char id[RHI_ID_SIZE], what[RHI_ID_SIZE + 256], where[64] = "";
    if (from_id(reader, holder, id, sizeof id))
        snprintf(what, sizeof what, "%s%s%s", id, holder->kind == RHI_HOLDER_FIELD ? "." : "", holder->name ? holder->name : "");
    else
        snprintf(what, sizeof what, "%s", holder->name ? holder->name : "(no name)");
    if (holder->lwp)
        snprintf(where, sizeof where, " thread %" PRIu64, holder->lwp);
    rhi__print(session, "%s%-28s %-8s", indent, what, kind_word(holder));
    if (!holder->strong)
        rhi__print(session, " %s", strength_word(holder));
    if (holder->address)
        rhi__print(session, " at 0x%" PRIx64, holder->address);
    rhi__print(session, "%s%s%s", where, holder->detail ? " " : "", holder->detail ? holder->detail : "");
    if (holder->value != holder->target)
        rhi__print(session, " (points %" PRIu64 " bytes into it)", holder->value - holder->target);
    rhi__print(session, "\n");
}
