/* fake_target.c - made-up memory behind the target seam (see fake_target.h). */
#define _GNU_SOURCE
#include "fake_target.h"

#include <check.h>
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory --------------------------------------------------------------------------------- */

static fake_segment *segment_at(const fake_target *fake, uint64_t address)
{
    for (unsigned i = 0; i < fake->segment_count; i++)
        if (address >= fake->segments[i].start && address < fake->segments[i].end)
            return (fake_segment *)&fake->segments[i];
    return NULL;
}

fake_segment *fake_map(fake_target *fake, uint64_t start, uint64_t size, uint32_t flags,
                       const char *path)
{
    ck_assert_uint_lt(fake->segment_count, FAKE_SEGMENTS_MAX);
    fake_segment *segment = &fake->segments[fake->segment_count++];
    *segment = (fake_segment){
        .start = start, .end = start + size, .flags = flags, .bytes = calloc(1, size)};
    ck_assert_ptr_nonnull(segment->bytes);
    snprintf(segment->path, sizeof segment->path, "%s", path);
    return segment;
}

uint8_t *fake_bytes(fake_target *fake, uint64_t address, uint64_t size)
{
    fake_segment *segment = segment_at(fake, address);
    if (!segment || size > segment->end - address)
        ck_abort_msg("the test touches %llu bytes at 0x%llx, which it did not map",
                     (unsigned long long)size, (unsigned long long)address);
    return segment->bytes + (address - segment->start);
}

bool fake_is_mapped(const fake_target *fake, uint64_t address)
{
    return segment_at(fake, address) != NULL;
}

