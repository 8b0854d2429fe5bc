/* python_scene.c - makes objects of CPython by hand (see python_scene.h). */
#include "python_scene.h"
#include "base/array.h"
#include "heap/fields.h"
#include "target/open.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 0x100000, MEMORY_BYTES = 0x100000, BEFORE = 32 };

uint64_t scene_room(scene *s, uint64_t size)
{
    uint64_t at = s->used;
    s->used += (size + 15) & ~15ull;
    ck_assert(s->used <= MEMORY + MEMORY_BYTES);
    return at;
}

void put(scene *s, uint64_t address, uint64_t value)
{
    fake_put(s->t, address, value, 8);
}

void put_words(scene *s, uint64_t address, const uint64_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put(s, address + 8 * i, words[i]);
}

/* ---- types ---------------------------------------------------------------------------------- */

uint64_t scene_type(scene *s, const char *name, uint64_t base, uint64_t basicsize,
                    uint64_t itemsize, uint64_t flags)
{
    uint64_t at = scene_object(s, s->type, 0x400), text = scene_room(s, strlen(name) + 1);
    fake_put_text(s->t, text, name, strlen(name) + 1);
    put(s, at + 24, text);
    put(s, at + 32, basicsize);
    put(s, at + 40, itemsize);
    put(s, at + 168, flags | 1 << 12);
    put(s, at + 256, base ? base : s->object);
    s->types[s->type_count++] = at;
    return at;
}

static void make_types(scene *s)
{
    s->type = scene_type(s, "type", 0, s->minor < 10 ? 880 : 888, 40, 1u << 31);
    put(s, s->type + 8, s->type);
    s->object = scene_type(s, "object", 0, 16, 0, 0);
    put(s, s->object + 256, 0);
    put(s, s->type + 256, s->object);
    s->str = scene_type(s, "str", 0, s->minor < 12 ? 80 : 64, 0, 1 << 28);
    s->integer = scene_type(s, "int", 0, 24, 4, 1 << 24);
    s->real = scene_type(s, "float", 0, 24, 0, 0);
    s->bytes = scene_type(s, "bytes", 0, 33, 1, 1 << 27);
    s->tuple = scene_type(s, "tuple", 0, 24, 8, 1 << 26 | 1 << 14);
    s->list = scene_type(s, "list", 0, 40, 0, 1 << 25 | 1 << 14);
    s->dict = scene_type(s, "dict", 0, 48, 0, 1 << 29 | 1 << 14);
    s->set = scene_type(s, "set", 0, 200, 0, 1 << 14);
    s->code = scene_type(s, "code", 0, 208, 0, 0);
    s->function = scene_type(s, "function", 0, 144, 0, 1 << 14);
    s->frame = scene_type(s, "frame", 0, s->minor < 11 ? 368 : s->minor < 13 ? 56 : 72, 8, 1 << 14);
    s->generator = scene_type(s, "generator", 0, 96, 8, 1 << 14);
    s->module = scene_type(s, "module", 0, 56, 0, 1 << 14);
    s->weakref =
        scene_type(s, s->minor < 10 ? "weakref" : "weakref.ReferenceType", 0, 64, 0, 1 << 14);
}

scene *scene_new(unsigned version)
{
    scene *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    s->minor = PY_MINOR_MIN + version;
    s->t = fake_target_new();
    s->used = MEMORY;
    fake_map(s->t, MEMORY, MEMORY_BYTES, RHI_REGION_READ | RHI_REGION_WRITE, "");
    make_types(s);
    return s;
}

