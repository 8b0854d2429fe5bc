/* inspect_hostile.c - memory and core files that lie: every command answers or says what is
 * wrong.
 *
 * A valid heap of everything (two copies of the runtime, roots, history, vectors, a stack, module
 * data) is damaged at random, a few places at a time, and asked from all sides. What must hold:
 * exit status 0 or 2, valid JSON, no sanitizer report, an end (alarm). The rounds are the same in
 * every run; without a sanitizer, which sees what else they do, the first of them are enough. */
#define _GNU_SOURCE
#include "inspect_test.h"
#include "fake_core.h"
#include "fake_scene.h"

#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
enum { ROUNDS = 1500, CORE_ROUNDS = 400 };
#else
enum { ROUNDS = 300, CORE_ROUNDS = 80 };
#endif
enum { ROUND_SECONDS = 60, MUTATIONS_MAX = 6 };

static uint64_t roll(scene *s, uint64_t sides)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return s->random % sides;
}

/* A value that a corrupt word might have. */
static uint64_t strange(scene *s)
{
    static const uint64_t values[] = {0,
                                      1,
                                      2,
                                      7,
                                      63,
                                      64,
                                      4096,
                                      65535,
                                      65536,
                                      1ull << 20,
                                      INT32_MAX,
                                      1ull << 31,
                                      UINT32_MAX,
                                      1ull << 32,
                                      1ull << 40,
                                      INT64_MAX,
                                      1ull << 63,
                                      UINT64_MAX,
                                      UINT64_MAX - 7,
                                      UINT64_MAX - 4095};
    switch (roll(s, 4)) {
    case 0:
        return values[roll(s, sizeof values / sizeof *values)];
    case 1:
        return s->addresses[roll(s, s->address_count)] + roll(s, 3) * 8;
    case 2: { /* somewhere in memory */
        const fake_segment *at = &s->w.t->segments[roll(s, s->w.t->segment_count)];
        return at->start + roll(s, at->end - at->start);
    }
    default:
        return roll(s, 300);
    }
}

static void damage(scene *s, uint8_t *bytes, uint64_t size)
{
    static const unsigned widths[] = {1, 2, 4, 8, 8};
    unsigned width = widths[roll(s, 5)];
    if (size < 8)
        return;
    uint64_t at = roll(s, size - 7), value = strange(s);
    if (width == 8)
        at &= ~7ull;
    if (roll(s, 4) == 0)
        bytes[at] ^= (uint8_t)(1u << roll(s, 8));
    else
        memcpy(bytes + at, &value, width);
}

/* One word of the memory, mostly where bytes have a meaning. */
static void damage_memory(scene *s)
{
    fake_target *t = s->w.t;
    uint64_t start, size;
    switch (roll(s, 6)) {
    case 0:
        start = s->w.space->descriptor;
        size = sizeof(struct rh_metadata_descriptor);
        break;
    case 1:
        start = s->w.space->constants + roll(s, RH_MC_COUNT) * s->w.space->constant_size +
                (roll(s, 8) ? 40 : 0);
        size = 8;
        break;
    case 2:
        start = roll(s, 2) ? fake_type_row(s->w.space, 0) : s->fields[roll(s, 2)];
        size = roll(s, 2) ? 0x180 : 0x80;
        break;
    case 3:
        start = s->w.heap->chunk;
        size = 0x400;
        break;
    case 4:
        start = s->w.heap->slabs[roll(s, s->w.heap->slab_count)].base;
        size = 0x400;
        break;
    default: {
        const fake_segment *at = &t->segments[roll(s, t->segment_count)];
        start = at->start;
        size = at->end - start < 0x800 || roll(s, 3) == 0 ? at->end - start : 0x800;
    }
    }
    damage(s, fake_bytes(t, start, size), size);
}

static void check_status(const scene *s, int status)
{
    ck_assert_msg(status == RHI_ANSWERED || status == RHI_NO_ANSWER, "exit status %d", status);
    const fake_target *t = s->w.t;
    MUST(status != RHI_NO_ANSWER ||
         (t->err.size && t->err.bytes[t->err.size - 1] == '\n' && !t->out.size));
    MUST(t->out.size < 1 << 24 && t->err.size < 1 << 24);
}

/* A few variables, between which the program may have run on. */
static void describe_some(scene *s)
{
    static const uint64_t most[] = {0, 5, 300, UINT64_MAX};
    for (unsigned i = 0; i < 8; i++) {
        uint64_t address = roll(s, 4) ? s->addresses[roll(s, s->address_count)] : strange(s);
        const char *text = rhi_session_describe(s->w.t->session, &s->w.t->target, address,
                                                most[roll(s, 3)], most[roll(s, 4)]);
        json_t *json =
            text ? json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL) : NULL;
        MUST(!text || json_is_object(json));
        json_decref(json);
        if (roll(s, 3) == 0)
            s->w.t->state++;
    }
}

