/* drawing.c - a picture in dot's language (see drawing.h). Who holds stands above what is held. The
 * colour is the type's; what is leaked has a thick dashed border and says so in words, so that
 * nobody needs to see colours. A double border marks the objects that were asked for, bold arrows
 * are part of a cycle.
 *
 * Invariant: what is long is cut, and whole where a pointer rests on it (the tooltip); no text of
 * the program's ends a label or begins markup. */
#include "render/drawing.h"
#include "heap/objects.h"
#include "questions/caveats.h"
#include "render/fans.h"
#include "render/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ID_COLUMNS = 30,
    VALUE_COLUMNS = 36,
    NAME_COLUMNS = 22,
    LINE_COLUMNS = 90,
    LABELS_MAX = 120, /* of arrows: with more of them nobody finds out which label is whose */
    PARTS_IN_ROW = 4,
    TYPES_IN_ROW = 6, /* of the legend */
    CAVEATS_SHOWN = 20,
    TEXT_SIZE = RHI_ID_SIZE + RHI_VALUE_SIZE
};

/* Light, so that black text can be read on each; the last one is for all further types. */
static const char *const colours[] = {"#aecbfa", "#fde293", "#a8dab5", "#f6c6c2",
                                      "#d7c3f8", "#fcd0a8", "#a6e3ea", "#e3d0b9",
                                      "#f8c4de", "#c9d3dc", "#f1f3f4"};
enum { COLOURS = sizeof colours / sizeof *colours };

typedef struct drawing {
    FILE *file;
    const rhi_picture *picture;
    const rhi_selection *selection;
    uint32_t types[RHI_DRAWN_MAX], type_count; /* as they are met */
} drawing;

/* ---- text ----------------------------------------------------------------------------------- */

/* Puts text into quotes, or, `is_markup`, between tags. To Graphviz & begins a character's name
 * in both. */
static void put(FILE *file, const char *text, bool is_markup)
{
    for (size_t length; *text; text += length) {
        length = rhi__character(text, strlen(text));
        if (length == 0 || rhi__is_harmful(text, length))
            length = fputc('?', file) == '?' && length ? length : 1;
        else if (*text == '&')
            fputs("&amp;", file);
        else if (is_markup && strchr("<>\"", *text))
            fputs(*text == '<' ? "&lt;" : *text == '>' ? "&gt;" : "&quot;", file);
        else
            fprintf(file, "%s%.*s", !is_markup && strchr("\"\\", *text) ? "\\" : "", (int)length,
                    text);
    }
}

/* Bytes at the beginning of the text that take so many columns. */
static size_t bytes_of(const char *text, size_t columns)
{
    size_t size = strlen(text), used = 0;
    while (used < size) {
        size_t length = rhi__character(text + used, size - used);
        length = length ? length : 1;
        if (rhi__columns(text, used + length) > columns)
            break;
        used += length;
    }
    return used;
}

/* The beginning, "…", and of a name that a number ends, that. */
static const char *cut(const char *text, size_t columns, char room[TEXT_SIZE])
{
    size_t size = strlen(text);
    const char *tail = strpbrk(text, "#@");
    size_t kept = tail ? strlen(tail) : 0;
    kept = kept < columns / 2 ? kept : 0;
    if (rhi__columns(text, size) <= columns)
        return text;
    size_t head = bytes_of(text, columns - 1 - kept);
    rhi__text(room, TEXT_SIZE, "%.*s…%s", (int)head, text, text + size - kept);
    return room;
}

/* ---- objects -------------------------------------------------------------------------------- */

static const char *colour_of(drawing *d, uint32_t type)
{
    uint32_t i = 0;
    while (i < d->type_count && d->types[i] != type)
        i++;
    if (i == d->type_count)
        d->types[d->type_count++] = type;
    return colours[i < COLOURS - 1 ? i : COLOURS - 1];
}

static const char *leaked_text(enum rhi_cause cause)
{
    static const char *const words[RHI_CAUSES] = {[RHI_CAUSE_CYCLE] = ", garbage",
                                                  [RHI_CAUSE_LOST] = ", lost",
                                                  [RHI_CAUSE_DEPENDENT] = ", held by leaked",
                                                  [RHI_CAUSE_LOST_BLOCK] = ", lost"};
    return words[cause] ? words[cause] : "";
}

