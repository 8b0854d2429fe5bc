/* checkpoint.c - collects a sample's truth, writes it as one line of JSON, and stops where it is
 * asked.
 *
 * Invariant: `facts` is guarded by `lock`, holds addresses only inverted, and is all zero
 * whenever the program is stopped in checkpoint(). */
#define _GNU_SOURCE
#include "checkpoint.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OBJECTS_MAX = 16, CYCLES_MAX = 4, TYPES_MAX = 8, IDS_MAX = 32, ID_SIZE = 48 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
    struct {
        const char *expression;
        uintptr_t inverted_address;
        truth known;
    } objects[OBJECTS_MAX];
    struct {
        const char *one, *other, *verdict;
    } cycles[CYCLES_MAX];
    struct {
        const char *name;
        size_t count;
    } types[TYPES_MAX];
    size_t object_count, cycle_count, type_count;
} facts;

static int checkpoint_number;

void expect_fact(bool is_true, const char *fact, const char *file, int line)
{
    if (is_true)
        return;
    fflush(stdout);
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, fact);
    _exit(3);
}

/* Its frame lies below the part of the stack that checkpoint()'s own frame covers later, so that
 * scrub_stack() reaches what it leaves. */
static __attribute__((noinline)) void set_below(void *variable, void *object)
{
    rh_set(variable, object);
}

__attribute__((noinline)) void assign_inverted(void *variable, uintptr_t inverted_object)
{
    set_below(variable, (void *)~inverted_object);
    __asm__ volatile(""); /* no tail call */
}

/* ---- collecting ----------------------------------------------------------------------------- */

/* Does the runtime agree? */
static void compare(uintptr_t address, const truth *known)
{
    const void *object = (const void *)address;
    if (strcmp(known->status, "live") == 0) {
        expect(known->refcount != 0);
        expect(rh_refcount(object) == known->refcount);
        expect(!known->heap || rh_is_object(known->heap, object));
        expect(strtoull(strchr(known->id, '#') + 1, NULL, 10) == rh_serial(object));
    } else {
        expect(strcmp(known->status, "freed") == 0);
        expect(known->heap && !rh_is_object(known->heap, object));
    }
}

void truth_object_at(const char *expression, uintptr_t inverted_address, const truth *known)
{
    compare(~inverted_address, known);
    pthread_mutex_lock(&lock);
    expect(facts.object_count < OBJECTS_MAX);
    size_t n = facts.object_count++;
    facts.objects[n].expression = expression;
    facts.objects[n].inverted_address = inverted_address;
    facts.objects[n].known = *known;
    pthread_mutex_unlock(&lock);
}

const char *truth_id(const char *type, const void *object)
{
    static char ids[IDS_MAX][ID_SIZE];
    static size_t id_count;
    pthread_mutex_lock(&lock);
    expect(id_count < IDS_MAX);
    char *id = ids[id_count++];
    snprintf(id, ID_SIZE, "%s#%" PRIu64, type, rh_serial(object));
    pthread_mutex_unlock(&lock);
    return id;
}

void truth_cycle(const char *one, const char *other, const char *verdict)
{
    expect(facts.cycle_count < CYCLES_MAX);
    size_t n = facts.cycle_count++;
    facts.cycles[n].one = one;
    facts.cycles[n].other = other;
    facts.cycles[n].verdict = verdict;
}

void truth_type(const char *type, size_t count)
{
    expect(facts.type_count < TYPES_MAX);
    size_t n = facts.type_count++;
    facts.types[n].name = type;
    facts.types[n].count = count;
}

/* ---- writing -------------------------------------------------------------------------------- */
/* The samples' names need no escapes in JSON: they are identifiers, ids and plain words. */

static void write_text(const char *key, const char *text)
{
    if (text)
        printf(", \"%s\": \"%s\"", key, text);
    else
        printf(", \"%s\": null", key);
}

static void write_names(const char *key, const char *const *names)
{
    printf(", \"%s\": [", key);
    for (size_t i = 0; i < TRUTH_NAMES_MAX && names[i]; i++)
        printf("%s\"%s\"", i ? ", " : "", names[i]);
    printf("]");
}

