// shared_ptr.cpp - C++'s std::shared_ptr in the runtime benchmark: std::make_shared, and
// libstdc++'s operator new below it.
//
// The same workloads as in workloads.h, in the same order, written as C++ is. Invariant: the
// process has one thread from beginning to end, so that libstdc++ counts without atomic
// instructions.
#include "bench.h"

#include <memory>
#include <utility>

namespace
{

constexpr uint32_t LIVE = 1000000, WINDOW = 10000, BATCH = 100000, LIST = 5000000;
constexpr uint64_t LEAST_NS = 80000000;
constexpr int TREE_DEPTH = 20, TREE_NODES = (2 << TREE_DEPTH) - 1;

// A shared_ptr is two words, so a node has 32 bytes of payload and not 16. The cell, which holds no
// object in these workloads, has 32 as everywhere.
struct cell {
    uint64_t value;
    std::shared_ptr<cell> a;
    uint64_t more;
};

struct node {
    std::shared_ptr<node> a, b;
};

using blob = std::shared_ptr<char[]>;

template <typename Function> double repeated(Function batch)
{
    uint64_t count = 0;
    batch();
    uint64_t begin = bench_now_ns(), end;
    do {
        batch();
        count += BATCH;
        end = bench_now_ns();
    } while (end - begin < LEAST_NS);
    return (double)(end - begin) / (double)count;
}

template <typename T> T *array(size_t count)
{
    return new (bench_array(count * sizeof(T))) T[count];
}

void alloc_free()
{
    bench_report("alloc_free", "ns", repeated([] {
                     for (uint32_t i = 0; i < BATCH; i++) {
                         auto object = std::make_shared<cell>();
                         object->value = i;
                         cell *pointer = object.get();
                         BENCH_TOUCH(pointer);
                     }
                 }));
}

void alloc_free_bytes()
{
    auto cells = array<std::shared_ptr<cell>>(LIVE);
    double before = bench_rss_bytes();
    for (uint32_t i = 0; i < LIVE; i++) {
        cells[i] = std::make_shared<cell>();
        cells[i]->value = i;
    }
    bench_report("alloc_free", "bytes", (bench_rss_bytes() - before) / LIVE);
}

inline void retain_release(const std::shared_ptr<cell> &object)
{
    std::shared_ptr<cell> copy = object;
    cell *pointer = copy.get();
    BENCH_TOUCH(pointer);
}

void retain_hot()
{
    auto object = std::make_shared<cell>();
    bench_report("retain_hot", "ns", repeated([&object] {
                     for (uint32_t i = 0; i < BATCH; i++) {
                         retain_release(object);
                     }
                 }));
}

void retain_random()
{
    constexpr int PASSES = 4;
    auto cells = array<std::shared_ptr<cell>>(LIVE);
    bench_random random = {1};
    for (uint32_t i = 0; i < LIVE; i++) {
        cells[i] = std::make_shared<cell>();
        cells[i]->value = i;
    }
    for (uint32_t i = LIVE - 1; i > 0; i--) {
        std::swap(cells[i], cells[bench_below(&random, i + 1)]);
    }
    auto pass = [cells] {
        for (uint32_t i = 0; i < LIVE; i++) {
            retain_release(cells[i]);
        }
    };
    uint64_t begin = bench_now_ns();
    pass();
    uint64_t first = bench_now_ns();
    for (int i = 0; i < PASSES; i++) {
        pass();
    }
    bench_report("retain_random", "ns", (double)(bench_now_ns() - first) / (PASSES * (double)LIVE));
    bench_report("retain_first", "ns", (double)(first - begin) / LIVE);
}

blob window_blob(uint64_t bits)
{
    blob object = std::make_shared_for_overwrite<char[]>(16 + bench_scale((uint32_t)bits, 241));
    char *pointer = object.get();
    memcpy(pointer, &bits, sizeof bits);
    BENCH_TOUCH(pointer);
    return object;
}

void window_batch(blob *live, uint32_t size, bench_random *random)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        uint64_t bits = bench_next(random);
        blob *slot = &live[bench_scale((uint32_t)(bits >> 32), size)];
        slot->reset();
        *slot = window_blob(bits);
    }
}

void window()
{
    auto live = array<blob>(WINDOW);
    bench_random random = {1};
    for (uint32_t i = 0; i < WINDOW; i++) {
        live[i] = window_blob(bench_next(&random));
    }
    bench_report("window", "ns", repeated([&] { window_batch(live, WINDOW, &random); }));
}

void window_bytes()
{
    auto live = array<blob>(LIVE);
    bench_random random = {1};
    double before = bench_rss_bytes();
    for (uint32_t i = 0; i < LIVE; i++) {
        live[i] = window_blob(bench_next(&random));
    }
    for (uint32_t i = 0; i < LIVE; i += BATCH) {
        window_batch(live, LIVE, &random);
    }
    bench_report("window", "bytes", (bench_rss_bytes() - before) / LIVE);
}

std::shared_ptr<node> tree_build(int depth)
{
    if (depth == 0) {
        return std::make_shared<node>();
    }
    auto left = tree_build(depth - 1);
    auto right = tree_build(depth - 1);
    auto object = std::make_shared<node>();
    object->a = std::move(left);
    object->b = std::move(right);
    return object;
}

void trees()
{
    uint64_t begin = bench_now_ns(), first, end;
    int count = 0;
    tree_build(TREE_DEPTH).reset();
    first = bench_now_ns();
    do {
        tree_build(TREE_DEPTH).reset();
        count++;
        end = bench_now_ns();
    } while (end - first < LEAST_NS);
    bench_report("trees", "ns", (double)(end - first) / (count * (double)TREE_NODES));
    bench_report("trees_cold", "ns", (double)(first - begin) / TREE_NODES);
}

void trees_bytes()
{
    double before = bench_rss_bytes();
    auto root = tree_build(TREE_DEPTH);
    bench_report("trees", "bytes", (bench_rss_bytes() - before) / TREE_NODES);
}

std::shared_ptr<node> list_head;

void list()
{
    for (uint32_t i = 0; i < LIST; i++) {
        auto object = std::make_shared<node>();
        object->a = std::move(list_head);
        list_head = std::move(object);
    }
    uint64_t begin = bench_now_ns();
    bench_on_small_stack([] { list_head.reset(); });
    bench_report("list", "ns", (double)(bench_now_ns() - begin) / LIST);
}

const struct {
    const char *name;
    void (*run)();
} workloads[] = {
    {"alloc_free", alloc_free},
    {"alloc_free_bytes", alloc_free_bytes},
    {"retain_hot", retain_hot},
    {"retain_random", retain_random},
    {"window", window},
    {"window_bytes", window_bytes},
    {"trees", trees},
    {"trees_bytes", trees_bytes},
    {"list", list},
};

} // namespace

int main(int argc, char **argv)
{
    for (const auto &workload : workloads) {
        if (argc == 2 && strcmp(argv[1], workload.name) == 0) {
            workload.run();
            return 0;
        }
    }
    fprintf(stderr, "usage: %s WORKLOAD\n", argv[0]);
    return 2;
}
