/* hands.c - what threads have at hand where they were stopped: words of their registers and of the
 * tops of their stacks (see checks.h).
 *
 * Who changes a table or a link in several steps has its address in a register, or saved in a
 * frame that is among the newest. Old words of the stack are among them, too: a few objects are
 * taken to be in hand that are not, and are judged less. Who frees an object frees what it held
 * before its memory is given back, and so on, down to where deeper ones are put aside in a list.
 * Invariant: what is not known of a thread is not known of any. */
#include "base/array.h"
#include "base/bits.h"
#include "base/cycle_guard.h"
#include "base/search.h"
#include "readers/cpython/checks.h"

#include <stdlib.h>

enum {
    RED_ZONE = 128,
    TOP_BYTES = 4096,
    DEEP_BYTES = 256 << 10,
    ASIDE_MAX = 1 << 20,
    THREADS_MAX = 1 << 18,
    FEW_THREADS = 64,
    FILTER_BITS = 1 << 14
};

/* Sorted. */
typedef struct words {
    uint64_t *items;
    uint64_t count, capacity;
} words;

/* changing: of threads that may change objects; is_known: of all of these. freeing: of those that
 * may free some. */
struct py_hands {
    words changing, freeing;
    uint64_t filter[FILTER_BITS / 64]; /* of those that are changing: which of them there may be */
    bool is_known, is_short;
};

void rhi__py_hands_free(struct py_hands *hands)
{
    if (hands) {
        free(hands->changing.items);
        free(hands->freeing.items);
    }
    free(hands);
}

static int order(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static void sort(words *all)
{
    if (all->count)
        qsort(all->items, all->count, sizeof *all->items, order);
}

/* Is one of them in the piece of memory? */
static bool any_in(const words *all, uint64_t start, uint64_t end)
{
    uint64_t place = rhi__first(0, all->count, i, all->items[i] >= start);
    return place < all->count && all->items[place] < end;
}

static void add(struct py_hands *hands, words *all, uint64_t word)
{
    if (rhi__array_reserve(all, 1))
        all->items[all->count++] = word;
    else
        hands->is_short = true;
}

/* ---- threads -------------------------------------------------------------------------------- */

static void add_thread(py_runtime *py, const rhi_thread *thread, words *all, uint64_t most)
{
    const struct rhi_sink *map = &py->memory->map;
    uint8_t bytes[TOP_BYTES];
    uint64_t at = (thread->stack_pointer & ~7ull) - RED_ZONE, end = at + RED_ZONE + most, got;
    for (uint32_t i = 0; i < thread->register_count; i++)
        add(py->hands, all, map->registers.items[thread->first_register + i].value);
    for (; at < end; at += got) {
        got = rhi__memory_read(py->memory, at, bytes, end - at < TOP_BYTES ? end - at : TOP_BYTES);
        for (uint64_t i = 0; i + 8 <= got; i += 8)
            add(py->hands, all, rhi__load64(bytes + i));
        if (got < TOP_BYTES)
            return;
    }
}

static uint64_t filter_bit(uint64_t word)
{
    return (word >> 3) * 0x9E3779B97F4A7C15ull >> 50;
}

static bool add_holder(void *context, const rhi_thread *thread)
{
    py_runtime *py = context;
    add_thread(py, thread, &py->hands->changing, TOP_BYTES);
    add_thread(py, thread, &py->hands->freeing, DEEP_BYTES);
    return true;
}

/* Objects that are to be freed later, each of which has the next one where the collector's link to
 * the one before it was. */
static void add_aside(py_runtime *py, uint64_t state)
{
    rhi_cycle_guard guard = {0};
    uint64_t object = 0;
    bool more = rhi__memory_u64(py->memory, state + py->at->thread_trash, &object);
    while (more && object && !rhi__is_repeated(&guard, object) &&
           py->hands->freeing.count < ASIDE_MAX) {
        add(py->hands, &py->hands->freeing, object);
        more = rhi__memory_u64(py->memory, object - 8, &object);
        object &= ~(uint64_t)PY_GC_LINK_FLAGS;
    }
}

static void add_states(py_runtime *py, const py_interpreter *interpreter)
{
    rhi_cycle_guard guard = {0};
    uint64_t state = 0, count = 0;
    bool more = rhi__memory_u64(py->memory, interpreter->address + py->at->threads_head, &state);
    while (more && state && !rhi__is_repeated(&guard, state) && count++ < THREADS_MAX) {
        add_aside(py, state);
        more = rhi__memory_u64(py->memory, state + py->at->thread_next, &state);
    }
}

/* ---- all ------------------------------------------------------------------------------------ */

static void look(py_runtime *py, struct py_hands *hands)
{
    const struct rhi_sink *map = &py->memory->map;
    hands->is_known = rhi__py_holders(py, add_holder, py);
    for (uint64_t i = 0; i < map->threads.count; i++) {
        if (!hands->is_known)
            add_thread(py, &map->threads.items[i], &hands->changing, TOP_BYTES);
        /* another one may have gone on when what is freed ran code of the program */
        add_thread(py, &map->threads.items[i], &hands->freeing,
                   map->threads.count <= FEW_THREADS ? DEEP_BYTES : 4 * TOP_BYTES);
    }
    for (uint64_t i = 0; i < py->interpreters.count; i++)
        add_states(py, &py->interpreters.items[i]);
    hands->is_known |= py->memory->has_threads && map->threads.count;
    hands->is_known &= !hands->is_short;
    sort(&hands->changing);
    sort(&hands->freeing);
    for (uint64_t i = 0; i < hands->changing.count; i++)
        rhi__bit_set(hands->filter, filter_bit(hands->changing.items[i]));
}

/* NULL: memory is short. */
static const struct py_hands *hands_of(py_runtime *py)
{
    if (!py->hands && (py->hands = calloc(1, sizeof *py->hands)))
        look(py, py->hands);
    return py->hands;
}

bool rhi__py_at_hand(py_runtime *py, uint64_t start, uint64_t end, bool *is_known)
{
    const struct py_hands *hands = hands_of(py);
    *is_known = hands && hands->is_known;
    if (!hands || (end - start == 1 && !rhi__bit(hands->filter, filter_bit(start))))
        return false;
    return any_in(&hands->changing, start, end);
}

bool rhi__py_in_hand(py_runtime *py, uint64_t address)
{
    bool is_known, is_at_hand = rhi__py_at_hand(py, address, address + 1, &is_known);
    return is_at_hand || !is_known;
}

bool rhi__py_is_being_freed(py_runtime *py, uint64_t start, uint64_t end)
{
    const struct py_hands *hands = hands_of(py);
    return hands && any_in(&hands->freeing, start, end);
}
