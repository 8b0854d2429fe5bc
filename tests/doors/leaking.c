/* leaking.c - leaks in each way, at lines that it tells: leaking SEED OBJECTS MOMENTS. Of each way
 * there are OBJECTS; SEED and MOMENTS say nothing. With REFHEAP_TEST_ABORT it aborts at its end.
 *
 * Writes one line of JSON, {"live": {"TYPE": {"cause", "file", "line", "function"}}}, and waits.
 * Line 0: the object knows no line of its own, and this one made it ("born"). Invariant: what is
 * written comes from the lines that the program goes through. */
#include <refheap/refheap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APART __attribute__((noinline))

typedef struct node {
    rh_object base;
    struct node *next;
} node;
static const rh_field node_fields[] = {RH_STRONG(node, next), RH_FIELDS_END};
#define TYPE(text)                                                                                 \
    {                                                                                              \
        .name = text, .size = RH_SIZE(node, base), .fields = node_fields                           \
    }
static rh_type ring_type = TYPE("ring"), lost_type = TYPE("lost"), child_type = TYPE("child"),
               plain_type = TYPE("plain"), odd_type = TYPE("odd");

static rh_heap *heap;
static const char *separator = "";

static void tell(const char *type, const char *cause, const char *file, int line, int born,
                 const char *function)
{
    printf("%s\"%s\": {\"cause\": \"%s\", \"file\": \"%s\", \"line\": %d, \"born\": %d, "
           "\"function\": \"%s\"}",
           separator, type, cause, file, line, born, function);
    separator = ", ";
}
#define TELL(type, cause, line, born) tell(type, cause, __FILE__, line, born, __func__)

static APART void circle(int is_first)
{
    node *self = rh_new(heap, &ring_type);
    if (is_first)
        TELL("ring", "cycle", __LINE__ - 2, 0);
    rh_set(&self->next, self);
    rh_release(self);
}

static APART node *make_child(int is_first)
{
    if (is_first)
        TELL("child", "dependent", __LINE__ + 1, 0);
    return rh_new(heap, &child_type);
}

static APART void lose(int is_first)
{
    node *self = rh_new(heap, &lost_type), *child;
    if (is_first)
        TELL("lost", "lost_reference", __LINE__ - 2, 0);
    child = make_child(is_first);
    rh_set(&self->next, child);
    rh_release(child);
}

static APART void lose_plainly(int is_first)
{
    if (is_first)
        TELL("plain", "lost_reference", 0, __LINE__ + 1);
    (rh_new)(heap, &plain_type);
}

/* What returned functions left on the stack must not look like a holder. */
static APART void scrub_stack(void)
{
    char dead[16384];
    explicit_bzero(dead, sizeof dead);
}

static void lose_oddly(int is_first);

int main(int count, char **words)
{
    int objects = count > 2 ? atoi(words[2]) : 1;
    heap = rh_heap_create(&(rh_heap_options){.name = "leaking"});
    printf("{\"live\": {");
    for (int i = 0; i < objects; i++) {
        circle(i == 0);
        lose(i == 0);
        lose_plainly(i == 0);
        lose_oddly(i == 0);
    }
    printf("}}\n");
    fflush(stdout);
    scrub_stack();
    if (getenv("REFHEAP_TEST_ABORT"))
        abort();
    getchar();
    return 0;
}

/* A path that a reference has to escape. */
#line 700 "odd dir/a:b#ü%.c"
static APART void lose_oddly(int is_first)
{
    rh_new(heap, &odd_type);
    if (is_first)
        TELL("odd", "lost_reference", __LINE__ - 2, 0);
}
