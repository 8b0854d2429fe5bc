/* runtime_random.c - random programs against the twin of runtime_twin.h.
 *
 * After each step everything that can be asked is compared: who is alive, counts, fields,
 * candidate roots, what is finalized and listed, weak references. Finalizers check the promises
 * that are made to them, and act: they store, drop, resurrect, take weak references, make
 * objects. A failure names its seed; a single seed is run with RH_SEED=n. Operations, checks and
 * programs know each other's variables: one piece. */
#include "runtime_twin.h"

#if defined(REFHEAP_GC_STRESS)
enum { SEEDS = 200, STEPS = 250 };
#elif defined(TEST_ASAN)
enum { SEEDS = 150, STEPS = 400 };
#else
enum { SEEDS = 500, STEPS = 500 };
#endif
enum { GLOBALS = 3 };

/* All kinds begin alike. */
typedef struct item {
    rh_object base;
    int id;
    uint32_t length;
    rh_weak *weak;
    struct item **vector;
    struct item *fixed[SLOTS];
    struct item *tail[]; /* of TAIL instead of fixed */
} item;

enum { LARGE_BYTES = sizeof(item) + 9000 };

static void close_item(void *object);
static void dispose_item(void *object);

static const rh_field fixed_fields[] = {RH_STRONG_ARRAY(item, fixed), RH_WEAK(item, weak),
                                        RH_FIELDS_END};
static const rh_field tail_fields[] = {RH_STRONG_TAIL(item, tail, length), RH_WEAK(item, weak),
                                       RH_FIELDS_END};
static const rh_field vector_fields[] = {RH_WEAK(item, weak),
                                         RH_STRONG_VECTOR(item, vector, length), RH_FIELDS_END};
static const rh_field leaf_fields[] = {RH_WEAK(item, weak), RH_FIELDS_END};

static rh_type types[KINDS] = {
    [PLAIN] = {.name = "plain", .size = sizeof(item), .fields = fixed_fields},
    [TAIL] = {.name = "tail",
              .size = sizeof(item),
              .fields = tail_fields,
              .element_size = sizeof(item *)},
    [VECTOR] = {.name = "vector",
                .size = sizeof(item),
                .fields = vector_fields,
                .dispose = dispose_item},
    [LARGE] = {.name = "large", .size = LARGE_BYTES, .fields = fixed_fields},
    [CLOSER] = {.name = "closer",
                .size = sizeof(item),
                .fields = fixed_fields,
                .finalize = close_item},
    [CLOSER_VECTOR] = {.name = "closer_vector",
                       .size = sizeof(item),
                       .fields = vector_fields,
                       .finalize = close_item,
                       .dispose = dispose_item},
    [LEAF] = {.name = "leaf", .size = sizeof(item), .fields = leaf_fields},
    [CLOSER_LEAF] = {.name = "closer_leaf",
                     .size = sizeof(item),
                     .fields = leaf_fields,
                     .finalize = close_item},
    [HOLDER] = {.name = "holder",
                .size = sizeof(item),
                .fields = fixed_fields,
                .flags = RH_TYPE_ACYCLIC},
};

static rh_heap *heap;
static item *globals[GLOBALS];
static int global_ids[GLOBALS]; /* id + 1 */
static rh_weak *weaks[THINGS];
static unsigned weak_type_index;
static int finalizer_depth, births, finalizers_run;
static struct { /* what the programs came across: a test that meets none of it tests nothing */
    int resurrected, resurrected_from_cycles, died_for_good, found_uncollectable, young_freed;
} met;
static bool is_destroying;
static uint64_t random_state;

static int pick(int n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int)((random_state >> 33) % (unsigned)n);
}

static item *item_of(int id)
{
    return things[id].object;
}

static item **slot_of(int id, int n)
{
    item *self = item_of(id);
    if (things[id].kind == TAIL)
        return &self->tail[n];
    return traits[things[id].kind].has_vector ? &self->vector[n] : &self->fixed[n];
}

/* Is the object of the thing alive, and not dying? */
static bool lives(int id)
{
    return things[id].serial && rh_is_object(heap, things[id].object) &&
           rh_serial(things[id].object) == things[id].serial;
}

/* ---- operations on heap and twin ------------------------------------------------------------ */

