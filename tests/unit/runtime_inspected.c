/* runtime_inspected.c - what the engine says of a program is true wherever the program stops.
 *
 * A child works with a heap and loses nothing; its parent single-steps it and asks the engine,
 * which sees the child's memory and registers as a debugger shows them, at every so many
 * instructions: no answer may say with certainty that something was lost, nor that the heap is
 * damaged. Garbage may be told where the child says that there is some. The stops fall into the
 * runtime's own code: into births and deaths, into collections, into the finalizers and disposes
 * that it calls, into what rh_heap_destroy does. */
#define _GNU_SOURCE
#include "fake_target.h"
#include "runtime_test.h"

#include <inttypes.h>
#include <refheap/metadata.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

extern struct rh_metadata_descriptor rh_debug_descriptor;

enum { STRIDE = 13, CERTAIN_MIN = 50 };

static rh_heap *heap;
static volatile int garbage_is_there; /* the child's word */
static volatile int inside;           /* a finalizer or a dispose of the child */
static pid_t child;
static const void *watched; /* a traced object that lives all the time; NULL: none */
static bool pauses;         /* it is traced now and then */
static unsigned long asked, certain, asked_inside, certain_inside, told_garbage, changing;

/* ---- the parent: a debugger ----------------------------------------------------------------- */

/* The child stands still while it is asked about: a page of it is read once for each stop, with
 * those behind it. The child has no copy of this, which would be more memory to search. */
enum { PAGE_BYTES = 4096, PAGES_KEPT = 4096, PAGES_AHEAD = 16 };
static struct {
    uint8_t bytes[PAGES_KEPT][PAGE_BYTES];
    struct {
        uint64_t number;
        unsigned long stop; /* 0: not read */
    } pages[PAGES_KEPT];
} * kept_pages;
static unsigned long stop;

static void make_room_for_pages(void)
{
    kept_pages =
        mmap(NULL, sizeof *kept_pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(kept_pages != MAP_FAILED);
    MUST(madvise(kept_pages, sizeof *kept_pages, MADV_DONTFORK) == 0);
    stop = 1;
}

/* The page as it is at this stop; NULL: it cannot be read. */
static const uint8_t *page_of_child(uint64_t number)
{
    uint64_t first = number % PAGES_KEPT, room = PAGES_KEPT - first;
    if (kept_pages->pages[first].number == number && kept_pages->pages[first].stop == stop)
        return kept_pages->bytes[first];
    uint64_t count = room < PAGES_AHEAD ? room : PAGES_AHEAD;
    struct iovec to = {kept_pages->bytes[first], count * PAGE_BYTES},
                 from = {(void *)(uintptr_t)(number * PAGE_BYTES), count * PAGE_BYTES};
    ssize_t got = process_vm_readv(child, &to, 1, &from, 1, 0);
    for (uint64_t i = 0; i < count; i++) {
        kept_pages->pages[first + i].number = number + i;
        kept_pages->pages[first + i].stop = got >= (ssize_t)((i + 1) * PAGE_BYTES) ? stop : 0;
    }
    return kept_pages->pages[first].stop == stop ? kept_pages->bytes[first] : NULL;
}

static uint64_t read_child(void *context, uint64_t address, void *buffer, uint64_t size)
{
    (void)context;
    uint64_t done = 0;
    while (done < size) {
        uint64_t at = address + done, room = PAGE_BYTES - at % PAGE_BYTES;
        uint64_t step = room < size - done ? room : size - done;
        const uint8_t *page = page_of_child(at / PAGE_BYTES);
        if (!page)
            break;
        memcpy((uint8_t *)buffer + done, page + at % PAGE_BYTES, step);
        done += step;
    }
    return done;
}

static int tell_regions(void *context, rhi_sink *sink)
{
    (void)context;
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)child);
    FILE *file = fopen(path, "r");
    MUST(file != NULL);
    while (fgets(line, sizeof line, file)) {
        uint64_t start, end, offset;
        char rights[5];
        int name = 0;
        MUST(sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &start, &end,
                    rights, &offset, &name) == 4);
        line[strcspn(line, "\n")] = '\0';
        uint32_t flags = (rights[0] == 'r' ? RHI_REGION_READ : 0u) |
                         (rights[1] == 'w' ? RHI_REGION_WRITE : 0u) |
                         (rights[2] == 'x' ? RHI_REGION_EXECUTE : 0u) |
                         (rights[3] == 's' ? RHI_REGION_SHARED : 0u);
        rhi_sink_region(sink, start, end, flags, offset, name ? line + name : "");
    }
    fclose(file);
    return 0;
}

