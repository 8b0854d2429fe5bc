/* schema.c - JSON Schemas of the commands' answers, 2020-12, made from the types that stand beside
 * what writes the answers (render/json_type.h).
 *
 * Invariant: no object may have a member that its schema does not name and describe. */
#include "commands/command.h"
#include "render/json_type.h"
#include "render/output.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

typedef struct schema {
    const char *command; /* NULL: of any */
    json_t *definitions;
} schema;

static json_t *ref_to(schema *s, const rhi_json_type *type);
static json_t *object_json(schema *s, const rhi_json_type *type);

/* "integer", or ["integer", "null"]. */
static json_t *type_names(unsigned is)
{
    static const struct {
        unsigned is;
        const char *name;
    } names[] = {{RHI_JSON_TEXT | RHI_JSON_ADDRESS, "string"},
                 {RHI_JSON_COUNT | RHI_JSON_INTEGER, "integer"},
                 {RHI_JSON_NUMBER, "number"},
                 {RHI_JSON_BOOLEAN, "boolean"},
                 {RHI_JSON_NULL, "null"}};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is & names[i].is)
            json_array_append_new(list, json_string(names[i].name));
    if (json_array_size(list) != 1)
        return list;
    json_t *only = json_incref(json_array_get(list, 0));
    json_decref(list);
    return only;
}

/* The words of "live|freed". */
static json_t *words_json(const char *words, bool may_be_null)
{
    json_t *list = json_array();
    for (size_t size; *words; words += size + (words[size] == '|')) {
        size = strcspn(words, "|");
        json_array_append_new(list, json_stringn(words, size));
    }
    if (may_be_null)
        json_array_append_new(list, json_null());
    return list;
}

static json_t *plain_json(const rhi_json_member *member, unsigned is)
{
    json_t *json = json_object();
    json_object_set_new(json, "type", type_names(is));
    if (member->words)
        json_object_set_new(json, "enum", words_json(member->words, is & RHI_JSON_NULL));
    if (is & RHI_JSON_ADDRESS)
        json_object_set_new(json, "pattern", json_string("^0x[0-9a-f]+$"));
    if (is & RHI_JSON_COUNT)
        json_object_set_new(json, "minimum", json_integer(0));
    return json;
}

/* Objects of one type or several, or null. */
static json_t *either_json(schema *s, const rhi_json_member *member, bool may_be_null)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < 2 && member->of[i]; i++)
        json_array_append_new(list, ref_to(s, member->of[i]));
    if (member->members)
        json_array_append_new(list, object_json(s, &(rhi_json_type){.members = member->members}));
    if (may_be_null)
        json_array_append_new(list, json_pack("{s:s}", "type", "null"));
    json_t *only = json_array_size(list) == 1 ? json_incref(json_array_get(list, 0)) : NULL;
    if (!only)
        return json_pack("{s:o}", "anyOf", list);
    json_decref(list);
    return only;
}

static json_t *value_json(schema *s, const rhi_json_member *member)
{
    bool is_list = member->is & (RHI_JSON_LIST | RHI_JSON_ROWS);
    unsigned is = is_list ? member->is & ~(unsigned)RHI_JSON_NULL : member->is;
    json_t *json = member->of[0] || member->members ? either_json(s, member, is & RHI_JSON_NULL)
                                                    : plain_json(member, is);
    if (is_list && member->is & RHI_JSON_NULL)
        json = json_pack("{s:[s, s], s:o}", "type", "array", "null", "items", json);
    else if (is_list)
        json = json_pack("{s:s, s:o}", "type", "array", "items", json);
    json_object_set_new(json, "description", json_string(member->doc));
    return json;
}

static void add_members(schema *s, const rhi_json_member *members, json_t *object)
{
    json_t *properties = json_object_get(object, "properties"),
           *required = json_object_get(object, "required");
    char total[64];
    for (const rhi_json_member *m = members; m->name; m++) {
        json_t *value = value_json(s, m);
        if (strcmp(m->name, "*") == 0) {
            json_object_set_new(object, "additionalProperties", value);
            continue;
        }
        if (s->command && strcmp(m->name, "command") == 0)
            json_object_set_new(value, "const", json_string(s->command));
        json_object_set_new(properties, m->name, value);
        if (!(m->is & RHI_JSON_OPTIONAL))
            json_array_append_new(required, json_string(m->name));
        if (!(m->is & RHI_JSON_ROWS))
            continue;
        snprintf(total, sizeof total, "%s_total", m->name);
        json_object_set_new(properties, total,
                            json_pack("{s:s, s:i, s:s+}", "type", "integer", "minimum", 0,
                                      "description", "if it is cut: how many there are in ",
                                      m->name));
    }
}

static json_t *object_json(schema *s, const rhi_json_type *type)
{
    json_t *json = json_pack("{s:s, s:s*, s:{}, s:[], s:b}", "type", "object", "description",
                             type->doc, "properties", "required", "additionalProperties", 0);
    add_members(s, type->members, json);
    for (unsigned i = 0; i < 2 && type->base[i]; i++)
        add_members(s, type->base[i]->members, json);
    return json;
}

/* It is put among the definitions before its members are looked at: these may lead back to it. */
static json_t *ref_to(schema *s, const rhi_json_type *type)
{
    if (!json_object_get(s->definitions, type->name)) {
        json_t *definition = json_object();
        json_object_set_new(s->definitions, type->name, definition);
        json_t *members = object_json(s, type);
        json_object_update(definition, members);
        json_decref(members);
    }
    return json_pack("{s:o}", "$ref", json_sprintf("#/$defs/%s", type->name));
}

char *rhi_schema(const char *name)
{
    const rhi_command *command = name ? rhi__command_find(name) : NULL;
    if (name && !command)
        return NULL;
    schema s = {.command = name, .definitions = json_object()};
    json_t *answers = json_array();
    for (unsigned i = 0; command && i < RHI_ANSWERS_MAX && command->answers[i]; i++)
        json_array_append_new(answers, ref_to(&s, command->answers[i]));
    if (!command)
        json_array_append_new(answers, ref_to(&s, &rhi__common_type));
    json_array_append_new(answers, ref_to(&s, &rhi__help_type));
    json_array_append_new(answers, ref_to(&s, &rhi__error_type));
    json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:o}", "$schema",
                             "https://json-schema.org/draft/2020-12/schema", "title",
                             name ? name : "answer", "description",
                             command ? command->summary : "what the answers of all commands have",
                             "anyOf", answers, "$defs", s.definitions);
    char *text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    return text;
}
