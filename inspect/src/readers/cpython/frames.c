/* frames.c - what the frames of a thread own (see roots.h).
 *
 * From 3.11 on frames lie in a stack of their own, in chunks; those of generators lie in these, and
 * before 3.11 each is an object: then the objects own what is in them, but for the value stack of
 * one that is running. How deep that is says the instruction that it is at.
 * Invariant: a frame lies in memory that is mapped, with all its slots. */
#include "readers/cpython/roots.h"
#include "base/array.h"
#include "base/cycle_guard.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    CODES = 512, /* kept at a time; powers of two */
    PLACES = 1024,
    LOCAL_NAMES_MAX = 1024,
    TUPLE_ITEMS = 24,
    SLOTS_MAX = 1 << 20, /* of a frame */
    CHUNK_HEADER = 24,   /* the one before it, its size and top */
    CHUNKS_MAX = 1 << 16
};
enum owner { BY_THREAD, BY_GENERATOR, BY_FRAME_OBJECT, BY_C_STACK };

/* What is known of a code object. */
typedef struct py_code {
    uint64_t address; /* 0: nothing here */
    uint32_t locals, stack_size;
    uint64_t names, kinds;
    char function[44], file[36];
    /* of the first LOCAL_NAMES_MAX locals; owned */
    struct local {
        char name[38];
        bool is_known, is_cell; /* is_cell: the slot holds the cell of the variable */
    } * local_names;
} py_code;

typedef struct py_frame {
    uint64_t address, code, instruction;
    uint64_t locals;     /* where they begin */
    uint64_t stack, end; /* of the value stack, as far as it is used */
    uint64_t limit;      /* where the frame ends */
    uint64_t steady;     /* where what it surely has on its value stack ends */
    uint64_t pushed;     /* where what it may have there already ends */
    /* it says how deep its stack is, though C runs for it: it is being entered or taken down, and
     * part of what it holds it may not own any more */
    bool is_unsteady;
    uint8_t owner;   /* enum owner */
    bool is_running; /* it does not say itself how deep its stack is */
    bool is_unknown; /* nor is that known otherwise */
} py_frame;

struct py_frames {
    py_code codes[CODES];
    /* of instructions */
    struct place {
        uint64_t code, instruction;
        unsigned line;
        py_depth depth;
    } places[PLACES];
    py_opcode opcodes[256];
    bool has_opcodes;
    /* of one thread */
    struct {
        py_frame *items;
        uint64_t count, capacity;
    } frames;
};

py_frames *rhi__py_frames_new(void)
{
    return calloc(1, sizeof(py_frames));
}

void rhi__py_frames_free(py_frames *frames)
{
    if (!frames)
        return;
    for (unsigned i = 0; i < CODES; i++)
        free(frames->codes[i].local_names);
    free(frames->frames.items);
    free(frames);
}

/* ---- code objects --------------------------------------------------------------------------- */

static uint32_t number_at(const uint8_t *bytes, unsigned at)
{
    return rhi__load32(bytes + at);
}

/* Slots in front of the value stack; UINT32_MAX: that makes no sense. */
static uint32_t count_locals(py_roots *roots, const py_code_parts *parts, uint64_t address)
{
    const uint8_t *bytes = rhi__py_at(roots, address + parts->local_count, 4);
    uint64_t count = bytes ? rhi__load32(bytes) : UINT32_MAX, tuple, more;
    const uint16_t others[] = {parts->cellvars, parts->freevars};
    for (unsigned i = 0; i < 2 && others[i] && count < SLOTS_MAX; i++)
        count = rhi__py_word(roots, address + others[i], &tuple) &&
                        rhi__py_word(roots, tuple + PY_OB_SIZE, &more) && more < SLOTS_MAX
                    ? count + more
                    : UINT32_MAX;
    return count < SLOTS_MAX ? (uint32_t)count : UINT32_MAX;
}

