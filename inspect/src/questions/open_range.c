/* open_range.c - what may be open of each stack (see open_range.h). */
#include "questions/open_range.h"

#include <stddef.h>

enum { LEVELS_MAX = 16 }; /* of fits, of which each is looked at; then all stacks may be meant */

void rhi__range_take(rhi_open_range *stacks, uint32_t stack)
{
    stacks[stack].least++;
    stacks[stack].most++;
    if (stacks[stack].set != RHI_NO_SET)
        stacks[stacks[stack].set].total++;
}

/* Is surely some stack open that may be meant? */
static bool is_sure(rhi_open_range *stacks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        stacks[i].room = stacks[i].total;
        if (stacks[i].may_be && stacks[i].least)
            return true;
    }
    for (uint32_t i = 0; i < count; i++)
        if (stacks[i].set != RHI_NO_SET && !stacks[i].may_be)
            stacks[stacks[i].set].room -= stacks[i].most;
    for (uint32_t i = 0; i < count; i++)
        if (stacks[i].set != RHI_NO_SET && stacks[stacks[i].set].room > 0)
            return true;
    return false;
}

/* Adds the stacks that fit best of those that were not added yet. Their number; 0: there are no
 * more. */
static uint32_t add_level(rhi_open_range *stacks, uint32_t count, bool all)
{
    uint32_t best = 0, added = 0;
    bool any = false;
    for (uint32_t i = 0; i < count; i++)
        if (stacks[i].most && !stacks[i].may_be && (!any || stacks[i].fit > best)) {
            any = true;
            best = stacks[i].fit;
        }
    for (uint32_t i = 0; any && i < count; i++)
        if (stacks[i].most && (all || stacks[i].fit == best) && !stacks[i].may_be) {
            stacks[i].may_be = true;
            added++;
        }
    return added;
}

/* Makes one set of all stacks that may be meant, and of the sets that they are in. Returns its
 * number. */
static uint32_t unite(rhi_open_range *stacks, uint32_t count)
{
    uint32_t total = 0, set = RHI_NO_SET;
    for (uint32_t i = 0; i < count; i++)
        stacks[i].room = 0;
    for (uint32_t i = 0; i < count; i++)
        if (stacks[i].may_be && stacks[i].set != RHI_NO_SET)
            stacks[stacks[i].set].room = 1;
        else if (stacks[i].may_be)
            total += stacks[i].most;
    for (uint32_t i = 0; i < count; i++) {
        bool joins = stacks[i].set == RHI_NO_SET ? stacks[i].may_be : stacks[stacks[i].set].room;
        if (stacks[i].room)
            total += stacks[i].total;
        if (joins && set == RHI_NO_SET)
            set = i;
    }
    for (uint32_t i = 0; i < count; i++)
        if (stacks[i].set == RHI_NO_SET ? stacks[i].may_be : stacks[stacks[i].set].room != 0)
            stacks[i].set = set;
    stacks[set].total = total;
    return set;
}

typedef struct sums {
    uint64_t least, most;
} sums;

static sums sums_of(const rhi_open_range *stacks, uint32_t count, uint32_t set)
{
    sums ret = {0};
    for (uint32_t i = 0; i < count; i++)
        if (stacks[i].set == set) {
            ret.least += stacks[i].least;
            ret.most += stacks[i].most;
        }
    return ret;
}

/* What the total leaves room for; whose range is one number leaves the set. */
static void narrow(rhi_open_range *stacks, uint32_t count, uint32_t set)
{
    uint32_t total = stacks[set].total, first = RHI_NO_SET;
    uint64_t least = sums_of(stacks, count, set).least;
    for (uint32_t i = 0; i < count; i++)
        if (stacks[i].set == set && stacks[i].most > total - (least - stacks[i].least))
            stacks[i].most = (uint32_t)(total - (least - stacks[i].least));
    uint64_t most = sums_of(stacks, count, set).most;
    for (uint32_t i = 0; i < count; i++)
        if (stacks[i].set == set && stacks[i].least + (most - stacks[i].most) < total)
            stacks[i].least = (uint32_t)(total - (most - stacks[i].most));
    for (uint32_t i = 0; i < count; i++) {
        if (stacks[i].set != set)
            continue;
        if (stacks[i].least == stacks[i].most) {
            stacks[i].set = RHI_NO_SET;
            total -= stacks[i].most;
        } else if (first == RHI_NO_SET) {
            first = i;
        }
    }
    for (uint32_t i = 0; i < count; i++)
        if (stacks[i].set == set)
            stacks[i].set = first;
    stacks[set].total = 0;
    if (first != RHI_NO_SET)
        stacks[first].total = total;
}

/* The first stack that may be meant. */
static uint32_t first_of(const rhi_open_range *stacks, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && !stacks[i].may_be)
        i++;
    return i;
}

void rhi__range_give_back(rhi_open_range *stacks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        stacks[i].may_be = false;
    uint32_t added = add_level(stacks, count, false), best = first_of(stacks, count);
    if (!added)
        return; /* nothing is open */
    bool is_best_alone = added == 1;
    if (is_best_alone && stacks[best].set == RHI_NO_SET) { /* most often */
        stacks[best].least--;
        stacks[best].most--;
        return;
    }
    for (uint32_t level = 2; added && !is_sure(stacks, count); level++)
        added = add_level(stacks, count, level == LEVELS_MAX);
    uint32_t set = unite(stacks, count);
    for (uint32_t i = 0; i < count; i++)
        stacks[i].least -= stacks[i].may_be && stacks[i].least;
    stacks[best].most -= is_best_alone; /* where it is open, it is meant */
    stacks[set].total--;
    narrow(stacks, count, set);
}
