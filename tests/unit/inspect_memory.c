/* inspect_memory.c - memory that is short: every command answers the same or says so, and the
 * next one works. And how much of it a command takes.
 *
 * Linked with --wrap for malloc, calloc, realloc, free, strdup and strndup of the engine; jansson
 * gets the same through its own hook. And for time, whose clock stands still. Invariant: nothing
 * fails unless a test asked for it. */
#include "inspect_test.h"
#include "own_folder.h"

#include <malloc.h>
#include <time.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
time_t __wrap_time(time_t *now);

/* The same always: a page tells when it was written, and its size when packed hangs on that. */
time_t __wrap_time(time_t *now)
{
    if (now)
        *now = 1000000000;
    return 1000000000;
}

static long left = -1; /* allocations that work before one fails; -1: all do */
static bool from_then_on, did_fail;

static bool fails(void)
{
    if (left < 0)
        return false;
    if (left > 0) {
        left--;
        return false;
    }
    did_fail = true;
    if (!from_then_on)
        left = -1;
    return true;
}

static int64_t in_use, peak; /* bytes */

static void *taken(void *memory)
{
    in_use += (int64_t)malloc_usable_size(memory);
    peak = in_use > peak ? in_use : peak;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : taken(__real_malloc(size));
}
void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : taken(__real_calloc(count, size));
}
void *__wrap_realloc(void *old, size_t size)
{
    if (fails())
        return NULL;
    int64_t before = (int64_t)malloc_usable_size(old);
    void *grown = __real_realloc(old, size);
    in_use -= grown ? before : 0;
    return grown ? taken(grown) : NULL;
}
void __wrap_free(void *old)
{
    in_use -= (int64_t)malloc_usable_size(old);
    __real_free(old);
}
char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : taken(__real_strdup(text));
}
char *__wrap_strndup(const char *text, size_t size)
{
    return fails() ? NULL : taken(__real_strndup(text, size));
}

static const struct {
    const char *command, *line;
} asks[] = {{"objat", "#2"},
            {"objat", "--ledger --limit=3 #2"},
            {"objat", "--history #2"},
            {"refs", "--path --depth=3 #2"},
            {"gcgraph", "--depth 3 #1, #2"},
            {"gcgraph", ""},
            {"gcfind", "--type='n*' --min-size=20 --unreachable"},
            {"gcfind", "--site='a*'"},
            {"gcstat", ""},
            {"gcstat", "--sites"},
            {"gcverify", ""},
            {"gcleaks", ""},
            {"gcfind", "--unreachable"},
            {"gcquery", "select *, retained, leaked, referrers from objects"},
            {"gcquery", "select id from objects where id = 'node#1' or type = 'node'"},
            {"gcquery", "select * from refs r left join objects o on o.id = r.target"},
            {"gcquery", "--csv select * from refs where target = 'node#1'"},
            {"gcquery", "select * from holders union all select *, 1, 1, 1 from fields"},
            {"gcquery", "select *, (select count(*) from leaks) from stale"},
            {"gcquery", "select * from cycles join cycle_members using (cycle)"},
            {"gcquery", "select * from types, heaps, threads"},
            {"gcquery", "select * from sites, history"},
            {"gcquery", "--file=within-three node#1"},
            {"gcexport", "--force inspect_memory.sqlite"},
#ifdef REFHEAP_PAGE
            {"gcexport", "--force inspect_memory.html"},
#endif
            {"gcexport", "--force inspect_memory.heapsnapshot"}};

/* From one allocation that fails to the next: gcquery has many, and an export most of the same.
 * Odd, so that one fails, or all from there on. The sanitizers see what else comes of it: with them
 * all are tried, and without some of the same. */
#ifdef __SANITIZE_ADDRESS__
enum { STEP = 1 };
#else
enum { STEP = 5 };
#endif

static long step_of(const char *command)
{
    return STEP * (strcmp(command, "gcexport") == 0 ? 21 : strcmp(command, "gcquery") == 0 ? 3 : 1);
}

