/* fates.c - what becomes of a value that code loads: is something put into it, is it called (see
 * uses.h).
 *
 * The code behind the load is followed on one way, with a stack of marks: which values are the one
 * that was loaded, an item of it, or a method. What a jump leaves out belongs to the same
 * expression, or comes after it. Invariant: an instruction without a role ends it, and what is said
 * then was seen before. */
#include "heap/format.h"
#include "readers/cpython/uses.h"

#include <string.h>

enum { STACK_MAX = 48, STEPS_MAX = 2048, TUPLE_ITEMS = 24 };
enum mark { OTHER, VALUE, ITEM, METHOD, ITEM_METHOD };

typedef struct walk {
    const py_code *code;
    const char *called;
    bool is_container;
    uint8_t marks[STACK_MAX];
    unsigned height;
    unsigned marked;             /* so many of them are not OTHER */
    char item[PY_USE_TEXT_SIZE]; /* how the item is written that was taken last */
    char method[PY_USE_NAME_SIZE];
    char sign; /* of an operation in place on the item; 0: none */
    py_fate fate;
} walk;

bool rhi__py_instruction(const py_code *code, uint64_t unit, py_instruction *instruction)
{
    if (unit >= code->units)
        return false;
    uint32_t argument = code->bytes[2 * unit + 1];
    const py_opcode *opcode = &code->opcodes[code->bytes[2 * unit]];
    *instruction = (py_instruction){.unit = unit};
    for (unsigned i = 0; opcode->flow == PY_EXTENDS && i < 3 && unit + 1 < code->units; i++) {
        unit++;
        opcode = &code->opcodes[code->bytes[2 * unit]];
        argument = argument << 8 | code->bytes[2 * unit + 1];
    }
    if (opcode->flow == PY_UNKNOWN || opcode->flow == PY_EXTENDS)
        return false;
    instruction->opcode = opcode;
    instruction->role = code->roles[opcode->base];
    instruction->argument = argument;
    instruction->next = unit + 1 + opcode->caches;
    return instruction->next <= code->units;
}

uint32_t rhi__py_name_of(const py_code *code, const py_instruction *instruction)
{
    unsigned minor = code->py->minor;
    uint32_t argument = instruction->argument;
    switch (instruction->role) {
    case PY_LOAD_GLOBAL:
        argument >>= minor >= 11;
        break;
    case PY_LOAD_ATTR:
        argument >>= minor >= 12;
        break;
    case PY_LOAD_NAME:
    case PY_LOAD_METHOD:
    case PY_STORE_GLOBAL:
    case PY_STORE_NAME:
    case PY_DELETE_GLOBAL:
    case PY_DELETE_NAME:
    case PY_STORE_ATTR:
    case PY_DELETE_ATTR:
        break;
    default:
        return UINT32_MAX;
    }
    return argument < code->name_count ? argument : UINT32_MAX;
}

bool rhi__py_name_text(const py_code *code, uint32_t name, char text[PY_USE_NAME_SIZE])
{
    uint64_t at;
    return name < code->name_count &&
           rhi__py_u64(code->py, code->names + TUPLE_ITEMS + 8 * (uint64_t)name, &at) &&
           rhi__py_text(code->py, at, text, PY_USE_NAME_SIZE);
}

/* ---- the stack ------------------------------------------------------------------------------ */

static void push(walk *w, uint8_t mark)
{
    if (w->height == STACK_MAX) { /* what lies deepest is forgotten */
        w->marked -= w->marks[0] != OTHER;
        memmove(w->marks, w->marks + 1, --w->height);
    }
    w->marks[w->height++] = mark;
    w->marked += mark != OTHER;
}

/* Below what is known lie values that were there before. */
static uint8_t pop(walk *w)
{
    uint8_t mark = w->height ? w->marks[--w->height] : OTHER;
    w->marked -= mark != OTHER;
    return mark;
}

static uint8_t at_depth(const walk *w, uint64_t depth)
{
    return depth && depth <= w->height ? w->marks[w->height - depth] : OTHER;
}

static void push_many(walk *w, int64_t count, uint8_t mark)
{
    for (int64_t i = 0; i < count && i < STACK_MAX; i++)
        push(w, mark);
}

