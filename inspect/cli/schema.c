/* schema.c - prints the engine's schemas, or writes them into a folder (see schema.h). */
#include "schema.h"

#include <refheap/inspect.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *schema_of(const char *name)
{
    return rhi_schema(strcmp(name, "answer") == 0 ? NULL : name);
}

bool print_schema(const char *name)
{
    char *text = schema_of(name);
    if (text)
        printf("%s\n", text);
    free(text);
    return text;
}

static bool write_schema(const char *folder, const char *name)
{
    char path[4096];
    char *text = schema_of(name);
    bool fits = snprintf(path, sizeof path, "%s/%s.schema.json", folder, name) < (int)sizeof path;
    FILE *file = text && fits ? fopen(path, "w") : NULL;
    bool is_written = file && fprintf(file, "%s\n", text) > 0;
    is_written = file && fclose(file) == 0 && is_written;
    free(text);
    return is_written;
}

bool write_schemas(const char *folder)
{
    json_t *commands = json_loads(rhi_commands(), 0, NULL), *command;
    size_t index;
    mkdir(folder, 0777); /* if it fails for another reason than that it is there, so does fopen */
    bool are_written = write_schema(folder, "answer");
    json_array_foreach(commands, index, command)
    {
        are_written &= write_schema(folder, json_string_value(json_object_get(command, "name")));
    }
    json_decref(commands);
    return are_written;
}
