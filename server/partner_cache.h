/* What workers are told of a batch's partners, kept between batches: a record is read again only once some
 * record has changed. Belongs to one thread. */
#ifndef EPCISD_SERVER_PARTNER_CACHE_H
#define EPCISD_SERVER_PARTNER_CACHE_H

#include "common/base/err.h"
#include "epcis/wire/v1/wire.pb-c.h"

struct journal;
struct partner_cache;

/* NULL without memory. */
struct partner_cache *partner_cache_new(struct journal *journal);
void partner_cache_free(struct partner_cache *cache);

/* The facts of the partner that has this GLN (empty: of none); valid until the next call. ERR_DISK,
 * ERR_CORRUPT, ERR_LIMIT, ERR_MEMORY. */
enum err partner_cache_facts(struct partner_cache *cache, const char *gln,
                             const Epcis__Wire__V1__PartnerFacts **out);

/* How many of its events may be read in a second; 0: any. Errors as above. */
enum err partner_cache_pace(struct partner_cache *cache, const char *gln, uint32_t *events_per_second);

#endif
