/* inspect_words.c - classes of words: malloc's arenas as glibc lays them out, thread-local
 * variables, vectors, shared memory; and that what is damaged costs a name, never a word.
 *
 * The made-up arena is written from glibc's description of its structures, not from the engine's.
 * Invariant: `puts` says of every word that a test wrote where it is and as what it must be
 * found. */
#include "inspect_test.h"

enum {
    RW = RHI_REGION_READ | RHI_REGION_WRITE,
    BINS = 127,
    USED = 0,
    BINNED,
    FAST,
    CACHED,
    STATES
};
static const uint64_t module = 0x400000000000, brk_start = 0x610000000000,
                      first_chunk = 0x610000000540, stack = 0x7ffe00000000,
                      big_block = 0x7f2200000000, heap_one = 0x7f0010000000,
                      heap_two = 0x7f0014000000;

/* What differs between versions of glibc. */
static const struct form {
    unsigned before_fastbins, count_width;
    bool safe_links;
} forms[] = {{16, 2, true}, {16, 2, false}, {16, 1, false}, {8, 1, false}};
enum { FORMS = sizeof forms / sizeof *forms };

typedef struct arena {
    world w;
    const struct form *form;
    /* of the arena that chunks are made for */
    uint64_t object, state, fastbins, top_at, bins, next_at;
    uint64_t at, last_size; /* where the next chunk goes */
    bool last_is_free, is_main;
    uint64_t tcache; /* user memory of the thread's list of free blocks */
    uint64_t fast_heads[10], cache_heads[64];
    unsigned cache_counts[64];
    struct {
        uint64_t address;
        const char *kind;
    } puts[512]; /* kind NULL: it must not be found */
    unsigned put_count;
} arena;

static void put(arena *a, uint64_t address, const char *kind)
{
    fake_put(a->w.t, address, a->object, 8);
    a->puts[a->put_count].address = address;
    a->puts[a->put_count++].kind = kind;
}

static void arena_at(arena *a, uint64_t state)
{
    a->state = state;
    a->fastbins = state + a->form->before_fastbins;
    a->top_at = a->fastbins + 80;
    a->bins = a->top_at + 16;
    a->next_at = a->bins + BINS * 16 + 16;
    memset(a->fast_heads, 0, sizeof a->fast_heads);
    for (unsigned i = 0; i < 2 * BINS; i++)
        fake_put(a->w.t, a->bins + i * 8, a->bins + i / 2 * 16 - 16, 8);
    fake_put(a->w.t, a->next_at, state, 8);
}

static uint64_t link_of(const arena *a, uint64_t place, uint64_t to)
{
    return a->form->safe_links ? to ^ place >> 12 : to;
}

static void header(arena *a, uint64_t size)
{
    if (a->last_is_free)
        fake_put(a->w.t, a->at, a->last_size, 8);
    fake_put(a->w.t, a->at + 8, size | !a->last_is_free | (a->is_main ? 0 : 4), 8);
}

/* The next chunk, with the address in its first word behind what a list of free ones uses and in
 * its last. */
static uint64_t chunk(arena *a, uint64_t size, int state)
{
    fake_target *t = a->w.t;
    uint64_t at = a->at;
    const char *kind = state == USED ? "foreign" : NULL;
    header(a, size);
    if (size > 32)
        put(a, at + 32, kind);
    if (state == USED)
        put(a, at + size, kind); /* in the next chunk's header */
    if (state == FAST) {
        fake_put(t, at + 16, link_of(a, at + 16, a->fast_heads[size / 16 - 2]), 8);
        a->fast_heads[size / 16 - 2] = at;
        fake_put(t, a->fastbins + (size / 16 - 2) * 8, at, 8);
    }
    if (state == CACHED) {
        unsigned bin = (unsigned)(size / 16 - 2);
        fake_put(t, at + 16, link_of(a, at + 16, a->cache_heads[bin]), 8);
        fake_put(t, at + 24, 0x1234567890abcdef, 8); /* its key */
        a->cache_heads[bin] = at + 16;
        fake_put(t, a->tcache + bin * a->form->count_width, ++a->cache_counts[bin],
                 a->form->count_width);
        fake_put(t, a->tcache + 64 * a->form->count_width + bin * 8, at + 16, 8);
    }
    if (state == BINNED) { /* first of the unsorted list */
        uint64_t old = fake_get(t, a->bins, 8);
        fake_put(t, at + 16, old, 8);
        fake_put(t, at + 24, a->bins - 16, 8);
        fake_put(t, old + 24, at, 8);
        fake_put(t, a->bins, at, 8);
    }
    a->at += size;
    a->last_is_free = state == BINNED;
    a->last_size = size;
    return at;
}

static void top(arena *a, uint64_t end)
{
    uint64_t size = end - a->at;
    header(a, size);
    fake_put(a->w.t, a->at + 8, size | 1, 8);
    fake_put(a->w.t, a->top_at, a->at, 8);
    put(a, a->at + 0x40, NULL);
}

/* Room for one more block: the top chunk begins behind it. */
static uint64_t block_from_top(arena *a, uint64_t size)
{
    a->put_count--; /* the top's */
    fake_put(a->w.t, a->at + 0x40, 0, 8);
    uint64_t block = chunk(a, size, USED) + 16;
    a->put_count -= 2;
    fake_put(a->w.t, block + 16, 0, 8);
    fake_put(a->w.t, block + size - 16, 0, 8);
    top(a, brk_start + 0x21000);
    return block;
}

static void mixed_chunks(arena *a)
{
    static const uint64_t sizes[] = {32, 48, 80, 128, 0x290, 0x250, 0x400, 0x1010};
    chunk(a, 64, USED);
    for (unsigned i = 0; i < 3 * sizeof sizes / sizeof *sizes; i++) {
        uint64_t size = sizes[i % (sizeof sizes / sizeof *sizes)];
        if (size <= 128)
            chunk(a, size, FAST);
        chunk(a, size, USED);
        if (size <= 0x400)
            chunk(a, size, CACHED);
        chunk(a, size, BINNED);
        chunk(a, size, USED);
    }
}

