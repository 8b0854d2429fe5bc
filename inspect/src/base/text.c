/* text.c - characters and formatted text (see text.h).
 * Invariant: what rhi__format delivers of an argument is UTF-8 without a harmful character. */
#include "base/text.h"

#include <refheap/inspect.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct span {
    unsigned first, last;
} span;

/* C0 and C1; what is invisible and changes how the text around it is shown. */
static const span harmful[] = {{0x00, 0x1f},       {0x7f, 0x9f},      {0x061c, 0x061c},
                               {0x180e, 0x180e},   {0x200e, 0x200f},  {0x2028, 0x202e},
                               {0x2066, 0x206f},   {0xfeff, 0xfeff},  {0xfff9, 0xfffb},
                               {0x1d173, 0x1d17a}, {0xe0000, 0xe007f}};

static const span no_width[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a}, {0x064b, 0x065f},
    {0x093c, 0x093c}, {0x0941, 0x0948}, {0x094d, 0x094d}, {0x0e31, 0x0e31}, {0x0e34, 0x0e3a},
    {0x0e47, 0x0e4e}, {0x1160, 0x11ff}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200d},
    {0x20d0, 0x20ff}, {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef}};

static const span wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},
    {0xa960, 0xa97c},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
    {0xff01, 0xff60},   {0xffe0, 0xffe6},   {0x17000, 0x18cff}, {0x1b000, 0x1b2ff},
    {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

static bool is_among(const span *spans, size_t count, unsigned code)
{
    for (size_t i = 0; i < count && spans[i].first <= code; i++)
        if (code <= spans[i].last)
            return true;
    return false;
}
#define IS_AMONG(spans, code) is_among(spans, sizeof(spans) / sizeof *(spans), code)

/* ---- characters ----------------------------------------------------------------------------- */

size_t rhi__character(const char *bytes, size_t size)
{
    const unsigned char *b = (const unsigned char *)bytes;
    size_t length = size == 0     ? 0
                    : b[0] < 0x80 ? 1
                    : b[0] < 0xc2 ? 0
                    : b[0] < 0xe0 ? 2
                    : b[0] < 0xf0 ? 3
                    : b[0] < 0xf5 ? 4
                                  : 0;
    if (length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = length > 2 && ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xf0 && b[1] < 0x90));
    bool no_character =
        length > 2 && ((b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf4 && b[1] > 0x8f));
    return overlong || no_character ? 0 : length;
}

unsigned rhi__code_point(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;
    unsigned code = length == 1 ? b[0] : b[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        code = code << 6 | (b[i] & 0x3fu);
    return code;
}

bool rhi__is_harmful(const char *bytes, size_t length)
{
    unsigned code = rhi__code_point(bytes, length);
    return code < 0x20 || (code >= 0x7f && IS_AMONG(harmful, code));
}

/* How many bytes from the start on are ASCII that can be shown: nearly always all. */
static size_t plain_part(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && text[i] >= ' ' && text[i] <= '~')
        i++;
    return i;
}

size_t rhi__clean(char *text, size_t size)
{
    size_t to = plain_part(text, size);
    for (size_t i = to, length; i < size; i += length ? length : 1) {
        length = rhi__character(text + i, size - i);
        if (length == 0 || rhi__is_harmful(text + i, length)) {
            text[to++] = '?';
        } else {
            memmove(text + to, text + i, length);
            to += length;
        }
    }
    return to;
}

size_t rhi_clean(char *text)
{
    size_t size = rhi__clean(text, strlen(text));
    text[size] = '\0';
    return size;
}

size_t rhi__whole_characters(const char *bytes, size_t size)
{
    for (size_t tail = 1; tail <= 3 && tail <= size; tail++) {
        unsigned char first = (unsigned char)bytes[size - tail];
        size_t wanted = first < 0xc2 || first >= 0xf5 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        if (wanted)
            return wanted > tail ? size - tail : size;
    }
    return size;
}

/* One character, or a byte that is none, as it stands between quotes; returns how many bytes it
 * was. */
