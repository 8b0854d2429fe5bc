/* places.c - globals, thread-locals, stacks, registers, malloc blocks, mappings (see places.h).
 * Invariant: a parked thread runs only before places_open returns and inside places_settle. */
#define _GNU_SOURCE
#include "places.h"
#include "shadow.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PLACES_MAX = 512,
    PARKED = 2,
    FREED_BLOCKS = 16,
    SMALL_WORDS = 7,
    LARGE_WORDS = 250,
    MAPPED_WORDS = 40000
};

struct registry {
    long count;
    void *volatile slots[6];
    struct {
        void *volatile left;
        double ratio;
        void *volatile right;
    } pairs[2];
};

typedef struct parked_thread {
    pthread_t thread;
    sem_t is_parked, go, is_settled;
    void *freed[FREED_BLOCKS];
} parked_thread;

struct registry registry = {.count = 6};
static void *volatile file_static[3];
static _Thread_local void *volatile thread_slots[2];
static volatile uintptr_t register_cell; /* inverted */
static volatile int register_is_loaded;

static struct {
    place items[PLACES_MAX];
    size_t count;
    pthread_mutex_t lock;
} places = {.lock = PTHREAD_MUTEX_INITIALIZER};

static parked_thread parked_threads[PARKED], register_thread;
static void *main_freed[FREED_BLOCKS];

void place_add(const char *kind, const char *name, void *volatile *slot, long lwp)
{
    pthread_mutex_lock(&places.lock);
    require(places.count < PLACES_MAX && slot);
    places.items[places.count++] = (place){.kind = kind, .name = name, .slot = slot, .lwp = lwp};
    pthread_mutex_unlock(&places.lock);
}

size_t place_count(void)
{
    return places.count;
}

const place *place_at(size_t index)
{
    return &places.items[index];
}

void place_fill(const place *where, const void *address)
{
    if (strcmp(where->kind, "register") == 0)
        register_cell = ~(uintptr_t)address;
    else
        *where->slot = (void *)address;
}

/* ---- malloc blocks -------------------------------------------------------------------------- */

/* Blocks that stay, small and large, and blocks to be freed: more small ones than a thread's
 * cache keeps, and some that its arena merges. */
static void add_blocks(void **freed)
{
    void *volatile *small = calloc(6, sizeof *small), *volatile *large =
                                                          calloc(LARGE_WORDS, sizeof *large);
    require(small && large);
    place_add("foreign", NULL, &small[0], 0);
    place_add("foreign", NULL, &small[5], 0);
    place_add("foreign", NULL, &large[0], 0);
    place_add("foreign", NULL, &large[LARGE_WORDS - 1], 0);
    for (int i = 0; i < FREED_BLOCKS; i++) {
        size_t words = i < FREED_BLOCKS - 4 ? SMALL_WORDS : LARGE_WORDS;
        void *volatile *block = calloc(words, sizeof *block);
        require(block);
        freed[i] = (void *)block;
        place_add("freed", NULL, &block[words - 2], 0); /* not where a free chunk's links lie */
    }
}

static void free_blocks(void **freed)
{
    for (int i = 0; i < FREED_BLOCKS; i++) {
        void *block = freed[i];
        free(block);
    }
}

/* ---- threads -------------------------------------------------------------------------------- */

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0) {
    }
}

static __attribute__((noinline)) void inner_frame(parked_thread *self, long lwp)
{
    struct {
        long tag;
        void *volatile left, *volatile right;
    } pair = {.tag = lwp};
    void *volatile held[3] = {NULL, NULL, NULL};
    place_add("local", "inner_frame::pair.left", &pair.left, lwp);
    place_add("local", "inner_frame::pair.right", &pair.right, lwp);
    place_add("local", "inner_frame::held[0]", &held[0], lwp);
    place_add("local", "inner_frame::held[2]", &held[2], lwp);
    sem_post(&self->is_parked);
    wait_for(&self->go);
    free_blocks(self->freed);
    sem_post(&self->is_settled);
    while (pair.tag)
        pause();
}

