/* values_string.c - strings, and what makes two values equal: rh_equal and the hash that agrees with it.
 *
 * Invariant: a string's bytes never change after rh_string_new* has returned it, and bytes[length] is
 * zero. rh_equal(a, b) implies rh__value_hash(a) == rh__value_hash(b). */
#include "values_internal.h"

#include <sys/random.h>
#include <time.h>

static const rh_field string_fields[] = {
    RH_UINT(rh_string, length), RH_BYTES(rh_string, bytes, length), RH_FIELDS_END
};
/* The terminating zero is part of the fixed size, so that the array's length is the string's length
 * for rh_new_array and for every reader of the type. */
static rh_type string_type = {
    .name = "string",
    .size = offsetof(rh_string, bytes) + 1,
    .fields = string_fields,
    .flags = RH_TYPE_ACYCLIC,
    .element_size = 1,
    .length_offset = offsetof(rh_string, length),
};

/* ---- hashing ----------------------------------------------------------------------------------- */

/* SipHash-1-3 (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012; the
 * reduced rounds are those of Python and Rust), with a key of the process: keys of a dictionary come
 * from files and networks, and with a known hash function a hostile file makes every insertion linear. */
static struct {
    pthread_once_t once;
    uint64_t k0, k1;
} hash_key = { .once = PTHREAD_ONCE_INIT };

static void draw_hash_key(void)
{
    uint64_t key[2];
    if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key) {
        /* No random source (an old kernel, a seccomp filter): weaker, still different per run. */
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        key[0] = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
        key[1] = (uint64_t)(uintptr_t)&now;
    }
    hash_key.k0 = key[0];
    hash_key.k1 = key[1];
}

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

uint64_t rh__bytes_hash(const void *bytes, size_t length)
{
    pthread_once(&hash_key.once, draw_hash_key);
    uint64_t v[4] = { hash_key.k0 ^ 0x736f6d6570736575u, hash_key.k1 ^ 0x646f72616e646f6du,
                      hash_key.k0 ^ 0x6c7967656e657261u, hash_key.k1 ^ 0x7465646279746573u };
    const unsigned char *at = bytes;
    size_t left = length;
    uint64_t word;
    for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)length << 56;
    for (size_t i = 0; i < left; i++)
        word |= (uint64_t)at[i] << (8 * i);
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t string_hash(const rh_string *string)
{
    if (!string->hash) {
        uint64_t hash = rh__bytes_hash(string->bytes, string->length);
        /* A cache, not part of the value: the string stays const for its users. It is written by the
         * thread that uses the heap, like everything else of the object. */
        ((rh_string *)string)->hash = hash;
        return hash;
    }
    return string->hash;
}

uint64_t rh__value_hash(const void *object)
{
    if (rh_is_string(object))
        return string_hash(object);
    if (rh_is_int(object)) {
        int64_t value = ((const rh_int *)object)->value;
        return rh__bytes_hash(&value, sizeof value);
    }
    if (rh_is_float(object)) {
        double value = ((const rh_float *)object)->value;
        if (value == 0)
            value = 0; /* -0.0 equals 0.0 */
        if (value == value)
            return rh__bytes_hash(&value, sizeof value);
    }
    /* By identity. The serial, because it is never used again and does not depend on the address. */
    uint64_t serial = rh_serial(object);
    return rh__bytes_hash(&serial, sizeof serial);
}

bool rh_equal(const void *a, const void *b)
{
    if (a == b)
        return true;
    if (rh_is_string(a) && rh_is_string(b)) {
        const rh_string *left = a;
        return rh__string_is(b, left->bytes, left->length);
    }
    if (rh_is_int(a) && rh_is_int(b))
        return ((const rh_int *)a)->value == ((const rh_int *)b)->value;
    if (rh_is_float(a) && rh_is_float(b))
        return ((const rh_float *)a)->value == ((const rh_float *)b)->value;
    return false;
}

/* ---- strings ------------------------------------------------------------------------------------ */

rh_string *rh_string_new_bytes(rh_heap *heap, const void *bytes, size_t length)
{
    rh_string *string = rh_new_array(heap, &string_type, length);
    if (string && length)
        memcpy(string->bytes, bytes, length);
    return string;
}

rh_string *rh_string_new(rh_heap *heap, const char *text)
{
    return rh_string_new_bytes(heap, text, strlen(text));
}

size_t rh_string_length(const rh_string *string)
{
    return string->length;
}

const char *rh_string_text(const rh_string *string)
{
    return (const char *)string->bytes;
}

bool rh_is_string(const void *object)
{
    return rh__has_type(object, &string_type);
}

bool rh__string_is(const void *object, const void *bytes, size_t length)
{
    const rh_string *string = object;
    return rh_is_string(object) && string->length == length && memcmp(string->bytes, bytes, length) == 0;
}
