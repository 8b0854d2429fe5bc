/* views.c - makes and frees what is kept to look into objects (see views.h). */
#include "readers/cpython/views.h"

#include <stdlib.h>

bool rhi__py_views_make(py_runtime *py)
{
    py_views *views = calloc(1, sizeof *views);
    if (!views)
        return false;
    views->pages = rhi__py_pages_make();
    if (!views->pages) {
        free(views);
        return false;
    }
    rhi__py_members_make(py, views);
    rhi__py_labels_make(py, views);
    py->views = views;
    return true;
}

void rhi__py_views_free(py_runtime *py)
{
    py_views *views = py->views;
    if (!views)
        return;
    free(views->owners.items);
    free(views->pages);
    free(views->words);
    free(views);
    py->views = NULL;
}
