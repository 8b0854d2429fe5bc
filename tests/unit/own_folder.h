/* own_folder.h - for a test whose commands write files: it works in a temporary folder of its own.
 *
 * Invariant: the folder and the files in it are gone when the test ends, also where a check failed:
 * checks run in processes of their own, and the first process removes it. */
#ifndef OWN_FOLDER_H
#define OWN_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
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

__attribute__((destructor)) static void remove_own_folder(void)
{
    DIR *folder = getpid() == own_folder_maker ? opendir(own_folder) : NULL;
    if (!folder)
        return;
    for (const struct dirent *each; (each = readdir(folder));)
        unlinkat(dirfd(folder), each->d_name, 0); /* which . and .. refuse */
    closedir(folder);
    rmdir(own_folder);
}

#endif
