/* suspended.c - the frames that lie inside of objects: of generators, coroutines, and of frame
 * objects (see views.h).
 *
 * A frame owns its locals, and of its value stack what lies below the top. Where the top is not
 * kept, since the frame runs, the stack is a matter of the thread. Words above the top are stale.
 * Invariant: all slots lie inside of the object. */
#include "readers/cpython/views.h"
#include "readers/cpython/roots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    OLD_FRAME_STACK = 64, /* 3.9, 3.10: frames are objects of their own */
    OLD_FRAME_LOCALS_9 = 360,
    OLD_FRAME_LOCALS_10 = 352,
    CODE_FLAGS = 48,
    CODE_IS_COROUTINE = 0x80 | 0x200, /* or an async generator: these have an origin */
    TUPLE_ITEMS = 24,
    FRAME_NAME_SIZE = 64,
    FRAME_COMPLETED = 1, /* its locals were cleared, and the frame was not */
    FRAME_CLEARED = 4    /* state of a generator whose frame owns nothing any more */
};

static uint64_t code_u32(py_runtime *py, uint64_t code, uint64_t offset)
{
    uint8_t bytes[4];
    return code && rhi__py_read(py, code + offset, bytes, sizeof bytes) == sizeof bytes
               ? rhi__load32(bytes)
               : 0;
}

static uint64_t length_of(py_runtime *py, uint64_t tuple)
{
    return tuple ? py_word_at(py, tuple + PY_OB_SIZE) : 0;
}

/* Slots of a frame in front of its value stack. */
static uint64_t local_count(py_runtime *py, uint64_t code)
{
    const py_code_parts *parts = rhi__py_code_parts(py);
    uint64_t count = code_u32(py, code, parts->local_count);
    if (parts->cellvars)
        count += length_of(py, py_word_at(py, code + parts->cellvars)) +
                 length_of(py, py_word_at(py, code + parts->freevars));
    return count;
}

static bool give_locals(const py_visit *v, uint64_t frame, uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count && first + i * 8 + 8 <= v->size; i++)
        if (!py_label(v, PY_LABEL_LOCAL, v->object->address + first + i * 8,
                      py_word(v, first + i * 8), frame | i << PY_FRAME_BITS))
            return false;
    return true;
}

/* ---- from 3.11 on --------------------------------------------------------------------------- */

/* The frame at an offset of the object. owns_code: the object has no count of its own for that. */
static bool give_frame(const py_visit *v, uint64_t at)
{
    const py_offsets *o = v->py->at;
    static const enum py_label labels[] = {PY_LABEL_FRAME_CODE, PY_LABEL_FRAME_FUNCTION,
                                           PY_LABEL_FRAME_LOCALS, PY_LABEL_FRAME_OBJECT};
    const uint32_t places[] = {o->frame_code, o->frame_function, o->frame_locals, o->frame_object};
    uint64_t start = v->object->address;
    if (at + o->frame_size > v->size)
        return true;
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
        uint64_t value = py_word(v, at + places[i]);
        if (value != start && !py_label(v, labels[i], start + at + places[i], value, 0))
            return false;
    }
    int32_t top = (int32_t)rhi__load32(v->body + at + o->frame_stacktop);
    uint64_t count = top >= 0 ? (uint64_t)top : local_count(v->py, py_word(v, at + o->frame_code));
    return give_locals(v, start + at, at + o->frame_size, count);
}

/* The frame at an offset of a generator that has ended. Who clears one says at the beginning that
 * there is nothing, and then gives back one after the other; finalizers may run meanwhile.
 * has_frame: of the locals and the stack alone. */
static bool give_cleared(const py_visit *v, uint64_t at, bool has_frame)
{
    const py_offsets *o = v->py->at;
    const uint32_t places[] = {v->py->minor == 11 ? o->frame_code : PY_ABSENT, o->frame_function,
                               o->frame_locals, o->frame_object};
    uint64_t start = v->object->address, type = (uint64_t)(v->type - v->py->types.items) << 32;
    if (!rhi__py_is_being_freed(v->py, v->object->start, rhi__object_end(v->object)))
        return true;
    for (uint64_t i = has_frame ? 4 : 0; i < 4 || at + o->frame_size + (i - 4) * 8 + 8 <= v->size;
         i++) {
        uint64_t place = i < 4 ? at + places[i] : at + o->frame_size + (i - 4) * 8, value;
        if (i < 4 && places[i] == PY_ABSENT)
            continue;
        value = py_word(v, place);
        if (value && value != start && rhi__py_is_object(v->py, value) &&
            !py_label(v, PY_LABEL_CLEARED, start + place, value, type | place))
            return false;
    }
    return true;
}

