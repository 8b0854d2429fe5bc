/* sqlite_file.c - a file system of SQLite's that has one file (see sqlite_file.h). Invariant: what
 * is not that file is left to SQLite's own file system. */
#include "export/sqlite_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct open_file {
    sqlite3_file base; /* first: SQLite's */
    rhi_sqlite_file *file;
} open_file;

static rhi_sqlite_file *file_of(sqlite3_file *base)
{
    return ((open_file *)base)->file;
}

static int close_file(sqlite3_file *base)
{
    (void)base; /* the descriptor stays its owner's */
    return SQLITE_OK;
}

static int read_file(sqlite3_file *base, void *bytes, int size, sqlite3_int64 offset)
{
    int done = 0;
    while (done < size) {
        ssize_t step = pread(file_of(base)->descriptor, (char *)bytes + done, (size_t)(size - done),
                             offset + done);
        if (step < 0 && errno != EINTR)
            return SQLITE_IOERR_READ;
        if (step == 0) {
            memset((char *)bytes + done, 0, (size_t)(size - done));
            return SQLITE_IOERR_SHORT_READ;
        }
        done += step > 0 ? (int)step : 0;
    }
    return SQLITE_OK;
}

static int failed(rhi_sqlite_file *file, int status)
{
    file->wrong = file->wrong ? file->wrong : errno;
    return status;
}

static int write_file(sqlite3_file *base, const void *bytes, int size, sqlite3_int64 offset)
{
    for (int done = 0; done < size;) {
        ssize_t step = pwrite(file_of(base)->descriptor, (const char *)bytes + done,
                              (size_t)(size - done), offset + done);
        if (step < 0 && errno != EINTR)
            return failed(file_of(base), SQLITE_IOERR_WRITE);
        done += step > 0 ? (int)step : 0;
    }
    return SQLITE_OK;
}

static int cut_file(sqlite3_file *base, sqlite3_int64 size)
{
    return ftruncate(file_of(base)->descriptor, size) == 0
               ? SQLITE_OK
               : failed(file_of(base), SQLITE_IOERR_TRUNCATE);
}

static int sync_file(sqlite3_file *base, int flags)
{
    (void)base, (void)flags; /* its owner does, once */
    return SQLITE_OK;
}

static int size_of_file(sqlite3_file *base, sqlite3_int64 *size)
{
    struct stat status;
    if (fstat(file_of(base)->descriptor, &status) != 0)
        return SQLITE_IOERR_FSTAT;
    *size = status.st_size;
    return SQLITE_OK;
}

static int lock(sqlite3_file *base, int level)
{
    (void)base, (void)level;
    return SQLITE_OK;
}

static int is_reserved(sqlite3_file *base, int *result)
{
    (void)base;
    *result = 0;
    return SQLITE_OK;
}

static int control(sqlite3_file *base, int operation, void *argument)
{
    (void)base, (void)operation, (void)argument;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int characteristics(sqlite3_file *base)
{
    (void)base;
    return 0;
}

static int open_any(sqlite3_vfs *files, const char *name, sqlite3_file *base, int flags, int *got)
{
    static const sqlite3_io_methods methods = {.iVersion = 1,
                                               .xClose = close_file,
                                               .xRead = read_file,
                                               .xWrite = write_file,
                                               .xTruncate = cut_file,
                                               .xSync = sync_file,
                                               .xFileSize = size_of_file,
                                               .xLock = lock,
                                               .xUnlock = lock,
                                               .xCheckReservedLock = is_reserved,
                                               .xFileControl = control,
                                               .xSectorSize = sector_size,
                                               .xDeviceCharacteristics = characteristics};
    rhi_sqlite_file *file = (rhi_sqlite_file *)files;
    if (!(flags & SQLITE_OPEN_MAIN_DB))
        return file->others->xOpen(file->others, name, base, flags, got);
    *(open_file *)base = (open_file){.base = {&methods}, .file = file};
    if (got)
        *got = flags;
    return SQLITE_OK;
}

/* It has no path. */
static int keep_path(sqlite3_vfs *files, const char *path, int size, char *full)
{
    (void)files;
    return snprintf(full, (size_t)size, "%s", path) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* No journal of it is there from before. */
static int is_there(sqlite3_vfs *files, const char *path, int flags, int *result)
{
    (void)files, (void)path, (void)flags;
    *result = 0;
    return SQLITE_OK;
}

int rhi__sqlite_file_add(rhi_sqlite_file *file, int descriptor)
{
    sqlite3_vfs *others = sqlite3_vfs_find(NULL);
    if (!others)
        return SQLITE_CANTOPEN;
    *file = (rhi_sqlite_file){.files = *others, .others = others, .descriptor = descriptor};
    file->files.pNext = NULL;
    file->files.zName = "refheap-file";
    file->files.xOpen = open_any;
    file->files.xFullPathname = keep_path;
    file->files.xAccess = is_there;
    if (file->files.szOsFile < (int)sizeof(open_file))
        file->files.szOsFile = sizeof(open_file);
    return sqlite3_vfs_register(&file->files, 0);
}

void rhi__sqlite_file_remove(rhi_sqlite_file *file)
{
    if (file->others)
        sqlite3_vfs_unregister(&file->files);
}
