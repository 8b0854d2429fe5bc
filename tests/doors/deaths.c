/* deaths.c - lets objects die at random in every way that there is, logs each death itself, says at
 * its checkpoint what died where, and waits. Also compiled as C++.
 *
 * Invariant: the log comes from this file's own books. What is dead after an operation and was not
 * before it died by the line of the operation; what a finalizer lets go of is written down there.
 * Equal calls in branches of a function are two lines. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <refheap/refheap.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define APART __attribute__((noinline))
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof *(array))

enum {
    HEAPS = 3,
    SLOTS = 20, /* of each heap: variables that own one count */
    BEINGS_MAX = 2048,
    DEATHS_MAX = 20000,
    BALLAST = 20000 /* of the first heap: a larger heap has a longer memory */
};

typedef struct node {
    rh_object base;
    struct node *next;
} node;
typedef struct keeper { /* its finalizer lets go of what it holds */
    rh_object base;
    node *held;
    struct keeper *other;
} keeper;

/* ---- the books ------------------------------------------------------------------------------ */

typedef struct line {
    const char *function;
    int number;
} line;

typedef struct being {
    const void *object;
    uint64_t serial;
    const char *type;
    line born;
    int heap;
    /* by a finalizer, NULL: not; a place without function is the operation's */
    const char *doom;
    line doom_place;
} being;

typedef struct death {
    being who;
    const char *reason;
    line place;
    int operation;
    int thread;
    uint64_t from, to;
} death;

static rh_heap *heaps[HEAPS];
static void *slots[HEAPS][SLOTS];
static being beings[BEINGS_MAX];
static int being_count;
static death deaths[DEATHS_MAX];
static int death_count, operation_count;
static uint64_t operation_began;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static APART void *note(int heap, const char *type, void *object, const char *function, int number)
{
    being *b = &beings[being_count++];
    if (!object || being_count == BEINGS_MAX)
        abort();
    memset(b, 0, sizeof *b);
    b->object = object;
    b->serial = rh_serial(object);
    b->type = type;
    b->born.function = function;
    b->born.number = number;
    b->heap = heap;
    return object;
}

static bool is_alive(const being *b)
{
    return rh_is_object(heaps[b->heap], b->object) && rh_serial(b->object) == b->serial;
}

static APART void begin(void)
{
    operation_count++;
    operation_began = now();
}

/* What died in the operation, for that reason at that line if nothing else is known. */
static APART void end(const char *reason, const char *function, int number)
{
    int left = 0;
    for (int i = 0; i < being_count; i++) {
        being b = beings[i];
        if (is_alive(&b)) {
            beings[left++] = b;
            continue;
        }
        death *d = &deaths[death_count++];
        if (death_count == DEATHS_MAX)
            abort();
        d->who = b;
        d->reason = b.doom ? b.doom : reason;
        d->place.function = b.doom_place.function ? b.doom_place.function : function;
        d->place.number = b.doom_place.function ? b.doom_place.number : number;
        d->operation = operation_count;
        d->thread = (int)gettid();
        d->from = operation_began;
        d->to = now();
    }
    being_count = left;
}

#define DIES(reason, statement) (begin(), (statement), end((reason), __func__, __LINE__))
/* A birth, at which a collection may start. */
#define BORN(heap, type, expression)                                                               \
    born_at((begin(), (heap)), (type), (expression), __func__, __LINE__)

static APART void *born_at(int heap, const char *type, void *object, const char *function,
                           int number)
{
    note(heap, type, object, function, number);
    end("collect", function, number);
    return object;
}

/* Who is there, or dies there. */
static being *being_at(const void *object)
{
    for (int i = 0; i < being_count; i++)
        if (beings[i].object == object && rh_serial(object) == beings[i].serial)
            return &beings[i];
    abort();
}

static void doom(const void *object, const char *function, int number)
{
    being *b = being_at(object);
    b->doom = "release";
    b->doom_place.function = function;
    b->doom_place.number = number;
}

/* ---- types ---------------------------------------------------------------------------------- */

static rh_field node_fields[2], keeper_fields[3];
static rh_type node_type, keeper_type, phoenix_type, testator_type;
static void *legacy; /* of another heap, until a testator dies */
static void *risen[HEAPS];
static line branch; /* of a function with equal calls, the one that was taken */

/* It lets go of a node that lets go of another. If a collection condemned them all, it holds them
 * until all finalizers have run, and they are its own. */
static void keeper_finalize(void *object)
{
    keeper *self = (keeper *)object;
    if (rh_refcount(self->held) == 1) {
        doom(self->held->next, NULL, 0);
        doom(self->held, __func__, __LINE__ + 2);
    }
    rh_set(&self->held, NULL);
}

