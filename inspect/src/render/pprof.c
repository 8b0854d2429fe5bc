/* pprof.c - writes a profile for pprof: protobuf (inspect/pprof/profile.proto), gzipped (see
 * pprof.h).
 *
 * Each class of objects is a sample: at the line that made them, with their number and bytes, and
 * with labels: type, heap, and the bytes of one, as Go's own heap profiles have them. Objects whose
 * births were recorded with their stacks are samples of their own, one for each stack.
 * Invariant: location and function of site i have the number i + 1; then come those of unknown
 * lines, then those of the stacks' calls. Strings are the snapshot's or the calls', which are
 * clean. */
#include "render/pprof.h"
#include "render/file.h"
#include "render/pprof_frames.h"

#include <profile.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum { LABELS = 3, VALUES = 2, SITE_NAME_SIZE = RHI_NAME_SIZE + 16 };

/* Texts that are always there, in the order of their numbers. */
enum { NOTHING, OBJECTS, COUNT, SPACE, BYTES, TYPE, HEAP, UNKNOWN, FIXED };
static const char *const fixed[FIXED] = {"",      "inuse_objects", "count", "inuse_space",
                                         "bytes", "type",          "heap",  "(no line is known)"};

/* A message with what it points to. */
typedef struct site_message {
    Rhi__Pprof__Function function;
    Rhi__Pprof__Line line, *lines[1];
    Rhi__Pprof__Location location;
    char name[SITE_NAME_SIZE]; /* of one whose function is not known: "app.py:12" */
} site_message;
typedef struct class_message {
    Rhi__Pprof__Sample sample;
    Rhi__Pprof__Label labels[LABELS], *label[LABELS];
    uint64_t location, *locations; /* locations: owned; of a stack */
    int64_t values[VALUES];
} class_message;

typedef struct profile {
    const rhi_snapshot *snapshot;
    rhi_birth_stacks stacks;
    rhi_pprof_frames frames;
    Rhi__Pprof__Profile message;
    Rhi__Pprof__ValueType types[VALUES], *type[VALUES];
    site_message *sites;    /* and calls of stacks behind them */
    class_message *classes; /* and stacks behind them */
    Rhi__Pprof__Sample **samples;
    Rhi__Pprof__Location **locations;
    Rhi__Pprof__Function **functions;
    const char *
        *strings; /* fixed ones, names of types, then file and function of each site, call */
    int64_t comment;
} profile;

static bool allocate(profile *p)
{
    const rhi_snapshot *s = p->snapshot;
    uint64_t sites = s->sites.count + 1 + p->frames.frames.count,
             classes = s->classes.count + 1 + p->stacks.groups.count;
    p->sites = calloc(sites, sizeof *p->sites);
    p->locations = calloc(sites, sizeof *p->locations);
    p->functions = calloc(sites, sizeof *p->functions);
    p->classes = calloc(classes, sizeof *p->classes);
    p->samples = calloc(classes, sizeof *p->samples);
    p->strings = calloc(FIXED + s->types.count + 2 * sites + 1, sizeof *p->strings);
    return p->sites && p->locations && p->functions && p->classes && p->samples && p->strings;
}

static void free_profile(profile *p)
{
    for (uint64_t i = 0; p->classes && i < p->stacks.groups.count; i++)
        free(p->classes[p->snapshot->classes.count + i].locations);
    rhi__pprof_frames_free(&p->frames);
    rhi__birth_stacks_free(&p->stacks);
    free(p->sites);
    free(p->locations);
    free(p->functions);
    free(p->classes);
    free(p->samples);
    free(p->strings);
}

static int64_t add_string(profile *p, const char *text)
{
    p->strings[p->message.n_string_table] = text;
    return (int64_t)p->message.n_string_table++;
}

/* "app.py:12". Of "<frozen abc>" pprof would leave out what stands in the brackets, as of C++. */
static void name_line(const rhi_snapshot_site *site, char name[SITE_NAME_SIZE])
{
    const char *slash = strrchr(site->file, '/'), *file = slash ? slash + 1 : site->file;
    bool in_brackets = *file == '<';
    rhi__text(name, SITE_NAME_SIZE, "%.*s:%u", (int)strcspn(file + in_brackets, ">"),
              file + in_brackets, site->line);
}

