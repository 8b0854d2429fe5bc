/* registers.h - names of registers, from what the kernel writes of them. */
#ifndef RHI_REGISTERS_H
#define RHI_REGISTERS_H

#include "target/sink.h"

#if defined(__x86_64__)
enum { RHI_NT_VECTORS = 0x202 /* NT_X86_XSTATE */, RHI_VECTORS_MAX = 16384 };
#else
enum { RHI_NT_VECTORS = 2 /* NT_FPREGSET */, RHI_VECTORS_MAX = 1024 };
#endif

/* Reports the thread and its registers; the order of the words is that of the kernel's
 * user_regs_struct. */
void rhi__report_registers(rhi_sink *sink, uint64_t lwp, const uint64_t *words);
/* The vector registers of the thread that was reported last, in halves of 8 bytes (xmm3[1],
 * ymm3[2], v3[0]) that are not 0. */
void rhi__report_vectors(rhi_sink *sink, const uint8_t *bytes, uint64_t size);

#endif
