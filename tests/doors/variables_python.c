/* variables_python.c - variables of a C program that has Python inside, and what a debugger shall
 * show of each: the list is of the same form as that of variables.c.
 *
 * Invariant: for each variable of `main` that is told about, "text" is what stands behind its own
 * value, null where nothing may; "children" are names and, of each, a part of what is shown. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdio.h>
#include <unistd.h>

enum { TEXT_SIZE = 200 };

static const char script[] = "import gc\n"
                             "gc.collect(); gc.disable()\n"
                             "class Session:\n"
                             "    def __init__(self, name):\n"
                             "        self.name, self.items = name, [name, name]\n"
                             "text = ''.join(['an', 'ne'])\n"
                             "session = Session(text)\n"
                             "items = session.items\n"
                             "table = {text: session}\n"
                             "number = 7000 + len(text)\n";

/* Instances keep their attributes in a dict of their own before 3.11. */
#if PY_VERSION_HEX < 0x030b0000
#define ATTRIBUTES "[\"__dict__\", \"{'name': 'anne', \"]"
#else
#define ATTRIBUTES "[\"name\", \"'anne'\"], [\"items\", \"rc=3 ['anne', 'anne']\"]"
#endif

static PyObject *of_main(const char *name)
{
    return PyObject_GetAttrString(PyImport_AddModule("__main__"), name);
}

static const char *comma = "";

static void tell(const char *name, const char *text, const char *children)
{
    printf("%s{\"name\": \"%s\", \"text\": %s%s%s, \"children\": %s}", comma, name,
           text ? "\"" : "", text ? text : "null", text ? "\"" : "", children ? children : "null");
    comma = ", ";
}

/* What is said of an object, with what follows its count. */
static void tell_object(const char *name, PyObject *object, const char *value, const char *children)
{
    char text[TEXT_SIZE];
    snprintf(text, sizeof text, "%s@%p rc=%ld%s", Py_TYPE(object)->tp_name, (void *)object,
             (long)Py_REFCNT(object), value);
    tell(name, text, children);
}

int main(void)
{
    Py_InitializeEx(0);
    if (PyRun_SimpleString(script) != 0)
        return 3;
    PyObject *session = of_main("session"), *items = of_main("items"), *table = of_main("table"),
             *text = of_main("text"), *number = of_main("number"), *null = NULL,
             *garbage = (PyObject *)(uintptr_t)0x123456789,
             *inside = (PyObject *)(void *)((char *)session + 8);
    PyListObject *as_list = (PyListObject *)items;
    PyTypeObject *type = Py_TYPE(session);
    char own[TEXT_SIZE];
    printf("{\"checkpoint\": 1, \"variables\": [");
    snprintf(own, sizeof own, " {name: 'anne', items: <list@%p>}", (void *)items);
    tell_object("session", session, own,
                "[[\"__class__\", \"<class '__main__.Session'>\"], " ATTRIBUTES "]");
    tell_object("items", items, " ['anne', 'anne']",
                "[[\"[0]\", \"'anne'\"], [\"[1]\", \"'anne'\"]]");
    tell_object("as_list", items, " ['anne', 'anne']",
                "[[\"[0]\", \"'anne'\"], [\"[1]\", \"'anne'\"]]");
    snprintf(own, sizeof own, " {'anne': <Session@%p>}", (void *)session);
    tell_object("table", table, own, NULL);
    tell_object("text", text, " 'anne'", NULL);
    tell_object("number", number, " 7004", NULL);
    snprintf(own, sizeof own, "type@%p rc=%ld <class '__main__.Session'>", (void *)type,
             (long)Py_REFCNT(type));
    tell("type", own, NULL);
    tell("null", NULL, NULL);
    tell("garbage", NULL, NULL);
    tell("inside", NULL, NULL);
    printf("]}\n");
    fflush(stdout);
    pause();
    return as_list == NULL || null || garbage || inside || text == number || table == items;
}
