/* leak_author.c - a count that was taken and never given back, and who took it.
 *
 *     in its core: gcleaks, objat session#1, refs --ledger session#1
 *
 * audit() forgets its count where it returns early. When the cache lets the session go it stays,
 * and a leak report says its line of birth, which is not the mistake. The session is traced, so its
 * heap knows each retain and release: `refs --ledger` names audit(). Invariant: serve() and the
 * cache give back what they take. The program crashes at its end, so that there is a core. */
#include <refheap/refheap.h>

#include <stdlib.h>
#include <string.h>

#define APART __attribute__((noinline))

typedef struct session {
    rh_object base;
    int64_t requests;
} session;
static const rh_field session_fields[] = {RH_INT(session, requests), RH_FIELDS_END};
static rh_type session_type = {.name = "session",
                               .size = RH_SIZE(session, base),
                               .fields = session_fields,
                               .flags = RH_TYPE_TRACED}; /* or REFHEAP_OPTIONS=trace=session */

static rh_heap *heap;
static session *cache; /* owns the count of the birth */

static APART void log_in(void)
{
    cache = rh_new(heap, &session_type);
}

static APART void serve(session *self)
{
    session *mine = rh_retain(self);
    mine->requests++;
    rh_release(mine);
}

static APART void audit(session *self)
{
    rh_retain(self);
    if (self->requests == 3)
        return; /* the mistake */
    rh_release(self);
}

static APART void log_out(void)
{
    rh_set(&cache, NULL);
}

/* What returned functions left on the stack must not look like a holder. */
static APART void scrub_stack(void)
{
    char dead[16384];
    explicit_bzero(dead, sizeof dead);
}

int main(void)
{
    heap = rh_heap_create(&(rh_heap_options){.name = "leak_author"});
    log_in();
    for (int i = 0; i < 5; i++) {
        serve(cache);
        audit(cache);
    }
    log_out();
    scrub_stack();
    abort();
}
