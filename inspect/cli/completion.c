/* completion.c - prints completion scripts (see completion.h).
 *
 * Invariant: a script asks nothing and reads no target; what the table says in words reaches a
 * shell only inside of quotes. */
#include "completion.h"

#include <refheap/inspect.h>

#include <jansson.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *argument, *help;
} door_options[] = {{"--core", "FILE", "read this core"},
                    {"--exe", "FILE", "the program of the core"},
                    {"--pid", "N", "read this process, which is stopped meanwhile"},
                    {"--no-stop", NULL, "do not stop it"},
                    {"--schema", "COMMAND", "the JSON Schema of what a command answers"},
                    {"--help", NULL, "what there is"},
                    {"--version", NULL, "the version"}};
static const char help_summary[] = "what a command does, and its options";
enum { DOOR_OPTIONS = sizeof door_options / sizeof *door_options };

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static bool is_file(const char *argument)
{
    return argument && strcmp(argument, "FILE") == 0;
}

/* The one word that an option knows; else it is told in capitals what its value is. */
static bool is_word(const char *argument)
{
    return argument && islower((unsigned char)argument[0]);
}

/* It wants the name of a command. */
static bool is_command(const char *argument)
{
    return argument && strcmp(argument, "COMMAND") == 0;
}

static void print_names(const json_t *commands)
{
    size_t index;
    json_t *command;
    json_array_foreach(commands, index, command)
        printf("%s%s", index ? " " : "", text_of(command, "name"));
}

static bool takes_files(const json_t *command)
{
    return strcmp(text_of(command, "operand"), "file") == 0;
}

/* Inside of single quotes; `marked` get a backslash in front; how a quote is written: `quote`. */
static void put_quoted(const char *text, const char *marked, const char *quote)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs(quote, stdout);
        else
            printf(strchr(marked, *text) ? "\\%c" : "%c", *text);
}

/* ---- bash: words of the line, where '=' is one by itself ------------------------------------- */

static const char bash_begin[] =
    "# refheap's completion in bash, made from the command table by `refheap --completion bash`.\n"
    "_refheap()\n"
    "{\n"
    "    local names='";

static const char bash_words[] =
    "'\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local command= options= operands= files= values= at\n"
    "    if [ \"$current\" = = ]; then\n"
    "        current=\n"
    "    elif [ \"$option\" = = ]; then\n"
    "        option=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    for ((at = 1; at < COMP_CWORD; at++)); do\n"
    "        case ${COMP_WORDS[at]} in\n"
    "        --core|--exe|--pid)\n"
    "            [ \"${COMP_WORDS[at+1]}\" = = ] && ((at++))\n"
    "            ((at++)) ;;\n"
    "        --schema) command=--schema; break ;;\n"
    "        -*) ;;\n"
    "        *) command=${COMP_WORDS[at]}; break ;;\n"
    "        esac\n"
    "    done\n"
    "    case $command in\n"
    "    help) [ \"$COMP_CWORD\" != 2 ] || operands=$names ;;\n"
    "    --schema) [ \"$option\" != --schema ] || operands=\"$names answer\" ;;\n";

static const char bash_end[] =
    "    esac\n"
    "    case $option in\n"
    "    --core|--exe) COMPREPLY=(); compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
    "    --pid) mapfile -t COMPREPLY < <(compgen -W \"$(cd /proc && echo [0-9]*)\" -- "
    "\"$current\")\n"
    "        return ;;\n"
    "    --*) case \" $files \" in\n"
    "        *\" $option \"*) compopt -o filenames 2>/dev/null\n"
    "            mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
    "        esac\n"
    "        case \" $options \" in\n"
    "        *\" $option= \"*) for at in $values; do\n"
    "                [ \"${at%%=*}\" != \"$option\" ] || options=${at#*=}\n"
    "            done\n"
    "            case $options in *=*) options= ;; esac\n"
    "            mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\"); return ;;\n"
    "        esac ;;\n"
    "    esac\n"
    "    case $current in\n"
    "    -*) ;;\n"
    "    *) case $files in\n"
    "        *.) compopt -o filenames 2>/dev/null\n"
    "            mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
    "        esac\n"
    "        [ -z \"$command\" ] || options=$operands ;;\n"
    "    esac\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\")\n"
    "    case ${COMPREPLY[0]} in *=) compopt -o nospace 2>/dev/null ;; esac\n"
    "}\n"
    "complete -F _refheap refheap\n";

/* `files` are options whose value is one; "." stands for operands. */
static void print_bash(const json_t *commands)
{
    size_t index, at;
    json_t *command, *option;
    fputs(bash_begin, stdout);
    print_names(commands);
    fputs(bash_words, stdout);
    json_array_foreach(commands, index, command)
    {
        printf("    %s) options='", text_of(command, "name"));
        json_array_foreach(json_object_get(command, "options"), at, option)
            printf("%s%s%s", at ? " " : "", text_of(option, "name"),
                   text_of(option, "argument") ? "=" : "");
        printf("' files='");
        json_array_foreach(json_object_get(command, "options"), at,
                           option) if (is_file(text_of(option, "argument")))
            printf("%s ", text_of(option, "name"));
        printf("%s' values='", takes_files(command) ? "." : "");
        json_array_foreach(json_object_get(command, "options"), at,
                           option) if (is_word(text_of(option, "argument")))
            printf("%s=%s ", text_of(option, "name"), text_of(option, "argument"));
        printf("' ;;\n");
    }
    printf("    '') options=\"");
    for (unsigned i = 0; i < DOOR_OPTIONS; i++)
        printf("%s%s ", door_options[i].name, door_options[i].argument ? "=" : "");
    printf("help $names\" ;;\n");
    fputs(bash_end, stdout);
}

