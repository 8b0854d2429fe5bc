/* fake_core.c - an ELF core made of a fake target's memory (see fake_core.h).
 * Invariant: `at` never passes the room that was counted before. */
#define _GNU_SOURCE
#include "fake_core.h"

#include <check.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <unistd.h>

#if defined(__aarch64__)
enum { MACHINE = EM_AARCH64, STACK_POINTER = 31, A_REGISTER = 19 };
static const struct {
    const char *name;
    unsigned place;
} others[] = {{"pc", 32}};
#else
enum { MACHINE = EM_X86_64, STACK_POINTER = 19, A_REGISTER = 5 };
static const struct {
    const char *name;
    unsigned place;
} others[] = {{"rip", 16}, {"orig_rax", 15}};
#endif

unsigned fake_core_stack_pointer(void)
{
    return STACK_POINTER;
}

static unsigned place_of(const char *name)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i].name, name) == 0)
            return others[i].place;
    return A_REGISTER;
}

static size_t put_note(uint8_t *bytes, size_t at, uint32_t type, const void *payload, size_t size)
{
    Elf64_Nhdr note = {.n_namesz = 5, .n_descsz = (uint32_t)size, .n_type = type};
    memcpy(bytes + at, &note, sizeof note);
    memcpy(bytes + at + sizeof note, "CORE\0\0\0", 8);
    memcpy(bytes + at + sizeof note + 8, payload, size);
    return at + sizeof note + 8 + (size + 3) / 4 * 4;
}

static size_t put_threads(const fake_target *fake, uint8_t *bytes, size_t at)
{
    for (unsigned i = 0; i < fake->thread_count; i++) {
        struct elf_prstatus status;
        uint64_t words[sizeof status.pr_reg / 8] = {0};
        memset(&status, 0, sizeof status);
        status.pr_pid = (int)fake->threads[i].lwp;
        words[STACK_POINTER] = fake->threads[i].stack_pointer;
        for (unsigned k = 0; k < fake->register_count; k++)
            if (fake->registers[k].thread == i)
                words[place_of(fake->registers[k].name)] = fake->registers[k].value;
        memcpy(&status.pr_reg, words, sizeof words);
        at = put_note(bytes, at, NT_PRSTATUS, &status, sizeof status);
    }
    return at;
}

static size_t put_files(const fake_target *fake, uint8_t *bytes, size_t at)
{
    uint64_t rows[2 + 3 * FAKE_SEGMENTS_MAX] = {0, 4096};
    char names[FAKE_SEGMENTS_MAX * FAKE_PATH_SIZE];
    size_t name_bytes = 0;
    for (unsigned i = 0; i < fake->segment_count; i++) {
        const fake_segment *s = &fake->segments[i];
        if (s->path[0] != '/')
            continue;
        uint64_t *row = rows + 2 + 3 * rows[0]++;
        row[0] = s->start;
        row[1] = s->end;
        row[2] = s->file_offset / 4096;
        name_bytes += (size_t)sprintf(names + name_bytes, "%s", s->path) + 1;
    }
    size_t row_bytes = (2 + 3 * rows[0]) * 8;
    uint8_t *payload = malloc(row_bytes + name_bytes + 1);
    ck_assert_ptr_nonnull(payload);
    memcpy(payload, rows, row_bytes);
    memcpy(payload + row_bytes, names, name_bytes);
    at = put_note(bytes, at, NT_FILE, payload, row_bytes + name_bytes);
    free(payload);
    return at;
}

uint8_t *fake_core_bytes(const fake_target *fake, size_t *size)
{
    unsigned count = fake->segment_count + 1;
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = MACHINE,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = (Elf64_Half)count};
    size_t notes = sizeof header + count * sizeof(Elf64_Phdr);
    size_t room = notes + FAKE_THREADS_MAX * (sizeof(struct elf_prstatus) + 32) +
                  FAKE_SEGMENTS_MAX * (24 + FAKE_PATH_SIZE) + 64;
    for (unsigned i = 0; i < fake->segment_count; i++)
        room += fake->segments[i].end - fake->segments[i].start;
    uint8_t *bytes = calloc(1, room);
    ck_assert_ptr_nonnull(bytes);
    size_t at = put_files(fake, bytes, put_threads(fake, bytes, notes));
    Elf64_Phdr first = {.p_type = PT_NOTE, .p_offset = notes, .p_filesz = at - notes};
    memcpy(bytes, &header, sizeof header);
    memcpy(bytes + sizeof header, &first, sizeof first);
    for (unsigned i = 0; i < fake->segment_count; i++) {
        const fake_segment *s = &fake->segments[i];
        uint64_t length = s->end - s->start;
        Elf64_Phdr load = {.p_type = PT_LOAD,
                           .p_offset = at,
                           .p_vaddr = s->start,
                           .p_memsz = length,
                           .p_filesz = s->hidden ? 0 : length,
                           .p_align = 4096};
        load.p_flags = (s->flags & RHI_REGION_READ ? PF_R : 0) |
                       (s->flags & RHI_REGION_WRITE ? PF_W : 0) |
                       (s->flags & RHI_REGION_EXECUTE ? PF_X : 0);
        memcpy(bytes + sizeof header + (i + 1) * sizeof load, &load, sizeof load);
        if (!s->hidden)
            memcpy(bytes + at, s->bytes, length);
        at += load.p_filesz;
    }
    ck_assert_uint_le(at, room);
    *size = at;
    return bytes;
}

void fake_core_write(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* A core target's context is its own. */
static fake_target *terminal;

static void emit_to_terminal(void *context, int stream, const char *text, uint64_t size)
{
    (void)context;
    fake_emit(terminal, stream, text, size);
}

int fake_core_try(fake_target *fake, const char *path, rhi_target *core, char *error, size_t size)
{
    int status = rhi_target_open_core(path, NULL, core, error, size);
    terminal = fake;
    if (status == 0)
        core->emit = emit_to_terminal;
    return status;
}

void fake_core_open(fake_target *fake, const char *path, rhi_target *core)
{
    char error[256] = "";
    if (fake_core_try(fake, path, core, error, sizeof error) != 0)
        ck_abort_msg("%s", error);
}
