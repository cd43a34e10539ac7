#include "server/checkpointer.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/log.h"
#include "server/journal_wait.h"

struct checkpointer {
    struct journal *journal;
    uint64_t interval_ms;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards `stopping` */
    pthread_cond_t changed;
    bool stopping;
};

static void make(struct checkpointer *checkpointer, bool always)
{
    struct journal_op op = {.kind = JOURNAL_CHECKPOINT, .always = always};
    enum err err = journal_wait(checkpointer->journal, &op);
    if (err)
        log_warning("checkpoint_failed", "err=%s detail=\"the next one makes up for it\"", err_name(err));
}

/* False: it shall stop. */
static bool wait_for_turn(struct checkpointer *checkpointer)
{
    struct timespec until;
    int code = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(checkpointer->interval_ms % 1000 * 1000000);
    until.tv_sec += (time_t)(checkpointer->interval_ms / 1000) + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&checkpointer->mutex);
    while (!checkpointer->stopping && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&checkpointer->changed, &checkpointer->mutex, &until);
    bool go_on = !checkpointer->stopping;
    pthread_mutex_unlock(&checkpointer->mutex);
    return go_on;
}

static void *run(void *context)
{
    struct checkpointer *checkpointer = context;
    make(checkpointer, true);
    while (wait_for_turn(checkpointer))
        make(checkpointer, false);
    make(checkpointer, false);
    return NULL;
}

static void discard(struct checkpointer *checkpointer)
{
    pthread_cond_destroy(&checkpointer->changed);
    pthread_mutex_destroy(&checkpointer->mutex);
    free(checkpointer);
}

enum err checkpointer_open(struct journal *journal, uint64_t interval_ms, struct checkpointer **out)
{
    pthread_condattr_t monotonic;
    struct checkpointer *checkpointer = calloc(1, sizeof *checkpointer);
    if (!checkpointer)
        return ERR_MEMORY;
    checkpointer->journal = journal;
    checkpointer->interval_ms = interval_ms;
    pthread_mutex_init(&checkpointer->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&checkpointer->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&checkpointer->thread, NULL, run, checkpointer)) {
        discard(checkpointer);
        return ERR_SYSTEM;
    }
    *out = checkpointer;
    return ERR_OK;
}

void checkpointer_close(struct checkpointer **checkpointer)
{
    struct checkpointer *self = *checkpointer;
    if (!self)
        return;
    pthread_mutex_lock(&self->mutex);
    self->stopping = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
    discard(self);
    *checkpointer = NULL;
}
