/* Sends runs to workers and hears what became of them. Its one thread owns the sockets, the batches that wait
 * and the leases of those that are out: a run whose lease ends unacknowledged is sent again, for ever,
 * because PUSH and PUB may lose anything. At most one run of a partition is out. Where the store fails, a run
 * waits a while that grows, and where it keeps failing, nothing goes out but a probe now and then. A run
 * with which workers die is cut down to the one event that kills them, which is condemned: it becomes a dead
 * letter that no worker looks into. */
#ifndef EPCISD_SERVER_DISPATCHER_H
#define EPCISD_SERVER_DISPATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/wire/wire.h"
#include "server/breaker.h"
#include "server/roster.h"

struct batch;
struct dispatcher;
struct journal;

/* Called on the dispatcher's thread where the store has lost batches that it had: its last one of the
 * partition is `sequence`. All batches handed over and not acknowledged have been dropped, or will be, each
 * reported as acknowledged; those after `sequence` are to be handed over again, in order, none left out. Must
 * not block. */
typedef void dispatcher_rewind_fn(void *context, uint32_t partition, uint64_t sequence);

struct dispatcher_options {
    struct wire_server wire;
    uint64_t run_max_batches;
    uint64_t run_max_bytes;
    uint64_t lease_ms; /* from sending, or from the last heartbeat that named the run */
    dispatcher_rewind_fn *rewind;
    uint64_t silent_ms; /* a worker not heard of for so long is lost, and what it had sent again */
};

/* Called on the dispatcher's thread for each batch that is in the store, or dropped; `bytes` of memory came
 * free. Must not block. */
typedef void dispatcher_acknowledged_fn(void *context, uint32_t partition, size_t bytes);

/* Binds the endpoints and starts. Errors as wire_bind. */
enum err dispatcher_open(const struct dispatcher_options *options, struct journal *journal,
                         dispatcher_acknowledged_fn *acknowledged, void *context, struct dispatcher **out);

/* The endpoints in fact bound. Valid as long as the dispatcher. */
const char *dispatcher_work_endpoint(const struct dispatcher *dispatcher);
const char *dispatcher_ack_endpoint(const struct dispatcher *dispatcher);

/* Takes over a closed batch that the journal has recorded. A partition's batches come in order. Any thread.
 */
void dispatcher_enqueue(struct dispatcher *dispatcher, struct batch *batch);

/* A worker on this host is gone: what it had is sent again at once. Any thread. */
void dispatcher_worker_gone(struct dispatcher *dispatcher, pid_t pid);

/* Counts are since the start. */
struct dispatcher_status {
    uint32_t runs_out;           /* at workers, now */
    uint64_t runs_resent;        /* because nothing was heard of them, or the store failed */
    uint64_t store_failures;     /* answers that the store could not commit */
    uint32_t partitions_stopped; /* whose batches do not fit the store's: a person must act */
    uint64_t rewinds;            /* of partitions whose store had lost batches */
    uint64_t events_condemned;   /* because they killed workers, or are too large for them */
    uint64_t peers_refused;      /* connections to the endpoints that were turned away */
    enum breaker_state breaker;  /* other than closed: the store keeps failing, and a person should look */
};

/* Copies what is known of up to `size` workers; returns how many there are, ROSTER_WORKERS_MAX at most. Any
 * thread. */
size_t dispatcher_workers(struct dispatcher *dispatcher, struct roster_worker *out, size_t size);

/* How things were a moment ago. Any thread. */
void dispatcher_status(struct dispatcher *dispatcher, struct dispatcher_status *out);

/* Sends no further run, waits at most `timeout_ms` until none is out, and stops the thread. True: none is
 * out. */
bool dispatcher_stop(struct dispatcher *dispatcher, uint64_t timeout_ms);

/* Frees all, also what waits or is still out: the journal knows of it. After the journal is closed, which may
 * still hand batches on. */
void dispatcher_close(struct dispatcher **dispatcher);

#endif
