/* symbols.c - finds the files of a target's modules and asks them for variables (see symbols.h).
 *
 * Files are read, never mapped: one that is cut short under us must not kill a debugger. What was
 * read of a file is kept as long as the session, and held against the target's memory once per
 * state. */
#include "program/symbols.h"
#include "base/array.h"
#include "program/image.h"
#include "program/module_files.h"
#include "program/thread_locals.h"
#include "target/modules.h"

#include <gelf.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096, MODULES_MAX = 4096, SYMBOLS_MAX = 10000000, DYNAMIC_MAX = 512 };

typedef struct module {
    uint64_t start, bias;
    char *path; /* as the target's map has it */
    char *exe;  /* what --exe said when it was opened, or NULL */
    /* what a process runs, whatever lies at its path by now; empty: no process */
    char running[40];
    const char *file_path; /* of these three the one that is the file */
    rhi_image main, debug; /* debug: the file of its debug info, if that is another one */
    rhi_image shared;      /* what dwz moved out of that into a file for several */
    /* the user named the file, and nothing in memory can tell whether that is right */
    bool is_named;
    /* it has the same headers, and nothing more tells whether it is the file */
    bool is_unsure;
    bool is_checked, is_good, is_indexed;
    rhi_extents symbols, functions; /* addresses of the file */
    rhi_dwarf *dwarf;
} module;

/* A module with thread-local storage, in the order in which the loader numbered them. */
typedef struct tls_module {
    uint64_t start, dynamic, size;
} tls_module;

struct rhi_symbols {
    rhi_memory *memory; /* what they are the symbols of */
    rhi_work *work;
    const char *exe;    /* that the door names; NULL: none. Of this command only */
    bool was_asked;     /* files of modules were asked for names, in this command */
    rhi_notes *remarks; /* of this command */
    struct {
        module **items;
        uint64_t count, capacity;
    } modules;
    struct {
        tls_module *items;
        uint64_t count, capacity;
    } tls;
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
        const module *from; /* whose file says so; NULL: none does */
    } last;
};

/* ---- files ---------------------------------------------------------------------------------- */

/* Are the program headers in memory those of the file? -1: there are none in memory (a core without
 * them). */
