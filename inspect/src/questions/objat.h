/* objat.h - what is at an address: the answer of `objat`. */
#ifndef RHI_OBJAT_H
#define RHI_OBJAT_H

#include "questions/ledger.h"
#include "questions/malloc_place.h"
#include "questions/objects.h"
#include "questions/slot_place.h"

enum { RHI_TENANTS_MAX = 64, RHI_EVENTS_MAX = 256, RHI_BYTES_SHOWN = 256 };

typedef struct rhi_objat_asked {
    const char *operand; /* as it was typed */
    uint64_t limit;
    bool ledger, history;
} rhi_objat_asked;

/* Who died in the slot. */
typedef struct rhi_tenant {
    const rhi_event *event; /* of its death, by the history; NULL: it is who died there last, as
                             * its tombstone says */
    rhi_object object;      /* what is left of its header */
} rhi_tenant;

typedef struct rhi_objat {
    rhi_session *session;
    rhi_reader *reader;
    rhi_objat_asked asked;
    uint64_t address;
    enum rhi_place place;
    rhi_object object;                   /* if it is a slot */
    char remark[RHI_REMARK_SIZE];        /* what its format says besides */
    const uint8_t *bytes;                /* of a live object; NULL: they cannot be read */
    uint64_t size;                       /* its */
    const rhi_region *region;            /* NULL: none */
    const rhi_own_range *own;            /* the runtime's own memory; NULL: it is not */
    rhi_tenant tenants[RHI_TENANTS_MAX]; /* newest first */
    unsigned tenant_count;
    bool tenants_cut;                     /* older ones were not looked for */
    rhi_event lives[RHI_EVENTS_MAX + 1];  /* of births, deaths, finalizers: what tenants are from */
    rhi_event events[RHI_EVENTS_MAX + 1]; /* asked for; one too many shows that there are more */
    uint64_t event_count;
    bool events_cut;
    uint64_t begin; /* the oldest event that its heap remembers; has_begin: there is one */
    bool has_begin;
    rhi_trace trace;
    rhi_ledger ledger;
    bool has_ledger;
    rhi_malloc_place block; /* of an address in no object */
    rhi_slot_place slot;    /* at the address, or whose memory it is in; has_slot: there is one */
    bool has_slot;
    rhi_scratch scratch;
} rhi_objat;

/* Gathers the answer. Freed in any case. */
rhi_error *rhi__objat(rhi_session *session, const rhi_objat_asked *asked, rhi_objat *answer);
void rhi__objat_free(rhi_objat *answer);

/* One element of a field of the object, or a run of NULLs. */
typedef struct rhi_objat_row {
    const rhi_field *field;
    bool is_whole;          /* the field as one: bytes */
    uint64_t element, last; /* of a run: its last element */
    uint64_t value;         /* of bytes: how many there are */
    double real;
    char raw[RHI_BYTES_SHOWN + 1]; /* bytes, the first of them */
    uint64_t raw_size;
    /* bytes that the target does not hold, as read-only pages in a core */
    bool is_unreadable;
    rhi_referent referent; /* of a reference that is not NULL */
} rhi_objat_row;
typedef void (*rhi_objat_visitor)(void *context, const rhi_objat_row *row);

typedef struct rhi_objat_rows {
    uint64_t shown;
    uint64_t covered, total; /* elements that the rows are about; all */
} rhi_objat_rows;

/* Visits the first rows of a live object, up to the limit. `for_people`: vectors come behind single
 * fields, and a run of NULLs is one row. A row is read when it is visited: there may be millions.
 */
rhi_error *rhi__objat_fields(rhi_objat *answer, bool for_people, rhi_objat_visitor visit,
                             void *context, rhi_objat_rows *rows);

#endif
