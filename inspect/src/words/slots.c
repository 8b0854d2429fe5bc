/* slots.c - finds the words inside objects that hold an address (see words.h).
 *
 * Looking for one object reads all words of all slots as they lie in memory, and decodes a slot
 * only where one of them hits: no graph is needed, and memory is read at its own speed. Words that
 * no field declares are few: of most types there is none to be read. Where a format's code finds
 * the slots, these are addresses of bytes inside of what C code holds, in its own structs alone. */
#include "graph/graph.h"
#include "words/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of a type's objects in slots of one size, which of the first 64 words no field declares. */
typedef struct undeclared {
    uint64_t slot_size; /* 0: not looked at yet */
    uint64_t words;
} undeclared;

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    uint64_t low, high, mask, target; /* target: of references: an object's address */
    rhi_holder_visitor visit;
    void *context;
    rhi_error *error;
    const rhi_object *object;        /* whose vectors are visited */
    bool only_undeclared, any_value; /* any_value: also of fields that are no references */
    rhi_object decoded;              /* of the last hit: the next one is often in the same slot */
    const rhi_slot_choice *choice;
    rhi_tables *tables; /* whose owners are looked for on the way; NULL: none */
    uint64_t asked;     /* the last object that was asked of its tables; 0: none */
    bool has_foreign;   /* some object has the address in a word that is no slot of its own */
    /* with only_undeclared: per type; the headers of a block */
    undeclared *undeclared;
    rhi_headers headers;
} search;

static rhi_error *hit(search *s, const rhi_object *object, const rhi_field *field, uint64_t element,
                      uint64_t address, uint64_t value)
{
    rhi_holder holder = {.kind = field ? RHI_HOLDER_FIELD : RHI_HOLDER_UNDECLARED,
                         .address = address,
                         .value = value,
                         .from = object->address,
                         .in_live = object->state == RHI_LIVE,
                         .field = field,
                         .element = element};
    if (field && !s->any_value) {
        holder.strong = field->kind != RHI_KIND_BORROWED;
        holder.weak = !holder.strong;
    }
    return s->visit(s->context, &holder);
}

/* The vector whose address is the word at `offset`; NULL: none. */
static const rhi_field *vector_at(const rhi_reader *reader, const rhi_object *object,
                                  uint64_t offset, uint64_t *element)
{
    const rhi_type *type = &reader->types.items[object->type];
    for (uint32_t i = 0; i < type->field_count; i++)
        if (type->fields[i].form == RHI_FORM_VECTOR && type->fields[i].offset == offset) {
            *element = RHI_WHOLE_VECTOR;
            return &type->fields[i];
        }
    return NULL;
}

/* ---- referrers of one object ---------------------------------------------------------------- */

typedef struct coded_word {
    search *s;
    const rhi_object *object;
    uint64_t address;
    bool found;
} coded_word;

static bool visit_coded_slot(void *context, const rhi_slot *slot)
{
    coded_word *w = context;
    if (slot->address != w->address || slot->value != w->s->target)
        return true;
    w->found = true;
    w->s->error = hit(w->s, w->object, slot->field, slot->element, slot->address, slot->value);
    return !w->s->error;
}

static const rhi_type *type_of(const search *s, const rhi_object *object)
{
    return object->type < s->reader->types.count ? &s->reader->types.items[object->type] : NULL;
}

/* Is the word, of an object of C code's, the address of bytes inside of an object that lends them?
 * Or does it lie behind what the object says it has, since C code makes some larger, and is the
 * address of an object? What is in front of the object is none of its words. */
static bool is_raw_reference(search *s, const rhi_object *object, const uint8_t *bytes,
                             uint64_t offset)
{
    uint64_t value = rhi__load64(bytes + offset);
    const rhi_block *block = rhi__block_at(s->reader, value);
    rhi_object target;
    if (!block || !rhi__slot_is_live(block, rhi__slot_number(block, value)) ||
        object->start + offset < object->address ||
        !rhi__slot_at(s->reader, block, value, &target) || !rhi__is_object(target.state))
        return false;
    const rhi_type *type = type_of(s, &target);
    bool is_behind = offset + 8 > rhi__object_size(s->reader, object, bytes);
    return is_behind ? value == target.address
                     : type && type->lends_bytes && value > target.address;
}

