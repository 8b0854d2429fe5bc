/* pages.c - memory of the target that was read, page by page (see views.h).
 *
 * Tables of dicts and lists are small, many, and lie near each other in the arenas: a read of its
 * own for each would cost more than all else. Where a page cannot be read whole, nothing of it is
 * kept.
 *
 * Invariant: what is kept was read since the last pass or question began: rhi_reader.slot_room
 * grows there, and nowhere else. */
#include "readers/cpython/views.h"

#include <string.h>
#include <stdlib.h>

enum { PAGE_BYTES = 4096, PAGES = 1 << 12 };

struct py_pages {
    uint64_t held[PAGES]; /* which page is in each place, counted from 1; 0: none */
    uint8_t bytes[PAGES][PAGE_BYTES];
};

struct py_pages *rhi__py_pages_make(void)
{
    return calloc(1, sizeof(struct py_pages)); /* so much of it is touched as is used */
}

static const uint8_t *page_at(py_runtime *py, uint64_t number)
{
    py_views *views = py->views;
    uint64_t place = (number ^ number >> 12) % PAGES;
    if (views->pages->held[place] == number + 1)
        return views->pages->bytes[place];
    views->pages->held[place] = 0;
    if (rhi__memory_read(py->memory, number * PAGE_BYTES, views->pages->bytes[place], PAGE_BYTES) !=
        PAGE_BYTES)
        return NULL;
    views->pages->held[place] = number + 1;
    return views->pages->bytes[place];
}

uint64_t rhi__py_read(py_runtime *py, uint64_t address, void *buffer, uint64_t size)
{
    py_views *views = py->views;
    if (!views || size >= PAGE_BYTES || !rhi__range_ok(address, size))
        return rhi__memory_read(py->memory, address, buffer, size);
    if (py->reader->slot_room > views->room)
        memset(views->pages->held, 0, sizeof views->pages->held);
    views->room = py->reader->slot_room;
    for (uint64_t done = 0; done < size;) {
        uint64_t inside = (address + done) % PAGE_BYTES,
                 step = PAGE_BYTES - inside < size - done ? PAGE_BYTES - inside : size - done;
        const uint8_t *page = page_at(py, (address + done) / PAGE_BYTES);
        if (!page)
            return done + rhi__memory_read(py->memory, address + done, (uint8_t *)buffer + done,
                                           size - done);
        memcpy((uint8_t *)buffer + done, page + inside, step);
        done += step;
    }
    return size;
}

bool rhi__py_u64(py_runtime *py, uint64_t address, uint64_t *value)
{
    uint8_t bytes[8];
    if (rhi__py_read(py, address, bytes, sizeof bytes) != sizeof bytes)
        return false;
    *value = rhi__load64(bytes);
    return true;
}
