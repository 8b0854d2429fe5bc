/* types_like.c - the types that a pattern means (see types_like.h). */
#include "questions/types_like.h"
#include "base/text.h"
#include "heap/objects.h"

#include <fnmatch.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

bool rhi__matches_name(const char *glob, const char *whole, const char *name)
{
    return strcmp(whole, name) == 0 || fnmatch(glob, name, 0) == 0;
}

/* In a pattern ? is one character, whatever the user's locale is. */
rhi_error *rhi__types_like(const rhi_reader *reader, const char *glob, uint8_t **fits)
{
    uint64_t count = reader->types.count;
    /* a name that is typed as it is, however long, and whatever * and [ are in it */
    char whole[RHI_NAME_SIZE];
    rhi__cut_name(glob ? glob : "", glob ? strlen(glob) : 0, whole);
    *fits = calloc(count + 1, sizeof **fits);
    if (!*fits)
        return rhi__error_memory();
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0),
             before = utf8 ? uselocale(utf8) : (locale_t)0;
    for (uint32_t i = 0; i <= count; i++) {
        const char *qualified = i < count ? reader->types.items[i].qualified : "";
        (*fits)[i] =
            !glob || rhi__matches_name(glob, whole, rhi__type_name(reader, i)) ||
            (qualified[0] && (rhi__matches_name(glob, whole, qualified) ||
                              rhi__matches_name(glob, whole, rhi__plain_type_name(reader, i))));
    }
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return NULL;
}
