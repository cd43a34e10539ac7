/* What the reading halves share. Internal to the store. */
#ifndef EPCISD_STORE_STORE_READ_H
#define EPCISD_STORE_STORE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/store/store.h"
#include "common/store/trees.h"

/* A read transaction, ended by mdb_txn_abort. Failures are logged. */
enum err store_read_begin(struct store *store, MDB_txn **txn);

/* The entries of a page for which `limit` was asked; 0: as many as are ever given. */
uint32_t store_read_limit(uint32_t limit);

/* `*out` is the text's copy; false where the arena is spent. */
bool store_read_text(struct arena *arena, const char *text, size_t length, char **out);

/* The same for a date, YYYYMMDD, as YYYY-MM-DD; `*out` is left as it is for 0. */
bool store_read_date(struct arena *arena, uint32_t date, char **out);

/* The GTIN-14 of an SGTIN in its canonical text; `*out` is left as it is for another EPC. */
bool store_read_gtin(struct arena *arena, const char *epc, char **out);

/* A key's canonical text; NULL where the arena is spent. */
char *store_read_key(struct arena *arena, const uint8_t *key, size_t length);

/* For a whole event, while a little of it is taken. */
enum { STORE_SCRATCH_BYTES = 512 << 20 };

/* ERR_NOT_FOUND. The head borrows from the store. */
enum err store_read_event(struct store *store, MDB_txn *txn, uint64_t sequence, struct event_head *out);

/* Whether the event is told; counts in `*unseen` how many in a row are not. ERR_NOT_FOUND: it is not;
 * ERR_CORRUPT where there is none. */
enum err store_read_sees(struct store *store, MDB_txn *txn, const struct store_sight *sight,
                         uint64_t sequence, uint32_t *unseen);

/* The event as an entry of a history, in `arena`; `scratch` is reset. ERR_CORRUPT where there is none. */
enum err store_read_entry(struct store *store, MDB_txn *txn, uint64_t sequence, struct arena *scratch,
                          struct arena *arena, Epcis__V1__HistoryEntry **out);

/* The errorDeclaration event that says the event was wrong; 0: none does. */
enum err store_read_declared(struct store *store, MDB_txn *txn, uint64_t sequence, uint64_t *declaration);

/* An item's state; texts borrow from the store. ERR_NOT_FOUND. */
enum err store_read_state(struct store *store, MDB_txn *txn, const uint8_t *item, size_t length,
                          struct store_item *out);

/* How far containers are followed, upward and downward. */
enum { STORE_DEPTH_MAX = 100 };

/* The state of what the item is in. ERR_NOT_FOUND: nothing, or the parent's content was taken out as a whole
 * since. */
enum err store_read_link(struct store *store, MDB_txn *txn, const struct store_item *item,
                         enum store_relation relation, struct store_item *out);

#endif
