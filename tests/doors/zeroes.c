/* zeroes.c - a program with much zeroed data that nobody has touched, and one object in a global
 * variable.
 *
 * Invariant: no page of `zeroes` is there before somebody reads it: page tables grow then. */
#include <refheap/refheap.h>

#include <stdio.h>
#include <unistd.h>

typedef struct thing {
    rh_object base;
    uint64_t value;
} thing;

static const rh_field fields[] = {RH_UINT(thing, value), RH_FIELDS_END};
static rh_type type = {.name = "thing", .size = RH_SIZE(thing, base), .fields = fields};

char zeroes[1 << 30];
thing *first, *second;
int ordinary = 42;

int main(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    first = rh_new(heap, &type);
    second = rh_new(heap, &type);
    printf("{\"checkpoint\": 1}\n");
    fflush(stdout);
    pause();
    return ordinary - zeroes[0];
}
