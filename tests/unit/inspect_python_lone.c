/* inspect_python_lone.c - Python's objects that lie in no pool: in the data of modules, in blocks
 * of malloc, and where the collector's lists lead; and what only looks like one. */
#include "fake_core.h"
#include "fake_python.h"
#include "inspect_test.h"

#include <elf.h>
#include <unistd.h>

static const uint64_t base = 0x7f0000000000, block = 0x7e1000000000;

enum { RW = RHI_REGION_READ | RHI_REGION_WRITE, LINKS = 16, GENERATIONS = 24 };

typedef struct scene {
    fake_target *t;
    fake_python p;
    uint64_t data; /* free room in the library's data */
} scene;

static scene scene_new(unsigned minor)
{
    scene s = {.t = fake_target_new()};
    s.p = fake_python_new(s.t, base, minor, 7);
    s.data = base + FAKE_MODULE_DATA + 0x88000;
    return s;
}

static void put(const scene *s, uint64_t address, uint64_t value)
{
    fake_put(s->t, address, value, 8);
}

/* An object of a type and count, at an address. */
static uint64_t object(const scene *s, uint64_t address, uint64_t type, uint64_t count)
{
    put(s, address, count);
    put(s, address + 8, type);
    return address;
}

static uint64_t text(const scene *s, uint64_t address, uint64_t count, const char *characters)
{
    object(s, address, s->p.text, count);
    put(s, address + 16, strlen(characters));
    put(s, address + 32, 1 << 2 | 1 << 5 | 1 << 6);
    fake_copy(s->t, address + s->p.at.text, characters, strlen(characters));
    return address;
}

static uint64_t number(const scene *s, uint64_t address, uint64_t count)
{
    object(s, address, s->p.integer, count);
    put(s, address + 16, s->p.minor < 12 ? 1 : 1 << 3);
    return address;
}

/* What static objects begin with. Before 3.11 there are none but types, definitions of modules and
 * constants that others lead to. */
static bool has_static_count(const scene *s)
{
    return s->p.minor >= 11;
}

static uint64_t static_count(const scene *s)
{
    return s->p.minor < 12 ? 1000000005 : UINT32_MAX;
}

/* Is there an object at the address, for all who ask? */
static bool is_object(const scene *s, uint64_t address)
{
    bool is_listed = false;
    size_t i;
    json_t *row;
    s->t->state++;
    json_t *one = fake_json(s->t, "objat", text_of(address)),
           *inner = fake_json(s->t, "objat", text_of(address + 9)),
           *all = fake_json(s->t, "gcfind", "--limit=0");
    json_array_foreach(fake_at(all, "objects"), i, row)
    {
        is_listed |= !strcmp(fake_string(row, "address"), text_of(address));
    }
    bool is_live = !strcmp(fake_string(one, "status"), "live");
    MUST(is_live == is_listed);
    MUST(is_live == !strcmp(fake_string(inner, "status"), "live"));
    MUST(!is_live || !strcmp(fake_string(inner, "object.address"), text_of(address)));
    json_decref(one);
    json_decref(inner);
    json_decref(all);
    return is_live;
}

static bool is_immortal(const scene *s, uint64_t address)
{
    json_t *json = fake_json(s->t, "objat", text_of(address));
    bool result = json_is_true(fake_at(json, "object.immortal"));
    json_decref(json);
    return result;
}

/* ---- the data of modules -------------------------------------------------------------------- */

START_TEST(static_objects_are_found_and_structs_of_c_are_not)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        uint64_t small = number(&s, s.data, static_count(&s)),
                 name = text(&s, s.data + 0x40, static_count(&s), "close"),
                 other = number(&s, s.data + 0x100, 3),
                 pointer = number(&s, s.data + 0x140, s.data),
                 record = object(&s, s.data + 0x180, s.p.dict, 2),
                 long_text = text(&s, s.data + 0x1c0, static_count(&s), "open");
        put(&s, long_text + 16, 1ull << 40); /* longer than the data */
        MUST(is_object(&s, small) == has_static_count(&s));
        MUST(is_object(&s, name) == has_static_count(&s));
        MUST(is_object(&s, s.p.type) && is_object(&s, s.p.text));
        MUST(!has_static_count(&s) || is_immortal(&s, small));
        MUST(is_immortal(&s, s.p.text)); /* whose count is 1 << 20 */
        MUST(!is_object(&s, other) && !is_object(&s, pointer) && !is_object(&s, record) &&
             !is_object(&s, long_text));
        fake_target_free(s.t);
    }
}
END_TEST

