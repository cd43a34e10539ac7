/* How batches and proofs of the ledger are printed. */
#ifndef EPCISD_CTL_AUDIT_PROOF_H
#define EPCISD_CTL_AUDIT_PROOF_H

#include <stdint.h>

#include "common/base/buffer.h"
#include "epcis/v1/audit_service.pb-c.h"
#include "server/ctl/audit_keys.h"

/* "committed"; "pending" for 0. */
const char *audit_proof_outcome(uint8_t outcome);

/* A batch as one JSON object. */
void audit_proof_batch(struct buffer *out, const Epcis__V1__LedgerBatch *batch);

/* A proof as one line of JSON, as InclusionProof says; what scripts/verify-ledger reads. */
void audit_proof_json(struct buffer *out, const Epcis__V1__InclusionProof *proof,
                      const struct audit_keys *keys);

void audit_proof_text(struct buffer *out, const Epcis__V1__InclusionProof *proof);

#endif
