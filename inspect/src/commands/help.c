/* help.c - what --help prints (see help.h). */
#include "commands/help.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct page {
    FILE *stream;
    unsigned columns, at; /* 0 columns: lines of any length */
} page;

static unsigned width_of(const char *text, size_t size)
{
    unsigned width = 0;
    for (size_t i = 0; i < size; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    return width;
}

static void begin_line(page *p, unsigned indent)
{
    fprintf(p->stream, "\n%*s", (int)indent, "");
    p->at = indent;
}

/* Puts words, in as many lines as they need; `indent` of those behind the first. */
static void put_words(page *p, const char *text, const char *end, unsigned indent)
{
    while (text < end) {
        size_t size = strcspn(text, " \n");
        unsigned width = width_of(text, size);
        if (p->at > indent && p->columns && p->at + 1 + width > p->columns)
            begin_line(p, indent);
        else if (p->at > indent)
            p->at += (unsigned)fprintf(p->stream, " ");
        fwrite(text, 1, size, p->stream);
        p->at += width;
        text += size;
        text += strspn(text, " \n");
    }
}

/* Puts paragraphs, which an empty line ends, and the points of lists, which begin with "- ". */
static void put_text(page *p, const char *text)
{
    for (const char *end; *text; text = end + strspn(end, "\n")) {
        const char *list = strstr(text, "\n- "), *gap = strstr(text, "\n\n");
        bool is_point = strncmp(text, "- ", 2) == 0;
        end = list && (!gap || list < gap) ? list : gap ? gap : text + strlen(text);
        if (is_point)
            p->at += (unsigned)fprintf(p->stream, "  - ");
        put_words(p, is_point ? text + 2 : text, end, is_point ? 4 : 0);
        begin_line(p, 0);
        if (end == gap)
            begin_line(p, 0);
    }
}

/* Beside its name, or, where lines have any length, below it: who fills them keeps a line's own
 * indent. */
static void put_option(page *p, const rhi_option *option)
{
    enum { COLUMN = 22, BELOW = 6 };
    p->at = (unsigned)fprintf(p->stream, "  %s%s%s", option->name, option->argument ? "=" : "",
                              option->argument ? option->argument : "");
    if (p->columns)
        p->at +=
            (unsigned)fprintf(p->stream, "%*s", (int)(p->at < COLUMN ? COLUMN - p->at : 1), "");
    else
        begin_line(p, BELOW);
    put_words(p, option->help, option->help + strlen(option->help), p->columns ? COLUMN : BELOW);
    begin_line(p, 0);
}

char *rhi__help_text(const rhi_command *command, unsigned columns)
{
    char *text = NULL, title[256];
    size_t size = 0;
    page p = {.stream = open_memstream(&text, &size), .columns = columns};
    if (!p.stream)
        return NULL;
    snprintf(title, sizeof title, "%s: %s\n\n", command->usage, command->summary);
    put_text(&p, title);
    put_text(&p, command->help);
    for (int pass = 0; pass < 2; pass++)
        for (const rhi_option *o = pass ? rhi__common_options : command->options; o->name; o++) {
            if (!pass && o == command->options)
                begin_line(&p, 0);
            put_option(&p, o);
        }
    fprintf(p.stream, "\nexample: %s\n", command->example);
    if (fclose(p.stream) == 0 && rhi__shows_utf8())
        return text;
    char *ascii = text ? rhi__in_ascii(text) : NULL;
    free(text);
    return ascii;
}
