/* vectors.h - which vector registers can hold what the program still needs. */
#ifndef RHI_VECTORS_H
#define RHI_VECTORS_H

#include "target/memory.h"

/* Is it 8 bytes of a vector register: "xmm3[1]", "v3[0]"? */
bool rhi__is_vector(const rhi_register *part);
/* Sets those to 0 that nobody will read: called once when the registers were read. */
void rhi__forget_dead_vectors(rhi_memory *memory);
/* The system call that a thread waits in, by name, if it is one that hands back words which the
 * kernel keeps (epoll_data, user_data of io_uring); NULL: it is none, or it is not known. */
const char *rhi__waits_for_kernel_words(const rhi_memory *memory, const rhi_thread *thread);

#endif
