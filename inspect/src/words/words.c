/* words.c - finds the words outside the heap that refer to objects (see words.h). Invariant: a
 * word is reported in one class only: registered roots and declared slots are asked before any
 * conservative class, and the parts of word_map.h, which are what is scanned, do not overlap. */
#include "words/words.h"
#include "base/search.h"
#include "base/array.h"
#include "heap/objects.h"
#include "words/inner.h"
#include "words/pieces.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    SCAN_STEP_BYTES = 1 << 20,
    RECORDS_MAX = 1 << 20,
    PROBLEMS_KEPT = 200,
    AT_ROOT = -1,
    AT_REGISTER = -2,
    AT_KERNEL = -3,
    AT_OBJECT = -4
};

/* One word into the heap. */
typedef struct record {
    uint64_t address, value;
    int32_t part; /* in map.parts, or AT_ROOT, AT_REGISTER, AT_KERNEL, AT_OBJECT */
    /* of the root, register, kernel's word or object that it is in; in malloc memory and raw slots:
     * words from the beginning of the block or slot */
    uint32_t index;
} record;
_Static_assert(sizeof(record) == 24, "a million of them shall stay small");

/* Sorted by value once they are complete. */
typedef struct records {
    record *items;
    uint64_t count, capacity;
    bool is_complete, too_many;
} records;

struct rhi_words {
    rhi_word_map map;
    rhi_declared declared;
    bool has_declared; /* it is made when the first word might be in it */
    /* what is known of words with values in [low, high) without it: high 0: nothing */
    struct {
        rhi_piece *items;
        uint64_t count, low, high;
    } places;
    records words, packed; /* packed: see rhi__each_packed_word; without marks */
    unsigned questions;
};

typedef struct scan {
    rhi_session *session;
    rhi_reader *reader;
    struct rhi_words *words;
    uint64_t low, high, mask; /* values are compared without the bits that are not in the mask */
    records *kept; /* of all words like these; &words->packed: that is what is searched */
    rhi_error *(*found)(struct scan *scan, const record *hit);
    /* instead: hands on the piece that a word lies in */
    rhi_error *(*place)(void *context, uint64_t start, uint64_t end);
    rhi_holder_visitor visit;
    void *context;
    uint64_t stop; /* packed words begin before it: more is read, for what goes on behind it */
    uint64_t done; /* bytes, for progress */
} scan;

static bool is_packed(const scan *s)
{
    return s->kept == &s->words->packed;
}

/* ---- one word ------------------------------------------------------------------------------- */

static bool is_registered(const rhi_reader *reader, uint64_t address)
{
    const rhi_root *roots = reader->roots.items;
    uint64_t count = reader->roots.count, i = rhi__first(0, count, at, roots[at].slot >= address);
    return i < count && roots[i].slot == address;
}

uint64_t rhi__register_lwp(const rhi_memory *memory, uint32_t index)
{
    for (uint64_t i = 0; i < memory->map.threads.count; i++)
        if (index - memory->map.threads.items[i].first_register <
            memory->map.threads.items[i].register_count)
            return memory->map.threads.items[i].lwp;
    return 0;
}

/* Hands the word on as a row. */
static rhi_error *visit_record(scan *s, const record *hit)
{
    rhi_holder holder = {
        .address = hit->address, .value = hit->value, .index = hit->part < 0 ? hit->index : 0};
    if (hit->part == AT_ROOT) {
        holder.kind = RHI_HOLDER_ROOT;
        holder.strong = !s->reader->roots.items[hit->index].is_guess;
    } else if (hit->part == AT_REGISTER) {
        holder.kind = RHI_HOLDER_REGISTER;
        holder.lwp = rhi__register_lwp(s->reader->memory, hit->index);
    } else if (hit->part == AT_KERNEL) {
        holder.kind = RHI_HOLDER_KERNEL;
    } else if (hit->part == AT_OBJECT) {
        holder.kind = RHI_HOLDER_UNDECLARED;
        holder.index = 0;
        holder.from = rhi__object_address(s->reader, hit->index);
        holder.in_live = true;
    } else {
        const rhi_part *part = &s->words->map.parts.items[hit->part];
        holder.kind = part->kind;
        holder.lwp = part->lwp;
        holder.base = part->is_chunks || part->in_heap ? (hit->address & ~7ull) - hit->index * 8ull
                                                       : part->base;
    }
    return s->visit(s->context, &holder);
}

