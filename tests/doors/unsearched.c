/* unsearched.c - puts the only reference to an object where memory is unusual, says where, and
 * waits.
 *
 *     unsearched KIND      {"checkpoint": 0, "object": "0x…", "address": "0x…"}
 *
 * Invariant: outside of that place the address is kept inverted; stacks below main and registers
 * are wiped. So what is not found there is found nowhere. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <refheap/refheap.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 1 << 16, AT = 4104 };
typedef struct thing {
    rh_object base;
    long body[4];
} thing;
static rh_type thing_type = {.name = "thing", .size = sizeof(thing)};
static volatile uintptr_t inverted;
static char *volatile place;
static pthread_barrier_t ready;
static const char *kind;
static int epoll;

static void *map(int protection, int flags, int file)
{
    void *memory = mmap(NULL, BYTES, protection, flags, file, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

static int file_of_memory(const char *name)
{
    int file = memfd_create(name, 0);
    if (file < 0 || ftruncate(file, BYTES) != 0)
        abort();
    return file;
}

static int file_in_shm(void)
{
    char name[64];
    snprintf(name, sizeof name, "/dev/shm/refheap-%d", getpid());
    int file = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file < 0 || ftruncate(file, BYTES) != 0)
        abort();
    unlink(name);
    return file;
}

/* Of a file system on a disk, or what is one to the kernel. */
static int file_on_disk(void)
{
    int file = open("unsearched.data", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ftruncate(file, BYTES) != 0)
        abort();
    return file;
}

static __attribute__((noinline)) void store(char *memory)
{
    place = memory;
    *(volatile uintptr_t *)(memory + AT) = ~inverted;
}

static void put_in_kernel(void)
{
    if (strncmp(kind, "epoll", 5) == 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = ~inverted};
        epoll = epoll_create1(0);
        int watched = eventfd(0, 0);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, watched, &event) != 0)
            abort();
        memset(&event, 0, sizeof event);
        __asm__ volatile("" : : "r"(&event) : "memory");
    } else {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                                 .sigev_signo = SIGUSR1,
                                 .sigev_value.sival_ptr = (void *)~inverted};
        timer_t timer;
        if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
            abort();
        memset(&event, 0, sizeof event);
        __asm__ volatile("" : : "r"(&event) : "memory");
    }
}

/* An array whose elements were addresses once, in memory less than a GiB from a border of 4 GiB,
 * until numbers and texts were put over a part of each. */
static void write_over(void)
{
    static const unsigned numbers[] = {0, 1, 0x4a0, 0xfff8};
    static const char texts[][3] = {"\n", ".5"};
    enum { NUMBERS = sizeof numbers / sizeof *numbers, TEXTS = sizeof texts / sizeof *texts };
    char *wanted = (char *)0x600022100000;
    char *memory = mmap(wanted, BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    char **words = malloc((NUMBERS + TEXTS) * sizeof *words);
    if (memory != wanted || !words)
        abort();
    memset(memory, 1, BYTES);
    for (int i = 0; i < NUMBERS + TEXTS; i++)
        words[i] = memory + 64 * i;
    for (int i = 0; i < NUMBERS; i++)
        memcpy(&words[i], &numbers[i], sizeof *numbers);
    for (int i = 0; i < TEXTS; i++)
        memcpy(&words[NUMBERS + i], texts[i], sizeof *texts);
    place = (char *)words;
}

/* All are shared, and read-only by now. */
static void put_in_file(void)
{
    char *memory = map(PROT_READ | PROT_WRITE, MAP_SHARED, file_on_disk());
    if (strcmp(kind, "file_text") == 0)
        memset(memory, 'x', BYTES);
    else
        store(memory);
    mprotect(memory, BYTES, PROT_READ);
}

static void put(void)
{
    bool is_shared = strncmp(kind, "shared", 6) == 0;
    if (strncmp(kind, "epoll", 5) == 0 || strcmp(kind, "timer") == 0)
        put_in_kernel();
    else if (strcmp(kind, "written_over") == 0)
        write_over();
    else if (strcmp(kind, "shared_anonymous") == 0)
        store(map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1));
    else if (strcmp(kind, "shared_shm") == 0)
        store(map(PROT_READ | PROT_WRITE, MAP_SHARED, file_in_shm()));
    else if (strncmp(kind, "file_", 5) == 0)
        put_in_file();
    else if (strstr(kind, "memfd"))
        store(map(PROT_READ | PROT_WRITE, is_shared ? MAP_SHARED : MAP_PRIVATE,
                  file_of_memory("unsearched")));
    else if (strncmp(kind, "xmm", 3) != 0 && strcmp(kind, "mm3") != 0 &&
             strcmp(kind, "gs_base") != 0 && strcmp(kind, "nowhere") != 0)
        store(map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1));
    if (strcmp(kind, "dontdump") == 0 && madvise(place, BYTES, MADV_DONTDUMP) != 0)
        abort();
    if (strcmp(kind, "sealed") == 0 || strcmp(kind, "no_access") == 0)
        mprotect(place, BYTES, strcmp(kind, "sealed") == 0 ? PROT_READ : PROT_NONE);
}