/* file, function: numbers of their texts. */
static void add_place(profile *p, uint64_t number, int64_t file, int64_t function, int64_t line)
{
    site_message *m = &p->sites[number];
    rhi__pprof__function__init(&m->function);
    rhi__pprof__location__init(&m->location);
    rhi__pprof__line__init(&m->line);
    m->function.id = m->location.id = m->line.function_id = number + 1;
    m->function.filename = file;
    m->function.name = m->function.system_name = function;
    m->line.line = line;
    m->lines[0] = &m->line;
    m->location.line = m->lines;
    m->location.n_line = 1;
    p->functions[p->message.n_function++] = &m->function;
    p->locations[p->message.n_location++] = &m->location;
}

static void add_site(profile *p, uint64_t number)
{
    const rhi_snapshot_site *site = &p->snapshot->sites.items[number];
    char *name = p->sites[number].name;
    if (!site->function)
        name_line(site, name);
    int64_t file = add_string(p, site->file);
    add_place(p, number, file, add_string(p, site->function ? site->function : name), site->line);
}

static void add_call(profile *p, uint64_t number)
{
    const rhi_pprof_frame *frame = &p->frames.frames.items[number];
    int64_t file = frame->file ? add_string(p, frame->file) : NOTHING;
    add_place(p, p->snapshot->sites.count + 1 + number, file, add_string(p, frame->function),
              frame->line);
}

/* `objects` of a class. Where they were made is left to say. */
static class_message *add_sample(profile *p, uint64_t number, uint32_t kind, uint64_t objects)
{
    const rhi_snapshot *s = p->snapshot;
    const rhi_snapshot_class *c = &s->classes.items[kind];
    class_message *m = &p->classes[number];
    rhi__pprof__sample__init(&m->sample);
    for (unsigned i = 0; i < LABELS; i++) {
        rhi__pprof__label__init(&m->labels[i]);
        m->label[i] = &m->labels[i];
    }
    m->labels[0].key = TYPE;
    m->labels[0].str = FIXED + (int64_t)c->type;
    m->labels[1].key = HEAP;
    m->labels[1].num = (int64_t)s->heaps.items[c->heap].number;
    m->labels[2].key = m->labels[2].num_unit = BYTES;
    m->labels[2].num = (int64_t)c->size;
    m->location = c->site == RHI_NO_SITE ? s->sites.count + 1 : (uint64_t)c->site + 1;
    m->values[0] = (int64_t)objects;
    m->values[1] = (int64_t)(objects * c->size);
    m->sample.location_id = &m->location;
    m->sample.n_location_id = 1;
    m->sample.value = m->values;
    m->sample.n_value = VALUES;
    m->sample.label = m->label;
    m->sample.n_label = LABELS;
    p->samples[p->message.n_sample++] = &m->sample;
    return m;
}

/* The objects that group `number` made; false: memory is short. */
static bool add_stack(profile *p, uint64_t number)
{
    const rhi_birth_group *group = &p->stacks.groups.items[number];
    const uint64_t *rows = p->frames.rows.items + p->frames.first[number];
    uint64_t count = p->frames.first[number + 1] - p->frames.first[number];
    class_message *m =
        add_sample(p, p->snapshot->classes.count + number, group->kind, group->objects);
    if (!count)
        return true;
    m->locations = calloc(count, sizeof *m->locations);
    for (uint64_t i = 0; m->locations && i < count; i++)
        m->locations[i] = p->snapshot->sites.count + 2 + rows[i];
    m->sample.location_id = m->locations;
    m->sample.n_location_id = m->locations ? count : 0;
    return m->locations != NULL;
}

static bool is_wanted(const profile *p, const rhi_session *session, uint32_t kind)
{
    const rhi_snapshot *s = p->snapshot;
    return !session->has_heap ||
           s->heaps.items[s->classes.items[kind].heap].number == session->heap;
}