/* It lives on if there is room, whoever doomed it, and dies later and elsewhere. */
static void phoenix_finalize(void *object)
{
    node *self = (node *)object;
    for (int heap = 0; heap < HEAPS; heap++)
        if (!risen[heap] && rh_is_object(heaps[heap], self->next)) {
            risen[heap] = rh_retain(object);
            being_at(object)->doom = being_at(self->next)->doom = NULL;
            being_at(object)->doom_place.function = NULL;
        }
}

static void testator_finalize(void *object)
{
    (void)object;
    doom(((node *)legacy)->next, __func__, __LINE__ + 2);
    doom(legacy, __func__, __LINE__ + 1);
    rh_release(legacy);
}

static void define(rh_type *type, const char *name, size_t size, const rh_field *fields,
                   void (*finalize)(void *))
{
    type->name = name;
    type->size = size;
    type->fields = fields;
    type->finalize = finalize;
}

static void define_types(void)
{
    rh_field next = RH_STRONG(node, next), held = RH_STRONG(keeper, held),
             other = RH_STRONG(keeper, other), last = RH_FIELDS_END;
    node_fields[0] = next;
    node_fields[1] = last;
    keeper_fields[0] = held;
    keeper_fields[1] = other;
    keeper_fields[2] = last;
    define(&node_type, "node", sizeof(node), node_fields, NULL);
    define(&keeper_type, "keeper", sizeof(keeper), keeper_fields, keeper_finalize);
    define(&phoenix_type, "phoenix", sizeof(node), node_fields, phoenix_finalize);
    define(&testator_type, "testator", sizeof(node), node_fields, testator_finalize);
}

/* ---- births --------------------------------------------------------------------------------- */

static APART node *make_node(int heap)
{
    return (node *)BORN(heap, "node", rh_new(heaps[heap], &node_type));
}

/* A collection that starts there is this line's. */
static APART node *make_in_branch(int heap)
{
    int number;
    void *made;
    begin();
    if (rand() % 2) {
        number = __LINE__ + 1;
        made = rh_new(heaps[heap], &node_type);
    } else {
        number = __LINE__ + 1;
        made = rh_new(heaps[heap], &node_type);
    }
    return (node *)born_at(heap, "node", made, __func__, number);
}

static inline node *make_inline(int heap)
{
    return (node *)BORN(heap, "node", rh_new(heaps[heap], &node_type));
}

static APART void *make_int(int heap)
{
    return BORN(heap, "int", rh_int_new(heaps[heap], 1000000 + operation_count));
}

static APART node *make_pair(int heap)
{
    node *made = make_node(heap);
    made->next = make_inline(heap);
    return made;
}

static APART void *make_circle(int heap)
{
    node *made = make_pair(heap);
    rh_set(&made->next->next, made);
    return made;
}

static APART node *make_phoenix(int heap)
{
    node *made = (node *)BORN(heap, "phoenix", rh_new(heaps[heap], &phoenix_type));
    made->next = make_node(heap);
    return made;
}

static APART void *make_keeper(int heap)
{
    keeper *made = (keeper *)BORN(heap, "keeper", rh_new(heaps[heap], &keeper_type));
    made->held = rand() % 3 ? make_pair(heap) : make_phoenix(heap);
    return made;
}

static APART void *make_keepers(int heap) /* in a circle */
{
    keeper *made = (keeper *)make_keeper(heap);
    made->other = (keeper *)make_keeper(heap);
    rh_set(&made->other->other, made);
    return made;
}

static APART void *make_list(int heap)
{
    rh_list *made = (rh_list *)BORN(heap, "list", rh_list_new(heaps[heap]));
    for (int i = rand() % 5; i >= 0; i--) {
        void *item = i % 2 ? make_int(heap) : (void *)make_inline(heap);
        rh_list_append(made, item);
        rh_release(item);
    }
    return made;
}

static APART rh_string *make_key(int heap, int number)
{
    return (rh_string *)BORN(heap, "string", rh_string_format(heaps[heap], "key %d", number));
}

static APART void *make_dict(int heap)
{
    rh_dict *made = (rh_dict *)BORN(heap, "dict", rh_dict_new(heaps[heap]));
    for (int i = rand() % 4; i >= 0; i--) {
        rh_string *key = make_key(heap, i);
        void *value = make_node(heap);
        rh_dict_set(made, key, value);
        rh_release(key);
        rh_release(value);
    }
    return made;
}

/* ---- deaths --------------------------------------------------------------------------------- */

static APART void drop(void **slot)
{
    DIES("release", rh_release(*slot));
    *slot = NULL;
}

static APART void drop_by_set(void **slot)
{
    DIES("release", rh_set(slot, NULL));
}

