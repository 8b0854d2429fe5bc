/* mutants.c - damages a core in places that mean something, one mutant for each number, and
 * judges what the engine says:
 *
 *     mutants CORE PLACES FIRST COUNT [SECONDS [ANSWER_SECONDS]]
 *
 * PLACES has a line for each place, `place OFFSET WIDTH KIND`, and one for each object that is
 * held, `held ADDRESS NEEDS`: NEEDS is a word that the kind of a place may begin with; damage
 * there may lose the object, and "-" is an object that no place may lose. And one for each object
 * whose changes were recorded: `traced ADDRESS COUNT EARLY RETAINS RELEASES`, for each freed slot
 * `died ADDRESS`, and for what was done in one line of the program alone `line made|taken|given|
 * dropped LINE`. check_mutants.py writes them. Before each mutant its recipe is written out, so
 * that the last line tells what ended this program: a crash, or the alarm when an answer takes more
 * than ANSWER_SECONDS of the processor's time. Exit status 1: a held object was certainly leaked, a
 * record was certainly another one, or another line was named. Invariant: the words that hold
 * objects, and the objects, are no places; after each mutant the core is as it was. */
#include <refheap/inspect.h>

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { KIND_BYTES = 40, KINDS_MAX = 256, CHANGES_MAX = 3 };

typedef struct place {
    uint64_t offset;
    unsigned width, kind;
} place;
typedef struct change {
    const place *at;
    uint64_t before, after;
} change;
typedef struct held {
    uint64_t address;
    char needs[KIND_BYTES];
} held;

static const char *const sums[] = {"counts", "early", "retains", "releases"};
typedef struct traced {
    uint64_t address, sums[4];
} traced;

/* What was done where, and in which function. */
enum deed { MADE, TAKEN, GIVEN, DROPPED, DEEDS };
static const char *const deeds[DEEDS] = {"made", "taken", "given", "dropped"},
                         *const functions[DEEDS] = {"made", "take", "give_back", "drop"};

static struct {
    uint64_t died[8], lines[DEEDS];
    size_t died_count;
    traced traced[8];
    size_t traced_count;
    int file;
    char path[64];
    place *places;
    size_t place_count;
    held *objects;
    size_t object_count;
    char kinds[KINDS_MAX][KIND_BYTES];
    size_t first_of[KINDS_MAX + 1]; /* places are sorted by kind */
    unsigned kind_count;
} all;

static struct {
    char *bytes;
    size_t size, capacity;
} output;
static uint64_t dice;
static int answer_seconds = 60;
static unsigned long certain, undecided, refused, wrong; /* mutants; wrong: objects of this one */

static uint64_t roll(uint64_t below)
{
    dice += 0x9E3779B97F4A7C15ull;
    uint64_t z = dice;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return (z ^ z >> 31) % below;
}

static void fail(const char *what)
{
    printf("mutants: %s\n", what);
    exit(2);
}

/* ---- what there is -------------------------------------------------------------------------- */

static unsigned kind_of(const char *name)
{
    for (unsigned i = 0; i < all.kind_count; i++)
        if (strcmp(all.kinds[i], name) == 0)
            return i;
    if (all.kind_count == KINDS_MAX)
        fail("too many kinds");
    strcpy(all.kinds[all.kind_count], name);
    return all.kind_count++;
}

static int place_order(const void *left, const void *right)
{
    const place *a = left, *b = right;
    return a->kind != b->kind ? (a->kind > b->kind) - (a->kind < b->kind)
                              : (a->offset > b->offset) - (a->offset < b->offset);
}

static void read_deed(const char *line)
{
    char word[KIND_BYTES];
    uint64_t number;
    if (sscanf(line, "died %" SCNx64, &number) == 1 &&
        all.died_count < sizeof all.died / sizeof *all.died)
        all.died[all.died_count++] = number;
    if (sscanf(line, "line %39s %" SCNu64, word, &number) == 2)
        for (int i = 0; i < DEEDS; i++)
            if (strcmp(word, deeds[i]) == 0)
                all.lines[i] = number;
}

