/* format.c - CPython's heap as a format: the table, opening and closing (see format.h).
 *
 * A heap is what one allocator gives out. It belongs to one interpreter, or to several, as all do
 * before 3.12. */
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

/* What the lines of an interpreter are called that is not the first of its heap. */
static void name_groups(py_interpreter *interpreter)
{
    static const char *const names[PY_GROUPS] = {"", "_collector", "_generation_0", "_generation_1",
                                                 "_generation_2"};
    for (unsigned i = 0; i < PY_GROUPS; i++)
        snprintf(interpreter->groups[i], PY_GROUP_SIZE, "interpreter_%" PRIu64 "%s",
                 interpreter->id, names[i]);
}

/* "python 3.11.2 main", "python 3.12.1 interpreter 2", "python 3.11.2 main and interpreters 1, 2":
 * the interpreter `first`, and those that are in its heap. */
static void name_heap(const py_runtime *py, const py_interpreter *first, char name[RHI_NAME_SIZE])
{
    enum { NAMED_MAX = 8 };
    const py_interpreter *all = py->interpreters.items;
    uint64_t used, others = 0;
    used = (uint64_t)snprintf(name, RHI_NAME_SIZE,
                              py->micro_is_known ? "python 3.%u.%u" : "python 3.%u", py->minor,
                              py->micro);
    used += (uint64_t)(first == all ? snprintf(name + used, RHI_NAME_SIZE - used, " main")
                                    : snprintf(name + used, RHI_NAME_SIZE - used,
                                               " interpreter %" PRIu64, first->id));
    for (uint64_t i = 1; i < py->interpreters.count; i++)
        others += &all[i] != first && all[i].heap == first->heap;
    if (others > NAMED_MAX)
        snprintf(name + used, RHI_NAME_SIZE - used, " and %" PRIu64 " interpreters", others);
    for (uint64_t i = 1, named = 0; others <= NAMED_MAX && i < py->interpreters.count; i++)
        if (&all[i] != first && all[i].heap == first->heap && used < RHI_NAME_SIZE)
            used += (uint64_t)snprintf(name + used, RHI_NAME_SIZE - used, "%s%" PRIu64,
                                       named++      ? ", "
                                       : others > 1 ? " and interpreters "
                                                    : " and interpreter ",
                                       all[i].id);
}

static rhi_error *add_heaps(rhi_reader *reader, py_runtime *py, uint32_t space)
{
    if (!rhi__array_reserve(&reader->heaps, py->interpreters.count))
        return rhi__error_memory();
    uint64_t begin = reader->heaps.count;
    for (uint64_t i = 0; i < py->interpreters.count; i++) {
        py_interpreter *interpreter = &py->interpreters.items[i];
        bool shares = i > 0 && !rhi__py_has_own_arenas(py, interpreter);
        interpreter->heap = (uint32_t)(shares ? begin : reader->heaps.count);
        if (shares)
            name_groups(interpreter);
        else
            reader->heaps.items[reader->heaps.count++] =
                (rhi_heap_info){.format = &rhi__format_python,
                                .state = py,
                                .header_size = HEADER_SIZE,
                                .address = interpreter->address,
                                .number = next_number(reader),
                                .phase = py->is_finalizing ? "finalizing" : "idle",
                                .provisional = py->is_finalizing,
                                .space = space};
        rhi_heap_info *info = &reader->heaps.items[interpreter->heap];
        info->collectors++;
        info->provisional |= interpreter->is_collecting;
        if (interpreter->is_collecting && !py->is_finalizing)
            info->phase = "collecting";
    }
    for (uint64_t i = 0; i < py->interpreters.count; i++) {
        const py_interpreter *interpreter = &py->interpreters.items[i];
        if (!interpreter->groups[0][0])
            name_heap(py, interpreter, reader->heaps.items[interpreter->heap].name);
    }
    return NULL;
}

static rhi_error *open_runtime(rhi_reader *reader, py_runtime *py, uint32_t space)
{
    if (!rhi__py_views_make(py))
        return rhi__error_memory();
    py->at_hand = rhi__py_at_hand;
    RHI_TRY(add_heaps(reader, py, space));
    RHI_TRY(rhi__py_types_open(py));
    for (uint64_t i = 0; i < py->interpreters.count; i++) {
        rhi_heap_info *info = &reader->heaps.items[py->interpreters.items[i].heap];
        info->first_type = py->first_type;
        info->type_count = (uint32_t)py->types.count;
    }
    RHI_TRY(rhi__py_arenas_open(py));
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

static bool each_frozen(rhi_reader *reader, void (*visit)(void *context, uint64_t address),
                        void *context)
{
    py_runtimes *runtimes = rhi__format_state(reader, &rhi__format_python);
    bool is_whole = true;
    for (uint64_t i = 0; runtimes && i < runtimes->items.count; i++)
        is_whole &= rhi__py_each_frozen(runtimes->items.items[i], visit, context);
    return is_whole;
}

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
    .remarks_words = true,
    .remark = rhi__py_remark,
    .facts = rhi__py_facts,
    .may_hold = rhi__py_may_hold,
    .in_motion = rhi__py_in_motion,
    .hides = rhi__py_hides,
    .each_frozen = each_frozen,
    .check = rhi__py_check,
    .words = rhi__py_words,
    .scope = rhi__py_scope,
    .express = rhi__py_expression,
    .variable = rhi__py_variable,
    .uses = rhi__py_uses,
};