static size_t quote_one(const char *bytes, size_t count, char piece[8])
{
    unsigned char c = (unsigned char)bytes[0];
    size_t length = rhi__character(bytes, count);
    if (c == '\n' || c == '\t')
        snprintf(piece, 8, c == '\n' ? "\\n" : "\\t");
    else if (length == 0 || rhi__is_harmful(bytes, length))
        snprintf(piece, 8, "\\x%02x", c);
    else
        snprintf(piece, 8, "%s%.*s", c == '"' || c == '\\' ? "\\" : "", (int)length, bytes);
    return piece[0] == '\\' && piece[1] == 'x' ? 1 : length;
}

void rhi__quote(const char *bytes, size_t count, bool is_cut, char *text, size_t size)
{
    size_t used = 1, whole = 1, i = 0; /* whole: up to here, `"…` fits behind it */
    char piece[8];
    text[0] = '"';
    while (i < count) {
        i += quote_one(bytes + i, count - i, piece);
        size_t length = strlen(piece);
        if (used + length + sizeof "\"" > size) {
            is_cut = true;
            break;
        }
        memcpy(text + used, piece, length);
        used += length;
        whole = used + sizeof "\"…" <= size ? used : whole;
    }
    strcpy(text + (is_cut ? whole : used), is_cut ? "\"…" : "\"");
}

size_t rhi__columns(const char *text, size_t size)
{
    size_t columns = plain_part(text, size);
    for (size_t i = columns, length; i < size; i += length) {
        length = rhi__character(text + i, size - i);
        unsigned code = length ? rhi__code_point(text + i, length) : '?';
        if (code == '\033') { /* a colour of ours, up to its m */
            while (i < size && text[i] != 'm')
                i++;
            length = 1;
            continue;
        }
        length = length ? length : 1;
        columns += code < 0x300 ? 1 : IS_AMONG(no_width, code) ? 0 : IS_AMONG(wide, code) ? 2 : 1;
    }
    return columns;
}

void rhi__cut_name(const char *full, size_t size, char name[RHI_NAME_SIZE])
{
    enum { DIGITS = 6, KEPT = RHI_NAME_SIZE - 1 - DIGITS - sizeof "…" + 1 };
    size_t kept = size < RHI_NAME_SIZE ? size : rhi__whole_characters(full, KEPT);
    memcpy(name, full, kept);
    kept = rhi__clean(name, kept);
    name[kept] = '\0';
    if (size < RHI_NAME_SIZE)
        return;
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)full[i]) * 0x100000001b3u;
    snprintf(name + kept, RHI_NAME_SIZE - kept, "…%06x",
             (unsigned)((hash ^ hash >> 32) & 0xffffff));
}

/* ---- formatted text ------------------------------------------------------------------------- */

typedef struct line {
    const rhi_writer *writer;
    va_list arguments;
    size_t size;
    char text[2048];
} line;

static void deliver(line *l)
{
    if (l->size)
        l->writer->deliver(l->writer->context, l->text, l->size);
    l->size = 0;
}

static void add_bytes(line *l, const char *text, size_t size)
{
    while (size) {
        if (l->size == sizeof l->text)
            deliver(l);
        size_t room = sizeof l->text - l->size, step = size < room ? size : room;
        memcpy(l->text + l->size, text, step);
        l->size += step;
        text += step;
        size -= step;
    }
}

/* In ASCII, what the engine draws with has a likeness. */
static void add_ascii(line *l, const char *character, size_t length)
{
    static const struct {
        const char *from, *to;
    } pairs[] = {{"…", "..."}, {"→", "->"}, {"⇢", "~>"}, {"↺", "^"}, {"├", "|"}, {"└", "`"},
                 {"┌", ","},   {"─", "-"},  {"│", "|"},  {"–", "-"}, {"×", "x"}};
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++)
        if (strlen(pairs[k].from) == length && memcmp(pairs[k].from, character, length) == 0) {
            add_bytes(l, pairs[k].to, strlen(pairs[k].to));
            return;
        }
    add_bytes(l, "?", 1);
}

