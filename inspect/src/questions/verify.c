/* verify.c - checks what every heap format has: counts against references, references against
 * objects, roots, sizes, serials (see verify.h).
 *
 * A reference is good where the graph has an edge for it: so each object's slots are set against
 * its row of the graph, and only where the two differ is a slot looked at by itself. */
#include "questions/verify.h"
#include "base/array.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    SERIALS_PER_OBJECT = 64,
    KEPT_MIN = 1000 /* so that text and JSON ask for the same */
};

/* ---- findings ------------------------------------------------------------------------------- */

__attribute__((format(printf, 6, 7))) static void tell(rhi_check *check, enum rhi_finding_kind kind,
                                                       uint32_t heap, uint64_t address,
                                                       const rhi_object *object, const char *format,
                                                       ...)
{
    rhi_verify *verify = (rhi_verify *)check;
    char detail[512], id[RHI_ID_SIZE];
    if (heap != UINT32_MAX && !rhi__heap_wanted(verify->session, verify->reader, heap))
        return;
    if (verify->totals[kind]++ >= verify->limit)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    if (!rhi__array_reserve(&verify->findings, 1)) {
        verify->out_of_memory = true;
        return;
    }
    rhi_finding *finding = &verify->findings.items[verify->findings.count++];
    *finding = (rhi_finding){
        .kind = (uint8_t)kind, .heap = heap, .address = address, .detail = strdup(detail)};
    if (object && object->state != RHI_UNUSED) {
        rhi__object_id(verify->reader, object, id, sizeof id);
        finding->object = strdup(id);
        verify->out_of_memory |= !finding->object;
    }
    verify->out_of_memory |= !finding->detail;
}

static int finding_order(const void *left, const void *right)
{
    const rhi_finding *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    int order = strcmp(a->detail ? a->detail : "", b->detail ? b->detail : "");
    return order;
}

/* ---- one reference -------------------------------------------------------------------------- */

typedef struct link_check {
    rhi_verify *verify;
    const rhi_object *object;
    uint32_t edge, edge_end; /* what is left of the object's row of the graph */
    bool differs, only_borrowed, is_doubted;
} link_check;

static void bad_link(const link_check *l, const rhi_slot *slot, const char *what)
{
    rhi_reader *reader = l->verify->reader;
    char name[RHI_NAME_SIZE + 32];
    if (l->is_doubted || rhi__may_hold(reader, l->object, slot->value))
        return;
    rhi__slot_name(slot->field, slot->element, name, sizeof name);
    tell(&l->verify->check, RHI_FOUND_BAD_LINK, l->object->heap, slot->address, l->object,
         "its field %s holds 0x%" PRIx64 ": %s", name, slot->value, what);
}

static void outside_what(rhi_reader *reader, uint64_t value, char *what, size_t size)
{
    const rhi_own_range *own = rhi__own_at(reader, value);
    if (own)
        snprintf(what, size, "the runtime's own memory (%s)", own->what);
    else if (rhi__memory_region(reader->memory, value))
        snprintf(what, size, "memory outside every heap");
    else
        snprintf(what, size, "no memory is mapped there");
}

/* Why the value is no reference to an object's start; false: it is one. */
static bool is_no_object(rhi_reader *reader, uint64_t value, rhi_object *object, char *what,
                         size_t size)
{
    char id[RHI_ID_SIZE];
    const rhi_block *block = rhi__block_at(reader, value);
    if (!block && rhi__is_unread(reader, value))
        return false; /* told as the range's */
    if (!block) {
        outside_what(reader, value, what, size);
        return true;
    }
    if (!rhi__slot_at(reader, block, value, object))
        return false; /* not read: an object that is missing is told as such */
    rhi__object_id(reader, object, id, sizeof id);
    if (object->state == RHI_UNUSED)
        snprintf(what, size, "%s", rhi__empty_text(reader, object, value));
    else if (object->state == RHI_FREED)
        snprintf(what, size, "a freed slot: %s was there, %s", id, rhi__freed_text(object->death));
    else if (object->address > value)
        snprintf(what, size, "it points %" PRIu64 " bytes in front of %s, not to its start",
                 object->address - value, id);
    else if (object->address != value)
        snprintf(what, size, "it points %" PRIu64 " bytes into %s, not to its start",
                 value - object->address, id);
    else
        return false;
    return true;
}

/* Two heaps may share the memory that lone objects lie in: which one's these are is not told. */
static bool is_lone(const rhi_reader *reader, const rhi_object *object)
{
    const rhi_block *block = rhi__block_at(reader, object->address);
    return block && block->is_lone;
}

