/* sentences.c - what several commands say (see sentences.h). */
#include "render/sentences.h"
#include "base/text.h"
#include "render/output.h"

#include <inttypes.h>
#include <stdio.h>

void rhi__print_more(rhi_session *session, const char *before, uint64_t left_out, const char *one)
{
    if (left_out)
        rhi__print(session, "%s… %" PRIu64 " more%s%s%s (--limit=0 shows all)\n", before, left_out,
                   one ? " " : "", one ? one : "", one ? rhi__plural(left_out) : "");
}

void rhi__print_provisional(rhi_session *session)
{
    for (uint32_t i = 0; session->reader && i < session->reader->heaps.count; i++)
        if (rhi__heap_is_provisional(session, i))
            rhi__print(session, "provisional: heap %" PRIu64 " is %s: its counts are in motion\n",
                       session->reader->heaps.items[i].number,
                       session->reader->heaps.items[i].phase);
}

void rhi__print_not_recorded(rhi_session *session, const rhi_format *format, const char *what)
{
    if (format->recording)
        rhi__print(session, "where %s is not recorded: %s does that\n", what, format->recording);
}

void rhi__heap_option(const rhi_reader *reader, uint32_t heap, char text[RHI_HEAP_OPTION_SIZE])
{
    text[0] = '\0';
    if (reader->copies > 1)
        snprintf(text, RHI_HEAP_OPTION_SIZE, "--heap=%" PRIu64 " ",
                 reader->heaps.items[heap].number);
}