/* Returns the id of a new thing that the program holds, or -1. */
static int create(void)
{
    int id = pick(THINGS);
    if (things[id].exists || weaks[id])
        return -1;
    enum kind kind = (enum kind)pick(KINDS);
    item *made =
        kind == TAIL ? rh_new_array(heap, &types[kind], SLOTS) : rh_new(heap, &types[kind]);
    HOLDS(made);
    births++;
    things[id] = (thing){.exists = true,
                         .kind = kind,
                         .epoch = epoch,
                         .object = made,
                         .held = 1,
                         .serial = rh_serial(made)};
    made->id = id;
    if (traits[kind].has_vector)
        made->vector = calloc(SLOTS, sizeof *made->vector);
    made->length = SLOTS;
    return id;
}

static void hold(int id)
{
    rh_retain(things[id].object);
    things[id].held++;
}

static void let_go(int id)
{
    things[id].held--;
    lost(id);
    rh_release(things[id].object);
}

/* Counts of the program that are not those of globals. */
static int held_beside_globals(int id)
{
    int held = things[id].held;
    for (int n = 0; n < GLOBALS; n++)
        held -= global_ids[n] == id + 1;
    return held;
}

/* id -1: NULL */
static void store(int owner, int n, int id)
{
    if (traits[things[owner].kind].slots == 0 || (id >= 0 && is_forbidden(owner, id)))
        return;
    int old = things[owner].slots[n];
    things[owner].slots[n] = id + 1;
    if (old)
        lost(old - 1);
    rh_set(slot_of(owner, n), id < 0 ? NULL : things[id].object);
}

static void store_global(int n, int id)
{
    int old = global_ids[n];
    global_ids[n] = id + 1;
    if (id >= 0)
        things[id].held++;
    if (old) {
        things[old - 1].held--;
        lost(old - 1);
    }
    rh_set(&globals[n], id < 0 ? NULL : things[id].object);
}

static void make_immortal(int id)
{
    rh_make_immortal(things[id].object);
    things[id].is_immortal = true;
    things[id].is_listed = false;
    forget_candidate(id);
}

static void take_weak(int id)
{
    if (weaks[id] && things[id].has_weak)
        return;
    rh_release(weaks[id]); /* one that reads NULL, because the thing was dying once */
    weaks[id] = rh_weak_new(things[id].object);
    HOLDS(weaks[id]);
    things[id].has_weak = true;
    weak_type_index = ((rh_object *)(void *)weaks[id])->rh_type_index;
}

/* ---- finalizers ----------------------------------------------------------------------------- */

static void act_in_finalizer(int id)
{
    int n = pick(SLOTS), child = things[id].slots[n] - 1, global = pick(GLOBALS);
    switch (pick(20)) {
    case 0:
        store_global(global, id);
        break;
    case 1:
        store_global(global, child);
        break;
    case 2:
        store_global(global, -1);
        break;
    case 3:
        store(id, n, -1);
        break;
    case 4:
        take_weak(id);
        break;
    case 5:
        if (child >= 0) /* resurrects, perhaps as a new cycle that nobody else holds */
            store(child, pick(SLOTS), id);
        break;
    case 6:
        if (global_ids[global])
            store(global_ids[global] - 1, pick(SLOTS), id);
        break;
    case 7: {
        int made = create();
        if (made >= 0) {
            store(made, n, id);
            if (pick(2))
                store(made, (n + 1) % SLOTS, made);
            let_go(made);
        }
        break;
    }
    case 8:
        if (pick(8) == 0)
            make_immortal(id);
        break;
    case 9:
        HOLDS(rh_gc_collect(heap) == 0 && rh_gc_collect_young(heap) == 0);
        break;
    case 10:
        rh_heap_trim(heap);
        break;
    default:
        break;
    }
}

/* In a cascade parents come first: whoever held it is dead or dying, and finalized. */
static void check_parents(int id)
{
    HOLDS(things[id].held == 0 && rh_refcount(things[id].object) == 1);
    for (int i = 0; i < THINGS; i++)
        for (int n = 0; things[i].exists && i != id && n < SLOTS; n++)
            if (things[i].slots[n] == id + 1)
                HOLDS(!lives(i) &&
                      (!traits[things[i].kind].has_finalizer || things[i].is_finalized));
}

static void check_condemned(int id)
{
    HOLDS(collection.is_running && !collection.is_decided && collection.condemned[id]);
    HOLDS(rh_refcount(things[id].object) == (size_t)twin_count(id) + 1);
    for (int i = 0; i < THINGS; i++)
        HOLDS(!collection.condemned[i] || things[i].is_immortal || lives(i));
}