void scene_open(scene *s)
{
    s->py.minor = (uint8_t)s->minor;
    s->py.at = rhi__py_offsets(s->minor);
    ck_assert_ptr_null(rhi__memory_open(&s->memory, &s->t->target));
    s->py.memory = &s->memory;
    s->reader = calloc(1, sizeof *s->reader);
    s->reader->memory = &s->memory;
    s->py.reader = s->reader;
    s->py.type_type = s->type;
    s->py.object_type = s->object;
    ck_assert(rhi__array_reserve(&s->reader->heaps, 1));
    s->reader->heaps.items[s->reader->heaps.count++] =
        (rhi_heap_info){.name = "python", .phase = "idle", .state = &s->py};
    ck_assert(rhi__array_reserve(&s->py.interpreters, 1));
    s->py.interpreters.items[s->py.interpreters.count++] = (py_interpreter){.heap = 0};
    ck_assert(rhi__py_views_make(&s->py));
    ck_assert_ptr_null(rhi__py_types_open(&s->py));
    for (unsigned i = 0; i < s->type_count; i++)
        ck_assert_ptr_nonnull(rhi__py_type_at(&s->py, s->types[i]));
    rhi__begin_question(s->reader);
}

void scene_free(scene *s)
{
    if (s->reader) {
        rhi__py_views_free(&s->py);
        rhi__py_types_free(&s->py);
        rhi__py_hands_free(s->py.hands);
        free(s->py.interpreters.items);
        rhi__reader_free(s->reader);
    }
    rhi__memory_close(&s->memory);
    fake_target_free(s->t);
    free(s);
}

/* ---- objects -------------------------------------------------------------------------------- */

uint64_t scene_object(scene *s, uint64_t type, uint64_t size)
{
    uint64_t at = scene_room(s, size + BEFORE) + BEFORE;
    put(s, at, 1);
    put(s, at + 8, type);
    return at;
}

uint64_t scene_wide(scene *s, const uint32_t *characters, unsigned count, unsigned kind)
{
    bool is_ascii = kind == 1;
    for (unsigned i = 0; i < count; i++)
        is_ascii = is_ascii && characters[i] < 0x80;
    uint64_t data = s->minor < 12 ? (is_ascii ? 48 : 72) : (is_ascii ? 40 : 56),
             at = scene_object(s, s->str, data + (uint64_t)(count + 1) * kind);
    put(s, at + 16, count);
    fake_put(s->t, at + 32, kind << 2 | 1 << 5 | (unsigned)is_ascii << 6, 4);
    for (unsigned i = 0; i < count; i++)
        fake_put(s->t, at + data + (uint64_t)i * kind, characters[i], kind);
    return at;
}

uint64_t scene_str(scene *s, const char *text)
{
    uint32_t characters[512];
    unsigned count = 0;
    for (; text[count]; count++)
        characters[count] = (uint8_t)text[count];
    return scene_wide(s, characters, count, 1);
}

uint64_t scene_int(scene *s, int64_t value)
{
    uint64_t at = scene_object(s, s->integer, 40),
             rest = value < 0 ? -(uint64_t)value : (uint64_t)value, count = 0;
    for (; rest; rest >>= 30)
        fake_put(s->t, at + 24 + 4 * count++, rest & 0x3fffffff, 4);
    if (s->minor >= 12)
        put(s, at + 16, count << 3 | (value < 0 ? 2 : value == 0 ? 1 : 0));
    else
        put(s, at + 16, value < 0 ? -count : count);
    return at;
}

uint64_t scene_tuple(scene *s, const uint64_t *items, unsigned count)
{
    uint64_t at = scene_object(s, s->tuple, 24 + 8 * count);
    put(s, at + 16, count);
    put_words(s, at + 24, items, count);
    return at;
}

uint64_t scene_keys(scene *s, unsigned kind, const uint64_t *keys, const uint64_t *values,
                    unsigned count)
{
    bool is_old = s->minor < 11, is_wide = is_old || kind == 0;
    uint64_t at = scene_room(s, 0x140), entries = at + (is_old ? 48 : 40), step = is_wide ? 24 : 16;
    put(s, at, 1);
    if (is_old) {
        put(s, at + 8, 8);
        put(s, at + 32, count);
    } else {
        fake_put(s->t, at + 8, 3, 1);
        fake_put(s->t, at + 9, 3, 1);
        fake_put(s->t, at + 10, kind, 1);
        put(s, at + 24, count);
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t entry = entries + i * step + (is_wide ? 8 : 0);
        if (is_wide)
            put(s, entry - 8, 0x1234567);
        put(s, entry, keys[i]);
        put(s, entry + 8, values ? values[i] : 0);
    }
    return at;
}

