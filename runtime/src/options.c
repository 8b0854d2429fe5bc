/* options.c - $REFHEAP_OPTIONS: a comma-separated list of name=value that overrides the program.
 *
 * Invariant: an option is applied completely or not at all; each wrong one is named on stderr in one
 * line, the first time the process reads the list.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#define ENVIRONMENT_NAME "REFHEAP_OPTIONS"

/* A number with an optional k or M (1024s); false if it is none. */
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
    if (*end || number > SIZE_MAX >> 24)
        return false;
    *ret = (size_t)number << shift;
    return true;
}

/* What is wrong with one option, or NULL. */
static const char *apply(rh_heap_options *options, const char *name, const char *value)
{
    if (strcmp(name, "history") == 0) {
        if (!value || !parse_size(value, &options->history_events))
            return "wants a number of events";
    } else if (strcmp(name, "stacks") == 0) {
        size_t frames;
        if (!value || !parse_size(value, &frames) || frames > RH__STACK_MAX)
            return "wants a number of return addresses, at most 16";
        options->stack_frames = (uint32_t)frames;
    } else if (strcmp(name, "quarantine") == 0) {
        if (!value || !parse_size(value, &options->quarantine_bytes))
            return "wants a number of bytes";
    } else if (strcmp(name, "check") == 0) {
        if (!value || (strcmp(value, "on") != 0 && strcmp(value, "off") != 0))
            return "wants on or off";
        options->check_threads = strcmp(value, "on") == 0;
    } else if (strcmp(name, "gc") == 0) {
        if (!value || (strcmp(value, "on") != 0 && strcmp(value, "off") != 0))
            return "wants on or off";
        options->gc_disabled = strcmp(value, "off") == 0;
    } else if (strcmp(name, "finalizers") == 0) {
        if (!value || (strcmp(value, "stay") != 0 && strcmp(value, "run") != 0))
            return "wants run or stay";
        options->finalizer_cycles_stay = strcmp(value, "stay") == 0;
    } else {
        return "is not known";
    }
    return NULL;
}

void rh__options_from_environment(rh_heap_options *options)
{
    static bool complained;
    const char *text = getenv(ENVIRONMENT_NAME);
    if (!text)
        return;
    bool is_first = !__atomic_exchange_n(&complained, true, __ATOMIC_RELAXED);
    while (*text) {
        size_t length = strcspn(text, ",");
        char option[64];
        if (length >= sizeof option) {
            if (is_first)
                fprintf(stderr, "refheap: " ENVIRONMENT_NAME ": '%.*s' is not known\n", (int)length, text);
        } else if (length) {
            memcpy(option, text, length);
            option[length] = '\0';
            char *value = strchr(option, '=');
            if (value)
                *value++ = '\0';
            const char *fault = apply(options, option, value);
            if (fault && is_first)
                fprintf(stderr, "refheap: " ENVIRONMENT_NAME ": '%.*s' %s\n", (int)length, text, fault);
        }
        text += length + (text[length] == ',');
    }
}
