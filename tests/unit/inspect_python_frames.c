/* inspect_python_frames.c - lines of code objects, and the roots of interpreters, threads and
 * frames, in structures of each version that are made up in fake memory. */
#include "fake_target.h"
#include "readers/cpython/python.h"
#include "target/open.h"
#include "unit_main.h"

#include <stdio.h>
#include <string.h>

/* ---- lines ---------------------------------------------------------------------------------- */

/* A function as five versions of CPython compiled it (its line 1 is that of `def`):
 *
 *     def f(xs):
 *         total = 0
 *         for x in (
 *             xs
 *         ):
 *             if x:
 *                 total += (
 *                     x
 *                     * g(2)
 *                 )
 *                                    (300 empty lines)
 *         try:
 *             g()
 *         except ValueError as e:
 *             raise
 *         finally:
 *             with total:
 *                 total = [y for y in xs]
 *         return total
 *
 * Its table of lines, and what co_lines() (in 3.9: findlinestarts()) says of each byte of code; 0:
 * it is of no line. */
struct piece {
    unsigned start, end, line;
};
/* clang-format off */
static const uint8_t table_9[] = {
    0, 1, 4, 2, 2, 255, 6, 3, 4, 1, 2, 1, 2, 1, 6, 255, 2, 255, 6, 127, 0, 127, 0, 50, 4, 1,
    10, 1, 14, 1, 26, 2, 6, 1, 46, 255, 6, 1, 46, 1};
static const struct piece lines_9[] = {
    {0,4,2}, {4,6,4}, {6,12,3}, {12,16,6}, {16,18,7}, {18,20,8}, {20,26,9}, {26,28,8},
    {28,34,7}, {34,38,311}, {38,48,312}, {48,62,313}, {62,88,314}, {88,94,316},
    {94,140,317}, {140,146,316}, {146,192,317}, {192,196,318}};
static const uint8_t table_10[] = {
    4, 1, 2, 2, 6, 255, 4, 3, 2, 1, 2, 1, 6, 1, 2, 255, 4, 255, 2, 128, 0, 127, 0, 127, 4,
    50, 10, 1, 14, 1, 2, 1, 8, 128, 2, 255, 2, 255, 6, 4, 16, 1, 10, 255, 4, 2, 16, 254, 4,
    2, 6, 254, 16, 1, 30, 255};
static const struct piece lines_10[] = {
    {0,4,2}, {4,6,4}, {6,12,3}, {12,16,6}, {16,18,7}, {18,20,8}, {20,26,9}, {26,28,8},
    {28,32,7}, {32,34,0}, {34,38,311}, {38,48,312}, {48,62,313}, {62,64,314}, {64,72,0},
    {72,74,313}, {74,76,312}, {76,82,316}, {82,98,317}, {98,108,316}, {108,112,318},
    {112,128,316}, {128,132,318}, {132,138,316}, {138,154,317}, {154,184,316}};
static const uint8_t table_11[] = {
    128, 0, 216, 12, 13, 128, 69, 224, 8, 10, 240, 3, 7, 5, 14, 240, 0, 7, 5, 14, 136, 1,
    240, 6, 0, 12, 13, 240, 0, 4, 9, 14, 216, 12, 17, 216, 16, 17, 221, 18, 19, 144, 65,
    145, 36, 148, 36, 241, 3, 1, 17, 23, 241, 3, 3, 13, 14, 136, 69, 248, 240, 96, 9, 6, 5,
    36, 221, 8, 9, 137, 3, 140, 3, 136, 3, 136, 3, 248, 221, 11, 21, 240, 0, 1, 5, 14, 240,
    0, 1, 5, 14, 240, 0, 1, 5, 14, 216, 8, 13, 248, 248, 248, 248, 240, 3, 1, 5, 14, 248,
    248, 248, 240, 3, 0, 9, 12, 240, 8, 0, 14, 19, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 216,
    20, 35, 144, 79, 160, 2, 144, 79, 145, 79, 148, 79, 136, 69, 240, 3, 1, 9, 36, 240, 0,
    1, 9, 36, 240, 0, 1, 9, 36, 241, 0, 1, 9, 36, 244, 0, 1, 9, 36, 240, 0, 1, 9, 36, 240,
    0, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36,
    248, 248, 248, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36,
    248, 248, 136, 85, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 216, 20, 35, 144, 79, 160, 2,
    144, 79, 145, 79, 148, 79, 136, 69, 240, 3, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9,
    36, 241, 0, 1, 9, 36, 244, 0, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1,
    9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 248, 248, 248, 240, 0, 1,
    9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 240, 0, 1, 9, 36, 248, 248,
    248, 224, 11, 16, 128, 76};
