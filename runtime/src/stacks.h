/* stacks.h - which functions are at work, grouped by owning file. */
#ifndef RH_STACKS_H
#define RH_STACKS_H

#include "layout.h"

/* ---- frame.c -------------------------------------------------------------------------------- */

/* Where stacks are walked without the C library's help. */
#if defined(__x86_64__) && defined(__GLIBC__)
#define RH__UNWINDS 1
#endif

enum rh__frame_kind {
    RH__FRAME_UNSURE,
    RH__FRAME_FROM_STACK,   /* begins `offset` behind the stack pointer */
    RH__FRAME_FROM_POINTER, /* the same of the frame pointer */
    RH__FRAME_AT_POINTER,   /* begins where the word says that lies there */
    RH__FRAME_OUTERMOST     /* nobody called it */
};
enum rh__frame_pointer {
    RH__POINTER_SAME,     /* the caller's is still in its register */
    RH__POINTER_AT_FRAME, /* it lies pointer_offset behind the frame's beginning */
    RH__POINTER_AT_POINTER,
    RH__POINTER_LOST
};
/* Of a return address. The return address of its function lies before the frame's beginning. */
typedef struct rh__frame_rule {
    uint64_t address; /* 0: free */
    int32_t offset;
    int16_t pointer_offset;
    uint8_t kind : 4; /* enum rh__frame_kind */
    uint8_t pointer : 4;
    uint8_t is_own : 4; /* the runtime's code */
    uint8_t passes : 4; /* of a module that may be unloaded */
} rh__frame_rule;
_Static_assert(sizeof(rh__frame_rule) == 16, "four in a cache line");

/* Of the instruction at `address`. `lasts`: its module is never unloaded. */
void rh__frame_rule_find(uint64_t address, rh__frame_rule *ret, bool *lasts);
/* A number that is another one when modules came or went. */
uint64_t rh__module_changes(void);

/* ---- unwind.c ------------------------------------------------------------------------------- */

/* Where the walk over a stack begins. */
typedef struct rh__here {
    uint64_t stack, pointer, address;
} rh__here;

#define RH__MEMO_WORDS 48u
#define RH__MEMO_STEP 4u
/* A stack that was walked: the words that the walk depended on. */
typedef struct rh__memo {
    uint64_t stack;   /* the stack pointer */
    uint64_t pointer; /* the frame pointer, if the walk depended on it */
    uint32_t number;  /* whatever the caller calls the stack */
    uint32_t reach;   /* the words lie in so many bytes */
    uint32_t address; /* lower half, of where it began: each copy of the asking code has its own */
    uint16_t words;   /* 0: free; else a multiple of RH__MEMO_STEP: some may be there twice */
    bool has_pointer;
    bool passes; /* a module that it goes through may be unloaded */
    uint16_t
        offsets[RH__MEMO_WORDS]; /* in words, from the stack pointer; in the order of the walk */
    uint64_t values[RH__MEMO_WORDS];
} rh__memo;

#define RH__FRAME_RULES 4096u
#define RH__MEMO_SET_BITS 10u
#define RH__MEMO_SETS (1u << RH__MEMO_SET_BITS)
#define RH__MEMO_WAYS 4u
typedef struct rh__unwinder {
    rh__mapping mapping;
    uint64_t changes; /* rh__module_changes, if has_passing */
    bool has_passing; /* something here is of a module that may be unloaded */
    uint32_t turn;    /* which way goes next */
    rh__frame_rule rules[RH__FRAME_RULES];
    rh__memo memos[RH__MEMO_SETS][RH__MEMO_WAYS];
} rh__unwinder;

/* Finds out where the calling thread's stack is, if that was not tried yet. Where recording stacks
 * begins, and where a heap that does it comes to another thread; not when an event is recorded. */
void rh__stack_find(void);
/* Of the calling thread; 0, 0: not asked for yet; 1, 1: not known. */
extern _Thread_local uint64_t rh__stack_begin __attribute__((tls_model("initial-exec")));
extern _Thread_local uint64_t rh__stack_end __attribute__((tls_model("initial-exec")));

rh__unwinder *rh__unwinder_new(rh_heap *heap); /* NULL: memory is short */
void rh__unwinder_free(rh__unwinder *self);
/* Forgets all, and says so, if what is known may be of other modules than those that are there. */
bool rh__unwinder_check(rh__unwinder *self);
/* Finds the return addresses of the program's functions that are at work, `depth` at most,
 * innermost first, then zeros. Returns a memo of `set` for their number. NULL: it is not sure. */
rh__memo *rh__unwind(rh__unwinder *self, rh__memo *set, const rh__here *here, uint32_t depth,
                     uint64_t *addresses);

/* Of the function that it is inlined in. */
#ifdef RH__UNWINDS
static inline __attribute__((always_inline)) void rh__here_find(rh__here *ret)
{
    __asm__ volatile("leaq 663f(%%rip), %0\n663:\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2"
                     : "=r"(ret->address), "=r"(ret->stack), "=r"(ret->pointer));
}
#endif

/* `place` is any number that tells calls apart. */
static inline rh__memo *rh__memo_set(rh__unwinder *self, const rh__here *here, uint64_t place)
{
    uint64_t hash = (here->stack / 16 ^ place) * 0x9E3779B97F4A7C15u;
    return self->memos[hash >> (64 - RH__MEMO_SET_BITS)];
}

/* AddressSanitizer knows the variables of a stack, not what lies between them. */
#ifdef RH__ASAN
#define RH__STACK_READER static __attribute__((noinline, unused, no_sanitize("address")))
#else
#define RH__STACK_READER static inline __attribute__((always_inline))
#endif

/* Would a walk go the way of the memo? The words are read before it is proven that they belong to
 * the walk, but not outside of the thread's stack. */
RH__STACK_READER bool rh__memo_holds(const rh__memo *memo, const rh__here *here)
{
    if (memo->stack != here->stack || memo->address != (uint32_t)here->address || !memo->words ||
        (memo->has_pointer && memo->pointer != here->pointer) || here->stack < rh__stack_begin ||
        here->stack + memo->reach > rh__stack_end)
        return false;
    const uint64_t *words = (const uint64_t *)(uintptr_t)here->stack, *values = memo->values;
    const uint16_t *offsets = memo->offsets, *end = offsets + memo->words;
    do {
        uint64_t differs = (words[offsets[0]] ^ values[0]) | (words[offsets[1]] ^ values[1]) |
                           (words[offsets[2]] ^ values[2]) | (words[offsets[3]] ^ values[3]);
        if (differs)
            return false;
        values += RH__MEMO_STEP;
        offsets += RH__MEMO_STEP;
    } while (offsets < end);
    return true;
}

#endif
