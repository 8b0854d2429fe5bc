/* hands.c - what the threads have at hand where they were stopped: words of their registers and of
 * the tops of their stacks (see checks.h).
 *
 * Who changes a table or a link in several steps has its address in a register, or saved in a
 * frame that is among the newest. Old words of the stack are among them, too: a few objects are
 * taken to be in hand that are not, and are judged less. */
#include "base/array.h"
#include "base/search.h"
#include "readers/cpython/checks.h"

#include <stdlib.h>

enum { RED_ZONE = 128, TOP_BYTES = 4096 };

/* Words that threads have at hand; sorted. is_known: those of all threads. */
struct py_hands {
    uint64_t *items;
    uint64_t count, capacity;
    bool is_known;
};

void rhi__py_hands_free(struct py_hands *hands)
{
    if (hands)
        free(hands->items);
    free(hands);
}

static int order(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static bool add(struct py_hands *hands, uint64_t word)
{
    if (!rhi__array_reserve(hands, 1))
        return false;
    hands->items[hands->count++] = word;
    return true;
}

static bool add_thread(py_runtime *py, const rhi_thread *thread, struct py_hands *hands)
{
    const struct rhi_sink *map = &py->memory->map;
    uint8_t bytes[RED_ZONE + TOP_BYTES];
    for (uint32_t i = 0; i < thread->register_count; i++)
        if (!add(hands, map->registers.items[thread->first_register + i].value))
            return false;
    uint64_t start = (thread->stack_pointer & ~7ull) - RED_ZONE,
             got = rhi__memory_read(py->memory, start, bytes, sizeof bytes);
    for (uint64_t i = 0; i + 8 <= got; i += 8)
        if (!add(hands, rhi__load64(bytes + i)))
            return false;
    return true;
}

/* NULL: memory is short. */
static const struct py_hands *hands_of(py_runtime *py)
{
    const struct rhi_sink *map = &py->memory->map;
    if (py->hands || !(py->hands = calloc(1, sizeof *py->hands)))
        return py->hands;
    py->hands->is_known = py->memory->has_threads && map->threads.count;
    for (uint64_t i = 0; py->hands->is_known && i < map->threads.count; i++)
        py->hands->is_known = add_thread(py, &map->threads.items[i], py->hands);
    if (py->hands->count)
        qsort(py->hands->items, py->hands->count, sizeof *py->hands->items, order);
    return py->hands;
}

bool rhi__py_in_hand(py_runtime *py, uint64_t address)
{
    const struct py_hands *hands = hands_of(py);
    uint64_t count = hands ? hands->count : 0,
             place = rhi__first(0, count, i, hands->items[i] >= address);
    return !hands || !hands->is_known || (place < count && hands->items[place] == address);
}
