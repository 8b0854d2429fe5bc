/* text.h - characters: what is one, what may reach a terminal, how wide it is, where text may be
 * cut.
 *
 * All text that comes from a target, a file or a user passes rhi__format before people see it:
 * its %s arguments are cleaned there, and nowhere else need anybody think of it. What is kept as
 * a name is cleaned when it is read, so that it can be typed as it is shown. The format itself is
 * the engine's own and goes through as it is. */
#ifndef RHI_TEXT_H
#define RHI_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RHI_NAME_SIZE = 128 };

/* Bytes of the UTF-8 character that `bytes` begin with; 0 if they begin with none. */
size_t rhi__character(const char *bytes, size_t size);
/* May this character (rhi__character bytes) not be shown as it is? Control characters (C0, DEL,
 * C1), line separators, and what turns the direction of text round or hides text. */
bool rhi__is_harmful(const char *bytes, size_t length);
/* Its code point. */
unsigned rhi__code_point(const char *bytes, size_t length);
/* Puts '?' in place of harmful characters and of bytes that are no UTF-8; returns the size then:
 * never more. */
size_t rhi__clean(char *text, size_t size);
/* The bytes as a text in quotes, with escapes for what may not be shown as it is. is_cut: there
 * are more; "…" says so, and where the text, with its quotes, does not fit. size is at least 8. */
void rhi__quote(const char *bytes, size_t count, bool is_cut, char *text, size_t size);
/* The size without the beginning of a character at the end, if there is one. */
size_t rhi__whole_characters(const char *bytes, size_t size);
/* Columns on a terminal: 0 for marks that combine, 2 for wide characters. Colours take none. */
size_t rhi__columns(const char *text, size_t size);
/* A name as it is kept: clean, and, if it is too long, its beginning, "…" and six digits made of
 * all of it, so that two long names stay two. */
void rhi__cut_name(const char *full, size_t size, char name[RHI_NAME_SIZE]);

/* Like printf, of the conversions %s %c %d %u %x %g and %%, with -, width, precision and l or z.
 * Widths are columns, precisions of %s are bytes, of which the last ones are left out if they are
 * no whole character. `deliver` gets the text in pieces. */
typedef struct rhi_writer {
    void (*deliver)(void *context, const char *text, size_t size);
    void *context;
    bool is_ascii; /* write ASCII alone */
    /* this argument is the engine's own; NULL: none is */
    bool (*is_clean)(void *context, const char *argument);
} rhi_writer;
void rhi__format(const rhi_writer *writer, const char *format, va_list arguments);
/* A text of the engine's own, as it is shown where there is ASCII alone. Allocated; NULL: no
 * memory. */
char *rhi__in_ascii(const char *text);
/* Into a buffer, ended by NUL; "…" where it does not fit. */
void rhi__format_into(char *text, size_t size, const char *format, va_list arguments);
__attribute__((format(printf, 3, 4))) void rhi__text(char *text, size_t size, const char *format,
                                                     ...);

/* A value in a few words, part by part: "[1, 2, … 40 more]". What does not fit in one line of 60
 * columns or so, with other things on it, is left out. */
typedef struct rhi_brief {
    char text[256]; /* ended by NUL */
    size_t used, columns;
    unsigned parts, parts_max; /* 0: any number of them */
    bool is_full;              /* a part was left out: no further one fits */
} rhi_brief;
void rhi__brief_put(rhi_brief *brief, const char *piece);
/* One more part, behind a comma; false: there is no room for it. */
bool rhi__brief_part(rhi_brief *brief, const char *part);
/* "… 40 more", if there are any. */
void rhi__brief_more(rhi_brief *brief, uint64_t count);

/* Does the user's locale show UTF-8? */
bool rhi__shows_utf8(void);
/* Is what was typed this name: as it is, or as the user's locale shows it? */
bool rhi__is_typed_name(const char *typed, size_t length, const char *name);
/* Both NULL, or both the same text. */
bool rhi__same_text(const char *a, const char *b);
/* The end of a word for so many: "" or "s". */
const char *rhi__plural(uint64_t n);

#endif
