/* variables.c - variables of every kind that a debugger may show: what they hold is written down as
 * JSON, and the program waits.
 *
 * Invariant: for each variable of `main` that is told about, "text" is what stands behind its own
 * value, null where nothing may; "children" are names and, of each, a part of what is shown.
 * "arguments" are those of `stay`, which is where the program waits, as backtraces show them. */
#include <refheap/refheap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct person {
    rh_object base;
    struct person *next;
    rh_string *name;
    int64_t age;
    double score;
    struct person *child[3];
    struct person *boss; /* borrowed */
    rh_weak *friend;
} person;
/* It begins with a struct that begins with the header. */
typedef struct worker {
    person as_person;
    rh_list *tasks;
} worker;

/* Main's variable does not know this struct. */
typedef struct meter {
    rh_object base;
    uint64_t most;
} meter;

static const rh_field person_fields[] = {RH_STRONG(person, next),
                                         RH_STRONG(person, name),
                                         RH_INT(person, age),
                                         RH_FLOAT(person, score),
                                         RH_STRONG_ARRAY(person, child),
                                         RH_BORROWED(person, boss),
                                         RH_WEAK(person, friend),
                                         RH_FIELDS_END};
static const rh_field worker_fields[] = {RH_STRONG(worker, tasks), RH_FIELDS_END};
static const rh_field meter_fields[] = {RH_UINT(meter, most), RH_FIELDS_END};
static rh_type meter_type = {.name = "meter", .size = RH_SIZE(meter, base), .fields = meter_fields};
static rh_type person_type = {
    .name = "person", .size = RH_SIZE(person, base), .fields = person_fields};
static rh_type worker_type = {
    .name = "worker", .size = RH_SIZE(worker, as_person), .fields = worker_fields};

static const char *comma;       /* before the next row */
static person *keeper, *no_one; /* as `second` and `null` */

/* children: a JSON array, or NULL: it has none that are known here */
static void tell(const char *name, const char *text, const char *children)
{
    printf("%s{\"name\": \"%s\", \"text\": %s%s%s, \"children\": %s}", comma, name,
           text ? "\"" : "", text ? text : "null", text ? "\"" : "", children ? children : "null");
    comma = ", ";
}

static void tell_all(const person *first)
{
    comma = "";
    printf("{\"checkpoint\": 1, \"first\": \"%p\", \"variables\": [", (const void *)first);
    tell("first", "person#1 rc=2",
         "[[\"next\", \"person#2 rc=2\"], [\"name\", \"string#9 rc=1 \\\"ann\\\"\"], [\"age\", "
         "\"-41\"], "
         "[\"score\", \"2.5\"], [\"child[0]\", \"\"], [\"child[1]\", \"\"], [\"child[2]\", \"\"], "
         "[\"boss\", \"STALE: was person#3, freed by release\"], [\"friend\", \"\"]]");
    tell("second", "person#2 rc=2",
         "[[\"next\", \"\"], [\"name\", \"\"], [\"age\", \"0\"], [\"score\", \"0\"], "
         "[\"child[0]\", \"\"], [\"child[1]\", \"person#1 rc=2\"], [\"child[2]\", \"\"], "
         "[\"boss\", \"\"], [\"friend\", \"\"]]");
    tell("gone", "STALE: was person#3, freed by release", "[]");
    tell("hand", "worker#4 rc=1", "[[\"tasks\", \"list#7 rc=3\"]]");
    tell("greeting", "string#5 rc=2 \\\"hello, \\\\\\\"world\\\\\\\"\\\"",
         "[[\"length\", \"14\"], [\"bytes\", \"hello, \"]]");
    tell("number", "int#6 rc=2 7000", "[[\"value\", \"7000\"]]");
    tell("shared", "immortal 7", "[[\"value\", \"7\"]]"); /* its serial is not told */
    tell("list", "list#7 rc=3",
         "[[\"items[0]\", \"int#6 rc=2 7000\"], [\"items[1]\", \"string#5 rc=2\"], "
         "[\"length\", \"2\"]]");
    tell("dict", "dict#8 rc=1",
         "[[\"entries[0].key\", \"string#10 rc=1 \\\"k\\\"\"], [\"entries[0].value\", "
         "\"list#7 rc=3\"], [\"entries[1].key\", \"string#14 rc=1 \\\"l\\\"\"], "
         "[\"entries[1].value\", \"immortal 7\"], [\"length\", \"2\"]]");
    tell("large", "meter#13 rc=1 18446744073709551615", "[[\"most\", \"18446744073709551615\"]]");
    tell("null", NULL, NULL);
    tell("garbage", NULL, NULL);
    tell("unaligned", NULL, NULL);
    tell("inside", NULL, NULL);
    tell("on_stack", NULL, NULL);
    tell("plain", "person#2 rc=2", NULL);
    tell("untyped", NULL, NULL);
    tell("fresh", "person#11 rc=1",
         "[[\"next\", \"\"], [\"name\", \"\"], [\"age\", \"0\"], [\"score\", \"0\"], "
         "[\"child[0]\", \"\"], "
         "[\"child[1]\", \"\"], [\"child[2]\", \"\"], [\"boss\", \"\"], [\"friend\", \"\"]]");
    tell("half", NULL, NULL);
    tell("unreadable", NULL, NULL);
    tell("edge", NULL, NULL);
    comma = "";
    printf("], \"arguments\": [");
    tell("alive", "person#1 rc=2", NULL);
    tell("stale", "STALE: was person#3, freed by release", NULL);
    tell("unset", "person#11 rc=1", NULL);
    tell("unborn", NULL, NULL);
    tell("nowhere", NULL, NULL);
    tell("words", "string#5 rc=2 \\\"hello, \\\\\\\"world\\\\\\\"\\\"", NULL);
    printf("]}\n");
    fflush(stdout);
}

