/* inspect_formats.c - two heap formats in one target: refheap's, and a made-up one that differs
 * from it in all that the seam allows (made_up_format.h). Every command answers about both. */
#include "inspect_test.h"
#include "fake_core.h"
#include "made_up_format.h"

#include <elf.h>
#include <unistd.h>

static const uint64_t descriptor = 0x700000000000, crate = 0x700000100000, lone = 0x700000200000,
                      table = 0x700000300000, rooted = 0x700000400000, text = 0x656c707061,
                      stack = 0x7ffe00000000;

/* root → bag → leaf, pair, twice; pair → leaf; twice → leaf, twice over; n ⇄ q, which nobody holds;
 * lost has a count of nobody. */
typedef struct both {
    world w;
    uint64_t leaf, pair, bag, twice, freed, lost, q, n;
} both;

static both both_new(int layout)
{
    both b = {.w = world_new(layout)};
    fake_target *t = b.w.t;
    b.n = new_node(&b.w, 1);
    made_up_new(t, descriptor);
    made_up_crate(t, descriptor, crate, 64, 8);
    b.leaf = made_up_object(t, crate, 0, MADE_UP_LEAF, 4);
    b.pair = made_up_object(t, crate, 1, MADE_UP_PAIR, 1);
    b.bag = made_up_object(t, crate, 2, MADE_UP_BAG, 1);
    b.twice = made_up_object(t, crate, 3, MADE_UP_TWICE, 1);
    b.freed = made_up_object(t, crate, 4, MADE_UP_PAIR, 0);
    b.lost = made_up_object(t, crate, 5, MADE_UP_LEAF, 1);
    made_up_free(t, crate, 4);
    b.q = made_up_lone(t, descriptor, lone, MADE_UP_PAIR, 1);
    made_up_put(t, b.leaf, 0, text);
    made_up_put(t, b.pair, 0, b.leaf);
    made_up_put(t, b.pair, 1, b.bag);
    made_up_put(t, b.twice, 0, b.leaf);
    made_up_put(t, b.q, 0, b.n);
    fake_link(b.w.heap, b.n, NEXT, b.q);
    uint64_t held[] = {b.leaf, b.pair, b.twice};
    made_up_table(t, b.bag, table, held, 3);
    fake_map(t, rooted, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(t, rooted, b.bag, 8);
    made_up_root(t, descriptor, rooted);
    fake_map(t, stack, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(t, 321, stack + 0x1000);
    return b;
}

/* "leaf@0x…"; up to eight at a time. */
static const char *at(const char *type, uint64_t address)
{
    static char ids[8][48];
    static unsigned next;
    char *id = ids[next++ % 8];
    snprintf(id, sizeof ids[0], "%s@0x%" PRIx64, type, address);
    return id;
}

static const char *say(const both *b, const char *command, const char *line)
{
    ck_assert_int_eq(fake_run(b->w.t, command, line), 0);
    return b->w.t->out.bytes;
}

static void must_have(const char *said, const char *wanted)
{
    ck_assert_msg(strstr(said, wanted) != NULL, "no '%s' in: %s", wanted, said);
}

START_TEST(objects_have_addresses_for_names)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "objat", at("pair", b.pair));
    ck_assert_str_eq(fake_string(json, "status"), "live");
    ck_assert_str_eq(fake_string(json, "object.id"), at("pair", b.pair));
    ck_assert_str_eq(fake_string(json, "object.format"), "crates");
    ck_assert_str_eq(fake_string(json, "object.address"), text_of(b.pair));
    ck_assert(json_is_null(fake_at(json, "object.serial")));
    ck_assert_int_eq(fake_integer(json, "object.heap"), 1001);
    ck_assert_int_eq(fake_integer(json, "object.size"), 48); /* with its prefix */
    ck_assert_uint_eq(fake_size(json, "fields"), 2);
    ck_assert_str_eq(fake_string(json, "fields.0.name"), "left");
    ck_assert_str_eq(fake_string(json, "fields.0.kind"), "strong");
    ck_assert_str_eq(fake_string(json, "fields.0.value"), text_of(b.leaf));
    ck_assert_str_eq(fake_string(json, "fields.0.target"), at("leaf", b.leaf));
    ck_assert_str_eq(fake_string(json, "fields.0.target_value"), "<apple>");
    ck_assert_str_eq(fake_string(json, "fields.1.name"), "right");
    ck_assert_str_eq(fake_string(json, "fields.1.kind"), "borrowed");
    json_decref(json);
    json = fake_json(b.w.t, "objat", text_of(b.bag)); /* its slots lie elsewhere */
    ck_assert_uint_eq(fake_size(json, "fields"), 3);
    ck_assert_str_eq(fake_string(json, "fields.2.name"), "{3}");
    ck_assert_str_eq(fake_string(json, "fields.2.target"), at("twice", b.twice));
    json_decref(json);
    json = fake_json(b.w.t, "objat", text_of(b.freed));
    ck_assert_str_eq(fake_string(json, "status"), "freed");
    json_decref(json);
    must_have(say(&b, "objat", text_of(b.leaf)), "<apple>");
    must_have(say(&b, "objat", text_of(b.bag)), "{2}");
    world_free(&b.w);
}
END_TEST

START_TEST(what_only_one_format_knows_is_said)
{
    both b = both_new(_i);
    made_up_site(b.w.t, descriptor, b.pair, 12);
    made_up_site(b.w.t, descriptor, b.leaf, 13);
    json_t *json = fake_json(b.w.t, "objat", at("pair", b.pair));
    ck_assert(json_is_true(fake_at(json, "object.tracked")));
    ck_assert_str_eq(fake_string(json, "object.qualified"), "shop.pair");
    ck_assert_str_eq(fake_string(json, "object.site.file"), "shelf.c");
    ck_assert_int_eq(fake_integer(json, "object.site.line"), 12);
    ck_assert(json_is_null(fake_at(json, "object.site.function")));
    json_decref(json);
    json = fake_json(b.w.t, "objat", text_of(b.twice));
    ck_assert(json_is_false(fake_at(json, "object.tracked")));
    ck_assert(json_is_null(fake_at(json, "object.site")));
    json_decref(json);
    json = fake_json(b.w.t, "objat", id_of(&b.w, b.n)); /* refheap's */
    ck_assert(json_is_null(fake_at(json, "object.tracked")));
    ck_assert(json_is_null(fake_at(json, "object.site")));
    ck_assert(json_is_null(fake_at(json, "object.qualified")));
    json_decref(json);
    must_have(say(&b, "objat", text_of(b.pair)), "tracked by the collector");
    must_have(say(&b, "objat", text_of(b.pair)), "  born at shelf.c:12\n");
    must_have(say(&b, "objat", text_of(b.leaf)), ", untracked");
    must_have(say(&b, "objat", text_of(b.leaf)), "  born in stack_up() at shelf.c:13\n");
    ck_assert(!strstr(say(&b, "objat", id_of(&b.w, b.n)), "tracked"));
    json = fake_json(b.w.t, "gcstat", "");
    ck_assert(!json_object_get(fake_at(json, "heaps.0"), "facts"));
    ck_assert_int_eq(fake_integer(json, "heaps.1.facts.crates.listed"), 1);
    ck_assert_str_eq(fake_string(json, "heaps.1.facts.crates.wood"), "oak");
    ck_assert(json_is_true(fake_at(json, "heaps.1.facts.shop_door.is_open")));
    json_decref(json);
    must_have(say(&b, "gcstat", ""), "\n  crates: 1 listed, of oak\n  shop door: open\n");
    world_free(&b.w);
}
END_TEST

START_TEST(names_are_held_against_what_is_there)
{
    both b = both_new(_i);
    must_have(fake_json_failure(b.w.t, "refs", at("bag", b.leaf)), at("leaf", b.leaf));
    must_have(fake_json_failure(b.w.t, "refs", at("shop.bag", b.leaf)), at("leaf", b.leaf));
    must_have(fake_json_failure(b.w.t, "refs", at("shop.pair", b.freed)), ", freed (objat");
    json_t *json = fake_json(b.w.t, "objat", at("shop.pair", b.pair));
    ck_assert_str_eq(fake_string(json, "object.id"), at("pair", b.pair));
    json_decref(json);
    must_have(say(&b, "objat", at("shop.pair", b.freed)), ": freed; its slot");
    must_have(say(&b, "objat", text_of(table)), "is not of a known heap");
    char line[64];
    snprintf(line, sizeof line, "--history %s", text_of(b.pair));
    must_have(say(&b, "objat", line), "heaps of the format crates keep no history");
    must_have(fake_json_failure(b.w.t, "refs", at("leaf", table)), "unmanaged");
    must_have(fake_json_failure(b.w.t, "refs", at("pair", b.freed)), "no object any more");
    must_have(fake_json_failure(b.w.t, "refs", "leaf#1"), "no object leaf#1");
    world_free(&b.w);
}
END_TEST

