/* inspect_python_discovery.c - what is found of Python in a target, what must hold before it is
 * believed, and the one line about a Python that is not read. */
#include "fake_core.h"
#include "fake_python.h"
#include "inspect_test.h"

#include <elf.h>
#include <unistd.h>

static const uint64_t base = 0x7f0000000000, other_base = 0x7f8000000000;

typedef struct scene {
    fake_target *t;
    fake_python p;
} scene;

static scene scene_new(unsigned minor)
{
    scene s = {.t = fake_target_new()};
    s.p = fake_python_new(s.t, base, minor, 7);
    return s;
}

/* The names of all heaps, with ", " between them; "": there is none, and the error is in
 * fake->out. Valid until the next call. */
static const char *heaps(fake_target *t)
{
    static char names[512];
    int status;
    t->state++;
    json_t *json = fake_json_status(t, "gcstat", "", &status), *heap;
    size_t i;
    names[0] = '\0';
    json_array_foreach(json_object_get(json, "heaps"), i, heap)
    {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                 fake_string(heap, "name"));
    }
    MUST((status == RHI_ANSWERED) == (names[0] != '\0'));
    json_decref(json);
    return names;
}

/* The line of a target that has nothing that can be read; in text, the same. */
static void must_be_refused(fake_target *t, const char *line)
{
    char text[512];
    t->state++;
    ck_assert_str_eq(fake_json_failure(t, "gcgraph", ""), line);
    static const char *const commands[] = {"objat",   "refs",    "gcgraph", "gcfind",
                                           "gcleaks", "gcstale", "gcstat",  "gcverify"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        bool takes_object = i < 2;
        ck_assert_int_eq(fake_run(t, commands[i], takes_object ? "0x1000" : ""), RHI_NO_ANSWER);
        snprintf(text, sizeof text, "%s: %s\n", commands[i], line);
        ck_assert_str_eq(t->err.bytes, text);
    }
}

static const char *numbered(const char *format, unsigned minor)
{
    static char text[200];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, minor, minor);
#pragma GCC diagnostic pop
    return text;
}

#define NOT_READ " is not read: CPython 3.9 to 3.13 with the GIL is"
static const char *const nothing =
    "no heap of refheap or python here: the program does not use it, has not created one yet, or "
    "has unloaded the library that did";

/* Of what is called Python and is none that can be read, or not any more. */
static const char *unfound(unsigned minor)
{
    return numbered(
        "libpython3.%u.so.1.0 has no _PyRuntime of CPython 3.9 to 3.13 in its data that "
        "leads to an interpreter: none was made yet, all have ended, or it was written "
        "over",
        minor);
}

/* ---- finding -------------------------------------------------------------------------------- */

START_TEST(each_version_is_found_by_its_looks)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        ck_assert_str_eq(heaps(s.t), numbered("python 3.%u.7 main", minor));
        fake_target_free(s.t);
    }
}
END_TEST

START_TEST(the_version_is_what_sys_says)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        fake_put(s.t, s.p.hexversion + 8, s.p.text, 8); /* a program has put something else there */
        ck_assert_str_eq(heaps(s.t), numbered("python 3.%u.7 main", minor));
        fake_put(s.t, s.p.version + 8, s.p.integer, 8);
        ck_assert_str_eq(heaps(s.t), numbered("python 3.%u main", minor));
        fake_put(s.t, s.p.heap + 44, 0, 4); /* with an allocator that has no pools */
        if (minor >= 11)
            ck_assert_str_eq(heaps(s.t), numbered("python 3.%u main", minor));
        else
            must_be_refused(s.t, numbered("Python 3.9 or 3.10 in libpython3.%u.so.1.0 cannot be "
                                          "read: neither sys.hexversion nor sys.version nor pools "
                                          "say which",
                                          minor));
        fake_target_free(s.t);
    }
}
END_TEST