static int tell_threads(void *context, rhi_sink *sink)
{
    (void)context;
    struct user_regs_struct registers;
    struct iovec whole = {&registers, sizeof registers};
    MUST(ptrace(PTRACE_GETREGSET, child, (void *)1L /* NT_PRSTATUS */, &whole) == 0);
#ifdef __x86_64__
    rhi_sink_thread(sink, (uint64_t)child, registers.rsp);
    const struct {
        const char *name;
        uint64_t value;
    } each[] = {{"rax", registers.rax}, {"rbx", registers.rbx}, {"rcx", registers.rcx},
                {"rdx", registers.rdx}, {"rsi", registers.rsi}, {"rdi", registers.rdi},
                {"rbp", registers.rbp}, {"rsp", registers.rsp}, {"r8", registers.r8},
                {"r9", registers.r9},   {"r10", registers.r10}, {"r11", registers.r11},
                {"r12", registers.r12}, {"r13", registers.r13}, {"r14", registers.r14},
                {"r15", registers.r15}, {"rip", registers.rip}, {"fs_base", registers.fs_base}};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++)
        rhi_sink_register(sink, each[i].name, each[i].value);
#else
    rhi_sink_thread(sink, (uint64_t)child, registers.sp);
    for (int i = 0; i < 31; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%d", i);
        rhi_sink_register(sink, name, registers.regs[i]);
    }
    rhi_sink_register(sink, "sp", registers.sp);
    rhi_sink_register(sink, "pc", registers.pc);
#endif
    return 0;
}

static uint64_t program_counter(void)
{
    struct user_regs_struct registers;
    struct iovec whole = {&registers, sizeof registers};
    MUST(ptrace(PTRACE_GETREGSET, child, (void *)1L /* NT_PRSTATUS */, &whole) == 0);
#ifdef __x86_64__
    return registers.rip;
#else
    return registers.pc;
#endif
}

static int child_value(volatile int *address)
{
    int value = 0;
    MUST(read_child(NULL, (uintptr_t)address, &value, sizeof value) == sizeof value);
    return value;
}

/* ---- what is asked of each answer ----------------------------------------------------------- */

static void refuse(const json_t *json, const char *what, unsigned long step)
{
    char *text = json_dumps(json, JSON_INDENT(1));
    ck_abort_msg("step %lu, %s: %s", step, what, text);
}

static bool is_certain(const json_t *json)
{
    return json_is_true(fake_at(json, "complete")) && !json_is_true(fake_at(json, "provisional"));
}

static void ask_of_leaks(fake_target *fake, unsigned long step)
{
    int status, is_inside = child_value(&inside), garbage = child_value(&garbage_is_there);
    json_t *json = fake_json_status(fake, "gcleaks", "", &status), *leak;
    size_t i;
    asked++;
    asked_inside += is_inside ? 1 : 0;
    if (is_certain(json)) {
        certain++;
        certain_inside += is_inside ? 1 : 0;
        json_array_foreach(json_object_get(json, "leaks"), i, leak)
        {
            if (!garbage || strcmp(fake_string(leak, "cause"), "cycle") != 0)
                refuse(leak, "nothing is leaked", step);
            told_garbage++;
        }
    }
    json_decref(json);
}

