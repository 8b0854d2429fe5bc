/* file.c - writes files for the user, whole or not at all (see file.h).
 *
 * Invariant: until the content is on the disk it has no name (O_TMPFILE), so that whoever kills
 * us finds no part of it. It gets its name by link, or by rename where a file is replaced;
 * neither follows a link. */
#include "render/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 100 };

typedef struct new_file {
    const char *path;
    char *folder, *temporary; /* in the same folder */
    bool is_named;            /* `temporary` is there */
    int descriptor;
} new_file;

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
static bool next_name(new_file *self, int try)
{
    free(self->temporary);
    self->temporary = NULL;
    return asprintf(&self->temporary, "%s/.refheap-%ld-%d", self->folder, (long)getpid(), try) >= 0;
}

/* Opens a file without a name, or with one where the file system knows only such. */
static bool open_new(new_file *self)
{
    self->descriptor = open(self->folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (self->descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return self->descriptor >= 0;
    for (int try = 0; try < TRIES && self->descriptor < 0; try++) {
        if (!next_name(self, try))
            return false;
        self->descriptor =
            open(self->temporary, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0666);
        self->is_named = self->descriptor >= 0;
        if (self->descriptor < 0 && errno != EEXIST)
            return false;
    }
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
    return fsync(descriptor) == 0 || errno == EINVAL; /* only then is it known that it fits */
}

static bool link_as(const new_file *self, const char *path)
{
    char own[64];
    snprintf(own, sizeof own, "/proc/self/fd/%d", self->descriptor);
    return linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
}

/* Gives the file its name; what had it is replaced, in one step. */
static bool give_name(new_file *self)
{
    struct stat old;
    if (lstat(self->path, &old) == 0)
        fchmod(self->descriptor, old.st_mode & 0777);
    else if (!self->is_named && link_as(self, self->path))
        return true;
    for (int try = 0; try < TRIES && !self->is_named; try++) {
        if (!next_name(self, try))
            return false;
        self->is_named = link_as(self, self->temporary);
        if (!self->is_named && errno != EEXIST)
            return false;
    }
    return self->is_named && rename(self->temporary, self->path) == 0 && !(self->is_named = false);
}

rhi_error *rhi__file_write(const char *path, const char *content, size_t size)
{
    const char *slash = strrchr(path, '/');
    new_file self = {.path = path, .descriptor = -1};
    RHI_TRY(rhi__file_check(path));
    self.folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!self.folder)
        return rhi__error_memory();
    bool ok = open_new(&self) && fill(self.descriptor, content, size) && give_name(&self);
    int wrong = errno;
    if (self.is_named)
        unlink(self.temporary);
    if (self.descriptor >= 0)
        close(self.descriptor);
    free(self.folder);
    free(self.temporary);
    return ok ? NULL : rhi__error("cannot write %.300s: %s", path, strerror(wrong));
}
