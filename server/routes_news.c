/* What workers say: results of batches, and what they have under way. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "server/batch.h"
#include "server/counters.h"
#include "server/outcome.h"
#include "server/routes.h"

static void acknowledgment_recorded(struct journal_op *op, enum err err)
{
    fault_end(FAULT_DISPATCHER_RECORDED);
    (void)err; /* stopping: the batch is sent again at the next start, and the store says that it has it */
    batch_free(op->context);
}

static void count_results(const Epcis__Wire__V1__SegmentResult *result)
{
    counters_add(COUNTER_EVENTS_COMMITTED, result->committed);
    counters_add(COUNTER_EVENTS_DUPLICATE, result->duplicates);
    counters_add(COUNTER_EVENTS_DEAD, result->dead_letters);
    counters_add(COUNTER_WARNINGS, result->warnings);
}

/* The first batch of the route is in the store. */
static void route_advance(struct routes *routes, struct route *route,
                          const Epcis__Wire__V1__Acknowledgment *ack)
{
    fault_end(FAULT_DISPATCHER_ACKNOWLEDGED);
    struct batch *batch = route->first;
    struct buffer outcomes = {0};
    buffer_append(&outcomes, ack->outcomes.data, ack->outcomes.len);
    if (outcomes.failed) {
        log_error("acknowledgment_dropped", "partition=%u batch=%" PRIu64 " err=%s", batch->partition,
                  batch->sequence, err_name(ERR_MEMORY));
        return; /* the lease runs out and the batch comes again */
    }
    counters_add(COUNTER_BATCHES_ACKNOWLEDGED, 1);
    for (size_t i = 0; i < batch->span_count; i++) {
        const Epcis__Wire__V1__SegmentResult *result = ack->segments[i];
        if (!batch->spans[i].terms.validate_only)
            count_results(result);
        batch->results[i] = (struct journal_span_result){.committed = result->committed,
                                                         .duplicates = result->duplicates,
                                                         .dead_letters = result->dead_letters,
                                                         .warnings = result->warnings};
    }
    route->first = batch->next;
    if (!route->first)
        route->last = &route->first;
    route->hold_until_ms = 0;
    route->behind = 0;
    route->singles -= route->singles > 0;
    routes_release(routes, route);
    route->isolation.passed = 0;
    backoff_reset(&route->backoff);
    if (--route->out == 0)
        routes->status.runs_out--;
    else
        route->lease_end_ms = clock_steady_ms() + (int64_t)routes->options->lease_ms;

    uint32_t partition = batch->partition;
    size_t bytes = batch->op.bytes;
    snprintf(batch->rule_pack, sizeof batch->rule_pack, "%s", ack->rule_pack);
    buffer_free(&batch->frame);
    buffer_free(&batch->op.data);
    batch->op = (struct journal_op){.kind = JOURNAL_ACKNOWLEDGED,
                                    .done = acknowledgment_recorded,
                                    .context = batch,
                                    .bytes = sizeof *batch + outcomes.length,
                                    .data = outcomes,
                                    .decided_ms = clock_wall_ms(),
                                    .rule_pack = batch->rule_pack,
                                    .partition = partition,
                                    .sequence = batch->sequence,
                                    .results = batch->results,
                                    .result_count = batch->span_count};
    journal_submit(routes->journal, &batch->op);
    routes->acknowledged(routes->context, partition, bytes);
}

/* Every item of the batch must be accounted for, or the acknowledgment is none. */
static bool ack_adds_up(const struct batch *batch, const Epcis__Wire__V1__Acknowledgment *ack)
{
    if (ack->n_segments != batch->span_count || ack->outcomes.len != batch->items ||
        strlen(ack->rule_pack) >= sizeof batch->rule_pack)
        return false;
    const uint8_t *outcomes = ack->outcomes.data;
    for (size_t i = 0; i < batch->span_count; i++) {
        const Epcis__Wire__V1__SegmentResult *result = ack->segments[i];
        const struct batch_span *span = &batch->spans[i];
        struct outcome_tally tally;
        if (outcome_tally(outcomes, span->count, &tally) || tally.others != span->count - span->events ||
            tally.committed != result->committed || tally.duplicates != result->duplicates ||
            tally.dead_letters != result->dead_letters)
            return false;
        outcomes += span->count;
    }
    return true;
}

/* The store's last batch is before the one that this one follows, or there is no gap: to rewind to a batch
 * that was never acknowledged would leave out those before it. */
