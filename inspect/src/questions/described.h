/* described.h - what is at the address that a variable holds, for who shows variables.
 *
 * Invariant: the number of reads does not depend on the heap; no object is looked for elsewhere. */
#ifndef RHI_DESCRIBED_H
#define RHI_DESCRIBED_H

#include "questions/objat.h"

typedef struct rhi_described {
    rhi_objat at;   /* of which no more than object, place and bytes is gathered */
    bool is_object; /* an object begins at the address, or one did that died there last */
    /* why it is not known whether an object is there, or which; empty: it is */
    char undecided[256];
} rhi_described;

/* `limit`: of what it holds at most so many elements are asked for; 0: nothing. Freed in any case.
 */
rhi_error *rhi__describe(rhi_session *session, uint64_t address, uint64_t limit,
                         rhi_described *answer);
/* The address of an object with which all that a first look needs can be done ahead; 0: none is
 * found at once. */
rhi_error *rhi__describable(rhi_session *session, uint64_t *address);
void rhi__described_free(rhi_described *answer);
/* The beginning of a text that an object holds, at most `size` bytes of it; *got: so many are
 * there. False: they cannot be read. */
bool rhi__described_text(rhi_described *answer, const rhi_field *field, char *bytes, uint64_t size,
                         uint64_t *got);

#endif