static const struct piece lines_11[] = {
    {0,2,1}, {2,6,2}, {6,8,4}, {8,14,3}, {14,18,6}, {18,20,7}, {20,22,8}, {22,50,9},
    {50,54,8}, {54,60,7}, {60,62,0}, {62,64,311}, {64,94,312}, {94,96,0}, {96,114,313},
    {114,116,314}, {116,124,0}, {124,126,313}, {126,132,0}, {132,134,312}, {134,140,316},
    {140,164,317}, {164,196,316}, {196,202,0}, {202,210,316}, {210,214,0}, {214,220,316},
    {220,244,317}, {244,276,316}, {276,282,0}, {282,292,316}, {292,298,0}, {298,302,318}};
static const uint8_t table_12[] = {
    128, 0, 216, 12, 13, 128, 69, 224, 8, 10, 242, 3, 7, 5, 14, 136, 1, 242, 6, 0, 12, 13,
    216, 12, 17, 216, 16, 17, 220, 18, 19, 144, 65, 147, 36, 241, 3, 1, 17, 23, 241, 3, 3,
    13, 14, 137, 69, 240, 9, 7, 5, 14, 240, 104, 9, 6, 5, 36, 220, 8, 9, 141, 3, 240, 8, 0,
    14, 19, 241, 0, 1, 9, 36, 216, 32, 34, 150, 79, 152, 49, 146, 81, 144, 79, 136, 69, 144,
    79, 247, 3, 1, 9, 36, 224, 11, 16, 128, 76, 248, 244, 11, 0, 12, 22, 242, 0, 1, 5, 14,
    216, 8, 13, 251, 240, 3, 1, 5, 14, 252, 242, 8, 0, 21, 36, 247, 3, 1, 9, 36, 224, 11,
    16, 128, 76, 251, 240, 5, 0, 14, 19, 241, 0, 1, 9, 36, 216, 32, 34, 150, 79, 152, 49,
    146, 81, 145, 79, 249, 146, 79, 136, 69, 144, 79, 247, 3, 1, 9, 36, 247, 0, 1, 9, 36,
    241, 0, 1, 9, 36, 253};
static const struct piece lines_12[] = {
    {0,2,1}, {2,6,2}, {6,8,4}, {8,16,3}, {16,22,6}, {22,24,7}, {24,26,8}, {26,46,9},
    {46,50,8}, {50,58,7}, {58,60,3}, {60,62,311}, {62,84,312}, {84,90,316}, {90,120,317},
    {120,136,316}, {136,140,318}, {140,142,0}, {142,158,313}, {158,160,314}, {160,168,0},
    {168,170,313}, {170,180,0}, {180,186,317}, {186,202,316}, {202,206,318}, {206,214,0},
    {214,220,316}, {220,248,317}, {248,252,0}, {252,262,317}, {262,298,316}, {298,310,0}};
static const uint8_t table_13[] = {
    128, 0, 216, 12, 13, 128, 69, 227, 8, 10, 240, 3, 0, 9, 10, 247, 6, 0, 12, 13, 136, 49,
    216, 12, 17, 216, 16, 17, 220, 18, 19, 144, 65, 147, 36, 241, 3, 1, 17, 23, 241, 3, 3,
    13, 14, 138, 69, 241, 7, 0, 9, 11, 240, 102, 9, 6, 5, 36, 220, 8, 9, 141, 3, 242, 8, 0,
    14, 19, 217, 32, 34, 147, 79, 161, 2, 152, 49, 146, 81, 161, 2, 136, 69, 144, 79, 247,
    3, 0, 14, 19, 224, 11, 16, 128, 76, 248, 244, 11, 0, 12, 22, 243, 0, 1, 5, 14, 216, 8,
    13, 251, 240, 3, 1, 5, 14, 252, 242, 8, 0, 21, 36, 247, 3, 0, 14, 19, 140, 85, 224, 11,
    16, 128, 76, 251, 242, 5, 0, 14, 19, 217, 32, 34, 147, 79, 161, 2, 152, 49, 146, 81,
    162, 2, 249, 146, 79, 136, 69, 144, 79, 247, 3, 0, 14, 19, 143, 85, 142, 85, 253};
static const struct piece lines_13[] = {
    {0,2,1}, {2,6,2}, {6,14,4}, {14,16,3}, {16,34,6}, {34,36,7}, {36,38,8}, {38,58,9},
    {58,62,8}, {62,72,7}, {72,76,4}, {76,78,311}, {78,100,312}, {100,106,316},
    {106,138,317}, {138,154,316}, {154,158,318}, {158,160,0}, {160,178,313}, {178,180,314},
    {180,188,0}, {188,190,313}, {190,200,0}, {200,206,317}, {206,232,316}, {232,236,318},
    {236,244,0}, {244,250,316}, {250,280,317}, {280,284,0}, {284,294,317}, {294,340,316},
    {340,352,0}};
/* clang-format on */

