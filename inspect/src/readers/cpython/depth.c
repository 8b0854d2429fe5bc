/* depth.c - how many values are on the stack of a frame before an instruction (see roots.h).
 *
 * A frame that runs does not say it, and the evaluator has it in a register. But code is made so
 * that the depth in one place is the same on each way there: so it is worked out from the start of
 * the code, and from where it goes on after exceptions.
 * Invariant: each place is visited once. */
#include "readers/cpython/roots.h"

#include <stdlib.h>
#include <string.h>

enum {
    UNITS_MAX = 1 << 20,
    BYTES_DATA = 32,
    CODE_BYTES = 48, /* of a code object: the bytes object, before 3.11 */
    EXCEPTIONS = 40, /* the table, from 3.11 on */
    FLAGS = 48,
    OLD_FLAGS = 36,
    IS_GENERATOR = 0x20 | 0x80 | 0x200 /* coroutines, too */
};

typedef struct walk {
    const py_opcode *opcodes;
    const uint8_t *code;
    uint64_t units, wanted;
    uint32_t *work; /* places whose depth is known, and that are to be visited */
    uint64_t work_count;
    int32_t *depths; /* -1: not visited */
    py_depth found;
} walk;

static py_depth depth_before(const py_opcode *opcode, int64_t depth, uint32_t argument)
{
    int64_t steady = depth - rhi__py_taken(opcode, argument),
            effect = rhi__py_effect(opcode, argument, false),
            jumped = rhi__py_effect(opcode, argument, true);
    effect = effect > jumped ? effect : jumped;
    return (py_depth){.values = depth,
                      .steady = steady > 0 ? steady : 0,
                      .pushed = effect > 0 ? effect + 1 : 0,
                      .unpacked = effect > 0 && rhi__py_unpacks(opcode) ? effect : 0};
}

static void reach(walk *w, uint64_t unit, int64_t depth)
{
    if (unit >= w->units || depth < 0 || depth > INT16_MAX || w->depths[unit] >= 0)
        return;
    w->depths[unit] = (int32_t)depth;
    w->work[w->work_count++] = (uint32_t)unit;
}

/* From one place to those that follow it. Up to 3.10 a frame stands at what extends the argument of
 * its instruction, if anything does, later at the instruction. */
static void visit(const py_runtime *py, walk *w, uint64_t unit)
{
    int64_t depth = w->depths[unit];
    uint64_t first = unit;
    uint32_t argument = w->code[2 * unit + 1];
    const py_opcode *opcode = &w->opcodes[w->code[2 * unit]];
    for (; opcode->flow == PY_EXTENDS && unit + 1 < w->units; unit++) {
        opcode = &w->opcodes[w->code[2 * unit + 2]];
        argument = argument << 8 | w->code[2 * unit + 3];
        w->depths[unit + 1] = (int32_t)depth;
    }
    if (w->wanted >= first && w->wanted <= unit)
        w->found = depth_before(opcode, depth, argument);
    if (opcode->flow == PY_UNKNOWN || opcode->flow == PY_EXTENDS || opcode->flow == PY_ENDS)
        return;
    uint64_t next = unit + 1 + opcode->caches, distance = py->minor == 9 ? argument / 2 : argument;
    int64_t jumped = depth + rhi__py_effect(opcode, argument, true);
    if (opcode->flow == PY_GOES_ON || opcode->flow & PY_MAYBE)
        reach(w, next, depth + rhi__py_effect(opcode, argument, false));
    if (opcode->flow & PY_FORWARD)
        reach(w, next + distance, jumped);
    else if (opcode->flow & PY_BACKWARD && distance <= next)
        reach(w, next - distance, jumped);
    else if (opcode->flow & PY_ABSOLUTE)
        reach(w, distance, jumped);
}

/* Six bits in each byte, the high ones first. False: the table ends there. */
static bool next_number(const uint8_t *table, uint64_t size, uint64_t *at, uint64_t *number)
{
    *number = 0;
    for (unsigned i = 0; i < 5 && *at < size; i++) {
        uint8_t byte = table[(*at)++];
        *number = *number << 6 | (byte & 63);
        if (!(byte & 64))
            return true;
    }
    return false;
}

