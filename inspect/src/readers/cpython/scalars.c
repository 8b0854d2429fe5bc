/* scalars.c - numbers, texts and constants as Python writes them (see views.h).
 *
 * Nothing that could harm a terminal is written: such characters are escaped. Invariant: however
 * long the object says it is, no more of it is read than is shown. */
#include "heap/objects.h"
#include "readers/cpython/views.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STR_LENGTH = 16,
    STR_STATE = 32,
    STR_HEAD = 40,
    BYTES_DATA = 32,
    BYTEARRAY_START = 40,
    INT_DIGITS = 24,
    DIGITS_MAX = 5, /* of 30 bits each, that are written out */
    DIGIT_BITS = 30,
    FLOAT_VALUE = 16,
    QUOTED_CHARS = 64 /* that are read of what is quoted */
};

/* ---- str ------------------------------------------------------------------------------------ */

typedef struct string {
    uint64_t data, length;
    unsigned kind; /* bytes of a character: 1, 2, 4 */
} string;

static bool has_flag(py_runtime *py, uint64_t type, uint64_t flag)
{
    uint64_t flags;
    return rhi__py_u64(py, type + PY_TP_FLAGS, &flags) && flags & flag && flags & PY_FLAG_READY;
}

/* Where its characters are; false: it is no str. */
static bool find_string(py_runtime *py, uint64_t address, string *s)
{
    uint8_t head[STR_HEAD];
    if (address == 0 || address % 8 ||
        rhi__py_read(py, address, head, sizeof head) != sizeof head ||
        !has_flag(py, rhi__load64(head + PY_OB_TYPE), PY_FLAG_STR))
        return false;
    uint32_t state = rhi__load32(head + STR_STATE);
    bool is_compact = state >> 5 & 1, is_ascii = state >> 6 & 1;
    s->kind = state >> 2 & 7;
    s->length = rhi__load64(head + STR_LENGTH);
    s->data = address + (is_compact && is_ascii ? py->at->ascii_data : py->at->wide_data);
    if (!is_compact && !rhi__py_u64(py, s->data, &s->data))
        return false;
    return s->kind == 1 || s->kind == 2 || s->kind == 4;
}

/* Characters from the beginning, at most `most`; returns how many. */
static uint64_t read_characters(py_runtime *py, const string *s, uint32_t *characters,
                                uint64_t most)
{
    uint8_t bytes[4 * 256];
    uint64_t wanted = s->length < most ? s->length : most;
    wanted = wanted < sizeof bytes / 4 ? wanted : sizeof bytes / 4;
    uint64_t got = rhi__py_read(py, s->data, bytes, wanted * s->kind) / s->kind;
    for (uint64_t i = 0; i < got; i++)
        characters[i] = (uint32_t)rhi__load(bytes + i * s->kind, s->kind);
    return got;
}

