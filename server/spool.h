/* Items of one document that were made before they may go into batches: they wait in a file without a name,
 * compressed, and come out again in their order. In memory is one block of them. On one thread. Nothing of it
 * outlives the process. */
#ifndef EPCISD_SERVER_SPOOL_H
#define EPCISD_SERVER_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "server/batch.h"

enum {
    SPOOL_BLOCK_BYTES = 512 << 10, /* of items, compressed together */
    SPOOL_MAX_BYTES = 256 << 20,   /* of a document, as written */
};

struct spool;

/* The file is made in `dir`, which outlives the spool, with the first block; documents with less have none.
 * `reserve_bytes` of the disk are for others. ERR_MEMORY. */
enum err spool_new(const char *dir, uint64_t reserve_bytes, struct spool **out);

/* NULL inside is fine. */
void spool_free(struct spool **spool);

/* Whether a further piece of the document may be read into it: it is below SPOOL_MAX_BYTES, and the disk has
 * as many to spare. */
bool spool_has_room(const struct spool *spool);

/* Puts an item in. What can be wrong with the disk is logged: ERR_DISK; ERR_FULL: a single piece held far
 * more than there was room for; ERR_MEMORY. The spool is then of no further use. */
enum err spool_add(struct spool *spool, const struct batch_span *span, const struct batch_item *item);

/* The next item, valid until the next call; nothing is added any more. Sets what `span` says of the item:
 * first_event, events, bytes_read. ERR_NOT_FOUND: there are no more; ERR_DISK, ERR_MEMORY: it cannot be read
 * back, which is logged. */
enum err spool_next(struct spool *spool, struct batch_span *span, struct batch_item *item);

#endif
