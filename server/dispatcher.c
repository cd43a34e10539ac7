#include "server/dispatcher.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/wire/wire.h"
#include "server/batch.h"
#include "server/counters.h"
#include "server/partner.h"

enum {
    NEWS_BYTES = 8 << 20, /* memory one acknowledgment may take */
    WORKER_ID_BYTES = 128,
    RETRY_MS = 1000,           /* after a store failed */
    RETRY_MISMATCH_MS = 30000, /* after a refusal that trying again will hardly mend */
    PIDS_WAITING = 16,
};

/* A partition's batches: those out, in one run, then those that wait. */
struct route {
    struct batch *first, **last;
    uint32_t out;                    /* the first so many are out */
    int64_t lease_end_ms;            /* steady clock; while `out` */
    int64_t hold_until_ms;           /* nothing is sent before */
    uint32_t attempts;               /* of the run that is out */
    char worker_id[WORKER_ID_BYTES]; /* that named it; empty: none yet */
};

struct dispatcher {
    struct dispatcher_options options;
    struct journal *journal;
    dispatcher_acknowledged_fn *acknowledged;
    void *context;
    struct wire *wire;
    pthread_t thread;
    bool started;

    struct route routes[PARTNER_PARTITIONS]; /* the thread's */
    uint32_t next_route;                     /* whose turn it is */
    bool want_send;                          /* a run waits for a worker with room */
    struct arena arena;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t idle;
    struct batch *inbox, **inbox_last;
    pid_t gone[PIDS_WAITING];
    int gone_count;
    bool draining;
    bool stopping;
    uint32_t runs_out;
};

/* ---- sending ---------------------------------------------------------------------------------------- */

static void set_runs_out(struct dispatcher *dispatcher, int change)
{
    pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->runs_out += (uint32_t)change;
    if (dispatcher->runs_out == 0)
        pthread_cond_broadcast(&dispatcher->idle);
    pthread_mutex_unlock(&dispatcher->mutex);
}

/* How many of the waiting batches make one run. A run sent again stays the run it was. */
static uint32_t run_length(const struct dispatcher *dispatcher, const struct route *route)
{
    uint32_t count = 0;
    size_t bytes = 0;
    for (const struct batch *batch = route->first; batch; batch = batch->next) {
        bytes += batch->frame.length;
        if (count > 0 &&
            (count == dispatcher->options.run_max_batches || bytes > dispatcher->options.run_max_bytes))
            break;
        count++;
    }
    return count;
}

static enum err send_run(struct dispatcher *dispatcher, const struct route *route, uint32_t count)
{
    struct buffer frames[WIRE_RUN_BATCHES_MAX];
    const struct batch *batch = route->first;
    for (uint32_t i = 0; i < count; i++, batch = batch->next)
        frames[i] = batch->frame;
    return wire_send_run(dispatcher->wire, frames, count);
}

/* Sends the partition's next run, or the one whose lease ended again. */
static void route_send(struct dispatcher *dispatcher, struct route *route, int64_t now_ms)
{
    bool again = route->out > 0;
    uint32_t count = again ? route->out : run_length(dispatcher, route);
    enum err err = send_run(dispatcher, route, count);
    if (err == ERR_FULL) {
        dispatcher->want_send = true;
        return;
    }
    if (err) {
        log_error("run_not_sent", "partition=%u err=%s", route->first->partition, err_name(err));
        route->hold_until_ms = now_ms + RETRY_MS;
        return;
    }
    if (again)
        log_warning("run_sent_again", "partition=%u batch=%" PRIu64 " batches=%u attempt=%u worker=%s",
                    route->first->partition, route->first->sequence, count, route->attempts + 1,
                    route->worker_id[0] ? route->worker_id : "none");
    else
        set_runs_out(dispatcher, 1);
    route->out = count;
    route->attempts = again ? route->attempts + 1 : 1;
    route->worker_id[0] = '\0';
    route->lease_end_ms = now_ms + (int64_t)dispatcher->options.lease_ms;
}

static bool route_due(const struct route *route, bool draining, int64_t now_ms)
{
    if (!route->first || now_ms < route->hold_until_ms)
        return false;
    return route->out > 0 ? now_ms >= route->lease_end_ms : !draining;
}