static void draw_object(drawing *d, uint32_t index)
{
    const rhi_selection *s = d->selection;
    rhi_object object;
    char id[RHI_ID_SIZE], count[32], value[RHI_VALUE_SIZE], room[TEXT_SIZE];
    if (!rhi__object_at_index(s->session, s->reader, index, &object))
        return;
    enum rhi_cause cause = rhi__mark(s, index);
    rhi__object_id(s->reader, &object, id, sizeof id);
    rhi__count_text(&object, count, sizeof count);
    rhi__value(s->reader, &object, value);
    fprintf(d->file, "  n%" PRIu32 " [fillcolor=\"%s\"%s%s, label=\"", index,
            colour_of(d, object.type), rhi__is_asked_for(s, index) ? ", peripheries=2" : "",
            cause == RHI_CAUSE_NONE ? ""
                                    : ", style=\"filled,rounded,dashed\", color=\"#b3261e\", "
                                      "penwidth=2.2");
    put(d->file, cut(id, ID_COLUMNS, room), false);
    fprintf(d->file, "\\n%s%s%s%s", object.immortal ? "" : "count ", count, leaked_text(cause),
            value[0] ? "\\n" : "");
    put(d->file, value[0] ? cut(value + 1, VALUE_COLUMNS, room) : "", false);
    fprintf(d->file, "\", tooltip=\"");
    put(d->file, id, false);
    put(d->file, value, false);
    fprintf(d->file, "\"];\n");
}

/* References that were not followed lead to nothing in the picture. */
static void draw_hub(FILE *file, const struct rhi_hub *hub)
{
    static const char node[] = " [shape=plaintext, style=\"\", label=";
    uint32_t n = hub->index;
    if (hub->to)
        fprintf(file, "  t%" PRIu32 "%s\"%" PRIu32 " more\"];\n", n, node, hub->to);
    if (hub->to)
        fprintf(file, "  t%" PRIu32 " -> n%" PRIu32 " [style=dotted];\n", n, n);
    if (hub->from)
        fprintf(file, "  f%" PRIu32 "%s\"%" PRIu32 " more\"];\n", n, node, hub->from);
    if (hub->from)
        fprintf(file, "  n%" PRIu32 " -> f%" PRIu32 " [style=dotted];\n", n, n);
}

static void draw_hubs(const drawing *d)
{
    const rhi_selection *s = d->selection;
    for (uint64_t i = 0; i < d->picture->objects; i++)
        for (uint64_t h = 0; h < s->hubs.count; h++)
            if (s->hubs.items[h].index == s->nodes.items[i])
                draw_hub(d->file, &s->hubs.items[h]);
}

static void draw_arrow(const drawing *d, const rhi_arrow *a, uint16_t rows)
{
    char room[TEXT_SIZE];
    bool has_label = d->picture->arrow_count <= LABELS_MAX;
    fprintf(d->file, "  n%" PRIu32 " -> n%" PRIu32 " [", a->from, a->to);
    if (has_label) {
        /* blanks, so that names beside each other do not touch: dot leaves no room there */
        fprintf(d->file, "label=\" ");
        put(d->file, cut(a->name, NAME_COLUMNS, room), false);
        if (a->count > 1)
            fprintf(d->file, " \\n and %" PRIu64 " more", a->count - 1);
        fprintf(d->file, " \", ");
    }
    for (int where = 0; where < 1 + has_label; where++) {
        fprintf(d->file, "%s=\"", where ? "labeltooltip" : "tooltip");
        put(d->file, a->name, false);
        if (a->count > 1)
            fprintf(d->file, " and %" PRIu64 " more", a->count - 1);
        fprintf(d->file, "\"%s", where < has_label ? ", " : "");
    }
    if (rows) /* heavier than all that draws the other way */
        fprintf(d->file, ", minlen=%u, weight=20", rows);
    fprintf(d->file, "%s%s];\n", a->is_dashed ? ", style=dashed" : "",
            a->in_cycle ? ", penwidth=2.2, color=\"#202124\"" : "");
}

/* ---- parts that nothing connects ------------------------------------------------------------ */

/* dot would set them side by side, in one row of any length: below each other, they are columns.
 * (Graphviz packs parts by itself, and forgets the names of arrows then.) */

