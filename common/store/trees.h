/* The LMDB store from inside: its trees, how keys and records are laid out, and how LMDB's errors read
 * here. The only header that includes lmdb.h.
 *
 * Numbers in keys are big endian, so that memcmp sorts them; event and dead letter numbers are native
 * (MDB_INTEGERKEY). */
#ifndef EPCISD_STORE_TREES_H
#define EPCISD_STORE_TREES_H

#include <stdint.h>

#include <lmdb.h>

#include "common/base/err.h"
#include "common/store/store_txn.h"

enum tree {
    TREE_META,                /* "schema" -> u32 */
    TREE_EVENT,               /* sequence -> struct event_head as bytes, packed event */
    TREE_ITEM,                /* item key, NUL, kind byte … -> state or row: see rows.h */
    TREE_LOT,                 /* GTIN (6 bytes), lot -> expiry u32, events u64 */
    TREE_LOT_EVENT,           /* GTIN (6 bytes), lot, NUL, sequence (6) -> nothing */
    TREE_EVENT_ID,            /* STORE_EVENT_ID_KEY bytes -> sequence u64 */
    TREE_DECLARED,            /* sequence of the event that was wrong (8) -> that of the declaration u64 */
    TREE_PLACE,               /* GLN (6), event time (8), sequence (6) -> nothing */
    TREE_CAPTURE,             /* capture id, first sequence (6) -> count u32 */
    TREE_MASTER,              /* vocabulary, NUL, identifier -> MasterDataRecord, the current one */
    TREE_MASTER_VERSION,      /* key of TREE_MASTER, NUL, version -> MasterDataRecord, older */
    TREE_BATCH,               /* partition, sequence -> BatchResultRecord */
    TREE_PARTITION,           /* partition -> last sequence, batch id */
    TREE_WARNING,             /* event sequence -> WarningRecord */
    TREE_DEAD_LETTER,         /* number -> DeadLetterRecord */
    TREE_DEAD_LETTER_CAPTURE, /* capture id, number (big endian) -> nothing */
    TREES,
};

struct store {
    MDB_env *env;
    int lock_file;             /* says that it is open */
    int64_t readers_looked_ms; /* steady clock; the writing thread's */
    MDB_dbi trees[TREES];
};

struct store_txn {
    struct store *store;
    MDB_txn *mdb;
    MDB_cursor *items;
    MDB_cursor *events;
    MDB_cursor *event_ids;
    MDB_cursor *warnings;
    uint64_t next_sequence;
    uint64_t next_dead_letter;
};

/* LMDB's side of a transaction, for what other files of this folder write in it. */
MDB_txn *trees_txn(const struct store_txn *txn, struct store **store);

/* The byte after an item's key and its NUL. */
enum { ITEM_STATE = 1, ITEM_ROW = 2 };

/* ITEM_ROW, time (8), partner (8), kind of event (5), sometimes 8 of the content. */
enum { SUFFIX_TIME = 2, SUFFIX_BYTES = 2 + 8 + 8 + 5 };

enum err trees_error(int mdb_error);

uint8_t *trees_put_number(uint8_t *out, uint64_t value, int bytes);
uint64_t trees_get_number(const uint8_t *from, int bytes);

enum { BATCH_KEY_BYTES = 12, LOT_KEY_MAX = 6 + 64, SEQUENCE_BYTES = 6, PLACE_KEY_BYTES = 6 + 8 + 6 };
void trees_batch_key(uint32_t partition, uint64_t sequence, uint8_t out[BATCH_KEY_BYTES]);

/* The key of a lot, in `out`. */
MDB_val trees_lot_key(uint64_t gtin, struct store_text lot, uint8_t out[LOT_KEY_MAX]);

/* Writes the state's key behind the item's; returns the length of both. */
size_t trees_state_key(const uint8_t *key, size_t length, uint8_t out[STORE_ROW_KEY_MAX]);

/* A time in a key, which sorts as the number does. */
uint8_t *trees_put_time(uint8_t *out, int64_t time_us);
int64_t trees_get_time(const uint8_t *from);

/* A row's time, from its key. */
int64_t trees_row_time(const uint8_t *suffix);

/* What else its key tells; `sequence` is the row's value. */
void trees_row_decode(const uint8_t *suffix, uint64_t sequence, struct store_history *out);

/* True where `key` is a row's of the item. */
bool trees_is_row(const MDB_val *key, const uint8_t *item, size_t item_length);

/* State to bytes and back. Decoding borrows from `bytes`. ERR_CORRUPT. */
size_t trees_state_size(const struct store_item *item);
void trees_state_encode(const struct store_item *item, uint8_t *out);
enum err trees_state_decode(const uint8_t *bytes, size_t length, struct store_item *item);

/* The fixed part in front of a packed event; texts borrow from the record. */
struct event_head {
    const uint8_t *event_hash;
    const uint8_t *content_hash;
    uint32_t partition;
    uint64_t batch_sequence;
    const uint8_t *capture_id;
    uint64_t event_index;
    const uint8_t *packed;
    size_t packed_bytes;
};
size_t trees_event_size(const struct store_event *event);
void trees_event_encode(const struct store_event *event, uint8_t *out);
enum err trees_event_decode(const uint8_t *bytes, size_t length, struct event_head *out);

#endif
