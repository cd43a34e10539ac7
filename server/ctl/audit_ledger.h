/* What `epcisctl audit` shows of the ledger: batches, proofs, and all of it as a file. Each returns the
 * program's exit code; what went wrong was told on standard error. */
#ifndef EPCISD_CTL_AUDIT_LEDGER_H
#define EPCISD_CTL_AUDIT_LEDGER_H

#include <stdint.h>

#include "server/ctl/client.h"
#include "server/ctl/ctl.h"

/* Which part of the ledger is meant. */
struct audit_scope {
    const char *partition;  /* a number; "": all */
    int64_t from_ms, to_ms; /* 0: no bound */
};

/* Writes the lines to standard output as they come. */
int audit_ledger_export(const struct ctl_common *common, struct client *client, int64_t deadline_ms,
                        const struct audit_scope *scope);

int audit_ledger_batches(const struct ctl_common *common, struct client *client, int64_t deadline_ms,
                         const struct audit_scope *scope);

/* `text`: PARTITION/SEQUENCE. */
int audit_ledger_batch(const struct ctl_common *common, struct client *client, int64_t deadline_ms,
                       const char *text);

/* `event`: a document's capture id, a slash and the event's number in it from 0; or the sequence of a
 * committed event. */
int audit_ledger_prove(const struct ctl_common *common, struct client *client, int64_t deadline_ms,
                       const char *event);

#endif
