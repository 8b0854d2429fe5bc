/* heapsnapshot.c - the format of V8's heap snapshots, which Chrome DevTools, VS Code and memlab
 * open.
 *
 * Nodes come first, references of all nodes in the same order behind them, then the texts that both
 * name by numbers. Node 0 is the root. Below it are groups of roots, and below these the objects
 * that they hold. Readers work out distances, dominators and retained sizes by themselves; what
 * they find is what the engine says, because
 *
 *  - references that own no count are "weak", which retain nothing there;
 *  - only what the graph has right below its root is held by a group;
 *  - groups are "native", which readers begin to count distances at, and that of the leaked is
 *    "synthetic", which they do not: leaked objects have no distance;
 *  - groups have no size.
 *
 * A text that an object holds is the name of its node, as in V8; all other nodes are named by
 * their types. Invariant: the file is written in order, and only the count of references in its
 * head is written once more when it is known. */
#include "export/formats.h"
#include "export/v8_ids.h"
#include "export/v8_names.h"
#include "export/v8_roots.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As in the lists of `head`. */
enum node_type { NODE_STRING = 2, NODE_OBJECT = 3, NODE_NATIVE = 8, NODE_SYNTHETIC = 9 };
enum edge_type { EDGE_ELEMENT = 1, EDGE_PROPERTY = 2, EDGE_INTERNAL = 3, EDGE_WEAK = 6 };
enum { NODE_FIELDS = 7, COUNT_DIGITS = 20, LINE_SIZE = 128 };

static const char head[] =
    "{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_"
    "count\","
    "\"trace_node_id\",\"detachedness\"],\"node_types\":[[\"hidden\",\"array\",\"string\","
    "\"object\",\"code\",\"closure\",\"regexp\",\"number\",\"native\",\"synthetic\","
    "\"concatenated string\",\"sliced string\",\"symbol\",\"bigint\",\"object shape\"],\"string\","
    "\"number\",\"number\",\"number\",\"number\",\"number\"],\"edge_fields\":[\"type\","
    "\"name_or_index\",\"to_node\"],\"edge_types\":[[\"context\",\"element\",\"property\","
    "\"internal\",\"hidden\",\"shortcut\",\"weak\"],\"string_or_number\",\"node\"],"
    "\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\",\"script_id\","
    "\"line\",\"column\"],\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\","
    "\"size\",\"children\"],\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],"
    "\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]},";

typedef struct snapshot {
    rhi_export *export;
    FILE *file;
    rhi_names *names;
    rhi_v8_ids *ids;
    rhi_root_groups groups;
    struct type_facts {
        uint32_t name;        /* 1 + its number; 0: not known yet */
        uint32_t first_field; /* in field_names */
        bool is_seen, is_text;
    } * types;
    uint64_t type_count;
    uint32_t *field_names; /* 1 + the number of the name */
    uint64_t others;       /* nodes before the objects */
    uint64_t root_edges, edges, written;
    rhi_caveats caveats;
    uint32_t *edge_counts; /* of each object, as its node says */
    /* of the object that is visited */
    const rhi_exported *object;
    uint64_t object_edges;
    rhi_error *error;
} snapshot;

/* ---- numbers -------------------------------------------------------------------------------- */

/* Millions of lines are written: printf would take most of the time. */
static char *put_number(char *end, uint64_t number)
{
    do
        *--end = (char)('0' + number % 10);
    while (number /= 10);
    return end;
}

static void put_line(snapshot *s, const uint64_t *numbers, unsigned count)
{
    char line[LINE_SIZE], *at = line + sizeof line;
    while (count) {
        at = put_number(at, numbers[--count]);
        *--at = count ? ',' : s->written ? ',' : ' ';
    }
    *--at = '\n';
    fwrite_unlocked(at, 1, (size_t)(line + sizeof line - at), s->file);
    s->written++;
}

static void put_node(snapshot *s, enum node_type type, uint32_t name, uint32_t id, uint64_t size,
                     uint64_t edges)
{
    const uint64_t numbers[NODE_FIELDS] = {(uint64_t)type, name, id, size, edges, 0, 0};
    put_line(s, numbers, NODE_FIELDS);
}

static void put_edge(snapshot *s, enum edge_type type, uint64_t name, uint64_t to)
{
    const uint64_t numbers[] = {(uint64_t)type, name, to * NODE_FIELDS};
    put_line(s, numbers, sizeof numbers / sizeof *numbers);
}

