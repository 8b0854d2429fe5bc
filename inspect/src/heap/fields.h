/* fields.h - the slots of objects: by the fields of their type, or by its format's code. */
#ifndef RHI_FIELDS_H
#define RHI_FIELDS_H

#include "heap/reader.h"

#include <string.h>

/* Visits the reference slots of a live object whose bytes (object.slot_size of them) are at
 * `bytes`. Vectors are read from the target. False if the visitor stopped it. */
bool rhi__each_slot(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                    rhi_slot_visitor visit, void *context);
/* Elements of a field of this object (bounded by what the object or any memory can hold), the
 * address of the first, and false if the field is corrupt. */
bool rhi__field_span(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                     const rhi_field *field, uint64_t *first, uint64_t *count);
/* Bytes that the object itself says it has (header, struct, elements), at most its slot. */
uint64_t rhi__object_size(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes);
/* Visits the memory outside of the object in which no word is a reference but for its slots. */
rhi_error *rhi__each_span(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                          rhi_span_visitor visit, void *context);
/* The field that declares the word at `offset` inside of the object's slot: a reference slot
 * exactly there, or plain data around it; NULL: none. */
const rhi_field *rhi__field_at(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                               uint64_t offset, uint64_t *element);
/* Which of the first 64 words of slots of this size are declared, whatever an object of the type
 * holds there: bit by bit. */
uint64_t rhi__declared_words(const rhi_reader *reader, uint32_t type, uint64_t slot_size);
/* Writes the name of a slot: "next", "items[3]", "entries[3].key". */
void rhi__slot_name(const rhi_field *field, uint64_t element, char *name, size_t size);
/* Is the name of a slot a phrase: "key 'user'", "local 'x' in f() at app.py:12"? */
static inline bool rhi__is_phrase(const char *name)
{
    return strchr("[.{+", name[0]) == NULL && strchr(name, ' ') != NULL;
}
/* What stands between the name of an object and that of its slot: a dot, or nothing before "[5]",
 * "+24", or a phrase. */
static inline const char *rhi__dot_before(const char *name)
{
    return strchr("[.{+", name[0]) != NULL || rhi__is_phrase(name) ? "" : ".";
}
/* Of several: "items[3..9]". */
void rhi__slots_name(const rhi_field *field, uint64_t first, uint64_t last, char *name,
                     size_t size);
/* Plain values of this width: signed ones, and those with a fraction. */
int64_t rhi__load_signed(const uint8_t *bytes, unsigned width);
double rhi__load_real(const uint8_t *bytes, unsigned width);

#endif
