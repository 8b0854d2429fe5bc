/* forgotten.cpp - the mistake itself, in C++: wrappers that own a count, containers of them, and
 * lists, allocated and forgotten. With an argument it ends, for a leak checker of malloc's
 * blocks; else it says so and waits:
 *
 *     {"checkpoint": 0, "objects": N}: so many are lost, by whatever holds them
 */
#include <refheap/refheap.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <unistd.h>
#include <vector>

struct widget {
    rh_object base;
    rh_object *child;
};
static const rh_field fields[] = {RH_STRONG(widget, child), RH_FIELDS_END};
static rh_type widget_type;
struct holder {
    long number;
    widget *w;
    holder *next;
};

static rh_heap *heap;
static holder *volatile keep;
static int lost;

static widget *make()
{
    widget *w = (widget *)rh_new(heap, &widget_type);
    if (!w)
        abort();
    return w;
}

static void __attribute__((noinline)) forget(int wrappers)
{
    for (int i = 0; i < wrappers; i++) {
        holder *volatile h = new holder{i, make(), nullptr};
        h->w->child = &make()->base;
        lost += 2;
    }
    auto *volatile values = new std::vector<holder>;
    auto *volatile table = new std::map<int, std::shared_ptr<holder>>;
    for (int i = 0; i < 9; i++) {
        values->push_back({i, make(), nullptr});
        (*table)[i] = std::make_shared<holder>(holder{i, make(), nullptr});
        lost += 2;
    }
    holder *volatile ring = new holder{0, make(), nullptr};
    ring->next = new holder{1, make(), ring};
    lost += 2;
    keep = new holder{2, make(), new holder{3, make(), nullptr}};
}

static void __attribute__((noinline)) clear_stack()
{
    volatile char bytes[1 << 15];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
}

int main(int argc, char **)
{
    static char buffer[1 << 12];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    widget_type.name = "widget";
    widget_type.size = sizeof(widget);
    widget_type.fields = fields;
    heap = rh_heap_create(nullptr);
    forget(40);
    printf("{\"checkpoint\": 0, \"objects\": %d}\n", lost);
    fflush(stdout);
    clear_stack();
    while (argc == 1)
        pause();
    return 0;
}
