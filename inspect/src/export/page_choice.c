/* page_choice.c - which objects a page has: those that leaks and cycles name, then those that
 * retain most (see page.h).
 *
 * Invariant: an object that is left out retains no more than left_out_retain_at_most. */
#include "export/page.h"

#include <stdlib.h>
#include <string.h>

/* The first members of a cycle; the largest of leaks that are alike, with some that go with it. */
static void mark_cycles(const rhi_page *page, uint64_t *marks)
{
    const rhi_graph *g = page->export->query.graph;
    for (uint64_t i = 0; i < page->cycles.cycles.count; i++) {
        uint32_t c = page->cycles.cycles.items[i], size = rhi__cycle_size(g, c);
        for (uint32_t m = 0; m < size && m < RHI_PAGE_MEMBERS; m++)
            rhi__bit_set(marks, g->cycle_member[g->cycle_start[c] + m]);
    }
}

static void mark_leaks(const rhi_page *page, uint64_t *marks)
{
    const rhi_leaks *leaks = page->leaks.leaks;
    for (uint64_t i = 0; i < page->leaks.largest.count; i++) {
        const rhi_leak *leak = &leaks->groups[page->leaks.alike.items[i].leak];
        for (uint32_t m = 0; m < leak->count && m < RHI_PAGE_MEMBERS; m++)
            rhi__bit_set(marks, leaks->members[leak->first + m]);
    }
}

/* Each time that all objects were gone over. */
static rhi_error *go_on(const rhi_page *page, unsigned done)
{
    return rhi__progress(&page->export->query.session->work, "choosing objects", done, 64);
}

/* How many of the exported objects, but for the marked ones, retain at least `bytes`. */
static uint32_t count_from(const rhi_page *page, const uint64_t *marks, uint64_t bytes)
{
    const rhi_export *e = page->export;
    uint32_t count = 0;
    for (uint32_t i = 0; i < e->query.graph->count; i++)
        count += e->numbers[i] != RHI_NO_OBJECT && e->query.graph->retained[i] >= bytes &&
                 !rhi__bit(marks, i);
    return count;
}

/* The least number of bytes that no more than `room` of them retain: found bit by bit. */
static rhi_error *find_least(const rhi_page *page, const uint64_t *marks, uint32_t room,
                             uint64_t *least)
{
    const rhi_graph *g = page->export->query.graph;
    uint64_t below = 0, most = 0; /* below: too many retain as much */
    for (uint32_t i = 0; i < g->count; i++)
        most = g->retained[i] > most ? g->retained[i] : most;
    for (unsigned bit = 64; bit-- > 0;) {
        RHI_TRY(go_on(page, 63 - bit));
        if ((below | 1ull << bit) <= most && count_from(page, marks, below | 1ull << bit) > room)
            below |= 1ull << bit;
    }
    *least = below + 1;
    return NULL;
}

/* Marks those that retain so many bytes, then those that retain the next less, while there is
 * room. */
static rhi_error *mark_largest(rhi_page *page, uint64_t *marks, uint32_t room)
{
    const rhi_export *e = page->export;
    const uint64_t *retained = e->query.graph->retained;
    bool is_all = count_from(page, marks, 0) <= room;
    uint64_t least = 0;
    RHI_TRY(go_on(page, 0));
    if (!is_all)
        RHI_TRY(find_least(page, marks, room, &least));
    uint32_t more = is_all ? 0 : room - count_from(page, marks, least);
    for (uint32_t i = 0; i < e->query.graph->count; i++) {
        if (e->numbers[i] == RHI_NO_OBJECT || rhi__bit(marks, i))
            continue;
        bool is_next = retained[i] + 1 == least && more;
        more -= is_next;
        if (retained[i] >= least || is_next)
            rhi__bit_set(marks, i);
        else if (retained[i] > page->left_out_retain_at_most)
            page->left_out_retain_at_most = retained[i];
    }
    return go_on(page, 64);
}

/* Those are on the page; the marks are of the others from now on. */
static void take_marked(rhi_page *page, uint64_t *marks)
{
    rhi_export *e = page->export;
    for (uint32_t i = 0; i < e->query.graph->count; i++) {
        bool is_exported = e->numbers[i] != RHI_NO_OBJECT,
             is_chosen = is_exported && rhi__bit(marks, i);
        e->numbers[i] = is_chosen ? page->chosen_count : RHI_NO_OBJECT;
        if (is_chosen)
            page->chosen[page->chosen_count++] = i;
        if (is_chosen || !is_exported)
            marks[i / 64] &= ~(1ull << i % 64);
        else
            rhi__bit_set(marks, i);
    }
}

/* Of each object on the page: how many it keeps alone, with none between, that are not on it. */
static bool count_kept(rhi_page *page, const uint64_t *left_out)
{
    const rhi_export *e = page->export;
    const rhi_graph *g = e->query.graph;
    page->kept_left_out = calloc((uint64_t)page->chosen_count + 1, sizeof *page->kept_left_out);
    for (uint32_t i = 0; page->kept_left_out && i < g->count; i++) {
        if (!rhi__bit(left_out, i))
            continue;
        if (g->dominator[i] == RHI_NO_OBJECT)
            page->top_left_out++;
        else if (e->numbers[g->dominator[i]] != RHI_NO_OBJECT)
            page->kept_left_out[e->numbers[g->dominator[i]]]++;
    }
    return page->kept_left_out != NULL;
}

rhi_error *rhi__page_choose(rhi_page *page)
{
    rhi_export *e = page->export;
    uint32_t count = e->query.graph->count, wanted = 0;
    uint64_t *marks = calloc((uint64_t)count / 64 + 1, sizeof *marks);
    page->chosen = calloc((uint64_t)count + 1, sizeof *page->chosen);
    if (!marks || !page->chosen) {
        free(marks);
        return rhi__error_memory();
    }
    mark_cycles(page, marks);
    mark_leaks(page, marks);
    for (uint32_t i = 0; i < count; i++)
        wanted += rhi__bit(marks, i);
    rhi_error *error =
        mark_largest(page, marks, wanted < RHI_PAGE_OBJECTS ? RHI_PAGE_OBJECTS - wanted : 0);
    if (!error) {
        take_marked(page, marks);
        if (!count_kept(page, marks))
            error = rhi__error_memory();
    }
    free(marks);
    e->left_out = e->object_count - page->chosen_count;
    return error;
}
