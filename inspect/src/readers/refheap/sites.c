/* sites.c - the lines that made objects, by the numbers in their headers (see reader.h).
 *
 * Invariant: a site is an entry of the runtime's table that can be read in full; what its texts are
 * is read when the first object of the site asks for it, and kept. Entries never change in the
 * target: one that is another than its check says is damaged, and nothing of it is told. */
#include "readers/refheap/reader.h"

#include <stdlib.h>
#include <string.h>

enum { SITES_MAX = 1 << 16, TEXT_BYTES = 1024, TEXTS_BYTES_MAX = 32 << 20 };

typedef struct known_site {
    char *file, *function; /* NULL: unknown */
    const char *name;      /* the last part of `file` */
    uint32_t line;
    bool is_read, is_damaged;
} known_site;

/* The text at `address`, in memory of ours; NULL: none. *check goes on with it. */
static char *copy_text(rhi_memory *memory, space *s, uint64_t address, uint64_t *check)
{
    char text[TEXT_BYTES];
    uint64_t got = address ? rhi__memory_read(memory, address, text, sizeof text - 1) : 0;
    text[got] = '\0';
    *check = rh_metadata_text_check(*check, address ? text : NULL);
    if (!got || s->site_bytes > TEXTS_BYTES_MAX || text[0] == '\0')
        return NULL;
    uint64_t length = strlen(text); /* without an end it was cut, perhaps inside a character */
    text[rhi__clean(text, length < sizeof text - 1 ? length
                                                   : rhi__whole_characters(text, length))] = '\0';
    char *copy = strdup(text);
    s->site_bytes += copy ? strlen(copy) + 1 : 0;
    memory->is_short |= !copy; /* said in the answer; the next one reads all again */
    return copy;
}

static void read_site(rhi_memory *memory, space *s, uint32_t number, known_site *known)
{
    uint8_t row[4096];
    uint64_t size = C(s, site_size), at = s->descriptor.sites + number * size;
    known->is_read = true;
    if (!rhi__range_ok(s->descriptor.sites, (number + 1) * size) ||
        rhi__memory_read(memory, at, row, size) != size)
        return;
    uint64_t file = rhi__load64(row + C(s, site_file)),
             function = rhi__load64(row + C(s, site_function));
    known->line = rhi__load32(row + C(s, site_line));
    uint64_t check = rh_metadata_site_check(number, file, function, known->line);
    known->file = copy_text(memory, s, file, &check);
    known->function = copy_text(memory, s, function, &check);
    known->is_damaged = C(s, site_check) != ABSENT && check != rhi__load64(row + C(s, site_check));
    const char *slash = known->file ? strrchr(known->file, '/') : NULL;
    known->name = slash && slash[1] ? slash + 1 : known->file;
}

/* For as many as there are, not as there can be: a heap of few is opened often. */
static bool make_room(space *s, uint32_t number)
{
    if (number < s->site_room)
        return true;
    uint32_t room =
        s->descriptor.site_count < SITES_MAX ? (uint32_t)s->descriptor.site_count : SITES_MAX;
    known_site *sites = realloc(s->sites, room * sizeof *sites);
    if (!sites)
        return false;
    memset(sites + s->site_room, 0, (room - s->site_room) * sizeof *sites);
    s->sites = sites;
    s->site_room = room;
    return true;
}

bool rhi__refheap_site(rhi_reader *reader, const rhi_object *object, rhi_site *site)
{
    const rhi_heap_info *heap = &reader->heaps.items[object->heap];
    space *s = &((format *)heap->state)->spaces.items[heap->space];
    uint32_t number = object->site;
    if (number == 0 || number >= SITES_MAX || number >= s->descriptor.site_count ||
        s->descriptor.sites == 0 || C(s, site_size) == ABSENT)
        return false;
    if (!make_room(s, number)) {
        reader->memory->is_short = true;
        return false;
    }
    known_site *known = &s->sites[number];
    if (!known->is_read)
        read_site(reader->memory, s, number, known);
    if (known->is_damaged) {
        rhi__question_problem(
            reader,
            "site %u of the heap's runtime is damaged: where its objects were born is not known",
            number);
        return false;
    }
    *site = (rhi_site){.number = heap->space * SITES_MAX + number,
                       .line = known->line,
                       .file = known->file,
                       .name = known->name,
                       .function = known->function};
    return known->file != NULL;
}

void rhi__refheap_sites_free(space *s)
{
    for (uint32_t i = 0; i < s->site_room; i++) {
        free(s->sites[i].file);
        free(s->sites[i].function);
    }
    free(s->sites);
}
