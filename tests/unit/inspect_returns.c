/* inspect_returns.c - which bytes end with a call, as encoded by x86-64 and AArch64. */
#include "program/returns.h"
#include "unit_main.h"

#include <check.h>
#include <string.h>

typedef struct code {
    const char *bytes; /* the last ones before the address */
    unsigned count;
} code;
#define CODE(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }

/* Behind nops. */
static const uint8_t *behind_nops(const code *c)
{
    static uint8_t bytes[RHI_CALL_BYTES];
    memset(bytes, 0x90, sizeof bytes);
    memcpy(bytes + sizeof bytes - c->count, c->bytes, c->count);
    return bytes;
}

START_TEST(each_form_of_a_call_is_one)
{
    static const code calls[] = {
        CODE("\xe8\x01\x02\x03\x04"),         /* a function */
        CODE("\xff\xd0"),                     /* *%rax */
        CODE("\x41\xff\xd4"),                 /* *%r12 */
        CODE("\x3e\xff\xd0"),                 /* notrack *%rax */
        CODE("\xff\x10"),                     /* *(%rax) */
        CODE("\xff\x14\x24"),                 /* *(%rsp) */
        CODE("\xff\x14\xc5\x01\x02\x03\x04"), /* *0x4030201(,%rax,8) */
        CODE("\xff\x15\x01\x02\x03\x04"),     /* *0x4030201(%rip) */
        CODE("\xff\x50\x08"),                 /* *8(%rax) */
        CODE("\xff\x54\x24\x08"),             /* *8(%rsp) */
        CODE("\xff\x90\x01\x02\x03\x04"),     /* *0x4030201(%rax) */
        CODE("\xff\x94\x24\x01\x02\x03\x04"), /* *0x4030201(%rsp) */
    };
    bool is_hidden;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        ck_assert_msg(rhi__ends_with_x86_call(behind_nops(&calls[i]), &is_hidden), "call %zu", i);
}
END_TEST

START_TEST(what_is_none_is_none_and_a_breakpoint_hides)
{
    static const struct {
        code code;
        bool is_hidden;
    } others[] = {
        {CODE("\x90"), false},
        {CODE("\xe9\x01\x02\x03\x04"), false},     /* a jump */
        {CODE("\xe8\x01\x02\x03"), false},         /* a call that is not at its end yet */
        {CODE("\xe8\x01\x02\x03\x04\x90"), false}, /* the next instruction */
        {CODE("\xff\xe0"), false},                 /* a jump to *%rax */
        {CODE("\xff\xc0"), false},                 /* inc %eax */
        {CODE("\xff\x18"), false},                 /* a far call */
        {CODE("\xff\x15\x01\x02"), false},
        {CODE("\xcc\x01\x02\x03\x04"), true},
        {CODE("\xcc\xd0"), true},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        bool is_hidden;
        ck_assert_msg(!rhi__ends_with_x86_call(behind_nops(&others[i].code), &is_hidden),
                      "other %zu", i);
        ck_assert_msg(is_hidden == others[i].is_hidden, "other %zu", i);
    }
}
END_TEST

START_TEST(calls_of_aarch64)
{
    static const struct {
        uint32_t word;
        bool is_call, is_hidden;
    } words[] = {{0x94000001, true, false},  /* bl */
                 {0x97ffffff, true, false},  /* bl, backwards */
                 {0xd63f0100, true, false},  /* blr x8 */
                 {0xd63f0910, true, false},  /* blraa x8, x16 */
                 {0xd73f0910, true, false},  /* blraa x8, x16 with a register */
                 {0xd63f081f, true, false},  /* blraaz x0 */
                 {0xd63f0d10, true, false},  /* blrab x8, x16 */
                 {0x14000001, false, false}, /* b */
                 {0x90000000, false, false}, /* adrp x0 */
                 {0xd61f0100, false, false}, /* br x8 */
                 {0xd65f03c0, false, false}, /* ret */
                 {0xd503201f, false, false}, /* nop */
                 {0xd4200000, false, true}}; /* brk */
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        uint8_t bytes[RHI_CALL_BYTES] = {0};
        bool is_hidden;
        memcpy(bytes + 4, &words[i].word, 4);
        ck_assert_msg(rhi__ends_with_arm_call(bytes, &is_hidden) == words[i].is_call, "%zu", i);
        ck_assert_msg(is_hidden == words[i].is_hidden, "word %zu", i);
    }
}
END_TEST

UNIT_MAIN("inspect_returns", NULL, NULL, each_form_of_a_call_is_one,
          what_is_none_is_none_and_a_breakpoint_hides, calls_of_aarch64)
