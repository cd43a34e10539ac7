#include "server/routes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "server/batch.h"

enum {
    NEWS_BYTES = 8 << 20, /* memory one acknowledgment may take */
    RETRY_FIRST_MS = 200, /* after a store failed, or a socket */
    RETRY_MAX_MS = 30000,
    UNNOTICED_MS = 1000, /* so long ZeroMQ may go on sending to a worker that is no more */
    TAKE_UP_MS = 500,    /* in which a worker names what it was sent, unless it is busy */
};

void routes_init(struct routes *routes, const struct dispatcher_options *options, struct journal *journal,
                 dispatcher_acknowledged_fn *acknowledged, void *context)
{
    uint64_t seed = (uint64_t)clock_wall_ms();
    *routes = (struct routes){.options = options,
                              .journal = journal,
                              .acknowledged = acknowledged,
                              .context = context,
                              .worker_lost_ms = INT64_MIN / 2};
    arena_init(&routes->arena, NEWS_BYTES);
    breaker_init(&routes->breaker, seed);
    roster_init(&routes->roster);
    if (gethostname(routes->host, sizeof routes->host - 1))
        strcpy(routes->host, "localhost");
    for (uint32_t i = 0; i < PARTNER_PARTITIONS; i++) {
        routes->all[i].last = &routes->all[i].first;
        backoff_init(&routes->all[i].backoff, RETRY_FIRST_MS, RETRY_MAX_MS, seed + 1 + i);
    }
}

enum err routes_open(struct routes *routes, const struct dispatcher_options *options, struct journal *journal,
                     dispatcher_acknowledged_fn *acknowledged, void *context)
{
    routes_init(routes, options, journal, acknowledged, context);
    return wire_bind(&options->wire, &routes->wire);
}

void routes_close(struct routes *routes)
{
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++)
        batch_free_list(routes->all[i].first);
    buffer_free(&routes->trial);
    wire_close(&routes->wire);
    roster_free(&routes->roster);
    arena_free(&routes->arena);
}

static void drop(struct routes *routes, struct batch *batch)
{
    routes->acknowledged(routes->context, batch->partition, batch->op.bytes);
    batch_free(batch);
}

void routes_rewind(struct routes *routes, struct route *route, uint32_t partition, uint64_t sequence)
{
    for (struct batch *batch = route->first, *next; batch; batch = next) {
        next = batch->next;
        drop(routes, batch);
    }
    routes_release(routes, route);
    routes->status.runs_out -= route->out > 0;
    routes->status.rewinds++;
    route->first = NULL;
    route->last = &route->first;
    route->out = route->singles = 0;
    route->behind = 0;
    route->hold_until_ms = 0;
    route->isolation.passed = 0;
    route->rewound = sequence + 1;
    routes->options->rewind(routes->context, partition, sequence);
}

void routes_append(struct routes *routes, struct batch *batches)
{
    for (struct batch *batch = batches, *next; batch; batch = next) {
        struct route *route = &routes->all[batch->partition];
        next = batch->next;
        batch->next = NULL;
        if (route->rewound && batch->sequence != route->rewound) {
            drop(routes, batch);
            continue;
        }
        route->rewound = 0;
        *route->last = batch;
        route->last = &batch->next;
    }
}

/* ---- sending ---------------------------------------------------------------------------------------- */

/* How many of the waiting batches make one run. A run sent again stays the run it was. */
static uint32_t run_length(const struct routes *routes, const struct route *route)
{
    uint32_t count = 0;
    size_t bytes = 0;
    if (route->singles > 0)
        return 1;
    for (const struct batch *batch = route->first; batch; batch = batch->next) {
        bytes += batch->frame.length;
        if (count > 0 &&
            (count == routes->options->run_max_batches || bytes > routes->options->run_max_bytes))
            break;
        count++;
    }
    return count;
}

void routes_hold(struct route *route, uint32_t pause_ms)
{
    route->hold_until_ms = route->lease_end_ms = clock_steady_ms() + pause_ms;
    route->at_risk = false;
}

static enum err send_run(struct routes *routes, const struct route *route, uint32_t count)
{
    struct buffer frames[WIRE_RUN_BATCHES_MAX];
    if (route->isolation.items)
        return routes_send_trial(routes, route);
    const struct batch *batch = route->first;
    for (uint32_t i = 0; i < count; i++, batch = batch->next)
        frames[i] = batch->frame;
    return wire_send_run(routes->wire, frames, count);
}

/* What was sent just after a worker was lost may be lost with it: soon sent again unless it is taken up. */
static int64_t first_lease_ms(const struct routes *routes, int64_t now_ms)
{
    int64_t lease_ms = (int64_t)routes->options->lease_ms;
    bool doubtful = now_ms - routes->worker_lost_ms < UNNOTICED_MS;
    return doubtful && lease_ms > TAKE_UP_MS ? TAKE_UP_MS : lease_ms;
}

