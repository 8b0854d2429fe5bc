/* uses.h - what uses.c, fates.c and roles.c share: places of code that name a variable. Private to
 * them. */
#ifndef RHI_PYTHON_USES_H
#define RHI_PYTHON_USES_H

#include "readers/cpython/roots.h"

enum { PY_USE_TEXT_SIZE = 160, PY_USE_NAME_SIZE = 64 };

/* ---- roles.c -------------------------------------------------------------------------------- */

/* What an instruction does with the values that it takes. With none: not known. */
enum py_role {
    PY_NO_ROLE,
    PY_PUSHES,   /* takes none */
    PY_REPLACES, /* takes some, and leaves what it made of them */
    PY_PACKS,    /* the same, and what it took may live on in what it leaves */
    PY_POPS,     /* leaves nothing, and only looks at what it takes */
    PY_KEEPS,    /* the same, and what it takes may live on */
    PY_LOOPS,    /* goes round, or on: looked at as it goes on */
    PY_LOAD_GLOBAL,
    PY_LOAD_NAME,
    PY_STORE_GLOBAL,
    PY_STORE_NAME,
    PY_DELETE_GLOBAL,
    PY_DELETE_NAME,
    PY_LOAD_ATTR,
    PY_LOAD_METHOD,
    PY_STORE_ATTR,
    PY_DELETE_ATTR,
    PY_STORE_SUBSCR,
    PY_DELETE_SUBSCR,
    PY_BINARY_SUBSCR,
    PY_STORE_SLICE,
    PY_BINARY_OP, /* the argument says which, and whether in place */
    PY_INPLACE,   /* the opcode says which */
    PY_CALL,
    PY_CALL_EX,
    PY_COPY,
    PY_SWAP,
    PY_DUP_TOP,
    PY_DUP_TOP_TWO,
    PY_ROT_TWO,
    PY_ROT_THREE,
    PY_ROT_FOUR,
    PY_ROT_N
};
/* Of all instructions of this version, by py_opcode.base. */
void rhi__py_roles(const py_runtime *py, uint8_t roles[256]);
/* The sign of an operation in place: '+' of +=; 0: it is none, or one of two letters. */
char rhi__py_operation(const py_runtime *py, uint8_t base, uint32_t argument);

/* ---- fates.c -------------------------------------------------------------------------------- */

/* A code object that is looked at. The bytes are those of its instructions. */
typedef struct py_code {
    py_runtime *py;
    const py_opcode *opcodes;
    const uint8_t *roles;
    const uint8_t *bytes;
    uint64_t units;
    uint64_t address, names, name_count; /* names: the tuple */
} py_code;
/* An instruction, with what extends its argument; next: behind it and its caches. */
typedef struct py_instruction {
    const py_opcode *opcode;
    uint8_t role;
    uint32_t argument;
    uint64_t unit, next;
} py_instruction;
/* Decodes the one that begins at `unit`; false: it makes no sense. */
bool rhi__py_instruction(const py_code *code, uint64_t unit, py_instruction *instruction);
/* The name that an instruction has: its number in `names`; UINT32_MAX: none. */
uint32_t rhi__py_name_of(const py_code *code, const py_instruction *instruction);
/* The text of that. False: it cannot be read. */
bool rhi__py_name_text(const py_code *code, uint32_t name, char text[PY_USE_NAME_SIZE]);

/* What becomes of a value that the instruction leaves on the stack, and how that may be written:
 * enum rhi_use_kind, and the text. `called` is what the value is called; is_container: it can be
 * filled in place. *steps: so many instructions may still be looked at. */
typedef struct py_fate {
    uint8_t kind;
    char text[PY_USE_TEXT_SIZE];
} py_fate;
py_fate rhi__py_fate(const py_code *code, const py_instruction *load, const char *called,
                     bool is_container, uint64_t *steps);

#endif
