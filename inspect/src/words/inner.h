/* inner.h - words inside of objects that hold an address in a form that no slot has: in plain data,
 * with marks, or at an address that is no multiple of 8. */
#ifndef RHI_INNER_H
#define RHI_INNER_H

#include "heap/reader.h"
#include "session/session.h"

/* Object number `index` holds this address of an object, between low and high. */
typedef rhi_error *(*rhi_inner_visitor)(void *context, uint32_t index, uint64_t address,
                                        uint64_t value);
rhi_error *rhi__each_inner_word(rhi_session *session, rhi_reader *reader, uint64_t low,
                                uint64_t high, rhi_inner_visitor visit, void *context);

#endif