/* Of a core that was cut off, sys.modules or its table may be missing. */
START_TEST(without_sys_modules_there_are_answers_that_are_not_complete)
{
    enum { DICT_BYTES = 48, KEYS = 32 };
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++)
        for (unsigned table = 0; table < 2; table++) {
            scene s = scene_new(minor);
            char line[32];
            uint64_t hole = table ? fake_get(s.t, s.p.modules + KEYS, 8) : s.p.modules;
            s.t->hole_start = hole;
            s.t->hole_end = hole + DICT_BYTES;
            ck_assert_str_eq(heaps(s.t), numbered("python 3.%u.7 main", minor));
            snprintf(line, sizeof line, "0x%" PRIx64, s.p.dict);
            json_t *json = fake_json(s.t, "objat", line);
            ck_assert_str_eq(fake_string(json, "status"), "live");
            ck_assert(json_is_false(fake_at(json, "complete")));
            char *reasons = json_dumps(fake_at(json, "incomplete_because"), 0);
            ck_assert_has(reasons, numbered("sys.modules of Python 3.%u, at 0x", minor));
            ck_assert_has(reasons, "cannot be read in full");
            free(reasons);
            json_decref(json);
            fake_target_free(s.t);
        }
}
END_TEST

START_TEST(interpreters_of_one_allocator_are_one_heap)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        char text[200];
        uint64_t first = fake_python_interpreter(&s.p, 1);
        fake_python_interpreter(&s.p, 4);
        snprintf(text, sizeof text, "python 3.%u.7 main and interpreters 1, 4", minor);
        ck_assert_str_eq(heaps(s.t), text);
        /* a circle that leaves the main one out */
        fake_put(s.t, first + s.p.at.next, fake_get(s.t, s.p.runtime + s.p.at.head, 8), 8);
        ck_assert_str_eq(heaps(s.t), text);
        fake_put(s.t, first + s.p.at.next, s.p.interpreter, 8); /* and one of the main one alone */
        fake_put(s.t, s.p.interpreter + s.p.at.next, s.p.interpreter, 8);
        ck_assert_str_eq(heaps(s.t), text);
        json_t *json = fake_json(s.t, "gcstat", "");
        ck_assert(json_is_false(fake_at(json, "complete")));
        char *reasons = json_dumps(fake_at(json, "incomplete_because"), 0);
        ck_assert_has(reasons, "the list of Python's interpreters is damaged");
        free(reasons);
        json_decref(json);
        fake_target_free(s.t);
    }
}
END_TEST

START_TEST(two_copies_are_both_found)
{
    scene s = scene_new(11);
    fake_python_new(s.t, other_base, 12, 3);
    ck_assert_str_eq(heaps(s.t), "python 3.11.7 main, python 3.12.3 main");
    fake_target_free(s.t);
}
END_TEST

START_TEST(offsets_that_the_target_publishes_come_first)
{
    enum { SYSDICT = 96, MOVED = 9000 };
    scene s = scene_new(13);
    fake_put(s.t, s.p.runtime + SYSDICT, MOVED, 8);
    must_be_refused(s.t,
                    "Python 3.13 in libpython3.13.so.1.0 cannot be read: it has no modules: it "
                    "begins just now, or ends");
    fake_put(s.t, s.p.interpreter + MOVED, s.p.sysdict, 8);
    fake_put(s.t, s.p.interpreter + s.p.at.sysdict, 0, 8);
    ck_assert_str_eq(heaps(s.t), "python 3.13.7 main");
    fake_put(s.t, s.p.runtime + SYSDICT, UINT64_MAX, 8);
    must_be_refused(s.t, "Python 3.13 in libpython3.13.so.1.0 cannot be read: its offsets are too "
                         "large");
    fake_target_free(s.t);
}
END_TEST

/* Anonymous memory is looked through only where it is the zeroed data of a module, or where no file
 * has a name. */
