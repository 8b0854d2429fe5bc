/* inspect_core.c - the engine's own core target: the same memory as a file gives the same answers.
 */
#define _GNU_SOURCE
#include "inspect_test.h"
#include "fake_core.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <elf.h>
#include <unistd.h>

typedef struct scene {
    world w;
    uint64_t a, b;
} scene;

static scene scene_new(int layout)
{
    scene s = {.w = world_new(layout)};
    fake_target *t = s.w.t;
    fake_module(t, 0x400000000000, "/usr/bin/program", 0x1000, 0x1000, 0);
    /* a core does not say */
    fake_map(t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]")->path[0] =
        '\0';
    fake_thread(t, 321, 0x7ffe00001000);
    s.a = new_node(&s.w, 4);
    s.b = new_node(&s.w, 1);
    fake_link(s.w.heap, s.b, NEXT, s.a);
    fake_link(s.w.heap, s.a, NEXT, s.b);
    fake_register(t, "rbx", s.a);
    fake_put(t, 0x7ffe00001800, s.a, 8);
    fake_put(t, 0x400000000000 + FAKE_MODULE_DATA + 0x1010, s.a, 8);
    return s;
}

static char *write_core(const scene *s, size_t cut)
{
    static char path[64];
    size_t size;
    snprintf(path, sizeof path, "/tmp/refheap-test-XXXXXX");
    close(mkstemp(path));
    uint8_t *bytes = fake_core_bytes(s->w.t, &size);
    ck_assert_uint_lt(cut, size);
    fake_core_write(path, bytes, size - cut);
    free(bytes);
    return path;
}

START_TEST(a_core_gives_the_same_answers_as_the_memory_it_was_made_of)
{
    static const struct {
        const char *command, *line;
    } asks[] = {{"objat", "#1"},
                {"objat", "--ledger node#2"},
                {"objat", "0x500010001000"},
                {"objat", "0x400000000000"},
                {"objat", "1"},
                {"refs", "--path #1"},
                {"refs", "#2"},
                {"gcgraph", ""},
                {"gcgraph", "--depth=3 #1"},
                {"refs", "#9"},
                {"gcfind", ""},
                {"gcfind", "--unreachable"},
                {"gcleaks", ""},
                {"gcstale", ""}};
    scene s = scene_new(_i);
    fake_target *t = s.w.t;
    char *path = write_core(&s, 0);
    rhi_target before = t->target, core;
    fake_core_open(t, path, &core);
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        int memory_status, core_status;
        before.evaluate = NULL;
        t->target = before;
        json_t *memory = fake_json_status(t, asks[i].command, asks[i].line, &memory_status);
        t->target = core;
        json_t *file = fake_json_status(t, asks[i].command, asks[i].line, &core_status);
        ck_assert_int_eq(memory_status, core_status);
        if (!json_equal(memory, file))
            ck_abort_msg("%s %s: %s\nis not\n%s", asks[i].command, asks[i].line,
                         json_dumps(file, 0), json_dumps(memory, 0));
        json_decref(memory);
        json_decref(file);
    }
    t->target = before;
    rhi_target_close(&core);
    unlink(path);
    world_free(&s.w);
}
END_TEST

START_TEST(a_core_that_ends_early_says_how_much_is_missing)
{
    scene s = scene_new(_i);
    fake_target *t = s.w.t;
    char *path = write_core(&s, 0x1234);
    rhi_target before = t->target;
    fake_core_open(t, path, &t->target);
    json_t *json = fake_json(t, "objat", "#1");
    ck_assert(json_is_false(fake_at(json, "complete")));
    ck_assert_str_eq(fake_string(json, "incomplete_because.0"),
                     "the core file is cut off: 4660 bytes of memory are missing");
    json_decref(json);
    rhi_target_close(&t->target);
    t->target = before;
    unlink(path);
    world_free(&s.w);
}
END_TEST

