/* Error declarations: the state of items without an event that was declared wrong. Internal to worker/; one
 * thread. */
#ifndef EPCISD_WORKER_REPLAY_H
#define EPCISD_WORKER_REPLAY_H

#include "worker/work.h"

/* Keeps that `declaration`, which is committed, declares the event `wrong` to be wrong, and makes the state
 * of all items that both name anew from their histories without it. What the store answers; ERR_MEMORY,
 * ERR_LIMIT. */
enum err replay_without(struct work *work, struct store_txn *txn, const struct work_event *declaration,
                        uint64_t wrong);

#endif
