/* types_check.c - do the facts of a type agree with one another, and with those of its base? What
 * its objects hold, and where, rests on them (see python.h).
 *
 * Invariant: all types of a sound interpreter agree, whoever made them; one that does not is
 * damage: what its objects hold is not known then, and nothing that rests on it is certain. */
#include "readers/cpython/views.h"

#include <string.h>

enum {
    DICT_IN_FRONT = -1, /* dictoffset: the word is in front of the object, from 3.12 on */
    WEAK_IN_FRONT = -32,
    ITEMS_MAX = 1 << 10, /* bases, and bases of bases */
    TUPLE_ITEMS = 24
};
#define SUBCLASS                                                                                   \
    (PY_FLAG_LONG | PY_FLAG_LIST | PY_FLAG_TUPLE | PY_FLAG_BYTES | PY_FLAG_STR | PY_FLAG_DICT |    \
     PY_FLAG_EXCEPTION | PY_FLAG_TYPE)

/* As the type has them itself. */
typedef struct facts {
    uint64_t basicsize, itemsize, base, bases;
    int64_t dict, weak;
    uint32_t flags;
    bool is_made_in_c;
} facts;

static bool read_facts(py_runtime *py, uint64_t address, facts *f)
{
    uint8_t head[PY_TYPE_READ_BYTES];
    if (rhi__memory_read(py->memory, address, head, sizeof head) != sizeof head)
        return false;
    *f = (facts){.basicsize = rhi__load64(head + PY_TP_BASICSIZE),
                 .itemsize = rhi__load64(head + PY_TP_ITEMSIZE),
                 .base = rhi__load64(head + PY_TP_BASE),
                 .bases = rhi__load64(head + PY_TP_BASES),
                 .dict = (int64_t)rhi__load64(head + PY_TP_DICTOFFSET),
                 .weak = (int64_t)rhi__load64(head + PY_TP_WEAKLISTOFFSET),
                 .flags = rhi__load32(head + PY_TP_FLAGS)};
    return true;
}

bool rhi__py_is_made_in_c(py_runtime *py, const py_type *type)
{
    char name[RHI_NAME_SIZE];
    uint64_t module = 0, at;
    return !type->is_heap_type ||
           (rhi__memory_u64(py->memory, type->address + py->at->ht_module, &module) && module) ||
           (rhi__memory_u64(py->memory, type->address + PY_TP_NAME, &at) &&
            rhi__module_name(py->files, py->memory, at, name) && strchr(name, '.'));
}

/* ---- sizes and offsets ---------------------------------------------------------------------- */

static const char *wrong_size(const facts *f, const facts *base)
{
    if (f->basicsize < base->basicsize)
        return "its objects are smaller than those of its base";
    if (f->itemsize == 0 && f->basicsize % 8)
        return "the size of its objects is no multiple of 8";
    if (base->itemsize && f->itemsize != base->itemsize)
        return "its items are larger or smaller than those of its base";
    return NULL;
}

/* A word of the object's own: behind those of its base. What is made in C need not begin with what
 * its base has. */
static bool is_own_word(const facts *f, const facts *base, int64_t offset)
{
    int64_t start = f->is_made_in_c ? PY_OB_SIZE : (int64_t)base->basicsize;
    return offset >= start && offset % 8 == 0 && offset + 8 <= (int64_t)f->basicsize;
}

/* Do flags and offset say that the `__dict__` is in front of the object? 3.11 counts from behind.
 */
static bool disagrees(const py_runtime *py, const facts *f)
{
    bool in_front = f->flags & PY_FLAG_MANAGED_DICT;
    return py->at->has_managed_dict &&
           in_front != (py->minor == 11 ? f->dict < -8 : f->dict == DICT_IN_FRONT);
}

static const char *wrong_dict(const py_runtime *py, const facts *f, const facts *base)
{
    if (disagrees(py, f))
        return "its dictoffset and its flags disagree";
    if (base->dict && !f->dict)
        return "its base has a __dict__, and it has none";
    if (!f->dict || f->dict == base->dict ||
        (py->at->has_managed_dict && f->flags & PY_FLAG_MANAGED_DICT))
        return NULL;
    if (base->dict && !f->is_made_in_c)
        return "its dictoffset is not that of its base";
    return (f->dict < 0 ? f->itemsize && f->dict % 8 == 0 : is_own_word(f, base, f->dict))
               ? NULL
               : "its dictoffset leads to no word of its own";
}

