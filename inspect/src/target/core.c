/* core.c - the built-in target for ELF core files: PT_LOAD, PT_NOTE, read by pread.
 *
 * The file is never mapped: one that is cut off while it is read would end the debugger by
 * SIGBUS. Reads into buffers that are used again cost no more than the page faults did; single
 * words come from a small cache. Invariant: `segments` is sorted, each one's file range lay
 * inside the file when its headers were read, whatever the core claims; a file that ends early
 * gives shorter segments and a note of how much is missing. A file that is not the same any more
 * has another state: its headers are read again, and what was learned of it is dropped. */
#include "base/array.h"
#include "base/search.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/elf_note.h"
#include "target/ops.h"
#include "target/packed.h"
#include "target/registers.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { NATIVE_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { NATIVE_MACHINE = EM_AARCH64 };
#endif

typedef struct segment {
    uint64_t start, end;      /* addresses */
    uint64_t offset, present; /* bytes of the file that hold the beginning of it */
    uint64_t next_present;    /* the first segment from this one on that has any */
    uint32_t flags;
} segment;

enum {
    PAGE_BYTES = 4096,
    PAGES = 256, /* the cache of what single words are in */
    /* of damaged headers; the kernel's limit of mappings is 65530 */
    SEGMENTS_MAX = 1 << 20,
    NOTES_MAX = 1 << 19,
    /* of one note, as the kernel has it, and of all */
    NOTE_BYTES_MAX = 16 << 20,
    NOTES_BYTES_MAX = 1 << 30
};

typedef struct core_file {
    int file;
    uint64_t size, state; /* of the file when its headers were read */
    uint64_t bytes;       /* see core_bytes; 0: not counted yet */
    /* bytes of the file between two of its holes, as it was asked for last: most have no other */
    uint64_t data, hole;
    struct {
        segment *items;
        uint64_t count, capacity;
    } segments;
    struct {
        segment *items;
        uint64_t count, capacity;
    } notes;               /* offset, present */
    struct rhi_sink files; /* regions: the NT_FILE table, sorted */
    char truncated[160];
    /* by number % PAGES; size 0: none */
    struct cached_page {
        uint64_t number, size;
        uint8_t bytes[PAGE_BYTES];
    } * pages;
    char *path, *exe;
    bool lists_all; /* segments without bytes, too: as the kernel writes them, aligned to pages */
} core_file;

/* ---- reading -------------------------------------------------------------------------------- */

/* Bytes of the file from the start on. Fewer: it was cut off meanwhile, or the device fails. */
static uint64_t read_file(const core_file *core, uint64_t offset, void *buffer, uint64_t size)
{
    uint64_t done = 0;
    while (done < size && offset + done <= INT64_MAX) {
        ssize_t got =
            pread(core->file, (uint8_t *)buffer + done, size - done, (off_t)(offset + done));
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        done += got > 0 ? (uint64_t)got : 0;
    }
    return done;
}

/* The same of a few bytes. */
static uint64_t read_little(core_file *core, uint64_t offset, void *buffer, uint64_t size)
{
    uint64_t done = 0;
    while (done < size) {
        uint64_t number = (offset + done) / PAGE_BYTES, inside = (offset + done) % PAGE_BYTES;
        struct cached_page *page = &core->pages[number % PAGES];
        if (page->number != number || page->size == 0) {
            page->number = number;
            page->size = read_file(core, number * PAGE_BYTES, page->bytes, PAGE_BYTES);
        }
        if (inside >= page->size)
            break;
        uint64_t step = page->size - inside < size - done ? page->size - inside : size - done;
        memcpy((uint8_t *)buffer + done, page->bytes + inside, step);
        done += step;
        if (page->size < PAGE_BYTES)
            break;
    }
    return done;
}

static const segment *segment_at(const core_file *core, uint64_t address)
{
    return rhi__piece_at(&core->segments, address);
}