START_TEST(a_type_that_nobody_made_ready_is_one_and_a_table_of_pointers_is_not)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        uint64_t pointers = object(&s, s.data, s.p.type, 0x7f1234567890),
                 unready = object(&s, s.data + 0x400, s.p.type, 1),
                 derived = object(&s, s.data + 0x800, s.p.type, 1),
                 small = object(&s, s.data + 0xc00, unready, static_count(&s));
        for (unsigned i = 0; i < 2; i++) {
            put(&s, (i ? derived : unready) + 24, s.data);
            put(&s, (i ? derived : unready) + 32, 24);
        }
        put(&s, derived + 256, s.p.object); /* and yet not ready */
        uint64_t several = object(&s, s.data + 0x1000, s.p.type, 5),
                 just_now = object(&s, s.data + 0x1400, s.p.type, 5);
        for (unsigned i = 0; i < 2; i++) {
            put(&s, (i ? just_now : several) + 24, s.data);
            put(&s, (i ? just_now : several) + 32, 24);
        }
        put(&s, just_now + 168, 1 << 13); /* a thread makes it ready */
        put(&s, just_now + 256, s.p.object);
        MUST(is_object(&s, several) && is_object(&s, just_now));
        MUST(!is_object(&s, pointers));
        MUST(is_object(&s, unready) && !is_object(&s, derived));
        MUST(is_object(&s, small) == has_static_count(&s)); /* of that type */
        fake_target_free(s.t);
    }
}
END_TEST

/* The type of definitions of modules, at the beginning of the data. */
static uint64_t definition_type(const scene *s)
{
    uint64_t type = s->data, name = s->data + 0x380;
    for (unsigned i = 0; i < 408; i += 8)
        put(s, type + i, fake_get(s->t, s->p.module + i, 8));
    put(s, type + 24, name);
    put(s, type + 32, 104);
    put(s, type + 168, (fake_get(s->t, type + 168, 8) & ~(1ull << 14)));
    fake_copy(s->t, name, "moduledef", 10);
    return type;
}

/* GDB's cores neither have nor list the memory of files that nobody changed: names, functions. */
START_TEST(a_definition_of_a_module_may_lead_to_what_a_core_lacks)
{
    static const uint64_t missing = 0x123456789000;
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        uint64_t type = definition_type(&s), at = s.data + 0x400, of_sys = s.data + 0x300;
        object(&s, of_sys, type, 1);
        object(&s, at, type, 1);
        put(&s, of_sys + 40, missing);
        put(&s, at + 40, missing);
        put(&s, at + 64, missing + 64);
        MUST(!is_object(&s, at)); /* of a type that may be any */
        put(&s, s.p.sys + 24, of_sys);
        MUST(is_object(&s, at) && is_immortal(&s, at) && is_object(&s, of_sys));
        put(&s, at + 64, 8);
        MUST(!is_object(&s, at));
        put(&s, at + 64, UINT64_MAX);
        MUST(!is_object(&s, at));
        fake_target_free(s.t);
    }
}
END_TEST

START_TEST(a_definition_of_a_module_is_known_by_its_members)
{
    /* before, the type is reached by a list of subclasses alone, which nothing has here */
    for (unsigned minor = 11; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        uint64_t type = definition_type(&s), at = s.data + 0x400, name = s.data + 0x380;
        object(&s, at, type, 1);
        put(&s, at + 40, name);
        put(&s, at + 56, 24);
        /* it is learned where an object of that type is for certain */
        object(&s, s.data + 0x300, type, static_count(&s));
        put(&s, s.data + 0x300 + 40, name);
        MUST(is_object(&s, at) && is_immortal(&s, at));
        put(&s, at + 56, 1ull << 50);
        MUST(!is_object(&s, at));
        fake_target_free(s.t);
    }
}
END_TEST

/* A table of addresses has what looks like a count in front of that of a type, and where a program
 * and its heap lie low so does a struct of C. */
