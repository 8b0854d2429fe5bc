/* declared.h - the words outside the heap that are slots of live objects all the same: the
 * elements of their out-of-line vectors of references. Where a format finds these by code, the
 * whole raw slot or block of malloc that they lie in is the object's: what else is there are
 * leftovers, or none of the program's references. Of an object that tells of no memory the words of
 * its slots alone are its own: while a thread fills its table, others there may be references.
 *
 * Each object is asked where its vectors lie: while the graph is made, when its bytes are at hand,
 * or, where there is no graph, in a pass of its own. */
#ifndef RHI_DECLARED_H
#define RHI_DECLARED_H

#include "heap/reader.h"

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

/* Objects are asked one after the other. */
typedef struct rhi_declarer {
    rhi_declared *declared;
    rhi_reader *reader;
    rhi_malloc *malloc;
    bool any;            /* some type has vectors: else nothing need be asked */
    bool has_code;       /* of the type of the object that is asked */
    bool is_told;        /* of some memory that is this object's */
    rhi_error *error;    /* of a slot */
    uint64_t start, end; /* the last piece that was taken whole */
    uint64_t words, words_max;
} rhi_declarer;
rhi_error *rhi__declare_begin(rhi_declarer *declarer, rhi_reader *reader, rhi_declared *declared);
/* Of a live object with a type that is known, whose slot has these bytes. */
rhi_error *rhi__declare(rhi_declarer *declarer, const rhi_object *object, const uint8_t *bytes);
void rhi__declared_close(rhi_declared *declared);
bool rhi__is_declared(rhi_declared *declared, uint64_t address);
/* Are all words of [start, end)? */
bool rhi__all_declared(rhi_declared *declared, uint64_t start, uint64_t end);

#endif
