/* packed.c - tells compressed cores by their first bytes, as systemd-coredump and people leave
 * them. */
#include "target/packed.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct packer {
    const char *name, *ending; /* the program, and how it names files */
    size_t size;
    char magic[6];
} packer;

static const packer packers[] = {
    {"zstd", ".zst", 4, {0x28, (char)0xb5, 0x2f, (char)0xfd}},
    {"xz", ".xz", 6, {(char)0xfd, '7', 'z', 'X', 'Z', 0}},
    {"lz4", ".lz4", 4, {0x04, 0x22, 0x4d, 0x18}},
    {"gzip", ".gz", 3, {0x1f, (char)0x8b, 8}},
    {"bzip2", ".bz2", 3, {'B', 'Z', 'h'}},
};

/* The text as one word of a shell. */
static void quote(const char *text, char *word, size_t size)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+:@%,=-";
    size_t used = 0;
    bool is_plain = text[strspn(text, plain)] == '\0';
    for (const char *c = text; *c && used + 8 < size; c++)
        used += (size_t)snprintf(word + used, size - used, *c == '\'' ? "%s'\\''" : "%s%c",
                                 c == text && !is_plain ? "'" : "", *c);
    snprintf(word + used, size - used, "%s", is_plain ? "" : "'");
}

bool rhi__packed_message(const void *head, size_t size, const char *path, char *message,
                         size_t message_size)
{
    const packer *p = packers, *end = packers + sizeof packers / sizeof *packers;
    char unpacked[256], from[400], to[400];
    while (p < end && (size < p->size || memcmp(head, p->magic, p->size) != 0))
        p++;
    if (p == end)
        return false;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name), ending = strlen(p->ending);
    bool is_usual = length > ending && strcmp(name + length - ending, p->ending) == 0;
    snprintf(unpacked, sizeof unpacked, "%.*s", (int)(is_usual ? length - ending : length), name);
    /* the shell would write over it, and it may be a core, too */
    if (!is_usual || access(unpacked, F_OK) == 0)
        snprintf(unpacked, sizeof unpacked, "%s.core", name);
    quote(path, from, sizeof from);
    quote(unpacked, to, sizeof to);
    snprintf(message, message_size, "%.100s is compressed, unpack it first: %s -dc <%s >%s", path,
             p->name, from, to);
    return true;
}
