/* What the journal tells an auditor of batches and documents, as they stood at one moment. Reads only; any
 * thread. Nothing here holds a transaction open from one call to the next, so no reader keeps old pages. */
#ifndef EPCISD_SERVER_JOURNAL_LEDGER_H
#define EPCISD_SERVER_JOURNAL_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/base/merkle.h"
#include "server/journal.h"
#include "server/partner.h"

/* How far all had come. What lies within does not change any more, but that documents finish. */
struct journal_extent {
    uint64_t last_document; /* 0: none */
    uint64_t last_checkpoint;
    struct journal_extent_partition {
        uint64_t last_sequence;         /* 0: no batch */
        uint64_t acknowledged_sequence; /* what became of batches up to here is known */
    } partitions[PARTNER_PARTITIONS];
};

/* ERR_DISK, ERR_CORRUPT, ERR_MEMORY. */
enum err journal_extent_get(struct journal *journal, struct journal_extent *out);

/* Whether every item of the document was decided within `extent`: its counts are final then, and the same
 * whenever they are asked for. */
bool journal_extent_holds(const struct journal_extent *extent, const Epcis__Store__V1__CaptureRecord *record);

/* Appends the digests of a batch's items, at most `count` from `first` on. ERR_NOT_FOUND, ERR_DISK,
 * ERR_CORRUPT, ERR_MEMORY. */
enum err journal_leaves(struct journal *journal, uint32_t partition, uint64_t sequence, size_t first,
                        size_t count, struct buffer *out);

/* The digest of one item, and what leads from it to the batch's root. */
struct journal_leaf {
    uint8_t digest[DIGEST_BYTES];
    size_t count; /* of the batch's items */
    uint8_t path[MERKLE_PATH_MAX][DIGEST_BYTES];
    size_t path_length;
};

/* ERR_NOT_FOUND: there is no such item; ERR_DISK, ERR_CORRUPT. */
enum err journal_leaf(struct journal *journal, uint32_t partition, uint64_t sequence, size_t index,
                      struct journal_leaf *out);

#endif
