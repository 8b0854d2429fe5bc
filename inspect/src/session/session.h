/* session.h - what a command works on: the target of this call and what was learned of it before.
 *
 * Invariant: memory, reader and graph belong to the state named by `state`; a call with another
 * target or state drops them before anything is answered. */
#ifndef RHI_SESSION_H
#define RHI_SESSION_H

#include "graph/graph.h"
#include "base/kept.h"
#include "base/notes.h"
#include "heap/fields.h"
#include "program/symbols.h"
#include "base/work.h"
#include "session/watches.h"

#include <jansson.h>

struct rhi_session {
    const rhi_target *target; /* during a call only */
    bool quiet_errors;
    int limit; /* RHI_LIMIT */
    char error[sizeof((rhi_error *)0)->message];

    /* The cache. */
    bool has_memory;
    /* the cache was held against the target's state in this call: it is not dropped under a
     * command */
    bool is_checked;
    bool is_begun; /* rhi__begin_question was said to the reader in this call */
    /* what is known of the target is good for questions about single addresses alone */
    bool is_partial;
    rhi_memory memory;
    rhi_reader *reader;
    rhi_notes refused; /* heaps that the target has and that are not read, and why */
    rhi_graph *graph;
    rhi_kept kept;     /* what questions made of it */
    rhi_kept kept_now; /* the same for one answer: a user may write to memory before the next */
    uint64_t state;    /* of the target, as it says */
    char *core_path;
    int64_t pid;
    void *context;
    rhi_symbols *symbols; /* of the files that are mapped; never NULL, kept across states */
    rhi_watches watches;  /* kept across states, too */
    int reached_frame;    /* what rhi_session_reached returns */

    /* The answer being made. */
    const char *command;
    bool json;
    rhi_notes notes;   /* why it is not complete */
    rhi_notes remarks; /* what else it rests on */
    /* memory that was not searched, of what was learned of the target; NULL: words were not asked
     * for */
    const rhi_not_read *not_read;
    bool missing_is_empty; /* --missing=empty: memory that cannot be searched holds nothing */
    bool has_heap;         /* --heap: only this one */
    uint64_t heap;
    bool is_about_all; /* no object was asked about: the answer is about whole heaps */
    char *out;         /* buffered output */
    size_t out_size, out_capacity;
    unsigned json_items; /* keys or array items so far at each open level */
    bool json_in_array;

    char *described; /* what rhi_session_describe gave last */

    rhi_work work;       /* the command's; a document half of which is out must be finished */
    bool is_ascii;       /* the user's locale shows no UTF-8 */
    bool was_flushed;    /* some of the answer is with the user already */
    bool has_changed;    /* an object was read again and is not as the graph has it */
    char styled[8][256]; /* see rhi__styled */
    unsigned next_styled;
};

/* The reader of this target's heap, opened on first use, blocks not necessarily read. An error if
 * there is none. */
rhi_error *rhi__session_open(rhi_session *session, rhi_reader **reader);
/* The same with its blocks. */
rhi_error *rhi__session_reader(rhi_session *session, rhi_reader **reader);
/* The graph of all heaps, built on first use. */
rhi_error *rhi__session_graph(rhi_session *session, rhi_graph **graph);

/* The reader, for a question about single addresses: threads are not read, and where the target ran
 * meanwhile and has the same heaps, nothing is opened again. */
rhi_error *rhi__session_glance(rhi_session *session, rhi_reader **reader);
/* An address led to no object: if that may be because the reader is one of before, the target is
 * opened again, once for each state. */
rhi_error *rhi__session_look_again(rhi_session *session, rhi_reader **reader);

/* A session about a core that is looked at beside this session's own target, as part of its work.
 * NULL is freed, too. */
rhi_error *rhi__session_beside(rhi_session *session, const char *core, rhi_session **beside);
void rhi__session_beside_free(rhi_session *session, rhi_session *beside);

/* Forgets what was learned of the target. */
void rhi__session_drop(rhi_session *session);

/* Is this one of the heaps that were asked for (--heap)? `heap` is an index into reader->heaps. */
bool rhi__heap_wanted(const rhi_session *session, const rhi_reader *reader, uint32_t heap);
/* Was it stopped inside a collection, so that its counts are in motion? False if it was not asked
 * for. */
bool rhi__heap_is_provisional(const rhi_session *session, uint32_t heap);
/* Is any? */
bool rhi__is_provisional(const rhi_session *session);

/* Did a question about all heaps find none, and nothing that is damaged? Why, and what to do. */
enum { RHI_NO_HEAP_SIZE = 256 };
bool rhi__no_heap(const rhi_session *session, char *text, size_t size);
/* Notes what concerns every answer: what the reader could not read or make sense of, say. Is the
 * answer complete as far as is known now? */
bool rhi__complete_so_far(rhi_session *session);

/* Has the file of the core that is read changed since it was opened? What was read of it is worth
 * nothing then. */
bool rhi__core_has_changed(const rhi_session *session);
/* From here on the target is read through this door; NULL: the command has ended. */
void rhi__session_use(rhi_session *session, const rhi_target *target);

/* Is this object, just read again, still as the cached graph has it? If not, the cache is dropped
 * and the question asked again (a debugger's user wrote memory by hand). */
void rhi__check_header(rhi_session *session, uint32_t index, const rhi_object *object);

#endif
