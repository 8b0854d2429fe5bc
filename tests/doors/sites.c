/* sites.c - makes objects in every way that has a line, and in those that have none, says at its
 * checkpoint where each was born, and waits. Also compiled as C++.
 *
 * Invariant: the truth's lines are those in which a reader of this file sees the call; functions
 * are named as the language names them (C++ without classes and arguments). */
#include <refheap/refheap.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct node {
    rh_object base;
    struct node *next;
} node;
static rh_field node_fields[2];
static rh_type node_type;

typedef struct row {
    const void *object;
    char id[40];
    const char *function; /* NULL: the object knows no line */
    int line;
    int is_freed;
} row;
static row rows[64];
static int row_count;
static rh_heap *heap;

static node *note(void *object, const char *type, const char *function, int line)
{
    row *r = &rows[row_count++];
    if (!object)
        abort();
    r->object = object;
    r->function = function;
    r->line = line;
    snprintf(r->id, sizeof r->id, "%s#%llu", type, (unsigned long long)rh_serial(object));
    return (node *)object;
}
#define BORN(type, object) note((object), (type), __func__, __LINE__)
#define BORN_NOWHERE(type, object) note((object), (type), NULL, 0)

static void *node_new_at(rh_site *site)
{
    return rh_new_at(heap, &node_type, site);
}
#define node_new() node_new_at(RH_HERE)

static inline node *of_static_inline(void)
{
    return BORN("node", rh_new(heap, &node_type));
}

static __attribute__((noinline)) node *of_wrapper(void)
{
    return BORN("node", node_new());
}

static node *of_loop(int count)
{
    node *first = NULL;
    for (int i = 0; i < count; i++) {
        node *made = BORN("node", rh_new(heap, &node_type));
        made->next = first;
        first = made;
    }
    return first;
}

static void of_values(void)
{
    rh_string *text = rh_string_new(heap, "some, text");
    note(text, "string", __func__, __LINE__ - 1);
    BORN("dict", rh_dict_new(heap));
    BORN("list", rh_list_new(heap));
    BORN("int", rh_int_new(heap, 12345));
    BORN("string", rh_string_format(heap, "%d of %s", 3, "them"));
    BORN("weak", rh_weak_new(text));
    BORN("list", rh_string_split(heap, text, text));
}

static void of_no_line(void)
{
    void *(*volatile pointer)(rh_heap *, rh_type *) = rh_new;
    BORN_NOWHERE("node", (rh_new)(heap, &node_type));
    BORN_NOWHERE("node", pointer(heap, &node_type));
    BORN_NOWHERE("node", rh_new_at(heap, &node_type, NULL));
}

/* What a library does whose callers' lines lie in a table: more of them than have numbers. The
 * first ones have one, whatever was made before; those from 65535 on have none. */
enum { MANY = 65600, NUMBERS = 65535, FIRST_LINE = 1000 };
static rh_site many[MANY];

static void of_many(void)
{
    for (int i = 0; i < MANY; i++) {
        many[i].file = __FILE__;
        many[i].function = "of_table";
        many[i].line = (uint32_t)(FIRST_LINE + i);
        void *made = node_new_at(&many[i]);
        if (i % 10000 == 0 && i < NUMBERS - 1000)
            note(made, "node", "of_table", FIRST_LINE + i);
        else if (i >= NUMBERS && i % 10 == 0)
            BORN_NOWHERE("node", made);
        else
            rh_release(made);
    }
    BORN_NOWHERE("node", rh_new(heap, &node_type));                  /* a new line */
    note(node_new_at(&many[5]), "node", "of_table", FIRST_LINE + 5); /* one that has a number */
}

#ifdef __cplusplus
inline node *of_inline()
{
    return BORN("node", rh_new(heap, &node_type));
}

template <typename T> T *of_template()
{
    return BORN("node", rh_new(heap, &node_type));
}

struct holder {
    node *first;
    holder() : first(BORN("node", rh_new(heap, &node_type)))
    {
    }
    static node *of_member()
    {
        return BORN("node", rh_new(heap, &node_type));
    }
};

static void of_cpp()
{
    of_inline();
    of_template<node>();
    of_template<struct node>();
    holder one;
    holder::of_member();
    auto lambda = []() { return rh_new(heap, &node_type); };
    note(lambda(), "node", "operator()", __LINE__ - 1);
}
#endif

static void print_rows(void)
{
    printf("{\"checkpoint\": 1, \"objects\": [");
    for (int i = 0; i < row_count; i++) {
        printf("%s{\"id\": \"%s\", \"address\": \"%p\", \"freed\": %s, ", i ? ", " : "", rows[i].id,
               (void *)rows[i].object, rows[i].is_freed ? "true" : "false");
        if (rows[i].function)
            printf("\"site\": [%d, \"%s\"]}", rows[i].line, rows[i].function);
        else
            printf("\"site\": null}");
    }
    printf("], \"refused\": %d}\n", MANY - NUMBERS + 1);
    fflush(stdout);
}

int main(void)
{
    rh_field next = RH_STRONG(node, next), end = RH_FIELDS_END;
    node_fields[0] = next;
    node_fields[1] = end;
    node_type.name = "node";
    node_type.size = sizeof(node);
    node_type.fields = node_fields;
    heap = rh_heap_create(NULL);
    of_static_inline();
    of_wrapper();
    of_loop(5);
    of_values();
    of_no_line();
#ifdef __cplusplus
    of_cpp();
#endif
    node *dead = BORN("node", rh_new(heap, &node_type));
    rows[row_count - 1].is_freed = 1;
    of_many();
    rh_release(dead); /* last: nobody has its slot */
    print_rows();
    for (;;)
        pause();
}