static bool is_gap(const struct batch *batch, const Epcis__Wire__V1__Acknowledgment *ack)
{
    return ack->last_sequence < batch->sequence - 1;
}

static void heed_store_failure(struct routes *routes, struct route *route,
                               const Epcis__Wire__V1__Acknowledgment *ack)
{
    int64_t now_ms = clock_steady_ms();
    uint32_t pause_ms = backoff_next_ms(&route->backoff);
    routes_hold(route, pause_ms);
    routes->status.store_failures++;
    log_warning(
        "store_failed", "partition=%u batch=%" PRIu64 " attempt=%u again_in_ms=%u worker=%s detail=\"%s\"",
        ack->partition, ack->sequence, route->backoff.attempts, pause_ms, ack->worker_id, ack->detail);
    if (breaker_failed(&routes->breaker, now_ms))
        log_error("store_given_up",
                  "failures=%u probe_in_ms=%" PRId64 " detail=\"the store keeps failing: nothing is sent to "
                  "workers but a probe now and then, and documents are still taken in; see the workers' log "
                  "for its reason (disk full, map full, file damaged)\"",
                  routes->breaker.failures, routes->breaker.probe_at_ms - now_ms);
}

/* The store lacks batches before this one. Told twice it is so; once may be an answer overtaken by a commit.
 */
static void heed_gap(struct routes *routes, struct route *route, const Epcis__Wire__V1__Acknowledgment *ack)
{
    bool again = route->behind == ack->last_sequence + 1;
    log_warning("batch_out_of_order",
                "partition=%u batch=%" PRIu64 " store_sequence=%" PRIu64 " worker=%s detail=\"%s\"",
                ack->partition, ack->sequence, ack->last_sequence, ack->worker_id,
                again ? "it has lost batches that it had, as one does that was restored from a backup: they "
                        "are made again from the journal's documents"
                      : "asking once more");
    route->behind = ack->last_sequence + 1;
    if (again)
        routes_rewind(routes, route, ack->partition, ack->last_sequence);
    else
        routes_hold(route, backoff_next_ms(&route->backoff));
}

/* The store has another history than the journal. */
static void heed_fork(struct routes *routes, struct route *route, const Epcis__Wire__V1__Acknowledgment *ack)
{
    log_error("partition_stopped",
              "partition=%u batch=%" PRIu64 " store_sequence=%" PRIu64 " worker=%s detail=\"%s: journal and "
              "store do not belong together. Nothing of this partition is sent until the server is started "
              "again; first bring back the store that belongs to this journal\"",
              ack->partition, ack->sequence, ack->last_sequence, ack->worker_id, ack->detail);
    route->stopped = true;
    route->out = 0;
    routes->status.runs_out--;
    routes->status.partitions_stopped++;
}

static void heed_bad_batch(struct route *route, const Epcis__Wire__V1__Acknowledgment *ack)
{
    uint32_t pause_ms = backoff_next_ms(&route->backoff); /* a short one first: it may be damage on the way */
    log_error("batch_refused",
              "partition=%u batch=%" PRIu64 " result=%d worker=%s again_in_ms=%u detail=\"%s: run server and "
              "workers of one version\"",
              ack->partition, ack->sequence, (int)ack->result, ack->worker_id, pause_ms, ack->detail);
    routes_hold(route, pause_ms);
}

/* It is passed over: the lease runs out, and the batch is sent again. */
static void tell_wrong(const Epcis__Wire__V1__Acknowledgment *ack)
{
    log_error("acknowledgment_wrong", "partition=%u batch=%" PRIu64 " worker=%s", ack->partition,
              ack->sequence, ack->worker_id);
}

static void heed_trial(struct routes *routes, struct route *route, const Epcis__Wire__V1__Acknowledgment *ack)
{
    bool whole = ack->trial_count == 0; /* of the batch as it is */
    if (whole && ack->result == EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_TRIAL_OK) {
        tell_wrong(ack);
    } else if (route->isolation.items) {
        routes_heed_trial(routes, route, ack);
    } else if (whole) {
        route->too_large = true;
        route->at_risk = false;
        route->lease_end_ms = 0;
    }
}

