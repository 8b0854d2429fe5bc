/* elf_note.h - one step along ELF notes, which lie one behind the other in a core, in a file or in
 * memory. All of it is untrusted: a note that does not fit is the end. */
#ifndef RHI_ELF_NOTE_H
#define RHI_ELF_NOTE_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum { RHI_ELF_NOTE_HEADER = 12 };

/* Where the parts of a note lie, in bytes from where the first one begins, and the next one. */
typedef struct rhi_elf_note {
    uint32_t type;
    uint64_t name, name_size, bytes, size, next;
} rhi_elf_note;

/* The note at `at`, whose header is `header`, of notes that end at `end`; false: it is cut off. */
static inline bool rhi__elf_note(const uint8_t header[RHI_ELF_NOTE_HEADER], uint64_t at,
                                 uint64_t end, rhi_elf_note *note)
{
    *note = (rhi_elf_note){.type = rhi__load32(header + 8),
                           .name = at + RHI_ELF_NOTE_HEADER,
                           .name_size = rhi__load32(header),
                           .size = rhi__load32(header + 4)};
    note->bytes = note->name + (note->name_size + 3) / 4 * 4;
    note->next = note->bytes + (note->size + 3) / 4 * 4;
    return note->bytes <= end && note->size <= end - note->bytes;
}

#endif
