/* ledger.h - what explains the count of an object. */
#ifndef RHI_LEDGER_H
#define RHI_LEDGER_H

#include "session/session.h"

/* Words by what they are: the likelier one is to own a count, the earlier. */
enum rhi_ledger_class {
    RHI_LEDGER_GLOBAL,
    RHI_LEDGER_THREAD_LOCAL,
    RHI_LEDGER_LOCAL,
    RHI_LEDGER_FOREIGN,
    RHI_LEDGER_UNDECLARED,
    RHI_LEDGER_REGISTER,
    RHI_LEDGER_STACK,
    RHI_LEDGER_OTHER,
    RHI_LEDGER_UNREACHED /* in blocks of malloc that nothing reaches: they own nothing */,
    RHI_LEDGER_CLASSES
};

/* The counts of an object, as DESIGN.md §4 defines them. */
typedef struct rhi_ledger {
    int64_t stored;                                /* meaningless if immortal */
    uint64_t fields, exact, words, roots, runtime; /* runtime: its own */
    uint64_t guessed;                              /* of the fields, those that are guesses */
    uint64_t doubted;                              /* those of what need not be an object */
    uint64_t unreached;                            /* of the words */
    int64_t unexplained;
    /* the words, in the order in which they are taken for owners */
    uint64_t classes[RHI_LEDGER_CLASSES];
    /* of these, those that own a count, and those that only remember it; surplus: how many such */
    uint64_t owners[RHI_LEDGER_CLASSES], others[RHI_LEDGER_CLASSES], surplus;
    bool immortal, provisional;
    const char *phase;     /* of its heap: what provisional comes from */
    const char *root_word; /* what its format calls an exact root */
    bool is_guessed;       /* that it is garbage rests on guesses */
    bool is_garbage;       /* by the graph, if there was one: no holder outside the garbage */
} rhi_ledger;
struct rhi_holders;
/* From all rows; those that are named tell locals from other words of a stack. */
rhi_error *rhi__ledger(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                       const struct rhi_holders *holders, rhi_ledger *ledger);
/* Judges all rows, and where they leave a count without an owner, adds words at places that are no
 * multiple of 8. */
rhi_error *rhi__add_packed_holders(rhi_session *session, rhi_reader *reader,
                                   const rhi_object *object, struct rhi_holders *holders);

#endif