/* The mark that says most among so many that are taken. */
static uint8_t pop_many(walk *w, int64_t count)
{
    uint8_t most = OTHER, mark;
    for (int64_t i = 0; i < count && w->height; i++) {
        mark = pop(w);
        most = mark == VALUE || most == OTHER ? mark : most;
    }
    return most;
}

/* The top becomes the one at the depth, and those above it go up. */
static void rotate(walk *w, uint64_t depth)
{
    uint8_t top = pop(w), kept[STACK_MAX];
    uint64_t count = depth > STACK_MAX ? STACK_MAX : depth;
    for (uint64_t i = 0; i + 1 < count; i++)
        kept[i] = pop(w);
    push(w, top);
    for (uint64_t i = count ? count - 1 : 0; i-- > 0;)
        push(w, kept[i]);
}

static void swap(walk *w, uint64_t depth)
{
    while (w->height < depth && w->height < STACK_MAX) { /* what was there before is in it */
        memmove(w->marks + 1, w->marks, w->height++);
        w->marks[0] = OTHER;
    }
    if (depth == 0 || depth > w->height)
        return;
    uint8_t *top = &w->marks[w->height - 1], *other = &w->marks[w->height - depth], mark = *top;
    *top = *other;
    *other = mark;
}

/* ---- what is said of it --------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void note(walk *w, enum rhi_use_kind kind,
                                                       const char *format, ...)
{
    if (kind >= w->fate.kind)
        return;
    va_list arguments;
    va_start(arguments, format);
    rhi__format_into(w->fate.text, sizeof w->fate.text, format, arguments);
    va_end(arguments);
    w->fate.kind = (uint8_t)kind;
}

static const char *written(const walk *w, uint8_t mark)
{
    return mark == ITEM || mark == ITEM_METHOD ? w->item : w->called;
}

static void say_read(walk *w, uint8_t mark)
{
    if (mark == METHOD || mark == ITEM_METHOD)
        note(w, RHI_USE_READS, "%s.%s", written(w, mark), w->method);
    else if (mark != OTHER)
        note(w, RHI_USE_READS, "%s", written(w, mark));
}

static void say_passed(walk *w, uint8_t mark)
{
    if (mark == VALUE)
        note(w, RHI_USE_PASSES, "%s", w->called);
    else
        say_read(w, mark);
}

static bool is_among(const char *name, const char *names)
{
    char word[PY_USE_NAME_SIZE + 2];
    rhi__text(word, sizeof word, " %s ", name);
    return strstr(names, word);
}

/* What containers of Python's own call what fills and empties them. */
static enum rhi_use_kind kind_of_call(const char *method)
{
    return is_among(method, " append add setdefault update insert extend appendleft extendleft put "
                            "put_nowait push write writelines symmetric_difference_update "
                            "__setitem__ __ior__ __iadd__ ")
               ? RHI_USE_FILLS
           : is_among(method, " pop popitem popleft clear remove discard get_nowait "
                              "difference_update intersection_update __delitem__ ")
               ? RHI_USE_EMPTIES
               : RHI_USE_READS;
}

/* What these answer is an item, and not one that was made for it. */
static bool gives_item(const char *method)
{
    return is_among(method, " get setdefault __getitem__ ");
}

static void called_with(walk *w, uint8_t callee, uint64_t arguments)
{
    const char *inside = arguments ? "…" : "";
    if (callee != METHOD && callee != ITEM_METHOD) {
        if (callee == VALUE || callee == ITEM)
            note(w, RHI_USE_READS, "%s(%s)", written(w, callee), inside);
        push(w, OTHER);
        return;
    }
    note(w, kind_of_call(w->method), "%s.%s(%s)", written(w, callee), w->method, inside);
    bool is_item = callee == METHOD && gives_item(w->method);
    if (is_item)
        rhi__text(w->item, sizeof w->item, "%s.%s(%s)", w->called, w->method, inside);
    push(w, is_item ? ITEM : OTHER);
}

