/* v8_ids.h - ids of objects in a V8 snapshot, 32 bits each, which none has twice.
 *
 * DevTools compares two snapshots by them: the same object has the same id in both. So it is the
 * object's serial, in a process with several copies of the runtime moved by the copy's number;
 * where it has none, or a larger one, its address, in units of 8 bytes, without the upper bits. An
 * object whose id is taken already, or means the root to readers (0, 1), has one that follows from
 * its serial or address, too. What is no object has its ids from the upper end, which no object
 * wants: how many such nodes there are changes no id of an object. */
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