/* UTF-8 of a code point; returns its bytes: 0 for what is none. */
static size_t put_utf8(uint32_t c, char *to)
{
    if (c < 0x80)
        return to[0] = (char)c, 1;
    if (c < 0x800)
        return to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 63)), 2;
    if (c >= 0xd800 && c < 0xe000)
        return 0;
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 63));
        to[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    if (c >= 0x110000)
        return 0;
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

bool rhi__py_text(py_runtime *py, uint64_t address, char *text, size_t size)
{
    uint32_t characters[256];
    string s;
    size_t used = 0;
    if (size == 0 || !find_string(py, address, &s))
        return false;
    uint64_t count = 0, taken = 0, i = 0;
    for (bool fits = true; fits; taken += count) {
        string rest = {s.data + taken * s.kind, s.length - taken, s.kind};
        count = read_characters(py, &rest, characters, 256);
        if (count == 0 && rest.length)
            return false;
        for (i = 0; i < count && used + 5 < size; i++) {
            size_t length = put_utf8(characters[i], text + used);
            if (length == 0)
                text[used] = '?';
            used += length ? length : 1;
        }
        fits = count && i == count && taken + count < s.length;
    }
    text[rhi__clean(text, used)] = '\0';
    return true;
}

bool rhi__py_is_text(py_runtime *py, uint64_t address, const char *text)
{
    uint8_t bytes[256];
    size_t length = strlen(text);
    string s;
    return find_string(py, address, &s) && s.kind == 1 && s.length == length &&
           length <= sizeof bytes && rhi__py_read(py, s.data, bytes, length) == length &&
           memcmp(bytes, text, length) == 0;
}

/* ---- dicts ---------------------------------------------------------------------------------- */

typedef struct wanted {
    py_runtime *py;
    const char *key;
    uint64_t value;
} wanted;

static bool match_key(void *context, const py_entry *entry)
{
    wanted *w = context;
    if (!rhi__py_is_text(w->py, entry->key, w->key))
        return true;
    w->value = entry->value;
    return false;
}

uint64_t rhi__py_dict_get(py_runtime *py, uint64_t dict, const char *key)
{
    wanted w = {.py = py, .key = key};
    if (dict)
        rhi__py_each_entry(py, dict, match_key, &w);
    return w.value;
}

/* ---- quotes --------------------------------------------------------------------------------- */

/* As Python escapes it, where it may not be shown as it is. */
static void escape(uint32_t c, char quote, bool is_bytes, char piece[16])
{
    size_t length = is_bytes && c >= 0x80 ? 0 : put_utf8(c, piece);
    piece[length] = '\0';
    if (c == (uint32_t)quote || c == '\\')
        snprintf(piece, 16, "\\%c", (char)c);
    else if (c == '\n' || c == '\r' || c == '\t')
        snprintf(piece, 16, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else if (length == 0 || rhi__is_harmful(piece, length))
        snprintf(piece, 16, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

/* In quotes; "…" behind them where something is left out. */
static void quote(const uint32_t *characters, uint64_t count, bool is_cut, bool is_bytes,
                  char *text, size_t size)
{
    char mark = '\'', piece[16];
    bool has_single = false, has_double = false;
    for (uint64_t i = 0; i < count; i++) {
        has_single |= characters[i] == '\'';
        has_double |= characters[i] == '"';
    }
    if (has_single && !has_double)
        mark = '"';
    size_t used = (size_t)snprintf(text, size, is_bytes ? "b%c" : "%c", mark);
    for (uint64_t i = 0; i < count; i++) {
        escape(characters[i], mark, is_bytes, piece);
        if (used + strlen(piece) + sizeof "'…" > size) {
            is_cut = true;
            break;
        }
        used += (size_t)snprintf(text + used, size - used, "%s", piece);
    }
    snprintf(text + used, size - used, is_cut ? "%c…" : "%c", mark);
}

static bool str_text(py_runtime *py, uint64_t address, char *text, size_t size)
{
    uint32_t characters[QUOTED_CHARS];
    string s;
    if (!find_string(py, address, &s))
        return false;
    uint64_t got = read_characters(py, &s, characters, QUOTED_CHARS);
    if (got == 0 && s.length)
        return false;
    quote(characters, got, got < s.length, false, text, size);
    return true;
}

static bool bytes_text(py_runtime *py, uint64_t address, bool is_array, char *text, size_t size)
{
    uint32_t characters[QUOTED_CHARS];
    uint64_t length, data = address + BYTES_DATA;
    if (!rhi__py_u64(py, address + PY_OB_SIZE, &length) ||
        (is_array && !rhi__py_u64(py, address + BYTEARRAY_START, &data)))
        return false;
    string s = {data, length, 1};
    uint64_t got = read_characters(py, &s, characters, QUOTED_CHARS);
    if (got == 0 && length)
        return false;
    quote(characters, got, got < length, true, text, size);
    return true;
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* Digits of 30 bits, the lowest first, in decimal. */
static void decimal(uint32_t *digits, unsigned count, bool is_negative, char *text, size_t size)
{
    char buffer[64];
    unsigned at = sizeof buffer - 1;
    buffer[at] = '\0';
    do {
        uint64_t rest = 0;
        for (unsigned i = count; i-- > 0;) {
            rest = rest << DIGIT_BITS | digits[i];
            digits[i] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        buffer[--at] = (char)('0' + rest);
        while (count && digits[count - 1] == 0)
            count--;
    } while (count && at > 1);
    snprintf(text, size, "%s%s", is_negative ? "-" : "", buffer + at);
}

static bool int_text(py_runtime *py, uint64_t address, char *text, size_t size)
{
    uint8_t bytes[DIGITS_MAX * 4];
    uint32_t digits[DIGITS_MAX];
    uint64_t word;
    if (!rhi__py_u64(py, address + PY_OB_SIZE, &word))
        return false;
    bool is_negative = py->minor >= 12 ? (word & 3) == 2 : (int64_t)word < 0;
    uint64_t count = py->minor >= 12 ? word >> 3 : is_negative ? -word : word;
    if (py->minor >= 12 && (word & 3) == 1)
        count = 0;
    if (count > DIGITS_MAX) {
        snprintf(text, size, "<int of more than %" PRIu64 " bits>", (count - 1) * DIGIT_BITS);
        return true;
    }
    if (rhi__py_read(py, address + INT_DIGITS, bytes, count * 4) != count * 4)
        return false;
    for (uint64_t i = 0; i < count; i++)
        digits[i] = rhi__load32(bytes + i * 4) & ((1u << DIGIT_BITS) - 1);
    decimal(digits, (unsigned)count, is_negative, text, size);
    return true;
}

/* The fewest digits that mean the same number, laid out as Python does. */
static void real_text(double value, char *text, size_t size)
{
    char digits[40];
    int precision = 0;
    if (!isfinite(value)) {
        snprintf(text, size, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    do
        snprintf(digits, sizeof digits, "%.*e", precision, value);
    while (strtod(digits, NULL) != value && ++precision < 17);
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent >= -4 && exponent < 16) {
        int decimals = precision - exponent;
        snprintf(text, size, "%.*f", decimals < 1 ? 1 : decimals, value);
        return;
    }
    *strchr(digits, 'e') = '\0';
    snprintf(text, size, "%se%+03d", digits, exponent);
}

static double real_at(const uint8_t *bytes)
{
    double value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static bool float_text(py_runtime *py, uint64_t address, char *text, size_t size)
{
    uint8_t bytes[8];
    if (rhi__py_read(py, address + FLOAT_VALUE, bytes, sizeof bytes) != sizeof bytes)
        return false;
    real_text(real_at(bytes), text, size);
    return true;
}

/* One part of a complex number: whole ones have no point. */
static void part_text(double value, char *text, size_t size)
{
    real_text(value, text, size);
    char *point = strstr(text, ".0");
    if (point && !point[2])
        *point = '\0';
}

static bool complex_text(py_runtime *py, uint64_t address, char *text, size_t size)
{
    uint8_t bytes[16];
    char real[48], imaginary[48];
    if (rhi__py_read(py, address + FLOAT_VALUE, bytes, sizeof bytes) != sizeof bytes)
        return false;
    part_text(real_at(bytes), real, sizeof real);
    part_text(real_at(bytes + 8), imaginary, sizeof imaginary);
    if (strcmp(real, "0") == 0)
        snprintf(text, size, "%sj", imaginary);
    else
        snprintf(text, size, "(%s%s%sj)", real, imaginary[0] == '-' ? "" : "+", imaginary);
    return true;
}

/* ---- constants ------------------------------------------------------------------------------ */

static const char *const constants[PY_CONSTANTS] = {"None", "True", "False", "Ellipsis",
                                                    "NotImplemented"};

/* By `builtins`, which has each under its name. */
static const char *constant_at(py_runtime *py, uint64_t address)
{
    py_views *views = py->views;
    for (unsigned i = 0; i < PY_CONSTANTS && !views->knows_constants; i++)
        views->constants[i] =
            py->interpreters.count
                ? rhi__py_dict_get(py, py->interpreters.items[0].builtins, constants[i])
                : 0;
    views->knows_constants = true;
    for (unsigned i = 0; i < PY_CONSTANTS; i++)
        if (views->constants[i] == address && address)
            return constants[i];
    return NULL;
}

/* "float", "complex", "bytearray", …: the type of CPython's own that gives the objects their
 * layout, the type itself or a base. */
static const char *own_base(const py_runtime *py, const py_type *type)
{
    enum { BASES_MAX = 64 };
    for (unsigned i = 0; type && i < BASES_MAX && !rhi__py_is_own_type(py, type); i++)
        type = rhi__py_known_type(py, type->base);
    return type ? rhi__plain_type_name(py->reader, py_type_number(py, type)) : "";
}

bool rhi__py_scalar(py_runtime *py, const py_type *type, uint64_t address, char *text, size_t size)
{
    const char *constant = constant_at(py, address), *name = own_base(py, type);
    if (constant)
        snprintf(text, size, "%s", constant);
    if (constant)
        return true;
    if (type->flags & PY_FLAG_STR)
        return str_text(py, address, text, size);
    if (type->flags & PY_FLAG_LONG)
        return int_text(py, address, text, size);
    if (type->flags & PY_FLAG_BYTES)
        return bytes_text(py, address, false, text, size);
    if (strcmp(name, "float") == 0)
        return float_text(py, address, text, size);
    if (strcmp(name, "bytearray") == 0)
        return bytes_text(py, address, true, text, size);
    return strcmp(name, "complex") == 0 && complex_text(py, address, text, size);
}