/* What cannot be an operand is told with what can, in the forms of the formats that are there. */
START_TEST(errors_show_names_that_work_here)
{
    static const char hint[] =
        "; variables of Crate are no operands: gcfind finds their objects (leaf@0x70…)";
    static const char taken[] = "\n  'x' was taken for a name in C; variables of Crate are no";
    both b = both_new(_i);
    must_have(fake_json_failure(b.w.t, "refs", "nobody"), "'nobody'");
    must_have(fake_json_failure(b.w.t, "refs", "nobody"), hint);
    fake_value(b.w.t, "x", rooted - 0x10000);
    must_have(say(&b, "objat", "x"), taken);
    ck_assert_ptr_null(strstr(say(&b, "objat", text_of(rooted - 0x10000)), "taken for a name"));
    b.w.t->target.evaluate = NULL; /* the shell */
    must_have(fake_json_failure(b.w.t, "refs", "nobody"), "objects (node#12 or leaf@0x70…), ");
    must_have(fake_json_failure(b.w.t, "refs", "nobody"), hint);
    must_have(fake_json_failure(b.w.t, "refs", "7fa"), "hexadecimal numbers begin with 0x");
    fake_root(b.w.heap, rooted, "twice");
    fake_root(b.w.heap, rooted + 8, "twice");
    b.w.t->state++;
    must_have(fake_json_failure(b.w.t, "refs", "twice"), "several variables are called so: at 0x");
    must_have(fake_json_failure(b.w.t, "refs", "twice"), hint);
    char spoken[80];
    snprintf(spoken, sizeof spoken, "<%s>", at("pair", b.pair));
    must_have(say(&b, "objat", spoken), at("pair", b.pair));
    snprintf(spoken, sizeof spoken, "<shop.pair object at 0x%" PRIx64 ">", b.pair);
    must_have(say(&b, "objat", spoken), at("pair", b.pair));
    snprintf(spoken, sizeof spoken, "<shop.bag object at 0x%" PRIx64 ">", b.pair);
    must_have(fake_json_failure(b.w.t, "objat", spoken), at("pair", b.pair));
    must_have(fake_json_failure(b.w.t, "objat", "<shop.pair object at 0x>"), "cannot evaluate");
    snprintf(spoken, sizeof spoken, "'<shop.pair object at 0x%" PRIx64 ">'", b.pair);
    must_have(say(&b, "objat", spoken), " is pair@");
    *strrchr(spoken, '\'') = '"'; /* not that with which it began */
    must_have(fake_json_failure(b.w.t, "objat", spoken), "cannot evaluate");
    must_have(fake_json_failure(b.w.t, "objat", "<"), "cannot evaluate");
    world_free(&b.w);
}
END_TEST

static void check_referrers_of_leaf(const both *b)
{
    json_t *json = fake_json(b->w.t, "refs", text_of(b->leaf));
    ck_assert_uint_eq(fake_size(json, "referrers"), 4);
    unsigned seen = 0;
    for (unsigned i = 0; i < 4; i++) {
        const json_t *row = json_array_get(fake_at(json, "referrers"), i);
        const char *from = fake_string(row, "from"), *name = fake_string(row, "name");
        ck_assert_str_eq(fake_string(row, "strength"), "strong");
        seen += !strcmp(from, at("bag", b->bag)) && !strcmp(name, "{1}") ? 1 : 0;
        seen += !strcmp(from, at("pair", b->pair)) && !strcmp(name, "left") ? 10 : 0;
        seen += !strcmp(from, at("twice", b->twice)) && !strcmp(name, "both") ? 100 : 0;
    }
    ck_assert_uint_eq(seen, 211);
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), 4);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0);
    json_decref(json);
}

START_TEST(referrers_are_found_with_a_graph_and_without)
{
    both b = both_new(_i);
    check_referrers_of_leaf(&b);
    json_decref(fake_json(b.w.t, "gcgraph", "")); /* from now on there is one */
    check_referrers_of_leaf(&b);
    json_t *json = fake_json(b.w.t, "refs", text_of(b.q)); /* held by the other format */
    ck_assert_uint_eq(fake_size(json, "referrers"), 1);
    ck_assert_str_eq(fake_string(json, "referrers.0.from"), id_of(&b.w, b.n));
    ck_assert_str_eq(fake_string(json, "referents.0.target"), id_of(&b.w, b.n));
    json_decref(json);
    json = fake_json(b.w.t, "refs", text_of(b.n));
    ck_assert_str_eq(fake_string(json, "referrers.0.from"), at("pair", b.q));
    json_decref(json);
    json = fake_json(b.w.t, "refs", text_of(b.bag)); /* a registered root, and a borrowed slot */
    ck_assert_int_eq(fake_integer(json, "ledger.exact"), 1);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0);
    json_decref(json);
    must_have(say(&b, "refs", text_of(b.leaf)), at("bag", b.bag));
    char line[64];
    snprintf(line, sizeof line, "--path %s", text_of(b.leaf));
    json = fake_json(b.w.t, "refs", line);
    ck_assert_uint_eq(fake_size(json, "path"), 3); /* the root, the bag, the leaf */
    ck_assert_str_eq(fake_string(json, "path.1.object"), at("bag", b.bag));
    ck_assert_str_eq(fake_string(json, "path.1.name"), "{1}");
    json_decref(json);
    must_have(say(&b, "refs", line), " {1} -> leaf@");
    must_have(say(&b, "refs", text_of(b.leaf)), "{1} "); /* no dot before it */
    ck_assert(!strstr(b.w.t->out.bytes, ".{1}"));
    world_free(&b.w);
}
END_TEST

/* Whoever holds the lost leaf: rows, of them in the ledger fields and words, and unexplained ones.
 */
static void check_lost(const both *b, unsigned fields, unsigned words, int64_t unexplained)
{
    json_t *json = fake_json(b->w.t, "refs", text_of(b->lost));
    ck_assert_uint_eq(fake_size(json, "referrers"), fields + words);
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), fields);
    ck_assert_int_eq(fake_integer(json, "ledger.words"), words);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), unexplained);
    json_decref(json);
}

static int64_t leaked_objects(const both *b)
{
    int status;
    json_t *json = fake_json_status(b->w.t, "gcleaks", "", &status);
    int64_t objects = fake_integer(json, "objects");
    json_decref(json);
    return objects;
}

START_TEST(what_the_program_took_from_a_crate_is_its_memory)
{
    both b = both_new(_i);
    char name[64];
    uint64_t raw = made_up_raw(b.w.t, crate, 6), unused = crate + 64 + 7 * 64;
    check_lost(&b, 0, 0, 1);
    fake_put(b.w.t, raw + 8, b.lost + 20, 8); /* anywhere in it */
    fake_put(b.w.t, unused + 40, b.lost, 8);
    fake_put(b.w.t, crate + 64 + 4 * 64 + 40, b.lost, 8); /* where an object was */
    fake_put(b.w.t, b.leaf + 40, b.lost, 8);              /* behind what an object has */
    b.w.t->state++;
    check_lost(&b, 0, 1, 0);
    json_t *json = fake_json(b.w.t, "refs", text_of(b.lost));
    snprintf(name, sizeof name, "crate slot 0x%" PRIx64 "+8", raw);
    ck_assert_str_eq(fake_string(json, "referrers.0.kind"), "unknown");
    ck_assert_str_eq(fake_string(json, "referrers.0.name"), name);
    json_decref(json);
    ck_assert_int_eq(leaked_objects(&b), 2); /* but the cycle */
    check_lost(&b, 0, 1, 0);                 /* from what is kept */
    world_free(&b.w);
}
END_TEST