/* The slots at this word, as the format's code finds them: one that owns several counts is a row
 * for each. */
static rhi_error *check_coded_word(search *s, const rhi_object *object, const uint8_t *bytes,
                                   uint64_t offset)
{
    coded_word w = {.s = s, .object = object, .address = object->start + offset};
    uint64_t value = rhi__load64(bytes + offset);
    if (!s->only_undeclared)
        rhi__each_slot(s->reader, object, bytes, visit_coded_slot, &w);
    s->has_foreign |= !w.found && value == s->target;
    if (!s->error && type_of(s, object)->has_raw_words &&
        is_raw_reference(s, object, bytes, offset))
        s->error = hit(s, object, NULL, 0, w.address, value);
    return s->error;
}

static rhi_error *check_word(search *s, const rhi_object *object, const uint8_t *bytes,
                             uint64_t offset)
{
    uint64_t element = 0, value = rhi__load64(bytes + offset);
    if (s->reader->types.items[object->type].has_code && !s->any_value)
        return check_coded_word(s, object, bytes, offset);
    const rhi_field *field = rhi__field_at(s->reader, object, bytes, offset, &element);
    if (s->any_value) {
        field = field ? field : vector_at(s->reader, object, offset, &element);
        return hit(s, object, field, element, object->start + offset, value);
    }
    if (field && (s->only_undeclared || !rhi__is_reference(field) || value != s->target))
        /* plain data, or a reference that is none: it does not point to an object's start */
        return NULL;
    return hit(s, object, field, element, object->start + offset, value);
}

static rhi_error *check_block_word(search *s, const rhi_block *block, const uint8_t *bytes,
                                   uint64_t at)
{
    uint64_t slot = rhi__slot_number(block, block->base + at), start = slot * block->slot_size;
    if (at - start < s->reader->heaps.items[block->heap].first_word ||
        !rhi__slot_is_live(block, slot))
        return NULL;
    if (s->decoded.start != block->base + start)
        rhi__decode(s->reader, block, block->base + start, bytes + start, true, &s->decoded);
    if (!rhi__is_object(s->decoded.state))
        return NULL;
    if (s->decoded.type >= s->reader->types.count) /* damaged: any of its words may be a field */
        return hit(s, &s->decoded, NULL, 0, block->base + at, rhi__load64(bytes + at));
    return check_word(s, &s->decoded, bytes + start, at - start);
}

static uint64_t undeclared_words(search *s, const rhi_block *block, uint32_t type)
{
    uint64_t size = block->slot_size, first = s->reader->heaps.items[block->heap].first_word;
    undeclared *u = &s->undeclared[type];
    if (u->slot_size != size) {
        *u = (undeclared){size, size < 512 ? (1ull << (size / 8)) - 1 : UINT64_MAX};
        u->words &= first <= 504 ? UINT64_MAX << ((first + 7) / 8) : 0;
        if (type < s->reader->types.count) /* else it is damaged: any of its words may be a field */
            u->words &= ~rhi__declared_words(s->reader, type, size);
    }
    return u->words;
}

/* The words of one object: those of `words`, and all behind the first 64. */
static rhi_error *check_words(search *s, const rhi_block *block, const uint8_t *bytes,
                              uint64_t start, uint64_t words)
{
    for (; words; words &= words - 1) {
        uint64_t at = start + (uint64_t)__builtin_ctzll(words) * 8;
        if (rhi__load64(bytes + at) - s->low < s->high - s->low)
            RHI_TRY(check_block_word(s, block, bytes, at));
    }
    for (uint64_t at = start + 512; at < start + block->slot_size; at += 8)
        if (rhi__load64(bytes + at) - s->low < s->high - s->low)
            RHI_TRY(check_block_word(s, block, bytes, at));
    return NULL;
}

