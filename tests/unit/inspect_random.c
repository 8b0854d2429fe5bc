/* inspect_random.c - random heaps; every answer is computed again by the most naive code and
 * compared.
 *
 * The twin knows what it built (a list of slots with their values) and nothing of the engine:
 * closures are matrices filled by Floyd and Warshall's triple loop, paths are lengths by
 * relaxation. Invariant: `slots` lists each declared reference slot of each object that is live
 * or dying. */
#include "inspect_test.h"

enum {
    NODES_MAX = 150,
    SLOTS_MAX = 8192,
    SEEDS = 300,
    BAG_ITEMS = 16,
    BAG_COUNT = 24,
    BAG_BODY = 32,
    FAR = 1 << 20
};

typedef struct slot {
    int from, to; /* -1: nothing of this heap's live objects */
    uint64_t address;
    char name[32];
    bool weak; /* owns a count of what it holds, but is a weak field */
} slot;

typedef struct twin {
    world w;
    uint32_t bag;
    int count;
    uint64_t object[NODES_MAX];
    bool is_bag[NODES_MAX], immortal[NODES_MAX], dying[NODES_MAX];
    unsigned stored[NODES_MAX], found[NODES_MAX];
    slot slots[SLOTS_MAX];
    int slot_count;
    bool reach[NODES_MAX][NODES_MAX]; /* by one or more edges */
    bool held[NODES_MAX];
    int distance[NODES_MAX][NODES_MAX];
    uint64_t random;
} twin;

static const fake_field bag_fields[] = {FAKE_STRONG("one", 0), FAKE_STRONG("two", 8),
                                        FAKE_VECTOR("items", BAG_ITEMS, BAG_COUNT)};

static uint64_t roll(twin *t, uint64_t sides)
{
    t->random ^= t->random << 13; /* G. Marsaglia, "Xorshift RNGs" (2003) */
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random % sides;
}

static void add_slot(twin *t, int from, int to, uint64_t address, const char *name, bool weak)
{
    MUST(t->slot_count < SLOTS_MAX);
    slot *s = &t->slots[t->slot_count++];
    *s = (slot){.from = from, .to = to, .address = address, .weak = weak};
    snprintf(s->name, sizeof s->name, "%s", name);
    if (!t->dying[from])
        t->found[to]++;
}

/* Some slots stay empty, some hold what is no object's start. */
static void fill(twin *t, int from, uint64_t offset, const char *name, bool weak)
{
    if (roll(t, 100) < 45)
        return;
    int to = roll(t, 20) == 0 ? from : (int)roll(t, (uint64_t)t->count);
    if (roll(t, 30) == 0) {
        fake_link(t->w.heap, t->object[from], offset, t->object[to] + 8);
        return;
    }
    fake_link(t->w.heap, t->object[from], offset, t->object[to]);
    add_slot(t, from, to, fake_slot(t->w.space, t->object[from], offset), name, weak);
}

static void fill_vector(twin *t, int from)
{
    uint64_t items[12], count = roll(t, 12);
    int to[12];
    for (uint64_t i = 0; i < count; i++) {
        to[i] = roll(t, 4) == 0 ? -1 : (int)roll(t, (uint64_t)t->count);
        items[i] = to[i] < 0 ? 0 : t->object[to[i]];
    }
    if (count == 0)
        return;
    uint64_t at = fake_vector(t->w.heap, t->object[from], BAG_ITEMS, BAG_COUNT, items, count);
    for (uint64_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "items[%" PRIu64 "]", i);
        if (to[i] >= 0)
            add_slot(t, from, to[i], at + i * 8, name, false);
    }
}

