/* options.c - $REFHEAP_OPTIONS: a comma-separated list of name=value that overrides the program.
 *
 * Invariant: an option is applied completely or not at all; each wrong one is named on stderr in
 * one line, the first time the process reads the list. A program that runs with more rights than
 * its user (setuid, setgid, file capabilities) does not read it.
 */
#include "internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define ENVIRONMENT_NAME "REFHEAP_OPTIONS"

typedef struct option {
    const char *name;
    const char *accepts;
    /* One of two words, for a bool that is false or true; or a number of at most `max`. */
    const char *words[2];
    size_t max;
    bool is_history;      /* "all", too; and 0 means none, not the default */
    bool is_trace;        /* a pattern for types, of the whole process */
    size_t offset, width; /* in rh_heap_options */
} option;

#define NUMBER_MAX (SIZE_MAX >> 4) /* with its unit */
#define MEMBER(name)                                                                               \
    .offset = offsetof(rh_heap_options, name), .width = sizeof(((rh_heap_options *)0)->name)

static const option known[] = {
    {.name = "gc", .accepts = "on or off", .words = {"on", "off"}, MEMBER(gc_disabled)},
    {.name = "finalizers",
     .accepts = "run or stay",
     .words = {"run", "stay"},
     MEMBER(finalizer_cycles_stay)},
    {.name = "history",
     .accepts = "all, or a number of events, like 4096, 64k or 1M",
     .max = NUMBER_MAX,
     .is_history = true,
     MEMBER(history_events)},
    {.name = "stacks",
     .accepts = "a number of return addresses, at most 16",
     .max = RH__STACK_MAX,
     MEMBER(stack_frames)},
    {.name = "quarantine",
     .accepts = "a number of bytes, like 65536, 64k or 1M",
     .max = NUMBER_MAX,
     MEMBER(quarantine_bytes)},
    {.name = "leaks", .accepts = "on or off", .words = {"off", "on"}, MEMBER(report_leaks)},
    {.name = "poison", .accepts = "on or off", .words = {"off", "on"}, MEMBER(poison_freed)},
    {.name = "trace",
     .accepts = "a type, or a pattern like node*; at most 16 of them",
     .is_trace = true},
    {.name = "check", .accepts = "on or off", .words = {"off", "on"}, MEMBER(check_threads)},
};
#define KNOWN (sizeof known / sizeof *known)

/* A number with an optional k, M or G (1024s); false if it is none. */
static bool parse_size(const char *text, size_t *ret)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned shift = 0;
    if (*end == 'k' || *end == 'K')
        shift = 10, end++;
    else if (*end == 'M' || *end == 'm')
        shift = 20, end++;
    else if (*end == 'G' || *end == 'g')
        shift = 30, end++;
    if (*end || number > SIZE_MAX >> 34)
        return false;
    *ret = (size_t)number << shift;
    return true;
}

static bool apply(rh_heap_options *options, const option *self, const char *value)
{
    char *member = (char *)options + self->offset;
    size_t number;
    if (self->words[0]) {
        bool is_second = value && strcmp(value, self->words[1]) == 0;
        if (!value || (!is_second && strcmp(value, self->words[0]) != 0))
            return false;
        memcpy(member, &is_second, sizeof is_second);
        return true;
    }
    if (self->is_trace)
        return value && *value && rh__trace_types(value);
    if (self->is_history && value && strcmp(value, "all") == 0)
        number = RH_HISTORY_ALL;
    else if (!value || !parse_size(value, &number) || number > self->max)
        return false;
    else if (self->is_history && !number)
        number = RH_HISTORY_OFF;
    memcpy(member, &number, self->width); /* little-endian, as metadata.c asserts */
    return true;
}

/* `text` may be anything: what a terminal could obey is not repeated to it. */
static void complain(const char *text, int length, const option *self)
{
    char line[512], shown[100];
    length = length < (int)sizeof shown ? length : (int)sizeof shown;
    for (int i = 0; i < length; i++)
        shown[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    int end = snprintf(line, sizeof line, "refheap: " ENVIRONMENT_NAME ": '%.*s' ", length, shown);
    if (self) {
        snprintf(line + end, sizeof line - (size_t)end, "is not possible, %s wants %s", self->name,
                 self->accepts);
    } else {
        end += snprintf(line + end, sizeof line - (size_t)end, "is not known, known are");
        for (size_t i = 0; i < KNOWN; i++)
            end += snprintf(
                line + end, sizeof line - (size_t)end, "%s %s=%s%s%s", i ? "," : "", known[i].name,
                known[i].words[0]     ? known[i].words[0]
                : known[i].is_history ? "all|N"
                : known[i].is_trace   ? "TYPE"
                                      : "N",
                known[i].words[0] ? "|" : "", known[i].words[0] ? known[i].words[1] : "");
    }
    fprintf(stderr, "%s\n", line);
}

static const option *find(const char *name)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(name, known[i].name) == 0)
            return &known[i];
    return NULL;
}

void rh__options_from_environment(rh_heap_options *options)
{
    static bool complained;
    const char *text = secure_getenv(ENVIRONMENT_NAME);
    if (!text)
        return;
    bool is_first = !__atomic_exchange_n(&complained, true, __ATOMIC_RELAXED);
    while (*text) {
        size_t length = strcspn(text, ",");
        char copy[64];
        if (length) {
            size_t kept = length < sizeof copy ? length : 0; /* what is longer is nothing known */
            memcpy(copy, text, kept);
            copy[kept] = '\0';
            char *value = strchr(copy, '=');
            if (value)
                *value++ = '\0';
            const option *self = find(copy);
            if ((!self || !apply(options, self, value)) && is_first)
                complain(text, (int)(length < INT_MAX ? length : INT_MAX), self);
        }
        text += length + (text[length] == ',');
    }
}