static inline __attribute__((always_inline)) void let_go(void **slot)
{
    DIES("release", rh_release(*slot));
    *slot = NULL;
}

static APART void drop_by_inline(void **slot)
{
    let_go(slot);
}

/* Equal calls, behind which nothing tells the branches apart: each is its own line. */
static APART void release_in_branch(void *object, bool is_first)
{
    branch.function = __func__;
    if (is_first) {
        branch.number = __LINE__ + 1;
        rh_release(object);
        return;
    }
    branch.number = __LINE__ + 1;
    rh_release(object);
}

static APART void set_in_branch(void **slot, bool is_first)
{
    branch.function = __func__;
    if (is_first) {
        branch.number = __LINE__ + 1;
        rh_set(slot, NULL);
        return;
    }
    branch.number = __LINE__ + 1;
    rh_set(slot, NULL);
}

static void drop_in_branch(void **slot)
{
    begin();
    if (rand() % 2)
        release_in_branch(*slot, rand() % 2);
    else
        set_in_branch(slot, rand() % 2);
    end("release", branch.function, branch.number);
    *slot = NULL;
}

static APART void drop_by_pointer(void **slot)
{
    void (*volatile release)(void *) = rh_release;
    DIES("release", release(*slot));
    *slot = NULL;
}

static APART void *drop_in_thread(void *slot)
{
    for (int i = 0; i < HEAPS; i++)
        rh_heap_attach(heaps[i]);
    DIES("release", rh_release(*(void **)slot));
    *(void **)slot = NULL;
    return NULL;
}

static void drop_by_thread(void **slot)
{
    pthread_t thread;
    if (rand() % 4 || pthread_create(&thread, NULL, drop_in_thread, slot))
        return;
    pthread_join(thread, NULL);
    for (int i = 0; i < HEAPS; i++)
        rh_heap_attach(heaps[i]);
}

static APART void list_pop(rh_list *list)
{
    DIES("release", rh_release(rh_list_pop(list)));
}

static APART void list_remove(rh_list *list)
{
    DIES("release", rh_list_remove(list, 0));
}

static APART void clear_in_branch(rh_list *list, bool is_first)
{
    branch.function = __func__;
    if (is_first) {
        branch.number = __LINE__ + 1;
        rh_list_clear(list);
        return;
    }
    branch.number = __LINE__ + 1;
    rh_list_clear(list);
}

static void list_clear(rh_list *list)
{
    begin();
    clear_in_branch(list, rand() % 2);
    end("release", branch.function, branch.number);
}

static APART void list_set(rh_list *list, void *item)
{
    DIES("release", rh_list_set(list, 0, item));
}

static void change_list(int heap, rh_list *list)
{
    void *item = make_node(heap);
    if (!rh_list_length(list)) {
        rh_list_append(list, item);
        rh_release(item);
        return;
    }
    switch (rand() % 4) {
    case 0:
        list_pop(list);
        break;
    case 1:
        list_remove(list);
        break;
    case 2:
        list_clear(list);
        break;
    default:
        list_set(list, item);
    }
    drop(&item);
}

static APART void dict_delete(rh_dict *dict, void *key)
{
    DIES("release", rh_dict_delete(dict, key));
}

static APART void dict_clear(rh_dict *dict)
{
    DIES("release", rh_dict_clear(dict));
}

static APART void dict_set(rh_dict *dict, void *key, void *value)
{
    DIES("release", rh_dict_set(dict, key, value));
}

static void change_dict(int heap, rh_dict *dict)
{
    void *key = make_key(heap, rand() % 4), *value = make_node(heap);
    switch (rand() % 3) {
    case 0:
        dict_delete(dict, key);
        break;
    case 1:
        dict_clear(dict);
        break;
    default:
        dict_set(dict, key, value);
    }
    drop(&key);
    drop_by_set(&value);
}

static APART void weak_release(rh_weak *weak, void **slot)
{
    *slot = rh_weak_get(weak);
    rh_release(*slot);
    DIES("release", rh_release(*slot));
    *slot = NULL;
}

/* The weak reference lives on. */
static APART void drop_by_weak(int heap, void **slot)
{
    if (rh_refcount(*slot) != 1)
        return;
    void *weak = BORN(heap, "weak", rh_weak_new(*slot));
    weak_release((rh_weak *)weak, slot);
    drop(&weak);
}

static APART void link_next(node *from, void *to)
{
    DIES("release", rh_set(&from->next, to));
}

static APART size_t collect_in_branch(int heap, bool is_first)
{
    branch.function = __func__;
    if (is_first) {
        branch.number = __LINE__ + 1;
        return rh_gc_collect(heaps[heap]);
    }
    branch.number = __LINE__ + 1;
    return rh_gc_collect(heaps[heap]);
}