static void heed_ack(struct routes *routes, const Epcis__Wire__V1__Acknowledgment *ack)
{
    if (ack->partition >= PARTNER_PARTITIONS)
        return;
    struct route *route = &routes->all[ack->partition];
    struct batch *batch = route->first;
    /* A batch that was sent twice is acknowledged twice: the second time it is not here any more. */
    if (route->out == 0 || atomic_load(&batch->recording) || batch->sequence != ack->sequence ||
        ack->batch_id.len != DIGEST_BYTES || memcmp(ack->batch_id.data, batch->id, DIGEST_BYTES) != 0)
        return;
    if (ack->result == EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_STORE_FAILED) {
        heed_store_failure(routes, route, ack);
        return;
    }
    if (breaker_worked(&routes->breaker))
        log_info("store_works_again", "worker=%s detail=\"all runs are sent again\"", ack->worker_id);
    switch (ack->result) {
    case EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED:
        if (ack_adds_up(batch, ack))
            route_advance(routes, route, ack);
        else
            tell_wrong(ack);
        return;
    case EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_TOO_LARGE:
    case EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_TRIAL_OK:
        heed_trial(routes, route, ack);
        return;
    case EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_OUT_OF_ORDER:
        if (!is_gap(batch, ack)) {
            tell_wrong(ack);
            return;
        }
        routes_release(routes, route);
        heed_gap(routes, route, ack);
        return;
    case EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_FORK:
        routes_release(routes, route);
        heed_fork(routes, route, ack);
        return;
    default:
        routes_release(routes, route);
        heed_bad_batch(route, ack);
    }
}

/* Tells of a worker that is new, or in another state than before. */
static void tell_worker(const struct routes *routes, const struct roster_worker *worker)
{
    log_info("worker_state",
             "worker=%s state=%s rules=%s store=%s runs=%u batches=%" PRIu64 " committed=%" PRIu64
             " duplicates=%" PRIu64 " dead_letters=%" PRIu64,
             worker->id, roster_state_name(worker->state), worker->rule_pack, worker->store, worker->runs,
             worker->batches, worker->committed, worker->duplicates, worker->dead_letters);
    if (worker->state != ROSTER_WORKING)
        return;
    const struct roster_worker *other = roster_other_rules(&routes->roster, worker);
    if (other)
        log_warning("workers_differ",
                    "worker=%s rules=%s other=%s other_rules=%s detail=\"events are judged by either: bring "
                    "all workers to one version\"",
                    worker->id, worker->rule_pack, other->id, other->rule_pack);
    if (worker->wire_version > WIRE_VERSION)
        log_warning("worker_newer",
                    "worker=%s wire_version=%u here=%d detail=\"it may say what this server does not "
                    "understand: bring the server to its version\"",
                    worker->id, worker->wire_version, WIRE_VERSION);
}

static void heed_worker(struct routes *routes, const Epcis__Wire__V1__Heartbeat *beat, int64_t now_ms)
{
    const struct roster_worker *worker;
    bool changed = roster_heed(&routes->roster, beat, now_ms, &worker);
    if (!worker || !changed)
        return;
    tell_worker(routes, worker);
    if (worker->state == ROSTER_STOPPED)
        routes_worker_left(routes, worker->id, false);
}

static void heed_beat(struct routes *routes, const Epcis__Wire__V1__Heartbeat *beat)
{
    int64_t now_ms = clock_steady_ms();
    heed_worker(routes, beat, now_ms);
    for (size_t i = 0; i < beat->n_runs; i++) {
        const Epcis__Wire__V1__RunUnderWay *run = beat->runs[i];
        if (run->partition >= PARTNER_PARTITIONS)
            continue;
        struct route *route = &routes->all[run->partition];
        /* Named by its first batch, of which acknowledgments may have come in meanwhile. */
        if (route->out == 0 || run->sequence > route->first->sequence)
            continue;
        if (now_ms >= route->hold_until_ms)
            route->lease_end_ms = now_ms + (int64_t)routes->options->lease_ms;
        snprintf(route->worker_id, sizeof route->worker_id, "%s", beat->worker_id);
    }
}

void routes_heed(struct routes *routes, const Epcis__Wire__V1__Acknowledgment *ack,
                 const Epcis__Wire__V1__Heartbeat *beat)
{
    if (ack)
        heed_ack(routes, ack);
    else
        heed_beat(routes, beat);
}

void routes_heed_news(struct routes *routes)
{
    for (;;) {
        Epcis__Wire__V1__Acknowledgment *ack;
        Epcis__Wire__V1__Heartbeat *beat;
        enum err err = wire_receive_news(routes->wire, &routes->arena, &ack, &beat);
        if (err)
            log_error("news_not_received", "err=%s", err_name(err));
        if (!ack && !beat)
            return;
        routes_heed(routes, ack, beat);
    }
}