static rhi_error *name_number(snapshot *s, const char *name, uint32_t *number)
{
    return rhi__name_number(s->names, name, strlen(name), number);
}

/* ---- names ---------------------------------------------------------------------------------- */

static rhi_error *make_types(snapshot *s)
{
    const rhi_reader *reader = s->export->query.reader;
    uint64_t fields = 0;
    s->type_count = reader->types.count;
    s->types = calloc(s->type_count + 1, sizeof *s->types);
    if (!s->types)
        return rhi__error_memory();
    for (uint64_t i = 0; i < s->type_count; i++) {
        s->types[i].first_field = (uint32_t)fields;
        fields += reader->types.items[i].field_count;
    }
    s->field_names = calloc(fields + 1, sizeof *s->field_names);
    return s->field_names ? NULL : rhi__error_memory();
}

static struct type_facts *facts_of(snapshot *s, uint32_t type)
{
    return &s->types[type < s->type_count ? type : s->type_count];
}

/* Is the value of the object a text in quotes? Then all of the type are: where one is a number,
 * say, others are not asked. */
static bool text_of(snapshot *s, rhi_exported *o, char value[RHI_VALUE_SIZE])
{
    struct type_facts *facts = facts_of(s, o->type);
    if (facts->is_seen && !facts->is_text)
        return false;
    rhi__exported_value(o, value);
    bool is_text = value[0] == '"' || value[0] == '\'';
    facts->is_seen |= value[0] != '\0';
    facts->is_text |= is_text;
    return is_text;
}

/* Of two long texts that begin alike only the beginning is known: with an id they are not taken for
 * the same. */
static rhi_error *name_text(snapshot *s, const rhi_exported *o, char *value, uint32_t *number)
{
    char id[RHI_ID_SIZE], whole[RHI_VALUE_SIZE + RHI_ID_SIZE];
    size_t size = strlen(value);
    if (size >= 2 && value[size - 1] == value[0])
        return rhi__name_number(s->names, value + 1, size - 2, number);
    rhi__exported_id(o, id);
    rhi__text(whole, sizeof whole, "%s (%s)", value + 1, id);
    return name_number(s, whole, number);
}

static rhi_error *name_object(snapshot *s, rhi_exported *o, enum node_type *type, uint32_t *number)
{
    char value[RHI_VALUE_SIZE];
    struct type_facts *facts = facts_of(s, o->type);
    bool is_text = text_of(s, o, value);
    *type = is_text ? NODE_STRING : NODE_OBJECT;
    if (is_text)
        return name_text(s, o, value, number);
    if (facts->name == 0) {
        RHI_TRY(name_number(s, rhi__type_name(s->export->query.reader, o->type), &facts->name));
        facts->name++;
    }
    *number = facts->name - 1;
    return NULL;
}

/* "[5]" is an element of V8's. */
static bool is_element(const char *name, uint64_t *element)
{
    char *end = NULL;
    if (name[0] != '[' || name[1] < '0' || name[1] > '9' || strlen(name) > COUNT_DIGITS / 2)
        return false;
    *element = strtoull(name + 1, &end, 10);
    return strcmp(end, "]") == 0 && *element <= UINT32_MAX;
}

/* The place of a field's name, where it is the same in all objects of the type; else NULL. */
static uint32_t *field_name(snapshot *s, const rhi_exported_edge *edge)
{
    const rhi_reader *reader = s->export->query.reader;
    const rhi_type *type =
        s->object->type < s->type_count ? &reader->types.items[s->object->type] : NULL;
    if (!type || edge->field->form != RHI_FORM_ONE || edge->field->call ||
        edge->field < type->fields || edge->field >= type->fields + type->field_count)
        return NULL;
    return &s->field_names[facts_of(s, s->object->type)->first_field +
                           (uint32_t)(edge->field - type->fields)];
}

