/* unwind.c - which functions are at work, fast enough to be asked at every birth and death.
 *
 * Two tables remember what was found. The first one has the rule of each return address (frame.c).
 * The second one has whole stacks: for a stack pointer, the words that the walk depended on, and
 * what they held. If they hold the same now, the walk would go the same way, and it is not made.
 *
 * Invariant: what a stack is said to be is what a walk would say now. Rules of modules that may be
 * unloaded are forgotten when any module came or went; a walk asks for that, and a memo that went
 * through such a module, for the C library has a lock there. The walk reads only between the stack
 * pointer and the end of the thread's stack, upwards: what leads elsewhere was written over, and
 * ends it. What it has no rule for (a frame of a signal, a stack of a coroutine, code without
 * tables) makes it say so, and the caller asks the C library instead. So it is in a thread whose
 * stack nobody asked for before: the walk asks the system for nothing.
 */
#include "internal.h"

#include <errno.h>

#ifdef RH__UNWINDS

#define RULE_TRIES 4u
#define FRAMES_MAX (RH__STACK_MAX + RH__OWN_FRAMES_MAX)

typedef struct walk {
    uint64_t stack, pointer, address; /* of the function at which the walk is */
    uint64_t pointer_at;              /* where it lies; 0: in its register */
    uint64_t begin, end;              /* what may be read */
    uint64_t *addresses;              /* found */
    uint32_t count, depth;
    rh__memo *memo;
    bool has_pointer; /* it is known */
    bool is_unsure;
    bool is_long; /* the memo has no room */
} walk;

_Thread_local uint64_t rh__stack_begin __attribute__((tls_model("initial-exec")));
_Thread_local uint64_t rh__stack_end __attribute__((tls_model("initial-exec")));

rh__unwinder *rh__unwinder_new(rh_heap *heap)
{
    return (rh__unwinder *)(void *)rh__map(heap, RH_MAPPING_HISTORY, sizeof(rh__unwinder), 0, true);
}

void rh__unwinder_free(rh__unwinder *self)
{
    rh__unmap(&self->mapping);
}

/* The C library reads a file for it, and asks for memory. */
void rh__stack_find(void)
{
    int before = errno;
    void *begin;
    size_t size;
    pthread_attr_t attributes;
    if (rh__stack_end)
        return;
    rh__stack_begin = rh__stack_end = 1;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        if (pthread_attr_getstack(&attributes, &begin, &size) == 0) {
            rh__stack_begin = (uint64_t)(uintptr_t)begin;
            rh__stack_end = rh__stack_begin + size;
        }
        pthread_attr_destroy(&attributes);
    }
    errno = before;
}

/* ---- rules ---------------------------------------------------------------------------------- */

static void forget(rh__unwinder *self)
{
    memset(self->rules, 0, sizeof self->rules);
    for (uint32_t i = 0; i < RH__MEMO_SETS; i++)
        for (uint32_t way = 0; way < RH__MEMO_WAYS; way++)
            self->memos[i][way].words = 0;
    self->has_passing = false;
}

bool rh__unwinder_check(rh__unwinder *self)
{
    if (!self->has_passing || self->changes == rh__module_changes())
        return false;
    forget(self);
    return true;
}

static __attribute__((noinline)) const rh__frame_rule *
learn_rule(rh__unwinder *self, uint64_t address, rh__frame_rule *rule)
{
    bool lasts;
    uint64_t changes = rh__module_changes(); /* before, so that nothing is missed */
    rh__frame_rule_find(address - 1, rule, &lasts);
    rule->address = address;
    rule->is_own = rh__is_own_code(address);
    rule->passes = !lasts;
    if (!lasts && !self->has_passing) {
        self->has_passing = true;
        self->changes = changes;
    }
    return rule;
}

/* Of what is called at `address`, a return address. */
static const rh__frame_rule *rule_of(rh__unwinder *self, uint64_t address)
{
    uint64_t first = rh__hash(address);
    for (uint32_t i = 0; i < RULE_TRIES; i++) {
        rh__frame_rule *rule = &self->rules[(first + i) % RH__FRAME_RULES];
        if (rule->address == address)
            return rule;
        if (!rule->address)
            return learn_rule(self, address, rule);
    }
    return learn_rule(self, address, &self->rules[first % RH__FRAME_RULES]);
}

/* ---- the walk ------------------------------------------------------------------------------- */

RH__STACK_READER uint64_t load(const uint64_t *at)
{
    return *at;
}

/* The word at `address`, if it is one of the stack's. */
static bool read_word(const walk *self, uint64_t address, uint64_t *ret)
{
    if (address % 8 || address < self->begin || address > self->end - 8)
        return false;
    *ret = load((const uint64_t *)(uintptr_t)address);
    return true;
}

