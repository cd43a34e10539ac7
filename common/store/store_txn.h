/* The writing half of the store, for workers: a transaction loads what it needs for many events at
 * once, the caller decides in memory, and the transaction writes the outcome in key order. Nothing here
 * names an engine. One write transaction at a time over all processes; it stays on the thread that began
 * it.
 *
 * Any error but ERR_NOT_FOUND spoils the transaction: store_abort is all that may follow. */
#ifndef EPCISD_STORE_STORE_TXN_H
#define EPCISD_STORE_STORE_TXN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/gs1/epc.h"
#include "common/store/store.h"
#include "epcis/store/v1/store.pb-c.h"

struct store_txn;

/* Waits for the transaction of another process. ERR_DISK, ERR_MEMORY, ERR_SYSTEM (the store must be
 * opened again). */
enum err store_begin(struct store *store, struct store_txn **out);

/* All becomes durable and visible, or nothing. Consumes the transaction either way. ERR_DISK, ERR_MEMORY. */
enum err store_commit(struct store_txn **txn);

/* Nothing happened. NULL inside is fine. */
void store_abort(struct store_txn **txn);

/* ---- partitions and batches ---- */

struct store_position {
    uint64_t sequence; /* of the last committed batch; 0: none */
    uint8_t batch_id[DIGEST_BYTES];
};

/* All zero for a partition never seen. */
enum err store_position_get(struct store_txn *txn, uint32_t partition, struct store_position *out);

/* The same of the partitions from 0 to `count` - 1, as last committed. Any thread, outside of transactions.
 * ERR_DISK, ERR_CORRUPT, ERR_MEMORY. */
enum err store_positions(struct store *store, uint32_t count, struct store_position *out);

/* What an earlier commit left of a batch, in `arena`. ERR_NOT_FOUND, ERR_LIMIT. */
enum err store_batch_get(struct store_txn *txn, uint32_t partition, uint64_t sequence, struct arena *arena,
                         Epcis__Store__V1__BatchResultRecord **out);

/* The same as last committed. Any thread, outside of transactions. */
enum err store_batch_read(struct store *store, uint32_t partition, uint64_t sequence, struct arena *arena,
                          Epcis__Store__V1__BatchResultRecord **out);

/* Numbers the result, keeps it and makes the batch, which is new, the partition's last. */
enum err store_batch_put(struct store_txn *txn, uint32_t partition, uint64_t sequence,
                         Epcis__Store__V1__BatchResultRecord *record);

/* ---- items ---- */

/* Bytes that belong to an arena. */
struct store_text {
    const uint8_t *data;
    uint32_t length;
};

enum store_item_flag {
    STORE_ITEM_COMMISSIONED = 1 << 0,
    STORE_ITEM_DECOMMISSIONED = 1 << 1,
    STORE_ITEM_SHIPPED = 1 << 2,   /* itself, not within something */
    STORE_ITEM_CONTAINER = 1 << 3, /* something was put into it once */
};

/* What the last event that moved the item made of it. Numbers on disk: they never change. */
enum store_status {
    STORE_STATUS_NONE,
    STORE_STATUS_COMMISSIONED,
    STORE_STATUS_PACKED,
    STORE_STATUS_UNPACKED,
    STORE_STATUS_SHIPPED,
    STORE_STATUS_RECEIVED,
    STORE_STATUS_DISPENSED,
    STORE_STATUS_RETURNED,
    STORE_STATUS_CONSUMED, /* went into a transformation */
    STORE_STATUS_DECOMMISSIONED,
    STORE_STATUS_DESTROYED,
};

/* "commissioned"; "unknown" for none. */
const char *store_status_name(enum store_status status);

/* The two ways in which one item is below another: EPCIS 7.4.3 and 7.4.6. */
enum store_relation { STORE_AGGREGATION, STORE_ASSOCIATION, STORE_RELATIONS };

struct store_link {
    struct store_text parent; /* epc_key; empty: none */
    uint64_t sequence;        /* of the event that put the item there */
};