static const struct table {
    unsigned minor;
    const uint8_t *bytes;
    size_t size;
    const struct piece *pieces;
    size_t count;
} tables[] = {
#define TABLE(minor)                                                                               \
    {                                                                                              \
        minor, table_##minor, sizeof table_##minor, lines_##minor,                                 \
            sizeof lines_##minor / sizeof *lines_##minor                                           \
    }
    TABLE(9), TABLE(10), TABLE(11), TABLE(12), TABLE(13)};
enum { VERSIONS = sizeof tables / sizeof *tables };

enum { CODE = 0x10000, TABLE_OBJECT = 0x20000 };

/* Where a code object of this version has its first line and its table. */
static const unsigned first_line_at[VERSIONS] = {40, 40, 72, 68, 68},
                      table_at[VERSIONS] = {120, 120, 136, 136, 136};

static unsigned line_at(py_runtime *py, unsigned byte)
{
    if (py->minor >= 11)
        return rhi__py_line(py, CODE, CODE + py->at->code_bytes + byte);
    return rhi__py_line(py, CODE, py->minor == 9 ? byte : byte / 2);
}

static fake_target *code_scene(const struct table *table, rhi_memory *memory, py_runtime *py)
{
    fake_target *t = fake_target_new();
    unsigned version = table->minor - PY_MINOR_MIN;
    fake_map(t, CODE, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_map(t, TABLE_OBJECT, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(t, CODE + first_line_at[version], 1, 4);
    fake_put(t, CODE + table_at[version], TABLE_OBJECT, 8);
    fake_put(t, TABLE_OBJECT + 16, table->size, 8);
    fake_copy(t, TABLE_OBJECT + 32, table->bytes, table->size);
    ck_assert_ptr_null(rhi__memory_open(memory, &t->target));
    *py = (py_runtime){
        .memory = memory, .minor = (uint8_t)table->minor, .at = rhi__py_offsets(table->minor)};
    ck_assert_ptr_nonnull(py->at);
    return t;
}

START_TEST(each_instruction_is_of_the_line_that_python_says)
{
    rhi_memory memory = {0};
    py_runtime py;
    const struct table *table = &tables[_i];
    fake_target *t = code_scene(table, &memory, &py);
    for (size_t i = 0; i < table->count; i++)
        for (unsigned at = table->pieces[i].start; at < table->pieces[i].end; at += 2)
            ck_assert_msg(line_at(&py, at) == table->pieces[i].line,
                          "3.%u, byte %u: line %u instead of %u", table->minor, at,
                          line_at(&py, at), table->pieces[i].line);
    rhi__memory_close(&memory);
    fake_target_free(t);
}
END_TEST

START_TEST(before_the_first_instruction_it_is_the_line_of_the_function)
{
    rhi_memory memory = {0};
    py_runtime py;
    fake_target *t = code_scene(&tables[_i], &memory, &py);
    ck_assert_uint_eq(
        rhi__py_line(&py, CODE, py.minor >= 11 ? CODE + py.at->code_bytes - 2 : UINT32_MAX), 1);
    rhi__memory_close(&memory);
    fake_target_free(t);
}
END_TEST

START_TEST(a_table_that_is_cut_or_absent_gives_no_line)
{
    rhi_memory memory = {0};
    py_runtime py;
    const struct table *table = &tables[_i];
    fake_target *t = code_scene(table, &memory, &py);
    unsigned last = table->pieces[table->count - 1].end - 2;
    for (uint64_t size = 0; size <= table->size; size++) {
        fake_put(t, TABLE_OBJECT + 16, size, 8);
        for (unsigned at = 0; at <= last; at += 2)
            ck_assert_uint_le(line_at(&py, at), 400);
    }
    fake_put(t, TABLE_OBJECT + 16, UINT64_MAX, 8);
    ck_assert_uint_le(line_at(&py, last + 0x10000), 400);
    memset(fake_bytes(t, TABLE_OBJECT + 32, 0x800), 0x7f, 0x800);
    for (unsigned at = 0; at <= last; at += 2)
        line_at(&py, at); /* nonsense, but it comes back */
    fake_put(t, CODE + table_at[_i], 0xdead0000, 8);
    ck_assert_uint_eq(line_at(&py, 0), 0);
    ck_assert_uint_eq(rhi__py_line(&py, 0xdead0000, 0), 0);
    rhi__memory_close(&memory);
    fake_target_free(t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect_python_frames");
    TCase *tcase = tcase_create("inspect_python_frames");
    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, each_instruction_is_of_the_line_that_python_says, 0, VERSIONS);
    tcase_add_loop_test(tcase, before_the_first_instruction_it_is_the_line_of_the_function, 0,
                        VERSIONS);
    tcase_add_loop_test(tcase, a_table_that_is_cut_or_absent_gives_no_line, 0, VERSIONS);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
