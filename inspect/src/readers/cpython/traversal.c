/* traversal.c - what the collector is told of objects: all that their slots show, or less, or more
 * (see python.h).
 *
 * A type's tp_traverse is code, which is not read. But there are few: that of all classes of Python
 * code goes on to that of their base in C; a type in C that has the one of its base tells nothing
 * of its own words; what CPython's own types do is known. Whatever else has one is opaque.
 * Invariant: a type that is not opaque has no references but its slots, and the collector is told
 * of each of them, but for those that are unseen. */
#include "base/cycle_guard.h"
#include "readers/cpython/views.h"
#include "target/window.h"

#include <string.h>

enum { WORDS = 64, STEP = 4096, MODULE_DEF = 24, DEF_TRAVERSE = 80 };

/* Types that tell the collector of each of their own words that leads to an object, and have no
 * other references: so in all of 3.9 to 3.13. */
static const char *const told[] = {
    "ImportError", "StopIteration", "SystemExit", "SyntaxError", "OSError", "NameError",
    "AttributeError", "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeTranslateError",
    "BaseExceptionGroup", "list_iterator", "list_reverseiterator", "tuple_iterator", "set_iterator",
    "dict_keyiterator", "dict_valueiterator", "dict_itemiterator", "dict_reversekeyiterator",
    "dict_reversevalueiterator", "dict_reverseitemiterator", "dict_keys", "dict_values",
    "dict_items", "odict_iterator", "odict_keys", "odict_values", "odict_items", "str_iterator",
    "str_ascii_iterator", "bytes_iterator", "bytearray_iterator", "memory_iterator", "iterator",
    "callable_iterator", "reversed", "enumerate", "map", "filter", "zip", "slice", "super",
    "property", "classmethod", "staticmethod", "mappingproxy", "method-wrapper", "managedbuffer",
    "coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "hamt",
    "hamt_bitmap_node", "hamt_array_node", "hamt_collision_node", "Context", "Token",
    "types.GenericAlias", "types.UnionType", "types.SimpleNamespace", "_contextvars.Context",
    "_contextvars.Token", "typing.TypeVar", "typing.ParamSpec", "typing.TypeVarTuple",
    "typing.TypeAliasType", "typing.Generic", "typing.ParamSpecArgs", "typing.ParamSpecKwargs",
    "array.arrayiterator", "collections.defaultdict", "_collections._deque_iterator",
    "_collections._deque_reverse_iterator", "collections._tuplegetter", "functools.partial",
    "functools.KeyWrapper", "operator.attrgetter", "operator.itemgetter", "operator.methodcaller",
    "itertools._grouper", "itertools._tee", "itertools.accumulate", "itertools.batched",
    "itertools.chain", "itertools.combinations", "itertools.combinations_with_replacement",
    "itertools.compress", "itertools.count", "itertools.cycle", "itertools.dropwhile",
    "itertools.filterfalse", "itertools.islice", "itertools.pairwise", "itertools.permutations",
    "itertools.product", "itertools.repeat", "itertools.starmap", "itertools.takewhile",
    "itertools.zip_longest", "_abc._abc_data", "_asyncio.FutureIter", "_csv.Dialect", "_csv.reader",
    "_csv.writer", "_io.FileIO", "_io.BytesIO", "_io._BytesIOBuffer", "_io.StringIO",
    "_io.TextIOWrapper", "_lsprof.Profiler", "_io.BufferedReader", "_io.BufferedWriter",
    "_io.BufferedRandom", "_io._IOBase", "_io._RawIOBase", "_io._BufferedIOBase", "_io._TextIOBase",
    "_json.Encoder", "_json.Scanner", "_queue.SimpleQueue", "_random.Random", "_sre.SRE_Scanner",
    "re.Pattern", "_struct.Struct", "_struct.unpack_iterator", "_socket.socket", "_ssl._SSLSocket",
    "_ssl.MemoryBIO", "_thread.lock", "_thread.RLock", "sqlite3.Cursor", "sqlite3.Row",
    "sqlite3.Statement", "zoneinfo.ZoneInfo", "ast.AST", "_ast.AST",
    /* classes of ctypes; what is told of the dicts that these have, hidden_words says */
    "_ctypes.PyCStructType", "_ctypes.UnionType", "_ctypes.PyCPointerType", "_ctypes.PyCArrayType",
    "_ctypes.PyCSimpleType", "_ctypes.PyCFuncPtrType", "_ctypes.CType_Type", "_ctypes.DictRemover",
    "_ctypes.CArgObject", "_multiprocessing.SemLock", "_ctypes.CThunkObject"};

/* The same of types of extensions that CPython comes with, whose names do not say so. */
static const char *const told_unmarked[] = {"TaskStepMethWrapper", "TaskWakeupMethWrapper",
                                            "CArgObject", "StgDict"};

