/* Removes the bytes of raw documents that are older than they have to be kept, oldest first, on a thread of
 * its own. One that is not finished keeps its own until it is, and holds up none behind it. What is known of
 * a document (receipt, batches, events, dead letters, outcome) stays; it can no longer be read again. */
#ifndef EPCISD_SERVER_RETENTION_H
#define EPCISD_SERVER_RETENTION_H

#include <stdint.h>

#include "common/base/err.h"

struct journal;
struct retention;

/* `retain_days` counts from the receipt. 0: they go as soon as the document is finished. While a backup of
 * the journal, which is in the folder `dir`, is made, they stay. ERR_MEMORY, ERR_DISK, ERR_SYSTEM. */
enum err retention_start(struct journal *journal, const char *dir, uint64_t retain_days,
                         struct retention **out);

/* Before the journal is closed. */
void retention_stop(struct retention **retention);

#endif
