/* runtime.c - one copy of CPython: its version, interpreters, `type` and the allocator, verified
 * (see python.h).
 *
 * Offsets move between versions, and bytes of a target say anything. So what a table says is held
 * against what must be true in every Python: pointers that lead back, lists that close, a type that
 * is its own type, a module `sys` that names the same version.
 * Invariant: a py_runtime that was handed out has passed all of that, and has an interpreter. */
#include "base/array.h"
#include "readers/cpython/views.h"
#include "target/modules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INTERPRETERS_MAX = 1024, GENERATIONS = 3 };

static uint64_t word(rhi_memory *memory, uint64_t address)
{
    uint64_t value;
    return rhi__memory_u64(memory, address, &value) ? value : 0;
}

/* ---- what must be true of an interpreter ---------------------------------------------------- */

/* Does the list that begins in `head` come back to it? Its first and last links are read. */
static bool is_closed(rhi_memory *memory, uint64_t head)
{
    const uint64_t flags = PY_GC_LINK_FLAGS;
    uint64_t next = word(memory, head) & ~flags, last = word(memory, head + 8) & ~flags;
    return next && last && (word(memory, next + 8) & ~flags) == head &&
           (word(memory, last) & ~flags) == head;
}

/* A process may have been stopped while it moved an object from one list to another: those two may
 * be open just now. */
bool rhi__py_lists_close(rhi_memory *memory, uint64_t generations)
{
    int closed = is_closed(memory, generations + PY_GC_PERMANENT - PY_GC_GENERATIONS);
    for (uint64_t i = 0; i < GENERATIONS; i++)
        closed += is_closed(memory, generations + i * PY_GC_GENERATION_BYTES);
    return closed >= 2;
}

static bool lists_close(const py_runtime *py, uint64_t interpreter)
{
    return rhi__py_lists_close(py->memory, interpreter + py->at->gc + PY_GC_GENERATIONS);
}

static bool leads_back(const py_runtime *py, uint64_t interpreter)
{
    return interpreter && interpreter % 8 == 0 &&
           word(py->memory, interpreter + py->at->interpreter_runtime) == py->address;
}

enum thread_check { NO_THREAD, THREAD_LEADS_BACK, THREAD_IS_WRONG };
static enum thread_check check_thread(const py_runtime *py, uint64_t interpreter)
{
    uint64_t thread = word(py->memory, interpreter + py->at->threads_head);
    if (thread == 0)
        return NO_THREAD;
    return word(py->memory, thread + py->at->thread_interpreter) == interpreter ? THREAD_LEADS_BACK
                                                                                : THREAD_IS_WRONG;
}

/* NULL, or the check that failed. */
static const char *wrong_in_interpreter(const py_runtime *py, uint64_t interpreter)
{
    if (!leads_back(py, interpreter))
        return "an interpreter does not lead back to _PyRuntime";
    if (check_thread(py, interpreter) == THREAD_IS_WRONG)
        return "a thread does not lead back to its interpreter";
    if (!lists_close(py, interpreter))
        return "the collector's lists do not close";
    return NULL;
}

/* Is it Python at all? What leads back to where it came from does not do so by chance. */
static bool is_python(const py_runtime *py, uint64_t main)
{
    return leads_back(py, main) &&
           (check_thread(py, main) == THREAD_LEADS_BACK || lists_close(py, main));
}

bool rhi__py_is_3_8(rhi_memory *memory, uint64_t address)
{
    enum { MAIN = 40, THREADS = 8, THREAD_INTERPRETER = 16, RUNTIME_GC = 344 };
    uint64_t main = word(memory, address + MAIN), thread = main ? word(memory, main + THREADS) : 0;
    return thread && word(memory, thread + THREAD_INTERPRETER) == main &&
           rhi__py_lists_close(memory, address + RUNTIME_GC + PY_GC_GENERATIONS);
}

/* ---- interpreters --------------------------------------------------------------------------- */