START_TEST(an_address_is_no_count)
{
    static const uint64_t low = 0x200000, middle = 0x30000000;
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        char characters[8000];
        fake_map(s.t, low, 0x1000, RW, "");
        fake_map(s.t, middle, 0x1100000, RW, ""); /* so that many references can be */
        fake_map(s.t, block, 0x4000, RW, "");
        fake_map(s.t, 0x3b9a0000, 0x20000, RW, ""); /* where static counts are addresses, too */
        put(&s, block + 8, 0x2000 | 2);
        put(&s, block + 0x2000 + 8, 0x2000 | 2);
        memset(characters, 'x', sizeof characters);
        characters[sizeof characters - 1] = '\0';
        if (minor < 12)
            MUST(is_object(&s, number(&s, s.data + 0x100, 1000000000)) == has_static_count(&s));
        uint64_t shared = text(&s, block + 16, 0x1fff0, characters),
                 table = object(&s, s.data, s.p.type, minor < 12 ? middle : 0x7f0080000000),
                 pair = object(&s, s.data + 0x40, s.p.dict, minor < 12 ? middle : 0x7f0080000000),
                 record = text(&s, block + 0x2000 + 16, low, characters);
        object(&s, low, s.p.object, 1);
        MUST(is_object(&s, shared));
        MUST(!is_object(&s, table) && !is_object(&s, pair) && !is_object(&s, record));
        fake_target_free(s.t);
    }
}
END_TEST

/* ---- blocks of malloc ----------------------------------------------------------------------- */

START_TEST(a_block_of_malloc_is_an_object_or_none)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        char characters[8000];
        fake_map(s.t, block, 0x8000, RW, "");
        for (uint64_t at = 0; at < 0x8000; at += 0x2000)
            put(&s, block + at + 8, 0x2000 | 2);
        memset(characters, 'x', sizeof characters);
        characters[sizeof characters - 1] = '\0';
        uint64_t big = text(&s, block + 16, 1, characters),
                 short_one = text(&s, block + 0x2000 + 16, 1, "no"),
                 freed = text(&s, block + 0x4000 + 16, 0, characters),
                 hashed = text(&s, block + 0x6000 + 16, 999999999, characters);
        MUST(!is_object(&s, hashed)); /* only static objects begin with such counts */
        MUST(is_object(&s, big) && !is_immortal(&s, big));
        MUST(!is_object(&s, short_one)); /* that needs no mapping */
        MUST(!is_object(&s, freed));
        fake_target_free(s.t);
    }
}
END_TEST

/* As those of cffi's arrays are, whose types say nothing of what they hold. */
START_TEST(what_begins_like_an_object_is_not_said_to_be_none)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        fake_map(s.t, block, 0x4000, RW, "");
        put(&s, block + 8, 0x2000 | 2);
        put(&s, block + 0x2000 + 8, 0x2000 | 2);
        uint64_t seeming = object(&s, block + 16, s.p.object, 1),
                 record = object(&s, block + 0x2000 + 16, s.p.object + 16, 1);
        for (unsigned i = 0; i < 2; i++) {
            json_t *json = fake_json(s.t, "objat", text_of(i ? record : seeming));
            const char *remark = i ? NULL : fake_string(json, "remark");
            MUST(!strcmp(fake_string(json, "status"), "unmanaged"));
            MUST(i ? json_is_null(fake_at(json, "remark"))
                   : strstr(remark, "may be an object all the same") != NULL);
            json_decref(json);
        }
        fake_target_free(s.t);
    }
}
END_TEST

/* What lies in an object are no words of other memory. */
START_TEST(texts_hold_nothing)
{
    scene s = scene_new(11);
    char characters[8000];
    fake_map(s.t, block, 0x4000, RW, "");
    put(&s, block + 8, 0x2000 | 2);
    put(&s, block + 0x2000 + 8, 0x2000 | 2);
    memset(characters, 'x', sizeof characters);
    characters[sizeof characters - 1] = '\0';
    uint64_t big = text(&s, block + 16, 1, characters),
             held = text(&s, block + 0x2000 + 16, 1, characters);
    put(&s, big + s.p.at.text, held);
    json_t *json = fake_json(s.t, "refs", text_of(held));
    ck_assert_int_eq(fake_integer(json, "ledger.words"), 0);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 1);
    json_decref(json);
    uint64_t word = fake_python_room(&s.p, 16);
    put(&s, word, held + 100);
    s.t->state++;
    json = fake_json(s.t, "refs", text_of(held));
    ck_assert_int_eq(fake_integer(json, "ledger.words"), 1);
    json_decref(json);
    fake_target_free(s.t);
}
END_TEST

/* ---- the collector's lists ------------------------------------------------------------------ */