/* Tables lie in slots without an object, in blocks of malloc, or in memory of which nothing is
 * known. */
static rhi_error *visit_place(scan *s, const rhi_part *part, uint64_t base, uint64_t end)
{
    if (base < end)
        return s->place(s->context, base, end);
    if (part->is_block)
        return s->place(s->context, part->base, part->end);
    return part->kind == RHI_HOLDER_UNKNOWN || part->kind == RHI_HOLDER_FOREIGN
               ? s->place(s->context, 0, 0)
               : NULL;
}

static bool has_vectors(void *context, uint32_t index, const rhi_block *block,
                        const rhi_header *header, const uint8_t *bytes)
{
    const rhi_reader *reader = ((rhi_declarer *)context)->reader;
    (void)index, (void)block, (void)bytes;
    return rhi__is_object(header->state) && header->type < reader->types.count &&
           reader->types.items[header->type].has_vectors;
}

static rhi_error *declare(void *context, uint32_t index, const rhi_object *object,
                          const uint8_t *bytes)
{
    const rhi_reader *reader = ((rhi_declarer *)context)->reader;
    (void)index;
    return rhi__is_object(object->state) && object->type < reader->types.count
               ? rhi__declare(context, object, bytes)
               : NULL;
}

/* Takes over what the graph found; where there is none, reads every object whose type has vectors.
 */
static rhi_error *find_declared(scan *s)
{
    struct rhi_words *w = s->words;
    rhi_graph *graph = s->session->graph;
    if (graph && graph->has_declared) {
        w->declared = graph->declared;
        graph->declared = (rhi_declared){0};
        graph->has_declared = false;
        w->has_declared = true;
        return NULL;
    }
    rhi_declarer declarer;
    RHI_TRY(rhi__declare_begin(&declarer, s->reader, &w->declared));
    rhi_error *error = declarer.any
                           ? rhi__each_chosen(&s->session->work, s->reader, "looking for vectors",
                                              has_vectors, declare, &declarer)
                           : NULL;
    if (error)
        rhi__declared_close(&w->declared);
    w->has_declared = !error;
    return error;
}

/* Which words are slots of objects is told by the places of this question alone: to find all words
 * would take a pass over all objects first. */
static bool knows_places_alone(const scan *s)
{
    const struct rhi_words *w = s->words;
    bool is_found = w->has_declared || (s->session->graph && s->session->graph->has_declared);
    return !is_found && s->low >= w->places.low && s->high <= w->places.high;
}

/* Has an object a slot there? Asked of the words' own piece, where that is known already. */
static rhi_error *is_slot(scan *s, uint64_t address, bool *result)
{
    struct rhi_words *w = s->words;
    if (knows_places_alone(s)) {
        const rhi_piece *piece = rhi__piece_at(&w->places, address);
        *result = piece && piece->is_taken;
        return NULL;
    }
    if (!w->has_declared)
        RHI_TRY(find_declared(s));
    *result = rhi__is_declared(&w->declared, address);
    return NULL;
}

/* Is this word of the part one of its class, and not of an earlier one? */
static rhi_error *check_word(scan *s, int32_t part, uint64_t address, uint64_t value)
{
    struct rhi_words *w = s->words;
    record hit = {.address = address, .value = value, .part = part};
    uint64_t base = 0, end = 0;
    bool declared;
    if ((w->has_declared && !s->place && rhi__is_declared(&w->declared, address)) ||
        is_registered(s->reader, address))
        return NULL;
    if (w->map.parts.items[part].in_heap && rhi__raw_slot(s->reader, address, &base, &end))
        hit.index = (uint32_t)((address - base) / 8);
    if (w->map.parts.items[part].is_chunks) {
        const rhi_chunk_span *span = rhi__malloc_span(w->map.malloc, address - 16);
        if (!span || !rhi__malloc_block(w->map.malloc, span, address, &base, &end))
            return NULL;
        /* blocks of an arena are far smaller than 2^35 bytes */
        hit.index = (uint32_t)((address - base) / 8);
    }
    if (s->place)
        return visit_place(s, &w->map.parts.items[part], base, end);
    if (is_packed(s)) /* as no slot of an object is */
        return s->found(s, &hit);
    RHI_TRY(is_slot(s, address, &declared));
    return declared ? NULL : s->found(s, &hit);
}

