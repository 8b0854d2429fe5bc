/* args.c - parses command lines: options first, then the raw operand (see command.h).
 *
 * Invariant: the operand is passed on exactly as written; only commas outside brackets and quotes
 * divide it, and only for commands that take several. */
#include "command.h"
#include "objects.h"
#include "output.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_ROWS = 20, DEFAULT_JSON_ROWS = 1000 };

static const char *skip_space(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

/* The next word, in `word` (allocated), with quotes taken off; NULL at the end or without memory. */
static char *take_word(rhi_line *line)
{
    if (line->words)
        return *line->words ? strdup(*line->words++) : NULL;
    const char *from = skip_space(line->text);
    char *word = *from ? malloc(strlen(from) + 1) : NULL, *to = word, quote = '\0';
    if (!word)
        return NULL;
    for (; *from && (quote || !isspace((unsigned char)*from)); from++) {
        if (quote ? *from == quote : *from == '"' || *from == '\'')
            quote = quote ? '\0' : *from;
        else if (*from == '\\' && quote == '"' && from[1])
            *to++ = *++from;
        else
            *to++ = *from;
    }
    *to = '\0';
    line->text = from;
    return word;
}

static bool next_is_option(const rhi_line *line)
{
    const char *next = line->words ? *line->words : skip_space(line->text);
    return next && strncmp(next, "--", 2) == 0;
}

/* What is left, as one text. */
static char *take_rest(const rhi_line *line)
{
    if (!line->words) {
        char *rest = strdup(skip_space(line->text));
        for (size_t end = rest ? strlen(rest) : 0; end && isspace((unsigned char)rest[end - 1]);)
            rest[--end] = '\0';
        return rest;
    }
    size_t size = 1;
    for (const char *const *word = line->words; *word; word++)
        size += strlen(*word) + 1;
    char *rest = calloc(1, size), *to = rest;
    for (const char *const *word = line->words; rest && *word; word++)
        to += sprintf(to, "%s%s", to == rest ? "" : " ", *word);
    return rest;
}

static const rhi_option *find_option(const rhi_command *command, const char *name, size_t length)
{
    for (const rhi_option *o = command->options; o->name; o++)
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0)
            return o;
    for (const rhi_option *o = rhi__common_options; o->name; o++)
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0)
            return o;
    return NULL;
}

/* Takes one `--option`, `--option=V` or `--option V`. */
static rhi_error *take_option(rhi_line *line, rhi_args *args)
{
    char *word = take_word(line);
    if (!word)
        return rhi__error_memory();
    char *equals = strchr(word, '=');
    const rhi_option *option = find_option(args->command, word, equals ? (size_t)(equals - word) : strlen(word));
    rhi_error *error = NULL;
    char *value = NULL;
    if (!option)
        error = rhi__error("unknown option %.60s: see %s --help", word, args->command->name);
    else if (!option->argument && equals)
        error = rhi__error("%s takes no value", option->name);
    else if (equals && !equals[1])
        error = rhi__error("%s wants a value: %s=%s", option->name, option->name, option->argument);
    else if (args->set_count == RHI_SET_MAX)
        error = rhi__error("too many options");
    else if (option->argument && !(value = equals ? strdup(equals + 1) : take_word(line)))
        error = line->words || !*skip_space(line->text) ? rhi__error("%s wants a value: %s=%s", option->name, option->name, option->argument)
                                                        : rhi__error_memory();
    else if (!option->argument && !(value = strdup("")))
        error = rhi__error_memory();
    if (!error) {
        args->set[args->set_count].name = option->name;
        args->set[args->set_count++].value = value;
    }
    free(word);
    return error;
}

const char *rhi__option(const rhi_args *args, const char *name)
{
    const char *value = NULL; /* the last one wins */
    for (unsigned i = 0; i < args->set_count; i++)
        if (strcmp(args->set[i].name, name) == 0)
            value = args->set[i].value;
    return value;
}

rhi_error *rhi__option_number(const rhi_args *args, const char *name, uint64_t default_value, uint64_t *value)
{
    const char *text = rhi__option(args, name);
    char *end;
    *value = default_value;
    if (!text)
        return NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (isdigit((unsigned char)text[0]) && !*end && errno == ERANGE)
        return rhi__error("%s=%.60s is too large a number", name, text);
    if (!isdigit((unsigned char)text[0]) || *end || errno)
        return rhi__error("%s wants a number, not '%.60s'", name, text);
    *value = number;
    return NULL;
}