/* Are they of two heaps of one format, for certain? */
static bool are_apart(const rhi_reader *reader, const rhi_object *one, const rhi_object *other)
{
    return one->heap != other->heap &&
           rhi__format_of(reader, one->heap) == rhi__format_of(reader, other->heap) &&
           !is_lone(reader, one) && !is_lone(reader, other);
}

/* The whole test of one slot. */
static bool check_link(void *context, const rhi_slot *slot)
{
    const link_check *l = context;
    rhi_reader *reader = l->verify->reader;
    char what[RHI_ID_SIZE + 96], id[RHI_ID_SIZE];
    rhi_object target = {0};
    bool is_borrowed = slot->field->kind == RHI_KIND_BORROWED;
    if ((l->only_borrowed && !is_borrowed) || slot->field->is_guess) /* it may be no reference */
        return true;
    if (rhi__may_lie_alone(reader, l->object->heap, slot->value))
        return true; /* an object there may not be known */
    if (is_no_object(reader, slot->value, &target, what, sizeof what)) {
        /* gcstale tells of borrowed ones that dangle */
        if (!is_borrowed || target.slot_size == 0 || target.state != RHI_FREED)
            bad_link(l, slot, what);
        return true;
    }
    if (target.slot_size == 0) /* not read */
        return true;
    rhi__object_id(reader, &target, id, sizeof id);
    if (!target.immortal && are_apart(reader, &target, l->object)) {
        snprintf(what, sizeof what, "%s is of heap %" PRIu64 ", and not immortal", id,
                 reader->heaps.items[target.heap].number);
        bad_link(l, slot, what);
    } else if (slot->field->kind == RHI_KIND_WEAK && target.type < reader->types.count &&
               !reader->types.items[target.type].is_weak) {
        snprintf(what, sizeof what, "%s is no weak reference", id);
        bad_link(l, slot, what);
    }
    return true;
}

/* Takes the next edge for a slot that is not empty: does the graph know it, and may it be there?
 * A slot without an edge takes that of the next one, and the last slot finds none. */
static inline bool take_edge(link_check *l, uint8_t kind)
{
    const rhi_verify *v = l->verify;
    if (l->edge == l->edge_end)
        return false;
    uint32_t target = v->graph->edge_to[l->edge++];
    if (rhi__bit(v->no_objects, target) ||
        (kind == RHI_KIND_WEAK && !rhi__bit(v->check.weak_objects, target)))
        return false;
    return (target >= v->run_first && target < v->run_end) ||
           v->graph->flags[target] & RHI_GRAPH_IMMORTAL;
}

static bool compare_slot(void *context, const rhi_slot *slot)
{
    link_check *l = context;
    if (slot->field->kind != RHI_KIND_BORROWED && !take_edge(l, slot->field->kind))
        l->differs = true;
    return !l->differs;
}

/* ---- one object ----------------------------------------------------------------------------- */

/* Which objects around `index` are of the same heap? Blocks lie in address order, heaps in large
 * pieces of it. */
static void find_run(rhi_verify *verify, uint32_t index)
{
    const rhi_reader *reader = verify->reader;
    uint64_t i = verify->run_block;
    while (i < reader->blocks.count &&
           (uint64_t)reader->blocks.items[i].first_object + reader->blocks.items[i].object_count <=
               index)
        i++;
    verify->run_first = reader->blocks.items[i].first_object;
    uint32_t heap = reader->blocks.items[i].heap;
    for (; i < reader->blocks.count &&
           (reader->blocks.items[i].heap == heap || reader->blocks.items[i].object_count == 0);
         i++)
        verify->run_end =
            (uint64_t)reader->blocks.items[i].first_object + reader->blocks.items[i].object_count;
    verify->run_block = i;
}

static void check_links(rhi_verify *verify, uint32_t index, const rhi_object *object,
                        const uint8_t *bytes)
{
    const rhi_graph *graph = verify->graph;
    const rhi_plan *plan = &verify->reader->plans[object->type];
    link_check l = {.verify = verify,
                    .object = object,
                    .edge = graph->edge_start[index],
                    .edge_end = graph->edge_start[index + 1],
                    .is_doubted = rhi__is_doubted(graph, index)};
    if (plan->is_fixed && plan->end <= object->slot_size) {
        for (uint32_t i = 0; i < plan->count && !l.differs; i++)
            l.differs = rhi__load64(bytes + plan->offsets[i]) && !take_edge(&l, plan->kinds[i]);
    } else {
        rhi__each_slot(verify->reader, object, bytes, compare_slot, &l);
    }
    l.only_borrowed = !l.differs;
    if (l.differs || plan->has_borrowed)
        rhi__each_slot(verify->reader, object, bytes, check_link, &l);
}