static void close_item(void *object)
{
    item *self = object;
    int id = self->id;
    HOLDS(things[id].exists && things[id].object == object &&
          things[id].serial == rh_serial(object));
    HOLDS(!things[id].is_finalized && rh_gc_is_finalized(object));
    things[id].is_finalized = true;
    finalizers_run++;
    collection.finalized++;
    HOLDS(!weaks[id] || !rh_weak_get(weaks[id]));
    for (int n = 0; n < SLOTS && traits[things[id].kind].slots; n++) {
        int child = things[id].slots[n];
        HOLDS(*slot_of(id, n) == (child ? things[child - 1].object : NULL));
        HOLDS(!child || rh_serial(*slot_of(id, n)) == things[child - 1].serial);
        HOLDS(!child || is_destroying || lives(child - 1) || child == id + 1);
    }
    if (is_destroying)
        return;
    if (rh_is_object(heap, object)) {
        check_condemned(id);
    } else {
        if (collection.is_running && !collection.is_decided && finalizer_depth == 0)
            twin_decide(); /* the condemned are buried, this is what they held */
        check_parents(id);
    }
    finalizer_depth++;
    if (!rh_is_object(heap, object))
        things[id].has_weak = false;
    act_in_finalizer(id);
    finalizer_depth--;
}

static void dispose_item(void *object)
{
    item *self = object;
    HOLDS(!things[self->id].is_disposed);
    things[self->id].is_disposed = true;
    free(self->vector);
}

/* ---- collections ---------------------------------------------------------------------------- */

static uint64_t visited_before;
static size_t objects_before;
static int births_before;

static void watch(rh_heap *which, const rh_gc_event *event, void *context)
{
    (void)which, (void)context;
    if (!event->is_stop) {
        visited_before = rh_gc_get_stats(heap, event->generation).visited;
        objects_before = rh_gc_get_counts(heap).objects;
        births_before = births;
        twin_collection_starts(event->generation == RH_GC_FULL);
        return;
    }
    twin_collection_stops();
    for (int i = 0; i < THINGS; i++)
        met.resurrected_from_cycles += collection.condemned[i] && things[i].exists;
    met.found_uncollectable += collection.found;
    met.young_freed += event->generation == RH_GC_YOUNG && event->reclaimed > 0;
    HOLDS(rh_gc_get_stats(heap, event->generation).visited ==
          visited_before + (uint64_t)collection.visits);
    HOLDS(event->uncollectable == (size_t)collection.found);
    if (collection.finalized == 0)
        HOLDS(event->reclaimed == objects_before - rh_gc_get_counts(heap).objects &&
              births == births_before);
}

/* What is left behind a full collection in which no finalizer made a mess: nothing, or by the old
 * rule what things with finalizers to run hold. */
static void collect_all(void)
{
    bool marks[THINGS];
    int before = finalizers_run;
    rh_gc_collect(heap);
    if (finalizers_run != before)
        return;
    mark_reachable(marks);
    for (int i = 0; has_old_rule && i < THINGS; i++)
        marks[i] |= things[i].exists && has_finalizer_to_run(i);
    mark_from(marks, NULL);
    for (int i = 0; i < THINGS; i++)
        HOLDS(things[i].exists == marks[i]);
}

/* ---- comparing ------------------------------------------------------------------------------ */

static void compare_thing(int id)
{
    const thing *self = &things[id];
    HOLDS(self->exists == lives(id));
    HOLDS(!traits[self->kind].has_vector || self->exists == !self->is_disposed || !self->serial);
    met.resurrected += self->exists && self->is_finalized;
    met.died_for_good += !self->exists && self->is_finalized;
    if (!self->exists) {
        HOLDS(!weaks[id] || !rh_weak_get(weaks[id]));
        return;
    }
    HOLDS(rh_refcount(self->object) == (self->is_immortal ? RH_IMMORTAL : (size_t)twin_count(id)));
    HOLDS(rh_gc_is_finalized(self->object) == self->is_finalized);
    HOLDS(rh_gc_is_tracked(self->object) == is_tracked(id));
    for (int n = 0; n < traits[self->kind].slots; n++)
        HOLDS(*slot_of(id, n) == (self->slots[n] ? things[self->slots[n] - 1].object : NULL));
}

static bool look_up(void *object, void *context)
{
    int *found = context;
    if (((rh_object *)object)->rh_type_index == weak_type_index)
        return true;
    int id = ((item *)object)->id;
    HOLDS(things[id].exists && things[id].object == object);
    ++*found;
    return true;
}

static bool count_listed(void *object, void *context)
{
    HOLDS(things[((item *)object)->id].is_listed);
    ++*(size_t *)context;
    return true;
}