static bool add_interpreter(py_runtime *py, uint64_t address)
{
    const py_offsets *at = py->at;
    uint64_t gc = address + at->gc;
    if (!rhi__array_reserve(&py->interpreters, 1))
        return false;
    py->interpreters.items[py->interpreters.count++] =
        (py_interpreter){.address = address,
                         .id = word(py->memory, address + at->id),
                         .gc = gc,
                         .modules = word(py->memory, address + at->modules),
                         .sysdict = word(py->memory, address + at->sysdict),
                         .builtins = word(py->memory, address + at->builtins),
                         .is_collecting = (uint32_t)word(py->memory, gc + PY_GC_COLLECTING) != 0};
    return true;
}

static bool is_listed(const py_runtime *py, uint64_t address)
{
    for (uint64_t i = 1; i < py->interpreters.count; i++)
        if (py->interpreters.items[i].address == address)
            return true;
    return false;
}

/* Those beside the main one, in the order of birth; the list has the newest first. */
static bool add_others(rhi_reader *reader, py_runtime *py)
{
    const uint64_t main = py->interpreters.items[0].address;
    uint64_t at = word(py->memory, py->address + py->at->interpreters_head);
    bool was_main = false;
    for (; at; was_main |= at == main, at = word(py->memory, at + py->at->next)) {
        const char *wrong = wrong_in_interpreter(py, at);
        if (!wrong && ((at == main && was_main) || is_listed(py, at)))
            wrong = "it goes round in circles";
        else if (!wrong && py->interpreters.count > INTERPRETERS_MAX)
            wrong = "there are too many";
        if (wrong) {
            rhi__reader_damage(reader, at, RHI_FOUND_BAD_METADATA,
                               "the list of Python's interpreters is damaged at 0x%" PRIx64
                               ": %s: those behind it are left out",
                               at, wrong);
            break;
        }
        if (at != main && !add_interpreter(py, at))
            return false;
    }
    for (uint64_t i = 1, j = py->interpreters.count - 1; i < j; i++, j--) {
        py_interpreter other = py->interpreters.items[i];
        py->interpreters.items[i] = py->interpreters.items[j];
        py->interpreters.items[j] = other;
    }
    return true;
}

/* ---- types ---------------------------------------------------------------------------------- */

static uint32_t type_flags(const py_runtime *py, uint64_t type)
{
    return (uint32_t)word(py->memory, type + PY_TP_FLAGS);
}

enum { DICTS = 3 };
/* That every interpreter has. Where a core was cut off, some of them may not be in it. */
static void dicts_of(const py_interpreter *interpreter, uint64_t dicts[DICTS])
{
    dicts[0] = interpreter->modules;
    dicts[1] = interpreter->sysdict;
    dicts[2] = interpreter->builtins;
}

/* From a dict to its type, from there to `type`, and to `object`. */
static const char *find_types(py_runtime *py)
{
    uint64_t dicts[DICTS], dict = 0;
    bool is_read = false;
    dicts_of(&py->interpreters.items[0], dicts);
    for (int i = 0; i < DICTS && !is_read; i++)
        is_read = rhi__memory_u64(py->memory, dicts[i] + PY_OB_TYPE, &dict);
    uint64_t type = word(py->memory, dict + PY_OB_TYPE),
             object = word(py->memory, type + PY_TP_BASE);
    if (!is_read)
        return "neither sys.modules nor sys.__dict__ nor builtins.__dict__ can be read";
    if (!(type_flags(py, dict) & PY_FLAG_DICT))
        return "sys.modules is no dict";
    if (word(py->memory, type + PY_OB_TYPE) != type || !(type_flags(py, type) & PY_FLAG_TYPE))
        return "the type of dict is not its own type";
    if (word(py->memory, dict + PY_TP_BASE) != object ||
        word(py->memory, object + PY_OB_TYPE) != type || word(py->memory, object + PY_TP_BASE) != 0)
        return "dict and type have no base in common";
    py->type_type = type;
    py->object_type = object;
    return NULL;
}

/* Has the program memory there whose bytes are not in the core? */
static bool is_missing(const py_runtime *py, uint64_t address)
{
    uint64_t value;
    return rhi__memory_region(py->memory, address) && !rhi__memory_u64(py->memory, address, &value);
}

typedef struct looking {
    const py_runtime *py;
    bool is_missing;
} looking;

