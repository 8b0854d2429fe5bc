/* fuzz_kernel.c - libFuzzer: the input patches a core that the kernel wrote, of a program with
 * arenas, free lists, threads and debug info (REFHEAP_FUZZ_CORE); every command is asked about
 * it, and pictures are written.
 *
 * Each 16 bytes of the input are one patch: where, counted in the bytes that the file really has,
 * and what to write there. Invariant: after each input the core is as it was. */
#include <refheap/inspect.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATCHES_MAX = 64, PIECES_MAX = 4096, PICTURE_EVERY = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *count, char ***arguments);

static int file;
static char path[64], folder[] = "/tmp/refheap-fuzz-XXXXXX", dot[64], svg[64];
static struct {
    uint64_t offset, size;
} pieces[PIECES_MAX];
static size_t piece_count;
static uint64_t bytes_in_all;

static void emit_nothing(void *context, int stream, const char *text, uint64_t size)
{
    (void)context, (void)stream, (void)text, (void)size;
}

static void remove_pictures(void)
{
    unlink(dot + strlen("--dot="));
    unlink(svg + strlen("--svg="));
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    static char buffer[1 << 20];
    const char *name = getenv("REFHEAP_FUZZ_CORE");
    int from = name ? open(name, O_RDONLY) : -1;
    off_t end = from < 0 ? 0 : lseek(from, 0, SEEK_END);
    (void)count, (void)arguments;
    file = memfd_create("core", 0);
    if (end <= 0 || file < 0 || ftruncate(file, end) != 0 || !mkdtemp(folder))
        abort();
    for (off_t at = lseek(from, 0, SEEK_DATA); at >= 0 && at < end && piece_count < PIECES_MAX;
         at = lseek(from, at, SEEK_DATA)) {
        off_t hole = lseek(from, at, SEEK_HOLE);
        pieces[piece_count].offset = (uint64_t)at;
        pieces[piece_count++].size = (uint64_t)(hole - at);
        bytes_in_all += (uint64_t)(hole - at);
        while (at < hole) {
            ssize_t got =
                pread(from, buffer,
                      hole - at < (off_t)sizeof buffer ? (size_t)(hole - at) : sizeof buffer, at);
            if (got <= 0 || pwrite(file, buffer, (size_t)got, at) != got)
                abort();
            at += got;
        }
    }
    close(from);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    snprintf(dot, sizeof dot, "--dot=%s/x.dot", folder);
    snprintf(svg, sizeof svg, "--svg=%s/x.svg", folder);
    atexit(remove_pictures);
    return 0;
}

static uint64_t place_of(uint64_t number)
{
    number %= bytes_in_all;
    for (size_t i = 0; i < piece_count; i++) {
        if (number < pieces[i].size)
            return pieces[i].offset + number;
        number -= pieces[i].size;
    }
    abort();
}

static void ask_all(const uint8_t *data, size_t size)
{
    static const struct {
        const char *command, *line;
    } asks[] = {{"gcleaks", "--json --limit=0"},
                {"gcleaks", ""},
                {"gcstat", ""},
                {"gcverify", "--json"},
                {"gcstale", ""},
                {"gcgraph", ""},
                {"gcgraph", "--json --depth=3 #1, #90"},
                {"refs", "--path #1"},
                {"refs", "--path --json #40"},
                {"refs", "--path #95"},
                {"objat", "--ledger --history #2"},
                {"objat", "--json 0x555555559000"},
                {"gcfind", "--unreachable --json"}};
    rhi_target core;
    char error[256];
    if (rhi_target_open_core(path, NULL, &core, error, sizeof error) != 0)
        return;
    rhi_session *session = rhi_session_new();
    core.emit = emit_nothing;
    for (size_t i = 0; session && i < sizeof asks / sizeof *asks; i++)
        rhi_session_run(session, &core, asks[i].command, asks[i].line);
    const char *const words[] = {dot, "#1", NULL}, *const drawn[] = {svg, "#1", NULL};
    rhi_session_run_words(session, &core, "gcgraph", words);
    if (size && data[0] % PICTURE_EVERY == 0)
        rhi_session_run_words(session, &core, "gcgraph", drawn);
    rhi_session_free(session);
    rhi_target_close(&core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct {
        uint64_t at, before;
    } patches[PATCHES_MAX];
    size_t count = size / 16 < PATCHES_MAX ? size / 16 : PATCHES_MAX;
    for (size_t i = 0; i < count; i++) {
        uint64_t words[2];
        memcpy(words, data + i * 16, sizeof words);
        patches[i].at = place_of(words[0]) & ~7ull;
        if (pread(file, &patches[i].before, 8, (off_t)patches[i].at) != 8 ||
            pwrite(file, &words[1], 8, (off_t)patches[i].at) != 8)
            abort();
    }
    ask_all(data, size);
    for (size_t i = count; i-- > 0;)
        if (pwrite(file, &patches[i].before, 8, (off_t)patches[i].at) != 8)
            abort();
    return 0;
}