/* Where code goes on after exceptions: {start, length, target, depth * 2 + whether the place of
 * the exception is pushed} each; the exception itself is on top. */
static void reach_handlers(walk *w, const uint8_t *table, uint64_t size)
{
    uint64_t start, length, target, depth;
    for (uint64_t at = 0;
         next_number(table, size, &at, &start) && next_number(table, size, &at, &length) &&
         next_number(table, size, &at, &target) && next_number(table, size, &at, &depth);)
        reach(w, target, (int64_t)(depth >> 1) + 1 + (int64_t)(depth & 1));
}

/* The content of a bytes object; NULL: it cannot be read in full. */
static const uint8_t *read_bytes(py_runtime *py, uint64_t object, rhi_scratch *scratch,
                                 uint64_t *size)
{
    uint64_t got;
    if (!rhi__memory_u64(py->memory, object + PY_OB_SIZE, size) || *size > 2 * UNITS_MAX)
        return NULL;
    const uint8_t *bytes = rhi__memory_view(py->memory, object + BYTES_DATA, *size, scratch, &got);
    return bytes && got == *size ? bytes : NULL;
}

const uint8_t *rhi__py_instructions(py_runtime *py, uint64_t code, rhi_scratch *scratch,
                                    uint64_t *size)
{
    uint64_t got, object;
    if (py->minor <= 10)
        return rhi__memory_u64(py->memory, code + CODE_BYTES, &object)
                   ? read_bytes(py, object, scratch, size)
                   : NULL;
    if (!rhi__memory_u64(py->memory, code + PY_OB_SIZE, size) || *size > UNITS_MAX)
        return NULL;
    *size *= 2;
    const uint8_t *bytes =
        rhi__memory_view(py->memory, code + py->at->code_bytes, *size, scratch, &got);
    return bytes && got == *size ? bytes : NULL;
}

static void run(py_runtime *py, walk *w, uint64_t code)
{
    rhi_scratch scratch = {0};
    uint64_t table, size;
    uint8_t flags[4];
    /* a generator is begun with None on its stack, which its code takes from there */
    bool is_given =
        py->minor >= 10 && py->minor <= 12 &&
        rhi__memory_read(py->memory, code + (py->minor == 10 ? OLD_FLAGS : FLAGS), flags, 4) == 4 &&
        rhi__load32(flags) & IS_GENERATOR;
    reach(w, 0, is_given);
    if (py->minor >= 11 && rhi__memory_u64(py->memory, code + EXCEPTIONS, &table)) {
        const uint8_t *bytes = read_bytes(py, table, &scratch, &size);
        if (bytes)
            reach_handlers(w, bytes, size);
    }
    while (w->work_count && w->found.values < 0)
        visit(py, w, w->work[--w->work_count]);
    rhi__scratch_free(&scratch);
}

py_depth rhi__py_depth(py_runtime *py, const py_opcode opcodes[256], uint64_t code,
                       uint64_t instruction)
{
    rhi_scratch scratch = {0};
    py_depth found = {.values = -1};
    uint64_t size = 0;
    int64_t at = py->minor >= 11   ? (int64_t)(instruction - code - py->at->code_bytes) / 2
                 : py->minor == 10 ? (int32_t)instruction
                                   : (int32_t)instruction / 2;
    const uint8_t *bytes = rhi__py_instructions(py, code, &scratch, &size);
    if (bytes && at < 0) /* it has not begun */
        found.values = 0;
    else if (bytes && (uint64_t)at < size / 2) {
        walk w = {.opcodes = opcodes,
                  .code = bytes,
                  .units = size / 2,
                  .wanted = (uint64_t)at,
                  .work = malloc(size / 2 * sizeof *w.work),
                  .depths = malloc(size / 2 * sizeof *w.depths),
                  .found = found};
        if (w.work && w.depths) {
            memset(w.depths, 0xff, w.units * sizeof *w.depths);
            run(py, &w, code);
            found = w.found;
        }
        free(w.work);
        free(w.depths);
    }
    rhi__scratch_free(&scratch);
    return found;
}