static world small(int layout)
{
    world w = world_new(layout);
    uint64_t a = new_node(&w, 2), b = new_node(&w, 2);
    fake_link(w.heap, a, NEXT, b);
    fake_link(w.heap, b, NEXT, a);
    fake_map(w.t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, 0x7ffe00001000);
    fake_register(w.t, "rbx", a);
    fake_put(w.t, 0x7ffe00001800, b, 8);
    fake_root(w.heap, 0x7ffe00001808, "root");
    fake_event(w.heap, RH_EVENT_FREE, b, 9, w.node, RH_DEATH_COLLECT);
    uint64_t lost = new_node(&w, 1), dead = new_node(&w, 1);
    fake_link(w.heap, lost, NEXT, lost); /* garbage */
    fake_link(w.heap, lost, OTHER, dead);
    fake_put(w.t, 0x7ffe00001810, dead, 8);
    fake_free_object(w.heap, dead, RH_DEATH_RELEASE);
    fake_born(w.heap, a, fake_site(w.space, "/a/b.c", "f", 3));
    fake_born(w.heap, lost, fake_site(w.space, "a.c", NULL, 4));
    /* one history of two rings */
    fake_ring_mark(w.heap, 0, 1000, 77);
    fake_ring_event(w.heap, RH_EVENT_FREE, b, 9, 0, w.node, RH_DEATH_RELEASE, 0);
    fake_ring_event(w.heap, RH_EVENT_ALLOC, b, 2, 0, w.node, RH_DEATH_NONE, 0);
    fake_traced_event(w.heap, 0, 2000, RH_EVENT_RETAIN, b, 2, w.node);
    return w;
}

START_TEST(a_failing_allocation_is_told_or_changes_nothing)
{
    for (unsigned ask_index = 0; ask_index < sizeof asks / sizeof *asks; ask_index++) {
        world w = small(_i);
        MUST(fake_run(w.t, asks[ask_index].command, asks[ask_index].line) == RHI_ANSWERED);
        char *whole = __real_strdup(w.t->out.bytes);
        unsigned told = 0;
        for (long k = 0; k < 10000; k += step_of(asks[ask_index].command)) {
            from_then_on = k % 2;
            did_fail = false;
            w.t->state++;
            left = k / 2;
            int status = fake_run(w.t, asks[ask_index].command, asks[ask_index].line);
            left = -1;
            if (!did_fail) {
                k = 10000;
                MUST(told > 0);
            }
            if (status == RHI_NO_ANSWER) {
                MUST(w.t->out.size == 0);
                if (!strstr(w.t->err.bytes, "memory is short"))
                    ck_abort_msg("allocation %ld of %s %s: %s", k / 2, asks[ask_index].command,
                                 asks[ask_index].line, w.t->err.bytes);
                told++;
            } else {
                MUST(status == RHI_ANSWERED);
                if (strcmp(w.t->out.bytes, whole) != 0)
                    ck_assert_msg(strstr(w.t->out.bytes, "incomplete: ") ||
                                      strstr(w.t->err.bytes, "incomplete: "), /* of --csv */
                                  "allocation %ld of %s %s: %.900s", k / 2, asks[ask_index].command,
                                  asks[ask_index].line, w.t->out.bytes);
            }
            MUST(fake_run(w.t, asks[ask_index].command, asks[ask_index].line) == RHI_ANSWERED);
            if (strcmp(w.t->out.bytes, whole) != 0)
                ck_abort_msg("after allocation %ld of %s %s failed: %.900s", k / 2,
                             asks[ask_index].command, asks[ask_index].line, w.t->out.bytes);
        }
        free(whole);
        world_free(&w);
    }
}
END_TEST

START_TEST(json_stays_valid_when_memory_is_short)
{
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    for (unsigned ask_index = 0; ask_index < sizeof asks / sizeof *asks; ask_index++) {
        world w = small(_i);
        char line[200];
        snprintf(line, sizeof line, "--json %s", asks[ask_index].line);
        for (long k = 0; k < 3000; k += step_of(asks[ask_index].command)) {
            from_then_on = k % 2;
            did_fail = false;
            w.t->state++;
            left = k / 2;
            int status = fake_run(w.t, asks[ask_index].command, line);
            left = -1;
            MUST(status == RHI_ANSWERED || status == RHI_NO_ANSWER);
            json_t *json = json_loads(w.t->out.bytes, JSON_REJECT_DUPLICATES, NULL);
            /* not even --json could be read */
            if (!json && !strstr(w.t->err.bytes, "memory is short"))
                ck_abort_msg("allocation %ld of %s %s: %.600s%s", k / 2, asks[ask_index].command,
                             line, w.t->out.bytes, w.t->err.bytes);
            json_decref(json);
            if (!did_fail)
                break;
        }
        world_free(&w);
    }
}
END_TEST

