/* unpacked.h - what a page of gcexport holds, unpacked for a check.
 *
 * Invariant: by zlib, and by a table of letters of its own. */
#ifndef UNPACKED_H
#define UNPACKED_H

#include "inspect_test.h"

#include <zlib.h>

/* By letter, 1 more than what it stands for; 0: it is none. */
static uint8_t values[256];
static inline void make_values(void)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint8_t i = 0; letters[i]; i++)
        values[(uint8_t)letters[i]] = (uint8_t)(i + 1);
}

/* What the letters stand for, unpacked; ended by NUL. */
static inline char *unpacked(const char *letters, size_t count, size_t *size)
{
    uint8_t *packed = malloc(count + 1);
    size_t bytes = 0, room = 1 << 21;
    char *plain = malloc(room + 1);
    bool is_clean = true;
    z_stream stream = {0};
    make_values();
    ck_assert_uint_eq(count % 4, 0);
    for (size_t i = 0; i < count; i += 4) {
        unsigned padding = (letters[i + 3] == '=' ? 1U : 0U) + (letters[i + 2] == '=' ? 1U : 0U);
        unsigned word = 0;
        is_clean &= padding == 0 || i + 4 == count;
        for (unsigned k = 0; k < 4; k++) {
            uint8_t value = k < 4 - padding ? values[(uint8_t)letters[i + k]] : 1;
            is_clean &= value > 0;
            word = word << 6 | (value - 1u);
        }
        for (unsigned k = 0; k < 3 - padding; k++)
            packed[bytes++] = (uint8_t)(word >> (16 - 8 * k));
    }
    ck_assert_msg(is_clean, "a letter that is none of base64");
    ck_assert_int_eq(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
    stream.next_in = packed;
    stream.avail_in = (uInt)bytes;
    stream.next_out = (Bytef *)plain;
    stream.avail_out = (uInt)room;
    ck_assert_int_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
    ck_assert_uint_eq(stream.avail_in, 0);
    *size = stream.total_out;
    plain[*size] = '\0';
    inflateEnd(&stream);
    free(packed);
    return plain;
}

#endif