static twin *build(unsigned seed)
{
    twin *t = calloc(1, sizeof *t);
    ck_assert_ptr_nonnull(t);
    t->w = world_new(seed % 2);
    t->random = 88172645463325252ull + seed * 2654435761ull;
    t->bag = fake_type(t->w.space, "bag", BAG_BODY, bag_fields, 3);
    t->count = 1 + (int)roll(t, seed % 10 == 0 ? NODES_MAX : 40);
    for (int i = 0; i < t->count; i++) {
        t->is_bag[i] = roll(t, 4) == 0;
        t->object[i] = fake_new(t->w.heap, t->is_bag[i] ? t->bag : t->w.node, 1, 0);
        t->immortal[i] = roll(t, 40) == 0;
        t->dying[i] = !t->immortal[i] && roll(t, 40) == 0;
        if (roll(t, 10) == 0) { /* the slots are not all in a row */
            uint64_t dead = new_node(&t->w, 1);
            fake_link(t->w.heap, dead, NEXT, t->object[i]); /* a dead object holds nothing */
            fake_free_object(t->w.heap, dead, RH_DEATH_RELEASE);
        }
    }
    unsigned density = (unsigned)roll(t, 3);
    for (int i = 0; i < t->count; i++) {
        if (roll(t, 3) < density)
            continue;
        fill(t, i, 0, t->is_bag[i] ? "one" : "next", false);
        fill(t, i, 8, t->is_bag[i] ? "two" : "other", false);
        if (t->is_bag[i])
            fill_vector(t, i);
        else
            fill(t, i, WEAK, "weak", true);
    }
    for (int i = 0; i < t->count; i++) {
        unsigned external = roll(t, 4) == 0 ? (unsigned)roll(t, 3) : 0;
        unsigned lost = t->found[i] && roll(t, 40) == 0; /* over-released by one */
        t->stored[i] = t->found[i] + external - lost;
        if (t->stored[i] == 0)
            t->stored[i] = 1;
        if (t->immortal[i])
            fake_immortal(t->w.heap, t->object[i]);
        else if (t->dying[i])
            fake_dying(t->w.heap, t->object[i], t->stored[i]);
        else
            fake_count(t->w.heap, t->object[i], t->stored[i]);
    }
    return t;
}

static bool is_root(const twin *t, int i)
{
    return t->immortal[i] || t->dying[i] || t->stored[i] > t->found[i];
}

static void close_over(twin *t)
{
    for (int i = 0; i < t->count; i++)
        for (int k = 0; k < t->count; k++)
            t->distance[i][k] = i == k ? 0 : FAR;
    for (int s = 0; s < t->slot_count; s++) {
        t->reach[t->slots[s].from][t->slots[s].to] = true;
        if (t->slots[s].from != t->slots[s].to)
            t->distance[t->slots[s].from][t->slots[s].to] = 1;
    }
    for (int k = 0; k < t->count; k++)
        for (int i = 0; i < t->count; i++)
            for (int j = 0; j < t->count; j++) {
                t->reach[i][j] |= t->reach[i][k] && t->reach[k][j];
                if (t->distance[i][k] + t->distance[k][j] < t->distance[i][j])
                    t->distance[i][j] = t->distance[i][k] + t->distance[k][j];
            }
    for (int i = 0; i < t->count; i++)
        for (int k = 0; k < t->count; k++)
            t->held[i] |= is_root(t, k) && (i == k || t->reach[k][i]);
}

static int index_of(const twin *t, const char *id)
{
    const char *hash = strchr(id, '#');
    MUST(hash);
    for (int i = 0; i < t->count; i++)
        if (fake_serial(t->w.heap, t->object[i]) == strtoull(hash + 1, NULL, 10)) {
            MUST(strncmp(id, t->is_bag[i] ? "bag#" : "node#", (size_t)(hash - id) + 1) == 0);
            return i;
        }
    ck_abort_msg("%s is no object of this heap", id);
}

/* Each cycle is one component: every member reaches every other and itself, and nobody else does
 * both. */
static void check_cycles(const twin *t)
{
    bool seen[NODES_MAX] = {0};
    size_t c, m;
    json_t *json = fake_json(t->w.t, "gcgraph", "--limit=0"), *cycle, *member;
    json_array_foreach(fake_at(json, "cycles"), c, cycle)
    {
        int first = index_of(t, fake_string(cycle, "objects.0"));
        size_t members = 0;
        for (int i = 0; i < t->count; i++)
            members += i == first ? t->reach[i][i] : t->reach[first][i] && t->reach[i][first];
        MUST(members == fake_size(cycle, "objects"));
        json_array_foreach(fake_at(cycle, "objects"), m, member)
        {
            int i = index_of(t, json_string_value(member));
            MUST(!seen[i]);
            seen[i] = true;
            MUST(t->reach[first][i] && t->reach[i][first]);
        }
        MUST(strcmp(fake_string(cycle, "verdict"), t->held[first] ? "held" : "garbage") == 0);
        /* Fields of outsiders, one row per slot. */
        size_t rows = 0, wanted = 0, special = 0;
        json_array_foreach(fake_at(cycle, "held_by"), m, member) rows +=
            strcmp(fake_string(member, "kind"), "field") == 0;
        for (int s = 0; s < t->slot_count; s++)
            wanted += seen[t->slots[s].to] && t->reach[first][t->slots[s].to] &&
                      t->reach[t->slots[s].to][first] &&
                      !(t->reach[first][t->slots[s].from] && t->reach[t->slots[s].from][first]);
        for (int i = 0; i < t->count; i++)
            special += (t->immortal[i] || t->dying[i]) && t->reach[first][i] && t->reach[i][first];
        MUST(t->held[first] ? rows == wanted : rows == 0);
        /* else one "lost" */
        MUST(!t->held[first] ||
             fake_size(cycle, "held_by") == rows + special + (rows + special == 0));
    }
    for (int i = 0; i < t->count; i++)
        MUST(seen[i] == t->reach[i][i]);
    json_decref(json);
}

