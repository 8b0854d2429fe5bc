/* offsets.c - where things lie in CPython's structures, by minor version (see python.h).
 *
 * From the debug info of 3.9.18, 3.10.13, 3.11.7, 3.12.1 and 3.13.0 for x86-64, with the GIL. On
 * AArch64 mutexes are longer, and all else in front of these members has the same size: what lies
 * behind mutexes has moved there (py_in_interpreter). Between micro versions they may move all the
 * same, and so nothing rests on this table that was not verified in the target (runtime.c). Where a
 * Python says itself where things lie, it is believed more than the table. Invariant: versions
 * stand in the order of their numbers, none is left out. */
#include "readers/cpython/python.h"

#include <stddef.h>

/* clang-format off */
static const py_offsets versions[] = {
    {
        .minor = 9, .gil = 352, .gil_end = PY_ABSENT,
        .pool_bytes = 4 << 10, .arena_bytes = 256 << 10,
        .runtime_size = 656, .finalizing = 16, .interpreters_head = 32, .interpreters_main = 40,
        .interpreter_size = 5656, .next = 0, .id = 24, .threads_head = 8, .interpreter_runtime = 16,
        .gc = 616, .modules = 856, .sysdict = 872, .builtins = 880, .obmalloc = PY_ABSENT,
        .type_cache = PY_ABSENT, .callable_cache = PY_ABSENT,
        .thread_next = 8, .thread_interpreter = 16, .thread_frame = 24, .through_cframe = PY_ABSENT,
        .thread_id = 176, .native_id = PY_ABSENT, .thread_dict = 152, .thread_context = 240,
        .exc_info = 144, .thread_trash = 192, .datastack_chunk = PY_ABSENT,
        .datastack_top = PY_ABSENT,
        .ht_name = 840, .ht_slots = 848, .ht_qualname = 856, .ht_cached_keys = 864,
        .ht_module = 872, .heap_type_size = 880, .ascii_data = 48, .wide_data = 72,
        /* frames are objects */
        .frame_size = PY_ABSENT, .frame_code = 32, .frame_previous = 24,
        .frame_function = PY_ABSENT, .frame_locals = 56, .frame_object = PY_ABSENT,
        .frame_instruction = 104, .frame_stacktop = 72, .frame_owner = PY_ABSENT,
        .code_bytes = PY_ABSENT,
    },
    {
        .minor = 10, .gil = 352, .gil_end = PY_ABSENT,
        .pool_bytes = 16 << 10, .arena_bytes = 1 << 20,
        .runtime_size = 672, .finalizing = 16, .interpreters_head = 32, .interpreters_main = 40,
        .interpreter_size = 113528, .next = 0, .id = 24, .threads_head = 8,
        .interpreter_runtime = 16, .gc = 616, .modules = 856, .sysdict = 872, .builtins = 880,
        .obmalloc = PY_ABSENT, .type_cache = 15216, .callable_cache = PY_ABSENT,
        .thread_next = 8, .thread_interpreter = 16, .thread_frame = 24, .through_cframe = PY_ABSENT,
        .thread_id = 176, .native_id = PY_ABSENT, .thread_dict = 152, .thread_context = 240,
        .exc_info = 144, .thread_trash = 192, .datastack_chunk = PY_ABSENT,
        .datastack_top = PY_ABSENT,
        .ht_name = 848, .ht_slots = 856, .ht_qualname = 864, .ht_cached_keys = 872,
        .ht_module = 880, .heap_type_size = 888, .ascii_data = 48, .wide_data = 72,
        /* frames are objects; behind frame_stacktop: how many, not a pointer */
        .frame_size = PY_ABSENT, .frame_code = 32, .frame_previous = 24,
        .frame_function = PY_ABSENT, .frame_locals = 56, .frame_object = PY_ABSENT,
        .frame_instruction = 96, .frame_stacktop = 80, .frame_owner = PY_ABSENT,
        .code_bytes = PY_ABSENT,
    },
    {
        .minor = 11, .gil = 360, .gil_end = PY_ABSENT,
        .pool_bytes = 16 << 10, .arena_bytes = 1 << 20,
        .runtime_size = 166688, .finalizing = 24, .interpreters_head = 40, .interpreters_main = 48,
        .interpreter_size = 107752, .next = 0, .id = 48, .threads_head = 16,
        .interpreter_runtime = 40, .gc = 648, .modules = 888, .sysdict = 904, .builtins = 912,
        .obmalloc = PY_ABSENT, .type_cache = 9056, .callable_cache = 107360,
        .thread_next = 8, .thread_interpreter = 16, .thread_frame = 56, .through_cframe = 8,
        .thread_id = 152, .native_id = 160, .thread_dict = 128, .thread_context = 224,
        .exc_info = 120, .thread_trash = 176, .datastack_chunk = 296,
        .datastack_top = 304,
        .ht_name = 848, .ht_slots = 856, .ht_qualname = 864, .ht_cached_keys = 872,
        .ht_module = 880, .heap_type_size = 904, .ascii_data = 48, .wide_data = 72,
        .has_managed_dict = true,
        .frame_size = 72, .frame_code = 32, .frame_previous = 48, .frame_function = 0,
        .frame_locals = 24, .frame_object = 40, .frame_instruction = 56, .frame_stacktop = 64,
        .frame_owner = 69, .code_bytes = 184,
    },
    {
        .minor = 12, .gil = 384, .gil_is_own = true, .gil_end = 1248,
        .pool_bytes = 16 << 10, .arena_bytes = 1 << 20,
        .runtime_size = 459944, .finalizing = 24, .interpreters_head = 40, .interpreters_main = 48,
        .interpreter_size = 383552, .next = 0, .id = 8, .threads_head = 72,
        .interpreter_runtime = 96, .gc = 112, .modules = 944, .sysdict = 352, .builtins = 360,
        .obmalloc = 3960, .type_cache = 275392, .callable_cache = 381704,
        .thread_next = 8, .thread_interpreter = 16, .thread_frame = 56, .through_cframe = 0,
        .thread_id = 136, .native_id = 144, .thread_dict = 112, .thread_context = 208,
        .exc_info = 104, .thread_trash = 160, .datastack_chunk = 232,
        .datastack_top = 240,
        .ht_name = 856, .ht_slots = 864, .ht_qualname = 872, .ht_cached_keys = 880,
        .ht_module = 888, .heap_type_size = 920, .ascii_data = 40, .wide_data = 56,
        .has_managed_dict = true, .has_managed_weakref = true,
        .frame_size = 72, .frame_code = 0, .frame_previous = 8, .frame_function = 16,
        .frame_locals = 40, .frame_object = 48, .frame_instruction = 56, .frame_stacktop = 64,
        .frame_owner = 70, .code_bytes = 192,
    },
    {
        .minor = 13, .gil = 16, .gil_is_own = true, .gil_end = 7960,
        .pool_bytes = 16 << 10, .arena_bytes = 1 << 20,
        .runtime_size = 283320, .finalizing = 608, .interpreters_head = 632,
        .interpreters_main = 640, .interpreter_size = 194968, .next = 7264, .id = 7272,
        .threads_head = 7344, .interpreter_runtime = 7376, .gc = 7400, .modules = 7656,
        .sysdict = 7640, .builtins = 7648, .obmalloc = 10800, .type_cache = 84656,
        .callable_cache = 193072,
        .thread_next = 8, .thread_interpreter = 16, .thread_frame = 72, .through_cframe = PY_ABSENT,
        .thread_id = 152, .native_id = 160, .thread_dict = 128, .thread_context = 208,
        .exc_info = 120, .thread_trash = 168, .datastack_chunk = 232,
        .datastack_top = 240,
        .ht_name = 856, .ht_slots = 864, .ht_qualname = 872, .ht_cached_keys = 880,
        .ht_module = 888, .heap_type_size = 928, .ascii_data = 40, .wide_data = 56,
        .has_managed_dict = true, .has_managed_weakref = true, .has_inline_values = true,
        .frame_size = 72, .frame_code = 0, .frame_previous = 8, .frame_function = 16,
        .frame_locals = 40, .frame_object = 48, .frame_instruction = 56, .frame_stacktop = 64,
        .frame_owner = 70, .code_bytes = 200,
    },
};
/* clang-format on */