/* Sends the partition's next run, or the one whose lease ended again. */
static void route_send(struct routes *routes, struct route *route, int64_t now_ms)
{
    bool again = route->out > 0;
    uint32_t count = again ? route->out : run_length(routes, route);
    fault_end(FAULT_DISPATCHER_BEFORE_PUSH);
    enum err err = fault_hit(FAULT_DISPATCHER_PUSH) ? ERR_SYSTEM : send_run(routes, route, count);
    if (err == ERR_FULL) {
        routes->want_send = true;
        return;
    }
    if (err) {
        uint32_t pause_ms = backoff_next_ms(&route->backoff);
        log_error("run_not_sent", "partition=%u err=%s again_in_ms=%u", route->first->partition,
                  err_name(err), pause_ms);
        route->hold_until_ms = now_ms + pause_ms;
        return;
    }
    fault_end(FAULT_DISPATCHER_AFTER_PUSH);
    if (again && !route->isolation.items) {
        log_warning("run_sent_again", "partition=%u batch=%" PRIu64 " batches=%u attempt=%u worker=%s",
                    route->first->partition, route->first->sequence, count, route->attempts + 1,
                    route->worker_id[0] ? route->worker_id : "none");
        routes->status.runs_resent++;
    }
    routes->status.runs_out += !again;
    breaker_sent(&routes->breaker, route->first->partition);
    route->out = count;
    route->attempts = again ? route->attempts + 1 : 1;
    route->worker_id[0] = '\0';
    route->at_risk = true;
    route->lease_end_ms = now_ms + first_lease_ms(routes, now_ms);
}

/* When the route has something to send; INT64_MAX: only after news. */
static int64_t route_due_ms(const struct route *route, bool draining)
{
    if (!route->first || route->stopped || (draining && route->out == 0) ||
        atomic_load(&route->first->recording))
        return INT64_MAX;
    int64_t due_ms = route->out > 0 ? route->lease_end_ms : 0;
    return due_ms > route->hold_until_ms ? due_ms : route->hold_until_ms;
}

/* ---- workers ---------------------------------------------------------------------------------------- */

void routes_worker_left(struct routes *routes, const char *worker_id, bool died)
{
    routes->worker_lost_ms = clock_steady_ms();
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++) {
        struct route *route = &routes->all[i];
        if (route->out == 0 || (route->worker_id[0] && strcmp(route->worker_id, worker_id) != 0))
            continue;
        if (died)
            routes_lose(routes, route);
        else
            route->lease_end_ms = 0;
    }
}

void routes_process_ended(struct routes *routes, pid_t pid)
{
    char id[ROSTER_TEXT_BYTES];
    snprintf(id, sizeof id, "%.100s:%ld", routes->host, (long)pid);
    if (roster_ended(&routes->roster, id))
        routes_worker_left(routes, id, true);
}

/* Returns when the next worker may have been silent for too long. */
static int64_t lose_silent(struct routes *routes, int64_t now_ms)
{
    int64_t silent_ms = (int64_t)routes->options->silent_ms;
    const struct roster_worker *worker;
    while ((worker = roster_take_silent(&routes->roster, now_ms - silent_ms))) {
        log_warning("worker_state",
                    "worker=%s state=lost silent_ms=%" PRId64
                    " detail=\"what it had is sent again; where its "
                    "process is halted, end it: it may hold the store's lock\"",
                    worker->id, now_ms - worker->heard_ms);
        routes_worker_left(routes, worker->id, true);
    }
    int64_t oldest_ms = roster_oldest_ms(&routes->roster);
    return oldest_ms == INT64_MAX ? INT64_MAX : oldest_ms + silent_ms;
}

/* ---- what falls due --------------------------------------------------------------------------------- */

static bool may_send(const struct routes *routes, const struct route *route, uint32_t partition,
                     int64_t now_ms)
{
    if (routes->isolated && (routes->isolated != route || !routes_is_alone(routes, route, now_ms)))
        return false;
    return breaker_allows(&routes->breaker, partition, now_ms);
}

int64_t routes_send_due(struct routes *routes, bool draining)
{
    enum { IDLE_MS = 60000 };
    int64_t now_ms = clock_steady_ms(), next_ms = now_ms + IDLE_MS;
    int64_t silent_ms = lose_silent(routes, now_ms);
    if (silent_ms < next_ms)
        next_ms = silent_ms;
    routes->want_send = false;
    for (uint32_t i = 0; i < PARTNER_PARTITIONS; i++) {
        uint32_t turn = (routes->next + i) % PARTNER_PARTITIONS;
        struct route *route = &routes->all[turn];
        bool due = !routes->want_send && route_due_ms(route, draining) <= now_ms;
        if (due)
            routes_heed_deaths(routes, route);
        if (due && may_send(routes, route, turn, now_ms)) {
            route_send(routes, route, now_ms);
            if (routes->want_send)
                routes->next = turn; /* it is first when there is room */
        }
        int64_t due_ms = route_due_ms(route, draining);
        if (due_ms > now_ms && due_ms < next_ms)
            next_ms = due_ms;
    }
    const struct breaker *breaker = &routes->breaker; /* whoever may probe by now has done so above */
    if (breaker->state == BREAKER_OPEN && breaker->probe_at_ms > now_ms && breaker->probe_at_ms < next_ms)
        next_ms = breaker->probe_at_ms;
    if (routes->isolated && routes->alone_ms > now_ms && routes->alone_ms < next_ms)
        next_ms = routes->alone_ms;
    if (!routes->want_send)
        routes->next = (routes->next + 1) % PARTNER_PARTITIONS;
    return next_ms > now_ms ? next_ms - now_ms : 0;
}
