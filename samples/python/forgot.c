/* forgot.c - a C extension for Python that counts references, and makes the two usual mistakes.
 *
 * `length` is right: what it gets it gives back. `forgotten_length` keeps the reference that
 * PyObject_GetAttrString gave it: that object can never go. `lost_list` drops the only pointer to
 * a list. `released` gives back a reference that was lent to it: the next one who looks, reads
 * freed memory.
 *
 * samples/python/uses_forgot.py uses it. Invariant: each function makes the one mistake that its
 * name tells, once for each call. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *length(PyObject *module, PyObject *object)
{
    (void)module;
    PyObject *items = PyObject_GetAttrString(object, "items");
    if (!items)
        return NULL;
    Py_ssize_t size = PyObject_Size(items);
    Py_DECREF(items);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

static PyObject *forgotten_length(PyObject *module, PyObject *object)
{
    (void)module;
    PyObject *items = PyObject_GetAttrString(object, "items");
    if (!items)
        return NULL;
    Py_ssize_t size = PyObject_Size(items);
    return size < 0 ? NULL : PyLong_FromSsize_t(size); /* and Py_DECREF(items)? */
}

static PyObject *lost_list(PyObject *module, PyObject *count)
{
    (void)module;
    Py_ssize_t size = PyLong_AsSsize_t(count);
    PyObject *list = size < 0 ? NULL : PyList_New(size);
    if (!list)
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "a number of dicts");
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *dict = PyDict_New();
        if (!dict || PyDict_SetItemString(dict, "number", count) != 0) {
            Py_XDECREF(dict);
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, i, dict);
    }
    Py_RETURN_NONE; /* and the list? */
}

static PyObject *released(PyObject *module, PyObject *object)
{
    (void)module;
    Py_DECREF(object); /* it was lent, not given */
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"length", length, METH_O, "len(object.items)"},
    {"forgotten_length", forgotten_length, METH_O, "the same; items are never freed"},
    {"lost_list", lost_list, METH_O, "makes a list of so many dicts, and forgets it"},
    {"released", released, METH_O, "releases what it was lent"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "forgot",
    .m_doc = "Counts that are wrong.",
    .m_size = 0,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit_forgot(void);
PyMODINIT_FUNC PyInit_forgot(void)
{
    return PyModule_Create(&definition);
}