static void ask_of_damage(fake_target *fake, unsigned long step)
{
    int status;
    json_t *json = fake_json_status(fake, "gcverify", "", &status);
    if (json_array_size(json_object_get(json, "problems")))
        refuse(json, "nothing is damaged", step);
    json_decref(json);
}

/* A traced object's count is what its record says, but while both are being changed. */
static void ask_of_pairs(fake_target *fake, unsigned long step)
{
    int status;
    char asked_of[64];
    snprintf(asked_of, sizeof asked_of, "--ledger --out 0x%" PRIx64, (uint64_t)(uintptr_t)watched);
    json_t *json = fake_json_status(fake, "refs", asked_of, &status),
           *pairs = json_object_get(json, "pairs");
    bool is_traced = pairs && json_is_true(json_object_get(pairs, "traced"));
    if (!is_traced && !pauses)
        refuse(json, "it is traced", step);
    /* in a pause, or before the runtime has met a mark, there is nothing to decide */
    bool is_changing = json_is_true(json_object_get(pairs, "changing")),
         is_decided = json_is_true(json_object_get(pairs, "decided")),
         is_open = is_traced && json_is_false(json_object_get(pairs, "not_begun"));
    if (is_open ? is_decided == is_changing : is_decided)
        refuse(json, "its record is whole, but while it changes", step);
    asked++;
    certain += is_decided;
    changing += is_changing;
    json_decref(json);
}

/* ---- each slot's lives ---------------------------------------------------------------------- */

/* What the child says of its objects, in memory that both have. */
enum { LIVES_MAX = 256, SLOTS_MAX = 64, HIDDEN = 0x5555 };
typedef struct life {
    uint64_t hidden; /* the address, so that the log is no stale pointer */
    uint64_t serial;
    enum { ALIVE, DYING, DEAD } state;
} life;
typedef struct lives {
    volatile int count;
    volatile int is_making; /* in the midst of a birth */
    uint64_t serial_before; /* objects up to this one are not in the log, and are dead */
    life items[LIVES_MAX];
} lives;
static lives *log_of_child;               /* NULL: the test is about other things */
static uint64_t watched_slots[SLOTS_MAX]; /* hidden, too */
static int watched_slot_count;
static unsigned long seen_unborn, seen_live, seen_dying, seen_freed, seen_unused;

static life *last_life(uint64_t hidden)
{
    for (int i = log_of_child->count; i-- > 0;)
        if (log_of_child->items[i].hidden == hidden)
            return &log_of_child->items[i];
    return NULL;
}

static uint64_t serial_of_id(const char *id)
{
    const char *mark = strrchr(id, '#');
    return mark ? strtoull(mark + 1, NULL, 10) : 0;
}

static bool is_true_of_slot(const json_t *json, const life *last)
{
    const char *status = fake_string(json, "status");
    uint64_t newest = log_of_child->count ? log_of_child->items[log_of_child->count - 1].serial
                                          : log_of_child->serial_before;
    bool is_complete = json_is_true(fake_at(json, "complete"));
    if (strcmp(status, "live") == 0) {
        uint64_t serial = (uint64_t)json_integer_value(fake_at(json, "object.serial"));
        seen_live++;
        seen_dying += strcmp(fake_string(json, "object.state"), "dying") == 0;
        return last && serial == last->serial ? last->state != DEAD
                                              : log_of_child->is_making && serial > newest;
    }
    if (last && last->state == ALIVE)
        return false;
    if (strcmp(status, "freed") == 0) {
        seen_freed++;
        const json_t *previous = json_array_get(json_object_get(json, "previous"), 0);
        const char *id = fake_string(previous, "id");
        uint64_t serial = serial_of_id(id);
        return strcmp(fake_string(previous, "reason"), "release") == 0 && id[0] != '?' &&
               (last ? serial == last->serial
                     : serial > 0 && serial <= log_of_child->serial_before);
    }
    if (strcmp(status, "unused") != 0)
        return false;
    seen_unborn += !is_complete;
    seen_unused += is_complete;
    return is_complete ? !last : log_of_child->is_making;
}

