/* inspect_diff.c - `gcdiff`: snapshots, what became of objects between them, and files that are
 * not what was saved. */
#include "inspect_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { AT_VERSION = 16, AT_CHECKSUM = 20, AT_SIZE = 24, HEADER_BYTES = 40, FILES = 4 };

/* A world and files for its snapshots. */
typedef struct scene {
    world w;
    uint32_t leaf;
    uint64_t objects[8];
    char folder[32], files[FILES][48];
} scene;

static scene scene_of(world w)
{
    scene s = {.w = w, .folder = "/tmp/refheap-diff-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(s.folder));
    for (unsigned i = 0; i < FILES; i++)
        snprintf(s.files[i], sizeof s.files[i], "%s/%u", s.folder, i);
    s.leaf = fake_type(s.w.space, "leaf", 16, NULL, 0);
    for (unsigned i = 0; i < 6; i++) /* node#1 … node#4, leaf#5, leaf#6 */
        s.objects[i] = fake_new(s.w.heap, i < 4 ? s.w.node : s.leaf, 1, 0);
    return s;
}

static scene scene_without(int layout, const char *omit)
{
    return scene_of(world_without(layout, omit));
}

static scene scene_new(int layout)
{
    return scene_without(layout, NULL);
}

static void scene_free(scene *s)
{
    for (unsigned i = 0; i < FILES; i++)
        unlink(s->files[i]);
    rmdir(s->folder);
    world_free(&s->w);
}

static json_t *gcdiff(const scene *s, const char *format, const char *a, const char *b)
{
    char line[256];
    snprintf(line, sizeof line, format, a, b);
    s->w.t->state++;
    return fake_json(s->w.t, "gcdiff", line);
}

static void save(const scene *s, unsigned file)
{
    json_t *json = gcdiff(s, "--save=%s", s->files[file], NULL);
    ck_assert_str_eq(fake_string(json, "saved"), s->files[file]);
    json_decref(json);
}

/* The line of an error, which is all there is. */
static const char *refused(const scene *s, const char *line)
{
    s->w.t->state++;
    ck_assert_int_eq(fake_run(s->w.t, "gcdiff", line), RHI_NO_ANSWER);
    ck_assert_str_eq(s->w.t->out.bytes, "");
    ck_assert_ptr_eq(strchr(s->w.t->err.bytes, '\n'), s->w.t->err.bytes + s->w.t->err.size - 1);
    return s->w.t->err.bytes;
}

static json_t *row_of(const json_t *json, const char *type)
{
    size_t index;
    json_t *row;
    json_array_foreach(fake_at(json, "by_type"), index,
                       row) if (strcmp(fake_string(row, "type"), type) == 0) return row;
    return NULL;
}

START_TEST(what_was_born_and_died_is_told_exactly)
{
    scene s = scene_new(_i);
    save(&s, 0);
    fake_free_object(s.w.heap, s.objects[1], RH_DEATH_RELEASE);
    fake_free_object(s.w.heap, s.objects[5], RH_DEATH_RELEASE);
    uint64_t born = new_node(&s.w, 1);
    new_node(&s.w, 1);
    json_t *json = gcdiff(&s, "%s", s.files[0], NULL), *row = row_of(json, "node");
    ck_assert(json_is_true(fake_at(json, "exact")));
    ck_assert(json_is_true(fake_at(json, "complete")));
    ck_assert_int_eq(fake_integer(json, "born_total"), 2);
    ck_assert_str_eq(fake_string(json, "born.0.id"), id_of(&s.w, born));
    ck_assert_str_eq(fake_string(json, "born.0.address"), text_of(born));
    ck_assert_str_eq(fake_string(json, "born.1.id"), "node#8");
    ck_assert_str_eq(fake_string(json, "died.0"), "node#2");
    ck_assert_str_eq(fake_string(json, "died.1"), "leaf#6");
    ck_assert_int_eq(fake_integer(json, "died_total"), 2);
    ck_assert_int_eq(fake_integer(json, "survived"), 4);
    ck_assert_int_eq(fake_integer(row, "born"), 2);
    ck_assert_int_eq(fake_integer(row, "died"), 1);
    ck_assert_int_eq(fake_integer(row, "survived"), 3);
    ck_assert_int_eq(fake_integer(row, "bytes"), (long long)s.w.space->type_bytes[s.w.node]);
    ck_assert_int_eq(fake_integer(row, "objects.0"), 4);
    ck_assert_int_eq(fake_integer(row, "objects.1"), 5);
    ck_assert_int_eq(fake_integer(row_of(json, "leaf"), "bytes"),
                     -(long long)s.w.space->type_bytes[s.leaf]);
    json_decref(json);
    json = gcdiff(&s, "--limit=1 %s", s.files[0], NULL); /* totals stay */
    ck_assert_int_eq((long long)fake_size(json, "born"), 1);
    ck_assert_int_eq(fake_integer(json, "born_total"), 2);
    ck_assert_int_eq(fake_integer(json, "by_type_total"), 2);
    json_decref(json);
    scene_free(&s);
}
END_TEST

START_TEST(nothing_changed_is_an_empty_answer)
{
    scene s = scene_new(_i);
    save(&s, 0);
    json_t *json = gcdiff(&s, "%s", s.files[0], NULL);
    ck_assert_int_eq(fake_integer(json, "born_total"), 0);
    ck_assert_int_eq(fake_integer(json, "died_total"), 0);
    ck_assert_int_eq(fake_integer(json, "survived"), 6);
    ck_assert_int_eq((long long)fake_size(json, "by_type"), 0);
    json_decref(json);
    scene_free(&s);
}
END_TEST

START_TEST(a_slot_that_was_used_again_holds_another_object)
{
    scene s = scene_new(_i);
    save(&s, 0);
    fake_serial_put(s.w.space, s.objects[0], 99);
    json_t *json = gcdiff(&s, "%s", s.files[0], NULL);
    ck_assert_str_eq(fake_string(json, "born.0.id"), "node#99");
    ck_assert_str_eq(fake_string(json, "died.0"), "node#1");
    ck_assert_int_eq(fake_integer(json, "survived"), 5);
    json_decref(json);
    scene_free(&s);
}
END_TEST

START_TEST(what_grew_each_time_comes_first)
{
    scene s = scene_new(_i);
    uint32_t large = fake_type(s.w.space, "large", 160, NULL, 0);
    save(&s, 0);
    fake_new(s.w.heap, s.leaf, 1, 0);
    fake_new(s.w.heap, large, 1, 0);
    uint64_t passing = fake_new(s.w.heap, large, 1, 0);
    save(&s, 1);
    fake_new(s.w.heap, s.leaf, 1, 0);
    fake_free_object(s.w.heap, passing, RH_DEATH_RELEASE);
    save(&s, 2);
    char line[160];
    snprintf(line, sizeof line, "%s %s %s", s.files[0], s.files[1], s.files[2]);
    json_t *json = fake_json(s.w.t, "gcdiff", line);
    ck_assert_int_eq((long long)fake_size(json, "moments"), 3);
    ck_assert_str_eq(fake_string(json, "by_type.0.type"), "leaf"); /* although large has more */
    ck_assert(json_is_true(fake_at(json, "by_type.0.grew_each_time")));
    ck_assert_int_eq(fake_integer(json, "by_type.0.objects.1"), 3);
    ck_assert_str_eq(fake_string(json, "by_type.1.type"), "large");
    ck_assert(json_is_false(fake_at(json, "by_type.1.grew_each_time")));
    ck_assert_int_eq(fake_integer(json, "by_type.1.objects.1"), 2);
    /* of what was born and died in between nothing is known */
    ck_assert_int_eq(fake_integer(json, "by_type.1.born"), 1);
    ck_assert_int_eq(fake_integer(json, "by_type.1.died"), 0);
    ck_assert(json_is_null(fake_at(json, "born.0.address")));
    ck_assert_int_eq(fake_integer(json, "born.0.serial"), 7);
    json_decref(json);
    ck_assert_int_eq(fake_run(s.w.t, "gcdiff", line), RHI_ANSWERED);
    ck_assert_has(s.w.t->out.bytes, "2 → 3 → 4");
    ck_assert_has(s.w.t->out.bytes, "leaf  (grew each time)");
    scene_free(&s);
}
END_TEST

START_TEST(what_could_not_be_read_has_not_died)
{
    scene s = scene_new(_i);
    save(&s, 0);
    s.w.t->hole_start = s.objects[4];
    s.w.t->hole_end = s.objects[5];
    save(&s, 1);
    json_t *json = gcdiff(&s, "%s %s", s.files[0], s.files[1]);
    ck_assert(json_is_false(fake_at(json, "complete")));
    ck_assert(json_is_null(fake_at(json, "died")));
    ck_assert(json_is_null(fake_at(json, "by_type.0.died")));
    ck_assert_int_ge(fake_integer(json, "not_found_total"), 1);
    ck_assert_int_eq(fake_integer(json, "born_total"), 0);
    json_decref(json);
    s.w.t->hole_start = s.w.t->hole_end = 0;
    json = gcdiff(&s, "%s", s.files[1], NULL); /* and was not born, once it is seen again */
    ck_assert(json_is_null(fake_at(json, "born")));
    ck_assert_int_ge(fake_integer(json, "not_seen_before_total"), 1);
    ck_assert_int_eq(fake_integer(json, "died_total"), 0);
    json_decref(json);
    char line[160];
    snprintf(line, sizeof line, "%s %s", s.files[0], s.files[1]);
    ck_assert_int_eq(fake_run(s.w.t, "gcdiff", line), RHI_ANSWERED);
    ck_assert_has(s.w.t->out.bytes, "not found");
    ck_assert_has(s.w.t->out.bytes, "incomplete");
    ck_assert_has_not(s.w.t->out.bytes, "died");
    scene_free(&s);
}
END_TEST

START_TEST(moments_of_different_processes_or_in_the_wrong_order_are_refused)
{
    scene s = scene_new(_i);
    char line[160];
    save(&s, 0);
    fake_free_object(s.w.heap, s.objects[0], RH_DEATH_RELEASE);
    new_node(&s.w, 1);
    save(&s, 1);
    snprintf(line, sizeof line, "%s %s", s.files[1], s.files[0]);
    ck_assert_has(refused(&s, line), "give the earlier one first");
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, pid), 4712, 8);
    ck_assert_has(refused(&s, s.files[0]), "a child of fork is another process");
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, pid), 4711, 8);
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, nonce), 77, 8);
    ck_assert_has(refused(&s, s.files[0]), "different processes");
    scene_free(&s);
}
END_TEST

