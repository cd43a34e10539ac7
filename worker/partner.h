/* How the events of a segment's partner are judged: by the profile and the overrides of its record, and by
 * whether there is one. Resolved once for neighbouring segments of one partner, never for an event. Internal
 * to worker/; one thread. */
#ifndef EPCISD_WORKER_PARTNER_H
#define EPCISD_WORKER_PARTNER_H

#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "epcis/wire/v1/wire.pb-c.h"
#include "worker/rules/rules.h"

struct partner_terms {
    const Epcis__Wire__V1__PartnerFacts *facts; /* NULL: the server did not tell */
    const struct rules_severities *severities;  /* NULL: those of the struct rules */
};

/* The terms of each of `count` segments, in `arena`. Overrides that are none here are logged and ignored: a
 * code that is not in the table of rules, or a rule that always rejects. Leaves the rules without a context.
 * ERR_LIMIT. */
enum err partner_terms_of(struct rules *rules, Epcis__Wire__V1__BatchSegment *const *segments, size_t count,
                          struct arena *arena, struct partner_terms **out);

/* PARTNER_INACTIVE or PARTNER_UNKNOWN, where it holds, for an event of the rules' present context. */
void partner_terms_check(const struct rules *rules, const struct partner_terms *terms, const char *partner,
                         struct rules_report *report);

#endif
