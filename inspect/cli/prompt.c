/* prompt.c - takes commands one after another (see prompt.h). Editing, history and the keys are
 * libedit's.
 *
 * Invariant: what a command means is the engine's. Here are only `help` and the words that lead
 * out; an error of a command never does, and Ctrl-C ends the command or the line, not the prompt.
 */
#include "prompt.h"

#include <errno.h>
#include <glob.h>
#include <histedit.h>
#include <jansson.h>
#include <locale.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

enum { LEAVE = -1, NOTHING = -2, HISTORY_LINES = 1000, WORDS_BYTES = 1 << 16, LISTED_MAX = 100 };

static const char space[] = " \t\n\r";
static const char *const own_words[] = {"help", "quit", "exit"};

void print_commands(FILE *stream)
{
    size_t index;
    json_t *commands = json_loads(rhi_commands(), 0, NULL), *command;
    json_array_foreach(commands, index, command)
        fprintf(stream, "  %-10s %s\n", json_string_value(json_object_get(command, "name")),
                json_string_value(json_object_get(command, "summary")));
    json_decref(commands);
}

/* Does a read or write that Ctrl-C meets go on? */
static void set_restart(bool goes_on)
{
    struct sigaction action;
    sigaction(SIGINT, NULL, &action);
    action.sa_flags = goes_on ? action.sa_flags | SA_RESTART : action.sa_flags & ~SA_RESTART;
    sigaction(SIGINT, &action, NULL);
}

/* Here Ctrl-C is heard by the engine's polls; what is being written goes on. */
static int run_command(prompt *self, const char *name, const char *line)
{
    *self->was_interrupted = 0;
    set_restart(true);
    int status = rhi_session_run(self->session, self->target, name, line);
    set_restart(false);
    return status;
}

/* Runs one line; its status, or LEAVE, or NOTHING for an empty line or a comment. */
static int run_line(prompt *self, char *line)
{
    char *name = line + strspn(line, space), *rest = name + strcspn(name, space);
    rest += *rest ? (*rest = '\0', 1) : 0;
    rest += strspn(rest, space);
    if (!*name || *name == '#')
        return NOTHING;
    if (strcmp(name, "quit") == 0 || strcmp(name, "exit") == 0)
        return LEAVE;
    if (strcmp(name, "help") != 0)
        return run_command(self, name, rest);
    rest[strcspn(rest, space)] = '\0';
    if (*rest)
        return run_command(self, rest, "--help");
    print_commands(stdout);
    printf("\nhelp COMMAND tells its options; quit, exit or the end of the input leave\n");
    return RHI_ANSWERED;
}

/* ---- from a file or a pipe ------------------------------------------------------------------ */

static int run_lines(prompt *self)
{
    char *line = NULL;
    size_t size = 0;
    int highest = NOTHING;
    while (!*self->was_interrupted && getline(&line, &size, stdin) >= 0) {
        int status = run_line(self, line);
        if (status == LEAVE)
            break;
        highest = status > highest ? status : highest;
        fflush(stdout); /* a reader waits for the answer, and errors keep their place */
    }
    free(line);
    if (*self->was_interrupted)
        return RHI_NO_ANSWER;
    if (highest == NOTHING)
        fprintf(stderr, "refheap: no command: give one behind the options, or lines of them on "
                        "standard input (see refheap --help)\n");
    return highest == NOTHING ? RHI_NO_ANSWER : highest;
}