/* search_block for words that no field declares; its slots begin at words. */
static rhi_error *search_undeclared(search *s, const rhi_block *block, const uint8_t *bytes,
                                    uint64_t slots)
{
    const rhi_reader *reader = s->reader;
    uint32_t type_count = (uint32_t)reader->types.count;
    const rhi_header *header = rhi__headers(reader, block, bytes, slots, &s->headers);
    if (!header)
        return rhi__error_memory();
    for (uint64_t first = 0; first < slots; first += 64)
        for (uint64_t bits = block->live[first / 64]; bits; bits &= bits - 1, header++) {
            uint64_t slot = first + (uint64_t)__builtin_ctzll(bits), words;
            uint32_t type = header->type < type_count ? header->type : type_count;
            if (slot >= slots)
                return NULL;
            if (!rhi__is_object(header->state) ||
                (type < type_count && reader->types.items[type].has_code &&
                 !reader->types.items[type].has_raw_words))
                continue;
            words = undeclared_words(s, block, type);
            if (words || block->slot_size > 512)
                RHI_TRY(check_words(s, block, bytes, slot * block->slot_size, words));
        }
    return NULL;
}

/* ---- slots in tables ------------------------------------------------------------------------ */

static bool visit_vector_slot(void *context, const rhi_slot *slot)
{
    search *s = context;
    if (slot->field->form == RHI_FORM_VECTOR && slot->value == s->target)
        s->error = hit(s, s->object, slot->field, slot->element, slot->address, slot->value);
    return !s->error;
}

/* Every table, where it is not known whose are worth a look. */
static rhi_error *search_vectors(void *context, uint32_t index, const rhi_object *object,
                                 const uint8_t *bytes)
{
    search *s = context;
    (void)index;
    if (!rhi__is_object(object->state) || object->type >= s->reader->types.count ||
        !s->reader->types.items[object->type].has_vectors)
        return NULL;
    s->object = object;
    rhi__each_slot(s->reader, object, bytes, visit_vector_slot, s);
    return s->error;
}

/* The object at hand has a word that leads to where words lie: are these slots of its own? */
static rhi_error *ask_owner(search *s, const rhi_object *object, const uint8_t *bytes)
{
    bool has = false;
    RHI_TRY(rhi__tables_ask(s->tables, object, bytes, &has));
    s->object = object;
    if (has)
        rhi__each_slot(s->reader, object, bytes, visit_vector_slot, s);
    return s->error;
}

static rhi_error *check_pointer(search *s, const rhi_block *block, const uint8_t *bytes,
                                uint64_t at)
{
    uint64_t slot = rhi__slot_number(block, block->base + at), start = slot * block->slot_size;
    rhi_object object;
    if (block->base + start == s->asked || !rhi__slot_is_live(block, slot) ||
        !rhi__piece_at(&s->tables->pieces, rhi__load64(bytes + at)))
        return NULL;
    s->asked = block->base + start;
    rhi__decode(s->reader, block, block->base + start, bytes + start, true, &object);
    const rhi_type *type = rhi__is_object(object.state) && object.type < s->reader->types.count
                               ? &s->reader->types.items[object.type]
                               : NULL;
    return type && type->has_vectors && !type->has_chains ? ask_owner(s, &object, bytes + start)
                                                          : NULL;
}

/* As search_block, and for what points to the tables. */
static rhi_error *search_for_owners(search *s, const rhi_block *block, const uint8_t *bytes,
                                    uint64_t size)
{
    uint64_t low = s->low, span = s->high - s->low;
    const rhi_tables *tables = s->tables;
    for (uint64_t at = 0; at + 8 <= size; at += 8) {
        uint64_t word = rhi__load64(bytes + at);
        if (word - low < span)
            RHI_TRY(check_block_word(s, block, bytes, at));
        else if (rhi__tables_may(tables, word))
            RHI_TRY(check_pointer(s, block, bytes, at));
    }
    return NULL;
}

