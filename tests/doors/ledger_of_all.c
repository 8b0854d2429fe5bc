/* ledger_of_all.c - sets the stored counts of all objects against what fields explain:
 *
 *     ledger_of_all CORE|PID
 *
 * Writes one JSON document: {"mortal", "equal": of these, where fields explain all, "cached": where
 * nothing is left but names in Python's cache of types' attributes, "more": where roots and words
 * have to explain some, "over": [[ADDRESS, stored, found]…], where fields are too many,
 * "lost": [ADDRESS…], what is leaked for a lost count, "complete"}. The commands say this of one
 * object at a time. Invariant: nothing is judged here; the graph's own numbers are counted. */
#include "session/session.h"
#include <refheap/inspect.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    char *bytes;
    size_t size, capacity;
} output;

static void keep(void *context, int stream, const char *text, uint64_t size)
{
    (void)context;
    if (stream != RHI_STREAM_OUT)
        return;
    if (output.size + size + 1 > output.capacity) {
        output.capacity = (output.size + size + 1) * 2;
        output.bytes = realloc(output.bytes, output.capacity);
    }
    memcpy(output.bytes + output.size, text, size);
    output.size += size;
}

static void fail(const char *what)
{
    printf("ledger_of_all: %s\n", what);
    exit(2);
}

static json_t *number_at(uint64_t address)
{
    return json_integer((json_int_t)address);
}

/* How many names the cache owns of each object. */
static uint8_t *count_cached(rhi_session *session)
{
    const rhi_reader *reader = session->reader;
    uint8_t *cached = calloc(session->graph->count + 1, 1);
    for (uint64_t i = 0; i < reader->roots.count; i++) {
        uint64_t value;
        if (strcmp(reader->roots.items[i].name, "cache of types' attributes") != 0 ||
            !rhi__memory_u64(&session->memory, reader->roots.items[i].slot, &value))
            continue;
        uint32_t index = rhi__object_of(reader, value);
        if (index != RHI_NO_OBJECT && cached[index] < UINT8_MAX)
            cached[index]++;
    }
    return cached;
}

static void count_all(rhi_session *session, json_t *document)
{
    const rhi_graph *graph = session->graph;
    json_int_t mortal = 0, equal = 0, in_cache = 0, more = 0;
    json_t *over = json_array();
    uint8_t *cached = count_cached(session);
    for (uint32_t i = 0; i < graph->count; i++) {
        if (graph->flags[i] & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_CORRUPT | RHI_GRAPH_BLANK))
            continue;
        mortal++;
        equal += rhi__ext(graph, i) == 0;
        in_cache += rhi__ext(graph, i) > 0 && rhi__ext(graph, i) == cached[i];
        more += rhi__ext(graph, i) > 0;
        if (rhi__ext(graph, i) < 0)
            json_array_append_new(
                over, json_pack("[o,i,i]", number_at(rhi__object_address(session->reader, i)),
                                (int)graph->stored[i], (int)graph->found[i]));
    }
    json_object_set_new(document, "mortal", json_integer(mortal));
    json_object_set_new(document, "equal", json_integer(equal));
    json_object_set_new(document, "cached", json_integer(in_cache));
    json_object_set_new(document, "more", json_integer(more));
    json_object_set_new(document, "over", over);
    free(cached);
}

int main(int count, char **words)
{
    rhi_target target;
    char error[256];
    if (count < 2)
        fail("usage: ledger_of_all CORE|PID");
    int64_t pid = strtoll(words[1], NULL, 10);
    if ((pid ? rhi_target_open_process(pid, 0, &target, error, sizeof error)
             : rhi_target_open_core(words[1], NULL, &target, error, sizeof error)) != 0)
        fail(error);
    target.emit = keep;
    rhi_session *session = rhi_session_new();
    rhi_session_run(session, &target, "gcleaks", "--json --limit=0");
    rhi__session_use(session, &target); /* more of its memory is read */
    json_t *leaks = json_loadb(output.bytes ? output.bytes : "", output.size, 0, NULL);
    if (!leaks || !session->graph)
        fail(output.bytes ? output.bytes : "no answer");
    json_t *document = json_object(), *lost = json_array(), *leak;
    size_t i;
    json_array_foreach(
        json_object_get(leaks, "leaks"), i,
        leak) if (strcmp(json_string_value(json_object_get(leak, "cause")), "lost_reference") == 0)
        json_array_append(lost, json_object_get(leak, "representative_address"));
    count_all(session, document);
    json_object_set_new(document, "lost", lost);
    json_object_set(document, "complete", json_object_get(leaks, "complete"));
    json_dumpf(document, stdout, JSON_SORT_KEYS);
    printf("\n");
    json_decref(document);
    json_decref(leaks);
    rhi_session_free(session);
    rhi_target_close(&target);
    return 0;
}
