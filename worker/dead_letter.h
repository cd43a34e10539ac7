/* Dead letters as the store keeps them. Internal to worker/; one thread. */
#ifndef EPCISD_WORKER_DEAD_LETTER_H
#define EPCISD_WORKER_DEAD_LETTER_H

#include "common/base/err.h"
#include "worker/work.h"

/* Writes the refused event (with validate_only: any event of which something was found), its reasons, where
 * it stood, and what people look for it by. `scratch` is reset. What the store answers. */
enum err dead_letter_write(struct store_txn *txn, const struct work_batch *batch,
                           const struct work_event *event, struct arena *scratch);

#endif
