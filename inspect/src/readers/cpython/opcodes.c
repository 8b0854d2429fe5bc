/* opcodes.c - what each instruction of CPython's code does to the value stack, and where it goes
 * on, by version (see roots.h).
 *
 * From the modules `opcode` and `dis` of 3.9.18, 3.10.13, 3.11.7, 3.12.1 and 3.13.0, but for
 * PRECALL and CALL of 3.11, of which `dis` divides the effect otherwise than the interpreter.
 * Within a minor version they do not change: files of compiled code hold them. Invariant: an
 * instruction that is in no table is not known, and nothing is said of code that has one. */
#include "readers/cpython/roots.h"

/* Instructions that have all of this in common: where they go on, how their argument counts in
 * what they leave on the stack, that number without the argument, the same where they jump, and
 * how many units of inline caches follow. `opcodes` end with 0. */
typedef struct group {
    uint8_t flow, counts;
    int8_t effect, jump_effect;
    uint8_t caches;
    const uint8_t *opcodes;
} group;
/* Instructions into which the interpreter turns another one: made for the types that it met, or
 * for tools that watch. They do the same. */
typedef struct variant {
    uint8_t opcode;
    const uint8_t *opcodes;
} variant;

#define OPS(...) ((const uint8_t[]){__VA_ARGS__, 0})
enum {
    NEXT = PY_GOES_ON,
    STOP = PY_ENDS,
    FORWARD = PY_FORWARD,
    BACKWARD = PY_BACKWARD,
    ABSOLUTE = PY_ABSOLUTE,
    MAYBE_FORWARD = PY_MAYBE | PY_FORWARD,
    MAYBE_ABSOLUTE = PY_MAYBE | PY_ABSOLUTE,
    MAYBE_BACKWARD = PY_MAYBE | PY_BACKWARD
};
enum counts {
    FIXED,
    MINUS_ARG,
    MINUS_TWICE,
    PLUS_ARG,
    PLUS_LOW_BIT,
    MINUS_BIT_2,
    MINUS_BITS, /* that are set among the four lowest */
    PLUS_BOTH   /* the lowest byte, and what is above it */
};

/* clang-format off */
static const group groups_9_10[] = {
    {NEXT, FIXED, -7, 0, 0, OPS(54)},
    {NEXT, FIXED, -3, 0, 0, OPS(60, 89)},
    {NEXT, FIXED, -2, 0, 0, OPS(61, 95, 147)},
    {NEXT, FIXED, -1, 0, 0, OPS(1, 16, 17, 19, 20, 22, 23, 24, 25, 26, 27, 28, 29, 55, 56, 57,
     59, 62, 63, 64, 65, 66, 67, 70, 72, 75, 76, 77, 78, 79, 84, 90, 96, 97, 107, 108, 117,
     118, 125, 137, 145, 146, 162, 163, 164, 165)},
    {NEXT, FIXED, 0, 0, 0, OPS(2, 3, 6, 9, 10, 11, 12, 15, 50, 68, 69, 73, 82, 85, 86, 87, 91,
     98, 106, 126, 138)},
    {NEXT, FIXED, 1, 0, 0, OPS(4, 49, 51, 52, 71, 74, 100, 101, 109, 116, 124, 135, 136, 148,
     160)},
    {NEXT, FIXED, 2, 0, 0, OPS(5)},
    {NEXT, MINUS_ARG, -1, 0, 0, OPS(141, 142, 161)},
    {NEXT, MINUS_ARG, 0, 0, 0, OPS(131, 156)},
    {NEXT, MINUS_ARG, 1, 0, 0, OPS(102, 103, 104, 133, 157)},
    {NEXT, MINUS_BITS, -1, 0, 0, OPS(132)},
    {NEXT, MINUS_BIT_2, 0, 0, 0, OPS(155)},
    {NEXT, MINUS_TWICE, 1, 0, 0, OPS(105)},
    {NEXT, PLUS_ARG, -1, 0, 0, OPS(92)},
    {NEXT, PLUS_BOTH, 0, 0, 0, OPS(94)},
    {ABSOLUTE, FIXED, 0, 0, 0, OPS(113)},
    {FORWARD, FIXED, 0, 0, 0, OPS(110)},
    {MAYBE_ABSOLUTE, FIXED, -2, -2, 0, OPS(121)},
    {MAYBE_ABSOLUTE, FIXED, -1, -1, 0, OPS(114, 115)},
    {MAYBE_ABSOLUTE, FIXED, -1, 0, 0, OPS(111, 112)},
    {MAYBE_FORWARD, FIXED, 0, 5, 0, OPS(154)},
    {MAYBE_FORWARD, FIXED, 0, 6, 0, OPS(122)},
    {MAYBE_FORWARD, FIXED, 1, -1, 0, OPS(93)},
    {MAYBE_FORWARD, FIXED, 1, 6, 0, OPS(143)},
    {STOP, FIXED, 0, 0, 0, OPS(83, 130)},
    {0}};
