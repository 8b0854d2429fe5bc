/* namespaces.c - two Pythons in one process, each with a C library of its own: the dynamic linker
 * loads libpython into two namespaces.
 *
 *     namespaces LIBPYTHON
 *
 * It writes one line of JSON, then waits: {"checkpoint": 1, "name", "interpreters": 2, "garbage":
 * [[ADDRESS, ADDRESS]…], of each Python the two objects of a cycle that nobody holds}.
 * Invariant: the collectors are off. */
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

enum { PYTHONS = 2, SAID = 100 };

/* The library's functions, by a name: what it has is cast as POSIX says. */
static void find(void *library, const char *name, void *function)
{
    *(void **)function = library ? dlsym(library, name) : NULL;
    if (!*(void **)function) {
        fprintf(stderr, "%s: %s\n", name, dlerror());
        _exit(3);
    }
}

/* What a Python leaves behind, as text: two addresses. */
static void start(const char *path, char said[SAID])
{
    static const char script[] = "import gc, json, os\n"
                                 "gc.collect(); gc.disable()\n"
                                 "class Inner: pass\n"
                                 "class Other: pass\n"
                                 "one, other = Inner(), Other()\n"
                                 "one.other, other.one = other, one\n"
                                 "os.write(%d, b'[%%d, %%d]' %% (id(one), id(other)))\n"
                                 "del one, other\n";
    char text[sizeof script + 20];
    void (*initialize)(void), *library = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
    int (*run)(const char *), ends[2];
    find(library, "Py_Initialize", &initialize);
    find(library, "PyRun_SimpleString", &run);
    if (pipe(ends) != 0)
        _exit(3);
    snprintf(text, sizeof text, script, ends[1]);
    initialize();
    if (run(text) != 0)
        _exit(3);
    ssize_t size = read(ends[0], said, SAID - 1);
    said[size > 0 ? size : 0] = '\0';
}

int main(int count, char **words)
{
    char said[PYTHONS][SAID];
    for (int i = 0; i < PYTHONS; i++)
        start(count > 1 ? words[1] : "", said[i]);
    printf("{\"checkpoint\": 1, \"name\": \"two libraries\", \"interpreters\": %d, \"garbage\": "
           "[%s, %s]}\n",
           PYTHONS, said[0], said[1]);
    fflush(stdout);
    for (;;)
        pause();
}
