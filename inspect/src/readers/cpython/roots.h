/* roots.h - what threads.c, frames.c and interpreter.c share: roots, and memory that owns nothing
 * (roots.c); where things lie in code objects, and their lines (lines.c). Private to them. */
#ifndef RHI_PYTHON_ROOTS_H
#define RHI_PYTHON_ROOTS_H

#include "readers/cpython/python.h"
#include "target/window.h"

enum { PY_FRAMES_MAX = 1 << 20, PY_WINDOW_BYTES = 16 << 10 };
enum { PY_VERSIONS = PY_MINOR_MAX - PY_MINOR_MIN + 1 };
/* Of a table with a column for each version. */
static inline unsigned py_version(const py_runtime *py)
{
    return py->minor - PY_MINOR_MIN;
}

/* ---- roots.c -------------------------------------------------------------------------------- */

typedef struct py_roots {
    py_runtime *py;
    rhi_reader *reader;
    rhi_window window;    /* use rhi__py_at */
    uint32_t heap;        /* of the interpreter whose roots are added */
    uint64_t frames_left; /* that may still be looked at, in all threads */
    bool is_cut;          /* there are more roots or frames, which is noted */
    bool is_quiet;        /* notes nothing: this was noted before */
    bool out_of_memory;
} py_roots;

/* Bytes at an address, at most 4096, valid until the next call; NULL: they cannot be read. What
 * lies near each other on either side is read once. */
const uint8_t *rhi__py_at(py_roots *roots, uint64_t address, uint64_t size);
bool rhi__py_word(py_roots *roots, uint64_t address, uint64_t *value);
/* The word at `slot` owns a count of what it holds, if it is not 0. */
__attribute__((format(printf, 3, 4))) void rhi__py_root(py_roots *roots, uint64_t slot,
                                                        const char *format, ...);
/* The same of one that a program reaches by this name; of one in a frame; of one on its value
 * stack; of one in a frame that is guessed. */
__attribute__((format(printf, 3, 4))) void rhi__py_named_root(py_roots *roots, uint64_t slot,
                                                              const char *format, ...);
__attribute__((format(printf, 3, 4))) void rhi__py_frame_root(py_roots *roots, uint64_t slot,
                                                              const char *format, ...);
__attribute__((format(printf, 3, 4))) void rhi__py_stack_root(py_roots *roots, uint64_t slot,
                                                              const char *format, ...);
__attribute__((format(printf, 3, 4))) void rhi__py_guessed_root(py_roots *roots, uint64_t slot,
                                                                const char *format, ...);
/* None of these bytes owns anything but what is a root. They overlap no others. */
void rhi__py_nothing(py_roots *roots, uint64_t start, uint64_t size, const char *what);
/* CPython's variables: writable memory without a gap, up to the end of the mapping that _PyRuntime
 * lies in, and no more than 4 MiB of it. The first *got bytes from *start on, in `scratch`. */
const uint8_t *rhi__py_variables(const py_runtime *py, rhi_scratch *scratch, uint64_t *start,
                                 uint64_t *got);
/* Says that something cannot be followed; the answer is incomplete. Once for all that is cut. */
void rhi__py_cut(py_roots *roots, const char *what);

/* ---- free_lists.c --------------------------------------------------------------------------- */

/* Adds the arrays of a runtime that has them in its data, as memory that owns nothing. */
void rhi__py_free_lists(py_roots *roots);

/* ---- type_cache.c --------------------------------------------------------------------------- */

/* Adds the names that the cache of types' attributes owns; its values are not. */
void rhi__py_type_cache(py_roots *roots, const py_interpreter *interpreter);

/* ---- lines.c -------------------------------------------------------------------------------- */

/* Where parts of a code object lie. */
typedef struct py_code_parts {
    uint16_t first_line, line_table, filename, name;
    uint16_t qualified_name; /* 3.9, 3.10: the name alone */
    uint16_t stack_size;
    /* how many slots come before the value stack: one number, or the sum of `nlocals` and the
     * lengths of `cellvars` and `freevars` (0: not so) */
    uint16_t local_count, local_names, local_kinds, cellvars, freevars;
} py_code_parts;
const py_code_parts *rhi__py_code_parts(const py_runtime *py);
/* What a code object calls itself: "handle()" or "<module>"; and "app.py". */
void rhi__py_code_call(py_runtime *py, uint64_t code, char *text, size_t size);
void rhi__py_code_file(py_runtime *py, uint64_t code, char *text, size_t size);
/* The line at which a frame with this code stands; 0: not known. */
unsigned rhi__py_line_of(py_runtime *py, uint64_t frame, uint64_t code);
/* Does this slot of its frames hold a cell with the variable? kinds: its `local_kinds`; 0: none. */
bool rhi__py_is_cell(py_runtime *py, uint64_t kinds, uint64_t slot);
/* How slots of frames are called, wherever the frame lies: a variable, or none; and its place. */
#define PY_LOCAL_IN "local '%s' in %s"
#define PY_CELL_IN "cell of '%s' in %s"
#define PY_STACK_OF "value stack of %s"

