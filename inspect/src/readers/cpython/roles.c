/* roles.c - what each instruction of CPython's code does with the values that it takes, by version
 * (see uses.h).
 *
 * By the names that instructions have in the module `opcode` of 3.9.18, 3.10.13, 3.11.7, 3.12.1 and
 * 3.13.0; how many values they take and leave is in opcodes.c. Invariant: an instruction that is in
 * no table has no role, and nothing is said of what becomes of a value behind it. */
#include "readers/cpython/uses.h"

/* `opcodes` end with 0. */
typedef struct role_group {
    uint8_t role;
    const uint8_t *opcodes;
} role_group;

#define OPS(...) ((const uint8_t[]){__VA_ARGS__, 0})

/* clang-format off */
/* The same in several versions. */
static const role_group groups_9_12[] = {
    {PY_LOAD_GLOBAL, OPS(116)},
    {PY_LOAD_NAME, OPS(101)},
    {PY_STORE_GLOBAL, OPS(97)},
    {PY_STORE_NAME, OPS(90)},
    {PY_DELETE_GLOBAL, OPS(98)},
    {PY_DELETE_NAME, OPS(91)},
    {PY_LOAD_ATTR, OPS(106)},
    {PY_STORE_ATTR, OPS(95)},
    {PY_DELETE_ATTR, OPS(96)},
    {PY_STORE_SUBSCR, OPS(60)},
    {PY_DELETE_SUBSCR, OPS(61)},
    {PY_BINARY_SUBSCR, OPS(25)},
    {PY_CALL_EX, OPS(142)},
    {0}};
static const role_group groups_11_12[] = {
    {PY_KEEPS, OPS(83, 125, 138, 145, 146, 147, 162, 163, 164, 165)},
    {PY_BINARY_OP, OPS(122)},
    {PY_COPY, OPS(120)},
    {PY_SWAP, OPS(99)},
    {PY_LOOPS, OPS(93, 123)},
    {PY_CALL, OPS(171)},
    {0}};
static const role_group groups_9_10[] = {
    {PY_POPS, OPS(1, 70, 111, 112, 114, 115)},
    {PY_ROT_N, OPS(99)},
    {PY_LOAD_METHOD, OPS(160)},
    {PY_INPLACE, OPS(17, 28, 29, 55, 56, 57, 59, 67, 75, 76, 77, 78, 79)},
    {PY_REPLACES, OPS(10, 11, 12, 15, 16, 19, 20, 22, 23, 24, 26, 27, 50, 62, 63, 64, 65,
     66, 68, 69, 72, 73, 82, 107, 117, 118, 155)},
    {PY_CALL, OPS(131, 141, 161)},
    {PY_LOOPS, OPS(93)},
    {PY_DUP_TOP, OPS(4)},
    {PY_ROT_FOUR, OPS(6)},
    {PY_ROT_TWO, OPS(2)},
    {PY_PUSHES, OPS(9, 30, 71, 74, 85, 87, 100, 110, 113, 124, 126, 129, 135, 136, 138,
     144, 148)},
    {PY_ROT_THREE, OPS(3)},
    {PY_KEEPS, OPS(83, 125, 137, 145, 146, 147, 162, 163, 164, 165)},
    {PY_DUP_TOP_TWO, OPS(5)},
    {PY_PACKS, OPS(86, 102, 103, 104, 105, 132, 133, 156, 157)},
    {0}};
static const role_group groups_11[] = {
    {PY_PUSHES, OPS(2, 9, 30, 71, 74, 75, 85, 100, 110, 124, 126, 135, 136, 137, 139, 144,
     148, 149, 151, 166, 172)},
    {PY_REPLACES, OPS(10, 11, 12, 15, 50, 68, 69, 82, 107, 117, 118, 131, 155)},
    {PY_PACKS, OPS(86, 102, 103, 104, 105, 132, 133, 156, 157)},
    {PY_POPS, OPS(1, 70, 111, 112, 114, 115, 128, 129, 173, 174, 175, 176)},
    {PY_LOAD_METHOD, OPS(160)},
    {0}};
