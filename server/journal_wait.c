#include "server/journal_wait.h"

#include <pthread.h>

struct waiting {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool done;
    enum err err;
};

static void on_done(struct journal_op *op, enum err err)
{
    struct waiting *waiting = op->context;
    pthread_mutex_lock(&waiting->mutex);
    waiting->done = true;
    waiting->err = err;
    pthread_cond_signal(&waiting->changed); /* under the lock: who waits frees all once it has it */
    pthread_mutex_unlock(&waiting->mutex);
}

enum err journal_wait_through(void (*submit)(void *context, struct journal_op *op), void *context,
                              struct journal_op *op)
{
    struct waiting waiting = {.done = false};
    pthread_mutex_init(&waiting.mutex, NULL);
    pthread_cond_init(&waiting.changed, NULL);
    op->done = on_done;
    op->context = &waiting;
    submit(context, op);
    pthread_mutex_lock(&waiting.mutex);
    while (!waiting.done)
        pthread_cond_wait(&waiting.changed, &waiting.mutex);
    pthread_mutex_unlock(&waiting.mutex);
    pthread_cond_destroy(&waiting.changed);
    pthread_mutex_destroy(&waiting.mutex);
    return waiting.err;
}

static void submit_to_journal(void *context, struct journal_op *op)
{
    journal_submit(context, op);
}

enum err journal_wait(struct journal *journal, struct journal_op *op)
{
    return journal_wait_through(submit_to_journal, journal, op);
}
