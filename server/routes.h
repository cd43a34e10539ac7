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
#include "server/isolation.h"
#include "server/partner.h"
#include "server/roster.h"

/* A partition's batches: those out, in one run, then those that wait. */
struct route {
    struct batch *first, **last;
    uint32_t out;           /* the first so many are out */
    int64_t lease_end_ms;   /* steady clock; while `out` */
    int64_t hold_until_ms;  /* nothing is sent before */
    uint32_t attempts;      /* of the run that is out */
    struct backoff backoff; /* after a store that failed */
    bool at_risk;           /* sent, and neither answered nor lost with its worker since */
    bool too_large;         /* a worker said so of the first batch */
    uint32_t deaths;        /* workers lost in a row with the run that is out */
    uint64_t behind;  /* one more than the last batch that the store said to have; 0: it is up to date */
    uint64_t rewound; /* the batch to come next, others are dropped; 0: any */
    bool stopped;     /* nothing is sent: a person must act */
    uint32_t singles; /* the first so many are sent one by one: one of them kills */
    struct isolation isolation;        /* of the first batch */
    char worker_id[ROSTER_TEXT_BYTES]; /* that named the run that is out; empty: none yet */
};

struct routes {
    const struct dispatcher_options *options;
    struct journal *journal;
    struct wire *wire;
    dispatcher_acknowledged_fn *acknowledged;
    void *context;
    struct breaker breaker;
    struct roster roster;
    char host[ROSTER_TEXT_BYTES]; /* this one's name, as in workers' ids */
    struct route all[PARTNER_PARTITIONS];
    uint32_t next;          /* whose turn it is */
    bool want_send;         /* a run waits for a worker with room */
    struct route *isolated; /* whose batch is searched by trials; NULL: none */
    int64_t alone_ms;       /* from then on trials wait for nobody else */
    struct buffer trial;
    int64_t worker_lost_ms; /* when the last one was; steady clock */
    struct dispatcher_status status;
    struct arena arena;
};

/* What the arguments name outlives the routes. Without sockets they can heed, not send. */
void routes_init(struct routes *routes, const struct dispatcher_options *options, struct journal *journal,
                 dispatcher_acknowledged_fn *acknowledged, void *context);

/* The same with sockets. Errors as wire_bind. */
enum err routes_open(struct routes *routes, const struct dispatcher_options *options, struct journal *journal,
                     dispatcher_acknowledged_fn *acknowledged, void *context);
void routes_close(struct routes *routes);

/* Takes over a list of batches. */
void routes_append(struct routes *routes, struct batch *batches);

/* Sends what is due, each partition in its turn, until no worker has room; while `draining` no run for the
 * first time. Returns for how many milliseconds nothing falls due. */
int64_t routes_send_due(struct routes *routes, bool draining);

/* The process with this id on this host has ended: what it had is due at once, unless it said goodbye. */
void routes_process_ended(struct routes *routes, pid_t pid);

/* Heeds an acknowledgment or a heartbeat; the other one is NULL. */
void routes_heed(struct routes *routes, const Epcis__Wire__V1__Acknowledgment *ack,
                 const Epcis__Wire__V1__Heartbeat *beat);

/* Heeds all acknowledgments and heartbeats that have come in. */
void routes_heed_news(struct routes *routes);

/* ---- what the files of this module share ---- */

/* What is out of the route is sent again after the pause, not before. */
void routes_hold(struct route *route, uint32_t pause_ms);

/* What the worker had, and what may have been on its way to it, is due at once; where it `died` that counts
 * against the run. */
void routes_worker_left(struct routes *routes, const char *worker_id, bool died);

/* Drops all of the route's batches, and has those after `sequence` handed over again. */
void routes_rewind(struct routes *routes, struct route *route, uint32_t partition, uint64_t sequence);

/* The worker that had what is out is no more: it is due at once, and counts against the run. */
void routes_lose(struct routes *routes, struct route *route);

/* Before the run that is out is sent again: where too many workers were lost with it, it is cut to single
 * batches, and a single one becomes the isolated one unless there is another. */
void routes_heed_deaths(struct routes *routes, struct route *route);

/* Sends the isolated batch's next trial; errors as wire_send_run, ERR_MEMORY. */
enum err routes_send_trial(struct routes *routes, const struct route *route);

/* Heeds TRIAL_OK or TOO_LARGE for the isolated batch. */
void routes_heed_trial(struct routes *routes, struct route *route,
                       const Epcis__Wire__V1__Acknowledgment *ack);

/* The isolated route may send: no other waits for a worker's answer, or one that hangs has been waited for.
 */
bool routes_is_alone(const struct routes *routes, const struct route *route, int64_t now_ms);

/* The route's first batch is done with: it is no longer the isolated one. */
void routes_release(struct routes *routes, struct route *route);

#endif
