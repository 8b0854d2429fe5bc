/* inspect_formats_memory.c - memory of a heap that no object has, in two heap formats at once
 * (two_formats.h): crates that a program has words in, what was there before, which words are
 * missing. */
#include "two_formats.h"
#include "fake_core.h"

#include <elf.h>
#include <unistd.h>

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

/* The reasons why gcleaks is not complete on a core that does not name what it lacks, as GDB writes
 * them: files of which it has nothing are named in a note alone. The caller owns the text. */
static char *doubts_in_core(const both *b)
{
    fake_target *t = b->w.t;
    char path[] = "/tmp/refheap-test-XXXXXX";
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
    t->state++;
    fake_core_open(t, path, &t->target);
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
 * are not known to be as they were, where they are not to be had. Such a core does not say whether
 * a file could be written: of one of the system's that could, nothing is seen. */
START_TEST(no_word_leads_to_missing_memory_in_a_file_of_the_system)
{
    both b = both_new(_i);
    const uint64_t locale = 0x700225100000, own = 0x700225200000;
    fake_map(b.w.t, 0x700225300000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_segment *file =
        fake_map(b.w.t, locale, 0x1000, RHI_REGION_READ, "/usr/lib/locale/left-out");
    fake_map(b.w.t, own, 0x1000, RHI_REGION_READ, "/var/lib/left-out");
    fake_put(b.w.t, rooted + 0x100, locale + 0x16c, 8);
    for (unsigned could_write = 0; could_write < 2; could_write++) {
        file->flags |= could_write ? RHI_REGION_WRITE : 0;
        char *none = doubts_in_core(&b);
        ck_assert_msg(!strstr(none, "words lead to such"), "%s", none);
        free(none);
    }
    fake_put(b.w.t, rooted + 0x108, own + 0x16c, 8);
    char *doubts = doubts_in_core(&b);
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

RUN_TESTS("inspect_formats_memory", what_the_program_took_from_a_crate_is_its_memory,
          no_word_of_an_object_whose_slots_are_told_leads_to_missing_memory,
          no_word_leads_to_missing_memory_in_a_file_of_the_system,
          no_word_that_was_partly_written_over_leads_to_missing_memory,
          a_format_says_what_became_of_memory,
          what_two_words_alone_say_is_lost_only_if_something_leads_there,
          a_table_in_a_crate_is_its_owners_alone,
          an_address_of_bytes_in_an_object_of_c_code_is_a_word, crates_may_lie_far_apart,
          memory_may_be_used_again_for_anything, an_address_in_a_table_is_the_slot_that_lies_there,
          words_of_c_are_stale_only_where_c_variables_hold_objects)
