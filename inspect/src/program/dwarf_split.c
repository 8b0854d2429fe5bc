/* dwarf_split.c - files of split units (.dwo), opened as carefully as all others.
 *
 * libdw opens them by the name in the skeleton unit: whatever lies there, and maps it. So each is
 * read here first, and the name in our copy of the debug info becomes that of a sealed file in
 * memory. Invariant: no unit keeps the name that the file gave it. */
#include "program/dwarf_walk.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { UNITS_MAX = 1 << 20, PATH_SIZE = 4096, NAME_SIZE = 32 };

static bool open_split(const char *path, const char *folder, const char *name, rhi_image *image)
{
    char candidate[PATH_SIZE];
    int length, folder_length = folder ? (int)strlen(folder) : (int)(strrchr(path, '/') + 1 - path);
    if (name[0] == '/')
        length = snprintf(candidate, sizeof candidate, "%s", name);
    else
        length = snprintf(candidate, sizeof candidate, "%.*s%s%s", folder_length,
                          folder ? folder : path, folder ? "/" : "", name);
    if (length < 0 || (size_t)length >= sizeof candidate || candidate[0] != '/' ||
        !rhi__image_open(candidate, image))
        return false;
    if (rhi__image_load(image))
        return true;
    rhi__image_close(image);
    return false;
}

/* Where an indexed string's offset stands in our copy of .debug_str_offsets, or NULL. */
static unsigned char *indexed_place(const rhi_image *image, Dwarf_Die *unit, Dwarf_Attribute *name,
                                    unsigned width)
{
    Dwarf_Attribute attribute;
    Dwarf_Word base = 2 * width; /* behind the table's header */
    uint64_t index = 0;
    unsigned size = name->form == DW_FORM_strx1   ? 1
                    : name->form == DW_FORM_strx2 ? 2
                    : name->form == DW_FORM_strx3 ? 3
                                                  : 4;
    if (name->form != DW_FORM_strx)
        memcpy(&index, name->valp, size);
    for (unsigned shift = 0, more = name->form == DW_FORM_strx; more && shift < 63; shift += 7) {
        unsigned char byte = name->valp[shift / 7];
        index |= (uint64_t)(byte & 0x7f) << shift;
        more = byte & 0x80;
    }
    if (dwarf_attr(unit, DW_AT_str_offsets_base, &attribute) &&
        dwarf_formudata(&attribute, &base) != 0)
        return NULL;
    return rhi__image_find(image, ".debug_str_offsets", base, index, width);
}

/* The unit's split file is called `text` from now on. False: it could not be made so. */
static bool rename_split(rhi_image *image, Dwarf_Die *unit, Dwarf_Attribute *name, const char *text)
{
    Dwarf_Die die;
    uint8_t width, address_width;
    enum rhi_strings kind = RHI_STRINGS;
    unsigned char *place = NULL;
    char *old = (char *)dwarf_formstring(name); /* in memory of ours, or libelf's */
    if (!old || !dwarf_diecu(unit, &die, &address_width, &width) || (width != 4 && width != 8))
        return false;
    if (name->form == DW_FORM_strp || name->form == DW_FORM_line_strp)
        place = name->valp;
    else if (name->form != DW_FORM_string)
        place = indexed_place(image, unit, name, width);
    if (name->form == DW_FORM_line_strp)
        kind = RHI_LINE_STRINGS;
    if (place && image->spare[kind].at) {
        snprintf(image->spare[kind].at, RHI_STRING_ROOM, "%s", text);
        memcpy(place, &image->spare[kind].offset, width);
    } else {
        snprintf(old, strlen(old) + 1, "%s", strlen(text) <= strlen(old) ? text : "");
    }
    const char *now = dwarf_formstring(name);
    return now && (!*now || strcmp(now, text) == 0);
}

static bool attach(rhi_image *image, const char *path, Dwarf_CU *unit, Dwarf_Die *die)
{
    Dwarf_Attribute name, folder;
    Dwarf_Die split;
    rhi_image copy;
    char text[NAME_SIZE] = "";
    if (!dwarf_attr(die, DW_AT_dwo_name, &name) && !dwarf_attr(die, DW_AT_GNU_dwo_name, &name))
        return true;
    const char *wanted = dwarf_formstring(&name),
               *in = dwarf_formstring(dwarf_attr(die, DW_AT_comp_dir, &folder));
    int file = -1;
    if (wanted && *wanted &&
        (open_split(path, NULL, wanted, &copy) || (in && open_split(path, in, wanted, &copy)))) {
        file = rhi__image_memory_file(&copy);
        rhi__image_close(&copy);
    }
    if (file >= 0)
        snprintf(text, sizeof text, "/proc/self/fd/%d", file);
    bool good = rename_split(image, die, &name, text);
    if (good)
        /* libdw opens it now, or never */
        dwarf_cu_info(unit, NULL, NULL, NULL, &split, NULL, NULL, NULL);
    if (file >= 0)
        close(file);
    return good;
}

bool rhi__dwarf_open_split(rhi_dwarf *d, rhi_image *image, const char *path)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    uint8_t kind;
    for (unsigned i = 0; i < UNITS_MAX; i++) {
        if (dwarf_get_units(d->dwarf, unit, &unit, NULL, &kind, &die, NULL) != 0)
            return true;
        if (kind == DW_UT_skeleton && !attach(image, path, unit, &die))
            return false;
    }
    return false;
}
