/* holders.c - one object for each kind of holder, and objects at the end of paths. Like the
 * samples it says that it is at its checkpoint, with what is true there, and waits.
 *
 * Invariant: of every object in "rows" the word at "address" is the only holder that is meant,
 * and the rows' "name" and "type" are what the source below says. Nobody but these variables
 * knows the addresses: the objects are made by functions whose frames are gone, and the stack
 * below main is wiped. */
#include <refheap/refheap.h>
#include <refheap/values.h>

#include <alloca.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct node {
    rh_object base;
    struct node *next;
    struct node *peer;
    void *any;
    rh_list *list;
    rh_dict *dict;
} node;
static const rh_field node_fields[] = {RH_STRONG(node, next), RH_STRONG(node, peer),
                                       RH_STRONG(node, any),  RH_STRONG(node, list),
                                       RH_STRONG(node, dict), RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};

struct server {
    rh_object base;
    struct {
        size_t count;
        node *items[4];
    } sessions;
};
static const rh_field server_fields[] = {RH_STRONG_ARRAY(struct server, sessions.items),
                                         RH_FIELDS_END};
static rh_type server_type = {
    .name = "server", .size = sizeof(struct server), .fields = server_fields};

struct registry {
    int count;
    node *slots[8];
    struct {
        void *left;
        double right;
    } pairs[3];
    union {
        long number;
        struct node *either;
    };
};

struct connection {
    int descriptor;
    node *table[5];
};

struct registry registry;
struct server *server;
static node *file_static[2];
static node *matrix[2][3];
__thread node *of_thread;
static rh_heap *heap;
static sem_t is_ready;
/* holders_library.c, which has neither debug info nor a symbol table */
node **visible_slot(void);
node **hidden_slot(void);

static node *made(void)
{
    return rh_new(heap, &node_type);
}

static int row_count;
static void row(const char *kind, void *slot, const char *name, const char *type,
                const char *function)
{
    printf("%s{\"kind\": \"%s\", \"address\": \"%p\", \"object\": \"%p\", \"name\": \"%s\", "
           "\"type\": \"%s\", \"function\": \"%s\"}",
           row_count++ ? ", " : "", kind, slot, *(void **)slot, name, type, function);
}

/* A static of a function that is on no stack when the program stops. */
static node **remembered(void)
{
    static struct {
        int number;
        node *last[2];
    } count;
    return &count.last[1];
}

static __attribute__((noinline)) void serve(struct connection *unused)
{
    struct connection conn = {3, {NULL, NULL, NULL, made(), NULL}};
    of_thread = made();
    row("local", &conn.table[3], "serve::conn.table[3]", "node *", "serve");
    row("thread_local", &of_thread, "of_thread", "node *", "");
    sem_post(&is_ready);
    while (conn.descriptor || unused)
        pause();
}

static void *worker(void *argument)
{
    rh_heap_attach(heap);
    serve(argument);
    return NULL;
}

static __attribute__((noinline)) void fill(void)
{
    registry.slots[3] = made();
    registry.pairs[2].left = made();
    registry.either = made();
    file_static[1] = made();
    matrix[1][2] = made();
    *remembered() = made();
    *visible_slot() = made();
    *hidden_slot() = made();
    of_thread = made();
    row("global", &registry.slots[3], "registry.slots[3]", "node *", "");
    row("global", &registry.pairs[2].left, "registry.pairs[2].left", "void *", "");
    row("global", &registry.either, "registry.either", "struct node *", "");
    row("global", &file_static[1], "file_static[1]", "node *", "");
    row("global", &matrix[1][2], "matrix[1][2]", "node *", "");
    row("global", remembered(), "remembered::count.last[1]", "node *", "remembered");
    row("global", visible_slot(), "in_library+16", "", "");
    row("global", hidden_slot(), "library", "", "");
    row("thread_local", &of_thread, "of_thread", "node *", "");
}

static __attribute__((noinline)) void fill_paths(void)
{
    node *box = made();
    rh_int *number = rh_int_new(heap, 1234567);
    server = rh_new(heap, &server_type);
    server->sessions.items[3] = made();
    server->sessions.items[3]->peer = made();
    server->sessions.items[3]->any = box; /* needs a cast */
    box->next = made();
    box->list = rh_list_new(heap);
    rh_list_append(box->list, number);
    rh_release(number);
    printf("], \"paths\": [[\"%p\", \"server->sessions.items[3]->peer\"], [\"%p\", \"((node "
           "*)server->sessions.items[3]->any)->next\"], "
           "[\"%p\", \"((node *)server->sessions.items[3]->any)->list->items[0]\"]",
           (void *)server->sessions.items[3]->peer, (void *)box->next, (void *)number);
}

static __attribute__((noinline)) void wipe_stack(void)
{
    volatile char *below = alloca(1 << 16);
    memset((void *)below, 0, 1 << 16);
}

static __attribute__((noinline)) void wait_here(void)
{
    pause();
}

/* Deep below, so that who looks for a variable of main has far to go. */
static __attribute__((noinline)) void descend(int depth, node *carried)
{
    node *mine = carried;
    if (depth == 0) {
        wait_here();
        return;
    }
    descend(depth - 1, depth == 1 ? made() : NULL);
    __asm__ volatile("" : : "r"(mine) : "memory");
}

int main(int count, char **words)
{
    pthread_t thread;
    node *cache, *unrooted;
    struct node *tagged[2] = {NULL, NULL};
    heap = rh_heap_create(NULL);
    sem_init(&is_ready, 0, 0);
    printf("{\"checkpoint\": 1, \"name\": \"holders\", \"rows\": [");
    fill();
    cache = made();
    cache->next = made();
    tagged[1] = made();
    unrooted = NULL;
    row("local", &cache, "main::cache", "node *", "main");
    row("local", &tagged[1], "main::tagged[1]", "struct node *", "main");
    pthread_create(&thread, NULL, worker, NULL);
    sem_wait(&is_ready);
    rh_heap_attach(heap);
    fill_paths();
    printf(", [\"%p\", \"cache->next\"]]}\n", (void *)cache->next);
    fflush(stdout);
    wipe_stack();
    descend(count > 1 ? atoi(words[1]) : 0, unrooted);
    printf("%p %p\n", (void *)cache, (void *)tagged);
    return 0;
}