static int same_headers(rhi_memory *memory, uint64_t start, const rhi_image *f)
{
    Elf64_Ehdr header;
    Elf64_Phdr theirs[RHI_HEADERS_MAX];
    uint64_t size = f->header.e_phnum * sizeof *theirs;
    if (rhi__memory_read(memory, start, &header, sizeof header) != sizeof header ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return -1;
    return f->header.e_phnum == header.e_phnum && f->header.e_entry == header.e_entry &&
           rhi__memory_read(memory, start + header.e_phoff, theirs, size) == size &&
           memcmp(f->segments, theirs, size) == 0;
}

/* Is this file what is mapped at `start`? `is_named`: the user said so, and nothing in memory can
 * tell. */
static bool is_mapped_file(rhi_memory *memory, uint64_t start, const rhi_image *f, bool is_named)
{
    rhi_build_id id;
    rhi__module_id(memory, start, &id);
    if (id.size)
        return rhi__same_id(&id, &f->id);
    int same = same_headers(memory, start, f);
    return same > 0 ? f->id.size == 0 : same < 0 && is_named;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The folder and file of a build-id under /usr/lib/debug. */
static void path_by_id(const rhi_build_id *id, char *path, size_t size)
{
    char hex[2 * RHI_BUILD_ID_MAX + 1] = "";
    for (size_t i = 0; i < id->size; i++)
        snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
    snprintf(path, size, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
}

static bool open_by_id(const char *path, const rhi_build_id *wanted, rhi_image *f)
{
    if (!rhi__image_open(path, f))
        return false;
    if (rhi__same_id(wanted, &f->id))
        return true;
    rhi__image_close(f);
    return false;
}

/* Debug info in a file of its own: by build-id, else by its link, beside the file or under
 * /usr/lib/debug. */
static bool open_debug_file(const module *m, char candidate[PATH_SIZE], rhi_image *f)
{
    char link[256] = "";
    const rhi_build_id *wanted = &m->main.id;
    int folder = (int)(base_name(m->path) - m->path);
    if (!wanted->size)
        return false;
    path_by_id(wanted, candidate, PATH_SIZE);
    if (open_by_id(candidate, wanted, f))
        return true;
    rhi__image_section(&m->main, ".gnu_debuglink", link, sizeof link - 1);
    for (int way = 0; way < 3 && *link; way++) {
        snprintf(candidate, PATH_SIZE, "%s%.*s%s%s", way == 2 ? "/usr/lib/debug" : "", folder,
                 m->path, way == 1 ? ".debug/" : "", link);
        if (open_by_id(candidate, wanted, f))
            return true;
    }
    return false;
}

/* The file that dwz made for several of them: by the link in one, a path and a build-id; loaded. */
static bool open_shared_file(const rhi_image *image, const char *path, rhi_image *f)
{
    char link[PATH_SIZE], candidate[2 * PATH_SIZE];
    rhi_build_id wanted;
    uint64_t size = rhi__image_section(image, ".gnu_debugaltlink", link, sizeof link),
             length = strnlen(link, size);
    if (length == size || size - length - 1 > RHI_BUILD_ID_MAX)
        return false;
    wanted.size = size - length - 1;
    memcpy(wanted.bytes, link + length + 1, wanted.size);
    snprintf(candidate, sizeof candidate, "%.*s%s",
             link[0] == '/' ? 0 : (int)(base_name(path) - path), path, link);
    if (!open_by_id(candidate, &wanted, f)) {
        path_by_id(&wanted, candidate, sizeof candidate);
        if (!open_by_id(candidate, &wanted, f))
            return false;
    }
    return rhi__image_load(f);
}

/* ---- a module's symbols --------------------------------------------------------------------- */

static Elf_Scn *section_of(Elf *elf, GElf_Word type, GElf_Shdr *header)
{
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));)
        if (gelf_getshdr(section, header) && header->sh_type == type)
            return section;
    return NULL;
}

static void read_symbols(module *m, const rhi_image *f, GElf_Word type)
{
    GElf_Shdr header;
    Elf_Scn *section = f->elf ? section_of(f->elf, type, &header) : NULL;
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
    uint64_t count = data && header.sh_entsize ? data->d_size / header.sh_entsize : 0;
    for (uint64_t i = 0; i < count && i < SYMBOLS_MAX; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx == SHN_UNDEF ||
            symbol.st_size == 0)
            continue;
        int kind = GELF_ST_TYPE(symbol.st_info);
        bool is_tls = kind == STT_TLS, is_function = kind == STT_FUNC || kind == STT_GNU_IFUNC;
        const char *name = elf_strptr(f->elf, header.sh_link, symbol.st_name);
        rhi_extents *list = is_function ? &m->functions : &m->symbols;
        if ((kind != STT_OBJECT && !is_tls && !is_function) || !name || !*name)
            continue;
        if (!rhi__array_reserve(list, 1))
            return;
        list->items[list->count++] =
            (rhi_extent){.address = is_tls ? symbol.st_value | RHI_TLS : symbol.st_value,
                         .size = symbol.st_size,
                         .name = name};
    }
}

/* Loads a file and opens its debug info, if it has any. */
static rhi_dwarf *load(rhi_symbols *s, module *m, rhi_image *image, const char *path)
{
    rhi_image shared;
    bool has_shared = open_shared_file(image, path, &shared);
    if (has_shared) {
        rhi__image_close(&m->shared);
        m->shared = shared;
    }
    return rhi__image_load(image)
               ? rhi__dwarf_open(s->work, image, path, has_shared ? &m->shared : NULL)
               : NULL;
}

