/* gcfind.c - finds the objects that have certain properties (see gcfind.h).
 *
 * The headers are read once and kept in short (rhi_listing); the graph is asked only about
 * reachability, and an object's bytes only about a size that its type does not tell. */
#include "questions/gcfind.h"
#include "base/array.h"
#include "base/text.h"
#include "graph/harm.h"
#include "heap/objects.h"
#include "questions/selection.h"
#include "questions/types_like.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct rhi_gcfind answer;

enum fit { FITS_NOT, FITS, FITS_BY_SIZE /* the object must be measured */ };

enum { PLACE_BYTES = 2048 };

static bool site_matches(const char *glob, const rhi_site *site)
{
    const char *files[] = {site->file, site->name};
    char text[PLACE_BYTES];
    for (unsigned i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "%s:%" PRIu32, files[i] ? files[i] : site->file, site->line);
        if (rhi__matches_name(glob, glob, text))
            return true;
    }
    snprintf(text, sizeof text, "%s()", site->function ? site->function : "");
    return site->function && rhi__matches_name(glob, glob, text);
}

/* Each site is compared once: there may be millions of its objects. */
static rhi_error *is_born_there(answer *a, const rhi_object *object, bool *fits)
{
    rhi_site site;
    *fits = false;
    if (!rhi__site(a->reader, object, &site)) {
        *fits = strcmp(a->asked.site, "unknown") == 0;
        return NULL;
    }
    uint32_t known = rhi__map_get(&a->sites[object->heap], site.number);
    if (known == RHI_NOT_THERE) {
        known = site_matches(a->asked.site, &site);
        if (!rhi__map_set(&a->sites[object->heap], site.number, known))
            return rhi__error_memory();
    }
    *fits = known;
    return NULL;
}

static rhi_error *judge_types(answer *a, const char *glob)
{
    uint64_t count = a->reader->types.count;
    RHI_TRY(rhi__types_like(a->reader, glob, &a->fits));
    for (uint32_t i = 0; i <= count; i++) {
        a->has_type |= a->fits[i];
        bool is_known = i < count && a->reader->types.items[i].has_fixed_size;
        bool fits = a->asked.min_size == 0 ||
                    (is_known && a->reader->types.items[i].size >= a->asked.min_size);
        a->fits[i] = !a->fits[i] ? FITS_NOT : fits ? FITS : is_known ? FITS_NOT : FITS_BY_SIZE;
    }
    return NULL;
}

/* The object: NULL: it is read where that is needed. */
static rhi_error *look_at(answer *a, uint32_t index, uint8_t fit, const rhi_object *known)
{
    rhi_object object;
    bool is_shown = a->total < a->asked.limit, fits = true;
    if (known)
        object = *known;
    else if ((fit == FITS_BY_SIZE || is_shown) &&
             !rhi__object_at_index(a->session, a->reader, index, &object))
        return NULL; /* it was readable a moment ago */
    if (fit == FITS_BY_SIZE && rhi__object_size_at(a->reader, &object) < a->asked.min_size)
        return NULL;
    if (a->asked.site)
        RHI_TRY(is_born_there(a, &object, &fits));
    if (!fits)
        return NULL;
    a->total++;
    if (!is_shown)
        return NULL;
    if (!rhi__array_reserve(&a->shown, 1))
        return rhi__error_memory();
    a->shown.items[a->shown.count++] = object;
    return NULL;
}

/* What the listing and the leaks tell of an object: enum fit. */
static uint8_t fit_of(const answer *a, uint32_t index)
{
    const rhi_listing *l = a->listing;
    uint32_t types = (uint32_t)a->reader->types.count,
             type = l->kinds[index] >> RHI_LISTING_TYPE_SHIFT;
    return (l->kinds[index] & a->wanted) == a->wanted && l->counts[index] >= a->asked.min_refs &&
                   (!a->leaks || rhi__cause(a->leaks, index) != RHI_CAUSE_NONE)
               ? a->fits[type < types ? type : types]
               : FITS_NOT;
}

static rhi_error *look_at_block(answer *a, const rhi_block *block)
{
    for (uint32_t i = block->first_object; i < block->first_object + block->object_count; i++) {
        uint8_t fit = fit_of(a, i);
        if (fit != FITS_NOT)
            RHI_TRY(look_at(a, i, fit, NULL));
    }
    return NULL;
}

/* Where all must be read, in their order. */
static rhi_error *look_at_object(void *context, uint32_t index, const rhi_object *object,
                                 const uint8_t *bytes)
{
    answer *a = context;
    uint8_t fit =
        rhi__heap_wanted(a->session, a->reader, object->heap) ? fit_of(a, index) : FITS_NOT;
    (void)bytes;
    return fit == FITS_NOT ? NULL : look_at(a, index, fit, object);
}

rhi_error *rhi__gcfind(rhi_session *session, const rhi_gcfind_asked *asked, answer *a)
{
    *a = (answer){.session = session, .asked = *asked};
    a->wanted = RHI_LISTING_OBJECT | (asked->finalized ? RHI_LISTING_FINALIZED : 0);
    RHI_TRY(rhi__session_reader(session, &a->reader));
    RHI_TRY(judge_types(a, asked->type));
    if (asked->site && !(a->sites = calloc(a->reader->heaps.count + 1, sizeof *a->sites)))
        return rhi__error_memory();
    if (asked->unreachable) {
        rhi_leaks *leaks;
        RHI_TRY(rhi__session_leaks(a->session, &leaks));
        a->leaks = leaks;
    }
    RHI_TRY(rhi__session_listing(a->session, &a->listing));
    RHI_TRY(rhi__tell_harm(&a->session->work, &a->session->notes, a->reader, false));
    rhi__memory_keep_pages(a->reader->memory); /* until the last row is printed */
    if (asked->site)
        return rhi__each_object(&session->work, a->reader, "finding objects", look_at_object, a);
    for (uint64_t i = 0; i < a->reader->blocks.count; i++) {
        RHI_TRY(rhi__progress(&a->session->work, "finding objects", i, a->reader->blocks.count));
        if (rhi__heap_wanted(a->session, a->reader, a->reader->blocks.items[i].heap))
            RHI_TRY(look_at_block(a, &a->reader->blocks.items[i]));
    }
    return NULL;
}

void rhi__gcfind_free(answer *a)
{
    if (a->reader)
        rhi__memory_drop_pages(a->reader->memory);
    free(a->fits);
    for (uint64_t i = 0; a->sites && i < a->reader->heaps.count; i++)
        rhi__map_free(&a->sites[i]);
    free(a->sites);
    free(a->shown.items);
}