/* ---- all words ------------------------------------------------------------------------------ */

/* What is missing is said in this answer and in the later ones that are made without a scan. */
static rhi_error *problem(scan *s, const char *text)
{
    rhi_notes *kept = &s->words->map.problems;
    rhi__note(&s->session->notes, text);
    if (kept->count < PROBLEMS_KEPT)
        rhi__note(kept, text);
    return kept->is_short ? rhi__error_memory() : NULL;
}

static rhi_error *scan_roots(scan *s)
{
    for (uint64_t i = 0; i < s->reader->roots.count; i++) {
        const rhi_root *root = &s->reader->roots.items[i];
        record hit = {.address = root->slot, .part = AT_ROOT, .index = (uint32_t)i};
        char text[RHI_NAME_SIZE + 64];
        if (!rhi__memory_u64(s->reader->memory, root->slot, &hit.value)) {
            snprintf(text, sizeof text, "the %s %s at 0x%" PRIx64 " cannot be read",
                     rhi__format_of(s->reader, root->heap)->root_word, root->name, root->slot);
            RHI_TRY(problem(s, text));
        } else if (hit.value - s->low < s->high - s->low) {
            RHI_TRY(s->found(s, &hit));
        }
    }
    return NULL;
}

/* Is it the address of an object, to the byte? Words at any place lead into objects by chance. */
static bool is_object_address(const rhi_reader *reader, uint64_t value)
{
    uint32_t index = rhi__object_index(reader, value);
    return index != RHI_NO_OBJECT && rhi__object_address(reader, index) == value;
}

/* A word with marks is none that points into an object as it is. */
static bool has_marks(uint64_t value)
{
    return value & ~RHI_POINTER_MASK;
}

/* A word that lies in no memory of the program's. */
static rhi_error *check_lone(scan *s, uint64_t value, int32_t part, uint64_t index)
{
    record hit = {.value = value, .part = part, .index = (uint32_t)index};
    if ((value & s->mask) - s->low >= s->high - s->low)
        return NULL;
    if (!is_packed(s))
        return s->found(s, &hit);
    hit.value &= s->mask;
    return has_marks(value) && is_object_address(s->reader, hit.value) ? s->found(s, &hit) : NULL;
}

static rhi_error *scan_registers(scan *s)
{
    const struct rhi_sink *map = &s->reader->memory->map;
    for (uint64_t i = 0; i < map->registers.count; i++)
        RHI_TRY(check_lone(s, map->registers.items[i].value, AT_REGISTER, i));
    return NULL;
}

static rhi_error *scan_kernel(scan *s)
{
    const rhi_kernel_words *kernel = &s->words->map.kernel;
    for (uint64_t i = 0; i < kernel->words.count; i++)
        RHI_TRY(check_lone(s, kernel->words.items[i].value, AT_KERNEL, i));
    return NULL;
}

static rhi_error *scan_bytes(scan *s, int32_t part, uint64_t address, const uint8_t *bytes,
                             uint64_t size)
{
    enum { STEP = 64 };
    uint64_t low = s->low, span = s->high - s->low, mask = s->mask;
    for (uint64_t at = 0; at + 8 <= size; at += STEP) {
        uint64_t end = size - at < STEP ? size & ~7ull : at + STEP;
        bool any = false;
        for (uint64_t i = at; i < end; i += 8) /* without a branch: the common answer is no */
            any |= (rhi__load64(bytes + i) & mask) - low < span;
        for (uint64_t i = at; any && i < end; i += 8)
            if ((rhi__load64(bytes + i) & mask) - low < span)
                RHI_TRY(check_word(s, part, address + i, rhi__load64(bytes + i)));
    }
    return NULL;
}

/* The words of these that lie at addresses that are no multiple of 8, or that have marks. */
static rhi_error *scan_packed_bytes(scan *s, int32_t part, uint64_t address, const uint8_t *bytes,
                                    uint64_t size)
{
    enum { WORD = 8 };
    uint64_t low = s->low, span = s->high - s->low, mask = s->mask;
    for (uint64_t at = 0; at + WORD <= size && address + at < s->stop; at += WORD) {
        unsigned shifts = at + 2 * WORD <= size ? WORD : 1; /* the last one has no more bytes */
        bool any = shifts == 1;
        if (!any)
            for (unsigned i = 0; i < WORD; i++) /* without a branch, as above */
                any |= (rhi__load64(bytes + at + i) & mask) - low < span;
        for (unsigned i = 0; any && i < shifts; i++) {
            uint64_t word = rhi__load64(bytes + at + i), value = word & mask;
            if (value - low < span && (i || has_marks(word)) && is_object_address(s->reader, value))
                RHI_TRY(check_word(s, part, address + at + i, value));
        }
    }
    return NULL;
}

