/* draw.c - a selection as a Graphviz picture (see questions/selection.h). Colours: orange what is
 * leaked, green what is held, blue immortals; a double border marks the objects that were asked
 * for, bold edges those that are part of a cycle. References between the same two objects are one
 * edge.
 *
 * Invariant: a picture is bounded in objects and edges, and so is the time that dot takes for it.
 * No file of the user's is touched before the whole picture is there (file.h), and dot is given
 * no name. */
#include "questions/selection.h"

#include "render/file.h"
#include "render/value.h"
#include "heap/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* dot takes two seconds for so many edges between so many objects, wherever they lead. */
enum { EDGES_MAX = 300, PICTURE_BYTES_MAX = 64 << 20, POLL_MILLISECONDS = 50 };

/* One or more references from one object to another; places in the selection. */
typedef struct arrow {
    uint32_t from, to;
    bool is_dashed, in_cycle;
    uint64_t count;
    char name[RHI_NAME_SIZE + 32]; /* of the first */
} arrow;

typedef struct drawing {
    const rhi_selection *selection;
    FILE *file;
    uint64_t nodes;
    rhi_map drawn; /* an object's place in the selection */
    arrow *arrows; /* EDGES_MAX */
    uint64_t arrow_count, left_out, looked_at;
    /* between two places, and whether dashed: 1 + the arrow */
    uint16_t at[RHI_DRAWN_MAX][RHI_DRAWN_MAX][2];
    rhi_error *error;
} drawing;

/* What names and values are is the program's: no quote or backslash of theirs may end a label,
 * and to Graphviz & begins a character's name. */
static void put_escaped(FILE *file, const char *text)
{
    for (size_t length; *text; text += length) {
        length = rhi__character(text, strlen(text));
        if (length == 0 || rhi__is_harmful(text, length))
            length = fputc('?', file) == '?' && length ? length : 1;
        else if (*text == '&')
            fputs("&amp;", file);
        else
            fprintf(file, "%s%.*s", *text == '"' || *text == '\\' ? "\\" : "", (int)length, text);
    }
}

static void draw_node(const drawing *d, uint32_t index)
{
    const rhi_selection *s = d->selection;
    rhi_object object;
    char id[RHI_ID_SIZE], count[32], value[RHI_VALUE_SIZE];
    if (!rhi__object_at_index(s->session, s->reader, index, &object))
        return;
    rhi__object_id(s->reader, &object, id, sizeof id);
    rhi__count_text(&object, count, sizeof count);
    const char *colour = object.immortal                         ? "#cfe2f3"
                         : rhi__mark(s, index) != RHI_CAUSE_NONE ? "#f9cb9c"
                                                                 : "#d9ead3";
    fprintf(d->file, "  n%" PRIu32 " [fillcolor=\"%s\"%s, label=\"", index, colour,
            rhi__is_asked_for(s, index) ? ", peripheries=2" : "");
    put_escaped(d->file, id);
    rhi__value(s->reader, &object, value);
    fprintf(d->file, "\\n%s%s%s", object.immortal ? "" : "count ", count, value[0] ? "\\n" : "");
    put_escaped(d->file, value[0] ? value + 1 : "");
    fprintf(d->file, "\"];\n");
}

static bool take_edge(void *context, const rhi_edge *edge)
{
    drawing *d = context;
    const rhi_graph *g = d->selection->graph;
    if (++d->looked_at % 65536 == 0 &&
        (d->error = rhi__progress(&d->selection->session->work, "drawing", 0, 0)))
        return false;
    uint64_t from = rhi__map_get(&d->drawn, edge->from), to = rhi__map_get(&d->drawn, edge->to);
    bool is_dashed = edge->field->kind != RHI_KIND_STRONG,
         is_strong = edge->field->kind != RHI_KIND_BORROWED;
    if (from == RHI_NOT_THERE || to == RHI_NOT_THERE)
        return true;
    uint16_t *at = &d->at[from][to][is_dashed];
    if (*at) {
        d->arrows[*at - 1].count++;
    } else if (d->arrow_count == EDGES_MAX) {
        d->left_out++;
    } else {
        arrow *a = &d->arrows[d->arrow_count++];
        *at = (uint16_t)d->arrow_count;
        *a = (arrow){.from = edge->from,
                     .to = edge->to,
                     .is_dashed = is_dashed,
                     .count = 1,
                     .in_cycle = is_strong && g->cycle_of[edge->from] != RHI_NO_OBJECT &&
                                 g->cycle_of[edge->from] == g->cycle_of[edge->to]};
        rhi__slot_name(edge->field, edge->element, a->name, sizeof a->name);
    }
    return true;
}

