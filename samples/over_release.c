/* over_release.c - one release too many: an object has fewer counts than fields that hold it.
 *
 *     in its core: gcverify; if it ran with REFHEAP_OPTIONS=trace=page: objat --history page#1
 *
 * Two tabs show a page. close_tab() gives the page's count back, but the tab keeps the field, so
 * that its own death would give it back once more. Nothing has gone wrong yet: both tabs live, and
 * the page is there. But its count is 1, and two fields hold it. Invariant: open_tab() takes one
 * count for its field. The program crashes at its end, so that there is a core. */
#include <refheap/refheap.h>

#include <stdlib.h>

typedef struct page {
    rh_object base;
    int64_t visits;
} page;
typedef struct tab {
    rh_object base;
    page *shown;
} tab;
static const rh_field page_fields[] = {RH_INT(page, visits), RH_FIELDS_END};
static const rh_field tab_fields[] = {RH_STRONG(tab, shown), RH_FIELDS_END};
static rh_type page_type = {.name = "page", .size = RH_SIZE(page, base), .fields = page_fields};
static rh_type tab_type = {.name = "tab", .size = RH_SIZE(tab, base), .fields = tab_fields};

static rh_heap *heap;
static tab *left, *right;

static void open_tab(tab **variable, page *shown)
{
    *variable = rh_new(heap, &tab_type);
    rh_set(&(*variable)->shown, shown);
}

static void close_tab(tab *closed)
{
    rh_release(closed->shown); /* the mistake: rh_set(&closed->shown, NULL) */
}

int main(void)
{
    heap = rh_heap_create(&(rh_heap_options){.name = "over_release"});
    page *home = rh_new(heap, &page_type);
    open_tab(&left, home);
    open_tab(&right, home);
    rh_release(home); /* the tabs have it now */
    close_tab(left);
    abort();
}
