/* module_files.c - reads what a core lacks from the files of its modules (see module_files.h).
 *
 * A few files stay open: the names of one module's types are asked for one after the other.
 * Invariant: `kept` has each module once, also one whose file is not to be had. */
#include "program/module_files.h"
#include "target/modules.h"

#include <stdlib.h>
#include <string.h>

enum { NOTES_MAX = 1 << 14, KEPT = 16, TEXT_BYTES = 4096 };

/* ---- build-ids ------------------------------------------------------------------------------ */

typedef struct id_search {
    rhi_memory *memory;
    rhi_build_id *id;
} id_search;

static bool search_note(void *context, const rhi_segment *segment)
{
    id_search *s = context;
    uint8_t bytes[1024];
    uint64_t size = segment->end - segment->start;
    if (segment->type != PT_NOTE || size > NOTES_MAX)
        return true;
    size = rhi__memory_read(s->memory, segment->start, bytes,
                            size < sizeof bytes ? size : sizeof bytes);
    return !rhi__id_in_notes(bytes, size, s->id);
}

void rhi__module_id(rhi_memory *memory, uint64_t start, rhi_build_id *id)
{
    id_search search = {.memory = memory, .id = id};
    id->size = 0;
    rhi__each_segment(memory, start, search_note, &search);
}

/* ---- files ---------------------------------------------------------------------------------- */

typedef struct module_file {
    uint64_t start, end, bias; /* addresses in the target; end 0: free */
    rhi_image image;           /* file -1: not to be had */
} module_file;

struct rhi_module_files {
    rhi_memory *memory;
    module_file kept[KEPT];
    unsigned next; /* the one that makes room */
};

static bool widen(void *context, const rhi_segment *segment)
{
    module_file *m = context;
    m->bias = segment->bias;
    if (segment->type == PT_LOAD && segment->end > m->end)
        m->end = segment->end;
    return true;
}

/* The first page of the module that a file is mapped as: that of the file's beginning which is
 * nearest below. */
static const rhi_region *first_page(const rhi_memory *memory, uint64_t address, const char *path)
{
    const rhi_region *found = NULL;
    for (uint64_t i = 0; i < memory->map.regions.count; i++) {
        const rhi_region *region = &memory->map.regions.items[i];
        if (region->start > address)
            break;
        if (region->file_offset == 0 && strcmp(region->path, path) == 0)
            found = region;
    }
    return found;
}

static void open_file(rhi_memory *memory, const char *path, module_file *m)
{
    const char *candidates[] = {path, memory->door ? memory->door->exe_path : NULL};
    rhi_build_id id;
    rhi__module_id(memory, m->start, &id);
    for (unsigned i = 0; i < 2 && m->image.file < 0 && id.size; i++)
        if (candidates[i] && rhi__image_open(candidates[i], &m->image) &&
            !rhi__same_id(&id, &m->image.id))
            rhi__image_close(&m->image);
}

static module_file *file_of(rhi_module_files *files, uint64_t address)
{
    for (unsigned i = 0; i < KEPT; i++)
        if (address - files->kept[i].start < files->kept[i].end - files->kept[i].start)
            return &files->kept[i];
    const char *path = rhi__memory_file(files->memory, address);
    const rhi_region *first = path ? first_page(files->memory, address, path) : NULL;
    if (!first)
        return NULL;
    module_file m = {.start = first->start, .image = {.file = -1}};
    if (rhi__each_segment(files->memory, m.start, widen, &m) != RHI_SEGMENTS_DONE ||
        address >= m.end)
        return NULL;
    open_file(files->memory, path, &m);
    module_file *place = &files->kept[files->next++ % KEPT];
    if (place->end)
        rhi__image_close(&place->image);
    *place = m;
    return place;
}

rhi_module_files *rhi__module_files_new(rhi_memory *memory)
{
    rhi_module_files *files = calloc(1, sizeof *files);
    if (files)
        files->memory = memory;
    return files;
}

void rhi__module_files_free(rhi_module_files *files)
{
    for (unsigned i = 0; files && i < KEPT; i++)
        if (files->kept[i].end)
            rhi__image_close(&files->kept[i].image);
    free(files);
}

uint64_t rhi__module_constants(rhi_module_files *files, uint64_t address, void *buffer,
                               uint64_t size)
{
    module_file *m = file_of(files, address);
    return m ? rhi__image_constants(&m->image, address - m->bias, buffer, size) : 0;
}

bool rhi__module_name(rhi_module_files *files, rhi_memory *memory, uint64_t address,
                      char name[RHI_NAME_SIZE])
{
    char text[TEXT_BYTES];
    if (rhi__memory_name(memory, address, name))
        return true;
    uint64_t got = files ? rhi__module_constants(files, address, text, sizeof text) : 0;
    rhi__cut_name(text, strnlen(text, got), name);
    return got > 0;
}
