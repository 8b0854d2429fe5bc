/* values_hash.c - the hash that agrees with rh_equal.
 *
 * Invariant: rh_equal(a, b) implies the same hash for both, or that neither has one. */
#include "values_internal.h"

#include <math.h>
#include <sys/random.h>
#include <time.h>

/* SipHash-1-3 (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT
 * 2012; the reduced rounds are those of Python and Rust), with a key of the process: keys of a
 * dictionary come from files and networks, and with a known hash function a hostile file makes
 * every insertion linear. */
static struct {
    pthread_once_t once;
    uint64_t k0, k1;
} hash_key = {.once = PTHREAD_ONCE_INIT};

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
    uint64_t v[4] = {hash_key.k0 ^ 0x736f6d6570736575u, hash_key.k1 ^ 0x646f72616e646f6du,
                     hash_key.k0 ^ 0x6c7967656e657261u, hash_key.k1 ^ 0x7465646279746573u};
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
        /* A cache, not part of the value: the string stays const for its users. It is written by
         * the thread that uses the heap, like everything else of the object. */
        ((rh_string *)string)->hash = hash;
        return hash;
    }
    return string->hash;
}

static uint64_t int_hash(int64_t value)
{
    return rh__bytes_hash(&value, sizeof value);
}

/* pre: not a NaN. A float that equals an int has the int's hash. */
static uint64_t float_hash(double value)
{
    if (value >= -0x1p63 && value < 0x1p63 && value == (double)(int64_t)value)
        return int_hash((int64_t)value);
    return rh__bytes_hash(&value, sizeof value);
}

bool rh_hash(const void *object, uint64_t *hash)
{
    switch (rh_value_kind_of(object)) {
    case RH_VALUE_LIST:
    case RH_VALUE_DICT:
        return false;
    case RH_VALUE_STRING:
        *hash = string_hash(object);
        return true;
    case RH_VALUE_INT:
        *hash = int_hash(((const rh_int *)object)->value);
        return true;
    case RH_VALUE_FLOAT:
        if (!isnan(((const rh_float *)object)->value)) {
            *hash = float_hash(((const rh_float *)object)->value);
            return true;
        }
        break; /* a NaN equals only itself */
    default:
        break;
    }
    if (!object)
        return false;
    /* By identity. The serial, because it is never used again and does not depend on the address.
     */
    uint64_t serial = rh_serial(object);
    *hash = rh__bytes_hash(&serial, sizeof serial);
    return true;
}
