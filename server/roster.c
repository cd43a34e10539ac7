#include "server/roster.h"

#include <stdio.h>
#include <string.h>

#include "epcis/v1/server_service.pb-c.h"

void roster_init(struct roster *roster)
{
    pthread_mutex_init(&roster->mutex, NULL);
    roster->count = 0;
}

void roster_free(struct roster *roster)
{
    pthread_mutex_destroy(&roster->mutex);
}

bool roster_lives(const struct roster_worker *worker)
{
    return worker->state == ROSTER_WORKING || worker->state == ROSTER_DRAINING;
}

static struct roster_worker *find(struct roster *roster, const char *id)
{
    for (size_t i = 0; i < roster->count; i++)
        if (strcmp(roster->workers[i].id, id) == 0)
            return &roster->workers[i];
    return NULL;
}

/* A free place, or that of the one who is gone for longest; NULL: all live. */
static struct roster_worker *make_room(struct roster *roster)
{
    if (roster->count < ROSTER_WORKERS_MAX)
        return &roster->workers[roster->count++];
    struct roster_worker *oldest = NULL;
    for (size_t i = 0; i < roster->count; i++) {
        struct roster_worker *worker = &roster->workers[i];
        if (!roster_lives(worker) && (!oldest || worker->heard_ms < oldest->heard_ms))
            oldest = worker;
    }
    return oldest;
}

static enum roster_state state_of(const Epcis__Wire__V1__Heartbeat *beat)
{
    switch (beat->state) {
    case EPCIS__WIRE__V1__WORKER_STATE__WORKER_STATE_DRAINING:
        return ROSTER_DRAINING;
    case EPCIS__WIRE__V1__WORKER_STATE__WORKER_STATE_STOPPED:
        return ROSTER_STOPPED;
    default:
        return ROSTER_WORKING;
    }
}

static void copy_text(char out[ROSTER_TEXT_BYTES], const char *text)
{
    snprintf(out, ROSTER_TEXT_BYTES, "%s", text);
}

static void take_options(struct roster_worker *worker, const Epcis__Wire__V1__Heartbeat *beat)
{
    Epcis__V1__WorkerConfig config = EPCIS__V1__WORKER_CONFIG__INIT;
    config.options = beat->options;
    config.n_options = beat->n_options;
    worker->options_bytes = epcis__v1__worker_config__get_packed_size(&config);
    if (worker->options_bytes > sizeof worker->options)
        worker->options_bytes = 0;
    else
        epcis__v1__worker_config__pack(&config, worker->options);
}

static void take_beat(struct roster_worker *worker, const Epcis__Wire__V1__Heartbeat *beat, int64_t now_ms)
{
    copy_text(worker->id, beat->worker_id);
    copy_text(worker->rule_pack, beat->rule_pack);
    copy_text(worker->store, beat->store);
    worker->state = state_of(beat);
    worker->wire_version = beat->wire_version;
    worker->runs = (uint32_t)beat->n_runs;
    worker->started_ms = beat->started_ms;
    worker->heard_ms = now_ms;
    worker->batches = beat->batches;
    worker->committed = beat->committed;
    worker->duplicates = beat->duplicates;
    worker->dead_letters = beat->dead_letters;
    take_options(worker, beat);
}

bool roster_heed(struct roster *roster, const Epcis__Wire__V1__Heartbeat *beat, int64_t now_ms,
                 const struct roster_worker **out)
{
    char id[ROSTER_TEXT_BYTES];
    copy_text(id, beat->worker_id);
    pthread_mutex_lock(&roster->mutex);
    struct roster_worker *worker = find(roster, id);
    bool changed = !worker || worker->state != state_of(beat);
    if (!worker)
        worker = make_room(roster);
    if (worker)
        take_beat(worker, beat, now_ms);
    pthread_mutex_unlock(&roster->mutex);
    *out = worker;
    return changed;
}

const struct roster_worker *roster_other_rules(const struct roster *roster,
                                               const struct roster_worker *worker)
{
    for (size_t i = 0; i < roster->count; i++)
        if (roster_lives(&roster->workers[i]) && strcmp(roster->workers[i].rule_pack, worker->rule_pack) != 0)
            return &roster->workers[i];
    return NULL;
}

static void set_lost(struct roster *roster, struct roster_worker *worker)
{
    pthread_mutex_lock(&roster->mutex);
    worker->state = ROSTER_LOST;
    pthread_mutex_unlock(&roster->mutex);
}

bool roster_ended(struct roster *roster, const char *id)
{
    struct roster_worker *worker = find(roster, id);
    if (worker && !roster_lives(worker))
        return false;
    if (worker)
        set_lost(roster, worker);
    return true;
}

static struct roster_worker *find_oldest(const struct roster *roster)
{
    const struct roster_worker *oldest = NULL;
    for (size_t i = 0; i < roster->count; i++) {
        const struct roster_worker *worker = &roster->workers[i];
        if (roster_lives(worker) && (!oldest || worker->heard_ms < oldest->heard_ms))
            oldest = worker;
    }
    return (struct roster_worker *)(uintptr_t)oldest;
}

const struct roster_worker *roster_take_silent(struct roster *roster, int64_t since_ms)
{
    struct roster_worker *worker = find_oldest(roster);
    if (!worker || worker->heard_ms > since_ms)
        return NULL;
    set_lost(roster, worker);
    return worker;
}

int64_t roster_oldest_ms(const struct roster *roster)
{
    const struct roster_worker *worker = find_oldest(roster);
    return worker ? worker->heard_ms : INT64_MAX;
}

size_t roster_list(struct roster *roster, struct roster_worker *out, size_t size)
{
    pthread_mutex_lock(&roster->mutex);
    size_t count = roster->count;
    memcpy(out, roster->workers, (count < size ? count : size) * sizeof *out);
    pthread_mutex_unlock(&roster->mutex);
    return count;
}

const char *roster_state_name(enum roster_state state)
{
    static const char *const names[] = {"working", "draining", "stopped", "lost"};
    return names[state];
}