bool rhi__py_generator_slots(const py_visit *v)
{
    if (v->py->minor < 11)
        return true; /* its frame is an object */
    uint64_t frame = v->py->minor == 11 ? 80 : 72, state = v->py->minor == 11 ? 75 : 67,
             origin = v->py->minor == 11 ? 64 : 56, code = frame + v->py->at->frame_code;
    if (v->py->minor == 11)
        code = 16;
    if (code_u32(v->py, py_word(v, code), CODE_FLAGS) & CODE_IS_COROUTINE &&
        !py_label(v, PY_LABEL_ORIGIN, v->object->address + origin, py_word(v, origin), 0))
        return false;
    if (frame > v->size)
        return true;
    /* one that was closed before it began has ended, and its frame was not cleared */
    if ((int8_t)v->body[state] < FRAME_CLEARED)
        return give_frame(v, frame) &&
               ((int8_t)v->body[state] < FRAME_COMPLETED || give_cleared(v, frame, true));
    if (!give_cleared(v, frame, false))
        return false;
    /* from 3.12 on the code is owned there all the same */
    return v->py->minor == 11 ||
           py_label(v, PY_LABEL_FRAME_CODE, v->object->address + code, py_word(v, code), 0);
}

/* ---- frame objects -------------------------------------------------------------------------- */

/* 3.9, 3.10: the locals lie in the object. How much of its value stack is used is known while it
 * does not run: 3.9 has the top's address, 3.10 the number. */
static bool give_old_frame(const py_visit *v)
{
    uint64_t start = v->object->address,
             locals = v->py->minor == 9 ? OLD_FRAME_LOCALS_9 : OLD_FRAME_LOCALS_10,
             stack = py_word(v, OLD_FRAME_STACK), top = py_word(v, v->py->at->frame_stacktop),
             count = local_count(v->py, py_word(v, v->py->at->frame_code));
    if (stack != start + locals + count * 8)
        return give_locals(v, start, locals, count);
    if (v->py->minor == 9 && top >= stack)
        count += (top - stack) / 8;
    else if (v->py->minor == 10 && (int32_t)top > 0)
        count += (uint32_t)top;
    return give_locals(v, start, locals, count);
}

bool rhi__py_frame_slots(const py_visit *v)
{
    uint64_t own = v->py->minor >= 13 ? 64 : 48;
    if (v->py->minor < 11)
        return give_old_frame(v);
    return py_word(v, 24) != v->object->address + own || give_frame(v, own);
}

/* ---- names ---------------------------------------------------------------------------------- */

/* The variable of a slot in front of the stack; false: it has no name. */
static bool variable_of(py_runtime *py, uint64_t code, uint64_t slot, char *name, size_t size,
                        bool *is_cell)
{
    const py_code_parts *parts = rhi__py_code_parts(py);
    const uint16_t places[] = {parts->local_names, parts->cellvars, parts->freevars};
    uint64_t in_all = slot;
    for (unsigned i = 0; i < 3 && (i == 0 || places[i]); i++) {
        uint64_t names = py_word_at(py, code + places[i]), count = length_of(py, names);
        if (slot < count) {
            *is_cell =
                i > 0 || (parts->local_kinds &&
                          rhi__py_is_cell(py, py_word_at(py, code + parts->local_kinds), in_all));
            return rhi__py_text(py, py_word_at(py, names + TUPLE_ITEMS + slot * 8), name, size);
        }
        slot -= count;
    }
    return false;
}

bool rhi__py_local_variable(py_runtime *py, uint64_t label, char *name, size_t size, bool *is_cell)
{
    uint64_t frame = label & ((1ull << PY_FRAME_BITS) - 1), slot = label >> PY_FRAME_BITS,
             code = py_word_at(py, frame + py->at->frame_code);
    return slot < local_count(py, code) && variable_of(py, code, slot, name, size, is_cell);
}

void rhi__py_local_name(py_runtime *py, uint64_t label, char *name, size_t size)
{
    char function[FRAME_NAME_SIZE], file[FRAME_NAME_SIZE], place[RHI_NAME_SIZE],
        variable[FRAME_NAME_SIZE];
    bool is_cell;
    uint64_t frame = label & ((1ull << PY_FRAME_BITS) - 1),
             code = py_word_at(py, frame + py->at->frame_code);
    unsigned line = rhi__py_line_of(py, frame, code);
    rhi__py_code_call(py, code, function, sizeof function);
    rhi__py_code_file(py, code, file, sizeof file);
    if (line)
        rhi__text(place, sizeof place, "%s at %s:%u", function, file, line);
    else
        rhi__text(place, sizeof place, "%s at %s", function, file);
    if (rhi__py_local_variable(py, label, variable, sizeof variable, &is_cell))
        rhi__text(name, size, is_cell ? PY_CELL_IN : PY_LOCAL_IN, variable, place);
    else
        rhi__text(name, size, PY_STACK_OF, place);
}