static void ask_of_slots(fake_target *fake, unsigned long step)
{
    for (int i = 0; i < watched_slot_count; i++) {
        char asked_of[32];
        int status;
        snprintf(asked_of, sizeof asked_of, "0x%" PRIx64, watched_slots[i] ^ HIDDEN);
        json_t *json = fake_json_status(fake, "objat", asked_of, &status);
        if (!is_true_of_slot(json, last_life(watched_slots[i])))
            refuse(json, "the child says otherwise", step);
        json_decref(json);
    }
}

/* A pointer to an object that is gone lies in no variable of the child that lasts. */
static void ask_of_stale(fake_target *fake, unsigned long step)
{
    int status;
    json_t *json = fake_json_status(fake, "gcstale", "", &status);
    if (json_array_size(json_object_get(json, "stale")))
        refuse(json, "nothing is stale", step);
    json_decref(json);
}

/* A child that nobody steps through uses the same slots. */
static void find_slots(void (*operations)(void))
{
    int status;
    lives before = *log_of_child;
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        operations();
        _exit(42);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    watched_slot_count = 0;
    for (int i = before.count; i < log_of_child->count; i++) {
        uint64_t hidden = log_of_child->items[i].hidden;
        bool is_new = last_life(hidden) == &log_of_child->items[i];
        MUST(!is_new || watched_slot_count < SLOTS_MAX);
        if (is_new)
            watched_slots[watched_slot_count++] = hidden;
    }
    *log_of_child = before;
}

/* The kernel's page of code reads the clock again and again until no tick falls in between: with
 * questions after each instruction it would never end. The runtime changes nothing meanwhile. */
static bool is_in_kernels_code(uint64_t at)
{
    enum { VDSO_BYTES = 2 << 12 };
    return at - getauxval(AT_SYSINFO_EHDR) < VDSO_BYTES;
}

static unsigned long stride(void)
{
    /* 1: every instruction, which takes minutes */
    const char *text = getenv("RUNTIME_INSPECTED_STRIDE");
    return text ? strtoul(text, NULL, 10) : STRIDE;
}

static void ask_of_all(fake_target *fake, unsigned long step)
{
    if (watched)
        ask_of_pairs(fake, step);
    else
        ask_of_leaks(fake, step);
    if (log_of_child)
        ask_of_stale(fake, step);
    ask_of_damage(fake, step);
}

static void step_through(void (*operations)(void), unsigned long each)
{
    fake_target *fake = fake_target_new();
    int status;
    uint64_t at = 0;
    fake->target.read = read_child;
    fake->target.regions = tell_regions;
    fake->target.threads = tell_threads;
    changing = asked = certain = asked_inside = certain_inside = told_garbage = 0;
    make_room_for_pages();
    fflush(NULL);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        operations();
        _exit(42);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_EXITKILL);
    for (unsigned long step = 0; WIFSTOPPED(status); step++) {
        MUST(step == 0 || WSTOPSIG(status) == SIGTRAP);
        uint64_t before = at;
        if (step % each == 0 || (step + 1) % each == 0)
            at = program_counter();
        /* not at each byte of a `rep stosb` */
        if (step % each == 0 && at != before && !is_in_kernels_code(at)) {
            fake->state++;
            stop++;
            if (log_of_child)
                ask_of_slots(fake, step);
            if (!log_of_child || step % stride() == 0)
                ask_of_all(fake, step);
        }
        MUST(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
        MUST(waitpid(child, &status, 0) == child);
    }
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    ck_assert_uint_ge(certain, CERTAIN_MIN);
    fake_target_free(fake);
}

/* ---- the child's work ----------------------------------------------------------------------- */

