/* runtime_process.c - what concerns the whole process: options, fork, threads, and the descriptor
 * of linked programs (ELF note, strip, section garbage collection, shared library). */
#define _GNU_SOURCE
#include "runtime_ring.h"
#include "runtime_test.h"

#include <elf.h>
#include <pthread.h>
#include <refheap/metadata.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/user.h>

extern struct rh_metadata_descriptor rh_debug_descriptor;

/* ---- options -------------------------------------------------------------------------------- */

static void wrong_options(void)
{
    setenv("REFHEAP_OPTIONS", "histroy=5,gc=maybe,,history=,history=12x,gc=off,history", 1);
    rh_heap *heap = rh_heap_create(NULL);
    if (rh_gc_is_enabled(heap))
        _exit(1);
    rh_heap *second = rh_heap_create(NULL); /* no second complaint */
    if (rh_gc_is_enabled(second))
        _exit(2);
}

START_TEST(a_wrong_option_is_named_and_the_rest_applies)
{
    char text[1024];
    int status = run_child(wrong_options, text, sizeof text);
    ck_assert_str_eq(
        text, "refheap: REFHEAP_OPTIONS: 'histroy=5' is not known, known are gc=on|off, "
              "finalizers=run|stay, "
              "history=all|N, stacks=N, quarantine=N, leaks=off|on, poison=off|on, trace=TYPE, "
              "check=off|on\n"
              "refheap: REFHEAP_OPTIONS: 'gc=maybe' is not possible, gc wants on or off\n"
              "refheap: REFHEAP_OPTIONS: 'history=' is not possible, history wants all, or a "
              "number of events, like 4096, 64k or 1M\n"
              "refheap: REFHEAP_OPTIONS: 'history=12x' is not possible, history wants all, "
              "or a number of events, like 4096, 64k or 1M\n"
              "refheap: REFHEAP_OPTIONS: 'history' is not possible, history wants all, or a "
              "number of events, like 4096, 64k or 1M\n");
    ck_assert_int_eq(status, 0);
}
END_TEST

static void unkind_options(void)
{
    setenv("REFHEAP_OPTIONS", "x\x1b[31m\n\xc2\x9b\x7fy=1,gc=\x1b]0;t\a", 1);
    rh_heap_create(NULL);
}

START_TEST(a_wrong_option_is_shown_without_what_a_terminal_obeys)
{
    char text[1024];
    ck_assert_int_eq(run_child(unkind_options, text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "refheap: REFHEAP_OPTIONS: 'x?[31m????y=1' is not known"));
    ck_assert_ptr_nonnull(strstr(text, "\nrefheap: REFHEAP_OPTIONS: 'gc=?]0;t?' is not possible"));
    for (const char *c = text; *c; c++)
        ck_assert(*c == '\n' || (*c >= ' ' && *c <= '~'));
}
END_TEST

START_TEST(the_environment_overrides_the_program)
{
    setenv("REFHEAP_OPTIONS", "gc=on,history=3k", 1);
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.gc_disabled = true, .history_events = 1});
    ck_assert_int_eq(rh_gc_is_enabled(heap), HAS_COLLECTOR);
    ck_assert_uint_ge(ring_capacity(heap), 3 << 10);
    ck_assert_uint_lt(ring_capacity(heap), 4 << 10);
    rh_heap_destroy(heap);
    setenv("REFHEAP_OPTIONS", "history=1M", 1);
    heap = rh_heap_create(NULL);
    ck_assert_uint_ge(ring_capacity(heap), 1 << 20);
    rh_heap_destroy(heap);
    setenv("REFHEAP_OPTIONS", "history=0", 1);
    heap = rh_heap_create(&(rh_heap_options){.history_events = 9});
    ck_assert_uint_eq(ring_capacity(heap), 0);
    rh_heap_destroy(heap);
}
END_TEST

