#include "server/retention.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/journal.h"
#include "server/journal_prune.h"
#include "server/journal_wait.h"

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
    ROUND_MS = 60 * 60 * 1000,
    ROUND_AT_ONCE_MS = 1000, /* where documents need not be kept at all */
    RECORD_BYTES = 64 << 10,
};

struct retention {
    struct journal *journal;
    uint64_t retain_ms;
    int prune_lock;
    bool held; /* by a backup, as was logged; the thread's */
    pthread_t thread;
    uint64_t through;    /* documents up to this one were looked at; the thread's, as the following */
    uint64_t unfinished; /* so many of them were passed over */
    struct arena arena;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool stopping;
};

/* One step of removing a document's bytes; waits until it is on disk. */
static enum err prune_some(struct retention *retention, uint64_t number)
{
    struct journal_op op = {.kind = JOURNAL_PRUNE,
                            .bytes = sizeof op,
                            .number = number,
                            .before_ms = clock_wall_ms() - (int64_t)retention->retain_ms,
                            .pruned_ms = clock_wall_ms()};
    return journal_wait(retention->journal, &op);
}

/* The same, unless a backup is being made: ERR_FULL. */
static enum err prune_some_if_free(struct retention *retention, uint64_t number)
{
    bool held = !journal_prune_may(retention->prune_lock);
    if (held && !retention->held)
        log_info("documents_held", "detail=\"a backup is being made: none loses its bytes meanwhile\"");
    retention->held = held;
    if (held)
        return ERR_FULL;
    enum err err = prune_some(retention, number);
    journal_prune_done(retention->prune_lock);
    return err;
}

static bool is_stopping(struct retention *retention)
{
    pthread_mutex_lock(&retention->mutex);
    bool stopping = retention->stopping;
    pthread_mutex_unlock(&retention->mutex);
    return stopping;
}

/* What is to be done about a document. */
enum due {
    DUE_LATER,      /* it, and all behind it, are too young */
    DUE_UNFINISHED, /* it is old, but still needs its bytes */
    DUE_NOW,
    DUE_GONE,
};

static enum err look_at(struct retention *retention, uint64_t number, enum due *due)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    bool left = false;
    arena_reset(&retention->arena);
    enum err err = journal_capture(retention->journal, number, &retention->arena, &record);
    if (err)
        return err;
    if (record->received_ms + (int64_t)retention->retain_ms > clock_wall_ms()) {
        *due = DUE_LATER;
    } else if (!journal_capture_is_final(record)) {
        *due = DUE_UNFINISHED;
    } else {
        err = journal_prune_left(retention->journal, record, &left);
        *due = left ? DUE_NOW : DUE_GONE;
    }
    return err;
}

/* Goes back to the first document that still has its bytes where one that was passed over is finished now. */
static enum err heed_finished(struct retention *retention)
{
    uint64_t unfinished;
    enum err err = journal_prune_unfinished(retention->journal, retention->through, &unfinished);
    if (err || unfinished == retention->unfinished)
        return err;
    retention->unfinished = 0;
    return journal_pruned(retention->journal, &retention->through);
}

/* Goes on to the first document that is too young, past those that are not finished. */
static enum err prune_due(struct retention *retention)
{
    uint64_t pruned = 0;
    enum due due = DUE_GONE;
    enum err err = heed_finished(retention);
    while (!err && !is_stopping(retention)) {
        bool begun = due == DUE_NOW;
        err = look_at(retention, retention->through + 1, &due);
        if (err || due == DUE_LATER)
            break;
        if (due == DUE_NOW) { /* and once more, until all of it is gone */
            err = prune_some_if_free(retention, retention->through + 1);
            continue;
        }
        pruned += begun;
        retention->unfinished += due == DUE_UNFINISHED;
        retention->through++;
    }
    if (pruned > 0)
        log_info("documents_pruned", "documents=%" PRIu64 " through=%" PRIu64 " unfinished=%" PRIu64, pruned,
                 retention->through, retention->unfinished);
    return err == ERR_NOT_FOUND || err == ERR_STOPPED || err == ERR_FULL ? ERR_OK : err;
}

static void *retention_main(void *context)
{
    struct retention *retention = context;
    do {
        enum err err = prune_due(retention);
        if (err)
            log_warning("documents_not_pruned", "err=%s detail=\"the next try is in an hour\"",
                        err_name(err));
        struct timespec until = clock_steady_after(retention->retain_ms ? ROUND_MS : ROUND_AT_ONCE_MS);
        int code = 0;
        pthread_mutex_lock(&retention->mutex);
        while (!retention->stopping && code == 0)
            code = pthread_cond_timedwait(&retention->changed, &retention->mutex, &until);
        pthread_mutex_unlock(&retention->mutex);
    } while (!is_stopping(retention));
    return NULL;
}

static void discard(struct retention *retention)
{
    if (retention->prune_lock >= 0)
        close(retention->prune_lock);
    arena_free(&retention->arena);
    pthread_cond_destroy(&retention->changed);
    pthread_mutex_destroy(&retention->mutex);
    free(retention);
}

enum err retention_start(struct journal *journal, const char *dir, uint64_t retain_days,
                         struct retention **out)
{
    struct retention *retention = calloc(1, sizeof *retention);
    if (!retention)
        return ERR_MEMORY;
    retention->journal = journal;
    retention->prune_lock = -1;
    retention->retain_ms = retain_days * DAY_MS;
    arena_init(&retention->arena, RECORD_BYTES);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&retention->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&retention->mutex, NULL);
    enum err err = journal_pruned(journal, &retention->through);
    if (!err)
        err = journal_prune_open(dir, &retention->prune_lock);
    if (!err && pthread_create(&retention->thread, NULL, retention_main, retention))
        err = ERR_SYSTEM;
    if (err)
        discard(retention);
    else
        *out = retention;
    return err;
}

void retention_stop(struct retention **retention)
{
    struct retention *self = *retention;
    if (!self)
        return;
    pthread_mutex_lock(&self->mutex);
    self->stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
    discard(self);
    *retention = NULL;
}
