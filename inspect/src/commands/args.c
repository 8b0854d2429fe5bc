/* args.c - parses command lines: options before and behind the raw operand (see args.h).
 *
 * Invariant: an operand is passed on exactly as written. Operands are divided by commas outside
 * brackets and quotes; options behind one begin where no C expression can go on. Behind `--` all
 * is operand. */
#include "commands/args.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_ROWS = 20, DEFAULT_JSON_ROWS = 1000 };

const rhi_option rhi__common_options[] = {
    {"--json", NULL, "answer as one JSON document"},
    {"--limit", "N", "rows of each list (default 20, JSON 1000; 0: all)"},
    {"--heap", "N",
     "only this heap: its objects, cycles and leaks, and objects named type#serial in it"},
    {"--help", NULL, "this text"},
    {NULL, NULL, NULL},
};

static const char *skip_space(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

/* The next word, in `word` (allocated), with quotes taken off; NULL at the end or without memory.
 */
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

/* What is left up to `end`, another place in the same line, as one text. */
static char *take_until(const rhi_line *line, const rhi_line *end)
{
    if (!line->words) {
        const char *from = skip_space(line->text), *to = end->text;
        while (to > from && isspace((unsigned char)to[-1]))
            to--;
        return strndup(from, to > from ? (size_t)(to - from) : 0);
    }
    size_t size = 1;
    for (const char *const *word = line->words; word < end->words; word++)
        size += strlen(*word) + 1;
    char *rest = calloc(1, size), *to = rest;
    for (const char *const *word = line->words; rest && word < end->words; word++)
        to += sprintf(to, "%s%s", to == rest ? "" : " ", *word);
    return rest;
}

static rhi_line end_of(rhi_line line)
{
    while (line.words && *line.words)
        line.words++;
    if (line.text)
        line.text += strlen(line.text);
    return line;
}

const rhi_option *rhi__option_find(const rhi_command *command, const char *name, size_t length)
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
    const rhi_option *option =
        rhi__option_find(args->command, word, equals ? (size_t)(equals - word) : strlen(word));
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
        error = !equals && (line->words || !*skip_space(line->text))
                    ? rhi__error("%s wants a value: %s=%s", option->name, option->name,
                                 option->argument)
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

/* Takes the 1024s that may follow a number. */
static unsigned take_unit(char **end)
{
    static const char units[] = "kKmMgG";
    const char *unit = **end ? strchr(units, **end) : NULL;
    *end += unit != NULL;
    return unit ? 10 * (unsigned)((unit - units) / 2 + 1) : 0;
}

rhi_error *rhi__option_number(const rhi_args *args, const char *name, uint64_t default_value,
                              uint64_t *value)
{
    const char *text = rhi__option(args, name);
    char *end;
    *value = default_value;
    if (!text)
        return NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned shift = take_unit(&end);
    if (!isdigit((unsigned char)text[0]) || *end)
        return rhi__error("%s wants a number (of 1024s with k, M or G behind it), not '%.60s'",
                          name, text);
    if (errno || number > UINT64_MAX >> shift)
        return rhi__error("%s=%.60s is too large a number", name, text);
    *value = number << shift;
    return NULL;
}

int rhi__check_status(rhi_session *session, const rhi_args *args, bool found)
{
    if (!rhi__option(args, "--check"))
        return RHI_ANSWERED;
    bool is_sure = rhi__complete_so_far(session) && !rhi__is_provisional(session);
    /* what ran while it was read proves nothing, not damage either */
    if (session->target->flags & RHI_TARGET_NO_STOP)
        return RHI_NO_ANSWER;
    return found ? RHI_FOUND : is_sure ? RHI_ANSWERED : RHI_NO_ANSWER;
}

/* ---- operands ------------------------------------------------------------------------------- */

/* How deep in brackets and quotes a text is that is read on from left to right. */
typedef struct nesting {
    int depth;
    char quote;
    bool is_escaped;
} nesting;

/* Reads on by one character: does it stand outside of all brackets and quotes? */
static bool is_outside(nesting *n, char c)
{
    bool outside = !n->quote && n->depth <= 0, escaped = n->is_escaped;
    n->is_escaped = n->quote && c == '\\' && !escaped;
    if (n->quote)
        n->quote = c == n->quote && !escaped ? '\0' : n->quote;
    else if (c == '"' || c == '\'')
        n->quote = c;
    else if (c && strchr("([{", c))
        n->depth++;
    else if (c && strchr(")]}", c))
        n->depth--;
    return outside;
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("_$#", c)) || (unsigned char)c >= 0x80;
}

