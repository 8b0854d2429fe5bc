/* symbols.c - asks the files of a target's modules for names (see symbols.h).
 *
 * What was read of a file is kept as long as the session, and held against the target's memory once
 * per state. */
#include "program/symbols.h"
#include "base/array.h"
#include "program/loader.h"
#include "program/module.h"
#include "program/module_files.h"
#include "program/thread_locals.h"
#include "target/modules.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096, MODULES_MAX = 4096 };

struct rhi_symbols {
    rhi_memory *memory; /* what they are the symbols of */
    rhi_work *work;
    const char *exe;    /* that the door names; NULL: none. Of this command only */
    bool was_asked;     /* files of modules were asked for names, in this command */
    rhi_notes *remarks; /* of this command */
    struct {
        rhi_module **items;
        uint64_t count, capacity;
    } modules;
    rhi_tls_modules tls;
    bool is_tls_known;
    void *calls;            /* tree of known_calls */
    rhi_module_files *code; /* NULL: not asked yet */
    rhi_misfit misfit;      /* of the executable that is `checked_exe` */
    char *checked_exe;
    bool is_exe_checked, is_exe_mapped, is_path_checked, is_misfit;
    /* question of rhi__symbols_beginning */
    struct {
        char type[RHI_NAME_SIZE], base[RHI_NAME_SIZE];
        enum rhi_beginning answer;
        const rhi_module *from; /* whose file says so; NULL: none does */
    } last;
};

/* ---- modules -------------------------------------------------------------------------------- */

/* A name of this module is told. */
static void say_if_unsure(const rhi_symbols *s, const rhi_module *m)
{
    char text[PATH_SIZE + 256];
    if (!m || !m->is_unsure || !s->remarks)
        return;
    snprintf(text, sizeof text,
             "names come from %s: without a build-id nothing tells whether this file ran, or "
             "another build of it",
             m->file_path);
    rhi__note(s->remarks, text);
}

/* The module whose first page is this region; NULL if its file is not to be had. */
static rhi_module *module_of(rhi_symbols *s, const rhi_region *region)
{
    rhi_module *m = NULL;
    uint64_t at = 0;
    for (; at < s->modules.count && !m; at++)
        if (s->modules.items[at]->start == region->start &&
            strcmp(s->modules.items[at]->path, region->path) == 0 &&
            rhi__same_text(s->modules.items[at]->exe, s->exe))
            m = s->modules.items[at];
    if (m && !m->is_checked && !rhi__module_is_good(s->memory, m)) {
        rhi__module_free(m);
        s->modules.items[at - 1] = s->modules.items[--s->modules.count];
        m = NULL;
    }
    if (!m) {
        if (s->modules.count >= MODULES_MAX || !rhi__array_reserve(&s->modules, 1) ||
            !(m = rhi__module_open(s->memory, region, s->exe)))
            return NULL;
        s->modules.items[s->modules.count++] = m;
    }
    m->is_checked = true;
    return m->is_good ? m : NULL;
}

static rhi_module *module_at(rhi_symbols *s, uint64_t address)
{
    enum { LOOK_BACK = 16 };
    const struct rhi_sink *map = &s->memory->map;
    int tried = 0;
    for (uint64_t i = map->regions.count; i > 0 && tried < LOOK_BACK; i--) {
        const rhi_region *region = &map->regions.items[i - 1];
        if (region->start > address || region->file_offset != 0 || !rhi__region_is_file(region))
            continue;
        rhi_module *m = module_of(s, region);
        if (m && rhi__module_covers(m, address - m->bias))
            return m;
        tried++;
    }
    return NULL;
}

static void find_tls(rhi_symbols *s)
{
    if (!s->is_tls_known)
        rhi__tls_modules_find(s->memory, &s->tls);
    s->is_tls_known = true;
}

/* The module whose block in this thread holds the address, and the offset in the block. */
static rhi_module *tls_module_at(rhi_symbols *s, uint64_t address, uint64_t thread_pointer,
                                 uint64_t *offset)
{
    find_tls(s);
    const rhi_tls_module *found =
        rhi__tls_module_at(s->memory, &s->tls, address, thread_pointer, offset);
    const rhi_region *region = found ? rhi__memory_region(s->memory, found->start) : NULL;
    return region ? module_of(s, region) : NULL;
}

