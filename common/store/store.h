/* The durable truth about events, items and dead letters, behind one interface for every engine. Workers
 * write, the server reads. A store is opened by a URL, "lmdb:DIR".
 *
 * Writing is bulk: a transaction loads what it needs for many events at once, the caller decides in
 * memory, and the transaction writes the outcome in key order. One write transaction at a time over all
 * processes. A transaction stays on the thread that began it; reading calls are safe on any thread. */
#ifndef EPCISD_STORE_STORE_H
#define EPCISD_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "epcis/v1/dead_letter_service.pb-c.h"
#include "epcis/v1/trace_service.pb-c.h"

struct store;

/* Opens or creates "lmdb:DIR", where DIR is the store's own folder or a server's data folder, whose store it
 * then is. `map_bytes` caps the size of an LMDB store (0: 1 TiB; the file grows as it fills). ERR_INPUT: no
 * such kind of store; ERR_VERSION: written by a newer program; ERR_DISK, ERR_MEMORY. */
enum err store_open(const char *url, uint64_t map_bytes, struct store **out);
void store_close(struct store **store);

/* An empty store that no other process sees, and that is gone when it is closed or the process ends, however
 * it does: its files lose their names at once, and nothing waits for the disk. `folder` is made, and gone
 * again when the call returns, with what another process may have left by ending in the middle of this.
 * Errors as above. */
enum err store_open_scratch(const char *folder, uint64_t map_bytes, struct store **out);

/* Removes what was left in that way; nothing is fine. */
void store_clear_scratch(const char *folder);

/* Makes sure that nobody has the store in that folder open, nor opens it until the file *out is closed.
 * ERR_EXISTS: somebody has; ERR_DISK. */
enum err store_lock_alone(const char *folder, int *out);

/* How much of its map the store takes. ERR_DISK. */
enum err store_space(struct store *store, uint64_t *used_bytes, uint64_t *max_bytes);

/* Reads every record there is; *records is their number. ERR_CORRUPT: one cannot be read (logged); ERR_DISK,
 * ERR_MEMORY. */
enum err store_check(struct store *store, uint64_t *records);

/* Reading. Messages are built in `arena`. ERR_NOT_FOUND, ERR_LIMIT (the arena's budget), ERR_CORRUPT,
 * ERR_DISK. */

/* Which events, dead letters and master data are told, by the document that each came in; where it is NULL,
 * all are. What is not told is passed over as if it did not exist: it counts on no page and behind no token.
 * But a page ends early, with a token, where `patience` in a row are passed over. */
struct store_sight {
    /* ERR_NOT_FOUND: what is of this document is not told. Any other error ends the call. */
    enum err (*sees)(void *context, const uint8_t capture_id[UUID_BYTES]);
    void *context;
    uint32_t patience; /* 0: has no end */
};

/* State and history of one item, oldest event first. At most `limit` entries; `cursor` starts as "" and
 * holds after the call where the next page starts, "" after the last: a token that clients may keep.
 * ERR_NOT_FOUND, whatever the cursor, also where none of the item's events is told. */
enum { STORE_CURSOR = 1024 };
enum err store_item_history(struct store *store, const char *epc, const struct store_sight *sight,
                            uint32_t limit, char cursor[STORE_CURSOR], struct arena *arena,
                            Epcis__V1__GetItemHistoryResponse **out);

enum err store_event_get(struct store *store, uint64_t sequence, struct arena *arena,
                         Epcis__V1__CommittedEvent **out);

/* What a dead letter must fit, all of it at once; what is NULL or 0 lets all through. */
struct store_letter_filter {
    const uint8_t *capture_id;
    const struct store_sight *sight;
    const char *partner, *code, *gtin;
    int64_t from_ms, until_ms; /* refused in [from_ms, until_ms) */
    bool validated;            /* what became of a document sent with validate_only, too: no dead letters */
    /* What only the caller knows, asked last; what it answers other than ERR_OK ends the call. */
    enum err (*wanted)(void *context, uint64_t number, bool *out);
    void *context;
};

/* Dead letters in the order in which they arose; `filter` NULL: all. A page ends early where the arena does,
 * and where too many were passed over: it may be empty and yet have a next one. */
enum err store_dead_letters(struct store *store, const struct store_letter_filter *filter, uint32_t limit,
                            char cursor[STORE_CURSOR], struct arena *arena,
                            Epcis__V1__ListDeadLettersResponse **out);

/* The number that a dead letter's id stands for. ERR_INPUT: it is no id. */
enum err store_dead_letter_number(const char *dead_letter_id, uint64_t *out);
enum err store_dead_letter_get(struct store *store, const char *dead_letter_id, struct arena *arena,
                               Epcis__V1__GetDeadLetterResponse **out);

#endif