static void read_places(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[200], word[KIND_BYTES];
    uint64_t number;
    unsigned width;
    traced its;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "place %" SCNu64 " %u %39s", &number, &width, word) == 3) {
            all.places = realloc(all.places, (all.place_count + 1) * sizeof *all.places);
            all.places[all.place_count++] = (place){number, width, kind_of(word)};
        } else if (sscanf(line, "held %" SCNx64 " %39s", &number, word) == 2) {
            all.objects = realloc(all.objects, (all.object_count + 1) * sizeof *all.objects);
            all.objects[all.object_count].address = number;
            strcpy(all.objects[all.object_count++].needs, word);
        } else if (sscanf(line, "traced %" SCNx64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
                          &its.address, &its.sums[0], &its.sums[1], &its.sums[2],
                          &its.sums[3]) == 5 &&
                   all.traced_count < sizeof all.traced / sizeof *all.traced) {
            all.traced[all.traced_count++] = its;
        } else {
            read_deed(line);
        }
    }
    if (!file || all.place_count == 0 || all.object_count == 0)
        fail("no places, or no objects");
    fclose(file);
    qsort(all.places, all.place_count, sizeof *all.places, place_order);
    for (size_t i = all.place_count; i-- > 0;)
        all.first_of[all.places[i].kind] = i;
    all.first_of[all.kind_count] = all.place_count;
}

/* A copy in memory that is as full of holes as the core. */
static void read_core(const char *path)
{
    static char buffer[1 << 20];
    int from = open(path, O_RDONLY);
    off_t size = lseek(from, 0, SEEK_END);
    all.file = memfd_create("core", 0);
    if (from < 0 || size <= 0 || all.file < 0 || ftruncate(all.file, size) != 0)
        fail("the core cannot be read");
    for (off_t at = lseek(from, 0, SEEK_DATA); at >= 0 && at < size;
         at = lseek(from, at, SEEK_DATA)) {
        off_t end = lseek(from, at, SEEK_HOLE);
        while (at < end) {
            ssize_t got =
                pread(from, buffer,
                      end - at < (off_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer, at);
            if (got <= 0 || pwrite(all.file, buffer, (size_t)got, at) != got)
                fail("the core cannot be copied");
            at += got;
        }
    }
    close(from);
    snprintf(all.path, sizeof all.path, "/proc/self/fd/%d", all.file);
}

/* ---- what the engine says ------------------------------------------------------------------- */

static void keep(void *context, int stream, const char *text, uint64_t size)
{
    (void)context;
    if (stream != RHI_STREAM_OUT)
        return;
    if (output.size + size + 1 > output.capacity) {
        output.capacity = (output.size + size + 1) * 2;
        output.bytes = realloc(output.bytes, output.capacity);
    }
    memcpy(output.bytes + output.size, text, size);
    output.size += size;
}

static json_t *ask(rhi_session *session, rhi_target *core, const char *command, const char *line)
{
    output.size = 0;
    rhi_session_run(session, core, command, line);
    json_t *answer = json_loadb(output.bytes ? output.bytes : "", output.size, 0, NULL);
    if (!answer)
        fail("an answer is no JSON document");
    return answer;
}

/* May the changes lose this object? */
static int is_lost_by(const held *object, const change *changes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strncmp(all.kinds[changes[i].at->kind], object->needs, strlen(object->needs)) == 0)
            return 1;
    return 0;
}

static void judge_object(uint64_t address, const change *changes, unsigned count)
{
    for (size_t i = 0; i < all.object_count; i++)
        if (all.objects[i].address == address && !is_lost_by(&all.objects[i], changes, count)) {
            if (wrong++ == 0)
                printf("  the object at 0x%" PRIx64 " is held, and leaked for certain\n", address);
            return;
        }
}

static int is_certain(const json_t *answer)
{
    return json_is_true(json_object_get(answer, "complete")) &&
           json_is_false(json_object_get(answer, "provisional"));
}

static uint64_t address_in(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? strtoull(text, NULL, 0) : 0;
}

/* ---- lines of the program ------------------------------------------------------------------- */

static unsigned long told_lines; /* right ones of this mutant */

/* A line and a function, if they are told, are those of the deed. */
static void judge_line(const json_t *told, enum deed deed, const char *where)
{
    const json_t *line = json_object_get(told, "line"),
                 *function = json_object_get(told, "function"),
                 *file = json_object_get(told, "file");
    const char *name = json_string_value(file), *end = name ? strrchr(name, '/') : NULL;
    if (!json_is_object(told))
        return;
    bool is_right =
        (!json_is_integer(line) || (uint64_t)json_integer_value(line) == all.lines[deed]) &&
        (!json_is_string(function) || strcmp(json_string_value(function), functions[deed]) == 0) &&
        (!name || strcmp(end ? end + 1 : name, "mutant_seed.c") == 0);
    told_lines += is_right && json_is_integer(line);
    if (!is_right && wrong++ == 0) {
        char *text = json_dumps(told, JSON_COMPACT);
        printf("  the object at %s: it was not %s at %s\n", where, deeds[deed], text);
        free(text);
    }
}

