/* malloc_place.c - a block of malloc in which an address lies (see malloc_place.h). */
#include "render/malloc_place.h"
#include "heap/objects.h"
#include "render/holders.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/value.h"
#include "render/sentences.h"
#include "words/words.h"

#include <inttypes.h>

/* What it leads to, and what to ask next: an object that it keeps, or keeps no more. */
static void print_objects(rhi_session *session, rhi_reader *reader, const rhi_malloc_place *place)
{
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE];
    if (place->object_count)
        rhi__print(session, "  objects that its words lead to:\n");
    for (uint64_t i = 0; i < place->object_count; i++) {
        const rhi_block_object *row = &place->objects[i];
        rhi__object_id(reader, &row->object, id, sizeof id);
        rhi__value(reader, &row->object, value);
        rhi__print(session, "    +%-6" PRIu64 " %s%s\n", row->offset,
                   rhi__styled(session, RHI_STYLE_ID, id), value);
    }
    if (place->has_more)
        rhi__print(session, "    … and maybe more\n");
    if (place->object_count) {
        rhi__object_id(reader, &place->objects[0].object, id, sizeof id);
        rhi__print(session, "  next: %s %s\n", place->reach == RHI_REACH_NO ? "objat" : "refs", id);
    } else if (place->reach == RHI_REACH_NO) {
        rhi__print(session, "  next: gcleaks: what is lost with it, through other blocks\n");
    }
}

void rhi__malloc_place_print(rhi_session *session, rhi_reader *reader,
                             const rhi_malloc_place *place, bool is_owned, uint64_t address,
                             uint64_t limit)
{
    static const char *const reach[] = {
        [RHI_REACH_UNASKED] = "",
        [RHI_REACH_YES] = "a root reaches it",
        [RHI_REACH_NO] = "nothing reaches it: it is lost",
        [RHI_REACH_UNDECIDED] =
            "nothing was found that reaches it, but not everything could be searched"};
    if (!place->is_known)
        return;
    if (!place->in_use) {
        rhi__print(session, "  free memory of malloc\n");
        return;
    }
    if (!place->is_raw)
        rhi__print(
            session, "  the malloc block 0x%" PRIx64 " of %" PRIu64 " bytes + %" PRIu64 ": %s\n",
            place->start, place->end - place->start, address - place->start, reach[place->reach]);
    if (is_owned)
        return;
    if (place->referrers->count)
        rhi__print(session, "  words that lead to it:\n");
    for (uint64_t i = 0; i < place->referrers->count && i < limit; i++)
        rhi__holder_print(session, reader, &place->referrers->items[i], "    ");
    if (place->referrers->count > limit)
        rhi__print_more(session, "    ",
                        place->referrers->count + place->referrers->left_out.rows - limit, NULL);
    print_objects(session, reader, place);
}

const rhi_json_type rhi__malloc_place_type = {
    .name = "malloc_place",
    .doc = "The block of malloc in which an address lies, or the free memory.",
    .base = {&rhi__block_type},
    .members = (const rhi_json_member[]){
        {"offset", .is = RHI_JSON_INTEGER, "bytes from its beginning to the address"},
        {"in_use", .is = RHI_JSON_BOOLEAN, "false: it is free memory"},
        {"reachable", .is = RHI_JSON_BOOLEAN | RHI_JSON_NULL,
         "a root reaches it; null: not everything could be searched, or it was not asked"},
        {"objects", .is = RHI_JSON_LIST, "objects that its words lead to, at most 10",
         .members =
             (const rhi_json_member[]){{"offset", .is = RHI_JSON_COUNT, "bytes into the block"},
                                       {"object", .is = 0, "the object", .of = {&rhi__object_type}},
                                       {NULL}}},
        {"referrers", .is = RHI_JSON_ROWS, "words that lead to it", .of = {&rhi__holder_type}},
        {NULL}}};

json_t *rhi__malloc_place_json(rhi_reader *reader, const rhi_malloc_place *place, uint64_t address,
                               uint64_t limit)
{
    json_t *json = json_object(), *rows = json_array();
    json_object_set_new(json, "address", rhi__json_address(place->start));
    json_object_set_new(json, "size", rhi__json_u64(place->end - place->start));
    json_object_set_new(json, "offset", json_integer((json_int_t)(address - place->start)));
    json_object_set_new(json, "in_use", json_boolean(place->in_use));
    json_object_set_new(json, "reachable",
                        place->reach == RHI_REACH_YES  ? json_true()
                        : place->reach == RHI_REACH_NO ? json_false()
                                                       : json_null());
    json_t *objects = json_array();
    for (uint64_t i = 0; i < place->object_count; i++) {
        json_t *row = json_object();
        json_object_set_new(row, "offset", rhi__json_u64(place->objects[i].offset));
        json_object_set_new(row, "object", rhi__object_json(reader, &place->objects[i].object));
        json_array_append_new(objects, row);
    }
    json_object_set_new(json, "objects", objects);
    for (uint64_t i = 0; place->referrers && i < place->referrers->count && i < limit; i++)
        json_array_append_new(rows, rhi__holder_json(reader, &place->referrers->items[i]));
    json_object_set_new(json, "referrers", rows);
    if (place->referrers && place->referrers->count > limit)
        json_object_set_new(
            json, "referrers_total",
            rhi__json_u64(place->referrers->count + place->referrers->left_out.rows));
    return json;
}