static void compare(void)
{
    size_t fresh = 0, spared = 0, perhaps = 0, listed = 0, listed_there = 0, frozen = 0;
    int existing = 0, found = 0;
    for (int i = 0; i < THINGS; i++) {
        compare_thing(i);
        existing += things[i].exists;
        fresh += things[i].is_fresh;
        spared += things[i].is_candidate && !things[i].is_fresh;
        perhaps += things[i].exists && !things[i].is_candidate && things[i].may_be_candidate;
        listed += things[i].exists && things[i].is_listed;
        frozen += things[i].exists && things[i].is_frozen;
    }
    rh_gc_counts counts = rh_gc_get_counts(heap);
    HOLDS(counts.young_candidates == fresh);
    HOLDS(counts.spared_candidates >= spared && counts.spared_candidates <= spared + perhaps);
    HOLDS(counts.uncollectable == listed);
    HOLDS(rh_gc_each_uncollectable(heap, count_listed, &listed_there) == listed &&
          listed_there == listed);
    HOLDS(rh_gc_freeze_count(heap) >= frozen);
    HOLDS(rh_gc_each_object(heap, look_up, &found) == counts.objects && found == existing);
}

/* ---- programs ------------------------------------------------------------------------------- */

/* A thing that the program can get at, or -1. */
static int pick_reachable(void)
{
    bool marks[THINGS];
    for (int i = 0; i < THINGS; i++)
        marks[i] = things[i].exists && (things[i].held > 0 || things[i].is_immortal);
    mark_from(marks, NULL);
    int id = pick(THINGS);
    for (int i = 0; i < THINGS; i++, id = (id + 1) % THINGS)
        if (marks[id])
            return id;
    return -1;
}

static void look_at(int id)
{
    bool is_holder[THINGS] = {false};
    size_t holders = 0, children = 0;
    for (int i = 0; i < THINGS; i++)
        for (int n = 0; n < SLOTS; n++)
            is_holder[i] |= things[i].slots[n] == id + 1;
    for (int i = 0; i < THINGS; i++)
        holders += is_holder[i];
    for (int n = 0; n < SLOTS; n++)
        children += things[id].slots[n] != 0;
    HOLDS(rh_gc_referrers(heap, things[id].object, NULL, NULL) == holders);
    HOLDS(rh_gc_referents(things[id].object, NULL, NULL) == children + (item_of(id)->weak != NULL));
}

static void step_on_weak(int id)
{
    if (!weaks[id])
        return;
    item *target = rh_weak_get(weaks[id]); /* of garbage, too, as long as it is there */
    HOLDS(target == (things[id].exists && things[id].has_weak ? things[id].object : NULL));
    if (target) {
        things[id].held++;
        if (pick(2))
            let_go(id);
    }
    if (pick(2)) {
        rh_release(weaks[id]);
        weaks[id] = NULL;
    }
}

static void step_on_collector(void)
{
    switch (pick(12)) {
    case 0:
    case 1:
    case 2:
        collect_all();
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        rh_gc_collect_young(heap);
        break;
    case 7:
        rh_gc_set_thresholds(heap, (rh_gc_thresholds){(size_t)pick(12), (size_t)pick(60)});
        break;
    case 8:
        pick(2) ? rh_gc_enable(heap) : rh_gc_disable(heap);
        break;
    case 9:
        if (pick(3))
            break;
        rh_gc_freeze(heap);
        for (int i = 0; i < THINGS; i++) {
            things[i].is_frozen = things[i].exists;
            forget_candidate(i);
        }
        break;
    case 10:
        rh_gc_unfreeze(heap);
        for (int i = 0; i < THINGS; i++)
            things[i].is_frozen = false;
        break;
    default:
        rh_heap_trim(heap);
    }
}

static uint64_t collections(void)
{
    return rh_gc_get_stats(heap, RH_GC_YOUNG).collections +
           rh_gc_get_stats(heap, RH_GC_FULL).collections;
}

static void step_create(void)
{
    rh_gc_thresholds thresholds = rh_gc_get_thresholds(heap);
    size_t fresh = rh_gc_get_counts(heap).young_candidates;
    uint64_t before = collections();
    bool is_due = rh_gc_is_enabled(heap) && thresholds.young && fresh >= thresholds.young;
    bool is_born = create() >= 0;
    uint64_t ran = collections() - before;
#ifdef REFHEAP_GC_STRESS
    is_due = true;
#endif
    HOLDS((ran > 0) == (is_born && is_due));
}