static fake_target *terminal;
static void emit_to_terminal(void *context, int stream, const char *piece, uint64_t size)
{
    fake_text *to = stream == RHI_STREAM_OUT ? &terminal->out : &terminal->err;
    (void)context;
    ck_assert_uint_lt(to->size + size, to->capacity);
    memcpy(to->bytes + to->size, piece, size);
    to->size += size;
    to->bytes[to->size] = '\0';
}

/* The reasons why gcleaks is not complete on a core that does not name what it lacks, as GDB writes
 * them: files of which it has nothing are named in a note alone. The caller owns the text. */
static char *doubts_in_core(const both *b)
{
    fake_target *t = b->w.t;
    char path[] = "/tmp/refheap-test-XXXXXX", error[256];
    size_t size;
    uint8_t *bytes = fake_core_bytes(t, &size);
    Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
    Elf64_Phdr *segments = (Elf64_Phdr *)(header + 1);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        segments[i].p_align = 1;
        if (i > 0 && strstr(t->segments[i - 1].path, "/left-out"))
            segments[i].p_filesz = segments[i].p_memsz = 0;
    }
    close(mkstemp(path));
    fake_core_write(path, bytes, size);
    rhi_target before = t->target;
    terminal = t;
    t->state++;
    ck_assert_int_eq(rhi_target_open_core(path, NULL, &t->target, error, sizeof error), 0);
    t->target.emit = emit_to_terminal;
    json_t *json = fake_json(t, "gcleaks", "");
    const json_t *reasons = json_object_get(json, "incomplete_because");
    char *doubts = reasons ? json_dumps(reasons, 0) : strdup("");
    json_decref(json);
    rhi_target_close(&t->target);
    t->target = before;
    unlink(path);
    free(bytes);
    return doubts;
}

/* Texts are full of words that look like addresses of memory that such a core lacks. */
START_TEST(no_word_of_an_object_whose_slots_are_told_leads_to_missing_memory)
{
    both b = both_new(_i);
    uint64_t missing = rooted + 0x100000;
    fake_put(b.w.t, b.q + 40, missing, 8);    /* of an object in memory of others */
    fake_put(b.w.t, b.leaf + 40, missing, 8); /* and in a crate */
    char *doubts = doubts_in_core(&b);
    ck_assert_ptr_null(strstr(doubts, "words lead to such"));
    free(doubts);
    fake_put(b.w.t, rooted + 0x100, missing, 8); /* a variable's */
    doubts = doubts_in_core(&b);
    must_have(doubts, "words lead to such");
    must_have(doubts, text_of(rooted + 0x100));
    ck_assert_ptr_null(strstr(doubts, text_of(b.q + 40)));
    free(doubts);
    world_free(&b.w);
}
END_TEST

/* A locale's tables have numbers that look like addresses. No program writes to them; others' files
 * are not known to be as they were, where they are not to be had. */