/* A program with its main arena; what is before the first chunk is no chunk. */
static arena *arena_new(int layout, const struct form *form)
{
    arena *a = calloc(1, sizeof *a);
    ck_assert_ptr_nonnull(a);
    *a = (arena){.w = world_new(layout), .form = form, .is_main = true, .at = first_chunk};
    a->object = new_node(&a->w, 1);
    fake_module(a->w.t, module, "/usr/lib/libc.so.6", 0x4000, 0x1000, 0);
    fake_map(a->w.t, brk_start, 0x21000, RW, "");
    fake_map(a->w.t, stack, 0x2000, RW, "[stack]");
    fake_thread(a->w.t, 321, stack + 0x1000);
    put(a, stack + 0x1800, "stack");
    put(a, stack + 0x800, NULL);
    put(a, module + FAKE_MODULE_DATA + 0x3000, "global");
    put(a, brk_start + 0x100, "unknown");
    arena_at(a, module + FAKE_MODULE_DATA + 0x120);
    uint64_t size = form->count_width == 2 ? 0x290 : 0x250;
    header(a, size);
    a->tcache = a->at + 16;
    a->at += size;
    a->last_size = size;
    mixed_chunks(a);
    top(a, brk_start + 0x21000);
    return a;
}

/* Another arena, the last of the list, in two heaps. */
static void second_arena(arena *a)
{
    uint64_t info_size = a->form->safe_links ? 48 : 32, main_state = a->state;
    fake_map(a->w.t, heap_one, 0x30000, RW, "");
    fake_map(a->w.t, heap_two, 0x30000, RW, "");
    arena_at(a, heap_one + info_size);
    fake_put(a->w.t, main_state + (a->next_at - a->state), a->state, 8);
    fake_put(a->w.t, a->next_at, main_state, 8);
    const uint64_t infos[2][3] = {{a->state, 0, 0x20000}, {a->state, heap_one, 0x30000}};
    fake_copy(a->w.t, heap_one, infos[0], sizeof infos[0]);
    fake_copy(a->w.t, heap_two, infos[1], sizeof infos[1]);
    a->is_main = a->last_is_free = false;
    a->at = (a->next_at + 40 + 15) & ~15ull;
    mixed_chunks(a);
    chunk(a, heap_one + 0x20000 - 0x20 - a->at, USED);
    fake_put(a->w.t, a->at + 8, 0x11, 8); /* fenceposts */
    fake_put(a->w.t, a->at + 24, 1, 8);
    a->at = heap_two + info_size;
    mixed_chunks(a);
    top(a, heap_two + 0x30000);
}

static void arena_free(arena *a)
{
    world_free(&a->w);
    free(a);
}

/* What refs finds, by address: parsed once, because there are many words and many questions. */
typedef struct found {
    unsigned count;
    bool complete;
    struct {
        uint64_t address;
        char kind[16];
    } rows[600];
} found;

static found *find(arena *a)
{
    static found result;
    size_t i;
    json_t *row;
    a->w.t->state++;
    json_t *json = ask(&a->w, "refs", "--in --limit=0", a->object);
    result.count = 0;
    result.complete = json_is_true(fake_at(json, "complete"));
    json_array_foreach(fake_at(json, "referrers"), i, row)
    {
        MUST(result.count < 600);
        result.rows[result.count].address =
            strtoull(json_string_value(json_object_get(row, "address")), NULL, 16);
        snprintf(result.rows[result.count++].kind, sizeof result.rows[0].kind, "%s",
                 json_string_value(json_object_get(row, "kind")));
    }
    json_decref(json);
    return &result;
}

static const char *kind_at(const found *f, uint64_t address)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->rows[i].address == address)
            return f->rows[i].kind;
    return NULL;
}

/* Every word as it must be found, and no other. */
static void check(arena *a)
{
    unsigned expected = 0;
    const found *f = find(a);
    for (unsigned i = 0; i < a->put_count; i++) {
        const char *kind = kind_at(f, a->puts[i].address), *wanted = a->puts[i].kind;
        expected += wanted != NULL;
        if (wanted ? !kind || strcmp(kind, wanted) != 0 : kind != NULL)
            ck_abort_msg("the word at 0x%" PRIx64 " is found as %s, not as %s", a->puts[i].address,
                         kind, wanted);
    }
    ck_assert_uint_eq(f->count, expected);
    ck_assert(f->complete);
}

/* None that must be found is lost, whatever it is taken for. */
static void check_nothing_is_lost(arena *a, const char *what)
{
    const found *f = find(a);
    for (unsigned i = 0; i < a->put_count; i++)
        if (a->puts[i].kind && !kind_at(f, a->puts[i].address) &&
            fake_get(a->w.t, a->puts[i].address, 8) == a->object)
            ck_abort_msg("%s: the word at 0x%" PRIx64 " is lost", what, a->puts[i].address);
}

START_TEST(blocks_in_use_hold_and_free_ones_do_not)
{
    for (unsigned f = 0; f < FORMS; f++) {
        arena *a = arena_new(_i, &forms[f]);
        check(a);
        second_arena(a);
        check(a);
        arena_free(a);
    }
}
END_TEST

START_TEST(a_block_with_a_mapping_of_its_own)
{
    arena *a = arena_new(_i, &forms[0]);
    fake_map(a->w.t, big_block, 0x9000, RW, "");
    fake_put(a->w.t, big_block + 0x1000 + 8, 0x3000 | 2, 8); /* behind a page of something else */
    fake_put(a->w.t, big_block + 0x4000 + 8, 0x2000 | 2, 8); /* and right behind it another */
    fake_put(a->w.t, big_block + 0x7000 + 8, 0x5000 | 2, 8); /* longer than the mapping: none */
    for (unsigned page = 0; page < 9; page++)
        put(a, big_block + page * 0x1000 + 0x800, page >= 1 && page <= 5 ? "foreign" : "unknown");
    check(a);
    arena_free(a);
}
END_TEST

