/* hostile.c - builds the cores of hostile.h from a fake target's memory. */
#define _GNU_SOURCE
#include "hostile.h"
#include "fake_core.h"
#include "inspect_test.h"

#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXTRA HOSTILE_EXTRA
#define TIB (1ull << 40)
#define GIB (1ull << 30)
enum {
    MIB = 1 << 20,
    VECTOR = 2 * MIB, /* most words of the core, which so many objects claim: */
    HELD = 200,
    STALE = 1000, /* more than the engine looks at for one question */
    REPEATED = 4096,
    HEAPS = 20000,
    HEAP_BYTES = 2048
};

typedef struct scene {
    world w;
    uint32_t vector;
    uint64_t held, freed;
} scene;

static const fake_field vector_fields[] = {FAKE_VECTOR("items", 0, 8)};

/* Two objects, a word of a stack that holds one, and `count` with a vector of `elements` at EXTRA
 * each. */
static scene scene_of(world w, unsigned count, uint64_t elements)
{
    scene s = {.w = w};
    fake_target *t = s.w.t;
    fake_map(t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "")->path[0] = '\0';
    fake_thread(t, 321, 0x7ffe00001000);
    s.held = new_node(&s.w, 1);
    s.freed = new_node(&s.w, 1);
    fake_put(t, 0x7ffe00001800, s.held, 8);
    fake_put(t, 0x7ffe00001808, s.freed, 8);
    s.vector = fake_type(s.w.space, "vector", 16, vector_fields, 1);
    for (unsigned i = 0; i < count; i++) {
        uint64_t object = fake_new(s.w.heap, s.vector, 1, 0);
        fake_put(t, fake_slot(s.w.space, object, 0), EXTRA, 8);
        fake_put(t, fake_slot(s.w.space, object, 8), elements, 8);
    }
    return s;
}

static scene scene_new(unsigned count, uint64_t elements)
{
    return scene_of(world_new(0), count, elements);
}

static void write_at(int file, const void *bytes, uint64_t length, uint64_t at)
{
    ck_assert_int_eq(pwrite(file, bytes, length, (off_t)at), (ssize_t)length);
}

/* Writes the core with `count` more segments of `size` bytes, one behind the other in memory from
 * EXTRA on. In the file they are all the same bytes behind the rest, of which the first `length`
 * are at `bytes`. Returns where those are in the file, which is open as *file. */
static uint64_t write_core(scene *s, const char *path, uint64_t count, uint64_t size,
                           const void *bytes, uint64_t length, int *file)
{
    size_t core_size;
    uint8_t *core = fake_core_bytes(s->w.t, &core_size);
    Elf64_Ehdr *header = (Elf64_Ehdr *)core;
    uint64_t old = header->e_phnum, headers = (core_size + 4095) / 4096 * 4096, total = old + count;
    uint64_t at = (headers + total * sizeof(Elf64_Phdr) + 4095) / 4096 * 4096;
    Elf64_Phdr *all = calloc(total, sizeof *all);
    ck_assert_ptr_nonnull(all);
    memcpy(all, core + header->e_phoff, old * sizeof *all);
    for (uint64_t i = 0; i < count; i++)
        all[old + i] = (Elf64_Phdr){.p_type = PT_LOAD,
                                    .p_flags = PF_R | PF_W,
                                    .p_offset = at,
                                    .p_vaddr = EXTRA + i * size,
                                    .p_filesz = size,
                                    .p_memsz = size};
    header->e_ident[EI_OSABI] = ELFOSABI_LINUX; /* LLDB asks for it */
    header->e_phoff = headers;
    header->e_phnum = (Elf64_Half)total;
    *file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(*file, 0);
    write_at(*file, core, core_size, 0);
    write_at(*file, all, total * sizeof *all, headers);
    write_at(*file, bytes, length, at);
    ck_assert_int_eq(ftruncate(*file, (off_t)(at + size)), 0);
    free(all);
    free(core);
    return at;
}

static void finish(scene *s, int file)
{
    close(file);
    world_free(&s->w);
}