/* ---- asking --------------------------------------------------------------------------------- */

static bool symbol_variable(const rhi_module *m, uint64_t address, rhi_variable *variable)
{
    const rhi_extent *extent = rhi__extents_find(&m->symbols, address);
    if (!extent)
        return false;
    if (address == extent->address)
        rhi__text(variable->text, sizeof variable->text, "%s", extent->name);
    else
        rhi__text(variable->text, sizeof variable->text, "%.160s+%" PRIu64, extent->name,
                  address - extent->address);
    return true;
}

/* What is known of an instruction's calls, kept by its address. */
typedef struct known_calls {
    uint64_t address;
    bool is_unsure; /* by a file of which that is said whenever it is used */
    unsigned count;
    rhi_call calls[];
} known_calls;

static int known_order(const void *left, const void *right)
{
    uint64_t a = ((const known_calls *)left)->address, b = ((const known_calls *)right)->address;
    return a < b ? -1 : a > b;
}

static void known_free(void *node)
{
    known_calls *known = node;
    for (unsigned i = 0; i < known->count; i++)
        free(known->calls[i].name);
    free(known);
}

/* Functions and lines by debug info; of the function that has code of its own, the symbol, if that
 * is all. */
static unsigned find_calls(rhi_symbols *s, uint64_t address, rhi_call calls[RHI_CALLS_MAX],
                           bool *is_unsure)
{
    rhi_module *m = module_at(s, address);
    if (!m)
        return 0;
    *is_unsure = m->is_unsure;
    if (!m->is_indexed)
        rhi__module_index(m, s->work);
    uint64_t in_file = address - m->bias;
    const rhi_extent *symbol = rhi__extents_find(&m->functions, in_file);
    unsigned count = m->dwarf ? rhi__dwarf_calls(m->dwarf, in_file, calls) : 0;
    if (count == 0 && symbol)
        calls[count++] = (rhi_call){.file = NULL};
    rhi_call *last = count ? &calls[count - 1] : NULL;
    if (last && symbol && !last->name)
        last->name = strdup(symbol->name);
    if (last && symbol)
        last->offset = in_file - symbol->address;
    return count;
}

const rhi_call *rhi__symbols_calls(rhi_symbols *s, uint64_t address, unsigned *count)
{
    rhi_call calls[RHI_CALLS_MAX];
    known_calls key = {.address = address}, **found, *known;
    *count = 0;
    s->was_asked = true;
    if (!(found = tsearch(&key, &s->calls, known_order)))
        return NULL;
    if (*found == &key) {
        bool is_unsure = false;
        unsigned found_count = find_calls(s, address, calls, &is_unsure);
        known = malloc(sizeof *known + found_count * sizeof *calls);
        if (!known) {
            tdelete(&key, &s->calls, known_order);
            while (found_count)
                free(calls[--found_count].name);
            return NULL;
        }
        *known = (known_calls){.address = address, .is_unsure = is_unsure, .count = found_count};
        memcpy(known->calls, calls, found_count * sizeof *calls);
        *found = known;
    }
    if ((*found)->count && (*found)->is_unsure)
        say_if_unsure(s, module_at(s, address));
    *count = (*found)->count;
    return (*found)->calls;
}

static void forget_calls(rhi_symbols *symbols)
{
    tdestroy(symbols->calls, known_free);
    symbols->calls = NULL;
}

/* The modules with files, in the order of their addresses: NULL behind the last. */
static rhi_module *next_module(rhi_symbols *s, uint64_t *region)
{
    const struct rhi_sink *map = &s->memory->map;
    rhi_module *m = NULL;
    while (!m && *region < map->regions.count) {
        const rhi_region *r = &map->regions.items[(*region)++];
        m = r->file_offset == 0 && rhi__region_is_file(r) ? module_of(s, r) : NULL;
    }
    if (m && !m->is_indexed)
        rhi__module_index(m, s->work);
    return m;
}

static enum rhi_beginning find_beginning(rhi_symbols *s, const char *type, const char *base,
                                         const rhi_module **from)
{
    enum rhi_beginning answer = RHI_BEGINS_UNKNOWN;
    rhi_module *m;
    *from = NULL;
    for (uint64_t region = 0; answer != RHI_BEGINS_WITH && (m = next_module(s, &region));) {
        enum rhi_beginning its =
            m->dwarf ? rhi__dwarf_beginning(m->dwarf, type, base) : RHI_BEGINS_UNKNOWN;
        if (its > answer) {
            answer = its;
            *from = m;
        }
    }
    return answer;
}

