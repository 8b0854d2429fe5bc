/* uses.h - which code of the program fills and uses a variable that holds an object, directly or on
 * a path. */
#ifndef RHI_USES_H
#define RHI_USES_H

#include "questions/path.h"

/* A line of code: as rhi_use, with texts of its own; name: inside of file. */
typedef struct rhi_use_row {
    uint8_t kind; /* enum rhi_use_kind */
    bool is_guess;
    uint32_t line;
    char *function, *file, *name, *text;
} rhi_use_row;
/* A variable, and the code that names it: what is certain before guesses, by kind, file and line.
 */
typedef struct rhi_uses_of {
    rhi_variable_slot slot;
    char name[RHI_NAME_SIZE]; /* "app.cache" */
    struct {
        rhi_use_row *items;
        uint64_t count, capacity;
    } rows;
    uint64_t left_out; /* rows that were too many to keep */
    uint64_t unread;   /* pieces of code that cannot be understood */
} rhi_uses_of;

enum { RHI_USED_MAX = 8 /* variables in one answer */ };
typedef struct rhi_uses {
    rhi_uses_of items[RHI_USED_MAX];
    unsigned count;
    uint64_t left_out; /* there are so many more */
} rhi_uses;

/* Appends the variables that hold the object among these rows, or on the path to it; then finds
 * their code. An object of no variable that code names costs nothing. */
rhi_error *rhi__uses_of_holders(rhi_reader *reader, const rhi_holders *holders, uint64_t limit,
                                rhi_uses *uses);
rhi_error *rhi__uses_of_path(rhi_session *session, rhi_reader *reader, const rhi_path *path,
                             rhi_uses *uses);
rhi_error *rhi__uses_find(rhi_session *session, rhi_reader *reader, rhi_uses *uses);
void rhi__uses_free(rhi_uses *uses);

#endif