START_TEST(a_damaged_arena_loses_no_word)
{
    for (unsigned f = (unsigned)_i; f < FORMS; f += 2) {
        arena *a = arena_new(_i, &forms[f]);
        second_arena(a);
        uint64_t main_bins = module + FAKE_MODULE_DATA + 0x120 + forms[f].before_fastbins + 96,
                 tops[] = {main_bins - 16, a->top_at};
        /* clang-format off */
        uint64_t places[] = {
            first_chunk + 8, first_chunk + 0x400 + 8, a->at + 8, main_bins - 16, main_bins + 16,
            main_bins + BINS * 16 - 8, main_bins + BINS * 16 + 16, a->next_at, heap_one,
            heap_one + 8, heap_one + 16, heap_two, heap_two + 8, heap_two + 16, a->bins + 8,
            a->top_at, tops[0] - 96, tops[1] - 96, a->tcache, a->tcache + 128, a->tcache + 64,
            main_bins, main_bins + 8};
        const uint64_t values[] = {
            0, 1, 8, 16, 17, 33, 0x21000, ~0ull, ~15ull, 1ull << 63, (1ull << 63) + 1,
            first_chunk, first_chunk + 1, a->at, a->at + 16, heap_two, heap_one, a->state,
            main_bins - 16, main_bins, stack + 0x1800, a->object, brk_start, module,
            0x7ffffffff000};
        /* clang-format on */
        for (unsigned p = 0; p < sizeof places / sizeof *places; p++)
            for (unsigned v = 0; v < sizeof values / sizeof *values; v++) {
                char what[64];
                uint64_t old = fake_get(a->w.t, places[p], 8);
                fake_put(a->w.t, places[p], values[v], 8);
                snprintf(what, sizeof what, "place %u, value %u", p, v);
                check_nothing_is_lost(a, what);
                fake_put(a->w.t, places[p], old, 8);
            }
        check(a);
        uint64_t behind = first_chunk + (forms[f].count_width == 2 ? 0x290 : 0x250) + 64 + 8;
        fake_put(a->w.t, behind, 32, 8); /* as if the block before it were free */
        check_nothing_is_lost(a, "a chunk that says of the one before it what is not true");
        arena_free(a);
    }
}
END_TEST

START_TEST(free_lists_that_go_in_circles_end)
{
    arena *a = arena_new(_i, &forms[1]);
    uint64_t bin = 0; /* the smallest: of 32 bytes, in fastbins and in the thread's list */
    uint64_t fast = a->fast_heads[bin], cached = a->cache_heads[bin];
    ck_assert(fast && cached);
    fake_put(a->w.t, fast + 16, fast, 8);
    fake_put(a->w.t, cached, cached, 8);
    check_nothing_is_lost(a, "lists of one");
    fake_put(a->w.t, a->bins, a->bins - 32, 8); /* a bin in a bin */
    check_nothing_is_lost(a, "bins");
    arena_free(a);
}
END_TEST

START_TEST(arenas_that_claim_the_same_memory_are_not_believed)
{
    arena *a = arena_new(_i, &forms[0]);
    uint64_t first = a->state, end = a->at;
    arena_at(a, module + FAKE_MODULE_DATA + 0x1000); /* as of a second copy of libc */
    fake_put(a->w.t, a->top_at, end, 8);
    check_nothing_is_lost(a, "two main arenas");
    ck_assert_str_eq(kind_at(find(a), first_chunk + 0x290 + 32), "unknown");
    fake_put(a->w.t, first + 16 + 80, 0, 8);
    check(a); /* one is enough */
    arena_free(a);
}
END_TEST

START_TEST(thread_local_variables_are_found_without_registers)
{
    enum { TID = 0x2d0, STACK_BLOCK = 0x690, TLS = 0x200 };
    const uint64_t mapping = 0x7f3300000000, pthread = 0x7f3400000000;
    arena *a = arena_new(_i, &forms[0]);
    fake_target *t = a->w.t;
    fake_map(t, mapping, 0x3000, RW, "");
    fake_map(t, pthread, 0x8000, RW, "");
    fake_thread(t, 322, pthread + 0x4000);
    const struct {
        uint64_t tcb, lwp, dtv;
    } threads[] = {{mapping + 0x1740, 321, mapping + 0x100},
                   {pthread + 0x76c0, 322, mapping + 0x200}};
    uint64_t block = block_from_top(a, 0x100); /* of a module loaded later */
    for (unsigned i = 0; i < 2; i++) {
        fake_put(t, threads[i].tcb, threads[i].tcb, 8);
        fake_put(t, threads[i].tcb + 16, threads[i].tcb, 8);
        fake_put(t, threads[i].tcb + TID, threads[i].lwp, 4);
        fake_put(t, threads[i].tcb + 8, threads[i].dtv, 8);
        fake_put(t, threads[i].dtv - 16, 3, 8);
        fake_put(t, threads[i].dtv + 16, threads[i].tcb - TLS, 8);
        fake_put(t, threads[i].dtv + 32, i ? block + 0x20 : ~0ull, 8);
        fake_put(t, threads[i].dtv + 40, i ? block : 0, 8);
        put(a, threads[i].tcb - TLS, "thread_local");
        put(a, threads[i].tcb - 8, "thread_local");
        put(a, threads[i].tcb + 0x320, "thread_local"); /* pthread_setspecific */
    }
    fake_put(t, threads[1].tcb + STACK_BLOCK, pthread + 0x1000, 8);
    fake_put(t, threads[1].tcb + STACK_BLOCK + 8, 0x7000, 8);
    /* no stack: it begins nowhere */
    fake_put(t, threads[0].tcb + STACK_BLOCK + 8, stack + 0x1700, 8);
    fake_put(t, threads[1].tcb + 0x618, threads[1].tcb + 0x800, 8);
    /* it does not end with the control block */
    fake_put(t, threads[1].tcb + 0x630, pthread + 0x2000, 8);
    fake_put(t, threads[1].tcb + 0x638, 1ull << 40, 8);
    put(a, pthread + 0x1800, NULL);
    put(a, threads[0].tcb - TLS - 8, "unknown");
    put(a, threads[1].tcb - TLS - 8, "stack");
    put(a, pthread + 0x4000 - 128, "stack");
    put(a, pthread + 0x4000 - 136, NULL);
    put(a, pthread + 0x800, "unknown"); /* in the mapping, but not the stack's */
    put(a, block + 0x20, "thread_local");
    put(a, block + 0x18, "foreign");
    check(a);
    json_t *json = ask(&a->w, "refs", "--in --limit=0", a->object);
    size_t i;
    json_t *row;
    json_array_foreach(fake_at(json, "referrers"), i,
                       row) if (strcmp(fake_string(row, "kind"), "thread_local") == 0)
        ck_assert_int_eq(fake_integer(row, "thread"),
                         strtoull(fake_string(row, "address"), NULL, 16) >= pthread ||
                                 strtoull(fake_string(row, "address"), NULL, 16) < mapping
                             ? 322
                             : 321);
    json_decref(json);
    arena_free(a);
}
END_TEST