/* Of older runtimes, which publish no counters. Nothing died: turned round it looks as if the
 * newest had. */
START_TEST(an_order_that_cannot_be_told_is_said)
{
    scene s = scene_without(_i, FAKE_COUNTERS);
    char line[160];
    save(&s, 0);
    new_node(&s.w, 1);
    save(&s, 1);
    new_node(&s.w, 1);
    save(&s, 2);
    snprintf(line, sizeof line, "%s %s %s", s.files[0], s.files[1], s.files[2]);
    json_t *json = fake_json(s.w.t, "gcdiff", line);
    ck_assert_int_eq(fake_integer(json, "born_total"), 2);
    ck_assert_ptr_null(fake_at(json, "notes"));
    json_decref(json);
    snprintf(line, sizeof line, "%s %s", s.files[2], s.files[0]);
    json = fake_json(s.w.t, "gcdiff", line);
    ck_assert_int_eq(fake_integer(json, "died_total"), 2);
    ck_assert_has(fake_string(json, "notes.0"), "they died, or");
    ck_assert_has(fake_string(json, "notes.0"), "/0 is the earlier one of the two");
    json_decref(json);
    snprintf(line, sizeof line, "%s %s %s", s.files[0], s.files[2], s.files[1]);
    json = fake_json(s.w.t, "gcdiff", line); /* each pair of neighbours */
    ck_assert_has(fake_string(json, "notes.0"), "/1 is the earlier one of the two");
    json_decref(json);
    scene_free(&s);
}
END_TEST

