/* search.h - binary search in what is sorted. Macros, so that a search costs what it costs written
 * out by hand. They are expressions with statements inside, as gcc and clang have them. */
#ifndef RHI_SEARCH_H
#define RHI_SEARCH_H

/* The first index `at` of [from, to) for which `is_behind`, an expression in `at`, is true; `to`:
 * none. Invariant: it is false for some indices, perhaps none, and true for all that follow. */
#define rhi__first(from, to, at, is_behind)                                                        \
    __extension__({                                                                                \
        __typeof__((to) + 0) rhi_low_ = (from), rhi_high_ = (to);                                  \
        while (rhi_low_ < rhi_high_) {                                                             \
            __typeof__((to) + 0) at = rhi_low_ + (rhi_high_ - rhi_low_) / 2;                       \
            if (is_behind)                                                                         \
                rhi_high_ = at;                                                                    \
            else                                                                                   \
                rhi_low_ = at + 1;                                                                 \
        }                                                                                          \
        rhi_low_;                                                                                  \
    })

/* Of an array of pieces of memory [start, end), in order and without overlap, the one that holds
 * the address, or NULL. (Where a damaged target makes them overlap, one that does.) */
#define rhi__piece_at(array, address)                                                              \
    __extension__({                                                                                \
        const uint64_t rhi_address_ = (address);                                                   \
        uint64_t rhi_from_ = 0, rhi_to_ = (array)->count, rhi_found_ = UINT64_MAX;                 \
        while (rhi_from_ < rhi_to_ && rhi_found_ == UINT64_MAX) {                                  \
            uint64_t rhi_at_ = rhi_from_ + (rhi_to_ - rhi_from_) / 2;                              \
            if (rhi_address_ < (array)->items[rhi_at_].start)                                      \
                rhi_to_ = rhi_at_;                                                                 \
            else if (rhi_address_ >= (array)->items[rhi_at_].end)                                  \
                rhi_from_ = rhi_at_ + 1;                                                           \
            else                                                                                   \
                rhi_found_ = rhi_at_;                                                              \
        }                                                                                          \
        rhi_found_ == UINT64_MAX ? NULL : &(array)->items[rhi_found_];                             \
    })

#endif
