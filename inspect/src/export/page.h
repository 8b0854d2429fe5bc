/* page.h - `.html`: the heap in one page that brings all it needs, for people without a debugger.
 *
 * The page's own parts are made from inspect/web when refheap is built; between their two halves
 * goes one JSON document (packed.h), which inspect/web/src/heap.js reads. page.c writes its frame;
 * page_choice.c says which objects are on it; page_objects.c writes these; page_answers.c writes
 * what is of the whole heap, whatever is on the page: types, lines, leaks, cycles.
 *
 * Invariant: an object is named by its place among those on the page, or not at all. */
#ifndef RHI_PAGE_H
#define RHI_PAGE_H

#include "export/export.h"
#include "export/packed.h"
#include "questions/gcgraph.h"
#include "questions/gcleaks.h"
#include "questions/gcstat.h"
#include "render/holders.h"

/* Objects on a page; rows of leaks and of cycles; members of one cycle that are named. */
enum { RHI_PAGE_OBJECTS = 100000, RHI_PAGE_ROWS = 1000, RHI_PAGE_MEMBERS = 50 };

typedef struct rhi_page {
    rhi_export *export;
    rhi_packed out;
    rhi_gcstat types, sites;
    rhi_gcleaks leaks;
    rhi_gcgraph cycles;
    /* by heap: from a type, and from the number of a line, to its row */
    rhi_map *type_rows, *site_rows;
    uint32_t *keepers; /* by rhi_reader's number: see page_objects.c */
    /* the objects on the page, by rhi_reader's number, in order: the n-th is number n */
    uint32_t *chosen;
    uint32_t chosen_count;
    uint64_t left_out_retain_at_most;
    uint64_t events;     /* recorded ones that were looked at: the newest of all */
    bool events_are_cut; /* there are older ones */
    /* objects that are left out, and that one on the page keeps alone: by its place; none keeps */
    uint32_t *kept_left_out, top_left_out;
} rhi_page;

/* Gathers types, lines, leaks and cycles. */
rhi_error *rhi__page_gather(rhi_page *page);
/* Chooses the objects: export->numbers are their places on the page then. */
rhi_error *rhi__page_choose(rhi_page *page);
/* Members of the document. */
void rhi__page_answers(rhi_page *page);
rhi_error *rhi__page_objects(rhi_page *page);
void rhi__page_cycles(rhi_page *page); /* after all that is read: whom nobody holds depends on it */
/* A holder in words, with what the commands say behind them. */
enum { RHI_PAGE_HOLDER_SIZE = RHI_HOLDER_TEXT_SIZE + 96 };
void rhi__page_holder(const rhi_page *page, const rhi_holder *holder,
                      char text[RHI_PAGE_HOLDER_SIZE]);
void rhi__page_free(rhi_page *page);

#endif
