/* Whose document is it? The answer orders it among others, so it is found once, on receipt, and kept.
 * Any thread. */
#ifndef EPCISD_SERVER_PARTNER_H
#define EPCISD_SERVER_PARTNER_H

#include <stddef.h>
#include <stdint.h>

#include "server/journal.h"

/* Looks into the document's first bytes (all of a short one) for, in this order: the sender of its header,
 * the owning_party of the source of its first event that has one. `out` is a GLN, or empty. */
void partner_find(const void *data, size_t bytes, char out[JOURNAL_PARTNER]);

enum { PARTNER_PARTITIONS = 256 };

/* The ordering domain of a partner, 1 to PARTNER_PARTITIONS - 1; 0 for none. */
uint32_t partner_partition(const char *partner);

#endif
