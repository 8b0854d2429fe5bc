/* slot_place.h - which slot lies at an address that is in no object: an element of a table that an
 * object has elsewhere, or an exact root. */
#ifndef RHI_SLOT_PLACE_H
#define RHI_SLOT_PLACE_H

#include "heap/objects.h"
#include "session/session.h"

typedef struct rhi_slot_place {
    bool is_slot;   /* the word at the address is a slot; else only its memory is an object's */
    bool has_owner; /* an object's; else it is a root */
    rhi_object owner;
    char name[RHI_NAME_SIZE + 32]; /* of the slot */
    uint64_t value;                /* what it holds */
} rhi_slot_place;

/* Looks at the objects whose slots are found by code: those that have a word into the memory
 * [start, end) around the address; is_piece: it was taken in one piece: then at all others, too.
 * *found: it is a slot, or the memory is an object's. */
rhi_error *rhi__slot_place(rhi_session *session, rhi_reader *reader, uint64_t address,
                           uint64_t start, uint64_t end, bool is_piece, rhi_slot_place *place,
                           bool *found);
/* "entry 'user' of dict@0x…", "local 'x' in f()", "memory of dict@0x…". */
enum { RHI_SLOT_PLACE_SIZE = RHI_ID_SIZE + RHI_NAME_SIZE + 64 };
void rhi__slot_place_text(const rhi_reader *reader, const rhi_slot_place *place,
                          char text[RHI_SLOT_PLACE_SIZE]);

#endif
