#include "server/partner_cache.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/journal_partner.h"
#include "server/partner.h"

enum { RECORD_BYTES_MAX = 1 << 20 }; /* a record unpacked, by far */

/* One a partition: partners that share one take turns. */
struct slot {
    struct arena arena; /* the record's */
    char gln[JOURNAL_PARTNER];
    bool filled;
    uint64_t changes; /* made in the journal before it was filled */
    uint32_t events_per_second;
    Epcis__Wire__V1__PartnerFacts facts;
};

struct partner_cache {
    struct journal *journal;
    struct slot slots[PARTNER_PARTITIONS];
};

struct partner_cache *partner_cache_new(struct journal *journal)
{
    struct partner_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->journal = journal;
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++)
        arena_init(&cache->slots[i].arena, RECORD_BYTES_MAX);
    return cache;
}

void partner_cache_free(struct partner_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++)
        arena_free(&cache->slots[i].arena);
    free(cache);
}

static enum err copy_overrides(struct slot *slot, const Epcis__V1__TradingPartner *partner)
{
    Epcis__Wire__V1__PartnerFacts__OverridesEntry **list =
        arena_alloc(&slot->arena, partner->n_overrides * sizeof *list);
    Epcis__Wire__V1__PartnerFacts__OverridesEntry *entries =
        arena_alloc(&slot->arena, partner->n_overrides * sizeof *entries);
    if (!list || !entries)
        return ERR_LIMIT;
    for (size_t i = 0; i < partner->n_overrides; i++) {
        epcis__wire__v1__partner_facts__overrides_entry__init(&entries[i]);
        entries[i].key = partner->overrides[i]->key;
        entries[i].value = partner->overrides[i]->value;
        list[i] = &entries[i];
    }
    slot->facts.overrides = list;
    slot->facts.n_overrides = partner->n_overrides;
    return ERR_OK;
}

static enum err fill(struct slot *slot, struct journal *journal, const char *gln)
{
    Epcis__V1__TradingPartner *partner = NULL;
    slot->filled = false;
    slot->changes =
        journal_partner_changes_made(journal); /* before reading: what changes now is read again */
    arena_reset(&slot->arena);
    epcis__wire__v1__partner_facts__init(&slot->facts);
    slot->events_per_second = 0;
    memcpy(slot->gln, gln, strlen(gln) + 1);
    enum err err = journal_partner_by_gln(journal, gln, &slot->arena, &partner);
    if (err == ERR_NOT_FOUND) {
        slot->filled = true;
        return ERR_OK;
    }
    if (!err)
        err = copy_overrides(slot, partner);
    if (err)
        return err;
    slot->events_per_second = partner->max_events_per_second;
    slot->facts.known = true;
    slot->facts.active = partner->active;
    slot->facts.profile = partner->profile;
    slot->facts.company_prefixes = partner->company_prefixes;
    slot->facts.n_company_prefixes = partner->n_company_prefixes;
    slot->facts.glns = partner->glns;
    slot->facts.n_glns = partner->n_glns;
    slot->filled = true;
    return ERR_OK;
}

enum err partner_cache_facts(struct partner_cache *cache, const char *gln,
                             const Epcis__Wire__V1__PartnerFacts **out)
{
    struct slot *slot = &cache->slots[partner_partition(gln)];
    enum err err = ERR_OK;
    if (!slot->filled || strcmp(slot->gln, gln) != 0 ||
        slot->changes != journal_partner_changes_made(cache->journal))
        err = fill(slot, cache->journal, gln);
    *out = &slot->facts;
    return err;
}

enum err partner_cache_pace(struct partner_cache *cache, const char *gln, uint32_t *events_per_second)
{
    const Epcis__Wire__V1__PartnerFacts *facts;
    enum err err = partner_cache_facts(cache, gln, &facts);
    *events_per_second = err ? 0 : cache->slots[partner_partition(gln)].events_per_second;
    return err;
}
