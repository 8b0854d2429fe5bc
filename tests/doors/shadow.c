/* shadow.c - the model: objects, their slots, words that hold them (see shadow.h).
 *
 * Invariant: count(object) = slots of live objects that own one + hands and words that do +
 * counts lost on purpose; an object dies in the model when that comes to 0, and its slots give up
 * theirs. */
#define _GNU_SOURCE
#include "shadow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct slot {
    shadow_name name;
    const char *strength;
    shadow_id to;
} slot;

enum { SLOTS_PER_OBJECT = 12, WORDS_MAX = 4096 };

static struct {
    shadow_object *objects; /* from 1 on */
    slot *slots;
    shadow_id *dying; /* work list of shadow_release */
    shadow_id *at;    /* the last object born at an address: a hash table */
    shadow_word words[WORDS_MAX];
    size_t object_max, object_count, slot_max, slot_count, table_size, word_count;
} model;

void require_fact(bool is_true, const char *fact, const char *file, int line)
{
    if (is_true)
        return;
    fflush(stdout);
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, fact);
    _exit(3);
}

static void *memory_of(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(memory != MAP_FAILED);
    return memory;
}

void shadow_open(size_t objects_max)
{
    model.object_max = objects_max;
    model.slot_max = objects_max * SLOTS_PER_OBJECT;
    for (model.table_size = 1024; model.table_size < 2 * objects_max;)
        model.table_size *= 2;
    model.objects = memory_of((objects_max + 1) * sizeof *model.objects);
    model.slots = memory_of(model.slot_max * sizeof *model.slots);
    model.dying = memory_of((objects_max + 1) * sizeof *model.dying);
    model.at = memory_of(model.table_size * sizeof *model.at);
}

shadow_object *shadow_at(shadow_id id)
{
    require(id && id <= model.object_count);
    return &model.objects[id];
}

shadow_id shadow_count(void)
{
    return (shadow_id)model.object_count;
}

void *shadow_address(shadow_id id)
{
    return id ? (void *)~shadow_at(id)->inverted : NULL;
}

/* The table's entry for an address. */
static shadow_id *tenant(uintptr_t inverted)
{
    size_t i = (~inverted >> 4) * 0x9e3779b97f4a7c15u >> 20;
    for (;; i++) {
        shadow_id *entry = &model.at[i & (model.table_size - 1)];
        if (!*entry || model.objects[*entry].inverted == inverted)
            return entry;
    }
}

shadow_id shadow_birth(rh_heap *heap, uint32_t heap_number, const char *type, const void *object,
                       size_t size, unsigned slots)
{
    require(object && model.object_count < model.object_max &&
            model.slot_count + slots <= model.slot_max);
    shadow_id id = (shadow_id)++model.object_count, *here = tenant(~(uintptr_t)object);
    model.objects[id] = (shadow_object){.type = type,
                                        .serial = rh_serial(object),
                                        .inverted = ~(uintptr_t)object,
                                        .heap = heap,
                                        .size = size,
                                        .count = 1,
                                        .heap_number = heap_number,
                                        .live = true,
                                        .before = *here,
                                        .first_slot = (uint32_t)model.slot_count,
                                        .slot_capacity = slots};
    require(!*here || !model.objects[*here].live);
    *here = id;
    model.slot_count += slots;
    return id;
}

/* ---- counts --------------------------------------------------------------------------------- */

unsigned shadow_slot(shadow_id id, shadow_name name, const char *strength)
{
    shadow_object *object = shadow_at(id);
    require(object->slot_count < object->slot_capacity);
    model.slots[object->first_slot + object->slot_count] =
        (slot){.name = name, .strength = strength};
    return object->slot_count++;
}

static slot *slot_of(shadow_id from, unsigned number)
{
    require(number < shadow_at(from)->slot_count);
    return &model.slots[shadow_at(from)->first_slot + number];
}

shadow_id shadow_held_by(shadow_id from, unsigned number)
{
    return slot_of(from, number)->to;
}

static bool owns(const slot *one)
{
    return strcmp(one->strength, "borrowed") != 0;
}

void shadow_retain(shadow_id id)
{
    require(shadow_at(id)->live);
    if (!shadow_at(id)->immortal)
        shadow_at(id)->count++;
}

void shadow_over_release(shadow_id id)
{
    require(shadow_at(id)->live && shadow_at(id)->count && shadow_at(id)->slot_count == 0);
    shadow_at(id)->live = --shadow_at(id)->count > 0;
}

void shadow_release(shadow_id id)
{
    size_t waiting = 0;
    model.dying[waiting++] = id;
    while (waiting) {
        shadow_object *object = shadow_at(model.dying[--waiting]);
        require(object->live && (object->immortal || object->count));
        if (object->immortal || --object->count)
            continue;
        object->live = false;
        for (unsigned i = 0; i < object->slot_count; i++) {
            const slot *one = &model.slots[object->first_slot + i];
            require(waiting < model.object_max);
            if (one->to && owns(one))
                model.dying[waiting++] = one->to;
        }
    }
}

void shadow_set(shadow_id from, unsigned number, shadow_id to)
{
    require(shadow_at(from)->live);
    slot *one = slot_of(from, number);
    shadow_id old = one->to;
    one->to = to;
    if (to && owns(one))
        shadow_retain(to);
    if (old && owns(one))
        shadow_release(old);
}

