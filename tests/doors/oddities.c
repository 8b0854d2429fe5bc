/* oddities.c - an extension of Python that is right, and does what extensions do: objects larger
 * than their type says, structs of C that look like objects, objects and definitions of modules
 * where nobody expects them, references in other forms than the address in a word.
 *
 *     larger(object)     an object that holds another one behind what its type says it has
 *     pack(object)       keeps an object in a packed struct
 *     mark(object)       keeps an object in a word with marks in its upper bits
 *     in_bytes(object)   bytes that keep an object, at a place that is no multiple of 8
 *     itself()           an object that holds itself
 *     remains(object, size, word)
 *                        leaves so many bytes of an object, but for that word; the count says 3
 *     lookalike(type)    leaves a block of malloc that looks like an object of that type, a large
 *                        one if it has items; its address, where the object would be
 *     definition()       the definition of a module, made while the program runs
 *     static_one()       an object in this file's data
 *     static_type()      a type that is static but for the block of malloc that it lies in
 *
 * Invariant: each count has an owner; that of the first reference to a definition is nobody's. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct larger {
    PyObject_HEAD long words[2];
    PyObject *held;
} larger;
struct __attribute__((packed)) record {
    char tag;
    PyObject *held;
};
typedef struct own {
    PyObject_HEAD PyObject *self;
} own;
typedef struct small {
    PyObject_HEAD long value;
} small;

static void larger_free(PyObject *self)
{
    Py_DECREF(((larger *)self)->held);
    free(self);
}

static PyTypeObject larger_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "oddities.Larger",
    .tp_basicsize = offsetof(larger, held),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = larger_free,
};
static PyTypeObject small_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "oddities.Small",
    .tp_basicsize = sizeof(small),
    .tp_flags = Py_TPFLAGS_DEFAULT,
};
static PyTypeObject own_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "oddities.Own",
    .tp_basicsize = sizeof(own),
    .tp_flags = Py_TPFLAGS_DEFAULT,
};
static small small_one = {PyObject_HEAD_INIT(&small_type) 42};
static PyTypeObject *in_block;
static struct record *records[64];
static volatile uint64_t marked;
static void *lookalikes[8];
static void *volatile left;
static unsigned record_count, lookalike_count;

static PyObject *make_larger(PyObject *module, PyObject *held)
{
    larger *self = calloc(1, sizeof *self);
    (void)module;
    if (!self)
        return PyErr_NoMemory();
    Py_INCREF(held);
    self->held = held;
    return PyObject_Init((PyObject *)self, &larger_type);
}

static PyObject *pack(PyObject *module, PyObject *held)
{
    struct record *record = record_count < 64 ? malloc(sizeof *record) : NULL;
    (void)module;
    if (!record)
        return PyErr_NoMemory();
    Py_INCREF(held);
    *record = (struct record){'r', held};
    records[record_count++] = record;
    Py_RETURN_NONE;
}

static PyObject *mark(PyObject *module, PyObject *held)
{
    (void)module;
    Py_INCREF(held);
    marked = (uintptr_t)held | 0xfffcull << 48;
    Py_RETURN_NONE;
}

static PyObject *in_bytes(PyObject *module, PyObject *held)
{
    enum { BEFORE = 3 };
    PyObject *result = PyBytes_FromStringAndSize(NULL, BEFORE + sizeof held);
    (void)module;
    if (!result)
        return NULL;
    Py_INCREF(held);
    memset(PyBytes_AS_STRING(result), 'b', BEFORE);
    memcpy(PyBytes_AS_STRING(result) + BEFORE, &held, sizeof held);
    return result;
}

static PyObject *itself(PyObject *module, PyObject *unused)
{
    own *made = PyObject_New(own, &own_type);
    (void)module;
    (void)unused;
    if (!made)
        return NULL;
    Py_INCREF(made);
    made->self = (PyObject *)made;
    return (PyObject *)made;
}

static PyObject *remains(PyObject *module, PyObject *arguments)
{
    PyObject *object, *word;
    Py_ssize_t size;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OnO", &object, &size, &word))
        return NULL;
    uintptr_t *words = left = PyMem_Malloc((size_t)size);
    if (!words)
        return PyErr_NoMemory();
    memcpy(words, object, (size_t)size);
    words[0] = 3;
    for (size_t i = 2; i < (size_t)size / sizeof *words; i++)
        if (words[i] == (uintptr_t)word)
            words[i] = 0xc000000012345670;
    Py_RETURN_NONE;
}

/* In front of the "object" is what the collector might have there, by its bits. */
static PyObject *lookalike(PyObject *module, PyObject *type)
{
    enum { LINKS = 2, HEAD = 3, SMALL = 2, LARGE = 100 };
    unsigned items = ((PyTypeObject *)type)->tp_itemsize ? LARGE : SMALL;
    uintptr_t *words = lookalike_count < 8 ? calloc(LINKS + HEAD + items, sizeof *words) : NULL;
    (void)module;
    if (!words)
        return PyErr_NoMemory();
    words[0] = items == LARGE ? (uintptr_t)records : 0x006ef30000000002;
    words[1] = (uintptr_t)records;
    words[2] = 65;
    words[3] = (uintptr_t)type;
    words[4] = items;
    lookalikes[lookalike_count++] = words;
    return PyLong_FromVoidPtr(words + LINKS);
}

static PyObject *definition(PyObject *module, PyObject *unused)
{
    static const PyModuleDef first = {PyModuleDef_HEAD_INIT, .m_name = "made", .m_size = 0};
    PyModuleDef *made = PyMem_Malloc(sizeof *made);
    (void)module;
    (void)unused;
    if (!made)
        return PyErr_NoMemory();
    *made = first;
    PyObject *result = PyModuleDef_Init(made);
    Py_XINCREF(result);
    return result;
}

static PyObject *static_one(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    Py_INCREF(&small_one);
    return (PyObject *)&small_one;
}

static PyObject *static_type(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (!in_block) {
        in_block = malloc(sizeof *in_block);
        if (!in_block)
            return PyErr_NoMemory();
        *in_block = (PyTypeObject){PyVarObject_HEAD_INIT(NULL, 0).tp_name = "oddities.InBlock",
                                   .tp_basicsize = sizeof(small), .tp_flags = Py_TPFLAGS_DEFAULT,
                                   .tp_base = &small_type};
        if (PyType_Ready(in_block) < 0)
            return NULL;
    }
    Py_INCREF(in_block);
    return (PyObject *)in_block;
}

static PyMethodDef methods[] = {{"larger", make_larger, METH_O, NULL},
                                {"pack", pack, METH_O, NULL},
                                {"mark", mark, METH_O, NULL},
                                {"in_bytes", in_bytes, METH_O, NULL},
                                {"itself", itself, METH_NOARGS, NULL},
                                {"remains", remains, METH_VARARGS, NULL},
                                {"lookalike", lookalike, METH_O, NULL},
                                {"definition", definition, METH_NOARGS, NULL},
                                {"static_one", static_one, METH_NOARGS, NULL},
                                {"static_type", static_type, METH_NOARGS, NULL},
                                {NULL, NULL, 0, NULL}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "oddities", .m_size = -1,
                             .m_methods = methods};

PyMODINIT_FUNC PyInit_oddities(void);
PyMODINIT_FUNC PyInit_oddities(void)
{
    return PyType_Ready(&larger_type) < 0 || PyType_Ready(&small_type) < 0 ||
                   PyType_Ready(&own_type) < 0
               ? NULL
               : PyModule_Create(&module);
}