static __attribute__((noinline)) void wipe_stack(void)
{
    volatile char below[1 << 14];
    memset((void *)below, 0, sizeof below);
    __asm__ volatile("" : : "r"(below) : "memory");
}

static __attribute__((noinline, noreturn)) void wait_in_libc(void)
{
    struct epoll_event event;
    bool is_epoll = strcmp(kind, "epoll_waits") == 0;
#if defined(__x86_64__)
    if (strcmp(kind, "xmm_in_libc") == 0) { /* as string functions leave it */
        uintptr_t value = inverted;
        __asm__ volatile("notq %0; movq %0, %%xmm7; xorl %k0, %k0" : "+r"(value) : : "xmm7", "cc");
    }
#endif
    for (;;)
        if (is_epoll)
            epoll_wait(epoll, &event, 1, -1);
        else
            pause();
}

#if defined(__x86_64__)
/* Registers that compilers leave alone. */
static __attribute__((noinline)) void load_other_register(void)
{
    enum { ARCH_PRCTL = 158, SET_GS = 0x1001 };
    uintptr_t value = inverted, result = ARCH_PRCTL;
    if (strcmp(kind, "gs_base") == 0)
        __asm__ volatile("notq %1; syscall; xorl %k1, %k1"
                         : "+a"(result), "+S"(value)
                         : "D"((uintptr_t)SET_GS)
                         : "rcx", "r11", "memory", "cc");
    else if (strcmp(kind, "mm3") == 0) /* which is the sixth in x87's stack then */
        __asm__ volatile("notq %0; movq %0, %%mm3; xorl %k0, %k0; emms; fld1; fld1"
                         : "+r"(value)
                         :
                         : "mm3", "cc");
}
#endif

/* pause(), with nothing of the address in a register unless it is meant to be there. */
static __attribute__((noinline, noreturn)) void wait_here(void)
{
    if (strcmp(kind, "xmm_in_libc") == 0 || strcmp(kind, "epoll_waits") == 0)
        wait_in_libc();
#if defined(__x86_64__)
    load_other_register();
    uintptr_t value = strcmp(kind, "xmm") == 0 ? inverted : ~(uintptr_t)0;
    __asm__ volatile("notq %0; movq %0, %%xmm7; pslldq $8, %%xmm7; xorl %k0, %k0; pxor %%xmm0, "
                     "%%xmm0; pxor %%xmm1, %%xmm1;"
                     "pxor %%xmm2, %%xmm2; pxor %%xmm3, %%xmm3; pxor %%xmm4, %%xmm4; pxor %%xmm5, "
                     "%%xmm5; pxor %%xmm6, %%xmm6;"
                     "1: movl $34, %%eax; syscall; jmp 1b"
                     : "+r"(value)
                     :
                     : "rax", "rcx", "r11", "memory", "cc");
#endif
    wait_in_libc();
}

/* Threads with arenas, so that the core has what ordinary ones have. */
static void *worker(void *unused)
{
    void *volatile block = malloc(1000);
    (void)unused;
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return block;
}

int main(int count, char **words)
{
    static char buffer[256]; /* in text: no address in binary */
    pthread_t thread;
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    kind = count > 1 ? words[1] : "nowhere";
    rh_heap *heap = rh_heap_create(NULL);
    pthread_barrier_init(&ready, NULL, 4);
    for (int i = 0; i < 3; i++)
        pthread_create(&thread, NULL, worker, NULL);
    pthread_barrier_wait(&ready);
    inverted = ~(uintptr_t)rh_new(heap, &thing_type);
    put();
    printf("{\"checkpoint\": 0, \"object\": \"0x%zx\", \"address\": \"0x%zx\"}\n",
           (size_t)~inverted, place ? (size_t)place + AT : (size_t)0);
    fflush(stdout);
    wipe_stack();
    wait_here();
}