/* Are signals delivered at once, or only where read_byte waits? */
static void hear(prompt *self, bool at_once)
{
    static const int signals[] = {SIGINT, SIGWINCH, SIGCONT};
    sigset_t blocked = self->heard;
    for (size_t i = 0; i < sizeof signals / sizeof *signals && !at_once; i++)
        sigaddset(&blocked, signals[i]);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* ---- completion ----------------------------------------------------------------------------- */

/* Whole words, one a line, that a line may begin with. */
static void complete_first(FILE *words)
{
    size_t index;
    json_t *commands = json_loads(rhi_commands(), 0, NULL), *command;
    json_array_foreach(commands, index, command)
        fprintf(words, "%s\n", json_string_value(json_object_get(command, "name")));
    json_decref(commands);
    for (size_t i = 0; i < sizeof own_words / sizeof *own_words; i++)
        fprintf(words, "%s\n", own_words[i]);
}

static void complete_file(const char *word, FILE *words)
{
    const char *value = strchr(word, '=');
    char *pattern = NULL;
    glob_t found;
    value = value ? value + 1 : word;
    if (asprintf(&pattern, "%s*", value) < 0)
        return;
    if (glob(pattern, GLOB_MARK | GLOB_TILDE, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            fprintf(words, "%.*s%s\n", (int)(value - word), word, found.gl_pathv[i]);
        globfree(&found);
    }
    free(pattern);
}

/* The words (allocated, one a line) that may end this line, of which *word is the last one. */
static char *completions(prompt *self, char *line, const char **word)
{
    char *text = NULL, name[64], *known = calloc(1, WORDS_BYTES);
    size_t size = 0;
    const char *from = line + strspn(line, space), *rest = from + strcspn(from, space);
    FILE *words = known ? open_memstream(&text, &size) : NULL;
    if (words) {
        snprintf(name, sizeof name, "%.*s", (int)(rest - from), from);
        for (*word = line + strlen(line); *word > line && !strchr(" \t,", (*word)[-1]);)
            --*word;
        if (!*rest || strcmp(name, "help") == 0)
            complete_first(words);
        else if (rhi_complete(self->session, self->target, name, rest + 1, known, WORDS_BYTES))
            fprintf(words, "%s\n", known); /* each word ends a line: see complete_word */
        else if (rhi_expects(name, rest + 1) == RHI_EXPECTS_FILE)
            complete_file(*word, words);
        fclose(words);
    }
    free(known);
    return text;
}

/* How far all words that begin with `typed` are the same, in whole characters; how many they are.
 */
static size_t common_beginning(const char *words, const char *typed, const char **first,
                               unsigned *count)
{
    size_t same = 0;
    *count = 0;
    for (const char *each = words; *each; each += strlen(each) + 1) {
        size_t length = 0;
        if (strncmp(each, typed, strlen(typed)) != 0)
            continue;
        while (*count && length < same && each[length] == (*first)[length])
            length++;
        same = *count ? length : strlen(each);
        *first = *count ? *first : each;
        ++*count;
    }
    while (*count && same && ((*first)[same] & 0xc0) == 0x80)
        same--;
    return same;
}

static void list_words(const char *words, const char *typed, unsigned count)
{
    unsigned listed = 0;
    printf("\n");
    for (const char *each = words; *each && listed < LISTED_MAX; each += strlen(each) + 1)
        if (strncmp(each, typed, strlen(typed)) == 0)
            printf("%s%s", listed++ ? "  " : "", each);
    if (count > listed)
        printf("  … %u more", count - listed);
    printf("\n");
    fflush(stdout);
}

static unsigned char complete_word(EditLine *edit, char *words, const char *typed)
{
    const char *first = "";
    unsigned count = 0;
    char added[512];
    for (char *end = words; (end = strchr(end, '\n'));)
        *end++ = '\0'; /* and the text's own end stands behind the last of them */
    size_t same = common_beginning(words, typed, &first, &count), have = strlen(typed);
    bool is_whole = count == 1 && same && !strchr("=#/", first[same - 1]);
    if (count == 0)
        return CC_REFRESH_BEEP;
    snprintf(added, sizeof added, "%.*s%s", (int)(same - have), first + have, is_whole ? " " : "");
    if (added[0])
        return el_insertstr(edit, added) == 0 ? CC_REFRESH : CC_ERROR;
    list_words(words, typed, count);
    return CC_REDISPLAY;
}

static unsigned char complete(EditLine *edit, int key)
{
    prompt *self;
    const LineInfo *info = el_line(edit);
    const char *word = "";
    char *line = strndup(info->buffer, (size_t)(info->cursor - info->buffer));
    (void)key;
    el_get(edit, EL_CLIENTDATA, &self);
    *self->was_interrupted = 0;
    hear(self, true);
    char *words = line ? completions(self, line, &word) : NULL;
    hear(self, false);
    unsigned char what = words ? complete_word(edit, words, word) : CC_ERROR;
    free(words);
    free(line);
    return what;
}

/* ---- at a terminal -------------------------------------------------------------------------- */

static char *prompt_text(EditLine *edit)
{
    static char text[] = "(refheap) ";
    (void)edit;
    return text;
}

/* Waits for a byte, and nowhere else for signals, so that none is lost: 1, 0 at the end, -1 after
 * Ctrl-C. Any other signal is the terminal's: it was resized, or we were stopped. */
static int read_byte(prompt *self, EditLine *edit, char *byte)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (!*self->was_interrupted) {
        if (ppoll(&input, 1, NULL, &self->heard) >= 0) {
            ssize_t got = read(STDIN_FILENO, byte, 1);
            if (got >= 0 || errno != EINTR)
                return (int)got;
        } else if (!*self->was_interrupted) {
            el_set(edit, EL_PREP_TERM, 1);
            el_resize(edit);
            el_set(edit, EL_REFRESH);
        }
    }
    errno = EINTR;
    return -1;
}

static int read_character(EditLine *edit, wchar_t *character)
{
    prompt *self;
    mbstate_t state = {0};
    char byte;
    size_t used = (size_t)-2;
    el_get(edit, EL_CLIENTDATA, &self);
    while (used == (size_t)-2) {
        int got = read_byte(self, edit, &byte);
        if (got <= 0)
            return got;
        /* Ctrl-D, as a terminal keeps it that was not ours yet when it was typed */
        if (byte == '\0')
            byte = '\x04';
        used = mbrtowc(character, &byte, 1, &state);
    }
    if (used == (size_t)-1)
        *character = L'?';
    return 1;
}

static void on_terminal_signal(int signal)
{
    (void)signal; /* it is enough that it ends the read */
}

static EditLine *open_editor(prompt *self, History *past)
{
    FILE *shown = isatty(STDOUT_FILENO) ? stdout : stderr;
    HistEvent event;
    struct sigaction action = {.sa_handler = on_terminal_signal};
    setlocale(LC_CTYPE, "");
    sigprocmask(SIG_SETMASK, NULL, &self->heard);
    EditLine *edit = el_init("refheap", stdin, shown, stderr);
    if (!edit)
        return NULL;
    history(past, &event, H_SETSIZE, HISTORY_LINES);
    history(past, &event, H_SETUNIQUE, 1);
    el_set(edit, EL_CLIENTDATA, self);
    el_set(edit, EL_PROMPT, prompt_text);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_HIST, history, past);
    el_set(edit, EL_GETCFN, read_character);
    el_set(edit, EL_ADDFN, "refheap-complete", "completes a word", complete);
    el_set(edit, EL_BIND, "^I", "refheap-complete", NULL);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    sigaction(SIGWINCH, &action, NULL);
    sigaction(SIGCONT, &action, NULL);
    return edit;
}

