/* own_folder.h - for a test whose commands write files: it works in a temporary folder of its own.
 *
 * Invariant: the folder and all that is in it are gone when the test ends, also where a check
 * failed: checks run in processes of their own, and the first process removes it. */
#ifndef OWN_FOLDER_H
#define OWN_FOLDER_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char own_folder[] = "/tmp/refheap-test-XXXXXX";
static pid_t own_folder_maker;

__attribute__((constructor)) static void make_own_folder(void)
{
    if (!mkdtemp(own_folder) || chdir(own_folder) != 0) {
        perror(own_folder);
        abort();
    }
    own_folder_maker = getpid();
}

static void empty_folder(int descriptor)
{
    DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (!folder)
        return;
    for (const struct dirent *each; (each = readdir(folder));) {
        if (strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0 ||
            unlinkat(dirfd(folder), each->d_name, 0) == 0)
            continue;
        empty_folder(openat(dirfd(folder), each->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        unlinkat(dirfd(folder), each->d_name, AT_REMOVEDIR);
    }
    closedir(folder);
}

__attribute__((destructor)) static void remove_own_folder(void)
{
    if (getpid() != own_folder_maker)
        return;
    empty_folder(open(own_folder, O_RDONLY | O_DIRECTORY));
    rmdir(own_folder);
}

#endif