/* Where malloc's blocks are not known. */
START_TEST(what_the_collector_knows_is_found)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        uint64_t head = s.p.interpreter + s.p.at.gc + GENERATIONS, links[3];
        for (unsigned i = 0; i < 3; i++) {
            links[i] = fake_python_room(&s.p, 64);
            object(&s, links[i] + LINKS, s.p.dict, 1);
            put(&s, links[i] + LINKS + 32, fake_get(s.t, s.p.sysdict + 32, 8));
        }
        put(&s, head, links[0]);
        put(&s, head + 8, links[1]);
        put(&s, links[0], links[1]);
        put(&s, links[0] + 8, head);
        put(&s, links[1], head);
        put(&s, links[1] + 8, links[0]);
        MUST(is_object(&s, links[0] + LINKS) && is_object(&s, links[1] + LINKS));
        put(&s, links[2], links[2]); /* the list ends in a circle */
        put(&s, links[1], links[2]);
        s.t->state++;
        json_t *json = fake_json(s.t, "gcfind", "--limit=0");
        MUST(fake_integer(json, "total") > 0);
        json_decref(json);
        fake_target_free(s.t);
    }
}
END_TEST

/* ---- regions without end -------------------------------------------------------------------- */

enum { ASKED_MAX = 100000 };
static unsigned asked;
static int gives_up(void *context)
{
    (void)context;
    return ++asked > ASKED_MAX;
}

static uint64_t bytes_read;
static uint64_t (*plain_read)(void *context, uint64_t address, void *buffer, uint64_t size);
static uint64_t counting_read(void *context, uint64_t address, void *buffer, uint64_t size)
{
    bytes_read += size;
    return plain_read(context, address, buffer, size);
}

/* In one session, where nobody asked for the graph. */
START_TEST(a_second_question_reads_no_more_than_the_first)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        uint64_t read[4];
        const uint64_t dicts[] = {s.p.modules, s.p.sysdict, s.p.builtins, s.p.builtins};
        plain_read = s.t->target.read;
        s.t->target.read = counting_read;
        s.t->state++;
        json_decref(fake_json(s.t, "gcfind", "--limit=1")); /* what is there is read */
        for (unsigned i = 0; i < 4; i++) {
            bytes_read = 0;
            json_t *json = fake_json(s.t, "refs", text_of(dicts[i]));
            MUST(fake_integer(json, "ledger.roots") >= 1);
            json_decref(json);
            read[i] = bytes_read;
        }
        MUST(read[1] <= read[0] + read[0] / 10 && read[2] <= read[0] + read[0] / 10);
        MUST(read[3] <= read[0] / 10);
        fake_target_free(s.t);
    }
}
END_TEST

/* A header of a core may claim that a region has any size; blocks of malloc are looked for in what
 * is there of it. */
START_TEST(a_region_that_claims_to_be_without_end_is_not_walked)
{
    for (unsigned minor = FAKE_PYTHON_MIN; minor <= FAKE_PYTHON_MAX; minor++) {
        scene s = scene_new(minor);
        uint64_t name = text(&s, s.data + 0x40, static_count(&s), "close");
        char path[] = "/tmp/refheap-test-XXXXXX";
        size_t size;
        fake_map(s.t, 0x7f8000000000, 0x1000, RW, "");
        rhi_target before = s.t->target;
        uint8_t *bytes = fake_core_bytes(s.t, &size);
        Elf64_Phdr *segments = (Elf64_Phdr *)(bytes + sizeof(Elf64_Ehdr));
        segments[s.t->segment_count].p_memsz = 1ull << 62;
        close(mkstemp(path));
        fake_core_write(path, bytes, size);
        asked = 0;
        fake_core_open(s.t, path, &s.t->target);
        s.t->target.interrupted = gives_up;
        json_t *json = fake_json(s.t, "gcfind", "--limit=0");
        MUST(!json_object_get(json, "error") && fake_integer(json, "total") > 0);
        json_decref(json);
        json = fake_json(s.t, "objat", text_of(name));
        MUST(!strcmp(fake_string(json, "status"), "live") == has_static_count(&s));
        json_decref(json);
        rhi_target_close(&s.t->target);
        s.t->target = before;
        unlink(path);
        free(bytes);
        fake_target_free(s.t);
    }
}
END_TEST

RUN_TESTS("inspect_python_lone", static_objects_are_found_and_structs_of_c_are_not,
          a_type_that_nobody_made_ready_is_one_and_a_table_of_pointers_is_not,
          a_definition_of_a_module_may_lead_to_what_a_core_lacks,
          a_definition_of_a_module_is_known_by_its_members, an_address_is_no_count,
          a_block_of_malloc_is_an_object_or_none, what_begins_like_an_object_is_not_said_to_be_none,
          texts_hold_nothing, what_the_collector_knows_is_found,
          a_second_question_reads_no_more_than_the_first,
          a_region_that_claims_to_be_without_end_is_not_walked)