static json_t *diff_files(const scene *s, unsigned a, unsigned b)
{
    return gcdiff(s, "%s %s", s->files[a], s->files[b]);
}

/* Of two files, `text` is said under this key. */
static void check_said(const scene *s, unsigned a, unsigned b, const char *key, const char *text)
{
    json_t *json = diff_files(s, a, b);
    ck_assert_has(fake_string(json, key), text);
    json_decref(json);
}

/* In this order there is an answer with nothing to remark, in the other one none. */
static void check_order(const scene *s, unsigned earlier, unsigned later)
{
    char line[160];
    json_t *json = diff_files(s, earlier, later);
    ck_assert(json_is_true(fake_at(json, "complete")));
    ck_assert_ptr_null(fake_at(json, "notes"));
    json_decref(json);
    snprintf(line, sizeof line, "%s %s", s->files[later], s->files[earlier]);
    ck_assert_has(refused(s, line), "give the earlier one first");
}

START_TEST(counters_tell_an_order_that_serials_do_not)
{
    scene s = scene_new(_i);
    char line[160];
    save(&s, 0);
    uint64_t newest = new_node(&s.w, 1);
    save(&s, 1);
    check_order(&s, 0, 1); /* nothing died */
    fake_free_object(s.w.heap, newest, RH_DEATH_RELEASE);
    save(&s, 2);
    check_order(&s, 1, 2); /* nothing was born */
    check_order(&s, 0, 2); /* and all that lives is the same */
    snprintf(line, sizeof line, "%s %s %s", s.files[0], s.files[2], s.files[1]);
    ck_assert_has(refused(&s, line), "give the earlier one first"); /* each pair of neighbours */
    save(&s, 3);
    json_t *json = diff_files(&s, 3, 2); /* the same in both: whichever is the earlier one */
    ck_assert_ptr_null(fake_at(json, "notes"));
    json_decref(json);
    scene_free(&s);
}
END_TEST

