/* statics.c - objects in the data of modules: types, `None`, small numbers, short texts, frozen
 * code, definitions of modules (see python.h).
 *
 * Found where the address of a known type stands behind a count. Many a struct of C looks like
 * that: so the count must be one that only static objects begin with, or the object one that is
 * known from elsewhere. Those of extensions begin with a count of 1: something must lead to one.
 * Invariant: what is found lies in the data of a module, one behind the other. */
#include "base/array.h"
#include "base/search.h"
#include "heap/reader.h"
#include "readers/cpython/python.h"

#include <stdlib.h>

enum {
    STEP_BYTES = 1 << 20,
    OVERLAP_BYTES = 4096, /* of the next step, for what begins at the end of this one */
    SINGLETONS = 5,
    MODULE_DEF_BYTES = 104,
    SIZE_ALIGN = 8
};

/* What looks like an object, [start, end). */
typedef struct candidate {
    uint64_t start, end;
    bool is_led_to;
} candidate;

typedef struct search {
    py_runtime *py;
    const rhi_program *program;
    rhi_blocks *blocks;
    uint64_t singletons[SINGLETONS];
    uint64_t low, high; /* where the types lie that are known */
    uint64_t types;     /* of these */
    uint64_t wanted;    /* the object that contains this address alone; 0: all */
    struct {
        candidate *items;
        uint64_t count, capacity;
    } candidates; /* in the order of their starts */
} search;

/* A piece of module data: `bytes` are the first `got` of [start, end). */
typedef struct view {
    uint64_t start, end, got;
    const uint8_t *bytes;
    uint64_t
        taken; /* bytes from the start that are an object found before, or lie in front of it */
} view;

static uint64_t round_up(uint64_t size)
{
    return (size + SIZE_ALIGN - 1) & ~(SIZE_ALIGN - 1ull);
}

static void note_types(search *s)
{
    for (; s->types < s->py->types.count; s->types++) {
        uint64_t address = s->py->types.items[s->types].address;
        s->low = address < s->low ? address : s->low;
        s->high = address > s->high ? address : s->high;
    }
}

static search begin(py_runtime *py, const rhi_program *program, uint64_t wanted, rhi_blocks *blocks)
{
    static const char *const names[SINGLETONS] = {"None", "Ellipsis", "NotImplemented", "True",
                                                  "False"};
    search s = {
        .py = py, .program = program, .wanted = wanted, .blocks = blocks, .low = UINT64_MAX};
    for (unsigned i = 0; i < SINGLETONS; i++)
        s.singletons[i] = rhi__py_dict_get(py, py->interpreters.items[0].builtins, names[i]);
    note_types(&s);
    return s;
}

static bool is_singleton(const search *s, uint64_t address)
{
    for (unsigned i = 0; i < SINGLETONS; i++)
        if (s->singletons[i] == address)
            return true;
    return false;
}

/* NULL, or an address of memory that is there. A core may lack the memory of files and not list it:
 * where the type is that of definitions for certain, any address will do. */
static bool is_pointer(const search *s, const py_type *type, uint64_t word)
{
    enum { LOWEST = 4096, ADDRESS_BITS = 56 };
    return word == 0 || rhi__memory_region(s->py->memory, word) != NULL ||
           (type->address == s->py->definition_type && word >= LOWEST && !(word >> ADDRESS_BITS));
}

/* Known by its members: the name of its type stands in the file alone. m_size says how much state a
 * module has, -1: none that could be had twice; m_copy is the dict of a module, or NULL. */
static bool is_module_def(const search *s, const py_type *type, const uint8_t *bytes, uint64_t got)
{
    enum { M_INIT = 16, M_INDEX = 24, M_COPY = 32, M_NAME = 40, M_DOC = 48, M_SIZE = 56 };
    enum { M_METHODS = 64, COUNT_MAX = 1 << 20, STATE_MAX = 1 << 20, MODULES_MAX = 1 << 16 };
    if (type->basicsize != MODULE_DEF_BYTES || type->itemsize || type->is_heap_type ||
        type->layout != PY_OWN_WORDS || got < MODULE_DEF_BYTES)
        return false;
    int64_t size = (int64_t)rhi__load64(bytes + M_SIZE);
    uint64_t copy = rhi__load64(bytes + M_COPY), dict = 0;
    const py_type *of_copy = copy && rhi__memory_u64(s->py->memory, copy + PY_OB_TYPE, &dict)
                                 ? rhi__py_known_type(s->py, dict)
                                 : NULL;
    return rhi__load64(bytes) < COUNT_MAX && rhi__load64(bytes + M_INDEX) < MODULES_MAX &&
           size >= -1 && size < STATE_MAX && rhi__load64(bytes + M_NAME) &&
           is_pointer(s, type, rhi__load64(bytes + M_INIT)) &&
           is_pointer(s, type, rhi__load64(bytes + M_NAME)) &&
           is_pointer(s, type, rhi__load64(bytes + M_DOC)) &&
           is_pointer(s, type, rhi__load64(bytes + M_METHODS)) &&
           (!copy || (of_copy && (of_copy->flags & PY_FLAG_DICT)));
}

