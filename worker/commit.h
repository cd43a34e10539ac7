/* Takes packed batches through validation into the store: all of one call in one transaction. The whole
 * of a worker but its sockets. One struct commit belongs to one thread. */
#ifndef EPCISD_WORKER_COMMIT_H
#define EPCISD_WORKER_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/err.h"
#include "common/store/store.h"
#include "epcis/wire/v1/wire.pb-c.h"
#include "worker/rules/rules.h"

struct commit_config {
    struct store *store;   /* outlives the commit */
    const char *worker_id; /* the same */
    enum rules_profile profile;
    const struct rules_severities *severities; /* the same; NULL: the profile's */
    size_t memory_bytes; /* the most for each: texts and keys, the arrays over them, one event unpacked */
    bool gaps;           /* a batch is taken though the one before it was not */
};

struct commit;
enum err commit_open(const struct commit_config *config, struct commit **out); /* ERR_MEMORY */
void commit_close(struct commit **commit);

/* What became of each frame, in order: valid until the next call. An answer that is NULL: the frame does not
 * even tell which batch it is. */
struct commit_result {
    const Epcis__Wire__V1__Acknowledgment *const *acks;
    size_t count;
    uint64_t committed; /* events, as the acks' segments sum up; not those of repeated batches */
    uint64_t duplicates;
    uint64_t dead_letters;
};

/* Validates and commits; returns once the outcome is durable. Whatever is wrong with the input is in the
 * acks, and ERR_OK the answer. ERR_LIMIT: too much for one call, fewer frames may do. ERR_DISK,
 * ERR_CORRUPT, ERR_MEMORY, ERR_SYSTEM (the store must be opened again). After an error nothing happened, but
 * that batches before one with rollback or validate_only may be committed: sent again, they are answered.
 * After an error `out` is empty: commit_refuse has acks. */
enum err commit_frames(struct commit *commit, const struct buffer *const *frames, size_t count,
                       struct commit_result *out);

/* What the last commit_frames that answered ERR_OK decided, item by item. Valid until the next call. */
struct work;
const struct work *commit_work(const struct commit *commit);

/* Acks that say the store failed, or with ERR_LIMIT that the batch is too large, for frames that
 * commit_frames gave `err` for. */
void commit_refuse(struct commit *commit, const struct buffer *const *frames, size_t count, enum err err,
                   struct commit_result *out);

#endif