void shadow_add_word(shadow_word word)
{
    require(model.word_count < WORDS_MAX);
    model.words[model.word_count++] = word;
}

/* ---- does the runtime agree? ---------------------------------------------------------------- */

void shadow_compare(bool is_sound)
{
    static char report[4096];
    rh_heap *last = NULL;
    for (shadow_id id = 1; id <= model.object_count; id++) {
        const shadow_object *object = shadow_at(id);
        const void *address = shadow_address(id);
        bool is_last_here = *tenant(object->inverted) == id;
        if (object->heap)
            require(!is_last_here || rh_is_object(object->heap, address) == object->live);
        if (object->live) {
            require(rh_serial(address) == object->serial);
            require(rh_refcount(address) == (object->immortal ? RH_IMMORTAL : object->count));
        }
        if (!object->heap || object->heap == last)
            continue;
        last = object->heap;
        if ((rh_heap_check(last, report, sizeof report) == 0) != is_sound)
            require_fact(false, is_sound ? report : "the runtime calls the heap sound", __FILE__,
                         __LINE__);
    }
}

/* ---- telling -------------------------------------------------------------------------------- */
/* Names of types, fields and variables need no escapes in JSON. */

static void tell_id(const char *before, shadow_id id)
{
    if (id)
        printf("%s\"%s#%" PRIu64 "\"", before, shadow_at(id)->type, shadow_at(id)->serial);
    else
        printf("%snull", before);
}

/* File, line and function; null where no line is known. */
static void tell_site(const shadow_site *site)
{
    if (!site->file)
        printf(", \"site\": null");
    else if (site->function)
        printf(", \"site\": [\"%s\", %" PRIu32 ", \"%s\"]", site->file, site->line, site->function);
    else
        printf(", \"site\": [\"%s\", %" PRIu32 ", null]", site->file, site->line);
}

static void tell_slot(const slot *one, bool is_first)
{
    printf("%s[\"%s", is_first ? "" : ", ", one->name.head);
    if (one->name.element >= 0)
        printf("[%ld]%s", one->name.element, one->name.tail ? one->name.tail : "");
    tell_id("\", ", one->to);
    printf(", \"%s\"]", one->strength);
}

static void tell_object(shadow_id id, bool is_first)
{
    static const char *const fates[] = {"held", "lost_reference", "dependent", "cycle"};
    const shadow_object *object = shadow_at(id);
    bool is_first_slot = true, is_weak = strcmp(object->type, "weak") == 0;
    tell_id(is_first ? "{\"id\": " : ", {\"id\": ", id);
    printf(", \"address\": \"0x%" PRIxPTR "\", \"size\": %zu, \"heap\": %" PRIu32,
           ~object->inverted, object->size, object->heap_number);
    if (object->immortal)
        printf(", \"refcount\": null, \"immortal\": true");
    else
        printf(", \"refcount\": %" PRIu64 ", \"immortal\": false", object->count);
    tell_site(&object->site);
    printf(", \"state\": \"%s\", \"fate\": \"%s\", \"slots\": [",
           object->finalized ? "finalized" : "live", fates[object->fate]);
    for (unsigned i = 0; i < object->slot_count; i++) {
        const slot *one = &model.slots[object->first_slot + i];
        if (!one->to || (is_weak && !shadow_at(one->to)->live))
            continue; /* the runtime clears a weak reference, and no other field */
        tell_slot(one, is_first_slot);
        is_first_slot = false;
    }
    printf("]");
    tell_id(", \"before\": ", object->before);
    printf("}");
}

static void tell_freed(shadow_id id, bool is_first)
{
    shadow_id here = *tenant(shadow_at(id)->inverted);
    tell_id(is_first ? "{\"id\": " : ", {\"id\": ", id);
    tell_site(&shadow_at(id)->site);
    tell_id(", \"now\": ", here != id && shadow_at(here)->live ? here : 0);
    printf(", \"last\": %s, \"address\": \"0x%" PRIxPTR "\", \"heap\": %" PRIu32 "}",
           here == id ? "true" : "false", ~shadow_at(id)->inverted, shadow_at(id)->heap_number);
}

static void tell_word(const shadow_word *word, bool is_first)
{
    printf("%s{\"kind\": \"%s\", \"name\": ", is_first ? "" : ", ", word->kind);
    if (word->name)
        printf("\"%s\"", word->name);
    else
        printf("null");
    if (word->inverted)
        printf(", \"address\": \"0x%" PRIxPTR "\"", ~word->inverted);
    else
        printf(", \"address\": null");
    tell_id(", \"from\": ", word->from);
    tell_id(", \"to\": ", word->to);
    printf(", \"thread\": %ld, \"offset\": %zu, \"owns\": %s}", word->lwp, word->offset,
           word->owns ? "true" : "false");
}

void shadow_tell(void)
{
    bool is_first = true;
    printf("\"objects\": [");
    for (shadow_id id = 1; id <= model.object_count; id++)
        if (shadow_at(id)->live) {
            tell_object(id, is_first);
            is_first = false;
        }
    printf("], \"freed\": [");
    is_first = true;
    for (shadow_id id = 1; id <= model.object_count; id++)
        if (!shadow_at(id)->live) {
            tell_freed(id, is_first);
            is_first = false;
        }
    printf("], \"words\": [");
    for (size_t i = 0; i < model.word_count; i++)
        tell_word(&model.words[i], i == 0);
    printf("]");
}