static uint64_t core_read(void *context, uint64_t address, void *buffer, uint64_t size)
{
    enum { LITTLE_BYTES = 1024 };
    core_file *core = context;
    uint64_t done = 0;
    while (done < size) {
        const segment *s = segment_at(core, address + done);
        uint64_t inside = s ? address + done - s->start : 0;
        if (!s || inside >= s->present)
            break;
        uint64_t step = s->present - inside < size - done ? s->present - inside : size - done;
        uint8_t *to = (uint8_t *)buffer + done;
        uint64_t got = step <= LITTLE_BYTES ? read_little(core, s->offset + inside, to, step)
                                            : read_file(core, s->offset + inside, to, step);
        done += got;
        if (got < step)
            break;
    }
    return done;
}

/* Finds the first bytes from `offset` on that are no hole: core->data, core->hole. False with errno
 * ENXIO: there is nothing but a hole up to the file's end; else it cannot be said. */
static bool find_data(core_file *core, uint64_t offset)
{
    if (offset - core->data < core->hole - core->data)
        return true;
    off_t data = lseek(core->file, (off_t)offset, SEEK_DATA),
          hole = data < 0 ? -1 : lseek(core->file, data, SEEK_HOLE);
    if (hole <= data)
        return false;
    core->data = (uint64_t)data;
    core->hole = (uint64_t)hole;
    return true;
}

static uint64_t core_data_start(void *context, uint64_t address)
{
    core_file *core = context;
    const segment *s = segment_at(core, address);
    uint64_t inside = s ? address - s->start : 0;
    if (!s || inside >= s->present || s->offset + inside > INT64_MAX)
        return address;
    errno = 0;
    if (!find_data(core, s->offset + inside))
        return errno == ENXIO ? s->start + s->present : address;
    uint64_t offset = s->offset + inside, skipped = core->data > offset ? core->data - offset : 0;
    return address + (skipped < s->present - inside ? skipped : s->present - inside);
}

static uint64_t core_data_end(void *context, uint64_t address)
{
    core_file *core = context;
    const segment *s = segment_at(core, address);
    uint64_t inside = s ? address - s->start : 0;
    if (!s || inside >= s->present || s->offset + inside > INT64_MAX)
        return UINT64_MAX;
    uint64_t offset = s->offset + inside;
    errno = 0;
    if (!find_data(core, offset)) /* ENXIO for its hole, too: it ends before */
        return errno == ENXIO && lseek(core->file, (off_t)offset, SEEK_HOLE) >= 0 ? address
                                                                                  : UINT64_MAX;
    uint64_t length = core->data > offset ? 0 : core->hole - offset;
    return length < s->present - inside ? address + length : s->start + s->present;
}

static uint64_t core_hole_end(const void *context, uint64_t address)
{
    const core_file *core = context;
    const segment *s = core->segments.items;
    uint64_t count = core->segments.count, next = rhi__first(0, count, at, s[at].start > address);
    next = next < count ? s[next].next_present : next;
    return next < count ? s[next].start : UINT64_MAX;
}

/* Counted once: what lies between the holes of the file. Where there are too many of them, by what
 * it takes on the disk. */
static uint64_t core_bytes(void *context)
{
    enum { PIECES_MAX = 1 << 18, PACKED_TIMES = 16 /* a file system may pack what it stores */ };
    core_file *core = context;
    struct stat status;
    uint64_t end = 0, bytes = 0, pieces = 0;
    if (core->bytes)
        return core->bytes;
    for (; end < core->size && pieces < PIECES_MAX; pieces++) {
        off_t data = lseek(core->file, (off_t)end, SEEK_DATA),
              hole = data < 0 ? -1 : lseek(core->file, data, SEEK_HOLE);
        if (hole <= data)
            break;
        bytes += (uint64_t)(hole - data);
        end = (uint64_t)hole;
    }
    if (pieces == 0 && errno != ENXIO) /* it cannot be said */
        bytes = core->size;
    if (pieces == PIECES_MAX && fstat(core->file, &status) == 0)
        bytes = (uint64_t)status.st_blocks * 512 * PACKED_TIMES;
    return core->bytes = (bytes < core->size ? bytes : core->size) + 1;
}

