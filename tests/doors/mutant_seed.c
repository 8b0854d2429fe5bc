/* mutant_seed.c - holds one object in each way that a program can, loses some, says which, and
 * waits:
 *
 *     {"checkpoint": 0, "held": [{"how": "root"|"link"|"global"|"block"|"thread"|"stack",
 *     "object": address}…],
 *      "lost": [address…], "blocks": [address of a block of malloc…],
 *      "traced": [{"object": address, "count", "early", "retains", "releases"}…],
 *      "died": [address…], "lines": {"made": n, "taken": n, "given": n, "dropped": n}}
 *
 * Of those that died nobody has the slot. The lines are each the only one of its kind.
 * "link" is reached through a field of an object, "thread" and "stack" through a thread's memory
 * or registers. Invariant: addresses that are told lie nowhere else in the program but in the
 * word that holds the object: here they are kept inverted, and the stack below main is cleared. */
#define _GNU_SOURCE
#include <pthread.h>
#include <refheap/refheap.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct node {
    rh_object base;
    struct node *next, *other;
    size_t count;
    struct node **items;
} node;
static const rh_field node_fields[] = {RH_STRONG(node, next), RH_STRONG(node, other),
                                       RH_STRONG_VECTOR(node, items, count), RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};

typedef struct block {
    struct block *volatile next;
    node *volatile object;
    char rest[64];
} block;

enum { DIED = 5, HELD_MAX = 200, LOST_MAX = 20, BLOCKS_MAX = 100 };
static struct {
    const char *how;
    uintptr_t inverted;
} held[HELD_MAX];
static uintptr_t died[DIED], lost[LOST_MAX], told_blocks[BLOCKS_MAX];
static int line_made, line_taken, line_given, line_dropped;
static int held_count, lost_count, block_count;
static rh_heap *heap;
static node *registered[4];
static node *volatile globals[8];
static block *volatile chains[4];
static __thread node *volatile of_thread;
static sem_t is_ready;

enum { TRACED = 2, TAKEN_MAX = 8 };
static struct {
    node *volatile object, *volatile taken[TAKEN_MAX];
    int count, early, retains, releases;
} traced[TRACED];

static node *made(const char *how)
{
    node *n = rh_new(heap, &node_type);
    line_made = __LINE__ - 1;
    if (!n || held_count == HELD_MAX)
        abort();
    if (how) {
        held[held_count].how = how;
        held[held_count++].inverted = ~(uintptr_t)n;
    } else {
        lost[lost_count++] = ~(uintptr_t)n;
    }
    return n;
}

static block *block_of(size_t size)
{
    block *b = calloc(1, size);
    if (!b || block_count == BLOCKS_MAX)
        abort();
    told_blocks[block_count++] = ~(uintptr_t)b;
    return b;
}

/* A chain of `length` blocks, each of which owns an object. */
static block *chain_of(int length, const char *how, size_t size)
{
    block *first = NULL;
    for (int i = 0; i < length; i++) {
        block *b = block_of(size + (size_t)(i % 5) * 16);
        b->object = how ? made(how) : made(NULL);
        b->next = first;
        first = b;
    }
    return first;
}

static void __attribute__((noinline)) fill_roots(void)
{
    static const char *const names[] = {"first", "second", "third", "fourth"};
    for (int i = 0; i < 4; i++) {
        rh_root_add(heap, &registered[i], names[i]);
        registered[i] = made(i % 2 ? "link" : "root"); /* a link owns one of its counts, too */
        node *n = registered[i];
        for (int k = 0; k < 4 + i; k++) {
            n->next = made("link");
            n->other = made("link");
            n = n->next;
        }
        if (i % 2)
            rh_set(&n->next, registered[i]); /* a cycle that is held */
        n->items = calloc(3, sizeof *n->items);
        n->count = 3;
        for (int k = 0; k < 3; k++)
            n->items[k] = made("link");
    }
    for (int i = 0; i < 8; i++) {
        globals[i] = made("global");
        globals[i]->next = made("link");
    }
}

static void __attribute__((noinline)) fill_blocks(void)
{
    chains[0] = chain_of(12, "block", sizeof(block));
    chains[1] = chain_of(2, "block", 200000); /* mappings of their own */
    chains[2] = chain_of(5, "block", 2000);
    void *volatile free_ones[12];
    /* some go to the tcache, one to the fastbins or not, and a large one to a bin */
    for (int i = 0; i < 12; i++) {
        free_ones[i] = calloc(1, i < 9 ? 40 : 3000);
        block_of(sizeof(block))->object = NULL;
    }
    for (int i = 0; i < 12; i++)
        free(free_ones[i]);
}

