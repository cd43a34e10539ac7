/* Batches and proofs as AuditService shows them (epcis/v1/ledger.proto). Reads only; any thread. Answers are
 * in `arena`. All of these: ERR_DISK, ERR_CORRUPT, ERR_LIMIT (the arena's budget). */
#ifndef EPCISD_SERVER_LEDGER_QUERY_H
#define EPCISD_SERVER_LEDGER_QUERY_H

#include "common/base/arena.h"
#include "epcis/v1/audit_service.pb-c.h"
#include "server/journal.h"
#include "server/journal_ledger.h"

/* One batch, and its record where `record` is not NULL. ERR_NOT_FOUND. */
enum err ledger_query_batch(struct journal *journal, uint32_t partition, uint64_t sequence,
                            struct arena *arena, Epcis__V1__LedgerBatch **out,
                            Epcis__Store__V1__BatchRecord **record);

/* Which batches to list. */
struct ledger_query {
    bool one_partition;
    uint32_t partition;
    uint64_t first_sequence, last_sequence; /* 0: no bound */
    int64_t from_ms, to_ms;                 /* of decisions; 0: no bound */
    uint32_t limit;
};

/* A page of them, from *partition and *sequence on, which move to where the next page begins; *partition is
 * PARTNER_PARTITIONS where that was all. */
enum err ledger_query_batches(struct journal *journal, const struct ledger_query *query, uint32_t *partition,
                              uint64_t *sequence, struct arena *arena, Epcis__V1__ListBatchesResponse *out);

/* ERR_NOT_FOUND: no such document, or no such event in it. ERR_ORDER: what became of it is not known yet. */
enum err ledger_query_proof(struct journal *journal, const uint8_t capture_id[UUID_BYTES],
                            uint64_t event_index, struct arena *arena, Epcis__V1__InclusionProof **out);

#endif
