/* gcfind.c - `gcfind`: the objects that have certain properties.
 *
 * The headers are read once and kept in short (rhi_listing); the graph is asked only about
 * reachability, and an object's bytes only about a size that its type does not tell. */
#include "base/array.h"
#include "graph/harm.h"
#include "commands/all.h"
#include "questions/leaks.h"
#include "questions/listing.h"
#include "render/objects.h"
#include "render/output.h"
#include "questions/selection.h"
#include "base/text.h"
#include "render/value.h"
#include "heap/objects.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <locale.h>
#include <string.h>

enum fit { FITS_NOT, FITS, FITS_BY_SIZE /* the object must be measured */ };

typedef struct answer {
    rhi_session *session;
    rhi_reader *reader;
    const rhi_args *args;
    const rhi_listing *listing;
    const rhi_leaks *leaks; /* with --unreachable */
    uint8_t *fits;          /* per type, and behind them: objects without a valid type */
    uint64_t min_refs, min_size;
    uint32_t wanted; /* bits of rhi_listing.kinds that an object must have */
    struct {
        rhi_object *items;
        uint64_t count, capacity;
    } shown;
    uint64_t total;
} answer;

/* In a pattern ? is one character, whatever the user's locale is. */
static rhi_error *judge_types(answer *a, const char *glob)
{
    uint64_t count = a->reader->types.count;
    /* a name that is typed as it is, however long, and whatever * and [ are in it */
    char whole[RHI_NAME_SIZE];
    rhi__cut_name(glob ? glob : "", glob ? strlen(glob) : 0, whole);
    a->fits = calloc(count + 1, sizeof *a->fits);
    if (!a->fits)
        return rhi__error_memory();
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0),
             before = utf8 ? uselocale(utf8) : (locale_t)0;
    for (uint32_t i = 0; i <= count; i++) {
        const char *name = rhi__type_name(a->reader, i);
        bool matches = !glob || strcmp(whole, name) == 0 || fnmatch(glob, name, 0) == 0;
        bool is_known = i < count && a->reader->types.items[i].has_fixed_size;
        bool fits = a->min_size == 0 || (is_known && a->reader->types.items[i].size >= a->min_size);
        a->fits[i] = !matches ? FITS_NOT : fits ? FITS : is_known ? FITS_NOT : FITS_BY_SIZE;
    }
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return NULL;
}

static rhi_error *look_at(answer *a, uint32_t index, uint8_t fit)
{
    rhi_object object;
    bool is_shown = a->total < a->args->limit;
    if ((fit == FITS_BY_SIZE || is_shown) &&
        !rhi__object_at_index(a->session, a->reader, index, &object))
        return NULL; /* it was readable a moment ago */
    if (fit == FITS_BY_SIZE && rhi__object_size_at(a->reader, &object) < a->min_size)
        return NULL;
    a->total++;
    if (!is_shown)
        return NULL;
    if (!rhi__array_reserve(&a->shown, 1))
        return rhi__error_memory();
    a->shown.items[a->shown.count++] = object;
    return NULL;
}

static rhi_error *look_at_block(answer *a, const rhi_block *block)
{
    const rhi_listing *l = a->listing;
    uint32_t types = (uint32_t)a->reader->types.count;
    for (uint32_t i = block->first_object; i < block->first_object + block->object_count; i++) {
        uint32_t type = l->kinds[i] >> RHI_LISTING_TYPE_SHIFT;
        uint8_t fit = a->fits[type < types ? type : types];
        if ((l->kinds[i] & a->wanted) == a->wanted && fit != FITS_NOT &&
            l->counts[i] >= a->min_refs && (!a->leaks || rhi__cause(a->leaks, i) != RHI_CAUSE_NONE))
            RHI_TRY(look_at(a, i, fit));
    }
    return NULL;
}

static rhi_error *gather(answer *a)
{
    RHI_TRY(rhi__option_number(a->args, "--min-refs", 0, &a->min_refs));
    RHI_TRY(rhi__option_number(a->args, "--min-size", 0, &a->min_size));
    a->wanted =
        RHI_LISTING_OBJECT | (rhi__option(a->args, "--finalized") ? RHI_LISTING_FINALIZED : 0);
    RHI_TRY(rhi__session_reader(a->session, &a->reader));
    RHI_TRY(judge_types(a, rhi__option(a->args, "--type")));
    if (rhi__option(a->args, "--unreachable")) {
        rhi_leaks *leaks;
        RHI_TRY(rhi__session_leaks(a->session, &leaks));
        a->leaks = leaks;
    }
    RHI_TRY(rhi__session_listing(a->session, &a->listing));
    RHI_TRY(rhi__tell_harm(&a->session->work, &a->session->notes, a->reader, false));
    rhi__memory_keep_pages(a->reader->memory); /* until the last row is printed */
    for (uint64_t i = 0; i < a->reader->blocks.count; i++) {
        RHI_TRY(rhi__progress(&a->session->work, "finding objects", i, a->reader->blocks.count));
        if (rhi__heap_wanted(a->session, a->reader, a->reader->blocks.items[i].heap))
            RHI_TRY(look_at_block(a, &a->reader->blocks.items[i]));
    }
    return NULL;
}

static void print_text(answer *a)
{
    rhi_session *s = a->session;
    char id[RHI_ID_SIZE], count[32], value[RHI_VALUE_SIZE];
    rhi__print(s, "%" PRIu64 " object%s\n", a->total, a->total == 1 ? "" : "s");
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
        rhi__print(s, "%s%s%s%s\n", index == RHI_NO_OBJECT ? "" : ", ",
                   index == RHI_NO_OBJECT ? "" : rhi__cause_word(rhi__cause(a->leaks, index)),
                   value[0] ? "," : "", value);
    }
    if (a->total > a->shown.count)
        rhi__print(s, "  … %" PRIu64 " more (--limit=0 shows all)\n", a->total - a->shown.count);
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

static void print_json(answer *a)
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

rhi_error *rhi__run_gcfind(rhi_session *session, const rhi_args *args, int *status)
{
    answer a = {.session = session, .args = args};
    (void)status;
    rhi_error *error = gather(&a);
    if (!error && args->json)
        print_json(&a);
    else if (!error)
        print_text(&a);
    if (a.reader)
        rhi__memory_drop_pages(a.reader->memory);
    free(a.fits);
    free(a.shown.items);
    return error;
}
