/* chains.c - what lies in chains outside of an object: deques, ordered dicts, least-recently-used
 * caches, xml elements, and in arrays of C's own structs (see views.h).
 *
 * A chain may be a ring, or lead anywhere: it is followed as far as rhi__take_room has room for its
 * pieces, and no further than the object itself says. */
#include "readers/cpython/views.h"

enum {
    DEQUE_LEFT = 24,
    DEQUE_INDEX = 40,
    DEQUE_BLOCK = 528, /* {left, items, right} */
    DEQUE_ITEMS = 64,
    ODICT_FIRST = 48,
    ODICT_FAST = 64, /* its table of nodes, and how many it has room for */
    ODICT_FAST_SIZE = 72,
    ODICT_NODE = 32, /* {key, hash, next, prev} */
    CACHE_NEXT = 24, /* of the object itself, as of each link */
    ELEMENT_EXTRA = 40,
    EXTRA_BYTES = 64, /* {attrib, length, allocated, children, four children} */
    EXTRA_INNER = 32,
    HANDLERS = 22, /* of a parser, at the end of its bytes: where they are */
    STACK = 16,    /* of an iterator of elements */
    STACK_USED = 24,
    STACK_ROOM = 32,
    PARENT_BYTES = 16,
    RING_PUT = 24, /* of a SimpleQueue, from 3.13 on */
    RING_GET = 32,
    RING = 40,
    RING_ROOM = 48,
    RING_COUNT = 56,
    CODE_CACHED_BYTES = 32,
    LINK_COST = 64,
    LINK_BYTES = 56,
    LINK_KEY = 40,
    LINK_RESULT = 48
};

/* ---- deques --------------------------------------------------------------------------------- */

static bool give_block(const py_visit *v, const uint8_t *block, uint64_t at, uint64_t first,
                       uint64_t count, uint64_t number)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t offset = 8 + (first + i) * 8;
        if (!py_label(v, PY_LABEL_ITEM, at + offset, rhi__load64(block + offset), number + i))
            return false;
    }
    return true;
}

bool rhi__py_deque_slots(const py_visit *v)
{
    uint8_t block[DEQUE_BLOCK];
    uint64_t left = py_word(v, PY_OB_SIZE), at = py_word(v, DEQUE_LEFT),
             index = py_word(v, DEQUE_INDEX), number = 0;
    while (left && at && index < DEQUE_ITEMS && rhi__take_room(v->reader, DEQUE_BLOCK) &&
           rhi__py_read(v->py, at, block, sizeof block) == sizeof block) {
        uint64_t count = DEQUE_ITEMS - index < left ? DEQUE_ITEMS - index : left;
        if (!give_block(v, block, at, index, count, number))
            return false;
        left -= count;
        number += count;
        index = 0;
        at = rhi__load64(block + DEQUE_BLOCK - 8);
    }
    return true;
}

static rhi_error *deque_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    uint64_t left = py_word(v, PY_OB_SIZE), at = py_word(v, DEQUE_LEFT),
             index = py_word(v, DEQUE_INDEX);
    for (bool more = at != 0; more && at && index < DEQUE_ITEMS; index = 0) {
        uint64_t count = DEQUE_ITEMS - index, next;
        if (!rhi__take_room(v->reader, DEQUE_BLOCK) ||
            !rhi__py_u64(v->py, at + DEQUE_BLOCK - 8, &next))
            break;
        RHI_TRY(visit(context, at, DEQUE_BLOCK / 8, 8));
        more = left > count;
        left -= count;
        at = next;
    }
    return NULL;
}

/* ---- ordered dicts -------------------------------------------------------------------------- */

/* The dict, and the nodes that have its order: each owns its key, too. */
bool rhi__py_ordered_slots(const py_visit *v)
{
    uint8_t node[ODICT_NODE];
    if (!rhi__py_dict_slots(v, false))
        return false;
    uint64_t left = py_word(v, PY_OB_SIZE);
    for (uint64_t at = py_word(v, ODICT_FIRST);
         at && left && rhi__take_room(v->reader, LINK_COST) &&
         rhi__py_read(v->py, at, node, sizeof node) == sizeof node;
         at = rhi__load64(node + 16), left--)
        if (!py_label(v, PY_LABEL_ORDER, at, rhi__load64(node), rhi__load64(node)))
            return false;
    return true;
}

static rhi_error *ordered_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    uint64_t fast = py_word(v, ODICT_FAST), count = py_word(v, ODICT_FAST_SIZE), next;
    RHI_TRY(rhi__py_table_spans(v, visit, context));
    if (fast && fast % 8 == 0 && count && count >> PY_TABLE_MAX_LOG2 == 0 &&
        rhi__range_ok(fast, count * 8))
        RHI_TRY(visit(context, fast, count, 8));
    for (uint64_t at = py_word(v, ODICT_FIRST), left = py_word(v, PY_OB_SIZE);
         at && left && rhi__take_room(v->reader, LINK_COST) && rhi__py_u64(v->py, at + 16, &next);
         at = next, left--)
        RHI_TRY(visit(context, at, ODICT_NODE / 8, 8));
    return NULL;
}

