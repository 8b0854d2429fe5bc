/* fuzz_module.c - libFuzzer: the input is the file of a module, which the engine believes to be
 * the mapped one; asked are stacks in its code, words in its data, and expressions of its names.
 * Seeds are small programs (module_seed.c).
 *
 * Invariant: the heap is the same each time; whatever the file says, every question about it is
 * answered. */
#include "fake_scene.h"

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODULE_BYTES = 1 << 15, CODE_STEP = 5, WORD_STEP = 120 };
static const uint64_t module = 0x400000000000;

/* Instructions from the entry point on, four at a time. */
static void record_stacks(world *w, uint64_t object, uint64_t entry)
{
    for (uint64_t event = 0; event < FAKE_RING; event++) {
        uint64_t calls[FAKE_STACK_DEPTH];
        for (unsigned i = 0; i < FAKE_STACK_DEPTH; i++)
            calls[i] =
                module + (entry - 0x60 + CODE_STEP * (event * FAKE_STACK_DEPTH + i)) % MODULE_BYTES;
        fake_event(w->heap, RH_EVENT_ALLOC, object, fake_serial(w->heap, object), w->node,
                   RH_DEATH_RELEASE);
        fake_stack(w->heap, event, calls, FAKE_STACK_DEPTH);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const lines[] = {"--history --json ",
                                        "registry.slots[3]",
                                        "&matrix[1][2]",
                                        "work::kept.last[1]",
                                        "registry.pairs[2].left",
                                        "'module_seed.c'::file_static[1]->next->number",
                                        "((struct node *)registry.slots[0])->other",
                                        "of_thread"};
    Elf64_Ehdr header = {.e_entry = 0};
    char path[64], line[128];
    int file = memfd_create("module", 0);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    memcpy(&header, data, size < sizeof header ? size : sizeof header);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    world w = world_new(0);
    uint64_t object = new_node(&w, 1);
    /* no headers: the name is believed */
    fake_map(w.t, module, 0x1000, RHI_REGION_READ, path)->hidden = true;
    fake_segment *rest = fake_map(w.t, module + 0x1000, MODULE_BYTES - 0x1000,
                                  RHI_REGION_READ | RHI_REGION_WRITE, path);
    rest->file_offset = 0x1000;
    for (uint64_t at = 0; at < MODULE_BYTES - 0x1000; at += WORD_STEP)
        fake_put(w.t, module + 0x1000 + at, object, 8);
    w.t->target.exe_path = path;
    w.t->target.evaluate = NULL;
    w.t->target.name = NULL;
    record_stacks(&w, object, header.e_entry);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(line, sizeof line, i ? "%s" : "%s0x%llx", lines[i], (unsigned long long)object);
        fake_run(w.t, "objat", line);
    }
    snprintf(line, sizeof line, "--path --limit=4000 0x%llx", (unsigned long long)object);
    fake_run(w.t, "refs", line);
    world_free(&w);
    close(file);
    return 0;
}