/* Where an item stands. The caller fills the key and `stateless`, store_load the rest. */
struct store_item {
    const uint8_t *key; /* epc_key; a stateless item's has another first byte than any EPC's */
    uint16_t key_length;
    bool stateless; /* has rows, but never a state */
    bool known;     /* some event named it */
    bool dirty;     /* store_write shall keep it */
    uint8_t flags;
    uint8_t status;                 /* enum store_status */
    uint32_t expiry;                /* YYYYMMDD; 0: none */
    int64_t latest_us;              /* the latest event time among its rows */
    int64_t moved_us;               /* the same without events that were declared wrong */
    uint64_t last_sequence;         /* of the last event that named it */
    uint64_t commissioned_sequence; /* of the event that commissioned it; 0: none did */
    uint64_t place;                 /* GLN of the last place, as a number; 0: none */
    struct store_link links[STORE_RELATIONS];
    uint64_t emptied_sequence[STORE_RELATIONS]; /* of the last event that took all its content out: links
                                                   of items put into it before are void */
    struct store_text lot;                      /* empty: none */
    struct store_text disposition;              /* the last one given; empty: none */
    struct store_text
        rows; /* the first ones of its history, as written; of no concern outside of the store */
};

/* What makes an event of an item the same event: the idempotency key without the item. */
struct store_event_key {
    int64_t time_us;
    const char *partner; /* GLN; "": none */
    Epcis__V1__EventType type;
    Epcis__V1__Action action;
    const char *biz_step;
    bool error_declaration; /* stands beside the event it corrects */
    /* NULL, or the content hash, for an item of which one key may have several contents: a container
     * that gets some of its content in each of two events of one second. */
    const uint8_t *content_hash;
};

enum { STORE_SUFFIX_MAX = 32, STORE_ROW_KEY_MAX = EPC_KEY_MAX + STORE_SUFFIX_MAX };

/* What follows the item's key in a row's key; sorts by time. No row's key is the beginning of another's.
 * Returns the length. */
size_t store_row_suffix(const struct store_event_key *key, uint8_t out[STORE_SUFFIX_MAX]);

/* Turns a row's key into that of the same event with an errorDeclaration, or back. `item_length` is that of
 * the item's key, with which it begins. */
void store_row_counterpart(uint8_t *key, size_t item_length);

/* One event in the history of one item. The caller fills the key and `item`. */
struct store_row {
    const uint8_t *key; /* the item's key, then store_row_suffix */
    uint16_t key_length;
    bool fresh;        /* store_write shall keep it */
    uint32_t item;     /* index */
    uint64_t sequence; /* of the event that holds this key; 0: none does */
};

/* Loads states and rows. Items and rows are sorted by key (memcmp, the shorter first) and unique. Texts
 * go to `arena`. ERR_LIMIT (the arena's budget), ERR_CORRUPT, ERR_DISK. */
enum err store_load(struct store_txn *txn, struct store_item *items, size_t item_count,
                    struct store_row *rows, size_t row_count, struct arena *arena);

/* The event that holds the key of one of the item's rows, as last written; 0: none does. */
enum err store_row_get(struct store_txn *txn, const struct store_item *item, const uint8_t *key,
                       size_t length, uint64_t *sequence);

/* Writes dirty items and fresh rows, and marks them clean. What becomes of an item's `rows` goes to `arena`.
 * ERR_LIMIT, ERR_DISK. */
enum err store_write(struct store_txn *txn, struct store_item *items, size_t item_count,
                     struct store_row *rows, size_t row_count, struct arena *arena);

/* The state of one item as last written. Texts borrow from the store until the transaction writes.
 * ERR_NOT_FOUND, ERR_CORRUPT. */
enum err store_item_get(struct store_txn *txn, const uint8_t *key, size_t length, struct store_item *out);

/* One event in an item's history, as its row's key tells it. */
struct store_history {
    Epcis__V1__EventType type;
    Epcis__V1__Action action;
    bool error_declaration;
    uint64_t sequence;
};