/* `count` words of this value. */
static uint64_t *words_of(uint64_t value, uint64_t count)
{
    uint64_t *words = malloc(count * sizeof *words);
    ck_assert_ptr_nonnull(words);
    for (uint64_t i = 0; i < count; i++)
        words[i] = value;
    return words;
}

/* One vector of 1 TiB, all holes but its first page. */
static void one_vector(const char *path)
{
    scene s = scene_new(1, TIB / 8);
    int file;
    fake_count(s.w.heap, s.held, 2);
    write_core(&s, path, 1, TIB, &s.held, 8, &file);
    finish(&s, file);
}

/* Many objects that have the same vector of 2 MiB. */
static void many_vectors(const char *path, bool to_freed)
{
    scene s = scene_new(to_freed ? STALE : HELD, VECTOR / 8);
    int file;
    uint64_t *words = words_of(to_freed ? s.freed : s.held, VECTOR / 8);
    if (to_freed)
        fake_free_object(s.w.heap, s.freed, RH_DEATH_RELEASE);
    write_core(&s, path, 1, VECTOR, words, VECTOR, &file);
    free(words);
    finish(&s, file);
}

static void vectors_of_one(const char *path)
{
    many_vectors(path, false);
}

static void vectors_of_none(const char *path)
{
    many_vectors(path, true);
}

/* Segments of the same 16 MiB again and again, each word of which holds an object. */
static void repeated(const char *path)
{
    scene s = scene_new(1, 1);
    int file;
    uint64_t *words = words_of(s.held, 16 * MIB / 8);
    write_core(&s, path, REPEATED, 16 * MIB, words, 16 * MIB, &file);
    free(words);
    finish(&s, file);
}

/* 20,000 heaps and 65,536 types. */
static void many_heaps(const char *path)
{
    scene s = scene_new(1, 1);
    fake_target *t = s.w.t;
    const uint64_t *c = s.w.space->c;
    int file;
    uint8_t *heaps = calloc(HEAPS, HEAP_BYTES);
    ck_assert_ptr_nonnull(heaps);
    for (uint64_t i = 0; i < HEAPS; i++) {
        uint64_t next = i + 1 < HEAPS ? EXTRA + (i + 1) * HEAP_BYTES : 0, number = i + 2;
        memcpy(heaps + i * HEAP_BYTES + c[RH_MC_heap_next], &next, 8);
        memcpy(heaps + i * HEAP_BYTES + c[RH_MC_heap_number], &number, 8);
    }
    fake_put(t, s.w.heap->address + c[RH_MC_heap_next], EXTRA, 8);
    fake_put(t, FAKE_DESCRIPTOR(s.w.space, type_count), 65536, 8);
    write_core(&s, path, 1, (uint64_t)HEAPS * HEAP_BYTES, heaps, (uint64_t)HEAPS * HEAP_BYTES,
               &file);
    free(heaps);
    finish(&s, file);
}

/* 4,096 fields in the same place, each an array of all words of the object. */
static void many_fields(const char *path)
{
    enum { FIELDS = 4096, WORDS = 250, HOLDERS = 60 };
    scene s = scene_new(0, 0);
    const fake_field field = {.name = "items",
                              .kind = RH_KIND_STRONG,
                              .form = RH_FORM_ARRAY,
                              .width = 8,
                              .count = WORDS,
                              .stride = 8};
    const uint64_t *c = s.w.space->c, size = c[RH_MC_field_size];
    uint32_t type = fake_type(s.w.space, "fields", WORDS * 8, &field, 1);
    int file;
    uint8_t *rows = malloc(FIELDS * size);
    ck_assert_ptr_nonnull(rows);
    for (uint64_t i = 0; i < FIELDS; i++)
        memcpy(rows + i * size, fake_bytes(s.w.t, fake_field_row(s.w.space, type, 0), size), size);
    fake_put(s.w.t, fake_type_row(s.w.space, type) + c[RH_MC_type_fields], EXTRA, 8);
    fake_put(s.w.t, fake_type_row(s.w.space, type) + c[RH_MC_type_field_count], FIELDS, 4);
    for (unsigned i = 0; i < HOLDERS; i++) {
        uint64_t object = fake_new(s.w.heap, type, 1, 0);
        for (uint64_t k = 0; k < WORDS; k++)
            fake_put(s.w.t, fake_slot(s.w.space, object, k * 8), s.held, 8);
    }
    write_core(&s, path, 1, FIELDS * size, rows, FIELDS * size, &file);
    free(rows);
    finish(&s, file);
}