static uint64_t static_type_bytes(const py_runtime *py)
{
    return py->minor >= 12 ? 416 : 408;
}

/* Extensions have objects in their data that hold what C has in its structs. */
static bool may_be_of_extension(const py_type *type)
{
    return type->prefix == 0 && !(type->flags & PY_FLAG_GC) &&
           (type->layout == PY_OWN_WORDS || type->layout == PY_PLAIN);
}

static bool is_wanted(const search *s, uint64_t start, uint64_t end)
{
    return !s->wanted || s->wanted - start < end - start;
}

/* True and False do not have the digit that their type promises. They are there before any module
 * names them: their type is known as the one below int that CPython itself has in its data. */
static bool is_bool(const py_runtime *py, const py_type *type)
{
    const py_type *base = rhi__py_known_type(py, type->base);
    return base && base->flags & PY_FLAG_LONG && rhi__py_is_own_type(py, type);
}

/* The bytes of the object that begins `at` bytes from the view's start, without its prefix; 0:
 * none does. *is_guess: this is so only if something leads to it. */
static uint64_t object_at(search *s, const view *v, uint64_t at, uint8_t *prefix, bool *is_guess)
{
    py_runtime *py = s->py;
    *is_guess = false;
    uint64_t count = rhi__load64(v->bytes + at), word = rhi__load64(v->bytes + at + PY_OB_TYPE),
             address = v->start + at;
    bool immortal = rhi__py_is_static_count(py, count);
    if ((word < s->low || word > s->high) && !immortal)
        return 0;
    const py_type *type = rhi__py_known_type(py, word), *self;
    if (!type && immortal && word % 8 == 0 && word >= PY_TYPE_READ_BYTES)
        type = rhi__py_type_at(py, word);
    note_types(s);
    if (!type || count >> 32) /* an address */
        return 0;
    *prefix = 0;
    if (type->flags & PY_FLAG_TYPE) {
        self = rhi__py_type_at(py, address); /* some are never made ready */
        return self       ? (self->is_heap_type ? 0 : static_type_bytes(py))
               : immortal ? static_type_bytes(py)
                          : 0;
    }
    if (at - v->taken < type->prefix || type->is_heap_type)
        return 0;
    *prefix = type->prefix;
    py_found found;
    uint64_t from = at - type->prefix;
    if (!immortal && is_module_def(s, type, v->bytes + at, v->got - at))
        return MODULE_DEF_BYTES;
    *is_guess = !immortal && !is_singleton(s, address);
    if ((*is_guess && (!may_be_of_extension(type) || type->address == py->definition_type)) ||
        !rhi__py_object_in(py, v->start + from, v->bytes + from, v->got - from,
                           v->end - v->start - from, PY_WITHIN, &found) ||
        found.prefix != type->prefix)
        return 0;
    found.size -= found.prefix;
    return is_bool(py, type) && found.size > type->basicsize ? type->basicsize : found.size;
}

static rhi_error *add(search *s, uint64_t start, uint64_t end, uint8_t prefix)
{
    if (!is_wanted(s, start, end))
        return NULL;
    RHI_TRY(
        rhi__add_lone(s->blocks, start, end - start, prefix, s->py->interpreters.items[0].heap));
    s->blocks->items[s->blocks->count - 1].origin = PY_IS_STATIC;
    return NULL;
}

static rhi_error *add_candidate(search *s, uint64_t start, uint64_t end)
{
    if (!is_wanted(s, start, end))
        return NULL;
    if (!rhi__array_reserve(&s->candidates, 1))
        return rhi__error_memory();
    s->candidates.items[s->candidates.count++] = (candidate){.start = start, .end = end};
    return NULL;
}

/* The objects that begin in the view's first `step` bytes. */
static rhi_error *search_view(search *s, view *v, uint64_t step)
{
    for (uint64_t at = v->taken; at < step && at + PY_OB_TYPE + 8 <= v->got;) {
        uint8_t prefix;
        bool is_guess;
        uint64_t size = object_at(s, v, at, &prefix, &is_guess), start = v->start + at - prefix,
                 end = v->start + at + round_up(size);
        if (size && is_guess) {
            RHI_TRY(add_candidate(s, start, end));
            size = 0;
        } else if (size) {
            RHI_TRY(add(s, start, end, prefix));
            while (s->candidates.count && /* that reach into it */
                   s->candidates.items[s->candidates.count - 1].end > start)
                s->candidates.count--;
        }
        at += size ? round_up(size) : 8;
        v->taken = size ? at : v->taken;
    }
    return NULL;
}

