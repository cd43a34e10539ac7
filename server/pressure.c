#include "server/pressure.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/store/store.h"
#include "server/journal.h"

enum {
    LOOK_EVERY_MS = 250,
    MAP_RESERVE_SHARE = 8, /* of a small map not all can be reserve */
    RETRY_LEAST_MS = 500,
    RETRY_MOST_MS = 60000,
    LOG_EVERY_MS = 10000,
};

struct pressure {
    struct pressure_options options;
    struct journal *journal;
    struct store *store;
    pthread_t thread;
    bool started;

    /* The thread's. */
    bool look_failed;         /* and was logged */
    enum refusal_reason told; /* the log's last word */
    int64_t told_ms;          /* and when; steady clock */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t stop;
    bool stopping;
    struct pressure_view view;
    enum refusal_reason space; /* why no disk or map can take more; REFUSAL_NONE: they can */
    int64_t refusing_since_ms; /* steady clock; 0: documents are taken */
    uint64_t refused;          /* documents, since the log last told */
    enum refusal_reason last;  /* why the last of them was */
};

/* ---- looking ---------------------------------------------------------------------------------------- */

static enum err free_bytes(const char *dir, uint64_t *out)
{
    struct statvfs stat;
    while (statvfs(dir, &stat))
        if (errno != EINTR)
            return ERR_DISK;
    *out = (uint64_t)stat.f_bavail * stat.f_frsize;
    return ERR_OK;
}

static enum err look(const struct pressure *pressure, struct pressure_view *view)
{
    uint64_t store_disk = 0;
    enum err err = journal_load_look(pressure->journal, &view->journal);
    if (!err)
        err = store_space(pressure->store, &view->store_used_bytes, &view->store_max_bytes);
    if (!err)
        err = free_bytes(pressure->options.journal_dir, &view->disk_free_bytes);
    if (!err)
        err = free_bytes(pressure->options.store_dir, &store_disk);
    if (err)
        return err;
    if (store_disk < view->disk_free_bytes)
        view->disk_free_bytes = store_disk;
    if (view->journal.oldest_received_ms)
        view->oldest_ms = clock_wall_ms() - view->journal.oldest_received_ms;
    if (view->oldest_ms < 0) /* the clock was set back */
        view->oldest_ms = 0;
    return ERR_OK;
}

static bool map_is_full(uint64_t used_bytes, uint64_t max_bytes, uint64_t reserve_bytes)
{
    uint64_t share = max_bytes / MAP_RESERVE_SHARE;
    return used_bytes + (reserve_bytes < share ? reserve_bytes : share) > max_bytes;
}

static enum refusal_reason judge_space(const struct pressure_options *options,
                                       const struct pressure_view *view)
{
    uint64_t reserve = options->disk_reserve_bytes;
    if (view->disk_free_bytes < reserve)
        return REFUSAL_DISK_SPACE;
    if (map_is_full(view->journal.used_bytes, view->journal.max_bytes, reserve))
        return REFUSAL_JOURNAL_SPACE;
    if (map_is_full(view->store_used_bytes, view->store_max_bytes, reserve))
        return REFUSAL_STORE_SPACE;
    return REFUSAL_NONE;
}

/* The mutex is held. The bytes unfinished are looked up anew: they change faster than anyone looks. */
static enum refusal_reason judge(struct pressure *pressure)
{
    const struct pressure_options *options = &pressure->options;
    struct pressure_view *view = &pressure->view;
    view->journal.bytes = journal_unfinished_bytes(pressure->journal);
    if (journal_health(pressure->journal))
        view->reason = REFUSAL_JOURNAL_FAILED;
    else if (pressure->space)
        view->reason = pressure->space;
    else if (view->journal.bytes >= options->high_water_bytes)
        view->reason = REFUSAL_BACKLOG_BYTES;
    else if (view->journal.documents >= options->high_water_documents)
        view->reason = REFUSAL_BACKLOG_DOCUMENTS;
    else if (options->max_backlog_ms && view->oldest_ms > (int64_t)options->max_backlog_ms)
        view->reason = REFUSAL_BACKLOG_AGE;
    else
        view->reason = REFUSAL_NONE;
    if (!view->reason)
        pressure->refusing_since_ms = 0;
    else if (!pressure->refusing_since_ms)
        pressure->refusing_since_ms = clock_steady_ms();
    view->refusing_ms = pressure->refusing_since_ms ? clock_steady_ms() - pressure->refusing_since_ms : 0;
    return view->reason;
}

/* Told at once when it begins, later when its reason changes or it ends: at a mark it does so by the second.
 */
