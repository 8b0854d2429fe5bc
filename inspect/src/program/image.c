/* image.c - reads ELF files into memory of our own (see image.h). */
#include "program/image.h"
#include "base/elf_note.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NOTES_MAX = 1 << 14,
    NOTE_SECTIONS_MAX = 64,
    SECTIONS_MAX = 1 << 16,
    BUDGET_MIN = 64 << 20,
    PACKED_AT_MOST = 32,
    NAME_MAX_BYTES = 32
};

/* ---- notes ---------------------------------------------------------------------------------- */

bool rhi__same_id(const rhi_build_id *a, const rhi_build_id *b)
{
    return a->size && a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

bool rhi__id_in_notes(const uint8_t *notes, uint64_t size, rhi_build_id *id)
{
    rhi_elf_note note;
    for (uint64_t at = 0; at + RHI_ELF_NOTE_HEADER <= size; at = note.next) {
        if (!rhi__elf_note(notes + at, at, size, &note))
            return false;
        if (note.type == NT_GNU_BUILD_ID && note.name_size == 4 &&
            memcmp(notes + note.name, "GNU", 4) == 0 && note.size &&
            note.size <= RHI_BUILD_ID_MAX) {
            id->size = note.size;
            memcpy(id->bytes, notes + note.bytes, id->size);
            return true;
        }
    }
    return false;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* Bytes that could be read: fewer where the file ends, or was cut meanwhile. */
static uint64_t read_at(const rhi_image *image, uint64_t offset, void *buffer, uint64_t size)
{
    uint64_t done = 0;
    if (image->file < 0) { /* it is loaded */
        if (!image->bytes || offset >= image->room)
            return 0;
        done = size < image->room - offset ? size : image->room - offset;
        memcpy(buffer, image->bytes + offset, done);
        return done;
    }
    while (done < size && offset + done >= offset && offset + done < image->size) {
        ssize_t got =
            pread(image->file, (char *)buffer + done, size - done, (off_t)(offset + done));
        if (got <= 0)
            break;
        done += (uint64_t)got;
    }
    return done;
}

/* Looks before it opens: opening a device can do something, opening a pipe waits. */
static int open_regular(const char *path, struct stat *status)
{
    char again[64];
    int found = open(path, O_PATH | O_CLOEXEC), file = -1;
    if (found < 0)
        return -1;
    snprintf(again, sizeof again, "/proc/self/fd/%d", found);
    if (fstat(found, status) == 0 && S_ISREG(status->st_mode))
        file = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    close(found);
    return file;
}

static bool id_at(const rhi_image *image, uint64_t offset, uint64_t size, rhi_build_id *id)
{
    uint8_t notes[NOTES_MAX];
    return size <= sizeof notes && rhi__id_in_notes(notes, read_at(image, offset, notes, size), id);
}

static bool section_at(const rhi_image *image, uint64_t i, Elf64_Shdr *section)
{
    return read_at(image, image->header.e_shoff + i * sizeof *section, section, sizeof *section) ==
           sizeof *section;
}

/* In files of debug info alone segments have no bytes, so that sections are looked at, too. */
static void find_id(rhi_image *image)
{
    Elf64_Shdr section;
    for (unsigned i = 0; i < image->header.e_phnum; i++)
        if (image->segments[i].p_type == PT_NOTE &&
            id_at(image, image->segments[i].p_offset, image->segments[i].p_filesz, &image->id))
            return;
    for (uint64_t i = 0, notes = 0;
         i < image->header.e_shnum && notes < NOTE_SECTIONS_MAX && section_at(image, i, &section);
         i++)
        if (section.sh_type == SHT_NOTE && notes++ < NOTE_SECTIONS_MAX &&
            id_at(image, section.sh_offset, section.sh_size, &image->id))
            return;
}

bool rhi__image_open(const char *path, rhi_image *image)
{
    struct stat status;
    Elf64_Ehdr *header = &image->header;
    *image = (rhi_image){.file = open_regular(path, &status)};
    if (image->file < 0)
        return false;
    image->size = (uint64_t)status.st_size;
    /* A file with holes claims more than it has. Some file systems pack, though. */
    if (__builtin_mul_overflow((uint64_t)status.st_blocks * 512, PACKED_AT_MOST, &image->budget) ||
        image->budget < BUDGET_MIN)
        image->budget = BUDGET_MIN;
    if (read_at(image, 0, header, sizeof *header) != sizeof *header ||
        memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_phnum > RHI_HEADERS_MAX ||
        (header->e_phnum && header->e_phentsize != sizeof *image->segments) ||
        (header->e_shnum && header->e_shentsize != sizeof(Elf64_Shdr)) ||
        read_at(image, header->e_phoff, image->segments,
                header->e_phnum * sizeof *image->segments) !=
            header->e_phnum * sizeof *image->segments) {
        rhi__image_close(image);
        return false;
    }
    find_id(image);
    return true;
}

uint64_t rhi__image_constants(const rhi_image *image, uint64_t address, void *buffer, uint64_t size)
{
    for (unsigned i = 0; image->file >= 0 && i < image->header.e_phnum; i++) {
        const Elf64_Phdr *segment = &image->segments[i];
        uint64_t at = address - segment->p_vaddr;
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W || at >= segment->p_filesz)
            continue;
        uint64_t room = segment->p_filesz - at;
        return read_at(image, segment->p_offset + at, buffer, size < room ? size : room);
    }
    return 0;
}

void rhi__image_close(rhi_image *image)
{
    if (image->elf)
        elf_end(image->elf);
    if (image->bytes)
        munmap(image->bytes, image->room);
    if (image->file >= 0)
        close(image->file);
    *image = (rhi_image){.file = -1};
}

/* ---- sections ------------------------------------------------------------------------------- */

static uint64_t section_count(const rhi_image *image)
{
    Elf64_Shdr first;
    if (image->header.e_shnum || !image->header.e_shoff || !section_at(image, 0, &first))
        return image->header.e_shnum;
    return first.sh_size < SECTIONS_MAX ? first.sh_size : 0;
}

static void name_of(const rhi_image *image, const Elf64_Shdr *names, const Elf64_Shdr *section,
                    char name[NAME_MAX_BYTES])
{
    memset(name, 0, NAME_MAX_BYTES);
    if (section->sh_name < names->sh_size)
        read_at(image, names->sh_offset + section->sh_name, name, NAME_MAX_BYTES - 1);
}

static bool names_section(const rhi_image *image, Elf64_Shdr *names)
{
    Elf64_Shdr first;
    uint64_t index = image->header.e_shstrndx;
    if (index == SHN_XINDEX)
        index = section_at(image, 0, &first) ? first.sh_link : 0;
    return index != SHN_UNDEF && section_at(image, index, names);
}

static bool section_named(const rhi_image *image, const char *wanted, Elf64_Shdr *section)
{
    Elf64_Shdr names;
    char name[NAME_MAX_BYTES];
    uint64_t count = section_count(image);
    bool found = false;
    for (uint64_t i = 0;
         i < count && !found && names_section(image, &names) && section_at(image, i, section);
         i++) {
        name_of(image, &names, section, name);
        found = strcmp(name, wanted) == 0 && section->sh_type != SHT_NOBITS;
    }
    return found;
}

uint64_t rhi__image_section(const rhi_image *image, const char *wanted, void *buffer, uint64_t size)
{
    Elf64_Shdr section;
    return section_named(image, wanted, &section)
               ? read_at(image, section.sh_offset, buffer,
                         section.sh_size < size ? section.sh_size : size)
               : 0;
}

unsigned char *rhi__image_find(const rhi_image *image, const char *wanted, uint64_t base,
                               uint64_t index, unsigned width)
{
    Elf64_Shdr section;
    uint64_t offset;
    if (!image->bytes || !section_named(image, wanted, &section) ||
        section.sh_flags & SHF_COMPRESSED || section.sh_offset > image->room ||
        section.sh_size > image->room - section.sh_offset ||
        __builtin_mul_overflow(index, width, &offset) ||
        __builtin_add_overflow(offset, base, &offset) || offset > section.sh_size ||
        width > section.sh_size - offset)
        return NULL;
    return image->bytes + section.sh_offset + offset;
}

/* What the section says it unpacks to; its own size if it is not packed. */
static uint64_t unpacked_size(const rhi_image *image, const Elf64_Shdr *section, const char *name)
{
    Elf64_Chdr packed;
    uint8_t old[12];
    if (section->sh_flags & SHF_COMPRESSED)
        return read_at(image, section->sh_offset, &packed, sizeof packed) == sizeof packed
                   ? packed.ch_size
                   : UINT64_MAX;
    if (strncmp(name, ".zdebug", 7) != 0 ||
        read_at(image, section->sh_offset, old, sizeof old) != sizeof old)
        return section->sh_size;
    uint64_t size = 0;
    for (int i = 4; i < 12; i++)
        size = size << 8 | old[i];
    return size;
}

/* Takes a section's bytes into the image; false: it does not come in. */
static bool take_section(rhi_image *image, Elf64_Shdr *section, const char *name)
{
    enum { SLACK = 1 << 20 };
    bool is_text = section->sh_flags & SHF_ALLOC && section->sh_type != SHT_DYNSYM &&
                   section->sh_type != SHT_STRTAB;
    uint64_t unpacked = unpacked_size(image, section, name);
    /* libdw would open it by itself, in its own way */
    bool is_link = strcmp(name, ".gnu_debugaltlink") == 0;
    if (section->sh_type == SHT_NOBITS || section->sh_type == SHT_NULL || is_text)
        return section->sh_type != SHT_NOTE;
    if (is_link || section->sh_offset > image->size ||
        section->sh_size > image->size - section->sh_offset || section->sh_size > image->budget ||
        unpacked / PACKED_AT_MOST > section->sh_size + SLACK / PACKED_AT_MOST)
        return false;
    image->budget -= section->sh_size;
    if (unpacked != section->sh_size)
        image->budget -= unpacked < image->budget ? unpacked : image->budget;
    read_at(image, section->sh_offset, image->bytes + section->sh_offset, section->sh_size);
    return true;
}

/* Moves a section of strings behind the file's bytes, where there is room for one more string. */
static void give_room(rhi_image *image, Elf64_Shdr *section, enum rhi_strings kind, uint64_t *end)
{
    if (section->sh_flags & SHF_COMPRESSED || section->sh_type == SHT_NOBITS ||
        image->spare[kind].at || section->sh_size + RHI_STRING_ROOM > image->room - *end)
        return;
    memcpy(image->bytes + *end, image->bytes + section->sh_offset, section->sh_size);
    image->spare[kind].at = (char *)image->bytes + *end + section->sh_size;
    image->spare[kind].offset = section->sh_size;
    section->sh_offset = *end;
    section->sh_size += RHI_STRING_ROOM;
    *end += (section->sh_size + 63) & ~63ull;
}

static uint64_t strings_size(const rhi_image *image, const Elf64_Shdr *names, uint64_t count)
{
    uint64_t sum = 0;
    Elf64_Shdr section;
    char name[NAME_MAX_BYTES];
    for (uint64_t i = 0; i < count && section_at(image, i, &section); i++) {
        name_of(image, names, &section, name);
        if ((strcmp(name, ".debug_str") == 0 || strcmp(name, ".debug_line_str") == 0) &&
            section.sh_size <= image->budget)
            sum += section.sh_size + 2 * RHI_STRING_ROOM;
    }
    return sum < image->budget ? sum : 0;
}

static void load_sections(rhi_image *image, const Elf64_Shdr *names, uint64_t count)
{
    uint64_t end = (image->size + 63) & ~63ull;
    char name[NAME_MAX_BYTES];
    for (uint64_t i = 0; i < count; i++) {
        Elf64_Shdr section;
        if (!section_at(image, i, &section))
            return;
        name_of(image, names, &section, name);
        if (!take_section(image, &section, name))
            section.sh_type = SHT_NOBITS;
        else if (strcmp(name, ".debug_str") == 0)
            give_room(image, &section, RHI_STRINGS, &end);
        else if (strcmp(name, ".debug_line_str") == 0)
            give_room(image, &section, RHI_LINE_STRINGS, &end);
        memcpy(image->bytes + image->header.e_shoff + i * sizeof section, &section, sizeof section);
    }
}

bool rhi__image_load(rhi_image *image)
{
    Elf64_Shdr names = {.sh_size = 0};
    uint64_t count = section_count(image), table = count * sizeof names;
    if (image->bytes)
        return image->elf != NULL;
    bool has_sections = image->header.e_shoff <= image->size &&
                        table <= image->size - image->header.e_shoff &&
                        names_section(image, &names);
    image->room = ((image->size + 63) & ~63ull) +
                  (has_sections ? strings_size(image, &names, count) : 0) + RHI_STRING_ROOM;
    void *bytes = mmap(NULL, image->room, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED)
        return false;
    image->bytes = bytes;
    memcpy(image->bytes, &image->header, sizeof image->header);
    /* it was read there */
    memcpy(image->bytes + image->header.e_phoff, image->segments,
           image->header.e_phnum * sizeof *image->segments);
    if (has_sections)
        load_sections(image, &names, count);
    else
        memset(image->bytes + offsetof(Elf64_Ehdr, e_shoff), 0, 8);
    close(image->file);
    image->file = -1;
    elf_version(EV_CURRENT);
    image->elf = elf_memory((char *)image->bytes, image->room);
    return image->elf && elf_kind(image->elf) == ELF_K_ELF;
}

int rhi__image_memory_file(const rhi_image *image)
{
    int file = memfd_create("split debug info", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    for (uint64_t done = 0; file >= 0 && done < image->room;) {
        ssize_t got = write(file, image->bytes + done, image->room - done);
        if (got <= 0) {
            close(file);
            return -1;
        }
        done += (uint64_t)got;
    }
    if (file >= 0)
        fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return file;
}