static const group only_9[] = {
    {STOP, FIXED, 0, 0, 0, OPS(48)},
    {0}};
static const group only_10[] = {
    {NEXT, FIXED, -1, 0, 0, OPS(129, 152)},
    {NEXT, FIXED, 0, 0, 0, OPS(34, 99)},
    {NEXT, FIXED, 1, 0, 0, OPS(30, 31, 32)},
    {NEXT, FIXED, 2, 0, 0, OPS(33)},
    {STOP, FIXED, 0, 0, 0, OPS(119)},
    {0}};
static const group groups_11[] = {
    {NEXT, FIXED, -3, 0, 1, OPS(60)},
    {NEXT, FIXED, -2, 0, 0, OPS(54, 61, 147, 152)},
    {NEXT, FIXED, -2, 0, 4, OPS(95)},
    {NEXT, FIXED, -1, 0, 0, OPS(1, 70, 84, 88, 89, 90, 96, 97, 108, 117, 118, 125, 138, 145,
     146, 162, 163, 164, 165)},
    {NEXT, FIXED, -1, 0, 1, OPS(122)},
    {NEXT, FIXED, -1, 0, 2, OPS(107)},
    {NEXT, FIXED, -1, 0, 4, OPS(25)},
    {NEXT, FIXED, 0, 0, 0, OPS(9, 10, 11, 12, 15, 36, 37, 50, 68, 69, 75, 82, 85, 86, 87, 91,
     98, 99, 126, 131, 135, 139, 149, 151, 172)},
    {NEXT, FIXED, 0, 0, 4, OPS(106)},
    {NEXT, FIXED, 1, 0, 0, OPS(2, 30, 31, 32, 33, 35, 49, 51, 52, 53, 71, 74, 100, 101, 109,
     120, 124, 136, 137, 148)},
    {NEXT, FIXED, 1, 0, 10, OPS(160)},
    {NEXT, MINUS_ARG, -2, 0, 0, OPS(142)},
    {NEXT, MINUS_ARG, 0, 0, 0, OPS(156)},
    {NEXT, FIXED, 0, 0, 1, OPS(166)}, /* its arguments are taken by the next one */
    {NEXT, MINUS_ARG, -1, 0, 4, OPS(171)},
    {NEXT, MINUS_ARG, 1, 0, 0, OPS(102, 103, 104, 133, 157)},
    {NEXT, MINUS_BITS, 0, 0, 0, OPS(132)},
    {NEXT, MINUS_BIT_2, 0, 0, 0, OPS(155)},
    {NEXT, MINUS_TWICE, 1, 0, 0, OPS(105)},
    {NEXT, PLUS_ARG, -1, 0, 1, OPS(92)},
    {NEXT, PLUS_BOTH, 0, 0, 0, OPS(94)},
    {NEXT, PLUS_LOW_BIT, 1, 0, 5, OPS(116)},
    {BACKWARD, FIXED, 0, 0, 0, OPS(134, 140)},
    {FORWARD, FIXED, 0, 0, 0, OPS(110)},
    {MAYBE_BACKWARD, FIXED, -1, -1, 0, OPS(173, 174, 175, 176)},
    {MAYBE_FORWARD, FIXED, -1, -1, 0, OPS(114, 115, 128, 129)},
    {MAYBE_FORWARD, FIXED, -1, 0, 0, OPS(111, 112)},
    {MAYBE_FORWARD, FIXED, 0, -1, 0, OPS(123)},
    {MAYBE_FORWARD, FIXED, 1, -1, 0, OPS(93)},
    {STOP, FIXED, 0, 0, 0, OPS(83, 119, 130)},
    {0}};
