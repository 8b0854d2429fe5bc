/* export.h - the whole graph in a file for other tools: what a format is, and how it gets what it
 * writes.
 *
 * A format is a row of formats.h, with the ending of its files, and a struct rhi_export_format in a
 * file of its own. By then the graph stands, with what is retained and who is leaked
 * (rhi_export_format.needs), so that all reasons why it is not whole are known: whoever writes says
 * them in the file, too (rhi__export_caveats). `write` puts bytes into export->file as it goes; the
 * file has no name until all of them are there, so an error (full disk, Ctrl-C, …) just goes up,
 * and nothing stays behind.
 *
 * Objects have numbers without gaps, in address order. They are visited in that
 * order by rhi__export_each, as often as a format likes: nothing is kept of an object but what the
 * graph has, its number and its roots (six bytes; `.heapsnapshot` has its count of references,
 * too). In the visitor, its references are visited by rhi__exported_edges: each slot, with a name,
 * that leads to another exported object. Who is held from outside, and by what, is in `roots` of
 * each object: see enum rhi_export_root.
 *
 * Invariant: the same visit gives the same objects and references each time, as long as the target
 * stands still; where it did not, no file is made.
 *
 * each.c visits objects and references, roots.c finds the roots. write.h has the file written, by a
 * row of formats.h. */
#ifndef RHI_EXPORT_H
#define RHI_EXPORT_H

#include "query/scan.h"
#include "questions/caveats.h"
#include "render/file.h"
#include "render/value.h"

#include <stdio.h>

/* What a format needs to be known beforehand. */
enum rhi_export_needs {
    RHI_EXPORT_OBJECTS = 1, /* the numbers of objects, rhi__export_each */
    RHI_EXPORT_VERDICTS = 2 /* the graph, retained bytes, leaks, roots */
};

typedef struct rhi_export rhi_export;

typedef struct rhi_export_format {
    const char *next; /* what to do with the file: one line, "open it in …" */
    unsigned needs;   /* of enum rhi_export_needs */
    /* Writes all of it, and counts what it has written in export->objects and ->references; what
     * did not fit is counted as left out. */
    rhi_error *(*write)(rhi_export *export);
    /* NULL: it can be written; else why not: what was missing when refheap was built */
    const char *missing;
} rhi_export_format;

/* What holds an object from outside, in bits: several may. Only objects that would stay without
 * any reference have such: held ones are reached from these by strong references, leaked ones from
 * those with RHI_ROOT_LEAKED, and no other. A word that nothing owns, or whose count a field
 * explains, is no root. */
enum rhi_export_root {
    RHI_ROOT_REGISTERED = 1, /* a root that the runtime was told of, or has itself */
    RHI_ROOT_GLOBAL = 2,     /* data of modules */
    RHI_ROOT_THREAD = 4,     /* registers, stacks, thread-locals */
    RHI_ROOT_MALLOC = 8,     /* words in blocks of malloc */
    RHI_ROOT_OTHER = 16,     /* other memory; the kernel */
    RHI_ROOT_IMMORTAL = 32,
    RHI_ROOT_RUNTIME = 64,    /* the runtime's own count, a dying object */
    RHI_ROOT_UNDECIDED = 128, /* what holds it was not found, and not all was searched */
    /* topmost of what is leaked: nothing but itself keeps it; with another: a count of it is lost
     */
    RHI_ROOT_LEAKED = 256,
    RHI_ROOT_OTHER_HEAP = 512, /* an object of a heap that is not exported (--heap) */
    RHI_EXPORT_ROOTS = 10
};
/* What the group of such objects is called: "global variables"; by the number of the bit. */
const char *rhi__export_root_word(unsigned bit);

struct rhi_export {
    rhi_query
        query; /* its session, reader, graph, leaks: not NULL where the format needs verdicts */
    const rhi_export_format *format;
    const char *path, *ending; /* ending: the format's */
    bool replaces;             /* a file that is there */
    rhi_new_file *output;
    FILE *file;            /* where the format writes; buffered */
    uint32_t object_count; /* all that are exported */
    uint32_t *numbers;     /* by rhi_reader's number; RHI_NO_OBJECT: not exported */
    uint16_t *roots;       /* by rhi_reader's number */
    /* where a format takes some objects only: these, in the order of their numbers; NULL: all */
    const uint32_t *chosen;
    uint64_t chosen_count;
    /* for the answer */
    uint64_t objects, references, left_out, references_left_out, bytes;
};

/* Why what is exported is not the whole truth, and what it rests on: each format carries all of it
 * (see caveats.h). Writing reads the target, too: ask when all is written, or once more then. */
rhi_error *rhi__export_caveats(rhi_export *export, rhi_caveats *caveats);

/* What it is a heap of. */
typedef struct rhi_exported_program {
    rhi_identity process; /* what is not known of it is 0 and "" */
    const char *core;     /* the file; NULL: it is none, or nobody named it */
    bool is_core;
} rhi_exported_program;
rhi_exported_program rhi__export_program(const rhi_export *export);

/* Numbers the objects: before all else. */
rhi_error *rhi__export_number(rhi_export *export);

/* ---- objects -------------------------------------------------------------------------------- */

/* An object in rhi__export_each, good during the visit. */
typedef struct rhi_exported {
    rhi_export *export;
    rhi_scan scan;
    uint32_t number; /* from 0, without gaps */
    uint32_t index;  /* rhi_reader's number of it, by which the graph's arrays go */
    uint32_t type;   /* rhi_reader's; rhi__type_name takes any */
    uint64_t address;
    /* Its header: state, count, immortal, serial, heap. Where it cannot be read any more, what is
     * known of it without. */
    rhi_object object;
} rhi_exported;

typedef rhi_error *(*rhi_exported_visitor)(void *context, rhi_exported *object);
rhi_error *rhi__export_each(rhi_export *export, const char *what, rhi_exported_visitor visit,
                            void *context);

/* Its own bytes. With bytes that are only its: see rhi__exported_retained. */
uint64_t rhi__exported_size(rhi_exported *object);
void rhi__exported_id(const rhi_exported *object, char id[RHI_ID_SIZE]);
/* What it holds in a few words, "" for nothing. */
void rhi__exported_value(rhi_exported *object, char text[RHI_VALUE_SIZE]);
bool rhi__exported_site(rhi_exported *object, rhi_site *site);
/* Of formats that need verdicts: */
uint64_t rhi__exported_retained(const rhi_exported *object);
/* "cycle", "lost_reference", … as gcleaks says; NULL: it is not leaked for certain. */
const char *rhi__exported_leaked(const rhi_exported *object);
/* Bits of enum rhi_export_root; 0: only other objects hold it. */
unsigned rhi__exported_roots(const rhi_exported *object);

/* ---- references ----------------------------------------------------------------------------- */

/* A slot of the object that leads to another one, or to itself, in the order of slots. Two slots
 * that hold the same object are two references. */
typedef struct rhi_exported_edge {
    uint32_t to;    /* the number of the other */
    bool is_strong; /* it owns a count; else weak or borrowed */
    bool is_guess;  /* conservative: a slot that may own a count */
    uint64_t slot;  /* where it is */
    const rhi_field *field;
    uint64_t element;
} rhi_exported_edge;
/* False stops. */
typedef bool (*rhi_exported_edge_visitor)(void *context, const rhi_exported_edge *edge);
void rhi__exported_edges(rhi_exported *object, rhi_exported_edge_visitor visit, void *context);
/* "next", "items[3]", "['key']": as refs prints it. */
void rhi__exported_edge_name(const rhi_exported_edge *edge, char *name, size_t size);

#endif
