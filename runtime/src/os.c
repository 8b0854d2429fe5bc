/* os.c - the one place where the runtime asks the operating system for memory, and the
 * process-wide state that goes with it: the list of mappings, the process lock, what happens at
 * fork.
 *
 * Invariant: at every instruction the list that begins at rh_debug_descriptor.mappings, followed
 * by `next`, names only mapped ranges that the runtime owns, and all of them but the one being
 * mapped or unmapped: a mapping is complete before it is linked, and unlinked before it is
 * unmapped.
 */
#include "internal.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t process_once = PTHREAD_ONCE_INIT;
uint32_t rh__chunks_unmapped;

void rh__lock(void)
{
    pthread_mutex_lock(&process_lock);
}

void rh__unlock(void)
{
    pthread_mutex_unlock(&process_lock);
}

/* The locks are taken in the order of nesting, so that the child never inherits half a change. */
static void fork_prepare(void)
{
    rh__shared_values_lock();
    rh__heap_zero_lock();
    rh__type_lock();
    rh__lock();
}

static void fork_parent(void)
{
    rh__unlock();
    rh__type_unlock();
    rh__heap_zero_unlock();
    rh__shared_values_unlock();
}

static void fork_child(void)
{
    rh_debug_descriptor.pid = (uint64_t)getpid();
    rh__history_forked();
    fork_parent();
}

#ifdef RH__ASAN
/* LeakSanitizer looks for heaps when all exit handlers ran. What the runtime itself knows of them
 * must not count as a reference: the lists end here, and every element stands alone. */
static void forget_heaps(void)
{
    rh__lock();
    rh_heap *heap = (rh_heap *)(uintptr_t)rh_debug_descriptor.heaps;
    rh_debug_descriptor.heaps = 0;
    for (rh_heap *next; heap; heap = next) {
        next = heap->next;
        heap->next = heap->prev = NULL;
    }
    rh__mapping *mapping = (rh__mapping *)(uintptr_t)rh_debug_descriptor.mappings;
    rh_debug_descriptor.mappings = 0;
    for (rh__mapping *next; mapping; mapping = next) {
        next = mapping->next;
        mapping->next = mapping->prev = NULL;
    }
    rh__unlock();
}
#endif

static void process_init(void)
{
    uint64_t nonce;
    if (getrandom(&nonce, sizeof nonce, GRND_NONBLOCK) != (ssize_t)sizeof nonce) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        nonce = rh__hash((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) ^
                (uint64_t)getpid();
    }
    rh__class_table_fill();
    rh__code_find();
    rh__metadata_begin();
    rh_debug_descriptor.nonce = nonce | 1; /* never 0, which means "not used yet" */
    RH__ORDER();
    rh_debug_descriptor.pid = (uint64_t)getpid();
    pthread_atfork(fork_prepare, fork_parent, fork_child);
#ifdef RH__ASAN
    atexit(forget_heaps);
#endif
}

void rh__process_init(void)
{
    pthread_once(&process_once, process_init);
}

static void link_mapping(rh__mapping *mapping)
{
    rh__lock();
    rh__mapping *head = (rh__mapping *)(uintptr_t)rh_debug_descriptor.mappings;
    mapping->next = head;
    mapping->prev = NULL;
    RH__ORDER();
    if (head)
        head->prev = mapping;
    rh_debug_descriptor.mappings = (uint64_t)(uintptr_t)mapping;
    rh__unlock();
}

static void unlink_mapping(rh__mapping *mapping)
{
    rh__lock();
    if (mapping->prev)
        mapping->prev->next = mapping->next;
    else
        rh_debug_descriptor.mappings = (uint64_t)(uintptr_t)mapping->next;
    if (mapping->next)
        mapping->next->prev = mapping->prev;
    rh__unlock();
}

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) & ~(unit - 1);
}