START_TEST(only_data_of_modules_is_looked_through)
{
    enum { SIZE = 0x91000 };
    scene s = scene_new(12);
    fake_target *t = s.t;
    uint8_t *bytes = malloc(SIZE);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, fake_bytes(t, base + FAKE_MODULE_DATA, FAKE_PYTHON_DATA), FAKE_PYTHON_DATA);
    ck_assert_str_eq(heaps(t), "python 3.12.7 main");
    /* the same bytes at the same address, in memory that is no module's */
    for (unsigned i = 0; i < t->segment_count; i++)
        if (t->segments[i].start == base + FAKE_MODULE_DATA) {
            t->segments[i].path[0] = '\0';
            t->segments[i].file_offset = 0;
        }
    must_be_refused(t, nothing);
    /* without any name of a file it is found */
    for (unsigned i = 0; i < t->segment_count; i++)
        t->segments[i].path[0] = '\0';
    ck_assert_str_eq(heaps(t), "python 3.12.7 main");
    free(bytes);
    fake_target_free(t);
}
END_TEST

static uint64_t (*read_all)(void *, uint64_t, void *, uint64_t);
static uint64_t watched;
enum { WATCHED_BYTES = 0x10000 };
static bool was_read;
static uint64_t spying_read(void *context, uint64_t address, void *buffer, uint64_t size)
{
    was_read |= address < watched + WATCHED_BYTES && watched < address + size;
    return read_all(context, address, buffer, size);
}

/* Memory that leads nowhere, in any amount, costs nothing: for refheap's descriptor it is searched
 * only where there is no Python either. */
START_TEST(other_memory_is_not_read)
{
    scene s = scene_new(11);
    watched = 0x7a0000000000;
    fake_map(s.t, watched, WATCHED_BYTES, RHI_REGION_READ | RHI_REGION_WRITE, "");
    read_all = s.t->target.read;
    s.t->target.read = spying_read;
    was_read = false;
    json_decref(fake_json(s.t, "objat", "0x10"));
    ck_assert(!was_read);
    fake_put(s.t, s.p.runtime + s.p.at.head + 8, 0, 8);
    s.t->state++;
    ck_assert_int_eq(fake_run(s.t, "objat", "0x10"), RHI_NO_ANSWER);
    ck_assert(was_read);
    fake_target_free(s.t);
}
END_TEST

/* What follows zeroed data without a gap is no part of it: the heap of brk, say. */
START_TEST(memory_behind_zeroed_data_is_left_alone)
{
    scene s = scene_new(10);
    uint64_t end = base + FAKE_MODULE_DATA + FAKE_PYTHON_DATA + FAKE_PYTHON_BSS, moved = end + 0x40;
    fake_map(s.t, end, 0x4000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_copy(s.t, moved, fake_bytes(s.t, s.p.runtime, 128), 128);
    fake_put(s.t, s.p.interpreter + s.p.at.runtime, moved, 8);
    must_be_refused(s.t, unfound(10));
    fake_put(s.t, s.p.interpreter + s.p.at.runtime, s.p.runtime, 8);
    ck_assert_str_eq(heaps(s.t), "python 3.10.7 main");
    fake_target_free(s.t);
}
END_TEST

/* ---- verifying ------------------------------------------------------------------------------ */

START_TEST(what_must_hold_is_held_against_each_version)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++)
        for (unsigned broken = 0; broken < 7; broken++) {
            scene s = scene_new(minor);
            const fake_python *p = &s.p;
            const struct {
                uint64_t address, value;
                const char *what;
            } cases[] = {
                {p->thread + 16, p->thread, "a thread does not lead back to its interpreter"},
                {p->interpreter + p->at.gc + 24, p->heap, "the collector's lists do not close"},
                {p->interpreter + p->at.modules, 0,
                 "it has no modules: it begins just now, or ends"},
                {p->dict + 168, 1 << 12, "sys.modules is no dict"},
                {p->type + 8, p->object, "the type of dict is not its own type"},
                {p->dict + 256, p->integer, "dict and type have no base in common"},
                {p->modules + 32, 0, "sys.modules has no module sys"},
            };
            char line[400];
            fake_put(s.t, cases[broken].address, cases[broken].value, 8);
            if (broken == 1) /* one open list may be one that is being changed */
                for (unsigned list = 1; list < 3; list++)
                    fake_put(s.t, cases[broken].address + list * 24, p->heap, 8);
            snprintf(line, sizeof line, "Python %s in libpython3.%u.so.1.0 cannot be read: %s",
                     minor < 11 ? "3.9 or 3.10" : numbered("3.%u", minor), minor,
                     cases[broken].what);
            must_be_refused(s.t, line);
            fake_target_free(s.t);
        }
}
END_TEST

