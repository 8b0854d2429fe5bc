/* tables.h - which objects have slots in the raw slots and blocks of malloc where words lie that
 * lead to one object: asked where there is no graph, so that not every table of a heap need be
 * looked at.
 *
 * First the words are found (rhi__each_place), then what points into those pieces of memory. Tables
 * that lead to further ones are looked at all, if some piece is nobody's then.
 * Invariant: pieces are sorted and do not overlap. */
#ifndef RHI_TABLES_H
#define RHI_TABLES_H

#include "words/words.h"

enum { RHI_TABLE_PAGE_SHIFT = 12, RHI_TABLE_PAGES = 1 << 16 };

typedef struct rhi_tables {
    rhi_session *session;
    rhi_reader *reader;
    uint64_t low, high; /* values of the words */
    struct {
        rhi_piece *items;
        uint64_t count, capacity;
    } pieces, words; /* words: slots with such values in pieces that are nobody's as a whole */
    uint64_t pages[RHI_TABLE_PAGES / 64]; /* bits: of pieces, by the number of their page */
    /* there are too many, or a word lies where nothing tells pieces apart: of no use */
    bool is_open;
} rhi_tables;

/* Where words lie that may be slots in tables, with values in [low, high). */
rhi_error *rhi__tables_find(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high,
                            rhi_tables *tables);
void rhi__tables_free(rhi_tables *tables);
/* May the word point into a piece? */
static inline bool rhi__tables_may(const rhi_tables *tables, uint64_t word)
{
    return rhi__bit(tables->pages, word >> RHI_TABLE_PAGE_SHIFT & (RHI_TABLE_PAGES - 1));
}
/* May there be slots of the object in pieces? Those that it has for certain are its own then. One
 * that tells of no memory may have slots all the same: while a thread fills its table, there may be
 * words in it that are no slots yet, and the words of its slots alone are its own. */
rhi_error *rhi__tables_ask(rhi_tables *tables, const rhi_object *object, const uint8_t *bytes,
                           bool *has);
/* Does a word lie in a piece that was found to be nobody's so far? */
bool rhi__tables_are_left(const rhi_tables *tables);
/* Hands what was found to those who look for words: all objects were asked. */
rhi_error *rhi__tables_keep(rhi_tables *tables);

#endif
