/* objects.c - reads objects, and looks up where slots lead (see objects.h). */
#include "questions/objects.h"

#include <inttypes.h>

const uint8_t *rhi__whole_object(rhi_reader *reader, const rhi_object *object, rhi_scratch *scratch)
{
    const uint8_t *bytes = rhi__object_bytes(reader, object, scratch);
    if (!bytes)
        rhi__question_problem(reader, "the object at 0x%" PRIx64 " cannot be read in full",
                              object->address);
    return bytes;
}

void rhi__look_up(rhi_reader *reader, uint64_t value, rhi_referent *referent)
{
    *referent = (rhi_referent){.is_readable = false};
    referent->is_readable = rhi__place_of(reader, value, &referent->place, &referent->object);
    referent->is_start = referent->is_readable && rhi__place_is_slot(referent->place) &&
                         referent->object.address == value;
}