/* Deaths are counted at the end of a cascade. */
START_TEST(equal_counters_tell_nothing)
{
    scene s = scene_new(_i);
    uint64_t freed = s.w.heap->address + s.w.space->c[RH_MC_heap_freed];
    save(&s, 0);
    fake_free_object(s.w.heap, s.objects[5], RH_DEATH_RELEASE);
    fake_put(s.w.t, freed, 0, 8);
    save(&s, 1);
    json_t *json = diff_files(&s, 0, 1);
    ck_assert_int_eq(fake_integer(json, "died_total"), 1);
    json_decref(json);
    check_said(&s, 0, 1, "notes.0", "they died, or");
    scene_free(&s);
}
END_TEST

START_TEST(heaps_that_come_and_go_tell_the_order)
{
    scene s = scene_new(_i);
    save(&s, 0);
    fake_heap *other = fake_heap_new(s.w.space, 2, "other");
    save(&s, 1);
    check_order(&s, 0, 1);
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, heaps), s.w.heap->address, 8);
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, destroyed_count), 1, 8);
    save(&s, 2);
    check_order(&s, 1, 2);
    check_order(&s, 0, 2);
    fake_heap_free(other);
    scene_free(&s);
}
END_TEST

/* With as many destroyed in both it was made in between, whatever became of objects elsewhere. */
START_TEST(a_heap_that_only_one_moment_has_tells_the_order)
{
    scene s = scene_new(_i);
    save(&s, 0);
    fake_heap *other = fake_heap_new(s.w.space, 2, "other");
    fake_new(other, s.leaf, 1, 0);
    save(&s, 1);
    check_order(&s, 0, 1);
    fake_put(s.w.t, s.w.heap->address + s.w.space->c[RH_MC_heap_number], 3, 8); /* damaged */
    save(&s, 2);
    check_said(&s, 1, 2, "incomplete_because.0", "counters of heaps contradict");
    fake_heap_free(other);
    scene_free(&s);
}
END_TEST

/* A copy of a runtime in a module of its own. */
static fake_space *copy_new(fake_target *t, uint64_t base, int layout, uint64_t nonce)
{
    fake_module(t, base, "/usr/lib/library.so", 0x8000, 0, base + FAKE_MODULE_DATA);
    fake_space *space = fake_space_new(t, base + FAKE_MODULE_DATA, layout, NULL);
    fake_put(t, FAKE_DESCRIPTOR(space, nonce), nonce, 8);
    return space;
}

