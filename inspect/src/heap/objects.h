/* objects.h - what is at an address of a heap, and how objects, slots and states are called. */
#ifndef RHI_HEAP_OBJECTS_H
#define RHI_HEAP_OBJECTS_H

#include "heap/reader.h"

enum { RHI_ID_SIZE = RHI_NAME_SIZE + 24 };

/* "node#12" */
void rhi__object_id(const rhi_reader *reader, const rhi_object *object, char *id, size_t size);
void rhi__make_id(const rhi_reader *reader, uint32_t type, uint64_t serial, char *id, size_t size);
/* "next", "items[3]", "entries[3].key" */
void rhi__slot_name(const rhi_field *field, uint64_t element, char *name, size_t size);
/* "items[3..9]" */
void rhi__slots_name(const rhi_field *field, uint64_t first, uint64_t last, char *name,
                     size_t size);
const char *rhi__death_word(uint8_t death); /* "release", "collect", "destroy", "unknown" */

/* What is at an address of the target. */
enum rhi_place {
    RHI_PLACE_LIVE,
    RHI_PLACE_FREED,
    RHI_PLACE_UNUSED,
    RHI_PLACE_INTERNAL,
    RHI_PLACE_UNMANAGED,
    RHI_PLACE_UNMAPPED
};
const char *rhi__place_word(enum rhi_place place);
/* *object is set for live, freed and unused; false if a slot's header cannot be read. */
bool rhi__place_of(rhi_reader *reader, uint64_t address, enum rhi_place *place, rhi_object *object);

/* The bytes of an object's slot; NULL if they cannot be read in full. */
const uint8_t *rhi__object_bytes(rhi_reader *reader, const rhi_object *object,
                                 rhi_scratch *scratch);

/* What it says its size is (rhi__object_size), its slot's size if its bytes cannot be read. */
uint64_t rhi__object_size_at(rhi_reader *reader, const rhi_object *object);

const char *rhi__state_word(const rhi_object *object);
/* "1", "immortal" */
void rhi__count_text(const rhi_object *object, char *text, size_t size);

#endif
