/* gcquery.c - `gcquery`: any question, in SQL. */
#include "commands/all.h"
#include "query/catalog.h"
#include "query/shipped.h"
#include "query/show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 1000000 };
#define STEPS_MAX 10000000000u

/* Reads at most FILE_MAX bytes and one more, which is too many. Allocated, ended by NUL. */
static rhi_error *read_file(const char *path, char **text, size_t *size)
{
    struct stat status;
    FILE *file = stat(path, &status) == 0 && S_ISREG(status.st_mode) ? fopen(path, "re") : NULL;
    if (!file)
        return rhi__error("%.200s: %s, and no question of this name is shipped (--list has them)",
                          path, errno ? strerror(errno) : "it is no file");
    *text = malloc(FILE_MAX + 2);
    *size = *text ? fread(*text, 1, FILE_MAX + 1, file) : 0;
    bool has_failed = ferror(file);
    fclose(file);
    if (!*text)
        return rhi__error_memory();
    (*text)[*size] = '\0';
    return has_failed ? rhi__error("%.200s cannot be read", path) : NULL;
}

/* The question: a file's, else a shipped one's. *read is freed by the caller. */
static rhi_error *find_question(const rhi_args *args, rhi_asked_sql *asked, char **read)
{
    const char *path = rhi__option(args, "--file"),
               *operand = args->operand_count ? args->operands[0] : NULL;
    const rhi_shipped *shipped = path ? rhi__shipped_named(path) : NULL;
    struct stat status;
    if (!path && !operand)
        return rhi__error(
            "what is asked? As in gcquery select type, count(*) from objects group by "
            "type; --tables shows what there is, --list questions that are shipped");
    asked->text = path ? NULL : operand;
    asked->parameter = path ? operand : NULL;
    if (path && shipped && stat(path, &status) != 0)
        asked->text = shipped->sql;
    if (asked->text) {
        asked->size = strlen(asked->text);
        return NULL;
    }
    errno = 0;
    RHI_TRY(read_file(path, read, &asked->size));
    asked->text = *read;
    return NULL;
}

static rhi_error *ask(rhi_session *session, const rhi_args *args, const rhi_asked_sql *asked,
                      int *status)
{
    rhi_query query;
    rhi_statement *statement = NULL;
    enum rhi_show_form form = args->json                   ? RHI_SHOW_JSON
                              : rhi__option(args, "--csv") ? RHI_SHOW_CSV
                                                           : RHI_SHOW_TABLE;
    rhi_error *error = rhi__query_open(session, &query);
    if (!error)
        error = rhi__statement_open(&query, asked, &statement);
    if (!error)
        error = rhi__show(&query, statement, form, args->limit, status);
    rhi__statement_close(statement);
    rhi__query_close(&query);
    return error;
}

rhi_error *rhi__run_gcquery(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_asked_sql asked = {0};
    char *read = NULL;
    if (rhi__option(args, "--tables") || rhi__option(args, "--list")) {
        if (args->operand_count || rhi__option(args, "--file"))
            return rhi__error("--tables and --list ask nothing of a heap");
        if (rhi__option(args, "--tables"))
            rhi__show_tables(session);
        else
            rhi__show_shipped(session);
        return NULL;
    }
    if (args->json && rhi__option(args, "--csv"))
        return rhi__error("--json or --csv, and not both");
    RHI_TRY(rhi__option_number(args, "--steps", STEPS_MAX, &asked.steps_max));
    rhi_error *error = find_question(args, &asked, &read);
    if (!error)
        error = ask(session, args, &asked, status);
    free(read);
    return error;
}
