/* references.cpp - references of C++ to objects, and pointers in what C++ has: what they hold is
 * written down as variables.c does, and the program waits.
 *
 * Invariant: for each variable of `main` that is told about, "text" is what stands behind its own
 * value, null where nothing may; "children" are names and, of each, a part of what is shown. */
#include <refheap/refheap.h>

#include <cstdio>
#include <unistd.h>

struct node {
    rh_object base;
    node *next;
    int value;
};
/* Its objects begin with one that begins with the header. */
struct leaf : node {
};
using node_pointer = node *;

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_INT(node, value), RH_FIELDS_END};
static rh_type node_type = {"node", RH_SIZE(node, base), node_fields};

static void tell()
{
    const char *fields = "[[\"next\", \"node#2 rc=2\"], [\"value\", \"3\"]]";
    const char *first = "node#1 rc=1", *gone = "STALE: was node#3, freed by release";
    struct {
        const char *name, *text, *children;
    } rows[] = {{"reference", first, fields},
                {"constant", first, fields},
                {"derived", first, fields},
                {"pointer", first, fields},
                {"dead", gone, "[]"}};
    printf("{\"checkpoint\": 1, \"variables\": [");
    for (auto &row : rows)
        printf("%s{\"name\": \"%s\", \"text\": \"%s\", \"children\": %s}", &row == rows ? "" : ", ",
               row.name, row.text, row.children);
    printf("]}\n");
    fflush(stdout);
}

static node *make(rh_heap *heap)
{
    return static_cast<node *>(rh_new(heap, &node_type));
}

int main()
{
    rh_heap *heap = rh_heap_create(nullptr);
    node *first = make(heap), *second = make(heap), *third = make(heap);
    first->value = 3;
    rh_set(&first->next, second);
    node &reference = *first, &dead = *third;
    const node &constant = *first;
    leaf &derived = static_cast<leaf &>(*first);
    node_pointer pointer = first;
    rh_release(third);
    tell();
    pause();
    return reference.value + constant.value + derived.value + pointer->value + dead.value;
}
