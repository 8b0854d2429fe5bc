/* returns.c - which addresses lie behind a call (see returns.h).
 *
 * The code is read in memory; where it is not there, or shows no call, in the module's file, which
 * has no breakpoints. */
#include "program/returns.h"

/* ---- calls ---------------------------------------------------------------------------------- */

/* Bytes of `ff /2` with this byte behind it, and the next one; 0: it is none. */
static unsigned length_of_ff(uint8_t form, uint8_t next)
{
    static const unsigned rest[] = {0, 1, 4, 0}; /* bytes of the displacement */
    unsigned mode = form >> 6, base = form & 7;
    if ((form >> 3 & 7) != 2)
        return 0;
    if (mode == 0 && base == 5)
        return 6; /* from the instruction pointer on */
    if (mode == 3 || base != 4)
        return 2 + rest[mode];
    return 3 + (mode == 0 && (next & 7) == 5 ? 4 : rest[mode]);
}

bool rhi__ends_with_x86_call(const uint8_t bytes[RHI_CALL_BYTES], bool *is_hidden)
{
    enum { CALL = 0xe8, CALL_BYTES = 5, CALL_FF = 0xff, BREAKPOINT = 0xcc };
    *is_hidden = false;
    for (unsigned length = 2; length < RHI_CALL_BYTES; length++) {
        const uint8_t *at = bytes + RHI_CALL_BYTES - length;
        if (*at == CALL && length == CALL_BYTES)
            return true;
        if (*at == CALL_FF && length_of_ff(at[1], length > 2 ? at[2] : 0) == length)
            return true;
        *is_hidden |= *at == BREAKPOINT;
    }
    return false;
}

bool rhi__ends_with_arm_call(const uint8_t bytes[RHI_CALL_BYTES], bool *is_hidden)
{
    uint32_t word = rhi__load32(bytes + RHI_CALL_BYTES - 4);
    *is_hidden = (word & 0xffe0001f) == 0xd4200000; /* brk */
    return word >> 26 == 0x25 ||                    /* bl */
           (word & 0xfffffc1f) == 0xd63f0000 ||     /* blr */
           (word & 0xfefff800) == 0xd63f0800;       /* blraa and the like */
}

static bool ends_with_call(const uint8_t bytes[RHI_CALL_BYTES], bool *is_hidden)
{
#if defined(__x86_64__)
    return rhi__ends_with_x86_call(bytes, is_hidden);
#elif defined(__aarch64__)
    return rhi__ends_with_arm_call(bytes, is_hidden);
#else
    (void)bytes;
    *is_hidden = true;
    return false;
#endif
}

/* ---- places --------------------------------------------------------------------------------- */

/* Does the map say what may be done where? Some debuggers' do not. */
static bool tells_code(const rhi_memory *memory)
{
    for (uint64_t i = 0; i < memory->map.regions.count; i++)
        if (memory->map.regions.items[i].flags & RHI_REGION_EXECUTE)
            return true;
    return false;
}

enum rhi_return rhi__return_at(rhi_memory *memory, rhi_module_files *files, uint64_t address)
{
    uint8_t bytes[RHI_CALL_BYTES];
    uint64_t start = address - RHI_CALL_BYTES;
    bool is_hidden = true;
    const rhi_region *region =
        address >= RHI_CALL_BYTES ? rhi__memory_region(memory, address - 1) : NULL;
    if (!region)
        return rhi__memory_lists_all(memory) && tells_code(memory) ? RHI_RETURN_NO_CODE
                                                                   : RHI_RETURN_UNKNOWN;
    if (!(region->flags & RHI_REGION_EXECUTE))
        return tells_code(memory) ? RHI_RETURN_NO_CODE : RHI_RETURN_UNKNOWN;
    bool is_there = rhi__memory_read(memory, start, bytes, sizeof bytes) == sizeof bytes &&
                    rhi__load64(bytes) != 0; /* that may be a hole of a core */
    if (is_there && ends_with_call(bytes, &is_hidden))
        return RHI_RETURN_GOOD;
    bool is_hidden_in_file = true;
    if (files && rhi__module_constants(files, start, bytes, sizeof bytes) == sizeof bytes) {
        if (ends_with_call(bytes, &is_hidden_in_file))
            return RHI_RETURN_GOOD;
        return is_hidden_in_file ? RHI_RETURN_UNKNOWN : RHI_RETURN_NO_CALL;
    }
    return is_there && !is_hidden ? RHI_RETURN_NO_CALL : RHI_RETURN_UNKNOWN;
}
