/* error.c - makes and frees error values. Invariant: the two static errors are never freed. */
#include "base/error.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static rhi_error memory_error = {"memory is short on this machine"};
static rhi_error cancelled_error = {"cancelled"};

rhi_error *rhi__error(const char *format, ...)
{
    rhi_error *error = malloc(sizeof *error);
    if (!error)
        return &memory_error;
    va_list arguments;
    va_start(arguments, format);
    rhi__format_into(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return error;
}

rhi_error *rhi__error_memory(void)
{
    return &memory_error;
}

rhi_error *rhi__error_cancelled(void)
{
    return &cancelled_error;
}

void rhi__error_free(rhi_error *error)
{
    if (error != &memory_error && error != &cancelled_error)
        free(error);
}
