/* interpreter.c - what an interpreter owns, and which of its memory owns nothing (see roots.h,
 * python.h). What is not listed here stays what it is: words of module data, or of a block. */
#include "readers/cpython/roots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- owned words ---------------------------------------------------------------------------- */

/* Words that own what they hold; `count` of them (0: one). Offsets by version, 0: it has none.
 * A name with a dot is an expression of Python, which begins with a module. */
/* clang-format off */
static const struct {
    const char *name;
    uint32_t at[PY_VERSIONS], count;
} owned[] = {
    {"sys.modules",                       { 856,   856,  888,    944,   7656}, 0},
    {"modules by index",                  { 864,   864,  896,    952,   7664}, 0},
    {"sys.__dict__",                      { 872,   872,  904,    352,   7640}, 0},
    {"builtins.__dict__",                 { 880,   880,  912,    360,   7648}, 0},
    {"importlib._bootstrap",              { 888,   888,  920,    960,   7672}, 0},
    {"__import__",                        {1392,  1360, 1416,    984,   7696}, 0},
    {"codecs: search path",               { 912,   912,  936,   1248,   7960}, 0},
    {"codecs: cache of the search",       { 920,   920,  944,   1256,   7968}, 0},
    {"codecs: error handlers",            { 928,   928,  952,   1264,   7976}, 0},
    {"dict of the interpreter",           {1376,  1344, 1400,   1720,   8448}, 0},
    {"copy of sys",                       {   0,     0,    0,   1728,   8456}, 0},
    {"copy of builtins",                  {1384,  1352, 1408,   1736,   8464}, 0},
    {"os: register_at_fork, before",      {3456,  3424, 3480,   3872,  10632}, 0},
    {"os: register_at_fork, in parent",   {3464,  3432, 3488,   3880,  10640}, 0},
    {"os: register_at_fork, in child",    {3472,  3440, 3496,   3888,  10648}, 0},
    {"warnings.filters",                  {3504,  3456, 3504,   3896,  10656}, 0},
    {"warnings: once",                    {3512,  3464, 3512,   3904,  10664}, 0},
    {"warnings: default action",          {3520,  3472, 3520,   3912,  10672}, 0},
    {"sys: addaudithook",                 {3536,  3504, 3552, 267208,  10808}, 0},
    {"NotShareableError",                 {   0,     0,    0,      0,  10624}, 0},
    {"errno's exceptions",                {   0, 13312, 7128, 273400,  82640}, 0},
    {"ExceptionGroup",                    {   0,     0, 7152, 273424,  82664}, 0},
    {"small integer",                     {3552,  3512,    0,      0,      0}, 262},
    {"bytes of one character",            {   0,  5608,    0,      0,      0}, 257},
    {"string of one character",           {   0,  7664,    0,      0,      0}, 257},
    {"the empty tuple",                   {   0,  9800,    0,      0,      0}, 0},
    {"interpreter's trampoline",          {   0,     0,    0, 381736,      0}, 0},
    {"sys: callbacks of monitoring",      {   0,     0,    0, 381784, 193176}, 136},
    {"sys: names of monitoring tools",    {   0,     0,    0, 382872, 194264}, 8},
    {"interned strings",                  {   0,     0,    0, 382936, 194328}, 0},
    {"replacement of inf",                {   0,     0,    0, 382944, 194336}, 0},
    {"types of typing",                   {   0,     0,    0, 383048, 194440}, 6},
    {"_ast",                              {   0, 13344,    0,      0,      0}, 234},
    {"_ast",                              {   0,     0, 7176,      0,      0}, 235},
    {"_ast",                              {   0,     0,    0, 273448,      0}, 242},
    {"_ast",                              {   0,     0,    0,      0,  82704}, 243},
};
/* Of the collector's part, in all versions. */
static const struct {
    const char *name;
    uint32_t at;
} owned_by_collector[] = {{"gc.garbage", PY_GC_GARBAGE}, {"gc.callbacks", PY_GC_GARBAGE + 8}};