typedef struct part {
    uint32_t top, bottom, size; /* top, bottom: numbers of objects */
} part;

static uint32_t place_of(const rhi_picture *p, uint32_t index)
{
    uint32_t i = 0;
    while (p->selection->nodes.items[i] != index)
        i++;
    return i;
}

/* The part of each drawn object: the place of its first one. */
static void find_parts(const rhi_picture *p, uint32_t of[RHI_DRAWN_MAX])
{
    for (uint32_t i = 0; i < p->objects; i++)
        of[i] = i;
    for (uint64_t a = 0; a < p->arrow_count; a++) {
        uint32_t one = of[place_of(p, p->arrows[a].from)], other = of[place_of(p, p->arrows[a].to)];
        for (uint32_t i = 0; i < p->objects && one != other; i++)
            if (of[i] == (one > other ? one : other))
                of[i] = one > other ? other : one;
    }
}

/* Does an arrow lead from it (to it) to another object? */
static bool has_arrow(const rhi_picture *p, uint32_t index, bool from)
{
    for (uint64_t a = 0; a < p->arrow_count; a++)
        if (p->arrows[a].from != p->arrows[a].to &&
            (from ? p->arrows[a].from : p->arrows[a].to) == index)
            return true;
    return false;
}

static uint32_t gather_parts(const rhi_picture *p, part parts[RHI_DRAWN_MAX])
{
    uint32_t of[RHI_DRAWN_MAX], count = 0;
    find_parts(p, of);
    for (uint32_t i = 0; i < p->objects; i++) {
        if (of[i] != i)
            continue;
        uint32_t first = p->selection->nodes.items[i], last = first;
        part *one = &parts[count++];
        *one = (part){.top = first, .bottom = RHI_NO_OBJECT};
        for (uint32_t k = i; k < p->objects; k++) {
            uint32_t index = p->selection->nodes.items[k];
            if (of[k] != i)
                continue;
            one->size++;
            last = index;
            if (!has_arrow(p, index, true))
                one->bottom = index;
            if (!has_arrow(p, index, false) && has_arrow(p, one->top, false))
                one->top = index;
        }
        if (one->bottom == RHI_NO_OBJECT) /* a cycle: dot begins with its first */
            one->bottom = last;
    }
    return count;
}

static void stack_parts(const drawing *d)
{
    part parts[RHI_DRAWN_MAX], *last[RHI_DRAWN_MAX] = {0};
    uint32_t count = gather_parts(d->picture, parts), columns = 1, heights[RHI_DRAWN_MAX] = {0};
    while (5 * columns * columns < 3 * d->picture->objects) /* an object is as wide as two high */
        columns++;
    for (uint32_t i = 0; i < count && count > PARTS_IN_ROW; i++) {
        uint32_t lowest = 0;
        for (uint32_t c = 1; c < columns; c++)
            lowest = heights[c] < heights[lowest] ? c : lowest;
        if (last[lowest])
            fprintf(d->file, "  n%" PRIu32 " -> n%" PRIu32 " [style=invis];\n",
                    last[lowest]->bottom, parts[i].top);
        last[lowest] = &parts[i];
        heights[lowest] += parts[i].size;
    }
}

/* ---- the legend ----------------------------------------------------------------------------- */

static void draw_types(const drawing *d)
{
    char room[TEXT_SIZE];
    uint32_t shown = d->type_count < COLOURS - 1 ? d->type_count : COLOURS - 1;
    for (uint32_t i = 0; i < shown; i++) {
        if (i % TYPES_IN_ROW == 0)
            fprintf(d->file, "%s<tr>", i ? "</tr>" : "");
        fprintf(d->file, "<td bgcolor=\"%s\">", colours[i]);
        put(d->file, cut(rhi__type_name(d->selection->reader, d->types[i]), ID_COLUMNS, room),
            true);
        fprintf(d->file, "</td>");
    }
    if (d->type_count > shown)
        fprintf(d->file, "<td bgcolor=\"%s\">%" PRIu32 " more types</td>", colours[COLOURS - 1],
                d->type_count - shown);
    fprintf(d->file, "%s", shown ? "</tr>" : "");
}

static void draw_note(const drawing *d, const char *text)
{
    fprintf(d->file, "<tr><td colspan=\"%d\" align=\"left\">", TYPES_IN_ROW + 1);
    put(d->file, text, true);
    fprintf(d->file, "</td></tr>");
}

