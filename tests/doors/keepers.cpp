/* keepers.cpp - objects whose only holders are blocks of malloc that libc, the C++ runtime or the
 * program itself keeps in unusual places. Nothing is lost. Says how many objects there are, and
 * waits:
 *
 *     {"checkpoint": 0, "objects": N}
 *
 * Invariant: each object is held by one block (a `keeper`), and each keeper by the facility that
 * it is given to; the stack below is cleared, so that no other word leads to a keeper. */
#include <refheap/refheap.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <map>
#include <memory>
#include <pthread.h>
#include <search.h>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

struct keeper {
    long number;
    void *object;
};

static rh_type thing_type;
static rh_heap *heap;
static int made;
static pthread_barrier_t ready;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a heap is for one thread at a time */

static keeper *keep()
{
    pthread_mutex_lock(&lock);
    keeper *k = new keeper{made++, rh_new(heap, &thing_type)};
    if (!k->object)
        abort();
    pthread_mutex_unlock(&lock);
    return k;
}

/* ---- containers ----------------------------------------------------------------------------- */

static std::map<int, std::unique_ptr<keeper>> *tree;
static std::unordered_map<std::string, std::shared_ptr<keeper>> table;
static std::vector<keeper> *values;
static volatile uintptr_t tagged[3];
static void *volatile inside;

static void containers()
{
    tree = new std::map<int, std::unique_ptr<keeper>>;
    values = new std::vector<keeper>;
    for (int i = 0; i < 20; i++) {
        (*tree)[i * 7 % 20].reset(keep());
        table["name of some length " + std::to_string(i)].reset(keep());
        std::unique_ptr<keeper> k(keep());
        values->push_back(*k);
    }
    for (int i = 0; i < 3; i++)
        tagged[i] = (uintptr_t)keep() | (i == 0 ? 1 : i == 1 ? 7 : (uintptr_t)0xfffc << 48);
    char *block = (char *)calloc(1, 4000); /* known by its end alone, as some arrays are */
    keeper *k = keep();
    memcpy(block, &k, sizeof k);
    inside = block + 4000;
}

/* ---- the C library -------------------------------------------------------------------------- */

static int nothing(const void *, const void *)
{
    return -1;
}
static ssize_t no_bytes(void *, char *, size_t)
{
    return 0;
}
static void *search_tree, *volatile through_aligned;

static void on_exit_with(int, void *)
{
}

static void keys()
{
    /* the first 32 lie in the thread, the others in a block of their own */
    for (int i = 0; i < 40; i++) {
        pthread_key_t key;
        if (pthread_key_create(&key, nullptr) == 0)
            pthread_setspecific(key, keep());
    }
}

static void library()
{
    keys();
    on_exit(on_exit_with, keep());
    for (int i = 0; i < 5; i++)
        tsearch(keep(), &search_tree, nothing);
    cookie_io_functions_t functions = {no_bytes, nullptr, nullptr, nullptr};
    if (!fopencookie(keep(), "r", functions))
        abort();
    hcreate(10);
    ENTRY entry = {strdup("key"), keep()};
    hsearch(entry, ENTER);
    timer_t timer;
    sigevent event = {};
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = [](sigval) {};
    event.sigev_value.sival_ptr = keep();
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        abort();
    void **big = (void **)malloc(1 << 20); /* has a mapping of its own */
    void **aligned = nullptr;
    if (!big || posix_memalign((void **)&aligned, 4096, 8192) != 0)
        abort();
    memset(big, 0, 1 << 20);
    memset(aligned, 0, 8192);
    big[5000] = keep();
    aligned[700] = big;
    inside = realloc((char *)inside - 4000, 6000);
    through_aligned = aligned;
}

/* ---- C++ ------------------------------------------------------------------------------------ */

struct with_destructor {
    keeper *k = nullptr;
    ~with_destructor()
    {
    }
};

static std::exception_ptr caught;

static void runtime()
{
    static with_destructor here;
    here.k = keep();
    try {
        throw std::unique_ptr<keeper>(keep()).release();
    } catch (keeper *) {
        caught = std::current_exception();
    }
}

/* ---- threads and stacks --------------------------------------------------------------------- */

static thread_local std::unique_ptr<std::vector<keeper *>> of_thread;

static void __attribute__((noinline)) fill_thread()
{
    keys();
    of_thread.reset(new std::vector<keeper *>);
    for (int i = 0; i < 10; i++)
        of_thread->push_back(keep());
}

static void __attribute__((noinline)) clear_stack()
{
    volatile char bytes[1 << 15];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
}

static void *worker(void *)
{
    fill_thread();
    clear_stack();
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return nullptr;
}

static void *idle(void *) /* its argument lies in its struct pthread alone */
{
    clear_stack();
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return nullptr;
}

static void *short_lived(void *)
{
    std::vector<std::unique_ptr<char[]>> many;
    for (int i = 0; i < 1000; i++)
        many.emplace_back(new char[i]);
    keeper *k = keep();
    pthread_barrier_wait(&ready);
    return k; /* until somebody joins it */
}

static ucontext_t *context, back;

static void coroutine() /* what it holds lies on its own stack, in a block */
{
    keeper *volatile k = keep();
    swapcontext(context, &back);
    (void)k;
}

static void threads()
{
    pthread_t thread;
    pthread_barrier_init(&ready, nullptr, 4);
    pthread_create(&thread, nullptr, short_lived, nullptr);
    pthread_create(&thread, nullptr, worker, nullptr);
    pthread_create(&thread, nullptr, idle, keep());
    pthread_barrier_wait(&ready);
}

static void coroutines()
{
    context = (ucontext_t *)calloc(1, sizeof *context);
    getcontext(context);
    context->uc_stack.ss_size = 64 << 10;
    context->uc_stack.ss_sp = malloc(context->uc_stack.ss_size);
    context->uc_link = &back;
    makecontext(context, coroutine, 0);
    swapcontext(&back, context);
}

static void __attribute__((noinline)) build()
{
    static char buffer[1 << 12];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    thing_type.name = "thing";
    thing_type.size = sizeof(rh_object) + 16;
    heap = rh_heap_create(nullptr);
    containers();
    library();
    runtime();
    threads();
    coroutines();
    printf("{\"checkpoint\": 0, \"objects\": %d}\n", made);
    fflush(stdout);
}

int main()
{
    build();
    clear_stack();
    for (;;)
        pause();
}