static bool leads_on(void *context, uint32_t index, const rhi_block *block,
                     const rhi_header *header, const uint8_t *bytes)
{
    const search *s = context;
    (void)index;
    (void)block;
    (void)bytes;
    return rhi__is_object(header->state) && header->type < s->reader->types.count &&
           s->reader->types.items[header->type].has_chains;
}

static rhi_error *search_chains(void *context, uint32_t index, const rhi_object *object,
                                const uint8_t *bytes)
{
    search *s = context;
    bool has;
    (void)index;
    RHI_TRY(rhi__tables_ask(s->tables, object, bytes, &has));
    s->object = object;
    rhi__each_slot(s->reader, object, bytes, visit_vector_slot, s);
    return s->error;
}

/* Are there slots outside of objects, and are all of them found by code? */
static bool any_vectors(const rhi_reader *reader, bool *all_by_code)
{
    bool any = false;
    *all_by_code = true;
    for (uint64_t i = 0; i < reader->types.count; i++)
        if (reader->types.items[i].has_vectors) {
            any = true;
            *all_by_code &= reader->types.items[i].has_code;
        }
    return any;
}

/* ---- referrers of one object, block by block ------------------------------------------------ */

static rhi_error *search_block(search *s, const rhi_block *block, rhi_block_room *room)
{
    enum { STEP = 64 };
    uint64_t got, size = rhi__block_used_bytes(block), low = s->low, span = s->high - s->low,
                  mask = s->mask;
    const uint8_t *bytes = rhi__block_bytes(s->reader, block, size, room, &got);
    if (!bytes || got < size)
        rhi__reader_problem(s->reader,
                            "%" PRIu64 " bytes of the %s at 0x%" PRIx64 " cannot be read",
                            size - (bytes ? got : 0),
                            rhi__format_of(s->reader, block->heap)->block_word, block->base);
    got = bytes ? got - got % block->slot_size : 0; /* whole slots only */
    if (s->undeclared && block->slot_size % 8 == 0)
        return got ? search_undeclared(s, block, bytes, got / block->slot_size) : NULL;
    if (s->tables)
        return search_for_owners(s, block, bytes, got);
    for (uint64_t at = 0; at < got; at += STEP) {
        uint64_t end = got - at < STEP ? got : at + STEP;
        bool any = false;
        for (uint64_t i = at; i < end; i += 8) /* without a branch: the common answer is no */
            any |= (rhi__load64(bytes + i) & mask) - low < span;
        for (uint64_t i = at; any && i < end; i += 8)
            if ((rhi__load64(bytes + i) & mask) - low < span)
                RHI_TRY(check_block_word(s, block, bytes, i));
    }
    return NULL;
}

static rhi_error *search_blocks(search *s)
{
    rhi_block_room room = {.scratch = {0}};
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < s->reader->blocks.count && !error; i++) {
        error =
            rhi__progress(&s->session->work, "looking for references", i, s->reader->blocks.count);
        const rhi_block *block = &s->reader->blocks.items[i];
        if (!error && block->object_count && !(s->undeclared && block->has_slots_alone))
            error = search_block(s, block, &room);
    }
    rhi__block_room_free(&room);
    return error;
}

rhi_error *rhi__each_slot_to(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                             rhi_holder_visitor visit, void *context)
{
    search s = {.session = session,
                .reader = reader,
                .low = object->address,
                .high = rhi__object_end(object),
                .target = object->address,
                .mask = UINT64_MAX,
                .visit = visit,
                .context = context};
    rhi_tables tables;
    bool by_code, any = any_vectors(reader, &by_code);
    rhi_error *error =
        any && by_code ? rhi__tables_find(session, reader, s.low, s.high, &tables) : NULL;
    bool is_known = any && by_code && !error && !tables.is_open;
    s.tables = is_known ? &tables : NULL;
    if (!error)
        error = search_blocks(&s);
    if (!error && any && !is_known)
        error =
            rhi__each_object(&session->work, reader, "looking into vectors", search_vectors, &s);
    if (!error && is_known && (rhi__tables_are_left(&tables) || s.has_foreign))
        error = rhi__each_chosen(&session->work, reader, "looking into tables", leads_on,
                                 search_chains, &s);
    if (!error && is_known)
        error = rhi__tables_keep(&tables);
    if (any && by_code)
        rhi__tables_free(&tables);
    return error;
}