/* Nothing is said of a variable then, or the same; and the next answer is whole. */
START_TEST(a_variable_is_described_in_full_or_not_at_all)
{
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    world w = small(_i);
    uint64_t first = w.heap->slabs[0].base;
    char *whole = __real_strdup(rhi_session_describe(w.t->session, &w.t->target, first, 9, 9));
    ck_assert_has(whole, "node#1 rc=2");
    did_fail = true;
    long k = 0;
    for (; did_fail; k++) {
        from_then_on = k % 2;
        did_fail = false;
        w.t->state++;
        left = k / 2;
        if (k % 3 == 0) /* else what was opened before is used again */
            w.t->target.pid = w.t->target.pid ? 0 : -1;
        const char *text = rhi_session_describe(w.t->session, &w.t->target, first, 9, 9);
        left = -1;
        if (text && strcmp(text, whole) != 0 && !did_fail)
            ck_abort_msg("allocation %ld: %s", k / 2, text);
        if (text && strstr(text, "STALE"))
            ck_abort_msg("allocation %ld: %s", k / 2, text);
        text = rhi_session_describe(w.t->session, &w.t->target, first, 9, 9);
        MUST(text && strcmp(text, whole) == 0);
    }
    ck_assert_int_gt(k, 20);
    free(whole);
    world_free(&w);
}
END_TEST

/* The most that a question has at once where there are so many objects, each of which two others
 * refer to (the number of objects is no multiple of 7). */
static int64_t bytes_for(int layout, unsigned objects, const char *command, const char *line)
{
    static uint64_t nodes[1 << 13];
    int64_t first = in_use;
    world w = world_new(layout);
    MUST(objects % 7 && objects <= sizeof nodes / sizeof *nodes);
    for (unsigned i = 0; i < objects; i++)
        nodes[i] = new_node(&w, i ? 2 : 3);
    for (unsigned i = 0; i < objects; i++) {
        fake_link(w.heap, nodes[i], NEXT, nodes[(i + 1) % objects]);
        fake_link(w.heap, nodes[i], OTHER, nodes[(i * 7 + 3) % objects]);
    }
    int64_t before = peak = in_use;
    MUST(fake_run(w.t, command, line) == RHI_ANSWERED);
    int64_t most = peak - before;
    world_free(&w);
    /* nothing of an object is freed that was not counted; the texts that libc makes are a few */
    MUST(llabs(in_use - first) < objects);
    return most;
}

/* What is needed for any heap is left out by the difference. A page has more of each object that is
 * on it, which are no more than 100,000: 144 bytes in one layout and 209 in the other. (SQLite
 * keeps pages of a file that it writes, of which this heap's are too few to fill the room for
 * them.) */
START_TEST(an_answer_takes_few_bytes_of_each_object)
{
    enum { SOME = 3001, MORE = 8003, BYTES = 60, BYTES_ON_A_PAGE = 220, BYTES_IN_A_SNAPSHOT = 66 };
    static const struct {
        const char *command, *line;
        int64_t most;
    } whole[] = {{"gcstat", "", BYTES},
                 {"gcgraph", "#5", BYTES},
                 {"gcgraph", "", BYTES},
                 {"gcleaks", "", BYTES},
                 {"gcverify", "", BYTES},
                 {"gcfind", "--unreachable", BYTES},
#ifdef REFHEAP_PAGE
                 {"gcexport", "--force inspect_memory.html", BYTES_ON_A_PAGE},
#endif
                 {"gcexport", "--force inspect_memory.heapsnapshot", BYTES_IN_A_SNAPSHOT}};
    json_set_alloc_funcs(__wrap_malloc, __wrap_free); /* the engine frees texts that jansson made */
    for (unsigned i = 0; i < sizeof whole / sizeof *whole; i++) {
        int64_t each = (bytes_for(_i, MORE, whole[i].command, whole[i].line) -
                        bytes_for(_i, SOME, whole[i].command, whole[i].line)) /
                       (MORE - SOME);
        ck_assert_msg(each > 0 && each <= whole[i].most,
                      "%s %s takes %" PRId64 " bytes of an object", whole[i].command, whole[i].line,
                      each);
    }
}
END_TEST

RUN_TESTS("inspect_memory", a_failing_allocation_is_told_or_changes_nothing,
          json_stays_valid_when_memory_is_short, a_variable_is_described_in_full_or_not_at_all,
          an_answer_takes_few_bytes_of_each_object)
