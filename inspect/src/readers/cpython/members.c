/* members.c - which words of an object of a known layout are references: those at fixed places (see
 * views.h).
 *
 * Names are those that Python code uses, where it has one. Invariant: a place is used only where
 * objects of the type have so many bytes: a generator has no origin, a coroutine has. */
#include "readers/cpython/views.h"

#include <stdio.h>
#include <string.h>

typedef struct place {
    uint8_t layout, first, last; /* minor versions */
    uint16_t at;
    const char *name;
} place;

enum { ALL = PY_MINOR_MIN, END = PY_MINOR_MAX };

static const place places[] = {
    {PY_FUNCTION, ALL, 9, 16, "__code__"},
    {PY_FUNCTION, ALL, 9, 24, "__globals__"},
    {PY_FUNCTION, ALL, 9, 32, "__defaults__"},
    {PY_FUNCTION, ALL, 9, 40, "__kwdefaults__"},
    {PY_FUNCTION, ALL, 9, 48, "__closure__"},
    {PY_FUNCTION, ALL, 9, 56, "__doc__"},
    {PY_FUNCTION, ALL, 9, 64, "__name__"},
    {PY_FUNCTION, ALL, 9, 72, "__dict__"},
    {PY_FUNCTION, ALL, 9, 88, "__module__"},
    {PY_FUNCTION, ALL, 9, 96, "__annotations__"},
    {PY_FUNCTION, ALL, 9, 104, "__qualname__"},
    {PY_FUNCTION, 10, END, 16, "__globals__"},
    {PY_FUNCTION, 10, END, 24, "__builtins__"},
    {PY_FUNCTION, 10, END, 32, "__name__"},
    {PY_FUNCTION, 10, END, 40, "__qualname__"},
    {PY_FUNCTION, 10, END, 48, "__code__"},
    {PY_FUNCTION, 10, END, 56, "__defaults__"},
    {PY_FUNCTION, 10, END, 64, "__kwdefaults__"},
    {PY_FUNCTION, 10, END, 72, "__closure__"},
    {PY_FUNCTION, 10, END, 80, "__doc__"},
    {PY_FUNCTION, 10, END, 88, "__dict__"},
    {PY_FUNCTION, 10, END, 104, "__module__"},
    {PY_FUNCTION, 10, END, 112, "__annotations__"},
    {PY_FUNCTION, 12, END, 120, "__type_params__"},
    {PY_METHOD, ALL, END, 16, "__func__"},
    {PY_METHOD, ALL, END, 24, "__self__"},
    {PY_BUILTIN, ALL, END, 24, "__self__"},
    {PY_BUILTIN, ALL, END, 32, "__module__"},
    {PY_BUILTIN, ALL, END, 56, "__objclass__"}, /* of builtin_method alone */
    {PY_CELL, ALL, END, 16, "cell_contents"},
    {PY_CODE, ALL, 10, 48, "co_code"},
    {PY_CODE, ALL, 10, 56, "co_consts"},
    {PY_CODE, ALL, 10, 64, "co_names"},
    {PY_CODE, ALL, 10, 72, "co_varnames"},
    {PY_CODE, ALL, 10, 80, "co_freevars"},
    {PY_CODE, ALL, 10, 88, "co_cellvars"},
    {PY_CODE, ALL, 10, 104, "co_filename"},
    {PY_CODE, ALL, 10, 112, "co_name"},
    {PY_CODE, ALL, 10, 120, "co_lnotab"},
    {PY_CODE, 11, END, 24, "co_consts"},
    {PY_CODE, 11, END, 32, "co_names"},
    {PY_CODE, 11, END, 40, "co_exceptiontable"},
    {PY_CODE, 11, END, 96, "co_localsplusnames"},
    {PY_CODE, 11, END, 104, "co_localspluskinds"},
    {PY_CODE, 11, END, 112, "co_filename"},
    {PY_CODE, 11, END, 120, "co_name"},
    {PY_CODE, 11, END, 128, "co_qualname"},
    {PY_CODE, 11, END, 136, "co_linetable"},
    {PY_CODE, 11, 11, 152, "co_code"},
    {PY_TYPE, ALL, END, PY_TP_DICT, "__dict__"},
    {PY_TYPE, ALL, END, PY_TP_BASES, "__bases__"},
    {PY_TYPE, ALL, END, PY_TP_MRO, "__mro__"},
    {PY_TYPE, ALL, END, PY_TP_CACHE, "tp_cache"},
    {PY_TYPE, ALL, END, PY_TP_SUBCLASSES, "tp_subclasses"},
    {PY_GENERATOR, ALL, 9, 16, "gi_frame"},
    {PY_GENERATOR, ALL, 9, 32, "gi_code"},
    {PY_GENERATOR, ALL, 9, 48, "__name__"},
    {PY_GENERATOR, ALL, 9, 56, "__qualname__"},
    {PY_GENERATOR, ALL, 9, 64, "exc_type"},
    {PY_GENERATOR, ALL, 9, 72, "exc_value"},
    {PY_GENERATOR, ALL, 9, 80, "exc_traceback"},
    {PY_GENERATOR, ALL, 9, 96, "cr_origin"},
    {PY_GENERATOR, 10, 10, 16, "gi_frame"},
    {PY_GENERATOR, 10, 10, 24, "gi_code"},
    {PY_GENERATOR, 10, 10, 40, "__name__"},
    {PY_GENERATOR, 10, 10, 48, "__qualname__"},
    {PY_GENERATOR, 10, 10, 56, "exc_type"},
    {PY_GENERATOR, 10, 10, 64, "exc_value"},
    {PY_GENERATOR, 10, 10, 72, "exc_traceback"},
    {PY_GENERATOR, 10, 10, 88, "cr_origin"},
    {PY_GENERATOR, 11, 11, 16, "gi_code"},
    {PY_GENERATOR, 11, 11, 32, "__name__"},
    {PY_GENERATOR, 11, 11, 40, "__qualname__"},
    {PY_GENERATOR, 11, 11, 48, "exc_value"},
    {PY_GENERATOR, 12, END, 24, "__name__"},
    {PY_GENERATOR, 12, END, 32, "__qualname__"},
    {PY_GENERATOR, 12, END, 40, "exc_value"},
    {PY_FRAME, ALL, 10, 24, "f_back"},
    {PY_FRAME, ALL, 10, 32, "f_code"},
    {PY_FRAME, ALL, 10, 40, "f_builtins"},
    {PY_FRAME, ALL, 10, 48, "f_globals"},
    {PY_FRAME, ALL, 10, 56, "f_locals"},
    {PY_FRAME, ALL, 9, 80, "f_trace"},
    {PY_FRAME, 10, 10, 72, "f_trace"},
    {PY_FRAME, 11, END, 16, "f_back"},
    {PY_FRAME, 11, END, 32, "f_trace"},
    {PY_FRAME, 13, END, 48, "f_extra_locals"},
    {PY_FRAME, 13, END, 56, "f_locals_cache"},
    {PY_MODULE, ALL, END, 16, "__dict__"},
    {PY_MODULE, ALL, END, 48, "__name__"},
    {PY_WEAKREF, ALL, END, 24, "__callback__"},
    {PY_DESCRIPTOR, ALL, END, 16, "__objclass__"},
    {PY_DESCRIPTOR, ALL, END, 24, "__name__"},
    {PY_DESCRIPTOR, ALL, END, 32, "__qualname__"},
    {PY_EXCEPTION, ALL, END, 16, "__dict__"},
    {PY_EXCEPTION, ALL, END, 24, "args"},
    {PY_EXCEPTION, ALL, 10, 32, "__traceback__"},
    {PY_EXCEPTION, ALL, 10, 40, "__context__"},
    {PY_EXCEPTION, ALL, 10, 48, "__cause__"},
    {PY_EXCEPTION, 11, END, 32, "__notes__"},
    {PY_EXCEPTION, 11, END, 40, "__traceback__"},
    {PY_EXCEPTION, 11, END, 48, "__context__"},
    {PY_EXCEPTION, 11, END, 56, "__cause__"},
    {PY_TRACEBACK, ALL, END, 16, "tb_next"},
    {PY_TRACEBACK, ALL, END, 24, "tb_frame"},
    {PY_ORDERED_DICT, ALL, END, 96, "__dict__"},
    {PY_LRU_CACHE, ALL, END, 72, "cache"},
    {PY_LRU_CACHE, ALL, END, 88, "__wrapped__"},
    {PY_LRU_CACHE, ALL, 9, 112, "cache_info_type"},
    {PY_LRU_CACHE, ALL, 9, 120, "__dict__"},
    {PY_LRU_CACHE, 10, END, 112, "kwd_mark"},
    {PY_LRU_CACHE, 10, END, 120, "lru_list_elem_type"},
    {PY_LRU_CACHE, 10, END, 128, "cache_info_type"},
    {PY_LRU_CACHE, 10, END, 136, "__dict__"},
    {PY_LRU_LINK, ALL, END, 40, "key"},
    {PY_LRU_LINK, ALL, END, 48, "result"},
    {PY_CONTEXT_VAR, ALL, END, 16, "name"},
    {PY_CONTEXT_VAR, ALL, END, 24, "default"},
    {PY_MEMORYVIEW, ALL, END, 24, "managed_buffer"},
    {PY_ELEMENT, ALL, END, 16, "tag"},
    {PY_ELEMENT, ALL, END, 24, "text"},
    {PY_ELEMENT, ALL, END, 32, "tail"},
    {PY_GROUPBY, ALL, END, 16, "iterator"},
    {PY_GROUPBY, ALL, END, 24, "keyfunc"},
    {PY_GROUPBY, ALL, END, 32, "tgtkey"},
    {PY_GROUPBY, ALL, END, 40, "currkey"},
    {PY_GROUPBY, ALL, END, 48, "currvalue"},
    {PY_MATCH, ALL, END, 24, "string"},
    {PY_MATCH, ALL, END, 32, "regs"},
    {PY_MATCH, ALL, END, 40, "re"},
    {PY_TEE_DATA, ALL, END, 16, "iterator"},
    {PY_TEE_DATA, ALL, END, 32, "next"},
    {PY_FUTURE, ALL, END, 16, "_loop"},
    {PY_FUTURE, ALL, END, 24, "callback"},
    {PY_FUTURE, ALL, END, 32, "context of callback"},
    {PY_FUTURE, ALL, END, 40, "callbacks"},
    {PY_FUTURE, ALL, END, 48, "_exception"},
    {PY_FUTURE, ALL, 9, 56, "_result"},
    {PY_FUTURE, ALL, 9, 64, "_source_traceback"},
    {PY_FUTURE, ALL, 9, 72, "_cancel_message"},
    {PY_FUTURE, ALL, 9, 112, "cancelled: type"},
    {PY_FUTURE, ALL, 9, 120, "cancelled"},
    {PY_FUTURE, ALL, 9, 128, "cancelled: traceback"},
    {PY_FUTURE, 10, END, 56, "traceback"},
    {PY_FUTURE, 10, END, 64, "_result"},
    {PY_FUTURE, 10, END, 72, "_source_traceback"},
    {PY_FUTURE, 10, END, 80, "_cancel_message"},
    {PY_FUTURE, 10, 10, 120, "cancelled: type"},
    {PY_FUTURE, 10, 10, 128, "cancelled"},
    {PY_FUTURE, 10, 10, 136, "cancelled: traceback"},
    {PY_FUTURE, 11, 12, 120, "cancelled"},
    {PY_FUTURE, 13, END, 88, "cancelled"},
    {PY_TASK, ALL, END, 16, "_loop"},
    {PY_TASK, ALL, END, 24, "callback"},
    {PY_TASK, ALL, END, 32, "context of callback"},
    {PY_TASK, ALL, END, 40, "callbacks"},
    {PY_TASK, ALL, END, 48, "_exception"},
    {PY_TASK, ALL, 9, 56, "_result"},
    {PY_TASK, ALL, 9, 64, "_source_traceback"},
    {PY_TASK, ALL, 9, 72, "_cancel_message"},
    {PY_TASK, ALL, 9, 112, "cancelled: type"},
    {PY_TASK, ALL, 9, 120, "cancelled"},
    {PY_TASK, ALL, 9, 128, "cancelled: traceback"},
    {PY_TASK, 10, END, 56, "traceback"},
    {PY_TASK, 10, END, 64, "_result"},
    {PY_TASK, 10, END, 72, "_source_traceback"},
    {PY_TASK, 10, END, 80, "_cancel_message"},
    {PY_TASK, 10, 10, 120, "cancelled: type"},
    {PY_TASK, 10, 10, 128, "cancelled"},
    {PY_TASK, 10, 10, 136, "cancelled: traceback"},
    {PY_TASK, 11, 12, 120, "cancelled"},
    {PY_TASK, 13, END, 88, "cancelled"},
    {PY_TASK, ALL, 9, 144, "_fut_waiter"},
    {PY_TASK, ALL, 9, 152, "_coro"},
    {PY_TASK, ALL, 9, 160, "name"},
    {PY_TASK, ALL, 9, 168, "context"},
    {PY_TASK, 10, 10, 152, "_fut_waiter"},
    {PY_TASK, 10, 10, 160, "_coro"},
    {PY_TASK, 10, 10, 168, "name"},
    {PY_TASK, 10, 10, 176, "context"},
    {PY_TASK, 11, 12, 128, "_fut_waiter"},
    {PY_TASK, 11, 12, 136, "_coro"},
    {PY_TASK, 11, 12, 144, "name"},
    {PY_TASK, 11, 12, 152, "context"},
    {PY_TASK, 13, END, 112, "_fut_waiter"},
    {PY_TASK, 13, END, 120, "_coro"},
    {PY_TASK, 13, END, 128, "name"},
    {PY_TASK, 13, END, 136, "context"},
    {PY_LOCAL, ALL, 12, 16, "key"},
    {PY_LOCAL, ALL, 12, 24, "args"},
    {PY_LOCAL, ALL, 12, 32, "kwargs"},
    {PY_LOCAL, ALL, 12, 48, "dicts of threads"},
    {PY_LOCAL, ALL, 12, 56, "callback"},
    {PY_LOCAL, 13, END, 16, "args"},
    {PY_LOCAL, 13, END, 24, "kwargs"},
    {PY_LOCAL, 13, END, 40, "dicts of threads"},
    {PY_LOCAL, 13, END, 48, "watched threads"},
    {PY_RW_PAIR, ALL, END, 16, "reader"},
    {PY_RW_PAIR, ALL, END, 24, "writer"},
    {PY_RW_PAIR, ALL, END, 32, "__dict__"},
    {PY_XML_PARSER, ALL, 12, 56, "intern"},
    {PY_XML_PARSER, 13, END, 64, "intern"},
    {PY_ELEMENT_ITERATOR, ALL, END, 40, "root"},
    {PY_ELEMENT_ITERATOR, ALL, END, 48, "tag"},
    {PY_CDATA, ALL, END, 32, "_b_base_"},
    {PY_CDATA, ALL, END, 64, "_objects"},
    {PY_CFUNCTION, ALL, END, 32, "_b_base_"},
    {PY_CFUNCTION, ALL, END, 64, "_objects"},
    {PY_CFUNCTION, ALL, END, 96, "thunk"},
    {PY_CFUNCTION, ALL, END, 104, "callable"},
    {PY_CFUNCTION, ALL, END, 112, "converters"},
    {PY_CFUNCTION, ALL, END, 120, "argtypes"},
    {PY_CFUNCTION, ALL, END, 128, "restype"},
    {PY_CFUNCTION, ALL, END, 136, "checker"},
    {PY_CFUNCTION, ALL, END, 144, "errcheck"},
    {PY_CFUNCTION, ALL, END, 152, "paramflags"},
};