static rhi_error *name_edge(snapshot *s, const rhi_exported_edge *edge, uint64_t *name,
                            bool *is_number)
{
    char text[RHI_ID_SIZE];
    uint32_t number, *known = field_name(s, edge);
    *is_number = false;
    if (known && *known) {
        *name = *known - 1;
        return NULL;
    }
    rhi__exported_edge_name(edge, text, sizeof text);
    *is_number = rhi__owns(edge->field) && !edge->is_guess && is_element(text, name);
    if (*is_number)
        return NULL;
    RHI_TRY(name_number(s, text, &number));
    if (known)
        *known = number + 1;
    *name = number;
    return NULL;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static bool count_edge(void *context, const rhi_exported_edge *edge)
{
    snapshot *s = context;
    (void)edge;
    s->object_edges++;
    return true;
}

static rhi_error *put_object(void *context, rhi_exported *o)
{
    snapshot *s = context;
    enum node_type type;
    uint32_t name, id;
    s->object = o;
    s->object_edges = 0;
    rhi__exported_edges(o, count_edge, s);
    RHI_TRY(name_object(s, o, &type, &name));
    if (!rhi__v8_id(s->ids, &o->object, s->export->query.reader->heaps.items[o->object.heap].space,
                    &id))
        return rhi__error_memory();
    s->edge_counts[o->number] = (uint32_t)s->object_edges;
    put_node(s, type, name, id, rhi__exported_size(o), s->object_edges);
    s->edges += s->object_edges;
    return NULL;
}

static rhi_error *put_other(snapshot *s, enum node_type type, const char *name, uint64_t edges)
{
    uint32_t number, id = RHI_V8_ROOT_ID;
    if (s->written && !rhi__v8_id(s->ids, NULL, 0, &id))
        return rhi__error_memory();
    RHI_TRY(name_number(s, name, &number));
    put_node(s, type, number, id, 0, edges);
    s->edges += edges;
    s->root_edges += edges;
    return NULL;
}

/* A node that says it by its name: readers show what hangs on the root. */
static rhi_error *put_caveat(snapshot *s, const rhi_caveat *caveat)
{
    char *name = NULL;
    if (asprintf(&name, "%s: %s", caveat->kind, caveat->text) < 0)
        return rhi__error_memory();
    rhi_error *error = put_other(s, NODE_SYNTHETIC, name, 0);
    free(name);
    return error;
}

static rhi_error *put_nodes(snapshot *s)
{
    s->written = 0;
    RHI_TRY(put_other(s, NODE_SYNTHETIC, "", s->others - 1));
    for (uint64_t i = 0; i < s->groups.groups.count; i++) {
        const rhi_root_group *group = &s->groups.groups.items[i];
        RHI_TRY(put_other(s, 1u << group->bit == RHI_ROOT_LEAKED ? NODE_SYNTHETIC : NODE_NATIVE,
                          group->name, group->words + group->unnamed));
    }
    for (uint64_t i = 0; i < s->caveats.count; i++)
        RHI_TRY(put_caveat(s, &s->caveats.items[i]));
    return rhi__export_each(s->export, "writing objects", put_object, s);
}

/* ---- references ----------------------------------------------------------------------------- */

/* "internal", so that DevTools does not offer to show the object in a running page. */
static rhi_error *put_root(void *context, uint32_t to, const char *name)
{
    snapshot *s = context;
    uint32_t number;
    RHI_TRY(name_number(s, name ? name : "holds", &number));
    put_edge(s, EDGE_INTERNAL, number, s->others + to);
    return NULL;
}

/* Readers know by the counts of the nodes alone whose a reference is. */
static rhi_error *has_changed(void)
{
    return rhi__error("it changed while it was read: nothing was written");
}

static bool put_reference(void *context, const rhi_exported_edge *edge)
{
    snapshot *s = context;
    uint64_t name;
    bool is_number;
    if ((s->error = name_edge(s, edge, &name, &is_number)))
        return false;
    s->object_edges++;
    put_edge(s,
             is_number                 ? EDGE_ELEMENT
             : !rhi__owns(edge->field) ? EDGE_WEAK
             : edge->is_guess          ? EDGE_INTERNAL
                                       : EDGE_PROPERTY,
             name, s->others + edge->to);
    return true;
}

static rhi_error *put_references(void *context, rhi_exported *o)
{
    snapshot *s = context;
    s->object = o;
    s->object_edges = 0;
    rhi__exported_edges(o, put_reference, s);
    if (!s->error && (uint32_t)s->object_edges != s->edge_counts[o->number])
        s->error = has_changed();
    return s->error;
}

static rhi_error *put_edges(snapshot *s)
{
    s->written = 0;
    for (uint64_t i = 1; i < s->others; i++)
        put_edge(s, EDGE_ELEMENT, i, i);
    for (uint64_t i = 0; i < s->groups.groups.count; i++)
        RHI_TRY(rhi__each_root_of(&s->groups, &s->groups.groups.items[i], put_root, s));
    RHI_TRY(rhi__export_each(s->export, "writing references", put_references, s));
    return s->written == s->edges ? NULL : has_changed();
}

/* ---- the file ------------------------------------------------------------------------------- */

/* The count of references is not known yet: blanks keep its place. */
static rhi_error *put_all(snapshot *s)
{
    fprintf(s->file, "%s\"node_count\":%" PRIu64 ",\"edge_count\":", head,
            s->others + s->export->object_count);
    off_t place = ftello(s->file);
    fprintf(s->file, "%*s,\"trace_function_count\":0},\n\"nodes\":[", COUNT_DIGITS, "");
    RHI_TRY(put_nodes(s));
    fputs("\n],\n\"edges\":[", s->file);
    RHI_TRY(put_edges(s));
    fputs("\n],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n"
          "\"locations\":[],\n\"strings\":[",
          s->file);
    RHI_TRY(rhi__names_write(s->names, &s->export->query.session->work, s->file));
    fputs("]}\n", s->file);
    off_t end = ftello(s->file);
    bool is_placed = place >= 0 && end >= 0 && fseeko(s->file, place, SEEK_SET) == 0 &&
                     fprintf(s->file, "%*" PRIu64, COUNT_DIGITS, s->edges) > 0 &&
                     fseeko(s->file, end, SEEK_SET) == 0;
    return is_placed ? NULL : rhi__file_error(s->export->output);
}

/* With what belongs to one writing alone. */
static rhi_error *write_once(snapshot *s)
{
    s->root_edges = s->edges = 0;
    s->others = 1 + s->groups.groups.count + s->caveats.count;
    rhi_error *error = (s->ids = calloc(1, sizeof *s->ids)) ? NULL : rhi__error_memory();
    if (!error)
        error = rhi__names_new(s->export->path, &s->names);
    if (!error)
        error = make_types(s);
    if (!error)
        error = put_all(s);
    rhi__names_free(s->names);
    if (s->ids)
        rhi__v8_ids_free(s->ids);
    free(s->ids);
    free(s->types);
    free(s->field_names);
    s->names = NULL;
    s->ids = NULL;
    s->types = NULL;
    s->field_names = NULL;
    return error;
}

static rhi_error *begin_again(const rhi_export *export)
{
    bool is_empty = fflush(export->file) == 0 && fseeko(export->file, 0, SEEK_SET) == 0 &&
                    ftruncate(rhi__file_descriptor(export->output), 0) == 0;
    return is_empty ? NULL : rhi__file_error(export->output);
}

/* Caveats stand before what is read meanwhile: where that has something else to say, all is written
 * once more. */
static rhi_error *write_until_all_is_said(snapshot *s)
{
    enum { TIMES_MAX = 8 };
    for (unsigned time = 0; time < TIMES_MAX; time++) {
        rhi_caveats said = {0};
        if (time)
            RHI_TRY(begin_again(s->export));
        RHI_TRY(write_once(s));
        said = s->caveats;
        s->caveats = (rhi_caveats){0};
        rhi_error *error = rhi__export_caveats(s->export, &s->caveats);
        bool are_same = !error && rhi__caveats_are_same(&said, &s->caveats);
        rhi__caveats_free(&said);
        if (error || are_same)
            return error;
    }
    return has_changed();
}

static rhi_error *write_all(rhi_export *export)
{
    snapshot s = {.export = export, .file = export->file};
    s.edge_counts = rhi__big_array((uint64_t) export->object_count + 1, sizeof *s.edge_counts);
    rhi_error *error =
        s.edge_counts ? rhi__root_groups_find(export, &s.groups) : rhi__error_memory();
    if (!error)
        error = rhi__export_caveats(export, &s.caveats);
    if (!error)
        error = write_until_all_is_said(&s);
    export->objects = export->object_count;
    export->references = s.edges - s.root_edges;
    rhi__caveats_free(&s.caveats);
    rhi__root_groups_free(&s.groups);
    free(s.edge_counts);
    return error;
}

const rhi_export_format rhi__heapsnapshot_format = {
    .next = "in Chrome, open DevTools, Memory, Load profile",
    .needs = RHI_EXPORT_OBJECTS | RHI_EXPORT_VERDICTS,
    .write = write_all,
};
