/* runtime_constants.h - what the runtime publishes of itself, read in this process as a reader
 * outside does: constants by name, and the numbers that they lead to.
 *
 * Invariant: a constant that is not published fails the test. */
#ifndef RUNTIME_CONSTANTS_H
#define RUNTIME_CONSTANTS_H

#include <refheap/metadata.h>

#include <check.h>
#include <stdint.h>
#include <string.h>

extern struct rh_metadata_descriptor rh_debug_descriptor;

__attribute__((unused)) static uint64_t constant(const char *name)
{
    const struct rh_metadata_constant *table =
        (const void *)(uintptr_t)rh_debug_descriptor.constants;
    for (uint32_t i = 0; i < rh_debug_descriptor.constant_count; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].value;
    ck_abort_msg("no constant %s", name);
    return 0;
}

__attribute__((unused)) static uint64_t load(uint64_t address, size_t width)
{
    uint64_t value = 0;
    memcpy(&value, (const void *)(uintptr_t)address, width);
    return value;
}

#endif