/* The rows of refs, both ways, are the twin's slots. */
static void check_refs(const twin *t, int i)
{
    json_t *json = ask(&t->w, "refs", "--limit=0 --weak --path", t->object[i]), *row;
    size_t rows, fields = 0, wanted = 0;
    json_array_foreach(fake_at(json, "referrers"), rows, row)
    {
        if (strcmp(fake_string(row, "kind"), "field") != 0)
            continue;
        bool found = false;
        for (int s = 0; s < t->slot_count && !found; s++)
            found = t->slots[s].to == i &&
                    strcmp(fake_string(row, "address"), text_of(t->slots[s].address)) == 0 &&
                    index_of(t, fake_string(row, "from")) == t->slots[s].from &&
                    strcmp(fake_string(row, "name"), t->slots[s].name) == 0;
        MUST(found);
        fields++;
    }
    for (int s = 0; s < t->slot_count; s++)
        wanted += t->slots[s].to == i;
    MUST(fields == wanted);
    MUST(fake_integer(json, "ledger.fields") == (long long)t->found[i]);
    if (t->immortal[i]) {
        MUST(json_is_null(fake_at(json, "ledger.stored")));
    } else {
        MUST(fake_integer(json, "ledger.stored") == (long long)t->stored[i]);
        MUST(fake_integer(json, "ledger.unexplained") ==
             (long long)t->stored[i] - (long long)t->found[i]);
    }
    size_t targets = 0;
    wanted = 0;
    json_array_foreach(fake_at(json, "referents"), rows,
                       row) if (strcmp(fake_string(row, "target_status"), "live") == 0) targets++;
    for (int s = 0; s < t->slot_count; s++)
        wanted += t->slots[s].from == i;
    MUST(targets == wanted);
    json_decref(json);
}

/* The path ends here, each step is a slot, it begins with a root, and none is shorter. */
static void check_path(const twin *t, int i)
{
    json_t *json = ask(&t->w, "refs", "--out --path", t->object[i]), *path = fake_at(json, "path");
    int shortest = FAR, count = (int)json_array_size(path), last = -1;
    for (int k = 0; k < t->count; k++)
        if (is_root(t, k) && t->distance[k][i] < shortest)
            shortest = t->distance[k][i];
    MUST(shortest == FAR ? count == 0 : count == shortest + 1);
    for (int k = 0; k < count; k++) {
        const json_t *step = json_array_get(path, (size_t)k);
        int at = index_of(t, fake_string(step, "object"));
        bool linked = k == 0 ? is_root(t, at) : false;
        for (int s = 0; s < t->slot_count && k; s++)
            linked |= t->slots[s].from == last && t->slots[s].to == at &&
                      strcmp(t->slots[s].name,
                             fake_string(json_array_get(path, (size_t)k - 1), "name")) == 0;
        MUST(linked);
        last = at;
    }
    MUST(count == 0 || last == i);
    json_decref(json);
}

/* Everything up to `depth` strong references away, both ways. */
static void check_neighbourhood(twin *t, int i)
{
    char line[64];
    int depth = (int)roll(t, 5), size = 0;
    bool near[NODES_MAX] = {0};
    near[i] = true;
    for (int d = 0; d < depth; d++) {
        bool next[NODES_MAX];
        memcpy(next, near, sizeof next);
        for (int s = 0; s < t->slot_count; s++) {
            next[t->slots[s].to] |= near[t->slots[s].from];
            next[t->slots[s].from] |= near[t->slots[s].to];
        }
        memcpy(near, next, sizeof next);
    }
    snprintf(line, sizeof line, "--limit=0 --depth=%d 0x%" PRIx64, depth, t->object[i]);
    json_t *json = fake_json(t->w.t, "gcgraph", line), *node;
    size_t k;
    json_array_foreach(fake_at(json, "nodes"), k, node)
    {
        int at = index_of(t, fake_string(node, "id"));
        MUST(near[at]);
        MUST(t->immortal[at] ? json_is_null(fake_at(node, "refcount"))
                             : fake_integer(node, "refcount") == (long long)t->stored[at]);
        size++;
    }
    size_t edges = 0;
    for (int n = 0; n < t->count; n++)
        size -= near[n];
    for (int s = 0; s < t->slot_count; s++)
        edges += near[t->slots[s].from] && near[t->slots[s].to];
    MUST(size == 0);
    MUST(fake_size(json, "edges") == edges);
    json_decref(json);
}