START_TEST(no_word_leads_to_missing_memory_in_a_file_of_the_system)
{
    both b = both_new(_i);
    const uint64_t locale = 0x700225100000, own = 0x700225200000;
    fake_map(b.w.t, 0x700225300000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_map(b.w.t, locale, 0x1000, RHI_REGION_READ, "/usr/lib/locale/left-out");
    fake_map(b.w.t, own, 0x1000, RHI_REGION_READ, "/var/lib/left-out");
    fake_put(b.w.t, rooted + 0x100, locale + 0x16c, 8);
    char *doubts = doubts_in_core(&b);
    ck_assert_msg(!strstr(doubts, "words lead to such"), "%s", doubts);
    free(doubts);
    fake_put(b.w.t, rooted + 0x108, own + 0x16c, 8);
    doubts = doubts_in_core(&b);
    must_have(doubts, "words lead to such");
    must_have(doubts, text_of(own + 0x16c));
    ck_assert_ptr_null(strstr(doubts, text_of(locale + 0x16c)));
    free(doubts);
    world_free(&b.w);
}
END_TEST

/* Nor does a word that was an address, until a number or a text was put over a part of it. */
START_TEST(no_word_that_was_partly_written_over_leads_to_missing_memory)
{
    both b = both_new(_i);
    const uint64_t near = 0x700225100000, high = near & ~0xffffffffull;
    const uint64_t numbers[] = {high, high + 1, high + 0x4a0, high + 0xfff8, high + 0xfffffff8};
    const uint64_t texts[] = {0x70022500000a, 0x70022500352e, 0x700225002020, high + 0x636261};
    const uint64_t some[] = {high + 0x10000, 0x700225200000, 0x700225000000, 0x700225200028,
                             0x700264636261};
    fake_map(b.w.t, near, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_map(b.w.t, high + 0xfff00000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        fake_put(b.w.t, rooted + 0x100 + 8 * i, numbers[i], 8);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        fake_put(b.w.t, rooted + 0x200 + 8 * i, texts[i], 8);
    char *doubts = doubts_in_core(&b);
    ck_assert_msg(!strstr(doubts, "words lead to such"), "%s", doubts);
    free(doubts);
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        fake_put(b.w.t, rooted + 0x100, some[i], 8);
        doubts = doubts_in_core(&b);
        must_have(doubts, text_of(some[i]));
        free(doubts);
    }
    world_free(&b.w);
}
END_TEST

/* Objat on an address: its status, offset, and whether the format remarks something. */
static void check_place(const both *b, uint64_t address, const char *status, long long offset,
                        bool is_remarked)
{
    json_t *json = fake_json(b->w.t, "objat", text_of(address));
    ck_assert_str_eq(fake_string(json, "status"), status);
    ck_assert_int_eq(fake_integer(json, "offset"), offset);
    if (is_remarked)
        ck_assert_str_eq(fake_string(json, "remark"), "crates are used again");
    else
        ck_assert(json_is_null(fake_at(json, "remark")));
    json_decref(json);
    ck_assert_int_eq(strstr(say(b, "objat", text_of(address)), "  crates are used again\n") != NULL,
                     is_remarked);
}

START_TEST(a_format_says_what_became_of_memory)
{
    both b = both_new(_i);
    uint64_t raw = made_up_raw(b.w.t, crate, 6), unused = crate + 64 + 7 * 64;
    check_place(&b, b.pair, "live", 0, false);
    check_place(&b, b.pair - 16, "live", -16, true);
    must_have(b.w.t->out.bytes, " - 16 bytes (the object begins at ");
    check_place(&b, b.freed, "freed", 0, true);
    check_place(&b, raw + 8, "internal", 0, true);
    check_place(&b, unused, "unused", 0, true);
    must_have(b.w.t->out.bytes, " is a free block of heap 1001\n");
    check_place(&b, b.n, "live", 0, false); /* refheap's */
    made_up_put(b.w.t, b.pair, 0, raw);
    made_up_put(b.w.t, b.twice, 0, unused);
    b.w.t->state++;
    const char *said = say(&b, "gcverify", "");
    must_have(said, ": memory in use that holds no object\n");
    must_have(said, ": a free block\n");
    made_up_put(b.w.t, b.pair, 0, b.pair - 16);
    b.w.t->state++;
    must_have(say(&b, "gcverify", ""), ": it points 16 bytes in front of pair@");
    world_free(&b.w);
}
END_TEST

/* Counts of the speck that are lost for certain, and whether it is only possible that it is lost.
 */
static void check_speck(const both *b, uint64_t speck, int64_t lost, unsigned possible)
{
    json_t *json = fake_json(b->w.t, "gcleaks", "");
    int64_t counts = 0;
    for (size_t i = 0; i < fake_size(json, "leaks"); i++) {
        const json_t *leak = json_array_get(fake_at(json, "leaks"), i);
        if (!strcmp(fake_string(leak, "objects.0"), at("speck", speck)))
            counts += fake_integer(leak, "counts_lost");
    }
    ck_assert_int_eq(counts, lost);
    ck_assert_uint_eq(fake_size(json, "possible"), possible);
    ck_assert_int_eq(fake_integer(json, "undecided"), 0);
    if (possible) {
        ck_assert_str_eq(fake_string(json, "possible.0.object"), at("speck", speck));
        ck_assert_str_eq(fake_string(json, "possible.0.address"), text_of(speck));
        ck_assert(json_is_null(fake_at(json, "possible.0.register")));
        ck_assert(json_is_null(fake_at(json, "possible.0.thread")));
    }
    json_decref(json);
}

/* Two words are what memory may have by chance: what is written there, and what was left. */
START_TEST(what_two_words_alone_say_is_lost_only_if_something_leads_there)
{
    both b = both_new(_i);
    uint64_t speck = made_up_object(b.w.t, crate, 6, MADE_UP_SPECK, 256);
    check_speck(&b, speck, 0, 1);
    must_have(say(&b, "gcleaks", ""), ": nothing leads to it, and its count and type are all");
    made_up_put(b.w.t, b.q, 0, speck); /* a field: it is an object */
    b.w.t->state++;
    check_speck(&b, speck, 255, 0);
    made_up_put(b.w.t, b.q, 0, b.n);
    fake_put(b.w.t, stack + 0x1800, speck, 8); /* a word */
    b.w.t->state++;
    check_speck(&b, speck, 255, 0);
    world_free(&b.w);
}
END_TEST

START_TEST(a_table_in_a_crate_is_its_owners_alone)
{
    both b = both_new(_i);
    uint64_t raw = made_up_raw(b.w.t, crate, 6),
             bag = made_up_object(b.w.t, crate, 7, MADE_UP_BAG, 1);
    made_up_table(b.w.t, bag, raw, &b.lost, 1);
    fake_put(b.w.t, raw + 40, b.lost, 8); /* a leftover */
    fake_link(b.w.heap, b.n, OTHER, bag);
    for (int i = 0; i < 4; i++) /* what was found for one answer is kept for the next */
        check_lost(&b, 1, 0, 0);
    json_decref(fake_json(b.w.t, "gcgraph", ""));
    check_lost(&b, 1, 0, 0);
    world_free(&b.w);
}
END_TEST

START_TEST(an_address_of_bytes_in_an_object_of_c_code_is_a_word)
{
    both b = both_new(_i);
    uint64_t opaque = made_up_object(b.w.t, crate, 7, MADE_UP_OPAQUE, 1);
    fake_link(b.w.heap, b.n, OTHER, opaque);
    made_up_put(b.w.t, opaque, 0, b.lost + 16);
    check_lost(&b, 0, 1, 0);
    ck_assert_int_eq(leaked_objects(&b), 2 + 1); /* the cycle, and what only it holds */
    check_lost(&b, 0, 1, 0);                     /* from what is kept */
    made_up_put(b.w.t, opaque, 0, 0);
    made_up_put(b.w.t, opaque, 2, b.lost + 16); /* behind what it has */
    made_up_put(b.w.t, b.pair, 1, b.lost + 16); /* its code knows all that it holds */
    b.w.t->state++;
    check_lost(&b, 0, 0, 1);
    check_lost(&b, 0, 0, 1);
    made_up_put(b.w.t, opaque, 0, b.pair + 16); /* that lends no bytes */
    made_up_put(b.w.t, b.pair, 1, b.bag);
    fake_put(b.w.t, b.pair, 2, 8);
    b.w.t->state++;
    json_t *json = fake_json(b.w.t, "refs", text_of(b.pair));
    ck_assert_int_eq(fake_integer(json, "ledger.words"), 0);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 1);
    json_decref(json);
    world_free(&b.w);
}
END_TEST

/* As a program, its heap and its mappings do. */
START_TEST(crates_may_lie_far_apart)
{
    static const uint64_t places[] = {0x900000, 0x555500000000, 0x7ffd00000000};
    both b = both_new(_i);
    uint64_t held[3], low = 0x2000000;
    for (unsigned i = 0; i < 3; i++) {
        made_up_crate(b.w.t, descriptor, places[i], 64, 8);
        held[i] = made_up_object(b.w.t, places[i], 7, MADE_UP_LEAF, 1);
    }
    uint64_t bag = made_up_object(b.w.t, places[2], 0, MADE_UP_BAG, 1);
    made_up_table(b.w.t, bag, low, held, 3);
    json_t *json = fake_json(b.w.t, "gcfind", "");
    ck_assert_int_eq(fake_integer(json, "total"), 11);
    json_decref(json);
    json = fake_json(b.w.t, "gcgraph", text_of(bag));
    ck_assert_uint_eq(fake_size(json, "nodes"), 4);
    json_decref(json);
    for (unsigned i = 0; i < 3; i++) {
        json = fake_json(b.w.t, "refs", text_of(held[i]));
        ck_assert_str_eq(fake_string(json, "referrers.0.from"), at("bag", bag));
        json_decref(json);
        json = fake_json(b.w.t, "objat", text_of(places[i] + 0x5000));
        ck_assert_str_eq(fake_string(json, "status"), "unmapped");
        json_decref(json);
    }
    world_free(&b.w);
}
END_TEST

START_TEST(a_cycle_may_lead_through_both_formats)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "gcgraph", "");
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    ck_assert_str_eq(fake_string(json, "cycles.0.verdict"), "garbage");
    ck_assert_uint_eq(fake_size(json, "cycles.0.objects"), 2);
    json_decref(json);
    must_have(say(&b, "gcgraph", ""), at("pair", b.q));
    json = fake_json(b.w.t, "gcgraph", text_of(b.bag));
    ck_assert_uint_eq(fake_size(json, "nodes"), 4);
    ck_assert_uint_eq(fake_size(json, "edges"), 7); /* one of them borrowed */
    json_decref(json);
    must_have(say(&b, "gcgraph", text_of(b.bag)), "both");
    int status;
    json = fake_json_status(b.w.t, "gcleaks", "", &status);
    ck_assert_int_eq(fake_integer(json, "objects"), 3);
    unsigned causes = 0;
    for (unsigned i = 0; i < fake_size(json, "leaks"); i++) {
        const json_t *leak = json_array_get(fake_at(json, "leaks"), i);
        causes += !strcmp(fake_string(leak, "cause"), "cycle") ? 1 : 0;
        causes += !strcmp(fake_string(leak, "cause"), "lost_reference") &&
                          !strcmp(fake_string(leak, "representative"), at("leaf", b.lost))
                      ? 10
                      : 0;
    }
    ck_assert_uint_eq(causes, 11);
    json_decref(json);
    must_have(say(&b, "gcleaks", ""), at("leaf", b.lost));
    world_free(&b.w);
}
END_TEST

START_TEST(lists_and_totals_are_of_both)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "gcfind", "");
    ck_assert_int_eq(fake_integer(json, "total"), 7);
    json_decref(json);
    json = fake_json(b.w.t, "gcfind", "--heap=1001");
    ck_assert_int_eq(fake_integer(json, "total"), 6);
    json_decref(json);
    json = fake_json(b.w.t, "gcfind", "--type=leaf --min-refs=2");
    ck_assert_int_eq(fake_integer(json, "total"), 1);
    ck_assert_str_eq(fake_string(json, "objects.0.id"), at("leaf", b.leaf));
    ck_assert_str_eq(fake_string(json, "objects.0.value"), "<apple>");
    json_decref(json);
    json = fake_json(b.w.t, "gcfind", "--type=shop.?a*"); /* pair, bag, q */
    ck_assert_int_eq(fake_integer(json, "total"), 3);
    json_decref(json);
    json = fake_json(b.w.t, "gcfind", "--unreachable");
    ck_assert_int_eq(fake_integer(json, "total"), 3);
    json_decref(json);
    json = fake_json(b.w.t, "gcfind", "--min-size=48");
    ck_assert_int_eq(fake_integer(json, "total"), 4); /* pair, bag, q, node */
    json_decref(json);
    json = fake_json(b.w.t, "gcstat", "");
    ck_assert_uint_eq(fake_size(json, "heaps"), 2);
    ck_assert_int_eq(fake_integer(json, "heaps.0.slabs"), 1);
    ck_assert_int_eq(fake_integer(json, "heaps.1.crates"), 1);
    ck_assert_int_eq(fake_integer(json, "heaps.1.lone"), 1);
    ck_assert_int_eq(fake_integer(json, "heaps.1.objects"), 6);
    ck_assert(json_is_null(fake_at(json, "heaps.1.collector")));
    json_decref(json);
    const char *said = say(&b, "gcstat", "");
    must_have(said, "heap 1001");
    must_have(said, "1 crate of");
    must_have(said, "1 object outside of them");
    must_have(said, "leaf");
    must_have(say(&b, "gcfind", "--type=pair"), at("pair", b.q));
    world_free(&b.w);
}
END_TEST

