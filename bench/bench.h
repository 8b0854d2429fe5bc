/* bench.h - what every C and C++ program of the runtime benchmark needs: clock, random numbers,
 * memory in use, the line that reports a figure.
 *
 * Invariant: a program writes nothing to stdout but lines "FIGURE ns|ms|bytes|KiB NUMBER", and
 * exits with 0 only if all it was asked for was measured.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

/* A peer's collector does not say how many objects it reclaimed. */
#define PEER_UNKNOWN SIZE_MAX

/* The compiler must assume that `pointer` is read and written here, and all memory with it. */
#define BENCH_TOUCH(pointer) __asm__ volatile("" : "+r"(pointer) : : "memory")

static inline uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

__attribute__((noreturn)) static inline void bench_fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static inline void *bench_need(void *pointer)
{
    if (!pointer) {
        bench_fail("out of memory");
    }
    return pointer;
}

/* splitmix64: no number waits for the one before it, so it stays out of the way of what is
 * measured. */
typedef struct bench_random {
    uint64_t state;
} bench_random;

static inline uint64_t bench_next(bench_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint32_t bench_scale(uint32_t bits, uint32_t limit)
{
    return (uint32_t)(((uint64_t)bits * limit) >> 32);
}

static inline uint32_t bench_below(bench_random *random, uint32_t limit)
{
    return bench_scale((uint32_t)(bench_next(random) >> 32), limit);
}

/* Resident memory of the process: "Rss", all of it; "Anonymous", without pages of files. The quick
 * counters of /proc/self/statm lag behind; this one walks. */
static inline double bench_resident_bytes(const char *kind)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    unsigned long kib = 0;
    bool found = false;
    if (!file) {
        bench_fail("/proc/self/smaps_rollup cannot be read");
    }
    while (!found && fgets(line, sizeof line, file)) {
        found = strncmp(line, kind, strlen(kind)) == 0 &&
                sscanf(line + strlen(kind), ": %lu kB", &kib) == 1;
    }
    fclose(file);
    if (!found) {
        bench_fail("/proc/self/smaps_rollup does not say what is resident");
    }
    return (double)kib * 1024.0;
}

static inline double bench_rss_bytes(void)
{
    return bench_resident_bytes("Rss");
}

static inline void bench_report(const char *figure, const char *unit, double value)
{
    printf("%s %s %.4f\n", figure, unit, value);
    fflush(stdout);
}

/* An array outside of any allocator that is measured, present in memory before anything is. */
static inline void *bench_array(size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        bench_fail("out of memory");
    }
    return memory;
}

/* Runs a function on a stack of 64 KiB, with nothing below it. A second context, not a thread:
 * some peers (glibc, shared_ptr) get slower for good once a process has had two threads. */
static inline void bench_on_small_stack(void (*function)(void))
{
    enum { PAGE = 4096, STACK = 64 * 1024 };
    static ucontext_t here, there;
    char *memory = (char *)bench_array(PAGE + STACK);
    if (mprotect(memory, PAGE, PROT_NONE) || getcontext(&there)) {
        bench_fail("no second stack");
    }
    there.uc_stack.ss_sp = memory + PAGE;
    there.uc_stack.ss_size = STACK;
    there.uc_link = &here;
    makecontext(&there, function, 0);
    if (swapcontext(&here, &there)) {
        bench_fail("no second stack");
    }
    munmap(memory, PAGE + STACK);
}

#endif
