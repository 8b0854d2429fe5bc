/* base.h - what each file of the runtime begins with: the public headers, with default visibility
 * for their functions alone, sanitizers, where the runtime's own code lies, and small macros. */
#ifndef RH_BASE_H
#define RH_BASE_H

#define RH_NO_SITES /* the lines of the library are nobody's sites */

#ifndef RH__RELEASE_SLOW
#define RH__RELEASE_SLOW(object) rh__release_within(object)
#endif

#include <stdint.h>
/* What the runtime's own code releases: rh__release_slow for the sake of rh_heap.place. */
void rh__release_within(void *object);
/* The same for the sake of a return address. */
void rh__release_at(void *object, uint64_t place);

#pragma GCC visibility push(default)
#include <refheap/refheap.h>
#pragma GCC visibility pop
#include <refheap/metadata.h>

#include <pthread.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define RH__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RH__ASAN 1
#endif
#endif
#ifdef RH__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

/* Debug and stress builds check more; release builds define NDEBUG. */
#if !defined(NDEBUG) || defined(REFHEAP_GC_STRESS)
#define RH__CHECKED 1
#endif

/* Where the code of each file of the runtime begins and ends, so that recorded stacks can leave
 * it out: subsection 8191 comes behind all code of the file. */
__asm__(".pushsection .text\n661:\n.popsection\n"
        ".pushsection .text, 8191\n662:\n.popsection\n"
        ".pushsection rh_code,\"aw\"\n.balign 8\n.quad 661b, 662b\n.popsection");

#define RH__LIKELY(x) __builtin_expect(!!(x), 1)
#define RH__UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Begins with a cache line: what it costs is then no matter of what stands before it. */
#define RH__HOT __attribute__((aligned(64)))

/* Stores before it are done before stores behind it, as far as the compiler is concerned: a core or
 * a stopped process shows memory at an instruction boundary, so no CPU barrier is needed. */
#define RH__ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#endif