START_TEST(what_does_not_fit_is_told_of_both)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "gcverify", "");
    ck_assert_uint_eq(fake_size(json, "problems"), 0);
    ck_assert_int_eq(fake_integer(json, "objects_checked"), 7);
    ck_assert(json_is_true(fake_at(json, "complete")));
    json_decref(json);
    json = fake_json(b.w.t, "gcstale", "");
    ck_assert_uint_eq(fake_size(json, "stale"), 0);
    json_decref(json);
    fake_put(b.w.t, b.leaf, 3, 8);              /* its count: four slots hold it */
    made_up_put(b.w.t, b.pair, 1, b.freed);     /* dangles, and owns nothing */
    made_up_put(b.w.t, b.twice, 0, b.leaf + 8); /* the middle of it */
    fake_put(b.w.t, crate + 64 + 64, 0, 8);     /* the pair's prefix says nothing any more */
    fake_put(b.w.t, crate + 64 + 64, 0x6b63617274736920ull, 8);
    b.w.t->state++;
    json = fake_json(b.w.t, "gcverify", "");
    ck_assert_int_eq(fake_integer(json, "by_kind.bad_link"), 2); /* both slots of the one word */
    ck_assert_uint_eq(fake_size(json, "problems"), 2);
    json_decref(json);
    json = fake_json(b.w.t, "gcstale", "");
    ck_assert_uint_eq(fake_size(json, "stale"), 3);
    ck_assert_str_eq(fake_string(json, "stale.0.was"), at("pair", b.freed));
    ck_assert_str_eq(fake_string(json, "stale.1.evidence"), "inside another object");
    ck_assert_str_eq(fake_string(json, "stale.1.now"), at("leaf", b.leaf));
    ck_assert_str_eq(fake_string(json, "stale.2.evidence"), "inside another object");
    json_decref(json);
    must_have(say(&b, "gcstale", ""), at("pair", b.freed));
    made_up_put(b.w.t, b.twice, 0, b.leaf);
    b.w.t->state++;
    json = fake_json(b.w.t, "gcverify", "");
    ck_assert_int_eq(fake_integer(json, "by_kind.over_release"), 1);
    ck_assert_str_eq(fake_string(json, "problems.0.object"), at("leaf", b.leaf));
    json_decref(json);
    must_have(say(&b, "gcverify", ""), at("leaf", b.leaf));
    world_free(&b.w);
}
END_TEST

/* ---- slots that are guesses ----------------------------------------------------------------- */

static const uint64_t spare = 0x700000500000, words_at = 0x700000600000;

/* A word of the stack that holds an address. */
static void remember(const both *b, unsigned place, uint64_t value)
{
    fake_put(b->w.t, stack + 0x1100 + 8ull * place, value, 8);
    b->w.t->state++;
}

static long long total_of(const both *b, const char *command, const char *key)
{
    int status;
    json_t *json = fake_json_status(b->w.t, command, "", &status);
    long long total = json_is_integer(fake_at(json, key)) ? fake_integer(json, key)
                                                          : (long long)fake_size(json, key);
    json_decref(json);
    return total;
}

START_TEST(a_guess_counts_and_is_called_conservative)
{
    both b = both_new(_i);
    uint64_t opaque = made_up_object(b.w.t, crate, 6, MADE_UP_OPAQUE, 1),
             only = made_up_object(b.w.t, crate, 7, MADE_UP_LEAF, 1);
    made_up_put(b.w.t, opaque, 0, only);
    made_up_put(b.w.t, b.pair, 1, 0);
    uint64_t held[] = {b.leaf, b.pair, b.twice, opaque};
    made_up_table(b.w.t, b.bag, spare, held, 4);
    for (int pass = 0; pass < 2; pass++) { /* without a graph, and with one */
        json_t *json = fake_json(b.w.t, "refs", text_of(only));
        ck_assert_uint_eq(fake_size(json, "referrers"), 1);
        ck_assert_str_eq(fake_string(json, "referrers.0.kind"), "field");
        ck_assert_str_eq(fake_string(json, "referrers.0.strength"), "conservative");
        ck_assert_str_eq(fake_string(json, "referrers.0.name"), "word");
        ck_assert_int_eq(fake_integer(json, "ledger.fields"), 1);
        ck_assert_int_eq(fake_integer(json, "ledger.guessed"), 1);
        ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0);
        json_decref(json);
        json_decref(fake_json(b.w.t, "gcgraph", ""));
    }
    json_t *json = fake_json(b.w.t, "objat", text_of(opaque));
    ck_assert_str_eq(fake_string(json, "fields.0.kind"), "conservative");
    ck_assert_str_eq(fake_string(json, "fields.0.target"), at("leaf", only));
    json_decref(json);
    json = fake_json(b.w.t, "refs", text_of(opaque));
    ck_assert_str_eq(fake_string(json, "referents.0.strength"), "conservative");
    json_decref(json);
    json = fake_json(b.w.t, "gcgraph", text_of(only));
    unsigned guesses = 0;
    for (size_t i = 0; i < fake_size(json, "edges"); i++) {
        const json_t *edge = json_array_get(fake_at(json, "edges"), i);
        bool is_guess = !strcmp(fake_string(edge, "strength"), "conservative");
        ck_assert_int_eq(is_guess, !strcmp(fake_string(edge, "from"), at("opaque", opaque)));
        guesses += is_guess;
    }
    ck_assert_uint_eq(guesses, 1);
    json_decref(json);
    must_have(say(&b, "refs", text_of(only)), "ledger: 1 count: 1 field (1 of them a word that "
                                              "nothing declares); nothing unexplained");
    must_have(say(&b, "refs", text_of(opaque)),
              "word                         -> conservative leaf");
    must_have(say(&b, "objat", text_of(opaque)), "conservative 0x");
    must_have(say(&b, "gcgraph", text_of(opaque)), "conservative <");
    ck_assert_int_eq(total_of(&b, "gcleaks", "objects"), 3); /* as without it */
    world_free(&b.w);
}
END_TEST

START_TEST(nothing_certain_rests_on_a_guess)
{
    both b = both_new(_i);
    uint64_t opaque = made_up_object(b.w.t, crate, 6, MADE_UP_OPAQUE, 1);
    made_up_put(b.w.t, b.pair, 1, 0);
    uint64_t held[] = {b.leaf, b.pair, b.twice, opaque};
    made_up_table(b.w.t, b.bag, spare, held, 4);
    made_up_put(b.w.t, opaque, 0, b.leaf);  /* one more than its four counts */
    made_up_put(b.w.t, opaque, 1, b.freed); /* where an object was */
    b.w.t->state++;
    ck_assert_int_eq(total_of(&b, "gcverify", "problems"), 0);
    ck_assert_int_eq(total_of(&b, "gcstale", "stale"), 0);
    ck_assert_int_eq(total_of(&b, "gcstale", "possible"), 1);
    json_t *json = fake_json(b.w.t, "refs", text_of(b.leaf));
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), 5);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), -1);
    ck_assert(json_is_true(fake_at(json, "complete")));
    json_decref(json);
    must_have(say(&b, "refs", text_of(b.leaf)), "need not own one");
    ck_assert(!strstr(say(&b, "refs", text_of(b.leaf)), "over-released"));
    fake_put(b.w.t, b.leaf, 3, 8); /* now the declared ones alone are more */
    b.w.t->state++;
    json = fake_json(b.w.t, "gcverify", "");
    ck_assert_int_eq(fake_integer(json, "by_kind.over_release"), 1);
    must_have(fake_string(json, "problems.0.detail"), "4 fields of live objects hold it");
    json_decref(json);
    ck_assert_int_eq(total_of(&b, "gcstale", "stale"), 4);
    must_have(say(&b, "refs", text_of(b.leaf)), "over-released: 1 more reference than counts");
    world_free(&b.w);
}
END_TEST

/* An opaque one and a pair that hold each other, and nobody else does. */
static uint64_t guessed_cycle(const both *b)
{
    uint64_t opaque = made_up_object(b->w.t, crate, 6, MADE_UP_OPAQUE, 1),
             pair = made_up_object(b->w.t, crate, 7, MADE_UP_PAIR, 1);
    made_up_put(b->w.t, opaque, 0, pair);
    made_up_put(b->w.t, pair, 0, opaque);
    b->w.t->state++;
    return pair;
}