static bool look_at_key(void *context, const py_entry *entry)
{
    looking *l = context;
    l->is_missing |= is_missing(l->py, entry->key + PY_OB_TYPE);
    return !l->is_missing;
}

/* Is there a module sys? Where a part of the dict is missing, there may be. */
static bool may_have_sys(rhi_reader *reader, py_runtime *py)
{
    enum { KEYS = 32 };
    uint64_t modules = py->interpreters.items[0].modules, keys = 0;
    looking l = {.py = py};
    py_table table;
    if (rhi__py_dict_get(py, modules, "sys"))
        return true;
    l.is_missing = is_missing(py, modules) || is_missing(py, modules + KEYS) ||
                   is_missing(py, keys = word(py->memory, modules + KEYS));
    if (!l.is_missing && rhi__py_table_open(py, keys, 0, &table) && table.count)
        l.is_missing = is_missing(py, table.entries + table.count * table.stride - 8);
    if (!l.is_missing)
        rhi__py_each_entry(py, modules, look_at_key, &l);
    if (l.is_missing)
        rhi__reader_problem(reader,
                            "sys.modules of Python 3.%u, at 0x%" PRIx64 ", cannot be read in full",
                            py->minor, modules);
    return l.is_missing;
}

/* ---- the version ---------------------------------------------------------------------------- */

/* The value of an int object of one digit; 0: it is none. */
static uint32_t small_int(const py_runtime *py, uint64_t object)
{
    enum { DIGITS = 24, TAG_SHIFT = 3, SIGN = 3 };
    uint64_t size = word(py->memory, object + PY_OB_SIZE);
    bool is_one_digit = py->minor < 12 ? size == 1 : size >> TAG_SHIFT == 1 && !(size & SIGN);
    if (!object || !(type_flags(py, word(py->memory, object + PY_OB_TYPE)) & PY_FLAG_LONG) ||
        !is_one_digit)
        return 0;
    return (uint32_t)word(py->memory, object + DIGITS);
}

/* sys.hexversion, or what sys.version begins with; 0: a program has taken both away. */
static uint32_t read_version(py_runtime *py)
{
    char text[16];
    unsigned minor, micro;
    uint64_t sysdict = py->interpreters.items[0].sysdict,
             hex = rhi__py_dict_get(py, sysdict, "hexversion"),
             version = rhi__py_dict_get(py, sysdict, "version");
    uint32_t value = small_int(py, hex);
    if (value >> 24 == 3)
        return value;
    if (version && rhi__py_text(py, version, text, sizeof text) &&
        sscanf(text, "3.%3u.%3u", &minor, &micro) == 2)
        return 3u << 24 | (minor & 255) << 16 | (micro & 255) << 8;
    return 0;
}

/* ---- the allocator -------------------------------------------------------------------------- */

/* {size, big-endian; 'o' of an object; seven times 0xfd} */
static bool has_debug_hooks(const py_runtime *py, uint64_t block)
{
    const uint64_t id = 0xfdfdfdfdfdfdfd00ull | 'o';
    return word(py->memory, block - 8) == id;
}

/* Does the block lie in a pool of obmalloc? {…; u32 class, next offset, largest offset} */
static bool is_in_pool(const py_runtime *py, uint32_t pool_bytes, uint64_t block)
{
    enum { HEADER = 48, CLASSES = 32, CLASS = 36, LARGEST = 44 };
    uint64_t pool = block & ~(uint64_t)(pool_bytes - 1);
    uint8_t header[HEADER];
    if (rhi__memory_read(py->memory, pool, header, sizeof header) != sizeof header ||
        rhi__load32(header + CLASS) >= CLASSES)
        return false;
    uint64_t size = (rhi__load32(header + CLASS) + 1ull) * 16;
    return rhi__load32(header + LARGEST) == pool_bytes - size && block >= pool + HEADER &&
           (block - pool - HEADER) % size == 0;
}