START_TEST(elements_of_vectors_are_fields_wherever_they_lie)
{
    arena *a = arena_new(_i, &forms[0]);
    const fake_field fields[] = {FAKE_VECTOR("items", 0, 8)};
    uint32_t type = fake_type(a->w.space, "bag", 16, fields, 1);
    uint64_t bag = fake_new(a->w.heap, type, 1, 0), block = block_from_top(a, 0x60);
    fake_put(a->w.t, fake_slot(a->w.space, bag, 0), block, 8);
    fake_put(a->w.t, fake_slot(a->w.space, bag, 8), 4, 8);
    put(a, block, "field");
    put(a, block + 24, "field");
    put(a, block + 32, "foreign"); /* behind the last */
    fake_root(a->w.heap, block + 40, "root");
    put(a, block + 40, "root");
    check(a);
    fake_put(a->w.t, fake_slot(a->w.space, bag, 8), 1ull << 40, 8); /* as far as memory goes */
    check_nothing_is_lost(a, "a count without end");
    arena_free(a);
}
END_TEST

START_TEST(whatever_the_program_can_have_written_is_searched)
{
    arena *a = arena_new(_i, &forms[0]);
    const uint64_t shared = 0x7f4400000000, private = 0x7f4500000000, device = 0x7f4600000000;
    fake_map(a->w.t, shared, 0x2000, RW | RHI_REGION_SHARED, "/dev/shm/queue");
    fake_map(a->w.t, private, 0x2000, RW, "");
    fake_map(a->w.t, private + 0x10000, 0x2000, RHI_REGION_READ, "");
    fake_map(a->w.t, private + 0x20000, 0x2000, 0, "");
    fake_map(a->w.t, private + 0x30000, 0x2000, RHI_REGION_READ, "/usr/share/table");
    fake_map(a->w.t, device, 0x2000, RW | RHI_REGION_SHARED, "/dev/dri/card0");
    put(a, shared + 8, "unknown");
    put(a, private + 8, "unknown");
    put(a, private + 0x10008, "unknown"); /* sealed */
    put(a, private + 0x20008, "unknown"); /* not to be read, now */
    put(a, private + 0x30008, NULL);      /* as on disk */
    put(a, device + 8, NULL);
    check(a);
    json_t *json = ask(&a->w, "refs", "", a->object);
    ck_assert(json_is_true(fake_at(json, "complete")));
    ck_assert_uint_eq(fake_size(json, "not_read"), 1);
    ck_assert_str_eq(fake_string(json, "not_read.0.start"), text_of(device));
    ck_assert_str_eq(fake_string(json, "not_read.0.end"), text_of(device + 0x2000));
    ck_assert_str_eq(fake_string(json, "not_read.0.path"), "/dev/dri/card0");
    ck_assert_str_eq(fake_string(json, "not_read.0.why"), "device");
    json_decref(json);
    ck_assert_int_eq(fake_run(a->w.t, "refs", text_of(a->object)), RHI_ANSWERED);
    ck_assert_has(a->w.t->out.bytes, "not read: 1 writable mapping (/dev/dri/card0)\n");
    a->w.t->hole_start = private + 0x1000;
    a->w.t->hole_end = private + 0x2000;
    a->w.t->state++;
    for (unsigned i = 0; i < 4; i++) { /* also where no scan is made any more */
        json = ask(&a->w, "refs", "", a->object);
        ck_assert(json_is_false(fake_at(json, "complete")));
        ck_assert_has(fake_string(json, "incomplete_because.0"), "4096 bytes of other memory");
        json_decref(json);
    }
    arena_free(a);
}
END_TEST

static uint64_t bytes_read;
static uint64_t (*plain_read)(void *context, uint64_t address, void *buffer, uint64_t size);
static uint64_t counting_read(void *context, uint64_t address, void *buffer, uint64_t size)
{
    bytes_read += address >= brk_start && address < brk_start + 0x21000 ? size : 0;
    return plain_read(context, address, buffer, size);
}

START_TEST(later_questions_are_answered_without_reading_again)
{
    arena *a = arena_new(_i, &forms[0]);
    uint64_t other = new_node(&a->w, 1);
    fake_put(a->w.t, a->puts[5].address, other + 8, 8);
    plain_read = a->w.t->target.read;
    a->w.t->target.read = counting_read;
    a->w.t->state++;
    char *answers[3];
    for (unsigned i = 0; i < 3; i++) {
        bytes_read = 0;
        json_t *json = ask(&a->w, "refs", "--in --limit=0", a->object);
        answers[i] = json_dumps(json, 0);
        json_decref(json);
        if (i == 0) /* nothing reaches the blocks: then it is found at once where all words are */
            ck_assert_uint_ge(bytes_read, 0x10000);
        else /* the words that are shown, to see that they are still there */
            ck_assert_uint_lt(bytes_read, 0x1000);
    }
    ck_assert_str_eq(answers[0], answers[1]);
    ck_assert_str_eq(answers[0], answers[2]);
    json_t *json = ask(&a->w, "refs", "--in", other);
    ck_assert_uint_eq(fake_size(json, "referrers"), 1);
    ck_assert_int_eq(fake_integer(json, "referrers.0.offset"), 8);
    /* the words that are shown, to see that they are still there */
    ck_assert_uint_lt(bytes_read, 0x1000);
    json_decref(json);
    for (unsigned i = 0; i < 3; i++)
        free(answers[i]);
    a->w.t->state++; /* it ran */
    fake_put(a->w.t, a->puts[5].address, a->object, 8);
    check(a);
    arena_free(a);
}
END_TEST