/* The words of [address, address + size) that are no object's. */
static rhi_error *scan_pieces(scan *s, int32_t part, uint64_t address, const uint8_t *bytes,
                              uint64_t size)
{
    rhi_pieces pieces =
        rhi__pieces(s->reader, address, address + size, s->words->map.parts.items[part].in_heap);
    uint64_t start, end;
    pieces.any_slot = s->place && pieces.in_heap;
    while (rhi__next_piece(&pieces, &start, &end))
        RHI_TRY((is_packed(s) ? scan_packed_bytes : scan_bytes)(
            s, part, start, bytes + (start - address), end - start));
    return NULL;
}

/* The next stretch [*start, *end) of the part that may hold words, from *start on, not much longer
 * than a step; false: there is none. Of a heap's own memory most is objects and their tables. */
static bool next_stretch(scan *s, const rhi_part *part, uint64_t *start, uint64_t *end)
{
    enum { GAP_BYTES = 1 << 12 }; /* read along with what is around it */
    struct rhi_words *w = s->words;
    bool is_told = w->has_declared && !s->place && !is_packed(s);
    uint64_t from = *start, piece, past;
    *end = part->end;
    if (!part->in_heap)
        return from < part->end;
    *end = *start = part->end;
    rhi_pieces pieces = rhi__pieces(s->reader, from, part->end, true);
    pieces.any_slot = s->place != NULL;
    while (rhi__next_piece(&pieces, &piece, &past)) {
        if (is_told && rhi__all_declared(&w->declared, piece, past))
            continue;
        if (*start == part->end)
            *start = piece;
        else if (piece - *end > GAP_BYTES || *end - *start > SCAN_STEP_BYTES)
            break;
        *end = past;
    }
    return *start < part->end;
}

static uint64_t piece_bytes(const scan *s, const rhi_part *part, uint64_t from, uint64_t to)
{
    rhi_pieces pieces = rhi__pieces(s->reader, from, to, part->in_heap);
    uint64_t start, end, bytes = 0;
    while (rhi__next_piece(&pieces, &start, &end))
        bytes += end - start;
    return bytes;
}

/* May a word that lies at no multiple of 8 begin before `end` and go on behind it? Also from one
 * mapping to the next: parts of one may have been protected, or given another name. */
static bool may_go_on(const scan *s, int32_t index, uint64_t end)
{
    const rhi_part *part = &s->words->map.parts.items[index];
    return end < part->end || ((uint64_t)index + 1 < s->words->map.parts.count &&
                               part[1].start == end && !part->in_heap && !part[1].in_heap);
}

static rhi_error *scan_part(scan *s, int32_t index, rhi_scratch *scratch)
{
    static const char *const names[] = {[RHI_HOLDER_STACK] = "a stack",
                                        [RHI_HOLDER_GLOBAL] = "module data",
                                        [RHI_HOLDER_THREAD_LOCAL] = "thread-local variables",
                                        [RHI_HOLDER_FOREIGN] = "malloc memory",
                                        [RHI_HOLDER_UNKNOWN] = "other memory"};
    const rhi_part *part = &s->words->map.parts.items[index];
    uint64_t unread = 0, stop;
    for (uint64_t at = part->start; next_stretch(s, part, &at, &stop);) {
        if (stop - at > SCAN_STEP_BYTES)
            at = rhi__memory_data_start(s->reader->memory, at, stop) & ~7ull;
        uint64_t size = stop - at < SCAN_STEP_BYTES ? stop - at : SCAN_STEP_BYTES, got;
        uint64_t more = is_packed(s) && may_go_on(s, index, at + size) ? 8 : 0;
        const uint8_t *bytes = rhi__memory_view(s->reader->memory, at, size + more, scratch, &got);
        got = bytes ? got : 0;
        s->stop = at + size;
        RHI_TRY(scan_pieces(s, index, at, bytes, got));
        uint64_t next =
            got >= size ? at + size : rhi__memory_hole_end(s->reader->memory, at + got, part->end);
        got = got < size ? got : size;
        unread += piece_bytes(s, part, at + got, next);
        RHI_TRY(rhi__progress(&s->session->work, "reading memory", s->done + (at - part->start),
                              s->words->map.bytes));
        at = next > UINT64_MAX - 7 ? part->end : (next + 7) & ~7ull;
    }
    s->done += part->end - part->start;
    if (unread && part->must_be_there) {
        char text[128];
        snprintf(text, sizeof text, "%" PRIu64 " bytes of %s at 0x%" PRIx64 " cannot be read",
                 unread, names[part->kind], part->start);
        return problem(s, text);
    }
    return NULL;
}