static rhi_error *search_range(search *s, uint64_t start, uint64_t end)
{
    rhi_scratch scratch = {0};
    rhi_error *error = NULL;
    rhi_work *work = s->py->memory->work;
    uint64_t taken = start = (start + 7) & ~7ull, step;
    for (uint64_t at = start; at < end && !error; at += step) {
        view v = {.start = at, .end = end, .taken = taken > at ? taken - at : 0};
        uint64_t size =
            end - at < STEP_BYTES + OVERLAP_BYTES ? end - at : STEP_BYTES + OVERLAP_BYTES;
        step = end - at < STEP_BYTES ? end - at : STEP_BYTES;
        v.bytes = rhi__memory_view(s->py->memory, at, size, &scratch, &v.got);
        if (v.bytes)
            error = search_view(s, &v, step);
        taken = v.taken ? at + v.taken : taken;
        if (!error && work)
            error = rhi__progress(work, "looking for static objects", at - start, end - start);
    }
    rhi__scratch_free(&scratch);
    return error;
}

/* ---- what leads to candidates --------------------------------------------------------------- */

/* The word at `from`, outside of the candidate, leads to what it holds. */
static void lead(search *s, uint64_t from, uint64_t value)
{
    candidate *items = s->candidates.items;
    uint64_t count = s->candidates.count, i = rhi__first(0, count, at, items[at].start >= value);
    if (i < count && items[i].start == value && from - value >= items[i].end - value)
        items[i].is_led_to = true;
}

static rhi_error *lead_from_data(search *s, const rhi_range *range)
{
    rhi_scratch scratch = {0};
    uint64_t got, low = s->candidates.items[0].start,
                  span = s->candidates.items[s->candidates.count - 1].start - low;
    rhi_error *error = NULL;
    for (uint64_t at = (range->start + 7) & ~7ull; at < range->end && !error; at += STEP_BYTES) {
        uint64_t size = range->end - at < STEP_BYTES ? range->end - at : STEP_BYTES;
        const uint8_t *bytes = rhi__memory_view(s->py->memory, at, size, &scratch, &got);
        for (uint64_t i = 0; bytes && i + 8 <= got; i += 8)
            if (rhi__load64(bytes + i) - low <= span)
                lead(s, at + i, rhi__load64(bytes + i));
        if (s->py->memory->work)
            error = rhi__progress(s->py->memory->work, "looking for static objects",
                                  at - range->start, range->end - range->start);
    }
    rhi__scratch_free(&scratch);
    return error;
}

static bool lead_from_entry(void *context, const py_entry *entry)
{
    lead(context, entry->value_slot, entry->value);
    return true;
}

static bool lead_from_module(void *context, const py_entry *entry)
{
    enum { MD_DICT = 16 };
    search *s = context;
    uint64_t dict;
    if (entry->value && rhi__memory_u64(s->py->memory, entry->value + MD_DICT, &dict))
        rhi__py_each_entry(s->py, dict, lead_from_entry, s);
    return true;
}

/* What a metatype has of its own in a type: for numpy, the one object of the type. */
static void lead_from_type(search *s, const py_type *type)
{
    uint64_t meta, value, at = s->py->at->heap_type_size;
    const py_type *known = rhi__memory_u64(s->py->memory, type->address + PY_OB_TYPE, &meta)
                               ? rhi__py_known_type(s->py, meta)
                               : NULL;
    for (at = (at + 7) & ~7ull; known && at + 8 <= known->basicsize; at += 8)
        if (rhi__memory_u64(s->py->memory, type->address + at, &value))
            lead(s, type->address + at, value);
}

static rhi_error *add_candidates(search *s)
{
    uint64_t end = 0;
    if (!s->candidates.count)
        return NULL;
    for (uint64_t i = 0; i < s->program->data.count; i++)
        RHI_TRY(lead_from_data(s, &s->program->data.items[i]));
    for (uint64_t i = 0; i < s->py->types.count; i++)
        lead_from_type(s, &s->py->types.items[i]);
    for (uint64_t i = 0; i < s->py->interpreters.count; i++)
        rhi__py_each_entry(s->py, s->py->interpreters.items[i].modules, lead_from_module, s);
    for (uint64_t i = 0; i < s->candidates.count; i++) {
        const candidate *each = &s->candidates.items[i];
        if (!each->is_led_to || each->start < end)
            continue;
        RHI_TRY(add(s, each->start, each->end, 0));
        end = each->end;
    }
    return NULL;
}

/* ---- the interface -------------------------------------------------------------------------- */

static rhi_error *finish(search *s, rhi_error *error)
{
    if (!error)
        error = add_candidates(s);
    free(s->candidates.items);
    return error;
}

rhi_error *rhi__py_add_statics(py_runtime *py, const rhi_program *program, rhi_blocks *blocks)
{
    search s = begin(py, program, 0, blocks);
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < program->data.count && !error; i++)
        error = search_range(&s, program->data.items[i].start, program->data.items[i].end);
    return finish(&s, error);
}

rhi_error *rhi__py_static_near(py_runtime *py, const rhi_program *program, const rhi_range *data,
                               uint64_t address, rhi_blocks *blocks)
{
    enum { NEAR_BYTES = 1 << 16 };
    search s = begin(py, program, address, blocks);
    uint64_t start = address - data->start > NEAR_BYTES ? address - NEAR_BYTES : data->start,
             end = data->end - address > OVERLAP_BYTES ? address + OVERLAP_BYTES : data->end;
    return finish(&s, search_range(&s, start, end));
}