START_TEST(garbage_by_guesses_is_certain_where_no_word_leads_to_it)
{
    both b = both_new(_i);
    int status;
    fake_put(b.w.t, b.lost, 1ull << 63, 8); /* immortal: nothing else is leaked but n and q */
    uint64_t pair = guessed_cycle(&b);
    json_t *json = fake_json_status(b.w.t, "gcleaks", "--check", &status);
    ck_assert_int_eq(status, 1);
    ck_assert_int_eq(fake_integer(json, "objects"), 4);
    for (size_t i = 0; i < fake_size(json, "leaks"); i++)
        ck_assert(!json_object_get(json_array_get(fake_at(json, "leaks"), i), "guessed"));
    json_decref(json);
    json = fake_json(b.w.t, "gcgraph", ""); /* which looks for no words */
    ck_assert_uint_eq(fake_size(json, "cycles"), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *cycle = json_array_get(fake_at(json, "cycles"), i);
        bool is_ours = !strncmp(fake_string(cycle, "objects.0"), "opaque", 6);
        ck_assert_str_eq(fake_string(cycle, "verdict"), "garbage");
        ck_assert_int_eq(json_is_true(json_object_get(cycle, "guessed")), is_ours);
    }
    json_decref(json);
    must_have(say(&b, "gcgraph", ""), "inside, if words that nothing declares own what they hold");
    fake_put(b.w.t, b.n, 1ull << 32, 8); /* and these no more */
    remember(&b, 0, pair);
    json = fake_json_status(b.w.t, "gcleaks", "", &status);
    unsigned guessed = 0;
    for (size_t i = 0; i < fake_size(json, "leaks"); i++)
        guessed +=
            json_is_true(json_object_get(json_array_get(fake_at(json, "leaks"), i), "guessed"));
    ck_assert_uint_eq(guessed, 1);
    json_decref(json);
    must_have(say(&b, "gcleaks", ""), "garbage only if words that nothing declares own");
    must_have(say(&b, "refs", text_of(pair)), "if words that nothing declares own what they hold");
    world_free(&b.w);
}
END_TEST

START_TEST(what_an_exact_root_holds_is_no_garbage_by_guesses)
{
    both b = both_new(_i);
    uint64_t pair = guessed_cycle(&b);
    fake_put(b.w.t, b.bag, 1ull << 63, 8);
    fake_put(b.w.t, rooted, pair, 8);
    json_t *json = fake_json(b.w.t, "gcgraph", text_of(pair));
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    ck_assert_str_eq(fake_string(json, "cycles.0.verdict"), "held");
    json_decref(json);
    ck_assert_int_eq(total_of(&b, "gcleaks", "objects"), 3);
    ck_assert_int_eq(total_of(&b, "gcverify", "problems"), 0);
    world_free(&b.w);
}
END_TEST

/* ---- stale slots ---------------------------------------------------------------------------- */

START_TEST(memory_may_be_used_again_for_anything)
{
    both b = both_new(_i);
    uint64_t slot = crate + 64 + 64 * 6;
    json_t *json;
    made_up_put(b.w.t, b.pair, 0, slot);
    b.w.t->state++;
    json = fake_json(b.w.t, "gcstale", ""); /* a slot that nothing was ever in */
    ck_assert_uint_eq(fake_size(json, "stale"), 1);
    ck_assert_str_eq(fake_string(json, "stale.0.evidence"), "no object");
    ck_assert_str_eq(fake_string(json, "stale.0.address"), text_of(slot));
    ck_assert(json_is_null(fake_at(json, "stale.0.was")));
    json_decref(json);
    must_have(say(&b, "gcstale", ""), "is a free block: the object that it led to is gone\n"
                                      "     crates are used again\n");
    made_up_raw(b.w.t, crate, 6);
    b.w.t->state++;
    must_have(say(&b, "gcstale", ""), "is memory in use that holds no object: the object that it "
                                      "led to is gone");
    made_up_put(b.w.t, b.pair, 0, b.twice + 8);
    b.w.t->state++;
    must_have(say(&b, "gcstale", ""), at("twice", b.twice));
    must_have(say(&b, "gcstale", ""), ": the object that it led to is gone");
    made_up_put(b.w.t, b.pair, 0, b.freed);
    b.w.t->state++;
    must_have(say(&b, "gcstale", ""), ", freed\n");
    world_free(&b.w);
}
END_TEST

/* What objat says of the slot at an address in no object. */
static void check_slot(const both *b, uint64_t address, const char *said, const char *of,
                       const char *target)
{
    char line[160];
    json_t *json = fake_json(b->w.t, "objat", text_of(address));
    ck_assert_str_eq(fake_string(json, "slot.text"), said);
    ck_assert_int_eq(json_is_null(fake_at(json, "slot.of")), !of);
    ck_assert(!of || !strcmp(fake_string(json, "slot.of"), of));
    ck_assert_int_eq(json_is_null(fake_at(json, "slot.target")), !target);
    ck_assert(!target || !strcmp(fake_string(json, "slot.target"), target));
    json_decref(json);
    snprintf(line, sizeof line, "\n  %s%s%s", said, target ? ": " : "", target ? target : "");
    must_have(say(b, "objat", text_of(address)), line);
    snprintf(line, sizeof line, "\n  next: refs %s\n", of ? of : "");
    ck_assert_int_eq(strstr(say(b, "objat", text_of(address)), line) != NULL, of != NULL);
}

START_TEST(an_address_in_a_table_is_the_slot_that_lies_there)
{
    both b = both_new(_i);
    char said[80];
    snprintf(said, sizeof said, "{2} of %s", at("bag", b.bag));
    check_slot(&b, table + 24, said, at("bag", b.bag), at("pair", b.pair));
    check_slot(&b, table + 29, said, at("bag", b.bag), at("pair", b.pair));
    check_slot(&b, rooted, "the hook crate", NULL, at("bag", b.bag));
    json_t *json = fake_json(b.w.t, "objat", text_of(table + 16));
    ck_assert(!json_object_get(json, "slot")); /* its key: nothing tells where the table ends */
    json_decref(json);
    json = fake_json(b.w.t, "objat", text_of(rooted + 8));
    ck_assert(!json_object_get(json, "slot"));
    json_decref(json);
    json = fake_json(b.w.t, "objat", text_of(b.n)); /* an object of refheap's */
    ck_assert(!json_object_get(json, "slot"));
    json_decref(json);
    uint64_t raw = made_up_raw(b.w.t, crate, 6); /* a table in a crate */
    made_up_table(b.w.t, b.bag, raw, &b.leaf, 1);
    b.w.t->state++;
    snprintf(said, sizeof said, "{1} of %s", at("bag", b.bag));
    check_slot(&b, raw + 8, said, at("bag", b.bag), at("leaf", b.leaf));
    must_have(say(&b, "objat", text_of(raw + 8)), " bytes: memory in use that holds no object\n");
    world_free(&b.w);
}
END_TEST

START_TEST(live_objects_are_told_by_the_line_that_made_them)
{
    both b = both_new(_i);
    json_t *json = fake_json(b.w.t, "gcstat", "--sites");
    ck_assert_uint_eq(fake_size(json, "heaps.1.sites"), 0);
    ck_assert_int_eq(fake_integer(json, "heaps.1.without_site"), 6);
    json_decref(json);
    must_have(say(&b, "gcstat", "--sites"), "  where its objects were made is not recorded: "
                                            "SHELF_NOTES=1 does that\n");
    must_have(say(&b, "gcstat", "--sites"),
              "  of none of its objects a line is known: an older runtime made "
              "them, or functions that were called without a line\n");
    made_up_site(b.w.t, descriptor, b.bag, 12);
    made_up_site(b.w.t, descriptor, b.pair, 14);
    made_up_site(b.w.t, descriptor, b.twice, 14);
    b.w.t->state++;
    json = fake_json(b.w.t, "gcstat", "--sites");
    ck_assert_uint_eq(fake_size(json, "heaps.1.sites"), 2);
    ck_assert_str_eq(fake_string(json, "heaps.1.sites.0.file"), "shelf.c");
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.0.line"), 14);
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.0.objects"), 2);
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.0.bytes"), 72);
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.0.retained"), 72); /* both hold the leaf */
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.1.line"), 12);
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.1.objects"), 1);
    /* the bag's own bytes, the pair's, the twice's and the leaf's */
    ck_assert_int_eq(fake_integer(json, "heaps.1.sites.1.retained"), 48 + 72 + 24);
    ck_assert_str_eq(fake_string(json, "heaps.1.sites.1.sample"), at("bag", b.bag));
    ck_assert_int_eq(fake_integer(json, "heaps.1.without_site"), 3);
    json_decref(json);
    json = fake_json(b.w.t, "gcstat", "--sites --limit=1 --heap=1001 --no-retained");
    ck_assert_int_eq(fake_integer(json, "heaps.0.sites_total"), 2);
    ck_assert(json_is_null(fake_at(json, "heaps.0.sites.0.retained")));
    json_decref(json);
    const char *said = say(&b, "gcstat", "--sites");
    must_have(said, "             2             72             72  shelf.c:14 ");
    must_have(said, "  of 3 more objects no line is known\n");
    world_free(&b.w);
}
END_TEST

