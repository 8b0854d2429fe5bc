/* inspect_floor.c - what the hardware takes at least: inspect_floor CORE RUNS-FILE STRIDE ADDRESS
 * ROUNDS reads the core of an inspect_heap with the bare minimum of work, as no general tool can.
 *
 * `words`: how many words of the core equal one address. `edges`: every object's two references
 * as numbers of objects, written to memory; where objects lie is told, nothing is checked but
 * that a reference leads to one. The first round also pays for mapping the pages. One line of
 * JSON; times in seconds.
 */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

enum { FIRST_REFERENCE = 16, REFERENCES = 2, PAGE_BITS = 12, ROUNDS_MAX = 100 };
#define NOBODY UINT32_MAX

typedef struct run {
    uint64_t start, count;
    uint32_t first;       /* number of its first object */
    const uint64_t *data; /* in the file */
} run;

static const char *file;
static uint64_t file_size, stride, low, high;
static run *runs;
static size_t run_count;
static uint32_t *run_of_page; /* the first run that ends behind the page's start */
static uint32_t object_count;
static uint32_t *targets;

static const Elf64_Phdr *segments(size_t *count)
{
    const Elf64_Ehdr *head = (const void *)file;
    if (file_size < sizeof *head || head->e_phoff > file_size ||
        head->e_phnum > (file_size - head->e_phoff) / sizeof(Elf64_Phdr)) {
        bench_fail("no whole core");
    }
    *count = head->e_phnum;
    return (const void *)(file + head->e_phoff);
}

static bool is_in_file(const Elf64_Phdr *segment)
{
    return segment->p_type == PT_LOAD && segment->p_offset <= file_size &&
           segment->p_filesz <= file_size - segment->p_offset;
}

static void unmap_file(void)
{
    if (file && munmap((void *)(uintptr_t)file, file_size)) {
        bench_fail("munmap");
    }
}

/* Afresh for each first round. */
static void map_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status)) {
        bench_fail("the core cannot be read");
    }
    file_size = (uint64_t)status.st_size;
    void *memory = mmap(NULL, file_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED) {
        bench_fail("the core cannot be mapped");
    }
    close(fd);
    file = memory;
}

static const uint64_t *in_file(uint64_t address, uint64_t size)
{
    size_t count;
    const Elf64_Phdr *all = segments(&count);
    for (size_t i = 0; i < count; i++) {
        uint64_t offset = address - all[i].p_vaddr;
        if (is_in_file(&all[i]) && offset <= all[i].p_filesz && size <= all[i].p_filesz - offset) {
            return (const void *)(file + all[i].p_offset + offset);
        }
    }
    bench_fail("an object is not in the core");
}

static int by_start(const void *a, const void *b)
{
    const run *one = a, *other = b;
    return (one->start > other->start) - (one->start < other->start);
}

static void read_runs(const char *path)
{
    FILE *list = fopen(path, "re");
    run next = {0};
    size_t room = 0;
    if (!list) {
        bench_fail("the file of runs cannot be read");
    }
    while (fscanf(list, "%" SCNu64 " %" SCNu64, &next.start, &next.count) == 2) {
        if (run_count == room) {
            room = room ? 2 * room : 1024;
            runs = bench_need(realloc(runs, room * sizeof *runs));
        }
        runs[run_count++] = next;
    }
    fclose(list);
    if (!run_count) {
        bench_fail("the file of runs is empty");
    }
    qsort(runs, run_count, sizeof *runs, by_start);
}

static uint64_t end_of(const run *r)
{
    return r->start + r->count * stride;
}

static void index_runs(void)
{
    low = runs[0].start;
    high = end_of(&runs[run_count - 1]);
    size_t pages = (size_t)((high - low) >> PAGE_BITS) + 1, r = 0;
    run_of_page = bench_need(malloc(pages * sizeof *run_of_page));
    for (size_t page = 0; page < pages; page++) {
        while (r + 1 < run_count && end_of(&runs[r]) <= low + ((uint64_t)page << PAGE_BITS)) {
            r++;
        }
        run_of_page[page] = (uint32_t)r;
    }
    for (size_t i = 0; i < run_count; i++) {
        runs[i].first = object_count;
        object_count += (uint32_t)runs[i].count;
    }
}