/* Damage that leaves memory readable, as other memory or without a piece. */
static void damage_header(Elf64_Phdr *header, unsigned way)
{
    switch (way) {
    case 1:
        header->p_offset = header[-1].p_offset;
        break;
    case 2:
        header->p_type = 0x11;
        break;
    case 3:
        header->p_memsz = header->p_filesz - 1;
        break;
    case 4:
        header->p_vaddr = header[-1].p_vaddr;
        break;
    case 5:
        header->p_flags |= 0x100;
        break;
    case 6: /* in the midst of a page, though it says that it is aligned */
        header->p_align = 0x1000;
        header->p_vaddr += 0x10008;
        break;
    }
}

START_TEST(a_core_whose_headers_are_damaged_gives_no_whole_answer)
{
    scene s = scene_new(_i);
    fake_target *t = s.w.t;
    rhi_target before = t->target;
    char path[] = "/tmp/refheap-test-XXXXXX";
    size_t size;
    fake_map(t, 0x100000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_map(t, 0x100000002000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    uint8_t *bytes = fake_core_bytes(t, &size);
    Elf64_Phdr *last = (Elf64_Phdr *)(bytes + sizeof(Elf64_Ehdr)) + t->segment_count, sound = *last;
    close(mkstemp(path));
    for (unsigned way = 0; way <= 6; way++) {
        *last = sound;
        damage_header(last, way);
        ck_assert_int_eq(memcmp(last, &sound, sizeof sound) != 0, way > 0);
        fake_core_write(path, bytes, size);
        fake_core_open(t, path, &t->target);
        json_t *json = fake_json(t, "gcstat", "");
        ck_assert(json_is_true(fake_at(json, "complete")) == (way == 0));
        if (way)
            ck_assert_has(fake_string(json, "incomplete_because.0"), "headers are damaged");
        json_decref(json);
        rhi_target_close(&t->target);
        t->target = before;
    }
    unlink(path);
    free(bytes);
    world_free(&s.w);
}
END_TEST

static void check_refusal(const uint8_t *bytes, size_t size, const char *message)
{
    char path[] = "/tmp/refheap-test-XXXXXX", error[256] = "";
    rhi_target core;
    close(mkstemp(path));
    fake_core_write(path, bytes, size);
    ck_assert_int_eq(rhi_target_open_core(path, NULL, &core, error, sizeof error), -1);
    ck_assert_has(error, message);
    unlink(path);
}

START_TEST(files_that_are_no_core_are_refused_in_one_line)
{
    scene s = scene_new(_i);
    size_t size;
    char error[256];
    rhi_target core;
    uint8_t *bytes = fake_core_bytes(s.w.t, &size);
    Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
    check_refusal(bytes, 0, "it is empty");
    check_refusal(bytes, 4, "");
    check_refusal(bytes, sizeof *header + 10, "cut off before the end of its program headers");
    header->e_type = ET_EXEC;
    check_refusal(bytes, size, "it is an ELF program or library");
    header->e_type = ET_CORE;
    header->e_machine = EM_RISCV;
    check_refusal(bytes, size, "another architecture");
    bytes[0] = 'x';
    check_refusal(bytes, size, "it is not an ELF file");
    ck_assert_int_eq(rhi_target_open_core("/nonexistent", NULL, &core, error, sizeof error), -1);
    ck_assert_has(error, "cannot open the core file /nonexistent");
    ck_assert_int_eq(rhi_target_open_core("/tmp", NULL, &core, error, sizeof error), -1);
    ck_assert_has(error, "not a regular file");
    free(bytes);
    world_free(&s.w);
}
END_TEST

START_TEST(a_compressed_core_is_told_with_the_command_that_unpacks_it)
{
    static const struct {
        const char *magic, *name, *command;
    } rows[] = {
        {"\x28\xb5\x2f\xfd more", "core.zst", "zstd -dc </tmp/refheap-%d/core.zst >core"},
        {"\xfd"
         "7zXZ\0 more",
         "core.42.xz", "xz -dc </tmp/refheap-%d/core.42.xz >core.42"},
        {"\x04\x22\x4d\x18 more", "core", "lz4 -dc </tmp/refheap-%d/core >core.core"},
        {"\x1f\x8b\x08 more", "it's $a.gz",
         "gzip -dc <'/tmp/refheap-%d/it'\\''s $a.gz' >'it'\\''s $a'"},
        {"BZh91 more", "c.bz2", "bzip2 -dc </tmp/refheap-%d/c.bz2 >c"},
        /* there is a file "there" */
        {"BZh91 more", "there.bz2", "bzip2 -dc </tmp/refheap-%d/there.bz2 >there.bz2.core"}};
    char folder[64], path[128], command[256], error[512];
    rhi_target core;
    snprintf(folder, sizeof folder, "/tmp/refheap-%d", (int)getpid());
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    int before = open(".", O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(chdir(folder), 0); /* the command writes to where it is run */
    fclose(fopen("there", "w"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, rows[i].name);
        snprintf(command, sizeof command, rows[i].command, (int)getpid());
        FILE *file = fopen(path, "w");
        ck_assert_uint_eq(fwrite(rows[i].magic, 1, 8, file), 8);
        fclose(file);
        ck_assert_int_eq(rhi_target_open_core(path, NULL, &core, error, sizeof error), -1);
        ck_assert_has(error, "is compressed, unpack it first: ");
        ck_assert_str_eq(strstr(error, "first: ") + 7, command);
        unlink(path);
    }
    unlink("there");
    ck_assert_int_eq(fchdir(before), 0);
    close(before);
    rmdir(folder);
}
END_TEST

/* Cuts the file off, or lets it grow, when it is asked for the `at`th time. */
static struct {
    const char *path;
    off_t size;
    unsigned polls, at;
} cutter;

static int cut_when_polled(void *context)
{
    (void)context;
    if (++cutter.polls == cutter.at)
        ck_assert_int_eq(truncate(cutter.path, cutter.size), 0);
    return 0;
}

/* The answer of a session of its own. */
static json_t *ask_file(fake_target *terminal, rhi_session *session, const rhi_target *core,
                        const char *command, const char *line)
{
    char whole[64];
    terminal->out.size = terminal->err.size = 0;
    terminal->out.bytes[0] = '\0';
    snprintf(whole, sizeof whole, "--json %s", line);
    rhi_session_run(session, core, command, whole);
    json_t *json = json_loadb(terminal->out.bytes, terminal->out.size, 0, NULL);
    ck_assert_ptr_nonnull(json);
    return json;
}

static void check_cut_answer(const json_t *json, const char *command)
{
    ck_assert_msg(json_is_false(fake_at(json, "complete")),
                  "%s: a core that was cut off is answered as if it were whole", command);
    for (unsigned i = 0; i < json_array_size(json_object_get(json, "leaks")); i++)
        ck_assert_str_ne(json_string_value(json_object_get(
                             json_array_get(json_object_get(json, "leaks"), i), "cause")),
                         "lost_reference");
}

/* Asks once for each poll of the command, with the file changing at that poll; then once more. */
static void check_cuts(const scene *s, const char *command, const char *line, unsigned eighths)
{
    char *path = write_core(s, 0);
    struct stat whole;
    ck_assert_int_eq(stat(path, &whole), 0);
    for (unsigned at = 1, polls = 1; at <= polls; at++) {
        rhi_target core;
        rhi_session *session = rhi_session_new();
        if (at > 1)
            path = write_core(s, 0);
        cutter.path = path;
        cutter.size = whole.st_size * eighths / 8 - 1;
        cutter.polls = 0;
        cutter.at = at;
        fake_core_open(s->w.t, path, &core);
        core.interrupted = cut_when_polled;
        rhi_session_set(session, RHI_POLL_MILLISECONDS, 0);
        json_t *first = ask_file(s->w.t, session, &core, command, line);
        if (at == 1)
            polls = cutter.polls / 2; /* it was asked twice */
        if (cutter.polls >= at)
            check_cut_answer(first, command);
        json_t *second = ask_file(s->w.t, session, &core, command, line);
        check_cut_answer(second, command);
        json_decref(first);
        json_decref(second);
        rhi_session_free(session);
        rhi_target_close(&core);
        unlink(path);
    }
}

START_TEST(a_core_that_is_cut_off_while_it_is_read_gives_no_whole_answer)
{
    static const struct {
        const char *command, *line;
    } asks[] = {{"gcleaks", ""}, {"gcstale", ""}, {"refs", "#1"}, {"gcverify", ""},
                {"gcstat", ""},  {"gcgraph", ""}, {"gcfind", ""}};
    static const unsigned cuts[] = {8, 5, 2};
    scene s = scene_new(_i);
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++)
        for (size_t k = 0; k < sizeof cuts / sizeof *cuts; k++)
            check_cuts(&s, asks[i].command, asks[i].line, cuts[k]);
    world_free(&s.w);
}
END_TEST

START_TEST(a_core_that_changes_between_questions_is_read_anew)
{
    scene s = scene_new(_i);
    char *path = write_core(&s, 0);
    rhi_target core;
    rhi_session *session = rhi_session_new();
    fake_core_open(s.w.t, path, &core);
    json_t *json = ask_file(s.w.t, session, &core, "gcfind", "");
    ck_assert_uint_eq(json_array_size(fake_at(json, "objects")), 2);
    json_decref(json);
    size_t size; /* written in place with one object more, as by a program that dumps again */
    new_node(&s.w, 1);
    uint8_t *bytes = fake_core_bytes(s.w.t, &size);
    fake_core_write(path, bytes, size);
    json = ask_file(s.w.t, session, &core, "gcfind", "");
    ck_assert_uint_eq(json_array_size(fake_at(json, "objects")), 3);
    ck_assert(json_is_true(fake_at(json, "complete")));
    json_decref(json);
    fake_core_write(path, (const uint8_t *)"gone", 4); /* not even headers are left */
    json = ask_file(s.w.t, session, &core, "gcfind", "");
    ck_assert_has(fake_string(json, "error"), "the core file changed while it was read");
    json_decref(json);
    free(bytes);
    rhi_session_free(session);
    rhi_target_close(&core);
    unlink(path);
    world_free(&s.w);
}
END_TEST

START_TEST(a_segment_may_begin_at_any_address)
{
    scene s = scene_new(_i);
    rhi_target core;
    /* searched before the descriptor is found */
    fake_map(s.w.t, 0x300000000001, 0x200000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    char *path = write_core(&s, 0);
    fake_core_open(s.w.t, path, &core);
    rhi_session *session = rhi_session_new();
    json_t *json = ask_file(s.w.t, session, &core, "gcgraph", "");
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    json_decref(json);
    rhi_session_free(session);
    rhi_target_close(&core);
    unlink(path);
    world_free(&s.w);
}
END_TEST

START_TEST(a_pipe_is_not_waited_for)
{
    char path[] = "/tmp/refheap-test-XXXXXX", error[256] = "";
    rhi_target core;
    close(mkstemp(path));
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(rhi_target_open_core(path, NULL, &core, error, sizeof error), -1);
    ck_assert_has(error, "not a regular file");
    unlink(path);
}
END_TEST

START_TEST(a_segment_of_terabytes_without_bytes_costs_nothing)
{
    /* As the shadow memory of a sanitizer: mapped, writable, not dumped. */
    scene s = scene_new(_i);
    fake_target *t = s.w.t;
    rhi_target before = t->target;
    char path[] = "/tmp/refheap-test-XXXXXX";
    size_t size;
    fake_map(t, 0x100000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "")->hidden = true;
    uint8_t *bytes = fake_core_bytes(t, &size);
    Elf64_Phdr *segments = (Elf64_Phdr *)(bytes + sizeof(Elf64_Ehdr));
    segments[t->segment_count].p_memsz = 1ull << 45;
    close(mkstemp(path));
    fake_core_write(path, bytes, size);
    fake_core_open(t, path, &t->target);
    json_decref(fake_json(t, "objat", "#1"));
    rhi_target_close(&t->target);
    t->target = before;
    unlink(path);
    free(bytes);
    world_free(&s.w);
}
END_TEST

/* The answer of gcleaks on a core of the scene; the caller owns it. */
static json_t *leaks_in_core(scene *s, const char *line)
{
    fake_target *t = s->w.t;
    char *path = write_core(s, 0);
    rhi_target before = t->target, core;
    t->state++;
    fake_core_open(t, path, &core);
    t->target = core;
    json_t *json = fake_json(t, "gcleaks", line);
    t->target = before;
    rhi_target_close(&core);
    unlink(path);
    return json;
}

/* Is the lost object called so, or is that undecided, and is the range named? */
static void check_loss(scene *s, const char *line, bool is_lost, const char *range)
{
    json_t *json = leaks_in_core(s, line);
    char *text = json_dumps(json, 0);
    if (fake_integer(json, "undecided") != !is_lost || fake_size(json, "leaks") != is_lost ||
        json_is_true(fake_at(json, "complete")) != is_lost)
        ck_abort_msg("%s", text);
    if (range)
        ck_assert_has(text, range);
    else
        ck_assert_has_not(text, "taken as never used");
    free(text);
    json_decref(json);
}

/* A core does not tell memory that the program kept out from memory that was never touched. */
START_TEST(memory_that_a_core_lacks_makes_a_loss_undecided)
{
    const uint64_t absent = 0x620000000000, page = 0x630000000000, other = 0x640000000000,
                   global = 0x400000000000 + FAKE_MODULE_DATA + 0x1800;
    const uint32_t rw = RHI_REGION_READ | RHI_REGION_WRITE;
    scene s = scene_new(_i);
    fake_target *t = s.w.t;
    new_node(&s.w, 1);
    check_loss(&s, "", true, NULL);
    fake_map(t, absent, 0x81000, rw, "")->hidden = true;
    check_loss(&s, "", false,
               "528384 bytes that the program may have written are not in the core: "
               "0x620000000000+528384");
    check_loss(&s, "--missing=empty", true, NULL);
    fake_map(t, page, 0x1000, rw | RHI_REGION_EXECUTE, "")->hidden = true; /* what LLDB leaves */
    check_loss(&s, "", true,
               "taken as never used, for the core has nothing of it: 0x620000000000+528384, "
               "0x630000000000+4096");
    fake_put(t, global, absent + 0x80ff8, 8);
    check_loss(&s, "", false,
               "528384 bytes that the program may have written are not in the core: "
               "0x620000000000+528384");
    fake_put(t, global, page + 8, 8); /* then it is no debugger's */
    check_loss(&s, "", false, "532480 bytes that the program may have written");
    fake_put(t, global, 0, 8);
    fake_put(t, 0x7ffe00001820, page + 8, 8); /* left from what was there before */
    fake_put(t, 0x7ffe00001828, absent, 8);
    check_loss(&s, "", true, "taken as never used");
    fake_map(t, other, 0x1000, rw, "")->hidden = true; /* of a size that anything may have */
    check_loss(&s, "", true, "taken as never used");
    fake_put(t, 0x7ffe00001828, other, 8);
    check_loss(
        &s, "", false,
        "4096 bytes that the program may have written are not in the core: 0x640000000000+4096");
    fake_put(t, 0x7ffe00001828, 0, 8);
    fake_map(t, absent - 0x1000, 0x1000, rw | RHI_REGION_EXECUTE, "");
    check_loss(&s, "", true, "taken as never used");
    fake_map(t, absent + 0x81000, 0x1000, rw, ""); /* one piece once, and counted on from there */
    check_loss(&s, "", false, "0x620000000000+528384");
    world_free(&s.w);
}
END_TEST

/* Of a file of the system's, what the program may have written to is memory that may hold anything;
 * the rest is as on disk. Other files are so where they can be looked up: these cannot. */
START_TEST(a_file_of_the_system_is_taken_as_on_disk_where_it_was_not_writable)
{
    static const struct {
        const char *path;
        bool is_systems;
    } files[] = {{"/usr/lib/gone", true}, {"/lib/gone", true},        {"/lib64/gone", true},
                 {"/etc/gone", false},    {"/usr/local/gone", false}, {"/library/gone", false},
                 {"/var/lib/gone", false}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char range[64];
        scene s = scene_new(_i);
        fake_segment *file =
            fake_map(s.w.t, 0x620000000000, 0x3000, RHI_REGION_READ, files[i].path);
        file->hidden = true;
        new_node(&s.w, 1);
        snprintf(range, sizeof range, "0x620000000000+12288 (%s)", files[i].path);
        check_loss(&s, "", files[i].is_systems, files[i].is_systems ? NULL : range);
        file->flags |= RHI_REGION_WRITE;
        check_loss(&s, "", false, range);
        world_free(&s.w);
    }
}
END_TEST

#if defined(__x86_64__)
START_TEST(a_thread_that_waits_for_what_the_kernel_keeps_is_a_reminder)
{
    static const struct {
        uint64_t call;
        const char *text;
    } rows[] = {{232, "thread 321 is in epoll_wait, and what the kernel keeps for it (epoll_data) "
                      "may own a count"},
                {281, "in epoll_pwait,"},
                {441, "in epoll_pwait2,"},
                {426, "in io_uring_enter, and what the kernel keeps for it (user_data)"},
                {202, NULL},
                {UINT64_MAX, NULL}};
    scene s = scene_new(_i);
    json_t *json = NULL;
    fake_register(s.w.t, "orig_rax", 232);
    json = leaks_in_core(&s, "");
    ck_assert_ptr_null(fake_at(json, "notes")); /* nothing is lost */
    json_decref(json);
    new_node(&s.w, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        s.w.t->registers[s.w.t->register_count - 1].value = rows[i].call;
        json = leaks_in_core(&s, "");
        ck_assert_uint_eq(fake_size(json, "leaks"), 1);
        if (rows[i].text)
            ck_assert_has(fake_string(json, "notes.0"), rows[i].text);
        else
            ck_assert_ptr_null(fake_at(json, "notes"));
        json_decref(json);
    }
    world_free(&s.w);
}
END_TEST
#define ONLY_X86 a_thread_that_waits_for_what_the_kernel_keeps_is_a_reminder,
#else
#define ONLY_X86
#endif

RUN_TESTS("inspect_core", memory_that_a_core_lacks_makes_a_loss_undecided,
          a_file_of_the_system_is_taken_as_on_disk_where_it_was_not_writable,
          ONLY_X86 a_core_gives_the_same_answers_as_the_memory_it_was_made_of,
          a_core_that_ends_early_says_how_much_is_missing,
          files_that_are_no_core_are_refused_in_one_line,
          a_compressed_core_is_told_with_the_command_that_unpacks_it,
          a_core_that_is_cut_off_while_it_is_read_gives_no_whole_answer,
          a_core_that_changes_between_questions_is_read_anew, a_pipe_is_not_waited_for,
          a_segment_may_begin_at_any_address, a_segment_of_terabytes_without_bytes_costs_nothing,
          a_core_whose_headers_are_damaged_gives_no_whole_answer)