/* A program that ends has its modules taken down first: it is read, and in motion. */
START_TEST(a_python_that_ends_is_read_and_provisional)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        fake_put(s.t, s.p.modules + 32, 0, 8);
        fake_put(s.t, s.p.sysdict + 32, 0, 8);
        fake_put(s.t, s.p.runtime + (minor < 11 ? 16 : minor < 13 ? 24 : 608), s.p.thread, 8);
        json_t *json = fake_json(s.t, "gcstat", "");
        ck_assert_str_eq(fake_string(json, "heaps.0.name"), numbered("python 3.%u main", minor));
        ck_assert_str_eq(fake_string(json, "heaps.0.phase"), "finalizing");
        json_decref(json);
        json = fake_json(s.t, "gcleaks", "");
        ck_assert(json_is_true(fake_at(json, "provisional")));
        json_decref(json);
        fake_target_free(s.t);
    }
}
END_TEST

/* Nothing leads back from the cache of types' attributes; its names are strings. */
START_TEST(a_cache_that_lies_elsewhere_is_noticed)
{
    static const uint32_t places[] = {0, 15216, 9056, 275392, 84656};
    for (unsigned minor = FAKE_PYTHON_MIN + 1; minor <= FAKE_PYTHON_MAX; minor++)
        for (unsigned wrong = 0; wrong < 2; wrong++) {
            scene s = scene_new(minor);
            uint64_t at = s.p.interpreter + places[minor - FAKE_PYTHON_MIN];
            if (minor == 10) /* its heap of a test is too small */
                fake_map(s.t, (s.p.heap + FAKE_PYTHON_HEAP), 0x20000,
                         RHI_REGION_READ | RHI_REGION_WRITE, "");
            for (unsigned row = 3; row < 9; row++) {
                fake_put(s.t, at + row * 24, row % 2 ? 77 : 0, 4); /* 0: not in use */
                fake_put(s.t, at + row * 24 + 8, row % 2 && !wrong ? s.p.version : s.p.modules, 8);
            }
            json_t *json = fake_json(s.t, "gcstat", "");
            char *text = json_dumps(json, 0);
            MUST((strstr(text, "the cache of types' attributes is not where") != NULL) == wrong);
            free(text);
            json_decref(json);
            fake_target_free(s.t);
        }
}
END_TEST

START_TEST(a_list_that_is_being_changed_is_no_damage)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        fake_put(s.t, s.p.interpreter + s.p.at.gc + 24, s.p.heap, 8);
        ck_assert_str_eq(heaps(s.t), numbered("python 3.%u.7 main", minor));
        fake_target_free(s.t);
    }
}
END_TEST

START_TEST(a_place_that_leads_nowhere_is_no_python)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor < 13; minor++) {
        scene s = scene_new(minor);
        fake_put(s.t, s.p.interpreter + s.p.at.runtime, 0, 8);
        for (unsigned list = 0; list < 3; list++) /* in a module: the lists of somebody's Python */
            fake_put(s.t, s.p.interpreter + s.p.at.gc + 24 + list * 24, s.p.heap, 8);
        must_be_refused(s.t, unfound(minor));
        fake_target_free(s.t);
    }
}
END_TEST

/* ---- refusing ------------------------------------------------------------------------------- */