/* Once its last heap is destroyed nothing of a copy is in a snapshot. */
START_TEST(a_copy_that_only_one_moment_has_tells_no_order)
{
    world w = {.t = fake_target_new()};
    w.space = copy_new(w.t, 0x400000000000, _i, 1);
    w.node = fake_type(w.space, "node", NODE_BODY, node_fields, 5);
    w.heap = fake_heap_new(w.space, 1, "main");
    fake_space *other = copy_new(w.t, 0x600000000000, _i, 2);
    scene s = scene_of(w);
    save(&s, 0);
    fake_heap *heap = fake_heap_new(other, 2, "other");
    fake_new(heap, fake_type(other, "own", 16, NULL, 0), 1, 0);
    save(&s, 1);
    for (unsigned first = 0; first < 2; first++) {
        json_t *json = diff_files(&s, first, !first);
        ck_assert_int_eq(fake_integer(json, first ? "died_total" : "born_total"), 1);
        json_decref(json);
        check_said(&s, first, !first, "notes.0", "nothing tells which one");
    }
    new_node(&s.w, 1); /* what both have does tell it */
    save(&s, 2);
    check_order(&s, 0, 2);
    fake_heap_free(heap);
    fake_space_free(other);
    scene_free(&s);
}
END_TEST

START_TEST(counters_that_make_no_sense_are_not_believed)
{
    scene s = scene_new(_i);
    uint64_t next = s.w.heap->address + s.w.space->c[RH_MC_heap_serial_next],
             freed = s.w.heap->address + s.w.space->c[RH_MC_heap_freed];
    save(&s, 0);
    new_node(&s.w, 1);
    fake_put(s.w.t, next, 3, 8); /* objects have higher ones */
    fake_put(s.w.t, freed, 0, 8);
    save(&s, 1);
    json_t *json = diff_files(&s, 0, 1);
    ck_assert(json_is_true(fake_at(json, "complete")));
    json_decref(json);
    fake_put(s.w.t, next, 100, 8);
    fake_put(s.w.t, freed, 7, 8);
    save(&s, 2);
    fake_put(s.w.t, next, 101, 8);
    fake_put(s.w.t, freed, 6, 8);
    save(&s, 3);
    check_said(&s, 2, 3, "incomplete_because.0", "counters of heaps contradict");
    fake_put(s.w.t, freed, 2, 8);
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, check), 1, 8); /* they may lie elsewhere */
    save(&s, 1);
    check_said(&s, 3, 1, "incomplete_because.0", "constants are not those");
    scene_free(&s);
}
END_TEST

START_TEST(one_heap_can_be_asked_about)
{
    scene s = scene_new(_i);
    fake_heap *other = fake_heap_new(s.w.space, 2, "other");
    save(&s, 0);
    new_node(&s.w, 1);
    fake_new(other, s.leaf, 1, 0);
    fake_new(other, s.leaf, 1, 0);
    json_t *json = gcdiff(&s, "--heap=2 %s", s.files[0], NULL);
    ck_assert_int_eq(fake_integer(json, "born_total"), 2);
    ck_assert_int_eq(fake_integer(json, "survived"), 0);
    ck_assert_int_eq(fake_integer(json, "moments.1.objects"), 2);
    json_decref(json);
    save(&s, 1);
    char line[160];
    snprintf(line, sizeof line, "--heap=3 %s %s", s.files[0], s.files[1]);
    ck_assert_has(refused(&s, line), "there is no heap 3");
    fake_heap_free(other);
    scene_free(&s);
}
END_TEST

/* ---- files that are not what was saved ------------------------------------------------------- */

static uint8_t *read_file(const char *path, size_t *size)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    *size = (size_t)status.st_size;
    uint8_t *bytes = malloc(*size + 1);
    int file = open(path, O_RDONLY);
    ck_assert_int_eq(read(file, bytes, *size), (ssize_t)*size);
    close(file);
    return bytes;
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    MUST(write(file, bytes, size) == (ssize_t)size);
    close(file);
}

static void write_checked(const char *path, uint8_t *bytes, size_t size)
{
    uint32_t sum = (uint32_t)crc32(0, bytes + AT_SIZE, (uInt)(size - AT_SIZE));
    memcpy(bytes + AT_CHECKSUM, &sum, 4);
    write_file(path, bytes, size);
}