static const char *wrong_weak(const py_runtime *py, const facts *f, const facts *base)
{
    bool in_front = py->at->has_managed_weakref && f->flags & PY_FLAG_MANAGED_WEAKREF;
    if (py->at->has_managed_weakref && (f->weak == WEAK_IN_FRONT) != in_front)
        return "its weaklistoffset and its flags disagree";
    if (base->weak && !f->weak)
        return "its base has weak references, and it has none";
    if (f->weak && f->weak == f->dict)
        return "its weaklistoffset is its dictoffset";
    if (!f->weak || f->weak == base->weak || in_front)
        return NULL;
    if (base->weak && !f->is_made_in_c)
        return "its weaklistoffset is not that of its base";
    return is_own_word(f, base, f->weak) ? NULL : "its weaklistoffset leads to no word of its own";
}

/* A slot that a class declares is no other word's place, and inside of its objects. */
static const char *wrong_members(py_runtime *py, const py_type *type, const facts *f)
{
    uint64_t at, slots;
    uint8_t member[PY_MEMBER_BYTES];
    if (!type->is_heap_type ||
        !rhi__memory_u64(py->memory, type->address + py->at->ht_slots, &slots) || !slots ||
        !rhi__memory_u64(py->memory, type->address + PY_TP_MEMBERS, &at))
        return NULL;
    for (unsigned i = 0; i < ITEMS_MAX; i++, at += PY_MEMBER_BYTES) {
        if (rhi__memory_read(py->memory, at, member, sizeof member) != sizeof member ||
            !rhi__load64(member))
            return NULL;
        int64_t offset = (int64_t)rhi__load64(member + 16);
        if (rhi__load32(member + 8) != PY_MEMBER_OBJECT_EX)
            continue;
        if (offset < PY_OB_SIZE || offset + 8 > (int64_t)f->basicsize)
            return "one of its __slots__ lies outside of its objects";
        if (offset == f->dict || offset == f->weak)
            return "one of its __slots__ lies where it has its __dict__ or weak references";
    }
    return NULL;
}

/* ---- flags ---------------------------------------------------------------------------------- */

static const char *wrong_flags(const py_runtime *py, const py_type *type, const facts *f,
                               const facts *base)
{
    uint32_t kinds = f->flags & SUBCLASS, of_base = base->flags & SUBCLASS,
             passed = PY_FLAG_GC | (py->at->has_managed_dict ? PY_FLAG_MANAGED_DICT : 0) |
                      (py->at->has_managed_weakref ? PY_FLAG_MANAGED_WEAKREF : 0);
    bool is_first = type->base == py->object_type && rhi__py_is_own_type(py, type);
    if (kinds != of_base && !(is_first && of_base == 0 && !(kinds & (kinds - 1))))
        return "its flags say that it is another kind of type than its base";
    if (base->flags & ~f->flags & passed)
        return "its flags lack one that its base has";
    if (py->at->has_inline_values && f->flags & PY_FLAG_INLINE_VALUES &&
        !(f->flags & PY_FLAG_MANAGED_DICT))
        return "its objects have values and no __dict__";
    return NULL;
}

/* A class has its name and qualified name behind what all types have. */
enum text { NO_TEXT, UNKNOWN_TEXT, TEXT };
static enum text text_at(py_runtime *py, uint64_t slot)
{
    uint64_t object, type, flags;
    if (!rhi__memory_u64(py->memory, slot, &object))
        return UNKNOWN_TEXT;
    if (!rhi__memory_region(py->memory, object))
        return NO_TEXT;
    if (!rhi__memory_u64(py->memory, object + PY_OB_TYPE, &type))
        return UNKNOWN_TEXT;
    const py_type *known = rhi__py_known_type(py, type);
    if (known)
        return known->flags & PY_FLAG_STR ? TEXT : NO_TEXT;
    if (!rhi__memory_region(py->memory, type))
        return NO_TEXT;
    return !rhi__memory_u64(py->memory, type + PY_TP_FLAGS, &flags) || flags & PY_FLAG_STR
               ? UNKNOWN_TEXT
               : NO_TEXT;
}