#ifndef TEST_ASAN /* which has terabytes of addresses */
/* 16M events have 400 MiB; less is to be given where the process may not have as much. */
static void under_a_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = 300 << 20;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(1);
    setenv("REFHEAP_OPTIONS", "history=16M,gc=off", 1);
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.quarantine_bytes = 1000});
    if (!heap || rh_gc_is_enabled(heap) || ring_capacity(heap) >> 20 != 8)
        _exit(2);
    node *a = rh_new(heap, &node_type);
    if (!a)
        _exit(3);
    rh_release(a);
    if (!rh_heap_create(NULL)) /* no second complaint */
        _exit(4);
}

START_TEST(an_option_beyond_the_memory_gets_less)
{
    char text[1024];
    int status = run_child(under_a_limit, text, sizeof text);
    ck_assert_str_eq(text, "refheap: no memory for a history of 16777216: it has 8388608\n");
    ck_assert_int_eq(status, 0);
}
END_TEST
#endif

/* What the program below is, run again by the test: one heap, made as the environment says. */
__attribute__((constructor)) static void be_the_secure_program(void)
{
    const char *word = getenv("RUNTIME_PROCESS_SECURE");
    if (!word)
        return;
    rh_heap *heap = rh_heap_create(NULL);
    int status = heap ? 40 + (ring_capacity(heap) > 1000) : 1;
    rh_heap_destroy(heap);
    _exit(status);
}

/* Sets AT_SECURE in the auxiliary vector of a child that was stopped by its exec, as the kernel
 * does where the program has other rights than who runs it. */
static void make_secure(pid_t child)
{
    struct user_regs_struct registers;
    struct iovec whole = {&registers, sizeof registers};
    ck_assert_int_eq(ptrace(PTRACE_GETREGSET, child, (void *)(long)NT_PRSTATUS, &whole), 0);
#ifdef __x86_64__
    uint64_t at = registers.rsp;
#else
    uint64_t at = registers.sp;
#endif
    uint64_t stack[8192], count = 0;
    struct iovec to = {stack, sizeof stack}, from = {(void *)(uintptr_t)at, sizeof stack};
    while (count == 0 && to.iov_len > 64) { /* the stack ends somewhere behind the vector */
        ssize_t got = process_vm_readv(child, &to, 1, &from, 1, 0);
        count = got > 0 ? (uint64_t)got / 8 : 0;
        to.iov_len = from.iov_len = from.iov_len - 64;
    }
    uint64_t i = stack[0] + 2; /* behind argc, argv and its NULL */
    while (i < count && stack[i])
        i++;
    for (i++; i + 1 < count && stack[i] != AT_SECURE; i += 2)
        ck_assert_uint_ne(stack[i], AT_NULL);
    ck_assert_uint_lt(i + 1, count);
    ck_assert_int_eq(
        ptrace(PTRACE_POKEDATA, child, (void *)(uintptr_t)(at + (i + 1) * 8), (void *)1), 0);
}

static int run_program(bool is_secure)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        setenv("RUNTIME_PROCESS_SECURE", "1", 1);
        setenv("REFHEAP_OPTIONS", "history=1000", 1);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execl("/proc/self/exe", "program", (char *)NULL);
        _exit(1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSTOPPED(status));
    if (is_secure)
        make_secure(child);
    ck_assert_int_eq(ptrace(PTRACE_DETACH, child, NULL, NULL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(a_program_with_more_rights_than_its_user_reads_no_options)
{
    ck_assert_int_eq(run_program(false), 41);
    ck_assert_int_eq(run_program(true), 40);
}
END_TEST

/* ---- fork and threads ----------------------------------------------------------------------- */

static volatile bool stop;

static void *map_and_unmap(void *argument)
{
    (void)argument;
    while (!stop)
        rh_heap_destroy(rh_heap_create(NULL)); /* takes the process lock all the time */
    return NULL;
}

START_TEST(a_forked_child_has_its_own_pid_and_working_locks)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    uint64_t nonce = rh_debug_descriptor.nonce;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, map_and_unmap, NULL), 0);
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            alarm(60); /* a lock that stayed taken ends the child by a signal */
            if (rh_debug_descriptor.pid != (uint64_t)getpid() || rh_debug_descriptor.nonce != nonce)
                _exit(1);
            static rh_type fresh = {.name = "fresh", .size = 64};
            rh_heap *own = rh_heap_create(NULL);
            if (!own || !rh_new(own, &fresh) || !rh_nil())
                _exit(2);
            rh_heap_destroy(own);
            rh_release(a);
            if (rh_is_object(heap, a))
                _exit(3);
            _exit(0);
        }
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
    stop = true;
    pthread_join(thread, NULL);
    ck_assert_uint_eq(rh_debug_descriptor.pid, (uint64_t)getpid());
    ck_assert(rh_is_object(heap, a));
    rh_heap_destroy(heap);
}
END_TEST

