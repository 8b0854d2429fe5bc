/* completion.c - what may stand next on a line (see command.h). */
#include "commands/command.h"
#include "graph/graph.h"
#include "heap/objects.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef struct completions {
    const char *prefix;
    char *buffer;
    size_t size, used, count;
} completions;

static void offer(completions *c, const char *word, const char *tail)
{
    size_t length = strlen(word) + strlen(tail);
    if (strncmp(word, c->prefix, strlen(c->prefix)) != 0)
        return;
    c->count++;
    if (c->used + length + 2 > c->size)
        return;
    c->used += (size_t)snprintf(c->buffer + c->used, c->size - c->used, "%s%s%s",
                                c->used ? "\n" : "", word, tail);
}

/* What follows a type in the name of an object; types with code are of formats without serials. */
static const char *behind_type(const rhi_type *type)
{
    return type->has_code ? "@0x" : "#";
}

/* The names of the program's types, each once, behind `before`; of objects: what begins the name
 * of one. */
static void offer_types(completions *c, rhi_session *session, const rhi_target *target,
                        const char *before, bool of_objects)
{
    char word[RHI_NAME_SIZE + 16];
    rhi_reader *reader;
    rhi__session_use(session, target);
    session->is_checked = false;
    rhi_error *error = rhi__session_open(session, &reader);
    for (uint64_t i = 0; !error && i < reader->types.count; i++) {
        bool repeated = reader->types.items[i].size == 0; /* entry 0 is no type */
        for (uint64_t k = 0; k < i && !repeated; k++)
            repeated = strcmp(reader->types.items[k].name, reader->types.items[i].name) == 0;
        snprintf(word, sizeof word, "%s%s", before, reader->types.items[i].name);
        if (!repeated)
            offer(c, word, of_objects ? behind_type(&reader->types.items[i]) : "");
    }
    rhi__error_free(error);
    rhi__session_use(session, NULL);
}

/* Of a large heap not all are looked at: a user waits. */
enum { OFFERED_MAX = 50, SEEN_MAX = 1 << 20 };
typedef struct naming {
    completions *c;
    const rhi_reader *reader;
    uint64_t seen;
} naming;

static rhi_error *offer_object(void *context, uint32_t index, const rhi_object *object,
                               const uint8_t *bytes)
{
    naming *n = context;
    char id[RHI_ID_SIZE];
    (void)index;
    (void)bytes;
    rhi__object_id(n->reader, object, id, sizeof id);
    if (!object->damaged)
        offer(n->c, id, "");
    return ++n->seen >= SEEN_MAX || n->c->count >= OFFERED_MAX ? rhi__error("enough") : NULL;
}

/* The names of objects, live and dying, for a word that has a type already: "node#1". */
static void offer_objects(completions *c, rhi_session *session, const rhi_target *target)
{
    rhi_reader *reader;
    rhi__run_start(session, target, "complete");
    session->work.show = NULL;
    rhi_error *error = rhi__session_reader(session, &reader);
    if (!error) {
        rhi__begin_question(reader);
        error = rhi__each_object(&session->work, reader, "naming objects", offer_object,
                                 &(naming){.c = c, .reader = reader});
    }
    rhi__error_free(error);
    rhi__run_end(session);
}

/* What the options of a line say about its last word. */
typedef struct last_word {
    const char *text;
    const rhi_option *value_of; /* the word is a value of this option */
    bool is_value_alone;        /* and nothing else, as behind `--depth ` */
    bool is_behind;             /* behind an operand and its options: there are only options */
} last_word;

static last_word find_last_word(const rhi_command *command, const char *line)
{
    static const char ends[] = " \t,";
    last_word last = {.text = line + strlen(line)};
    const rhi_option *waiting = NULL; /* for its value */
    bool has_operand = false, is_ended = false;
    while (last.text > line && !strchr(ends, last.text[-1]))
        last.text--;
    for (const char *word = line;; word += strcspn(word, ends)) {
        word += strspn(word, ends);
        size_t length = strcspn(word, ends), name = strcspn(word, " \t,=");
        bool is_option = !waiting && !is_ended && strncmp(word, "--", 2) == 0;
        const rhi_option *option = is_option ? rhi__option_find(command, word, name) : NULL;
        bool has_argument = option && option->argument;
        last.is_value_alone = waiting != NULL;
        if (word >= last.text) {
            last.value_of = has_argument && name < length ? option : waiting;
            return last;
        }
        is_ended = is_ended || (is_option && length == 2);
        last.is_behind = last.is_behind || (is_option && has_operand);
        has_operand = has_operand || !(is_option || waiting);
        waiting = has_argument && name == length ? option : NULL;
    }
}

enum rhi_expected rhi_expects(const char *name, const char *line)
{
    const rhi_command *command = rhi__command_find(name);
    if (!command)
        return RHI_EXPECTS_NOTHING;
    last_word last = find_last_word(command, line);
    if (last.value_of)
        return strcmp(last.value_of->argument, "FILE") == 0 ? RHI_EXPECTS_FILE
                                                            : RHI_EXPECTS_NOTHING;
    if (!command->operands_max || command->takes_text || last.is_behind ||
        strncmp(last.text, "--", 2) == 0)
        return RHI_EXPECTS_NOTHING;
    return command->takes_files ? RHI_EXPECTS_FILE : RHI_EXPECTS_EXPRESSION;
}

size_t rhi_complete(rhi_session *session, const rhi_target *target, const char *name,
                    const char *line, char *buffer, size_t size)
{
    const rhi_command *command = rhi__command_find(name);
    if (size)
        buffer[0] = '\0';
    if (!command || size == 0)
        return 0;
    last_word last = find_last_word(command, line);
    char word[64];
    completions c = {.prefix = last.text, .buffer = buffer, .size = size};
    for (int pass = 0; pass < 2 && !last.value_of; pass++)
        for (const rhi_option *o = pass ? rhi__common_options : command->options;
             o->name && last.text[0] == '-'; o++)
            offer(&c, o->name, o->argument ? "=" : "");
    if (last.value_of && strcmp(last.value_of->name, "--type") == 0)
        offer_types(&c, session, target, last.is_value_alone ? "" : "--type=", false);
    else if (last.value_of && islower((unsigned char)last.value_of->argument[0])) {
        /* the one word that it knows */
        snprintf(word, sizeof word, "%s=%s", last.value_of->name, last.value_of->argument);
        offer(&c, last.is_value_alone ? last.value_of->argument : word, "");
    } else if (rhi_expects(name, line) == RHI_EXPECTS_EXPRESSION && strpbrk(last.text, "#@"))
        offer_objects(&c, session, target);
    else if (rhi_expects(name, line) == RHI_EXPECTS_EXPRESSION && last.text[0] != '-')
        offer_types(&c, session, target, "", true);
    return c.count;
}