/* A place to stop at. */
__attribute__((noinline)) static person *visit(person *object, int round)
{
    __asm__ volatile("" ::"r"(round));
    return object;
}

/* One line makes some: behind the first, there is nothing new about a birth there. */
__attribute__((noinline)) static person *make(rh_heap *heap)
{
    return rh_new(heap, &person_type);
}

/* As rh_new leaves a slot that it has taken, until the object is there: a header of no type. The
 * memory is none to be used by a program. */
__attribute__((no_sanitize("address"))) static void begin(rh_object *object)
{
    object->rh_type_index = 0;
    object->rh_flags = RH_FLAG_FREED;
}

/* A page that can be read, and behind it one that cannot. */
static char *make_pages(size_t page)
{
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0)
        exit(3);
    return pages;
}

__attribute__((noinline)) static int stay(person *alive, person *stale, person *unset,
                                          person *unborn, person *nowhere, rh_string *words)
{
    pause();
    return alive || stale || unset || unborn || nowhere || words;
}

int main(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    person *first = make(heap), *second = make(heap), *gone = make(heap);
    worker *hand = rh_new(heap, &worker_type);
    rh_string *greeting = rh_string_new(heap, "hello, \"world\"");
    rh_int *number = rh_int_new(heap, 7000), *shared = rh_int_new(heap, 7);
    rh_list *list = rh_list_new(heap);
    rh_dict *dict = rh_dict_new(heap);
    person *null = NULL, *garbage = (person *)(uintptr_t)0x123456789,
           *unaligned = (person *)(uintptr_t)3, *inside = (person *)(void *)((char *)first + 8),
           *on_stack = (person *)(void *)&heap, copy, *fresh, *half, *unreadable, *edge;
    rh_object *plain = (rh_object *)second, *large;
    void *untyped = first;

    first->age = -41;
    first->score = 2.5;
    rh_set(&first->next, second);
    first->boss = gone;
    first->name = rh_string_new(heap, "ann");
    rh_set(&second->child[1], first);
    rh_list_append(list, (rh_object *)number);
    rh_list_append(list, (rh_object *)greeting);
    rh_dict_set_text(dict, "k", (rh_object *)list);
    hand->tasks = rh_retain(list);
    fresh = make(heap);
    half = make(heap);
    rh_release(gone);
    memcpy(&copy, first, sizeof copy);
    large = rh_new(heap, &meter_type);
    ((meter *)(void *)large)->most = UINT64_MAX;
    rh_dict_set_text(dict, "l", (rh_object *)shared);

    for (int round = 0; round < 1000; round++) { /* in one of which a count is higher */
        if (round == 700)
            rh_retain(second);
        visit(second, round);
        if (round == 700)
            rh_release(second);
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unreadable = (person *)(void *)(make_pages(page) + page);
    edge = (person *)(void *)((char *)unreadable - 8);
    rh_release(half);
    begin(&half->base); /* nothing is asked of the heap from here on */
    keeper = second;
    tell_all(first);
    return stay(first, gone, fresh, half, garbage, greeting) || null || no_one || keeper == first ||
           garbage || unaligned || inside || on_stack || plain || large || untyped || shared ||
           copy.age || unreadable || edge;
}
