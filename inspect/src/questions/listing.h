/* listing.h - the headers of all objects in short, eight bytes each, for questions that no graph
 * is needed for.
 *
 * Invariant: an index below the number of objects has a kind; RHI_LISTING_OBJECT is set if an
 * object is there. */
#ifndef RHI_LISTING_H
#define RHI_LISTING_H

#include "session/session.h"

enum { RHI_LISTING_OBJECT = 1, RHI_LISTING_FINALIZED = 2, RHI_LISTING_TYPE_SHIFT = 2 };

typedef struct rhi_listing {
    uint32_t *kinds;  /* type << RHI_LISTING_TYPE_SHIFT | flags; a type beyond all: none */
    uint32_t *counts; /* 0 for immortals, whose count is not kept */
} rhi_listing;

/* Made on first use. */
rhi_error *rhi__session_listing(rhi_session *session, const rhi_listing **listing);

#endif
