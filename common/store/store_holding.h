/* Which container holds an item: now, as the items' states tell, or at a moment, as their histories do. For
 * the reading half; internal to the store. One thread, one read transaction. */
#ifndef EPCISD_STORE_STORE_HOLDING_H
#define EPCISD_STORE_STORE_HOLDING_H

#include "common/base/buffer.h"
#include "common/store/store_read.h"

/* What an AggregationEvent says of its parent, in short. */
struct store_packing {
    uint64_t sequence; /* 0: a slot not used */
    bool wrong;        /* as was declared */
    bool empties;      /* all content goes: a DELETE without children */
    uint16_t parent_length;
    uint8_t parent[EPC_KEY_MAX];
};

/* A moment in the life of items: events of one time count in the order of commits. */
struct store_moment {
    int64_t time_us;
    uint64_t sequence; /* 0: never */
};

enum { STORE_PACKINGS = 64 };

struct store_holding {
    struct store *store;
    MDB_txn *txn;
    bool now;
    int64_t at_us; /* unless `now` */
    MDB_cursor *rows;
    struct arena scratch;
    struct buffer moves;                           /* struct move: what was done to the item at hand */
    struct store_packing packings[STORE_PACKINGS]; /* read lately, by sequence */
    struct {
        uint8_t key[EPC_KEY_MAX];
        uint16_t length;
        struct store_moment when;
    } emptied; /* when the container asked for last was emptied */
};

/* `at_us`: NULL is now. Freed by store_holding_free, whatever this answers, and before the transaction ends.
 */
enum err store_holding_init(struct store_holding *holding, struct store *store, MDB_txn *txn,
                            const int64_t *at_us);
void store_holding_free(struct store_holding *holding);

/* The container that holds the item; `parent.length` 0: none does. The parent's key is in `room`. */
enum err store_holding_find(struct store_holding *holding, const uint8_t *key, size_t length,
                            uint8_t room[EPC_KEY_MAX], struct store_link *out);

/* What a kept AggregationEvent says. Valid until the next call. ERR_CORRUPT where it is not there. */
enum err store_holding_packing(struct store_holding *holding, uint64_t sequence,
                               const struct store_packing **out);

/* Hands the item's AggregationEvents up to the moment to `use`, by event time: ADD and DELETE, no
 * errorDeclarations. What `use` answers but ERR_OK ends it and is the answer. */
enum err
store_holding_rows(struct store_holding *holding, MDB_cursor *cursor, const uint8_t *key, size_t length,
                   enum err (*use)(void *context, int64_t time_us, const struct store_history *entry),
                   void *context);

#endif