/* What is reached from the tops without passing `without` (-1: without leaving anything out). */
static void mark_from_tops(const twin *t, const bool *is_top, int without, bool *marked)
{
    memset(marked, 0, NODES_MAX * sizeof *marked);
    for (int i = 0; i < t->count; i++)
        marked[i] = is_top[i] && i != without;
    for (bool changed = true; changed;) {
        changed = false;
        for (int s = 0; s < t->slot_count; s++)
            if (marked[t->slots[s].from] && !marked[t->slots[s].to] && t->slots[s].to != without)
                changed = marked[t->slots[s].to] = true;
    }
}

/* Retained bytes by their definition: what is no longer reached from the roots, or from the first
 * object of each topmost component of the garbage, when an object is taken away. */
static void check_statistics(const twin *t)
{
    static bool lost[NODES_MAX][NODES_MAX]; /* [o]: what goes with o */
    bool is_top[NODES_MAX] = {0}, without[NODES_MAX], all[NODES_MAX];
    for (int i = 0; i < t->count; i++) {
        is_top[i] = is_root(t, i);
        bool topmost = !t->held[i];
        for (int k = 0; k < t->count; k++)
            /* only its component's later objects reach it */
            topmost &= !t->reach[k][i] || (t->reach[i][k] && t->object[k] >= t->object[i]);
        is_top[i] |= topmost;
    }
    mark_from_tops(t, is_top, -1, all);
    uint64_t size[2] = {t->w.space->type_bytes[t->w.node], t->w.space->type_bytes[t->bag]};
    uint64_t retained[2] = {0}, count[2] = {0};
    for (int i = 0; i < t->count; i++) {
        mark_from_tops(t, is_top, i, without);
        MUST(all[i]);
        for (int k = 0; k < t->count; k++)
            lost[i][k] = !without[k];
    }
    for (int i = 0; i < t->count; i++) {
        bool inside = false;
        for (int k = 0; k < t->count; k++)
            inside |= k != i && t->is_bag[k] == t->is_bag[i] && lost[k][i];
        count[t->is_bag[i]]++;
        for (int k = 0; k < t->count && !inside; k++)
            retained[t->is_bag[i]] += lost[i][k] ? size[t->is_bag[k]] : 0;
    }
    json_t *json = fake_json(t->w.t, "gcstat", "--limit=0"), *row;
    size_t rows;
    MUST(fake_integer(json, "heaps.0.objects") == t->count);
    MUST(fake_size(json, "heaps.0.types") == (size_t)((count[0] > 0) + (count[1] > 0)));
    json_array_foreach(fake_at(json, "heaps.0.types"), rows, row)
    {
        bool is_bag = strcmp(fake_string(row, "type"), "bag") == 0;
        MUST(fake_integer(row, "count") == (long long)count[is_bag]);
        MUST(fake_integer(row, "bytes") == (long long)(count[is_bag] * size[is_bag]));
        MUST(fake_integer(row, "retained") == (long long)retained[is_bag]);
        MUST(t->is_bag[index_of(t, fake_string(row, "sample"))] == is_bag);
    }
    json_decref(json);
}

START_TEST(random_heaps_and_their_naive_twin_agree)
{
    for (unsigned seed = (unsigned)_i; seed < SEEDS; seed += 2) {
        twin *t = build(seed);
        close_over(t);
        check_cycles(t);
        check_statistics(t);
        for (int k = 0; k < 8; k++) {
            int i = (int)roll(t, (uint64_t)t->count);
            check_refs(t, i);
            check_path(t, i);
            check_neighbourhood(t, i);
        }
        world_free(&t->w);
        free(t);
    }
}
END_TEST

RUN_TESTS("inspect_random", random_heaps_and_their_naive_twin_agree)
