/* file.c - writes files for the user, whole or not at all (see file.h).
 *
 * Invariant: until the content is on the disk it has no name (O_TMPFILE), so that whoever kills
 * us finds no part of it. It gets its name by link, or by rename where a file is replaced;
 * neither follows a link. */
#include "render/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 100, STREAM_BYTES = 1 << 20 };

struct rhi_new_file {
    char *path, *folder, *temporary; /* temporary: in the same folder */
    bool replaces;
    bool is_named; /* `temporary` is there */
    bool is_out_of_names;
    int descriptor;
    FILE *stream;
    int wrong; /* errno of the first write that failed */
    /* SIGXFSZ (the file is larger than may be) would end the program that we are part of: it is
     * held back while the file is written */
    bool was_blocked;
};

rhi_error *rhi__file_check(const char *path)
{
    struct stat old;
    if (lstat(path, &old) != 0)
        return errno == ENOENT ? NULL
                               : rhi__error("cannot write %.300s: %s", path, strerror(errno));
    if (S_ISLNK(old.st_mode))
        return rhi__error("%.300s is a link: give the name of the file itself", path);
    if (!S_ISREG(old.st_mode))
        return rhi__error("%.300s is no regular file: nothing is written there", path);
    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
        return rhi__error("cannot write %.300s: %s", path, strerror(errno));
    return NULL;
}

/* Another name, where the last one is taken. */
static bool next_name(rhi_new_file *self, int try)
{
    free(self->temporary);
    self->temporary = NULL;
    return asprintf(&self->temporary, "%s/.refheap-%ld-%d", self->folder, (long)getpid(), try) >= 0;
}

/* Opens a file without a name, or with one where the file system knows only such. */
static bool open_new(rhi_new_file *self)
{
    self->descriptor = open(self->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (self->descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return self->descriptor >= 0;
    for (int try = 0; try < TRIES && self->descriptor < 0; try++) {
        if (!next_name(self, try))
            return false;
        self->descriptor =
            open(self->temporary, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0666);
        self->is_named = self->descriptor >= 0;
        if (self->descriptor < 0 && errno != EEXIST)
            return false;
    }
    self->is_out_of_names = self->descriptor < 0;
    return self->descriptor >= 0;
}

static bool fill(int descriptor, const char *content, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t step = write(descriptor, content + done, size - done);
        if (step < 0 && errno != EINTR)
            return false;
        done += step > 0 ? (size_t)step : 0;
    }
    return true;
}

/* Only then is it known that it fits. */
static bool is_on_disk(int descriptor)
{
    return fsync(descriptor) == 0 || errno == EINVAL;
}

static bool link_as(const rhi_new_file *self, const char *path)
{
    char own[64];
    snprintf(own, sizeof own, "/proc/self/fd/%d", self->descriptor);
    return linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
}

/* Gives the file its name; what had it is replaced, in one step. */
static bool give_name(rhi_new_file *self)
{
    struct stat old;
    bool is_there = self->replaces && lstat(self->path, &old) == 0;
    if (is_there)
        fchmod(self->descriptor, old.st_mode & 0777);
    else if (!self->is_named && link_as(self, self->path))
        return true;
    if (!self->replaces) /* link replaces nothing */
        return self->is_named && link(self->temporary, self->path) == 0;
    for (int try = 0; try < TRIES && !self->is_named; try++) {
        if (!next_name(self, try))
            return false;
        self->is_named = link_as(self, self->temporary);
        if (!self->is_named && errno != EEXIST)
            return false;
    }
    self->is_out_of_names = !self->is_named;
    return self->is_named && rename(self->temporary, self->path) == 0 && !(self->is_named = false);
}

/* ---- step by step --------------------------------------------------------------------------- */

static void hold_back_signal(rhi_new_file *self)
{
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    self->was_blocked = sigismember(&before, SIGXFSZ) == 1;
}

static void let_signal_through(const rhi_new_file *self)
{
    const struct timespec at_once = {0};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGXFSZ);
    if (self->was_blocked)
        return;
    while (sigtimedwait(&signals, NULL, &at_once) == SIGXFSZ) {
        /* the error was told */
    }
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

rhi_error *rhi__file_error(const rhi_new_file *self)
{
    int wrong = self->wrong ? self->wrong : errno;
    if (wrong == EEXIST && self->is_out_of_names)
        return rhi__error("cannot write %.300s: it would have such a name until it is whole, and "
                          "all are taken: %.300s",
                          self->path, self->temporary ? self->temporary : "");
    return rhi__error("cannot write %.300s: %s", self->path,
                      wrong == EEXIST && !self->replaces
                          ? "it exists already, and --force replaces it"
                          : strerror(wrong));
}

rhi_error *rhi__file_new(const char *path, bool replaces, rhi_new_file **file)
{
    const char *slash = strrchr(path, '/');
    struct stat old;
    rhi_new_file *self = *file = calloc(1, sizeof *self);
    if (!self)
        return rhi__error_memory();
    self->descriptor = -1;
    self->replaces = replaces;
    hold_back_signal(self);
    self->path = strdup(path);
    self->folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!self->path || !self->folder)
        return rhi__error_memory();
    RHI_TRY(rhi__file_check(path));
    errno = EEXIST;
    if (!replaces && lstat(path, &old) == 0)
        return rhi__file_error(self);
    return open_new(self) ? NULL : rhi__file_error(self);
}

static ssize_t write_stream(void *context, const char *bytes, size_t size)
{
    rhi_new_file *self = context;
    if (fill(self->descriptor, bytes, size))
        return (ssize_t)size;
    self->wrong = self->wrong ? self->wrong : errno;
    return 0;
}

static int seek_stream(void *context, off64_t *offset, int from)
{
    off64_t at = lseek64(((rhi_new_file *)context)->descriptor, *offset, from);
    *offset = at;
    return at < 0 ? -1 : 0;
}

FILE *rhi__file_stream(rhi_new_file *self)
{
    const cookie_io_functions_t functions = {.write = write_stream, .seek = seek_stream};
    if (!self->stream && (self->stream = fopencookie(self, "w", functions)))
        setvbuf(self->stream, NULL, _IOFBF, STREAM_BYTES);
    return self->stream;
}

int rhi__file_descriptor(const rhi_new_file *self)
{
    return self->descriptor;
}

uint64_t rhi__file_size(const rhi_new_file *self)
{
    struct stat status;
    return fstat(self->descriptor, &status) == 0 ? (uint64_t)status.st_size : 0;
}

rhi_error *rhi__file_keep(rhi_new_file *self)
{
    if (self->stream && (fflush(self->stream) != 0 || ferror(self->stream)))
        return rhi__file_error(self);
    return is_on_disk(self->descriptor) && give_name(self) ? NULL : rhi__file_error(self);
}

void rhi__file_drop(rhi_new_file *self)
{
    if (!self)
        return;
    if (self->stream)
        fclose(self->stream);
    if (self->is_named)
        unlink(self->temporary);
    if (self->descriptor >= 0)
        close(self->descriptor);
    let_signal_through(self);
    free(self->path);
    free(self->folder);
    free(self->temporary);
    free(self);
}

rhi_error *rhi__file_write(const char *path, const char *content, size_t size)
{
    rhi_new_file *file;
    rhi_error *error = rhi__file_new(path, true, &file);
    if (!error && !fill(file->descriptor, content, size))
        error = rhi__file_error(file);
    if (!error)
        error = rhi__file_keep(file);
    rhi__file_drop(file);
    return error;
}
