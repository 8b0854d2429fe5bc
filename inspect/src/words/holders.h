/* holders.h - rows of who refers to an object. A holder is one slot or word that holds an address
 * inside of it: the place, not the object that the place is in. */
#ifndef RHI_HOLDERS_LIST_H
#define RHI_HOLDERS_LIST_H

#include "base/error.h"
#include "heap/reader.h"

/* The bits of a word that are an address, and those that are the address of an object where
 * programs put marks into the others. */
#if defined(__x86_64__)
#define RHI_POINTER_MASK ((1ull << 47) - 1)
#else
#define RHI_POINTER_MASK ((1ull << 48) - 1)
#endif
#define RHI_OBJECT_MASK (RHI_POINTER_MASK & ~7ull)

/* In the order of the printed rows. */
enum rhi_holder_kind {
    RHI_HOLDER_FIELD,
    RHI_HOLDER_UNDECLARED,
    RHI_HOLDER_ROOT,
    RHI_HOLDER_REGISTER,
    RHI_HOLDER_STACK,
    RHI_HOLDER_GLOBAL,
    RHI_HOLDER_THREAD_LOCAL,
    RHI_HOLDER_FOREIGN /* an in-use malloc block */,
    RHI_HOLDER_UNKNOWN,
    RHI_HOLDER_KERNEL /* what the kernel keeps for the program: epoll_data, sigev_value */,
    /* of cycles: a member that nothing need hold, or that the runtime holds; `from` is that
     * object */
    RHI_HOLDER_IMMORTAL,
    RHI_HOLDER_DYING,
    RHI_HOLDER_RUNTIME,
    RHI_HOLDER_KINDS
};

/* Of a word in a block of malloc: does a root reach the block? Asked with rhi__judge_holders
 * (owners.h). */
enum rhi_reach { RHI_REACH_UNASKED, RHI_REACH_YES, RHI_REACH_NO, RHI_REACH_UNDECIDED };

/* One slot or word that holds an address inside an object: a referrer row. */
typedef struct rhi_holder {
    uint8_t kind;  /* enum rhi_holder_kind */
    uint8_t reach; /* enum rhi_reach */
    bool strong;   /* an exact reference that owns a count */
    bool weak;     /* an exact reference that owns none of this object */
    bool in_live;  /* fields: the object that has the field is live (not dying) */
    /* that object is garbage, and the one that it holds is not: the graph tells, where it is asked
     * for that; such rows come last */
    bool in_garbage;
    uint32_t index;   /* registers: in memory->map.registers; roots: in reader->roots */
    uint64_t address; /* of the word; 0 for a register */
    uint64_t value, target;
    uint64_t from; /* fields, undeclared words: address of the object */
    uint64_t lwp;  /* registers, stacks, thread-locals */
    /* foreign: where the malloc block begins; unknown: where the raw slot does; thread-local: the
     * thread pointer; else 0 */
    uint64_t base;
    const rhi_field *field; /* fields */
    uint64_t element;
    /* from rhi__name_holders, owned; NULL: none. "next", "main::cache", "registry.slots[3]" */
    char *name;
    struct rhi_variable *variable; /* likewise: what debug info knows of the place (symbols.h) */
} rhi_holder;

/* Of a list that rhi__collect_holder made the first RHI_HOLDERS_MAX in the order of answers are
 * kept, once it is sorted: there may be one for each word of memory. The others are counted. */
enum { RHI_HOLDERS_MAX = 1 << 18 };
typedef struct rhi_holders {
    rhi_holder *items;
    uint64_t count, capacity;
    struct rhi_left_out {
        uint64_t rows, fields /* that count in the ledger */, others /* that are no fields */;
    } left_out;
    uint64_t sorted; /* so many at the front are in that order */
} rhi_holders;

/* A visitor that adds the row to an rhi_holders; names that the row has are the list's then. */
rhi_error *rhi__collect_holder(void *holders, const rhi_holder *holder);
/* Sorts by class, then address, garbage last, and leaves those that are kept. */
void rhi__sort_holders(rhi_holders *holders);
void rhi__holders_free(rhi_holders *holders);
/* A row with names of its own. False if memory is short. */
bool rhi__holder_copy(const rhi_holder *holder, rhi_holder *copy);
void rhi__holder_clear(rhi_holder *holder);

#endif