START_TEST(a_slot_may_lead_to_an_object_that_is_not_known)
{
    both b = both_new(_i);
    made_up_put(b.w.t, b.pair, 1, 0);
    const uint64_t values[] = {stack, rooted + 4, 0x123456780000, crate + 16};
    for (unsigned i = 0; i < 4; i++) { /* memory of others; and what no object's address is */
        made_up_put(b.w.t, b.twice, 0, values[i]);
        fake_put(b.w.t, b.leaf, 2, 8);
        b.w.t->state++;
        ck_assert_int_eq(total_of(&b, "gcverify", "problems"), i ? 2 : 0);
        int status;
        json_t *json = fake_json_status(b.w.t, "gcleaks", "", &status);
        ck_assert_int_eq(json_is_true(fake_at(json, "complete")), i == 0);
        json_decref(json);
    }
    world_free(&b.w);
}
END_TEST

START_TEST(names_of_objects_are_completed)
{
    both b = both_new(_i);
    char offered[256];
    ck_assert_uint_eq(
        rhi_complete(b.w.t->session, &b.w.t->target, "refs", "pa", offered, sizeof offered), 1);
    ck_assert_str_eq(offered, "pair@0x");
    ck_assert_uint_eq(
        rhi_complete(b.w.t->session, &b.w.t->target, "refs", "no", offered, sizeof offered), 1);
    ck_assert_str_eq(offered, "node#");
    world_free(&b.w);
}
END_TEST

START_TEST(words_of_c_are_stale_only_where_c_variables_hold_objects)
{
    both b = both_new(_i);
    fake_map(b.w.t, words_at, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "/lib/x.so");
    fake_put(b.w.t, words_at, b.freed, 8);
    b.w.t->state++;
    ck_assert_int_eq(total_of(&b, "gcstale", "stale"), 0);
    ck_assert_int_eq(total_of(&b, "gcstale", "possible"), 1);
    fake_put(b.w.t, words_at, b.freed - 16, 8); /* the beginning of its slot */
    b.w.t->state++;
    must_have(say(&b, "gcstale", ""), "(points 16 bytes in front of it)");
    json_t *json = fake_json(b.w.t, "gcstale", "");
    ck_assert_int_eq(fake_integer(json, "possible.0.holder.offset"), -16);
    json_decref(json);
    world_free(&b.w);
}
END_TEST

/* ---- counts without an owner ---------------------------------------------------------------- */

static const json_t *leak_of(const json_t *json, const char *id)
{
    for (size_t i = 0; i < fake_size(json, "leaks"); i++) {
        const json_t *leak = json_array_get(fake_at(json, "leaks"), i);
        if (!strcmp(fake_string(leak, "representative"), id))
            return leak;
    }
    return NULL;
}

START_TEST(each_owner_explains_one_count)
{
    both b = both_new(_i);
    int status;
    json_t *json;
    fake_map(b.w.t, words_at, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    made_up_put(b.w.t, b.pair, 1, 0);
    fake_put(b.w.t, b.bag, 4, 8); /* one is the root's */
    for (unsigned words = 0; words < 4; words++) {
        if (words)
            fake_put(b.w.t, words_at + 8 * words, b.bag, 8);
        b.w.t->state++;
        json = fake_json(b.w.t, "refs", text_of(b.bag));
        ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 3 - words);
        json_decref(json);
        json = fake_json_status(b.w.t, "gcleaks", "", &status);
        const json_t *leak = leak_of(json, at("bag", b.bag));
        ck_assert_int_eq(leak != NULL, words < 3);
        if (leak) {
            ck_assert_str_eq(fake_string(leak, "cause"), "lost_reference");
            ck_assert_int_eq(fake_integer(leak, "counts_lost"), 3 - words);
            ck_assert_int_eq(fake_integer(leak, "retained"), 0); /* in use all the same */
        }
        ck_assert(!leak_of(json, at("leaf", b.leaf))); /* what it holds is not lost */
        json_decref(json);
        if (words == 0)
            must_have(say(&b, "gcleaks", ""),
                      "  4 counts: 1 owned by roots or words, 3 owned by nobody that was found (it "
                      "is in use all the same: a root or word holds it, too)\n");
    }
    /* of a program whose variables own counts, a stack's word may stand for several */
    fake_put(b.w.t, words_at + 8, 0, 8);
    remember(&b, 3, b.bag);
    json = fake_json_status(b.w.t, "gcleaks", "", &status);
    ck_assert(!leak_of(json, at("bag", b.bag)));
    json_decref(json);
    fake_put(b.w.t, words_at + 16, 0, 8);
    b.w.t->state++;
    json = fake_json_status(b.w.t, "gcleaks", "", &status);
    ck_assert(leak_of(json, at("bag", b.bag))); /* this format is none */
    json_decref(json);
    world_free(&b.w);
}
END_TEST

START_TEST(a_word_of_a_stack_may_stand_for_several_variables)
{
    both b = both_new(_i);
    int status;
    uint64_t twice = new_node(&b.w, 2), memory = new_node(&b.w, 2);
    fake_map(b.w.t, words_at, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(b.w.t, words_at, memory, 8);
    remember(&b, 0, twice);
    json_t *json = fake_json_status(b.w.t, "gcleaks", "", &status);
    ck_assert(!leak_of(json, id_of(&b.w, twice)));
    ck_assert_int_eq(fake_integer(leak_of(json, id_of(&b.w, memory)), "counts_lost"), 1);
    json_decref(json);
    world_free(&b.w);
}
END_TEST

START_TEST(lost_references_are_told_by_type_and_line)
{
    both b = both_new(_i);
    int status;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t leaf = made_up_lone(b.w.t, descriptor, spare + 0x10000 * i, MADE_UP_TWICE, 2);
        made_up_site(b.w.t, descriptor, leaf, i ? 7 : 9);
    }
    made_up_put(b.w.t, b.pair, 1, 0);
    uint64_t one = made_up_object(b.w.t, crate, 6, MADE_UP_PAIR, 1),
             other = made_up_object(b.w.t, crate, 7, MADE_UP_PAIR, 1);
    made_up_put(b.w.t, one, 0, other);
    made_up_put(b.w.t, other, 0, one);
    b.w.t->state++;
    json_t *json = fake_json_status(b.w.t, "gcleaks", "", &status);
    ck_assert_uint_eq(fake_size(json, "lost_by_type"), 2);
    ck_assert_str_eq(fake_string(json, "lost_by_type.0.type"), "twice");
    ck_assert_int_eq(fake_integer(json, "lost_by_type.0.objects"), 3);
    ck_assert_int_eq(fake_integer(json, "lost_by_type.0.counts_lost"), 6);
    ck_assert_str_eq(fake_string(json, "lost_by_type.1.type"), "leaf");
    unsigned lines = 0;
    for (size_t i = 0; i < fake_size(json, "groups"); i++) {
        const json_t *group = json_array_get(fake_at(json, "groups"), i);
        if (json_is_object(fake_at(group, "site")))
            lines += (unsigned)(fake_integer(group, "site.line") * fake_integer(group, "count"));
    }
    ck_assert_uint_eq(lines, 7 * 2 + 9);                    /* two of line 7 are alike */
    ck_assert_int_eq(fake_integer(json, "collectable"), 2); /* n is untracked, and holds q */
    json_decref(json);
    const char *said = say(&b, "gcleaks", "");
    must_have(said, "    lost references: 3 twice, 1 leaf\n");
    must_have(said, "    sweep() would find 2 of them\n");
    must_have(said, "  born in stack_up() at shelf.c:7\n");
    world_free(&b.w);
}
END_TEST

