/* scopes.cpp - variables of one name in namespaces and classes, named and not. Says what each of
 * them holds, and waits:
 *
 *     {"checkpoint": 0, "held": {"a::cfg": "node#2", …}}
 *
 * Invariant: each variable holds an object of its own, and nothing else holds that; objects are
 * numbered from 1. */
#include <refheap/refheap.h>

#include <cstdio>
#include <unistd.h>

struct node {
    rh_object base;
    node *next;
};

node *cfg;
namespace a
{
node *cfg;
namespace b
{
node *cfg;
}
struct store {
    static node *cfg;
};
node *store::cfg;
namespace
{
node *volatile deep;
}
} // namespace a
namespace
{
node *volatile hidden;
}

int main()
{
    static const rh_field fields[] = {RH_STRONG(node, next), RH_FIELDS_END};
    static rh_type type;
    type.name = "node";
    type.size = sizeof(node);
    type.fields = fields;
    rh_heap *heap = rh_heap_create(nullptr);
    cfg = static_cast<node *>(rh_new(heap, &type));
    a::cfg = static_cast<node *>(rh_new(heap, &type));
    a::b::cfg = static_cast<node *>(rh_new(heap, &type));
    a::store::cfg = static_cast<node *>(rh_new(heap, &type));
    hidden = static_cast<node *>(rh_new(heap, &type));
    a::deep = static_cast<node *>(rh_new(heap, &type));
    puts("{\"checkpoint\": 0, \"held\": {\"cfg\": \"node#1\", \"a::cfg\": \"node#2\", "
         "\"a::b::cfg\": \"node#3\", \"a::store::cfg\": \"node#4\", "
         "\"(anonymous namespace)::hidden\": \"node#5\", \"a::(anonymous namespace)::deep\": "
         "\"node#6\"}}");
    fflush(stdout);
    for (;;)
        pause();
}