/* ---- caches --------------------------------------------------------------------------------- */

/* Is the link an object, which has slots of its own? In 3.9 nothing says that its type is one:
 * there it is memory of the cache. */
static bool is_object(const py_visit *v, const uint8_t *link)
{
    return rhi__py_known_type(v->py, rhi__load64(link + PY_OB_TYPE)) != NULL;
}

/* Each link of the ring is owned by the one in front of it: the first by the cache itself. */
bool rhi__py_cache_slots(const py_visit *v)
{
    uint8_t bytes[LINK_BYTES];
    uint64_t slot = v->object->address + CACHE_NEXT, link = py_word(v, CACHE_NEXT), number = 0;
    while (link && link != v->object->address && rhi__take_room(v->reader, LINK_COST) &&
           rhi__py_read(v->py, link, bytes, sizeof bytes) == sizeof bytes) {
        uint64_t key = rhi__load64(bytes + LINK_KEY);
        bool goes_on =
            is_object(v, bytes)
                ? py_label(v, number ? PY_LABEL_LINK : PY_LABEL_INNER_LINK, slot, link, number)
                : py_label(v, PY_LABEL_KEY, link + LINK_KEY, key, key) &&
                      py_label(v, PY_LABEL_VALUE, link + LINK_RESULT,
                               rhi__load64(bytes + LINK_RESULT), key);
        if (!goes_on)
            return false;
        number++;
        slot = link + CACHE_NEXT;
        link = rhi__load64(bytes + CACHE_NEXT);
    }
    return true;
}

static rhi_error *cache_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    uint8_t bytes[LINK_BYTES];
    uint64_t link = py_word(v, CACHE_NEXT);
    while (link && link != v->object->address && rhi__take_room(v->reader, LINK_COST) &&
           rhi__py_read(v->py, link, bytes, sizeof bytes) == sizeof bytes) {
        bool is_whole = !is_object(v, bytes);
        RHI_TRY(
            visit(context, is_whole ? link : link + CACHE_NEXT, is_whole ? LINK_BYTES / 8 : 1, 8));
        link = rhi__load64(bytes + CACHE_NEXT);
    }
    return NULL;
}

/* ---- elements of xml, code ------------------------------------------------------------------ */

/* Its children and their number; false: none. */
static bool children_of(const py_visit *v, uint64_t extra, uint64_t *children, uint64_t *count)
{
    return extra && rhi__py_u64(v->py, extra + 8, count) &&
           rhi__py_u64(v->py, extra + 24, children) && *count && *children && *children % 8 == 0 &&
           *count >> PY_TABLE_MAX_LOG2 == 0 && rhi__range_ok(*children, *count * 8);
}

bool rhi__py_element_slots(const py_visit *v)
{
    uint64_t extra = py_word(v, ELEMENT_EXTRA), children, count, value;
    if (!extra || !rhi__py_u64(v->py, extra, &value))
        return true;
    if (!py_label(v, PY_LABEL_ATTRIB, extra, value, 0))
        return false;
    if (!children_of(v, extra, &children, &count))
        return true;
    for (uint64_t i = 0; i < count && rhi__take_room(v->reader, 8); i++) {
        if (!rhi__py_u64(v->py, children + i * 8, &value))
            break;
        if (!py_label(v, PY_LABEL_ITEM, children + i * 8, value, i))
            return false;
    }
    return true;
}

static rhi_error *element_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    uint64_t extra = py_word(v, ELEMENT_EXTRA), children, count;
    if (extra == 0)
        return NULL;
    RHI_TRY(visit(context, extra, EXTRA_BYTES / 8, 8));
    if (!children_of(v, extra, &children, &count) || children == extra + EXTRA_INNER)
        return NULL;
    return visit(context, children, count, 8);
}

/* ---- arrays of C's own structs -------------------------------------------------------------- */

/* Copies `count` words, of which each `stride`th is an object or 0; false: it is not so. Then they
 * are no part of the object: neither its slots nor its memory. */
static bool read_objects(const py_visit *v, uint64_t at, uint64_t *words, uint64_t count,
                         uint64_t stride)
{
    if (at == 0 || at % 8 || !rhi__take_room(v->reader, count * 8) ||
        rhi__py_read(v->py, at, words, count * 8) != count * 8)
        return false;
    for (uint64_t i = 0; i < count; i += stride)
        if (words[i] && !rhi__py_is_object(v->py, words[i]))
            return false;
    return true;
}

static uint64_t handlers_of(const py_visit *v)
{
    return py_word(v, v->py->minor >= 13 ? 72 : 64);
}

bool rhi__py_handler_slots(const py_visit *v)
{
    uint64_t words[HANDLERS], at = handlers_of(v);
    if (!read_objects(v, at, words, HANDLERS, 1))
        return true;
    for (uint64_t i = 0; i < HANDLERS; i++)
        if (!py_label(v, PY_LABEL_HANDLER, at + i * 8, words[i], i))
            return false;
    return true;
}

