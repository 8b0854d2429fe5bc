/* naming.c - names of rows (see naming.h). Module data and thread-local memory are named from the
 * files themselves, alike for all doors; what the files do not know, the door is asked for. */
#include "words/naming.h"
#include "target/modules.h"
#include "heap/objects.h"
#include "program/symbols.h"
#include "words/words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char *text_of(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL; /* memory is short: the row stays without a name */
    va_end(arguments);
    return text;
}

/* "sp+0x48": where a word of a stack is, if nothing names it. */
static char *name_by_stack(const rhi_reader *reader, const rhi_holder *holder)
{
    const struct rhi_sink *map = &reader->memory->map;
    for (uint64_t i = 0; i < map->threads.count; i++)
        if (map->threads.items[i].lwp == holder->lwp) {
            uint64_t pointer = map->threads.items[i].stack_pointer;
            bool below = holder->address < pointer;
            return text_of("sp%c0x%" PRIx64, below ? '-' : '+',
                           below ? pointer - holder->address : holder->address - pointer);
        }
    return NULL;
}

/* "pymalloc block 0x7f…+16" */
static char *raw_name(const rhi_reader *reader, const rhi_holder *holder)
{
    const rhi_block *block = holder->base ? rhi__block_at(reader, holder->base) : NULL;
    const char *word = block ? rhi__format_of(reader, block->heap)->raw_word : NULL;
    return word ? text_of("%s 0x%" PRIx64 "+%" PRIu64, word, holder->base,
                          holder->address - holder->base)
                : NULL;
}

/* The name that needs no debug info. */
static char *own_name(rhi_session *session, rhi_reader *reader, const rhi_holder *holder)
{
    rhi_word_map *map;
    char name[RHI_NAME_SIZE + 32];
    switch (holder->kind) {
    case RHI_HOLDER_FIELD:
        if (holder->element == RHI_WHOLE_VECTOR)
            return text_of("%s", holder->field->name);
        rhi__slot_name(holder->field, holder->element, name, sizeof name);
        return text_of("%s", name);
    case RHI_HOLDER_UNDECLARED:
        return text_of("%+" PRId64, (int64_t)(holder->address - holder->from));
    case RHI_HOLDER_ROOT:
        return text_of("%s", reader->roots.items[holder->index].name);
    case RHI_HOLDER_REGISTER:
        return text_of("%s", reader->memory->map.registers.items[holder->index].name);
    case RHI_HOLDER_KERNEL:
        return !rhi__session_word_map(session, reader, &map) &&
                       holder->index < map->kernel.words.count
                   ? text_of("%s", map->kernel.words.items[holder->index].name)
                   : NULL;
    case RHI_HOLDER_GLOBAL:
        return rhi__module_text(reader->memory, holder->address, name, sizeof name)
                   ? text_of("%s", name)
                   : NULL;
    case RHI_HOLDER_STACK:
        return name_by_stack(reader, holder);
    case RHI_HOLDER_UNKNOWN:
        return raw_name(reader, holder);
    case RHI_HOLDER_FOREIGN:
        return holder->base && holder->base <= holder->address
                   ? text_of("malloc block 0x%" PRIx64 "+%" PRIu64, holder->base,
                             holder->address - holder->base)
                   : NULL;
    default:
        return NULL;
    }
}

static void take_variable(rhi_holder *holder, const rhi_variable *variable)
{
    char *name = variable->function[0] ? text_of("%s::%s", variable->function, variable->text)
                                       : text_of("%s", variable->text);
    rhi_variable *copy = malloc(sizeof *copy);
    if (!name || !copy) {
        free(name);
        free(copy);
        return;
    }
    *copy = *variable;
    holder->name = name;
    holder->variable = copy;
}

/* What a door tells may be cut inside a character. */
static void take_text(char *text, size_t size, const char *told)
{
    rhi__text(text, size, "%.*s", (int)rhi__whole_characters(told, strlen(told)), told);
}

static void take_answer(rhi_holder *holder, rhi_word *word)
{
    rhi_variable variable = {.is_local = word->kind == RHI_WORD_LOCAL, .frame = word->frame};
    word->name[sizeof word->name - 1] = word->function[sizeof word->function - 1] =
        word->type[sizeof word->type - 1] = '\0';
    if (word->kind == RHI_WORD_UNNAMED || !word->name[0])
        return;
    take_text(variable.text, sizeof variable.text, word->name);
    take_text(variable.function, sizeof variable.function, word->function);
    take_text(variable.type, sizeof variable.type, word->type);
    take_variable(holder, &variable);
}

void rhi__name_holders(rhi_session *session, rhi_reader *reader, rhi_holders *holders,
                       uint64_t count)
{
    const rhi_target *target = session->target;
    if (count > holders->count)
        count = holders->count;
    rhi_word *words = calloc(count + 1, sizeof *words);
    uint64_t *row = calloc(count + 1, sizeof *row), asked = 0;
    for (uint64_t i = 0; words && row && i < count; i++) {
        rhi_holder *holder = &holders->items[i];
        bool is_stack = holder->kind == RHI_HOLDER_STACK,
             is_tls = holder->kind == RHI_HOLDER_THREAD_LOCAL;
        rhi_variable variable;
        if (holder->name ||
            (holder->kind != RHI_HOLDER_GLOBAL && !is_stack && !(is_tls && holder->base)))
            continue;
        if (!is_stack && rhi__symbols_variable(session->symbols, holder->address,
                                               is_tls ? holder->base : 0, &variable)) {
            take_variable(holder, &variable);
            continue;
        }
        row[asked] = i;
        if (!is_tls)
            words[asked++] =
                (rhi_word){.address = holder->address, .is_stack = is_stack, .lwp = holder->lwp};
    }
    reader->memory->is_short |= !words || !row; /* said in the answer: its rows have fewer names */
    /* it may have mapped what was cut off */
    if (asked && target->name && !rhi__core_has_changed(session))
        target->name(target->context, words, asked);
    for (uint64_t i = 0; i < asked; i++)
        take_answer(&holders->items[row[i]], &words[i]);
    for (uint64_t i = 0; i < asked; i++)
        reader->memory->is_short |= words[i].kind != RHI_WORD_UNNAMED && words[i].name[0] &&
                                    !holders->items[row[i]].variable;
    for (uint64_t i = 0; i < count; i++)
        if (!holders->items[i].name)
            holders->items[i].name = own_name(session, reader, &holders->items[i]);
    free(words);
    free(row);
}