static rhi_error *check_inner(void *context, uint32_t index, uint64_t address, uint64_t value)
{
    scan *s = context;
    record hit = {.address = address, .value = value, .part = AT_OBJECT, .index = index};
    return s->found(s, &hit);
}

static rhi_error *scan_all(scan *s)
{
    rhi_scratch scratch = {0};
    rhi_error *error = NULL;
    if (!s->place && !is_packed(s))
        RHI_TRY(scan_roots(s));
    if (!s->place) {
        RHI_TRY(scan_registers(s));
        RHI_TRY(scan_kernel(s));
    }
    for (uint64_t i = 0; i < s->words->map.parts.count && i < INT32_MAX && !error; i++)
        error = scan_part(s, (int32_t)i, &scratch);
    rhi__scratch_free(&scratch);
    if (!error && is_packed(s))
        error = rhi__each_inner_word(s->session, s->reader, s->low, s->high, check_inner, s);
    return error;
}

/* ---- the records ---------------------------------------------------------------------------- */

static int record_order(const void *left, const void *right)
{
    const record *a = left, *b = right;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return a->address < b->address ? -1 : a->address > b->address;
}

static void forget_records(records *kept)
{
    free(kept->items);
    *kept = (records){.too_many = kept->too_many};
}

/* Keeps the word while there are not too many, and visits it if there is a visitor. */
static rhi_error *keep_record(scan *s, const record *hit)
{
    records *kept = s->kept;
    if (!kept->too_many && (kept->count == RECORDS_MAX || !rhi__array_reserve(kept, 1))) {
        kept->too_many = true;
        forget_records(kept);
    }
    if (!kept->too_many)
        kept->items[kept->count++] = *hit;
    return s->visit ? visit_record(s, hit) : NULL;
}

/* A scan of everything that also keeps what it finds. */
static rhi_error *scan_and_keep(scan *s)
{
    records *kept = s->kept;
    s->found = keep_record;
    rhi_error *error = scan_all(s);
    if (error)
        forget_records(kept);
    if (error || kept->too_many)
        return error;
    if (kept->count)
        qsort(kept->items, kept->count, sizeof *kept->items, record_order);
    kept->is_complete = true;
    return NULL;
}

static rhi_error *visit_kept(scan *s)
{
    const records *kept = s->kept;
    uint64_t low = rhi__first(0, kept->count, at, kept->items[at].value >= s->low);
    bool is_all = low == 0 && kept->count && kept->items[kept->count - 1].value < s->high;
    for (; low < kept->count && kept->items[low].value < s->high; low++) {
        uint64_t value;
        /* it is about to be shown: is it still so? */
        if (!is_all && kept->items[low].address &&
            (!rhi__memory_u64(s->reader->memory, kept->items[low].address, &value) ||
             (value & s->mask) != kept->items[low].value))
            s->session->has_changed = true;
        RHI_TRY(visit_record(s, &kept->items[low]));
    }
    return NULL;
}

/* The same of all words, to keep them. */
static rhi_error *keep_all(scan *s)
{
    scan all = *s;
    all.low = s->reader->lowest;
    all.high = s->reader->highest;
    all.visit = NULL;
    return scan_and_keep(&all);
}

/* ---- the interface -------------------------------------------------------------------------- */

static void free_words(void *value)
{
    struct rhi_words *words = value;
    if (!words)
        return;
    rhi__word_map_close(&words->map);
    rhi__declared_close(&words->declared);
    free(words->words.items);
    free(words->packed.items);
    free(words->places.items);
    free(words);
}

