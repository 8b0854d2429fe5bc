/* runtime_test.h - what the runtime's tests share: a node type, a log of what was finalized,
 * capture of stderr in a child process. Included by one .c file per program, so everything is
 * static. */
#ifndef RUNTIME_TEST_H
#define RUNTIME_TEST_H

#include "unit_main.h"

#include <check.h>
#include <refheap/refheap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Stress builds collect and validate at every allocation: O(n^2), so they run the same tests
 * smaller. */
#ifdef REFHEAP_GC_STRESS
#define MANY(n) ((n) / 10000 + 20)
#else
#define MANY(n) (n)
#endif

/* Without a collector (REFHEAP_COLLECTOR=OFF) cycles stay until their heap goes. */
#ifdef REFHEAP_NO_COLLECTOR
#define HAS_COLLECTOR 0
#else
#define HAS_COLLECTOR 1
#endif

#if defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#endif
#endif

/* For loops: libcheck's own asserts write a record each time they pass. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", #condition);                                                        \
    } while (0)

typedef struct node {
    rh_object base;
    struct node *next;
    struct node *other;
    rh_weak *weak;
    int value;
} node;

__attribute__((unused)) static const rh_field node_fields[] = {
    RH_STRONG(node, next), RH_STRONG(node, other), RH_WEAK(node, weak), RH_INT(node, value),
    RH_FIELDS_END};

/* Values of the nodes whose finalizer or dispose ran, in order. */
__attribute__((unused)) static int death_log[64];
__attribute__((unused)) static int death_count;

__attribute__((unused)) static void log_value(void *object)
{
    if (death_count < 64)
        death_log[death_count] = ((node *)object)->value;
    death_count++;
}

__attribute__((unused)) static rh_type node_type = {
    .name = "node", .size = sizeof(node), .fields = node_fields};

/* The same with a finalizer that logs. */
__attribute__((unused)) static rh_type logged_type = {
    .name = "logged", .size = sizeof(node), .fields = node_fields, .finalize = log_value};

__attribute__((unused)) static node *new_node(rh_heap *heap, rh_type *type, int value)
{
    node *result = (rh_new)(heap, type); /* of no line: what is said of it is the same everywhere */
    MUST(result != NULL);
    result->value = value;
    return result;
}

__attribute__((unused)) static void assert_valid(rh_heap *heap)
{
    char report[2000];
    if (rh_heap_check(heap, report, sizeof report) != 0)
        ck_abort_msg("%s", report);
}

/* A full collection reclaims `count` objects; without a collector it does nothing at all. */
__attribute__((unused)) static void assert_collects(rh_heap *heap, size_t count)
{
    size_t objects = rh_gc_get_counts(heap).objects;
    size_t reclaimed = rh_gc_collect(heap);
    if (HAS_COLLECTOR) {
        ck_assert_uint_eq(reclaimed, count);
        return;
    }
    ck_assert_uint_eq(reclaimed, 0);
    ck_assert_uint_eq(rh_gc_collect_young(heap), 0);
    ck_assert(!rh_gc_is_enabled(heap));
    rh_gc_counts counts = rh_gc_get_counts(heap);
    ck_assert_uint_eq(counts.objects, objects);
    ck_assert_uint_eq(counts.young_candidates + counts.spared_candidates + counts.uncollectable, 0);
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_FULL).collections, 0);
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_YOUNG).collections, 0);
    assert_valid(heap);
}

/* Runs `body` in a child; returns its wait status and what it wrote to stderr. */
__attribute__((unused)) static int run_child(void (*body)(void), char *text, size_t size)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        fflush(NULL);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while (length + 1 < size && (got = read(ends[0], text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(ends[0]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

/* "born in f() at a.c:12" becomes "born in f() at a.c:N". */
__attribute__((unused)) static void hide_lines(char *text)
{
    for (char *at = text; (at = strstr(at, ".c:")) && at[3] >= '0' && at[3] <= '9'; at += 4) {
        at[3] = 'N';
        memmove(at + 4, at + 4 + strspn(at + 4, "0123456789"),
                strlen(at + 4 + strspn(at + 4, "0123456789")) + 1);
    }
}

/* Leaves out what the heap's history tells of it (runtime_misuse.c checks that). */
__attribute__((unused)) static void hide_history(char *text)
{
    char *line = strstr(text, " remembers of this address");
    while (line && line > text && line[-1] != '\n')
        line--;
    if (line)
        *line = '\0';
}

/* What the child reports, without numbers of lines and without its history. */
__attribute__((unused)) static void assert_aborts(void (*body)(void), const char *expected)
{
    char text[4096];
    int status = run_child(body, text, sizeof text);
    hide_lines(text);
    hide_history(text);
    ck_assert_str_eq(text, expected);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x",
                  (unsigned)status);
}

#define RUN_TESTS(name, ...) UNIT_MAIN(name, NULL, NULL, __VA_ARGS__)

#endif
