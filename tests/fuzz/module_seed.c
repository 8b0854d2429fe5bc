/* module_seed.c - a small program with every kind of debug info that the engine reads: what
 * fuzz_module begins with. */
struct node {
    long header[2];
    struct node *next;
    union {
        int number;
        struct node *other;
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

struct registry registry;
struct node *matrix[2][3];
__thread struct node *of_thread;
static struct node *file_static[2];

static inline __attribute__((always_inline)) long add(const struct node *node, long more)
{
    return node->number + more;
}

static inline __attribute__((always_inline)) long walk(const struct node *node)
{
    long sum = 0;
    for (; node; node = node->next)
        sum = add(node, sum);
    return sum;
}

long work(int row);
__attribute__((noinline)) long work(int row)
{
    static struct {
        int number;
        struct node *last[2];
    } kept;
    kept.last[row & 1] = matrix[row & 1][0];
    file_static[0] = of_thread;
    return walk(registry.slots[row & 7]) + walk(kept.last[0]);
}

long _start(void);
long _start(void)
{
    return work(1) + walk(file_static[1]);
}