static const char *wrong_kind(py_runtime *py, const py_type *type)
{
    char name[RHI_NAME_SIZE], other[RHI_NAME_SIZE];
    uint64_t at, object;
    enum text short_one = text_at(py, type->address + py->at->ht_name),
              full = text_at(py, type->address + py->at->ht_qualname);
    if (type->is_heap_type)
        return short_one == NO_TEXT || full == NO_TEXT ? "it is a class, and has no name" : NULL;
    if (short_one != TEXT || full != TEXT ||
        !rhi__memory_u64(py->memory, type->address + PY_TP_NAME, &at) ||
        !rhi__memory_text(py->memory, at, name, sizeof name) ||
        !rhi__memory_u64(py->memory, type->address + py->at->ht_name, &object) ||
        !rhi__py_text(py, object, other, sizeof other))
        return NULL;
    const char *last = strrchr(name, '.');
    return strcmp(last ? last + 1 : name, other) ? NULL : "it has the name of a class, and is none";
}

/* ---- bases ---------------------------------------------------------------------------------- */

/* Has the tuple this object? True also if it cannot be read. */
static bool may_have(py_runtime *py, uint64_t tuple, uint64_t wanted)
{
    uint64_t count, item;
    if (!rhi__memory_u64(py->memory, tuple + PY_OB_SIZE, &count) || count > ITEMS_MAX)
        return true;
    for (uint64_t i = 0; i < count; i++)
        if (!rhi__memory_u64(py->memory, tuple + TUPLE_ITEMS + 8 * i, &item) || item == wanted)
            return true;
    return count == 0 && wanted == 0;
}

/* Has the core not all of it, or of its type? */
static bool is_type_lacking(py_runtime *py, uint64_t address)
{
    uint64_t meta;
    return py_lacks_type(py, address) ||
           (rhi__memory_u64(py->memory, address + PY_OB_TYPE, &meta) && py_lacks_type(py, meta));
}

/* ---- all of it ------------------------------------------------------------------------------ */

static const char not_among_bases[] = "its __base__ is not among its __bases__";

static const char *wrong_in(py_runtime *py, const py_type *type)
{
    const char *why = NULL;
    facts f, base = {0};
    if (!read_facts(py, type->address, &f) || !(f.flags & PY_FLAG_READY))
        return NULL;
    if (f.bases && !may_have(py, f.bases, f.base))
        return not_among_bases;
    if (!type->base || !read_facts(py, type->base, &base))
        return f.base && !is_type_lacking(py, f.base) ? "its __base__ is no type" : NULL;
    why = wrong_kind(py, type);
    f.is_made_in_c = rhi__py_is_made_in_c(py, type);
    why = why ? why : wrong_size(&f, &base);
    why = why ? why : wrong_flags(py, type, &f, &base);
    why = why ? why : wrong_dict(py, &f, &base);
    why = why ? why : wrong_weak(py, &f, &base);
    return why ? why : wrong_members(py, type, &f);
}

/* Each instance of a class has a count of it, and so has what is derived from it: a class without
 * one has none of these. It is being freed, or was: freed memory still leads to it, and its words
 * need not fit together any more. */
static bool is_gone(py_runtime *py, const py_type *type)
{
    uint64_t count;
    return type->is_heap_type && rhi__memory_u64(py->memory, type->address, &count) && count == 0;
}

/* Who assigns to `__bases__` changes the two words one after the other. */
static bool may_be_changing(py_runtime *py, const py_type *type)
{
    bool is_known;
    return py->at_hand &&
           py->at_hand(py, type->address, type->address + type->basicsize, &is_known);
}

void rhi__py_check_types(py_runtime *py, uint64_t first)
{
    for (uint64_t i = first; i < py->types.count; i++) {
        const py_type *type = &py->types.items[i];
        const char *why = is_gone(py, type) ? NULL : wrong_in(py, type);
        if (why == not_among_bases && may_be_changing(py, type))
            rhi__reader_problem(
                py->reader,
                "the class %s is being changed: its __base__ is not yet, or no more, "
                "among its __bases__",
                py->reader->types.items[py->first_type + i].qualified);
        else if (why)
            rhi__reader_damage(py->reader, type->address, RHI_FOUND_BAD_TYPE,
                               "the class %s is damaged: %s",
                               py->reader->types.items[py->first_type + i].qualified, why);
    }
}