/* NULL: it is no code object. */
static py_code *code_at(py_roots *roots, py_frames *f, uint64_t address)
{
    const py_code_parts *parts = rhi__py_code_parts(roots->py);
    py_code *c = &f->codes[(address >> 4) * 0x9E3779B97F4A7C15ull >> 55];
    uint64_t word;
    if (address && c->address == address)
        return c;
    const py_type *type =
        rhi__py_word(roots, address + PY_OB_TYPE, &word) ? rhi__py_type_at(roots->py, word) : NULL;
    if (!type || type->layout != PY_CODE)
        return NULL;
    uint32_t locals = count_locals(roots, parts, address);
    const uint8_t *bytes = rhi__py_at(roots, address, 160);
    if (locals == UINT32_MAX || !bytes || number_at(bytes, parts->stack_size) >= SLOTS_MAX)
        return NULL;
    free(c->local_names);
    *c = (py_code){.address = address,
                   .locals = locals,
                   .stack_size = number_at(bytes, parts->stack_size),
                   .names = rhi__load64(bytes + parts->local_names),
                   .kinds = parts->local_kinds ? rhi__load64(bytes + parts->local_kinds) : 0};
    rhi__py_code_call(roots->py, address, c->function, sizeof c->function);
    rhi__py_code_file(roots->py, address, c->file, sizeof c->file);
    return c;
}

static const struct place *place_of(py_roots *roots, py_frames *f, const py_frame *frame)
{
    uint64_t key = frame->code ^ frame->instruction * 0x9E3779B97F4A7C15ull;
    struct place *known = &f->places[(key ^ key >> 32) % PLACES];
    if (!f->has_opcodes)
        rhi__py_opcodes(roots->py, f->opcodes);
    f->has_opcodes = true;
    if (known->code != frame->code || known->instruction != frame->instruction)
        *known =
            (struct place){frame->code, frame->instruction,
                           rhi__py_line(roots->py, frame->code, frame->instruction),
                           rhi__py_depth(roots->py, f->opcodes, frame->code, frame->instruction)};
    return known;
}

/* "handle() at app.py:120, thread 4711" */
static void place_text(py_roots *roots, py_frames *f, const py_code *c, const py_frame *frame,
                       const py_thread *thread, char *text, size_t size)
{
    unsigned line = place_of(roots, f, frame)->line;
    if (line)
        rhi__text(text, size, "%s at %s:%u, %s", c->function, c->file, line, thread->name);
    else
        rhi__text(text, size, "%s at %s, %s", c->function, c->file, thread->name);
}

/* NULL: memory is short. */
static const struct local *local_at(py_roots *roots, py_code *c, uint32_t i)
{
    static const struct local unknown = {.name = "?"};
    uint64_t name;
    char text[256];
    if (i >= LOCAL_NAMES_MAX)
        return &unknown;
    if (!c->local_names)
        c->local_names = calloc(c->locals < LOCAL_NAMES_MAX ? c->locals : LOCAL_NAMES_MAX,
                                sizeof *c->local_names);
    if (!c->local_names)
        return NULL;
    struct local *local = &c->local_names[i];
    if (local->is_known)
        return local;
    if (!rhi__py_word(roots, c->names + TUPLE_ITEMS + 8ull * i, &name) ||
        !rhi__py_text(roots->py, name, text, sizeof text))
        snprintf(text, sizeof text, "?");
    rhi__text(local->name, sizeof local->name, "%s", text);
    local->is_cell = rhi__py_is_cell(roots->py, c->kinds, i);
    local->is_known = true;
    return local;
}

/* ---- the frames of a thread ----------------------------------------------------------------- */

static void say_broken(py_roots *roots, const py_thread *thread, uint64_t address, const char *why)
{
    if (roots->is_quiet)
        return;
    rhi__reader_problem(roots->reader,
                        "the frames of %s break off at 0x%" PRIx64
                        ": %s; what holds objects in the others is not known",
                        thread->name, address, why);
}

/* Is that memory of the target, as far as its map says? */
static bool is_mapped(const py_roots *roots, uint64_t start, uint64_t size)
{
    const rhi_region *region = rhi__memory_region(roots->reader->memory, start);
    return region && size <= region->end - start;
}