enum rhi_beginning rhi__symbols_beginning(rhi_symbols *s, const char *type, const char *base)
{
    s->was_asked = true;
    /* many variables ask the same */
    if (strcmp(s->last.type, type) != 0 || strcmp(s->last.base, base) != 0) {
        s->last.answer = find_beginning(s, type, base, &s->last.from);
        snprintf(s->last.type, sizeof s->last.type, "%s", type);
        snprintf(s->last.base, sizeof s->last.base, "%s", base);
    }
    say_if_unsure(s, s->last.from);
    return s->last.answer;
}

bool rhi__symbols_variable(rhi_symbols *s, uint64_t address, uint64_t thread_pointer,
                           rhi_variable *variable)
{
    uint64_t in_file;
    s->was_asked = true;
    rhi_module *m = thread_pointer ? tls_module_at(s, address, thread_pointer, &in_file)
                                   : module_at(s, address);
    if (!m)
        return false;
    in_file = thread_pointer ? in_file | RHI_TLS : address - m->bias;
    if (!m->is_indexed)
        rhi__module_index(m, s->work);
    *variable = (rhi_variable){.text = ""};
    bool is_known = (m->dwarf && rhi__dwarf_variable(m->dwarf, in_file, variable)) ||
                    symbol_variable(m, in_file, variable);
    if (is_known)
        say_if_unsure(s, m);
    return is_known;
}

/* ---- by name -------------------------------------------------------------------------------- */

uint64_t rhi__symbols_type(rhi_symbols *s, const char *name, rhi_dwarf **dwarf)
{
    rhi_module *m;
    s->was_asked = true;
    for (uint64_t region = 0, type; (m = next_module(s, &region));) {
        bool is_struct;
        if (m->dwarf && (type = rhi__dwarf_type(m->dwarf, name, &is_struct)))
            return say_if_unsure(s, m), *dwarf = m->dwarf, type;
    }
    return 0;
}

uint64_t rhi__symbols_module(rhi_symbols *s, const char *name, size_t length)
{
    const struct rhi_sink *map = &s->memory->map;
    for (uint64_t i = 0; i < map->regions.count; i++) {
        const rhi_region *r = &map->regions.items[i];
        const char *base =
            r->file_offset == 0 && rhi__region_is_file(r) ? rhi__base_name(r->path) : "";
        if (strlen(base) == length && memcmp(base, name, length) == 0)
            return r->start;
    }
    return 0;
}

typedef struct name_search {
    rhi_symbols *symbols;
    rhi_thread_locals *locals;
    rhi_named *found;
    unsigned count, max;
} name_search;

static void add_named(name_search *s, const rhi_module *m, uint64_t in_file, uint64_t type)
{
    const struct rhi_sink *map = &s->symbols->memory->map;
    rhi_named named = {.address = m->bias + in_file, .dwarf = type ? m->dwarf : NULL, .type = type};
    if (!(in_file & RHI_TLS)) {
        if (s->count < s->max)
            s->found[s->count++] = named;
        return;
    }
    find_tls(s->symbols);
    for (uint64_t t = 0; t < map->threads.count && s->count < s->max; t++) {
        uint64_t block = rhi__tls_block(s->symbols->memory, &s->symbols->tls, m->start,
                                        s->locals->threads[t].thread_pointer);
        named.address = block + (in_file & ~RHI_TLS);
        named.lwp = map->threads.items[t].lwp;
        if (block)
            s->found[s->count++] = named;
    }
}

static void search_module(name_search *s, const rhi_module *m, const rhi_text *name,
                          const rhi_text *owner, const rhi_text *file, bool anywhere)
{
    uint64_t address, type;
    unsigned before = s->count;
    for (unsigned n = 0;
         m->dwarf && s->count < s->max &&
         rhi__dwarf_named(m->dwarf, name, owner, file, anywhere, n, &address, &type);
         n++)
        add_named(s, m, address, type);
    for (uint64_t i = 0; s->count == before && !owner && !file && i < m->symbols.count; i++) {
        const rhi_extent *symbol = &m->symbols.items[i];
        if (strlen(symbol->name) == name->length &&
            memcmp(symbol->name, name->at, name->length) == 0) {
            add_named(s, m, symbol->address, 0);
            break;
        }
    }
    if (s->count > before)
        say_if_unsure(s->symbols, m);
}

