/* runtime.c - one copy of CPython: its interpreters, `type` and the allocator, verified (see
 * python.h).
 *
 * Offsets move between versions, and bytes of a target say anything. So what a table says is held
 * against what must be true in every Python: pointers that lead back, lists that close, a type that
 * is its own type.
 * Invariant: a py_runtime that was handed out has passed all of that, and at least one
 * interpreter. */
#include "base/array.h"
#include "base/cycle_guard.h"
#include "readers/cpython/python.h"
#include "target/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INTERPRETERS_MAX = 1024 };

static uint64_t word(rhi_memory *memory, uint64_t address)
{
    uint64_t value;
    return rhi__memory_u64(memory, address, &value) ? value : 0;
}

/* ---- what must be true of an interpreter ---------------------------------------------------- */

/* Does the list that begins in `head` come back to it? Only its first and last links are read. A
 * process may have been stopped in the middle of a change to one list. */
static bool is_closed(rhi_memory *memory, uint64_t head)
{
    uint64_t next = word(memory, head) & ~(uint64_t)PY_GC_LINK_FLAGS,
             last = word(memory, head + 8) & ~(uint64_t)PY_GC_LINK_FLAGS;
    return next && last && (word(memory, next + 8) & ~(uint64_t)PY_GC_LINK_FLAGS) == head &&
           (word(memory, last) & ~(uint64_t)PY_GC_LINK_FLAGS) == head;
}

/* Three of the four lists: objects are moved in one at a time, perhaps just now. */
static bool lists_are_closed(rhi_memory *memory, uint64_t gc)
{
    int closed = is_closed(memory, gc + PY_GC_PERMANENT);
    for (int i = 0; i < 3; i++)
        closed += is_closed(memory, gc + PY_GC_GENERATIONS + i * PY_GC_GENERATION_BYTES);
    return closed >= 3;
}

static bool leads_back(const py_runtime *py, uint64_t interpreter)
{
    return interpreter && interpreter % 8 == 0 &&
           word(py->memory, interpreter + py->at->interpreter_runtime) == py->address;
}

enum thread_check { NO_THREAD, THREAD_LEADS_BACK, THREAD_IS_WRONG };
static enum thread_check check_thread(const py_runtime *py, uint64_t interpreter)
{
    uint64_t thread = word(py->memory, interpreter + py->at->threads_head);
    if (thread == 0)
        return NO_THREAD;
    return word(py->memory, thread + py->at->thread_interpreter) == interpreter ? THREAD_LEADS_BACK
                                                                                : THREAD_IS_WRONG;
}

/* NULL, or the check that failed. */
static const char *wrong_in_interpreter(const py_runtime *py, uint64_t interpreter)
{
    if (!leads_back(py, interpreter))
        return "an interpreter does not lead back to _PyRuntime";
    if (check_thread(py, interpreter) == THREAD_IS_WRONG)
        return "a thread does not lead back to its interpreter";
    if (!lists_are_closed(py->memory, interpreter + py->at->gc))
        return "the collector's lists do not close";
    return NULL;
}

/* ---- interpreters --------------------------------------------------------------------------- */

static bool add_interpreter(py_runtime *py, uint64_t address)
{
    const py_offsets *at = py->at;
    if (!rhi__array_reserve(&py->interpreters, 1))
        return false;
    py->interpreters.items[py->interpreters.count++] =
        (py_interpreter){.address = address,
                         .id = word(py->memory, address + at->id),
                         .gc = address + at->gc,
                         .modules = word(py->memory, address + at->modules),
                         .sysdict = word(py->memory, address + at->sysdict),
                         .builtins = word(py->memory, address + at->builtins)};
    return true;
}