/* Static types have what an interpreter keeps for them in rows of its own, from 3.12 on. */
static const struct {
    uint32_t at[PY_VERSIONS], count, row_bytes, dict;
} static_types[] = {
    {{0, 0, 0, 373704,      0}, 200, 40, 16},
    {{0, 0, 0,      0, 182968}, 200, 48, 24},
    {{0, 0, 0,      0, 192584},  10, 48, 24},
};

/* Memory that owns nothing: objects that are kept for reuse have no counts, caches only remember.
 */
static const struct {
    const char *what;
    struct {
        uint32_t start, end;
    } at[PY_VERSIONS];
} nothing[] = {
    {"the lists of objects kept for reuse",
     {{0, 0}, {9776, 13312}, {3608, 7128}, {267408, 267424}, {10952, 14488}}},
    {"the lists of objects kept for reuse",
     {{0, 0}, {13320, 13336}, {7136, 7152}, {269824, 272024}, {82648, 82664}}},
    {"the lists of objects kept for reuse",
     {{0, 0}, {0, 0}, {0, 0}, {272088, 273400}, {0, 0}}},
    {"the lists of objects kept for reuse",
     {{0, 0}, {0, 0}, {0, 0}, {273408, 273424}, {0, 0}}},
    {"the cache of functions by version",
     {{0, 0}, {0, 0}, {0, 0}, {0, 0}, {17008, 82544}}},
    {"object.__reduce__, which its type owns",
     {{0, 0}, {0, 0}, {0, 0}, {382952, 382960}, {194344, 194352}}},
};
/* clang-format on */
enum {
    GC_BYTES = 128 /* of the collector's part, from its lists to its statistics */
};

static void add_owned(py_roots *roots, const py_interpreter *interpreter)
{
    unsigned version = py_version(roots->py);
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        uint64_t at = interpreter->address + py_in_interpreter(roots->py->at, owned[i].at[version]);
        for (uint32_t k = 0; owned[i].at[version] && (k == 0 || k < owned[i].count); k++)
            (strchr(owned[i].name, '.') ? rhi__py_named_root : rhi__py_root)(roots, at + 8ull * k,
                                                                             "%s", owned[i].name);
    }
    for (size_t i = 0; i < sizeof owned_by_collector / sizeof *owned_by_collector; i++)
        rhi__py_named_root(roots, interpreter->gc + owned_by_collector[i].at, "%s",
                           owned_by_collector[i].name);
}

static void add_static_types(py_roots *roots, const py_interpreter *interpreter)
{
    unsigned version = py_version(roots->py);
    for (size_t i = 0; i < sizeof static_types / sizeof *static_types; i++) {
        uint64_t at = interpreter->address +
                      py_in_interpreter(roots->py->at, static_types[i].at[version]),
                 type;
        if (!static_types[i].at[version])
            continue;
        for (uint32_t k = 0; k < static_types[i].count; k++, at += static_types[i].row_bytes) {
            const py_type *known = NULL;
            if (rhi__py_word(roots, at, &type) && type)
                known = rhi__py_known_type(roots->py, type);
            if (!known)
                continue;
            const char *name = rhi__type_name(roots->reader, py_type_number(roots->py, known));
            rhi__py_root(roots, at + static_types[i].dict, "%s.__dict__", name);
            rhi__py_root(roots, at + static_types[i].dict + 8, "%s.__subclasses__", name);
        }
    }
}

/* Functions that atexit calls: {function, arguments, keywords} each, in blocks of their own. In 3.9
 * the module has them. */
