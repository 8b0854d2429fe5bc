/* fake_core.h - writes a fake target as an ELF core file, for the engine's own core target. */
#ifndef REFHEAP_TESTS_FAKE_CORE_H
#define REFHEAP_TESTS_FAKE_CORE_H

#include "fake_target.h"

/* The bytes of the file (malloc'd, *size of them): program headers, NT_PRSTATUS of each thread
 * (stack pointer and the registers of these names: rip, orig_rax, or pc; any other is rbx or
 * x19), NT_FILE of the named regions, then the memory. */
uint8_t *fake_core_bytes(const fake_target *fake, size_t *size);
/* Which of the words of a thread's registers is the stack pointer. */
unsigned fake_core_stack_pointer(void);
void fake_core_write(const char *path, const uint8_t *bytes, size_t size);
/* Opens such a file as `refheap --core` does. What is said of it, until the next one is opened, is
 * in fake->out and fake->err. What rhi_target_open_core returns, with its text in `error`. */
int fake_core_try(fake_target *fake, const char *path, rhi_target *core, char *error, size_t size);
/* The same, of a file that must be one. `core` may be the fake's own target. */
void fake_core_open(fake_target *fake, const char *path, rhi_target *core);

#endif
