/* fuzz_snapshot.c - libFuzzer: the input is a file that `gcdiff --save` wrote; seeds are made by
 * `fuzz_snapshot --seed FILE`. Its size and checksum are made right, as whoever edits one would. */
#include "fake_scene.h"

#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

enum { AT_CHECKSUM = 20, AT_SIZE = 24, HEADER_BYTES = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *count, char ***arguments);

/* Saves the scene as it is; the scene then changes. */
static void save(scene *s, const char *path)
{
    char line[256];
    snprintf(line, sizeof line, "--save=%s", path);
    ck_assert_int_eq(fake_run(s->w.t, "gcdiff", line), RHI_ANSWERED);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    if (*count != 3 || strcmp((*arguments)[1], "--seed") != 0)
        return 0;
    scene *s = scene_new(0);
    save(s, (*arguments)[2]);
    scene_free(s);
    exit(0);
}

static int open_file(const uint8_t *bytes, size_t size)
{
    int file = memfd_create("snapshot", 0);
    if (file < 0 || write(file, bytes, size) != (ssize_t)size)
        abort();
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const lines[] = {"%s", "--json --limit=0 %s", "%s %s", "--json %s %s %s",
                                        "--heap=1 %s"};
    static scene *s;
    char path[64], line[256];
    if (size < HEADER_BYTES)
        return 0;
    if (!s)
        s = scene_new(0);
    uint8_t *bytes = malloc(size);
    memcpy(bytes, data, size);
    uint64_t body = size - HEADER_BYTES;
    memcpy(bytes + AT_SIZE, &body, 8);
    uint32_t sum = (uint32_t)crc32(0, bytes + AT_SIZE, (uInt)(size - AT_SIZE));
    memcpy(bytes + AT_CHECKSUM, &sum, 4);
    int file = open_file(bytes, size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(line, sizeof line, lines[i], path, path, path);
        s->w.t->state++;
        int status = fake_run(s->w.t, "gcdiff", line);
        ck_assert(status == RHI_ANSWERED || status == RHI_NO_ANSWER);
        for (const char *c = s->w.t->out.bytes; *c; c++) /* nothing of it steers a terminal */
            ck_assert(*c == '\n' || (unsigned char)*c >= 0x20);
    }
    close(file);
    free(bytes);
    return 0;
}