static void collect(int heap)
{
    begin();
    collect_in_branch(heap, rand() % 2);
    end("collect", branch.function, branch.number);
}

static APART void collect_young(int heap)
{
    DIES("collect", rh_gc_collect_young(heaps[heap]));
}

/* A heap goes, and a finalizer of it lets go of another one's objects. */
static APART void destroy_heap(rh_heap *heap)
{
    DIES("release", rh_heap_destroy(heap));
}

static void inherit(int heap)
{
    rh_heap *other = rh_heap_create(NULL);
    legacy = make_pair(heap);
    rh_new(other, &testator_type);
    rh_new(other, &node_type);
    destroy_heap(other);
}

/* ---- at random ------------------------------------------------------------------------------ */

static void *make(int heap)
{
    switch (rand() % 9) {
    case 0:
        return make_in_branch(heap);
    case 1:
        return make_inline(heap);
    case 2:
        return make_int(heap);
    case 3:
        return make_circle(heap);
    case 4:
        return make_keeper(heap);
    case 5:
        return make_keepers(heap);
    case 6:
        return make_phoenix(heap);
    case 7:
        return make_list(heap);
    default:
        return make_dict(heap);
    }
}

static const char *type_of(const void *object)
{
    return being_at(object)->type;
}

static void change(int heap, void **slot)
{
    void **other = &slots[heap][rand() % SLOTS];
    const char *type = type_of(*slot);
    if (strcmp(type, "list") == 0)
        change_list(heap, (rh_list *)*slot);
    else if (strcmp(type, "dict") == 0)
        change_dict(heap, (rh_dict *)*slot);
    else if (strcmp(type, "node") == 0 && *other && strcmp(type_of(*other), "node") == 0)
        link_next((node *)*slot, *other);
    else
        drop_by_weak(heap, slot);
}

static void step(int heap)
{
    static void (*const drops[])(void **) = {drop,           drop_in_branch,  drop_by_set,
                                             drop_by_inline, drop_by_pointer, drop_by_thread};
    void **slot = &slots[heap][rand() % SLOTS];
    int dice = rand() % 100;
    if (dice == 0)
        collect(heap);
    else if (dice == 1)
        collect_young(heap);
    else if (dice == 2)
        inherit(heap);
    else if (risen[heap])
        drop_by_inline(&risen[heap]);
    else if (!*slot)
        *slot = make(heap);
    else if (dice < 50)
        change(heap, slot);
    else
        drops[(unsigned)rand() % ARRAY_LENGTH(drops)](slot);
}

/* ---- the truth ------------------------------------------------------------------------------ */

static void print_being(const being *b)
{
    printf("\"id\": \"%s#%llu\", \"address\": \"%p\", \"heap\": %d, \"site\": [%d, \"%s\"]",
           b->type, (unsigned long long)b->serial, (void *)b->object, b->heap, b->born.number,
           b->born.function);
}

static void print_truth(void)
{
    printf("{\"checkpoint\": 1, \"objects\": [");
    for (int i = 0; i < being_count; i++) {
        printf("%s{", i ? ", " : "");
        print_being(&beings[i]);
        printf("}");
    }
    printf("], \"deaths\": [");
    for (int i = 0; i < death_count; i++) {
        const death *d = &deaths[i];
        printf("%s{", i ? ", " : "");
        print_being(&d->who);
        printf(", \"reason\": \"%s\", \"place\": [%d, \"%s\"], \"operation\": %d, \"thread\": %d, "
               "\"from\": %llu, \"to\": %llu}",
               d->reason, d->place.number, d->place.function, d->operation, d->thread,
               (unsigned long long)d->from, (unsigned long long)d->to);
    }
    printf("]}\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int seed = argc > 1 ? atoi(argv[1]) : 1, steps = argc > 2 ? atoi(argv[2]) : 3000;
    rh_heap_options options;
    memset(&options, 0, sizeof options);
    srand((unsigned)seed);
    define_types();
    for (int i = 0; i < HEAPS; i++) {
        rh_gc_thresholds thresholds = {12, 25};
        options.history_events = i == 2 ? 100000 : 0; /* births, too */
        heaps[i] = rh_heap_create(&options);
        rh_gc_set_thresholds(heaps[i], thresholds);
    }
    for (int i = 0; i < BALLAST; i++)
        (void)rh_new(heaps[0], &node_type);
    for (int i = 0; i < steps; i++)
        step(rand() % HEAPS);
    for (int i = 0; i < 90 * HEAPS; i++) { /* at one address of each heap */
        void *made = make_node(i % HEAPS);
        drop(&made);
    }
    print_truth();
    for (;;)
        pause();
}