/* Maps more than asked for and trims both ends. */
static void *map_aligned(size_t bytes, size_t alignment, int flags)
{
    size_t total;
    if (__builtin_add_overflow(bytes, alignment, &total))
        return MAP_FAILED;
    char *raw = mmap(NULL, total, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (raw == MAP_FAILED)
        return MAP_FAILED;
    char *start = (char *)round_up((uintptr_t)raw, alignment);
    size_t before = (size_t)(start - raw);
    if (before)
        munmap(raw, before);
    if (total - before > bytes)
        munmap(start + bytes, total - before - bytes);
    return start;
}

rh__mapping *rh__map(rh_heap *heap, uint32_t kind, size_t bytes, size_t alignment, bool lazy)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = round_up(bytes, page);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | (lazy ? MAP_NORESERVE : 0);
    void *address = alignment > page ? map_aligned(bytes, alignment, flags)
                                     : mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (address == MAP_FAILED)
        return NULL;
    /* A huge page would make the few touched pages of a small heap 2 MiB each; but it halves the
     * time of filling a chunk. */
    if (lazy || kind == RH_MAPPING_CHUNK)
        madvise(address, bytes, lazy ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    rh__mapping *mapping = address;
    mapping->bytes = bytes;
    mapping->kind = kind;
    mapping->heap = heap;
#ifdef RH__ASAN
    /* Objects hold pointers to malloc memory (vectors): the leak checker must look inside. It
     * must not look at the chunk's header, which knows the heap. */
    if (kind == RH_MAPPING_CHUNK)
        __lsan_register_root_region((char *)mapping + RH__CHUNK_DATA, bytes - RH__CHUNK_DATA);
#endif
    link_mapping(mapping);
    return mapping;
}

#ifdef RH__ASAN

rh__mapping *rh__map_heap(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *address;
    bytes = round_up(bytes, page);
    rh__lock(); /* a fork waits for it: the child gets no lock of the allocator that is taken */
    int error = posix_memalign(&address, page, bytes);
    rh__unlock();
    if (error)
        return NULL;
    rh__discard(address, bytes); /* all 0, and nothing of it is touched: most is for later events */
    rh__mapping *mapping = address;
    mapping->bytes = bytes;
    mapping->kind = RH_MAPPING_HEAP;
    mapping->heap = address;
    link_mapping(mapping);
    return mapping;
}

static bool is_from_malloc(const rh__mapping *mapping)
{
    return (const void *)mapping->heap == (const void *)mapping;
}

#else

rh__mapping *rh__map_heap(size_t bytes)
{
    return rh__map(NULL, RH_MAPPING_HEAP, bytes, 0, true);
}

#endif

bool rh__is_chunk(const void *chunk)
{
    bool found = false;
    rh__lock();
    const rh__mapping *mapping = (const rh__mapping *)(uintptr_t)rh_debug_descriptor.mappings;
    for (; mapping && !found; mapping = mapping->next)
        found = mapping == chunk && mapping->kind == RH_MAPPING_CHUNK;
    rh__unlock();
    return found;
}

void rh__unmap(rh__mapping *mapping)
{
    size_t bytes = mapping->bytes;
    unlink_mapping(mapping);
    if (mapping->kind == RH_MAPPING_CHUNK)
        __atomic_fetch_add(&rh__chunks_unmapped, 1, __ATOMIC_RELAXED);
#ifdef RH__ASAN
    if (is_from_malloc(mapping)) {
        rh__lock(); /* as in rh__map_heap */
        free(mapping);
        rh__unlock();
        return;
    }
    if (mapping->kind == RH_MAPPING_CHUNK)
        __lsan_unregister_root_region((char *)mapping + RH__CHUNK_DATA, bytes - RH__CHUNK_DATA);
#endif
    ASAN_UNPOISON_MEMORY_REGION(mapping, bytes);
    munmap(mapping, bytes);
}

void rh__discard(void *address, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *end = (char *)address + bytes;
    char *first = (char *)round_up((uintptr_t)address, page);
    ASAN_UNPOISON_MEMORY_REGION(address, bytes);
    rh__valgrind_open(address, bytes);
    if (first >= end || madvise(first, (size_t)(end - first), MADV_DONTNEED) != 0)
        first = end;
    memset(address, 0, (size_t)(first - (char *)address));
}
