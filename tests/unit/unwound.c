/* unwound.c - calls itself at random in every way that leaves a frame of its own kind on the stack,
 * and compares the stacks that the heap records with what the C library says. Also compiled as C++.
 *
 * Invariant: what is compared are return addresses of one moment but for the innermost, which lies
 * a little behind in the same function. Each chain of calls is made more than once: stacks that are
 * met again are told in another way than new ones. The runtime itself asks the C library about odd
 * frames alone, and lists the modules of the process seldom (linked with --wrap). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <refheap/metadata.h>
#include <refheap/refheap.h>

#include <alloca.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#ifdef __cplusplus
#include <functional>
#include <stdexcept>
#endif

#define APART __attribute__((noinline))
enum { STACK = 16, NEAR = 8192, CHAIN_MAX = 24, SOURCES = 2, STACK_BYTES = 16 << 20 };

typedef struct node {
    rh_object base;
    struct node *next;
} node;

static rh_field node_fields[2];
static rh_type node_type;
static rh_heap *heap;
static volatile unsigned sink;
static unsigned long compared;
static const char *chain_text = "";

#ifdef __cplusplus
extern "C" {
#endif
extern struct rh_metadata_descriptor rh_debug_descriptor;
int __real_backtrace(void **frames, int size);
int __wrap_backtrace(void **frames, int size);
int __real_dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *context);
int __wrap_dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *context);

static volatile unsigned long asked, searched;

/* What the runtime calls. */
int __wrap_backtrace(void **frames, int size)
{
    asked++;
    return __real_backtrace(frames, size);
}

int __wrap_dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *context)
{
    searched++;
    return __real_dl_iterate_phdr(visit, context);
}
#ifdef __cplusplus
}
#endif

/* ---- what was recorded ---------------------------------------------------------------------- */

static uint64_t word_at(uint64_t address)
{
    uint64_t value;
    memcpy(&value, (const void *)(uintptr_t)address, sizeof value);
    return value;
}

static uint64_t constant(const char *name)
{
    const struct rh_metadata_constant *rows =
        (const struct rh_metadata_constant *)(uintptr_t)rh_debug_descriptor.constants;
    for (uint32_t i = 0; i < rh_debug_descriptor.constant_count; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].value;
    fprintf(stderr, "no constant %s\n", name);
    exit(1);
}

/* The stack of the newest event. */
static const uint64_t *newest_stack(void)
{
    uint64_t at = (uintptr_t)heap, ring = word_at(at + constant("heap.ring")),
             size = constant("ring.slot_size"), slots = ring + constant("ring.slots"),
             slot = word_at(at + constant("heap.ring_next"));
    do {
        if (slot == slots)
            slot += word_at(ring + constant("ring.capacity")) * size;
        slot -= size;
    } while ((word_at(slot + constant("slot.what")) & 15) == RH_EVENT_MARK);
    if (!(word_at(slot + constant("slot.what")) >> 50 & 1)) {
        fprintf(stderr, "an event without a stack in %s\n", chain_text);
        exit(1);
    }
    uint64_t number = word_at(slot + constant("slot.where")) >> 16;
    return (const uint64_t *)(uintptr_t)(word_at(at + constant("heap.stacks")) +
                                         number * STACK * 8);
}

static APART void compare(void *const *frames, int count)
{
    const uint64_t *told = newest_stack();
    bool is_same = told[0] - (uint64_t)(uintptr_t)frames[0] < NEAR;
    for (int i = 1; i < STACK; i++)
        is_same &= told[i] == (i < count ? (uint64_t)(uintptr_t)frames[i] : 0);
    compared++;
    if (is_same)
        return;
    fprintf(stderr, "recorded and true in %s:\n", chain_text);
    for (int i = 0; i < STACK; i++)
        fprintf(stderr, "  %2d %#llx %p\n", i, (unsigned long long)told[i],
                i < count ? frames[i] : NULL);
    exit(1);
}

/* The caller's, without what a sanitizer has on top. */
static APART int true_stack(void **frames, int size)
{
    void *all[64];
    int count = __real_backtrace(all, 64), first = 0;
    while (first < count && all[first] != __builtin_return_address(0))
        first++;
    count = count - first < size ? count - first : size;
    memcpy(frames, all + first, (size_t)count * sizeof *frames);
    return count;
}