/* ---- zsh ------------------------------------------------------------------------------------ */

static const char zsh_marked[] = "[]:\\", zsh_quote[] = "'\\''";

static void print_zsh_option(const char *name, const char *argument, const char *help)
{
    printf(" \\\n      '%s%s[", name, argument ? "=" : "");
    put_quoted(help, zsh_marked, zsh_quote);
    printf("]%s%s", argument ? ":value:" : "",
           is_file(argument)      ? "_files"
           : is_command(argument) ? "->schema"
                                  : "");
    printf(is_word(argument) ? "(%s)'" : "'", argument);
}

static void print_zsh(const json_t *commands)
{
    size_t index, at;
    json_t *command, *option;
    printf("#compdef refheap\n# refheap's completion in zsh, made from the command table by "
           "`refheap --completion zsh`.\n_refheap() {\n  local curcontext=$curcontext state line\n"
           "  local -a commands others\n  others=('help:%s')\n  commands=(\n",
           help_summary);
    json_array_foreach(commands, index, command)
    {
        printf("    '%s:", text_of(command, "name"));
        put_quoted(text_of(command, "summary"), "", zsh_quote);
        printf("'\n");
    }
    printf("  )\n  _arguments -C");
    for (unsigned i = 0; i < DOOR_OPTIONS; i++)
        print_zsh_option(door_options[i].name, door_options[i].argument, door_options[i].help);
    printf(" \\\n      '1:command:->command' '*::argument:->argument' && return\n"
           "  case $state in\n"
           "  command) _describe command commands -- others ;;\n"
           "  schema) compadd -- ${commands%%%%:*} answer ;;\n"
           "  argument)\n    case $words[1] in\n"
           "    help) (( CURRENT != 2 )) || _describe command commands ;;\n");
    json_array_foreach(commands, index, command)
    {
        printf("    %s) _arguments", text_of(command, "name"));
        json_array_foreach(json_object_get(command, "options"), at, option) print_zsh_option(
            text_of(option, "name"), text_of(option, "argument"), text_of(option, "help"));
        printf("%s ;;\n", takes_files(command) ? " '*:operand:_files'" : "");
    }
    printf("    esac ;;\n  esac\n}\n_refheap \"$@\"\n");
}

/* ---- fish ----------------------------------------------------------------------------------- */

static void print_fish_line(const char *condition, const char *name, const char *argument,
                            const char *help)
{
    printf("complete -c refheap -n '%s' -l %s%s -d '", condition, name + 2,
           is_file(argument) ? " -r -F"
           : argument        ? " -x"
                             : "");
    put_quoted(help, "\\", "\\'");
    printf(is_command(argument) ? "' -a \"$names answer\"\n"
           : is_word(argument)  ? "' -a %s\n"
                                : "'\n",
           argument);
}

/* Is a command still to come? __fish_use_subcommand takes the value of `--core FILE` for one. */
static void print_fish_condition(void)
{
    printf("function __refheap_needs_command\n"
           "    set -l words (commandline -opc)\n"
           "    set -e words[1]\n"
           "    set -l is_value 0\n"
           "    for word in $words\n"
           "        if test $is_value -eq 1\n"
           "            set is_value 0\n"
           "            continue\n"
           "        end\n"
           "        switch $word\n"
           "            case");
    for (unsigned i = 0; i < DOOR_OPTIONS; i++)
        if (door_options[i].argument)
            printf(" %s", door_options[i].name);
    printf("\n                set is_value 1\n"
           "            case '-*'\n"
           "            case '*'\n"
           "                return 1\n"
           "        end\n"
           "    end\n"
           "    return 0\n"
           "end\n");
}

/* `help`, and behind it one command. */
static void print_fish_help(void)
{
    printf("complete -c refheap -n __refheap_needs_command -a help -d '%s'\n"
           "complete -c refheap -n '__fish_seen_subcommand_from help; "
           "and test (count (commandline -opc)) -eq 2' -a \"$names\"\n",
           help_summary);
}

static void print_fish(const json_t *commands)
{
    size_t index, at;
    json_t *command, *option;
    char condition[256];
    printf("# refheap's completion in fish, made from the command table by `refheap --completion "
           "fish`.\n");
    print_fish_condition();
    printf("set -l names '");
    print_names(commands);
    printf("'\ncomplete -c refheap -f\n");
    print_fish_help();
    for (unsigned i = 0; i < DOOR_OPTIONS; i++)
        print_fish_line("__refheap_needs_command", door_options[i].name, door_options[i].argument,
                        door_options[i].help);
    json_array_foreach(commands, index, command)
    {
        const char *name = text_of(command, "name");
        snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s", name);
        printf("complete -c refheap -n __refheap_needs_command -a %s -d '", name);
        put_quoted(text_of(command, "summary"), "\\", "\\'");
        printf("'\n");
        if (takes_files(command))
            printf("complete -c refheap -n '%s' -F\n", condition);
        json_array_foreach(json_object_get(command, "options"), at, option)
            print_fish_line(condition, text_of(option, "name"), text_of(option, "argument"),
                            text_of(option, "help"));
    }
}

bool print_completion(const char *shell)
{
    static const struct {
        const char *name;
        void (*print)(const json_t *commands);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (unsigned i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shells[i].name, shell) != 0)
            continue;
        json_t *commands = json_loads(rhi_commands(), 0, NULL);
        shells[i].print(commands);
        json_decref(commands);
        return true;
    }
    return false;
}
