/* unkind.c - a program whose names hold what a terminal must not see: types, fields, heap, root,
 * text, a symbol, a thread, the paths of a file and of a library (argv[1], copied); and names in
 * other scripts, which must be shown. Says where the object is and waits.
 *
 *     {"checkpoint": 1, "object": "0x…", "id": "Knötchen#N", "local": "0x…", "mapping": "0x…"}
 *
 * Invariant: the object is held once by each kind of place whose name can be unkind. */
#define _GNU_SOURCE
#include <refheap/refheap.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* An escape sequence, a carriage return, C1, marks that turn text round, DEL, half a character. */
#define UNKIND "\033[31m\r\302\233\342\200\256\342\201\246\177\343\201"

typedef struct bead {
    rh_object base;
    struct bead *next;
    size_t length;
    char text[64];
} bead;
#define FIELD(name_, member, kind_)                                                                \
    {                                                                                              \
        .name = name_, .offset = offsetof(bead, member), .kind = kind_, .form = RH_FORM_ONE,       \
        .width = 8, .count = 1, .stride = 8                                                        \
    }
static const rh_field kind_fields[] = {FIELD("nächster", next, RH_KIND_STRONG),
                                       RH_BYTES(bead, text, length), RH_FIELDS_END};
static const rh_field unkind_fields[] = {FIELD("n" UNKIND, next, RH_KIND_STRONG),
                                         RH_BYTES(bead, text, length), RH_FIELDS_END};
static rh_type kind_type = {.name = "Knötchen", .size = sizeof(bead), .fields = kind_fields};
static rh_type unkind_type = {.name = "t" UNKIND, .size = sizeof(bead), .fields = unkind_fields};

/* A variable without debug info, by a name that C has no letters for. */
__asm__(".pushsection .data\n.balign 8\n.type \"s" UNKIND "\", @object\n.size \"s" UNKIND
        "\", 8\n\"s" UNKIND "\": .quad 0\n"
        ".globl unkind_symbol\nunkind_symbol: .quad \"s" UNKIND "\"\n.popsection\n");
extern bead **unkind_symbol;
bead *größe;
static bead *root;

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    int in = open(from, O_RDONLY), out = open(to, O_CREAT | O_RDWR | O_TRUNC, 0755);
    for (ssize_t got; (got = read(in, bytes, sizeof bytes)) > 0;)
        if (write(out, bytes, (size_t)got) != got)
            abort();
    close(in);
    close(out);
}

static bead *new_bead(rh_heap *heap, rh_type *type)
{
    bead *made = rh_new(heap, type);
    made->length = (size_t)snprintf(made->text, sizeof made->text, "text " UNKIND);
    return made;
}

/* A debugger names the local, and where it is. */
static void läuft(bead *object, bead *lokal, void *mapped)
{
    typedef bead perle_größer;
    struct {
        perle_größer *schlüssel[2];
    } örtlich = {.schlüssel = {lokal, object}};
    printf("{\"checkpoint\": 1, \"object\": \"%p\", \"id\": \"Knötchen#%llu\", \"local\": \"%p\", "
           "\"mapping\": \"%p\"}\n",
           (void *)object, (unsigned long long)rh_serial(örtlich.schlüssel[1]),
           (void *)örtlich.schlüssel[0], mapped);
    fflush(stdout);
    for (;;)
        pause();
}

int main(int count, char **words)
{
    if (count < 2)
        return 2;
    prctl(PR_SET_NAME, "t" UNKIND);
    copy_file(words[1], "./library" UNKIND ".so");
    void *library = dlopen("./library" UNKIND ".so", RTLD_NOW);
    void **(*place)(void) =
        library ? (void **(*)(void))(uintptr_t)dlsym(library, "unkind_place") : NULL;
    copy_file("/proc/self/comm", "mapped" UNKIND);
    int file = open("mapped" UNKIND, O_RDWR);
    if (!place || ftruncate(file, 4096))
        return 2;
    bead **mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.name = "h" UNKIND});
    bead *object = new_bead(heap, &kind_type), *holder = new_bead(heap, &unkind_type);
    rh_root_add(heap, &root, "r" UNKIND);
    holder->next = root = größe = *unkind_symbol = *mapped = object;
    for (int i = 0; i < 5; i++)
        rh_retain(object);
    *place() = object;
    root = holder;
    rh_set(&holder->next, new_bead(heap, &unkind_type));
    holder->next->next = object;
    new_bead(heap, &unkind_type)->next = object; /* lost */
    läuft(object, new_bead(heap, &kind_type), (void *)mapped);
}
