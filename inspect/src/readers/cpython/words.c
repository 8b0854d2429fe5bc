/* words.c - what is said of problems that Python's heap can have (see heap/format.h). */
#include "readers/cpython/python.h"

const rhi_finding_words rhi__py_words[RHI_FINDING_KINDS] = {
    [RHI_FOUND_OVER_RELEASE] = {"over_release", "object has fewer counts than fields that hold it",
                                "objects have fewer counts than fields that hold them",
                                "a C extension released it once too often (Py_DECREF), or keeps it "
                                "without a count of its own (Py_INCREF): `refs` shows the fields"},
    [RHI_FOUND_ROOT_WITHOUT_COUNT] = {"root_without_count", "object has no count left for a root",
                                      "objects have no count left for a root",
                                      "a C extension released it once too often (Py_DECREF): "
                                      "`refs` shows who holds it"},
    [RHI_FOUND_BAD_ROOT] = {"bad_root", "root holds no object", "roots hold no objects",
                            "what it held was freed: a C extension released it once too often"},
    [RHI_FOUND_BAD_TYPE] = {"bad_type", "object is of no type, or a type makes no sense",
                            "objects are of no type, or types make no sense",
                            "something has written over the object's header, or over the type"},
    [RHI_FOUND_BAD_COUNT] = {"bad_count", "object's header makes no sense",
                             "objects' headers make no sense",
                             "something has written over the object's header"},
    [RHI_FOUND_BAD_TRACKING] =
        {"bad_tracking", "link of the collector leads to where it should not",
         "links of the collector lead to where they should not",
         "something has written over the 16 bytes in front of an object, or an object was freed "
         "that the collector still knows: its next run may crash"},
    [RHI_FOUND_BAD_TABLE] = {"bad_table", "object's table does not fit it",
                             "objects' tables do not fit them",
                             "something has written over the object or its table"},
    [RHI_FOUND_BAD_GUARD] =
        {"bad_guard", "block was written to outside of what it was given for",
         "blocks were written to outside of what they were given for",
         "a C extension wrote past an end of its memory, or after it was freed; what lies below in "
         "memory may have done it"},
    [RHI_FOUND_BAD_BLOCK] = {"bad_pool", "pool makes no sense", "pools make no sense",
                             "something has written over the allocator's own memory"},
};