static bool core_lists_all(const void *context)
{
    return ((const core_file *)context)->lists_all;
}

static const char *core_truncated(const void *context)
{
    const core_file *core = context;
    return core->truncated[0] ? core->truncated : NULL;
}

/* ---- what the engine asks for --------------------------------------------------------------- */

static const rhi_region *file_at(const core_file *core, uint64_t address)
{
    const rhi_region *files = core->files.regions.items;
    uint64_t behind = rhi__first(0, core->files.regions.count, at, files[at].start > address);
    const rhi_region *file = behind ? &files[behind - 1] : NULL;
    return file && address < file->end ? file : NULL;
}

static const char *core_file_name(const void *context, uint64_t address)
{
    const rhi_region *file = file_at(context, address);
    return file ? file->path : NULL;
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

typedef struct note_buffer {
    uint8_t *bytes;
    uint64_t capacity;
} note_buffer;

typedef void (*note_visitor)(void *context, uint32_t type, const uint8_t *bytes, uint64_t size);

/* The notes of one segment; what is cut off is left out. *left and *room: how many more, and bytes
 * of them. */
static void each_note_in(core_file *core, const segment *s, uint64_t *left, uint64_t *room,
                         note_buffer *buffer, note_visitor visit, void *context)
{
    uint64_t end = s->offset + s->present;
    uint8_t header[RHI_ELF_NOTE_HEADER];
    rhi_elf_note note;
    for (uint64_t at = s->offset; at < end && end - at >= sizeof header && *left;
         at = note.next, --*left) {
        if (read_little(core, at, header, sizeof header) != sizeof header ||
            !rhi__elf_note(header, at, end, &note))
            return;
        uint64_t size = note.size;
        if (size == 0 || size > NOTE_BYTES_MAX || size > *room)
            continue;
        *room -= size;
        if (buffer->capacity < size) {
            free(buffer->bytes);
            *buffer = (note_buffer){.bytes = malloc(size), .capacity = size};
        }
        if (!buffer->bytes)
            *buffer = (note_buffer){0};
        else if ((size < PAGE_BYTES ? read_little(core, note.bytes, buffer->bytes, size)
                                    : read_file(core, note.bytes, buffer->bytes, size)) == size)
            visit(context, note.type, buffer->bytes, size);
    }
}

static void each_note(core_file *core, note_visitor visit, void *context)
{
    uint64_t left = NOTES_MAX, room = NOTES_BYTES_MAX;
    note_buffer buffer = {0};
    for (uint64_t i = 0; i < core->notes.count && left; i++)
        each_note_in(core, &core->notes.items[i], &left, &room, &buffer, visit, context);
    if (left == 0 && !core->truncated[0])
        snprintf(core->truncated, sizeof core->truncated,
                 "the core file has more than %d notes: the rest was not read", NOTES_MAX);
    free(buffer.bytes);
}

/* Notes of a thread follow its NT_PRSTATUS; what the floating-point note holds is in the extended
 * one, too, which is larger. */
typedef struct thread_notes {
    rhi_sink *sink;
    uint64_t size; /* of the vector registers; 0: none yet */
    uint8_t vectors[RHI_VECTORS_MAX];
} thread_notes;

static void end_thread(thread_notes *notes)
{
    if (notes->size)
        rhi__report_vectors(notes->sink, notes->vectors, notes->size);
    notes->size = 0;
}

static void thread_note(void *context, uint32_t type, const uint8_t *bytes, uint64_t size)
{
    thread_notes *notes = context;
    struct elf_prstatus status;
    if ((type == NT_FPREGSET || type == RHI_NT_VECTORS) && size > notes->size) {
        notes->size = size < sizeof notes->vectors ? size : sizeof notes->vectors;
        memcpy(notes->vectors, bytes, notes->size);
    }
    if (type != NT_PRSTATUS || size < sizeof status)
        return;
    uint64_t words[sizeof status.pr_reg / 8];
    memcpy(&status, bytes, sizeof status);
    memcpy(words, &status.pr_reg, sizeof words);
    end_thread(notes);
    rhi__report_registers(notes->sink, (uint64_t)(uint32_t)status.pr_pid, words);
}

static int core_threads(void *context, rhi_sink *sink)
{
    thread_notes notes = {.sink = sink};
    each_note(context, thread_note, &notes);
    end_thread(&notes);
    return 0;
}

typedef struct identity_notes {
    uint64_t random_address, pid;
    char name[sizeof((rhi_identity *)0)->name];
} identity_notes;

static void identity_note(void *context, uint32_t type, const uint8_t *bytes, uint64_t size)
{
    identity_notes *notes = context;
    struct elf_prpsinfo info;
    if (type == NT_AUXV && !notes->random_address)
        notes->random_address = rhi__random_address(bytes, size);
    if (type != NT_PRPSINFO || size < sizeof info)
        return;
    memcpy(&info, bytes, sizeof info);
    notes->pid = info.pr_pid > 0 ? (uint64_t)info.pr_pid : 0;
    snprintf(notes->name, sizeof notes->name, "%.16s", info.pr_fname);
}

static rhi_identity core_identity(void *context)
{
    identity_notes notes = {0};
    rhi_identity identity = {0};
    each_note(context, identity_note, &notes);
    identity.pid = notes.pid;
    memcpy(identity.name, notes.name, sizeof identity.name);
    if (!notes.random_address || core_read(context, notes.random_address, identity.random,
                                           sizeof identity.random) != sizeof identity.random)
        memset(identity.random, 0, sizeof identity.random);
    return identity;
}

/* NT_FILE: count, page size, count × (start, end, offset in pages), then count names. */
static void file_note(void *context, uint32_t type, const uint8_t *bytes, uint64_t size)
{
    core_file *core = context;
    if (type != NT_FILE || size < 16 || core->files.regions.count)
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
        rhi_sink_region(&core->files, rhi__load64(row), rhi__load64(row + 8), 0,
                        rhi__load64(row + 16) * page, name);
        name = stop + 1;
    }
}

