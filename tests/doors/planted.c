/* planted.c - samples/json.c with a use after free planted in it, behind the load and before the
 * stop: a row of the document is removed, and then written to through a pointer that was kept.
 *
 * Invariant: all else is the sample's own code. With REFHEAP_OPTIONS=poison=on,quarantine=1M the
 * row's memory is nobody's when it is written to; without, another dict lived there meanwhile. */
#include "../../samples/checkpoint.h"

static void remove_row(rh_heap *heap, rh_list *rows)
{
    const void *row = rh_list_get(rows, 3);
    const char *id = truth_id("dict", row);
    rh_list_remove(rows, 3);
    truth_object(NULL, row, .heap = heap, .status = "freed", .id = id, .freed_in = __func__,
                 .freed = __LINE__ - 2);
}

static void use_after_free(rh_heap *heap, const void *document)
{
    rh_list *rows = rh_dict_get_text(document, "rows");
    rh_dict *kept = rh_list_get(rows, 3); /* borrowed */
    remove_row(heap, rows);
    for (int i = 0; i < 10; i++)
        rh_release(rh_dict_new(heap)); /* what would take the row's memory */
    kept->length = 42;
}

#define checkpoint(name) (use_after_free(heap, document), checkpoint(name))
#include "../../samples/json.c"
