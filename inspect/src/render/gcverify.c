/* gcverify.c - what does not fit together in the heap, for people and in JSON (see gcverify.h). */
#include "render/gcverify.h"
#include "base/search.h"
#include "heap/objects.h"
#include "questions/smashed.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/stacks.h"
#include "render/value.h"

#include <inttypes.h>

/* Of what every format's heap is checked for. */
static const rhi_finding_words kinds[RHI_FINDING_KINDS] = {
    [RHI_FOUND_OVER_RELEASE] = {"over_release", "object has fewer counts than fields that hold it",
                                "objects have fewer counts than fields that hold them",
                                "it was released once too often, or a field was filled without a "
                                "retain: `refs` shows the fields, `objat --history` the rest"},
    [RHI_FOUND_ROOT_WITHOUT_COUNT] =
        {"root_without_count", "object has no count left for a registered root",
         "objects have no count left for a registered root",
         "the root's count was released while the root still holds the object, or it was stored "
         "there without a retain: see `refs`"},
    [RHI_FOUND_BAD_LINK] = {"bad_link", "reference points to no object that it may point to",
                            "references point to no object that they may point to",
                            "`objat` on what it holds says what is there and who died there"},
    [RHI_FOUND_BAD_ROOT] = {"bad_root", "registered root holds no object",
                            "registered roots hold no objects",
                            "the variable is gone, or was never set, or what it held was freed: "
                            "`rh_root_remove` belongs before that"},
    [RHI_FOUND_BAD_SIZE] = {"bad_size", "object claims more elements than it can have",
                            "objects claim more elements than they can have",
                            "something has written over a length or a pointer to elements"},
    [RHI_FOUND_DUPLICATE_SERIAL] =
        {"duplicate_serial", "object has another one's serial", "objects have another one's serial",
         "something has copied a header, as an assignment of a whole struct does"},
    [RHI_FOUND_BAD_METADATA] = {"bad_metadata", "part of the heap's metadata makes no sense",
                                "parts of the heap's metadata make no sense",
                                "something has written over the heap's own memory"},
};

/* What the format of the first finding of a kind calls that kind, if it has words of its own; else
 * what all formats do, or the one that alone looks for it. */
static const rhi_finding_words *words_of(const rhi_verify *verify, unsigned kind)
{
    const rhi_finding_words *words = &kinds[kind], *own = NULL;
    const rhi_finding *all = verify->findings.items;
    uint64_t first = rhi__first(0, verify->findings.count, at, all[at].kind >= kind);
    if (first < verify->findings.count && all[first].kind == kind && all[first].heap != UINT32_MAX)
        own = rhi__format_of(verify->reader, all[first].heap)->words;
    if (own && own[kind].kind)
        return &own[kind];
    for (uint64_t i = 0; !words->kind && i < verify->reader->formats.count; i++)
        if (verify->reader->formats.items[i].format->words)
            words = &verify->reader->formats.items[i].format->words[kind];
    return words;
}

/* ---- text ----------------------------------------------------------------------------------- */

/* Is the finding about the bytes of a header? */
static bool is_of_header(const rhi_finding *finding)
{
    return finding->kind == RHI_FOUND_BAD_TYPE || finding->kind == RHI_FOUND_BAD_COUNT ||
           finding->kind == RHI_FOUND_BAD_BITMAP;
}

/* Of what was written to after its death: who died there. */
static bool find_freed(const rhi_verify *verify, const rhi_finding *finding, rhi_object *object,
                       rhi_event *event, bool *is_recorded)
{
    enum rhi_place place;
    if (finding->kind != RHI_FOUND_WRITTEN_FREED ||
        !rhi__place_of(verify->reader, finding->address, &place, object) ||
        place != RHI_PLACE_FREED)
        return false;
    *is_recorded = rhi__find_death(verify->reader, object->address, object->serial, true, event);
    return true;
}