_Static_assert(sizeof versions / sizeof *versions == PY_MINOR_MAX - PY_MINOR_MIN + 1,
               "a table for each version");

const py_offsets *rhi__py_offsets(unsigned minor)
{
    return minor >= PY_MINOR_MIN && minor <= PY_MINOR_MAX ? &versions[minor - PY_MINOR_MIN] : NULL;
}

/* ---- what the target says itself ------------------------------------------------------------ */

enum { PUBLISHED_BYTES = 584, OFFSET_MAX = 1 << 24 };

/* In _Py_DebugOffsets of 3.13: where it has which member, from the cookie on. */
/* clang-format off */
static const struct {
    uint32_t published, member;
} published[] = {
#define MEMBER(at, name) {at, offsetof(py_offsets, name)}
    MEMBER(24, runtime_size), MEMBER(32, finalizing), MEMBER(40, interpreters_head),
    MEMBER(48, interpreter_size), MEMBER(56, id), MEMBER(64, next), MEMBER(72, threads_head),
    MEMBER(80, gc), MEMBER(88, modules), MEMBER(96, sysdict), MEMBER(104, builtins),
    MEMBER(168, thread_next), MEMBER(176, thread_interpreter), MEMBER(184, thread_frame),
    MEMBER(192, thread_id), MEMBER(200, native_id), MEMBER(208, datastack_chunk),
    MEMBER(232, frame_previous), MEMBER(240, frame_code), MEMBER(248, frame_instruction),
    MEMBER(256, frame_size), MEMBER(264, frame_owner), MEMBER(344, code_bytes),
    MEMBER(560, ascii_data),
#undef MEMBER
};
/* What must be as it is in all versions. */
static const struct {
    uint32_t published, value;
} constants[] = {
    {360, PY_OB_TYPE}, {376, PY_TP_NAME}, {392, PY_TP_FLAGS}, {432, 24 /* items of a list */},
    {456, 32 /* keys of a dict */}, {464, 40 /* its values */}, {576, PY_GC_COLLECTING},
};
/* clang-format on */

const char *rhi__py_published_offsets(rhi_memory *memory, uint64_t runtime, py_offsets *offsets)
{
    uint8_t bytes[PUBLISHED_BYTES];
    py_offsets said = *offsets;
    if (offsets->minor < 13)
        return NULL;
    if (rhi__memory_read(memory, runtime, bytes, sizeof bytes) != sizeof bytes)
        return "its offsets cannot be read";
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        uint64_t value = rhi__load64(bytes + published[i].published);
        if (value >= OFFSET_MAX)
            return "its offsets are too large";
        *(uint32_t *)((char *)&said + published[i].member) = (uint32_t)value;
    }
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (rhi__load64(bytes + constants[i].published) != constants[i].value)
            return "its objects have another layout";
    said.interpreters_main = said.interpreters_head + 8;
    *offsets = said;
    return NULL;
}