/* As most of the dicts say that can be read. */
static void find_allocator(py_runtime *py)
{
    uint64_t dicts[DICTS], used;
    int hooked = 0, pooled = 0, read = 0;
    dicts_of(&py->interpreters.items[0], dicts);
    for (int i = 0; i < DICTS; i++)
        if (rhi__memory_u64(py->memory, dicts[i] - PY_GC_PREFIX - 8, &used)) {
            dicts[read++] = dicts[i];
            hooked += has_debug_hooks(py, dicts[i] - PY_GC_PREFIX);
        }
    bool has_hooks = hooked && 2 * hooked > read;
    py->block_prefix = has_hooks ? PY_DEBUG_PREFIX : 0;
    for (int i = 0; i < read; i++)
        pooled += is_in_pool(py, py->at->pool_bytes, dicts[i] - PY_GC_PREFIX - py->block_prefix);
    py->allocator = read && 2 * pooled <= read ? PY_MALLOC : has_hooks ? PY_DEBUG : PY_PYMALLOC;
}

/* 3.9 and 3.10 have all else in common that is read here, but their pools are not of one size. 0:
 * there are none. */
static unsigned minor_by_pools(const py_runtime *py)
{
    uint64_t dicts[DICTS];
    dicts_of(&py->interpreters.items[0], dicts);
    for (int i = 0; i < DICTS; i++) {
        uint64_t block = dicts[i] - PY_GC_PREFIX;
        block -= has_debug_hooks(py, block) ? PY_DEBUG_PREFIX : 0;
        for (unsigned minor = 9; minor <= 10; minor++)
            if (is_in_pool(py, rhi__py_offsets(minor)->pool_bytes, block))
                return minor;
    }
    return 0;
}

/* ---- what no pointer leads back from --------------------------------------------------------- */

/* {u32 version of the type, name, value} 4096 times; the name of a version is a str. Another micro
 * version may have the cache elsewhere: then nobody knows where, and its values, which it does not
 * own, count as words like any other. */
static void check_type_cache(rhi_reader *reader, py_runtime *py)
{
    enum { ROWS = 4096, ROW_BYTES = 24, NAME = 8, SEEN = 16 };
    uint64_t start = py->interpreters.items[0].address + py->at->type_cache, got;
    rhi_scratch scratch = {0};
    if (py->at->type_cache == PY_ABSENT)
        return;
    const uint8_t *bytes = rhi__memory_view(py->memory, start, ROWS * ROW_BYTES, &scratch, &got);
    unsigned seen = 0, wrong = 0;
    for (uint64_t at = 0; bytes && at + ROW_BYTES <= got && seen < SEEN; at += ROW_BYTES) {
        uint64_t name = rhi__load64(bytes + at + NAME);
        if (rhi__load32(bytes + at) == 0 || name == 0) /* not in use: the name is None, say */
            continue;
        seen++;
        wrong += !(type_flags(py, word(py->memory, name + PY_OB_TYPE)) & PY_FLAG_STR);
    }
    rhi__scratch_free(&scratch);
    if (wrong * 2 <= seen)
        return;
    py->offsets.type_cache = PY_ABSENT;
    rhi__reader_problem(reader,
                        "Python 3.%u in %.80s: the cache of types' attributes is not where it is "
                        "in the versions that are known: what it borrows may hide a lost reference",
                        py->minor, py->module);
}

/* ---- refusing ------------------------------------------------------------------------------- */

void rhi__py_module_name(const rhi_memory *memory, uint64_t address, char name[RHI_NAME_SIZE])
{
    if (!rhi__module_text(memory, address, name, RHI_NAME_SIZE))
        snprintf(name, RHI_NAME_SIZE, "the process");
    char *offset = strrchr(name, '+');
    if (offset)
        *offset = '\0';
}

void rhi__py_refuse_version(rhi_reader *reader, uint64_t address, const char *version)
{
    char module[RHI_NAME_SIZE];
    rhi__py_module_name(reader->memory, address, module);
    rhi__reader_refuse(reader, "%s in %.80s is not read: CPython 3.%d to 3.%d with the GIL is",
                       version, module, PY_MINOR_MIN, PY_MINOR_MAX);
}