static void add_atexit(py_roots *roots, const py_interpreter *interpreter)
{
    enum { CALLS_MAX = 1 << 16 };
    static const uint16_t at[PY_VERSIONS] = {0, 3488, 3536, 3944, 10712};
    static const char *const names[] = {"function", "arguments", "keywords"};
    uint64_t start =
                 interpreter->address + py_in_interpreter(roots->py->at, at[py_version(roots->py)]),
             calls, call, count;
    if (start == interpreter->address || !rhi__py_word(roots, start, &calls) || !calls ||
        !rhi__py_word(roots, start + 8, &count))
        return;
    count = (uint32_t)count < CALLS_MAX ? (uint32_t)count : CALLS_MAX;
    for (uint64_t i = 0; i < count && rhi__py_word(roots, calls + 8 * i, &call); i++)
        for (unsigned k = 0; k < 3 && call; k++)
            rhi__py_root(roots, call + 8ull * k, "atexit: %s", names[k]);
}

static void add_nothing(py_roots *roots, const py_interpreter *interpreter)
{
    unsigned version = py_version(roots->py);
    const py_offsets *at = roots->py->at;
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        rhi__py_nothing(roots,
                        interpreter->address + py_in_interpreter(at, nothing[i].at[version].start),
                        nothing[i].at[version].end - nothing[i].at[version].start, nothing[i].what);
    if (at->callable_cache != PY_ABSENT)
        rhi__py_nothing(roots, interpreter->address + at->callable_cache,
                        roots->py->minor == 11 ? 24 : 32, "the cache of builtin functions");
    /* heads of lists point at what is in front of objects */
    rhi__py_nothing(roots, interpreter->gc + PY_GC_GENERATIONS, GC_BYTES - PY_GC_GENERATIONS,
                    "the collector's lists");
}

/* ---- the collector -------------------------------------------------------------------------- */

static void add_collector(py_roots *roots, const py_interpreter *interpreter)
{
    rhi_heap_info *info = &roots->reader->heaps.items[interpreter->heap];
    const uint8_t *bytes = rhi__py_at(roots, interpreter->gc, PY_GC_GARBAGE);
    if (!bytes) {
        rhi__reader_problem(roots->reader,
                            "the state of Python's collector at 0x%" PRIx64
                            " cannot be read: whether it was stopped in a collection is not known",
                            interpreter->gc);
        return;
    }
    info->gc_enabled |= rhi__load32(bytes + PY_GC_ENABLED) != 0;
    bool is_main = interpreter == &roots->py->interpreters.items[0]; /* it ends with the last */
    info->has_clock |= is_main;
    for (unsigned i = 0; i < 3; i++) {
        info->collections += rhi__load64(bytes + PY_GC_STATS + 24 * i);
        info->clock += is_main ? rhi__load64(bytes + PY_GC_STATS + 24 * i) : 0;
        info->reclaimed += rhi__load64(bytes + PY_GC_STATS + 24 * i + 8);
    }
    if (rhi__load32(bytes + PY_GC_COLLECTING)) {
        info->provisional = true;
        info->phase = "collecting";
    }
}

/* ---- all of it ------------------------------------------------------------------------------ */

rhi_error *rhi__py_roots_open(py_runtime *py)
{
    py_frames *frames = rhi__py_frames_new();
    py_roots roots = {.py = py,
                      .reader = py->reader,
                      .window = {.memory = py->memory, .step = PY_WINDOW_BYTES},
                      .frames_left = PY_FRAMES_MAX,
                      .out_of_memory = !frames,
                      .heap = py->interpreters.items[0].heap};
    rhi__py_free_lists(&roots);
    for (uint64_t i = 0; i < py->interpreters.count && !roots.out_of_memory; i++) {
        const py_interpreter *interpreter = &py->interpreters.items[i];
        roots.heap = interpreter->heap;
        add_collector(&roots, interpreter);
        add_owned(&roots, interpreter);
        add_static_types(&roots, interpreter);
        rhi__py_type_cache(&roots, interpreter);
        add_atexit(&roots, interpreter);
        add_nothing(&roots, interpreter);
        rhi__py_thread_roots(&roots, frames, interpreter);
    }
    rhi__py_frames_free(frames);
    rhi__scratch_free(&roots.window.scratch);
    return roots.out_of_memory ? rhi__error_memory() : NULL;
}
