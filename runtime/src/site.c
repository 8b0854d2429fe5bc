/* site.c - the registry of sites, the lines that make objects: one table for the whole process, so
 * that 16 bits of a header name a line, also in a core of a stripped program.
 *
 * Invariant: an entry is complete before descriptor.site_count covers it, and covered before the
 * site's own number is published; entries never change or move afterwards. Two sites with the same
 * texts and line, as of an inline function in two files, have one entry.
 */
#include "internal.h"

#include <stdio.h>

#define BUCKETS 4096u

rh__site_entry *rh__sites;

static uint16_t buckets[BUCKETS]; /* the newest entry of each hash, 0: none; under the lock */

const rh__site_entry *rh__site_at(uint32_t number)
{
    uint64_t count = __atomic_load_n(&rh_debug_descriptor.site_count, __ATOMIC_ACQUIRE);
    return number > 0 && number < count ? &rh__sites[number] : NULL;
}

bool rh__birth_text(const rh_object *object, char text[RH__BIRTH_TEXT_SIZE])
{
    const rh__site_entry *site = rh__site_at((uint16_t)object->rh_origin);
    text[0] = '\0';
    if (!site)
        return false;
    const char *slash = strrchr(site->file, '/'), *file = slash ? slash + 1 : site->file;
    if (site->function)
        snprintf(text, RH__BIRTH_TEXT_SIZE, "in %s() at %s:%u", site->function, file, site->line);
    else
        snprintf(text, RH__BIRTH_TEXT_SIZE, "at %s:%u", file, site->line);
    return true;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    while (*text)
        hash = (hash ^ (unsigned char)*text++) * 0x100000001b3u;
    return hash;
}

static bool is_same(const rh__site_entry *entry, const char *file, const char *function,
                    uint32_t line)
{
    return entry->line == line && strcmp(entry->file, file) == 0 &&
           (function && entry->function ? strcmp(entry->function, function) == 0
                                        : function == entry->function);
}

static bool table_is_mapped(void)
{
    if (rh__sites)
        return true;
    rh__mapping *mapping =
        rh__map(NULL, RH_MAPPING_SITES,
                RH__MAPPING_DATA + (size_t)RH__SITES_MAX * sizeof(rh__site_entry), 0, true);
    if (!mapping)
        return false;
    rh__sites = (rh__site_entry *)(void *)((char *)mapping + RH__MAPPING_DATA);
    rh_debug_descriptor.site_count = 1;
    RH__ORDER();
    rh_debug_descriptor.sites = (uint64_t)(uintptr_t)rh__sites;
    return true;
}

/* A new entry, or 0. */
static uint32_t add(const char *file, const char *function, uint32_t line, uint16_t *bucket)
{
    uint32_t number = (uint32_t)rh_debug_descriptor.site_count;
    const rh__site_entry *last = &rh__sites[number - 1]; /* most likely of the same file */
    rh__site_entry *entry = &rh__sites[number];
    entry->line = line;
    entry->next = *bucket;
    entry->file = last->file && strcmp(last->file, file) == 0 ? last->file : rh__copy_text(file);
    entry->function = function ? rh__copy_text(function) : NULL;
    if (!entry->file || (function && !entry->function))
        return 0;
    uint64_t check =
        rh_metadata_site_check(number, (uintptr_t)entry->file, (uintptr_t)entry->function, line);
    check = rh_metadata_text_check(check, entry->file);
    entry->check = rh_metadata_text_check(check, entry->function);
    *bucket = (uint16_t)number;
    RH__ORDER();
    __atomic_store_n(&rh_debug_descriptor.site_count, number + 1, __ATOMIC_RELEASE);
    return number;
}

/* pre: the lock is held. */
static uint32_t find_or_add(const char *file, const char *function, uint32_t line)
{
    if (!table_is_mapped())
        return 0;
    uint64_t hash = hash_text(hash_text(line, file), function ? function : "");
    uint16_t *bucket = &buckets[(hash ^ hash >> 32) % BUCKETS];
    for (uint32_t number = *bucket; number; number = rh__sites[number].next)
        if (is_same(&rh__sites[number], file, function, line))
            return number;
    if (rh_debug_descriptor.site_count < RH__SITES_MAX)
        return add(file, function, line, bucket);
    rh_debug_descriptor.sites_refused++;
    return RH__SITE_REFUSED;
}

uint64_t rh__site_register(rh_site *site)
{
    if (!site || __atomic_load_n(&site->rh_number, __ATOMIC_RELAXED) == RH__SITE_REFUSED)
        return 0;
    rh__type_lock();
    uint32_t number = __atomic_load_n(&site->rh_number, __ATOMIC_RELAXED);
    if (number == 0) {
        /* in C++ another thread may just be storing the same text again */
        const char *function = __atomic_load_n(&site->function, __ATOMIC_RELAXED);
        number = find_or_add(site->file ? site->file : "?", function, site->line);
        __atomic_store_n(&site->rh_number, number, __ATOMIC_RELEASE);
    }
    rh__type_unlock();
    return (uint16_t)number;
}
