/* objects.h - names, values and JSON of objects: the words that every command uses for them. */
#ifndef RHI_OBJECTS_H
#define RHI_OBJECTS_H

#include "session/session.h"

enum { RHI_ID_SIZE = RHI_NAME_SIZE + 24 };

/* "node#12" */
void rhi__object_id(const rhi_reader *reader, const rhi_object *object, char *id, size_t size);
void rhi__make_id(const rhi_reader *reader, uint32_t type, uint64_t serial, char *id, size_t size);
/* "next", "items[3]", "entries[3].key" */
void rhi__slot_name(const rhi_field *field, uint64_t element, char *name, size_t size);
/* "items[3..9]" */
void rhi__slots_name(const rhi_field *field, uint64_t first, uint64_t last, char *name,
                     size_t size);
const char *rhi__death_word(uint8_t death); /* "release", "collect", "destroy", "unknown" */

/* What is at an address of the target. */
enum rhi_place {
    RHI_PLACE_LIVE,
    RHI_PLACE_FREED,
    RHI_PLACE_UNUSED,
    RHI_PLACE_INTERNAL,
    RHI_PLACE_UNMANAGED,
    RHI_PLACE_UNMAPPED
};
const char *rhi__place_word(enum rhi_place place);
/* *object is set for live, freed and unused; false if a slot's header cannot be read. */
bool rhi__place_of(rhi_reader *reader, uint64_t address, enum rhi_place *place, rhi_object *object);

/* The bytes of an object's slot; NULL if they cannot be read in full. */
const uint8_t *rhi__object_bytes(rhi_reader *reader, const rhi_object *object,
                                 rhi_scratch *scratch);

/* What it says its size is (rhi__object_size), its slot's size if its bytes cannot be read. */
uint64_t rhi__object_size_at(rhi_reader *reader, const rhi_object *object);

/* In value.c: what an object holds, in a few words behind a space (" \"hello\"", " {key: 14}");
 * "" if it holds nothing that can be read. It is one line of about 60 columns. */
enum { RHI_VALUE_SIZE = 256 };
void rhi__value(rhi_reader *reader, const rhi_object *object, char text[RHI_VALUE_SIZE]);
/* Without this field, which is shown beside it. */
void rhi__value_but(rhi_reader *reader, const rhi_object *object, const rhi_field *but,
                    char text[RHI_VALUE_SIZE]);
json_t *rhi__value_json(rhi_reader *reader, const rhi_object *object); /* without the space; null */
/* A number with a fraction, as its bytes, and in the fewest digits that mean the same number of
 * this width. */
double rhi__load_real(const uint8_t *bytes, unsigned width);
void rhi__real_text(double value, unsigned width, char *text, size_t size);
int64_t rhi__load_signed(const uint8_t *bytes, unsigned width);

/* OBJ of the manual. */
json_t *rhi__object_json(rhi_reader *reader, const rhi_object *object);
const char *rhi__state_word(const rhi_object *object);
/* "1", "immortal" */
void rhi__count_text(const rhi_object *object, char *text, size_t size);

/* Was a wanted heap stopped inside a collection, so that counts are in motion? In text: which. */
bool rhi__is_provisional(const rhi_session *session);
void rhi__print_provisional(rhi_session *session);

/* In stacks.c: the calls of a recorded event's stack, with functions and lines where symbols tell
 * them: an array for JSON, or a line each. */
json_t *rhi__stack_json(rhi_session *session, const rhi_reader *reader, const rhi_event *event);
void rhi__stack_print(rhi_session *session, const rhi_reader *reader, const rhi_event *event,
                      const char *indent);

/* In named.c: the address of the object of this serial and type (empty: any); an error if there is
 * none or several. */
rhi_error *rhi__find_named(rhi_session *session, rhi_reader *reader, const char *type,
                           uint64_t serial, uint64_t *address);

/* The address that an operand means: a number, `[type]#serial`, or an expression for the debugger.
 */
rhi_error *rhi__resolve(rhi_session *session, rhi_reader *reader, const char *operand,
                        uint64_t *address);
/* The same, for commands that need an object that is there: live or dying. */
rhi_error *rhi__resolve_object(rhi_session *session, rhi_reader *reader, const char *operand,
                               rhi_object *object);
/* In operand.c: an expression of the kind that refheap prints, by debug info and the heap's types.
 */
rhi_error *rhi__operand_evaluate(rhi_session *session, rhi_reader *reader, const char *text,
                                 uint64_t *address);
/* What a registered root of this name holds, if there is just one. */
bool rhi__operand_is_root(rhi_session *session, rhi_reader *reader, const char *text,
                          uint64_t *address);

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
    uint64_t unreached;                            /* of the words */
    int64_t unexplained;
    /* the words, in the order in which they are taken for owners */
    uint64_t classes[RHI_LEDGER_CLASSES];
    bool immortal, provisional;
    bool is_garbage; /* by the graph, if there was one: no holder outside the garbage */
} rhi_ledger;
struct rhi_holders;
/* From all rows; those that are named tell locals from other words of a stack. */
rhi_error *rhi__ledger(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                       const struct rhi_holders *holders, rhi_ledger *ledger);
json_t *rhi__ledger_json(const rhi_ledger *ledger);
void rhi__ledger_print(rhi_session *session, const rhi_ledger *ledger);

/* In malloc_place.c: where in malloc's memory an unmanaged address lies, and what leads there. */
typedef struct rhi_malloc_place {
    bool is_malloc, in_use;
    uint64_t start, end;           /* the memory that the program has of the block */
    uint8_t reach;                 /* enum rhi_reach, of a block in use */
    struct rhi_holders *referrers; /* words that lead into the block; sorted; owned */
} rhi_malloc_place;
rhi_error *rhi__malloc_place(rhi_session *session, rhi_reader *reader, uint64_t address,
                             uint64_t limit, rhi_malloc_place *place);
void rhi__malloc_place_free(rhi_malloc_place *place);
void rhi__malloc_place_print(rhi_session *session, rhi_reader *reader,
                             const rhi_malloc_place *place, uint64_t address, uint64_t limit);
/* {"address", "size", "offset", "in_use"}, and of a block in use "reachable", "referrers". */
json_t *rhi__malloc_place_json(rhi_reader *reader, const rhi_malloc_place *place, uint64_t address,
                               uint64_t limit);

/* A block of malloc, by its number in malloc_graph.h: {"address", "size"}. */
json_t *rhi__block_json(rhi_session *session, uint32_t number);

/* A referrer row. */
struct rhi_holder;
/* "strong", "weak", "borrowed", "conservative" */
const char *rhi__strength_word(const struct rhi_holder *holder);
json_t *rhi__holder_json(rhi_reader *reader, const struct rhi_holder *holder);
void rhi__holder_print(rhi_session *session, rhi_reader *reader, const struct rhi_holder *holder,
                       const char *indent);

#endif