/* Bytes of the first line: up to a space, if there is one. */
static size_t line_of(const char *text)
{
    size_t size = bytes_of(text, LINE_COLUMNS), space = size;
    while (text[size] && space && text[space] != ' ')
        space--;
    return space ? space : size;
}

/* In as many lines as it takes. */
static void draw_caveat(const drawing *d, const rhi_caveat *caveat)
{
    char text[LINE_COLUMNS * 4 + 1], *whole = NULL;
    if (asprintf(&whole, "%s: %s", caveat->kind, caveat->text) < 0)
        whole = NULL;
    for (const char *rest = whole ? whole : caveat->kind; *rest; rest += strspn(rest, " ")) {
        size_t size = line_of(rest);
        snprintf(text, sizeof text, "%.*s", (int)size, rest);
        draw_note(d, text);
        rest += size;
    }
    free(whole);
}

static rhi_error *draw_caveats(const drawing *d)
{
    char text[LINE_COLUMNS];
    rhi_caveats caveats = {0};
    rhi_error *error = rhi__caveats(d->selection->session, d->selection->leaks, &caveats);
    for (uint64_t i = 0; i < caveats.count && i < CAVEATS_SHOWN; i++)
        draw_caveat(d, &caveats.items[i]);
    snprintf(text, sizeof text, "and %" PRIu64 " more such line%s: gcgraph says them",
             caveats.count - CAVEATS_SHOWN, rhi__plural(caveats.count - CAVEATS_SHOWN));
    if (caveats.count > CAVEATS_SHOWN)
        draw_note(d, text);
    rhi__caveats_free(&caveats);
    return error;
}

static rhi_error *draw_legend(const drawing *d)
{
    const rhi_picture *p = d->picture;
    char text[LINE_COLUMNS * 4 + 1];
    fprintf(d->file, "  label=<<table border=\"0\" cellborder=\"0\" cellspacing=\"3\">");
    draw_types(d);
    draw_note(d, "thick dashed border: leaked: garbage, lost, or held by such; double: asked for");
    draw_note(d,
              "arrows lead from what holds to what is held; bold: part of a cycle; dashed: weak; "
              "dotted: not followed");
    if (p->arrow_count > LABELS_MAX)
        draw_note(d, "so many arrows have no names here: those show where the pointer rests");
    snprintf(text, sizeof text, "%" PRIu64 " more object%s left out", p->left_out,
             p->left_out == 1 ? " is" : "s are");
    if (p->left_out)
        draw_note(d, text);
    snprintf(text, sizeof text, "%" PRIu64 " more reference%s left out", p->edges_left_out,
             p->edges_left_out == 1 ? " is" : "s are");
    if (p->edges_left_out)
        draw_note(d, text);
    rhi_error *error = draw_caveats(d); /* by then all is read that is drawn */
    fprintf(d->file, "</table>>;\n");
    return error;
}

rhi_error *rhi__write_drawing(FILE *file, const rhi_picture *picture)
{
    drawing d = {.file = file, .picture = picture, .selection = picture->selection};
    uint16_t rows[RHI_ARROWS_MAX];
    fprintf(file,
            "digraph refheap {\n"
            "  graph [rankdir=TB, nodesep=%s, ranksep=0.45, labelloc=b, labeljust=l, "
            "fontname=\"Helvetica\", fontsize=11, bgcolor=white];\n"
            "  node [shape=box, style=\"filled,rounded\", color=\"#5f6368\", "
            "fontname=\"Helvetica\", fontsize=11, margin=\"0.12,0.06\", height=0.3];\n"
            "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#5f6368\", arrowsize=0.7];\n",
            picture->arrow_count <= LABELS_MAX ? "0.25" : "0.12" /* where no names stand */);
    for (uint64_t i = 0; i < picture->objects; i++)
        draw_object(&d, picture->selection->nodes.items[i]);
    draw_hubs(&d);
    rhi__fan_rows(picture, rows);
    for (uint64_t i = 0; i < picture->arrow_count; i++)
        draw_arrow(&d, &picture->arrows[i], rows[i]);
    stack_parts(&d);
    rhi_error *error = draw_legend(&d);
    fprintf(file, "}\n");
    return error;
}
