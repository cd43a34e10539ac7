/* What became of a batch's items, as epcis/v1/ledger.proto lays it down: one byte an item, and the hash chain
 * over them. No state; any thread. */
#ifndef EPCISD_SERVER_OUTCOME_H
#define EPCISD_SERVER_OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/digest.h"
#include "common/base/err.h"

struct outcome_tally {
    uint32_t committed, duplicates, dead_letters; /* events */
    uint32_t others;                              /* items that are no events */
};

/* Adds up `count` outcomes. ERR_INPUT: one of them is none. */
enum err outcome_tally(const uint8_t *outcomes, size_t count, struct outcome_tally *out);

/* outcome_id of a batch, `parent` being that of the batch before it. */
void outcome_id(const uint8_t parent[DIGEST_BYTES], const uint8_t batch_id[DIGEST_BYTES], int64_t decided_ms,
                const char *rule_pack, const uint8_t *outcomes, size_t count, uint8_t out[DIGEST_BYTES]);

#endif
