/* The lines of an export, as epcis/v1/ledger.proto lays them down: each function appends one. No state; any
 * thread. Memory that runs out shows in out->failed; records whose digests have a wrong length cannot be told
 * (ERR_CORRUPT). */
#ifndef EPCISD_SERVER_EXPORT_LINE_H
#define EPCISD_SERVER_EXPORT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "epcis/store/v1/journal.pb-c.h"
#include "epcis/v1/audit_service.pb-c.h"
#include "server/signer.h"

/* What its signature is of, see epcis.v1.AuditService. */
#define EXPORT_DOMAIN "epcisd export 1"

enum { EXPORT_LINE_ITEMS = 1000 }; /* in one line of items */

/* What an export is to hold. */
struct export_range {
    bool one_partition; /* `partition` alone */
    uint32_t partition;
    int64_t from_ms, to_ms; /* of receipts: from, and before; 0: no bound */
};

void export_line_header(struct buffer *out, const struct export_range *range, int64_t exported_ms,
                        uint64_t last_document);
void export_line_key(struct buffer *out, const Epcis__V1__SigningKey *key);
void export_line_checkpoint(struct buffer *out, const Epcis__V1__SignedCheckpoint *checkpoint);

/* `final`: every item is decided, and state and counts are told. */
enum err export_line_document(struct buffer *out, uint64_t number,
                              const Epcis__Store__V1__CaptureRecord *record, bool final);

/* A batch of so many items. `parent_outcome_id`: NULL where the batch is not decided. */
enum err export_line_batch(struct buffer *out, uint32_t partition, uint64_t sequence, uint64_t items,
                           const Epcis__Store__V1__BatchRecord *record, const uint8_t *parent_outcome_id);

/* Items of the batch before, from `first` on. `outcomes`: NULL where it is not decided. */
void export_line_items(struct buffer *out, uint64_t first, const struct buffer *leaves,
                       const uint8_t *outcomes);

/* `sha256` is of all lines before. */
void export_line_trailer(struct buffer *out, uint64_t lines, const uint8_t sha256[DIGEST_BYTES],
                         const struct signer_signature *signature);

#endif
