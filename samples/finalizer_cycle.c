/* finalizer_cycle.c - cycles whose members have finalizers: each runs once, and all of them
 * before anything is freed; a finalizer may bring its object back.
 *
 * In the first round both finalizers see each other whole, then both objects are freed. In the
 * second one of them stores itself in `saved`: it lives on, with what it holds, marked as
 * finalized. When `saved` lets go, the cycle is collected without running a finalizer again.
 *
 *     gdb: break checkpoint, run, continue until "resurrected", gcfind --finalized
 *
 * Invariant: finalizer_runs[n] <= 1 for every member. */
#include "checkpoint.h"

typedef struct member {
    rh_object base;
    struct member *other;
    int64_t number; /* 1 to 4, in the order of birth */
} member;

static rh_heap *heap;
static member *saved;
static bool is_rescue_wanted;
static int finalizer_runs[5];
static int disposed_count;

static void member_finalize(void *object)
{
    member *self = object;
    finalizer_runs[self->number]++;
    /* Nothing was freed yet, whichever member comes first: the other one is whole. */
    expect(self->other->other == self);
    expect(self->number + self->other->number == (self->number <= 2 ? 3 : 7));
    if (is_rescue_wanted && self->number == 3)
        rh_set(&saved, self);
}

static void member_dispose(void *object)
{
    const member *self = object;
    int first = self->number <= 2 ? 1 : 3;
    expect(finalizer_runs[first] == 1 && finalizer_runs[first + 1] == 1);
    disposed_count++;
}

static const rh_field member_fields[] = {RH_STRONG(member, other), RH_INT(member, number),
                                         RH_FIELDS_END};
static rh_type member_type = {.name = "member",
                              .size = sizeof(member),
                              .fields = member_fields,
                              .finalize = member_finalize,
                              .dispose = member_dispose};

/* A cycle of two, held by nothing but itself; the address of its first member. */
static __attribute__((noinline)) uintptr_t make_garbage(int64_t number, uintptr_t *other_id)
{
    member *one = rh_new(heap, &member_type);
    member *other = rh_new(heap, &member_type);
    one->number = number;
    other->number = number + 1;
    rh_set(&one->other, other);
    rh_set(&other->other, one);
    uintptr_t id = (uintptr_t)one;
    *other_id = (uintptr_t)other;
    rh_release(one);
    rh_release(other);
    return id;
}

static void first_round(void)
{
    uintptr_t other_id, one_id = make_garbage(1, &other_id);
    truth_object("one_id", one_id, .heap = heap, .status = "live", .id = "member#1", .refcount = 1,
                 .frame = "first_round", .referrers = {"member#2.other"},
                 .referents = {{"other", "member#2"}});
    truth_object("other_id", other_id, .heap = heap, .status = "live", .id = "member#2",
                 .refcount = 1, .frame = "first_round", .referrers = {"member#1.other"},
                 .referents = {{"other", "member#1"}});
    truth_cycle("member#1", "member#2", "garbage");
    truth_type("member", 2);
    checkpoint("garbage with finalizers");

    size_t reclaimed = rh_gc_collect(heap);
    expect(reclaimed == 2 && disposed_count == 2);
    truth_object("one_id", one_id, .heap = heap, .status = "freed", .id = "member#1",
                 .frame = "first_round", .previous = {"member#1"});
    truth_object("other_id", other_id, .heap = heap, .status = "freed", .id = "member#2",
                 .frame = "first_round", .previous = {"member#2"});
    truth_type("member", 0);
    checkpoint("finalized and freed");
}

static void second_round(void)
{
    uintptr_t other_id, one_id = make_garbage(3, &other_id);
    is_rescue_wanted = true;
    size_t reclaimed = rh_gc_collect(heap);
    expect(reclaimed == 0 && disposed_count == 2);
    expect(finalizer_runs[3] == 1 && finalizer_runs[4] == 1);
    truth_object("saved", saved, .heap = heap, .status = "live", .id = "member#3", .refcount = 2,
                 .frame = "second_round", .roots = {"saved"}, .referrers = {"member#4.other"},
                 .referents = {{"other", "member#4"}});
    truth_object("other_id", other_id, .heap = heap, .status = "live", .id = "member#4",
                 .refcount = 1, .frame = "second_round", .referrers = {"member#3.other"},
                 .referents = {{"other", "member#3"}});
    truth_cycle("member#3", "member#4", "held");
    truth_type("member", 2);
    checkpoint("resurrected");

    assign(&saved, NULL);
    reclaimed = rh_gc_collect(heap);
    expect(reclaimed == 2 && disposed_count == 4);
    expect(finalizer_runs[3] == 1 && finalizer_runs[4] == 1);
    truth_object("one_id", one_id, .heap = heap, .status = "freed", .id = "member#3",
                 .frame = "second_round", .previous = {"member#3"});
    truth_object("other_id", other_id, .heap = heap, .status = "freed", .id = "member#4",
                 .frame = "second_round", .previous = {"member#4"});
    truth_type("member", 0);
    checkpoint("gone without a second finalizer");
}

int main(void)
{
    rh_heap_options options = {.name = "finalizers", .gc_disabled = true, .history_events = 1024};
    heap = rh_heap_create(&options);
    rh_root_add(heap, &saved, "saved");
    first_round();
    second_round();
    rh_root_remove(heap, &saved);
    rh_heap_destroy(heap);
    return 0;
}
