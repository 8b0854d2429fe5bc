/* known_types.c - the types that CPython itself has: which of them have a layout of their own, and
 * how they are told from each other where their names cannot be read (see python.h).
 *
 * The name of a type that was made in C lies in read-only data, of which a core has nothing. But
 * its dict lies in memory that a core has, and so do those of the modules that have the type under
 * its name. Invariant: a name that was found so is that of one type alone. */
#include "base/array.h"
#include "heap/reader.h"
#include "readers/cpython/python.h"

#include <string.h>

/* ---- layouts -------------------------------------------------------------------------------- */

/* What the flags of a type tell (of int, str, bytes, list, …) needs no name. */
static const struct {
    const char *name;
    uint8_t layout;
} layouts[] = {{"float", PY_PLAIN},
               {"complex", PY_PLAIN},
               {"bytearray", PY_PLAIN},
               {"array.array", PY_PLAIN},
               {"decimal.Decimal", PY_PLAIN},
               {"set", PY_SET},
               {"frozenset", PY_SET},
               {"function", PY_FUNCTION},
               {"method", PY_METHOD},
               {"builtin_function_or_method", PY_BUILTIN},
               {"cell", PY_CELL},
               {"code", PY_CODE},
               {"generator", PY_GENERATOR},
               {"coroutine", PY_GENERATOR},
               {"async_generator", PY_GENERATOR},
               {"frame", PY_FRAME},
               {"traceback", PY_TRACEBACK},
               {"module", PY_MODULE},
               {"weakref", PY_WEAKREF},
               {"weakproxy", PY_WEAKREF},
               {"weakcallableproxy", PY_WEAKREF},
               {"weakref.ReferenceType", PY_WEAKREF},
               {"weakref.ProxyType", PY_WEAKREF},
               {"weakref.CallableProxyType", PY_WEAKREF},
               {"method_descriptor", PY_DESCRIPTOR},
               {"classmethod_descriptor", PY_DESCRIPTOR},
               {"wrapper_descriptor", PY_DESCRIPTOR},
               {"getset_descriptor", PY_DESCRIPTOR},
               {"member_descriptor", PY_DESCRIPTOR},
               {"collections.deque", PY_DEQUE},
               {"collections.OrderedDict", PY_ORDERED_DICT},
               {"functools._lru_cache_wrapper", PY_LRU_CACHE},
               {"functools._lru_list_elem", PY_LRU_LINK},
               {"_contextvars.ContextVar", PY_CONTEXT_VAR},
               {"ContextVar", PY_CONTEXT_VAR},
               {"memoryview", PY_MEMORYVIEW},
               {"xml.etree.ElementTree.Element", PY_ELEMENT},
               {"itertools.groupby", PY_GROUPBY},
               {"itertools._tee_dataobject", PY_TEE_DATA},
               {"re.Match", PY_MATCH},
               {"_thread._localdummy", PY_LOCAL_DUMMY},
               {"_asyncio.Future", PY_FUTURE},
               {"_asyncio.Task", PY_TASK},
               {"_thread._local", PY_LOCAL},
               {"_io.BufferedRWPair", PY_RW_PAIR},
               {"pyexpat.xmlparser", PY_XML_PARSER},
               {"pyexpat.XMLParserType", PY_XML_PARSER},
               {"_elementtree._element_iterator", PY_ELEMENT_ITERATOR},
               {"_queue.SimpleQueue", PY_RING_QUEUE},
               {"_ctypes._CData", PY_CDATA},
               {"_ctypes.CFuncPtr", PY_CFUNCTION},
               {"_ctypes.PyCFuncPtr", PY_CFUNCTION}};

/* Of layouts that changed, or whose structs are C's own: what other versions have is left alone. */
static const struct {
    uint8_t layout, first, last; /* minor versions */
    uint8_t basicsize;
} sizes[] = {{PY_LOCAL, PY_MINOR_MIN, 12, 64},     {PY_LOCAL, 13, 13, 56},
             {PY_RW_PAIR, PY_MINOR_MIN, 13, 48},   {PY_XML_PARSER, PY_MINOR_MIN, 12, 72},
             {PY_XML_PARSER, 13, 13, 80},          {PY_ELEMENT_ITERATOR, PY_MINOR_MIN, 13, 64},
             {PY_RING_QUEUE, 13, 13, 72},          {PY_CDATA, PY_MINOR_MIN, 13, 96},
             {PY_CFUNCTION, PY_MINOR_MIN, 13, 160}};