/* The callee lies deepest; behind it, mostly, what it is a method of, or nothing. */
static void call(walk *w, const py_instruction *i)
{
    uint64_t arguments = i->role == PY_CALL ? i->argument : 1;
    int64_t taken = 1 - rhi__py_effect(i->opcode, i->argument, false);
    uint64_t names = i->opcode->callee == 3 ||
                     (i->opcode->callee == 2 && w->code->py->minor <= 10 && i->opcode->base == 141);
    uint8_t among = OTHER, callee = OTHER;
    int64_t given = (int64_t)(arguments + names);
    if (i->role == PY_CALL_EX)
        given = taken - 1 - (w->code->py->minor >= 11);
    among = pop_many(w, given);
    for (int64_t k = given; k < taken; k++) {
        uint8_t mark = pop(w);
        callee = mark != OTHER ? mark : callee;
    }
    if (among == VALUE)
        note(w, RHI_USE_PASSES, "…(%s)", w->called);
    else if (among == ITEM || among == METHOD || among == ITEM_METHOD)
        say_read(w, among);
    called_with(w, callee, arguments);
}

static void subscript(walk *w, enum py_role role)
{
    uint8_t key = pop(w), container = pop(w);
    say_read(w, key);
    if (role == PY_STORE_SUBSCR) {
        uint8_t value = pop(w);
        if (value == VALUE)
            note(w, RHI_USE_PASSES, "… = %s", w->called);
        char sign[] = {w->sign, '\0'};
        if (container == VALUE || container == ITEM)
            note(w, RHI_USE_FILLS, "%s[…] %s= …", written(w, container), sign);
    } else if (role == PY_DELETE_SUBSCR) {
        if (container == VALUE || container == ITEM)
            note(w, RHI_USE_EMPTIES, "del %s[…]", written(w, container));
    } else {
        if (container == VALUE)
            rhi__text(w->item, sizeof w->item, "%s[…]", w->called);
        if (container == VALUE || container == ITEM)
            note(w, RHI_USE_READS, "%s[…]", written(w, container));
        push(w, container == VALUE ? ITEM : OTHER);
    }
}

static void store_slice(walk *w)
{
    uint8_t between = pop_many(w, 2), container = pop(w), value = pop(w);
    say_read(w, between);
    if (value == VALUE)
        note(w, RHI_USE_PASSES, "… = %s", w->called);
    if (container == VALUE || container == ITEM)
        note(w, RHI_USE_FILLS, "%s[…] = …", written(w, container));
}

static void attribute(walk *w, const py_instruction *i)
{
    char name[PY_USE_NAME_SIZE];
    uint8_t object = pop(w);
    if (!rhi__py_name_text(w->code, rhi__py_name_of(w->code, i), name))
        name[0] = '\0';
    if (i->role == PY_STORE_ATTR) {
        if (pop(w) == VALUE)
            note(w, RHI_USE_PASSES, "….%s = %s", name, w->called);
        if (object == VALUE || object == ITEM)
            note(w, RHI_USE_FILLS, "%s.%s = …", written(w, object), name);
        return;
    }
    if (i->role == PY_DELETE_ATTR) {
        if (object == VALUE || object == ITEM)
            note(w, RHI_USE_EMPTIES, "del %s.%s", written(w, object), name);
        return;
    }
    uint8_t mark = object == VALUE ? METHOD : object == ITEM ? ITEM_METHOD : OTHER;
    if (mark != OTHER)
        memcpy(w->method, name, sizeof w->method);
    push_many(w, 1 + rhi__py_effect(i->opcode, i->argument, false), mark);
}

/* `x += y` is one on the container itself, or makes a new value of an item. */
static void operation(walk *w, const py_instruction *i)
{
    uint8_t right = pop(w), left = pop(w);
    char sign = rhi__py_operation(w->code->py, i->opcode->base, i->argument);
    say_read(w, right);
    if (sign && left == VALUE && w->is_container)
        note(w,
             sign == '+' || sign == '|'   ? RHI_USE_FILLS
             : sign == '-' || sign == '&' ? RHI_USE_EMPTIES
                                          : RHI_USE_READS,
             "%s %c= …", w->called, sign);
    else if (left == ITEM)
        w->sign = sign;
    say_read(w, left);
    push(w, OTHER);
}

/* ---- instructions --------------------------------------------------------------------------- */

