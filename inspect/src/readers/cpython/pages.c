/* pages.c - memory of the target that was read, page by page (see views.h).
 *
 * Tables of dicts and lists are small, many, and lie near each other in the arenas: a read of its
 * own for each would cost more than all else. Where a page cannot be read whole, nothing of it is
 * kept.
 *
 * Invariant: what is kept was read since the last pass or question began: rhi_reader.readings
 * counts them. */
#include "readers/cpython/views.h"

#include <string.h>
#include <stdlib.h>

enum { PAGE_BYTES = 4096, PAGES = 1 << 12, PAGES_AHEAD = 4 };

struct py_pages {
    uint64_t held[PAGES]; /* which page is in each place, counted from 1; 0: none */
    uint8_t bytes[PAGES][PAGE_BYTES];
};

struct py_pages *rhi__py_pages_make(void)
{
    return calloc(1, sizeof(struct py_pages)); /* so much of it is touched as is used */
}

static uint64_t place_of(uint64_t number)
{
    return (number + number / PAGES * 61) % PAGES; /* pages in a row have places in a row */
}

/* How many pages are read at once: some more where the one before was read, too. */
static uint64_t pages_wanted(const struct py_pages *pages, uint64_t number, uint64_t place)
{
    uint64_t room = PAGES - place, row = PAGES - number % PAGES;
    room = row < room ? row : room;
    bool goes_on = number && pages->held[place_of(number - 1)] == number;
    return goes_on && room > PAGES_AHEAD ? PAGES_AHEAD : goes_on ? room : 1;
}

static const uint8_t *page_at(py_runtime *py, uint64_t number)
{
    struct py_pages *pages = py->views->pages;
    uint64_t place = place_of(number);
    if (pages->held[place] == number + 1)
        return pages->bytes[place];
    uint64_t count = pages_wanted(pages, number, place);
    memset(&pages->held[place], 0, count * sizeof pages->held[place]);
    uint64_t got =
        rhi__memory_read(py->memory, number * PAGE_BYTES, pages->bytes[place], count * PAGE_BYTES);
    for (uint64_t i = 0; i < got / PAGE_BYTES; i++)
        pages->held[place + i] = number + i + 1;
    return got >= PAGE_BYTES ? pages->bytes[place] : NULL;
}

void rhi__py_forget_read(py_runtime *py)
{
    py_views *views = py->views;
    if (py->reader->readings != views->reading) {
        memset(views->pages->held, 0, sizeof views->pages->held);
        views->table = (py_table){0};
    }
    views->reading = py->reader->readings;
}

uint64_t rhi__py_read(py_runtime *py, uint64_t address, void *buffer, uint64_t size)
{
    py_views *views = py->views;
    if (!views || size >= PAGE_BYTES || !rhi__range_ok(address, size))
        return rhi__memory_read(py->memory, address, buffer, size);
    rhi__py_forget_read(py);
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

bool rhi__py_is_object(py_runtime *py, uint64_t value)
{
    uint8_t head[PY_OB_TYPE + 8];
    if (value == 0 || value % 8)
        return false;
    if (py->reader->is_loaded)
        return rhi__object_of(py->reader, value) != RHI_NO_OBJECT;
    return rhi__py_read(py, value, head, sizeof head) == sizeof head &&
           (int64_t)rhi__load64(head) > 0 &&
           rhi__py_known_type(py, rhi__load64(head + PY_OB_TYPE)) != NULL;
}