/* Memory that is mapped but cannot be read is missing from the core: no finding. */
static bool is_nowhere(const rhi_reader *reader, uint64_t address)
{
    return reader->memory->map.regions.count && !rhi__memory_region(reader->memory, address);
}

static void check_field_sizes(rhi_verify *verify, const rhi_object *object, const uint8_t *bytes,
                              const rhi_type *type)
{
    rhi_reader *reader = verify->reader;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *field = &type->fields[i];
        uint64_t first, count;
        uint8_t byte;
        if (field->form != RHI_FORM_VECTOR && !field->count_width &&
            (uint64_t)field->offset + (uint64_t)field->count * field->stride <= object->slot_size)
            continue;
        if (!rhi__field_span(reader, object, bytes, field, &first, &count)) {
            uint64_t claimed =
                field->count_width &&
                        (uint64_t)field->count_offset + field->count_width <= object->slot_size
                    ? rhi__load(bytes + field->count_offset, field->count_width)
                    : field->count;
            tell(&verify->check, RHI_FOUND_BAD_SIZE, object->heap, object->address, object,
                 "its field %s claims %" PRIu64 " element%s, more than there is room for",
                 field->name, claimed, rhi__plural(claimed));
            continue;
        }
        uint64_t last = first + count * field->stride - 1;
        if (field->form != RHI_FORM_VECTOR || count == 0 ||
            rhi__memory_read(reader->memory, last, &byte, 1) == 1)
            continue;
        if (is_nowhere(reader, last))
            tell(&verify->check, RHI_FOUND_BAD_SIZE, object->heap, object->address, object,
                 "its field %s has %" PRIu64 " element%s at 0x%" PRIx64
                 ", where not all of that memory is mapped",
                 field->name, count, rhi__plural(count), first);
    }
}

static void check_size(rhi_verify *verify, const rhi_object *object, const uint8_t *bytes)
{
    const rhi_type *type = &verify->reader->types.items[object->type];
    if (type->has_code) /* what its slots and its size are is for its format to check */
        return;
    if (verify->reader->plans[object->type].size <= object->slot_size) /* nearly all */
        return;
    if (type->size > object->slot_size) {
        tell(&verify->check, RHI_FOUND_BAD_SIZE, object->heap, object->address, object,
             "objects of its type have %" PRIu64 " bytes, its slot has %" PRIu64, type->size,
             object->slot_size);
        return;
    }
    if (type->element_size && type->length_offset &&
        (uint64_t)type->length_offset + 8 <= object->slot_size) {
        uint64_t length = rhi__load64(bytes + type->length_offset),
                 room = (object->slot_size - type->size) / type->element_size;
        if (length > room)
            tell(&verify->check, RHI_FOUND_BAD_SIZE, object->heap, object->address, object,
                 "it claims %" PRIu64 " element%s, its slot has room for %" PRIu64, length,
                 rhi__plural(length), room);
    }
    if (type->field_count)
        check_field_sizes(verify, object, bytes, type);
}

/* Makes room for `serial`; false if the serials lie so far apart that a bit for each would be too
 * much. */
static bool widen(rhi_serials *serials, uint64_t serial, uint64_t most)
{
    uint64_t first = serial & ~63ull, end = first + 64;
    if (serials->words) {
        uint64_t old_end = serials->first + serials->words * 64;
        first = first < serials->first ? first : serials->first;
        end = end > old_end ? end : old_end;
    }
    uint64_t words = (end - first) / 64;
    if (words > most / 64)
        return false;
    /* not for each block of serials again */
    uint64_t room = words < most / 128 ? words * 2 : most / 64;
    uint64_t *bits = calloc(room, sizeof *bits);
    if (!bits)
        return false;
    if (serials->words)
        memcpy(bits + (serials->first - first) / 64, serials->bits, serials->words * sizeof *bits);
    free(serials->bits);
    *serials = (rhi_serials){.bits = bits, .first = first, .words = room};
    return true;
}