/* Those that take values and leave others, whatever they are. */
static void take_values(walk *w, const py_instruction *i)
{
    int64_t effect = rhi__py_effect(i->opcode, i->argument, i->role == PY_LOOPS);
    switch ((enum py_role)i->role) {
    case PY_REPLACES:
        say_read(w, pop_many(w, 1 - effect));
        push(w, OTHER);
        break;
    case PY_PACKS:
        say_passed(w, pop_many(w, 1 - effect));
        push(w, OTHER);
        break;
    case PY_KEEPS:
        say_passed(w, pop_many(w, i->opcode->flow == PY_ENDS ? 1 : -effect));
        break;
    case PY_STORE_GLOBAL:
    case PY_STORE_NAME:
        say_passed(w, pop(w));
        break;
    default: /* it pushes, pops, or goes round; or takes none */
        say_read(w, pop_many(w, -effect));
        push_many(w, effect, OTHER);
    }
}

/* Those that move values. False: it is none. */
static bool move(walk *w, const py_instruction *i)
{
    switch ((enum py_role)i->role) {
    case PY_COPY:
        push(w, at_depth(w, i->argument));
        return true;
    case PY_SWAP:
        swap(w, i->argument);
        return true;
    case PY_DUP_TOP:
        push(w, at_depth(w, 1));
        return true;
    case PY_DUP_TOP_TWO:
        push(w, at_depth(w, 2));
        push(w, at_depth(w, 2));
        return true;
    case PY_ROT_TWO:
    case PY_ROT_THREE:
    case PY_ROT_FOUR:
        rotate(w, 2 + (unsigned)(i->role - PY_ROT_TWO));
        return true;
    case PY_ROT_N:
        rotate(w, i->argument);
        return true;
    default:
        return false;
    }
}

static void take_role(walk *w, const py_instruction *i)
{
    switch ((enum py_role)i->role) {
    case PY_LOAD_ATTR:
    case PY_LOAD_METHOD:
    case PY_STORE_ATTR:
    case PY_DELETE_ATTR:
        attribute(w, i);
        break;
    case PY_STORE_SUBSCR:
    case PY_DELETE_SUBSCR:
    case PY_BINARY_SUBSCR:
        subscript(w, (enum py_role)i->role);
        break;
    case PY_STORE_SLICE:
        store_slice(w);
        break;
    case PY_BINARY_OP:
    case PY_INPLACE:
        operation(w, i);
        break;
    case PY_CALL:
    case PY_CALL_EX:
        call(w, i);
        break;
    default:
        if (!move(w, i))
            take_values(w, i);
    }
}

/* Where it goes on; false: nowhere that is looked at. */
static bool follow(const walk *w, const py_instruction *i, uint64_t *unit)
{
    uint64_t distance = w->code->py->minor == 9 ? i->argument / 2 : i->argument;
    uint8_t flow = i->opcode->flow;
    bool jumps = i->role == PY_LOOPS || !(flow == PY_GOES_ON || flow & PY_MAYBE);
    *unit = i->next;
    if (flow == PY_ENDS || (jumps && flow & PY_BACKWARD))
        return false;
    if (jumps && flow & PY_FORWARD)
        *unit += distance;
    else if (jumps && flow & PY_ABSOLUTE) {
        *unit = distance;
        return distance >= i->next;
    }
    return true;
}

py_fate rhi__py_fate(const py_code *code, const py_instruction *load, const char *called,
                     bool is_container, uint64_t *steps)
{
    walk w = {.code = code,
              .called = called,
              .is_container = is_container,
              .fate = {.kind = RHI_USE_KINDS}};
    py_instruction i;
    uint64_t unit = load->next;
    bool has_second = rhi__py_effect(load->opcode, load->argument, false) +
                          (load->role == PY_LOAD_ATTR || load->role == PY_LOAD_METHOD) >
                      1; /* it leaves NULL as well, for a call */
    if (has_second && code->py->minor < 13)
        push(&w, OTHER);
    push(&w, VALUE);
    if (has_second && code->py->minor >= 13)
        push(&w, OTHER);
    for (unsigned step = 0; step < STEPS_MAX && w.marked && *steps; step++, --*steps) {
        if (!rhi__py_instruction(code, unit, &i) || i.role == PY_NO_ROLE)
            break;
        take_role(&w, &i);
        if (!follow(&w, &i, &unit))
            break;
    }
    note(&w, RHI_USE_READS, "%s", called);
    return w.fate;
}