static void judge_sites(const json_t *answer, const char *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(answer, rows), i, row) judge_line(
        json_object_get(row, "site"), MADE, json_string_value(json_object_get(row, "address")));
}

/* Who took and gave a traced object; who freed another. */
static void judge_past(rhi_session *session, rhi_target *core, uint64_t address)
{
    char line[80], where[32];
    snprintf(where, sizeof where, "0x%" PRIx64, address);
    snprintf(line, sizeof line, "--history --json --limit=0 %s", where);
    json_t *answer = ask(session, core, "objat", line), *row;
    size_t i;
    if (json_is_true(json_object_get(answer, "complete"))) {
        judge_line(json_object_get(json_object_get(answer, "object"), "site"), MADE, where);
        json_array_foreach(json_object_get(answer, "previous"), i, row)
        {
            judge_line(json_object_get(row, "site"), MADE, where);
            judge_line(json_object_get(row, "place"), DROPPED, where);
        }
        json_array_foreach(json_object_get(answer, "history"), i, row)
        {
            const char *kind = json_string_value(json_object_get(row, "kind"));
            const json_t *told = json_object_get(row, "place");
            if (strcmp(kind, "retain") == 0)
                judge_line(told, TAKEN, where);
            else if (strcmp(kind, "release") == 0)
                judge_line(told, GIVEN, where);
            else if (strcmp(kind, "free") == 0)
                judge_line(told, DROPPED, where);
        }
    }
    json_decref(answer);
}

static void judge_lines(rhi_session *session, rhi_target *core)
{
    json_t *answer = ask(session, core, "gcfind", "--json --limit=0");
    if (json_is_true(json_object_get(answer, "complete")))
        judge_sites(answer, "objects");
    json_decref(answer);
    for (size_t i = 0; i < all.traced_count; i++)
        judge_past(session, core, all.traced[i].address);
    for (size_t i = 0; i < all.died_count; i++)
        judge_past(session, core, all.died[i]);
}

/* What is said of an object's record; in the undamaged core it has to be certain. */
static void judge_record(rhi_session *session, rhi_target *core, const traced *its, int is_sound)
{
    char line[80];
    snprintf(line, sizeof line, "--ledger --in --json --limit=0 0x%" PRIx64, its->address);
    json_t *answer = ask(session, core, "refs", line), *pairs = json_object_get(answer, "pairs"),
           *row;
    bool is_decided = json_is_true(json_object_get(answer, "complete")) &&
                      json_is_true(json_object_get(pairs, "decided"));
    size_t n;
    json_int_t open = json_integer_value(json_object_get(pairs, "early_open"));
    json_array_foreach(json_object_get(pairs, "groups"), n, row)
    {
        open += json_integer_value(json_object_get(row, "open"));
        judge_line(json_array_get(json_object_get(row, "stack"), 0), TAKEN, strrchr(line, ' ') + 1);
    }
    bool is_right = !is_decided || (uint64_t)open == its->sums[0];
    for (size_t i = 0; is_decided && i < sizeof sums / sizeof *sums; i++)
        is_right &= (uint64_t)json_integer_value(json_object_get(pairs, sums[i])) == its->sums[i];
    if (!is_right && wrong++ == 0)
        printf("  the object at 0x%" PRIx64 " has another record, for certain\n", its->address);
    if (is_sound && !is_decided)
        fail("the record of a sound core is undecided");
    json_decref(answer);
}

