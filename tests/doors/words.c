/* words.c - puts the address of one managed object into memory of every kind, frees some of it
 * again, says where it is and of which kind each place is now, and waits.
 *
 *     {"checkpoint": 0, "object": "0x…", "stale": N, "words": [{"address", "kind", "what"}…],
 *      "packed": {"object": "0x…", "words": […]}}
 *
 * "packed" is held by words at addresses that are no multiple of 8 alone, each of which owns a
 * count. "none": freed memory, which must not count although the word is still there ("stale" of
 * them are). Invariant: outside of these places the address is kept inverted, and every block is
 * zeroed when it is allocated, so that no word of an earlier tenant is left in one that is in
 * use. Stacks and registers may hold more; nothing else does. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <refheap/refheap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PLACES_MAX = 4096, BIG_BLOCKS = 700, VECTORS = NO_GLIBC_MALLOC ? 100 : 10000 };

typedef struct bag {
    rh_object base;
    rh_object **items;
    size_t count;
} bag;
static const rh_field bag_fields[] = {RH_STRONG_VECTOR(bag, items, count), RH_FIELDS_END};
static rh_type bag_type = {.name = "bag", .size = sizeof(bag), .fields = bag_fields};
static rh_type thing_type = {.name = "thing", .size = 64};

static struct {
    uintptr_t inverted;
    const char *kind, *what;
} places[PLACES_MAX];
static unsigned place_count;
static uintptr_t inverted_object, inverted_packed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t ready;
static void *blocks[2][BIG_BLOCKS + 1000]; /* pointers to blocks, not to the object */

void *global_data[3] = {&thing_type};
static void *global_zero[5];
static __thread void *local_data[2] = {&thing_type};
static __thread void *local_zero[3];
static pthread_key_t key;

static void put(void *place, const char *kind, const char *what)
{
    uintptr_t *word = place;
    pthread_mutex_lock(&lock);
    if (place_count == PLACES_MAX || (uintptr_t)place % 8)
        abort();
    places[place_count].inverted = ~(uintptr_t)place;
    places[place_count].kind = kind;
    places[place_count++].what = what;
    *(volatile uintptr_t *)word = ~inverted_object;
    pthread_mutex_unlock(&lock);
}

/* Each compiler lays the pointer down in the midst of a word. */
struct __attribute__((packed)) record {
    char tag[13];
    void *held;
};
static struct record global_record = {.tag = "in .data"};
static struct {
    uintptr_t inverted;
    const char *kind;
} records[8];
static unsigned record_count;

static void put_packed(struct record *record, const char *kind)
{
    rh_retain((void *)~inverted_packed);
    record->held = (void *)~inverted_packed;
    records[record_count].inverted = ~((uintptr_t)record + offsetof(struct record, held));
    records[record_count++].kind = kind;
}

static void *zeroed(void *block)
{
    if (!block)
        abort();
    return memset(block, 0, malloc_usable_size(block));
}

static void *fresh(size_t size)
{
    return zeroed(malloc(size));
}

/* In a block in use: behind what a free list would overwrite, and the last word. */
static void *used(size_t size, const char *what)
{
    char *block = fresh(size);
    put(block, "foreign", what);
    put(block + (malloc_usable_size(block) / 8 * 8 - 8), "foreign", what);
    return block;
}

/* Blocks of one size that are freed with the address in them; every other one stays, so that they
 * do not grow together. Where the allocator is not glibc's it is not known what is left. */
static void freed(unsigned list, unsigned count, size_t size, const char *what)
{
    for (unsigned i = 0; i < count; i++) {
        blocks[list][i] = fresh(size);
        blocks[list][count + i] = fresh(size);
    }
    for (unsigned i = 0; i < count; i++)
        put((char *)blocks[list][i] + 32, "none", what);
    for (unsigned i = 0; i < count; i++)
        free(blocks[list][i]);
}

static void every_free_list(unsigned list, const char *what)
{
    freed(list, 7, 40, what);
    freed(list, 20, 104, what); /* tcache, then fastbin */
    freed(list, 20, 600, what); /* tcache, then unsorted */
    freed(list, 12, 5000, what);
    free(fresh(50000));         /* sorts them into bins */
    freed(list, 12, 700, what); /* unsorted again */
}

static void vectors(void)
{
    for (unsigned i = 0; i < VECTORS; i++) {
        uintptr_t *vector = NULL;
        for (size_t size = 2; size <= 16u << i % 5; size *= 2) {
            vector = realloc(vector, size * sizeof *vector);
            if (!vector)
                abort();
            for (size_t k = size == 2 ? 0 : size / 2; k < size; k++)
                *(volatile uintptr_t *)&vector[k] = ~inverted_object;
        }
        free(vector);
    }
}

/* Blocks that look almost like malloc's own list of free blocks. */
static void almost_tcaches(void)
{
    char *last = fresh(648), *one = fresh(640), *small = fresh(24);
    put(last + 640, "foreign", "the last word of a block of a tcache's size");
    /* as if it were the head of the list of the smallest */
    memcpy(one + 128, &small, sizeof small);
    put(small, "foreign", "a block that a block of a tcache's size refers to");
    put(small + 16, "foreign", "its last word");
}

