/* growth.c - a service that grows: it answers requests, and keeps a session of each for good.
 *
 * Each request makes a buffer, which is released at its end, an entry of a log of eight, which
 * drives out the oldest one, and a session, which nobody ever takes out of `sessions`. What grew,
 * and which line made it, is seen by two questions:
 *
 *     ./growth                                             answers 20 requests, waits for a line
 *     refheap --pid $(pidof growth) gcdiff --save=before   then press Enter: it answers 100 more
 *     refheap --pid $(pidof growth) gcdiff before
 *
 * Invariant: between two lines it neither makes nor frees anything. */
#include <refheap/refheap.h>

#include <stdio.h>

enum { LOG_ENTRIES = 8, FIRST_REQUESTS = 20, MORE_REQUESTS = 100 };

typedef struct session {
    rh_object base;
    struct session *next;
    int64_t user;
} session;

typedef struct entry {
    rh_object base;
    int64_t request;
} entry;

typedef struct buffer {
    rh_object base;
    char bytes[240];
} buffer;

static const rh_field session_fields[] = {RH_STRONG(session, next), RH_INT(session, user),
                                          RH_FIELDS_END};
static const rh_field entry_fields[] = {RH_INT(entry, request), RH_FIELDS_END};
static rh_type session_type = {
    .name = "session", .size = RH_SIZE(session, base), .fields = session_fields};
static rh_type entry_type = {.name = "entry", .size = RH_SIZE(entry, base), .fields = entry_fields};
static rh_type buffer_type = {.name = "buffer", .size = RH_SIZE(buffer, base)};

static rh_heap *heap;
static session *sessions; /* the newest first: nobody forgets any */
static entry *entries[LOG_ENTRIES];

static void remember(int64_t user)
{
    session *s = rh_new(heap, &session_type);
    s->user = user;
    s->next = sessions; /* the count of the variable becomes the field's */
    sessions = s;
}

static void answer(int64_t request)
{
    buffer *work = rh_new(heap, &buffer_type);
    entry *e = rh_new(heap, &entry_type);
    e->request = request;
    rh_release(entries[request % LOG_ENTRIES]);
    entries[request % LOG_ENTRIES] = e;
    remember(request % 10);
    rh_release(work);
}

static void wait_for_a_line(const char *moment)
{
    printf("%s\n", moment);
    fflush(stdout);
    while (getchar() > '\n')
        ;
}

int main(void)
{
    heap = rh_heap_create(&(rh_heap_options){.name = "service"});
    for (int64_t i = 0; i < FIRST_REQUESTS; i++)
        answer(i);
    wait_for_a_line("before");
    for (int64_t i = FIRST_REQUESTS; i < FIRST_REQUESTS + MORE_REQUESTS; i++)
        answer(i);
    wait_for_a_line("later");
    rh_heap_destroy(heap);
    return 0;
}