unsigned rhi__symbols_named(rhi_symbols *s, const char *text, size_t length, rhi_named *found,
                            unsigned max)
{
    rhi_thread_locals locals = {0};
    name_search search = {.symbols = s, .locals = &locals, .found = found, .max = max};
    rhi_text name = {text, length}, owner = {text, 0};
    rhi_module *m;
    for (size_t i = 0; i + 1 < length; i++)
        if (text[i] == ':' && text[i + 1] == ':') {
            owner.length = i;
            name = (rhi_text){text + i + 2, length - i - 2};
        }
    bool is_file = owner.length > 2 && text[0] == '\'' && text[owner.length - 1] == '\'';
    if (is_file)
        owner = (rhi_text){text + 1, owner.length - 2};
    s->was_asked = true;
    rhi_error *error = rhi__thread_locals_open(s->memory, 0, &locals);
    /* As in a debugger what is in no namespace and no function goes first; refheap finds the
     * others, too. */
    for (int anywhere = is_file; anywhere < 2 && !error && search.count == 0; anywhere++)
        for (uint64_t region = 0; (m = next_module(s, &region));)
            search_module(&search, m, &name, owner.length && !is_file ? &owner : NULL,
                          is_file ? &owner : NULL, anywhere);
    rhi__error_free(error);
    rhi__thread_locals_close(&locals);
    return search.count;
}

/* ---- the wrong program ---------------------------------------------------------------------- */

const rhi_misfit *rhi__symbols_misfit(rhi_symbols *s)
{
    bool ignored;
    if (!s->memory->door || (!s->exe && !s->was_asked))
        return NULL;
    if (!s->is_exe_checked || !rhi__same_text(s->exe, s->checked_exe)) {
        free(s->checked_exe);
        s->checked_exe = s->exe ? strdup(s->exe) : NULL;
        s->is_exe_checked = true;
        s->is_path_checked = false;
        s->is_exe_mapped = s->is_misfit = false;
        if (s->exe)
            s->is_misfit = rhi__is_misfit(s->memory, s->exe, &s->misfit, &s->is_exe_mapped);
    }
    if (!s->is_misfit && !s->is_exe_mapped && s->was_asked && !s->is_path_checked) {
        s->is_misfit = rhi__is_misfit(s->memory, NULL, &s->misfit, &ignored);
        s->is_path_checked = true;
    }
    return s->is_misfit ? &s->misfit : NULL;
}

enum rhi_return rhi__symbols_return(rhi_symbols *s, uint64_t address)
{
    if (!s->code)
        s->code = rhi__module_files_new(s->memory);
    return rhi__return_at(s->memory, s->code, address);
}

static void forget_code(rhi_symbols *s)
{
    rhi__module_files_free(s->code);
    s->code = NULL;
}

rhi_symbols *rhi__symbols_new(rhi_memory *memory, rhi_work *work)
{
    rhi_symbols *s = calloc(1, sizeof *s);
    if (s)
        *s = (rhi_symbols){.memory = memory, .work = work};
    return s;
}

void rhi__symbols_begin(rhi_symbols *symbols, const char *exe, rhi_notes *remarks)
{
    symbols->exe = exe;
    symbols->remarks = remarks;
    symbols->was_asked = false;
}

void rhi__symbols_forget(rhi_symbols *symbols)
{
    for (uint64_t i = 0; i < symbols->modules.count; i++)
        symbols->modules.items[i]->is_checked = false;
    symbols->is_tls_known = symbols->is_exe_checked = false;
    symbols->last.type[0] = '\0';
    forget_calls(symbols);
    forget_code(symbols);
}

void rhi__symbols_free(rhi_symbols *symbols)
{
    if (!symbols)
        return;
    for (uint64_t i = 0; i < symbols->modules.count; i++)
        rhi__module_free(symbols->modules.items[i]);
    free(symbols->modules.items);
    free(symbols->tls.items);
    forget_calls(symbols);
    forget_code(symbols);
    free(symbols->checked_exe);
    free(symbols);
}