static void find_data(void)
{
    for (size_t i = 0; i < run_count; i++) {
        runs[i].data = in_file(runs[i].start, runs[i].count * stride);
    }
}

static uint64_t count_words(uint64_t address)
{
    size_t count;
    uint64_t equal = 0;
    const Elf64_Phdr *all = segments(&count);
    for (size_t i = 0; i < count; i++) {
        if (is_in_file(&all[i])) {
            const uint64_t *words = (const void *)(file + all[i].p_offset);
            for (size_t w = 0; w < all[i].p_filesz / sizeof *words; w++) {
                equal += words[w] == address;
            }
        }
    }
    return equal;
}

static inline uint32_t number_of(uint64_t address, double inverse)
{
    if (address < low || address >= high) {
        return NOBODY;
    }
    const run *r = &runs[run_of_page[(address - low) >> PAGE_BITS]];
    while (address >= end_of(r)) {
        r++;
    }
    uint64_t offset = address - r->start, position = (uint64_t)((double)offset * inverse + 0.5);
    return address >= r->start && position * stride == offset ? r->first + (uint32_t)position
                                                              : NOBODY;
}

static uint64_t find_edges(void)
{
    uint64_t edges = 0;
    double inverse = 1.0 / (double)stride;
    uint32_t *to = targets;
    for (size_t i = 0; i < run_count; i++) {
        const char *object = (const char *)runs[i].data;
        for (uint64_t left = runs[i].count; left; left--, object += stride) {
            const uint64_t *references = (const void *)(object + FIRST_REFERENCE);
            for (int f = 0; f < REFERENCES; f++) {
                uint32_t number = references[f] ? number_of(references[f], inverse) : NOBODY;
                edges += number != NOBODY;
                *to++ = number;
            }
        }
    }
    return edges;
}

static double seconds_since(uint64_t start)
{
    return (double)(bench_now_ns() - start) / 1e9;
}

static void print_times(const char *name, uint64_t found, const double *times, int rounds)
{
    printf("\"%s\": {\"found\": %" PRIu64 ", \"seconds\": [", name, found);
    for (int i = 0; i < rounds; i++) {
        printf("%s%.6f", i ? ", " : "", times[i]);
    }
    printf("]}");
}

int main(int count, char **words)
{
    double word_times[ROUNDS_MAX], edge_times[ROUNDS_MAX];
    uint64_t equal = 0, edges = 0;
    int rounds = count == 6 ? atoi(words[5]) : 0;
    stride = count == 6 ? strtoull(words[3], NULL, 10) : 0;
    if (rounds < 1 || rounds > ROUNDS_MAX ||
        stride < FIRST_REFERENCE + REFERENCES * sizeof(uint64_t)) {
        bench_fail("usage: inspect_floor CORE RUNS-FILE STRIDE ADDRESS ROUNDS");
    }
    uint64_t address = strtoull(words[4], NULL, 0);
    read_runs(words[2]);
    index_runs();
    map_file(words[1]);
    for (int i = 0; i < rounds; i++) {
        uint64_t start = bench_now_ns();
        equal = count_words(address);
        word_times[i] = seconds_since(start);
    }
    unmap_file();
    map_file(words[1]);
    targets = bench_need(malloc((size_t)object_count * REFERENCES * sizeof *targets));
    for (int i = 0; i < rounds; i++) {
        uint64_t start = bench_now_ns();
        find_data();
        edges = find_edges();
        edge_times[i] = seconds_since(start);
    }
    printf("{");
    print_times("words", equal, word_times, rounds);
    printf(", ");
    print_times("edges", edges, edge_times, rounds);
    printf(", \"objects\": %" PRIu32 ", \"runs\": %zu, \"bytes\": %" PRIu64 "}\n", object_count,
           run_count, file_size);
    return 0;
}
