/* mistakes.c - a cycle, a lost reference and a dangling pointer, and then a crash. The README
 * shows this program from the variables on, and what refheap says of its core.
 *
 *     in its core: gcleaks, gcstale, gcstat, refs --path session#2, objat current
 *
 * Invariant: no variable has the address of session#6, whose count nobody will give up: it was
 * known to one frame that the next call used again. */
#include <refheap/refheap.h>

typedef struct session {
    rh_object base;
    struct user *user;
} session;
typedef struct user {
    rh_object base;
    session *session;
} user;
static const rh_field session_fields[] = {RH_STRONG(session, user), RH_FIELDS_END};
static const rh_field user_fields[] = {RH_STRONG(user, session), RH_FIELDS_END};
static rh_type session_type = {
    .name = "session", .size = sizeof(session), .fields = session_fields};
static rh_type user_type = {.name = "user", .size = sizeof(user), .fields = user_fields};

static user *admin;      /* owns one count */
static session *current; /* owns none */

static void log_in(rh_heap *heap, int number)
{
    user *who = rh_new(heap, &user_type);
    current = rh_new(heap, &session_type);
    rh_set(&who->session, current);
    if (number <= 2)
        rh_set(&current->user, who); /* they hold each other: a cycle */
    if (number == 3)
        rh_retain(current); /* once too often */
    rh_release(current);
    if (number == 1)
        admin = who;
    else
        rh_release(who); /* the 4th dies with its session: `current` dangles */
}

int main(void)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.name = "server", .gc_disabled = true});
    for (int number = 1; number <= 4; number++)
        log_in(heap, number);
    __builtin_trap(); /* the crash */
}