void fake_put(fake_target *fake, uint64_t address, uint64_t value, unsigned width)
{
    uint8_t *bytes = fake_bytes(fake, address, width);
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

uint64_t fake_get(fake_target *fake, uint64_t address, unsigned width)
{
    const uint8_t *bytes = fake_bytes(fake, address, width);
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

void fake_copy(fake_target *fake, uint64_t address, const void *bytes, size_t size)
{
    memcpy(fake_bytes(fake, address, size), bytes, size);
}

void fake_put_text(fake_target *fake, uint64_t address, const char *text, size_t size)
{
    uint8_t *bytes = fake_bytes(fake, address, size);
    memset(bytes, 0, size);
    memcpy(bytes, text, strlen(text) < size ? strlen(text) + 1 : size);
}

/* ---- the seam ------------------------------------------------------------------------------- */

static uint64_t read_memory(void *context, uint64_t address, void *buffer, uint64_t size)
{
    fake_target *fake = context;
    uint64_t done = 0;
    if (fake->stop_after_reads && ++fake->reads > fake->stop_after_reads)
        return 0;
    while (done < size) {
        uint64_t at = address + done;
        const fake_segment *segment = segment_at(fake, at);
        if (!segment || segment->hidden || (at >= fake->hole_start && at < fake->hole_end))
            break;
        uint64_t end = segment->end;
        if (at < fake->hole_start && fake->hole_start < end && fake->hole_start != fake->hole_end)
            end = fake->hole_start;
        uint64_t step = end - at < size - done ? end - at : size - done;
        memcpy((uint8_t *)buffer + done, segment->bytes + (at - segment->start), step);
        done += step;
    }
    return done;
}

static uint64_t write_memory(void *context, uint64_t address, const void *bytes, uint64_t size)
{
    fake_target *fake = context;
    const fake_segment *segment = segment_at(fake, address);
    if (!segment || !(segment->flags & RHI_REGION_WRITE) || size > segment->end - address)
        return 0;
    fake->writes++;
    fake->state++;
    fake->write_address = address;
    fake->write_size = size;
    memcpy(segment->bytes + (address - segment->start), bytes, size);
    return size;
}

static int stop_at(void *context, const uint64_t *instructions, uint64_t count)
{
    fake_target *fake = context;
    if (count > FAKE_WORDS_MAX)
        return -1;
    memcpy(fake->stops, instructions, count * sizeof *instructions);
    fake->stop_count = count;
    return 0;
}

static uint64_t frames(void *context, uint64_t *instructions, uint64_t max)
{
    const fake_target *fake = context;
    uint64_t count = fake->frame_count < max ? fake->frame_count : max;
    memcpy(instructions, fake->frames, count * sizeof *instructions);
    return count;
}

void fake_debugger(fake_target *fake)
{
    fake->target.stop_at = stop_at;
    fake->target.frames = frames;
}

static int report_regions(void *context, rhi_sink *sink)
{
    fake_target *fake = context;
    fake->region_calls++;
    for (unsigned i = 0; i < fake->segment_count; i++) {
        const fake_segment *s = &fake->segments[i];
        rhi_sink_region(sink, s->start, s->end, s->flags, s->file_offset, s->path);
    }
    return 0;
}

static int report_threads(void *context, rhi_sink *sink)
{
    const fake_target *fake = context;
    for (unsigned i = 0; i < fake->thread_count; i++) {
        rhi_sink_thread(sink, fake->threads[i].lwp, fake->threads[i].stack_pointer);
        for (unsigned k = 0; k < fake->register_count; k++)
            if (fake->registers[k].thread == i)
                rhi_sink_register(sink, fake->registers[k].name, fake->registers[k].value);
    }
    return 0;
}

static int evaluate_in(void *context, uint64_t lwp, uint32_t frame, const char *text,
                       uint64_t *value, char *error, uint64_t error_size)
{
    fake_target *fake = context;
    fake->evaluate_calls++;
    size_t used = strlen(fake->evaluated);
    snprintf(fake->evaluated + used, sizeof fake->evaluated - used, "%s\n", text);
    for (unsigned i = 0; i < fake->value_count; i++)
        if (strcmp(fake->values[i].text, text) == 0 && fake->values[i].lwp == lwp &&
            fake->values[i].frame == frame) {
            *value = fake->values[i].value;
            return 0;
        }
    snprintf(error, error_size, "No symbol \"%s\" in current context.", text);
    return -1;
}

static int evaluate(void *context, const char *text, uint64_t *value, char *error,
                    uint64_t error_size)
{
    return evaluate_in(context, 0, 0, text, value, error, error_size);
}

static int name_words(void *context, rhi_word *words, uint64_t count)
{
    const fake_target *fake = context;
    for (uint64_t i = 0; i < count; i++)
        for (unsigned k = 0; k < fake->name_count; k++)
            if (fake->names[k].address == words[i].address) {
                words[i].kind = fake->names[k].kind;
                const char *name = fake->names[k].name, *colons = strstr(name, "::");
                snprintf(words[i].name, sizeof words[i].name, "%s", colons ? colons + 2 : name);
                snprintf(words[i].function, sizeof words[i].function, "%.*s",
                         colons ? (int)(colons - name) : 0, name);
                sscanf(fake->names[k].detail, "frame %" SCNu32, &words[i].frame);
                const char *type = strstr(fake->names[k].detail, "type ");
                snprintf(words[i].type, sizeof words[i].type, "%s", type ? type + 5 : "");
            }
    return 0;
}

static uint64_t state_id(void *context)
{
    return ((const fake_target *)context)->state;
}

static int is_interrupted(void *context)
{
    fake_target *fake = context;
    return ++fake->polls == fake->interrupt_at ||
           (fake->stop_after_reads && fake->reads > fake->stop_after_reads);
}

/* With malloc's own failures under test, the capture must not fail: it has its room beforehand. */
void fake_emit(void *context, int stream, const char *text, uint64_t size)
{
    fake_target *fake = context;
    fake_text *to = stream == RHI_STREAM_OUT ? &fake->out : &fake->err;
    if (stream != RHI_STREAM_OUT && stream != RHI_STREAM_ERROR)
        abort(); /* libcheck's own asserts allocate */
    if (to->size + size + 1 > to->capacity) {
        to->capacity = (to->size + size + 1) * 2;
        to->bytes = realloc(to->bytes, to->capacity);
        if (!to->bytes)
            abort();
    }
    memcpy(to->bytes + to->size, text, size);
    to->size += size;
    to->bytes[to->size] = '\0';
}

fake_target *fake_target_new(void)
{
    fake_target *fake = calloc(1, sizeof *fake);
    ck_assert_ptr_nonnull(fake);
    fake->target = (rhi_target){.abi = RHI_ABI,
                                .context = fake,
                                .read = read_memory,
                                .regions = report_regions,
                                .threads = report_threads,
                                .evaluate = evaluate,
                                .evaluate_in = evaluate_in,
                                .name = name_words,
                                .state_id = state_id,
                                .interrupted = is_interrupted,
                                .write = write_memory,
                                .emit = fake_emit};
    fake->state = 1;
    fake->session = rhi_session_new();
    if (fake->session)
        rhi_session_set(fake->session, RHI_POLL_MILLISECONDS, 0); /* every poll counts */
    setenv("LC_ALL", "C.UTF-8", 1); /* what text looks like elsewhere is a test of its own */
    fake->out = (fake_text){.bytes = calloc(1, 1 << 16), .capacity = 1 << 16};
    fake->err = (fake_text){.bytes = calloc(1, 1 << 12), .capacity = 1 << 12};
    ck_assert_ptr_nonnull(fake->session);
    ck_assert(fake->out.bytes && fake->err.bytes);
    return fake;
}

void fake_target_free(fake_target *fake)
{
    rhi_session_free(fake->session);
    for (unsigned i = 0; i < fake->segment_count; i++)
        free(fake->segments[i].bytes);
    free(fake->out.bytes);
    free(fake->err.bytes);
    free(fake);
}

/* ---- modules, threads, names ---------------------------------------------------------------- */

void fake_module(fake_target *fake, uint64_t base, const char *path, uint64_t data_size,
                 uint64_t bss_size, uint64_t note_target)
{
    enum { NOTE_AT = 0x800 };
    /* as a program linked to a fixed address: proves the bias */
    const uint64_t link_base = 0x400000;
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_DYN,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 3};
    Elf64_Phdr segments[3] = {{.p_type = PT_LOAD,
                               .p_flags = PF_R | PF_X,
                               .p_vaddr = link_base,
                               .p_filesz = 0x1000,
                               .p_memsz = 0x1000},
                              {.p_type = PT_LOAD,
                               .p_flags = PF_R | PF_W,
                               .p_offset = 0x1000,
                               .p_vaddr = link_base + FAKE_MODULE_DATA,
                               .p_filesz = data_size,
                               .p_memsz = data_size + bss_size},
                              {.p_type = note_target ? PT_NOTE : PT_NULL,
                               .p_flags = PF_R,
                               .p_offset = NOTE_AT,
                               .p_vaddr = link_base + NOTE_AT,
                               .p_filesz = 28,
                               .p_memsz = 28}};
    fake_map(fake, base, 0x1000, RHI_REGION_READ | RHI_REGION_EXECUTE, path);
    fake_copy(fake, base, &header, sizeof header);
    fake_copy(fake, base + sizeof header, segments, sizeof segments);
    if (note_target) {
        fake_put(fake, base + NOTE_AT, 8, 4); /* "refheap" and its NUL */
        fake_put(fake, base + NOTE_AT + 4, 8, 4);
        fake_put(fake, base + NOTE_AT + 8, 1, 4);
        fake_put_text(fake, base + NOTE_AT + 12, "refheap", 8);
        fake_put(fake, base + NOTE_AT + 20, note_target - (base + NOTE_AT + 20), 8);
    }
    if (data_size)
        fake_map(fake, base + FAKE_MODULE_DATA, data_size, RHI_REGION_READ | RHI_REGION_WRITE, path)
            ->file_offset = 0x1000;
    if (bss_size)
        fake_map(fake, base + FAKE_MODULE_DATA + data_size, bss_size,
                 RHI_REGION_READ | RHI_REGION_WRITE, "");
}

void fake_thread(fake_target *fake, uint64_t lwp, uint64_t stack_pointer)
{
    ck_assert_uint_lt(fake->thread_count, FAKE_THREADS_MAX);
    fake->threads[fake->thread_count].lwp = lwp;
    fake->threads[fake->thread_count++].stack_pointer = stack_pointer;
}

void fake_register(fake_target *fake, const char *name, uint64_t value)
{
    ck_assert_uint_lt(fake->register_count, FAKE_REGISTERS_MAX);
    ck_assert_uint_gt(fake->thread_count, 0);
    fake->registers[fake->register_count].thread = fake->thread_count - 1;
    fake->registers[fake->register_count].name = name;
    fake->registers[fake->register_count++].value = value;
}

void fake_name(fake_target *fake, uint64_t address, uint32_t kind, const char *name,
               const char *detail)
{
    ck_assert_uint_lt(fake->name_count, FAKE_WORDS_MAX);
    fake->names[fake->name_count].address = address;
    fake->names[fake->name_count].kind = kind;
    fake->names[fake->name_count].name = name;
    fake->names[fake->name_count++].detail = detail;
}

void fake_value(fake_target *fake, const char *text, uint64_t value)
{
    fake_value_in(fake, 0, 0, text, value);
}

void fake_value_in(fake_target *fake, uint64_t lwp, uint32_t frame, const char *text,
                   uint64_t value)
{
    ck_assert_uint_lt(fake->value_count, FAKE_WORDS_MAX);
    fake->values[fake->value_count].text = text;
    fake->values[fake->value_count].lwp = lwp;
    fake->values[fake->value_count].frame = frame;
    fake->values[fake->value_count++].value = value;
}

/* ---- running -------------------------------------------------------------------------------- */

int fake_run(fake_target *fake, const char *command, const char *line)
{
    fake->out.size = fake->err.size = 0;
    fake->out.bytes[0] = fake->err.bytes[0] = '\0';
    fake->polls = fake->reads = 0;
    return rhi_session_run(fake->session, &fake->target, command, line);
}

/* Checks run in processes of their own: each writes an answer at once, behind the others. */
void fake_keep_answer(const char *bytes, size_t size)
{
    const char *path = getenv("REFHEAP_ANSWERS");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    setvbuf(file, NULL, _IOFBF, size + 1);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

json_t *fake_json_status(fake_target *fake, const char *command, const char *line, int *status)
{
    char *whole = NULL;
    json_error_t error;
    if (asprintf(&whole, "--json %s", line) < 0)
        abort();
    *status = fake_run(fake, command, whole);
    json_t *json = json_loadb(fake->out.bytes, fake->out.size,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!json)
        ck_abort_msg("%s %s: no JSON: %s at line %d in:\n%.3000s", command, whole, error.text,
                     error.line, fake->out.bytes);
    free(whole);
    fake_keep_answer(fake->out.bytes, fake->out.size);
    ck_assert_str_eq(fake_string(json, "command"), command);
    ck_assert_msg(json_is_boolean(fake_at(json, "complete")), "no \"complete\"");
    bool failed = fake_at(json, "error") != NULL; /* --check: status 1 or 2 with an answer */
    ck_assert_msg(failed ? *status == RHI_NO_ANSWER
                         : *status == RHI_ANSWERED || strstr(line, "--check"),
                  "exit status %d does not fit:\n%.3000s", *status, fake->out.bytes);
    ck_assert_str_eq(fake->err.bytes, "");
    return json;
}

json_t *fake_json(fake_target *fake, const char *command, const char *line)
{
    int status;
    json_t *json = fake_json_status(fake, command, line, &status);
    ck_assert_msg(status == RHI_ANSWERED, "%s %s failed: %.500s", command, line, fake->out.bytes);
    return json;
}

const char *fake_json_failure(fake_target *fake, const char *command, const char *line)
{
    int status;
    json_t *json = fake_json_status(fake, command, line, &status);
    ck_assert_msg(status == RHI_NO_ANSWER, "%s %s did not fail: %.500s", command, line,
                  fake->out.bytes);
    ck_assert_msg(!json_is_true(fake_at(json, "complete")), "an error claims to be complete");
    ck_assert_msg(rhi_session_error(fake->session)[0], "no session error");
    snprintf(fake->out.bytes, fake->out.capacity, "%s", fake_string(json, "error"));
    json_decref(json);
    return fake->out.bytes;
}

json_t *fake_at(const json_t *json, const char *path)
{
    char key[64];
    while (json && *path) {
        size_t length = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        json = json_is_array(json) ? json_array_get(json, strtoul(key, NULL, 10))
                                   : json_object_get(json, key);
        path += length + (path[length] == '.');
    }
    return (json_t *)json;
}

static json_t *must_have(const json_t *json, const char *path, json_type type)
{
    json_t *found = fake_at(json, path);
    if (!found || json_typeof(found) != type) {
        char *text = json_dumps(json, JSON_COMPACT);
        ck_abort_msg("%s is missing or of another type in %.3000s", path, text);
    }
    return found;
}

long long fake_integer(const json_t *json, const char *path)
{
    return json_integer_value(must_have(json, path, JSON_INTEGER));
}

const char *fake_string(const json_t *json, const char *path)
{
    return json_string_value(must_have(json, path, JSON_STRING));
}

size_t fake_size(const json_t *json, const char *path)
{
    return json_array_size(must_have(json, path, JSON_ARRAY));
}
