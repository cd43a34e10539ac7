/* Whether a trading partner may send one more document now, by its share of what there is room for and by its
 * record. */
#ifndef EPCISD_SERVER_PARTNER_LIMITS_H
#define EPCISD_SERVER_PARTNER_LIMITS_H

#include <stdint.h>

#include "common/base/err.h"
#include "server/journal.h"
#include "server/pressure.h"
#include "server/quota.h"
#include "server/refusal.h"

/* Counts one document of the partner that has this GLN ("": of nobody known); one without a record has its
 * share only, and where `pressure` is NULL no limit. *max_bytes: how long a document may be; 0: as long as
 * any. ERR_FULL: not now, and `why`; logged. ERR_DISK, ERR_CORRUPT, ERR_MEMORY, ERR_LIMIT. Any thread. */
enum err partner_limits_check(struct journal *journal, struct pressure *pressure, struct quota *quota,
                              const char *gln, uint64_t *max_bytes, struct refusal *why);

#endif