static void draw_arrow(const drawing *d, const arrow *a)
{
    fprintf(d->file, "  n%" PRIu32 " -> n%" PRIu32 " [label=\"", a->from, a->to);
    put_escaped(d->file, a->name);
    if (a->count > 1)
        fprintf(d->file, "\\nand %" PRIu64 " more", a->count - 1);
    fprintf(d->file, "\"%s%s];\n", a->is_dashed ? ", style=dashed" : "",
            a->in_cycle ? ", penwidth=2.5" : "");
}

static rhi_error *gather_arrows(drawing *d)
{
    const rhi_selection *s = d->selection;
    if (!(d->arrows = malloc(EDGES_MAX * sizeof *d->arrows)))
        return rhi__error_memory();
    for (uint64_t i = 0; i < d->nodes; i++)
        if (!rhi__map_set(&d->drawn, s->nodes.items[i], i))
            return rhi__error_memory();
    for (uint64_t i = 0; i < d->nodes && !d->error; i++)
        rhi__each_edge(s->session, s->reader, s->nodes.items[i], take_edge, d);
    return d->error;
}

static void write_graph(const drawing *d, const rhi_picture *picture)
{
    fprintf(
        d->file,
        "digraph refheap {\n  node [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\"];\n"
        "  edge [fontname=\"Helvetica\", fontsize=10];\n");
    fprintf(d->file, "  labelloc=b; label=\"orange: leaked: garbage, lost, or held by such; green: "
                     "held; blue: immortal\\n"
                     "double border: asked for; bold: part of a cycle; dashed: weak");
    if (picture->left_out)
        fprintf(d->file, "\\n%" PRIu64 " more object%s left out", picture->left_out,
                picture->left_out == 1 ? " is" : "s are");
    if (d->left_out)
        fprintf(d->file, "\\n%" PRIu64 " more reference%s left out", d->left_out,
                d->left_out == 1 ? " is" : "s are");
    fprintf(d->file, "\";\n");
    for (uint64_t i = 0; i < d->nodes; i++)
        draw_node(d, d->selection->nodes.items[i]);
    for (uint64_t i = 0; i < d->arrow_count; i++)
        draw_arrow(d, &d->arrows[i]);
    fprintf(d->file, "}\n");
}

/* The graph in dot's language, in `text` (allocated). */
static rhi_error *make_graph(const rhi_selection *selection, rhi_picture *picture, char **text,
                             size_t *size)
{
    drawing *d = calloc(1, sizeof *d);
    if (!d)
        return rhi__error_memory();
    d->selection = selection;
    d->nodes = selection->nodes.count < RHI_DRAWN_MAX ? selection->nodes.count : RHI_DRAWN_MAX;
    rhi_error *error = gather_arrows(d);
    if (!error && !(d->file = open_memstream(text, size)))
        error = rhi__error_memory();
    if (!error) {
        write_graph(d, picture);
        error = fclose(d->file) == 0 ? NULL : rhi__error_memory();
    }
    picture->edges_left_out = d->left_out;
    rhi__map_free(&d->drawn);
    free(d->arrows);
    free(d);
    return error;
}

/* ---- dot ------------------------------------------------------------------------------------ */

