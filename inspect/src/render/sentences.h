/* sentences.h - what several commands say, each in the same words. */
#ifndef RHI_SENTENCES_H
#define RHI_SENTENCES_H

#include "session/session.h"

/* "  … 3 more types (--limit=0 shows all)", where rows are left out: `before` them, and what they
 * are, if not what stands above (`one` of them; NULL). */
void rhi__print_more(rhi_session *session, const char *before, uint64_t left_out, const char *one);
/* Says which heaps are provisional. */
void rhi__print_provisional(rhi_session *session);
/* Says of what (`what`: "it was made") that it is not recorded, and how it would be. */
void rhi__print_not_recorded(rhi_session *session, const rhi_format *format, const char *what);
/* What a command needs, too, to mean the object of this heap that is named by its id: "--heap=3 "
 * where another copy of the runtime may have such an object, else nothing. */
enum { RHI_HEAP_OPTION_SIZE = 40 };
void rhi__heap_option(const rhi_reader *reader, uint32_t heap, char text[RHI_HEAP_OPTION_SIZE]);

#endif
