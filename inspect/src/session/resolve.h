/* resolve.h - from what the user typed to an address: numbers, names, and expressions of the
 * debugger or, where there is none, of the kind that refheap prints. */
#ifndef RHI_RESOLVE_H
#define RHI_RESOLVE_H

#include "session/session.h"

/* In named.c: the address of the object of this serial and type (empty: any); an error if there is
 * none or several. */
rhi_error *rhi__find_named(rhi_session *session, rhi_reader *reader, const char *type,
                           uint64_t serial, uint64_t *address);

/* The address that an operand means: a number, `[type]#serial`, or an expression for the debugger.
 */
rhi_error *rhi__resolve(rhi_session *session, rhi_reader *reader, const char *operand,
                        uint64_t *address);
/* The same, for commands that need an object that is there: live or dying. */
rhi_error *rhi__resolve_object(rhi_session *session, rhi_reader *reader, const char *operand,
                               rhi_object *object);
/* In operand.c: an expression of the kind that refheap prints, by debug info and the heap's types.
 */
rhi_error *rhi__operand_evaluate(rhi_session *session, rhi_reader *reader, const char *text,
                                 uint64_t *address);
/* What a registered root of this name holds, if there is just one. */
bool rhi__operand_is_root(rhi_session *session, rhi_reader *reader, const char *text,
                          uint64_t *address);

#endif
