/* The item ledger as one transaction sees it: items in the work's memory as decided so far, all others as
 * last written. Internal to worker/; one thread. */
#ifndef EPCISD_WORKER_LEDGER_H
#define EPCISD_WORKER_LEDGER_H

#include "worker/work.h"

/* An item as it stands now. Texts of an item that is not in the work borrow from the store, until the
 * transaction writes. */
struct ledger_item {
    struct store_item item;
    bool in_work;
    size_t index; /* in the work's items, where in_work */
};

/* The item's place in the work's items, where it stands there. */
bool ledger_in_work(const struct work *work, const uint8_t *key, size_t length, size_t *out);

/* `known` is false where nothing ever named it. What the store answers. */
enum err ledger_find(const struct work *work, struct store_txn *txn, const uint8_t *key, size_t length,
                     struct ledger_item *out);

/* The event of this work that holds a row's key; 0: none does. */
uint64_t ledger_row(const struct work *work, const uint8_t *key, size_t length);

/* The container (or association's parent) that holds the item now; empty: none. */
enum err ledger_parent(const struct work *work, struct store_txn *txn, const struct store_item *item,
                       enum store_relation relation, struct store_text *out);

/* The item, its container, that one's container and so on: at most LEDGER_DEPTH_MAX. */
enum { LEDGER_DEPTH_MAX = 100 };
enum err ledger_ancestors(const struct work *work, struct store_txn *txn, struct store_text item,
                          enum store_relation relation, struct store_text out[LEDGER_DEPTH_MAX],
                          size_t *count);

/* An event of this work, or one kept before. The packed event borrows as ledger_find's texts do. */
struct ledger_event {
    const uint8_t *capture_id;
    const uint8_t *packed;
    size_t packed_bytes;
};
enum err ledger_event(const struct work *work, struct store_txn *txn, uint64_t sequence,
                      struct ledger_event *out);

/* Hands all that is in the container to `use`, at whatever depth, each once; containers within stand before
 * their content. Bounded: LEDGER_CONTENT_MAX items; *complete tells whether that was all. `use` must not
 * write to the store; what it answers but ERR_OK ends the walk and is the answer. */
enum { LEDGER_CONTENT_MAX = 1000000 };
enum err ledger_content(struct work *work, struct store_txn *txn, struct store_text container,
                        enum err (*use)(void *context, const struct store_item *item), void *context,
                        bool *complete);

/* What was found out about events that packed, by sequence: items of one event were mostly packed together.
 * Zero: nothing. Valid until the next event is committed. */
enum { LEDGER_SHIPMENTS = 64 };
struct ledger_shipment {
    uint64_t sequence;
    bool shipped;
};
struct ledger_shipments {
    struct ledger_shipment of[LEDGER_SHIPMENTS];
};

/* Whether the item was ever shipped: itself, or something that it was packed into at some time. */
enum err ledger_was_shipped(struct work *work, struct store_txn *txn, struct store_text item,
                            struct ledger_shipments *known, bool *out);

bool ledger_same(struct store_text a, struct store_text b);

#endif
