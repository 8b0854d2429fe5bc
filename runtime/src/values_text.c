/* values_text.c - any value as text.
 *
 * Invariant: the text is complete before anything is done with it, so that a failure shows
 * nothing, and an allocation in the heap (which may run finalizers) finds no walk under way. The
 * containers on the walk are those whose brackets are open; `open` leads from a container that
 * was ever on the walk to its last place there, which says nothing unless it still stands there. */
#include "values_internal.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

typedef struct writer {
    char *text;
    size_t length;
    size_t capacity;
    bool is_failed; /* memory was short: what follows is not written */
    rh__walk walk;
    rh__seen open; /* only of frames that do not lie in walk.first: those few are searched */
} writer;

static bool reserve(writer *w, size_t extra)
{
    if (w->is_failed)
        return false;
    if (w->capacity - w->length >= extra)
        return true;
    size_t capacity = w->capacity ? w->capacity * 2 : 128;
    while (capacity - w->length < extra)
        capacity *= 2;
    char *text = realloc(w->text, capacity);
    if (!text) {
        w->is_failed = true;
        return false;
    }
    w->text = text;
    w->capacity = capacity;
    return true;
}

static void put(writer *w, const void *bytes, size_t length)
{
    if (!reserve(w, length))
        return;
    memcpy(w->text + w->length, bytes, length);
    w->length += length;
}

static void put_text(writer *w, const char *text)
{
    put(w, text, strlen(text));
}

/* At most PRINTED_MAX characters. */
#define PRINTED_MAX 400
static __attribute__((format(printf, 2, 3))) void put_printed(writer *w, const char *format, ...)
{
    char text[PRINTED_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_text(w, text);
}

/* ---- floats --------------------------------------------------------------------------------- */

/* The locale's decimal point, whatever it is, as a point. */
static void neutralize(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (strchr("+-0123456789e", *from))
            *to++ = *from;
        else if (to == text || to[-1] != '.')
            *to++ = '.';
    }
    *to = '\0';
}

static void put_float(writer *w, double value)
{
    if (!isfinite(value)) {
        put_text(w, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    char text[64];
    /* 15 digits, without trailing zeros, are the shortest if they are enough, but not for a
     * subnormal. */
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    neutralize(text);
    put_text(w, text);
    if (!strpbrk(text, ".e"))
        put_text(w, ".0"); /* not an int */
}

/* ---- strings -------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at the beginning, *code its number; 0: that is none. */
static size_t utf8_length(const unsigned char *bytes, size_t left, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = bytes[0];
    size_t length = 1;
    if (first >= 0x80)
        length = first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t value = length == 1 ? first : first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3f);
    }
    if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *code = value;
    return length;
}

static void put_character(writer *w, const unsigned char *bytes, size_t length, uint32_t code)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = code && code < 0x80 ? strchr(escaped, (int)code) : NULL;
    if (found)
        put_printed(w, "\\%c", letters[found - escaped]);
    else if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        put_printed(w, "\\u%04x", (unsigned)code); /* would move a terminal's cursor, or worse */
    else
        put(w, bytes, length);
}

static void put_string(writer *w, const rh_string *string)
{
    put_text(w, "\"");
    for (size_t i = 0; i < string->length;) {
        uint32_t code = 0;
        size_t length = utf8_length(&string->bytes[i], string->length - i, &code);
        if (length)
            put_character(w, &string->bytes[i], length, code);
        else
            put_printed(w, "\\x%02x", string->bytes[i]);
        i += length ? length : 1;
    }
    put_text(w, "\"");
}

/* ---- values --------------------------------------------------------------------------------- */

static bool is_open(writer *w, const void *container)
{
    for (size_t i = 0; i < w->walk.depth && i < RH__WALK_FIRST; i++)
        if (w->walk.first[i].object == container)
            return true;
    const rh__seen_cell *cell = rh__seen_find(&w->open, container);
    return cell && cell->value < w->walk.depth &&
           rh__walk_at(&w->walk, cell->value)->object == container;
}

static void open_container(writer *w, const void *container, bool is_dict)
{
    if (is_open(w, container)) {
        put_text(w, is_dict ? "{...}" : "[...]");
        return;
    }
    put_text(w, is_dict ? "{" : "[");
    if (w->walk.depth >= RH__WALK_FIRST) {
        rh__seen_cell *cell = rh__seen_add(&w->open, container, 0);
        if (!cell) {
            w->is_failed = true;
            return;
        }
        cell->value = w->walk.depth;
    }
    w->is_failed |= !rh__walk_push(&w->walk, container, NULL);
}

static void put_value(writer *w, const void *object)
{
    switch (rh_value_kind_of(object)) {
    case RH_VALUE_NIL:
        put_text(w, "nil");
        break;
    case RH_VALUE_BOOL:
        put_text(w, rh_bool_value(object) ? "true" : "false");
        break;
    case RH_VALUE_INT:
        put_printed(w, "%" PRId64, rh_int_value(object));
        break;
    case RH_VALUE_FLOAT:
        put_float(w, rh_float_value(object));
        break;
    case RH_VALUE_STRING:
        put_string(w, object);
        break;
    case RH_VALUE_LIST:
        open_container(w, object, false);
        break;
    case RH_VALUE_DICT:
        open_container(w, object, true);
        break;
    default:
        if (object)
            put_printed(w, "<%.300s#%" PRIu64 ">",
                        rh__type_name(((const rh_object *)object)->rh_type_index),
                        rh_serial(object));
        else
            put_text(w, "NULL");
    }
}

/* Nothing else ends in an opening bracket. */
static void put_comma_unless_first(writer *w)
{
    char last = w->text[w->length - 1];
    if (last != '[' && last != '{')
        put_text(w, ", ");
}

/* The next item of the innermost open container, or its end. */
static void step(writer *w)
{
    rh__walk_frame *top = rh__walk_top(&w->walk);
    bool is_list = rh_is_list(top->object);
    void *key, *value;
    if (is_list && (value = rh_list_get(top->object, top->position)) != NULL) {
        top->position++;
        put_comma_unless_first(w);
        put_value(w, value);
    } else if (!is_list && rh_dict_next(top->object, &top->position, &key, &value)) {
        put_comma_unless_first(w);
        put_value(w, key);
        put_text(w, ": ");
        put_value(w, value);
    } else {
        w->walk.depth--;
        put_text(w, is_list ? "]" : "}");
    }
}

/* The text of the object; the caller frees it. False: memory is short, and there is none. */
static bool write_text(const void *object, char **text, size_t *length)
{
    writer w = {.text = NULL};
    put_value(&w, object);
    while (!w.is_failed && w.walk.depth)
        step(&w);
    rh__walk_free(&w.walk);
    rh__seen_free(&w.open);
    if (w.is_failed) {
        free(w.text);
        return false;
    }
    *text = w.text;
    *length = w.length;
    return true;
}

rh_string *rh_repr_at(rh_heap *heap, const void *object, rh_site *site)
{
    RH__ENTER(heap);
    char *text;
    size_t length;
    if (!write_text(object, &text, &length))
        return NULL;
    rh_string *string = rh_string_new_bytes_at(heap, text, length, site);
    free(text);
    return string;
}

bool rh_print(FILE *stream, const void *object)
{
    char *text;
    size_t length;
    if (!write_text(object, &text, &length))
        return false;
    bool is_written = fwrite(text, 1, length, stream) == length;
    free(text);
    return is_written;
}