uint64_t scene_dict(scene *s, const uint64_t *keys, const uint64_t *values, unsigned count)
{
    uint64_t at = scene_object(s, s->dict, 48);
    put(s, at + 16, count);
    put(s, at + 32, scene_keys(s, 0, keys, values, count));
    return at;
}

/* ---- what is said of them ------------------------------------------------------------------- */

static rhi_object object_at(scene *s, uint64_t address, uint64_t size)
{
    const py_type *type = rhi__py_known_type(&s->py, fake_get(s->t, address + 8, 8));
    return (rhi_object){.address = address,
                        .start = address - BEFORE,
                        .slot_size = size + BEFORE,
                        .count = 1,
                        .state = RHI_LIVE,
                        .type = type ? py_type_number(&s->py, type) : UINT32_MAX};
}

static bool keep(void *context, const rhi_slot *slot)
{
    seen *all = context;
    ck_assert_uint_ne(slot->value, 0);
    if (all->count == SCENE_SLOTS_MAX)
        return false;
    seen_slot *one = &all->slots[all->count++];
    *one = (seen_slot){.address = slot->address,
                       .value = slot->value,
                       .kind = slot->field->kind,
                       .form = slot->field->form,
                       .is_guess = slot->field->is_guess};
    rhi__slot_name(slot->field, slot->element, one->name, sizeof one->name);
    return true;
}

seen *scene_slots(scene *s, uint64_t address, uint64_t size)
{
    static seen all;
    rhi_object object = object_at(s, address, size);
    all.count = 0;
    rhi__py_slots(s->reader, &object, fake_bytes(s->t, object.start, object.slot_size), keep, &all);
    return &all;
}

const seen_slot *must_see(const seen *all, const char *name)
{
    const seen_slot *found = NULL;
    for (unsigned i = 0; i < all->count; i++)
        if (strcmp(all->slots[i].name, name) == 0) {
            ck_assert_msg(!found, "two slots are called %s", name);
            found = &all->slots[i];
        }
    for (unsigned i = 0; i < all->count && !found; i++)
        printf("  %s: 0x%" PRIx64 "\n", all->slots[i].name, all->slots[i].value);
    ck_assert_msg(found, "no slot is called %s", name);
    return found;
}

unsigned holders_of(const seen *all, uint64_t value)
{
    unsigned count = 0;
    for (unsigned i = 0; i < all->count; i++)
        count += all->slots[i].value == value;
    return count;
}

const char *scene_value(scene *s, uint64_t address, uint64_t size)
{
    static char text[256];
    rhi_object object = object_at(s, address, size);
    rhi__py_value(s->reader, &object, fake_bytes(s->t, object.start, object.slot_size), text,
                  sizeof text);
    return text;
}

typedef struct spanned {
    uint64_t word;
    bool found;
} spanned;

static rhi_error *match_span(void *context, uint64_t first, uint64_t count, uint64_t stride)
{
    spanned *s = context;
    s->found |=
        s->word >= first && s->word < first + count * stride && (s->word - first) % stride == 0;
    return NULL;
}

bool scene_is_spanned(scene *s, uint64_t address, uint64_t size, uint64_t word)
{
    spanned spans = {.word = word};
    rhi_object object = object_at(s, address, size);
    ck_assert_ptr_null(rhi__py_spans(
        s->reader, &object, fake_bytes(s->t, object.start, object.slot_size), match_span, &spans));
    return spans.found;
}