static bool is_option_word(const char *text)
{
    return strncmp(text, "--", 2) == 0 && isalpha((unsigned char)text[2]);
}

static bool is_option_of(const rhi_command *command, const char *text)
{
    return rhi__option_find(command, text, strcspn(text, "= \t\n"));
}

/* Where the options behind the operand begin; the line's end if there are none. `p --json` is no
 * expression in C, so nothing is lost; behind a bracket, which may be a cast, only options that
 * there are count. */
static rhi_line find_behind(const rhi_command *command, rhi_line line)
{
    if (line.words) {
        while (*line.words && !(is_option_word(*line.words) &&
                                (!command->takes_text || is_option_of(command, *line.words))))
            line.words++;
        return line;
    }
    nesting n = {0};
    char before = '\0'; /* of what is no space */
    for (const char *from = line.text; *line.text; line.text++) {
        char c = *line.text;
        if (is_outside(&n, c) && line.text > from && isspace((unsigned char)line.text[-1]) &&
            is_option_word(line.text) &&
            ((!command->takes_text && (in_word(before) || (before && strchr("]}\"'", before)))) ||
             ((before == ')' || command->takes_text) && is_option_of(command, line.text))))
            return line;
        before = isspace((unsigned char)c) ? before : c;
    }
    return line;
}

/* The end of C++ template arguments that begin at `c`, as in map<int, int>::first; else `c`. */
static const char *skip_template(const char *text, const char *c)
{
    int depth = 0;
    if (*c != '<' || c == text || !in_word(c[-1]))
        return c;
    for (const char *end = c; in_word(*end) || (*end && strchr("<>:,*& ", *end)); end++) {
        depth += (*end == '<') - (*end == '>');
        if (depth == 0)
            return end[1] == '#' || strncmp(end + 1, "::", 2) == 0 ? end : c;
    }
    return c;
}

/* Bytes of a number or a name like node#12 that `text` begins with, if a space, a comma or the end
 * follows. */
static size_t plain_word(const char *text)
{
    size_t length = strcspn(text, ", \t\n");
    const char *hash = memchr(text, '#', length), *digits = hash ? hash + 1 : text;
    bool is_hex = !hash && strncmp(text, "0x", 2) == 0;
    size_t span =
        is_hex ? 2 + strspn(text + 2, "0123456789abcdefABCDEF") : strspn(digits, "0123456789");
    return length && digits + span == text + length && span > (is_hex ? 2 : 0) ? length : 0;
}

/* Does the space at `c` divide two operands? Two numbers or names side by side are no expression.
 */
static bool is_divider(const char *from, const char *c)
{
    return isspace((unsigned char)*c) && plain_word(from) == (size_t)(c - from) &&
           plain_word(skip_space(c));
}

static rhi_error *add_operand(rhi_args *args, const char *from, const char *end)
{
    while (end > from && isspace((unsigned char)end[-1]))
        end--;
    if (end == from)
        return rhi__error("nothing stands before or behind a comma: usage: %s",
                          args->command->usage);
    if (args->operand_count == RHI_OPERANDS_MAX)
        return rhi__error("too many operands: at most %d", RHI_OPERANDS_MAX);
    if (!(args->operands[args->operand_count] = strndup(from, (size_t)(end - from))))
        return rhi__error_memory();
    args->operand_count++;
    return NULL;
}

static rhi_error *split_operands(const char *rest, rhi_args *args)
{
    const char *from = rest;
    nesting n = {0};
    for (const char *c = rest;; c++) {
        bool outside = is_outside(&n, *c);
        c = outside ? skip_template(rest, c) : c;
        if (*c && !(outside && (*c == ',' || is_divider(from, c))))
            continue;
        RHI_TRY(add_operand(args, from, c));
        if (!*c)
            return NULL;
        from = skip_space(c + 1);
    }
}

/* A text in quotes, as shells want it, is what is in them. */
static rhi_error *take_text(const char *rest, rhi_args *args)
{
    size_t size = strlen(rest);
    bool in_quotes = size > 1 && (*rest == '"' || *rest == '\'') && rest[size - 1] == *rest &&
                     memchr(rest + 1, *rest, size - 2) == NULL;
    if (!(args->operands[0] = strndup(rest + in_quotes, size - 2 * in_quotes)))
        return rhi__error_memory();
    args->operand_count = 1;
    return NULL;
}

