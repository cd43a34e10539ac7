/* What the journal keeps for auditors: the keys that sign, and checkpoints. Written by its writer
 * (JOURNAL_KEY, JOURNAL_CHECKPOINT), which also signs; reading is safe on any thread.
 *
 * Trees: `key` number -> epcis.v1.SigningKey; `checkpoint` number -> epcis.v1.SignedCheckpoint. Both are
 * numbered from 1 without gaps and never shrink. */
#ifndef EPCISD_SERVER_JOURNAL_AUDIT_H
#define EPCISD_SERVER_JOURNAL_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/signature.h"
#include "epcis/v1/audit_service.pb-c.h"
#include "server/journal.h"

enum {
    JOURNAL_AUDIT_ALL_EVERY = 256,    /* checkpoints whose number this divides list every partition */
    JOURNAL_AUDIT_GROWTH_MAX = 10000, /* batches of a partition between two checkpoints, about */
};

/* The key that signs every receipt and checkpoint from this operation on. It is recorded where it is not the
 * last one known already, with the signature of the key that signed up to now where there is one. Borrowed
 * until another has taken its place, or the journal is closed. */
struct journal_key {
    const struct signature_key *key;
    const char *requested_by;
};

/* Which entries of a list to read. */
struct journal_audit_page {
    uint64_t from; /* number of the first; 0: begin at the first of all. Set to where the next page begins,
                      0: that was all */
    bool newest_first;
    uint32_t limit;
};

/* All of these: ERR_DISK, ERR_CORRUPT, ERR_LIMIT (the arena's budget). */

/* ERR_NOT_FOUND: there is none yet. */
enum err journal_audit_last_key(struct journal *journal, struct arena *arena, Epcis__V1__SigningKey **out);

enum err journal_audit_keys(struct journal *journal, struct journal_audit_page *page, struct arena *arena,
                            Epcis__V1__ListKeysResponse *out);
enum err journal_audit_checkpoints(struct journal *journal, struct journal_audit_page *page,
                                   struct arena *arena, Epcis__V1__ListCheckpointsResponse *out);

/* Checkpoint `number`, and what was signed. ERR_CORRUPT where there is none. */
enum err journal_audit_checkpoint(struct journal *journal, uint64_t number, struct arena *arena,
                                  Epcis__V1__SignedCheckpoint **out, Epcis__V1__Checkpoint **unpacked);

/* What the checkpoint says of the partition; NULL: it does not list it. */
const Epcis__V1__PartitionHead *journal_audit_head(const Epcis__V1__Checkpoint *checkpoint,
                                                   uint32_t partition);

#endif
