/* format.c - CPython's heap as a format: the table, opening and closing (see format.h).
 *
 * Each interpreter is a heap of its own. Those that share their memory, as all do before 3.12, have
 * their objects in the first one's. */
#include "readers/cpython/format.h"
#include "base/array.h"
#include "readers/cpython/python.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADER_SIZE = PY_DEBUG_PREFIX + PY_PREFIX_MAX + 16 };

/* ---- opening -------------------------------------------------------------------------------- */

/* Heaps of Python are numbered from 1 on; those of another format are told apart by the reader. */
static uint64_t next_number(const rhi_reader *reader)
{
    uint64_t number = 1;
    for (uint64_t i = 0; i < reader->heaps.count; i++)
        number += reader->heaps.items[i].format == &rhi__format_python;
    return number;
}

static rhi_error *add_heaps(rhi_reader *reader, py_runtime *py, uint32_t space)
{
    if (!rhi__array_reserve(&reader->heaps, py->interpreters.count))
        return rhi__error_memory();
    for (uint64_t i = 0; i < py->interpreters.count; i++) {
        py_interpreter *interpreter = &py->interpreters.items[i];
        rhi_heap_info info = {.format = &rhi__format_python,
                              .state = py,
                              .header_size = HEADER_SIZE,
                              .address = interpreter->address,
                              .number = next_number(reader),
                              .phase = py->is_finalizing            ? "finalizing"
                                       : interpreter->is_collecting ? "collecting"
                                                                    : "idle",
                              .provisional = py->is_finalizing || interpreter->is_collecting,
                              .space = space};
        char version[16];
        snprintf(version, sizeof version, py->micro_is_known ? "3.%u.%u" : "3.%u", py->minor,
                 py->micro);
        if (i == 0)
            snprintf(info.name, sizeof info.name, "python %s main", version);
        else
            snprintf(info.name, sizeof info.name, "python %s interpreter %" PRIu64, version,
                     interpreter->id);
        interpreter->heap = (uint32_t)reader->heaps.count;
        reader->heaps.items[reader->heaps.count++] = info;
    }
    return NULL;
}

/* From 3.12 on an interpreter may have arenas of its own. */
static void find_shared(rhi_reader *reader, const py_runtime *py)
{
    for (uint64_t i = 1; i < py->interpreters.count; i++) {
        uint32_t heap = py->interpreters.items[i].heap;
        bool has_arenas = false;
        for (uint64_t k = 0; k < reader->own.count && !has_arenas; k++)
            has_arenas = reader->own.items[k].has_blocks && reader->own.items[k].heap == heap;
        if (!has_arenas)
            reader->heaps.items[heap].objects_in = 1 + py->interpreters.items[0].heap;
    }
}

static rhi_error *open_runtime(rhi_reader *reader, py_runtime *py, uint32_t space)
{
    if (!rhi__py_views_make(py))
        return rhi__error_memory();
    RHI_TRY(add_heaps(reader, py, space));
    RHI_TRY(rhi__py_types_open(py));
    for (uint64_t i = 0; i < py->interpreters.count; i++) {
        rhi_heap_info *info = &reader->heaps.items[py->interpreters.items[i].heap];
        info->first_type = py->first_type;
        info->type_count = (uint32_t)py->types.count;
    }
    RHI_TRY(rhi__py_arenas_open(py));
    find_shared(reader, py);
    return rhi__py_roots_open(py);
}

static void free_runtime(py_runtime *py)
{
    rhi__py_traces_free(py->traces);
    rhi__py_hands_free(py->hands);
    rhi__py_views_free(py);
    rhi__py_runtime_free(py);
}

static rhi_error *python_open(rhi_reader *reader, bool *found)
{
    py_runtimes *runtimes = calloc(1, sizeof *runtimes);
    *found = false;
    rhi_error *error = runtimes ? rhi__py_discover(reader, runtimes) : rhi__error_memory();
    bool any = runtimes && runtimes->items.count;
    if (!any || !rhi__format_opened(reader, &rhi__format_python, runtimes)) {
        for (uint64_t i = 0; runtimes && i < runtimes->items.count; i++)
            free_runtime(runtimes->items.items[i]);
        if (runtimes)
            free(runtimes->items.items);
        free(runtimes);
        return error ? error : any ? rhi__error_memory() : NULL;
    }
    *found = true;
    for (uint64_t i = 0; i < runtimes->items.count && !error; i++)
        error = open_runtime(reader, runtimes->items.items[i], (uint32_t)i);
    return error;
}

static void python_close(rhi_reader *reader)
{
    py_runtimes *runtimes = rhi__format_state(reader, &rhi__format_python);
    for (uint64_t i = 0; runtimes && i < runtimes->items.count; i++)
        free_runtime(runtimes->items.items[i]);
    if (runtimes)
        free(runtimes->items.items);
    free(runtimes);
}

/* ---- the table ------------------------------------------------------------------------------ */

const rhi_format rhi__format_python = {
    .name = "python",
    .example = "Session@0x7f…",
    .block_word = "pool",
    .root_word = "root",
    .recording = "PYTHONTRACEMALLOC=1 in the program's environment",
    .collect_word = "gc.collect()",
    .raw_word = "pymalloc block",
    .names_roots = true,
    .language = "Python",
    .c_type = "PyObject",
    .has_tracking = true,
    .open = python_open,
    .close = python_close,
    .read_blocks = rhi__py_read_blocks,
    .read_lone = rhi__py_read_lone,
    .read_near = rhi__py_read_near,
    .decode = rhi__py_decode,
    .headers = rhi__py_headers,
    .slots = rhi__py_slots,
    .spans = rhi__py_spans,
    .size = rhi__py_size,
    .value = rhi__py_value,
    .site = rhi__py_site,
    .remark = rhi__py_remark,
    .facts = rhi__py_facts,
    .may_hold = rhi__py_may_hold,
    .in_motion = rhi__py_in_motion,
    .check = rhi__py_check,
    .words = rhi__py_words,
    .scope = rhi__py_scope,
    .express = rhi__py_expression,
};