/* ---- opcodes.c ------------------------------------------------------------------------------ */

/* Where an instruction goes on; PY_EXTENDS: it is a part of the next one's argument. */
enum py_flow {
    PY_UNKNOWN,
    PY_GOES_ON = 1,
    PY_ENDS = 2,
    PY_EXTENDS = 3,
    PY_FORWARD = 4,
    PY_BACKWARD = 8,
    PY_ABSOLUTE = 16,
    PY_MAYBE = 32 /* or at the next one */
};
typedef struct py_opcode {
    uint8_t flow, counts, caches; /* caches: units of code that follow it and are none */
    int8_t effect, jump_effect;
    uint8_t callee; /* it calls what lies so far below its arguments; 0: it is no call */
    uint8_t base;   /* the instruction of which it is a variant: itself, mostly */
} py_opcode;
/* What all instructions of this version do. */
void rhi__py_opcodes(const py_runtime *py, py_opcode table[256]);
/* How many values it takes from the stack, at most. */
int64_t rhi__py_taken(const py_opcode *opcode, uint32_t argument);
/* Values that it leaves on the stack, less those it takes from there. */
int64_t rhi__py_effect(const py_opcode *opcode, uint32_t argument, bool jumps);
/* Does it leave what an iterator gives, one after the other, before it is done? */
bool rhi__py_unpacks(const py_opcode *opcode);

/* ---- depth.c -------------------------------------------------------------------------------- */

/* The stack of a frame before an instruction: so many values, -1: not known. Of these `steady` are
 * below what the instruction takes. The others it may have given back already: where it waits for
 * its turn to go on, or runs the finalizer of one of them; or another is there for a while, as the
 * object of a bound method that is called. pushed: of what it leaves there, and one that runs with
 * it, so many may lie above these already. unpacked: so many of them while it still asks an
 * iterator for more, which may be written in Python. */
typedef struct py_depth {
    int64_t values, steady, pushed, unpacked;
} py_depth;
/* The instruction is as in rhi__py_line. */
py_depth rhi__py_depth(py_runtime *py, const py_opcode opcodes[256], uint64_t code,
                       uint64_t instruction);
/* The instructions of a code object; NULL: they cannot be read in full. size: in bytes, even. */
const uint8_t *rhi__py_instructions(py_runtime *py, uint64_t code, rhi_scratch *scratch,
                                    uint64_t *size);

/* ---- frames.c ------------------------------------------------------------------------------- */

typedef struct py_thread {
    uint64_t address; /* of its state */
    uint64_t id;      /* as threading.get_ident has it */
    char name[40];    /* "thread 4711" */
} py_thread;

typedef struct py_frames py_frames; /* what is kept from thread to thread */
py_frames *rhi__py_frames_new(void);
void rhi__py_frames_free(py_frames *frames);
/* Adds the roots in all frames of the thread, and its data stack as memory that owns nothing else.
 */
void rhi__py_frame_roots(py_roots *roots, py_frames *frames, const py_thread *thread);

/* Where in the frames of a thread a slot is: in the frame that called so many others, it is a local
 * of that name; is_frame: it holds the frame object. */
typedef struct py_frame_place {
    uint64_t thread, depth;
    bool is_frame;
    bool is_cell; /* the slot holds the cell of that local */
    char local[RHI_NAME_SIZE];
} py_frame_place;
/* False: it is neither. */
bool rhi__py_find_in_frames(py_roots *roots, py_frames *frames, const py_thread *thread,
                            uint64_t slot, py_frame_place *place);

/* ---- threads.c ------------------------------------------------------------------------------ */

/* The same of all threads of an interpreter. */
void rhi__py_thread_roots(py_roots *roots, py_frames *frames, const py_interpreter *interpreter);
/* Looks through the frames of all threads. */
bool rhi__py_frame_at(py_runtime *py, uint64_t slot, py_frame_place *place);

#endif