enum { ROUNDS = MANY(200000) };
static uint64_t serials[2][2];

static void *use_own_heap(void *argument)
{
    int me = *(int *)argument;
    rh_heap *heap = rh_heap_create(NULL);
    node *list = NULL;
    for (int i = 0; i < ROUNDS; i++) {
        node *a = rh_new(heap, &node_type);
        if (i == 0)
            serials[me][0] = rh_serial(a);
        serials[me][1] = rh_serial(a);
        a->other = (node *)(void *)rh_int_new(heap, i % 100); /* shared by both threads */
        if (i % 5 == 0) {
            a->next = list;
            list = a;
        } else {
            rh_set(&a->next, a);
            rh_release(a);
        }
    }
    rh_weak *weak = rh_weak_new(rh_nil());
    if (!weak || rh_weak_get(weak) != rh_nil())
        return (void *)1;
    rh_release(list);
    rh_gc_collect(heap);
    char report[512];
    size_t problems = rh_heap_check(heap, report, sizeof report);
    if (problems)
        fputs(report, stderr);
    rh_heap_destroy(heap);
    return (void *)problems;
}

START_TEST(two_heaps_work_in_two_threads)
{
    static int numbers[2] = {0, 1};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_own_heap, &numbers[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *problems;
        pthread_join(threads[i], &problems);
        ck_assert_ptr_null(problems);
    }
    ck_assert_uint_ne(serials[0][0], serials[1][0]);
    ck_assert_uint_ne(serials[0][1], serials[1][1]);
    ck_assert_uint_ge(serials[0][1], serials[0][0] + ROUNDS - 1);
}
END_TEST

/* ---- linked programs ------------------------------------------------------------------------ */

