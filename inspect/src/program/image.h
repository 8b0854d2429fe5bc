/* image.h - our own copy of what an ELF file says: headers first, the rest once the file is known
 * to be the right one.
 *
 * Invariant: the file is read, never mapped, and libelf sees the copy alone: whatever is done to
 * the file meanwhile, no access can fault. What is read is bounded by what the file really holds
 * on its disk. */
#ifndef RHI_IMAGE_H
#define RHI_IMAGE_H

#include <elf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RHI_BUILD_ID_MAX = 64, RHI_HEADERS_MAX = 128 };

typedef struct rhi_build_id {
    uint8_t bytes[RHI_BUILD_ID_MAX];
    size_t size; /* 0: none */
} rhi_build_id;
bool rhi__same_id(const rhi_build_id *a, const rhi_build_id *b); /* and there is one */
/* The build-id among the notes of `size` bytes; false if there is none. */
bool rhi__id_in_notes(const uint8_t *notes, uint64_t size, rhi_build_id *id);

/* The strings of debug info, with room for one more behind them. */
enum rhi_strings { RHI_STRINGS, RHI_LINE_STRINGS, RHI_STRINGS_KINDS };
enum { RHI_STRING_ROOM = 64 };

typedef struct rhi_image {
    int file;              /* -1: not open */
    uint64_t size, budget; /* bytes: of the file, and that may still be read of it */
    Elf64_Ehdr header;
    Elf64_Phdr segments[RHI_HEADERS_MAX]; /* header.e_phnum of them */
    rhi_build_id id;
    uint8_t *bytes; /* from rhi__image_load on */
    uint64_t room;  /* bytes there */
    Elf *elf;
    /* where one more string can be, and its offset in the section */
    struct {
        char *at;
        uint64_t offset;
    } spare[RHI_STRINGS_KINDS];
} rhi_image;

/* Opens a regular file with the headers of a 64-bit ELF file: reads these and the build-id. A
 * device or pipe of that name is not touched. */
bool rhi__image_open(const char *path, rhi_image *image);
/* Reads the sections of symbols and debug info, and gives them to libelf as image->elf. Sections
 * that would unpack to far more than they are, and links to other files, are taken out. Closes
 * the file. */
bool rhi__image_load(rhi_image *image);
void rhi__image_close(rhi_image *image);
/* A file in memory, sealed, with the image's bytes: its descriptor, or -1. */
int rhi__image_memory_file(const rhi_image *image);
/* The bytes of a section by name, before or after loading; at most `size`. Returns how many. */
uint64_t rhi__image_section(const rhi_image *image, const char *name, void *buffer, uint64_t size);

/* Before loading: the bytes that programs find at an address of the file, in segments that they do
 * not write to; at most `size`. Returns how many. */
uint64_t rhi__image_constants(const rhi_image *image, uint64_t address, void *buffer,
                              uint64_t size);

/* After loading: entry `index` of `width` bytes, counted from `base`, in a section that is not
 * packed; NULL: none. */
unsigned char *rhi__image_find(const rhi_image *image, const char *name, uint64_t base,
                               uint64_t index, unsigned width);

#endif