START_TEST(a_version_that_is_not_read_is_told)
{
    enum { VERSION = 8, FREE_THREADED = 16 };
    scene s = scene_new(13);
    fake_put(s.t, s.p.runtime + FREE_THREADED, 1, 8);
    must_be_refused(s.t, "free-threaded Python 3.13.0 in libpython3.13.so.1.0" NOT_READ);
    fake_put(s.t, s.p.runtime + FREE_THREADED, 0, 8);
    fake_put(s.t, s.p.runtime + VERSION, 0x030e02f0, 8);
    must_be_refused(s.t, "Python 3.14.2 in libpython3.13.so.1.0" NOT_READ);
    fake_put(s.t, s.p.runtime + VERSION, 0x12345678, 8); /* a text, and no offsets behind it */
    for (unsigned list = 0; list < 3; list++)
        fake_put(s.t, s.p.interpreter + s.p.at.gc + 24 + list * 24, 0, 8);
    must_be_refused(s.t, unfound(13));
    fake_target_free(s.t);

    s = scene_new(11);
    fake_put(s.t, s.p.hexversion + 24, 0x030e01f0, 4);
    must_be_refused(s.t, "Python 3.14.1 in libpython3.11.so.1.0" NOT_READ);
    fake_target_free(s.t);
}
END_TEST

/* 3.8: the collector's lists are the runtime's, and no interpreter leads back to it. */
START_TEST(an_older_one_is_told_by_its_lists)
{
    enum { GC = 344, THREADS = 8 };
    scene s = scene_new(9);
    fake_put(s.t, s.p.interpreter + s.p.at.runtime, 0, 8);
    fake_put(s.t, s.p.interpreter + THREADS, s.p.thread, 8);
    must_be_refused(s.t, unfound(9));
    for (unsigned list = 0; list < 3; list++) {
        uint64_t head = s.p.runtime + GC + 24 + list * 24;
        fake_put(s.t, head, head, 8);
        fake_put(s.t, head + 8, head, 8);
    }
    must_be_refused(s.t, "Python 3.8 in libpython3.9.so.1.0" NOT_READ);
    fake_target_free(s.t);
}
END_TEST

START_TEST(exports_tell_of_what_cannot_be_read)
{
    static const char *const runtime[] = {"PyDict_New", "_PyRuntime", "Py_Version", NULL};
    scene s = scene_new(11);
    uint64_t version = base + 0xf00, addresses[] = {base + 0xf10, s.p.runtime, version};
    fake_export(s.t, base, runtime, addresses);
    fake_put(s.t, version, 0x030b07f0, 4);
    ck_assert_str_eq(heaps(s.t), "python 3.11.7 main");
    memset(fake_bytes(s.t, s.p.runtime, 128), 0xa5, 128);
    for (unsigned list = 0; list < 3; list++)
        fake_put(s.t, s.p.interpreter + s.p.at.gc + 24 + list * 24, 0, 8);
    must_be_refused(s.t,
                    "Python 3.11.7 in libpython3.11.so.1.0 cannot be read: _PyRuntime does not "
                    "lead to an interpreter of CPython 3.9 to 3.13 that leads back");
    memset(fake_bytes(s.t, s.p.runtime, 128), 0, 128);
    must_be_refused(s.t, "Python 3.11.7 in libpython3.11.so.1.0 has no interpreter: none was made "
                         "yet, or all have ended");
    fake_put(s.t, version, 0x030f00a1, 4);
    must_be_refused(s.t, "Python 3.15.0 in libpython3.11.so.1.0" NOT_READ);
    static const char *const before[] = {"_PyThreadState_Current", NULL},
                             *const pypy[] = {"pypy_setup_home", NULL},
                             *const none[] = {"Py_Main", "PyRuntime", NULL};
    fake_export(s.t, base, before, addresses);
    must_be_refused(s.t, "a Python before 3.7 in libpython3.11.so.1.0" NOT_READ);
    fake_export(s.t, base, pypy, addresses);
    must_be_refused(s.t, "PyPy in libpython3.11.so.1.0" NOT_READ);
    fake_export(s.t, base, none, addresses);
    must_be_refused(s.t, unfound(11));
    fake_target_free(s.t);
}
END_TEST

static void rename_modules(fake_target *t, const char *path)
{
    for (unsigned i = 0; i < t->segment_count; i++)
        if (t->segments[i].path[0])
            snprintf(t->segments[i].path, sizeof t->segments[i].path, "%s", path);
}