/* 1 if something false is certain. */
static int judge(const change *changes, unsigned count)
{
    rhi_target core;
    char error[256];
    size_t i;
    wrong = told_lines = 0;
    json_t *row;
    if (rhi_target_open_core(all.path, NULL, &core, error, sizeof error) != 0) {
        refused++;
        return 0;
    }
    core.emit = keep;
    rhi_session *session = rhi_session_new();
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = answer_seconds}, NULL);
    json_t *leaks = ask(session, &core, "gcleaks", "--json --limit=0"),
           *unreachable = ask(session, &core, "gcfind", "--unreachable --json --limit=0");
    if (is_certain(leaks))
        json_array_foreach(json_object_get(leaks, "leaks"), i, row)
            judge_object(address_in(row, "representative_address"), changes, count);
    if (is_certain(unreachable))
        json_array_foreach(json_object_get(unreachable, "objects"), i, row)
            judge_object(address_in(row, "address"), changes, count);
    for (i = 0; i < all.traced_count; i++)
        judge_record(session, &core, &all.traced[i], count == 0);
    judge_lines(session, &core);
    if (count == 0 && all.died_count && told_lines < all.object_count + 20)
        fail("hardly a line of the sound core is told");
    if (json_object_get(leaks, "error"))
        refused++;
    else if (is_certain(leaks))
        certain++;
    else
        undecided++;
    json_decref(leaks);
    json_decref(unreachable);
    rhi_session_free(session);
    rhi_target_close(&core);
    return wrong != 0;
}

/* ---- mutants -------------------------------------------------------------------------------- */

static uint64_t value_at(const place *p)
{
    uint64_t value = 0;
    if (pread(all.file, &value, p->width, (off_t)p->offset) != (ssize_t)p->width)
        fail("a place lies behind the end");
    return value;
}

static void put(const place *p, uint64_t value)
{
    if (pwrite(all.file, &value, p->width, (off_t)p->offset) != (ssize_t)p->width)
        fail("a place cannot be written");
}

static const place *place_of_kind(unsigned kind)
{
    return &all.places[all.first_of[kind] + roll(all.first_of[kind + 1] - all.first_of[kind])];
}

/* Near what is there, or what stands elsewhere, or an extreme. */
static uint64_t other_value(const place *p, uint64_t value)
{
    static const uint64_t steps[] = {1,  2,     4,    8,    16,      32,      48,
                                     64, 0x290, 4096, 8192, 1 << 16, 1 << 20, 1 << 22};
    uint64_t step = steps[roll(sizeof steps / sizeof *steps)];
    switch (roll(10)) {
    case 0:
        return value + step;
    case 1:
        return value - step;
    case 2:
        return value ^ 1ull << roll(p->width * 8);
    case 3:
        return 0;
    case 4:
        return step;
    case 5:
        return ~0ull >> roll(64);
    case 6:
        return roll(2) ? value * 2 : value / 2;
    case 7:
        return roll(~0ull);
    default:
        return value_at(place_of_kind(roll(4) ? p->kind : (unsigned)roll(all.kind_count)));
    }
}

static int try_mutant(uint64_t number)
{
    change changes[CHANGES_MAX];
    dice = number * 0xD1342543DE82EF95ull;
    unsigned count = roll(3) ? 1 : 2 + (unsigned)roll(CHANGES_MAX - 1);
    printf("mutant %" PRIu64 ":", number);
    for (unsigned i = 0; i < count; i++) {
        const place *p = place_of_kind((unsigned)roll(all.kind_count));
        uint64_t before = value_at(p), mask = p->width == 8 ? ~0ull : (1ull << p->width * 8) - 1;
        changes[i] = (change){p, before, other_value(p, before) & mask};
        put(p, changes[i].after);
        printf(" %s at %" PRIu64 " from 0x%" PRIx64 " to 0x%" PRIx64 "%s", all.kinds[p->kind],
               p->offset, before, changes[i].after, i + 1 < count ? "," : "\n");
    }
    fflush(stdout);
    int is_bad = judge(changes, count);
    for (unsigned i = count; i-- > 0;)
        put(changes[i].at, changes[i].before);
    return is_bad;
}

int main(int count, char **words)
{
    if (count < 5)
        fail("usage: mutants CORE PLACES FIRST COUNT [SECONDS [ANSWER_SECONDS]]");
    read_places(words[2]);
    read_core(words[1]);
    uint64_t first = strtoull(words[3], NULL, 0), mutants = strtoull(words[4], NULL, 0);
    time_t end = time(NULL) + (count > 5 ? atoi(words[5]) : 1 << 30);
    if (count > 6)
        answer_seconds = atoi(words[6]);
    if (judge(NULL, 0) || certain != 1)
        fail("the undamaged core is not judged as it should be");
    unsigned long bad = 0;
    for (uint64_t i = 0; i < mutants && time(NULL) < end; i++)
        bad += (unsigned long)try_mutant(first + i);
    printf("mutants: %lu wrong, %lu certain, %lu not certain, %lu refused\n", bad, certain,
           undecided, refused);
    return bad != 0;
}