/* The innermost of all. The truth comes first: it is in front of each return address. */
static APART void make_and_drop(void)
{
    void *frames[STACK];
    int count = true_stack(frames, STACK);
    void *object = rh_new(heap, &node_type);
    compare(frames, count);
    count = true_stack(frames, STACK);
    rh_release(object);
    compare(frames, count);
    sink = sink + 1;
}

/* ---- frames --------------------------------------------------------------------------------- */

typedef struct chain {
    const unsigned char *shapes;
    int length;
} chain;

static void go_on(chain rest);

static APART void go_plainly(chain rest)
{
    go_on(rest);
    sink = sink + 1;
}

static APART void go_by_pointer(chain rest)
{
    void (*volatile pointer)(chain) = go_plainly;
    pointer(rest);
    sink = sink + 2;
}

static APART void go_with_alloca(chain rest)
{
    size_t bytes = 16 + (size_t)rest.length * 24;
    char *memory = (char *)alloca(bytes);
    memset(memory, rest.length, bytes);
    go_on(rest);
    sink = sink + (unsigned)memory[bytes - 1];
}

static APART void go_aligned(chain rest)
{
    char memory[256] __attribute__((aligned(128)));
    memset(memory, rest.length, sizeof memory);
    go_on(rest);
    sink = sink + (unsigned)memory[(unsigned)sink % sizeof memory];
}

static APART void go_aligned_with_alloca(chain rest)
{
    char memory[64] __attribute__((aligned(64)));
    char *more = (char *)alloca((size_t)(rest.length * 16 + 16));
    memset(memory, rest.length, sizeof memory);
    more[0] = (char)rest.length;
    go_on(rest);
    sink = sink + (unsigned)memory[(unsigned)sink % sizeof memory] + (unsigned)more[0];
}

static APART void go_large(chain rest)
{
    char memory[200000];
    memory[0] = (char)rest.length;
    __asm__ volatile("" : : "r"(memory) : "memory");
    go_on(rest);
    sink = sink + (unsigned)memory[0];
}

static APART int go_with_many(int a, int b, int c, int d, int e, int f, int g, int h, chain rest)
{
    int sum = a + b + c + d + e + f + g + h;
    go_on(rest);
    return sum + a * h;
}

static APART void go_with_arguments(chain rest)
{
    sink = sink + (unsigned)go_with_many(1, 2, 3, 4, 5, 6, 7, rest.length, rest);
}

static APART void go_as_tail(chain rest)
{
    go_plainly(rest);
}

/* Every register is in use, the frame pointer's, too, where it is free. */
static APART void go_with_registers(chain rest)
{
    unsigned a = sink, b = a * 3, c = b ^ 5, d = c + a, e = d * b, f = e - c, g = f ^ d;
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    go_on(rest);
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    sink = a + b + c + d + e + f + g;
}

static __thread chain rest_of_callback;
/* For functions that are declared to call nothing back. */
#define WRITTEN() __asm__ volatile("" : : : "memory")

static int compare_items(const void *a, const void *b)
{
    if (rest_of_callback.length >= 0) {
        chain rest = rest_of_callback;
        rest_of_callback.length = -1;
        go_on(rest);
    }
    return *(const int *)a - *(const int *)b;
}

static APART void go_through_qsort(chain rest)
{
    int items[3] = {3, 1, 2};
    rest_of_callback = rest;
    qsort(items, 3, sizeof *items, compare_items);
    sink = sink + (unsigned)items[0];
}

static void *thread_main(void *context)
{
    rh_heap_attach(heap);
    go_on(*(chain *)context);
    return NULL;
}

static APART void go_in_thread(chain rest)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (pthread_create(&thread, &attributes, thread_main, &rest) == 0)
        pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    rh_heap_attach(heap);
}

static void on_signal(int number)
{
    chain rest = rest_of_callback;
    (void)number;
    go_on(rest);
    sink = sink + 1;
}

static APART void go_through_signal(chain rest)
{
    rest_of_callback = rest;
    WRITTEN();
    raise(SIGUSR1);
}

/* On a stack of its own; once, or a coroutine's signal would begin there anew. AddressSanitizer
 * gives threads alternate stacks that are too small. */