/* What a layout's tp_traverse leaves out. Of a type: weak references, and texts, through which no
 * cycle goes. Of a thread's local: what is called when a thread ends. Of a pair, before 3.12: both
 * ends. Of a parser of xml: its dict of names. */
static bool is_unseen(const py_runtime *py, enum py_layout layout, const char *name)
{
    static const struct {
        uint8_t layout, last; /* minor version */
        const char *name;
    } rows[] = {{PY_TYPE, END, "tp_subclasses"}, {PY_TYPE, END, "__slots__"},
                {PY_LOCAL, END, "callback"},     {PY_RW_PAIR, 11, "reader"},
                {PY_RW_PAIR, 11, "writer"},      {PY_XML_PARSER, END, "intern"},
                {PY_GENERATOR, 10, "cr_origin"}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].layout == layout && py->minor <= rows[i].last &&
            strcmp(rows[i].name, name) == 0)
            return true;
    return false;
}

static void add(py_runtime *py, py_views *views, enum py_layout layout, uint32_t at,
                const char *name)
{
    if (at == PY_ABSENT || views->members[layout].count == PY_MEMBERS_MAX)
        return;
    py_member *member = &views->members[layout].items[views->members[layout].count++];
    *member = (py_member){.at = at, .field = {.kind = RHI_KIND_STRONG}};
    snprintf(member->field.name, sizeof member->field.name, "%s", name);
    member->field.is_unseen = is_unseen(py, layout, name);
    member->field.is_callback = layout == PY_WEAKREF && strcmp(name, "__callback__") == 0;
}

void rhi__py_members_make(py_runtime *py, py_views *views)
{
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++)
        if (py->minor >= places[i].first && py->minor <= places[i].last)
            add(py, views, places[i].layout, places[i].at, places[i].name);
    /* of types that the program made alone: a static type borrows its base, and has no more */
    views->static_type_members = views->members[PY_TYPE].count;
    add(py, views, PY_TYPE, PY_TP_BASE, "__base__");
    add(py, views, PY_TYPE, py->at->ht_name, "__name__");
    add(py, views, PY_TYPE, py->at->ht_slots, "__slots__");
    add(py, views, PY_TYPE, py->at->ht_qualname, "__qualname__");
    add(py, views, PY_TYPE, py->at->ht_module, "module");
}