static void put(uint8_t *bytes, uint64_t offset, uint64_t value, unsigned width)
{
    memcpy(bytes + offset, &value, width);
}

/* A chunk of `bytes_in_all` with a slab of 64 slots, all of them live by the bitmap. Sixteen have
 * a header, the others and the rest of all are holes. A runtime that says how large its slabs are
 * would not be believed. */
static void slots_in_holes(const char *path, uint64_t bytes_in_all, uint64_t slot_size)
{
    enum { SLOTS = 64, THERE = 16 };
    scene s = scene_of(world_without(0, FAKE_OLDER), 1, 1);
    const uint64_t *c = s.w.space->c, mappings = FAKE_DESCRIPTOR(s.w.space, mappings),
                   first = 1 * MIB;
    int file;
    uint8_t bytes[4096] = {0}, object[64] = {0};
    put(bytes, c[RH_MC_mapping_next], fake_get(s.w.t, mappings, 8), 8);
    put(bytes, c[RH_MC_mapping_bytes], bytes_in_all, 8);
    put(bytes, c[RH_MC_mapping_kind], RH_MAPPING_CHUNK, 4);
    put(bytes, c[RH_MC_mapping_heap], s.w.heap->address, 8);
    put(bytes, c[RH_MC_chunk_slab_table] + c[RH_MC_slab_base], EXTRA + first, 8);
    put(bytes, c[RH_MC_chunk_slab_table] + c[RH_MC_slab_slot_size], slot_size, 8);
    put(bytes, c[RH_MC_chunk_slab_table] + c[RH_MC_slab_capacity], SLOTS, 4);
    put(bytes, c[RH_MC_chunk_slab_table] + c[RH_MC_slab_live], UINT64_MAX, 8);
    fake_put(s.w.t, mappings, EXTRA, 8);
    put(object, c[RH_MC_object_type], s.w.node, 2);
    put(object, c[RH_MC_object_count], fake_count_word(s.w.space, 1), 4);
    uint64_t at = write_core(&s, path, 1, bytes_in_all, bytes, sizeof bytes, &file);
    for (unsigned i = 0; i < THERE; i++) {
        put(object, c[RH_MC_object_serial], (100 + i) << c[RH_MC_object_serial_shift], 8);
        write_at(file, object, sizeof object, at + first + i * slot_size);
    }
    finish(&s, file);
}

static void huge_slots(const char *path)
{
    slots_in_holes(path, TIB, 4 * GIB);
}

/* That is not hostile: the runtime takes slots in advance, 64 at a time, and pages that nobody
 * wrote to are holes. */
static void reserved_slots(const char *path)
{
    slots_in_holes(path, 4 * MIB, 8192);
}

