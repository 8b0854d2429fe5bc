/* target_core.c - the built-in target for ELF core files: mmap, PT_LOAD, PT_NOTE (libelf).
 *
 * Invariant: `segments` is sorted and each one's file range lies inside the mapped file, whatever the
 * core claims; a file that ends early gives shorter segments and a note of how much is missing. */
#include "array.h"
#include "memory.h"
#include "packed.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <unistd.h>

typedef struct segment {
    uint64_t start, end;      /* addresses */
    uint64_t offset, present; /* bytes of the file that hold the beginning of it */
    uint32_t flags;
} segment;

typedef struct core_file {
    uint8_t *image;
    uint64_t size;
    Elf *elf;
    struct { segment *items; uint64_t count, capacity; } segments;
    struct rhi_sink files; /* regions: the NT_FILE table */
    char truncated[160];
    char *exe;
} core_file;

#if defined(__x86_64__)
enum { NATIVE_MACHINE = EM_X86_64 };
static const struct { const char *name; unsigned index; } register_table[] = {
    {"rax", 10}, {"rbx", 5}, {"rcx", 11}, {"rdx", 12}, {"rsi", 13}, {"rdi", 14}, {"rbp", 4}, {"rsp", 19},
    {"r8", 9}, {"r9", 8}, {"r10", 7}, {"r11", 6}, {"r12", 3}, {"r13", 2}, {"r14", 1}, {"r15", 0},
    {"fs_base", 21}};
enum { STACK_POINTER_INDEX = 19 };
#elif defined(__aarch64__)
enum { NATIVE_MACHINE = EM_AARCH64 };
static const struct { const char *name; unsigned index; } register_table[] = {
    {"x0", 0}, {"x1", 1}, {"x2", 2}, {"x3", 3}, {"x4", 4}, {"x5", 5}, {"x6", 6}, {"x7", 7}, {"x8", 8}, {"x9", 9},
    {"x10", 10}, {"x11", 11}, {"x12", 12}, {"x13", 13}, {"x14", 14}, {"x15", 15}, {"x16", 16}, {"x17", 17},
    {"x18", 18}, {"x19", 19}, {"x20", 20}, {"x21", 21}, {"x22", 22}, {"x23", 23}, {"x24", 24}, {"x25", 25},
    {"x26", 26}, {"x27", 27}, {"x28", 28}, {"x29", 29}, {"x30", 30}, {"sp", 31}};
enum { STACK_POINTER_INDEX = 31 };
#else
#error "add the register table of this architecture"
#endif

/* Shared with target_process.c: the order of the words is that of the kernel's user_regs_struct. */
void rhi__report_registers(rhi_sink *sink, uint64_t lwp, const uint64_t *words)
{
    rhi_sink_thread(sink, lwp, words[STACK_POINTER_INDEX]);
    for (size_t i = 0; i < sizeof register_table / sizeof *register_table; i++)
        rhi_sink_register(sink, register_table[i].name, words[register_table[i].index]);
}

/* ---- reading ------------------------------------------------------------------------------------- */

static const segment *segment_at(const core_file *core, uint64_t address)
{
    uint64_t low = 0, high = core->segments.count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        const segment *s = &core->segments.items[middle];
        if (address < s->start)
            high = middle;
        else if (address >= s->end)
            low = middle + 1;
        else
            return s;
    }
    return NULL;
}

static const uint8_t *core_bytes(const core_file *core, uint64_t address, uint64_t size, uint64_t *got)
{
    const segment *s = segment_at(core, address);
    *got = 0;
    if (!s || address - s->start >= s->present)
        return NULL;
    uint64_t available = s->present - (address - s->start);
    *got = size < available ? size : available;
    return core->image + s->offset + (address - s->start);
}

static uint64_t core_read(void *context, uint64_t address, void *buffer, uint64_t size)
{
    uint64_t done = 0;
    while (done < size) {
        uint64_t got;
        const uint8_t *bytes = core_bytes(context, address + done, size - done, &got);
        if (!bytes)
            break;
        memcpy((uint8_t *)buffer + done, bytes, got);
        done += got;
    }
    return done;
}

const uint8_t *rhi__core_view(const rhi_target *target, uint64_t address, uint64_t size, uint64_t *got)
{
    *got = 0;
    return target->read == core_read ? core_bytes(target->context, address, size, got) : NULL;
}