static rhi_error *check_operands(const char *rest, rhi_args *args)
{
    const rhi_command *command = args->command;
    if (command->takes_text)
        return rest[0] ? take_text(rest, args) : NULL;
    if (command->operands_max == 0 && rest[0])
        return rhi__error("takes no operand%s: %s",
                          rest[0] == '-' ? ", and options begin with two dashes" : "",
                          command->usage);
    if (rest[0])
        RHI_TRY(split_operands(rest, args));
    if (command->operands_max == 1 && args->operand_count > 1)
        return rhi__error("takes one operand, got %u: %.200s", args->operand_count, rest);
    if (args->operand_count < command->operands_min)
        return rhi__error("what object or address? usage: %s", command->usage);
    return NULL;
}

/* Operands that are names of files: a word each. */
static rhi_error *take_files(rhi_line *line, const rhi_line *end, rhi_args *args)
{
    while (line->words ? line->words < end->words : skip_space(line->text) < end->text) {
        char *word = take_word(line);
        if (!word)
            return rhi__error_memory();
        if (args->operand_count == RHI_OPERANDS_MAX) {
            free(word);
            return rhi__error("too many operands: at most %d", RHI_OPERANDS_MAX);
        }
        args->operands[args->operand_count++] = word;
    }
    return NULL;
}

/* ---- the line ------------------------------------------------------------------------------- */

/* Takes options while there are any; `is_ended`: by `--`. Each is taken before the first error is
 * told, so that --json holds for it. */
static rhi_error *take_options(rhi_line *line, rhi_args *args, bool *is_ended)
{
    rhi_error *error = NULL;
    *is_ended = false;
    while (next_is_option(line)) {
        rhi_line before = *line;
        char *word = take_word(line);
        if (!word) { /* the line does not move on without memory */
            rhi__error_free(error);
            return rhi__error_memory();
        }
        *is_ended = strcmp(word, "--") == 0;
        free(word);
        if (*is_ended)
            break;
        *line = before;
        rhi_error *wrong = take_option(line, args);
        if (error)
            rhi__error_free(wrong);
        else
            error = wrong;
    }
    return error;
}

/* Takes all options of the line, and what is between or behind them into `operand` (allocated, or
 * NULL). */
static rhi_error *take_all(rhi_line line, rhi_args *args, char **operand)
{
    bool is_ended;
    rhi_error *error = take_options(&line, args, &is_ended);
    rhi_line behind = is_ended ? end_of(line) : find_behind(args->command, line);
    rhi_error *wrong = NULL;
    if (args->command->takes_files)
        wrong = take_files(&line, &behind, args);
    else if (!(*operand = take_until(&line, &behind)))
        wrong = rhi__error_memory();
    if (!wrong)
        wrong = take_options(&behind, args, &is_ended);
    if (error)
        rhi__error_free(wrong);
    else
        error = wrong;
    rhi_line end = end_of(behind);
    char *left = error ? NULL : take_until(&behind, &end);
    if (left && left[0])
        error = rhi__error(
            "'%.100s' stands behind an option: options come before the operand or behind it", left);
    else if (!left && !error)
        error = rhi__error_memory();
    free(left);
    return error;
}

rhi_error *rhi__args_parse(const rhi_command *command, rhi_line line, rhi_args *args)
{
    char *operand = NULL;
    *args = (rhi_args){.command = command};
    rhi_error *error = take_all(line, args, &operand);
    args->json = rhi__option(args, "--json") != NULL;
    args->help = rhi__option(args, "--help") != NULL;
    args->has_heap = rhi__option(args, "--heap") != NULL;
    if (!error && !args->help)
        error = rhi__option_number(args, "--limit", args->json ? DEFAULT_JSON_ROWS : DEFAULT_ROWS,
                                   &args->limit);
    if (args->limit == 0)
        args->limit = UINT64_MAX;
    if (!error && !args->help)
        error = rhi__option_number(args, "--heap", 0, &args->heap);
    const char *missing = rhi__option(args, "--missing");
    if (!error && missing && strcmp(missing, "empty") != 0)
        error = rhi__error("--missing knows one word, empty, and not '%.60s'", missing);
    if (!error && !args->help && !command->takes_files)
        error = check_operands(operand, args);
    free(operand);
    return error;
}

void rhi__args_free(rhi_args *args)
{
    for (unsigned i = 0; i < args->set_count; i++)
        free(args->set[i].value);
    for (unsigned i = 0; i < args->operand_count; i++)
        free(args->operands[i]);
    args->set_count = args->operand_count = 0;
}
