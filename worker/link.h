/* The thread that owns a worker's sockets: takes runs in, says what is under way, publishes results. It also
 * ends the process where a transaction takes more processor time than any can: its heartbeats would let a
 * loop without end keep its run for ever. The server then finds the event that does it, as for one that
 * crashes workers. Time spent waiting, for a lock or a slow disk, does not count. */
#ifndef EPCISD_WORKER_LINK_H
#define EPCISD_WORKER_LINK_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/wire/wire.h"
#include "worker/queue.h"

struct link_config {
    struct wire *wire; /* the link thread's own from link_start to link_join */
    struct queue *queue;
    const char *worker_id;
    const char *rule_pack; /* for heartbeats, as what follows */
    const char *store;
    int64_t started_ms;
    Epcis__V1__ConfigOption **options;
    size_t option_count;
    int64_t turn_max_cpu_ms; /* of a transaction, besides a second for each MiB that was taken for it */
    const atomic_bool *stop; /* set by a signal, which ends a wait as well: no further run is taken */
};

struct link;

/* Starts the thread, which alone has SIGTERM and SIGINT unblocked; the caller has them blocked. `config` and
 * what it names outlive the thread. ERR_MEMORY, ERR_SYSTEM. */
enum err link_start(const struct link_config *config, struct link **out);

/* Waits for the thread: it ends once the committing thread has finished and all is published. */
void link_join(struct link **link);

#endif
