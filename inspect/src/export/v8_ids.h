/* v8_ids.h - ids of objects in a V8 snapshot, 32 bits each, which none has twice.
 *
 * DevTools compares two snapshots by them: the same object has the same id in both. Of larger ids
 * it and memlab keep 32 bits. So an id is the object's serial, in a process with several copies of
 * the runtime moved by the copy's number. Where there is none, or it is 2^31 or more, the id is the
 * address in units of 16 bytes, modulo 8 GiB in the lower part of a process's memory, where the
 * program and its heap lie, and modulo 16 GiB in the upper one. What is no object has its ids from
 * the upper end, which no object wants.
 *
 * Invariant: the id of an object is of its serial or address alone, whatever else there is, unless
 * another object wants the same one: in memory that reaches farther than that, or where there is
 * more than one of such places in one part. Of these the first that is asked for has it, and the
 * others have one that follows from their serials or addresses, too, which nobody wants. Ids are
 * then no less unique, but may differ in a snapshot without the first. */
#ifndef RHI_V8_IDS_H
#define RHI_V8_IDS_H

#include "heap/format.h"

enum { RHI_V8_ROOT_ID = 1, RHI_V8_ID_PAGES = 1 << 16 };

/* Starts as {0}. */
typedef struct rhi_v8_ids {
    uint64_t *pages[RHI_V8_ID_PAGES]; /* a bit for each id that is taken, in pages */
    uint32_t given;                   /* the last of those from the upper end; 0: none yet */
} rhi_v8_ids;

/* object NULL: for what is none. copy: rhi_heap_info.space of its heap. False if memory is short.
 */
bool rhi__v8_id(rhi_v8_ids *ids, const rhi_object *object, uint32_t copy, uint32_t *id);
void rhi__v8_ids_free(rhi_v8_ids *ids);

#endif