/* is_ours: control characters are meant. */
static void add_text(line *l, const char *text, size_t size, bool is_ours)
{
    while (size) {
        size_t plain = plain_part(text, size),
               length = plain < size ? rhi__character(text + plain, size - plain) : 0;
        add_bytes(l, text, plain);
        text += plain;
        size -= plain;
        if (size && (length == 0 || (!is_ours && rhi__is_harmful(text, length))))
            add_bytes(l, "?", 1);
        else if (length > 1 && l->writer->is_ascii)
            add_ascii(l, text, length);
        else
            add_bytes(l, text, length);
        length = size && length == 0 ? 1 : length;
        text += length;
        size -= length;
    }
}

static void add_spaces(line *l, size_t count)
{
    for (; count; count--)
        add_bytes(l, " ", 1);
}

typedef struct conversion {
    bool is_left, is_long;
    int width, precision; /* precision < 0: none */
} conversion;

static void add_padded(line *l, const conversion *c, const char *text, size_t size, bool is_ours)
{
    size_t columns = c->width > 0 ? rhi__columns(text, size) : 0;
    size_t spaces = c->width > 0 && (size_t)c->width > columns ? (size_t)c->width - columns : 0;
    add_spaces(l, c->is_left ? 0 : spaces);
    add_text(l, text, size, is_ours);
    add_spaces(l, c->is_left ? spaces : 0);
}

static void convert_text(line *l, const conversion *c)
{
    const char *text = va_arg(l->arguments, const char *);
    text = text ? text : "(null)";
    size_t size = c->precision >= 0 ? strnlen(text, (size_t)c->precision) : strlen(text);
    if (c->precision >= 0 && size == (size_t)c->precision)
        size = rhi__whole_characters(text, size);
    add_padded(l, c, text, size,
               l->writer->is_clean && l->writer->is_clean(l->writer->context, text));
}

/* Long lists are mostly numbers: printf would take most of their time. */
static void add_whole_number(line *l, const conversion *c, unsigned long value, unsigned base,
                             bool is_negative)
{
    char text[32], *at = text + sizeof text;
    do {
        *--at = "0123456789abcdef"[value % base];
    } while (value /= base);
    if (is_negative)
        *--at = '-';
    add_padded(l, c, at, (size_t)(text + sizeof text - at), false);
}

static void convert_number(line *l, const conversion *c, char kind)
{
    char text[64];
    int size = 0;
    if (kind == 'd') {
        long value = c->is_long ? va_arg(l->arguments, long) : va_arg(l->arguments, int);
        add_whole_number(l, c, value < 0 ? -(unsigned long)value : (unsigned long)value, 10,
                         value < 0);
        return;
    }
    if (kind == 'u' || kind == 'x') {
        unsigned long value =
            c->is_long ? va_arg(l->arguments, unsigned long) : va_arg(l->arguments, unsigned);
        add_whole_number(l, c, value, kind == 'u' ? 10 : 16, false);
        return;
    }
    if (kind == 'g')
        size = snprintf(text, sizeof text, "%.*g", c->precision < 0 ? 6 : c->precision,
                        va_arg(l->arguments, double));
    else if (kind == 'c')
        size = (text[0] = (char)va_arg(l->arguments, int), 1);
    else /* a format of ours that nobody has tried: the compiler knows more conversions */
        size = snprintf(text, sizeof text, "(%%%c)", kind);
    add_padded(l, c, text, (size_t)size, false);
}

static int number_of(line *l, const char **at)
{
    int number = 0;
    if (**at == '*')
        return ++*at, va_arg(l->arguments, int);
    for (; **at >= '0' && **at <= '9'; ++*at)
        number = number * 10 + (**at - '0');
    return number;
}

/* Converts one argument; `at` is behind the %. Returns what is behind the conversion. */
static const char *convert(line *l, const char *at)
{
    conversion c = {.precision = -1};
    for (; *at == '-'; at++)
        c.is_left = true;
    c.width = number_of(l, &at);
    if (*at == '.') {
        at++;
        c.precision = number_of(l, &at);
    }
    for (; *at == 'l' || *at == 'z'; at++)
        c.is_long = true;
    if (*at == 's')
        convert_text(l, &c);
    else if (*at == '%')
        add_bytes(l, "%", 1);
    else
        convert_number(l, &c, *at);
    return *at ? at + 1 : at;
}