static uint64_t watched, watched_reads; /* an object; how often its whole block was read */
static uint64_t watching_read(void *context, uint64_t address, void *buffer, uint64_t size)
{
    enum { BLOCK_MIN = 0x400, BLOCK_MAX = 0x8000 }; /* what is in use of it; more: all memory */
    watched_reads += size >= BLOCK_MIN && size <= BLOCK_MAX && watched - address < size;
    return plain_read(context, address, buffer, size);
}

START_TEST(where_vectors_lie_is_seen_while_the_graph_is_made)
{
    arena *a = arena_new(_i, &forms[0]);
    const fake_field fields[] = {FAKE_VECTOR("items", 0, 8)};
    uint32_t type = fake_type(a->w.space, "bag", 16, fields, 1);
    uint64_t bag = fake_new(a->w.heap, type, 2, 0), block = block_from_top(a, 0x60);
    fake_put(a->w.t, fake_slot(a->w.space, bag, 0), block, 8);
    fake_put(a->w.t, fake_slot(a->w.space, bag, 8), 4, 8);
    fake_put(a->w.t, block, bag, 8);
    fake_root(a->w.heap, block + 0x58, "root");
    fake_put(a->w.t, block + 0x58, bag, 8);
    for (unsigned i = 0; i < 64; i++) /* so that its block is more than it */
        fake_new(a->w.heap, type, 1, 0);
    watched = bag;
    watched_reads = 0;
    plain_read = a->w.t->target.read;
    a->w.t->target.read = watching_read;
    a->w.t->state++;
    json_t *json = ask(&a->w, "gcgraph", "", bag);
    /* for references, for words that no field declares, for those in other forms, for
     * thread-locals; not for vectors */
    ck_assert_uint_le(watched_reads, 4);
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    json_decref(json);
    for (unsigned i = 0; i < 2; i++) { /* without the graph, too */
        a->w.t->state++;
        json = ask(&a->w, i ? "gcgraph" : "refs", "", bag);
        json_decref(json);
        json = ask(&a->w, "refs", "", bag);
        ck_assert_uint_eq(fake_size(json, "referrers"), 2);
        ck_assert_int_eq(fake_integer(json, "ledger.fields"), 1);
        ck_assert_int_eq(fake_integer(json, "ledger.roots"), 1);
        json_decref(json);
    }
    arena_free(a);
}
END_TEST

/* The cause of the only leak, or "none", "undecided"; *block: that was lost. */
static const char *only_leak(arena *a, uint64_t *block)
{
    static char cause[32];
    a->w.t->state++;
    json_t *json = fake_json(a->w.t, "gcleaks", "");
    ck_assert_uint_le(fake_size(json, "leaks"), 1);
    snprintf(cause, sizeof cause, "%s",
             fake_size(json, "leaks")          ? fake_string(json, "leaks.0.cause")
             : fake_integer(json, "undecided") ? "undecided"
                                               : "none");
    *block = fake_at(json, "leaks.0.block")
                 ? strtoull(fake_string(json, "leaks.0.block.address"), NULL, 16)
                 : 0;
    json_decref(json);
    return cause;
}

START_TEST(a_block_that_nothing_reaches_owns_nothing)
{
    for (unsigned f = 0; f < FORMS; f++) {
        arena *a = arena_new(_i, &forms[f]);
        fake_target *t = a->w.t;
        uint64_t one = block_from_top(a, 0x60), two = block_from_top(a, 0x60),
                 lonely = new_node(&a->w, 1), block;
        const uint64_t root = module + FAKE_MODULE_DATA + 0x3008;
        const struct {
            uint64_t place, value;
            bool reaches;
        } ways[] = {{root, one, true},
                    {root, one + 0x58, true} /* its end */,
                    {root, one + 3, true},
                    {root, one | 0xfff9ull << 48, true},
                    {root, two, true},
                    {stack + 0x1810, two, true},
                    {stack + 0x810, two, false} /* below the stack pointer */,
                    {brk_start + 0x108, one, true} /* memory of nobody known */,
                    {two + 0x20, two, false},
                    {one + 0x18, two + 8, false}};
        fake_put(t, one + 0x10, lonely, 8);
        fake_put(t, two + 8, one + 0x20, 8);
        for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
            uint64_t old = fake_get(t, ways[i].place, 8);
            fake_put(t, ways[i].place, ways[i].value, 8);
            const char *cause = only_leak(a, &block);
            bool is_cycle = ways[i].place == one + 0x18;
            if (strcmp(cause, ways[i].reaches ? "none" : "lost_block") != 0)
                ck_abort_msg("form %u, way %u: %s", f, i, cause);
            ck_assert_uint_eq(block, ways[i].reaches ? 0 : is_cycle ? one : two);
            fake_put(t, ways[i].place, old, 8);
        }
        arena_free(a);
    }
}
END_TEST

/* As packed structs and records of arrays have them: at places that are no multiple of 8. */
START_TEST(words_at_any_place_hold)
{
    arena *a = arena_new(_i, &forms[0]);
    fake_target *t = a->w.t;
    const uint64_t data = module + FAKE_MODULE_DATA + 0x3000, private = 0x7f4500000000;
    uint64_t one = block_from_top(a, 0x60), two = block_from_top(a, 0x60),
             lonely = new_node(&a->w, 1), block;
    const struct {
        uint64_t place, value;
        const char *cause, *kind;
    } ways[] = {{one + 0x10, lonely, "none", "foreign"},
                {one + 0x48, lonely, "none", "foreign"},
                {one + 0x10, lonely + 8, "lost_reference", NULL} /* not the object's address */,
                {two + 0x10, lonely, "lost_block", "foreign"} /* nothing leads to this one */,
                {data + 0x40, lonely, "none", "global"},
                {private + (1 << 20) - 8, lonely, "none", "unknown"} /* memory is read in steps */,
                {stack + 0x1840, lonely, "none", "stack"},
                {stack + 0x840, lonely, "lost_reference", NULL} /* below the stack pointer */};
    fake_put(t, data, one, 8);
    fake_map(t, private, 2 << 20, RW, "");
    ck_assert_str_eq(only_leak(a, &block), "lost_reference");
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
        for (unsigned shift = 1; shift < 8; shift++) {
            uint64_t place = ways[i].place + shift, old = fake_get(t, place, 8);
            fake_put(t, place, ways[i].value, 8);
            const char *cause = only_leak(a, &block);
            if (strcmp(cause, ways[i].cause) != 0)
                ck_abort_msg("way %u, shift %u: %s", i, shift, cause);
            json_t *json = ask(&a->w, "refs", "--in --path", lonely);
            ck_assert_uint_eq(fake_size(json, "referrers"), ways[i].kind ? 1 : 0);
            ck_assert_int_eq(fake_integer(json, "ledger.unexplained"),
                             strcmp(ways[i].cause, "none") != 0);
            if (ways[i].kind) {
                ck_assert_str_eq(fake_string(json, "referrers.0.kind"), ways[i].kind);
                ck_assert_str_eq(fake_string(json, "referrers.0.address"), text_of(place));
                ck_assert_uint_ge(fake_size(json, "path"), 1);
            }
            json_decref(json);
            fake_put(t, place, old, 8);
        }
    arena_free(a);
}
END_TEST

