/* words.h - who refers to objects: slots inside objects, and words of memory outside the heap.
 *
 * Each word belongs to one class, first match wins: the runtime's own memory, declared slot
 * (vectors included), registered root, register / stack / module data / thread-local memory,
 * in-use malloc block, other memory. Declared slots match exactly; other words match anywhere in
 * an object.
 *
 * words.c scans memory outside the heap, slots.c the objects; referrers.c asks the graph where
 * there is one. unsearched.c says what was not searched. */
#ifndef RHI_WORDS_H
#define RHI_WORDS_H

#include "words/holders.h"
#include "words/word_map.h"

/* Which class each piece of memory belongs to, in this state of the target: made on first use. */
rhi_error *rhi__session_word_map(rhi_session *session, rhi_reader *reader, rhi_word_map **map);

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
/* Words outside the heap, and registers, that hold the address of an object between low and high
 * in another form than others do: at addresses that are no multiple of 8, as packed structs and
 * records of arrays have them, or with marks in the upper bits, as interpreters have them. Such
 * words inside of objects, too, and those of plain data (inner.h). They are asked last, where a
 * count has no owner yet: each is as good an owner as any other word. The value of such a row is
 * the address alone. */
rhi_error *rhi__each_packed_word(rhi_session *session, rhi_reader *reader, uint64_t low,
                                 uint64_t high, rhi_holder_visitor visit, void *context);
/* A raw slot, or a block of malloc. is_taken: an object has slots there. */
typedef struct rhi_piece {
    uint64_t start, end;
    bool is_taken;
} rhi_piece;
/* Visits the pieces that words with values in [low, high) lie in and where an object may have
 * slots: start == end: nothing tells where that piece begins. */
rhi_error *rhi__each_place(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high,
                           rhi_error *(*visit)(void *context, uint64_t start, uint64_t end),
                           void *context);
/* Says of all of these (sorted) whether they are taken, for later questions about such values. */
rhi_error *rhi__keep_places(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high,
                            const rhi_piece *pieces, uint64_t count);
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
    bool (*is_worth)(void *context, uint32_t index, const rhi_block *block,
                     const rhi_header *header, const uint8_t *bytes);
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

/* Makes the answer incomplete where rows are left out that it would show, or that are no fields:
 * nobody looked at them. */
void rhi__say_left_out(rhi_session *session, const rhi_holders *holders, uint64_t limit);

#endif