void rhi__format(const rhi_writer *writer, const char *format, va_list arguments)
{
    line l = {.writer = writer};
    va_copy(l.arguments, arguments);
    while (*format) {
        size_t plain = strcspn(format, "%");
        add_text(&l, format, plain, true);
        format += plain;
        if (*format)
            format = convert(&l, format + 1);
    }
    va_end(l.arguments);
    deliver(&l);
}

typedef struct buffer {
    char *text;
    size_t size, used;
    bool is_full;
} buffer;

static void fill_buffer(void *context, const char *text, size_t size)
{
    buffer *b = context;
    size_t room = b->size - 1 - b->used;
    b->is_full |= size > room;
    size = size < room ? size : room;
    memcpy(b->text + b->used, text, size);
    b->used += size;
}

static bool is_engines_own(void *context, const char *argument)
{
    (void)context, (void)argument;
    return true;
}

static void write_bytes(void *stream, const char *text, size_t size)
{
    fwrite(text, 1, size, stream);
}

static void put_ascii(FILE *stream, const char *format, ...)
{
    rhi_writer writer = {
        .deliver = write_bytes, .context = stream, .is_ascii = true, .is_clean = is_engines_own};
    va_list arguments;
    va_start(arguments, format);
    rhi__format(&writer, format, arguments);
    va_end(arguments);
}

char *rhi__in_ascii(const char *text)
{
    char *made = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&made, &size);
    if (!stream)
        return NULL;
    put_ascii(stream, "%s", text);
    if (fclose(stream) == 0)
        return made;
    free(made);
    return NULL;
}

void rhi__format_into(char *text, size_t size, const char *format, va_list arguments)
{
    static const char more[] = "…";
    buffer b = {.text = text, .size = size};
    rhi_writer writer = {.deliver = fill_buffer, .context = &b};
    rhi__format(&writer, format, arguments);
    if (b.is_full && size > sizeof more) {
        b.used = rhi__whole_characters(text, size - sizeof more);
        memcpy(text + b.used, more, sizeof more - 1);
        b.used += sizeof more - 1;
    }
    text[b.used] = '\0';
}

void rhi__text(char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rhi__format_into(text, size, format, arguments);
    va_end(arguments);
}

/* ---- names and words ------------------------------------------------------------------------ */

/* The environment is asked, as setlocale would: what a debugger has set for itself is not ours to
 * change. */
bool rhi__shows_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
    }
    return false;
}

bool rhi__is_typed_name(const char *typed, size_t length, const char *name)
{
    bool is_ascii = true, is_same = strlen(name) == length && memcmp(name, typed, length) == 0;
    for (const char *c = name; *c; c++)
        is_ascii &= (unsigned char)*c < 0x80;
    if (is_same || is_ascii || rhi__shows_utf8())
        return is_same;
    char *shown = rhi__in_ascii(name);
    is_same = shown && strlen(shown) == length && memcmp(shown, typed, length) == 0;
    free(shown);
    return is_same;
}

bool rhi__same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

const char *rhi__plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- values in a few words ------------------------------------------------------------------ */

void rhi__brief_put(rhi_brief *brief, const char *piece)
{
    size_t length = strlen(piece);
    if (brief->used + length + 1 >= sizeof brief->text)
        return;
    memcpy(brief->text + brief->used, piece, length + 1);
    brief->used += length;
    brief->columns += rhi__columns(piece, length);
}

bool rhi__brief_part(rhi_brief *brief, const char *part)
{
    enum { COLUMNS = 44, END = 40 /* bytes: ", … 12 more]" */ };
    size_t length = strlen(part);
    brief->is_full = brief->is_full || (brief->parts_max && brief->parts == brief->parts_max) ||
                     (brief->parts && brief->columns + rhi__columns(part, length) + 2 > COLUMNS) ||
                     brief->used + length + END > sizeof brief->text;
    if (brief->is_full)
        return false;
    rhi__brief_put(brief, brief->parts++ ? ", " : "");
    rhi__brief_put(brief, part);
    return true;
}

void rhi__brief_more(rhi_brief *brief, uint64_t count)
{
    char more[40];
    snprintf(more, sizeof more, "%s… %" PRIu64 " more", brief->parts ? ", " : "", count);
    if (count)
        rhi__brief_put(brief, more);
}