static void step(void)
{
    int a = pick_reachable(), b = pick_reachable(), n = pick(SLOTS), any = pick(THINGS),
        what = pick(100);
    if (what < 25) {
        step_create();
    } else if (what >= 94) {
        step_on_collector();
    } else if (what >= 89) {
        step_on_weak(any);
    } else if (a < 0) {
        return;
    } else if (what < 45) {
        store(a, n, pick(5) ? b : -1);
    } else if (what < 53) { /* the program's count moves into a slot: no release */
        if (held_beside_globals(b) > 0 && !things[b].is_immortal && traits[things[a].kind].slots &&
            !things[a].slots[n] && !is_forbidden(a, b)) {
            *slot_of(a, n) = item_of(b);
            things[a].slots[n] = b + 1;
            things[b].held--;
        }
    } else if (what < 58) {
        if (things[a].held < 5)
            hold(a);
    } else if (what < 78) {
        if (held_beside_globals(a) > 0)
            let_go(a);
    } else if (what < 82) {
        store_global(pick(GLOBALS), pick(3) ? a : -1);
    } else if (what < 86) {
        take_weak(a);
    } else if (what < 88) {
        rh_set(&item_of(a)->weak, weaks[any]);
    } else if (pick(8) == 0) {
        make_immortal(a);
    } else {
        look_at(a);
    }
}

static void begin_program(unsigned long long seed)
{
    twin_seed = seed;
    twin_step = 0;
    random_state = seed * 0x9e3779b97f4a7c15u;
    has_old_rule = seed % 3 == 0;
    heap = rh_heap_create(&(rh_heap_options){.finalizer_cycles_stay = has_old_rule,
                                             .history_events = seed % 5 == 0 ? 64 : 0});
    memset(things, 0, sizeof things);
    memset(global_ids, 0, sizeof global_ids);
    memset(globals, 0, sizeof globals);
    memset(weaks, 0, sizeof weaks);
    epoch = 0;
    weak_type_index = 0;
    is_destroying = false;
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){(size_t)pick(12), (size_t)pick(60)});
    HOLDS(rh_gc_add_callback(heap, watch, NULL));
}

/* Lets everything go, until no finalizer brings anything back. */
static void let_all_go(void)
{
    int before;
    rh_gc_unfreeze(heap);
    for (int i = 0; i < THINGS; i++)
        things[i].is_frozen = false;
    do {
        before = finalizers_run;
        for (int n = 0; n < GLOBALS; n++) {
            store_global(n, -1);
            settle(NULL);
        }
        for (int i = 0; i < THINGS; i++) {
            rh_release(weaks[i]);
            weaks[i] = NULL;
            for (; things[i].exists && held_beside_globals(i) > 0; settle(NULL))
                let_go(i);
        }
        collect_all();
        compare();
    } while (finalizers_run != before);
}

static void end_program(void)
{
    bool must_close[THINGS];
    if (pick(2))
        let_all_go();
    for (int i = 0; i < THINGS; i++)
        must_close[i] = things[i].exists && has_finalizer_to_run(i);
    is_destroying = true;
    rh_heap_destroy(heap);
    for (int i = 0; i < THINGS; i++) {
        HOLDS(!must_close[i] || things[i].is_finalized);
        HOLDS(!traits[things[i].kind].has_vector || !things[i].serial || things[i].is_disposed);
    }
}

static void run_program(unsigned long long seed)
{
    char report[1000];
    begin_program(seed);
    for (twin_step = 1; twin_step <= STEPS; twin_step++) {
        step();
        settle(NULL);
        compare();
        if (twin_step % 8 == 0 && rh_heap_check(heap, report, sizeof report) != 0)
            ck_abort_msg("seed %llu, step %d: %s", twin_seed, twin_step, report);
    }
    end_program();
}

START_TEST(random_programs_behave_like_their_twin)
{
    const char *single = getenv("RH_SEED");
    if (single)
        run_program(strtoull(single, NULL, 10));
    for (unsigned long long seed = 1; !single && seed <= SEEDS; seed++)
        run_program(seed);
    if (single)
        return;
    ck_assert_int_gt(finalizers_run, SEEDS);
    ck_assert_int_gt(met.resurrected, SEEDS);
    ck_assert_int_gt(met.died_for_good, SEEDS);
    ck_assert_int_gt(met.resurrected_from_cycles, SEEDS / 30);
    ck_assert_int_gt(met.found_uncollectable, SEEDS / 20);
#ifndef REFHEAP_GC_STRESS /* where nothing stays young */
    ck_assert_int_gt(met.young_freed, SEEDS / 4);
#endif
}
END_TEST

RUN_TESTS("runtime_random", random_programs_behave_like_their_twin)