typedef struct item {
    rh_object base;
    struct item *next, *other, *third;
    rh_weak *weak;
    struct item **more;
    size_t more_count;
} item;
static const rh_field item_fields[] = {RH_STRONG(item, next),
                                       RH_STRONG(item, other),
                                       RH_STRONG(item, third),
                                       RH_WEAK(item, weak),
                                       RH_STRONG_VECTOR(item, more, more_count),
                                       RH_FIELDS_END};
static const rh_field pair_fields[] = {RH_STRONG(item, next), RH_STRONG(item, other),
                                       RH_FIELDS_END};
static const rh_field triple_fields[] = {RH_STRONG(item, next), RH_STRONG(item, other),
                                         RH_STRONG(item, third), RH_FIELDS_END};

static item *kept; /* what a finalizer saved */

/* Looks at all that it reaches, and sometimes saves it. */
static void item_finalize(void *object)
{
    item *self = object;
    garbage_is_there = 0; /* it is being taken care of */
    inside = 1;
    if (!kept && self->next && self->next->other)
        kept = rh_retain(self->next);
    rh_set(&self->third, self->next ? self->next->other : NULL);
    inside = 0;
}

static void item_dispose(void *object)
{
    inside = 1;
    free(((item *)object)->more);
    inside = 0;
}

static rh_type plain_type = {.name = "plain", .size = sizeof(item), .fields = pair_fields};
static rh_type triple_type = {.name = "triple", .size = sizeof(item), .fields = triple_fields};
static rh_type item_type = {.name = "item",
                            .size = sizeof(item),
                            .fields = item_fields,
                            .finalize = item_finalize,
                            .dispose = item_dispose};

static item *tree(rh_type *type, int depth)
{
    item *root = rh_new(heap, type);
    if (depth) {
        root->next = tree(type, depth - 1);
        root->other = tree(type, depth - 1);
    }
    return root;
}

static void add_more(item *self, size_t count)
{
    self->more = calloc(count, sizeof *self->more);
    self->more_count = count;
    for (size_t i = 0; i < count; i++)
        self->more[i] = rh_new(heap, &plain_type);
}

static void begin(const rh_heap_options *options)
{
    heap = rh_heap_create(options);
    rh_gc_disable(heap);
    rh_root_add(heap, &kept, "kept");
    /* types are registered, and memory is mapped, before the steps begin */
    rh_release(tree(&plain_type, 0));
    rh_release(tree(&triple_type, 0));
    item *target = tree(&plain_type, 0);
    rh_release(rh_weak_new(target));
    rh_release(target);
    item *first = tree(&item_type, 0);
    add_more(first, 1);
    rh_release(first);
}

static rh_type wide_type = {.name = "wide", .size = sizeof(item), .element_size = 1};
static rh_type other_wide_type = {.name = "other wide", .size = sizeof(item), .element_size = 1};
static item *born; /* a list */

static void give_birth(rh_type *type, size_t more)
{
    item *object = more ? rh_new_array(heap, type, more) : rh_new(heap, type);
    MUST(object != NULL);
    if (more) { /* a type without references */
        rh_release(object);
        return;
    }
    object->next = born;
    born = object;
}

/* In slots that were freed, in fresh ones, in the next word of them, in a new slab, in memory of
 * its own. */
static void births(void)
{
    for (int i = 0; i < 5; i++)
        give_birth(&plain_type, 0);
    give_birth(&wide_type, 200);
    give_birth(&wide_type, 200);
    give_birth(&wide_type, 8200);
    give_birth(&wide_type, 8200);
}

/* A slab that ran empty gets objects of another size. */
static void rededication(void)
{
    give_birth(&other_wide_type, 2000);
    give_birth(&other_wide_type, 2000);
}

