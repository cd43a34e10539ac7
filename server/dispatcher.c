#include "server/dispatcher.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/wire/wire.h"
#include "server/batch.h"
#include "server/routes.h"

enum { PIDS_WAITING = 16 };

struct dispatcher {
    struct dispatcher_options options;
    struct routes routes; /* the thread's */
    pthread_t thread;
    bool started;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t idle;
    struct batch *inbox, **inbox_last;
    pid_t gone[PIDS_WAITING];
    int gone_count;
    bool draining;
    bool stopping;
    struct dispatcher_status status;
};

/* ---- the thread ------------------------------------------------------------------------------------- */

struct orders {
    struct batch *batches;
    pid_t gone[PIDS_WAITING];
    int gone_count;
    bool draining;
};

/* Tells other threads how things are. */
static void tell_status(struct dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->status = dispatcher->routes.status;
    dispatcher->status.breaker = dispatcher->routes.breaker.state;
    dispatcher->status.peers_refused = wire_peers_refused(dispatcher->routes.wire);
    if (dispatcher->status.runs_out == 0)
        pthread_cond_broadcast(&dispatcher->idle);
    pthread_mutex_unlock(&dispatcher->mutex);
}

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
    struct routes *routes = &dispatcher->routes;
    struct orders orders;
    while (take_orders(dispatcher, &orders)) {
        routes_append(routes, orders.batches);
        for (int i = 0; i < orders.gone_count; i++)
            routes_process_ended(routes, orders.gone[i]);
        int64_t wait_ms = routes_send_due(routes, orders.draining);
        tell_status(dispatcher);
        wire_wait(routes->wire, routes->want_send, (int)wait_ms);
        routes_heed_news(routes);
        tell_status(dispatcher);
    }
    routes_append(routes, orders.batches);
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
    wire_wake(dispatcher->routes.wire);
}

void dispatcher_worker_gone(struct dispatcher *dispatcher, pid_t pid)
{
    pthread_mutex_lock(&dispatcher->mutex);
    if (dispatcher->gone_count < PIDS_WAITING) /* else the leases will tell, a little later */
        dispatcher->gone[dispatcher->gone_count++] = pid;
    pthread_mutex_unlock(&dispatcher->mutex);
    wire_wake(dispatcher->routes.wire);
}

void dispatcher_status(struct dispatcher *dispatcher, struct dispatcher_status *out)
{
    pthread_mutex_lock(&dispatcher->mutex);
    *out = dispatcher->status;
    pthread_mutex_unlock(&dispatcher->mutex);
}

size_t dispatcher_workers(struct dispatcher *dispatcher, struct roster_worker *out, size_t size)
{
    return roster_list(&dispatcher->routes.roster, out, size);
}

/* Waits until no run is out. */
static bool drain(struct dispatcher *dispatcher, uint64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->draining = true;
    int code = 0;
    while (dispatcher->status.runs_out > 0 && code == 0)
        code = pthread_cond_timedwait(&dispatcher->idle, &dispatcher->mutex, &until);
    bool idle = dispatcher->status.runs_out == 0;
    pthread_mutex_unlock(&dispatcher->mutex);
    return idle;
}

bool dispatcher_stop(struct dispatcher *dispatcher, uint64_t timeout_ms)
{
    bool idle = drain(dispatcher, timeout_ms);
    pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->stopping = true;
    pthread_mutex_unlock(&dispatcher->mutex);
    wire_wake(dispatcher->routes.wire);
    pthread_join(dispatcher->thread, NULL);
    dispatcher->started = false;
    return idle;
}

const char *dispatcher_work_endpoint(const struct dispatcher *dispatcher)
{
    return wire_work_endpoint(dispatcher->routes.wire);
}

const char *dispatcher_ack_endpoint(const struct dispatcher *dispatcher)
{
    return wire_ack_endpoint(dispatcher->routes.wire);
}

enum err dispatcher_open(const struct dispatcher_options *options, struct journal *journal,
                         dispatcher_acknowledged_fn *acknowledged, void *context, struct dispatcher **out)
{
    struct dispatcher *dispatcher = calloc(1, sizeof *dispatcher);
    if (!dispatcher)
        return ERR_MEMORY;
    dispatcher->options = *options;
    dispatcher->inbox_last = &dispatcher->inbox;
    pthread_mutex_init(&dispatcher->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&dispatcher->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    enum err err = routes_open(&dispatcher->routes, &dispatcher->options, journal, acknowledged, context);
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

void dispatcher_close(struct dispatcher **dispatcher)
{
    struct dispatcher *self = *dispatcher;
    if (!self)
        return;
    if (self->started)
        dispatcher_stop(self, 0);
    batch_free_list(self->inbox);
    routes_close(&self->routes);
    pthread_cond_destroy(&self->idle);
    pthread_mutex_destroy(&self->mutex);
    free(self);
    *dispatcher = NULL;
}