/* A file without a name that holds the text, to be read from its beginning; -1 with errno. */
static int hold(const char *text, size_t size)
{
    int file = memfd_create("refheap", MFD_CLOEXEC);
    for (size_t done = 0; file >= 0 && done < size;) {
        ssize_t step = write(file, text + done, size - done);
        if (step > 0) {
            done += (size_t)step;
        } else if (step == 0 || errno != EINTR) {
            close(file);
            return -1;
        }
    }
    if (file >= 0)
        lseek(file, 0, SEEK_SET);
    return file;
}

/* Starts dot between the two files. 0, or what is wrong. */
static int start_dot(int input, int output, pid_t *pid)
{
    char *arguments[] = {"dot", "-Tsvg", "-Gnslimit=1", "-Gnslimit1=1", NULL};
    posix_spawn_file_actions_t actions;
    int wrong = posix_spawn_file_actions_init(&actions);
    if (wrong)
        return wrong;
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    /* we tell what is wrong, in one line */
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    wrong = posix_spawnp(pid, "dot", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return wrong;
}

/* Reads what dot writes until it ends, or the user says so. */
static rhi_error *read_picture(rhi_session *session, int output, char **svg, size_t *size)
{
    size_t capacity = 0;
    for (;;) {
        struct pollfd ready = {.fd = output, .events = POLLIN};
        RHI_TRY(rhi__progress(&session->work, "drawing", 0, 0));
        if (poll(&ready, 1, POLL_MILLISECONDS) <= 0)
            continue;
        if (*size == capacity) {
            char *grown = capacity < PICTURE_BYTES_MAX
                              ? realloc(*svg, capacity = capacity ? 2 * capacity : 1 << 16)
                              : NULL;
            if (!grown)
                return rhi__error_memory();
            *svg = grown;
        }
        ssize_t step = read(output, *svg + *size, capacity - *size);
        if (step == 0 || (step < 0 && errno != EINTR))
            return NULL;
        *size += step > 0 ? (size_t)step : 0;
    }
}

/* A debugger may reap our child before we do (it waits for any): the picture's own end tells that
 * it is whole. */
static bool is_whole(const char *svg, size_t size)
{
    static const char end[] = "</svg>";
    while (size && strchr(" \r\n", svg[size - 1]))
        size--;
    return size >= sizeof end - 1 &&
           memcmp(svg + size - (sizeof end - 1), end, sizeof end - 1) == 0;
}

static rhi_error *run_dot(rhi_session *session, const char *text, size_t text_size, char **svg,
                          size_t *size)
{
    pid_t pid;
    int ends[2], input = hold(text, text_size);
    if (input < 0 || pipe2(ends, O_CLOEXEC) != 0) {
        if (input >= 0)
            close(input);
        return rhi__error("cannot run Graphviz's dot: %s", strerror(errno));
    }
    int wrong = start_dot(input, ends[1], &pid);
    close(input);
    close(ends[1]);
    rhi_error *error =
        wrong ? rhi__error(
                    "cannot run Graphviz's dot: %s (install the package graphviz, or use --dot)",
                    strerror(wrong))
              : read_picture(session, ends[0], svg, size);
    close(ends[0]);
    if (!wrong && error)
        kill(pid, SIGKILL);
    while (!wrong && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (!error && !is_whole(*svg, *size))
        error = rhi__error("Graphviz's dot could not draw it: try --dot, and dot by hand");
    return error;
}

rhi_error *rhi__draw(const rhi_selection *selection, rhi_picture *picture)
{
    char *text = NULL, *svg = NULL;
    size_t text_size = 0, svg_size = 0;
    if (picture->dot_path)
        RHI_TRY(rhi__file_check(picture->dot_path));
    if (picture->svg_path)
        RHI_TRY(rhi__file_check(picture->svg_path));
    rhi_error *error = make_graph(selection, picture, &text, &text_size);
    if (!error && picture->svg_path)
        error = run_dot(selection->session, text, text_size, &svg, &svg_size);
    if (!error && picture->dot_path)
        error = rhi__file_write(picture->dot_path, text, text_size);
    if (!error && picture->svg_path)
        error = rhi__file_write(picture->svg_path, svg, svg_size);
    free(text);
    free(svg);
    return error;
}