static bool is_listed(const char *const *names, uint64_t count, const char *name)
{
    for (uint64_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool is_told(py_runtime *py, const py_type *type, const char *name)
{
    return is_listed(told, sizeof told / sizeof *told, name)
               ? rhi__py_is_as_named(py, type, name)
               : is_listed(told_unmarked, sizeof told_unmarked / sizeof *told_unmarked, name) &&
                     rhi__py_is_made_in_c(py, type);
}

/* Words from `first` on, in front of `end`: bytes from the object on. */
static uint64_t words_between(uint64_t first, uint64_t end)
{
    uint64_t below = first / 8 < WORDS ? (1ull << first / 8) - 1 : UINT64_MAX;
    return (end / 8 < WORDS ? (1ull << end / 8) - 1 : UINT64_MAX) & ~below;
}

void rhi__py_note_traversal(py_runtime *py, const py_type *type, const char *name)
{
    if (!py->class_traverse && type->is_heap_type && type->base == py->object_type &&
        strcmp(name, "_frozen_importlib.ModuleSpec") == 0)
        py->class_traverse = type->traverse;
}

/* Is its tp_traverse that of Python's classes, which tells of slots and attributes, and goes on to
 * the next base that has another one? Where that function is not known, classes are told by their
 * looks. */
static bool is_class(py_runtime *py, const py_type *type)
{
    return type->is_heap_type && (py->class_traverse ? type->traverse == py->class_traverse
                                                     : !rhi__py_is_made_in_c(py, type));
}

/* What a type's tp_traverse leaves out of its objects' own words. */
static uint64_t hidden_words(py_runtime *py, const py_type *type, const char *name,
                             const py_type *base)
{
    enum { STGDICT_PROTO = 96 };
    uint64_t own = rhi__py_hidden_words(py, type, name), of_base = base ? base->hidden : 0;
    if (own && rhi__py_is_as_named(py, type, name))
        return own;
    if (!base || !(type->flags & PY_FLAG_GC) || base->basicsize <= PY_OB_SIZE)
        return of_base;
    /* nothing is told of a base that has no tp_traverse */
    if (!base->traverse && is_class(py, type))
        return words_between(0, base->basicsize);
    if (!is_class(py, type) && type->traverse == base->traverse &&
        type->basicsize > base->basicsize)
        of_base |= words_between(base->basicsize, type->basicsize);
    /* the class that has it tells of that */
    if (strcmp(name, "StgDict") == 0 && rhi__py_is_made_in_c(py, type))
        of_base &= ~(1ull << STGDICT_PROTO / 8);
    return of_base;
}

/* Is all known that the collector is told of its objects? Its base is judged already. */
static bool is_known(py_runtime *py, const py_type *type, const char *name, const py_type *base)
{
    bool has_more = !base || type->basicsize > base->basicsize;
    if (is_class(py, type))
        return base && (!base->traverse || !base->is_opaque) &&
               !(has_more && rhi__py_is_made_in_c(py, type));
    if (base && base->traverse && type->traverse == base->traverse && type->basicsize <= WORDS * 8)
        return !base->is_opaque;
    if (type->flags & PY_FLAG_TUPLE && type->items)
        return true; /* a named tuple of C */
    if (type->layout == PY_EXCEPTION && !has_more)
        return rhi__py_is_own_type(py, type);
    return is_told(py, type, name) ||
           (type->layout != PY_OWN_WORDS && type->layout_end == type->basicsize &&
            (rhi__py_is_own_type(py, type) || rhi__py_layout_of_name(name) != PY_OWN_WORDS));
}

void rhi__py_find_traversal(py_runtime *py, py_type *type, const char *name)
{
    const py_type *base = rhi__py_known_type(py, type->base);
    type->hidden = hidden_words(py, type, name, base);
    if (type->flags & PY_FLAG_GC || type->traverse)
        type->is_opaque = !is_known(py, type, name, base);
    else /* the collector knows none of its objects; but what of their words are references? */
        type->is_opaque = type->layout == PY_OWN_WORDS && type->basicsize > type->layout_end &&
                          !is_told(py, type, name);
}

bool rhi__py_hides(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes)
{
    const py_runtime *py = py_of_heap(reader, object->heap);
    const py_type *type = py_type_of(py, object);
    uint64_t prefix = object->address - object->start, definition, traverse = 0;
    if (!type || type->layout != PY_MODULE || type->is_opaque)
        return true;
    /* of a module that has a state in C its definition says it */
    if (prefix + MODULE_DEF + 8 > object->slot_size)
        return true;
    definition = rhi__load64(bytes + prefix + MODULE_DEF);
    return definition &&
           (!rhi__memory_u64(reader->memory, definition + DEF_TRAVERSE, &traverse) || traverse);
}

/* ---- what is frozen ------------------------------------------------------------------------- */

static bool each_on_list(py_runtime *py, uint64_t head,
                         void (*visit)(void *context, uint64_t address), void *context)
{
    rhi_window window = {.memory = py->memory, .step = STEP};
    rhi_cycle_guard guard = {0};
    bool is_whole = true;
    for (uint64_t at = head; is_whole;) {
        is_whole = rhi__window_u64(&window, at, &at);
        at &= ~(uint64_t)PY_GC_LINK_FLAGS;
        if (at == head || !is_whole)
            break;
        is_whole = at && !rhi__is_repeated(&guard, at);
        if (is_whole)
            visit(context, at + PY_GC_PREFIX);
    }
    rhi__scratch_free(&window.scratch);
    return is_whole;
}

bool rhi__py_each_frozen(rhi_reader *reader, void (*visit)(void *context, uint64_t address),
                         void *context)
{
    const rhi_heap_info *heaps = reader->heaps.items;
    const py_runtime *last = NULL;
    bool is_whole = true;
    for (uint64_t i = 0; i < reader->heaps.count; i++) {
        py_runtime *py =
            heaps[i].format->each_frozen == rhi__py_each_frozen ? heaps[i].state : NULL;
        for (uint64_t j = 0; py && py != last && j < py->interpreters.count; j++)
            is_whole &= each_on_list(
                py, rhi__py_list_head(&py->interpreters.items[j], PY_GC_LISTS - 1), visit, context);
        last = py ? py : last;
    }
    return is_whole;
}