static void write_object(size_t n)
{
    const truth *known = &facts.objects[n].known;
    bool is_live = strcmp(known->status, "live") == 0;
    bool is_immortal = is_live && known->refcount == RH_IMMORTAL;
    const char *expression = facts.objects[n].expression;
    printf("%s{\"address\": \"0x%" PRIxPTR "\"", n ? ", " : "", ~facts.objects[n].inverted_address);
    write_text("expression", expression);
    write_text("frame", !expression ? NULL : known->frame ? known->frame : "main");
    write_text("thread", known->thread);
    write_text("status", known->status);
    write_text("id", known->id);
    if (is_live && !is_immortal)
        printf(", \"refcount\": %zu", known->refcount);
    else
        printf(", \"refcount\": null");
    printf(", \"immortal\": %s", is_immortal ? "true" : "false");
    write_names("locals", known->locals);
    write_names("roots", known->roots);
    write_names("referrers", known->referrers);
    printf(", \"referents\": {");
    for (size_t i = 0; i < TRUTH_NAMES_MAX && known->referents[i].field; i++)
        printf("%s\"%s\": \"%s\"", i ? ", " : "", known->referents[i].field,
               known->referents[i].target);
    printf("}");
    write_names("previous", known->previous);
    printf(", \"born\": %d, \"freed\": %d", known->born, known->freed);
    write_text("freed_in", known->freed_in);
    printf("}");
}

static void write_line(const char *name)
{
    printf("{\"checkpoint\": %d, \"name\": \"%s\", \"objects\": [", checkpoint_number, name);
    for (size_t i = 0; i < facts.object_count; i++)
        write_object(i);
    printf("], \"cycles\": [");
    for (size_t i = 0; i < facts.cycle_count; i++)
        printf("%s{\"objects\": [\"%s\", \"%s\"], \"verdict\": \"%s\"}", i ? ", " : "",
               facts.cycles[i].one, facts.cycles[i].other, facts.cycles[i].verdict);
    printf("], \"types\": {");
    for (size_t i = 0; i < facts.type_count; i++)
        printf("%s\"%s\": %zu", i ? ", " : "", facts.types[i].name, facts.types[i].count);
    printf("}}\n");
    fflush(stdout);
    expect(!ferror(stdout));
}

/* ---- stopping ------------------------------------------------------------------------------- */

/* Overwrites the dead part of the stack, in which the calls so far left addresses. */
static __attribute__((noinline)) void scrub_stack(void)
{
    char dead[16384];
    explicit_bzero(dead, sizeof dead);
}

static bool is_asked_for(const char *variable, const char *name)
{
    const char *wanted = getenv(variable);
    char number[16];
    snprintf(number, sizeof number, "%d", checkpoint_number);
    return wanted && (strcmp(wanted, number) == 0 || strcmp(wanted, name) == 0);
}

static __attribute__((noinline)) void reach(const char *name)
{
    pthread_mutex_lock(&lock);
    checkpoint_number++;
    write_line(name);
    memset(&facts, 0, sizeof facts);
    pthread_mutex_unlock(&lock);
}

static __attribute__((noinline)) void stop_if_asked(const char *name)
{
    bool is_core_wanted = is_asked_for("REFHEAP_STOP_AT", name);
    bool is_wait_wanted = is_asked_for("REFHEAP_WAIT_AT", name);
    scrub_stack();
    if (is_core_wanted)
        abort();
    while (is_wait_wanted)
        pause();
}

/* Exported, so that `break checkpoint` finds it in a stripped program too. Its frame, in which
 * earlier calls left what they held, stays as small as a frame can be; the stack below is clean. */
__attribute__((noinline, visibility("default"))) void checkpoint(const char *name)
{
    scrub_stack();
    reach(name);
    scrub_stack();
    stop_if_asked(name);
    __asm__ volatile(""); /* no tail call: the frame is there when the program stops below it */
}

/* A program that stops nowhere, though it was asked to, was asked for a name that it has not. */
__attribute__((destructor)) static void tell_what_never_came(void)
{
    static const char *const variables[] = {"REFHEAP_STOP_AT", "REFHEAP_WAIT_AT"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *wanted = getenv(variables[i]);
        if (wanted && *wanted)
            fprintf(stderr, "%s=%s: the program ended without such a checkpoint\n", variables[i],
                    wanted);
    }
}