static void check_serial(rhi_verify *verify, const rhi_object *object)
{
    const rhi_heap_info *heap = &verify->reader->heaps.items[object->heap];
    /* the shared objects' serials are far away */
    if (!heap->format->has_serials || heap->is_shared || heap->space >= verify->serials_count)
        return;
    rhi_serials *serials = &verify->serials[heap->space];
    if (serials->given_up || object->serial > UINT64_MAX / 2)
        return;
    if (object->serial - serials->first >= serials->words * 64 &&
        !widen(serials, object->serial,
               ((uint64_t)verify->graph->count + 64) * SERIALS_PER_OBJECT)) {
        serials->given_up = true;
        return;
    }
    uint64_t bit = object->serial - serials->first;
    if (rhi__bit(serials->bits, bit))
        tell(&verify->check, RHI_FOUND_DUPLICATE_SERIAL, object->heap, object->address, object,
             "another object has the serial %" PRIu64 ", too", object->serial);
    rhi__bit_set(serials->bits, bit);
}

static rhi_error *check_object(void *context, uint32_t index, const rhi_object *object,
                               const uint8_t *bytes)
{
    rhi_verify *verify = context;
    if (index >= verify->run_end)
        find_run(verify, index);
    if (!rhi__is_object(object->state))
        return NULL;
    verify->objects += rhi__heap_wanted(verify->session, verify->reader, object->heap);
    check_serial(verify, object);
    /* What a dying object holds is being let go of. */
    if (object->state != RHI_LIVE || object->type >= verify->reader->types.count ||
        !rhi__is_at_rest(verify->reader, object->heap))
        return NULL;
    check_size(verify, object, bytes);
    if (verify->reader->types.items[object->type].has_references)
        check_links(verify, index, object, bytes);
    return verify->out_of_memory ? rhi__error_memory() : NULL;
}

/* ---- counts and roots ----------------------------------------------------------------------- */

static bool object_of(rhi_verify *verify, uint32_t index, rhi_object *object)
{
    uint64_t address = rhi__object_address(verify->reader, index);
    return rhi__slot_at(verify->reader, rhi__block_at(verify->reader, address), address, object);
}

/* What a count is told with. */
static const char *runtime_s(const rhi_object *object)
{
    return object->held ? ", of which one is the runtime's" : "";
}

static rhi_error *check_counts(rhi_verify *verify)
{
    const rhi_graph *graph = verify->graph;
    rhi_object object;
    for (uint32_t i = 0; i < graph->count; i++) {
        if (i % (1 << 20) == 0)
            RHI_TRY(rhi__progress(&verify->session->work, "checking counts", i, graph->count));
        if (rhi__open_at_most(graph, i) >= 0 ||
            graph->flags[i] & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_DYING | RHI_GRAPH_CORRUPT))
            continue;
        uint32_t fields = rhi__found(graph, i) - rhi__guessed(graph, i);
        if (object_of(verify, i, &object) && rhi__is_at_rest(verify->reader, object.heap))
            tell(&verify->check, RHI_FOUND_OVER_RELEASE, object.heap, object.address, &object,
                 "%" PRIu32 " field%s of live objects hold%s it, but its count is %" PRId64 "%s",
                 fields, fields == 1 ? "" : "s", fields == 1 ? "s" : "", object.count,
                 runtime_s(&object));
    }
    return NULL;
}

typedef struct held {
    uint32_t index, root;
} held;

static int held_order(const void *left, const void *right)
{
    const held *a = left, *b = right;
    return a->index != b->index ? (a->index < b->index ? -1 : 1)
           : a->root < b->root  ? -1
                                : a->root > b->root;
}

static const char *root_word(const rhi_reader *reader, const rhi_root *root)
{
    return rhi__format_of(reader, root->heap)->root_word;
}

static const char *root_name(const rhi_root *root)
{
    return root->name[0] ? root->name : "without a name";
}

/* Is it an object that a root may hold? Else tells why not. */
static bool check_root(rhi_verify *verify, const rhi_root *root)
{
    rhi_reader *reader = verify->reader;
    rhi_object object;
    uint64_t value;
    char what[RHI_ID_SIZE + 96];
    if (!rhi__memory_u64(reader->memory, root->slot, &value)) {
        if (is_nowhere(reader, root->slot))
            tell(&verify->check, RHI_FOUND_BAD_ROOT, root->heap, root->slot, NULL,
                 "the %s %s at 0x%" PRIx64 " lies where no memory is mapped",
                 root_word(reader, root), root_name(root), root->slot);
        else
            rhi__reader_problem(reader, "the %s %s at 0x%" PRIx64 " cannot be read",
                                root_word(reader, root), root->name, root->slot);
        return false;
    }
    if (value == 0 || !is_no_object(reader, value, &object, what, sizeof what))
        return value != 0;
    rhi_object of_root = {.heap = root->heap, .type = UINT32_MAX};
    if (rhi__is_at_rest(reader, root->heap) && !root->is_guess &&
        !rhi__may_lie_alone(reader, root->heap, value) && !rhi__may_hold(reader, &of_root, value))
        tell(&verify->check, RHI_FOUND_BAD_ROOT, root->heap, root->slot, NULL,
             "the %s %s holds 0x%" PRIx64 ": %s", root_word(reader, root), root_name(root), value,
             what);
    return false;
}

