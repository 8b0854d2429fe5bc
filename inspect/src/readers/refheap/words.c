/* words.c - what is said of problems that only refheap's own format can have (see words.h). */
#include "readers/refheap/words.h"

const rhi_finding_words rhi__refheap_words[RHI_FINDING_KINDS] = {
    [RHI_FOUND_BAD_TYPE] = {"bad_type", "object is of no type", "objects are of no type",
                            "something has written over its header"},
    [RHI_FOUND_BAD_COUNT] = {"bad_count", "count word contradicts its object's flags",
                             "count words contradict their objects' flags",
                             "something has written over the header"},
    [RHI_FOUND_BAD_BITMAP] =
        {"bad_bitmap", "free slot holds a live object's header",
         "free slots hold live objects' headers",
         "something has written into a freed object, or over the slab's bitmap"},
    [RHI_FOUND_WRITTEN_FREED] =
        {"written_after_free", "freed object was written to", "freed objects were written to",
         "something has used a pointer to it after its death: `gcstale` finds such pointers, as "
         "long as they are there"},
    [RHI_FOUND_BAD_CANDIDATE] =
        {"bad_candidate", "thing is wrong with the collector's candidates",
         "things are wrong with the collector's candidates",
         "something has written over a slab's bitmaps or the heap's control block"},
    [RHI_FOUND_BAD_WEAK] =
        {"bad_weak", "weak reference does not fit its target",
         "weak references do not fit their targets",
         "something has written over a weak reference or a header; weak references are joined to "
         "their targets in a few "
         "instructions, so ask again later if a live process was stopped at random"},
    [RHI_FOUND_BAD_SERIAL] = {"bad_serial", "object has a serial that was never given",
                              "objects have a serial that was never given",
                              "something has written over the header"},
    [RHI_FOUND_BAD_BLOCK] = {"bad_" RHI_REFHEAP_BLOCK, RHI_REFHEAP_BLOCK " makes no sense",
                             RHI_REFHEAP_BLOCK "s make no sense",
                             "something has written over the heap's own memory"},
};