/* What has a stack is no part of its class's own sample. */
static bool add_samples(profile *p, const rhi_session *session)
{
    uint64_t group = 0;
    for (uint32_t i = 0; i < p->snapshot->classes.count; i++) {
        uint64_t left = p->snapshot->classes.items[i].objects;
        for (; group < p->stacks.groups.count && p->stacks.groups.items[group].kind == i; group++) {
            left -= p->stacks.groups.items[group].objects;
            if (is_wanted(p, session, i) && !add_stack(p, group))
                return false;
        }
        if (left && is_wanted(p, session, i))
            add_sample(p, i, i, left);
    }
    return true;
}

static bool fill(profile *p, const rhi_session *session)
{
    static const int types[VALUES] = {OBJECTS, SPACE}, units[VALUES] = {COUNT, BYTES};
    const rhi_snapshot *s = p->snapshot;
    Rhi__Pprof__Profile *m = &p->message;
    rhi__pprof__profile__init(m);
    for (unsigned i = 0; i < FIXED; i++)
        add_string(p, fixed[i]);
    for (uint64_t i = 0; i < s->types.count; i++)
        add_string(p, s->types.items[i].name);
    for (unsigned i = 0; i < VALUES; i++) {
        rhi__pprof__value_type__init(&p->types[i]);
        p->types[i].type = types[i];
        p->types[i].unit = units[i];
        p->type[i] = &p->types[i];
    }
    for (uint64_t i = 0; i < s->sites.count; i++)
        add_site(p, i);
    add_place(p, s->sites.count, NOTHING, UNKNOWN, 0);
    for (uint64_t i = 0; i < p->frames.frames.count; i++)
        add_call(p, i);
    bool is_whole = add_samples(p, session);
    m->n_sample_type = VALUES;
    m->sample_type = p->type;
    m->sample = p->samples;
    m->location = p->locations;
    m->function = p->functions;
    m->default_sample_type = SPACE;
    if (rhi__memory_process(&session->memory)) /* when a core was written is not known */
        m->time_nanos = (int64_t)time(NULL) * 1000000000;
    if (s->notes.is_incomplete) {
        p->comment = add_string(p, s->notes.count ? s->notes.items[0] : "incomplete");
        m->comment = &p->comment;
        m->n_comment = 1;
    }
    m->string_table = (char **)p->strings;
    return is_whole;
}

static rhi_error *zip(const uint8_t *bytes, size_t size, char **zipped, size_t *zipped_size)
{
    enum { GZIP = 15 + 16 };
    z_stream stream = {.next_in = (Bytef *)bytes, .avail_in = (uInt)size};
    if (size > UINT32_MAX / 2 || deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP, 8,
                                              Z_DEFAULT_STRATEGY) != Z_OK)
        return rhi__error_memory();
    uLong bound = deflateBound(&stream, (uLong)size);
    *zipped = malloc(bound);
    stream.next_out = (Bytef *)*zipped;
    stream.avail_out = (uInt)bound;
    bool ok = *zipped && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    *zipped_size = stream.total_out;
    deflateEnd(&stream);
    return ok ? NULL : rhi__error_memory();
}

static rhi_error *write_profile(const Rhi__Pprof__Profile *message, const char *path)
{
    size_t size = rhi__pprof__profile__get_packed_size(message), zipped_size = 0;
    uint8_t *bytes = malloc(size + 1);
    char *zipped = NULL;
    if (!bytes)
        return rhi__error_memory();
    rhi__pprof__profile__pack(message, bytes);
    rhi_error *error = zip(bytes, size, &zipped, &zipped_size);
    if (!error)
        error = rhi__file_write(path, zipped, zipped_size);
    free(bytes);
    free(zipped);
    return error;
}

rhi_error *rhi__pprof_write(rhi_session *session, const char *path)
{
    rhi_snapshot *snapshot = NULL;
    RHI_TRY(rhi__file_check(path));
    RHI_TRY(rhi__snapshot_take(session, &snapshot));
    profile p = {.snapshot = snapshot};
    rhi_error *error = rhi__birth_stacks_find(session, snapshot, &p.stacks);
    if (!error)
        error = rhi__pprof_frames_make(session, &p.stacks, &p.frames);
    if (!error && (!allocate(&p) || !fill(&p, session)))
        error = rhi__error_memory();
    if (!error)
        error = write_profile(&p.message, path);
    free_profile(&p);
    rhi__snapshot_free(snapshot);
    return error;
}