/* 3.7 has a _PyRuntime, too, and no version beside it. */
START_TEST(an_older_one_is_told_by_the_name_of_its_file)
{
    static const char *const names[] = {"_PyRuntime", NULL};
    scene s = scene_new(9);
    memset(fake_bytes(s.t, s.p.runtime, 128), 0xa5, 128);
    for (unsigned list = 0; list < 3; list++)
        fake_put(s.t, s.p.interpreter + s.p.at.gc + 24 + list * 24, 0, 8);
    fake_export(s.t, base, names, &s.p.runtime);
    must_be_refused(s.t, "Python 3.9 in libpython3.9.so.1.0 cannot be read: _PyRuntime does not "
                         "lead to an interpreter of CPython 3.9 to 3.13 that leads back");
    rename_modules(s.t, "/usr/lib/libpython3.10.so.1.0");
    must_be_refused(s.t, "Python 3.10 in libpython3.10.so.1.0 cannot be read: _PyRuntime does not "
                         "lead to an interpreter of CPython 3.9 to 3.13 that leads back");
    rename_modules(s.t, "/usr/bin/service"); /* a later one has its version beside it */
    must_be_refused(s.t, "Python 3.7 to 3.10 in service cannot be read: _PyRuntime does not "
                         "lead to an interpreter of CPython 3.9 to 3.13 that leads back");
    rename_modules(s.t, "/usr/lib/libpython3.7m.so.1.0");
    must_be_refused(s.t, "Python 3.7 in libpython3.7m.so.1.0" NOT_READ);
    fake_target_free(s.t);
}
END_TEST

START_TEST(an_ended_python_is_told)
{
    static const char *const names[] = {"_PyRuntime", NULL};
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        bool has_cookie = minor >= 13;
        fake_put(s.t, s.p.runtime + s.p.at.head, 0, 8);
        fake_put(s.t, s.p.runtime + s.p.at.head + 8, 0, 8);
        for (unsigned list = 0; list < 3; list++)
            fake_put(s.t, s.p.interpreter + s.p.at.gc + 24 + list * 24, 0, 8);
        if (!has_cookie) /* a core alone says nothing of it */
            must_be_refused(s.t, unfound(minor));
        if (minor < 11) { /* and later ones export their version, too */
            fake_export(s.t, base, names, &s.p.runtime);
            must_be_refused(s.t,
                            numbered("Python 3.%u in libpython3.%u.so.1.0 has no interpreter: none "
                                     "was made yet, or all have ended",
                                     minor));
        } else if (has_cookie) {
            must_be_refused(s.t,
                            "Python 3.13.0 in libpython3.13.so.1.0 has no interpreter: none was "
                            "made yet, or all have ended");
        }
        fake_target_free(s.t);
    }
}
END_TEST

START_TEST(an_overwritten_runtime_is_told_where_no_symbol_is)
{
    for (unsigned minor = 11; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        memset(fake_bytes(s.t, s.p.runtime, 128), 0xa5, 128);
        must_be_refused(s.t, numbered("the Python in libpython3.%u.so.1.0 cannot be read: its "
                                      "collector's lists are there, and no _PyRuntime of CPython "
                                      "3.9 to 3.13 leads to them",
                                      minor));
        fake_target_free(s.t);
    }
}
END_TEST

/* All of it: nothing but the name of its file says what it was. */
START_TEST(overwritten_data_of_what_is_called_python_is_told)
{
    static const struct {
        const char *path;
        bool is_told;
    } files[] = {{"/usr/bin/python3.11", true},         {"/usr/lib/libpython3.9d.so.1.0", true},
                 {"/usr/bin/python3.11-helper", false}, {"/usr/bin/python3.x", false},
                 {"/usr/lib/libpython3.so", false},     {"/usr/lib/libother.so", false}};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        fake_target *t = fake_target_new();
        fake_module(t, base, files[i].path, FAKE_PYTHON_DATA, FAKE_PYTHON_BSS, 0);
        memset(fake_bytes(t, base + FAKE_MODULE_DATA, FAKE_PYTHON_DATA), 'A', FAKE_PYTHON_DATA);
        const char *line = fake_json_failure(t, "gcgraph", "");
        ck_assert_msg(!files[i].is_told == !strcmp(line, nothing), "%s: %s", files[i].path, line);
        ck_assert(!files[i].is_told || strstr(line, "or it was written over"));
        fake_target_free(t);
    }
}
END_TEST