static void index_module(rhi_symbols *s, module *m)
{
    char path[PATH_SIZE];
    m->is_indexed = true;
    m->dwarf = load(s, m, &m->main, m->file_path);
    if (!m->dwarf && open_debug_file(m, path, &m->debug))
        m->dwarf = load(s, m, &m->debug, path);
    read_symbols(m, &m->main, SHT_SYMTAB);
    if (m->symbols.count + m->functions.count == 0)
        read_symbols(m, &m->debug, SHT_SYMTAB);
    if (m->symbols.count + m->functions.count == 0)
        read_symbols(m, &m->main, SHT_DYNSYM);
    rhi__extents_sort(&m->symbols);
    rhi__extents_sort(&m->functions);
}

static void module_free(module *m)
{
    rhi__dwarf_free(m->dwarf);
    free(m->symbols.items);
    free(m->functions.items);
    rhi__image_close(&m->shared);
    rhi__image_close(&m->debug);
    rhi__image_close(&m->main);
    free(m->path);
    free(m->exe);
    free(m);
}

static module *module_new(const rhi_region *region, const char *exe)
{
    module *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->main.file = m->debug.file = m->shared.file = -1;
    m->start = region->start;
    m->path = strdup(region->path);
    m->exe = exe ? strdup(exe) : NULL;
    if (m->path && (m->exe || !exe))
        return m;
    module_free(m);
    return NULL;
}

static void find_bias(module *m)
{
    const rhi_image *f = &m->main;
    m->bias = f->header.e_type == ET_DYN ? m->start : 0;
    for (unsigned i = 0; i < f->header.e_phnum; i++)
        if (f->segments[i].p_type == PT_LOAD && f->segments[i].p_offset == 0)
            m->bias = m->start - f->segments[i].p_vaddr;
}

static void running_file(const rhi_symbols *s, char *path, size_t size)
{
    int process = rhi__memory_process(s->memory);
    path[0] = '\0';
    if (process)
        snprintf(path, size, "/proc/%d/exe", process);
}

