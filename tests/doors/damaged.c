/* damaged.c - does to its heap what the argument names, then aborts, or with REFHEAP_WAIT waits
 * to be looked at. "sound": nothing. Everything else is a mistake that programs make; gcverify is
 * to find it. */
#include <refheap/refheap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct node {
    rh_object base;
    struct node *next, *other;
    rh_weak *owner;
} node;

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_STRONG(node, other),
                                       RH_WEAK(node, owner), RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};
static node *registered;

int main(int count, char **words)
{
    const char *what = count > 1 ? words[1] : "sound";
    rh_heap *heap = rh_heap_create(NULL), *second = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type), *b = rh_new(heap, &node_type),
         *c = rh_new(heap, &node_type), *d = rh_new(second, &node_type);
    rh_root_add(heap, &registered, "registered");
    rh_set(&a->next, b);
    rh_set(&a->other, c);
    rh_set(&b->next, a);
    rh_set(&registered, a);
    a->owner = rh_weak_new(c);
    rh_release(rh_new(heap, &node_type)); /* there are freed slots, too */
    if (strcmp(what, "over_release") == 0) {
        rh_release(b);
        rh_release(rh_retain(b));
        rh_set(&c->next, b);
        rh_release(b);
    } else if (strcmp(what, "root_without_count") == 0) {
        rh_release(a);
        rh_release(a);
    } else if (strcmp(what, "bad_link") == 0) {
        node *gone = rh_new(heap, &node_type);
        c->other = gone; /* without a retain */
        rh_release(gone);
    } else if (strcmp(what, "other_heap") == 0) {
        rh_set(&d->next, a);
    } else if (strcmp(what, "bad_type") == 0) {
        memset((char *)d, 0x41, 8);
    } else if (strcmp(what, "bad_bitmap") == 0) {
        node *gone = rh_new(heap, &node_type), kept = *gone, *others[40];
        for (int i = 0; i < 40; i++)
            others[i] = rh_new(heap, &node_type);
        for (int i = 0; i < 40; i++) /* the allocator has more slots in hand than it keeps */
            rh_release(others[i]);
        rh_release(gone);
        memcpy((void *)gone, &kept, sizeof kept);
    } else if (strcmp(what, "duplicate_serial") == 0) {
        node *copy = rh_new(heap, &node_type);
        memcpy(copy, c, sizeof *c);
    } else if (strcmp(what, "bad_weak") == 0) {
        memset((char *)a->owner + sizeof(rh_object), 0x41, 6);
    } else if (strcmp(what, "bad_root") == 0) {
        registered = (node *)((char *)a + 8);
    } else if (strcmp(what, "sound") != 0) {
        fprintf(stderr, "damaged: what is %s?\n", what);
        return 1;
    }
    if (getenv("REFHEAP_WAIT")) {
        puts("waiting");
        fflush(stdout);
        pause();
    }
    abort();
}
