/* The committing thread's loop: takes what waits in the queue into one transaction after another. */
#ifndef EPCISD_WORKER_WORKER_H
#define EPCISD_WORKER_WORKER_H

#include "worker/commit.h"
#include "worker/queue.h"

struct worker_config {
    struct queue *queue;
    struct commit *commit;
    size_t transaction_max_bytes; /* of runs; one run is always taken */
};

/* Runs until the queue is stopped, then calls queue_finish. ERR_OK; ERR_SYSTEM: the store must be opened
 * again, which a new process does. Blocks. */
enum err worker_run(const struct worker_config *config);

#endif