static const variant variants_11[] = {
    {25,OPS(17,18,19,20,21)}, {60,OPS(168,169,170)}, {92,OPS(177,178,179,180)},
    {95,OPS(153,154,158,159)}, {100,OPS(44)}, {106,OPS(39,40,41,42,43)},
    {107,OPS(26,27,28,29)}, {116,OPS(47,48,55)}, {122,OPS(3,4,5,6,7,8,13,14,16)},
    {124,OPS(45,46)}, {125,OPS(161,167)}, {140,OPS(38)}, {144,OPS(34)}, {151,OPS(150)},
    {160,OPS(56,57,58,59,62,63)},
    {166,OPS(64,65,66,67,72,73,76,77,78,79,80,81,113,121,127,141,143)}, {171,OPS(22,23,24)},
    {0}};
static const group groups_12[] = {
    {NEXT, FIXED, -4, 0, 0, OPS(27)},
    {NEXT, FIXED, -3, 0, 1, OPS(60)},
    {NEXT, FIXED, -2, 0, 0, OPS(4, 26, 54, 61, 147, 152)},
    {NEXT, FIXED, -2, 0, 4, OPS(95)},
    {NEXT, FIXED, -1, 0, 0, OPS(1, 5, 55, 89, 90, 96, 97, 108, 117, 118, 125, 138, 145, 146,
     162, 163, 164, 165, 174)},
    {NEXT, FIXED, -1, 0, 1, OPS(25, 107, 122)},
    {NEXT, FIXED, 0, 0, 0, OPS(9, 11, 12, 15, 36, 37, 50, 68, 69, 75, 85, 91, 98, 99, 126,
     131, 135, 139, 149, 150, 151, 172, 173, 175, 176)},
    {NEXT, FIXED, 1, 0, 0, OPS(2, 30, 31, 32, 33, 35, 49, 51, 52, 53, 71, 74, 87, 100, 101,
     109, 120, 124, 127, 136, 137, 143)},
    {NEXT, MINUS_ARG, -2, 0, 0, OPS(142)},
    {NEXT, MINUS_ARG, -1, 0, 3, OPS(171)},
    {NEXT, MINUS_ARG, 0, 0, 0, OPS(156)},
    {NEXT, MINUS_ARG, 1, 0, 0, OPS(102, 103, 104, 133, 157)},
    {NEXT, MINUS_BITS, 0, 0, 0, OPS(132)},
    {NEXT, MINUS_BIT_2, 0, 0, 0, OPS(155)},
    {NEXT, MINUS_TWICE, 1, 0, 0, OPS(105)},
    {NEXT, PLUS_ARG, -1, 0, 1, OPS(92)},
    {NEXT, PLUS_BOTH, 0, 0, 0, OPS(94)},
    {NEXT, PLUS_LOW_BIT, -2, 0, 1, OPS(141)},
    {NEXT, PLUS_LOW_BIT, 0, 0, 9, OPS(106)},
    {NEXT, PLUS_LOW_BIT, 1, 0, 4, OPS(116)},
    {BACKWARD, FIXED, 0, 0, 0, OPS(134, 140)},
    {FORWARD, FIXED, 0, 0, 0, OPS(110)},
    {MAYBE_FORWARD, FIXED, -1, -1, 0, OPS(114, 115, 128, 129)},
    {MAYBE_FORWARD, FIXED, 0, 0, 1, OPS(123)},
    {MAYBE_FORWARD, FIXED, 1, 1, 1, OPS(93)},
    {STOP, FIXED, 0, 0, 0, OPS(3, 83, 119, 121, 130)},
    {0}};
