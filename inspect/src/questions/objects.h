/* objects.h - an object in full, and what its slots lead to. */
#ifndef RHI_QUESTIONS_OBJECTS_H
#define RHI_QUESTIONS_OBJECTS_H

#include "heap/objects.h"

/* The bytes of an object's slot; NULL, which makes the answer incomplete, if they cannot be read in
 * full. */
const uint8_t *rhi__whole_object(rhi_reader *reader, const rhi_object *object,
                                 rhi_scratch *scratch);

/* What a reference leads to. */
typedef struct rhi_referent {
    bool is_readable;
    enum rhi_place place;
    bool is_start;     /* the slot begins there */
    rhi_object object; /* if that place is a slot */
} rhi_referent;
void rhi__look_up(rhi_reader *reader, uint64_t value, rhi_referent *referent);
/* Does it lead to the start of an object, or to where one died? */
static inline bool rhi__referent_is_object(const rhi_referent *referent)
{
    return referent->is_readable && rhi__place_has_object(referent->place) && referent->is_start;
}
static inline bool rhi__referent_is_live(const rhi_referent *referent)
{
    return rhi__referent_is_object(referent) && referent->place == RHI_PLACE_LIVE;
}

#endif
