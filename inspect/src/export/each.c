/* each.c - visits what is exported: objects in the order of their numbers, and their references
 * (see export.h). What cannot be read any more has the type and the address that it had. */
#include "export/export.h"

#include <stdlib.h>
#include <string.h>

rhi_error *rhi__export_caveats(rhi_export *export, rhi_caveats *caveats)
{
    return rhi__caveats(export->query.session, export->query.leaks, caveats);
}

rhi_exported_program rhi__export_program(const rhi_export *export)
{
    const rhi_session *session = export->query.session;
    const char *core = rhi__memory_core_path(&session->memory);
    rhi_exported_program program = {.process = rhi__memory_identity(&session->memory),
                                    .core = core ? core : session->core_path};
    program.is_core = program.core || rhi__memory_is_core(&session->memory);
    if (!program.process.pid && session->pid > 0)
        program.process.pid = (uint64_t)session->pid;
    return program;
}

rhi_error *rhi__export_number(rhi_export *export)
{
    rhi_scan scan = {0};
    uint32_t count = 0;
    rhi_error *error = NULL;
    export->numbers = rhi__big_array((uint64_t) export->query.count + 1, sizeof *export->numbers);
    if (!export->numbers)
        return rhi__error_memory();
    for (uint32_t i = 0; i < export->query.count; i++)
        export->numbers[i] = RHI_NO_OBJECT;
    error = rhi__scan_all(&scan, &export->query);
    while (!error && !(error = rhi__scan_next(&scan)) && !rhi__scan_is_over(&scan))
        export->numbers[scan.index] = count++;
    export->object_count = count;
    rhi__scan_free(&scan);
    return error;
}

/* ---- objects -------------------------------------------------------------------------------- */

static void take_object(rhi_exported *o)
{
    const rhi_object *object = rhi__scan_object(&o->scan);
    o->index = o->scan.index;
    o->number = o->export->numbers[o->index];
    o->type = rhi__scan_type(&o->scan);
    o->address = rhi__scan_address(&o->scan);
    o->object = object ? *object
                       : (rhi_object){.address = o->address,
                                      .type = o->type,
                                      .heap = o->scan.block->heap,
                                      .state = RHI_LIVE};
}

rhi_error *rhi__export_each(rhi_export *export, const char *what, rhi_exported_visitor visit,
                            void *context)
{
    rhi_exported *o = calloc(1, sizeof *o);
    rhi_error *error = !o               ? rhi__error_memory()
                       : export->chosen ? NULL
                                        : rhi__scan_all(&o->scan, &export->query);
    if (!error && export->chosen)
        rhi__scan_list(&o->scan, &export->query, export->chosen, export->chosen_count);
    while (!error && !(error = rhi__scan_next(&o->scan)) && !rhi__scan_is_over(&o->scan)) {
        o->export = export;
        take_object(o);
        if (o->number % 65536 == 0)
            error =
                rhi__progress(&export->query.session->work, what, o->number, export->object_count);
        if (!error && export->file && ferror(export->file))
            error = rhi__file_error(export->output);
        if (!error)
            error = visit(context, o);
    }
    if (o)
        rhi__scan_free(&o->scan);
    free(o);
    return error;
}

uint64_t rhi__exported_size(rhi_exported *o)
{
    const rhi_reader *reader = o->export->query.reader;
    const rhi_type *type = o->type < reader->types.count ? &reader->types.items[o->type] : NULL;
    uint64_t slot_size = o->scan.block->slot_size;
    if (type && type->has_fixed_size)
        return type->size < slot_size ? type->size : slot_size;
    const uint8_t *bytes = rhi__scan_bytes(&o->scan);
    return bytes ? rhi__object_size(reader, &o->object, bytes) : slot_size;
}

void rhi__exported_id(const rhi_exported *o, char id[RHI_ID_SIZE])
{
    rhi__object_id(o->export->query.reader, &o->object, id, RHI_ID_SIZE);
}

void rhi__exported_value(rhi_exported *o, char text[RHI_VALUE_SIZE])
{
    text[0] = '\0';
    if (!o->object.slot_size)
        return;
    rhi__value(o->export->query.reader, &o->object, text);
    if (text[0]) /* it begins with a space */
        memmove(text, text + 1, strlen(text));
}

bool rhi__exported_site(rhi_exported *o, rhi_site *site)
{
    return o->object.slot_size && rhi__site(o->export->query.reader, &o->object, site);
}

uint64_t rhi__exported_retained(const rhi_exported *o)
{
    return o->export->query.graph->retained[o->index];
}

const char *rhi__exported_leaked(const rhi_exported *o)
{
    enum rhi_cause cause = rhi__cause(o->export->query.leaks, o->index);
    return cause == RHI_CAUSE_NONE ? NULL : rhi__cause_word(cause);
}

unsigned rhi__exported_roots(const rhi_exported *o)
{
    return o->export->roots[o->index];
}

/* ---- references ----------------------------------------------------------------------------- */

typedef struct edges {
    const rhi_export *export;
    rhi_exported_edge_visitor visit;
    void *context;
} edges;

static bool take_slot(void *context, const rhi_slot *slot)
{
    edges *e = context;
    uint32_t index = rhi__query_object_of(&e->export->query, slot->value);
    if (index == RHI_NO_OBJECT || e->export->numbers[index] == RHI_NO_OBJECT)
        return true;
    const rhi_exported_edge edge = {.to = e->export->numbers[index],
                                    .is_strong = slot->field->kind == RHI_KIND_STRONG,
                                    .is_guess = slot->field->is_guess,
                                    .slot = slot->address,
                                    .field = slot->field,
                                    .element = slot->element};
    return e->visit(e->context, &edge);
}

void rhi__exported_edges(rhi_exported *o, rhi_exported_edge_visitor visit, void *context)
{
    edges e = {.export = o->export, .visit = visit, .context = context};
    const uint8_t *bytes = o->object.slot_size ? rhi__scan_bytes(&o->scan) : NULL;
    if (bytes && rhi__is_object(o->object.state))
        rhi__each_slot(o->export->query.reader, &o->object, bytes, take_slot, &e);
}

void rhi__exported_edge_name(const rhi_exported_edge *edge, char *name, size_t size)
{
    rhi__slot_name(edge->field, edge->element, name, size);
}