static void print_freed(rhi_session *session, const rhi_verify *verify, const rhi_finding *finding)
{
    char text[RHI_DEATH_SIZE];
    rhi_object object;
    rhi_event event;
    bool is_recorded;
    if (!find_freed(verify, finding, &object, &event, &is_recorded))
        return;
    rhi__death_text(session, verify->reader, &object, is_recorded ? &event : NULL, text);
    rhi__print(session, "    %s\n", text);
}

static void print_smashed(rhi_session *session, rhi_reader *reader, uint64_t address)
{
    rhi_smashed smashed;
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE] = "";
    if (!rhi__smashed(reader, address, &smashed))
        return;
    rhi__print(session, "    bytes from 0x%" PRIx64 ": %s\n", smashed.from, smashed.text);
    if (!smashed.has_below)
        return;
    rhi__object_id(reader, &smashed.below, id, sizeof id);
    if (smashed.below.state != RHI_FREED)
        rhi__value(reader, &smashed.below, value);
    rhi__print(session, "    below it lies %s%s at 0x%" PRIx64 "%s\n", id, value,
               smashed.below.address, smashed.below.state == RHI_FREED ? ", freed" : "");
}

static void print_finding(rhi_session *session, const rhi_verify *verify,
                          const rhi_finding *finding)
{
    if (finding->object)
        rhi__print(session, "  %s at 0x%" PRIx64 ": %s\n", finding->object, finding->address,
                   finding->detail);
    else
        rhi__print(session, "  at 0x%" PRIx64 ": %s\n", finding->address, finding->detail);
    if (is_of_header(finding))
        print_smashed(session, verify->reader, finding->address);
    print_freed(session, verify, finding);
}