enum py_layout rhi__py_layout_of_name(const char *name)
{
    for (uint64_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (strcmp(layouts[i].name, name) == 0)
            return layouts[i].layout;
    return PY_OWN_WORDS;
}

bool rhi__py_is_as_named(py_runtime *py, const py_type *type, const char *name)
{
    return strchr(name, '.') ? rhi__py_is_made_in_c(py, type) : rhi__py_is_own_type(py, type);
}

bool rhi__py_has_size_of(const py_runtime *py, const py_type *type, enum py_layout layout)
{
    bool is_listed = false;
    for (uint64_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        is_listed |= sizes[i].layout == layout;
        if (sizes[i].layout == layout && py->minor >= sizes[i].first &&
            py->minor <= sizes[i].last && type->basicsize == sizes[i].basicsize)
            return true;
    }
    return !is_listed;
}

uint64_t rhi__py_hidden_words(const py_runtime *py, const py_type *type, const char *name)
{
    /* what is not written yet; the context, and the owner's weak reference; the timer */
    static const struct {
        const char *name;
        uint8_t first, last; /* minor versions */
        uint8_t basicsize;
        uint64_t hidden;
    } rows[] = {{"_io.StringIO", PY_MINOR_MIN, 11, 120, 1u << 7 | 1u << 8},
                {"_ssl._SSLSocket", 10, 11, 96, 1u << 4 | 1u << 6},
                {"_ssl._SSLSocket", 12, 13, 80, 1u << 4 | 1u << 6},
                {"_lsprof.Profiler", PY_MINOR_MIN, 11, 64, 1u << 6},
                {"_lsprof.Profiler", 12, 12, 80, 1u << 6}};
    for (uint64_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0 && py->minor >= rows[i].first &&
            py->minor <= rows[i].last && type->basicsize == rows[i].basicsize)
            return rows[i].hidden;
    return 0;
}

bool rhi__py_may_lack_zone(const char *name)
{
    name += name[0] == '_'; /* of its file's name */
    return strcmp(name, "datetime.time") == 0 || strcmp(name, "datetime.datetime") == 0;
}

/* ---- by objects that are always there ------------------------------------------------------- */

typedef struct naming {
    py_runtime *py;
    uint64_t builtins;   /* dict */
    const char *module;  /* whose dict is looked through */
    uint64_t module_key; /* its name, a str */
    uint8_t *rank;       /* of the names that were found, by number of type: higher is better */
    uint64_t left;       /* entries that may still be looked at */
} naming;

enum rank { NAMELESS, BY_TYPES, BY_PRIVATE, BY_MODULE, BY_KNOWN, BY_BUILTINS, CERTAIN };

/* How well an attribute of a module names a type. */
static enum rank rank_of(const char *module, const char *name)
{
    return strcmp(module, "builtins") == 0           ? BY_BUILTINS
           : rhi__py_layout_of_name(name)            ? BY_KNOWN
           : rhi__py_may_lack_zone(name)             ? BY_KNOWN
           : strcmp(module, "_collections_abc") == 0 ? BY_KNOWN
           : strcmp(module, "types") == 0            ? BY_TYPES
           : module[0] == '_'                        ? BY_PRIVATE
                                                     : BY_MODULE;
}

static void give_name(naming *n, const py_type *type, enum rank rank, const char *name)
{
    uint64_t number = type ? (uint64_t)(type - n->py->types.items) : n->py->types.count;
    rhi_type *known = &n->py->reader->types.items[n->py->first_type + number];
    if (!type || type->is_heap_type || n->rank[number] >= rank ||
        (known->qualified[0] && n->rank[number] == NAMELESS))
        return;
    n->rank[number] = (uint8_t)rank;
    rhi__cut_name(name, strlen(name), known->qualified);
}

static uint64_t dict_of(const py_runtime *py, uint64_t address)
{
    const py_type *type = rhi__py_known_type(py, address);
    return type ? type->dict : 0;
}

static void name_type_of(naming *n, uint64_t object, const char *name)
{
    uint64_t type;
    if (rhi__memory_u64(n->py->memory, object + PY_OB_TYPE, &type))
        give_name(n, rhi__py_known_type(n->py, type), CERTAIN, name);
}

/* `in`: the dict that has an object of the type under the key. */
static void name_by_objects(naming *n)
{
    enum { OBJECT, TYPE, BUILTINS, MODULES, MD_DEF = 24 };
    static const struct {
        const char *name, *key;
        uint8_t in;
    } rows[] = {{"wrapper_descriptor", "__init__", OBJECT},
                {"method_descriptor", "__reduce__", OBJECT},
                {"classmethod_descriptor", "__init_subclass__", OBJECT},
                {"getset_descriptor", "__class__", OBJECT},
                {"builtin_function_or_method", "__new__", OBJECT},
                {"member_descriptor", "__basicsize__", TYPE},
                {"module", "sys", MODULES},
                {"NoneType", "None", BUILTINS},
                {"NotImplementedType", "NotImplemented", BUILTINS},
                {"ellipsis", "Ellipsis", BUILTINS}};
    const uint64_t dicts[] = {dict_of(n->py, n->py->object_type), dict_of(n->py, n->py->type_type),
                              n->builtins, n->py->interpreters.items[0].modules};
    uint64_t sys = rhi__py_dict_get(n->py, dicts[MODULES], "sys"), definition;
    if (sys && rhi__memory_u64(n->py->memory, sys + MD_DEF, &definition) && definition)
        name_type_of(n, definition, "moduledef");
    for (uint64_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t object = rhi__py_dict_get(n->py, dicts[rows[i].in], rows[i].key);
        if (object)
            name_type_of(n, object, rows[i].name);
    }
}

/* ---- by what their dicts have --------------------------------------------------------------- */

/* Attributes that no other type of CPython 3.9 to 3.13 has, or not both. Types of extensions that
 * imitate these have them, too. */
static const struct {
    const char *name, *key, *other;
} attributes[] = {{"function", "__closure__", NULL},
                  {"method", "__func__", "__self__"},
                  {"cell", "cell_contents", NULL},
                  {"code", "co_consts", NULL},
                  {"frame", "f_back", NULL},
                  {"traceback", "tb_next", NULL},
                  {"generator", "gi_code", NULL},
                  {"coroutine", "cr_await", NULL},
                  {"async_generator", "ag_await", NULL},
                  {"weakref.ReferenceType", "__callback__", NULL},
                  {"weakref.ProxyType", "__abs__", "__bytes__"},
                  {"weakref.CallableProxyType", "__abs__", "__call__"},
                  {"method-wrapper", "__objclass__", "__eq__"},
                  {"types.GenericAlias", "__mro_entries__", "__origin__"},
                  {"hamt", "delete", NULL}};

enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };

typedef struct keys {
    py_runtime *py;
    uint32_t has, has_other; /* a bit for each row of `attributes` */
} keys;

static bool match_attributes(void *context, const py_entry *entry)
{
    keys *k = context;
    char text[32];
    if (!rhi__py_text(k->py, entry->key, text, sizeof text))
        return true;
    for (unsigned i = 0; i < ATTRIBUTES; i++) {
        k->has |= (uint32_t)(strcmp(text, attributes[i].key) == 0) << i;
        k->has_other |= (uint32_t)(!attributes[i].other || strcmp(text, attributes[i].other) == 0)
                        << i;
    }
    return true;
}

static void name_by_attributes(naming *n, uint64_t first)
{
    py_runtime *py = n->py;
    for (uint64_t i = first; i < py->types.count; i++) {
        const py_type *type = &py->types.items[i];
        keys k = {.py = py};
        if (py->reader->types.items[py->first_type + i].qualified[0] ||
            !rhi__py_is_own_type(py, type))
            continue;
        rhi__py_each_entry(py, type->dict, match_attributes, &k);
        if (k.has & k.has_other)
            give_name(n, type, CERTAIN, attributes[__builtin_ctz(k.has & k.has_other)].name);
    }
}

/* ---- by modules ----------------------------------------------------------------------------- */

static bool name_by_attribute(void *context, const py_entry *entry)
{
    naming *n = context;
    char own[RHI_NAME_SIZE], module[RHI_NAME_SIZE], both[2 * RHI_NAME_SIZE];
    const py_type *type = rhi__py_known_type(n->py, entry->value);
    if (n->left-- == 0)
        return n->left = 0, false;
    if (!type || type->is_heap_type || n->rank[type - n->py->types.items] >= BY_BUILTINS ||
        !rhi__py_text(n->py, entry->key, own, sizeof own) ||
        !rhi__py_text(n->py, n->module_key, module, sizeof module))
        return true;
    rhi__text(both, sizeof both, "%s.%s", module, own);
    enum rank rank = rank_of(module, both);
    bool is_plain = rank == BY_BUILTINS || strcmp(module, "_collections_abc") == 0;
    give_name(n, type, rank, is_plain ? own : both);
    return true;
}

static bool name_by_module(void *context, const py_entry *entry)
{
    enum { MD_DICT = 16 };
    naming *n = context;
    uint64_t dict;
    n->module_key = entry->key;
    if (rhi__memory_u64(n->py->memory, entry->value + MD_DICT, &dict))
        rhi__py_each_entry(n->py, dict, name_by_attribute, n);
    return n->left > 0;
}

bool rhi__py_name_nameless(py_runtime *py, uint64_t first)
{
    enum { ENTRIES_MAX = 1 << 24 };
    naming n = {.py = py, .builtins = py->interpreters.items[0].builtins, .left = ENTRIES_MAX};
    bool any = false;
    for (uint64_t i = first; i < py->types.count && !any; i++)
        any = !py->types.items[i].is_heap_type &&
              !py->reader->types.items[py->first_type + i].qualified[0];
    if (!any)
        return true;
    n.rank = calloc(py->types.count + 1, sizeof *n.rank);
    if (!n.rank)
        return false;
    memset(n.rank, CERTAIN, first);
    name_by_objects(&n);
    name_by_attributes(&n, first);
    rhi__py_each_entry(py, py->interpreters.items[0].modules, name_by_module, &n);
    free(n.rank);
    return true;
}
