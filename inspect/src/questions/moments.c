/* moments.c - opens moments, and holds against each other which process they are of (see
 * moments.h). */
#include "questions/moments.h"
#include "target/packed.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening -------------------------------------------------------------------------------- */

enum { HEAD_BYTES = 64, READ_BYTES = 1 << 26 };
#define FILE_BYTES_MAX (1ull << 34) /* of thousands of millions of objects */

static uint64_t read_all(int file, uint8_t *bytes, uint64_t size)
{
    uint64_t done = 0;
    while (done < size) {
        uint64_t step = size - done < READ_BYTES ? size - done : READ_BYTES;
        ssize_t got = pread(file, bytes + done, step, (off_t)done);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        done += got > 0 ? (uint64_t)got : 0;
    }
    return done;
}

/* Reads the file if it begins as a saved snapshot does; *snapshot stays NULL if not. `head`: its
 * beginning. */
static rhi_error *read_saved(const char *path, int file, uint64_t size, uint8_t head[HEAD_BYTES],
                             uint64_t *head_size, rhi_snapshot **snapshot)
{
    *head_size = read_all(file, head, size < HEAD_BYTES ? size : HEAD_BYTES);
    if (!rhi__is_snapshot(head, *head_size))
        return NULL;
    if (size > FILE_BYTES_MAX)
        return rhi__error("%.300s is larger than what gcdiff saves: it was changed", path);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return rhi__error_memory();
    rhi_error *error = rhi__snapshot_decode(path, bytes, read_all(file, bytes, size), snapshot);
    free(bytes);
    return error;
}

static rhi_error *open_saved(const char *path, uint8_t head[HEAD_BYTES], uint64_t *head_size,
                             rhi_snapshot **snapshot)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe is no file */
    if (file < 0)
        return rhi__error("cannot open %.300s: %s", path, strerror(errno));
    rhi_error *error = NULL;
    if (fstat(file, &status) != 0)
        error = rhi__error("cannot open %.300s: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode) || status.st_size == 0)
        error =
            rhi__error("%.300s is %s", path, S_ISREG(status.st_mode) ? "empty" : "no regular file");
    else
        error = read_saved(path, file, (uint64_t)status.st_size, head, head_size, snapshot);
    close(file);
    return error;
}

static rhi_error *about(const char *name, rhi_error *error)
{
    if (!error || error == rhi__error_cancelled() || error == rhi__error_memory())
        return error;
    rhi_error *named = rhi__error("%.200s: %s", name, error->message);
    rhi__error_free(error);
    return named;
}

static void add_notes(const char *name, const rhi_notes *from, rhi_notes *to)
{
    char text[640];
    for (uint64_t i = 0; i < from->count; i++) {
        rhi__text(text, sizeof text, "%.200s: %s", name, from->items[i]);
        rhi__note(to, text);
    }
    to->is_incomplete |= from->is_incomplete;
}

/* The session stays open: objects are shown from it. */
static rhi_error *open_core(rhi_session *session, rhi_moment *moment)
{
    RHI_TRY(rhi__session_beside(session, moment->name, &moment->session));
    moment->is_beside = true;
    rhi_error *error = about(moment->name, rhi__snapshot_take(moment->session, &moment->snapshot));
    if (moment->session->has_memory && moment->session->memory.is_short) {
        rhi__error_free(error);
        return rhi__error_memory();
    }
    add_notes(moment->name, &moment->session->remarks, &session->remarks);
    return error;
}

rhi_error *rhi__moment_open(rhi_session *session, const char *path, rhi_moment *moment)
{
    uint8_t head[HEAD_BYTES] = {0};
    uint64_t head_size = 0;
    char packed[512];
    *moment = (rhi_moment){.name = path};
    RHI_TRY(open_saved(path, head, &head_size, &moment->snapshot));
    if (!moment->snapshot && memcmp(head, ELFMAG, SELFMAG) != 0 &&
        !rhi__packed_message(head, head_size, path, packed, sizeof packed))
        return rhi__error("%.300s is neither a file that gcdiff --save wrote nor a core", path);
    if (!moment->snapshot)
        RHI_TRY(open_core(session, moment));
    add_notes(path, &moment->snapshot->notes, &session->notes);
    return NULL;
}