static const variant variants_12[] = {
    {4,OPS(251)}, {5,OPS(252)}, {25,OPS(19,20,21,22)}, {60,OPS(159,160)}, {83,OPS(242)},
    {92,OPS(161,166,167)}, {93,OPS(62,63,64,65,248)}, {95,OPS(113,148,153)}, {100,OPS(84)},
    {106,OPS(70,72,73,76,77,78,79,80,81,82)}, {107,OPS(57,58,59)}, {110,OPS(245)},
    {114,OPS(249)}, {115,OPS(250)}, {116,OPS(111,112)}, {121,OPS(247)},
    {122,OPS(6,7,8,10,13,14,16,18)}, {123,OPS(168)}, {124,OPS(86,88)}, {125,OPS(154,158)},
    {128,OPS(239)}, {129,OPS(238)}, {140,OPS(246)}, {141,OPS(66,67,237)}, {142,OPS(244)},
    {150,OPS(243)}, {151,OPS(240)},
    {171,OPS(23,24,28,29,34,38,39,40,41,42,43,44,45,46,47,48,56,241)},
    {0}};
static const group groups_13[] = {
    {NEXT, FIXED, -4, 0, 0, OPS(38)},
    {NEXT, FIXED, -3, 0, 1, OPS(39)},
    {NEXT, FIXED, -2, 0, 0, OPS(4, 9, 10, 95, 96, 112)},
    {NEXT, FIXED, -2, 0, 4, OPS(108)},
    {NEXT, FIXED, -1, 0, 0, OPS(8, 11, 12, 13, 15, 31, 32, 56, 63, 68, 69, 75, 76, 80, 81,
     105, 106, 107, 109, 110, 113, 114)},
    {NEXT, FIXED, -1, 0, 1, OPS(5, 45, 58, 59)},
    {NEXT, FIXED, 0, 0, 0, OPS(6, 7, 14, 16, 19, 21, 26, 30, 37, 41, 42, 43, 55, 60, 62, 64,
     65, 66, 67, 73, 89, 90, 94, 111, 115, 118, 149)},
    {NEXT, FIXED, 0, 0, 3, OPS(40)},
    {NEXT, FIXED, 1, 0, 0, OPS(1, 2, 18, 20, 23, 24, 25, 27, 28, 29, 33, 34, 35, 44, 61, 74,
     83, 84, 85, 86, 87, 92)},
    {NEXT, FIXED, 2, 0, 0, OPS(88)},
    {NEXT, MINUS_ARG, -2, 0, 0, OPS(54, 57)},
    {NEXT, MINUS_ARG, -1, 0, 3, OPS(53)},
    {NEXT, MINUS_ARG, 0, 0, 0, OPS(46)},
    {NEXT, MINUS_ARG, 1, 0, 0, OPS(47, 49, 50, 51, 52)},
    {NEXT, MINUS_TWICE, 1, 0, 0, OPS(48)},
    {NEXT, PLUS_ARG, -1, 0, 1, OPS(117)},
    {NEXT, PLUS_BOTH, 0, 0, 0, OPS(116)},
    {NEXT, PLUS_LOW_BIT, -2, 0, 1, OPS(93)},
    {NEXT, PLUS_LOW_BIT, 0, 0, 9, OPS(82)},
    {NEXT, PLUS_LOW_BIT, 1, 0, 4, OPS(91)},
    {BACKWARD, FIXED, 0, 0, 0, OPS(78)},
    {BACKWARD, FIXED, 0, 0, 1, OPS(77)},
    {FORWARD, FIXED, 0, 0, 0, OPS(79)},
    {MAYBE_FORWARD, FIXED, -1, -1, 1, OPS(97, 98, 99, 100)},
    {MAYBE_FORWARD, FIXED, 0, 0, 1, OPS(104)},
    {MAYBE_FORWARD, FIXED, 1, 1, 1, OPS(72)},
    {STOP, FIXED, 0, 0, 0, OPS(22, 36, 101, 102, 103)},
    {0}};
