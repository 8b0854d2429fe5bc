/* registers.c - which word of the kernel's is which register (see registers.h). To add an
 * architecture, add its table, its vector registers, and its machine to core.c. */
#include "target/registers.h"
#include "base/bytes.h"

#include <stdio.h>

#if defined(__x86_64__)
static const struct {
    const char *name;
    unsigned index;
} register_table[] = {{"rax", 10}, {"rbx", 5},      {"rcx", 11}, {"rdx", 12},      {"rsi", 13},
                      {"rdi", 14}, {"rbp", 4},      {"rsp", 19}, {"r8", 9},        {"r9", 8},
                      {"r10", 7},  {"r11", 6},      {"r12", 3},  {"r13", 2},       {"r14", 1},
                      {"r15", 0},  {"fs_base", 21}, {"rip", 16}, {"orig_rax", 15}, {"gs_base", 22}};
enum { STACK_POINTER_INDEX = 19 };
#elif defined(__aarch64__)
static const struct {
    const char *name;
    unsigned index;
} register_table[] = {{"x0", 0},   {"x1", 1},   {"x2", 2},   {"x3", 3},   {"x4", 4},   {"x5", 5},
                      {"x6", 6},   {"x7", 7},   {"x8", 8},   {"x9", 9},   {"x10", 10}, {"x11", 11},
                      {"x12", 12}, {"x13", 13}, {"x14", 14}, {"x15", 15}, {"x16", 16}, {"x17", 17},
                      {"x18", 18}, {"x19", 19}, {"x20", 20}, {"x21", 21}, {"x22", 22}, {"x23", 23},
                      {"x24", 24}, {"x25", 25}, {"x26", 26}, {"x27", 27}, {"x28", 28}, {"x29", 29},
                      {"x30", 30}, {"sp", 31},  {"pc", 32}};
enum { STACK_POINTER_INDEX = 31 };
#else
#error "add the register table of this architecture"
#endif

void rhi__report_registers(rhi_sink *sink, uint64_t lwp, const uint64_t *words)
{
    rhi_sink_thread(sink, lwp, words[STACK_POINTER_INDEX]);
    for (size_t i = 0; i < sizeof register_table / sizeof *register_table; i++)
        rhi_sink_register(sink, register_table[i].name, words[register_table[i].index]);
}

/* ---- vector registers ----------------------------------------------------------------------- */

static void report_halves(rhi_sink *sink, const char *format, unsigned number, unsigned first,
                          const uint8_t *bytes, uint64_t size)
{
    for (unsigned i = 0; i * 8 < size; i++) {
        char name[16];
        if (rhi__load64(bytes + i * 8) == 0)
            continue; /* nearly all */
        snprintf(name, sizeof name, format, number, first + i);
        rhi_sink_register(sink, name, rhi__load64(bytes + i * 8));
    }
}

#if defined(__x86_64__)
/* What no function of libc leaves an address in: who finds one there may rest on it. */
static void report_word(rhi_sink *sink, const char *format, unsigned number, const uint8_t *bytes)
{
    char name[16];
    if (rhi__load64(bytes) == 0)
        return;
    snprintf(name, sizeof name, format, number);
    rhi_sink_register(sink, name, rhi__load64(bytes));
}

/* XSAVE's standard form. Where the parts of AVX-512 lie depends on whether the processor once had
 * MPX before them. */
void rhi__report_vectors(rhi_sink *sink, const uint8_t *bytes, uint64_t size)
{
    enum {
        STATUS = 2,
        MM = 32,
        XMM = 160,
        YMM_HIGH = 576,
        MASKS = 0x340,
        ZMM_HIGH = 0x380,
        ZMM_MORE = 0x580,
        MPX_GAP = 0x100,
        WITH_MPX = 0xa80
    };
    uint64_t gap = size >= WITH_MPX ? MPX_GAP : 0;
    for (unsigned i = 0; i < 8 && size >= 512; i++) {
        unsigned top = bytes[STATUS + 1] >> 3 & 7; /* they lie in the order of x87's stack */
        report_word(sink, "mm%u", (i + top) % 8, bytes + MM + i * 16);
        if (size >= ZMM_MORE + gap + 1024)
            report_word(sink, "k%u", i, bytes + MASKS + gap + i * 8);
    }
    for (unsigned i = 0; i < 16 && size >= 512; i++) {
        report_halves(sink, "xmm%u[%u]", i, 0, bytes + XMM + i * 16, 16);
        if (size >= YMM_HIGH + 256)
            report_halves(sink, "ymm%u[%u]", i, 2, bytes + YMM_HIGH + i * 16, 16);
        if (size >= ZMM_MORE + gap + 1024) {
            report_halves(sink, "zmm%u[%u]", i, 4, bytes + ZMM_HIGH + gap + i * 32, 32);
            report_halves(sink, "xmm%u[%u]", 16 + i, 0, bytes + ZMM_MORE + gap + i * 64, 16);
            report_halves(sink, "ymm%u[%u]", 16 + i, 2, bytes + ZMM_MORE + gap + i * 64 + 16, 16);
            report_halves(sink, "zmm%u[%u]", 16 + i, 4, bytes + ZMM_MORE + gap + i * 64 + 32, 32);
        }
    }
}
#else
void rhi__report_vectors(rhi_sink *sink, const uint8_t *bytes, uint64_t size)
{
    for (unsigned i = 0; i < 32 && size >= (i + 1) * 16; i++)
        report_halves(sink, "v%u[%u]", i, 0, bytes + i * 16, 16);
}
#endif