/* Sends what is due, each partition in its turn, until no worker has room. Returns how long nothing falls
 * due. */
static int64_t send_due(struct dispatcher *dispatcher, bool draining)
{
    enum { IDLE_MS = 60000 };
    int64_t now_ms = clock_steady_ms(), wait_ms = IDLE_MS;
    dispatcher->want_send = false;
    for (uint32_t i = 0; i < PARTNER_PARTITIONS; i++) {
        uint32_t turn = (dispatcher->next_route + i) % PARTNER_PARTITIONS;
        struct route *route = &dispatcher->routes[turn];
        if (!dispatcher->want_send && route_due(route, draining, now_ms)) {
            route_send(dispatcher, route, now_ms);
            if (dispatcher->want_send)
                dispatcher->next_route = turn; /* it is first when there is room */
        }
        if (!route->first)
            continue;
        int64_t due_ms = route->out > 0 ? route->lease_end_ms : now_ms;
        if (due_ms < route->hold_until_ms)
            due_ms = route->hold_until_ms;
        if (due_ms > now_ms && due_ms - now_ms < wait_ms)
            wait_ms = due_ms - now_ms;
    }
    if (!dispatcher->want_send)
        dispatcher->next_route = (dispatcher->next_route + 1) % PARTNER_PARTITIONS;
    return wait_ms;
}

/* ---- news ------------------------------------------------------------------------------------------- */

static void acknowledgment_recorded(struct journal_op *op, enum err err)
{
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
static void route_advance(struct dispatcher *dispatcher, struct route *route,
                          const Epcis__Wire__V1__Acknowledgment *ack)
{
    struct batch *batch = route->first;
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
    if (--route->out == 0)
        set_runs_out(dispatcher, -1);
    else
        route->lease_end_ms = clock_steady_ms() + (int64_t)dispatcher->options.lease_ms;

    uint32_t partition = batch->partition;
    size_t bytes = batch->op.bytes;
    buffer_free(&batch->frame);
    buffer_free(&batch->op.data);
    batch->op = (struct journal_op){.kind = JOURNAL_ACKNOWLEDGED,
                                    .done = acknowledgment_recorded,
                                    .context = batch,
                                    .bytes = sizeof *batch,
                                    .partition = partition,
                                    .sequence = batch->sequence,
                                    .results = batch->results,
                                    .result_count = batch->span_count};
    journal_submit(dispatcher->journal, &batch->op);
    dispatcher->acknowledged(dispatcher->context, partition, bytes);
}

/* Every event of the batch must be accounted for, or the acknowledgment is none. */
static bool ack_adds_up(const struct batch *batch, const Epcis__Wire__V1__Acknowledgment *ack)
{
    if (ack->n_segments != batch->span_count)
        return false;
    for (size_t i = 0; i < batch->span_count; i++) {
        const Epcis__Wire__V1__SegmentResult *result = ack->segments[i];
        uint64_t sum = (uint64_t)result->committed + result->duplicates + result->dead_letters;
        if (sum != batch->spans[i].events)
            return false;
    }
    return true;
}

static void heed_refusal(struct route *route, const Epcis__Wire__V1__Acknowledgment *ack, int64_t now_ms)
{
    static const char *const names[] = {
        [EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_OUT_OF_ORDER] = "out_of_order",
        [EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_FORK] = "fork",
        [EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_BAD_BATCH] = "bad_batch",
        [EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_STORE_FAILED] = "store_failed",
    };
    bool known = (size_t)ack->result < sizeof names / sizeof names[0] && names[ack->result];
    bool store_failed = ack->result == EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_STORE_FAILED;
    log_error("batch_refused",
              "partition=%u batch=%" PRIu64 " result=%s store_sequence=%" PRIu64 " worker=%s detail=\"%s\"",
              ack->partition, ack->sequence, known ? names[ack->result] : "unknown", ack->last_sequence,
              ack->worker_id, ack->detail);
    route->hold_until_ms = now_ms + (store_failed ? RETRY_MS : RETRY_MISMATCH_MS);
    route->lease_end_ms = route->hold_until_ms;
}

static void heed_ack(struct dispatcher *dispatcher, const Epcis__Wire__V1__Acknowledgment *ack)
{
    if (ack->partition >= PARTNER_PARTITIONS)
        return;
    struct route *route = &dispatcher->routes[ack->partition];
    struct batch *batch = route->first;
    /* A batch that was sent twice is acknowledged twice: the second time it is not here any more. */
    if (route->out == 0 || batch->sequence != ack->sequence || ack->batch_id.len != DIGEST_BYTES ||
        memcmp(ack->batch_id.data, batch->id, DIGEST_BYTES) != 0)
        return;
    if (ack->result != EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED)
        heed_refusal(route, ack, clock_steady_ms());
    else if (ack_adds_up(batch, ack))
        route_advance(dispatcher, route, ack);
    else
        log_error("acknowledgment_wrong", "partition=%u batch=%" PRIu64 " worker=%s", ack->partition,
                  ack->sequence, ack->worker_id);
}

static void heed_beat(struct dispatcher *dispatcher, const Epcis__Wire__V1__Heartbeat *beat)
{
    int64_t now_ms = clock_steady_ms();
    for (size_t i = 0; i < beat->n_runs; i++) {
        const Epcis__Wire__V1__RunUnderWay *run = beat->runs[i];
        if (run->partition >= PARTNER_PARTITIONS)
            continue;
        struct route *route = &dispatcher->routes[run->partition];
        /* Named by its first batch, of which acknowledgments may have come in meanwhile. */
        if (route->out == 0 || run->sequence > route->first->sequence)
            continue;
        if (now_ms >= route->hold_until_ms)
            route->lease_end_ms = now_ms + (int64_t)dispatcher->options.lease_ms;
        snprintf(route->worker_id, sizeof route->worker_id, "%s", beat->worker_id);
    }
}

static void heed_news(struct dispatcher *dispatcher)
{
    for (;;) {
        Epcis__Wire__V1__Acknowledgment *ack;
        Epcis__Wire__V1__Heartbeat *beat;
        enum err err = wire_receive_news(dispatcher->wire, &dispatcher->arena, &ack, &beat);
        if (err)
            log_error("news_not_received", "err=%s", err_name(err));
        if (ack)
            heed_ack(dispatcher, ack);
        else if (beat)
            heed_beat(dispatcher, beat);
        else
            return;
    }
}

/* ---- the thread ------------------------------------------------------------------------------------- */

/* A worker's id is its host's name, a colon and its process id. */
static bool id_has_pid(const char *worker_id, pid_t pid)
{
    const char *colon = strrchr(worker_id, ':');
    return colon && strtol(colon + 1, NULL, 10) == (long)pid;
}

static void resend_of_worker(struct dispatcher *dispatcher, pid_t pid)
{
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++) {
        struct route *route = &dispatcher->routes[i];
        /* A run that no worker has named yet may have been on its way to this one. */
        if (route->out > 0 && (!route->worker_id[0] || id_has_pid(route->worker_id, pid)))
            route->lease_end_ms = 0;
    }
}