static void check_rooted(rhi_verify *verify, const held *rows, uint64_t count)
{
    const rhi_graph *graph = verify->graph;
    uint32_t index = rows[0].index, found = rhi__found(graph, index) - rhi__guessed(graph, index);
    rhi_object object;
    if (rhi__open_at_most(graph, index) >= (int64_t)count ||
        graph->flags[index] & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_DYING | RHI_GRAPH_CORRUPT) ||
        !object_of(verify, index, &object) || !rhi__is_at_rest(verify->reader, object.heap))
        return;
    char names[256] = "";
    size_t used = 0;
    for (uint64_t i = 0; i < count && i < 3; i++)
        used +=
            (size_t)snprintf(names + used, used < sizeof names ? sizeof names - used : 0, "%s%.60s",
                             i ? ", " : "", root_name(&verify->reader->roots.items[rows[i].root]));
    tell(&verify->check, RHI_FOUND_ROOT_WITHOUT_COUNT, object.heap, object.address, &object,
         "%" PRIu64 " %s%s (%s%s) and %" PRIu32 " field%s hold it, but its count is %" PRId64 "%s",
         count, rhi__format_of(verify->reader, object.heap)->root_word, count == 1 ? "" : "s",
         names, count > 3 ? ", …" : "", found, found == 1 ? "" : "s", object.count,
         runtime_s(&object));
}

