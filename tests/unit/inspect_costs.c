/* inspect_costs.c - small hostile cores (hostile.h): every question is answered, with bounded
 * work, and says what it left out.
 *
 * Work is counted, not timed: bytes read, memory taken, looks at the user. Invariant: the bounds
 * are the same for all cores, and far below what each of them claims. */
#define _GNU_SOURCE
#include "hostile.h"
#include "inspect_test.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *command, *line;
} questions[] = {{"gcstat", ""},        {"gcfind", ""},           {"gcleaks", ""},
                 {"gcstale", ""},       {"gcverify", ""},         {"gcgraph", ""},
                 {"objat", "#1"},       {"objat", "--ledger #1"}, {"refs", "#1"},
                 {"refs", "--path #1"}, {"refs", "--path #3"},    {"gcfind", "--unreachable"}};
#ifdef __SANITIZE_ADDRESS__
enum { MEMORY_KIB = 4 << 20, FARTHER = 256 }; /* of the memory most is not the engine's */
#else
enum { MEMORY_KIB = 512 << 10, FARTHER = 16 };
#endif
enum {
    QUESTIONS = sizeof questions / sizeof *questions,
    STEP_BYTES = 16 << 20,
    NOTHING_MORE = 1 << 20
}; /* FARTHER: times as many looks from one interrupt to the next */
#define READ_BYTES (1ull << 30)

typedef struct door {
    rhi_target target;
    char *out;
    size_t size;
    FILE *stream;
    uint64_t polls, stop_at;          /* stop_at: the poll at which the user interrupts; 0: never */
    uint64_t last_read, longest_step; /* bytes read between two polls */
    double last_time, longest_wait;   /* seconds between two; only told */
} door;

/* Asked millions of times: the file stays open. */
static uint64_t bytes_read(void)
{
    static int file = -1;
    char text[256];
    if (file < 0)
        file = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
    ssize_t got = pread(file, text, sizeof text - 1, 0);
    MUST(got > 0);
    text[got] = '\0';
    const char *row = strstr(text, "rchar: ");
    MUST(row);
    return strtoull(row + 7, NULL, 10);
}

static void emit(void *context, int stream, const char *text, uint64_t size)
{
    door *d = context;
    if (stream == RHI_STREAM_OUT)
        fwrite(text, 1, size, d->stream);
}

/* The engine hands the core's own context to the target's functions. */
static door *current;

static void emit_to_current(void *context, int stream, const char *text, uint64_t size)
{
    (void)context;
    emit(current, stream, text, size);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int was_interrupted(void *context)
{
    if (current->stop_at && current->polls + 1 < current->stop_at) {
        current->polls++; /* what is read before the interrupt does not matter */
        return 0;
    }
    uint64_t now = bytes_read();
    double time = seconds();
    (void)context;
    if (current->polls && time - current->last_time > current->longest_wait)
        current->longest_wait = time - current->last_time;
    current->last_time = seconds();
    if (current->last_read && now - current->last_read > current->longest_step)
        current->longest_step = now - current->last_read;
    current->last_read = now;
    return ++current->polls >= current->stop_at && current->stop_at;
}

static void door_open(door *d, const char *path)
{
    char error[256];
    *d = (door){.polls = 0};
    ck_assert_msg(rhi_target_open_core(path, NULL, &d->target, error, sizeof error) == 0, "%s",
                  error);
    d->target.emit = emit_to_current;
    d->target.interrupted = was_interrupted;
    current = d;
}

/* The answer, parsed; NULL: none. */
static json_t *put_question(door *d, unsigned question, int *status)
{
    char line[64];
    rhi_session *session = rhi_session_new();
    MUST(session);
    rhi_session_set(session, RHI_POLL_MILLISECONDS, -1); /* at every look */
    d->stream = open_memstream(&d->out, &d->size);
    snprintf(line, sizeof line, "--json %s", questions[question].line);
    *status = rhi_session_run(session, &d->target, questions[question].command, line);
    fclose(d->stream);
    fake_keep_answer(d->out, d->size);
    json_t *json = json_loads(d->out, 0, NULL);
    free(d->out);
    rhi_session_free(session);
    return json;
}

static bool has_reason(const json_t *json, const char *wanted)
{
    size_t index;
    json_t *reason;
    json_array_foreach(json_object_get(json, "incomplete_because"), index,
                       reason) if (strstr(json_string_value(reason), wanted)) return true;
    return false;
}

static void must_not_be_certain(const hostile_core *core, const json_t *json)
{
    size_t index;
    json_t *leak;
    json_array_foreach(json_object_get(json, "leaks"), index, leak)
        ck_assert_msg(!core->said || strcmp(json_string_value(json_object_get(leak, "cause")),
                                            "lost_reference") != 0,
                      "%s: %s", core->name, json_dumps(leak, 0));
}

/* The core is not written by the process whose memory is measured. */
static void write_apart(const hostile_core *core, char *path)
{
    close(mkstemp(path));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        core->write(path);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static void must_be_bounded(const hostile_core *core, unsigned question, const door *d,
                            uint64_t read)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%-9s %-6s %-14s %10.1f MiB read, %7.1f MiB of memory, %8" PRIu64
           " polls, at most %6.1f MiB and %5.0f ms between two\n",
           core->name, questions[question].command, questions[question].line,
           (double)read / (1 << 20), (double)usage.ru_maxrss / 1024, d->polls,
           (double)d->longest_step / (1 << 20), d->longest_wait * 1000);
    ck_assert_uint_lt(read, READ_BYTES);
    ck_assert_int_lt(usage.ru_maxrss, MEMORY_KIB);
    ck_assert_uint_lt(d->longest_step, STEP_BYTES);
}

