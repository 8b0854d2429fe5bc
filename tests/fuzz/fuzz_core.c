/* fuzz_core.c - libFuzzer: the input is a core file; seeds are made by `fuzz_core --seed FILE`. */
#include "fake_core.h"
#include "fake_scene.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *count, char ***arguments);

static void emit_nothing(void *context, int stream, const char *text, uint64_t size)
{
    (void)context, (void)stream, (void)text, (void)size;
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    if (*count != 3 || strcmp((*arguments)[1], "--seed") != 0)
        return 0;
    scene *s = scene_new(0);
    size_t size;
    uint8_t *bytes = fake_core_bytes(s->w.t, &size);
    fake_core_write((*arguments)[2], bytes, size);
    free(bytes);
    scene_free(s);
    exit(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const char *command, *line;
    } asks[] = {{"objat", "--json --ledger --history #1"},
                {"refs", "--path --weak --depth=3 #1"},
                {"refs", "--json #3"},
                {"gcgraph", "--json"},
                {"gcgraph", "#2"},
                {"gcfind", "--json --unreachable --min-size=1"},
                {"gcstat", ""},
                {"gcverify", ""},
                {"gcleaks", ""},
                {"gcstale", "--json"}};
    char path[64], error[256];
    rhi_target core;
    int file = memfd_create("core", 0);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (rhi_target_open_core(path, NULL, &core, error, sizeof error) == 0) {
        rhi_session *session = rhi_session_new();
        core.emit = emit_nothing;
        core.name = NULL; /* libdwfl is not what is fuzzed */
        for (size_t i = 0; session && i < sizeof asks / sizeof *asks; i++)
            rhi_session_run(session, &core, asks[i].command, asks[i].line);
        rhi_session_free(session);
        rhi_target_close(&core);
    }
    close(file);
    return 0;
}