static rhi_error *check_roots(rhi_verify *verify)
{
    rhi_reader *reader = verify->reader;
    held *rows = malloc((reader->roots.count + 1) * sizeof *rows);
    uint64_t count = 0;
    rhi_error *error = rows ? NULL : rhi__error_memory();
    for (uint64_t i = 0; i < reader->roots.count && !error; i++) {
        const rhi_root *root = &reader->roots.items[i];
        uint64_t value;
        if (i % 4096 == 0)
            error = rhi__progress(&verify->session->work, "checking roots", i, reader->roots.count);
        /* registered with two heaps */
        bool is_again = i && reader->roots.items[i - 1].slot == root->slot;
        /* A slot inside an object is that object's field, which the graph counted. */
        if (root->is_guess || root->reach == RHI_ROOT_IN_PASSING || !check_root(verify, root) ||
            is_again || rhi__block_at(reader, root->slot) ||
            !rhi__memory_u64(reader->memory, root->slot, &value))
            continue;
        uint32_t index = rhi__object_index(reader, value);
        if (index != RHI_NO_OBJECT)
            rows[count++] = (held){.index = index, .root = (uint32_t)i};
    }
    if (!error && count)
        qsort(rows, count, sizeof *rows, held_order);
    for (uint64_t i = 0, next; i < count && !error; i = next) {
        for (next = i + 1; next < count && rows[next].index == rows[i].index;)
            next++;
        check_rooted(verify, rows + i, next - i);
    }
    free(rows);
    return error;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void tell_damage(rhi_verify *verify)
{
    for (uint64_t i = 0; i < verify->reader->damage.count; i++) {
        const rhi_damage *damage = &verify->reader->damage.items[i];
        rhi_object object;
        uint32_t index = damage->kind == RHI_FOUND_BAD_TYPE
                             ? rhi__object_of(verify->reader, damage->address)
                             : RHI_NO_OBJECT;
        bool is_object = index != RHI_NO_OBJECT && object_of(verify, index, &object);
        tell(&verify->check, damage->kind, is_object ? object.heap : UINT32_MAX, damage->address,
             is_object ? &object : NULL, "%s", damage->text);
    }
}

static void tell_provisional(rhi_verify *verify)
{
    char text[RHI_NAME_SIZE + 128];
    for (uint32_t i = 0; i < verify->reader->heaps.count; i++) {
        const rhi_heap_info *heap = &verify->reader->heaps.items[i];
        if (!(heap->provisional || heap->weak_in_motion) ||
            !rhi__heap_wanted(verify->session, verify->reader, i))
            continue;
        if (heap->provisional)
            snprintf(
                text, sizeof text,
                "heap %" PRIu64
                " is %s: its counts, references and candidates are in motion and were not judged",
                heap->number, heap->phase);
        else
            snprintf(text, sizeof text,
                     "heap %" PRIu64
                     " is joining or parting a weak reference: its weak references were not judged",
                     heap->number);
        rhi__note(&verify->session->notes, text);
    }
}

static rhi_error *allocate(rhi_verify *verify)
{
    const rhi_reader *reader = verify->reader;
    for (uint64_t i = 0; i < reader->heaps.count; i++)
        if (reader->heaps.items[i].space >= verify->serials_count)
            verify->serials_count = reader->heaps.items[i].space + 1;
    verify->serials = calloc((size_t)verify->serials_count + 1, sizeof *verify->serials);
    verify->check.weak_objects =
        calloc((size_t)verify->graph->count / 64 + 1, sizeof *verify->check.weak_objects);
    verify->no_objects = calloc((size_t)verify->graph->count / 64 + 1, sizeof *verify->no_objects);
    if (!verify->serials || !verify->check.weak_objects || !verify->no_objects)
        return rhi__error_memory();
    verify->check.work = &verify->session->work;
    verify->check.object_count = verify->graph->count;
    verify->check.no_objects = verify->no_objects;
    verify->check.found = tell;
    /* small enough for the processor's caches, which the flags are not */
    for (uint32_t i = 0; i < verify->graph->count; i++)
        verify->no_objects[i / 64] |= (uint64_t)((verify->graph->flags[i] & RHI_GRAPH_CORRUPT) != 0)
                                      << (i % 64);
    return NULL;
}

static rhi_error *verify_all(rhi_session *session, rhi_verify *verify)
{
    RHI_TRY(rhi__session_graph(session, &verify->graph));
    RHI_TRY(allocate(verify));
    for (uint64_t i = 0; i < verify->reader->formats.count; i++) {
        verify->check.format = verify->reader->formats.items[i].format;
        if (verify->check.format->check)
            RHI_TRY(verify->check.format->check(verify->reader, &verify->check));
    }
    RHI_TRY(rhi__each_object(&session->work, verify->reader, "checking references", check_object,
                             verify));
    RHI_TRY(check_counts(verify));
    RHI_TRY(check_roots(verify));
    tell_damage(verify);
    if (verify->findings.count)
        qsort(verify->findings.items, verify->findings.count, sizeof *verify->findings.items,
              finding_order);
    return verify->out_of_memory ? rhi__error_memory() : NULL;
}

/* What only the checks need. */
static void free_working(rhi_verify *verify)
{
    for (uint32_t i = 0; verify->serials && i < verify->serials_count; i++)
        free(verify->serials[i].bits);
    free(verify->serials);
    free(verify->check.weak_objects);
    free(verify->no_objects);
    verify->serials = NULL;
    verify->check.weak_objects = verify->no_objects = NULL;
}

static void free_verify(void *value)
{
    rhi_verify *verify = value;
    if (!verify)
        return;
    for (uint64_t i = 0; i < verify->findings.count; i++) {
        free(verify->findings.items[i].object);
        free(verify->findings.items[i].detail);
    }
    free(verify->findings.items);
    free_working(verify);
    free(verify);
}

rhi_error *rhi__session_verify(rhi_session *session, uint64_t limit, rhi_verify **result)
{
    rhi_reader *reader;
    RHI_TRY(rhi__session_reader(session, &reader));
    rhi_verify *verify = rhi__kept(&session->kept, free_verify);
    if (!verify || verify->limit < limit || verify->has_heap != session->has_heap ||
        verify->heap != session->heap) {
        if (!(verify = calloc(1, sizeof *verify)))
            return rhi__error_memory();
        *verify = (rhi_verify){.session = session,
                               .reader = reader,
                               .limit = limit < KEPT_MIN ? KEPT_MIN : limit,
                               .has_heap = session->has_heap,
                               .heap = session->heap};
        rhi_error *error = verify_all(session, verify);
        free_working(verify);
        if (error) {
            free_verify(verify);
            return error;
        }
        RHI_TRY(rhi__keep(&session->kept, verify, free_verify));
    }
    tell_provisional(verify);
    *result = verify;
    return NULL;
}