uint64_t rhi__core_hole_end(const rhi_target *target, uint64_t address)
{
    if (target->read != core_read)
        return 0;
    const core_file *core = target->context;
    uint64_t low = 0, high = core->segments.count;
    while (low < high) { /* the first segment that begins behind the address */
        uint64_t middle = (low + high) / 2;
        if (core->segments.items[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < core->segments.count && core->segments.items[low].present == 0)
        low++;
    return low < core->segments.count ? core->segments.items[low].start : UINT64_MAX;
}

const char *rhi__core_truncated(const rhi_target *target)
{
    if (target->read != core_read)
        return NULL;
    const core_file *core = target->context;
    return core->truncated[0] ? core->truncated : NULL;
}

/* ---- what the engine asks for ---------------------------------------------------------------------- */

static const rhi_region *file_at(const core_file *core, uint64_t address)
{
    for (uint64_t i = 0; i < core->files.regions.count; i++) {
        const rhi_region *file = &core->files.regions.items[i];
        if (address >= file->start && address < file->end)
            return file;
    }
    return NULL;
}

static int core_regions(void *context, rhi_sink *sink)
{
    const core_file *core = context;
    for (uint64_t i = 0; i < core->segments.count; i++) {
        const segment *s = &core->segments.items[i];
        const rhi_region *file = file_at(core, s->start);
        uint64_t offset = file ? file->file_offset + (s->start - file->start) : 0;
        rhi_sink_region(sink, s->start, s->end, s->flags, offset, file ? file->path : "");
    }
    return 0;
}

/* Calls visit for each note; a note section that is cut off gives what is there. */
static void each_note(const core_file *core, void (*visit)(void *context, uint32_t type, const uint8_t *bytes, uint64_t size),
                      void *context)
{
    size_t count = 0;
    if (elf_getphdrnum(core->elf, &count) != 0)
        return;
    for (size_t i = 0; i < count && i < INT32_MAX; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(core->elf, (int)i, &header) || header.p_type != PT_NOTE || header.p_offset >= core->size)
            continue;
        uint64_t size = header.p_filesz < core->size - header.p_offset ? header.p_filesz : core->size - header.p_offset;
        Elf_Data *data = elf_getdata_rawchunk(core->elf, (int64_t)header.p_offset, size, ELF_T_NHDR);
        if (!data)
            continue;
        GElf_Nhdr note;
        size_t at = 0, name_at, bytes_at;
        while ((at = gelf_getnote(data, at, &note, &name_at, &bytes_at)) > 0)
            visit(context, note.n_type, (const uint8_t *)data->d_buf + bytes_at, note.n_descsz);
    }
}

static void thread_note(void *context, uint32_t type, const uint8_t *bytes, uint64_t size)
{
    struct elf_prstatus status;
    if (type != NT_PRSTATUS || size < sizeof status)
        return;
    uint64_t words[sizeof status.pr_reg / 8];
    memcpy(&status, bytes, sizeof status);
    memcpy(words, &status.pr_reg, sizeof words);
    rhi__report_registers(context, (uint64_t)(uint32_t)status.pr_pid, words);
}

static int core_threads(void *context, rhi_sink *sink)
{
    each_note(context, thread_note, sink);
    return 0;
}

/* NT_FILE: count, page size, count × (start, end, offset in pages), then count names. */
static void file_note(void *context, uint32_t type, const uint8_t *bytes, uint64_t size)
{
    core_file *core = context;
    if (type != NT_FILE || size < 16)
        return;
    uint64_t count = rhi__load64(bytes), page = rhi__load64(bytes + 8);
    if (count > (size - 16) / 24)
        return;
    const char *name = (const char *)bytes + 16 + count * 24, *end = (const char *)bytes + size;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *row = bytes + 16 + i * 24;
        const char *stop = memchr(name, '\0', (size_t)(end - name));
        if (!stop)
            return;
        rhi_sink_region(&core->files, rhi__load64(row), rhi__load64(row + 8), 0, rhi__load64(row + 16) * page, name);
        name = stop + 1;
    }
}