/* Returns how often the question looked at the user. */
static uint64_t must_answer(const hostile_core *core, const char *path, unsigned question)
{
    const char *command = questions[question].command;
    door d;
    int status;
    door_open(&d, path);
    uint64_t before = bytes_read();
    json_t *json = put_question(&d, question, &status);
    /* and then its end */
    if (d.polls && seconds() - d.last_time > d.longest_wait)
        d.longest_wait = seconds() - d.last_time;
    ck_assert_msg(status == RHI_ANSWERED && json, "%s %s %s: status %d", core->name, command,
                  questions[question].line, status);
    must_be_bounded(core, question, &d, bytes_read() - before);
    must_not_be_certain(core, json);
    if (strcmp(command, "gcverify") == 0)
        ck_assert_msg(core->said ? has_reason(json, core->said)
                                 : json_is_true(json_object_get(json, "complete")),
                      "%s: %s", core->name,
                      json_dumps(json_object_get(json, "incomplete_because"), 0));
    json_decref(json);
    rhi_target_close(&d.target);
    return d.polls;
}

/* Hardly anything is read any more, and there is no answer. */
static void must_hear(const hostile_core *core, const char *path, unsigned question,
                      uint64_t stop_at)
{
    const char *command = questions[question].command;
    door d;
    int status;
    door_open(&d, path);
    d.stop_at = stop_at;
    json_t *json = put_question(&d, question, &status);
    ck_assert_msg(d.polls >= stop_at, "%s %s: ended after %" PRIu64 " polls", core->name, command,
                  d.polls);
    uint64_t after = bytes_read() - d.last_read;
    ck_assert_int_eq(status, RHI_NO_ANSWER);
    const char *error = json_string_value(json_object_get(json, "error"));
    ck_assert_msg(error && strcmp(error, "cancelled") == 0, "%s %s: %s", core->name, command,
                  error);
    ck_assert_uint_lt(after, NOTHING_MORE);
    json_decref(json);
    rhi_target_close(&d.target);
}

/* An answer with bounded work, or an interrupt anywhere on the way to it. */
START_TEST(every_question_has_bounds)
{
    const hostile_core *core = &hostile_cores[_i];
    char path[] = "/tmp/refheap-test-XXXXXX";
    uint64_t polls[QUESTIONS];
    write_apart(core, path);
    for (unsigned i = 0; i < QUESTIONS; i++)
        polls[i] = must_answer(core, path, i);
    for (unsigned i = 0; i < QUESTIONS; i++)
        for (uint64_t stop_at = 1; stop_at <= polls[i]; stop_at *= FARTHER)
            must_hear(core, path, i, stop_at);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect_costs");
    TCase *tcase = tcase_create("inspect_costs");
    tcase_set_timeout(tcase, 240); /* for what hangs: all questions take a few seconds */
    tcase_add_loop_test(tcase, every_question_has_bounds, 0, (int)hostile_core_count);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
