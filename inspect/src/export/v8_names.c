/* v8_names.c - numbers texts (see v8_names.h).
 * Invariant: a text is spooled once for each number, in the order of the numbers, as valid JSON. */
#include "export/v8_names.h"
#include "base/array.h"
#include "base/text.h"

#include <string.h>
#include <unistd.h>

enum {
    KEPT_BYTES = 64 << 20, /* of texts */
    PROBES_MAX = 32,       /* so that texts that were made to collide cost no more */
    COPY_BYTES = 1 << 20
};

/* number: 1 + the text's; 0: nothing is here. at: in `texts`, where its size stands, then itself */
typedef struct entry {
    uint32_t hash, number, at;
} entry;

struct rhi_names {
    rhi_new_file *spool;
    FILE *stream;
    uint32_t count;
    struct {
        char *items;
        uint64_t count, capacity;
    } texts;
    entry *entries;
    uint64_t capacity, kept; /* capacity: 0 or a power of two */
};

rhi_error *rhi__names_new(const char *path, rhi_names **names)
{
    rhi_names *self = *names = calloc(1, sizeof *self);
    if (!self)
        return rhi__error_memory();
    RHI_TRY(rhi__file_new(path, true, &self->spool));
    self->stream = rhi__file_stream(self->spool);
    return self->stream ? NULL : rhi__error_memory();
}

void rhi__names_free(rhi_names *names)
{
    if (!names)
        return;
    rhi__file_drop(names->spool);
    free(names->texts.items);
    free(names->entries);
    free(names);
}

/* ---- the spool ------------------------------------------------------------------------------ */

/* One character, or a byte that is none. No "</" either: a page may take the text as it is. */
static void put_character(FILE *file, const char *text, size_t length, char before)
{
    unsigned char byte = (unsigned char)text[0];
    if (length == 0)
        fputs("\\ufffd", file);
    else if (byte == '"' || byte == '\\' || (byte == '/' && before == '<'))
        fprintf(file, "\\%c", byte);
    else if (byte < 0x20 || byte == 0x7f)
        fprintf(file, "\\u%04x", byte);
    else
        fwrite_unlocked(text, 1, length, file);
}

static void spool(rhi_names *names, const char *text, size_t size)
{
    size_t at = 0, plain = 0;
    fputs(names->count ? ",\n\"" : "\n\"", names->stream);
    while (at < size) {
        unsigned char byte = (unsigned char)text[at];
        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\' && byte != '/') {
            at++;
            continue;
        }
        fwrite_unlocked(text + plain, 1, at - plain, names->stream);
        size_t length = rhi__character(text + at, size - at);
        put_character(names->stream, text + at, length, at ? text[at - 1] : '\0');
        at += length ? length : 1;
        plain = at;
    }
    fwrite_unlocked(text + plain, 1, at - plain, names->stream);
    putc_unlocked('"', names->stream);
}

rhi_error *rhi__names_write(rhi_names *names, rhi_work *work, FILE *file)
{
    uint64_t size = 0;
    rhi_error *stopped = NULL;
    char *buffer = malloc(COPY_BYTES);
    off_t at = 0;
    ssize_t got = -1;
    if (!buffer)
        return rhi__error_memory();
    bool is_there = fflush(names->stream) == 0 && !ferror(names->stream);
    size = rhi__file_size(names->spool);
    while (is_there && !(stopped = rhi__progress(work, "writing names", (uint64_t)at, size)) &&
           (got = pread(rhi__file_descriptor(names->spool), buffer, COPY_BYTES, at)) > 0) {
        fwrite_unlocked(buffer, 1, (size_t)got, file);
        at += got;
    }
    free(buffer);
    if (stopped)
        return stopped;
    return got == 0 ? NULL : rhi__file_error(names->spool);
}

/* ---- what is kept --------------------------------------------------------------------------- */

static uint32_t hash_of(const char *text, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
    return (uint32_t)(hash ^ hash >> 32);
}

static bool is_text(const rhi_names *names, const entry *e, uint32_t hash, const char *text,
                    size_t size)
{
    uint32_t kept;
    if (e->hash != hash)
        return false;
    memcpy(&kept, names->texts.items + e->at, sizeof kept);
    return kept == size && memcmp(names->texts.items + e->at + sizeof kept, text, size) == 0;
}

/* Where the text is, or may be put; NULL: too many others are in the way. */
static entry *find(const rhi_names *names, uint32_t hash, const char *text, size_t size)
{
    for (uint64_t i = 0; i < PROBES_MAX && i < names->capacity; i++) {
        entry *e = &names->entries[(hash + i) & (names->capacity - 1)];
        if (e->number == 0 || is_text(names, e, hash, text, size))
            return e;
    }
    return NULL;
}

static bool grow(rhi_names *names)
{
    uint64_t old = names->capacity, capacity = old ? old * 2 : 1 << 12;
    entry *entries = names->entries, *grown = calloc(capacity, sizeof *grown);
    if (!grown)
        return false;
    names->entries = grown;
    names->capacity = capacity;
    for (uint64_t i = 0; i < old; i++)
        for (uint64_t probe = 0; entries[i].number && probe < PROBES_MAX; probe++) {
            entry *place = &grown[(entries[i].hash + probe) & (capacity - 1)];
            if (place->number == 0) {
                *place = entries[i];
                break;
            }
        }
    free(entries);
    return true;
}

static bool keep(rhi_names *names, uint32_t hash, const char *text, size_t size)
{
    uint32_t kept = (uint32_t)size;
    if (names->texts.count + size + sizeof kept > KEPT_BYTES)
        return true;
    if (names->kept * 2 >= names->capacity && !grow(names))
        return false;
    entry *e = find(names, hash, text, size);
    if (!e)
        return true;
    if (!rhi__array_reserve(&names->texts, size + sizeof kept))
        return false;
    *e = (entry){hash, names->count + 1, (uint32_t)names->texts.count};
    memcpy(names->texts.items + names->texts.count, &kept, sizeof kept);
    memcpy(names->texts.items + names->texts.count + sizeof kept, text, size);
    names->texts.count += size + sizeof kept;
    names->kept++;
    return true;
}

rhi_error *rhi__name_number(rhi_names *names, const char *text, size_t size, uint32_t *number)
{
    uint32_t hash = hash_of(text, size);
    const entry *e = find(names, hash, text, size);
    if (e && e->number) {
        *number = e->number - 1;
        return NULL;
    }
    if (names->count == UINT32_MAX - 1)
        return rhi__error("there are more names than the format has numbers for");
    if (!keep(names, hash, text, size))
        return rhi__error_memory();
    spool(names, text, size);
    *number = names->count++;
    return NULL;
}
