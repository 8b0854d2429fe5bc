/* misfit.c - holds build-ids of files against those of what is mapped (see misfit.h). */
#include "program/misfit.h"
#include "program/image.h"
#include "program/loader.h"
#include "program/module.h"
#include "program/module_files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct program {
    const rhi_region *region;
    rhi_build_id id;
    bool is_sure; /* the loader's list hangs on it */
} program;

/* Which module is the program, and is `id` that of any module? */
static program find_program(rhi_memory *memory, const rhi_build_id *id, bool *is_mapped)
{
    program found = {.region = NULL};
    *is_mapped = false;
    for (uint64_t i = 0; i < memory->map.regions.count && !*is_mapped; i++) {
        const rhi_region *region = &memory->map.regions.items[i];
        rhi_build_id its_id;
        bool is_program;
        if (!rhi__is_module(memory, region, &is_program))
            continue;
        rhi__module_id(memory, region->start, &its_id);
        if (!found.region || (is_program && !found.is_sure))
            found = (program){region, its_id, is_program};
        *is_mapped = rhi__same_id(&its_id, id);
    }
    return found;
}

static void short_id(const rhi_build_id *id, char *text, size_t size)
{
    enum { SHOWN = 6 };
    for (size_t i = 0; i < id->size && i < SHOWN; i++)
        snprintf(text + 2 * i, size - 2 * i, "%02x", id->bytes[i]);
}

bool rhi__is_no_program(const char *path)
{
    rhi_image image;
    if (access(path, R_OK) != 0)
        return false;
    if (!rhi__image_open(path, &image))
        return true;
    rhi__image_close(&image);
    return false;
}

bool rhi__is_misfit(rhi_memory *memory, const char *path, rhi_misfit *misfit, bool *is_mapped)
{
    char running[40];
    rhi_image image, own;
    *is_mapped = false;
    if (!path) {
        rhi_build_id none = {.size = 0};
        program own_path = find_program(memory, &none, is_mapped);
        path = own_path.region ? own_path.region->path : "";
    }
    if (!rhi__image_open(path, &image))
        return false;
    rhi_build_id id = image.id;
    rhi__image_close(&image);
    program p = find_program(memory, &id, is_mapped);
    if (!id.size || *is_mapped || !p.region || !p.id.size)
        return false;
    *misfit = (rhi_misfit){.names = ""};
    snprintf(misfit->path, sizeof misfit->path, "%s", path);
    short_id(&id, misfit->id, sizeof misfit->id);
    short_id(&p.id, misfit->program_id, sizeof misfit->program_id);
    rhi__running_file(memory, running, sizeof running);
    const char *others[] = {p.region->path, running};
    for (int i = 0; i < 2 && !*misfit->names; i++) {
        if (strcmp(path, others[i]) == 0 || !rhi__image_open(others[i], &own))
            continue;
        if (rhi__same_id(&own.id, &p.id))
            snprintf(misfit->names, sizeof misfit->names, "%s", others[i]);
        rhi__image_close(&own);
    }
    return true;
}