static rhi_error *handler_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    uint64_t words[HANDLERS], at = handlers_of(v);
    return read_objects(v, at, words, HANDLERS, 1) ? visit(context, at, HANDLERS, 8) : NULL;
}

/* Where an iterator's stack of parents is, {element, number of a child} each; false: it makes no
 * sense. */
static bool stack_of(const py_visit *v, uint64_t *at, uint64_t *used, uint64_t *room)
{
    *at = py_word(v, STACK);
    *used = py_word(v, STACK_USED);
    *room = py_word(v, STACK_ROOM);
    if (*used > *room || *room >> PY_TABLE_MAX_LOG2 || *at == 0 || *at % 8 ||
        !rhi__range_ok(*at, *room * PARENT_BYTES))
        return false;
    for (uint64_t i = 0; i < *used; i++) {
        uint64_t element;
        if (!rhi__take_room(v->reader, 8) ||
            !rhi__py_u64(v->py, *at + i * PARENT_BYTES, &element) ||
            (element && !rhi__py_is_object(v->py, element)))
            return false;
    }
    return true;
}

bool rhi__py_parent_slots(const py_visit *v)
{
    uint64_t at, used, room, element;
    if (!stack_of(v, &at, &used, &room))
        return true;
    for (uint64_t i = 0; i < used; i++)
        if (rhi__py_u64(v->py, at + i * PARENT_BYTES, &element) &&
            !py_label(v, PY_LABEL_PARENT, at + i * PARENT_BYTES, element, i))
            return false;
    return true;
}

static rhi_error *parent_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    uint64_t at, used, room;
    return stack_of(v, &at, &used, &room) ? visit(context, at, room * PARENT_BYTES / 8, 8) : NULL;
}

typedef struct py_ring {
    uint64_t at, first, count, room; /* first: which place has the oldest item */
} py_ring;

static uint64_t place_in(const py_ring *r, uint64_t number)
{
    return r->at + (r->first + number) % r->room * 8;
}

/* Where a queue's ring of items is; false: it makes no sense. */
static bool ring_of(const py_visit *v, py_ring *r)
{
    uint64_t put = py_word(v, RING_PUT), item;
    *r = (py_ring){.at = py_word(v, RING),
                   .first = py_word(v, RING_GET),
                   .room = py_word(v, RING_ROOM),
                   .count = py_word(v, RING_COUNT)};
    if (r->room == 0 || r->room >> PY_TABLE_MAX_LOG2 || r->first >= r->room || r->count > r->room ||
        (r->first + r->count) % r->room != put || r->at == 0 || r->at % 8 ||
        !rhi__range_ok(r->at, r->room * 8))
        return false;
    for (uint64_t i = 0; i < r->count; i++)
        if (!rhi__take_room(v->reader, 8) || !rhi__py_u64(v->py, place_in(r, i), &item) ||
            !rhi__py_is_object(v->py, item))
            return false;
    return true;
}

bool rhi__py_ring_slots(const py_visit *v)
{
    py_ring r;
    uint64_t item;
    if (!ring_of(v, &r))
        return true;
    for (uint64_t i = 0; i < r.count; i++)
        if (rhi__py_u64(v->py, place_in(&r, i), &item) &&
            !py_label(v, PY_LABEL_ITEM, place_in(&r, i), item, i))
            return false;
    return true;
}

static rhi_error *ring_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    py_ring r;
    return ring_of(v, &r) ? visit(context, r.at, r.room, 8) : NULL;
}

/* What is made of a code object's names when somebody asks: 3.12 has it apart. */
static uint64_t cached_of(const py_visit *v)
{
    return v->py->minor >= 13 ? py_word(v, 160) : v->py->minor == 12 ? py_word(v, 152) : 0;
}

bool rhi__py_code_slots(const py_visit *v)
{
    uint8_t words[CODE_CACHED_BYTES];
    uint64_t at = cached_of(v);
    if (!at || rhi__py_read(v->py, at, words, sizeof words) != sizeof words)
        return true;
    for (uint64_t i = 0; i < CODE_CACHED_BYTES / 8; i++)
        if (!py_label(v, PY_LABEL_CACHED, at + i * 8, rhi__load64(words + i * 8), i))
            return false;
    return true;
}

rhi_error *rhi__py_chain_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    switch (v->type->layout) {
    case PY_DEQUE:
        return deque_spans(v, visit, context);
    case PY_ORDERED_DICT:
        return ordered_spans(v, visit, context);
    case PY_LRU_CACHE:
        return cache_spans(v, visit, context);
    case PY_ELEMENT:
        return element_spans(v, visit, context);
    case PY_XML_PARSER:
        return handler_spans(v, visit, context);
    case PY_ELEMENT_ITERATOR:
        return parent_spans(v, visit, context);
    case PY_RING_QUEUE:
        return ring_spans(v, visit, context);
    case PY_CODE:
        return cached_of(v) ? visit(context, cached_of(v), CODE_CACHED_BYTES / 8, 8) : NULL;
    default:
        return NULL;
    }
}