/* The heap that is read is answered for, and is complete; the line is a note. */
START_TEST(another_heap_answers_with_the_line_beside_it)
{
    enum { FREE_THREADED = 16 };
    world w = world_new(_i);
    fake_python p = fake_python_new(w.t, base, 13, 7);
    uint64_t object = new_node(&w, 1);
    fake_put(w.t, p.runtime + FREE_THREADED, 1, 8);
    const char *line = "free-threaded Python 3.13.0 in libpython3.13.so.1.0" NOT_READ;
    for (unsigned times = 0; times < 2; times++) { /* the second time from what is kept */
        json_t *json = ask(&w, "objat", "", object);
        ck_assert_str_eq(fake_string(json, "notes.0"), line);
        ck_assert_uint_eq(fake_size(json, "notes"), 1);
        ck_assert(json_is_true(fake_at(json, "complete")));
        json_decref(json);
    }
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(object)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, line);
    ck_assert_str_eq(heaps(w.t), "main");
    world_free(&w);
}
END_TEST

/* refheap's descriptor lies in the program's data, Python in a library. */
START_TEST(a_program_with_both_answers_for_both)
{
    const uint64_t program = 0x560000000000;
    fake_target *t = fake_target_new();
    fake_module(t, program, "/usr/bin/program", 0x3000, 0, 0);
    fake_space *space = fake_space_new(t, program + FAKE_MODULE_DATA, _i, NULL);
    fake_heap *heap = fake_heap_new(space, 1, "main");
    fake_python_new(t, base, 11, 2);
    ck_assert_str_eq(heaps(t), "main, python 3.11.2 main");
    json_t *json = fake_json(t, "gcstat", "");
    ck_assert_int_eq(fake_integer(json, "heaps.1.heap"), 1001);
    json_decref(json);
    fake_heap_free(heap);
    fake_space_free(space);
    fake_target_free(t);
}
END_TEST

/* ---- hostile input, the direct way ---------------------------------------------------------- */

/* Whatever single words hold, there is an answer, or one line that says why there is none. */
START_TEST(any_word_may_hold_anything)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        const fake_python *p = &s.p;
        const struct {
            uint64_t start, size;
        } places[] = {
            {p->runtime, 664}, {p->interpreter + p->at.gc, 232},
            {p->thread, 64},   {p->modules, 192},
            {p->type, 416},    {p->heap + FAKE_PYTHON_ARENA, p->room - p->heap - FAKE_PYTHON_ARENA},
            {p->heap, 48}};
        const uint64_t values[] = {0, UINT64_MAX, p->runtime, p->modules, p->heap + 1, 1ull << 62};
        srand(minor);
        for (unsigned round = 0; round < 150; round++) {
            unsigned at = (unsigned)rand() % (sizeof places / sizeof *places);
            uint64_t address = places[at].start + (unsigned)rand() % (places[at].size / 8) * 8,
                     before = fake_get(s.t, address, 8);
            fake_put(s.t, address, values[(unsigned)rand() % (sizeof values / sizeof *values)], 8);
            s.t->state++;
            int status = fake_run(s.t, "objat", text_of(p->modules));
            MUST(status == RHI_ANSWERED || (status == RHI_NO_ANSWER && s.t->err.size > 0));
            fake_put(s.t, address, before, 8);
        }
        ck_assert_str_eq(heaps(s.t), numbered("python 3.%u.7 main", minor));
        fake_target_free(s.t);
    }
}
END_TEST

/* A core that is read directly shows the micro version 7, the debugger's memory shows 9: that is
 * in nothing that is compared. */
