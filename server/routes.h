/* The dispatcher's routes: which batches of each partition wait, which are out at a worker and until when,
 * and what an answer changes. Internal to the dispatcher, on its thread alone. */
#ifndef EPCISD_SERVER_ROUTES_H
#define EPCISD_SERVER_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/backoff.h"
#include "common/wire/wire.h"
#include "server/breaker.h"
#include "server/dispatcher.h"
#include "server/partner.h"

enum { ROUTES_WORKER_ID_BYTES = 128 };

/* A partition's batches: those out, in one run, then those that wait. */
struct route {
    struct batch *first, **last;
    uint32_t out;                           /* the first so many are out */
    int64_t lease_end_ms;                   /* steady clock; while `out` */
    int64_t hold_until_ms;                  /* nothing is sent before */
    uint32_t attempts;                      /* of the run that is out */
    struct backoff backoff;                 /* after a store that failed */
    char worker_id[ROUTES_WORKER_ID_BYTES]; /* that named the run that is out; empty: none yet */
};

struct routes {
    const struct dispatcher_options *options;
    struct journal *journal;
    struct wire *wire;
    dispatcher_acknowledged_fn *acknowledged;
    void *context;
    struct breaker breaker;
    struct route all[PARTNER_PARTITIONS];
    uint32_t next;  /* whose turn it is */
    bool want_send; /* a run waits for a worker with room */
    struct dispatcher_status status;
    struct arena arena;
};

/* ERR_SYSTEM, ERR_MEMORY: as wire_bind. What the arguments name outlives the routes. */
enum err routes_open(struct routes *routes, const struct dispatcher_options *options, struct journal *journal,
                     dispatcher_acknowledged_fn *acknowledged, void *context);
void routes_close(struct routes *routes);

/* Takes over a list of batches. */
void routes_append(struct routes *routes, struct batch *batches);

/* Sends what is due, each partition in its turn, until no worker has room; while `draining` no run for the
 * first time. Returns for how many milliseconds nothing falls due. */
int64_t routes_send_due(struct routes *routes, bool draining);

/* What the worker had on this host under this process id is due at once. */
void routes_worker_gone(struct routes *routes, pid_t pid);

/* Heeds all acknowledgments and heartbeats that have come in. */
void routes_heed_news(struct routes *routes);

#endif