/* Where locals and value stack lie. False: that makes no sense. */
static bool lay_out(py_roots *roots, py_frames *f, const py_code *c, const uint8_t *bytes,
                    py_frame *frame)
{
    const py_offsets *at = roots->py->at;
    int64_t depth = (int32_t)rhi__load32(bytes + at->frame_stacktop), steady = 0, pushed = 0;
    enum { VALUE_STACK = 64 /* of a frame object */ };
    if (at->frame_size != PY_ABSENT) { /* stacktop counts locals too */
        frame->locals = frame->address + at->frame_size;
        frame->stack = frame->locals + 8ull * c->locals;
        depth = depth < 0 ? -1 : depth - (int64_t)c->locals;
        if (depth < -1)
            return false;
    } else {
        frame->stack = rhi__load64(bytes + VALUE_STACK);
        if (roots->py->minor == 9) { /* a pointer, 0 while it runs */
            uint64_t top = rhi__load64(bytes + at->frame_stacktop);
            depth = top ? (int64_t)(top - frame->stack) / 8 : -1;
        }
        if (frame->stack % 8 || frame->stack < frame->address)
            return false;
    }
    if (depth > (int64_t)c->stack_size ||
        !is_mapped(roots, frame->address, frame->stack - frame->address + 8ull * c->stack_size))
        return false;
    frame->is_running = depth < 0;
    if (frame->is_running) {
        py_depth found = place_of(roots, f, frame)->depth;
        depth = found.values;
        steady = found.steady;
        pushed = f->frames.count ? found.unpacked : found.pushed;
    }
    frame->is_unknown = depth < 0 || depth > (int64_t)c->stack_size;
    frame->end = frame->stack + (frame->is_unknown ? 0 : 8 * (uint64_t)depth);
    frame->steady =
        frame->is_running && !frame->is_unknown ? frame->stack + 8 * (uint64_t)steady : frame->end;
    frame->limit = frame->stack + 8ull * c->stack_size;
    frame->pushed = frame->end + 8 * (uint64_t)pushed;
    if (frame->is_unknown || frame->pushed > frame->limit)
        frame->pushed = frame->is_unknown ? frame->end : frame->limit;
    return true;
}

static uint64_t innermost(py_roots *roots, const py_thread *thread)
{
    const py_offsets *at = roots->py->at;
    uint64_t address = 0;
    if (rhi__py_word(roots, thread->address + at->thread_frame, &address) && address &&
        at->through_cframe != PY_ABSENT &&
        !rhi__py_word(roots, address + at->through_cframe, &address))
        address = 0;
    return address;
}

static void collect(py_roots *roots, py_frames *f, const py_thread *thread)
{
    const py_offsets *at = roots->py->at;
    enum {
        HEAD_BYTES = 112, /* of any frame, before its block stack or locals */
        IS_ENTRY_11 = 68  /* in 3.11: it was called from C; in later ones, one of C is between */
    };
    uint64_t head = at->frame_size != PY_ABSENT ? at->frame_size : HEAD_BYTES, next;
    rhi_cycle_guard guard = {0};
    bool runs_c = true; /* the frame that comes next called C, not the one before it */
    f->frames.count = 0;
    for (uint64_t address = innermost(roots, thread); address; address = next) {
        py_frame frame = {.address = address};
        if (roots->frames_left == 0 || rhi__is_repeated(&guard, address)) {
            rhi__py_cut(roots, "frames of Python");
            return;
        }
        roots->frames_left--;
        const uint8_t *bytes = address % 8 ? NULL : rhi__py_at(roots, address, head);
        uint8_t copy[HEAD_BYTES];
        if (!bytes) {
            say_broken(roots, thread, address, "that cannot be read");
            return;
        }
        memcpy(copy, bytes, head);
        next = rhi__load64(copy + at->frame_previous);
        frame.owner = at->frame_owner != PY_ABSENT ? copy[at->frame_owner] : BY_FRAME_OBJECT;
        if (frame.owner == BY_C_STACK) {
            runs_c = true;
            continue;
        }
        frame.code = rhi__load64(copy + at->frame_code);
        frame.instruction = at->frame_size != PY_ABSENT ? rhi__load64(copy + at->frame_instruction)
                                                        : rhi__load32(copy + at->frame_instruction);
        const py_code *c = code_at(roots, f, frame.code);
        if (!c || !lay_out(roots, f, c, copy, &frame)) {
            say_broken(roots, thread, address,
                       c ? "it has no room for its values" : "it has no code object");
            return;
        }
        if (!rhi__array_reserve(&f->frames, 1)) {
            roots->out_of_memory = true;
            return;
        }
        frame.is_unsteady = runs_c && !frame.is_running;
        runs_c = roots->py->minor == 11 && copy[IS_ENTRY_11];
        f->frames.items[f->frames.count++] = frame;
    }
}

