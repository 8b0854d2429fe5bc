/* words.h - words of memory outside the heap that hold an address in it: conservative references.
 *
 * Each word belongs to one class, first match wins: the runtime's own memory, declared slot,
 * registered root, register / stack / module data. This version looks at registers, stacks (from the
 * stack pointer - 128 on) and the data of modules; what it has not looked at is said. */
#ifndef RHI_WORDS_H
#define RHI_WORDS_H

#include "session.h"

/* In the order of the printed rows. */
enum rhi_holder_kind {
    RHI_HOLDER_FIELD, RHI_HOLDER_UNDECLARED, RHI_HOLDER_ROOT, RHI_HOLDER_REGISTER, RHI_HOLDER_STACK, RHI_HOLDER_GLOBAL,
    RHI_HOLDER_IMMORTAL, RHI_HOLDER_DYING /* of cycles: a member that nothing need hold; `from` is that object */
};

/* One slot or word that holds an address inside an object: a referrer row. */
typedef struct rhi_holder {
    uint8_t kind;    /* enum rhi_holder_kind */
    bool strong;     /* an exact reference that owns a count */
    bool weak;       /* an exact reference that owns none of this object */
    bool in_live;    /* fields: the object that has the field is live (not dying) */
    bool is_local;   /* a stack word that debug info names */
    uint64_t address; /* of the word; 0 for a register */
    uint64_t value, target;
    uint64_t from;   /* fields: address of the object */
    uint64_t lwp;    /* registers, stacks */
    char name[192];  /* field, root, register or variable; may be empty */
    char detail[64];
} rhi_holder;

typedef struct rhi_holders {
    rhi_holder *items;
    uint64_t count, capacity;
} rhi_holders;

/* Appends the registered roots, registers, stack words and words of module data whose value lies in
 * [low, high). Marks the answer incomplete for what was not looked at. */
rhi_error *rhi__scan_words(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high, rhi_holders *holders);
/* Appends every slot in an object that refers to one address range: declared slots that hold exactly
 * `low`, other words with a value in [low, high). */
rhi_error *rhi__scan_objects(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high, rhi_holders *holders);
/* Sorts by class, then address. */
void rhi__sort_holders(rhi_holders *holders);
/* Asks the target for names of the first `count` rows, and names the rest plainly. */
void rhi__name_holders(rhi_session *session, rhi_reader *reader, rhi_holders *holders, uint64_t count);

#endif