static rhi_error *words_of(rhi_session *session, rhi_reader *reader, struct rhi_words **result)
{
    *result = rhi__kept(&session->kept, free_words);
    if (!*result) {
        struct rhi_words *words = calloc(1, sizeof *words);
        rhi_error *error =
            words ? rhi__word_map_open(session, reader, &words->map) : rhi__error_memory();
        if (error) {
            free(words);
            return error;
        }
        RHI_TRY(rhi__keep(&session->kept, words, free_words));
        *result = words;
    }
    return NULL;
}

/* What every answer about words says. */
static void say_limits(rhi_session *session, const struct rhi_words *words)
{
    for (uint64_t i = 0; i < words->map.problems.count; i++)
        rhi__note(&session->notes, words->map.problems.items[i]);
    session->not_read = &words->map.not_read;
}

rhi_error *rhi__session_word_map(rhi_session *session, rhi_reader *reader, rhi_word_map **map)
{
    struct rhi_words *words;
    RHI_TRY(words_of(session, reader, &words));
    *map = &words->map;
    return NULL;
}

rhi_error *rhi__word_limits(rhi_session *session, rhi_reader *reader)
{
    struct rhi_words *words;
    RHI_TRY(words_of(session, reader, &words));
    say_limits(session, words);
    return NULL;
}

/* Sets out on a scan that visits each word it finds, and says what cannot be searched. */
static rhi_error *begin_scan(scan *s, rhi_session *session, rhi_reader *reader)
{
    s->session = session;
    s->reader = reader;
    s->found = visit_record;
    RHI_TRY(rhi__reader_load(reader));
    RHI_TRY(words_of(session, reader, &s->words));
    s->kept = &s->words->words;
    say_limits(session, s->words);
    return NULL;
}

rhi_error *rhi__each_word(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high,
                          rhi_holder_visitor visit, void *context)
{
    scan s = {.low = low, .high = high, .mask = UINT64_MAX, .visit = visit, .context = context};
    RHI_TRY(begin_scan(&s, session, reader));
    bool is_inside = low >= reader->lowest && high <= reader->highest,
         is_all = low == reader->lowest && high == reader->highest;
    if (s.kept->is_complete && is_inside)
        return visit_kept(&s);
    if (is_inside && !s.kept->too_many && is_all)
        return scan_and_keep(&s);
    if (is_inside && !s.kept->too_many && !knows_places_alone(&s) && s.words->questions++) {
        RHI_TRY(keep_all(&s));
        if (s.kept->is_complete)
            return visit_kept(&s);
    }
    return scan_all(&s);
}

rhi_error *rhi__each_word_masked(rhi_session *session, rhi_reader *reader, uint64_t low,
                                 uint64_t high, uint64_t mask, rhi_holder_visitor visit,
                                 void *context)
{
    scan s = {.low = low, .high = high, .mask = mask, .visit = visit, .context = context};
    RHI_TRY(begin_scan(&s, session, reader));
    return scan_all(&s);
}

rhi_error *rhi__each_packed_word(rhi_session *session, rhi_reader *reader, uint64_t low,
                                 uint64_t high, rhi_holder_visitor visit, void *context)
{
    scan s = {
        .low = low, .high = high, .mask = RHI_OBJECT_MASK, .visit = visit, .context = context};
    RHI_TRY(begin_scan(&s, session, reader));
    s.kept = &s.words->packed;
    if (!s.kept->is_complete && !s.kept->too_many)
        RHI_TRY(keep_all(&s));
    return s.kept->is_complete ? visit_kept(&s) : scan_all(&s);
}

rhi_error *rhi__each_place(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high,
                           rhi_error *(*visit)(void *context, uint64_t start, uint64_t end),
                           void *context)
{
    scan s = {.low = low, .high = high, .mask = UINT64_MAX, .place = visit, .context = context};
    RHI_TRY(begin_scan(&s, session, reader));
    return scan_all(&s);
}

rhi_error *rhi__keep_places(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high,
                            const rhi_piece *pieces, uint64_t count)
{
    struct rhi_words *words;
    RHI_TRY(words_of(session, reader, &words));
    rhi_piece *copy = malloc((count + 1) * sizeof *copy);
    if (!copy)
        return rhi__error_memory();
    if (count)
        memcpy(copy, pieces, count * sizeof *copy);
    free(words->places.items);
    words->places.items = copy;
    words->places.count = count;
    words->places.low = low;
    words->places.high = high;
    return NULL;
}
