/* uses.h - what uses.c, attributes.c, fates.c and roles.c share: places of code that name a
 * variable. Private to them. */
#ifndef RHI_PYTHON_USES_H
#define RHI_PYTHON_USES_H

#include "base/map.h"
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

/* ---- uses.c --------------------------------------------------------------------------------- */

/* What a piece of code calls names: it is a module's own, a class's body, or a function's. */
enum py_scope { PY_OF_MODULE, PY_OF_CLASS, PY_OF_FUNCTION };

/* A code object that is to be looked through, and where its names lie. */
typedef struct py_code_piece {
    uint64_t code, globals, function; /* function: 0: the code of a constant */
    uint8_t scope;
    bool is_guess;  /* of a module's own: perhaps its names lie elsewhere */
    bool is_unread; /* not all that it names is known */
} py_code_piece;

/* What is looked for, and where. */
typedef struct py_finder {
    py_runtime *py;
    rhi_reader *reader;
    rhi_use_search *search;
    py_opcode opcodes[256];
    uint8_t roles[256];
    char name[RHI_NAME_SIZE];
    uint64_t key;     /* the name's object; 0: not known */
    uint64_t globals; /* of a module's variable: the dict; 0: it is an attribute */
    uint64_t owner;   /* the module; or the object that has the attribute */
    uint64_t class;   /* of an attribute */
    bool is_container;
    uint64_t steps; /* that are left of STEPS_MAX */
    bool is_cut;    /* not all places in some code are told of */
    struct {
        uint64_t class, globals; /* of its functions that its module has; 0: it has none */
    } asked;                     /* of is_of_module */
    rhi_map seen;
    struct {
        py_code_piece *items;
        uint64_t count, capacity;
    } work;
} py_finder;

/* A place where it is named. is_guess: perhaps it is another one. owner: how that is written which
 * has it; "": it is the name alone. */
typedef struct py_hit {
    py_instruction at;
    char owner[PY_USE_NAME_SIZE];
    bool is_guess;
} py_hit;

static inline const py_type *py_type_at(py_runtime *py, uint64_t object)
{
    return object ? rhi__py_known_type(py, py_word_at(py, object + PY_OB_TYPE)) : NULL;
}

static inline bool py_is_layout(py_runtime *py, uint64_t object, enum py_layout layout)
{
    const py_type *type = py_type_at(py, object);
    return type && rhi__py_is_a(type, layout);
}

/* ---- attributes.c --------------------------------------------------------------------------- */

/* Of a function. */
static inline uint64_t py_globals_of(py_runtime *py, uint64_t function)
{
    return py_word_at(py, function + (py->minor == 9 ? 24 : 16));
}
static inline uint64_t py_code_of(py_runtime *py, uint64_t function)
{
    return py_word_at(py, function + (py->minor == 9 ? 16 : 48));
}
bool rhi__py_same_text(py_runtime *py, uint64_t left, uint64_t right);
/* What a dict has under the key, or the text; 0: nothing. */
uint64_t rhi__py_look_up(py_finder *f, uint64_t dict, uint64_t key, const char *text);
/* "Store.put", of the code or the function that has it. False: not known. */
bool rhi__py_qualified_name(py_runtime *py, const py_code_piece *p, char *text, size_t size);
/* Is it the attribute that is asked for, behind these PY_BEFORE instructions, the last one first?
 * Sets is_guess: of an object that is not known; and owner. */
enum { PY_BEFORE = 3 };
bool rhi__py_is_owners(py_finder *f, const py_code *code, const py_code_piece *p,
                       const py_instruction *before, py_hit *h);

#endif
