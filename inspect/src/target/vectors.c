/* vectors.c - tells vector registers that may be in use from those that nobody will read (see
 * vectors.h).
 *
 * String functions of libc leave whatever they copied in vector registers, for ever: the upper
 * ones of AVX-512 are used by nothing else. No caller keeps anything there across a call
 * (AArch64: but in the low halves of v8 to v15). So a thread that waits in a system call of
 * libc's has nothing there: libc's own function needs only what it was called with. In the
 * program's own code they may hold the only pointer, or a leftover. */
#include "target/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGISTER_UNKNOWN INT64_MIN

bool rhi__is_vector(const rhi_register *part)
{
    const char *name = part->name;
    return strchr(name, '[') && (name[0] == 'v' || (name[0] >= 'x' && name[0] <= 'z' &&
                                                    name[1] == 'm' && name[2] == 'm'));
}

static int64_t register_of(const rhi_memory *memory, const rhi_thread *thread, const char *name)
{
    for (uint32_t i = 0; i < thread->register_count; i++)
        if (strcmp(memory->map.registers.items[thread->first_register + i].name, name) == 0)
            return (int64_t)memory->map.registers.items[thread->first_register + i].value;
    return REGISTER_UNKNOWN;
}

/* libc, and what was part of it once. */
static bool is_libc(const char *path)
{
    static const char *const names[] = {"libc.so",  "libc-",   "libpthread",
                                        "ld-linux", "ld-musl", "libc.musl"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* A core tells by a register of the kernel's; elsewhere the instruction before the next one does.
 */
static bool is_in_system_call(rhi_memory *memory, const rhi_thread *thread, uint64_t pc)
{
    uint8_t before[4];
    int64_t call = register_of(memory, thread, "orig_rax");
    if (call != REGISTER_UNKNOWN)
        return call >= 0;
#if defined(__aarch64__)
    /* svc #0 */
    return rhi__memory_read(memory, pc - 4, before, 4) == 4 && rhi__load(before, 4) == 0xd4000001;
#else
    /* syscall */
    return rhi__memory_read(memory, pc - 2, before, 2) == 2 && before[0] == 0x0f &&
           before[1] == 0x05;
#endif
}

static bool waits_in_libc(rhi_memory *memory, const rhi_thread *thread)
{
    int64_t pc = register_of(memory, thread, "rip");
    if (pc == REGISTER_UNKNOWN)
        pc = register_of(memory, thread, "pc");
    const char *path = pc == REGISTER_UNKNOWN ? NULL : rhi__memory_file(memory, (uint64_t)pc);
    return path && is_libc(path) && is_in_system_call(memory, thread, (uint64_t)pc);
}

/* AArch64: the low halves of v8 to v15 belong to callers. */
static bool is_kept_by_callees(const char *name)
{
    unsigned number, half;
    return sscanf(name, "v%u[%u]", &number, &half) == 2 && number >= 8 && number <= 15 && half == 0;
}

void rhi__forget_dead_vectors(rhi_memory *memory)
{
    for (uint64_t t = 0; t < memory->map.threads.count; t++) {
        const rhi_thread *thread = &memory->map.threads.items[t];
        if (!waits_in_libc(memory, thread))
            continue;
        rhi_register *first = &memory->map.registers.items[thread->first_register];
        for (uint32_t i = 0; i < thread->register_count; i++)
            if (rhi__is_vector(&first[i]) && !is_kept_by_callees(first[i].name))
                first[i].value = 0;
    }
}

const char *rhi__waits_for_kernel_words(const rhi_memory *memory, const rhi_thread *thread)
{
    /* of x86-64: cores of others do not tell */
    static const struct {
        int64_t number;
        const char *name;
    } calls[] = {
        {232, "epoll_wait"}, {281, "epoll_pwait"}, {441, "epoll_pwait2"}, {426, "io_uring_enter"}};
    int64_t call = register_of(memory, thread, "orig_rax");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].number == call)
            return calls[i].name;
    return NULL;
}