/* 50,000 heaps in a list, and 450,000 mappings in another, each of a heap at the list's end. */
static void many_mappings(const char *path)
{
    enum { LISTED = 50000, STRIDE = 256, MAPPINGS = 450000, MAPPING_STRIDE = 32 };
    scene s = scene_new(1, 1);
    const uint64_t *c = s.w.space->c, mappings = FAKE_DESCRIPTOR(s.w.space, mappings),
                   heap = s.w.heap->address;
    const uint64_t at = EXTRA + LISTED * STRIDE, size = LISTED * STRIDE + MAPPINGS * MAPPING_STRIDE,
                   old = fake_get(s.w.t, mappings, 8);
    int file;
    uint8_t *bytes = calloc(1, size);
    ck_assert_ptr_nonnull(bytes);
    for (uint64_t i = 0; i < LISTED; i++) {
        put(bytes, i * STRIDE + c[RH_MC_heap_next], i + 1 < LISTED ? EXTRA + (i + 1) * STRIDE : 0,
            8);
        put(bytes, i * STRIDE + c[RH_MC_heap_number], i + 2, 8);
    }
    for (uint64_t i = 0, row = LISTED * STRIDE; i < MAPPINGS; i++, row += MAPPING_STRIDE) {
        put(bytes, row + c[RH_MC_mapping_next],
            i + 1 < MAPPINGS ? at + (i + 1) * MAPPING_STRIDE : old, 8);
        put(bytes, row + c[RH_MC_mapping_bytes], MAPPING_STRIDE, 8);
        put(bytes, row + c[RH_MC_mapping_kind], RH_MAPPING_HEAP, 4);
        put(bytes, row + c[RH_MC_mapping_heap], EXTRA + (LISTED - 1) * STRIDE, 8);
    }
    fake_put(s.w.t, heap + c[RH_MC_heap_next], EXTRA, 8);
    fake_put(s.w.t, mappings, at, 8);
    write_core(&s, path, 1, size, bytes, size, &file);
    free(bytes);
    finish(&s, file);
}

/* A history of 2^32 events in a hole, and of as many that are said to have been. */
static void long_history(const char *path)
{
    scene s = scene_new(1, 1);
    const uint64_t *c = s.w.space->c, heap = s.w.heap->address, event = 0;
    int file;
    fake_put(s.w.t, heap + c[RH_MC_heap_history], EXTRA, 8);
    fake_put(s.w.t, heap + c[RH_MC_heap_history_capacity], 1ull << 32, 8);
    fake_put(s.w.t, heap + c[RH_MC_heap_history_count], 1ull << 32, 8);
    write_core(&s, path, 1, (1ull << 32) * c[RH_MC_event_size], &event, 8, &file);
    finish(&s, file);
}

/* 1,300,000 registered roots, all where no memory is. */
static void many_roots(const char *path)
{
    enum { ROOTS = 1300000 };
    scene s = scene_new(0, 0);
    const uint64_t *c = s.w.space->c, heap = s.w.heap->address, size = ROOTS * c[RH_MC_root_size];
    int file;
    uint8_t *bytes = calloc(1, size);
    ck_assert_ptr_nonnull(bytes);
    new_node(&s.w, 1);
    for (uint64_t i = 0; i < ROOTS; i++) {
        char name[40];
        snprintf(name, sizeof name, "root %" PRIu64, i);
        put(bytes, i * c[RH_MC_root_size] + c[RH_MC_root_slot], 0x100000 + i * 8, 8);
        memcpy(bytes + i * c[RH_MC_root_size] + c[RH_MC_root_name], name, sizeof name);
    }
    fake_put(s.w.t, heap + c[RH_MC_heap_roots], EXTRA, 8);
    fake_put(s.w.t, heap + c[RH_MC_heap_roots_capacity], ROOTS, 8);
    write_core(&s, path, 1, size, bytes, size, &file);
    free(bytes);
    finish(&s, file);
}

/* Objects of 16 bytes beside each other as far as the slabs reach, each of which holds all others
 * by one vector that they share: edges without end. */
static void all_to_all(const char *path)
{
    enum { HOLDERS = 200, WORDS = MIB / 4 };
    scene s = scene_new(HOLDERS, WORDS);
    const uint64_t first = s.held;
    int file;
    uint64_t *words = words_of(first, WORDS);
    for (uint64_t i = 0; i < WORDS; i++) /* slots of one slab have one size: the holders' */
        words[i] =
            s.w.heap->slabs[1].base + i % s.w.heap->slabs[1].used * s.w.heap->slabs[1].slot_size;
    write_core(&s, path, 1, WORDS * 8, words, WORDS * 8, &file);
    free(words);
    finish(&s, file);
}

