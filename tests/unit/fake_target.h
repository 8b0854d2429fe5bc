/* fake_target.h - an rhi_target whose memory, threads, names and answers a test makes up.
 *
 * Memory is a table of segments at addresses of the test's choice; nothing of it need be mapped in
 * this process. Invariant: segments do not overlap; what is written lies inside one of them. */
#ifndef REFHEAP_TESTS_FAKE_TARGET_H
#define REFHEAP_TESTS_FAKE_TARGET_H

#include <jansson.h>
#include <refheap/inspect.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    FAKE_SEGMENTS_MAX = 512,
    FAKE_THREADS_MAX = 8,
    FAKE_REGISTERS_MAX = 64,
    FAKE_WORDS_MAX = 32,
    FAKE_PATH_SIZE = 64
};

typedef struct fake_segment {
    uint64_t start, end, file_offset;
    uint32_t flags;
    char path[FAKE_PATH_SIZE];
    uint8_t *bytes;
    bool hidden; /* in the map, but its bytes cannot be read */
} fake_segment;

typedef struct fake_text {
    char *bytes; /* NUL-terminated behind `size` */
    size_t size, capacity;
} fake_text;

typedef struct fake_target {
    rhi_target target; /* hand this to the engine; a test may change callbacks */
    rhi_session *session;
    fake_segment segments[FAKE_SEGMENTS_MAX];
    unsigned segment_count;
    struct {
        uint64_t lwp, stack_pointer;
    } threads[FAKE_THREADS_MAX];
    unsigned thread_count;
    struct {
        unsigned thread;
        const char *name;
        uint64_t value;
    } registers[FAKE_REGISTERS_MAX];
    unsigned register_count;
    /* What `name` knows: words by address. */
    struct {
        uint64_t address;
        uint32_t kind;
        const char *name, *detail;
    } names[FAKE_WORDS_MAX];
    unsigned name_count;
    /* What `evaluate` knows. */
    /* lwp 0: in the selected frame */
    struct {
        const char *text;
        uint64_t value, lwp;
        uint32_t frame;
    } values[FAKE_WORDS_MAX];
    unsigned value_count;
    uint64_t state;
    unsigned long polls, interrupt_at; /* 0: never; else the poll that says "interrupted" */
    /* 0: never; else reads fail from then on, and the next poll says why */
    unsigned long reads, stop_after_reads;
    unsigned long region_calls, evaluate_calls;
    /* what was written, and the last piece of it; segments without RHI_REGION_WRITE take none */
    unsigned long writes;
    uint64_t write_address, write_size;
    /* where it is to stop, and what `frames` says */
    uint64_t stops[FAKE_WORDS_MAX], frames[FAKE_WORDS_MAX];
    uint64_t stop_count, frame_count;
    uint64_t hole_start, hole_end; /* reads stop here, mapped or not; empty by default */
    fake_text out, err;
    /* a line for each text that was evaluated, as many as there is room for */
    char evaluated[4096];
} fake_target;

fake_target *fake_target_new(void);
void fake_target_free(fake_target *fake);

/* Zeroed memory [start, start + size). */
fake_segment *fake_map(fake_target *fake, uint64_t start, uint64_t size, uint32_t flags,
                       const char *path);
/* This process's bytes of an address; the test fails if [address, address + size) is not mapped. */
uint8_t *fake_bytes(fake_target *fake, uint64_t address, uint64_t size);
bool fake_is_mapped(const fake_target *fake, uint64_t address);
void fake_put(fake_target *fake, uint64_t address, uint64_t value, unsigned width);
uint64_t fake_get(fake_target *fake, uint64_t address, unsigned width);
void fake_put_text(fake_target *fake, uint64_t address, const char *text, size_t size);
void fake_copy(fake_target *fake, uint64_t address, const void *bytes, size_t size);

/* A program or library at `base`: a page with the ELF header, from base + 0x1000 on `data_size`
 * bytes of data of the file and `bss_size` bytes of zeros in an anonymous region. note_target !=
 * 0: a note that points to a descriptor there. */
void fake_module(fake_target *fake, uint64_t base, const char *path, uint64_t data_size,
                 uint64_t bss_size, uint64_t note_target);
enum { FAKE_MODULE_DATA = 0x1000 };

void fake_thread(fake_target *fake, uint64_t lwp, uint64_t stack_pointer);
void fake_register(fake_target *fake, const char *name, uint64_t value);
/* detail: what debug info knows besides, "frame 2 type node *" or a part of that. */
void fake_name(fake_target *fake, uint64_t address, uint32_t kind, const char *name,
               const char *detail);
void fake_value(fake_target *fake, const char *text, uint64_t value);
/* What `evaluate_in` knows. */
void fake_value_in(fake_target *fake, uint64_t lwp, uint32_t frame, const char *text,
                   uint64_t value);

/* From now on it is a debugger, which can stop the process. */
void fake_debugger(fake_target *fake);

/* What an rhi_target of this context emits: it is in fake->out and fake->err. */
void fake_emit(void *fake, int stream, const char *text, uint64_t size);
/* Runs a command; what it emitted is in fake->out and fake->err. */
int fake_run(fake_target *fake, const char *command, const char *line);
/* Runs it with --json and parses the one document that it must emit. The caller owns it. Fails the
 * test if it is no such document, or does not fit the exit status. */
json_t *fake_json_status(fake_target *fake, const char *command, const char *line, int *status);
/* Such a document, for check_answers.py: what did not come from fake_json. */
void fake_keep_answer(const char *bytes, size_t size);
/* The same, for a command that must answer. */
json_t *fake_json(fake_target *fake, const char *command, const char *line);
/* The same, for a command that must not: the error's text (in fake->out, valid until the next run).
 */
const char *fake_json_failure(fake_target *fake, const char *command, const char *line);
/* A member by path, "ledger.stored" or "previous.0.id"; NULL if it is not there. Borrowed. */
json_t *fake_at(const json_t *json, const char *path);
/* Members that must be there and of this type. */
long long fake_integer(const json_t *json, const char *path);
const char *fake_string(const json_t *json, const char *path);
size_t fake_size(const json_t *json, const char *path);

#endif
