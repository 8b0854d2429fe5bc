/* path.h - the shortest path from a root to an object. */
#ifndef RHI_PATH_H
#define RHI_PATH_H

#include "words/words.h"

typedef struct rhi_path {
    /* From the root's object to the asked-for one; none: nothing holds it. */
    struct {
        uint32_t *items;
        uint64_t count, capacity;
    } objects;
    const char *why; /* what holds the first object, if no word does: "immortal", "dying", "held by
                      * the runtime", "unknown holder" */
    /* What leads to the first object, owns its names: the root, and the words of malloc's blocks
     * on the way. Mostly the root alone. */
    rhi_holders words;
    /* so many words of blocks are left out before words.items[gap]; left_out 0: none */
    uint64_t gap, left_out;
    rhi_holder root; /* the last of them: the word that holds the first object */
    bool has_root;
    /* What expression.h fills in, if it is asked: */
    char *expression;  /* NULL: none is known */
    char *in_language; /* the same in the language of the objects; NULL: there is none */
    const char *language;
    bool is_unverified;       /* no debugger was there to evaluate it */
    bool in_thread, in_frame; /* it is meant there, and not where the debugger happens to stand */
    uint64_t lwp;
    uint32_t frame;
} rhi_path;

/* Finds the path: from a registered root, or a word where variables are, if there is one, however
 * long; else from a register; else from whatever word holds one of the objects above. Which one
 * does not depend on names. */
rhi_error *rhi__path_find(rhi_session *session, rhi_reader *reader, uint64_t address,
                          rhi_path *path);
void rhi__path_free(rhi_path *path);

/* The object of a step, and the slot through which it holds the next one: name empty for the last
 * step. */
typedef struct rhi_path_step {
    rhi_object object;
    uint64_t slot, wanted; /* the slot's address; what it holds */
    const rhi_field *field;
    uint64_t element;
    char name[RHI_NAME_SIZE + 32];
} rhi_path_step;
bool rhi__path_step(rhi_reader *reader, const rhi_path *path, uint64_t i, rhi_path_step *step);

#endif