static void tell(struct pressure *pressure, const struct pressure_view *view, enum refusal_reason reason,
                 uint64_t refused)
{
    int64_t now_ms = clock_steady_ms();
    bool begun = reason && !pressure->told;
    if (reason == pressure->told || (!begun && now_ms < pressure->told_ms + LOG_EVERY_MS))
        return;
    if (reason)
        log_warning("documents_refused",
                    "reason=%s refused=%" PRIu64 " unfinished_documents=%" PRIu64 " unfinished_bytes=%" PRIu64
                    " oldest_ms=%" PRId64 " disk_free_bytes=%" PRIu64,
                    refusal_code(reason), refused, view->journal.documents, view->journal.bytes,
                    view->oldest_ms, view->disk_free_bytes);
    else
        log_info("documents_taken_again", "refused=%" PRIu64, refused);
    pressure->told = reason;
    pressure->told_ms = now_ms;
    pthread_mutex_lock(&pressure->mutex);
    pressure->refused -= refused;
    pthread_mutex_unlock(&pressure->mutex);
}

/* A look that fails leaves what was found before. */
static enum err look_and_judge(struct pressure *pressure)
{
    struct pressure_view view = {0};
    enum err err = look(pressure, &view);
    if (err && !pressure->look_failed)
        log_error("room_unknown", "err=%s detail=\"disk, journal or store cannot be looked at\"",
                  err_name(err));
    pressure->look_failed = err != ERR_OK;
    pthread_mutex_lock(&pressure->mutex);
    if (!err) {
        pressure->view = view;
        pressure->space = judge_space(&pressure->options, &view);
    }
    enum refusal_reason reason = judge(pressure);
    view = pressure->view;
    uint64_t refused = pressure->refused;
    if (!reason && refused) /* between two looks */
        reason = pressure->last;
    pthread_mutex_unlock(&pressure->mutex);
    tell(pressure, &view, reason, refused);
    return err;
}

/* False once it stops. */
static bool wait_for_next(struct pressure *pressure)
{
    struct timespec until;
    int code = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)LOOK_EVERY_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&pressure->mutex);
    while (!pressure->stopping && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&pressure->stop, &pressure->mutex, &until);
    bool go_on = !pressure->stopping;
    pthread_mutex_unlock(&pressure->mutex);
    return go_on;
}

static void *pressure_main(void *context)
{
    while (wait_for_next(context))
        look_and_judge(context);
    return NULL;
}

/* ---- answering -------------------------------------------------------------------------------------- */

/* The longer the backlog takes, and the longer nothing is taken, the later shall clients come again; and not
 * all at once. The mutex is held. */
static uint32_t retry_after(const struct pressure *pressure)
{
    int64_t behind_ms = pressure->view.oldest_ms > pressure->view.refusing_ms ? pressure->view.oldest_ms
                                                                              : pressure->view.refusing_ms;
    int64_t ms = behind_ms / 4;
    if (ms < RETRY_LEAST_MS)
        ms = RETRY_LEAST_MS;
    if (ms > RETRY_MOST_MS)
        ms = RETRY_MOST_MS;
    uint32_t spread = (uint32_t)pressure->refused * 2654435761u >> 22; /* 0 to 1,023, in no order */
    return (uint32_t)(ms + ms / 2 * spread / 1024);
}

static void explain(const struct pressure *pressure, enum refusal_reason reason, struct refusal *why)
{
    const struct pressure_view *view = &pressure->view;
    const struct pressure_options *options = &pressure->options;
    uint32_t retry_ms = retry_after(pressure);
    static const char again[] = "try again after retry-after-ms";
    switch (reason) {
    case REFUSAL_DISK_SPACE:
        refusal_set(why, reason, retry_ms,
                    "the server's disk has %" PRIu64 " bytes left, less than its reserve of %" PRIu64
                    " (--disk-reserve-bytes): the operator must make room; %s",
                    view->disk_free_bytes, options->disk_reserve_bytes, again);
        break;
    case REFUSAL_JOURNAL_SPACE:
    case REFUSAL_STORE_SPACE:
        refusal_set(why, reason, retry_ms,
                    "the server's %s has grown to %" PRIu64 " of the %" PRIu64
                    " bytes that it may (--map-bytes): the operator must raise it; %s",
                    reason == REFUSAL_STORE_SPACE ? "store" : "journal",
                    reason == REFUSAL_STORE_SPACE ? view->store_used_bytes : view->journal.used_bytes,
                    reason == REFUSAL_STORE_SPACE ? view->store_max_bytes : view->journal.max_bytes, again);
        break;
    case REFUSAL_BACKLOG_BYTES:
        refusal_set(why, reason, retry_ms,
                    "%" PRIu64 " bytes of documents wait to be checked, of %" PRIu64
                    " that may (--high-water-bytes); %s",
                    view->journal.bytes, options->high_water_bytes, again);
        break;
    case REFUSAL_BACKLOG_DOCUMENTS:
        refusal_set(why, reason, retry_ms,
                    "%" PRIu64 " documents wait to be checked, of %" PRIu64
                    " that may (--high-water-documents); %s",
                    view->journal.documents, options->high_water_documents, again);
        break;
    case REFUSAL_BACKLOG_AGE:
        refusal_set(why, reason, retry_ms,
                    "a document waits to be checked for %" PRId64 " ms, and at most %" PRIu64
                    " are allowed (--max-backlog-ms); %s",
                    view->oldest_ms, options->max_backlog_ms, again);
        break;
    default:
        refusal_set(why, reason, retry_ms, "the server takes no documents now; %s", again);
        break;
    }
}

