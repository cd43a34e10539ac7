#include "server/server_status.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "server/counters.h"
#include "server/dispatcher.h"
#include "server/pressure.h"

/* One piece of memory: the messages and what they point to. */
struct report {
    Epcis__V1__ServerStatus status;
    Epcis__V1__ServerBacklog backlog;
    Epcis__V1__ServerCounts counts;
    Epcis__V1__ServerRoom room;
    Epcis__V1__ServerWork work;
};

void server_status_init(struct server_status *status, struct pressure *pressure,
                        struct dispatcher *dispatcher, const char *curve_public_key)
{
    *status = (struct server_status){.pressure = pressure,
                                     .dispatcher = dispatcher,
                                     .curve_public_key = curve_public_key,
                                     .started_ms = clock_wall_ms(),
                                     .started_steady_ms = clock_steady_ms()};
}

/* 0 where the system does not say. */
static uint64_t memory_bytes(void)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "RssAnon: %" SCNu64, &kib) != 1)
        ;
    if (file)
        fclose(file);
    return kib * 1024;
}

static void fill_room(struct report *report, const struct pressure_view *view)
{
    epcis__v1__server_backlog__init(&report->backlog);
    report->backlog.documents = view->journal.documents;
    report->backlog.document_bytes = view->journal.bytes;
    report->backlog.oldest_ms = view->oldest_ms;
    report->status.backlog = &report->backlog;

    epcis__v1__server_room__init(&report->room);
    report->room.disk_free_bytes = view->disk_free_bytes;
    report->room.journal_used_bytes = view->journal.used_bytes;
    report->room.journal_max_bytes = view->journal.max_bytes;
    report->room.store_used_bytes = view->store_used_bytes;
    report->room.store_max_bytes = view->store_max_bytes;
    report->status.room = &report->room;
}

static void fill_counts(struct report *report)
{
    Epcis__V1__ServerCounts *counts = &report->counts;
    epcis__v1__server_counts__init(counts);
    counts->documents_received = counters_get(COUNTER_DOCUMENTS_RECEIVED);
    counts->document_bytes_received = counters_get(COUNTER_DOCUMENT_BYTES_RECEIVED);
    counts->documents_repeated = counters_get(COUNTER_DOCUMENTS_REPEATED);
    counts->batches_acknowledged = counters_get(COUNTER_BATCHES_ACKNOWLEDGED);
    counts->events_committed = counters_get(COUNTER_EVENTS_COMMITTED);
    counts->events_duplicate = counters_get(COUNTER_EVENTS_DUPLICATE);
    counts->events_dead = counters_get(COUNTER_EVENTS_DEAD);
    counts->warnings = counters_get(COUNTER_WARNINGS);
    counts->events_converted_ahead = counters_get(COUNTER_EVENTS_AHEAD);
    counts->conversions_ahead_failed = counters_get(COUNTER_AHEAD_FAILED);
    report->status.counts = counts;
}

static void fill_work(struct report *report, struct dispatcher *dispatcher)
{
    static const Epcis__V1__BreakerState breakers[] = {
        [BREAKER_CLOSED] = EPCIS__V1__BREAKER_STATE__BREAKER_STATE_CLOSED,
        [BREAKER_OPEN] = EPCIS__V1__BREAKER_STATE__BREAKER_STATE_OPEN,
        [BREAKER_PROBING] = EPCIS__V1__BREAKER_STATE__BREAKER_STATE_PROBING,
    };
    struct dispatcher_status work;
    dispatcher_status(dispatcher, &work);
    epcis__v1__server_work__init(&report->work);
    report->work.runs_out = work.runs_out;
    report->work.runs_resent = work.runs_resent;
    report->work.store_failures = work.store_failures;
    report->work.events_condemned = work.events_condemned;
    report->work.peers_refused = work.peers_refused;
    report->work.breaker = breakers[work.breaker];
    report->status.work = &report->work;
}

bool server_status_store_fails(const struct server_status *status)
{
    struct dispatcher_status work;
    dispatcher_status(status->dispatcher, &work);
    return work.breaker != BREAKER_CLOSED;
}

enum err server_status_get(const struct server_status *status, bool draining, struct arena *arena,
                           Epcis__V1__ServerStatus **out)
{
    struct report *report = arena_alloc(arena, sizeof *report);
    struct pressure_view view;
    if (!report)
        return ERR_LIMIT;
    pressure_look(status->pressure, &view);
    epcis__v1__server_status__init(&report->status);
    report->status.version = (char *)(uintptr_t)EPCISD_VERSION;
    report->status.started_ms = status->started_ms;
    report->status.uptime_ms = clock_steady_ms() - status->started_steady_ms;
    report->status.state = draining      ? EPCIS__V1__SERVER_STATE__SERVER_STATE_DRAINING
                           : view.reason ? EPCIS__V1__SERVER_STATE__SERVER_STATE_REFUSING
                                         : EPCIS__V1__SERVER_STATE__SERVER_STATE_SERVING;
    if (view.reason) {
        report->status.refusal_reason = (char *)(uintptr_t)refusal_code(view.reason);
        report->status.refusing_ms = view.refusing_ms;
    }
    report->status.memory_bytes = memory_bytes();
    report->status.curve_public_key = (char *)(uintptr_t)status->curve_public_key;
    fill_room(report, &view);
    fill_counts(report);
    fill_work(report, status->dispatcher);
    *out = &report->status;
    return ERR_OK;
}