static void deaths(void)
{
    item *root = tree(&plain_type, 3);
    rh_set(&root->next->next->next, root->other); /* held twice: a release that leaves it alive */
    rh_weak *weak = rh_weak_new(root);
    rh_release(root);
    rh_release(weak);
    root = tree(&triple_type, 2);
    root->third = tree(&plain_type, 0);
    root->next->third = rh_retain(root->third);
    rh_release(root);
}

/* More waits than a cascade has room for. */
static void wide_deaths(void)
{
    item *list = NULL;
    for (int i = 0; i < 70; i++) {
        item *link = rh_new(heap, &plain_type);
        link->next = list;
        link->other = i % 3 ? rh_new(heap, &plain_type) : NULL;
        list = link;
    }
    rh_release(list);
    list = NULL;
    for (int i = 0; i < 70; i++) {
        item *link = rh_new(heap, &triple_type);
        link->third = list;
        link->other = tree(&plain_type, 0);
        link->next = i % 2 ? tree(&triple_type, 0) : NULL;
        list = link;
    }
    rh_release(list);
}

static void finalized_deaths(void)
{
    item *root = tree(&item_type, 2);
    add_more(root->other, 3);
    rh_weak *weak = rh_weak_new(root->next);
    rh_set(&root->weak, weak);
    rh_release(root); /* saves a part of itself */
    rh_release(weak);
    rh_set(&kept, NULL);
}

static void make_ring(rh_type *type)
{
    item *a = rh_new(heap, type), *b = rh_new(heap, type);
    rh_set(&a->next, b);
    rh_set(&b->next, a);
    b->other = tree(&plain_type, 1);
    garbage_is_there = 1;
    rh_release(a);
    rh_release(b);
}

static void collections(void)
{
    item *live = tree(&plain_type, 2);
    make_ring(&plain_type);
    rh_gc_collect_young(heap);
    garbage_is_there = 0;
    make_ring(&item_type);
    make_ring(&item_type);
    rh_gc_collect(heap);
    garbage_is_there = 0;
    make_ring(&item_type);
    rh_gc_collect(heap);
    garbage_is_there = 1; /* what was saved from its ring */
    rh_set(&kept, NULL);
    rh_release(live);
}

static void old_rule(void)
{
    make_ring(&item_type);
    make_ring(&item_type);
    make_ring(&plain_type);
    rh_gc_collect(heap); /* the first two stay, and the tree below is held by them */
    rh_gc_collect(heap);
}

static void destruction(void)
{
    item *root = tree(&item_type, 2), *other = tree(&triple_type, 1);
    add_more(root->next, 2);
    rh_set(&root->weak, rh_weak_new(root->other));
    rh_release(root->weak);
    rh_make_immortal(other);
    make_ring(&item_type);
    rh_heap_destroy(heap);
    (void)root;
}

static item *made(item *object)
{
    int count = log_of_child->count;
    MUST(object && count < LIVES_MAX);
    log_of_child->items[count] = (life){(uintptr_t)object ^ HIDDEN, rh_serial(object), ALIVE};
    log_of_child->count = count + 1;
    log_of_child->is_making = 0;
    return object;
}

static item *make(rh_type *type, size_t bytes)
{
    log_of_child->is_making = 1;
    return made(bytes ? rh_new_array(heap, type, bytes) : rh_new(heap, type));
}

/* Its children die with it. */
static void unmake(item *object, item *first, item *second)
{
    life *dying[] = {last_life((uintptr_t)object ^ HIDDEN), last_life((uintptr_t)first ^ HIDDEN),
                     last_life((uintptr_t)second ^ HIDDEN)};
    for (int i = 0; i < 3; i++)
        if (dying[i])
            dying[i]->state = DYING;
    rh_release(object);
    for (int i = 0; i < 3; i++)
        if (dying[i])
            dying[i]->state = DEAD;
}

/* Alone, with children, with a finalizer; in slots that were freed, in fresh
 * ones, in memory of their own. */