/* The main one first; the list has the newest first, the others follow in the order of birth. */
static enum py_verdict find_interpreters(rhi_reader *reader, py_runtime *py)
{
    uint64_t head = word(py->memory, py->address + py->at->interpreters_head),
             main = word(py->memory, py->address + py->at->interpreters_main);
    rhi_cycle_guard guard = {0};
    if (!add_interpreter(py, main))
        return PY_NO_MEMORY;
    for (uint64_t at = head; at; at = word(py->memory, at + py->at->next)) {
        const char *wrong = wrong_in_interpreter(py, at);
        if (wrong || rhi__is_repeated(&guard, at) || py->interpreters.count > INTERPRETERS_MAX) {
            rhi__reader_problem(reader, "the list of Python's interpreters is damaged: %s",
                                wrong ? wrong : "it goes round in circles");
            break;
        }
        if (at != main && !add_interpreter(py, at))
            return PY_NO_MEMORY;
    }
    for (uint64_t i = 1, j = py->interpreters.count - 1; i < j; i++, j--) {
        py_interpreter other = py->interpreters.items[i];
        py->interpreters.items[i] = py->interpreters.items[j];
        py->interpreters.items[j] = other;
    }
    return PY_IS_ONE;
}

/* ---- types ---------------------------------------------------------------------------------- */

static uint32_t type_flags(const py_runtime *py, uint64_t type)
{
    return (uint32_t)word(py->memory, type + PY_TP_FLAGS);
}

/* From the dict of modules to its type, from there to `type`, and to `object`. */
static const char *find_types(py_runtime *py)
{
    uint64_t dict = word(py->memory, py->interpreters.items[0].modules + PY_OB_TYPE),
             type = word(py->memory, dict + PY_OB_TYPE),
             object = word(py->memory, type + PY_TP_BASE);
    if (!(type_flags(py, dict) & PY_FLAG_DICT))
        return "sys.modules is no dict";
    if (word(py->memory, type + PY_OB_TYPE) != type || !(type_flags(py, type) & PY_FLAG_TYPE))
        return "the type of types is not its own type";
    if (word(py->memory, dict + PY_TP_BASE) != object ||
        word(py->memory, object + PY_OB_TYPE) != type || word(py->memory, object + PY_TP_BASE) != 0)
        return "dict and type have no base in common";
    py->type_type = type;
    py->object_type = object;
    return NULL;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void name_module(py_runtime *py)
{
    if (!rhi__module_text(py->memory, py->address, py->module, sizeof py->module))
        return;
    char *offset = strrchr(py->module, '+');
    if (offset)
        *offset = '\0';
}

/* Is it Python at all? What leads back to where it came from does not do so by chance. */
static bool is_python(const py_runtime *py, uint64_t main)
{
    return leads_back(py, main) && (check_thread(py, main) == THREAD_LEADS_BACK ||
                                    lists_are_closed(py->memory, main + py->at->gc));
}

static enum py_verdict open_runtime(rhi_reader *reader, py_runtime *py, char *reason)
{
    uint64_t main = word(py->memory, py->address + py->at->interpreters_main);
    if (!is_python(py, main))
        return PY_NOT_ONE;
    name_module(py);
    const char *wrong = wrong_in_interpreter(py, main);
    if (!wrong && find_interpreters(reader, py) == PY_NO_MEMORY)
        return PY_NO_MEMORY;
    if (!wrong)
        wrong = find_types(py);
    if (!wrong)
        return PY_IS_ONE;
    snprintf(reason, PY_REASON_SIZE, "Python 3.%u in %s is not as expected: %s", py->minor,
             py->module[0] ? py->module : "the process", wrong);
    return PY_REFUSED;
}

enum py_verdict rhi__py_runtime_open(rhi_reader *reader, uint64_t address, unsigned minor,
                                     py_runtime **result, char reason[PY_REASON_SIZE])
{
    py_runtime *py = calloc(1, sizeof *py);
    if (!py)
        return PY_NO_MEMORY;
    py->reader = reader;
    py->memory = reader->memory;
    py->address = address;
    py->at = rhi__py_offsets(minor);
    py->minor = (uint8_t)minor;
    enum py_verdict verdict = py->at ? open_runtime(reader, py, reason) : PY_NOT_ONE;
    if (verdict == PY_IS_ONE)
        *result = py;
    else
        rhi__py_runtime_free(py);
    return verdict;
}

void rhi__py_runtime_free(py_runtime *py)
{
    if (!py)
        return;
    free(py->interpreters.items);
    rhi__py_types_free(py);
    rhi__py_arenas_free(py);
    free(py);
}