int rhi__check_status(rhi_session *session, const rhi_args *args, bool found)
{
    if (!rhi__option(args, "--check"))
        return RHI_ANSWERED;
    bool is_sure = rhi__settle(session) && !rhi__is_provisional(session);
    return found ? RHI_FOUND : is_sure ? RHI_ANSWERED : RHI_NO_ANSWER;
}

/* Divides the operand at commas outside brackets and quotes. */
static rhi_error *split_operands(const char *rest, rhi_args *args)
{
    unsigned most = args->command->operands_max;
    const char *from = rest;
    int depth = 0;
    char quote = '\0';
    for (const char *c = rest;; c++) {
        if (*c && quote)
            quote = *c == quote ? '\0' : quote;
        else if (*c == '"' || *c == '\'')
            quote = *c;
        else if (*c && strchr("([{", *c))
            depth++;
        else if (*c && strchr(")]}", *c))
            depth--;
        bool divides = *c == ',' && !quote && depth <= 0 && most > 1;
        if (*c && !divides)
            continue;
        while (isspace((unsigned char)*from))
            from++;
        const char *end = c;
        while (end > from && isspace((unsigned char)end[-1]))
            end--;
        if (end == from && *rest)
            return rhi__error("nothing stands before or behind a comma: usage: %s", args->command->usage);
        if (end > from) {
            if (args->operand_count == RHI_OPERANDS_MAX)
                return rhi__error("too many operands: at most %d", RHI_OPERANDS_MAX);
            if (!(args->operands[args->operand_count] = strndup(from, (size_t)(end - from))))
                return rhi__error_memory();
            args->operand_count++;
        }
        from = c + 1;
        if (!*c)
            return NULL;
    }
}

static rhi_error *check_operands(rhi_line line, rhi_args *args)
{
    char *rest = take_rest(&line);
    if (!rest)
        return rhi__error_memory();
    rhi_error *error = NULL;
    if (args->command->operands_max == 0 && rest[0])
        error = rhi__error("takes no operand%s: %s", rest[0] == '-' ? ", and options begin with two dashes" : "", args->command->usage);
    else if (args->command->operands_max == 1 && rest[0] && !(args->operands[args->operand_count++] = strdup(rest)))
        error = rhi__error_memory();
    else if (args->command->operands_max > 1)
        error = split_operands(rest, args);
    if (!error && args->operand_count < args->command->operands_min)
        error = rhi__error("what object or address? usage: %s", args->command->usage);
    free(rest);
    return error;
}

rhi_error *rhi__args_parse(const rhi_command *command, rhi_line line, rhi_args *args)
{
    *args = (rhi_args){.command = command};
    rhi_error *error = NULL;
    /* Every option is taken before the first error is told, so that --json holds for it. */
    while (next_is_option(&line)) {
        rhi_line before = line;
        char *word = take_word(&line);
        if (!word) { /* the line does not move on without memory */
            rhi__error_free(error);
            error = rhi__error_memory();
            break;
        }
        bool end = strcmp(word, "--") == 0;
        free(word);
        if (end)
            break;
        line = before;
        rhi_error *wrong = take_option(&line, args);
        if (error)
            rhi__error_free(wrong);
        else
            error = wrong;
    }
    args->json = rhi__option(args, "--json") != NULL;
    args->help = rhi__option(args, "--help") != NULL;
    if (error || args->help)
        return error;
    RHI_TRY(rhi__option_number(args, "--limit", args->json ? DEFAULT_JSON_ROWS : DEFAULT_ROWS, &args->limit));
    if (args->limit == 0)
        args->limit = UINT64_MAX;
    args->has_heap = rhi__option(args, "--heap") != NULL;
    RHI_TRY(rhi__option_number(args, "--heap", 0, &args->heap));
    return check_operands(line, args);
}

void rhi__args_free(rhi_args *args)
{
    for (unsigned i = 0; i < args->set_count; i++)
        free(args->set[i].value);
    for (unsigned i = 0; i < args->operand_count; i++)
        free(args->operands[i]);
    args->set_count = args->operand_count = 0;
}
