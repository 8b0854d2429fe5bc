/* lines.c - which line an instruction of a code object is of (see roots.h, python.h).
 *
 * Each version has a table of its own kind, in a `bytes` object: pairs of steps in code and lines
 * (3.9), of ranges and lines (3.10), or entries of varying length (from 3.11 on). */
#include "readers/cpython/roots.h"

#include <string.h>

enum {
    BYTES_DATA = 32,
    TABLE_MAX = 1 << 20,
    UNIT = 2 /* bytes of an instruction, or of a word of an inline cache */
};

const py_code_parts *rhi__py_code_parts(const py_runtime *py)
{
    /* of 3.9 and 3.10; 3.11; 3.12 and 3.13 */
    static const py_code_parts parts[] = {{.first_line = 40,
                                           .line_table = 120,
                                           .filename = 104,
                                           .name = 112,
                                           .qualified_name = 112,
                                           .stack_size = 32,
                                           .local_count = 28,
                                           .local_names = 72,
                                           .cellvars = 88,
                                           .freevars = 80},
                                          {.first_line = 72,
                                           .line_table = 136,
                                           .filename = 112,
                                           .name = 120,
                                           .qualified_name = 128,
                                           .stack_size = 68,
                                           .local_count = 76,
                                           .local_names = 96,
                                           .local_kinds = 104},
                                          {.first_line = 68,
                                           .line_table = 136,
                                           .filename = 112,
                                           .name = 120,
                                           .qualified_name = 128,
                                           .stack_size = 64,
                                           .local_count = 72,
                                           .local_names = 96,
                                           .local_kinds = 104}};
    return &parts[py->minor <= 10 ? 0 : py->minor == 11 ? 1 : 2];
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

void rhi__py_code_call(py_runtime *py, uint64_t code, char *text, size_t size)
{
    char name[RHI_NAME_SIZE];
    uint64_t at;
    bool has_name = rhi__py_u64(py, code + rhi__py_code_parts(py)->name, &at) &&
                    rhi__py_text(py, at, name, sizeof name);
    rhi__text(text, size, !has_name ? "?()" : name[0] == '<' ? "%s" : "%s()", name);
}

void rhi__py_code_file(py_runtime *py, uint64_t code, char *text, size_t size)
{
    char path[4096];
    uint64_t at;
    bool has_name = rhi__py_u64(py, code + rhi__py_code_parts(py)->filename, &at) &&
                    rhi__py_text(py, at, path, sizeof path);
    rhi__text(text, size, "%s", has_name ? last_part(path) : "?");
}

bool rhi__py_is_cell(py_runtime *py, uint64_t kinds, uint64_t slot)
{
    enum { CELL = 0x40, FREE = 0x80 };
    uint8_t kind;
    return kinds && rhi__py_read(py, kinds + BYTES_DATA + slot, &kind, 1) == 1 &&
           kind & (CELL | FREE);
}

/* 3.9: a step in bytes of code, a signed one in lines; `at` is the byte. */
static int64_t line_by_steps(const uint8_t *table, uint64_t size, int64_t at, int64_t line)
{
    int64_t code = 0;
    for (uint64_t i = 0; i + 2 <= size; i += 2) {
        code += table[i];
        if (code > at)
            break;
        line += (int8_t)table[i + 1];
    }
    return line;
}

/* 3.10: so many bytes of code are of that line; -128: of none. */
static int64_t line_by_ranges(const uint8_t *table, uint64_t size, int64_t at, int64_t line)
{
    enum { NO_LINE = -128 };
    int64_t end = 0;
    for (uint64_t i = 0; i + 2 <= size; i += 2) {
        int8_t step = (int8_t)table[i + 1];
        end += table[i];
        line += step == NO_LINE ? 0 : step;
        if (at < end)
            return step == NO_LINE ? 0 : line;
    }
    return 0;
}

/* Six bits in each byte, the low ones first; bit 0 is the sign. */
static int64_t signed_number(const uint8_t *bytes, uint64_t size)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (uint64_t i = 0; i < size && shift < 36; i++, shift += 6) {
        value |= (uint64_t)(bytes[i] & 63) << shift;
        if (!(bytes[i] & 64))
            break;
    }
    return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

/* 3.11 and later: bit 7 begins an entry, which has a kind and so many units of code; what follows
 * in it begins with the step in lines, if it has one, and else says columns. */
static int64_t line_by_entries(const uint8_t *table, uint64_t size, int64_t unit, int64_t line)
{
    enum { NO_COLUMNS = 13, LONG = 14, NONE = 15, ONE_LINE = 10 };
    int64_t end = 0;
    for (uint64_t i = 0; i < size;) {
        unsigned kind = table[i] >> 3 & 15;
        end += (table[i] & 7) + 1;
        i++;
        if (kind == NO_COLUMNS || kind == LONG)
            line += signed_number(table + i, size - i);
        else if (kind >= ONE_LINE && kind < NO_COLUMNS)
            line += kind - ONE_LINE;
        if (unit < end)
            return kind == NONE ? 0 : line;
        while (i < size && !(table[i] & 128))
            i++;
    }
    return 0;
}

unsigned rhi__py_line(py_runtime *py, uint64_t code, uint64_t instruction)
{
    const py_code_parts *parts = rhi__py_code_parts(py);
    rhi_scratch scratch = {0};
    uint64_t table, size, got = 0, begin = code + py->at->code_bytes;
    uint8_t first[4];
    int64_t line = 0;
    if (rhi__memory_read(py->memory, code + parts->first_line, first, 4) != 4)
        return 0;
    int64_t first_line = (int32_t)rhi__load32(first);
    bool is_begun = py->minor <= 10 ? (int32_t)instruction >= 0 : instruction >= begin;
    if (!is_begun) /* in front of the first one */
        return first_line > 0 ? (unsigned)first_line : 0;
    if (!rhi__memory_u64(py->memory, code + parts->line_table, &table) ||
        !rhi__memory_u64(py->memory, table + PY_OB_SIZE, &size))
        return 0;
    size = size < TABLE_MAX ? size : TABLE_MAX;
    if (size == 0) /* of 3.9: all of it is of one line */
        return py->minor == 9 && first_line > 0 ? (unsigned)first_line : 0;
    const uint8_t *bytes = rhi__memory_view(py->memory, table + BYTES_DATA, size, &scratch, &got);
    int64_t number = (int32_t)instruction;
    if (bytes && py->minor == 9)
        line = line_by_steps(bytes, got, number, first_line);
    else if (bytes && py->minor == 10)
        line = line_by_ranges(bytes, got, number * UNIT, first_line);
    else if (bytes && instruction - begin < INT32_MAX)
        line = line_by_entries(bytes, got, (int64_t)(instruction - begin) / UNIT, first_line);
    rhi__scratch_free(&scratch);
    return line > 0 && line < INT32_MAX ? (unsigned)line : 0;
}

unsigned rhi__py_line_of(py_runtime *py, uint64_t frame, uint64_t code)
{
    uint64_t instruction;
    if (!rhi__py_u64(py, frame + py->at->frame_instruction, &instruction))
        return 0;
    return rhi__py_line(py, code, py->minor < 11 ? (uint32_t)instruction : instruction);
}