static APART void go_through_alternate(chain rest)
{
    static __thread volatile int is_there;
#ifdef __SANITIZE_ADDRESS__
    is_there = 1;
#endif
    rest_of_callback = rest;
    WRITTEN();
    raise(is_there++ ? SIGUSR1 : SIGUSR2);
    is_there--;
}

static APART void go_through_jump(chain rest)
{
    jmp_buf here;
    if (setjmp(here) == 0)
        longjmp(here, 1);
    go_on(rest);
    sink = sink + 1;
}

static void coroutine_main(void)
{
    chain rest = rest_of_callback;
    go_on(rest);
}

/* AddressSanitizer knows no stacks but those of threads. */
#ifdef __SANITIZE_ADDRESS__
static APART void go_in_coroutine(chain rest)
{
    rest_of_callback = rest;
    coroutine_main();
}
#else
static APART void go_in_coroutine(chain rest)
{
    enum { BYTES = STACK_BYTES };
    ucontext_t here, there;
    char *stack = (char *)malloc(BYTES);
    rest_of_callback = rest;
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = BYTES;
    there.uc_link = &here;
    makecontext(&there, coroutine_main, 0);
    WRITTEN();
    swapcontext(&here, &there);
    free(stack);
}
#endif

/* Two plugins that differ in the size of a frame alone: mapped at one address, one after the other,
 * they have the same return addresses. */
static const char *plugins[SOURCES];

static void callback_of_plugin(void *context)
{
    go_on(*(chain *)context);
}

static APART void go_through_plugin(chain rest)
{
    const char *file = plugins[rest.length % SOURCES];
    void *plugin = file ? dlopen(file, RTLD_NOW | RTLD_LOCAL) : NULL;
    void (*call)(void (*)(void *), void *);
    if (!plugin) {
        go_on(rest);
        return;
    }
    *(void **)&call = dlsym(plugin, "plugin_call");
    call(callback_of_plugin, &rest);
    dlclose(plugin);
}

#ifdef __cplusplus
static APART void go_through_catch(chain rest)
{
    try {
        go_on(rest);
        throw std::runtime_error("after");
    } catch (const std::exception &) {
        sink = sink + 1;
    }
}

struct on_leave {
    chain rest;
    ~on_leave()
    {
        go_on(rest);
    }
};

/* From a destructor, while an exception goes by. */
static APART void go_through_throw(chain rest)
{
    try {
        on_leave guard = {rest};
        throw 1;
    } catch (int) {
        sink = sink + 1;
    }
}

static APART void go_through_function(chain rest)
{
    std::function<void(chain)> function = [](chain left) {
        go_on(left);
        sink = sink + 1;
    };
    function(rest);
}
#endif