rhi_error *rhi__moment_now(rhi_session *session, rhi_moment *moment)
{
    *moment = (rhi_moment){.name = "now", .session = session};
    return rhi__snapshot_take(session, &moment->snapshot);
}

void rhi__moment_free(rhi_session *session, rhi_moment *moment)
{
    rhi__snapshot_free(moment->snapshot);
    if (moment->is_beside)
        rhi__session_beside_free(session, moment->session);
}

/* ---- of one process ------------------------------------------------------------------------- */

static bool has_nonce(const rhi_snapshot *snapshot)
{
    for (uint64_t i = 0; i < snapshot->spaces.count; i++)
        if (snapshot->spaces.items[i].nonce)
            return true;
    return false;
}

static bool is_random_known(const rhi_snapshot *snapshot)
{
    return snapshot->process.random[0] || snapshot->process.random[1];
}

/* Which one it is among those of its format. */
static uint64_t number_in_format(const rhi_snapshot *snapshot, const rhi_snapshot_space *space)
{
    uint64_t number = 0;
    for (const rhi_snapshot_space *each = snapshot->spaces.items; each < space; each++)
        number += strcmp(each->format, space->format) == 0;
    return number;
}

const rhi_snapshot_space *rhi__same_space(const rhi_snapshot *snapshot, const rhi_snapshot *other,
                                          const rhi_snapshot_space *space)
{
    uint64_t number = number_in_format(other, space);
    for (uint64_t i = 0; i < snapshot->spaces.count; i++) {
        const rhi_snapshot_space *each = &snapshot->spaces.items[i];
        if (strcmp(each->format, space->format) == 0 && each->nonce == space->nonce &&
            each->has_serials == space->has_serials &&
            (each->nonce || number_in_format(snapshot, each) == number))
            return each;
    }
    return NULL;
}

/* A copy of a runtime that both have, by its nonce; NULL: there is none. */
static const rhi_snapshot_space *common_space(const rhi_snapshot *a, const rhi_snapshot *b,
                                              const rhi_snapshot_space **same)
{
    for (uint64_t i = 0; i < a->spaces.count; i++)
        if (a->spaces.items[i].nonce && (*same = rhi__same_space(b, a, &a->spaces.items[i])))
            return &a->spaces.items[i];
    return NULL;
}

static rhi_error *other_run(const rhi_moment *before, const rhi_moment *after)
{
    return rhi__error("%.200s and %.200s are of different processes, of another program or of "
                      "another run: what lived on cannot be told",
                      before->name, after->name);
}

static rhi_error *other_child(const rhi_moment *before, const rhi_moment *after, uint64_t pid,
                              uint64_t other)
{
    return rhi__error("%.200s is of process %" PRIu64 ", %.200s of process %" PRIu64
                      ": a child of fork is another process",
                      before->name, pid, after->name, other);
}

rhi_error *rhi__moments_fit(rhi_session *session, const rhi_moment *before, const rhi_moment *after)
{
    const rhi_snapshot *a = before->snapshot, *b = after->snapshot;
    const rhi_snapshot_space *same = NULL, *common = common_space(a, b, &same);
    bool both_random = is_random_known(a) && is_random_known(b);
    if ((both_random && memcmp(a->process.random, b->process.random, sizeof a->process.random)) ||
        (!common && has_nonce(a) && has_nonce(b)))
        return other_run(before, after);
    if (common && common->pid != same->pid)
        return other_child(before, after, common->pid, same->pid);
    if (common)
        return NULL;
    if (a->process.pid && b->process.pid && a->process.pid != b->process.pid)
        return other_child(before, after, a->process.pid, b->process.pid);
    if (!both_random)
        rhi__note(&session->remarks,
                  "whether all of this is of one process is not known: compare moments of one");
    return NULL;
}