/* The mutex is held. */
static void refuse(struct pressure *pressure, enum refusal_reason reason, struct refusal *why)
{
    pressure->refused++;
    pressure->last = reason;
    explain(pressure, reason, why);
}

enum err pressure_admit(struct pressure *pressure, struct refusal *why)
{
    pthread_mutex_lock(&pressure->mutex);
    enum refusal_reason reason = judge(pressure);
    if (reason && why)
        refuse(pressure, reason, why);
    pthread_mutex_unlock(&pressure->mutex);
    return reason ? ERR_FULL : ERR_OK;
}

static bool exceeds_share(uint64_t own, uint64_t all, uint64_t mark)
{
    return own > (mark > all ? mark - all : 0);
}

enum err pressure_admit_share(struct pressure *pressure, const struct journal_burden *own,
                              uint64_t all_documents, struct refusal *why)
{
    const struct pressure_options *options = &pressure->options;
    uint64_t all_bytes = journal_unfinished_bytes(pressure->journal);
    bool bytes = own->bytes && exceeds_share(own->bytes, all_bytes, options->high_water_bytes);
    if (!bytes &&
        !(own->documents && exceeds_share(own->documents, all_documents, options->high_water_documents)))
        return ERR_OK;
    pthread_mutex_lock(&pressure->mutex);
    pressure->refused++;
    pressure->last = REFUSAL_PARTNER_SHARE;
    refusal_set(why, REFUSAL_PARTNER_SHARE, retry_after(pressure),
                "%" PRIu64
                " %s of this partner wait to be checked, and no more are left for others (%s); try "
                "again after retry-after-ms",
                bytes ? own->bytes : own->documents, bytes ? "bytes of documents" : "documents",
                bytes ? "--high-water-bytes" : "--high-water-documents");
    pthread_mutex_unlock(&pressure->mutex);
    return ERR_FULL;
}

enum err pressure_go_on(struct pressure *pressure, struct refusal *why)
{
    pthread_mutex_lock(&pressure->mutex);
    enum refusal_reason reason = pressure->space;
    if (reason)
        refuse(pressure, reason, why);
    pthread_mutex_unlock(&pressure->mutex);
    return reason ? ERR_FULL : ERR_OK;
}

void pressure_look(struct pressure *pressure, struct pressure_view *out)
{
    pthread_mutex_lock(&pressure->mutex);
    judge(pressure);
    *out = pressure->view;
    pthread_mutex_unlock(&pressure->mutex);
}

/* ---- life ------------------------------------------------------------------------------------------- */

static void init_lock(struct pressure *pressure)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pressure->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&pressure->mutex, NULL);
}

enum err pressure_open(const struct pressure_options *options, struct journal *journal, struct store *store,
                       struct pressure **out)
{
    struct pressure *pressure = calloc(1, sizeof *pressure);
    if (!pressure)
        return ERR_MEMORY;
    init_lock(pressure);
    pressure->options = *options;
    pressure->journal = journal;
    pressure->store = store;
    enum err err = look_and_judge(pressure);
    if (!err) {
        pressure->started = !pthread_create(&pressure->thread, NULL, pressure_main, pressure);
        err = pressure->started ? ERR_OK : ERR_SYSTEM;
    }
    if (err)
        pressure_close(&pressure);
    *out = pressure;
    return err;
}

void pressure_close(struct pressure **pressure)
{
    struct pressure *self = *pressure;
    if (!self)
        return;
    if (self->started) {
        pthread_mutex_lock(&self->mutex);
        self->stopping = true;
        pthread_cond_signal(&self->stop);
        pthread_mutex_unlock(&self->mutex);
        pthread_join(self->thread, NULL);
    }
    pthread_cond_destroy(&self->stop);
    pthread_mutex_destroy(&self->mutex);
    free(self);
    *pressure = NULL;
}