START_TEST(the_direct_way_must_show_what_the_debugger_sees)
{
    for (unsigned differs = 0; differs < 3; differs++) {
        scene s = scene_new(12);
        char path[] = "/tmp/refheap-test-XXXXXX";
        size_t size;
        uint64_t stack = 0x7c0000000000;
        fake_map(s.t, stack, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
        fake_thread(s.t, 77, stack + 0x800);
        close(mkstemp(path));
        uint8_t *bytes = fake_core_bytes(s.t, &size);
        fake_core_write(path, bytes, size);
        free(bytes);
        s.t->target.core_path = path;
        fake_put(s.t, s.p.hexversion + 24, 0x030c09f0, 4);
        if (differs) /* something that nothing else looks at */
            fake_put(s.t, (differs == 1 ? s.p.runtime : s.p.interpreter) + 136, 0xa5, 1);
        ck_assert_str_eq(heaps(s.t), differs ? "python 3.12.9 main" : "python 3.12.7 main");
        unlink(path);
        fake_target_free(s.t);
    }
}
END_TEST

/* The bytes of a core whose program header claims so much memory at the address, and has none. */
static uint8_t *core_that_claims(const fake_target *t, uint64_t address, uint64_t claimed,
                                 size_t *size)
{
    uint8_t *bytes = fake_core_bytes(t, size);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)bytes;
    Elf64_Phdr *segments = (Elf64_Phdr *)(bytes + header->e_phoff);
    unsigned changed = 0;
    for (unsigned i = 0; i < header->e_phnum; i++)
        if (segments[i].p_vaddr == address) {
            segments[i].p_filesz = 0;
            segments[i].p_memsz = claimed;
            changed++;
        }
    ck_assert_uint_eq(changed, 1);
    return bytes;
}

/* Pools are looked for in all memory where the table of arenas is not found. Step by step through
 * what is claimed here takes hours. */
START_TEST(memory_that_a_core_claims_and_lacks_is_passed_at_once)
{
    static const uint64_t claims = 0x100000000000, claimed = 1ull << 45, stack = 0x7c0000000000;
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        char path[] = "/tmp/refheap-test-XXXXXX";
        size_t size;
        fake_map(s.t, claims, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
        fake_map(s.t, stack, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
        fake_thread(s.t, 77, stack + 0x800);
        fake_put(s.t, s.p.arenas, UINT64_MAX, 8);
        uint8_t *bytes = core_that_claims(s.t, claims, claimed, &size);
        close(mkstemp(path));
        fake_core_write(path, bytes, size);
        free(bytes);
        rhi_target before = s.t->target;
        fake_core_open(s.t, path, &s.t->target);
        ck_assert_str_eq(heaps(s.t), numbered("python 3.%u.7 main", minor));
        json_t *json = fake_json(s.t, "gcfind", "--limit=0");
        char *said = json_dumps(json, 0);
        ck_assert_has(said, "the table of Python's arenas is not found");
        free(said);
        json_decref(json);
        rhi_target_close(&s.t->target);
        s.t->target = before;
        unlink(path);
        fake_target_free(s.t);
    }
}
END_TEST

RUN_TESTS("inspect_python_discovery", each_version_is_found_by_its_looks,
          the_version_is_what_sys_says, without_sys_modules_there_are_answers_that_are_not_complete,
          interpreters_of_one_allocator_are_one_heap, two_copies_are_both_found,
          offsets_that_the_target_publishes_come_first, only_data_of_modules_is_looked_through,
          other_memory_is_not_read, memory_behind_zeroed_data_is_left_alone,
          what_must_hold_is_held_against_each_version, a_python_that_ends_is_read_and_provisional,
          a_cache_that_lies_elsewhere_is_noticed, a_list_that_is_being_changed_is_no_damage,
          a_place_that_leads_nowhere_is_no_python, a_version_that_is_not_read_is_told,
          an_older_one_is_told_by_its_lists, exports_tell_of_what_cannot_be_read,
          an_older_one_is_told_by_the_name_of_its_file, an_ended_python_is_told,
          an_overwritten_runtime_is_told_where_no_symbol_is,
          overwritten_data_of_what_is_called_python_is_told,
          another_heap_answers_with_the_line_beside_it, a_program_with_both_answers_for_both,
          any_word_may_hold_anything, memory_that_a_core_claims_and_lacks_is_passed_at_once,
          the_direct_way_must_show_what_the_debugger_sees)
