/* Expiry dates of lots that one transaction has met. Internal to worker/; one thread. */
#ifndef EPCISD_WORKER_LOTS_H
#define EPCISD_WORKER_LOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/store/store_txn.h"

struct lot {
    uint64_t gtin;
    struct store_text text; /* NULL data: a free slot */
    struct store_lot value; /* `events` 0: the expiry is not known */
    bool fresh;             /* the store does not know this value yet */
};

/* All zero is an empty table. */
struct lots {
    struct lot *slots;
    size_t size; /* a power of two, or 0 */
    size_t count;
};

/* The lot, loaded from the store where it is new here. Valid until the next call; `text` must outlive the
 * table's content. ERR_MEMORY, and what the store answers. */
enum err lots_find(struct lots *lots, struct store_txn *txn, uint64_t gtin, struct store_text text,
                   struct lot **out);

/* Writes what is fresh. */
enum err lots_write(const struct lots *lots, struct store_txn *txn);

void lots_clear(struct lots *lots);
void lots_free(struct lots *lots);

#endif