/* ---- opening -------------------------------------------------------------------------------- */

static int segment_order(const void *left, const void *right)
{
    const segment *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

static int offset_order(const void *left, const void *right)
{
    const segment *a = left, *b = right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Each piece of memory has bytes of the file and addresses of its own, and so have headers and
 * notes, one behind the other; or what is read may be other memory, or less. *damaged is set if
 * not. False if memory is short. */
static bool check_places(core_file *core, uint64_t headers, uint64_t headers_bytes, bool *damaged)
{
    enum { GAP_MAX = 1 << 16 }; /* the largest page that pieces are aligned to */
    uint64_t count = 0, end = 0;
    segment *pieces = malloc((core->segments.count + core->notes.count + 1) * sizeof *pieces);
    if (!pieces)
        return false;
    pieces[count++] = (segment){.offset = headers, .present = headers_bytes};
    for (uint64_t i = 0; i < core->segments.count + core->notes.count; i++) {
        bool is_note = i >= core->segments.count;
        pieces[count] =
            is_note ? core->notes.items[i - core->segments.count] : core->segments.items[i];
        if (!is_note && i && pieces[count].start < core->segments.items[i - 1].end)
            *damaged = true;
        count += pieces[count].present > 0;
    }
    qsort(pieces, count, sizeof *pieces, offset_order);
    for (uint64_t i = 0; i < count; i++) {
        *damaged |= pieces[i].offset < end || pieces[i].offset - end >= GAP_MAX;
        end = pieces[i].offset + pieces[i].present;
    }
    free(pieces);
    return true;
}

/* As no writer of cores leaves one that says what memory there is. (AArch64 has the tags of memory
 * besides.) */
static bool is_damaged(const Elf64_Phdr *header)
{
    enum { TAGS = 0x70000002 };
    if (header->p_type == PT_LOAD) /* the kernel's are pages; GDB's say nothing of that */
        return header->p_filesz > header->p_memsz || header->p_flags > (PF_R | PF_W | PF_X) ||
               (header->p_align > 1 && header->p_vaddr % PAGE_BYTES) ||
               (header->p_memsz && !rhi__range_ok(header->p_vaddr, header->p_memsz));
    return header->p_type != PT_NOTE && header->p_type != TAGS &&
           (header->p_memsz || header->p_vaddr);
}

/* Takes one program header; false if memory is short. `missing` grows by what the file should have
 * of it and has not. */
static bool take_header(core_file *core, const Elf64_Phdr *header, uint64_t *missing)
{
    bool is_load = header->p_type == PT_LOAD,
         is_note = header->p_type == PT_NOTE && header->p_offset < core->size;
    if (!is_note &&
        (!is_load || header->p_memsz == 0 || !rhi__range_ok(header->p_vaddr, header->p_memsz)))
        return true;
    uint64_t filesz =
        is_note || header->p_filesz < header->p_memsz ? header->p_filesz : header->p_memsz;
    uint64_t there = header->p_offset < core->size ? core->size - header->p_offset : 0;
    segment s = {.start = header->p_vaddr,
                 .end = header->p_vaddr + header->p_memsz,
                 .offset = header->p_offset};
    s.present = filesz < there ? filesz : there;
    s.flags = (header->p_flags & PF_R ? RHI_REGION_READ : 0) |
              (header->p_flags & PF_W ? RHI_REGION_WRITE : 0) |
              (header->p_flags & PF_X ? RHI_REGION_EXECUTE : 0);
    if (is_note ? !rhi__array_reserve(&core->notes, 1) : !rhi__array_reserve(&core->segments, 1))
        return false;
    if (is_note) {
        core->notes.items[core->notes.count++] = s;
    } else {
        *missing += filesz - s.present;
        core->lists_all |= header->p_align > 1;
        core->segments.items[core->segments.count++] = s;
    }
    return true;
}

/* Each segment has bytes of its own. Damage may make a few overlap; where they show far more
 * memory than the file has, each byte is shown once, and the rest is not read. Returns how many
 * bytes that are. Leaves them in the file's order. */
static uint64_t drop_repeated(core_file *core)
{
    enum { ALLOWED_BYTES = 64 << 20 };
    uint64_t repeated = 0, dropped = 0, end = 0;
    if (core->segments.count)
        qsort(core->segments.items, core->segments.count, sizeof *core->segments.items,
              offset_order);
    for (uint64_t i = 0; i < core->segments.count; i++) {
        uint64_t begin = core->segments.items[i].offset,
                 stop = begin + core->segments.items[i].present;
        repeated += begin >= end ? 0 : (stop < end ? stop : end) - begin;
        end = stop > end ? stop : end;
    }
    if (repeated <= ALLOWED_BYTES || repeated - ALLOWED_BYTES <= core_bytes(core))
        return 0;
    end = 0;
    for (uint64_t i = 0; i < core->segments.count; i++) {
        segment *s = &core->segments.items[i];
        dropped += s->offset < end ? s->present : 0;
        s->present = s->offset < end ? 0 : s->present;
        end = s->present ? s->offset + s->present : end;
    }
    return dropped;
}

/* Reads the program headers; false if memory is short. */
static bool read_segments(core_file *core, const Elf64_Ehdr *elf, uint64_t header_count,
                          bool is_cut)
{
    Elf64_Phdr header;
    bool damaged = false;
    uint64_t missing = 0, used = header_count < SEGMENTS_MAX ? header_count : SEGMENTS_MAX;
    for (uint64_t i = 0; i < used; i++) {
        if (read_little(core, elf->e_phoff + i * sizeof header, &header, sizeof header) !=
            sizeof header)
            continue;
        damaged |= is_damaged(&header);
        if (!take_header(core, &header, &missing))
            return false;
    }
    uint64_t repeated = drop_repeated(core);
    if (core->segments.count)
        qsort(core->segments.items, core->segments.count, sizeof *core->segments.items,
              segment_order);
    for (uint64_t i = core->segments.count, next = i; i-- > 0;)
        core->segments.items[i].next_present = next = core->segments.items[i].present ? i : next;
    if (missing)
        snprintf(core->truncated, sizeof core->truncated,
                 "the core file %s cut off%s: %llu bytes of memory are missing",
                 is_cut ? "was" : "is", is_cut ? " while it was read" : "",
                 (unsigned long long)missing);
    else if (repeated)
        snprintf(core->truncated, sizeof core->truncated,
                 "segments of the core file repeat each other: %llu bytes of memory are left out",
                 (unsigned long long)repeated);
    else if (used < header_count)
        snprintf(core->truncated, sizeof core->truncated,
                 "the core file claims %llu segments: the first %d were read",
                 (unsigned long long)header_count, SEGMENTS_MAX);
    if (!check_places(core, elf->e_phoff, used * sizeof header, &damaged))
        return false;
    if (damaged && !core->truncated[0])
        snprintf(core->truncated, sizeof core->truncated,
                 "the core file's headers are damaged: memory may be missing, or be shown as other "
                 "memory");
    return true;
}

/* Program headers, where one may have more than 65534 of them; UINT64_MAX: it does not say. */
static uint64_t count_headers(core_file *core, const Elf64_Ehdr *header)
{
    Elf64_Shdr first;
    if (header->e_phnum != PN_XNUM)
        return header->e_phnum;
    return read_little(core, header->e_shoff, &first, sizeof first) == sizeof first ? first.sh_info
                                                                                    : UINT64_MAX;
}

/* Reads all headers of the file as it is now. is_cut: it was longer before. */
static int read_headers(core_file *core, bool is_cut, char *error, size_t error_size)
{
    Elf64_Ehdr header = {0};
    uint64_t got = read_little(core, 0, &header, sizeof header);
    if (got < SELFMAG || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        if (!rhi__packed_message(&header, got, core->path, error, error_size))
            snprintf(error, error_size, "%s is not a core file: it is not an ELF file", core->path);
        return -1;
    }
    if (got == sizeof header && header.e_type != ET_CORE &&
        header.e_ident[EI_DATA] == ELFDATA2LSB) {
        snprintf(error, error_size, "%s is not a core file: it is an ELF %s", core->path,
                 header.e_type == ET_EXEC || header.e_type == ET_DYN ? "program or library"
                                                                     : "object file");
        return -1;
    }
    if (got == sizeof header &&
        (header.e_machine != NATIVE_MACHINE || header.e_ident[EI_CLASS] != ELFCLASS64 ||
         header.e_ident[EI_DATA] != ELFDATA2LSB)) {
        snprintf(error, error_size,
                 "%s is a core of another architecture: read it on a machine of that kind",
                 core->path);
        return -1;
    }
    uint64_t count = got == sizeof header ? count_headers(core, &header) : 0;
    if (count == 0 || count > INT32_MAX || header.e_phoff > core->size ||
        count * sizeof(Elf64_Phdr) > core->size - header.e_phoff) {
        snprintf(error, error_size,
                 "%s is cut off before the end of its program headers: nothing can be read",
                 core->path);
        return -1;
    }
    if (!read_segments(core, &header, count, is_cut)) {
        snprintf(error, error_size, "%s", rhi__error_memory()->message);
        return -1;
    }
    each_note(core, file_note, core);
    rhi__sink_sort_regions(&core->files);
    return 0;
}

static void forget_headers(core_file *core)
{
    core->segments.count = core->notes.count = 0;
    core->bytes = core->data = core->hole = 0;
    rhi__sink_clear(&core->files);
    core->truncated[0] = '\0';
    for (unsigned i = 0; core->pages && i < PAGES; i++)
        core->pages[i].size = 0;
}

/* A number for which file it is and what it was like when it changed last; never 0. */
static uint64_t state_of(const struct stat *file)
{
    const uint64_t parts[] = {(uint64_t)file->st_dev,          (uint64_t)file->st_ino,
                              (uint64_t)file->st_size,         (uint64_t)file->st_mtim.tv_sec,
                              (uint64_t)file->st_mtim.tv_nsec, (uint64_t)file->st_ctim.tv_sec,
                              (uint64_t)file->st_ctim.tv_nsec};
    uint64_t state = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        state = (state ^ parts[i]) * 0x9E3779B97F4A7C15ull + (state >> 32);
    return state | 1;
}

/* A core does not change; its file may, while it is written, copied or cut off. */
static uint64_t core_state(void *context)
{
    core_file *core = context;
    struct stat now;
    char error[sizeof core->truncated - 64];
    if (fstat(core->file, &now) != 0 || state_of(&now) == core->state)
        return core->state;
    bool is_cut = (uint64_t)now.st_size < core->size;
    core->size = (uint64_t)now.st_size;
    core->state = state_of(&now);
    forget_headers(core);
    if (read_headers(core, is_cut, error, sizeof error) != 0)
        snprintf(core->truncated, sizeof core->truncated,
                 "the core file changed while it was read: %s", error);
    return core->state;
}

static void core_free(core_file *core)
{
    if (core->file >= 0)
        close(core->file);
    free(core->segments.items);
    free(core->notes.items);
    free(core->pages);
    rhi__sink_clear(&core->files);
    free(core->path);
    free(core->exe);
    free(core);
}

/* A pipe or a terminal is not waited for. */
static int open_file(core_file *core, char *error, size_t error_size)
{
    struct stat status;
    core->file = open(core->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (core->file < 0 || fstat(core->file, &status) != 0) {
        snprintf(error, error_size, "cannot open the core file %s: %s", core->path,
                 strerror(errno));
        return -1;
    }
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        snprintf(error, error_size, "%s is not a core file: it is %s", core->path,
                 S_ISREG(status.st_mode) ? "empty" : "not a regular file");
        return -1;
    }
    core->size = (uint64_t)status.st_size;
    core->state = state_of(&status);
    return 0;
}

static void core_close(void *context)
{
    core_free(context);
}

static const char *core_path(const void *context)
{
    return ((const core_file *)context)->path;
}

static const struct rhi_target_ops core_ops = {
    .state = core_state,
    .path = core_path,
    .truncated = core_truncated,
    .bytes = core_bytes,
    .lists_all = core_lists_all,
    .file = core_file_name,
    .hole_end = core_hole_end,
    .data_start = core_data_start,
    .data_end = core_data_end,
    .identity = core_identity,
    .close = core_close,
};

static core_file *core_new(const char *path, const char *exe)
{
    core_file *core = calloc(1, sizeof *core);
    if (!core)
        return NULL;
    core->file = -1;
    core->pages = calloc(PAGES, sizeof *core->pages);
    core->path = strdup(path);
    core->exe = exe ? strdup(exe) : NULL;
    if (core->pages && core->path && (core->exe || !exe))
        return core;
    core_free(core);
    return NULL;
}

int rhi_target_open_core(const char *path, const char *exe, rhi_target *target, char *error,
                         size_t error_size)
{
    core_file *core = core_new(path, exe);
    if (!core) {
        snprintf(error, error_size, "%s", rhi__error_memory()->message);
        return -1;
    }
    if (exe && access(exe, R_OK) != 0) {
        snprintf(error, error_size, "cannot open the executable %s: %s", exe, strerror(errno));
        core_free(core);
        return -1;
    }
    if (open_file(core, error, error_size) != 0 ||
        read_headers(core, false, error, error_size) != 0) {
        core_free(core);
        return -1;
    }
    *target = (rhi_target){.abi = RHI_ABI,
                           .context = core,
                           .exe_path = core->exe,
                           .read = core_read,
                           .regions = core_regions,
                           .threads = core_threads,
                           .state_id = core_state,
                           .ops = &core_ops};
    return 0;
}