/* As interpreters keep them: with a type or other marks in the bits that are no address. */
START_TEST(words_with_marks_hold)
{
    arena *a = arena_new(_i, &forms[0]);
    fake_target *t = a->w.t;
    const uint64_t data = module + FAKE_MODULE_DATA + 0x3000;
    uint64_t one = block_from_top(a, 0x60), two = block_from_top(a, 0x60),
             lonely = new_node(&a->w, 1), block, boxed = lonely | 0xfffcull << 48;
    const struct {
        uint64_t place, value;
        const char *cause, *kind;
    } ways[] = {{data + 0x40, boxed, "none", "global"},
                {data + 0x40, lonely | 0x00f3ull << 48 | 5, "none", "global"} /* and low ones */,
                {data + 0x42, lonely | 0x1234ull << 48, "none", "global"} /* 6 bytes of it */,
                {one + 0x10, boxed, "none", "foreign"},
                {two + 0x10, boxed, "lost_block", "foreign"} /* nothing leads to this one */,
                {stack + 0x1840, boxed, "none", "stack"},
                {stack + 0x840, boxed, "lost_reference", NULL} /* below the stack pointer */,
                {data + 0x40, boxed + 8, "lost_reference", NULL} /* not the object's address */};
    fake_put(t, data, one, 8);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        uint64_t old = fake_get(t, ways[i].place, 8);
        fake_put(t, ways[i].place, ways[i].value, 8);
        const char *cause = only_leak(a, &block);
        if (strcmp(cause, ways[i].cause) != 0)
            ck_abort_msg("way %u: %s", i, cause);
        json_t *json = ask(&a->w, "refs", "--in --path", lonely);
        ck_assert_uint_eq(fake_size(json, "referrers"), ways[i].kind ? 1 : 0);
        ck_assert_int_eq(fake_integer(json, "ledger.unexplained"),
                         strcmp(ways[i].cause, "none") != 0);
        if (ways[i].kind)
            ck_assert_str_eq(fake_string(json, "referrers.0.kind"), ways[i].kind);
        json_decref(json);
        fake_put(t, ways[i].place, old, 8);
    }
    ck_assert_str_eq(only_leak(a, &block), "lost_reference");
    fake_register(t, "rbx", boxed);
    ck_assert_str_eq(only_leak(a, &block), "none");
    arena_free(a);
}
END_TEST

/* Of what an object has, a number, bytes, and what no field declares may be a pointer in some form.
 */
START_TEST(words_inside_of_objects_hold_in_any_form)
{
    static const fake_field fields[] = {FAKE_ONE("number", RH_KIND_UINT, 0, 8),
                                        FAKE_ONE("name", RH_KIND_BYTES, 8, 16),
                                        FAKE_STRONG("next", 24)};
    arena *a = arena_new(_i, &forms[0]);
    fake_target *t = a->w.t;
    uint32_t type = fake_type(a->w.space, "value", 64, fields, 3);
    uint64_t holder = fake_new(a->w.heap, type, 1, 0), lonely = new_node(&a->w, 1), block,
             boxed = lonely | 0xfffcull << 48;
    const struct {
        uint64_t offset, value;
        bool holds;
    } ways[] = {{0, lonely, true},
                {0, boxed, true},
                {11, lonely, true},
                {32, boxed, true},
                {43, lonely, true},
                {56, boxed, true},
                {0, boxed + 8, false} /* not the object's address */};
    fake_put(t, module + FAKE_MODULE_DATA + 0x3008, holder, 8);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        uint64_t place = fake_slot(a->w.space, holder, ways[i].offset);
        fake_put(t, place, ways[i].value, 8);
        const char *cause = only_leak(a, &block);
        if (strcmp(cause, ways[i].holds ? "none" : "lost_reference") != 0)
            ck_abort_msg("way %u: %s", i, cause);
        json_t *json = ask(&a->w, "refs", "--in --path", lonely);
        ck_assert_uint_eq(fake_size(json, "referrers"), ways[i].holds);
        if (ways[i].holds) {
            ck_assert_str_eq(fake_string(json, "referrers.0.kind"), "undeclared");
            ck_assert_str_eq(fake_string(json, "referrers.0.address"), text_of(place));
        }
        json_decref(json);
        fake_put(t, place, 0, 8);
    }
    ck_assert_str_eq(only_leak(a, &block), "lost_reference");
    /* what only its own words hold is lost all the same */
    fake_put(t, fake_slot(a->w.space, lonely, NODE_BODY - 8), boxed, 8);
    ck_assert_str_eq(only_leak(a, &block), "lost_reference");
    arena_free(a);
}
END_TEST

START_TEST(a_marked_word_in_a_vector_register_is_possible)
{
    world w = world_new(_i);
    uint64_t lonely = new_node(&w, 1);
    fake_map(w.t, stack, 0x2000, RW, "[stack]");
    fake_thread(w.t, 321, stack + 0x1000);
    fake_register(w.t, "xmm3[0]", lonely | 0xfffcull << 48);
    json_t *json = fake_json(w.t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "leaks"), 0);
    ck_assert_uint_eq(fake_size(json, "possible"), 1);
    ck_assert_str_eq(fake_string(json, "possible.0.register"), "xmm3[0]");
    json_decref(json);
    world_free(&w);
}
END_TEST

