/* objects.h - what is at an address of a heap, and how objects, slots and states are called. */
#ifndef RHI_HEAP_OBJECTS_H
#define RHI_HEAP_OBJECTS_H

#include "heap/fields.h"

enum { RHI_ID_SIZE = RHI_NAME_SIZE + 24 };

/* "node#12"; "dict@0x7f…" where the format has no serials */
void rhi__object_id(const rhi_reader *reader, const rhi_object *object, char *id, size_t size);
void rhi__make_id(const rhi_reader *reader, uint32_t type, uint64_t serial, char *id, size_t size);
const char *rhi__death_word(uint8_t death); /* "release", "collect", "destroy", "unknown" */
/* "refheap", "python": of which format there are heaps; of several: "known". */
const char *rhi__formats_word(const rhi_reader *reader);
/* How objects may be called, by an example of each format: "node#12 or Session@0x7f…". */
void rhi__examples(const rhi_reader *reader, char text[RHI_NAME_SIZE]);
/* "variables of Python are no operands: gcfind finds their objects (Session@0x7f…)"; "" where
 * programs hold objects by variables of C alone. */
void rhi__no_variables(const rhi_reader *reader, char text[RHI_NAME_SIZE]);
/* "freed by release"; "freed" where the format does not tell. */
const char *rhi__freed_text(uint8_t death);
/* The last part of a type's qualified name, "User" of "app.User": what people call it, also where
 * several types share it. */
const char *rhi__plain_type_name(const rhi_reader *reader, uint32_t type);
/* Is it the name of the type, its qualified or its plain one? As it is, or as the user's locale
 * shows it. */
bool rhi__is_type_named(const rhi_reader *reader, uint32_t type, const char *name);

/* What is at an address of the target. */
enum rhi_place {
    RHI_PLACE_LIVE,
    RHI_PLACE_FREED,
    RHI_PLACE_UNUSED,
    RHI_PLACE_INTERNAL,
    RHI_PLACE_UNMANAGED,
    RHI_PLACE_UNMAPPED
};
/* A slot of a heap, whatever is in it? */
static inline bool rhi__place_is_slot(enum rhi_place place)
{
    return place == RHI_PLACE_LIVE || place == RHI_PLACE_FREED || place == RHI_PLACE_UNUSED;
}
/* One that an object is, or was in? */
static inline bool rhi__place_has_object(enum rhi_place place)
{
    return place == RHI_PLACE_LIVE || place == RHI_PLACE_FREED;
}
const char *rhi__place_word(enum rhi_place place);
/* *object is set for live, freed and unused, and for memory in use in a block, which is internal;
 * else its slot_size is 0. False if a slot's header cannot be read. */
bool rhi__place_of(rhi_reader *reader, uint64_t address, enum rhi_place *place, rhi_object *object);

/* The slot with raw memory that contains the address; false: it lies in none, or in one that is not
 * raw. */
bool rhi__raw_slot(const rhi_reader *reader, uint64_t address, uint64_t *start, uint64_t *end);
/* Of an address that is in no block: may its block be missing, since the target's memory there
 * could not be read? */
bool rhi__is_unread(const rhi_reader *reader, uint64_t address);
/* May an object lie at an address that is in no block, which a strong slot of this heap holds? */
bool rhi__may_lie_alone(const rhi_reader *reader, uint32_t heap, uint64_t address);
/* May a slot of this object hold a value that is no object's address, in a heap where all is as it
 * must be? */
bool rhi__may_hold(rhi_reader *reader, const rhi_object *object, uint64_t value);
/* What a slot that holds no object is, by the address that leads there: "a slot that was never
 * used".
 */
const char *rhi__empty_text(const rhi_reader *reader, const rhi_object *slot, uint64_t address);
/* What its format says besides of an address in a block, of which rhi__place_of has set *object. */
enum { RHI_REMARK_SIZE = 512 };
void rhi__remark(rhi_reader *reader, uint64_t address, const rhi_object *object,
                 char text[RHI_REMARK_SIZE]);

/* The bytes of an object's slot; NULL if they cannot be read in full. */
const uint8_t *rhi__object_bytes(rhi_reader *reader, const rhi_object *object,
                                 rhi_scratch *scratch);

/* What it says its size is (rhi__object_size), its slot's size if its bytes cannot be read. */
uint64_t rhi__object_size_at(rhi_reader *reader, const rhi_object *object);

/* Who an event is about, as far as it says: freed. */
rhi_object rhi__event_object(const rhi_event *event);
/* The newest death that is recorded at an address: of this serial, or of all others. */
bool rhi__find_death(rhi_reader *reader, uint64_t address, uint64_t serial, bool of_serial,
                     rhi_event *event);
/* Which line made an object, live or freed; false: that is not known. */
bool rhi__site(rhi_reader *reader, const rhi_object *object, rhi_site *site);
/* "app.py:12", with "in run()" where the function is known. */
enum { RHI_SITE_SIZE = 2 * RHI_NAME_SIZE };
void rhi__site_text(const rhi_site *site, char text[RHI_SITE_SIZE]);
/* "in run() at app.c:12", "at app.py:12" */
void rhi__born_text(const rhi_site *site, char text[RHI_SITE_SIZE]);

const char *rhi__state_word(const rhi_object *object);
/* "1", "immortal" */
void rhi__count_text(const rhi_object *object, char *text, size_t size);

#endif
