/* watched.c - changes counts in rounds, and says of each change by which line it was made.
 *
 * A round begins when its file (go.1, go.2, …) is there, so that a debugger can let it begin;
 * before and behind each a line of JSON says what there is, and what was done. Invariant: the log
 * comes from this file's own books. Each line that changes counts stands alone in its function:
 * compilers may join equal calls. With an argument it shuts itself in after its first objects: the
 * kernel kills it when it opens a file or asks for memory. */
#include <refheap/refheap.h>

#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define APART __attribute__((noinline))

enum { LEAVES = 4, CHANGES_MAX = 64, ROUNDS = 3 };

typedef struct leaf {
    rh_object base;
    uint64_t number;
} leaf;
typedef struct holder {
    rh_object base;
    leaf *held;
} holder;

static rh_type leaf_type = {.name = "leaf", .size = sizeof(leaf)};
static rh_field holder_fields[] = {RH_STRONG(holder, held), {0}};
static rh_type holder_type = {.name = "holder", .size = sizeof(holder), .fields = holder_fields};
static rh_heap *heap;
static leaf *leaves[LEAVES], *immortal, *born;
static const void *freed;
static holder *keeper;

static struct change {
    char id[40];
    int change, line, is_birth;
    uint64_t count;
    const char *function;
} changes[CHANGES_MAX];
static int change_count;

/* ---- the books ------------------------------------------------------------------------------ */

static void note(const void *object, int change, const char *function, int line)
{
    struct change *c = &changes[change_count++];
    *c = (struct change){.change = change,
                         .line = line,
                         .count = (uint64_t)rh_refcount(object) + (uint64_t)(int64_t)change,
                         .function = function};
    snprintf(c->id, sizeof c->id, "leaf#%" PRIu64, rh_serial(object));
}
/* Said just before it is done, on the same line. */
#define CHANGES(object, change) note((object), (change), __func__, __LINE__)

static APART void keep(leaf *object)
{
    CHANGES(object, 1), rh_retain(object);
}

static APART void drop(leaf *object)
{
    CHANGES(object, -1), rh_release(object);
}

static APART void put(leaf *object)
{
    CHANGES(object, 1), rh_set(&keeper->held, object);
}

/* The holder dies, and what it held loses a count by the same line. */
static APART void drop_holder(void)
{
    CHANGES(keeper->held, -1), rh_release(keeper);
}

static APART leaf *make(void)
{
    return rh_new(heap, &leaf_type);
}

static leaf *note_birth(leaf *object, const char *function, int line)
{
    note(object, 0, function, line);
    changes[change_count - 1].change = 1;
    changes[change_count - 1].is_birth = 1;
    return object;
}

static APART leaf *bear(void)
{
    return note_birth(rh_new(heap, &leaf_type), __func__, __LINE__);
}

/* ---- the rounds ----------------------------------------------------------------------------- */

static void first_round(void)
{
    keep(leaves[0]);
    keep(leaves[0]);
    keep(leaves[1]);
    put(leaves[0]);
    drop(leaves[0]);
    drop(leaves[1]);
    keep(leaves[2]);
    drop_holder();
}

static void second_round(void)
{
    born = bear();
    keep(born);
    keep(leaves[3]);
    drop(leaves[3]);
    drop(born);
    drop(leaves[0]); /* the count of main, or of keep: one is left */
}

static void third_round(void)
{
    drop(leaves[0]);
    drop(born);
    keep(leaves[3]);
}

static void say_object(const char *name, const void *object, const char *behind)
{
    printf("\"%s\": {\"address\": \"%p\", \"id\": \"leaf#%" PRIu64 "\"}%s", name, object,
           rh_serial(object), behind);
}

/* What is, and what was done since the last time. */
static void say(int round)
{
    char name[16];
    printf("{\"round\": %d, \"leaves\": {", round);
    for (int i = 0; i < LEAVES; i++) {
        snprintf(name, sizeof name, "%d", i);
        if (i == 0 && round == ROUNDS)
            continue; /* it is dead */
        say_object(name, leaves[i], i + 1 < LEAVES ? ", " : "}, ");
    }
    say_object("immortal", immortal, ", ");
    printf("\"freed\": \"%p\", \"changes\": [", freed);
    for (int i = 0; i < change_count; i++)
        printf("%s{\"id\": \"%s\", \"change\": %d, \"count\": %" PRIu64
               ", \"birth\": %s, \"function\": \"%s\", \"line\": %d}",
               i ? ", " : "", changes[i].id, changes[i].change, changes[i].count,
               changes[i].is_birth ? "true" : "false", changes[i].function, changes[i].line);
    printf("]}\n");
    fflush(stdout);
    change_count = 0;
}

static void wait_for(int round)
{
    char name[16];
    snprintf(name, sizeof name, "go.%d", round);
    while (access(name, F_OK) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

/* Where a debugger that has started the program may stop first. */
APART void stand(void);
void stand(void)
{
    __asm__ volatile("");
}

static void seal(void)
{
    static char buffer[1 << 14];
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        abort();
}

int main(int count, char **words)
{
    (void)words;
    static void (*const rounds[ROUNDS])(void) = {first_round, second_round, third_round};
    heap = rh_heap_create(NULL);
    for (int i = 0; i < LEAVES; i++)
        leaves[i] = make();
    immortal = make();
    keeper = rh_new(heap, &holder_type);
    leaf *gone = make();
    if (!leaves[LEAVES - 1] || !immortal || !keeper || !gone)
        abort();
    rh_make_immortal(immortal);
    freed = gone;
    rh_release(gone);
    if (count > 1)
        seal();
    say(0);
    stand();
    for (int round = 0; round < ROUNDS; round++) {
        wait_for(round + 1);
        rounds[round]();
        say(round + 1);
    }
    wait_for(ROUNDS + 1);
    return 0;
}
