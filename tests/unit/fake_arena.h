/* fake_arena.h - a program with malloc's arenas, as glibc lays them out, and words in all kinds of
 * memory that hold one object.
 *
 * The made-up arena is written from glibc's description of its structures, not from the engine's.
 * Invariant: `puts` says of every word that a test wrote where it is and as what it must be
 * found. */
#ifndef FAKE_ARENA_H
#define FAKE_ARENA_H

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

static inline void put(arena *a, uint64_t address, const char *kind)
{
    fake_put(a->w.t, address, a->object, 8);
    a->puts[a->put_count].address = address;
    a->puts[a->put_count++].kind = kind;
}

static inline void arena_at(arena *a, uint64_t state)
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

static inline uint64_t link_of(const arena *a, uint64_t place, uint64_t to)
{
    return a->form->safe_links ? to ^ place >> 12 : to;
}

static inline void header(arena *a, uint64_t size)
{
    if (a->last_is_free)
        fake_put(a->w.t, a->at, a->last_size, 8);
    fake_put(a->w.t, a->at + 8, size | !a->last_is_free | (a->is_main ? 0 : 4), 8);
}

/* The next chunk, with the address in its first word behind what a list of free ones uses and in
 * its last. */
static inline uint64_t chunk(arena *a, uint64_t size, int state)
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

static inline void top(arena *a, uint64_t end)
{
    uint64_t size = end - a->at;
    header(a, size);
    fake_put(a->w.t, a->at + 8, size | 1, 8);
    fake_put(a->w.t, a->top_at, a->at, 8);
    put(a, a->at + 0x40, NULL);
}

/* Room for one more block: the top chunk begins behind it. */
static inline uint64_t block_from_top(arena *a, uint64_t size)
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

static inline void mixed_chunks(arena *a)
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
static inline arena *arena_new(int layout, const struct form *form)
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

static inline void arena_free(arena *a)
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

static inline found *find(arena *a)
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

static inline const char *kind_at(const found *f, uint64_t address)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->rows[i].address == address)
            return f->rows[i].kind;
    return NULL;
}

/* Every word as it must be found, and no other. */
static inline void check(arena *a)
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
static inline void check_nothing_is_lost(arena *a, const char *what)
{
    const found *f = find(a);
    for (unsigned i = 0; i < a->put_count; i++)
        if (a->puts[i].kind && !kind_at(f, a->puts[i].address) &&
            fake_get(a->w.t, a->puts[i].address, 8) == a->object)
            ck_abort_msg("%s: the word at 0x%" PRIx64 " is lost", what, a->puts[i].address);
}

/* The cause of the only leak, or "none", "undecided"; *block: that was lost. */
static inline const char *only_leak(arena *a, uint64_t *block)
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

#endif
