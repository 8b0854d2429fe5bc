/* inspect_words.c - classes of words: thread-local variables, vectors, shared memory, words at any
 * place and with marks; and which memory is read for that (fake_arena.h). */
#include "fake_arena.h"

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

RUN_TESTS("inspect_words", thread_local_variables_are_found_without_registers,
          elements_of_vectors_are_fields_wherever_they_lie,
          whatever_the_program_can_have_written_is_searched,
          later_questions_are_answered_without_reading_again,
          where_vectors_lie_is_seen_while_the_graph_is_made, words_at_any_place_hold,
          words_with_marks_hold, words_inside_of_objects_hold_in_any_form,
          a_marked_word_in_a_vector_register_is_possible, a_word_may_lie_in_two_mappings,
          a_word_at_a_border_owns_once, a_large_object_holds_by_each_of_its_words_once)