typedef struct shape {
    const char *name;
    void (*go)(chain rest);
    bool is_odd;
} shape;
/* clang-format off */
#define SHAPE(name) {#name, go_##name, false}
#define ODD_SHAPE(name) {#name, go_##name, true}
/* clang-format on */
static const shape shapes[] = {
    SHAPE(plainly),
    SHAPE(by_pointer),
    SHAPE(with_alloca),
    SHAPE(aligned),
    SHAPE(aligned_with_alloca),
    SHAPE(large),
    SHAPE(with_arguments),
    SHAPE(as_tail),
    SHAPE(with_registers),
    SHAPE(through_qsort),
    SHAPE(in_thread),
    ODD_SHAPE(through_signal),
    ODD_SHAPE(through_alternate),
    SHAPE(through_jump),
    ODD_SHAPE(in_coroutine),
    SHAPE(through_plugin),
#ifdef __cplusplus
    SHAPE(through_catch),
    SHAPE(through_throw),
    SHAPE(through_function),
#endif
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void go_on(chain rest)
{
    if (rest.length == 0) {
        make_and_drop();
        return;
    }
    chain next = {rest.shapes + 1, rest.length - 1};
    shapes[rest.shapes[0]].go(next);
}

/* ---- at random ------------------------------------------------------------------------------ */

static void describe(chain whole, char *text, size_t size)
{
    size_t at = 0;
    for (int i = 0; i < whole.length; i++) {
        int written = snprintf(text + at, size - at, "%s ", shapes[whole.shapes[i]].name);
        at += (size_t)written < size - at ? (size_t)written : 0;
    }
}

static void run(const unsigned char *numbers, int length)
{
    static char text[CHAIN_MAX * 32];
    chain whole = {numbers, length};
    describe(whole, text, sizeof text);
    chain_text = text;
    unsigned long before = asked;
    for (int i = 0; i < 3; i++)
        go_on(whole);
    for (int i = 0; i < length; i++)
        if (shapes[numbers[i]].is_odd)
            return;
#if defined(__x86_64__) && defined(__GLIBC__)
    if (asked != before) {
        fprintf(stderr, "the C library was asked about %s\n", text);
        exit(1);
    }
#else
    (void)before;
#endif
}

/* Stacks that no plugin is in ask for no modules, though others had one. */
static void search_seldom(void)
{
    static const unsigned char plain[] = {0, 0, 0};
    chain whole = {plain, 3};
    chain_text = "a plain chain after a plugin";
    void *stays = plugins[0] ? dlopen(plugins[whole.length % SOURCES], RTLD_NOW) : NULL;
    go_through_plugin(whole);
    unsigned long counts[100];
    for (int i = 0; i < 100; i++) {
        go_on(whole);
        counts[i] = searched;
    }
    if (stays)
        dlclose(stays);
    if (counts[99] != counts[2]) {
        fprintf(stderr, "the modules were searched %lu times\n", counts[99] - counts[2]);
        exit(1);
    }
}

/* A frame pointer that was written over leads nowhere: the stack ends there. */
static APART void drop_in_smashed_frame(void)
{
    uint64_t *frame = (uint64_t *)__builtin_frame_address(0), kept = *frame;
    *frame = 0x5a5a5a5a5a5a5a58;
    void *object = rh_new(heap, &node_type);
    const uint64_t *told = newest_stack();
    rh_release(object);
    *frame = kept;
    if (told[1] != (uint64_t)(uintptr_t)__builtin_return_address(0) || told[3]) {
        fprintf(stderr, "a smashed stack goes on: %#llx\n", (unsigned long long)told[3]);
        exit(1);
    }
}

static APART void smash(size_t bytes)
{
    char *memory = (char *)alloca(bytes);
    memset(memory, 1, bytes);
    drop_in_smashed_frame();
    sink = sink + (unsigned)memory[bytes - 1];
}

static void begin(void)
{
    static char options[] = "history=all,stacks=16,gc=off", alternate[STACK_BYTES];
    rh_field next = RH_STRONG(node, next), end = RH_FIELDS_END;
    stack_t stack;
    struct sigaction action;
    node_fields[0] = next;
    node_fields[1] = end;
    node_type.name = "node";
    node_type.size = sizeof(node);
    node_type.fields = node_fields;
    setenv("REFHEAP_OPTIONS", options, 1);
    heap = rh_heap_create(NULL);
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = alternate;
    stack.ss_size = sizeof alternate;
    sigaltstack(&stack, NULL);
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_NODEFER;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_NODEFER | SA_ONSTACK;
    sigaction(SIGUSR2, &action, NULL);
}

int main(int argc, char **argv)
{
    int seed = argc > 1 ? atoi(argv[1]) : 1, chains = argc > 2 ? atoi(argv[2]) : 400;
    unsigned char numbers[CHAIN_MAX];
    for (int i = 0; i < SOURCES; i++)
        plugins[i] = argc > 3 + i ? argv[3 + i] : NULL;
    begin();
    for (unsigned char i = 0; i < SHAPES; i++)
        for (int length = 1; length < 4; length++) {
            memset(numbers, i, sizeof numbers);
            run(numbers, length);
        }
    srand((unsigned)seed);
    for (int i = 0; i < chains; i++) {
        int length = 1 + rand() % (CHAIN_MAX - 1);
        for (int k = 0; k < length; k++)
            numbers[k] = (unsigned char)(rand() % (int)SHAPES);
        run(numbers, length);
    }
    search_seldom();
    chain_text = "a smashed frame";
    smash(argc > 100 ? 10 : 100);
    rh_heap_destroy(heap);
    printf("compared %lu stacks\n", compared);
    return compared < 1000;
}
