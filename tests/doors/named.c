/* named.c - variables of all kinds, for what the doors evaluate and name. It says that it is at its
 * only checkpoint, as the samples do, and waits there.
 *
 * Invariant: there, `leaf` is called by `inlined`, which is a part of `main`, another thread is in
 * `worker`, and every variable has the value that check_probe.py expects. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

struct node {
    struct node *next;
    long number;
};

struct connection {
    int descriptor;
    struct node *session;
    union {
        long number;
        struct node *either;
    };
};

struct registry {
    int count;
    struct node *slots[8];
    struct {
        void *left;
        double right;
    } pairs[3];
};

enum color { RED = 3, GREEN = 5 };

struct registry registry;
static struct node *file_static[4];
static struct node nodes[2];
static sem_t is_ready;
double ratio = 1.5;

static void *worker(void *argument)
{
    struct node *mine = argument;
    struct node *kept[3] = {mine, mine, mine};
    sem_post(&is_ready);
    pause();
    printf("%p %p\n", (void *)kept, (void *)mine);
    return NULL;
}

static __attribute__((noinline)) void leaf(struct node *held, struct connection by_value)
{
    static struct node *in_function;
    in_function = held;
    file_static[2] = held;
    puts("{\"checkpoint\": 1}");
    fflush(stdout);
    while (by_value.descriptor && in_function == held)
        pause();
}

static inline __attribute__((always_inline)) void inlined(struct node *held)
{
    struct node *within = held;
    struct connection connection = {3, within, {5}};
    leaf(connection.session, connection);
}

int main(void)
{
    struct connection connection = {3, &nodes[1], {5}};
    struct node *table[5] = {&nodes[1], NULL, NULL, &nodes[1], NULL};
    enum color color = GREEN;
    short negative = -2;
    char large[100000];
    pthread_t thread;
    large[0] = 1;
    registry.slots[3] = &nodes[1];
    registry.count = 7;
    sem_init(&is_ready, 0, 0);
    pthread_create(&thread, NULL, worker, &nodes[0]);
    sem_wait(&is_ready);
    inlined(table[3]);
    printf("%d %d %d %d\n", connection.descriptor, (int)color, negative, large[0]);
    return 0;
}
