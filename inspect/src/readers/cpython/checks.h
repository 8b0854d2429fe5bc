/* checks.h - what the files share that hold Python's heap against itself: verify.c, links.c,
 * tables_check.c, hands.c, gil.c,
 * pieces.c. Private to them.
 *
 * Invariant: nothing is said that a sound interpreter can show at any instruction outside of a
 * collection. What one may be changing just now is in the hands of a thread that holds a GIL: its
 * address is in a register, or near the top of a stack. */
#ifndef RHI_PYTHON_CHECKS_H
#define RHI_PYTHON_CHECKS_H

#include "readers/cpython/python.h"

typedef struct py_checker {
    py_runtime *py;
    rhi_reader *reader;
    rhi_check *check;
    rhi_block_room room;
    uint8_t *piece; /* of a table: PY_PIECE_BYTES */
} py_checker;
enum { PY_PIECE_BYTES = 1 << 16 };

/* ---- pieces.c ------------------------------------------------------------------------------- */

/* Is it a pool of obmalloc, and not an object alone? */
bool rhi__py_is_pool(const py_checker *c, const rhi_block *block);
static inline bool py_is_raw(const rhi_block *block, uint64_t slot)
{
    return block->raw && rhi__bit(block->raw, slot);
}
/* Where in an arena a piece of memory is. */
enum py_use { PY_USE_ELSEWHERE, PY_USE_OBJECT, PY_USE_RAW, PY_USE_FREE };
typedef struct py_piece {
    enum py_use use;
    uint64_t start, size; /* of the block, debug hooks not counted */
} py_piece;
void rhi__py_piece_at(const py_checker *c, uint64_t address, py_piece *piece);

/* Are its objects dicts? */
static inline bool py_has_entries(const py_type *type)
{
    return type->layout == PY_DICT || type->layout == PY_ORDERED_DICT;
}

/* ---- hands.c -------------------------------------------------------------------------------- */

/* May a thread be changing what lies there? True also if that cannot be told. */
bool rhi__py_in_hand(py_runtime *py, uint64_t address);

/* ---- gil.c ---------------------------------------------------------------------------------- */

/* Visits the threads that hold a GIL; false: it stopped, or some of them are not known. */
typedef bool (*py_holder_visitor)(void *context, const rhi_thread *thread);
bool rhi__py_holders(py_runtime *py, py_holder_visitor visit, void *context);

/* ---- links.c -------------------------------------------------------------------------------- */

/* The collector's links agree, and lead to objects. */
rhi_error *rhi__py_check_links(py_checker *c);

/* ---- tables_check.c ------------------------------------------------------------------------- */

/* A list, dict or set: its table. body: its bytes from its address on. */
void rhi__py_check_table(py_checker *c, const py_type *type, const rhi_object *object,
                         const uint8_t *body, uint64_t size);

#endif
