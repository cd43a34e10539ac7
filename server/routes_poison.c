/* Runs that end their workers: cut to single batches, then the one batch is searched for its item by trials.
 * While there are trials nothing else is out, so that nobody is blamed for what another did. */
#include <inttypes.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/batch.h"
#include "server/routes.h"

enum {
    DEATHS_MAX = 3,   /* workers lost in a row, before something is done about it */
    ALONE_MS = 10000, /* a worker that hangs, yet lives, must not hold trials up for ever */
};

void routes_release(struct routes *routes, struct route *route)
{
    if (routes->isolated == route)
        routes->isolated = NULL;
    route->isolation.items = 0;
    route->deaths = 0;
    route->too_large = false;
}

/* ---- the item ---- */

static struct batch *batch_of_op(struct journal_op *op)
{
    return (struct batch *)((char *)op - offsetof(struct batch, op));
}

static void condemned_recorded(struct journal_op *op, enum err err)
{
    struct wire *wire = op->context;
    if (err) /* stopping: the search begins again at the next start */
        return;
    atomic_store(&batch_of_op(op)->recording, false); /* and the operation is the dispatcher's again */
    wire_wake(wire);
}

static void log_condemned(const struct batch *batch, uint32_t position)
{
    char capture[UUID_TEXT + 1] = "";
    uint32_t end = 0;
    size_t i = 0;
    while (i < batch->span_count && (end += batch->spans[i].count) <= position)
        i++;
    if (i < batch->span_count)
        uuid_text(batch->spans[i].capture_id, capture);
    log_error(
        "event_condemned",
        "partition=%u batch=%" PRIu64 " item=%u capture=%s detail=\"it ended every worker that tried "
        "it, or is too large for each, and becomes a dead letter POISON_EVENT; please report it with the "
        "workers' logs\"",
        batch->partition, batch->sequence, position, capture);
}

/* The journal knows of it before a worker does, so that it stays so whatever ends meanwhile. */
static void condemn(struct routes *routes, struct route *route)
{
    struct batch *batch = route->first;
    uint32_t position = route->isolation.passed;
    enum err err = batch_condemn(batch, position);
    routes_release(routes, route);
    if (err) {
        routes_hold(route, backoff_next_ms(&route->backoff));
        log_error("event_not_condemned", "partition=%u batch=%" PRIu64 " err=%s", batch->partition,
                  batch->sequence, err_name(err));
        return;
    }
    log_condemned(batch, position);
    routes->status.events_condemned++;
    atomic_store(&batch->recording, true);
    batch->op.kind = JOURNAL_CONDEMNED;
    batch->op.done = condemned_recorded;
    batch->op.context = routes->wire;
    batch->op.condemned = batch->condemned;
    batch->op.condemned_count = batch->condemned_count;
    journal_submit(routes->journal, &batch->op);
}

/* No item alone: the batch as a whole, or it was chance after all. */
static void acquit(struct routes *routes, struct route *route)
{
    const struct batch *batch = route->first;
    bool by_size = route->isolation.by_size;
    uint32_t pause_ms = backoff_next_ms(&route->backoff);
    routes_release(routes, route);
    route->isolation.passed = 0;
    routes_hold(route, pause_ms);
    log_error("batch_not_committed", "partition=%u batch=%" PRIu64 " again_in_ms=%u detail=\"%s\"",
              batch->partition, batch->sequence, pause_ms,
              by_size ? "no single event is too large, but the batch is: start workers with a larger "
                        "--memory-max-bytes; a smaller --batch-max-events helps documents to come"
                      : "workers ended with it, and no single event is to blame: it is tried again; where "
                        "it ends workers again, see their logs");
}

static void judge(struct routes *routes, struct route *route, enum isolation_step step)
{
    route->lease_end_ms = 0;
    if (step == ISOLATION_CONDEMN)
        condemn(routes, route);
    else if (step == ISOLATION_HARMLESS)
        acquit(routes, route);
}

/* ---- runs ---- */

void routes_lose(struct routes *routes, struct route *route)
{
    route->lease_end_ms = 0;
    if (!route->at_risk)
        return;
    route->at_risk = false;
    if (route->isolation.items)
        judge(routes, route, isolation_failed(&route->isolation));
    else
        route->deaths++;
}

void routes_heed_deaths(struct routes *routes, struct route *route)
{
    const struct batch *batch = route->first;
    uint32_t most = batch->condemned_count > 0 ? 1 : DEATHS_MAX; /* where there was one, there may be more */
    if (route->out == 0 || route->isolation.items || (route->deaths < most && !route->too_large))
        return;
    if (route->out > 1 && !route->too_large) {
        log_warning("run_cut",
                    "partition=%u batch=%" PRIu64 " batches=%u deaths=%u detail=\"workers ended with it: its "
                    "batches go one by one\"",
                    batch->partition, batch->sequence, route->out, route->deaths);
        route->singles = route->out;
        route->out = 1;
        route->deaths = 0;
        return;
    }
    if (routes->isolated)
        return;
    log_warning("batch_isolated",
                "partition=%u batch=%" PRIu64 " items=%u deaths=%u detail=\"%s: which of its events does it "
                "is found by trials, and nothing else is sent meanwhile\"",
                batch->partition, batch->sequence, batch->items, route->deaths,
                route->too_large ? "it takes more memory than a worker has" : "workers ended with it");
    route->singles = route->out;
    route->out = 1;
    routes->isolated = route;
    routes->alone_ms = clock_steady_ms() + ALONE_MS;
    breaker_move_probe(&routes->breaker, batch->partition);
    isolation_begin(&route->isolation, batch->items, route->isolation.passed, route->too_large);
}

/* ---- trials ---- */

enum err routes_send_trial(struct routes *routes, const struct route *route)
{
    Epcis__Wire__V1__Batch part = EPCIS__WIRE__V1__BATCH__INIT;
    isolation_range(&route->isolation, &part.trial_first, &part.trial_count);
    buffer_clear(&routes->trial);
    buffer_append(&routes->trial, route->first->frame.data, route->first->frame.length);
    buffer_append_message(&routes->trial, &part.base);
    if (routes->trial.failed) {
        buffer_free(&routes->trial);
        return ERR_MEMORY;
    }
    return wire_send_run(routes->wire, &routes->trial, 1);
}

void routes_heed_trial(struct routes *routes, struct route *route, const Epcis__Wire__V1__Acknowledgment *ack)
{
    uint32_t first, count;
    isolation_range(&route->isolation, &first, &count);
    if (ack->trial_first != first || ack->trial_count != count) /* of an earlier trial */
        return;
    route->at_risk = false;
    judge(routes, route,
          ack->result == EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_TRIAL_OK
              ? isolation_passed(&route->isolation)
              : isolation_failed(&route->isolation));
}

bool routes_is_alone(const struct routes *routes, const struct route *route, int64_t now_ms)
{
    for (size_t i = 0; i < PARTNER_PARTITIONS && now_ms < routes->alone_ms; i++) {
        const struct route *other = &routes->all[i];
        if (other != route && other->out > 0 && other->lease_end_ms > now_ms)
            return false;
    }
    return true;
}
