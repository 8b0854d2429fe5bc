/* draw.c - a selection as a Graphviz picture.
 * Colours: orange what is unreachable, green what is held, blue immortals; a double border marks the
 * objects that were asked for, bold edges those that are part of a cycle. */
#include "selection.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct drawing {
    const rhi_selection *selection;
    FILE *file;
    rhi_map drawn;
} drawing;

/* Type and field names are the program's: no quote or backslash of theirs may end a label. */
static void put_escaped(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        fputc(*text, file);
    }
}

static void draw_node(const drawing *d, uint32_t index)
{
    const rhi_selection *s = d->selection;
    rhi_object object;
    char id[RHI_ID_SIZE], count[32];
    if (!rhi__object_at_index(s->session, s->reader, index, &object))
        return;
    rhi__object_id(s->reader, &object, id, sizeof id);
    rhi__count_text(&object, count, sizeof count);
    const char *colour = object.immortal ? "#cfe2f3" : rhi__is_unreachable(s->graph, index) ? "#f9cb9c" : "#d9ead3";
    fprintf(d->file, "  n%" PRIu32 " [fillcolor=\"%s\"%s, label=\"", index, colour,
            rhi__is_asked_for(s, index) ? ", peripheries=2" : "");
    put_escaped(d->file, id);
    fprintf(d->file, "\\n%s%s\"];\n", object.immortal ? "" : "count ", count);
}

static bool draw_edge(void *context, const rhi_edge *edge)
{
    const drawing *d = context;
    const rhi_graph *g = d->selection->graph;
    char name[RHI_NAME_SIZE + 32];
    if (rhi__map_get(&d->drawn, edge->to) == RHI_NOT_THERE)
        return true;
    bool is_strong = edge->field->kind != RHI_KIND_BORROWED;
    bool in_cycle = is_strong && g->cycle_of[edge->from] != RHI_NO_OBJECT && g->cycle_of[edge->from] == g->cycle_of[edge->to];
    rhi__slot_name(edge->field, edge->element, name, sizeof name);
    fprintf(d->file, "  n%" PRIu32 " -> n%" PRIu32 " [label=\"", edge->from, edge->to);
    put_escaped(d->file, name);
    fprintf(d->file, "\"%s%s];\n", edge->field->kind == RHI_KIND_STRONG ? "" : ", style=dashed", in_cycle ? ", penwidth=2.5" : "");
    return true;
}

static rhi_error *write_dot(const rhi_selection *selection, FILE *file, uint64_t left_out)
{
    uint64_t count = selection->nodes.count < RHI_DRAWN_MAX ? selection->nodes.count : RHI_DRAWN_MAX;
    drawing d = {.selection = selection, .file = file};
    fprintf(file, "digraph refheap {\n  node [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\"];\n"
                  "  edge [fontname=\"Helvetica\", fontsize=10];\n");
    fprintf(file, "  labelloc=b; label=\"orange: unreachable, held only from inside; green: held; blue: immortal\\n"
                  "double border: asked for; bold: part of a cycle; dashed: weak");
    if (left_out)
        fprintf(file, "\\n%" PRIu64 " more object%s left out", left_out, left_out == 1 ? " is" : "s are");
    fprintf(file, "\";\n");
    bool ok = true;
    for (uint64_t i = 0; i < count && ok; i++) {
        draw_node(&d, selection->nodes.items[i]);
        ok = rhi__map_set(&d.drawn, selection->nodes.items[i], 0);
    }
    for (uint64_t i = 0; i < count && ok; i++)
        rhi__each_edge(selection->session, selection->reader, selection->nodes.items[i], draw_edge, &d);
    rhi__map_free(&d.drawn);
    fprintf(file, "}\n");
    return ok ? NULL : rhi__error_memory();
}

/* A debugger may reap our child before we do (it waits for any): then only the file tells. */
static rhi_error *run_dot(const char *dot_path, const char *svg_path)
{
    char *arguments[] = {"dot", "-Tsvg", "-o", (char *)svg_path, (char *)dot_path, NULL};
    struct stat written;
    pid_t pid;
    int status = 0;
    unlink(svg_path);
    posix_spawn_file_actions_t quiet; /* what is wrong is told in one line, by us */
    int wrong = posix_spawn_file_actions_init(&quiet);
    if (!wrong) {
        posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        wrong = posix_spawnp(&pid, "dot", &quiet, NULL, arguments, environ);
        posix_spawn_file_actions_destroy(&quiet);
    }
    if (wrong)
        return rhi__error("cannot run Graphviz's dot: %s (install the package graphviz, or use --dot)", strerror(wrong));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    while (kill(pid, 0) == 0 && errno != ESRCH)
        usleep(10000); /* not reaped by us and still running */
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || stat(svg_path, &written) != 0 || written.st_size == 0)
        return rhi__error("Graphviz's dot could not draw %s: is its folder there and writable?", svg_path);
    return NULL;
}

rhi_error *rhi__draw(const rhi_selection *selection, const char *dot_path, const char *svg_path, uint64_t left_out)
{
    char temporary[] = "/tmp/refheap-XXXXXX";
    FILE *file;
    if (dot_path) {
        file = fopen(dot_path, "we");
    } else {
        int descriptor = mkstemp(temporary);
        file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    }
    const char *path = dot_path ? dot_path : temporary;
    if (!file)
        return rhi__error("cannot write %s: %s", path, strerror(errno));
    rhi_error *error = write_dot(selection, file, left_out);
    if (fclose(file) != 0 && !error)
        error = rhi__error("cannot write %s: %s", path, strerror(errno));
    if (!error && svg_path)
        error = run_dot(path, svg_path);
    if (!dot_path)
        unlink(temporary);
    return error;
}
