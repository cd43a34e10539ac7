/* Answers to batches. Internal to worker/; on the committing thread. */
#ifndef EPCISD_WORKER_ACK_H
#define EPCISD_WORKER_ACK_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "epcis/wire/v1/wire.pb-c.h"
#include "worker/commit.h"
#include "worker/work.h"

struct ack_maker {
    const char *worker_id; /* outlives the answers */
    struct arena arena;    /* in which they are; outlives the work's */
};

/* An answer that tells of no event. `detail` outlives it. NULL: the arena's budget. */
Epcis__Wire__V1__Acknowledgment *ack_new(struct ack_maker *maker, const struct batch *batch,
                                         Epcis__Wire__V1__BatchResult result, const char *detail);

/* Fills in what became of each event of a decided batch, and adds it to the totals. ERR_LIMIT. */
enum err ack_events(struct ack_maker *maker, const struct work *work, const struct work_batch *batch,
                    struct commit_result *totals);

#endif
