/* values_failing_malloc.h - malloc, calloc, realloc and mmap that fail on demand: memory of the
 * vectors, of walks and texts, and of the heap itself.
 *
 * Linked with -Wl,--wrap for each of them, so that the library's own calls come here as well.
 * Included by one file of each program. Invariant: nothing fails unless a test asked for it. */
#ifndef REFHEAP_TESTS_VALUES_FAILING_MALLOC_H
#define REFHEAP_TESTS_VALUES_FAILING_MALLOC_H

#include <stdlib.h>
#include <sys/mman.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_mmap(void *address, size_t length, int protection, int flags, int file, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int file, off_t offset);

static long failing_malloc_left = -1;

/* The next `calls` allocations work, all others fail; -1: all work. */
static void failing_malloc_after(long calls)
{
    failing_malloc_left = calls;
}

static int failing_malloc_fails_now(void)
{
    if (failing_malloc_left < 0)
        return 0;
    if (failing_malloc_left == 0)
        return 1;
    failing_malloc_left--;
    return 0;
}

void *__wrap_malloc(size_t size)
{
    return failing_malloc_fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return failing_malloc_fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return failing_malloc_fails_now() ? NULL : __real_realloc(memory, size);
}

void *__wrap_mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    return failing_malloc_fails_now()
               ? MAP_FAILED
               : __real_mmap(address, length, protection, flags, file, offset);
}

#endif
