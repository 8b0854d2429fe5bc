/* gcfind.c - the objects that were found, for people and in JSON (see gcfind.h). */
#include "render/gcfind.h"
#include "heap/objects.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/value.h"

#include <inttypes.h>

void rhi__gcfind_print(const rhi_gcfind *a)
{
    rhi_session *s = a->session;
    char id[RHI_ID_SIZE], count[32], value[RHI_VALUE_SIZE], born[RHI_SITE_SIZE];
    rhi_site site;
    rhi__print(s, "%" PRIu64 " object%s\n", a->total, a->total == 1 ? "" : "s");
    if (a->asked.type && !a->has_type)
        rhi__print(s,
                   "  no object that was read has a type that fits '%s': gcstat shows the types\n",
                   a->asked.type);
    for (uint64_t i = 0; i < a->shown.count; i++) {
        const rhi_object *object = &a->shown.items[i];
        rhi__object_id(a->reader, object, id, sizeof id);
        rhi__count_text(object, count, sizeof count);
        rhi__print(s, "  %-28s 0x%" PRIx64 "  %s%s, %" PRIu64 " bytes, heap %" PRIu64 ", %s", id,
                   object->address, object->immortal ? "" : "refcount ", count,
                   rhi__object_size_at(a->reader, object),
                   a->reader->heaps.items[object->heap].number, rhi__state_word(object));
        uint32_t index = a->leaks ? rhi__object_index(a->reader, object->address) : RHI_NO_OBJECT;
        rhi__value(a->reader, object, value);
        born[0] = '\0';
        if (a->asked.site && rhi__site(a->reader, object, &site))
            rhi__born_text(&site, born);
        rhi__print(s, "%s%s", born[0] ? ", born " : "", born);
        rhi__print(s, "%s%s%s%s\n", index == RHI_NO_OBJECT ? "" : ", ",
                   index == RHI_NO_OBJECT ? "" : rhi__cause_word(rhi__cause(a->leaks, index)),
                   value[0] ? "," : "", value);
    }
    rhi__print_more(s, "  ", a->total - a->shown.count, NULL);
    if (a->leaks && !a->leaks->is_decided)
        rhi__print(
            s,
            "garbage only: %" PRIu64
            " object%s a count whose owner was not found, but not everything could be searched\n",
            a->leaks->undecided, a->leaks->undecided == 1 ? " has" : "s have");
    if (a->leaks)
        rhi__print_provisional(s);
    rhi__print_incomplete(s);
}

const rhi_json_type rhi__gcfind_type = {
    .name = "gcfind",
    .doc = "The objects that have certain properties.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"objects", .is = RHI_JSON_ROWS, "in address order", .of = {&rhi__object_type}},
        {"total", .is = RHI_JSON_COUNT, "how many there are"},
        {"undecided", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "with --unreachable: objects that may be lost, where not everything could be searched"},
        {"provisional", .is = RHI_JSON_BOOLEAN | RHI_JSON_OPTIONAL,
         "with --unreachable: counts are in motion, and what is called leaked may not be"},
        {0}}};

void rhi__gcfind_json(const rhi_gcfind *a)
{
    rhi_session *s = a->session;
    rhi__json_begin(s);
    rhi__json_array(s, "objects");
    for (uint64_t i = 0; i < a->shown.count; i++)
        rhi__json_item(s, rhi__object_json(a->reader, &a->shown.items[i]));
    rhi__json_array_end(s);
    if (a->total > a->shown.count)
        rhi__json_key(s, "objects_total", rhi__json_u64(a->total));
    rhi__json_key(s, "total", rhi__json_u64(a->total));
    if (a->leaks) {
        rhi__json_key(s, "undecided", rhi__json_u64(a->leaks->undecided));
        rhi__json_key(s, "provisional", json_boolean(rhi__is_provisional(s)));
    }
    rhi__json_end(s);
}