/* A main arena of malloc with two chunks: one of 512 GiB in a hole, and the top. */
static void huge_arena(const char *path)
{
    enum { BINS = 127 };
    scene s = scene_new(0, 0);
    const uint64_t data = 0x700000000000, state = data + 0x100, bins = state + 112,
                   top = EXTRA + TIB / 2;
    const uint64_t first[] = {0, TIB / 2 | 1}, last[] = {0, TIB / 2 | 1};
    int file;
    fake_map(s.w.t, data, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "/usr/lib/made-up.so")
        ->file_offset = 0x1000;
    for (unsigned i = 0; i < 2 * BINS; i++)
        fake_put(s.w.t, bins + i * 8, bins + i / 2 * 16 - 16, 8);
    fake_put(s.w.t, bins - 16, top, 8);
    fake_put(s.w.t, bins + BINS * 16 + 16, state, 8);
    new_node(&s.w, 1); /* nobody holds it */
    uint64_t at = write_core(&s, path, 1, TIB, first, sizeof first, &file);
    write_at(file, &s.held, 8, at + 64); /* and this is held from the chunk */
    write_at(file, last, sizeof last, at + TIB / 2);
    finish(&s, file);
}

/* 4,000 threads (GDB takes minutes for more), whose stacks all lie in one of 2,000 segments. */
static void many_threads(const char *path)
{
    enum {
        THREADS = 4000,
        SEGMENTS = 2000,
        SEGMENT_BYTES = 4096,
        NOTE_BYTES = sizeof(Elf64_Nhdr) + 8 + (sizeof(struct elf_prstatus) + 3) / 4 * 4
    };
    scene s = scene_new(1, 1);
    int file;
    uint64_t size = (uint64_t)THREADS * NOTE_BYTES;
    uint8_t *notes = calloc(1, size);
    ck_assert_ptr_nonnull(notes);
    for (uint64_t i = 0; i < THREADS; i++) {
        const Elf64_Nhdr note = {
            .n_namesz = 5, .n_descsz = sizeof(struct elf_prstatus), .n_type = NT_PRSTATUS};
        struct elf_prstatus status = {.pr_pid = (int)(1000 + i)};
        const uint64_t pointer = EXTRA + i % SEGMENTS * SEGMENT_BYTES + 8 * (i / SEGMENTS);
        memset(&status.pr_reg, 0, sizeof status.pr_reg);
        memcpy((uint64_t *)&status.pr_reg + fake_core_stack_pointer(), &pointer, 8);
        memcpy(notes + i * NOTE_BYTES, &note, sizeof note);
        memcpy(notes + i * NOTE_BYTES + sizeof note, "CORE", 5);
        memcpy(notes + i * NOTE_BYTES + sizeof note + 8, &status, sizeof status);
    }
    uint64_t at = write_core(&s, path, SEGMENTS, SEGMENT_BYTES, &s.held, 8, &file), headers;
    Elf64_Phdr first;
    close(file);
    file = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(pread(file, &headers, 8, offsetof(Elf64_Ehdr, e_phoff)), 8);
    ck_assert_int_eq(pread(file, &first, sizeof first, (off_t)headers), sizeof first);
    first.p_offset = at + SEGMENT_BYTES;
    first.p_filesz = size;
    write_at(file, &first, sizeof first, headers);
    write_at(file, notes, size, first.p_offset);
    free(notes);
    finish(&s, file);
}

static const char cut_references[] =
    "objects claim more references than the core has words: the rest is left out";

const hostile_core hostile_cores[] = {
    {"vector", one_vector, NULL},
    {"vectors", vectors_of_one, cut_references},
    {"stale", vectors_of_none, cut_references},
    {"repeated", repeated, "segments of the core file repeat each other"},
    {"heaps", many_heaps, "the name of type"},
    {"fields", many_fields, cut_references},
    {"slots", huge_slots, "are not in the core: its file has a hole there"},
    {"mappings", many_mappings, "the list of mappings does not lead to"},
    {"history", long_history, NULL},
    {"roots", many_roots, "the heaps claim more than"},
    {"edges", all_to_all, cut_references},
    {"reserved", reserved_slots, NULL},
    {"malloc", huge_arena, NULL},
    {"threads", many_threads, "the core file's headers are damaged"},
};
const unsigned hostile_core_count = sizeof hostile_cores / sizeof *hostile_cores;