/* ---- roots ---------------------------------------------------------------------------------- */

typedef void (*adder)(py_roots *roots, uint64_t slot, const char *format, ...);

static void add_locals(py_roots *roots, py_code *c, const py_frame *frame, adder root,
                       const char *place)
{
    for (uint32_t i = 0; i < c->locals; i++) {
        uint64_t slot = frame->locals + 8ull * i, value;
        if (rhi__py_word(roots, slot, &value) && value == 0)
            continue;
        const struct local *local = local_at(roots, c, i);
        if (!local) {
            roots->out_of_memory = true;
            return;
        }
        root(roots, slot, local->is_cell ? PY_CELL_IN : PY_LOCAL_IN, local->name, place);
    }
}

/* Does the word look like the address of an object? */
static bool is_object(py_roots *roots, uint64_t slot)
{
    uint64_t value, count, type;
    return rhi__py_word(roots, slot, &value) && value && value % 8 == 0 &&
           rhi__py_word(roots, value + PY_OB_REFCNT, &count) && count &&
           rhi__py_word(roots, value + PY_OB_TYPE, &type) && rhi__py_known_type(roots->py, type);
}

static void add_frame_roots(py_roots *roots, py_frames *f, const py_thread *thread,
                            const py_frame *frame)
{
    const py_offsets *at = roots->py->at;
    adder root = frame->is_unsteady ? rhi__py_guessed_root : rhi__py_frame_root;
    char place[RHI_NAME_SIZE];
    py_code *c = code_at(roots, f, frame->code);
    if (!c || (frame->owner != BY_THREAD && !frame->is_running))
        return;
    place_text(roots, f, c, frame, thread, place, sizeof place);
    for (uint64_t slot = frame->stack; slot < frame->end; slot += 8) {
        bool is_guess = frame->is_unsteady || slot >= frame->steady;
        (is_guess ? rhi__py_guessed_root : rhi__py_stack_root)(roots, slot, PY_STACK_OF, place);
    }
    for (uint64_t slot = frame->end; slot < frame->pushed; slot += 8)
        if (is_object(roots, slot))
            rhi__py_guessed_root(roots, slot, "value stack of %s", place);
    if (frame->owner != BY_THREAD) { /* the generator's, or the frame object's */
        if (frame->is_unknown)
            rhi__reader_problem(roots->reader,
                                "what the frame of %s has on its value stack is not known", place);
        return;
    }
    root(roots, frame->address + at->frame_code, "code of %s", place);
    root(roots, frame->address + at->frame_function, "function of %s", place);
    root(roots, frame->address + at->frame_locals, "f_locals of %s", place);
    root(roots, frame->address + at->frame_object, "frame object of %s", place);
    add_locals(roots, c, frame, root, place);
}

/* Before 3.11: the C function that runs a frame owns it, unless it is a generator's; what the
 * thread says stands for the innermost one. */
static void add_frame_object(py_roots *roots, py_frames *f, const py_thread *thread)
{
    const py_frame *frame = &f->frames.items[0];
    uint64_t generator_at = frame->address + (roots->py->minor == 9 ? 96 : 88), generator;
    char place[RHI_NAME_SIZE];
    const py_code *c = code_at(roots, f, frame->code);
    if (!c || !rhi__py_word(roots, generator_at, &generator) || generator)
        return;
    place_text(roots, f, c, frame, thread, place, sizeof place);
    rhi__py_frame_root(roots, thread->address + roots->py->at->thread_frame, "frame of %s", place);
}