/* Hands each row of the item, as last written, to `use`, by event time; `use` must not write. Returns what
 * `use` answers where that is not ERR_OK; ERR_CORRUPT, ERR_DISK. */
enum err store_item_rows(struct store_txn *txn, const uint8_t *key, size_t length,
                         enum err (*use)(void *context, const struct store_history *entry), void *context);

/* What is known of a GTIN and lot. */
struct store_lot {
    uint32_t expiry; /* YYYYMMDD */
    uint64_t events; /* commissioning events that say so; 0: forget the lot */
};

/* ERR_NOT_FOUND. */
enum err store_lot_get(struct store_txn *txn, uint64_t gtin, struct store_text lot, struct store_lot *out);
enum err store_lot_put(struct store_txn *txn, uint64_t gtin, struct store_text lot,
                       const struct store_lot *value);

/* That the event says something of the lot. */
enum err store_lot_event_put(struct store_txn *txn, uint64_t gtin, struct store_text lot, uint64_t sequence);

/* ---- event ids that senders gave ---- */

enum { STORE_EVENT_ID_KEY = 16 };

struct store_event_id {
    uint8_t key[STORE_EVENT_ID_KEY]; /* first bytes of SHA-256 of the id */
    uint64_t sequence;               /* of the event that has it; 0: none */
    bool fresh;                      /* store_event_ids_write shall keep it */
};

/* Sorted by key and unique. ERR_CORRUPT, ERR_DISK. */
enum err store_event_ids_load(struct store_txn *txn, struct store_event_id *ids, size_t count);
enum err store_event_ids_write(struct store_txn *txn, const struct store_event_id *ids, size_t count);

/* ---- error declarations (EPCIS 7.4.1.2) ---- */

/* Keeps that event `declaration` says that `wrong` was wrong. */
enum err store_declared_put(struct store_txn *txn, uint64_t wrong, uint64_t declaration);

/* Whether an event was declared wrong. ERR_NOT_FOUND: it was not. */
enum err store_declared_get(struct store_txn *txn, uint64_t wrong, uint64_t *declaration);

/* ---- events, warnings and dead letters ---- */

struct store_event {
    const uint8_t *event_hash;   /* DIGEST_BYTES */
    const uint8_t *content_hash; /* DIGEST_BYTES; may be event_hash */
    uint32_t partition;          /* of the batch it came in */
    uint64_t batch_sequence;
    const uint8_t *capture_id; /* UUID_BYTES */
    uint64_t event_index;      /* in its document */
    const char *partner;       /* GLN; "": none */
    int64_t time_us;           /* event time */
    uint64_t place;            /* GLN of bizLocation or readPoint as a number; 0: none */
    const uint8_t *packed;     /* epcis.v1.Event */
    size_t packed_bytes;
};

/* The sequence that the next event appended will have. */
uint64_t store_next_sequence(const struct store_txn *txn);
enum err store_event_append(struct store_txn *txn, const struct store_event *event);

/* An event kept before; all borrows from the store until the transaction writes. */
struct store_kept_event {
    const uint8_t *content_hash;
    const uint8_t *capture_id;
    const uint8_t *packed;
    size_t packed_bytes;
};

/* ERR_NOT_FOUND, ERR_CORRUPT. */
enum err store_event_find(struct store_txn *txn, uint64_t sequence, struct store_kept_event *out);

/* That `count` events from `first` on came with the document. */
enum err store_capture_put(struct store_txn *txn, const uint8_t capture_id[UUID_BYTES], uint64_t first,
                           uint32_t count);

enum err store_warning_put(struct store_txn *txn, uint64_t sequence,
                           const Epcis__Store__V1__WarningRecord *record);
enum err store_dead_letter_append(struct store_txn *txn, const uint8_t capture_id[UUID_BYTES],
                                  const Epcis__Store__V1__DeadLetterRecord *record);

#endif
