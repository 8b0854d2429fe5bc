/* links.c - holds the collector's links against each other, and against the objects (see checks.h).
 *
 * Each link is an edge from one place to the next. In sound lists `next` links and `previous` links
 * are the same edges, seen from either end. So both are added up, as numbers that are made of the
 * two ends, in parts; where the sums of a part agree, so do its edges, and nothing was read but the
 * objects in their order. Only edges of other parts are looked at by themselves.
 *
 * Invariant: each fault is told once, at the object whose link does not lead where it should. */
#include "heap/objects.h"
#include "readers/cpython/checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARTS = 4096, LINK_NEXT = 0, LINK_PREVIOUS = 8 };

typedef struct sums {
    py_checker *c;
    uint64_t next[PARTS], previous[PARTS];
} sums;

static uint64_t edge_number(uint64_t from, uint64_t to)
{
    uint64_t x = from * 0x9E3779B97F4A7C15ull ^ (to * 0xC2B2AE3D27D4EB4Full + (to >> 31));
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9ull;
    return x ^ x >> 32;
}

static bool differs(const sums *s, uint64_t from, uint64_t to)
{
    unsigned part = edge_number(from, to) % PARTS;
    return s->next[part] != s->previous[part];
}

static void add(void *context, const py_links *links)
{
    sums *s = context;
    uint64_t forward = edge_number(links->head, links->next),
             backward = edge_number(links->previous, links->head);
    s->next[forward % PARTS] += forward;
    s->previous[backward % PARTS] += backward;
}

static bool read_link(const py_checker *c, uint64_t address, uint64_t *link)
{
    if (!rhi__memory_u64(c->py->memory, address, link))
        return false;
    *link &= ~(uint64_t)PY_GC_LINK_FLAGS;
    return true;
}

/* ---- who is at a place ---------------------------------------------------------------------- */

static bool is_list_head(const py_checker *c, uint64_t place)
{
    for (uint64_t i = 0; i < c->py->interpreters.count; i++)
        for (unsigned list = 0; list < PY_GC_LISTS; list++)
            if (rhi__py_list_head(&c->py->interpreters.items[i], list) == place)
                return true;
    return false;
}

static bool object_of(const py_checker *c, uint64_t head, rhi_object *object)
{
    uint64_t address = head + PY_LINKS_BYTES;
    const rhi_block *block = rhi__object_of(c->reader, address) != RHI_NO_OBJECT
                                 ? rhi__block_at(c->reader, address)
                                 : NULL;
    return block && rhi__slot_at(c->reader, block, address, object);
}

static void name_place(const py_checker *c, uint64_t place, char *name, size_t size)
{
    rhi_object object;
    if (is_list_head(c, place))
        snprintf(name, size, "the list's own head");
    else if (object_of(c, place, &object))
        rhi__object_id(c->reader, &object, name, size);
    else
        snprintf(name, size, "0x%" PRIx64, place);
}

static bool in_hand(const py_checker *c, uint64_t head)
{
    return head && (rhi__py_in_hand(c->py, head) || rhi__py_in_hand(c->py, head + PY_LINKS_BYTES));
}

/* ---- one edge ------------------------------------------------------------------------------- */

#define TELL(c, kind, head, ...)                                                                   \
    do {                                                                                           \
        rhi_object object_;                                                                        \
        bool is_object_ = object_of(c, head, &object_);                                            \
        (c)->check->found((c)->check, kind, (c)->py->interpreters.items[0].heap,                   \
                          (head) + (is_object_ ? PY_LINKS_BYTES : 0),                              \
                          is_object_ ? &object_ : NULL, __VA_ARGS__);                              \
    } while (0)

static bool is_no_type(const py_checker *c, uint64_t type)
{
    uint64_t meta;
    return !rhi__py_type_at(c->py, type) && !py_lacks_type(c->py, type) &&
           (!rhi__memory_u64(c->py->memory, type + PY_OB_TYPE, &meta) ||
            !py_lacks_type(c->py, meta));
}

static bool is_no_count(const py_checker *c, uint64_t count)
{
    return count >= c->py->refcount_max &&
           (count > UINT32_MAX || !rhi__py_is_immortal(c->py, count));
}

/* The list goes through a place that is no object that is known. Why not? What cannot be read is no
 * fault, nor is an object that is being freed, or of a size that its type does not explain. */