/* The next line, without its end; NULL at the end of the input. Ctrl-C begins a new one. */
static char *next_line(prompt *self, EditLine *edit)
{
    for (;;) {
        int length = 0;
        *self->was_interrupted = 0;
        hear(self, false);
        const char *line = el_gets(edit, &length);
        hear(self, true);
        if (line && length > 0)
            return strdup(line);
        printf(*self->was_interrupted ? "^C\n" : "\n");
        fflush(stdout);
        if (!*self->was_interrupted)
            return NULL;
        el_reset(edit);
    }
}

static int run_terminal(prompt *self)
{
    History *past = history_init();
    EditLine *edit = past ? open_editor(self, past) : NULL;
    HistEvent event;
    int status = edit ? RHI_ANSWERED : RHI_NO_ANSWER;
    if (edit)
        printf("refheap about %s: help lists the commands, quit or Ctrl-D leaves\n", self->name);
    else
        fprintf(stderr, "refheap: this terminal cannot be used for a prompt: give a command\n");
    for (char *line; edit && (line = next_line(self, edit)); free(line)) {
        if (line[strspn(line, space)])
            history(past, &event, H_ENTER, line);
        if (run_line(self, line) == LEAVE) {
            free(line);
            break;
        }
        fflush(stdout);
    }
    if (edit)
        el_end(edit);
    if (past)
        history_end(past);
    return status;
}

int run_prompt(prompt *self)
{
    return isatty(STDIN_FILENO) ? run_terminal(self) : run_lines(self);
}
