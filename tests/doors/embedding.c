/* embedding.c - a C program with a heap of refheap's that runs Python inside: two formats, one
 * process.
 *
 *     embedding before|core|inside|two|after
 *
 * It writes one line of JSON, then waits: before Python begins, while it begins (it has sys and
 * builtins, and has imported nothing), with one interpreter or two, or after Python has ended.
 * {"checkpoint": 1, "node": ID of a node that is in a cycle which nobody holds, "garbage":
 * [[ADDRESS, ADDRESS]…], of each interpreter the two objects of such a cycle, "interpreters": how
 * many}. Invariant: Python's collector is off, and so is refheap's. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <refheap/refheap.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct node {
    rh_object base;
    struct node *next;
} node;

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};
enum { ADDRESSES_SIZE = 200 };

/* What an interpreter leaves behind, as text: two addresses. */
static const char script[] = "import gc\n"
                             "gc.collect(); gc.disable()\n"
                             "class Inner: pass\n"
                             "class Other: pass\n"
                             "kept = [Inner()]\n"
                             "one, other = Inner(), Other()\n"
                             "one.other, other.one = other, one\n"
                             "said = '[%d, %d]' % (id(one), id(other))\n"
                             "del one, other\n";

static void run(char *said, size_t size)
{
    PyObject *main_module = PyImport_AddModule("__main__");
    if (PyRun_SimpleString(script) != 0 || !main_module)
        _exit(3);
    PyObject *text = PyObject_GetAttrString(main_module, "said");
    snprintf(said, size, "%s", text ? PyUnicode_AsUTF8(text) : "null");
    Py_XDECREF(text);
}

/* Python without what it imports when it begins. */
static void begin_only(void)
{
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config._init_main = 0;
    if (PyStatus_Exception(Py_InitializeFromConfig(&config)))
        _exit(3);
    PyConfig_Clear(&config);
}

static void new_cycle(rh_heap *heap, char *id, size_t size)
{
    node *one = rh_new(heap, &node_type);
    one->next = rh_new(heap, &node_type);
    one->next->next = one;
    snprintf(id, size, "node#%llu", (unsigned long long)rh_serial(one));
}

int main(int count, char **words)
{
    rh_heap_options options = {.name = "outer", .gc_disabled = true};
    const char *where = count > 1 ? words[1] : "inside";
    char id[50], said[2][ADDRESSES_SIZE] = {"", ""};
    new_cycle(rh_heap_create(&options), id, sizeof id);
    unsigned interpreters = 0;
    if (strcmp(where, "before") != 0) {
        if (strcmp(where, "core") == 0)
            begin_only();
        else
            Py_Initialize();
        run(said[0], sizeof said[0]);
        interpreters = 1;
    }
    if (strcmp(where, "two") == 0) {
        if (!Py_NewInterpreter())
            return 3;
        run(said[1], sizeof said[1]);
        interpreters = 2;
    }
    if (strcmp(where, "after") == 0) {
        Py_FinalizeEx();
        interpreters = 0;
        said[0][0] = '\0';
    }
    printf("{\"checkpoint\": 1, \"name\": \"%s\", \"node\": \"%s\", \"garbage\": [%s%s%s], "
           "\"interpreters\": %u}\n",
           where, id, said[0], said[1][0] ? ", " : "", said[1], interpreters);
    fflush(stdout);
    while (getenv("REFHEAP_WAIT_AT"))
        pause();
    return 0;
}
