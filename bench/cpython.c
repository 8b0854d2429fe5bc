/* cpython.c - CPython in the runtime benchmark, through its C API: types defined in C that its
 * collector tracks, and no Python code in between.
 *
 *   -DGC_OFF      automatic collections are off from the beginning
 *   -DYOUNG_FULL  the collection of young garbage is a full one, not one of generation 0
 *
 * Invariant: an object is tracked as soon as its fields are valid, and as long as they are.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "bench.h"

#define PEER_HAS_CELL
#define PEER_HAS_COUNT
#define PEER_HAS_BLOB
#define PEER_HAS_NODE
#define PEER_HAS_CYCLES

static PyObject *gc_collect;

static void *peer_array(size_t bytes)
{
    return bench_array(bytes);
}

/* ---- cell ----------------------------------------------------------------------------------- */

typedef struct cell {
    PyObject_HEAD uint64_t value;
    PyObject *a, *b;
    uint64_t more;
} cell;

static int cell_traverse(PyObject *base, visitproc visit, void *arg)
{
    cell *object = (cell *)base;
    Py_VISIT(object->a);
    Py_VISIT(object->b);
    return 0;
}

static int cell_clear(PyObject *base)
{
    cell *object = (cell *)base;
    Py_CLEAR(object->a);
    Py_CLEAR(object->b);
    return 0;
}

static void cell_dealloc(PyObject *base)
{
    PyObject_GC_UnTrack(base);
    Py_TRASHCAN_BEGIN(base, cell_dealloc) cell_clear(base);
    PyObject_GC_Del(base);
    Py_TRASHCAN_END
}

static PyTypeObject cell_type = {
    .ob_base = {PyObject_HEAD_INIT(NULL) 0},
    .tp_name = "bench.cell",
    .tp_basicsize = sizeof(cell),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = cell_traverse,
    .tp_clear = cell_clear,
    .tp_dealloc = cell_dealloc,
};

static inline cell *cell_new(void)
{
    cell *object = PyObject_GC_New(cell, &cell_type);
    if (object) {
        object->a = object->b = NULL;
        PyObject_GC_Track(object);
    }
    return object;
}

static inline void cell_retain(cell *object)
{
    Py_INCREF(object);
}

static inline void cell_release(cell *object)
{
    Py_DECREF(object);
}

/* ---- blob ----------------------------------------------------------------------------------- */

typedef struct blob {
    PyObject_VAR_HEAD uint64_t word;
    PyObject *link;
    char bytes[];
} blob;

static int blob_traverse(PyObject *base, visitproc visit, void *arg)
{
    Py_VISIT(((blob *)base)->link);
    return 0;
}

static int blob_clear(PyObject *base)
{
    Py_CLEAR(((blob *)base)->link);
    return 0;
}

static void blob_dealloc(PyObject *base)
{
    PyObject_GC_UnTrack(base);
    Py_TRASHCAN_BEGIN(base, blob_dealloc) blob_clear(base);
    PyObject_GC_Del(base);
    Py_TRASHCAN_END
}

static PyTypeObject blob_type = {
    .ob_base = {PyObject_HEAD_INIT(NULL) 0},
    .tp_name = "bench.blob",
    .tp_basicsize = sizeof(blob),
    .tp_itemsize = 1,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = blob_traverse,
    .tp_clear = blob_clear,
    .tp_dealloc = blob_dealloc,
};

static inline void *blob_new(size_t payload_bytes)
{
    size_t fixed = sizeof(blob) - offsetof(blob, word);
    blob *object = PyObject_GC_NewVar(blob, &blob_type, (Py_ssize_t)(payload_bytes - fixed));
    if (object) {
        object->link = NULL;
        PyObject_GC_Track(object);
    }
    return object;
}

static inline uint64_t *blob_word(void *object)
{
    return &((blob *)object)->word;
}

static inline void blob_release(void *object)
{
    Py_DECREF(object);
}

/* ---- node ----------------------------------------------------------------------------------- */

typedef struct node {
    PyObject_HEAD struct node *a, *b;
} node;

static int node_traverse(PyObject *base, visitproc visit, void *arg)
{
    node *object = (node *)base;
    Py_VISIT(object->a);
    Py_VISIT(object->b);
    return 0;
}

static int node_clear(PyObject *base)
{
    node *object = (node *)base;
    Py_CLEAR(object->a);
    Py_CLEAR(object->b);
    return 0;
}

static void node_dealloc(PyObject *base)
{
    PyObject_GC_UnTrack(base);
    Py_TRASHCAN_BEGIN(base, node_dealloc) node_clear(base);
    PyObject_GC_Del(base);
    Py_TRASHCAN_END
}

static PyTypeObject node_type = {
    .ob_base = {PyObject_HEAD_INIT(NULL) 0},
    .tp_name = "bench.node",
    .tp_basicsize = sizeof(node),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = node_traverse,
    .tp_clear = node_clear,
    .tp_dealloc = node_dealloc,
};

static inline node *node_new(node *a, node *b)
{
    node *object = PyObject_GC_New(node, &node_type);
    if (object) {
        object->a = a;
        object->b = b;
        PyObject_GC_Track(object);
    }
    return object;
}

static inline void node_give(node **slot, node *target)
{
    *slot = target;
}

static inline void node_link(node **slot, node *target)
{
    Py_INCREF(target);
    *slot = target;
}

static inline void node_release(node *object)
{
    Py_DECREF(object);
}

/* ---- cycles --------------------------------------------------------------------------------- */

static size_t collect(int generation)
{
    PyObject *result = bench_need(PyObject_CallFunction(gc_collect, "i", generation));
    size_t count = PyLong_AsSize_t(result);
    Py_DECREF(result);
    return count;
}

static inline size_t peer_collect(void)
{
    return collect(2);
}

static inline size_t peer_collect_young(void)
{
#ifdef YOUNG_FULL
    return collect(2);
#else
    return collect(0);
#endif
}

static inline void peer_gc_pause(void)
{
    PyGC_Disable();
}

static inline void peer_gc_resume(void)
{
#ifndef GC_OFF
    PyGC_Enable();
#endif
}

/* Isolated: neither the environment nor site-packages have a say. What starting up left is
 * collected. */
static void peer_begin(void)
{
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    PyStatus status = Py_InitializeFromConfig(&config);
    if (PyStatus_Exception(status)) {
        Py_ExitStatusException(status);
    }
    PyConfig_Clear(&config);
    if (PyType_Ready(&cell_type) < 0 || PyType_Ready(&blob_type) < 0 ||
        PyType_Ready(&node_type) < 0) {
        bench_fail("the Python types are not ready");
    }
    PyObject *module = bench_need(PyImport_ImportModule("gc"));
    gc_collect = bench_need(PyObject_GetAttrString(module, "collect"));
    Py_DECREF(module);
    collect(2);
#ifdef GC_OFF
    PyGC_Disable();
#endif
}

#include "workloads.h"
