/* refs.h - who holds an object, what it holds, and whether that explains its count: the answer of
 * `refs`. */
#ifndef RHI_REFS_H
#define RHI_REFS_H

#include "questions/ledger.h"
#include "questions/pairs.h"
#include "questions/path.h"
#include "questions/tree.h"
#include "questions/uses.h"
#include "words/words.h"

typedef struct rhi_refs_asked {
    const char *operand; /* as it was typed */
    uint64_t limit, depth;
    bool in, out; /* who holds it, what it holds */
    bool weak;    /* also references that own no count */
    bool path;
    bool pairs; /* who took its counts, if it is traced */
} rhi_refs_asked;

/* A slot of the object. What it leads to is looked up when it is shown: an object may have
 * millions. */
typedef struct rhi_refs_slot {
    uint64_t value, element;
    const rhi_field *field;
} rhi_refs_slot;

typedef struct rhi_refs {
    rhi_session *session;
    rhi_reader *reader;
    rhi_refs_asked asked;
    rhi_object object;
    rhi_holders holders;
    rhi_tree tree; /* with a depth above 1: roots are the rows that are shown */
    /* the first of them, in order */
    struct {
        rhi_refs_slot *items;
        uint64_t count, capacity, total;
    } referents;
    rhi_path path;
    rhi_uses uses; /* code that names the variables that hold it */
    bool out_of_memory;
    rhi_ledger ledger;
    rhi_pairs pairs;
} rhi_refs;

/* Gathers the answer. Freed in any case. */
rhi_error *rhi__refs(rhi_session *session, const rhi_refs_asked *asked, rhi_refs *answer);
void rhi__refs_free(rhi_refs *answer);

#endif
