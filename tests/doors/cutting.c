/* cutting.c - preloaded into a debugger: cuts a core off before a given read of it.
 *
 * Reads count from when the file CUT_FROM exists. CUT_CORE is cut to CUT_TO bytes before read
 * number CUT_AT of them; CUT_COUNT has a byte for each one. Only reads by pread are seen: what
 * maps the core, or reads it in another way, is not cut, and the missing count shows that.
 * Invariant: reads of other files are as ever. */
#include <stdlib.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void before_read(int file)
{
    static long count;
    const char *core = getenv("CUT_CORE"), *from = getenv("CUT_FROM"), *at = getenv("CUT_AT"),
               *to = getenv("CUT_TO"), *counted = getenv("CUT_COUNT");
    struct stat read, wanted;
    if (!core || !from || !at || !to || !counted || fstat(file, &read) != 0 ||
        stat(core, &wanted) != 0 || read.st_dev != wanted.st_dev || read.st_ino != wanted.st_ino ||
        access(from, F_OK) != 0)
        return;
    int notes = open(counted, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (notes < 0 || write(notes, ".", 1) != 1 || close(notes) != 0)
        abort();
    if (++count == atol(at) && truncate(core, atol(to)) != 0)
        abort();
}

#define PLACE int file, void *bytes, size_t size, off_t at
#define READ(name, ...)                                                                            \
    __attribute__((visibility("default"))) ssize_t name(__VA_ARGS__);                              \
    ssize_t name(__VA_ARGS__)                                                                      \
    {                                                                                              \
        before_read(file);                                                                         \
        return syscall(SYS_pread64, file, bytes, size, at);                                        \
    }

READ(pread, PLACE)
READ(pread64, PLACE)
READ(__pread_chk, PLACE, size_t room __attribute__((unused)))
READ(__pread64_chk, PLACE, size_t room __attribute__((unused)))
