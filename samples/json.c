/* json.c - loads a JSON file into managed values and stops, so that there is a real heap to look
 * at.
 *
 *     json [FILE]        default: the languages of the world, from Debian's iso-codes
 *
 * Objects become dicts, arrays lists; strings, ints, floats, booleans and nil are what they are.
 * Equal keys are one string object, held by every dict that has the key. Afterwards one
 * registered root, "document", holds everything. jansson parses; its tree is freed before the
 * stop. It refuses files nested deeper than 2048; nothing here recurses.
 *
 *     gdb: break checkpoint, run, gcstat, refs document, objat document
 *
 * Exit status: 0, or 2 with one line on stderr. Invariant: when convert() returns a value, the
 * caller owns its one count, and all other counts are fields'. */
#include "checkpoint.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_FILE "/usr/share/iso-codes/json/iso_639-3.json"

/* One container on its way from jansson to the heap. */
typedef struct level {
    json_t *source;
    rh_object *target; /* borrowed: its parent, or convert()'s `document`, owns it */
    void *iterator;    /* of an object */
    size_t index;      /* of an array */
} level;

typedef struct loader {
    rh_heap *heap;
    rh_dict *keys; /* key -> the same string */
    level *levels;
    size_t depth;
    size_t capacity;
    size_t dict_count, list_count, string_count, int_count, float_count; /* objects of ours */
} loader;

static rh_object *new_value(loader *self, json_t *source)
{
    switch (json_typeof(source)) {
    case JSON_OBJECT:
        self->dict_count++;
        return (rh_object *)rh_dict_new(self->heap);
    case JSON_ARRAY:
        self->list_count++;
        return (rh_object *)rh_list_new(self->heap);
    case JSON_STRING:
        self->string_count++;
        return (rh_object *)rh_string_new_bytes(self->heap, json_string_value(source),
                                                json_string_length(source));
    case JSON_INTEGER: {
        json_int_t value = json_integer_value(source);
        self->int_count += value < RH_INT_SHARED_MIN || value > RH_INT_SHARED_MAX;
        return (rh_object *)rh_int_new(self->heap, value);
    }
    case JSON_REAL:
        self->float_count++;
        return (rh_object *)rh_float_new(self->heap, json_real_value(source));
    case JSON_TRUE:
    case JSON_FALSE:
        return (rh_object *)rh_bool(json_is_true(source));
    case JSON_NULL:
        break;
    }
    return rh_nil();
}

/* The string of a key, borrowed; made when the key is new. */
static rh_string *intern(loader *self, const char *text)
{
    rh_string *known = rh_dict_get_text(self->keys, text);
    if (known)
        return known;
    rh_string *key = rh_string_new(self->heap, text);
    bool is_kept = rh_dict_set(self->keys, key, key);
    rh_release(key);
    self->string_count++;
    return is_kept ? key : NULL;
}

/* Pushes a container; anything else has nothing below it. */
static bool enter(loader *self, json_t *source, rh_object *target)
{
    if (!json_is_object(source) && !json_is_array(source))
        return true;
    if (self->depth == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : 16;
        level *levels = realloc(self->levels, capacity * sizeof *levels);
        if (!levels)
            return false;
        self->levels = levels;
        self->capacity = capacity;
    }
    void *iterator = json_is_object(source) ? json_object_iter(source) : NULL;
    self->levels[self->depth++] = (level){source, target, iterator, 0};
    return true;
}

/* Converts the next child of the innermost container, or leaves the container. */
static bool step(loader *self)
{
    level *top = &self->levels[self->depth - 1];
    json_t *child;
    rh_string *key = NULL;
    if (json_is_array(top->source)) {
        child = json_array_get(top->source, top->index++);
    } else {
        child = top->iterator ? json_object_iter_value(top->iterator) : NULL;
        if (child && !(key = intern(self, json_object_iter_key(top->iterator))))
            return false;
        if (child)
            top->iterator = json_object_iter_next(top->source, top->iterator);
    }
    if (!child) {
        self->depth--;
        return true;
    }
    rh_object *value = new_value(self, child);
    bool is_stored = key ? rh_dict_set((rh_dict *)top->target, key, value)
                         : rh_list_append((rh_list *)top->target, value);
    rh_release(value);
    return is_stored && enter(self, child, value);
}

/* The managed form of a jansson tree, owned by the caller; NULL if memory is short. */
static rh_object *convert(loader *self, json_t *tree)
{
    self->keys = rh_dict_new(self->heap);
    rh_object *document = self->keys ? new_value(self, tree) : NULL;
    bool is_whole = document && enter(self, tree, document);
    while (is_whole && self->depth)
        is_whole = step(self);
    free(self->levels);
    self->levels = NULL;
    rh_release(self->keys);
    self->keys = NULL;
    if (!is_whole) {
        rh_release(document);
        return NULL;
    }
    return document;
}

static const char *type_name(const rh_object *object)
{
    return rh_is_dict(object)     ? "dict"
           : rh_is_list(object)   ? "list"
           : rh_is_string(object) ? "string"
           : rh_is_int(object)    ? "int"
           : rh_is_float(object)  ? "float"
           : rh_is_bool(object)   ? "bool"
                                  : "nil";
}

static void tell(const loader *self, const rh_object *document)
{
    bool is_shared = !rh_is_object(self->heap, document);
    truth_object("document", document, .heap = is_shared ? NULL : self->heap, .status = "live",
                 .id = truth_id(type_name(document), document),
                 .refcount = is_shared ? RH_IMMORTAL : 1, .roots = {"document"});
    truth_type("dict", self->dict_count);
    truth_type("list", self->list_count);
    truth_type("string", self->string_count);
    truth_type("int", self->int_count);
    truth_type("float", self->float_count);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : DEFAULT_FILE;
    if (argc > 2) {
        fprintf(stderr, "usage: json [FILE]\n");
        return 2;
    }
    json_error_t error;
    json_t *tree = json_load_file(path, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!tree) {
        if (error.line > 0)
            fprintf(stderr, "json: %s:%d:%d: %s\n", path, error.line, error.column, error.text);
        else
            fprintf(stderr, "json: %s\n", error.text); /* names the file */
        return 2;
    }
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.name = "json"});
    loader state = {.heap = heap};
    rh_object *document = heap ? convert(&state, tree) : NULL;
    json_decref(tree);
    tree = NULL;
    if (!document) {
        fprintf(stderr, "json: %s: memory is short\n", path);
        return 2;
    }
    rh_root_add(heap, &document, "document");
    tell(&state, document);
    checkpoint("document loaded");
    rh_root_remove(heap, &document);
    rh_release(document);
    rh_heap_destroy(heap);
    return 0;
}