static void tell_no_object(py_checker *c, uint64_t head)
{
    static const char *const list = "a list of the collector has";
    uint64_t address = head + PY_LINKS_BYTES, next, back, count = 0, type;
    uint32_t heap = c->py->interpreters.items[0].heap;
    rhi_check *check = c->check;
    py_piece piece;
    rhi__py_piece_at(c, address, &piece);
    if (piece.use == PY_USE_FREE)
        check->found(check, RHI_FOUND_BAD_TRACKING, heap, address, NULL,
                     "%s 0x%" PRIx64 ", which lies in a freed block", list, address);
    else if (!rhi__memory_u64(c->py->memory, address + PY_OB_REFCNT, &count) ||
             !rhi__memory_u64(c->py->memory, address + PY_OB_TYPE, &type) || count == 0)
        return;
    else if (is_no_type(c, type))
        check->found(check, RHI_FOUND_BAD_TYPE, heap, address, NULL,
                     "%s 0x%" PRIx64 ", whose type is 0x%" PRIx64 ": no type is there", list,
                     address, type);
    else if (is_no_count(c, count))
        check->found(check, RHI_FOUND_BAD_COUNT, heap, address, NULL,
                     "%s 0x%" PRIx64 ", whose count is 0x%" PRIx64
                     ": more than there can be holders",
                     list, address, count);
    else if (read_link(c, head + LINK_NEXT, &next) && !in_hand(c, next) &&
             (!rhi__memory_region(c->py->memory, next) ||
              (read_link(c, next + LINK_PREVIOUS, &back) && back != head)))
        check->found(check, RHI_FOUND_BAD_TRACKING, heap, address, NULL,
                     "%s 0x%" PRIx64 ", whose link to the next object is 0x%" PRIx64
                     ": nothing there leads back",
                     list, address, next);
}

/* `next` of the place leads to another one that does not lead back, or to no object. */
static void check_forward(py_checker *c, uint64_t head, uint64_t next)
{
    char name[RHI_ID_SIZE], back_name[RHI_ID_SIZE];
    uint64_t back = 0;
    rhi_object object;
    if (in_hand(c, head) || in_hand(c, next))
        return;
    if (!read_link(c, next + LINK_PREVIOUS, &back)) {
        if (!rhi__memory_region(c->py->memory, next))
            TELL(c, RHI_FOUND_BAD_TRACKING, head,
                 "its link to the collector's next object is 0x%" PRIx64
                 ": no memory is mapped there",
                 next);
        return;
    }
    if (back == head) {
        if (!is_list_head(c, next) && !object_of(c, next, &object))
            tell_no_object(c, next);
        return;
    }
    if (in_hand(c, back))
        return;
    name_place(c, next, name, sizeof name);
    name_place(c, back, back_name, sizeof back_name);
    TELL(
        c, RHI_FOUND_BAD_TRACKING, head,
        "its link to the collector's next object leads to %s, which leads back to %s and not to it",
        name, back_name);
}

/* `previous` of the place leads to an object that is in no list: nobody else tells of it. */
static void check_backward(py_checker *c, uint64_t head, uint64_t previous)
{
    char name[RHI_ID_SIZE];
    uint64_t next = 0;
    rhi_object object;
    if (in_hand(c, head) || in_hand(c, previous) || is_list_head(c, previous) ||
        !object_of(c, previous, &object) || !read_link(c, previous + LINK_NEXT, &next) || next)
        return;
    name_place(c, previous, name, sizeof name);
    TELL(c, RHI_FOUND_BAD_TRACKING, head,
         "its link to the collector's object before it leads to %s, which says that it is in no "
         "list",
         name);
}

static void look(void *context, const py_links *links)
{
    const sums *s = context;
    if (differs(s, links->head, links->next))
        check_forward(s->c, links->head, links->next);
    if (differs(s, links->previous, links->head))
        check_backward(s->c, links->head, links->previous);
}

/* ---- all ------------------------------------------------------------------------------------ */

static bool each_head(const py_checker *c, py_links_visitor visit, void *context)
{
    for (uint64_t i = 0; i < c->py->interpreters.count; i++)
        for (unsigned list = 0; list < PY_GC_LISTS; list++) {
            py_links links = {.head = rhi__py_list_head(&c->py->interpreters.items[i], list)};
            if (!read_link(c, links.head + LINK_NEXT, &links.next) ||
                !read_link(c, links.head + LINK_PREVIOUS, &links.previous))
                return false;
            visit(context, &links);
        }
    return true;
}

rhi_error *rhi__py_check_links(py_checker *c)
{
    sums *s = calloc(1, sizeof *s);
    if (!s)
        return rhi__error_memory();
    s->c = c;
    bool is_whole = each_head(c, add, s) && rhi__py_each_tracked(c->py, c->check->work, add, s),
         is_same = true;
    for (unsigned part = 0; part < PARTS; part++)
        is_same &= s->next[part] == s->previous[part];
    if (is_whole && !is_same) {
        each_head(c, look, s);
        rhi__py_each_tracked(c->py, c->check->work, look, s);
    }
    free(s);
    return rhi__progress(c->check->work, "looking at the collector's links", 1, 1);
}