void rhi__gcverify_print(rhi_session *session, const rhi_verify *verify, uint64_t limit)
{
    uint64_t total = rhi__verify_total(verify);
    const char *objects = verify->objects == 1 ? "object" : "objects";
    if (total)
        rhi__print(session, "%" PRIu64 " %s checked: %" PRIu64 " problem%s\n", verify->objects,
                   objects, total, total == 1 ? "" : "s");
    else
        rhi__print(session, "%" PRIu64 " %s checked: %s\n", verify->objects, objects,
                   rhi__complete_so_far(session) ? "sound" : "no problem found");
    uint64_t next = 0;
    for (unsigned kind = 0; kind < RHI_FINDING_KINDS; kind++) {
        const rhi_finding_words *words = words_of(verify, kind);
        uint64_t count = verify->totals[kind], shown = 0;
        if (count == 0)
            continue;
        rhi__print(session, "%s: %" PRIu64 " %s\n", words->kind, count,
                   count == 1 ? words->one : words->many);
        for (; next < verify->findings.count && verify->findings.items[next].kind == kind; next++)
            if (shown < limit) {
                print_finding(session, verify, &verify->findings.items[next]);
                shown++;
            }
        rhi__print_more(session, "  ", count - shown, NULL);
        rhi__print(session, "  (%s)\n", words->advice);
    }
    rhi__print_incomplete(session);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *finding_json(const rhi_verify *verify, const rhi_finding *finding)
{
    json_t *json = json_object();
    json_object_set_new(json, "kind", json_string(words_of(verify, finding->kind)->kind));
    json_object_set_new(json, "address", rhi__json_address(finding->address));
    json_object_set_new(json, "object",
                        finding->object ? rhi__json_text(finding->object) : json_null());
    json_object_set_new(json, "detail", rhi__json_text(finding->detail));
    json_object_set_new(json, "heap",
                        finding->heap == UINT32_MAX
                            ? json_null()
                            : rhi__json_u64(verify->reader->heaps.items[finding->heap].number));
    rhi_smashed smashed;
    if (is_of_header(finding) && rhi__smashed(verify->reader, finding->address, &smashed)) {
        json_object_set_new(json, "bytes", rhi__json_text(smashed.text));
        json_object_set_new(json, "bytes_address", rhi__json_address(smashed.from));
        json_object_set_new(json, "below",
                            smashed.has_below ? rhi__object_json(verify->reader, &smashed.below)
                                              : json_null());
    }
    rhi_object freed;
    rhi_event event;
    bool is_recorded;
    if (find_freed(verify, finding, &freed, &event, &is_recorded)) {
        json_object_set_new(json, "reason", json_string(rhi__death_word(freed.death)));
        json_object_set_new(json, "site", rhi__site_json(verify->reader, &freed));
        json_object_set_new(json, "place",
                            is_recorded ? rhi__place_json(verify->session, verify->reader, &event)
                                        : json_null());
    }
    return json;
}

static const rhi_json_type problem_type = {
    .name = "problem",
    .doc = "What does not fit together.",
    .members = (const rhi_json_member[]){
        {"kind", .is = RHI_JSON_TEXT, "as over_release; the command's help has them all"},
        {"address", .is = RHI_JSON_ADDRESS, "of the object, field, root or block"},
        {"object", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the name of the object; null: none"},
        {"detail", .is = RHI_JSON_TEXT, "what is wrong, in words"},
        {"heap", .is = RHI_JSON_COUNT | RHI_JSON_NULL, "the number of the heap; null: of none"},
        {"bytes", .is = RHI_JSON_TEXT | RHI_JSON_OPTIONAL,
         "of a damaged header: as text, in quotes"},
        {"bytes_address", .is = RHI_JSON_ADDRESS | RHI_JSON_OPTIONAL, "where that text begins"},
        {"below", .is = RHI_JSON_NULL | RHI_JSON_OPTIONAL,
         "of a damaged header: the object that ends there; null: none", .of = {&rhi__object_type}},
        {"reason", .is = RHI_JSON_TEXT | RHI_JSON_OPTIONAL,
         "of what was written to after free: how it died", .words = RHI_DEATH_WORDS},
        {"site", .is = RHI_JSON_NULL | RHI_JSON_OPTIONAL, "the line that made it; null: not known",
         .of = {&rhi__site_type}},
        {"place", .is = RHI_JSON_NULL | RHI_JSON_OPTIONAL,
         "the call that let it die; null: not recorded", .of = {&rhi__call_type}},
        {0}}};

const rhi_json_type rhi__gcverify_type = {
    .name = "gcverify",
    .doc = "What does not fit together in the heap.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"problems", .is = RHI_JSON_ROWS, "by kind", .of = {&problem_type}},
        {"by_kind", .is = 0, "how many of each kind",
         .members = (const rhi_json_member[]){{"*", .is = RHI_JSON_COUNT, "how many"}, {0}}},
        {"objects_checked", .is = RHI_JSON_COUNT, "how many objects were looked at"},
        {"provisional", .is = RHI_JSON_BOOLEAN,
         "a heap was stopped where counts are in motion: of it headers and bitmaps were judged "
         "alone"},
        {0}}};

void rhi__gcverify_json(rhi_session *session, const rhi_verify *verify, uint64_t limit)
{
    uint64_t total = rhi__verify_total(verify);
    json_t *by_kind = json_object();
    rhi__json_begin(session);
    rhi__json_array(session, "problems");
    for (uint64_t i = 0; i < verify->findings.count && i < limit; i++)
        rhi__json_item(session, finding_json(verify, &verify->findings.items[i]));
    rhi__json_array_end(session);
    if (total > limit)
        rhi__json_key(session, "problems_total", rhi__json_u64(total));
    for (unsigned kind = 0; kind < RHI_FINDING_KINDS; kind++)
        if (verify->totals[kind])
            json_object_set_new(by_kind, words_of(verify, kind)->kind,
                                rhi__json_u64(verify->totals[kind]));
    rhi__json_key(session, "by_kind", by_kind);
    rhi__json_key(session, "objects_checked", rhi__json_u64(verify->objects));
    rhi__json_key(session, "provisional", json_boolean(rhi__is_provisional(session)));
    rhi__json_end(session);
}
