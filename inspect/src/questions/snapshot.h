/* snapshot.h - which objects there were at one moment: taken of a target, or read from a file.
 *
 * An object is a key and a class, 16 bytes. The key is its serial, or, in formats that have none,
 * its address; objects that are alike in heap, type, site and size are one class. snapshot.c takes
 * it, snapshot_file.c makes it the bytes of a file and back.
 * Invariant, whatever was read: indices lead into the arrays; rows of a space are in order of their
 * keys, of which each is there once; texts are printable; rows and objects of classes add up. */
#ifndef RHI_SNAPSHOT_H
#define RHI_SNAPSHOT_H

#include "session/session.h"

/* A copy of a runtime: its keys are its own. */
typedef struct rhi_snapshot_space {
    char format[RHI_NAME_SIZE];
    uint64_t nonce, pid; /* as in rhi_heap_info */
    bool has_serials, has_clock;
    uint64_t clock;        /* as in rhi_heap_info */
    uint64_t first, count; /* its rows */
} rhi_snapshot_space;

typedef struct rhi_snapshot_heap {
    uint64_t number;
    uint64_t next_serial, freed; /* as in rhi_heap_info; no row of it denies them */
    uint32_t space;
    bool has_counters;
} rhi_snapshot_heap;

typedef struct rhi_snapshot_type {
    uint32_t space;
    char name[RHI_NAME_SIZE], qualified[RHI_NAME_SIZE]; /* as in rhi_type */
} rhi_snapshot_type;

typedef struct rhi_snapshot_site {
    uint32_t line;
    uint32_t name_at;      /* where in `file` begins what is shown to people */
    char *file, *function; /* owned; function NULL: not known */
} rhi_snapshot_site;

#define RHI_NO_SITE UINT32_MAX
typedef struct rhi_snapshot_class {
    uint32_t heap, type, site; /* site: RHI_NO_SITE: not known */
    uint64_t size, objects;
} rhi_snapshot_class;

typedef struct rhi_snapshot_row {
    uint64_t key;
    uint32_t kind;  /* its class */
    uint32_t index; /* of the reader that it was taken by */
} rhi_snapshot_row;

typedef struct rhi_snapshot {
    rhi_notes notes;  /* why not all objects are there */
    bool provisional; /* a heap was stopped in the midst of a collection */
    rhi_identity process;
    uint64_t saved_at; /* seconds since 1970; 0: it is of no file */
    struct {
        rhi_snapshot_space *items;
        uint64_t count, capacity;
    } spaces;
    struct {
        rhi_snapshot_heap *items;
        uint64_t count, capacity;
    } heaps;
    struct {
        rhi_snapshot_type *items;
        uint64_t count, capacity;
    } types;
    struct {
        rhi_snapshot_site *items;
        uint64_t count, capacity;
    } sites;
    struct {
        rhi_snapshot_class *items;
        uint64_t count, capacity;
    } classes;
    rhi_snapshot_row *rows; /* of one space after the other */
    uint64_t row_count;
} rhi_snapshot;

/* Of all heaps of the session's target. *snapshot is freed by the caller. */
rhi_error *rhi__snapshot_take(rhi_session *session, rhi_snapshot **snapshot);
void rhi__snapshot_free(rhi_snapshot *snapshot);

/* Bytes of all objects. */
uint64_t rhi__snapshot_bytes(const rhi_snapshot *snapshot);
/* "node#12", "dict@0x…", as the engine calls the object itself. */
void rhi__snapshot_id(const rhi_snapshot *snapshot, const rhi_snapshot_row *row, char *id,
                      size_t size);

/* The bytes of a file: allocated. */
rhi_error *rhi__snapshot_encode(const rhi_snapshot *snapshot, char **bytes, size_t *size);
/* Does a file that begins so hold a snapshot, whole or cut off? */
bool rhi__is_snapshot(const void *head, size_t size);
/* `name`: of the file, for errors. */
rhi_error *rhi__snapshot_decode(const char *name, const uint8_t *bytes, uint64_t size,
                                rhi_snapshot **snapshot);

static inline const rhi_snapshot_space *rhi__snapshot_space(const rhi_snapshot *snapshot,
                                                            uint32_t heap)
{
    return &snapshot->spaces.items[snapshot->heaps.items[heap].space];
}

#endif
