/* described.c - what debuggers show of a variable that holds an object (see described.h).
 *
 * Invariant: nothing is said of an address that is no object's: the debugger's own words stand. */
#include "render/described.h"
#include "base/text.h"
#include "render/holders.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE = RHI_ID_SIZE + RHI_VALUE_SIZE + 96 };

/* ---- the words ------------------------------------------------------------------------------ */

/* "user#1 rc=3", "STALE: was user#7, freed by release" */
static void summary(const rhi_objat *a, uint64_t characters, char text[TEXT_SIZE])
{
    const rhi_object *object = &a->object;
    char id[RHI_ID_SIZE], count[32], value[RHI_VALUE_SIZE] = "";
    const char *state = rhi__state_word(object),
               *moving = rhi__is_at_rest(a->reader, object->heap) ? "" : " (provisional)";
    rhi__object_id(a->reader, object, id, sizeof id);
    rhi__count_text(object, count, sizeof count);
    if (object->damaged || object->type >= a->reader->types.count)
        snprintf(text, TEXT_SIZE, "damaged: its header contradicts itself%s", moving);
    else if (a->place == RHI_PLACE_FREED)
        snprintf(text, TEXT_SIZE, "STALE: was %s, %s", id, rhi__freed_text(object->death));
    else if (object->state == RHI_DYING)
        snprintf(text, TEXT_SIZE, "%s dying", id);
    else {
        rhi__plain_value(a->reader, object, characters, value);
        snprintf(text, TEXT_SIZE, "%s %s%s%s%s%s%s", id, object->immortal ? "" : "rc=", count,
                 strcmp(state, "live") == 0 ? "" : " ", strcmp(state, "live") == 0 ? "" : state,
                 moving, value);
    }
}

/* ---- functions ------------------------------------------------------------------------------ */

/* What expressions of a debugger may ask, by the names of rhi_describes. */
static json_t *functions_json(const rhi_objat *a, bool is_object)
{
    char id[RHI_ID_SIZE] = "", born[RHI_SITE_SIZE] = "";
    const rhi_object *object = &a->object;
    rhi_site site;
    bool is_sound = is_object && !object->damaged && object->type < a->reader->types.count;
    bool is_live = is_sound && a->place == RHI_PLACE_LIVE;
    if (is_sound)
        rhi__object_id(a->reader, object, id, sizeof id);
    if (is_sound && rhi__site(a->reader, object, &site))
        rhi__site_text(&site, born);
    return json_pack("{s:I, s:o, s:i, s:o, s:o}", "refcount",
                     !is_live           ? (json_int_t)0
                     : object->immortal ? INT64_MAX
                                        : (json_int_t)object->count,
                     "objid", rhi__json_text(id), "is_stale",
                     is_sound && a->place == RHI_PLACE_FREED, "objtype",
                     rhi__json_text(is_sound ? rhi__type_name(a->reader, object->type) : ""),
                     "born", rhi__json_text(born));
}

/* ---- children ------------------------------------------------------------------------------- */

typedef struct listing {
    rhi_described *answer;
    uint64_t characters; /* of a text, at most */
    json_t *rows;
} listing;

/* A text of the object: "text" as a debugger quotes it, "value" the text alone. */
static void add_text(listing *l, json_t *json, const rhi_objat_row *row)
{
    enum { TEXT_BYTES_MAX = 1 << 20 };
    uint64_t size = row->value < l->characters ? row->value : l->characters, got = 0;
    size = size < TEXT_BYTES_MAX ? size : TEXT_BYTES_MAX;
    char *bytes = malloc(size + 1), *text = malloc(size * 4 + 8);
    if (bytes && text && rhi__described_text(l->answer, row->field, bytes, size, &got)) {
        rhi__quote(bytes, got, row->value > size, text, size * 4 + 8);
        json_object_set_new(json, "text", json_string(text));
        json_object_set_new(json, "value", rhi__json_bytes(bytes, got));
    }
    free(bytes);
    free(text);
}

static void add_row(void *context, const rhi_objat_row *row)
{
    static const char *const plain[] = {"int", "uint", "float", "bytes"};
    listing *l = context;
    const rhi_field *field = row->field;
    char name[RHI_NAME_SIZE + 64], text[64];
    json_t *json = json_object();
    if (row->is_whole)
        snprintf(name, sizeof name, "%s", field->name);
    else
        rhi__slot_name(field, row->element, name, sizeof name);
    json_object_set_new(json, "name", rhi__json_text(name));
    if (rhi__is_reference(field)) {
        json_object_set_new(json, "kind", json_string(rhi__field_strength(field)));
        json_object_set_new(json, "value", rhi__json_address(row->value));
    } else {
        json_object_set_new(json, "kind", json_string(plain[field->kind - RHI_KIND_INT]));
        if (field->kind == RHI_KIND_BYTES)
            add_text(l, json, row);
        else if (field->kind == RHI_KIND_FLOAT)
            rhi__real_text(row->real, field->width, text, sizeof text);
        else
            snprintf(text, sizeof text, field->kind == RHI_KIND_INT ? "%" PRId64 : "%" PRIu64,
                     row->value);
        if (field->kind != RHI_KIND_BYTES)
            json_object_set_new(json, "text", json_string(text));
    }
    json_array_append_new(l->rows, json);
}

json_t *rhi__described_json(rhi_described *answer, uint64_t characters)
{
    rhi_objat *a = &answer->at;
    char text[TEXT_SIZE] = "", pointer[TEXT_SIZE + 24] = "";
    rhi_objat_rows rows = {0};
    listing l = {.answer = answer, .characters = characters, .rows = json_array()};
    if (answer->is_object) {
        summary(a, characters, text);
        snprintf(pointer, sizeof pointer, "0x%" PRIx64 " %s", a->address, text);
    }
    if (a->bytes) /* which ends early for a user who wants it, with what there is */
        rhi__error_free(rhi__objat_fields(a, false, add_row, &l, &rows));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "text",
                     answer->is_object ? rhi__json_text(text) : json_null(), "pointer",
                     rhi__json_text(pointer), "undecided",
                     answer->undecided[0] ? rhi__json_text(answer->undecided) : json_null(),
                     "is_live", json_boolean(answer->is_object && a->place == RHI_PLACE_LIVE),
                     "functions", functions_json(a, answer->is_object), "children", l.rows,
                     "children_total", rhi__json_u64(rows.total));
}