/* Mappings that lie side by side are one piece of memory to the program that maps them. */
START_TEST(a_word_may_lie_in_two_mappings)
{
    const uint64_t first = 0x7f4500000000, border = first + 0x1000;
    arena *a = arena_new(_i, &forms[0]);
    fake_target *t = a->w.t;
    uint64_t lonely = new_node(&a->w, 1), block;
    fake_map(t, first, 0x1000, RW, "");
    fake_map(t, border, 0x1000, RW, "/dev/zero (deleted)");
    ck_assert_str_eq(only_leak(a, &block), "lost_reference");
    for (unsigned shift = 1; shift < 8; shift++) {
        fake_put(t, border - shift, lonely & ((1ull << shift * 8) - 1), shift);
        fake_put(t, border, lonely >> shift * 8, 8 - shift);
        const char *cause = only_leak(a, &block);
        if (strcmp(cause, "none") != 0)
            ck_abort_msg("shift %u: %s", shift, cause);
        fake_put(t, border - 8, 0, 8);
        fake_put(t, border, 0, 8);
    }
    ck_assert_str_eq(only_leak(a, &block), "lost_reference");
    arena_free(a);
}
END_TEST

/* Two pieces of memory are read there, and both have the word. */
START_TEST(a_word_at_a_border_owns_once)
{
    const uint64_t first = 0x7f4500000000, border = first + 0x1000;
    arena *a = arena_new(_i, &forms[0]);
    uint64_t lonely = new_node(&a->w, 2), block;
    fake_map(a->w.t, first, 0x1000, RW, "");
    fake_map(a->w.t, border, 0x1000, RW, "/dev/zero (deleted)");
    fake_put(a->w.t, border, lonely | 0xfffcull << 48, 8);
    ck_assert_str_eq(only_leak(a, &block), "lost_reference");
    json_t *json = ask(&a->w, "refs", "--in", lonely);
    ck_assert_uint_eq(fake_size(json, "referrers"), 1);
    ck_assert_str_eq(fake_string(json, "referrers.0.address"), text_of(border));
    json_decref(json);
    fake_put(a->w.t, border + 8, lonely | 0xfffcull << 48, 8);
    ck_assert_str_eq(only_leak(a, &block), "none");
    arena_free(a);
}
END_TEST

/* Words in plain data, at its end too; what lies half in it is one word all the same. */
START_TEST(a_large_object_holds_by_each_of_its_words_once)
{
    static const fake_field fields[] = {{.name = "numbers",
                                         .kind = RH_KIND_UINT,
                                         .form = RH_FORM_ONE,
                                         .offset = 0,
                                         .width = 8,
                                         .count = 120,
                                         .stride = 8},
                                        FAKE_ONE("half", RH_KIND_UINT, 964, 4)};
    static const uint64_t offsets[] = {0, 3, 7, 501, 504, 512, 597, 600, 952, 957, 960}, marks[] = {
        0,
        7,
        0x8001ull << 48,
#if defined(__x86_64__)
        1ull << 47,
        0x1ffffull << 47 /* the lowest bit that is none */
#endif
    };
    enum { MARKS = sizeof marks / sizeof *marks };
    arena *a = arena_new(_i, &forms[0]);
    uint32_t type = fake_type(a->w.space, "numbers", 1000, fields, 2);
    uint64_t holder = fake_new(a->w.heap, type, 1, 0), lonely = new_node(&a->w, 2), block;
    fake_put(a->w.t, module + FAKE_MODULE_DATA + 0x3008, holder, 8);
    for (unsigned i = 0; i < MARKS * sizeof offsets / sizeof *offsets; i++) {
        uint64_t place = fake_slot(a->w.space, holder, offsets[i / MARKS]);
        fake_put(a->w.t, place, lonely | marks[i % MARKS], 8);
        ck_assert_str_eq(only_leak(a, &block), "lost_reference"); /* one of two counts */
        fake_put(a->w.t, module + FAKE_MODULE_DATA + 0x3010, lonely, 8);
        ck_assert_str_eq(only_leak(a, &block), "none");
        fake_put(a->w.t, module + FAKE_MODULE_DATA + 0x3010, 0, 8);
        fake_put(a->w.t, place, 0, 8);
    }
    arena_free(a);
}
END_TEST

START_TEST(a_long_way_through_blocks_is_shown_at_its_ends)
{
    enum { CHAIN = 40 };
    arena *a = arena_new(_i, &forms[0]);
    uint64_t chain[CHAIN], lonely = new_node(&a->w, 1);
    for (unsigned i = 0; i < CHAIN; i++)
        chain[i] = block_from_top(a, 0x30);
    for (unsigned i = 0; i < CHAIN; i++)
        fake_put(a->w.t, chain[i] + 8, i + 1 < CHAIN ? chain[i + 1] + 8 : lonely, 8);
    fake_put(a->w.t, module + FAKE_MODULE_DATA + 0x3008, chain[0], 8);
    a->w.t->state++;
    json_t *json = ask(&a->w, "refs", "--path", lonely);
    ck_assert_uint_eq(fake_size(json, "path"), 1 + 20 + 1 + 1);
    ck_assert_int_eq(fake_integer(json, "path_left_out"), CHAIN - 1 - 20);
    ck_assert_str_eq(fake_string(json, "path.0.kind"), "global");
    ck_assert_str_eq(fake_string(json, "path.1.address"), text_of(chain[0] + 8));
    ck_assert_str_eq(fake_string(json, "path.11.address"), text_of(chain[CHAIN - 11] + 8));
    ck_assert_str_eq(fake_string(json, "path.21.address"), text_of(chain[CHAIN - 1] + 8));
    json_decref(json);
    char line[64];
    snprintf(line, sizeof line, "--path 0x%" PRIx64, lonely);
    ck_assert_int_eq(fake_run(a->w.t, "refs", line), RHI_ANSWERED);
    ck_assert_has(a->w.t->out.bytes, "… 19 more malloc blocks … -> ");
    arena_free(a);
}
END_TEST