/* Runs a shell command; returns its exit status, its output in `text`. */
static int shell(char *text, size_t size, const char *command)
{
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t length = fread(text, 1, size - 1, pipe);
    text[length] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static const char program[] =
    "#include <refheap/refheap.h>\n"
    "#include <refheap/metadata.h>\n"
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "#include <string.h>\n"
    "#include <link.h>\n"
    /* Finds the descriptor as a reader does: through the note of each module. */
    "static int find(struct dl_phdr_info *info, size_t size, void *ret) {\n"
    "  (void)size;\n"
    "  for (int i = 0; i < info->dlpi_phnum; i++) {\n"
    "    if (info->dlpi_phdr[i].p_type != PT_NOTE) continue;\n"
    "    char *note = (char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;\n"
    "    char *end = note + info->dlpi_phdr[i].p_memsz;\n"
    "    while (note + 12 <= end) {\n"
    "      ElfW(Nhdr) head; memcpy(&head, note, sizeof head);\n"
    "      char *name = note + 12, *data = name + ((head.n_namesz + 3) & ~3u);\n"
    "      if (head.n_namesz == 8 && !memcmp(name, \"refheap\", 8) && head.n_type == 1) {\n"
    "        long distance; memcpy(&distance, data, 8); *(void **)ret = data + distance; return 1; "
    "}\n"
    "      note = data + ((head.n_descsz + (info->dlpi_phdr[i].p_align == 8 ? 7 : 3)) & "
    "~(info->dlpi_phdr[i].p_align == 8 ? 7u : 3u));\n"
    "    } }\n"
    "  return 0; }\n"
    "typedef struct node { rh_object base; struct node *next; } node;\n"
    "static const rh_field fields[] = { RH_STRONG(node, next), RH_FIELDS_END };\n"
    "static rh_type type = { .name = \"node\", .size = sizeof(node), .fields = fields };\n"
    "int main(void) {\n"
    "  rh_heap *heap = rh_heap_create(NULL); node *a = rh_new(heap, &type);\n"
    "  rh_set(&a->next, a); rh_release(a);\n"
    "  struct rh_metadata_descriptor *d = NULL; dl_iterate_phdr(find, &d);\n"
    "  if (!d) return 1;\n"
    "  if (memcmp(d->magic, RH_METADATA_MAGIC, 16) || d->self != (uint64_t)(uintptr_t)d) return "
    "2;\n"
    "  if (d->heaps != (uint64_t)(uintptr_t)heap || d->constant_count < RH_MC_COUNT) return 3;\n"
    "  const struct rh_metadata_constant *c = (const void *)(uintptr_t)d->constants;\n"
    "  if (strcmp(c[0].name, \"object.size\") || c[0].value != 16) return 4;\n"
    "  if (rh_gc_collect(heap) != (HAS_COLLECTOR)) return 5;\n"
    "  rh_heap_destroy(heap); puts(\"found\"); return 0; }\n";

/* Builds the program with the given flags and library, strips it, reads its note, and runs it. */
static void build_and_run(const char *flags, const char *library)
{
    char directory[] = "/tmp/refheap-test-XXXXXX", source[64], command[4096], text[8192];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(source, sizeof source, "%s/program.c", directory);
    FILE *file = fopen(source, "w");
    ck_assert_ptr_nonnull(file);
    fputs(program, file);
    fclose(file);
    snprintf(command, sizeof command,
             "cd %s && " TEST_CC " -O2 -D_GNU_SOURCE " TEST_FLAGS
             " -DHAS_COLLECTOR=%d -ffunction-sections -fdata-sections %s program.c -o program "
             "-I" TEST_INCLUDE " %s -Wl,-rpath," TEST_LIBRARY_DIR
             " -pthread 2>&1 && strip program && "
             "{ readelf -n program; readelf -n " TEST_SHARED "; } 2>&1 && ./program 2>&1",
             directory, HAS_COLLECTOR, flags, library);
    int status = shell(text, sizeof text, command);
    ck_assert_msg(status == 0, "%s %s: status %d\n%s", flags, library, status, text);
    ck_assert_ptr_nonnull(strstr(text, "refheap"));
    ck_assert_str_eq(text + strlen(text) - 6, "found\n");
    snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(shell(text, sizeof text, command), 0);
}

START_TEST(the_note_survives_static_linking_strip_and_gc_sections)
{
    build_and_run("", TEST_STATIC);
    build_and_run("-Wl,--gc-sections", TEST_STATIC);
    build_and_run("-no-pie -Wl,--gc-sections", TEST_STATIC);
#ifndef TEST_ASAN /* which cannot be linked statically */
    build_and_run("-static -Wl,--gc-sections", TEST_STATIC);
#endif
}
END_TEST

START_TEST(the_shared_library_has_a_note_and_a_symbol)
{
    build_and_run("", TEST_SHARED);
    build_and_run("-Wl,--gc-sections", TEST_SHARED);
    char text[65536];
    ck_assert_int_eq(shell(text, sizeof text, "nm -D --defined-only " TEST_SHARED), 0);
    ck_assert_ptr_nonnull(strstr(text, " rh_debug_descriptor\n"));
    ck_assert_ptr_nonnull(strstr(text, " rh_release\n"));
    ck_assert_ptr_nonnull(strstr(text, " rh__release_slow\n"));
    ck_assert_ptr_null(strstr(text, " rh__map\n")); /* what is private is not exported */
}
END_TEST

#ifdef TEST_ASAN
#define WITH_LIMITS
#else
#define WITH_LIMITS an_option_beyond_the_memory_gets_less,
#endif

RUN_TESTS("runtime_process", a_wrong_option_is_named_and_the_rest_applies,
          a_wrong_option_is_shown_without_what_a_terminal_obeys,
          the_environment_overrides_the_program,
          WITH_LIMITS a_program_with_more_rights_than_its_user_reads_no_options,
          a_forked_child_has_its_own_pid_and_working_locks, two_heaps_work_in_two_threads,
          the_note_survives_static_linking_strip_and_gc_sections,
          the_shared_library_has_a_note_and_a_symbol)
