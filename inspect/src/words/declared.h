/* declared.h - the words outside the heap that are slots of live objects all the same: the
 * elements of their out-of-line vectors of references. Where a format finds these by code, the
 * whole raw slot or block of malloc that they lie in is the object's: what else is there are
 * leftovers, or none of the program's references. */
#ifndef RHI_DECLARED_H
#define RHI_DECLARED_H

#include "words/word_map.h"

/* A set of addresses of 8-byte words: pages of bits, and a hash table of where each is. */
typedef struct rhi_declared {
    struct {
        struct rhi_declared_page {
            uint64_t number;
            uint64_t bits[64];
        } * items;
        uint64_t count, capacity;
    } pages;
    uint32_t *places;     /* 1 + the number in `pages`; 0: none */
    uint64_t place_count; /* a power of two, or 0 */
    uint64_t last;        /* page that was asked for last */
} rhi_declared;

/* Reads every object whose type has vectors; none if no type has. */
rhi_error *rhi__declared_open(rhi_session *session, rhi_reader *reader, rhi_word_map *map,
                              rhi_declared *declared);
void rhi__declared_close(rhi_declared *declared);
bool rhi__is_declared(rhi_declared *declared, uint64_t address);

#endif