START_TEST(what_is_no_block_for_certain_is_not_lost)
{
    arena *a = arena_new(_i, &forms[0]);
    fake_target *t = a->w.t;
    const uint64_t private = 0x7f4500000000, objects[] = {new_node(&a->w, 1), new_node(&a->w, 1)};
    uint64_t one = block_from_top(a, 0x60), block, old = fake_get(t, one - 8, 8);
    fake_map(t, private, 0x4000, RW, "");
    fake_put(t, one + 0x10, objects[0], 8);
    /* in the midst of somebody's memory, as if a block were mapped there */
    fake_put(t, private + 0x1000 + 8, 0x1000 | 2, 8);
    fake_put(t, private + 0x1800, objects[1], 8);
    ck_assert_str_eq(only_leak(a, &block), "lost_block");
    ck_assert_uint_eq(block, one);
    fake_put(t, one - 8, 0x123450, 8); /* the arena cannot be walked */
    ck_assert_str_eq(only_leak(a, &block), "none");
    fake_put(t, one - 8, old, 8);
    t->hole_start = private + 0x2000;
    t->hole_end = private + 0x3000;
    ck_assert_str_eq(only_leak(a, &block), "undecided");
    json_t *json = ask(&a->w, "refs", "--in", objects[0]);
    ck_assert(json_is_null(fake_at(json, "referrers.0.reachable")));
    ck_assert_int_eq(fake_integer(json, "ledger.unreachable"), 1);
    json_decref(json);
    t->hole_end = t->hole_start;
    /* where the mapping begins: a block, and the next one is */
    fake_put(t, private + 8, 0x1000 | 2, 8);
    t->state++;
    json = fake_json(t, "gcleaks", "");
    ck_assert_msg(fake_size(json, "leaks") == 2, "%s", t->out.bytes);
    json_decref(json);
    arena_free(a);
}
END_TEST

START_TEST(whatever_is_written_into_an_arena_an_answer_comes)
{
    uint64_t random = 0x9E3779B97F4A7C15ull + (unsigned)_i;
    arena *a = arena_new(_i, &forms[_i]);
    second_arena(a);
    for (unsigned round = 0; round < 1500; round++) {
        uint64_t places[4], olds[4];
        for (unsigned i = 0; i < 4; i++) {
            const uint64_t starts[] = {module + FAKE_MODULE_DATA + 0x100, first_chunk - 16,
                                       heap_one, heap_two};
            const uint64_t values[] = {random,
                                       random & 0xffff,
                                       starts[random >> 7 & 3] + (random >> 20 & 0xfff8),
                                       a->puts[random >> 9 & 63].address,
                                       0,
                                       0x291};
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            places[i] = starts[random >> 33 & 3] + (random >> 40 & 0x1ff8) % 0x2000;
            olds[i] = fake_get(a->w.t, places[i], 8);
            fake_put(a->w.t, places[i], values[(random >> 50) % 6], 8);
        }
        a->w.t->state++;
        json_decref(ask(&a->w, "refs", "--in --limit=3", a->object));
        json_decref(ask(&a->w, "objat", "", a->puts[random >> 5 & 63].address));
        for (unsigned i = 4; i-- > 0;)
            fake_put(a->w.t, places[i], olds[i], 8);
    }
    check(a);
    arena_free(a);
}
END_TEST

/* What a block owns is not lost for certain, and the block is named. */
START_TEST(a_block_that_only_a_vector_register_leads_to_is_possible)
{
    arena *a = arena_new(_i, &forms[0]);
    uint64_t one = block_from_top(a, 0x60), two = block_from_top(a, 0x60),
             lonely = new_node(&a->w, 1), block;
    fake_put(a->w.t, two + 8, one + 0x20, 8);
    fake_put(a->w.t, one + 0x10, lonely, 8);
    ck_assert_str_eq(only_leak(a, &block), "lost_block");
    fake_register(a->w.t, "zmm20[7]", two);
    ck_assert_str_eq(only_leak(a, &block), "none");
    json_t *json = fake_json(a->w.t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "possible"), 1);
    ck_assert(json_is_null(fake_at(json, "possible.0.object")));
    ck_assert_str_eq(fake_string(json, "possible.0.block.address"), text_of(two));
    ck_assert_str_eq(fake_string(json, "possible.0.register"), "zmm20[7]");
    json_decref(json);
    json = ask(&a->w, "refs", "--path", lonely); /* does not make the possible certain */
    json_decref(json);
    json = fake_json(a->w.t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "possible"), 1);
    json_decref(json);
    fake_put(a->w.t, module + FAKE_MODULE_DATA + 0x3008, two, 8);
    ck_assert_str_eq(only_leak(a, &block), "none");
    json = fake_json(a->w.t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "possible"), 0);
    json_decref(json);
    arena_free(a);
}
END_TEST

RUN_TESTS("inspect_words", words_at_any_place_hold, words_with_marks_hold,
          words_inside_of_objects_hold_in_any_form, a_marked_word_in_a_vector_register_is_possible,
          a_word_may_lie_in_two_mappings, a_word_at_a_border_owns_once,
          a_large_object_holds_by_each_of_its_words_once,
          a_block_that_only_a_vector_register_leads_to_is_possible,
          blocks_in_use_hold_and_free_ones_do_not, a_block_with_a_mapping_of_its_own,
          a_damaged_arena_loses_no_word, free_lists_that_go_in_circles_end,
          arenas_that_claim_the_same_memory_are_not_believed,
          thread_local_variables_are_found_without_registers,
          elements_of_vectors_are_fields_wherever_they_lie,
          where_vectors_lie_is_seen_while_the_graph_is_made,
          whatever_the_program_can_have_written_is_searched,
          later_questions_are_answered_without_reading_again,
          a_block_that_nothing_reaches_owns_nothing, a_long_way_through_blocks_is_shown_at_its_ends,
          what_is_no_block_for_certain_is_not_lost,
          whatever_is_written_into_an_arena_an_answer_comes)