/* The whole slot: a flexible tail whose length the type does not tell lies behind the struct. */
rhi_error *rhi__each_undeclared(rhi_session *session, rhi_reader *reader, uint64_t low,
                                uint64_t high, rhi_holder_visitor visit, void *context)
{
    search s = {.session = session,
                .reader = reader,
                .low = low,
                .high = high,
                .mask = UINT64_MAX,
                .visit = visit,
                .context = context,
                .only_undeclared = true,
                .undeclared = calloc(reader->types.count + 1, sizeof(undeclared))};
    rhi_error *error = s.undeclared ? search_blocks(&s) : rhi__error_memory();
    free(s.undeclared);
    free(s.headers.items);
    return error;
}

rhi_error *rhi__each_word_of_objects(rhi_session *session, rhi_reader *reader, uint64_t low,
                                     uint64_t high, uint64_t mask, rhi_holder_visitor visit,
                                     void *context)
{
    search s = {.session = session,
                .reader = reader,
                .low = low,
                .high = high,
                .mask = mask,
                .visit = visit,
                .context = context,
                .any_value = true};
    return search_blocks(&s);
}

/* ---- words that the asker chooses ----------------------------------------------------------- */

static bool visit_chosen_slot(void *context, const rhi_slot *slot)
{
    search *s = context;
    if (slot->field->form == RHI_FORM_VECTOR && slot->value - s->low < s->high - s->low &&
        s->choice->wanted(s->context, slot->value))
        s->error = hit(s, s->object, slot->field, slot->element, slot->address, slot->value);
    return !s->error;
}

/* Of types whose slots are found by code there are no other words that refer. */
static bool visit_chosen_coded(void *context, const rhi_slot *slot)
{
    search *s = context;
    if (slot->value - s->low < s->high - s->low && s->choice->wanted(s->context, slot->value))
        s->error = hit(s, s->object, slot->field, slot->element, slot->address, slot->value);
    return !s->error;
}

static bool is_chosen(void *context, uint32_t index, const rhi_block *block,
                      const rhi_header *header, const uint8_t *bytes)
{
    search *s = context;
    return rhi__is_object(header->state) && header->type < s->reader->types.count &&
           s->choice->is_worth(s->context, index, block, header, bytes);
}

static rhi_error *search_chosen(void *context, uint32_t index, const rhi_object *object,
                                const uint8_t *bytes)
{
    search *s = context;
    uint64_t element = 0, low = s->low, span = s->high - s->low;
    const rhi_type *type = &s->reader->types.items[object->type];
    (void)index;
    s->object = object;
    if (type->has_code) {
        rhi__each_slot(s->reader, object, bytes, visit_chosen_coded, s);
        return s->error;
    }
    for (uint64_t i = s->reader->heaps.items[object->heap].first_word; i + 8 <= object->slot_size;
         i += 8) {
        uint64_t value = rhi__load64(bytes + i);
        if (value - low >= span || !s->choice->wanted(s->context, value))
            continue;
        const rhi_field *field = rhi__field_at(s->reader, object, bytes, i, &element);
        if (!field || rhi__is_reference(field))
            RHI_TRY(hit(s, object, field, field ? element : 0, object->start + i, value));
    }
    if (!type->has_vectors)
        return NULL;
    rhi__each_slot(s->reader, object, bytes, visit_chosen_slot, s);
    return s->error;
}

rhi_error *rhi__each_slot_where(rhi_session *session, rhi_reader *reader,
                                const rhi_slot_choice *choice)
{
    search s = {.session = session,
                .reader = reader,
                .low = reader->lowest,
                .high = reader->highest,
                .visit = choice->visit,
                .context = choice->context,
                .choice = choice};
    return rhi__each_chosen(&session->work, reader, "reading objects", is_chosen, search_chosen,
                            &s);
}
