/* Writes the ledger as epcis/v1/ledger.proto lays it down, in pieces, for whoever sends it on. It shows how
 * all stood when the export began, however long it takes, and holds no transaction between two pieces. Its
 * memory is that of one batch's record, whatever the range. One thread at a time. */
#ifndef EPCISD_SERVER_EXPORT_H
#define EPCISD_SERVER_EXPORT_H

#include <stdbool.h>

#include "common/base/buffer.h"
#include "common/base/err.h"
#include "server/export_line.h"
#include "server/journal.h"
#include "server/signer.h"

struct export;

/* Both outlive the export. ERR_DISK, ERR_CORRUPT, ERR_MEMORY. */
enum err export_open(struct journal *journal, struct signer *signer, const struct export_range *range,
                     struct export **out);
void export_close(struct export **export);

/* Appends the next lines, some 64 KiB, or none where a stretch held nothing that belongs here. *done: these
 * were the last. ERR_DISK, ERR_CORRUPT, ERR_LIMIT (a record is too large), ERR_MEMORY. */
enum err export_next(struct export *export, struct buffer *out, bool *done);

#endif