static void append_batches(struct dispatcher *dispatcher, struct batch *batch)
{
    while (batch) {
        struct batch *next = batch->next;
        struct route *route = &dispatcher->routes[batch->partition];
        batch->next = NULL;
        *route->last = batch;
        route->last = &batch->next;
        batch = next;
    }
}

struct orders {
    struct batch *batches;
    pid_t gone[PIDS_WAITING];
    int gone_count;
    bool draining;
};

/* What other threads want. False: stop. */
static bool take_orders(struct dispatcher *dispatcher, struct orders *orders)
{
    pthread_mutex_lock(&dispatcher->mutex);
    orders->batches = dispatcher->inbox;
    dispatcher->inbox = NULL;
    dispatcher->inbox_last = &dispatcher->inbox;
    memcpy(orders->gone, dispatcher->gone, sizeof orders->gone);
    orders->gone_count = dispatcher->gone_count;
    dispatcher->gone_count = 0;
    orders->draining = dispatcher->draining;
    bool go_on = !dispatcher->stopping;
    pthread_mutex_unlock(&dispatcher->mutex);
    return go_on;
}

static void *dispatcher_main(void *context)
{
    struct dispatcher *dispatcher = context;
    struct orders orders;
    bool go_on;
    do {
        go_on = take_orders(dispatcher, &orders);
        append_batches(dispatcher, orders.batches);
        heed_news(dispatcher);
        for (int i = 0; i < orders.gone_count; i++)
            resend_of_worker(dispatcher, orders.gone[i]);
        int64_t wait_ms = go_on ? send_due(dispatcher, orders.draining) : 0;
        if (go_on)
            wire_wait(dispatcher->wire, dispatcher->want_send, (int)wait_ms);
    } while (go_on);
    return NULL;
}

