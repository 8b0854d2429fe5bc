/* words.h - who refers to objects: slots inside objects, and words of memory outside the heap.
 *
 * Each word belongs to one class, first match wins: the runtime's own memory, declared slot
 * (vectors included), registered root, register / stack / module data / thread-local memory,
 * in-use malloc block, other memory. Declared slots match exactly; other words match anywhere in
 * an object.
 *
 * words.c scans memory outside the heap, slots.c the objects; referrers.c asks the graph where
 * there is one. unsearched.c says what was not searched. naming.c sorts and names the rows. */
#ifndef RHI_WORDS_H
#define RHI_WORDS_H

#include "session/session.h"

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
    RHI_HOLDER_RUNTIME
};

/* Of a word in a block of malloc: does a root reach the block? Asked with rhi__judge_holders
 * (owners.h). */
enum rhi_reach { RHI_REACH_UNASKED, RHI_REACH_YES, RHI_REACH_NO, RHI_REACH_UNDECIDED };

/* One slot or word that holds an address inside an object: a referrer row. */
typedef struct rhi_holder {
    uint8_t kind;     /* enum rhi_holder_kind */
    uint8_t reach;    /* enum rhi_reach */
    bool strong;      /* an exact reference that owns a count */
    bool weak;        /* an exact reference that owns none of this object */
    bool in_live;     /* fields: the object that has the field is live (not dying) */
    uint32_t index;   /* registers: in memory->map.registers; roots: in reader->roots */
    uint64_t address; /* of the word; 0 for a register */
    uint64_t value, target;
    uint64_t from; /* fields, undeclared words: address of the object */
    uint64_t lwp;  /* registers, stacks, thread-locals */
    /* foreign: where the malloc block begins; thread-local: the thread pointer; else 0 */
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
    bool is_disordered;
} rhi_holders;

/* Visits words; a row lives during the call only. An error stops the scan and is handed on. */
typedef rhi_error *(*rhi_holder_visitor)(void *context, const rhi_holder *holder);

/* The registered roots, registers and words outside the heap whose value lies in [low, high).
 * Marks the answer incomplete for what could not be read, and lists what is not read in
 * session->not_read. The second question in one state, or one about the whole heap, finds where
 * all words into the heap are, and later ones are answered from that. */
rhi_error *rhi__each_word(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high,
                          rhi_holder_visitor visit, void *context);
/* The same by a scan, of words whose bits in `mask` lie in [low, high). */
rhi_error *rhi__each_word_masked(rhi_session *session, rhi_reader *reader, uint64_t low,
                                 uint64_t high, uint64_t mask, rhi_holder_visitor visit,
                                 void *context);
/* The thread that a register of memory.map.registers belongs to. */
uint64_t rhi__register_lwp(const rhi_memory *memory, uint32_t index);
/* Some count has no owner that was found: what could not be searched makes that undecided. Says
 * so, and what else such a claim rests on. Comes before the verdict. */
rhi_error *rhi__owner_not_found(rhi_session *session, rhi_reader *reader);
/* The same of an answer that may lack words. */
rhi_error *rhi__missing_matters(rhi_session *session, rhi_reader *reader);
/* Says the same of an answer that was made from such words before. */
rhi_error *rhi__word_limits(rhi_session *session, rhi_reader *reader);
/* Every slot in an object that refers to this one: declared slots that hold its address, other
 * words that lead anywhere into its slot. */
rhi_error *rhi__each_slot_to(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                             rhi_holder_visitor visit, void *context);
/* Every word inside live and dying objects that no field declares and whose value lies in [low,
 * high). */
rhi_error *rhi__each_undeclared(rhi_session *session, rhi_reader *reader, uint64_t low,
                                uint64_t high, rhi_holder_visitor visit, void *context);

/* Every word inside live and dying objects whose bits in `mask` lie in [low, high), which is no
 * memory of a heap: of a field that is no reference, of the address of a vector (then `element`
 * is RHI_WHOLE_VECTOR), or undeclared. */
#define RHI_WHOLE_VECTOR UINT64_MAX
rhi_error *rhi__each_word_of_objects(rhi_session *session, rhi_reader *reader, uint64_t low,
                                     uint64_t high, uint64_t mask, rhi_holder_visitor visit,
                                     void *context);

/* The same from an index that the first question makes: for what is asked again and again, or
 * about many objects. A row that is shown is to be checked. */
rhi_error *rhi__each_kept_undeclared(rhi_session *session, rhi_reader *reader, uint64_t low,
                                     uint64_t high, rhi_holder_visitor visit, void *context);
/* Is the word still as the index has it? If not, the cache is dropped and the question asked again.
 */
void rhi__check_undeclared(rhi_session *session, rhi_reader *reader, const rhi_holder *row);

/* Which slots a search is about: those of objects that `is_worth` (whose headers and bytes it is
 * given), with values that are `wanted`. */
typedef struct rhi_slot_choice {
    bool (*is_worth)(void *context, uint32_t index, const rhi_object *object, const uint8_t *bytes);
    bool (*wanted)(void *context, uint64_t value);
    rhi_holder_visitor visit;
    void *context; /* of all three */
} rhi_slot_choice;
/* Every such reference slot and undeclared word of live and dying objects that holds an address
 * between the first and the last block. */
rhi_error *rhi__each_slot_where(rhi_session *session, rhi_reader *reader,
                                const rhi_slot_choice *choice);
/* Every slot in an object that refers to this one, as rhi__each_slot_to gives them: from the
 * graph and an index where the session has a graph. Without `weak`, references that own no count
 * may be left out. */
rhi_error *rhi__each_referrer(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                              bool weak, rhi_holder_visitor visit, void *context);

/* A visitor that adds the row to an rhi_holders; names that the row has are the list's then. */
rhi_error *rhi__collect_holder(void *holders, const rhi_holder *holder);
/* Makes the answer incomplete where rows are left out that it would show, or that are no fields:
 * nobody looked at them. */
void rhi__say_left_out(rhi_session *session, const rhi_holders *holders, uint64_t limit);
/* Sorts by class, then address, and leaves those that are kept. */
void rhi__sort_holders(rhi_holders *holders);
void rhi__holders_free(rhi_holders *holders);
/* A row with names of its own. False if memory is short. */
bool rhi__holder_copy(const rhi_holder *holder, rhi_holder *copy);
void rhi__holder_clear(rhi_holder *holder);
/* Names the first `count` rows: by what the engine knows, and by the target's debug info. */
void rhi__name_holders(rhi_session *session, rhi_reader *reader, rhi_holders *holders,
                       uint64_t count);

#endif
