/* notes.c - reasons, each once (see notes.h). */
#include "base/notes.h"
#include "base/array.h"

#include <string.h>

/* A damaged target may give one for each of a million places: nobody reads them all. */
enum { KEPT_MAX = 200 };

void rhi__note(rhi_notes *notes, const char *reason)
{
    notes->is_incomplete = true;
    if (notes->count > KEPT_MAX)
        return;
    if (notes->count == KEPT_MAX)
        reason = "there are more reasons than are told";
    for (uint64_t i = 0; i < notes->count; i++)
        if (strcmp(notes->items[i], reason) == 0)
            return;
    if (rhi__array_reserve(notes, 1) && (notes->items[notes->count] = strdup(reason)))
        notes->count++;
    else
        notes->is_short = true;
}

void rhi__notes_add(rhi_notes *notes, const rhi_notes *from)
{
    notes->is_incomplete |= from->is_incomplete;
    notes->is_short |= from->is_short;
    for (uint64_t i = 0; i < from->count; i++)
        rhi__note(notes, from->items[i]);
}

void rhi__notes_free(rhi_notes *notes)
{
    for (uint64_t i = 0; i < notes->count; i++)
        free(notes->items[i]);
    free(notes->items);
    *notes = (rhi_notes){0};
}

rhi_notes rhi__notes_set_aside(rhi_notes *notes)
{
    rhi_notes aside = *notes;
    *notes = (rhi_notes){0};
    return aside;
}

void rhi__notes_put_back(rhi_notes *notes, rhi_notes *aside)
{
    rhi__notes_add(notes, aside);
    rhi__notes_free(aside);
}