/* ---- orders ----------------------------------------------------------------------------------------- */

void dispatcher_enqueue(struct dispatcher *dispatcher, struct batch *batch)
{
    batch->next = NULL;
    pthread_mutex_lock(&dispatcher->mutex);
    *dispatcher->inbox_last = batch;
    dispatcher->inbox_last = &batch->next;
    pthread_mutex_unlock(&dispatcher->mutex);
    wire_wake(dispatcher->wire);
}

void dispatcher_worker_gone(struct dispatcher *dispatcher, pid_t pid)
{
    pthread_mutex_lock(&dispatcher->mutex);
    if (dispatcher->gone_count < PIDS_WAITING) /* else the leases will tell, a little later */
        dispatcher->gone[dispatcher->gone_count++] = pid;
    pthread_mutex_unlock(&dispatcher->mutex);
    wire_wake(dispatcher->wire);
}

/* Waits until no run is out. */
static bool drain(struct dispatcher *dispatcher, uint64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->draining = true;
    int code = 0;
    while (dispatcher->runs_out > 0 && code == 0)
        code = pthread_cond_timedwait(&dispatcher->idle, &dispatcher->mutex, &until);
    bool idle = dispatcher->runs_out == 0;
    pthread_mutex_unlock(&dispatcher->mutex);
    return idle;
}

bool dispatcher_stop(struct dispatcher *dispatcher, uint64_t timeout_ms)
{
    bool idle = drain(dispatcher, timeout_ms);
    pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->stopping = true;
    pthread_mutex_unlock(&dispatcher->mutex);
    wire_wake(dispatcher->wire);
    pthread_join(dispatcher->thread, NULL);
    dispatcher->started = false;
    return idle;
}

const char *dispatcher_work_endpoint(const struct dispatcher *dispatcher)
{
    return wire_work_endpoint(dispatcher->wire);
}

const char *dispatcher_ack_endpoint(const struct dispatcher *dispatcher)
{
    return wire_ack_endpoint(dispatcher->wire);
}

enum err dispatcher_open(const struct dispatcher_options *options, struct journal *journal,
                         dispatcher_acknowledged_fn *acknowledged, void *context, struct dispatcher **out)
{
    struct dispatcher *dispatcher = calloc(1, sizeof *dispatcher);
    if (!dispatcher)
        return ERR_MEMORY;
    dispatcher->options = *options;
    dispatcher->journal = journal;
    dispatcher->acknowledged = acknowledged;
    dispatcher->context = context;
    dispatcher->inbox_last = &dispatcher->inbox;
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++)
        dispatcher->routes[i].last = &dispatcher->routes[i].first;
    arena_init(&dispatcher->arena, NEWS_BYTES);
    pthread_mutex_init(&dispatcher->mutex, NULL);
    pthread_cond_init(&dispatcher->idle, NULL);
    enum err err = wire_bind(options->work_endpoint, options->ack_endpoint, &dispatcher->wire);
    if (!err && pthread_create(&dispatcher->thread, NULL, dispatcher_main, dispatcher))
        err = ERR_SYSTEM;
    dispatcher->started = err == ERR_OK;
    if (err) {
        dispatcher_close(&dispatcher);
        return err;
    }
    *out = dispatcher;
    return ERR_OK;
}

static void free_batches(struct batch *batch)
{
    for (struct batch *next; batch; batch = next) {
        next = batch->next;
        batch_free(batch);
    }
}

void dispatcher_close(struct dispatcher **dispatcher)
{
    struct dispatcher *self = *dispatcher;
    if (!self)
        return;
    if (self->started)
        dispatcher_stop(self, 0);
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++)
        free_batches(self->routes[i].first);
    free_batches(self->inbox);
    wire_close(&self->wire);
    arena_free(&self->arena);
    pthread_cond_destroy(&self->idle);
    pthread_mutex_destroy(&self->mutex);
    free(self);
    *dispatcher = NULL;
}
