/* pprof_frames.h - the calls of recorded stacks, each once, as pprof names them. */
#ifndef RHI_PPROF_FRAMES_H
#define RHI_PPROF_FRAMES_H

#include "questions/birth_stacks.h"

typedef struct rhi_pprof_frame {
    const void *call; /* the engine's own; NULL: nothing is known of the address */
    uint64_t address; /* of that; else 0 */
    char *function;   /* owned: "drop", "libfoo.so+0x4040" */
    char *file;       /* owned; NULL: not known */
    int line;
} rhi_pprof_frame;

typedef struct rhi_pprof_frames {
    struct {
        rhi_pprof_frame *items; /* each call once */
        uint64_t count, capacity;
    } frames;
    /* One stack after the other, innermost call first: places among the frames. */
    struct {
        uint64_t *items;
        uint64_t count, capacity;
    } rows;
    uint64_t *first; /* by group: its rows begin there; one more at the end */
} rhi_pprof_frames;

/* Freed by the caller, also after an error. */
rhi_error *rhi__pprof_frames_make(rhi_session *session, const rhi_birth_stacks *stacks,
                                  rhi_pprof_frames *ret);
void rhi__pprof_frames_free(rhi_pprof_frames *self);

#endif