static void __attribute__((noinline)) take(int i)
{
    traced[i].taken[traced[i].count - 1] = rh_retain(traced[i].object);
    line_taken = __LINE__ - 1;
    traced[i].count++;
    traced[i].retains++;
}

static void __attribute__((noinline)) give_back(int i)
{
    int last = --traced[i].count - 1;
    rh_release(traced[i].taken[last]);
    line_given = __LINE__ - 1;
    traced[i].taken[last] = NULL;
    traced[i].releases++;
}

/* Each count is held. The first object is traced twice, with a pause. */
static void __attribute__((noinline)) fill_traced(void)
{
    for (int i = 0; i < TRACED; i++) {
        traced[i].object = made("global");
        traced[i].count = traced[i].early = 1;
        rh_trace(traced[i].object);
    }
    for (int n = 0; n < 40; n++) {
        int i = n % TRACED;
        if (traced[i].count > 1 && n % 6 >= 4)
            give_back(i);
        else if (traced[i].count < TAKEN_MAX)
            take(i);
        if (n == 20) {
            rh_untrace(traced[0].object);
            take(0);
            rh_trace(traced[0].object);
            traced[0].early = traced[0].count;
            traced[0].retains = traced[0].releases = 0;
        }
    }
}

static void __attribute__((noinline)) drop(node *n)
{
    rh_release(n);
    line_dropped = __LINE__ - 1;
}

/* The last ones that are made by this thread, so that their slots stay free. */
static void __attribute__((noinline)) let_die(void)
{
    for (int i = 0; i < DIED; i++) {
        died[i] = ~(uintptr_t)made(NULL);
        lost_count--;
    }
    for (int i = 0; i < DIED; i++)
        drop((node *)~died[i]);
}

static void __attribute__((noinline)) lose(void)
{
    node *a = made(NULL), *b = made(NULL);
    rh_set(&a->next, b);
    rh_set(&b->next, a);
    rh_release(a);
    rh_release(b);
    made(NULL);
    chain_of(3, NULL, sizeof(block));
}

static void *thread_main(void *unused)
{
    node *volatile mine = NULL;
    rh_heap_attach(heap);
    of_thread = made("thread");
    mine = made("stack");
    chains[3] = chain_of(6, "block", sizeof(block)); /* in an arena of this thread's own */
    sem_post(&is_ready);
    for (;;)
        pause();
    return mine ? unused : NULL;
}

static void __attribute__((noinline)) clear_stack(void)
{
    volatile char bytes[1 << 15];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
}

static void tell(void)
{
    printf("{\"checkpoint\": 0, \"held\": [");
    for (int i = 0; i < held_count; i++)
        printf("%s{\"how\": \"%s\", \"object\": \"0x%zx\"}", i ? ", " : "", held[i].how,
               (size_t)~held[i].inverted);
    printf("], \"lost\": [");
    for (int i = 0; i < lost_count; i++)
        printf("%s\"0x%zx\"", i ? ", " : "", (size_t)~lost[i]);
    printf("], \"blocks\": [");
    for (int i = 0; i < block_count; i++)
        printf("%s\"0x%zx\"", i ? ", " : "", (size_t)~told_blocks[i]);
    printf("], \"traced\": [");
    for (int i = 0; i < TRACED && traced[i].object; i++)
        printf("%s{\"object\": \"0x%zx\", \"count\": %d, \"early\": %d, \"retains\": %d, "
               "\"releases\": %d}",
               i ? ", " : "", (size_t)traced[i].object, traced[i].count, traced[i].early,
               traced[i].retains, traced[i].releases);
    printf("], \"died\": [");
    for (int i = 0; i < DIED; i++)
        printf("%s\"0x%zx\"", i ? ", " : "", (size_t)~died[i]);
    printf("], \"lines\": {\"made\": %d, \"taken\": %d, \"given\": %d, \"dropped\": %d}}\n",
           line_made, line_taken, line_given, line_dropped);
    fflush(stdout);
}

/* Any argument: nothing is traced. */
int main(int count, char **words)
{
    static char buffer[1 << 16];
    pthread_attr_t small;
    pthread_t thread;
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    sem_init(&is_ready, 0, 0);
    heap = rh_heap_create(NULL);
    fill_roots();
    fill_blocks();
    if (count == 1)
        fill_traced();
    lose();
    clear_stack();
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 16);
    if (pthread_create(&thread, &small, thread_main, NULL) != 0)
        return 1;
    sem_wait(&is_ready);
    rh_heap_attach(heap);
    let_die();
    tell();
    memset(buffer, 0, sizeof buffer);
    clear_stack();
    for (;;)
        pause();
    return chains[0] || of_thread || words;
}
