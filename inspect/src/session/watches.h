/* watches.h - at whose changes the user wants the process to stop.
 *
 * Kept by the session for as long as it lives: by the name of the process's copy of the runtime
 * (its nonce), so that one of a process that has ended fits no object of another. Invariant: the
 * door has been told to stop where the runtimes of this process call for it while a watch is of
 * this process, and nowhere else. */
#ifndef RHI_WATCHES_H
#define RHI_WATCHES_H

#include "heap/reader.h"

/* An object, or (address 0) the objects of a type. */
typedef struct rhi_watch {
    uint64_t nonce, pid, address, serial;
    char type[RHI_NAME_SIZE];
} rhi_watch;

typedef struct rhi_watches {
    rhi_watch *items;
    uint64_t count, capacity;
} rhi_watches;

/* Does the process stop at changes of this object, by itself or by its type? */
bool rhi__stops_at(const rhi_watches *watches, const rhi_reader *reader, const rhi_object *object);
/* May it be that of a watch, for all that its address tells? */
bool rhi__may_stop_at(const rhi_watches *watches, uint64_t address);
/* The same of the future objects of a type. */
bool rhi__stops_at_type(const rhi_watches *watches, const rhi_reader *reader, uint32_t type);
/* Puts it on the list, or takes it off. */
rhi_error *rhi__watch_object(rhi_watches *watches, const rhi_reader *reader,
                             const rhi_object *object, bool on);
rhi_error *rhi__watch_type(rhi_watches *watches, const rhi_reader *reader, uint32_t type, bool on);
/* Tells the door where this process is to stop. False: it cannot. */
bool rhi__tell_stops(rhi_watches *watches, rhi_reader *reader);

#endif