static void *parked(void *argument)
{
    parked_thread *self = argument;
    void *volatile outer[2] = {NULL, NULL};
    long lwp = gettid();
    place_add("local", "parked::outer[0]", &outer[0], lwp);
    place_add("local", "parked::outer[1]", &outer[1], lwp);
    place_add("thread_local", "thread_slots[0]", &thread_slots[0], 0);
    place_add("thread_local", "thread_slots[1]", &thread_slots[1], 0);
    add_blocks(self->freed);
    inner_frame(self, lwp);
    return outer[0];
}

/* Loads the address into a register that system calls leave alone, and never comes back: the
 * address is never on this stack. */
static __attribute__((noinline)) void *hold_in_register(void *argument)
{
    parked_thread *self = argument;
    static void *volatile cell; /* a place needs a slot; place_fill takes another way */
    place_add("register", "r12", &cell, gettid());
    sem_post(&self->is_parked);
    wait_for(&self->go);
#ifdef __x86_64__
    __asm__ volatile(
        "mov (%0), %%r12\n\tnot %%r12\n\tmovl $1, (%1)\n1:\tmov $34, %%eax\n\tsyscall\n\tjmp 1b"
        /* pause(), for ever */
        ::"r"(&register_cell),
        "r"(&register_is_loaded)
        : "memory");
#endif
    __builtin_unreachable();
}

static void park(parked_thread *self, void *(*body)(void *))
{
    require(sem_init(&self->is_parked, 0, 0) == 0 && sem_init(&self->go, 0, 0) == 0 &&
            sem_init(&self->is_settled, 0, 0) == 0);
    require(pthread_create(&self->thread, NULL, body, self) == 0);
    wait_for(&self->is_parked);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void add_function_static(void)
{
    static void *volatile in_function[2];
    place_add("global", NULL, &in_function[0], 0);
    place_add("global", NULL, &in_function[1], 0);
}

static void add_globals(void)
{
    static const char *const names[] = {"registry.slots[0]", "registry.slots[1]",
                                        "registry.slots[2]", "registry.slots[3]",
                                        "registry.slots[4]", "registry.slots[5]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        place_add("global", names[i], &registry.slots[i], 0);
    place_add("global", "registry.pairs[0].left", &registry.pairs[0].left, 0);
    place_add("global", "registry.pairs[1].right", &registry.pairs[1].right, 0);
    place_add("global", "file_static[0]", &file_static[0], 0);
    place_add("global", "file_static[2]", &file_static[2], 0);
    place_add("thread_local", "thread_slots[0]", &thread_slots[0], 0);
    place_add("thread_local", "thread_slots[1]", &thread_slots[1], 0);
}

static void add_mappings(void)
{
    void *volatile *big = calloc(MAPPED_WORDS, sizeof *big); /* malloc maps it */
    void *volatile *page =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(big && page != MAP_FAILED);
    place_add("foreign", NULL, &big[0], 0);
    place_add("foreign", NULL, &big[MAPPED_WORDS - 1], 0);
    place_add("unknown", NULL, &page[0], 0);
    place_add("unknown", NULL, &page[1000], 0);
}

void places_open(void)
{
    add_function_static();
    add_globals();
    add_mappings();
    add_blocks(main_freed);
    for (int i = 0; i < PARKED; i++)
        park(&parked_threads[i], parked);
#ifdef __x86_64__
    park(&register_thread, hold_in_register);
#endif
}

void places_settle(void)
{
    free_blocks(main_freed);
    for (int i = 0; i < PARKED; i++) {
        sem_post(&parked_threads[i].go);
        wait_for(&parked_threads[i].is_settled);
    }
#ifdef __x86_64__
    sem_post(&register_thread.go);
    while (!register_is_loaded)
        usleep(1000);
#endif
}