/* A handful of questions, each in text or JSON. */
static void ask_all(scene *s)
{
    static const char *const options[] = {"",
                                          "--ledger",
                                          "--history --limit=3",
                                          "--path --weak --depth=3",
                                          "--in",
                                          "--cycles --depth=3",
                                          "--garbage",
                                          "--limit=0",
                                          "--unreachable",
                                          "--min-size=40 --type='?*'",
                                          "--finalized --min-refs=1",
                                          "--site='*:*'",
                                          "--sites"};
    static const struct {
        const char *command;
        unsigned options[4];
    } asks[] = {{"objat", {0, 1, 2, 7}},    {"refs", {0, 3, 4, 7}},    {"gcgraph", {0, 5, 6, 7}},
                {"gcfind", {11, 8, 9, 10}}, {"gcleaks", {0, 0, 7, 7}}, {"gcstale", {0, 0, 7, 7}},
                {"gcstat", {0, 12, 7, 12}}};
    enum { ASKS = sizeof asks / sizeof *asks, WITH_OPERAND = 3 };
    alarm(ROUND_SECONDS);
    describe_some(s);
    for (unsigned i = 0; i < 2 * ASKS; i++) {
        char line[128], operand[64];
        int status;
        uint64_t address = roll(s, 4) ? s->addresses[roll(s, s->address_count)] : strange(s);
        snprintf(operand, sizeof operand, roll(s, 6) ? "0x%" PRIx64 : "#%" PRIu64,
                 address % (roll(s, 9) ? UINT64_MAX : 20));
        if (i % ASKS >= WITH_OPERAND || (i % ASKS == WITH_OPERAND - 1 && roll(s, 2)))
            operand[0] = '\0';
        snprintf(line, sizeof line, "%s %s", options[asks[i % ASKS].options[roll(s, 4)]], operand);
        if (roll(s, 2))
            json_decref(fake_json_status(s->w.t, asks[i % ASKS].command, line, &status));
        else
            check_status(s, fake_run(s->w.t, asks[i % ASKS].command, line));
        if (roll(s, 3) == 0)
            s->w.t->state++;
    }
    int status;
    if (roll(s, 2))
        json_decref(fake_json_status(s->w.t, "gcverify", roll(s, 2) ? "" : "--limit=0", &status));
    else
        check_status(s, fake_run(s->w.t, "gcverify", ""));
    alarm(0);
}

START_TEST(damaged_memory)
{
    scene *s = scene_new(_i);
    fake_target *t = s->w.t;
    uint8_t *copies[FAKE_SEGMENTS_MAX];
    for (unsigned i = 0; i < t->segment_count; i++) {
        uint64_t size = t->segments[i].end - t->segments[i].start;
        copies[i] = malloc(size);
        MUST(copies[i]);
        memcpy(copies[i], t->segments[i].bytes, size);
    }
    json_decref(fake_json(t, "gcgraph", "")); /* undamaged, it answers */
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (uint64_t k = 1 + roll(s, MUTATIONS_MAX); k; k--)
            damage_memory(s);
        unsigned hidden = (unsigned)roll(s, t->segment_count * 4);
        if (hidden < t->segment_count)
            t->segments[hidden].hidden = true;
        t->state++;
        ask_all(s);
        for (unsigned i = 0; i < t->segment_count; i++) {
            memcpy(t->segments[i].bytes, copies[i], t->segments[i].end - t->segments[i].start);
            t->segments[i].hidden = false;
        }
    }
    for (unsigned i = 0; i < t->segment_count; i++)
        free(copies[i]);
    scene_free(s);
}
END_TEST

static void ask_core(scene *s, const char *path)
{
    fake_target *t = s->w.t;
    rhi_target before = t->target;
    rhi_session *session = t->session;
    char error[512] = "";
    alarm(ROUND_SECONDS);
    /* As inside a debugger: the engine opens the core by itself, beside reads that agree or do not.
     */
    t->target.core_path = path;
    t->session = rhi_session_new();
    MUST(t->session);
    ask_all(s);
    rhi_session_free(t->session);
    /* As the shell does it. */
    t->session = rhi_session_new();
    MUST(t->session);
    if (fake_core_try(t, path, &t->target, error, sizeof error) == 0) {
        ask_all(s);
        rhi_target_close(&t->target);
    } else {
        MUST(error[0] && !strchr(error, '\n'));
    }
    rhi_session_free(t->session);
    t->session = session;
    t->target = before;
}

START_TEST(damaged_core_files)
{
    scene *s = scene_new(_i);
    char path[] = "/tmp/refheap-test-XXXXXX";
    size_t size;
    uint8_t *whole = fake_core_bytes(s->w.t, &size), *bytes = malloc(size);
    MUST(bytes);
    close(mkstemp(path));
    for (unsigned round = 0; round < CORE_ROUNDS; round++) {
        memcpy(bytes, whole, size);
        size_t length = size;
        size_t headers = sizeof(uint64_t) * 8 + s->w.t->segment_count * 56 + 600;
        for (uint64_t k = round ? 1 + roll(s, MUTATIONS_MAX) : 0; k; k--)
            damage(s, bytes, roll(s, 3) ? headers : size);
        if (round && roll(s, 3) == 0)
            length = roll(s, 2) ? roll(s, size) : roll(s, headers);
        fake_core_write(path, bytes, length);
        ask_core(s, path);
    }
    unlink(path);
    free(bytes);
    free(whole);
    scene_free(s);
}
END_TEST

RUN_TESTS("inspect_hostile", damaged_memory, damaged_core_files)