/* The walk goes as it does because of this word. */
static void depend_on(walk *self, uint64_t address, uint64_t value)
{
    rh__memo *kept = self->memo;
    uint64_t offset = (address - self->begin) / 8;
    if (kept->words == RH__MEMO_WORDS || offset > UINT16_MAX) {
        self->is_long = true;
        return;
    }
    if (kept->reach < (offset + 1) * 8)
        kept->reach = (uint32_t)(offset + 1) * 8;
    kept->offsets[kept->words] = (uint16_t)offset;
    kept->values[kept->words] = value;
    kept->words++;
}

static void depend_on_pointer(walk *self)
{
    if (self->pointer_at) {
        depend_on(self, self->pointer_at, self->pointer);
    } else {
        self->memo->has_pointer = true;
        self->memo->pointer = self->pointer;
    }
}

/* Where the function's frame begins: behind its return address. */
static bool find_frame(walk *self, const rh__frame_rule *rule, uint64_t *ret)
{
    uint64_t offset = (uint64_t)(int64_t)rule->offset, frame = self->stack + offset;
    if (rule->kind != RH__FRAME_FROM_STACK) {
        depend_on_pointer(self);
        frame = self->pointer + offset;
    }
    if (rule->kind == RH__FRAME_AT_POINTER) {
        uint64_t at = frame;
        if (!read_word(self, at, &frame))
            return false;
        depend_on(self, at, frame);
    }
    *ret = frame;
    return frame > self->stack;
}

/* The frame pointer of the caller. */
static bool find_pointer(walk *self, const rh__frame_rule *rule, uint64_t frame)
{
    if (rule->pointer == RH__POINTER_SAME)
        return true;
    if (rule->pointer == RH__POINTER_LOST) {
        self->has_pointer = false;
        return true;
    }
    uint64_t base = frame;
    if (rule->pointer == RH__POINTER_AT_POINTER) {
        depend_on_pointer(self);
        base = self->pointer;
    }
    self->pointer_at = base + (uint64_t)(int64_t)rule->pointer_offset;
    self->has_pointer = true;
    return read_word(self, self->pointer_at, &self->pointer);
}

static bool needs_pointer(const rh__frame_rule *rule)
{
    return rule->kind == RH__FRAME_FROM_POINTER || rule->kind == RH__FRAME_AT_POINTER ||
           rule->pointer == RH__POINTER_AT_POINTER;
}

/* To the caller. False: there is none, or it is not known. */
static bool step(walk *self, const rh__frame_rule *rule)
{
    uint64_t frame;
    if (rule->kind == RH__FRAME_OUTERMOST)
        return false;
    self->is_unsure = rule->kind == RH__FRAME_UNSURE || (needs_pointer(rule) && !self->has_pointer);
    if (self->is_unsure || !find_frame(self, rule, &frame) ||
        !read_word(self, frame - 8, &self->address))
        return false;
    depend_on(self, frame - 8, self->address);
    self->stack = frame;
    return self->address && find_pointer(self, rule, frame);
}

/* False: not sure. */
static bool go(rh__unwinder *self, walk *way)
{
    for (uint32_t frames = 0; frames < FRAMES_MAX; frames++) {
        const rh__frame_rule *rule = rule_of(self, way->address);
        way->memo->passes |= rule->passes;
        if (way->count || !rule->is_own)
            way->addresses[way->count++] = way->address;
        if (way->count == way->depth || !step(way, rule))
            break;
    }
    return way->count && !way->is_unsure;
}

/* ---- memos ---------------------------------------------------------------------------------- */

rh__memo *rh__unwind(rh__unwinder *self, rh__memo *set, const rh__here *here, uint32_t depth,
                     uint64_t *addresses)
{
    rh__memo *kept = &set[self->turn++ % RH__MEMO_WAYS];
    if (here->stack < rh__stack_begin || here->stack >= rh__stack_end)
        return NULL;
    walk way = {.stack = here->stack,
                .pointer = here->pointer,
                .address = here->address,
                .begin = here->stack,
                .end = rh__stack_end,
                .addresses = addresses,
                .depth = depth,
                .memo = kept,
                .has_pointer = true};
    kept->words = 0;
    kept->reach = 0;
    kept->has_pointer = false;
    kept->passes = false;
    memset(addresses, 0, depth * sizeof *addresses);
    bool is_sure = go(self, &way);
    kept->stack = here->stack;
    kept->address = (uint32_t)here->address;
    if (!is_sure || way.is_long)
        kept->words = 0;
    for (; kept->words % RH__MEMO_STEP; kept->words++) {
        kept->offsets[kept->words] = kept->offsets[0];
        kept->values[kept->words] = kept->values[0];
    }
    return is_sure ? kept : NULL;
}

#endif