START_TEST(a_file_that_was_cut_off_or_changed_is_refused)
{
    scene s = scene_new(_i);
    size_t size;
    save(&s, 0);
    uint8_t *bytes = read_file(s.files[0], &size);
    for (size_t cut = 1; cut < size; cut++) {
        write_file(s.files[1], bytes, cut);
        ck_assert_has(refused(&s, s.files[1]), "is cut off");
    }
    for (size_t at = AT_CHECKSUM; at < size; at++) {
        bytes[at] ^= 0x20;
        write_file(s.files[1], bytes, size);
        const char *error = refused(&s, s.files[1]);
        MUST(strstr(error, "was changed or damaged") || strstr(error, "is cut off"));
        bytes[at] ^= 0x20;
    }
    bytes[size] = 0;
    write_file(s.files[1], bytes, size + 1);
    ck_assert_has(refused(&s, s.files[1]), "was changed or damaged");
    bytes[AT_VERSION]++;
    write_file(s.files[1], bytes, size);
    ck_assert_has(refused(&s, s.files[1]), "by another version of refheap");
    bytes[AT_VERSION] = 1; /* without counters */
    write_file(s.files[1], bytes, size);
    ck_assert_has(refused(&s, s.files[1]), "its format is 1, this one reads 2");
    bytes[AT_VERSION] = 2;
    bytes[0]++;
    write_file(s.files[1], bytes, size);
    ck_assert_has(refused(&s, s.files[1]), "neither a file that gcdiff --save wrote nor a core");
    free(bytes);
    scene_free(&s);
}
END_TEST

/* Whoever edits a file can also make its checksum right. */
START_TEST(a_file_that_was_edited_with_care_is_read_safely)
{
    scene s = scene_new(_i);
    size_t size;
    char line[160];
    unsigned answered = 0, senseless = 0;
    save(&s, 0);
    new_node(&s.w, 1);
    save(&s, 2);
    snprintf(line, sizeof line, "%s %s", s.files[1], s.files[2]);
    uint8_t *bytes = read_file(s.files[0], &size);
    static const uint8_t values[] = {0x00, 0x01, 0x1b, 0x7f, 0x80, 0xff};
    for (size_t at = HEADER_BYTES; at < size; at++)
        for (unsigned i = 0; i < sizeof values; i++) {
            uint8_t before = bytes[at];
            bytes[at] = values[i];
            write_checked(s.files[1], bytes, size);
            int status = fake_run(s.w.t, "gcdiff", line);
            answered += status == RHI_ANSWERED;
            senseless += strstr(s.w.t->err.bytes, "makes no sense") != NULL;
            MUST(status == RHI_ANSWERED || status == RHI_NO_ANSWER);
            MUST(status == RHI_ANSWERED || s.w.t->err.size > 0);
            MUST(!strchr(s.w.t->out.bytes, 0x1b) && !strchr(s.w.t->err.bytes, 0x1b));
            bytes[at] = before;
        }
    ck_assert_uint_gt(answered, 0);
    ck_assert_uint_gt(senseless, size);
    free(bytes);
    scene_free(&s);
}
END_TEST

START_TEST(a_file_whose_objects_deny_its_counters_is_refused)
{
    scene s = scene_new(_i);
    size_t size;
    static const uint8_t heap[] = {1, 1, 0, 1, 7, 0}; /* one: number, space, has_counters, … */
    save(&s, 0);
    uint8_t *bytes = read_file(s.files[0], &size);
    size_t at = HEADER_BYTES;
    while (at + sizeof heap < size && memcmp(bytes + at, heap, sizeof heap) != 0)
        at++;
    ck_assert_mem_eq(bytes + at, heap, sizeof heap);
    bytes[at + 4]--; /* of six objects the last one has the serial 6 */
    write_checked(s.files[1], bytes, size);
    ck_assert_has(refused(&s, s.files[1]), "makes no sense");
    free(bytes);
    scene_free(&s);
}
END_TEST

/* Its length is what is left with the length's own byte. */
START_TEST(a_text_that_reaches_past_the_end_is_refused)
{
    scene s = scene_new(_i);
    size_t size;
    save(&s, 0);
    uint8_t *bytes = read_file(s.files[0], &size);
    static const uint8_t body[] = {0, 0, 0, 0, 0, 1, 3, 'a', 'b'}; /* one note */
    uint64_t length = sizeof body;
    memcpy(bytes + HEADER_BYTES, body, sizeof body);
    memcpy(bytes + AT_SIZE, &length, 8);
    write_checked(s.files[1], bytes, HEADER_BYTES + sizeof body);
    ck_assert_has(refused(&s, s.files[1]), "makes no sense");
    free(bytes);
    scene_free(&s);
}
END_TEST

