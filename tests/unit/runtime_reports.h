/* runtime_reports.h - what the runtime says on stderr before it ends the program, held against what
 * it must say. */
#ifndef RUNTIME_REPORTS_H
#define RUNTIME_REPORTS_H

#include "runtime_test.h"

/* What differs from run to run becomes a letter: seconds T, threads N, addresses A. Lines about
 * return addresses are left out, and counted. */
static inline int normalize(char *text)
{
    int stack_lines = 0;
    char *to = text;
    for (char *line = text, *next; *line; line = next) {
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] == '\n');
        if (strncmp(line, "refheap:     at 0x", 18) == 0) {
            stack_lines++;
            continue;
        }
        for (char *at = line; at < next;) {
            size_t digits = strspn(at, "0123456789.");
            size_t hex = strncmp(at, "0x", 2) == 0 ? 2 + strspn(at + 2, "0123456789abcdef") : 0;
            if (hex) {
                *to++ = 'A';
                at += hex;
            } else if (digits && strncmp(at + digits, " s ago", 6) == 0) {
                *to++ = 'T';
                at += digits;
            } else if (digits && to - text >= 7 && strncmp(to - 7, "thread ", 7) == 0) {
                *to++ = 'N';
                at += digits;
            } else {
                *to++ = *at++;
            }
        }
    }
    *to = '\0';
    return stack_lines;
}

static inline int assert_reports(void (*body)(void), const char *expected)
{
    char text[8192];
    int status = run_child(body, text, sizeof text);
    ck_assert_uint_le(strlen(text), 4096); /* one write that no other can split */
    int stack_lines = normalize(text);
    ck_assert_str_eq(text, expected);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x",
                  (unsigned)status);
    return stack_lines;
}

#endif