static const role_group groups_12[] = {
    {PY_PUSHES, OPS(2, 9, 30, 71, 74, 75, 85, 87, 100, 110, 124, 126, 127, 135, 136, 137,
     139, 143, 144, 149, 151, 172)},
    {PY_REPLACES, OPS(5, 11, 12, 15, 26, 50, 68, 69, 107, 117, 118, 131, 155, 173, 174,
     175, 176)},
    {PY_PACKS, OPS(102, 103, 104, 105, 132, 133, 150, 156, 157)},
    {PY_POPS, OPS(1, 4, 114, 115, 128, 129)},
    {PY_STORE_SLICE, OPS(27)},
    {0}};
static const role_group groups_13[] = {
    {PY_PUSHES, OPS(20, 23, 24, 25, 30, 34, 35, 37, 62, 64, 65, 71, 79, 83, 84, 85, 86,
     87, 88, 94, 149)},
    {PY_REPLACES, OPS(4, 12, 14, 15, 16, 19, 21, 40, 41, 42, 43, 55, 56, 58, 59, 60, 73,
     76, 89, 90, 106)},
    {PY_PACKS, OPS(26, 46, 47, 48, 49, 50, 51, 52, 111, 118)},
    {PY_POPS, OPS(11, 32, 97, 98, 99, 100)},
    {PY_KEEPS, OPS(36, 68, 69, 80, 81, 95, 105, 107, 109, 110, 112)},
    {PY_LOAD_GLOBAL, OPS(91)},
    {PY_LOAD_NAME, OPS(92)},
    {PY_STORE_GLOBAL, OPS(113)},
    {PY_STORE_NAME, OPS(114)},
    {PY_DELETE_GLOBAL, OPS(66)},
    {PY_DELETE_NAME, OPS(67)},
    {PY_LOAD_ATTR, OPS(82)},
    {PY_STORE_ATTR, OPS(108)},
    {PY_DELETE_ATTR, OPS(63)},
    {PY_STORE_SUBSCR, OPS(39)},
    {PY_DELETE_SUBSCR, OPS(9)},
    {PY_BINARY_SUBSCR, OPS(5)},
    {PY_STORE_SLICE, OPS(38)},
    {PY_BINARY_OP, OPS(45)},
    {PY_CALL_EX, OPS(54)},
    {PY_COPY, OPS(61)},
    {PY_SWAP, OPS(115)},
    {PY_LOOPS, OPS(72, 104)},
    {PY_CALL, OPS(53, 57)},
    {0}};
/* clang-format on */

static const role_group *const groups[PY_VERSIONS][3] = {{groups_9_12, groups_9_10},
                                                         {groups_9_12, groups_9_10},
                                                         {groups_9_12, groups_11_12, groups_11},
                                                         {groups_9_12, groups_11_12, groups_12},
                                                         {groups_13}};

void rhi__py_roles(const py_runtime *py, uint8_t roles[256])
{
    for (unsigned i = 0; i < 256; i++)
        roles[i] = PY_NO_ROLE;
    for (unsigned i = 0; i < 3; i++)
        for (const role_group *g = groups[py_version(py)][i]; g && g->opcodes; g++)
            for (const uint8_t *opcode = g->opcodes; *opcode; opcode++)
                roles[*opcode] = g->role;
}

char rhi__py_operation(const py_runtime *py, uint8_t base, uint32_t argument)
{
    /* from 3.11 on: by the argument; before: {opcode, sign} */
    static const char signs[] = "+&\0\0@*%|\0\0-/^";
    static const struct {
        uint8_t opcode;
        char sign;
    } old[] = {{55, '+'}, {56, '-'}, {57, '*'}, {59, '%'}, {77, '&'},
               {78, '^'}, {79, '|'}, {29, '/'}, {17, '@'}};
    enum { IN_PLACE = 13 };
    if (py->minor >= 11)
        return argument >= IN_PLACE && argument < 2 * IN_PLACE ? signs[argument - IN_PLACE] : '\0';
    for (unsigned i = 0; i < sizeof old / sizeof *old; i++)
        if (old[i].opcode == base)
            return old[i].sign;
    return '\0';
}