/* Numbers of things that are more than the file has bytes for. */
START_TEST(a_file_that_claims_much_costs_little)
{
    scene s = scene_new(_i);
    size_t size;
    save(&s, 0);
    uint8_t *bytes = read_file(s.files[0], &size);
    uint8_t *large = calloc(1, size + 9);
    for (size_t at = HEADER_BYTES; at < size; at++) {
        memcpy(large, bytes, at);
        memset(large + at, 0xff, 9); /* 2^63 - 1, in place of one byte */
        large[at + 8] = 0x7f;
        memcpy(large + at + 9, bytes + at + 1, size - at - 1);
        uint64_t body = size + 8 - HEADER_BYTES;
        memcpy(large + AT_SIZE, &body, 8);
        write_checked(s.files[1], large, size + 8);
        s.w.t->state++;
        int status = fake_run(s.w.t, "gcdiff", s.files[1]);
        MUST(status == RHI_ANSWERED || !strstr(s.w.t->err.bytes, "memory is short"));
    }
    free(large);
    free(bytes);
    scene_free(&s);
}
END_TEST

START_TEST(what_is_no_such_file_is_told)
{
    scene s = scene_new(_i);
    char line[160];
    ck_assert_has(refused(&s, s.files[0]), "No such file");
    ck_assert_has(refused(&s, s.folder), "is no regular file");
    ck_assert_int_eq(mkfifo(s.files[0], 0600), 0);
    ck_assert_has(refused(&s, s.files[0]), "is no regular file"); /* and it does not wait */
    write_file(s.files[1], (const uint8_t *)"", 0);
    ck_assert_has(refused(&s, s.files[1]), "is empty");
    write_file(s.files[1], (const uint8_t *)"hello\n", 6);
    ck_assert_has(refused(&s, s.files[1]), "neither a file that gcdiff --save wrote nor a core");
    snprintf(line, sizeof line, "--save=%s", s.files[0]);
    ck_assert_has(refused(&s, line), "is no regular file: nothing is written there");
    ck_assert_int_eq(symlink(s.files[1], s.files[2]), 0);
    snprintf(line, sizeof line, "--save=%s", s.files[2]);
    ck_assert_has(refused(&s, line), "is a link");
    snprintf(line, sizeof line, "--save=%s %s", s.files[3], s.files[1]);
    ck_assert_has(refused(&s, line), "compares nothing");
    ck_assert_has(refused(&s, ""), "compare with what?");
    ck_assert_int_ne(access(s.files[3], F_OK), 0);
    scene_free(&s);
}
END_TEST

START_TEST(it_is_cancelled_at_every_point)
{
    scene s = scene_new(_i);
    save(&s, 0);
    json_t *whole = gcdiff(&s, "%s", s.files[0], NULL);
    unsigned long cancelled = 0;
    for (int status = RHI_NO_ANSWER; status != RHI_ANSWERED; cancelled++) {
        s.w.t->state++;
        s.w.t->interrupt_at = cancelled + 1;
        json_t *json = fake_json_status(s.w.t, "gcdiff", s.files[0], &status);
        if (status == RHI_ANSWERED)
            ck_assert(json_equal(json, whole));
        else
            ck_assert_str_eq(fake_string(json, "error"), "cancelled");
        json_decref(json);
    }
    ck_assert_uint_gt(cancelled, 3);
    json_decref(whole);
    scene_free(&s);
}
END_TEST

RUN_TESTS("inspect_diff", what_was_born_and_died_is_told_exactly,
          nothing_changed_is_an_empty_answer, a_slot_that_was_used_again_holds_another_object,
          what_grew_each_time_comes_first, what_could_not_be_read_has_not_died,
          moments_of_different_processes_or_in_the_wrong_order_are_refused,
          an_order_that_cannot_be_told_is_said, counters_tell_an_order_that_serials_do_not,
          equal_counters_tell_nothing, heaps_that_come_and_go_tell_the_order,
          a_heap_that_only_one_moment_has_tells_the_order,
          a_copy_that_only_one_moment_has_tells_no_order,
          counters_that_make_no_sense_are_not_believed, one_heap_can_be_asked_about,
          a_file_that_was_cut_off_or_changed_is_refused,
          a_file_that_was_edited_with_care_is_read_safely,
          a_file_whose_objects_deny_its_counters_is_refused,
          a_text_that_reaches_past_the_end_is_refused, a_file_that_claims_much_costs_little,
          what_is_no_such_file_is_told, it_is_cancelled_at_every_point)