static bool is_same_node(const char *left, const char *right)
{
    struct stat a, b;
    return stat(left, &a) == 0 && stat(right, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Does the kernel tell that a process has mapped this file? It marks a path whose file was
 * replaced; a path of another file system than ours says nothing. */
static bool is_file_of_process(const rhi_symbols *s, const module *m)
{
    char space[40];
    int process = rhi__memory_process(s->memory);
    if (!process)
        return false;
    snprintf(space, sizeof space, "/proc/%d/ns/mnt", process);
    return is_same_node(m->file_path, m->running) ||
           (m->file_path == m->path && is_same_node(space, "/proc/self/ns/mnt"));
}

/* A file that was built anew may have the same headers, and other lines. */
static bool is_unsure_file(const rhi_symbols *s, const module *m)
{
    rhi_build_id id;
    rhi__module_id(s->memory, m->start, &id);
    return !id.size && !is_file_of_process(s, m);
}

/* A name of this module is told. */
static void say_if_unsure(const rhi_symbols *s, const module *m)
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

/* Opens the file that is mapped at the module's start, if there is one. */
static void open_module(rhi_symbols *s, module *m)
{
    const char *candidates[] = {m->exe, m->path, m->running};
    running_file(s, m->running, sizeof m->running);
    for (int i = 0; i < 3 && !m->is_good; i++) {
        if (!candidates[i] || !rhi__image_open(candidates[i], &m->main))
            continue;
        m->is_named = i == 0 && strcmp(base_name(candidates[i]), base_name(m->path)) == 0;
        m->is_good = is_mapped_file(s->memory, m->start, &m->main, m->is_named);
        if (!m->is_good)
            rhi__image_close(&m->main);
        else
            m->file_path = candidates[i];
    }
    if (m->is_good) {
        find_bias(m);
        m->is_unsure = is_unsure_file(s, m);
    }
}

/* The module whose first page is this region; NULL if its file is not to be had. */
static module *module_of(rhi_symbols *s, const rhi_region *region)
{
    module *m = NULL;
    uint64_t at = 0;
    for (; at < s->modules.count && !m; at++)
        if (s->modules.items[at]->start == region->start &&
            strcmp(s->modules.items[at]->path, region->path) == 0 &&
            rhi__same_text(s->modules.items[at]->exe, s->exe))
            m = s->modules.items[at];
    if (m && !m->is_checked &&
        !(m->is_good && is_mapped_file(s->memory, m->start, &m->main, m->is_named))) {
        module_free(m);
        s->modules.items[at - 1] = s->modules.items[--s->modules.count];
        m = NULL;
    }
    if (!m) {
        if (s->modules.count >= MODULES_MAX || !rhi__array_reserve(&s->modules, 1) ||
            !(m = module_new(region, s->exe)))
            return NULL;
        s->modules.items[s->modules.count++] = m;
        open_module(s, m);
    }
    m->is_checked = true;
    return m->is_good ? m : NULL;
}

/* Does a segment of the module that is loaded cover this address of its file? */
static bool covers(const module *m, uint64_t address)
{
    for (unsigned i = 0; i < m->main.header.e_phnum; i++)
        if (m->main.segments[i].p_type == PT_LOAD &&
            address - m->main.segments[i].p_vaddr < m->main.segments[i].p_memsz)
            return true;
    return false;
}

static module *module_at(rhi_symbols *s, uint64_t address)
{
    enum { LOOK_BACK = 16 };
    const struct rhi_sink *map = &s->memory->map;
    int tried = 0;
    for (uint64_t i = map->regions.count; i > 0 && tried < LOOK_BACK; i--) {
        const rhi_region *region = &map->regions.items[i - 1];
        if (region->start > address || region->file_offset != 0 || !rhi__region_is_file(region))
            continue;
        module *m = module_of(s, region);
        if (m && covers(m, address - m->bias))
            return m;
        tried++;
    }
    return NULL;
}

/* ---- thread-local storage ------------------------------------------------------------------- */

typedef struct headers {
    uint64_t dynamic, dynamic_end, tls_size;
} headers;

static bool note_header(void *context, const rhi_segment *segment)
{
    headers *h = context;
    if (segment->type == PT_DYNAMIC) {
        h->dynamic = segment->start;
        h->dynamic_end = segment->end;
    }
    if (segment->type == PT_TLS)
        h->tls_size = segment->end - segment->start;
    return true;
}

/* The loader's list of modules, from the DT_DEBUG of the program; 0: this is not the program. */
static uint64_t link_map_of(rhi_memory *memory, const headers *h)
{
    uint64_t tag, value, map;
    for (uint64_t at = h->dynamic, i = 0; at + 16 <= h->dynamic_end && i < DYNAMIC_MAX;
         at += 16, i++) {
        if (!rhi__memory_u64(memory, at, &tag) || tag == DT_NULL ||
            !rhi__memory_u64(memory, at + 8, &value))
            return 0;
        if (tag == DT_DEBUG)
            return value && rhi__memory_u64(memory, value + 8, &map) ? map : 0;
    }
    return 0;
}

/* Modules with thread-local storage are numbered from 1 in the order in which they were loaded,
 * and the loader's list is in that order. */
static void find_tls_modules(rhi_symbols *s)
{
    rhi_memory *memory = s->memory;
    uint64_t list = 0, ordered = 0;
    s->is_tls_known = true;
    s->tls.count = 0;
    for (uint64_t i = 0; i < memory->map.regions.count; i++) {
        const rhi_region *region = &memory->map.regions.items[i];
        headers h = {0};
        if (region->file_offset != 0 || !rhi__region_is_file(region) ||
            rhi__each_segment(memory, region->start, note_header, &h) != RHI_SEGMENTS_DONE)
            continue;
        uint64_t found = link_map_of(memory, &h);
        list = found ? found : list;
        if (h.tls_size && s->tls.count < MODULES_MAX && rhi__array_reserve(&s->tls, 1))
            s->tls.items[s->tls.count++] = (tls_module){region->start, h.dynamic, h.tls_size};
    }
    for (uint64_t i = 0, dynamic;
         list && i < MODULES_MAX && rhi__memory_u64(memory, list + 16, &dynamic); i++) {
        for (uint64_t k = ordered; k < s->tls.count; k++)
            if (s->tls.items[k].dynamic == dynamic) {
                tls_module moved = s->tls.items[k];
                s->tls.items[k] = s->tls.items[ordered];
                s->tls.items[ordered++] = moved;
            }
        if (!rhi__memory_u64(memory, list + 24, &list))
            break;
    }
    if (s->tls.count > 1)
        s->tls.count = ordered; /* the order of the others is not known */
}

#if defined(__x86_64__)
enum { VECTOR_OFFSET = 8 }; /* of the dynamic thread vector, from the thread pointer */
#else
enum { VECTOR_OFFSET = 0 };
#endif

/* The module whose block in this thread holds the address, and the offset in the block. */
static module *tls_module_at(rhi_symbols *s, uint64_t address, uint64_t thread_pointer,
                             uint64_t *offset)
{
    uint64_t vector, block;
    if (!s->is_tls_known)
        find_tls_modules(s);
    if (!rhi__memory_u64(s->memory, thread_pointer + VECTOR_OFFSET, &vector))
        return NULL;
    for (uint64_t i = 0; i < s->tls.count; i++) {
        if (!rhi__memory_u64(s->memory, vector + 16 * (i + 1), &block) ||
            address - block >= s->tls.items[i].size)
            continue;
        const rhi_region *region = rhi__memory_region(s->memory, s->tls.items[i].start);
        *offset = address - block;
        return region ? module_of(s, region) : NULL;
    }
    return NULL;
}

/* ---- asking --------------------------------------------------------------------------------- */

static bool symbol_variable(const module *m, uint64_t address, rhi_variable *variable)
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
    module *m = module_at(s, address);
    if (!m)
        return 0;
    *is_unsure = m->is_unsure;
    if (!m->is_indexed)
        index_module(s, m);
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
static module *next_module(rhi_symbols *s, uint64_t *region)
{
    const struct rhi_sink *map = &s->memory->map;
    module *m = NULL;
    while (!m && *region < map->regions.count) {
        const rhi_region *r = &map->regions.items[(*region)++];
        m = r->file_offset == 0 && rhi__region_is_file(r) ? module_of(s, r) : NULL;
    }
    if (m && !m->is_indexed)
        index_module(s, m);
    return m;
}

static enum rhi_beginning find_beginning(rhi_symbols *s, const char *type, const char *base,
                                         const module **from)
{
    enum rhi_beginning answer = RHI_BEGINS_UNKNOWN;
    module *m;
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
    module *m = thread_pointer ? tls_module_at(s, address, thread_pointer, &in_file)
                               : module_at(s, address);
    if (!m)
        return false;
    in_file = thread_pointer ? in_file | RHI_TLS : address - m->bias;
    if (!m->is_indexed)
        index_module(s, m);
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
    module *m;
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
        const char *base = r->file_offset == 0 && rhi__region_is_file(r) ? base_name(r->path) : "";
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

/* The module's block of thread-local memory in a thread; 0: it has none. */
static uint64_t tls_block(rhi_symbols *s, const module *m, uint64_t thread_pointer)
{
    uint64_t vector, block;
    if (!s->is_tls_known)
        find_tls_modules(s);
    for (uint64_t i = 0; thread_pointer && i < s->tls.count; i++)
        if (s->tls.items[i].start == m->start)
            return rhi__memory_u64(s->memory, thread_pointer + VECTOR_OFFSET, &vector) &&
                           rhi__memory_u64(s->memory, vector + 16 * (i + 1), &block) &&
                           block != UINT64_MAX
                       ? block
                       : 0;
    return 0;
}

static void add_named(name_search *s, const module *m, uint64_t in_file, uint64_t type)
{
    const struct rhi_sink *map = &s->symbols->memory->map;
    rhi_named named = {.address = m->bias + in_file, .dwarf = type ? m->dwarf : NULL, .type = type};
    if (!(in_file & RHI_TLS)) {
        if (s->count < s->max)
            s->found[s->count++] = named;
        return;
    }
    for (uint64_t t = 0; t < map->threads.count && s->count < s->max; t++) {
        uint64_t block = tls_block(s->symbols, m, s->locals->threads[t].thread_pointer);
        named.address = block + (in_file & ~RHI_TLS);
        named.lwp = map->threads.items[t].lwp;
        if (block)
            s->found[s->count++] = named;
    }
}

static void search_module(name_search *s, const module *m, const rhi_text *name,
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
    module *m;
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

typedef struct program {
    const rhi_region *region;
    rhi_build_id id;
    bool is_sure; /* the loader's list hangs on it */
} program;

/* Which module is the program, and is `id` that of any module? */
static program find_program(rhi_symbols *s, const rhi_build_id *id, bool *is_mapped)
{
    rhi_memory *memory = s->memory;
    program found = {.region = NULL};
    *is_mapped = false;
    for (uint64_t i = 0; i < memory->map.regions.count && !*is_mapped; i++) {
        const rhi_region *region = &memory->map.regions.items[i];
        headers h = {0};
        rhi_build_id its_id;
        if (region->file_offset != 0 || !rhi__region_is_file(region) ||
            rhi__each_segment(memory, region->start, note_header, &h) != RHI_SEGMENTS_DONE)
            continue;
        rhi__module_id(memory, region->start, &its_id);
        bool is_program = link_map_of(memory, &h) != 0;
        if (!found.region || (is_program && !found.is_sure))
            found = (program){region, its_id, is_program};
        *is_mapped = rhi__same_id(&its_id, id);
    }
    return found;
}

static void short_id(const rhi_build_id *id, char *text, size_t size)
{
    enum { SHOWN = 6 };
    for (size_t i = 0; i < id->size && i < SHOWN; i++)
        snprintf(text + 2 * i, size - 2 * i, "%02x", id->bytes[i]);
}

/* Is `path` a file with another build-id than that of everything that is mapped? */
static bool is_misfit(rhi_symbols *s, const char *path, rhi_misfit *misfit, bool *is_mapped)
{
    char running[40];
    rhi_image image, own;
    *is_mapped = false;
    if (!rhi__image_open(path, &image))
        return false;
    rhi_build_id id = image.id;
    rhi__image_close(&image);
    program p = find_program(s, &id, is_mapped);
    if (!id.size || *is_mapped || !p.region || !p.id.size)
        return false;
    *misfit = (rhi_misfit){.names = ""};
    snprintf(misfit->path, sizeof misfit->path, "%s", path);
    short_id(&id, misfit->id, sizeof misfit->id);
    short_id(&p.id, misfit->program_id, sizeof misfit->program_id);
    running_file(s, running, sizeof running);
    const char *others[] = {p.region->path, running};
    for (int i = 0; i < 2 && !*misfit->names; i++) {
        if (strcmp(path, others[i]) == 0 || !rhi__image_open(others[i], &own))
            continue;
        if (rhi__same_id(&own.id, &p.id))
            snprintf(misfit->names, sizeof misfit->names, "%s", others[i]);
        rhi__image_close(&own);
    }
    return true;
}

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
            s->is_misfit = is_misfit(s, s->exe, &s->misfit, &s->is_exe_mapped);
    }
    if (!s->is_misfit && !s->is_exe_mapped && s->was_asked && !s->is_path_checked) {
        rhi_build_id none = {.size = 0};
        program p = find_program(s, &none, &ignored);
        s->is_misfit = p.region && is_misfit(s, p.region->path, &s->misfit, &ignored);
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
        module_free(symbols->modules.items[i]);
    free(symbols->modules.items);
    free(symbols->tls.items);
    forget_calls(symbols);
    forget_code(symbols);
    free(symbols->checked_exe);
    free(symbols);
}
