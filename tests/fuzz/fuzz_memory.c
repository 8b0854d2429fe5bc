/* fuzz_memory.c - libFuzzer: the input is a list of patches to a valid heap's memory, then
 * questions.
 *
 * A patch is 8 bytes: segment, width and kind of value, 2 bytes of place, 4 bytes of value. The
 * heap is built once and restored after each input. */
#include "fake_scene.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATCHES_MAX = 32 };

static scene *heap_of_everything;
static uint8_t *copies[FAKE_SEGMENTS_MAX];

static void start(void)
{
    heap_of_everything = scene_new(1);
    const fake_target *t = heap_of_everything->w.t;
    for (unsigned i = 0; i < t->segment_count; i++) {
        uint64_t size = t->segments[i].end - t->segments[i].start;
        copies[i] = malloc(size);
        if (!copies[i])
            abort();
        memcpy(copies[i], t->segments[i].bytes, size);
    }
}

static void patch(scene *s, const uint8_t *p)
{
    fake_segment *at = &s->w.t->segments[p[0] % s->w.t->segment_count];
    uint64_t place = p[2] | (uint64_t)p[3] << 8, value = 0;
    memcpy(&value, p + 4, 4);
    switch (p[1] >> 4) {
    case 0:
        value = s->addresses[value % s->address_count];
        break;
    case 1:
        value = (uint64_t)(int64_t)(int32_t)value;
        break;
    case 2:
        value <<= 32;
        break;
    case 3:
        value = at->start + value % (at->end - at->start);
        break;
    }
    unsigned width = 1u << (p[1] & 3);
    place %= at->end - at->start - 7;
    memcpy(at->bytes + place, &value, width);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const commands[] = {"objat",  "refs",    "gcgraph",
                                           "gcfind", "gcleaks", "gcstale"};
    static const char *const options[] = {"--ledger --history",
                                          "--path --weak --depth=4",
                                          "--limit=0",
                                          "--unreachable --min-size=1",
                                          "",
                                          "--limit=0"};
    enum { COMMANDS = sizeof commands / sizeof *commands, WITH_OPERAND = 3 };
    if (!heap_of_everything)
        start();
    scene *s = heap_of_everything;
    fake_target *t = s->w.t;
    size_t count = size / 8 < PATCHES_MAX ? size / 8 : PATCHES_MAX;
    for (size_t i = 0; i < count; i++)
        patch(s, data + i * 8);
    t->state++;
    for (unsigned i = 0; i < 2 * COMMANDS; i++) {
        char line[96];
        int status;
        uint64_t address = s->addresses[(size ? data[size - 1] + i : i) % s->address_count];
        snprintf(line, sizeof line, "%s %s", options[i % COMMANDS],
                 i == 2 || i % COMMANDS >= WITH_OPERAND ? "" : text_of(address));
        json_decref(fake_json_status(t, commands[i % COMMANDS], line, &status));
        fake_run(t, commands[i % COMMANDS], line);
    }
    for (unsigned i = 0; i < t->segment_count; i++)
        memcpy(t->segments[i].bytes, copies[i], t->segments[i].end - t->segments[i].start);
    return 0;
}