static const variant variants_13[] = {
    {5,OPS(157,158,159,160,161)}, {11,OPS(237)}, {12,OPS(238)}, {36,OPS(239)},
    {39,OPS(212,213)}, {40,OPS(214,215,216,217,218,219)},
    {45,OPS(3,150,151,152,153,154,155,156)},
    {53,OPS(162,163,164,165,166,167,168,169,170,171,172,173,174,175,176,177,178,179,180,181,244)},
    {54,OPS(246)}, {57,OPS(245)}, {58,OPS(182,183,184)}, {59,OPS(185,186)},
    {72,OPS(187,188,189,190,243)}, {77,OPS(249)}, {79,OPS(248)},
    {82,OPS(191,192,193,194,195,196,197,198,199,200,201,202)}, {91,OPS(203,204)},
    {93,OPS(205,206,242)}, {97,OPS(251)}, {98,OPS(252)}, {99,OPS(253)}, {100,OPS(250)},
    {103,OPS(240)}, {104,OPS(208)}, {108,OPS(209,210,211)}, {117,OPS(220,221,222)},
    {118,OPS(241)}, {149,OPS(207,236)},
    {0}};
/* clang-format on */

/* Two tables of each version: 3.9 and 3.10 have most in common. */
static const group *const groups[PY_VERSIONS][2] = {
    {groups_9_10, only_9}, {groups_9_10, only_10}, {groups_11}, {groups_12}, {groups_13}};
static const variant *const variants[PY_VERSIONS] = {NULL, NULL, variants_11, variants_12,
                                                     variants_13};

/* Calls, and how far below the arguments is what they call. */
static const struct {
    uint8_t opcode, callee;
} calls[PY_VERSIONS][3] = {{{131, 1}, {141, 2}, {161, 2}},
                           {{131, 1}, {141, 2}, {161, 2}},
                           {{171, 2}},
                           {{171, 2}},
                           {{53, 2}, {57, 3}}};

static void add_groups(const group *g, py_opcode table[256])
{
    for (; g && g->opcodes; g++)
        for (const uint8_t *opcode = g->opcodes; *opcode; opcode++)
            table[*opcode] =
                (py_opcode){g->flow, g->counts, g->caches, g->effect, g->jump_effect, 0, *opcode};
}

void rhi__py_opcodes(const py_runtime *py, py_opcode table[256])
{
    for (unsigned i = 0; i < 256; i++)
        table[i] = (py_opcode){.flow = PY_UNKNOWN};
    add_groups(groups[py_version(py)][0], table);
    add_groups(groups[py_version(py)][1], table);
    unsigned extends = py->minor == 13 ? 71 : 144;
    table[extends].flow = PY_EXTENDS;
    table[extends].base = (uint8_t)extends;
    for (unsigned i = 0; i < 3; i++)
        table[calls[py_version(py)][i].opcode].callee = calls[py_version(py)][i].callee;
    for (const variant *v = variants[py_version(py)]; v && v->opcodes; v++)
        for (const uint8_t *opcode = v->opcodes; *opcode; opcode++)
            table[*opcode] = table[v->opcode];
}

int64_t rhi__py_taken(const py_opcode *opcode, uint32_t argument)
{
    enum { MOST = 4 /* where the argument is no number of values */ };
    int64_t arg = argument;
    if (opcode->callee)
        return arg + opcode->callee;
    return MOST + (opcode->counts == MINUS_ARG ? arg : opcode->counts == MINUS_TWICE ? 2 * arg : 0);
}

int64_t rhi__py_effect(const py_opcode *opcode, uint32_t argument, bool jumps)
{
    int64_t effect = jumps ? opcode->jump_effect : opcode->effect, arg = argument;
    switch ((enum counts)opcode->counts) {
    case FIXED:
        break;
    case MINUS_ARG:
        return effect - arg;
    case MINUS_TWICE:
        return effect - 2 * arg;
    case PLUS_ARG:
        return effect + arg;
    case PLUS_LOW_BIT:
        return effect + (arg & 1);
    case MINUS_BIT_2:
        return effect - (arg >> 2 & 1);
    case MINUS_BITS:
        return effect - __builtin_popcount(argument & 15);
    case PLUS_BOTH:
        return effect + (arg & 255) + (arg >> 8);
    }
    return effect;
}

bool rhi__py_unpacks(const py_opcode *opcode)
{
    return opcode->counts == PLUS_ARG || opcode->counts == PLUS_BOTH;
}