static void *worker(void *argument)
{
    void *volatile on_stack[2] = {NULL};
    put((void *)&on_stack[1], "stack", "worker's stack");
    put(&local_data[1], "thread_local", "worker's .tdata");
    put(&local_zero[2], "thread_local", "worker's .tbss");
    if (argument) {
        used(100, "second arena");
        every_free_list(1, "freed in the second arena");
        for (unsigned i = 0; i < BIG_BLOCKS; i++) /* more than one heap holds */
            blocks[1][i] = fresh(100000);
        for (unsigned i = 0; i < BIG_BLOCKS; i += 233)
            put((char *)blocks[1][i] + 64, "foreign", "a heap of the second arena");
        for (unsigned i = 100; i < BIG_BLOCKS; i += 233) {
            put((char *)blocks[1][i] + 64, "none", "freed in a heap of the second arena");
            free(blocks[1][i]);
        }
    }
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return on_stack[0];
}

static void *short_lived(void *unused)
{
    (void)unused;
    put((char *)fresh(72) + 8, "foreign", "left by a thread that ended");
    put(&global_zero[1], "global", ".bss");
    return NULL;
}

static void threads(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    size_t size = 96 << 10; /* below the size that malloc maps: between other blocks */
    pthread_create(&thread, NULL, short_lived, NULL);
    pthread_join(thread, NULL);
    pthread_barrier_init(&ready, NULL, 3);
    pthread_create(&thread, NULL, worker, blocks);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, zeroed(aligned_alloc(4096, size)), size);
    pthread_create(&thread, &attributes, worker, NULL);
    pthread_attr_destroy(&attributes);
    pthread_barrier_wait(&ready);
}

static void declared(rh_heap *heap)
{
    static bag *holder;
    static void **slot;
    holder = rh_new(heap, &bag_type);
    holder->items = fresh(10 * sizeof *holder->items);
    holder->count = 9;
    put(&holder->items[4], "field", "a vector's element");
    put(&holder->items[9], "foreign", "behind the vector's last element");
    slot = fresh(48);
    put(&slot[2], "root", "a registered root in a block");
    rh_root_add(heap, &slot[2], "root in a block");
}

static void packed(rh_heap *heap)
{
    static void *block;
    void *mapping = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    inverted_packed = ~(uintptr_t)rh_new(heap, &thing_type);
    block = zeroed(malloc(1000));
    put_packed(&global_record, "global");
    put_packed((struct record *)block, "foreign");
    put_packed((struct record *)block + 5, "foreign");
    put_packed((struct record *)mapping + 1, "unknown");
    rh_release((void *)~inverted_packed);
}

static unsigned stale_words(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < place_count; i++)
        if (strcmp(places[i].kind, "none") == 0)
            count += *(volatile uintptr_t *)~places[i].inverted == ~inverted_object;
    return count;
}

static void tell(void)
{
    printf("{\"checkpoint\": 0, \"object\": \"0x%zx\", \"stale\": %u, \"words\": [",
           (size_t)~inverted_object, NO_GLIBC_MALLOC ? 0 : stale_words());
    for (unsigned i = 0; i < place_count; i++)
        printf("%s{\"address\": \"0x%zx\", \"kind\": \"%s\", \"what\": \"%s\"}", i ? ", " : "",
               (size_t)~places[i].inverted, places[i].kind, places[i].what);
    printf("], \"packed\": {\"object\": \"0x%zx\", \"words\": [", (size_t)~inverted_packed);
    for (unsigned i = 0; i < record_count; i++)
        printf("%s{\"address\": \"0x%zx\", \"kind\": \"%s\", \"what\": \"packed\"}", i ? ", " : "",
               (size_t)~records[i].inverted, records[i].kind);
    printf("]}}\n");
    fflush(stdout);
}

int main(void)
{
    static char buffer[1 << 16];
    void *volatile on_stack[2] = {NULL};
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    rh_heap *heap = rh_heap_create(NULL);
    inverted_object = ~(uintptr_t)rh_new(heap, &thing_type);
    for (unsigned i = 0; i < 40; i++) /* blocks of many sizes, in use for good */
        used(24 + i * 56, "main arena");
    put((char *)zeroed(calloc(100, 50)) + 2000, "foreign", "from calloc");
    put((char *)zeroed(aligned_alloc(4096, 8192)) + 4096, "foreign", "from aligned_alloc");
    used(1 << 20, "a mapping of its own");
    used(3 << 20, "another one");
    put((char *)mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) +
            4104,
        "unknown", "from mmap");
    char *shared = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    put(shared + 8, "unknown", "shared memory");
    put(&global_data[1], "global", ".data");
    put(&global_zero[4], "global", ".bss");
    put(&local_data[1], "thread_local", "main's .tdata");
    put(&local_zero[2], "thread_local", "main's .tbss");
    put((void *)&on_stack[1], "stack", "main's stack");
    pthread_key_create(&key, NULL);
    pthread_setspecific(key, (void *)~inverted_object);
    almost_tcaches();
    declared(heap);
    packed(heap);
    threads();
    vectors();
    every_free_list(0, "freed in the main arena");
    tell();
    for (;;)
        pause();
    return on_stack[0] != NULL;
}
