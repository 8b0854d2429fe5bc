/* module.c - finds and opens the file of a module (see module.h).
 *
 * Files are read, never mapped: one that is cut short under us must not kill a debugger. */
#include "program/module.h"
#include "base/array.h"
#include "program/module_files.h"

#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096, SYMBOLS_MAX = 10000000 };

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

const char *rhi__base_name(const char *path)
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
static bool open_debug_file(const rhi_module *m, char candidate[PATH_SIZE], rhi_image *f)
{
    char link[256] = "";
    const rhi_build_id *wanted = &m->main.id;
    int folder = (int)(rhi__base_name(m->path) - m->path);
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
             link[0] == '/' ? 0 : (int)(rhi__base_name(path) - path), path, link);
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

static void read_symbols(rhi_module *m, const rhi_image *f, GElf_Word type)
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
static rhi_dwarf *load(rhi_work *work, rhi_module *m, rhi_image *image, const char *path)
{
    rhi_image shared;
    bool has_shared = open_shared_file(image, path, &shared);
    if (has_shared) {
        rhi__image_close(&m->shared);
        m->shared = shared;
    }
    return rhi__image_load(image)
               ? rhi__dwarf_open(work, image, path, has_shared ? &m->shared : NULL)
               : NULL;
}

void rhi__module_index(rhi_module *m, rhi_work *work)
{
    char path[PATH_SIZE];
    m->is_indexed = true;
    m->dwarf = load(work, m, &m->main, m->file_path);
    if (!m->dwarf && open_debug_file(m, path, &m->debug))
        m->dwarf = load(work, m, &m->debug, path);
    read_symbols(m, &m->main, SHT_SYMTAB);
    if (m->symbols.count + m->functions.count == 0)
        read_symbols(m, &m->debug, SHT_SYMTAB);
    if (m->symbols.count + m->functions.count == 0)
        read_symbols(m, &m->main, SHT_DYNSYM);
    rhi__extents_sort(&m->symbols);
    rhi__extents_sort(&m->functions);
}

void rhi__module_free(rhi_module *m)
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

static rhi_module *module_new(const rhi_region *region, const char *exe)
{
    rhi_module *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->main.file = m->debug.file = m->shared.file = -1;
    m->start = region->start;
    m->path = strdup(region->path);
    m->exe = exe ? strdup(exe) : NULL;
    if (m->path && (m->exe || !exe))
        return m;
    rhi__module_free(m);
    return NULL;
}

static void find_bias(rhi_module *m)
{
    const rhi_image *f = &m->main;
    m->bias = f->header.e_type == ET_DYN ? m->start : 0;
    for (unsigned i = 0; i < f->header.e_phnum; i++)
        if (f->segments[i].p_type == PT_LOAD && f->segments[i].p_offset == 0)
            m->bias = m->start - f->segments[i].p_vaddr;
}

void rhi__running_file(const rhi_memory *memory, char *path, size_t size)
{
    int process = rhi__memory_process(memory);
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
static bool is_file_of_process(const rhi_memory *memory, const rhi_module *m)
{
    char space[40];
    int process = rhi__memory_process(memory);
    if (!process)
        return false;
    snprintf(space, sizeof space, "/proc/%d/ns/mnt", process);
    return is_same_node(m->file_path, m->running) ||
           (m->file_path == m->path && is_same_node(space, "/proc/self/ns/mnt"));
}

/* A file that was built anew may have the same headers, and other lines. */
static bool is_unsure_file(rhi_memory *memory, const rhi_module *m)
{
    rhi_build_id id;
    rhi__module_id(memory, m->start, &id);
    return !id.size && !is_file_of_process(memory, m);
}

/* Opens the file that is mapped at the module's start, if there is one. */
static void open_file(rhi_memory *memory, rhi_module *m)
{
    const char *candidates[] = {m->exe, m->path, m->running};
    rhi__running_file(memory, m->running, sizeof m->running);
    for (int i = 0; i < 3 && !m->is_good; i++) {
        if (!candidates[i] || !rhi__image_open(candidates[i], &m->main))
            continue;
        m->is_named = i == 0 && strcmp(rhi__base_name(candidates[i]), rhi__base_name(m->path)) == 0;
        m->is_good = is_mapped_file(memory, m->start, &m->main, m->is_named);
        if (!m->is_good)
            rhi__image_close(&m->main);
        else
            m->file_path = candidates[i];
    }
    if (m->is_good) {
        find_bias(m);
        m->is_unsure = is_unsure_file(memory, m);
    }
}

rhi_module *rhi__module_open(rhi_memory *memory, const rhi_region *region, const char *exe)
{
    rhi_module *m = module_new(region, exe);
    if (m)
        open_file(memory, m);
    return m;
}

bool rhi__module_is_good(rhi_memory *memory, const rhi_module *m)
{
    return m->is_good && is_mapped_file(memory, m->start, &m->main, m->is_named);
}

bool rhi__module_covers(const rhi_module *m, uint64_t address)
{
    for (unsigned i = 0; i < m->main.header.e_phnum; i++)
        if (m->main.segments[i].p_type == PT_LOAD &&
            address - m->main.segments[i].p_vaddr < m->main.segments[i].p_memsz)
            return true;
    return false;
}