START_TEST(nothing_certain_rests_on_an_object_in_motion)
{
    both b = both_new(_i);
    made_up_put(b.w.t, b.pair, 1, 0);
    uint64_t held[] = {b.leaf, b.pair, b.twice, b.leaf}; /* once more than it has counts */
    made_up_table(b.w.t, b.bag, spare, held, 4);
    b.w.t->state++;
    ck_assert_int_eq(total_of(&b, "gcverify", "problems"), 1);
    fake_put(b.w.t, b.bag - 8, 1, 8); /* a thread moves what is in its table */
    b.w.t->state++;
    ck_assert_int_eq(total_of(&b, "gcverify", "problems"), 0);
    ck_assert_int_eq(total_of(&b, "gcstale", "stale"), 0);
    world_free(&b.w);
}
END_TEST

/* A frame that is made of an old one holds what it has no count of yet, and a root owns the only
 * one. */
START_TEST(a_root_owns_its_count_before_an_object_in_motion_does)
{
    both b = both_new(_i);
    made_up_put(b.w.t, b.pair, 0, b.bag); /* which has the one count of the root */
    made_up_put(b.w.t, b.pair, 1, 0);
    fake_put(b.w.t, b.leaf, 3, 8);
    b.w.t->state++;
    ck_assert_int_eq(total_of(&b, "gcverify", "problems"), 1);
    fake_put(b.w.t, b.pair - 8, 1, 8); /* a thread changes what it holds */
    b.w.t->state++;
    ck_assert_int_eq(total_of(&b, "gcverify", "problems"), 0);
    ck_assert_int_eq(total_of(&b, "gcstale", "stale"), 0);
    world_free(&b.w);
}
END_TEST

START_TEST(no_certain_statement_rests_on_a_root_that_is_guessed)
{
    both b = both_new(_i);
    for (unsigned guess = 0; guess < 2; guess++) {
        made_up_root(b.w.t, descriptor, rooted | (guess ? MADE_UP_GUESS : 0));
        b.w.t->state++;
        json_t *json = fake_json(b.w.t, "refs", text_of(b.bag));
        ck_assert_str_eq(fake_string(json, "referrers.0.kind"), "root");
        ck_assert_str_eq(fake_string(json, "referrers.0.strength"),
                         guess ? "conservative" : "strong");
        ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0); /* it is the owner */
        ck_assert_int_eq(fake_integer(json, "ledger.exact"), guess ? 0 : 1);
        json_decref(json);
        json = fake_json(b.w.t, "gcleaks", "");
        ck_assert_uint_eq(fake_size(json, "leaks"), 2); /* n and q; the lost one */
        json_decref(json);
    }
    for (unsigned guess = 0; guess < 2; guess++) { /* all of the leaf's counts are in fields */
        made_up_root(b.w.t, descriptor, rooted | (guess ? MADE_UP_GUESS : 0));
        fake_put(b.w.t, rooted, b.leaf, 8);
        b.w.t->state++;
        json_t *json = fake_json(b.w.t, "gcverify", "");
        json_t *found = fake_at(json, "by_kind.root_without_count");
        ck_assert_int_eq(found ? json_integer_value(found) : 0, guess ? 0 : 1);
        json_decref(json);
        json = fake_json(b.w.t, "gcstale", "");
        ck_assert_uint_eq(fake_size(json, "stale"), guess ? 0 : 1);
        json_decref(json);
        fake_put(b.w.t, rooted, b.freed, 8);
        b.w.t->state++;
        json = fake_json(b.w.t, "gcstale", "");
        ck_assert_uint_eq(fake_size(json, "stale"), guess ? 0 : 1);
        ck_assert_uint_eq(fake_size(json, "possible"), guess ? 1 : 0);
        json_decref(json);
        json = fake_json(b.w.t, "gcverify", "");
        found = fake_at(json, "by_kind.bad_root");
        ck_assert_int_eq(found ? json_integer_value(found) : 0, guess ? 0 : 1);
        json_decref(json);
    }
    world_free(&b.w);
}
END_TEST

/* Of objects that lie alone in memory of others some may not be found. */
START_TEST(a_root_may_hold_an_object_that_is_not_known)
{
    both b = both_new(_i);
    made_up_root(b.w.t, descriptor, rooted);
    for (unsigned is_mapped = 0; is_mapped < 2; is_mapped++) {
        fake_put(b.w.t, rooted, is_mapped ? rooted + 64 : 0x10, 8);
        b.w.t->state++;
        json_t *json = fake_json(b.w.t, "gcverify", "");
        json_t *found = fake_at(json, "by_kind.bad_root");
        ck_assert_int_eq(found ? json_integer_value(found) : 0, is_mapped ? 0 : 1);
        json_decref(json);
    }
    world_free(&b.w);
}
END_TEST

START_TEST(a_path_has_an_expression_in_the_language_of_its_objects)
{
    both b = both_new(_i);
    char line[64];
    snprintf(line, sizeof line, "--path 0x%" PRIx64, b.twice);
    json_t *json = fake_json(b.w.t, "refs", line);
    ck_assert_str_eq(fake_string(json, "language_expression.language"), "Crate");
    ck_assert_str_eq(fake_string(json, "language_expression.text"), "crate {3}");
    json_decref(json);
    must_have(say(&b, "refs", line), "in Crate: crate {3}\n");
    made_up_root(b.w.t, descriptor, rooted | MADE_UP_GUESS); /* now it has none */
    b.w.t->state++;
    json = fake_json(b.w.t, "refs", line);
    ck_assert_ptr_null(fake_at(json, "language_expression"));
    ck_assert_uint_eq(fake_size(json, "path"), 3);
    json_decref(json);
    snprintf(line, sizeof line, "--path 0x%" PRIx64, b.n); /* no root leads to it */
    json = fake_json(b.w.t, "refs", line);
    ck_assert_ptr_null(fake_at(json, "language_expression"));
    json_decref(json);
    world_free(&b.w);
}
END_TEST

RUN_TESTS("inspect_formats", objects_have_addresses_for_names, what_only_one_format_knows_is_said,
          names_are_held_against_what_is_there, errors_show_names_that_work_here,
          referrers_are_found_with_a_graph_and_without,
          what_the_program_took_from_a_crate_is_its_memory, a_format_says_what_became_of_memory,
          what_two_words_alone_say_is_lost_only_if_something_leads_there,
          a_table_in_a_crate_is_its_owners_alone,
          no_word_of_an_object_whose_slots_are_told_leads_to_missing_memory,
          no_word_leads_to_missing_memory_in_a_file_of_the_system,
          no_word_that_was_partly_written_over_leads_to_missing_memory, crates_may_lie_far_apart,
          an_address_of_bytes_in_an_object_of_c_code_is_a_word,
          a_cycle_may_lead_through_both_formats, lists_and_totals_are_of_both,
          what_does_not_fit_is_told_of_both, a_guess_counts_and_is_called_conservative,
          nothing_certain_rests_on_a_guess, memory_may_be_used_again_for_anything,
          names_of_objects_are_completed, a_slot_may_lead_to_an_object_that_is_not_known,
          live_objects_are_told_by_the_line_that_made_them,
          an_address_in_a_table_is_the_slot_that_lies_there,
          words_of_c_are_stale_only_where_c_variables_hold_objects,
          garbage_by_guesses_is_certain_where_no_word_leads_to_it,
          what_an_exact_root_holds_is_no_garbage_by_guesses, each_owner_explains_one_count,
          a_word_of_a_stack_may_stand_for_several_variables,
          lost_references_are_told_by_type_and_line, nothing_certain_rests_on_an_object_in_motion,
          a_root_owns_its_count_before_an_object_in_motion_does,
          a_root_may_hold_an_object_that_is_not_known,
          no_certain_statement_rests_on_a_root_that_is_guessed,
          a_path_has_an_expression_in_the_language_of_its_objects)