static enum py_verdict refuse(rhi_reader *reader, const py_runtime *py, const char *why)
{
    char version[32];
    /* 3.9 is tried first, and is not told from 3.10 before the end */
    snprintf(version, sizeof version, py->minor == 9 ? "3.9 or 3.10" : "3.%u", py->minor);
    rhi__reader_refuse(reader, "Python %s in %.80s cannot be read: %s", version, py->module, why);
    return PY_REFUSED;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* What it says of its version, held against the table that was used. *other: the table to use
 * instead. */
static enum py_verdict settle_version(rhi_reader *reader, py_runtime *py, unsigned *other)
{
    uint32_t version = read_version(py);
    unsigned minor = version >> 16 & 255;
    if (version && !rhi__py_offsets(minor)) {
        char text[32];
        snprintf(text, sizeof text, "Python 3.%u.%u", minor, version >> 8 & 255);
        rhi__py_refuse_version(reader, py->address, text);
        return PY_REFUSED;
    }
    if (!version && py->minor < 11)
        minor = minor_by_pools(py);
    if (minor == 0 && py->minor < 11)
        return refuse(reader, py, "neither sys.hexversion nor sys.version nor pools say which");
    if (minor && minor != py->minor) {
        *other = minor;
        return PY_NOT_ONE;
    }
    py->micro = (uint8_t)(version >> 8);
    py->micro_is_known = version != 0;
    return PY_IS_ONE;
}

static enum py_verdict open_runtime(rhi_reader *reader, py_runtime *py, unsigned *other)
{
    const char *wrong = rhi__py_published_offsets(py->memory, py->address, &py->offsets);
    rhi__py_module_name(py->memory, py->address, py->module);
    if (wrong)
        return refuse(reader, py, wrong);
    uint64_t main = word(py->memory, py->address + py->at->interpreters_main);
    if (!is_python(py, main))
        return PY_NOT_ONE;
    wrong = wrong_in_interpreter(py, main);
    if (wrong)
        return refuse(reader, py, wrong);
    if (!add_interpreter(py, main))
        return PY_NO_MEMORY;
    if (!py->interpreters.items[0].modules || !py->interpreters.items[0].sysdict)
        return refuse(reader, py, "it has no modules: it begins just now, or ends");
    py->is_finalizing = word(py->memory, py->address + py->at->finalizing) != 0;
    wrong = find_types(py);
    /* it is taken from there when the program ends */
    if (!wrong && !py->is_finalizing && !may_have_sys(reader, py))
        wrong = "sys.modules has no module sys";
    if (wrong)
        return refuse(reader, py, wrong);
    enum py_verdict verdict = settle_version(reader, py, other);
    if (verdict != PY_IS_ONE)
        return verdict;
    find_allocator(py);
    check_type_cache(reader, py);
    return add_others(reader, py) ? PY_IS_ONE : PY_NO_MEMORY;
}

enum py_verdict rhi__py_runtime_open(rhi_reader *reader, uint64_t address, unsigned minor,
                                     py_runtime **result)
{
    enum py_verdict verdict = PY_NOT_ONE;
    for (unsigned tried = 0; tried < 2 && minor && verdict == PY_NOT_ONE; tried++) {
        const py_offsets *table = rhi__py_offsets(minor);
        unsigned other = 0;
        py_runtime *py = table ? calloc(1, sizeof *py) : NULL;
        if (!py)
            return table ? PY_NO_MEMORY : PY_NOT_ONE;
        py->reader = reader;
        py->memory = reader->memory;
        py->address = address;
        py->offsets = *table;
        py->offsets.obmalloc = py_in_interpreter(table, table->obmalloc);
        py->offsets.type_cache = py_in_interpreter(table, table->type_cache);
        py->offsets.callable_cache = py_in_interpreter(table, table->callable_cache);
        py->at = &py->offsets;
        py->minor = (uint8_t)minor;
        verdict = open_runtime(reader, py, &other);
        if (verdict == PY_IS_ONE)
            *result = py;
        else
            rhi__py_runtime_free(py);
        minor = other;
    }
    return verdict;
}

void rhi__py_runtime_free(py_runtime *py)
{
    if (!py)
        return;
    free(py->interpreters.items);
    rhi__py_types_free(py);
    rhi__py_arenas_free(py);
    rhi__py_drop_buffers(py);
    free(py);
}
