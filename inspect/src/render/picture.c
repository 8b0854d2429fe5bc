/* picture.c - has a picture drawn by Graphviz (see picture.h); drawing.c says what it looks like.
 *
 * Invariant: no file of the user's is touched before the whole picture is there (file.h), and dot
 * is given no name. */
#include "render/picture.h"
#include "render/drawing.h"
#include "render/file.h"

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

enum { PICTURE_BYTES_MAX = 64 << 20, POLL_MILLISECONDS = 50 };

/* The picture in dot's language, in `text` (allocated). */
static rhi_error *make_graph(const rhi_picture *picture, char **text, size_t *size)
{
    FILE *file = open_memstream(text, size);
    if (!file)
        return rhi__error_memory();
    rhi_error *error = rhi__write_drawing(file, picture);
    if (fclose(file) != 0 && !error)
        error = rhi__error_memory();
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
static rhi_error *read_picture(rhi_work *work, int output, char **svg, size_t *size)
{
    size_t capacity = 0;
    for (;;) {
        struct pollfd ready = {.fd = output, .events = POLLIN};
        RHI_TRY(rhi__progress(work, "drawing", 0, 0));
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

/* instead: what to do where there is no dot: "use --dot". */
static rhi_error *run_dot(rhi_work *work, const char *instead, const char *text, size_t text_size,
                          char **svg, size_t *size)
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
        wrong ? rhi__error("cannot run Graphviz's dot: %s (install the package graphviz, or %s)",
                           strerror(wrong), instead)
              : read_picture(work, ends[0], svg, size);
    close(ends[0]);
    if (!wrong && error)
        kill(pid, SIGKILL);
    while (!wrong && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (!error && !is_whole(*svg, *size))
        error = rhi__error("Graphviz's dot could not draw it: %s, and try dot by hand", instead);
    return error;
}

rhi_error *rhi__draw(rhi_work *work, const rhi_picture *picture, const rhi_picture_files *files)
{
    char *text = NULL, *svg = NULL;
    size_t text_size = 0, svg_size = 0;
    if (files->dot)
        RHI_TRY(rhi__file_check(files->dot));
    if (files->svg)
        RHI_TRY(rhi__file_check(files->svg));
    rhi_error *error = make_graph(picture, &text, &text_size);
    if (!error && files->svg)
        error = run_dot(work, "use --dot", text, text_size, &svg, &svg_size);
    if (!error && files->dot)
        error = rhi__file_write(files->dot, text, text_size);
    if (!error && files->svg)
        error = rhi__file_write(files->svg, svg, svg_size);
    free(text);
    free(svg);
    return error;
}

rhi_error *rhi__draw_into(rhi_work *work, const rhi_picture *picture, bool is_drawn, FILE *file)
{
    char *text = NULL, *svg = NULL;
    size_t text_size = 0, svg_size = 0;
    rhi_error *error = make_graph(picture, &text, &text_size);
    if (!error && is_drawn)
        error = run_dot(work, "name the file .dot", text, text_size, &svg, &svg_size);
    if (!error) /* what fails is told by the stream */
        fwrite(is_drawn ? svg : text, 1, is_drawn ? svg_size : text_size, file);
    free(text);
    free(svg);
    return error;
}
