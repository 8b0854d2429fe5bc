/* words.h - who refers to objects: slots inside objects, and words of memory outside the heap.
 *
 * Each word belongs to one class, first match wins: the runtime's own memory, declared slot (vectors
 * included), registered root, register / stack / module data / thread-local memory, in-use malloc block,
 * other memory. Declared slots match exactly; other words match anywhere in an object. */
#ifndef RHI_WORDS_H
#define RHI_WORDS_H

#include "session.h"

/* In the order of the printed rows. */
enum rhi_holder_kind {
    RHI_HOLDER_FIELD, RHI_HOLDER_UNDECLARED, RHI_HOLDER_ROOT, RHI_HOLDER_REGISTER, RHI_HOLDER_STACK, RHI_HOLDER_GLOBAL,
    RHI_HOLDER_THREAD_LOCAL, RHI_HOLDER_FOREIGN /* an in-use malloc block */, RHI_HOLDER_UNKNOWN,
    RHI_HOLDER_IMMORTAL, RHI_HOLDER_DYING /* of cycles: a member that nothing need hold; `from` is that object */
};

/* One slot or word that holds an address inside an object: a referrer row. */
typedef struct rhi_holder {
    uint8_t kind;    /* enum rhi_holder_kind */
    bool strong;     /* an exact reference that owns a count */
    bool weak;       /* an exact reference that owns none of this object */
    bool in_live;    /* fields: the object that has the field is live (not dying) */
    bool is_local;   /* a stack word that debug info names */
    uint32_t index;  /* registers: in memory->map.registers; roots: in reader->roots */
    uint64_t address; /* of the word; 0 for a register */
    uint64_t value, target;
    uint64_t from;   /* fields, undeclared words: address of the object */
    uint64_t lwp;    /* registers, stacks, thread-locals */
    uint64_t base;   /* foreign: where the malloc block begins; thread-local: the thread pointer; else 0 */
    const rhi_field *field; /* fields */
    uint64_t element;
    char *name, *detail; /* from rhi__name_holders, owned; NULL: none */
} rhi_holder;

typedef struct rhi_holders {
    rhi_holder *items;
    uint64_t count, capacity;
} rhi_holders;

/* Visits words; a row lives during the call only. An error stops the scan and is handed on. */
typedef rhi_error *(*rhi_holder_visitor)(void *context, const rhi_holder *holder);

/* The registered roots, registers and words outside the heap whose value lies in [low, high). Marks the
 * answer incomplete for what could not be read. */
rhi_error *rhi__each_word(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high, rhi_holder_visitor visit, void *context);
/* Every slot in an object that refers to [low, high): declared slots that hold exactly `low`, other words
 * with any value in it. */
rhi_error *rhi__each_slot_to(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high, rhi_holder_visitor visit, void *context);
/* Every word inside live and dying objects that no field declares and whose value lies in [low, high). */
rhi_error *rhi__each_undeclared(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high, rhi_holder_visitor visit, void *context);

/* Every slot in an object that refers to this one, as rhi__each_slot_to gives them: from the graph and an
 * index where the session has a graph. Without `weak`, references that own no count may be left out. */
rhi_error *rhi__each_referrer(rhi_session *session, rhi_reader *reader, const rhi_object *object, bool weak, rhi_holder_visitor visit,
                              void *context);
void rhi__undeclared_free(struct rhi_undeclared *index);

/* A visitor that appends the row to an rhi_holders. */
rhi_error *rhi__collect_holder(void *holders, const rhi_holder *holder);
/* Sorts by class, then address. */
void rhi__sort_holders(rhi_holders *holders);
void rhi__holders_free(rhi_holders *holders);
/* Names the first `count` rows: by what the engine knows, and by the target's debug info. */
void rhi__name_holders(rhi_session *session, rhi_reader *reader, rhi_holders *holders, uint64_t count);

#endif
