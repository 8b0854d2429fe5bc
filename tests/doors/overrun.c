/* overrun.c - two mistakes over one end: a name that is too long for its field, and a filled
 * buffer. Says what it wrote, and waits:
 *
 *     {"checkpoint": 0, "text": "…", "text_address": "0x…", "header": "0x…", "below": "user#1",
 *     "name": "…",
 *      "filled": "0x…", "filled_below": "buffer#4"}
 */
#include <refheap/refheap.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct user {
    rh_object base;
    uint32_t length;
    char name[12];
} user;
static const rh_field user_fields[] = {RH_BYTES(user, name, length), RH_FIELDS_END};
static rh_type user_type = {.name = "user", .size = sizeof(user), .fields = user_fields};
typedef struct buffer {
    rh_object base;
    long first, words[5];
} buffer;
static const rh_field buffer_fields[] = {RH_INT(buffer, first), RH_FIELDS_END};
static rh_type buffer_type = {.name = "buffer", .size = sizeof(buffer), .fields = buffer_fields};

static user *users[3];
static buffer *buffers[3];

int main(void)
{
    /* with its end as long as the field and a header */
    static const char text[] = "Ada King, Countess Lovelace";
    rh_heap *heap = rh_heap_create(NULL);
    for (int i = 0; i < 3; i++)
        if (!(users[i] = rh_new(heap, &user_type)))
            return 1;
    for (int i = 0; i < 3; i++)
        if (!(buffers[i] = rh_new(heap, &buffer_type)))
            return 1;
    /* unchecked, as the mistake is */
    void (*copy)(char *, const char *) = (void (*)(char *, const char *))(uintptr_t)strcpy;
    __asm__ volatile("" : "+r"(copy));
    users[0]->length = sizeof users[0]->name;
    copy(users[0]->name, text);
    long *words = buffers[0]->words;
    __asm__ volatile("" : "+r"(words));
    memset(words, 0xff, sizeof buffers[0]->words + 8);
    printf("{\"checkpoint\": 0, \"text\": \"%s\", \"text_address\": \"%p\", \"header\": \"%p\", "
           "\"below\": \"user#1\", \"name\": \"%.12s\", "
           "\"filled\": \"%p\", \"filled_below\": \"buffer#4\"}\n",
           text, (void *)users[0]->name, (void *)users[1], text, (void *)buffers[1]);
    fflush(stdout);
    for (;;)
        pause();
}