static uint64_t core_state(void *context)
{
    (void)context;
    return 1; /* a core never changes */
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static int segment_order(const void *left, const void *right)
{
    const segment *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* Reads the program headers; false if memory is short. */
static bool read_segments(core_file *core, size_t header_count)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < header_count; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(core->elf, (int)i, &header) || header.p_type != PT_LOAD || header.p_memsz == 0 ||
            !rhi__range_ok(header.p_vaddr, header.p_memsz))
            continue;
        uint64_t filesz = header.p_filesz < header.p_memsz ? header.p_filesz : header.p_memsz;
        uint64_t there = header.p_offset < core->size ? core->size - header.p_offset : 0;
        segment s = {.start = header.p_vaddr, .end = header.p_vaddr + header.p_memsz, .offset = header.p_offset};
        s.present = filesz < there ? filesz : there;
        missing += filesz - s.present;
        s.flags = (header.p_flags & PF_R ? RHI_REGION_READ : 0) | (header.p_flags & PF_W ? RHI_REGION_WRITE : 0) |
                  (header.p_flags & PF_X ? RHI_REGION_EXECUTE : 0);
        if (!rhi__array_reserve(&core->segments, 1))
            return false;
        core->segments.items[core->segments.count++] = s;
    }
    if (core->segments.count)
        qsort(core->segments.items, core->segments.count, sizeof *core->segments.items, segment_order);
    if (missing)
        snprintf(core->truncated, sizeof core->truncated, "the core file is cut off: %llu bytes of memory are missing",
                 (unsigned long long)missing);
    return true;
}

static void core_free(core_file *core)
{
    if (core->elf)
        elf_end(core->elf);
    if (core->image)
        munmap(core->image, core->size);
    free(core->segments.items);
    rhi__sink_clear(&core->files);
    free(core->exe);
    free(core);
}

static int map_file(core_file *core, const char *path, char *error, size_t error_size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) {
        snprintf(error, error_size, "cannot open the core file %s: %s", path, strerror(errno));
        if (file >= 0)
            close(file);
        return -1;
    }
    int result = -1;
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        snprintf(error, error_size, "%s is not a core file: it is %s", path,
                 S_ISREG(status.st_mode) ? "empty" : "not a regular file");
    } else {
        core->size = (uint64_t)status.st_size;
        void *image = mmap(NULL, core->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, 0);
        if (image == MAP_FAILED) {
            snprintf(error, error_size, "cannot map the core file %s: %s", path, strerror(errno));
        } else {
            core->image = image;
            result = 0;
        }
    }
    close(file);
    return result;
}

static int parse(core_file *core, const char *path, char *error, size_t error_size)
{
    GElf_Ehdr header;
    size_t header_count;
    elf_version(EV_CURRENT);
    core->elf = elf_memory((char *)core->image, core->size);
    if (!core->elf || elf_kind(core->elf) != ELF_K_ELF || !gelf_getehdr(core->elf, &header)) {
        if (!rhi__packed_message(core->image, core->size, path, error, error_size))
            snprintf(error, error_size, "%s is not a core file: it is not an ELF file", path);
        return -1;
    }
    if (header.e_type != ET_CORE) {
        snprintf(error, error_size, "%s is not a core file: it is an ELF %s", path,
                 header.e_type == ET_EXEC || header.e_type == ET_DYN ? "program or library" : "object file");
        return -1;
    }
    if (header.e_machine != NATIVE_MACHINE || header.e_ident[EI_CLASS] != ELFCLASS64) {
        snprintf(error, error_size, "%s is a core of another architecture: read it on a machine of that kind", path);
        return -1;
    }
    if (elf_getphdrnum(core->elf, &header_count) != 0 || header_count == 0 || header_count > INT32_MAX ||
        header.e_phoff > core->size || header_count * header.e_phentsize > core->size - header.e_phoff) {
        snprintf(error, error_size, "%s is cut off before the end of its program headers: nothing can be read", path);
        return -1;
    }
    if (!read_segments(core, header_count)) {
        snprintf(error, error_size, "%s", rhi__error_memory()->message);
        return -1;
    }
    each_note(core, file_note, core);
    return 0;
}

int rhi__core_close(rhi_target *target)
{
    if (target->read != core_read)
        return 0;
    core_free(target->context);
    return 1;
}

int rhi_target_open_core(const char *path, const char *exe, rhi_target *target, char *error, size_t error_size)
{
    core_file *core = calloc(1, sizeof *core);
    if (!core || (exe && !(core->exe = strdup(exe)))) {
        snprintf(error, error_size, "%s", rhi__error_memory()->message);
        if (core)
            core_free(core);
        return -1;
    }
    if (exe && access(exe, R_OK) != 0) {
        snprintf(error, error_size, "cannot open the executable %s: %s", exe, strerror(errno));
        core_free(core);
        return -1;
    }
    if (map_file(core, path, error, error_size) != 0 || parse(core, path, error, error_size) != 0) {
        core_free(core);
        return -1;
    }
    *target = (rhi_target){.abi = RHI_ABI, .context = core, .exe_path = core->exe, .read = core_read, .regions = core_regions,
                           .threads = core_threads, .state_id = core_state};
    return 0;
}
