/* words.h - what refheap's own format calls its parts, in answers and in help. */
#ifndef RHI_REFHEAP_WORDS_H
#define RHI_REFHEAP_WORDS_H

#include "heap/format.h"

#define RHI_REFHEAP_BLOCK "slab"

extern const rhi_finding_words rhi__refheap_words[RHI_FINDING_KINDS];

#endif