static int address_order(const void *left, const void *right)
{
    const py_frame *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* Of a chunk of the thread's data stack: but for their roots its frames own nothing, nor does what
 * lies above `top`. Where the depth of a value stack is not known, its words stay words; and so do
 * those of a frame that is just being entered or left, which is in no chain. */
static void add_chunk(py_roots *roots, py_frames *f, uint64_t start, uint64_t end, uint64_t top)
{
    static const char what[] = "the stack of Python's frames";
    uint64_t i = rhi__first(0, f->frames.count, at, f->frames.items[at].address >= start),
             done = start + CHUNK_HEADER;
    rhi__py_nothing(roots, start, CHUNK_HEADER, what);
    for (; i < f->frames.count && f->frames.items[i].limit <= end; i++) {
        const py_frame *frame = &f->frames.items[i];
        if (frame->address < done)
            continue;
        done = frame->is_unknown ? frame->stack : frame->limit;
        rhi__py_nothing(roots, frame->address, done - frame->address, what);
        done = frame->limit;
    }
    if (top < done || top > end)
        top = done;
    rhi__py_nothing(roots, top, end - top, what);
}

static void add_data_stack(py_roots *roots, py_frames *f, const py_thread *thread)
{
    rhi_cycle_guard guard = {0};
    uint64_t chunk = 0, top = 0, size = 0, count = 0;
    if (f->frames.count)
        qsort(f->frames.items, f->frames.count, sizeof *f->frames.items, address_order);
    rhi__py_word(roots, thread->address + roots->py->at->datastack_chunk, &chunk);
    rhi__py_word(roots, thread->address + roots->py->at->datastack_top, &top);
    for (uint64_t next; chunk; chunk = next) {
        if (count++ == CHUNKS_MAX || rhi__is_repeated(&guard, chunk) ||
            !rhi__py_word(roots, chunk, &next) || !rhi__py_word(roots, chunk + 8, &size) ||
            size < CHUNK_HEADER || !is_mapped(roots, chunk, size)) {
            rhi__reader_problem(roots->reader,
                                "the stack of frames of %s cannot be followed at 0x%" PRIx64,
                                thread->name, chunk);
            return;
        }
        add_chunk(roots, f, chunk, chunk + size, top);
        top = 0; /* of one that is full: behind its last frame */
    }
}

void rhi__py_frame_roots(py_roots *roots, py_frames *f, const py_thread *thread)
{
    collect(roots, f, thread);
    for (uint64_t i = 0; i < f->frames.count && !roots->out_of_memory; i++)
        add_frame_roots(roots, f, thread, &f->frames.items[i]);
    if (roots->py->at->datastack_chunk != PY_ABSENT)
        add_data_stack(roots, f, thread);
    else if (f->frames.count)
        add_frame_object(roots, f, thread);
}

bool rhi__py_find_in_frames(py_roots *roots, py_frames *f, const py_thread *thread, uint64_t slot,
                            py_frame_place *place)
{
    const py_offsets *at = roots->py->at;
    *place = (py_frame_place){.thread = thread->id};
    if (at->frame_owner == PY_ABSENT) { /* frames are objects; the rest is a matter of these */
        place->is_frame = slot == thread->address + at->thread_frame;
        return place->is_frame;
    }
    collect(roots, f, thread);
    for (; place->depth < f->frames.count; place->depth++) {
        const py_frame *frame = &f->frames.items[place->depth];
        if (slot < frame->address || slot >= frame->stack)
            continue;
        place->is_frame = slot == frame->address + at->frame_object;
        if (place->is_frame || slot < frame->locals)
            return place->is_frame;
        py_code *c = code_at(roots, f, frame->code);
        const struct local *local =
            c ? local_at(roots, c, (uint32_t)((slot - frame->locals) / 8)) : NULL;
        if (local)
            snprintf(place->local, sizeof place->local, "%s", local->name);
        place->is_cell = local && local->is_cell;
        return local != NULL;
    }
    return false;
}