static void lives_and_deaths(void)
{
    unmake(make(&plain_type, 0), NULL, NULL);
    item *root = make(&plain_type, 0);
    root->next = make(&triple_type, 0);
    root->other = make(&triple_type, 0);
    unmake(root, root->next, root->other);
    unmake(make(&item_type, 0), NULL, NULL);
    unmake(make(&wide_type, 8200), NULL, NULL);
}

static void slots_are_true(const rh_heap_options *options, unsigned long step)
{
    begin(options);
    rh_root_add(heap, &born, "born");
    item *registered = rh_new_array(heap, &wide_type, 0);
    log_of_child =
        mmap(NULL, sizeof *log_of_child, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(log_of_child != MAP_FAILED);
    log_of_child->serial_before = rh_serial(registered);
    rh_release(registered);
    lives_and_deaths();            /* memory for the large ones is mapped */
    for (int i = 0; i < 12; i++) { /* more than are kept for the next births */
        item *object = make(&plain_type, 0);
        object->next = born;
        born = object;
    }
    find_slots(lives_and_deaths);
    step_through(lives_and_deaths, step);
    munmap(log_of_child, sizeof *log_of_child);
    log_of_child = NULL;
}

START_TEST(a_slot_is_told_truly_at_every_instruction)
{
    slots_are_true(NULL, 1);
    ck_assert(seen_live && seen_dying && seen_freed && seen_unborn && seen_unused);
}
END_TEST

START_TEST(a_slot_of_a_heap_that_remembers_all_is_told_truly)
{
    slots_are_true(&(rh_heap_options){.history_events = RH_HISTORY_ALL,
                                      .stack_frames = 4,
                                      .quarantine_bytes = 1 << 12,
                                      .poison_freed = true},
                   stride());
}
END_TEST

START_TEST(births_are_no_damage_at_any_instruction)
{
    begin(NULL);
    rh_root_add(heap, &born, "born");
    rh_release(rh_new_array(heap, &wide_type, 0)); /* registered */
    for (int i = 0; i < 60; i++)
        give_birth(&plain_type, 0);
    step_through(births, 1);
    ck_assert_uint_eq(told_garbage, 0);
}
END_TEST

START_TEST(a_slab_that_changes_its_class_is_no_damage)
{
    enum { MANY = 5000 };
    static item *many[MANY];
    begin(NULL);
    for (int i = 0; i < MANY; i++)
        MUST((many[i] = rh_new(heap, &plain_type)) != NULL);
    rh_release(rh_new_array(heap, &other_wide_type, 0));
    for (int i = 0; i < MANY; i++)
        rh_release(many[i]);
    memset(many, 0, sizeof many);
    step_through(rededication, stride());
}
END_TEST

START_TEST(deaths_lose_nothing)
{
    begin(NULL);
    step_through(deaths, stride());
    ck_assert_uint_eq(told_garbage, 0);
}
END_TEST

START_TEST(wide_cascades_lose_nothing)
{
    begin(NULL);
    step_through(wide_deaths, stride());
}
END_TEST

START_TEST(finalizers_lose_nothing)
{
    begin(NULL);
    step_through(finalized_deaths, stride());
    ck_assert_uint_gt(asked_inside, 0);
    ck_assert_uint_eq(certain_inside, asked_inside);
    ck_assert_uint_eq(told_garbage, 0);
}
END_TEST

START_TEST(collections_lose_nothing)
{
    begin(NULL);
    step_through(collections, stride());
    ck_assert_uint_gt(certain_inside, 0);
    ck_assert_uint_gt(told_garbage, 0);
}
END_TEST

START_TEST(the_old_rule_loses_nothing)
{
    begin(&(rh_heap_options){.finalizer_cycles_stay = true});
    step_through(old_rule, stride());
    ck_assert_uint_gt(told_garbage, 0);
}
END_TEST

START_TEST(destroying_a_heap_loses_nothing)
{
    rh_heap *other = rh_heap_create(NULL); /* so that there always is a heap to answer about */
    begin(&(rh_heap_options){.history_events = 64});
    step_through(destruction, stride());
    ck_assert_uint_gt(certain_inside, 0);
    rh_heap_destroy(other);
}
END_TEST

/* Of what is traced from its birth, no count before the record explains what the record lacks. */
static rh_type watched_type = {
    .name = "watched", .size = sizeof(item), .fields = pair_fields, .flags = RH_TYPE_TRACED};
static item *watched_item;

/* Each way of a count: inlined, by a slot, by a death, by a collection. */
static void traced_changes(void)
{
    item *self = watched_item;
    rh_release(rh_retain(self));
    item *holder = rh_new(heap, &triple_type);
    rh_set(&holder->third, self);
    rh_release(holder);
    holder = rh_new(heap, &plain_type);
    rh_set(&holder->next, holder);
    rh_set(&holder->other, self);
    garbage_is_there = 1;
    rh_release(holder);
    rh_gc_collect(heap);
    garbage_is_there = 0;
}

START_TEST(the_record_of_a_traced_object_is_true_at_any_instruction)
{
    begin(NULL);
    rh_root_add(heap, &watched_item, "watched");
    watched = watched_item = rh_new(heap, &watched_type);
    traced_changes(); /* memory for the record is mapped, and stacks are known */
    step_through(traced_changes, stride() * 2); /* most of it is unwinding */
    ck_assert_uint_gt(changing, 0);
    ck_assert_uint_lt(changing, asked);
}
END_TEST

static uint32_t count_traced; /* the constant of that name */

static void find_constant(void)
{
    const struct rh_metadata_constant *rows =
        (const void *)(uintptr_t)rh_debug_descriptor.constants;
    for (uint32_t i = 0; i < rh_debug_descriptor.constant_count; i++)
        if (strcmp(rows[i].name, "count.traced") == 0)
            count_traced = (uint32_t)rows[i].value;
    ck_assert_uint_ne(count_traced, 0);
}

/* As an outside writer does: with one store. */
static void mark_from_outside(item *object)
{
    uint32_t word;
    uint64_t header, traced = (uint64_t)(RH_FLAG_TRACED | RH_FLAG_GAP) << 48;
    memcpy(&header, object, sizeof header);
    word = (uint32_t)header + count_traced;
    header = (header >> 32 << 32 | word) | traced;
    __atomic_store_n((uint64_t *)(void *)object, header, __ATOMIC_RELAXED);
}

static void traced_now_and_then(void)
{
    item *self = watched_item;
    rh_untrace(self);
    rh_retain(self);
    rh_trace(self);
    rh_release(self);
    rh_untrace(self);
    rh_retain(self);
    mark_from_outside(self);
    rh_release(self);
    rh_retain(self);
    rh_untrace(self);
    mark_from_outside(self);
    rh_release(rh_retain(self));
    rh_release(self);
}

START_TEST(a_record_with_pauses_is_true_at_any_instruction)
{
    begin(NULL);
    rh_root_add(heap, &watched_item, "watched");
    watched = watched_item = rh_new(heap, &watched_type);
    find_constant();
    traced_now_and_then();
    pauses = true;
    step_through(traced_now_and_then, stride() * 2);
    ck_assert_uint_gt(changing, 0);
    ck_assert_uint_gt(certain, 0);
    pauses = false;
}
END_TEST

RUN_TESTS("runtime_inspected", the_record_of_a_traced_object_is_true_at_any_instruction,
          a_record_with_pauses_is_true_at_any_instruction,
          a_slot_is_told_truly_at_every_instruction,
          a_slot_of_a_heap_that_remembers_all_is_told_truly,
          births_are_no_damage_at_any_instruction, a_slab_that_changes_its_class_is_no_damage,
          deaths_lose_nothing, wide_cascades_lose_nothing, finalizers_lose_nothing,
          collections_lose_nothing, the_old_rule_loses_nothing, destroying_a_heap_loses_nothing)
